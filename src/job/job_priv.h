/*
 * Inside the job room: a run (one claim of one job), what a step hands back, the flows.
 *
 * A step does its work without a transaction open, then fills struct step_out; the engine saves
 * the job, what the step's save() writes and the audit line in one transaction, fenced by lease_no.
 */
#ifndef INRO_JOB_JOB_PRIV_H
#define INRO_JOB_JOB_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "codec/json.h"
#include "job/engine.h"

enum { HTTP_KEPT = 4 };
#define LEASE_USEC    (JOB_LEASE_SECONDS * USEC_PER_SEC)
#define TIDY_AGAIN    (60 * USEC_PER_SEC)
#define IDLE_MAX_USEC (5 * USEC_PER_SEC)
#define NEWS_USEC     (100 * USEC_PER_MSEC)
#define LOOK_USEC     (10 * USEC_PER_MSEC)
#define TICK_USEC     (10 * USEC_PER_SEC)

struct http_kept {
    unsigned char trust[32]; /* SHA-256 of the anchors */
    struct http_client *client;
    uint64_t used;
};

/* One thread. job_id .. until are shared with the keeper under engine.lock. */
struct worker {
    struct engine *e;
    pthread_t thread;
    struct vault *vault;
    struct http_kept http[HTTP_KEPT];
    uint64_t http_tick;
    int64_t job_id, lease_no, lease_until;
    char *news;         /* what is new of its job, to be told soon; under engine.lock */
    atomic_bool cancel; /* asked to stop, or the lease is lost */
    atomic_bool lost;   /* the lease is lost */
};

/* Shared by all threads for one configured connector. */
struct conn_node {
    struct conn_node *next;
    int64_t id, revision;
    int users;
    struct conn_shared shared;
    pthread_mutex_t setup; /* the connector's setup() runs alone */
    /* What the record says, read once per revision; set once, under engine.lock. */
    struct arena *arena; /* of settings and state_text */
    const void *settings;
    const char *state_text;
    struct json *state;
};

struct engine {
    struct engine_options o;
    struct worker *workers;
    int started; /* threads running */
    pthread_t keeper;
    bool keeper_started;
    pthread_mutex_t lock; /* all below, and worker.job_id.. */
    pthread_cond_t leader, follower, pause;
    bool led;
    bool counted;          /* the kept counts were looked at since the start */
    int64_t next_at;       /* wall: when something will be due, as far as is known; 0 = nothing */
    int64_t vain_at;       /* mono: the last look in vain */
    uint64_t wakes, taken; /* told; and looked after */
    bool more;             /* nobody has looked in vain since there was new work */
    pthread_t teller;
    bool teller_started, any_news;
    pthread_cond_t news;  /* any_news */
    pthread_mutex_t tell; /* held while events are told, taken before engine.lock */
    struct conn_node *nodes;
    bool held; /* as hold.c saw it at held_at (mono) */
    int64_t held_at;
    atomic_bool stop, dead;
    atomic_long saves_left;
};

struct trash {
    struct trash *next;
    struct json *json;
};

/* A row of HTTP-01 answers to come or, without key_auth, to go. */
struct answer {
    struct answer *next;
    const char *token, *key_auth;
};

struct run {
    struct engine *e;
    struct worker *w;
    struct job job;
    struct arena *keep; /* as long as the claim */
    struct arena *a;    /* as long as the step */
    const struct json *payload, *progress;
    const struct step *step;
    struct trash *trash;
    int64_t deadline; /* mono, of the step */
    int64_t activity_at;
    int64_t item_id; /* whose receipt receipt_save() saves */
    const char *receipt;
    struct answer *answers, **answers_end; /* saved with the step */
    const char *left; /* challenge whose proofs could not be taken away: a job of their own */
    bool made_work;
    struct conn_node *nodes[8];
    int node_count;
};

struct step_out {
    const char *next; /* NULL: the same step again */
    bool done;        /* the job is finished */
    int64_t at;       /* wall; 0 = at once */
    const char *progress;
    enum rc (*save)(struct db *db, struct run *r, void *arg, struct err *err);
    void *arg;
    bool save_on_failure;   /* save() also when the step failed */
    bool soon;              /* nothing outside knows of it yet: durable with the next save */
    const char *audit_done; /* a line for what was done before that, however that ended */
    const char *audit;      /* "issue.order"; NULL: nothing outside was changed */
    const char *detail;     /* JSON */
    /* On failure: how often this has failed, when successful steps lie between; the back-off and
     * the alarm go by it. */
    int64_t failures;
};

struct step {
    const char *name;
    struct l10n label;
    enum rc (*run)(struct run *r, struct step_out *out, struct err *err);
    int64_t limit;    /* microseconds for the step */
    bool must_finish; /* not cut short when the engine stops */
};

struct flow {
    const char *kind;
    const struct step *steps;
    size_t n;
    /* In the transaction that saves a failure: orders' errors, notices. Optional. blocked: it is
     * not tried again by itself. */
    enum rc (*failed)(struct db *db, struct run *r, const struct err *why, bool blocked,
                      struct err *err);
    /* Best effort before a job is blocked: clean up outside. Optional. */
    void (*give_up)(struct run *r);
};

extern const struct flow flow_issue, flow_deploy, flow_plan, flow_watch, flow_schedule, flow_notify,
    flow_check, flow_notify_test, flow_revoke, flow_tidy, flow_syslog, flow_vendor_mail,
    flow_backup, flow_reseal, flow_preflight, flow_discover;

/* ---- engine_run.c ---- */
void run_job(struct run *r);
MUST enum rc run_fence(struct db *db, struct run *r, struct err *err);
/* A commit that counts as a save. */
MUST enum rc run_commit(struct run *r, struct db **db, bool soon, struct err *err);
MUST enum rc run_json(struct run *r, const char *text, const struct json **ret, struct err *err);
const char *err_json(struct arena *a, const struct err *e);
void engine_after(struct timespec *ts, int64_t usec); /* then, by CLOCK_MONOTONIC */
bool run_pause(struct run *r, int64_t usec);          /* false: cut short */
int64_t run_now(const struct run *r);
void run_event(struct run *r, const char *event, int64_t id, const char *state);

/* ---- news.c: live events ---- */
MUST int news_start(struct engine *e); /* an errno */
void news_stop(struct engine *e);      /* after engine_stop() */
/* What the job's state and activity are now: told soon, or at once when the job is given back. */
void news_job(struct run *r);

/* ---- hold.c ---- */
bool run_held(struct run *r);
void run_put_off(struct run *r);

/* ---- flow_backup.c ---- */
MUST enum rc backups_due(struct db *db, struct run *r, int64_t now, struct err *err);

/* ---- engine_ctx.c ---- */
struct conn {
    struct connector rec;
    const void *settings;
    const struct json *state;
    const struct conn_head *head;
    union {
        const struct ca_ops *ca;
        const struct target_ops *target;
        const struct notifier_ops *notifier;
    };
};
/* Record, ops and decoded settings. kind NULL: any. */
MUST enum rc run_connector(struct run *r, struct db *db, int64_t id, const char *kind,
                           struct conn *ret, struct err *err);
/* The context for calls of this connector; c NULL: a solver that is no connector of its own. */
MUST enum rc run_ctx(struct run *r, const struct conn *c, struct ctx *ret, struct err *err);
MUST enum rc run_save_answers(struct run *r, struct db *db, struct err *err);
MUST enum rc run_setup_ca(struct run *r, struct ctx *ctx, struct conn *c, bool again,
                          struct err *err);
void run_release_nodes(struct run *r);
void http_drop(struct worker *w);
void engine_nodes_free(struct engine *e);
MUST enum rc decode_settings(struct run *r, const struct field *fields, size_t size,
                             const char *text, const void **ret, struct err *err);

/* ---- look.c: what is served ---- */
struct look {
    const char *host, *sni; /* sni NULL: none */
    int64_t port;
    enum starttls starttls;
    int64_t patience; /* microseconds for the name and for each address; 0 = 8 s */
};
struct looked {
    const char *addr;
    bool reached, trusted;
    struct tls_seen seen;
    struct cert_info leaf;
    bool parsed;
    struct err err;
};
/* One handshake with every address; fails only when the name does not resolve. */
MUST enum rc look_all(struct run *r, const struct look *l, struct looked **ret, size_t *ret_n,
                      struct err *err);
/* Until every address of every place serves sha256, twice in a row each; 15 s. */
MUST enum rc look_until(struct run *r, const struct verify_at *v, size_t n, const char *first_name,
                        const unsigned char sha256[32], struct err *err);
const char *sni_for(struct arena *a, const char *name);

/* ---- licence_alarm.c ---- */
/* Each tick: remembers the time, warns the administrators; *said is the caller's to keep. */
MUST enum rc licence_look(struct db *db, struct run *r, int64_t now, int64_t *since, int64_t *said,
                          bool *ret_ended, struct err *err);
/* A renewal that is due and not started because the licence has ended. */
MUST enum rc licence_held(struct db *db, struct run *r, const struct cert *c, int64_t now,
                          struct err *err);

/* ---- common.c ---- */
MUST enum rc leaf_of(struct run *r, const struct cert_version *v, struct cert_list *ret_chain,
                     struct err *err);
const char *hex_of(struct arena *a, const void *p, size_t n);
int64_t plan_renewal(const struct cert_info *leaf, const struct json *policy, int64_t start,
                     int64_t end);
MUST enum rc add_job(struct db *db, const char *kind, const char *subject, const char *step,
                     const char *dedup, const char *cap, const char *payload, int64_t now,
                     int64_t *ret_job, bool *ret_existing, struct err *err);
/* notice_raise() with facts: error may be NULL; expiry 0 = none. */
struct notice_facts {
    const char *event, *subject, *dedup, *name, *target;
    int64_t expiry;
    const struct err *why;
    int64_t days;
};
MUST enum rc notice_facts(struct db *db, const struct notice_facts *f, int64_t now,
                          struct err *err);
/* Subject and body of an event, in the language. */
MUST enum rc notice_render(const char *event, const char *lang, const struct json *data,
                           struct buf *subject, struct buf *body, struct err *err);

#endif
