/*
 * A file encrypted and authenticated under a passphrase: backups. Format 1:
 *
 *     "inro-backup 1\n"
 *     be32 n | head: n bytes of "name: value" lines, readable without the passphrase
 *     SHA-256 of all before (an accident in the head is told from a wrong passphrase)
 *     be32 n | libsodium secretstream message of at most 64 KiB + 17, repeated;
 *     the first one authenticates the head, the last one carries the final tag
 *
 * The key is Argon2id(passphrase); half of its output is in the head as "check", so that a wrong
 * passphrase and damage are told apart. Reading gives nothing that is not authenticated, and says
 * RC_OK at the end only after the final tag and the end of the file were seen.
 *
 * Errors: sealfile.foreign (not one of ours), sealfile.newer (another format), sealfile.truncated,
 * sealfile.damaged (names the byte), sealfile.passphrase (RC_AUTH).
 */
#ifndef INRO_CRYPTO_SEALFILE_H
#define INRO_CRYPTO_SEALFILE_H

#include "base/arena.h"
#include "base/buf.h"

enum { SEALFILE_HEAD_MAX = 8192, SEALFILE_CHUNK = 65536, SEALFILE_PASSPHRASE_MIN = 8 };

struct seal_writer;
struct seal_reader;

/* facts: "name: value" lines of the caller, without control characters in the values; readable by
 * anybody. The descriptor stays the caller's: at least 8 characters of passphrase are asked for. */
MUST enum rc seal_writer_open(int fd, const char *passphrase, struct str facts,
                              struct seal_writer **ret, struct err *err);
MUST enum rc seal_writer_add(struct seal_writer *w, const void *p, size_t n, struct err *err);
/* The final message; without it the file is truncated. No fsync. */
MUST enum rc seal_writer_end(struct seal_writer *w, struct err *err);
void seal_writer_close(struct seal_writer *w); /* NULL-safe */
int64_t seal_writer_bytes(const struct seal_writer *w);

/* Reads and checks the head only; ret_facts is the caller's part (arena). */
MUST enum rc seal_head_read(int fd, struct arena *a, const char **ret_facts, struct err *err);
/* From the start of the file. */
MUST enum rc seal_reader_open(int fd, const char *passphrase, struct seal_reader **ret,
                              struct err *err);
/* Exactly n bytes; RC_CORRUPT when the content ends before. */
MUST enum rc seal_reader_get(struct seal_reader *r, void *p, size_t n, struct err *err);
/* The content must end here. */
MUST enum rc seal_reader_end(struct seal_reader *r, struct err *err);
void seal_reader_close(struct seal_reader *r); /* NULL-safe */

/* The value of a line "name: value" of the facts (arena); NULL when absent. */
const char *seal_fact(const char *facts, const char *name, struct arena *a);

#endif
