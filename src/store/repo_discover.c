/*
 * Discoveries. Invariant: what a list says of certificates and endpoints is within what the
 * transaction sees (statements_discover.def).
 */
#include "store/repo_discover.h"

#include "store/store_priv.h"

MAP(discovery, "discovery", "探索", CI(discovery, id), CT(discovery, name), CI(discovery, total),
    CI(discovery, looked), CI(discovery, found), CI(discovery, group_id), CI(discovery, job_id),
    CT(discovery, actor), CI(discovery, created), CI(discovery, updated), CE(discovery, state));

MAP(discovery_item, "address", "アドレス", CI(discovery_item, id), CI(discovery_item, discovery_id),
    CT(discovery_item, host), CI(discovery_item, port), CT(discovery_item, kind),
    CT(discovery_item, addr), CT(discovery_item, protocol), CT(discovery_item, sha256),
    CT(discovery_item, subject), CT(discovery_item, issuer), CT(discovery_item, serial),
    CT(discovery_item, key_alg), CT(discovery_item, name), CN(discovery_item, names),
    CI(discovery_item, not_before), CI(discovery_item, not_after), CB(discovery_item, trusted),
    CT(discovery_item, error), CI(discovery_item, seen_at), CI(discovery_item, held_id),
    CI(discovery_item, twin_id), CI(discovery_item, endpoint_id), CT(discovery_item, relation));

static const struct col waiting_cols[] = {CI(discovery_item, id), CT(discovery_item, host),
                                          CI(discovery_item, port)};
static const struct map waiting_map = {sizeof(struct discovery_item), waiting_cols,
                                       COUNT_OF(waiting_cols), "address", "アドレス"};
static const struct col tally_cols[] = {CT(tally, name), CI(tally, n)};
static const struct map relation_map = {sizeof(struct tally), tally_cols, COUNT_OF(tally_cols),
                                        "count", "件数"};

enum rc db_discovery_add(struct db *db, struct discovery *d, struct err *err)
{
    TRY(may_put(db, d->group_id, err));
    return db_number(db, STMT_DISCOVERY_ADD,
                     ARGS(T(d->name), I(d->total), I(d->looked), I(d->found), I(d->group_id),
                          I(d->job_id), T(d->actor), I(d->created), I(d->updated)),
                     &d->id, err);
}

enum rc db_discovery_set_job(struct db *db, int64_t id, int64_t job_id, struct err *err)
{
    return db_change(db, STMT_DISCOVERY_JOB, ARGS(I(id), I(job_id)), STMT_DISCOVERY_GET,
                     &discovery_map, err);
}

enum rc db_discovery_get(struct db *db, int64_t id, struct arena *a, struct discovery *ret,
                         struct err *err)
{
    return db_one_seen(db, STMT_DISCOVERY_GET, ARGS(I(id)), &discovery_map, BY_GROUP,
                       offsetof(struct discovery, group_id), a, ret, err);
}

enum rc db_discovery_list(struct db *db, int64_t before, int limit, struct arena *a,
                          struct discovery_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_DISCOVERY_LIST, &discovery_map, a, ret, err, I(before > 0 ? before : INT64_MAX),
         I(limit), T(db->scope));
    return RC_OK;
}

enum rc db_discovery_open(struct db *db, int64_t group_id, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_DISCOVERY_OPEN, ARGS(I(group_id)), ret, err);
}

enum rc db_discovery_prune(struct db *db, int64_t group_id, int64_t keep, struct err *err)
{
    return db_do(db, STMT_DISCOVERY_PRUNE, ARGS(I(group_id), I(keep)), NULL, err);
}

enum rc db_discovery_expire(struct db *db, int64_t before, struct err *err)
{
    return db_do(db, STMT_DISCOVERY_EXPIRE, ARGS(I(before)), NULL, err);
}

enum rc db_discovery_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_DISCOVERY_REMOVE, ARGS(I(id)), STMT_DISCOVERY_GET, &discovery_map,
                     err);
}

enum rc db_discovery_count(struct db *db, int64_t id, int64_t now, struct err *err)
{
    return db_do(db, STMT_DISCOVERY_COUNT, ARGS(I(id), I(now)), NULL, err);
}

enum rc db_discovery_item_add(struct db *db, struct discovery_item *i, struct err *err)
{
    AUTO(buf) struct buf names = BUF(65536);
    TRY(map_names_text(&i->names, &names, err));
    return db_number(db, STMT_DISCOVERY_ITEM_ADD,
                     ARGS(I(i->discovery_id), T(i->host), I(i->port), T(i->kind), T(i->addr),
                          T(i->protocol), T(i->sha256), T(i->subject), T(i->issuer), T(i->serial),
                          T(i->key_alg), T(i->name), T(buf_cstr(&names)), I(i->not_before),
                          I(i->not_after), I(i->trusted), T(i->chain), T(i->error), I(i->seen_at)),
                     &i->id, err);
}

enum rc db_discovery_item_seen(struct db *db, const struct discovery_item *i, struct err *err)
{
    AUTO(buf) struct buf names = BUF(65536);
    TRY(map_names_text(&i->names, &names, err));
    return db_do(db, STMT_DISCOVERY_ITEM_SEEN,
                 ARGS(I(i->id), T(i->kind), T(i->addr), T(i->protocol), T(i->sha256), T(i->subject),
                      T(i->issuer), T(i->serial), T(i->key_alg), T(i->name), T(buf_cstr(&names)),
                      I(i->not_before), I(i->not_after), I(i->trusted), T(i->chain), T(i->error),
                      I(i->seen_at)),
                 NULL, err);
}

enum rc db_discovery_items(struct db *db, const struct discovery_filter *f, struct arena *a,
                           struct discovery_item_list *ret, struct err *err)
{
    AUTO(buf) struct buf like = BUF(8192);
    TRY(limit_ok(f->limit, err));
    if (f->text)
        TRY(like_text(f->text, &like, err));
    MANY(db, STMT_DISCOVERY_ITEM_LIST, &discovery_item_map, a, ret, err, I(f->after), I(f->limit),
         I(f->id), T(f->relation), T(f->text ? buf_cstr(&like) : NULL), T(db->scope));
    return RC_OK;
}

enum rc db_discovery_item_get(struct db *db, int64_t discovery_id, int64_t id, struct arena *a,
                              struct discovery_item *ret, struct err *err)
{
    struct rows got = {NULL, 0};
    TRY(db_many(db, STMT_DISCOVERY_ITEM_GET, ARGS(I(0), I(discovery_id), I(id), T(db->scope)),
                &discovery_item_map, a, &got, err));
    if (got.n == 0)
        return not_found(&discovery_item_map, ARGS(I(id)), err);
    *ret = *(const struct discovery_item *)got.v;
    return RC_OK;
}

enum rc db_discovery_tally(struct db *db, int64_t id, struct arena *a, struct tally_list *ret,
                           struct err *err)
{
    MANY(db, STMT_DISCOVERY_ITEM_TALLY, &relation_map, a, ret, err, I(id), I(0), T(db->scope));
    return RC_OK;
}

enum rc db_discovery_waiting(struct db *db, int64_t id, int limit, struct arena *a,
                             struct discovery_item_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_DISCOVERY_ITEM_WAITING, &waiting_map, a, ret, err, I(id), I(limit));
    return RC_OK;
}

enum rc db_discovery_chain(struct db *db, int64_t item_id, struct arena *a, const char **ret,
                           struct err *err)
{
    return db_text(db, STMT_DISCOVERY_ITEM_CHAIN, ARGS(I(item_id)), a, ret, NULL, err);
}

enum rc db_observation_chain(struct db *db, int64_t endpoint_id, const char *sha256,
                             struct arena *a, const char **ret, struct err *err)
{
    return db_text(db, STMT_OBSERVATION_CHAIN, ARGS(I(endpoint_id), T(sha256)), a, ret, NULL, err);
}

enum rc db_endpoint_taken(struct db *db, const char *host, int64_t port, bool *ret, struct err *err)
{
    int64_t n = 0;
    TRY(db_number(db, STMT_ENDPOINT_TAKEN, ARGS(T(host), I(port)), &n, err));
    *ret = n > 0;
    return RC_OK;
}
