/* Talking to the daemon: over DATA/run/inro.sock, or to --server URL. One kept-alive connection. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "base/os/file.h"

enum { ANSWER_MAX = 32 << 20, FOLLOW_SEC = 20 };

static enum rc connect_once(struct cli *c, struct err *err)
{
    struct http_client_options o = {.policy = &c->egress};
    const char *ca = cli_opt(c, "ca-file");
    if (c->http)
        return RC_OK;
    if (!c->server) {
        o.unix_socket = arena_printf(c->a, "%s/run/inro.sock", c->data);
        if (!o.unix_socket)
            return NOMEM(err);
        CHECK(access(o.unix_socket, F_OK) == 0, err, RC_NET, BLAME_INPUT,
              MSG("cli.no_server",
                  "no Inro is running on {0}; start it with inro serve, or name another directory "
                  "with --data",
                  "{0} で Inro は動いていません。inro serve で起動するか、--data で別の"
                  "ディレクトリを指定してください"),
              c->data);
        return http_client_create(&o, &c->http, err);
    }
    /* whom we are told to ask may be this machine */
    TRY(egress_policy_parse(c->a, "127.0.0.0/8,::1/128", &c->egress, err));
    if (ca)
        TRY(cli_file(c, ca, false, &o.ca_pem, err));
    return http_client_create(&o, &c->http, err);
}

static bool plain(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           strchr("-._~@*", ch) != NULL;
}

static void add_escaped(struct buf *b, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (plain(*s)) {
            buf_addc(b, *s);
            continue;
        }
        buf_addc(b, '%');
        buf_addc(b, hex[ch >> 4]);
        buf_addc(b, hex[ch & 15]);
    }
}

const char *cli_path(struct cli *c, const char *base, const char *name, const char *tail)
{
    AUTO(buf) struct buf b = BUF(8192);
    buf_adds(&b, base);
    if (name)
        add_escaped(&b, name);
    buf_adds(&b, tail ? tail : "");
    return b.bad == RC_OK ? arena_str(c->a, buf_str(&b)) : NULL;
}

static enum rc answer_error(struct str body, int status, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    struct err none;
    if (json_parse(body, &j, &none) == RC_OK && json_get(j, "error")) {
        json_to_err(json_get(j, "error"), err);
        return err->rc != RC_OK ? err->rc : RC_INTERNAL;
    }
    return FAIL(err, status == 401 || status == 403 ? RC_DENIED : RC_REMOTE, BLAME_REMOTE,
                MSG("cli.status", "the server answered {0} without saying why",
                    "サーバーが {0} を返しました（理由なし）"),
                NUM(status));
}

enum rc cli_raw(struct cli *c, const char *method, const char *path, struct str body,
                const char *idempotency, struct str *ret, struct err *err)
{
    struct http_header headers[2];
    size_t n = 0;
    struct http_response res;
    TRY(connect_once(c, err));
    if (!path)
        return NOMEM(err);
    if (c->token)
        headers[n++] = (struct http_header){"Authorization", c->token};
    if (idempotency)
        headers[n++] = (struct http_header){"Idempotency-Key", idempotency};
    struct http_request req = {
        .method = method,
        .url = arena_printf(c->a, "%s/api/v1%s", c->server ? c->server : "http://localhost", path),
        .headers = headers,
        .header_count = n,
        .body = body,
        .content_type = body.n > 0 ? "application/json" : NULL,
        .deadline = clock_mono(clock_real()) + 60 * USEC_PER_SEC,
        .max_body = ANSWER_MAX,
        .allow_http = c->server == NULL};
    if (!req.url)
        return NOMEM(err);
    TRY(http_do(c->http, &req, c->a, &res, err));
    if (res.status < 200 || res.status > 299)
        return answer_error(res.body, res.status, err);
    *ret = res.body;
    return RC_OK;
}

enum rc cli_call(struct cli *c, const char *method, const char *path, struct str body,
                 struct json **ret, struct err *err)
{
    struct str text;
    TRY(cli_raw(c, method, path, body, NULL, &text, err));
    return json_parse(text, ret, err);
}

int cli_remove(struct cli *c, const char *path, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "DELETE", path, STR_NONE, &j, err));
    return c->json ? cli_show(c, j) : 0;
}

static int outcome(const struct json *job)
{
    const char *state = json_str_or(job, "state", "");
    if (strcmp(state, "done") == 0)
        return 0;
    enum rc rc = rc_from_name(json_str_or(job, "error.code", "internal"));
    int code = cli_exit(rc);
    return code ? code : EXIT_ANY;
}

static bool ended(const struct json *job)
{
    const char *s = json_str_or(job, "state", "");
    return strcmp(s, "ready") != 0 && strcmp(s, "running") != 0;
}

static void show(struct cli *c, const struct json *job, const char **last)
{
    const char *text = json_str_or(job, cli_ja(c) ? "activity.ja" : "activity.en", "");
    bool quiet = c->json && !isatty(STDERR_FILENO);
    if (quiet || !text[0] || strcmp(text, *last) == 0)
        return;
    const char *copy = arena_strdup(c->a, text);
    *last = copy ? copy : "";
    (void)fprintf(stderr, "%s\n", text);
}

static enum rc follow_one(struct cli *c, int64_t id, struct json **ret, struct err *err)
{
    const char *last = "";
    const char *path = arena_printf(c->a, "/jobs/%lld?wait=%d", (long long)id, FOLLOW_SEC);
    const char *first = arena_printf(c->a, "/jobs/%lld", (long long)id);
    for (bool begin = true;; begin = false) {
        struct json *job = NULL;
        TRY(cli_call(c, "GET", begin ? first : path, STR_NONE, &job, err));
        show(c, job, &last);
        if (ended(job)) {
            *ret = job;
            return RC_OK;
        }
        /* a failure that will be tried again is said, not hidden */
        if (json_get(job, "error") && json_type_of(json_get(job, "error")) == JSON_OBJECT &&
            json_i64_or(job, "attempts", 0) > 0 && !c->json)
            cli_print_error(c, json_get(job, "error"));
        json_free(job);
    }
}

enum rc cli_follow(struct cli *c, int64_t job, int *ret_exit, struct json **ret_job,
                   struct err *err)
{
    struct json *j = NULL;
    while (job > 0) {
        json_free(j);
        j = NULL;
        TRY(follow_one(c, job, &j, err));
        /* a finished application has started its roll-out, or taken up one that waited */
        job = json_i64_or(j, "progress.deploy", 0);
    }
    *ret_exit = outcome(j);
    if (*ret_exit && json_type_of(json_get(j, "error")) == JSON_OBJECT)
        cli_print_error(c, json_get(j, "error"));
    *ret_job = j;
    return RC_OK;
}
