/* The vendor's rules: the days of an order, who may order what, what a cancellation proves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "model/calendar.h"
#include "model/vendor.h"

static int64_t day(const char *s)
{
    int64_t d = 0;
    assert_true(day_parse(s, &d));
    return d;
}

static void is_day(int64_t got, const char *want)
{
    char text[16];
    day_text(got, text);
    assert_string_equal(text, want);
}

static void days_of_an_order(void **state)
{
    (void)state;
    struct vendor_order o = {.kind = "basic", .ordered_on = day("2023-11-22")};
    vendor_order_terms(&o);
    is_day(o.accept_on, "2023-11-24");
    is_day(o.share_due, "2023-12-01");
    is_day(o.starts_on, "2023-11-01");
    is_day(o.begins_on, "2023-11-22");
    is_day(o.ends_on, "2025-03-31");
    o.ordered_on = day("2023-11-23");
    vendor_order_terms(&o);
    is_day(o.starts_on, "2023-12-01");
    is_day(o.begins_on, "2023-12-01");
    /* ordered in March, begun in April: the fiscal year is the order's */
    o = (struct vendor_order){.kind = "option", .ordered_on = day("2024-03-29")};
    vendor_order_terms(&o);
    is_day(o.begins_on, "2024-04-01");
    is_day(o.ends_on, "2025-03-31");
    o = (struct vendor_order){.kind = "renewal", .ordered_on = day("2025-04-30")};
    vendor_order_terms(&o);
    is_day(o.begins_on, "2025-04-30");
    is_day(o.ends_on, "2027-03-31");
}

static const struct vendor_customer active = {
    .id = 1, .service_code = "123456789012", .name = "A", .state = "active"};

static void order(const char *kind, int64_t basics, int64_t servers, struct vendor_has has,
                  const char *id)
{
    struct vendor_order o = {.kind = kind, .basics = basics, .servers = servers};
    struct err err = {0};
    enum rc rc = vendor_order_check(&o, &active, &has, &err);
    if (!id && rc != RC_OK)
        fail_msg("%s %lld+%lld: %s", kind, (long long)basics, (long long)servers, err.en);
    if (id && (rc == RC_OK || strcmp(err.id, id) != 0))
        fail_msg("%s: %s expected, got %s", kind, id, err.id);
}

static void who_may_order_what(void **state)
{
    (void)state;
    const struct vendor_has none = {0}, meets = {.meets = true}, basic = {.basics = 1};
    order("basic", 1, 0, none, NULL);
    order("basic", 2, 3, none, NULL);
    order("basic", 0, 1, none, "vendor.count");
    order("basic", 1, -1, none, "vendor.count");
    order("basic", 1000001, 0, none, "vendor.count");
    order("basic", 1, 0, basic, "vendor.basic_there");
    order("basic", 1, 0, meets, "vendor.convert_first");
    order("meets", 0, 0, none, NULL);
    order("meets", 1, 0, none, "vendor.count");
    order("meets", 0, 0, meets, "vendor.meets_once");
    order("meets", 0, 0, basic, "vendor.meets_once");
    order("option", 0, 1, basic, NULL);
    order("option", 1, 0, basic, NULL);
    order("option", 0, 0, basic, "vendor.count");
    order("option", 0, 1, none, "vendor.not_extendable");
    order("option", 0, 1, meets, "vendor.not_extendable");
    order("convert", 1, 0, meets, NULL);
    order("convert", 1, 0, none, "vendor.no_meets");
    order("convert", 1, 0, basic, "vendor.no_meets");
    struct vendor_customer gone = active;
    struct vendor_order o = {.kind = "option", .servers = 1};
    struct err err = {0};
    gone.state = "cancelled";
    assert_int_equal(vendor_order_check(&o, &gone, &basic, &err), RC_CONFLICT);
    assert_string_equal(err.id, "vendor.cancelled");
}

static void cancelling_needs_both_proofs(void **state)
{
    (void)state;
    const struct vendor_licence own = {.customer_id = 1}, other = {.customer_id = 2};
    struct err err = {0};
    assert_int_equal(vendor_cancel_check(&active, "123456789012", &own, &err), RC_OK);
    assert_int_equal(vendor_cancel_check(&active, "123456789012", NULL, &err), RC_INPUT);
    assert_string_equal(err.id, "vendor.proof");
    assert_int_equal(vendor_cancel_check(&active, "123456789012", &other, &err), RC_INPUT);
    assert_int_equal(vendor_cancel_check(&active, "123456789013", &own, &err), RC_INPUT);
    assert_int_equal(vendor_cancel_check(&active, "12345678901", &own, &err), RC_INPUT);
    assert_int_equal(vendor_cancel_check(&active, NULL, &own, &err), RC_INPUT);
    assert_int_equal(vendor_cancel_check(NULL, "123456789012", &own, &err), RC_INPUT);
    struct vendor_customer gone = active;
    gone.state = "cancelled";
    assert_int_equal(vendor_cancel_check(&gone, "123456789012", &own, &err), RC_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_of_an_order),
        cmocka_unit_test(who_may_order_what),
        cmocka_unit_test(cancelling_needs_both_proofs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
