/*
 * The vendor's desk: customers, orders, licences issued, share links, fees, the ledger. Days are
 * civil days in Japan (model/calendar.h), times UTC microseconds, 0 = none.
 */
#ifndef INRO_MODEL_VENDOR_H
#define INRO_MODEL_VENDOR_H

#include "base/err.h"

struct vendor_key {
    int64_t id;
    const char *key_id;
    const char *pub;    /* text of licence_key_text() */
    const char *sealed; /* by the vault, place "vendor/<key id's row>/key" */
    const char *place;
    const char *state; /* see below */
    int64_t created;
    const char *statement; /* of the former key, that this one follows (crypto/succession.h) */
    int64_t changed;       /* when the state became what it is; 0 = never changed */
};
/* A key is made "next", signs as the "current" one, is good as an "old" one for the licences it
 * signed, and ends "retired", or "revoked" when somebody else may have it. */

struct vendor_customer {
    int64_t id;
    const char *service_code; /* 12 digits, ours */
    const char *name, *mail, *lang;
    const char *installation; /* 32 hexadecimal digits, NULL until the customer said it */
    const char *state;        /* "active", "cancelled" */
    int64_t ends_on;          /* day; last day of use after a cancellation */
    int64_t created, updated, revision;
};

struct vendor_order {
    int64_t id, customer_id;
    const char *kind; /* "basic", "meets", "option", "convert", "renewal" */
    int64_t basics, servers;
    int64_t ordered_on, accept_on, share_due; /* days */
    int64_t starts_on;                        /* first day of the month it starts in (fees) */
    int64_t begins_on, ends_on;               /* of the licence: first and last day */
    int64_t accepted_at;                      /* 0 = not yet */
    const char *state;                        /* "received", "accepted", "issued" */
    int64_t licence_id;
    int64_t created, updated;
};

struct vendor_licence {
    int64_t id; /* the serial */
    int64_t customer_id, order_id;
    const char *plan;
    int64_t certificates, targets, begins, ends;
    const char *installation, *key_id, *file_name, *file;
    int64_t created;
};

struct vendor_share {
    int64_t id, customer_id;
    const char *token_hash; /* SHA-256 hex; the token itself is never kept */
    int64_t expires, created, hits, last_hit;
};

struct vendor_fee {
    int64_t id;
    const char *item;   /* "basic", "server" */
    int64_t from_month; /* first day of the month it holds from */
    int64_t yen;        /* a month, without tax */
};

/* What a customer is charged for in a month. */
struct vendor_sum {
    int64_t id; /* of the customer */
    const char *service_code, *name;
    int64_t basics, servers;
};

struct vendor_entry { /* of the ledger */
    int64_t id, at;
    const char *actor, *event;
    int64_t customer_id, order_id;
    const char *detail; /* JSON, no secrets */
    const char *prev_hash, *hash;
};

/* The days of an order by its kind and the day it was ordered on (model/calendar.h). */
void vendor_order_terms(struct vendor_order *o);

/* What the customer has from accepted orders. */
struct vendor_has {
    int64_t basics, servers;
    bool meets; /* a ミーツ that was not changed */
};
/*
 * May the customer order this? ミーツ comes first and once, cannot be extended, and becomes
 * ベーシック by "convert"; options need a ベーシック. RC_CONFLICT or RC_INPUT says why not.
 */
MUST enum rc vendor_order_check(const struct vendor_order *o, const struct vendor_customer *c,
                                const struct vendor_has *has, struct err *err);
/* Last day of use when cancelled on that day; both proofs must fit (RC_INPUT: vendor.proof). */
MUST enum rc vendor_cancel_check(const struct vendor_customer *c, const char *service_code,
                                 const struct vendor_licence *named, struct err *err);

#endif
