/*
 * File targets, the changing side. Invariants: the receipt is durable before the first change; all
 * backups exist before the first live file is replaced; a live file is only ever replaced by
 * rename, so its hash is the old one or the new one, and repeating or undoing goes by that.
 */
#include <string.h>

#include "connect/target/filedeploy_priv.h"
#include "crypto/digest.h"

struct contents {
    struct buf b[FILE_KINDS]; /* as d->f */
};

static void contents_cleanup(struct contents *c)
{
    for (size_t i = 0; i < FILE_KINDS; i++)
        buf_free(&c->b[i]);
}

static enum rc contents_make(struct filedeploy *d, const struct bundle *b, struct contents *c,
                             struct err *err)
{
    AUTO(buf) struct buf key = BUF_SECRET(65536);
    TRY(bundle_key(d->ctx, b, &key, err));
    for (size_t i = 0; i < d->n; i++) {
        struct buf *out = &c->b[i];
        *out = BUF_SECRET(FILE_MAX);
        switch (d->f[i].kind) {
        case FILE_KEY:
            buf_addstr(out, buf_str(&key));
            break;
        case FILE_COMBINED:
            buf_addstr(out, b->full_pem);
            buf_addstr(out, buf_str(&key));
            break;
        case FILE_CHAIN:
            buf_addstr(out, b->chain_pem);
            break;
        default:
            buf_addstr(out, d->place->chain_path ? b->leaf_pem : b->full_pem);
        }
        TRY(buf_ok(out, err));
        sha256_hex(buf_str(out), d->f[i].new_sha);
    }
    return RC_OK;
}

static enum rc receipt_write(struct filedeploy *d, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_ki64(&w, "version", d->version);
    jw_key(&w, "files");
    jw_array(&w);
    for (size_t i = 0; i < d->n; i++) {
        const struct fd_file *f = &d->f[i];
        jw_object(&w);
        jw_kstr(&w, "path", f->path);
        jw_kstr(&w, "backup", f->backup);
        jw_kstr(&w, "temp", f->temp);
        jw_kbool(&w, "existed", f->existed);
        jw_ki64(&w, "mode", f->mode);
        jw_ki64(&w, "uid", f->uid);
        jw_ki64(&w, "gid", f->gid);
        jw_kstr(&w, "old", f->old_sha);
        jw_kstr(&w, "new", f->new_sha);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return d->ctx->receipt_save(d->ctx, buf_cstr(&b), err);
}

static enum rc receipt_read(struct filedeploy *d, const struct json *receipt, struct err *err)
{
    const struct json *list = json_get(receipt, "files");
    const struct msg *m = MSG("files.receipt", "the deployment receipt cannot be read",
                              "配布の記録（レシート）を読み取れません");
    d->n = json_len(list);
    d->version = json_i64_or(receipt, "version", 0);
    CHECK(d->n > 0 && d->n <= FILE_KINDS, err, RC_CORRUPT, BLAME_US, m);
    for (size_t i = 0; i < d->n; i++) {
        const struct json *j = json_at(list, i);
        struct fd_file *f = &d->f[i];
        const char *old = json_str_or(j, "old", ""), *new = json_str_or(j, "new", "");
        f->path = json_str_or(j, "path", NULL);
        f->backup = json_str_or(j, "backup", NULL);
        f->temp = json_str_or(j, "temp", NULL);
        f->existed = json_bool_or(j, "existed", false);
        f->mode = (uint32_t)json_i64_or(j, "mode", 0600) & 0777;
        f->uid = json_i64_or(j, "uid", -1);
        f->gid = json_i64_or(j, "gid", -1);
        CHECK(f->path && f->backup && f->temp && strlen(old) <= 64 && strlen(new) == 64, err,
              RC_CORRUPT, BLAME_US, m);
        memcpy(f->old_sha, old, strlen(old) + 1);
        memcpy(f->new_sha, new, 65);
    }
    return RC_OK;
}

/* Facts about the old files come from the receipt: what lies there now may be the new ones. */
static enum rc receipt_merge(struct filedeploy *d, const struct json *receipt, struct err *err)
{
    struct filedeploy r = {0};
    TRY(receipt_read(&r, receipt, err));
    bool same = r.n == d->n;
    for (size_t i = 0; same && i < d->n; i++)
        same = strcmp(r.f[i].path, d->f[i].path) == 0;
    CHECK(same, err, RC_CONFLICT, BLAME_INPUT,
          MSG("files.moved",
              "the paths were changed while a deployment was under way; undo it first",
              "配布の途中でパスの設定が変更されました。先に元に戻してください"));
    for (size_t i = 0; i < d->n; i++) {
        struct fd_file *f = &d->f[i];
        f->existed = r.f[i].existed;
        f->mode = r.f[i].mode;
        f->uid = r.f[i].uid;
        f->gid = r.f[i].gid;
        memcpy(f->old_sha, r.f[i].old_sha, sizeof f->old_sha);
    }
    return RC_OK;
}

/* Writes anew even where a crash left a piece. */
static enum rc write_fresh(struct filedeploy *d, const char *path, struct str data, uint32_t mode,
                           int64_t uid, int64_t gid, struct err *err)
{
    TRY(ctx_alive(d->ctx, err));
    TRY(d->host->ops->unlink(d->host, path, err));
    return d->host->ops->write_new(d->host, path, data, mode, uid, gid, err);
}

static enum rc backup(struct filedeploy *d, const struct fd_file *f, struct err *err)
{
    char have[65];
    if (!f->existed)
        return RC_OK;
    TRY(fd_hash(d, f->backup, have, err));
    if (strcmp(have, f->old_sha) == 0)
        return RC_OK;
    AUTO(buf) struct buf old = BUF_SECRET(FILE_MAX);
    TRY(d->host->ops->read(d->host, f->path, &old, err));
    char live[65];
    sha256_hex(buf_str(&old), live);
    CHECK(strcmp(live, f->old_sha) == 0, err, RC_CONFLICT, BLAME_REMOTE,
          MSG("files.changed", "{0} was changed by someone else meanwhile; nothing was replaced",
              "{0} が別の操作で変更されました。置き換えは行っていません"),
          f->path);
    return write_fresh(d, f->backup, buf_str(&old), 0600, -1, -1, err);
}

static enum rc id_lookup(struct filedeploy *d, const char *name, bool group, int64_t *ret,
                         struct err *err)
{
    if (!name || str_to_i64(str_from(name), 0, 0xfffffffe, ret))
        return RC_OK;
    const char *const user_argv[] = {"id", "-u", "--", name, NULL};
    const char *const group_argv[] = {"getent", "group", name, NULL};
    AUTO(buf) struct buf out = BUF(4096);
    int status = -1;
    TRY(d->host->ops->exec(d->host, group ? group_argv : user_argv, &out, &status, err));
    struct str rest = str_trim(buf_str(&out)), part = rest;
    for (int i = 0; group && i < 3; i++)
        if (!str_split(&rest, ':', &part))
            status = -1;
    if (status == 0 && name[0] != '-' && str_to_i64(part, 0, 0xfffffffe, ret))
        return RC_OK;
    return field_fault(err, group ? "group" : "owner",
                       FAIL(err, RC_INPUT, BLAME_INPUT,
                            MSG("files.owner", "there is no {1} \"{0}\" on the host",
                                "ホストに {1}「{0}」は存在しません"),
                            name, group ? "group" : "user"));
}

static uint32_t mode_of(const char *text, uint32_t otherwise)
{
    uint32_t mode = 0;
    if (!text)
        return otherwise;
    for (; *text >= '0' && *text <= '7'; text++)
        mode = mode * 8 + (uint32_t)(*text - '0');
    return mode & 0777;
}

static enum rc stage(struct filedeploy *d, const struct fd_file *f, struct str data,
                     struct err *err)
{
    bool secret = f->kind == FILE_KEY || f->kind == FILE_COMBINED;
    const char *set = secret ? d->place->key_mode : d->place->cert_mode;
    uint32_t mode = mode_of(set, f->existed ? f->mode : secret ? 0600 : 0644);
    int64_t uid = f->uid, gid = f->gid;
    TRY(id_lookup(d, d->place->owner, false, &uid, err));
    TRY(id_lookup(d, d->place->group, true, &gid, err));
    return write_fresh(d, f->temp, data, mode, uid, gid, err);
}

/* Puts the old file back; *ret_left when a stranger's content was left alone. */
static enum rc restore_one(struct filedeploy *d, const struct fd_file *f, bool *ret_left,
                           struct err *err)
{
    char live[65];
    TRY(fd_hash(d, f->path, live, err));
    bool ours = strcmp(live, f->new_sha) == 0 || live[0] == 0;
    if (strcmp(live, f->existed ? f->old_sha : "") == 0)
        return RC_OK;
    if (!ours) {
        *ret_left = true;
        return RC_OK;
    }
    if (!f->existed)
        return d->host->ops->unlink(d->host, f->path, err);
    AUTO(buf) struct buf old = BUF_SECRET(FILE_MAX);
    char have[65];
    TRY(d->host->ops->read(d->host, f->backup, &old, err));
    sha256_hex(buf_str(&old), have);
    CHECK(strcmp(have, f->old_sha) == 0, err, RC_CORRUPT, BLAME_REMOTE,
          MSG("files.backup", "the backup {0} is damaged; {1} cannot be put back",
              "バックアップ {0} が破損しているため、{1} を元に戻せません"),
          f->backup, f->path);
    TRY(write_fresh(d, f->temp, buf_str(&old), f->mode, f->uid, f->gid, err));
    return d->host->ops->replace(d->host, f->temp, f->path, err);
}

/* Every file as it was; backups and temporary files are gone afterwards. */
static enum rc restore(struct filedeploy *d, struct err *err)
{
    bool left = false;
    for (size_t i = d->n; i-- > 0;)
        TRY(restore_one(d, &d->f[i], &left, err));
    for (size_t i = 0; i < d->n; i++)
        TRY(d->host->ops->unlink(d->host, d->f[i].temp, err));
    CHECK(!left, err, RC_CONFLICT, BLAME_REMOTE,
          MSG("files.foreign",
              "a file was changed by someone else after the deployment and was left as it is; look "
              "at it by hand",
              "配布後に別の操作で変更されたファイルがあるため、そのまま残しました。手動で確認して"
              "ください"));
    for (size_t i = 0; i < d->n; i++)
        TRY(d->host->ops->unlink(d->host, d->f[i].backup, err));
    return RC_OK;
}

static enum rc swap_all(struct filedeploy *d, struct err *err)
{
    for (size_t i = 0; i < d->n; i++)
        TRY(d->host->ops->replace(d->host, d->f[i].temp, d->f[i].path, err));
    return RC_OK;
}

static enum rc activate(struct filedeploy *d, struct err *err)
{
    enum rc rc = fd_run(d, false, err);
    if (rc == RC_OK) {
        ACTIVITY(d->ctx, MSG("files.reloading", "reloading", "再読み込みしています"));
        return fd_run(d, true, err);
    }
    /* The service still runs with the old pair: it must find it if it restarts now. */
    struct err undo = {0};
    enum rc back = restore(d, &undo);
    if (back == RC_OK)
        return WHILE(err, rc,
                     MSG("files.put_back", "testing; the old files were put back",
                         "検査中。元のファイルに戻しました"));
    return WHILE(err, rc,
                 MSG("files.not_put_back", "testing; putting back failed too: {0}",
                     "検査中。元に戻す処理も失敗しました: {0}"),
                 undo.en);
}

static bool all_same(const struct filedeploy *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (!d->f[i].same)
            return false;
    return true;
}

enum rc filedeploy_apply(struct ctx *ctx, const void *settings, const void *place,
                         const struct bundle *b, const struct json *receipt, struct err *err)
{
    AUTO(filedeploy) struct filedeploy d = {0};
    AUTO(contents) struct contents c = {0};
    bool resumed = receipt && json_i64_or(receipt, "version", 0) == b->version_id;
    TRY(fd_open(ctx, settings, place, b->version_id, &d, err));
    TRY(fd_look(&d, b, err));
    if (!resumed && all_same(&d))
        return RC_OK;
    bool in_place = all_same(&d);
    TRY(contents_make(&d, b, &c, err));
    if (resumed)
        TRY(receipt_merge(&d, receipt, err));
    TRY(receipt_write(&d, err));
    if (!in_place) {
        for (size_t i = 0; i < d.n; i++)
            TRY(backup(&d, &d.f[i], err));
        ACTIVITY(ctx,
                 MSG("files.writing", "writing {0} files", "{0} 個のファイルを書き込んでいます"),
                 NUM(d.n));
        for (size_t i = 0; i < d.n; i++)
            TRY(stage(&d, &d.f[i], buf_str(&c.b[i]), err));
        TRY(ctx_alive(ctx, err));
        TRY(swap_all(&d, err));
    }
    return activate(&d, err);
}

enum rc filedeploy_undo(struct ctx *ctx, const void *settings, const void *place,
                        const struct json *receipt, struct err *err)
{
    (void)place;
    AUTO(filedeploy) struct filedeploy d = {.ctx = ctx, .set = settings};
    TRY(receipt_read(&d, receipt, err));
    TRY(host_open(ctx, &d.set->host, &d.host, err));
    TRY(restore(&d, err));
    return fd_run(&d, true, err);
}

/* Did the deployment before put there what this one backed up? */
static bool was_ours(const struct fd_file *f, const struct filedeploy *before)
{
    for (size_t i = 0; i < before->n; i++)
        if (strcmp(before->f[i].path, f->path) == 0 &&
            strcmp(before->f[i].new_sha, f->old_sha) == 0)
            return true;
    return !f->existed;
}

enum rc filedeploy_forget(struct ctx *ctx, const void *settings, const void *place,
                          const struct json *receipt, const struct json *before, struct err *err)
{
    (void)place;
    AUTO(filedeploy) struct filedeploy d = {.ctx = ctx, .set = settings};
    struct filedeploy b = {0};
    TRY(receipt_read(&d, receipt, err));
    if (before)
        TRY(receipt_read(&b, before, err));
    TRY(host_open(ctx, &d.set->host, &d.host, err));
    for (size_t i = 0; i < d.n; i++) {
        TRY(d.host->ops->unlink(d.host, d.f[i].temp, err));
        if (was_ours(&d.f[i], &b))
            TRY(d.host->ops->unlink(d.host, d.f[i].backup, err));
    }
    return RC_OK;
}
