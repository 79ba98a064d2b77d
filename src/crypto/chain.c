/*
 * Chains: ordering what came in any order, verifying, and the strict gate before deployment.
 * Searches are bounded by CERT_MAX_CHAIN and by using each certificate once, so loops end.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/cert.h"
#include "crypto/x509_priv.h"

static X509 *to_x509(const struct cert_info *c)
{
    size_t used;
    return x509_parse(c->der, c->sha256, &used);
}

static bool signed_by(const struct cert_info *child, const struct cert_info *parent)
{
    if (strcmp(child->issuer, parent->subject) != 0)
        return false;
    if (child->aki && parent->ski && strcmp(child->aki, parent->ski) != 0)
        return false;
    X509 *c = to_x509(child), *p = to_x509(parent);
    bool ok = c && p && X509_NAME_cmp(X509_get_issuer_name(c), X509_get_subject_name(p)) == 0 &&
              X509_verify(c, X509_get0_pubkey(p)) == 1;
    X509_free(c);
    X509_free(p);
    ERR_clear_error();
    return ok;
}

static bool same(const struct cert_info *a, const struct cert_info *b)
{
    return memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}

/* The only one that issued none of the others; a CA is a leaf only when nothing else is. */
static enum rc find_leaf(const struct cert_list *in, size_t *ret, struct err *err)
{
    size_t found = 0, at = 0;
    for (int pass = 0; pass < 2 && found == 0; pass++) {
        for (size_t i = 0; i < in->n; i++) {
            bool issuer = pass == 0 && in->v[i].is_ca, seen = false;
            for (size_t j = 0; j < in->n && !issuer; j++)
                if (j != i && !same(&in->v[i], &in->v[j]))
                    issuer = signed_by(&in->v[j], &in->v[i]);
            for (size_t j = 0; j < i; j++)
                seen = seen || same(&in->v[i], &in->v[j]);
            if (!issuer && !seen) {
                found++;
                at = i;
            }
        }
    }
    CHECK(found == 1, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.chain.leaf",
              "{0} server certificates were found where exactly one is expected",
              "サーバー証明書が {0} 個あります(1 個だけ必要です)"),
          NUM(found));
    *ret = at;
    return RC_OK;
}

/* A chain cut at the limit would be an incomplete one. */
static enum rc check_length(const struct cert_list *in, const struct cert_list *out,
                            const bool *used, struct err *err)
{
    const struct cert_info *last = &out->v[out->n - 1];
    for (size_t i = 0; i < in->n && out->n == CERT_MAX_CHAIN && !last->self_issued; i++)
        CHECK(used[i] || in->v[i].self_issued || !signed_by(last, &in->v[i]), err, RC_INPUT,
              BLAME_INPUT,
              MSG("crypto.chain.long", "the chain is longer than {0} certificates",
                  "証明書チェーンが {0} 段を超えています"),
              NUM(CERT_MAX_CHAIN));
    return RC_OK;
}

enum rc chain_order(const struct cert_list *in, struct arena *a, struct cert_list *ret,
                    size_t *ret_dropped, struct err *err)
{
    size_t at;
    TRY(find_leaf(in, &at, err));
    struct cert_list out = {arena_array(a, CERT_MAX_CHAIN, sizeof *out.v), 0};
    bool *used = arena_array(a, in->n, sizeof *used);
    if (!out.v || !used)
        return NOMEM(err);
    out.v[out.n++] = in->v[at];
    used[at] = true;
    for (bool more = true; more && out.n < CERT_MAX_CHAIN;) {
        const struct cert_info *last = &out.v[out.n - 1];
        more = false;
        for (size_t i = 0; i < in->n && !last->self_issued; i++) {
            if (used[i] || !signed_by(last, &in->v[i]))
                continue;
            used[i] = true;
            if (!in->v[i].self_issued) { /* a root is the client's own affair */
                out.v[out.n++] = in->v[i];
                more = true;
            }
            break;
        }
    }
    TRY(check_length(in, &out, used, err));
    if (ret_dropped)
        *ret_dropped = in->n - out.n;
    *ret = out;
    return RC_OK;
}

static enum rc add_roots(X509_STORE *store, struct str pem, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct cert_list roots;
    if (!a)
        return NOMEM(err);
    TRY(cert_parse_pem(pem, false, a, &roots, err));
    for (size_t i = 0; i < roots.n; i++) {
        X509 *x = to_x509(&roots.v[i]);
        bool ok = x && X509_STORE_add_cert(store, x) == 1;
        X509_free(x);
        if (!ok)
            return NOMEM(err);
    }
    /* An anchor may be an intermediate. */
    return X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 ? RC_OK : NOMEM(err);
}

static STACK_OF(X509) * untrusted_of(const struct cert_list *chain)
{
    STACK_OF(X509) *sk = sk_X509_new_null();
    for (size_t i = 1; sk && i < chain->n; i++) {
        X509 *x = to_x509(&chain->v[i]);
        if (!x || sk_X509_push(sk, x) == 0) {
            X509_free(x);
            sk_X509_pop_free(sk, X509_free);
            return NULL;
        }
    }
    return sk;
}

static enum rc verify_failed(int code, struct err *err)
{
    const char *why = X509_verify_cert_error_string(code);
    return FAIL(err, RC_TLS, BLAME_REMOTE,
                MSG("crypto.chain.verify", "the chain does not verify: {0}",
                    "証明書チェーンを検証できません: {0}"),
                why ? why : "?");
}

enum rc chain_verify(const struct cert_list *chain, struct str roots_pem, bool use_system,
                     int64_t now, struct err *err)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *leaf = chain->n ? to_x509(&chain->v[0]) : NULL;
    STACK_OF(X509) *rest = untrusted_of(chain);
    int code = chain->n ? X509_V_ERR_OUT_OF_MEM : X509_V_ERR_UNSPECIFIED;
    enum rc rc = store && roots_pem.n ? add_roots(store, roots_pem, err) : RC_OK;
    if (rc == RC_OK && store && ctx && leaf && rest &&
        (!use_system || X509_STORE_set_default_paths(store) == 1) &&
        X509_STORE_CTX_init(ctx, store, leaf, rest) == 1) {
        X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(p, (time_t)(now / USEC_PER_SEC));
        X509_VERIFY_PARAM_set_depth(p, CERT_MAX_CHAIN);
        code = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    }
    sk_X509_pop_free(rest, X509_free);
    X509_free(leaf);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    if (rc != RC_OK || code == X509_V_OK)
        return rc;
    return code == X509_V_ERR_OUT_OF_MEM ? NOMEM(err) : verify_failed(code, err);
}

/* RFC 9525 6.3: the wildcard stands for exactly one leftmost label. */
static bool covers(const char *presented, const char *host)
{
    if (presented[0] == '*' && presented[1] == '.') {
        const char *dot = strchr(host, '.');
        if (host[strspn(host, "0123456789.")] == '\0') /* an address has no labels */
            return false;
        return dot && dot != host && strcasecmp(dot, presented + 1) == 0;
    }
    return strcasecmp(presented, host) == 0;
}

bool cert_covers(const struct cert_info *cert, const char *host)
{
    for (size_t i = 0; i < cert->name_count; i++)
        if (covers(cert->names[i], host))
            return true;
    return false;
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return false;
}

static const char *const remarks[] = {"serial",    "encoding", "name",          "validity",
                                      "signature", "key",      "precertificate"};

const char *cert_remark(unsigned unusual, size_t i)
{
    for (size_t bit = 0; bit < COUNT_OF(remarks); bit++)
        if ((unusual & (1u << bit)) && i-- == 0)
            return remarks[bit];
    return NULL;
}

enum rc cert_servable(const struct cert_info *leaf, int64_t now, struct err *err)
{
    char from[32], to[32];
    time_rfc3339(leaf->not_before, from);
    time_rfc3339(leaf->not_after, to);
    const char *remark = cert_remark(leaf->unusual & ~(unsigned)CERT_ODD_NAME, 0);
    CHECK(!remark && !leaf->is_ca, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.servable.odd",
              "the certificate is not fit for a server ({0} is unusual or unsafe)",
              "この証明書はサーバーに適しません（{0} が異常または安全ではありません）"),
          remark ? remark : "CA");
    CHECK(leaf->not_before <= now + 300 * USEC_PER_SEC && leaf->not_after > now, err, RC_INPUT,
          BLAME_INPUT,
          MSG("crypto.servable.time", "the certificate is valid from {0} to {1}, which is not now",
              "証明書の有効期間は {0}〜{1} で、現在は有効ではありません"),
          from, to);
    return RC_OK;
}

static enum rc accept_names(const struct cert_info *leaf, const struct cert_expect *want,
                            struct err *err)
{
    for (size_t i = 0; i < want->name_count; i++)
        CHECK(has_name(leaf->names, leaf->name_count, want->names[i]), err, RC_REMOTE, BLAME_REMOTE,
              MSG("crypto.accept.missing", "the certificate lacks the ordered name {0}",
                  "証明書に申請した名前 {0} がありません"),
              want->names[i]);
    for (size_t i = 0; i < leaf->name_count; i++)
        CHECK(has_name(want->names, want->name_count, leaf->names[i]), err, RC_REMOTE, BLAME_REMOTE,
              MSG("crypto.accept.extra", "the certificate carries {0}, which was not ordered",
                  "証明書に申請していない名前 {0} があります"),
              leaf->names[i]);
    return RC_OK;
}

static enum rc accept_key(const struct cert_info *leaf, const struct cert_expect *want,
                          struct err *err)
{
    AUTO(buf) struct buf ours = BUF(128);
    AUTO(buf) struct buf theirs = BUF(128);
    hex_add(&ours, want->spki_sha256, 32);
    hex_add(&theirs, leaf->spki_sha256, 32);
    CHECK(memcmp(leaf->spki_sha256, want->spki_sha256, 32) == 0, err, RC_REMOTE, BLAME_REMOTE,
          MSG("crypto.accept.key",
              "the certificate is for another key: ours is {0}, the certificate's {1}",
              "証明書の公開鍵が異なります: 手元 {0}、証明書 {1}"),
          buf_cstr(&ours), buf_cstr(&theirs));
    return RC_OK;
}

static enum rc accept_time(const struct cert_info *leaf, const struct cert_expect *want,
                           struct err *err)
{
    char from[32], to[32];
    time_rfc3339(leaf->not_before, from);
    time_rfc3339(leaf->not_after, to);
    /* A few minutes of skew: CAs that do not back-date, clocks that are not quite right. */
    CHECK(leaf->not_before <= want->now + 300 * USEC_PER_SEC &&
              leaf->not_after > want->now + want->min_lifetime,
          err, RC_REMOTE, BLAME_REMOTE,
          MSG("crypto.accept.time",
              "the certificate is valid from {0} to {1}: not now, or not long enough",
              "証明書の有効期間は {0}〜{1} です。現在有効でないか、短すぎます"),
          from, to);
    return RC_OK;
}

/* The CA's root is not known: the chain's own last certificate is the anchor, so that dates, CA
 * flags and path lengths below it still count. */
static enum rc accept_own_top(const struct cert_list *chain, const struct cert_expect *want,
                              struct err *err)
{
    AUTO(buf) struct buf top = BUF(4 * CERT_MAX_BYTES);
    CHECK(chain->n > 1 || want->roots_pem.n > 0, err, RC_REMOTE, BLAME_REMOTE,
          MSG("crypto.accept.chain", "the chain has no intermediate certificate",
              "チェーンに中間証明書がありません"));
    if (chain->n == 1)
        return chain_verify(chain, want->roots_pem, want->use_system_roots, want->now, err);
    cert_to_pem(chain->v[chain->n - 1].der, &top);
    TRY(buf_ok(&top, err));
    return chain_verify(chain, buf_str(&top), false, want->now, err);
}

enum rc cert_accept(const struct cert_list *chain, const struct cert_expect *want, struct err *err)
{
    CHECK(chain->n > 0, err, RC_REMOTE, BLAME_REMOTE,
          MSG("crypto.accept.none", "no certificate came", "証明書がありません"));
    const struct cert_info *leaf = &chain->v[0];
    CHECK(!(leaf->unusual & CERT_PRECERT_POISON) && !leaf->is_ca, err, RC_REMOTE, BLAME_REMOTE,
          MSG("crypto.accept.kind",
              "a precertificate or CA certificate came instead of the server's",
              "サーバー証明書ではなく、プレ証明書または CA 証明書が届きました"));
    CHECK(!(leaf->unusual & (CERT_ODD_SERIAL | CERT_ODD_SIGNATURE | CERT_ODD_KEY |
                             CERT_ODD_VALIDITY | CERT_ODD_ENCODING)),
          err, RC_REMOTE, BLAME_REMOTE,
          MSG("crypto.accept.odd",
              "the certificate's serial, signature algorithm, key or encoding is not fit for use",
              "証明書のシリアル番号、署名方式、鍵、または符号化が使用に適しません"));
    TRY(accept_key(leaf, want, err));
    TRY(accept_names(leaf, want, err));
    TRY(accept_time(leaf, want, err));
    for (size_t i = 0; i + 1 < chain->n; i++)
        CHECK(signed_by(&chain->v[i], &chain->v[i + 1]), err, RC_REMOTE, BLAME_REMOTE,
              MSG("crypto.accept.link",
                  "certificate {0} of the chain was not issued by the next one",
                  "チェーンの {0} 番目の証明書は次の証明書が発行したものではありません"),
              NUM(i + 1));
    if (want->allow_any_root)
        return accept_own_top(chain, want, err);
    return chain_verify(chain, want->roots_pem, want->use_system_roots, want->now, err);
}

static enum rc add_loss(struct cert_loss *v, size_t *n, size_t max, const char *what,
                        const char *value, struct err *err)
{
    if (*n >= max || !value)
        return NOMEM(err);
    v[(*n)++] = (struct cert_loss){what, value};
    return RC_OK;
}

enum rc cert_compare(const struct cert_info *old_cert, const struct cert_info *new_cert,
                     struct arena *a, struct cert_loss **ret, size_t *ret_n, struct err *err)
{
    size_t n = 0, max = old_cert->name_count + old_cert->eku_count + 2;
    struct cert_loss *v = arena_array(a, max, sizeof *v);
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < old_cert->name_count; i++)
        if (!has_name(new_cert->names, new_cert->name_count, old_cert->names[i]))
            TRY(add_loss(v, &n, max, "name", old_cert->names[i], err));
    for (size_t i = 0; i < old_cert->eku_count; i++)
        if (!has_name(new_cert->eku, new_cert->eku_count, old_cert->eku[i]))
            TRY(add_loss(v, &n, max, "eku", old_cert->eku[i], err));
    if (strcmp(old_cert->key_name, new_cert->key_name) != 0)
        TRY(add_loss(v, &n, max, "key_type",
                     arena_printf(a, "%s -> %s", old_cert->key_name, new_cert->key_name), err));
    if (old_cert->must_staple && !new_cert->must_staple)
        TRY(add_loss(v, &n, max, "must_staple", "yes", err));
    *ret = v;
    *ret_n = n;
    return RC_OK;
}
