/*
 * Invariants: a key is trusted only after the signature of one that is; what was read is written
 * again and must be the same bytes, so that each statement has one signed form.
 */
#include "crypto/succession.h"

#include <sodium.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/licence_priv.h"

#define MAGIC "inro-vendor-succession "

enum { KEY_ID_LENGTH = 16, STATEMENT_MAX = 2048 };

static enum rc malformed(struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("licence.succession",
                    "the vendor's change of key is not as its format wants it; fetch the file "
                    "again, or update Inro",
                    "ベンダーの鍵変更ファイルが書式に合っていません。取得し直すか、Inro を更新"
                    "してください"));
}

bool succession_is(struct str text)
{
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text = (struct str){text.p + 3, text.n - 3};
    return str_starts(str_trim(text), MAGIC);
}

enum rc succession_take(struct str *text, struct str *ret, struct err *err)
{
    struct str rest = *text, line, value;
    CHECK(text->n <= LICENCE_MAX_BYTES, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.too_large", "the file is larger than any licence ({0} bytes at most)",
              "ファイルが大きすぎます（ライセンスファイルは最大 {0} バイトです）"),
          NUM(LICENCE_MAX_BYTES));
    while (str_split(&rest, '\n', &line)) {
        if (!licence_value(line, "signature", &value))
            continue;
        *ret = (struct str){text->p, (size_t)(line.p + line.n - text->p)};
        *text = (struct str){line.p + line.n, text->n - ret->n};
        return RC_OK;
    }
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("licence.truncated",
                    "the licence file is cut short: its signature is missing; fetch it again",
                    "ライセンスファイルが途中で切れています（署名がありません）。もう一度取得して"
                    "ください"));
}

enum rc succession_body(const struct succession *s, struct buf *out, struct err *err)
{
    AUTO(buf) struct buf pub = BUF(128);
    if (!s->key_id || strlen(s->key_id) != KEY_ID_LENGTH ||
        strspn(s->key_id, "0123456789abcdef") != KEY_ID_LENGTH || s->issued <= 0 ||
        s->issued % USEC_PER_SEC != 0)
        return malformed(err);
    base64_add(&pub, s->next.pub, LICENCE_KEY_BYTES);
    TRY(buf_ok(&pub, err));
    buf_adds(out, MAGIC "1\n");
    licence_line(out, "product", "inro");
    buf_adds(out, "issued: ");
    licence_time(out, s->issued);
    licence_line(out, "next", buf_cstr(&pub));
    licence_line(out, "key", s->key_id);
    return buf_ok(out, err);
}

/* The values of the lines by their names; what is absent fails at the comparison. */
static void lines_read(struct str text, struct arena *a, struct succession *s, struct buf *next,
                       struct buf *signature)
{
    struct str line, value;
    while (str_split(&text, '\n', &line)) {
        if (licence_value(line, "issued", &value)) {
            const char *at = arena_str(a, value);
            if (!at || !time_parse_rfc3339(at, &s->issued))
                s->issued = 0;
        } else if (licence_value(line, "next", &value)) {
            buf_clear(next);
            (void)base64_decode(value, next);
        } else if (licence_value(line, "key", &value)) {
            s->key_id = arena_str(a, value);
        } else if (licence_value(line, "signature", &value)) {
            buf_clear(signature);
            (void)base64_decode(value, signature);
        }
    }
}

static enum rc look(struct str file, struct arena *a, struct succession *ret, struct buf *body,
                    struct buf *signature, struct err *err)
{
    AUTO(buf) struct buf text = BUF(STATEMENT_MAX), again = BUF(STATEMENT_MAX), next = BUF(128);
    struct succession s = {0};
    licence_canonical(file, &text);
    if (buf_ok(&text, NULL) != RC_OK)
        return malformed(err);
    lines_read(buf_str(&text), a, &s, &next, signature);
    if (next.len != LICENCE_KEY_BYTES || signature->len != LICENCE_SIGNATURE_BYTES)
        return malformed(err);
    licence_key_of((const unsigned char *)next.p, &s.next);
    TRY(succession_body(&s, body, err));
    licence_file(buf_str(body), (const unsigned char *)signature->p, &again);
    if (!str_eq(buf_str(&again), buf_str(&text)))
        return malformed(err);
    *ret = s;
    return RC_OK;
}

enum rc succession_look(struct str file, struct arena *a, struct succession *ret, struct err *err)
{
    AUTO(buf) struct buf body = BUF(STATEMENT_MAX), signature = BUF(128);
    return look(file, a, ret, &body, &signature, err);
}

static enum rc prove(const struct succession *s, const struct licence_key *k, struct str body,
                     const struct buf *signature, struct err *err)
{
    CHECK(
        k, err, RC_INPUT, BLAME_INPUT,
        MSG("licence.foreign_succession",
            "the change of key was signed with the key {0}, which is none of this "
            "installation's vendor; ask the vendor for its public key, and see inro licence "
            "trust",
            "この鍵変更ファイルは鍵 {0} で署名されており、この環境のベンダーのものではありません。"
            "ベンダーに公開鍵を確認し、inro licence trust で登録してください"),
        s->key_id);
    CHECK(
        !k->revoked, err, RC_INPUT, BLAME_INPUT,
        MSG("licence.revoked_succession",
            "the change of key was signed with the key {0}, which its vendor has revoked; ask "
            "the vendor for its public key, and see inro licence trust",
            "この鍵変更ファイルの署名に使われた鍵 {0} は失効しています。ベンダーに公開鍵を確認し、"
            "inro licence trust で登録してください"),
        s->key_id);
    CHECK(crypto_sign_verify_detached((const unsigned char *)signature->p,
                                      (const unsigned char *)body.p, body.n, k->pub) == 0,
          err, RC_INPUT, BLAME_INPUT,
          MSG("licence.forged_succession",
              "the change of key was altered after it was signed; fetch the original file again",
              "鍵変更ファイルは署名後に変更されています。元のファイルを取得し直してください"));
    return RC_OK;
}

enum rc succession_read(struct str file, const struct licence_key *keys, size_t key_count,
                        struct arena *a, struct succession *ret, struct err *err)
{
    AUTO(buf) struct buf body = BUF(STATEMENT_MAX), signature = BUF(128);
    const struct licence_key *k = NULL;
    struct succession s;
    TRY(look(file, a, &s, &body, &signature, err));
    for (size_t i = 0; i < key_count; i++)
        if (strcmp(keys[i].id, s.key_id) == 0)
            k = &keys[i];
    TRY(prove(&s, k, buf_str(&body), &signature, err));
    *ret = s;
    return RC_OK;
}
