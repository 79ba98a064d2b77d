#include "base/str.h"

#include <string.h>
#include <strings.h>

struct str str_from(const char *s)
{
    return (struct str){s ? s : "", s ? strlen(s) : 0};
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eqs(struct str a, const char *b)
{
    return str_eq(a, str_from(b));
}

bool str_ieq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool str_ends(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && (n == 0 || memcmp(s.p + s.n - n, suffix, n) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_split(struct str *rest, char sep, struct str *ret_part)
{
    if (!rest->p)
        return false;
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    if (at) {
        *ret_part = (struct str){rest->p, (size_t)(at - rest->p)};
        rest->n -= ret_part->n + 1;
        rest->p = at + 1;
    } else {
        *ret_part = *rest;
        *rest = STR_NONE;
    }
    return true;
}

bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret)
{
    bool neg = s.n > 0 && s.p[0] == '-';
    uint64_t v = 0, limit = neg ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;

    if (neg) {
        s.p++;
        s.n--;
    }
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t d = (uint64_t)(s.p[i] - '0');
        if (v > (limit - d) / 10)
            return false;
        v = v * 10 + d;
    }
    int64_t r = neg ? (int64_t)(0 - v) : (int64_t)v;
    if (r < min || r > max)
        return false;
    *ret = r;
    return true;
}

/* Overlong forms, surrogates and code points above U+10FFFF, told by the first two bytes. */
static bool utf8_bad_pair(unsigned char a, unsigned char b)
{
    return (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) || (a == 0xF0 && b < 0x90) ||
           (a == 0xF4 && b > 0x8F);
}

static size_t utf8_len(unsigned char lead)
{
    if (lead < 0x80)
        return lead ? 1 : 0;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Length of the UTF-8 sequence at p, or 0 if it is not one. */
static size_t utf8_seq(const unsigned char *p, size_t left)
{
    size_t n = utf8_len(p[0]);
    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n > 1 && utf8_bad_pair(p[0], p[1]) ? 0 : n;
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = utf8_seq((const unsigned char *)s.p + i, s.n - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool str_eq_secret(struct str a, struct str b)
{
    unsigned diff = a.n == b.n ? 0 : 1;
    for (size_t i = 0; i < a.n && i < b.n; i++)
        diff |= (unsigned)(unsigned char)(a.p[i] ^ b.p[i]);
    return diff == 0;
}
