/* The client against servers that behave badly: limits, trust, and one deadline over all. */
#include "net/http_client.h"
#include "unit/net/net_rig.h"

struct script {
    const char *reply;  /* sent after the request's headers have come */
    const char *filler; /* then this for ever, until the client has gone */
    int drip;           /* msec between single bytes of reply; 0 = at once */
    SSL_CTX *tls;
    bool keep; /* more requests on the same connection */
    char got[8192];
};

static bool put(SSL *ssl, int fd, const char *p, size_t n)
{
    if (ssl)
        return SSL_write(ssl, p, (int)n) > 0;
    return send(fd, p, n, MSG_NOSIGNAL) > 0;
}

static bool take_head(SSL *ssl, int fd, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = '\0';
    while (n + 1 < size && !strstr(buf, "\r\n\r\n")) {
        ssize_t got =
            ssl ? SSL_read(ssl, buf + n, (int)(size - 1 - n)) : recv(fd, buf + n, size - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        buf[n] = '\0';
    }
    return true;
}

static void answer(int fd, void *ctx)
{
    struct script *s = ctx;
    SSL *ssl = s->tls ? SSL_new(s->tls) : NULL;
    bool open = true;
    if (ssl) {
        SSL_set_fd(ssl, fd);
        open = SSL_accept(ssl) == 1;
    }
    while (open && take_head(ssl, fd, s->got, sizeof s->got)) {
        for (const char *p = s->reply; s->drip && open && *p; p++) {
            open = put(ssl, fd, p, 1);
            (void)poll(NULL, 0, s->drip);
        }
        if (!s->drip && s->reply)
            open = put(ssl, fd, s->reply, strlen(s->reply));
        while (open && s->filler)
            open = put(ssl, fd, s->filler, strlen(s->filler));
        open = open && s->keep;
    }
    if (ssl)
        (void)SSL_shutdown(ssl);
    SSL_free(ssl);
}

static struct http_client *client_with(const struct egress_policy *policy)
{
    struct http_client *c = NULL;
    struct http_client_options o = {.policy = policy, .ca_pem = buf_str(&rig_ca_pem)};
    EXPECT(http_client_create(&o, &c, &err), RC_OK, NULL);
    return c;
}

static struct arena *arena;
static struct http_response response;
static struct err last;

/* One request to the peer; scheme http unless the script has TLS. */
static enum rc ask_as(struct http_client *c, const struct peer *p, const char *host,
                      struct http_request *r)
{
    const struct script *s = p->ctx;
    last = (struct err){0};
    response = (struct http_response){0};
    if (!r->url)
        r->url = arena_printf(arena, "%s://%s:%d/path", s->tls ? "https" : "http", host, p->port);
    if (!r->method)
        r->method = "GET";
    r->allow_http = !s->tls;
    if (!r->deadline)
        r->deadline = rig_in(5000);
    return http_do(c, r, arena, &response, &last);
}

static enum rc once(struct script *s, const struct http_request *r)
{
    struct peer p;
    struct http_request copy = r ? *r : (struct http_request){0};
    struct http_client *c = client_with(&rig_policy);
    peer_start(&p, "127.0.0.1", answer, s);
    enum rc rc = ask_as(c, &p, "localhost", &copy);
    http_client_destroy(c);
    peer_stop(&p);
    if (rc != RC_OK && rc != RC_CANCELLED) { /* an error names the host */
        assert_non_null(strstr(last.en, "localhost"));
        assert_non_null(strstr(last.ja, "localhost"));
    }
    return rc;
}

static void a_request_and_its_answer_are_whole(void **state)
{
    UNUSED(state);
    struct script s = {.reply = "HTTP/1.1 201 Created\r\nReplay-Nonce: n1\r\nX-A: 1\r\nX-A: 2\r\n"
                                "Content-Length: 5\r\n\r\nhello"};
    const struct http_header h[] = {{"X-One", "eins"}, {"Accept", "text/plain"}};
    struct http_request r = {.method = "POST",
                             .headers = h,
                             .header_count = 2,
                             .body = STR("{\"a\":1}"),
                             .content_type = "application/jose+json"};
    assert_int_equal(once(&s, &r), RC_OK);
    assert_int_equal(response.status, 201);
    assert_true(str_eqs(response.body, "hello"));
    assert_string_equal(http_header_get(&response, "replay-nonce"), "n1");
    assert_string_equal(http_header_get(&response, "x-a"), "1");
    assert_int_equal(response.header_count, 4);
    assert_int_equal(strncmp(s.got, "POST /path HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(s.got, "\r\nX-One: eins\r\n"));
    assert_non_null(strstr(s.got, "\r\nContent-Type: application/jose+json\r\n"));
    assert_non_null(strstr(s.got, "\r\nUser-Agent: Inro/"));
    assert_null(strstr(s.got, "Expect:"));
}

static void every_status_is_an_answer(void **state)
{
    UNUSED(state);
    static const char *const v[] = {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n",
                                    "HTTP/1.0 200 OK\r\n\r\nto the end",
                                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    "2\r\nto\r\n8\r\n the end\r\n0\r\n\r\n",
                                    "HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\n"
                                    "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"};
    static const int status[] = {500, 429, 200, 200, 404};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct script s = {.reply = v[i]};
        assert_int_equal(once(&s, NULL), RC_OK);
        assert_int_equal(response.status, status[i]);
        assert_null(http_header_get(&response, "x-a")); /* the interim one's are gone */
        if (status[i] == 200)
            assert_true(str_eqs(response.body, "to the end"));
    }
}

static void redirects_are_not_followed(void **state)
{
    UNUSED(state);
    static const char *const to[] = {"http://127.0.0.1:1/", "https://evil.example/",
                                     "file:///etc/passwd", "/path"};
    static const int codes[] = {301, 302, 307, 308};
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", codes[i],
                       to[i]);
        struct script s = {.reply = text};
        assert_int_equal(once(&s, NULL), RC_OK);
        assert_int_equal(response.status / 100, 3);
        assert_string_equal(http_header_get(&response, "location"), to[i]);
    }
}

static void bodies_have_a_limit(void **state)
{
    UNUSED(state);
    struct script exact = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"};
    struct http_request r = {.max_body = 10};
    assert_int_equal(once(&exact, &r), RC_OK);
    r.max_body = 9;
    assert_int_equal(once(&exact, &r), RC_REMOTE);
    assert_string_equal(last.id, "net.http.big");
    assert_non_null(strstr(last.en, "9 bytes"));
    struct script endless = {.reply = "HTTP/1.1 200 OK\r\n\r\n",
                             .filler = "0123456789012345678901234567890123456789\n"};
    assert_int_equal(once(&endless, NULL), RC_REMOTE);
    assert_non_null(strstr(last.en, "1048576"));
    struct script chunked = {.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                             .filler = "8\r\n01234567\r\n"};
    r.max_body = 100000;
    assert_int_equal(once(&chunked, &r), RC_REMOTE);
    assert_string_equal(last.id, "net.http.big");
    struct script promise = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
                             .filler = "x"};
    assert_int_equal(once(&promise, &r), RC_REMOTE);
}

static void headers_have_a_limit(void **state)
{
    UNUSED(state);
    struct script many = {.reply = "HTTP/1.1 200 OK\r\n", .filler = "X-More: and more of it\r\n"};
    assert_int_equal(once(&many, NULL), RC_REMOTE);
    assert_string_equal(last.id, "net.http.big");
    assert_non_null(strstr(last.en, "65536"));
    struct script interim = {.reply = "HTTP/1.1 100 Continue\r\n\r\n",
                             .filler = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"};
    assert_int_equal(once(&interim, NULL), RC_REMOTE);
    struct script line = {.reply = "HTTP/1.1 200 OK\r\nX: ",
                          .filler = "xxxxxxxxxxxxxxxxxxxxxxxxxx"};
    enum rc rc = once(&line, NULL);
    assert_true(rc == RC_REMOTE || rc == RC_NET);
}

static void slow_answers_end_at_the_deadline(void **state)
{
    UNUSED(state);
    struct script v[] = {
        {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n0123456789012345678901234",
         .drip = 30},
        {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nx", .keep = true},
        {.keep = true}};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct http_request r = {.deadline = rig_in(400)};
        int64_t t0 = clock_mono(clock_real());
        assert_int_equal(once(&v[i], &r), RC_TIMEOUT);
        int64_t took = (clock_mono(clock_real()) - t0) / USEC_PER_MSEC;
        assert_true(took >= 300 && took < 3000);
    }
    struct script fine = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct http_request late = {.deadline = rig_in(-10)};
    assert_int_equal(once(&fine, &late), RC_TIMEOUT);
}

static void broken_http_is_the_servers_fault(void **state)
{
    UNUSED(state);
    static const char *const v[] = {
        "<html>not HTTP at all</html>\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "HTTP/1.1 2xx\r\n\r\n", ""};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct script s = {.reply = v[i]};
        enum rc rc = once(&s, NULL);
        if (rc != RC_REMOTE)
            fail_msg("\"%s\": %s: %s", v[i], rc_name(rc), last.en);
        assert_int_equal(last.blame, BLAME_REMOTE);
    }
}

static void a_server_must_be_who_it_says(void **state)
{
    UNUSED(state);
    static const struct {
        const char *pair, *host;
        enum rc rc;
    } v[] = {{"good", "localhost", RC_OK},
             {"good", "127.0.0.1", RC_OK},
             {"other", "localhost", RC_TLS},
             {"other", "127.0.0.1", RC_TLS},
             {"old", "localhost", RC_TLS}};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct script s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"};
        struct peer p;
        struct http_request r = {0};
        s.tls = rig_tls(v[i].pair);
        struct http_client *c = client_with(&rig_policy);
        peer_start(&p, "127.0.0.1", answer, &s);
        enum rc rc = ask_as(c, &p, v[i].host, &r);
        if (rc != v[i].rc)
            fail_msg("%s as %s: %s %s", v[i].pair, v[i].host, rc_name(rc), last.en);
        assert_int_equal(s.got[0] != '\0', rc == RC_OK); /* nothing was said to a stranger */
        http_client_destroy(c);
        /* without our CA nobody of ours is trusted */
        struct http_client_options system = {.policy = &rig_policy};
        assert_int_equal(http_client_create(&system, &c, NULL), RC_OK);
        r.deadline = rig_in(5000);
        assert_int_equal(ask_as(c, &p, v[i].host, &r), RC_TLS);
        assert_string_equal(last.id, "net.http.tls");
        http_client_destroy(c);
        peer_stop(&p);
        SSL_CTX_free(s.tls);
    }
}

static void old_protocols_are_not_spoken(void **state)
{
    UNUSED(state);
    struct script s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    s.tls = rig_tls("good");
    SSL_CTX_set_security_level(s.tls, 0);
    SSL_CTX_set_min_proto_version(s.tls, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(s.tls, TLS1_1_VERSION);
    assert_int_equal(once(&s, NULL), RC_TLS);
    assert_string_equal(last.id, "net.http.no_tls");
    assert_int_equal(s.got[0], '\0');
    SSL_CTX_free(s.tls);
}

static void connections_are_kept_and_addresses_checked_once(void **state)
{
    UNUSED(state);
    struct script s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", .keep = true};
    struct peer p;
    s.tls = rig_tls("good");
    struct http_client *c = client_with(&rig_policy);
    peer_start(&p, "127.0.0.1", answer, &s);
    for (int i = 0; i < 5; i++) {
        struct http_request r = {0};
        assert_int_equal(ask_as(c, &p, "localhost", &r), RC_OK);
    }
    assert_int_equal(atomic_load(&p.accepted), 1);
    http_client_destroy(c);
    peer_stop(&p);
    SSL_CTX_free(s.tls);
}

static void an_address_in_brackets_is_dialled(void **state)
{
    UNUSED(state);
    struct script s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct peer p;
    struct http_request r = {0};
    int port;
    int probe = rig_listen("::1", &port);
    if (probe < 0)
        skip();
    (void)close(probe);
    s.tls = rig_tls("good");
    struct http_client *c = client_with(&rig_policy);
    peer_start(&p, "::1", answer, &s);
    enum rc rc = ask_as(c, &p, "[::1]", &r);
    if (rc != RC_OK)
        fail_msg("%s", last.en);
    http_client_destroy(c);
    peer_stop(&p);
    SSL_CTX_free(s.tls);
}

static void what_egress_refuses_is_never_dialled(void **state)
{
    UNUSED(state);
    static const struct egress_policy standard = {0};
    static const char *const hosts[] = {"localhost", "127.0.0.1", "2130706433", "0x7f.1", "127.1"};
    struct script s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct peer p;
    struct http_client *c = client_with(&standard);
    peer_start(&p, "127.0.0.1", answer, &s);
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct http_request r = {0};
        enum rc rc = ask_as(c, &p, hosts[i], &r);
        assert_true(rc == RC_DENIED || rc == RC_INPUT);
    }
    assert_int_equal(atomic_load(&p.accepted), 0);
    http_client_destroy(c);
    peer_stop(&p);
}

static void bad_requests_are_refused_before_dialling(void **state)
{
    UNUSED(state);
    struct http_client *c = client_with(&rig_policy);
    static const char *const urls[] = {"http://127.0.0.1/", "ftp://127.0.0.1/",
                                       "https://u:p@127.0.0.1/", "file:///etc/passwd", ""};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct http_request r = {.method = "GET", .url = urls[i]};
        EXPECT(http_do(c, &r, arena, &response, &err), RC_INPUT, NULL);
    }
    const struct http_header split[] = {{"X", "a\r\nEvil: 1"}};
    struct http_request r = {.method = "GET",
                             .url = "https://127.0.0.1:9/",
                             .headers = split,
                             .header_count = 1,
                             .deadline = rig_in(500)};
    EXPECT(http_do(c, &r, arena, &response, &err), RC_INPUT, "net.http.header");
    http_client_destroy(c);
    http_client_destroy(NULL);
}

static void nobody_listening_is_a_network_error(void **state)
{
    UNUSED(state);
    int port;
    int fd = rig_listen("127.0.0.1", &port);
    assert_true(fd >= 0);
    (void)close(fd);
    struct http_client *c = client_with(&rig_policy);
    struct http_request r = {.method = "GET",
                             .url = arena_printf(arena, "https://127.0.0.1:%d/", port),
                             .deadline = rig_in(3000)};
    EXPECT(http_do(c, &r, arena, &response, &err), RC_NET, "net.http.connect");
    http_client_destroy(c);
}

static atomic_bool cancel;
static int pieces;

static bool one_piece(void *ctx, struct str piece)
{
    UNUSED(ctx);
    UNUSED(piece);
    return ++pieces < 2;
}

static void a_request_can_be_stopped(void **state)
{
    UNUSED(state);
    struct script s = {.reply = "HTTP/1.1 200 OK\r\n\r\n", .drip = 20, .filler = "data: x\n\n"};
    struct http_request r = {.cancel = &cancel};
    atomic_store(&cancel, true);
    assert_int_equal(once(&s, &r), RC_CANCELLED);
    atomic_store(&cancel, false);
    r = (struct http_request){.on_data = one_piece};
    s.drip = 0;
    assert_int_equal(once(&s, &r), RC_OK); /* stopped by its reader */
    assert_int_equal(response.status, 200);
    assert_int_equal(pieces, 2);
    assert_int_equal(response.body.n, 0);
}

static void failing_memory_leaks_nothing(void **state)
{
    UNUSED(state);
    struct script s = {.reply = "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nhi"};
    struct peer p;
    peer_start(&p, "127.0.0.1", answer, &s);
    const char *url = arena_printf(arena, "http://localhost:%d/", p.port);
    struct http_client_options o = {.policy = &rig_policy, .ca_pem = buf_str(&rig_ca_pem)};
    bool more = true;
    for (long n = 1; more; n++) {
        struct http_client *c = NULL;
        AUTO(arena) struct arena *a = arena_create(0);
        struct http_response got = {0};
        struct http_request r = {
            .method = "GET", .url = url, .allow_http = true, .deadline = rig_in(5000)};
        long from = mem_count();
        mem_fail_after(n, false);
        enum rc rc = http_client_create(&o, &c, NULL);
        if (rc == RC_OK)
            rc = http_do(c, &r, a, &got, NULL);
        mem_fail_after(0, false);
        more = mem_count() - from >= n;
        if (rc == RC_OK) /* all or nothing */
            assert_true(str_eqs(got.body, "hi") && got.header_count == 2);
        http_client_destroy(c);
    }
    peer_stop(&p);
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
        cmocka_unit_test(a_request_and_its_answer_are_whole),
        cmocka_unit_test(every_status_is_an_answer),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(bodies_have_a_limit),
        cmocka_unit_test(headers_have_a_limit),
        cmocka_unit_test(slow_answers_end_at_the_deadline),
        cmocka_unit_test(broken_http_is_the_servers_fault),
        cmocka_unit_test(a_server_must_be_who_it_says),
        cmocka_unit_test(old_protocols_are_not_spoken),
        cmocka_unit_test(connections_are_kept_and_addresses_checked_once),
        cmocka_unit_test(an_address_in_brackets_is_dialled),
        cmocka_unit_test(what_egress_refuses_is_never_dialled),
        cmocka_unit_test(bad_requests_are_refused_before_dialling),
        cmocka_unit_test(nobody_listening_is_a_network_error),
        cmocka_unit_test(a_request_can_be_stopped),
        cmocka_unit_test(failing_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("net.http_client", tests, setup, teardown);
}
