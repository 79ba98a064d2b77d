/*
 * What connectors are handed: the context and its ports. Invariants: a port that writes is
 * fenced by the job's lease and durable on return, but for answers, which are saved with the step;
 * HTTP clients belong to one thread and one trust.
 */
#include <string.h>

#include "base/mem.h"
#include "base/os/proc.h"
#include "crypto/digest.h"
#include "job/job_priv.h"

static enum rc http_client_for(struct run *r, struct str roots, struct http_client **ret,
                               struct err *err)
{
    struct worker *w = r->w;
    unsigned char trust[32];
    struct http_kept *old = &w->http[0];
    sha256(roots, trust);
    for (int i = 0; i < HTTP_KEPT; i++) {
        struct http_kept *k = &w->http[i];
        if (k->client && memcmp(k->trust, trust, sizeof trust) == 0) {
            k->used = ++w->http_tick;
            *ret = k->client;
            return RC_OK;
        }
        if (k->used < old->used)
            old = k;
    }
    struct http_client *c = NULL;
    struct http_client_options o = {.policy = &r->e->o.egress, .ca_pem = roots};
    TRY(http_client_create(&o, &c, err));
    http_client_destroy(old->client);
    old->client = c;
    memcpy(old->trust, trust, sizeof trust);
    old->used = ++w->http_tick;
    *ret = c;
    return RC_OK;
}

void http_drop(struct worker *w)
{
    for (int i = 0; i < HTTP_KEPT; i++) {
        http_client_destroy(w->http[i].client);
        w->http[i].client = NULL;
    }
}

static enum rc port_http(struct ctx *ctx, struct str roots, const struct http_request *req,
                         struct http_response *ret, struct err *err)
{
    struct run *r = ctx->engine;
    struct http_client *c = NULL;
    struct http_request q = *req;
    TRY(http_client_for(r, roots, &c, err));
    if (q.deadline == 0)
        q.deadline = clock_mono(ctx->clock) + 30 * USEC_PER_SEC;
    if (q.deadline > ctx->deadline)
        q.deadline = ctx->deadline;
    if (!q.cancel)
        q.cancel = ctx->cancel;
    return http_do(c, &q, ctx->arena, ret, err);
}

static enum rc port_probe(struct ctx *ctx, const struct tls_probe *p, struct tls_seen *ret,
                          struct err *err)
{
    struct run *r = ctx->engine;
    if (r->e->o.probe)
        return r->e->o.probe(r->e->o.probe_ctx, p, ctx->arena, ret, err);
    return tls_probe_do(p, ctx->arena, ret, err);
}

static enum rc port_run(struct ctx *ctx, const char *const argv[], int64_t timeout_usec,
                        struct buf *out, struct proc_result *ret, struct err *err)
{
    struct run *r = ctx->engine;
    if (r->e->o.run)
        return r->e->o.run(r->e->o.run_ctx, argv, timeout_usec, ctx->cancel, out, ret, err);
    return proc_run(argv, NULL, timeout_usec, ctx->cancel, out, ret, err);
}

static enum rc begin_fenced(struct run *r, struct db **ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->e->o.store, &db, err));
    TRY(run_fence(db, r, err));
    *ret = TAKE(db);
    return RC_OK;
}

static enum rc add_answer(struct run *r, const char *token, const char *key_auth, struct err *err)
{
    struct answer *a = ARENA_NEW(r->a, struct answer);
    if (!a)
        return NOMEM(err);
    a->token = arena_strdup(r->a, token);
    a->key_auth = key_auth ? arena_strdup(r->a, key_auth) : NULL;
    if (!a->token || (key_auth && !a->key_auth))
        return NOMEM(err);
    if (!r->answers)
        r->answers_end = &r->answers;
    *r->answers_end = a;
    r->answers_end = &a->next;
    return RC_OK;
}

static enum rc port_answer_put(struct ctx *ctx, const char *token, const char *key_auth,
                               struct err *err)
{
    return add_answer(ctx->engine, token, key_auth, err);
}

static enum rc port_answer_remove(struct ctx *ctx, const char *token, struct err *err)
{
    return add_answer(ctx->engine, token, NULL, err);
}

enum rc run_save_answers(struct run *r, struct db *db, struct err *err)
{
    for (const struct answer *a = r->answers; a; a = a->next)
        TRY(a->key_auth
                ? db_challenge_put(db, a->token, a->key_auth, run_now(r) + USEC_PER_DAY, err)
                : db_challenge_remove(db, a->token, err));
    return RC_OK;
}

static enum rc port_state_save(struct ctx *ctx, const char *state, struct err *err)
{
    struct run *r = ctx->engine;
    AUTO(db) struct db *db = NULL;
    TRY(begin_fenced(r, &db, err));
    TRY(db_connector_set_state(db, ctx->connector_id, state, err));
    return run_commit(r, &db, false, err);
}

static enum rc port_receipt_save(struct ctx *ctx, const char *receipt, struct err *err)
{
    struct run *r = ctx->engine;
    AUTO(db) struct db *db = NULL;
    r->receipt = arena_strdup(r->a, receipt);
    if (!r->receipt)
        return NOMEM(err);
    TRY(begin_fenced(r, &db, err));
    struct deploy_item i = {
        .id = r->item_id, .state = ITEM_APPLYING, .receipt = receipt, .updated = run_now(r)};
    TRY(db_item_update(db, &i, err));
    return run_commit(r, &db, false, err);
}

static void port_activity(struct ctx *ctx, const struct msg *m, const char *const *args)
{
    struct run *r = ctx->engine;
    char en[512], ja[640];
    msg_render(m, "en", args, en, sizeof en);
    msg_render(m, "ja", args, ja, sizeof ja);
    r->job.activity_en = arena_strdup(r->keep, en);
    r->job.activity_ja = arena_strdup(r->keep, ja);
    int64_t mono = clock_mono(r->e->o.clock);
    news_job(r);
    if (mono - r->activity_at < 500 * USEC_PER_MSEC)
        return;
    r->activity_at = mono;
    AUTO(db) struct db *db = NULL;
    if (store_begin(r->e->o.store, &db, NULL) == RC_OK &&
        db_job_activity(db, r->job.id, r->job.lease_no, en, ja, NULL) == RC_OK &&
        db_commit(&db, NULL) != RC_OK)
        r->activity_at = 0;
}

static void node_free(struct conn_node *n)
{
    if (n->shared.destroy)
        n->shared.destroy(n->shared.data);
    (void)pthread_mutex_destroy(&n->shared.lock);
    (void)pthread_mutex_destroy(&n->setup);
    json_free(n->state);
    arena_destroy(n->arena);
    mem_free(n);
}

/* Older revisions nobody uses go: their directory or address may be another's. */
static void drop_old(struct engine *e, int64_t id, int64_t revision)
{
    for (struct conn_node **p = &e->nodes; *p;) {
        struct conn_node *n = *p;
        if (n->id == id && n->revision != revision && n->users == 0) {
            *p = n->next;
            node_free(n);
        } else {
            p = &n->next;
        }
    }
}

static struct conn_node *node_get(struct run *r, int64_t id, int64_t revision)
{
    struct engine *e = r->e;
    for (int i = 0; i < r->node_count; i++)
        if (r->nodes[i]->id == id && r->nodes[i]->revision == revision)
            return r->nodes[i];
    if (r->node_count == (int)COUNT_OF(r->nodes))
        return NULL;
    pthread_mutex_lock(&e->lock);
    struct conn_node *n = e->nodes;
    while (n && (n->id != id || n->revision != revision))
        n = n->next;
    if (!n) {
        drop_old(e, id, revision);
        n = mem_alloc(sizeof *n);
        if (n) {
            n->id = id;
            n->revision = revision;
            (void)pthread_mutex_init(&n->shared.lock, NULL);
            (void)pthread_mutex_init(&n->setup, NULL);
            n->next = e->nodes;
            e->nodes = n;
        }
    }
    if (n) {
        n->users++;
        r->nodes[r->node_count++] = n;
    }
    pthread_mutex_unlock(&e->lock);
    return n;
}

void run_release_nodes(struct run *r)
{
    pthread_mutex_lock(&r->e->lock);
    for (int i = 0; i < r->node_count; i++)
        r->nodes[i]->users--;
    pthread_mutex_unlock(&r->e->lock);
    r->node_count = 0;
}

void engine_nodes_free(struct engine *e)
{
    while (e->nodes) {
        struct conn_node *n = e->nodes;
        e->nodes = n->next;
        node_free(n);
    }
}

enum rc decode_settings(struct run *r, const struct field *fields, size_t size, const char *text,
                        const void **ret, struct err *err)
{
    const struct json *j = NULL;
    void *s = arena_alloc(r->a, size ? size : 1);
    if (!s)
        return NOMEM(err);
    TRY(run_json(r, text, &j, err));
    TRY(schema_decode(fields, j, NULL, NULL, r->a, s, err));
    *ret = s;
    return RC_OK;
}

static const struct conn_head *find_ops(struct engine *e, struct conn *c)
{
    const struct engine_lookup *l = &e->o.lookup;
    if (strcmp(c->rec.kind, "ca") == 0)
        return (c->ca = l->ca(c->rec.type)) ? &c->ca->head : NULL;
    if (strcmp(c->rec.kind, "target") == 0)
        return (c->target = l->target(c->rec.type)) ? &c->target->head : NULL;
    if (strcmp(c->rec.kind, "notifier") == 0)
        return (c->notifier = l->notifier(c->rec.type)) ? &c->notifier->head : NULL;
    const struct backup_ops *b =
        strcmp(c->rec.kind, "backup") == 0 ? backup_find(c->rec.type) : NULL;
    return b ? &b->head : NULL;
}

/* Into the node, for all runs to come; false: not possible now, or somebody was first. */
static bool node_fill(struct run *r, struct conn_node *n, const struct conn *c)
{
    struct json *settings = NULL, *state = NULL;
    struct arena *a = arena_create(0);
    void *s = a ? arena_alloc(a, c->head->settings_size ? c->head->settings_size : 1) : NULL;
    const char *text = s && c->rec.state ? arena_strdup(a, c->rec.state) : NULL;
    bool ok =
        s && (text || !c->rec.state) &&
        (!c->rec.settings || json_parse(str_from(c->rec.settings), &settings, NULL) == RC_OK) &&
        schema_decode(c->head->fields, settings, NULL, NULL, a, s, NULL) == RC_OK &&
        (!text || json_parse(str_from(text), &state, NULL) == RC_OK);
    json_free(settings);
    pthread_mutex_lock(&r->e->lock);
    if (ok && !n->arena) {
        n->arena = TAKE(a);
        n->settings = s;
        n->state_text = text;
        n->state = TAKE(state);
    }
    ok = n->arena != NULL;
    pthread_mutex_unlock(&r->e->lock);
    json_free(state);
    arena_destroy(a);
    return ok;
}

/* Settings and state as the node has them, or read here. */
static enum rc read_record(struct run *r, struct conn *c, struct err *err)
{
    struct conn_node *n = node_get(r, c->rec.id, c->rec.revision);
    pthread_mutex_lock(&r->e->lock);
    bool filled = n && n->arena;
    pthread_mutex_unlock(&r->e->lock);
    /* Without an account yet there will soon be another state. */
    if (n && !filled && (c->rec.state || strcmp(c->rec.kind, "ca") != 0 || !c->ca->setup))
        filled = node_fill(r, n, c);
    if (filled)
        c->settings = n->settings;
    else
        TRY(decode_settings(r, c->head->fields, c->head->settings_size, c->rec.settings,
                            &c->settings, err));
    if (filled && n->state_text && c->rec.state && strcmp(n->state_text, c->rec.state) == 0) {
        c->state = n->state;
        return RC_OK;
    }
    return run_json(r, c->rec.state, &c->state, err);
}

enum rc run_connector(struct run *r, struct db *db, int64_t id, const char *kind, struct conn *ret,
                      struct err *err)
{
    struct conn c = {0};
    TRY(db_connector_get(db, id, r->a, &c.rec, err));
    c.head = find_ops(r->e, &c);
    CHECK(c.head && (!kind || strcmp(kind, c.rec.kind) == 0), err, RC_UNSUPPORTED, BLAME_US,
          MSG("job.no_type", "{0}: this program has no connector of type {1}",
              "{0}: このバージョンには種類 {1} のコネクタがありません"),
          c.rec.name, c.rec.type);
    enum rc rc = read_record(r, &c, err);
    if (rc != RC_OK)
        return WHILE(
            err, rc,
            MSG("job.while_settings", "reading the settings of {0}", "{0} の設定の読み取り中"),
            c.rec.name);
    *ret = c;
    return RC_OK;
}

enum rc run_ctx(struct run *r, const struct conn *c, struct ctx *ret, struct err *err)
{
    struct conn_node *n = node_get(r, c ? c->rec.id : 0, c ? c->rec.revision : 0);
    if (!n)
        return NOMEM(err);
    *ret = (struct ctx){
        .arena = r->a,
        .clock = r->e->o.clock,
        .deadline = r->deadline,
        .cancel = r->step->must_finish ? &r->w->lost : &r->w->cancel,
        .egress = &r->e->o.egress,
        .connector_id = c ? c->rec.id : 0,
        .connector_name = c ? c->rec.name : "",
        .shared = &n->shared,
        .vault = r->w->vault,
        .grant = {.job_id = r->job.id,
                  .step = arena_printf(r->a, "%s.%s", r->job.kind, r->step->name),
                  .subject = c ? arena_printf(r->a, "%s %s", c->rec.kind, c->rec.name) : ""},
        .http = port_http,
        .run = port_run,
        .probe = port_probe,
        .answer_put = port_answer_put,
        .answer_remove = port_answer_remove,
        .state_save = port_state_save,
        .receipt_save = port_receipt_save,
        .activity = port_activity,
        .engine = r,
    };
    return ret->grant.step && ret->grant.subject ? RC_OK : NOMEM(err);
}

static enum rc reload_state(struct run *r, struct conn *c, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct connector rec;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_connector_get(db, c->rec.id, r->a, &rec, err));
    c->rec.state = rec.state;
    return run_json(r, rec.state, &c->state, err);
}

enum rc run_setup_ca(struct run *r, struct ctx *ctx, struct conn *c, bool again, struct err *err)
{
    const char *before = c->rec.state;
    if (!c->ca->setup || (c->rec.state && !again))
        return RC_OK;
    struct conn_node *n = node_get(r, c->rec.id, c->rec.revision);
    if (!n)
        return NOMEM(err);
    pthread_mutex_lock(&n->setup);
    /* Another may have done it while this one waited. */
    enum rc rc = reload_state(r, c, err);
    bool done = rc == RC_OK && c->rec.state && (!before || strcmp(before, c->rec.state) != 0);
    if (rc == RC_OK && !done)
        rc = c->ca->setup(ctx, c->settings, c->state, err);
    if (rc == RC_OK && !done)
        rc = reload_state(r, c, err);
    pthread_mutex_unlock(&n->setup);
    return rc;
}
