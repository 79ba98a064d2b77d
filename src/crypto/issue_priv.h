/* Inside this room only: pieces shared by CSR building and certificate issuing. */
#ifndef INRO_CRYPTO_ISSUE_PRIV_H
#define INRO_CRYPTO_ISSUE_PRIV_H

#include <openssl/x509v3.h>

#include "crypto/csr.h"

bool subject_add(X509_NAME *name, const struct subject *s);
GENERAL_NAMES *san_build(const char *const *dns, size_t dns_count, const char *const *ips,
                         size_t ip_count);

#endif
