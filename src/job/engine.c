/*
 * The engine's threads. Invariants: one idle thread (the leader) waits for the time, the others
 * wait for it; a job is run by one thread at a time in this process whatever the clock does; the
 * keeper extends leases, and tells a worker whose lease is lost to drop what it does.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/job_priv.h"
#include "job/syslog.h"

enum { STACK = 512 * 1024, THREADS = 16, THREADS_MAX = 256, CAP = 8 };

void engine_after(struct timespec *ts, int64_t usec)
{
    (void)clock_gettime(CLOCK_MONOTONIC, ts);
    int64_t ns = ts->tv_nsec + (usec % USEC_PER_SEC) * 1000;
    ts->tv_sec += usec / USEC_PER_SEC + ns / 1000000000;
    ts->tv_nsec = ns % 1000000000;
}

bool run_pause(struct run *r, int64_t usec)
{
    struct timespec until;
    struct engine *e = r->e;
    engine_after(&until, usec);
    pthread_mutex_lock(&e->lock);
    int rc = 0;
    while (rc == 0 && !atomic_load(&r->w->cancel) && !atomic_load(&e->dead))
        rc = pthread_cond_timedwait(&e->pause, &e->lock, &until);
    pthread_mutex_unlock(&e->lock);
    return rc == ETIMEDOUT;
}

static bool over(struct engine *e)
{
    return atomic_load(&e->stop) || atomic_load(&e->dead);
}

/* As long as the leader may sleep: until something is due, or IDLE_MAX_USEC. With the lock held. */
static void sleep_until(const struct engine *e, struct timespec *ts)
{
    int64_t wait = e->next_at > 0 ? e->next_at - clock_now(e->o.clock) : IDLE_MAX_USEC;
    engine_after(ts, wait < 0 ? 0 : wait > IDLE_MAX_USEC ? IDLE_MAX_USEC : wait);
}

/*
 * Many wakes in a row are one: a look in vain costs the more, the more work waits for its turn.
 * With the lock held.
 */
static void rest(struct engine *e)
{
    struct timespec until;
    int rc = 0;
    int64_t left = e->vain_at + LOOK_USEC - clock_mono(e->o.clock);
    if (e->vain_at == 0 || left <= 0 || left > LOOK_USEC)
        return;
    engine_after(&until, left);
    while (rc == 0 && !over(e))
        rc = pthread_cond_timedwait(&e->leader, &e->lock, &until);
}

/* Until there may be work for this thread: only the leader goes, and another takes its place. */
static void idle(struct engine *e)
{
    struct timespec until;
    pthread_mutex_lock(&e->lock);
    while (e->led && !over(e))
        pthread_cond_wait(&e->follower, &e->lock);
    e->led = true;
    bool due = false;
    while (!due && !over(e) && e->wakes == e->taken) {
        sleep_until(e, &until);
        due = pthread_cond_timedwait(&e->leader, &e->lock, &until) == ETIMEDOUT;
    }
    if (due) {
        e->more = true;
        e->next_at = 0; /* the look will tell */
    } else {
        rest(e);
    }
    e->taken = e->wakes;
    e->led = false;
    pthread_cond_signal(&e->follower);
    pthread_mutex_unlock(&e->lock);
}

/* With the lock held. */
static void wake_one(struct engine *e)
{
    e->wakes++;
    pthread_cond_signal(&e->leader);
}

void engine_wake(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    wake_one(e);
    e->more = true;
    pthread_mutex_unlock(&e->lock);
}

/* Enters the job in the worker's place; false when another thread here still runs it. */
static bool enter(struct worker *w, const struct job *j)
{
    struct engine *e = w->e;
    bool alone = true;
    pthread_mutex_lock(&e->lock);
    for (int i = 0; i < e->started; i++)
        if (&e->workers[i] != w && e->workers[i].job_id == j->id) {
            alone = false;
            atomic_store(&e->workers[i].lost, true);
            atomic_store(&e->workers[i].cancel, true);
        }
    if (alone) {
        w->job_id = j->id;
        w->lease_no = j->lease_no;
        w->lease_until = j->lease_until;
        atomic_store(&w->lost, false);
        atomic_store(&w->cancel, over(e));
    }
    pthread_mutex_unlock(&e->lock);
    return alone;
}

static void leave(struct worker *w)
{
    pthread_mutex_lock(&w->e->lock);
    w->job_id = 0;
    pthread_mutex_unlock(&w->e->lock);
}

/* The older attempt must end before this one may begin. */
static void put_back(struct engine *e, struct job *j)
{
    AUTO(db) struct db *db = NULL;
    j->state = JOB_READY;
    j->run_at = clock_now(e->o.clock) + 2 * USEC_PER_SEC;
    if (store_begin(e->o.store, &db, NULL) == RC_OK && db_job_save(db, j, NULL) == RC_OK &&
        db_commit(&db, NULL) != RC_OK)
        log_line(LOG_WARN, "job", "job %lld could not be put back", (long long)j->id);
}

static void run_claimed(struct worker *w, struct job *j, struct arena *keep)
{
    struct run r = {
        .e = w->e, .w = w, .job = *j, .keep = keep, .activity_at = clock_mono(w->e->o.clock)};
    if (!enter(w, j)) {
        put_back(w->e, j);
        return;
    }
    run_job(&r);
    leave(w);
}

/*
 * There may be more than what was just claimed: the next idle thread has a look meanwhile, unless
 * one has looked in vain already. What a job that ends makes possible, its own thread takes up.
 */
static void pass_on(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    if (e->more)
        wake_one(e);
    pthread_mutex_unlock(&e->lock);
}

/*
 * next: when something will be due, 0 = nothing; seen: wakes when the look began. Looks overlap:
 * what an older one did not see must not erase what a newer one saw.
 */
static void looked_in_vain(struct engine *e, int64_t next, uint64_t seen)
{
    pthread_mutex_lock(&e->lock);
    if (e->wakes == seen)
        e->more = false;
    e->vain_at = clock_mono(e->o.clock);
    if (next > 0 && (e->next_at == 0 || next < e->next_at)) {
        e->next_at = next;
        pthread_cond_signal(&e->leader);
    }
    pthread_mutex_unlock(&e->lock);
}

/* False when there is nothing to do now. */
static bool try_once(struct worker *w)
{
    struct engine *e = w->e;
    struct err err;
    struct job j;
    int64_t next = 0;
    AUTO(arena) struct arena *keep = arena_create(0);
    pthread_mutex_lock(&e->lock);
    uint64_t seen = e->wakes;
    pthread_mutex_unlock(&e->lock);
    enum rc rc = keep ? db_job_claim(e->o.store, e->o.owner, clock_now(e->o.clock), LEASE_USEC,
                                     e->o.cap_max, keep, &j, &next, &err)
                      : NOMEM(&err);
    if (rc == RC_OK) {
        pass_on(e);
        run_claimed(w, &j, keep);
        return true;
    }
    if (rc != RC_NOT_FOUND) {
        log_err(LOG_ERROR, "job", "claiming work", &err);
        /* A damaged store does not mend itself: no need to say it every second. */
        next = clock_now(e->o.clock) + (rc == RC_CORRUPT ? 60 : 1) * USEC_PER_SEC;
    }
    looked_in_vain(e, next, seen);
    return false;
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    while (!over(w->e))
        if (!try_once(w))
            idle(w->e);
    http_drop(w);
    return NULL;
}

static void extend_one(struct engine *e, struct worker *w, int64_t id, int64_t no)
{
    AUTO(db) struct db *db = NULL;
    int64_t until = clock_now(e->o.clock) + LEASE_USEC;
    enum rc rc = store_begin(e->o.store, &db, NULL);
    if (rc == RC_OK)
        rc = db_job_extend(db, id, no, until, NULL);
    bool lost = rc == RC_CONFLICT;
    if (rc == RC_OK)
        rc = db_commit(&db, NULL);
    pthread_mutex_lock(&e->lock);
    if (w->job_id == id && w->lease_no == no) {
        if (rc == RC_OK)
            w->lease_until = until;
        if (lost) {
            atomic_store(&w->lost, true);
            atomic_store(&w->cancel, true);
            pthread_cond_broadcast(&e->pause);
        }
    }
    pthread_mutex_unlock(&e->lock);
}

static enum rc mend_times(struct engine *e, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    int64_t n = 0;
    TRY(store_begin(e->o.store, &db, err));
    TRY(db_jobs_ahead(db, clock_now(e->o.clock), &n, err));
    TRY(db_commit(&db, err));
    if (n > 0) {
        log_line(LOG_WARN, "job", "%lld waited for a time far ahead; they are due now",
                 (long long)n);
        engine_wake(e);
    }
    return RC_OK;
}

/* The wall clock against the one that is never set. */
static void mind_clock(struct engine *e, int64_t *apart)
{
    struct err err = {0};
    int64_t now = clock_now(e->o.clock) - clock_mono(e->o.clock);
    bool back = now < *apart - 60 * USEC_PER_SEC;
    if (back && mend_times(e, &err) != RC_OK)
        log_err(LOG_ERROR, "job", "after the clock was set back", &err);
    else
        *apart = now;
}

static void *keeper_run(void *arg)
{
    struct engine *e = arg;
    int64_t apart = clock_now(e->o.clock) - clock_mono(e->o.clock);
    while (!atomic_load(&e->dead)) {
        mind_clock(e, &apart);
        struct timespec until;
        engine_after(&until, IDLE_MAX_USEC);
        pthread_mutex_lock(&e->lock);
        int rc = 0;
        while (rc == 0 && !over(e))
            rc = pthread_cond_timedwait(&e->pause, &e->lock, &until);
        bool busy = false;
        for (int i = 0; i < e->started; i++) {
            struct worker *w = &e->workers[i];
            int64_t id = w->job_id, no = w->lease_no;
            busy |= id != 0;
            if (id == 0 || w->lease_until - clock_now(e->o.clock) > LEASE_USEC / 2)
                continue;
            pthread_mutex_unlock(&e->lock);
            extend_one(e, w, id, no);
            pthread_mutex_lock(&e->lock);
        }
        bool end = over(e) && !busy;
        if (over(e) && busy) {
            engine_after(&until, 200 * USEC_PER_MSEC);
            (void)pthread_cond_timedwait(&e->leader, &e->lock, &until);
        }
        pthread_mutex_unlock(&e->lock);
        if (end)
            break;
    }
    return NULL;
}

static enum rc add_schedule(struct engine *e, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    int64_t now = clock_now(e->o.clock);
    TRY(store_begin(e->o.store, &db, err));
    if (e->o.before)
        TRY(db_job_release(db, e->o.before, now, err));
    if (!e->o.no_schedule)
        TRY(add_job(db, "schedule", "system", "tick", "schedule", NULL, NULL, now, NULL, NULL,
                    err));
    if (!e->o.no_schedule)
        TRY(job_keep_syslog(db, now, err));
    return db_commit(&db, err);
}

static enum rc thread_fail(struct err *err)
{
    return FAIL(err, RC_INTERNAL, BLAME_US,
                MSG("job.thread", "a thread cannot be started; raise the limit of processes",
                    "スレッドを開始できません。プロセス数の上限を引き上げてください"));
}

static enum rc start_threads(struct engine *e, struct err *err)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, STACK) != 0)
        return thread_fail(err);
    enum rc rc = RC_OK;
    pthread_mutex_lock(&e->lock);
    for (int i = 0; rc == RC_OK && i < e->o.threads; i++) {
        if (pthread_create(&e->workers[i].thread, &attr, worker_run, &e->workers[i]) != 0)
            rc = thread_fail(err);
        else
            e->started++;
    }
    if (rc == RC_OK && pthread_create(&e->keeper, &attr, keeper_run, e) != 0)
        rc = thread_fail(err);
    else if (rc == RC_OK)
        e->keeper_started = true;
    pthread_mutex_unlock(&e->lock);
    pthread_attr_destroy(&attr);
    if (rc == RC_OK && news_start(e) != 0)
        rc = thread_fail(err);
    return rc;
}

static void init_options(struct engine *e, const struct engine_options *o)
{
    e->o = *o;
    if (e->o.threads <= 0)
        e->o.threads = THREADS;
    if (e->o.threads > THREADS_MAX)
        e->o.threads = THREADS_MAX;
    if (e->o.cap_max <= 0)
        e->o.cap_max = CAP;
    struct engine_lookup *l = &e->o.lookup;
    l->ca = l->ca ? l->ca : ca_find;
    l->challenge = l->challenge ? l->challenge : challenge_find;
    l->target = l->target ? l->target : target_find;
    l->notifier = l->notifier ? l->notifier : notifier_find;
    atomic_store(&e->saves_left, (long)o->die_after_saves);
    e->more = true;
}

static void init_locks(struct engine *e)
{
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&e->leader, &attr);
    (void)pthread_cond_init(&e->pause, &attr);
    (void)pthread_cond_init(&e->follower, &attr);
    (void)pthread_cond_init(&e->news, &attr);
    (void)pthread_mutex_init(&e->tell, NULL);
    (void)pthread_condattr_destroy(&attr);
}

enum rc engine_create(const struct engine_options *o, struct engine **ret, struct err *err)
{
    struct engine *e = mem_alloc(sizeof *e);
    if (!e)
        return NOMEM(err);
    init_locks(e);
    init_options(e, o);
    e->workers = mem_alloc((size_t)e->o.threads * sizeof *e->workers);
    enum rc rc = e->workers ? RC_OK : NOMEM(err);
    for (int i = 0; rc == RC_OK && i < e->o.threads; i++) {
        e->workers[i].e = e;
        rc = vault_clone(o->vault, &e->workers[i].vault, err);
    }
    if (rc == RC_OK)
        rc = mend_times(e, err);
    if (rc == RC_OK)
        rc = add_schedule(e, err);
    if (rc == RC_OK)
        rc = start_threads(e, err);
    if (rc != RC_OK) {
        engine_stop(e);
        engine_destroy(e);
        return rc;
    }
    *ret = e;
    return RC_OK;
}

void engine_stop(struct engine *e)
{
    if (!e)
        return;
    atomic_store(&e->stop, true);
    pthread_mutex_lock(&e->lock);
    for (int i = 0; i < e->started; i++)
        atomic_store(&e->workers[i].cancel, true);
    pthread_cond_broadcast(&e->leader);
    pthread_cond_broadcast(&e->follower);
    pthread_cond_broadcast(&e->pause);
    pthread_cond_broadcast(&e->news);
    pthread_mutex_unlock(&e->lock);
}

void engine_destroy(struct engine *e)
{
    if (!e)
        return;
    engine_stop(e);
    for (int i = 0; i < e->started; i++)
        (void)pthread_join(e->workers[i].thread, NULL);
    if (e->keeper_started)
        (void)pthread_join(e->keeper, NULL);
    news_stop(e);
    for (int i = 0; e->workers && i < e->o.threads; i++)
        vault_close(e->workers[i].vault);
    engine_nodes_free(e);
    (void)pthread_cond_destroy(&e->leader);
    (void)pthread_cond_destroy(&e->follower);
    (void)pthread_cond_destroy(&e->pause);
    (void)pthread_cond_destroy(&e->news);
    (void)pthread_mutex_destroy(&e->tell);
    (void)pthread_mutex_destroy(&e->lock);
    mem_free(e->workers);
    mem_free(e);
}
