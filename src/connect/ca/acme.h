/*
 * Shared by the acme*.c files only: one step's dialogue with an ACME server (RFC 8555).
 *
 * Persistent: the account (connector state: key, kid, alg, thumbprint) and the order (order data).
 * Shared inside a process, lost at restart: directory and nonces (conn_shared).
 */
#ifndef INRO_CONNECT_CA_ACME_H
#define INRO_CONNECT_CA_ACME_H

#include "connect/connect.h"

struct acme_settings {
    const char *directory, *email, *eab_kid;
    struct secret_ref eab_hmac;
    const char *roots, *issue_roots, *preferred_chain, *profile;
    int64_t poll_min;     /* milliseconds */
    int64_t poll_timeout; /* seconds, for validation */
    bool host_pin;
};

struct acme_dir { /* arena copies */
    const char *new_nonce, *new_account, *new_order, *revoke, *renewal_info;
    bool eab_required, has_profiles, profile_listed;
    const char *terms;
    struct names caa; /* what CAA records call the CA */
};

struct acme {
    struct ctx *ctx;
    const struct acme_settings *set;
    struct url base;   /* of the directory */
    const char *key;   /* sealed; place: connector/<id>/account_key */
    const char *place; /* of the key */
    const char *kid;   /* account URL; NULL: the request carries the public key */
    const char *alg;
    const char *thumb;
    const char *jwk; /* only while the account is made */
    struct acme_dir dir;
    /* About the last refused request: HTTP status, and the problem type without its prefix. */
    int status;
    const char *problem;
};

/* ---- wire: directory, nonces, signed requests ---- */
MUST enum rc acme_begin(struct ctx *ctx, const struct acme_settings *set, const struct json *state,
                        struct acme *ret, struct err *err);
MUST enum rc acme_directory(struct acme *a, bool fresh, struct err *err);
void acme_directory_forget(struct acme *a);
MUST enum rc acme_url_check(struct acme *a, const char *url, struct err *err);
MUST enum rc acme_get(struct acme *a, const char *url, struct http_response *ret, struct err *err);
/* payload.p NULL: POST-as-GET. Signs again for every try. Any 2xx is RC_OK. */
MUST enum rc acme_post(struct acme *a, const char *url, struct str payload,
                       struct http_response *ret, struct err *err);
/* The body as a JSON object; garbage is the CA's fault. */
MUST enum rc acme_json(const struct http_response *r, struct json **ret, struct err *err);

/* ---- problems (RFC 8555 6.7) ---- */
/* Turns a refused answer into an error; fills a->status and a->problem. */
MUST enum rc acme_refused(struct acme *a, const struct http_response *r, struct err *err);
/* The problem document of an order or challenge that failed. */
MUST enum rc acme_problem_fail(struct acme *a, const struct json *problem, const char *identifier,
                               int64_t retry_at, struct err *err);
bool acme_is_problem(const struct acme *a, const char *type);

/* ---- account ---- */
MUST enum rc acme_account(struct acme *a, const struct json *state, struct err *err);

/* ---- order ---- */
enum acme_stage { ACME_AUTHZ = 0, ACME_PROOFS, ACME_POLL, ACME_FINALIZE, ACME_ISSUING, ACME_FETCH };

struct acme_authz {
    const char *url, *name; /* name NULL: not looked at yet */
    const char *challenge, *type, *token;
    bool wildcard, valid;
};

struct acme_order {
    const char *url, *finalize, *certificate;
    struct acme_authz *authz;
    size_t count;
    enum acme_stage stage;
    int64_t polls, since; /* of the stage */
    bool dead;            /* the CA has given the order up */
};

bool acme_identifiers_same(const struct ca_order *want, const struct json *list);
/* The order that the CA may have from before, free with json_free(); NULL: none is found. */
struct json *acme_lost_order(struct acme *a, const struct ca_order *want, const char **ret_url);
MUST enum rc acme_order_load(struct acme *a, const struct json *data, struct acme_order *ret,
                             struct err *err);
/* JSON text in the arena, or NULL. */
const char *acme_order_save(struct acme *a, const struct acme_order *o);
/* Looks at the authorization at i; chooses a challenge when it is pending. */
MUST enum rc acme_authz_look(struct acme *a, const struct ca_order *want, struct acme_order *o,
                             size_t i, struct err *err);
MUST enum rc acme_proofs(struct acme *a, const struct acme_order *o, struct ca_step *ret,
                         struct err *err);
MUST enum rc acme_answer(struct acme *a, struct acme_order *o, size_t i, struct err *err);
MUST enum rc acme_fetch(struct acme *a, const char *url, struct str *ret_pem, struct err *err);
bool acme_token_ok(const char *s);

/* ops */
MUST enum rc acme_step(struct ctx *ctx, const void *settings, const struct json *state,
                       const struct ca_order *order, struct ca_step *ret, struct err *err);
MUST enum rc acme_abandon(struct ctx *ctx, const void *settings, const struct json *state,
                          const struct ca_order *order, struct err *err);
MUST enum rc acme_revoke(struct ctx *ctx, const void *settings, const struct json *state,
                         struct str cert_der, int reason, struct err *err);
MUST enum rc acme_renewal_info(struct ctx *ctx, const void *settings, const struct json *state,
                               const struct cert_info *cert, int64_t *ret_start, int64_t *ret_end,
                               int64_t *ret_again, struct err *err);

#endif
