/*
 * Inside this room only: one accepted connection beside evhttp. It counts (in all and per address),
 * keeps the clocks evhttp has not (headers, body rate, idle, reply), and looks at the raw header
 * bytes for what evhttp repairs silently: folded lines, bare LF or CR, NUL, other versions.
 */
#ifndef INRO_NET_HTTP_CONN_H
#define INRO_NET_HTTP_CONN_H

#include "net/http_server.h"

struct bufferevent;
struct event_base;
struct evhttp_request;
struct http_conn;

struct http_guard { /* loop thread only */
    struct http_limits limits;
    struct http_conn *first;
    int count;
};

/* For evhttp's bufferevent callback: takes be over, NULL when out of memory (be is freed). */
struct bufferevent *http_conn_watch(struct http_guard *g, struct event_base *base,
                                    struct bufferevent *be);
/* NULL when the connection is gone. */
struct http_conn *http_conn_of(struct http_guard *g, struct evhttp_request *req);
/* A request is complete and goes to its handler. NULL, or why it is refused; 503 when *ret_busy. */
const char *http_conn_begin(struct http_conn *c, struct evhttp_request *req, bool *ret_busy);
void http_conn_replying(struct http_conn *c); /* a reply that ends is on its way */
/* fn once when the connection goes; NULL takes it back. */
void http_conn_on_close(struct http_conn *c, void (*fn)(void *ctx), void *ctx);
void http_conn_drop(struct http_conn *c); /* closes at once */
/* After evhttp_free(): what evhttp never got to know. */
void http_guard_clear(struct http_guard *g);

#endif
