#include "crypto/keyring.h"

#include <string.h>

#include "base/mem.h"

enum { BLOB_ID_AT = 3, BLOB_ID = 8 };

struct slot {
    struct master_key *mk;
    struct buf line; /* as in the file, with its line end */
};

struct keyring {
    struct slot v[KEYRING_MAX];
    size_t n;
};

static struct buf line_buf(void)
{
    return BUF_SECRET(KEYRING_FILE_MAX);
}

void keyring_destroy(struct keyring *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++) {
        master_key_destroy(k->v[i].mk);
        buf_free(&k->v[i].line);
    }
    mem_free(k);
}

enum rc keyring_of(struct master_key *mk, struct keyring **ret, struct err *err)
{
    struct keyring *k = mem_alloc(sizeof *k);
    if (!k) {
        master_key_destroy(mk);
        return NOMEM(err);
    }
    k->v[0] = (struct slot){mk, line_buf()};
    k->n = 1;
    enum rc rc = master_key_save(mk, NULL, &k->v[0].line, err);
    if (rc != RC_OK) {
        keyring_destroy(k);
        return rc;
    }
    *ret = k;
    return RC_OK;
}

static enum rc load_line(struct keyring *k, struct str line, const char *passphrase,
                         struct err *err)
{
    struct slot *s = &k->v[k->n];
    *s = (struct slot){NULL, line_buf()};
    TRY(master_key_load(line, passphrase, &s->mk, err));
    k->n++;
    buf_addstr(&s->line, line);
    buf_addc(&s->line, '\n');
    return buf_ok(&s->line, err);
}

enum rc keyring_load(struct str file, const char *passphrase, struct keyring **ret, struct err *err)
{
    struct keyring *k = mem_alloc(sizeof *k);
    struct str rest = str_trim(file), line;
    enum rc rc = k ? RC_OK : NOMEM(err);
    while (rc == RC_OK && k->n < KEYRING_MAX && str_split(&rest, '\n', &line))
        rc = load_line(k, str_trim(line), passphrase, err);
    if (rc == RC_OK && (k->n == 0 || rest.p))
        rc = FAIL(err, RC_CORRUPT, BLAME_INPUT,
                  MSG("crypto.keyring", "the master key file holds no key, or too many",
                      "マスター鍵ファイルに鍵がないか、多すぎます"));
    if (rc != RC_OK) {
        keyring_destroy(k);
        return rc;
    }
    *ret = k;
    return RC_OK;
}

enum rc keyring_copy(const struct keyring *k, struct keyring **ret, struct err *err)
{
    struct keyring *c = mem_alloc(sizeof *c);
    enum rc rc = c ? RC_OK : NOMEM(err);
    for (size_t i = 0; rc == RC_OK && i < k->n; i++) {
        struct slot *s = &c->v[i];
        *s = (struct slot){NULL, line_buf()};
        rc = master_key_copy(k->v[i].mk, &s->mk, err);
        if (rc != RC_OK)
            break;
        c->n++;
        buf_addstr(&s->line, buf_str(&k->v[i].line));
        rc = buf_ok(&s->line, err);
    }
    if (rc != RC_OK) {
        keyring_destroy(c);
        return rc;
    }
    *ret = c;
    return RC_OK;
}

bool keyring_has_passphrase(const struct keyring *k)
{
    return master_key_file_needs_passphrase(buf_str(&k->v[0].line));
}

/* The passphrase must open the file as it is. */
static enum rc prove(const struct keyring *k, const char *passphrase, struct err *err)
{
    struct master_key *mk = NULL;
    if (!keyring_has_passphrase(k))
        return RC_OK;
    TRY(master_key_load(buf_str(&k->v[0].line), passphrase, &mk, err));
    master_key_destroy(mk);
    return RC_OK;
}

enum rc keyring_add(struct keyring *k, const char *passphrase, struct err *err)
{
    struct slot s = {NULL, line_buf()};
    CHECK(k->n < KEYRING_MAX, err, RC_CONFLICT, BLAME_INPUT,
          MSG("crypto.keyring.full",
              "earlier rotations are not finished; wait until every value has moved",
              "前回の鍵の交換が終わっていません。完了するまでお待ちください"));
    TRY(prove(k, passphrase, err));
    TRY(master_key_create(&s.mk, err));
    enum rc rc = master_key_save(s.mk, keyring_has_passphrase(k) ? passphrase : NULL, &s.line, err);
    if (rc != RC_OK) {
        master_key_destroy(s.mk);
        buf_free(&s.line);
        return rc;
    }
    memmove(&k->v[1], &k->v[0], k->n * sizeof k->v[0]);
    k->v[0] = s;
    k->n++;
    return RC_OK;
}

void keyring_drop_old(struct keyring *k)
{
    for (; k->n > 1; k->n--) {
        master_key_destroy(k->v[k->n - 1].mk);
        buf_free(&k->v[k->n - 1].line);
    }
}

enum rc keyring_passphrase(struct keyring *k, const char *now, const char *next, struct err *err)
{
    TRY(prove(k, now, err));
    for (size_t i = 0; i < k->n; i++) {
        AUTO(buf) struct buf line = BUF_SECRET(KEYRING_FILE_MAX);
        TRY(master_key_save(k->v[i].mk, next, &line, err));
        buf_clear(&k->v[i].line);
        buf_addstr(&k->v[i].line, buf_str(&line));
        TRY(buf_ok(&k->v[i].line, err));
    }
    return RC_OK;
}

enum rc keyring_wrap(const struct keyring *k, size_t i, const char *passphrase, struct buf *out,
                     struct err *err)
{
    return master_key_save(k->v[i].mk, passphrase, out, err);
}

void keyring_text(const struct keyring *k, struct buf *out_secret)
{
    for (size_t i = 0; i < k->n; i++)
        buf_addstr(out_secret, buf_str(&k->v[i].line));
}

size_t keyring_count(const struct keyring *k)
{
    return k->n;
}

const struct master_key *keyring_first(const struct keyring *k)
{
    return k->v[0].mk;
}

static bool is_under(const struct master_key *mk, struct str sealed)
{
    return sealed.n >= BLOB_ID_AT + BLOB_ID &&
           memcmp(sealed.p + BLOB_ID_AT, master_key_id(mk), BLOB_ID) == 0;
}

bool keyring_is_current(const struct keyring *k, struct str sealed)
{
    return is_under(k->v[0].mk, sealed);
}

enum rc keyring_open(const struct keyring *k, struct str aad, struct str sealed,
                     struct buf *out_secret, struct err *err)
{
    size_t i = 0;
    while (i + 1 < k->n && !is_under(k->v[i].mk, sealed))
        i++;
    return envelope_open(k->v[i].mk, aad, sealed, out_secret, err);
}
