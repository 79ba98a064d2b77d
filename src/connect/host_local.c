/*
 * This machine as a host. Invariants: a new file gets its mode and owner before its first byte and
 * is on disk before it is renamed; a link as the last component is never followed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"
#include "base/os/proc.h"
#include "connect/host.h"

static enum rc local_lstat(struct host *h, const char *path, struct host_stat *ret, struct err *err)
{
    (void)h;
    struct stat st;
    *ret = (struct host_stat){0};
    if (lstat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? RC_OK : file_fail(err, path, errno);
    *ret = (struct host_stat){.exists = true,
                              .is_dir = S_ISDIR(st.st_mode),
                              .is_link = S_ISLNK(st.st_mode),
                              .is_file = S_ISREG(st.st_mode),
                              .mode = st.st_mode & 07777,
                              .uid = st.st_uid,
                              .gid = st.st_gid,
                              .size = (uint64_t)st.st_size};
    return RC_OK;
}

static enum rc local_read(struct host *h, const char *path, struct buf *out, struct err *err)
{
    (void)h;
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return file_fail(err, path, errno);
    if (!S_ISREG(st.st_mode))
        return file_fail(err, path, EINVAL);
    char piece[4096];
    ssize_t n;
    do {
        n = read(fd, piece, sizeof piece);
        if (n > 0)
            buf_add(out, piece, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    int e = errno;
    mem_wipe(piece, sizeof piece); /* it may have been a key */
    return n < 0 ? file_fail(err, path, e) : buf_ok(out, err);
}

static enum rc sync_parent(struct host *h, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash && slash != path ? (size_t)(slash - path) : 1;
    const char *dir = arena_str(h->ctx->arena, (struct str){path, n});
    return dir ? dir_sync(dir, err) : NOMEM(err);
}

static bool fill(int fd, struct str data, uint32_t mode, int64_t uid, int64_t gid)
{
    uid_t u = uid < 0 ? (uid_t)-1 : (uid_t)uid;
    gid_t g = gid < 0 ? (gid_t)-1 : (gid_t)gid;
    /* chown clears set-id bits, so the mode comes second */
    return (uid < 0 && gid < 0 ? true : fchown(fd, u, g) == 0) && fchmod(fd, mode & 0777) == 0 &&
           fd_write_all(fd, data.p, data.n, NULL) == RC_OK && fsync(fd) == 0;
}

static enum rc local_write_new(struct host *h, const char *path, struct str data, uint32_t mode,
                               int64_t uid, int64_t gid, struct err *err)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, path, errno);
    errno = 0;
    if (!fill(fd, data, mode, uid, gid)) {
        int e = errno ? errno : EIO;
        (void)unlink(path);
        return file_fail(err, path, e);
    }
    return sync_parent(h, path, err);
}

static enum rc copy_all(int from, int to, const char *path, struct err *err)
{
    char piece[65536];
    ssize_t n;
    while ((n = read(from, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_fail(err, path, errno);
        TRY(fd_write_all(to, piece, (size_t)n, err));
    }
    return fsync(to) == 0 ? RC_OK : file_fail(err, path, errno);
}

static enum rc local_put(struct host *h, const char *file, const char *path, uint32_t mode,
                         struct err *err)
{
    AUTO(fd) int from = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return file_fail(err, file, errno);
    AUTO(fd) int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode & 0777);
    if (to < 0)
        return file_fail(err, path, errno);
    enum rc rc = copy_all(from, to, path, err);
    if (rc != RC_OK) {
        (void)unlink(path);
        return rc;
    }
    return sync_parent(h, path, err);
}

static enum rc local_replace(struct host *h, const char *from, const char *to, struct err *err)
{
    if (rename(from, to) < 0)
        return file_fail(err, to, errno);
    return sync_parent(h, to, err);
}

static enum rc local_unlink(struct host *h, const char *path, struct err *err)
{
    struct stat st;
    if (unlink(path) == 0)
        return sync_parent(h, path, err);
    int e = errno;
    /* A read-only file system says that first, even of what is not there. */
    bool gone = lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
    return gone ? RC_OK : file_fail(err, path, e);
}

static enum rc local_mkdir(struct host *h, const char *path, uint32_t mode, struct err *err)
{
    if (mkdir(path, mode & 0777) < 0)
        return errno == EEXIST ? RC_OK : file_fail(err, path, errno);
    return sync_parent(h, path, err);
}

static enum rc local_exec(struct host *h, const char *const argv[], struct buf *out,
                          int *ret_status, struct err *err)
{
    TRY(ctx_alive(h->ctx, err));
    int64_t left = host_exec_until(h) - clock_mono(h->ctx->clock);
    struct proc_result r;
    TRY(h->ctx->run ? h->ctx->run(h->ctx, argv, left, out, &r, err)
                    : proc_run(argv, NULL, left, h->ctx->cancel, out, &r, err));
    CHECK(!r.cancelled, err, RC_CANCELLED, BLAME_US,
          MSG("host.cancelled", "{0} was stopped on request", "要求により {0} を中断しました"),
          argv[0]);
    CHECK(!r.timed_out, err, RC_TIMEOUT, BLAME_REMOTE,
          MSG("host.slow", "{0} did not end in time and was stopped",
              "{0} が時間内に終了しなかったため停止しました"),
          argv[0]);
    *ret_status = r.status;
    return RC_OK;
}

static void local_close(struct host *h)
{
    mem_free(h);
}

static const struct host_ops local_ops = {
    .lstat = local_lstat,
    .read = local_read,
    .write_new = local_write_new,
    .replace = local_replace,
    .unlink = local_unlink,
    .mkdir = local_mkdir,
    .exec = local_exec,
    .close = local_close,
    .put = local_put,
};

enum rc host_local_open(struct ctx *ctx, struct host **ret, struct err *err)
{
    struct host *h = mem_alloc(sizeof *h);
    if (!h)
        return NOMEM(err);
    *h = (struct host){.ops = &local_ops, .ctx = ctx};
    *ret = h;
    return RC_OK;
}
