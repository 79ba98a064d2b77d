/*
 * HTTP/1.1 server over the loop: TLS, plain (HTTP-01 answers) and unix-socket listeners. A strict
 * gate refuses what RFC 9112 forbids and evhttp lets through (duplicate Content-Length, CL with TE,
 * signs in lengths, space before colon, missing or repeated Host ...): 400 and close. Limits on
 * connections, header and body size, header and idle time, requests per connection. The handler
 * runs on a pool thread and may block; replies go back through the loop.
 */
#ifndef INRO_NET_HTTP_SERVER_H
#define INRO_NET_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/loop.h"

struct http_server;
struct http_exchange; /* one request and its reply */

struct http_peer {
    char addr[64]; /* "192.0.2.1", or "unix" */
    bool is_unix;
    int64_t uid, pid; /* SO_PEERCRED on unix sockets, else -1 */
    bool tls;
};

/* Runs on a pool thread. Must end with exactly one http_reply() or http_stream_begin(). */
typedef void http_handler(struct http_exchange *x, void *ctx);

struct http_listen {
    const char *address;  /* "127.0.0.1:8443", "[::]:80", or "unix:/path" */
    const char *cert_pem; /* path; NULL = plain */
    const char *key_pem;  /* path */
    http_handler *handler;
    void *ctx;
};

struct http_limits {                      /* zero members take the defaults in brackets */
    int max_connections;                  /* [1024] */
    int max_per_address;                  /* [256] */
    size_t max_header, max_body;          /* [16 KiB], [1 MiB] */
    int64_t header_timeout, idle_timeout; /* microseconds [10 s], [60 s] */
};

MUST enum rc http_server_create(struct loop *l, struct pool *pool, const struct http_limits *limits,
                                struct http_server **ret, struct err *err);
/* May be called several times. ret_port: the bound port (for ":0"), may be NULL. */
MUST enum rc http_server_listen(struct http_server *s, const struct http_listen *how, int *ret_port,
                                struct err *err);
MUST enum rc http_server_reload_tls(struct http_server *s, struct err *err); /* re-reads pairs */
void http_server_destroy(struct http_server *s);

const char *http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x); /* decoded once, no query; no "..", no NUL */
const char *http_query(const struct http_exchange *x, const char *name); /* decoded, or NULL */
const char *http_request_header(const struct http_exchange *x, const char *name); /* or NULL */
struct str http_request_body(const struct http_exchange *x);
const struct http_peer *http_peer_of(const struct http_exchange *x);
struct arena *http_arena(struct http_exchange *x); /* lives until the reply is sent */

/* Before the reply. Values with CR, LF or NUL are refused (dropped, debug assert). */
void http_reply_header(struct http_exchange *x, const char *name, const char *value);
void http_reply(struct http_exchange *x, int status, const char *content_type, struct str body);

/*
 * Server-sent events: after http_stream_begin() the exchange stays open. Any thread may send; a
 * slow client is dropped. The stream is freed after on_close has run (loop thread).
 */
struct http_stream;
struct http_stream *http_stream_begin(struct http_exchange *x, const char *content_type,
                                      void (*on_close)(void *ctx), void *ctx);
bool http_stream_send(struct http_stream *st, struct str bytes); /* false: closed meanwhile */
void http_stream_end(struct http_stream *st);

#endif
