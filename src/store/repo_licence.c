/*
 * The installed licence. Invariants: what counts is counted and added under one lock, in one
 * transaction; the newest row is the one in force, older ones stay as history.
 */
#include "store/repo_licence.h"

#include "store/store_priv.h"

enum { LOCK_LICENCE = 4 };

MAP(licence_row, "licence", "ライセンス", CI(licence_row, id), CI(licence_row, serial),
    CT(licence_row, key_id), CT(licence_row, file), CI(licence_row, imported),
    CT(licence_row, actor));
MAP(trusted_key, "vendor key", "ベンダー鍵", CI(trusted_key, id), CT(trusted_key, key_id),
    CT(trusted_key, pub), CB(trusted_key, revoked), CT(trusted_key, source),
    CI(trusted_key, added));

enum rc db_licence_lock(struct db *db, struct err *err)
{
    return db_do(db, STMT_LOCK, ARGS(I(LOCK_LICENCE)), NULL, err);
}

enum rc db_licence_add(struct db *db, struct licence_row *l, struct err *err)
{
    return db_insert(db, STMT_LICENCE_ADD, &licence_row_map, l, NULL, err);
}

enum rc db_licence_current(struct db *db, struct arena *a, struct licence_row *ret, struct err *err)
{
    return db_one(db, STMT_LICENCE_CURRENT, NULL, 0, &licence_row_map, a, ret, err);
}

enum rc db_trusted_key_add(struct db *db, struct trusted_key *k, struct err *err)
{
    return db_insert(db, STMT_TRUSTED_ADD, &trusted_key_map, k, NULL, err);
}

enum rc db_trusted_key_revoke(struct db *db, const char *key_id, int64_t now, struct err *err)
{
    return db_do(db, STMT_TRUSTED_REVOKE, ARGS(T(key_id), I(now)), NULL, err);
}

enum rc db_trusted_key_remove(struct db *db, const char *key_id, int64_t *ret_n, struct err *err)
{
    return db_do(db, STMT_TRUSTED_REMOVE, ARGS(T(key_id)), ret_n, err);
}

enum rc db_trusted_key_list(struct db *db, struct arena *a, struct trusted_key_list *ret,
                            struct err *err)
{
    struct rows rows = {NULL, 0};
    TRY(db_many(db, STMT_TRUSTED_LIST, NULL, 0, &trusted_key_map, a, &rows, err));
    ret->v = rows.v;
    ret->n = rows.n;
    return RC_OK;
}

enum rc db_seat_put(struct db *db, int64_t connector_id, const char *address, struct err *err)
{
    return db_do(db, STMT_SEAT_PUT, ARGS(I(connector_id), T(address)), NULL, err);
}

static enum rc take_pair(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    int64_t *pair = ctx;
    (void)n, (void)err;
    pair[0] = cols[0].i;
    pair[1] = cols[1].i;
    return RC_OK;
}

enum rc db_seat_count(struct db *db, const char *address, int64_t not_connector, int64_t *ret,
                      bool *ret_there, struct err *err)
{
    int64_t pair[2] = {0, 0}, rows = 0;
    TRY(db_run(db, STMT_SEAT_COUNT, ARGS(T(address), I(not_connector)), take_pair, pair, &rows,
               err));
    *ret = pair[0];
    if (ret_there)
        *ret_there = pair[1] > 0;
    return RC_OK;
}
