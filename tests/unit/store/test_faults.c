/* SQLite under faults: kill -9, a full disk, foreign locks, damage, a replaced file. */
#include <sys/resource.h>
#include <time.h>

#include "store_rig.h"

#include <glob.h>

#include "base/rand.h"
#include "store/wal_sync.h"

static int on_sqlite(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    rig_sqlite(r);
    *state = r;
    return 0;
}

static int end(void **state)
{
    rig_end(*state);
    free(*state);
    return 0;
}

static enum rc put(struct store *s, const char *key, const char *value, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(s, &db, err));
    TRY(db_meta_set(db, key, value, err));
    return db_commit(&db, err);
}

static void get(struct rig *r, const char *key, const char **ret)
{
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    OK(db_meta_get(db, key, r->a, ret, err));
}

/* Child: commits rows for ever and tells each acknowledged number. */
static void commit_for_ever(const char *url, int round, int fd)
{
    struct store *s = NULL;
    if (store_open(url, &s, NULL) != RC_OK)
        _exit(1);
    for (int64_t i = 1;; i++) {
        char key[64];
        snprintf(key, sizeof key, "kill.%d.%lld", round, (long long)i);
        if (put(s, key, "here", NULL) != RC_OK || write(fd, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

static void acknowledged_rows_survive_kill(void **state)
{
    struct rig *r = *state;
    store_close(r->s); /* no SQLite handle goes through a fork */
    r->s = NULL;
    int64_t total = 0;
    for (int round = 0; round < 50; round++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(p[0]);
            commit_for_ever(r->url, round, p[1]);
        }
        close(p[1]);
        usleep((useconds_t)(5000 + rand_below(40000)));
        kill(pid, SIGKILL);
        int64_t last = 0, i;
        while (read(p[0], &i, sizeof i) == sizeof i)
            last = i;
        close(p[0]);
        int st = 0;
        waitpid(pid, &st, 0);
        assert_true(WIFSIGNALED(st));
        OK(store_open(r->url, &r->s, err));
        OK(store_check(r->s, err));
        for (i = 1; i <= last; i++) {
            char key[64];
            const char *v = NULL;
            snprintf(key, sizeof key, "kill.%d.%lld", round, (long long)i);
            get(r, key, &v);
            assert_non_null(v);
        }
        total += last;
        store_close(r->s);
        r->s = NULL;
    }
    assert_true(total > 50);
}

static void full_disk_is_said_and_passes(void **state)
{
    struct rig *r = *state;
    struct rlimit old, small;
    struct err e = {0};
    char *big = calloc(1, 4000001);
    memset(big, 'x', 4000000);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 1000000;
    setrlimit(RLIMIT_FSIZE, &small);
    enum rc rc = put(r->s, "big", big, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(rc, RC_INTERNAL);
    assert_int_equal(e.blame, BLAME_US);
    assert_non_null(strstr(e.en, "inro.db"));
    const char *v = NULL;
    get(r, "big", &v);
    assert_null(v);
    OK(put(r->s, "big", big, err));
    get(r, "big", &v);
    assert_int_equal(strlen(v), 4000000);
    OK(store_check(r->s, err));
    free(big);
}

static void foreign_lock_is_busy_then_passes(void **state)
{
    struct rig *r = *state;
    struct store *other = NULL;
    struct db *db = NULL;
    struct err e = {0};
    struct timespec t0, t1;
    OK(store_open(r->url, &other, err));
    OK(store_begin(other, &db, err));
    clock_gettime(CLOCK_MONOTONIC, &t0);
    assert_int_equal(put(r->s, "a", "b", &e), RC_BUSY);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    assert_true(t1.tv_sec - t0.tv_sec >= 4 && t1.tv_sec - t0.tv_sec <= 9);
    const char *v = NULL;
    get(r, "a", &v); /* readers go on */
    assert_null(v);
    db_rollback(&db);
    store_close(other);
    OK(put(r->s, "a", "b", err));
}

static void damage_is_named_with_the_file(void **state)
{
    struct rig *r = *state;
    char path[128], junk[64];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/inro.db", r->dir);
    OK(store_check(r->s, err));
    store_close(r->s); /* checkpoints */
    r->s = NULL;
    int fd = open(path, O_RDWR);
    memset(junk, 0x5a, sizeof junk);
    for (off_t page = 1; page < 8; page++)
        assert_int_equal(pwrite(fd, junk, sizeof junk, page * 4096), sizeof junk);
    close(fd);
    OK(store_open(r->url, &r->s, err));
    assert_int_equal(store_check(r->s, &e), RC_CORRUPT);
    assert_non_null(strstr(e.en, path));
    assert_non_null(strstr(e.en, "backup"));
    /* Seen once, nothing more is written; the newest copy is named. */
    char copy[160];
    snprintf(copy, sizeof copy, "%s.backup-v1-2026-01-01T00:00:00Z", path);
    close(open(copy, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(put(r->s, "a", "b", &e), RC_CORRUPT);
    assert_non_null(strstr(e.en, copy));
    assert_non_null(strstr(e.ja, copy));
    store_close(r->s);
    r->s = NULL;
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, junk, sizeof junk, 0), sizeof junk);
    close(fd);
    assert_int_equal(store_open(r->url, &r->s, &e), RC_CORRUPT);
}

static void replaced_file_is_refused(void **state)
{
    struct rig *r = *state;
    char path[128], away[128];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/inro.db", r->dir);
    snprintf(away, sizeof away, "%s/away.db", r->dir);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(put(r->s, "a", "b", &e), RC_CORRUPT);
    close(open(path, O_CREAT | O_RDWR, 0600));
    assert_int_equal(put(r->s, "a", "b", &e), RC_CORRUPT);
    assert_non_null(strstr(e.en, path));
    unlink(path);
    assert_int_equal(rename(away, path), 0);
    OK(put(r->s, "a", "b", err));
}

static void file_is_private(void **state)
{
    struct rig *r = *state;
    char path[128];
    struct stat st;
    struct store *s = NULL;
    snprintf(path, sizeof path, "%s/inro.db", r->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(store_open(r->url, &s, NULL), RC_INPUT);
    assert_int_equal(store_open("mysql:x", &s, NULL), RC_INPUT);
}

static void migration_backs_up_and_is_atomic(void **state)
{
    struct rig *r = *state;
    enum { MOST = 64 };
    struct migration bad[MOST], good[MOST];
    const size_t n = store_migration_count;
    const int last = store_migrations[n - 1].version;
    assert_true(n < MOST);
    memcpy(bad, store_migrations, n * sizeof bad[0]);
    memcpy(good, store_migrations, n * sizeof good[0]);
    bad[n] = (struct migration){last + 1, "CREATE TABLE t2 (a BIGINT); BROKEN;", NULL};
    good[n] = (struct migration){last + 1, "CREATE TABLE t2 (a BIGINT);", NULL};
    int from = 0, to = 0;
    OK(put(r->s, "kept", "yes", err));
    assert_int_equal(store_migrate_with(r->s, bad, n + 1, &from, &to, NULL), RC_INTERNAL);
    OK(store_migrate(r->s, &from, &to, err)); /* still the version before */
    assert_int_equal(from, last);
    usleep(1100000); /* the backup's name has seconds */
    OK(store_migrate_with(r->s, good, n + 1, &from, &to, err));
    assert_int_equal(to, last + 1);
    assert_int_equal(store_migrate(r->s, NULL, NULL, NULL), RC_UNSUPPORTED);
    char pattern[128];
    glob_t found = {0};
    struct stat st;
    snprintf(pattern, sizeof pattern, "%s/inro.db.backup-v%d-*", r->dir, last);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 2); /* one before each attempt, none for the empty database */
    assert_int_equal(stat(found.gl_pathv[0], &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_size > 4096);
    globfree(&found);
    const char *v = NULL;
    get(r, "kept", &v);
    assert_string_equal(v, "yes");
}

/* After a failed fdatasync nothing is acknowledged any more, not even what came before unsynced. */
static void failed_sync_is_for_good(void **state)
{
    (void)state;
    struct wal_sync w;
    int fds[2];
    assert_int_equal(pipe(fds), 0); /* a pipe cannot be synced */
    wal_sync_init(&w, fds[0]);
    assert_int_equal(wal_sync_wait(&w, wal_sync_written(&w)), EINVAL);
    assert_int_equal(wal_sync_failed(&w), EINVAL);
    assert_int_equal(wal_sync_wait(&w, wal_sync_written(&w)), EINVAL);
    wal_sync_end(&w);
    close(fds[1]);
}

int main(void)
{
#define FAULT(f) cmocka_unit_test_setup_teardown(f, on_sqlite, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_sync_is_for_good), FAULT(file_is_private),
        FAULT(migration_backs_up_and_is_atomic),   FAULT(full_disk_is_said_and_passes),
        FAULT(replaced_file_is_refused),           FAULT(damage_is_named_with_the_file),
        FAULT(foreign_lock_is_busy_then_passes),   FAULT(acknowledged_rows_survive_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
