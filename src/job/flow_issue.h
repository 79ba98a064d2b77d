/* What the steps of an issue share: read anew at each step, from the store. */
#ifndef INRO_JOB_FLOW_ISSUE_H
#define INRO_JOB_FLOW_ISSUE_H

#include "job/job_priv.h"

enum { PROOFS_MAX = 200 };

struct presented {
    struct proof p;
    const char *state; /* the solver's, JSON; NULL: not presented */
};

struct issue {
    struct cert cert;
    struct cert_version version, current; /* current.id 0: none */
    struct order order;
    const char *csr; /* as it is stored, base64: what may be sent; NULL: not yet */
    struct conn ca;
    const struct json *policy;
    const struct challenge_ops *solver;
    const void *solver_settings;
    const char *solver_place; /* base of its secrets' places in the vault, or NULL */
    bool has_bindings;
    struct presented *proofs;
    size_t proof_count;
    bool proofs_ready;
    int64_t proofs_at;
    int64_t renew_at;
    int64_t deploy;   /* the roll-out's job, once there is one */
    int64_t given_up; /* orders of this job that came to nothing */
    /* For the save. */
    bool is_new; /* version and order have no rows yet */
    bool ordered_now;
    bool version_changed;
    bool ended;
    struct err human;
    struct cert_version *refused; /* what the gate did not take, to be kept; or NULL */
};

MUST enum rc issue_load(struct run *r, struct issue **ret, struct err *err);
MUST enum rc issue_progress(struct run *r, const struct issue *is, struct step_out *out,
                            struct err *err);
/* Our own ceiling of orders; RC_RATE when it is reached. */
MUST enum rc issue_may_order(struct run *r, const struct issue *is, struct err *err);
/* From what a certificate or a job keeps of them. */
MUST enum rc issue_solver(struct run *r, struct issue *is, const struct json *challenge,
                          struct err *err);
MUST enum rc issue_proofs(struct run *r, struct issue *is, const struct json *list,
                          struct err *err);
/* Takes every proof away that may have been shown; goes on past one that cannot be, and returns the
 * first error. */
MUST enum rc issue_take_away(struct run *r, struct issue *is, struct err *err);
/* The same at the end of an order, which does not wait for it: what is left is another job's. */
void issue_clean(struct run *r, struct issue *is);
/* In the transaction of the save: the rows of a new one; what the end of it changes. */
MUST enum rc issue_add_rows(struct db *db, struct run *r, struct issue *is, struct err *err);
MUST enum rc issue_save_end(struct db *db, struct run *r, struct issue *is, struct err *err);
/* The certificate is accepted: nothing is left but to save it, and that it is in service. */
void issue_end(struct run *r, struct issue *is, struct step_out *out);
/* A stored CSR, of the version or brought from outside; RC_CORRUPT when it is no base64. */
MUST enum rc issue_csr_der(const struct issue *is, const char *b64, struct buf *out,
                           struct err *err);
/* Talks to the CA as far as it is quick. With is->csr NULL no CSR is sent. */
MUST enum rc issue_dialogue(struct run *r, struct issue *is, struct step_out *out, struct err *err);
MUST enum rc issue_order_step(struct run *r, struct step_out *out, struct err *err);
MUST enum rc issue_present_step(struct run *r, struct step_out *out, struct err *err);
/* flow_issue_gate.c */
MUST enum rc issue_gate(struct run *r, struct issue *is, struct str chain_pem, struct err *err);
MUST enum rc issue_save_gate(struct db *db, struct run *r, struct issue *is, struct err *err);

#endif
