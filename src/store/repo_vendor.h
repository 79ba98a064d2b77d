/* What the vendor's desk keeps. Invariant: the ledger is appended in the transaction of what it
 * records, and nothing in it is ever changed. */
#ifndef INRO_STORE_REPO_VENDOR_H
#define INRO_STORE_REPO_VENDOR_H

#include "model/vendor.h"
#include "store/repo.h"

LIST_OF(vendor_key);
LIST_OF(vendor_customer);
LIST_OF(vendor_order);
LIST_OF(vendor_licence);
LIST_OF(vendor_share);
LIST_OF(vendor_fee);
LIST_OF(vendor_sum);
LIST_OF(vendor_entry);

MUST enum rc db_vendor_key_add(struct db *db, struct vendor_key *k, struct err *err);
MUST enum rc db_vendor_key_set(struct db *db, const struct vendor_key *k, struct err *err);
/* RC_NOT_FOUND: the desk was never opened. */
MUST enum rc db_vendor_key_current(struct db *db, struct arena *a, struct vendor_key *ret,
                                   struct err *err);
/* All, oldest first. */
MUST enum rc db_vendor_key_list(struct db *db, struct arena *a, struct vendor_key_list *ret,
                                struct err *err);

MUST enum rc db_customer_add(struct db *db, struct vendor_customer *c, struct err *err);
MUST enum rc db_customer_get(struct db *db, int64_t id, struct arena *a,
                             struct vendor_customer *ret, struct err *err);
/* By name or service code. */
MUST enum rc db_customer_find(struct db *db, const char *ref, struct arena *a,
                              struct vendor_customer *ret, struct err *err);
MUST enum rc db_customer_list(struct db *db, int64_t after, int limit, struct arena *a,
                              struct vendor_customer_list *ret, struct err *err);
MUST enum rc db_customer_update(struct db *db, const struct vendor_customer *c, struct err *err);
/* Active ones with a paid licence that ends before `ends`, and no renewal order dated from..to. */
MUST enum rc db_customer_to_renew(struct db *db, int64_t from, int64_t to, int64_t ends, int limit,
                                  struct arena *a, struct vendor_customer_list *ret,
                                  struct err *err);

MUST enum rc db_vorder_add(struct db *db, struct vendor_order *o, struct err *err);
MUST enum rc db_vorder_get(struct db *db, int64_t id, struct arena *a, struct vendor_order *ret,
                           struct err *err);
MUST enum rc db_vorder_list(struct db *db, int64_t customer_id /* 0 = all */, int64_t after,
                            int limit, struct arena *a, struct vendor_order_list *ret,
                            struct err *err);
MUST enum rc db_vorder_update(struct db *db, const struct vendor_order *o, struct err *err);
/* What the customer's accepted orders that begin by that day (0 = all) add up to. */
MUST enum rc db_vorder_totals(struct db *db, int64_t customer_id, int64_t day,
                              struct vendor_has *ret, struct err *err);
/* The first order that is accepted and has no licence yet; 0 = none. */
MUST enum rc db_vorder_first(struct db *db, int64_t customer_id, int64_t *ret, struct err *err);
/* What is charged in the month that begins on that day. */
MUST enum rc db_vorder_sums(struct db *db, int64_t month_first, int64_t after, int limit,
                            struct arena *a, struct vendor_sum_list *ret, struct err *err);

MUST enum rc db_vlicence_add(struct db *db, struct vendor_licence *l, struct err *err);
MUST enum rc db_vlicence_set_file(struct db *db, const struct vendor_licence *l, struct err *err);
MUST enum rc db_vlicence_get(struct db *db, int64_t id, struct arena *a, struct vendor_licence *ret,
                             struct err *err);
MUST enum rc db_vlicence_find(struct db *db, const char *file_name, struct arena *a,
                              struct vendor_licence *ret, struct err *err);
MUST enum rc db_vlicence_list(struct db *db, int64_t customer_id /* 0 = all */, int64_t after,
                              int limit, struct arena *a, struct vendor_licence_list *ret,
                              struct err *err);
/* Customers whose newest licence is of that key and has not ended. */
MUST enum rc db_vlicence_in_force(struct db *db, const char *key_id, int64_t now, int64_t *ret,
                                  struct err *err);
/* The newest of the customer; RC_NOT_FOUND. */
MUST enum rc db_vlicence_newest(struct db *db, int64_t customer_id, struct arena *a,
                                struct vendor_licence *ret, struct err *err);

MUST enum rc db_share_add(struct db *db, struct vendor_share *s, struct err *err);
MUST enum rc db_share_list(struct db *db, int64_t customer_id /* 0 = all */, int64_t after,
                           int limit, struct arena *a, struct vendor_share_list *ret,
                           struct err *err);
MUST enum rc db_share_get(struct db *db, int64_t id, struct arena *a, struct vendor_share *ret,
                          struct err *err);
/* RC_NOT_FOUND for an unknown or expired token alike. */
MUST enum rc db_share_find(struct db *db, const char *token_hash, int64_t now, struct arena *a,
                           struct vendor_share *ret, struct err *err);
MUST enum rc db_share_set_token(struct db *db, int64_t id, const char *token_hash, struct err *err);
MUST enum rc db_share_hit(struct db *db, int64_t id, int64_t now, struct err *err);
MUST enum rc db_share_remove(struct db *db, int64_t id, struct err *err);

MUST enum rc db_fee_set(struct db *db, struct vendor_fee *f, struct err *err);
MUST enum rc db_fee_list(struct db *db, struct arena *a, struct vendor_fee_list *ret,
                         struct err *err);
/* In force in that month; 0 when none was ever set. */
MUST enum rc db_fee_at(struct db *db, const char *item, int64_t month_first, int64_t *ret,
                       struct err *err);

MUST enum rc db_entry_add(struct db *db, struct vendor_entry *e, struct err *err);
MUST enum rc db_entry_list(struct db *db, int64_t before, int limit, struct arena *a,
                           struct vendor_entry_list *ret, struct err *err);
/* RC_CORRUPT names the first entry that does not fit. */
MUST enum rc db_entry_verify(struct db *db, int64_t *ret_count, struct err *err);

#endif
