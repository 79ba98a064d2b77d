/* Certificates we sign ourselves: the private CA's, our listener's, challenge certificates. */
#include "crypto/issue.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/rand.h"
#include "crypto/issue_priv.h"
#include "crypto/key_priv.h"

static bool set_serial(X509 *x)
{
    unsigned char raw[16];
    rand_bytes(raw, sizeof raw);
    raw[0] = (unsigned char)((raw[0] & 0x7f) | 0x40); /* positive, always 16 octets */
    BIGNUM *bn = BN_bin2bn(raw, sizeof raw, NULL);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    return ok;
}

static bool set_time(ASN1_TIME *t, int64_t usec)
{
    /* RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050: OpenSSL's own choice. */
    return ASN1_TIME_set(t, (time_t)(usec / USEC_PER_SEC)) != NULL;
}

static bool add_conf(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

/* Built as structures: OpenSSL's text form for these splits a URL at its commas. */
static GENERAL_NAME *url_name(const char *url)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_IA5STRING *s = ASN1_IA5STRING_new();
    if (!g || !s || ASN1_STRING_set(s, url, -1) != 1) {
        GENERAL_NAME_free(g);
        ASN1_IA5STRING_free(s);
        return NULL;
    }
    GENERAL_NAME_set0_value(g, GEN_URI, s);
    return g;
}

static bool add_crl(X509 *x, const char *url)
{
    if (!url)
        return true;
    CRL_DIST_POINTS *list = CRL_DIST_POINTS_new();
    DIST_POINT *p = DIST_POINT_new();
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    DIST_POINT_NAME *dn = DIST_POINT_NAME_new();
    GENERAL_NAME *g = url_name(url);
    bool ok = list && p && names && dn && g && sk_GENERAL_NAME_push(names, g) > 0;
    if (ok) {
        g = NULL;
        dn->type = 0;
        dn->name.fullname = names;
        names = NULL;
        p->distpoint = dn;
        dn = NULL;
        ok = sk_DIST_POINT_push(list, p) > 0;
        p = ok ? NULL : p;
    }
    ok = ok && X509_add1_ext_i2d(x, NID_crl_distribution_points, list, 0, 0) == 1;
    GENERAL_NAME_free(g);
    GENERAL_NAMES_free(names);
    DIST_POINT_NAME_free(dn);
    DIST_POINT_free(p);
    CRL_DIST_POINTS_free(list);
    return ok;
}

static bool add_issuer_url(X509 *x, const char *url)
{
    if (!url)
        return true;
    AUTHORITY_INFO_ACCESS *aia = AUTHORITY_INFO_ACCESS_new();
    ACCESS_DESCRIPTION *d = ACCESS_DESCRIPTION_new();
    GENERAL_NAME *g = url_name(url);
    bool ok = aia && d && g;
    if (ok) {
        ASN1_OBJECT_free(d->method);
        GENERAL_NAME_free(d->location);
        d->method = OBJ_nid2obj(NID_ad_ca_issuers);
        d->location = g;
        g = NULL;
        ok = sk_ACCESS_DESCRIPTION_push(aia, d) > 0;
        d = ok ? NULL : d;
    }
    ok = ok && X509_add1_ext_i2d(x, NID_info_access, aia, 0, 0) == 1;
    GENERAL_NAME_free(g);
    ACCESS_DESCRIPTION_free(d);
    AUTHORITY_INFO_ACCESS_free(aia);
    return ok;
}

static bool add_basic(X509 *x, const struct issue_spec *s)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    bool ok = bc != NULL;
    if (ok) {
        bc->ca = s->ca ? 0xff : 0;
        if (s->ca && s->path_len >= 0) {
            bc->pathlen = ASN1_INTEGER_new();
            ok = bc->pathlen && ASN1_INTEGER_set(bc->pathlen, s->path_len) == 1;
        }
    }
    ok = ok && X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, 0) == 1;
    BASIC_CONSTRAINTS_free(bc);
    return ok;
}

static bool add_sans(X509 *x, const struct issue_spec *s)
{
    if (s->dns_count + s->ip_count == 0)
        return true;
    bool empty = X509_NAME_entry_count(X509_get_subject_name(x)) == 0;
    GENERAL_NAMES *sans = san_build(s->dns, s->dns_count, s->ips, s->ip_count);
    bool ok = sans && X509_add1_ext_i2d(x, NID_subject_alt_name, sans, empty, 0) == 1;
    GENERAL_NAMES_free(sans);
    return ok;
}

static bool add_extensions(X509 *x, X509 *issuer, const struct issue_spec *s)
{
    const char *eku = s->server_auth && s->client_auth ? "serverAuth,clientAuth"
                      : s->server_auth                 ? "serverAuth"
                      : s->client_auth                 ? "clientAuth"
                                                       : NULL;
    bool ok = add_basic(x, s) &&
              add_conf(x, issuer, NID_key_usage,
                       s->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
              add_conf(x, issuer, NID_subject_key_identifier, "hash") &&
              (issuer == x || add_conf(x, issuer, NID_authority_key_identifier, "keyid:always"));
    if (ok && eku)
        ok = add_conf(x, issuer, NID_ext_key_usage, eku);
    return ok && add_sans(x, s) && add_crl(x, s->crl_url) && add_issuer_url(x, s->issuer_url);
}

/* All but the extensions and the signature. */
static bool fill(X509 *x, X509 *issuer, EVP_PKEY *pub, const struct issue_spec *s,
                 const char **ret_bad)
{
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
           set_time(X509_getm_notBefore(x), s->not_before) &&
           set_time(X509_getm_notAfter(x), s->not_after) && X509_set_pubkey(x, pub) == 1 &&
           subject_add(X509_get_subject_name(x), &s->subject, ret_bad) &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) == 1;
}

enum rc cert_issue(const struct key *issuer_key, struct str issuer_cert_der,
                   struct str subject_spki, const struct issue_spec *spec, struct buf *out_der,
                   struct err *err)
{
    const unsigned char *p = (const unsigned char *)subject_spki.p;
    const unsigned char *q = (const unsigned char *)issuer_cert_der.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)subject_spki.n);
    X509 *issuer = issuer_cert_der.n ? d2i_X509(NULL, &q, (long)issuer_cert_der.n) : NULL;
    X509 *x = X509_new();
    unsigned char *der = NULL;
    const char *bad = NULL;
    int n = -1;
    bool foreign = issuer && X509_check_private_key(issuer, issuer_key->pkey) != 1;
    bool ok = !foreign && pub && x && (issuer || issuer_cert_der.n == 0) &&
              fill(x, issuer, pub, spec, &bad) && add_extensions(x, issuer ? issuer : x, spec);
    if (ok && X509_sign(x, issuer_key->pkey, key_digest(issuer_key->pkey)) > 0)
        n = i2d_X509(x, &der);
    EVP_PKEY_free(pub);
    X509_free(issuer);
    X509_free(x);
    TRY(subject_check(bad, err));
    if (foreign)
        ERR_clear_error();
    CHECK(!foreign, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.issue.key", "the issuer's key does not belong to the issuer's certificate",
              "発行者の鍵と発行者の証明書が一致しません"));
    if (n <= 0)
        return crypto_fail(err, "issuing a certificate");
    buf_add(out_der, der, (size_t)n);
    OPENSSL_free(der);
    return buf_ok(out_der, err);
}
