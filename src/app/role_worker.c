/*
 * The worker role: the engine with its threads, the store, a vault channel that may release for a
 * granted step, handshakes through the prober, live events to the front.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/probe_ipc.h"
#include "app/role.h"
#include "app/run_ipc.h"
#include "app/sandbox.h"
#include "app/waiter.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/rand.h"
#include "job/engine.h"

enum { PLACE_WAIT_SEC = 30, OWNER_MAX = 63 };

struct worker_role {
    struct waiter end, have_vault;
    pthread_mutex_t lock; /* vault, front_fd */
    struct vault *vault;
    int front_fd;
    bool events_lost; /* with `lock`: some since the last that went out */
    struct runner runner;
    struct prober prober;
    struct engine *engine;
    atomic_bool engine_up;
    int place; /* DATA/run/worker, locked while this process lives; holds our lease owner */
    char before[OWNER_MAX + 1]; /* lease owner of the worker that was here before, "" = unknown */
    const char *installation;
    int name_fd; /* the installation's name on this machine; -1 = not ours */
};

struct front_channel {
    struct worker_role *role;
    int fd;
};

/* Wake-ups from the front, until it goes away. */
static void *front_run(void *arg)
{
    struct front_channel *c = arg;
    for (;;) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
        struct ipc_frame f;
        if (ipc_recv(c->fd, 0, &b, &f, NULL) != RC_OK)
            break;
        if (f.fd >= 0)
            close(f.fd);
        if (f.kind == IPC_WAKE && atomic_load(&c->role->engine_up))
            engine_wake(c->role->engine);
    }
    pthread_mutex_lock(&c->role->lock);
    if (c->role->front_fd == c->fd)
        c->role->front_fd = -1;
    close(c->fd);
    pthread_mutex_unlock(&c->role->lock);
    mem_free(c);
    return NULL;
}

static void take_front(struct worker_role *r, int fd)
{
    pthread_t th;
    struct front_channel *c = mem_alloc(sizeof *c);
    if (c) {
        c->role = r;
        c->fd = fd;
    }
    if (!c || pthread_create(&th, NULL, front_run, c) != 0) {
        close(fd);
        mem_free(c);
        return;
    }
    (void)pthread_detach(th);
    pthread_mutex_lock(&r->lock);
    r->front_fd = fd;
    pthread_mutex_unlock(&r->lock);
}

static void take_vault(struct worker_role *r, int fd)
{
    struct err err;
    enum rc rc = RC_OK;
    pthread_mutex_lock(&r->lock);
    if (r->vault)
        rc = vault_reconnect(r->vault, fd, &err);
    else
        rc = vault_connect(fd, &r->vault, &err);
    pthread_mutex_unlock(&r->lock);
    if (rc != RC_OK)
        log_err(LOG_ERROR, "worker", "joining the vault", &err);
    else
        waiter_tell(&r->have_vault);
}

static void on_peer(void *ctx, enum role_id peer, int fd)
{
    struct worker_role *r = ctx;
    if (peer == ROLE_VAULT)
        take_vault(r, fd);
    else if (peer == ROLE_RUNNER)
        runner_replace(&r->runner, fd);
    else if (peer == ROLE_PROBER)
        prober_replace(&r->prober, fd);
    else if (peer == ROLE_FRONT)
        take_front(r, fd);
    else
        close(fd);
}

static void on_stop(void *ctx)
{
    struct worker_role *r = ctx;
    waiter_tell(&r->have_vault);
    waiter_tell(&r->end);
}

/* Live events are a courtesy: a front that does not read must not hold up a step. What it missed is
 * made good by one event that has everybody read again. */
static void tell_front(struct worker_role *r, struct str payload)
{
    AUTO(buf) struct buf all = BUF(256);
    ipc_put(&all, 1, STR("{\"event\":\"reconnected\"}"));
    if (r->events_lost &&
        ipc_send(r->front_fd, IPC_NOW, IPC_EVENT, 0, buf_str(&all), -1, NULL) == RC_OK)
        r->events_lost = false;
    if (ipc_send(r->front_fd, IPC_NOW, IPC_EVENT, 0, payload, -1, NULL) == RC_OK)
        return;
    if (!r->events_lost)
        log_line(LOG_WARN, "worker", "the front does not read: live events are dropped");
    r->events_lost = true;
}

static void on_event(void *ctx, const char *json)
{
    struct worker_role *r = ctx;
    AUTO(buf) struct buf b = BUF(64 * 1024);
    ipc_put(&b, 1, str_from(json));
    if (b.bad != RC_OK)
        return;
    pthread_mutex_lock(&r->lock);
    if (r->front_fd >= 0)
        tell_front(r, buf_str(&b));
    pthread_mutex_unlock(&r->lock);
}

static enum rc probe(void *ctx, const struct tls_probe *p, struct arena *a, struct tls_seen *ret,
                     struct err *err)
{
    struct worker_role *r = ctx;
    return prober_do(&r->prober, p, a, ret, err);
}

static enum rc run_command(void *ctx, const char *const argv[], int64_t timeout_usec,
                           const atomic_bool *cancel, struct buf *out, struct proc_result *ret,
                           struct err *err)
{
    struct worker_role *r = ctx;
    return runner_do(&r->runner, argv, timeout_usec, cancel, out, ret, err);
}

/* One worker per data directory: a predecessor comes to a safe point before its jobs are taken up.
 * When it does not in time, its leases keep the two apart. */
static bool lock_place(struct role_env *env, int fd)
{
    for (int i = 0; i < PLACE_WAIT_SEC * 10 && !atomic_load(&env->stopping); i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        (void)poll(NULL, 0, 100);
    }
    log_line(LOG_WARN, "worker", "an earlier worker still runs; its jobs are left to it");
    return false;
}

static enum rc take_place(struct worker_role *r, struct role_env *env, struct arena *a,
                          const char *owner, struct err *err)
{
    const char *path = config_path(env->config, a, "run/worker");
    if (!path)
        return NOMEM(err);
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, path, errno);
    if (!lock_place(env, fd))
        return RC_OK;
    ssize_t n = pread(fd, r->before, OWNER_MAX, 0);
    r->before[n > 0 ? n : 0] = '\0';
    /* Not needed for safety: without it the leases of a worker that dies run out by themselves. */
    size_t len = strlen(owner);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, owner, len, 0) != (ssize_t)len)
        log_line(LOG_WARN, "worker", "%s could not be written", path);
    r->place = fd_take(&fd);
    return RC_OK;
}

/*
 * The name of this installation on this machine: an abstract socket, held as long as the process
 * lives. A copy of the data directory that runs beside it does not get it and changes nothing. A
 * name held by another user's process counts only when that is root or we are: nobody may stop
 * Inro by taking a name.
 */
static bool alone(void *ctx)
{
    struct worker_role *r = ctx;
    if (r->name_fd >= 0 || !r->installation)
        return true;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "inro/%s", r->installation);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    if (bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0) {
        r->name_fd = fd_take(&fd);
        return true;
    }
    struct ucred who;
    socklen_t size = sizeof who;
    bool ours = connect(fd, (struct sockaddr *)&a, len) == 0 &&
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
                (who.uid == 0 || who.uid == getuid());
    return !ours;
}

static const char *installation_of(struct store *store, struct arena *a)
{
    AUTO(db) struct db *db = NULL;
    const char *id = NULL;
    if (store_read(store, &db, NULL) != RC_OK ||
        db_meta_get(db, "installation_id", a, &id, NULL) != RC_OK)
        return NULL;
    return id;
}

static enum rc start_engine(struct worker_role *r, struct role_env *env, struct arena *a,
                            struct store *store, struct err *err)
{
    const struct config *c = env->config;
    char id[17];
    rand_hex(id, 8);
    struct engine_options o = {
        .store = store,
        .vault = r->vault,
        .clock = clock_real(),
        .threads = (int)c->threads,
        .owner = arena_printf(a, "worker-%s", id),
        .on_event = on_event,
        .on_event_ctx = r,
        .probe = probe,
        .probe_ctx = r,
        .run = run_command,
        .run_ctx = r,
        .data = c->data,
        .alone = alone,
        .alone_ctx = r,
    };
    if (!o.owner)
        return NOMEM(err);
    TRY(take_place(r, env, a, o.owner, err));
    o.before = r->before[0] ? r->before : NULL;
    TRY(egress_policy_parse(a, c->egress_allow, &o.egress, err));
    TRY(dns_servers_parse(c->dns_servers, &o.dns, err));
    o.http01_port = (int)c->http01_port;
    TRY(engine_create(&o, &r->engine, err));
    atomic_store(&r->engine_up, true);
    return RC_OK;
}

int role_worker(struct role_env *env)
{
    struct worker_role r = {.end = WAITER,
                            .have_vault = WAITER,
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .front_fd = -1,
                            .name_fd = -1,
                            .place = -1,
                            .runner = RUNNER_NONE,
                            .prober = PROBER_NONE};
    struct role_control control = {on_peer, on_stop, &r};
    AUTO(arena) struct arena *a = arena_create(0);
    struct store *store = NULL;
    struct err err;

    enum rc rc = sandbox_enter(roles[ROLE_WORKER].keeps, &err);
    if (rc != RC_OK)
        log_err(LOG_WARN, "worker", "confining", &err);
    rc = a ? RC_OK : NOMEM(&err);
    if (rc == RC_OK)
        rc = registry_check(&err);
    if (rc == RC_OK)
        rc = store_open(env->config->database, &store, &err);
    if (rc == RC_OK)
        rc = role_control_start(env, &control, &err);
    if (rc == RC_OK) {
        waiter_wait(&r.have_vault);
        if (!r.vault)
            return 0; /* stopped before it began */
        r.installation = installation_of(store, a);
        (void)alone(&r); /* the name is taken now: an idle original is no less the original */
        rc = start_engine(&r, env, a, store, &err);
    }
    if (rc == RC_OK)
        rc = role_ready(env, &err);
    if (rc != RC_OK) {
        log_err(LOG_ERROR, "worker", "starting", &err);
        return 1;
    }
    waiter_wait(&r.end);
    engine_stop(r.engine);
    engine_destroy(r.engine);
    store_close(store);
    _exit(0); /* detached channel threads still hold parts of r */
}
