/*
 * One look at what an address answers over plain HTTP, as a CA does for HTTP-01: the address is
 * given, no redirect is followed, no more than the first kilobytes are read. Blocking: workers.
 */
#ifndef INRO_NET_HTTP_LOOK_H
#define INRO_NET_HTTP_LOOK_H

#include "net/egress.h"

struct http_look {
    const struct net_addr *addr; /* checked by egress_allows(), its port set */
    const char *host, *path;
    int64_t deadline; /* mono */
};

struct http_looked {
    int status;
    struct str body;      /* at most 4 KiB */
    const char *location; /* of a redirect, or NULL */
};

/* RC_NET and RC_TIMEOUT when nobody answers there; RC_REMOTE when it is not HTTP. */
MUST enum rc http_look(const struct http_look *l, struct arena *a, struct http_looked *ret,
                       struct err *err);

#endif
