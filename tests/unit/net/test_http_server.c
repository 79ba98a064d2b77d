/* The server around the gate: clocks, counts, streams, TLS, the unix socket, and its own end. */
#include <sys/stat.h>
#include <sys/un.h>

#include "unit/net/server_rig.h"

static struct raw_reply reply;

static const char get[] = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

static void one_connection_serves_many_requests(void **state)
{
    UNUSED(state);
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = rig_echo};
    rig_server_start(&s, NULL, &how);
    int fd = rig_connect(s.port);
    for (int i = 0; i < 20; i++) {
        char line[128], answer[64];
        int n = snprintf(line, sizeof line,
                         "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%.*s", i, i % 5,
                         i % 5, "abcde");
        (void)snprintf(answer, sizeof answer, "POST /%d %d", i, i % 5);
        raw_send(fd, line, (size_t)n);
        raw_read(fd, 3000, answer, &reply);
        assert_int_equal(reply.status, 200);
        assert_non_null(strstr(reply.text, answer));
        assert_non_null(strstr(reply.text, "X-Content-Type-Options: nosniff"));
    }
    /* three in one packet, the last of them folded */
    static const char three[] =
        "GET /p1 HTTP/1.1\r\nHost: a\r\n\r\nGET /p2 HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /p3 HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n";
    raw_send(fd, three, sizeof three - 1);
    raw_read(fd, 3000, NULL, &reply);
    assert_non_null(strstr(reply.text, "GET /p1 0"));
    assert_non_null(strstr(reply.text, "GET /p2 0"));
    assert_null(strstr(reply.text, "GET /p3"));
    assert_non_null(strstr(reply.text, " 400 "));
    assert_true(reply.closed);
    (void)close(fd);
    rig_server_stop(&s);
}

static void slow(struct http_exchange *x, void *ctx)
{
    (void)poll(NULL, 0, *(int *)ctx);
    http_reply(x, 200, "text/plain", STR("slowly"));
}

/* What follows is about time; the limits are short so that the test is. */
static const struct http_limits quick = {
    .max_body = 100000, .header_timeout = 300000, .idle_timeout = 400000};

static void a_handler_may_take_longer_than_the_idle_time(void **state)
{
    UNUSED(state);
    struct rig_server s;
    int msec = 1200;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = slow, .ctx = &msec};
    rig_server_start(&s, &quick, &how);
    int fd = rig_connect(s.port);
    raw_send(fd, get, sizeof get - 1);
    raw_read(fd, 3000, "slowly", &reply);
    assert_int_equal(reply.status, 200);
    (void)close(fd);
    /* and a client that leaves meanwhile harms nobody */
    fd = rig_connect(s.port);
    raw_send(fd, get, sizeof get - 1);
    (void)poll(NULL, 0, 50);
    (void)close(fd);
    (void)poll(NULL, 0, 1300);
    rig_server_stop(&s);
}

/* Sends one byte each `msec` until the server closes; how long that took. */
static int64_t drip(int port, struct str text, int msec)
{
    int fd = rig_connect(port);
    int64_t t0 = clock_mono(clock_real());
    for (size_t i = 0; i < text.n; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        raw_send(fd, text.p + i, 1);
        if (poll(&p, 1, msec) > 0)
            break;
    }
    raw_read(fd, 3000, NULL, &reply);
    (void)close(fd);
    assert_true(reply.closed);
    return (clock_mono(clock_real()) - t0) / USEC_PER_MSEC;
}

static void slow_clients_are_closed(void **state)
{
    UNUSED(state);
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = rig_echo};
    rig_server_start(&s, &quick, &how);
    int before = atomic_load(&rig_handled);
    /* silent from the start */
    assert_true(drip(s.port, STR(""), 0) < 1500);
    /* headers byte by byte: each one in time, all of them not */
    int64_t took =
        drip(s.port, STR("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1"), 50);
    assert_true(took >= 250 && took < 1500);
    /* a body that comes at 20 bytes a second */
    int fd = rig_connect(s.port);
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n";
    int64_t t0 = clock_mono(clock_real());
    raw_send(fd, head, sizeof head - 1);
    for (int i = 0; i < 60 && reply.status == 0; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        raw_send(fd, "b", 1);
        if (poll(&p, 1, 50) > 0)
            break;
    }
    raw_read(fd, 1000, NULL, &reply);
    assert_true(reply.closed);
    assert_true(clock_mono(clock_real()) - t0 < 1500 * USEC_PER_MSEC);
    (void)close(fd);
    /* a body that keeps the rate is waited for, longer than any of the limits */
    static char body[50000];
    memset(body, 'b', sizeof body);
    fd = rig_connect(s.port);
    raw_send(fd, head, sizeof head - 1);
    for (size_t i = 0; i < sizeof body; i += 5000) {
        (void)poll(NULL, 0, 150);
        raw_send(fd, body + i, 5000);
    }
    raw_read(fd, 1000, "POST / 50000", &reply);
    assert_int_equal(reply.status, 200);
    /* then idle: closed, but not at once */
    t0 = clock_mono(clock_real());
    raw_read(fd, 3000, NULL, &reply);
    took = (clock_mono(clock_real()) - t0) / USEC_PER_MSEC;
    assert_true(reply.closed && took >= 300 && took < 1500);
    (void)close(fd);
    assert_int_equal(atomic_load(&rig_handled), before + 1);
    rig_server_stop(&s);
}

static bool serves(int port)
{
    int fd = rig_connect(port);
    raw_send(fd, get, sizeof get - 1);
    raw_read(fd, 1000, "GET /x 0", &reply);
    (void)close(fd);
    return reply.status == 200;
}

static void connections_are_counted(void **state)
{
    UNUSED(state);
    static const struct {
        struct http_limits limits;
    } v[] = {{{.max_connections = 10}}, {{.max_connections = 100, .max_per_address = 10}}};
    for (size_t k = 0; k < COUNT_OF(v); k++) {
        struct rig_server s;
        struct http_listen how = {.address = "127.0.0.1:0", .handler = rig_echo};
        int fds[10];
        rig_server_start(&s, &v[k].limits, &how);
        for (int i = 0; i < 10; i++) {
            fds[i] = rig_connect(s.port);
            raw_send(fds[i], get, sizeof get - 1);
            raw_read(fds[i], 1000, "GET /x 0", &reply);
            assert_int_equal(reply.status, 200);
        }
        int fd = rig_connect(s.port); /* the eleventh, silent */
        raw_read(fd, 1000, NULL, &reply);
        assert_true(reply.closed && reply.status == 0);
        (void)close(fd);
        raw(s.port, STR("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), &reply); /* ... and talking */
        assert_true(reply.closed && (reply.status == 0 || reply.status == 503));
        for (int i = 0; i < 10; i++) /* those inside are still served */
            raw_send(fds[i], get, sizeof get - 1);
        for (int i = 0; i < 10; i++) {
            raw_read(fds[i], 1000, "GET /x 0", &reply);
            assert_int_equal(reply.status, 200);
            (void)close(fds[i]);
        }
        (void)poll(NULL, 0, 50);
        assert_true(serves(s.port)); /* room again */
        rig_server_stop(&s);
    }
}

/* Case 47, at a size for a unit test. */
static void others_are_served_beside_slow_ones(void **state)
{
    UNUSED(state);
    static const struct http_limits limits = {.max_connections = 400, .max_per_address = 400};
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = rig_echo};
    static int fds[300];
    rig_server_start(&s, &limits, &how);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = rig_connect(s.port);
        raw_send(fds[i], get, i % (sizeof get - 1));
    }
    int64_t t0 = clock_mono(clock_real());
    assert_true(serves(s.port));
    assert_true(clock_mono(clock_real()) - t0 < USEC_PER_SEC);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        (void)close(fds[i]);
    rig_server_stop(&s);
}

/* ---- streams ---- */

static _Atomic(struct http_stream *) stream;
static atomic_int stream_closes;

static void stream_gone(void *ctx)
{
    UNUSED(ctx);
    atomic_fetch_add(&stream_closes, 1);
}

static void begin(struct http_exchange *x, void *ctx)
{
    UNUSED(ctx);
    http_reply_header(x, "Cache-Control", "no-store");
    atomic_store(&stream, http_stream_begin(x, "text/event-stream", stream_gone, NULL));
}

static struct http_stream *await_stream(int port, int *ret_fd)
{
    atomic_store(&stream, NULL);
    atomic_store(&stream_closes, 0);
    *ret_fd = rig_connect(port);
    raw_send(*ret_fd, get, sizeof get - 1);
    for (int i = 0; i < 200 && !atomic_load(&stream); i++)
        (void)poll(NULL, 0, 10);
    assert_non_null(atomic_load(&stream));
    return atomic_load(&stream);
}

static void await_close(void)
{
    for (int i = 0; i < 300 && atomic_load(&stream_closes) == 0; i++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(atomic_load(&stream_closes), 1);
}

static void a_stream_outlives_the_idle_time_and_ends_cleanly(void **state)
{
    UNUSED(state);
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = begin};
    int fd;
    rig_server_start(&s, &quick, &how);
    struct http_stream *st = await_stream(s.port, &fd);
    assert_true(http_stream_send(st, STR("data: one\n\n")));
    raw_read(fd, 1000, "data: one", &reply);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.text, "Content-Type: text/event-stream"));
    assert_non_null(strstr(reply.text, "Cache-Control: no-store"));
    (void)poll(NULL, 0, 1000); /* more than twice the idle time, in silence */
    assert_int_equal(atomic_load(&stream_closes), 0);
    assert_true(http_stream_send(st, STR("data: two\n\n")));
    raw_read(fd, 1000, "data: two", &reply);
    assert_non_null(strstr(reply.text, "data: two"));
    http_stream_end(st);
    raw_read(fd, 1000, "0\r\n\r\n", &reply);
    assert_non_null(strstr(reply.text, "0\r\n\r\n"));
    await_close();
    (void)close(fd);
    rig_server_stop(&s);
}

static void a_client_that_leaves_ends_its_stream(void **state)
{
    UNUSED(state);
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = begin};
    rig_server_start(&s, &quick, &how);
    for (int i = 0; i < 3; i++) {
        int fd;
        struct http_stream *st = await_stream(s.port, &fd);
        assert_true(http_stream_send(st, STR("data: one\n\n")));
        raw_read(fd, 1000, "data: one", &reply);
        (void)close(fd);
        await_close();
        assert_false(http_stream_send(st, STR("data: two\n\n")));
        http_stream_end(st);
    }
    rig_server_stop(&s);
}

static void a_client_that_does_not_read_is_dropped(void **state)
{
    UNUSED(state);
    static const struct http_limits patient = {.idle_timeout = 30000000};
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = begin};
    static char block[32768];
    int fd;
    memset(block, 'x', sizeof block);
    rig_server_start(&s, &patient, &how);
    struct http_stream *st = await_stream(s.port, &fd);
    /* kernel buffers first, then ours, then no more: 64 MB are far above both */
    int sent = 0;
    for (int i = 0; i < 20000 && sent < 2000 && atomic_load(&stream_closes) == 0; i++) {
        if (http_stream_send(st, (struct str){block, sizeof block}))
            sent++;
        else
            (void)poll(NULL, 0, 1);
    }
    await_close();
    assert_false(http_stream_send(st, STR("x")));
    http_stream_end(st);
    (void)close(fd);
    rig_server_stop(&s);
}

static void a_stream_open_at_the_end_of_the_server_is_closed(void **state)
{
    UNUSED(state);
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = begin};
    int fd;
    rig_server_start(&s, NULL, &how);
    struct http_stream *st = await_stream(s.port, &fd);
    assert_true(http_stream_send(st, STR("data: one\n\n")));
    raw_read(fd, 1000, "data: one", &reply);
    http_stream_end(st); /* the owner's half; may or may not run before the loop stops */
    rig_server_stop(&s);
    assert_int_equal(atomic_load(&stream_closes), 1);
    (void)close(fd);
}

/* ---- headers, listeners ---- */

static void split(struct http_exchange *x, void *ctx)
{
    UNUSED(ctx);
    http_reply_header(x, "X-Good", "fine");
    http_reply_header(x, "X-Bad", "a\r\nSet-Cookie: evil=1");
    http_reply_header(x, "X-Bad\r\nSet-Cookie", "evil=2");
    http_reply_header(x, "X:Y", "evil");
    char text[256];
    const char *q = http_query(x, "q"), *h = http_request_header(x, "x-ASK");
    int n = snprintf(text, sizeof text, "[%s][%s][%s][%d][%lld]", q ? q : "-", h ? h : "-",
                     http_peer_of(x)->addr, http_peer_of(x)->tls, (long long)http_peer_of(x)->uid);
    http_reply(x, http_query(x, "fail") ? 404 : 200, "text/plain", (struct str){text, (size_t)n});
}

static void replies_cannot_be_split(void **state)
{
    UNUSED(state);
    struct rig_server s;
    struct http_listen how = {.address = "127.0.0.1:0", .handler = split};
    rig_server_start(&s, NULL, &how);
    int fd = rig_connect(s.port);
    static const char ask[] = "GET /a?q=%E6%97%A5 HTTP/1.1\r\nHost: a\r\nX-Ask: yes\r\n\r\n";
    raw_send(fd, ask, sizeof ask - 1);
    raw_read(fd, 1000, "[-1]", &reply);
    assert_non_null(strstr(reply.text, "[日][yes][127.0.0.1][0][-1]"));
    assert_non_null(strstr(reply.text, "X-Good: fine\r\n"));
    assert_null(strstr(reply.text, "evil"));
    (void)close(fd);
    raw(s.port, STR("GET /a?fail=1 HTTP/1.1\r\nHost: a\r\n\r\n"), &reply);
    assert_int_equal(reply.status, 404);
    assert_true(reply.closed); /* no keep-alive after an error */
    rig_server_stop(&s);
}

static void the_unix_socket_knows_its_peer(void **state)
{
    UNUSED(state);
    struct rig_server s;
    char address[160];
    (void)snprintf(address, sizeof address, "unix:%s", rig_path("sock"));
    struct http_listen how = {.address = address, .handler = split};
    struct stat st;
    rig_server_start(&s, NULL, &how);
    assert_int_equal(stat(rig_path("sock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", rig_path("sock"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    raw_send(fd, get, sizeof get - 1);
    char expect[64];
    (void)snprintf(expect, sizeof expect, "[-][-][unix][0][%lld]", (long long)getuid());
    raw_read(fd, 1000, expect, &reply);
    assert_non_null(strstr(reply.text, expect));
    (void)close(fd);
    rig_server_stop(&s);
    assert_int_equal(access(rig_path("sock"), F_OK), -1);
    char longest[300] = "unix:/";
    memset(longest + 6, 'a', 200);
    struct http_server *h = NULL;
    how.address = longest;
    assert_int_equal(http_server_create(NULL, NULL, NULL, &h, NULL), RC_OK);
    struct err err = {0};
    assert_int_not_equal(http_server_listen(h, &how, NULL, &err), RC_OK);
    assert_true(err.en[0]);
    http_server_destroy(h);
}

static void shake(int port, const char *pair_seen, int max_version)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(c, 0);
    if (max_version) {
        SSL_CTX_set_min_proto_version(c, max_version);
        SSL_CTX_set_max_proto_version(c, max_version);
    }
    SSL *ssl = SSL_new(c);
    int fd = rig_connect(port);
    SSL_set_fd(ssl, fd);
    int ok = SSL_connect(ssl);
    assert_int_equal(ok == 1, pair_seen != NULL);
    if (pair_seen) {
        char cn[64] = "", buf[4096];
        X509 *x = SSL_get1_peer_certificate(ssl);
        X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof cn);
        X509_free(x);
        assert_string_equal(cn, pair_seen);
        assert_true(SSL_write(ssl, get, sizeof get - 1) > 0);
        int n = SSL_read(ssl, buf, sizeof buf - 1);
        assert_true(n > 0);
        buf[n] = '\0';
        assert_int_equal(strncmp(buf, "HTTP/1.1 200", 12), 0);
    }
    SSL_free(ssl);
    SSL_CTX_free(c);
    (void)close(fd);
}

static void tls_is_modern_and_can_be_reloaded(void **state)
{
    UNUSED(state);
    struct rig_server s;
    char cert[128], key[128];
    (void)snprintf(cert, sizeof cert, "%s", rig_path("served.pem"));
    (void)snprintf(key, sizeof key, "%s", rig_path("served.key"));
    struct http_listen how = {
        .address = "127.0.0.1:0", .cert_pem = cert, .key_pem = key, .handler = rig_echo};
    rig_pair("served", "localhost", 0);
    rig_server_start(&s, &quick, &how);
    shake(s.port, "localhost", 0);
    shake(s.port, "localhost", TLS1_2_VERSION);
    shake(s.port, NULL, TLS1_1_VERSION);
    shake(s.port, NULL, TLS1_VERSION);
    rig_pair("served", "other.example", 0);
    EXPECT(http_server_reload_tls(s.http, &err), RC_OK, NULL);
    shake(s.port, "other.example", 0);
    rig_write("served.key", STR("junk"));
    EXPECT(http_server_reload_tls(s.http, &err), RC_INPUT, "net.http.pair");
    shake(s.port, "other.example", 0); /* the old pair stays */
    /* plain HTTP on the TLS port, and a handshake that never goes on */
    raw(s.port, str_from(get), &reply);
    assert_true(reply.closed);
    int fd = rig_connect(s.port);
    int64_t t0 = clock_mono(clock_real());
    raw_send(fd, "\x16\x03\x01\x02\x00\x01", 6);
    raw_read(fd, 3000, NULL, &reply);
    assert_true(reply.closed && clock_mono(clock_real()) - t0 < 2 * USEC_PER_SEC);
    (void)close(fd);
    rig_server_stop(&s);
}

static void a_pair_that_does_not_match_is_refused(void **state)
{
    UNUSED(state);
    struct http_server *h = NULL;
    struct loop *l = NULL;
    char cert[128], key[128];
    (void)snprintf(cert, sizeof cert, "%s", rig_path("good.pem"));
    (void)snprintf(key, sizeof key, "%s", rig_path("other.key"));
    struct http_listen how = {
        .address = "127.0.0.1:0", .cert_pem = cert, .key_pem = key, .handler = rig_echo};
    assert_int_equal(loop_create(&l, NULL), RC_OK);
    assert_int_equal(http_server_create(l, NULL, NULL, &h, NULL), RC_OK);
    EXPECT(http_server_listen(h, &how, NULL, &err), RC_INPUT, "net.http.pair");
    /* an encrypted key would ask a terminal */
    const char *const argv[] = {
        "openssl", "pkcs8",         "-topk8",   "-in",    rig_path("good.key"),
        "-out",    rig_path("enc"), "-passout", "pass:x", NULL};
    struct proc_result r;
    AUTO(buf) struct buf out = BUF(4096);
    assert_int_equal(proc_run(argv, NULL, 10 * USEC_PER_SEC, NULL, &out, &r, NULL), RC_OK);
    assert_int_equal(r.status, 0);
    (void)snprintf(key, sizeof key, "%s", rig_path("enc"));
    EXPECT(http_server_listen(h, &how, NULL, &err), RC_INPUT, "net.http.pair");
    how = (struct http_listen){.address = "nonsense", .handler = rig_echo};
    struct err err = {0};
    assert_int_not_equal(http_server_listen(h, &how, NULL, &err), RC_OK);
    http_server_destroy(h);
    loop_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_serves_many_requests),
        cmocka_unit_test(a_handler_may_take_longer_than_the_idle_time),
        cmocka_unit_test(slow_clients_are_closed),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(others_are_served_beside_slow_ones),
        cmocka_unit_test(a_stream_outlives_the_idle_time_and_ends_cleanly),
        cmocka_unit_test(a_client_that_leaves_ends_its_stream),
        cmocka_unit_test(a_client_that_does_not_read_is_dropped),
        cmocka_unit_test(a_stream_open_at_the_end_of_the_server_is_closed),
        cmocka_unit_test(replies_cannot_be_split),
        cmocka_unit_test(the_unix_socket_knows_its_peer),
        cmocka_unit_test(tls_is_modern_and_can_be_reloaded),
        cmocka_unit_test(a_pair_that_does_not_match_is_refused),
    };
    return cmocka_run_group_tests_name("net.http_server", tests, rig_setup, rig_teardown);
}
