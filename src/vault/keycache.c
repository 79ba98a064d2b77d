#include "vault/keycache.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SLOTS = 64, KEEP_SEC = 300 };

struct cached_key {
    unsigned char id[32];
    struct key *key;
    int64_t used; /* monotonic */
    int refs;     /* the slot's own included */
};

struct key_cache {
    pthread_mutex_t lock;
    struct cached_key *slot[SLOTS];
};

struct key_cache *key_cache_create(void)
{
    struct key_cache *c = mem_alloc(sizeof *c);
    if (c)
        (void)pthread_mutex_init(&c->lock, NULL);
    return c;
}

/* With the lock held. */
static void unref(struct cached_key *k)
{
    if (!k || --k->refs > 0)
        return;
    key_destroy(k->key);
    mem_wipe_free(k, sizeof *k);
}

void key_cache_destroy(struct key_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < SLOTS; i++)
        unref(c->slot[i]);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* What was not asked for in a while goes; with the lock held. */
static void expire(struct key_cache *c, int64_t now)
{
    for (int i = 0; i < SLOTS; i++) {
        if (c->slot[i] && now - c->slot[i]->used > KEEP_SEC * USEC_PER_SEC) {
            unref(c->slot[i]);
            c->slot[i] = NULL;
        }
    }
}

struct cached_key *key_cache_find(struct key_cache *c, const unsigned char id[32])
{
    struct cached_key *found = NULL;
    int64_t now = clock_mono(clock_real());
    pthread_mutex_lock(&c->lock);
    expire(c, now);
    for (int i = 0; i < SLOTS && !found; i++)
        if (c->slot[i] && memcmp(c->slot[i]->id, id, 32) == 0)
            found = c->slot[i];
    if (found) {
        found->refs++;
        found->used = now;
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

struct cached_key *key_cache_put(struct key_cache *c, const unsigned char id[32], struct key *key)
{
    struct cached_key *k = mem_alloc(sizeof *k);
    if (!k) {
        key_destroy(key);
        return NULL;
    }
    memcpy(k->id, id, 32);
    k->key = key;
    k->refs = 2;
    k->used = clock_mono(clock_real());
    pthread_mutex_lock(&c->lock);
    int at = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (!c->slot[i]) {
            at = i;
            break;
        }
        if (c->slot[i]->used < c->slot[at]->used)
            at = i;
    }
    unref(c->slot[at]);
    c->slot[at] = k;
    pthread_mutex_unlock(&c->lock);
    return k;
}

const struct key *cached_key_of(const struct cached_key *k)
{
    return k->key;
}

void key_cache_release(struct key_cache *c, struct cached_key *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&c->lock);
    unref(k);
    pthread_mutex_unlock(&c->lock);
}
