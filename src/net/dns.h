/*
 * DNS questions getaddrinfo() does not answer, and what DNS itself says, whatever /etc/hosts has:
 * a CA sees only that. Asked of the servers of resolv.conf, or of those named (IPv4). The recursive
 * server's word is taken; nothing is validated here. Blocking: workers only.
 */
#ifndef INRO_NET_DNS_H
#define INRO_NET_DNS_H

#include <netinet/in.h>

#include "base/arena.h"
#include "base/clock.h"

enum { DNS_SERVERS_MAX = 3, DNS_RECORDS_MAX = 64 };
enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_CAA = 257 };

struct dns_servers {
    struct sockaddr_in v[DNS_SERVERS_MAX];
    size_t n; /* 0: those of resolv.conf */
};

struct dns_answer {
    bool exists;                   /* false: there is no such name (NXDOMAIN) */
    struct str v[DNS_RECORDS_MAX]; /* the records' data, in the arena */
    size_t n;
};

/* "192.0.2.53, 127.0.0.1:5353"; "" = none named. */
MUST enum rc dns_servers_parse(const char *text, struct dns_servers *ret, struct err *err);
/* RC_NET when no server answers (or answers that it cannot), within about `seconds` a server. */
MUST enum rc dns_query(const struct dns_servers *servers, const char *name, enum dns_type type,
                       int seconds, struct arena *a, struct dns_answer *ret, struct err *err);

#endif
