/*
 * The kinds of connectors. Every connector is one const ops struct at the end of its own file and
 * one line in its kind's .def; forms, CLI flags, validation, manual and contract tests follow.
 * Mandatory slots are marked M and checked at start (registry_check).
 */
#ifndef INRO_CONNECT_CONNECT_H
#define INRO_CONNECT_CONNECT_H

#include "connect/host.h"
#include "crypto/cert.h"
#include "model/types.h"

enum conn_kind {
    CONN_CA = 0,
    CONN_CHALLENGE,
    CONN_DNS,
    CONN_TARGET,
    CONN_NOTIFIER,
    CONN_BACKUP,
    CONN_KINDS
};
const char *conn_kind_name(enum conn_kind k); /* "ca", "challenge", "dns", "target",
                                               * "notifier", "backup" */

struct conn_head {
    const char *id;          /* M "acme" */
    struct l10n name, about; /* M */
    unsigned caps;
    const struct field *fields; /* M may be just FIELD_END */
    size_t settings_size;       /* M */
    /* M The 接続テスト button: cheap, no side effect. On success ret_seen (may stay empty) says in
     * both languages what was found (ctx_seen). */
    enum rc (*check)(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err);
    /* What the table cannot say: asked when settings are saved. No network. Optional. */
    enum rc (*fit)(const void *settings, struct err *err);
};

/* ---- CA ---- */
enum {
    CA_CAP_REVOKE = 1,
    CA_CAP_WILDCARD = 2,
    CA_CAP_IP = 4,
    CA_CAP_NO_PROOF = 8,
    CA_CAP_NOT_AFTER = 16,
    /* step() places the order and learns the proofs without a CSR, and says when it wants one: the
     * key is made, and saved, meanwhile. */
    CA_CAP_LATE_CSR = 32
};

enum ca_verdict {
    CA_DONE = 1, /* ret->chain_pem is set */
    CA_WAIT,     /* call again at ret->until */
    CA_PROOF,    /* present ret->proofs, then call again with order->proofs_ready */
    CA_HUMAN     /* a person must do ret->human; look again at ret->until */
};

struct proof {              /* of control over one identifier */
    const char *type;       /* "http-01", "dns-01" ... */
    const char *identifier; /* without "*." */
    bool wildcard;
    const char *token; /* checked: base64url alphabet */
    const char *value; /* key authorization, or the TXT value for dns-01 */
};

struct ca_order {
    int64_t id;
    const char *const *names; /* normalised */
    size_t name_count;
    struct str csr_der;             /* empty: not yet, with CA_CAP_LATE_CSR only; so is spki */
    struct str spki;                /* of the certificate key */
    int64_t not_after;              /* wanted; 0 = the CA's choice */
    const char *profile;            /* NULL = the CA's choice */
    const char *const *proof_types; /* what we can present, in order of preference */
    size_t proof_type_count;
    const struct json *data; /* the connector's own, from the last step; NULL at first */
    bool proofs_ready;       /* all of the last CA_PROOF are in place */
    int64_t attempt;         /* failures of this step so far */
    /* data NULL only: it was begun before and ended without a word, so that the CA may have an
     * order whose answer was lost. `others`: data of the orders that are known. */
    bool maybe_placed;
    const struct json *const *others;
    size_t other_count;
};

struct ca_step {
    enum ca_verdict verdict;
    int64_t until; /* wall clock, for CA_WAIT and CA_HUMAN */
    const struct proof *proofs;
    size_t proof_count;
    struct l10n human;
    struct str chain_pem;
    /* New value of order->data (JSON text), saved by the engine also when the step failed; NULL
     * leaves it. "" forgets the order at the CA: the next step starts a new one. */
    const char *data;
    bool ordered_now; /* a new order was placed at the CA in this step (rate ledger) */
    bool wants_csr;   /* with CA_WAIT: it cannot go on without the CSR */
};

struct ca_ops {
    struct conn_head head;
    /* Makes what the CA needs once (account); alone, idempotent; called while state is NULL, or
     * after a step failed with RC_AUTH. Saves through ctx->state_save. Optional. */
    enum rc (*setup)(struct ctx *ctx, const void *settings, const struct json *state,
                     struct err *err);
    /* M One bounded piece of the dialogue. ret is zeroed before the call. */
    enum rc (*step)(struct ctx *ctx, const void *settings, const struct json *state,
                    const struct ca_order *order, struct ca_step *ret, struct err *err);
    /* Gives up: frees what the CA holds for the order (deactivates authorizations). Optional. */
    enum rc (*abandon)(struct ctx *ctx, const void *settings, const struct json *state,
                       const struct ca_order *order, struct err *err);
    enum rc (*revoke)(struct ctx *ctx, const void *settings, const struct json *state,
                      struct str cert_der, int reason, struct err *err); /* CA_CAP_REVOKE */
    /* Suggested renewal window (ARI); RC_UNSUPPORTED when the CA has none. Optional. */
    enum rc (*renewal_info)(struct ctx *ctx, const void *settings, const struct json *state,
                            const struct cert_info *cert, int64_t *ret_start, int64_t *ret_end,
                            int64_t *ret_again, struct err *err);
    /* What CAA records call this CA (arena); none when it does not tell. Optional. */
    enum rc (*identities)(struct ctx *ctx, const void *settings, const struct json *state,
                          struct names *ret, struct err *err);
    /* PEM anchors certificates of this CA are checked against; empty = system, or unknown. */
    enum rc (*roots)(struct ctx *ctx, const void *settings, const struct json *state,
                     struct str *ret_pem, bool *ret_any_root, struct err *err);
};

/* ---- challenge solver ---- */
struct challenge_ops {
    struct conn_head head;
    const char *proof_type; /* M "http-01" */
    /* present() and cleanup() only use answer_put and answer_remove, and there is no ready(): all
     * is saved with the step that asks for the proof, and no step of its own is needed. */
    bool in_store;
    /* M Idempotent. ret_state (JSON, arena) is saved by the engine before the CA is told. */
    enum rc (*present)(struct ctx *ctx, const void *settings, const struct proof *p,
                       const char **ret_state, struct err *err);
    /* Is it visible? *ret_at: look again then, 0 = yes. Optional. */
    enum rc (*ready)(struct ctx *ctx, const void *settings, const struct proof *p,
                     const char *state, int64_t *ret_at, struct err *err);
    /* M Idempotent; absent is success; removes only what present() made. */
    enum rc (*cleanup)(struct ctx *ctx, const void *settings, const struct proof *p,
                       const char *state, struct err *err);
};

/*
 * As a certificate keeps it: {"type": "...", settings}. With secrets among them also "vault", a
 * random text: they are sealed at "challenge/<vault>/<field>" (a certificate has no number yet when
 * its challenge is read, and may change to another challenge later).
 */
#define CHALLENGE_VAULT "vault"
/* The settings alone, as JSON text. ret_place: base of its secrets' places, NULL = it has none. */
MUST enum rc challenge_kept(const struct json *kept, struct arena *a, const char **ret_settings,
                            const char **ret_place, struct err *err);

/* ---- DNS provider ---- */
struct dns_ops {
    struct conn_head head;
    enum rc (*zone_of)(struct ctx *ctx, const void *settings, const char *fqdn,
                       const char **ret_zone, struct err *err);
    enum rc (*txt_set)(struct ctx *ctx, const void *settings, const char *zone, const char *name,
                       const char *value, int64_t ttl, struct err *err);
    enum rc (*txt_clear)(struct ctx *ctx, const void *settings, const char *zone, const char *name,
                         const char *value, struct err *err);
};

/* ---- where backups go ---- */
struct backup_settings { /* first members of every type */
    struct host_settings host;
    const char *folder;
    struct secret_ref passphrase;
    int64_t every; /* seconds */
    int64_t keep;  /* files */
};
struct backup_ops {
    struct conn_head head;
    /* M file: a local path; the name appears only when the file is complete. */
    enum rc (*put)(struct ctx *ctx, const struct backup_settings *s, const char *file,
                   const char *name, struct err *err);
    /* M absent is success */
    enum rc (*remove)(struct ctx *ctx, const struct backup_settings *s, const char *name,
                      struct err *err);
    /* M The highest generation of the installation that has written here, in *ret_seen; ours is
     * left as the mark when it is higher. */
    enum rc (*mark)(struct ctx *ctx, const struct backup_settings *s, const char *installation,
                    int64_t generation, int64_t *ret_seen, struct err *err);
};

/* ---- deploy target ---- */
struct bundle { /* what is being deployed */
    const char *cert_name;
    int64_t version_id;
    const char *key_sealed; /* place "version/<id>/key" */
    struct str full_pem;    /* leaf + intermediates */
    struct str leaf_pem, chain_pem;
    const struct cert_info *leaf;
};
/* PKCS#8 PEM of the key; a grant line is written first. */
MUST enum rc bundle_key(struct ctx *ctx, const struct bundle *b, struct buf *out_secret,
                        struct err *err);

struct verify_at {    /* where the certificate must be seen after apply */
    const char *host; /* connect here: name (every address) or IP */
    int64_t port;
    const char *sni; /* NULL = the certificate's first name */
    const char *starttls;
};

struct plan_line {              /* what would change, shown before it happens */
    struct l10n what;           /* "replace file", "reload" */
    const char *object;         /* path, command ... */
    const char *before, *after; /* short, e.g. fingerprints; NULL = none */
};
struct plan {
    const struct plan_line *v;
    size_t n;
    bool unchanged; /* already in place: apply would do nothing */
};

struct target_ops {
    struct conn_head head;
    const struct field *place_fields; /* M settings of a binding */
    size_t place_size;                /* M */
    /* M no effect */
    enum rc (*plan)(struct ctx *ctx, const void *settings, const void *place,
                    const struct bundle *b, struct plan *ret, struct err *err);
    /* M Back up, stage, test, activate. ctx->receipt_save before each change it must be able to
     * undo; repeating after a crash with the saved receipt converges. On failure the engine calls
     * undo(receipt) if a receipt was saved. */
    enum rc (*apply)(struct ctx *ctx, const void *settings, const void *place,
                     const struct bundle *b, const struct json *receipt, struct err *err);
    /* M Puts back what the receipt describes and reloads. Idempotent. */
    enum rc (*undo)(struct ctx *ctx, const void *settings, const void *place,
                    const struct json *receipt, struct err *err);
    /* Removes the backups the receipt names, once a later deployment stands. `before` is the
     * receipt of the deployment before (NULL: none is known): a backup of what Inro did not put
     * there itself is the only copy and stays. Optional. */
    enum rc (*forget)(struct ctx *ctx, const void *settings, const void *place,
                      const struct json *receipt, const struct json *before, struct err *err);
    /* M Where to look after apply; n = 0: cannot be looked at (said in the plan). */
    enum rc (*endpoints)(const void *settings, const void *place, struct arena *a,
                         const struct verify_at **ret, size_t *ret_n, struct err *err);
};

/* ---- notifier ---- */
struct notice_text { /* rendered in the receiver's language by the engine */
    const char *event, *lang, *subject, *body; /* body: plain text, LF lines */
    const char *dedup_key;
    const struct json *data;
    int64_t at;
    struct str_list to; /* whom to tell instead of the channel's own; none = the channel's own */
};
struct notifier_ops {
    struct conn_head head;
    /* M ret_reply: what the service answered, for the delivery history (arena, may be NULL). */
    enum rc (*send)(struct ctx *ctx, const void *settings, const struct notice_text *n,
                    const char **ret_reply, struct err *err);
    /* M "ja" or "en": the language this channel is to be written in */
    const char *(*lang)(const void *settings);
};

/* ---- registry (built from the .def files) ---- */
const struct ca_ops *ca_find(const char *id); /* NULL when unknown */
const struct challenge_ops *challenge_find(const char *id);
const struct dns_ops *dns_find(const char *id);
const struct target_ops *target_find(const char *id);
const struct notifier_ops *notifier_find(const char *id);
const struct backup_ops *backup_find(const char *id);
size_t registry_count(enum conn_kind kind);
const struct conn_head *registry_at(enum conn_kind kind, size_t i); /* sorted by id */
const struct conn_head *registry_head(enum conn_kind kind, const char *id);
/* Mandatory slots, unique sorted ids, labels in both languages, defaults valid. At start. */
MUST enum rc registry_check(struct err *err);
/* The connector reference in Markdown: what `inro docs --lang ja` prints. */
void registry_markdown(const char *lang, struct buf *out);

#endif
