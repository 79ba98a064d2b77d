/* Time: formats both ways, both ends of the range, leap years, fake clocks, the test offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"

static void formats_3339(const char *want, int64_t sec)
{
    char out[32];
    time_rfc3339(sec * USEC_PER_SEC, out);
    assert_string_equal(out, want);
    int64_t back = 1;
    assert_true(time_parse_rfc3339(want, &back));
    assert_true(back == sec * USEC_PER_SEC);
}

static void rfc3339_goes_both_ways(void **state)
{
    (void)state;
    formats_3339("1970-01-01T00:00:00Z", 0);
    formats_3339("1969-12-31T23:59:59Z", -1);
    formats_3339("2000-02-29T23:59:59Z", 951868799);
    formats_3339("2038-01-19T03:14:08Z", 2147483648);
    formats_3339("2100-03-01T00:00:00Z", 4107542400);
    formats_3339("0001-01-01T00:00:00Z", -62135596800);
    formats_3339("9999-12-31T23:59:59Z", 253402300799);
    char out[32];
    time_rfc3339(-1, out); /* a microsecond before is the second before */
    assert_string_equal(out, "1969-12-31T23:59:59Z");
    time_rfc3339(INT64_MAX, out);
    assert_true(strlen(out) < 32);
    time_rfc3339(INT64_MIN, out);
    assert_true(strlen(out) < 32);
}

static void offsets_and_fractions_are_read(void **state)
{
    (void)state;
    int64_t v = 0;
    assert_true(time_parse_rfc3339("2026-01-05T14:09:07.999999999Z", &v));
    assert_true(v == 1767622147999999);
    assert_true(time_parse_rfc3339("2026-01-05T23:09:07.5+09:00", &v));
    assert_true(v == 1767622147500000);
    assert_true(time_parse_rfc3339("2026-01-05 09:09:07-05:00", &v));
    assert_true(v == 1767622147000000);
    assert_true(time_parse_rfc3339("2026-01-05t14:09:07z", &v));
}

static void broken_times_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-01-05",
                                      "2026-01-05T14:09:07",
                                      "2026-1-5T14:09:07Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-01-32T00:00:00Z",
                                      "2026-01-00T00:00:00Z",
                                      "2025-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-01-01T24:00:00Z",
                                      "2026-01-01T00:60:00Z",
                                      "2026-01-01T00:00:61Z",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00+24:00",
                                      "2026-01-01T00:00:00+0900",
                                      "2026-01-01T00:00:00Zx",
                                      " 2026-01-01T00:00:00Z"};
    int64_t v = 5;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (time_parse_rfc3339(bad[i], &v))
            fail_msg("accepted %s", bad[i]);
    assert_true(v == 5);
    assert_true(time_parse_rfc3339("2000-02-29T00:00:00Z", &v));
}

static void civil_dates_go_both_ways_over_centuries(void **state)
{
    (void)state;
    for (int64_t day = -800000; day < 3000000; day += 37) {
        int64_t y;
        int m, d;
        civil_from_days(day, &y, &m, &d);
        assert_true(m >= 1 && m <= 12 && d >= 1 && d <= 31);
        assert_true(days_from_civil(y, m, d) == day);
    }
    assert_int_equal(days_from_civil(1970, 1, 1), 0);
    assert_int_equal(days_from_civil(2000, 3, 1) - days_from_civil(2000, 2, 28), 2);
    assert_int_equal(days_from_civil(1900, 3, 1) - days_from_civil(1900, 2, 28), 1);
}

static void mail_and_http_dates(void **state)
{
    (void)state;
    char out[48];
    time_rfc5322(1767323045 * USEC_PER_SEC, 9 * 60, out);
    assert_string_equal(out, "Fri, 02 Jan 2026 12:04:05 +0900");
    time_rfc5322(0, -(3 * 60 + 30), out);
    assert_string_equal(out, "Wed, 31 Dec 1969 20:30:00 -0330");
    int64_t v = 0;
    assert_true(time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &v));
    assert_true(v == 784111777 * USEC_PER_SEC);
    static const char *const bad[] = {"",
                                      "Sunday, 06-Nov-94 08:49:37 GMT",
                                      "Sun Nov  6 08:49:37 1994",
                                      "Sun, 06 Xxx 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "120"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(time_parse_http(bad[i], &v));
}

static void a_fake_clock_stands_until_moved(void **state)
{
    (void)state;
    struct clock c;
    clock_fake_init(&c, 1000);
    assert_int_equal(clock_now(&c), 1000);
    assert_int_equal(clock_mono(&c), 1000);
    c.offset += 5;
    assert_int_equal(clock_now(&c), 1005);
}

static void the_real_clock_runs_with_the_offset_of_the_environment(void **state)
{
    (void)state;
    const struct clock *c = clock_real();
    int64_t skew = clock_now(c) - (int64_t)time(NULL) * USEC_PER_SEC - 86400 * 100 * USEC_PER_SEC;
    assert_true(skew > -2 * USEC_PER_SEC && skew < 3 * USEC_PER_SEC);
    int64_t before = clock_mono(c);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono(c);
        assert_true(now >= before);
        before = now;
    }
    assert_ptr_equal(c, clock_real());
}

int main(void)
{
    (void)setenv("INRO_CLOCK_OFFSET", "8640000", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_goes_both_ways),
        cmocka_unit_test(offsets_and_fractions_are_read),
        cmocka_unit_test(broken_times_are_refused),
        cmocka_unit_test(civil_dates_go_both_ways_over_centuries),
        cmocka_unit_test(mail_and_http_dates),
        cmocka_unit_test(a_fake_clock_stands_until_moved),
        cmocka_unit_test(the_real_clock_runs_with_the_offset_of_the_environment),
    };
    return cmocka_run_group_tests_name("base.clock", tests, NULL, NULL);
}
