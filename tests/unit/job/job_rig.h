/* A world to run jobs in: a SQLite store, a CA, targets, a solver and a notifier, all fakes. */
#ifndef INRO_TEST_JOB_RIG_H
#define INRO_TEST_JOB_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "crypto/digest.h"
#include "fake_vault.h"
#include "job/job_priv.h"
#include "unit/ok.h"

enum { PORTS = 8, FIRST_PORT = 7000 };

/* What the outside world is and remembers; survives engines. */
static struct world {
    pthread_mutex_t lock;
    struct key *ca_key;
    char ca_der[4096];
    size_t ca_der_len;
    int orders, issued, presented, cleaned, applied, undone, sent;
    char served[PORTS][4096]; /* DER per port */
    size_t served_len[PORTS];
    enum rc ca_fails;
    enum blame ca_blame;
    int ca_fail_times;                   /* -1 = always */
    int apply_fails_at, verify_fails_at; /* port index, -1 = none */
    bool late_csr;                       /* the CA goes without a CSR as long as it can */
    int64_t wanted_end;                  /* of validity, as the last order asked */
    bool in_store;                       /* proofs are nothing but rows */
    int refusals;                        /* how often the proofs are not believed */
    bool order_dies;                     /* with that */
    int unsaved;                         /* CSRs whose key was not on the disk */
    atomic_bool hold;                    /* apply waits while it is set */
    atomic_int held;                     /* how many wait there */
    char subject[4096], body[65536];
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .apply_fails_at = -1, .verify_fails_at = -1};

static char none_settings;
static enum rc fake_check(struct ctx *ctx, const void *s, struct l10n *seen, struct err *err)
{
    (void)ctx, (void)s, (void)err;
    *seen = (struct l10n){"here", "ここ"};
    return RC_OK;
}
static const struct field no_fields[] = {FIELD_END};
#define HEAD(id_, caps_)                                                                           \
    {                                                                                              \
        .id = id_, .name = {id_, id_}, .about = {id_, id_}, .caps = caps_, .fields = no_fields,    \
        .settings_size = sizeof none_settings, .check = fake_check                                 \
    }

static enum rc issue_now(struct ctx *ctx, const struct ca_order *o, struct ca_step *ret,
                         struct err *err)
{
    struct issue_spec s = {.dns = o->names,
                           .dns_count = o->name_count,
                           .not_before = clock_now(ctx->clock) - 3600 * USEC_PER_SEC,
                           .not_after = clock_now(ctx->clock) + 90 * USEC_PER_DAY,
                           .path_len = -1,
                           .server_auth = true};
    AUTO(buf) struct buf der = BUF(8192), pem = BUF(32768);
    TRY(cert_issue(world.ca_key, (struct str){world.ca_der, world.ca_der_len}, o->spki, &s, &der,
                   err));
    cert_to_pem(buf_str(&der), &pem);
    TRY(buf_ok(&pem, err));
    ret->chain_pem = str_from(arena_strdup(ctx->arena, buf_cstr(&pem)));
    if (!ret->chain_pem.p)
        return NOMEM(err);
    ret->verdict = CA_DONE;
    world.issued++;
    return RC_OK;
}

/* The CSR that came is in a version of the certificate, with its key, as others see the store. */
static bool csr_is_saved(const struct run *r, struct str csr)
{
    AUTO(db) struct db *db = NULL;
    AUTO(buf) struct buf b64 = BUF(65536);
    struct cert_version_list l = {0};
    bool found = false;
    base64_add(&b64, csr.p, csr.n);
    if (store_read(r->e->o.store, &db, NULL) != RC_OK ||
        db_version_list(db, json_i64_or(r->payload, "cert", 0), r->a, &l, NULL) != RC_OK)
        return false;
    for (size_t i = 0; i < l.n; i++)
        found =
            found || (l.v[i].key_sealed && l.v[i].csr && strcmp(l.v[i].csr, buf_cstr(&b64)) == 0);
    return found;
}

/* Order and proof, then a wait, then the certificate. */
static enum rc ca_step_fake(struct ctx *ctx, const void *settings, const struct json *state,
                            const struct ca_order *o, struct ca_step *ret, struct err *err)
{
    static const struct proof proof = {"http-01", "www.example.jp", false, "tok", "tok.auth"};
    (void)settings, (void)state;
    enum rc rc = RC_OK;
    bool saved = o->csr_der.n == 0 || csr_is_saved(ctx->engine, o->csr_der);
    pthread_mutex_lock(&world.lock);
    world.unsaved += !saved;
    if (world.ca_fail_times != 0) {
        world.ca_fail_times -= world.ca_fail_times > 0;
        rc =
            FAIL(err, world.ca_fails, world.ca_blame, MSG("test.ca", "the CA says no", "CAが拒否"));
    } else if (!o->data) {
        world.orders++;
        world.wanted_end = o->not_after;
        ret->verdict = CA_PROOF;
        ret->proofs = &proof;
        ret->proof_count = 1;
        ret->data = "{\"url\":\"o\",\"n\":1}";
        ret->ordered_now = true;
    } else if (!o->proofs_ready) { /* asked again, the order stands */
        ret->verdict = CA_PROOF;
        ret->proofs = &proof;
        ret->proof_count = 1;
    } else if (world.refusals > 0) {
        world.refusals--;
        ret->data = world.order_dies ? "" : NULL;
        rc = FAIL(err, RC_DENIED, BLAME_INPUT, MSG("test.proof", "not there", "ありません"));
    } else if (json_i64_or(o->data, "n", 0) == 1) {
        ret->verdict = CA_WAIT;
        ret->until = clock_now(ctx->clock) + 20000;
        ret->data = "{\"url\":\"o\",\"n\":2}";
    } else if (o->csr_der.n == 0) {
        ret->verdict = CA_WAIT;
        ret->until = clock_now(ctx->clock);
        ret->wants_csr = true;
    } else {
        rc = issue_now(ctx, o, ret, err);
    }
    pthread_mutex_unlock(&world.lock);
    return rc;
}
static enum rc ca_roots_fake(struct ctx *ctx, const void *settings, const struct json *state,
                             struct str *ret_pem, bool *ret_any, struct err *err)
{
    AUTO(buf) struct buf pem = BUF(8192);
    (void)settings, (void)state, (void)ret_any;
    cert_to_pem((struct str){world.ca_der, world.ca_der_len}, &pem);
    TRY(buf_ok(&pem, err));
    *ret_pem = str_from(arena_strdup(ctx->arena, buf_cstr(&pem)));
    return ret_pem->p ? RC_OK : NOMEM(err);
}
static const struct ca_ops fake_ca = {
    .head = HEAD("fake", CA_CAP_NOT_AFTER), .step = ca_step_fake, .roots = ca_roots_fake};
static const struct ca_ops fake_late_ca = {.head = HEAD("fake", CA_CAP_LATE_CSR | CA_CAP_NOT_AFTER),
                                           .step = ca_step_fake,
                                           .roots = ca_roots_fake};

static enum rc present_fake(struct ctx *ctx, const void *s, const struct proof *p,
                            const char **state, struct err *err)
{
    (void)s;
    world.presented++;
    *state = "{}";
    return ctx->answer_put(ctx, p->token, p->value, err);
}
static enum rc cleanup_fake(struct ctx *ctx, const void *s, const struct proof *p,
                            const char *state, struct err *err)
{
    (void)s, (void)state;
    world.cleaned++;
    return ctx->answer_remove(ctx, p->token, err);
}
static const struct challenge_ops fake_solver = {.head = HEAD("http-01", 0),
                                                 .proof_type = "http-01",
                                                 .present = present_fake,
                                                 .cleanup = cleanup_fake};
static const struct challenge_ops fake_row_solver = {.head = HEAD("http-01", 0),
                                                     .proof_type = "http-01",
                                                     .in_store = true,
                                                     .present = present_fake,
                                                     .cleanup = cleanup_fake};

struct fake_place {
    int64_t port;
};
static const struct field place_fields[] = {
    FIELD_PORT(struct fake_place, port, .label = {"Port", "ポート"}), FIELD_END};

static enum rc plan_fake(struct ctx *ctx, const void *s, const void *place, const struct bundle *b,
                         struct plan *ret, struct err *err)
{
    static const struct plan_line line = {{"replace", "置換"}, "/etc/cert.pem", "a", "b"};
    (void)ctx, (void)s, (void)place, (void)b, (void)err;
    *ret = (struct plan){&line, 1, false};
    return RC_OK;
}
static enum rc apply_fake(struct ctx *ctx, const void *s, const void *place, const struct bundle *b,
                          const struct json *receipt, struct err *err)
{
    int i = (int)(((const struct fake_place *)place)->port - FIRST_PORT);
    (void)s;
    if (!receipt) /* what was there before */
        TRY(ctx->receipt_save(ctx, "{\"old\":true}", err));
    atomic_fetch_add(&world.held, 1);
    while (atomic_load(&world.hold) && !(ctx->cancel && atomic_load(ctx->cancel)))
        usleep(1000);
    atomic_fetch_sub(&world.held, 1);
    TRY(ctx_alive(ctx, err));
    world.applied++;
    if (world.apply_fails_at == i)
        return FAIL(err, RC_REMOTE, BLAME_INPUT,
                    MSG("test.apply", "nginx: [emerg] line 7", "nginx: [emerg] 7 行目"));
    pthread_mutex_lock(&world.lock);
    if (world.verify_fails_at != i) {
        memcpy(world.served[i], b->leaf->der.p, b->leaf->der.n);
        world.served_len[i] = b->leaf->der.n;
    }
    pthread_mutex_unlock(&world.lock);
    return RC_OK;
}
static enum rc undo_fake(struct ctx *ctx, const void *s, const void *place,
                         const struct json *receipt, struct err *err)
{
    (void)ctx, (void)s, (void)place, (void)err;
    assert_true(json_bool_or(receipt, "old", false));
    world.undone++;
    return RC_OK;
}
static enum rc endpoints_fake(const void *s, const void *place, struct arena *a,
                              const struct verify_at **ret, size_t *ret_n, struct err *err)
{
    struct verify_at *v = ARENA_NEW(a, struct verify_at);
    (void)s;
    if (!v)
        return NOMEM(err);
    v->host = "127.0.0.1";
    v->port = ((const struct fake_place *)place)->port;
    *ret = v;
    *ret_n = 1;
    return RC_OK;
}
static const struct target_ops fake_target = {.head = HEAD("fake", 0),
                                              .place_fields = place_fields,
                                              .place_size = sizeof(struct fake_place),
                                              .plan = plan_fake,
                                              .apply = apply_fake,
                                              .undo = undo_fake,
                                              .endpoints = endpoints_fake};

static enum rc send_fake(struct ctx *ctx, const void *s, const struct notice_text *n,
                         const char **reply, struct err *err)
{
    (void)ctx, (void)s, (void)err;
    pthread_mutex_lock(&world.lock);
    world.sent++;
    snprintf(world.subject, sizeof world.subject, "%s", n->subject);
    snprintf(world.body, sizeof world.body, "%s", n->body);
    pthread_mutex_unlock(&world.lock);
    *reply = "250 ok";
    return RC_OK;
}
static const char *lang_fake(const void *s)
{
    (void)s;
    return "ja";
}
static const struct notifier_ops fake_notifier = {
    .head = HEAD("fake", 0), .send = send_fake, .lang = lang_fake};

static const struct ca_ops *find_ca(const char *id)
{
    const struct ca_ops *ca = world.late_csr ? &fake_late_ca : &fake_ca;
    return strcmp(id, "fake") == 0 ? ca : NULL;
}
static const struct challenge_ops *find_solver(const char *id)
{
    const struct challenge_ops *solver = world.in_store ? &fake_row_solver : &fake_solver;
    return strcmp(id, "http-01") == 0 ? solver : NULL;
}
static const struct target_ops *find_target(const char *id)
{
    return strcmp(id, "fake") == 0 ? &fake_target : NULL;
}
static const struct notifier_ops *find_notifier(const char *id)
{
    return strcmp(id, "fake") == 0 ? &fake_notifier : NULL;
}

static enum rc probe_fake(void *ctx, const struct tls_probe *p, struct arena *a,
                          struct tls_seen *ret, struct err *err)
{
    const unsigned char *sa = (const unsigned char *)&p->addr.sa;
    int i = (sa[2] << 8 | sa[3]) - FIRST_PORT; /* sin_port */
    (void)ctx;
    pthread_mutex_lock(&world.lock);
    size_t n = world.served_len[i];
    ret->chain = ARENA_NEW(a, struct str);
    ret->chain[0] = (struct str){arena_dup(a, world.served[i], n), n};
    pthread_mutex_unlock(&world.lock);
    ret->chain_count = 1;
    ret->protocol = "TLSv1.3";
    if (n == 0)
        return FAIL(err, RC_NET, BLAME_NETWORK, MSG("test.closed", "refused", "接続拒否"));
    return RC_OK;
}

struct rig {
    char dir[64], url[128];
    struct store *store;
    struct arena *a;
    int64_t cert, ca;
};

static void world_reset(void)
{
    AUTO(buf) struct buf spki = BUF(1024), der = BUF(4096);
    struct issue_spec s = {.subject = {.common_name = "Test CA"},
                           .not_before = clock_now(clock_real()) - USEC_PER_DAY,
                           .not_after = clock_now(clock_real()) + 3650 * USEC_PER_DAY,
                           .ca = true,
                           .path_len = -1};
    key_destroy(world.ca_key);
    memset((char *)&world + sizeof world.lock, 0, sizeof world - sizeof world.lock);
    world.apply_fails_at = world.verify_fails_at = -1;
    OK(key_generate(KEY_EC256, &world.ca_key, err));
    OK(key_spki(world.ca_key, &spki, err));
    OK(cert_issue(world.ca_key, STR_NONE, buf_str(&spki), &s, &der, err));
    memcpy(world.ca_der, der.p, der.len);
    world.ca_der_len = der.len;
}

static void rig_begin(struct rig *r, int targets)
{
    static const char *const names[] = {"www.example.jp"};
    struct db *db = NULL;
    int64_t now = clock_now(clock_real());
    memset(r, 0, sizeof *r);
    world_reset();
    snprintf(r->dir, sizeof r->dir, "/dev/shm/inro-job-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->url, sizeof r->url, "sqlite:%s/inro.db", r->dir);
    r->a = arena_create(0);
    OK(store_open(r->url, &r->store, err));
    OK(store_migrate(r->store, NULL, NULL, err));
    OK(store_begin(r->store, &db, err));
    struct connector ca = {.kind = "ca", .type = "fake", .name = "ca", .created = now};
    struct connector no = {.kind = "notifier", .type = "fake", .name = "mail", .created = now};
    OK(db_connector_add(db, &ca, err));
    OK(db_connector_add(db, &no, err));
    struct cert c = {.name = "www.example.jp",
                     .names = {names, 1},
                     .ca_id = ca.id,
                     .key_alg = "ec256",
                     .challenge = "{\"type\":\"http-01\"}",
                     .created = now};
    OK(db_cert_add(db, &c, err));
    for (int i = 0; i < targets; i++) {
        char name[16], place[32];
        snprintf(name, sizeof name, "web%d", i);
        snprintf(place, sizeof place, "{\"port\":%d}", FIRST_PORT + i);
        struct connector t = {.kind = "target", .type = "fake", .name = name, .created = now};
        OK(db_connector_add(db, &t, err));
        struct binding b = {.cert_id = c.id,
                            .target_id = t.id,
                            .place = place,
                            .seq = i,
                            .state = "new",
                            .created = now};
        OK(db_binding_add(db, &b, err));
    }
    OK(db_commit(&db, err));
    r->cert = c.id;
    r->ca = ca.id;
}

static void rig_end(struct rig *r)
{
    char path[128];
    static const char *const files[] = {"inro.db", "inro.db-wal", "inro.db-shm", "inro.db.lock"};
    store_close(r->store);
    arena_destroy(r->a);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", r->dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(r->dir);
}

/* before: owner of an engine that is gone, or NULL. */
static struct engine *rig_engine_of(struct store *store, const char *owner, const char *before,
                                    int threads, int64_t die_after, bool schedule)
{
    static const char *const allow[] = {"127.0.0.0/8"};
    struct engine *e = NULL;
    struct engine_options o = {
        .store = store,
        .vault = &the_vault,
        .clock = clock_real(),
        .egress = {.allow = allow, .allow_count = 1},
        .threads = threads,
        .owner = owner,
        .before = before,
        .probe = probe_fake,
        .lookup = {find_ca, find_solver, find_target, find_notifier},
        .die_after_saves = die_after,
        .no_schedule = !schedule,
    };
    OK(engine_create(&o, &e, err));
    return e;
}

static inline struct engine *rig_engine(struct rig *r, int64_t die_after, bool schedule)
{
    /* What a killed engine held is free. */
    return rig_engine_of(r->store, "test", "test", 4, die_after, schedule);
}

static inline int64_t rig_issue(struct rig *r, const char *reason)
{
    struct db *db = NULL;
    int64_t job = 0;
    bool existing = false;
    OK(store_begin(r->store, &db, err));
    OK(job_request_issue(db, r->cert, reason, clock_now(clock_real()), &job, &existing, err));
    OK(db_commit(&db, err));
    return job;
}

static inline struct job rig_job(struct rig *r, int64_t id)
{
    struct db *db = NULL;
    struct job j = {0};
    OK(store_read(r->store, &db, err));
    OK(db_job_get(db, id, r->a, &j, err));
    db_rollback(&db);
    return j;
}

static inline struct cert rig_cert(struct rig *r)
{
    struct db *db = NULL;
    struct cert c = {0};
    OK(store_read(r->store, &db, err));
    OK(db_cert_get(db, r->cert, r->a, &c, err));
    db_rollback(&db);
    return c;
}

static inline void rig_policy(struct rig *r, const char *policy)
{
    struct db *db = NULL;
    struct cert c = rig_cert(r);
    c.policy = policy;
    OK(store_begin(r->store, &db, err));
    OK(db_cert_update(db, &c, err));
    OK(db_commit(&db, err));
}

/* The newest roll-out. */
static inline struct job rig_deploy_job(struct rig *r)
{
    struct job_filter f = {.kind = "deploy", .limit = 1};
    struct job_list l;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->store, &db, err));
    OK(db_job_list(db, &f, r->a, &l, err));
    assert_int_equal(l.n, 1);
    return l.v[0];
}

/* Open jobs besides those that wait for a person. */
static inline size_t rig_busy(struct rig *r)
{
    struct db *db = NULL;
    struct job_filter f = {.only_open = true, .limit = 1000};
    struct job_list l = {0};
    size_t n = 0;
    OK(store_read(r->store, &db, err));
    OK(db_job_list(db, &f, r->a, &l, err));
    db_rollback(&db);
    int64_t soon = clock_now(clock_real()) + 5 * USEC_PER_SEC;
    for (size_t i = 0; i < l.n; i++)
        n += strcmp(l.v[i].kind, "schedule") != 0 && l.v[i].state != JOB_BLOCKED &&
             l.v[i].run_at < soon;
    return n;
}

static inline bool rig_quiet(struct rig *r, int seconds)
{
    for (int i = 0; i < seconds * 100; i++) {
        if (rig_busy(r) == 0)
            return true;
        usleep(10000);
    }
    return false;
}

static inline void check_deployed(struct rig *r, int targets)
{
    struct db *db = NULL;
    struct binding_list b;
    struct cert_version v;
    struct cert c = rig_cert(r);
    assert_true(c.current_id != 0);
    OK(store_read(r->store, &db, err));
    OK(db_version_get(db, c.current_id, r->a, &v, err));
    OK(db_binding_list(db, r->cert, 0, r->a, &b, err));
    db_rollback(&db);
    assert_int_equal(b.n, targets);
    for (int i = 0; i < targets; i++) {
        char hex[65];
        assert_int_equal(b.v[i].version_id, c.current_id);
        assert_string_equal(b.v[i].state, "deployed");
        sha256_hex((struct str){world.served[i], world.served_len[i]}, hex);
        assert_string_equal(hex, v.sha256);
    }
}

#endif
