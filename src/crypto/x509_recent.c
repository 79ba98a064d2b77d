/*
 * Certificates parsed lately. An issuer comes with each certificate it issued, and reading,
 * ordering and judging a chain each need every one parsed. Invariants: what is handed out is one
 * reference of a certificate nobody changes; found by the SHA-256 of its whole DER; any thread.
 */
#include <pthread.h>
#include <string.h>

#include "crypto/x509_priv.h"

enum { SLOTS = 32 };

struct recent {
    unsigned char sha256[32];
    X509 *x; /* a reference of ours */
    uint64_t used;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent recent[SLOTS];
static uint64_t tick;

/* With the lock held: its slot, or the one to give up for it. */
static struct recent *slot_of(const unsigned char sha256[32])
{
    struct recent *oldest = &recent[0];
    for (int i = 0; i < SLOTS; i++) {
        if (recent[i].x && memcmp(recent[i].sha256, sha256, 32) == 0)
            return &recent[i];
        if (recent[i].used < oldest->used)
            oldest = &recent[i];
    }
    return oldest;
}

static X509 *find(const unsigned char sha256[32])
{
    X509 *x = NULL;
    pthread_mutex_lock(&lock);
    struct recent *r = slot_of(sha256);
    if (r->x && memcmp(r->sha256, sha256, 32) == 0 && X509_up_ref(r->x) == 1) {
        x = r->x;
        r->used = ++tick;
    }
    pthread_mutex_unlock(&lock);
    return x;
}

static void keep(const unsigned char sha256[32], X509 *x)
{
    X509 *old = NULL;
    pthread_mutex_lock(&lock);
    struct recent *r = slot_of(sha256);
    if (X509_up_ref(x) == 1) {
        old = r->x;
        r->x = x;
        r->used = ++tick;
        memcpy(r->sha256, sha256, 32);
    }
    pthread_mutex_unlock(&lock);
    X509_free(old);
}

X509 *x509_parse(struct str der, const unsigned char sha256[32], size_t *ret_used)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509 *x = find(sha256);
    *ret_used = der.n;
    if (x)
        return x;
    x = d2i_X509(NULL, &p, (long)der.n);
    *ret_used = x ? (size_t)((const char *)p - der.p) : 0;
    if (x && *ret_used == der.n)
        keep(sha256, x);
    return x;
}
