/*
 * Reading certificates (RFC 5280) and chains. Parsing is tolerant for monitoring and says what is
 * unusual; cert_accept() is the strict gate before a certificate may reach any target.
 */
#ifndef INRO_CRYPTO_CERT_H
#define INRO_CRYPTO_CERT_H

#include "base/arena.h"
#include "crypto/key.h"

enum {
    CERT_MAX_BYTES = 65536,
    CERT_MAX_PEM_BLOCKS = 100,
    CERT_MAX_PEM_BYTES = 1 << 20,
    CERT_MAX_CHAIN = 10,
    CERT_MAX_NAMES = 10000
};

enum {                          /* cert_info.unusual bits */
       CERT_ODD_SERIAL = 1,     /* zero, negative or over 20 octets */
       CERT_ODD_ENCODING = 2,   /* not DER-canonical */
       CERT_ODD_NAME = 4,       /* a SAN no CA may issue (inner wildcard, IP as dNSName, U-label) */
       CERT_ODD_VALIDITY = 8,   /* not_after before not_before, or over 10,000 days */
       CERT_ODD_SIGNATURE = 16, /* MD5, SHA-1 or unknown */
       CERT_ODD_KEY = 32,       /* RSA < 2048, DSA, unknown curve */
       CERT_PRECERT_POISON = 64
};

struct cert_info {
    struct str der;      /* arena copy */
    const char *subject; /* RFC 2253-like, UTF-8, control characters escaped */
    const char *issuer;
    const char *common_name;       /* or NULL */
    const char *serial;            /* lower-case hex, no leading zeros, "-" first if negative */
    int64_t not_before, not_after; /* UTC microseconds; 99991231235959Z fits */
    const char *const *names;      /* SAN dNSName and iPAddress as text, as found, lower-cased */
    size_t name_count;
    const char *key_name; /* "ec256", "rsa2048" ... or OpenSSL's name */
    int key_bits;
    const char *sig_alg;    /* "ecdsa-with-SHA256" */
    const char *const *eku; /* "serverAuth", "clientAuth" or dotted OID */
    size_t eku_count;
    const char *aki, *ski;  /* lower-case hex or NULL */
    const char *issuer_url; /* AIA caIssuers or NULL */
    const char *ocsp_url, *crl_url;
    bool is_ca, self_issued, must_staple;
    unsigned unusual;
    unsigned char sha256[32]; /* of DER */
    unsigned char spki_sha256[32];
    struct str serial_der; /* INTEGER content octets (for ARI, RFC 9773) */
    struct str aki_raw;    /* keyIdentifier octets */
};

MUST enum rc cert_parse(struct str der, struct arena *a, struct cert_info *ret, struct err *err);

struct cert_list {
    struct cert_info *v;
    size_t n;
};

/*
 * Certificates of a PEM text, in its order; other block kinds are skipped unless `only_certs`.
 * Tolerates CRLF, BOM, white space and text around blocks; NUL bytes are refused. At most
 * CERT_MAX_PEM_BLOCKS blocks and CERT_MAX_PEM_BYTES bytes; none found is an error.
 */
MUST enum rc cert_parse_pem(struct str pem, bool only_certs, struct arena *a, struct cert_list *ret,
                            struct err *err);
/* How many certificate blocks, when there is nothing else but white space; otherwise 0. */
size_t pem_pure_certs(struct str pem);
/* The first private key block of a PEM text, or NULL view. */
struct str pem_find_key(struct str pem);
void cert_to_pem(struct str der, struct buf *out);

/* Leaf first, each issued by the next; a self-signed root is dropped; strangers and duplicates are
 * dropped and counted. Fails when no unique leaf can be told. Search is bounded (loops,
 * cross-signs). */
MUST enum rc chain_order(const struct cert_list *in, struct arena *a, struct cert_list *ret,
                         size_t *ret_dropped, struct err *err);

/* roots_pem: extra trust anchors (a private CA), empty = the system's. Name check is not done here.
 * now in UTC microseconds. */
MUST enum rc chain_verify(const struct cert_list *chain, struct str roots_pem, bool use_system,
                          int64_t now, struct err *err);

/* The i-th remark of `unusual` ("serial", "encoding" ...), or NULL after the last. */
const char *cert_remark(unsigned unusual, size_t i);
/* What forbids putting it into service, whoever issued it: remarks but CERT_ODD_NAME, a CA's own
 * certificate, not valid now. */
MUST enum rc cert_servable(const struct cert_info *leaf, int64_t now, struct err *err);

bool cert_covers(const struct cert_info *cert, const char *host); /* SAN only, RFC 6125/9525 */

struct cert_expect {
    const unsigned char *spki_sha256; /* our key */
    const char *const *names;         /* ordered, exactly */
    size_t name_count;
    int64_t now;
    int64_t min_lifetime; /* remaining microseconds required */
    struct str roots_pem;
    bool use_system_roots;
    bool allow_any_root; /* chain must still link; for CAs whose root is not known */
};
/* Defence 13 of the security model: parses, our key, the names, validity now, chain links and
 * verifies, no precertificate, algorithms allowed. The error says which and shows both sides. */
MUST enum rc cert_accept(const struct cert_list *chain, const struct cert_expect *want,
                         struct err *err);

/* What the new one lacks that the one in service had, as a text list; empty when nothing. */
struct cert_loss {
    const char *what;  /* "name", "eku", "key_type", "must_staple" */
    const char *value; /* "www.example.jp", "clientAuth", "rsa2048 -> ec256" */
};
MUST enum rc cert_compare(const struct cert_info *old_cert, const struct cert_info *new_cert,
                          struct arena *a, struct cert_loss **ret, size_t *ret_n, struct err *err);

#endif
