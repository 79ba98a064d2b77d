/*
 * Signing in and out. Invariants: every failure to sign in has the same text and costs one
 * password check; failures are counted per login name and address, so that nobody is locked out
 * by somebody else; a new password ends all other sessions of the user.
 */
#include <stdio.h>
#include <string.h>

#include "api/priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/digest.h"

enum { SLOTS = 4096, FREE_TRIES = 3, MAX_DOUBLINGS = 9, HASHES_AT_ONCE = 2 };

static const int64_t session_max = 12 * 3600 * USEC_PER_SEC;

struct slot {
    unsigned char id[32];
    int failures;
    int64_t until; /* clock_mono */
};

struct delays {
    pthread_mutex_t lock;
    unsigned char seed[32]; /* nobody can aim at another's slot */
    int hashing;
    struct slot slots[SLOTS];
};

struct delays *delays_create(void)
{
    struct delays *d = mem_alloc(sizeof *d);
    if (!d)
        return NULL;
    (void)pthread_mutex_init(&d->lock, NULL);
    rand_bytes(d->seed, sizeof d->seed);
    return d;
}

void delays_destroy(struct delays *d)
{
    if (!d)
        return;
    (void)pthread_mutex_destroy(&d->lock);
    mem_free(d);
}

/* The slot of login and address; another pair that was there is forgotten. Under the lock. */
static struct slot *slot_of(struct delays *d, const char *login, const char *address)
{
    AUTO(buf) struct buf b = BUF(4096);
    unsigned char id[32];
    buf_adds(&b, login);
    buf_addc(&b, '\n');
    buf_adds(&b, address);
    hmac_sha256((struct str){(const char *)d->seed, sizeof d->seed}, buf_str(&b), id);
    struct slot *s = &d->slots[(id[0] | id[1] << 8) % SLOTS];
    if (memcmp(s->id, id, sizeof id) != 0) {
        *s = (struct slot){0};
        memcpy(s->id, id, sizeof id);
    }
    return s;
}

/* True when the pair has to wait. */
static bool delay_active(struct request *r, const char *login)
{
    struct delays *d = r->api->delays;
    (void)pthread_mutex_lock(&d->lock);
    bool wait = slot_of(d, login, r->origin)->until > clock_mono(r->api->o.clock);
    (void)pthread_mutex_unlock(&d->lock);
    return wait;
}

static void delay_note(struct request *r, const char *login, bool good)
{
    struct delays *d = r->api->delays;
    (void)pthread_mutex_lock(&d->lock);
    struct slot *s = slot_of(d, login, r->origin);
    if (good) {
        *s = (struct slot){0};
    } else {
        int over = ++s->failures - FREE_TRIES;
        int64_t wait = over > 0 ? USEC_PER_SEC << (over > MAX_DOUBLINGS ? MAX_DOUBLINGS : over) : 0;
        s->until = clock_mono(r->api->o.clock) + wait;
    }
    (void)pthread_mutex_unlock(&d->lock);
}

/* Password checks need 64 MiB each: a crowd of them is told to wait. */
static enum rc verify_bounded(struct request *r, const char *hash, const char *password,
                              bool *ret_good, struct err *err)
{
    struct delays *d = r->api->delays;
    (void)pthread_mutex_lock(&d->lock);
    bool room = d->hashing < HASHES_AT_ONCE;
    d->hashing += room;
    (void)pthread_mutex_unlock(&d->lock);
    CHECK(room, err, RC_BUSY, BLAME_US,
          MSG("api.sign_in_busy", "too many people are signing in at once; try again",
              "サインインが集中しています。もう一度お試しください"));
    *ret_good = password_verify(hash, password);
    (void)pthread_mutex_lock(&d->lock);
    d->hashing--;
    (void)pthread_mutex_unlock(&d->lock);
    return RC_OK;
}

struct sign_in {
    const char *login, *password;
};
static const struct field sign_in_fields[] = {
    FIELD_STR(struct sign_in, login, .flags = FIELD_REQUIRED, .max = 128,
              .label = {"Login name", "ログイン名"}),
    FIELD_STR(struct sign_in, password, .flags = FIELD_REQUIRED, .max = 1024,
              .label = {"Password", "パスワード"}),
    FIELD_END};

static enum rc wrong(struct err *err)
{
    return FAIL(err, RC_AUTH, BLAME_INPUT,
                MSG("api.sign_in_failed",
                    "the login name or the password is wrong, or it is too "
                    "soon to try again",
                    "ログイン名またはパスワードが違うか、再試行までの待ち時間中です"));
}

static void view_session(struct request *r, const char *csrf)
{
    const struct user *u = &r->user;
    jw_object(&r->w);
    jw_key(&r->w, "user");
    jw_object(&r->w);
    jw_kstr(&r->w, "login", u->login ? u->login : "local");
    jw_kstr(&r->w, "name", u->name ? u->name : u->login);
    jw_kstr(&r->w, "role", r->role);
    jw_kstr(&r->w, "lang", u->lang ? u->lang : "ja");
    jw_end_object(&r->w);
    jw_kstr(&r->w, "csrf", csrf);
    jw_kbool(&r->w, "must_change", u->must_change);
    jw_end_object(&r->w);
}

static enum rc new_session(struct request *r, struct db *db, struct err *err)
{
    char cookie[65], csrf[65], hash[65];
    rand_hex(cookie, 32);
    rand_hex(csrf, 32);
    session_hash(cookie, hash);
    const char *agent = r_header(r, "User-Agent");
    struct session s = {.id_hash = arena_strdup(r->a, hash),
                        .user_id = r->user.id,
                        .created = r->now,
                        .last_seen = r->now,
                        .expires = r->now + session_max,
                        .csrf = arena_strdup(r->a, csrf),
                        .address = r->origin,
                        .agent = agent && strlen(agent) <= 256 ? agent : NULL};
    r->set_cookie = arena_printf(
        r->a, "__Host-inro=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200", cookie);
    if (!s.id_hash || !s.csrf || !r->set_cookie)
        return NOMEM(err);
    TRY(db_session_expire(db, r->now, err));
    /* the former cookie of this browser ends: no fixation */
    if (r->session.id_hash)
        TRY(db_session_remove(db, r->session.id_hash, err));
    TRY(db_session_add(db, &s, err));
    r->session = s;
    return RC_OK;
}

static enum rc look_up(struct request *r, const char *login, bool *ret_known, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct user u;
    TRY(store_read(r->api->o.store, &db, err));
    enum rc rc = db_user_find(db, login, r->a, &u, err);
    *ret_known = rc == RC_OK && !u.disabled && u.password;
    if (*ret_known)
        r->user = u;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc run_sign_in(struct request *r, struct err *err)
{
    const struct sign_in *in = r->in;
    bool known = false, good = false;
    r->user = (struct user){0};
    if (delay_active(r, in->login))
        return wrong(err);
    TRY(look_up(r, in->login, &known, err));
    TRY(verify_bounded(r, known ? r->user.password : "", in->password, &good, err));
    good = good && known;
    delay_note(r, in->login, good);
    if (!good) {
        log_line(LOG_WARN, "api", "sign-in refused from %s", r->origin);
        return wrong(err);
    }
    r->role = r->user.role;
    r->actor = arena_printf(r->a, "%s@%s", r->user.login, r->origin);
    if (!r->actor)
        return NOMEM(err);
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->api->o.store, &db, err));
    TRY(new_session(r, db, err));
    TRY(db_commit(&db, err));
    view_session(r, r->session.csrf);
    return RC_OK;
}

static enum rc run_session(struct request *r, struct err *err)
{
    (void)err;
    view_session(r, r->session.csrf);
    return RC_OK;
}

static enum rc run_sign_out(struct request *r, struct err *err)
{
    if (r->session.id_hash)
        TRY(db_session_remove(r->db, r->session.id_hash, err));
    r->set_cookie = "__Host-inro=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

struct new_password {
    const char *old, *new;
};
static const struct field new_password_fields[] = {
    FIELD_STR(struct new_password, old, .flags = FIELD_REQUIRED, .max = 1024,
              .label = {"Present password", "現在のパスワード"}),
    FIELD_STR(struct new_password, new, .flags = FIELD_REQUIRED, .max = 1025,
              .label = {"New password", "新しいパスワード"}),
    FIELD_END};

static enum rc run_password(struct request *r, struct err *err)
{
    const struct new_password *in = r->in;
    char hash[128];
    bool good = false;
    CHECK(r->user.id > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.no_password", "the local socket has no password; use the user command",
              "ローカルソケットにはパスワードがありません。user コマンドを使ってください"));
    if (delay_active(r, r->user.login))
        return wrong(err);
    TRY(verify_bounded(r, r->user.password, in->old, &good, err));
    delay_note(r, r->user.login, good);
    if (!good)
        return wrong(err);
    TRY(password_policy(r->user.login, in->new, err));
    CHECK(strcmp(in->old, in->new) != 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.password_same", "the new password is the old one",
              "新しいパスワードが現在のものと同じです"));
    TRY(password_hash(in->new, hash, err));
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->api->o.store, &db, err));
    struct user u;
    TRY(db_user_get(db, r->user.id, r->a, &u, err));
    u.password = hash;
    u.must_change = false;
    u.updated = r->now;
    TRY(db_user_update(db, &u, err));
    TRY(db_session_remove_user(db, u.id, err));
    r->session.id_hash = NULL;
    TRY(new_session(r, db, err));
    TRY(db_commit(&db, err));
    r->user.must_change = false;
    r_subject(r, "user", u.id);
    view_session(r, r->session.csrf);
    return RC_OK;
}

static const struct route rows[] = {
    {"session.create", "POST", "/session", PERM(PERM_PUBLIC), ROUTE_AUDIT, run_sign_in,
     .summary = {"Sign in", "サインインする"}, .body = sign_in_fields,
     .body_size = sizeof(struct sign_in)},
    {"session.get", "GET", "/session", PERM(PERM_SESSION), 0, run_session,
     .summary = {"Who is signed in", "サインイン中の利用者を返す"}},
    {"session.remove", "DELETE", "/session", PERM(PERM_SESSION), ROUTE_WRITE, run_sign_out,
     .summary = {"Sign out", "サインアウトする"}},
    {"session.password", "POST", "/session/password", PERM(PERM_SESSION), ROUTE_AUDIT, run_password,
     .summary = {"Change one's own password", "自分のパスワードを変更する"},
     .body = new_password_fields, .body_size = sizeof(struct new_password)},
};
ROUTE_SET(routes_session, rows);
