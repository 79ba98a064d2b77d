#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_long mem_calls;
static atomic_long mem_fail_at; /* absolute call number; 0 = off */
static atomic_bool mem_fail_ever;

void mem_fail_after(long n, bool ever)
{
    atomic_store(&mem_fail_ever, ever);
    atomic_store(&mem_fail_at, n > 0 ? atomic_load(&mem_calls) + n : 0);
}

long mem_count(void)
{
    return atomic_load(&mem_calls);
}

void mem_keep_freed(int n)
{
    (void)mallopt(M_TRIM_THRESHOLD, n);
}

static bool must_fail(void)
{
    long call = atomic_fetch_add(&mem_calls, 1) + 1;
    long at = atomic_load(&mem_fail_at);
    return at != 0 && (call == at || (call > at && atomic_load(&mem_fail_ever)));
}

void *mem_alloc(size_t n)
{
    return must_fail() ? NULL : calloc(1, n ? n : 1);
}

void *mem_alloc_real(size_t n)
{
    return calloc(1, n ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : realloc(p, n ? n : 1);
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s));
}

void *mem_dup(const void *p, size_t n)
{
    char *d = n == SIZE_MAX ? NULL : mem_alloc(n + 1);
    if (d && n)
        memcpy(d, p, n);
    return d;
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}

void mem_wipe_free(void *p, size_t n)
{
    mem_wipe(p, n);
    free(p);
}

void mem_cleanup(void *pp)
{
    free(*(void **)pp);
}
