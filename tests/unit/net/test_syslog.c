/* Syslog frames as RFC 5424 has them, and a way out that trusts only what it should. */
#include "net/syslog.h"

#include "unit/net/net_rig.h"

static char got[65536];
static size_t got_len;
static atomic_int bytes_when_refused;

/* A receiver that reads to the end and closes. */
static void read_all(int fd, void *ctx)
{
    UNUSED(ctx);
    got_len = 0;
    for (ssize_t n; (n = recv(fd, got + got_len, sizeof got - 1 - got_len, 0)) > 0;)
        got_len += (size_t)n;
    got[got_len] = '\0';
}

static void tls_all(int fd, void *ctx)
{
    SSL_CTX *c = rig_tls(ctx);
    SSL *ssl = SSL_new(c);
    got_len = 0;
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        for (int n; (n = SSL_read(ssl, got + got_len, (int)(sizeof got - 1 - got_len))) > 0;)
            got_len += (size_t)n;
    got[got_len] = '\0';
    atomic_store(&bytes_when_refused, (int)got_len);
    SSL_free(ssl);
    SSL_CTX_free(c);
}

/* Reads a little and resets. */
static void reset_early(int fd, void *ctx)
{
    char buf[16];
    struct linger now = {1, 0};
    UNUSED(ctx);
    (void)!recv(fd, buf, sizeof buf, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static const char *const names[] = {"id", "actor", NULL};

static void frames_are_rfc5424(void **state)
{
    static const char *const values[] = {"7", "a\"b\\c]d\nx"};
    struct syslog_record r = {.severity = 6,
                              .at = INT64_C(1767225600) * USEC_PER_SEC,
                              .hostname = "host one",
                              .app = "inro",
                              .msgid = "cert.create",
                              .names = names,
                              .values = values,
                              .text = "{\"名\":\"x\ny\"}"};
    AUTO(buf) struct buf b = BUF(4096);
    UNUSED(state);
    syslog_frame(&r, &b);
    static const char want[] = "<110>1 2026-01-01T00:00:00Z host_one inro - cert.create "
                               "[inro@32473 id=\"7\" actor=\"a\\\"b\\\\c\\]d x\"] "
                               "\xef\xbb\xbf{\"名\":\"x y\"}";
    char head[16];
    snprintf(head, sizeof head, "%zu ", strlen(want));
    assert_memory_equal(buf_cstr(&b), head, strlen(head));
    assert_string_equal(buf_cstr(&b) + strlen(head), want);
}

static void a_record_too_long_loses_its_text(void **state)
{
    static const char *const values[] = {"7", "me"};
    AUTO(buf) struct buf big = BUF(1 << 20), b = BUF(1 << 20);
    UNUSED(state);
    for (int i = 0; i < 100000; i++)
        buf_addc(&big, 'x');
    struct syslog_record r = {.severity = 4, .names = names, .values = values};
    r.text = buf_cstr(&big);
    syslog_frame(&r, &b);
    assert_true(b.len > 10 && b.len < 1000);
    assert_non_null(strstr(buf_cstr(&b), "id=\"7\""));
}

static enum rc deliver(int port, bool tls, const char *host, struct str ca, struct str frames,
                       struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct syslog_dest d = {.policy = &rig_policy,
                            .host = host,
                            .port = port,
                            .tls = tls,
                            .ca_pem = ca,
                            .deadline = rig_in(8000)};
    return syslog_send(&d, frames, a, err);
}

static void plain_and_tls(void **state)
{
    struct peer p;
    UNUSED(state);
    peer_start(&p, "127.0.0.1", read_all, NULL);
    EXPECT(deliver(p.port, false, "127.0.0.1", STR_NONE, STR("3 abc"), &err), RC_OK, NULL);
    assert_string_equal(got, "3 abc");
    peer_stop(&p);
    peer_start(&p, "127.0.0.1", tls_all, (void *)(uintptr_t) "good");
    EXPECT(deliver(p.port, true, "127.0.0.1", buf_str(&rig_ca_pem), STR("3 abc"), &err), RC_OK,
           NULL);
    peer_stop(&p);
    assert_string_equal(got, "3 abc");
}

static void nothing_is_told_to_strangers(void **state)
{
    static const char *const pairs[] = {"other", "old", "good"};
    UNUSED(state);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct peer p;
        bool no_ca = strcmp(pairs[i], "good") == 0; /* a good name under roots that are not ours */
        peer_start(&p, "127.0.0.1", tls_all, (void *)(uintptr_t)pairs[i]);
        EXPECT(deliver(p.port, true, "127.0.0.1", no_ca ? STR_NONE : buf_str(&rig_ca_pem),
                       STR("6 secret"), &err),
               RC_TLS, "net.syslog.trust");
        peer_stop(&p);
        assert_int_equal(atomic_load(&bytes_when_refused), 0);
    }
}

static void a_lost_connection_is_a_failure(void **state)
{
    struct peer p;
    AUTO(buf) struct buf much = BUF((size_t)16 << 20);
    UNUSED(state);
    for (int i = 0; i < 1 << 20; i++)
        buf_adds(&much, "10 abcdefghij");
    peer_start(&p, "127.0.0.1", reset_early, NULL);
    EXPECT(deliver(p.port, false, "127.0.0.1", STR_NONE, buf_str(&much), &err), RC_NET, NULL);
    EXPECT(deliver(p.port, true, "127.0.0.1", STR_NONE, STR("3 abc"), &err), RC_NET, NULL);
    int port = p.port;
    peer_stop(&p);
    EXPECT(deliver(port, false, "127.0.0.1", STR_NONE, STR("3 abc"), &err), RC_NET, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_rfc5424),
        cmocka_unit_test(a_record_too_long_loses_its_text),
        cmocka_unit_test(plain_and_tls),
        cmocka_unit_test(nothing_is_told_to_strangers),
        cmocka_unit_test(a_lost_connection_is_a_failure),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
