/*
 * File targets, the looking side: names the files of a place, reads what lies there, plans, and
 * runs the administrator's commands. Changes nothing.
 */
#include <string.h>

#include "base/os/proc.h"
#include "connect/target/filedeploy_priv.h"
#include "crypto/digest.h"

const struct field_choice file_cert_modes[] = {{"0644", {"0644", "0644"}},
                                               {"0640", {"0640", "0640"}},
                                               {"0600", {"0600", "0600"}},
                                               {"0444", {"0444", "0444"}},
                                               {NULL, {NULL, NULL}}};
const struct field_choice file_key_modes[] = {{"0600", {"0600", "0600"}},
                                              {"0640", {"0640", "0640"}},
                                              {"0400", {"0400", "0400"}},
                                              {"0440", {"0440", "0440"}},
                                              {NULL, {NULL, NULL}}};

void filedeploy_cleanup(struct filedeploy *d)
{
    host_close(d->host);
}

static enum rc add(struct filedeploy *d, enum file_kind kind, const char *path, struct err *err)
{
    if (!path)
        return RC_OK;
    struct arena *a = d->ctx->arena;
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->f[i].path, path) != 0)
            continue;
        return field_fault(
            err, "key_path",
            FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("files.same_path", "{0} is given twice; each file needs its own path",
                     "{0} が重複しています。ファイルごとに別のパスを指定してください"),
                 path));
    }
    struct fd_file *f = &d->f[d->n];
    *f = (struct fd_file){.path = path, .kind = kind, .uid = -1, .gid = -1};
    f->backup = arena_printf(a, "%s.inro-bak-%lld", path, (long long)d->version);
    f->temp = arena_printf(a, "%s.inro-new-%lld", path, (long long)d->version);
    if (!f->backup || !f->temp)
        return NOMEM(err);
    d->n++;
    return RC_OK;
}

static enum rc place_check(const struct file_place *p, struct err *err)
{
    const char *field = NULL;
    if (!p->combined_path && !p->cert_path)
        field = "cert_path";
    else if (!p->combined_path && !p->key_path)
        field = "key_path";
    if (!field)
        return RC_OK;
    return field_fault(
        err, field,
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("files.no_path",
                 "{0} is not set; give the certificate and key files, or a combined file",
                 "{0} が未設定です。証明書と秘密鍵のファイル、または結合ファイルを指定して"
                 "ください"),
             field));
}

enum rc fd_open(struct ctx *ctx, const void *settings, const void *place, int64_t version,
                struct filedeploy *ret, struct err *err)
{
    const struct file_place *p = place;
    ret->ctx = ctx;
    ret->set = settings;
    ret->place = p;
    ret->version = version;
    TRY(place_check(p, err));
    TRY(add(ret, FILE_KEY, p->key_path, err));
    TRY(add(ret, FILE_COMBINED, p->combined_path, err));
    TRY(add(ret, FILE_CHAIN, p->chain_path, err));
    TRY(add(ret, FILE_CERT, p->cert_path, err));
    return host_open(ctx, &ret->set->host, &ret->host, err);
}

enum rc fd_hash(struct filedeploy *d, const char *path, char ret[65], struct err *err)
{
    struct host_stat st;
    ret[0] = 0;
    TRY(d->host->ops->lstat(d->host, path, &st, err));
    if (!st.exists)
        return RC_OK;
    AUTO(buf) struct buf b = BUF_SECRET(FILE_MAX);
    TRY(d->host->ops->read(d->host, path, &b, err));
    sha256_hex(buf_str(&b), ret);
    return RC_OK;
}

static bool key_is(struct str pem, const struct bundle *b)
{
    AUTO(key) struct key *key = NULL;
    unsigned char spki[32];
    struct str k = pem_find_key(pem);
    return k.p && key_from_pem(k, NULL, &key, NULL) == RC_OK &&
           key_spki_sha256(key, spki, NULL) == RC_OK &&
           memcmp(spki, b->leaf->spki_sha256, sizeof spki) == 0;
}

/* Told without the private key itself, so that a plan need not take it out of the vault. */
static bool carries(const struct filedeploy *d, const struct fd_file *f, struct str have,
                    const struct bundle *b)
{
    switch (f->kind) {
    case FILE_KEY:
        return key_is(have, b);
    case FILE_COMBINED:
        return have.n >= b->full_pem.n && memcmp(have.p, b->full_pem.p, b->full_pem.n) == 0 &&
               key_is(have, b);
    case FILE_CHAIN:
        return str_eq(have, b->chain_pem);
    default:
        return str_eq(have, d->place->chain_path ? b->leaf_pem : b->full_pem);
    }
}

static enum rc refuse_kind(const struct fd_file *f, const struct host_stat *st, struct err *err)
{
    const struct msg *m =
        st->is_link
            ? MSG("files.link",
                  "{0} is a symbolic link, which is not replaced; give the path of the file "
                  "itself",
                  "{0} はシンボリックリンクのため置き換えません。実際のファイルのパスを指定"
                  "してください")
            : MSG("files.not_file",
                  "{0} is not a regular file and is not replaced; give the path of a file",
                  "{0} は通常のファイルではないため置き換えません。ファイルのパスを指定して"
                  "ください");
    return FAIL(err, RC_INPUT, BLAME_INPUT, m, f->path);
}

static enum rc parent_check(struct filedeploy *d, const struct fd_file *f, struct err *err)
{
    const char *slash = strrchr(f->path, '/');
    size_t n = slash && slash != f->path ? (size_t)(slash - f->path) : 1;
    const char *dir = arena_str(d->ctx->arena, (struct str){f->path, n});
    struct host_stat st;
    if (!dir)
        return NOMEM(err);
    TRY(d->host->ops->lstat(d->host, dir, &st, err));
    CHECK(st.is_dir || st.is_link, err, RC_INPUT, BLAME_INPUT,
          MSG("files.no_dir", "the directory {0} does not exist; create it first",
              "ディレクトリ {0} がありません。先に作成してください"),
          dir);
    return RC_OK;
}

static enum rc look_one(struct filedeploy *d, struct fd_file *f, const struct bundle *b,
                        struct err *err)
{
    struct host_stat st;
    TRY(d->host->ops->lstat(d->host, f->path, &st, err));
    if (!st.exists)
        return parent_check(d, f, err);
    if (!st.is_file || st.is_link)
        return refuse_kind(f, &st, err);
    AUTO(buf) struct buf have = BUF_SECRET(FILE_MAX);
    TRY(d->host->ops->read(d->host, f->path, &have, err));
    f->existed = true;
    f->mode = st.mode & 0777;
    f->uid = st.uid;
    f->gid = st.gid;
    sha256_hex(buf_str(&have), f->old_sha);
    f->same = carries(d, f, buf_str(&have), b);
    return RC_OK;
}

enum rc fd_look(struct filedeploy *d, const struct bundle *b, struct err *err)
{
    for (size_t i = 0; i < d->n; i++) {
        TRY(ctx_alive(d->ctx, err));
        TRY(look_one(d, &d->f[i], b, err));
    }
    return RC_OK;
}

/* The command as argv, "-c config" appended; *ret NULL when there is none. */
static enum rc command(struct filedeploy *d, bool reload, const char *const **ret, struct err *err)
{
    const char *line = reload ? d->set->reload_command : d->set->test_command;
    *ret = NULL;
    if (!line || !*line)
        return RC_OK;
    const char *const *argv;
    TRY(proc_split(d->ctx->arena, line, &argv, err));
    size_t n = 0;
    while (argv[n])
        n++;
    if (n == 0)
        return RC_OK;
    const char **all = arena_array(d->ctx->arena, n + 3, sizeof *all);
    if (!all)
        return NOMEM(err);
    memcpy(all, argv, n * sizeof *all);
    if (d->set->config) {
        all[n] = "-c";
        all[n + 1] = d->set->config;
    }
    *ret = all;
    return RC_OK;
}

enum rc fd_run(struct filedeploy *d, bool reload, struct err *err)
{
    const char *const *argv;
    TRY(command(d, reload, &argv, err));
    if (!argv)
        return RC_OK;
    AUTO(buf) struct buf out = BUF(4096);
    int status = 0;
    d->host->exec_max = d->set->command_timeout * USEC_PER_SEC;
    TRY(d->host->ops->exec(d->host, argv, &out, &status, err));
    if (status == 0)
        return RC_OK;
    /* the last words of a tool are the ones that say why */
    struct str words = str_trim(buf_str(&out));
    if (words.n > 300)
        words = (struct str){words.p + words.n - 300, 300};
    const char *text = arena_str(d->ctx->arena, words);
    const char *line = reload ? d->set->reload_command : d->set->test_command;
    if (!text)
        return NOMEM(err);
    if (words.n == 0)
        text = "";
    const char *colon = words.n ? ": " : "";
    if (reload)
        return FAIL(err, RC_REMOTE, BLAME_REMOTE,
                    MSG("files.reload", "the reload command \"{0}\" failed with status {1}{2}{3}",
                        "再読み込みコマンド「{0}」が失敗しました（終了コード {1}）{2}{3}"),
                    line, NUM(status), colon, text);
    return FAIL(err, RC_REMOTE, BLAME_INPUT,
                MSG("files.test", "the test command \"{0}\" failed with status {1}{2}{3}",
                    "設定の検査コマンド「{0}」が失敗しました（終了コード {1}）{2}{3}"),
                line, NUM(status), colon, text);
}

enum rc filedeploy_check(struct ctx *ctx, const void *settings, struct l10n *ret_seen,
                         struct err *err)
{
    AUTO(filedeploy) struct filedeploy d = {.ctx = ctx, .set = settings};
    TRY(host_open(ctx, &d.set->host, &d.host, err));
    TRY(fd_run(&d, false, err));
    const char *test = d.set->test_command;
    if (!test || !*test)
        return SEEN(ctx, ret_seen, err, MSG("files.connected", "connected", "接続できました"));
    return SEEN(
        ctx, ret_seen, err,
        MSG("files.tested", "connected; \"{0}\" succeeded", "接続でき、「{0}」が成功しました"),
        test);
}

static void plan_file(const struct fd_file *f, struct arena *a, struct plan_line *ret)
{
    ret->object = f->path;
    if (f->same)
        ret->what = (struct l10n){"already in place", "変更なし"};
    else if (f->existed)
        ret->what = (struct l10n){"replace file", "ファイルを置き換え"};
    else
        ret->what = (struct l10n){"create file", "ファイルを新規作成"};
    if (f->existed && f->kind != FILE_KEY && f->kind != FILE_COMBINED)
        ret->before = arena_printf(a, "sha256 %.16s", f->old_sha);
}

enum rc filedeploy_plan(struct ctx *ctx, const void *settings, const void *place,
                        const struct bundle *b, struct plan *ret, struct err *err)
{
    AUTO(filedeploy) struct filedeploy d = {0};
    TRY(fd_open(ctx, settings, place, b->version_id, &d, err));
    TRY(fd_look(&d, b, err));
    struct plan_line *v = arena_array(ctx->arena, d.n + 3, sizeof *v);
    if (!v)
        return NOMEM(err);
    size_t n = 0;
    bool same = true;
    for (size_t i = 0; i < d.n; i++) {
        plan_file(&d.f[i], ctx->arena, &v[n++]);
        same = same && d.f[i].same;
    }
    if (!same && d.set->test_command)
        v[n++] = (struct plan_line){.what = {"test the configuration", "設定を検査"},
                                    .object = d.set->test_command};
    if (!same && d.set->reload_command)
        v[n++] =
            (struct plan_line){.what = {"reload", "再読み込み"}, .object = d.set->reload_command};
    if (d.place->verify.n == 0)
        v[n++] = (struct plan_line){
            .what = {"cannot be looked at afterwards: no address to verify at is set",
                     "確認先が未設定のため、配布後の確認はできません"},
            .object = "verify"};
    *ret = (struct plan){.v = v, .n = n, .unchanged = same};
    return RC_OK;
}

static enum rc endpoint(const char *text, struct arena *a, struct verify_at *ret, struct err *err)
{
    struct str s = str_from(text);
    const char *colon = strrchr(text, ':');
    struct str host = {text, colon ? (size_t)(colon - text) : 0};
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct str){host.p + 1, host.n - 2};
    struct str port = colon ? (struct str){colon + 1, s.n - (size_t)(colon + 1 - text)} : STR_NONE;
    char *name = arena_str(a, host);
    if (!name)
        return NOMEM(err);
    if (host_is_valid(name) && str_to_i64(port, 1, 65535, &ret->port)) {
        ret->host = name;
        return RC_OK;
    }
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("files.verify", "\"{0}\" is not host:port, as in www.example.jp:443",
                 "「{0}」は「ホスト:ポート」の形式ではありません（例 www.example.jp:443）"),
             text);
    err_field(err, "verify");
    return rc;
}

enum rc filedeploy_endpoints(const void *settings, const void *place, struct arena *a,
                             const struct verify_at **ret, size_t *ret_n, struct err *err)
{
    (void)settings;
    const struct file_place *p = place;
    struct verify_at *v = arena_array(a, p->verify.n + 1, sizeof *v);
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < p->verify.n; i++) {
        TRY(endpoint(p->verify.v[i], a, &v[i], err));
        v[i].sni = p->sni;
    }
    *ret = v;
    *ret_n = p->verify.n;
    return RC_OK;
}
