/* PKCS#10: building ours, and reading what was brought from outside with strict checks. */
#include "crypto/csr.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "crypto/cert.h"
#include "crypto/digest.h"
#include "crypto/issue_priv.h"
#include "crypto/key_priv.h"
#include "crypto/x509_priv.h"

bool subject_add(X509_NAME *name, const struct subject *s, const char **ret_bad)
{
    const struct {
        const char *type, *value;
    } parts[] = {
        {"C", s->country},
        {"ST", s->state},
        {"L", s->locality},
        {"O", s->organization},
        {"OU", s->organizational_unit},
        {"CN", s->common_name},
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].value &&
            X509_NAME_add_entry_by_txt(name, parts[i].type, MBSTRING_UTF8,
                                       (const unsigned char *)parts[i].value, -1, -1, 0) != 1) {
            *ret_bad = parts[i].type;
            return false;
        }
    return true;
}

enum rc subject_check(const char *bad, struct err *err)
{
    if (!bad)
        return RC_OK;
    ERR_clear_error();
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.subject", "the subject field {0} is empty, too long or not valid text",
                    "サブジェクトの {0} が空か、長すぎるか、文字が不正です"),
                bad);
}

static bool push_name(GENERAL_NAMES *list, int type, const char *text)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s = NULL;
    if (type == GEN_DNS) {
        s = ASN1_IA5STRING_new();
        if (s && ASN1_STRING_set(s, text, -1) != 1) {
            ASN1_STRING_free(s);
            s = NULL;
        }
    } else {
        s = a2i_IPADDRESS(text);
    }
    if (!g || !s) {
        GENERAL_NAME_free(g);
        ASN1_STRING_free(s);
        return false;
    }
    GENERAL_NAME_set0_value(g, type, s);
    if (sk_GENERAL_NAME_push(list, g) == 0) {
        GENERAL_NAME_free(g);
        return false;
    }
    return true;
}

GENERAL_NAMES *san_build(const char *const *dns, size_t dns_count, const char *const *ips,
                         size_t ip_count)
{
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < dns_count; i++)
        ok = push_name(list, GEN_DNS, dns[i]);
    for (size_t i = 0; ok && i < ip_count; i++)
        ok = push_name(list, GEN_IPADD, ips[i]);
    if (!ok) {
        GENERAL_NAMES_free(list);
        return NULL;
    }
    return list;
}

static bool add_extensions(X509_REQ *req, const struct csr_spec *spec)
{
    bool empty = X509_NAME_entry_count(X509_REQ_get_subject_name(req)) == 0;
    GENERAL_NAMES *sans = san_build(spec->dns, spec->dns_count, spec->ips, spec->ip_count);
    STACK_OF(X509_EXTENSION) *exts = NULL;
    /* RFC 5280 4.2.1.6: "If the subject field contains an empty sequence, then the issuing CA MUST
     * include a subjectAltName extension that is marked as critical." */
    bool ok = sans && X509V3_add1_i2d(&exts, NID_subject_alt_name, sans, empty, 0) == 1;
    if (ok && spec->must_staple) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_tlsfeature, "status_request");
        ok = e && sk_X509_EXTENSION_push(exts, e) > 0;
        if (!ok)
            X509_EXTENSION_free(e);
    }
    ok = ok && X509_REQ_add_extensions(req, exts) == 1;
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    GENERAL_NAMES_free(sans);
    return ok;
}

enum rc csr_build(const struct key *key, const struct csr_spec *spec, struct buf *out_der,
                  struct err *err)
{
    unsigned char *der = NULL;
    int n = -1;
    CHECK(spec->dns_count + spec->ip_count > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.csr.names", "a CSR needs at least one name",
              "CSR には名前が 1 つ以上必要です"));
    X509_REQ *req = X509_REQ_new();
    const char *bad = NULL;
    bool named = req && subject_add(X509_REQ_get_subject_name(req), &spec->subject, &bad);
    if (bad)
        X509_REQ_free(req);
    TRY(subject_check(bad, err));
    if (named && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
        (ec_public(key, X509_REQ_get_X509_PUBKEY(req)) ||
         X509_REQ_set_pubkey(req, key->pkey) == 1) &&
        add_extensions(req, spec) && X509_REQ_sign(req, key->pkey, key_digest(key->pkey)) > 0)
        n = i2d_X509_REQ(req, &der);
    X509_REQ_free(req);
    if (n <= 0)
        return crypto_fail(err, "CSR");
    buf_add(out_der, der, (size_t)n);
    OPENSSL_free(der);
    return buf_ok(out_der, err);
}

/* Never a prompt on a terminal, whatever the PEM headers say. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

static X509_REQ *read_req(struct str in)
{
    const unsigned char *p = (const unsigned char *)in.p;
    if (in.n == 0 || in.n > 65536)
        return NULL;
    if (!memmem(in.p, in.n, "-----BEGIN", 10)) {
        X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)in.n);
        if (req && p != (const unsigned char *)in.p + in.n) {
            X509_REQ_free(req);
            req = NULL;
        }
        return req;
    }
    BIO *bio = BIO_new_mem_buf(in.p, (int)in.n);
    X509_REQ *req = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return req;
}

/* Whatever fails in reading one that passes here is memory. */
static bool is_readable(X509_REQ *req)
{
    if (!req || !X509_REQ_get0_pubkey(req))
        return false;
    STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
    GENERAL_NAMES *sans = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
    bool ok = !sans || sk_GENERAL_NAME_num(sans) <= CERT_MAX_NAMES;
    GENERAL_NAMES_free(sans);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    return ok;
}

static bool read_extensions(X509_REQ *req, struct arena *a, struct csr_info *c)
{
    unsigned odd = 0;
    STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(req);
    GENERAL_NAMES *sans = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
    BASIC_CONSTRAINTS *bc = X509V3_get_d2i(exts, NID_basic_constraints, NULL, NULL);
    bool ok = x509_names(sans, a, &c->names, &c->name_count, &odd);
    c->wants_ca = bc && bc->ca;
    for (int i = 0; exts && i < sk_X509_EXTENSION_num(exts); i++) {
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(sk_X509_EXTENSION_value(exts, i)));
        if (nid != NID_subject_alt_name && nid != NID_basic_constraints && nid != NID_key_usage &&
            nid != NID_ext_key_usage && nid != NID_subject_key_identifier)
            c->has_other_extensions = true;
    }
    c->has_challenge_password = X509_REQ_get_attr_by_NID(req, NID_pkcs9_challengePassword, -1) >= 0;
    BASIC_CONSTRAINTS_free(bc);
    GENERAL_NAMES_free(sans);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    return ok;
}

static bool read_subject(const X509_NAME *n, struct arena *a, struct subject *s)
{
    return x509_entry(a, n, NID_commonName, &s->common_name) &&
           x509_entry(a, n, NID_organizationName, &s->organization) &&
           x509_entry(a, n, NID_organizationalUnitName, &s->organizational_unit) &&
           x509_entry(a, n, NID_localityName, &s->locality) &&
           x509_entry(a, n, NID_stateOrProvinceName, &s->state) &&
           x509_entry(a, n, NID_countryName, &s->country);
}

static bool read_csr(X509_REQ *req, struct arena *a, struct csr_info *c, bool *ret_odd)
{
    const X509_NAME *n = X509_REQ_get_subject_name(req);
    unsigned char *spki = NULL;
    EVP_PKEY *key = X509_REQ_get0_pubkey(req);
    int len = key ? i2d_PUBKEY(key, &spki) : -1;
    if (len <= 0)
        return false;
    sha256((struct str){(char *)spki, (size_t)len}, c->spki_sha256);
    OPENSSL_free(spki);
    c->key_name = x509_key_name(key, a, &c->key_bits, ret_odd);
    return c->key_name && read_subject(n, a, &c->subject) && read_extensions(req, a, c);
}

enum rc csr_parse(struct str in, struct arena *a, struct csr_info *ret, struct buf *ret_der,
                  struct err *err)
{
    struct csr_info c = {0};
    bool odd = false;
    X509_REQ *req = read_req(in);
    bool readable = is_readable(req);
    bool ok = readable && read_csr(req, a, &c, &odd);
    bool proven = ok && X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) == 1;
    unsigned char *der = NULL;
    int n = proven && !odd ? i2d_X509_REQ(req, &der) : 0;
    if (n > 0)
        buf_add(ret_der, der, (size_t)n);
    OPENSSL_free(der);
    X509_REQ_free(req);
    ERR_clear_error();
    CHECK(readable, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.csr", "not a CSR that can be read (PKCS#10 in PEM or DER expected)",
              "CSR を読み取れません(PKCS#10 の PEM または DER が必要です)"));
    if (!ok)
        return NOMEM(err);
    CHECK(!odd, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.csr.key",
              "the CSR's key ({0}, {1} bits) is too weak or of a kind no CA accepts",
              "CSR の鍵({0}、{1} ビット)は弱すぎるか、認証局が受け付けない種類です"),
          c.key_name, NUM(c.key_bits));
    CHECK(proven && n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.csr.signature", "the CSR's signature does not verify with its own key",
              "CSR の署名がその公開鍵で検証できません"));
    TRY(buf_ok(ret_der, err));
    *ret = c;
    return RC_OK;
}
