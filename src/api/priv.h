/* Inside of the api room: requests, routes and what handlers share. */
#ifndef INRO_API_PRIV_H
#define INRO_API_PRIV_H

#include <pthread.h>

#include "api/answers.h"
#include "api/api.h"
#include "codec/schema.h"
#include "connect/connect.h"
#include "job/job.h"
#include "model/policy.h"
#include "store/repo_list.h"

enum { PARAMS_MAX = 2, LIMIT_MAX = 500, LIMIT_DEFAULT = 50 };

struct request {
    struct api *api;
    const struct api_call *call;
    const struct route *route;
    struct arena *a;
    const char *params[PARAMS_MAX]; /* {id}, {kind} ... of the path */
    struct json *body;              /* after the field table accepted it; NULL = none */
    void *in;                       /* the struct of route->body */
    void *prepared;                 /* what route->prepare left for the handler */
    struct db *db;                  /* open transaction, by route->flags */
    int64_t now;
    /* who */
    const char *actor; /* "cli:uid=0", "admin@192.0.2.1" */
    const char *origin;
    const char *role; /* "admin", "operator", "viewer", NULL = anonymous */
    const char *lang;
    struct user user;       /* of the session or token; id 0 for the unix socket */
    struct session session; /* id_hash NULL when there is none */
    struct token token;     /* id 0 when there is none */
    const char *scope;      /* the groups seen, as db_scope() takes them; NULL = everything */
    /* answer */
    int status; /* 200 unless the handler says otherwise */
    struct buf out;
    struct json_writer w;
    const char *type; /* NULL = JSON */
    const char *set_cookie;
    const char *subject; /* of the audit line: "cert/12" */
    const char *detail;  /* JSON for the audit line, no secrets */
    bool wake;           /* jobs were made */
    bool stream;
    const char *event;         /* told to the streams after the commit */
    int64_t ended_user;        /* whose streams end after the commit */
    const char *ended_session; /* and that of one session */
    bool audit_failure;        /* recorded although nobody is signed in */
    const char *before;        /* JSON of the object before the change, for the audit line */
    bool for_audit;            /* views write fingerprints where they mask secrets */
};

typedef enum rc route_fn(struct request *r, struct err *err);

enum {
    ROUTE_READ = 1,     /* r->db is a read transaction */
    ROUTE_WRITE = 2,    /* r->db is committed when the handler succeeds, with an audit line */
    ROUTE_AUDIT = 4,    /* audit line although the handler has its own transactions */
    ROUTE_PROVE = 8,    /* the password or second factor was shown within minutes; no API token */
    ROUTE_PERSON = 16,  /* about the signed-in person: not for tokens nor the local socket */
    ROUTE_LICENCE = 32, /* changes something: refused past the end of the licence */
    ROUTE_LOCAL = 64    /* on the machine itself only: root, or the user Inro runs as */
};

struct route {
    const char *id, *method, *path; /* "cert.get", "GET", "/certs/{id}" below /api/v1 */
    enum perm perm;
    unsigned flags;
    route_fn *run;
    struct l10n summary;
    const char *answer; /* what it answers and what it reads of the query: api/answers.h */
    const char *query;
    const struct field *body;   /* NULL: a body is refused */
    size_t body_size;           /* of the struct */
    const char *const *objects; /* body members that are objects, read from r->body */
    const char *arg;            /* for handlers that serve several paths: the connector kind */
    route_fn *prepare;          /* slow work (hashing) before the transaction begins; may be NULL */
};

/* A permission that is missing or zero does not compile. */
#define PERM(p) ((enum perm)((p) + 0 * sizeof(char[(p) > PERM_UNSET ? 1 : -1])))

struct route_set {
    const struct route *v;
    size_t n;
};
#define ROUTES(name) extern const struct route_set routes_##name;
#include "api/routes.def"
#undef ROUTES
const struct route_set *const *api_route_sets(size_t *ret_n);
const struct route *api_route(size_t i); /* NULL past the last */
#define ROUTE_SET(name, rows) const struct route_set name = {rows, COUNT_OF(rows)}

struct streams;
struct delays;

struct api {
    struct api_options o;
    int64_t started;
    pthread_mutex_t vault_lock;
    pthread_mutex_t event_lock; /* waiters, streams */
    pthread_cond_t event_cond;
    struct job_waiter *job_waiters;
    int waiters;
    struct stream_client *streams;
    int stream_count;
    struct delays *delays;
    int64_t anchored;  /* audit record whose head was proven last; by the tick only */
    bool audit_looked; /* the log was verified after the start */
};

/* auth.c */
MUST enum rc auth_request(struct request *r, struct err *err);
MUST enum rc auth_csrf(const struct request *r, struct err *err);
MUST enum rc auth_denied(struct err *err);
/* May the role do what needs perm? */
bool role_allows(const char *role, enum perm perm);
/* The weaker of the two. */
const char *role_weaker(const char *a, const char *b);
void session_hash(const char *cookie, char ret[65]);
/* Past its end, or unused for too long. */
bool session_over(const struct session *s, int64_t now);

/* delays.c: waiting after failures, per login and address */
struct delays *delays_create(void);
void delays_destroy(struct delays *d);
bool delay_active(struct request *r, const char *login);
void delay_note(struct request *r, const char *login, bool good);
/* One of few password checks at a time; RC_BUSY when there are too many. */
MUST enum rc password_check(struct request *r, const char *hash, const char *password,
                            bool *ret_good, struct err *err);
/* False when the audit log has had enough failures for the minute. */
bool delay_audit_room(struct request *r);

/* n changes by whoever is signed in; RC_RATE (429) when they are more than one person may make in a
 * minute, so that nobody is slowed by somebody else's. *ret_first: of this minute. */
MUST enum rc delay_changes(struct request *r, int64_t n, bool *ret_first, struct err *err);

/* passwords.c */
MUST enum rc password_policy(const char *login, const char *password, struct err *err);

/* factor.c: the second factor and recovery codes */
/* True when the code (spaces allowed) is good and was not used before. r->user is who. */
MUST enum rc factor_check(struct request *r, const char *code, bool *ret_good, struct err *err);
MUST enum rc factor_clear(struct db *db, int64_t user_id, struct err *err);

/* people.c: what users, groups and tokens share */
/* Everything that lets the user in ends: sessions, tokens, live streams (after the commit). */
MUST enum rc people_end(struct request *r, struct db *db, int64_t user_id, struct err *err);
/* Lower case, without spaces around: two spellings are one person. NULL when out of memory. */
const char *login_normal(struct arena *a, const char *text);
MUST enum rc find_group(struct request *r, const char *ref, struct group *ret, struct err *err);
MUST enum rc find_user(struct request *r, const char *ref, struct user *ret, struct err *err);
/* "group" of a body -> id. Absent: `dflt`, or the only group of the person. */
MUST enum rc group_from_input(struct request *r, const char *ref, int64_t dflt, int64_t *ret,
                              struct err *err);
/* "group": its name, "group_id": its number; both null without one. */
void view_group_of(struct request *r, int64_t group_id);
/* orgs.c */
MUST enum rc find_org(struct request *r, const char *ref, struct organisation *ret,
                      struct err *err);
/* "organisation": its name, "organisation_id": its number; both null without one. */
void view_org_of(struct request *r, int64_t id);
void jw_id(struct json_writer *w, const char *key, int64_t id); /* 0 writes null */

/* audit.c */
void audit_tick(struct api *api);
void csv_cell(struct buf *out, const char *s);
/* from= and to= of the query; all time when absent */
MUST enum rc r_query_range(const struct request *r, int64_t *ret_from, int64_t *ret_to,
                           struct err *err);

/* support.c: log levels as people set them, after a start */
void levels_restore(struct api *api);

/* api.c: the audit line of one of several things a request makes, as that route would leave it. */
MUST enum rc r_audit_as(struct request *r, const char *route_id, struct err *err);

/* trail.c: before and after of a change, for its audit line */
void trail_before(struct request *r, struct db *db);
void trail_after(struct request *r, struct db *db);

/* events.c */
void events_open(struct api *api, struct http_exchange *x, const struct api_answer *who);
/* The user's streams end now. */
void events_end_user(struct api *api, int64_t user_id);
void events_end_session(struct api *api, const char *hash);
void events_close_all(struct api *api);
/* A thread that waits for news of a job, from events_watch() to events_unwatch(): what happens
 * between two looks of its own is not missed. */
struct job_waiter {
    struct job_waiter *next;
    int64_t job;
    bool hit;
};
bool events_watch(struct api *api, struct job_waiter *w, int64_t job); /* false: too many wait */
void events_wait(struct api *api, struct job_waiter *w, int64_t usec);
void events_unwatch(struct api *api, struct job_waiter *w);

/* jobs.c: a job as somebody may see it, and what they would see change. */
struct job_view {
    enum rc (*look)(struct request *r, int64_t id, struct job *ret, struct err *err);
    bool (*news)(const struct job *first, const struct job *now);
};
/* The job of {id}, held back up to ?wait= seconds until there is news of it or it is over. */
MUST enum rc job_await(struct request *r, const struct job_view *v, struct job *ret,
                       struct err *err);

/* assets.c */
void assets_reply(struct api *api, struct http_exchange *x);
void security_headers(struct http_exchange *x, bool is_api);

/* input.c: what handlers read */
/* Transactions of a handler's own: they see what the person may see. */
MUST enum rc r_read(struct request *r, struct db **ret, struct err *err);
MUST enum rc r_begin(struct request *r, struct db **ret, struct err *err);
const char *r_header(const struct request *r, const char *name);
const char *r_query(const struct request *r, const char *name);
MUST enum rc r_query_int(const struct request *r, const char *name, int64_t min, int64_t max,
                         int64_t dflt, int64_t *ret, struct err *err);
/* q= of the query, at most 256 bytes; NULL = none. */
MUST enum rc r_query_text(const struct request *r, const char **ret, struct err *err);
/* state= of the query as 1 + its place among the names of the n states; 0 = any. */
MUST enum rc r_query_state(struct request *r, const char *(*name)(int state), int n, int64_t *ret,
                           struct err *err);
/* The page asked for: after=ID (0 = the first page) and limit=N. */
MUST enum rc r_page(struct request *r, int64_t *ret_after, int64_t *ret_limit, struct err *err);
MUST enum rc r_body(struct request *r, struct err *err);
/* The person who asks, whatever the address: "user/12", or "local" for the machine's own socket. */
const char *r_person(struct request *r);
MUST enum rc r_id(const char *text, int64_t *ret, struct err *err);
bool text_is_id(const char *text, int64_t *ret);
MUST enum rc name_check(const char *name, struct err *err);
MUST enum rc find_connector(struct request *r, const char *kind, const char *ref,
                            struct connector *ret, struct err *err);
MUST enum rc find_cert(struct request *r, const char *ref, struct cert *ret, struct err *err);
/* "revision" of the body or If-Match against the record's. */
MUST enum rc check_revision(struct request *r, int64_t wanted, int64_t have, struct err *err);
void r_subject(struct request *r, const char *kind, int64_t id);
/* {"event":"cert","id":12,...} for the streams. */
void r_event(struct request *r, const char *kind, int64_t id);
/* Into the vault, bound to the place; the result is in the request's arena. */
MUST enum rc r_seal(struct request *r, const char *place, struct str clear, const char **ret,
                    struct err *err);
/*
 * Settings before and after a change, as stored: where the machine to connect to is another one, a
 * secret entered for the former must be entered again. Whoever may change settings does not thereby
 * learn what others entered.
 */
MUST enum rc r_secrets_stay(const struct field *fields, const struct json *before,
                            const struct json *after, struct err *err);
/* Parses stored JSON; NULL when absent. Lives until the end of the scope of its AUTO(json). */
MUST enum rc stored_json(const char *text, struct json **ret, struct err *err);
enum conn_kind kind_of_name(const char *kind);
/* One JSON object as text in the arena, encoded from a struct. */
MUST enum rc encode_text(struct request *r, const struct field *fields, const void *in,
                         enum schema_secrets how, const char **ret, struct err *err);

/* view.c: records as JSON */
void view_error(struct json_writer *w, const char *key, const char *stored);
void view_unusual(struct json_writer *w, unsigned unusual);
void view_fingerprints(struct json_writer *w, const struct json *stored);
void view_raw(struct json_writer *w, const char *key, const char *json);
void view_job(struct request *r, const struct job *j);
void view_page_end(struct json_writer *w, int64_t next);
void view_order(struct request *r, const struct order_row *o);
/* "cert_name": what the certificate is called, null when it is gone. */
void view_cert_name(struct request *r, int64_t cert_id);
/* "subject_name": what "cert/12", "target/3" ... is called; null when it is gone. */
void view_subject_name(struct request *r, const char *subject);
MUST enum rc view_cert(struct request *r, const struct cert *c, bool detail, struct err *err);
MUST enum rc view_binding(struct request *r, int64_t id, struct err *err);
void view_binding_row(struct request *r, const struct binding_row *row);
MUST enum rc view_job_answer(struct request *r, int64_t id, struct err *err); /* {"job":..} */
MUST enum rc cert_state(struct request *r, const struct cert *c, enum cert_health *ret,
                        struct err *err);

/* challenge.c. `stored`: as the certificate has it now, or NULL; what the body does not name stays.
 */
MUST enum rc challenge_from_input(struct request *r, const struct conn_head *ca, bool wildcard,
                                  const char *stored, const char **ret, struct err *err);
/* "challenge": its settings with the secrets masked. */
MUST enum rc view_challenge(struct request *r, const char *stored, struct err *err);

/* connectors.c: the members of a connector, within an object that is begun. */
MUST enum rc view_connector_members(struct request *r, const struct connector *c, struct err *err);

/* certs_input.c */
struct cert_in {
    struct str_list names, tags;
    struct str_list lines; /* of several: "a.example, b.example" each */
    const char *name, *ca, *key, *group, *organisation, *csr;
    bool request;
    int64_t revision;
};
struct policy_in {
    int64_t validity, renew_before;
    const char *on_failure, *profile;
    bool allow_loss, auto_renew, approval;
    const char *window;
};
extern const struct field cert_fields[], cert_batch_fields[], policy_fields[];

/* import.c */
extern const struct field cert_import_fields[];
struct import_in {
    const char *pem, *data, *name, *password, *group, *pick;
    struct str_list tags;
};
/* What a dropped file holds. servers: names of the certificates one can pick from. */
struct import_seen {
    struct cert_list chain;
    struct names servers;
    size_t dropped;
    bool weak;
    const char *key; /* "none", "fits", "other", "locked", "unread", "unknown" (vault is sealed) */
    const char *format;
};
/* A certificate as it was issued elsewhere, called c->name, of c->group_id: counted by the licence,
 * its version complete in staging and without a key. Nobody renews it before it has a CA. */
MUST enum rc cert_register(struct request *r, const struct cert_info *leaf, const char *pem,
                           struct cert *c, struct cert_version *ret, struct err *err);
MUST enum rc import_look(struct request *r, const struct import_in *in, struct import_seen *ret,
                         struct err *err);
/* Guessing a file's password is slowed like guessing a person's. */
MUST enum rc import_slowed(struct request *r, route_fn *run, struct err *err);
/* Of a certificate without a CA, which stays without one: RC_INPUT for what only a CA can give. */
MUST enum rc cert_kept_from_input(struct request *r, const struct cert_in *in, struct cert *c,
                                  struct err *err);
MUST enum rc cert_from_input(struct request *r, const struct cert_in *in, struct cert *c,
                             struct err *err);

/* watch.c */
void view_endpoint(struct request *r, const struct endpoint *e);
/* One more that is watched, looked at now; group and expectation are the caller's. */
MUST enum rc endpoint_begin(struct request *r, struct endpoint *e, struct err *err);

/* tags.c */
#define FIELD_TAGS(S) FIELD_LIST(S, tags, .max = 20, .label = {"Tags", "タグ"})
/* As they are kept: lower case, sorted, each once. */
MUST enum rc tags_from_input(struct request *r, const struct str_list *in, struct names *ret,
                             struct err *err);
/* With commas between; "" and NULL = none. */
MUST enum rc tags_from_query(struct request *r, const char *text, struct names *ret,
                             struct err *err);
/* "key": [ ... ] */
void view_names(struct json_writer *w, const char *key, const struct names *names);

http_handler api_handle;
int http_status(enum rc rc);

#endif
