/*
 * Certificates. Invariants: a new one and its first job are made in one transaction; the key of
 * an import is sealed by the vault and matches the certificate; nothing here leaves the vault.
 */
#include <string.h>

#include "api/priv.h"
#include "job/licence.h"

static enum rc job_answer(struct request *r, int64_t job, struct err *err)
{
    r->wake = true;
    r_event(r, "job", job);
    return view_job_answer(r, job, err);
}

static enum rc only_job(struct request *r, int64_t job, struct err *err)
{
    r->status = 202;
    jw_object(&r->w);
    TRY(job_answer(r, job, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static bool same_names(const struct names *a, const struct names *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        for (size_t k = 0; k < b->n; k++)
            found = found || strcmp(a->v[i], b->v[k]) == 0;
        if (!found)
            return false;
    }
    return true;
}

static enum rc open_issue(struct request *r, int64_t cert, int64_t *ret, struct err *err)
{
    struct job_list jobs;
    const char *subject = arena_printf(r->a, "cert/%lld", (long long)cert);
    if (!subject)
        return NOMEM(err);
    TRY(db_job_list(
        r->db,
        &(struct job_filter){.kind = "issue", .subject = subject, .only_open = true, .limit = 1},
        r->a, &jobs, err));
    *ret = jobs.n > 0 ? jobs.v[0].id : 0;
    return RC_OK;
}

static enum rc view_created(struct request *r, const struct cert *c, int64_t job, struct err *err)
{
    struct cert now;
    TRY(db_cert_get(r->db, c->id, r->a, &now, err));
    jw_object(&r->w);
    jw_key(&r->w, "cert");
    TRY(view_cert(r, &now, false, err));
    if (job)
        TRY(job_answer(r, job, err));
    jw_end_object(&r->w);
    return RC_OK;
}

/* A repeated request (same Idempotency-Key, same content) gets what the first one made. */
static enum rc repeated(struct request *r, const struct cert *c, bool *ret_done, struct err *err)
{
    struct cert old;
    struct err none;
    int64_t job = 0;
    *ret_done = false;
    enum rc rc = db_cert_find(r->db, c->name, r->a, &old, &none);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc != RC_OK) {
        *err = none;
        return rc;
    }
    r_subject(r, "cert", old.id);
    CHECK(r_header(r, "Idempotency-Key") && old.ca_id == c->ca_id &&
              same_names(&old.names, &c->names),
          err, RC_EXISTS, BLAME_INPUT,
          MSG("api.cert_exists",
              "a certificate called {0} exists; renew it, or choose another name for the new one",
              "{0} という証明書は既にあります。更新するか、別の管理名を指定してください"),
          c->name);
    TRY(open_issue(r, old.id, &job, err));
    *ret_done = true;
    return view_created(r, &old, job, err);
}

static enum rc create(struct request *r, const struct cert_in *in, struct err *err)
{
    struct cert c = {.created = r->now, .updated = r->now, .revision = 1};
    int64_t job = 0;
    bool done = false, existing = false;
    TRY(cert_from_input(r, in, &c, err));
    TRY(repeated(r, &c, &done, err));
    if (done)
        return RC_OK;
    TRY(licence_cert_add(r->db, &c, r->now, err));
    r_subject(r, "cert", c.id);
    if (in->request)
        TRY(job_request_issue(r->db, c.id, "request", r->now, &job, &existing, err));
    r->status = 201;
    r_event(r, "cert", c.id);
    return view_created(r, &c, job, err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    return create(r, r->in, err);
}

enum { LINE_NAMES_MAX = 100 };

/* "a.example, b.example" */
static enum rc line_names(struct request *r, const char *line, struct str_list *ret,
                          struct err *err)
{
    struct str rest = str_from(line), part;
    const char **v = arena_array(r->a, LINE_NAMES_MAX, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.n == 0)
            continue;
        CHECK(n < LINE_NAMES_MAX, err, RC_INPUT, BLAME_INPUT,
              MSG("api.batch_names", "one certificate has at most {0} names",
                  "1 枚の証明書の名前は {0} 個までです"),
              NUM(LINE_NAMES_MAX));
        if (!(v[n++] = arena_str(r->a, part)))
            return NOMEM(err);
    }
    CHECK(n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.batch_empty", "a line has no name", "名前のない行があります"));
    *ret = (struct str_list){v, n};
    return RC_OK;
}

static enum rc batch_one(struct request *r, const char *line, struct err *err)
{
    struct cert_in one = *(const struct cert_in *)r->in;
    r->subject = r->detail = NULL;
    TRY(line_names(r, line, &one.names, err));
    TRY(create(r, &one, err));
    return r_audit_as(r, "cert.create", err);
}

/* All of them or, when one is refused, none: whoever asks finds out which by asking for each. */
static enum rc run_batch(struct request *r, struct err *err)
{
    const struct cert_in *in = r->in;
    bool first;
    TRY(delay_changes(r, (int64_t)in->lines.n - 1, &first, err)); /* the request counted as one */
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < in->lines.n; i++) {
        enum rc rc = batch_one(r, in->lines.v[i], err);
        if (rc != RC_OK) {
            err_field(err, "lines");
            return WHILE(err, rc, MSG("api.while_line", "line {0}", "{0} 行目"), NUM(i + 1));
        }
    }
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    r->status = 201;
    r->subject = r->detail = NULL;
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct cert c;
    TRY(find_cert(r, r->params[0], &c, err));
    return view_cert(r, &c, true, err);
}

/* Shown in a way that is no longer the certificate's: nobody else would take them away. */
static enum rc proofs_of_before(struct request *r, const struct cert *was, const struct cert *is,
                                struct err *err)
{
    int64_t job = 0;
    if (!was->challenge || strcmp(was->challenge, is->challenge) == 0)
        return RC_OK;
    TRY(open_issue(r, was->id, &job, err));
    return job ? job_request_tidy_after(r->db, job, was->challenge, r->now, err) : RC_OK;
}

/* What has no key here cannot be put anywhere from here. */
static enum rc nothing_bound(struct request *r, const struct cert *c, struct err *err)
{
    struct binding_list l;
    TRY(db_binding_list(r->db, c->id, 0, r->a, &l, err));
    CHECK(l.n == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.csr_bound",
              "{0} is bound to {1} targets, which need its key; a CSR from outside has none here",
              "{0} は {1} 件の適用先に設定されており、秘密鍵が必要です。外部の CSR "
              "では鍵がありません"),
          c->name, NUM(l.n));
    return RC_OK;
}

/* The same checks as at creation, over what it will be. */
static enum rc become(struct request *r, const struct cert_in *in, const struct cert *was,
                      struct cert *is, struct err *err)
{
    struct connector ca = {0};
    if (!in->ca)
        TRY(db_connector_get(r->db, was->ca_id, r->a, &ca, err));
    struct cert_in all = {.tags = in->tags,
                          .csr = in->csr,
                          .names = in->names,
                          .name = in->name ? in->name : was->name,
                          .ca = in->ca ? in->ca : ca.name,
                          .key = in->key ? in->key : was->key_alg,
                          .group = in->group,
                          .organisation = in->organisation};
    if (in->names.n == 0 && !in->csr)
        all.names = (struct str_list){was->names.v, was->names.n};
    TRY(cert_from_input(r, &all, is, err));
    if (!json_get(r->body, "policy") && was->policy)
        is->policy = was->policy;
    return is->csr && !was->csr ? nothing_bound(r, was, err) : RC_OK;
}

/* One that came without a CA gets its first: it is renewed by itself from now on, unless the same
 * change says otherwise. */
static enum rc first_ca(struct request *r, const struct cert *was, struct cert *is, struct err *err)
{
    AUTO(json) struct json *policy = NULL;
    struct cert_version v;
    if (was->ca_id || !is->ca_id || !was->current_id)
        return RC_OK;
    if (!json_get(r->body, "policy"))
        is->policy = "{}";
    TRY(stored_json(is->policy, &policy, err));
    if (!json_bool_or(policy, "auto_renew", true))
        return RC_OK;
    TRY(db_version_get(r->db, was->current_id, r->a, &v, err));
    struct renew_facts f = {.not_before = v.not_before,
                            .not_after = v.not_after,
                            .before = json_i64_or(policy, "renew_before", 0) * USEC_PER_SEC,
                            .seed = (uint64_t)v.id};
    is->renew_at = renew_time(&f);
    return RC_OK;
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct cert_in *in = r->in;
    struct cert c;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    TRY(check_revision(r, in->revision, c.revision, err));
    struct cert n = c;
    TRY(in->ca || c.ca_id ? become(r, in, &c, &n, err) : cert_kept_from_input(r, in, &n, err));
    TRY(first_ca(r, &c, &n, err));
    TRY(proofs_of_before(r, &c, &n, err));
    n.updated = r->now;
    TRY(db_cert_update(r->db, &n, err));
    TRY(db_cert_get(r->db, c.id, r->a, &n, err));
    r_event(r, "cert", c.id);
    return view_cert(r, &n, true, err);
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct cert c;
    int64_t job = 0;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    TRY(check_revision(r, 0, c.revision, err));
    TRY(open_issue(r, c.id, &job, err));
    CHECK(job == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.cert_busy", "job {0} is working on it; cancel that first",
              "ジョブ {0} が処理中です。先に取り消してください"),
          NUM(job));
    TRY(db_cert_remove(r->db, c.id, err));
    r_event(r, "cert", c.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

struct reason_in {
    const char *reason;
};
static const struct field reason_fields[] = {
    FIELD_STR(struct reason_in, reason, .max = 200, .label = {"Reason", "理由"}), FIELD_END};

static enum rc run_issue(struct request *r, struct err *err)
{
    struct cert c;
    int64_t job = 0;
    bool existing = false;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    CHECK(c.ca_id, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.cert_no_ca", "this certificate was imported and has no CA; name one",
              "この証明書は取り込んだもので認証局がありません。認証局を指定してください"));
    TRY(job_request_issue(r->db, c.id, r->route->arg, r->now, &job, &existing, err));
    if (existing)
        TRY(job_ask_again(r->db, job, r->now, err));
    return only_job(r, job, err);
}

struct revoke_in {
    int64_t version;
    const char *reason;
};
static const struct field_choice reasons[] = {
    {"unspecified", {"Unspecified", "指定なし"}},
    {"key_compromise", {"Key compromise", "鍵の危殆化"}},
    {"affiliation_changed", {"Affiliation changed", "所属の変更"}},
    {"superseded", {"Superseded", "置き換え"}},
    {"cessation_of_operation", {"Cessation of operation", "運用停止"}},
    {NULL, {NULL, NULL}}};
static const int reason_codes[] = {0, 1, 3, 4, 5}; /* RFC 5280 5.3.1 */
static const struct field revoke_fields[] = {
    FIELD_INT(struct revoke_in, version, .min = 1, .max = INT64_MAX, .label = {"Version", "版"}),
    FIELD_ENUM(struct revoke_in, reason, .flags = FIELD_REQUIRED, .choices = reasons,
               .label = {"Reason", "理由"}),
    FIELD_END};

static enum rc run_revoke(struct request *r, struct err *err)
{
    const struct revoke_in *in = r->in;
    struct cert c;
    struct cert_version v;
    int64_t job = 0;
    int code = 0;
    bool existing = false;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    int64_t id = in->version ? in->version : c.current_id;
    enum rc rc = id ? db_version_get(r->db, id, r->a, &v, err) : RC_NOT_FOUND;
    if (rc == RC_OK && v.cert_id != c.id)
        rc = RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_version", "the certificate has no such version",
                        "証明書にその版はありません"));
    TRY(rc);
    CHECK(v.chain && v.state != VERSION_REVOKED && c.ca_id, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.revoke_state",
              "this version is revoked already, was never issued, or is not from a CA of ours",
              "この版は失効済み、未発行、または登録した認証局のものではありません"));
    for (size_t i = 0; reasons[i].value; i++)
        if (strcmp(reasons[i].value, in->reason) == 0)
            code = reason_codes[i];
    TRY(job_request_revoke(r->db, id, code, r->now, &job, &existing, err));
    if (existing)
        TRY(job_ask_again(r->db, job, r->now, err));
    return only_job(r, job, err);
}

struct deploy_in {
    int64_t binding, version;
    const char *target;
    bool plan;
};
static const struct field deploy_fields[] = {
    FIELD_INT(struct deploy_in, binding, .min = 1, .max = INT64_MAX,
              .label = {"Binding", "適用設定"}),
    FIELD_INT(struct deploy_in, version, .min = 1, .max = INT64_MAX, .label = {"Version", "版"}),
    FIELD_STR(struct deploy_in, target, .max = 128, .label = {"Target", "適用先"}),
    FIELD_BOOL(struct deploy_in, plan, .label = {"Plan only", "計画だけ"}), FIELD_END};

static enum rc pick_binding(struct request *r, const struct cert *c, const struct deploy_in *in,
                            int64_t *ret, struct err *err)
{
    struct binding_list list;
    struct connector target = {0};
    *ret = in->binding;
    if (in->target) {
        TRY(find_connector(r, "target", in->target, &target, err));
        TRY(db_binding_list(r->db, c->id, target.id, r->a, &list, err));
        CHECK(list.n <= 1, err, RC_INPUT, BLAME_INPUT,
              MSG("api.bindings_many",
                  "{0} has several bindings of this certificate; name the binding by its number",
                  "{0} にはこの証明書の適用設定が複数あります。番号で指定してください"),
              in->target);
        *ret = list.n > 0 ? list.v[0].id : 0;
    } else {
        TRY(db_binding_list(r->db, c->id, 0, r->a, &list, err));
    }
    bool found = *ret == 0 && !in->target && list.n > 0;
    for (size_t i = 0; i < list.n; i++)
        found = found || list.v[i].id == *ret;
    CHECK(found, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_binding", "the certificate has no such binding; see inro bind",
              "証明書にその適用設定はありません。inro bind で作成してください"));
    return RC_OK;
}

static enum rc run_deploy(struct request *r, struct err *err)
{
    const struct deploy_in *in = r->in;
    struct cert c;
    int64_t job = 0, binding = 0;
    bool existing = false;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    TRY(pick_binding(r, &c, in, &binding, err));
    if (!in->plan) /* a plan only looks */
        TRY(licence_gate(r->db, r->now, err));
    if (in->plan)
        TRY(job_request_plan(r->db, c.id, binding, r->now, &job, err));
    else
        TRY(job_request_deploy(r->db, c.id, in->version, binding, "manual", r_person(r), r->now,
                               &job, &existing, err));
    return only_job(r, job, err);
}

static enum rc run_undo(struct request *r, struct err *err)
{
    struct cert c;
    int64_t job = 0;
    bool existing = false;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    TRY(job_request_undo(r->db, c.id, r->now, &job, &existing, err));
    return only_job(r, job, err);
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const char *const objects[] = {"challenge", "policy", NULL};
static const struct field update_fields[] = {
    FIELD_LIST(struct cert_in, names, .max = 100, .label = {"Names", "ドメイン名"}),
    FIELD_STR(struct cert_in, name, .max = 128, .label = {"Name in Inro", "管理名"}),
    FIELD_STR(struct cert_in, ca, .max = 128, .label = {"CA account", "認証局設定"}),
    FIELD_STR(struct cert_in, key, .max = 16, .label = {"Key", "鍵"}),
    FIELD_TEXT(struct cert_in, csr, .max = 65536,
               .label = {"CSR whose key was made elsewhere (PEM); null: made here again",
                         "外部で作成した CSR（PEM）。null で Inro 内の作成に戻す"}),
    FIELD_STR(struct cert_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_STR(struct cert_in, organisation, .max = 128,
              .label = {"Organisation in the subject", "サブジェクトの組織"}),
    FIELD_TAGS(struct cert_in),
    FIELD_INT(struct cert_in, revision, .min = 1, .max = INT64_MAX, .label = {"Revision", "版数"}),
    FIELD_END};

/* certs_list.c */
route_fn cert_list;
/* import.c */
route_fn cert_import;

static const struct route rows[] = {
    {"cert.list", "GET", "/certs", PERM(PERM_VIEW), ROUTE_READ, cert_list, .answer = "cursor Cert",
     .query = "q@cert tag state@cert ca target organisation end_from end_before sort@cert "
              "after@cursor limit",
     .summary = {"List the certificates", "証明書を一覧する"}},
    {"cert.create", "POST", "/certs", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE, run_create,
     .answer = "200/201 CertCreated",
     .summary = {"Add a certificate and apply for it", "証明書を登録して申請する"},
     BODY(cert_fields, struct cert_in), .objects = objects},
    {"cert.batch", "POST", "/certs/batch", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE,
     run_batch, .answer = "201 CertBatch",
     .summary = {"Add several certificates and apply for them, all or none",
                 "複数の証明書をまとめて登録して申請する（1 件でも不正なら登録しない）"},
     BODY(cert_batch_fields, struct cert_in), .objects = objects},
    {"cert.import", "POST", "/certs/import", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE,
     cert_import, .answer = "201 CertImported",
     .summary = {"Import a certificate, with its key or without", "証明書を取り込む"},
     BODY(cert_import_fields, struct import_in)},
    {"cert.get", "GET", "/certs/{id}", PERM(PERM_VIEW), ROUTE_READ, run_get, .answer = "CertDetail",
     .summary = {"One certificate", "証明書を表示する"}},
    {"cert.update", "PATCH", "/certs/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_update,
     .answer = "CertDetail", .summary = {"Change a certificate", "証明書の設定を変更する"},
     BODY(update_fields, struct cert_in), .objects = objects},
    {"cert.remove", "DELETE", "/certs/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_remove,
     .answer = "Done", .summary = {"Remove a certificate", "証明書を削除する"}},
    {"cert.request", "POST", "/certs/{id}/request", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE,
     run_issue, .answer = "202 JobStarted", .summary = {"Apply for a version", "申請する"},
     BODY(reason_fields, struct reason_in), .arg = "request"},
    {"cert.renew", "POST", "/certs/{id}/renew", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE,
     run_issue, .answer = "202 JobStarted", .summary = {"Renew now", "今すぐ更新する"},
     BODY(reason_fields, struct reason_in), .arg = "renew"},
    {"cert.revoke", "POST", "/certs/{id}/revoke", PERM(PERM_ADMIN), ROUTE_WRITE, run_revoke,
     .answer = "202 JobStarted", .summary = {"Revoke a version at its CA", "失効させる"},
     BODY(revoke_fields, struct revoke_in)},
    {"cert.deploy", "POST", "/certs/{id}/deploy", PERM(PERM_OPERATE), ROUTE_WRITE, run_deploy,
     .answer = "202 JobStarted",
     .summary = {"Deploy, or only plan it", "適用する（または計画する）"},
     BODY(deploy_fields, struct deploy_in)},
    {"cert.undo", "POST", "/certs/{id}/undo", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_LICENCE,
     run_undo, .answer = "202 JobStarted",
     .summary = {"Put the previous version back", "前の版に戻す"}},
};
ROUTE_SET(routes_cert, rows);
