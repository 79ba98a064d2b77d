/*
 * Deploy: begin -> item (each in turn) -> finish; after a failure "again" takes up what is not
 * verified. Invariants: one item is worked on at a time, in roll-out order; what was verified stays
 * unless the policy says undo_all; a newer complete version replaces the one being rolled out.
 */
#include "job/flow_deploy.h"

#include <string.h>

#include "job/licence.h"

struct binding *deploy_binding(struct deploy *d, int64_t id)
{
    for (size_t i = 0; i < d->bindings.n; i++)
        if (d->bindings.v[i].id == id)
            return &d->bindings.v[i];
    return NULL;
}

static bool item_good(const struct deploy_item *i)
{
    return i->state == ITEM_VERIFIED || i->state == ITEM_APPLIED;
}

/* Somebody asked for it; what was begun is finished all the same. */
static bool stopping(const struct deploy *d)
{
    return d->dep.state == DEPLOYMENT_STOPPING;
}

static struct deploy_item *next_item(struct deploy *d)
{
    for (size_t i = 0; i < d->items.n; i++)
        if (d->items.v[i].state == ITEM_APPLYING ||
            (d->items.v[i].state == ITEM_WAITING && !stopping(d)))
            return &d->items.v[i];
    return NULL;
}

enum rc deploy_bundle(struct run *r, struct deploy *d, struct err *err)
{
    AUTO(buf) struct buf leaf = BUF(CERT_MAX_PEM_BYTES), rest = BUF(CERT_MAX_PEM_BYTES);
    CHECK(
        d->version.key_sealed, err, RC_INPUT, BLAME_INPUT,
        MSG("job.no_key",
            "{0}: the private key of this version is not in Inro; it was made outside and cannot "
            "be deployed from here",
            "{0}: この証明書の秘密鍵は Inro にありません。外部で作成された鍵のため、ここからは適用"
            "できません"),
        d->cert.name);
    TRY(leaf_of(r, &d->version, &d->chain, err));
    cert_to_pem(d->chain.v[0].der, &leaf);
    for (size_t i = 1; i < d->chain.n; i++)
        cert_to_pem(d->chain.v[i].der, &rest);
    TRY(buf_ok(&leaf, err));
    TRY(buf_ok(&rest, err));
    char *l = arena_strdup(r->a, buf_cstr(&leaf)), *c = arena_strdup(r->a, buf_cstr(&rest));
    char *full = l && c ? arena_printf(r->a, "%s%s", l, c) : NULL;
    if (!full)
        return NOMEM(err);
    d->bundle = (struct bundle){.cert_name = d->cert.name,
                                .version_id = d->version.id,
                                .key_sealed = d->version.key_sealed,
                                .full_pem = str_from(full),
                                .leaf_pem = str_from(l),
                                .chain_pem = str_from(c),
                                .leaf = &d->chain.v[0]};
    return RC_OK;
}

/* The newest complete version that was not replaced. */
static enum rc newest(struct run *r, struct db *db, int64_t cert_id, int64_t *ret, struct err *err)
{
    struct cert_version_list l;
    TRY(db_version_list(db, cert_id, r->a, &l, err));
    *ret = 0;
    for (size_t i = 0; i < l.n; i++)
        if ((l.v[i].state == VERSION_STAGING || l.v[i].state == VERSION_CURRENT) &&
            l.v[i].id > *ret)
            *ret = l.v[i].id;
    CHECK(*ret, err, RC_CONFLICT, BLAME_INPUT,
          MSG("job.nothing_to_deploy", "there is no complete certificate to deploy yet",
              "適用できる証明書がまだありません"));
    return RC_OK;
}

static enum rc load(struct run *r, bool begun, struct deploy **ret, struct err *err)
{
    struct deploy *d = ARENA_NEW(r->a, struct deploy);
    AUTO(db) struct db *db = NULL;
    if (!d)
        return NOMEM(err);
    int64_t version = json_i64_or(r->payload, "version", 0);
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_cert_get(db, json_i64_or(r->payload, "cert", 0), r->a, &d->cert, err));
    TRY(db_binding_list(db, d->cert.id, 0, r->a, &d->bindings, err));
    int64_t previous = d->cert.current_id;
    if (begun) {
        int64_t id = json_i64_or(r->progress, "deployment", 0);
        TRY(db_deployment_get(db, id, r->a, &d->dep, err));
        TRY(db_item_list(db, id, r->a, &d->items, err));
        version = d->dep.version_id;
        previous = d->dep.previous_id;
    } else if (version == 0) {
        TRY(newest(r, db, d->cert.id, &version, err));
    }
    TRY(db_version_get(db, version, r->a, &d->version, err));
    CHECK(d->version.cert_id == d->cert.id, err, RC_INPUT, BLAME_INPUT,
          MSG("job.other_cert", "version {0} is another certificate's",
              "バージョン {0} は別の証明書のものです"),
          NUM(version));
    CHECK(d->version.state != VERSION_REFUSED, err, RC_CONFLICT, BLAME_INPUT,
          MSG("job.version_refused", "version {0} is not what was ordered; it can only be revoked",
              "バージョン {0} は申請した内容と異なるため、失効だけが可能です"),
          NUM(version));
    if (previous)
        TRY(db_version_get(db, previous, r->a, &d->previous, err));
    TRY(run_json(r, d->cert.policy, &d->policy, err));
    *ret = d;
    return deploy_bundle(r, d, err);
}

/* Which roll-out it is; `target` is where a person has to look, 0: nowhere. */
static const char *progress_text(struct arena *a, const struct deploy *d, int64_t target)
{
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_ki64(&w, "deployment", d->dep.id);
    jw_ki64(&w, "version", d->version.id);
    if (target)
        jw_ki64(&w, "target", target);
    jw_end_object(&w);
    return b.bad == RC_OK ? arena_strdup(a, buf_cstr(&b)) : NULL;
}

static enum rc save_begin(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct deploy *d = arg;
    int64_t now = run_now(r), only = json_i64_or(r->payload, "binding", 0);
    int64_t before = json_i64_or(r->progress, "deployment", 0);
    if (before)
        TRY(db_deployment_set_state(db, before, DEPLOYMENT_FAILED, now, err));
    d->dep = (struct deployment){.cert_id = d->cert.id,
                                 .version_id = d->version.id,
                                 .previous_id = d->previous.id,
                                 .job_id = r->job.id,
                                 .state = DEPLOYMENT_RUNNING,
                                 .reason = json_str_or(r->payload, "reason", "manual"),
                                 .created = now,
                                 .updated = now};
    TRY(db_deployment_add(db, &d->dep, err));
    for (size_t i = 0; i < d->bindings.n; i++) {
        struct deploy_item it = {.deployment_id = d->dep.id,
                                 .binding_id = d->bindings.v[i].id,
                                 .state = ITEM_WAITING,
                                 .updated = now};
        if (only && it.binding_id != only)
            continue;
        TRY(db_item_add(db, &it, err));
    }
    r->job.progress = progress_text(r->keep, d, 0);
    return r->job.progress ? RC_OK : NOMEM(err);
}

static void sort_bindings(struct deploy *d)
{
    for (size_t i = 1; i < d->bindings.n; i++)
        for (size_t k = i; k > 0 && d->bindings.v[k - 1].seq > d->bindings.v[k].seq; k--) {
            struct binding t = d->bindings.v[k];
            d->bindings.v[k] = d->bindings.v[k - 1];
            d->bindings.v[k - 1] = t;
        }
}

/* A roll-out that follows an issue belongs to work that was begun in time. */
static enum rc licence_allows(struct run *r, bool again, struct err *err)
{
    const char *reason = json_str_or(r->payload, "reason", "manual");
    AUTO(db) struct db *db = NULL;
    if (!again && (strcmp(reason, "issue") == 0 || strcmp(reason, "renew") == 0))
        return RC_OK;
    TRY(store_read(r->e->o.store, &db, err));
    return licence_gate(db, run_now(r), err);
}

/* What came by import was never at the gate of an issue. Going back is a person's own wish. */
static enum rc servable(struct run *r, const struct deploy *d, struct err *err)
{
    if (strcmp(json_str_or(r->payload, "reason", ""), "undo") == 0)
        return RC_OK;
    enum rc rc = cert_servable(d->bundle.leaf, run_now(r), err);
    if (rc != RC_OK)
        return WHILE(err, rc, MSG("job.while_gate", "checking {0}", "{0} の確認中"), d->cert.name);
    return RC_OK;
}

static enum rc begin(struct run *r, struct step_out *out, struct err *err)
{
    struct deploy *d = NULL;
    TRY(licence_allows(r, false, err));
    TRY(load(r, false, &d, err));
    TRY(servable(r, d, err));
    int64_t at = 0;
    TRY(deploy_may_begin(r, d, &at, err));
    if (at)
        return deploy_wait(r, d, at, out, err);
    sort_bindings(d);
    out->save = save_begin;
    out->arg = d;
    out->next = "item";
    out->audit = "deploy.begin";
    return RC_OK;
}

static enum rc save_item(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct deploy *d = arg;
    int64_t now = run_now(r);
    d->item->updated = now;
    TRY(db_item_update(db, d->item, err));
    if (!d->binding)
        return RC_OK;
    d->binding->updated = now;
    /* Whoever edited the setting meanwhile wins; what is served is known from the item. */
    struct binding b = *d->binding, fresh;
    TRY(db_binding_get(db, b.id, r->a, &fresh, err));
    fresh.version_id = b.version_id;
    fresh.state = b.state;
    fresh.error = b.error;
    fresh.updated = now;
    return db_binding_update(db, &fresh, err);
}

static enum rc do_item(struct run *r, struct step_out *out, struct err *err)
{
    struct deploy *d = NULL;
    TRY(load(r, true, &d, err));
    d->item = next_item(d);
    if (!d->item) {
        out->next = stopping(d) ? "stop" : "finish";
        return RC_OK;
    }
    d->binding = deploy_binding(d, d->item->binding_id);
    enum rc rc = deploy_item_run(r, d, d->item, &d->why);
    if (rc == RC_CANCELLED || rc == RC_CONFLICT) {
        if (err)
            *err = d->why;
        return rc;
    }
    const char *policy = json_str_or(d->policy, "on_failure", "stop");
    out->save = save_item;
    out->arg = d;
    out->audit = rc == RC_OK ? "deploy.verified" : "deploy.failed";
    out->next = rc == RC_OK || strcmp(policy, "continue") == 0 ? "item" : "stop";
    return RC_OK;
}

static enum rc save_items(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct deploy *d = arg;
    for (size_t i = 0; i < d->items.n; i++) {
        d->item = &d->items.v[i];
        d->binding = deploy_binding(d, d->item->binding_id);
        TRY(save_item(db, r, d, err));
    }
    return RC_OK;
}

static bool any_bad(const struct deploy *d)
{
    for (size_t i = 0; i < d->items.n; i++)
        if (d->items.v[i].state == ITEM_FAILED || d->items.v[i].state == ITEM_UNDONE ||
            d->items.v[i].state == ITEM_UNDOING)
            return true;
    return false;
}

/* The rest waits; with undo_all what was done is put back after a failure, last first. */
static enum rc stop(struct run *r, struct step_out *out, struct err *err)
{
    struct deploy *d = NULL;
    TRY(load(r, true, &d, err));
    bool undo = strcmp(json_str_or(d->policy, "on_failure", "stop"), "undo_all") == 0 && any_bad(d);
    for (size_t k = d->items.n; k-- > 0;) {
        struct deploy_item *i = &d->items.v[k];
        if (i->state == ITEM_WAITING)
            i->state = ITEM_SKIPPED;
        else if (undo && item_good(i) && deploy_item_undo(r, d, i, &d->why) != RC_OK) {
            i->state = ITEM_UNDOING;
            i->error = err_json(r->a, &d->why);
        }
    }
    out->save = save_items;
    out->arg = d;
    out->next = "finish";
    out->audit = undo ? "deploy.undo_all" : NULL;
    return RC_OK;
}

static void count(struct run *r, struct deploy *d)
{
    d->all = true;
    for (size_t i = 0; i < d->items.n; i++) {
        const struct deploy_item *it = &d->items.v[i];
        const struct json *j = NULL;
        d->verified += item_good(it);
        d->failed += !item_good(it);
        if (it->error && d->why.rc == RC_OK && !item_good(it) &&
            run_json(r, it->error, &j, NULL) == RC_OK && j) {
            const struct binding *b = deploy_binding(d, it->binding_id);
            json_to_err(j, &d->why);
            d->failed_target = b ? b->target_id : 0;
        }
    }
    d->all = d->failed == 0;
    d->stopped = stopping(d) && !d->all && d->why.rc == RC_OK;
}

static enum rc watch_again(struct db *db, struct run *r, int64_t cert_id, struct err *err)
{
    struct endpoint_list l;
    TRY(db_endpoint_list(db, cert_id, 0, 100, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        TRY(job_request_watch(db, l.v[i].id, run_now(r), NULL, err));
    r->made_work = r->made_work || l.n > 0;
    return RC_OK;
}

static enum rc save_finish(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct deploy *d = arg;
    int64_t now = run_now(r), newer = 0;
    enum deployment_state s = d->all ? DEPLOYMENT_DONE : DEPLOYMENT_FAILED;
    if (d->all && strcmp(d->dep.reason, "undo") == 0)
        s = DEPLOYMENT_UNDONE;
    if (d->stopped)
        s = DEPLOYMENT_STOPPED;
    TRY(db_deployment_set_state(db, d->dep.id, s, now, err));
    TRY(newest(r, db, d->cert.id, &newer, err));
    bool in_service = d->verified > 0 || d->items.n == 0;
    if (in_service && d->version.state != VERSION_CURRENT && d->version.state != VERSION_REVOKED) {
        int64_t at = d->version.state == VERSION_STAGING && d->cert.renew_at
                         ? d->cert.renew_at
                         : plan_renewal(&d->chain.v[0], d->policy, 0, 0);
        TRY(db_version_activate(db, d->version.id, at, now, err));
    }
    TRY(watch_again(db, r, d->cert.id, err));
    if (d->stopped) /* whoever stopped it knows */
        return RC_OK;
    struct notice_facts f = {.event = d->all ? "deploy.done" : "deploy.failed",
                             .subject = r->job.subject,
                             .name = d->cert.name,
                             .expiry = d->version.not_after,
                             .why = d->all ? NULL : &d->why};
    f.dedup =
        arena_printf(r->a, "%s:%lld:%s", f.event, (long long)d->dep.id, d->all ? "" : d->why.id);
    r->made_work = true;
    return notice_facts(db, &f, now, err);
}

static enum rc finish(struct run *r, struct step_out *out, struct err *err)
{
    struct deploy *d = NULL;
    TRY(load(r, true, &d, err));
    count(r, d);
    out->save = save_finish;
    out->arg = d;
    out->save_on_failure = true;
    out->next = "again";
    if (d->all) {
        int64_t newer = 0;
        AUTO(db) struct db *db = NULL;
        TRY(store_read(r->e->o.store, &db, err));
        TRY(newest(r, db, d->cert.id, &newer, err));
        out->done =
            json_i64_or(r->payload, "version", 0) != 0 || newer == d->version.id || stopping(d);
        out->next = out->done ? NULL : "begin";
        out->audit = "deploy.done";
        return RC_OK;
    }
    out->done = stopping(d);
    if (d->stopped) {
        out->audit = "deploy.stopped";
        return FAIL(err, RC_CANCELLED, BLAME_INPUT,
                    MSG("job.deploy_stopped",
                        "{0}: the roll-out was stopped; {1} of {2} targets have the new version",
                        "{0}: 適用は中止されました。適用先 {2} 件中 {1} 件が新しいバージョンです"),
                    d->cert.name, NUM(d->verified), NUM(d->items.n));
    }
    /* Without an error of its own an item was only stopped by another's. */
    if (d->why.rc == RC_OK)
        return FAIL(err, RC_INTERNAL, BLAME_US,
                    MSG("job.deploy_incomplete", "{0}: the roll-out is not complete",
                        "{0}: 適用が完了していません"),
                    d->cert.name);
    out->progress = progress_text(r->a, d, d->failed_target);
    if (err)
        *err = d->why;
    return d->why.rc;
}

static enum rc save_again(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct deploy *d = arg;
    for (size_t i = 0; i < d->items.n; i++)
        TRY(db_item_update(db, &d->items.v[i], err));
    struct deployment now;
    TRY(db_deployment_get(db, d->dep.id, r->a, &now, err));
    if (stopping(d) || now.state == DEPLOYMENT_STOPPING)
        return RC_OK;
    return db_deployment_set_state(db, d->dep.id, DEPLOYMENT_RUNNING, run_now(r), err);
}

static enum rc again(struct run *r, struct step_out *out, struct err *err)
{
    struct deploy *d = NULL;
    int64_t newer = 0;
    TRY(licence_allows(r, true, err));
    TRY(load(r, true, &d, err));
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(newest(r, db, d->cert.id, &newer, err));
    db_rollback(&db);
    if (json_i64_or(r->payload, "version", 0) == 0 && newer != d->version.id) {
        out->next = "begin";
        return RC_OK;
    }
    if (d->version.not_after <= run_now(r)) {
        out->done = true;
        return FAIL(err, RC_TIMEOUT, BLAME_INPUT,
                    MSG("job.deploy_expired", "{0}: the certificate expired before it was deployed",
                        "{0}: 適用される前に証明書の有効期限が切れました"),
                    d->cert.name);
    }
    int64_t at = 0;
    TRY(deploy_may_begin(r, d, &at, err));
    if (at)
        return deploy_wait(r, d, at, out, err);
    for (size_t i = 0; i < d->items.n; i++) {
        struct deploy_item *it = &d->items.v[i];
        if (item_good(it) || it->state == ITEM_APPLYING)
            continue;
        it->state = it->state == ITEM_UNDOING ? ITEM_APPLYING : ITEM_WAITING;
        if (it->state == ITEM_WAITING)
            it->receipt = NULL;
        it->updated = run_now(r);
    }
    out->save = save_again;
    out->arg = d;
    out->next = "item";
    return RC_OK;
}

static enum rc failed(struct db *db, struct run *r, const struct err *why, bool blocked,
                      struct err *err)
{
    bool asks = strcmp(why->id, "job.needs_approval") == 0;
    if (!blocked || strcmp(r->job.step, "again") == 0)
        return RC_OK; /* "finish" has told it */
    struct cert c;
    int64_t id = json_i64_or(r->payload, "cert", 0);
    bool known = db_cert_get(db, id, r->a, &c, NULL) == RC_OK;
    /* Who has to approve is reminded daily: that often it is looked at again. */
    int64_t day = asks ? run_now(r) / USEC_PER_DAY : 0;
    struct notice_facts f = {.event = asks ? "deploy.approval" : "deploy.failed",
                             .subject = r->job.subject,
                             .dedup = arena_printf(r->a, "deploy.blocked:%lld:%s:%lld",
                                                   (long long)r->job.id, why->id, (long long)day),
                             .name = known ? c.name : r->job.subject,
                             .why = why};
    r->made_work = true;
    return notice_facts(db, &f, run_now(r), err);
}

static const struct step steps[] = {
    {"begin", {"Preparing the roll-out", "適用の準備をしています"}, begin, 0, false},
    {"item", {"Deploying to a target", "適用先に適用しています"}, do_item, 0, true},
    {"stop", {"Stopping the roll-out", "適用を中止しています"}, stop, 0, true},
    {"finish", {"Finishing the roll-out", "適用を完了しています"}, finish, 0, false},
    {"again", {"Taking up what is left", "残りの適用先に再度適用しています"}, again, 0, false},
};
const struct flow flow_deploy = {"deploy", steps, COUNT_OF(steps), failed, NULL};

/* ---- plan: the same reading, no effect ---- */

static enum rc plan_one(struct run *r, struct deploy *d, struct binding *b, struct json_writer *w,
                        struct err *err)
{
    struct conn c;
    struct ctx ctx;
    struct plan p = {0};
    const void *place = NULL;
    const struct verify_at *at = NULL;
    const char *text = NULL;
    size_t n = 0;
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(run_connector(r, db, b->target_id, "target", &c, err));
    db_rollback(&db);
    TRY(decode_settings(r, c.target->place_fields, c.target->place_size, b->place, &place, err));
    TRY(run_ctx(r, &c, &ctx, err));
    TRY(c.target->plan(&ctx, c.settings, place, &d->bundle, &p, err));
    TRY(c.target->endpoints(c.settings, place, r->a, &at, &n, err));
    TRY(deploy_plan_text(r, &p, n > 0, &text, err));
    jw_object(w);
    jw_ki64(w, "binding", b->id);
    jw_kstr(w, "target", c.rec.name);
    jw_key(w, "plan");
    jw_raw(w, str_from(text));
    jw_end_object(w);
    return RC_OK;
}

static enum rc plan(struct run *r, struct step_out *out, struct err *err)
{
    struct deploy *d = NULL;
    int64_t only = json_i64_or(r->payload, "binding", 0);
    AUTO(buf) struct buf b = BUF(4 * 1024 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    TRY(load(r, false, &d, err));
    jw_object(&w);
    jw_key(&w, "plans");
    jw_array(&w);
    for (size_t i = 0; i < d->bindings.n; i++)
        if (!only || d->bindings.v[i].id == only)
            TRY(plan_one(r, d, &d->bindings.v[i], &w, err));
    jw_end_array(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    out->progress = arena_strdup(r->a, buf_cstr(&b));
    out->done = true;
    return out->progress ? RC_OK : NOMEM(err);
}

static const struct step plan_steps[] = {
    {"plan", {"Reading what would change", "変更内容を確認しています"}, plan, 0, false},
};
const struct flow flow_plan = {"plan", plan_steps, COUNT_OF(plan_steps), NULL, NULL};
