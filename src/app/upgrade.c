/*
 * Invariants: the copy is durable before the schema changes; no role runs between the migration and
 * the end of the self-check, so putting the copy back loses nothing; after a kill at any moment the
 * next start finds the old schema or the new one and goes on from there.
 */
#include "app/upgrade.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/role.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/notify.h"
#include "base/os/proc.h"
#include "codec/json.h"
#include "connect/connect.h"
#include "crypto/digest.h"
#include "store/repo.h"
#include "vault/vault.h"

enum { COPIES_KEPT = 3 };
#define CHECK_LIMIT (15 * 60 * USEC_PER_SEC)

struct upgrade {
    const struct config *c;
    struct arena *a;
    const char *marker;
    int64_t from, to;
    int argc;
    char *const *argv;
};

/* ---- the copies: inro.db.backup-v<from>-<time>, beside the database or in the data directory ----
 */

static const char *sqlite_path(const struct config *c)
{
    return strncmp(c->database, "sqlite:", 7) == 0 ? c->database + 7 : NULL;
}

static const char *copy_prefix(struct upgrade *u)
{
    return config_on_server(u->c) ? config_path(u->c, u->a, "inro.db") : sqlite_path(u->c);
}

struct copies {
    const char *dir, *prefix;
};

static bool copies_of(struct upgrade *u, const char *infix, struct copies *ret)
{
    const char *db = copy_prefix(u), *slash = db ? strrchr(db, '/') : NULL;
    if (!slash)
        return false;
    ret->dir = arena_str(u->a, (struct str){db, (size_t)(slash - db)});
    ret->prefix = arena_printf(u->a, "%s.backup-v%s", slash + 1, infix);
    return ret->dir && ret->prefix;
}

/* The name with the latest (or earliest) time, and how many there are. */
static const char *find_copy(struct upgrade *u, const struct copies *c, bool latest, size_t *ret_n)
{
    DIR *d = opendir(c->dir);
    struct dirent *e;
    const char *best = NULL, *best_time = NULL;
    *ret_n = 0;
    while (d && (e = readdir(d))) {
        const char *time = strstr(e->d_name, "-20");
        if (strncmp(e->d_name, c->prefix, strlen(c->prefix)) != 0 || !time)
            continue;
        ++*ret_n;
        int order = best_time ? strcmp(time, best_time) : 0;
        if (best_time && (latest ? order <= 0 : order >= 0))
            continue;
        best = arena_printf(u->a, "%s/%s", c->dir, e->d_name);
        best_time = arena_strdup(u->a, time);
    }
    if (d)
        (void)closedir(d);
    return best;
}

static void prune_copies(struct upgrade *u)
{
    struct copies c;
    size_t n = 0;
    if (!copies_of(u, "", &c))
        return;
    for (const char *oldest = find_copy(u, &c, false, &n); oldest && n > COPIES_KEPT;
         oldest = find_copy(u, &c, false, &n))
        if (unlink(oldest) != 0)
            return;
}

/* ---- the marker ---- */

static enum rc write_marker(struct upgrade *u, const char *state, const struct err *why,
                            struct err *err)
{
    AUTO(buf) struct buf b = BUF(16384);
    struct json_writer w = JSON_WRITER(&b);
    char now[32];
    time_rfc3339(clock_now(clock_real()), now);
    jw_object(&w);
    jw_kstr(&w, "state", state);
    jw_kstr(&w, "version", INRO_VERSION);
    jw_ki64(&w, "from", u->from);
    jw_ki64(&w, "to", u->to);
    jw_kstr(&w, "at", now);
    if (why) {
        jw_key(&w, "error");
        jw_err(&w, why);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return file_write_atomic(u->marker, buf_str(&b), 0600, (uid_t)-1, (gid_t)-1, err);
}

static struct json *read_marker(const struct upgrade *u)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json *j = NULL;
    if (file_read(u->marker, &b, NULL) != RC_OK || json_parse(buf_str(&b), &j, NULL) != RC_OK)
        return NULL;
    return j;
}

/* ---- going back ---- */

static enum rc load_back(struct upgrade *u, const char *copy, struct err *err)
{
    struct store *s = NULL;
    TRY(store_open(u->c->database, &s, err));
    enum rc rc = store_load(s, copy, NULL, err);
    store_close(s);
    return rc;
}

static enum rc file_back(struct upgrade *u, const char *copy, struct err *err)
{
    const char *db = sqlite_path(u->c);
    const char *tmp = arena_printf(u->a, "%s.rollback", db);
    AUTO(buf) struct buf out = BUF(4096);
    struct proc_result r;
    if (!tmp)
        return NOMEM(err);
    const char *const argv[] = {"cp", "--", copy, tmp, NULL};
    const char *const sync[] = {"sync", "--", tmp, NULL};
    TRY(proc_run(argv, NULL, CHECK_LIMIT, NULL, &out, &r, err));
    if (r.status == 0)
        TRY(proc_run(sync, NULL, CHECK_LIMIT, NULL, &out, &r, err));
    CHECK(r.status == 0, err, RC_INTERNAL, BLAME_US,
          MSG("upgrade.copying", "the copy could not be put back: {0}", "複製を戻せません: {0}"),
          buf_cstr(&out));
    for (int i = 0; i < 2; i++) { /* the journal belongs to what is being discarded */
        const char *path = arena_printf(u->a, "%s%s", db, i ? "-shm" : "-wal");
        if (path && unlink(path) != 0 && errno != ENOENT)
            return file_fail(err, path, errno);
    }
    return rename(tmp, db) == 0 ? RC_OK : file_fail(err, db, errno);
}

static enum rc put_back(struct upgrade *u, struct err *err)
{
    const char *infix = arena_printf(u->a, "%lld-", (long long)u->from);
    struct copies c;
    size_t n = 0;
    const char *copy = infix && copies_of(u, infix, &c) ? find_copy(u, &c, true, &n) : NULL;
    CHECK(copy, err, RC_NOT_FOUND, BLAME_US,
          MSG("upgrade.no_copy", "the copy made before the upgrade is not there",
              "更新前のデータベースの複製が見つかりません"));
    return config_on_server(u->c) ? load_back(u, copy, err) : file_back(u, copy, err);
}

static const char *previous_binary(struct arena *a)
{
    char exe[PATH_MAX];
    const char *named = getenv("INRO_PREVIOUS");
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (named && *named)
        return named;
    if (n <= 0)
        return NULL;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return arena_printf(a, "%s/../lib/inro/previous/inro", exe);
}

/* Only returns when there is none. */
static void run_previous(struct upgrade *u)
{
    const char *path = previous_binary(u->a);
    const char **argv = arena_array(u->a, (size_t)u->argc + 3, sizeof *argv);
    if (!path || !argv || access(path, X_OK) != 0)
        return;
    argv[0] = "inro";
    argv[1] = "serve";
    for (int i = 0; i < u->argc; i++)
        argv[i + 2] = u->argv[i];
    log_line(LOG_ERROR, "supervisor", "the previous version goes on: %s", path);
    /* 0.1 does not tell, and whoever started the service would wait for it. */
    (void)notify_manager("READY=1\nSTATUS=the upgrade failed; the former version goes on");
    (void)unsetenv("INRO_PREVIOUS"); /* it has none of its own */
    (void)execv(path, (char *const *)(uintptr_t)argv);
    log_line(LOG_ERROR, "supervisor", "%s: %s", path, strerrordesc_np(errno));
}

static enum rc give_up(struct upgrade *u, const struct err *why, struct err *err)
{
    char en[600], ja[700];
    run_previous(u);
    err_text(why, "en", en, sizeof en);
    err_text(why, "ja", ja, sizeof ja);
    return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                MSG("upgrade.failed",
                    "the upgrade to {0} failed and the data is as before: {1}. Install the former "
                    "version again, or remove {3} to try once more",
                    "{0} への更新に失敗しました。データは更新前のままです: {2}。以前の版を導入し直"
                    "すか、再試行する場合は {3} を削除してください"),
                INRO_VERSION, en, ja, u->marker);
}

static enum rc fail_back(struct upgrade *u, const struct err *why, struct err *err)
{
    struct store *s = NULL;
    int64_t found = 0, ours = 0;
    log_err(LOG_ERROR, "supervisor", "upgrading", why);
    TRY(store_open(u->c->database, &s, err));
    enum rc rc = store_version(s, &found, &ours, err);
    store_close(s);
    TRY(rc);
    if (found != u->from)
        TRY(put_back(u, err));
    TRY(write_marker(u, "failed", why, err));
    return give_up(u, why, err);
}

/* ---- forward ---- */

/* A process of its own: whatever goes wrong in it, this one can go back. */
static enum rc self_check(struct upgrade *u, struct err *err)
{
    AUTO(buf) struct buf out = BUF(16384);
    const char *const *config = NULL;
    struct proc_result r;
    size_t n = 2, i = 0;
    TRY(config_argv(u->c, u->a, &config, err));
    while (config[i])
        i++;
    const char **argv = arena_array(u->a, i + 3, sizeof *argv);
    if (!argv)
        return NOMEM(err);
    argv[0] = "/proc/self/exe";
    argv[1] = "self-check";
    for (i = 0; config[i]; i++)
        argv[n++] = config[i];
    char exe[PATH_MAX];
    ssize_t len = readlink(argv[0], exe, sizeof exe - 1);
    if (len <= 0)
        return file_fail(err, argv[0], errno);
    exe[len] = '\0';
    argv[0] = exe;
    TRY(proc_run(argv, NULL, CHECK_LIMIT, NULL, &out, &r, err));
    CHECK(r.status == 0 && !r.timed_out, err, RC_INTERNAL, BLAME_US,
          MSG("upgrade.sick", "the new version does not work on the migrated data: {0}",
              "新しい版が移行後のデータで動作しません: {0}"),
          buf_cstr(&out));
    return RC_OK;
}

static enum rc migrate(struct upgrade *u, struct err *err)
{
    struct store *s = NULL;
    const char *copies = copy_prefix(u);
    if (!copies)
        return NOMEM(err);
    TRY(store_open(u->c->database, &s, err));
    store_copies(s, copies);
    enum rc rc = store_migrate(s, NULL, NULL, err);
    store_close(s);
    return rc;
}

static enum rc forward(struct upgrade *u, bool migrated, struct err *err)
{
    struct err why = {0};
    enum rc rc = RC_OK;
    if (!migrated) {
        TRY(write_marker(u, "migrating", NULL, err));
        rc = migrate(u, &why);
    }
    if (rc == RC_OK)
        rc = self_check(u, &why);
    if (rc != RC_OK)
        return fail_back(u, &why, err);
    log_line(LOG_INFO, "supervisor", "store migrated from schema %lld to %lld", (long long)u->from,
             (long long)u->to);
    prune_copies(u);
    return unlink(u->marker) == 0 || errno == ENOENT ? RC_OK : file_fail(err, u->marker, errno);
}

static enum rc no_store(const struct config *c, struct err *err)
{
    return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                MSG("app.no_store",
                    "the database {0} is missing or empty: restore the last backup with inro "
                    "restore, or make a new installation with inro init --data {1}",
                    "データベース {0} がないか空です。inro restore でバックアップから復元するか、"
                    "inro init --data {1} で新しく初期化してください"),
                strncmp(c->database, "sqlite:", 7) == 0 ? c->database + 7 : "postgresql", c->data);
}

static enum rc look(struct upgrade *u, int64_t *ret_found, struct err *err)
{
    struct store *s = NULL;
    const char *path = sqlite_path(u->c);
    /* opening would make a new one, and everything would seem to be gone */
    if (path && access(path, F_OK) != 0)
        return no_store(u->c, err);
    TRY(store_open(u->c->database, &s, err));
    enum rc rc = store_version(s, ret_found, &u->to, err);
    if (rc == RC_OK && *ret_found > u->to)
        rc = store_migrate(s, NULL, NULL, err); /* refused as newer */
    store_close(s);
    if (rc == RC_OK && *ret_found == 0)
        return no_store(u->c, err);
    return rc;
}

enum rc upgrade_store(const struct config *c, struct arena *a, int argc, char *const argv[],
                      struct err *err)
{
    struct upgrade u = {.c = c, .a = a, .argc = argc, .argv = argv};
    int64_t found = 0;
    u.marker = config_path(c, a, "upgrade.json");
    if (!u.marker)
        return NOMEM(err);
    TRY(look(&u, &found, err));
    AUTO(json) struct json *marker = read_marker(&u);
    bool failed = strcmp(json_str_or(marker, "state", ""), "failed") == 0;
    bool same = strcmp(json_str_or(marker, "version", ""), INRO_VERSION) == 0 &&
                json_i64_or(marker, "to", 0) == u.to;
    if (found == u.to) {
        /* cut short between the migration and the self-check? */
        u.from = json_i64_or(marker, "from", 0);
        return marker && !failed && same ? forward(&u, true, err) : RC_OK;
    }
    u.from = found;
    if (failed && same) {
        struct err why;
        json_to_err(json_get(marker, "error"), &why);
        return give_up(&u, &why, err);
    }
    return forward(&u, false, err);
}

/* ---- the self-check ---- */

static enum rc check_store(const struct config *c, struct err *err)
{
    struct store *s = NULL;
    AUTO(db) struct db *db = NULL;
    int64_t found = 0, ours = 0;
    TRY(store_open(c->database, &s, err));
    enum rc rc = store_version(s, &found, &ours, err);
    if (rc == RC_OK && found != ours)
        rc = FAIL(err, RC_CONFLICT, BLAME_US,
                  MSG("upgrade.schema", "the store has schema {0}, this program {1}",
                      "スキーマが {0} で、プログラムは {1} です"),
                  NUM(found), NUM(ours));
    if (rc == RC_OK)
        rc = store_check(s, err);
    if (rc == RC_OK)
        rc = store_begin(s, &db, err);
    if (rc == RC_OK)
        rc = db_prepare_all(db, err);
    db_rollback(&db);
    store_close(s);
    return rc;
}

/* A key file that cannot be opened without a passphrase is no fault: Inro then starts sealed. */
static enum rc check_vault(const struct config *c, struct arena *a, struct err *err)
{
    AUTO(buf) struct buf text = BUF_SECRET(4096);
    AUTO(buf) struct buf pass = BUF_SECRET(4096);
    struct err why = {0};
    struct vault_server *s = NULL;
    struct vault *v = NULL;
    struct vault_server_options o = {.grant_log_fd = -1, .why = &why};
    role_key_file(c, a, &text, &pass, &why);
    o.key_file = buf_str(&text);
    o.passphrase = pass.len ? buf_cstr(&pass) : NULL;
    TRY(vault_server_create(&o, &s, err));
    enum rc rc = vault_local(s, false, &v, err);
    if (rc == RC_OK)
        rc = vault_ping(v, err);
    vault_close(v);
    vault_server_destroy(s);
    return rc;
}

int selfcheck_main(int argc, char *const argv[])
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf problems = BUF(65536);
    struct config c;
    struct err err = {0};
    if (!a)
        return 1;
    json_init();
    crypto_init();
    enum rc rc = config_load(argc, argv, config_lang(argc, argv), a, &c, &problems, &err);
    if (rc == RC_OK)
        rc = registry_check(&err);
    if (rc == RC_OK)
        rc = check_store(&c, &err);
    if (rc == RC_OK)
        rc = check_vault(&c, a, &err);
    if (rc == RC_OK)
        return 0;
    char text[1600];
    err_text(&err, config_lang(argc, argv), text, sizeof text);
    (void)fprintf(stderr, "%s%s", buf_cstr(&problems), text);
    return 1;
}
