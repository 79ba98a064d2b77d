/*
 * Sending one mail (libcurl). TLS is required (STARTTLS or implicit) unless the caller opens a
 * relay without it on purpose; credentials are never sent in clear. Addresses with control
 * characters are refused. The message comes complete from the notifier (CRLF lines).
 */
#ifndef INRO_NET_SMTP_H
#define INRO_NET_SMTP_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/egress.h"

enum smtp_security { SMTP_STARTTLS = 0, SMTP_TLS, SMTP_PLAIN };

struct smtp_mail {
    const struct egress_policy *policy;
    const char *host;
    int port;
    enum smtp_security security;
    struct str ca_pem; /* extra trust anchors; empty = the system's */
    const char *helo;  /* EHLO name */
    const char *user;  /* NULL = no auth */
    struct str password;
    const char *from; /* envelope */
    const char *const *to;
    size_t to_count;
    struct str message; /* headers and body */
    int64_t deadline;   /* clock_mono */
    const atomic_bool *cancel;
};

/* ret_reply: the server's last reply line (queue id), arena copy. 4yz -> RC_REMOTE, blame remote;
 * 5yz -> RC_REMOTE, blame input. err->remote holds the reply. */
MUST enum rc smtp_send(const struct smtp_mail *m, struct arena *a, const char **ret_reply,
                       struct err *err);

#endif
