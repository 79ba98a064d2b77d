/* Making jobs. Invariant: everything happens in the caller's transaction; nothing runs here. */
#include <string.h>

#include "job/job_priv.h"
#include "job/notify_rule.h"

enum rc add_job(struct db *db, const char *kind, const char *subject, const char *step,
                const char *dedup, const char *cap, const char *payload, int64_t now,
                int64_t *ret_job, bool *ret_existing, struct err *err)
{
    struct job j = {.kind = kind,
                    .subject = subject,
                    .step = step,
                    .state = JOB_READY,
                    .run_at = now,
                    .dedup_key = dedup,
                    .cap_key = cap,
                    .payload = payload,
                    .created = now,
                    .updated = now};
    int64_t existing = 0;
    TRY(db_job_add(db, &j, &existing, err));
    if (ret_job)
        *ret_job = existing ? existing : j.id;
    if (ret_existing)
        *ret_existing = existing != 0;
    return RC_OK;
}

struct spec {
    const char *kind, *what, *step, *cap_what;
    int64_t id, cap_id;
    bool dedup;
};

static enum rc request(struct db *db, const struct spec *s, const char *payload, int64_t now,
                       int64_t *ret_job, bool *ret_existing, struct err *err)
{
    AUTO(buf) struct buf subject = BUF(64), dedup = BUF(64), cap = BUF(64);
    buf_addf(&subject, "%s/%lld", s->what, (long long)s->id);
    if (s->dedup)
        buf_addf(&dedup, "%s:%lld", s->kind, (long long)s->id);
    if (s->cap_what)
        buf_addf(&cap, "%s:%lld", s->cap_what, (long long)s->cap_id);
    TRY(buf_ok(&subject, err));
    TRY(buf_ok(&dedup, err));
    TRY(buf_ok(&cap, err));
    return add_job(db, s->kind, subject.p, s->step, dedup.p, cap.p, payload, now, ret_job,
                   ret_existing, err);
}

enum rc job_request_issue(struct db *db, int64_t cert_id, const char *reason, int64_t now,
                          int64_t *ret_job, bool *ret_existing, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    struct cert c;
    TRY(db_cert_get(db, cert_id, a, &c, err));
    CHECK(c.ca_id != 0, err, RC_INPUT, BLAME_INPUT,
          MSG("job.no_ca", "certificate {0} has no CA; choose one in its settings first",
              "証明書 {0} に認証局が設定されていません。先に認証局を選んでください"),
          c.name);
    AUTO(buf) struct buf p = BUF(1024);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "cert", cert_id);
    jw_kstr(&w, "reason", reason ? reason : "request");
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    struct spec s = {"issue", "cert", "prepare", "ca", cert_id, c.ca_id, true};
    return request(db, &s, p.p, now, ret_job, ret_existing, err);
}

/* A roll-out whose time has not come: nothing failed, and nothing is at work. */
static bool waits_for_its_time(const struct job *j, int64_t now)
{
    return strcmp(j->kind, "deploy") == 0 && j->state == JOB_READY && !j->error &&
           j->run_at > now && (strcmp(j->step, "begin") == 0 || strcmp(j->step, "again") == 0);
}

/* Who asks by hand for what waits for its time means now. */
static enum rc not_later(struct db *db, const struct job *j, int64_t now, struct err *err)
{
    if (!waits_for_its_time(j, now))
        return RC_OK;
    struct approval p = {.job_id = j->id, .begin_now = true, .at = now};
    TRY(db_approval_put(db, &p, err));
    return db_job_retry_now(db, j->id, now, err);
}

/*
 * A roll-out of this certificate is open already. One that waits after a failure gives way to
 * another wish, or is taken up now; one at work is never disturbed.
 */
static enum rc join_deploy(struct db *db, int64_t open_id, const struct spec *s,
                           const char *payload, bool asked, int64_t now, int64_t *ret_job,
                           bool *ret_existing, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(json) struct json *old = NULL, *wish = NULL;
    struct job j;
    if (!a)
        return NOMEM(err);
    TRY(db_job_get(db, open_id, a, &j, err));
    TRY(json_parse(str_from(j.payload), &old, err));
    TRY(json_parse(str_from(payload), &wish, err));
    bool same = json_i64_or(old, "version", 0) == json_i64_or(wish, "version", 0) &&
                json_i64_or(old, "binding", 0) == json_i64_or(wish, "binding", 0);
    bool settled = j.state != JOB_RUNNING && j.attempts > 0 && strcmp(j.step, "item") != 0 &&
                   strcmp(j.step, "stop") != 0;
    if (!same && settled) {
        TRY(db_job_cancel(db, j.id, now, err));
        return request(db, s, payload, now, ret_job, ret_existing, err);
    }
    CHECK(same || !asked, err, RC_CONFLICT, BLAME_INPUT,
          MSG("job.deploying", "a roll-out of this certificate is under way; wait for it to end",
              "この証明書は適用中です。完了してからやり直してください"));
    return settled ? db_job_retry_now(db, j.id, now, err)
           : asked ? not_later(db, &j, now, err)
                   : RC_OK;
}

enum rc job_approve(struct db *db, int64_t job_id, const char *by, const char *actor,
                    bool begin_now, int64_t now, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(json) struct json *payload = NULL, *error = NULL;
    struct job j;
    if (!a)
        return NOMEM(err);
    TRY(db_job_get(db, job_id, a, &j, err));
    if (j.payload)
        TRY(json_parse(str_from(j.payload), &payload, err));
    if (j.error)
        TRY(json_parse(str_from(j.error), &error, err));
    bool asks =
        j.state == JOB_BLOCKED && strcmp(json_str_or(error, "id", ""), "job.needs_approval") == 0;
    CHECK(asks || (begin_now && waits_for_its_time(&j, now)), err, RC_CONFLICT, BLAME_INPUT,
          MSG("job.not_waiting", "job {0} does not wait for anybody's word",
              "ジョブ {0} は承認を待っていません"),
          NUM(job_id));
    CHECK(!asks || strcmp(json_str_or(payload, "by", ""), by) != 0, err, RC_DENIED, BLAME_INPUT,
          MSG("job.own_wish", "who asked for a roll-out cannot approve it; ask a colleague",
              "自分で依頼した適用は承認できません。別の担当者に依頼してください"));
    struct approval p = {
        .job_id = job_id, .approved = asks, .begin_now = begin_now, .actor = actor, .at = now};
    TRY(db_approval_put(db, &p, err));
    return db_job_retry_now(db, job_id, now, err);
}

enum rc job_ask_again(struct db *db, int64_t job_id, int64_t now, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct job j;
    if (!a)
        return NOMEM(err);
    TRY(db_job_get(db, job_id, a, &j, err));
    return j.state == JOB_BLOCKED ? db_job_retry_now(db, job_id, now, err) : RC_OK;
}

/* Between its first target and its end: what is half done there must not be left. */
static int64_t roll_out_at_work(const struct job *j, struct err *err)
{
    AUTO(json) struct json *progress = NULL;
    bool mid = j->step && strcmp(j->step, "begin") != 0 &&
               (j->state == JOB_RUNNING || strcmp(j->step, "again") != 0);
    bool open = j->state == JOB_RUNNING || j->state == JOB_READY || j->state == JOB_BLOCKED;
    if (strcmp(j->kind, "deploy") != 0 || !mid || !open || !j->progress ||
        json_parse(str_from(j->progress), &progress, err) != RC_OK)
        return 0;
    return json_i64_or(progress, "deployment", 0);
}

enum rc job_stop(struct db *db, int64_t job_id, int64_t now, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct job j;
    struct deployment d;
    if (!a)
        return NOMEM(err);
    TRY(db_job_get(db, job_id, a, &j, err));
    int64_t deployment = roll_out_at_work(&j, err);
    if (!deployment)
        return db_job_cancel(db, job_id, now, err);
    TRY(db_deployment_get(db, deployment, a, &d, err));
    if (d.state == DEPLOYMENT_RUNNING)
        TRY(db_deployment_set_state(db, deployment, DEPLOYMENT_STOPPING, now, err));
    return j.state == JOB_RUNNING ? RC_OK : db_job_retry_now(db, job_id, now, err);
}

static enum rc request_deploy(struct db *db, int64_t cert_id, int64_t version_id,
                              int64_t binding_id, const char *reason, const char *by, int64_t now,
                              int64_t *ret_job, bool *ret_existing, struct err *err)
{
    AUTO(buf) struct buf p = BUF(1024);
    struct json_writer w = JSON_WRITER(&p);
    int64_t job = 0;
    bool existing = false;
    jw_object(&w);
    jw_ki64(&w, "cert", cert_id);
    jw_ki64(&w, "version", version_id);
    jw_ki64(&w, "binding", binding_id);
    jw_kstr(&w, "reason", reason);
    jw_kstr(&w, "by", by);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    struct spec s = {"deploy", "cert", "begin", NULL, cert_id, 0, true};
    TRY(request(db, &s, p.p, now, &job, &existing, err));
    bool asked = strcmp(reason, "manual") == 0 || strcmp(reason, "undo") == 0;
    if (existing)
        TRY(join_deploy(db, job, &s, p.p, asked, now, &job, &existing, err));
    if (ret_job)
        *ret_job = job;
    if (ret_existing)
        *ret_existing = existing;
    return RC_OK;
}

enum rc job_request_deploy(struct db *db, int64_t cert_id, int64_t version_id, int64_t binding_id,
                           const char *reason, const char *by, int64_t now, int64_t *ret_job,
                           bool *ret_existing, struct err *err)
{
    return request_deploy(db, cert_id, version_id, binding_id, reason ? reason : "manual", by, now,
                          ret_job, ret_existing, err);
}

enum rc job_request_undo(struct db *db, int64_t cert_id, int64_t now, int64_t *ret_job,
                         bool *ret_existing, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    struct deployment_list l;
    TRY(db_deployment_list(db, cert_id, 0, 50, a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].previous_id != 0 && l.v[i].previous_id != l.v[i].version_id &&
            l.v[i].state != DEPLOYMENT_RUNNING && l.v[i].state != DEPLOYMENT_STOPPING)
            return request_deploy(db, cert_id, l.v[i].previous_id, 0, "undo", NULL, now, ret_job,
                                  ret_existing, err);
    return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                MSG("job.no_previous", "there is no earlier deployed version to put back",
                    "元に戻せる以前の適用済みの証明書がありません"));
}

enum rc job_request_revoke(struct db *db, int64_t version_id, int reason, int64_t now,
                           int64_t *ret_job, bool *ret_existing, struct err *err)
{
    AUTO(buf) struct buf p = BUF(256);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "version", version_id);
    jw_ki64(&w, "reason", reason);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    struct spec s = {"revoke", "version", "revoke", NULL, version_id, 0, true};
    return request(db, &s, p.p, now, ret_job, ret_existing, err);
}

enum rc job_request_tidy(struct db *db, int64_t cert_id, int64_t job_id, const char *challenge,
                         const struct json *proofs, int64_t at, struct err *err)
{
    AUTO(json) struct json *kept = NULL;
    AUTO(buf) struct buf p = BUF((size_t)2 << 20);
    struct json_writer w = JSON_WRITER(&p);
    if (json_len(proofs) == 0 || !challenge || !*challenge)
        return RC_OK;
    TRY(json_parse(str_from(challenge), &kept, err));
    jw_object(&w);
    jw_ki64(&w, "cert", cert_id);
    jw_ki64(&w, "job", job_id);
    jw_key(&w, "challenge");
    jw_json(&w, kept);
    jw_key(&w, "proofs");
    jw_json(&w, proofs);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    struct spec s = {"tidy", "cert", "tidy", NULL, cert_id, 0, false};
    return request(db, &s, p.p, at, NULL, NULL, err);
}

enum rc job_request_tidy_after(struct db *db, int64_t job_id, const char *challenge, int64_t now,
                               struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(json) struct json *payload = NULL, *progress = NULL;
    struct job j;
    struct cert c;
    if (!a)
        return NOMEM(err);
    TRY(db_job_get(db, job_id, a, &j, err));
    if (strcmp(j.kind, "issue") != 0 || !j.progress || !*j.progress)
        return RC_OK;
    TRY(json_parse(str_from(j.payload), &payload, err));
    TRY(json_parse(str_from(j.progress), &progress, err));
    int64_t cert = json_i64_or(payload, "cert", 0);
    if (!challenge) {
        TRY(db_cert_get(db, cert, a, &c, err));
        challenge = c.challenge;
    }
    return job_request_tidy(db, cert, job_id, challenge, json_get(progress, "proofs"), now, err);
}

enum rc job_request_plan(struct db *db, int64_t cert_id, int64_t binding_id, int64_t now,
                         int64_t *ret_job, struct err *err)
{
    AUTO(buf) struct buf p = BUF(256);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "cert", cert_id);
    jw_ki64(&w, "binding", binding_id);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    struct spec s = {"plan", "cert", "plan", NULL, cert_id, 0, false};
    return request(db, &s, p.p, now, ret_job, NULL, err);
}

/* {"id": id}: jobs about one thing. */
static enum rc request_id(struct db *db, const struct spec *s, int64_t now, int64_t *ret_job,
                          struct err *err)
{
    AUTO(buf) struct buf p = BUF(64);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "id", s->id);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    return request(db, s, p.p, now, ret_job, NULL, err);
}

enum rc job_request_watch(struct db *db, int64_t endpoint_id, int64_t now, int64_t *ret_job,
                          struct err *err)
{
    struct spec s = {"watch", "endpoint", "look", NULL, endpoint_id, 0, true};
    return request_id(db, &s, now, ret_job, err);
}

enum rc job_request_check(struct db *db, int64_t connector_id, int64_t now, int64_t *ret_job,
                          struct err *err)
{
    struct spec s = {"check", "connector", "check", NULL, connector_id, 0, false};
    return request_id(db, &s, now, ret_job, err);
}

enum rc job_request_preflight(struct db *db, int64_t ca_id, const char *challenge,
                              const struct names *names, const char *by, int64_t now,
                              int64_t *ret_job, struct err *err)
{
    AUTO(buf) struct buf p = BUF(65536);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "ca", ca_id);
    jw_kstr(&w, "challenge", challenge);
    jw_kstr(&w, "by", by);
    jw_key(&w, "names");
    jw_array(&w);
    for (size_t i = 0; i < names->n; i++)
        jw_str(&w, names->v[i]);
    jw_end_array(&w);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    return add_job(db, "preflight", "preflight", "begin", NULL, "preflight", p.p, now, ret_job,
                   NULL, err);
}

enum rc job_request_notify_test(struct db *db, int64_t notifier_id, int64_t now, int64_t *ret_job,
                                struct err *err)
{
    struct spec s = {"notify_test", "connector", "send", "notifier",
                     notifier_id,   notifier_id, false};
    return request_id(db, &s, now, ret_job, err);
}

/* lang and recipients NULL: as the channel is set. */
struct audience {
    const char *lang, *recipients;
    int64_t group;
};

static enum rc add_delivery(struct db *db, int64_t notice_id, int64_t notifier_id,
                            const struct audience *to, int64_t now, struct err *err)
{
    struct delivery d = {.notice_id = notice_id,
                         .notifier_id = notifier_id,
                         .lang = to->lang,
                         .recipients = to->recipients,
                         .state = "waiting",
                         .updated = now};
    TRY(db_delivery_add(db, &d, err));
    struct spec s = {"notify", "delivery", "send", "notifier", d.id, notifier_id, true};
    return request_id(db, &s, now, NULL, err);
}

/* Through the group's own notifiers when it has any, else through the installation's. */
static enum rc tell(struct db *db, int64_t notice, const struct audience *to, struct arena *a,
                    int64_t now, struct err *err)
{
    struct connector_list l;
    bool own = false;
    TRY(db_connector_list(db, "notifier", 0, 1000, a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        own = own || (to->group && l.v[i].group_id == to->group);
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].group_id == (own ? to->group : 0))
            TRY(add_delivery(db, notice, l.v[i].id, to, now, err));
    return RC_OK;
}

/* Whose news it is, and whether they want it. */
static enum rc find_audience(struct db *db, const char *event, const char *subject, struct arena *a,
                             struct audience *ret, bool *ret_wanted, struct err *err)
{
    struct group g;
    struct notify_rule rule;
    TRY(db_subject_group(db, subject, &ret->group, err));
    if (!ret->group)
        return RC_OK;
    TRY(db_group_get(db, ret->group, a, &g, err));
    notify_rule_read(g.notify, a, &rule);
    *ret_wanted = notify_rule_wants(&rule, event);
    if (rule.recipients.n == 0)
        return RC_OK;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_array(&w);
    for (size_t i = 0; i < rule.recipients.n; i++)
        jw_str(&w, rule.recipients.v[i]);
    jw_end_array(&w);
    TRY(buf_ok(&b, err));
    ret->recipients = arena_str(a, buf_str(&b));
    ret->lang = rule.lang;
    return ret->recipients ? RC_OK : NOMEM(err);
}

enum rc notice_raise(struct db *db, const char *event, const char *subject, const char *dedup_key,
                     const char *data, int64_t now, struct err *err)
{
    struct notice n = {
        .event = event, .subject = subject, .dedup_key = dedup_key, .data = data, .created = now};
    bool is_new = false;
    TRY(db_notice_add(db, &n, &is_new, err));
    if (!is_new)
        return RC_OK;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    struct audience to = {0};
    bool wanted = true;
    TRY(find_audience(db, event, subject, a, &to, &wanted, err));
    return wanted ? tell(db, n.id, &to, a, now, err) : RC_OK;
}

enum rc job_request_backup(struct db *db, int64_t store_id, const char *place, const char *sealed,
                           int64_t now, int64_t *ret_job, bool *ret_existing, struct err *err)
{
    AUTO(buf) struct buf p = BUF(16384);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "store", store_id);
    if (sealed) {
        jw_key(&w, "passphrase");
        jw_object(&w);
        jw_kstr(&w, "sealed", sealed);
        jw_kstr(&w, "place", place);
        jw_end_object(&w);
        jw_kstr(&w, "place", place);
    }
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    if (store_id == 0) /* each has a passphrase of its own */
        return add_job(db, "backup", "backup", "write", NULL, "backup", p.p, now, ret_job,
                       ret_existing, err);
    AUTO(buf) struct buf subject = BUF(64), dedup = BUF(64);
    buf_addf(&subject, "backup/%lld", (long long)store_id);
    buf_addf(&dedup, "backup:%lld", (long long)store_id);
    TRY(buf_ok(&subject, err));
    TRY(buf_ok(&dedup, err));
    return add_job(db, "backup", subject.p, "write", dedup.p, "backup", p.p, now, ret_job,
                   ret_existing, err);
}

enum rc job_request_reseal(struct db *db, int64_t now, int64_t *ret_job, bool *ret_existing,
                           struct err *err)
{
    return add_job(db, "reseal", "system", "move", "reseal", NULL, NULL, now, ret_job, ret_existing,
                   err);
}
