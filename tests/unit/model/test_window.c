/* When roll-outs may begin: what the text means, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "model/window.h"

static int64_t at(const char *text)
{
    int64_t t = 0;
    assert_true(time_parse_rfc3339(text, &t));
    return t;
}

static void opens(const char *window, const char *now, const char *want)
{
    struct window w;
    struct err err = {0};
    if (window_parse(window, &w, &err) != RC_OK)
        fail_msg("%s: %s", window, err.en);
    int64_t got = window_next(&w, at(now));
    if (got != at(want)) {
        char text[32];
        time_rfc3339(got, text);
        fail_msg("%s at %s: %s, not %s", window, now, text, want);
    }
}

/* 2026-11-26 is a Thursday; 11-23 (Monday) and 11-03 (Tuesday) are holidays. */
static void it_opens(void **state)
{
    (void)state;
    /* every day, in Japan when nothing else is said */
    opens("02:00-05:00", "2026-11-26T00:00:00+09:00", "2026-11-26T02:00:00+09:00");
    opens("02:00-05:00", "2026-11-26T02:00:00+09:00", "2026-11-26T02:00:00+09:00");
    opens("02:00-05:00", "2026-11-26T04:59:59+09:00", "2026-11-26T04:59:59+09:00");
    opens("02:00-05:00", "2026-11-26T05:00:00+09:00", "2026-11-27T02:00:00+09:00");
    opens("02:00-05:00 +00:00", "2026-11-26T05:00:00Z", "2026-11-27T02:00:00Z");
    opens("02:00-05:00 -05:30", "2026-11-26T00:00:00Z", "2026-11-26T07:30:00Z");
    /* over midnight: it belongs to the day it opens on */
    opens("thu 22:00-05:00", "2026-11-27T04:00:00+09:00", "2026-11-27T04:00:00+09:00");
    opens("thu 22:00-05:00", "2026-11-27T05:00:00+09:00", "2026-12-03T22:00:00+09:00");
    opens("fri 22:00-05:00", "2026-11-27T04:00:00+09:00", "2026-11-27T22:00:00+09:00");
    /* days */
    opens("Mon-Wed 02:00-05:00", "2026-11-26T00:00:00+09:00", "2026-11-30T02:00:00+09:00");
    opens("sat-sun 02:00-05:00", "2026-11-26T00:00:00+09:00", "2026-11-28T02:00:00+09:00");
    opens("sun,tue 02:00-05:00", "2026-11-29T06:00:00+09:00", "2026-12-01T02:00:00+09:00");
    opens("fri-mon 02:00-05:00", "2026-11-24T00:00:00+09:00", "2026-11-27T02:00:00+09:00");
    opens("00:00-24:00", "2026-11-26T23:59:59+09:00", "2026-11-26T23:59:59+09:00");
    /* business days know Japanese holidays */
    opens("business 20:00-23:00", "2026-11-20T23:00:00+09:00", "2026-11-24T20:00:00+09:00");
    opens("mon-fri 20:00-23:00", "2026-11-20T23:00:00+09:00", "2026-11-23T20:00:00+09:00");
    opens("business 22:00-05:00", "2026-11-03T01:00:00+09:00", "2026-11-03T01:00:00+09:00");
    opens("business 22:00-05:00", "2026-11-03T23:00:00+09:00", "2026-11-04T22:00:00+09:00");
}

static void what_it_refuses(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "night",
                                       "mon",
                                       "02:00",
                                       "2:00-5:00",
                                       "02:00-25:00",
                                       "02:60-05:00",
                                       "24:00-02:00",
                                       "02:00-02:00",
                                       "mon- 02:00-05:00",
                                       "mon-xyz 02:00-05:00",
                                       "mon, 02:00-05:00 +9",
                                       "businessday 02:00-05:00",
                                       "mon 02:00-05:00 +09:00 x",
                                       "mon 02:00-05:00 +15:00",
                                       "mon tue 02:00-05:00",
                                       "02:00-05:00 mon"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct window w;
        struct err err = {0};
        if (window_parse(rows[i], &w, &err) == RC_OK)
            fail_msg("\"%s\" was taken", rows[i]);
        assert_string_equal(err.id, "model.window");
        assert_int_equal(err.rc, RC_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_opens),
                                       cmocka_unit_test(what_it_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
