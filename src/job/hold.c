/*
 * Two copies of one installation must never both act on the world. Who may not act is held:
 * "restored" (from a backup, no person has confirmed yet), "beside" (another copy of the same
 * installation runs on this machine), "superseded" (a place of backups has the mark of a younger
 * generation). Held, Inro watches, tells and answers; it applies for nothing and changes no target.
 */
#include <string.h>

#include "base/log.h"
#include "job/job_priv.h"

#define LOOK_EVERY (2 * USEC_PER_SEC)
#define LATER      (10 * USEC_PER_SEC)

enum rc job_hold_get(struct db *db, struct arena *a, const char **ret, struct err *err)
{
    const char *hold = NULL, *beside = NULL;
    TRY(db_meta_get(db, "hold", a, &hold, err));
    TRY(db_meta_get(db, "beside", a, &beside, err));
    *ret = hold && *hold ? hold : beside && *beside ? "beside" : NULL;
    return RC_OK;
}

enum rc job_hold_clear(struct db *db, struct err *err)
{
    return db_meta_set(db, "hold", "", err);
}

static bool quiet(const char *kind)
{
    static const char *const kinds[] = {"schedule", "watch",  "check",  "notify",    "notify_test",
                                        "plan",     "backup", "syslog", "preflight", "discover"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i], kind) == 0)
            return true;
    return false;
}

/* Whether another copy runs here is asked of the machine and told in the store when it changes. */
static void note_beside(struct engine *e, bool beside)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *db = NULL;
    const char *now = NULL;
    if (!a || store_begin(e->o.store, &db, NULL) != RC_OK ||
        db_meta_get(db, "beside", a, &now, NULL) != RC_OK)
        return;
    if ((now && *now) == beside)
        return;
    if (db_meta_set(db, "beside", beside ? "1" : "", NULL) == RC_OK &&
        db_commit(&db, NULL) == RC_OK)
        log_line(LOG_WARN, "job",
                 beside ? "another copy of this installation runs here; nothing is changed"
                        : "no other copy of this installation runs here any more");
}

static bool look(struct run *r)
{
    struct engine *e = r->e;
    AUTO(db) struct db *db = NULL;
    const char *hold = NULL;
    if (e->o.alone) {
        bool beside = !e->o.alone(e->o.alone_ctx);
        note_beside(e, beside);
        if (beside)
            return true;
    }
    return store_read(e->o.store, &db, NULL) != RC_OK ||
           job_hold_get(db, r->keep, &hold, NULL) != RC_OK || hold != NULL;
}

bool run_held(struct run *r)
{
    struct engine *e = r->e;
    if (quiet(r->job.kind))
        return false;
    int64_t mono = clock_mono(e->o.clock);
    pthread_mutex_lock(&e->lock);
    bool known = e->held_at > 0 && mono - e->held_at < LOOK_EVERY;
    bool held = e->held;
    pthread_mutex_unlock(&e->lock);
    if (known)
        return held;
    held = look(r);
    pthread_mutex_lock(&e->lock);
    e->held = held;
    e->held_at = mono;
    pthread_mutex_unlock(&e->lock);
    return held;
}

/* Back into the queue as it is, saying why. */
void run_put_off(struct run *r)
{
    struct job *j = &r->job;
    AUTO(db) struct db *db = NULL;
    j->state = JOB_READY;
    j->run_at = run_now(r) + LATER;
    j->updated = run_now(r);
    j->activity_en = "Held until a person confirms that this installation is the one to run";
    j->activity_ja = "この環境を動かしてよいと確認されるまで保留しています";
    if (store_begin(r->e->o.store, &db, NULL) == RC_OK && db_job_save(db, j, NULL) == RC_OK &&
        db_commit(&db, NULL) != RC_OK)
        log_line(LOG_WARN, "job", "job %lld could not be put off", (long long)j->id);
}
