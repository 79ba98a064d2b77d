/*
 * The event loop (libevent) and a small pool of threads for blocking handlers. One loop per
 * process (front, prober, supervisor). Only loop_post() may be called from other threads.
 */
#ifndef INRO_NET_LOOP_H
#define INRO_NET_LOOP_H

#include "base/err.h"

struct loop;
struct loop_watch;

typedef void loop_fn(void *ctx);

MUST enum rc loop_create(struct loop **ret, struct err *err);
void loop_destroy(struct loop *l);
MUST enum rc loop_run(struct loop *l, struct err *err); /* until loop_stop() */
void loop_stop(struct loop *l);
/* Runs fn(ctx) on the loop thread soon. Thread-safe. false when out of memory. */
bool loop_post(struct loop *l, loop_fn *fn, void *ctx);
/* fn on readability of fd; free with loop_unwatch(). */
MUST enum rc loop_read(struct loop *l, int fd, loop_fn *fn, void *ctx, struct loop_watch **ret,
                       struct err *err);
/* fn every usec microseconds. */
MUST enum rc loop_every(struct loop *l, int64_t usec, loop_fn *fn, void *ctx,
                        struct loop_watch **ret, struct err *err);
/* fn when the process gets signo. */
MUST enum rc loop_signal(struct loop *l, int signo, loop_fn *fn, void *ctx, struct loop_watch **ret,
                         struct err *err);
void loop_unwatch(struct loop_watch *w); /* NULL-safe */
void *loop_base(struct loop *l);         /* struct event_base *, for this room only */
bool on_loop_thread(void);               /* blocking functions assert !on_loop_thread() in debug */

/* A pool of n threads; queue is bounded: false when full (answer 503). */
struct pool;
MUST enum rc pool_create(int threads, size_t max_queue, struct pool **ret, struct err *err);
bool pool_submit(struct pool *p, loop_fn *fn, void *ctx);
void pool_destroy(struct pool *p); /* waits for what runs */

#endif
