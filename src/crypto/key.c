/* Invariants: no path prompts on a terminal; buffers with private bytes are wiped before freeing.
 */
#include "crypto/key.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/key_priv.h"

struct alg_row {
    enum key_alg alg;
    const char *name;
    int id; /* EVP_PKEY base id */
    int bits;
    const char *group;
};

static const struct alg_row algs[] = {
    {KEY_EC256, "ec256", EVP_PKEY_EC, 256, "P-256"},
    {KEY_EC384, "ec384", EVP_PKEY_EC, 384, "P-384"},
    {KEY_RSA2048, "rsa2048", EVP_PKEY_RSA, 2048, NULL},
    {KEY_RSA3072, "rsa3072", EVP_PKEY_RSA, 3072, NULL},
    {KEY_RSA4096, "rsa4096", EVP_PKEY_RSA, 4096, NULL},
    {KEY_ED25519, "ed25519", EVP_PKEY_ED25519, 256, NULL},
};

enum rc crypto_fail(struct err *err, const char *what)
{
    char text[160];
    unsigned long e = ERR_peek_last_error();
    ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return FAIL(err, RC_INTERNAL, BLAME_US,
                MSG("crypto.openssl", "{0} failed: {1}", "{0} に失敗しました: {1}"), what,
                e ? text : "no reason given");
}

const char *key_alg_name(enum key_alg alg)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].alg == alg)
            return algs[i].name;
    return "unknown";
}

bool key_alg_from_name(const char *name, enum key_alg *ret)
{
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        if (strcmp(algs[i].name, name) == 0) {
            *ret = algs[i].alg;
            return true;
        }
    }
    return false;
}

static bool pkey_alg(const EVP_PKEY *p, enum key_alg *ret)
{
    char group[32] = "";
    int id = EVP_PKEY_get_base_id(p);
    if (id == EVP_PKEY_EC)
        (void)EVP_PKEY_get_group_name(p, group, sizeof group, NULL);
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        if (algs[i].id != id || (id != EVP_PKEY_ED25519 && EVP_PKEY_get_bits(p) != algs[i].bits))
            continue;
        if (id == EVP_PKEY_EC && strcmp(group, "prime256v1") != 0 &&
            strcmp(group, "secp384r1") != 0 && strcmp(group, algs[i].group) != 0)
            continue;
        *ret = algs[i].alg;
        return true;
    }
    return false;
}

static enum rc wrap(EVP_PKEY *p, struct key **ret, struct err *err)
{
    struct key *k = mem_alloc(sizeof *k);
    if (!k) {
        EVP_PKEY_free(p);
        return NOMEM(err);
    }
    k->pkey = p;
    *ret = k;
    return RC_OK;
}

enum rc key_generate(enum key_alg alg, struct key **ret, struct err *err)
{
    const struct alg_row *row = NULL;
    for (size_t i = 0; i < COUNT_OF(algs); i++)
        if (algs[i].alg == alg)
            row = &algs[i];
    CHECK(row, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.key.alg", "unknown key algorithm", "不明な鍵アルゴリズムです"));
    EVP_PKEY *p = row->id == EVP_PKEY_RSA  ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)row->bits)
                  : row->id == EVP_PKEY_EC ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", row->group)
                                           : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return p ? wrap(p, ret, err) : crypto_fail(err, "key generation");
}

struct password {
    const char *text;
    bool asked;
};

static int give_password(char *buf, int size, int writing, void *arg)
{
    struct password *pw = arg;
    (void)writing;
    pw->asked = true;
    size_t n = pw->text ? strlen(pw->text) : 0;
    if (!pw->text || n > (size_t)size)
        return -1;
    memcpy(buf, pw->text, n);
    return (int)n;
}

/* The private half must belong to the public one: a proof by signing and verifying. */
static bool halves_match(EVP_PKEY *p)
{
    static const unsigned char data[] = "inro key pair";
    unsigned char sig[2048]; /* RSA-16384 */
    size_t n = sizeof sig;
    EVP_MD_CTX *s = EVP_MD_CTX_new(), *v = EVP_MD_CTX_new();
    bool ok = s && v && EVP_DigestSignInit(s, NULL, key_digest(p), NULL, p) == 1 &&
              EVP_DigestSign(s, sig, &n, data, sizeof data) == 1 &&
              EVP_DigestVerifyInit(v, NULL, key_digest(p), NULL, p) == 1 &&
              EVP_DigestVerify(v, sig, n, data, sizeof data) == 1;
    EVP_MD_CTX_free(s);
    EVP_MD_CTX_free(v);
    ERR_clear_error();
    return ok;
}

/* Only kinds that are fit for a certificate today. */
static enum rc check_kind(EVP_PKEY *p, struct err *err)
{
    enum key_alg alg;
    if (pkey_alg(p, &alg))
        return RC_OK;
    int bits = EVP_PKEY_get_bits(p);
    if (EVP_PKEY_get_base_id(p) == EVP_PKEY_RSA && bits >= 2048 && bits <= 16384)
        return RC_OK;
    const char *name = EVP_PKEY_get0_type_name(p);
    return FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("crypto.key.kind",
            "a {0} key of {1} bits is not accepted; use RSA from 2048 bits, P-256, P-384 or "
            "Ed25519",
            "{0} {1} ビットの鍵は使えません。RSA 2048 ビット以上、P-256、P-384、Ed25519 "
            "を使ってください"),
        name ? name : "?", NUM(bits));
}

static enum rc accept_kind(EVP_PKEY *p, struct err *err)
{
    TRY(check_kind(p, err));
    CHECK(halves_match(p), err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.key.pair", "the private key does not belong to the public key stored with it",
              "秘密鍵と、一緒に保存されている公開鍵が一致しません"));
    return RC_OK;
}

enum rc key_from_pem(struct str pem, const char *password, struct key **ret, struct err *err)
{
    struct password pw = {.text = password};
    BIO *bio = pem.n <= 1 << 20 ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    EVP_PKEY *p = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, &pw) : NULL;
    BIO_free(bio);
    if (!p) {
        ERR_clear_error();
        CHECK(!pw.asked || password, err, RC_INPUT, BLAME_INPUT,
              MSG("crypto.key.password_needed", "the key is encrypted: its password is needed",
                  "鍵が暗号化されています。パスワードが必要です"));
        CHECK(!pw.asked, err, RC_INPUT, BLAME_INPUT,
              MSG("crypto.key.password_wrong", "wrong password for the key",
                  "鍵のパスワードが違います"));
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("crypto.key.pem", "no private key could be read (PEM expected)",
                        "秘密鍵を読み取れません(PEM 形式が必要です)"));
    }
    enum rc rc = accept_kind(p, err);
    if (rc != RC_OK) {
        EVP_PKEY_free(p);
        return rc;
    }
    return wrap(p, ret, err);
}

enum rc key_from_der(struct str pkcs8, struct key **ret, struct err *err)
{
    const unsigned char *p = (const unsigned char *)pkcs8.p;
    EVP_PKEY *k = pkcs8.n <= 1 << 20 ? d2i_AutoPrivateKey(NULL, &p, (long)pkcs8.n) : NULL;
    if (!k || p != (const unsigned char *)pkcs8.p + pkcs8.n) {
        EVP_PKEY_free(k);
        ERR_clear_error();
        return FAIL(
            err, RC_INPUT, BLAME_INPUT,
            MSG("crypto.key.der", "not a private key in DER", "DER 形式の秘密鍵ではありません"));
    }
    enum rc rc = accept_kind(k, err);
    if (rc != RC_OK) {
        EVP_PKEY_free(k);
        return rc;
    }
    return wrap(k, ret, err);
}

enum rc key_to_der(const struct key *key, struct buf *out_secret, struct err *err)
{
    PKCS8_PRIV_KEY_INFO *ec = ec_private(key), *info = ec ? ec : EVP_PKEY2PKCS8(key->pkey);
    unsigned char *der = NULL;
    int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    PKCS8_PRIV_KEY_INFO_free(info);
    if (n <= 0)
        return crypto_fail(err, "key encoding");
    buf_add(out_secret, der, (size_t)n);
    OPENSSL_clear_free(der, (size_t)n);
    return buf_ok(out_secret, err);
}

enum rc key_to_pem(const struct key *key, struct buf *out_secret, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    bool ok = bio && PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1;
    long n = ok ? BIO_get_mem_data(bio, &text) : 0;
    if (n > 0)
        buf_add(out_secret, text, (size_t)n);
    BIO_free(bio);
    return n > 0 ? buf_ok(out_secret, err) : crypto_fail(err, "key encoding");
}

void key_destroy(struct key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    mem_free(key);
}

void key_cleanup(struct key **key)
{
    key_destroy(*key);
}

bool key_alg_of(const struct key *key, enum key_alg *ret)
{
    return pkey_alg(key->pkey, ret);
}

enum rc key_spki(const struct key *key, struct buf *out, struct err *err)
{
    unsigned char *der = NULL;
    X509_PUBKEY *pub = X509_PUBKEY_new();
    int n = pub && ec_public(key, pub) ? i2d_X509_PUBKEY(pub, &der) : i2d_PUBKEY(key->pkey, &der);
    X509_PUBKEY_free(pub);
    if (n <= 0)
        return crypto_fail(err, "public key encoding");
    buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    return buf_ok(out, err);
}

enum rc key_spki_sha256(const struct key *key, unsigned char ret[32], struct err *err)
{
    AUTO(buf) struct buf b = BUF(8192);
    TRY(key_spki(key, &b, err));
    sha256(buf_str(&b), ret);
    return RC_OK;
}

const EVP_MD *key_digest(const EVP_PKEY *p)
{
    int id = EVP_PKEY_get_base_id(p);
    if (id == EVP_PKEY_ED25519)
        return NULL;
    return id == EVP_PKEY_EC && EVP_PKEY_get_bits(p) == 384 ? EVP_sha384() : EVP_sha256();
}

enum rc key_sign(const struct key *key, struct str data, struct buf *out, struct err *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 0;
    char *to = NULL;
    bool ok =
        ctx && EVP_DigestSignInit(ctx, NULL, key_digest(key->pkey), NULL, key->pkey) == 1 &&
        EVP_DigestSign(ctx, NULL, &n, (const unsigned char *)data.p, data.n) == 1 &&
        (to = buf_reserve(out, n)) != NULL &&
        EVP_DigestSign(ctx, (unsigned char *)to, &n, (const unsigned char *)data.p, data.n) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        return out->bad != RC_OK ? NOMEM(err) : crypto_fail(err, "signing");
    out->len += n;
    return RC_OK;
}
