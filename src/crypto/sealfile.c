/*
 * Invariants: nothing is handed out before its message authenticated; what follows the final
 * message is an error; the key is in guarded memory and gone with the reader or writer.
 */
#include "crypto/sealfile.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/rand.h"
#include "crypto/digest.h"

enum {
    KEY = crypto_secretstream_xchacha20poly1305_KEYBYTES,
    STREAM_HEAD = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    EXTRA = crypto_secretstream_xchacha20poly1305_ABYTES,
    CHECK_BYTES = 32,
    SALT = crypto_pwhash_SALTBYTES,
    HASH = 32,
    KDF_PASSES = 3,
    KDF_BYTES = 64 << 20,
    KDF_PASSES_MAX = 20,
    KDF_BYTES_MAX = 256 << 20
};
static const char magic[] = "inro-backup ";
static const char format[] = "1\n";

struct derived { /* in guarded memory */
    unsigned char key[KEY], check[CHECK_BYTES];
};

struct seal_writer {
    int fd;
    crypto_secretstream_xchacha20poly1305_state state;
    unsigned char head_hash[HASH];
    bool first;
    int64_t written;
    size_t have;
    unsigned char clear[SEALFILE_CHUNK];
    unsigned char sealed[4 + SEALFILE_CHUNK + EXTRA];
};

struct seal_reader {
    int fd;
    crypto_secretstream_xchacha20poly1305_state state;
    unsigned char head_hash[HASH];
    bool first, final;
    int64_t at; /* of the next byte in the file */
    size_t from, have;
    unsigned char clear[SEALFILE_CHUNK];
    unsigned char sealed[SEALFILE_CHUNK + EXTRA];
};

static enum rc damaged(int64_t at, struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_INPUT,
                MSG("sealfile.damaged",
                    "the backup is damaged or was changed near byte {0}; use another copy",
                    "バックアップが {0} バイト付近で壊れているか、改変されています。"
                    "別の複製を使ってください"),
                NUM(at));
}

static enum rc truncated(struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_INPUT,
                MSG("sealfile.truncated",
                    "the backup is incomplete: its end is missing; copy it again or use another",
                    "バックアップが不完全です（末尾がありません）。"
                    "複製し直すか、別のものを使ってください"));
}

static enum rc derive(const char *passphrase, const unsigned char salt[SALT], int64_t passes,
                      int64_t bytes, struct derived **ret, struct err *err)
{
    struct derived *d = sodium_malloc(sizeof *d);
    if (!d)
        return NOMEM(err);
    if (crypto_pwhash((unsigned char *)d, sizeof *d, passphrase, strlen(passphrase), salt,
                      (unsigned long long)passes, (size_t)bytes,
                      crypto_pwhash_ALG_ARGON2ID13) != 0) {
        sodium_free(d);
        return NOMEM(err);
    }
    *ret = d;
    return RC_OK;
}

static void add_base64(struct buf *b, const char *name, const void *p, size_t n)
{
    buf_adds(b, name);
    buf_adds(b, ": ");
    base64_add(b, p, n);
    buf_addc(b, '\n');
}

static enum rc write_head(struct seal_writer *w, struct str facts, const unsigned char salt[SALT],
                          const struct derived *d, const unsigned char stream[STREAM_HEAD],
                          struct err *err)
{
    AUTO(buf) struct buf head = BUF(SEALFILE_HEAD_MAX);
    AUTO(buf) struct buf all = BUF(2 * SEALFILE_HEAD_MAX);
    buf_addf(&head, "kdf: argon2id %d %d\n", KDF_PASSES, KDF_BYTES);
    add_base64(&head, "salt", salt, SALT);
    add_base64(&head, "check", d->check, CHECK_BYTES);
    add_base64(&head, "stream", stream, STREAM_HEAD);
    buf_addstr(&head, facts);
    TRY(buf_ok(&head, err));
    buf_adds(&all, magic);
    buf_adds(&all, format);
    buf_add_be32(&all, (uint32_t)head.len);
    buf_addstr(&all, buf_str(&head));
    TRY(buf_ok(&all, err));
    sha256(buf_str(&all), w->head_hash);
    buf_add(&all, w->head_hash, HASH);
    TRY(buf_ok(&all, err));
    w->written = (int64_t)all.len;
    return fd_write_all(w->fd, all.p, all.len, err);
}

enum rc seal_writer_open(int fd, const char *passphrase, struct str facts, struct seal_writer **ret,
                         struct err *err)
{
    unsigned char salt[SALT], stream[STREAM_HEAD];
    struct derived *d = NULL;
    CHECK(strlen(passphrase) >= SEALFILE_PASSPHRASE_MIN, err, RC_INPUT, BLAME_INPUT,
          MSG("sealfile.short", "the passphrase of a backup has at least {0} characters",
              "バックアップのパスフレーズは {0} 文字以上にしてください"),
          NUM(SEALFILE_PASSPHRASE_MIN));
    rand_bytes(salt, sizeof salt);
    TRY(derive(passphrase, salt, KDF_PASSES, KDF_BYTES, &d, err));
    struct seal_writer *w = mem_alloc(sizeof *w);
    enum rc rc = w ? RC_OK : NOMEM(err);
    if (rc == RC_OK) {
        w->fd = fd;
        w->first = true;
        (void)crypto_secretstream_xchacha20poly1305_init_push(&w->state, stream, d->key);
        rc = write_head(w, facts, salt, d, stream, err);
    }
    sodium_free(d);
    if (rc != RC_OK) {
        seal_writer_close(w);
        return rc;
    }
    *ret = w;
    return RC_OK;
}

static enum rc push(struct seal_writer *w, unsigned char tag, struct err *err)
{
    unsigned long long n = 0;
    size_t ad = w->first ? HASH : 0;
    (void)crypto_secretstream_xchacha20poly1305_push(&w->state, w->sealed + 4, &n, w->clear,
                                                     w->have, ad ? w->head_hash : NULL, ad, tag);
    for (int i = 0; i < 4; i++)
        w->sealed[i] = (unsigned char)(n >> (24 - 8 * i));
    w->first = false;
    w->have = 0;
    w->written += 4 + (int64_t)n;
    return fd_write_all(w->fd, w->sealed, 4 + (size_t)n, err);
}

enum rc seal_writer_add(struct seal_writer *w, const void *p, size_t n, struct err *err)
{
    const unsigned char *from = p;
    while (n > 0) {
        if (w->have == SEALFILE_CHUNK)
            TRY(push(w, 0, err));
        size_t part = SEALFILE_CHUNK - w->have < n ? SEALFILE_CHUNK - w->have : n;
        memcpy(w->clear + w->have, from, part);
        w->have += part;
        from += part;
        n -= part;
    }
    return RC_OK;
}

enum rc seal_writer_end(struct seal_writer *w, struct err *err)
{
    return push(w, crypto_secretstream_xchacha20poly1305_TAG_FINAL, err);
}

int64_t seal_writer_bytes(const struct seal_writer *w)
{
    return w->written;
}

void seal_writer_close(struct seal_writer *w)
{
    mem_wipe_free(w, sizeof *w);
}

/* Up to n bytes from where the file stands. */
static enum rc read_some(int fd, void *p, size_t n, size_t *ret, struct err *err)
{
    unsigned char *to = p;
    *ret = 0;
    while (*ret < n) {
        ssize_t got = read(fd, to + *ret, n - *ret);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_fail(err, "read", errno);
        if (got == 0)
            break;
        *ret += (size_t)got;
    }
    return RC_OK;
}

static enum rc read_exact(int fd, void *p, size_t n, struct err *err)
{
    size_t got = 0;
    TRY(read_some(fd, p, n, &got, err));
    return got == n ? RC_OK : truncated(err);
}

static uint32_t be32(const unsigned char b[4])
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static enum rc read_magic(int fd, struct buf *all, struct err *err)
{
    char first[sizeof magic - 1 + sizeof format - 1] = {0};
    size_t got = 0;
    TRY(read_some(fd, first, sizeof first, &got, err));
    size_t n = sizeof magic - 1;
    CHECK(got > 0 && memcmp(first, magic, got < n ? got : n) == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("sealfile.foreign", "the file is not a backup of Inro",
              "ファイルは Inro のバックアップではありません"));
    if (got < sizeof first)
        return truncated(err);
    CHECK(memcmp(first + n, format, sizeof format - 1) == 0, err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("sealfile.newer",
              "the backup has a format of a newer Inro; restore it with that version",
              "バックアップの形式がより新しい Inro のものです。その版で復元してください"));
    buf_add(all, first, sizeof first);
    return RC_OK;
}

/* The head into `head`; everything up to the first message into the hash. */
static enum rc read_head(int fd, struct buf *head, unsigned char hash[HASH], int64_t *ret_at,
                         struct err *err)
{
    AUTO(buf) struct buf all = BUF(2 * SEALFILE_HEAD_MAX);
    unsigned char len[4], told[HASH];
    if (lseek(fd, 0, SEEK_SET) < 0)
        return file_fail(err, "seek", errno);
    TRY(read_magic(fd, &all, err));
    TRY(read_exact(fd, len, sizeof len, err));
    uint32_t n = be32(len);
    if (n > SEALFILE_HEAD_MAX)
        return damaged((int64_t)all.len, err);
    buf_add(&all, len, sizeof len);
    char *p = buf_reserve(head, n);
    if (!p)
        return NOMEM(err);
    TRY(read_exact(fd, p, n, err));
    head->len += n;
    p[n] = '\0';
    buf_addstr(&all, buf_str(head));
    TRY(buf_ok(&all, err));
    TRY(read_exact(fd, told, sizeof told, err));
    sha256(buf_str(&all), hash);
    *ret_at = (int64_t)(all.len + HASH);
    return memcmp(hash, told, HASH) == 0 ? RC_OK : damaged((int64_t)all.len, err);
}

const char *seal_fact(const char *facts, const char *name, struct arena *a)
{
    struct str rest = str_from(facts), line;
    size_t n = strlen(name);
    while (str_split(&rest, '\n', &line))
        if (line.n > n + 2 && str_starts(line, name) && memcmp(line.p + n, ": ", 2) == 0)
            return arena_str(a, (struct str){line.p + n + 2, line.n - n - 2});
    return NULL;
}

enum rc seal_head_read(int fd, struct arena *a, const char **ret_facts, struct err *err)
{
    AUTO(buf) struct buf head = BUF(SEALFILE_HEAD_MAX + 1);
    unsigned char hash[HASH];
    int64_t at = 0;
    TRY(read_head(fd, &head, hash, &at, err));
    const char *all = arena_str(a, buf_str(&head));
    if (!all)
        return NOMEM(err);
    *ret_facts = all;
    return RC_OK;
}

struct params {
    int64_t passes, bytes;
    struct buf salt, check, stream;
};

static bool take_base64(const char *facts, const char *name, struct arena *a, size_t n,
                        struct buf *out)
{
    const char *text = seal_fact(facts, name, a);
    return text && base64_decode(str_from(text), out) && out->len == n;
}

static bool take_params(const char *facts, struct arena *a, struct params *p)
{
    const char *kdf = seal_fact(facts, "kdf", a);
    struct str rest = str_from(kdf), word;
    return kdf && str_split(&rest, ' ', &word) && str_eqs(word, "argon2id") &&
           str_split(&rest, ' ', &word) && str_to_i64(word, 1, KDF_PASSES_MAX, &p->passes) &&
           str_split(&rest, ' ', &word) && str_to_i64(word, 1 << 20, KDF_BYTES_MAX, &p->bytes) &&
           take_base64(facts, "salt", a, SALT, &p->salt) &&
           take_base64(facts, "check", a, CHECK_BYTES, &p->check) &&
           take_base64(facts, "stream", a, STREAM_HEAD, &p->stream);
}

static enum rc unlock(struct seal_reader *r, const char *passphrase, const struct params *p,
                      struct err *err)
{
    struct derived *d = NULL;
    TRY(derive(passphrase, (const unsigned char *)p->salt.p, p->passes, p->bytes, &d, err));
    bool right = sodium_memcmp(d->check, p->check.p, CHECK_BYTES) == 0;
    bool good = right && crypto_secretstream_xchacha20poly1305_init_pull(
                             &r->state, (const unsigned char *)p->stream.p, d->key) == 0;
    sodium_free(d);
    CHECK(right, err, RC_AUTH, BLAME_INPUT,
          MSG("sealfile.passphrase", "wrong passphrase for this backup",
              "バックアップのパスフレーズが違います"));
    return good ? RC_OK : damaged(r->at, err);
}

enum rc seal_reader_open(int fd, const char *passphrase, struct seal_reader **ret, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create((size_t)1 << 20);
    AUTO(buf) struct buf head = BUF(SEALFILE_HEAD_MAX + 1);
    struct params p = {.salt = BUF(64), .check = BUF(64), .stream = BUF(64)};
    struct seal_reader *r = a ? mem_alloc(sizeof *r) : NULL;
    if (!r)
        return NOMEM(err);
    r->fd = fd;
    r->first = true;
    enum rc rc = read_head(fd, &head, r->head_hash, &r->at, err);
    if (rc == RC_OK && !take_params(buf_cstr(&head), a, &p))
        rc = damaged((int64_t)sizeof magic, err);
    if (rc == RC_OK)
        rc = unlock(r, passphrase, &p, err);
    buf_free(&p.salt);
    buf_free(&p.check);
    buf_free(&p.stream);
    if (rc != RC_OK) {
        seal_reader_close(r);
        return rc;
    }
    *ret = r;
    return RC_OK;
}

static enum rc pull(struct seal_reader *r, struct err *err)
{
    unsigned char len[4], tag = 0;
    unsigned long long n = 0;
    size_t ad = r->first ? HASH : 0;
    if (r->final)
        return damaged(r->at, err);
    TRY(read_exact(r->fd, len, sizeof len, err));
    uint32_t sealed = be32(len);
    if (sealed < EXTRA || sealed > sizeof r->sealed)
        return damaged(r->at, err);
    TRY(read_exact(r->fd, r->sealed, sealed, err));
    if (crypto_secretstream_xchacha20poly1305_pull(&r->state, r->clear, &n, &tag, r->sealed, sealed,
                                                   ad ? r->head_hash : NULL, ad) != 0)
        return damaged(r->at, err);
    r->at += 4 + (int64_t)sealed;
    r->first = false;
    r->final = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    r->from = 0;
    r->have = (size_t)n;
    return RC_OK;
}

enum rc seal_reader_get(struct seal_reader *r, void *p, size_t n, struct err *err)
{
    unsigned char *to = p;
    while (n > 0) {
        while (r->from == r->have)
            TRY(pull(r, err));
        size_t part = r->have - r->from < n ? r->have - r->from : n;
        memcpy(to, r->clear + r->from, part);
        r->from += part;
        to += part;
        n -= part;
    }
    return RC_OK;
}

enum rc seal_reader_end(struct seal_reader *r, struct err *err)
{
    char more;
    size_t got = 0;
    while (!r->final && r->from == r->have)
        TRY(pull(r, err));
    TRY(read_some(r->fd, &more, 1, &got, err));
    return r->final && r->from == r->have && got == 0 ? RC_OK : damaged(r->at, err);
}

void seal_reader_close(struct seal_reader *r)
{
    mem_wipe_free(r, sizeof *r);
}
