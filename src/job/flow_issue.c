/*
 * Issue: prepare -> key -> order <-> present -> finish. Invariants: the sealed key is durable
 * before its CSR leaves; the order's data is saved after every step at the CA, so no second order
 * is placed blindly; a certificate is complete and accepted before its row says STAGING.
 * Each save costs: where the CA takes the CSR late, prepare places the order too and key learns its
 * proofs; what is accepted is saved with the switch, when nothing outside is to be cleaned.
 */
#include "job/flow_issue.h"

#include <string.h>

#include "base/base64.h"
#include "codec/name.h"
#include "crypto/csr.h"
#include "crypto/digest.h"
#include "job/licence.h"

/* Asked before anything is made; an order that is under way goes on past the licence's end.
 * Nothing is counted here: the certificate is there already. */
static enum rc licence_allows(struct run *r, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    return licence_gate(db, run_now(r), err);
}

enum rc issue_proofs(struct run *r, struct issue *is, const struct json *l, struct err *err)
{
    size_t n = json_len(l);
    is->proofs = arena_array(r->a, n ? n : 1, sizeof *is->proofs);
    if (!is->proofs)
        return NOMEM(err);
    for (size_t i = 0; i < n; i++) {
        const struct json *j = json_at(l, i);
        is->proofs[i] =
            (struct presented){{json_str_or(j, "type", ""), json_str_or(j, "identifier", ""),
                                json_bool_or(j, "wildcard", false), json_str_or(j, "token", ""),
                                json_str_or(j, "value", "")},
                               json_str_or(j, "state", NULL)};
    }
    is->proof_count = n;
    return RC_OK;
}

enum rc issue_solver(struct run *r, struct issue *is, const struct json *j, struct err *err)
{
    const char *settings = NULL;
    const char *type = json_str_or(j, "type", NULL);
    if (!type)
        return RC_OK;
    is->solver = r->e->o.lookup.challenge(type);
    CHECK(is->solver, err, RC_INPUT, BLAME_INPUT,
          MSG("job.no_solver", "there is no challenge of type {0}; choose another for {1}",
              "チャレンジの種類 {0} はありません。{1} の設定で別の方式を選んでください"),
          type, is->cert.name);
    TRY(challenge_kept(j, r->a, &settings, &is->solver_place, err));
    return decode_settings(r, is->solver->head.fields, is->solver->head.settings_size, settings,
                           &is->solver_settings, err);
}

static enum rc load_rows(struct run *r, struct issue *is, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    int64_t version = json_i64_or(r->progress, "version", 0);
    int64_t order = json_i64_or(r->progress, "order", 0);
    struct binding_list b;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_cert_get(db, json_i64_or(r->payload, "cert", 0), r->a, &is->cert, err));
    TRY(run_connector(r, db, is->cert.ca_id, "ca", &is->ca, err));
    if (version)
        TRY(db_version_get(db, version, r->a, &is->version, err));
    is->csr = is->version.csr;
    if (order)
        TRY(db_order_get(db, order, r->a, &is->order, err));
    if (is->cert.current_id)
        TRY(db_version_get(db, is->cert.current_id, r->a, &is->current, err));
    TRY(db_binding_list(db, is->cert.id, 0, r->a, &b, err));
    is->has_bindings = b.n > 0;
    return RC_OK;
}

enum rc issue_load(struct run *r, struct issue **ret, struct err *err)
{
    struct issue *is = ARENA_NEW(r->a, struct issue);
    if (!is)
        return NOMEM(err);
    TRY(load_rows(r, is, err));
    TRY(run_json(r, is->cert.policy, &is->policy, err));
    const struct json *challenge = NULL;
    TRY(run_json(r, is->cert.challenge, &challenge, err));
    TRY(issue_solver(r, is, challenge, err));
    TRY(issue_proofs(r, is, json_get(r->progress, "proofs"), err));
    is->proofs_ready = json_bool_or(r->progress, "proofs_ready", false);
    is->proofs_at = json_i64_or(r->progress, "proofs_at", 0);
    is->renew_at = json_i64_or(r->progress, "renew_at", 0);
    is->given_up = json_i64_or(r->progress, "given_up", 0);
    *ret = is;
    return RC_OK;
}

enum rc issue_progress(struct run *r, const struct issue *is, struct step_out *out, struct err *err)
{
    AUTO(buf) struct buf b = BUF(1024 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_ki64(&w, "version", is->version.id);
    jw_ki64(&w, "order", is->order.id);
    jw_ki64(&w, "renew_at", is->renew_at);
    jw_ki64(&w, "deploy", is->deploy);
    jw_ki64(&w, "given_up", is->given_up);
    jw_kbool(&w, "proofs_ready", is->proofs_ready);
    jw_ki64(&w, "proofs_at", is->proofs_at);
    jw_key(&w, "proofs");
    jw_array(&w);
    for (size_t i = 0; i < is->proof_count; i++) {
        const struct presented *p = &is->proofs[i];
        jw_object(&w);
        jw_kstr(&w, "type", p->p.type);
        jw_kstr(&w, "identifier", p->p.identifier);
        jw_kbool(&w, "wildcard", p->p.wildcard);
        jw_kstr(&w, "token", p->p.token);
        jw_kstr(&w, "value", p->p.value);
        jw_kstr(&w, "state", p->state);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    out->progress = arena_strdup(r->a, buf_cstr(&b));
    return out->progress ? RC_OK : NOMEM(err);
}

static enum rc check_names(struct run *r, const struct issue *is, struct err *err)
{
    const struct cert *c = &is->cert;
    unsigned caps = is->ca.head->caps;
    CHECK(c->names.n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("job.no_names", "certificate {0} has no names", "証明書 {0} に名前がありません"),
          c->name);
    bool by_dns = is->solver && strncmp(is->solver->proof_type, "dns-", 4) == 0;
    for (size_t i = 0; i < c->names.n; i++) {
        const char *name = NULL;
        bool ip = false, wild = strncmp(c->names.v[i], "*.", 2) == 0;
        TRY(name_normalise(r->a, c->names.v[i], &name, &ip, err));
        CHECK(!wild || (caps & CA_CAP_WILDCARD), err, RC_INPUT, BLAME_INPUT,
              MSG("job.ca_wildcard", "{0}: this CA does not issue wildcard certificates",
                  "{0}: この認証局はワイルドカード証明書を発行しません"),
              name);
        CHECK(!wild || by_dns || (caps & CA_CAP_NO_PROOF), err, RC_INPUT, BLAME_INPUT,
              MSG("job.wildcard_dns", "{0}: a wildcard needs a DNS challenge (dns-01)",
                  "{0}: ワイルドカードには DNS チャレンジ（dns-01）が必要です"),
              name);
        CHECK(!ip || (caps & CA_CAP_IP), err, RC_INPUT, BLAME_INPUT,
              MSG("job.ca_ip", "{0}: this CA does not issue for IP addresses",
                  "{0}: この認証局は IP アドレスの証明書を発行しません"),
              name);
    }
    CHECK(is->solver || (caps & CA_CAP_NO_PROOF), err, RC_INPUT, BLAME_INPUT,
          MSG("job.need_challenge", "{0}: choose how control of the names is proven (challenge)",
              "{0}: ドメイン名の管理権限の確認方法（チャレンジ）を選んでください"),
          c->name);
    return RC_OK;
}

/* Our own ceiling: no certificate is ordered more than ten times an hour, whatever goes wrong. */
enum rc issue_may_order(struct run *r, const struct issue *is, struct err *err)
{
    enum { MOST = 10 };
    AUTO(db) struct db *db = NULL;
    int64_t n = 0, oldest = 0, hour = 3600 * USEC_PER_SEC;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_ledger_count(db, is->cert.ca_id, "order", is->cert.name, run_now(r) - hour, &n, &oldest,
                        err));
    if (n < MOST)
        return RC_OK;
    enum rc rc = FAIL(err, RC_RATE, BLAME_REMOTE,
                      MSG("job.ledger", "{0} was ordered {1} times within an hour; waiting",
                          "{0} は 1 時間以内に {1} 回申請されました。時間をおいて再開します"),
                      is->cert.name, NUM(n));
    if (err)
        err->retry_at = oldest + hour;
    return rc;
}

/* Of what only the save itself tells. */
static enum rc keep_progress(struct run *r, const struct issue *is, struct err *err)
{
    struct step_out out = {0};
    TRY(issue_progress(r, is, &out, err));
    r->job.progress = arena_strdup(r->keep, out.progress);
    return r->job.progress ? RC_OK : NOMEM(err);
}

enum rc issue_add_rows(struct db *db, struct run *r, struct issue *is, struct err *err)
{
    int64_t now = run_now(r);
    is->version = (struct cert_version){.cert_id = is->cert.id,
                                        .state = VERSION_KEYED,
                                        .key_alg = is->cert.key_alg,
                                        .created = now};
    TRY(db_version_add(db, &is->version, err));
    is->order = (struct order){.cert_id = is->cert.id,
                               .version_id = is->version.id,
                               .ca_id = is->cert.ca_id,
                               .job_id = r->job.id,
                               .state = ORDER_OPEN,
                               .reason = json_str_or(r->payload, "reason", "request"),
                               .data = is->order.data,
                               .created = now,
                               .updated = now};
    TRY(db_order_add(db, &is->order, err));
    return keep_progress(r, is, err);
}

static enum rc save_prepare(struct db *db, struct run *r, void *arg, struct err *err)
{
    return issue_add_rows(db, r, arg, err);
}

static enum rc prepare(struct run *r, struct step_out *out, struct err *err)
{
    struct issue *is = NULL;
    TRY(issue_load(r, &is, err));
    TRY(licence_allows(r, err));
    TRY(check_names(r, is, err));
    TRY(issue_may_order(r, is, err));
    is->is_new = true;
    out->save = save_prepare;
    out->arg = is;
    out->soon = true;
    enum rc rc = RC_OK;
    if (is->ca.head->caps & CA_CAP_LATE_CSR)
        rc = issue_dialogue(r, is, out, err);
    out->next = "key";
    return rc;
}

static enum rc save_version(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct issue *is = arg;
    (void)r;
    return db_version_update(db, &is->version, err);
}

/* CN holds at most 64 characters (RFC 5280 ub-common-name); a longer name is in the SAN only. */
static enum rc load_subject(struct run *r, const struct issue *is, struct subject *ret,
                            struct err *err)
{
    enum { CN_MAX = 64 };
    AUTO(db) struct db *db = NULL;
    struct organisation o;
    if (!is->cert.organisation_id)
        return RC_OK;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_organisation_get(db, is->cert.organisation_id, r->a, &o, err));
    const char *cn = is->cert.names.v[0];
    *ret = (struct subject){.common_name = strlen(cn) <= CN_MAX ? cn : NULL,
                            .organization = o.legal_name,
                            .locality = o.locality,
                            .state = o.state,
                            .country = o.country};
    return RC_OK;
}

static enum rc csr_spec_of(struct run *r, struct issue *is, struct csr_spec *ret, struct err *err)
{
    const char **dns = arena_array(r->a, is->cert.names.n, sizeof *dns);
    const char **ips = arena_array(r->a, is->cert.names.n, sizeof *ips);
    if (!dns || !ips)
        return NOMEM(err);
    *ret = (struct csr_spec){.dns = dns, .ips = ips};
    for (size_t i = 0; i < is->cert.names.n; i++) {
        const char *name = is->cert.names.v[i];
        if (host_is_ip(name, NULL))
            ips[ret->ip_count++] = name;
        else
            dns[ret->dns_count++] = name;
    }
    ret->must_staple = json_bool_or(is->policy, "must_staple", false);
    return load_subject(r, is, &ret->subject, err);
}

static enum rc make_key(struct run *r, struct issue *is, struct err *err)
{
    enum key_alg alg = KEY_EC256;
    struct csr_spec spec;
    struct cert_version *v = &is->version;
    CHECK(!is->cert.key_alg || key_alg_from_name(is->cert.key_alg, &alg), err, RC_INPUT,
          BLAME_INPUT, MSG("job.key_alg", "key type {0} is not known", "鍵の種類 {0} は不明です"),
          is->cert.key_alg);
    const char *place = arena_printf(r->a, "version/%lld/key", (long long)v->id);
    if (!place)
        return NOMEM(err);
    AUTO(buf) struct buf spki = BUF(8192), der = BUF(1024 * 1024), b64 = BUF(2 * 1024 * 1024);
    TRY(csr_spec_of(r, is, &spec, err));
    TRY(vault_generate_csr(r->w->vault, place, alg, &spec, r->a, &v->key_sealed, &spki, &der, err));
    char hex[65];
    sha256_hex(buf_str(&spki), hex);
    base64_add(&b64, der.p, der.len);
    TRY(buf_ok(&b64, err));
    v->key_alg = key_alg_name(alg);
    v->spki_sha256 = arena_strdup(r->a, hex);
    v->csr = arena_strdup(r->a, buf_cstr(&b64));
    is->version_changed = true;
    return v->spki_sha256 && v->csr ? RC_OK : NOMEM(err);
}

/* The key was made elsewhere and is never seen here. */
static enum rc take_csr(struct run *r, struct issue *is, struct err *err)
{
    struct cert_version *v = &is->version;
    AUTO(buf) struct buf der = BUF(1024 * 1024), again = BUF(1024 * 1024);
    struct csr_info i;
    TRY(issue_csr_der(is, is->cert.csr, &der, err));
    TRY(csr_parse(buf_str(&der), r->a, &i, &again, err));
    v->key_alg = i.key_name;
    v->csr = is->cert.csr;
    v->spki_sha256 = hex_of(r->a, i.spki_sha256, sizeof i.spki_sha256);
    is->version_changed = true;
    return v->spki_sha256 ? RC_OK : NOMEM(err);
}

static enum rc key_step(struct run *r, struct step_out *out, struct err *err)
{
    struct issue *is = NULL;
    TRY(issue_load(r, &is, err));
    TRY(is->cert.csr ? take_csr(r, is, err) : make_key(r, is, err));
    out->next = "order";
    out->save = save_version;
    out->arg = is;
    out->soon = true; /* the CA learns of the order next, and of the key only after that is saved */
    out->audit_done = is->cert.csr ? "issue.csr" : "issue.key";
    return is->ca.head->caps & CA_CAP_LATE_CSR ? issue_dialogue(r, is, out, err) : RC_OK;
}

static enum rc request_deploy(struct db *db, struct run *r, struct issue *is, struct err *err)
{
    int64_t job = 0;
    bool existing = false;
    TRY(db_cert_set_renew_at(db, is->cert.id, is->renew_at, err));
    TRY(job_request_deploy(db, is->cert.id, 0, 0, is->current.id ? "renew" : "issue", NULL,
                           run_now(r), &job, &existing, err));
    is->deploy = job;
    if (!existing)
        return RC_OK;
    struct job open;
    TRY(db_job_get(db, job, r->a, &open, err));
    return open.state == JOB_RUNNING ? RC_OK : db_job_retry_now(db, job, run_now(r), err);
}

static enum rc look_again(struct db *db, struct run *r, int64_t cert_id, struct err *err)
{
    struct endpoint_list l;
    TRY(db_endpoint_list(db, cert_id, 0, 100, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        TRY(job_request_watch(db, l.v[i].id, run_now(r), NULL, err));
    return RC_OK;
}

enum rc issue_save_end(struct db *db, struct run *r, struct issue *is, struct err *err)
{
    int64_t now = run_now(r);
    if (is->has_bindings) {
        TRY(request_deploy(db, r, is, err));
        TRY(keep_progress(r, is, err));
    } else {
        TRY(db_version_activate(db, is->version.id, is->renew_at, now, err));
        TRY(look_again(db, r, is->cert.id, err));
    }
    struct notice_facts f = {
        .event = is->current.id ? "cert.renewed" : "cert.issued",
        .subject = r->job.subject,
        .dedup = arena_printf(r->a, "issued:%lld", (long long)is->version.id),
        .name = is->cert.name,
        .expiry = is->version.not_after,
    };
    return notice_facts(db, &f, now, err);
}

void issue_end(struct run *r, struct issue *is, struct step_out *out)
{
    issue_clean(r, is);
    is->ended = true;
    out->done = true;
    out->audit_done = out->audit;
    out->audit = is->has_bindings ? "issue.staged" : "issue.switched";
}

static enum rc save_finish(struct db *db, struct run *r, void *arg, struct err *err)
{
    return issue_save_end(db, r, arg, err);
}

static enum rc finish(struct run *r, struct step_out *out, struct err *err)
{
    struct issue *is = NULL;
    TRY(issue_load(r, &is, err));
    out->save = save_finish;
    out->arg = is;
    issue_end(r, is, out);
    return RC_OK;
}

static enum rc failed(struct db *db, struct run *r, const struct err *why, bool blocked,
                      struct err *err)
{
    const struct json *progress = NULL; /* with what the save just added */
    TRY(run_json(r, r->job.progress, &progress, err));
    int64_t order = json_i64_or(progress, "order", 0), now = run_now(r);
    int64_t cert_id = json_i64_or(r->payload, "cert", 0);
    struct cert c;
    struct order o;
    if (order) {
        TRY(db_order_get(db, order, r->a, &o, err));
        o.error = err_json(r->a, why);
        o.updated = now;
        TRY(db_order_update(db, &o, err));
    }
    if (!blocked && r->job.attempts != 4)
        return RC_OK;
    enum rc rc = db_cert_get(db, cert_id, r->a, &c, err);
    if (rc != RC_OK)
        return rc == RC_NOT_FOUND ? RC_OK : rc;
    struct notice_facts f = {.event = blocked ? "cert.failed" : "cert.delayed",
                             .subject = r->job.subject,
                             .dedup = arena_printf(r->a, "%s:%lld:%s", blocked ? "failed" : "late",
                                                   (long long)r->job.id, why->id),
                             .name = c.name,
                             .why = why};
    r->made_work = true;
    return notice_facts(db, &f, now, err);
}

static void give_up(struct run *r)
{
    struct issue *is = NULL;
    /* what the failed step itself has shown is in what it leaves, not in what it began with */
    if (run_json(r, r->job.progress, &r->progress, NULL) != RC_OK ||
        issue_load(r, &is, NULL) != RC_OK || is->proof_count == 0)
        return;
    issue_clean(r, is);
    /* What a later try must do first: show the proofs again. */
    if (strcmp(r->job.step, "order") == 0)
        r->job.step = "present";
    (void)!keep_progress(r, is, NULL);
}

static const struct step steps[] = {
    {"prepare", {"Checking the request", "申請内容を確認しています"}, prepare, 0, false},
    {"key", {"Making the key and CSR", "秘密鍵と CSR を作成しています"}, key_step, 0, false},
    {"order", {"Talking to the CA", "認証局とやり取りしています"}, issue_order_step, 0, false},
    {"present",
     {"Proving control of the names", "ドメイン名の管理権限を証明しています"},
     issue_present_step,
     0,
     false},
    {"finish",
     {"Putting the certificate into service", "証明書を切り替えています"},
     finish,
     0,
     false},
};
const struct flow flow_issue = {"issue", steps, COUNT_OF(steps), failed, give_up};
