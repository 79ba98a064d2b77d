/*
 * The master keys of an installation: the first one seals, all of them open. More than one only
 * while sealed values are moved to a new key. The key file is one line per key, in this order; see
 * master_key_save() for a line. Lives in the vault process only.
 *
 * Changing it is done on a copy, whose text is on the disk before the copy takes the place of the
 * old ring: keyring_copy(), then keyring_add() / keyring_drop_old() / keyring_passphrase().
 */
#ifndef INRO_CRYPTO_KEYRING_H
#define INRO_CRYPTO_KEYRING_H

#include "crypto/envelope.h"

enum { KEYRING_MAX = 4, KEYRING_FILE_MAX = 4096 };

struct keyring;

/* Takes mk over, also on failure. The file text is the one without a passphrase. */
MUST enum rc keyring_of(struct master_key *mk, struct keyring **ret, struct err *err);
MUST enum rc keyring_load(struct str file, const char *passphrase, struct keyring **ret,
                          struct err *err);
MUST enum rc keyring_copy(const struct keyring *k, struct keyring **ret, struct err *err);
void keyring_destroy(struct keyring *k); /* NULL-safe */

/* A new random key in front. With a passphrase on the file, `passphrase` must be that one. */
MUST enum rc keyring_add(struct keyring *k, const char *passphrase, struct err *err);
void keyring_drop_old(struct keyring *k);
/* now: NULL when the file has none; next: NULL takes it away. RC_AUTH when `now` is wrong. */
MUST enum rc keyring_passphrase(struct keyring *k, const char *now, const char *next,
                                struct err *err);
/* The i-th key's line of a file under another passphrase. */
MUST enum rc keyring_wrap(const struct keyring *k, size_t i, const char *passphrase,
                          struct buf *out, struct err *err);
/* The key file. */
void keyring_text(const struct keyring *k, struct buf *out_secret);
bool keyring_has_passphrase(const struct keyring *k);
size_t keyring_count(const struct keyring *k);
const struct master_key *keyring_first(const struct keyring *k);

/* As envelope_open(), with the key the blob names. */
MUST enum rc keyring_open(const struct keyring *k, struct str aad, struct str sealed,
                          struct buf *out_secret, struct err *err);
/* True when the blob is under the first key. */
bool keyring_is_current(const struct keyring *k, struct str sealed);

#endif
