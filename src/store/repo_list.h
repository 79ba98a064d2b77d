/*
 * What list screens ask: rows with what stands beside them, found by text and state, a page at a
 * time, in a fixed number of statements however many rows. `text` is at most 256 bytes; NULL = any.
 */
#ifndef INRO_STORE_REPO_LIST_H
#define INRO_STORE_REPO_LIST_H

#include "store/repo.h"

/* The worst of what is bound to a target. */
enum target_worst {
    TARGET_UNUSED = 0,
    TARGET_DEPLOYED,
    TARGET_NEW, /* something was never applied */
    TARGET_DRIFT,
    TARGET_FAILED,
    TARGET_WORSTS
};
struct target_row {
    struct connector c;
    const char *address;              /* of the machine; NULL = not known */
    int64_t certs, worst, applied_at; /* applied_at: when something was put there last; 0 = never */
};
LIST_OF(target_row);
/* By name; continued after (after_name, after_id). */
struct target_query {
    const char *text;  /* anywhere in name or address */
    const char *types; /* ",nginx,haproxy,": of these as well, whatever text says */
    const char *type;
    int64_t states; /* bits 1 << enum target_worst; 0 = any */
    bool down, more;
    const char *after_name;
    int64_t after_id;
    int limit;
};
MUST enum rc db_target_query(struct db *db, const struct target_query *q, struct arena *a,
                             struct target_row_list *ret, struct err *err);

/* A binding with what its certificate and target are called. */
struct binding_row {
    struct binding b;
    const char *cert_name;
    int64_t cert_version; /* in service; 0 = none */
    const char *target;   /* NULL: not seen */
    int64_t not_after;    /* of the version at this place; 0 = none is */
};
LIST_OF(binding_row);
MUST enum rc db_binding_row(struct db *db, int64_t id, struct arena *a, struct binding_row *ret,
                            struct err *err);
MUST enum rc db_binding_rows(struct db *db, int64_t cert_id, int64_t target_id /* 0 = any */,
                             struct arena *a, struct binding_row_list *ret, struct err *err);

/* A deployment: at so many places, done at so many, failed at so many. */
struct deployment_row {
    struct deployment d;
    const char *cert_name;
    int64_t total, done, failed;
};
LIST_OF(deployment_row);
MUST enum rc db_deployment_row(struct db *db, int64_t id, struct arena *a,
                               struct deployment_row *ret, struct err *err);
/* Newest first. text: the start of a word of the certificate's names, or anywhere in a target's. */
struct deployment_query {
    int64_t cert_id, target_id; /* 0 = any */
    int64_t in_state;           /* 1 + enum deployment_state; 0 = any */
    const char *text;
    int64_t before; /* 0 = from the top */
    int limit;
};
MUST enum rc db_deployment_query(struct db *db, const struct deployment_query *q, struct arena *a,
                                 struct deployment_row_list *ret, struct err *err);

struct order_row {
    struct order o;
    const char *cert_name;
};
LIST_OF(order_row);
struct order_query {
    int64_t in_state; /* 1 + enum order_state; 0 = any */
    const char *text; /* the start of a word of the certificate's names */
    int64_t before;
    int limit;
};
MUST enum rc db_order_query(struct db *db, const struct order_query *q, struct arena *a,
                            struct order_row_list *ret, struct err *err);

/* As db_job_list() with the filter's kind, state, only_open and no_routine; text: of the
 * certificate's names, or of a connector's name. */
MUST enum rc db_job_named(struct db *db, const struct job_filter *f, const char *text,
                          struct arena *a, struct job_list *ret, struct err *err);

/* Those on the target's machine, and those of certificates that are bound there. */
MUST enum rc db_endpoint_of_target(struct db *db, int64_t target_id, int64_t after, int limit,
                                   struct arena *a, struct endpoint_list *ret, struct err *err);

#endif
