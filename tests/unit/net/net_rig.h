/*
 * What the net tests share: scripted peers on loopback (one thread that accepts and runs a
 * function per connection), certificates for them, and a TLS accept.
 */
#ifndef INRO_TEST_NET_RIG_H
#define INRO_TEST_NET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/os/proc.h"
#include "crypto/cert.h"
#include "crypto/digest.h"
#include "crypto/issue.h"
#include "net/egress.h"

#define UNUSED(x) ((void)(x))

static const char *const rig_open[] = {"127.0.0.0/8", "::1/128"};
static const struct egress_policy rig_policy = {.allow = rig_open, .allow_count = 2};

static inline int64_t rig_in(int64_t msec)
{
    return clock_mono(clock_real()) + msec * USEC_PER_MSEC;
}

static inline void rig_expect_(enum rc got, enum rc want, const char *id, const struct err *err,
                               int line)
{
    if (got != want || (id && strcmp(err->id, id) != 0))
        fail_msg("line %d: %s/%s where %s/%s was expected: %s", line, rc_name(got), err->id,
                 rc_name(want), id ? id : "", err->en);
    if (want != RC_OK)
        assert_true(err->en[0] && err->ja[0]);
}
#define EXPECT(call, code, id)                                                                     \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        enum rc got_ = (call);                                                                     \
        rig_expect_(got_, (code), (id), &err, __LINE__);                                           \
    } while (0)

/* ---- peers ---- */

struct peer {
    int fd, port;
    void (*script)(int fd, void *ctx); /* runs per connection; fd is closed after it */
    void *ctx;
    atomic_int accepted;
    pthread_t thread;
};

static inline int rig_listen(const char *address, int *ret_port)
{
    bool v6 = strchr(address, ':') != NULL;
    struct sockaddr_in s4 = {.sin_family = AF_INET};
    struct sockaddr_in6 s6 = {.sin6_family = AF_INET6};
    struct sockaddr *sa = v6 ? (struct sockaddr *)&s6 : (struct sockaddr *)&s4;
    socklen_t n = v6 ? sizeof s6 : sizeof s4;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address,
                               v6 ? (void *)&s6.sin6_addr : (void *)&s4.sin_addr),
                     1);
    if (fd < 0 || bind(fd, sa, n) != 0 || listen(fd, 64) != 0)
        return -1;
    assert_int_equal(getsockname(fd, sa, &n), 0);
    *ret_port = ntohs(v6 ? s6.sin6_port : s4.sin_port);
    return fd;
}

static inline void *rig_serve(void *arg)
{
    struct peer *p = arg;
    for (;;) {
        int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        struct timeval tv = {5, 0}; /* no script waits for ever */
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
        atomic_fetch_add(&p->accepted, 1);
        p->script(fd, p->ctx);
        (void)close(fd);
    }
}

static inline void peer_start(struct peer *p, const char *address, void (*script)(int, void *),
                              void *ctx)
{
    *p = (struct peer){.script = script, .ctx = ctx};
    p->fd = rig_listen(address, &p->port);
    assert_true(p->fd >= 0);
    assert_int_equal(pthread_create(&p->thread, NULL, rig_serve, p), 0);
}

static inline void peer_stop(struct peer *p)
{
    (void)shutdown(p->fd, SHUT_RDWR); /* wakes accept */
    (void)pthread_join(p->thread, NULL);
    (void)close(p->fd);
}

static inline void peer_say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads until the text has come, or the other side is done. */
static inline bool peer_wait(int fd, const char *text, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = '\0';
    while (n + 1 < size && !strstr(buf, text)) {
        ssize_t got = recv(fd, buf + n, size - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        buf[n] = '\0';
    }
    return true;
}

/* Until the other side closes; swallows what comes. */
static inline void peer_hold(int fd)
{
    char buf[4096];
    while (recv(fd, buf, sizeof buf, 0) > 0)
        ;
}

static inline int rig_connect(int port)
{
    struct sockaddr_in s = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval tv = {10, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&s, sizeof s), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    return fd;
}

static inline struct net_addr rig_addr(int port)
{
    struct net_addr a = {.len = sizeof(struct sockaddr_in), .text = "127.0.0.1"};
    *(struct sockaddr_in *)&a.sa = (struct sockaddr_in){.sin_family = AF_INET,
                                                        .sin_port = htons((uint16_t)port),
                                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return a;
}

/* ---- certificates ---- */

static char rig_dir[64];
static struct key *rig_ca_key;
static struct buf rig_ca_der, rig_ca_pem;

static inline const char *rig_path(const char *name)
{
    static char ring[8][128];
    static unsigned next;
    char *p = ring[next++ % 8];
    (void)snprintf(p, sizeof ring[0], "%s/%s", rig_dir, name);
    return p;
}

static inline void rig_write(const char *name, struct str data)
{
    assert_int_equal(file_write_atomic(rig_path(name), data, 0600, (uid_t)-1, (gid_t)-1, NULL),
                     RC_OK);
}

/* NAME.pem and NAME.key in rig_dir, for one DNS name and 127.0.0.1, under the test's CA. */
static inline void rig_pair(const char *name, const char *dns, int64_t not_after)
{
    AUTO(key) struct key *k = NULL;
    AUTO(buf) struct buf spki = BUF(4096);
    AUTO(buf) struct buf der = BUF(8192);
    AUTO(buf) struct buf pem = BUF(8192);
    AUTO(buf) struct buf key_pem = BUF_SECRET(8192);
    char file[64];
    const char *const ips[] = {"127.0.0.1", "::1"};
    int64_t now = clock_now(clock_real());
    struct issue_spec s = {.subject = {.common_name = dns},
                           .dns = &dns,
                           .dns_count = 1,
                           .ips = ips,
                           .ip_count = strcmp(dns, "localhost") == 0 ? 2 : 0,
                           .not_before = now - 10 * USEC_PER_DAY,
                           .not_after = not_after ? not_after : now + 10 * USEC_PER_DAY,
                           .path_len = -1,
                           .server_auth = true};
    assert_int_equal(key_generate(KEY_EC256, &k, NULL), RC_OK);
    assert_int_equal(key_spki(k, &spki, NULL), RC_OK);
    assert_int_equal(cert_issue(rig_ca_key, buf_str(&rig_ca_der), buf_str(&spki), &s, &der, NULL),
                     RC_OK);
    cert_to_pem(buf_str(&der), &pem);
    assert_int_equal(key_to_pem(k, &key_pem, NULL), RC_OK);
    (void)snprintf(file, sizeof file, "%s.pem", name);
    rig_write(file, buf_str(&pem));
    (void)snprintf(file, sizeof file, "%s.key", name);
    rig_write(file, buf_str(&key_pem));
}

static inline int rig_setup(void **state)
{
    UNUSED(state);
    struct sigaction ignore = {.sa_handler = SIG_IGN}; /* as every role does */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    crypto_init();
    AUTO(buf) struct buf spki = BUF(4096);
    int64_t now = clock_now(clock_real());
    struct issue_spec s = {.subject = {.common_name = "Test CA"},
                           .not_before = now - 20 * USEC_PER_DAY,
                           .not_after = now + 20 * USEC_PER_DAY,
                           .ca = true,
                           .path_len = -1};
    (void)snprintf(rig_dir, sizeof rig_dir, "/tmp/inro-net-XXXXXX");
    rig_ca_der = BUF(8192);
    rig_ca_pem = BUF(8192);
    if (!mkdtemp(rig_dir) || key_generate(KEY_EC256, &rig_ca_key, NULL) != RC_OK ||
        key_spki(rig_ca_key, &spki, NULL) != RC_OK ||
        cert_issue(rig_ca_key, STR_NONE, buf_str(&spki), &s, &rig_ca_der, NULL) != RC_OK)
        return 1;
    cert_to_pem(buf_str(&rig_ca_der), &rig_ca_pem);
    rig_pair("good", "localhost", 0);
    rig_pair("other", "other.example", 0);
    rig_pair("old", "localhost", now - USEC_PER_DAY);
    return 0;
}

static inline int rig_teardown(void **state)
{
    const char *const argv[] = {"rm", "-rf", rig_dir, NULL};
    struct proc_result r;
    AUTO(buf) struct buf out = BUF(4096);
    UNUSED(state);
    key_destroy(rig_ca_key);
    buf_free(&rig_ca_der);
    buf_free(&rig_ca_pem);
    return proc_run(argv, NULL, 10 * USEC_PER_SEC, NULL, &out, &r, NULL) == RC_OK ? 0 : 1;
}

static inline SSL_CTX *rig_tls(const char *pair)
{
    char cert[32], key[32];
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    (void)snprintf(cert, sizeof cert, "%s.pem", pair);
    (void)snprintf(key, sizeof key, "%s.key", pair);
    SSL_CTX_set_options(c, SSL_OP_IGNORE_UNEXPECTED_EOF);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(c, rig_path(cert)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(c, rig_path(key), SSL_FILETYPE_PEM), 1);
    return c;
}

#endif
