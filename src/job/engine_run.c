/*
 * Running a claimed job step by step. Invariants: every save is one transaction fenced by lease_no;
 * RC_CONFLICT drops everything of this attempt; a step that goes on at once keeps the claim.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/job_priv.h"
#include "model/policy.h"

static const struct flow *const flows[] = {
    &flow_issue,    &flow_deploy,      &flow_plan,      &flow_watch,
    &flow_schedule, &flow_notify,      &flow_check,     &flow_notify_test,
    &flow_revoke,   &flow_vendor_mail, &flow_syslog,    &flow_backup,
    &flow_reseal,   &flow_tidy,        &flow_preflight, &flow_discover};

static const struct flow *flow_find(const char *kind)
{
    for (size_t i = 0; i < COUNT_OF(flows); i++)
        if (strcmp(flows[i]->kind, kind) == 0)
            return flows[i];
    return NULL;
}

static const struct step *step_find(const struct flow *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!name || strcmp(f->steps[i].name, name) == 0)
            return &f->steps[i];
    return NULL;
}

int64_t run_now(const struct run *r)
{
    return clock_now(r->e->o.clock);
}

enum rc run_json(struct run *r, const char *text, const struct json **ret, struct err *err)
{
    *ret = NULL;
    if (!text || !*text)
        return RC_OK;
    struct json *j = NULL;
    TRY(json_parse(str_from(text), &j, err));
    struct trash *t = ARENA_NEW(r->a, struct trash);
    if (!t) {
        json_free(j);
        return NOMEM(err);
    }
    t->json = j;
    t->next = r->trash;
    r->trash = t;
    *ret = j;
    return RC_OK;
}

const char *err_json(struct arena *a, const struct err *e)
{
    AUTO(buf) struct buf b = BUF(16 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_err(&w, e);
    return b.bad == RC_OK ? arena_strdup(a, buf_cstr(&b)) : NULL;
}

static void send_event(struct run *r, struct buf *b)
{
    if (r->e->o.on_event && b->bad == RC_OK)
        r->e->o.on_event(r->e->o.on_event_ctx, buf_cstr(b));
}

void run_event(struct run *r, const char *event, int64_t id, const char *state)
{
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "event", event);
    jw_ki64(&w, "id", id);
    jw_kstr(&w, "state", state);
    jw_end_object(&w);
    send_event(r, &b);
}

enum rc run_fence(struct db *db, struct run *r, struct err *err)
{
    return db_job_extend(db, r->job.id, r->job.lease_no, run_now(r) + LEASE_USEC, err);
}

static enum rc is_dead(struct err *err)
{
    return FAIL(err, RC_CANCELLED, BLAME_US,
                MSG("job.stopped", "the engine has stopped", "処理エンジンは停止しました"));
}

enum rc run_commit(struct run *r, struct db **db, bool soon, struct err *err)
{
    struct engine *e = r->e;
    if (atomic_load(&e->dead))
        return is_dead(err);
    TRY(soon ? db_commit_soon(db, err) : db_commit(db, err));
    if (e->o.die_after_saves > 0 && atomic_fetch_sub(&e->saves_left, 1) <= 1) {
        atomic_store(&e->dead, true);
        engine_stop(e);
    }
    return RC_OK;
}

static enum rc add_audit(struct db *db, struct run *r, const char *action, const char *detail,
                         const struct err *why, struct err *err)
{
    char actor[40] = "job/";
    char num[24];
    (void)err_num(num, r->job.id);
    memcpy(actor + 4, num, strlen(num) + 1);
    struct audit a = {.at = run_now(r),
                      .actor = actor,
                      .origin = r->e->o.owner,
                      .action = action,
                      .subject = r->job.subject,
                      .detail = detail,
                      .result = why ? why->id : "ok"};
    return db_audit_add(db, &a, err);
}

static enum rc save_once(struct run *r, const struct flow *f, const struct step_out *out,
                         const struct err *why, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->e->o.store, &db, err));
    if (out->save && (!why || out->save_on_failure))
        TRY(out->save(db, r, out->arg, err));
    if (why && why->rc != RC_CANCELLED && f->failed)
        TRY(f->failed(db, r, why, r->job.state == JOB_BLOCKED, err));
    TRY(run_save_answers(r, db, err));
    if (r->left)
        TRY(job_request_tidy(db, json_i64_or(r->payload, "cert", 0), r->job.id, r->left,
                             json_get(r->progress, "proofs"), run_now(r) + TIDY_AGAIN, err));
    if (out->audit_done)
        TRY(add_audit(db, r, out->audit_done, NULL, NULL, err));
    if (out->audit)
        TRY(add_audit(db, r, out->audit, out->detail, why, err));
    TRY(db_job_save(db, &r->job, err));
    r->made_work = r->made_work || db_made_work(db);
    return run_commit(r, &db, out->soon && !why, err);
}

/* The store being busy or full must not lose what the world was told: tried again for a while;
 * then the lease runs out and the job starts again from what was saved. */
static enum rc save(struct run *r, const struct flow *f, const struct step_out *out,
                    const struct err *why)
{
    struct err err = {0};
    enum rc rc = RC_OK;
    int64_t wait = 100 * USEC_PER_MSEC;
    r->job.updated = run_now(r);
    for (int i = 0; i < 9; i++) {
        if (atomic_load(&r->w->lost) || atomic_load(&r->e->dead))
            return RC_CONFLICT;
        rc = save_once(r, f, out, why, &err);
        if (rc == RC_OK || rc == RC_CONFLICT || rc == RC_CANCELLED)
            break;
        log_err(LOG_ERROR, "job", "saving a step", &err);
        if (!run_pause(r, wait) && i > 2)
            break;
        wait *= 2;
    }
    if (rc == RC_OK) {
        news_job(r);
        if (r->made_work)
            engine_wake(r->e);
        r->made_work = false;
    }
    return rc;
}

static void keep_str(struct run *r, const char **s)
{
    if (*s)
        *s = arena_strdup(r->keep, *s);
}

static void step_succeeded(struct run *r, const struct step_out *out)
{
    struct job *j = &r->job;
    int64_t now = run_now(r);
    j->error = NULL;
    j->attempts = 0;
    if (out->progress)
        j->progress = arena_strdup(r->keep, out->progress);
    if (out->next)
        j->step = out->next; /* names in flow tables live for ever */
    j->run_at = out->at > now ? out->at : now;
    j->state = out->done ? JOB_DONE : out->at > now ? JOB_READY : JOB_RUNNING;
    if (atomic_load(&r->e->stop) && j->state == JOB_RUNNING)
        j->state = JOB_READY;
    if (out->done)
        j->finished = now;
}

static void step_failed(struct run *r, const struct flow *f, const struct step_out *out,
                        const struct err *why)
{
    struct job *j = &r->job;
    int64_t now = run_now(r);
    if (out->progress)
        j->progress = arena_strdup(r->keep, out->progress);
    if (out->next)
        j->step = out->next;
    j->state = JOB_READY;
    j->run_at = now;
    if (why->rc == RC_CANCELLED && (atomic_load(&r->w->cancel) || atomic_load(&r->e->stop)))
        return;
    j->attempts++;
    if (j->attempts < out->failures)
        j->attempts = out->failures;
    struct retry_facts facts = {.rc = why->rc,
                                .blame = why->blame,
                                .attempts = j->attempts,
                                .retry_at = why->retry_at,
                                .now = now,
                                .seed = (uint64_t)j->id * 1000003U + (uint64_t)j->attempts};
    j->error = err_json(r->keep, why);
    if (out->done) {
        j->state = why->rc == RC_CANCELLED ? JOB_CANCELLED : JOB_FAILED;
        j->finished = now;
    } else if (retry_decide(&facts, &j->run_at) == RETRY_BLOCK) {
        j->state = JOB_BLOCKED;
        if (f->give_up)
            f->give_up(r);
    }
    log_err(LOG_WARN, "job", j->kind, why);
}

static void end_step(struct run *r)
{
    run_release_nodes(r);
    while (r->trash) {
        struct trash *t = r->trash;
        r->trash = t->next;
        json_free(t->json);
    }
    /* A next step that cannot even begin must not find what was this one's. */
    r->answers = NULL;
    r->left = NULL;
    r->payload = r->progress = NULL;
    r->receipt = NULL;
    r->item_id = 0;
    arena_destroy(r->a);
    r->a = NULL;
    r->payload = r->progress = NULL; /* were in the trash */
}

static enum rc begin_step(struct run *r, const struct flow **f, struct err *err)
{
    r->a = arena_create(0);
    if (!r->a)
        return NOMEM(err);
    *f = flow_find(r->job.kind);
    r->step = *f ? step_find(*f, r->job.step) : NULL;
    CHECK(r->step, err, RC_UNSUPPORTED, BLAME_US,
          MSG("job.unknown_step", "this program does not know job {0}, step {1}; update Inro",
              "このバージョンはジョブ {0} の手順 {1} を処理できません。Inro を更新してください"),
          r->job.kind, r->job.step ? r->job.step : "-");
    int64_t limit = r->step->limit ? r->step->limit : 10 * 60 * USEC_PER_SEC;
    r->deadline = clock_mono(r->e->o.clock) + limit;
    TRY(run_json(r, r->job.payload, &r->payload, err));
    return run_json(r, r->job.progress, &r->progress, err);
}

/* There was not even memory to begin: later again, without waiting for the lease to run out. */
static void hand_back(struct run *r)
{
    int64_t wait = 100 * USEC_PER_MSEC;
    r->job.state = JOB_READY;
    for (int i = 0; i < 5; i++, wait *= 2) {
        AUTO(db) struct db *db = NULL;
        r->job.run_at = run_now(r) + 2 * USEC_PER_SEC;
        if (store_begin(r->e->o.store, &db, NULL) == RC_OK &&
            db_job_save(db, &r->job, NULL) == RC_OK && db_commit(&db, NULL) == RC_OK)
            return;
        db_rollback(&db);
        if (!run_pause(r, wait))
            break;
    }
    log_line(LOG_WARN, "job", "job %lld waits for its lease to run out", (long long)r->job.id);
}

/* True when the claim goes on with another step. */
static bool run_step(struct run *r)
{
    static const struct flow none = {.kind = ""};
    const struct flow *f = NULL;
    struct step_out out = {0};
    struct err err = {0};

    enum rc rc = begin_step(r, &f, &err);
    if (rc == RC_OK) {
        if (!r->job.activity_en || r->job.attempts == 0) {
            r->job.activity_en = r->step->label.en;
            r->job.activity_ja = r->step->label.ja;
        }
        rc = r->step->run(r, &out, &err);
    }
    err.rc = rc;
    if (!f)
        f = &none;
    bool go_on = false;
    if (r->a) {
        if (rc == RC_OK)
            step_succeeded(r, &out);
        else if (rc != RC_CONFLICT || !atomic_load(&r->w->lost))
            step_failed(r, f, &out, &err);
        go_on = save(r, f, &out, rc == RC_OK ? NULL : &err) == RC_OK &&
                r->job.state == JOB_RUNNING && !atomic_load(&r->e->dead);
    } else {
        hand_back(r);
    }
    end_step(r);
    return go_on;
}

void run_job(struct run *r)
{
    keep_str(r, &r->job.step);
    if (run_held(r)) {
        run_put_off(r);
        return;
    }
    news_job(r);
    while (run_step(r))
        ;
}
