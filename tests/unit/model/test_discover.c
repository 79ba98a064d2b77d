/* Pasted lists of places: what they become, and what is said of a line that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "model/discover.h"

static struct arena *arena;

static int enter(void **state)
{
    (void)state;
    arena = arena_create((size_t)64 << 20);
    return arena ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static struct discover_list read_good(const char *text, const char *port)
{
    struct discover_list l = {NULL, 0, 0};
    struct err err = {0};
    if (discover_read(text, &(struct names){&port, port != NULL}, arena, &l, &err) != RC_OK)
        fail_msg("\"%s\": %s", text, err.en);
    return l;
}

static void same_text(const char *text, const char *port, const char *want)
{
    char got[1024] = "";
    struct discover_list l = read_good(text, port);
    for (size_t i = 0; i < l.n && strlen(got) < 900; i++)
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s %lld", i ? ", " : "",
                       l.v[i].host, (long long)l.v[i].port);
    assert_string_equal(got, want);
}

static void places(void **state)
{
    static const struct {
        const char *text, *port, *want;
    } rows[] = {
        {"www.example.jp", NULL, "www.example.jp 443"},
        {"WWW.Example.JP.:8443", NULL, "www.example.jp 8443"},
        {"日本語.jp", NULL, "xn--wgv71a119e.jp 443"},
        {"192.0.2.7", "8443", "192.0.2.7 8443"},
        {"2001:DB8:0::7", NULL, "2001:db8::7 443"},
        {"[2001:db8::7]:8443", NULL, "2001:db8::7 8443"},
        {"[2001:db8::7]", NULL, "2001:db8::7 443"},
        {"https://www.example.jp/a/b?c", NULL, "www.example.jp 443"},
        {"https://www.example.jp:8443", NULL, "www.example.jp 8443"},
        {"192.0.2.4/30", NULL, "192.0.2.5 443, 192.0.2.6 443"},
        {"192.0.2.7/30:993", NULL, "192.0.2.5 993, 192.0.2.6 993"},
        {"192.0.2.6/31", NULL, "192.0.2.6 443, 192.0.2.7 443"},
        {"192.0.2.9/32", NULL, "192.0.2.9 443"},
        {"2001:db8::4/127", NULL, "2001:db8::4 443, 2001:db8::5 443"},
        {"192.0.2.254-255", NULL, "192.0.2.254 443, 192.0.2.255 443"},
        {"192.0.2.1-192.0.2.2:25", NULL, "192.0.2.1 25, 192.0.2.2 25"},
        {"a-b.example # the old one\n\n  # nothing\r\nb.example,c.example;d.example\te.example",
         NULL, "a-b.example 443, b.example 443, c.example 443, d.example 443, e.example 443"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        same_text(rows[i].text, rows[i].port, rows[i].want);
}

static void each_once(void **state)
{
    (void)state;
    struct discover_list l =
        read_good("192.0.2.1-4\n192.0.2.2\nA.example a.example:443 a.example:8443", NULL);
    assert_int_equal(l.n, 6);
    assert_int_equal(l.folded, 2);
}

static void ranges_are_whole(void **state)
{
    (void)state;
    struct discover_list l = read_good("198.51.100.77/24", NULL);
    assert_int_equal(l.n, 254);
    assert_string_equal(l.v[0].host, "198.51.100.1");
    assert_string_equal(l.v[253].host, "198.51.100.254");
    l = read_good("2001:db8::ff00/120", NULL);
    assert_int_equal(l.n, 256);
    assert_string_equal(l.v[255].host, "2001:db8::ffff");
    const char *const ports[] = {"443", " 8443 "};
    struct err err = {0};
    assert_int_equal(discover_read("192.0.2.1-2", &(struct names){ports, 2}, arena, &l, &err),
                     RC_OK);
    assert_int_equal(l.n, 4);
}

static void refused(const char *text, const char *id, const char *line)
{
    struct discover_list l = {NULL, 77, 0};
    struct err err = {0};
    if (discover_read(text, &(struct names){NULL, 0}, arena, &l, &err) != RC_INPUT)
        fail_msg("\"%s\" was taken", text);
    assert_string_equal(err.id, id);
    assert_string_equal(err.field, "targets");
    if (line && !strstr(err.en, line))
        fail_msg("\"%s\": %s", text, err.en);
    assert_int_equal(l.n, 77); /* untouched */
}

static void says_what_is_wrong(void **state)
{
    static const char *const bad[] = {
        "a.example\n\nb example/24",
        "x\ny\n*.example.jp",
        "x\ny\n192.0.2.300",
        "x\ny\n192.0.2.9-3",
        "x\ny\n192.0.2.1-900",
        "x\ny\nwww.example:70000",
        "x\ny\nwww.example:0",
        "x\ny\nwww.example:",
        "x\ny\n[2001:db8::1",
        "x\ny\n[2001:db8::1]x",
        "x\ny\n2130706433",
        "x\ny\nhttp://a.example/",
        "x\ny\n192.0.2.0/33",
        "x\ny\n-",
        "x\ny\n:443",
        "x\ny\n2001:db8::1/129",
        "x\ny\na.example/28",
        "x\ny\n192.0.2.1-",
        "x\ny\nhttps://",
        "x\ny\n\xff\xfe.example",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refused(bad[i], "discover.place", "line 3");
    refused("x\n10.0.0.0/8", "discover.wide", "line 2");
    refused("x\n0.0.0.0/0", "discover.wide", "line 2");
    refused("2001:db8::/64", "discover.wide", "line 1");
    refused("192.0.2.1-192.0.3.1", "discover.wide", "line 1");
    refused("", "discover.empty", NULL);
    refused(" \n # nothing\n", "discover.empty", NULL);
}

static void bounded(void **state)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct discover_list l;
    struct err err = {0};
    const char *many[DISCOVER_PORTS_MAX + 1];
    (void)state;
    for (int i = 0; i < 16; i++)
        buf_addf(&b, "10.0.%d.0/24\n", i);
    buf_adds(&b, "10.1.0.0/27\n10.1.1.2/32 10.1.1.3/32\n");
    l = read_good(buf_cstr(&b), NULL);
    assert_int_equal(l.n, 16 * 254 + 32);
    assert_int_equal(l.n, DISCOVER_PAIRS_MAX);
    buf_adds(&b, "10.1.1.2\n10.1.1.4\n");
    refused(buf_cstr(&b), "discover.many", "line 20");
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = "443";
    assert_int_equal(
        discover_read("a.example", &(struct names){many, COUNT_OF(many)}, arena, &l, &err),
        RC_INPUT);
    assert_string_equal(err.field, "ports");
    many[0] = "https";
    assert_int_equal(discover_read("a.example", &(struct names){many, 1}, arena, &l, &err),
                     RC_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),           cmocka_unit_test(each_once),
        cmocka_unit_test(ranges_are_whole), cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
