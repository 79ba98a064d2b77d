/* Borrowed string views (never own memory) and strict number reading. */
#ifndef INRO_BASE_STR_H
#define INRO_BASE_STR_H

#include "base/err.h"

struct str {
    const char *p; /* not necessarily NUL-terminated */
    size_t n;
};

#define STR(lit) ((struct str){("" lit), sizeof(lit) - 1})
#define STR_NONE ((struct str){NULL, 0})

struct str str_from(const char *s); /* NULL gives an empty view */
bool str_eq(struct str a, struct str b);
bool str_eqs(struct str a, const char *b);
bool str_ieq(struct str a, struct str b); /* ASCII case-insensitive */
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s); /* ASCII white space on both sides */
/* Takes the part before sep from *rest; false when *rest is exhausted. */
bool str_split(struct str *rest, char sep, struct str *ret_part);
/* Whole string must be digits (one leading '-' allowed), within [min, max]. */
bool str_to_i64(struct str s, int64_t min, int64_t max, int64_t *ret);
bool str_is_utf8(struct str s); /* strict: no overlongs, surrogates, or NUL */
/* Equality without early exit, for secrets of equal length. */
bool str_eq_secret(struct str a, struct str b);

#endif
