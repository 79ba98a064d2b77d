/* The schema of every release, with rows in every table, comes to today's without losing a cell. */
#include "store_rig.h"

#include <dirent.h>
#include <sqlite3.h>

#include "base/os/file.h"

#define SCHEMAS INRO_TEST_SCHEMAS

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void load(const char *path, const char *sql_file)
{
    AUTO(buf) struct buf sql = BUF((size_t)16 << 20);
    char *why = NULL;
    sqlite3 *db = open_db(path);
    OK(file_read(sql_file, &sql, err));
    if (sqlite3_exec(db, buf_cstr(&sql), NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql_file, why);
    sqlite3_close(db);
    assert_int_equal(chmod(path, 0600), 0);
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

/* Every column that was there is there, and every row with the same cells. */
static void compare_table(sqlite3 *db, const char *table)
{
    char sql[1024];
    sqlite3_stmt *st = NULL;
    AUTO(buf) struct buf same = BUF(65536);
    snprintf(sql, sizeof sql, "PRAGMA old.table_info(%s)", table);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(st, 1);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'",
                 table, column);
        if (number(db, sql) == 0)
            fail_msg("%s.%s is gone", table, column);
        buf_addf(&same, "%s%s", same.len ? ", " : "", column);
    }
    sqlite3_finalize(st);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT %s FROM old.%s EXCEPT SELECT %s FROM main.%s)",
             buf_cstr(&same), table, buf_cstr(&same), table);
    if (strcmp(table, "meta") != 0 && number(db, sql) != 0)
        fail_msg("%s: rows were changed by the upgrade", table);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM old.%s", table);
    assert_true(number(db, sql) > 0);
}

static void compare(const char *before, const char *after)
{
    sqlite3 *db = open_db(after);
    sqlite3_stmt *st = NULL;
    char sql[512];
    snprintf(sql, sizeof sql, "ATTACH '%s' AS old", before);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT name FROM old.sqlite_schema WHERE type = 'table' AND name NOT "
                           "LIKE 'sqlite!_%' ESCAPE '!'",
                           -1, &st, NULL),
        SQLITE_OK);
    int tables = 0;
    while (sqlite3_step(st) == SQLITE_ROW) {
        compare_table(db, (const char *)sqlite3_column_text(st, 0));
        tables++;
    }
    sqlite3_finalize(st);
    assert_true(tables > 15);
    /* every certificate is counted on the days of the version in service */
    assert_true(number(db, "SELECT count(*) FROM cert WHERE not_after > 0") > 0);
    assert_int_equal(number(db, "SELECT count(*) FROM cert c LEFT JOIN cert_version v ON v.id = "
                                "c.current_id WHERE c.warn_at IS NOT coalesce(v.not_after - "
                                "(v.not_after - v.not_before) / 6, 0)"),
                     0);
    assert_int_equal(number(db, "SELECT count(*) FROM (SELECT not_after / 86400000000, warn_at / "
                                "86400000000, group_id, count(*) FROM cert GROUP BY 1, 2, 3 EXCEPT "
                                "SELECT end_day, warn_day, group_id, n FROM cert_count)"),
                     0);
    /* serial number and fingerprint of every version are terms */
    assert_int_equal(number(db, "SELECT count(*) FROM cert_term WHERE term LIKE '=%'"),
                     2 * number(db, "SELECT count(*) FROM cert_version"));
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_sequence n JOIN old.sqlite_sequence o "
                                "ON o.name = n.name WHERE n.seq < o.seq"),
                     0);
    sqlite3_close(db);
}

/* What was there before is found as what comes later is. */
static void can_be_searched(struct rig *r, struct db *db)
{
    struct cert_page page;
    OK(db_cert_query(db, &(struct cert_query){.text = "name.2", .limit = 10}, r->a, &page, err));
    assert_int_equal(page.n, 1);
    assert_int_equal(page.v[0].id, 2);
    assert_int_equal(page.v[0].tags.n, 0);
    OK(db_cert_query(db, &(struct cert_query){.text = "日本", .limit = 10}, r->a, &page, err));
    assert_true(page.n > 1);
}

static void upgrade_one(const char *file)
{
    struct rig r = {.a = arena_create(0)};
    char before[160], after[160];
    rig_dir(&r);
    snprintf(before, sizeof before, "%s/before.db", r.dir);
    snprintf(after, sizeof after, "%s/inro.db", r.dir);
    load(before, file);
    load(after, file);
    snprintf(r.url, sizeof r.url, "sqlite:%s", after);
    OK(store_open(r.url, &r.s, err));
    OK(store_migrate(r.s, NULL, NULL, err));
    OK(store_check(r.s, err));
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r.s, &db, err));
    OK(db_prepare_all(db, err));
    can_be_searched(&r, db);
    db_rollback(&db);
    store_close(r.s);
    r.s = NULL;
    compare(before, after);
    rig_end(&r);
}

static void every_release_upgrades(void **state)
{
    (void)state;
    DIR *d = opendir(SCHEMAS);
    struct dirent *e;
    int n = 0;
    assert_non_null(d);
    while ((e = readdir(d))) {
        char path[512];
        if (!str_ends(str_from(e->d_name), ".sql"))
            continue;
        snprintf(path, sizeof path, "%s/%s", SCHEMAS, e->d_name);
        upgrade_one(path);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_release_upgrades)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
