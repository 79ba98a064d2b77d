/*
 * What the administrators are told about the licence. Invariant: each thing is said once; its end
 * is said again every week.
 */
#include "job/job_priv.h"
#include "job/licence.h"
#include "model/calendar.h"

#define WEEK (7 * USEC_PER_DAY)

/* What there is to say, as one number: a warning's days, or -1, -2 ... for the weeks since the end;
 * 0 = nothing. */
static int64_t level_of(const struct licence_now *n)
{
    if (n->status.state == LICENCE_ENDED)
        return -1 - (n->status.at - n->status.ends) / WEEK;
    return n->status.warning;
}

static enum rc say(struct db *db, struct run *r, const struct licence_now *n, int64_t level,
                   int64_t now, struct err *err)
{
    bool ended = level < 0;
    struct notice_facts f = {.event = ended ? "licence.ended" : "licence.ending",
                             .subject = "licence",
                             .dedup = arena_printf(r->a, "licence:%s:%lld:%lld", n->licence.key_id,
                                                   (long long)n->licence.serial, (long long)level),
                             .name = n->licence.licensee,
                             .expiry = n->status.ends - 1,
                             .days = level};
    if (!f.dedup)
        return NOMEM(err);
    r->made_work = true;
    return notice_facts(db, &f, now, err);
}

static enum rc say_broken(struct db *db, struct run *r, const struct licence_now *n, int64_t now,
                          struct err *err)
{
    struct notice_facts f = {.event = "licence.broken",
                             .subject = "licence",
                             .dedup = arena_printf(r->a, "licence.broken:%lld:%lld",
                                                   (long long)n->imported, (long long)(now / WEEK)),
                             .name = n->installation ? n->installation : "-",
                             .why = &n->fault};
    if (!f.dedup)
        return NOMEM(err);
    r->made_work = true;
    return notice_facts(db, &f, now, err);
}

enum rc licence_look(struct db *db, struct run *r, int64_t now, int64_t *since, int64_t *said,
                     bool *ret_ended, struct err *err)
{
    struct licence_now n;
    TRY(licence_seen(db, now, clock_mono(r->e->o.clock), since, err));
    TRY(licence_load(db, now, r->a, &n, err));
    *ret_ended = n.status.state == LICENCE_ENDED;
    int64_t level = n.broken ? INT32_MIN : level_of(&n);
    int64_t mark = level == 0 ? 0 : n.licence.serial * 100000 + level;
    if (mark == *said || level == 0) {
        *said = mark;
        return RC_OK;
    }
    TRY(n.broken ? say_broken(db, r, &n, now, err) : say(db, r, &n, level, now, err));
    *said = mark;
    return RC_OK;
}

enum rc licence_held(struct db *db, struct run *r, const struct cert *c, int64_t now,
                     struct err *err)
{
    struct cert_version v = {0};
    if (c->current_id)
        TRY(db_version_get(db, c->current_id, r->a, &v, err));
    struct notice_facts f = {.event = "licence.held",
                             .subject = arena_printf(r->a, "cert/%lld", (long long)c->id),
                             .dedup = arena_printf(r->a, "licence.held:%lld:%lld:%lld",
                                                   (long long)c->id, (long long)c->renew_at,
                                                   (long long)((now - c->renew_at) / WEEK)),
                             .name = c->name,
                             .expiry = v.not_after};
    if (!f.subject || !f.dedup)
        return NOMEM(err);
    return notice_facts(db, &f, now, err);
}
