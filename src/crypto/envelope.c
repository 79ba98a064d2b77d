/*
 * blob = "IE1" | key id (8) | nonce (12) | wrapped data key (32 + 16) | data | tag (16)
 *
 * Two AES-256-GCM layers. The data key is random per blob, so its own nonce is fixed to zero; the
 * wrapping nonce is random under the master key. Both layers authenticate the associated data.
 */
#include "crypto/envelope.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/digest.h"
#include "crypto/key_priv.h"

enum { ID = 8, NONCE = 12, KEY = 32, TAG = 16, HEAD = 3 + ID + NONCE + KEY + TAG };
enum { KDF_PASSES = 3, KDF_BYTES = 64 << 20, KDF_PASSES_MAX = 20, KDF_BYTES_MAX = 256 << 20 };

struct master_key {
    unsigned char *bytes; /* guarded memory */
    unsigned char id[ID];
};

static enum rc bad_blob(struct err *err)
{
    return FAIL(
        err, RC_CORRUPT, BLAME_US,
        MSG("crypto.envelope",
            "a sealed value does not authenticate: it was changed, belongs elsewhere or to "
            "another master key; restore it from a backup",
            "封印された値を検証できません。改変、別の場所の値、または別のマスター鍵の値です。"
            "バックアップから復元してください"));
}

static enum rc make(const unsigned char bytes[KEY], struct master_key **ret, struct err *err)
{
    struct master_key *mk = mem_alloc(sizeof *mk);
    unsigned char d[32];
    if (mk)
        mk->bytes = sodium_malloc(KEY); /* locked and fenced where the limits allow it */
    if (!mk || !mk->bytes) {
        mem_free(mk);
        return NOMEM(err);
    }
    memcpy(mk->bytes, bytes, KEY);
    hmac_sha256((struct str){(const char *)bytes, KEY}, STR("inro master key id"), d);
    memcpy(mk->id, d, ID);
    (void)sodium_mprotect_readonly(mk->bytes);
    *ret = mk;
    return RC_OK;
}

enum rc master_key_create(struct master_key **ret, struct err *err)
{
    unsigned char bytes[KEY];
    rand_bytes(bytes, sizeof bytes);
    enum rc rc = make(bytes, ret, err);
    mem_wipe(bytes, sizeof bytes);
    return rc;
}

enum rc master_key_copy(const struct master_key *mk, struct master_key **ret, struct err *err)
{
    return make(mk->bytes, ret, err);
}

void master_key_destroy(struct master_key *mk)
{
    if (!mk)
        return;
    sodium_free(mk->bytes);
    mem_free(mk);
}

const unsigned char *master_key_id(const struct master_key *mk)
{
    return mk->id;
}

struct gcm {
    const unsigned char *key, *nonce;
    struct str aad;
};

/* out gets in.n bytes, then tag. */
static bool gcm_seal(const struct gcm *g, struct str in, unsigned char *out, unsigned char *tag)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, g->key, g->nonce) == 1 &&
              EVP_EncryptUpdate(c, NULL, &n, (const unsigned char *)g->aad.p, (int)g->aad.n) == 1 &&
              EVP_EncryptUpdate(c, out, &n, (const unsigned char *)in.p, (int)in.n) == 1 &&
              EVP_EncryptFinal_ex(c, out + n, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

static bool gcm_open(const struct gcm *g, struct str in, const unsigned char *tag,
                     unsigned char *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char expect[TAG];
    int n = 0;
    memcpy(expect, tag, TAG);
    bool ok = c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, g->key, g->nonce) == 1 &&
              EVP_DecryptUpdate(c, NULL, &n, (const unsigned char *)g->aad.p, (int)g->aad.n) == 1 &&
              EVP_DecryptUpdate(c, out, &n, (const unsigned char *)in.p, (int)in.n) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, expect) == 1 &&
              EVP_DecryptFinal_ex(c, out + n, &n) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

static const unsigned char zero_nonce[NONCE];

enum rc envelope_seal(const struct master_key *mk, struct str aad, struct str clear,
                      struct buf *out, struct err *err)
{
    unsigned char head[HEAD] = {'I', 'E', '1'}, dek[KEY];
    unsigned char *nonce = head + 3 + ID, *wrapped = nonce + NONCE;
    CHECK(
        clear.n <= 1 << 20 && aad.n <= 4096, err, RC_INPUT, BLAME_INPUT,
        MSG("crypto.envelope.size", "the value to seal is too large", "封印する値が大きすぎます"));
    memcpy(head + 3, mk->id, ID);
    rand_bytes(nonce, NONCE);
    rand_bytes(dek, sizeof dek);
    struct gcm wrap = {mk->bytes, nonce, aad}, data = {dek, zero_nonce, aad};
    bool ok = gcm_seal(&wrap, (struct str){(char *)dek, KEY}, wrapped, wrapped + KEY);
    buf_add(out, head, sizeof head);
    unsigned char *to = (unsigned char *)buf_reserve(out, clear.n + TAG);
    ok = ok && to && gcm_seal(&data, clear, to, to + clear.n);
    mem_wipe(dek, sizeof dek);
    if (!ok)
        return out->bad != RC_OK ? NOMEM(err) : crypto_fail(err, "sealing");
    out->len += clear.n + TAG;
    return RC_OK;
}

enum rc envelope_open(const struct master_key *mk, struct str aad, struct str sealed,
                      struct buf *out_secret, struct err *err)
{
    unsigned char dek[KEY];
    const unsigned char *b = (const unsigned char *)sealed.p;
    if (sealed.n < HEAD + TAG || sealed.n > (2 << 20) || memcmp(b, "IE1", 3) != 0 ||
        memcmp(b + 3, mk->id, ID) != 0 || aad.n > 4096)
        return bad_blob(err);
    const unsigned char *nonce = b + 3 + ID, *wrapped = nonce + NONCE;
    size_t n = sealed.n - HEAD - TAG;
    struct gcm wrap = {mk->bytes, nonce, aad}, data = {dek, zero_nonce, aad};
    bool ok = gcm_open(&wrap, (struct str){(const char *)wrapped, KEY}, wrapped + KEY, dek);
    char *to = ok ? buf_reserve(out_secret, n) : NULL;
    bool opened = to && gcm_open(&data, (struct str){(const char *)b + HEAD, n}, b + HEAD + n,
                                 (unsigned char *)to);
    mem_wipe(dek, sizeof dek);
    if (ok && !to)
        return NOMEM(err);
    if (!opened) {
        if (to)
            mem_wipe(to, n);
        return bad_blob(err);
    }
    out_secret->len += n;
    out_secret->p[out_secret->len] = '\0';
    return RC_OK;
}

static const char plain_head[] = "inro-master-key-1 ";
static const char pass_head[] = "inro-master-key-1p ";

bool master_key_file_needs_passphrase(struct str file)
{
    return str_starts(file, pass_head);
}

static enum rc bad_file(struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_INPUT,
                MSG("crypto.master.file", "the master key file is not one of Inro's, or is damaged",
                    "マスター鍵ファイルが Inro のものではないか、壊れています"));
}

static bool derive(const char *passphrase, const unsigned char salt[16], uint64_t passes,
                   size_t bytes, unsigned char out[KEY])
{
    return crypto_pwhash(out, KEY, passphrase, strlen(passphrase), salt, passes, bytes,
                         crypto_pwhash_ALG_ARGON2ID13) == 0;
}

enum rc master_key_save(const struct master_key *mk, const char *passphrase, struct buf *out_secret,
                        struct err *err)
{
    unsigned char salt[16], kek[KEY], box[NONCE + KEY + TAG];
    if (!passphrase) {
        buf_adds(out_secret, plain_head);
        base64_add(out_secret, mk->bytes, KEY);
        buf_addc(out_secret, '\n');
        return buf_ok(out_secret, err);
    }
    rand_bytes(salt, sizeof salt);
    rand_bytes(box, NONCE);
    if (!derive(passphrase, salt, KDF_PASSES, KDF_BYTES, kek))
        return NOMEM(err);
    struct gcm g = {kek, box, {pass_head, sizeof pass_head - 1}};
    bool ok =
        gcm_seal(&g, (struct str){(const char *)mk->bytes, KEY}, box + NONCE, box + NONCE + KEY);
    mem_wipe(kek, sizeof kek);
    if (!ok)
        return crypto_fail(err, "sealing the master key");
    buf_addf(out_secret, "%sargon2id,%d,%d ", pass_head, KDF_PASSES, KDF_BYTES);
    base64_add(out_secret, salt, sizeof salt);
    buf_addc(out_secret, ' ');
    base64_add(out_secret, box, sizeof box);
    buf_addc(out_secret, '\n');
    return buf_ok(out_secret, err);
}

struct pass_file {
    int64_t passes, bytes;
    struct buf salt, box;
};

static bool read_pass_file(struct str rest, struct pass_file *f)
{
    struct str params, word, salt, box;
    return str_split(&rest, ' ', &params) && str_split(&rest, ' ', &salt) &&
           str_split(&rest, ' ', &box) && !rest.p && str_split(&params, ',', &word) &&
           str_eqs(word, "argon2id") && str_split(&params, ',', &word) &&
           str_to_i64(word, 1, KDF_PASSES_MAX, &f->passes) && str_split(&params, ',', &word) &&
           str_to_i64(word, 1 << 20, KDF_BYTES_MAX, &f->bytes) && base64_decode(salt, &f->salt) &&
           base64_decode(box, &f->box) && f->salt.len == 16 && f->box.len == NONCE + KEY + TAG;
}

static enum rc load_with_passphrase(struct str rest, const char *passphrase,
                                    struct master_key **ret, struct err *err)
{
    unsigned char kek[KEY], bytes[KEY];
    struct pass_file f = {.salt = BUF(64), .box = BUF(128)};
    bool read = read_pass_file(rest, &f), ok = false;
    const unsigned char *box = (const unsigned char *)f.box.p;
    if (read && derive(passphrase, (const unsigned char *)f.salt.p, (uint64_t)f.passes,
                       (size_t)f.bytes, kek)) {
        struct gcm g = {kek, box, {pass_head, sizeof pass_head - 1}};
        ok = gcm_open(&g, (struct str){f.box.p + NONCE, KEY}, box + NONCE + KEY, bytes);
        mem_wipe(kek, sizeof kek);
    }
    buf_free(&f.salt);
    buf_free(&f.box);
    if (!read)
        return bad_file(err);
    CHECK(ok, err, RC_AUTH, BLAME_INPUT,
          MSG("crypto.master.passphrase", "wrong passphrase for the master key",
              "マスター鍵のパスフレーズが違います"));
    enum rc rc = make(bytes, ret, err);
    mem_wipe(bytes, sizeof bytes);
    return rc;
}

enum rc master_key_load(struct str file, const char *passphrase, struct master_key **ret,
                        struct err *err)
{
    file = str_trim(file);
    if (str_starts(file, pass_head)) {
        CHECK(passphrase, err, RC_AUTH, BLAME_INPUT,
              MSG("crypto.master.needed", "the master key needs its passphrase (--passphrase-file)",
                  "マスター鍵のパスフレーズが必要です(--passphrase-file)"));
        size_t n = strlen(pass_head);
        return load_with_passphrase((struct str){file.p + n, file.n - n}, passphrase, ret, err);
    }
    size_t n = strlen(plain_head);
    AUTO(buf) struct buf bytes = BUF_SECRET(64);
    if (!str_starts(file, plain_head) ||
        !base64_decode((struct str){file.p + n, file.n - n}, &bytes) || bytes.len != KEY)
        return bad_file(err);
    return make((const unsigned char *)bytes.p, ret, err);
}
