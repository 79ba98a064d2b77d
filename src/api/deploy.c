/* Bindings and deployments. Invariant: a place was accepted by the target type's place table. */
#include <string.h>

#include "api/priv.h"

struct binding_in {
    const char *cert, *target;
    int64_t seq, revision;
};
static const struct field binding_fields[] = {
    FIELD_STR(struct binding_in, cert, .flags = FIELD_REQUIRED, .max = 253,
              .label = {"Certificate", "証明書"}),
    FIELD_STR(struct binding_in, target, .flags = FIELD_REQUIRED, .max = 128,
              .label = {"Target", "適用先"}),
    FIELD_INT(struct binding_in, seq, .min = 0, .max = 1000000, .label = {"Order", "適用順"}),
    FIELD_END};
static const struct field patch_fields[] = {
    FIELD_INT(struct binding_in, seq, .min = 0, .max = 1000000, .label = {"Order", "適用順"}),
    FIELD_INT(struct binding_in, revision, .min = 1, .max = INT64_MAX,
              .label = {"Revision", "版数"}),
    FIELD_END};
static const char *const objects[] = {"place", NULL};

static enum rc place_text(struct request *r, const struct connector *target, const char **ret,
                          struct err *err)
{
    const struct target_ops *ops = target_find(target->type);
    CHECK(ops, err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("api.no_type", "there is no {0} type {1}; see inro docs",
              "{0} に {1} という種類はありません。inro docs を参照してください"),
          "target", target->type);
    void *place = arena_alloc(r->a, ops->place_size);
    if (!place)
        return NOMEM(err);
    enum rc rc =
        schema_decode(ops->place_fields, json_get(r->body, "place"), NULL, NULL, r->a, place, err);
    if (rc != RC_OK) {
        err_field(err, "place");
        return rc;
    }
    return encode_text(r, ops->place_fields, place, SCHEMA_STORED, ret, err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct binding_in *in = r->in;
    struct cert c;
    struct connector target;
    struct binding b = {.state = "new", .created = r->now, .updated = r->now, .revision = 1};
    TRY(find_cert(r, in->cert, &c, err));
    CHECK(!c.csr, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.bind_no_key",
              "the key of {0} was made outside, where its CSR comes from; Inro cannot deploy it",
              "{0} の秘密鍵は CSR と共に外部で作成されており、Inro からは適用できません"),
          c.name);
    TRY(find_connector(r, "target", in->target, &target, err));
    TRY(place_text(r, &target, &b.place, err));
    b.cert_id = c.id;
    b.target_id = target.id;
    b.seq = in->seq;
    if (!b.seq) { /* after those that are there */
        struct binding_list list;
        TRY(db_binding_list(r->db, c.id, 0, r->a, &list, err));
        b.seq = list.n > 0 ? list.v[list.n - 1].seq + 1 : 1;
    }
    TRY(db_binding_add(r->db, &b, err));
    TRY(db_binding_get(r->db, b.id, r->a, &b, err));
    r_subject(r, "binding", b.id);
    r_event(r, "cert", c.id);
    r->status = 201;
    return view_binding(r, b.id, err);
}

static enum rc run_list(struct request *r, struct err *err)
{
    const char *cert = r_query(r, "cert"), *target = r_query(r, "target");
    struct cert c = {0};
    struct connector t = {0};
    struct binding_row_list list;
    if (cert)
        TRY(find_cert(r, cert, &c, err));
    if (target)
        TRY(find_connector(r, "target", target, &t, err));
    TRY(db_binding_rows(r->db, c.id, t.id, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_binding_row(r, &list.v[i]);
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc find(struct request *r, struct binding *ret, struct err *err)
{
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "binding", id);
    return db_binding_get(r->db, id, r->a, ret, err);
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct binding b;
    TRY(find(r, &b, err));
    return view_binding(r, b.id, err);
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct binding_in *in = r->in;
    struct binding b;
    struct connector target;
    TRY(find(r, &b, err));
    TRY(check_revision(r, in->revision, b.revision, err));
    TRY(db_connector_get(r->db, b.target_id, r->a, &target, err));
    if (json_get(r->body, "place")) {
        const char *was = b.place;
        TRY(place_text(r, &target, &b.place, err));
        if (!was || strcmp(was, b.place) != 0) { /* nothing is deployed at the new place yet */
            b.state = "new";
            b.version_id = 0;
        }
    }
    if (in->seq)
        b.seq = in->seq;
    b.updated = r->now;
    TRY(db_binding_update(r->db, &b, err));
    TRY(db_binding_get(r->db, b.id, r->a, &b, err));
    r_event(r, "cert", b.cert_id);
    return view_binding(r, b.id, err);
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct binding b;
    TRY(find(r, &b, err));
    TRY(check_revision(r, 0, b.revision, err));
    TRY(db_binding_remove(r->db, b.id, err));
    r_event(r, "cert", b.cert_id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static void view_deployment(struct request *r, const struct deployment_row *row)
{
    struct json_writer *w = &r->w;
    const struct deployment *d = &row->d;
    jw_ki64(w, "id", d->id);
    jw_ki64(w, "cert", d->cert_id);
    jw_kstr(w, "cert_name", row->cert_name);
    jw_ki64(w, "version", d->version_id);
    jw_ki64(w, "previous", d->previous_id);
    jw_ki64(w, "job", d->job_id);
    jw_kstr(w, "state", deployment_state_name(d->state));
    jw_kstr(w, "reason", d->reason);
    jw_key(w, "targets");
    jw_object(w);
    jw_ki64(w, "total", row->total);
    jw_ki64(w, "deployed", row->done);
    jw_ki64(w, "failed", row->failed);
    jw_end_object(w);
    jw_ktime(w, "created", d->created);
    jw_ktime(w, "updated", d->updated);
}

static const char *state_name(int state)
{
    return deployment_state_name((enum deployment_state)state);
}

static enum rc read_query(struct request *r, struct deployment_query *ret, struct err *err)
{
    const char *cert = r_query(r, "cert"), *target = r_query(r, "target");
    struct cert c = {0};
    struct connector t = {0};
    int64_t limit;
    TRY(r_page(r, &ret->before, &limit, err));
    TRY(r_query_text(r, &ret->text, err));
    TRY(r_query_state(r, state_name, DEPLOYMENT_STOPPED + 1, &ret->in_state, err));
    if (cert)
        TRY(find_cert(r, cert, &c, err));
    if (target)
        TRY(find_connector(r, "target", target, &t, err));
    ret->cert_id = c.id;
    ret->target_id = t.id;
    ret->limit = (int)limit;
    return RC_OK;
}

static enum rc run_deployments(struct request *r, struct err *err)
{
    struct deployment_query q = {0};
    struct deployment_row_list list;
    TRY(read_query(r, &q, err));
    TRY(db_deployment_query(r->db, &q, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++) {
        jw_object(&r->w);
        view_deployment(r, &list.v[i]);
        jw_end_object(&r->w);
    }
    view_page_end(&r->w, list.n == (size_t)q.limit ? list.v[list.n - 1].d.id : 0);
    return RC_OK;
}

/* The target of a binding; id 0 and no name when either is gone. */
static struct connector target_of(struct request *r, int64_t binding)
{
    struct binding b;
    struct connector c;
    struct err none;
    enum rc rc = db_binding_get(r->db, binding, r->a, &b, &none);
    if (rc == RC_OK)
        rc = db_connector_get(r->db, b.target_id, r->a, &c, &none);
    return rc == RC_OK ? c : (struct connector){0};
}

static enum rc run_deployment(struct request *r, struct err *err)
{
    int64_t id;
    struct deployment_row d;
    struct deploy_item_list items;
    struct json_writer *w = &r->w;
    TRY(r_id(r->params[0], &id, err));
    TRY(db_deployment_row(r->db, id, r->a, &d, err));
    TRY(db_item_list(r->db, id, r->a, &items, err));
    jw_object(w);
    view_deployment(r, &d);
    jw_key(w, "items");
    jw_array(w);
    for (size_t i = 0; i < items.n; i++) {
        const struct deploy_item *t = &items.v[i];
        struct connector c = target_of(r, t->binding_id);
        jw_object(w);
        jw_ki64(w, "id", t->id);
        jw_ki64(w, "binding", t->binding_id);
        jw_kstr(w, "target", c.name);
        jw_id(w, "target_id", c.id);
        jw_kstr(w, "state", item_state_name(t->state));
        view_raw(w, "plan", t->plan);
        view_error(w, "error", t->error);
        jw_ktime(w, "updated", t->updated);
        jw_end_object(w);
    }
    jw_end_array(w);
    jw_end_object(w);
    return RC_OK;
}

#define BODY(f) .body = (f), .body_size = sizeof(struct binding_in), .objects = objects
static const struct route rows[] = {
    {"binding.list", "GET", "/bindings", PERM(PERM_VIEW), ROUTE_READ, run_list,
     .answer = "page Binding", .query = "cert target",
     .summary = {"List the bindings", "適用設定を一覧する"}},
    {"binding.create", "POST", "/bindings", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE,
     run_create, .answer = "201 Binding",
     .summary = {"Bind a certificate to a target", "証明書を適用先に結び付ける"},
     BODY(binding_fields)},
    {"binding.get", "GET", "/bindings/{id}", PERM(PERM_VIEW), ROUTE_READ, run_get,
     .answer = "Binding", .summary = {"One binding", "適用設定を表示する"}},
    {"binding.update", "PATCH", "/bindings/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_update,
     .answer = "Binding", .summary = {"Change a binding", "適用設定を変更する"},
     BODY(patch_fields)},
    {"binding.remove", "DELETE", "/bindings/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_remove,
     .answer = "Done", .summary = {"Remove a binding", "適用設定を削除する"}},
    {"deployment.list", "GET", "/deployments", PERM(PERM_VIEW), ROUTE_READ, run_deployments,
     .answer = "page Deployment", .query = "cert target state@deployment q after limit",
     .summary = {"List the deployments", "適用の履歴を一覧する"}},
    {"deployment.get", "GET", "/deployments/{id}", PERM(PERM_VIEW), ROUTE_READ, run_deployment,
     .answer = "DeploymentDetail",
     .summary = {"One deployment, target by target", "適用の内容を表示する"}},
};
ROUTE_SET(routes_deploy, rows);
