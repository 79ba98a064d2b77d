/*
 * The tick: what is due becomes jobs. Invariants: one tick at a time (a persistent job); at most
 * RENEWALS and LOOKS new jobs per tick, so that neither a clock that jumps nor a mass expiry makes
 * a storm; while the clock is wrong nothing is judged.
 */
#include <string.h>

#include "base/log.h"
#include "job/job_priv.h"
#include "job/notify_rule.h"
#include "store/repo_discover.h"

enum { RENEWALS = 20, HELD = 1000, LOOKS = 100, SCAN = 200, RETRIES = 100 };
#define SCAN_EVERY     (3600 * USEC_PER_SEC)
#define DISCOVERY_KEPT (90 * USEC_PER_DAY)

struct tick {
    int64_t high, wrong_since, cursor, scan_at, cleaned_at, licence_since, licence_said, held_at;
    bool clock_wrong;
};

/* Before the build, or a day behind what was seen; the latter is believed when it stays an hour. */
static bool clock_wrong(struct run *r, struct tick *t)
{
    int64_t now = run_now(r), mono = clock_mono(r->e->o.clock);
    if (now < BUILT_AT)
        return true;
    if (now >= t->high - USEC_PER_DAY) {
        t->high = now > t->high ? now : t->high;
        t->wrong_since = 0;
        return false;
    }
    if (t->wrong_since == 0 || t->wrong_since > mono)
        t->wrong_since = mono ? mono : 1;
    if (mono - t->wrong_since < 3600 * USEC_PER_SEC)
        return true;
    t->high = now;
    t->wrong_since = 0;
    return false;
}

/* Past the licence's end a renewal is not started; that it was not is an alarm of its own. */
static enum rc renew(struct db *db, struct run *r, const struct cert *c, bool ended, int64_t now,
                     struct err *err)
{
    int64_t job = 0;
    bool existing = false;
    if (c->ca_id == 0)
        return RC_OK;
    if (ended)
        return licence_held(db, r, c, now, err);
    TRY(job_request_issue(db, c->id, "renew", now, &job, &existing, err));
    r->made_work |= !existing;
    return RC_OK;
}

static enum rc due(struct db *db, struct run *r, struct tick *t, bool ended, int64_t now,
                   struct err *err)
{
    struct cert_page certs = {NULL, 0};
    struct endpoint_list eps;
    int64_t job = 0;
    const char *hold = NULL;
    TRY(job_hold_get(db, r->a, &hold, err));
    /* What is held stays due: all of it is looked at, and less often. */
    if (!hold && (!ended || now >= t->held_at || t->held_at > now + SCAN_EVERY))
        TRY(db_cert_due(db, now, ended ? HELD : RENEWALS, r->a, &certs, err));
    for (size_t i = 0; i < certs.n; i++)
        TRY(renew(db, r, &certs.v[i], ended, now, err));
    if (ended && certs.n > 0)
        t->held_at = now + SCAN_EVERY;
    TRY(db_endpoint_due(db, now, LOOKS, r->a, &eps, err));
    for (size_t i = 0; i < eps.n; i++)
        TRY(job_request_watch(db, eps.v[i].id, now, &job, err));
    r->made_work |= eps.n > 0;
    return backups_due(db, r, now, err);
}

/* Jobs that wait for a person are looked at again once a day. */
static enum rc blocked_again(struct db *db, struct run *r, int64_t now, struct err *err)
{
    struct job_filter f = {.only_open = true, .limit = 1000};
    struct job_list l;
    int tried = 0;
    TRY(db_job_list(db, &f, r->a, &l, err));
    for (size_t i = 0; i < l.n && tried < RETRIES; i++)
        if (l.v[i].state == JOB_BLOCKED && l.v[i].run_at <= now) {
            TRY(db_job_retry_now(db, l.v[i].id, now, err));
            tried++;
        }
    r->made_work |= tried > 0;
    return RC_OK;
}

static enum rc raise_expiry(struct db *db, struct run *r, const struct cert *c,
                            const struct cert_version *v, const char *event, int64_t days,
                            int64_t now, struct err *err)
{
    struct notice_facts f = {
        .event = event,
        .subject = arena_printf(r->a, "cert/%lld", (long long)c->id),
        .dedup = arena_printf(r->a, "%s:%lld:%lld", event, (long long)v->id, (long long)days),
        .name = c->name,
        .expiry = v->not_after,
        .days = days};
    r->made_work = true;
    return notice_facts(db, &f, now, err);
}

/* How many days before the end its group wants to be told. */
static enum rc levels_of(struct db *db, struct run *r, int64_t group, int64_t ret[NOTIFY_DAYS_MAX],
                         size_t *ret_n, struct err *err)
{
    struct notify_rule rule = {0};
    struct group g;
    if (group) {
        TRY(db_group_get(db, group, r->a, &g, err));
        notify_rule_read(g.notify, r->a, &rule);
    }
    *ret_n = notify_rule_days(&rule, ret);
    return RC_OK;
}

static enum rc judge(struct db *db, struct run *r, const struct cert *c, int64_t now,
                     struct err *err)
{
    int64_t levels[NOTIFY_DAYS_MAX];
    size_t level_count = 0;
    struct cert_version v;
    if (!c->current_id)
        return RC_OK;
    TRY(db_version_get(db, c->current_id, r->a, &v, err));
    if (v.state == VERSION_REVOKED || v.not_after == 0)
        return RC_OK;
    if (v.not_after <= now)
        return raise_expiry(db, r, c, &v, "cert.expired", 0, now, err);
    if (c->renew_at && c->renew_at < now - (v.not_after - c->renew_at) / 6)
        TRY(raise_expiry(db, r, c, &v, "renewal.missed", 0, now, err));
    TRY(levels_of(db, r, c->group_id, levels, &level_count, err));
    struct expiry e = {v.not_before, v.not_after, c->renew_at};
    int64_t level = notify_level(levels, level_count, &e, now);
    return level ? raise_expiry(db, r, c, &v, "cert.expiring", level, now, err) : RC_OK;
}

static enum rc scan(struct db *db, struct run *r, struct tick *t, int64_t now, struct err *err)
{
    struct cert_page p;
    if (t->cursor == 0 && now < t->scan_at && t->scan_at <= now + SCAN_EVERY)
        return RC_OK;
    TRY(db_cert_list(db, t->cursor, SCAN, r->a, &p, err));
    for (size_t i = 0; i < p.n; i++)
        TRY(judge(db, r, &p.v[i], now, err));
    t->cursor = p.n == SCAN ? p.v[p.n - 1].id : 0;
    if (t->cursor == 0)
        t->scan_at = now + SCAN_EVERY;
    return RC_OK;
}

static enum rc clean(struct db *db, struct tick *t, int64_t now, struct err *err)
{
    if (now >= t->cleaned_at && now - t->cleaned_at < 600 * USEC_PER_SEC)
        return RC_OK;
    t->cleaned_at = now;
    TRY(db_challenge_expire(db, now, err));
    TRY(db_discovery_expire(db, now - DISCOVERY_KEPT, err));
    return db_session_expire(db, now, err);
}

static enum rc put_tick(struct run *r, const struct tick *t, struct err *err)
{
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_ki64(&w, "high", t->high);
    jw_ki64(&w, "wrong_since", t->wrong_since);
    jw_ki64(&w, "cursor", t->cursor);
    jw_ki64(&w, "scan_at", t->scan_at);
    jw_ki64(&w, "cleaned_at", t->cleaned_at);
    jw_ki64(&w, "licence_since", t->licence_since);
    jw_ki64(&w, "licence_said", t->licence_said);
    jw_ki64(&w, "held_at", t->held_at);
    jw_kbool(&w, "clock_wrong", t->clock_wrong);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    r->job.progress = arena_strdup(r->keep, buf_cstr(&b));
    return r->job.progress ? RC_OK : NOMEM(err);
}

static enum rc counts(struct db *db, struct run *r, struct err *err)
{
    bool mended = false;
    if (!r->e->counted) {
        TRY(db_cert_tally_mend(db, &mended, err));
        r->e->counted = true;
    }
    if (mended)
        log_line(LOG_WARN, "job", "the counts of certificates did not add up; counted anew");
    return db_cert_tally_fold(db, err);
}

static enum rc save_tick(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct tick t = *(struct tick *)arg;
    int64_t now = run_now(r);
    if (t.clock_wrong) {
        struct notice_facts f = {
            .event = "clock.wrong",
            .subject = "system",
            .dedup = arena_printf(r->a, "clock:%lld", (long long)(t.high / USEC_PER_DAY)),
            .name = "clock"};
        TRY(notice_facts(db, &f, now, err));
        r->made_work = true;
        return put_tick(r, &t, err);
    }
    bool ended = false;
    TRY(licence_look(db, r, now, &t.licence_since, &t.licence_said, &ended, err));
    TRY(due(db, r, &t, ended, now, err));
    TRY(blocked_again(db, r, now, err));
    TRY(scan(db, r, &t, now, err));
    TRY(clean(db, &t, now, err));
    TRY(counts(db, r, err));
    return put_tick(r, &t, err);
}

static enum rc tick(struct run *r, struct step_out *out, struct err *err)
{
    struct tick *t = ARENA_NEW(r->a, struct tick);
    if (!t)
        return NOMEM(err);
    *t = (struct tick){.high = json_i64_or(r->progress, "high", 0),
                       .wrong_since = json_i64_or(r->progress, "wrong_since", 0),
                       .cursor = json_i64_or(r->progress, "cursor", 0),
                       .scan_at = json_i64_or(r->progress, "scan_at", 0),
                       .cleaned_at = json_i64_or(r->progress, "cleaned_at", 0),
                       .licence_since = json_i64_or(r->progress, "licence_since", 0),
                       .licence_said = json_i64_or(r->progress, "licence_said", 0),
                       .held_at = json_i64_or(r->progress, "held_at", 0)};
    t->clock_wrong = clock_wrong(r, t);
    if (t->clock_wrong)
        log_line(LOG_ERROR, "job", "the clock is wrong; nothing is judged until it is right");
    out->save = save_tick;
    out->arg = t;
    out->at = run_now(r) + TICK_USEC;
    return RC_OK;
}

static const struct step steps[] = {
    {"tick", {"Looking at what is due", "期限を確認しています"}, tick, 0, false},
};
const struct flow flow_schedule = {"schedule", steps, COUNT_OF(steps), NULL, NULL};
