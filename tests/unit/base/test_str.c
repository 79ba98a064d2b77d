/* String views, strict numbers and UTF-8; randomness within its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/str.h"

static void views_compare(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a"), STR("a")));
    assert_false(str_eq(STR("a"), STR("b")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eqs(STR_NONE, NULL));
    assert_true(str_ieq(STR("aB"), STR("Ab")));
    assert_false(str_ieq(STR("a"), STR("\xc1")));
    assert_true(str_starts(STR("abc"), "ab"));
    assert_true(str_starts(STR("abc"), ""));
    assert_false(str_starts(STR("ab"), "abc"));
    assert_true(str_ends(STR("abc"), "bc"));
    assert_false(str_ends(STR("bc"), "abc"));
    assert_true(str_eq_secret(STR("abc"), STR("abc")));
    assert_false(str_eq_secret(STR("abc"), STR("abd")));
    assert_false(str_eq_secret(STR("abc"), STR("ab")));
    assert_false(str_eq_secret(STR(""), STR("a")));
}

static void views_are_trimmed_and_split(void **state)
{
    (void)state;
    assert_true(str_eqs(str_trim(STR(" \t\r\n a b \v\f")), "a b"));
    assert_int_equal(str_trim(STR("  ")).n, 0);
    assert_int_equal(str_trim(STR_NONE).n, 0);
    struct str rest = STR("a,,b,"), part;
    const char *want[] = {"a", "", "b", ""};
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_split(&rest, ',', &part));
        assert_true(str_eqs(part, want[i]));
    }
    assert_false(str_split(&rest, ',', &part));
    rest = STR("");
    assert_true(str_split(&rest, ',', &part) && part.n == 0);
    assert_false(str_split(&rest, ',', &part));
}

static void numbers_are_strict(void **state)
{
    (void)state;
    int64_t v = 77;
    assert_true(str_to_i64(STR("9223372036854775807"), INT64_MIN, INT64_MAX, &v));
    assert_true(v == INT64_MAX);
    assert_true(str_to_i64(STR("-9223372036854775808"), INT64_MIN, INT64_MAX, &v));
    assert_true(v == INT64_MIN);
    v = 77;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999",
                                      "1e3",
                                      "１"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (str_to_i64(str_from(bad[i]), INT64_MIN, INT64_MAX, &v))
            fail_msg("accepted '%s'", bad[i]);
    assert_false(str_to_i64(STR("0"), 1, 10, &v));
    assert_false(str_to_i64(STR("11"), 1, 10, &v));
    assert_true(v == 77);
    assert_true(str_to_i64(STR("1"), 1, 10, &v) && v == 1);
    assert_true(str_to_i64(STR("10"), 1, 10, &v) && v == 10);
    assert_true(str_to_i64(STR("-0"), 0, 0, &v) && v == 0);
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "印籠🔒"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe5\x8d",
                                      "a\xe5\x8dz"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(str_is_utf8(str_from(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_is_utf8(str_from(bad[i])));
    assert_false(str_is_utf8((struct str){"a\0b", 3}));
    assert_true(str_is_utf8(STR_NONE));
}

static void randomness_stays_in_its_range_and_varies(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (int i = 0; i < 2000; i++) {
        uint64_t v = rand_below(5);
        assert_true(v < 5);
        seen |= 1U << v;
        assert_int_equal(rand_below(1), 0);
    }
    assert_int_equal(seen, 31);
    char a[33], b[33];
    rand_hex(a, 16);
    rand_hex(b, 16);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare),
        cmocka_unit_test(views_are_trimmed_and_split),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(randomness_stays_in_its_range_and_varies),
    };
    return cmocka_run_group_tests_name("base.str", tests, NULL, NULL);
}
