/*
 * base64, base64url (RFC 4648 sections 4 and 5) and hexadecimal.
 *
 * Invariants: a decoder accepts exactly what the encoder would have written for the same bytes
 * (hexadecimal also in upper case), so that two texts never mean one value; on failure the output
 * buffer holds what it held before. Values are computed, not looked up: no secret-dependent index.
 */
#include "base/base64.h"

/* 0xff..ff when a <= x <= b, else 0; all arguments are small and positive. */
static unsigned in_range(unsigned x, unsigned a, unsigned b)
{
    return (unsigned)(((int)(a - 1 - x) & (int)(x - b - 1)) >> 31);
}

static unsigned equal(unsigned x, unsigned a)
{
    return in_range(x, a, a);
}

static char sextet_char(unsigned v, bool url)
{
    unsigned c62 = url ? '-' : '+', c63 = url ? '_' : '/';
    unsigned c = (in_range(v, 0, 25) & (v + 'A')) | (in_range(v, 26, 51) & (v - 26 + 'a')) |
                 (in_range(v, 52, 61) & (v - 52 + '0')) | (equal(v, 62) & c62) |
                 (equal(v, 63) & c63);
    return (char)c;
}

/* 0..63, or 64 and above when the character is not of the alphabet. */
static unsigned char_sextet(unsigned char ch, bool url)
{
    unsigned c = ch, c62 = url ? '-' : '+', c63 = url ? '_' : '/';
    unsigned v =
        (in_range(c, 'A', 'Z') & (c - 'A' + 1)) | (in_range(c, 'a', 'z') & (c - 'a' + 27)) |
        (in_range(c, '0', '9') & (c - '0' + 53)) | (equal(c, c62) & 63) | (equal(c, c63) & 64);
    return v - 1; /* 0 (no match) becomes UINT_MAX */
}

static void encode(struct buf *out, const unsigned char *p, size_t n, bool url)
{
    while (n > 0) {
        size_t take = n < 3 ? n : 3;
        unsigned v = (unsigned)p[0] << 16;
        if (take > 1)
            v |= (unsigned)p[1] << 8;
        if (take > 2)
            v |= p[2];
        char q[4] = {sextet_char(v >> 18, url), sextet_char(v >> 12 & 63, url),
                     take > 1 ? sextet_char(v >> 6 & 63, url) : '=',
                     take > 2 ? sextet_char(v & 63, url) : '='};
        buf_add(out, q, url ? take + 1 : 4);
        p += take;
        n -= take;
    }
}

/* One quantum of 2, 3 or 4 characters without padding. */
static bool decode_quantum(const unsigned char *q, size_t chars, bool url, struct buf *out)
{
    unsigned v = 0, bad = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned s = i < chars ? char_sextet(q[i], url) : 0;
        bad |= s & ~63U;
        v = v << 6 | (s & 63U);
    }
    unsigned stray = chars == 2 ? v & 0xffffU : chars == 3 ? v & 0xffU : 0;
    if (bad || stray)
        return false;
    unsigned char b[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
    buf_add(out, b, chars - 1);
    return true;
}

static bool decode(struct str in, bool url, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t before = out->len, n = in.n;
    if (n % 4 == 1)
        return false;
    bool good = true;
    for (size_t i = 0; good && i < n; i += 4)
        good = decode_quantum(p + i, n - i < 4 ? n - i : 4, url, out);
    if (!good || out->bad != RC_OK) {
        buf_truncate(out, before);
        return false;
    }
    return true;
}

void base64_add(struct buf *out, const void *p, size_t n)
{
    encode(out, p, n, false);
}

void base64url_add(struct buf *out, const void *p, size_t n)
{
    encode(out, p, n, true);
}

bool base64_decode(struct str in, struct buf *out)
{
    if (in.n % 4 != 0)
        return false;
    if (in.n > 0 && in.p[in.n - 1] == '=')
        in.n -= in.p[in.n - 2] == '=' ? 2 : 1;
    return decode(in, false, out);
}

bool base64url_decode(struct str in, struct buf *out)
{
    return decode(in, true, out);
}

void hex_add(struct buf *out, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        unsigned hi = b[i] >> 4, lo = b[i] & 15;
        char q[2] = {(char)(hi + '0' + (in_range(hi, 10, 15) & ('a' - '0' - 10))),
                     (char)(lo + '0' + (in_range(lo, 10, 15) & ('a' - '0' - 10)))};
        buf_add(out, q, 2);
    }
}

static unsigned hex_value(unsigned char ch)
{
    unsigned c = ch;
    return ((in_range(c, '0', '9') & (c - '0' + 1)) | (in_range(c, 'a', 'f') & (c - 'a' + 11)) |
            (in_range(c, 'A', 'F') & (c - 'A' + 11))) -
           1;
}

bool hex_decode(struct str in, struct buf *out)
{
    size_t before = out->len;
    if (in.n % 2 != 0)
        return false;
    unsigned bad = 0;
    for (size_t i = 0; i < in.n; i += 2) {
        unsigned hi = hex_value((unsigned char)in.p[i]), lo = hex_value((unsigned char)in.p[i + 1]);
        bad |= (hi | lo) & ~15U;
        buf_addc(out, (char)((hi & 15U) << 4 | (lo & 15U)));
    }
    if (bad || out->bad != RC_OK) {
        buf_truncate(out, before);
        return false;
    }
    return true;
}
