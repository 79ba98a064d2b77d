/*
 * Files people keep certificates and keys in: PEM, DER, PKCS#7 (RFC 2315), PKCS#12 (RFC 7292), and
 * Java's JKS. Reading turns any of them into PEM text; writing makes a password-protected file, so
 * that a key leaves the vault only sealed for its owner.
 */
#ifndef INRO_CRYPTO_CONTAINER_H
#define INRO_CRYPTO_CONTAINER_H

#include "base/arena.h"
#include "crypto/cert.h"
#include "crypto/key.h"

enum {
    CONTAINER_MAX_BYTES = 1 << 20,
    CONTAINER_MAX_ITERATIONS = 10000000,
    CONTAINER_MIN_PASSWORD = 8
};

struct container {
    const char *kind; /* "PEM", "DER", "PKCS#7", "PKCS#12" */
    bool weak;        /* RC2 or single-DES kind of encryption */
    size_t keys;      /* key blocks taken out of the file; 0 for PEM, which passes */
};

/*
 * bytes -> PEM (certificates, then keys as PKCS#8) in out_secret. PEM passes as it is, with PKCS#7
 * blocks opened. password NULL or wrong is told as such; iteration counts and scrypt memory are
 * looked at before anything is computed. RC_INPUT with the reason else.
 */
MUST enum rc container_read(struct str bytes, const char *password, struct buf *out_secret,
                            struct container *ret, struct err *err);

/* chain: leaf first. name: shown by key stores. Passwords of CONTAINER_MIN_PASSWORD up. */
MUST enum rc pkcs12_write(const struct key *key, const struct cert_list *chain, const char *name,
                          const char *password, struct buf *out, struct err *err);
MUST enum rc jks_write(const struct key *key, const struct cert_list *chain, const char *name,
                       const char *password, int64_t now, struct buf *out, struct err *err);
/* PKCS#8 "ENCRYPTED PRIVATE KEY" (PBES2, AES-256). */
MUST enum rc key_to_encrypted_pem(const struct key *key, const char *password, struct buf *out,
                                  struct err *err);
/* Certificates only, DER. */
MUST enum rc pkcs7_write(const struct cert_list *chain, struct buf *out, struct err *err);

#endif
