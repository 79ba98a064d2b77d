/*
 * Allocation with injectable failure. All rooms allocate through these, so that the torture tests
 * can make the n-th allocation fail (mem_fail_after). Memory is zeroed.
 */
#ifndef INRO_BASE_MEM_H
#define INRO_BASE_MEM_H

#include "base/err.h"

MUST void *mem_alloc(size_t n); /* zeroed; NULL on failure; n = 0 gives 1 byte */
/* As mem_alloc() without the test hook: for a library that does not bear a failure. */
MUST void *mem_alloc_real(size_t n);
MUST void *mem_realloc(void *p, size_t n);   /* p stays valid on failure */
MUST char *mem_strdup(const char *s);        /* NULL on failure */
MUST void *mem_dup(const void *p, size_t n); /* n bytes and a terminating NUL */
void mem_free(void *p);                      /* NULL-safe */
void mem_wipe(void *p, size_t n);            /* not optimised away */
void mem_wipe_free(void *p, size_t n);       /* wipe, then free; NULL-safe */

/* Once per process: freed memory of up to n bytes stays with each of the allocator's arenas, rather
 * than going back to the kernel and being asked for again with the next request. */
void mem_keep_freed(int n);

/*
 * Test hook: the n-th allocation from now on fails (1 = the next), and all later ones too when
 * `ever`. 0 switches it off. mem_count() tells the allocations so far. Honoured in every build.
 */
void mem_fail_after(long n, bool ever);
long mem_count(void);

/* AUTO(mem) char *p = ...; */
void mem_cleanup(void *pp);

#endif
