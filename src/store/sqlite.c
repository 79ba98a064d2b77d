/*
 * The SQLite driver: WAL, one writer connection per process under a mutex, a pool of readers.
 * Invariants: only SQLite opens the database file (closing a descriptor of our own would drop its
 * POSIX locks); COMMIT does not fsync, wal_sync does before a durable commit returns; checkpoints
 * fsync by themselves (synchronous=NORMAL). After a failed fsync or a replaced file nothing more
 * is written until the store is opened again.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"
#include "store/store_priv.h"
#include "store/wal_sync.h"

enum { BUSY_MSEC = 5000, POOL_MAX = 32 };

/* Kept free for the log, so that a full disk does not end sign-ins, alarms and open work at once.
 * As long as the log grows to before it is used again (wal_autocheckpoint below). */
#define WAL_RESERVE ((off_t)9 << 20)

enum tx { TX_READ, TX_WRITE, TX_COMMIT, TX_COUNT };
static const char *const tx_sql[TX_COUNT] = {"BEGIN", "BEGIN IMMEDIATE", "COMMIT"};

struct conn {
    sqlite3 *db;
    struct sqlite *s;
    sqlite3_stmt *tx[TX_COUNT];
    sqlite3_stmt *stmts[STMT_COUNT];
};

struct sqlite {
    char *path;
    dev_t dev;
    ino_t ino;
    pthread_mutex_t write_lock; /* holds the writer from begin to commit */
    struct conn *writer;
    pthread_mutex_t pool_lock;
    struct conn *pool[POOL_MAX];
    size_t pooled;
    struct wal_sync wal;
    atomic_bool damaged; /* seen: nothing more is written */
};

static const struct dialect dialect[] = {
    {"id", "INTEGER PRIMARY KEY AUTOINCREMENT"}, /* ids are never used twice */
    {"lock", "WHERE ?1 > 0"},                    /* BEGIN IMMEDIATE holds the lock already */
    {"skip_locked", ""},
    {"ids", "(SELECT value FROM json_each("},
    {"/ids", "))"},
    {"bytes", ""}, /* texts compare so already */
    {"clustered", " WITHOUT ROWID"},
    {"walk", ""},
    {"walks", "1"},
    {"finds", "1"},
    {"has_meta", "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'"},
    {"text_columns",
     "SELECT m.name, p.name, (SELECT k.name FROM pragma_table_info(m.name) k WHERE k.pk = 1)"
     " FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.type = 'table'"
     " AND p.type = 'TEXT' ORDER BY 1, 2"},
    {"id_floors", "SELECT name, seq FROM sqlite_sequence"},
    {NULL, NULL}};

/* The newest of what lies beside the database as a copy of it. */
static void newest_backup(const struct sqlite *s, struct buf *ret)
{
    struct stat st;
    time_t best = 0;
    const char *slash = strrchr(s->path, '/');
    AUTO(buf) struct buf dir = BUF(PATH_MAX), copies = BUF(PATH_MAX);
    buf_add(&dir, s->path, slash ? (size_t)(slash - s->path) + 1 : 0);
    buf_adds(&dir, "backup/*");
    buf_addf(&copies, "%s.backup-*", s->path);
    glob_t g = {0};
    if (glob(buf_cstr(&dir), GLOB_NOSORT, NULL, &g) == GLOB_NOSPACE ||
        glob(buf_cstr(&copies), GLOB_NOSORT | GLOB_APPEND, NULL, &g) == GLOB_NOSPACE)
        g.gl_pathc = 0;
    for (size_t i = 0; i < g.gl_pathc; i++)
        if (stat(g.gl_pathv[i], &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime >= best) {
            best = st.st_mtime;
            buf_clear(ret);
            buf_adds(ret, g.gl_pathv[i]);
        }
    globfree(&g);
}

static enum rc sq_corrupt(struct sqlite *s, struct err *err)
{
    AUTO(buf) struct buf backup = BUF(PATH_MAX);
    atomic_store(&s->damaged, true);
    newest_backup(s, &backup);
    if (backup.len == 0)
        return FAIL(err, RC_CORRUPT, BLAME_US,
                    MSG("store.corrupt",
                        "the database {0} is damaged and nothing more is written to it; stop Inro "
                        "and restore the last backup",
                        "データベース {0} が壊れているため、書き込みを停止しました。Inroを停止し、"
                        "最後のバックアップから復元してください"),
                    s->path);
    return FAIL(
        err, RC_CORRUPT, BLAME_US,
        MSG("store.corrupt_backup",
            "the database {0} is damaged and nothing more is written to it; stop Inro and "
            "restore the newest backup, {1}",
            "データベース {0} が壊れているため、書き込みを停止しました。Inroを停止し、最新の"
            "バックアップ {1} から復元してください"),
        s->path, buf_cstr(&backup));
}

static enum rc sq_disk(struct conn *c, bool full, struct err *err)
{
    const char *path = c->s->path;
    if (full)
        return FAIL(
            err, RC_FULL, BLAME_US,
            MSG("store.full",
                "the disk of the database {0} is full; nothing was saved. Make room: no "
                "restart is needed",
                "データベース {0} のディスクに空きがありません。何も保存していません。空き容"
                "量を確保してください（再起動は不要です）"),
            path);
    return FAIL(err, RC_INTERNAL, BLAME_US,
                MSG("store.disk",
                    "the database {0} cannot be written or read: {1}; check the disk and "
                    "permissions. Nothing was saved",
                    "データベース {0} を読み書きできません: {1}。ディスクの状態と権限を確認してくだ"
                    "さい。何も保存していません"),
                path, sqlite3_errmsg(c->db));
}

/* Why the log could not be written; SQLite itself remembers the errno of the database's own file.
 */
static int wal_errno(struct conn *c)
{
    sqlite3_file *wal = NULL;
    int e = 0;
    if (sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK &&
        wal && wal->pMethods)
        (void)wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &e);
    return e;
}

/* A quota that is used up is a full disk to us; SQLite takes it for a broken one. */
static bool out_of_room(struct conn *c)
{
    int e = sqlite3_system_errno(c->db);
    return e == ENOSPC || e == EDQUOT ||
           (sqlite3_extended_errcode(c->db) == SQLITE_IOERR_WRITE && wal_errno(c) == EDQUOT);
}

static enum rc sq_fail(struct conn *c, struct err *err)
{
    int x = sqlite3_extended_errcode(c->db);
    switch (x) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return FAIL(err, RC_EXISTS, BLAME_INPUT,
                    MSG("store.exists", "it exists already; choose another name",
                        "既に存在します。別の名前を指定してください"));
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                    MSG("store.referred",
                        "it is in use by something else, or refers to something that is gone",
                        "他から使用されているか、参照先が存在しません"));
    default:
        break;
    }
    switch (x & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return FAIL(err, RC_BUSY, BLAME_US,
                    MSG("store.busy", "the database {0} is locked by another process; try again",
                        "データベース {0} "
                        "は他のプロセスにロックされています。少し待ってやり直してください"),
                    c->s->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sq_corrupt(c->s, err);
    case SQLITE_NOMEM:
        return NOMEM(err);
    case SQLITE_FULL:
        return sq_disk(c, true, err);
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return sq_disk(c, out_of_room(c), err);
    default:
        return FAIL(err, RC_INTERNAL, BLAME_US,
                    MSG("store.sql", "the database {0} refused a statement: {1}; report this",
                        "データベース {0} がSQL文を拒否しました: {1}。この不具合をご報告ください"),
                    c->s->path, sqlite3_errmsg(c->db));
    }
}

static enum rc sq_exec(struct conn *c, const char *sql, struct err *err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? RC_OK : sq_fail(c, err);
}

/* As sq_exec(), for what every transaction says: prepared once. */
static enum rc sq_tx(struct conn *c, enum tx t, struct err *err)
{
    if (!c->tx[t] && sqlite3_prepare_v3(c->db, tx_sql[t], -1, SQLITE_PREPARE_PERSISTENT, &c->tx[t],
                                        NULL) != SQLITE_OK)
        return sq_fail(c, err);
    enum rc rc = sqlite3_step(c->tx[t]) == SQLITE_DONE ? RC_OK : sq_fail(c, err);
    sqlite3_reset(c->tx[t]);
    return rc;
}

static void conn_close(struct conn *c)
{
    if (!c)
        return;
    for (int i = 0; i < TX_COUNT; i++)
        sqlite3_finalize(c->tx[i]);
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(c->stmts[i]);
    sqlite3_close(c->db);
    mem_free(c);
}

/* Short waits first: a writer of another process holds the lock for a fraction of a millisecond. */
static int on_busy(void *ctx, int tries)
{
    (void)ctx;
    int ms = tries < 50 ? 1 : 10;
    if (tries >= 50 + (BUSY_MSEC - 50) / 10)
        return 0;
    sqlite3_sleep(ms);
    return 1;
}

static enum rc conn_setup(struct conn *c, bool write, struct err *err)
{
    sqlite3_busy_handler(c->db, on_busy, NULL);
    sqlite3_extended_result_codes(c->db, 1);
    TRY(sq_exec(c, "PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-2000;",
                err));
    if (write)
        return sq_exec(c,
                       "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=2000;"
                       "PRAGMA journal_size_limit=67108864; SELECT count(*) FROM sqlite_schema;",
                       err);
    return sq_exec(c, "PRAGMA query_only=ON; SELECT count(*) FROM sqlite_schema;", err);
}

static enum rc conn_open(struct sqlite *s, bool write, struct conn **ret, struct err *err)
{
    struct conn *c = mem_alloc(sizeof *c);
    if (!c)
        return NOMEM(err);
    c->s = s;
    int bad = sqlite3_open_v2(s->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    enum rc rc = bad ? sq_fail(c, err) : conn_setup(c, write, err);
    if (rc != RC_OK) {
        conn_close(c);
        return rc;
    }
    *ret = c;
    return RC_OK;
}

/* The file is ours alone. A new one is made here, so that its mode is right from the first byte. */
static enum rc file_prepare(struct sqlite *s, struct err *err)
{
    struct stat st;
    int fd = open(s->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return file_fail(err, s->path, errno);
    if (stat(s->path, &st) != 0)
        return file_fail(err, s->path, errno);
    CHECK(
        S_ISREG(st.st_mode) && (st.st_mode & 077) == 0, err, RC_INPUT, BLAME_INPUT,
        MSG("store.mode", "the database {0} may be read by others; run: chmod 600 {0}",
            "データベース {0} が他のユーザーから読める状態です。chmod 600 {0} を実行してください"),
        s->path);
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return RC_OK;
}

static enum rc wal_open(struct sqlite *s, struct err *err)
{
    char path[PATH_MAX], *slash;
    AUTO(buf) struct buf b = BUF(PATH_MAX);
    buf_adds(&b, s->path);
    buf_adds(&b, "-wal");
    TRY(buf_ok(&b, err));
    int fd = open(buf_cstr(&b), O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return file_fail(err, buf_cstr(&b), errno);
    s->wal.fd = fd;
    (void)!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, WAL_RESERVE); /* best effort: not on every disk */
    CHECK(b.len < sizeof path, err, RC_INPUT, BLAME_INPUT,
          MSG("store.path", "the path of the database is too long",
              "データベースのパスが長すぎます"));
    memcpy(path, buf_cstr(&b), b.len + 1);
    slash = strrchr(path, '/');
    if (slash)
        slash[slash == path ? 1 : 0] = 0;
    return dir_sync(slash ? path : ".", err);
}

static void sq_close(void *engine)
{
    struct sqlite *s = engine;
    if (!s)
        return;
    for (size_t i = 0; i < s->pooled; i++)
        conn_close(s->pool[i]);
    conn_close(s->writer);
    wal_sync_end(&s->wal);
    pthread_mutex_destroy(&s->pool_lock);
    pthread_mutex_destroy(&s->write_lock);
    mem_free(s->path);
    mem_free(s);
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* Its statistics of memory, which nobody reads, cost a lock of the process at each allocation. */
static void library_setup(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum rc sq_open(const char *path, void **ret, struct err *err)
{
    (void)pthread_once(&library_once, library_setup);
    CHECK(*path, err, RC_INPUT, BLAME_INPUT,
          MSG("store.no_path", "the path of the database is missing after sqlite:",
              "sqlite: の後にデータベースのパスがありません"));
    struct sqlite *s = mem_alloc(sizeof *s);
    if (!s)
        return NOMEM(err);
    pthread_mutex_init(&s->write_lock, NULL);
    pthread_mutex_init(&s->pool_lock, NULL);
    wal_sync_init(&s->wal, -1);
    s->path = mem_strdup(path);
    enum rc rc = s->path ? file_prepare(s, err) : NOMEM(err);
    if (rc == RC_OK)
        rc = conn_open(s, true, &s->writer, err);
    if (rc == RC_OK) /* an empty write makes the -wal file, whatever state we found */
        rc = sq_exec(s->writer, "BEGIN IMMEDIATE; COMMIT;", err);
    if (rc == RC_OK)
        rc = wal_open(s, err);
    if (rc != RC_OK) {
        sq_close(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

static enum rc usable(struct sqlite *s, struct err *err)
{
    struct stat st;
    int bad = wal_sync_failed(&s->wal);
    CHECK(!bad, err, RC_INTERNAL, BLAME_US,
          MSG("store.sync_failed",
              "the disk of {0} failed to keep a write ({1}); changes are refused until Inro is "
              "restarted: check the disk first",
              "{0} のディスクが書き込みを保持できませんでした（{1}）。ディスクを確認し、Inroを"
              "再起動するまで変更は受け付けません"),
          s->path, strerrorname_np(bad));
    if (atomic_load(&s->damaged))
        return sq_corrupt(s, err);
    CHECK(stat(s->path, &st) == 0 && st.st_ino == s->ino && st.st_dev == s->dev, err, RC_CORRUPT,
          BLAME_US,
          MSG("store.replaced",
              "the database {0} was replaced or removed while Inro runs; stop Inro, restore the "
              "last backup and start again",
              "データベース {0} が稼働中に置き換えまたは削除されました。Inroを停止し、最後の"
              "バックアップから復元して起動してください"),
          s->path);
    return RC_OK;
}

static enum rc begin_write(struct sqlite *s, struct conn **ret, struct err *err)
{
    pthread_mutex_lock(&s->write_lock);
    enum rc rc = usable(s, err);
    if (rc == RC_OK)
        rc = sq_tx(s->writer, TX_WRITE, err);
    if (rc != RC_OK) {
        pthread_mutex_unlock(&s->write_lock);
        return rc;
    }
    *ret = s->writer;
    return RC_OK;
}

static void give_back(struct sqlite *s, struct conn *c)
{
    pthread_mutex_lock(&s->pool_lock);
    if (s->pooled < POOL_MAX) {
        s->pool[s->pooled++] = c;
        c = NULL;
    }
    pthread_mutex_unlock(&s->pool_lock);
    conn_close(c);
}

static enum rc begin_read(struct sqlite *s, struct conn **ret, struct err *err)
{
    struct conn *c = NULL;
    pthread_mutex_lock(&s->pool_lock);
    if (s->pooled > 0)
        c = s->pool[--s->pooled];
    pthread_mutex_unlock(&s->pool_lock);
    if (!c)
        TRY(conn_open(s, false, &c, err));
    enum rc rc = sq_tx(c, TX_READ, err);
    if (rc != RC_OK) {
        conn_close(c);
        return rc;
    }
    *ret = c;
    return RC_OK;
}

static enum rc sq_begin(void *engine, bool write, struct conn **ret, struct err *err)
{
    return write ? begin_write(engine, ret, err) : begin_read(engine, ret, err);
}

static void sq_rollback(void *engine, struct conn *c, bool write)
{
    struct sqlite *s = engine;
    if (!sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    if (write)
        pthread_mutex_unlock(&s->write_lock);
    else
        give_back(s, c);
}

static enum rc sq_commit(void *engine, struct conn *c, bool write, enum stmt_kind kind,
                         struct err *err)
{
    struct sqlite *s = engine;
    enum rc rc = sq_tx(c, TX_COMMIT, err);
    if (rc != RC_OK || !write) {
        sq_rollback(s, c, write);
        return rc;
    }
    uint64_t ticket = kind == STMT_WRITE ? wal_sync_written(&s->wal) : 0;
    pthread_mutex_unlock(&s->write_lock);
    if (ticket && wal_sync_wait(&s->wal, ticket) != 0)
        return usable(s, err);
    return RC_OK;
}

static enum rc sq_prepare(struct conn *c, enum stmt_id id, struct err *err)
{
    if (c->stmts[id])
        return RC_OK;
    AUTO(buf) struct buf sql = BUF(16384);
    TRY(stmt_expand(stmt_get(id)->sql, dialect, &sql, err));
    if (sqlite3_prepare_v3(c->db, buf_cstr(&sql), (int)sql.len + 1, SQLITE_PREPARE_PERSISTENT,
                           &c->stmts[id], NULL) != SQLITE_OK)
        return sq_fail(c, err);
    return RC_OK;
}

static int bind_all(sqlite3_stmt *st, const struct val *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int k = (int)i + 1, bad = 0;
        if (args[i].null)
            bad = sqlite3_bind_null(st, k);
        else if (args[i].type == VAL_TEXT)
            bad = sqlite3_bind_text(st, k, args[i].s, -1, SQLITE_STATIC);
        else
            bad = sqlite3_bind_int64(st, k, args[i].i);
        if (bad)
            return bad;
    }
    return SQLITE_OK;
}

static enum rc give_row(sqlite3_stmt *st, row_fn fn, void *ctx, struct err *err)
{
    struct val cols[MAX_COLS];
    int n = sqlite3_column_count(st);
    for (int i = 0; i < n && i < MAX_COLS; i++) {
        int type = sqlite3_column_type(st, i);
        if (type == SQLITE_TEXT)
            cols[i] = T((const char *)sqlite3_column_text(st, i));
        else
            cols[i] = I(sqlite3_column_int64(st, i));
        cols[i].null = type == SQLITE_NULL || (type == SQLITE_TEXT && !cols[i].s);
    }
    return fn(ctx, cols, (size_t)n, err);
}

static enum rc step_rows(struct conn *c, sqlite3_stmt *st, row_fn fn, void *ctx, int64_t *ret_n,
                         struct err *err)
{
    enum rc rc = RC_OK;
    int64_t rows = 0;
    int step = SQLITE_DONE;
    while (rc == RC_OK && (step = sqlite3_step(st)) == SQLITE_ROW) {
        rows++;
        if (fn)
            rc = give_row(st, fn, ctx, err);
    }
    if (rc == RC_OK && step != SQLITE_DONE)
        rc = sq_fail(c, err);
    if (rc == RC_OK)
        *ret_n = sqlite3_column_count(st) > 0 ? rows : sqlite3_changes64(c->db);
    return rc;
}

static enum rc sq_run(struct conn *c, enum stmt_id id, const struct val *args, size_t n, row_fn fn,
                      void *ctx, int64_t *ret_n, struct err *err)
{
    TRY(sq_prepare(c, id, err));
    sqlite3_stmt *st = c->stmts[id];
    enum rc rc = bind_all(st, args, n) == SQLITE_OK ? step_rows(c, st, fn, ctx, ret_n, err)
                                                    : sq_fail(c, err);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc;
}

static enum rc sq_query(struct conn *c, const char *sql, const struct val *args, size_t n,
                        row_fn fn, void *ctx, int64_t *ret_n, struct err *err)
{
    AUTO(buf) struct buf text = BUF(65536);
    sqlite3_stmt *st = NULL;
    TRY(stmt_expand(sql, dialect, &text, err));
    int step = sqlite3_prepare_v2(c->db, buf_cstr(&text), -1, &st, NULL);
    if (step == SQLITE_OK)
        step = bind_all(st, args, n);
    enum rc rc = step == SQLITE_OK ? step_rows(c, st, fn, ctx, ret_n, err) : sq_fail(c, err);
    sqlite3_finalize(st);
    return rc;
}

static enum rc sq_script(struct conn *c, const char *sql, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    TRY(stmt_expand(sql, dialect, &b, err));
    return sq_exec(c, buf_cstr(&b), err);
}

static enum rc vacuum_into(struct conn *c, const char *path, struct err *err)
{
    sqlite3_stmt *st = NULL;
    enum rc rc = RC_OK;
    if (sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_DONE)
        rc = sq_fail(c, err);
    sqlite3_finalize(st);
    return rc;
}

/* A connection of its own: the writer goes on meanwhile (WAL). */
static enum rc sq_snapshot(void *engine, const char *path, struct err *err)
{
    struct sqlite *s = engine;
    struct conn *c = NULL;
    TRY(usable(s, err));
    AUTO(fd) int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, path, errno);
    enum rc rc = conn_open(s, true, &c, err);
    if (rc == RC_OK)
        rc = vacuum_into(c, path, err);
    conn_close(c);
    if (rc == RC_OK && fsync(fd) != 0)
        rc = file_fail(err, path, errno);
    if (rc != RC_OK)
        (void)unlink(path);
    return rc;
}

/* Beside the database. */
static const char *sq_copies(void *engine)
{
    const struct sqlite *s = engine;
    return s->path;
}

static enum rc sq_scan(struct conn *c, const char *sql, row_fn fn, void *ctx, struct err *err)
{
    int64_t n = 0;
    return sq_query(c, sql, NULL, 0, fn, ctx, &n, err);
}

static int check_row(void *ctx, int n, char **cols, char **names)
{
    bool *ok = ctx;
    (void)names;
    if (n != 1 || !cols[0] || strcmp(cols[0], "ok") != 0)
        *ok = false;
    return 0;
}

static enum rc sq_check(void *engine, struct err *err)
{
    struct sqlite *s = engine;
    struct conn *c = NULL;
    bool ok = true;
    TRY(usable(s, err));
    TRY(conn_open(s, false, &c, err)); /* a fresh one, so that nothing is cached */
    enum rc rc = RC_OK;
    if (sqlite3_exec(c->db, "PRAGMA integrity_check(1); PRAGMA foreign_key_check;", check_row, &ok,
                     NULL) != SQLITE_OK)
        rc = sq_fail(c, err);
    else if (!ok)
        rc = sq_corrupt(s, err);
    conn_close(c);
    return rc;
}

const struct driver driver_sqlite = {
    .scheme = "sqlite:",
    .open = sq_open,
    .close = sq_close,
    .begin = sq_begin,
    .commit = sq_commit,
    .rollback = sq_rollback,
    .run = sq_run,
    .script = sq_script,
    .prepare = sq_prepare,
    .query = sq_query,
    .scan = sq_scan,
    .copies = sq_copies,
    .snapshot = sq_snapshot,
    .check = sq_check,
};
