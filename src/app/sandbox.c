#include "app/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/role.h"
#include "base/log.h"

static bool ignore(int signo)
{
    struct sigaction sa = {.sa_handler = SIG_IGN};
    return sigaction(signo, &sa, NULL) == 0;
}

bool signal_ignore_pipe(void)
{
    return ignore(SIGPIPE);
}

bool signal_ignore_all(void)
{
    static const int ignored[] = {SIGPIPE, SIGINT, SIGHUP, SIGTERM};
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        ok = ignore(ignored[i]) && ok;
    return ok;
}

bool sandbox_may_lock(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {{0}};
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        return true;
    return syscall(SYS_capget, &head, caps) == 0 && (caps[0].effective & 1u << CAP_IPC_LOCK);
}

void sandbox_common(unsigned keeps)
{
    struct rlimit none = {0, 0};
    (void)umask(077);
    bool ok = setrlimit(RLIMIT_CORE, &none) == 0;
    /* Local reload commands may be sudo: the runner, which starts them, keeps the way to
     * privileges. */
    if (!(keeps & KEEP_EXEC))
        ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ok;
    if (!ok)
        log_line(LOG_WARN, "sandbox", "core files or new privileges could not be ruled out");
    if (!(keeps & HOLDS_SECRETS))
        return;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_line(LOG_WARN, "sandbox", "this process stays dumpable");
    /* Only what is touched is locked, so that shared libraries do not fill the locked quota. */
    if (!sandbox_may_lock() || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        log_line(LOG_INFO, "sandbox",
                 "memory is not locked as a whole (RLIMIT_MEMLOCK); key pages are locked alone");
}

/* Refused to everyone but those who keep the right named. */
struct denial {
    unsigned unless;
    int syscall;
};

static const struct denial denials[] = {
    {KEEP_EXEC, SCMP_SYS(execve)},
    {KEEP_EXEC, SCMP_SYS(execveat)},
    {KEEP_EXEC, SCMP_SYS(fork)},
    {KEEP_EXEC, SCMP_SYS(vfork)},
    {KEEP_NET, SCMP_SYS(socket)},
    {KEEP_NET, SCMP_SYS(connect)},
    {KEEP_NET, SCMP_SYS(bind)},
    {KEEP_NET, SCMP_SYS(listen)},
    {KEEP_NET, SCMP_SYS(accept)},
    {KEEP_NET, SCMP_SYS(accept4)},
    {KEEP_READ, SCMP_SYS(open)},
    {KEEP_READ, SCMP_SYS(openat)},
    {KEEP_WRITE, SCMP_SYS(openat2)}, /* its mode is out of a filter's sight */
    {KEEP_WRITE, SCMP_SYS(creat)},
    {KEEP_WRITE, SCMP_SYS(rename)},
    {KEEP_WRITE, SCMP_SYS(renameat)},
    {KEEP_WRITE, SCMP_SYS(renameat2)},
    {KEEP_WRITE, SCMP_SYS(unlink)},
    {KEEP_WRITE, SCMP_SYS(unlinkat)},
    {KEEP_WRITE, SCMP_SYS(mkdir)},
    {KEEP_WRITE, SCMP_SYS(mkdirat)},
    {KEEP_WRITE, SCMP_SYS(rmdir)},
    {KEEP_WRITE, SCMP_SYS(mknod)},
    {KEEP_WRITE, SCMP_SYS(mknodat)},
    {KEEP_WRITE, SCMP_SYS(chown)},
    {KEEP_WRITE, SCMP_SYS(lchown)},
    {KEEP_WRITE, SCMP_SYS(fchownat)},
    {KEEP_WRITE, SCMP_SYS(setxattr)},
    {KEEP_WRITE, SCMP_SYS(lsetxattr)},
    {KEEP_WRITE, SCMP_SYS(truncate)},
    {KEEP_WRITE, SCMP_SYS(link)},
    {KEEP_WRITE, SCMP_SYS(linkat)},
    {KEEP_WRITE, SCMP_SYS(symlink)},
    {KEEP_WRITE, SCMP_SYS(symlinkat)},
    {KEEP_WRITE, SCMP_SYS(chmod)},
    {KEEP_WRITE, SCMP_SYS(fchmodat)},
    {0, SCMP_SYS(ptrace)},
    {0, SCMP_SYS(process_vm_readv)},
    {0, SCMP_SYS(process_vm_writev)},
    {0, SCMP_SYS(pidfd_getfd)},
    {0, SCMP_SYS(mount)},
    {0, SCMP_SYS(umount2)},
    {0, SCMP_SYS(pivot_root)},
    {0, SCMP_SYS(chroot)},
    {0, SCMP_SYS(kexec_load)},
    {0, SCMP_SYS(init_module)},
    {0, SCMP_SYS(finit_module)},
    {0, SCMP_SYS(delete_module)},
    {0, SCMP_SYS(bpf)},
    {0, SCMP_SYS(perf_event_open)},
    {0, SCMP_SYS(keyctl)},
    {0, SCMP_SYS(add_key)},
    {0, SCMP_SYS(request_key)},
    {0, SCMP_SYS(userfaultfd)},
    {0, SCMP_SYS(unshare)},
    {0, SCMP_SYS(setns)},
    {0, SCMP_SYS(io_uring_setup)},
};

/* The vault does so little that what it may do can be listed; the rest is refused. */
static const int vault_allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(close),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(socketpair),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fsync),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fcntl),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mprotect),
    SCMP_SYS(brk),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(futex),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(prctl),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(prlimit64),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
};

/* Read-only roles: opening for writing is refused, and so is what makes or empties a file while
 * it says it only reads. */
static int add_read_only(scmp_filter_ctx f)
{
    static const struct {
        uint64_t mask, is;
    } writes[] = {
        {O_ACCMODE, O_WRONLY}, {O_ACCMODE, O_RDWR}, {O_CREAT, O_CREAT}, {O_TRUNC, O_TRUNC}};
    int e = 0;
    for (size_t i = 0; i < COUNT_OF(writes) && e == 0; i++) {
        e = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, writes[i].mask, writes[i].is));
        e = e ? e
              : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(open), 1,
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, writes[i].mask, writes[i].is));
    }
    return e;
}

static int add_denials(scmp_filter_ctx f, unsigned keeps)
{
    int e = 0;
    for (size_t i = 0; i < COUNT_OF(denials) && e == 0; i++)
        if (!(denials[i].unless & keeps))
            e = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), denials[i].syscall, 0);
    if (e == 0 && (keeps & KEEP_READ) && !(keeps & KEEP_WRITE))
        e = add_read_only(f);
    return e;
}

static int add_allowed(scmp_filter_ctx f)
{
    int e = 0;
    for (size_t i = 0; i < COUNT_OF(vault_allowed) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, vault_allowed[i], 0);
    return e;
}

enum rc sandbox_enter(unsigned keeps, struct err *err)
{
    bool list = (keeps & ~(unsigned)HOLDS_SECRETS) == 0;
    scmp_filter_ctx f = seccomp_init(list ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
    int e = f ? 0 : -ENOMEM;

    e = e ? e : seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    e = e ? e : (list ? add_allowed(f) : add_denials(f, keeps));
    e = e ? e : seccomp_load(f);
    seccomp_release(f);
    CHECK(e == 0, err, RC_UNSUPPORTED, BLAME_US,
          MSG("app.sandbox", "the system-call filter could not be set (error {0})",
              "システムコールの制限を設定できません(エラー {0})"),
          NUM(-e));
    return RC_OK;
}
