/* What the handlers of the vendor's desk share. */
#ifndef INRO_API_VENDOR_PRIV_H
#define INRO_API_VENDOR_PRIV_H

#include "api/priv.h"
#include "crypto/licence.h"
#include "job/licence.h"
#include "model/calendar.h"
#include "model/vendor.h"
#include "store/repo_vendor.h"

enum { SHARE_DAYS = 14, TOKEN_BYTES = 32 };

/* ---- vendor.c ---- */
/* The desk's key; RC_CONFLICT says that the desk was never opened. */
MUST enum rc desk_key(struct request *r, struct vendor_key *ret, struct err *err);
MUST enum rc desk_customer(struct request *r, const char *ref, struct vendor_customer *ret,
                           struct err *err);
/* A page of a list, of one customer where the query names one (*ret stays as it is else). */
MUST enum rc desk_page(struct request *r, struct vendor_customer *ret, int64_t *ret_after,
                       int64_t *ret_limit, struct err *err);
/* "2026-11-24" of the body; NULL = today in Japan. */
MUST enum rc desk_day(struct request *r, const char *text, const char *field, int64_t *ret,
                      struct err *err);
void view_day(struct json_writer *w, const char *key, int64_t day); /* 0 = null */

/* An entry of the ledger: name, number pairs up to a NULL name. */
struct desk_fact {
    const char *name, *text; /* text NULL: the number */
    int64_t number;
};
MUST enum rc desk_note(struct request *r, const char *event, int64_t customer, int64_t order,
                       const struct desk_fact *facts, size_t n, struct err *err);
#define NOTE(r, event, customer, order, err, ...)                                                  \
    desk_note((r), (event), (customer), (order), (const struct desk_fact[]){__VA_ARGS__},          \
              COUNT_OF(((const struct desk_fact[]){__VA_ARGS__})), (err))

/* ---- vendor_licence.c ---- */
/* Issues what the customer has ordered so far, for the days given; order 0 = a reissue. */
MUST enum rc desk_issue(struct request *r, const struct vendor_customer *c, int64_t order,
                        int64_t first_day, int64_t last_day, struct vendor_licence *ret,
                        struct err *err);
void view_vlicence(struct json_writer *w, const struct vendor_licence *l, bool with_file);
/* A new link; the token is in *ret_path only ("/share/<token>/"). */
MUST enum rc desk_share(struct request *r, int64_t customer, int64_t days, int64_t *ret_id,
                        const char **ret_path, struct err *err);
/* The customer is written to, if there is a mail notifier and the desk has an address; else
 * *ret_job is 0. what: "accepted", "issued", "renewal", "cancelled". */
MUST enum rc desk_mail(struct request *r, const struct vendor_customer *c, const char *what,
                       int64_t order, int64_t *ret_job, struct err *err);

/* ---- vendor_key.c ---- */
/* Makes the key in the vault, or takes the PEM there, and its row; k->state and created are set. */
MUST enum rc desk_make_key(struct request *r, const char *pem, struct vendor_key *k,
                           struct licence_key *ret_pub, struct err *err);
/* Body and signature by that key. */
MUST enum rc desk_sign(struct request *r, const struct vendor_key *k, struct str body,
                       const char **ret_file, struct err *err);
bool desk_key_ended(const struct vendor_key *k);
/* The keys that ended, as a licence names them; the newest when they are too many for it. */
MUST enum rc desk_revokes(struct request *r, struct licence *l, struct err *err);
/* The statements that lead to the present key, oldest first; NULL when there are none.
 * *ret_since: since when the key signs, 0 = from the beginning. */
MUST enum rc desk_statements(struct db *db, struct arena *a, const char **ret, int64_t *ret_since,
                             struct err *err);

/* ---- vendor_order.c ---- */
void view_vorder(struct request *r, const struct vendor_order *o);

#endif
