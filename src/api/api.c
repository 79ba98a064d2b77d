/*
 * The dispatcher. Invariants: a path that is in no table answers 404; a route runs only after its
 * permission was checked against the role just read from the store; what a handler wrote is
 * committed together with its audit line or not at all; an answer never holds a sealed value.
 */
#include <stdio.h>
#include <string.h>

#include "api/priv.h"
#include "api/share.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "job/licence.h"

static const struct route_set *const sets[] = {
#define ROUTES(name) &routes_##name,
#include "api/routes.def"
#undef ROUTES
};

const struct route_set *const *api_route_sets(size_t *ret_n)
{
    *ret_n = COUNT_OF(sets);
    return sets;
}

size_t api_route_count(void)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        n += sets[i]->n;
    return n;
}

/* How long a shown password or code opens what asks for it. */
static const int64_t prove_for = 10 * 60 * USEC_PER_SEC;

const struct route *api_route(size_t i)
{
    for (size_t s = 0; s < COUNT_OF(sets); s++) {
        if (i < sets[s]->n)
            return &sets[s]->v[i];
        i -= sets[s]->n;
    }
    return NULL;
}

void api_route_at(size_t i, const char **ret_id, const char **ret_method, const char **ret_path,
                  enum perm *ret_perm)
{
    const struct route *t = api_route(i);
    *ret_id = t->id;
    *ret_method = t->method;
    *ret_path = t->path;
    *ret_perm = t->perm;
}

static enum rc routes_check(struct err *err)
{
    TRY(answers_check(err));
    for (size_t i = 0; i < api_route_count(); i++) {
        const struct route *t = api_route(i);
        bool good = t->id && t->method && t->path && t->run && t->perm > PERM_UNSET &&
                    t->perm <= PERM_ADMIN && t->summary.en && t->summary.ja &&
                    answer_good(t->answer, t->query) && (!t->body || t->body_size > 0);
        CHECK(good, err, RC_INTERNAL, BLAME_US,
              MSG("api.route_bad", "route {0} lacks its permission, summary, answer or handler",
                  "ルート {0} に権限、説明、応答、処理のいずれかがありません"),
              t->id ? t->id : "?");
        if (t->body)
            TRY(schema_check(t->id, t->body, err));
    }
    return RC_OK;
}

enum rc api_create(const struct api_options *o, struct api **ret, struct err *err)
{
    TRY(routes_check(err));
    struct api *api = mem_alloc(sizeof *api);
    if (!api)
        return NOMEM(err);
    api->o = *o;
    if (!api->o.assets)
        api->o.assets = web_assets;
    if (api->o.max_waiters <= 0)
        api->o.max_waiters = 2;
    if (api->o.max_streams <= 0)
        api->o.max_streams = 64;
    api->started = clock_now(o->clock);
    (void)pthread_mutex_init(&api->vault_lock, NULL);
    (void)pthread_mutex_init(&api->event_lock, NULL);
    pthread_condattr_t at;
    (void)pthread_condattr_init(&at);
    (void)pthread_condattr_setclock(&at, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&api->event_cond, &at);
    (void)pthread_condattr_destroy(&at);
    api->delays = delays_create();
    if (!api->delays) {
        api_destroy(api);
        return NOMEM(err);
    }
    levels_restore(api);
    *ret = api;
    return RC_OK;
}

void api_destroy(struct api *api)
{
    if (!api)
        return;
    events_close_all(api);
    delays_destroy(api->delays);
    (void)pthread_cond_destroy(&api->event_cond);
    (void)pthread_mutex_destroy(&api->event_lock);
    (void)pthread_mutex_destroy(&api->vault_lock);
    mem_free(api);
}

int http_status(enum rc rc)
{
    static const short of[RC_COUNT] = {
        [RC_OK] = 200,          [RC_INPUT] = 400,    [RC_NOT_FOUND] = 404, [RC_EXISTS] = 409,
        [RC_CONFLICT] = 409,    [RC_AUTH] = 401,     [RC_DENIED] = 403,    [RC_LICENCE] = 403,
        [RC_TIMEOUT] = 504,     [RC_NET] = 502,      [RC_TLS] = 502,       [RC_REMOTE] = 502,
        [RC_RATE] = 503,        [RC_BUSY] = 503,     [RC_CANCELLED] = 503, [RC_CORRUPT] = 500,
        [RC_UNSUPPORTED] = 400, [RC_INTERNAL] = 500, [RC_NOMEM] = 500,     [RC_FULL] = 507,
    };
    return (unsigned)rc < RC_COUNT && of[rc] ? of[rc] : 500;
}

/* One template against one path; parameters are arena copies. */
static bool path_matches(struct request *r, const char *template, const char *path)
{
    struct str t = str_from(template), p = str_from(path), tp, pp;
    size_t n = 0;
    for (;;) {
        bool more_t = str_split(&t, '/', &tp), more_p = str_split(&p, '/', &pp);
        if (more_t != more_p)
            return false;
        if (!more_t)
            return true;
        if (tp.n > 0 && tp.p[0] == '{') {
            if (pp.n == 0 || n >= PARAMS_MAX)
                return false;
            r->params[n] = arena_str(r->a, pp);
            if (!r->params[n++])
                return false;
        } else if (!str_eq(tp, pp)) {
            return false;
        }
    }
}

static enum rc find_route(struct request *r, const char *path, struct err *err)
{
    bool other = false;
    for (size_t i = 0; i < api_route_count(); i++) {
        const struct route *t = api_route(i);
        if (!path_matches(r, t->path, path))
            continue;
        if (strcmp(t->method, r->call->method) == 0) {
            r->route = t;
            return RC_OK;
        }
        other = true;
    }
    if (other) {
        r->status = 405;
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("api.method", "this address does not know the method {0}",
                        "このアドレスではメソッド {0} を使えません"),
                    r->call->method);
    }
    return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                MSG("api.no_route", "there is no such address in the API",
                    "API にそのアドレスはありません"));
}

/* The peer of the local socket has proven itself by its user id. */
static enum rc permit_person(const struct request *r, struct err *err)
{
    unsigned flags = r->route->flags;
    CHECK(!(flags & ROUTE_PERSON) || r->session.id_hash, err, RC_DENIED, BLAME_INPUT,
          MSG("api.person",
              "this is for somebody who has signed in, not for a token or the "
              "local socket",
              "サインインした利用者だけが行えます（トークンやローカルソケットでは行えません）"));
    CHECK(!(flags & ROUTE_LOCAL) || (r->call->peer.is_unix && !r->token.id), err, RC_DENIED,
          BLAME_INPUT,
          MSG("api.local", "this is done on the server itself, with the inro command",
              "この操作はサーバー上の inro コマンドでのみ行えます"));
    if (!(flags & ROUTE_PROVE) || (r->call->peer.is_unix && !r->token.id))
        return RC_OK;
    CHECK(r->token.id == 0, err, RC_DENIED, BLAME_INPUT,
          MSG("api.no_token", "an API token cannot do this; sign in",
              "API トークンではこの操作を行えません。サインインしてください"));
    CHECK(r->session.proven + prove_for > r->now && r->session.proven <= r->now, err, RC_DENIED,
          BLAME_INPUT,
          MSG("api.prove", "show your password or one-time code once more first",
              "先にパスワードまたはワンタイムコードをもう一度入力してください"));
    return RC_OK;
}

static enum rc permit(const struct request *r, struct err *err)
{
    enum perm need = r->route->perm;
    if (need == PERM_PUBLIC)
        return RC_OK;
    if (!r->role)
        return auth_denied(err);
    CHECK(need == PERM_SESSION || !r->user.must_change || r->token.id, err, RC_DENIED, BLAME_INPUT,
          MSG("api.must_change", "change your password first", "先にパスワードを変更してください"));
    CHECK(role_allows(r->role, need), err, RC_DENIED, BLAME_INPUT,
          MSG("api.denied", "your role does not allow this; ask an administrator",
              "この操作を行う権限がありません。管理者に依頼してください"));
    return permit_person(r, err);
}

static enum rc audit_line(struct request *r, struct db *db, const char *result, struct err *err)
{
    struct audit a = {.at = r->now,
                      .actor = r->actor,
                      .origin = r->origin,
                      .action = r->route->id,
                      .subject = r->subject,
                      .detail = r->detail,
                      .result = result};
    return db_audit_add(db, &a, err);
}

enum rc r_audit_as(struct request *r, const char *route_id, struct err *err)
{
    struct request one = *r;
    for (size_t i = 0; i < api_route_count(); i++)
        if (strcmp(api_route(i)->id, route_id) == 0)
            one.route = api_route(i);
    one.before = NULL;
    trail_after(&one, r->db);
    return audit_line(&one, r->db, "ok", err);
}

/* What was refused to somebody known is recorded as well. */
static void audit_refusal(struct request *r, const struct err *why)
{
    AUTO(db) struct db *db = NULL;
    struct err err;
    if ((!r->role && !r->audit_failure) || !(r->route->flags & (ROUTE_WRITE | ROUTE_AUDIT)))
        return;
    enum rc rc = store_begin(r->api->o.store, &db, &err);
    if (rc == RC_OK)
        rc = audit_line(r, db, why->id, &err);
    if (rc == RC_OK)
        rc = db_commit(&db, &err);
    if (rc != RC_OK)
        log_err(LOG_ERROR, "api", "recording a refusal", &err);
}

static enum rc run_handler(struct request *r, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    const unsigned flags = r->route->flags;
    if (r->route->prepare)
        TRY(r->route->prepare(r, err));
    if (flags & ROUTE_WRITE)
        TRY(r_begin(r, &db, err));
    else if (flags & ROUTE_READ)
        TRY(r_read(r, &db, err));
    if (flags & ROUTE_LICENCE)
        TRY(licence_gate(db, r->now, err));
    r->db = db;
    if (flags & ROUTE_WRITE)
        trail_before(r, db);
    enum rc rc = r->route->run(r, err);
    r->db = NULL;
    TRY(rc);
    if (!r->stream)
        TRY(buf_ok(&r->out, err));
    if (flags & ROUTE_WRITE) {
        trail_after(r, db);
        TRY(audit_line(r, db, "ok", err));
        TRY(db_commit(&db, err));
    } else if (flags & ROUTE_AUDIT) {
        TRY(store_begin(r->api->o.store, &db, err));
        TRY(audit_line(r, db, "ok", err));
        TRY(db_commit(&db, err));
    }
    return RC_OK;
}

/* A flood is in the audit log once a minute, not a thousand times. */
static enum rc within_quota(struct request *r, struct err *err)
{
    bool first;
    enum rc rc = delay_changes(r, 1, &first, err);
    if (rc != RC_OK && first)
        audit_refusal(r, err);
    return rc;
}

static enum rc handle(struct request *r, struct err *err)
{
    static const char base[] = "/api/v1";
    const char *path = r->call->path;
    CHECK(strncmp(path, base, sizeof base - 1) == 0 && path[sizeof base - 1] == '/', err,
          RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_route", "there is no such address in the API",
              "API にそのアドレスはありません"));
    enum rc found = find_route(r, path + sizeof base - 1, err);
    /* Who asks comes first: nobody unknown learns which addresses exist. */
    if (found != RC_OK) {
        struct err other;
        int status = r->status;
        r->status = 200;
        enum rc rc = auth_request(r, &other);
        if (rc != RC_OK || !r->role)
            return auth_denied(err);
        r->status = status;
        return found;
    }
    TRY(auth_request(r, err));
    enum rc rc = permit(r, err);
    if (rc == RC_OK)
        rc = auth_csrf(r, err);
    if (rc == RC_OK && (r->route->flags & ROUTE_WRITE))
        TRY(within_quota(r, err));
    if (rc == RC_OK)
        rc = r_body(r, err);
    if (rc == RC_OK)
        rc = run_handler(r, err);
    if (rc != RC_OK && err->rc != RC_BUSY)
        audit_refusal(r, err);
    return rc;
}

static void answer_error(struct request *r, enum rc rc, const struct err *err)
{
    buf_clear(&r->out);
    r->w = JSON_WRITER(&r->out);
    r->type = NULL;
    r->stream = false;
    if (r->status < 400)
        r->status = http_status(rc);
    if (r->status >= 500)
        log_err(rc == RC_BUSY ? LOG_WARN : LOG_ERROR, "api", r->route ? r->route->id : "request",
                err);
    jw_object(&r->w);
    jw_key(&r->w, "error");
    jw_err(&r->w, err);
    jw_end_object(&r->w);
}

void api_dispatch(struct api *api, const struct api_call *call, struct arena *a,
                  struct api_answer *ret)
{
    struct request r = {.api = api,
                        .call = call,
                        .a = a,
                        .now = clock_now(api->o.clock),
                        .status = 200,
                        .out = BUF((size_t)32 << 20)};
    struct err err = {0};
    r.w = JSON_WRITER(&r.out);
    enum rc rc = handle(&r, &err);
    if (rc != RC_OK)
        answer_error(&r, rc, &err);
    *ret = (struct api_answer){.status = r.status,
                               .type = r.type ? r.type : "application/json",
                               .set_cookie = r.set_cookie,
                               .stream = r.stream};
    if (r.session.id_hash)
        (void)snprintf(ret->session, sizeof ret->session, "%s", r.session.id_hash);
    const char *body = arena_dup(a, buf_cstr(&r.out), r.out.len);
    if (body)
        ret->body = (struct str){body, r.out.len};
    else
        ret->status = 500;
    buf_free(&r.out);
    json_free(r.body);
    ret->user_id = r.user.id;
    ret->token_id = r.token.id;
    ret->sees_all = r.scope == NULL;
    if (rc == RC_OK && r.ended_user)
        events_end_user(api, r.ended_user);
    if (rc == RC_OK && r.ended_session)
        events_end_session(api, r.ended_session);
    if (rc == RC_OK && r.wake && api->o.wake)
        api->o.wake(api->o.ctx);
    if (rc == RC_OK && r.event)
        api_event(api, r.event);
}

static const char *x_header(const void *ctx, const char *name)
{
    return http_request_header(ctx, name);
}

static const char *x_query(const void *ctx, const char *name)
{
    return http_query(ctx, name);
}

void api_handle(struct http_exchange *x, void *ctx)
{
    struct api *api = ctx;
    const char *path = http_path(x);
    if (strncmp(path, "/share/", 7) == 0) {
        share_reply(api, x);
        return;
    }
    if (strncmp(path, "/api/", 5) != 0) {
        assets_reply(api, x);
        return;
    }
    struct api_call call = {.method = http_method(x),
                            .path = path,
                            .body = http_request_body(x),
                            .peer = *http_peer_of(x),
                            .header = x_header,
                            .query = x_query,
                            .ctx = x};
    struct api_answer answer;
    api_dispatch(api, &call, http_arena(x), &answer);
    security_headers(x, true);
    if (answer.set_cookie)
        http_reply_header(x, "Set-Cookie", answer.set_cookie);
    if (answer.stream)
        events_open(api, x, &answer);
    else
        http_reply(x, answer.status, answer.type, answer.body);
}

static bool token_good(const char *token)
{
    size_t n = strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return n > 0 && n <= 256 && token[n] == '\0';
}

void api_handle_http01(struct http_exchange *x, void *ctx)
{
    static const char prefix[] = "/.well-known/acme-challenge/";
    struct api *api = ctx;
    const char *path = http_path(x), *key_auth = NULL;
    bool get = strcmp(http_method(x), "GET") == 0 || strcmp(http_method(x), "HEAD") == 0;
    enum rc rc = RC_NOT_FOUND;
    struct err err = {0};
    if (get && strncmp(path, prefix, sizeof prefix - 1) == 0 &&
        token_good(path + sizeof prefix - 1)) {
        AUTO(db) struct db *db = NULL;
        rc = store_read(api->o.store, &db, &err);
        if (rc == RC_OK)
            rc = db_challenge_get(db, path + sizeof prefix - 1, clock_now(api->o.clock),
                                  http_arena(x), &key_auth, &err);
    }
    if (rc == RC_OK && key_auth) {
        http_reply(x, 200, "text/plain", str_from(key_auth));
        return;
    }
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        log_err(LOG_ERROR, "api", "answering a challenge", &err);
    http_reply(x, rc == RC_BUSY ? 503 : 404, "text/plain", STR("not found\n"));
}
