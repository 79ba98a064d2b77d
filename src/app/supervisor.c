/*
 * The supervisor: starts the roles, joins them, restarts what dies, stops all in order.
 *
 * Invariants: it never holds a key or a secret; it reads no message but HELLO; a data directory has
 * one supervisor (lock file); the death of one role never touches another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/gui_pair.h"
#include "app/init.h"
#include "app/log_keeper.h"
#include "app/restore.h"
#include "app/role.h"
#include "app/sandbox.h"
#include "app/upgrade.h"
#include "base/clock.h"
#include "base/os/file.h"
#include "base/os/notify.h"
#include "codec/json.h"
#include "store/store.h"

struct child {
    pid_t pid;   /* 0 = not running */
    int control; /* our end, -1 = none */
    bool ready;
    int64_t started;  /* monotonic */
    int64_t start_at; /* when to start it again */
    int64_t restarts;
    int quick_deaths; /* in a row; sets the pause before the next start */
};

struct supervisor {
    struct config config;
    struct arena *arena;
    const char *const *argv; /* configuration for roles */
    struct child child[ROLE_COUNT];
    int signals;
    int log_fd, level_fd; /* where roles write their log; their levels */
    bool stopping, announced;
    int64_t stop_by;
};

enum { RESTART_MAX_MSEC = 10000, STABLE_SEC = 60, STOP_SEC = 20 };

static int64_t now_mono(void)
{
    return clock_mono(clock_real());
}

static enum rc spawn_role(struct supervisor *s, enum role_id id, int fd, struct err *err)
{
    const char *argv[64] = {"inro", "role", roles[id].name};
    size_t n = 3;
    for (size_t i = 0; s->argv[i] && n < COUNT_OF(argv) - 1; i++)
        argv[n++] = s->argv[i];
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
    int e = posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    e = e ? e : posix_spawnattr_setsigmask(&at, &none);
    e = e ? e : posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    e = e ? e : posix_spawn_file_actions_adddup2(&fa, fd, ROLE_CONTROL_FD);
    e = e ? e : posix_spawn_file_actions_adddup2(&fa, s->level_fd, ROLE_LEVELS_FD);
    e = e ? e : posix_spawn_file_actions_adddup2(&fa, s->log_fd, STDERR_FILENO);
    e = e ? e
          : posix_spawn(&s->child[id].pid, "/proc/self/exe", &fa, &at,
                        (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return e ? file_fail(err, "/proc/self/exe", e) : RC_OK;
}

/* A fresh channel between two living roles; a failure shows as a dead peer and is retried by them.
 */
static void join_roles(struct supervisor *s, enum role_id a, enum role_id b)
{
    int pair[2];
    struct err err;
    if (s->child[a].control < 0 || s->child[b].control < 0)
        return;
    if (ipc_pair(pair, &err) != RC_OK) {
        log_err(LOG_ERROR, "supervisor", "joining roles", &err);
        return;
    }
    for (int i = 0; i < 2; i++) {
        AUTO(buf) struct buf payload = BUF(64);
        enum role_id to = i == 0 ? a : b, peer = i == 0 ? b : a;
        ipc_put(&payload, 1, str_from(roles[peer].name));
        if (ipc_send(s->child[to].control, IPC_NOW, IPC_PEER, 0, buf_str(&payload), pair[i],
                     &err) != RC_OK)
            log_err(LOG_WARN, "supervisor", "joining roles", &err);
        close(pair[i]);
    }
}

static void start_role(struct supervisor *s, enum role_id id)
{
    struct child *c = &s->child[id];
    struct err err;
    int pair[2];

    c->started = now_mono();
    c->ready = false;
    enum rc rc = ipc_pair(pair, &err);
    if (rc == RC_OK) {
        rc = spawn_role(s, id, pair[1], &err);
        close(pair[1]);
        if (rc != RC_OK)
            close(pair[0]);
    }
    if (rc != RC_OK) {
        log_err(LOG_ERROR, "supervisor", roles[id].name, &err);
        c->pid = 0;
        c->start_at = now_mono() + USEC_PER_SEC;
        return;
    }
    c->control = pair[0];
    for (int peer = 0; peer < ROLE_COUNT; peer++)
        if (roles[id].peers & 1u << peer)
            join_roles(s, id, (enum role_id)peer);
}

/* What GET /system shows; a plain file, so that no role has to be asked. */
static void write_status(struct supervisor *s)
{
    AUTO(buf) struct buf out = BUF(8192);
    struct json_writer w = JSON_WRITER(&out);
    struct err err;
    jw_array(&w);
    for (int i = 0; i < ROLE_COUNT; i++) {
        jw_object(&w);
        jw_kstr(&w, "name", roles[i].name);
        jw_ki64(&w, "pid", s->child[i].pid);
        jw_ki64(&w, "restarts", s->child[i].restarts);
        jw_kbool(&w, "ready", s->child[i].ready);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    const char *path = config_path(&s->config, s->arena, "run/roles.json");
    if (!path || file_write_atomic(path, buf_str(&out), 0600, (uid_t)-1, (gid_t)-1, &err) != RC_OK)
        log_line(LOG_WARN, "supervisor", "run/roles.json could not be written");
}

static void on_death(struct supervisor *s, enum role_id id, int status)
{
    struct child *c = &s->child[id];
    int64_t lived = now_mono() - c->started;
    c->pid = 0;
    c->ready = false;
    close(c->control);
    c->control = -1;
    if (s->stopping)
        return;
    c->restarts++;
    c->quick_deaths = lived > STABLE_SEC * USEC_PER_SEC ? 0 : c->quick_deaths + 1;
    int64_t msec = c->quick_deaths > 7 ? RESTART_MAX_MSEC : 50 << c->quick_deaths;
    msec = msec > RESTART_MAX_MSEC ? RESTART_MAX_MSEC : msec;
    c->start_at = now_mono() + msec * USEC_PER_MSEC;
    log_line(LOG_ERROR, "supervisor", "%s ended (%s %d); starting it again in %lld ms",
             roles[id].name, WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (long long)msec);
    write_status(s);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < ROLE_COUNT; i++)
            if (s->child[i].pid == pid)
                on_death(s, (enum role_id)i, status);
}

static void begin_stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->stop_by = now_mono() + STOP_SEC * USEC_PER_SEC;
    (void)notify_manager("STOPPING=1\nSTATUS=running steps come to a safe point first");
    log_line(LOG_INFO, "supervisor", "stopping; running steps come to a safe point first");
    for (int i = ROLE_COUNT - 1; i > ROLE_RUNNER; i--)
        if (s->child[i].control >= 0 &&
            ipc_send(s->child[i].control, IPC_NOW, IPC_STOP, 0, STR(""), -1, NULL) != RC_OK)
            (void)kill(s->child[i].pid, SIGKILL);
}

static int alive(const struct supervisor *s, int from)
{
    int n = 0;
    for (int i = from; i < ROLE_COUNT; i++)
        n += s->child[i].pid > 0;
    return n;
}

/* Vault and runner go last: the others may need them for their safe step. True when all are gone.
 */
static bool stop_step(struct supervisor *s)
{
    bool late = now_mono() > s->stop_by;
    for (int i = 0; late && i < ROLE_COUNT; i++)
        if (s->child[i].pid > 0)
            (void)kill(s->child[i].pid, SIGKILL);
    for (int i = ROLE_VAULT; i <= ROLE_RUNNER && alive(s, ROLE_RUNNER + 1) == 0; i++)
        if (s->child[i].control >= 0 &&
            ipc_send(s->child[i].control, IPC_NOW, IPC_STOP, 0, STR(""), -1, NULL) != RC_OK &&
            s->child[i].pid > 0)
            (void)kill(s->child[i].pid, SIGKILL);
    return alive(s, ROLE_VAULT) == 0;
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo si;
    while (read(s->signals, &si, sizeof si) == (ssize_t)sizeof si) {
        if (si.ssi_signo == SIGCHLD)
            reap(s);
        else if (si.ssi_signo != SIGHUP)
            begin_stop(s);
    }
}

static void announce(struct supervisor *s)
{
    char state[256];
    s->announced = true;
    (void)snprintf(state, sizeof state, "READY=1\nSTATUS=ready on https://%s", s->config.listen);
    (void)notify_manager(state);
    (void)printf("inro: ready, https://%s\n", s->config.listen);
    (void)fflush(stdout);
    log_line(LOG_INFO, "supervisor", "ready, inro %s on %s", INRO_VERSION, s->config.listen);
}

static void on_hello(struct supervisor *s, enum role_id id)
{
    AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    if (ipc_recv(s->child[id].control, now_mono() + USEC_PER_SEC, &b, &f, NULL) != RC_OK)
        return; /* its death is told by SIGCHLD */
    if (f.fd >= 0)
        close(f.fd);
    if (f.kind != IPC_HELLO)
        return;
    s->child[id].ready = true;
    write_status(s);
    bool all = true;
    for (int i = 0; i < ROLE_COUNT; i++)
        all = all && s->child[i].ready;
    if (all && !s->announced)
        announce(s);
}

static int next_timeout(const struct supervisor *s)
{
    int64_t left = 1000;
    for (int i = 0; i < ROLE_COUNT; i++) {
        int64_t ms = (s->child[i].start_at - now_mono()) / USEC_PER_MSEC + 1;
        if (s->child[i].pid == 0 && ms < left)
            left = ms < 0 ? 0 : ms;
    }
    return s->stopping ? 50 : (int)left;
}

static void run(struct supervisor *s)
{
    for (;;) {
        struct pollfd p[ROLE_COUNT + 1] = {{.fd = s->signals, .events = POLLIN}};
        for (int i = 0; i < ROLE_COUNT; i++)
            p[i + 1] = (struct pollfd){.fd = s->child[i].control, .events = POLLIN};
        int n = poll(p, COUNT_OF(p), next_timeout(s));
        if (n > 0 && (p[0].revents & POLLIN))
            on_signal(s);
        for (int i = 0; n > 0 && i < ROLE_COUNT; i++) {
            if (s->child[i].control != p[i + 1].fd)
                continue; /* changed by a signal handled above */
            if (p[i + 1].revents & POLLIN)
                on_hello(s, (enum role_id)i);
            else if (p[i + 1].revents & (POLLHUP | POLLERR))
                (void)poll(NULL, 0, 5); /* closing: SIGCHLD is on its way */
        }
        reap(s);
        if (s->stopping) {
            if (stop_step(s))
                return;
            continue;
        }
        for (int i = 0; i < ROLE_COUNT; i++)
            if (s->child[i].pid == 0 && now_mono() >= s->child[i].start_at)
                start_role(s, (enum role_id)i);
    }
}

static enum rc prepare(struct supervisor *s, int argc, char *const argv[], int *ret_lock,
                       struct err *err)
{
    TRY(init_verify(&s->config, s->arena, err));
    TRY(init_lock(&s->config, s->arena, ret_lock, err));
    TRY(restore_finish(&s->config, s->arena, err));
    TRY(init_sweep(&s->config, s->arena, err));
    (void)notify_manager("STATUS=looking at the store; an older one is upgraded first");
    TRY(upgrade_store(&s->config, s->arena, argc, argv, err));
    TRY(gui_pair_ready(&s->config, clock_real(), s->arena, err));
    return config_argv(&s->config, s->arena, &s->argv, err);
}

static enum rc block_signals(struct supervisor *s, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || !signal_ignore_pipe())
        return NOMEM(err);
    s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->signals >= 0 ? RC_OK : file_fail(err, "signalfd", errno);
}

/* After the signals are blocked, so that the keeper's thread does not get them. */
static enum rc start_log(struct supervisor *s, struct log_keeper **ret, struct err *err)
{
    const struct config *c = &s->config;
    struct log_limits limits = {c->log_size, c->log_total, c->log_days};
    const char *dir = config_path(c, s->arena, "log");
    if (!dir)
        return NOMEM(err);
    TRY(log_table_create(&s->level_fd, err));
    if (log_table_map(s->level_fd))
        log_set_level(c->log_level);
    TRY(log_keeper_start(dir, &limits, ret, &s->log_fd, err));
    log_init("supervisor", s->log_fd, c->log_level, c->log_json);
    return RC_OK;
}

/* The journal takes the priority from each line's head. */
static void say_why(const char *problems, const struct err *err, const char *lang)
{
    const char *head = log_is_journal(STDERR_FILENO) ? "<3>" : "";
    struct str rest = str_from(problems), line;
    char text[1600];
    while (rest.n > 0 && str_split(&rest, '\n', &line))
        (void)fprintf(stderr, "%s%.*s\n", head, (int)line.n, line.p);
    err_text(err, lang, text, sizeof text);
    (void)fprintf(stderr, "%sinro: %s\n", head, text);
}

int supervisor_main(int argc, char *const argv[])
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf problems = BUF(65536);
    const char *lang = config_lang(argc, argv);
    struct supervisor s = {.arena = a, .signals = -1, .log_fd = -1, .level_fd = -1};
    struct err err;
    AUTO(fd) int lock = -1;
    struct log_keeper *keeper = NULL;

    if (!a)
        return 1;
    for (int i = 0; i < ROLE_COUNT; i++)
        s.child[i].control = -1;
    (void)umask(077);
    log_init("supervisor", 2, LOG_INFO, false);
    enum rc rc = config_load(argc, argv, lang, a, &s.config, &problems, &err);
    if (rc == RC_OK) {
        log_init("supervisor", 2, s.config.log_level, s.config.log_json);
        rc = prepare(&s, argc, argv, &lock, &err);
    }
    if (rc == RC_OK)
        rc = block_signals(&s, &err);
    if (rc == RC_OK)
        rc = start_log(&s, &keeper, &err);
    if (rc != RC_OK) {
        say_why(buf_cstr(&problems), &err, lang);
        return cli_exit(rc);
    }
    run(&s);
    close(s.signals);
    log_line(LOG_INFO, "supervisor", "stopped");
    log_keeper_stop(keeper, s.log_fd);
    return 0;
}
