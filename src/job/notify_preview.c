/*
 * What a rule would have sent: what really happened to what the group owns, as the rule wants it,
 * and the expiries as its days make them, whether or not anybody was told then.
 */
#include <stdlib.h>
#include <string.h>

#include "job/job_priv.h"
#include "job/notify_rule.h"

enum { SCAN_MAX = 20000, PAGE = 500, VERSIONS_MAX = 20000 };

struct sheet {
    const struct notify_rule *rule;
    int64_t group, since, now;
    int64_t levels[NOTIFY_DAYS_MAX];
    size_t level_count;
    struct preview_item *v;
    size_t n, room;
    struct arena *a;
    bool more;
};

static enum rc put(struct sheet *s, const struct preview_item *x, struct err *err)
{
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        struct preview_item *v = arena_array(s->a, room, sizeof *v);
        if (!v)
            return NOMEM(err);
        for (size_t i = 0; i < s->n; i++)
            v[i] = s->v[i];
        s->v = v;
        s->room = room;
    }
    s->v[s->n++] = *x;
    return RC_OK;
}

/* Expiries are worked out from the certificates: their notices followed the rule of that time. */
static enum rc put_notice(struct db *db, struct sheet *s, const struct notice *n, struct err *err)
{
    int64_t group = 0;
    if (strcmp(n->event, "cert.expiring") == 0 || !notify_rule_wants(s->rule, n->event))
        return RC_OK;
    TRY(db_subject_group(db, n->subject, &group, err));
    if (group != s->group)
        return RC_OK;
    struct preview_item x = {.at = n->created, .event = n->event, .subject = n->subject};
    return put(s, &x, err);
}

static enum rc put_notices(struct db *db, struct sheet *s, struct err *err)
{
    struct notice_list l = {NULL, 0};
    int64_t before = 0;
    for (size_t seen = 0; seen < SCAN_MAX; seen += l.n) {
        size_t old = 0; /* a clock that was set back leaves newer ones behind older ones */
        TRY(db_notice_list(db, before, PAGE, s->a, &l, err));
        for (size_t i = 0; i < l.n; i++) {
            if (l.v[i].created < s->since)
                old++;
            else
                TRY(put_notice(db, s, &l.v[i], err));
        }
        if (l.n < PAGE || old == l.n)
            return RC_OK;
        before = l.v[l.n - 1].id;
    }
    s->more = true;
    return RC_OK;
}

static enum rc put_expiry(struct sheet *s, const struct served_version *v, struct err *err)
{
    for (size_t i = 0; i < s->level_count; i++) {
        int64_t at = v->not_after - s->levels[i] * USEC_PER_DAY;
        int64_t renew_at = v->replaced ? v->replaced : v->renew_at;
        if (at < v->activated)
            at = v->activated;
        if (at < s->since || at > s->now || at >= v->not_after ||
            (v->replaced && at >= v->replaced))
            continue;
        struct expiry e = {v->not_before, v->not_after, renew_at};
        if (notify_level(s->levels, s->level_count, &e, at) != s->levels[i])
            continue;
        struct preview_item x = {.at = at,
                                 .event = "cert.expiring",
                                 .subject = arena_printf(s->a, "cert/%lld", (long long)v->cert_id),
                                 .days = s->levels[i],
                                 .not_after = v->not_after};
        if (!x.subject)
            return NOMEM(err);
        TRY(put(s, &x, err));
    }
    return RC_OK;
}

static enum rc put_expiries(struct db *db, struct sheet *s, struct err *err)
{
    struct served_version_list l;
    int64_t latest = s->now + s->levels[s->level_count - 1] * USEC_PER_DAY;
    if (!notify_rule_wants(s->rule, "cert.expiring"))
        return RC_OK;
    TRY(db_version_served(db, s->group, s->since, latest, VERSIONS_MAX, s->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        TRY(put_expiry(s, &l.v[i], err));
    s->more = s->more || l.n == VERSIONS_MAX;
    return RC_OK;
}

static int newest_first(const void *x, const void *y)
{
    const struct preview_item *a = x, *b = y;
    return a->at < b->at ? 1 : a->at > b->at ? -1 : 0;
}

enum rc notify_preview(struct db *db, int64_t group, const struct notify_rule *rule, int64_t since,
                       int64_t now, struct arena *a, struct preview_list *ret, struct err *err)
{
    struct sheet s = {.rule = rule, .group = group, .since = since, .now = now, .a = a};
    s.level_count = notify_rule_days(rule, s.levels);
    TRY(put_notices(db, &s, err));
    TRY(put_expiries(db, &s, err));
    if (s.n > 0)
        qsort(s.v, s.n, sizeof *s.v, newest_first);
    *ret = (struct preview_list){s.v, s.n, s.more};
    return RC_OK;
}
