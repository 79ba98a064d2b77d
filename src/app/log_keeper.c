/* Invariants: inro.log is what is being written; what was turned over is never written again and is
 * called inro-TIME-NUMBER.log, so that names sort by age. */
#include "app/log_keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"

enum { PIPE_BYTES = 1 << 20, READ_BYTES = 64 << 10, FILES_MAX = 4096, NAME_BYTES = 64 };

struct log_keeper {
    char dir[512];
    struct log_limits limits;
    int fd;        /* inro.log, -1 = could not be opened */
    int64_t size;  /* of it */
    int64_t began; /* day number of its first line; 0 = empty */
    int64_t turns;
    int from, to; /* the pipe's read end; what was standard error */
    pthread_t thread;
};

static void open_current(struct log_keeper *k)
{
    char path[600];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/inro.log", k->dir);
    k->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    k->size = k->fd >= 0 && fstat(k->fd, &st) == 0 ? st.st_size : 0;
    k->began = k->size > 0 ? st.st_mtim.tv_sec / 86400 : 0;
}

struct old_file {
    char name[NAME_BYTES];
    int64_t size, at; /* seconds */
};

static size_t list_old(const struct log_keeper *k, struct old_file *v, size_t max)
{
    size_t n = 0;
    DIR *d = opendir(k->dir);
    for (struct dirent *e; d && n < max && (e = readdir(d)) != NULL;) {
        struct stat st;
        size_t len = strlen(e->d_name);
        if (strncmp(e->d_name, "inro-", 5) != 0 || len >= NAME_BYTES || len < 5 ||
            strcmp(e->d_name + len - 4, ".log") != 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        memcpy(v[n].name, e->d_name, len + 1);
        v[n].size = st.st_size;
        v[n++].at = st.st_mtim.tv_sec;
    }
    if (d)
        (void)closedir(d);
    return n;
}

/* The oldest go first, until what is left (with room for the present file) is within bounds. */
static void remove_old(struct log_keeper *k, int64_t now)
{
    struct old_file *v = mem_alloc(FILES_MAX * sizeof *v);
    size_t n = v ? list_old(k, v, FILES_MAX) : 0;
    int64_t total = k->limits.file_bytes;
    for (size_t i = 0; i < n; i++)
        total += v[i].size;
    for (;;) {
        size_t oldest = n;
        for (size_t i = 0; i < n; i++)
            if (v[i].name[0] && (oldest == n || strcmp(v[i].name, v[oldest].name) < 0))
                oldest = i;
        if (oldest == n)
            break;
        bool aged = v[oldest].at < now / USEC_PER_SEC - k->limits.days * 86400;
        if (!aged && total <= k->limits.total_bytes)
            break;
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%s", k->dir, v[oldest].name);
        (void)unlink(path);
        total -= v[oldest].size;
        v[oldest].name[0] = '\0';
    }
    mem_free(v);
}

static void turn_over(struct log_keeper *k, int64_t now)
{
    char from[600], to[700], at[32];
    if (k->fd >= 0)
        (void)close(k->fd);
    time_rfc3339(now, at);
    for (char *p = at; *p; p++)
        *p = *p == ':' ? '.' : *p;
    (void)snprintf(from, sizeof from, "%s/inro.log", k->dir);
    (void)snprintf(to, sizeof to, "%s/inro-%s-%04lld.log", k->dir, at,
                   (long long)k->turns++ % 10000);
    (void)rename(from, to);
    remove_old(k, now);
    open_current(k);
}

void log_file_put(struct log_keeper *k, const char *p, size_t n, int64_t now)
{
    int64_t day = now / USEC_PER_DAY;
    bool full = k->size > 0 && k->size + (int64_t)n > k->limits.file_bytes;
    if (full || (k->began != 0 && k->began != day) || k->fd < 0)
        turn_over(k, now);
    if (k->fd < 0 || fd_write_all(k->fd, p, n, NULL) != RC_OK)
        return;
    k->size += (int64_t)n;
    k->began = k->began ? k->began : day;
}

enum rc log_file_open(const char *dir, const struct log_limits *limits, struct log_keeper **ret,
                      struct err *err)
{
    TRY(dir_make(dir, 0700, err));
    struct log_keeper *k = mem_alloc(sizeof *k);
    if (!k)
        return NOMEM(err);
    k->limits = *limits;
    k->fd = k->from = k->to = -1;
    (void)snprintf(k->dir, sizeof k->dir, "%s", dir);
    open_current(k);
    remove_old(k, clock_now(clock_real()));
    *ret = k;
    return RC_OK;
}

void log_file_close(struct log_keeper *k)
{
    if (!k)
        return;
    if (k->fd >= 0)
        (void)close(k->fd);
    mem_free(k);
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
        log_file_put(k, buf, whole, clock_now(clock_real()));
        (void)(fd_write_all(k->to, buf, whole, NULL) == RC_OK); /* nobody may be listening there */
        memmove(buf, buf + whole, have - whole);
        have -= whole;
    }
    if (have > 0)
        log_file_put(k, buf, have, clock_now(clock_real()));
    return NULL;
}

enum rc log_keeper_start(const char *dir, const struct log_limits *limits, struct log_keeper **ret,
                         int *ret_fd, struct err *err)
{
    int fds[2];
    struct log_keeper *k = NULL;
    TRY(log_file_open(dir, limits, &k, err));
    if (pipe2(fds, O_CLOEXEC) != 0) {
        log_file_close(k);
        return file_fail(err, "log", errno);
    }
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* more than the usual 64 KiB if we may */
    k->from = fds[0];
    k->to = STDERR_FILENO;
    if (pthread_create(&k->thread, NULL, keep, k) != 0) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        log_file_close(k);
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
    log_file_close(k);
}
