/*
 * A vendor's change of key, format 1: the key that signed so far names the one that signs from now
 * on. Whoever trusts the former trusts the next by it, so customers only import a file.
 *
 *     inro-vendor-succession 1
 *     product: inro
 *     issued: 2027-02-01T09:00:00+09:00
 *     next: <base64 of the new public key>
 *     key: 8899aabbccddeeff                (the former key)
 *     signature: <base64>
 *
 * Signed and read as a licence is (licence.h): canonical form, one signed form only. A file may
 * hold several, oldest first, and a licence behind them.
 */
#ifndef INRO_CRYPTO_SUCCESSION_H
#define INRO_CRYPTO_SUCCESSION_H

#include "crypto/licence.h"

struct succession {
    int64_t issued;
    const char *key_id; /* of the former key, borrowed */
    struct licence_key next;
};

/* Does the text begin with one? */
bool succession_is(struct str text);
/* Takes the first statement off the text, up to its signature line; RC_INPUT licence.truncated
 * when that is missing, licence.too_large for a text no vendor makes. */
MUST enum rc succession_take(struct str *text, struct str *ret, struct err *err);
/* The canonical form, which is what is signed; licence_file() adds the signature. */
MUST enum rc succession_body(const struct succession *s, struct buf *out, struct err *err);
/* Reads without proving, to see whose it is. RC_INPUT: licence.succession. */
MUST enum rc succession_look(struct str file, struct arena *a, struct succession *ret,
                             struct err *err);
/* Proves and reads one. RC_INPUT: licence.succession, or
 * each with _succession: licence.foreign, licence.revoked, licence.forged. */
MUST enum rc succession_read(struct str file, const struct licence_key *keys, size_t key_count,
                             struct arena *a, struct succession *ret, struct err *err);

#endif
