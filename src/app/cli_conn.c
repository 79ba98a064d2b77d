/* ca, target and notify: the same commands over three kinds. */
#include <stdio.h>
#include <string.h>

#include "app/cli_priv.h"

const char *cli_conn_base(const struct cli *c)
{
    return strcmp(c->cmd->kind, "ca") == 0       ? "/cas/"
           : strcmp(c->cmd->kind, "target") == 0 ? "/targets/"
           : strcmp(c->cmd->kind, "backup") == 0 ? "/backup-stores/"
                                                 : "/notifiers/";
}

static enum conn_kind kind_of(const struct cli *c)
{
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++)
        if (strcmp(conn_kind_name(k), c->cmd->kind) == 0)
            return k;
    return CONN_KINDS;
}

static const char *collection(struct cli *c)
{
    const char *base = cli_conn_base(c);
    return arena_str(c->a, (struct str){base, strlen(base) - 1});
}

enum rc cli_conn_head(const struct cli *c, const char *type, const struct conn_head **ret,
                      struct err *err)
{
    CHECK(type, err, RC_INPUT, BLAME_INPUT,
          MSG("cli.type", "--type is needed; inro docs lists the types",
              "--type を指定してください。種類は inro docs で確認できます"));
    *ret = registry_head(kind_of(c), type);
    CHECK(*ret, err, RC_INPUT, BLAME_INPUT,
          MSG("app.type", "there is no {0} type {1}; inro docs lists them",
              "{0} に {1} という種類はありません。inro docs で確認してください"),
          c->cmd->kind, type);
    return RC_OK;
}

int cli_conn_add(struct cli *c, struct err *err)
{
    const char *type = cli_opt(c, "type");
    AUTO(buf) struct buf b = BUF_SECRET((size_t)4 << 20);
    AUTO(json) struct json *j = NULL;
    struct json_writer w = JSON_WRITER(&b);
    const struct conn_head *h;
    CLI_TRY(cli_conn_head(c, type, &h, err));
    jw_object(&w);
    jw_kstr(&w, "name", c->args[0]);
    jw_kstr(&w, "type", type);
    if (cli_opt(c, "group"))
        jw_kstr(&w, "group", cli_opt(c, "group"));
    jw_key(&w, "settings");
    CLI_TRY(cli_settings(c, h->fields, NULL, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", collection(c), buf_str(&b), &j, err));
    if (c->json)
        cli_json(j);
    else
        cli_details(c, j);
    return 0;
}

int cli_conn_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"NAME", "名前"}},
                                             {"type", {"TYPE", "種類"}},
                                             {"updated", {"CHANGED", "更新日時"}}};
    AUTO(json) struct json *j = NULL;
    const char *limit = cli_opt(c, "limit"), *after = cli_opt(c, "after");
    const char *path = arena_printf(c->a, "%s?limit=%s&after=%s", collection(c),
                                    limit ? limit : "500", after ? after : "0");
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    return cli_items(c, j, cols, COUNT_OF(cols));
}

/* Found by the server, with what is applied there. */
int cli_target_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"NAME", "名前"}},
                                             {"type", {"TYPE", "種類"}},
                                             {"address", {"ADDRESS", "アドレス"}},
                                             {"certs", {"CERTS", "証明書"}},
                                             {"applied", {"STATE", "状態"}},
                                             {"applied_at", {"APPLIED", "最終適用"}}};
    static const char *const filters[] = {"q", "type", "state"};
    AUTO(json) struct json *j = NULL;
    const char *limit = cli_opt(c, "limit"), *after = cli_opt(c, "after");
    const char *path = arena_printf(c->a, "/targets?limit=%s&after=", limit ? limit : "500");
    path = path ? cli_path(c, path, after ? after : "0", NULL) : NULL;
    for (size_t i = 0; path && i < COUNT_OF(filters); i++) {
        const char *v = cli_opt(c, filters[i]);
        if (v)
            path = cli_path(c, arena_printf(c->a, "%s&%s=", path, filters[i]), v, NULL);
    }
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    return cli_items(c, j, cols, COUNT_OF(cols));
}

int cli_conn_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, cli_conn_base(c), c->args[0], NULL), STR_NONE, &j, err));
    if (c->json)
        cli_json(j);
    else
        cli_details(c, j);
    return 0;
}

int cli_conn_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, cli_conn_base(c), c->args[0], NULL), err);
}

/* check and test: a job whose result is the answer */
int cli_conn_job(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL, *job = NULL;
    int status = 0;
    const char *tail = arena_printf(c->a, "/%s", c->cmd->verb);
    CLI_TRY(
        cli_call(c, "POST", cli_path(c, cli_conn_base(c), c->args[0], tail), STR_NONE, &j, err));
    if (!cli_opt(c, "no-wait"))
        CLI_TRY(cli_follow(c, json_i64_or(j, "job.id", 0), &status, &job, err));
    if (c->json)
        cli_json(job ? job : j);
    else if (job && status == 0)
        (void)printf("%s\n",
                     json_str_or(job, cli_ja(c) ? "progress.seen.ja" : "progress.seen.en", "OK"));
    return status;
}
