/*
 * The vendor's desk: keys, customers, orders, licences issued, share links, fees.
 * Invariants: a licence's id is its serial; a share link is known by the hash of its token only.
 */
#include "store/repo_vendor.h"

#include "store/store_priv.h"

MAP(vendor_key, "vendor key", "ベンダー鍵", CI(vendor_key, id), CT(vendor_key, key_id),
    CT(vendor_key, pub), CT(vendor_key, sealed), CT(vendor_key, place), CT(vendor_key, state),
    CI(vendor_key, created), CT(vendor_key, statement), CI(vendor_key, changed));
MAP(vendor_customer, "customer", "顧客", CI(vendor_customer, id), CT(vendor_customer, service_code),
    CT(vendor_customer, name), CT(vendor_customer, mail), CT(vendor_customer, lang),
    CT(vendor_customer, installation), CT(vendor_customer, state), CI(vendor_customer, ends_on),
    CI(vendor_customer, created), CI(vendor_customer, updated), CI(vendor_customer, revision));
MAP(vendor_order, "order", "注文", CI(vendor_order, id), CI(vendor_order, customer_id),
    CT(vendor_order, kind), CI(vendor_order, basics), CI(vendor_order, servers),
    CI(vendor_order, ordered_on), CI(vendor_order, accept_on), CI(vendor_order, share_due),
    CI(vendor_order, starts_on), CI(vendor_order, begins_on), CI(vendor_order, ends_on),
    CI(vendor_order, accepted_at), CT(vendor_order, state), CI(vendor_order, licence_id),
    CI(vendor_order, created), CI(vendor_order, updated));
MAP(vendor_licence, "licence", "ライセンス", CI(vendor_licence, id),
    CI(vendor_licence, customer_id), CI(vendor_licence, order_id), CT(vendor_licence, plan),
    CI(vendor_licence, certificates), CI(vendor_licence, targets), CI(vendor_licence, begins),
    CI(vendor_licence, ends), CT(vendor_licence, installation), CT(vendor_licence, key_id),
    CT(vendor_licence, file_name), CT(vendor_licence, file), CI(vendor_licence, created));
MAP(vendor_share, "share link", "共有リンク", CI(vendor_share, id), CI(vendor_share, customer_id),
    CT(vendor_share, token_hash), CI(vendor_share, expires), CI(vendor_share, created),
    CI(vendor_share, hits), CI(vendor_share, last_hit));
MAP(vendor_fee, "fee", "料金", CI(vendor_fee, id), CT(vendor_fee, item), CI(vendor_fee, from_month),
    CI(vendor_fee, yen));
MAP(vendor_sum, "charge", "請求", CI(vendor_sum, id), CT(vendor_sum, service_code),
    CT(vendor_sum, name), CI(vendor_sum, basics), CI(vendor_sum, servers));

/* ---- keys ---- */

enum rc db_vendor_key_add(struct db *db, struct vendor_key *k, struct err *err)
{
    return db_insert(db, STMT_VKEY_ADD, &vendor_key_map, k, NULL, err);
}

enum rc db_vendor_key_set(struct db *db, const struct vendor_key *k, struct err *err)
{
    return db_change(db, STMT_VKEY_SET_ALL,
                     ARGS(I(k->id), T(k->key_id), T(k->pub), T(k->sealed), T(k->place), T(k->state),
                          T(k->statement), I(k->changed)),
                     STMT_VKEY_GET, &vendor_key_map, err);
}

enum rc db_vendor_key_current(struct db *db, struct arena *a, struct vendor_key *ret,
                              struct err *err)
{
    return db_one(db, STMT_VKEY_CURRENT, NULL, 0, &vendor_key_map, a, ret, err);
}

enum rc db_vendor_key_list(struct db *db, struct arena *a, struct vendor_key_list *ret,
                           struct err *err)
{
    struct rows rows = {NULL, 0};
    TRY(db_many(db, STMT_VKEY_LIST, NULL, 0, &vendor_key_map, a, &rows, err));
    ret->v = rows.v;
    ret->n = rows.n;
    return RC_OK;
}

/* ---- customers ---- */

enum rc db_customer_add(struct db *db, struct vendor_customer *c, struct err *err)
{
    return db_insert(db, STMT_CUSTOMER_ADD, &vendor_customer_map, c, NULL, err);
}

enum rc db_customer_get(struct db *db, int64_t id, struct arena *a, struct vendor_customer *ret,
                        struct err *err)
{
    return db_one(db, STMT_CUSTOMER_GET, ARGS(I(id)), &vendor_customer_map, a, ret, err);
}

enum rc db_customer_find(struct db *db, const char *ref, struct arena *a,
                         struct vendor_customer *ret, struct err *err)
{
    return db_one(db, STMT_CUSTOMER_FIND, ARGS(T(ref)), &vendor_customer_map, a, ret, err);
}

enum rc db_customer_list(struct db *db, int64_t after, int limit, struct arena *a,
                         struct vendor_customer_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_CUSTOMER_LIST, &vendor_customer_map, a, ret, err, I(after), I(limit));
    return RC_OK;
}

enum rc db_customer_update(struct db *db, const struct vendor_customer *c, struct err *err)
{
    return db_change(db, STMT_CUSTOMER_UPDATE,
                     ARGS(I(c->id), I(c->revision), T(c->name), T(c->mail), T(c->lang),
                          T(c->installation), T(c->state), I(c->ends_on), I(c->updated)),
                     STMT_CUSTOMER_GET, &vendor_customer_map, err);
}

enum rc db_customer_to_renew(struct db *db, int64_t from, int64_t to, int64_t ends, int limit,
                             struct arena *a, struct vendor_customer_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_CUSTOMER_TO_RENEW, &vendor_customer_map, a, ret, err, I(from), I(to), I(ends),
         I(limit));
    return RC_OK;
}

/* ---- orders ---- */

enum rc db_vorder_add(struct db *db, struct vendor_order *o, struct err *err)
{
    return db_insert(db, STMT_VORDER_ADD, &vendor_order_map, o, NULL, err);
}

enum rc db_vorder_get(struct db *db, int64_t id, struct arena *a, struct vendor_order *ret,
                      struct err *err)
{
    return db_one(db, STMT_VORDER_GET, ARGS(I(id)), &vendor_order_map, a, ret, err);
}

enum rc db_vorder_list(struct db *db, int64_t customer_id, int64_t after, int limit,
                       struct arena *a, struct vendor_order_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_VORDER_LIST, &vendor_order_map, a, ret, err, I(after), I(limit), I(customer_id));
    return RC_OK;
}

enum rc db_vorder_update(struct db *db, const struct vendor_order *o, struct err *err)
{
    return db_change(db, STMT_VORDER_UPDATE,
                     ARGS(I(o->id), I(o->accepted_at), T(o->state), I(o->licence_id), I(o->updated),
                          I(o->share_due)),
                     STMT_VORDER_GET, &vendor_order_map, err);
}

static enum rc take_three(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    int64_t *three = ctx;
    (void)n, (void)err;
    for (size_t i = 0; i < 3; i++)
        three[i] = cols[i].i;
    return RC_OK;
}

enum rc db_vorder_totals(struct db *db, int64_t customer_id, int64_t day, struct vendor_has *ret,
                         struct err *err)
{
    int64_t three[3] = {0, 0, 0}, rows = 0;
    TRY(db_run(db, STMT_VORDER_TOTALS, ARGS(I(customer_id), I(day)), take_three, three, &rows,
               err));
    *ret = (struct vendor_has){three[0], three[1], three[2] > 0};
    return RC_OK;
}

enum rc db_vorder_first(struct db *db, int64_t customer_id, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_VORDER_FIRST, ARGS(I(customer_id)), ret, err);
}

enum rc db_vorder_sums(struct db *db, int64_t month_first, int64_t after, int limit,
                       struct arena *a, struct vendor_sum_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_VORDER_SUMS, &vendor_sum_map, a, ret, err, I(month_first), I(after), I(limit));
    return RC_OK;
}

/* ---- licences issued ---- */

enum rc db_vlicence_add(struct db *db, struct vendor_licence *l, struct err *err)
{
    return db_insert(db, STMT_VLICENCE_ADD, &vendor_licence_map, l, NULL, err);
}

enum rc db_vlicence_set_file(struct db *db, const struct vendor_licence *l, struct err *err)
{
    return db_change(db, STMT_VLICENCE_SET_FILE, ARGS(I(l->id), T(l->file_name), T(l->file)),
                     STMT_VLICENCE_GET, &vendor_licence_map, err);
}

enum rc db_vlicence_get(struct db *db, int64_t id, struct arena *a, struct vendor_licence *ret,
                        struct err *err)
{
    return db_one(db, STMT_VLICENCE_GET, ARGS(I(id)), &vendor_licence_map, a, ret, err);
}

enum rc db_vlicence_find(struct db *db, const char *file_name, struct arena *a,
                         struct vendor_licence *ret, struct err *err)
{
    return db_one(db, STMT_VLICENCE_FIND, ARGS(T(file_name)), &vendor_licence_map, a, ret, err);
}

enum rc db_vlicence_list(struct db *db, int64_t customer_id, int64_t after, int limit,
                         struct arena *a, struct vendor_licence_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_VLICENCE_LIST, &vendor_licence_map, a, ret, err, I(after), I(limit),
         I(customer_id));
    return RC_OK;
}

enum rc db_vlicence_in_force(struct db *db, const char *key_id, int64_t now, int64_t *ret,
                             struct err *err)
{
    return db_number(db, STMT_VLICENCE_IN_FORCE, ARGS(T(key_id), I(now)), ret, err);
}

enum rc db_vlicence_newest(struct db *db, int64_t customer_id, struct arena *a,
                           struct vendor_licence *ret, struct err *err)
{
    return db_one(db, STMT_VLICENCE_NEWEST, ARGS(I(customer_id)), &vendor_licence_map, a, ret, err);
}

/* ---- share links ---- */

enum rc db_share_add(struct db *db, struct vendor_share *s, struct err *err)
{
    return db_insert(db, STMT_SHARE_ADD, &vendor_share_map, s, NULL, err);
}

enum rc db_share_list(struct db *db, int64_t customer_id, int64_t after, int limit, struct arena *a,
                      struct vendor_share_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_SHARE_LIST, &vendor_share_map, a, ret, err, I(after), I(limit), I(customer_id));
    return RC_OK;
}

enum rc db_share_get(struct db *db, int64_t id, struct arena *a, struct vendor_share *ret,
                     struct err *err)
{
    return db_one(db, STMT_SHARE_GET, ARGS(I(id)), &vendor_share_map, a, ret, err);
}

enum rc db_share_find(struct db *db, const char *token_hash, int64_t now, struct arena *a,
                      struct vendor_share *ret, struct err *err)
{
    return db_one(db, STMT_SHARE_FIND, ARGS(T(token_hash), I(now)), &vendor_share_map, a, ret, err);
}

enum rc db_share_set_token(struct db *db, int64_t id, const char *token_hash, struct err *err)
{
    return db_change(db, STMT_SHARE_SET_TOKEN, ARGS(I(id), T(token_hash)), STMT_SHARE_GET,
                     &vendor_share_map, err);
}

enum rc db_share_hit(struct db *db, int64_t id, int64_t now, struct err *err)
{
    return db_change(db, STMT_SHARE_HIT, ARGS(I(id), I(now)), STMT_SHARE_GET, &vendor_share_map,
                     err);
}

enum rc db_share_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_SHARE_REMOVE, ARGS(I(id)), STMT_SHARE_GET, &vendor_share_map, err);
}

/* ---- fees ---- */

enum rc db_fee_set(struct db *db, struct vendor_fee *f, struct err *err)
{
    return db_insert(db, STMT_FEE_SET, &vendor_fee_map, f, NULL, err);
}

enum rc db_fee_list(struct db *db, struct arena *a, struct vendor_fee_list *ret, struct err *err)
{
    struct rows rows = {NULL, 0};
    TRY(db_many(db, STMT_FEE_LIST, NULL, 0, &vendor_fee_map, a, &rows, err));
    ret->v = rows.v;
    ret->n = rows.n;
    return RC_OK;
}

enum rc db_fee_at(struct db *db, const char *item, int64_t month_first, int64_t *ret,
                  struct err *err)
{
    return db_number(db, STMT_FEE_AT, ARGS(T(item), I(month_first)), ret, err);
}
