/* Counts for the first page. Invariant: the statements give (text, n) or (number, number, n). */
#include "store/store_priv.h"

#include "base/clock.h"
#include "store/repo.h"

static const struct col tally_named[] = {CT(tally, name), CI(tally, n)};
static const struct map named_map = {sizeof(struct tally), tally_named, COUNT_OF(tally_named),
                                     "count", "件数"};
MAP(tally, "count", "件数", CI(tally, a), CI(tally, b), CI(tally, n));

enum rc db_cert_tally(struct db *db, int64_t now, int weeks, struct arena *a,
                      struct tally_list *ret, struct err *err)
{
    const int64_t week = 7 * USEC_PER_DAY;
    MANY(db, STMT_CERT_TALLY, &tally_map, a, ret, err, I(now), I(now + weeks * week), I(week),
         T(db->scope));
    return RC_OK;
}

enum rc db_renewal_tally(struct db *db, int64_t now, int days, struct arena *a,
                         struct tally_list *ret, struct err *err)
{
    MANY(db, STMT_RENEWAL_TALLY, &tally_map, a, ret, err, I(now), I(now + days * USEC_PER_DAY),
         I(USEC_PER_DAY), T(db->scope));
    return RC_OK;
}

enum rc db_job_tally(struct db *db, struct arena *a, struct tally_list *ret, struct err *err)
{
    struct rows got = {NULL, 0};
    TRY(db_many(db, STMT_JOB_TALLY, ARGS(T(db->scope)), &tally_map, a, &got, err));
    *ret = (struct tally_list){got.v, got.n};
    return RC_OK;
}

static enum rc named(struct db *db, enum stmt_id id, struct arena *a, struct tally_list *ret,
                     struct err *err)
{
    struct rows got = {NULL, 0};
    TRY(db_many(db, id, ARGS(T(db->scope)), &named_map, a, &got, err));
    *ret = (struct tally_list){got.v, got.n};
    return RC_OK;
}

enum rc db_endpoint_tally(struct db *db, struct arena *a, struct tally_list *ret, struct err *err)
{
    return named(db, STMT_ENDPOINT_TALLY, a, ret, err);
}

enum rc db_connector_tally(struct db *db, struct arena *a, struct tally_list *ret, struct err *err)
{
    return named(db, STMT_CONNECTOR_TALLY, a, ret, err);
}

enum rc db_delivery_tally(struct db *db, int64_t since, struct arena *a, struct tally_list *ret,
                          struct err *err)
{
    MANY(db, STMT_DELIVERY_TALLY, &named_map, a, ret, err, I(since), T(db->scope));
    return RC_OK;
}
