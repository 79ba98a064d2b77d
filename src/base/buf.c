#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool grow(struct buf *b, size_t need)
{
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    char *p;
    if (b->secret) {
        p = mem_alloc(cap);
        if (p && b->p) {
            memcpy(p, b->p, b->len);
            mem_wipe_free(b->p, b->cap);
        }
    } else {
        p = mem_realloc(b->p, cap);
    }
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->bad != RC_OK)
        return NULL;
    if (n > b->max || b->len > b->max - n || !grow(b, b->len + n + 1)) {
        b->bad = RC_NOMEM;
        return NULL;
    }
    return b->p + b->len;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *to = buf_reserve(b, n);
    if (!to)
        return;
    if (n)
        memcpy(to, p, n);
    b->len += n;
    b->p[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addstr(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    } else {
        b->bad = RC_NOMEM;
    }
    va_end(again);
}

void buf_add_be32(struct buf *b, uint32_t v)
{
    unsigned char c[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 8), (unsigned char)v};
    buf_add(b, c, sizeof c);
}

void buf_add_be64(struct buf *b, uint64_t v)
{
    buf_add_be32(b, (uint32_t)(v >> 32));
    buf_add_be32(b, (uint32_t)v);
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len < b->len) {
        if (b->secret)
            mem_wipe(b->p + len, b->len - len);
        b->len = len;
        b->p[len] = '\0';
    }
}

void buf_clear(struct buf *b)
{
    buf_truncate(b, 0);
    b->bad = RC_OK;
}

void buf_free(struct buf *b)
{
    if (b->secret)
        mem_wipe(b->p, b->cap);
    mem_free(b->p);
    b->p = NULL;
    b->len = b->cap = 0;
    b->bad = RC_OK;
}

void buf_cleanup(struct buf *b)
{
    buf_free(b);
}

struct str buf_str(const struct buf *b)
{
    return (struct str){buf_cstr(b), b->len};
}

const char *buf_cstr(const struct buf *b)
{
    return b->p && b->len ? b->p : "";
}

enum rc buf_ok(const struct buf *b, struct err *err)
{
    if (b->bad != RC_OK)
        return NOMEM(err);
    return RC_OK;
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (b->bad != RC_OK || !grow(b, b->len + 1))
        return NULL;
    b->p[b->len] = '\0';
    char *p = b->p;
    if (ret_len)
        *ret_len = b->len;
    b->p = NULL;
    b->len = b->cap = 0;
    return p;
}
