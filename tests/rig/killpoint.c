/*
 * Preloaded into the daemon by the crash tests: counts the calls that change the world and, at the
 * n-th of a chosen role, kills the process before the call is made, stops there for others to kill,
 * or makes the call fail. What to do is read from a control file shared with the test (killpoint.py
 * has the same layout).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, UNLINK = 8, SEND = 16 };
enum { KILL = 0, HALT = 1, FAIL = 2, FAIL_ON = 3 /* from the n-th on, until disarmed */ };

struct control {
    atomic_int role; /* whose calls count: index in names; 0 = nobody's */
    int mode, error;
    unsigned mask;
    atomic_llong left; /* the call that finds 1 here is the one */
    atomic_int fired;
    int kind;
    char path[200]; /* calls on files whose path holds this; "" = all */
};

static const char *const names[] = {"", "vault", "prober", "worker", "front", "supervisor"};
static struct control *control;
static int me;

static int role_of(const char *line, size_t n)
{
    const char *one = memchr(line, 0, n),
               *two = one ? memchr(one + 1, 0, n - (size_t)(one - line) - 1) : NULL;
    if (!one)
        return 0;
    if (strcmp(one + 1, "serve") == 0)
        return 5;
    for (int i = 1; two && strcmp(one + 1, "role") == 0 && i < 5; i++)
        if (strcmp(two + 1, names[i]) == 0)
            return i;
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    static char line[4096];
    const char *path = getenv("INRO_KILLPOINT");
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : 0;
    if (fd >= 0)
        close(fd);
    me = n > 0 ? role_of(line, (size_t)n) : 0;
    fd = path && me ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    control = p == MAP_FAILED ? NULL : p;
}

static int on_path(int fd, const char *path)
{
    char link[64], file[512];
    if (!control->path[0])
        return 1;
    if (!path) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, file, sizeof file - 1);
        if (n <= 0)
            return 0;
        file[n] = 0;
        path = file;
    }
    return strstr(path, control->path) != NULL;
}

/* True when the call must fail. */
static int point(int kind, int fd, const char *path)
{
    int keep = errno;
    if (!control || atomic_load(&control->role) != me || !(control->mask & (unsigned)kind) ||
        !on_path(fd, path)) {
        errno = keep;
        return 0;
    }
    errno = keep;
    long long left = atomic_fetch_sub(&control->left, 1);
    if (control->mode == FAIL_ON ? left > 1 : left != 1)
        return 0;
    control->kind = kind;
    atomic_store(&control->fired, 1);
    if (control->mode == FAIL || control->mode == FAIL_ON) {
        errno = control->error;
        return 1;
    }
    struct timespec ms = {0, 1000000};
    while (control->mode == HALT)
        nanosleep(&ms, NULL);
    for (;;)
        syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGKILL);
}

#define REAL(ret, name, ...)                                                                       \
    static ret (*real)(__VA_ARGS__);                                                               \
    if (!real)                                                                                     \
    *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *p, size_t n)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    return fd > 2 && point(WRITE, fd, NULL) ? -1 : real(fd, p, n);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return point(WRITE, fd, NULL) ? -1 : real(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite64(fd, p, n, at);
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    return point(SYNC, fd, NULL) ? -1 : real(fd);
}

int fsync(int fd)
{
    REAL(int, "fsync", int);
    return point(SYNC, fd, NULL) ? -1 : real(fd);
}

int rename(const char *a, const char *b)
{
    REAL(int, "rename", const char *, const char *);
    return point(RENAME, -1, b) ? -1 : real(a, b);
}

int unlink(const char *a)
{
    REAL(int, "unlink", const char *);
    return point(UNLINK, -1, a) ? -1 : real(a);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    return point(SEND, fd, NULL) ? -1 : real(fd, m, flags);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    REAL(ssize_t, "send", int, const void *, size_t, int);
    return point(SEND, fd, NULL) ? -1 : real(fd, p, n, flags);
}
