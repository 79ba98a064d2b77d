/* Inside this room only: what a key is made of. */
#ifndef INRO_CRYPTO_KEY_PRIV_H
#define INRO_CRYPTO_KEY_PRIV_H

#include <openssl/evp.h>

#include "crypto/key.h"

struct key {
    EVP_PKEY *pkey;
};

/* The last OpenSSL error as ours; the queue is emptied. */
MUST enum rc crypto_fail(struct err *err, const char *what);
const EVP_MD *key_digest(const EVP_PKEY *p); /* NULL for Ed25519 */

#endif
