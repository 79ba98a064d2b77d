/* Pure decisions: no clock, no store, no I/O. */
#ifndef INRO_MODEL_POLICY_H
#define INRO_MODEL_POLICY_H

#include "model/types.h"

/*
 * When to renew. With a CA-suggested window (ARI, RFC 9773) a uniformly chosen instant in it (seed
 * picks it, so it is stable); else when 1/3 of the lifetime is left (1/2 if the lifetime is under
 * 10 days), moved earlier by up to 1/12 of the lifetime by the seed, so that certificates issued
 * together do not come due together. Never after not_after, never before not_before.
 */
struct renew_facts {
    int64_t not_before, not_after;
    int64_t window_start, window_end; /* ARI; 0 = none or invalid */
    int64_t before;                   /* policy: this long before the end; 0 = by share */
    uint64_t seed;                    /* e.g. a hash of the serial */
};
int64_t renew_time(const struct renew_facts *f);

/* Back-off of a failed step: by blame, exponential with half jitter, cap a day; 0 = do not retry.
 */
struct retry_facts {
    enum rc rc;
    enum blame blame;
    int64_t attempts; /* failures of this step so far, at least 1 */
    int64_t retry_at; /* what the remote asked for, 0 = nothing */
    int64_t now;
    uint64_t seed;
};
enum retry_plan { RETRY_LATER = 0, RETRY_BLOCK /* a person is needed; looked at again daily */ };
enum retry_plan retry_decide(const struct retry_facts *f, int64_t *ret_at);

/* How a certificate stands, from facts; words in product.md. */
enum cert_health {
    HEALTH_NEW = 0, /* nothing issued yet, nothing running */
    HEALTH_ORDERING,
    HEALTH_VALID,
    HEALTH_EXPIRING,
    HEALTH_EXPIRED,
    HEALTH_DEPLOY_FAILED,
    HEALTH_DRIFT,
    HEALTH_REVOKED,
    HEALTH_FAILED, /* order failed and nothing valid in service */
    HEALTH_CLOCK_WRONG
};
struct health_facts {
    bool has_current, ordering, order_failed, revoked, deploy_failed, drift;
    int64_t not_before, not_after, now;
    int64_t built_at; /* a clock before this is wrong (dead battery) */
};
enum cert_health cert_health(const struct health_facts *f);
const char *cert_health_name(enum cert_health h); /* "valid", "expiring" ... */

const char *version_state_name(enum version_state s);
const char *order_state_name(enum order_state s);
const char *item_state_name(enum item_state s);
const char *deployment_state_name(enum deployment_state s);
const char *job_state_name(enum job_state s);

#endif
