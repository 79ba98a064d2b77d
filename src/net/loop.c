/* One libevent base per loop; posts go through a mutex-protected list and an eventfd. */
#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"

struct post {
    struct post *next;
    loop_fn *fn;
    void *ctx;
};

struct loop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    pthread_mutex_t lock;
    struct post *first, **last;
};

struct loop_watch {
    struct event *event;
    loop_fn *fn;
    void *ctx;
};

static _Thread_local bool this_is_loop; /* set once by loop_run() of this thread */

bool on_loop_thread(void)
{
    return this_is_loop;
}

static void run_posts(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    uint64_t n;
    (void)what;
    if (read((int)fd, &n, sizeof n) < 0 && errno != EAGAIN)
        return;
    pthread_mutex_lock(&l->lock);
    struct post *p = l->first;
    l->first = NULL;
    l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    for (struct post *next; p; p = next) {
        next = p->next;
        p->fn(p->ctx);
        mem_free(p);
    }
}

enum rc loop_create(struct loop **ret, struct err *err)
{
    struct loop *l = mem_alloc(sizeof *l);
    if (!l || evthread_use_pthreads() != 0) {
        mem_free(l);
        return NOMEM(err);
    }
    l->last = &l->first;
    (void)pthread_mutex_init(&l->lock, NULL);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->base = event_base_new();
    l->wake = l->base && l->wake_fd >= 0
                  ? event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, run_posts, l)
                  : NULL;
    if (!l->wake || event_add(l->wake, NULL) != 0) {
        loop_destroy(l);
        return NOMEM(err);
    }
    *ret = l;
    return RC_OK;
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    if (l->wake)
        event_free(l->wake);
    if (l->base)
        event_base_free(l->base);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    for (struct post *p = l->first, *next; p; p = next) {
        next = p->next;
        mem_free(p);
    }
    (void)pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

enum rc loop_run(struct loop *l, struct err *err)
{
    this_is_loop = true;
    int e = event_base_dispatch(l->base);
    this_is_loop = false;
    CHECK(e >= 0, err, RC_INTERNAL, BLAME_US,
          MSG("net.loop", "the event loop failed", "イベントループが失敗しました"));
    return RC_OK;
}

static void stop_here(void *ctx)
{
    (void)event_base_loopbreak(((struct loop *)ctx)->base);
}

void loop_stop(struct loop *l)
{
    if (!loop_post(l, stop_here, l))
        (void)event_base_loopbreak(l->base);
}

bool loop_post(struct loop *l, loop_fn *fn, void *ctx)
{
    uint64_t one = 1;
    struct post *p = mem_alloc(sizeof *p);
    if (!p)
        return false;
    p->fn = fn;
    p->ctx = ctx;
    pthread_mutex_lock(&l->lock);
    *l->last = p;
    l->last = &p->next;
    pthread_mutex_unlock(&l->lock);
    return write(l->wake_fd, &one, sizeof one) == (ssize_t)sizeof one || errno == EAGAIN;
}

static void fire(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *w = arg;
    (void)fd;
    (void)what;
    w->fn(w->ctx);
}

static enum rc watch(struct loop *l, int fd, short what, const struct timeval *every, loop_fn *fn,
                     void *ctx, struct loop_watch **ret, struct err *err)
{
    struct loop_watch *w = mem_alloc(sizeof *w);
    if (!w)
        return NOMEM(err);
    w->fn = fn;
    w->ctx = ctx;
    w->event = event_new(l->base, fd, (short)(what | EV_PERSIST), fire, w);
    if (!w->event || event_add(w->event, every) != 0) {
        loop_unwatch(w);
        return NOMEM(err);
    }
    *ret = w;
    return RC_OK;
}

enum rc loop_read(struct loop *l, int fd, loop_fn *fn, void *ctx, struct loop_watch **ret,
                  struct err *err)
{
    return watch(l, fd, EV_READ, NULL, fn, ctx, ret, err);
}

enum rc loop_every(struct loop *l, int64_t usec, loop_fn *fn, void *ctx, struct loop_watch **ret,
                   struct err *err)
{
    struct timeval tv = {usec / 1000000, usec % 1000000};
    return watch(l, -1, 0, &tv, fn, ctx, ret, err);
}

enum rc loop_signal(struct loop *l, int signo, loop_fn *fn, void *ctx, struct loop_watch **ret,
                    struct err *err)
{
    return watch(l, signo, EV_SIGNAL, NULL, fn, ctx, ret, err);
}

void loop_unwatch(struct loop_watch *w)
{
    if (!w)
        return;
    if (w->event)
        event_free(w->event);
    mem_free(w);
}

void *loop_base(struct loop *l)
{
    return l->base;
}

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct post *first, **last;
    size_t queued, max;
    bool stopping;
    int threads;
    pthread_t th[];
};

static void *pool_run(void *arg)
{
    struct pool *p = arg;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (!p->first && !p->stopping)
            pthread_cond_wait(&p->more, &p->lock);
        struct post *t = p->first;
        if (t) {
            p->first = t->next;
            if (!p->first)
                p->last = &p->first;
            p->queued--;
        }
        pthread_mutex_unlock(&p->lock);
        if (!t)
            return NULL;
        t->fn(t->ctx);
        mem_free(t);
    }
}

enum rc pool_create(int threads, size_t max_queue, struct pool **ret, struct err *err)
{
    struct pool *p = mem_alloc(sizeof *p + (size_t)threads * sizeof(pthread_t));
    if (!p)
        return NOMEM(err);
    p->max = max_queue;
    p->last = &p->first;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->more, NULL);
    for (; p->threads < threads; p->threads++) {
        if (pthread_create(&p->th[p->threads], NULL, pool_run, p) != 0) {
            pool_destroy(p);
            return NOMEM(err);
        }
    }
    *ret = p;
    return RC_OK;
}

bool pool_submit(struct pool *p, loop_fn *fn, void *ctx)
{
    struct post *t = mem_alloc(sizeof *t);
    bool ok = false;
    if (!t)
        return false;
    t->fn = fn;
    t->ctx = ctx;
    pthread_mutex_lock(&p->lock);
    if (!p->stopping && p->queued < p->max) {
        *p->last = t;
        p->last = &t->next;
        p->queued++;
        ok = true;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    if (!ok)
        mem_free(t);
    return ok;
}

void pool_destroy(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->threads; i++)
        (void)pthread_join(p->th[i], NULL);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->more);
    mem_free(p);
}
