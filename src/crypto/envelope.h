/*
 * Envelope encryption of everything secret at rest. A blob is
 *     "IE1" || key_id(8) || nonce(12) || wrapped data key(32+16) || AES-256-GCM(data) || tag(16)
 * with a random data key per blob; associated data binds the blob to its place (table, record,
 * field, usage), so blobs cannot be swapped. Master keys never leave the vault process.
 */
#ifndef INRO_CRYPTO_ENVELOPE_H
#define INRO_CRYPTO_ENVELOPE_H

#include "base/buf.h"

struct master_key; /* 32 bytes in guarded, locked memory */

MUST enum rc master_key_create(struct master_key **ret, struct err *err); /* random */
/* Key file: text "inro-master-key-1 <base64>" or, with a passphrase,
 * "inro-master-key-1p <argon2 parameters> <base64 sealed>". */
MUST enum rc master_key_load(struct str file, const char *passphrase, struct master_key **ret,
                             struct err *err);
MUST enum rc master_key_save(const struct master_key *mk, const char *passphrase,
                             struct buf *out_secret, struct err *err);
MUST enum rc master_key_copy(const struct master_key *mk, struct master_key **ret, struct err *err);
bool master_key_file_needs_passphrase(struct str file);
void master_key_destroy(struct master_key *mk);
const unsigned char *master_key_id(const struct master_key *mk); /* 8 bytes, public */

MUST enum rc envelope_seal(const struct master_key *mk, struct str aad, struct str clear,
                           struct buf *out, struct err *err);
/* RC_CORRUPT when it was changed, is another master key's, or belongs elsewhere. */
MUST enum rc envelope_open(const struct master_key *mk, struct str aad, struct str sealed,
                           struct buf *out_secret, struct err *err);

#endif
