/*
 * The vault: the only process that holds the master key and opens what is sealed. Clients (front,
 * worker) hold sealed blobs and ask. A blob names its usage and place in its associated data:
 *
 *     aad = usage ":" place        place = "version/12/key", "connector/3/password" ...
 *
 * Usages and what may be done with them:
 *     tls-key     generate, csr, sign nothing else, release (for a granted deploy step)
 *     acme-key    generate, jws            never released
 *     ca-key      generate, issue          never released
 *     setting     seal, hmac (EAB), release (for a granted step)
 *     vendor-key  generate (Ed25519), licence: signs licences and changes of key; never released
 *
 * Release: before a clear secret leaves, a grant line (who, job, step, place, time) is appended to
 * the grant log and fdatasync'ed by the vault itself; no line, no secret. The front's channels can
 * seal but never release.
 *
 * The same functions work in one process for tests (vault_local). All calls block.
 */
#ifndef INRO_VAULT_VAULT_H
#define INRO_VAULT_VAULT_H

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/csr.h"
#include "crypto/issue.h"
#include "crypto/key.h"

struct vault; /* client handle; one per thread */

enum vault_usage {
    VAULT_TLS_KEY = 1,
    VAULT_ACME_KEY,
    VAULT_CA_KEY,
    VAULT_SETTING,
    VAULT_VENDOR_KEY
};

/* fd: a channel to the vault process (owned by the handle afterwards). */
MUST enum rc vault_connect(int fd, struct vault **ret, struct err *err);
/* One more channel for another thread. */
MUST enum rc vault_clone(struct vault *v, struct vault **ret, struct err *err);
/* After the vault process was restarted: a new channel for the handle all clones came from. Clones
 * notice a closed channel, take a new one from it and repeat the call once. Any thread. */
MUST enum rc vault_reconnect(struct vault *root, int fd, struct err *err);
void vault_close(struct vault *v);

/* sealed is base64 text (arena). */
MUST enum rc vault_generate(struct vault *v, enum vault_usage usage, const char *place,
                            enum key_alg alg, struct arena *a, const char **ret_sealed,
                            struct buf *ret_spki, struct err *err);
/* A tls-key, and its CSR in the same breath. */
MUST enum rc vault_generate_csr(struct vault *v, const char *place, enum key_alg alg,
                                const struct csr_spec *spec, struct arena *a,
                                const char **ret_sealed, struct buf *ret_spki, struct buf *ret_der,
                                struct err *err);
/* A key or secret from outside. For keys `clear` is PEM (password may be NULL). */
MUST enum rc vault_import_key(struct vault *v, enum vault_usage usage, const char *place,
                              struct str pem, const char *password, struct arena *a,
                              const char **ret_sealed, struct buf *ret_spki, struct err *err);
MUST enum rc vault_seal(struct vault *v, const char *place, struct str clear, struct arena *a,
                        const char **ret_sealed, struct err *err);
MUST enum rc vault_csr(struct vault *v, const char *place, const char *sealed,
                       const struct csr_spec *spec, struct buf *ret_der, struct err *err);
/* ACME: public JWK, its thumbprint, and the signature over protected.payload (base64url text). */
MUST enum rc vault_jwk(struct vault *v, const char *place, const char *sealed, struct buf *ret_jwk,
                       struct buf *ret_thumbprint, const char **ret_alg, struct err *err);
MUST enum rc vault_jws(struct vault *v, const char *place, const char *sealed,
                       struct str signing_input, struct buf *ret_signature, struct err *err);
/* place/sealed of a SETTING that holds the base64url HMAC key. */
MUST enum rc vault_hs256(struct vault *v, const char *place, const char *sealed,
                         struct str signing_input, struct buf *ret_signature, struct err *err);
/* The vendor's desk, which is the front's: a key, and a signature (64 bytes) over the body of a
 * licence. What is neither a licence (crypto/licence.h) nor a change of the key
 * (crypto/succession.h) is not signed. */
MUST enum rc vault_vendor_key(struct vault *v, const char *place, struct arena *a,
                              const char **ret_sealed, struct buf *ret_spki, struct err *err);
MUST enum rc vault_licence(struct vault *v, const char *place, const char *sealed, struct str body,
                           struct buf *ret_signature, struct err *err);
/* Private CA: issue for an SPKI; issuer_cert empty = self-signed root. */
MUST enum rc vault_issue(struct vault *v, const char *place, const char *sealed,
                         struct str issuer_cert_der, struct str subject_spki,
                         const struct issue_spec *spec, struct buf *ret_der, struct err *err);

struct vault_grant {
    int64_t job_id;
    const char *step;    /* "deploy.apply" */
    const char *subject; /* "target web1" */
};
/* Clear text of a tls-key (PKCS#8 PEM) or setting, into a secret buffer. */
MUST enum rc vault_release(struct vault *v, enum vault_usage usage, const char *place,
                           const char *sealed, const struct vault_grant *grant,
                           struct buf *out_secret, struct err *err);
/*
 * A tls-key with its chain (PEM, leaf first) as a file sealed under the owner's password: the clear
 * key never leaves the vault. Also for channels that may not release. The grant line names who
 * asked (job_id 0).
 */
enum vault_export { VAULT_EXPORT_PKCS12 = 1, VAULT_EXPORT_JKS, VAULT_EXPORT_PEM };
MUST enum rc vault_export(struct vault *v, const char *place, const char *sealed,
                          enum vault_export format, struct str chain_pem, const char *name,
                          const char *password, const struct vault_grant *grant, struct buf *out,
                          struct err *err);
/* True when every byte of the blob authenticates (integrity check; nothing is returned). */
MUST enum rc vault_check(struct vault *v, enum vault_usage usage, const char *place,
                         const char *sealed, unsigned char ret_spki_sha256[32], struct err *err);
/* A one-time code (RFC 6238, SHA-1, 6 digits) against the SETTING at "user/<id>/totp" (base64url
 * text), for the time steps first..last (at most 5): *ret_step is the one it belongs to, or -1. */
MUST enum rc vault_totp(struct vault *v, const char *place, const char *sealed, struct str code,
                        int64_t first, int64_t last, int64_t *ret_step, struct err *err);
/* HMAC-SHA-256 with the SETTING at "audit/..." (base64url text): proves the head of the audit log.
 */
MUST enum rc vault_mac(struct vault *v, const char *place, const char *sealed, struct str data,
                       unsigned char ret[32], struct err *err);
MUST enum rc vault_ping(struct vault *v, struct err *err);

/*
 * The master key. Without it (passphrase not given, file missing or damaged) the vault is sealed:
 * everything above but vault_ping() answers RC_BUSY "vault.sealed", with a time to try again.
 */
struct vault_status {
    bool sealed, has_passphrase;
    int64_t keys;    /* more than 1 while a rotation is under way */
    char key_id[17]; /* of the key that seals; hex, public */
    struct err why;  /* of being sealed */
};
MUST enum rc vault_status_get(struct vault *v, struct vault_status *ret, struct err *err);
MUST enum rc vault_unseal(struct vault *v, struct str passphrase, struct err *err);
/* The key file under another passphrase, which is the SETTING at place: for a backup. Grant line.
 * Not on the front's channel. */
MUST enum rc vault_wrap(struct vault *v, const char *place, const char *sealed,
                        const struct vault_grant *grant, struct buf *ret_file, struct err *err);
/*
 * Changes of the key file in two steps: the vault writes the new file into fd (new, empty, 0600)
 * and syncs it; when the caller has renamed it into place, vault_ring_commit() takes it into use.
 */
enum ring_change {
    RING_ADD_KEY,    /* a new key in front; now: the file's passphrase, NULL for none */
    RING_DROP_OLD,   /* only the first key stays; not on the front's channel */
    RING_PASSPHRASE, /* now -> next; a NULL `now` says that there is none */
};
MUST enum rc vault_ring_change(struct vault *v, enum ring_change what, const char *now,
                               const char *next, int fd, struct err *err);
MUST enum rc vault_ring_commit(struct vault *v, struct err *err);
/* A sealed text under the present master key; the usage and place are found by trying those given
 * ("setting:connector/3/password"). *ret is the same text when nothing had to be done. */
MUST enum rc vault_reseal(struct vault *v, const char *sealed, const char *const *candidates,
                          size_t n, struct arena *a, const char **ret, struct err *err);

/* Server side: answers on a channel until it closes. Used by the vault role and by tests. */
struct master_key;
struct vault_server;
struct vault_server_options {
    struct master_key *master; /* taken over; NULL: from the key file */
    struct str key_file;       /* content; when it cannot be opened the server starts sealed */
    const char *passphrase;    /* of the key file, or NULL */
    const struct err *why;     /* key_file could not be read */
    int grant_log_fd;          /* O_APPEND; -1 refuses every release */
};
MUST enum rc vault_server_create(const struct vault_server_options *o, struct vault_server **ret,
                                 struct err *err);
const struct err *vault_server_why(const struct vault_server *s); /* why sealed; NULL = it is not */
/* Starts a thread for the channel. may_release: false for the front. fd is taken over. */
MUST enum rc vault_server_add(struct vault_server *s, int fd, bool may_release, struct err *err);
void vault_server_destroy(struct vault_server *s); /* closes channels, joins threads */
/* In-process client (tests, offline tools). */
MUST enum rc vault_local(struct vault_server *s, bool may_release, struct vault **ret,
                         struct err *err);

#endif
