/*
 * The licence file, format 1: UTF-8 text of "name: value" lines in a fixed order, ending with an
 * Ed25519 signature over its canonical form. docs/licence.md has the whole description.
 *
 *     inro-licence 1
 *     product: inro
 *     serial: 42
 *     service-code: 123456789012
 *     licensee: 株式会社サンプル
 *     plan: basic
 *     certificates: 2
 *     targets: 3
 *     begins: 2026-12-01T00:00:00+09:00
 *     ends: 2028-03-31T23:59:59+09:00
 *     installation: 00112233445566778899aabbccddeeff
 *     issued: 2026-11-24T12:34:56+09:00
 *     revoke: 0011223344556677             (none or several: issuer keys that are void from now on)
 *     key: 8899aabbccddeeff
 *     signature: <base64>
 *
 * Canonical form: what precedes the signature line, without byte order mark, with LF line ends, no
 * blanks at line ends and no empty lines; so a file survives editors and mail. Nothing but the key
 * id is read before the signature is proven; every other byte is then compared with what we would
 * have written ourselves, so that each licence has exactly one signed form.
 */
#ifndef INRO_CRYPTO_LICENCE_H
#define INRO_CRYPTO_LICENCE_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    LICENCE_MAX_BYTES = 16384,
    LICENCE_KEY_BYTES = 32,
    LICENCE_SIGNATURE_BYTES = 64,
    LICENCE_REVOKES_MAX = 8,
    LICENCE_BUILTIN_MAX = 8,
    LICENCE_COUNT_MAX = 10000000
};

/* What a licence says. Text is borrowed; times are UTC microseconds. */
struct licence {
    int64_t serial;           /* grows with every licence of one issuer */
    const char *service_code; /* 12 digits */
    const char *licensee;
    const char *plan; /* see model/licence.h */
    int64_t certificates, targets;
    int64_t begins, ends;     /* holds while begins <= t < ends */
    const char *installation; /* 32 hexadecimal digits: the one it is for */
    int64_t issued;
    const char *key_id;
    const char *revokes[LICENCE_REVOKES_MAX];
    size_t revoke_count;
};

/* A vendor's public key and the name it goes by. */
struct licence_key {
    char id[17]; /* hex of the first 8 bytes of its SHA-256 */
    unsigned char pub[LICENCE_KEY_BYTES];
    bool revoked;
};

/*
 * Proves and reads a file. RC_INPUT says which it is: licence.too_large, licence.not_one (no
 * licence file), licence.version (a newer format), licence.truncated, licence.foreign (no key of
 * ours), licence.revoked, licence.forged, licence.product, licence.malformed (signed, and still
 * not as format 1 wants it). *ret is untouched then.
 */
MUST enum rc licence_read(struct str file, const struct licence_key *keys, size_t key_count,
                          struct arena *a, struct licence *ret, struct err *err);
/* The canonical form, which is what is signed; checks every value (RC_INPUT names the field). */
MUST enum rc licence_body(const struct licence *l, struct buf *out, struct err *err);
/* The file: body and signature. */
void licence_file(struct str body, const unsigned char signature[LICENCE_SIGNATURE_BYTES],
                  struct buf *out);

/* "inro-vendor-key 1 <id> <base64 of the public key>": what customers are given. */
void licence_key_text(const struct licence_key *k, struct buf *out);
MUST enum rc licence_key_read(struct str text, struct licence_key *ret, struct err *err);
void licence_key_of(const unsigned char pub[LICENCE_KEY_BYTES], struct licence_key *ret);
/* The Ed25519 key inside a SubjectPublicKeyInfo. */
MUST enum rc licence_key_from_spki(struct str spki, struct licence_key *ret, struct err *err);
/* Keys of the vendor this program was built for; 0 for a build that belongs to nobody. */
size_t licence_builtin_keys(struct licence_key ret[LICENCE_BUILTIN_MAX]);

bool service_code_ok(const char *s); /* exactly 12 digits */

#endif
