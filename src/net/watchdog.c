/* A list under one lock, and a thread that lives once there was something to watch. */
#include "net/watchdog.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

struct watchdog {
    struct watchdog *next, *prev;
    int fd;
    int64_t until;
    const atomic_bool *cancel;
};

enum { STACK = 64 * 1024, LOOK_MSEC = 200 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct watchdog *first;
    bool started;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};

static void bite(void)
{
    int64_t now = clock_mono(clock_real());
    for (struct watchdog *w = dog.first; w; w = w->next)
        if (now >= w->until || (w->cancel && atomic_load(w->cancel)))
            (void)shutdown(w->fd, SHUT_RDWR);
}

static void *watch(void *arg)
{
    const struct timespec pause = {.tv_nsec = LOOK_MSEC * 1000000L};
    for (;;) {
        pthread_mutex_lock(&dog.lock);
        while (!dog.first)
            pthread_cond_wait(&dog.some, &dog.lock);
        bite();
        pthread_mutex_unlock(&dog.lock);
        (void)nanosleep(&pause, NULL);
    }
    return arg;
}

/* Call under the lock. */
static bool start(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (dog.started)
        return true;
    if (pthread_attr_init(&attr) != 0)
        return false;
    dog.started = pthread_attr_setstacksize(&attr, STACK) == 0 &&
                  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
                  pthread_create(&thread, &attr, watch, NULL) == 0;
    (void)pthread_attr_destroy(&attr);
    return dog.started;
}

enum rc watchdog_add(int fd, int64_t until, const atomic_bool *cancel, struct watchdog **ret,
                     struct err *err)
{
    struct watchdog *w = mem_alloc(sizeof *w);
    if (!w)
        return NOMEM(err);
    *w = (struct watchdog){.fd = fd, .until = until, .cancel = cancel};
    pthread_mutex_lock(&dog.lock);
    bool ok = start();
    if (ok) {
        w->next = dog.first;
        if (dog.first)
            dog.first->prev = w;
        dog.first = w;
        pthread_cond_signal(&dog.some);
    }
    pthread_mutex_unlock(&dog.lock);
    if (!ok) {
        mem_free(w);
        return NOMEM(err);
    }
    *ret = w;
    return RC_OK;
}

void watchdog_until(struct watchdog *w, int64_t until)
{
    pthread_mutex_lock(&dog.lock);
    w->until = until;
    pthread_mutex_unlock(&dog.lock);
}

void watchdog_remove(struct watchdog *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&dog.lock);
    if (w->prev)
        w->prev->next = w->next;
    else
        dog.first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    pthread_mutex_unlock(&dog.lock);
    mem_free(w);
}
