/* A DNS server of a few records on loopback, in a thread of the test. */
#ifndef INRO_TEST_DNS_SERVER_H
#define INRO_TEST_DNS_SERVER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct dns_row {
    const char *name; /* NULL ends the table */
    int type;
    const char *data; /* as it stands in the record */
    size_t n;         /* 0: the name exists, without such a record */
};
/* Names that begin so are answered with SERVFAIL, or not at all. */
#define DNS_BROKEN "broken."
#define DNS_SILENT "silent."

struct dns_server {
    int fd, port;
    const struct dns_row *rows;
    pthread_t thread;
    atomic_int asked;
};

/* The question's name as text; returns where its type stands, 0 when malformed. */
static inline size_t dns_question(const unsigned char *q, size_t n, char name[256])
{
    size_t at = 12, out = 0;
    while (at < n && q[at] != 0) {
        size_t len = q[at];
        if (len > 63 || at + 1 + len >= n || out + len + 2 > 255)
            return 0;
        memcpy(name + out, q + at + 1, len);
        out += len;
        name[out++] = '.';
        at += 1 + len;
    }
    name[out ? out - 1 : 0] = '\0';
    return at + 5 <= n ? at + 1 : 0;
}

static inline size_t dns_reply(const struct dns_server *s, unsigned char *m, size_t n,
                               size_t type_at, const char *name)
{
    int type = m[type_at] << 8 | m[type_at + 1], count = 0;
    bool exists = false;
    size_t end = type_at + 4;
    (void)n;
    for (const struct dns_row *r = s->rows; r->name; r++) {
        if (strcasecmp(r->name, name) != 0)
            continue;
        exists = true;
        if (r->type != type || r->n == 0)
            continue;
        const unsigned char head[12] = {
            0xc0, 12, (unsigned char)(type >> 8), (unsigned char)type, 0, 1, 0, 0,
            0,    60, (unsigned char)(r->n >> 8), (unsigned char)r->n};
        memcpy(m + end, head, 12);
        memcpy(m + end + 12, r->data, r->n);
        end += 12 + r->n;
        count++;
    }
    bool broken = strncmp(name, DNS_BROKEN, strlen(DNS_BROKEN)) == 0;
    m[2] = 0x81;
    m[3] = (unsigned char)(0x80 | (broken ? 2 : exists ? 0 : 3));
    m[7] = (unsigned char)count;
    memset(m + 8, 0, 4);
    return end;
}

static inline void *dns_run(void *arg)
{
    struct dns_server *s = arg;
    unsigned char m[4096];
    char name[256];
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s->fd, m, 512, 0, (struct sockaddr *)&from, &len);
        if (n <= 0)
            return NULL;
        if (n == 1)
            return NULL; /* dns_server_stop() */
        size_t type_at = dns_question(m, (size_t)n, name);
        atomic_fetch_add(&s->asked, 1);
        if (type_at == 0 || strncmp(name, DNS_SILENT, strlen(DNS_SILENT)) == 0)
            continue;
        size_t end = dns_reply(s, m, (size_t)n, type_at, name);
        (void)sendto(s->fd, m, end, 0, (struct sockaddr *)&from, len);
    }
}

static inline void dns_server_start(struct dns_server *s, const struct dns_row *rows)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    memset(s, 0, sizeof *s);
    s->rows = rows;
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, dns_run, s), 0);
}

static inline void dns_server_stop(struct dns_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)s->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)sendto(s->fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

#endif
