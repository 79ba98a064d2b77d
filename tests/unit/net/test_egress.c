/* The one way out: what it refuses, in every spelling, and that it ends in time. */
#include <fcntl.h>
#include <netdb.h>

#include "unit/net/net_rig.h"

static const struct egress_policy standard = {0};

static bool allows(const struct egress_policy *p, const char *ip)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list;
    struct net_addr a = {0};
    if (getaddrinfo(ip, "443", &hints, &list) != 0)
        fail_msg("%s is no address", ip);
    memcpy(&a.sa, list->ai_addr, list->ai_addrlen);
    a.len = list->ai_addrlen;
    freeaddrinfo(list);
    return egress_allows(p, &a);
}

static void closed_ranges_are_closed_at_both_ends(void **state)
{
    UNUSED(state);
    static const char *const closed[] = {
        "0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "169.254.0.0",
        "169.254.169.254", "169.254.255.255", "192.0.0.1", "192.0.0.255", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "febf::1",
        "ff02::1", "ff0e::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
        "::127.0.0.1",
        /* v4-mapped */
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:7f00:1"};
    for (size_t i = 0; i < COUNT_OF(closed); i++)
        if (allows(&standard, closed[i]))
            fail_msg("%s is open", closed[i]);
    static const char *const open[] = {
        "1.0.0.0",         "126.255.255.255",   "128.0.0.1",       "169.253.255.255", "169.255.0.0",
        "191.255.255.255", "192.0.1.0",         "223.255.255.255", "10.0.0.1",        "172.16.0.1",
        "192.168.1.1",     "100.64.0.1",        "fd00::1",         "fec0::1",         "2001:db8::1",
        "2400:cb00::1",    "::ffff:192.168.1.1"};
    for (size_t i = 0; i < COUNT_OF(open); i++)
        if (!allows(&standard, open[i]))
            fail_msg("%s is closed", open[i]);
}

static void private_ranges_close_on_demand(void **state)
{
    UNUSED(state);
    static const char *const nets[] = {"10.0.0.0",       "10.255.255.255",  "172.16.0.0",
                                       "172.31.255.255", "192.168.0.0",     "192.168.255.255",
                                       "100.64.0.0",     "100.127.255.255", "fc00::1",
                                       "fdff::1",        "fec0::1",         "::ffff:10.0.0.1"};
    static const char *const beside[] = {
        "9.255.255.255", "11.0.0.0",       "172.15.255.255", "172.32.0.0", "192.167.255.255",
        "192.169.0.0",   "100.63.255.255", "100.128.0.0",    "fbff::1",    "2001:db8::1"};
    struct egress_policy p = {.deny_private = true};
    for (size_t i = 0; i < COUNT_OF(nets); i++)
        assert_false(allows(&p, nets[i]));
    for (size_t i = 0; i < COUNT_OF(beside); i++)
        assert_true(allows(&p, beside[i]));
}

static void an_administrator_opens_exactly_what_he_says(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct egress_policy p;
    EXPECT(egress_policy_parse(a, "127.0.0.0/30, 10.1.0.0/16\t::1 192.0.2.7", &p, &err), RC_OK,
           NULL);
    assert_int_equal(p.allow_count, 4);
    p.deny_private = true;
    assert_true(allows(&p, "127.0.0.3") && allows(&p, "10.1.2.3") && allows(&p, "::1"));
    assert_true(allows(&p, "::ffff:127.0.0.1")); /* the same address in its other form */
    assert_false(allows(&p, "127.0.0.4"));
    assert_false(allows(&p, "10.2.0.0"));
    assert_false(allows(&p, "169.254.169.254"));
    EXPECT(egress_policy_parse(a, "", &p, &err), RC_OK, NULL);
    assert_int_equal(p.allow_count, 0);
    EXPECT(egress_policy_parse(a, "0.0.0.0/0", &p, &err), RC_OK, NULL);
    assert_true(allows(&p, "127.0.0.1"));
    assert_false(allows(&p, "::1"));
    static const char *const bad[] = {
        "127.0.0.1/33", "::1/129",      "10.0.0/8", "localhost",  "10.0.0.0/",
        "10.0.0.0/-1",  "10.0.0.0/8/8", "/8",       "1.2.3.4/8x", "127.0.0.0/8;10.0.0.0/8"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT(egress_policy_parse(a, bad[i], &p, &err), RC_INPUT, "net.egress.cidr");
}

static void resolve(const struct egress_policy *p, const char *host, int port, enum rc rc,
                    const char *id)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct net_addr *v = NULL;
    size_t n = 0;
    struct err err = {0};
    enum rc got = egress_resolve(p, host, port, rig_in(5000), a, &v, &n, &err);
    if (got != rc || (id && strcmp(err.id, id) != 0))
        fail_msg("%s: %s/%s: %s", host, rc_name(got), err.id, err.en);
    assert_int_equal(rc == RC_OK, n > 0);
}

/* Case 34. */
static void spellings_of_loopback_are_no_way_round(void **state)
{
    UNUSED(state);
    static const char *const forms[] = {
        "0x7f.1",     "0x7f000001", "2130706433",  "017700000001", "127.1", "127.0.1",
        "0177.0.0.1", "0x7f.0.0.1", "0",           "127.0.0.1.",   "[::1]", "127.0.0.1:80",
        "1.2.3.4.5",  "127.0.0.01", "example.123", "a b",          "",      "-x",
        "a/b",        "a@b",        "::1%lo",      "http://x"};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        resolve(&standard, forms[i], 443, RC_INPUT, "net.egress.host");
        resolve(&rig_policy, forms[i], 443, RC_INPUT, "net.egress.host");
    }
    static const char *const denied[] = {"127.0.0.1",       "::1",     "::ffff:127.0.0.1",
                                         "169.254.169.254", "0.0.0.0", "localhost"};
    for (size_t i = 0; i < COUNT_OF(denied); i++)
        resolve(&standard, denied[i], 443, RC_DENIED, "net.egress.denied");
}

static void a_name_with_a_denied_address_is_refused_and_named(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct net_addr *v;
    size_t n;
    struct err err = {0};
    assert_int_equal(egress_resolve(&standard, "localhost", 443, rig_in(5000), a, &v, &n, &err),
                     RC_DENIED);
    assert_non_null(strstr(err.en, "localhost"));
    assert_true(strstr(err.en, "127.0.0.1") || strstr(err.en, "::1"));
    assert_int_equal(egress_resolve(&rig_policy, "localhost", 443, rig_in(5000), a, &v, &n, &err),
                     RC_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ntohs(((struct sockaddr_in *)&v[i].sa)->sin_port), 443);
}

static void ports_and_deadlines_are_checked_first(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct net_addr *v;
    size_t n;
    resolve(&rig_policy, "127.0.0.1", 0, RC_INPUT, "net.egress.host");
    resolve(&rig_policy, "127.0.0.1", 65536, RC_INPUT, "net.egress.host");
    resolve(&rig_policy, "127.0.0.1", -1, RC_INPUT, "net.egress.host");
    resolve(&rig_policy, "127.0.0.1", 1, RC_OK, NULL);
    resolve(&rig_policy, "127.0.0.1", 65535, RC_OK, NULL);
    EXPECT(egress_resolve(&rig_policy, "127.0.0.1", 443, rig_in(-1), a, &v, &n, &err), RC_TIMEOUT,
           "net.egress.late");
}

static void hello(int fd, void *ctx)
{
    UNUSED(ctx);
    peer_say(fd, "hello");
}

static void a_connection_is_blocking_and_closed_on_exec(void **state)
{
    UNUSED(state);
    struct peer p;
    char buf[16];
    int fd = -1;
    peer_start(&p, "127.0.0.1", hello, NULL);
    struct net_addr addr = rig_addr(p.port);
    EXPECT(egress_connect(&addr, 1, rig_in(3000), "peer", &fd, &err), RC_OK, NULL);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(peer_wait(fd, "hello", buf, sizeof buf));
    (void)close(fd);
    peer_stop(&p);
}

static void the_next_address_is_tried(void **state)
{
    UNUSED(state);
    struct peer p;
    int dead_port = 0, fd = -1;
    int dead = rig_listen("127.0.0.1", &dead_port);
    (void)close(dead);
    peer_start(&p, "127.0.0.1", hello, NULL);
    struct net_addr both[] = {rig_addr(dead_port), rig_addr(p.port)};
    EXPECT(egress_connect(both, 2, rig_in(3000), "peer", &fd, &err), RC_OK, NULL);
    (void)close(fd);
    fd = -1;
    EXPECT(egress_connect(both, 1, rig_in(3000), "peer", &fd, &err), RC_NET, "net.connect");
    assert_int_equal(fd, -1);
    EXPECT(egress_connect(both, 0, rig_in(3000), "peer", &fd, &err), RC_NET, "net.connect");
    EXPECT(egress_connect(both, 2, rig_in(-5), "peer", &fd, &err), RC_TIMEOUT,
           "net.connect.timeout");
    peer_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_ranges_are_closed_at_both_ends),
        cmocka_unit_test(private_ranges_close_on_demand),
        cmocka_unit_test(an_administrator_opens_exactly_what_he_says),
        cmocka_unit_test(spellings_of_loopback_are_no_way_round),
        cmocka_unit_test(a_name_with_a_denied_address_is_refused_and_named),
        cmocka_unit_test(ports_and_deadlines_are_checked_first),
        cmocka_unit_test(a_connection_is_blocking_and_closed_on_exec),
        cmocka_unit_test(the_next_address_is_tried),
    };
    return cmocka_run_group_tests_name("net.egress", tests, rig_setup, rig_teardown);
}
