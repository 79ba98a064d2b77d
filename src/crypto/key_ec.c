/*
 * EC keys put into their ASN.1 forms by hand. OpenSSL 3.0 looks its encoders up anew each time and
 * reads a public key back after writing it: several times the cost of a signature, for every
 * certificate. Only P-256 and P-384 with uncompressed points; the same bytes as OpenSSL's.
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto/key_priv.h"

/* RFC 5915 3, without parameters (PKCS#8 names them) and with the public key. */
struct ec_form {
    int bits, nid;
    size_t size;           /* of a coordinate */
    unsigned char head[8]; /* SEQUENCE { INTEGER 1, OCTET STRING ... */
    size_t head_n;
    unsigned char middle[5]; /* [1] { BIT STRING ... */
};

static const struct ec_form forms[] = {
    {256, NID_X9_62_prime256v1, 32, {0x30, 0x6b, 2, 1, 1, 4, 0x20}, 7, {0xa1, 0x44, 3, 0x42, 0}},
    {384, NID_secp384r1, 48, {0x30, 0x81, 0x9b, 2, 1, 1, 4, 0x30}, 8, {0xa1, 0x64, 3, 0x62, 0}},
};

static const struct ec_form *form_of(const struct key *key)
{
    enum key_alg alg;
    if (!key_alg_of(key, &alg) || (alg != KEY_EC256 && alg != KEY_EC384))
        return NULL;
    return &forms[alg == KEY_EC384];
}

/* The uncompressed point, allocated by OpenSSL; NULL when it has another form. */
static unsigned char *point_of(const struct key *key, const struct ec_form *f)
{
    unsigned char *point = NULL;
    size_t n = EVP_PKEY_get1_encoded_public_key(key->pkey, &point);
    if (n == 1 + 2 * f->size && point[0] == POINT_CONVERSION_UNCOMPRESSED)
        return point;
    OPENSSL_free(point);
    return NULL;
}

bool ec_public(const struct key *key, X509_PUBKEY *ret)
{
    const struct ec_form *f = form_of(key);
    unsigned char *point = f ? point_of(key, f) : NULL;
    if (!point)
        return false;
    if (X509_PUBKEY_set0_param(ret, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                               OBJ_nid2obj(f->nid), point, (int)(1 + 2 * f->size)) == 1)
        return true;
    OPENSSL_free(point);
    return false;
}

static bool put_private(const struct key *key, const struct ec_form *f, const unsigned char *point,
                        unsigned char *to)
{
    BIGNUM *d = NULL;
    bool ok = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1;
    memcpy(to, f->head, f->head_n);
    to += f->head_n;
    ok = ok && BN_bn2binpad(d, to, (int)f->size) == (int)f->size;
    to += f->size;
    memcpy(to, f->middle, sizeof f->middle);
    memcpy(to + sizeof f->middle, point, 1 + 2 * f->size);
    BN_clear_free(d);
    return ok;
}

PKCS8_PRIV_KEY_INFO *ec_private(const struct key *key)
{
    const struct ec_form *f = form_of(key);
    unsigned char *point = f ? point_of(key, f) : NULL;
    PKCS8_PRIV_KEY_INFO *p8 = point ? PKCS8_PRIV_KEY_INFO_new() : NULL;
    size_t n = f ? f->head_n + f->size + sizeof f->middle + 1 + 2 * f->size : 0;
    unsigned char *der = p8 ? OPENSSL_malloc(n) : NULL;
    bool ok = der && put_private(key, f, point, der) &&
              PKCS8_pkey_set0(p8, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), 0, V_ASN1_OBJECT,
                              OBJ_nid2obj(f->nid), der, (int)n) == 1;
    OPENSSL_free(point);
    if (ok)
        return p8;
    OPENSSL_clear_free(der, n);
    PKCS8_PRIV_KEY_INFO_free(p8);
    return NULL;
}
