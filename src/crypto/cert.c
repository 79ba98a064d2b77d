/*
 * One certificate read into a plain struct. Tolerant: what is unusual is flagged, not refused.
 * All text that comes out is UTF-8 on one line with control characters escaped.
 */
#include "crypto/cert.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "crypto/x509_priv.h"

static enum rc bad_cert(struct err *err, const char *why)
{
    ERR_clear_error();
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("crypto.cert", "not a certificate that can be read: {0}",
                    "証明書を読み取れません: {0}"),
                why);
}

/* Bidirectional controls can make a name look like another one. */
static bool is_bidi(const unsigned char *p, size_t left)
{
    return left >= 3 && p[0] == 0xE2 &&
           ((p[1] == 0x80 && (p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xAA && p[2] <= 0xAE))) ||
            (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9));
}

const char *x509_clean(struct arena *a, const char *p, size_t n)
{
    AUTO(buf) struct buf b = BUF(65536);
    const unsigned char *u = (const unsigned char *)p;
    for (size_t i = 0; i < n && b.len < 4096; i++) {
        if (u[i] < 0x20 || u[i] == 0x7f)
            buf_addf(&b, "\\x%02x", u[i]);
        else if (is_bidi(u + i, n - i)) {
            buf_addf(&b, "\\x%02x\\x%02x\\x%02x", u[i], u[i + 1], u[i + 2]);
            i += 2;
        } else
            buf_addc(&b, p[i]);
    }
    if (!str_is_utf8(buf_str(&b))) { /* one code page or none: bytes are shown */
        buf_clear(&b);
        for (size_t i = 0; i < n && b.len < 4096; i++)
            buf_addf(&b, u[i] >= 0x20 && u[i] < 0x7f ? "%c" : "\\x%02x", u[i]);
    }
    return b.bad == RC_OK ? arena_str(a, buf_str(&b)) : NULL;
}

const char *x509_name_text(struct arena *a, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    const char *ret = NULL;
    unsigned long flags = (XN_FLAG_RFC2253 | ASN1_STRFLGS_UTF8_CONVERT) &
                          ~(unsigned long)(ASN1_STRFLGS_ESC_MSB | ASN1_STRFLGS_ESC_CTRL);
    /* A text that is broken in its own encoding is still no reason not to read the rest. */
    if (bio && X509_NAME_print_ex(bio, name, 0, flags) < 0) {
        ERR_clear_error();
        ret = arena_strdup(a, "(unreadable)");
    } else if (bio) {
        long n = BIO_get_mem_data(bio, &text);
        ret = x509_clean(a, text ? text : "", n > 0 ? (size_t)n : 0);
    }
    BIO_free(bio);
    return ret;
}

bool x509_entry(struct arena *a, const X509_NAME *name, int nid, const char **ret)
{
    int i = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *utf8 = NULL;
    *ret = NULL;
    if (i < 0)
        return true;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (n >= 0)
        *ret = x509_clean(a, (char *)utf8, (size_t)n);
    OPENSSL_free(utf8);
    return n < 0 || *ret;
}

static const char *hex_text(struct arena *a, const unsigned char *p, size_t n)
{
    AUTO(buf) struct buf b = BUF(65536);
    hex_add(&b, p, n);
    return b.bad == RC_OK ? arena_str(a, buf_str(&b)) : NULL;
}

/* 1970 and false for what is no time at all. */
static bool usec_of(const ASN1_TIME *t, int64_t *ret)
{
    struct tm tm;
    *ret = 0;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    int64_t days = days_from_civil(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    *ret = (days * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) * USEC_PER_SEC;
    return true;
}

static bool read_serial(const X509 *x, struct arena *a, struct cert_info *c)
{
    const ASN1_INTEGER *s = X509_get0_serialNumber(x);
    BIGNUM *bn = ASN1_INTEGER_to_BN(s, NULL);
    unsigned char *der = NULL;
    int n = i2d_ASN1_INTEGER((ASN1_INTEGER *)(uintptr_t)s, &der);
    bool ok = bn && n > 2;
    if (ok) {
        size_t head = der[1] & 0x80 ? 2 + (der[1] & 0x7fu) : 2;
        c->serial_der = (struct str){arena_dup(a, der + head, (size_t)n - head), (size_t)n - head};
        char *hex = BN_bn2hex(bn);
        const char *p = hex;
        bool neg = p && *p == '-';
        p += neg;
        while (p && p[0] == '0' && p[1])
            p++;
        char *low = p ? arena_printf(a, "%s%s", neg ? "-" : "", p) : NULL;
        for (char *q = low; q && *q; q++)
            *q = (char)(*q >= 'A' && *q <= 'F' ? *q + 32 : *q);
        c->serial = low;
        OPENSSL_free(hex);
        if (BN_is_negative(bn) || BN_is_zero(bn) || c->serial_der.n > 20)
            c->unusual |= CERT_ODD_SERIAL;
    }
    OPENSSL_free(der);
    BN_free(bn);
    return ok && c->serial && c->serial_der.p;
}

static bool ldh(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool label_is_odd(struct str label)
{
    if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return true;
    for (size_t i = 0; i < label.n; i++)
        if (!ldh(label.p[i]))
            return true;
    return false;
}

/* What a public CA may put into a SAN: LDH labels, at most a leftmost "*.", no IP as dNSName. */
static bool dns_is_odd(const char *name, size_t n)
{
    struct str rest = {name, n}, label;
    size_t labels = 0;
    if (n == 0 || n > 253 || name[n - 1] == '.')
        return true;
    if (strspn(name, "0123456789.") == n)
        return true;
    while (str_split(&rest, '.', &label)) {
        bool wild = labels == 0 && str_eq(label, STR("*"));
        if (!wild && label_is_odd(label))
            return true;
        labels++;
    }
    return labels < (name[0] == '*' ? 3u : 2u);
}

/* *ret NULL: a kind that is not shown. False: no memory. */
static bool san_text(const GENERAL_NAME *g, struct arena *a, const char **ret, unsigned *odd)
{
    char ip[INET6_ADDRSTRLEN];
    *ret = NULL;
    if (g->type == GEN_DNS) {
        const char *p = (const char *)ASN1_STRING_get0_data(g->d.dNSName);
        size_t n = (size_t)ASN1_STRING_length(g->d.dNSName);
        char *low = arena_dup(a, p, n);
        for (size_t i = 0; low && i < n; i++)
            low[i] = (char)(low[i] >= 'A' && low[i] <= 'Z' ? low[i] + 32 : low[i]);
        if (low && dns_is_odd(low, n))
            *odd |= CERT_ODD_NAME;
        *ret = low ? x509_clean(a, low, n) : NULL;
        return *ret != NULL;
    }
    if (g->type == GEN_IPADD) {
        const unsigned char *p = ASN1_STRING_get0_data(g->d.iPAddress);
        int n = ASN1_STRING_length(g->d.iPAddress);
        if ((n == 4 || n == 16) && inet_ntop(n == 4 ? AF_INET : AF_INET6, p, ip, sizeof ip)) {
            *ret = arena_strdup(a, ip);
            return *ret != NULL;
        }
        *odd |= CERT_ODD_NAME;
    }
    return true;
}

bool x509_names(const GENERAL_NAMES *sans, struct arena *a, const char *const **ret, size_t *ret_n,
                unsigned *odd)
{
    int total = sans ? sk_GENERAL_NAME_num(sans) : 0;
    if (total > CERT_MAX_NAMES)
        return false;
    const char **v = arena_array(a, (size_t)total + 1, sizeof *v);
    size_t n = 0;
    if (!v)
        return false;
    for (int i = 0; i < total; i++) {
        if (!san_text(sk_GENERAL_NAME_value(sans, i), a, &v[n], odd))
            return false;
        n += v[n] != NULL;
    }
    *ret = v;
    *ret_n = n;
    return true;
}

static bool read_names(const X509 *x, struct arena *a, struct cert_info *c)
{
    int critical;
    GENERAL_NAMES *sans = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    if (!sans && critical != -1) /* there, but damaged or twice */
        c->unusual |= CERT_ODD_NAME;
    bool ok = x509_names(sans, a, &c->names, &c->name_count, &c->unusual);
    GENERAL_NAMES_free(sans);
    return ok;
}

static enum rc check_name_count(const X509 *x, struct err *err)
{
    GENERAL_NAMES *sans = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int n = sans ? sk_GENERAL_NAME_num(sans) : 0;
    GENERAL_NAMES_free(sans);
    ERR_clear_error();
    CHECK(n <= CERT_MAX_NAMES, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.cert.names", "the certificate holds {0} names; at most {1} are read",
              "証明書に {0} 個の名前があります。読み取れるのは {1} 個までです"),
          NUM(n), NUM(CERT_MAX_NAMES));
    return RC_OK;
}

static bool read_eku(const X509 *x, struct arena *a, struct cert_info *c)
{
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    int n = eku ? sk_ASN1_OBJECT_num(eku) : 0;
    const char **v = arena_array(a, (size_t)n + 1, sizeof *v);
    for (int i = 0; v && i < n; i++) {
        const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(eku, i);
        int nid = OBJ_obj2nid(o);
        char oid[128];
        (void)OBJ_obj2txt(oid, sizeof oid, o, 1);
        const char *text = arena_strdup(a, nid == NID_server_auth   ? "serverAuth"
                                           : nid == NID_client_auth ? "clientAuth"
                                                                    : oid);
        if (text)
            v[c->eku_count++] = text;
    }
    EXTENDED_KEY_USAGE_free(eku);
    c->eku = v;
    return v != NULL && c->eku_count == (size_t)n;
}

/* The first URL is kept; false: no memory. */
static bool gn_url(const GENERAL_NAME *g, struct arena *a, const char **url)
{
    if (*url || g->type != GEN_URI)
        return true;
    *url = x509_clean(a, (const char *)ASN1_STRING_get0_data(g->d.uniformResourceIdentifier),
                      (size_t)ASN1_STRING_length(g->d.uniformResourceIdentifier));
    return *url != NULL;
}

static bool read_urls(const X509 *x, struct arena *a, struct cert_info *c)
{
    AUTHORITY_INFO_ACCESS *aia = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
    bool ok = true;
    for (int i = 0; ok && aia && i < sk_ACCESS_DESCRIPTION_num(aia); i++) {
        const ACCESS_DESCRIPTION *d = sk_ACCESS_DESCRIPTION_value(aia, i);
        int nid = OBJ_obj2nid(d->method);
        if (nid == NID_ad_ca_issuers)
            ok = gn_url(d->location, a, &c->issuer_url);
        else if (nid == NID_ad_OCSP)
            ok = gn_url(d->location, a, &c->ocsp_url);
    }
    AUTHORITY_INFO_ACCESS_free(aia);
    CRL_DIST_POINTS *crl = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; ok && crl && i < sk_DIST_POINT_num(crl); i++) {
        const DIST_POINT *p = sk_DIST_POINT_value(crl, i);
        if (p->distpoint && p->distpoint->type == 0 &&
            sk_GENERAL_NAME_num(p->distpoint->name.fullname) > 0)
            ok = gn_url(sk_GENERAL_NAME_value(p->distpoint->name.fullname, 0), a, &c->crl_url);
    }
    CRL_DIST_POINTS_free(crl);
    return ok;
}

const char *x509_key_name(EVP_PKEY *p, struct arena *a, int *ret_bits, bool *ret_odd)
{
    int id = p ? EVP_PKEY_get_base_id(p) : 0, bits = p ? EVP_PKEY_get_bits(p) : 0;
    char group[64] = "";
    *ret_bits = bits;
    *ret_odd = false;
    if (id == EVP_PKEY_RSA) {
        *ret_odd = bits < 2048;
        return arena_printf(a, "rsa%d", bits);
    }
    if (id == EVP_PKEY_EC) {
        (void)EVP_PKEY_get_group_name(p, group, sizeof group, NULL);
        if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)
            return "ec256";
        if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0)
            return "ec384";
        *ret_odd = strcmp(group, "secp521r1") != 0;
        return arena_strdup(a, group[0] ? group : "ec");
    }
    if (id == EVP_PKEY_ED25519)
        return "ed25519";
    *ret_odd = true;
    const char *name = p ? EVP_PKEY_get0_type_name(p) : NULL;
    return arena_strdup(a, name ? name : "unknown");
}

static bool read_key(X509 *x, struct arena *a, struct cert_info *c)
{
    unsigned char *der = NULL;
    bool odd;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    if (n <= 0)
        return false;
    sha256((struct str){(char *)der, (size_t)n}, c->spki_sha256);
    OPENSSL_free(der);
    c->key_name = x509_key_name(X509_get0_pubkey(x), a, &c->key_bits, &odd);
    if (odd)
        c->unusual |= CERT_ODD_KEY;
    ERR_clear_error();
    return c->key_name != NULL;
}

static bool read_identifiers(const X509 *x, struct arena *a, struct cert_info *c)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id((X509 *)(uintptr_t)x);
    const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id((X509 *)(uintptr_t)x);
    if (ski)
        c->ski = hex_text(a, ASN1_STRING_get0_data(ski), (size_t)ASN1_STRING_length(ski));
    if (aki) {
        size_t n = (size_t)ASN1_STRING_length(aki);
        c->aki = hex_text(a, ASN1_STRING_get0_data(aki), n);
        c->aki_raw = (struct str){arena_dup(a, ASN1_STRING_get0_data(aki), n), n};
    }
    return (!ski || c->ski) && (!aki || (c->aki && c->aki_raw.p));
}

static void judge(X509 *x, struct cert_info *c)
{
    int digest = NID_undef;
    if (X509_get_signature_info(x, &digest, NULL, NULL, NULL) != 1)
        digest = X509_get_signature_nid(x) == NID_ED25519 ? NID_ED25519 : NID_undef;
    if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1 ||
        (digest == NID_undef && X509_get_signature_nid(x) != NID_ED25519))
        c->unusual |= CERT_ODD_SIGNATURE;
    if (c->not_after < c->not_before || c->not_after - c->not_before > 10000 * USEC_PER_DAY)
        c->unusual |= CERT_ODD_VALIDITY;
    if (X509_get_ext_by_NID(x, NID_ct_precert_poison, -1) >= 0)
        c->unusual |= CERT_PRECERT_POISON;
    c->must_staple = X509_get_ext_by_NID(x, NID_tlsfeature, -1) >= 0;
    c->is_ca = X509_check_ca(x) == 1;
    c->self_issued = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
    ERR_clear_error();
}

static bool read_all(X509 *x, struct arena *a, struct cert_info *c)
{
    const char *sig = OBJ_nid2ln(X509_get_signature_nid(x));
    c->subject = x509_name_text(a, X509_get_subject_name(x));
    c->issuer = x509_name_text(a, X509_get_issuer_name(x));
    c->sig_alg = arena_strdup(a, sig ? sig : "unknown");
    bool times = usec_of(X509_get0_notBefore(x), &c->not_before);
    if (!usec_of(X509_get0_notAfter(x), &c->not_after) || !times)
        c->unusual |= CERT_ODD_VALIDITY;
    bool ok = c->subject && c->issuer && c->sig_alg &&
              x509_entry(a, X509_get_subject_name(x), NID_commonName, &c->common_name) &&
              read_serial(x, a, c) && read_names(x, a, c) && read_eku(x, a, c) &&
              read_key(x, a, c) && read_identifiers(x, a, c) && read_urls(x, a, c);
    if (ok)
        judge(x, c);
    return ok;
}

enum rc cert_parse(struct str der, struct arena *a, struct cert_info *ret, struct err *err)
{
    struct cert_info c = {0};
    size_t used;
    if (der.n == 0 || der.n > CERT_MAX_BYTES)
        return bad_cert(err, der.n ? "over 65,536 bytes" : "empty");
    sha256(der, c.sha256);
    X509 *x = x509_parse(der, c.sha256, &used);
    if (!x)
        return bad_cert(err, "its DER is damaged");
    if (used != der.n) {
        X509_free(x);
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("crypto.cert.trailing",
                        "{0} stray bytes follow the certificate at offset {1}",
                        "証明書の後ろ(位置 {1})に余分な {0} バイトがあります"),
                    NUM(der.n - used), NUM(used));
    }
    enum rc rc = check_name_count(x, err);
    if (rc != RC_OK) {
        X509_free(x);
        return rc;
    }
    c.der = (struct str){arena_dup(a, der.p, der.n), der.n};
    unsigned char *again = NULL;
    int n = i2d_X509(x, &again);
    if (n != (int)der.n || (again && memcmp(again, der.p, der.n) != 0))
        c.unusual |= CERT_ODD_ENCODING;
    OPENSSL_free(again);
    bool ok = c.der.p && read_all(x, a, &c);
    X509_free(x);
    if (!ok) /* all else has been judged above */
        return NOMEM(err);
    *ret = c;
    return RC_OK;
}
