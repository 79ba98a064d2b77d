/* Invariants: inro.log is what is being written; what was turned over is never written again and is
 * called inro-TIME-NUMBER.log, so that names sort by age. */
#include "app/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os/file.h"

enum { FILES_MAX = 4096, NAME_BYTES = 64 };

struct log_file {
    char dir[512];
    char path[600]; /* of inro.log */
    struct log_limits limits;
    int fd; /* inro.log, -1 = could not be opened */
    dev_t dev;
    ino_t ino;
    int64_t size;  /* of it */
    int64_t began; /* day number of its first line; 0 = empty */
    int64_t turns;
    int64_t lost; /* lines, since it last worked */
};

static void close_current(struct log_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
}

static void name_old(struct log_file *f, char to[700], int64_t now)
{
    char at[32];
    time_rfc3339(now, at);
    for (char *p = at; *p; p++)
        *p = *p == ':' ? '.' : *p;
    do
        (void)snprintf(to, 700, "%s/inro-%s-%04lld.log", f->dir, at, (long long)f->turns++ % 10000);
    while (access(to, F_OK) == 0 && f->turns < INT64_MAX);
}

static int open_at(const struct log_file *f)
{
    return open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* What stands there and cannot be written (a link, a folder, another user's) is put aside. */
static void open_current(struct log_file *f, int64_t now)
{
    char aside[700];
    struct stat st;
    f->fd = open_at(f);
    if (f->fd < 0 && errno == ENOENT && dir_make(f->dir, 0700, NULL) == RC_OK)
        f->fd = open_at(f);
    if (f->fd < 0 && (errno == ELOOP || errno == EISDIR || errno == EACCES)) {
        name_old(f, aside, now);
        if (rename(f->path, aside) == 0)
            f->fd = open_at(f);
    }
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        close_current(f);
        return;
    }
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->size = st.st_size;
    f->began = st.st_size > 0 ? st.st_mtim.tv_sec / 86400 : 0;
}

/* The file of that name is still the one that is open, and has the size we know. */
static void look_again(struct log_file *f, int64_t now)
{
    struct stat st;
    bool ours =
        f->fd >= 0 && lstat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;
    if (ours) {
        f->size = st.st_size;
        return;
    }
    close_current(f);
    open_current(f, now);
}

struct old_file {
    char name[NAME_BYTES];
    int64_t size, at; /* seconds */
};

static size_t list_old(const struct log_file *f, struct old_file *v, size_t max)
{
    size_t n = 0;
    DIR *d = opendir(f->dir);
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
static void remove_old(struct log_file *f, int64_t now)
{
    struct old_file *v = mem_alloc(FILES_MAX * sizeof *v);
    size_t n = v ? list_old(f, v, FILES_MAX) : 0;
    int64_t total = f->limits.file_bytes;
    for (size_t i = 0; i < n; i++)
        total += v[i].size;
    for (;;) {
        size_t oldest = n;
        for (size_t i = 0; i < n; i++)
            if (v[i].name[0] && (oldest == n || strcmp(v[i].name, v[oldest].name) < 0))
                oldest = i;
        if (oldest == n)
            break;
        bool aged = v[oldest].at < now / USEC_PER_SEC - f->limits.days * 86400;
        if (!aged && total <= f->limits.total_bytes)
            break;
        char path[600];
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, v[oldest].name);
        (void)unlink(path);
        total -= v[oldest].size;
        v[oldest].name[0] = '\0';
    }
    mem_free(v);
}

static void turn_over(struct log_file *f, int64_t now)
{
    char to[700];
    close_current(f);
    name_old(f, to, now);
    (void)rename(f->path, to);
    remove_old(f, now);
    open_current(f, now);
}

static int64_t lines_in(const char *p, size_t n)
{
    int64_t lines = 0;
    for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        lines++;
    return lines;
}

/* A line that is only half there is taken back, so that the next begins at a line's start. */
static int64_t take_back(struct log_file *f, const char *p, size_t n)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0 || st.st_size <= f->size)
        return lines_in(p, n);
    size_t there = (size_t)(st.st_size - f->size);
    const char *end = memrchr(p, '\n', there < n ? there : n);
    size_t whole = end ? (size_t)(end + 1 - p) : 0;
    if (ftruncate(f->fd, (off_t)(f->size + (int64_t)whole)) == 0)
        f->size += (int64_t)whole;
    return lines_in(p + whole, n - whole);
}

static bool append(struct log_file *f, const char *p, size_t n)
{
    if (f->fd < 0 || fd_write_all(f->fd, p, n, NULL) != RC_OK) {
        f->lost += f->fd < 0 ? lines_in(p, n) : take_back(f, p, n);
        return false;
    }
    f->size += (int64_t)n;
    return true;
}

static void say_lost(struct log_file *f)
{
    char line[LOG_LINE_MAX], text[96];
    (void)snprintf(text, sizeof text, "%lld log lines could not be written to the log file",
                   (long long)f->lost);
    size_t n = log_format(line, LOG_WARN, "app", text);
    int64_t lost = f->lost;
    if (append(f, line, n))
        f->lost = 0;
    else
        f->lost = lost; /* the notice itself does not count */
}

void log_file_put(struct log_file *f, const char *p, size_t n, int64_t now)
{
    int64_t day = now / USEC_PER_DAY;
    look_again(f, now);
    bool full = f->size > 0 && f->size + (int64_t)n > f->limits.file_bytes;
    if (f->fd >= 0 && (full || (f->began != 0 && f->began != day)))
        turn_over(f, now);
    if (f->lost > 0)
        say_lost(f);
    if (append(f, p, n))
        f->began = f->began ? f->began : day;
}

enum rc log_file_open(const char *dir, const struct log_limits *limits, struct log_file **ret,
                      struct err *err)
{
    TRY(dir_make(dir, 0700, err));
    struct log_file *f = mem_alloc(sizeof *f);
    if (!f)
        return NOMEM(err);
    int64_t now = clock_now(clock_real());
    f->limits = *limits;
    if (f->limits.file_bytes > f->limits.total_bytes)
        f->limits.file_bytes = f->limits.total_bytes;
    f->fd = -1;
    (void)snprintf(f->dir, sizeof f->dir, "%s", dir);
    (void)snprintf(f->path, sizeof f->path, "%s/inro.log", dir);
    open_current(f, now);
    remove_old(f, now);
    *ret = f;
    return RC_OK;
}

void log_file_close(struct log_file *f)
{
    if (!f)
        return;
    close_current(f);
    mem_free(f);
}
