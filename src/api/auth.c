/*
 * Who asks: the peer of the unix socket, or a session cookie. Invariants: the cookie's value is
 * never stored, only its SHA-256; role and state of the user are read from the store on each
 * request; every reason for not being signed in has the same text.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/priv.h"
#include "base/rand.h"
#include "crypto/digest.h"

#define COOKIE "__Host-inro="

enum { COOKIE_CHARS = 64 };

static const int64_t idle_max = 30 * 60 * USEC_PER_SEC, touch_every = 60 * USEC_PER_SEC;

enum rc auth_denied(struct err *err)
{
    return FAIL(err, RC_AUTH, BLAME_INPUT,
                MSG("api.sign_in", "sign in first", "サインインしてください"));
}

void session_hash(const char *cookie, char ret[65])
{
    sha256_hex(str_from(cookie), ret);
}

/* The value of our cookie, or NULL. Two of them are none: somebody planted one. */
static const char *cookie_of(const struct request *r)
{
    const char *all = r_header(r, "Cookie"), *found = NULL;
    struct str rest = str_from(all), part;
    while (rest.p && str_split(&rest, ';', &part)) {
        part = str_trim(part);
        if (!str_starts(part, COOKIE))
            continue;
        if (found || part.n != sizeof COOKIE - 1 + COOKIE_CHARS)
            return NULL;
        part.p += sizeof COOKIE - 1;
        part.n = COOKIE_CHARS;
        found = arena_str(r->a, part);
    }
    return found;
}

static enum rc load_session(struct request *r, struct db *db, const char *hash, bool *ret_touch,
                            struct err *err)
{
    struct session s;
    struct user u;
    struct err none;
    enum rc rc = db_session_get(db, hash, r->a, &s, &none);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK && (s.expires <= r->now || s.last_seen + idle_max <= r->now))
        return RC_OK;
    if (rc == RC_OK)
        rc = db_user_get(db, s.user_id, r->a, &u, &none);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && u.disabled))
        return RC_OK;
    if (rc != RC_OK) {
        if (err)
            *err = none;
        return rc;
    }
    r->session = s;
    r->user = u;
    r->role = u.role;
    r->lang = u.lang;
    r->actor = arena_printf(r->a, "%s@%s", u.login, r->origin);
    *ret_touch = s.last_seen + touch_every <= r->now;
    return r->actor ? RC_OK : NOMEM(err);
}

static enum rc auth_cookie(struct request *r, struct err *err)
{
    char hash[65];
    bool touch = false;
    const char *cookie = cookie_of(r);
    if (!cookie)
        return RC_OK;
    session_hash(cookie, hash);
    {
        AUTO(db) struct db *db = NULL;
        TRY(store_read(r->api->o.store, &db, err));
        TRY(load_session(r, db, hash, &touch, err));
    }
    if (!touch)
        return RC_OK;
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->api->o.store, &db, err));
    TRY(db_session_touch(db, hash, r->now, err));
    return db_commit(&db, err);
}

enum rc auth_request(struct request *r, struct err *err)
{
    const struct http_peer *p = &r->call->peer;
    r->origin = p->is_unix ? "unix" : p->addr;
    r->actor = "anonymous";
    if (!p->is_unix)
        return auth_cookie(r, err);
    CHECK(p->uid == 0 || p->uid == (int64_t)geteuid(), err, RC_DENIED, BLAME_INPUT,
          MSG("api.peer",
              "the local socket serves root and the user Inro runs as; run this as one of them",
              "ローカルソケットを使えるのは root と Inro の実行ユーザーだけです"));
    r->role = "admin";
    r->actor = arena_printf(r->a, "cli:uid=%lld", (long long)p->uid);
    return r->actor ? RC_OK : NOMEM(err);
}

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* The Origin must be the one this server is reached by. */
static bool origin_good(const struct request *r)
{
    const char *origin = r_header(r, "Origin"), *host = r_header(r, "Host");
    const char *site = r_header(r, "Sec-Fetch-Site");
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    if (!origin)
        return site != NULL;
    if (r->api->o.origin && strcmp(origin, r->api->o.origin) == 0)
        return true;
    const char *scheme = "https://";
    return host && strncmp(origin, scheme, strlen(scheme)) == 0 &&
           strcmp(origin + strlen(scheme), host) == 0;
}

/* Browsers send cookies by themselves: what changes something needs a proof of intent. */
enum rc auth_csrf(const struct request *r, struct err *err)
{
    if (r->call->peer.is_unix || is_safe(r->call->method))
        return RC_OK;
    bool good = origin_good(r);
    if (good && r->session.id_hash) {
        const char *token = r_header(r, "X-Inro-CSRF");
        good = token && str_eq_secret(str_from(token), str_from(r->session.csrf));
    }
    CHECK(good, err, RC_DENIED, BLAME_INPUT,
          MSG("api.csrf", "the request did not come from this server's own page; reload the page",
              "この画面以外から送られた要求です。画面を再読み込みしてください"));
    return RC_OK;
}

/* Enough against guessing with the most used ones; length does the rest. */
static const char *const common[] = {
    "password", "passw0rd",   "administrator", "qwertyuiop", "letmein", "welcome", "123456789012",
    "iloveyou", "1q2w3e4r5t", "changeme",      "secret",     "inro",    "admin"};

static bool only_repeats(const char *password, const char *word)
{
    size_t n = strlen(word), len = strlen(password);
    for (size_t i = 0; i < len; i += n)
        if (strncasecmp(password + i, word, len - i < n ? len - i : n) != 0)
            return false;
    return true;
}

/* password123! and 2024password are no better than password. */
static bool is_common(const char *password)
{
    const char *p = password + strspn(password, "0123456789!?.@#$*-_");
    for (size_t i = 0; i < COUNT_OF(common); i++) {
        size_t n = strlen(common[i]);
        if (strncasecmp(p, common[i], n) == 0 &&
            p[n + strspn(p + n, "0123456789!?.@#$*-_")] == '\0')
            return true;
        if (only_repeats(password, common[i]))
            return true;
    }
    char first[2] = {password[0], '\0'};
    return *p == '\0' || only_repeats(password, first);
}

enum rc password_policy(const char *login, const char *password, struct err *err)
{
    const struct msg *m = NULL;
    size_t n = strlen(password);
    if (n < 12)
        m = MSG("api.password_short", "the password needs at least 12 characters",
                "パスワードは 12 文字以上にしてください");
    else if (n > 1024)
        m = MSG("api.password_long", "the password may have at most 1024 bytes",
                "パスワードは 1024 バイト以下にしてください");
    else if (strcasestr(password, login) || is_common(password))
        m = MSG("api.password_weak",
                "the password holds the login name or is one of the most used; choose another",
                "ログイン名を含むパスワードや、よく使われるパスワードは使えません");
    if (!m)
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT, m);
    err_field(err, "new");
    return rc;
}
