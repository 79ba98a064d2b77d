/*
 * Syslog over TCP or TLS (RFC 5425, RFC 6587 octet counting): a batch of frames over a connection
 * of its own. The transport has no acknowledgement; the peer's orderly close after ours is the
 * nearest there is, and anything else is a failure: the batch is sent again. Blocking: workers
 * only.
 */
#ifndef INRO_NET_SYSLOG_H
#define INRO_NET_SYSLOG_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/egress.h"

struct syslog_dest {
    const struct egress_policy *policy;
    const char *host;
    int port;
    bool tls;
    struct str ca_pem; /* empty = the system's roots */
    int64_t deadline;  /* clock_mono */
};

/* One record of RFC 5424; times are UTC microseconds, texts may be NULL. */
struct syslog_record {
    int severity; /* 0..7; the facility is 13, log audit */
    int64_t at;
    const char *hostname, *app, *msgid;
    const char *const *names, *const *values; /* structured data, ends with a NULL name */
    const char *text;
};
/* Appends "LENGTH SP MESSAGE". */
void syslog_frame(const struct syslog_record *r, struct buf *out);
MUST enum rc syslog_send(const struct syslog_dest *d, struct str frames, struct arena *a,
                         struct err *err);

#endif
