/* Inside this room only: what a key is made of. */
#ifndef INRO_CRYPTO_KEY_PRIV_H
#define INRO_CRYPTO_KEY_PRIV_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/key.h"

struct key {
    EVP_PKEY *pkey;
};

/* The last OpenSSL error as ours; the queue is emptied. */
MUST enum rc crypto_fail(struct err *err, const char *what);
/* key_ec.c: of P-256 and P-384 keys; false or NULL: do it the general way. */
bool ec_public(const struct key *key, X509_PUBKEY *ret);
PKCS8_PRIV_KEY_INFO *ec_private(const struct key *key);
const EVP_MD *key_digest(const EVP_PKEY *p); /* NULL for Ed25519 */

#endif
