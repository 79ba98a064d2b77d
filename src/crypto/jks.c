/*
 * Java's own key store, for servers that know nothing newer. Format: magic, version 2, one private
 * key entry with its chain, and SHA-1 over password, a fixed text and all of it. The key's
 * protection is Sun's (OID 1.3.6.1.4.1.42.2.17.1.1): SHA-1 of password and salt, chained, XORed.
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/container.h"
#include "crypto/key_priv.h"

enum { SHA1_BYTES = 20, KEY_MAX = 16 * 1024 };

static bool sha1(const void *a, size_t an, const void *b, size_t bn, unsigned char ret[SHA1_BYTES])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 && EVP_DigestUpdate(c, a, an) == 1 &&
              EVP_DigestUpdate(c, b, bn) == 1 && EVP_DigestFinal_ex(c, ret, NULL) == 1;
    EVP_MD_CTX_free(c);
    return ok;
}

/* Passwords are UTF-16BE; ours are printable ASCII here, which keytool can type. */
static enum rc password16(const char *password, struct buf *out, struct err *err)
{
    for (const char *p = password; *p; p++) {
        CHECK(*p >= ' ' && *p <= '~', err, RC_INPUT, BLAME_INPUT,
              MSG("crypto.jks.password", "the password of a JKS file must be printable ASCII",
                  "JKS ファイルのパスワードは印字可能な ASCII 文字にしてください"));
        buf_addc(out, 0);
        buf_addc(out, *p);
    }
    return buf_ok(out, err);
}

static enum rc protect(struct str pw, struct str der, struct buf *out, struct err *err)
{
    unsigned char block[SHA1_BYTES], sum[SHA1_BYTES];
    rand_bytes(block, sizeof block);
    buf_add(out, block, sizeof block);
    bool ok = sha1(pw.p, pw.n, der.p, der.n, sum);
    for (size_t i = 0; ok && i < der.n; i++) {
        if (i % SHA1_BYTES == 0)
            ok = sha1(pw.p, pw.n, block, sizeof block, block);
        buf_addc(out, (char)((unsigned char)der.p[i] ^ block[i % SHA1_BYTES]));
    }
    buf_add(out, sum, sizeof sum);
    mem_wipe(block, sizeof block);
    return ok ? buf_ok(out, err) : crypto_fail(err, "SHA-1");
}

/* A DER header with the shortest length; n < 65536. */
static void der_head(struct buf *out, unsigned char tag, size_t n)
{
    buf_addc(out, (char)tag);
    if (n >= 0x80)
        buf_addc(out, (char)(n > 0xff ? 0x82 : 0x81));
    if (n > 0xff)
        buf_addc(out, (char)(n >> 8));
    buf_addc(out, (char)n);
}

/* EncryptedPrivateKeyInfo by hand: its algorithm is no one else's. */
static void wrap_der(struct str sealed, struct buf *out)
{
    static const unsigned char alg[] = {0x30, 0x0e, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04,
                                        0x01, 0x2a, 0x02, 0x11, 0x01, 0x01, 0x05, 0x00};
    size_t head = sealed.n > 0xff ? 4 : sealed.n >= 0x80 ? 3 : 2;
    der_head(out, 0x30, sizeof alg + head + sealed.n);
    buf_add(out, alg, sizeof alg);
    der_head(out, 0x04, sealed.n);
    buf_addstr(out, sealed);
}

static void put_utf(struct buf *b, struct str s)
{
    buf_addc(b, (char)(s.n >> 8));
    buf_addc(b, (char)s.n);
    buf_addstr(b, s);
}

static void put_bytes(struct buf *b, struct str s)
{
    buf_add_be32(b, (uint32_t)s.n);
    buf_addstr(b, s);
}

enum rc jks_write(const struct key *key, const struct cert_list *chain, const char *name,
                  const char *password, int64_t now, struct buf *out, struct err *err)
{
    static const char salt_text[] = "Mighty Aphrodite"; /* part of the format */
    AUTO(buf) struct buf pw = BUF_SECRET(4096), der = BUF_SECRET(KEY_MAX);
    AUTO(buf) struct buf sealed = BUF(KEY_MAX + 64), wrapped = BUF(KEY_MAX + 128);
    AUTO(buf) struct buf seed = BUF_SECRET(8192);
    unsigned char sum[SHA1_BYTES];
    CHECK(password && strlen(password) >= CONTAINER_MIN_PASSWORD, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.container.short", "the password needs at least {0} characters",
              "パスワードは {0} 文字以上にしてください"),
          NUM(CONTAINER_MIN_PASSWORD));
    TRY(password16(password, &pw, err));
    TRY(key_to_der(key, &der, err));
    TRY(protect(buf_str(&pw), buf_str(&der), &sealed, err));
    wrap_der(buf_str(&sealed), &wrapped);
    TRY(buf_ok(&wrapped, err));
    size_t start = out->len;
    buf_add_be32(out, 0xfeedfeed);
    buf_add_be32(out, 2);
    buf_add_be32(out, 1); /* entries */
    buf_add_be32(out, 1); /* a private key */
    put_utf(out, str_from(name));
    buf_add_be64(out, (uint64_t)(now / USEC_PER_MSEC));
    put_bytes(out, buf_str(&wrapped));
    buf_add_be32(out, (uint32_t)chain->n);
    for (size_t i = 0; i < chain->n; i++) {
        put_utf(out, STR("X.509"));
        put_bytes(out, chain->v[i].der);
    }
    TRY(buf_ok(out, err));
    buf_addstr(&seed, buf_str(&pw));
    buf_add(&seed, salt_text, sizeof salt_text - 1);
    if (!sha1(seed.p, seed.len, out->p + start, out->len - start, sum))
        return crypto_fail(err, "SHA-1");
    buf_add(out, sum, sizeof sum);
    return buf_ok(out, err);
}
