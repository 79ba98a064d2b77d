/*
 * Jobs. Invariants: lease_no grows with each claim, release and cancel, and every save names it,
 * so that a worker that lost its lease cannot write; an open job is READY, RUNNING or BLOCKED.
 */
#include "store/store_priv.h"

#include "store/repo_list.h"

enum { LOCK_CLAIM = 2 };

MAP(job, "job", "ジョブ", CI(job, id), CT(job, kind), CT(job, subject), CT(job, step),
    CE(job, state), CI(job, run_at), CT(job, lease_owner), CI(job, lease_until), CI(job, lease_no),
    CI(job, attempts), CT(job, dedup_key), CT(job, cap_key), CT(job, payload), CT(job, progress),
    CT(job, activity_en), CT(job, activity_ja), CT(job, error), CI(job, created), CI(job, updated),
    CI(job, finished));

enum rc db_job_add(struct db *db, struct job *j, int64_t *ret_existing, struct err *err)
{
    bool is_new = false;
    int64_t existing = 0;
    TRY(db_insert(db, STMT_JOB_ADD, &job_map, j, &is_new, err));
    db->made_work = db->made_work || is_new;
    if (!is_new)
        TRY(db_number(db, STMT_JOB_OPEN_ID, ARGS(T(j->dedup_key)), &existing, err));
    if (ret_existing)
        *ret_existing = existing;
    return RC_OK;
}

enum rc db_job_get(struct db *db, int64_t id, struct arena *a, struct job *ret, struct err *err)
{
    struct job j;
    bool seen = false;
    TRY(db_one(db, STMT_JOB_GET, ARGS(I(id)), &job_map, a, &j, err));
    TRY(sees_subject(db, j.subject, &seen, err));
    if (!seen)
        return not_found(&job_map, ARGS(I(id)), err);
    *ret = j;
    return RC_OK;
}

/* By the index that finds the least. */
static enum rc list_by_state(struct db *db, const struct job_filter *f, int64_t before,
                             struct arena *a, struct job_list *ret, struct err *err)
{
    static const enum stmt_id by_state[] = {
        [JOB_READY] = STMT_JOB_LIST_LIVE,   [JOB_RUNNING] = STMT_JOB_LIST_LIVE,
        [JOB_DONE] = STMT_JOB_LIST,         [JOB_FAILED] = STMT_JOB_LIST_BAD,
        [JOB_BLOCKED] = STMT_JOB_LIST_LIVE, [JOB_CANCELLED] = STMT_JOB_LIST_BAD};
    enum stmt_id id = STMT_JOB_LIST;
    if (f->in_state > 0 && (size_t)f->in_state <= COUNT_OF(by_state))
        id = by_state[f->in_state - 1];
    if (id == STMT_JOB_LIST && f->kind)
        id = STMT_JOB_LIST_KIND;
    MANY(db, id, &job_map, a, ret, err, I(before), I(f->limit), T(f->kind), I(f->in_state),
         I(f->no_routine), T(db->scope));
    return RC_OK;
}

enum rc db_job_list(struct db *db, const struct job_filter *f, struct arena *a,
                    struct job_list *ret, struct err *err)
{
    TRY(limit_ok(f->limit, err));
    int64_t before = f->before > 0 ? f->before : INT64_MAX;
    if (f->subject)
        MANY(db, STMT_JOB_LIST_SUBJECT, &job_map, a, ret, err, I(before), I(f->limit), T(f->kind),
             I(f->only_open), T(f->subject), T(db->scope));
    else if (f->only_open)
        MANY(db, STMT_JOB_LIST_OPEN, &job_map, a, ret, err, I(before), I(f->limit), T(f->kind),
             I(f->no_routine), T(db->scope));
    else
        return list_by_state(db, f, before, a, ret, err);
    return RC_OK;
}

static enum stmt_id named_way(const struct job_filter *f, int64_t n)
{
    int64_t s = f->in_state - 1;
    if (n < SOUGHT_FEW)
        return STMT_JOB_NAMED;
    if (f->only_open || s == JOB_READY || s == JOB_RUNNING || s == JOB_BLOCKED)
        return STMT_JOB_NAMED_LIVE;
    return s == JOB_FAILED || s == JOB_CANCELLED ? STMT_JOB_NAMED_BAD : STMT_JOB_NAMED_MANY;
}

enum rc db_job_named(struct db *db, const struct job_filter *f, const char *text, struct arena *a,
                     struct job_list *ret, struct err *err)
{
    struct sought s;
    int64_t n = 0;
    TRY(limit_ok(f->limit, err));
    TRY(sought_read(text, a, &s, err));
    TRY(db_number(db, STMT_JOB_NAMED_COUNT, ARGS(T(s.from), T(s.to), I(SOUGHT_FEW)), &n, err));
    MANY(db, named_way(f, n), &job_map, a, ret, err, I(f->before > 0 ? f->before : INT64_MAX),
         I(f->limit), T(f->kind), I(f->in_state), I(f->no_routine), I(f->only_open), T(s.from),
         T(s.to), T(s.like), T(db->scope));
    return RC_OK;
}

static enum rc none_due(struct db *db, int64_t now, int64_t *ret_next, struct err *err)
{
    int64_t next = 0;
    TRY(db_number(db, STMT_JOB_NEXT, ARGS(I(now)), &next, err));
    if (ret_next)
        *ret_next = next;
    return FAIL(err, RC_NOT_FOUND, BLAME_US,
                MSG("store.no_job", "no job is due", "実行時刻になったジョブはありません"));
}

enum rc db_job_claim(struct store *s, const char *owner, int64_t now, int64_t lease_usec,
                     int cap_max, struct arena *a, struct job *ret, int64_t *ret_next,
                     struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(s, &db, err));
    /* PostgreSQL: two claims at once would both count the cap before either is seen. */
    TRY(db_do(db, STMT_LOCK, ARGS(I(LOCK_CLAIM)), NULL, err));
    struct rows got = {NULL, 0};
    TRY(db_many(db, STMT_JOB_CLAIM,
                ARGS(T(owner), I(now), I(now + lease_usec), I(cap_max > 0 ? cap_max : 1)), &job_map,
                a, &got, err));
    if (got.n == 0)
        return none_due(db, now, ret_next, err);
    TRY(db_commit(&db, err));
    *ret = *(const struct job *)got.v;
    return RC_OK;
}

static enum rc lease_lost(int64_t changed, struct err *err)
{
    CHECK(changed > 0, err, RC_CONFLICT, BLAME_US,
          MSG("store.lease_lost", "the job was cancelled or taken over; this attempt is dropped",
              "ジョブは取り消されたか他で引き継がれました。この実行は破棄します"));
    return RC_OK;
}

enum rc db_job_save(struct db *db, const struct job *j, struct err *err)
{
    int64_t changed = 0;
    if (j->state == JOB_RUNNING)
        TRY(db_do(db, STMT_JOB_STEP,
                  ARGS(I(j->id), I(j->lease_no), T(j->step), I(j->attempts), T(j->progress),
                       T(j->activity_en), T(j->activity_ja), T(j->error), I(j->updated)),
                  &changed, err));
    else
        TRY(db_do(db, STMT_JOB_SAVE,
                  ARGS(I(j->id), I(j->lease_no), T(j->step), I(j->state), I(j->run_at),
                       I(j->attempts), T(j->progress), T(j->activity_en), T(j->activity_ja),
                       T(j->error), I(j->updated), I(j->finished), T(j->cap_key)),
                  &changed, err));
    /* What else the transaction did belongs to the lost attempt: it must not be committed. */
    if (changed == 0)
        db->failed = true;
    return lease_lost(changed, err);
}

enum rc db_job_extend(struct db *db, int64_t id, int64_t lease_no, int64_t until, struct err *err)
{
    int64_t changed = 0;
    TRY(db_do(db, STMT_JOB_EXTEND, ARGS(I(id), I(lease_no), I(until)), &changed, err));
    return lease_lost(changed, err);
}

enum rc db_job_activity(struct db *db, int64_t id, int64_t lease_no, const char *en, const char *ja,
                        struct err *err)
{
    int64_t changed = 0;
    TRY(db_do(db, STMT_JOB_ACTIVITY, ARGS(I(id), I(lease_no), T(en), T(ja)), &changed, err));
    return lease_lost(changed, err);
}

enum rc db_jobs_ahead(struct db *db, int64_t now, int64_t *ret_changed, struct err *err)
{
    int64_t jobs = 0, endpoints = 0;
    TRY(db_do(db, STMT_JOB_AHEAD,
              ARGS(I(now), I(now + 2 * USEC_PER_DAY), I(now + 60 * USEC_PER_SEC)), &jobs, err));
    TRY(db_do(db, STMT_ENDPOINT_AHEAD, ARGS(I(now)), &endpoints, err));
    *ret_changed = jobs + endpoints;
    return RC_OK;
}

/* A job that is not seen cannot be changed either. */
static enum rc only_seen(struct db *db, int64_t id, struct err *err)
{
    struct job j;
    if (!db->scope)
        return RC_OK;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    return db_job_get(db, id, a, &j, err);
}

enum rc db_job_cancel(struct db *db, int64_t id, int64_t now, struct err *err)
{
    TRY(only_seen(db, id, err));
    return db_change(db, STMT_JOB_CANCEL, ARGS(I(id), I(now)), STMT_JOB_GET, &job_map, err);
}

enum rc db_job_retry_now(struct db *db, int64_t id, int64_t now, struct err *err)
{
    TRY(only_seen(db, id, err));
    db->made_work = true;
    return db_change(db, STMT_JOB_RETRY_NOW, ARGS(I(id), I(now)), STMT_JOB_GET, &job_map, err);
}

enum rc db_job_release(struct db *db, const char *owner, int64_t now, struct err *err)
{
    return db_do(db, STMT_JOB_RELEASE, ARGS(T(owner), I(now)), NULL, err);
}

enum rc db_job_forget_payload(struct db *db, int64_t id, struct err *err)
{
    return db_do(db, STMT_JOB_FORGET, ARGS(I(id)), NULL, err);
}

MAP(approval, "approval", "承認", CI(approval, job_id), CB(approval, approved),
    CB(approval, begin_now), CT(approval, actor), CI(approval, at));

enum rc db_approval_put(struct db *db, const struct approval *p, struct err *err)
{
    TRY(only_seen(db, p->job_id, err));
    return db_do(db, STMT_APPROVAL_PUT,
                 ARGS(I(p->job_id), I(p->approved), I(p->begin_now), T(p->actor), I(p->at)), NULL,
                 err);
}

enum rc db_approval_get(struct db *db, int64_t job_id, struct arena *a, struct approval *ret,
                        struct err *err)
{
    enum rc rc = db_one(db, STMT_APPROVAL_GET, ARGS(I(job_id)), &approval_map, a, ret, err);
    if (rc == RC_NOT_FOUND)
        *ret = (struct approval){.job_id = job_id};
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}
