/* cert, bind, deploy, undo. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"

/* Follows the job of an answer when --wait was given; else prints the answer. */
static int finish(struct cli *c, const struct json *answer, struct err *err)
{
    AUTO(json) struct json *job = NULL;
    int status = 0;
    int64_t id = json_i64_or(answer, "job.id", 0);
    if (!cli_opt(c, "wait") || id == 0)
        return cli_show(c, answer);
    CLI_TRY(cli_follow(c, id, &status, &job, err));
    if (c->json)
        cli_json(job);
    else if (status == 0)
        (void)printf("%s\n", json_str_or(job, cli_ja(c) ? "activity.ja" : "activity.en", "OK"));
    return status;
}

void cli_put_names(struct json_writer *w, struct str text)
{
    struct str part;
    jw_key(w, "names");
    jw_array(w);
    while (str_split(&text, ',', &part)) {
        part = str_trim(part);
        if (part.n > 0)
            jw_strn(w, part);
    }
    jw_end_array(w);
}

static void put_policy(struct cli *c, struct json_writer *w)
{
    const char *validity = cli_opt(c, "validity"), *profile = cli_opt(c, "profile");
    if (!validity && !profile)
        return;
    jw_key(w, "policy");
    jw_object(w);
    if (validity)
        jw_kstr(w, "validity", validity);
    if (profile)
        jw_kstr(w, "profile", profile);
    jw_end_object(w);
}

/* Always sent, so that a flag that belongs to another type is refused and not overlooked. */
static enum rc put_challenge(struct cli *c, const char *type, struct json_writer *w,
                             struct err *err)
{
    const struct challenge_ops *ops = challenge_find(type);
    jw_key(w, "challenge");
    jw_object(w);
    jw_kstr(w, "type", type);
    if (ops) /* else the server says that there is none */
        TRY(cli_members(c, ops->head.fields, "challenge-", w, err));
    jw_end_object(w);
    return RC_OK;
}

/* What all of a batch have in common. */
static enum rc put_common(struct cli *c, struct json_writer *w, struct err *err)
{
    const char *challenge = cli_opt(c, "challenge");
    jw_kstr(w, "ca", cli_opt(c, "ca"));
    if (cli_opt(c, "key"))
        jw_kstr(w, "key", cli_opt(c, "key"));
    if (cli_opt(c, "group"))
        jw_kstr(w, "group", cli_opt(c, "group"));
    if (cli_opt(c, "organisation"))
        jw_kstr(w, "organisation", cli_opt(c, "organisation"));
    cli_put_list(c, "tag", "tags", w);
    TRY(put_challenge(c, challenge ? challenge : "http-01", w, err));
    put_policy(c, w);
    return RC_OK;
}

/* path: where an application goes, or the look before it. */
enum rc cli_put_csr(struct cli *c, struct json_writer *w, struct err *err)
{
    const char *file = cli_opt(c, "csr");
    struct str text;
    if (!file)
        return RC_OK;
    TRY(cli_file(c, file, false, &text, err));
    jw_key(w, "csr");
    jw_strn(w, text);
    return RC_OK;
}

static enum rc request_one(struct cli *c, const char *path, struct str names, struct json **ret,
                           struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    if (names.n > 0)
        cli_put_names(&w, names);
    TRY(cli_put_csr(c, &w, err));
    if (cli_opt(c, "name") && !cli_opt(c, "batch"))
        jw_kstr(&w, "name", cli_opt(c, "name"));
    TRY(put_common(c, &w, err));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return cli_call(c, "POST", path, buf_str(&b), ret, err);
}

static enum rc request_lines(struct cli *c, const struct str *lines, size_t n, struct json **ret,
                             struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_key(&w, "lines");
    jw_array(&w);
    for (size_t i = 0; i < n; i++)
        jw_strn(&w, lines[i]);
    jw_end_array(&w);
    TRY(put_common(c, &w, err));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return cli_call(c, "POST", "/certs/batch", buf_str(&b), ret, err);
}

struct batch {
    int64_t *jobs;
    size_t n, done, failed;
    int worst; /* exit code */
};

static void progress(const struct batch *b)
{
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r%zu / %zu (%zu)", b->done, b->n, b->failed);
}

/* The finished job, when the list has it and no roll-out follows: nothing more to ask. */
static const struct json *done_in(const struct json *list, int64_t id)
{
    const struct json *items = json_get(list, "items");
    for (size_t i = 0; i < json_len(items); i++) {
        const struct json *j = json_at(items, i);
        if (json_i64_or(j, "id", 0) == id)
            return strcmp(json_str_or(j, "state", ""), "done") == 0 &&
                           json_i64_or(j, "progress.deploy", 0) == 0
                       ? j
                       : NULL;
    }
    return NULL;
}

static void tell_end(struct cli *c, struct batch *b, const struct json *job, int status)
{
    b->done++;
    b->failed += status != 0;
    b->worst = status ? status : b->worst;
    progress(b);
    if (c->json)
        cli_json(job);
}

static int wait_one(struct cli *c, struct batch *b, int64_t id, const struct json *list,
                    struct err *err)
{
    AUTO(json) struct json *asked = NULL;
    const struct json *job = done_in(list, id);
    int status = 0;
    if (!job)
        CLI_TRY(cli_follow(c, id, &status, &asked, err));
    tell_end(c, b, job ? job : asked, status);
    return 0;
}

/* Jobs end about in the order they were asked for: when the last of some is followed to its end,
 * one list tells of most others. */
static int wait_some(struct cli *c, struct batch *b, const int64_t *jobs, size_t n, struct err *err)
{
    AUTO(json) struct json *last = NULL, *list = NULL;
    int status = 0;
    const char *path =
        arena_printf(c->a, "/jobs?kind=issue&limit=%zu&before=%lld", 2 * n, (long long)jobs[n - 1]);
    CLI_TRY(cli_follow(c, jobs[n - 1], &status, &last, err));
    if (n > 1)
        CLI_TRY(cli_call(c, "GET", path, STR_NONE, &list, err));
    for (size_t i = 0; i + 1 < n; i++)
        if (wait_one(c, b, jobs[i], list, err) != 0)
            return -1;
    tell_end(c, b, last, status);
    return 0;
}

static int batch_wait(struct cli *c, struct batch *b, struct err *err)
{
    enum { SOME = 50 };
    for (size_t i = 0; i < b->n; i += SOME)
        if (wait_some(c, b, b->jobs + i, b->n - i < SOME ? b->n - i : SOME, err) != 0)
            return -1;
    if (isatty(STDERR_FILENO))
        (void)fputc('\n', stderr);
    return b->worst;
}

static void batch_made(struct cli *c, struct batch *b, const struct json *made)
{
    b->jobs[b->n++] = json_i64_or(made, "job.id", 0);
    if (!cli_opt(c, "wait") && c->json)
        cli_json(made);
}

static bool no_use_to_go_on(enum rc rc)
{
    return rc == RC_NET || rc == RC_NOMEM || rc == RC_TIMEOUT;
}

/* One bad line is told and does not stop the others. */
static int request_each(struct cli *c, struct batch *b, const struct str *lines, size_t n,
                        struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(json) struct json *j = NULL;
        struct str line = lines[i];
        enum rc rc = request_one(c, "/certs", line, &j, err);
        if (no_use_to_go_on(rc))
            return -1;
        if (rc == RC_OK) {
            batch_made(c, b, j);
            continue;
        }
        (void)fprintf(stderr, "%.*s: ", (int)(line.n < 200 ? line.n : 200), line.p);
        cli_error(c, err);
        b->worst = cli_exit(rc);
    }
    return 0;
}

/* At once; each alone when that is refused, which finds the bad ones. */
static int request_some(struct cli *c, struct batch *b, const struct str *lines, size_t n,
                        struct err *err)
{
    AUTO(json) struct json *j = NULL;
    enum rc rc = n > 1 ? request_lines(c, lines, n, &j, err) : RC_INPUT;
    const struct json *items = json_get(j, "items");
    if (no_use_to_go_on(rc))
        return -1;
    if (rc != RC_OK)
        return request_each(c, b, lines, n, err);
    for (size_t i = 0; i < json_len(items) && i < n; i++)
        batch_made(c, b, json_at(items, i));
    return 0;
}

static int request_batch(struct cli *c, const char *file, struct err *err)
{
    enum { SOME = 50 };
    struct str text, line, some[SOME];
    struct batch b = {0};
    size_t lines = 1, n = 0;
    CLI_TRY(cli_file(c, file, false, &text, err));
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    b.jobs = arena_array(c->a, lines, sizeof *b.jobs);
    if (!b.jobs && NOMEM(err) != RC_OK)
        return -1;
    while (str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        some[n++] = line;
        if (n == SOME && request_some(c, &b, some, n, err) != 0)
            return -1;
        n = n == SOME ? 0 : n;
    }
    if (n > 0 && request_some(c, &b, some, n, err) != 0)
        return -1;
    return cli_opt(c, "wait") ? batch_wait(c, &b, err) : b.worst;
}

/* A mark that is not colour alone. */
static const char *mark_of(const char *level)
{
    return strcmp(level, "good") == 0   ? "+"
           : strcmp(level, "info") == 0 ? "-"
           : strcmp(level, "warn") == 0 ? "!"
                                        : "x";
}

static void show_name(struct cli *c, const struct json *name, bool *ret_bad)
{
    const struct json *list = json_get(name, "findings");
    AUTO(buf) struct buf b = BUF((size_t)1 << 18);
    buf_addf(&b, "%s\n", json_str_or(name, "name", "?"));
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *f = json_at(list, i);
        const char *todo = json_str_or(f, cli_ja(c) ? "todo.ja" : "todo.en", NULL);
        const char *level = json_str_or(f, "level", "");
        *ret_bad = *ret_bad || strcmp(level, "bad") == 0;
        buf_addf(&b, "  %s %s\n", mark_of(level),
                 json_str_or(f, cli_ja(c) ? "text.ja" : "text.en", ""));
        if (todo && strcmp(level, "good") != 0)
            buf_addf(&b, "    -> %s\n", todo);
    }
    for (size_t i = 0; i < b.len; i++) /* what servers said must not steer a terminal */
        if (((unsigned char)b.p[i] < 0x20 && b.p[i] != '\n') || b.p[i] == 0x7f)
            b.p[i] = ' ';
    if (!c->json)
        (void)printf("%s", buf_cstr(&b));
}

/* Looks as the CA would, and tells of each name as soon as it is done. Nothing is applied for. */
static int cli_preflight(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    size_t shown = 0;
    bool bad = false;
    CLI_TRY(request_one(c, "/preflights", str_from(c->args[0]), &j, err));
    const char *path =
        arena_printf(c->a, "/preflights/%lld?wait=20", (long long)json_i64_or(j, "id", 0));
    for (bool over = false; !over;) {
        AUTO(json) struct json *seen = NULL;
        CLI_TRY(cli_call(c, "GET", path, STR_NONE, &seen, err));
        const struct json *names = json_get(seen, "names");
        for (; json_bool_or(json_at(names, shown), "done", false); shown++)
            show_name(c, json_at(names, shown), &bad);
        const char *state = json_str_or(seen, "state", "");
        over = strcmp(state, "ready") != 0 && strcmp(state, "running") != 0;
        if (over && c->json)
            cli_json(seen);
        if (over && json_type_of(json_get(seen, "error")) == JSON_OBJECT) {
            cli_print_error(c, json_get(seen, "error"));
            return EXIT_ANY;
        }
    }
    return bad ? EXIT_REMOTE : 0;
}

/* Without any, the CSR names them. */
static struct str first_names(const struct cli *c)
{
    return c->arg_count > 0 ? str_from(c->args[0]) : STR_NONE;
}

int cli_cert_request(struct cli *c, struct err *err)
{
    const char *batch = cli_opt(c, "batch");
    AUTO(json) struct json *j = NULL;
    if (!cli_opt(c, "ca") || (!batch && !cli_opt(c, "csr") && c->arg_count == 0)) {
        if (FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("cli.request",
                     "name the domain names (or --csr FILE, or --batch FILE) and --ca CA",
                     "ドメイン名（または --csr FILE、--batch FILE）と --ca CA "
                     "を指定してください")) != RC_OK)
            return -1;
    }
    if (cli_opt(c, "check") && batch &&
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("cli.check_batch", "--check looks at one application, not at a batch",
                 "--check は --batch と同時に指定できません")) != RC_OK)
        return -1;
    if (cli_opt(c, "check"))
        return cli_preflight(c, err);
    if (batch)
        return request_batch(c, batch, err);
    CLI_TRY(request_one(c, "/certs", first_names(c), &j, err));
    return finish(c, j, err);
}

int cli_cert_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"NAME", "名前"}},
                                             {"health", {"STATE", "状態"}},
                                             {"not_after", {"EXPIRES", "期限"}},
                                             {"renew_at", {"RENEWAL", "更新"}},
                                             {"ca", {"CA", "認証局"}},
                                             {"tags", {"TAGS", "タグ"}}};
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf tags = BUF(4096);
    const char *limit = cli_opt(c, "limit"), *after = cli_opt(c, "after"), *q = cli_opt(c, "q"),
               *state = cli_opt(c, "state");
    const char *path = arena_printf(c->a, "/certs?limit=%s&after=%s&q=", limit ? limit : "500",
                                    after ? after : "0");
    for (size_t i = 0; i < c->opt_count; i++)
        if (strcmp(c->opts[i].name, "tag") == 0)
            buf_addf(&tags, "%s,", c->opts[i].value);
    CLI_TRY(buf_ok(&tags, err));
    path = cli_path(c, path, q ? q : "", "&state=");
    path = path ? cli_path(c, path, state ? state : "", "&tag=") : NULL;
    path = path ? cli_path(c, path, buf_cstr(&tags), NULL) : NULL;
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    return cli_items(c, j, cols, COUNT_OF(cols));
}

int cli_cert_tag(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    cli_put_list(c, "add", "add", &w);
    cli_put_list(c, "remove", "remove", &w);
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/certs/", c->args[0], "/tags"), buf_str(&b), &j, err));
    return cli_show(c, j);
}

int cli_cert_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/certs/", c->args[0], NULL), STR_NONE, &j, err));
    return cli_show(c, j);
}

int cli_cert_renew(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/certs/", c->args[0], "/renew"), STR_NONE, &j, err));
    return finish(c, j, err);
}

int cli_undo(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/certs/", c->args[0], "/undo"), STR_NONE, &j, err));
    return finish(c, j, err);
}

/* A number as typed: what is none is sent as text, for the server to refuse by name. */
void cli_put_number(struct json_writer *w, const char *key, const char *text)
{
    int64_t n;
    if (!text)
        return;
    if (str_to_i64(str_from(text), INT64_MIN, INT64_MAX, &n))
        jw_ki64(w, key, n);
    else
        jw_kstr(w, key, text);
}

int cli_cert_revoke(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    cli_put_number(&w, "version", cli_opt(c, "version"));
    jw_kstr(&w, "reason", cli_opt(c, "reason"));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(
        cli_call(c, "POST", cli_path(c, "/certs/", c->args[0], "/revoke"), buf_str(&b), &j, err));
    return finish(c, j, err);
}

int cli_cert_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/certs/", c->args[0], NULL), err);
}

enum rc cli_target_ops(const char *type, const struct target_ops **ret, struct err *err)
{
    *ret = target_find(type);
    CHECK(*ret, err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("app.type", "there is no {0} type {1}; inro docs lists them",
              "{0} に {1} という種類はありません。inro docs で確認してください"),
          "target", type);
    return RC_OK;
}

int cli_bind(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL, *t = NULL;
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/targets/", c->args[1], NULL), STR_NONE, &t, err));
    const struct target_ops *ops;
    CLI_TRY(cli_target_ops(json_str_or(t, "type", ""), &ops, err));
    jw_object(&w);
    jw_kstr(&w, "cert", c->args[0]);
    jw_kstr(&w, "target", c->args[1]);
    cli_put_number(&w, "seq", cli_opt(c, "seq"));
    jw_key(&w, "place");
    CLI_TRY(cli_settings(c, ops->place_fields, "place-", &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/bindings", buf_str(&b), &j, err));
    return cli_show(c, j);
}

int cli_deploy(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    if (cli_opt(c, "target"))
        jw_kstr(&w, "target", cli_opt(c, "target"));
    jw_kbool(&w, "plan", cli_opt(c, "plan") != NULL);
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(
        cli_call(c, "POST", cli_path(c, "/certs/", c->args[0], "/deploy"), buf_str(&b), &j, err));
    if (!cli_opt(c, "plan") || !cli_opt(c, "wait") || c->json)
        return finish(c, j, err);
    AUTO(json) struct json *job = NULL;
    int status = 0;
    CLI_TRY(cli_follow(c, json_i64_or(j, "job.id", 0), &status, &job, err));
    if (status == 0)
        cli_details(c, json_get(job, "progress"));
    return status;
}
