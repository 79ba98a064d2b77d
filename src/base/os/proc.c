/* Invariant: whatever is started here is dead and reaped before the function returns. */
#include "base/os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/os/file.h"

static enum rc spawn(const char *const argv[], const char *const envp[], int out_fd, pid_t *ret,
                     struct err *err)
{
    static const char *const minimal[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none;

    sigemptyset(&none);
    if (posix_spawn_file_actions_init(&fa) != 0)
        return NOMEM(err);
    if (posix_spawnattr_init(&at) != 0) {
        posix_spawn_file_actions_destroy(&fa);
        return NOMEM(err);
    }
    int e = posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    e = e ? e : posix_spawnattr_setsigmask(&at, &none);
    e = e ? e : posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    e = e ? e : posix_spawn_file_actions_adddup2(&fa, out_fd, 1);
    e = e ? e : posix_spawn_file_actions_adddup2(&fa, out_fd, 2);
    e = e ? e
          : posix_spawnp(ret, argv[0], &fa, &at, (char *const *)(uintptr_t)argv,
                         (char *const *)(uintptr_t)(envp ? envp : minimal));
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return e ? file_fail(err, argv[0], e) : RC_OK;
}

/* Whoever may want it stopped: a flag, or the other end of a socket; -1 = nobody there. */
struct asker {
    const atomic_bool *cancel;
    int fd;
};

/* Waits for output, a while at most; true when there may be some. */
static bool wait_output(int fd, const struct asker *who, int msec, struct proc_result *r)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = who->fd, .events = POLLRDHUP}};
    int n = poll(p, 2, msec);
    if ((who->cancel && atomic_load(who->cancel)) || (n > 0 && p[1].revents != 0))
        r->cancelled = true;
    return n > 0 && p[0].revents != 0 && !r->cancelled;
}

/* Reads until EOF, deadline or cancel; true when the pipe was closed by the other side. */
static bool drain(int fd, int64_t deadline, const struct asker *who, struct buf *out,
                  struct proc_result *r)
{
    for (;;) {
        int64_t left = deadline - clock_mono(clock_real());
        if (left <= 0) {
            r->timed_out = true;
            return false;
        }
        bool some =
            wait_output(fd, who, left > 200 * USEC_PER_MSEC ? 200 : (int)(left / 1000) + 1, r);
        if (r->cancelled)
            return false;
        if (!some)
            continue;
        char chunk[8192];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            return true;
        if (got > 0 && out && out->len < out->max) {
            size_t room = out->max - out->len;
            buf_add(out, chunk, (size_t)got < room ? (size_t)got : room);
        }
    }
}

/* Waits for the child within the deadline; kills its group when it does not end. */
static int reap(pid_t pid, bool kill_now, int64_t deadline, struct proc_result *r)
{
    int st;
    for (;;) {
        if (kill_now)
            (void)kill(-pid, SIGKILL);
        pid_t got = waitpid(pid, &st, kill_now ? 0 : WNOHANG);
        if (got == pid)
            break;
        if (got < 0 && errno != EINTR)
            return 127;
        if (!kill_now && clock_mono(clock_real()) >= deadline) {
            r->timed_out = true;
            kill_now = true;
        } else if (!kill_now) {
            (void)poll(NULL, 0, 5);
        }
    }
    (void)kill(-pid, SIGKILL); /* what it left behind in its group */
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static enum rc run(const char *const argv[], const char *const envp[], int64_t timeout_usec,
                   const struct asker *who, struct buf *out, struct proc_result *ret,
                   struct err *err)
{
    struct proc_result r = {0};
    int pipefd[2];
    pid_t pid;

    if (pipe2(pipefd, O_CLOEXEC) != 0)
        return file_fail(err, "pipe", errno);
    AUTO(fd) int rd = pipefd[0];
    int64_t deadline = clock_mono(clock_real()) + timeout_usec;
    enum rc rc = spawn(argv, envp, pipefd[1], &pid, err);
    close(pipefd[1]);
    TRY(rc);
    bool closed = drain(rd, deadline, who, out, &r);
    r.status = reap(pid, !closed, deadline, &r);
    *ret = r;
    return RC_OK;
}

enum rc proc_run(const char *const argv[], const char *const envp[], int64_t timeout_usec,
                 const atomic_bool *cancel, struct buf *out, struct proc_result *ret,
                 struct err *err)
{
    return run(argv, envp, timeout_usec, &(struct asker){cancel, -1}, out, ret, err);
}

enum rc proc_run_for(const char *const argv[], int64_t timeout_usec, int asker_fd, struct buf *out,
                     struct proc_result *ret, struct err *err)
{
    return run(argv, NULL, timeout_usec, &(struct asker){NULL, asker_fd}, out, ret, err);
}

struct splitter {
    const char *in;
    struct buf word;
    const char **argv;
    size_t n;
    bool in_word;
};

enum { ARGV_MAX = 64 };

static enum rc end_word(struct splitter *s, struct arena *a, struct err *err)
{
    if (!s->in_word)
        return RC_OK;
    CHECK(s->n < ARGV_MAX, err, RC_INPUT, BLAME_INPUT,
          MSG("base.argv.many", "the command has more than {0} words",
              "コマンドの単語数が {0} を超えています"),
          NUM(ARGV_MAX));
    TRY(buf_ok(&s->word, err));
    s->argv[s->n] = arena_str(a, buf_str(&s->word));
    if (!s->argv[s->n])
        return NOMEM(err);
    s->n++;
    s->in_word = false;
    buf_clear(&s->word);
    return RC_OK;
}

/* Consumes one character or one quoted run. */
static enum rc split_char(struct splitter *s, struct err *err)
{
    char c = *s->in++;
    s->in_word = true;
    if (c == '\\' && *s->in) {
        buf_addc(&s->word, *s->in++);
        return RC_OK;
    }
    if (c != '\'' && c != '"') {
        buf_addc(&s->word, c);
        return RC_OK;
    }
    while (*s->in && *s->in != c) {
        if (c == '"' && *s->in == '\\' && s->in[1])
            s->in++;
        buf_addc(&s->word, *s->in++);
    }
    CHECK(*s->in, err, RC_INPUT, BLAME_INPUT,
          MSG("base.argv.quote", "the command has an unclosed quote",
              "コマンドの引用符が閉じられていません"));
    s->in++;
    return RC_OK;
}

enum rc proc_split(struct arena *a, const char *command, const char *const **ret_argv,
                   struct err *err)
{
    AUTO(buf) struct buf word = BUF(8192);
    struct splitter s = {.in = command, .argv = arena_array(a, ARGV_MAX + 1, sizeof(char *))};
    if (!s.argv)
        return NOMEM(err);
    enum rc rc = RC_OK;
    s.word = word;
    while (rc == RC_OK && *s.in) {
        if (*s.in == ' ' || *s.in == '\t' || *s.in == '\n') {
            s.in++;
            rc = end_word(&s, a, err);
        } else {
            rc = split_char(&s, err);
        }
    }
    if (rc == RC_OK)
        rc = end_word(&s, a, err);
    word = s.word;
    TRY(rc);
    CHECK(s.n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("base.argv.empty", "the command is empty", "コマンドが空です"));
    *ret_argv = (const char *const *)s.argv;
    return RC_OK;
}
