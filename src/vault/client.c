/*
 * The asking side. A handle is one channel; one exchange at a time is on it. A clone remembers the
 * root it came from: when the vault process was restarted, the root is given a new channel
 * (vault_reconnect) and every clone fetches one more from it and repeats its call once.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypto/jws.h"
#include "vault/vault_priv.h"

enum { ANSWER_SEC = 60, RESTART_SEC = 10 };

struct vault {
    pthread_mutex_t lock; /* the exchange on fd */
    int fd;               /* -1 = lost */
    uint32_t next_id;
    struct vault *root;     /* of a clone */
    pthread_cond_t renewed; /* root: fd is good again (with lock) */
};

static enum rc gone(struct err *err)
{
    return FAIL(err, RC_BUSY, BLAME_US,
                MSG("vault.gone", "the vault is being restarted; the step is repeated",
                    "鍵保管プロセスを再起動中です。処理はやり直されます"));
}

static enum rc handle_create(int fd, struct vault *root, struct vault **ret, struct err *err)
{
    struct vault *v = mem_alloc(sizeof *v);
    if (!v) {
        close(fd);
        return NOMEM(err);
    }
    v->fd = fd;
    v->root = root;
    pthread_condattr_t at;
    (void)pthread_mutex_init(&v->lock, NULL);
    (void)pthread_condattr_init(&at);
    (void)pthread_condattr_setclock(&at, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&v->renewed, &at);
    (void)pthread_condattr_destroy(&at);
    *ret = v;
    return RC_OK;
}

enum rc vault_connect(int fd, struct vault **ret, struct err *err)
{
    return handle_create(fd, NULL, ret, err);
}

void vault_close(struct vault *v)
{
    if (!v)
        return;
    if (v->fd >= 0)
        close(v->fd);
    (void)pthread_cond_destroy(&v->renewed);
    (void)pthread_mutex_destroy(&v->lock);
    mem_free(v);
}

enum rc vault_reconnect(struct vault *root, int fd, struct err *err)
{
    (void)err;
    pthread_mutex_lock(&root->lock);
    if (root->fd >= 0)
        close(root->fd);
    root->fd = fd;
    (void)pthread_cond_broadcast(&root->renewed);
    pthread_mutex_unlock(&root->lock);
    return RC_OK;
}

/* The vault's own error, as it was written over there. */
static enum rc told_error(struct str payload, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    struct str text;
    struct err told;
    if (!ipc_get(payload, VT_ERROR, 0, &text) || json_parse(text, &j, NULL) != RC_OK)
        return gone(err);
    json_to_err(j, &told);
    if (told.rc == RC_OK)
        told.rc = RC_INTERNAL;
    if (err)
        *err = told;
    return told.rc;
}

/* One exchange on the open channel, with the lock held. RC_NET: the channel is lost. */
static enum rc exchange(struct vault *v, int kind, struct str payload, int pass_fd, struct buf *in,
                        struct ipc_frame *ret, struct err *err)
{
    int64_t deadline = clock_mono(clock_real()) + ANSWER_SEC * USEC_PER_SEC;
    uint32_t id = ++v->next_id;
    enum rc rc = v->fd < 0
                     ? RC_NET
                     : ipc_send(v->fd, deadline, (enum ipc_kind)kind, id, payload, pass_fd, err);
    if (rc == RC_OK)
        rc = ipc_recv(v->fd, deadline, in, ret, err);
    if (rc == RC_OK && ret->fd >= 0)
        close(ret->fd);
    if (rc == RC_OK && ret->id == id)
        return RC_OK;
    /* Lost, late or out of step: what comes next on this channel cannot be trusted. */
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    return RC_NET;
}

/* With the root's lock held: waits until the supervisor joined us to a new vault. */
static bool await_root(struct vault *root)
{
    struct timespec until;
    int e = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RESTART_SEC;
    while (root->fd < 0 && e == 0)
        e = pthread_cond_timedwait(&root->renewed, &root->lock, &until);
    return root->fd >= 0;
}

/* One more channel from the root, for a clone; -1 when there is none to be had. */
static int fetch_channel(struct vault *root)
{
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    int pair[2], fd = -1;
    pthread_mutex_lock(&root->lock);
    for (int attempt = 0; attempt < 2 && fd < 0 && await_root(root); attempt++) {
        if (ipc_pair(pair, NULL) != RC_OK)
            break;
        enum rc rc = exchange(root, IPC_CHANNEL, STR(""), pair[1], &in, &f, NULL);
        close(pair[1]);
        if (rc == RC_OK && f.kind == IPC_REPLY)
            fd = pair[0];
        else
            close(pair[0]);
    }
    pthread_mutex_unlock(&root->lock);
    return fd;
}

static bool mend(struct vault *v)
{
    if (v->fd >= 0)
        return true;
    if (!v->root)
        return await_root(v);
    v->fd = fetch_channel(v->root);
    return v->fd >= 0;
}

/* A call with its answer; `in` keeps the answer's bytes. */
enum rc vault_call(struct vault *v, int kind, struct buf *out, int pass_fd, struct buf *in,
                   struct str *ret, struct err *err)
{
    struct ipc_frame f = {0};
    TRY(buf_ok(out, err));
    pthread_mutex_lock(&v->lock);
    enum rc rc = exchange(v, kind, buf_str(out), pass_fd, in, &f, err);
    if (rc == RC_NET && mend(v))
        rc = exchange(v, kind, buf_str(out), pass_fd, in, &f, err);
    pthread_mutex_unlock(&v->lock);
    if (rc != RC_OK)
        return gone(err);
    if (f.kind != IPC_REPLY)
        return told_error(f.payload, err);
    *ret = f.payload;
    return RC_OK;
}

static enum rc call(struct vault *v, int kind, struct buf *out, struct buf *in, struct str *ret,
                    struct err *err)
{
    return vault_call(v, kind, out, -1, in, ret, err);
}

enum rc vault_clone(struct vault *v, struct vault **ret, struct err *err)
{
    struct vault *root = v->root ? v->root : v;
    int fd = fetch_channel(root);
    if (fd < 0)
        return gone(err);
    return handle_create(fd, root, ret, err);
}

#define REQUEST(name)                                                                              \
    AUTO(buf) struct buf name = BUF_SECRET(IPC_MAX_FRAME - IPC_HEADER);                            \
    AUTO(buf) struct buf in = BUF_SECRET(IPC_MAX_FRAME);                                           \
    struct str got

static void put_place(struct buf *b, enum vault_usage usage, const char *place, const char *sealed)
{
    ipc_put_i64(b, VT_USAGE, usage);
    put_text(b, VT_PLACE, place);
    put_text(b, VT_SEALED, sealed);
}

static enum rc short_answer(struct err *err)
{
    return FAIL(err, RC_INTERNAL, BLAME_US,
                MSG("vault.answer", "the vault's answer is incomplete",
                    "鍵保管プロセスの応答が不完全です"));
}

/* The answer's data into a buffer of the caller. */
static enum rc take_data(struct str got, uint8_t tag, struct buf *ret, struct err *err)
{
    struct str s;
    if (!ipc_get(got, tag, 0, &s))
        return short_answer(err);
    buf_addstr(ret, s);
    return buf_ok(ret, err);
}

static enum rc take_sealed(struct str got, struct arena *a, const char **ret, struct err *err)
{
    struct str s;
    if (!ipc_get(got, VT_SEALED, 0, &s))
        return short_answer(err);
    const char *copy = arena_str(a, s);
    if (!copy)
        return NOMEM(err);
    *ret = copy;
    return RC_OK;
}

enum rc vault_generate(struct vault *v, enum vault_usage usage, const char *place, enum key_alg alg,
                       struct arena *a, const char **ret_sealed, struct buf *ret_spki,
                       struct err *err)
{
    REQUEST(out);
    put_place(&out, usage, place, NULL);
    ipc_put_i64(&out, VT_ALG, alg);
    TRY(call(v, VC_GENERATE, &out, &in, &got, err));
    TRY(take_data(got, VT_DATA, ret_spki, err));
    return take_sealed(got, a, ret_sealed, err);
}

static void put_csr_spec(struct buf *b, const struct csr_spec *spec, int64_t flags)
{
    put_subject(b, &spec->subject);
    put_names(b, VT_DNS, spec->dns, spec->dns_count);
    put_names(b, VT_IP, spec->ips, spec->ip_count);
    ipc_put_i64(b, VT_FLAGS, flags | (spec->must_staple ? VF_MUST_STAPLE : 0));
}

enum rc vault_generate_csr(struct vault *v, const char *place, enum key_alg alg,
                           const struct csr_spec *spec, struct arena *a, const char **ret_sealed,
                           struct buf *ret_spki, struct buf *ret_der, struct err *err)
{
    REQUEST(out);
    put_place(&out, VAULT_TLS_KEY, place, NULL);
    ipc_put_i64(&out, VT_ALG, alg);
    put_csr_spec(&out, spec, VF_WITH_CSR);
    TRY(call(v, VC_GENERATE, &out, &in, &got, err));
    TRY(take_data(got, VT_DATA, ret_spki, err));
    TRY(take_data(got, VT_CSR, ret_der, err));
    return take_sealed(got, a, ret_sealed, err);
}

enum rc vault_import_key(struct vault *v, enum vault_usage usage, const char *place, struct str pem,
                         const char *password, struct arena *a, const char **ret_sealed,
                         struct buf *ret_spki, struct err *err)
{
    REQUEST(out);
    put_place(&out, usage, place, NULL);
    ipc_put(&out, VT_DATA, pem);
    put_text(&out, VT_PASSWORD, password);
    TRY(call(v, VC_IMPORT_KEY, &out, &in, &got, err));
    TRY(take_data(got, VT_DATA, ret_spki, err));
    return take_sealed(got, a, ret_sealed, err);
}

enum rc vault_seal(struct vault *v, const char *place, struct str clear, struct arena *a,
                   const char **ret_sealed, struct err *err)
{
    REQUEST(out);
    put_place(&out, VAULT_SETTING, place, NULL);
    ipc_put(&out, VT_DATA, clear);
    TRY(call(v, VC_SEAL, &out, &in, &got, err));
    return take_sealed(got, a, ret_sealed, err);
}

enum rc vault_csr(struct vault *v, const char *place, const char *sealed,
                  const struct csr_spec *spec, struct buf *ret_der, struct err *err)
{
    REQUEST(out);
    put_place(&out, VAULT_TLS_KEY, place, sealed);
    put_csr_spec(&out, spec, 0);
    TRY(call(v, VC_CSR, &out, &in, &got, err));
    return take_data(got, VT_CSR, ret_der, err);
}

enum rc vault_jwk(struct vault *v, const char *place, const char *sealed, struct buf *ret_jwk,
                  struct buf *ret_thumbprint, const char **ret_alg, struct err *err)
{
    REQUEST(out);
    int64_t alg = 0;
    put_place(&out, VAULT_ACME_KEY, place, sealed);
    TRY(call(v, VC_JWK, &out, &in, &got, err));
    TRY(take_data(got, VT_DATA, ret_jwk, err));
    TRY(take_data(got, VT_THUMBPRINT, ret_thumbprint, err));
    const char *name = ipc_get_i64(got, VT_ALG, &alg) ? jws_alg((enum key_alg)alg) : NULL;
    if (!name)
        return short_answer(err);
    *ret_alg = name;
    return RC_OK;
}

static enum rc sign(struct vault *v, int kind, enum vault_usage usage, const char *place,
                    const char *sealed, struct str input, struct buf *ret, struct err *err)
{
    REQUEST(out);
    put_place(&out, usage, place, sealed);
    ipc_put(&out, VT_DATA, input);
    TRY(call(v, kind, &out, &in, &got, err));
    return take_data(got, VT_DATA, ret, err);
}

enum rc vault_jws(struct vault *v, const char *place, const char *sealed, struct str signing_input,
                  struct buf *ret_signature, struct err *err)
{
    return sign(v, VC_JWS, VAULT_ACME_KEY, place, sealed, signing_input, ret_signature, err);
}

enum rc vault_hs256(struct vault *v, const char *place, const char *sealed,
                    struct str signing_input, struct buf *ret_signature, struct err *err)
{
    return sign(v, VC_HS256, VAULT_SETTING, place, sealed, signing_input, ret_signature, err);
}

enum rc vault_vendor_key(struct vault *v, const char *place, struct arena *a,
                         const char **ret_sealed, struct buf *ret_spki, struct err *err)
{
    REQUEST(out);
    put_place(&out, VAULT_VENDOR_KEY, place, NULL);
    TRY(call(v, VC_VENDOR_KEY, &out, &in, &got, err));
    TRY(take_data(got, VT_DATA, ret_spki, err));
    return take_sealed(got, a, ret_sealed, err);
}

enum rc vault_licence(struct vault *v, const char *place, const char *sealed, struct str body,
                      struct buf *ret_signature, struct err *err)
{
    return sign(v, VC_LICENCE, VAULT_VENDOR_KEY, place, sealed, body, ret_signature, err);
}

enum rc vault_issue(struct vault *v, const char *place, const char *sealed,
                    struct str issuer_cert_der, struct str subject_spki,
                    const struct issue_spec *spec, struct buf *ret_der, struct err *err)
{
    REQUEST(out);
    int64_t flags = (spec->ca ? VF_CA : 0) | (spec->server_auth ? VF_SERVER_AUTH : 0) |
                    (spec->client_auth ? VF_CLIENT_AUTH : 0);
    put_place(&out, VAULT_CA_KEY, place, sealed);
    ipc_put(&out, VT_CERT, issuer_cert_der);
    ipc_put(&out, VT_DATA, subject_spki);
    put_subject(&out, &spec->subject);
    put_names(&out, VT_DNS, spec->dns, spec->dns_count);
    put_names(&out, VT_IP, spec->ips, spec->ip_count);
    ipc_put_i64(&out, VT_FLAGS, flags);
    ipc_put_i64(&out, VT_PATH_LEN, spec->path_len);
    ipc_put_i64(&out, VT_NOT_BEFORE, spec->not_before);
    ipc_put_i64(&out, VT_NOT_AFTER, spec->not_after);
    put_text(&out, VT_CRL_URL, spec->crl_url);
    put_text(&out, VT_ISSUER_URL, spec->issuer_url);
    TRY(call(v, VC_ISSUE, &out, &in, &got, err));
    return take_data(got, VT_DATA, ret_der, err);
}

static void put_grant(struct buf *b, const struct vault_grant *g)
{
    ipc_put_i64(b, VT_JOB, g->job_id);
    put_text(b, VT_STEP, g->step);
    put_text(b, VT_WHO, g->subject);
}

enum rc vault_release(struct vault *v, enum vault_usage usage, const char *place,
                      const char *sealed, const struct vault_grant *grant, struct buf *out_secret,
                      struct err *err)
{
    REQUEST(out);
    put_place(&out, usage, place, sealed);
    put_grant(&out, grant);
    TRY(call(v, VC_RELEASE, &out, &in, &got, err));
    return take_data(got, VT_DATA, out_secret, err);
}

enum rc vault_export(struct vault *v, const char *place, const char *sealed,
                     enum vault_export format, struct str chain_pem, const char *name,
                     const char *password, const struct vault_grant *grant, struct buf *ret,
                     struct err *err)
{
    REQUEST(out);
    put_place(&out, VAULT_TLS_KEY, place, sealed);
    ipc_put_i64(&out, VT_ALG, format);
    ipc_put(&out, VT_DATA, chain_pem);
    put_text(&out, VT_NAME, name);
    put_text(&out, VT_PASSWORD, password);
    put_grant(&out, grant);
    TRY(call(v, VC_EXPORT, &out, &in, &got, err));
    return take_data(got, VT_DATA, ret, err);
}

enum rc vault_check(struct vault *v, enum vault_usage usage, const char *place, const char *sealed,
                    unsigned char ret_spki_sha256[32], struct err *err)
{
    REQUEST(out);
    struct str id;
    put_place(&out, usage, place, sealed);
    TRY(call(v, VC_CHECK, &out, &in, &got, err));
    if (!ipc_get(got, VT_DATA, 0, &id) || id.n != 32)
        return short_answer(err);
    memcpy(ret_spki_sha256, id.p, 32);
    return RC_OK;
}

enum rc vault_totp(struct vault *v, const char *place, const char *sealed, struct str code,
                   int64_t first, int64_t last, int64_t *ret_step, struct err *err)
{
    REQUEST(out);
    int64_t step = -1;
    put_place(&out, VAULT_SETTING, place, sealed);
    ipc_put(&out, VT_DATA, code);
    ipc_put_i64(&out, VT_NOT_BEFORE, first);
    ipc_put_i64(&out, VT_NOT_AFTER, last);
    TRY(call(v, VC_TOTP, &out, &in, &got, err));
    *ret_step = ipc_get_i64(got, VT_FLAGS, &step) ? step : -1;
    return RC_OK;
}

enum rc vault_mac(struct vault *v, const char *place, const char *sealed, struct str data,
                  unsigned char ret[32], struct err *err)
{
    AUTO(buf) struct buf sum = BUF(64);
    TRY(sign(v, VC_MAC, VAULT_SETTING, place, sealed, data, &sum, err));
    CHECK(sum.len == 32, err, RC_INTERNAL, BLAME_US,
          MSG("vault.mac", "the vault gave no proof", "保管庫が証明を返しませんでした"));
    memcpy(ret, sum.p, 32);
    return RC_OK;
}

enum rc vault_ping(struct vault *v, struct err *err)
{
    REQUEST(out);
    return call(v, VC_PING, &out, &in, &got, err);
}
