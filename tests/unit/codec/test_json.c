/* Reading and writing JSON: limits at their edges, refusals with their place, round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    struct err err = {0};
    if (json_parse(str_from(text), &j, &err) != RC_OK)
        fail_msg("refused: %s: %s", text, err.en);
    return j;
}

static void refused(struct str text, const char *id)
{
    struct json *j = (struct json *)&id;
    struct err err = {0};
    if (json_parse(text, &j, &err) != RC_INPUT)
        fail_msg("accepted: %.*s", (int)(text.n < 60 ? text.n : 60), text.p);
    assert_string_equal(err.id, id);
    assert_int_equal(err.blame, BLAME_INPUT);
    assert_true(err.en[0] && err.ja[0] && strcmp(err.en, err.ja) != 0);
    assert_ptr_equal(j, &id); /* untouched on failure */
}

static void values_of_every_type_are_read(void **state)
{
    (void)state;
    AUTO(json)
    struct json *j = parse("{\"s\":\"\\u5370\\u7c60\",\"i\":-9223372036854775808,\"r\":1.5,"
                           "\"t\":true,\"f\":false,\"n\":null,\"a\":[1,{\"b\":\"x\"}],\"o\":{}}");
    const char *s = NULL;
    int64_t i = 0;
    bool b = false;
    double r = 0;
    assert_true(json_get_str(j, "s", &s));
    assert_string_equal(s, "印籠");
    assert_true(json_get_i64(j, "i", &i));
    assert_true(i == INT64_MIN);
    assert_true(json_get_real(j, "r", &r) && r > 1.49 && r < 1.51);
    assert_true(json_get_bool(j, "t", &b) && b);
    assert_true(json_get_bool(j, "f", &b) && !b);
    assert_int_equal(json_type_of(json_get(j, "n")), JSON_NULL);
    assert_non_null(json_get(j, "n"));
    assert_string_equal(json_str_or(j, "a.1.b", "?"), "x");
    assert_int_equal(json_len(json_get(j, "a")), 2);
    assert_int_equal(json_len(j), 8);
    assert_int_equal(json_len(json_get(j, "o")), 0);
    assert_ptr_equal(json_get(j, ""), j);
}

static void getters_say_no_and_leave_the_result(void **state)
{
    (void)state;
    AUTO(json) struct json *j = parse("{\"s\":\"x\",\"i\":7,\"a\":[1],\"r\":1.0}");
    const char *s = "old";
    int64_t i = 42;
    bool b = true;
    assert_false(json_get_str(j, "i", &s));
    assert_false(json_get_str(j, "missing", &s));
    assert_false(json_get_str(j, "s.deeper", &s));
    assert_false(json_get_str(NULL, "s", &s));
    assert_string_equal(s, "old");
    assert_false(json_get_i64(j, "s", &i));
    assert_false(json_get_i64(j, "r", &i));
    assert_false(json_get_bool(j, "i", &b));
    assert_int_equal(i, 42);
    assert_true(b);
    assert_null(json_get(j, "a.1"));
    assert_null(json_get(j, "a.-1"));
    assert_null(json_get(j, "a.x"));
    assert_null(json_get(j, "s."));
    assert_null(json_at(json_get(j, "a"), 1));
    assert_null(json_at(j, 0));
    assert_null(json_as_str(json_get(j, "i")));
    assert_int_equal(json_i64_or(j, "s", 5), 5);
    assert_int_equal(json_i64_or(j, "i", 5), 7);
    assert_true(json_bool_or(j, "s", true));
    assert_string_equal(json_str_or(j, "i", "d"), "d");
    json_free(NULL);
}

static void an_object_is_walked_in_its_order(void **state)
{
    (void)state;
    AUTO(json) struct json *j = parse("{\"z\":1,\"a\":2,\"m\":3}");
    const char *key, *want[] = {"z", "a", "m"};
    const struct json *v;
    int n = 0;
    for (void *it = NULL; json_next(j, &it, &key, &v); n++) {
        assert_string_equal(key, want[n]);
        assert_int_equal(json_i64_or(v, NULL, 0), n + 1);
    }
    assert_int_equal(n, 3);
    void *it = NULL;
    assert_false(json_next(NULL, &it, &key, &v));
}

static void depth_32_is_read_and_33_refused(void **state)
{
    (void)state;
    char text[200];
    for (int depth = 31; depth <= 34; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        struct str s = {text, (size_t)depth * 2};
        struct json *j = NULL;
        if (depth <= 32) {
            assert_int_equal(json_parse(s, &j, NULL), RC_OK);
            json_free(j);
        } else {
            refused(s, "codec.json_depth");
        }
    }
    AUTO(json) struct json *j = parse("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"");
    assert_non_null(j);
}

static void depth_100000_is_refused_without_recursion(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_adds(&b, i % 2 ? "[" : "{\"a\":");
    refused(buf_str(&b), "codec.json_depth");
}

static void each_fault_has_its_own_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id;
    } bad[] = {
        {"", "codec.json_end"},
        {"   ", "codec.json_end"},
        {"{\"a\":1", "codec.json_end"},
        {"[1,2", "codec.json_end"},
        {"\"abc", "codec.json_end"},
        {"[1,]", "codec.json_syntax"},
        {"{\"a\":1,}", "codec.json_syntax"},
        {"{'a':1}", "codec.json_syntax"},
        {"{a:1}", "codec.json_syntax"},
        {"{\"a\" 1}", "codec.json_syntax"},
        {"[1 2]", "codec.json_syntax"},
        {"01", "codec.json_syntax"},
        {"+1", "codec.json_syntax"},
        {".5", "codec.json_syntax"},
        {"NaN", "codec.json_syntax"},
        {"// x\n1", "codec.json_syntax"},
        {"\"\\x41\"", "codec.json_syntax"},
        {"\"a\nb\"", "codec.json_syntax"},
        {"\"\\ud800\"", "codec.json_syntax"},
        {"\"\\ud800\\u0041\"", "codec.json_syntax"},
        {"\"\\udc00\"", "codec.json_syntax"},
        {"\xEF\xBB\xBF{}", "codec.json_syntax"},
        {"{} {}", "codec.json_trailing"},
        {"1 x", "codec.json_trailing"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "codec.json_duplicate"},
        {"{\"o\":{\"a\":1,\"\\u0061\":3}}", "codec.json_duplicate"},
        {"1e999", "codec.json_number"},
        {"-1e999", "codec.json_number"},
        {"9223372036854775808", "codec.json_number"},
        {"\"\xff\"", "codec.json_utf8"},
        {"\"\xc0\x80\"", "codec.json_utf8"},
        {"\"\xed\xa0\x80\"", "codec.json_utf8"},
        {"{\"a\\u0000b\":1}", "codec.json_nul_key"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refused(str_from(bad[i].text), bad[i].id);
    refused((struct str){"{}\0", 3}, "codec.json_trailing");
    refused((struct str){"\"a\0b\"", 5}, "codec.json_syntax");
    refused(STR_NONE, "codec.json_end");
}

static void the_place_is_told_and_the_text_is_not(void **state)
{
    (void)state;
    struct json *j = NULL;
    struct err err = {0};
    assert_int_equal(
        json_parse(STR("{\n \"password\": \"hunter2\",\n \"x\": hunter2\n}"), &j, &err), RC_INPUT);
    assert_non_null(strstr(err.en, "line 3"));
    assert_non_null(strstr(err.ja, "3 行"));
    assert_null(strstr(err.en, "hunter2"));
    assert_null(strstr(err.ja, "hunter2"));
    assert_int_equal(json_parse(STR("{\"hunter2\":1,\n\"hunter2\":2}"), &j, &err), RC_INPUT);
    assert_non_null(strstr(err.en, "line 2"));
    assert_null(strstr(err.en, "hunter2"));
}

static void a_nul_in_a_string_is_no_text(void **state)
{
    (void)state;
    AUTO(json) struct json *j = parse("{\"a\":\"x\\u0000y\",\"b\":\"ok\"}");
    const char *s = NULL;
    assert_false(json_get_str(j, "a", &s));
    assert_null(json_as_str(json_get(j, "a")));
    assert_string_equal(json_str_or(j, "a", "none"), "none");
    assert_int_equal(json_as_view(json_get(j, "a")).n, 3);
    assert_string_equal(json_str_or(j, "b", "none"), "ok");
}

static void text_of_16_mib_is_the_limit(void **state)
{
    (void)state;
    size_t max = 16 << 20;
    char *text = mem_alloc(max + 1);
    assert_non_null(text);
    memset(text, 'x', max + 1);
    text[0] = text[max - 1] = '"';
    struct json *j = NULL;
    assert_int_equal(json_parse((struct str){text, max}, &j, NULL), RC_OK);
    assert_int_equal(json_as_view(j).n, max - 2);
    json_free(j);
    refused((struct str){text, max + 1}, "codec.json_size");
    /* 8 million tiny values would take hundreds of megabytes */
    for (size_t i = 0; i < max; i += 2)
        memcpy(text + i, "1,", 2);
    text[0] = '[';
    refused((struct str){text, max}, "codec.json_values");
    mem_free(text);
}

static void allocation_failure_is_clean(void **state)
{
    (void)state;
    struct str text = STR("{\"a\":[1,2.5,\"s\",{\"b\":null}],\"long\":\"0123456789012345678\"}");
    bool passed = false;
    for (long n = 1; n < 200 && !passed; n++) {
        struct json *j = NULL;
        struct err err = {0};
        mem_fail_after(n, false);
        enum rc rc = json_parse(text, &j, &err);
        mem_fail_after(0, false);
        passed = rc == RC_OK;
        if (passed)
            json_free(j);
        else
            assert_null(j);
    }
    assert_true(passed);
}

static void the_writer_places_commas(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "s", "x");
    jw_kstr(&w, "none", NULL);
    jw_key(&w, "a");
    jw_array(&w);
    jw_i64(&w, INT64_MIN);
    jw_bool(&w, true);
    jw_object(&w);
    jw_end_object(&w);
    jw_array(&w);
    jw_end_array(&w);
    jw_end_array(&w);
    jw_kbool(&w, "no", false);
    jw_ki64(&w, "n", 3);
    jw_ktime(&w, "t0", 0);
    jw_ktime(&w, "t", 1000000);
    jw_key(&w, "raw");
    jw_raw(&w, STR("{\"k\":1}"));
    jw_key(&w, "empty");
    jw_raw(&w, STR(""));
    jw_end_object(&w);
    assert_int_equal(buf_ok(&b, NULL), RC_OK);
    assert_string_equal(buf_cstr(&b),
                        "{\"s\":\"x\",\"none\":null,\"a\":[-9223372036854775808,true,{},[]],"
                        "\"no\":false,\"n\":3,\"t0\":null,\"t\":\"1970-01-01T00:00:01Z\","
                        "\"raw\":{\"k\":1},\"empty\":null}");
}

static void the_writer_escapes_what_must_be(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_strn(&w, (struct str){"q\"b\\ \b\f\n\r\t\0\x1f\x7f/", 14});
    assert_string_equal(buf_cstr(&b), "\"q\\\"b\\\\ \\b\\f\\n\\r\\t\\u0000\\u001f\x7f/\"");
    buf_clear(&b);
    w = (struct json_writer)JSON_WRITER(&b);
    jw_str(&w, "籠\xff\xe5\x8d x\xed\xa0\x80\xf0\x9f\x94\x92");
    assert_string_equal(buf_cstr(&b), "\"籠\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD x"
                                      "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xf0\x9f\x94\x92\"");
    assert_true(str_is_utf8(buf_str(&b)));
}

static void every_byte_written_reads_back_as_json(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x80; c++) {
        char in[3] = {'a', (char)c, 'b'};
        AUTO(buf) struct buf b = BUF(64);
        struct json_writer w = JSON_WRITER(&b);
        jw_strn(&w, (struct str){in, 3});
        AUTO(json) struct json *j = parse(buf_cstr(&b));
        struct str back = json_as_view(j);
        assert_int_equal(back.n, 3);
        assert_memory_equal(back.p, in, 3);
    }
}

static void the_writer_refuses_misuse(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    for (int i = 0; i < 32; i++)
        jw_array(&w);
    assert_int_equal(buf_ok(&b, NULL), RC_OK);
    jw_array(&w);
    assert_int_equal(buf_ok(&b, NULL), RC_NOMEM);
    buf_clear(&b);
    w = (struct json_writer)JSON_WRITER(&b);
    jw_end_object(&w);
    assert_int_equal(buf_ok(&b, NULL), RC_NOMEM);
    AUTO(buf) struct buf tiny = BUF(4);
    w = (struct json_writer)JSON_WRITER(&tiny);
    jw_str(&w, "longer");
    assert_int_equal(buf_ok(&tiny, NULL), RC_NOMEM);
}

static void a_parsed_value_is_copied(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{\"a\":[1,-2.5,\"\\u0000\",null,true,false,{\"b\":{}}],\"c\":\"籠\"}",
        "[]",
        "\"x\"",
        "1.0",
        "1e+300",
        "null",
    };
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        AUTO(json) struct json *j = parse(same[i]);
        AUTO(buf) struct buf b = BUF(256);
        struct json_writer w = JSON_WRITER(&b);
        jw_json(&w, j);
        if (strcmp(same[i], "1e+300") != 0)
            assert_string_equal(buf_cstr(&b), same[i]);
        AUTO(json) struct json *again = parse(buf_cstr(&b));
        double x = 0, y = 0;
        assert_int_equal(json_type_of(again), json_type_of(j));
        if (json_get_real(j, NULL, &x)) {
            assert_true(json_get_real(again, NULL, &y));
            assert_memory_equal(&x, &y, sizeof x);
        }
    }
}

static void an_error_value_survives_the_trip(void **state)
{
    (void)state;
    struct err e = {0};
    enum rc rc =
        FAIL(&e, RC_RATE, BLAME_REMOTE, MSG("ca.rate", "wait \"{0}\"", "待つ「{0}」"), "1h");
    rc = WHILE(&e, rc, MSG("x", "issuing {0}", "{0} を発行中"), "a.example");
    assert_int_equal(rc, RC_RATE);
    err_field(&e, "names.0");
    err_remote(&e, "urn:ietf:params:acme:error:rateLimited");
    e.retry_at = 1767225600 * (int64_t)1000000;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_err(&w, &e);
    AUTO(json) struct json *j = parse(buf_cstr(&b));
    assert_string_equal(json_str_or(j, "code", ""), "rate");
    assert_string_equal(json_str_or(j, "while.0.ja", ""), "a.example を発行中");
    assert_string_equal(json_str_or(j, "retry_at", ""), "2026-01-01T00:00:00Z");
    struct err back;
    json_to_err(j, &back);
    assert_int_equal(back.rc, RC_RATE);
    assert_int_equal(back.blame, BLAME_REMOTE);
    assert_true(back.retry_at == e.retry_at);
    assert_string_equal(back.id, e.id);
    assert_string_equal(back.en, e.en);
    assert_string_equal(back.ja, e.ja);
    assert_string_equal(back.field, "names.0");
    assert_string_equal(back.remote, e.remote);
    assert_int_equal(back.frames, 1);
    assert_string_equal(back.up[0].en, "issuing a.example");
}

static void a_foreign_error_value_is_cut_to_fit(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(8192);
    struct json_writer w = JSON_WRITER(&b);
    char wide[1001] = {0};
    for (size_t i = 0; i + 3 <= 1000; i += 3)
        memcpy(wide + i, "籠", 3);
    jw_object(&w);
    jw_kstr(&w, "code", "no-such-code");
    jw_kstr(&w, "id", wide);
    jw_key(&w, "message");
    jw_i64(&w, 1);
    jw_kstr(&w, "retry_at", "tomorrow");
    jw_key(&w, "while");
    jw_array(&w);
    for (int i = 0; i < 9; i++)
        jw_str(&w, "frame");
    jw_end_array(&w);
    jw_end_object(&w);
    AUTO(json) struct json *j = parse(buf_cstr(&b));
    struct err back;
    json_to_err(j, &back);
    assert_int_equal(back.rc, RC_INTERNAL);
    assert_int_equal(back.blame, BLAME_UNKNOWN);
    assert_int_equal(strlen(back.id), 63);
    assert_true(str_is_utf8(str_from(back.id)));
    assert_string_equal(back.en, "");
    assert_true(back.retry_at == 0);
    assert_int_equal(back.frames, ERR_FRAMES);
    json_to_err(NULL, &back);
    assert_int_equal(back.rc, RC_INTERNAL);
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_type_are_read),
        cmocka_unit_test(getters_say_no_and_leave_the_result),
        cmocka_unit_test(an_object_is_walked_in_its_order),
        cmocka_unit_test(depth_32_is_read_and_33_refused),
        cmocka_unit_test(depth_100000_is_refused_without_recursion),
        cmocka_unit_test(each_fault_has_its_own_text),
        cmocka_unit_test(the_place_is_told_and_the_text_is_not),
        cmocka_unit_test(a_nul_in_a_string_is_no_text),
        cmocka_unit_test(text_of_16_mib_is_the_limit),
        cmocka_unit_test(allocation_failure_is_clean),
        cmocka_unit_test(the_writer_places_commas),
        cmocka_unit_test(the_writer_escapes_what_must_be),
        cmocka_unit_test(every_byte_written_reads_back_as_json),
        cmocka_unit_test(the_writer_refuses_misuse),
        cmocka_unit_test(a_parsed_value_is_copied),
        cmocka_unit_test(an_error_value_survives_the_trip),
        cmocka_unit_test(a_foreign_error_value_is_cut_to_fit),
    };
    return cmocka_run_group_tests_name("codec.json", tests, NULL, NULL);
}
