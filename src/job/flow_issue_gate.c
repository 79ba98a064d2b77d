/*
 * Issue, the gate for what a CA sends. Invariants: what is taken is complete, for our key and for
 * exactly the names; what is not taken is kept, never served, so that it can be looked at and
 * revoked: it is a certificate for somebody's name that is out in the world.
 */
#include <string.h>

#include "base/base64.h"
#include "crypto/digest.h"
#include "job/flow_issue.h"

/* What the new one lacks and nobody asked to drop. Names and key type are checked to be as asked.
 */
static enum rc refuse_loss(struct run *r, const struct issue *is, const struct cert_info *leaf,
                           struct err *err)
{
    struct cert_list old;
    struct cert_loss *l = NULL;
    size_t n = 0;
    if (!is->current.id || !is->current.chain || json_bool_or(is->policy, "allow_loss", false))
        return RC_OK;
    TRY(leaf_of(r, &is->current, &old, err));
    TRY(cert_compare(&old.v[0], leaf, r->a, &l, &n, err));
    for (size_t i = 0; i < n; i++)
        CHECK(strcmp(l[i].what, "name") == 0 || strcmp(l[i].what, "key_type") == 0, err,
              RC_CONFLICT, BLAME_INPUT,
              MSG("job.loss",
                  "the new certificate lacks {0} {1}, which the present one has; allow it in the "
                  "policy (allow_loss) or ask the CA",
                  "新しい証明書には現在の証明書にある {0} {1} "
                  "がありません。ポリシー（allow_loss）で許"
                  "可するか、認証局に確認してください"),
              l[i].what, l[i].value);
    return RC_OK;
}

static enum rc expect_roots(struct run *r, const struct issue *is, struct cert_expect *x,
                            struct err *err)
{
    x->use_system_roots = true;
    if (!is->ca.ca->roots)
        return RC_OK;
    struct ctx ctx;
    TRY(run_ctx(r, &is->ca, &ctx, err));
    TRY(is->ca.ca->roots(&ctx, is->ca.settings, is->ca.state, &x->roots_pem, &x->allow_any_root,
                         err));
    x->use_system_roots = x->roots_pem.n == 0;
    return RC_OK;
}

static void ask_renewal(struct run *r, struct issue *is, const struct cert_info *leaf)
{
    int64_t start = 0, end = 0, again = 0;
    struct ctx ctx;
    if (is->ca.ca->renewal_info &&
        (run_ctx(r, &is->ca, &ctx, NULL) != RC_OK ||
         is->ca.ca->renewal_info(&ctx, is->ca.settings, is->ca.state, leaf, &start, &end, &again,
                                 NULL) != RC_OK))
        start = end = 0;
    is->renew_at = plan_renewal(leaf, is->policy, start, end);
}

/* What came, as the version that it is. */
static enum rc describe(struct run *r, const struct cert_list *chain, struct cert_version *v,
                        struct err *err)
{
    const struct cert_info *leaf = &chain->v[0];
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    for (size_t i = 0; i < chain->n; i++)
        cert_to_pem(chain->v[i].der, &pem);
    TRY(buf_ok(&pem, err));
    v->chain = arena_strdup(r->a, buf_cstr(&pem));
    v->serial = leaf->serial;
    v->issuer = leaf->issuer;
    v->sha256 = hex_of(r->a, leaf->sha256, 32);
    v->not_before = leaf->not_before;
    v->not_after = leaf->not_after;
    return v->chain && v->sha256 ? RC_OK : NOMEM(err);
}

static enum rc take(struct run *r, struct issue *is, const struct cert_list *in, struct err *err)
{
    struct cert_list chain;
    size_t dropped = 0;
    AUTO(buf) struct buf spki = BUF(64);
    TRY(chain_order(in, r->a, &chain, &dropped, err));
    if (!hex_decode(str_from(is->version.spki_sha256), &spki) || spki.len != 32)
        return FAIL(err, RC_CORRUPT, BLAME_US,
                    MSG("job.bad_spki", "the stored key fingerprint of version {0} is damaged",
                        "バージョン {0} の鍵の指紋の記録が壊れています"),
                    NUM(is->version.id));
    struct cert_expect x = {.spki_sha256 = (const unsigned char *)spki.p,
                            .names = is->cert.names.v,
                            .name_count = is->cert.names.n,
                            .now = run_now(r)};
    int64_t asked = json_i64_or(is->policy, "validity", 0) * USEC_PER_SEC;
    if (asked > 0 && (is->ca.head->caps & CA_CAP_NOT_AFTER)) {
        /* counted from the order: validation may take its time */
        int64_t least = is->order.created + asked / 2 - x.now;
        x.min_lifetime = least > 0 ? least : 0;
    }
    TRY(expect_roots(r, is, &x, err));
    TRY(cert_accept(&chain, &x, err));
    const struct cert_info *leaf = &chain.v[0];
    TRY(refuse_loss(r, is, leaf, err));
    TRY(describe(r, &chain, &is->version, err));
    is->version.state = VERSION_STAGING;
    ask_renewal(r, is, leaf);
    is->order.state = ORDER_DONE;
    return RC_OK;
}

/* A version beside the one that was ordered, whose key may still get its certificate. What is no
 * server's certificate is nobody's to revoke and is not kept. */
static enum rc keep_refused(struct run *r, struct issue *is, const struct cert_list *in,
                            const struct err *why, struct err *err)
{
    struct cert_list chain;
    size_t dropped = 0;
    struct cert_version *v = ARENA_NEW(r->a, struct cert_version);
    if (!v)
        return NOMEM(err);
    if (chain_order(in, r->a, &chain, &dropped, NULL) != RC_OK)
        chain = *in;
    if (chain.n == 0 || chain.v[0].is_ca)
        return RC_OK;
    *v = (struct cert_version){.cert_id = is->cert.id,
                               .state = VERSION_REFUSED,
                               .key_alg = chain.v[0].key_name,
                               .spki_sha256 = hex_of(r->a, chain.v[0].spki_sha256, 32),
                               .refused = err_json(r->a, why),
                               .created = run_now(r)};
    TRY(describe(r, &chain, v, err));
    if (!v->spki_sha256 || !v->refused)
        return NOMEM(err);
    is->refused = v;
    return RC_OK;
}

/* A certificate that is not what was ordered is for a person to look at, and at once: asking the
 * CA for it again gives the same one, and a second order may give the same mistake. */
enum rc issue_gate(struct run *r, struct issue *is, struct str chain_pem, struct err *err)
{
    struct cert_list in;
    enum rc rc = cert_parse_pem(chain_pem, false, r->a, &in, err);
    if (rc == RC_OK) {
        rc = take(r, is, &in, err);
        bool judged =
            rc != RC_OK && err && (err->blame == BLAME_REMOTE || err->blame == BLAME_INPUT);
        if (judged)
            TRY(keep_refused(r, is, &in, err, err));
    }
    if (rc != RC_OK && err && err->blame == BLAME_REMOTE)
        err->blame = BLAME_INPUT;
    return rc;
}

static enum rc find_kept(struct db *db, struct run *r, const struct cert_version *v, bool *ret,
                         struct err *err)
{
    struct cert_version_list l;
    TRY(db_version_list(db, v->cert_id, r->a, &l, err));
    *ret = false;
    for (size_t i = 0; i < l.n; i++)
        *ret = *ret || (l.v[i].sha256 && strcmp(l.v[i].sha256, v->sha256) == 0);
    return RC_OK;
}

/* Asked for again, the CA sends the same one: kept once. One that is accepted after all (a person
 * allowed what it lacks) is no longer one to revoke. */
enum rc issue_save_gate(struct db *db, struct run *r, struct issue *is, struct err *err)
{
    bool kept = false;
    if (is->refused) {
        TRY(find_kept(db, r, is->refused, &kept, err));
        if (!kept)
            TRY(db_version_add(db, is->refused, err));
    }
    if (!is->version_changed)
        return RC_OK;
    if (is->version.state == VERSION_STAGING)
        TRY(db_version_forgive(db, is->cert.id, is->version.sha256, err));
    return db_version_update(db, &is->version, err);
}
