/*
 * Order matters: the master key is on disk before anything is sealed with it; the administrator is
 * made last, in one transaction, so that a broken init can be run again.
 */
#include "app/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/gui_pair.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/rand.h"
#include "codec/json.h"
#include "crypto/digest.h"
#include "crypto/envelope.h"
#include "job/licence.h"
#include "store/repo.h"

enum { SECRET_FILE_MAX = 4096 };

struct init_options {
    const char *admin;
    const char *vendor_key; /* file with the public key of the licence's vendor; NULL = none */
    const char *lang;
    bool json;
};

/* The key file may be lost: then Inro starts sealed and says so. */
enum rc init_verify(const struct config *c, struct arena *a, struct err *err)
{
    struct stat st;
    const char *key = config_path(c, a, "master.key");
    const char *tls = config_path(c, a, "tls");
    if (!key || !tls)
        return NOMEM(err);
    CHECK(stat(c->data, &st) == 0 && (access(key, F_OK) == 0 || access(tls, F_OK) == 0), err,
          RC_NOT_FOUND, BLAME_INPUT,
          MSG("app.init.missing", "{0} is not an Inro data directory; run: inro init --data {0}",
              "{0} は Inro のデータディレクトリではありません。inro init --data {0} "
              "を実行してください"),
          c->data);
    CHECK((st.st_mode & 077) == 0, err, RC_DENIED, BLAME_INPUT,
          MSG("app.init.open", "{0} can be entered by others; run: chmod 700 {0}",
              "{0} は他の利用者が入れます。chmod 700 {0} を実行してください"),
          c->data);
    return RC_OK;
}

enum rc init_sweep(const struct config *c, struct arena *a, struct err *err)
{
    static const char *const dirs[] = {".", "run", "tls"};
    for (size_t i = 0; i < COUNT_OF(dirs); i++) {
        const char *dir = config_path(c, a, dirs[i]);
        if (!dir)
            return NOMEM(err);
        if (access(dir, F_OK) == 0)
            TRY(dir_sweep(dir, err));
    }
    return RC_OK;
}

enum rc init_lock(const struct config *c, struct arena *a, int *ret_fd, struct err *err)
{
    const char *run_dir = config_path(c, a, "run");
    const char *path = config_path(c, a, "run/lock");
    if (!run_dir || !path)
        return NOMEM(err);
    TRY(dir_make(run_dir, 0700, err));
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, path, errno);
    CHECK(flock(fd, LOCK_EX | LOCK_NB) == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("app.running", "another Inro is running on {0}; stop it first",
              "{0} では別の Inro が動いています。先に停止してください"),
          c->data);
    *ret_fd = fd_take(&fd);
    return RC_OK;
}

static enum rc read_passphrase(const struct config *c, struct buf *out, struct err *err)
{
    if (!c->passphrase_file)
        return RC_OK;
    TRY(file_read_private(c->passphrase_file, out, err));
    while (out->len && (out->p[out->len - 1] == '\n' || out->p[out->len - 1] == '\r'))
        buf_truncate(out, out->len - 1);
    CHECK(out->len > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("app.init.passphrase", "{0} holds no passphrase", "{0} にパスフレーズがありません"),
          c->passphrase_file);
    return RC_OK;
}

static enum rc make_master_key(const struct config *c, struct arena *a, struct err *err)
{
    struct stat st;
    struct master_key *mk = NULL;
    AUTO(buf) struct buf pass = BUF_SECRET(SECRET_FILE_MAX);
    AUTO(buf) struct buf text = BUF_SECRET(SECRET_FILE_MAX);
    const char *path = config_path(c, a, "master.key");
    if (!path)
        return NOMEM(err);
    if (stat(path, &st) == 0)
        return RC_OK; /* of an init that was cut short: everything sealed so far needs it */
    TRY(read_passphrase(c, &pass, err));
    TRY(master_key_create(&mk, err));
    enum rc rc = master_key_save(mk, c->passphrase_file ? buf_cstr(&pass) : NULL, &text, err);
    master_key_destroy(mk);
    TRY(rc);
    return file_write_atomic(path, buf_str(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

/* 20 characters of an alphabet without look-alikes: about 114 bits. */
static void one_time_password(char out[25])
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    size_t o = 0;
    for (int i = 0; i < 20; i++) {
        if (i > 0 && i % 5 == 0)
            out[o++] = '-';
        out[o++] = alphabet[rand_below(sizeof alphabet - 1)];
    }
    out[o] = '\0';
}

static enum rc add_admin(struct db *db, const struct init_options *o, const char *password,
                         struct err *err)
{
    char hash[128];
    int64_t now = clock_now(clock_real());
    TRY(password_hash(password, hash, err));
    struct user u = {.login = o->admin,
                     .name = "Administrator",
                     .role = "admin",
                     .lang = o->lang,
                     .password = hash,
                     .must_change = true,
                     .created = now,
                     .updated = now};
    TRY(db_user_add(db, &u, err));
    struct audit au = {.at = now,
                       .actor = "init",
                       .origin = "local",
                       .action = "user.add",
                       .subject = o->admin,
                       .detail = "{\"role\":\"admin\"}",
                       .result = "ok"};
    return db_audit_add(db, &au, err);
}

/* The vendor whose licences this installation takes. */
static enum rc trust_vendor(struct db *db, const char *path, struct err *err)
{
    AUTO(buf) struct buf text = BUF(SECRET_FILE_MAX);
    struct licence_key key;
    if (!path)
        return RC_OK;
    TRY(file_read(path, &text, err));
    TRY(licence_key_read(buf_str(&text), &key, err));
    return licence_trust(db, &key, "init", clock_now(clock_real()), err);
}

static enum rc fill_store(const struct config *c, struct arena *a, const struct init_options *o,
                          char ret_password[25], struct err *err)
{
    struct store *s = NULL;
    struct user_list users;
    char id[33];
    TRY(store_open(c->database, &s, err));
    enum rc rc = store_migrate(s, NULL, NULL, err);
    AUTO(db) struct db *db = NULL;
    if (rc == RC_OK)
        rc = store_begin(s, &db, err);
    if (rc == RC_OK)
        rc = db_user_list(db, a, &users, err);
    if (rc == RC_OK && users.n > 0)
        rc = FAIL(err, RC_EXISTS, BLAME_INPUT,
                  MSG("app.init.done",
                      "{0} is initialised already; start it with: inro serve --data {0}",
                      "{0} は初期化済みです。inro serve --data {0} で起動してください"),
                  c->data);
    rand_hex(id, 16);
    one_time_password(ret_password);
    if (rc == RC_OK)
        rc = db_meta_set(db, "installation_id", id, err);
    if (rc == RC_OK)
        rc = trust_vendor(db, o->vendor_key, err);
    if (rc == RC_OK)
        rc = add_admin(db, o, ret_password, err);
    if (rc == RC_OK)
        rc = db_commit(&db, err);
    db_rollback(&db);
    store_close(s);
    return rc;
}

static enum rc init_all(const struct config *c, struct arena *a, const struct init_options *o,
                        char ret_password[25], struct err *err)
{
    static const char *const dirs[] = {"run", "backup", "tls"};
    struct stat st;
    TRY(dir_make(c->data, 0700, err));
    if (stat(c->data, &st) != 0)
        return file_fail(err, c->data, errno);
    CHECK((st.st_mode & 077) == 0, err, RC_DENIED, BLAME_INPUT,
          MSG("app.init.open", "{0} can be entered by others; run: chmod 700 {0}",
              "{0} は他の利用者が入れます。chmod 700 {0} を実行してください"),
          c->data);
    for (size_t i = 0; i < COUNT_OF(dirs); i++) {
        const char *dir = config_path(c, a, dirs[i]);
        if (!dir)
            return NOMEM(err);
        TRY(dir_make(dir, 0700, err));
    }
    TRY(make_master_key(c, a, err));
    TRY(gui_pair_ready(c, clock_real(), a, err));
    return fill_store(c, a, o, ret_password, err);
}

static void say(const struct config *c, const struct init_options *o, const char *password)
{
    AUTO(buf) struct buf out = BUF(8192);
    if (o->json) {
        struct json_writer w = JSON_WRITER(&out);
        jw_object(&w);
        jw_kstr(&w, "data", c->data);
        jw_kstr(&w, "login", o->admin);
        jw_kstr(&w, "password", password);
        jw_end_object(&w);
        buf_addc(&out, '\n');
    } else if (strcmp(o->lang, "ja") == 0) {
        buf_addf(&out,
                 "初期化しました: %s\n管理者: %s\n初回パスワード(一度だけ表示、要変更): %s\n"
                 "master.key を別の場所に控えてください。失うと鍵を開けません。\n",
                 c->data, o->admin, password);
    } else {
        buf_addf(&out,
                 "initialised: %s\nadministrator: %s\none-time password (shown once, must be "
                 "changed): %s\nKeep a copy of master.key elsewhere: without it no key can be "
                 "opened.\n",
                 c->data, o->admin, password);
    }
    (void)fwrite(buf_cstr(&out), 1, out.len, stdout);
}

/* Takes --admin, --vendor-key and --json out of argv; the rest is the configuration's. */
static int take_options(int argc, char *const argv[], struct init_options *o, char **rest)
{
    int n = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (strcmp(argv[i], "--admin") == 0 && i + 1 < argc)
            o->admin = argv[++i];
        else if (strcmp(argv[i], "--vendor-key") == 0 && i + 1 < argc)
            o->vendor_key = argv[++i];
        else
            rest[n++] = argv[i];
    }
    return n;
}

int init_main(int argc, char *const argv[])
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf problems = BUF(65536);
    struct init_options o = {.admin = "admin@localhost", .lang = config_lang(argc, argv)};
    struct config c;
    struct err err;
    char password[25];

    char **rest = a ? arena_array(a, (size_t)argc + 1, sizeof *rest) : NULL;
    if (!rest)
        return 1;
    json_init();
    crypto_init();
    (void)umask(077);
    int n = take_options(argc, argv, &o, rest);
    enum rc rc = config_load(n, rest, o.lang, a, &c, &problems, &err);
    if (rc == RC_OK)
        rc = init_all(&c, a, &o, password, &err);
    if (rc == RC_OK) {
        say(&c, &o, password);
        mem_wipe(password, sizeof password);
        return 0;
    }
    char text[1600];
    err_text(&err, o.lang, text, sizeof text);
    (void)fprintf(stderr, "%sinro: %s\n", buf_cstr(&problems), text);
    return rc == RC_INPUT || rc == RC_EXISTS ? 3 : 1;
}
