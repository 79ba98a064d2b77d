/* Writing containers: what leaves is sealed under the owner's password, with AES-256 and PBKDF2. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/container.h"
#include "crypto/key_priv.h"

enum { ROUNDS = 600000, P12_ROUNDS = 100000, SALT = 16 };

static X509 *x509_of(const struct cert_info *c)
{
    const unsigned char *p = (const unsigned char *)c->der.p;
    return d2i_X509(NULL, &p, (long)c->der.n);
}

static enum rc password_ok(const char *password, struct err *err)
{
    CHECK(password && strlen(password) >= CONTAINER_MIN_PASSWORD, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.container.short", "the password needs at least {0} characters",
              "パスワードは {0} 文字以上にしてください"),
          NUM(CONTAINER_MIN_PASSWORD));
    return RC_OK;
}

/* All but the leaf; NULL when out of memory. */
static STACK_OF(X509) * stack_of(const struct cert_list *chain, size_t from)
{
    STACK_OF(X509) *s = sk_X509_new_null();
    for (size_t i = from; s && i < chain->n; i++) {
        X509 *x = x509_of(&chain->v[i]);
        if (!x || !sk_X509_push(s, x)) {
            X509_free(x);
            sk_X509_pop_free(s, X509_free);
            return NULL;
        }
    }
    return s;
}

enum rc pkcs12_write(const struct key *key, const struct cert_list *chain, const char *name,
                     const char *password, struct buf *out, struct err *err)
{
    unsigned char *der = NULL;
    TRY(password_ok(password, err));
    X509 *leaf = x509_of(&chain->v[0]);
    STACK_OF(X509) *rest = stack_of(chain, 1);
    PKCS12 *p12 = leaf && rest ? PKCS12_create(password, name, key->pkey, leaf, rest,
                                               NID_aes_256_cbc, NID_aes_256_cbc, P12_ROUNDS, -1, 0)
                               : NULL;
    bool ok = p12 && PKCS12_set_mac(p12, password, -1, NULL, 0, P12_ROUNDS, EVP_sha256());
    int n = ok ? i2d_PKCS12(p12, &der) : -1;
    if (n > 0)
        buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    PKCS12_free(p12);
    X509_free(leaf);
    sk_X509_pop_free(rest, X509_free);
    return n > 0 ? buf_ok(out, err) : crypto_fail(err, "PKCS#12");
}

enum rc key_to_encrypted_pem(const struct key *key, const char *password, struct buf *out,
                             struct err *err)
{
    TRY(password_ok(password, err));
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key->pkey);
    X509_ALGOR *pbe =
        PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), ROUNDS, NULL, SALT, NULL, NID_hmacWithSHA256);
    X509_SIG *sealed = p8 && pbe ? PKCS8_set0_pbe(password, (int)strlen(password), p8, pbe) : NULL;
    if (!sealed)
        X509_ALGOR_free(pbe);
    BIO *bio = sealed ? BIO_new(BIO_s_mem()) : NULL;
    bool ok = bio && PEM_write_bio_PKCS8(bio, sealed) == 1;
    char *text = NULL;
    long n = ok ? BIO_get_mem_data(bio, &text) : 0;
    if (n > 0)
        buf_add(out, text, (size_t)n);
    BIO_free(bio);
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(p8);
    return ok && n > 0 ? buf_ok(out, err) : crypto_fail(err, "PKCS#8");
}

enum rc pkcs7_write(const struct cert_list *chain, struct buf *out, struct err *err)
{
    unsigned char *der = NULL;
    PKCS7 *p7 = PKCS7_new();
    bool ok = p7 && PKCS7_set_type(p7, NID_pkcs7_signed) && PKCS7_content_new(p7, NID_pkcs7_data);
    for (size_t i = 0; ok && i < chain->n; i++) {
        X509 *x = x509_of(&chain->v[i]);
        ok = x && PKCS7_add_certificate(p7, x);
        X509_free(x);
    }
    int n = ok ? i2d_PKCS7(p7, &der) : -1;
    if (n > 0)
        buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    PKCS7_free(p7);
    return n > 0 ? buf_ok(out, err) : crypto_fail(err, "PKCS#7");
}
