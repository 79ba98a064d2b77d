/* What the steps of a deploy share, and the work on one item. */
#ifndef INRO_JOB_FLOW_DEPLOY_H
#define INRO_JOB_FLOW_DEPLOY_H

#include "job/job_priv.h"

struct deploy {
    struct cert cert;
    struct cert_version version, previous; /* previous.id 0: none */
    struct cert_list chain;
    struct bundle bundle;
    const struct json *policy;
    struct deployment dep;
    struct deploy_item_list items;
    struct binding_list bindings; /* of the certificate */
    /* For the save. */
    struct deploy_item *item;
    struct binding *binding;
    struct err why;
    size_t verified, failed;
    int64_t failed_target; /* where `why` happened; 0: at no target */
    bool all, stopped;
};

MUST enum rc deploy_bundle(struct run *r, struct deploy *d, struct err *err);
struct binding *deploy_binding(struct deploy *d, int64_t id);
MUST enum rc deploy_plan_text(struct run *r, const struct plan *p, bool seen_after,
                              const char **ret, struct err *err);
/* *ret_at 0: now; else when its time comes, and the step ends with deploy_wait(). */
MUST enum rc deploy_may_begin(struct run *r, const struct deploy *d, int64_t *ret_at,
                              struct err *err);
MUST enum rc deploy_wait(struct run *r, const struct deploy *d, int64_t at, struct step_out *out,
                         struct err *err);
/* Plan, apply, verify, and undo on failure; item and binding say how it ended. */
MUST enum rc deploy_item_run(struct run *r, struct deploy *d, struct deploy_item *i,
                             struct err *err);
/* Puts back what an item changed. */
MUST enum rc deploy_item_undo(struct run *r, struct deploy *d, struct deploy_item *i,
                              struct err *err);

#endif
