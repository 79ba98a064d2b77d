/* Frames between our processes: what is sent arrives, what is malformed is refused. */
#include "net/ipc.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "unit/net/net_rig.h"

static int ends[2];

static int setup(void **state)
{
    UNUSED(state);
    return ipc_pair(ends, NULL) == RC_OK ? 0 : 1;
}

static int teardown(void **state)
{
    UNUSED(state);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static void fields_arrive_as_they_were_put(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf out = BUF(IPC_MAX_FRAME);
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    struct str v;
    int64_t n;
    ipc_put(&out, 1, STR("place\0x"));
    ipc_put(&out, 2, STR(""));
    ipc_put(&out, 1, STR("second"));
    ipc_put_i64(&out, 3, INT64_MIN);
    ipc_put_i64(&out, 4, -2);
    EXPECT(ipc_send(ends[0], ipc_soon(), IPC_PROBE, 0xfedcba98, buf_str(&out), -1, &err), RC_OK,
           NULL);
    EXPECT(ipc_recv(ends[1], rig_in(1000), &in, &f, &err), RC_OK, NULL);
    assert_int_equal(f.kind, IPC_PROBE);
    assert_int_equal(f.id, 0xfedcba98);
    assert_int_equal(f.fd, -1);
    assert_true(ipc_get(f.payload, 1, 0, &v) && str_eq(v, STR("place\0x")));
    assert_true(ipc_get(f.payload, 1, 1, &v) && str_eq(v, STR("second")));
    assert_false(ipc_get(f.payload, 1, 2, &v));
    assert_true(ipc_get(f.payload, 2, 0, &v) && v.n == 0);
    assert_false(ipc_get(f.payload, 9, 0, &v));
    assert_true(ipc_get_i64(f.payload, 3, &n) && n == INT64_MIN);
    assert_true(ipc_get_i64(f.payload, 4, &n) && n == -2);
    assert_false(ipc_get_i64(f.payload, 1, &n)); /* not eight bytes */
}

static void the_largest_frame_passes_and_no_larger(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf out = BUF(2 * IPC_MAX_FRAME);
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    AUTO(mem) char *data = mem_alloc(IPC_MAX_FRAME);
    struct ipc_frame f;
    size_t room = IPC_MAX_FRAME - IPC_HEADER - 5;
    ipc_put(&out, 1, (struct str){data, room});
    EXPECT(ipc_send(ends[0], ipc_soon(), IPC_REPLY, 1, buf_str(&out), -1, &err), RC_OK, NULL);
    EXPECT(ipc_recv(ends[1], rig_in(1000), &in, &f, &err), RC_OK, NULL);
    assert_int_equal(f.payload.n, room + 5);
    buf_clear(&out);
    ipc_put(&out, 1, (struct str){data, room + 1});
    EXPECT(ipc_send(ends[0], ipc_soon(), IPC_REPLY, 1, buf_str(&out), -1, &err), RC_NOMEM, NULL);
    /* one that a stranger made too large */
    AUTO(mem) char *raw = mem_alloc(IPC_MAX_FRAME + 1);
    assert_int_equal(send(ends[0], raw, IPC_MAX_FRAME + 1, 0), IPC_MAX_FRAME + 1);
    EXPECT(ipc_recv(ends[1], rig_in(1000), &in, &f, &err), RC_CORRUPT, "net.ipc.frame");
    /* a receiver with less room says so */
    AUTO(buf) struct buf small = BUF(20);
    EXPECT(ipc_send(ends[1], ipc_soon(), IPC_REPLY, 1, STR_NONE, -1, &err), RC_OK, NULL);
    EXPECT(ipc_recv(ends[0], rig_in(1000), &small, &f, &err), RC_OK, NULL);
}

static void deadlines_and_ends_are_told_apart(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    int64_t t0 = clock_mono(clock_real());
    EXPECT(ipc_recv(ends[1], rig_in(60), &in, &f, &err), RC_TIMEOUT, "net.ipc.timeout");
    int64_t took = clock_mono(clock_real()) - t0;
    assert_true(took >= 50 * USEC_PER_MSEC && took < 2 * USEC_PER_SEC);
    EXPECT(ipc_recv(ends[1], rig_in(-1), &in, &f, &err), RC_TIMEOUT, "net.ipc.timeout");
    int fds[2];
    assert_int_equal(ipc_pair(fds, NULL), RC_OK);
    (void)close(fds[0]);
    EXPECT(ipc_recv(fds[1], rig_in(1000), &in, &f, &err), RC_NET, "net.ipc.closed");
    EXPECT(ipc_recv(fds[1], 0, &in, &f, &err), RC_NET, "net.ipc.closed");
    EXPECT(ipc_send(fds[1], ipc_soon(), IPC_WAKE, 0, STR_NONE, -1, &err), RC_NET, "net.ipc.send");
    (void)close(fds[1]);
}

static void a_descriptor_travels(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    int fds[2];
    char c = 0;
    assert_int_equal(pipe(fds), 0);
    EXPECT(ipc_send(ends[0], ipc_soon(), IPC_PEER, 7, STR_NONE, fds[1], &err), RC_OK, NULL);
    (void)close(fds[1]);
    EXPECT(ipc_recv(ends[1], rig_in(1000), &in, &f, &err), RC_OK, NULL);
    assert_true(f.fd >= 0 && (fcntl(f.fd, F_GETFD) & FD_CLOEXEC));
    assert_int_equal(write(f.fd, "x", 1), 1);
    assert_int_equal(read(fds[0], &c, 1), 1);
    assert_int_equal(c, 'x');
    (void)close(f.fd);
    assert_int_equal(read(fds[0], &c, 1), 0); /* no copy is left open */
    (void)close(fds[0]);
}

static void raw_with_fds(const char *bytes, size_t n, int fd, int count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 8)];
    } control;
    struct iovec iov = {(void *)(uintptr_t)bytes, n};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    memset(&control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    for (int i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof fd, &fd, sizeof fd);
    assert_int_equal(sendmsg(ends[0], &m, 0), n);
}

static const char empty_frame[] = "IN\x01\x08\0\0\0\1\0\0\0\0";

/* A refused frame must not leave its descriptors open in the receiver. */
static void surplus_descriptors_are_closed(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    static const struct {
        const char *bytes;
        size_t n;
        int count;
        enum rc rc;
    } v[] = {{empty_frame, 12, 3, RC_OK},
             {"IN\x01\x08\0\0\0\1\0\0\0\1", 12, 2, RC_CORRUPT},
             {"garbage", 7, 1, RC_CORRUPT},
             {empty_frame, 12, 8, RC_CORRUPT}};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        int fds[2];
        char c;
        assert_int_equal(pipe(fds), 0);
        raw_with_fds(v[i].bytes, v[i].n, fds[1], v[i].count);
        (void)close(fds[1]);
        EXPECT(ipc_recv(ends[1], rig_in(1000), &in, &f, &err), v[i].rc, NULL);
        if (v[i].rc == RC_OK)
            (void)close(f.fd);
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        assert_int_equal(poll(&p, 1, 1000), 1);
        assert_int_equal(read(fds[0], &c, 1), 0);
        (void)close(fds[0]);
    }
}

static void malformed_frames_are_refused(void **state)
{
    UNUSED(state);
    static const struct {
        const char *p;
        size_t n;
    } v[] = {
        {"", 0},
        {"IN", 2},
        {"IN\x01\x08\0\0\0\1\0\0\0", 11},   /* short header */
        {"NI\x01\x08\0\0\0\1\0\0\0\0", 12}, /* magic */
        {"IN\x02\x08\0\0\0\1\0\0\0\0", 12}, /* version */
        {"IN\x00\x08\0\0\0\1\0\0\0\0", 12},
        {"IN\x01\x08\0\0\0\1\0\0\0\1", 12},  /* length says more */
        {"IN\x01\x08\0\0\0\1\0\0\0\0x", 13}, /* ... less */
        {"IN\x01\x08\0\0\0\1\xff\xff\xff\xff", 12},
        {"IN\x01\x08\0\0\0\1\0\0\0\4\1\0\0\0", 16},            /* field header cut */
        {"IN\x01\x08\0\0\0\1\0\0\0\5\1\0\0\0\1", 17},          /* field longer than the payload */
        {"IN\x01\x08\0\0\0\1\0\0\0\6\1\xff\xff\xff\xffx", 18}, /* ... by far */
        {"IN\x01\x08\0\0\0\1\0\0\0\7\1\0\0\0\1xy", 19},        /* stray byte after a field */
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct ipc_frame f = {.id = 77};
        EXPECT(ipc_parse((struct str){v[i].p, v[i].n}, &f, &err), RC_CORRUPT, "net.ipc.frame");
        assert_int_equal(f.id, 77);
    }
    struct ipc_frame f;
    EXPECT(ipc_parse((struct str){empty_frame, 12}, &f, &err), RC_OK, NULL);
    assert_int_equal(f.id, 1);
    assert_true(ipc_valid(STR_NONE));
}

static void unknown_tags_and_kinds_pass(void **state)
{
    UNUSED(state);
    struct ipc_frame f;
    struct str v;
    static const char bytes[] = "IN\x01\xee\0\0\0\1\0\0\0\x0c\xfe\0\0\0\1x\1\0\0\0\1y";
    EXPECT(ipc_parse((struct str){bytes, sizeof bytes - 1}, &f, &err), RC_OK, NULL);
    assert_int_equal(f.kind, 0xee);
    assert_true(ipc_get(f.payload, 1, 0, &v) && str_eq(v, STR("y")));
}

/* Reads until the channel ends; its exit status is how many frames came (modulo 251), 255 = odd. */
static pid_t reader(int fd, int other)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    uint32_t n = 0;
    (void)close(other);
    while (ipc_recv(fd, 0, &in, &f, NULL) == RC_OK)
        if (f.id != n++) /* one was lost, or came twice */
            _exit(255);
    _exit((int)(n % 251));
}

static int64_t since(int64_t t0)
{
    return clock_mono(clock_real()) - t0;
}

/* A peer that stands still holds nobody up, and misses nothing that was said to be sent. */
static void a_stopped_peer_holds_nobody_up(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf out = BUF(IPC_MAX_FRAME);
    char text[4096] = "x";
    uint32_t sent = 0;
    int st = 0;
    ipc_put(&out, 1, (struct str){text, sizeof text});
    pid_t pid = reader(ends[1], ends[0]);
    assert_true(pid > 0);
    (void)close(ends[1]);
    ends[1] = -1;
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &st, WUNTRACED), pid);
    assert_true(WIFSTOPPED(st));
    int64_t t0 = clock_mono(clock_real());
    enum rc rc = RC_OK;
    while (sent < 100000) { /* what waits is bounded */
        rc = ipc_send(ends[0], IPC_NOW, IPC_EVENT, sent, buf_str(&out), -1, NULL);
        if (rc != RC_OK)
            break;
        sent++;
    }
    assert_int_equal(rc, RC_BUSY);
    assert_true(sent >= 2 && (size_t)sent * sizeof text <= (size_t)8 * IPC_MAX_FRAME);
    EXPECT(ipc_send(ends[0], rig_in(200), IPC_EVENT, sent, buf_str(&out), -1, &err), RC_TIMEOUT,
           "net.ipc.stuck");
    assert_true(since(t0) >= 150 * USEC_PER_MSEC && since(t0) < 60 * USEC_PER_SEC);
    EXPECT(ipc_send(ends[0], rig_in(-1), IPC_EVENT, sent, buf_str(&out), -1, &err), RC_TIMEOUT,
           "net.ipc.stuck");
    assert_int_equal(kill(pid, SIGCONT), 0);
    for (int i = 0; i < 300; i++, sent++) /* it reads again: whoever waits gets through */
        EXPECT(ipc_send(ends[0], rig_in(30000), IPC_EVENT, sent, buf_str(&out), -1, &err), RC_OK,
               NULL);
    (void)close(ends[0]);
    ends[0] = -1;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    assert_true(WIFEXITED(st));
    assert_int_equal(WEXITSTATUS(st), (int)(sent % 251));
}

/* A frame with a descriptor that did not go out leaves none of it behind. */
static void a_descriptor_that_did_not_go_is_not_kept(void **state)
{
    UNUSED(state);
    int fds[2];
    char c = 0;
    while (ipc_send(ends[0], IPC_NOW, IPC_EVENT, 0, STR_NONE, -1, NULL) == RC_OK)
        ;
    assert_int_equal(pipe(fds), 0);
    EXPECT(ipc_send(ends[0], IPC_NOW, IPC_PEER, 0, STR_NONE, fds[1], &err), RC_BUSY,
           "net.ipc.full");
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &c, 1), 0); /* the other end is closed everywhere */
    (void)close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_arrive_as_they_were_put, setup, teardown),
        cmocka_unit_test_setup_teardown(the_largest_frame_passes_and_no_larger, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines_and_ends_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_descriptor_travels, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_peer_holds_nobody_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_descriptor_that_did_not_go_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(surplus_descriptors_are_closed, setup, teardown),
        cmocka_unit_test(malformed_frames_are_refused),
        cmocka_unit_test(unknown_tags_and_kinds_pass),
    };
    return cmocka_run_group_tests_name("net.ipc", tests, NULL, NULL);
}
