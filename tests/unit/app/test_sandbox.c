/*
 * What each role gave up is really refused: a child confines itself as the role does and tries; a
 * free child tries the same, so that a refusal is the filter's and not the machine's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/role.h"
#include "app/sandbox.h"

enum { NEVER = 1 << 16, LISTED = 1 << 17 }; /* beside the rights: nobody; all but the vault */

static char dir[64], made[96], kept[96];

/* A system call by number; arguments that do no harm where it is allowed. */
static const struct trial {
    const char *name;
    unsigned right; /* the right that opens it */
    long number;
    long a[5];
} trials[] = {
#define P(x) ((long)(x))
    {"execve", KEEP_EXEC, SYS_execve, {P("/nonexistent"), 0, 0}},
    {"execveat", KEEP_EXEC, SYS_execveat, {-1, P("/nonexistent"), 0, 0, 0}},
    {"socket", KEEP_NET, SYS_socket, {2, 1, 0}},
    {"socket unix", KEEP_NET, SYS_socket, {1, 1, 0}},
    {"connect", KEEP_NET, SYS_connect, {-1, 0, 0}},
    {"bind", KEEP_NET, SYS_bind, {-1, 0, 0}},
    {"listen", KEEP_NET, SYS_listen, {-1, 0}},
    {"accept4", KEEP_NET, SYS_accept4, {-1, 0, 0, 0}},
    {"open to read", KEEP_READ, SYS_openat, {AT_FDCWD, P("/dev/null"), O_RDONLY, 0}},
    {"open to write", KEEP_WRITE, SYS_openat, {AT_FDCWD, P("/dev/null"), O_WRONLY, 0}},
    {"open to do both", KEEP_WRITE, SYS_openat, {AT_FDCWD, P("/dev/null"), O_RDWR, 0}},
    {"open to make", KEEP_WRITE, SYS_openat, {AT_FDCWD, P(made), O_RDONLY | O_CREAT, 0600}},
    {"open to empty", KEEP_WRITE, SYS_openat, {AT_FDCWD, P(kept), O_RDONLY | O_TRUNC, 0}},
    {"openat2", KEEP_WRITE, SYS_openat2, {AT_FDCWD, P("/dev/null"), 0, 0}},
    {"unlinkat", KEEP_WRITE, SYS_unlinkat, {AT_FDCWD, P("/nonexistent"), 0}},
    {"renameat2", KEEP_WRITE, SYS_renameat2, {AT_FDCWD, P("/none"), AT_FDCWD, P("/none2"), 0}},
    {"mkdirat", KEEP_WRITE, SYS_mkdirat, {AT_FDCWD, P("/nonexistent/x"), 0700}},
    {"mknodat", KEEP_WRITE, SYS_mknodat, {AT_FDCWD, P("/nonexistent/x"), S_IFREG, 0}},
    {"linkat", KEEP_WRITE, SYS_linkat, {AT_FDCWD, P("/none"), AT_FDCWD, P("/none2"), 0}},
    {"symlinkat", KEEP_WRITE, SYS_symlinkat, {P("x"), AT_FDCWD, P("/nonexistent/x")}},
    {"truncate", KEEP_WRITE, SYS_truncate, {P("/nonexistent"), 0}},
    {"fchmodat", KEEP_WRITE, SYS_fchmodat, {AT_FDCWD, P("/nonexistent"), 0}},
    {"fchownat", KEEP_WRITE, SYS_fchownat, {AT_FDCWD, P("/nonexistent"), -1, -1, 0}},
    {"setxattr", KEEP_WRITE, SYS_setxattr, {P("/nonexistent"), P("user.x"), P("x"), 1, 0}},
#ifdef SYS_open
    {"old open to read", KEEP_READ, SYS_open, {P("/dev/null"), O_RDONLY, 0}},
    {"old open to write", KEEP_WRITE, SYS_open, {P("/dev/null"), O_WRONLY, 0}},
    {"old open to make", KEEP_WRITE, SYS_open, {P(made), O_RDONLY | O_CREAT, 0600}},
    {"creat", KEEP_WRITE, SYS_creat, {P("/nonexistent/x"), 0}},
    {"unlink", KEEP_WRITE, SYS_unlink, {P("/nonexistent")}},
    {"rename", KEEP_WRITE, SYS_rename, {P("/none"), P("/none2")}},
    {"mkdir", KEEP_WRITE, SYS_mkdir, {P("/nonexistent/x"), 0}},
    {"rmdir", KEEP_WRITE, SYS_rmdir, {P("/nonexistent")}},
    {"chmod", KEEP_WRITE, SYS_chmod, {P("/nonexistent"), 0}},
    {"chown", KEEP_WRITE, SYS_chown, {P("/nonexistent"), -1, -1}},
    {"fork", KEEP_EXEC, SYS_vfork, {0}},
#endif
    {"ptrace", NEVER, SYS_ptrace, {16, 0x3fffffff, 0, 0}},
    {"process_vm_readv", NEVER, SYS_process_vm_readv, {0x3fffffff, 0, 0, 0, 0}},
    {"process_vm_writev", NEVER, SYS_process_vm_writev, {0x3fffffff, 0, 0, 0, 0}},
    {"pidfd_getfd", NEVER, SYS_pidfd_getfd, {-1, 0, 0}},
    {"mount", NEVER, SYS_mount, {0, 0, 0, 0, 0}},
    {"umount2", NEVER, SYS_umount2, {P("/nonexistent"), 0}},
    {"chroot", NEVER, SYS_chroot, {P("/nonexistent")}},
    {"unshare", NEVER, SYS_unshare, {0}},
    {"setns", NEVER, SYS_setns, {-1, 0}},
    {"keyctl", NEVER, SYS_keyctl, {-1, 0, 0, 0, 0}},
    {"add_key", NEVER, SYS_add_key, {0, 0, 0, 0, 0}},
    {"bpf", NEVER, SYS_bpf, {-1, 0, 0}},
    {"perf_event_open", NEVER, SYS_perf_event_open, {0, 0, -1, -1, 0}},
    {"io_uring_setup", NEVER, SYS_io_uring_setup, {0, 0}},
    {"getuid", LISTED, SYS_getuid, {0}},
    {"kill", LISTED, SYS_kill, {0x3fffffff, 0}},
    {"fchmod", LISTED, SYS_fchmod, {-1, 0}},
    {"memfd_create", LISTED, SYS_memfd_create, {P("x"), 0}},
    {"epoll_create1", LISTED, SYS_epoll_create1, {0}},
    {"read", 0, SYS_read, {-1, 0, 0}},
    {"fdatasync", 0, SYS_fdatasync, {-1}},
    {"getrandom", 0, SYS_getrandom, {0, 0, 0}},
    {"futex", 0, SYS_futex, {0, -1, 0, 0, 0}},
};
enum { TRIALS = sizeof trials / sizeof trials[0] };

struct outcome {
    bool entered, others; /* others: a thread that was there before is confined too */
    int no_new_privs, dumpable;
    unsigned mask;
    unsigned long core;
    int error[TRIALS]; /* 0: it went through */
};

static int try_one(const struct trial *t)
{
    if (t->number == SYS_vfork) { /* by number it would return twice on one stack */
        long pid = syscall(SYS_fork);
        if (pid == 0)
            _exit(0);
        return pid < 0 ? errno : 0;
    }
    long r = syscall(t->number, t->a[0], t->a[1], t->a[2], t->a[3], t->a[4]);
    return r < 0 ? errno : 0;
}

static int go[2], told[2];

/* Was there before the filter: must be under it all the same. */
static void *bystander(void *arg)
{
    char c;
    (void)arg;
    if (read(go[0], &c, 1) == 1) {
        c = (char)(syscall(SYS_unshare, 0) < 0 ? errno : 0);
        (void)!write(told[1], &c, 1);
    }
    return NULL;
}

static void child(unsigned keeps, bool confined, int out)
{
    struct outcome o = {0};
    struct rlimit r = {0};
    pthread_t t;
    char c = 0;
    if (pipe(go) != 0 || pipe(told) != 0 || pthread_create(&t, NULL, bystander, NULL) != 0)
        _exit(1);
    if (confined)
        sandbox_common(keeps);
    o.no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    o.dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    o.mask = (unsigned)umask(077);
    (void)getrlimit(RLIMIT_CORE, &r);
    o.core = (unsigned long)r.rlim_cur;
    o.entered = !confined || sandbox_enter(keeps, NULL) == RC_OK;
    for (int i = 0; i < TRIALS; i++)
        o.error[i] = try_one(&trials[i]);
    if (write(go[1], "x", 1) == 1 && read(told[0], &c, 1) == 1)
        o.others = c == EPERM;
    if (write(out, &o, sizeof o) != (ssize_t)sizeof o)
        _exit(1);
    _exit(0);
}

static struct outcome run(unsigned keeps, bool confined)
{
    struct outcome o;
    int p[2], status;
    assert_int_equal(pipe(p), 0);
    int fd = open(kept, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "kept", 4), 4);
    assert_int_equal(close(fd), 0);
    (void)unlink(made);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(keeps, confined, p[1]);
    assert_int_equal(close(p[1]), 0);
    assert_int_equal(read(p[0], &o, sizeof o), sizeof o);
    assert_int_equal(close(p[0]), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return o;
}

static bool may(const struct role *r, const struct trial *t)
{
    bool vault = (r->keeps & ~(unsigned)HOLDS_SECRETS) == 0;
    if (t->right == 0)
        return true;
    if (t->right == LISTED)
        return !vault;
    return t->right != NEVER && (r->keeps & t->right) != 0;
}

static void each_role_gave_up_what_it_says(void **state)
{
    (void)state;
    struct outcome none = run(0, false);
    int proven = 0;
    for (int i = 0; i < ROLE_COUNT; i++) {
        struct outcome o = run(roles[i].keeps, true);
        assert_true(o.entered);
        for (int k = 0; k < TRIALS; k++) {
            bool allowed = may(&roles[i], &trials[k]);
            if (allowed ? o.error[k] == EPERM && none.error[k] != EPERM : o.error[k] != EPERM)
                fail_msg("%s: %s gave %d, without a filter %d", roles[i].name, trials[k].name,
                         o.error[k], none.error[k]);
            proven += !allowed && none.error[k] != EPERM;
        }
        assert_true(o.others);
    }
    assert_true(proven > 60); /* most refusals are ours, whatever the machine refuses by itself */
}

/* Without the right to write, nothing was made or emptied on the way. */
static void what_only_reads_leaves_files_alone(void **state)
{
    (void)state;
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (roles[i].keeps & KEEP_WRITE)
            continue;
        struct stat st;
        (void)run(roles[i].keeps, true);
        assert_int_not_equal(stat(made, &st), 0);
        assert_int_equal(stat(kept, &st), 0);
        assert_int_equal(st.st_size, 4);
    }
}

static void secrets_stay_out_of_dumps(void **state)
{
    (void)state;
    for (int i = 0; i < ROLE_COUNT; i++) {
        struct outcome o = run(roles[i].keeps, true);
        assert_int_equal(o.core, 0);
        assert_int_equal(o.mask, 077);
        assert_int_equal(o.dumpable, roles[i].keeps & HOLDS_SECRETS ? 0 : 1);
        assert_int_equal(o.no_new_privs, roles[i].keeps & KEEP_EXEC ? 0 : 1);
    }
}

static void only_the_vault_has_no_network(void **state)
{
    (void)state;
    assert_int_equal(roles[ROLE_VAULT].keeps, HOLDS_SECRETS);
    assert_false(roles[ROLE_PROBER].keeps & (KEEP_EXEC | KEEP_WRITE | HOLDS_SECRETS));
    assert_false(roles[ROLE_FRONT].keeps & (KEEP_EXEC | HOLDS_SECRETS));
    /* what starts programs has no secrets, no key, and hears the worker only */
    for (int i = 0; i < ROLE_COUNT; i++)
        assert_int_equal((roles[i].keeps & KEEP_EXEC) != 0, i == ROLE_RUNNER);
    assert_false(roles[ROLE_RUNNER].keeps & HOLDS_SECRETS);
    assert_int_equal(roles[ROLE_RUNNER].peers, 1u << ROLE_WORKER);
    for (int i = 0; i < ROLE_COUNT; i++)
        assert_false(roles[i].peers & 1u << i);
}

static int start(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/inro-box-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(made, sizeof made, "%s/made", dir);
    snprintf(kept, sizeof kept, "%s/kept", dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(made);
    (void)unlink(kept);
    return rmdir(dir);
}

/* In a child: as who, under which limit; 1 = memory would be locked as a whole. */
static int would_lock(bool nobody, rlim_t limit)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit r = {limit, limit};
        bool ok = setrlimit(RLIMIT_MEMLOCK, &r) == 0 && (!nobody || setuid(65534) == 0);
        _exit(!ok ? 2 : sandbox_may_lock());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void under_a_limit_memory_is_not_locked_as_a_whole(void **state)
{
    (void)state;
    bool root = geteuid() == 0;
    assert_int_equal(would_lock(root, 1 << 20), 0);
    assert_int_equal(would_lock(root, 0), 0);
    if (root)
        assert_int_equal(would_lock(false, 1 << 20), 1); /* the limit does not count */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_gave_up_what_it_says),
        cmocka_unit_test(what_only_reads_leaves_files_alone),
        cmocka_unit_test(secrets_stay_out_of_dumps),
        cmocka_unit_test(only_the_vault_has_no_network),
        cmocka_unit_test(under_a_limit_memory_is_not_locked_as_a_whole),
    };
    return cmocka_run_group_tests(tests, start, end);
}
