/* Connectors: CA accounts, targets, notifiers; and the CA rate ledger. */
#include "store/store_priv.h"

#include <string.h>

#include "store/repo.h"

MAP(connector, "connector", "接続設定", CI(connector, id), CT(connector, kind), CT(connector, type),
    CT(connector, name), CT(connector, settings), CT(connector, state), CI(connector, group_id),
    CI(connector, created), CI(connector, updated), CI(connector, revision));

enum rc db_connector_add(struct db *db, struct connector *c, struct err *err)
{
    TRY(may_put(db, c->group_id, err));
    return db_insert(db, STMT_CONNECTOR_ADD, &connector_map, c, NULL, err);
}

/* CAs and notifiers of no group are the installation's: everybody may use them. */
static enum rc one_seen(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                        struct arena *a, struct connector *ret, struct err *err)
{
    struct connector c;
    TRY(db_one(db, id, args, n, &connector_map, a, &c, err));
    bool shared = c.group_id == 0 && strcmp(c.kind, "target") != 0;
    if (!shared && !sees_group(db, c.group_id))
        return not_found(&connector_map, args, n, err);
    *ret = c;
    return RC_OK;
}

enum rc db_connector_get(struct db *db, int64_t id, struct arena *a, struct connector *ret,
                         struct err *err)
{
    return one_seen(db, STMT_CONNECTOR_GET, ARGS(I(id)), a, ret, err);
}

enum rc db_connector_find(struct db *db, const char *kind, const char *name, struct arena *a,
                          struct connector *ret, struct err *err)
{
    return one_seen(db, STMT_CONNECTOR_FIND, ARGS(T(kind), T(name)), a, ret, err);
}

enum rc db_connector_list(struct db *db, const char *kind, int64_t after, int limit,
                          struct arena *a, struct connector_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_CONNECTOR_LIST, &connector_map, a, ret, err, T(kind), I(after), I(limit),
         T(db->scope));
    return RC_OK;
}

enum rc db_connector_update(struct db *db, const struct connector *c, struct err *err)
{
    TRY(may_put(db, c->group_id, err));
    return db_change(
        db, STMT_CONNECTOR_UPDATE,
        ARGS(I(c->id), I(c->revision), T(c->name), T(c->settings), I(c->group_id), I(c->updated)),
        STMT_CONNECTOR_GET, &connector_map, err);
}

enum rc db_connector_set_state(struct db *db, int64_t id, const char *state, struct err *err)
{
    return db_change(db, STMT_CONNECTOR_SET_STATE, ARGS(I(id), T(state)), STMT_CONNECTOR_GET,
                     &connector_map, err);
}

enum rc db_connector_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_CONNECTOR_REMOVE, ARGS(I(id)), STMT_CONNECTOR_GET, &connector_map,
                     err);
}

enum rc db_ledger_add(struct db *db, int64_t ca_id, const char *what, const char *key, int64_t at,
                      struct err *err)
{
    return db_do(db, STMT_LEDGER_ADD, ARGS(I(ca_id), T(what), T(key), I(at)), NULL, err);
}

static enum rc take_pair(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    int64_t *pair = ctx;
    (void)n, (void)err;
    pair[0] = cols[0].i;
    pair[1] = cols[1].i;
    return RC_OK;
}

enum rc db_ledger_count(struct db *db, int64_t ca_id, const char *what, const char *key,
                        int64_t since, int64_t *ret, int64_t *ret_oldest, struct err *err)
{
    int64_t pair[2] = {0, 0}, rows = 0;
    TRY(db_run(db, STMT_LEDGER_COUNT, ARGS(I(ca_id), T(what), T(key), I(since)), take_pair, pair,
               &rows, err));
    *ret = pair[0];
    if (ret_oldest)
        *ret_oldest = pair[1];
    return RC_OK;
}
