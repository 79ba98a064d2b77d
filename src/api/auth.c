/*
 * Who asks: the peer of the unix socket, an API token, or a session cookie. Invariants: the values
 * of cookies and tokens are never stored, only their SHA-256; role, state and groups of the user
 * are read from the store on each request; every reason for not being signed in has the same text.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/priv.h"
#include "base/rand.h"
#include "crypto/digest.h"

#define COOKIE "__Host-inro="

enum { COOKIE_CHARS = 64, TOKEN_MAX = 128 };

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

static const struct {
    const char *role;
    enum perm most;
} roles[] = {{"viewer", PERM_VIEW}, {"operator", PERM_OPERATE}, {"admin", PERM_ADMIN}};

/* PERM_UNSET for a role nobody knows: it allows nothing. */
static enum perm most_of(const char *role)
{
    for (size_t i = 0; role && i < COUNT_OF(roles); i++)
        if (strcmp(role, roles[i].role) == 0)
            return roles[i].most;
    return PERM_UNSET;
}

bool role_allows(const char *role, enum perm perm)
{
    enum perm most = most_of(role);
    return perm > PERM_UNSET && most != PERM_UNSET && perm <= most;
}

const char *role_weaker(const char *a, const char *b)
{
    return most_of(a) < most_of(b) ? a : b;
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

static bool listed(const struct json *list, int64_t id)
{
    for (size_t i = 0; i < json_len(list); i++) {
        int64_t n = 0;
        if (json_get_i64(json_at(list, i), NULL, &n) && n == id)
            return true;
    }
    return false;
}

/* The groups of the user; cut down to those the token names. An administrator sees everything,
 * unless the token names groups. */
static enum rc load_scope(struct request *r, struct db *db, const char *only, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    AUTO(json) struct json *list = NULL;
    struct json_writer w = JSON_WRITER(&b);
    struct group_list mine = {NULL, 0};
    bool all = strcmp(r->user.role, "admin") == 0;
    r->scope = all ? NULL : "[]";
    if (all && !only)
        return RC_OK;
    if (only)
        TRY(json_parse(str_from(only), &list, err));
    if (all)
        TRY(db_group_list(db, r->a, &mine, err));
    else
        TRY(db_group_list_user(db, r->user.id, r->a, &mine, err));
    jw_array(&w);
    for (size_t i = 0; i < mine.n; i++)
        if (!list || listed(list, mine.v[i].id))
            jw_i64(&w, mine.v[i].id);
    jw_end_array(&w);
    TRY(buf_ok(&b, err));
    r->scope = arena_str(r->a, buf_str(&b));
    return r->scope ? RC_OK : NOMEM(err);
}

static enum rc be_user(struct request *r, struct db *db, int64_t user_id, const char *role,
                       const char *groups, bool *ret_known, struct err *err)
{
    struct user u;
    struct err none;
    *ret_known = false;
    enum rc rc = db_user_get(db, user_id, r->a, &u, &none);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && u.disabled))
        return RC_OK;
    if (rc != RC_OK) {
        if (err)
            *err = none;
        return rc;
    }
    r->user = u;
    TRY(load_scope(r, db, groups, err));
    r->role = role ? role_weaker(u.role, role) : u.role;
    r->lang = u.lang;
    r->actor = arena_printf(r->a, "%s@%s", u.login, r->origin);
    *ret_known = true;
    return r->actor ? RC_OK : NOMEM(err);
}

bool session_over(const struct session *s, int64_t now)
{
    return s->expires <= now || s->last_seen + idle_max <= now;
}

static enum rc load_session(struct request *r, struct db *db, const char *hash, bool *ret_touch,
                            struct err *err)
{
    struct session s;
    struct err none;
    bool known = false;
    enum rc rc = db_session_get(db, hash, r->a, &s, &none);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK && session_over(&s, r->now))
        return RC_OK;
    if (rc != RC_OK) {
        if (err)
            *err = none;
        return rc;
    }
    TRY(be_user(r, db, s.user_id, NULL, NULL, &known, err));
    if (!known)
        return RC_OK;
    r->session = s;
    *ret_touch = s.last_seen + touch_every <= r->now;
    return RC_OK;
}

static enum rc load_token(struct request *r, struct db *db, const char *hash, bool *ret_touch,
                          struct err *err)
{
    struct token t;
    struct err none;
    bool known = false;
    enum rc rc = db_token_find(db, hash, r->a, &t, &none);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && t.expires && t.expires <= r->now))
        return RC_OK;
    if (rc != RC_OK) {
        if (err)
            *err = none;
        return rc;
    }
    TRY(be_user(r, db, t.user_id, t.role, t.group_ids, &known, err));
    if (!known)
        return RC_OK;
    r->token = t;
    r->actor = arena_printf(r->a, "%s#%s@%s", r->user.login, t.name, r->origin);
    *ret_touch = t.last_used + touch_every <= r->now;
    return r->actor ? RC_OK : NOMEM(err);
}

/* By cookie or token; what was seen of it is noted once a minute. */
static enum rc auth_secret(struct request *r, const char *secret, bool token, struct err *err)
{
    char hash[65];
    bool touch = false;
    if (!secret)
        return RC_OK;
    session_hash(secret, hash);
    {
        AUTO(db) struct db *db = NULL;
        TRY(store_read(r->api->o.store, &db, err));
        TRY(token ? load_token(r, db, hash, &touch, err) : load_session(r, db, hash, &touch, err));
    }
    if (!touch)
        return RC_OK;
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->api->o.store, &db, err));
    TRY(token ? db_token_touch(db, r->token.id, r->now, r->origin, err)
              : db_session_touch(db, hash, r->now, err));
    return db_commit(&db, err);
}

/* A token that is sent is what counts: a cookie beside it is not looked at. */
static const char *bearer_of(const struct request *r, bool *ret_sent)
{
    const char *h = r_header(r, "Authorization");
    *ret_sent = h != NULL;
    if (!h || strncasecmp(h, "Bearer ", 7) != 0 || strlen(h) > 7 + TOKEN_MAX)
        return NULL;
    return h + 7;
}

enum rc auth_request(struct request *r, struct err *err)
{
    const struct http_peer *p = &r->call->peer;
    bool sent = false;
    r->origin = p->is_unix ? "unix" : p->addr;
    r->actor = "anonymous";
    const char *bearer = bearer_of(r, &sent);
    if (sent)
        return auth_secret(r, bearer, true, err);
    if (!p->is_unix)
        return auth_secret(r, cookie_of(r), false, err);
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
    if (r->call->peer.is_unix || r->token.id || is_safe(r->call->method))
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
