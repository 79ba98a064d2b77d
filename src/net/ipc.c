#include "net/ipc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os/file.h"

static uint32_t be32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

void ipc_put(struct buf *b, uint8_t tag, struct str value)
{
    buf_addc(b, (char)tag);
    buf_add_be32(b, (uint32_t)value.n);
    buf_add(b, value.p, value.n);
}

void ipc_put_i64(struct buf *b, uint8_t tag, int64_t v)
{
    buf_addc(b, (char)tag);
    buf_add_be32(b, 8);
    buf_add_be64(b, (uint64_t)v);
}

/* One field off the front; false at the end or when malformed (then rest->p is not at the end). */
static bool next_field(struct str *rest, uint8_t *ret_tag, struct str *ret_value)
{
    if (rest->n < 5)
        return false;
    uint32_t n = be32(rest->p + 1);
    if (n > rest->n - 5)
        return false;
    *ret_tag = (uint8_t)rest->p[0];
    *ret_value = (struct str){rest->p + 5, n};
    rest->p += 5 + n;
    rest->n -= 5 + (size_t)n;
    return true;
}

bool ipc_next(struct ipc_walk *w, uint8_t *ret_tag, struct str *ret_value)
{
    return next_field(&w->rest, ret_tag, ret_value);
}

bool ipc_get(struct str payload, uint8_t tag, size_t nth, struct str *ret)
{
    uint8_t t;
    struct str v;
    while (next_field(&payload, &t, &v)) {
        if (t == tag && nth-- == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

bool ipc_get_i64(struct str payload, uint8_t tag, int64_t *ret)
{
    struct str v;
    if (!ipc_get(payload, tag, 0, &v) || v.n != 8)
        return false;
    *ret = (int64_t)((uint64_t)be32(v.p) << 32 | be32(v.p + 4));
    return true;
}

bool ipc_valid(struct str payload)
{
    uint8_t t;
    struct str v;
    while (next_field(&payload, &t, &v))
        ;
    return payload.n == 0;
}

static enum rc bad_frame(struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_US,
                MSG("net.ipc.frame", "a message between our processes is malformed",
                    "プロセス間のメッセージが不正です"));
}

enum rc ipc_parse(struct str d, struct ipc_frame *ret, struct err *err)
{
    if (d.n < IPC_HEADER || d.n > IPC_MAX_FRAME || d.p[0] != 'I' || d.p[1] != 'N' ||
        d.p[2] != IPC_VERSION)
        return bad_frame(err);
    struct str payload = {d.p + IPC_HEADER, d.n - IPC_HEADER};
    if (be32(d.p + 8) != payload.n || !ipc_valid(payload))
        return bad_frame(err);
    *ret = (struct ipc_frame){.kind = (enum ipc_kind)(unsigned char)d.p[3],
                              .id = be32(d.p + 4),
                              .payload = payload,
                              .fd = -1};
    return RC_OK;
}

enum rc ipc_pair(int ret_fds[2], struct err *err)
{
    int size = 2 * IPC_MAX_FRAME;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) != 0)
        return file_fail(err, "socketpair", errno);
    for (int i = 0; i < 2; i++)
        (void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return RC_OK;
}

enum { SOON_SEC = 10 };

int64_t ipc_soon(void)
{
    return clock_mono(clock_real()) + SOON_SEC * USEC_PER_SEC;
}

static enum rc wait_writable(int fd, int64_t deadline, struct err *err)
{
    CHECK(deadline != IPC_NOW, err, RC_BUSY, BLAME_US,
          MSG("net.ipc.full", "another of our processes does not read what it is sent",
              "内部プロセスがメッセージを受け取っていません"));
    int64_t left = (deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
    CHECK(left > 0, err, RC_TIMEOUT, BLAME_US,
          MSG("net.ipc.stuck", "another of our processes did not read in time",
              "内部プロセスが時間内にメッセージを受け取りませんでした"));
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    (void)poll(&p, 1, left > 60000 ? 60000 : (int)left); /* the next attempt says what it is */
    return RC_OK;
}

/* A whole frame or nothing goes out. */
static enum rc send_frame(int fd, const struct msghdr *m, int64_t deadline, struct err *err)
{
    while (sendmsg(fd, m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == EINTR)
            continue;
        CHECK(errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS, err, RC_NET, BLAME_US,
              MSG("net.ipc.send", "another of our processes is gone",
                  "内部プロセスに接続できません"));
        TRY(wait_writable(fd, deadline, err));
    }
    return RC_OK;
}

enum rc ipc_send(int fd, int64_t deadline, enum ipc_kind kind, uint32_t id, struct str payload,
                 int pass_fd, struct err *err)
{
    unsigned char head[IPC_HEADER] = {'I', 'N', IPC_VERSION, (unsigned char)kind};
    uint32_t n = (uint32_t)payload.n;
    for (int i = 0; i < 4; i++) {
        head[4 + i] = (unsigned char)(id >> (24 - 8 * i));
        head[8 + i] = (unsigned char)(n >> (24 - 8 * i));
    }
    if (payload.n > IPC_MAX_FRAME - IPC_HEADER)
        return NOMEM(err);
    struct iovec iov[2] = {{head, sizeof head}, {(void *)(uintptr_t)payload.p, payload.n}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = payload.n ? 2 : 1};
    if (pass_fd >= 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &pass_fd, sizeof pass_fd);
    }
    return send_frame(fd, &m, deadline, err);
}

static enum rc closed_channel(struct err *err)
{
    return FAIL(err, RC_NET, BLAME_US,
                MSG("net.ipc.closed", "another of our processes closed its channel",
                    "内部プロセスとの接続が閉じられました"));
}

static enum rc wait_readable(int fd, int64_t deadline, struct err *err)
{
    while (deadline != 0) {
        int64_t left = (deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
        CHECK(left > 0, err, RC_TIMEOUT, BLAME_US,
              MSG("net.ipc.timeout", "another of our processes did not answer in time",
                  "内部プロセスが時間内に応答しません"));
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
        if (n > 0)
            break;
        if (n < 0 && errno != EINTR)
            return closed_channel(err);
    }
    return RC_OK;
}

/* The passed descriptor; surplus ones are closed. */
static int take_fd(struct msghdr *m)
{
    int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int got;
            memcpy(&got, CMSG_DATA(c) + i * sizeof got, sizeof got);
            if (fd < 0)
                fd = got;
            else
                close(got);
        }
    }
    return fd;
}

enum rc ipc_recv(int fd, int64_t deadline, struct buf *buf, struct ipc_frame *ret, struct err *err)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 4)];
    } control;
    TRY(wait_readable(fd, deadline, err));
    buf_clear(buf);
    /* The length is asked first, so that small frames do not cost a large buffer. */
    ssize_t n;
    do
        n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return closed_channel(err);
    if (n > IPC_MAX_FRAME)
        return bad_frame(err);
    char *to = buf_reserve(buf, (size_t)n);
    if (!to)
        return NOMEM(err);
    struct iovec iov = {to, (size_t)n};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return closed_channel(err);
    buf->len += (size_t)n;
    int passed = take_fd(&m);
    enum rc rc = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ? bad_frame(err)
                                                          : ipc_parse(buf_str(buf), ret, err);
    if (rc == RC_OK)
        ret->fd = passed;
    else if (passed >= 0)
        close(passed);
    return rc;
}
