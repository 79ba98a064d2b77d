/*
 * Opening, transactions and migration, whatever the engine.
 * Invariants: a transaction in which a statement failed can only be rolled back (both engines
 * alike); the schema version changes in the same transaction as the schema.
 */
#include "store/store_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"

enum rc store_open(const char *url, struct store **ret, struct err *err)
{
    static const struct driver *const drivers[] = {&driver_sqlite, &driver_pgsql};
    const struct driver *drv = NULL;
    for (size_t i = 0; i < COUNT_OF(drivers) && !drv; i++)
        if (strncmp(url, drivers[i]->scheme, strlen(drivers[i]->scheme)) == 0)
            drv = drivers[i];
    CHECK(drv, err, RC_INPUT, BLAME_INPUT,
          MSG("store.url", "the database must be sqlite:PATH or postgresql://...",
              "データベースは sqlite:パス または postgresql://... の形で指定してください"));
    AUTO(mem) struct store *s = mem_alloc(sizeof *s);
    if (!s)
        return NOMEM(err);
    s->drv = drv;
    s->copy = BUF(8192);
    const char *rest = drv == &driver_sqlite ? url + strlen(drv->scheme) : url;
    TRY(drv->open(rest, &s->engine, err));
    *ret = TAKE(s);
    return RC_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    s->drv->close(s->engine);
    buf_free(&s->copy);
    mem_free(s);
}

const char *store_migration_copy(const struct store *s)
{
    return s->copy.len ? buf_cstr(&s->copy) : NULL;
}

enum rc store_snapshot(struct store *s, const char *path, struct err *err)
{
    return s->drv->snapshot ? s->drv->snapshot(s->engine, path, err) : copy_out(s, path, err);
}

void store_copies(struct store *s, const char *prefix)
{
    s->copies = prefix;
}

static enum rc start(struct store *s, bool write, struct db **ret, struct err *err)
{
    AUTO(mem) struct db *db = mem_alloc(sizeof *db);
    if (!db)
        return NOMEM(err);
    *db = (struct db){.s = s, .write = write};
    TRY(s->drv->begin(s->engine, write, &db->c, err));
    *ret = TAKE(db);
    return RC_OK;
}

enum rc store_begin(struct store *s, struct db **ret, struct err *err)
{
    return start(s, true, ret, err);
}

enum rc store_read(struct store *s, struct db **ret, struct err *err)
{
    return start(s, false, ret, err);
}

static enum rc refuse_failed(struct err *err)
{
    return FAIL(err, RC_CONFLICT, BLAME_US,
                MSG("store.failed_tx",
                    "the transaction had failed before and was rolled back; nothing was saved",
                    "トランザクションは先に失敗したため取り消されました。何も保存していません"));
}

enum rc db_commit(struct db **pdb, struct err *err)
{
    struct db *db = *pdb;
    if (db->failed) {
        db_rollback(pdb);
        return refuse_failed(err);
    }
    enum rc rc = db->s->drv->commit(db->s->engine, db->c, db->write, db->kind, err);
    mem_free(db);
    *pdb = NULL;
    return rc;
}

bool db_made_work(const struct db *db)
{
    return db->made_work;
}

enum rc db_commit_soon(struct db **pdb, struct err *err)
{
    if ((*pdb)->kind == STMT_WRITE)
        (*pdb)->kind = STMT_SOFT;
    return db_commit(pdb, err);
}

void db_rollback(struct db **pdb)
{
    struct db *db = *pdb;
    if (!db)
        return;
    db->s->drv->rollback(db->s->engine, db->c, db->write);
    mem_free(db);
    *pdb = NULL;
}

void db_cleanup(struct db **pdb)
{
    db_rollback(pdb);
}

enum rc db_run(struct db *db, enum stmt_id id, const struct val *args, size_t n, row_fn fn,
               void *ctx, int64_t *ret_n, struct err *err)
{
    if (db->failed)
        return refuse_failed(err);
    enum stmt_kind kind = stmt_get(id)->kind;
    CHECK(db->write || kind == STMT_READ, err, RC_INTERNAL, BLAME_US,
          MSG("store.read_only_tx", "{0}: a change was asked of a read-only transaction",
              "{0}: 読み取り専用のトランザクションで変更が要求されました"),
          stmt_get(id)->name);
    enum rc rc = db->s->drv->run(db->c, id, args, n, fn, ctx, ret_n, err);
    if (rc != RC_OK)
        db->failed = true;
    else if (kind > db->kind)
        db->kind = kind;
    return rc;
}

enum rc db_query(struct db *db, const char *sql, const struct val *args, size_t n, row_fn fn,
                 void *ctx, int64_t *ret_n, struct err *err)
{
    int64_t rows = 0;
    if (db->failed)
        return refuse_failed(err);
    enum rc rc = db->s->drv->query(db->c, sql, args, n, fn, ctx, &rows, err);
    if (rc != RC_OK)
        db->failed = true;
    else if (db->write)
        db->kind = STMT_WRITE;
    if (rc == RC_OK && ret_n)
        *ret_n = rows;
    return rc;
}

enum rc db_do(struct db *db, enum stmt_id id, const struct val *args, size_t n, int64_t *ret_n,
              struct err *err)
{
    int64_t changed = 0;
    TRY(db_run(db, id, args, n, NULL, NULL, &changed, err));
    if (ret_n)
        *ret_n = changed;
    return RC_OK;
}

enum rc db_prepare_all(struct db *db, struct err *err)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        enum rc rc = db->s->drv->prepare(db->c, (enum stmt_id)i, err);
        if (rc != RC_OK)
            return WHILE(err, rc, MSG("store.preparing", "preparing {0}", "{0} の準備中"),
                         stmt_get((enum stmt_id)i)->name);
    }
    return RC_OK;
}

enum rc store_check(struct store *s, struct err *err)
{
    return s->drv->check(s->engine, err);
}

enum rc db_meta_get(struct db *db, const char *key, struct arena *a, const char **ret,
                    struct err *err)
{
    return db_text(db, STMT_META_GET, ARGS(T(key)), a, ret, NULL, err);
}

enum rc db_meta_set(struct db *db, const char *key, const char *value, struct err *err)
{
    return db_do(db, STMT_META_SET, ARGS(T(key), T(value)), NULL, err);
}

static enum rc take_version(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    int64_t *ret = ctx;
    (void)n;
    CHECK(
        !cols[0].null && str_to_i64(str_from(cols[0].s), 1, INT32_MAX, ret), err, RC_CORRUPT,
        BLAME_US,
        MSG("store.version_bad",
            "the database has an unreadable schema version; restore the last backup",
            "データベースのスキーマ版数が読み取れません。最後のバックアップから復元してください"));
    return RC_OK;
}

static enum rc version_get(struct db *db, int64_t *ret, struct err *err)
{
    int64_t n = 0, v = 0;
    TRY(db_run(db, STMT_META_GET, ARGS(T("schema_version")), take_version, &v, &n, err));
    *ret = v;
    return RC_OK;
}

enum rc store_version_in(struct db *db, int64_t *ret, struct err *err)
{
    return version_get(db, ret, err);
}

#define META_TABLE "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);"

enum rc schema_make(struct db *db, int64_t version, struct err *err)
{
    TRY(db->s->drv->script(db->c, META_TABLE, err));
    for (size_t i = 0; i < store_migration_count && store_migrations[i].version <= version; i++)
        TRY(db->s->drv->script(db->c, store_migrations[i].sql, err));
    return RC_OK;
}

enum rc schema_tables(struct arena *a, struct names *ret, struct err *err)
{
    static const char create[] = "CREATE TABLE ";
    enum { MOST = 256 };
    const char **v = arena_array(a, MOST, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    v[n++] = "meta";
    for (size_t i = 0; i < store_migration_count; i++)
        for (const char *p = store_migrations[i].sql; (p = strstr(p, create)) && n < MOST; n++) {
            p += sizeof create - 1;
            v[n] = arena_str(a, (struct str){p, strcspn(p, " (")});
            if (!v[n])
                return NOMEM(err);
        }
    *ret = (struct names){v, n};
    return RC_OK;
}

/* Makes the meta table if this is a new database, and reads the version. */
static enum rc version_first(struct store *s, int64_t *ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(s, &db, err));
    TRY(db->s->drv->script(db->c, META_TABLE, err));
    TRY(version_get(db, ret, err));
    db->kind = STMT_WRITE;
    return db_commit(&db, err);
}

static enum rc migrate_one(struct db *db, const struct migration *m, struct err *err)
{
    enum rc rc = db->s->drv->script(db->c, m->sql, err);
    if (rc == RC_OK && m->fill)
        rc = m->fill(db, err);
    if (rc != RC_OK)
        return WHILE(err, rc,
                     MSG("store.migrating", "migrating the schema to version {0}",
                         "スキーマを版数 {0} に更新中"),
                     NUM(m->version));
    return db_meta_set(db, "schema_version", NUM(m->version), err);
}

/* All steps in one transaction: after a kill the schema is the old one or the new one. */
static enum rc migrate_all(struct store *s, const struct migration *m, size_t n, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    int64_t now = 0;
    TRY(store_begin(s, &db, err));
    /* Another process may have been first: the lock and the second look settle it. */
    TRY(db_do(db, STMT_LOCK, ARGS(I(1)), NULL, err));
    TRY(version_get(db, &now, err));
    for (size_t i = 0; i < n; i++)
        if (m[i].version > now)
            TRY(migrate_one(db, &m[i], err));
    return db_commit(&db, err);
}

static enum rc has_meta(struct db *db, bool *ret, struct err *err)
{
    int64_t n = 0;
    TRY(db_query(db, "{has_meta}", NULL, 0, NULL, NULL, &n, err));
    *ret = n > 0;
    return RC_OK;
}

int64_t store_schema_version(void)
{
    return store_migrations[store_migration_count - 1].version;
}

enum rc store_version(struct store *s, int64_t *ret_found, int64_t *ret_ours, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    bool has = false;
    int64_t found = 0;
    TRY(store_read(s, &db, err));
    TRY(has_meta(db, &has, err));
    if (has)
        TRY(version_get(db, &found, err));
    *ret_found = found;
    *ret_ours = store_schema_version();
    return RC_OK;
}

/* PREFIX.backup-v<version>-<time>, durable before the migration starts. */
static enum rc copy_before(struct store *s, int64_t version, struct err *err)
{
    const char *prefix = s->drv->copies ? s->drv->copies(s->engine) : s->copies;
    AUTO(buf) struct buf part = BUF(8192);
    char stamp[32];
    if (!prefix)
        return RC_OK;
    time_rfc3339(clock_now(clock_real()), stamp);
    buf_addf(&s->copy, "%s.backup-v%lld-%s", prefix, (long long)version, stamp);
    buf_addf(&part, "%s.backup.part", prefix);
    TRY(buf_ok(&s->copy, err));
    TRY(buf_ok(&part, err));
    (void)unlink(buf_cstr(&part)); /* of one that was cut short */
    enum rc rc = store_snapshot(s, buf_cstr(&part), err);
    if (rc == RC_OK && rename(buf_cstr(&part), buf_cstr(&s->copy)) != 0)
        rc = file_fail(err, buf_cstr(&s->copy), errno);
    if (rc != RC_OK)
        return WHILE(err, rc,
                     MSG("store.backing_up", "copying the database before the migration",
                         "移行前のデータベースの複製中"));
    return RC_OK;
}

enum rc store_migrate_with(struct store *s, const struct migration *m, size_t n, int *ret_from,
                           int *ret_to, struct err *err)
{
    int64_t from = 0;
    int to = m[n - 1].version;
    TRY(version_first(s, &from, err));
    CHECK(from <= to, err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("store.newer",
              "the database has schema version {0}, made by a newer Inro; this one knows {1}: "
              "install the newer Inro or restore a backup",
              "データベースのスキーマ版数は {0} で、より新しいInroのものです（本版は {1} まで）。"
              "新しいInroを使うか、バックアップを復元してください"),
          NUM(from), NUM(to));
    buf_clear(&s->copy);
    if (from > 0 && from < to)
        TRY(copy_before(s, from, err));
    if (from < to)
        TRY(migrate_all(s, m, n, err));
    if (ret_from)
        *ret_from = (int)from;
    if (ret_to)
        *ret_to = to;
    return RC_OK;
}

enum rc store_migrate(struct store *s, int *ret_from, int *ret_to, struct err *err)
{
    return store_migrate_with(s, store_migrations, store_migration_count, ret_from, ret_to, err);
}
