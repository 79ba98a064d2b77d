/* Flows of one step: the connection test, and revoking. */
#include <string.h>

#include "job/job_priv.h"

static enum rc check(struct run *r, struct step_out *out, struct err *err)
{
    struct conn c;
    struct ctx ctx;
    struct l10n seen = {NULL, NULL};
    out->done = true; /* a person waits for the answer: it is not tried again */
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(run_connector(r, db, json_i64_or(r->payload, "id", 0), NULL, &c, err));
    db_rollback(&db);
    TRY(run_ctx(r, &c, &ctx, err));
    TRY(c.head->check(&ctx, c.settings, &seen, err));
    AUTO(buf) struct buf b = BUF(256 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_key(&w, "seen");
    jw_object(&w);
    jw_kstr(&w, "en", seen.en);
    jw_kstr(&w, "ja", seen.ja);
    jw_end_object(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    out->progress = arena_strdup(r->a, buf_cstr(&b));
    return out->progress ? RC_OK : NOMEM(err);
}

static const struct step check_steps[] = {
    {"check",
     {"Testing the connection", "接続をテストしています"},
     check,
     60 * USEC_PER_SEC,
     false},
};
const struct flow flow_check = {"check", check_steps, COUNT_OF(check_steps), NULL, NULL};

struct revoke {
    struct cert_version v;
    struct cert cert;
    struct conn ca;
};

static enum rc save_revoke(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct revoke *rv = arg;
    rv->v.state = VERSION_REVOKED;
    TRY(db_version_update(db, &rv->v, err));
    struct notice_facts f = {.event = "cert.revoked",
                             .subject = arena_printf(r->a, "cert/%lld", (long long)rv->cert.id),
                             .dedup = arena_printf(r->a, "revoked:%lld", (long long)rv->v.id),
                             .name = rv->cert.name,
                             .expiry = rv->v.not_after};
    r->made_work = true;
    return notice_facts(db, &f, run_now(r), err);
}

static enum rc revoke(struct run *r, struct step_out *out, struct err *err)
{
    struct revoke *rv = ARENA_NEW(r->a, struct revoke);
    struct cert_list chain;
    struct ctx ctx;
    if (!rv)
        return NOMEM(err);
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_version_get(db, json_i64_or(r->payload, "version", 0), r->a, &rv->v, err));
    TRY(db_cert_get(db, rv->v.cert_id, r->a, &rv->cert, err));
    TRY(run_connector(r, db, rv->cert.ca_id, "ca", &rv->ca, err));
    db_rollback(&db);
    out->done = true;
    if (rv->v.state == VERSION_REVOKED)
        return RC_OK;
    CHECK(rv->ca.ca->revoke && (rv->ca.head->caps & CA_CAP_REVOKE), err, RC_UNSUPPORTED,
          BLAME_INPUT,
          MSG("job.no_revoke", "{0} cannot revoke from here; ask the CA directly",
              "{0} はここから失効できません。認証局に直接依頼してください"),
          rv->ca.rec.name);
    out->done = false;
    TRY(leaf_of(r, &rv->v, &chain, err));
    TRY(run_ctx(r, &rv->ca, &ctx, err));
    TRY(rv->ca.ca->revoke(&ctx, rv->ca.settings, rv->ca.state, chain.v[0].der,
                          (int)json_i64_or(r->payload, "reason", 0), err));
    out->save = save_revoke;
    out->arg = rv;
    out->done = true;
    out->audit = "revoke.done";
    return RC_OK;
}

static const struct step revoke_steps[] = {
    {"revoke", {"Revoking at the CA", "認証局で失効しています"}, revoke, 0, true},
};
const struct flow flow_revoke = {"revoke", revoke_steps, COUNT_OF(revoke_steps), NULL, NULL};
