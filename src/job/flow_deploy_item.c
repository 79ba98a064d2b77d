/*
 * Deploy, one item. Invariants: a receipt is durable before what it describes changes; an item is
 * VERIFIED only when every address served our certificate; after a failure the receipt is undone.
 */
#include <string.h>

#include "base/log.h"
#include "job/flow_deploy.h"

struct place {
    struct conn target;
    struct ctx ctx;
    const void *place;
    const struct verify_at *at;
    size_t at_count;
    const struct json *receipt;
};

static enum rc open_place(struct run *r, struct deploy *d, struct deploy_item *i, struct place *p,
                          struct err *err)
{
    struct binding *b = deploy_binding(d, i->binding_id);
    CHECK(b, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("job.binding_gone", "the deploy setting was removed", "適用設定が削除されています"));
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(run_connector(r, db, b->target_id, "target", &p->target, err));
    db_rollback(&db);
    const struct target_ops *t = p->target.target;
    TRY(decode_settings(r, t->place_fields, t->place_size, b->place, &p->place, err));
    TRY(run_ctx(r, &p->target, &p->ctx, err));
    TRY(run_json(r, i->receipt, &p->receipt, err));
    r->item_id = i->id;
    r->receipt = i->receipt;
    return t->endpoints(p->target.settings, p->place, r->a, &p->at, &p->at_count, err);
}

enum rc deploy_plan_text(struct run *r, const struct plan *p, bool seen_after, const char **ret,
                         struct err *err)
{
    AUTO(buf) struct buf b = BUF(256 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kbool(&w, "unchanged", p->unchanged);
    jw_kbool(&w, "verified_by_handshake", seen_after);
    jw_key(&w, "lines");
    jw_array(&w);
    for (size_t i = 0; i < p->n; i++) {
        jw_object(&w);
        jw_key(&w, "what");
        jw_object(&w);
        jw_kstr(&w, "en", p->v[i].what.en);
        jw_kstr(&w, "ja", p->v[i].what.ja);
        jw_end_object(&w);
        jw_kstr(&w, "object", p->v[i].object);
        jw_kstr(&w, "before", p->v[i].before);
        jw_kstr(&w, "after", p->v[i].after);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    *ret = arena_strdup(r->a, buf_cstr(&b));
    return *ret ? RC_OK : NOMEM(err);
}

enum { TIDY_LOOK = 20, TIDY_MOST = 2 };

/* Receipts of this binding's earlier deployments that stood, newest first. */
static enum rc earlier(struct run *r, const struct deploy *d, int64_t binding,
                       const struct json *ret[TIDY_MOST + 1], size_t *ret_n, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct deployment_list l;
    size_t n = 0;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_deployment_list(db, d->cert.id, d->dep.id, TIDY_LOOK, r->a, &l, err));
    for (size_t i = 0; i < l.n && n <= TIDY_MOST; i++) {
        struct deploy_item_list items;
        TRY(db_item_list(db, l.v[i].id, r->a, &items, err));
        for (size_t k = 0; k < items.n && n <= TIDY_MOST; k++) {
            const struct deploy_item *it = &items.v[k];
            if (it->binding_id == binding && it->receipt &&
                (it->state == ITEM_VERIFIED || it->state == ITEM_APPLIED))
                TRY(run_json(r, it->receipt, &ret[n++], err));
        }
    }
    *ret_n = n;
    return RC_OK;
}

/*
 * Our version that the target served before; id 0: none, or it is not known. The binding says it
 * until the item stands; later an earlier deployment does.
 */
static enum rc former_version(struct run *r, const struct deploy *d, const struct binding *b,
                              struct cert_version *ret, struct err *err)
{
    const struct json *receipts[TIDY_MOST + 1] = {NULL};
    size_t n = 0;
    *ret = (struct cert_version){0};
    if (b->version_id == d->version.id) {
        TRY(earlier(r, d, b->id, receipts, &n, err));
        if (n > 0)
            *ret = d->previous;
        return RC_OK;
    }
    if (!b->version_id || strcmp(b->state, "drift") == 0)
        return RC_OK;
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    enum rc rc = db_version_get(db, b->version_id, r->a, ret, err);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* What was not ours before (a first deployment) cannot be looked for in the handshakes. */
static enum rc put_back(struct run *r, struct deploy *d, struct place *p, const struct binding *b,
                        struct err *err)
{
    const struct json *receipt = NULL;
    struct cert_version former;
    struct cert_list old;
    TRY(run_json(r, r->receipt, &receipt, err));
    TRY(p->target.target->undo(&p->ctx, p->target.settings, p->place, receipt, err));
    TRY(former_version(r, d, b, &former, err));
    if (!former.id || !former.chain || p->at_count == 0)
        return RC_OK;
    TRY(leaf_of(r, &former, &old, err));
    return look_until(r, p->at, p->at_count, d->cert.names.v[0], old.v[0].sha256, err);
}

/* After a failure: the target as it was, and the first error kept. */
static enum rc fail_item(struct run *r, struct deploy *d, struct place *p, struct deploy_item *i,
                         enum rc rc, struct err *err)
{
    struct binding *b = deploy_binding(d, i->binding_id);
    struct err undo = {0};
    i->state = ITEM_FAILED;
    if (p && b && r->receipt) {
        i->receipt = r->receipt;
        i->state = ITEM_UNDONE;
        if (put_back(r, d, p, b, &undo) != RC_OK) {
            log_err(LOG_ERROR, "job", "undoing a deployment", &undo);
            i->state = ITEM_UNDOING;
            rc = WHILE(err, rc,
                       MSG("job.undo_failed", "and putting the old one back failed too: {0}",
                           "さらに元の証明書へ戻す処理も失敗: {0}"),
                       undo.en);
        }
    }
    i->error = err_json(r->a, err);
    if (b) {
        b->state = "failed";
        b->error = i->error;
    }
    return rc;
}

static enum rc apply_and_verify(struct run *r, struct deploy *d, struct place *p,
                                struct deploy_item *i, struct err *err)
{
    const struct target_ops *t = p->target.target;
    struct plan plan = {0};
    bool resumed = i->state == ITEM_APPLYING && i->receipt;
    if (!resumed) {
        TRY(t->plan(&p->ctx, p->target.settings, p->place, &d->bundle, &plan, err));
        TRY(deploy_plan_text(r, &plan, p->at_count > 0, &i->plan, err));
    }
    if (!plan.unchanged)
        TRY(t->apply(&p->ctx, p->target.settings, p->place, &d->bundle, p->receipt, err));
    return look_until(r, p->at, p->at_count, d->cert.names.v[0], d->chain.v[0].sha256, err);
}

/* Old keys do not pile up on the target: what earlier deployments backed up goes, once a later one
 * stands. Best effort; the next two try again. */
static void tidy(struct run *r, const struct deploy *d, struct place *p, int64_t binding)
{
    const struct target_ops *t = p->target.target;
    const struct json *receipts[TIDY_MOST + 1] = {NULL};
    struct err err = {0};
    size_t n = 0;
    enum rc rc = t->forget ? earlier(r, d, binding, receipts, &n, &err) : RC_OK;
    for (size_t i = 0; rc == RC_OK && i < n && i < TIDY_MOST; i++)
        rc = t->forget(&p->ctx, p->target.settings, p->place, receipts[i],
                       i + 1 < n ? receipts[i + 1] : NULL, &err);
    if (rc != RC_OK)
        log_err(LOG_WARN, "job", "removing old backups", &err);
}

enum rc deploy_item_run(struct run *r, struct deploy *d, struct deploy_item *i, struct err *err)
{
    struct place p = {0};
    struct binding *b = deploy_binding(d, i->binding_id);
    enum rc rc = open_place(r, d, i, &p, err);
    if (rc != RC_OK)
        return fail_item(r, d, NULL, i, rc, err);
    rc = apply_and_verify(r, d, &p, i, err);
    /* Cut short, the engine is stopping: neither good nor bad yet, so nothing is undone. */
    if (rc != RC_OK && atomic_load(&r->w->cancel) && !atomic_load(&r->w->lost))
        rc = RC_CANCELLED;
    if (rc == RC_CANCELLED || atomic_load(&r->w->lost))
        return rc != RC_OK ? rc : RC_CONFLICT; /* goes on from the receipt */
    if (rc != RC_OK) {
        rc =
            WHILE(err, rc, MSG("job.while_deploy", "deploying {0} to {1}", "{1} への {0} の適用中"),
                  d->cert.name, p.target.rec.name);
        return fail_item(r, d, &p, i, rc, err);
    }
    tidy(r, d, &p, i->binding_id);
    i->receipt = r->receipt;
    i->state = p.at_count ? ITEM_VERIFIED : ITEM_APPLIED;
    i->error = NULL;
    b->version_id = d->version.id;
    b->state = "deployed";
    b->error = NULL;
    return RC_OK;
}

enum rc deploy_item_undo(struct run *r, struct deploy *d, struct deploy_item *i, struct err *err)
{
    struct place p = {0};
    struct binding *b = deploy_binding(d, i->binding_id);
    TRY(open_place(r, d, i, &p, err));
    if (i->receipt)
        TRY(put_back(r, d, &p, b, err));
    i->state = ITEM_UNDONE;
    b->version_id = d->previous.id;
    b->state = d->previous.id ? "deployed" : "new";
    return RC_OK;
}
