/*
 * The one way out. Every outgoing connection of every protocol goes through egress_resolve():
 * the name is resolved once, every address is checked against the policy, and the caller connects
 * to a checked address (no second look-up). Scheme and port checks are the callers' field types.
 *
 * Always refused unless the policy's allow list covers them: loopback, link-local (the metadata
 * addresses are in it), multicast, unspecified, 0/8, broadcast, v4-mapped forms of these. Private
 * ranges (RFC 1918, ULA, CGNAT) are where our targets live and are allowed unless deny_private.
 * Number forms such as "0x7f.1" or "2130706433" are refused as host names. Blocking: workers only.
 */
#ifndef INRO_NET_EGRESS_H
#define INRO_NET_EGRESS_H

#include <sys/socket.h>

#include "base/arena.h"
#include "base/clock.h"

struct egress_policy {
    const char *const *allow; /* CIDRs, "127.0.0.0/8", "::1/128"; opened on top of the defaults */
    size_t allow_count;
    bool deny_private;
};

struct net_addr {
    struct sockaddr_storage sa;
    socklen_t len;
    char text[64]; /* "192.0.2.1" or "2001:db8::1" */
};

/* "a.b.c.d/n,..." (commas or spaces) -> policy in the arena. */
MUST enum rc egress_policy_parse(struct arena *a, const char *cidrs, struct egress_policy *ret,
                                 struct err *err);
/* At least one address, or an error naming the host. A host with one refused address is refused
 * whole. port is stored into the addresses. */
MUST enum rc egress_resolve(const struct egress_policy *policy, const char *host, int port,
                            int64_t deadline, struct arena *a, struct net_addr **ret, size_t *ret_n,
                            struct err *err);
bool egress_allows(const struct egress_policy *policy, const struct net_addr *addr);
/* Connects (non-blocking with deadline; addresses in order, happy-eyeballs-like 250 ms stagger)
 * and returns a blocking socket with CLOEXEC. deadline: clock_mono microseconds. */
MUST enum rc egress_connect(const struct net_addr *addrs, size_t n, int64_t deadline,
                            const char *host, int *ret_fd, struct err *err);

#endif
