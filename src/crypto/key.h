/*
 * Asymmetric keys (EVP_PKEY inside). Private halves exist in clear only in the vault process and in
 * the worker step that hands one to a target. Owned by who created them; key_destroy() wipes.
 */
#ifndef INRO_CRYPTO_KEY_H
#define INRO_CRYPTO_KEY_H

#include "base/buf.h"

struct key;

enum key_alg {
    KEY_EC256 = 1, /* ec256: NIST P-256 */
    KEY_EC384,     /* ec384 */
    KEY_RSA2048,
    KEY_RSA3072,
    KEY_RSA4096,
    KEY_ED25519
};

const char *key_alg_name(enum key_alg alg); /* "ec256" ... */
bool key_alg_from_name(const char *name, enum key_alg *ret);

MUST enum rc key_generate(enum key_alg alg, struct key **ret, struct err *err);
/* PKCS#8, PKCS#1 or SEC1 PEM, encrypted or not. password NULL: an encrypted key is refused with
 * "password needed"; a wrong one with "wrong password". Weak or unknown kinds are refused. */
MUST enum rc key_from_pem(struct str pem, const char *password, struct key **ret, struct err *err);
MUST enum rc key_from_der(struct str pkcs8, struct key **ret, struct err *err);
MUST enum rc key_to_der(const struct key *key, struct buf *out_secret, struct err *err);
MUST enum rc key_to_pem(const struct key *key, struct buf *out_secret,
                        struct err *err); /* PKCS#8 */
void key_destroy(struct key *key);
void key_cleanup(struct key **key);

bool key_alg_of(const struct key *key, enum key_alg *ret); /* false: a kind we do not make */
/* SubjectPublicKeyInfo DER; its SHA-256 identifies the key pair everywhere. */
MUST enum rc key_spki(const struct key *key, struct buf *out, struct err *err);
MUST enum rc key_spki_sha256(const struct key *key, unsigned char ret[32], struct err *err);
/* Signature over data: ECDSA as DER, RSA PKCS#1 v1.5 with SHA-256, Ed25519. */
MUST enum rc key_sign(const struct key *key, struct str data, struct buf *out, struct err *err);

#endif
