/* Making certificates: the private CA, and self-signed ones for our own listener and challenges. */
#ifndef INRO_CRYPTO_ISSUE_H
#define INRO_CRYPTO_ISSUE_H

#include "crypto/cert.h"
#include "crypto/csr.h"

struct issue_spec {
    struct subject subject;
    const char *const *dns;
    size_t dns_count;
    const char *const *ips;
    size_t ip_count;
    int64_t not_before, not_after; /* UTC microseconds */
    bool ca;
    int path_len; /* ca: -1 = none */
    bool server_auth, client_auth;
    const char *crl_url, *issuer_url;
};

/* Signs a certificate for `subject_spki` (DER). issuer_cert NULL: self-signed by issuer_key.
 * Serial: 16 random octets, positive. */
MUST enum rc cert_issue(const struct key *issuer_key, struct str issuer_cert_der,
                        struct str subject_spki, const struct issue_spec *spec, struct buf *out_der,
                        struct err *err);

#endif
