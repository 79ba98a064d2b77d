/*
 * What a connector is handed for one step: its only way to reach the world. Built by the engine
 * (or a test), valid for the call. Connectors keep nothing between calls except through the ports
 * below, and never start threads.
 */
#ifndef INRO_CONNECT_CTX_H
#define INRO_CONNECT_CTX_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "codec/schema.h"
#include "net/http_client.h"
#include "net/smtp.h"
#include "net/ssh.h"
#include "net/tls_probe.h"
#include "vault/vault.h"

/*
 * Shared by all steps of one configured connector inside one worker process: directory, nonces,
 * thumbprint. data belongs to the connector type; only touched under lock; lost at restart.
 */
struct conn_shared {
    pthread_mutex_t lock;
    void *data;
    void (*destroy)(void *data);
};

struct host;
struct proc_result;
struct host_settings;

struct ctx {
    struct arena *arena;
    const struct clock *clock;
    int64_t deadline; /* clock_mono microseconds, for the whole step */
    const atomic_bool *cancel;
    const struct egress_policy *egress;

    int64_t connector_id; /* 0 while it is only being checked before it is saved */
    const char *connector_name;
    const char *place_base;     /* of secrets that are no connector's; NULL = the connector's */
    struct conn_shared *shared; /* never NULL */

    struct vault *vault;
    struct vault_grant grant; /* named in the grant log when a secret is released */

    /* HTTPS with the given trust (empty = system); connections are kept by the engine's thread. */
    enum rc (*http)(struct ctx *ctx, struct str roots_pem, const struct http_request *req,
                    struct http_response *ret, struct err *err);
    /* NULL = this machine or SSH; tests put a fake host here (connect/host.h). */
    enum rc (*host_open)(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                         struct err *err);
    /* NULL = smtp_send(). */
    enum rc (*smtp)(struct ctx *ctx, const struct smtp_mail *m, const char **ret_reply,
                    struct err *err);
    /* A command on this machine; NULL = proc_run() in this process. */
    enum rc (*run)(struct ctx *ctx, const char *const argv[], int64_t timeout_usec, struct buf *out,
                   struct proc_result *ret, struct err *err);
    enum rc (*probe)(struct ctx *ctx, const struct tls_probe *p, struct tls_seen *ret,
                     struct err *err);
    /* HTTP-01 answers served by our front: from the end of the step on, saved together with it. */
    enum rc (*answer_put)(struct ctx *ctx, const char *token, const char *key_auth,
                          struct err *err);
    enum rc (*answer_remove)(struct ctx *ctx, const char *token, struct err *err);
    /* Saves JSON the connector owns for itself (ACME account). Durable on return. */
    enum rc (*state_save)(struct ctx *ctx, const char *state_json, struct err *err);
    /* Target steps: saves the receipt. Durable on return; call before each change it describes. */
    enum rc (*receipt_save)(struct ctx *ctx, const char *receipt_json, struct err *err);
    /* Live text, shown while the step runs. */
    void (*activity)(struct ctx *ctx, const struct msg *m, const char *const *args);
    void *engine; /* the engine's own */
};

#define ACTIVITY(ctx, m, ...)                                                                      \
    ((ctx)->activity                                                                               \
         ? (ctx)->activity((ctx), (m), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})     \
         : (void)0)

/* What a check found, in both languages: return SEEN(ctx, ret_seen, err, MSG(...), args...). */
MUST enum rc ctx_seen(const struct ctx *ctx, struct l10n *ret, const struct msg *m,
                      const char *const *args, struct err *err);
#define SEEN(ctx, ret, err, m, ...)                                                                \
    ctx_seen((ctx), (ret), (m), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, (err))
/* Fails with RC_CANCELLED or RC_TIMEOUT when asked to stop or late. */
MUST enum rc ctx_alive(const struct ctx *ctx, struct err *err);
/* return field_fault(err, "host", FAIL(...)); names the setting at fault. */
MUST enum rc field_fault(struct err *err, const char *field, enum rc rc);
/* The clear text of a secret setting: at ctx_place(). A grant line is written. */
MUST enum rc ctx_secret(struct ctx *ctx, const char *field, struct secret_ref ref,
                        struct buf *out_secret, struct err *err);
/* "connector/<id>/<field>" or "<place_base>/<field>", the place of a setting in the vault. */
MUST char *ctx_place(const struct ctx *ctx, const char *field);

#endif
