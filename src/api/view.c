/* Records as JSON. Invariant: nothing sealed, no key and no password is ever written here. */
#include <string.h>

#include "api/priv.h"
#include "crypto/digest.h"
#include "store/repo_discover.h"

enum { MANY = 1000 };

/* Settings for the audit log: a secret is the fingerprint of its sealed form, which tells that it
 * changed and nothing else. */
void view_fingerprints(struct json_writer *w, const struct json *stored)
{
    void *iter = NULL;
    const char *key, *sealed;
    const struct json *value;
    char sum[65];
    jw_object(w);
    while (json_next(stored, &iter, &key, &value)) {
        jw_key(w, key);
        if (!json_get_str(value, "sealed", &sealed)) {
            jw_json(w, value);
            continue;
        }
        sha256_hex(str_from(sealed), sum);
        sum[16] = '\0';
        jw_object(w);
        jw_kstr(w, "fingerprint", sum);
        jw_end_object(w);
    }
    jw_end_object(w);
}

void view_raw(struct json_writer *w, const char *key, const char *json)
{
    jw_key(w, key);
    jw_raw(w, str_from(json));
}

void view_unusual(struct json_writer *w, unsigned unusual)
{
    const char *remark;
    jw_key(w, "unusual");
    jw_array(w);
    for (size_t i = 0; (remark = cert_remark(unusual, i)) != NULL; i++)
        jw_str(w, remark);
    jw_end_array(w);
}

void view_error(struct json_writer *w, const char *key, const char *stored)
{
    view_raw(w, key, stored);
}

void view_page_end(struct json_writer *w, int64_t next)
{
    jw_end_array(w);
    jw_key(w, "next");
    if (next > 0)
        jw_i64(w, next);
    else
        jw_null(w);
    jw_end_object(w);
}

static bool is_connector(struct str kind)
{
    if (str_eq(kind, STR("connector")))
        return true;
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++)
        if (str_eqs(kind, conn_kind_name(k)))
            return true;
    return false;
}

/* A record's name in a transaction of its own when the handler has none (long polls). */
static enum rc subject_name(struct request *r, struct db *db, const char *subject, const char **ret)
{
    struct err none;
    struct str rest = str_from(subject), kind;
    int64_t id = 0;
    *ret = NULL;
    if (!rest.p || !str_split(&rest, '/', &kind) || !text_is_id(rest.p, &id))
        return RC_OK;
    if (str_eq(kind, STR("cert"))) {
        struct cert c;
        TRY(db_cert_get(db, id, r->a, &c, &none));
        *ret = c.name;
    } else if (str_eq(kind, STR("endpoint"))) {
        struct endpoint e;
        TRY(db_endpoint_get(db, id, r->a, &e, &none));
        *ret = arena_printf(r->a, "%s:%lld", e.host, (long long)e.port);
    } else if (str_eq(kind, STR("discovery"))) {
        struct discovery d;
        TRY(db_discovery_get(db, id, r->a, &d, &none));
        *ret = d.name;
    } else if (str_eq(kind, STR("version"))) {
        struct cert_version v;
        struct cert c;
        TRY(db_version_get(db, id, r->a, &v, &none));
        TRY(db_cert_get(db, v.cert_id, r->a, &c, &none));
        *ret = c.name;
    } else if (str_eq(kind, STR("user"))) {
        struct user u;
        TRY(db_user_get(db, id, r->a, &u, &none));
        *ret = u.login;
    } else if (str_eq(kind, STR("group"))) {
        struct group g;
        TRY(db_group_get(db, id, r->a, &g, &none));
        *ret = g.name;
    } else if (str_eq(kind, STR("org"))) {
        struct organisation o;
        TRY(db_organisation_get(db, id, r->a, &o, &none));
        *ret = o.name;
    } else if (is_connector(kind)) {
        struct connector c;
        TRY(db_connector_get(db, id, r->a, &c, &none));
        *ret = c.name;
    }
    return RC_OK;
}

void view_subject_name(struct request *r, const char *subject)
{
    AUTO(db) struct db *db = NULL;
    struct err none;
    const char *name = NULL;
    enum rc rc = r->db ? RC_OK : r_read(r, &db, &none);
    if (rc == RC_OK)
        rc = subject_name(r, r->db ? r->db : db, subject, &name);
    jw_kstr(&r->w, "subject_name", rc == RC_OK ? name : NULL);
}

void view_cert_name(struct request *r, int64_t cert_id)
{
    struct cert c = {0};
    struct err none;
    enum rc rc = db_cert_get(r->db, cert_id, r->a, &c, &none);
    jw_kstr(&r->w, "cert_name", rc == RC_OK ? c.name : NULL);
}

void view_job(struct request *r, const struct job *j)
{
    struct json_writer *w = &r->w;
    jw_object(w);
    jw_ki64(w, "id", j->id);
    jw_kstr(w, "kind", j->kind);
    jw_kstr(w, "subject", j->subject);
    view_subject_name(r, j->subject);
    jw_kstr(w, "step", j->step);
    jw_kstr(w, "state", job_state_name(j->state));
    jw_key(w, "activity");
    if (j->activity_en || j->activity_ja) {
        jw_object(w);
        jw_kstr(w, "en", j->activity_en);
        jw_kstr(w, "ja", j->activity_ja);
        jw_end_object(w);
    } else {
        jw_null(w);
    }
    jw_ki64(w, "attempts", j->attempts);
    jw_ktime(w, "run_at", j->run_at);
    view_error(w, "error", j->error);
    view_raw(w, "progress", j->progress);
    jw_ktime(w, "created", j->created);
    jw_ktime(w, "updated", j->updated);
    jw_ktime(w, "finished", j->finished);
    jw_end_object(w);
}

enum rc view_job_answer(struct request *r, int64_t id, struct err *err)
{
    struct job j;
    TRY(db_job_get(r->db, id, r->a, &j, err));
    jw_key(&r->w, "job");
    view_job(r, &j);
    return RC_OK;
}

void view_order(struct request *r, const struct order_row *row)
{
    struct json_writer *w = &r->w;
    const struct order *o = &row->o;
    jw_object(w);
    jw_ki64(w, "id", o->id);
    jw_ki64(w, "cert", o->cert_id);
    jw_kstr(w, "cert_name", row->cert_name);
    jw_ki64(w, "version", o->version_id);
    jw_ki64(w, "ca", o->ca_id);
    jw_ki64(w, "job", o->job_id);
    jw_kstr(w, "state", order_state_name(o->state));
    jw_kstr(w, "reason", o->reason);
    view_error(w, "error", o->error);
    jw_ktime(w, "created", o->created);
    jw_ktime(w, "updated", o->updated);
    jw_end_object(w);
}

void view_binding_row(struct request *r, const struct binding_row *row)
{
    struct json_writer *w = &r->w;
    const struct binding *b = &row->b;
    jw_object(w);
    jw_ki64(w, "id", b->id);
    jw_ki64(w, "cert", b->cert_id);
    jw_kstr(w, "cert_name", row->cert_name);
    jw_id(w, "cert_version", row->cert_version);
    jw_kstr(w, "target", row->target);
    jw_ki64(w, "target_id", b->target_id);
    view_raw(w, "place", b->place);
    jw_ki64(w, "seq", b->seq);
    jw_id(w, "version", b->version_id);
    jw_ktime(w, "not_after", row->not_after);
    jw_kstr(w, "state", b->state);
    view_error(w, "error", b->error);
    jw_ktime(w, "created", b->created);
    jw_ktime(w, "updated", b->updated);
    jw_ki64(w, "revision", b->revision);
    jw_end_object(w);
}

enum rc view_binding(struct request *r, int64_t id, struct err *err)
{
    struct binding_row row;
    TRY(db_binding_row(r->db, id, r->a, &row, err));
    view_binding_row(r, &row);
    return RC_OK;
}

struct cert_facts {
    struct cert_version current;
    bool has_current;
    struct connector ca;
    struct binding_list bindings;
    int64_t deployed, failed, open_job;
    enum cert_health health;
};

static enum rc absent_ok(enum rc rc, bool *ret_found)
{
    *ret_found = rc == RC_OK;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc cert_jobs(struct request *r, const struct cert *c, struct cert_facts *f,
                         struct health_facts *h, struct err *err)
{
    struct job_list jobs;
    const char *subject = arena_printf(r->a, "cert/%lld", (long long)c->id);
    if (!subject)
        return NOMEM(err);
    TRY(db_job_list(
        r->db,
        &(struct job_filter){.kind = "issue", .subject = subject, .only_open = false, .limit = 1},
        r->a, &jobs, err));
    if (jobs.n == 0)
        return RC_OK;
    const struct job *j = &jobs.v[0];
    bool open = j->state == JOB_READY || j->state == JOB_RUNNING || j->state == JOB_BLOCKED;
    f->open_job = open ? j->id : 0;
    h->ordering = open && j->state != JOB_BLOCKED;
    h->order_failed = j->state == JOB_FAILED || j->state == JOB_BLOCKED;
    return RC_OK;
}

static enum rc cert_facts(struct request *r, const struct cert *c, struct cert_facts *f,
                          struct err *err)
{
    struct health_facts h = {.now = r->now, .built_at = BUILT_AT};
    struct err none = {0};
    bool found = false;
    *f = (struct cert_facts){0};
    if (c->current_id) {
        enum rc rc = db_version_get(r->db, c->current_id, r->a, &f->current, &none);
        TRY(absent_ok(rc, &f->has_current));
    }
    if (c->ca_id)
        TRY(absent_ok(db_connector_get(r->db, c->ca_id, r->a, &f->ca, &none), &found));
    TRY(db_binding_list(r->db, c->id, 0, r->a, &f->bindings, err));
    TRY(cert_jobs(r, c, f, &h, err));
    for (size_t i = 0; i < f->bindings.n; i++) {
        const char *s = f->bindings.v[i].state;
        f->deployed += s && strcmp(s, "deployed") == 0;
        f->failed += s && strcmp(s, "failed") == 0;
        h.drift = h.drift || (s && strcmp(s, "drift") == 0);
    }
    h.has_current = f->has_current;
    h.revoked = f->has_current && f->current.state == VERSION_REVOKED;
    h.deploy_failed = f->failed > 0;
    h.not_before = f->current.not_before;
    h.not_after = f->current.not_after;
    f->health = cert_health(&h);
    return RC_OK;
}

enum rc cert_state(struct request *r, const struct cert *c, enum cert_health *ret, struct err *err)
{
    struct cert_facts f;
    TRY(cert_facts(r, c, &f, err));
    *ret = f.health;
    return RC_OK;
}

static void view_version(struct json_writer *w, const struct cert_version *v)
{
    jw_object(w);
    jw_ki64(w, "id", v->id);
    jw_kstr(w, "state", version_state_name(v->state));
    jw_kstr(w, "key", v->key_alg);
    jw_kbool(w, "has_key", v->key_sealed != NULL);
    jw_kstr(w, "serial", v->serial);
    jw_kstr(w, "issuer", v->issuer);
    jw_kstr(w, "sha256", v->sha256);
    jw_kstr(w, "spki_sha256", v->spki_sha256);
    jw_ktime(w, "not_before", v->not_before);
    jw_ktime(w, "not_after", v->not_after);
    jw_ktime(w, "created", v->created);
    jw_ktime(w, "activated", v->activated);
    view_error(w, "refused", v->refused);
    jw_end_object(w);
}

void view_names(struct json_writer *w, const char *key, const struct names *names)
{
    jw_key(w, key);
    jw_array(w);
    for (size_t i = 0; i < names->n; i++)
        jw_str(w, names->v[i]);
    jw_end_array(w);
}

static void view_head(struct request *r, const struct cert *c, const struct cert_facts *f)
{
    struct json_writer *w = &r->w;
    jw_ki64(w, "id", c->id);
    jw_kstr(w, "name", c->name);
    view_names(w, "names", &c->names);
    view_names(w, "tags", &c->tags);
    jw_kstr(w, "ca", f->ca.name);
    view_group_of(r, c->group_id);
    view_org_of(r, c->organisation_id);
    jw_kstr(w, "key", c->key_alg);
    jw_kbool(w, "outside_csr", c->csr != NULL);
    jw_kstr(w, "health", cert_health_name(f->health));
    jw_ktime(w, "not_before", f->current.not_before);
    jw_ktime(w, "not_after", f->current.not_after);
    jw_kstr(w, "issuer", f->current.issuer);
    jw_kstr(w, "serial", f->current.serial);
    jw_kstr(w, "sha256", f->current.sha256);
    jw_ktime(w, "renew_at", c->renew_at);
    jw_key(w, "targets");
    jw_object(w);
    jw_ki64(w, "total", (int64_t)f->bindings.n);
    jw_ki64(w, "deployed", f->deployed);
    jw_ki64(w, "failed", f->failed);
    jw_end_object(w);
    jw_key(w, "job");
    if (f->open_job)
        jw_i64(w, f->open_job);
    else
        jw_null(w);
    jw_ktime(w, "created", c->created);
    jw_ktime(w, "updated", c->updated);
    jw_ki64(w, "revision", c->revision);
}

static enum rc view_history(struct request *r, const struct cert *c, struct err *err)
{
    struct json_writer *w = &r->w;
    struct cert_version_list versions;
    struct order_list orders;
    struct deployment_list deployments;
    TRY(db_version_list(r->db, c->id, r->a, &versions, err));
    TRY(db_order_list(r->db, c->id, false, 0, MANY, r->a, &orders, err));
    TRY(db_deployment_list(r->db, c->id, 0, 20, r->a, &deployments, err));
    jw_key(w, "versions");
    jw_array(w);
    for (size_t i = versions.n; i > 0; i--)
        view_version(w, &versions.v[i - 1]);
    jw_end_array(w);
    jw_key(w, "orders");
    jw_array(w);
    for (size_t i = orders.n; i > 0; i--)
        view_order(r, &(struct order_row){orders.v[i - 1], c->name});
    jw_end_array(w);
    jw_key(w, "deployments");
    jw_array(w);
    for (size_t i = 0; i < deployments.n; i++) {
        const struct deployment *d = &deployments.v[i];
        jw_object(w);
        jw_ki64(w, "id", d->id);
        jw_ki64(w, "version", d->version_id);
        jw_kstr(w, "state", deployment_state_name(d->state));
        jw_kstr(w, "reason", d->reason);
        jw_ktime(w, "created", d->created);
        jw_end_object(w);
    }
    jw_end_array(w);
    return RC_OK;
}

enum rc view_cert(struct request *r, const struct cert *c, bool detail, struct err *err)
{
    struct json_writer *w = &r->w;
    struct cert_facts f;
    TRY(cert_facts(r, c, &f, err));
    jw_object(w);
    view_head(r, c, &f);
    if (detail) {
        TRY(view_challenge(r, c->challenge, err));
        view_raw(w, "policy", c->policy);
        TRY(view_history(r, c, err));
        struct binding_row_list rows;
        TRY(db_binding_rows(r->db, c->id, 0, r->a, &rows, err));
        jw_key(w, "bindings");
        jw_array(w);
        for (size_t i = 0; i < rows.n; i++)
            view_binding_row(r, &rows.v[i]);
        jw_end_array(w);
    }
    jw_end_object(w);
    return RC_OK;
}
