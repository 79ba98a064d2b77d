/* Endpoints that are watched, and what they served. */
#include <string.h>

#include "api/priv.h"

struct endpoint_in {
    const char *host, *sni, *starttls, *cert, *group;
    int64_t port, every, revision;
};
static const struct field_choice starttls[] = {{"none", {"TLS at once", "TLS"}},
                                               {"smtp", {"SMTP", "SMTP"}},
                                               {"imap", {"IMAP", "IMAP"}},
                                               {"pop3", {"POP3", "POP3"}},
                                               {NULL, {NULL, NULL}}};
static const struct field endpoint_fields[] = {
    FIELD_HOST(struct endpoint_in, host, .flags = FIELD_REQUIRED, .label = {"Host", "ホスト"}),
    FIELD_PORT(struct endpoint_in, port, .dflt = "443", .label = {"Port", "ポート"}),
    FIELD_STR(struct endpoint_in, sni, .max = 253,
              .label = {"Server name (SNI)", "サーバー名 (SNI)"}),
    FIELD_ENUM(struct endpoint_in, starttls, .dflt = "none", .choices = starttls,
               .label = {"STARTTLS", "STARTTLS"}),
    FIELD_STR(struct endpoint_in, cert, .max = 253,
              .label = {"Certificate expected there", "期待する証明書"}),
    FIELD_STR(struct endpoint_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_SECS(struct endpoint_in, every, .dflt = "1h", .min = 60, .max = (int64_t)30 * 86400,
               .label = {"Look every", "確認間隔"}),
    FIELD_END};

void view_endpoint(struct request *r, const struct endpoint *e)
{
    struct json_writer *w = &r->w;
    jw_object(w);
    jw_ki64(w, "id", e->id);
    jw_kstr(w, "host", e->host);
    jw_ki64(w, "port", e->port);
    jw_kstr(w, "sni", e->sni);
    jw_kstr(w, "starttls", e->starttls);
    jw_key(w, "cert");
    if (e->cert_id)
        jw_i64(w, e->cert_id);
    else
        jw_null(w);
    view_cert_name(r, e->cert_id);
    view_group_of(r, e->group_id);
    jw_ki64(w, "every", e->every);
    jw_ktime(w, "next_at", e->next_at);
    jw_kstr(w, "state", e->state);
    view_raw(w, "seen", e->seen);
    jw_ktime(w, "seen_at", e->seen_at);
    jw_ktime(w, "created", e->created);
    jw_ktime(w, "updated", e->updated);
    jw_ki64(w, "revision", e->revision);
    jw_end_object(w);
}

enum rc endpoint_begin(struct request *r, struct endpoint *e, struct err *err)
{
    int64_t job = 0;
    e->next_at = e->created = e->updated = r->now;
    e->state = "new";
    e->revision = 1;
    TRY(db_endpoint_add(r->db, e, err));
    TRY(job_request_watch(r->db, e->id, r->now, &job, err));
    r_subject(r, "endpoint", e->id);
    r_event(r, "endpoint", e->id);
    r->wake = true;
    return RC_OK;
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct endpoint_in *in = r->in;
    struct cert c = {0};
    if (in->cert)
        TRY(find_cert(r, in->cert, &c, err));
    if (in->sni && !host_is_valid(in->sni)) {
        enum rc rc =
            FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("api.sni", "{0} is not a host name", "{0} はホスト名ではありません"), in->sni);
        err_field(err, "sni");
        return rc;
    }
    struct endpoint e = {.host = in->host,
                         .port = in->port,
                         .sni = in->sni,
                         .starttls = in->starttls,
                         .cert_id = c.id,
                         .every = in->every};
    TRY(group_from_input(r, in->group, c.group_id, &e.group_id, err));
    TRY(endpoint_begin(r, &e, err));
    TRY(db_endpoint_get(r->db, e.id, r->a, &e, err));
    r->status = 201;
    view_endpoint(r, &e);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    const char *cert = r_query(r, "cert"), *target = r_query(r, "target");
    struct cert c = {0};
    struct connector t = {0};
    struct endpoint_list list;
    int64_t after, limit;
    TRY(r_page(r, &after, &limit, err));
    if (cert)
        TRY(find_cert(r, cert, &c, err));
    if (target)
        TRY(find_connector(r, "target", target, &t, err));
    if (target)
        TRY(db_endpoint_of_target(r->db, t.id, after, (int)limit, r->a, &list, err));
    else if (r_query(r, "state") || r_query(r, "q"))
        TRY(db_endpoint_search(r->db, r_query(r, "state"), r_query(r, "q"), after, (int)limit, r->a,
                               &list, err));
    else
        TRY(db_endpoint_list(r->db, c.id, after, (int)limit, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_endpoint(r, &list.v[i]);
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static enum rc find(struct request *r, struct endpoint *ret, struct err *err)
{
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "endpoint", id);
    return db_endpoint_get(r->db, id, r->a, ret, err);
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct endpoint e;
    TRY(find(r, &e, err));
    view_endpoint(r, &e);
    return RC_OK;
}

static const struct field change_fields[] = {
    FIELD_STR(struct endpoint_in, cert, .max = 253,
              .label = {"Certificate expected there", "期待する証明書"}),
    FIELD_STR(struct endpoint_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_SECS(struct endpoint_in, every, .min = 60, .max = (int64_t)30 * 86400,
               .label = {"Look every", "確認間隔"}),
    FIELD_INT(struct endpoint_in, revision, .min = 1, .max = INT64_MAX,
              .label = {"Revision", "版数"}),
    FIELD_END};

static enum rc run_update(struct request *r, struct err *err)
{
    const struct endpoint_in *in = r->in;
    struct endpoint e;
    struct cert c = {0};
    TRY(find(r, &e, err));
    TRY(check_revision(r, in->revision, e.revision, err));
    if (in->cert)
        TRY(find_cert(r, in->cert, &c, err));
    if (json_get(r->body, "cert"))
        e.cert_id = c.id;
    if (in->every)
        e.every = in->every;
    TRY(group_from_input(r, in->group, e.group_id, &e.group_id, err));
    e.next_at = r->now;
    e.updated = r->now;
    TRY(db_endpoint_update(r->db, &e, err));
    TRY(db_endpoint_get(r->db, e.id, r->a, &e, err));
    r_event(r, "endpoint", e.id);
    r->wake = true;
    view_endpoint(r, &e);
    return RC_OK;
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct endpoint e;
    TRY(find(r, &e, err));
    TRY(db_endpoint_remove(r->db, e.id, err));
    r_event(r, "endpoint", e.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_look(struct request *r, struct err *err)
{
    struct endpoint e;
    int64_t job = 0;
    TRY(find(r, &e, err));
    TRY(job_request_watch(r->db, e.id, r->now, &job, err));
    r->wake = true;
    r->status = 202;
    jw_object(&r->w);
    TRY(view_job_answer(r, job, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_observations(struct request *r, struct err *err)
{
    struct endpoint e;
    struct observation_list list;
    struct json_writer *w = &r->w;
    int64_t before, limit;
    TRY(find(r, &e, err));
    TRY(r_page(r, &before, &limit, err));
    TRY(db_observation_list(r->db, e.id, before, (int)limit, r->a, &list, err));
    jw_object(w);
    jw_key(w, "items");
    jw_array(w);
    for (size_t i = 0; i < list.n; i++) {
        const struct observation *o = &list.v[i];
        jw_object(w);
        jw_ki64(w, "id", o->id);
        jw_kstr(w, "addr", o->addr);
        jw_ktime(w, "at", o->at);
        jw_kstr(w, "sha256", o->sha256);
        jw_kstr(w, "subject", o->subject);
        jw_kstr(w, "issuer", o->issuer);
        jw_kstr(w, "protocol", o->protocol);
        jw_ktime(w, "not_after", o->not_after);
        jw_kbool(w, "trusted", o->trusted);
        view_error(w, "error", o->error);
        jw_end_object(w);
    }
    view_page_end(w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static const struct route rows[] = {
    {"endpoint.list", "GET", "/endpoints", PERM(PERM_VIEW), ROUTE_READ, run_list,
     .answer = "page Endpoint", .query = "cert target@watch state@endpoint q after limit",
     .summary = {"List what is watched", "監視対象を一覧する"}},
    {"endpoint.create", "POST", "/endpoints", PERM(PERM_OPERATE), ROUTE_WRITE, run_create,
     .answer = "201 Endpoint", .summary = {"Watch an endpoint", "監視対象を追加する"},
     .body = endpoint_fields, .body_size = sizeof(struct endpoint_in)},
    {"endpoint.get", "GET", "/endpoints/{id}", PERM(PERM_VIEW), ROUTE_READ, run_get,
     .answer = "Endpoint", .summary = {"One endpoint", "監視対象を表示する"}},
    {"endpoint.update", "PATCH", "/endpoints/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_update,
     .answer = "Endpoint",
     .summary = {"Change what is expected there, and how often", "監視対象を変更する"},
     .body = change_fields, .body_size = sizeof(struct endpoint_in)},
    {"endpoint.remove", "DELETE", "/endpoints/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_remove,
     .answer = "Done", .summary = {"Stop watching", "監視をやめる"}},
    {"endpoint.look", "POST", "/endpoints/{id}/look", PERM(PERM_OPERATE), ROUTE_WRITE, run_look,
     .answer = "202 JobStarted", .summary = {"Look now", "今すぐ確認する"}},
    {"endpoint.observations", "GET", "/endpoints/{id}/observations", PERM(PERM_VIEW), ROUTE_READ,
     run_observations, .answer = "page Observation", .query = "after limit",
     .summary = {"What was seen there", "検出結果を一覧する"}},
};
ROUTE_SET(routes_watch, rows);
