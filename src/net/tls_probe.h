/*
 * What does a server really serve? One TLS handshake to one address, with SNI, optional STARTTLS,
 * one total deadline, bounded bytes. Never sends application data. Blocking version for worker
 * steps (verify after deploy); the mass sweep of the prober comes on the same result type.
 */
#ifndef INRO_NET_TLS_PROBE_H
#define INRO_NET_TLS_PROBE_H

#include "net/egress.h"

enum starttls { STARTTLS_NONE = 0, STARTTLS_SMTP, STARTTLS_IMAP, STARTTLS_POP3 };
bool starttls_from_name(const char *name, enum starttls *ret);
const char *starttls_name(enum starttls s);

struct tls_probe {
    struct net_addr addr; /* from egress_resolve() */
    const char *sni;      /* NULL for IP literals */
    enum starttls starttls;
    int64_t deadline;     /* clock_mono microseconds */
    struct str roots_pem; /* extra anchors for the verdict; the handshake never depends on it */
};

struct tls_seen {
    struct str *chain; /* DER as sent, leaf first */
    size_t chain_count;
    const char *protocol; /* "TLSv1.3" */
    const char *cipher;
    bool trusted;              /* chain verifies to a system or extra root */
    const char *untrusted_why; /* OpenSSL's words when not */
    bool client_cert_asked;
    int64_t tcp_usec, tls_usec; /* how long each phase took */
};

/* err says which phase failed (dns is the caller's): connect, starttls, handshake. */
MUST enum rc tls_probe_do(const struct tls_probe *p, struct arena *a, struct tls_seen *ret,
                          struct err *err);

#endif
