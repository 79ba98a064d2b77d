/*
 * What the vault does, as one table. Every operation opens what it needs by usage and place, works,
 * and leaves nothing clear behind. Only VC_RELEASE answers with clear text.
 */
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/container.h"
#include "crypto/digest.h"
#include "crypto/jws.h"
#include "vault/keycache.h"
#include "vault/vault_priv.h"

enum { CLEAR_MAX = 128 * 1024, KEY_DER_MAX = 16 * 1024 };

const char *vault_usage_name(enum vault_usage u)
{
    static const char *const names[] = {NULL,     "tls-key", "acme-key",
                                        "ca-key", "setting", "vendor-key"};
    return (unsigned)u < COUNT_OF(names) ? names[u] : NULL;
}

static enum rc corrupt(struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_US,
                MSG("vault.corrupt", "a stored secret is damaged or belongs elsewhere",
                    "保存された秘密情報が壊れているか、別の場所のものです"));
}

static enum rc aad_of(struct vault_req *q, enum vault_usage usage, const char *place,
                      struct str *ret, struct err *err)
{
    const char *aad = vault_usage_name(usage)
                          ? arena_printf(q->a, "%s:%s", vault_usage_name(usage), place)
                          : NULL;
    if (!aad)
        return NOMEM(err);
    *ret = str_from(aad);
    return RC_OK;
}

enum rc vault_seal_again(struct vault_req *q, enum vault_usage usage, const char *place,
                         struct str clear, struct err *err)
{
    AUTO(buf) struct buf blob = BUF(CLEAR_MAX + 256);
    AUTO(buf) struct buf text = BUF(2 * CLEAR_MAX);
    struct str aad;
    TRY(aad_of(q, usage, place, &aad, err));
    TRY(envelope_seal(keyring_first(vault_rings(q->server)->ring), aad, clear, &blob, err));
    base64_add(&text, blob.p, blob.len);
    TRY(buf_ok(&text, err));
    ipc_put(q->out, VT_SEALED, buf_str(&text));
    return RC_OK;
}

static enum rc seal(struct vault_req *q, enum vault_usage usage, struct str clear, struct err *err)
{
    return vault_seal_again(q, usage, q->place, clear, err);
}

enum rc vault_open_sealed(struct vault_req *q, enum vault_usage usage, const char *place,
                          struct buf *out_secret, struct err *err)
{
    AUTO(buf) struct buf blob = BUF(CLEAR_MAX + 256);
    struct str aad;
    TRY(aad_of(q, usage, place, &aad, err));
    if (!q->sealed || !base64_decode(str_from(q->sealed), &blob) || blob.bad != RC_OK)
        return corrupt(err);
    return keyring_open(vault_rings(q->server)->ring, aad, buf_str(&blob), out_secret, err);
}

static enum rc open_sealed(struct vault_req *q, enum vault_usage usage, struct buf *out_secret,
                           struct err *err)
{
    return vault_open_sealed(q, usage, q->place, out_secret, err);
}

static enum rc open_key(struct vault_req *q, enum vault_usage usage, struct key **ret,
                        struct err *err)
{
    AUTO(buf) struct buf der = BUF_SECRET(KEY_DER_MAX);
    TRY(open_sealed(q, usage, &der, err));
    return key_from_der(buf_str(&der), ret, err);
}

static enum rc key_id(struct vault_req *q, enum vault_usage usage, unsigned char ret[32],
                      struct err *err)
{
    const char *all =
        arena_printf(q->a, "%d:%s:%s", (int)usage, q->place, q->sealed ? q->sealed : "");
    if (!all)
        return NOMEM(err);
    sha256(str_from(all), ret);
    return RC_OK;
}

/* A key that signs often; give it back with key_cache_release(). */
static enum rc borrow_key(struct vault_req *q, enum vault_usage usage, struct cached_key **ret,
                          struct err *err)
{
    unsigned char id[32];
    struct key_cache *c = vault_key_cache(q->server);
    TRY(key_id(q, usage, id, err));
    *ret = key_cache_find(c, id);
    if (*ret)
        return RC_OK;
    struct key *key = NULL;
    TRY(open_key(q, usage, &key, err));
    *ret = key_cache_put(c, id, key);
    return *ret ? RC_OK : NOMEM(err);
}

static enum rc put_key(struct vault_req *q, const struct key *key, struct err *err)
{
    AUTO(buf) struct buf der = BUF_SECRET(KEY_DER_MAX);
    AUTO(buf) struct buf spki = BUF(4096);
    TRY(key_to_der(key, &der, err));
    TRY(key_spki(key, &spki, err));
    TRY(seal(q, q->usage, buf_str(&der), err));
    ipc_put(q->out, VT_DATA, buf_str(&spki));
    return RC_OK;
}

struct str vault_data(const struct vault_req *q)
{
    struct str s = STR("");
    (void)ipc_get(q->payload, VT_DATA, 0, &s);
    return s;
}

static struct str data_of(const struct vault_req *q)
{
    return vault_data(q);
}

static enum rc op_ping(struct vault_req *q, struct err *err)
{
    (void)q, (void)err;
    return RC_OK;
}

static enum rc put_csr(struct vault_req *q, const struct key *key, int64_t flags, struct err *err)
{
    AUTO(buf) struct buf der = BUF(CLEAR_MAX);
    struct csr_spec spec = {.must_staple = flags & VF_MUST_STAPLE};
    bool bad = false;
    get_subject(q->payload, q->a, &spec.subject, &bad);
    spec.dns = get_names(q->payload, VT_DNS, q->a, &spec.dns_count, &bad);
    spec.ips = get_names(q->payload, VT_IP, q->a, &spec.ip_count, &bad);
    if (bad)
        return NOMEM(err);
    TRY(csr_build(key, &spec, &der, err));
    ipc_put(q->out, VT_CSR, buf_str(&der));
    return RC_OK;
}

static int64_t flags_of(const struct vault_req *q)
{
    int64_t flags = 0;
    (void)ipc_get_i64(q->payload, VT_FLAGS, &flags);
    return flags;
}

static enum rc op_generate(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    int64_t alg = 0, flags = flags_of(q);
    bool with_csr = flags & VF_WITH_CSR;
    if (!ipc_get_i64(q->payload, VT_ALG, &alg) || !key_alg_name((enum key_alg)alg) ||
        (with_csr && q->usage != VAULT_TLS_KEY))
        return corrupt(err);
    TRY(key_generate((enum key_alg)alg, &key, err));
    TRY(put_key(q, key, err));
    return with_csr ? put_csr(q, key, flags, err) : RC_OK;
}

static enum rc op_import_key(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    bool bad = false;
    const char *password = get_text(q->payload, VT_PASSWORD, 0, q->a, &bad);
    if (bad)
        return NOMEM(err);
    TRY(key_from_pem(data_of(q), password, &key, err));
    return put_key(q, key, err);
}

static enum rc op_seal(struct vault_req *q, struct err *err)
{
    return seal(q, VAULT_SETTING, data_of(q), err);
}

static enum rc op_csr(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    TRY(open_key(q, VAULT_TLS_KEY, &key, err));
    return put_csr(q, key, flags_of(q), err);
}

static enum rc put_jwk(struct vault_req *q, const struct key *key, struct err *err)
{
    AUTO(buf) struct buf jwk = BUF(4096);
    AUTO(buf) struct buf thumb = BUF(256);
    enum key_alg alg;
    if (!key_alg_of(key, &alg))
        return corrupt(err);
    TRY(jwk_public(key, &jwk, err));
    TRY(jwk_thumbprint(key, &thumb, err));
    ipc_put(q->out, VT_DATA, buf_str(&jwk));
    ipc_put(q->out, VT_THUMBPRINT, buf_str(&thumb));
    ipc_put_i64(q->out, VT_ALG, alg);
    return RC_OK;
}

static enum rc put_jws(struct vault_req *q, const struct key *key, struct err *err)
{
    AUTO(buf) struct buf sig = BUF(4096);
    TRY(jws_sign(key, data_of(q), &sig, err));
    ipc_put(q->out, VT_DATA, buf_str(&sig));
    return RC_OK;
}

static enum rc with_acme_key(struct vault_req *q,
                             enum rc (*put)(struct vault_req *, const struct key *, struct err *),
                             struct err *err)
{
    struct cached_key *k = NULL;
    TRY(borrow_key(q, VAULT_ACME_KEY, &k, err));
    enum rc rc = put(q, cached_key_of(k), err);
    key_cache_release(vault_key_cache(q->server), k);
    return rc;
}

static enum rc op_jwk(struct vault_req *q, struct err *err)
{
    return with_acme_key(q, put_jwk, err);
}

static enum rc op_jws(struct vault_req *q, struct err *err)
{
    return with_acme_key(q, put_jws, err);
}

static enum rc op_hs256(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf text = BUF_SECRET(CLEAR_MAX);
    AUTO(buf) struct buf mac_key = BUF_SECRET(4096);
    AUTO(buf) struct buf sig = BUF(256);
    TRY(open_sealed(q, VAULT_SETTING, &text, err));
    CHECK(base64url_decode(str_trim(buf_str(&text)), &mac_key) && mac_key.len > 0, err, RC_INPUT,
          BLAME_INPUT,
          MSG("vault.eab", "the EAB HMAC key is not base64url text as the CA gave it",
              "EAB の HMAC キーが、認証局から渡された base64url 形式ではありません"));
    TRY(jws_hs256(buf_str(&mac_key), data_of(q), &sig, err));
    ipc_put(q->out, VT_DATA, buf_str(&sig));
    return RC_OK;
}

/* A setting of ours at its own place: nothing else can be used as a key for these two. */
static enum rc open_base64url(struct vault_req *q, const char *prefix, struct buf *out_secret,
                              struct err *err)
{
    AUTO(buf) struct buf text = BUF_SECRET(1024);
    if (strncmp(q->place, prefix, strlen(prefix)) != 0)
        return corrupt(err);
    TRY(open_sealed(q, VAULT_SETTING, &text, err));
    if (!base64url_decode(buf_str(&text), out_secret) || out_secret->len < 16)
        return corrupt(err);
    return RC_OK;
}

enum { TOTP_STEPS_MAX = 5, TOTP_DIGITS = 6 };

/* RFC 6238: which of a few time steps the code belongs to; the front never learns a code. */
static enum rc op_totp(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf secret = BUF_SECRET(256);
    struct str code = data_of(q);
    int64_t first = 0, last = 0, found = -1;
    bool good = ipc_get_i64(q->payload, VT_NOT_BEFORE, &first) &&
                ipc_get_i64(q->payload, VT_NOT_AFTER, &last) && first >= 0 && last >= first &&
                last - first < TOTP_STEPS_MAX && code.n == TOTP_DIGITS;
    CHECK(good, err, RC_INPUT, BLAME_US,
          MSG("vault.totp", "a one-time code has 6 digits", "ワンタイムコードは 6 桁です"));
    TRY(open_base64url(q, "user/", &secret, err));
    for (int64_t step = first; step <= last; step++) {
        char right[TOTP_DIGITS + 1];
        hotp(buf_str(&secret), (uint64_t)step, TOTP_DIGITS, right);
        if (str_eq_secret(code, (struct str){right, TOTP_DIGITS}))
            found = step;
        mem_wipe(right, sizeof right);
    }
    ipc_put_i64(q->out, VT_FLAGS, found);
    return RC_OK;
}

static enum rc op_mac(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf key = BUF_SECRET(256);
    unsigned char sum[32];
    TRY(open_base64url(q, "audit/", &key, err));
    hmac_sha256(buf_str(&key), data_of(q), sum);
    ipc_put(q->out, VT_DATA, (struct str){(const char *)sum, sizeof sum});
    return RC_OK;
}

static bool issue_spec_of(struct vault_req *q, struct issue_spec *s)
{
    int64_t flags = 0, path_len = -1;
    bool bad = false;
    get_subject(q->payload, q->a, &s->subject, &bad);
    s->dns = get_names(q->payload, VT_DNS, q->a, &s->dns_count, &bad);
    s->ips = get_names(q->payload, VT_IP, q->a, &s->ip_count, &bad);
    s->crl_url = get_text(q->payload, VT_CRL_URL, 0, q->a, &bad);
    s->issuer_url = get_text(q->payload, VT_ISSUER_URL, 0, q->a, &bad);
    bad = bad || !ipc_get_i64(q->payload, VT_FLAGS, &flags) ||
          !ipc_get_i64(q->payload, VT_PATH_LEN, &path_len) ||
          !ipc_get_i64(q->payload, VT_NOT_BEFORE, &s->not_before) ||
          !ipc_get_i64(q->payload, VT_NOT_AFTER, &s->not_after);
    s->ca = flags & VF_CA;
    s->server_auth = flags & VF_SERVER_AUTH;
    s->client_auth = flags & VF_CLIENT_AUTH;
    s->path_len = (int)path_len;
    return !bad;
}

static enum rc op_issue(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    AUTO(buf) struct buf der = BUF(CERT_MAX_BYTES);
    struct issue_spec spec = {0};
    struct str issuer = STR("");
    (void)ipc_get(q->payload, VT_CERT, 0, &issuer);
    if (!issue_spec_of(q, &spec))
        return corrupt(err);
    TRY(open_key(q, VAULT_CA_KEY, &key, err));
    TRY(cert_issue(key, issuer, data_of(q), &spec, &der, err));
    ipc_put(q->out, VT_DATA, buf_str(&der));
    return RC_OK;
}

static enum rc op_release(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf clear = BUF_SECRET(CLEAR_MAX);
    if (q->usage == VAULT_TLS_KEY) {
        AUTO(key) struct key *key = NULL;
        TRY(open_key(q, VAULT_TLS_KEY, &key, err));
        TRY(key_to_pem(key, &clear, err));
    } else {
        TRY(open_sealed(q, VAULT_SETTING, &clear, err));
    }
    TRY(vault_grant_write(q, err));
    ipc_put(q->out, VT_DATA, buf_str(&clear));
    return RC_OK;
}

static enum rc write_container(struct vault_req *q, const struct key *key,
                               const struct cert_list *chain, struct buf *out, struct err *err)
{
    int64_t format = 0;
    bool bad = false;
    const char *name = get_text(q->payload, VT_NAME, 0, q->a, &bad);
    const char *password = get_text(q->payload, VT_PASSWORD, 0, q->a, &bad);
    if (bad)
        return NOMEM(err);
    (void)ipc_get_i64(q->payload, VT_ALG, &format);
    switch ((enum vault_export)format) {
    case VAULT_EXPORT_PKCS12:
        return pkcs12_write(key, chain, name, password, out, err);
    case VAULT_EXPORT_JKS:
        return jks_write(key, chain, name ? name : "inro", password, clock_now(clock_real()), out,
                         err);
    case VAULT_EXPORT_PEM:
        buf_addstr(out, data_of(q));
        return key_to_encrypted_pem(key, password, out, err);
    }
    return corrupt(err);
}

static enum rc op_export(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    AUTO(buf) struct buf out = BUF(CLEAR_MAX);
    struct cert_list chain;
    unsigned char ours[32];
    TRY(cert_parse_pem(data_of(q), true, q->a, &chain, err));
    TRY(open_key(q, VAULT_TLS_KEY, &key, err));
    TRY(key_spki_sha256(key, ours, err));
    if (memcmp(ours, chain.v[0].spki_sha256, sizeof ours) != 0)
        return corrupt(err);
    TRY(write_container(q, key, &chain, &out, err));
    TRY(vault_grant_write(q, err));
    ipc_put(q->out, VT_DATA, buf_str(&out));
    return RC_OK;
}

static enum rc op_vendor_key(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    q->usage = VAULT_VENDOR_KEY;
    TRY(key_generate(KEY_ED25519, &key, err));
    return put_key(q, key, err);
}

/* Whoever may ask this can have licences and changes of the key signed, and nothing else: no CSR,
 * no token. */
static enum rc op_licence(struct vault_req *q, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    AUTO(buf) struct buf sig = BUF(256);
    enum key_alg alg;
    CHECK(str_starts(data_of(q), "inro-licence 1\n") ||
              str_starts(data_of(q), "inro-vendor-succession 1\n"),
          err, RC_DENIED, BLAME_US,
          MSG("vault.no_licence", "the vendor's key signs licences only",
              "ベンダーの鍵で署名できるのはライセンスだけです"));
    TRY(open_key(q, VAULT_VENDOR_KEY, &key, err));
    if (!key_alg_of(key, &alg) || alg != KEY_ED25519)
        return corrupt(err);
    TRY(key_sign(key, data_of(q), &sig, err));
    ipc_put(q->out, VT_DATA, buf_str(&sig));
    return RC_OK;
}

static enum rc op_check(struct vault_req *q, struct err *err)
{
    unsigned char id[32] = {0};
    if (q->usage == VAULT_SETTING) {
        AUTO(buf) struct buf clear = BUF_SECRET(CLEAR_MAX);
        TRY(open_sealed(q, VAULT_SETTING, &clear, err));
    } else {
        AUTO(key) struct key *key = NULL;
        TRY(open_key(q, q->usage, &key, err));
        TRY(key_spki_sha256(key, id, err));
    }
    ipc_put(q->out, VT_DATA, (struct str){(const char *)id, sizeof id});
    return RC_OK;
}

enum {
    KEYS = 1u << VAULT_TLS_KEY | 1u << VAULT_ACME_KEY | 1u << VAULT_CA_KEY,
    IMPORTED = KEYS | 1u << VAULT_VENDOR_KEY,
    RELEASED = 1u << VAULT_TLS_KEY | 1u << VAULT_SETTING,
    ALL = IMPORTED | RELEASED
};

static const struct vault_op ops[VC_END - VC_PING] = {
    [VC_PING - VC_PING] = {op_ping, true, false, 0, RING_ANY},
    [VC_GENERATE - VC_PING] = {op_generate, false, true, KEYS, 0},
    [VC_IMPORT_KEY - VC_PING] = {op_import_key, true, true, IMPORTED, 0},
    [VC_SEAL - VC_PING] = {op_seal, true, true, 0, 0},
    [VC_CSR - VC_PING] = {op_csr, false, true, 0, 0},
    [VC_JWK - VC_PING] = {op_jwk, false, true, 0, 0},
    [VC_JWS - VC_PING] = {op_jws, false, true, 0, 0},
    [VC_HS256 - VC_PING] = {op_hs256, false, true, 0, 0},
    [VC_ISSUE - VC_PING] = {op_issue, false, true, 0, 0},
    [VC_RELEASE - VC_PING] = {op_release, false, true, RELEASED, 0},
    [VC_CHECK - VC_PING] = {op_check, true, true, ALL, 0},
    [VC_EXPORT - VC_PING] = {op_export, true, true, 1u << VAULT_TLS_KEY, 0},
    [VC_TOTP - VC_PING] = {op_totp, true, true, 0, 0},
    [VC_MAC - VC_PING] = {op_mac, true, true, 0, 0},
    [VC_STATUS - VC_PING] = {op_status, true, false, 0, RING_ANY},
    [VC_UNSEAL - VC_PING] = {op_unseal, true, false, 0, RING_ANY | RING_WRITE},
    [VC_WRAP - VC_PING] = {op_wrap, false, true, 0, 0},
    [VC_RESEAL - VC_PING] = {op_reseal, false, false, 0, 0},
    [VC_RING_ADD - VC_PING] = {op_ring_add, true, false, 0, RING_WRITE},
    [VC_RING_DROP - VC_PING] = {op_ring_drop, false, false, 0, RING_WRITE},
    [VC_RING_PASSPHRASE - VC_PING] = {op_ring_passphrase, true, false, 0, RING_WRITE},
    [VC_RING_COMMIT - VC_PING] = {op_ring_commit, true, false, 0, RING_WRITE},
    [VC_VENDOR_KEY - VC_PING] = {op_vendor_key, true, true, 0, 0},
    [VC_LICENCE - VC_PING] = {op_licence, true, true, 0, 0},
};

const struct vault_op *vault_op_find(int kind)
{
    return kind >= VC_PING && kind < VC_END ? &ops[kind - VC_PING] : NULL;
}
