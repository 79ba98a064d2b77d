/* Invariants: one reader of the pipe, this thread; it writes no log line through log.h, which would
 * be waiting for itself. */
#include "app/log_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os/file.h"

/* Pieces of at most PIPE_BUF bytes fit without waiting where poll() sees room. */
enum { PIPE_BYTES = 1 << 20, READ_BYTES = 64 << 10, PIECE_BYTES = 4096, PATIENCE_MSEC = 1000 };

/* What was standard error. */
struct outlet {
    int fd;
    bool journal;
    int64_t lost; /* pieces nobody took; while there are some, nobody is waited for */
};

struct log_keeper {
    struct log_file *file;
    struct outlet out;
    int from; /* the pipe's read end */
    pthread_t thread;
};

static bool hand_on(struct outlet *o, const char *p, size_t n)
{
    struct pollfd room = {.fd = o->fd, .events = POLLOUT};
    char piece[8 + PIECE_BYTES];
    size_t head = 0;
    if (o->journal)
        head = (size_t)snprintf(piece, 8, "<%d>", log_priority_of(p, n));
    memcpy(piece + head, p, n);
    int ready = poll(&room, 1, o->lost ? 0 : PATIENCE_MSEC);
    return ready == 1 && (room.revents & POLLOUT) && write(o->fd, piece, head + n) >= 0;
}

static void say_lost(struct outlet *o)
{
    char line[LOG_LINE_MAX], text[96];
    (void)snprintf(text, sizeof text, "%lld log lines were not taken here; the log file has them",
                   (long long)o->lost);
    if (hand_on(o, line, log_format(line, LOG_WARN, "app", text)))
        o->lost = 0;
}

static void hand_on_lines(struct outlet *o, const char *p, size_t n)
{
    for (size_t len; n > 0; p += len, n -= len) {
        const char *end = memchr(p, '\n', n);
        len = end ? (size_t)(end + 1 - p) : n;
        len = len > PIECE_BYTES - 8 ? PIECE_BYTES - 8 : len;
        if (o->lost > 0)
            say_lost(o);
        if (o->lost > 0 || !hand_on(o, p, len))
            o->lost++;
    }
}

/* Whole lines go to the file; a line longer than the buffer is cut in two. */
static void *keep(void *arg)
{
    struct log_keeper *k = arg;
    static char buf[READ_BYTES];
    size_t have = 0;
    for (ssize_t n; (n = read(k->from, buf + have, sizeof buf - have)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        have += (size_t)n;
        char *end = memrchr(buf, '\n', have);
        size_t whole = end ? (size_t)(end + 1 - buf) : have == sizeof buf ? have : 0;
        if (whole == 0)
            continue;
        log_file_put(k->file, buf, whole, clock_now(clock_real()));
        hand_on_lines(&k->out, buf, whole);
        memmove(buf, buf + whole, have - whole);
        have -= whole;
    }
    if (have > 0)
        log_file_put(k->file, buf, have, clock_now(clock_real()));
    return NULL;
}

enum rc log_keeper_start(const char *dir, const struct log_limits *limits, struct log_keeper **ret,
                         int *ret_fd, struct err *err)
{
    int fds[2];
    struct log_keeper *k = mem_alloc(sizeof *k);
    if (!k)
        return NOMEM(err);
    enum rc rc = log_file_open(dir, limits, &k->file, err);
    if (rc == RC_OK && pipe2(fds, O_CLOEXEC) != 0)
        rc = file_fail(err, "log", errno);
    if (rc != RC_OK) {
        log_file_close(k->file);
        mem_free(k);
        return rc;
    }
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* more than the usual 64 KiB if we may */
    k->from = fds[0];
    k->out = (struct outlet){STDERR_FILENO, log_is_journal(STDERR_FILENO), 0};
    if (pthread_create(&k->thread, NULL, keep, k) != 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        log_file_close(k->file);
        mem_free(k);
        return NOMEM(err);
    }
    *ret = k;
    *ret_fd = fds[1];
    return RC_OK;
}

void log_keeper_stop(struct log_keeper *k, int fd)
{
    if (!k)
        return;
    (void)close(fd); /* the last writer: the thread reads to the end */
    (void)pthread_join(k->thread, NULL);
    (void)close(k->from);
    log_file_close(k->file);
    mem_free(k);
}
