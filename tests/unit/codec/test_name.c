/* Names: what people type, what is refused, what is shown, what covers what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/name.h"

static void becomes(const char *typed, const char *want, bool ip)
{
    AUTO(arena) struct arena *a = arena_create(0);
    const char *name = NULL, *again = NULL;
    bool is_ip = !ip;
    struct err err = {0};
    if (name_normalise(a, typed, &name, &is_ip, &err) != RC_OK)
        fail_msg("refused '%s': %s", typed, err.en);
    assert_string_equal(name, want);
    assert_int_equal(is_ip, ip);
    assert_int_equal(name_normalise(a, name, &again, &is_ip, NULL), RC_OK);
    assert_string_equal(again, name);
}

static void refused(const char *typed, const char *id)
{
    AUTO(arena) struct arena *a = arena_create(0);
    const char *name = "untouched";
    bool is_ip = true;
    struct err err = {0};
    if (name_normalise(a, typed, &name, &is_ip, &err) != RC_INPUT)
        fail_msg("accepted '%s' as '%s'", typed, name);
    if (strcmp(err.id, id) != 0)
        fail_msg("'%s': %s, expected %s", typed, err.id, id);
    assert_string_equal(name, "untouched");
    assert_true(is_ip);
    assert_true(err.ja[0] && !strchr(err.ja, '{') && !strchr(err.en, '{'));
}

static void typed_names_are_normalised(void **state)
{
    (void)state;
    becomes("example.jp", "example.jp", false);
    becomes("  WWW.Example.JP.\n", "www.example.jp", false);
    becomes("localhost", "localhost", false);
    becomes("*.Example.jp", "*.example.jp", false);
    becomes("日本語.jp", "xn--wgv71a119e.jp", false);
    becomes("*.日本語.jp", "*.xn--wgv71a119e.jp", false);
    becomes("XN--WGV71A119E.jp", "xn--wgv71a119e.jp", false);
    becomes("　日本語。ｊｐ　", "xn--wgv71a119e.jp", false);
    becomes("ｗｗｗ．example．jp", "www.example.jp", false);
    becomes("bücher.example", "xn--bcher-kva.example", false);
    becomes("BÜCHER.example", "xn--bcher-kva.example", false);
    /* non-transitional: the sharp s stays itself */
    becomes("faß.example", "xn--fa-hia.example", false);
    becomes("cafe\xCC\x81.example", "xn--caf-dma.example", false);
    becomes("3com.example", "3com.example", false);
}

static void addresses_are_canonical(void **state)
{
    (void)state;
    becomes("192.0.2.1", "192.0.2.1", true);
    becomes(" 2001:0DB8:0:0:0:0:0:1 ", "2001:db8::1", true);
    becomes("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", true);
    becomes("::FFFF:192.0.2.1", "::ffff:192.0.2.1", true);
    becomes("１９２．０．２．１", "192.0.2.1", true);
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    refused("", "codec.name_empty");
    refused(NULL, "codec.name_empty");
    refused(" 　\t", "codec.name_empty");
    refused("a b.example", "codec.name_chars");
    refused("a\nb.example", "codec.name_chars");
    refused("a\x7f.example", "codec.name_chars");
    refused("a_b.example", "codec.name_chars");
    refused("https://a.example/", "codec.name_chars");
    refused("a.example:443", "codec.name_chars");
    refused("a@b.example", "codec.name_chars");
    refused("a,b.example", "codec.name_chars");
    refused("\xff.example", "codec.name_chars");
    refused("a\xE2\x80\x8E.example", "codec.name_chars");
    refused("a\xE2\x80\xAE.example", "codec.name_chars");
    refused("xn--a.example", "codec.name_chars");
    refused("xn--999999999.example", "codec.name_chars");
    refused(".", "codec.name_syntax");
    refused(".example.jp", "codec.name_syntax");
    refused("a..example", "codec.name_syntax");
    refused("example.jp..", "codec.name_syntax");
    refused("-a.example", "codec.name_syntax");
    refused("a-.example", "codec.name_syntax");
    refused("ab--c.example", "codec.name_syntax");
    refused("1.2.3", "codec.name_syntax");
    refused("256.0.0.1", "codec.name_syntax");
    refused("1.2.3.4.5", "codec.name_syntax");
    refused("example.123", "codec.name_syntax");
}

static void wildcards_stand_alone_at_the_front(void **state)
{
    (void)state;
    refused("*", "codec.name_wildcard");
    refused("*.", "codec.name_wildcard");
    refused("*.jp", "codec.name_wildcard");
    refused("*.jp.", "codec.name_wildcard");
    refused("a*.example.jp", "codec.name_wildcard");
    refused("*a.example.jp", "codec.name_wildcard");
    refused("a.*.example.jp", "codec.name_wildcard");
    refused("*.*.example.jp", "codec.name_wildcard");
    refused("**.example.jp", "codec.name_wildcard");
    refused("*.192.0.2.1", "codec.name_wildcard");
    refused("＊.example.jp", "codec.name_chars");
}

static void lengths_hold_at_their_edges(void **state)
{
    (void)state;
    char name[300] = {0};
    memset(name, 'a', 63);
    memcpy(name + 63, ".jp", 4);
    becomes(name, name, false);
    memset(name, 'a', 64);
    memcpy(name + 64, ".jp", 4);
    refused(name, "codec.name_length");
    for (size_t i = 0; i < 260; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    name[253] = '\0';
    becomes(name, name, false);
    name[253] = 'a';
    name[254] = '\0';
    refused(name, "codec.name_length");
    /* with the wildcard counted */
    memcpy(name, "*.", 2);
    name[253] = '\0';
    becomes(name, name, false);
    name[253] = 'a';
    refused(name, "codec.name_length");
    char long_text[1100];
    memset(long_text, 'a', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    refused(long_text, "codec.name_length");
}

static void shown(const char *name, const char *want)
{
    AUTO(arena) struct arena *a = arena_create(0);
    const char *got = name_display(a, name);
    if (strcmp(got, want) != 0)
        fail_msg("'%s' is shown as '%s', expected '%s'", name, got, want);
}

/* Encodes first, so that the test reads as what an attacker would register. */
static void hidden(const char *unicode)
{
    AUTO(arena) struct arena *a = arena_create(0);
    const char *name = NULL;
    bool is_ip;
    if (name_normalise(a, unicode, &name, &is_ip, NULL) != RC_OK)
        fail_msg("does not encode: %s", unicode);
    assert_non_null(strstr(name, "xn--"));
    shown(name, name);
}

static void honest_names_are_shown_in_their_script(void **state)
{
    (void)state;
    shown("xn--wgv71a119e.jp", "日本語.jp");
    shown("*.xn--wgv71a119e.jp", "*.日本語.jp");
    shown("xn--bcher-kva.example", "bücher.example");
    static const char *const as_they_are[] = {"インロウ.example", "abc印籠.jp",     "한국.example",
                                              "россия.example",   "ελλάδα.example", "ไทย.example",
                                              "ラーメン.jp",      "faß.example",    "việt.example"};
    for (size_t i = 0; i < COUNT_OF(as_they_are); i++) {
        AUTO(arena) struct arena *a = arena_create(0);
        const char *name = NULL;
        bool is_ip;
        assert_int_equal(name_normalise(a, as_they_are[i], &name, &is_ip, NULL), RC_OK);
        shown(name, as_they_are[i]);
    }
}

static void disguises_are_shown_as_a_labels(void **state)
{
    (void)state;
    hidden("аррӏе.example"); /* all Cyrillic */
    hidden("раураӏ.example");
    hidden("сосо.example");
    hidden("аbc.example");  /* Cyrillic a, Latin rest */
    hidden("abcο.example"); /* Greek omicron */
    hidden("οικ.example");
    hidden("日本ж.example");
    hidden("한かな.example");
    hidden("exampleノlogin.jp");
    hidden("fooーbar.jp");
    hidden("a一b.jp");
    hidden("שלום.example");   /* right to left would reorder the line */
    hidden("ɡoogle.example"); /* phonetic g */
    hidden("ıstanbul.example");
    hidden("日本語.аррӏе.example"); /* one bad label spoils the name */
}

static void what_does_not_convert_is_shown_as_it_is(void **state)
{
    (void)state;
    static const char *const same[] = {"example.jp",
                                       "",
                                       "xn--",
                                       "xn--a",
                                       "xn--999999999.jp",
                                       "192.0.2.1",
                                       "::1",
                                       "a..b",
                                       "xn--wgv71a119e-.jp",
                                       "XN--WGV71A119E.jp",
                                       "xn--abc-.jp",
                                       "bad\xff.xn--wgv71a119e",
                                       "line\nbreak"};
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        shown(same[i], same[i]);
    }
}

static void coverage_follows_rfc_6125(void **state)
{
    (void)state;
    static const struct {
        const char *presented, *host;
        bool covers;
    } rows[] = {
        {"a.example", "a.example", true},
        {"A.Example", "a.eXample.", true},
        {"a.example", "b.example", false},
        {"a.example", "x.a.example", false},
        {"*.a.example", "x.a.example", true},
        {"*.a.example", "X.A.EXAMPLE.", true},
        {"*.a.example", "a.example", false},
        {"*.a.example", ".a.example", false},
        {"*.a.example", "y.x.a.example", false},
        {"*.a.example", "*.a.example", true},
        {"*.a.example", "xa.example", false},
        {"*.example", "a.example", false},
        {"*", "a", false},
        {"*.", "a.", false},
        {"w*.a.example", "www.a.example", false},
        {"*w.a.example", "www.a.example", false},
        {"x.*.example", "x.a.example", false},
        {"*.*.example", "x.a.example", false},
        {"", "", false},
        {"", "a", false},
        {"a", "", false},
        {".", ".", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"*.0.2.1", "192.0.2.1", false},
        {"2001:db8::1", "2001:0DB8:0::1", true},
        {"2001:db8::1", "2001:db8::2", false},
        {"::ffff:192.0.2.1", "192.0.2.1", false},
        {"a.example", "192.0.2.1", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (name_covers(rows[i].presented, rows[i].host) != rows[i].covers)
            fail_msg("%s / %s", rows[i].presented, rows[i].host);
    assert_false(name_covers(NULL, "a"));
    assert_false(name_covers("a", NULL));
}

static void allocation_failure_is_clean(void **state)
{
    (void)state;
    bool passed = false;
    for (long n = 1; n < 20 && !passed; n++) {
        AUTO(arena) struct arena *a = arena_create(0);
        assert_non_null(arena_alloc(a, 4096 - 16));
        const char *name = NULL;
        bool is_ip;
        mem_fail_after(n, true);
        enum rc rc = name_normalise(a, "*.日本語.jp", &name, &is_ip, NULL);
        mem_fail_after(0, false);
        passed = rc == RC_OK;
        if (!passed)
            assert_int_equal(rc, RC_NOMEM);
    }
    assert_true(passed);
    AUTO(arena) struct arena *a = arena_create(0);
    mem_fail_after(1, true);
    const char *shown_as = name_display(a, "xn--wgv71a119e.jp");
    mem_fail_after(0, false);
    assert_string_equal(shown_as, "xn--wgv71a119e.jp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typed_names_are_normalised),
        cmocka_unit_test(addresses_are_canonical),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(wildcards_stand_alone_at_the_front),
        cmocka_unit_test(lengths_hold_at_their_edges),
        cmocka_unit_test(honest_names_are_shown_in_their_script),
        cmocka_unit_test(disguises_are_shown_as_a_labels),
        cmocka_unit_test(what_does_not_convert_is_shown_as_it_is),
        cmocka_unit_test(coverage_follows_rfc_6125),
        cmocka_unit_test(allocation_failure_is_clean),
    };
    return cmocka_run_group_tests_name("codec.name", tests, NULL, NULL);
}
