/*
 * The pre-flight of proof of control: a job looks at each name as the CA would, and whoever asked
 * follows it here. Invariants: only the one who asked (or an administrator) sees the names and what
 * was found; no transaction is open while the long poll waits.
 */
#include <string.h>

#include "api/priv.h"

static enum rc run_start(struct request *r, struct err *err)
{
    const struct cert_in *in = r->in;
    struct cert c = {0};
    AUTO(json) struct json *challenge = NULL;
    int64_t job = 0;
    const char *by = r_person(r);
    if (!by)
        return NOMEM(err);
    TRY(cert_from_input(r, in, &c, err));
    TRY(json_parse(str_from(c.challenge), &challenge, err));
    TRY(job_request_preflight(r->db, c.ca_id, json_str_or(challenge, "type", "http-01"), &c.names,
                              by, r->now, &job, err));
    r_subject(r, "job", job);
    r->wake = true;
    r->status = 202;
    jw_object(&r->w);
    jw_ki64(&r->w, "id", job);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc look(struct request *r, int64_t id, struct job *ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    AUTO(json) struct json *payload = NULL;
    struct job j;
    const char *by = r_person(r);
    TRY(r_read(r, &db, err));
    db_scope(db, NULL); /* a pre-flight belongs to a person, not to a group */
    enum rc rc = by ? db_job_get(db, id, r->a, &j, err) : NOMEM(err);
    if (rc == RC_OK && strcmp(j.kind, "preflight") == 0)
        rc = stored_json(j.payload, &payload, err);
    else if (rc == RC_OK)
        rc = RC_NOT_FOUND;
    bool mine = rc == RC_OK && (strcmp(json_str_or(payload, "by", ""), by) == 0 ||
                                role_allows(r->role, PERM_ADMIN));
    if (rc == RC_NOT_FOUND || (rc == RC_OK && !mine))
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_preflight", "you have asked for no such pre-flight",
                        "その事前確認はありません"));
    *ret = j;
    return rc;
}

/* Another finding. */
static bool news(const struct job *a, const struct job *b)
{
    return strcmp(a->progress ? a->progress : "", b->progress ? b->progress : "") != 0;
}

/* All names in the order given; those not looked at yet have "done": false. */
static enum rc view(struct request *r, const struct job *j, struct err *err)
{
    struct json_writer *w = &r->w;
    AUTO(json) struct json *payload = NULL, *progress = NULL;
    TRY(stored_json(j->payload, &payload, err));
    TRY(stored_json(j->progress, &progress, err));
    const struct json *names = json_get(payload, "names"), *seen = json_get(progress, "names");
    jw_object(w);
    jw_ki64(w, "id", j->id);
    jw_kstr(w, "state", job_state_name(j->state));
    view_error(w, "error", j->error);
    jw_key(w, "names");
    jw_array(w);
    for (size_t i = 0; i < json_len(names); i++) {
        jw_object(w);
        jw_kstr(w, "name", json_as_str(json_at(names, i)));
        jw_kbool(w, "done", i < json_len(seen));
        jw_key(w, "findings");
        if (i < json_len(seen)) {
            jw_json(w, json_get(json_at(seen, i), "findings"));
        } else {
            jw_array(w);
            jw_end_array(w);
        }
        jw_end_object(w);
    }
    jw_end_array(w);
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    static const struct job_view how = {look, news};
    struct job j;
    TRY(job_await(r, &how, &j, err));
    return view(r, &j, err);
}

static const char *const objects[] = {"challenge", "policy", NULL};
static const struct route rows[] = {
    {"preflight.start", "POST", "/preflights", PERM(PERM_OPERATE), ROUTE_WRITE, run_start,
     .answer = "202 PreflightStarted",
     .summary = {"Look at the names of an application as the CA would",
                 "申請するドメイン名を認証局と同じ方法で確認する"},
     .body = cert_fields, .body_size = sizeof(struct cert_in), .objects = objects},
    {"preflight.get", "GET", "/preflights/{id}", PERM(PERM_OPERATE), 0, run_get,
     .answer = "Preflight", .query = "wait",
     .summary = {"What was found so far; wait=SECONDS waits for more",
                 "確認の結果（wait=秒で変化を待つ）"}},
};
ROUTE_SET(routes_preflight, rows);
