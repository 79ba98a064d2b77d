/*
 * A power cut loses what was not synced. This program puts itself between the store and the disk:
 * every write and sync on the database and its log is recorded. Then the disk as it may be after a
 * cut is built for many moments: what was synced, plus any part of what was not, in any
 * combination, torn at sectors. Each such disk must open whole and hold every row that was
 * acknowledged before the cut.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "store_rig.h"

#include "base/rand.h"

enum { THREADS = 4, ROWS = 90, CUTS = 40, FILES = 2, SECTOR = 512, OPS_MAX = 200000 };
enum op_kind { OP_WRITE, OP_CUT_OFF, OP_SYNC, OP_ACK };

struct op {
    enum op_kind kind;
    int file; /* 0 = database, 1 = log */
    off_t at; /* of a write; the new length; for a sync, how many ops it covers */
    size_t len;
    char *data;
};

static struct op ops[OPS_MAX];
static size_t op_count;
static bool recording;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int file_of(int fd)
{
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    const char *slash = strrchr(path, '/');
    if (slash && strcmp(slash, "/inro.db") == 0)
        return 0;
    return slash && strcmp(slash, "/inro.db-wal") == 0 ? 1 : -1;
}

/* Called with the lock held. */
static void record(enum op_kind kind, int file, off_t at, const void *data, size_t len)
{
    if (op_count == OPS_MAX)
        abort();
    struct op *o = &ops[op_count++];
    *o = (struct op){.kind = kind, .file = file, .at = at, .len = len};
    if (data) {
        o->data = malloc(len);
        memcpy(o->data, data, len);
    }
}

#define REAL(name, ret, ...)                                                                       \
    static ret (*real)(__VA_ARGS__);                                                               \
    if (!real)                                                                                     \
    *(void **)(&real) = dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t);
    int file = recording ? file_of(fd) : -1;
    if (file < 0)
        return real(fd, p, n, at);
    pthread_mutex_lock(&lock);
    ssize_t done = real(fd, p, n, at);
    if (done > 0)
        record(OP_WRITE, file, at, p, (size_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite64(fd, p, n, at);
}

int ftruncate64(int fd, off64_t length)
{
    REAL("ftruncate64", int, int, off64_t);
    int file = recording ? file_of(fd) : -1;
    pthread_mutex_lock(&lock);
    int bad = real(fd, length);
    if (file >= 0 && bad == 0)
        record(OP_CUT_OFF, file, length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return bad;
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

/* Covers what was written before it began; counts from when it has returned. */
static int sync_recorded(int fd, int (*real)(int))
{
    int file = recording ? file_of(fd) : -1;
    pthread_mutex_lock(&lock);
    size_t upto = op_count;
    pthread_mutex_unlock(&lock);
    int bad = real(fd);
    if (file < 0 || bad != 0)
        return bad;
    pthread_mutex_lock(&lock);
    record(OP_SYNC, file, (off_t)upto, NULL, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd)
{
    REAL("fsync", int, int);
    return sync_recorded(fd, real);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int, int);
    return sync_recorded(fd, real);
}

struct writer {
    struct store *store;
    int number;
};

static void key_of(char key[64], int number, int row)
{
    snprintf(key, 64, "cut.%d.%d", number, row);
}

/* Rows of 1 to 40 KB, so that the log is checkpointed and used again meanwhile. */
static void *write_rows(void *arg)
{
    struct writer *w = arg;
    for (int row = 0; row < ROWS; row++) {
        AUTO(db) struct db *db = NULL;
        char key[64];
        size_t len = 1000 + rand_below(40000);
        char *value = malloc(len + 1);
        memset(value, 'a' + row % 26, len);
        value[len] = 0;
        key_of(key, w->number, row);
        if (store_begin(w->store, &db, NULL) != RC_OK ||
            db_meta_set(db, key, value, NULL) != RC_OK || db_commit(&db, NULL) != RC_OK)
            abort();
        free(value);
        pthread_mutex_lock(&lock);
        record(OP_ACK, w->number, row, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

struct image {
    char *p;
    size_t len, cap;
};

static void image_fit(struct image *i, size_t len)
{
    if (len > i->cap) {
        size_t cap = len * 2;
        i->p = realloc(i->p, cap);
        memset(i->p + i->cap, 0, cap - i->cap);
        i->cap = cap;
    }
    if (len > i->len)
        i->len = len;
}

static void image_apply(struct image *i, const struct op *o, size_t bytes)
{
    if (o->kind == OP_WRITE && bytes > 0) {
        image_fit(i, (size_t)o->at + bytes);
        memcpy(i->p + o->at, o->data, bytes);
    }
    if (o->kind == OP_CUT_OFF) {
        image_fit(i, (size_t)o->at);
        memset(i->p + o->at, 0, i->cap - (size_t)o->at);
        i->len = (size_t)o->at;
    }
}

/* What of an unsynced write reached the disk. */
static size_t luck(const struct op *o)
{
    switch (rand_below(3)) {
    case 0:
        return 0;
    case 1:
        return o->len;
    default:
        return o->len - rand_below(o->len / SECTOR + 1) * SECTOR;
    }
}

static void disk_after(size_t cut, const struct image start[FILES], struct image ret[FILES])
{
    size_t safe[FILES] = {0};
    for (size_t k = 0; k < cut; k++)
        if (ops[k].kind == OP_SYNC && (size_t)ops[k].at > safe[ops[k].file])
            safe[ops[k].file] = (size_t)ops[k].at;
    for (int f = 0; f < FILES; f++) {
        ret[f] = (struct image){0};
        image_fit(&ret[f], start[f].len);
        memcpy(ret[f].p, start[f].p, start[f].len);
        for (size_t k = 0; k < cut; k++)
            if (ops[k].kind <= OP_CUT_OFF && ops[k].file == f)
                image_apply(&ret[f], &ops[k], k < safe[f] ? ops[k].len : luck(&ops[k]));
    }
}

static void put_file(const char *dir, const char *name, const struct image *i)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, i->p, i->len) == (ssize_t)i->len);
    close(fd);
}

static struct image get_file(const char *dir, const char *name)
{
    char path[256];
    struct stat st;
    struct image i = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    image_fit(&i, (size_t)st.st_size + 1);
    i.len = (size_t)st.st_size;
    assert_int_equal(read(fd, i.p, i.len), st.st_size);
    close(fd);
    return i;
}

static int judge(const char *dir, size_t cut)
{
    char url[300];
    struct store *s = NULL;
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    int rows = 0;
    snprintf(url, sizeof url, "sqlite:%s/inro.db", dir);
    OK(store_open(url, &s, err));
    OK(store_check(s, err));
    AUTO(db) struct db *db = NULL;
    OK(store_read(s, &db, err));
    for (size_t k = 0; k < cut; k++) {
        char key[64];
        const char *v = NULL;
        if (ops[k].kind != OP_ACK)
            continue;
        key_of(key, ops[k].file, (int)ops[k].at);
        OK(db_meta_get(db, key, a, &v, err));
        if (!v)
            fail_msg("cut before op %zu: %s was acknowledged and is gone", cut, key);
        rows++;
    }
    db_rollback(&db);
    store_close(s);
    return rows;
}

static void acknowledged_rows_survive_a_power_cut(void **state)
{
    (void)state;
    struct rig r = {0};
    struct image start[FILES];
    struct writer w[THREADS];
    pthread_t th[THREADS];
    rig_sqlite(&r);
    start[0] = get_file(r.dir, "inro.db");
    start[1] = get_file(r.dir, "inro.db-wal");
    recording = true;
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct writer){r.s, i};
        assert_int_equal(pthread_create(&th[i], NULL, write_rows, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(th[i], NULL);
    recording = false;
    size_t syncs[FILES] = {0};
    for (size_t k = 0; k < op_count; k++)
        if (ops[k].kind == OP_SYNC)
            syncs[ops[k].file]++;
    assert_true(syncs[0] > 0); /* there was a checkpoint */
    assert_true(syncs[1] > 0 && syncs[1] < THREADS * ROWS * 2);
    int most = 0;
    for (int c = 0; c <= CUTS; c++) {
        struct image disk[FILES];
        char dir[64] = "/tmp/inro-cut-XXXXXX", path[128];
        size_t cut = c == CUTS ? op_count : rand_below((uint32_t)op_count);
        assert_non_null(mkdtemp(dir));
        disk_after(cut, start, disk);
        put_file(dir, "inro.db", &disk[0]);
        put_file(dir, "inro.db-wal", &disk[1]);
        int rows = judge(dir, cut);
        most = rows > most ? rows : most;
        for (int f = 0; f < FILES; f++)
            free(disk[f].p);
        snprintf(path, sizeof path, "%s/inro.db", dir);
        unlink(path);
        rmdir(dir);
    }
    assert_int_equal(most, THREADS * ROWS); /* the last cut is after everything */
    for (size_t k = 0; k < op_count; k++)
        free(ops[k].data);
    free(start[0].p);
    free(start[1].p);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(acknowledged_rows_survive_a_power_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
