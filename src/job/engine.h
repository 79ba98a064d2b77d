/*
 * The engine: claims due jobs, runs one step at a time on its threads, saves before and after,
 * retries by blame. One engine per worker process; several workers on one store are kept apart by
 * leases, fenced by lease_no.
 */
#ifndef INRO_JOB_ENGINE_H
#define INRO_JOB_ENGINE_H

#include "connect/connect.h"
#include "job/job.h"
#include "net/dns.h"

struct proc_result;
struct engine;

/* Where connector types are looked up; any member NULL = the registry of connect.h. Tests put their
 * own in. */
struct engine_lookup {
    const struct ca_ops *(*ca)(const char *id);
    const struct challenge_ops *(*challenge)(const char *id);
    const struct target_ops *(*target)(const char *id);
    const struct notifier_ops *(*notifier)(const char *id);
};

struct engine_options {
    struct store *store;
    struct vault *vault; /* cloned once per thread */
    const struct clock *clock;
    struct egress_policy egress; /* outlives the engine */
    struct dns_servers dns;      /* for what getaddrinfo() is not asked; n 0 = resolv.conf's */
    int http01_port;             /* where CAs ask; 0 = 80 */
    int threads;                 /* 0 = 16 */
    int cap_max;                 /* steps at once per cap_key; 0 = 8 */
    const char *owner;           /* lease owner, unique per process */
    const char *before; /* owner of a process known to be gone: its leases are free; or NULL */
    /* Live events for the front: JSON text, any thread. */
    void (*on_event)(void *ctx, const char *json);
    void *on_event_ctx;
    /* Handshakes with strangers; NULL = tls_probe_do() in this process. Any thread, blocks. */
    enum rc (*probe)(void *ctx, const struct tls_probe *p, struct arena *a, struct tls_seen *ret,
                     struct err *err);
    void *probe_ctx;
    /* Commands on this machine; NULL = proc_run() in this process. Any thread, blocks. */
    enum rc (*run)(void *ctx, const char *const argv[], int64_t timeout_usec,
                   const atomic_bool *cancel, struct buf *out, struct proc_result *ret,
                   struct err *err);
    void *run_ctx;
    const char *data; /* the data directory: backups, master.key; NULL = none */
    /* Is no other copy of this installation at work on this machine? NULL = it is alone. */
    bool (*alone)(void *ctx);
    void *alone_ctx;
    struct engine_lookup lookup;
    /* Tests: after this many saves nothing more is saved and no more work is taken, as if the
     * process had been killed there; 0 = never. */
    int64_t die_after_saves;
    bool no_schedule; /* tests: the persistent tick job is not made */
};

MUST enum rc engine_create(const struct engine_options *o, struct engine **ret, struct err *err);
void engine_wake(struct engine *e);    /* new work may be there; any thread */
void engine_stop(struct engine *e);    /* running steps finish their safe step; then threads end */
void engine_destroy(struct engine *e); /* joins */

#endif
