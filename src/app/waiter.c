#include "app/waiter.h"

void waiter_wait(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->told)
        pthread_cond_wait(&w->cond, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

void waiter_tell(struct waiter *w)
{
    pthread_mutex_lock(&w->lock);
    w->told = true;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
}
