/*
 * Discoveries and what they found. Seen like endpoints: by the group they belong to. Results live
 * in the arena; lists page by key as in repo.h.
 */
#ifndef INRO_STORE_REPO_DISCOVER_H
#define INRO_STORE_REPO_DISCOVER_H

#include "store/repo.h"

LIST_OF(discovery);
LIST_OF(discovery_item);

/* With the places it is about, all waiting; the caller makes the job and tells which it is. */
MUST enum rc db_discovery_add(struct db *db, struct discovery *d, struct err *err);
MUST enum rc db_discovery_set_job(struct db *db, int64_t id, int64_t job_id, struct err *err);
MUST enum rc db_discovery_get(struct db *db, int64_t id, struct arena *a, struct discovery *ret,
                              struct err *err);
/* Newest first. */
MUST enum rc db_discovery_list(struct db *db, int64_t before, int limit, struct arena *a,
                               struct discovery_list *ret, struct err *err);
/* Of the group that have not ended. */
MUST enum rc db_discovery_open(struct db *db, int64_t group_id, int64_t *ret, struct err *err);
/* Ended ones of the group go, but for the newest `keep`. */
MUST enum rc db_discovery_prune(struct db *db, int64_t group_id, int64_t keep, struct err *err);
/* Ended ones that are older, whoever's. */
MUST enum rc db_discovery_expire(struct db *db, int64_t before, struct err *err);
/* RC_CONFLICT while it is at work. */
MUST enum rc db_discovery_remove(struct db *db, int64_t id, struct err *err);
/* total, looked and found anew. */
MUST enum rc db_discovery_count(struct db *db, int64_t id, int64_t now, struct err *err);

MUST enum rc db_discovery_item_add(struct db *db, struct discovery_item *i, struct err *err);
/* What was seen there: everything but id, discovery, host and port. */
MUST enum rc db_discovery_item_seen(struct db *db, const struct discovery_item *i, struct err *err);
/* relation NULL = any, "watched" = those that are, "cert" = all with one; text in host or names,
 * NULL = any. */
struct discovery_filter {
    int64_t id;
    const char *relation, *text;
    int64_t after;
    int limit;
};
MUST enum rc db_discovery_items(struct db *db, const struct discovery_filter *f, struct arena *a,
                                struct discovery_item_list *ret, struct err *err);
MUST enum rc db_discovery_item_get(struct db *db, int64_t discovery_id, int64_t id, struct arena *a,
                                   struct discovery_item *ret, struct err *err);
/* relation -> n */
MUST enum rc db_discovery_tally(struct db *db, int64_t id, struct arena *a, struct tally_list *ret,
                                struct err *err);
/* id, host and port of those not looked at. */
MUST enum rc db_discovery_waiting(struct db *db, int64_t id, int limit, struct arena *a,
                                  struct discovery_item_list *ret, struct err *err);
/* The chain as it was served, as PEM; NULL when it was not kept. */
MUST enum rc db_discovery_chain(struct db *db, int64_t item_id, struct arena *a, const char **ret,
                                struct err *err);
MUST enum rc db_observation_chain(struct db *db, int64_t endpoint_id, const char *sha256,
                                  struct arena *a, const char **ret, struct err *err);
/* Does anybody, of whatever group, watch exactly this place? */
MUST enum rc db_endpoint_taken(struct db *db, const char *host, int64_t port, bool *ret,
                               struct err *err);

#endif
