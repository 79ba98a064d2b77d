#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { ARGON_PASSES = 3, ARGON_BYTES = 64 << 20, PASSWORD_MAX = 1024 };

void crypto_init(void)
{
    /* Without either library nothing here is safe to run. */
    if (sodium_init() < 0 || OPENSSL_init_crypto(0, NULL) != 1)
        abort();
}

const char *crypto_version(void)
{
    static const char text[] = OPENSSL_VERSION_TEXT ", libsodium " SODIUM_VERSION_STRING;
    return text;
}

static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_md;

/* By its name it would be searched for at each use. */
static void sha256_fetch(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void sha256(struct str data, unsigned char ret[32])
{
    (void)pthread_once(&sha256_once, sha256_fetch);
    if (EVP_Digest(data.p, data.n, ret, NULL, sha256_md ? sha256_md : EVP_sha256(), NULL) != 1)
        abort();
}

void sha256_hex(struct str data, char ret[65])
{
    unsigned char d[32];
    sha256(data, d);
    (void)sodium_bin2hex(ret, 65, d, sizeof d);
}

void hmac_sha256(struct str key, struct str data, unsigned char ret[32])
{
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), key.p ? key.p : "", (int)key.n, (const unsigned char *)data.p, data.n,
              ret, &n))
        abort();
}

void hotp(struct str key, uint64_t counter, int digits, char *ret)
{
    unsigned char c[8], mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    for (int i = 7; i >= 0; i--, counter >>= 8)
        c[i] = (unsigned char)(counter & 0xff);
    if (!HMAC(EVP_sha1(), key.p, (int)key.n, c, sizeof c, mac, &n) || n != 20)
        abort();
    const unsigned char *at = mac + (mac[19] & 15); /* RFC 4226 5.3 */
    uint32_t v =
        (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    ret[digits] = '\0';
    for (int i = digits - 1; i >= 0; i--, v /= 10)
        ret[i] = (char)('0' + v % 10);
    sodium_memzero(mac, sizeof mac);
}

enum rc password_hash(const char *password, char ret[128], struct err *err)
{
    size_t n = strlen(password);
    CHECK(n > 0 && n <= PASSWORD_MAX, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.password.length", "a password has 1 to {0} bytes",
              "パスワードは 1〜{0} バイトです"),
          NUM(PASSWORD_MAX));
    _Static_assert(crypto_pwhash_STRBYTES <= 128, "room for the hash");
    if (crypto_pwhash_str(ret, password, n, ARGON_PASSES, ARGON_BYTES) != 0)
        return NOMEM(err);
    return RC_OK;
}

bool password_verify(const char *hash, const char *password)
{
    /* A hash of nothing anybody can type: equal work for users that do not exist. */
    static const char dummy[] = "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    size_t n = strnlen(password, PASSWORD_MAX + 1);
    if (n > PASSWORD_MAX)
        return false;
    bool real = hash && hash[0];
    bool match = crypto_pwhash_str_verify(real ? hash : dummy, password, n) == 0;
    return real && match;
}
