/* Inside of the api room: requests, routes and what handlers share. */
#ifndef INRO_API_PRIV_H
#define INRO_API_PRIV_H

#include <pthread.h>

#include "api/api.h"
#include "codec/schema.h"
#include "connect/connect.h"
#include "job/job.h"
#include "model/policy.h"

enum { PARAMS_MAX = 2, LIMIT_MAX = 500, LIMIT_DEFAULT = 50 };

struct request {
    struct api *api;
    const struct api_call *call;
    const struct route *route;
    struct arena *a;
    const char *params[PARAMS_MAX]; /* {id}, {kind} ... of the path */
    struct json *body;              /* after the field table accepted it; NULL = none */
    void *in;                       /* the struct of route->body */
    struct db *db;                  /* open transaction, by route->flags */
    int64_t now;
    /* who */
    const char *actor; /* "cli:uid=0", "admin@192.0.2.1" */
    const char *origin;
    const char *role; /* "admin", "operator", "viewer", NULL = anonymous */
    const char *lang;
    struct user user;       /* of the session; id 0 for the unix socket */
    struct session session; /* id_hash NULL when there is none */
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
    const char *event; /* told to the streams after the commit */
};

typedef enum rc route_fn(struct request *r, struct err *err);

enum {
    ROUTE_READ = 1,  /* r->db is a read transaction */
    ROUTE_WRITE = 2, /* r->db is committed when the handler succeeds, with an audit line */
    ROUTE_AUDIT = 4  /* audit line although the handler has its own transactions */
};

struct route {
    const char *id, *method, *path; /* "cert.get", "GET", "/certs/{id}" below /api/v1 */
    enum perm perm;
    unsigned flags;
    route_fn *run;
    struct l10n summary;
    const struct field *body;   /* NULL: a body is refused */
    size_t body_size;           /* of the struct */
    const char *const *objects; /* body members that are objects, read from r->body */
    const char *arg;            /* for handlers that serve several paths: the connector kind */
};

/* A permission that is missing or zero does not compile. */
#define PERM(p) ((enum perm)((p) + 0 * sizeof(char[(p) > PERM_UNSET ? 1 : -1])))

struct route_set {
    const struct route *v;
    size_t n;
};
extern const struct route_set routes_session, routes_system, routes_connector, routes_cert,
    routes_deploy, routes_job, routes_watch, routes_user, routes_screen, routes_licence;
const struct route_set *const *api_route_sets(size_t *ret_n);
#define ROUTE_SET(name, rows) const struct route_set name = {rows, COUNT_OF(rows)}

struct streams;
struct delays;

struct api {
    struct api_options o;
    int64_t started;
    pthread_mutex_t vault_lock;
    pthread_mutex_t event_lock; /* events, waiters, streams */
    pthread_cond_t event_cond;
    uint64_t events;
    int waiters;
    struct stream_client *streams;
    int stream_count;
    struct delays *delays;
    char dummy_hash[128]; /* verified for unknown users: equal work */
};

/* auth.c */
MUST enum rc auth_request(struct request *r, struct err *err);
MUST enum rc auth_csrf(const struct request *r, struct err *err);
MUST enum rc auth_denied(struct err *err);
struct delays *delays_create(void);
void delays_destroy(struct delays *d);
MUST enum rc password_policy(const char *login, const char *password, struct err *err);
void session_hash(const char *cookie, char ret[65]);

/* events.c */
void events_open(struct api *api, struct http_exchange *x, const char *session);
void events_close_all(struct api *api);
/* Until an event or usec passed; false at once when too many wait already. */
bool events_wait(struct api *api, uint64_t seen, int64_t usec);
uint64_t events_seen(struct api *api);

/* assets.c */
void assets_reply(struct api *api, struct http_exchange *x);
void security_headers(struct http_exchange *x, bool is_api);

/* input.c: what handlers read */
const char *r_header(const struct request *r, const char *name);
const char *r_query(const struct request *r, const char *name);
MUST enum rc r_query_int(const struct request *r, const char *name, int64_t min, int64_t max,
                         int64_t dflt, int64_t *ret, struct err *err);
MUST enum rc r_body(struct request *r, struct err *err);
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
/* Parses stored JSON; NULL when absent. Lives until the end of the scope of its AUTO(json). */
MUST enum rc stored_json(const char *text, struct json **ret, struct err *err);
enum conn_kind kind_of_name(const char *kind);
/* One JSON object as text in the arena, encoded from a struct. */
MUST enum rc encode_text(struct request *r, const struct field *fields, const void *in,
                         enum schema_secrets how, const char **ret, struct err *err);

/* view.c: records as JSON */
void view_error(struct json_writer *w, const char *key, const char *stored);
void view_raw(struct json_writer *w, const char *key, const char *json);
void view_job(struct request *r, const struct job *j);
void view_page_end(struct json_writer *w, int64_t next);
void view_order(struct request *r, const struct order *o);
/* "cert_name": what the certificate is called, null when it is gone. */
void view_cert_name(struct request *r, int64_t cert_id);
/* "subject_name": what "cert/12", "target/3" ... is called; null when it is gone. */
void view_subject_name(struct request *r, const char *subject);
MUST enum rc view_cert(struct request *r, const struct cert *c, bool detail, struct err *err);
MUST enum rc view_binding(struct request *r, const struct binding *b, struct err *err);
MUST enum rc view_job_answer(struct request *r, int64_t id, struct err *err); /* {"job":..} */
MUST enum rc cert_state(struct request *r, const struct cert *c, enum cert_health *ret,
                        struct err *err);

/* certs_input.c */
struct cert_in {
    struct str_list names;
    const char *name, *ca, *key;
    bool request;
    int64_t revision;
};
struct policy_in {
    int64_t validity, renew_before;
    const char *on_failure, *profile;
    bool allow_loss, auto_renew;
};
extern const struct field cert_fields[], policy_fields[];

/* import.c */
extern const struct field cert_import_fields[];
struct import_in {
    const char *pem, *name, *password;
};
MUST enum rc cert_from_input(struct request *r, const struct cert_in *in, struct cert *c,
                             struct err *err);

http_handler api_handle;
int http_status(enum rc rc);

#endif
