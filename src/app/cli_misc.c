/* watch, job, user, audit, docs, system. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "app/cli_priv.h"

int cli_show(struct cli *c, const struct json *j)
{
    if (c->json)
        cli_json(j);
    else
        cli_details(c, j);
    return 0;
}

int cli_list(struct cli *c, const char *base, const char *more, const char *page,
             const struct cli_column *cols, size_t n, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    const char *limit = cli_opt(c, "limit"), *after = cli_opt(c, "after");
    const char *path = arena_printf(c->a, "%s?limit=%s&%s=%s%s", base, limit ? limit : "100", page,
                                    after ? after : "0", more);
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    if (c->json)
        cli_json(j);
    else
        cli_table(c, json_get(j, "items"), cols, n);
    return 0;
}

/* "host:port", "[v6]:port" or a host alone. */
static void put_place(struct json_writer *w, const char *text)
{
    struct str s = str_from(text);
    const char *colon = strrchr(text, ':');
    bool v6 = text[0] == '[', bare6 = !v6 && colon && strchr(text, ':') != colon;
    int64_t port = 0;
    if (v6 && colon && colon[-1] == ']') {
        s = (struct str){text + 1, (size_t)(colon - text) - 2};
    } else if (v6 && str_ends(s, "]")) {
        s = (struct str){text + 1, s.n - 2};
        colon = NULL;
    } else if (colon && !bare6) {
        s.n = (size_t)(colon - text);
    } else {
        colon = NULL;
    }
    jw_key(w, "host");
    jw_strn(w, s);
    if (!colon)
        return;
    if (str_to_i64(str_from(colon + 1), INT32_MIN, INT32_MAX, &port))
        jw_ki64(w, "port", port);
    else
        jw_kstr(w, "port", colon + 1);
}

int cli_watch_add(struct cli *c, struct err *err)
{
    static const char *const options[] = {"sni", "starttls", "cert", "every", "group"};
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    put_place(&w, c->args[0]);
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (cli_opt(c, options[i]))
            jw_kstr(&w, options[i], cli_opt(c, options[i]));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/endpoints", buf_str(&b), &j, err));
    return cli_show(c, j);
}

int cli_watch_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {
        {"id", {"ID", "番号"}},  {"host", {"HOST", "ホスト"}}, {"port", {"PORT", "ポート"}},
        {"sni", {"SNI", "SNI"}}, {"state", {"STATE", "状態"}}, {"seen_at", {"SEEN", "確認日時"}}};
    return cli_list(c, "/endpoints", "", "after", cols, COUNT_OF(cols), err);
}

static enum rc look_all(struct cli *c, const char **ids, size_t max, size_t *ret_n, struct err *err)
{
    int64_t after = 0;
    *ret_n = 0;
    do {
        AUTO(json) struct json *j = NULL;
        const char *path = arena_printf(c->a, "/endpoints?limit=500&after=%lld", (long long)after);
        TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
        const struct json *items = json_get(j, "items");
        for (size_t i = 0; i < json_len(items) && *ret_n < max; i++) {
            ids[*ret_n] =
                arena_printf(c->a, "%lld", (long long)json_i64_or(json_at(items, i), "id", 0));
            if (!ids[(*ret_n)++])
                return NOMEM(err);
        }
        after = json_i64_or(j, "next", 0);
    } while (after > 0 && *ret_n < max);
    return RC_OK;
}

int cli_watch_now(struct cli *c, struct err *err)
{
    enum { MAX = 10000 };
    const char **ids = arena_array(c->a, MAX, sizeof *ids);
    int64_t *jobs = arena_array(c->a, MAX, sizeof *jobs);
    size_t n = c->arg_count;
    int worst = 0;
    if ((!ids || !jobs) && NOMEM(err) != RC_OK)
        return -1;
    for (size_t i = 0; i < n; i++)
        ids[i] = c->args[i];
    if (n == 0)
        CLI_TRY(look_all(c, ids, MAX, &n, err));
    for (size_t i = 0; i < n; i++) {
        AUTO(json) struct json *j = NULL;
        CLI_TRY(
            cli_call(c, "POST", cli_path(c, "/endpoints/", ids[i], "/look"), STR_NONE, &j, err));
        jobs[i] = json_i64_or(j, "job.id", 0);
        if (!cli_opt(c, "wait") && c->json)
            cli_json(j);
    }
    for (size_t i = 0; i < n && cli_opt(c, "wait"); i++) {
        AUTO(json) struct json *job = NULL;
        int status = 0;
        CLI_TRY(cli_follow(c, jobs[i], &status, &job, err));
        worst = status ? status : worst;
        if (c->json)
            cli_json(job);
    }
    return worst;
}

int cli_watch_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/endpoints/", c->args[0], NULL), err);
}

int cli_job_list(struct cli *c, struct err *err)
{
    const struct cli_column cols[] = {
        {"id", {"ID", "番号"}},
        {"kind", {"KIND", "種類"}},
        {"subject", {"FOR", "対象"}},
        {"state", {"STATE", "状態"}},
        {"step", {"STEP", "段階"}},
        {cli_ja(c) ? "activity.ja" : "activity.en", {"DOING", "内容"}}};
    return cli_list(c, "/jobs", cli_opt(c, "open") ? "&open=1" : "", "after", cols, COUNT_OF(cols),
                    err);
}

int cli_job_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL, *job = NULL;
    int status = 0;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/jobs/", c->args[0], NULL), STR_NONE, &j, err));
    if (!cli_opt(c, "wait"))
        return cli_show(c, j);
    CLI_TRY(cli_follow(c, json_i64_or(j, "id", 0), &status, &job, err));
    (void)cli_show(c, job);
    return status;
}

int cli_job_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    const char *tail = arena_printf(c->a, "/%s", c->cmd->kind);
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/jobs/", c->args[0], tail), STR_NONE, &j, err));
    return cli_show(c, j);
}

int cli_job_approve(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    const char *path = cli_path(c, "/jobs/", c->args[0], "/approve");
    struct str body = cli_opt(c, "now") ? STR("{\"now\":true}") : STR("{}");
    CLI_TRY(cli_call(c, "POST", path, body, &j, err));
    return cli_show(c, j);
}

int cli_audit_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {
        {"id", {"ID", "番号"}},       {"at", {"TIME", "日時"}},    {"actor", {"WHO", "操作者"}},
        {"action", {"WHAT", "操作"}}, {"subject", {"ON", "対象"}}, {"result", {"RESULT", "結果"}}};
    return cli_list(c, "/audit", "", "before", cols, COUNT_OF(cols), err);
}

int cli_audit_verify(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", "/audit/verify", STR_NONE, &j, err));
    return cli_show(c, j);
}

int cli_system(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", "/system", STR_NONE, &j, err));
    return cli_show(c, j);
}

/* Without a server: the tables are in this program. */
int cli_docs(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)8 << 20);
    if (cli_opt(c, "openapi"))
        api_openapi(INRO_VERSION, &b);
    else
        registry_markdown(c->lang, &b);
    CLI_TRY(buf_ok(&b, err));
    (void)fwrite(b.p, 1, b.len, stdout);
    return 0;
}
