/*
 * Invariants: evhttp owns the bufferevent; we hold a reference to it only until the connection is
 * adopted, that is until its evhttp_connection is known. After that its close callback ends us.
 * evhttp 2.1 hands the connection to nobody before a request is complete, but it is the argument of
 * the bufferevent's callbacks; adopt() checks that it really is.
 */
#include "net/http_conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

enum { VERSION = 9, MIN_RATE = 4096, REPLY_FACTOR = 10, PEEK = 4 };

enum phase { HEAD, BODY, BUSY, REPLY, IDLE };

struct scan {
    char last, tail[VERSION];
    size_t line; /* bytes of this line, CR included */
    bool begun;  /* the request line is over */
};

struct http_conn {
    struct http_guard *guard;
    struct http_conn *next, **self;
    struct bufferevent *be;
    struct evhttp_connection *evcon; /* NULL until adopted */
    struct event *timer;
    enum phase phase;
    struct scan scan;
    const char *bad;
    bool over; /* one connection too many */
    size_t body_seen, body_due;
    char addr[64];
    void (*on_close)(void *ctx);
    void *ctx;
};

static void arm(struct http_conn *c, int64_t usec)
{
    if (c->over) /* on its way out */
        usec = 0;
    struct timeval tv = {usec / 1000000, usec % 1000000};
    (void)event_add(c->timer, &tv);
}

static bool adopt(struct http_conn *c);

/* ---- the raw bytes of a header section ---- */

static void note_bad(struct http_conn *c, const char *why)
{
    if (!c->bad)
        c->bad = why;
}

static void end_line(struct http_conn *c)
{
    struct scan *s = &c->scan;
    if (s->last != '\r')
        note_bad(c, "Bad Request: a line ends without CR");
    if (!s->begun && memcmp(s->tail, " HTTP/1.1", VERSION) != 0 &&
        memcmp(s->tail, " HTTP/1.0", VERSION) != 0)
        note_bad(c, "Bad Request: HTTP/1.1 is spoken here");
    s->begun = true;
    s->line = 0;
    s->last = '\n';
}

static void in_line(struct http_conn *c, char ch)
{
    struct scan *s = &c->scan;
    if (s->last == '\r')
        note_bad(c, "Bad Request: a CR without LF");
    if (s->begun && s->line == 0 && (ch == ' ' || ch == '\t'))
        note_bad(c, "Bad Request: a folded header line");
    if (ch == '\0')
        note_bad(c, "Bad Request: a NUL byte in a header");
    if (!s->begun && ch != '\r') {
        memmove(s->tail, s->tail + 1, VERSION - 1);
        s->tail[VERSION - 1] = ch;
    }
    s->line++;
    s->last = ch;
}

/* True at the end of the section; *ret_used bytes belong to it. */
static bool scan_head(struct http_conn *c, const char *p, size_t n, size_t *ret_used)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n') {
            in_line(c, p[i]);
            continue;
        }
        bool blank = c->scan.line == 0 || (c->scan.line == 1 && c->scan.last == '\r');
        bool end = blank && c->scan.begun;
        end_line(c);
        if (end) {
            *ret_used = i + 1;
            return true;
        }
    }
    *ret_used = n;
    return false;
}

static void enter_head(struct http_conn *c)
{
    c->phase = HEAD;
    c->scan = (struct scan){0};
    c->bad = NULL;
    arm(c, c->guard->limits.header_timeout);
}

static void expect_body(struct http_conn *c)
{
    int64_t period = c->guard->limits.header_timeout;
    c->body_due = c->body_seen + (size_t)(period * MIN_RATE / 1000000);
    arm(c, period);
}

/* Reads n bytes of the buffer from offset on. */
static void look(struct http_conn *c, struct evbuffer *b, size_t offset, size_t n)
{
    struct evbuffer_ptr at;
    struct evbuffer_iovec v[PEEK];
    while (n > 0 && c->phase == HEAD && evbuffer_ptr_set(b, &at, offset, EVBUFFER_PTR_SET) == 0) {
        int k = evbuffer_peek(b, (ev_ssize_t)n, &at, v, PEEK);
        size_t used, done = 0;
        for (int i = 0; i < k && i < PEEK && n > 0; i++) {
            size_t len = v[i].iov_len < n ? v[i].iov_len : n;
            if (scan_head(c, v[i].iov_base, len, &used)) {
                c->phase = BODY;
                c->body_seen = n - used;
                expect_body(c);
                return;
            }
            n -= len;
            done += len;
        }
        offset += done;
        if (done == 0)
            return;
    }
}

static void on_input(struct evbuffer *b, const struct evbuffer_cb_info *info, void *arg)
{
    struct http_conn *c = arg;
    if (info->n_added == 0 || !adopt(c))
        return;
    if (c->phase == IDLE)
        enter_head(c);
    if (c->phase == HEAD)
        look(c, b, evbuffer_get_length(b) - info->n_added, info->n_added);
    else
        c->body_seen += info->n_added;
}

/* ---- life ---- */

static void forget(struct http_conn *c)
{
    *c->self = c->next;
    if (c->next)
        c->next->self = c->self;
    c->guard->count--;
    event_free(c->timer);
    mem_free(c);
}

static void closed(struct evhttp_connection *evcon, void *arg)
{
    struct http_conn *c = arg;
    (void)evcon;
    (void)evbuffer_remove_cb(bufferevent_get_input(c->be), on_input, c);
    if (c->on_close)
        c->on_close(c->ctx);
    forget(c);
}

static bool too_many(const struct http_conn *c)
{
    const struct http_limits *m = &c->guard->limits;
    int same = 0;
    if (c->guard->count > m->max_connections)
        return true;
    if (!c->addr[0]) /* a unix socket */
        return false;
    for (const struct http_conn *o = c->guard->first; o; o = o->next)
        same += strcmp(o->addr, c->addr) == 0;
    return same > m->max_per_address;
}

/* False: the connection has gone before we knew it, and c with it. */
static bool adopt(struct http_conn *c)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    void *arg = NULL;
    if (c->evcon)
        return true;
    bufferevent_getcb(c->be, NULL, NULL, NULL, &arg);
    struct evhttp_connection *evcon = arg;
    bool alive = evcon && evhttp_connection_get_bufferevent(evcon) == c->be;
    struct bufferevent *be = c->be;
    if (!alive) {
        (void)evbuffer_remove_cb(bufferevent_get_input(be), on_input, c);
        forget(c);
        (void)bufferevent_decref(be);
        return false;
    }
    (void)bufferevent_decref(be);
    c->evcon = evcon;
    evhttp_connection_set_closecb(evcon, closed, c);
    /* Reading has our clocks; evhttp's would also end long handlers and quiet streams. */
    const struct http_limits *m = &c->guard->limits;
    struct timeval write = {m->idle_timeout / 1000000, m->idle_timeout % 1000000};
    bufferevent_set_timeouts(be, NULL, &write);
    if (getpeername(bufferevent_getfd(be), (struct sockaddr *)&sa, &n) == 0 &&
        sa.ss_family != AF_UNIX)
        (void)getnameinfo((struct sockaddr *)&sa, n, c->addr, sizeof c->addr, NULL, 0,
                          NI_NUMERICHOST);
    c->over = too_many(c);
    arm(c, m->header_timeout);
    return true;
}

void http_conn_drop(struct http_conn *c)
{
    evhttp_connection_free(c->evcon); /* ends in closed() */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    bool known = c->evcon != NULL;
    (void)fd;
    (void)what;
    if (!adopt(c) || !known)
        return;
    if (!c->over && c->phase == BODY && c->body_seen >= c->body_due)
        expect_body(c);
    else
        http_conn_drop(c);
}

struct bufferevent *http_conn_watch(struct http_guard *g, struct event_base *base,
                                    struct bufferevent *be)
{
    struct http_conn *c = be ? mem_alloc(sizeof *c) : NULL;
    if (c)
        c->timer = event_new(base, -1, 0, on_timer, c);
    if (!c || !c->timer || !evbuffer_add_cb(bufferevent_get_input(be), on_input, c)) {
        if (c && c->timer)
            event_free(c->timer);
        mem_free(c);
        if (be)
            bufferevent_free(be);
        return NULL;
    }
    bufferevent_incref(be);
    c->guard = g;
    c->be = be;
    c->phase = HEAD;
    c->next = g->first;
    c->self = &g->first;
    if (c->next)
        c->next->self = &c->next;
    g->first = c;
    g->count++;
    arm(c, 0);
    return be;
}

struct http_conn *http_conn_of(struct http_guard *g, struct evhttp_request *req)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    struct bufferevent *be = evcon ? evhttp_connection_get_bufferevent(evcon) : NULL;
    for (struct http_conn *c = g->first; be && c; c = c->next)
        if (c->be == be)
            return adopt(c) ? c : NULL;
    return NULL;
}

/* The reply is out: what follows on this connection is the next request. */
static void on_complete(struct evhttp_request *req, void *arg)
{
    struct http_conn *c = arg;
    struct evbuffer *b = bufferevent_get_input(c->be);
    size_t waiting = evbuffer_get_length(b);
    (void)req;
    c->phase = IDLE;
    arm(c, c->guard->limits.idle_timeout);
    if (waiting > 0) {
        enter_head(c);
        look(c, b, 0, waiting);
    }
}

const char *http_conn_begin(struct http_conn *c, struct evhttp_request *req, bool *ret_busy)
{
    c->phase = BUSY;
    (void)event_del(c->timer);
    evhttp_request_set_on_complete_cb(req, on_complete, c);
    *ret_busy = c->over;
    return c->over ? "Service Unavailable: too many connections" : c->bad;
}

void http_conn_replying(struct http_conn *c)
{
    c->phase = REPLY;
    arm(c, REPLY_FACTOR * c->guard->limits.idle_timeout);
}

void http_conn_on_close(struct http_conn *c, void (*fn)(void *ctx), void *ctx)
{
    c->on_close = fn;
    c->ctx = ctx;
}

void http_guard_clear(struct http_guard *g)
{
    while (g->first) {
        struct http_conn *c = g->first;
        struct bufferevent *be = c->be;
        (void)evbuffer_remove_cb(bufferevent_get_input(be), on_input, c);
        forget(c);
        (void)bufferevent_decref(be);
    }
}
