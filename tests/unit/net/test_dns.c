/* DNS questions against a server of our own. */
#include "net_rig.h"

#include "net/dns.h"
#include "rig/dns_server.h"

#define CAA "\0\x05issueca1.example"
static const struct dns_row rows[] = {
    {"www.a.example", DNS_A, "\xc0\0\x02\x07", 4},
    {"www.a.example", DNS_A, "\xc0\0\x02\x08", 4},
    {"www.a.example", DNS_AAAA, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16},
    {"a.example", DNS_CAA, CAA, sizeof CAA - 1},
    {NULL, 0, NULL, 0}};

static void asked_and_answered(void **state)
{
    struct dns_server s;
    struct dns_servers at;
    struct dns_answer got;
    struct err e = {0};
    char text[32];
    struct arena *a = arena_create(0);
    (void)state;
    dns_server_start(&s, rows);
    snprintf(text, sizeof text, "127.0.0.1:%d", s.port);
    assert_int_equal(dns_servers_parse(text, &at, &e), RC_OK);
    assert_int_equal(dns_query(&at, "WWW.a.example", DNS_A, 5, a, &got, &e), RC_OK);
    assert_int_equal(got.n, 2);
    assert_true(got.exists && got.v[0].n == 4);
    assert_memory_equal(got.v[1].p, "\xc0\0\x02\x08", 4);
    assert_int_equal(dns_query(&at, "www.a.example", DNS_AAAA, 5, a, &got, &e), RC_OK);
    assert_int_equal(got.n, 1);
    assert_int_equal(dns_query(&at, "a.example", DNS_CAA, 5, a, &got, &e), RC_OK);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.v[0].n, sizeof CAA - 1);
    assert_memory_equal(got.v[0].p, CAA, sizeof CAA - 1);
    /* there, but not of this kind; and not there at all */
    assert_int_equal(dns_query(&at, "a.example", DNS_A, 5, a, &got, &e), RC_OK);
    assert_true(got.exists && got.n == 0);
    assert_int_equal(dns_query(&at, "none.example", DNS_A, 5, a, &got, &e), RC_OK);
    assert_true(!got.exists && got.n == 0);
    dns_server_stop(&s);
    arena_destroy(a);
}

static void no_answer(void **state)
{
    struct dns_server s;
    struct dns_servers at;
    struct dns_answer got;
    struct err e = {0};
    char text[32];
    struct arena *a = arena_create(0);
    (void)state;
    dns_server_start(&s, rows);
    snprintf(text, sizeof text, "127.0.0.1:%d", s.port);
    assert_int_equal(dns_servers_parse(text, &at, &e), RC_OK);
    assert_int_equal(dns_query(&at, DNS_BROKEN "example", DNS_A, 1, a, &got, &e), RC_NET);
    assert_string_equal(e.id, "net.dns_none");
    e = (struct err){0};
    assert_int_equal(dns_query(&at, DNS_SILENT "example", DNS_A, 1, a, &got, &e), RC_NET);
    dns_server_stop(&s);
    arena_destroy(a);
}

static void servers_are_read_strictly(void **state)
{
    static const char *const bad[] = {
        "x",         "1.2.3", "1.2.3.4:0", "1.2.3.4:65536",
        "1.2.3.4:x", "::1",   ":53",       "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4"};
    struct dns_servers s;
    struct err e = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (dns_servers_parse(bad[i], &s, &e) != RC_INPUT)
            fail_msg("%s was taken", bad[i]);
    assert_int_equal(dns_servers_parse("", &s, &e), RC_OK);
    assert_int_equal(s.n, 0);
    assert_int_equal(dns_servers_parse("192.0.2.1, 192.0.2.2:5353,", &s, &e), RC_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(ntohs(s.v[1].sin_port), 5353);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_and_answered),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(servers_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
