/*
 * A whole store from one engine to another: row by row, through an SQLite file, which is the form
 * backups and copies have whatever the store is. Invariants: what is read is one snapshot; what is
 * written is seen complete or not at all (a new file that gets its name last, or one transaction);
 * names of tables and columns come from our own schema, never from data.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/os/file.h"
#include "store/ops.h"
#include "store/store_priv.h"

enum { TABLES_MAX = 128 };

struct table {
    const char *name;
    const char *cols[MAX_COLS];
    size_t n;
    bool done;
};

struct shape {
    struct arena *a;
    struct table *v;
    size_t n;
};

/* ---- what tables there are, as the SQLite side says ---- */

static enum rc odd(const char *name, struct err *err)
{
    return FAIL(err, RC_INTERNAL, BLAME_US,
                MSG("store.shape", "the table {0} is not one that can be copied; report this",
                    "テーブル {0} を複製できません。この不具合をご報告ください"),
                name);
}

static enum rc take_table(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct shape *s = ctx;
    (void)n;
    if (s->n == TABLES_MAX)
        return odd(cols[0].s, err);
    s->v[s->n].name = arena_strdup(s->a, cols[0].s);
    return s->v[s->n++].name ? RC_OK : NOMEM(err);
}

struct column_out {
    struct arena *a;
    struct table *t;
};

static enum rc take_column(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct column_out *o = ctx;
    (void)n;
    if (o->t->n == MAX_COLS)
        return odd(o->t->name, err);
    o->t->cols[o->t->n] = arena_strdup(o->a, cols[0].s);
    return o->t->cols[o->t->n++] ? RC_OK : NOMEM(err);
}

/* Generated columns are in neither list. */
static enum rc shape_read(struct db *lite, struct arena *a, struct shape *ret, struct err *err)
{
    struct shape s = {.a = a};
    s.v = arena_array(a, TABLES_MAX, sizeof *s.v);
    if (!s.v)
        return NOMEM(err);
    memset(s.v, 0, TABLES_MAX * sizeof *s.v);
    TRY(db_query(lite,
                 "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> "
                 "'sqlite_' ORDER BY rowid",
                 NULL, 0, take_table, &s, NULL, err));
    for (size_t i = 0; i < s.n; i++) {
        struct column_out o = {a, &s.v[i]};
        TRY(db_query(lite, "SELECT name FROM pragma_table_info(?1) ORDER BY cid",
                     ARGS(T(s.v[i].name)), take_column, &o, NULL, err));
    }
    *ret = s;
    return RC_OK;
}

struct parents {
    const struct shape *s;
    bool waiting;
};

static enum rc take_parent(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct parents *p = ctx;
    (void)n, (void)err;
    for (size_t i = 0; i < p->s->n; i++)
        if (!p->s->v[i].done && strcmp(p->s->v[i].name, cols[0].s) == 0)
            p->waiting = true;
    return RC_OK;
}

/* The next table whose rows refer to rows that are there already. */
static enum rc next_table(struct db *lite, struct shape *s, struct table **ret, struct err *err)
{
    *ret = NULL;
    for (size_t i = 0; i < s->n; i++) {
        struct parents p = {.s = s};
        if (s->v[i].done)
            continue;
        TRY(db_query(lite,
                     "SELECT \"table\" FROM pragma_foreign_key_list(?1) WHERE \"table\" <> ?1",
                     ARGS(T(s->v[i].name)), take_parent, &p, NULL, err));
        if (p.waiting)
            continue;
        *ret = &s->v[i];
        return RC_OK;
    }
    for (size_t i = 0; i < s->n; i++)
        if (!s->v[i].done)
            return odd(s->v[i].name, err);
    return RC_OK;
}

/* ---- rows ---- */

struct filler {
    struct db *to;
    const char *insert;
    size_t n;
};

static enum rc put_row(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct filler *f = ctx;
    if (n != f->n)
        return odd(f->insert, err);
    return db_query(f->to, f->insert, cols, n, NULL, NULL, NULL, err);
}

static enum rc copy_table(struct db *from, struct db *to, const struct table *t, struct err *err)
{
    AUTO(buf) struct buf select = BUF(8192), insert = BUF(8192);
    buf_adds(&select, "SELECT ");
    buf_addf(&insert, "INSERT INTO %s (", t->name);
    for (size_t i = 0; i < t->n; i++) {
        buf_addf(&select, "%s%s", i ? ", " : "", t->cols[i]);
        buf_addf(&insert, "%s%s", i ? ", " : "", t->cols[i]);
    }
    buf_addf(&select, " FROM %s", t->name);
    buf_adds(&insert, ") VALUES (");
    for (size_t i = 0; i < t->n; i++)
        buf_addf(&insert, "%s?%zu", i ? ", " : "", i + 1);
    buf_addc(&insert, ')');
    TRY(buf_ok(&select, err));
    TRY(buf_ok(&insert, err));
    struct filler f = {to, buf_cstr(&insert), t->n};
    enum rc rc = from->s->drv->scan(from->c, buf_cstr(&select), put_row, &f, err);
    if (rc != RC_OK)
        return WHILE(err, rc,
                     MSG("store.copying", "copying the table {0}", "テーブル {0} の複製中"),
                     t->name);
    return RC_OK;
}

static enum rc copy_rows(struct db *from, struct db *to, struct db *lite, struct arena *a,
                         struct err *err)
{
    struct shape s;
    struct table *t;
    TRY(shape_read(lite, a, &s, err));
    for (;;) {
        TRY(next_table(lite, &s, &t, err));
        if (!t)
            return RC_OK;
        TRY(copy_table(from, to, t, err));
        t->done = true;
    }
}

/* ---- out: a store as a file ---- */

static enum rc fill_file(struct db *from, struct store *file, struct arena *a, struct err *err)
{
    AUTO(db) struct db *to = NULL;
    struct id_floor_list ids;
    int64_t version = 0;
    TRY(store_version_in(from, &version, err));
    TRY(store_begin(file, &to, err));
    TRY(schema_make(to, version, err));
    TRY(copy_rows(from, to, to, a, err));
    TRY(db_id_floors(from, a, &ids, err));
    TRY(db_ids_raise(to, &ids, 0, err));
    to->kind = STMT_WRITE;
    return db_commit(&to, err);
}

static void remove_file(const char *path)
{
    AUTO(buf) struct buf b = BUF(8192);
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        buf_clear(&b);
        buf_addf(&b, "%s%s", path, tails[i]);
        if (buf_ok(&b, NULL) == RC_OK)
            (void)unlink(buf_cstr(&b));
    }
}

/* Into a file of its own first: the last step is the same as for SQLite, one file that is whole. */
enum rc copy_out(struct store *s, const char *path, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *from = NULL;
    struct store *file = NULL;
    const char *part = a ? arena_printf(a, "%s.copy.part", path) : NULL;
    const char *url = part ? arena_printf(a, "sqlite:%s", part) : NULL;
    if (!url)
        return NOMEM(err);
    remove_file(part); /* of one that was cut short */
    TRY(store_read(s, &from, err));
    enum rc rc = store_open(url, &file, err);
    if (rc == RC_OK)
        rc = fill_file(from, file, a, err);
    if (rc == RC_OK)
        rc = file->drv->snapshot(file->engine, path, err);
    store_close(file);
    remove_file(part);
    return rc;
}

/* ---- in: everything is replaced by the content of a file ---- */

static enum rc drop_all(struct db *db, struct db *lite, struct arena *a, struct err *err)
{
    struct shape s;
    struct names ours;
    AUTO(buf) struct buf sql = BUF(65536);
    TRY(shape_read(lite, a, &s, err));
    TRY(schema_tables(a, &ours, err));
    for (size_t i = 0; i < ours.n; i++)
        buf_addf(&sql, "DROP TABLE IF EXISTS %s CASCADE;", ours.v[i]);
    for (size_t i = 0; i < s.n; i++)
        buf_addf(&sql, "DROP TABLE IF EXISTS %s CASCADE;", s.v[i].name);
    TRY(buf_ok(&sql, err));
    return db->s->drv->script(db->c, buf_cstr(&sql), err);
}

static enum rc replace_all(struct db *to, struct db *lite, const char *mark, struct arena *a,
                           struct err *err)
{
    struct id_floor_list ids;
    int64_t version = 0;
    TRY(store_version_in(lite, &version, err));
    TRY(drop_all(to, lite, a, err));
    TRY(schema_make(to, version, err));
    TRY(copy_rows(lite, to, lite, a, err));
    TRY(db_id_floors(lite, a, &ids, err));
    for (size_t i = 0; i < ids.n; i++)
        if (ids.v[i].last > 0)
            TRY(db_query(to, "{id_set}", ARGS(T(ids.v[i].table), I(ids.v[i].last)), NULL, NULL,
                         NULL, err));
    return mark ? db_meta_set(to, "loaded", mark, err) : RC_OK;
}

enum rc store_loaded(struct store *s, const char *mark, bool *ret, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *db = NULL;
    int64_t found = 0, ours = 0;
    const char *loaded = NULL;
    if (!a)
        return NOMEM(err);
    TRY(store_version(s, &found, &ours, err));
    if (found > 0) {
        TRY(store_read(s, &db, err));
        TRY(db_meta_get(db, "loaded", a, &loaded, err));
    }
    *ret = loaded && strcmp(loaded, mark) == 0;
    return RC_OK;
}

static enum rc load_from(struct store *s, struct store *file, const char *mark, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *lite = NULL;
    AUTO(db) struct db *to = NULL;
    if (!a)
        return NOMEM(err);
    TRY(store_read(file, &lite, err));
    TRY(store_begin(s, &to, err));
    TRY(db_do(to, STMT_LOCK, ARGS(I(1)), NULL, err)); /* the lock of migrations */
    TRY(replace_all(to, lite, mark, a, err));
    to->kind = STMT_WRITE;
    return db_commit(&to, err);
}

enum rc store_load(struct store *s, const char *path, const char *mark, struct err *err)
{
    AUTO(buf) struct buf url = BUF(8192);
    struct store *file = NULL;
    bool there = false;
    if (mark)
        TRY(store_loaded(s, mark, &there, err));
    if (there)
        return RC_OK;
    if (access(path, R_OK) != 0) /* opening would make an empty one */
        return file_fail(err, path, errno);
    buf_addf(&url, "sqlite:%s", path);
    TRY(buf_ok(&url, err));
    TRY(store_open(buf_cstr(&url), &file, err));
    enum rc rc = load_from(s, file, mark, err);
    store_close(file);
    return rc;
}
