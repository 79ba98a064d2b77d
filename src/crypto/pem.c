/* PEM armour (RFC 7468), lax on white space and text around blocks, strict on size and NUL. */
#include <string.h>

#include "base/base64.h"
#include "crypto/cert.h"

static const char begin_mark[] = "-----BEGIN ";
static const char end_mark[] = "-----END ";
static const char dashes[] = "-----";

struct block {
    struct str label; /* "CERTIFICATE" */
    struct str body;  /* between the lines */
    struct str whole; /* with its lines */
};

static const char *find(struct str in, const char *what)
{
    return in.n ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

/* The next block, moving *rest behind it. A BEGIN without its END is *ret_cut: what was cut off
 * must not pass for a shorter chain. */
static bool next_block(struct str *rest, struct block *ret, bool *ret_cut)
{
    const char *begin = find(*rest, begin_mark);
    *ret_cut = begin != NULL;
    if (!begin)
        return false;
    const char *limit = rest->p + rest->n, *label = begin + strlen(begin_mark);
    const char *close = find((struct str){label, (size_t)(limit - label)}, dashes);
    if (!close || close - label > 64)
        return false;
    const char *body = close + strlen(dashes);
    const char *end = find((struct str){body, (size_t)(limit - body)}, end_mark);
    if (!end)
        return false;
    const char *tail = end + strlen(end_mark) + (close - label) + strlen(dashes);
    if (tail > limit || memcmp(end + strlen(end_mark), label, (size_t)(close - label)) != 0)
        return false;
    *ret = (struct block){{label, (size_t)(close - label)},
                          {body, (size_t)(end - body)},
                          {begin, (size_t)(tail - begin)}};
    rest->n = (size_t)(limit - tail);
    rest->p = tail;
    *ret_cut = false;
    return true;
}

/* Without white space; false when it is larger than any certificate. Failing memory stays in out.
 */
static bool squeeze(struct str body, struct buf *out)
{
    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] == ' ' || body.p[i] == '\t' || body.p[i] == '\r' || body.p[i] == '\n')
            continue;
        if (out->len == out->max)
            return false;
        buf_addc(out, body.p[i]);
    }
    return true;
}

static enum rc read_block(const struct block *b, size_t index, struct arena *a,
                          struct cert_info *ret, struct err *err)
{
    AUTO(buf) struct buf der = BUF(2 * CERT_MAX_BYTES);
    AUTO(buf) struct buf text = BUF(2 * CERT_MAX_BYTES);
    bool fits = squeeze(b->body, &text);
    TRY(buf_ok(&text, err));
    bool ok = fits && base64_decode(buf_str(&text), &der);
    TRY(buf_ok(&der, err));
    CHECK(ok, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pem.base64",
              "certificate {0} of the PEM text is not valid base64, or too large",
              "PEM の {0} 番目の証明書は base64 として不正か、大きすぎます"),
          NUM(index + 1));
    return cert_parse(buf_str(&der), a, ret, err);
}

static bool is_cert(struct str label)
{
    return str_eqs(label, "CERTIFICATE") || str_eqs(label, "X509 CERTIFICATE") ||
           str_eqs(label, "TRUSTED CERTIFICATE");
}

static enum rc check_text(struct str pem, struct err *err)
{
    CHECK(pem.n <= CERT_MAX_PEM_BYTES, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pem.big", "the PEM text is larger than {0} bytes",
              "PEM が上限 {0} バイトを超えています"),
          NUM(CERT_MAX_PEM_BYTES));
    CHECK(pem.n == 0 || !memchr(pem.p, '\0', pem.n), err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pem.nul", "the PEM text holds a NUL byte; is it a binary file?",
              "PEM に NUL バイトがあります。バイナリファイルではありませんか"));
    return RC_OK;
}

enum rc cert_parse_pem(struct str pem, bool only_certs, struct arena *a, struct cert_list *ret,
                       struct err *err)
{
    struct block b;
    struct cert_list list = {arena_array(a, CERT_MAX_PEM_BLOCKS, sizeof *list.v), 0};
    size_t blocks = 0;
    bool cut;
    if (!list.v)
        return NOMEM(err);
    TRY(check_text(pem, err));
    while (next_block(&pem, &b, &cut)) {
        CHECK(++blocks <= CERT_MAX_PEM_BLOCKS, err, RC_INPUT, BLAME_INPUT,
              MSG("crypto.pem.blocks", "the PEM text has more than {0} blocks",
                  "PEM のブロックが {0} 個を超えています"),
              NUM(CERT_MAX_PEM_BLOCKS));
        if (is_cert(b.label)) {
            TRY(read_block(&b, list.n, a, &list.v[list.n], err));
            list.n++;
            continue;
        }
        CHECK(!only_certs, err, RC_INPUT, BLAME_INPUT,
              MSG("crypto.pem.other", "only certificates are expected here, not {0}",
                  "ここには証明書だけを指定してください({0} があります)"),
              arena_str(a, b.label));
    }
    CHECK(!cut, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pem.cut",
              "block {0} of the PEM text has no matching END line: it was cut off",
              "PEM の {0} 番目のブロックに対応する END 行がありません。途中で切れています"),
          NUM(blocks + 1));
    CHECK(list.n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("crypto.pem.none", "no certificate was found (PEM expected)",
              "証明書が見つかりません(PEM 形式が必要です)"));
    *ret = list;
    return RC_OK;
}

size_t pem_pure_certs(struct str pem)
{
    struct block b;
    struct str rest = pem;
    size_t n = 0;
    bool cut;
    for (; next_block(&rest, &b, &cut); n++) {
        struct str before = {pem.p, (size_t)(b.whole.p - pem.p)};
        if (!is_cert(b.label) || str_trim(before).n > 0)
            return 0;
        pem = rest;
    }
    return str_trim(pem).n == 0 ? n : 0;
}

struct str pem_find_key(struct str pem)
{
    struct block b;
    bool cut;
    while (next_block(&pem, &b, &cut))
        if (str_ends(b.label, "PRIVATE KEY"))
            return b.whole;
    return STR_NONE;
}

void cert_to_pem(struct str der, struct buf *out)
{
    AUTO(buf) struct buf text = BUF(4 * CERT_MAX_BYTES);
    base64_add(&text, der.p, der.n);
    if (text.bad != RC_OK)
        out->bad = text.bad;
    buf_adds(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < text.len; i += 64) {
        buf_add(out, text.p + i, text.len - i < 64 ? text.len - i : 64);
        buf_addc(out, '\n');
    }
    buf_adds(out, "-----END CERTIFICATE-----\n");
}
