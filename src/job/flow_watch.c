/*
 * Watch: one look at every address of an endpoint. Invariants: an observation row is written only
 * when an address serves something else than before; what cannot be reached is a state, no failure.
 */
#include <string.h>

#include "job/job_priv.h"

struct watch {
    struct endpoint ep;
    struct cert cert; /* id 0: none expected */
    const char *expected, *before;
    struct looked *v;
    size_t n;
    const char **sha;
    const struct json *seen;
    struct err why;
    const char *worst;
    int64_t not_after;
};

/* The worse of two states; later is worse. */
static int rank(const char *state)
{
    static const char *const order[] = {"new",         "ok",    "expiring", "untrusted",
                                        "unreachable", "drift", "expired"};
    for (int i = 0; i < (int)COUNT_OF(order); i++)
        if (state && strcmp(order[i], state) == 0)
            return i;
    return 0;
}

static const char *state_of(const struct watch *wa, size_t i, int64_t now)
{
    const struct looked *l = &wa->v[i];
    if (!l->reached || !l->parsed)
        return "unreachable";
    if (l->leaf.not_after <= now)
        return "expired";
    if (wa->expected && strcmp(wa->expected, wa->sha[i]) != 0)
        return "drift";
    if (!l->trusted && !wa->expected)
        return "untrusted";
    int64_t life = l->leaf.not_after - l->leaf.not_before;
    return l->leaf.not_after - now < life / 6 ? "expiring" : "ok";
}

static const char *seen_before(const struct watch *wa, const char *addr)
{
    const struct json *l = json_get(wa->seen, "addresses");
    for (size_t i = 0; i < json_len(l); i++)
        if (strcmp(json_str_or(json_at(l, i), "addr", ""), addr) == 0)
            return json_str_or(json_at(l, i), "sha256", "");
    return NULL;
}

static enum rc add_observation(struct db *db, struct run *r, struct watch *wa, size_t i,
                               struct err *err)
{
    const struct looked *l = &wa->v[i];
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    for (size_t k = 0; l->reached && k < l->seen.chain_count && k < CERT_MAX_CHAIN; k++)
        cert_to_pem(l->seen.chain[k], &pem);
    struct observation o = {.endpoint_id = wa->ep.id,
                            .addr = l->addr,
                            .at = run_now(r),
                            .trusted = l->trusted,
                            .chain = pem.bad == RC_OK ? pem.p : NULL,
                            .error = l->reached ? NULL : err_json(r->a, &l->err)};
    if (l->parsed) {
        o.sha256 = wa->sha[i];
        o.subject = l->leaf.subject;
        o.issuer = l->leaf.issuer;
        o.protocol = l->seen.protocol;
        o.not_after = l->leaf.not_after;
    }
    return db_observation_add(db, &o, err);
}

static void seen_address(struct json_writer *w, const struct watch *wa, size_t i, int64_t now)
{
    const struct looked *l = &wa->v[i];
    const char *remark;
    jw_object(w);
    jw_kstr(w, "addr", l->addr);
    jw_kstr(w, "state", state_of(wa, i, now));
    jw_kstr(w, "sha256", wa->sha[i]);
    jw_kstr(w, "subject", l->parsed ? l->leaf.subject : NULL);
    jw_kstr(w, "issuer", l->parsed ? l->leaf.issuer : NULL);
    jw_kstr(w, "serial", l->parsed ? l->leaf.serial : NULL);
    jw_kstr(w, "protocol", l->reached ? l->seen.protocol : NULL);
    jw_ktime(w, "not_after", l->parsed ? l->leaf.not_after : 0);
    jw_kbool(w, "trusted", l->trusted);
    jw_key(w, "unusual");
    jw_array(w);
    for (size_t k = 0; l->parsed && (remark = cert_remark(l->leaf.unusual, k)) != NULL; k++)
        jw_str(w, remark);
    jw_end_array(w);
    jw_end_object(w);
}

static enum rc seen_text(struct run *r, struct watch *wa, int64_t now, struct err *err)
{
    AUTO(buf) struct buf b = BUF(256 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_key(&w, "addresses");
    jw_array(&w);
    for (size_t i = 0; i < wa->n; i++)
        seen_address(&w, wa, i, now);
    jw_end_array(&w);
    jw_key(&w, "error");
    if (wa->why.rc != RC_OK)
        jw_err(&w, &wa->why);
    else
        jw_null(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    wa->ep.seen = arena_strdup(r->a, buf_cstr(&b));
    return wa->ep.seen ? RC_OK : NOMEM(err);
}

static enum rc tell(struct db *db, struct run *r, struct watch *wa, struct err *err)
{
    if (rank(wa->worst) <= rank("ok") || (wa->before && strcmp(wa->before, wa->worst) == 0))
        return RC_OK;
    struct notice_facts f = {
        .event = arena_printf(r->a, "endpoint.%s", wa->worst),
        .subject = arena_printf(r->a, "endpoint/%lld", (long long)wa->ep.id),
        .dedup = arena_printf(r->a, "endpoint:%lld:%s:%lld", (long long)wa->ep.id, wa->worst,
                              (long long)(run_now(r) / USEC_PER_DAY)),
        .name = arena_printf(r->a, "%s:%lld", wa->ep.host, (long long)wa->ep.port),
        .expiry = wa->not_after,
        .why = wa->why.rc != RC_OK ? &wa->why : NULL};
    r->made_work = true;
    return notice_facts(db, &f, run_now(r), err);
}

static enum rc save_look(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct watch *wa = arg;
    struct endpoint now;
    for (size_t i = 0; i < wa->n; i++) {
        const char *old = seen_before(wa, wa->v[i].addr), *sha = wa->sha[i] ? wa->sha[i] : "";
        if (!old || strcmp(old, sha) != 0)
            TRY(add_observation(db, r, wa, i, err));
    }
    TRY(db_endpoint_get(db, wa->ep.id, r->a, &now, err));
    now.state = wa->worst;
    now.seen = wa->ep.seen;
    now.seen_at = now.updated = run_now(r);
    now.next_at = now.seen_at + (now.every > 0 ? now.every : 3600) * USEC_PER_SEC;
    TRY(db_endpoint_seen(db, &now, err));
    return tell(db, r, wa, err);
}

static enum rc load_watch(struct run *r, struct watch *wa, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct cert_version v;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_endpoint_get(db, json_i64_or(r->payload, "id", 0), r->a, &wa->ep, err));
    wa->before = wa->ep.state;
    TRY(run_json(r, wa->ep.seen, &wa->seen, err));
    if (!wa->ep.cert_id)
        return RC_OK;
    TRY(db_cert_get(db, wa->ep.cert_id, r->a, &wa->cert, err));
    if (wa->cert.current_id) {
        TRY(db_version_get(db, wa->cert.current_id, r->a, &v, err));
        wa->expected = v.sha256;
    }
    return RC_OK;
}

static enum rc look(struct run *r, struct step_out *out, struct err *err)
{
    struct watch *wa = ARENA_NEW(r->a, struct watch);
    if (!wa)
        return NOMEM(err);
    enum rc rc = load_watch(r, wa, err);
    out->done = true;
    if (rc == RC_NOT_FOUND)
        return RC_OK; /* removed meanwhile */
    TRY(rc);
    int64_t now = run_now(r);
    const char *sni = wa->ep.sni ? wa->ep.sni : wa->ep.host;
    struct look l = {.host = wa->ep.host, .sni = sni_for(r->a, sni), .port = wa->ep.port};
    if (wa->ep.starttls && !starttls_from_name(wa->ep.starttls, &l.starttls))
        l.starttls = STARTTLS_NONE;
    wa->worst = "unreachable";
    if (look_all(r, &l, &wa->v, &wa->n, &wa->why) == RC_OK) {
        wa->worst = "ok";
        wa->sha = arena_array(r->a, wa->n, sizeof *wa->sha);
        if (!wa->sha)
            return NOMEM(err);
    }
    for (size_t i = 0; i < wa->n; i++) {
        const struct looked *v = &wa->v[i];
        wa->sha[i] = v->parsed ? hex_of(r->a, v->leaf.sha256, 32) : NULL;
        const char *s = state_of(wa, i, now);
        if (rank(s) > rank(wa->worst))
            wa->worst = s;
        if ((!v->reached || !v->parsed) && wa->why.rc == RC_OK)
            wa->why = v->err;
        if (v->parsed && (!wa->not_after || v->leaf.not_after < wa->not_after))
            wa->not_after = v->leaf.not_after;
    }
    TRY(seen_text(r, wa, now, err));
    out->save = save_look;
    out->arg = wa;
    run_event(r, "endpoint", wa->ep.id, wa->worst);
    return RC_OK;
}

static const struct step steps[] = {
    {"look",
     {"Looking at what is served", "提示されている証明書を確認しています"},
     look,
     120 * USEC_PER_SEC,
     false},
};
const struct flow flow_watch = {"watch", steps, COUNT_OF(steps), NULL, NULL};
