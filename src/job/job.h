/*
 * Jobs: persistent work in small saved steps. A kind is a row (engine.h); a flow is a table of
 * steps. This header is what the API uses: it makes jobs, in the caller's transaction, and tells
 * what is open. Nothing here runs anything.
 */
#ifndef INRO_JOB_JOB_H
#define INRO_JOB_JOB_H

#include "codec/json.h"
#include "store/repo.h"
#include "vault/vault.h"

/* Applies for a (new) version: kind "issue", subject "cert/<id>", dedup "issue:<cert>". The same
 * open job is returned when there is one already (*ret_existing = true). reason: "request",
 * "renew", "reissue". */
MUST enum rc job_request_issue(struct db *db, int64_t cert_id, const char *reason, int64_t now,
                               int64_t *ret_job, bool *ret_existing, struct err *err);
/* A person asks for what is open already: what waits for a person is tried at once, what waits by
 * a CA's rule keeps waiting. */
MUST enum rc job_ask_again(struct db *db, int64_t job_id, int64_t now, struct err *err);
/* Deploys a version (0 = the newest complete one) to all bindings, or to one (binding_id).
 * An open roll-out that waits after a failure is taken up now, or gives way to another wish;
 * RC_CONFLICT when a person wishes another while one is at work. by: the person, as job_approve()
 * takes them; NULL = Inro itself. */
MUST enum rc job_request_deploy(struct db *db, int64_t cert_id, int64_t version_id,
                                int64_t binding_id, const char *reason, const char *by, int64_t now,
                                int64_t *ret_job, bool *ret_existing, struct err *err);
/* Lets a roll-out begin that waits for somebody's word or, with `begin_now`, for its time.
 * RC_DENIED to who asked for it (`by`), RC_CONFLICT when it does not wait. actor: for the record.
 */
MUST enum rc job_approve(struct db *db, int64_t job_id, const char *by, const char *actor,
                         bool begin_now, int64_t now, struct err *err);
/*
 * Ends a job. A roll-out that is at its targets finishes the one at hand (or puts it back), begins
 * no other and ends by itself; any other job is cancelled at once.
 */
MUST enum rc job_stop(struct db *db, int64_t job_id, int64_t now, struct err *err);
/* Puts the previous version back on the bindings of the last deployment. */
MUST enum rc job_request_undo(struct db *db, int64_t cert_id, int64_t now, int64_t *ret_job,
                              bool *ret_existing, struct err *err);
/*
 * Takes proofs of control away, once the issue job that they are of is no longer at work.
 * `challenge`: as the certificate keeps it, or kept it when they were shown; NULL = as it is now.
 * Nothing is made where there are no proofs.
 */
enum { JOB_LEASE_SECONDS = 120 };
MUST enum rc job_request_tidy(struct db *db, int64_t cert_id, int64_t job_id, const char *challenge,
                              const struct json *proofs, int64_t at, struct err *err);
MUST enum rc job_request_tidy_after(struct db *db, int64_t job_id, const char *challenge,
                                    int64_t now, struct err *err);
MUST enum rc job_request_revoke(struct db *db, int64_t version_id, int reason, int64_t now,
                                int64_t *ret_job, bool *ret_existing, struct err *err);
/* Reads what every binding would change; the plan is in the job's progress: {"plans":[...]}. */
MUST enum rc job_request_plan(struct db *db, int64_t cert_id, int64_t binding_id, int64_t now,
                              int64_t *ret_job, struct err *err);
MUST enum rc job_request_watch(struct db *db, int64_t endpoint_id, int64_t now, int64_t *ret_job,
                               struct err *err);
/* A discovery with its places, and the job that looks at them (model/discover.h). RC_CONFLICT when
 * the group has enough of them under way. */
struct discover_list;
MUST enum rc job_request_discover(struct db *db, struct discovery *d,
                                  const struct discover_list *places, int64_t now, struct err *err);
/* connector check (接続テスト): the result is the job's progress {"seen": "..."} or its error. */
MUST enum rc job_request_check(struct db *db, int64_t connector_id, int64_t now, int64_t *ret_job,
                               struct err *err);
/* What names and DNS say of a proof of control by `challenge` at the CA, before it is asked. Seen
 * by whoever asked only (`by`); the results are the job's progress (flow_preflight.c). */
MUST enum rc job_request_preflight(struct db *db, int64_t ca_id, const char *challenge,
                                   const struct names *names, const char *by, int64_t now,
                                   int64_t *ret_job, struct err *err);
/* A test message through one notifier. */
MUST enum rc job_request_notify_test(struct db *db, int64_t notifier_id, int64_t now,
                                     int64_t *ret_job, struct err *err);
/* A backup: to a store (connector of kind "backup"), or into DATA/backup when store_id is 0; then
 * sealed is the passphrase, a SETTING at `place`. The result is the job's progress: {"file": name,
 * "bytes": n}. One at a time. */
MUST enum rc job_request_backup(struct db *db, int64_t store_id, const char *place,
                                const char *sealed, int64_t now, int64_t *ret_job,
                                bool *ret_existing, struct err *err);
/* Moves everything sealed to the present master key, then drops the older ones. */
MUST enum rc job_request_reseal(struct db *db, int64_t now, int64_t *ret_job, bool *ret_existing,
                                struct err *err);
/* The vault writes DATA/master.key anew: see vault_ring_change(). Durable on return. */
MUST enum rc ring_change_file(struct vault *v, const char *data, enum ring_change what,
                              const char *now, const char *next, struct arena *a, struct err *err);
/* Why nothing that changes the world may run: "restored", "beside", "superseded", or NULL. */
MUST enum rc job_hold_get(struct db *db, struct arena *a, const char **ret, struct err *err);
/* A person has confirmed that this installation is the one to run. */
MUST enum rc job_hold_clear(struct db *db, struct err *err);
/* An event for people: stored once per dedup_key, delivered by jobs to every notifier. data JSON.
 */
MUST enum rc notice_raise(struct db *db, const char *event, const char *subject,
                          const char *dedup_key, const char *data, int64_t now, struct err *err);

#endif
