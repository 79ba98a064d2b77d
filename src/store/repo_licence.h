/* The licence that is installed, whom it may come from, and what it counts. */
#ifndef INRO_STORE_REPO_LICENCE_H
#define INRO_STORE_REPO_LICENCE_H

#include "store/repo.h"

struct licence_row {
    int64_t id, serial;
    const char *key_id, *file; /* the text as it was imported */
    int64_t imported;
    const char *actor;
};
struct trusted_key {
    int64_t id;
    const char *key_id,
        *pub; /* pub: text of licence_key_text(); "" for one only known as revoked */
    bool revoked;
    const char *source; /* "init", "desk", "succession", "trust" */
    int64_t added;
};
LIST_OF(trusted_key);

/* Serialises everything that counts against the licence until the transaction ends. */
MUST enum rc db_licence_lock(struct db *db, struct err *err);
MUST enum rc db_licence_add(struct db *db, struct licence_row *l, struct err *err);
/* The installed one; RC_NOT_FOUND when there is none. */
MUST enum rc db_licence_current(struct db *db, struct arena *a, struct licence_row *ret,
                                struct err *err);
MUST enum rc db_trusted_key_add(struct db *db, struct trusted_key *k, struct err *err);
/* Also one that has no row: a key of the build, or one that was never heard of. */
MUST enum rc db_trusted_key_revoke(struct db *db, const char *key_id, int64_t now, struct err *err);
/* A revoked one stays: *ret_n is 0 then, as for an unknown one. */
MUST enum rc db_trusted_key_remove(struct db *db, const char *key_id, int64_t *ret_n,
                                   struct err *err);
MUST enum rc db_trusted_key_list(struct db *db, struct arena *a, struct trusted_key_list *ret,
                                 struct err *err);

/* Where a target is: two targets at one address count once. */
MUST enum rc db_seat_put(struct db *db, int64_t connector_id, const char *address, struct err *err);
/* Addresses of the targets but this connector (0 = of all); *ret_there: `address` is one of those
 * in use, its own included. */
MUST enum rc db_seat_count(struct db *db, const char *address, int64_t not_connector, int64_t *ret,
                           bool *ret_there, struct err *err);

#endif
