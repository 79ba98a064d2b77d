/*
 * Backups in a folder, of this machine or of one behind SSH (SFTP). Invariants: a name appears only
 * when the file is complete; only files that Inro wrote and remembers are removed; the generation
 * mark tells an installation that a restored copy of it has taken over.
 */
#include <string.h>

#include "connect/connect.h"

#define S struct backup_settings
static const struct field fields[] = {
    HOST_FIELDS,
    FIELD_PATH(S, folder, .flags = FIELD_REQUIRED, .label = {"Folder", "フォルダー"},
               .help = {"Where the backups are kept; best on another disk or machine.",
                        "バックアップの保存先です。別のディスクや別のサーバーを推奨します。"},
               .example = "/srv/backup/inro"),
    FIELD_SECRET(
        S, passphrase, .flags = FIELD_REQUIRED, .min = 8, .max = 1024,
        .label = {"Passphrase", "パスフレーズ"},
        .help = {"Encrypts the backups and is all that a restore needs: keep it elsewhere.",
                 "バックアップを暗号化します。復元にはこれだけが必要です。"
                 "別の場所に控えてください。"}),
    FIELD_SECS(S, every, .dflt = "1d", .min = 60, .max = 366 * 86400LL, .label = {"Every", "間隔"},
               .help = {"A new backup after this time.", "この間隔でバックアップを作ります。"}),
    FIELD_INT(S, keep, .dflt = "14", .min = 1, .max = 1000, .label = {"Keep", "世代数"},
              .help = {"Older backups are removed.", "これより古いバックアップは削除します。"}),
    FIELD_END,
};
#undef S

static const char *path_of(struct ctx *ctx, const struct backup_settings *s, const char *name)
{
    size_t n = strlen(s->folder);
    return arena_printf(ctx->arena, "%s%s%s", s->folder, n && s->folder[n - 1] == '/' ? "" : "/",
                        name);
}

static enum rc is_folder(struct host *h, const char *folder, struct err *err)
{
    struct host_stat st;
    TRY(h->ops->lstat(h, folder, &st, err));
    return st.is_dir ? RC_OK
                     : field_fault(err, "folder",
                                   FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                                        MSG("backup.folder", "the folder {0} does not exist",
                                            "フォルダー {0} がありません"),
                                        folder));
}

static enum rc check(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err)
{
    const struct backup_settings *s = settings;
    struct host *h __attribute__((cleanup(host_cleanup))) = NULL;
    const char *probe = path_of(ctx, s, "inro-check.tmp");
    if (!probe)
        return NOMEM(err);
    TRY(host_open(ctx, &s->host, &h, err));
    TRY(is_folder(h, s->folder, err));
    TRY(h->ops->unlink(h, probe, err));
    TRY(h->ops->write_new(h, probe, STR("inro\n"), 0600, -1, -1, err));
    TRY(h->ops->unlink(h, probe, err));
    return SEEN(ctx, ret_seen, err,
                MSG("backup.writable", "{0} can be written", "{0} に書き込めます"), s->folder);
}

static enum rc put(struct ctx *ctx, const struct backup_settings *s, const char *file,
                   const char *name, struct err *err)
{
    struct host *h __attribute__((cleanup(host_cleanup))) = NULL;
    const char *to = path_of(ctx, s, name);
    const char *part = to ? arena_printf(ctx->arena, "%s.part", to) : NULL;
    if (!part)
        return NOMEM(err);
    TRY(host_open(ctx, &s->host, &h, err));
    TRY(is_folder(h, s->folder, err));
    CHECK(h->ops->put, err, RC_UNSUPPORTED, BLAME_US,
          MSG("backup.put", "this host takes no large files", "大きなファイルを送れません"));
    TRY(h->ops->unlink(h, part, err));
    enum rc rc = h->ops->put(h, file, part, 0600, err);
    if (rc == RC_OK)
        rc = h->ops->replace(h, part, to, err);
    if (rc != RC_OK && h->ops->unlink(h, part, NULL) != RC_OK)
        return WHILE(
            err, rc,
            MSG("backup.left", "a part is left behind: {0}", "途中のファイル {0} が残りました"),
            part);
    return rc;
}

static enum rc remove_file(struct ctx *ctx, const struct backup_settings *s, const char *name,
                           struct err *err)
{
    struct host *h __attribute__((cleanup(host_cleanup))) = NULL;
    const char *path = path_of(ctx, s, name);
    if (!path)
        return NOMEM(err);
    TRY(host_open(ctx, &s->host, &h, err));
    return h->ops->unlink(h, path, err);
}

/* "inro-<installation>.generation" holds the highest generation that wrote here. */
static enum rc mark(struct ctx *ctx, const struct backup_settings *s, const char *installation,
                    int64_t generation, int64_t *ret_seen, struct err *err)
{
    struct host *h __attribute__((cleanup(host_cleanup))) = NULL;
    AUTO(buf) struct buf text = BUF(64);
    struct host_stat st;
    const char *path = arena_printf(ctx->arena, "%s/inro-%s.generation", s->folder, installation);
    const char *tmp = path ? arena_printf(ctx->arena, "%s.tmp", path) : NULL;
    if (!tmp)
        return NOMEM(err);
    *ret_seen = 0;
    TRY(host_open(ctx, &s->host, &h, err));
    TRY(is_folder(h, s->folder, err));
    TRY(h->ops->lstat(h, path, &st, err));
    if (st.exists) {
        TRY(h->ops->read(h, path, &text, err));
        if (!str_to_i64(str_trim(buf_str(&text)), 1, INT64_MAX, ret_seen))
            *ret_seen = 0;
    }
    if (*ret_seen >= generation)
        return RC_OK;
    buf_clear(&text);
    buf_addf(&text, "%lld\n", (long long)generation);
    TRY(h->ops->unlink(h, tmp, err));
    TRY(h->ops->write_new(h, tmp, buf_str(&text), 0600, -1, -1, err));
    return h->ops->replace(h, tmp, path, err);
}

const struct backup_ops backup_folder = {
    .head = {.id = "folder",
             .name = {"Folder (disk or SFTP)", "フォルダー（ディスク・SFTP）"},
             .about = {"Encrypted backups in a folder, with retention.",
                       "暗号化したバックアップをフォルダーに世代管理して保存します。"},
             .fields = fields,
             .settings_size = sizeof(struct backup_settings),
             .check = check},
    .put = put,
    .remove = remove_file,
    .mark = mark,
};
