#include "crypto/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/base64.h"
#include "crypto/digest.h"
#include "crypto/key_priv.h"

const char *jws_alg(enum key_alg alg)
{
    switch (alg) {
    case KEY_EC256:
        return "ES256";
    case KEY_EC384:
        return "ES384";
    case KEY_ED25519:
        return "EdDSA";
    case KEY_RSA2048:
    case KEY_RSA3072:
    case KEY_RSA4096:
        break;
    }
    return "RS256";
}

/* A big-endian number of exactly `size` bytes (0 = minimal) as base64url. RFC 7518 6.2.1.2: "The
 * length of this octet string MUST be the full size of a coordinate for the curve". */
static bool put_number(EVP_PKEY *p, const char *param, int size, struct buf *out)
{
    BIGNUM *bn = NULL;
    unsigned char bytes[2048];
    bool ok = EVP_PKEY_get_bn_param(p, param, &bn) == 1;
    int n = ok ? (size ? size : BN_num_bytes(bn)) : 0;
    ok = ok && n > 0 && n <= (int)sizeof bytes && BN_bn2binpad(bn, bytes, n) == n;
    if (ok)
        base64url_add(out, bytes, (size_t)n);
    BN_free(bn);
    return ok;
}

enum rc jwk_public(const struct key *key, struct buf *out, struct err *err)
{
    enum key_alg alg;
    bool ok = true;
    CHECK(key_alg_of(key, &alg), err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("crypto.jwk.kind", "this kind of key has no JWK form here",
              "この種類の鍵は JWK にできません"));
    if (alg == KEY_EC256 || alg == KEY_EC384) {
        int size = alg == KEY_EC256 ? 32 : 48;
        buf_adds(out, alg == KEY_EC256 ? "{\"crv\":\"P-256\"" : "{\"crv\":\"P-384\"");
        buf_adds(out, ",\"kty\":\"EC\",\"x\":\"");
        ok = put_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, size, out);
        buf_adds(out, "\",\"y\":\"");
        ok = ok && put_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size, out);
    } else if (alg == KEY_ED25519) {
        unsigned char x[32];
        size_t n = sizeof x;
        ok = EVP_PKEY_get_raw_public_key(key->pkey, x, &n) == 1;
        buf_adds(out, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
        base64url_add(out, x, n);
    } else {
        buf_adds(out, "{\"e\":\"");
        ok = put_number(key->pkey, OSSL_PKEY_PARAM_RSA_E, 0, out);
        buf_adds(out, "\",\"kty\":\"RSA\",\"n\":\"");
        ok = ok && put_number(key->pkey, OSSL_PKEY_PARAM_RSA_N, 0, out);
    }
    buf_adds(out, "\"}");
    return ok ? buf_ok(out, err) : crypto_fail(err, "JWK");
}

enum rc jwk_thumbprint(const struct key *key, struct buf *out, struct err *err)
{
    AUTO(buf) struct buf jwk = BUF(8192);
    unsigned char d[32];
    TRY(jwk_public(key, &jwk, err));
    sha256(buf_str(&jwk), d);
    base64url_add(out, d, sizeof d);
    return buf_ok(out, err);
}

/* RFC 7518 3.4: the signature is R || S, each padded to the coordinate size, not DER. */
static enum rc raw_ecdsa(struct str der, int size, struct buf *out, struct err *err)
{
    unsigned char raw[96];
    const unsigned char *p = (const unsigned char *)der.p;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
    bool ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, size) == size &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + size, size) == size;
    ECDSA_SIG_free(sig);
    if (!ok)
        return crypto_fail(err, "signature");
    base64url_add(out, raw, (size_t)size * 2);
    return buf_ok(out, err);
}

enum rc jws_sign(const struct key *key, struct str signing_input, struct buf *out, struct err *err)
{
    AUTO(buf) struct buf sig = BUF(4096);
    enum key_alg alg;
    TRY(key_sign(key, signing_input, &sig, err));
    if (key_alg_of(key, &alg) && (alg == KEY_EC256 || alg == KEY_EC384))
        return raw_ecdsa(buf_str(&sig), alg == KEY_EC256 ? 32 : 48, out, err);
    base64url_add(out, sig.p, sig.len);
    return buf_ok(out, err);
}

enum rc jws_hs256(struct str secret, struct str signing_input, struct buf *out, struct err *err)
{
    unsigned char mac[32];
    hmac_sha256(secret, signing_input, mac);
    base64url_add(out, mac, sizeof mac);
    return buf_ok(out, err);
}

/* Raw R||S back to DER. */
static bool der_ecdsa(struct str raw, struct buf *out)
{
    int half = (int)(raw.n / 2);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.p, half, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.p + half, half, NULL);
    unsigned char *der = NULL;
    int n = -1;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL;
        n = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    if (n > 0)
        buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    return n > 0 && out->bad == RC_OK;
}

bool jws_verify(const struct key *key, struct str signing_input, struct str b64_signature)
{
    AUTO(buf) struct buf raw = BUF(4096);
    AUTO(buf) struct buf der = BUF(4096);
    enum key_alg alg;
    if (!base64url_decode(b64_signature, &raw) || !key_alg_of(key, &alg))
        return false;
    struct str sig = buf_str(&raw);
    if (alg == KEY_EC256 || alg == KEY_EC384) {
        if (raw.len != (alg == KEY_EC256 ? 64u : 96u) || !der_ecdsa(sig, &der))
            return false;
        sig = buf_str(&der);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, key_digest(key->pkey), NULL, key->pkey) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n,
                               (const unsigned char *)signing_input.p, signing_input.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}
