/*
 * Blocking HTTPS client for worker threads (libcurl easy handles). One struct http_client per
 * thread and trust context: it keeps connections and TLS sessions alive between requests. No
 * redirects, https only (http when the request says so), one deadline, a byte limit on headers and
 * body, addresses checked by the egress policy before connecting. Also speaks to a unix socket
 * (CLI).
 */
#ifndef INRO_NET_HTTP_CLIENT_H
#define INRO_NET_HTTP_CLIENT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/egress.h"

struct http_client;

struct http_client_options {
    const struct egress_policy *policy; /* required unless unix_socket; outlives the client */
    struct str ca_pem;                  /* trust anchors; empty = the system's */
    const char *unix_socket;            /* connect here instead; http scheme is then allowed */
    const char *user_agent;             /* NULL = "Inro/<version>" */
    const char *proxy;                  /* NULL = none */
};

MUST enum rc http_client_create(const struct http_client_options *o, struct http_client **ret,
                                struct err *err);
void http_client_destroy(struct http_client *c);

struct http_header {
    const char *name, *value;
};

struct http_request {
    const char *method; /* "GET", "HEAD", "POST" ... */
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    struct str body;
    const char *content_type; /* sent as it is */
    int64_t deadline;         /* clock_mono microseconds; 0 = 30 s from now */
    size_t max_body;          /* of the answer; 0 = 1 MiB */
    bool allow_http;
    const atomic_bool *cancel; /* or NULL */
    /* Called per piece of body instead of collecting it (event streams); false stops. */
    bool (*on_data)(void *ctx, struct str piece);
    void *on_data_ctx;
};

struct http_response {
    int status;
    struct http_header *headers; /* names lower-cased; repeated ones repeated */
    size_t header_count;
    struct str body;
};

/*
 * RC_OK for every HTTP answer, whatever its status. RC_NET / RC_TLS / RC_TIMEOUT / RC_REMOTE (over
 * limits, broken HTTP) with the host named. Response memory from the arena.
 */
MUST enum rc http_do(struct http_client *c, const struct http_request *req, struct arena *a,
                     struct http_response *ret, struct err *err);
/* Does libcurl's text of a failed handshake tell of a broken connection, not of TLS itself? */
bool http_handshake_broke(const char *why);
/* First header of that name (any case), or NULL. */
const char *http_header_get(const struct http_response *r, const char *name);
/* The n-th URL of Link headers with that rel (RFC 8288; several links per header), or NULL. */
const char *http_link(const struct http_response *r, const char *rel, size_t n, struct arena *a);
/* Retry-After as an absolute wall time, clamped to [now+1 s, now+24 h]; 0 when absent or unusable.
 */
int64_t http_retry_after(const struct http_response *r, int64_t now);

struct url {                          /* parts of an absolute URL, arena copies */
    const char *scheme, *host, *path; /* path with query, at least "/" */
    int port;                         /* explicit or the scheme's */
};
MUST enum rc url_parse(const char *text, struct arena *a, struct url *ret, struct err *err);

#endif
