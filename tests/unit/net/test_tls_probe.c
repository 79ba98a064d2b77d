/* Looking at what a server serves: right ones, odd ones, and ones that only waste time. */
#include "net/tls_probe.h"
#include "unit/net/net_rig.h"

struct play {
    SSL_CTX *tls;
    const char *raw; /* instead of TLS: these bytes ... */
    bool flood;      /* ... for ever */
    bool leave;      /* ... then closes */
    int drip;        /* msec between bytes */
    bool smtp;       /* greets first */
};

static void act(int fd, void *ctx)
{
    struct play *p = ctx;
    char buf[1024];
    if (p->smtp) {
        peer_say(fd, "220 mx\r\n");
        if (!peer_wait(fd, "EHLO", buf, sizeof buf))
            return;
        peer_say(fd, "250-mx\r\n250 STARTTLS\r\n");
        if (!peer_wait(fd, "STARTTLS", buf, sizeof buf))
            return;
        peer_say(fd, "220 go\r\n");
    }
    if (p->tls) {
        SSL *ssl = SSL_new(p->tls);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1) {
            int n = SSL_read(ssl, buf, sizeof buf);
            assert_true(n <= 0); /* a probe never sends data */
        }
        SSL_free(ssl);
        return;
    }
    if (p->leave)
        (void)!recv(fd, buf, sizeof buf, 0);
    for (const char *c = p->raw; p->drip && c && *c; c++) {
        if (send(fd, c, 1, MSG_NOSIGNAL) <= 0)
            return;
        (void)poll(NULL, 0, p->drip);
    }
    if (p->raw && !p->drip)
        peer_say(fd, p->raw);
    while (p->flood && send(fd, p->raw, strlen(p->raw), MSG_NOSIGNAL) > 0)
        ;
    if (!p->leave)
        peer_hold(fd);
}

static struct arena *arena;
static struct tls_seen seen;
static struct err last;
static int64_t took; /* msec */

static enum rc probe(struct play *play, const char *sni, enum starttls how, int msec)
{
    struct peer p;
    peer_start(&p, "127.0.0.1", act, play);
    struct tls_probe t = {.addr = rig_addr(p.port),
                          .sni = sni,
                          .starttls = how,
                          .deadline = rig_in(msec),
                          .roots_pem = buf_str(&rig_ca_pem)};
    int64_t t0 = clock_mono(clock_real());
    last = (struct err){0};
    seen = (struct tls_seen){0};
    enum rc rc = tls_probe_do(&t, arena, &seen, &last);
    took = (clock_mono(clock_real()) - t0) / USEC_PER_MSEC;
    peer_stop(&p);
    if (rc != RC_OK)
        assert_true(last.en[0] && last.ja[0]);
    return rc;
}

static void what_is_served_is_seen(void **state)
{
    UNUSED(state);
    struct play p = {.tls = rig_tls("good")};
    struct cert_info c;
    assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 3000), RC_OK);
    assert_string_equal(seen.protocol, "TLSv1.3");
    assert_true(seen.trusted && !seen.client_cert_asked);
    assert_int_equal(seen.chain_count, 1);
    assert_int_equal(cert_parse(seen.chain[0], arena, &c, NULL), RC_OK);
    assert_string_equal(c.common_name, "localhost");
    assert_true(seen.tcp_usec >= 0 && seen.tls_usec > 0);
    p.smtp = true;
    assert_int_equal(probe(&p, "localhost", STARTTLS_SMTP, 3000), RC_OK);
    assert_true(seen.trusted);
    SSL_CTX_free(p.tls);
}

static int choose_by_sni(SSL *ssl, int *alert, void *other)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    UNUSED(alert);
    if (name && strcmp(name, "other.example") == 0)
        SSL_set_SSL_CTX(ssl, other);
    return SSL_TLSEXT_ERR_OK;
}

static void the_name_asked_for_is_sent(void **state)
{
    UNUSED(state);
    struct play p = {.tls = rig_tls("good")};
    SSL_CTX *other = rig_tls("other");
    struct cert_info c;
    SSL_CTX_set_tlsext_servername_callback(p.tls, choose_by_sni);
    SSL_CTX_set_tlsext_servername_arg(p.tls, other);
    assert_int_equal(probe(&p, "other.example", STARTTLS_NONE, 3000), RC_OK);
    assert_int_equal(cert_parse(seen.chain[0], arena, &c, NULL), RC_OK);
    assert_string_equal(c.common_name, "other.example");
    assert_int_equal(probe(&p, NULL, STARTTLS_NONE, 3000), RC_OK);
    assert_int_equal(cert_parse(seen.chain[0], arena, &c, NULL), RC_OK);
    assert_string_equal(c.common_name, "localhost");
    SSL_CTX_free(other);
    SSL_CTX_free(p.tls);
}

/* Case 32: reported, not fatal. */
static void odd_servers_are_reported(void **state)
{
    UNUSED(state);
    struct play p = {.tls = rig_tls("old")};
    assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 3000), RC_OK);
    assert_false(seen.trusted);
    assert_non_null(strstr(seen.untrusted_why, "expired"));
    SSL_CTX_free(p.tls);
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION};
    static const char *const names[] = {"TLSv1", "TLSv1.1", "TLSv1.2"};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        p.tls = rig_tls("good");
        SSL_CTX_set_security_level(p.tls, 0);
        SSL_CTX_set_min_proto_version(p.tls, versions[i]);
        SSL_CTX_set_max_proto_version(p.tls, versions[i]);
        assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 3000), RC_OK);
        assert_string_equal(seen.protocol, names[i]);
        SSL_CTX_free(p.tls);
    }
    p.tls = rig_tls("good"); /* no certificate at all */
    SSL_CTX_set_max_proto_version(p.tls, TLS1_2_VERSION);
    SSL_CTX_set_security_level(p.tls, 0);
    SSL_CTX_set_cipher_list(p.tls, "aNULL");
    SSL_CTX_set_dh_auto(p.tls, 1);
    assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 3000), RC_TLS);
    assert_string_equal(last.id, "net.probe.none");
    SSL_CTX_free(p.tls);
}

static int no_check(int ok, X509_STORE_CTX *ctx)
{
    UNUSED(ok);
    UNUSED(ctx);
    return 1;
}

static void a_server_that_wants_a_client_certificate_is_seen(void **state)
{
    UNUSED(state);
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct play p = {.tls = rig_tls("good")};
        SSL_CTX_set_max_proto_version(p.tls, versions[i]);
        SSL_CTX_set_verify(p.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, no_check);
        assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 3000), RC_OK);
        assert_true(seen.client_cert_asked);
        assert_int_equal(seen.chain_count, 1);
        SSL_CTX_free(p.tls);
    }
}

static void a_long_chain_is_cut_and_an_enormous_one_refused(void **state)
{
    UNUSED(state);
    struct play p = {.tls = rig_tls("good")};
    const unsigned char *der = (const unsigned char *)rig_ca_der.p;
    X509 *ca = d2i_X509(NULL, &der, (long)rig_ca_der.len);
    for (int i = 0; i < 100; i++)
        SSL_CTX_add1_chain_cert(p.tls, ca);
    assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 3000), RC_OK);
    assert_int_equal(seen.chain_count, 20);
    for (int i = 0; i < 9900; i++)
        SSL_CTX_add1_chain_cert(p.tls, ca);
    assert_int_equal(probe(&p, "localhost", STARTTLS_NONE, 5000), RC_TLS);
    assert_true(took < 4000);
    X509_free(ca);
    SSL_CTX_free(p.tls);
}

/* Case 31: each is bounded by the one deadline. */
static void those_that_waste_time_end_at_the_deadline(void **state)
{
    UNUSED(state);
    static const char hello_part[] =
        "\x16\x03\x03\x40\x01\x02\x03\x01\x01\x03\x03\x01\x01\x01\x01\x01"
        "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01";
    struct play plays[] = {{.raw = NULL}, {.raw = hello_part, .drip = 30}, {.raw = hello_part}};
    for (size_t i = 0; i < COUNT_OF(plays); i++) {
        assert_int_equal(probe(&plays[i], "localhost", STARTTLS_NONE, 300), RC_TIMEOUT);
        assert_string_equal(last.id, "net.probe.timeout");
        assert_true(took >= 250 && took < 2000);
    }
    struct play greeted = {.smtp = true};
    assert_int_equal(probe(&greeted, "localhost", STARTTLS_SMTP, 300), RC_TIMEOUT);
    assert_true(took >= 250 && took < 2000);
    struct play silent = {.raw = NULL};
    assert_int_equal(probe(&silent, "localhost", STARTTLS_SMTP, 300), RC_TIMEOUT);
    assert_true(took >= 250 && took < 2000);
    assert_int_equal(probe(&silent, "localhost", STARTTLS_NONE, -5), RC_TIMEOUT);
}

static void those_that_talk_nonsense_are_refused(void **state)
{
    UNUSED(state);
    struct play plays[] = {{.leave = true},
                           {.raw = "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03", .leave = true},
                           {.raw = "HTTP/1.1 400 Bad Request\r\n\r\n"},
                           {.raw = "SSH-2.0-OpenSSH_9.2\r\n"},
                           {.raw = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", .flood = true},
                           {.raw = "\x16\x03\x03\x3f\xff\x02\x01\x01\x01\x01", .flood = true}};
    for (size_t i = 0; i < COUNT_OF(plays); i++) {
        enum rc rc = probe(&plays[i], "localhost", STARTTLS_NONE, 3000);
        if (rc != RC_TLS)
            fail_msg("play %zu: %s: %s", i, rc_name(rc), last.en);
        assert_string_equal(last.id, "net.probe.handshake");
        assert_true(took < 2500);
    }
}

static void nobody_listening_is_a_network_error(void **state)
{
    UNUSED(state);
    int port = 0;
    int fd = rig_listen("127.0.0.1", &port);
    assert_true(fd >= 0);
    (void)close(fd);
    struct tls_probe t = {.addr = rig_addr(port), .deadline = rig_in(2000)};
    EXPECT(tls_probe_do(&t, arena, &seen, &err), RC_NET, "net.connect");
}

static int setup(void **state)
{
    arena = arena_create(0);
    return rig_setup(state);
}

static int teardown(void **state)
{
    arena_destroy(arena);
    return rig_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_served_is_seen),
        cmocka_unit_test(the_name_asked_for_is_sent),
        cmocka_unit_test(odd_servers_are_reported),
        cmocka_unit_test(a_server_that_wants_a_client_certificate_is_seen),
        cmocka_unit_test(a_long_chain_is_cut_and_an_enormous_one_refused),
        cmocka_unit_test(those_that_waste_time_end_at_the_deadline),
        cmocka_unit_test(those_that_talk_nonsense_are_refused),
        cmocka_unit_test(nobody_listening_is_a_network_error),
    };
    return cmocka_run_group_tests_name("net.tls_probe", tests, setup, teardown);
}
