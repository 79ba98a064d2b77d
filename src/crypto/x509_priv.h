/* Inside this room only: pieces shared by certificate and CSR reading. */
#ifndef INRO_CRYPTO_X509_PRIV_H
#define INRO_CRYPTO_X509_PRIV_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/arena.h"

/* One line of UTF-8: control and bidirectional characters are shown as \xNN. NULL: no memory. */
const char *x509_clean(struct arena *a, const char *p, size_t n);
const char *x509_name_text(struct arena *a, const X509_NAME *name);
/* The first entry of that kind as text; *ret NULL: none, or no text at all. False: no memory. */
bool x509_entry(struct arena *a, const X509_NAME *name, int nid, const char **ret);
bool x509_names(const GENERAL_NAMES *sans, struct arena *a, const char *const **ret, size_t *ret_n,
                unsigned *odd);
/* A reference to the parsed certificate, from those of late or anew; *ret_used: bytes it has. NULL:
 * damaged. Nobody changes it. */
X509 *x509_parse(struct str der, const unsigned char sha256[32], size_t *ret_used);
const char *x509_key_name(EVP_PKEY *p, struct arena *a, int *ret_bits, bool *ret_odd);

#endif
