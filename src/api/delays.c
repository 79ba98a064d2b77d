/*
 * Waiting after failures. Invariants: failures are counted per login name and address, so that
 * nobody is locked out by somebody else; nobody can aim at another's slot; few passwords are
 * checked at once, whatever comes in.
 */
#include <string.h>

#include "api/priv.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/digest.h"

enum { SLOTS = 4096, FREE_TRIES = 3, MAX_DOUBLINGS = 9, HASHES_AT_ONCE = 2, AUDITS_A_MINUTE = 30 };
enum { CHANGERS = 1024, CHANGES_A_MINUTE = 1200 };

struct slot {
    unsigned char id[32];
    int failures;
    int64_t until; /* clock_mono */
};

struct changer {
    int64_t user, minute, changes;
};

struct delays {
    pthread_mutex_t lock;
    unsigned char seed[32]; /* nobody can aim at another's slot */
    int hashing;
    int audits;
    int64_t audit_minute;
    struct slot slots[SLOTS];
    struct changer changers[CHANGERS]; /* by number; who comes later takes the place */
};

struct delays *delays_create(void)
{
    struct delays *d = mem_alloc(sizeof *d);
    if (!d)
        return NULL;
    (void)pthread_mutex_init(&d->lock, NULL);
    rand_bytes(d->seed, sizeof d->seed);
    return d;
}

void delays_destroy(struct delays *d)
{
    if (!d)
        return;
    (void)pthread_mutex_destroy(&d->lock);
    mem_free(d);
}

/* The slot of login and address; another pair that was there is forgotten. Under the lock. */
static struct slot *slot_of(struct delays *d, const char *login, const char *address)
{
    AUTO(buf) struct buf b = BUF(4096);
    unsigned char id[32];
    buf_adds(&b, login);
    buf_addc(&b, '\n');
    buf_adds(&b, address);
    hmac_sha256((struct str){(const char *)d->seed, sizeof d->seed}, buf_str(&b), id);
    struct slot *s = &d->slots[(id[0] | id[1] << 8) % SLOTS];
    if (memcmp(s->id, id, sizeof id) != 0) {
        *s = (struct slot){0};
        memcpy(s->id, id, sizeof id);
    }
    return s;
}

/* True when the pair has to wait. */
bool delay_active(struct request *r, const char *login)
{
    struct delays *d = r->api->delays;
    (void)pthread_mutex_lock(&d->lock);
    bool wait = slot_of(d, login, r->origin)->until > clock_mono(r->api->o.clock);
    (void)pthread_mutex_unlock(&d->lock);
    return wait;
}

void delay_note(struct request *r, const char *login, bool good)
{
    struct delays *d = r->api->delays;
    (void)pthread_mutex_lock(&d->lock);
    struct slot *s = slot_of(d, login, r->origin);
    if (good) {
        *s = (struct slot){0};
    } else {
        int over = ++s->failures - FREE_TRIES;
        int64_t wait = over > 0 ? USEC_PER_SEC << (over > MAX_DOUBLINGS ? MAX_DOUBLINGS : over) : 0;
        s->until = clock_mono(r->api->o.clock) + wait;
    }
    (void)pthread_mutex_unlock(&d->lock);
}

/* Password checks need 64 MiB each: a crowd of them is told to wait. */
enum rc password_check(struct request *r, const char *hash, const char *password, bool *ret_good,
                       struct err *err)
{
    struct delays *d = r->api->delays;
    (void)pthread_mutex_lock(&d->lock);
    bool room = d->hashing < HASHES_AT_ONCE;
    d->hashing += room;
    (void)pthread_mutex_unlock(&d->lock);
    CHECK(room, err, RC_BUSY, BLAME_US,
          MSG("api.sign_in_busy", "too many people are signing in at once; try again",
              "サインインが集中しています。もう一度お試しください"));
    *ret_good = password_verify(hash, password);
    (void)pthread_mutex_lock(&d->lock);
    d->hashing--;
    (void)pthread_mutex_unlock(&d->lock);
    return RC_OK;
}

/* Strangers must not be able to fill the audit log. */
bool delay_audit_room(struct request *r)
{
    struct delays *d = r->api->delays;
    int64_t minute = clock_mono(r->api->o.clock) / (60 * USEC_PER_SEC);
    (void)pthread_mutex_lock(&d->lock);
    if (d->audit_minute != minute) {
        d->audit_minute = minute;
        d->audits = 0;
    }
    bool room = d->audits < AUDITS_A_MINUTE;
    d->audits += room;
    (void)pthread_mutex_unlock(&d->lock);
    return room;
}

enum rc delay_changes(struct request *r, int64_t n, bool *ret_first, struct err *err)
{
    struct delays *d = r->api->delays;
    int64_t mono = clock_mono(r->api->o.clock), minute = mono / (60 * USEC_PER_SEC);
    struct changer *c = &d->changers[(uint64_t)r->user.id % CHANGERS];
    *ret_first = false;
    if (!r->user.id) /* the administrator of this machine, at its own socket */
        return RC_OK;
    (void)pthread_mutex_lock(&d->lock);
    if (c->user != r->user.id || c->minute != minute)
        *c = (struct changer){r->user.id, minute, 0};
    bool before = c->changes > CHANGES_A_MINUTE;
    c->changes += n;
    bool over = c->changes > CHANGES_A_MINUTE;
    (void)pthread_mutex_unlock(&d->lock);
    if (!over)
        return RC_OK;
    *ret_first = !before;
    r->status = 429;
    int64_t wait = (minute + 1) * 60 * USEC_PER_SEC - mono;
    enum rc rc =
        FAIL(err, RC_RATE, BLAME_INPUT,
             MSG("api.changes", "one person may make {0} changes a minute; go on in {1} seconds",
                 "1 人が 1 分間に行える変更は {0} 件までです。{1} 秒後に続けてください"),
             NUM(CHANGES_A_MINUTE), NUM(wait / USEC_PER_SEC + 1));
    err->retry_at = r->now + wait;
    return rc;
}
