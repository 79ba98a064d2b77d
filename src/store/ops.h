/*
 * For operations on the whole store: moving to a new master key, backup and restore. Repositories
 * of single entities are in repo.h.
 */
#ifndef INRO_STORE_OPS_H
#define INRO_STORE_OPS_H

#include "store/repo.h"

/* ---- texts that hold something sealed ---- */
#define SEALED_PREFIX "SUUx" /* base64 of "IE1": how every sealed text begins */

struct sealed_column {
    const char *table, *column, *key; /* key: the first column of the primary key */
};
LIST_OF(sealed_column);
struct sealed_text {
    const char *key, *text;
};
LIST_OF(sealed_text);

/* All text columns of all tables. */
MUST enum rc db_sealed_columns(struct db *db, struct arena *a, struct sealed_column_list *ret,
                               struct err *err);
/* Rows whose text has `prefix` anywhere, by key (as text) after `after` ("" = from the start). */
MUST enum rc db_sealed_page(struct db *db, const struct sealed_column *c, const char *prefix,
                            const char *after, int limit, struct arena *a,
                            struct sealed_text_list *ret, struct err *err);
/* Only when the text is still `from`. */
MUST enum rc db_sealed_swap(struct db *db, const struct sealed_column *c, const char *key,
                            const char *from, const char *to, struct err *err);

/* ---- what a store holds, to compare two states of one installation ---- */
struct store_tally {
    int64_t certs, versions, orders, users, connectors, audit; /* rows */
    int64_t last_version;                                      /* id of the newest; 0 = none */
    const char *audit_hash; /* of the newest record, NULL = none */
};
MUST enum rc db_store_tally(struct db *db, struct arena *a, struct store_tally *ret,
                            struct err *err);
/* Certificates with a version newer than that id: how many, and names, at most limit. */
MUST enum rc db_certs_changed(struct db *db, int64_t last_version, int limit, struct arena *a,
                              struct names *ret, int64_t *ret_count, struct err *err);

/* ---- a restored state ---- */
struct id_floor {
    const char *table;
    int64_t last; /* the last id given out */
};
LIST_OF(id_floor);
MUST enum rc db_id_floors(struct db *db, struct arena *a, struct id_floor_list *ret,
                          struct err *err);
/* SQLite only. The next id of each table is above floor->last; tables that are not named, and all
 * of them when floors is NULL, leave `gap` ids out. */
MUST enum rc db_ids_raise(struct db *db, const struct id_floor_list *floors, int64_t gap,
                          struct err *err);
/* Nobody is signed in and nothing runs: sessions removed, leases of jobs given back. Roll-outs and
 * revocations that were open are over: they might put something older over what came later. What
 * is served is looked at first of all. */
MUST enum rc db_quiesce(struct db *db, int64_t now, struct err *err);
/* An audit record with an id that leaves a gap: only for "system.restore". */
MUST enum rc db_audit_add_after(struct db *db, struct audit *a, int64_t after, struct err *err);

#endif
