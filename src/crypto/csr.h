/* PKCS#10 requests (RFC 2986). */
#ifndef INRO_CRYPTO_CSR_H
#define INRO_CRYPTO_CSR_H

#include "base/arena.h"
#include "crypto/key.h"

struct subject { /* any member may be NULL */
    const char *common_name, *organization, *organizational_unit, *locality, *state, *country;
};

struct csr_spec {
    struct subject subject; /* empty: SAN is marked critical (RFC 5280 4.2.1.6) */
    const char *const *dns; /* A-labels */
    size_t dns_count;
    const char *const *ips; /* text */
    size_t ip_count;
    bool must_staple;
};

MUST enum rc csr_build(const struct key *key, const struct csr_spec *spec, struct buf *out_der,
                       struct err *err);

struct csr_info {
    struct subject subject;
    const char *const *names; /* dNSName and iPAddress SANs as text, normalised lower case */
    size_t name_count;
    const char *key_name; /* "ec256", "rsa2048" or a description */
    int key_bits;
    unsigned char spki_sha256[32];
    bool wants_ca, has_challenge_password, has_other_extensions;
};
/* PEM or DER. A bad self-signature, weak key (RSA < 2048, bad curve) are refused. */
MUST enum rc csr_parse(struct str in, struct arena *a, struct csr_info *ret, struct buf *ret_der,
                       struct err *err);

#endif
