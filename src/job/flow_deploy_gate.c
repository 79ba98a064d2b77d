/*
 * Whether a roll-out may begin: somebody's word, and the time it may disturb a server. Invariants:
 * going back never waits; what serves now does not end while its successor waits for its time; a
 * roll-out that has begun is finished.
 */
#include <string.h>

#include "job/flow_deploy.h"
#include "model/window.h"

static bool reason_is(const struct run *r, const char *reason)
{
    return strcmp(json_str_or(r->payload, "reason", "manual"), reason) == 0;
}

static enum rc find_approval(struct run *r, struct approval *ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    return db_approval_get(db, r->job.id, r->a, ret, err);
}

/* Who asks for a roll-out by hand has decided about its time. */
static enum rc when(struct run *r, const struct deploy *d, const struct approval *leave,
                    int64_t *ret_at, struct err *err)
{
    const char *text = json_str_or(d->policy, "window", "");
    struct window w;
    *ret_at = 0;
    if (!*text || leave->begin_now || reason_is(r, "manual"))
        return RC_OK;
    TRY(window_parse(text, &w, err));
    int64_t now = run_now(r), at = window_next(&w, now);
    bool too_late = d->previous.id && d->previous.not_after <= at;
    if (at > now && !too_late)
        *ret_at = at;
    return RC_OK;
}

enum rc deploy_may_begin(struct run *r, const struct deploy *d, int64_t *ret_at, struct err *err)
{
    struct approval leave;
    *ret_at = 0;
    if (reason_is(r, "undo"))
        return RC_OK;
    TRY(find_approval(r, &leave, err));
    CHECK(leave.approved || !json_bool_or(d->policy, "approval", false), err, RC_DENIED,
          BLAME_INPUT,
          MSG("job.needs_approval",
              "{0}: the roll-out waits for approval by somebody else than who asked for it",
              "{0}: 適用には、依頼した人とは別の人の承認が必要です"),
          d->cert.name);
    return when(r, d, &leave, ret_at, err);
}

enum rc deploy_wait(struct run *r, const struct deploy *d, int64_t at, struct step_out *out,
                    struct err *err)
{
    const char *text = json_str_or(d->policy, "window", "");
    out->at = at;
    r->job.activity_en = arena_printf(r->keep, "Waits for its time (%s)", text);
    r->job.activity_ja = arena_printf(r->keep, "適用時間帯（%s）を待っています", text);
    return r->job.activity_en && r->job.activity_ja ? RC_OK : NOMEM(err);
}
