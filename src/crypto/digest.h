/* Digests, HMAC and password hashes. */
#ifndef INRO_CRYPTO_DIGEST_H
#define INRO_CRYPTO_DIGEST_H

#include "base/buf.h"

void crypto_init(void);           /* once per process, before threads: OpenSSL, libsodium */
const char *crypto_version(void); /* "OpenSSL 3.0.15 ..., libsodium 1.0.18" */
void sha256(struct str data, unsigned char ret[32]);
void sha256_hex(struct str data, char ret[65]);
void hmac_sha256(struct str key, struct str data, unsigned char ret[32]);
/* RFC 4226: the code of one counter value; digits 6..8, ret holds digits + 1. */
void hotp(struct str key, uint64_t counter, int digits, char *ret);
/* Argon2id (libsodium's moderate limits lowered to 64 MiB, 3 passes); blocking: never on a loop. */
MUST enum rc password_hash(const char *password, char ret[128], struct err *err);
bool password_verify(const char *hash, const char *password); /* hash "" does equal work, false */

#endif
