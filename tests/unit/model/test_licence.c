/* What a licence covers: to the second at its ends, to the piece at its counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "model/calendar.h"
#include "model/licence.h"

#define SEC USEC_PER_SEC
#define DAY USEC_PER_DAY
#define US  "00112233445566778899aabbccddeeff"

static int64_t at(const char *s)
{
    int64_t v = 0;
    assert_true(time_parse_rfc3339(s, &v));
    return v;
}

static struct licence sample(void)
{
    return (struct licence){.serial = 7,
                            .service_code = "123456789012",
                            .licensee = "サンプル",
                            .plan = PLAN_BASIC_SERVER,
                            .certificates = 2,
                            .targets = 5,
                            .begins = at("2026-12-01T00:00:00+09:00"),
                            .ends = at("2028-04-01T00:00:00+09:00"),
                            .installation = US,
                            .issued = at("2026-11-24T12:34:56+09:00"),
                            .key_id = "8899aabbccddeeff"};
}

static struct licence_status judged(const struct licence *l, int64_t now, int64_t high)
{
    struct licence_status s;
    licence_judge(&(struct licence_facts){l, now, high}, &s);
    return s;
}

static void without_a_file_it_is_meets(void **state)
{
    (void)state;
    struct licence_status s = judged(NULL, at("2039-01-01T00:00:00Z"), 0);
    struct err err = {0};
    assert_int_equal(s.state, LICENCE_NONE);
    assert_string_equal(plan_label(s.plan).ja, "ミーツ");
    assert_int_equal(s.certificates, 1);
    assert_int_equal(s.targets, 1);
    assert_int_equal(s.days_left, -1);
    assert_int_equal(s.warning, 0);
    assert_int_equal(licence_may_change(&s, &err), RC_OK);
    assert_int_equal(licence_may_add_certificate(&s, 0, &err), RC_OK);
    assert_int_equal(licence_may_add_certificate(&s, 1, &err), RC_LICENCE);
    assert_int_equal(licence_may_add_target(&s, 0, &err), RC_OK);
    assert_int_equal(licence_may_add_target(&s, 1, &err), RC_LICENCE);
}

/* Midnight of 31 March in Tokyo is 15:00 of that day in UTC. */
static void ends_at_midnight_in_japan(void **state)
{
    (void)state;
    struct licence l = sample();
    struct err err = {0};
    int64_t end = at("2028-03-31T15:00:00Z");
    struct licence_status s = judged(&l, end - 1, 0);
    assert_int_equal(s.state, LICENCE_ENDING);
    assert_int_equal(s.days_left, 0);
    assert_int_equal(s.warning, 1);
    assert_int_equal(licence_may_change(&s, &err), RC_OK);
    s = judged(&l, end, 0);
    assert_int_equal(s.state, LICENCE_ENDED);
    assert_int_equal(licence_may_change(&s, &err), RC_LICENCE);
    assert_string_equal(err.id, "licence.ended");
    assert_non_null(strstr(err.en, "2028-03-31"));
    assert_non_null(strstr(err.ja, "2028年3月31日"));
    assert_int_equal(licence_may_add_certificate(&s, 0, &err), RC_LICENCE);
    assert_string_equal(err.id, "licence.ended");
    assert_int_equal(licence_may_add_target(&s, 0, &err), RC_LICENCE);
}

static void warnings_at_their_days(void **state)
{
    (void)state;
    static const struct {
        int64_t left, want;
    } rows[] = {{400, 0}, {61, 0}, {60, 60}, {31, 60}, {30, 30}, {15, 30},
                {14, 14}, {8, 14}, {7, 7},   {2, 7},   {1, 1},   {0, 1}};
    struct licence l = sample();
    int64_t last_day = jst_midnight(jst_day(l.ends - 1));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t now = last_day - rows[i].left * DAY; /* the first and last second of that day */
        struct licence_status a = judged(&l, now, 0), b = judged(&l, now + DAY - SEC, 0);
        assert_int_equal(a.days_left, rows[i].left);
        assert_int_equal(b.days_left, rows[i].left);
        assert_int_equal(a.warning, rows[i].want);
        assert_int_equal(b.warning, rows[i].want);
        assert_int_equal(a.state, rows[i].want ? LICENCE_ENDING : LICENCE_VALID);
    }
}

static void counters_to_the_piece(void **state)
{
    (void)state;
    struct licence l = sample();
    struct licence_status s = judged(&l, l.begins, 0);
    struct err err = {0};
    assert_int_equal(licence_may_add_certificate(&s, 1, &err), RC_OK);
    assert_int_equal(licence_may_add_certificate(&s, 2, &err), RC_LICENCE);
    assert_string_equal(err.id, "licence.certificates");
    assert_int_equal(licence_may_add_certificate(&s, 3, &err), RC_LICENCE); /* a smaller licence */
    assert_int_equal(licence_may_add_target(&s, 4, &err), RC_OK);
    assert_int_equal(licence_may_add_target(&s, 5, &err), RC_LICENCE);
    assert_string_equal(err.id, "licence.targets");
    assert_non_null(strstr(err.ja, "サーバー追加"));
    assert_int_equal(licence_may_change(&s, &err), RC_OK); /* full is not ended */
}

static void turning_the_clock_back_gives_nothing(void **state)
{
    (void)state;
    struct licence l = sample();
    struct licence_status s = judged(&l, l.ends - 100 * DAY, l.ends + SEC);
    assert_int_equal(s.state, LICENCE_ENDED);
    assert_true(s.clock_back);
    s = judged(&l, l.ends - 100 * DAY, l.ends - 100 * DAY + 3600 * SEC); /* an hour: no matter */
    assert_false(s.clock_back);
    assert_int_equal(s.state, LICENCE_VALID);
}

static void highest_time_believes_no_leap_at_once(void **state)
{
    (void)state;
    int64_t now = at("2027-01-01T00:00:00Z"), since = 0, mono = 1000 * SEC;
    int64_t high = licence_high_next(0, now, mono, &since);
    assert_int_equal(high, now);
    assert_int_equal(licence_high_next(high, now + DAY, mono, &since), now + DAY);
    assert_int_equal(licence_high_next(high, now - DAY, mono, &since), high);
    /* 2039: not believed, and forgotten when it is put right */
    int64_t wrong = at("2039-01-01T00:00:00Z");
    assert_int_equal(licence_high_next(high, wrong, mono, &since), high);
    assert_int_equal(licence_high_next(high, wrong, mono + 3599 * SEC, &since), high);
    assert_int_equal(licence_high_next(high, now + SEC, mono + 3599 * SEC, &since), now + SEC);
    assert_int_equal(since, 0);
    /* a month in the cupboard: believed after an hour of standing */
    int64_t later = now + 30 * DAY;
    assert_int_equal(licence_high_next(high, later, mono, &since), high);
    assert_int_equal(licence_high_next(high, later + 3600 * SEC, mono + 3600 * SEC, &since),
                     later + 3600 * SEC);
    /* the monotonic clock began anew with the machine */
    assert_int_equal(licence_high_next(high, later, mono, &since), high);
    assert_int_equal(licence_high_next(high, later, 5 * SEC, &since), high);
    assert_int_equal(since, 5 * SEC);
}

static void expect(const struct licence *l, const struct licence *old, int64_t now, const char *id)
{
    struct err err = {0};
    enum rc rc = licence_accept(l, old, US, now, &err);
    if (!id)
        assert_int_equal(rc, RC_OK);
    else if (rc == RC_OK || strcmp(err.id, id) != 0)
        fail_msg("%s expected, got %s", id, err.id);
    if (id)
        assert_true(err.en[0] && err.ja[0]);
}

static void which_file_may_replace_which(void **state)
{
    (void)state;
    struct licence l = sample(), old = sample();
    int64_t now = l.begins;
    expect(&l, NULL, now, NULL);
    expect(&l, NULL, now - SEC, "licence.not_yet");
    expect(&l, NULL, l.ends - SEC, NULL);
    expect(&l, NULL, l.ends, "licence.expired");
    l.installation = "ffffffffffffffffffffffffffffffff";
    expect(&l, NULL, now, "licence.installation");
    l.installation = US;
    expect(&l, &old, now, "licence.same");
    l.serial = 6;
    expect(&l, &old, now, "licence.older");
    l.serial = 8;
    expect(&l, &old, now, NULL);
    l.targets = 1; /* smaller is no reason: what is there stays, nothing is added */
    expect(&l, &old, now, NULL);
    /* another issuer: the time of issue decides */
    l.key_id = "0000000000000000";
    l.serial = 1;
    l.issued = old.issued + SEC;
    expect(&l, &old, now, NULL);
    l.issued = old.issued - SEC;
    expect(&l, &old, now, "licence.older");
}

static void plans_and_their_counters(void **state)
{
    (void)state;
    const char *plan;
    int64_t certs, targets;
    plan_of(1, 0, &plan, &certs, &targets);
    assert_string_equal(plan_label(plan).ja, "ベーシック");
    assert_true(certs == 1 && targets == 1);
    plan_of(2, 3, &plan, &certs, &targets);
    assert_string_equal(plan_label(plan).ja, "ベーシック サーバー追加");
    assert_true(certs == 2 && targets == 5);
    assert_string_equal(plan_label("later-plan").ja, "later-plan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_it_is_meets),
        cmocka_unit_test(ends_at_midnight_in_japan),
        cmocka_unit_test(warnings_at_their_days),
        cmocka_unit_test(counters_to_the_piece),
        cmocka_unit_test(turning_the_clock_back_gives_nothing),
        cmocka_unit_test(highest_time_believes_no_leap_at_once),
        cmocka_unit_test(which_file_may_replace_which),
        cmocka_unit_test(plans_and_their_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
