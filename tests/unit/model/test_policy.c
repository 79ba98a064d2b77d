/* Renewal, retry and health at their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "model/policy.h"

#define DAY USEC_PER_DAY
#define SEC USEC_PER_SEC

static const int64_t t0 = 1700000000 * USEC_PER_SEC;

/* All seeds fall in [after - before - life/12, after - before]. */
static void renewal_by_share_of_lifetime(void **state)
{
    (void)state;
    static const struct {
        int64_t life, part;
    } rows[] = {{90 * DAY, 3},     {47 * DAY, 3}, {10 * DAY, 3},
                {10 * DAY - 1, 2}, {6 * DAY, 2},  {90 * SEC, 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t life = rows[i].life, lo = INT64_MAX, hi = 0;
        for (uint64_t seed = 0; seed < 500; seed++) {
            struct renew_facts f = {.not_before = t0, .not_after = t0 + life, .seed = seed};
            int64_t at = renew_time(&f);
            assert_int_equal(at, renew_time(&f));
            lo = at < lo ? at : lo;
            hi = at > hi ? at : hi;
        }
        int64_t latest = t0 + life - life / rows[i].part;
        assert_true(hi <= latest && lo >= latest - life / 12);
        assert_true(hi - lo > life / 24); /* really spread */
    }
}

static void renewal_window_valid_past_inverted(void **state)
{
    (void)state;
    struct renew_facts f = {.not_before = t0, .not_after = t0 + 90 * DAY};
    for (f.seed = 0; f.seed < 200; f.seed++) {
        f.window_start = t0 + 50 * DAY;
        f.window_end = t0 + 52 * DAY;
        int64_t at = renew_time(&f);
        assert_true(at >= f.window_start && at <= f.window_end);
        f.window_start = t0 - 5 * DAY; /* the CA wants it replaced: at once, not before birth */
        f.window_end = t0 - 4 * DAY;
        assert_int_equal(renew_time(&f), t0);
        f.window_start = t0 + 52 * DAY; /* inverted: as if there were none */
        f.window_end = t0 + 50 * DAY;
        assert_true(renew_time(&f) <= t0 + 60 * DAY && renew_time(&f) >= t0 + 52 * DAY);
        f.window_start = t0 + 100 * DAY; /* after the end */
        f.window_end = t0 + 101 * DAY;
        assert_int_equal(renew_time(&f), t0 + 90 * DAY);
    }
}

static void renewal_extremes(void **state)
{
    (void)state;
    int64_t y9999 = INT64_C(253402300799) * SEC;
    struct renew_facts f = {.not_before = t0, .not_after = y9999, .seed = 7};
    assert_true(renew_time(&f) > t0 && renew_time(&f) < y9999);
    f = (struct renew_facts){.not_before = t0, .not_after = t0 + DAY, .before = 400 * DAY};
    assert_int_equal(renew_time(&f), t0);
    f = (struct renew_facts){.not_before = t0, .not_after = t0 - 1};
    assert_int_equal(renew_time(&f), t0);
}

static void retry_by_blame(void **state)
{
    (void)state;
    static const struct {
        enum rc rc;
        enum blame blame;
        enum retry_plan plan;
    } rows[] = {{RC_INPUT, BLAME_INPUT, RETRY_BLOCK},  {RC_REMOTE, BLAME_REMOTE, RETRY_LATER},
                {RC_NET, BLAME_NETWORK, RETRY_LATER},  {RC_INTERNAL, BLAME_US, RETRY_BLOCK},
                {RC_CORRUPT, BLAME_US, RETRY_BLOCK},   {RC_BUSY, BLAME_US, RETRY_LATER},
                {RC_RATE, BLAME_INPUT, RETRY_LATER},   {RC_LICENCE, BLAME_INPUT, RETRY_BLOCK},
                {RC_REMOTE, BLAME_INPUT, RETRY_BLOCK}, {RC_TIMEOUT, BLAME_UNKNOWN, RETRY_LATER}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct retry_facts f = {.rc = rows[i].rc, .blame = rows[i].blame, .attempts = 1, .now = t0};
        int64_t at = 0;
        assert_int_equal(retry_decide(&f, &at), rows[i].plan);
        if (rows[i].plan == RETRY_BLOCK)
            assert_int_equal(at, t0 + DAY);
        else
            assert_true(at >= t0 + 15 * SEC && at <= t0 + 30 * SEC);
    }
}

static void retry_bounds(void **state)
{
    (void)state;
    struct retry_facts f = {.rc = RC_NET, .blame = BLAME_NETWORK, .now = t0};
    int64_t at = 0;
    for (f.attempts = -1; f.attempts <= 1000; f.attempts++)
        for (f.seed = 0; f.seed < 20; f.seed++) {
            assert_int_equal(retry_decide(&f, &at), RETRY_LATER);
            assert_true(at >= t0 + 15 * SEC && at <= t0 + DAY);
        }
    assert_true(at >= t0 + DAY / 2); /* attempts 1000 */
    static const struct {
        int64_t asked, given;
    } rows[] = {{1, SEC},           {SEC - 1, SEC}, {SEC, SEC},    {SEC + 1, SEC + 1},
                {DAY - 1, DAY - 1}, {DAY, DAY},     {DAY + 1, DAY}};
    f.attempts = 2;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f.retry_at = t0 + rows[i].asked;
        assert_int_equal(retry_decide(&f, &at), RETRY_LATER);
        assert_int_equal(at, t0 + rows[i].given);
    }
    f.retry_at = INT64_MAX;
    assert_int_equal(retry_decide(&f, &at), RETRY_LATER);
    assert_int_equal(at, t0 + DAY);
    /* one who always says "at once" is not believed for ever */
    f.retry_at = t0 + SEC;
    for (f.attempts = 3; f.attempts < 20; f.attempts++) {
        assert_int_equal(retry_decide(&f, &at), RETRY_LATER);
        assert_true(at >= t0 + 60 * SEC);
    }
}

static void health_from_facts(void **state)
{
    (void)state;
    struct health_facts f = {.now = 0, .built_at = t0, .has_current = true};
    assert_int_equal(cert_health(&f), HEALTH_CLOCK_WRONG); /* 1970 */
    f = (struct health_facts){.now = t0, .built_at = t0};
    assert_int_equal(cert_health(&f), HEALTH_NEW);
    f.ordering = true;
    assert_int_equal(cert_health(&f), HEALTH_ORDERING);
    f.ordering = false;
    f.order_failed = true;
    assert_int_equal(cert_health(&f), HEALTH_FAILED);
    f.has_current = true;
    f.not_before = t0;
    f.not_after = t0 + 90 * DAY;
    assert_int_equal(cert_health(&f), HEALTH_VALID);
    f.now = f.not_after - 15 * DAY;
    assert_int_equal(cert_health(&f), HEALTH_VALID);
    f.now++;
    assert_int_equal(cert_health(&f), HEALTH_EXPIRING);
    f.drift = true;
    assert_int_equal(cert_health(&f), HEALTH_DRIFT);
    f.deploy_failed = true;
    assert_int_equal(cert_health(&f), HEALTH_DEPLOY_FAILED);
    f.now = f.not_after;
    assert_int_equal(cert_health(&f), HEALTH_EXPIRED);
    f.revoked = true;
    assert_int_equal(cert_health(&f), HEALTH_REVOKED);
    assert_string_equal(cert_health_name(HEALTH_CLOCK_WRONG), "clock_wrong");
    assert_string_equal(cert_health_name((enum cert_health)99), "unknown");
    assert_string_equal(version_state_name(VERSION_FAILED), "failed");
    assert_string_equal(item_state_name(ITEM_SKIPPED), "skipped");
    assert_string_equal(order_state_name(ORDER_CANCELLED), "cancelled");
    assert_string_equal(deployment_state_name(DEPLOYMENT_UNDONE), "undone");
    assert_string_equal(job_state_name(JOB_CANCELLED), "cancelled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renewal_by_share_of_lifetime),
        cmocka_unit_test(renewal_window_valid_past_inverted),
        cmocka_unit_test(renewal_extremes),
        cmocka_unit_test(retry_by_blame),
        cmocka_unit_test(retry_bounds),
        cmocka_unit_test(health_from_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
