/*
 * The SSH host key that a person accepts for a target or a place of backups, after it was refused.
 * Invariants: nothing else of the settings changes, and no secret is touched; what is accepted is
 * the fingerprint the person was shown, never one that is read now; the former pins go; work that
 * waited for it goes on, and the connection is tested.
 */
#include <string.h>

#include "api/priv.h"

struct host_key_in {
    const char *fingerprint;
    int64_t revision;
};
static const struct field host_key_fields[] = {
    FIELD_STR(struct host_key_in, fingerprint, .flags = FIELD_REQUIRED, .max = 64,
              .label = {"Fingerprint", "フィンガープリント"},
              .example = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"),
    FIELD_INT(struct host_key_in, revision, .min = 1, .max = INT64_MAX,
              .label = {"Revision", "版数"}),
    FIELD_END};

enum { PRINT_CHARS = 43 }; /* 32 bytes as base64 without padding */

static enum rc check_form(const char *text, struct err *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789+/";
    const char *p = strncmp(text, "SHA256:", 7) == 0 ? text + 7 : "";
    if (strlen(p) == PRINT_CHARS && strspn(p, digits) == PRINT_CHARS)
        return RC_OK;
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("api.host_key_form",
                 "this is not a fingerprint as OpenSSH prints it: SHA256: and 43 characters",
                 "OpenSSH 形式のフィンガープリント（SHA256: と 43 文字）ではありません"));
    err_field(err, "fingerprint");
    return rc;
}

/* The settings as stored, with the one member replaced. */
static enum rc with_key(struct request *r, struct connector *c, const char *key, struct err *err)
{
    AUTO(json) struct json *stored = NULL;
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    void *iter = NULL;
    const char *name;
    const struct json *value;
    TRY(stored_json(c->settings, &stored, err));
    CHECK(strcmp(json_str_or(stored, "via", ""), "ssh") == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.host_key_no_ssh", "{0} is not reached by SSH and has no host key",
              "{0} は SSH で接続しないため、ホスト鍵はありません"),
          c->name);
    jw_object(&w);
    while (json_next(stored, &iter, &name, &value)) {
        if (strcmp(name, "host_key") == 0)
            continue;
        jw_key(&w, name);
        jw_json(&w, value);
    }
    jw_kstr(&w, "host_key", key);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    c->settings = arena_str(r->a, buf_str(&b));
    return c->settings ? RC_OK : NOMEM(err);
}

static enum rc note(struct request *r, const char *settings, const char *key, struct err *err)
{
    AUTO(json) struct json *stored = NULL;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    const char *const sides[] = {"before", "after"};
    TRY(stored_json(settings, &stored, err));
    const char *const keys[] = {json_str_or(stored, "host_key", NULL), key};
    jw_object(&w);
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        jw_key(&w, sides[i]);
        jw_object(&w);
        jw_kstr(&w, "host_key", keys[i]);
        jw_end_object(&w);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    r->detail = arena_str(r->a, buf_str(&b));
    return r->detail ? RC_OK : NOMEM(err);
}

static bool waits_for_key(const struct job *j)
{
    AUTO(json) struct json *why = NULL;
    struct err none;
    if (j->state == JOB_RUNNING || !j->error ||
        json_parse(str_from(j->error), &why, &none) != RC_OK)
        return false;
    const char *id = json_str_or(why, "id", "");
    return strcmp(id, "net.ssh.changed") == 0 || strcmp(id, "net.ssh.unpinned") == 0;
}

static enum rc resume(struct request *r, const char *kind, const char *subject, struct err *err)
{
    struct job_filter f = {.kind = kind, .subject = subject, .only_open = true, .limit = 10};
    struct job_list l;
    if (!subject)
        return NOMEM(err);
    TRY(db_job_list(r->db, &f, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        if (!waits_for_key(&l.v[i]))
            continue;
        TRY(db_job_retry_now(r->db, l.v[i].id, r->now, err));
        jw_i64(&r->w, l.v[i].id);
    }
    return RC_OK;
}

/* Roll-outs of what is bound to the target, or the backup itself. */
static enum rc resume_all(struct request *r, const struct connector *c, struct err *err)
{
    struct binding_list l;
    if (strcmp(c->kind, "backup") == 0)
        return resume(r, "backup", arena_printf(r->a, "backup/%lld", (long long)c->id), err);
    TRY(db_binding_list(r->db, 0, c->id, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        bool again = false;
        for (size_t k = 0; k < i && !again; k++)
            again = l.v[k].cert_id == l.v[i].cert_id;
        if (!again)
            TRY(resume(r, "deploy", arena_printf(r->a, "cert/%lld", (long long)l.v[i].cert_id),
                       err));
    }
    return RC_OK;
}

static enum rc run_accept(struct request *r, struct err *err)
{
    const struct host_key_in *in = r->in;
    struct connector c;
    int64_t job = 0;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    r_subject(r, c.kind, c.id);
    TRY(check_form(in->fingerprint, err));
    TRY(check_revision(r, in->revision, c.revision, err));
    TRY(note(r, c.settings, in->fingerprint, err));
    TRY(with_key(r, &c, in->fingerprint, err));
    c.updated = r->now;
    TRY(db_connector_update(r->db, &c, err));
    TRY(job_request_check(r->db, c.id, r->now, &job, err));
    r_event(r, c.kind, c.id);
    r->wake = true;
    r->status = 202;
    jw_object(&r->w);
    TRY(view_job_answer(r, job, err));
    jw_key(&r->w, "resumed");
    jw_array(&r->w);
    TRY(resume_all(r, &c, err));
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

#define ACCEPT(kind_, id_, path_)                                                                  \
    {                                                                                              \
        id_ ".host_key", "POST", path_ "/{id}/host-key", PERM(PERM_ADMIN), ROUTE_WRITE,            \
            run_accept,                                                                            \
            .answer = "202 HostKeyAccepted",                                                       \
            .summary = {"Accept another SSH host key, test, and go on with what waited",           \
                        "SSH ホスト鍵を登録し直し、接続テストと待機中の処理を行う"},               \
            .body = host_key_fields, .body_size = sizeof(struct host_key_in), .arg = kind_         \
    }
static const struct route rows[] = {
    ACCEPT("target", "target", "/targets"),
    ACCEPT("backup", "backup_store", "/backup-stores"),
};
ROUTE_SET(routes_hostkey, rows);
