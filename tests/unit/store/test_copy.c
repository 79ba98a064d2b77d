/* A PostgreSQL store goes into a file and comes back from one without losing a cell, at every
 * released schema; what is copied is one moment; a copy before a migration leads back. */
#include "store_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/os/file.h"
#include "store/ops.h"

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static const char *in_dir(struct rig *r, const char *name)
{
    return arena_printf(r->a, "%s/%s", r->dir, name);
}

/* Rows of a table that only one of the two files has. */
static void same_table(sqlite3 *db, const char *table)
{
    static const char *const sides[] = {"main", "old", "main"};
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM main.%s) - (SELECT count(*) FROM old.%s)", table, table);
    assert_int_equal(number(db, sql), 0);
    for (size_t i = 0; i + 1 < COUNT_OF(sides); i++) {
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM (SELECT * FROM %s.%s EXCEPT SELECT * FROM %s.%s)", sides[i],
                 table, sides[i + 1], table);
        if (number(db, sql) != 0)
            fail_msg("%s: cells differ", table);
    }
}

/* But for the mark of the load. */
static void same_content(const char *one, const char *two, int at_least)
{
    sqlite3 *db = open_db(two);
    sqlite3_stmt *st = NULL;
    char sql[512];
    int tables = 0;
    snprintf(sql, sizeof sql, "ATTACH '%s' AS old", one);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM main.meta WHERE name = 'loaded'", 0, 0, 0),
                     SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name FROM old.sqlite_schema WHERE type = 'table' "
                                        "AND substr(name, 1, 7) <> 'sqlite_'",
                                        -1, &st, NULL),
                     SQLITE_OK);
    for (; sqlite3_step(st) == SQLITE_ROW; tables++)
        same_table(db, (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    assert_true(tables >= at_least);
    assert_int_equal(number(db, "SELECT count(*) FROM old.sqlite_sequence o LEFT JOIN "
                                "main.sqlite_sequence n ON n.name = o.name WHERE o.seq > 0 AND "
                                "n.seq IS NOT o.seq"),
                     0);
    assert_int_equal(number(db, "SELECT count(*) FROM main.sqlite_schema WHERE type = 'index'"),
                     number(db, "SELECT count(*) FROM old.sqlite_schema WHERE type = 'index'"));
    sqlite3_close(db);
}

static void write_release(const char *path, const char *sql_file)
{
    AUTO(buf) struct buf sql = BUF((size_t)16 << 20);
    char *why = NULL;
    sqlite3 *db = open_db(path);
    OK(file_read(sql_file, &sql, err));
    if (sqlite3_exec(db, buf_cstr(&sql), NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql_file, why);
    /* an id that was given out and whose row is gone: never given again */
    assert_int_equal(sqlite3_exec(db, "UPDATE sqlite_sequence SET seq = seq + 40", 0, 0, 0),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(chmod(path, 0600), 0);
}

static int64_t version_of(struct store *s)
{
    int64_t found = 0, ours = 0;
    OK(store_version(s, &found, &ours, err));
    return found;
}

/* The file of a release -> PostgreSQL -> a file: the same. Then forward, and back by the copy. */
static void round_trip(struct rig *r, const char *sql_file, int n)
{
    const char *before = in_dir(r, arena_printf(r->a, "before-%d.db", n));
    const char *after = in_dir(r, arena_printf(r->a, "after-%d.db", n));
    const char *again = in_dir(r, arena_printf(r->a, "again-%d.db", n));
    struct stat st;
    write_release(before, sql_file);
    OK(store_load(r->s, before, NULL, err));
    int64_t version = version_of(r->s);
    assert_true(version < store_schema_version());
    OK(store_snapshot(r->s, after, err));
    assert_int_equal(stat(after, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    same_content(before, after, 20);

    store_copies(r->s, in_dir(r, arena_printf(r->a, "store-%d", n)));
    OK(store_migrate(r->s, NULL, NULL, err));
    assert_int_equal(version_of(r->s), store_schema_version());
    const char *copy = store_migration_copy(r->s);
    assert_non_null(copy);
    same_content(before, copy, 20);
    OK(store_load(r->s, copy, NULL, err)); /* tables that came with the migration are gone again */
    assert_int_equal(version_of(r->s), version);
    OK(store_snapshot(r->s, again, err));
    same_content(before, again, 20);
    OK(store_migrate(r->s, NULL, NULL, err));
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    OK(db_prepare_all(db, err));
}

static void every_release_goes_there_and_back(void **state)
{
    struct rig *r = *state;
    DIR *d = opendir(INRO_TEST_SCHEMAS);
    struct dirent *e;
    int n = 0;
    assert_non_null(d);
    while ((e = readdir(d)))
        if (str_ends(str_from(e->d_name), ".sql"))
            round_trip(r, arena_printf(r->a, "%s/%s", INRO_TEST_SCHEMAS, e->d_name), n++);
    closedir(d);
    assert_true(n > 0);
}

static int64_t add_ca(struct rig *r, const char *name)
{
    AUTO(db) struct db *db = NULL;
    struct connector c = {.kind = "ca", .type = "private", .name = name, .settings = "{}"};
    OK(store_begin(r->s, &db, err));
    OK(db_connector_add(db, &c, err));
    OK(db_commit(&db, err));
    return c.id;
}

/* The present schema; ids go on after the last one that was given out, on both sides. */
static void the_present_schema_and_its_ids(void **state)
{
    struct rig *r = *state;
    int64_t last = add_ca(r, "日本語の名前 'quoted' \\ \x7f\n\t行");
    const char *one = in_dir(r, "one.db"), *two = in_dir(r, "two.db");
    struct store *lite = NULL;
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    struct connector gone = {.kind = "ca", .type = "private", .name = "gone", .settings = "{}"};
    OK(db_connector_add(db, &gone, err));
    OK(db_connector_remove(db, gone.id, err));
    OK(db_commit(&db, err));
    OK(store_snapshot(r->s, one, err));
    assert_int_not_equal(access(arena_printf(r->a, "%s.copy.part", one), F_OK), 0);
    assert_int_equal(store_snapshot(r->s, one, NULL), RC_EXISTS); /* never over another file */
    OK(store_load(r->s, one, "once", err));
    int64_t next = add_ca(r, "after the load");
    assert_true(next > gone.id && gone.id > last);
    /* the same again does nothing, another mark does */
    OK(store_load(r->s, one, "once", err));
    OK(store_read(r->s, &db, err));
    struct connector c;
    OK(db_connector_get(db, next, r->a, &c, err));
    db_rollback(&db);
    OK(store_snapshot(r->s, two, err));
    OK(store_load(r->s, one, "twice", err));
    OK(store_read(r->s, &db, err));
    assert_int_equal(db_connector_get(db, next, r->a, &c, NULL), RC_NOT_FOUND);
    db_rollback(&db);
    OK(store_open(arena_printf(r->a, "sqlite:%s", two), &lite, err));
    OK(store_check(lite, err));
    int from = 0, to = 0;
    OK(store_migrate(lite, &from, &to, err));
    assert_int_equal(from, to);
    OK(store_begin(lite, &db, err));
    struct connector more = {.kind = "ca", .type = "private", .name = "more", .settings = "{}"};
    OK(db_connector_add(db, &more, err));
    assert_int_equal(more.id, next + 1);
    db_rollback(&db);
    store_close(lite);
}

/* What cannot be loaded leaves the store as it is. */
static void a_bad_file_changes_nothing(void **state)
{
    struct rig *r = *state;
    const char *good = in_dir(r, "good.db"), *bad = in_dir(r, "bad.db");
    int64_t id = add_ca(r, "stays");
    OK(store_snapshot(r->s, good, err));
    OK(store_snapshot(r->s, bad, err));
    sqlite3 *db = open_db(bad); /* refers to a row that is not there */
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA foreign_keys = OFF; INSERT INTO ledger (ca_id, what, item,"
                     " at) VALUES (987654, 'x', 'y', 1)",
                     0, 0, 0),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_not_equal(store_load(r->s, bad, NULL, NULL), RC_OK);
    assert_int_equal(store_load(r->s, in_dir(r, "none.db"), NULL, NULL), RC_NOT_FOUND);
    AUTO(db) struct db *look = NULL;
    struct connector c;
    OK(store_read(r->s, &look, err));
    OK(db_connector_get(look, id, r->a, &c, err));
    assert_string_equal(c.name, "stays");
}

struct writer {
    struct rig *r;
    atomic_bool stop;
    atomic_int pairs;
};

/* A CA and an entry of its ledger, always both in one transaction. */
static void *write_pairs(void *arg)
{
    struct writer *w = arg;
    struct store *s = NULL;
    OK(store_open(w->r->url, &s, err));
    while (!atomic_load(&w->stop)) {
        AUTO(db) struct db *db = NULL;
        char name[64];
        snprintf(name, sizeof name, "pair %d", atomic_load(&w->pairs));
        struct connector c = {.kind = "ca", .type = "private", .name = name, .settings = "{}"};
        OK(store_begin(s, &db, err));
        OK(db_connector_add(db, &c, err));
        OK(db_query(db, "INSERT INTO ledger (ca_id, what, item, at) VALUES (?1, 'pair', 'x', 1)",
                    ARGS(I(c.id)), NULL, NULL, NULL, err));
        OK(db_commit(&db, err));
        atomic_fetch_add(&w->pairs, 1);
    }
    store_close(s);
    return NULL;
}

static void a_copy_is_one_moment(void **state)
{
    struct writer w = {.r = *state};
    struct rig *r = *state;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, write_pairs, &w), 0);
    for (int i = 0; i < 300 && atomic_load(&w.pairs) < 50; i++)
        usleep(100000);
    int grown = 0;
    for (int i = 0; i < 5; i++) {
        const char *path = in_dir(r, arena_printf(r->a, "moment-%d.db", i));
        int before = atomic_load(&w.pairs);
        OK(store_snapshot(r->s, path, err));
        grown += atomic_load(&w.pairs) - before;
        sqlite3 *db = open_db(path);
        int64_t pairs = number(db, "SELECT count(*) FROM ledger WHERE what = 'pair'");
        assert_true(pairs >= before);
        assert_int_equal(number(db, "SELECT count(*) FROM connector WHERE name LIKE 'pair %'"),
                         pairs);
        sqlite3_close(db);
    }
    atomic_store(&w.stop, true);
    pthread_join(t, NULL);
    assert_true(grown > 0); /* the writer went on meanwhile */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_release_goes_there_and_back),
        cmocka_unit_test(the_present_schema_and_its_ids),
        cmocka_unit_test(a_bad_file_changes_nothing),
        cmocka_unit_test(a_copy_is_one_moment),
    };
    return cmocka_run_group_tests(tests, rig_on_pgsql, rig_leave);
}
