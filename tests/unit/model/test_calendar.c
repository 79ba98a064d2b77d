/* The vendor's calendar: every holiday of 2020-2032 and every rule at both of its ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/calendar.h"

static int64_t day(const char *s)
{
    int64_t d = 0;
    if (!day_parse(s, &d))
        fail_msg("not a date: %s", s);
    return d;
}

static void is_day(int64_t got, const char *want)
{
    char text[16];
    day_text(got, text);
    assert_string_equal(text, want);
}

/* As announced by the Cabinet Office (2020-2027) and as the Act gives them after that. */
static const struct {
    int y;
    const char *days;
} holidays[] = {
    {2020, "0101 0113 0211 0223 0224 0320 0429 0503 0504 0505 0506 0723 0724 0810 0921 0922 1103 "
           "1123"},
    {2021, "0101 0111 0211 0223 0320 0429 0503 0504 0505 0722 0723 0808 0809 0920 0923 1103 1123"},
    {2022, "0101 0110 0211 0223 0321 0429 0503 0504 0505 0718 0811 0919 0923 1010 1103 1123"},
    {2023, "0101 0102 0109 0211 0223 0321 0429 0503 0504 0505 0717 0811 0918 0923 1009 1103 1123"},
    {2024, "0101 0108 0211 0212 0223 0320 0429 0503 0504 0505 0506 0715 0811 0812 0916 0922 0923 "
           "1014 1103 1104 1123"},
    {2025, "0101 0113 0211 0223 0224 0320 0429 0503 0504 0505 0506 0721 0811 0915 0923 1013 1103 "
           "1123 1124"},
    {2026, "0101 0112 0211 0223 0320 0429 0503 0504 0505 0506 0720 0811 0921 0922 0923 1012 1103 "
           "1123"},
    {2027, "0101 0111 0211 0223 0321 0322 0429 0503 0504 0505 0719 0811 0920 0923 1011 1103 1123"},
    {2028, "0101 0110 0211 0223 0320 0429 0503 0504 0505 0717 0811 0918 0922 1009 1103 1123"},
    {2029, "0101 0108 0211 0212 0223 0320 0429 0430 0503 0504 0505 0716 0811 0917 0923 0924 1008 "
           "1103 1123"},
    {2030, "0101 0114 0211 0223 0320 0429 0503 0504 0505 0506 0715 0811 0812 0916 0923 1014 1103 "
           "1104 1123"},
    {2031, "0101 0113 0211 0223 0224 0321 0429 0503 0504 0505 0506 0721 0811 0915 0923 1013 1103 "
           "1123 1124"},
    {2032, "0101 0112 0211 0223 0320 0429 0503 0504 0505 0719 0811 0920 0921 0922 1011 1103 1123"},
};

/* Each day of the thirteen years, in both directions: none is missing and none is too many. */
static void all_holidays_of_2020_to_2032(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(holidays); i++) {
        int64_t last = days_from_civil(holidays[i].y, 12, 31);
        for (int64_t d = days_from_civil(holidays[i].y, 1, 1); d <= last; d++) {
            char text[16], mmdd[5];
            day_text(d, text);
            snprintf(mmdd, sizeof mmdd, "%.2s%.2s", text + 5, text + 8);
            bool want = strstr(holidays[i].days, mmdd) != NULL;
            if ((holiday_name(d) != NULL) != want)
                fail_msg("%s is %s holiday", text, want ? "a" : "no");
        }
    }
}

static void holidays_have_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *day, *name;
    } rows[] = {
        {"2026-01-01", "元日"},         {"2026-01-12", "成人の日"},
        {"2026-02-11", "建国記念の日"}, {"2026-02-23", "天皇誕生日"},
        {"2026-03-20", "春分の日"},     {"2026-04-29", "昭和の日"},
        {"2026-05-03", "憲法記念日"},   {"2026-05-04", "みどりの日"},
        {"2026-05-05", "こどもの日"},   {"2026-05-06", "休日"},
        {"2026-07-20", "海の日"},       {"2026-08-11", "山の日"},
        {"2026-09-21", "敬老の日"},     {"2026-09-22", "休日"},
        {"2026-09-23", "秋分の日"},     {"2026-10-12", "スポーツの日"},
        {"2026-11-03", "文化の日"},     {"2026-11-23", "勤労感謝の日"},
        {"2020-07-23", "海の日"},       {"2020-07-24", "スポーツの日"},
        {"2020-08-10", "山の日"},       {"2021-08-08", "山の日"},
        {"2021-08-09", "休日"},         {"2023-01-02", "休日"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *name = holiday_name(day(rows[i].day));
        if (!name || strcmp(name, rows[i].name) != 0)
            fail_msg("%s is %s, not %s", rows[i].day, name ? name : "none", rows[i].name);
    }
    assert_null(holiday_name(day("2020-07-20"))); /* the rules' own days, moved away */
    assert_null(holiday_name(day("2020-08-11")));
    assert_null(holiday_name(day("2020-10-12")));
    assert_null(holiday_name(day("2021-10-11")));
}

static void days_are_japans(void **state)
{
    (void)state;
    int64_t t;
    assert_true(time_parse_rfc3339("2028-03-31T14:59:59Z", &t));
    is_day(jst_day(t), "2028-03-31");
    is_day(jst_day(t + USEC_PER_SEC), "2028-04-01"); /* midnight in Tokyo */
    assert_int_equal(jst_midnight(day("2028-04-01")), t + USEC_PER_SEC);
    assert_int_equal(jst_day(jst_midnight(day("1970-01-01"))), 0);
    is_day(jst_day(-1 - 9 * 3600 * USEC_PER_SEC), "1969-12-31");
    assert_int_equal(day_of_week(day("2026-11-24")), 2); /* a Tuesday */
    assert_int_equal(day_of_week(day("2032-02-29")), 0);
    char ja[32];
    day_text_ja(day("2026-01-05"), ja);
    assert_string_equal(ja, "2026年1月5日");
}

static void dates_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "2026-2-3",    "2026-02-29", "2100-02-29",
                                      "2026-13-01", "2026-00-01",  "2026-01-00", "2026-04-31",
                                      "20260401",   "2026-04-011", "2026/04/01", " 2026-04-1",
                                      "2026-04-1x", "-026-04-01",  "2026-+4-01"};
    int64_t d = 77;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (day_parse(bad[i], &d))
            fail_msg("\"%s\" was taken for a date", bad[i]);
    assert_int_equal(d, 77);
    assert_false(day_parse(NULL, &d));
    assert_true(day_parse("2028-02-29", &d) && day_parse("2000-02-29", &d));
}

static void months_have_their_ends(void **state)
{
    (void)state;
    is_day(month_last(day("2028-02-01")), "2028-02-29");
    is_day(month_last(day("2027-02-28")), "2027-02-28");
    is_day(month_last(day("2027-12-05")), "2027-12-31");
    is_day(month_first(day("2027-12-31"), 1), "2028-01-01");
    is_day(month_first(day("2027-01-31"), -1), "2026-12-01");
    is_day(month_first(day("2027-01-31"), 0), "2027-01-01");
}

static void business_days(void **state)
{
    (void)state;
    assert_true(is_business_day(day("2026-11-24")));
    assert_false(is_business_day(day("2026-11-23")));           /* holiday */
    assert_false(is_business_day(day("2026-11-21")));           /* Saturday */
    assert_false(is_business_day(day("2026-11-22")));           /* Sunday */
    is_day(next_business_day(day("2026-11-20")), "2026-11-24"); /* Friday, three days off */
    is_day(next_business_day(day("2024-05-02")), "2024-05-07"); /* the long week */
    is_day(next_business_day(day("2026-09-18")), "2026-09-24"); /* five days off */
    is_day(add_business_days(day("2026-09-17"), 2), "2026-09-24");
    is_day(add_business_days(day("2026-09-17"), 0), "2026-09-17");
    assert_int_equal(business_days_left(day("2024-02-01")), 19); /* a leap February */
    assert_int_equal(business_days_left(day("2024-02-29")), 1);
    assert_int_equal(business_days_left(day("2026-05-31")), 0); /* a Sunday, the last day */
}

static void fiscal_years_begin_in_april(void **state)
{
    (void)state;
    assert_int_equal(fiscal_year(day("2024-03-31")), 2023);
    assert_int_equal(fiscal_year(day("2024-04-01")), 2024);
    assert_int_equal(fiscal_year(day("2024-12-31")), 2024);
    assert_int_equal(fiscal_year(day("2024-01-01")), 2023);
}

static void first_licence_runs_to_the_next_fiscal_year_s_end(void **state)
{
    (void)state;
    is_day(first_licence_end(day("2023-04-01")), "2025-03-31"); /* the longest: two years */
    is_day(first_licence_end(day("2024-03-29")), "2025-03-31"); /* starts in April: no matter */
    is_day(first_licence_end(day("2024-03-31")), "2025-03-31"); /* the shortest: a year and a day */
    is_day(first_licence_end(day("2024-04-01")), "2026-03-31");
    is_day(first_licence_end(day("2024-02-29")), "2025-03-31");
    for (int64_t d = day("2020-01-01"); d <= day("2032-12-31"); d++) {
        int64_t n = first_licence_end(d) - d + 1; /* both ends counted */
        assert_true(n >= 366 && n <= 731);        /* more than a year, at most two */
    }
}

static void renewal_is_offered_in_april_for_two_years(void **state)
{
    (void)state;
    assert_false(renewal_offered(day("2025-03-31")));
    assert_true(renewal_offered(day("2025-04-01")));
    assert_true(renewal_offered(day("2025-04-30")));
    assert_false(renewal_offered(day("2025-05-01")));
    is_day(renewal_end(day("2025-04-01")), "2027-03-31");
    is_day(renewal_end(day("2025-04-30")), "2027-03-31");
    is_day(renewal_end(day("2028-04-15")), "2030-03-31");
}

static void orders_are_accepted_on_the_next_business_day(void **state)
{
    (void)state;
    is_day(order_accepted(day("2023-11-21")), "2023-11-22");
    is_day(order_accepted(day("2023-11-22")), "2023-11-24"); /* over the holiday */
    is_day(order_accepted(day("2023-11-24")), "2023-11-27"); /* over the weekend */
    is_day(order_accepted(day("2023-11-25")), "2023-11-27");
    is_day(share_due(day("2023-11-27")), "2023-12-04");
    is_day(share_due(day("2024-04-26")), "2024-05-08"); /* over the long week: 30, 1, 2, 7, 8 */
}

static void five_business_days_left_start_the_next_month(void **state)
{
    (void)state;
    assert_int_equal(business_days_left(day("2023-11-22")), 6);
    assert_int_equal(business_days_left(day("2023-11-23")), 5);
    is_day(order_start_month(day("2023-11-22")), "2023-11-01");
    is_day(order_begins(day("2023-11-22")), "2023-11-22");
    is_day(order_start_month(day("2023-11-23")), "2023-12-01");
    is_day(order_begins(day("2023-11-23")), "2023-12-01");
    for (int64_t d = day("2023-11-23"); d <= day("2023-11-30"); d++)
        is_day(order_begins(d), "2023-12-01");
    is_day(order_begins(day("2023-12-01")), "2023-12-01");
    is_day(order_start_month(day("2023-12-31")), "2024-01-01"); /* over the year's end */
    is_day(order_start_month(day("2024-02-22")), "2024-03-01"); /* leap: 22 26 27 28 29 */
    is_day(order_start_month(day("2024-02-21")), "2024-02-01");
    is_day(order_start_month(day("2023-02-22")), "2023-03-01"); /* 22 24 27 28 */
    is_day(order_start_month(day("2023-02-21")), "2023-03-01"); /* 21 22 24 27 28 */
    is_day(order_start_month(day("2023-02-20")), "2023-02-01");
}

static void cancellation_ends_a_month(void **state)
{
    (void)state;
    is_day(cancellation_end(day("2026-11-01")), "2026-11-30");
    is_day(cancellation_end(day("2026-11-20")), "2026-11-30");
    is_day(cancellation_end(day("2026-11-21")), "2026-12-31");
    is_day(cancellation_end(day("2026-11-30")), "2026-12-31");
    is_day(cancellation_end(day("2026-12-21")), "2027-01-31");
    is_day(cancellation_end(day("2028-02-20")), "2028-02-29");
    is_day(cancellation_end(day("2028-01-31")), "2028-02-29");
    is_day(cancellation_end(day("2027-01-21")), "2027-02-28");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_holidays_of_2020_to_2032),
        cmocka_unit_test(holidays_have_their_names),
        cmocka_unit_test(days_are_japans),
        cmocka_unit_test(dates_are_read_strictly),
        cmocka_unit_test(months_have_their_ends),
        cmocka_unit_test(business_days),
        cmocka_unit_test(fiscal_years_begin_in_april),
        cmocka_unit_test(first_licence_runs_to_the_next_fiscal_year_s_end),
        cmocka_unit_test(renewal_is_offered_in_april_for_two_years),
        cmocka_unit_test(orders_are_accepted_on_the_next_business_day),
        cmocka_unit_test(five_business_days_left_start_the_next_month),
        cmocka_unit_test(cancellation_ends_a_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
