#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { ARENA_BLOCK = 4096, ARENA_ALIGN = 16 };

struct block {
    struct block *next;
    size_t size; /* of data */
    _Alignas(16) char data[];
};

struct arena {
    struct block *blocks; /* newest first */
    size_t used;          /* in the newest block */
    size_t total, max;
};

struct arena *arena_create(size_t max)
{
    struct arena *a = mem_alloc(sizeof *a);
    if (a)
        a->max = max ? max : (size_t)64 << 20;
    return a;
}

void arena_destroy(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        mem_wipe_free(b, sizeof *b + b->size);
    }
    mem_free(a);
}

void arena_cleanup(struct arena **pa)
{
    arena_destroy(*pa);
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > a->max)
        return NULL;
    n = n ? (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1) : ARENA_ALIGN;
    if (!a->blocks || a->blocks->size - a->used < n) {
        size_t size = n > ARENA_BLOCK ? n : ARENA_BLOCK;
        if (a->total + n > a->max)
            return NULL;
        struct block *b = mem_alloc(sizeof *b + size);
        if (!b)
            return NULL;
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
        a->used = 0;
        a->total += size;
    }
    void *p = a->blocks->data + a->used;
    a->used += n;
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t n;
    return __builtin_mul_overflow(count, size, &n) ? NULL : arena_alloc(a, n);
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
    char *d = n == SIZE_MAX ? NULL : arena_alloc(a, n + 1);
    if (d && n)
        memcpy(d, p, n);
    return d;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_dup(a, s, strlen(s));
}

char *arena_str(struct arena *a, struct str s)
{
    return arena_dup(a, s.p, s.n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p)
        (void)vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}
