/* Inside this room only: pieces shared by CSR building and certificate issuing. */
#ifndef INRO_CRYPTO_ISSUE_PRIV_H
#define INRO_CRYPTO_ISSUE_PRIV_H

#include <openssl/x509v3.h>

#include "crypto/csr.h"

/* On failure *ret_bad names the field at fault ("CN"); subject_check() makes the error of it. */
bool subject_add(X509_NAME *name, const struct subject *s, const char **ret_bad);
MUST enum rc subject_check(const char *bad, struct err *err);
GENERAL_NAMES *san_build(const char *const *dns, size_t dns_count, const char *const *ips,
                         size_t ip_count);

#endif
