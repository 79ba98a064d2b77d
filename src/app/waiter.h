/* A thread that sleeps until told: roles whose work is done by other threads. */
#ifndef INRO_APP_WAITER_H
#define INRO_APP_WAITER_H

#include <pthread.h>
#include <stdbool.h>

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool told;
};

#define WAITER ((struct waiter){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false})

void waiter_wait(struct waiter *w);
void waiter_tell(struct waiter *w);

#endif
