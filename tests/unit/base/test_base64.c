/* RFC 4648 section 10 vectors, and everything a strict decoder must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/mem.h"

static const struct {
    const char *clear, *b64, *url, *hex;
} vectors[] = {
    {"", "", "", ""},
    {"f", "Zg==", "Zg", "66"},
    {"fo", "Zm8=", "Zm8", "666f"},
    {"foo", "Zm9v", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
};

static void rfc4648_vectors_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        AUTO(buf) struct buf b = BUF(64);
        base64_add(&b, vectors[i].clear, strlen(vectors[i].clear));
        assert_string_equal(buf_cstr(&b), vectors[i].b64);
        buf_clear(&b);
        base64url_add(&b, vectors[i].clear, strlen(vectors[i].clear));
        assert_string_equal(buf_cstr(&b), vectors[i].url);
        buf_clear(&b);
        hex_add(&b, vectors[i].clear, strlen(vectors[i].clear));
        assert_string_equal(buf_cstr(&b), vectors[i].hex);
        buf_clear(&b);
        assert_true(base64_decode(str_from(vectors[i].b64), &b));
        assert_string_equal(buf_cstr(&b), vectors[i].clear);
        buf_clear(&b);
        assert_true(base64url_decode(str_from(vectors[i].url), &b));
        assert_string_equal(buf_cstr(&b), vectors[i].clear);
        buf_clear(&b);
        assert_true(hex_decode(str_from(vectors[i].hex), &b));
        assert_string_equal(buf_cstr(&b), vectors[i].clear);
    }
}

static void every_byte_value_survives(void **state)
{
    (void)state;
    unsigned char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (unsigned char)i;
    for (size_t n = 0; n <= sizeof all; n++) {
        AUTO(buf) struct buf text = BUF(1024);
        AUTO(buf) struct buf back = BUF(1024);
        base64_add(&text, all, n);
        assert_true(base64_decode(buf_str(&text), &back));
        assert_int_equal(back.len, n);
        assert_memory_equal(buf_cstr(&back), all, n);
        buf_clear(&text);
        buf_clear(&back);
        base64url_add(&text, all, n);
        assert_true(base64url_decode(buf_str(&text), &back));
        assert_int_equal(back.len, n);
        assert_memory_equal(buf_cstr(&back), all, n);
        buf_clear(&text);
        buf_clear(&back);
        hex_add(&text, all, n);
        assert_true(hex_decode(buf_str(&text), &back));
        assert_memory_equal(buf_cstr(&back), all, n);
    }
}

static void the_two_alphabets_differ_in_two_characters(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(64);
    base64_add(&b, "\xfb\xff\xbf", 3);
    assert_string_equal(buf_cstr(&b), "+/+/");
    buf_clear(&b);
    base64url_add(&b, "\xfb\xff\xbf", 3);
    assert_string_equal(buf_cstr(&b), "-_-_");
    buf_clear(&b);
    assert_false(base64_decode(STR("-_-_"), &b));
    assert_false(base64url_decode(STR("+/+/"), &b));
    assert_int_equal(b.len, 0);
}

static void refusals_leave_the_buffer_as_it_was(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "A",     "AA",     "AAA",          "=",        "==",   "===",      "====",
        "A===",  "Zg=",    "Zg",           "Zh==",     "Zm9=", "Zg==Zg==", "Zg==\n",
        " Zg==", "Zm\n9v", "Zm9v\n\n\n\n", "Zm9v!AAA", "Zg=A", "Z\x80==",  "Zm9v====",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(buf) struct buf b = BUF(64);
        buf_adds(&b, "keep");
        if (base64_decode(str_from(bad[i]), &b))
            fail_msg("accepted base64 '%s'", bad[i]);
        assert_string_equal(buf_cstr(&b), "keep");
    }
    static const char *const bad_url[] = {"A", "Zg==", "Zh", "Zm9", "AAAAA", "Zm 9v", "Zm9v\n"};
    for (size_t i = 0; i < COUNT_OF(bad_url); i++) {
        AUTO(buf) struct buf b = BUF(64);
        buf_adds(&b, "keep");
        if (base64url_decode(str_from(bad_url[i]), &b))
            fail_msg("accepted base64url '%s'", bad_url[i]);
        assert_string_equal(buf_cstr(&b), "keep");
    }
    static const char *const bad_hex[] = {"0", "0g", "g0", "0x", " 00", "0:0:", "/0", "@0", "`0"};
    for (size_t i = 0; i < COUNT_OF(bad_hex); i++) {
        AUTO(buf) struct buf b = BUF(64);
        buf_adds(&b, "keep");
        if (hex_decode(str_from(bad_hex[i]), &b))
            fail_msg("accepted hex '%s'", bad_hex[i]);
        assert_string_equal(buf_cstr(&b), "keep");
    }
}

static void a_nul_byte_is_not_a_digit(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(64);
    assert_false(base64_decode((struct str){"Z\0==", 4}, &b));
    assert_false(base64url_decode((struct str){"Zm\0v", 4}, &b));
    assert_false(hex_decode((struct str){"0\0", 2}, &b));
}

static void the_maximum_of_the_buffer_holds(void **state)
{
    (void)state;
    AUTO(buf) struct buf fits = BUF(3);
    assert_true(base64_decode(STR("Zm9v"), &fits));
    AUTO(buf) struct buf small = BUF(2);
    assert_false(base64_decode(STR("Zm9v"), &small));
    assert_int_equal(small.len, 0);
    AUTO(buf) struct buf text = BUF(7);
    base64_add(&text, "foobar", 6);
    assert_int_equal(buf_ok(&text, NULL), RC_NOMEM);
}

static void allocation_failure_is_a_refusal(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(64);
    mem_fail_after(1, true);
    bool ok = base64_decode(STR("Zm9v"), &b);
    mem_fail_after(0, false);
    assert_false(ok);
    assert_int_equal(b.len, 0);
}

static void upper_case_hexadecimal_is_read(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(8);
    assert_true(hex_decode(STR("DEadBEef"), &b));
    assert_memory_equal(b.p, "\xde\xad\xbe\xef", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4648_vectors_both_ways),
        cmocka_unit_test(every_byte_value_survives),
        cmocka_unit_test(the_two_alphabets_differ_in_two_characters),
        cmocka_unit_test(refusals_leave_the_buffer_as_it_was),
        cmocka_unit_test(a_nul_byte_is_not_a_digit),
        cmocka_unit_test(the_maximum_of_the_buffer_holds),
        cmocka_unit_test(allocation_failure_is_a_refusal),
        cmocka_unit_test(upper_case_hexadecimal_is_read),
    };
    return cmocka_run_group_tests_name("base.base64", tests, NULL, NULL);
}
