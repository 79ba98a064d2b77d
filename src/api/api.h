/*
 * The API: routes are data (method, path, permission, body fields, handler); one dispatcher
 * matches, authenticates, checks the permission, decodes the body, runs the handler and appends
 * the audit line in the same transaction. See README.md and docs/api.md.
 *
 * Create once per front process. Any pool thread may call api_handle(); it blocks (store, vault).
 */
#ifndef INRO_API_API_H
#define INRO_API_API_H

#include "net/http_server.h"
#include "store/repo.h"
#include "vault/vault.h"

struct api;

struct asset { /* one file of the GUI */
    const char *path, *type;
    const unsigned char *bytes;
    size_t size;
    const unsigned char *gz; /* NULL = not worth it */
    size_t gz_size;
    const char *etag; /* quoted */
    bool immutable;   /* the name holds a fingerprint */
};

/* Made by the build from web/dist; ends with path NULL; empty when the GUI was not built. */
extern const struct asset web_assets[];

struct api_role { /* for GET /system */
    const char *name;
    int64_t pid, restarts;
};

struct api_options {
    struct store *store;
    struct vault *vault; /* sealing only; used by one thread at a time */
    const struct clock *clock;
    const char *data; /* data directory, or NULL: nothing is kept in files */
    const char *version;
    const char *store_url;   /* shown without its password */
    const char *origin;      /* "https://host:port", NULL = from Host */
    const char *listen;      /* host:port of the GUI, as configured; or NULL */
    const char *http01;      /* of the HTTP-01 answers; "" or NULL: none */
    void (*wake)(void *ctx); /* new jobs were made; any thread; may be NULL */
    size_t (*roles)(void *ctx, struct api_role *ret, size_t max); /* may be NULL */
    void *ctx;
    const struct asset *assets; /* NULL = web_assets */
    int max_waiters;            /* long polls held at once; 0 = 2 */
    int max_streams;            /* event streams; 0 = 64 */
};

/* Fails with RC_INTERNAL when a route lacks its permission, summary or handler. All that the
 * options point at outlives the api. */
MUST enum rc api_create(const struct api_options *o, struct api **ret, struct err *err);
void api_destroy(struct api *api); /* no request may be running; NULL-safe */

http_handler api_handle;        /* ctx: struct api *; TLS and unix-socket listeners */
http_handler api_handle_http01; /* ctx: struct api *; GET /.well-known/acme-challenge/<token> */

/* {"event":"job",...}: to every event stream, and wakes long polls. Any thread. */
void api_event(struct api *api, const char *json);
/* Every 15 s, on a pool thread: keeps streams alive, ends those whose session ended. */
void api_tick(struct api *api);

/* One request without a server (tests, and api_handle itself). */
struct api_call {
    const char *method, *path; /* path decoded, without query */
    struct str body;
    struct http_peer peer;
    const char *(*header)(const void *ctx, const char *name); /* or NULL */
    const char *(*query)(const void *ctx, const char *name);
    const void *ctx;
};
struct api_answer {
    int status;
    const char *type;
    struct str body;
    const char *set_cookie; /* or NULL */
    bool stream;            /* permitted to open the event stream; no body */
    char session[65];       /* hash of the session, "" for none */
    int64_t user_id;        /* 0 = the local socket */
    int64_t token_id;       /* 0 = none */
    bool sees_all;          /* events of every group */
};
/* The answer lives in the arena. */
void api_dispatch(struct api *api, const struct api_call *call, struct arena *a,
                  struct api_answer *ret);

/* The routes, for tests, OpenAPI and help. */
enum perm {
    PERM_UNSET = 0, /* refused at start */
    PERM_PUBLIC,    /* no sign-in */
    PERM_SESSION,   /* signed in, even while the password must be changed */
    PERM_VIEW,
    PERM_OPERATE,
    PERM_ADMIN
};
struct route;
size_t api_route_count(void);
void api_route_at(size_t i, const char **ret_id, const char **ret_method, const char **ret_path,
                  enum perm *ret_perm);
/* OpenAPI 3.1 of all routes and connector settings. */
void api_openapi(const char *version, struct buf *out);

#endif
