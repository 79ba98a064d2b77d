/* Inside of the vault room: the messages (see net/ipc.h) and the table of operations. */
#ifndef INRO_VAULT_VAULT_PRIV_H
#define INRO_VAULT_VAULT_PRIV_H

#include "crypto/keyring.h"
#include "net/ipc.h"
#include "vault/vault.h"

/* The kind of a request frame; the numbers are part of the protocol. */
enum vault_call {
    VC_PING = IPC_VAULT_FIRST,
    VC_GENERATE,
    VC_IMPORT_KEY,
    VC_SEAL,
    VC_CSR,
    VC_JWK,
    VC_JWS,
    VC_HS256,
    VC_ISSUE,
    VC_RELEASE,
    VC_CHECK,
    VC_TOTP,
    VC_MAC,
    VC_EXPORT,
    VC_STATUS,
    VC_UNSEAL,
    VC_WRAP,
    VC_RESEAL,
    VC_RING_ADD,
    VC_RING_DROP,
    VC_RING_PASSPHRASE,
    VC_RING_COMMIT,
    VC_VENDOR_KEY,
    VC_LICENCE,
    VC_END
};

/* Fields of requests and answers; IPC_ERROR carries its error as JSON in VT_ERROR. */
enum vault_tag {
    VT_ERROR = 1,
    VT_USAGE,
    VT_PLACE,
    VT_SEALED,
    VT_ALG,
    VT_DATA,
    VT_PASSWORD,
    VT_CERT,
    VT_THUMBPRINT,
    VT_DNS,
    VT_IP,
    VT_FLAGS,
    VT_NOT_BEFORE,
    VT_NOT_AFTER,
    VT_PATH_LEN,
    VT_CRL_URL,
    VT_ISSUER_URL,
    VT_JOB,
    VT_STEP,
    VT_WHO,
    VT_NAME,
    VT_CSR,
    VT_SUBJECT = 32 /* and the five after it, in the order of struct subject */
};

enum {
    VF_MUST_STAPLE = 1,
    VF_CA = 2,
    VF_SERVER_AUTH = 4,
    VF_CLIENT_AUTH = 8,
    VF_SEALED = 16,
    VF_PASSPHRASE = 32,
    VF_WITH_CSR = 64
};

/* Shared by both ends (message.c). */
void put_text(struct buf *b, uint8_t tag, const char *s); /* NULL = absent */
void put_subject(struct buf *b, const struct subject *s);
void put_names(struct buf *b, uint8_t tag, const char *const *v, size_t n);
/* NULL when absent; *bad is set when it holds a NUL or there is no memory. */
const char *get_text(struct str payload, uint8_t tag, size_t nth, struct arena *a, bool *bad);
void get_subject(struct str payload, struct arena *a, struct subject *ret, bool *bad);
const char *const *get_names(struct str payload, uint8_t tag, struct arena *a, size_t *ret_n,
                             bool *bad);

/* One request being answered. */
struct vault_req {
    struct vault_server *server;
    struct str payload;
    struct arena *a;
    struct buf *out; /* the answer's payload, a secret buffer */
    enum vault_usage usage;
    const char *place;  /* never NULL where the row says it needs one */
    const char *sealed; /* base64 text or NULL */
    int fd;             /* a descriptor that came with the request, or -1 */
};

struct vault_op {
    enum rc (*run)(struct vault_req *q, struct err *err);
    bool sealing_too; /* a channel that may not release may ask this */
    bool needs_place;
    unsigned usages; /* bit per enum vault_usage it is for; 0 = any */
    unsigned ring;   /* RING_... */
};

enum {
    RING_READ = 0, /* needs the master key */
    RING_ANY = 1,  /* works while sealed */
    RING_WRITE = 2 /* alone: changes what vault_rings() holds */
};

const struct vault_op *vault_op_find(int kind); /* NULL when unknown */

/* server.c */
struct rings {
    struct keyring *ring;    /* NULL: sealed */
    struct keyring *pending; /* its text is being written to the disk */
    struct buf file;         /* the key file as it was read at the start */
    struct err why;          /* of being sealed */
};
struct rings *vault_rings(struct vault_server *s); /* under the lock the op's row asks for */
MUST enum rc vault_sealed(const struct rings *r, struct err *err); /* the refusal */

/* ops.c, shared with ring_ops.c */
const char *vault_usage_name(enum vault_usage u); /* "tls-key" ...; NULL when unknown */
MUST enum rc vault_open_sealed(struct vault_req *q, enum vault_usage usage, const char *place,
                               struct buf *out_secret, struct err *err);
MUST enum rc vault_seal_again(struct vault_req *q, enum vault_usage usage, const char *place,
                              struct str clear, struct err *err);
struct str vault_data(const struct vault_req *q);

/* ring_ops.c */
typedef enum rc vault_run(struct vault_req *q, struct err *err);
vault_run op_status, op_unseal, op_wrap, op_reseal, op_ring_add, op_ring_drop, op_ring_passphrase,
    op_ring_commit;

/* client.c: one call with an optional descriptor; `in` keeps the answer's bytes. */
struct vault;
MUST enum rc vault_call(struct vault *v, int kind, struct buf *out, int pass_fd, struct buf *in,
                        struct str *ret, struct err *err);
/* The grant line, durable when this returns. */
MUST enum rc vault_grant_write(struct vault_req *q, struct err *err);
/* Opened keys that sign often (ACME accounts) are kept for a while; see keycache.c. */
struct key_cache;
struct key_cache *vault_key_cache(struct vault_server *s);

#endif
