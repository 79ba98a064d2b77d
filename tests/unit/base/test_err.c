/* Error values: rendering, cutting, cleaning, frames, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

static enum rc fail_with(struct err *err, const char *x)
{
    return FAIL(err, RC_NET, BLAME_NETWORK, MSG("t.id", "to {0}: {1}{9}", "{0} へ: {1}{9}"), x,
                "b");
}

static void a_failure_holds_both_languages(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(fail_with(&err, "host"), RC_NET);
    assert_string_equal(err.en, "to host: b{9}");
    assert_string_equal(err.ja, "host へ: b{9}");
    assert_string_equal(err.id, "t.id");
    assert_int_equal(err.blame, BLAME_NETWORK);
    assert_non_null(strstr(err.where, "test_err.c:"));
    assert_int_equal(fail_with(NULL, "host"), RC_NET);
}

static void remote_text_cannot_forge_lines(void **state)
{
    (void)state;
    struct err err = {0};
    (void)!fail_with(&err, "a\r\nERROR\x1b[31m\x7f");
    assert_string_equal(err.en, "to a??ERROR?[31m?: b{9}");
    err_remote(&err, "urn:x\n\x01y");
    assert_string_equal(err.remote, "urn:x??y");
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    char wide[3001] = {0};
    for (size_t i = 0; i + 3 <= 3000; i += 3)
        memcpy(wide + i, "籠", 3);
    for (size_t skew = 0; skew < 3; skew++) {
        struct err err = {0};
        char text[700];
        (void)!fail_with(&err, wide + skew * 3);
        err_remote(&err, wide);
        assert_true(str_is_utf8(str_from(err.en)));
        assert_true(str_is_utf8(str_from(err.ja)));
        assert_true(str_is_utf8(str_from(err.remote)));
        assert_true(strlen(err.remote) < sizeof err.remote);
        for (size_t size = 1; size < sizeof text; size++) {
            err_text(&err, "ja", text, size);
            assert_true(strlen(text) < size);
            assert_true(str_is_utf8(str_from(text)));
        }
    }
}

static void every_size_of_output_is_terminated(void **state)
{
    (void)state;
    const char *const args[] = {"籠籠", NULL};
    for (size_t size = 1; size < 40; size++) {
        char out[48];
        memset(out, 'z', sizeof out);
        msg_render(MSG("x", "é{0}ab籠c", "é{0}ab籠c"), "en", args, out, size);
        assert_non_null(memchr(out, 0, size));
        assert_true(str_is_utf8(str_from(out)));
        assert_int_equal(out[size], 'z');
    }
}

static void frames_are_added_and_bounded(void **state)
{
    (void)state;
    struct err err = {0};
    char text[900];
    enum rc rc = fail_with(&err, "h");
    for (int i = 0; i < ERR_FRAMES + 3; i++)
        rc = WHILE(&err, rc, MSG("w", "step {0}", "手順 {0}"), NUM(i));
    assert_int_equal(rc, RC_NET);
    assert_int_equal(err.frames, ERR_FRAMES);
    err_text(&err, "en", text, sizeof text);
    assert_string_equal(text, "to h: b{9} (step 0; step 1; step 2; step 3)");
    err_text(&err, "ja", text, sizeof text);
    assert_string_equal(text, "h へ: b{9}(手順 0、手順 1、手順 2、手順 3)");
    assert_int_equal(WHILE(NULL, RC_TLS, MSG("w", "x", "x")), RC_TLS);
}

static void a_field_path_grows_to_the_front(void **state)
{
    (void)state;
    struct err err = {0};
    err_field(&err, "port");
    err_field(&err, "smtp");
    assert_string_equal(err.field, "smtp.port");
    err_field(NULL, "x");
    for (int i = 0; i < 40; i++)
        err_field(&err, "long");
    assert_int_equal(strlen(err.field), sizeof err.field - 1);
}

static void codes_and_blames_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < RC_COUNT; i++) {
        assert_non_null(rc_name((enum rc)i));
        assert_int_equal(rc_from_name(rc_name((enum rc)i)), i);
    }
    assert_int_equal(rc_from_name("nonsense"), RC_INTERNAL);
    assert_int_equal(rc_from_name(NULL), RC_INTERNAL);
    assert_string_equal(rc_name((enum rc)999), "internal");
    for (int i = BLAME_UNKNOWN; i <= BLAME_US; i++)
        assert_int_equal(blame_from_name(blame_name((enum blame)i)), i);
    assert_int_equal(blame_from_name("them"), BLAME_UNKNOWN);
    assert_string_equal(blame_name((enum blame)77), "unknown");
    char num[24];
    assert_string_equal(err_num(num, INT64_MIN), "-9223372036854775808");
}

static enum rc guarded(struct err *err, enum rc inner, bool cond)
{
    TRY(inner);
    CHECK(cond, err, RC_CONFLICT, BLAME_US, MSG("t.c", "no", "否"));
    return RC_OK;
}

static void the_guards_return_early(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(guarded(&err, RC_BUSY, true), RC_BUSY);
    assert_int_equal(err.rc, RC_OK);
    assert_int_equal(guarded(&err, RC_OK, false), RC_CONFLICT);
    assert_string_equal(err.id, "t.c");
    assert_int_equal(guarded(&err, RC_OK, true), RC_OK);
    char *p = &err.en[0], *q = TAKE(p);
    assert_null(p);
    assert_ptr_equal(q, err.en);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_holds_both_languages),
        cmocka_unit_test(remote_text_cannot_forge_lines),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(every_size_of_output_is_terminated),
        cmocka_unit_test(frames_are_added_and_bounded),
        cmocka_unit_test(a_field_path_grows_to_the_front),
        cmocka_unit_test(codes_and_blames_have_names),
        cmocka_unit_test(the_guards_return_early),
    };
    return cmocka_run_group_tests_name("base.err", tests, NULL, NULL);
}
