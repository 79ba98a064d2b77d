/* URLs, Link and Retry-After as strangers write them. */
#include "net/http_client.h"
#include "unit/net/net_rig.h"

static struct arena *arena;

static void good(const char *text, const char *scheme, const char *host, int port, const char *path)
{
    struct url u;
    EXPECT(url_parse(text, arena, &u, &err), RC_OK, NULL);
    assert_string_equal(u.scheme, scheme);
    assert_string_equal(u.host, host);
    assert_int_equal(u.port, port);
    assert_string_equal(u.path, path);
}

static void urls_are_taken_apart(void **state)
{
    UNUSED(state);
    good("https://ca.example/acme/dir", "https", "ca.example", 443, "/acme/dir");
    good("HTTPS://ca.example", "https", "ca.example", 443, "/");
    good("http://ca.example:8080/a?b=c&d", "http", "ca.example", 8080, "/a?b=c&d");
    good("https://ca.example?x=/y", "https", "ca.example", 443, "/?x=/y");
    good("https://[2001:db8::1]:14000/x", "https", "2001:db8::1", 14000, "/x");
    good("https://[::1]/", "https", "::1", 443, "/");
    good("https://192.0.2.1:1/", "https", "192.0.2.1", 1, "/");
    good("https://ca.example:65535/%2e%2e/", "https", "ca.example", 65535, "/%2e%2e/");
}

static void urls_that_are_none_are_refused(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {"",
                                      "/",
                                      "ca.example",
                                      "https:",
                                      "https:/ca.example",
                                      "https://",
                                      "https:///x",
                                      "ftp://ca.example/",
                                      "file:///etc/passwd",
                                      "gopher://ca.example/",
                                      "javascript:alert(1)",
                                      "https://user@ca.example/",
                                      "https://user:pass@ca.example/",
                                      "https://ca.example:0/",
                                      "https://ca.example:65536/",
                                      "https://ca.example:/",
                                      "https://ca.example:+443/",
                                      "https://ca.example:443x/",
                                      "https://ca example/",
                                      "https://ca.example/a b",
                                      "https://ca.example/\r\nHost: evil",
                                      "https://ca.example/\n",
                                      "https://ca.example\\@evil.example/",
                                      "https://ca.example#@e/",
                                      "https://ca.example/#x",
                                      "https://[::1",
                                      "https://::1/",
                                      "https://[::1]x/",
                                      "https://日本.jp/",
                                      "https://-a.example/",
                                      "https://%31%32%37.0.0.1/",
                                      "https://a..b/",
                                      " https://a.b/",
                                      "https://a.b/\x7f"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct url u;
        struct err err = {0};
        if (url_parse(bad[i], arena, &u, &err) != RC_INPUT)
            fail_msg("\"%s\" is taken", bad[i]);
        assert_string_equal(err.id, "net.url");
        assert_null(strpbrk(err.en, "\r\n"));
    }
    static char big[4200];
    memset(big, 'a', sizeof big - 1);
    memcpy(big, "https://a.b/", 12);
    big[4096] = '\0';
    struct url u;
    EXPECT(url_parse(big, arena, &u, &err), RC_OK, NULL);
    big[4096] = 'a';
    big[4097] = '\0';
    EXPECT(url_parse(big, arena, &u, &err), RC_INPUT, "net.url");
}

static struct http_header fields[4];

static const char *link_of(const char *value, const char *rel, size_t n)
{
    struct http_response r = {.headers = fields, .header_count = 2};
    fields[0] = (struct http_header){"x-other", "<https://no.example>;rel=\"up\""};
    fields[1] = (struct http_header){"link", value};
    return http_link(&r, rel, n, arena);
}

static void links_are_found_by_relation(void **state)
{
    UNUSED(state);
    const char *two =
        "<https://a.example/1>;rel=\"alternate\", <https://a.example/2,x>; title=\"a, "
        "<b>\"; rel=\"alternate\",<https://a.example/3>;rel=index";
    assert_string_equal(link_of(two, "alternate", 0), "https://a.example/1");
    assert_string_equal(link_of(two, "alternate", 1), "https://a.example/2,x");
    assert_null(link_of(two, "alternate", 2));
    assert_string_equal(link_of(two, "index", 0), "https://a.example/3");
    assert_string_equal(link_of("<u>; rel=\"next UP\"", "up", 0), "u");
    assert_string_equal(link_of("<u>; REL=up", "up", 0), "u");
    static const char *const none[] = {"",
                                       ",",
                                       "<",
                                       "<u",
                                       "u; rel=up",
                                       "<u>",
                                       "<u>; rel",
                                       "<u>; rel=",
                                       "<u>; rel=\"",
                                       "<u>; rel=upper",
                                       "<u>; title=\"rel=up\"",
                                       "<u>; rel=\"x\", garbage; rel=up"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_null(link_of(none[i], "up", 0));
    struct http_response r = {.headers = fields, .header_count = 3};
    fields[1] = (struct http_header){"link", "<a>;rel=up"};
    fields[2] = (struct http_header){"link", "<b>;rel=up"};
    assert_string_equal(http_link(&r, "up", 1, arena), "b"); /* in a second header */
}

static void retry_after_is_clamped(void **state)
{
    UNUSED(state);
    const int64_t now = 1764115200 * USEC_PER_SEC, day = USEC_PER_DAY, sec = USEC_PER_SEC;
    const struct {
        const char *value;
        int64_t at;
    } v[] = {{"0", now + sec},
             {"-1", now + sec},
             {"1", now + sec},
             {"30", now + 30 * sec},
             {" 30 ", now + 30 * sec},
             {"86400", now + day},
             {"9999999", now + day},
             {"4611686018426", now + day},
             {"99999999999999999999", 0},
             {"Thu, 01 Jan 1970 00:00:00 GMT", now + sec},
             {"Wed, 26 Nov 2025 00:01:00 GMT", now + 60 * sec},
             {"Fri, 31 Dec 9999 23:59:59 GMT", now + day},
             {"soon", 0},
             {"", 0},
             {"30s", 0},
             {"1e3", 0}};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct http_response r = {.headers = fields, .header_count = 1};
        fields[0] = (struct http_header){"Retry-After", v[i].value};
        if (http_retry_after(&r, now) != v[i].at)
            fail_msg("\"%s\" gives now%+lld s", v[i].value,
                     (long long)((http_retry_after(&r, now) - now) / sec));
    }
    struct http_response none = {0};
    assert_int_equal(http_retry_after(&none, now), 0);
    assert_null(http_header_get(&none, "x"));
}

static int setup(void **state)
{
    UNUSED(state);
    arena = arena_create(0);
    return arena ? 0 : 1;
}

static int teardown(void **state)
{
    UNUSED(state);
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(urls_that_are_none_are_refused),
        cmocka_unit_test(links_are_found_by_relation),
        cmocka_unit_test(retry_after_is_clamped),
    };
    return cmocka_run_group_tests_name("net.http_fields", tests, setup, teardown);
}
