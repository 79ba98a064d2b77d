/* A server under test on its own loop thread, and a client that sends bytes as they are. */
#ifndef INRO_TEST_SERVER_RIG_H
#define INRO_TEST_SERVER_RIG_H

#include "net/http_server.h"
#include "unit/net/net_rig.h"

struct rig_server {
    struct loop *loop;
    struct pool *pool;
    struct http_server *http;
    pthread_t thread;
    int port;
};

static atomic_int rig_handled; /* requests that reached a handler */

/* Answers with what it saw: "METHOD path body-length". */
static inline void rig_echo(struct http_exchange *x, void *ctx)
{
    char text[512];
    UNUSED(ctx);
    atomic_fetch_add(&rig_handled, 1);
    int n = snprintf(text, sizeof text, "%s %s %zu", http_method(x), http_path(x),
                     http_request_body(x).n);
    http_reply(x, 200, "text/plain", (struct str){text, (size_t)n});
}

static inline void *rig_loop_run(void *arg)
{
    struct rig_server *s = arg;
    if (loop_run(s->loop, NULL) != RC_OK)
        abort();
    return NULL;
}

static inline void rig_server_start(struct rig_server *s, const struct http_limits *limits,
                                    const struct http_listen *how)
{
    *s = (struct rig_server){0};
    EXPECT(loop_create(&s->loop, &err), RC_OK, NULL);
    EXPECT(pool_create(4, 64, &s->pool, &err), RC_OK, NULL);
    EXPECT(http_server_create(s->loop, s->pool, limits, &s->http, &err), RC_OK, NULL);
    EXPECT(http_server_listen(s->http, how, &s->port, &err), RC_OK, NULL);
    assert_int_equal(pthread_create(&s->thread, NULL, rig_loop_run, s), 0);
}

static inline void rig_server_stop(struct rig_server *s)
{
    (void)poll(NULL, 0, 50); /* what is on its way to the loop arrives */
    pool_destroy(s->pool);
    loop_stop(s->loop);
    (void)pthread_join(s->thread, NULL);
    http_server_destroy(s->http);
    loop_destroy(s->loop);
}

struct raw_reply {
    int status;  /* of the first answer; 0 = none */
    bool closed; /* by the server, within the time given */
    size_t n;
    char text[65536];
};

/* Reads up to `msec`, or until the server closes, or until `until` (may be NULL) has come. */
static inline void raw_read(int fd, int msec, const char *until, struct raw_reply *r)
{
    int64_t end = rig_in(msec);
    memset(r, 0, offsetof(struct raw_reply, text));
    r->text[0] = '\0';
    for (;;) {
        int64_t left = (end - clock_mono(clock_real())) / USEC_PER_MSEC;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)left) <= 0 || r->n + 1 >= sizeof r->text)
            break;
        ssize_t got = recv(fd, r->text + r->n, sizeof r->text - 1 - r->n, 0);
        if (got <= 0) {
            r->closed = true;
            break;
        }
        r->n += (size_t)got;
        r->text[r->n] = '\0';
        if (until && strstr(r->text, until))
            break;
    }
    if (strncmp(r->text, "HTTP/1.", 7) == 0)
        r->status = (int)strtol(r->text + 9, NULL, 10);
}

static inline void raw_send(int fd, const char *p, size_t n)
{
    for (size_t o = 0; o < n;) {
        ssize_t w = send(fd, p + o, n - o, MSG_NOSIGNAL);
        if (w <= 0)
            return; /* the server has had enough */
        o += (size_t)w;
    }
}

static inline void raw(int port, struct str request, struct raw_reply *r)
{
    int fd = rig_connect(port);
    raw_send(fd, request.p, request.n);
    raw_read(fd, 3000, NULL, r);
    (void)close(fd);
}

#endif
