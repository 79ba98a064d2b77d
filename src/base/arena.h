/*
 * An arena: memory that lives as long as one request or one job step and is freed as a whole.
 * Not thread-safe; one owner. All allocations are zeroed and aligned for any type.
 */
#ifndef INRO_BASE_ARENA_H
#define INRO_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

struct arena;

/* max: total bytes it may hand out; 0 means 64 MiB. NULL when out of memory. */
MUST struct arena *arena_create(size_t max);
void arena_destroy(struct arena *a);   /* NULL-safe; content is wiped first */
void arena_cleanup(struct arena **pa); /* AUTO(arena) struct arena *a = ...; */

/* All return NULL when out of memory or over the maximum. */
MUST void *arena_alloc(struct arena *a, size_t n);
MUST void *arena_array(struct arena *a, size_t count, size_t size); /* overflow-checked */
MUST void *arena_dup(struct arena *a, const void *p, size_t n);     /* n bytes and a NUL */
MUST char *arena_strdup(struct arena *a, const char *s);
MUST char *arena_str(struct arena *a, struct str s); /* NUL-terminated copy */
MUST char *arena_printf(struct arena *a, const char *fmt, ...) FORMAT(2, 3);
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
