#include "base/os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"

/* The system's words are English; these are the failures people meet. */
static const struct reason {
    int errnum;
    enum rc rc;
    const char *ja;
} reasons[] = {{ENOENT, RC_NOT_FOUND, "ファイルまたはディレクトリがありません"},
               {EEXIST, RC_EXISTS, "既に存在します"},
               {EACCES, RC_DENIED, "権限がありません"},
               {EPERM, RC_DENIED, "許可されていない操作です"},
               {EISDIR, RC_INTERNAL, "ディレクトリです"},
               {ENOTDIR, RC_INTERNAL, "ディレクトリではありません"},
               {ELOOP, RC_INTERNAL, "シンボリックリンクはたどりません"},
               {ENOSPC, RC_FULL, "ディスクに空きがありません"},
               {EDQUOT, RC_FULL, "ディスクの割り当て上限に達しました"},
               {EROFS, RC_INTERNAL, "読み取り専用のファイルシステムです"},
               {EIO, RC_INTERNAL, "入出力エラーです"},
               {EMFILE, RC_INTERNAL, "開けるファイル数の上限に達しました"}};

enum rc file_fail(struct err *err, const char *path, int errnum)
{
    const char *en = strerrordesc_np(errnum), *ja = NULL;
    enum rc rc = RC_INTERNAL;
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].errnum == errnum) {
            rc = reasons[i].rc;
            ja = reasons[i].ja;
        }
    }
    en = en ? en : "?";
    if (errnum == EROFS)
        return FAIL(
            err, rc, BLAME_US,
            MSG("base.read_only",
                "{0}: {1}; where systemd runs Inro, ReadWritePaths= in a drop-in of the unit "
                "opens more folders",
                "{0}: {2}。systemd で動作している場合は、ユニットのドロップインの "
                "ReadWritePaths= で書き込み先を追加できます"),
            path, en, ja ? ja : en);
    return FAIL(err, rc, rc == RC_INTERNAL || rc == RC_FULL ? BLAME_US : BLAME_INPUT,
                MSG("base.file", "{0}: {1}", "{0}: {2}"), path, en, ja ? ja : en);
}

void fd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int fd_take(int *fd)
{
    int f = *fd;
    *fd = -1;
    return f;
}

enum rc fd_write_all(int fd, const void *p, size_t n, struct err *err)
{
    const char *c = p;
    while (n > 0) {
        ssize_t w = write(fd, c, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return file_fail(err, "write", errno);
        c += w;
        n -= (size_t)w;
    }
    return RC_OK;
}

static enum rc read_fd(int fd, const char *path, struct buf *b, struct err *err)
{
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_fail(err, path, errno);
        if (n == 0)
            break;
        if (b->len + (size_t)n > b->max)
            return FAIL(err, RC_INPUT, BLAME_INPUT,
                        MSG("base.file.big", "{0} is larger than the limit of {1} bytes",
                            "{0} は上限 {1} バイトを超えています"),
                        path, NUM(b->max));
        buf_add(b, chunk, (size_t)n);
        if (b->secret)
            mem_wipe(chunk, sizeof chunk);
    }
    return buf_ok(b, err);
}

static enum rc read_checked(const char *path, bool private, struct buf *b, struct err *err)
{
    struct stat st;
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0)
        return file_fail(err, path, errno);
    if (S_ISDIR(st.st_mode))
        return file_fail(err, path, EISDIR);
    CHECK(!private || (st.st_mode & 077) == 0, err, RC_DENIED, BLAME_INPUT,
          MSG("base.file.open", "{0} can be read by others; run: chmod 600 {0}",
              "{0} は他の利用者から読めます。chmod 600 {0} を実行してください"),
          path);
    return read_fd(fd, path, b, err);
}

enum rc file_read(const char *path, struct buf *b, struct err *err)
{
    return read_checked(path, false, b, err);
}

enum rc file_read_private(const char *path, struct buf *b, struct err *err)
{
    return read_checked(path, true, b, err);
}

enum rc dir_sync(const char *path, struct err *err)
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return file_fail(err, path, errno);
    return RC_OK;
}

static enum rc sync_parent(const char *path, struct err *err)
{
    AUTO(mem) char *dir = mem_strdup(path);
    if (!dir)
        return NOMEM(err);
    char *slash = strrchr(dir, '/');
    if (slash == dir)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    return dir_sync(slash ? dir : ".", err);
}

static enum rc write_tmp(const char *tmp, struct str data, mode_t mode, uid_t uid, gid_t gid,
                         struct err *err)
{
    AUTO(fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, tmp, errno);
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) != 0)
        return file_fail(err, tmp, errno);
    if (fchmod(fd, mode) != 0)
        return file_fail(err, tmp, errno);
    TRY(fd_write_all(fd, data.p, data.n, err));
    if (fsync(fd) != 0)
        return file_fail(err, tmp, errno);
    return close(fd_take(&fd)) == 0 ? RC_OK : file_fail(err, tmp, errno);
}

enum rc file_write_atomic(const char *path, struct str data, mode_t mode, uid_t uid, gid_t gid,
                          struct err *err)
{
    char hex[17];
    rand_hex(hex, 8);
    AUTO(buf) struct buf tmp = BUF(8192);
    buf_addf(&tmp, "%s.%s.tmp", path, hex);
    TRY(buf_ok(&tmp, err));
    enum rc rc = write_tmp(buf_cstr(&tmp), data, mode, uid, gid, err);
    if (rc == RC_OK && rename(buf_cstr(&tmp), path) != 0)
        rc = file_fail(err, path, errno);
    if (rc != RC_OK) {
        (void)unlink(buf_cstr(&tmp));
        return rc;
    }
    return sync_parent(path, err);
}

/* NAME.<16 hex digits>.tmp */
static bool is_leftover(const char *name)
{
    size_t n = strlen(name);
    if (n < 22 || strcmp(name + n - 4, ".tmp") != 0 || name[n - 21] != '.')
        return false;
    return strspn(name + n - 20, "0123456789abcdef") == 16;
}

static void dirp_cleanup(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

enum rc dir_sweep(const char *path, struct err *err)
{
    AUTO(dirp) DIR *d = opendir(path);
    if (!d)
        return file_fail(err, path, errno);
    for (struct dirent *e; (e = readdir(d));)
        if (is_leftover(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) != 0 && errno != ENOENT)
            return file_fail(err, e->d_name, errno);
    return RC_OK;
}

enum rc dir_make(const char *path, mode_t mode, struct err *err)
{
    AUTO(mem) char *p = mem_strdup(path);
    if (!p)
        return NOMEM(err);
    for (char *c = p + 1;; c++) {
        if (*c != '/' && *c != '\0')
            continue;
        char keep = *c;
        *c = '\0';
        if (mkdir(p, mode) != 0 && errno != EEXIST)
            return file_fail(err, p, errno);
        *c = keep;
        if (keep == '\0')
            break;
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return file_fail(err, path, errno);
    return S_ISDIR(st.st_mode) ? RC_OK : file_fail(err, path, ENOTDIR);
}
