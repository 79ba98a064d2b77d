/*
 * The decision and the moving of files. Invariants: before restore.ready exists nothing of the data
 * directory or of a PostgreSQL store is touched; from then on every step can be repeated; what was
 * there is kept.
 */
#include "app/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/init.h"
#include "app/restore_priv.h"
#include "base/clock.h"
#include "base/os/file.h"
#include "crypto/digest.h"
#include "job/backup_file.h"

/* ---- finishing ---- */

struct place {
    const struct config *c;
    struct arena *a;
    const char *ready, *previous;
};

static const char *join(struct arena *a, const char *dir, const char *name)
{
    return arena_printf(a, "%s/%s", dir, name);
}

static enum rc move(const char *from, const char *to, struct err *err)
{
    return rename(from, to) == 0 || errno == ENOENT ? RC_OK : file_fail(err, to, errno);
}

static enum rc keep_old(struct place *p, const char *name, struct err *err)
{
    const char *from = join(p->a, p->c->data, name), *to = join(p->a, p->previous, name);
    if (!from || !to)
        return NOMEM(err);
    /* what is in previous already is the old state: a second attempt must not overwrite it */
    if (access(from, F_OK) != 0 || access(to, F_OK) == 0)
        return RC_OK;
    return move(from, to, err);
}

static bool sub_exists(struct place *p, const char *name)
{
    const char *path = join(p->a, p->ready, name);
    return path && access(path, F_OK) == 0;
}

/* The former content of a PostgreSQL store, in the form backups have; none when it is empty. */
static enum rc keep_store(struct place *p, struct store *s, struct err *err)
{
    const char *to = join(p->a, p->previous, "inro.db");
    const char *part = join(p->a, p->previous, "inro.db.part");
    int64_t found = 0, ours = 0;
    if (!to || !part)
        return NOMEM(err);
    TRY(store_version(s, &found, &ours, err));
    if (found == 0 || access(to, F_OK) == 0)
        return RC_OK;
    (void)unlink(part); /* of an attempt that was cut short */
    TRY(store_snapshot(s, part, err));
    return move(part, to, err);
}

static enum rc load_store(struct place *p, struct store *s, const char *from, struct err *err)
{
    const char *mark = strrchr(p->previous, '/') + 1; /* its time: one restore, loaded once */
    bool done = false;
    TRY(store_loaded(s, mark, &done, err));
    if (done)
        return RC_OK;
    TRY(keep_store(p, s, err));
    return store_load(s, from, mark, err);
}

/* One transaction instead of one rename. */
static enum rc take_store(struct place *p, const char *from, struct err *err)
{
    struct store *s = NULL;
    TRY(store_open(p->c->database, &s, err));
    enum rc rc = load_store(p, s, from, err);
    store_close(s);
    TRY(rc);
    return unlink(from) == 0 ? RC_OK : file_fail(err, from, errno);
}

static enum rc take_new(struct place *p, const char *name, struct err *err)
{
    const char *from = join(p->a, p->ready, name), *to = join(p->a, p->c->data, name);
    if (!from || !to)
        return NOMEM(err);
    if (!sub_exists(p, name))
        return RC_OK;
    /* this machine's own configuration goes on to hold */
    if (strcmp(name, "inro.conf") == 0 && access(to, F_OK) == 0)
        return unlink(from) == 0 ? RC_OK : file_fail(err, from, errno);
    if (strcmp(name, "inro.db") == 0 && config_on_server(p->c))
        return take_store(p, from, err);
    if (strcmp(name, "inro.db") == 0) { /* the old one's journal belongs to the old one */
        TRY(keep_old(p, "inro.db-wal", err));
        TRY(keep_old(p, "inro.db-shm", err));
    }
    TRY(keep_old(p, name, err));
    return move(from, to, err);
}

/* "previous-<time>" as decided, in a file inside restore.ready. */
static enum rc previous_of(struct place *p, struct err *err)
{
    AUTO(buf) struct buf text = BUF(256);
    const char *path = join(p->a, p->ready, "previous");
    TRY(path ? file_read(path, &text, err) : NOMEM(err));
    p->previous = arena_printf(p->a, "%s/%.*s", p->c->data, (int)text.len, buf_cstr(&text));
    const char *tls = p->previous ? join(p->a, p->previous, "tls") : NULL;
    const char *own = join(p->a, p->c->data, "tls");
    if (!tls || !own)
        return NOMEM(err);
    TRY(dir_make(tls, 0700, err));
    return dir_make(own, 0700, err);
}

static void remove_tree(struct arena *a, const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        const char *path = join(a, dir, e->d_name);
        if (path && unlink(path) != 0 && (errno == EISDIR || errno == EPERM))
            remove_tree(a, path);
    }
    if (d)
        (void)closedir(d);
    (void)rmdir(dir);
}

enum rc restore_finish(const struct config *c, struct arena *a, struct err *err)
{
    const char *staging = join(a, c->data, "restore.staging");
    struct place p = {.c = c, .a = a, .ready = join(a, c->data, "restore.ready")};
    if (!staging || !p.ready)
        return NOMEM(err);
    remove_tree(a, staging);
    if (access(p.ready, F_OK) != 0)
        return RC_OK;
    TRY(previous_of(&p, err));
    for (size_t i = 0; i < backup_member_count; i++)
        TRY(take_new(&p, backup_members[i].name, err));
    TRY(dir_sync(p.previous, err));
    /* the decision is taken back in one step; what is left is swept like any staging */
    if (rename(p.ready, staging) != 0)
        return file_fail(err, p.ready, errno);
    TRY(dir_sync(c->data, err));
    remove_tree(a, staging);
    return RC_OK;
}

/* ---- restoring ---- */

static enum rc open_backup(struct restore *r, struct err *err)
{
    const char *schema = NULL;
    int64_t version = 0;
    r->fd = open(r->file, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return file_fail(err, r->file, errno);
    TRY(seal_head_read(r->fd, r->a, &r->facts, err));
    schema = seal_fact(r->facts, "schema", r->a);
    r->installation = seal_fact(r->facts, "installation", r->a);
    r->created = seal_fact(r->facts, "created", r->a);
    bool whole = schema && r->installation && r->created &&
                 str_to_i64(str_from(schema), 1, INT32_MAX, &version) &&
                 time_parse_rfc3339(r->created, &r->created_at);
    CHECK(whole, err, RC_CORRUPT, BLAME_INPUT,
          MSG("restore.facts", "the backup does not say what it is of",
              "バックアップの内容情報が読み取れません"));
    r->schema = version;
    return RC_OK;
}

static enum rc read_passphrase(struct restore *r, struct buf *out, struct err *err)
{
    CHECK(r->passphrase_file, err, RC_INPUT, BLAME_INPUT,
          MSG("restore.no_passphrase",
              "give the backup's passphrase: --passphrase-file FILE, or - for standard input",
              "バックアップのパスフレーズを --passphrase-file FILE または - "
              "（標準入力）で指定してください"));
    bool stdin_too = strcmp(r->passphrase_file, "-") == 0;
    TRY(stdin_too ? file_read("/dev/stdin", out, err)
                  : file_read_private(r->passphrase_file, out, err));
    while (out->len && (out->p[out->len - 1] == '\n' || out->p[out->len - 1] == '\r'))
        buf_truncate(out, out->len - 1);
    return buf_ok(out, err);
}

static enum rc unpack(struct restore *r, struct err *err)
{
    r->staging = join(r->a, r->config.data, "restore.staging");
    if (!r->staging)
        return NOMEM(err);
    if (mkdir(r->staging, 0700) != 0)
        return file_fail(err, r->staging, errno);
    TRY(backup_unpack(r->fd, buf_cstr(&r->passphrase), r->staging, r->a, &r->manifest, err));
    r->generation = json_i64_or(r->manifest, "generation", 1);
    r->key_passphrase = json_bool_or(r->manifest, "key_passphrase", false);
    return dir_sync(r->staging, err);
}

static bool names_other_store(const struct restore *r, struct str line)
{
    struct str name, value = str_trim(line);
    return str_split(&value, '=', &name) && str_eqs(str_trim(name), "database") &&
           !str_eqs(str_trim(value), r->config.database);
}

/* The configuration of the original may name its own store: not the one that is restored into. */
static enum rc own_store_only(struct restore *r, struct err *err)
{
    AUTO(buf) struct buf text = BUF((size_t)1 << 20), out = BUF((size_t)2 << 20);
    const char *path = join(r->a, r->staging, "inro.conf");
    struct str rest, line;
    bool other = false;
    if (!path)
        return NOMEM(err);
    if (access(path, F_OK) != 0)
        return RC_OK;
    TRY(file_read(path, &text, err));
    for (rest = buf_str(&text); str_split(&rest, '\n', &line);) {
        bool drop = names_other_store(r, line);
        buf_adds(&out, drop ? "# (of the original) " : "");
        buf_addstr(&out, line);
        if (rest.p)
            buf_addc(&out, '\n');
        other = other || drop;
    }
    TRY(buf_ok(&out, err));
    return other ? file_write_atomic(path, buf_str(&out), 0600, (uid_t)-1, (gid_t)-1, err) : RC_OK;
}

/* One rename: from here on the restore is finished, by us or by whoever comes next. */
static enum rc decide(struct restore *r, struct err *err)
{
    const char *ready = join(r->a, r->config.data, "restore.ready");
    const char *mark = join(r->a, r->staging, "previous");
    char stamp[32];
    time_rfc3339(clock_now(clock_real()), stamp);
    r->previous = arena_printf(r->a, "previous-%s", stamp);
    if (!ready || !mark || !r->previous)
        return NOMEM(err);
    TRY(file_write_atomic(mark, str_from(r->previous), 0600, (uid_t)-1, (gid_t)-1, err));
    if (rename(r->staging, ready) != 0)
        return file_fail(err, ready, errno);
    return dir_sync(r->config.data, err);
}

static enum rc make_dirs(const struct config *c, struct arena *a, struct err *err)
{
    static const char *const dirs[] = {"run", "backup", "tls"};
    TRY(dir_make(c->data, 0700, err));
    for (size_t i = 0; i < COUNT_OF(dirs); i++) {
        const char *dir = join(a, c->data, dirs[i]);
        TRY(dir ? dir_make(dir, 0700, err) : NOMEM(err));
    }
    return RC_OK;
}

static enum rc restore_all(struct restore *r, struct err *err)
{
    const char *usual = arena_printf(r->a, "sqlite:%s/inro.db", r->config.data);
    AUTO(fd) int lock = -1;
    CHECK(config_on_server(&r->config) || (usual && strcmp(usual, r->config.database) == 0), err,
          RC_UNSUPPORTED, BLAME_INPUT,
          MSG("restore.database", "a restore needs the store at DATA/inro.db, not {0}",
              "復元はデータディレクトリ内の inro.db が対象です（{0} は対象外）"),
          r->config.database);
    TRY(open_backup(r, err));
    TRY(restore_newer(r, err));
    TRY(read_passphrase(r, &r->passphrase, err));
    TRY(make_dirs(&r->config, r->a, err));
    TRY(init_lock(&r->config, r->a, &lock, err));
    TRY(restore_finish(&r->config, r->a, err));
    TRY(restore_look(r, err));
    enum rc rc = unpack(r, err);
    if (rc == RC_OK)
        rc = restore_judge(r, err);
    if (rc == RC_OK && !r->check)
        rc = restore_prepare(r, err);
    if (rc == RC_OK && !r->check)
        rc = own_store_only(r, err);
    if (rc == RC_OK && !r->check)
        rc = decide(r, err);
    if (rc != RC_OK || r->check) {
        if (r->staging)
            remove_tree(r->a, r->staging);
        return rc;
    }
    return restore_finish(&r->config, r->a, err);
}

static int take_options(int argc, char *const argv[], struct restore *r, char **rest)
{
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            r->json = true;
        else if (strcmp(argv[i], "--confirm") == 0)
            r->confirm = true;
        else if (strcmp(argv[i], "--check") == 0)
            r->check = true;
        else if (strcmp(argv[i], "--passphrase-file") == 0 && i + 1 < argc)
            r->passphrase_file = argv[++i];
        else if (strncmp(argv[i], "--", 2) != 0 && !r->file)
            r->file = argv[i];
        else {
            rest[n++] = argv[i];
            if (strncmp(argv[i], "--", 2) == 0 && !strchr(argv[i], '=') && i + 1 < argc)
                rest[n++] = argv[++i];
        }
    }
    return n;
}

static int exit_of(enum rc rc)
{
    switch (rc) {
    case RC_OK:
        return 0;
    case RC_NOT_FOUND:
        return 4;
    case RC_AUTH:
    case RC_DENIED:
        return 6;
    case RC_INTERNAL:
    case RC_NOMEM:
        return 1;
    default:
        return 3;
    }
}

int restore_main(int argc, char *const argv[])
{
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    AUTO(buf) struct buf problems = BUF(65536);
    struct err err = {0};
    struct restore r = {
        .a = a, .fd = -1, .lang = config_lang(argc, argv), .passphrase = BUF_SECRET(4096)};
    char **rest = a ? arena_array(a, (size_t)argc + 1, sizeof *rest) : NULL;
    if (!rest)
        return 1;
    json_init();
    crypto_init();
    (void)umask(077);
    int n = take_options(argc, argv, &r, rest);
    if (!r.file) {
        (void)fprintf(stderr,
                      "%s: inro restore FILE --passphrase-file F|- [--data DIR] [--check] "
                      "[--confirm] [--json]\n",
                      strcmp(r.lang, "ja") == 0 ? "使い方" : "usage");
        return 2;
    }
    enum rc rc = config_load(n, rest, r.lang, a, &r.config, &problems, &err);
    if (rc == RC_OK)
        rc = restore_all(&r, &err);
    if (rc == RC_OK)
        restore_report(&r);
    if (r.fd >= 0)
        close(r.fd);
    buf_free(&r.passphrase);
    json_free(r.manifest);
    if (rc == RC_OK)
        return 0;
    char text[1600];
    err_text(&err, r.lang, text, sizeof text);
    (void)fprintf(stderr, "%sinro: %s\n", buf_cstr(&problems), text);
    return exit_of(rc);
}
