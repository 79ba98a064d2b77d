/* Counts for the first page. Invariant: the statements give (text, n) or (number, number, n). */
#include "store/store_priv.h"

#include "base/clock.h"
#include "codec/json.h"
#include "store/repo.h"

static const struct col tally_named[] = {CT(tally, name), CI(tally, n)};
static const struct map named_map = {sizeof(struct tally), tally_named, COUNT_OF(tally_named),
                                     "count", "件数"};
MAP(tally, "count", "件数", CI(tally, a), CI(tally, b), CI(tally, n));

enum rc db_cert_tally(struct db *db, int64_t now, int weeks, struct arena *a,
                      struct tally_list *ret, struct err *err)
{
    const int64_t day = now / USEC_PER_DAY;
    MANY(db, STMT_CERT_TALLY, &tally_map, a, ret, err, I(now), I(day), I(day * USEC_PER_DAY),
         I(weeks), T(db->scope));
    return RC_OK;
}

enum rc db_cert_tally_fold(struct db *db, struct err *err)
{
    static const enum stmt_id steps[] = {STMT_COUNT_TAKE, STMT_COUNT_ADD, STMT_COUNT_FORGET,
                                         STMT_COUNT_SWEEP};
    int64_t news = 0;
    TRY(db_number(db, STMT_COUNT_NEWS, NULL, 0, &news, err));
    for (size_t i = 0; news > 0 && i < COUNT_OF(steps); i++)
        TRY(db_do(db, steps[i], NULL, 0, NULL, err));
    return RC_OK;
}

enum rc db_cert_tally_mend(struct db *db, bool *ret_mended, struct err *err)
{
    int64_t wrong = 0;
    TRY(db_number(db, STMT_COUNT_WRONG, NULL, 0, &wrong, err));
    *ret_mended = wrong != 0;
    return wrong ? db_do(db, STMT_COUNT_MEND, NULL, 0, NULL, err) : RC_OK;
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

struct tick_row {
    int64_t at, next;
    const char *progress;
};
struct queue_row {
    int64_t due, oldest, running, waiting, blocked;
};
struct plan_row {
    int64_t look, renewal;
};
MAP(queue_row, "queue", "待ち行列", CI(queue_row, due), CI(queue_row, oldest),
    CI(queue_row, running), CI(queue_row, waiting), CI(queue_row, blocked));
MAP(plan_row, "plan", "予定", CI(plan_row, look), CI(plan_row, renewal));
MAP(tick_row, "tick", "予定の確認", CI(tick_row, at), CI(tick_row, next), CT(tick_row, progress));

enum rc db_engine_counts(struct db *db, int64_t now, struct arena *a, struct engine_counts *ret,
                         struct err *err)
{
    struct queue_row q;
    struct plan_row p;
    struct tick_row t = {0};
    AUTO(json) struct json *state = NULL;
    TRY(db_one(db, STMT_ENGINE_QUEUE, ARGS(I(now)), &queue_row_map, a, &q, err));
    TRY(db_one(db, STMT_ENGINE_PLAN, NULL, 0, &plan_row_map, a, &p, err));
    enum rc rc = db_one(db, STMT_ENGINE_TICK, NULL, 0, &tick_row_map, a, &t, err);
    if (rc != RC_NOT_FOUND)
        TRY(rc);
    if (t.progress)
        TRY(json_parse(str_from(t.progress), &state, err));
    *ret = (struct engine_counts){.due = q.due,
                                  .oldest = q.oldest,
                                  .running = q.running,
                                  .waiting = q.waiting,
                                  .blocked = q.blocked,
                                  .tick_at = t.at,
                                  .tick_next = t.next,
                                  .look_next = p.look,
                                  .renewal_next = p.renewal,
                                  .clock_wrong = json_bool_or(state, "clock_wrong", false)};
    return RC_OK;
}
