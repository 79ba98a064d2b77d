/*
 * Judging a backup against what is there. Invariant: the data directory is only read here; the
 * staged copy is the only thing written.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/check.h"
#include "app/restore_priv.h"
#include "base/clock.h"
#include "base/os/file.h"
#include "crypto/keyring.h"
#include "crypto/sealfile.h"
#include "job/job.h"

enum { UNKNOWN_GAP = 1000000 };

enum rc restore_newer(struct restore *r, struct err *err)
{
    const char *version = seal_fact(r->facts, "version", r->a);
    int64_t ours = store_schema_version();
    CHECK(
        r->schema <= ours, err, RC_UNSUPPORTED, BLAME_INPUT,
        MSG("restore.newer",
            "the backup was made by a newer Inro ({0}, schema {1}); this one is {2}, schema {3}: "
            "install that version first. Nothing was changed",
            "バックアップはより新しい Inro（{0}、スキーマ {1}）のものです。この版は {2}、スキーマ "
            "{3} です。先に新しい版を導入してください。何も変更していません"),
        version ? version : "?", NUM(r->schema), INRO_VERSION, NUM(ours));
    return RC_OK;
}

static enum rc read_now(struct restore *r, struct db *db, struct err *err)
{
    const char *generation = NULL;
    TRY(db_meta_get(db, "installation_id", r->a, &r->now_installation, err));
    TRY(db_meta_get(db, "generation", r->a, &generation, err));
    r->now_generation = 1;
    if (generation && !str_to_i64(str_from(generation), 1, INT64_MAX, &r->now_generation))
        r->now_generation = 1;
    TRY(db_store_tally(db, r->a, &r->now, err));
    return db_id_floors(db, r->a, &r->floors, err);
}

static enum rc look(struct restore *r, bool *ret_empty, struct err *err)
{
    struct store *s = NULL;
    AUTO(db) struct db *db = NULL;
    int64_t found = 0, ours = 0;
    TRY(store_open(r->config.database, &s, err));
    enum rc rc = store_version(s, &found, &ours, err);
    *ret_empty = rc == RC_OK && found == 0;
    if (rc == RC_OK && found > 0)
        rc = store_read(s, &db, err);
    if (rc == RC_OK && found > 0)
        rc = read_now(r, db, err);
    db_rollback(&db);
    store_close(s);
    return rc;
}

/* A file that is damaged is what people restore for: it is replaced, and kept. What a server has
 * and cannot be read could not be kept: that needs another, empty database. */
enum rc restore_look(struct restore *r, struct err *err)
{
    struct err why;
    bool server = config_on_server(&r->config), empty = false;
    const char *path = arena_printf(r->a, "%s/inro.db", r->config.data);
    if (!path)
        return NOMEM(err);
    if (!server && access(path, F_OK) != 0)
        return RC_OK;
    enum rc rc = look(r, &empty, server ? err : &why);
    if (server)
        TRY(rc);
    r->have_now = rc == RC_OK && !empty;
    CHECK(!r->have_now || !r->now_installation || strcmp(r->now_installation, r->installation) == 0,
          err, RC_CONFLICT, BLAME_INPUT,
          MSG("restore.foreign",
              "the backup is of installation {0}, but {1} belongs to installation {2}; restore it "
              "into an empty directory or database. Nothing was changed",
              "バックアップは環境 {0} のものですが、{1} は環境 {2} のものです。空のディレクトリ"
              "またはデータベースに復元してください。何も変更していません"),
          r->installation, r->config.data, r->now_installation);
    return RC_OK;
}

/* The key file of the backup is under the backup's passphrase; the one to run with is as the
 * original's was: without one, or (when it had one) under the backup's. */
static enum rc place_key(struct restore *r, struct err *err)
{
    AUTO(buf) struct buf file = BUF_SECRET(65536);
    AUTO(buf) struct buf text = BUF_SECRET(65536);
    const char *path = arena_printf(r->a, "%s/master.key", r->staging);
    struct keyring *k = NULL;
    if (!path)
        return NOMEM(err);
    TRY(file_read(path, &file, err));
    TRY(keyring_load(buf_str(&file), buf_cstr(&r->passphrase), &k, err));
    enum rc rc = RC_OK;
    if (!r->key_passphrase)
        rc = keyring_passphrase(k, buf_cstr(&r->passphrase), NULL, err);
    keyring_text(k, &text);
    keyring_destroy(k);
    TRY(rc);
    TRY(buf_ok(&text, err));
    return file_write_atomic(path, buf_str(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

static enum rc staged(struct restore *r, struct store **ret, struct err *err)
{
    const char *url = arena_printf(r->a, "sqlite:%s/inro.db", r->staging);
    return url ? store_open(url, ret, err) : NOMEM(err);
}

static enum rc judge_db(struct restore *r, struct db *db, struct err *err)
{
    const char *id = NULL;
    TRY(db_meta_get(db, "installation_id", r->a, &id, err));
    CHECK(id && strcmp(id, r->installation) == 0, err, RC_CORRUPT, BLAME_INPUT,
          MSG("restore.mixed", "the store in the backup is of another installation",
              "バックアップ内のデータベースが別の環境のものです"));
    TRY(db_audit_verify(db, NULL, err));
    return db_store_tally(db, r->a, &r->in_backup, err);
}

static enum rc count_changed(struct restore *r, struct err *err)
{
    struct store *s = NULL;
    AUTO(db) struct db *db = NULL;
    if (!r->have_now)
        return RC_OK;
    TRY(store_open(r->config.database, &s, err));
    enum rc rc = store_read(s, &db, err);
    if (rc == RC_OK)
        rc = db_certs_changed(db, r->in_backup.last_version, LOST_NAMES, r->a, &r->changed_names,
                              &r->changed, err);
    db_rollback(&db);
    store_close(s);
    return rc;
}

enum rc restore_judge(struct restore *r, struct err *err)
{
    struct store *s = NULL;
    AUTO(db) struct db *db = NULL;
    int64_t found = 0, ours = 0;
    TRY(place_key(r, err));
    TRY(staged(r, &s, err));
    enum rc rc = store_version(s, &found, &ours, err);
    if (rc == RC_OK && found != r->schema)
        rc = FAIL(err, RC_CORRUPT, BLAME_INPUT,
                  MSG("restore.schema", "the store in the backup is not of the schema it says",
                      "バックアップ内のデータベースのスキーマが表示と異なります"));
    if (rc == RC_OK)
        rc = store_check(s, err);
    if (rc == RC_OK) /* an older one is brought to our schema before it is judged */
        rc = store_migrate(s, NULL, NULL, err);
    if (rc == RC_OK)
        rc = store_read(s, &db, err);
    if (rc == RC_OK)
        rc = judge_db(r, db, err);
    db_rollback(&db);
    store_close(s);
    TRY(rc);
    TRY(count_changed(r, err));
    return check_directory(r->staging, r->key_passphrase ? buf_cstr(&r->passphrase) : NULL, r->lang,
                           err);
}

struct line {
    const char *key, *en, *ja;
    int64_t now, then;
};

enum { LINES = 6 };

static size_t losses(const struct restore *r, struct line *v)
{
    const struct line all[LINES] = {
        {"certs", "certificates", "証明書", r->now.certs, r->in_backup.certs},
        {"versions", "issued or imported versions", "証明書の版", r->now.versions,
         r->in_backup.versions},
        {"orders", "orders", "申請", r->now.orders, r->in_backup.orders},
        {"users", "users", "利用者", r->now.users, r->in_backup.users},
        {"connectors", "settings of CAs, targets and notifiers", "接続設定", r->now.connectors,
         r->in_backup.connectors},
        {"audit", "audit records", "監査記録", r->now.audit, r->in_backup.audit},
    };
    size_t n = 0;
    for (size_t i = 0; r->have_now && i < COUNT_OF(all); i++)
        if (all[i].now > all[i].then)
            v[n++] = all[i];
    return n;
}

/* "lost": how many of each were made after the backup. */
static void lost_json(const struct restore *r, const struct line *lost, size_t n,
                      struct json_writer *w)
{
    jw_key(w, "lost");
    jw_object(w);
    for (size_t i = 0; i < n; i++)
        jw_ki64(w, lost[i].key, lost[i].now - lost[i].then);
    jw_end_object(w);
    jw_ki64(w, "renewed_since", r->changed);
}

static enum rc add_record(struct restore *r, struct db *db, int64_t generation, struct err *err)
{
    AUTO(buf) struct buf b = BUF(8192);
    struct json_writer w = JSON_WRITER(&b);
    struct line lost[LINES];
    char actor[48];
    jw_object(&w);
    jw_kstr(&w, "backup", r->created);
    jw_ki64(&w, "generation", generation);
    jw_ki64(&w, "last_record", r->in_backup.audit);
    if (r->have_now) {
        jw_ki64(&w, "lost_last_record", r->now.audit);
        jw_kstr(&w, "lost_last_hash", r->now.audit_hash);
        lost_json(r, lost, losses(r, lost), &w);
    }
    jw_kbool(&w, "confirmed", r->confirm);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    (void)snprintf(actor, sizeof actor, "cli:uid=%lld", (long long)getuid());
    struct audit au = {.at = clock_now(clock_real()),
                       .actor = actor,
                       .origin = "local",
                       .action = "system.restore",
                       .subject = "system",
                       .detail = buf_cstr(&b),
                       .result = "ok"};
    int64_t last = r->have_now && r->now.audit > r->in_backup.audit ? r->now.audit
                   : r->have_now                                    ? r->in_backup.audit
                                 : r->in_backup.audit + UNKNOWN_GAP;
    return db_audit_add_after(db, &au, last, err);
}

static enum rc change(struct restore *r, struct db *db, struct err *err)
{
    int64_t base = r->now_generation > r->generation ? r->now_generation : r->generation;
    int64_t now = clock_now(clock_real());
    TRY(db_meta_set(db, "generation", NUM(base + 1), err));
    TRY(db_meta_set(db, "hold", r->confirm ? "" : "restored", err));
    TRY(db_meta_set(db, "restored_from", r->created, err));
    TRY(db_quiesce(db, now, err));
    TRY(db_ids_raise(db, r->have_now ? &r->floors : NULL, UNKNOWN_GAP, err));
    return add_record(r, db, base + 1, err);
}

enum rc restore_prepare(struct restore *r, struct err *err)
{
    struct store *s = NULL;
    AUTO(db) struct db *db = NULL;
    TRY(staged(r, &s, err));
    enum rc rc = store_begin(s, &db, err);
    if (rc == RC_OK)
        rc = change(r, db, err);
    if (rc == RC_OK)
        rc = db_commit(&db, err);
    db_rollback(&db);
    store_close(s); /* the last connection moves the journal into the file */
    return rc;
}

/* ---- what people are told ---- */

static void report_json(const struct restore *r, const struct line *lost, size_t n)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "data", r->config.data);
    jw_kstr(&w, "installation", r->installation);
    jw_kstr(&w, "created", r->created);
    jw_kbool(&w, "restored", !r->check);
    jw_kstr(&w, "previous", r->check ? NULL : r->previous);
    jw_kstr(&w, "hold", r->check || r->confirm ? NULL : "restored");
    jw_kbool(&w, "known", r->have_now);
    jw_kbool(&w, "key_passphrase", r->key_passphrase);
    lost_json(r, lost, n, &w);
    jw_key(&w, "renewed");
    jw_array(&w);
    for (size_t i = 0; i < r->changed_names.n; i++)
        jw_str(&w, r->changed_names.v[i]);
    jw_end_array(&w);
    jw_end_object(&w);
    buf_addc(&b, '\n');
    (void)fwrite(buf_cstr(&b), 1, b.len, stdout);
}

static void report_lost(const struct restore *r, const struct line *lost, size_t n, struct buf *b)
{
    bool ja = strcmp(r->lang, "ja") == 0;
    if (!r->have_now)
        buf_adds(b, ja ? "ここには比較できる状態がないため、失われる内容は分かりません。\n"
                       : "there is no state here to compare with: what is lost is not known.\n");
    if (n > 0)
        buf_adds(b, ja ? "バックアップ以降の次の内容が失われます:\n"
                       : "made after the backup and lost:\n");
    for (size_t i = 0; i < n; i++)
        buf_addf(b, "  %lld %s\n", (long long)(lost[i].now - lost[i].then),
                 ja ? lost[i].ja : lost[i].en);
    if (r->changed > 0)
        buf_addf(b,
                 ja ? "バックアップ以降に発行された証明書（%lld 件）:\n"
                    : "certificates with a version issued after the backup (%lld):\n",
                 (long long)r->changed);
    for (size_t i = 0; i < r->changed_names.n; i++)
        buf_addf(b, "  %s\n", r->changed_names.v[i]);
}

static void report_next(const struct restore *r, struct buf *b)
{
    bool ja = strcmp(r->lang, "ja") == 0;
    if (r->check) {
        buf_adds(b, ja ? "確認のみです。何も変更していません。\n"
                       : "checked only; nothing was changed.\n");
        return;
    }
    buf_addf(b,
             ja ? "復元しました。以前の状態は %s/%s にあります。\n"
                : "restored; the former state is in %s/%s.\n",
             r->config.data, r->previous);
    if (r->key_passphrase)
        buf_adds(b, ja ? "マスター鍵はバックアップのパスフレーズで開きます"
                         "（変更: inro key passphrase）。\n"
                       : "the master key now opens with the backup's passphrase (change it with "
                         "inro key passphrase).\n");
    if (!r->confirm)
        buf_adds(b, ja ? "起動後も、確認されるまで申請・更新・適用は行いません。元の環境が停止して"
                         "いることを確かめてから inro confirm-restore を実行してください。\n"
                       : "after the start nothing is applied for, renewed or deployed until a "
                         "person confirms: make sure that the original is stopped, then run inro "
                         "confirm-restore.\n");
}

void restore_report(const struct restore *r)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct line lost[LINES];
    size_t n = losses(r, lost);
    if (r->json) {
        report_json(r, lost, n);
        return;
    }
    buf_addf(&b,
             strcmp(r->lang, "ja") == 0 ? "%s のバックアップ（環境 %s）\n"
                                        : "backup of %s, installation %s\n",
             r->created, r->installation);
    report_lost(r, lost, n, &b);
    report_next(r, &b);
    (void)fwrite(buf_cstr(&b), 1, b.len, stdout);
}
