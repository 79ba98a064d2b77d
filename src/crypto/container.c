/*
 * Reading containers. Invariants: sizes, iteration counts and scrypt memory are judged before they
 * are spent; a file whose integrity check fails gives nothing, not even its certificates.
 */
#include "crypto/container.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <string.h>

#include "crypto/key_priv.h"

enum { SCRYPT_MAX_BYTES = 256 << 20, SAFE_DEPTH = 2, BAGS_MAX = 200 };

struct reader {
    const char *password; /* "" where none was given */
    struct buf *certs, *keys;
    struct container *ret;
    size_t bags;
};

static enum rc bad(struct err *err, const char *kind)
{
    ERR_clear_error();
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.container.bad", "the {0} file is damaged or not understood",
                    "{0} ファイルが壊れているか、対応していない形式です"),
                kind);
}

static enum rc add_cert(struct reader *r, X509 *x, struct err *err)
{
    unsigned char *der = NULL;
    int n = i2d_X509(x, &der);
    if (n <= 0)
        return bad(err, r->ret->kind);
    cert_to_pem((struct str){(const char *)der, (size_t)n}, r->certs);
    OPENSSL_free(der);
    return buf_ok(r->certs, err);
}

static enum rc add_key(struct reader *r, const PKCS8_PRIV_KEY_INFO *p8, struct err *err)
{
    struct key k = {EVP_PKCS82PKEY(p8)};
    if (!k.pkey)
        return bad(err, r->ret->kind);
    enum rc rc = key_to_pem(&k, r->keys, err);
    EVP_PKEY_free(k.pkey);
    r->ret->keys++;
    return rc;
}

static enum rc too_costly(struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.container.costly",
                    "the file asks for more than {0} rounds or 256 MiB to open its password; make "
                    "it again with sane parameters",
                    "パスワードの検証に {0} 回または 256 MiB を超える計算を要求しています。"
                    "適切なパラメータで作り直してください"),
                NUM(CONTAINER_MAX_ITERATIONS));
}

static bool iterations_ok(const ASN1_INTEGER *n)
{
    int64_t v = 1;
    return !n || (ASN1_INTEGER_get_int64(&v, n) && v > 0 && v <= CONTAINER_MAX_ITERATIONS);
}

static bool scrypt_ok(const ASN1_STRING *seq)
{
    const unsigned char *p = ASN1_STRING_get0_data(seq);
    uint64_t n = 0, rr = 0, pp = 0;
    SCRYPT_PARAMS *s = d2i_SCRYPT_PARAMS(NULL, &p, ASN1_STRING_length(seq));
    bool ok = s && ASN1_INTEGER_get_uint64(&n, s->costParameter) &&
              ASN1_INTEGER_get_uint64(&rr, s->blockSize) &&
              ASN1_INTEGER_get_uint64(&pp, s->parallelizationParameter);
    SCRYPT_PARAMS_free(s);
    return ok && n > 0 && rr > 0 && pp > 0 && n <= SCRYPT_MAX_BYTES && rr <= 64 && pp <= 16 &&
           n * rr * 128 <= SCRYPT_MAX_BYTES;
}

static bool pbes2_ok(const ASN1_STRING *seq)
{
    const unsigned char *p = ASN1_STRING_get0_data(seq), *q;
    PBE2PARAM *pbe = d2i_PBE2PARAM(NULL, &p, ASN1_STRING_length(seq));
    const ASN1_OBJECT *oid = NULL;
    const void *param = NULL;
    int type = 0;
    bool ok = false;
    if (pbe)
        X509_ALGOR_get0(&oid, &type, &param, pbe->keyfunc);
    if (pbe && type == V_ASN1_SEQUENCE && OBJ_obj2nid(oid) == NID_id_scrypt) {
        ok = scrypt_ok(param);
    } else if (pbe && type == V_ASN1_SEQUENCE && OBJ_obj2nid(oid) == NID_id_pbkdf2) {
        q = ASN1_STRING_get0_data(param);
        PBKDF2PARAM *k = d2i_PBKDF2PARAM(NULL, &q, ASN1_STRING_length(param));
        ok = k && iterations_ok(k->iter);
        PBKDF2PARAM_free(k);
    }
    PBE2PARAM_free(pbe);
    return ok;
}

/* What opening this algorithm would cost; weak kinds are noted. */
static bool pbe_ok(struct reader *r, const X509_ALGOR *alg)
{
    const ASN1_OBJECT *oid = NULL;
    const void *param = NULL;
    int type = 0;
    X509_ALGOR_get0(&oid, &type, &param, alg);
    int nid = OBJ_obj2nid(oid);
    if (type != V_ASN1_SEQUENCE)
        return false;
    if (nid == NID_pbes2)
        return pbes2_ok(param);
    r->ret->weak = true; /* all that came before PBES2 */
    const unsigned char *p = ASN1_STRING_get0_data(param);
    PBEPARAM *pbe = d2i_PBEPARAM(NULL, &p, ASN1_STRING_length(param));
    bool ok = pbe && iterations_ok(pbe->iter);
    PBEPARAM_free(pbe);
    return ok;
}

static enum rc read_bags(struct reader *r, const STACK_OF(PKCS12_SAFEBAG) * bags, int depth,
                         struct err *err);

static enum rc read_shrouded(struct reader *r, const PKCS12_SAFEBAG *bag, struct err *err)
{
    const X509_ALGOR *alg = NULL;
    const X509_SIG *sig = PKCS12_SAFEBAG_get0_pkcs8(bag);
    X509_SIG_get0(sig, &alg, NULL);
    if (!pbe_ok(r, alg))
        return too_costly(err);
    PKCS8_PRIV_KEY_INFO *p8 = PKCS12_decrypt_skey(bag, r->password, (int)strlen(r->password));
    if (!p8)
        return bad(err, r->ret->kind);
    enum rc rc = add_key(r, p8, err);
    PKCS8_PRIV_KEY_INFO_free(p8);
    return rc;
}

static enum rc read_bag(struct reader *r, const PKCS12_SAFEBAG *bag, int depth, struct err *err)
{
    X509 *x = NULL;
    enum rc rc = RC_OK;
    if (++r->bags > BAGS_MAX)
        return bad(err, r->ret->kind);
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_keyBag:
        return add_key(r, PKCS12_SAFEBAG_get0_p8inf(bag), err);
    case NID_pkcs8ShroudedKeyBag:
        return read_shrouded(r, bag, err);
    case NID_certBag:
        if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
            return RC_OK;
        x = PKCS12_SAFEBAG_get1_cert(bag);
        rc = x ? add_cert(r, x, err) : bad(err, r->ret->kind);
        X509_free(x);
        return rc;
    case NID_safeContentsBag:
        return depth < SAFE_DEPTH ? read_bags(r, PKCS12_SAFEBAG_get0_safes(bag), depth + 1, err)
                                  : bad(err, r->ret->kind);
    default:
        return RC_OK; /* CRLs and secrets are not ours */
    }
}

static enum rc read_bags(struct reader *r, const STACK_OF(PKCS12_SAFEBAG) * bags, int depth,
                         struct err *err)
{
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++)
        TRY(read_bag(r, sk_PKCS12_SAFEBAG_value(bags, i), depth, err));
    return RC_OK;
}

static enum rc read_safe(struct reader *r, PKCS7 *p7, struct err *err)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    if (PKCS7_type_is_data(p7)) {
        bags = PKCS12_unpack_p7data(p7);
    } else if (PKCS7_type_is_encrypted(p7)) {
        if (!p7->d.encrypted || !p7->d.encrypted->enc_data ||
            !pbe_ok(r, p7->d.encrypted->enc_data->algorithm))
            return too_costly(err);
        bags = PKCS12_unpack_p7encdata(p7, r->password, (int)strlen(r->password));
    }
    if (!bags)
        return bad(err, r->ret->kind);
    enum rc rc = read_bags(r, bags, 0, err);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return rc;
}

static enum rc check_mac(PKCS12 *p12, const char *password, struct err *err)
{
    const ASN1_INTEGER *iterations = NULL;
    if (!PKCS12_mac_present(p12))
        return bad(err, "PKCS#12");
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
    if (!iterations_ok(iterations))
        return too_costly(err);
    if (PKCS12_verify_mac(p12, password ? password : "", -1) ||
        (!password && PKCS12_verify_mac(p12, NULL, 0)))
        return RC_OK;
    ERR_clear_error();
    if (!password)
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("crypto.container.password", "the file needs its password",
                        "ファイルのパスワードが必要です"));
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.container.wrong", "wrong password, or the file was changed",
                    "パスワードが違うか、ファイルが変更されています"));
}

static enum rc read_pkcs12(struct reader *r, PKCS12 *p12, struct err *err)
{
    TRY(check_mac(p12, r->password, err));
    if (!r->password)
        r->password = "";
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    if (!safes)
        return bad(err, r->ret->kind);
    enum rc rc = RC_OK;
    for (int i = 0; i < sk_PKCS7_num(safes) && rc == RC_OK; i++)
        rc = read_safe(r, sk_PKCS7_value(safes, i), err);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    ERR_clear_error();
    return rc;
}

static enum rc read_pkcs7(struct reader *r, const PKCS7 *p7, struct err *err)
{
    r->ret->kind = "PKCS#7";
    const STACK_OF(X509) *certs = PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->cert : NULL;
    int n = sk_X509_num(certs);
    CHECK(n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pkcs7.empty", "the PKCS#7 file holds no certificate",
              "PKCS#7 ファイルに証明書がありません"));
    CHECK(n <= CERT_MAX_PEM_BLOCKS, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pkcs7.many", "the PKCS#7 file holds {0} certificates (at most {1})",
              "PKCS#7 ファイルに {0} 枚の証明書があります（上限 {1}）"),
          NUM(n), NUM(CERT_MAX_PEM_BLOCKS));
    for (int i = 0; i < n; i++)
        TRY(add_cert(r, sk_X509_value(certs, i), err));
    return RC_OK;
}

static enum rc unknown(struct err *err)
{
    ERR_clear_error();
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.container.unknown",
                    "this is neither PEM, a DER certificate, PKCS#7 nor PKCS#12",
                    "PEM、DER 形式の証明書、PKCS#7、PKCS#12 のいずれでもありません"));
}

static enum rc stray(struct err *err, const unsigned char *after, struct str in)
{
    size_t at = (size_t)((const char *)after - in.p);
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.container.stray", "{0} stray bytes follow the content at offset {1}",
                    "内容の後ろ（位置 {1}）に余分な {0} バイトがあります"),
                NUM(in.n - at), NUM(at));
}

/* RC2-40 and its like live in OpenSSL's legacy module; without it such files are refused. */
static enum rc read_pkcs12_legacy(struct reader *r, PKCS12 *p12, struct err *err)
{
    r->ret->kind = "PKCS#12";
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
    ERR_clear_error();
    enum rc rc = read_pkcs12(r, p12, err);
    if (legacy)
        (void)OSSL_PROVIDER_unload(legacy);
    return rc;
}

/* DER of one of three kinds, told by who can read all of it. */
static enum rc read_der(struct reader *r, struct str in, struct err *err)
{
    const unsigned char *p = (const unsigned char *)in.p, *end = p + in.n;
    const unsigned char *q = p;
    enum rc rc = RC_UNSUPPORTED;
    X509 *x = d2i_X509(NULL, &q, (long)in.n);
    if (x) {
        r->ret->kind = "DER";
        rc = q == end ? add_cert(r, x, err) : stray(err, q, in);
        X509_free(x);
        return rc;
    }
    q = p;
    PKCS12 *p12 = d2i_PKCS12(NULL, &q, (long)in.n);
    if (p12) {
        rc = q == end ? read_pkcs12_legacy(r, p12, err) : stray(err, q, in);
        PKCS12_free(p12);
        return rc;
    }
    q = p;
    PKCS7 *p7 = d2i_PKCS7(NULL, &q, (long)in.n);
    if (p7) {
        rc = q == end ? read_pkcs7(r, p7, err) : stray(err, q, in);
        PKCS7_free(p7);
        return rc;
    }
    return unknown(err);
}

/* PEM: as it is, unless it holds a PKCS#7 block. */
static enum rc read_pem(struct reader *r, struct str in, struct buf *out_secret, struct err *err)
{
    static const char mark[] = "-----BEGIN PKCS7-----";
    r->ret->kind = "PEM";
    if (!memmem(in.p, in.n, mark, sizeof mark - 1)) {
        buf_addstr(out_secret, in);
        return buf_ok(out_secret, err);
    }
    BIO *bio = BIO_new_mem_buf(in.p, (int)in.n);
    PKCS7 *p7 = bio ? PEM_read_bio_PKCS7(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    enum rc rc = p7 ? read_pkcs7(r, p7, err) : bad(err, "PKCS#7");
    PKCS7_free(p7);
    return rc;
}

enum rc container_read(struct str bytes, const char *password, struct buf *out_secret,
                       struct container *ret, struct err *err)
{
    static const char mark[] = "-----BEGIN ";
    AUTO(buf) struct buf certs = BUF(CONTAINER_MAX_BYTES), keys = BUF_SECRET(CONTAINER_MAX_BYTES);
    struct container c = {.kind = "?"};
    struct reader r = {.password = password, .certs = &certs, .keys = &keys, .ret = &c};
    CHECK(bytes.n > 0 && bytes.n <= CONTAINER_MAX_BYTES, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.container.size", "the file is empty or over {0} bytes",
              "ファイルが空か、{0} バイトを超えています"),
          NUM(CONTAINER_MAX_BYTES));
    bool pem = memmem(bytes.p, bytes.n, mark, sizeof mark - 1) != NULL;
    if (!pem && (unsigned char)bytes.p[0] != 0x30)
        return unknown(err);
    TRY(pem ? read_pem(&r, bytes, out_secret, err) : read_der(&r, bytes, err));
    buf_addstr(out_secret, buf_str(&certs));
    buf_addstr(out_secret, buf_str(&keys));
    TRY(buf_ok(out_secret, err));
    *ret = c;
    return RC_OK;
}
