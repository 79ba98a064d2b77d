#include "app/serving.h"

#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { STACK = 256 * 1024 };

struct task {
    struct serving *serving;
    struct buf datagram; /* holds the frame's payload */
    struct ipc_frame frame;
};

struct channel {
    struct serving *serving;
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

static void *task_run(void *arg)
{
    struct task *t = arg;
    t->serving->answer(&t->frame, t->frame.fd);
    atomic_fetch_sub(&t->serving->running, 1);
    buf_free(&t->datagram);
    mem_free(t);
    return NULL;
}

/* Takes over the frame's descriptor and, with a thread that starts, the datagram. */
static void take_request(struct serving *s, struct buf *datagram, struct ipc_frame *f)
{
    struct task *t = NULL;
    if (f->kind == s->kind && f->fd >= 0 && atomic_load(&s->running) < s->most)
        t = mem_alloc(sizeof *t);
    if (!t) {
        if (f->fd >= 0)
            close(f->fd);
        return;
    }
    *t = (struct task){s, *datagram, *f};
    *datagram = BUF(IPC_MAX_FRAME);
    atomic_fetch_add(&s->running, 1);
    if (!start_thread(task_run, t)) {
        atomic_fetch_sub(&s->running, 1);
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
        take_request(c->serving, &b, &f);
    }
    close(c->fd);
    mem_free(c);
    return NULL;
}

static void on_peer(void *ctx, enum role_id peer, int fd)
{
    struct serving *s = ctx;
    struct channel *c = roles[s->role].peers & 1U << peer ? mem_alloc(sizeof *c) : NULL;
    if (c)
        *c = (struct channel){s, fd};
    if (!c || !start_thread(channel_run, c)) {
        close(fd);
        mem_free(c);
    }
}

static void on_stop(void *ctx)
{
    struct serving *s = ctx;
    waiter_tell(&s->end);
}

int serving_run(struct role_env *env, struct serving *s)
{
    struct role_control control = {on_peer, on_stop, s};
    struct err err;
    enum rc rc = role_control_start(env, &control, &err);
    if (rc == RC_OK)
        rc = role_ready(env, &err);
    if (rc != RC_OK) {
        log_err(LOG_ERROR, roles[s->role].name, "starting", &err);
        return 1;
    }
    waiter_wait(&s->end);
    _exit(0);
}
