/*
 * Invariants: the size is bounded before anything is looked at; no value is read before the
 * signature is proven, except the key id, by which the key is chosen; what was read is written
 * again and must be the same bytes.
 */
#include "crypto/licence.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "crypto/licence_priv.h"

#ifndef INRO_VENDOR_KEYS
#define INRO_VENDOR_KEYS ""
#endif

#define JST     (9 * 3600 * USEC_PER_SEC)
#define MAGIC   "inro-licence "
#define KEY_TAG "inro-vendor-key 1 "

enum { LICENSEE_MAX = 200 };

/* ---- values ---- */

bool service_code_ok(const char *s)
{
    return s && strlen(s) == 12 && strspn(s, "0123456789") == 12;
}

static bool hex_ok(const char *s, size_t n)
{
    return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool word_ok(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    return n > 0 && n <= 32 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* One line for people: UTF-8, nothing that could start another line, no blanks at its ends. */
static bool text_ok(const char *s)
{
    struct str t = str_from(s);
    if (t.n == 0 || t.n > LICENSEE_MAX || !str_is_utf8(t) || str_trim(t).n != t.n)
        return false;
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] < 0x20 || t.p[i] == 0x7f)
            return false;
    return true;
}

static enum rc bad_field(const char *name, struct err *err)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("licence.malformed",
                          "the licence's {0} is not as the format wants it; ask the vendor for "
                          "another file",
                          "ライセンスの {0} が書式に合っていません。ベンダーに再発行を依頼して"
                          "ください"),
                      name);
    err_field(err, name);
    return rc;
}

static bool span_ok(const struct licence *l)
{
    const int64_t sec = USEC_PER_SEC, most = INT64_C(253370764800) * USEC_PER_SEC; /* year 9999 */
    return l->begins >= 0 && l->ends > l->begins && l->ends <= most && l->begins % sec == 0 &&
           l->ends % sec == 0;
}

static enum rc values_check(const struct licence *l, struct err *err)
{
    const struct {
        const char *name;
        bool good;
    } rows[] = {
        {"serial", l->serial > 0},
        {"service-code", service_code_ok(l->service_code)},
        {"licensee", text_ok(l->licensee)},
        {"plan", word_ok(l->plan)},
        {"certificates", l->certificates >= 0 && l->certificates <= LICENCE_COUNT_MAX},
        {"targets", l->targets >= 0 && l->targets <= LICENCE_COUNT_MAX},
        {"ends", span_ok(l)},
        {"installation", hex_ok(l->installation, 32)},
        {"issued", l->issued > 0 && l->issued % USEC_PER_SEC == 0},
        {"revoke", l->revoke_count <= LICENCE_REVOKES_MAX},
        {"key", hex_ok(l->key_id, 16)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!rows[i].good)
            return bad_field(rows[i].name, err);
    for (size_t i = 0; i < l->revoke_count; i++)
        if (!hex_ok(l->revokes[i], 16))
            return bad_field("revoke", err);
    return RC_OK;
}

/* ---- writing ---- */

/* Japan's time with its offset: nobody has to guess the zone of a date. */
void licence_time(struct buf *b, int64_t usec)
{
    char text[32];
    time_rfc3339(usec + JST, text);
    text[strlen(text) - 1] = '\0';
    buf_adds(b, text);
    buf_adds(b, "+09:00\n");
}

void licence_line(struct buf *b, const char *name, const char *value)
{
    buf_adds(b, name);
    buf_adds(b, ": ");
    buf_adds(b, value);
    buf_addc(b, '\n');
}

enum rc licence_body(const struct licence *l, struct buf *out, struct err *err)
{
    TRY(values_check(l, err));
    buf_adds(out, MAGIC "1\n");
    licence_line(out, "product", "inro");
    licence_line(out, "serial", NUM(l->serial));
    licence_line(out, "service-code", l->service_code);
    licence_line(out, "licensee", l->licensee);
    licence_line(out, "plan", l->plan);
    licence_line(out, "certificates", NUM(l->certificates));
    licence_line(out, "targets", NUM(l->targets));
    buf_adds(out, "begins: ");
    licence_time(out, l->begins);
    buf_adds(out, "ends: ");
    licence_time(out, l->ends - USEC_PER_SEC); /* a person reads the last second of the last day */
    licence_line(out, "installation", l->installation);
    buf_adds(out, "issued: ");
    licence_time(out, l->issued);
    for (size_t i = 0; i < l->revoke_count; i++)
        licence_line(out, "revoke", l->revokes[i]);
    licence_line(out, "key", l->key_id);
    return buf_ok(out, err);
}

void licence_file(struct str body, const unsigned char signature[LICENCE_SIGNATURE_BYTES],
                  struct buf *out)
{
    buf_addstr(out, body);
    buf_adds(out, "signature: ");
    base64_add(out, signature, LICENCE_SIGNATURE_BYTES);
    buf_addc(out, '\n');
}

/* ---- reading ---- */

static struct str line_trim(struct str s)
{
    while (s.n > 0 && memchr(" \t\r", s.p[s.n - 1], 3))
        s.n--;
    return s;
}

/* The canonical form of the whole file; a NUL byte has no place in it. */
void licence_canonical(struct str file, struct buf *out)
{
    struct str line;
    if (file.n >= 3 && memcmp(file.p, "\xef\xbb\xbf", 3) == 0)
        file = (struct str){file.p + 3, file.n - 3};
    while (str_split(&file, '\n', &line)) {
        line = line_trim(line);
        if (line.n == 0)
            continue;
        buf_addstr(out, line);
        buf_addc(out, '\n');
    }
}

struct cut {
    struct str body;  /* canonical, signed */
    struct str value; /* of the signature line */
    struct str key;   /* of the key line */
};

bool licence_value(struct str line, const char *name, struct str *ret)
{
    size_t n = strlen(name);
    if (!str_starts(line, name) || line.n < n + 2 || line.p[n] != ':' || line.p[n + 1] != ' ')
        return false;
    *ret = (struct str){line.p + n + 2, line.n - n - 2};
    return true;
}

static enum rc truncated(struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("licence.truncated",
                    "the licence file is cut short: its signature is missing; fetch it again",
                    "ライセンスファイルが途中で切れています（署名がありません）。もう一度取得して"
                    "ください"));
}

/* Where the signed part ends, and which key it names; the last two lines, nothing else. */
static enum rc cut_up(struct str text, struct cut *ret, struct err *err)
{
    struct str rest = text, line = STR_NONE, last = STR_NONE, before = STR_NONE, part;
    CHECK(str_starts(text, MAGIC), err, RC_INPUT, BLAME_INPUT,
          MSG("licence.not_one", "this is not an Inro licence file",
              "Inro のライセンスファイルではありません"));
    CHECK(str_starts(text, MAGIC "1\n"), err, RC_INPUT, BLAME_INPUT,
          MSG("licence.version", "the licence file has a newer format; update Inro, then import it",
              "ライセンスファイルの書式が新しいため読めません。Inro を更新してから取り込んで"
              "ください"));
    while (str_split(&rest, '\n', &part)) {
        if (part.n == 0)
            continue;
        before = last;
        last = line = part;
    }
    if (!licence_value(line, "signature", &ret->value) || !licence_value(before, "key", &ret->key))
        return truncated(err);
    ret->body = (struct str){text.p, (size_t)(line.p - text.p)};
    return RC_OK;
}

static bool verify(struct str sig, struct str body, const unsigned char pub[LICENCE_KEY_BYTES])
{
    return crypto_sign_verify_detached((const unsigned char *)sig.p, (const unsigned char *)body.p,
                                       body.n, pub) == 0;
}

/*
 * The same bytes under the same key give the same answer: what was found good last is not
 * calculated again, for it is asked with each certificate. Only a digest of all three is kept.
 */
static bool signature_good(struct str sig, struct str body,
                           const unsigned char pub[LICENCE_KEY_BYTES])
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static unsigned char good[32];
    static bool any;
    unsigned char now[32];
    AUTO(buf) struct buf all = BUF(LICENCE_MAX_BYTES + 256);
    buf_add(&all, pub, LICENCE_KEY_BYTES); /* both of fixed length: no two have the same bytes */
    buf_addstr(&all, sig);
    buf_addstr(&all, body);
    if (all.bad != RC_OK)
        return verify(sig, body, pub);
    sha256(buf_str(&all), now);
    (void)pthread_mutex_lock(&lock);
    bool known = any && memcmp(good, now, sizeof now) == 0;
    (void)pthread_mutex_unlock(&lock);
    if (known || !verify(sig, body, pub))
        return known;
    (void)pthread_mutex_lock(&lock);
    memcpy(good, now, sizeof now);
    any = true;
    (void)pthread_mutex_unlock(&lock);
    return true;
}

static enum rc prove(const struct cut *c, const struct licence_key *keys, size_t n, struct err *err)
{
    AUTO(buf) struct buf sig = BUF(128);
    AUTO(arena) struct arena *a = arena_create(4096);
    const struct licence_key *k = NULL;
    const char *id = a ? arena_str(a, (struct str){c->key.p, c->key.n < 64 ? c->key.n : 64}) : NULL;
    if (!id)
        return NOMEM(err);
    if (!base64_decode(c->value, &sig) || sig.len != LICENCE_SIGNATURE_BYTES)
        return truncated(err);
    for (size_t i = 0; i < n; i++)
        if (str_eqs(c->key, keys[i].id))
            k = &keys[i];
    CHECK(k, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.foreign",
              "the licence was issued with the key {0}, which is none of this installation's "
              "vendor; if the vendor has a new key, import its key change file first (or see inro "
              "licence trust), else ask where the file comes from",
              "このライセンスは鍵 {0} で発行されており、この環境のベンダーのものではありません。"
              "ベンダーが鍵を変更した場合は、先に鍵変更ファイルを取り込んでください（または inro "
              "licence trust）。それ以外は入手元を確認してください"),
          id);
    CHECK(!k->revoked, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.revoked",
              "the licence was issued with the key {0}, which its vendor has revoked; ask for "
              "another file",
              "このライセンスの発行に使われた鍵 {0} は失効しています。ベンダーに再発行を依頼して"
              "ください"),
          id);
    CHECK(signature_good(buf_str(&sig), c->body, k->pub), err, RC_INPUT, BLAME_INPUT,
          MSG("licence.forged",
              "the licence was changed after it was issued: its signature is wrong; fetch the "
              "original file again",
              "ライセンスファイルは発行後に変更されています（署名が一致しません）。元のファイルを"
              "取得し直してください"));
    return RC_OK;
}

struct reader {
    struct str rest;
    struct arena *a;
    const char *bad; /* the first field that is not there or not as it should be */
};

static const char *take(struct reader *r, const char *name)
{
    struct str line, value, left = r->rest;
    if (r->bad || !str_split(&left, '\n', &line) || !licence_value(line, name, &value)) {
        r->bad = r->bad ? r->bad : name;
        return NULL;
    }
    r->rest = left;
    return arena_str(r->a, value);
}

static int64_t take_number(struct reader *r, const char *name)
{
    const char *s = take(r, name);
    int64_t v = 0;
    if (s && !str_to_i64(str_from(s), 0, INT64_MAX, &v))
        r->bad = name;
    return v;
}

static int64_t take_time(struct reader *r, const char *name)
{
    const char *s = take(r, name);
    int64_t v = 0;
    if (s && !time_parse_rfc3339(s, &v))
        r->bad = name;
    return v;
}

static void take_revokes(struct reader *r, struct licence *l)
{
    struct str line, value, left = r->rest;
    while (l->revoke_count < LICENCE_REVOKES_MAX && str_split(&left, '\n', &line) &&
           licence_value(line, "revoke", &value)) {
        l->revokes[l->revoke_count++] = arena_str(r->a, value);
        r->rest = left;
    }
}

static enum rc fields_read(struct str body, struct arena *a, struct licence *l, struct err *err)
{
    struct reader r = {.a = a};
    r.rest = (struct str){body.p + sizeof MAGIC "1\n" - 1, body.n - (sizeof MAGIC "1\n" - 1)};
    const char *product = take(&r, "product");
    CHECK(!product || strcmp(product, "inro") == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.product", "the licence is for another product: {0}",
              "別の製品（{0}）のライセンスです"),
          product);
    l->serial = take_number(&r, "serial");
    l->service_code = take(&r, "service-code");
    l->licensee = take(&r, "licensee");
    l->plan = take(&r, "plan");
    l->certificates = take_number(&r, "certificates");
    l->targets = take_number(&r, "targets");
    l->begins = take_time(&r, "begins");
    l->ends = take_time(&r, "ends") + USEC_PER_SEC;
    l->installation = take(&r, "installation");
    l->issued = take_time(&r, "issued");
    take_revokes(&r, l);
    l->key_id = take(&r, "key");
    return r.bad ? bad_field(r.bad, err) : RC_OK;
}

enum rc licence_read(struct str file, const struct licence_key *keys, size_t key_count,
                     struct arena *a, struct licence *ret, struct err *err)
{
    AUTO(buf) struct buf text = BUF(LICENCE_MAX_BYTES + 1);
    AUTO(buf) struct buf again = BUF(LICENCE_MAX_BYTES + 1);
    struct licence l = {0};
    struct cut c;
    CHECK(file.n <= LICENCE_MAX_BYTES, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.too_large", "the file is larger than any licence ({0} bytes at most)",
              "ファイルが大きすぎます（ライセンスファイルは最大 {0} バイトです）"),
          NUM(LICENCE_MAX_BYTES));
    licence_canonical(file, &text);
    TRY(buf_ok(&text, err));
    TRY(cut_up(buf_str(&text), &c, err));
    TRY(prove(&c, keys, key_count, err));
    TRY(fields_read(c.body, a, &l, err));
    TRY(licence_body(&l, &again, err));
    if (!str_eq(buf_str(&again), c.body))
        return bad_field("form", err);
    *ret = l;
    return RC_OK;
}

/* ---- keys ---- */

void licence_key_of(const unsigned char pub[LICENCE_KEY_BYTES], struct licence_key *ret)
{
    char sum[65];
    *ret = (struct licence_key){.revoked = false};
    memcpy(ret->pub, pub, LICENCE_KEY_BYTES);
    sha256_hex((struct str){(const char *)pub, LICENCE_KEY_BYTES}, sum);
    memcpy(ret->id, sum, 16);
}

void licence_key_text(const struct licence_key *k, struct buf *out)
{
    buf_adds(out, KEY_TAG);
    buf_adds(out, k->id);
    buf_addc(out, ' ');
    base64_add(out, k->pub, LICENCE_KEY_BYTES);
    buf_addc(out, '\n');
}

static enum rc key_bad(struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("licence.key", "this is not the public key of a vendor; see inro vendor key",
                    "ベンダーの公開鍵ではありません。inro vendor key を参照してください"));
}

enum rc licence_key_read(struct str text, struct licence_key *ret, struct err *err)
{
    AUTO(buf) struct buf raw = BUF(128);
    struct licence_key k;
    struct str id, value = str_trim(text);
    if (!str_starts(value, KEY_TAG) || value.n > 256)
        return key_bad(err);
    value = (struct str){value.p + sizeof KEY_TAG - 1, value.n - (sizeof KEY_TAG - 1)};
    if (!str_split(&value, ' ', &id) || !base64_decode(value, &raw) || raw.len != LICENCE_KEY_BYTES)
        return key_bad(err);
    licence_key_of((const unsigned char *)raw.p, &k);
    if (!str_eqs(id, k.id)) /* a slip of the pen shows here */
        return key_bad(err);
    *ret = k;
    return RC_OK;
}

enum rc licence_key_from_spki(struct str spki, struct licence_key *ret, struct err *err)
{
    /* RFC 8410, 4: SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING } */
    static const unsigned char head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    if (spki.n != sizeof head + LICENCE_KEY_BYTES || memcmp(spki.p, head, sizeof head) != 0)
        return key_bad(err);
    licence_key_of((const unsigned char *)spki.p + sizeof head, ret);
    return RC_OK;
}

size_t licence_builtin_keys(struct licence_key ret[LICENCE_BUILTIN_MAX])
{
    struct str rest = str_from(INRO_VENDOR_KEYS), part;
    size_t n = 0;
    while (n < LICENCE_BUILTIN_MAX && str_split(&rest, ',', &part)) {
        AUTO(buf) struct buf raw = BUF(128);
        if (base64_decode(part, &raw) && raw.len == LICENCE_KEY_BYTES)
            licence_key_of((const unsigned char *)raw.p, &ret[n++]);
    }
    return n;
}
