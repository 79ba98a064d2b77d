#include "net/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/os/file.h"
#include "codec/schema.h"

struct range {
    unsigned char net[16]; /* v4 as ::ffff:a.b.c.d */
    int bits;
};

enum { V4_IN_V6 = 96, ADDRS_MAX = 32, STAGGER_MSEC = 250 };

static bool parse_ip(const char *text, unsigned char out[16], bool *ret_v4)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        memset(out, 0, 10);
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &v4, 4);
        *ret_v4 = true;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        memcpy(out, &v6, 16);
        *ret_v4 = false;
        return true;
    }
    return false;
}

static bool parse_range(const char *cidr, struct range *r)
{
    char text[64];
    bool v4;
    int64_t bits = -1;
    const char *slash = strchr(cidr, '/');
    size_t n = slash ? (size_t)(slash - cidr) : strlen(cidr);
    if (n >= sizeof text)
        return false;
    memcpy(text, cidr, n);
    text[n] = '\0';
    if (!parse_ip(text, r->net, &v4))
        return false;
    if (!slash)
        bits = v4 ? 32 : 128;
    else if (!str_to_i64(str_from(slash + 1), 0, v4 ? 32 : 128, &bits))
        return false;
    r->bits = (int)bits + (v4 ? V4_IN_V6 : 0);
    return true;
}

static bool in_range(const unsigned char ip[16], const struct range *r)
{
    int whole = r->bits / 8, rest = r->bits % 8;
    if (memcmp(ip, r->net, (size_t)whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned char mask = (unsigned char)(0xff << (8 - rest));
    return (ip[whole] & mask) == (r->net[whole] & mask);
}

static bool in_any(const unsigned char ip[16], const char *const *cidrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct range r;
        if (parse_range(cidrs[i], &r) && in_range(ip, &r))
            return true;
    }
    return false;
}

/* Never a place to send anything to unless an administrator opens it. */
static const char *const closed[] = {
    "0.0.0.0/8",    "127.0.0.0/8",    "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4",
    "240.0.0.0/4",  "::/128",         "::1/128",        "fe80::/10",    "ff00::/8",
    "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16",      "2001::/32",    "::/96"};
static const char *const private_nets[] = {"10.0.0.0/8",    "172.16.0.0/12", "192.168.0.0/16",
                                           "100.64.0.0/10", "fc00::/7",      "fec0::/10"};

static bool ip_of(const struct net_addr *addr, unsigned char out[16])
{
    if (addr->sa.ss_family == AF_INET) {
        const struct sockaddr_in *s = (const struct sockaddr_in *)&addr->sa;
        memset(out, 0, 10);
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &s->sin_addr, 4);
        return true;
    }
    if (addr->sa.ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)&addr->sa)->sin6_addr, 16);
        return true;
    }
    return false;
}

bool egress_allows(const struct egress_policy *policy, const struct net_addr *addr)
{
    unsigned char ip[16];
    if (!ip_of(addr, ip))
        return false;
    if (in_any(ip, policy->allow, policy->allow_count))
        return true;
    if (in_any(ip, closed, COUNT_OF(closed)))
        return false;
    return !(policy->deny_private && in_any(ip, private_nets, COUNT_OF(private_nets)));
}

enum rc egress_policy_parse(struct arena *a, const char *cidrs, struct egress_policy *ret,
                            struct err *err)
{
    const char **v = arena_array(a, strlen(cidrs) / 2 + 2, sizeof *v);
    size_t n = 0;
    char *text = arena_strdup(a, cidrs);
    if (!v || !text)
        return NOMEM(err);
    for (char *p = text, *word; *p;) {
        p += strspn(p, ", \t");
        word = p;
        p += strcspn(p, ", \t");
        if (*p)
            *p++ = '\0';
        if (!*word)
            continue;
        struct range r;
        CHECK(parse_range(word, &r), err, RC_INPUT, BLAME_INPUT,
              MSG("net.egress.cidr", "\"{0}\" is not an address range such as 10.0.0.0/8",
                  "「{0}」はアドレス範囲(例 10.0.0.0/8)ではありません"),
              word);
        v[n++] = word;
    }
    *ret = (struct egress_policy){.allow = v, .allow_count = n};
    return RC_OK;
}

static enum rc take_addrs(const struct egress_policy *policy, const char *host,
                          const struct addrinfo *list, struct net_addr *v, size_t *ret_n,
                          struct err *err)
{
    size_t n = 0;
    for (const struct addrinfo *i = list; i && n < ADDRS_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof v[n].sa)
            continue;
        memcpy(&v[n].sa, i->ai_addr, i->ai_addrlen);
        v[n].len = i->ai_addrlen;
        if (getnameinfo(i->ai_addr, i->ai_addrlen, v[n].text, sizeof v[n].text, NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        CHECK(egress_allows(policy, &v[n]), err, RC_DENIED, BLAME_INPUT,
              MSG("net.egress.denied",
                  "{0} leads to {1}, where no connection may go; open it with --egress-allow if it "
                  "is meant",
                  "{0} の接続先 {1} は許可されていません。意図したものなら --egress-allow "
                  "で許可してください"),
              host, v[n].text);
        n++;
    }
    *ret_n = n;
    return RC_OK;
}

/* getaddrinfo() would read "0x7f.1" and "2130706433" as addresses. */
static bool is_number_form(const char *host)
{
    bool v6;
    if (host_is_ip(host, &v6))
        return false;
    const char *last = strrchr(host, '.');
    last = last ? last + 1 : host;
    return last[0] >= '0' && last[0] <= '9';
}

enum rc egress_resolve(const struct egress_policy *policy, const char *host, int port,
                       int64_t deadline, struct arena *a, struct net_addr **ret, size_t *ret_n,
                       struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    char service[8];
    (void)snprintf(service, sizeof service, "%d", port);
    CHECK(port >= 1 && port <= 65535 && host_is_valid(host) && !is_number_form(host), err, RC_INPUT,
          BLAME_INPUT,
          MSG("net.egress.host", "\"{0}\" port {1} is not a host and port",
              "「{0}」ポート {1} は正しい接続先ではありません"),
          host, NUM(port));
    CHECK(clock_mono(clock_real()) < deadline, err, RC_TIMEOUT, BLAME_NETWORK,
          MSG("net.egress.late", "no time was left to look up {0}",
              "{0} の名前解決を始める前に時間切れになりました"),
          host);
    int e = getaddrinfo(host, service, &hints, &list);
    CHECK(e == 0, err, RC_NET, e == EAI_NONAME ? BLAME_INPUT : BLAME_NETWORK,
          MSG("net.egress.resolve", "the name {0} cannot be resolved: {1}",
              "名前 {0} を解決できません: {1}"),
          host, gai_strerror(e));
    struct net_addr *v = arena_array(a, ADDRS_MAX, sizeof *v);
    size_t n = 0;
    enum rc rc = v ? take_addrs(policy, host, list, v, &n, err) : NOMEM(err);
    freeaddrinfo(list);
    TRY(rc);
    CHECK(n > 0, err, RC_NET, BLAME_NETWORK,
          MSG("net.egress.none", "{0} has no address", "{0} にはアドレスがありません"), host);
    *ret = v;
    *ret_n = n;
    return RC_OK;
}

struct attempt {
    int fd;
    int error;
};

static int begin_connect(const struct net_addr *addr)
{
    int one = 1;
    int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) != 0 && errno != EINPROGRESS) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* Waits up to msec; the index of a connected attempt, or -1. Failed ones are closed. */
static int wait_any(struct attempt *v, size_t n, int msec, int *last_error)
{
    struct pollfd p[ADDRS_MAX];
    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = v[i].fd, .events = POLLOUT};
    if (poll(p, n, msec) <= 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int e = 0;
        socklen_t len = sizeof e;
        if (v[i].fd < 0 || p[i].revents == 0)
            continue;
        if (getsockopt(v[i].fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e == 0)
            return (int)i;
        *last_error = e ? e : errno;
        close(v[i].fd);
        v[i].fd = -1;
    }
    return -1;
}

static bool any_open(const struct attempt *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].fd >= 0)
            return true;
    return false;
}

static enum rc connect_failed(const char *host, int error, bool late, struct err *err)
{
    const char *why = strerrordesc_np(error);
    if (late)
        return FAIL(
            err, RC_TIMEOUT, BLAME_NETWORK,
            MSG("net.connect.timeout", "{0} did not answer in time", "{0} が時間内に応答しません"),
            host);
    return FAIL(err, RC_NET, BLAME_NETWORK,
                MSG("net.connect", "{0} cannot be reached: {1}", "{0} に接続できません: {1}"), host,
                why ? why : "?");
}

enum rc egress_connect(const struct net_addr *addrs, size_t n, int64_t deadline, const char *host,
                       int *ret_fd, struct err *err)
{
    struct attempt v[ADDRS_MAX];
    size_t started = 0;
    int error = ETIMEDOUT, winner = -1;
    bool late = false;
    n = n > ADDRS_MAX ? ADDRS_MAX : n;
    while (winner < 0 && !late && (started < n || any_open(v, started))) {
        if (started < n) {
            v[started].fd = begin_connect(&addrs[started]);
            if (v[started].fd < 0)
                error = errno;
            started++;
        }
        int64_t left = (deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
        late = left <= 0;
        if (!late && any_open(v, started))
            winner = wait_any(v, started,
                              started < n && left > STAGGER_MSEC ? STAGGER_MSEC
                              : left > 1000                      ? 1000
                                                                 : (int)left,
                              &error);
    }
    for (size_t i = 0; i < started; i++)
        if ((int)i != winner && v[i].fd >= 0)
            close(v[i].fd);
    if (winner < 0)
        return connect_failed(host, error, late, err);
    int flags = fcntl(v[winner].fd, F_GETFL);
    if (flags < 0 || fcntl(v[winner].fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        close(v[winner].fd);
        return connect_failed(host, errno, false, err);
    }
    *ret_fd = v[winner].fd;
    return RC_OK;
}
