/*
 * The prober role: parses what strangers send, holds no key and no store. One thread per probe,
 * bounded; the parent notices a crash and starts it again, and the asker repeats its look.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "app/probe_ipc.h"
#include "app/role.h"
#include "app/sandbox.h"
#include "app/waiter.h"
#include "base/mem.h"
#include "base/os/file.h"

enum { PROBES_MAX = 256, STACK = 256 * 1024 };

struct prober_role {
    struct waiter end;
    atomic_int running;
};

struct probe_task {
    struct prober_role *role;
    struct buf datagram; /* holds the frame's payload */
    struct ipc_frame frame;
};

struct channel {
    struct prober_role *role;
    int fd;
};

static enum rc start_thread(void *(*run)(void *), void *arg, struct err *err)
{
    pthread_attr_t at;
    pthread_t th;
    if (pthread_attr_init(&at) != 0)
        return NOMEM(err);
    (void)pthread_attr_setstacksize(&at, STACK);
    (void)pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
    int e = pthread_create(&th, &at, run, arg);
    (void)pthread_attr_destroy(&at);
    return e == 0 ? RC_OK : NOMEM(err);
}

static void *probe_run(void *arg)
{
    struct probe_task *t = arg;
    prober_answer(&t->frame, t->frame.fd);
    atomic_fetch_sub(&t->role->running, 1);
    buf_free(&t->datagram);
    mem_free(t);
    return NULL;
}

/* Takes over the frame's descriptor; closing it tells the asker that nothing will come. */
static void take_request(struct prober_role *r, struct buf *datagram, struct ipc_frame *f)
{
    struct probe_task *t = NULL;
    if (f->kind == IPC_PROBE && f->fd >= 0 && atomic_load(&r->running) < PROBES_MAX)
        t = mem_alloc(sizeof *t);
    if (!t) {
        if (f->fd >= 0)
            close(f->fd);
        return;
    }
    t->role = r;
    t->datagram = *datagram;
    t->frame = *f;
    *datagram = BUF(IPC_MAX_FRAME);
    atomic_fetch_add(&r->running, 1);
    if (start_thread(probe_run, t, NULL) != RC_OK) {
        atomic_fetch_sub(&r->running, 1);
        close(f->fd);
        buf_free(&t->datagram);
        mem_free(t);
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
    struct channel *c = mem_alloc(sizeof *c);
    (void)peer;
    if (c) {
        c->role = ctx;
        c->fd = fd;
    }
    if (!c || start_thread(channel_run, c, NULL) != RC_OK) {
        close(fd);
        mem_free(c);
    }
}

static void on_stop(void *ctx)
{
    struct prober_role *r = ctx;
    waiter_tell(&r->end);
}

int role_prober(struct role_env *env)
{
    struct prober_role r = {.end = WAITER};
    struct role_control control = {on_peer, on_stop, &r};
    struct err err;

    enum rc rc = sandbox_enter(roles[ROLE_PROBER].keeps, &err);
    if (rc != RC_OK)
        log_err(LOG_WARN, "prober", "confining", &err);
    rc = role_control_start(env, &control, &err);
    if (rc == RC_OK)
        rc = role_ready(env, &err);
    if (rc != RC_OK) {
        log_err(LOG_ERROR, "prober", "starting", &err);
        return 1;
    }
    waiter_wait(&r.end);
    _exit(0); /* probes under way end with the process; nothing of theirs is saved here */
}
