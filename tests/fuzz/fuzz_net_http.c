/*
 * The HTTP server as a stranger meets it: the input goes over a real socket into the loop. What
 * reaches the handler must have passed the gate. The readers of URLs and header fields, which see
 * what other servers send, get the same bytes.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http_client.h"
#include "net/http_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct pool *pool;
static struct http_server *server;
static char path[96];

static void check(bool good)
{
    if (!good)
        abort();
}

static void handle(struct http_exchange *x, void *ctx)
{
    const char *p = http_path(x), *q = http_query(x, "q");
    (void)ctx;
    check(p[0] == '/' && str_is_utf8(str_from(p)) && !strstr(p, "/../"));
    check(!q || str_is_utf8(str_from(q)));
    for (; *p; p++)
        check((unsigned char)*p >= 0x20 && *p != 0x7f && *p != '\\');
    check(http_request_header(x, "Host") && http_request_body(x).n <= 4096);
    http_reply(x, 200, "text/plain", http_request_body(x));
}

static void stop(void)
{
    pool_destroy(pool);
    http_server_destroy(server);
    loop_destroy(loop);
}

static void start(void)
{
    static const struct http_limits limits = {.max_header = 2048, .max_body = 4096};
    char address[112];
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)snprintf(path, sizeof path, "/tmp/inro-fuzz-%ld.sock", (long)getpid());
    (void)snprintf(address, sizeof address, "unix:%s", path);
    struct http_listen how = {.address = address, .handler = handle};
    check(loop_create(&loop, NULL) == RC_OK && pool_create(1, 16, &pool, NULL) == RC_OK);
    check(http_server_create(loop, pool, &limits, &server, NULL) == RC_OK);
    check(http_server_listen(server, &how, NULL, NULL) == RC_OK);
    check(atexit(stop) == 0);
}

/* Sends it all, then turns the loop until the server has answered or closed, or is waiting. */
static void talk(const uint8_t *data, size_t size)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char sink[4096];
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check(fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0);
    (void)!send(fd, data, size, MSG_NOSIGNAL);
    for (int i = 0, quiet = 0; quiet < 3 && i < 100; i++) {
        (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
        ssize_t n = recv(fd, sink, sizeof sink, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        quiet = n < 0 ? quiet + 1 : 0;
        if (n < 0 && i > 2)
            (void)poll(NULL, 0, 1); /* a handler may be at work */
    }
    (void)close(fd);
    for (int i = 0; i < 3; i++)
        (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static void fields(const uint8_t *data, size_t size)
{
    struct url u;
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(mem) char *value = mem_dup(data, size);
    check(a && value);
    struct http_header h[] = {{"link", value}, {"retry-after", value}};
    struct http_response r = {.headers = h, .header_count = 2};
    for (size_t i = 0; i < 4; i++)
        (void)http_link(&r, "alternate", i, a);
    int64_t now = 1764115200 * USEC_PER_SEC, at = http_retry_after(&r, now);
    check(at == 0 || (at >= now + USEC_PER_SEC && at <= now + USEC_PER_DAY));
    if (url_parse(value, a, &u, NULL) == RC_OK)
        check(u.port >= 1 && u.port <= 65535 && u.path[0] == '/' && u.host[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!loop)
        start();
    fields(data, size);
    talk(data, size);
    return 0;
}
