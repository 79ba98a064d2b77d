/* Requests that are ambiguous or malformed get an error and a closed connection, never a handler.
 */
#include "net/http_gate.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "unit/net/server_rig.h"

static struct rig_server server;

static int setup(void **state)
{
    static const struct http_limits limits = {.max_body = 1000, .header_timeout = 2000000};
    struct http_listen how = {.address = "127.0.0.1:0", .handler = rig_echo};
    if (rig_setup(state) != 0)
        return 1;
    rig_server_start(&server, &limits, &how);
    return 0;
}

static int teardown(void **state)
{
    rig_server_stop(&server);
    return rig_teardown(state);
}

static struct raw_reply reply;

static void refused(const char *what, struct str request, int status)
{
    int before = atomic_load(&rig_handled);
    raw(server.port, request, &reply);
    if (atomic_load(&rig_handled) != before)
        fail_msg("%s: reached the handler: %s", what, reply.text);
    if (!reply.closed)
        fail_msg("%s: left open after %d", what, reply.status);
    if (reply.status != status && !(status == 0 && reply.status >= 400))
        fail_msg("%s: %d where %d was expected: %.100s", what, reply.status, status, reply.text);
    const char *second = strstr(reply.text, "\nHTTP/1.");
    assert_null(second); /* what follows is not answered */
}

static void accepted(const char *what, struct str request, const char *answer)
{
    int fd = rig_connect(server.port);
    raw_send(fd, request.p, request.n);
    raw_read(fd, 3000, answer, &reply);
    (void)close(fd);
    if (reply.status != 200 || !strstr(reply.text, answer))
        fail_msg("%s: %d %s", what, reply.status, reply.text);
}

#define OK_TAIL "Host: a\r\n\r\n"

static void plain_requests_pass(void **state)
{
    UNUSED(state);
    accepted("GET", STR("GET / HTTP/1.1\r\n" OK_TAIL), "GET / 0");
    accepted("1.0", STR("GET /x HTTP/1.0\r\n" OK_TAIL), "GET /x 0");
    accepted("length", STR("POST /p HTTP/1.1\r\nContent-Length: 3\r\n" OK_TAIL "abc"), "POST /p 3");
    accepted("length zero", STR("POST /p HTTP/1.1\r\nContent-Length: 0\r\n" OK_TAIL), "POST /p 0");
    accepted("chunked",
             STR("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" OK_TAIL
                 "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
             "POST /c 5");
    accepted("no space after colon", STR("GET /s HTTP/1.1\r\nHost:a\r\nX:\r\n\r\n"), "GET /s 0");
    accepted("decoded", STR("GET /%E6%97%A5/a%20b?q=1 HTTP/1.1\r\n" OK_TAIL), "GET /日/a b 0");
}

static void lengths_must_be_one_plain_number(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {"Content-Length: 3\r\nContent-Length: 3",
                                      "Content-Length: 3\r\nContent-Length: 4",
                                      "Content-Length: +3",
                                      "Content-Length: -3",
                                      "Content-Length: 3, 3",
                                      "Content-Length: 0x3",
                                      "Content-Length: 3 3",
                                      "Content-Length: 3a",
                                      "Content-Length: ",
                                      "Content-Length: 99999999999999999999",
                                      "Content-Length: 3\r\nTransfer-Encoding: chunked",
                                      "Transfer-Encoding: chunked\r\nContent-Length: 3",
                                      "Transfer-Encoding: gzip, chunked",
                                      "Transfer-Encoding: chunked, chunked",
                                      "Transfer-Encoding: identity",
                                      "Transfer-Encoding: xchunked",
                                      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                                      "Content-Length : 3",
                                      "Transfer-Encoding : chunked",
                                      "Content-Length\t: 3"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(buf) struct buf b = BUF(4096);
        buf_adds(&b, "POST /p HTTP/1.1\r\n");
        buf_adds(&b, bad[i]);
        buf_adds(&b, "\r\n" OK_TAIL "3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" OK_TAIL);
        refused(bad[i], buf_str(&b), 0);
    }
}

static void chunks_must_be_well_formed(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {"x\r\nabc\r\n0\r\n\r\n", "-1\r\nabc\r\n0\r\n\r\n",
                                      "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
                                      "7fffffffffffffff\r\nabc\r\n0\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(buf) struct buf b = BUF(4096);
        buf_adds(&b, "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" OK_TAIL);
        buf_adds(&b, bad[i]);
        int before = atomic_load(&rig_handled);
        raw(server.port, buf_str(&b), &reply);
        assert_int_equal(atomic_load(&rig_handled), before);
        assert_true(reply.closed);
    }
}

static void a_host_is_named_exactly_once(void **state)
{
    UNUSED(state);
    refused("no host", STR("GET / HTTP/1.1\r\n\r\n"), 400);
    refused("two hosts", STR("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    refused("two hosts, other case", STR("GET / HTTP/1.1\r\nhost: a\r\nHOST: b\r\n\r\n"), 400);
    refused("space before colon", STR("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
}

static void lines_are_whole_and_end_in_crlf(void **state)
{
    UNUSED(state);
    refused("folded", STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"), 400);
    refused("folded by tab", STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"), 400);
    refused("folded host", STR("GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"), 400);
    refused("space before the first header", STR("GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"),
            400);
    refused("bare LF", STR("GET / HTTP/1.1\nHost: a\n\n"), 400);
    refused("one bare LF", STR("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400);
    refused("bare LF at the end", STR("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
    refused("bare CR", STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n"), 400);
    refused("NUL in a value", STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), 400);
    refused("control character", STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n"), 400);
    refused("odd name", STR("GET / HTTP/1.1\r\nHost: a\r\nX(y): a\r\n\r\n"), 400);
    refused("no colon", STR("GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"), 400);
    refused("empty name", STR("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"), 400);
}

static void other_protocols_are_refused(void **state)
{
    UNUSED(state);
    refused("HTTP/0.9", STR("GET /\r\n\r\n"), 0);
    refused("HTTP/0.9 with headers", STR("GET /\r\nHost: a\r\n\r\n"), 0);
    refused("HTTP/2.0", STR("GET / HTTP/2.0\r\n" OK_TAIL), 0);
    refused("HTTP/1.2", STR("GET / HTTP/1.2\r\n" OK_TAIL), 0);
    refused("HTTP/1.10", STR("GET / HTTP/1.10\r\n" OK_TAIL), 0);
    refused("HTTP/+1.1", STR("GET / HTTP/+1.1\r\n" OK_TAIL), 0);
    refused("http/1.1", STR("GET / http/1.1\r\n" OK_TAIL), 0);
    refused("tab", STR("GET\t/\tHTTP/1.1\r\n" OK_TAIL), 0);
    refused("no method", STR(" / HTTP/1.1\r\n" OK_TAIL), 0);
    refused("HTTP/2 preface", STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0);
    refused("TLS", STR("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n"), 0);
    refused("unknown method", STR("BREW / HTTP/1.1\r\n" OK_TAIL), 0);
    refused("TRACE", STR("TRACE / HTTP/1.1\r\n" OK_TAIL), 0);
    refused("CONNECT", STR("CONNECT a:443 HTTP/1.1\r\n" OK_TAIL), 0);
    refused("OPTIONS *", STR("OPTIONS * HTTP/1.1\r\n" OK_TAIL), 0);
}

static void paths_that_climb_are_refused(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {
        "/../x",      "/a/../b",  "/a/..",       "/.",     "/a/./b",
        "/%2e%2e/x",  "/..%2fx",  "/%2e%2e%2fx", "/a%00b", "/a%0d%0aSet-Cookie:x",
        "/a%5cb",     "/a\\b",    "/%c0%af",     "/%ff",   "/%",
        "/%4",        "/%zz",     "*",           "a",      "http://a/x",
        "/x?a=b%00c", "/x?%00=1", "/x?q=%ff",    "/a\x7f"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(buf) struct buf b = BUF(4096);
        buf_adds(&b, "GET ");
        buf_adds(&b, bad[i]);
        buf_adds(&b, " HTTP/1.1\r\n" OK_TAIL);
        refused(bad[i], buf_str(&b), 0);
    }
    accepted("dots in names", STR("GET /..a/b..c/...d HTTP/1.1\r\n" OK_TAIL),
             "GET /..a/b..c/...d 0");
    accepted("decoded once", STR("GET /%252e%252e/x HTTP/1.1\r\n" OK_TAIL), "GET /%2e%2e/x 0");
}

static void the_query_is_decoded(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct evkeyvalq q = {.tqh_last = &q.tqh_first};
    assert_string_equal(http_gate_path("/a?name=%E6%97%A5+x&b=1%262#frag", a, &q), "/a");
    assert_string_equal(evhttp_find_header(&q, "name"), "日 x");
    assert_non_null(strstr(evhttp_find_header(&q, "b"), "1&2"));
    evhttp_clear_headers(&q);
    assert_null(http_gate_path(NULL, a, &q));
    assert_null(http_gate_path("", a, &q));
}

static void headers_and_bodies_have_a_maximum(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf b = BUF(1 << 21);
    buf_adds(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; i < 15000; i++)
        buf_addc(&b, 'x');
    size_t below = b.len;
    buf_adds(&b, "\r\n\r\n");
    accepted("15 kB header", buf_str(&b), "GET / 0");
    buf_truncate(&b, below);
    for (int i = 0; i < 85000; i++)
        buf_addc(&b, 'x');
    buf_adds(&b, "\r\n\r\n");
    refused("100 kB header", buf_str(&b), 0);
    buf_clear(&b);
    buf_adds(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 10000; i++)
        buf_addf(&b, "X%d: y\r\n", i);
    buf_adds(&b, "\r\n");
    refused("10,000 headers", buf_str(&b), 0);
    buf_clear(&b);
    buf_adds(&b, "GET /");
    for (int i = 0; i < 100000; i++)
        buf_addc(&b, 'u');
    buf_adds(&b, " HTTP/1.1\r\n" OK_TAIL);
    refused("100 kB request line", buf_str(&b), 0);

    for (int over = 0; over < 2; over++) {
        buf_clear(&b);
        buf_addf(&b, "POST /b HTTP/1.1\r\nContent-Length: %d\r\n" OK_TAIL, 1000 + over);
        for (int i = 0; i < 1000 + over; i++)
            buf_addc(&b, 'b');
        if (over)
            refused("body over the limit", buf_str(&b), 413);
        else
            accepted("body at the limit", buf_str(&b), "POST /b 1000");
    }
    buf_clear(&b);
    buf_adds(&b, "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" OK_TAIL);
    for (int i = 0; i < 20; i++)
        buf_adds(&b, "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n");
    buf_adds(&b, "0\r\n\r\n");
    refused("chunked body over the limit", buf_str(&b), 0);
    refused("enormous length", STR("POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n" OK_TAIL),
            413);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_pass),
        cmocka_unit_test(lengths_must_be_one_plain_number),
        cmocka_unit_test(chunks_must_be_well_formed),
        cmocka_unit_test(a_host_is_named_exactly_once),
        cmocka_unit_test(lines_are_whole_and_end_in_crlf),
        cmocka_unit_test(other_protocols_are_refused),
        cmocka_unit_test(paths_that_climb_are_refused),
        cmocka_unit_test(the_query_is_decoded),
        cmocka_unit_test(headers_and_bodies_have_a_maximum),
    };
    return cmocka_run_group_tests_name("net.http_gate", tests, setup, teardown);
}
