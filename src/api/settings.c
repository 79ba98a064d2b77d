/* Settings of the installation that have no object of their own. */
#include <string.h>

#include "api/priv.h"
#include "job/syslog.h"

static enum rc view_syslog(struct request *r, struct err *err)
{
    struct json_writer *w = &r->w;
    AUTO(json) struct json *progress = NULL;
    const char *text = NULL;
    char hash[65];
    int64_t head = 0;
    struct job_list jobs;
    TRY(db_meta_get(r->db, SYSLOG_META, r->a, &text, err));
    TRY(db_audit_head(r->db, &head, hash, err));
    TRY(db_job_list(r->db, &(struct job_filter){.kind = "syslog", .subject = "system", .limit = 1},
                    r->a, &jobs, err));
    if (jobs.n > 0)
        TRY(stored_json(jobs.v[0].progress, &progress, err));
    bool on = text && *text;
    jw_object(w);
    jw_kbool(w, "on", on);
    view_raw(w, "settings", on ? text : NULL);
    jw_ki64(w, "sent", json_i64_or(progress, "sent", 0));
    jw_ki64(w, "behind", on ? head - json_i64_or(progress, "sent", 0) : 0);
    jw_key(w, "error");
    jw_json(w, json_get(progress, "error"));
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    return view_syslog(r, err);
}

static enum rc run_put(struct request *r, struct err *err)
{
    int64_t job = 0;
    const char *text = NULL;
    TRY(encode_text(r, syslog_fields, r->in, SCHEMA_STORED, &text, err));
    TRY(db_meta_set(r->db, SYSLOG_META, text, err));
    TRY(job_request_syslog(r->db, r->now, &job, err));
    r->subject = "settings/syslog";
    r->wake = true;
    return view_syslog(r, err);
}

static enum rc run_off(struct request *r, struct err *err)
{
    TRY(db_meta_set(r->db, SYSLOG_META, "", err));
    r->subject = "settings/syslog";
    return view_syslog(r, err);
}

static const struct route rows[] = {
    {"syslog.get", "GET", "/settings/syslog", PERM(PERM_ADMIN), ROUTE_READ, run_get,
     .answer = "Syslog",
     .summary = {"Where the audit log is forwarded", "監査ログの転送先を表示する"}},
    {"syslog.set", "PUT", "/settings/syslog", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE, run_put,
     .answer = "Syslog",
     .summary = {"Forward the audit log to a syslog server", "監査ログを syslog に転送する"},
     .body = syslog_fields, .body_size = sizeof(struct syslog_settings)},
    {"syslog.off", "DELETE", "/settings/syslog", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE,
     run_off, .answer = "Syslog", .summary = {"Stop forwarding", "転送をやめる"}},
};
ROUTE_SET(routes_settings, rows);
