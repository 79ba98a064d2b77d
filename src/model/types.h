/*
 * What Inro knows, as plain structs. All strings are borrowed from the arena the record was read
 * into; NULL means "none". Times are UTC microseconds, 0 = none. JSON members hold text.
 */
#ifndef INRO_MODEL_TYPES_H
#define INRO_MODEL_TYPES_H

#include "base/err.h"

struct names {
    const char *const *v;
    size_t n;
};

/* A configured connector: a CA account, a target, a notifier. kind: "ca", "target", "notifier". */
struct connector {
    int64_t id;
    const char *kind, *type, *name;
    const char *settings; /* JSON by the type's field table, secrets sealed */
    const char *state;    /* JSON the connector owns (ACME account), or NULL */
    int64_t group_id;     /* owner; 0 = administrators */
    int64_t created, updated, revision;
};

/* A managed certificate: a name set with a policy; versions are what was issued for it. */
struct cert {
    int64_t id;
    const char *name; /* unique; by default the first DNS name */
    struct names names;
    int64_t ca_id;
    const char *key_alg;   /* "ec256" ... */
    const char *challenge; /* JSON {"type":"http-01", ...solver settings} */
    const char *policy;    /* JSON, see model/policy.h */
    int64_t current_id;    /* version in service; 0 = none yet */
    int64_t renew_at;      /* planned; 0 = not planned */
    int64_t group_id;
    int64_t created, updated, revision;
    int64_t organisation_id; /* whose subject its CSRs carry; 0 = none */
    struct names tags;       /* lower case, sorted */
    const char *csr;         /* brought from outside, base64; NULL: key and CSR are made here */
};

enum version_state {
    VERSION_KEYED = 0, /* key and CSR made, nothing from the CA yet */
    VERSION_STAGING,   /* complete and accepted, not yet in service */
    VERSION_CURRENT,
    VERSION_ARCHIVED, /* replaced; its key is kept for undo */
    VERSION_REVOKED,
    VERSION_FAILED, /* the order ended without a certificate */
    VERSION_REFUSED /* the CA's, but not what was ordered: kept to be looked at and revoked */
};

struct cert_version {
    int64_t id, cert_id;
    enum version_state state;
    const char *key_alg;
    const char *key_sealed; /* NULL: key is not ours (imported without key, external CSR) */
    const char *csr;        /* base64 DER */
    const char *chain;      /* PEM, leaf first, or NULL */
    const char *serial, *issuer, *sha256, *spki_sha256; /* hex */
    int64_t not_before, not_after;
    int64_t created, activated;
    const char *refused; /* JSON of struct err: why it was not taken; set once */
};

enum order_state { ORDER_OPEN = 0, ORDER_DONE, ORDER_FAILED, ORDER_CANCELLED };

struct order {
    int64_t id, cert_id, version_id, ca_id, job_id;
    enum order_state state;
    const char *reason; /* "request", "renew", "reissue" */
    const char *data;   /* JSON the CA connector owns */
    const char *error;  /* JSON of struct err */
    int64_t created, updated;
};

struct binding {
    int64_t id, cert_id, target_id;
    const char *place;  /* JSON by the target type's place table */
    int64_t seq;        /* roll-out order */
    int64_t version_id; /* proven to be served there; 0 = none */
    const char *state;  /* "new", "deployed", "failed", "drift" */
    const char *error;
    int64_t created, updated, revision;
};

enum item_state {
    ITEM_WAITING = 0,
    ITEM_APPLYING, /* receipt is saved: undo is possible from here */
    ITEM_APPLIED,
    ITEM_VERIFIED,
    ITEM_UNDOING,
    ITEM_UNDONE,
    ITEM_FAILED, /* refused before anything changed */
    ITEM_SKIPPED /* roll-out stopped before it, or already in place */
};

enum deployment_state {
    DEPLOYMENT_RUNNING = 0,
    DEPLOYMENT_DONE,
    DEPLOYMENT_FAILED,
    DEPLOYMENT_UNDONE,
    DEPLOYMENT_STOPPING, /* a person asked: the target at hand is finished, no other is begun */
    DEPLOYMENT_STOPPED
};

struct deployment {
    int64_t id, cert_id, version_id, previous_id, job_id;
    enum deployment_state state;
    const char *reason; /* "issue", "renew", "manual", "undo" */
    int64_t created, updated;
};

struct deploy_item {
    int64_t id, deployment_id, binding_id;
    enum item_state state;
    const char *plan;    /* JSON */
    const char *receipt; /* JSON the target connector owns; never a key */
    const char *error;
    int64_t updated;
};

struct endpoint {
    int64_t id;
    const char *host;
    int64_t port;
    const char *sni;      /* NULL = host */
    const char *starttls; /* "none", "smtp" ... */
    int64_t cert_id;      /* the certificate expected there, or 0 */
    int64_t every;        /* seconds between looks */
    int64_t next_at;
    const char *state; /* "ok", "expiring", "expired", "drift", "untrusted", "unreachable", "new" */
    const char *seen;  /* JSON: the last observation per address */
    int64_t seen_at, created, updated;
    int64_t group_id;
    int64_t revision; /* of what people set; looking leaves it */
};

struct observation {
    int64_t id, endpoint_id;
    const char *addr;
    int64_t at;
    const char *sha256, *subject, *issuer, *protocol; /* NULL when not reached */
    int64_t not_after;
    bool trusted;
    const char *chain; /* PEM */
    const char *error; /* JSON of struct err, or NULL */
};

enum job_state { JOB_READY = 0, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_BLOCKED, JOB_CANCELLED };

/* One look at many addresses, and what stood there. */
struct discovery {
    int64_t id;
    const char *name; /* what was asked for, shortened */
    int64_t total, looked, found;
    int64_t group_id, job_id;
    const char *actor;
    int64_t created, updated;
    enum job_state state; /* of its job */
};

/* kind: "waiting", "nothing" (nobody answers), "refused" (no connection may go there), "no_tls",
 * "cert". What is beside it is what the transaction sees of it: see db_discovery_items(). */
struct discovery_item {
    int64_t id, discovery_id;
    const char *host;
    int64_t port;
    const char *kind, *addr, *protocol;
    const char *sha256, *subject, *issuer, *serial, *key_alg;
    const char *name; /* the first of its names, or its common name */
    struct names names;
    int64_t not_before, not_after;
    bool trusted;
    const char *chain; /* PEM; NULL in lists */
    const char *error;
    int64_t seen_at;
    /* Now: whose certificate it is, who else has its name, where it is watched; 0 = none. */
    int64_t held_id, twin_id, endpoint_id;
    const char *relation; /* kind, or for "cert": "held", "other", "unknown" */
};

/* Somebody's leave to begin a roll-out. */
struct approval {
    int64_t job_id;
    bool approved;  /* what waited for somebody's word */
    bool begin_now; /* what waits for its time need not */
    const char *actor;
    int64_t at;
};

struct job {
    int64_t id;
    const char *kind;    /* "issue", "deploy", "watch", "notify", "schedule" ... */
    const char *subject; /* "cert/12", shown and searched */
    const char *step;
    enum job_state state; /* BLOCKED: a person is needed (error says what) */
    int64_t run_at;
    const char *lease_owner;
    int64_t lease_until, lease_no;         /* lease_no fences: every save names it */
    int64_t attempts;                      /* of the present step */
    const char *dedup_key;                 /* at most one open job per key */
    const char *cap_key;                   /* "ca:3", "host:web3": limits how many run at once */
    const char *payload;                   /* JSON, fixed at creation */
    const char *progress;                  /* JSON, the steps' own */
    const char *activity_en, *activity_ja; /* what it is doing now */
    const char *error;
    int64_t created, updated, finished;
};

struct user {
    int64_t id;
    const char *login, *name, *role, *lang; /* role: "admin", "operator", "viewer" */
    const char *password;                   /* Argon2id */
    bool must_change, disabled;
    int64_t created, updated, revision;
    const char *totp;     /* sealed secret of the second factor, NULL = none */
    const char *totp_new; /* being set up, not yet proven */
    int64_t totp_step;    /* the last time step that was used */
    int64_t signed_in;
};

/* Users, and what they own: certificates, targets, endpoints; and how its people are told. */
struct group {
    int64_t id;
    const char *name, *about;
    const char *notify; /* JSON, see model/notify.h; NULL = as the installation */
    int64_t created, updated, revision;
};

/* An applicant, see model/organisation.h; *_ja as its register has it, the others in Latin letters.
 */
struct organisation {
    int64_t id;
    const char *name; /* in Inro; unique */
    const char *legal_name, *legal_name_ja;
    const char *duns, *registration; /* digits */
    const char *category;            /* "private", "government", "business", "other" */
    const char *country, *state, *state_ja, *locality, *locality_ja, *street, *street_ja;
    const char *postal_code, *phone;
    int64_t group_id; /* owner; 0 = the installation's: everybody may use it */
    int64_t created, updated, revision;
};

struct contact { /* a person who answers for an organisation */
    int64_t id, organisation_id;
    const char *role; /* "organisation", "technical", "approver", "billing" */
    const char *name, *name_ja, *title, *title_ja, *mail, *phone;
};

/* An API token: what its user may, cut down to a role and, if it names any, to groups. */
struct token {
    int64_t id, user_id;
    const char *name;
    const char *hash; /* SHA-256 hex of the token */
    const char *role;
    const char *group_ids; /* JSON list, NULL = all of the user's */
    int64_t created, expires /* 0 = never */, last_used;
    const char *last_address;
};

/* The filters of a list screen under a name. */
struct saved_view {
    int64_t id, user_id;
    int64_t group_id; /* whom it is shown to as well; 0 = nobody */
    const char *screen, *name;
    const char *query; /* "state=expired&sort=name" */
    int64_t created, updated;
};

struct session {
    const char *id_hash; /* SHA-256 hex of the cookie value */
    int64_t user_id, created, last_seen, expires;
    const char *csrf, *address, *agent;
    int64_t proven; /* when password or second factor was last shown */
};

struct audit {
    int64_t id, at;
    const char *actor;   /* "admin@...", "cli:uid=0", "job/12" */
    const char *origin;  /* address */
    const char *action;  /* route id or "job.step" */
    const char *subject; /* "cert/12" */
    const char *detail;  /* JSON, secrets absent */
    const char *result;  /* "ok" or an error id */
    const char *prev_hash, *hash;
};

struct notice {
    int64_t id;
    const char *event; /* "cert.issued", "deploy.failed", "cert.expiring" ... */
    const char *subject;
    const char *dedup_key;
    const char *data; /* JSON */
    int64_t created;
};

struct delivery {
    int64_t id, notice_id, notifier_id;
    const char *lang;
    const char *state; /* "waiting", "sent", "failed" */
    const char *reply, *error;
    int64_t attempts, updated;
    const char *recipients; /* JSON list; NULL = the channel's own */
};

#endif
