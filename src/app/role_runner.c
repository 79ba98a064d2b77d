/*
 * The runner: starts the commands of local deploy steps (tests and reloads of web servers), and
 * nothing else. It has no key, no store, no channel but the worker's, and no filter: what it starts
 * may be sudo, and a filter would go with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "app/role.h"
#include "app/run_ipc.h"
#include "app/waiter.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os/file.h"

enum { COMMANDS_MAX = 300, STACK = 256 * 1024 };

struct runner_role {
    struct waiter end;
    atomic_int running;
};

struct command {
    struct runner_role *role;
    struct buf datagram; /* holds the frame's payload */
    struct ipc_frame frame;
};

struct channel {
    struct runner_role *role;
    int fd;
};

static bool start_thread(void *(*run)(void *), void *arg)
{
    pthread_attr_t at;
    pthread_t th;
    if (pthread_attr_init(&at) != 0)
        return false;
    (void)pthread_attr_setstacksize(&at, STACK);
    (void)pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
    int e = pthread_create(&th, &at, run, arg);
    (void)pthread_attr_destroy(&at);
    return e == 0;
}

static void *command_run(void *arg)
{
    struct command *c = arg;
    runner_answer(&c->frame, c->frame.fd);
    atomic_fetch_sub(&c->role->running, 1);
    buf_free(&c->datagram);
    mem_free(c);
    return NULL;
}

/* Takes over the frame's descriptor; closing it tells the asker that nothing will come. */
static void take_request(struct runner_role *r, struct buf *datagram, struct ipc_frame *f)
{
    struct command *c = NULL;
    if (f->kind == IPC_RUN && f->fd >= 0 && atomic_load(&r->running) < COMMANDS_MAX)
        c = mem_alloc(sizeof *c);
    if (!c) {
        if (f->fd >= 0)
            close(f->fd);
        return;
    }
    *c = (struct command){r, *datagram, *f};
    *datagram = BUF(IPC_MAX_FRAME);
    atomic_fetch_add(&r->running, 1);
    if (!start_thread(command_run, c)) {
        atomic_fetch_sub(&r->running, 1);
        close(f->fd);
        buf_free(&c->datagram);
        mem_free(c);
    }
}

static void *channel_run(void *arg)
{
    struct channel *c = arg;
    for (;;) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
        struct ipc_frame f;
        if (ipc_recv(c->fd, 0, &b, &f, NULL) != RC_OK)
            break;
        take_request(c->role, &b, &f);
    }
    close(c->fd);
    mem_free(c);
    return NULL;
}

static void on_peer(void *ctx, enum role_id peer, int fd)
{
    struct channel *c = peer == ROLE_WORKER ? mem_alloc(sizeof *c) : NULL;
    if (c)
        *c = (struct channel){ctx, fd};
    if (!c || !start_thread(channel_run, c)) {
        close(fd);
        mem_free(c);
    }
}

static void on_stop(void *ctx)
{
    struct runner_role *r = ctx;
    waiter_tell(&r->end);
}

int role_runner(struct role_env *env)
{
    struct runner_role r = {.end = WAITER};
    struct role_control control = {on_peer, on_stop, &r};
    struct err err;
    /* What is started gets none of our descriptors. */
    bool shut = fcntl(ROLE_CONTROL_FD, F_SETFD, FD_CLOEXEC) == 0 &&
                fcntl(ROLE_LEVELS_FD, F_SETFD, FD_CLOEXEC) == 0;
    enum rc rc = shut ? RC_OK : file_fail(&err, "descriptors", EBADF);
    if (rc == RC_OK)
        rc = role_control_start(env, &control, &err);
    if (rc == RC_OK)
        rc = role_ready(env, &err);
    if (rc != RC_OK) {
        log_err(LOG_ERROR, "runner", "starting", &err);
        return 1;
    }
    waiter_wait(&r.end);
    _exit(0); /* the worker went before: nobody waits for a command any more */
}
