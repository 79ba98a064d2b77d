/*
 * When to renew, when to try again, and how a certificate stands.
 * Invariants: no clock, no I/O; the same facts give the same answer; no input overflows.
 */
#include "model/policy.h"

#include "base/clock.h"

static const int64_t retry_first = 30 * USEC_PER_SEC;

enum { OBEYED = 2 }; /* short waits that the other side may ask for, in a row */

/* A well mixed 64-bit value from a seed (the finaliser of SplitMix64). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* Uniform in [0, n]; n >= 0. */
static int64_t spread(uint64_t seed, int64_t n)
{
    return n <= 0 ? 0 : (int64_t)(mix(seed) % ((uint64_t)n + 1));
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

int64_t renew_time(const struct renew_facts *f)
{
    if (f->not_after <= f->not_before)
        return f->not_before;
    int64_t at = 0;
    if (f->window_start > 0 && f->window_end > f->window_start) {
        at = f->window_start + spread(f->seed, f->window_end - f->window_start);
        return clamp(at, f->not_before, f->not_after);
    }
    int64_t life = f->not_after - f->not_before;
    int64_t before = life < 10 * USEC_PER_DAY ? life / 2 : life / 3;
    if (f->before > 0)
        before = f->before < life ? f->before : life;
    at = f->not_after - before - spread(f->seed, life / 12);
    return clamp(at, f->not_before, f->not_after);
}

/* Exponential from the first wait to a day, then half of it by chance. */
static int64_t backoff(int64_t attempts, uint64_t seed)
{
    int64_t wait = retry_first;
    for (int64_t i = 1; i < attempts && wait < USEC_PER_DAY; i++)
        wait *= 2;
    wait = clamp(wait, 0, USEC_PER_DAY);
    return wait / 2 + spread(seed, wait / 2);
}

static bool passes_by_itself(const struct retry_facts *f)
{
    switch (f->rc) {
    case RC_BUSY:
    case RC_RATE:
    case RC_TIMEOUT:
    case RC_NET:
    case RC_NOMEM:
    case RC_FULL:
        return true;
    default:
        return f->blame == BLAME_REMOTE || f->blame == BLAME_NETWORK;
    }
}

enum retry_plan retry_decide(const struct retry_facts *f, int64_t *ret_at)
{
    int64_t room = f->now > INT64_MAX - USEC_PER_DAY ? 0 : USEC_PER_DAY;
    if (!passes_by_itself(f)) {
        *ret_at = f->now + room;
        return RETRY_BLOCK;
    }
    int64_t ours = room ? backoff(f->attempts, f->seed) : 0;
    /* What the other side asks for is believed at first; if it goes on failing, ours counts too. */
    if (f->retry_at > 0)
        *ret_at =
            clamp(f->retry_at, f->now + (f->attempts <= OBEYED ? (room ? USEC_PER_SEC : 0) : ours),
                  f->now + room);
    else
        *ret_at = f->now + ours;
    return RETRY_LATER;
}

/* Under 10 days of life half of it is left when renewal is due, else a third. */
static bool expiring(const struct health_facts *f)
{
    int64_t life = f->not_after - f->not_before;
    int64_t left = f->not_after - f->now;
    return life > 0 && left < life / 6;
}

enum cert_health cert_health(const struct health_facts *f)
{
    if (f->now < f->built_at)
        return HEALTH_CLOCK_WRONG;
    if (!f->has_current)
        return f->ordering ? HEALTH_ORDERING : f->order_failed ? HEALTH_FAILED : HEALTH_NEW;
    if (f->revoked)
        return HEALTH_REVOKED;
    if (f->now >= f->not_after)
        return HEALTH_EXPIRED;
    if (f->deploy_failed)
        return HEALTH_DEPLOY_FAILED;
    if (f->drift)
        return HEALTH_DRIFT;
    if (expiring(f))
        return HEALTH_EXPIRING;
    return HEALTH_VALID;
}

static const char *name_at(const char *const *names, size_t n, unsigned i)
{
    return i < n ? names[i] : "unknown";
}

const char *cert_health_name(enum cert_health h)
{
    static const char *const names[] = {"new",     "ordering",      "valid", "expiring",
                                        "expired", "deploy_failed", "drift", "revoked",
                                        "failed",  "clock_wrong"};
    return name_at(names, COUNT_OF(names), h);
}

const char *version_state_name(enum version_state s)
{
    static const char *const names[] = {"keyed",   "staging", "current", "archived",
                                        "revoked", "failed",  "refused"};
    return name_at(names, COUNT_OF(names), s);
}

const char *order_state_name(enum order_state s)
{
    static const char *const names[] = {"open", "done", "failed", "cancelled"};
    return name_at(names, COUNT_OF(names), s);
}

const char *item_state_name(enum item_state s)
{
    static const char *const names[] = {"waiting", "applying", "applied", "verified",
                                        "undoing", "undone",   "failed",  "skipped"};
    return name_at(names, COUNT_OF(names), s);
}

const char *deployment_state_name(enum deployment_state s)
{
    static const char *const names[] = {"running", "done",     "failed",
                                        "undone",  "stopping", "stopped"};
    return name_at(names, COUNT_OF(names), s);
}

const char *job_state_name(enum job_state s)
{
    static const char *const names[] = {"ready",  "running", "done",
                                        "failed", "blocked", "cancelled"};
    return name_at(names, COUNT_OF(names), s);
}
