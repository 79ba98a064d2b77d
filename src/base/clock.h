/*
 * Time. All stored and compared times are int64_t microseconds since 1970-01-01 UTC.
 * Code takes a `const struct clock *` so that tests can set the time; deadlines use the
 * monotonic part, which never jumps.
 */
#ifndef INRO_BASE_CLOCK_H
#define INRO_BASE_CLOCK_H

#include "base/err.h"

#define USEC_PER_SEC  ((int64_t)1000000)
#define USEC_PER_MSEC ((int64_t)1000)
#define USEC_PER_DAY  (86400 * USEC_PER_SEC)
/* 2026-01-01, before the first release: a clock that stands earlier is wrong. */
#define BUILT_AT (INT64_C(1767225600) * USEC_PER_SEC)

struct clock {
    int64_t (*now)(const struct clock *);  /* wall clock, UTC microseconds */
    int64_t (*mono)(const struct clock *); /* monotonic microseconds */
    int64_t offset;                        /* added to the wall clock (tests); 0 for the real one */
};

/* The real clock, shifted by the environment variable INRO_CLOCK_OFFSET (seconds; for tests). */
const struct clock *clock_real(void);
/* A clock that stands at `at` until the caller changes c->offset. */
void clock_fake_init(struct clock *c, int64_t at);
int64_t clock_now(const struct clock *c);
int64_t clock_mono(const struct clock *c);

/* RFC 3339 in UTC with seconds, "2026-11-24T12:34:56Z". out holds at least 32 bytes. */
void time_rfc3339(int64_t usec, char out[32]);
/* Reads RFC 3339 (any offset, fraction kept to microseconds). */
bool time_parse_rfc3339(const char *s, int64_t *ret_usec);
/* RFC 5322 date in a fixed offset (minutes east), "Fri, 02 Jan 2026 12:04:05 +0900". */
void time_rfc5322(int64_t usec, int offset_min, char out[48]);
/* RFC 9110 HTTP-date (IMF-fixdate only), or false. */
bool time_parse_http(const char *s, int64_t *ret_usec);
/* Proleptic Gregorian civil date <-> days since 1970-01-01. */
int64_t days_from_civil(int64_t y, int m, int d);
void civil_from_days(int64_t days, int64_t *ret_y, int *ret_m, int *ret_d);

#endif
