/* Inside this room only: the clear-text prelude before a TLS handshake. */
#ifndef INRO_NET_STARTTLS_H
#define INRO_NET_STARTTLS_H

#include "net/tls_probe.h"

/*
 * Speaks the protocol up to the point where the handshake begins. Text the server sends after its
 * go-ahead, before TLS, is an injection (RFC 3207 6) and fails. STARTTLS_NONE does nothing.
 */
MUST enum rc starttls_begin(enum starttls how, int fd, int64_t deadline, const char *host,
                            struct err *err);
MUST enum rc fd_nonblocking(int fd, struct err *err);

#endif
