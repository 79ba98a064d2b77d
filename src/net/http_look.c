/* One GET over one connection, by hand: the address must be the one that was checked. */
#include "net/http_look.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/os/file.h"

enum { READ_MAX = 16384, BODY_MAX = 4096 };

static enum rc silent(const struct http_look *l, struct err *err)
{
    return FAIL(err, RC_TIMEOUT, BLAME_NETWORK,
                MSG("net.look_silent", "{0} accepted the connection and did not answer",
                    "{0} は接続を受け付けましたが応答しません"),
                l->addr->text);
}

static enum rc no_http(const struct http_look *l, struct err *err)
{
    return FAIL(
        err, RC_REMOTE, BLAME_REMOTE,
        MSG("net.look_no_http", "what {0} answers is not HTTP", "{0} の応答は HTTP ではありません"),
        l->addr->text);
}

static bool ready(const struct http_look *l, int fd, short what)
{
    int64_t left = l->deadline - clock_mono(clock_real());
    struct pollfd p = {fd, what, 0};
    return left > 0 && poll(&p, 1, (int)(left / USEC_PER_MSEC) + 1) > 0;
}

static enum rc send_all(const struct http_look *l, int fd, struct str text, struct err *err)
{
    while (text.n > 0) {
        if (!ready(l, fd, POLLOUT))
            return silent(l, err);
        ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return silent(l, err);
        text.p += n;
        text.n -= (size_t)n;
    }
    return RC_OK;
}

/* Until the peer closes, enough is there, or the time is up: what came is judged by the caller. */
static void read_some(const struct http_look *l, int fd, struct buf *b)
{
    char part[2048];
    while (b->len < READ_MAX - sizeof part && ready(l, fd, POLLIN)) {
        ssize_t n = recv(fd, part, sizeof part, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return;
        buf_add(b, part, (size_t)n);
    }
}

static bool take_status(struct str line, int *ret)
{
    struct str rest = line, version, code;
    int64_t n;
    if (!str_starts(line, "HTTP/1.") || !str_split(&rest, ' ', &version) ||
        !str_split(&rest, ' ', &code) || !str_to_i64(code, 100, 599, &n))
        return false;
    *ret = (int)n;
    return true;
}

static enum rc take_answer(const struct http_look *l, struct str all, struct arena *a,
                           struct http_looked *ret, struct err *err)
{
    const char *end = memmem(all.p, all.n, "\r\n\r\n", 4);
    struct str rest = {all.p, end ? (size_t)(end - all.p) : all.n}, line;
    struct http_looked out = {0};
    if (!str_split(&rest, '\n', &line) || !take_status(str_trim(line), &out.status))
        return no_http(l, err);
    while (rest.n > 0 && str_split(&rest, '\n', &line)) {
        struct str value = line, name;
        if (str_split(&value, ':', &name) && str_ieq(name, STR("location")) && !out.location)
            out.location = arena_str(a, str_trim(value));
    }
    if (end) {
        size_t n = all.n - (size_t)(end + 4 - all.p);
        const char *body = arena_dup(a, end + 4, n < BODY_MAX ? n : BODY_MAX);
        if (!body)
            return NOMEM(err);
        out.body = (struct str){body, n < BODY_MAX ? n : BODY_MAX};
    }
    *ret = out;
    return RC_OK;
}

enum rc http_look(const struct http_look *l, struct arena *a, struct http_looked *ret,
                  struct err *err)
{
    AUTO(buf) struct buf ask = BUF(8192), got = BUF(READ_MAX);
    AUTO(fd) int fd = -1;
    bool v6 = strchr(l->host, ':') != NULL;
    TRY(egress_connect(l->addr, 1, l->deadline, l->host, &fd, err));
    buf_adds(&ask, "GET ");
    buf_adds(&ask, l->path);
    buf_adds(&ask, v6 ? " HTTP/1.1\r\nHost: [" : " HTTP/1.1\r\nHost: ");
    buf_adds(&ask, l->host);
    buf_adds(&ask, v6 ? "]\r\n" : "\r\n");
    buf_adds(&ask, "User-Agent: inro\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    TRY(buf_ok(&ask, err));
    TRY(send_all(l, fd, buf_str(&ask), err));
    read_some(l, fd, &got);
    if (got.len == 0)
        return silent(l, err);
    return take_answer(l, buf_str(&got), a, ret, err);
}
