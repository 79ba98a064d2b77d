/*
 * Tidy: takes away proofs of control that an order left behind: it was cancelled, its certificate
 * proves control in another way by now, or the machine could not be reached when it ended.
 * Invariants: what is needed is in the payload; nothing is taken from under an order at work.
 */
#include "job/flow_issue.h"

static enum rc at_work(struct run *r, bool *ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct job j;
    struct err none;
    TRY(store_read(r->e->o.store, &db, err));
    enum rc rc = db_job_get(db, json_i64_or(r->payload, "job", 0), r->a, &j, &none);
    *ret = rc == RC_OK && (j.state == JOB_READY || j.state == JOB_RUNNING);
    return RC_OK;
}

/* For the grant log; it may be gone. */
static enum rc find_name(struct run *r, struct issue *is, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct err none;
    TRY(store_read(r->e->o.store, &db, err));
    if (db_cert_get(db, json_i64_or(r->payload, "cert", 0), r->a, &is->cert, &none) != RC_OK)
        is->cert.name = "?";
    return RC_OK;
}

static enum rc save_tidy(struct db *db, struct run *r, void *arg, struct err *err)
{
    (void)arg;
    return db_job_forget_payload(db, r->job.id, err);
}

static enum rc tidy(struct run *r, struct step_out *out, struct err *err)
{
    struct issue *is = ARENA_NEW(r->a, struct issue);
    bool wait = false;
    if (!is)
        return NOMEM(err);
    TRY(at_work(r, &wait, err));
    if (wait) {
        out->at = run_now(r) + TIDY_AGAIN;
        return RC_OK;
    }
    TRY(find_name(r, is, err));
    TRY(issue_solver(r, is, json_get(r->payload, "challenge"), err));
    TRY(issue_proofs(r, is, json_get(r->payload, "proofs"), err));
    TRY(issue_take_away(r, is, err));
    out->save = save_tidy;
    out->done = true;
    return RC_OK;
}

static const struct step steps[] = {
    {"tidy", {"Taking proofs of control away", "検証用の情報を取り除いています"}, tidy, 0, false},
};
const struct flow flow_tidy = {"tidy", steps, COUNT_OF(steps), NULL, NULL};
