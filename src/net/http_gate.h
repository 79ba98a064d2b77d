/* Inside this room only: what RFC 9112 forbids and evhttp lets through. */
#ifndef INRO_NET_HTTP_GATE_H
#define INRO_NET_HTTP_GATE_H

#include "base/arena.h"

struct evhttp_request;
struct evkeyvalq;

/* NULL when the request may go on, else the reason it is refused with 400. */
const char *http_gate(struct evhttp_request *req);
/* The path decoded once, or NULL: no NUL, no control character, no "." or ".." segment, valid
 * UTF-8. Fills the query. */
const char *http_gate_path(const char *uri, struct arena *a, struct evkeyvalq *ret_query);
/* "ADDRESS:PORT" or "[v6]:PORT" -> a listening, non-blocking socket. */
MUST enum rc http_listen_tcp(const char *address, int *ret_fd, struct err *err);

#endif
