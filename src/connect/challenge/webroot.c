/*
 * http-01 through a web server that runs already: a file below its document root, here or over SSH.
 * Invariants: only <directory>/.well-known/acme-challenge/<token> is ever written or removed; no
 * link below the directory is followed; the token is base64url.
 */
#include <string.h>

#include "connect/connect.h"
#include "connect/host.h"

struct webroot {
    struct host_settings host;
    const char *directory;
};

static const struct field fields[] = {
    HOST_FIELDS,
    FIELD_PATH(struct webroot, directory, .flags = FIELD_REQUIRED,
               .label = {"Document root", "ドキュメントルート"},
               .help = {"The web server's directory for the name, served over plain HTTP.",
                        "対象の名前でHTTP公開されているディレクトリです。"},
               .example = "/var/www/html"),
    FIELD_END,
};

static bool token_ok(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    return n > 0 && n <= 200 &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

static enum rc dir_check(struct host *h, const char *path, bool *ret_exists, struct err *err)
{
    struct host_stat st;
    TRY(h->ops->lstat(h, path, &st, err));
    CHECK(!st.exists || (st.is_dir && !st.is_link), err, RC_INPUT, BLAME_INPUT,
          MSG("webroot.not_dir", "{0} is not a directory; the proof cannot be put there",
              "{0} はディレクトリではないため、検証ファイルを置けません"),
          path);
    *ret_exists = st.exists;
    return RC_OK;
}

static enum rc root_check(struct host *h, const char *path, struct err *err)
{
    struct host_stat st;
    TRY(h->ops->lstat(h, path, &st, err));
    if (st.is_dir || st.is_link) /* the root itself is the administrator's choice */
        return RC_OK;
    return field_fault(err, "directory",
                       FAIL(err, RC_INPUT, BLAME_INPUT,
                            MSG("webroot.missing", "the directory {0} does not exist on the host",
                                "ホストにディレクトリ {0} がありません"),
                            path));
}

static enum rc paths(struct ctx *ctx, const struct webroot *s, const struct proof *p,
                     const char *ret[3], struct err *err)
{
    CHECK(token_ok(p->token), err, RC_REMOTE, BLAME_REMOTE,
          MSG("webroot.token", "the challenge token has forbidden characters",
              "チャレンジのトークンに使用できない文字が含まれています"));
    size_t n = strlen(s->directory);
    while (n > 1 && s->directory[n - 1] == '/')
        n--;
    struct arena *a = ctx->arena;
    ret[0] = arena_printf(a, "%.*s/.well-known", (int)n, s->directory);
    ret[1] = arena_printf(a, "%.*s/.well-known/acme-challenge", (int)n, s->directory);
    ret[2] = arena_printf(a, "%.*s/.well-known/acme-challenge/%s", (int)n, s->directory, p->token);
    return ret[0] && ret[1] && ret[2] ? RC_OK : NOMEM(err);
}

/* Is the file there with our content? *ret_other: something else is. */
static enum rc look(struct host *h, const char *path, const char *value, bool *ret_ours,
                    bool *ret_other, struct err *err)
{
    struct host_stat st;
    *ret_ours = *ret_other = false;
    TRY(h->ops->lstat(h, path, &st, err));
    if (!st.exists)
        return RC_OK;
    *ret_other = true;
    if (!st.is_file || st.is_link || st.size > 4096)
        return RC_OK;
    AUTO(buf) struct buf b = BUF(8192);
    TRY(h->ops->read(h, path, &b, err));
    *ret_ours = str_eqs(buf_str(&b), value);
    *ret_other = !*ret_ours;
    return RC_OK;
}

static enum rc check(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err)
{
    const struct webroot *s = settings;
    AUTO(host) struct host *h = NULL;
    TRY(host_open(ctx, &s->host, &h, err));
    TRY(root_check(h, s->directory, err));
    return SEEN(ctx, ret_seen, err, MSG("webroot.seen", "{0} is there", "{0} があります"),
                s->directory);
}

static enum rc present(struct ctx *ctx, const void *settings, const struct proof *p,
                       const char **ret_state, struct err *err)
{
    const struct webroot *s = settings;
    const char *path[3];
    bool exists, ours, other;
    AUTO(host) struct host *h = NULL;
    TRY(ctx_alive(ctx, err));
    TRY(paths(ctx, s, p, path, err));
    TRY(host_open(ctx, &s->host, &h, err));
    TRY(root_check(h, s->directory, err));
    for (int i = 0; i < 2; i++) {
        TRY(dir_check(h, path[i], &exists, err));
        if (!exists)
            TRY(h->ops->mkdir(h, path[i], 0755, err));
    }
    TRY(look(h, path[2], p->value, &ours, &other, err));
    if (other) /* a piece left by a crash, or a link: replaced, never followed */
        TRY(h->ops->unlink(h, path[2], err));
    if (!ours)
        TRY(h->ops->write_new(h, path[2], str_from(p->value), 0644, -1, -1, err));
    *ret_state = "{}";
    return RC_OK;
}

static enum rc cleanup(struct ctx *ctx, const void *settings, const struct proof *p,
                       const char *state, struct err *err)
{
    (void)state;
    const struct webroot *s = settings;
    const char *path[3];
    bool exists = true, ours, other;
    AUTO(host) struct host *h = NULL;
    TRY(paths(ctx, s, p, path, err));
    TRY(host_open(ctx, &s->host, &h, err));
    for (int i = 0; i < 2 && exists; i++)
        TRY(dir_check(h, path[i], &exists, err));
    if (!exists)
        return RC_OK;
    TRY(look(h, path[2], p->value, &ours, &other, err));
    return ours ? h->ops->unlink(h, path[2], err) : RC_OK;
}

extern const struct challenge_ops challenge_webroot;
const struct challenge_ops challenge_webroot = {
    .head = {.id = "http-01-webroot",
             .name = {"HTTP-01 (web root)", "HTTP-01（Webルート）"},
             .about = {"Puts the proof into the document root of a running web server.",
                       "稼働中のWebサーバーのドキュメントルートに検証ファイルを置きます。"},
             .fields = fields,
             .settings_size = sizeof(struct webroot),
             .check = check},
    .proof_type = "http-01",
    .present = present,
    .cleanup = cleanup,
};
