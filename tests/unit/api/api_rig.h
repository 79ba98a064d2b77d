/*
 * The API without a server: api_dispatch() over a SQLite store in a new directory, a clock that the
 * test moves, and people of every role made in the store directly (no password work).
 *
 *     struct api_rig r;
 *     api_rig_start(&r);
 *     struct who op = rig_person(&r, "op@a.example", "operator", group);
 *     struct answer x = rig_call(&r, &op, "GET", "/certs?limit=2", NULL);
 *     assert_int_equal(x.status, 200);
 *     assert_string_equal(json_str_or(x.json, "items.0.name", ""), "www.a.example");
 *     api_rig_end(&r);
 */
#ifndef INRO_TEST_API_RIG_H
#define INRO_TEST_API_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/priv.h"
#include "base/base64.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/digest.h"
#include "crypto/envelope.h"
#include "unit/api/conform.h"
#include "unit/ok.h"

#define RIG_HOST   "inro.example:8443"
#define RIG_ORIGIN "https://" RIG_HOST
#define RIG_NOW    (INT64_C(1795000000) * USEC_PER_SEC) /* 2026-11-18 */

#define RIG_INSTALLATION "00112233445566778899aabbccddeeff"

struct api_rig {
    char dir[64], url[128];
    struct store *store;
    struct vault_server *vault_server;
    struct vault *vault; /* like the front's: seals, never releases */
    struct api *api;
    struct arena *a;
    struct clock clock;
    int wakes;
    struct json *kept[4096]; /* parsed answers, freed at the end */
    size_t kept_count;
};

/* Who asks, and from where. All NULL and not unix: a stranger. */
struct who {
    bool is_unix;
    int64_t uid;
    const char *addr;   /* NULL = 192.0.2.1 */
    const char *cookie; /* value of the session cookie */
    const char *csrf;
    const char *bearer;                   /* API token */
    const char *origin;                   /* NULL = RIG_ORIGIN; "" = none sent */
    const char *extra_name, *extra_value; /* one more header */
    int64_t user_id;
};

struct answer {
    int status;
    const char *type, *set_cookie, *text;
    size_t len;
    const struct json *json; /* NULL when it is none */
    bool stream;
};

static inline int rig_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void rig_wake(void *ctx)
{
    ((struct api_rig *)ctx)->wakes++;
}

static inline void rig_installation(struct api_rig *r)
{
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    OK(db_meta_set(db, "installation_id", RIG_INSTALLATION, err));
    OK(db_commit(&db, err));
}

static inline void rig_vault(struct api_rig *r)
{
    struct master_key *mk = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/grants.log", r->dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    OK(master_key_create(&mk, err));
    struct vault_server_options o = {.master = mk, .grant_log_fd = fd};
    OK(vault_server_create(&o, &r->vault_server, err));
    OK(vault_local(r->vault_server, false, &r->vault, err));
}

/* Without a licence: as ミーツ. */
static inline void api_rig_bare(struct api_rig *r)
{
    memset(r, 0, sizeof *r);
    json_init();
    crypto_init();
    snprintf(r->dir, sizeof r->dir, "/dev/shm/inro-api-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->url, sizeof r->url, "sqlite:%s/inro.db", r->dir);
    clock_fake_init(&r->clock, RIG_NOW);
    r->a = arena_create((size_t)512 << 20);
    OK(store_open(r->url, &r->store, err));
    OK(store_migrate(r->store, NULL, NULL, err));
    rig_installation(r);
    rig_vault(r);
    struct api_options o = {.store = r->store,
                            .vault = r->vault,
                            .clock = &r->clock,
                            .data = r->dir,
                            .version = "test",
                            .store_url = r->url,
                            .wake = rig_wake,
                            .ctx = r};
    OK(api_create(&o, &r->api, err));
}

static inline void api_rig_end(struct api_rig *r)
{
    for (size_t i = 0; i < r->kept_count; i++)
        json_free(r->kept[i]);
    api_destroy(r->api);
    vault_close(r->vault);
    vault_server_destroy(r->vault_server);
    store_close(r->store);
    arena_destroy(r->a);
    nftw(r->dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void rig_pass(struct api_rig *r, int64_t usec)
{
    r->clock.offset += usec;
}

struct rig_request {
    const struct who *who;
    const char *names[16], *values[16]; /* query */
    size_t n;
    char cookie[128], bearer[256];
};

static inline const char *rig_header(const void *ctx, const char *name)
{
    const struct rig_request *q = ctx;
    const struct who *w = q->who;
    if (w->extra_name && strcasecmp(name, w->extra_name) == 0)
        return w->extra_value;
    if (strcasecmp(name, "Host") == 0)
        return RIG_HOST;
    if (strcasecmp(name, "Origin") == 0 && !w->is_unix && !w->bearer)
        return !w->origin ? RIG_ORIGIN : w->origin[0] ? w->origin : NULL;
    if (strcasecmp(name, "Cookie") == 0 && w->cookie)
        return q->cookie;
    if (strcasecmp(name, "X-Inro-CSRF") == 0)
        return w->csrf;
    if (strcasecmp(name, "Authorization") == 0 && w->bearer)
        return q->bearer;
    return NULL;
}

static inline const char *rig_query(const void *ctx, const char *name)
{
    const struct rig_request *q = ctx;
    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->names[i], name) == 0)
            return q->values[i];
    return NULL;
}

/* "a=1&b=2" -> pairs; nothing is decoded. */
static inline void rig_split(struct api_rig *r, struct rig_request *q, const char *text)
{
    struct str rest = str_from(text), pair, name;
    while (q->n < COUNT_OF(q->names) && str_split(&rest, '&', &pair)) {
        (void)str_split(&pair, '=', &name);
        q->names[q->n] = arena_str(r->a, name);
        q->values[q->n++] = pair.p ? arena_str(r->a, pair) : "";
    }
}

/* Every answer of every test is held to what its route declares. */
static inline void rig_conforms(const char *method, const char *path, const struct answer *x)
{
    AUTO(buf) struct buf why = BUF(4096);
    if (!conform_answer(conform_route(method, path), x->status, x->type, x->stream, x->json, &why))
        fail_msg("%s %s: the answer (%d %s) is not as declared: %s: %s", method, path, x->status,
                 x->type, buf_cstr(&why), x->text ? x->text : "");
}

static inline struct answer rig_bytes(struct api_rig *r, const struct who *who, const char *method,
                                      const char *path, struct str body)
{
    struct rig_request q = {.who = who};
    const char *mark = strchr(path, '?');
    struct api_answer got;
    struct err err;
    if (mark)
        rig_split(r, &q, mark + 1);
    snprintf(q.cookie, sizeof q.cookie, "__Host-inro=%s", who->cookie ? who->cookie : "");
    snprintf(q.bearer, sizeof q.bearer, "Bearer %s", who->bearer ? who->bearer : "");
    const char *bare = mark ? arena_str(r->a, (struct str){path, (size_t)(mark - path)})
                            : arena_strdup(r->a, path);
    struct api_call call = {.method = method,
                            .path = arena_printf(r->a, "/api/v1%s", bare),
                            .body = body,
                            .header = rig_header,
                            .query = rig_query,
                            .ctx = &q};
    call.peer.is_unix = who->is_unix;
    call.peer.uid = who->is_unix ? who->uid : -1;
    call.peer.tls = !who->is_unix;
    snprintf(call.peer.addr, sizeof call.peer.addr, "%s",
             who->is_unix ? "unix"
             : who->addr  ? who->addr
                          : "192.0.2.1");
    api_dispatch(r->api, &call, r->a, &got);
    struct answer x = {.status = got.status,
                       .type = got.type,
                       .set_cookie = got.set_cookie,
                       .text = arena_str(r->a, got.body),
                       .len = got.body.n,
                       .stream = got.stream};
    struct json *j = NULL;
    if (!got.stream && got.body.n > 0 && json_parse(got.body, &j, &err) == RC_OK) {
        assert_true(r->kept_count < COUNT_OF(r->kept));
        r->kept[r->kept_count++] = j;
        x.json = j;
    }
    rig_conforms(method, bare, &x);
    return x;
}

static inline struct answer rig_call(struct api_rig *r, const struct who *who, const char *method,
                                     const char *path, const char *body)
{
    return rig_bytes(r, who, method, path, str_from(body));
}

/* The call must give the status; what was said is shown when it does not. */
static inline struct answer rig_want(struct api_rig *r, const struct who *who, int status,
                                     const char *method, const char *path, const char *body)
{
    struct answer x = rig_call(r, who, method, path, body);
    if (x.status != status)
        fail_msg("%s %s: %d wanted, %d came: %s", method, path, status, x.status,
                 x.text ? x.text : "");
    return x;
}

static inline const char *rig_error(const struct answer *x)
{
    return json_str_or(x->json, "error.id", "");
}

/* The local command line. */
static inline struct who rig_local(void)
{
    return (struct who){.is_unix = true, .uid = (int64_t)geteuid()};
}

/* The desk of this installation sells to itself: ordered on 1 October 2026. */
static inline void rig_desk(struct api_rig *r)
{
    struct who local = rig_local();
    (void)rig_want(r, &local, 201, "POST", "/vendor", "{\"name\":\"Desk\"}");
    (void)rig_want(r, &local, 201, "POST", "/vendor/customers",
                   "{\"name\":\"Self\",\"mail\":\"self@a.example\",\"installation\":"
                   "\"" RIG_INSTALLATION "\"}");
}

/* Orders, issues and imports a licence of so many ベーシック and サーバー追加. */
static inline void rig_licence(struct api_rig *r, int basics, int servers)
{
    struct who local = rig_local();
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    struct answer x = rig_want(
        r, &local, 201, "POST", "/vendor/orders",
        arena_printf(r->a,
                     "{\"customer\":\"Self\",\"kind\":\"basic\",\"basics\":%d,\"servers\":%d,"
                     "\"on\":\"2026-10-01\"}",
                     basics, servers));
    long long id = (long long)json_i64_or(x.json, "id", 0);
    (void)rig_want(r, &local, 200, "POST", arena_printf(r->a, "/vendor/orders/%lld/accept", id),
                   NULL);
    x = rig_want(r, &local, 201, "POST", "/vendor/licences",
                 arena_printf(r->a, "{\"order\":%lld}", id));
    jw_object(&w);
    jw_kstr(&w, "file", json_str_or(x.json, "licence.file", ""));
    jw_end_object(&w);
    (void)rig_want(r, &local, 200, "POST", "/licence", arena_str(r->a, buf_str(&b)));
}

static inline void api_rig_start(struct api_rig *r)
{
    api_rig_bare(r);
    rig_desk(r);
    rig_licence(r, 1000, 1000);
}

static inline int64_t rig_group(struct api_rig *r, const char *name)
{
    struct who local = rig_local();
    const char *body = arena_printf(r->a, "{\"name\":\"%s\"}", name);
    struct answer x = rig_want(r, &local, 201, "POST", "/groups", body);
    return json_i64_or(x.json, "id", 0);
}

/* A session of the user, proven just now, without any password work. */
static inline struct who rig_session(struct api_rig *r, int64_t user_id)
{
    char cookie[65], csrf[65], hash[65];
    AUTO(db) struct db *db = NULL;
    rand_hex(cookie, 32);
    rand_hex(csrf, 32);
    session_hash(cookie, hash);
    int64_t now = clock_now(&r->clock);
    struct session s = {.id_hash = hash,
                        .user_id = user_id,
                        .created = now,
                        .last_seen = now,
                        .expires = now + 12 * 3600 * USEC_PER_SEC,
                        .csrf = csrf,
                        .address = "192.0.2.1",
                        .proven = now};
    OK(store_begin(r->store, &db, err));
    OK(db_session_add(db, &s, err));
    OK(db_commit(&db, err));
    return (struct who){
        .cookie = arena_strdup(r->a, cookie), .csrf = arena_strdup(r->a, csrf), .user_id = user_id};
}

/* A signed-in person; group 0 = in none. The password cannot be used. */
static inline struct who rig_person(struct api_rig *r, const char *login, const char *role,
                                    int64_t group)
{
    AUTO(db) struct db *db = NULL;
    int64_t now = clock_now(&r->clock);
    struct user u = {.login = login,
                     .name = login,
                     .role = role,
                     .lang = "en",
                     .password = "",
                     .created = now,
                     .updated = now,
                     .revision = 1};
    OK(store_begin(r->store, &db, err));
    OK(db_user_add(db, &u, err));
    if (group)
        OK(db_group_join(db, group, u.id, err));
    OK(db_commit(&db, err));
    return rig_session(r, u.id);
}

#endif
