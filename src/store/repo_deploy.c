/* Orders, bindings, deployments and their items: the saved states of issue and roll-out. */
#include "store/store_priv.h"

#include "store/repo.h"

MAP(order, "order", "申請", CI(order, id), CI(order, cert_id), CI(order, version_id),
    CI(order, ca_id), CI(order, job_id), CE(order, state), CT(order, reason), CT(order, data),
    CT(order, error), CI(order, created), CI(order, updated));

MAP(binding, "binding", "適用設定", CI(binding, id), CI(binding, cert_id), CI(binding, target_id),
    CT(binding, place), CI(binding, seq), CI(binding, version_id), CT(binding, state),
    CT(binding, error), CI(binding, created), CI(binding, updated), CI(binding, revision));

MAP(deployment, "deployment", "適用", CI(deployment, id), CI(deployment, cert_id),
    CI(deployment, version_id), CI(deployment, previous_id), CI(deployment, job_id),
    CE(deployment, state), CT(deployment, reason), CI(deployment, created),
    CI(deployment, updated));

MAP(deploy_item, "deployment item", "適用項目", CI(deploy_item, id), CI(deploy_item, deployment_id),
    CI(deploy_item, binding_id), CE(deploy_item, state), CT(deploy_item, plan),
    CT(deploy_item, receipt), CT(deploy_item, error), CI(deploy_item, updated));

/* "before" an id, newest first: 0 is from the top. */
static int64_t before_or_top(int64_t before)
{
    return before > 0 ? before : INT64_MAX;
}

enum rc db_order_add(struct db *db, struct order *o, struct err *err)
{
    return db_insert(db, STMT_ORDER_ADD, &order_map, o, NULL, err);
}

enum rc db_order_get(struct db *db, int64_t id, struct arena *a, struct order *ret, struct err *err)
{
    return db_one_seen(db, STMT_ORDER_GET, ARGS(I(id)), &order_map, BY_CERT,
                       offsetof(struct order, cert_id), a, ret, err);
}

enum rc db_order_list(struct db *db, int64_t cert_id, bool only_open, int64_t after, int limit,
                      struct arena *a, struct order_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    if (cert_id != 0)
        MANY(db, STMT_ORDER_LIST_CERT, &order_map, a, ret, err, I(after), I(limit), I(cert_id),
             I(only_open), T(db->scope));
    else if (only_open)
        MANY(db, STMT_ORDER_LIST_OPEN, &order_map, a, ret, err, I(after), I(limit), T(db->scope));
    else
        MANY(db, STMT_ORDER_LIST, &order_map, a, ret, err, I(after), I(limit), T(db->scope));
    return RC_OK;
}

enum rc db_order_update(struct db *db, const struct order *o, struct err *err)
{
    return db_change(db, STMT_ORDER_UPDATE,
                     ARGS(I(o->id), I(o->version_id), I(o->job_id), I(o->state), T(o->data),
                          T(o->error), I(o->updated)),
                     STMT_ORDER_GET, &order_map, err);
}

enum rc db_binding_add(struct db *db, struct binding *b, struct err *err)
{
    return db_insert(db, STMT_BINDING_ADD, &binding_map, b, NULL, err);
}

enum rc db_binding_get(struct db *db, int64_t id, struct arena *a, struct binding *ret,
                       struct err *err)
{
    return db_one_seen(db, STMT_BINDING_GET, ARGS(I(id)), &binding_map, BY_CERT,
                       offsetof(struct binding, cert_id), a, ret, err);
}

enum rc db_binding_list(struct db *db, int64_t cert_id, int64_t target_id, struct arena *a,
                        struct binding_list *ret, struct err *err)
{
    if (cert_id != 0)
        MANY(db, STMT_BINDING_LIST_CERT, &binding_map, a, ret, err, I(cert_id), I(target_id),
             T(db->scope));
    else if (target_id != 0)
        MANY(db, STMT_BINDING_LIST_TARGET, &binding_map, a, ret, err, I(target_id), T(db->scope));
    else
        MANY(db, STMT_BINDING_LIST, &binding_map, a, ret, err, T(db->scope));
    return RC_OK;
}

enum rc db_binding_update(struct db *db, const struct binding *b, struct err *err)
{
    return db_change(db, STMT_BINDING_UPDATE,
                     ARGS(I(b->id), I(b->revision), T(b->place), I(b->seq), I(b->version_id),
                          T(b->state), T(b->error), I(b->updated)),
                     STMT_BINDING_GET, &binding_map, err);
}

enum rc db_binding_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_BINDING_REMOVE, ARGS(I(id)), STMT_BINDING_GET, &binding_map, err);
}

enum rc db_deployment_add(struct db *db, struct deployment *d, struct err *err)
{
    return db_insert(db, STMT_DEPLOYMENT_ADD, &deployment_map, d, NULL, err);
}

enum rc db_deployment_get(struct db *db, int64_t id, struct arena *a, struct deployment *ret,
                          struct err *err)
{
    return db_one_seen(db, STMT_DEPLOYMENT_GET, ARGS(I(id)), &deployment_map, BY_CERT,
                       offsetof(struct deployment, cert_id), a, ret, err);
}

enum rc db_deployment_list(struct db *db, int64_t cert_id, int64_t before, int limit,
                           struct arena *a, struct deployment_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    before = before_or_top(before);
    if (cert_id != 0)
        MANY(db, STMT_DEPLOYMENT_LIST_CERT, &deployment_map, a, ret, err, I(before), I(limit),
             I(cert_id), T(db->scope));
    else
        MANY(db, STMT_DEPLOYMENT_LIST, &deployment_map, a, ret, err, I(before), I(limit),
             T(db->scope));
    return RC_OK;
}

enum rc db_deployment_set_state(struct db *db, int64_t id, enum deployment_state s, int64_t now,
                                struct err *err)
{
    return db_change(db, STMT_DEPLOYMENT_SET_STATE, ARGS(I(id), I(s), I(now)), STMT_DEPLOYMENT_GET,
                     &deployment_map, err);
}

enum rc db_item_add(struct db *db, struct deploy_item *i, struct err *err)
{
    return db_insert(db, STMT_ITEM_ADD, &deploy_item_map, i, NULL, err);
}

enum rc db_item_list(struct db *db, int64_t deployment_id, struct arena *a,
                     struct deploy_item_list *ret, struct err *err)
{
    MANY(db, STMT_ITEM_LIST, &deploy_item_map, a, ret, err, I(deployment_id));
    return RC_OK;
}

enum rc db_item_update(struct db *db, const struct deploy_item *i, struct err *err)
{
    return db_change(
        db, STMT_ITEM_UPDATE,
        ARGS(I(i->id), I(i->state), T(i->plan), T(i->receipt), T(i->error), I(i->updated)),
        STMT_ITEM_GET, &deploy_item_map, err);
}
