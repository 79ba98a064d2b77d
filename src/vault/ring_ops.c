/*
 * Operations on the master keys. Invariants: a wrong passphrase changes nothing; what is sealed
 * under a new key can be opened after a kill at any moment, because the key file that holds the
 * key is durable before the key is taken into use.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/os/file.h"
#include "codec/json.h"
#include "vault/vault_priv.h"

enum { SECRET_MAX = 128 * 1024, WHY_MAX = 8192 };

enum rc op_status(struct vault_req *q, struct err *err)
{
    struct rings *r = vault_rings(q->server);
    AUTO(buf) struct buf id = BUF(64);
    AUTO(buf) struct buf why = BUF(WHY_MAX);
    struct json_writer w = JSON_WRITER(&why);
    bool has = r->ring ? keyring_has_passphrase(r->ring)
                       : master_key_file_needs_passphrase(buf_str(&r->file));
    ipc_put_i64(q->out, VT_FLAGS, (r->ring ? 0 : VF_SEALED) | (has ? VF_PASSPHRASE : 0));
    ipc_put_i64(q->out, VT_ALG, r->ring ? (int64_t)keyring_count(r->ring) : 0);
    if (r->ring) {
        hex_add(&id, master_key_id(keyring_first(r->ring)), 8);
        ipc_put(q->out, VT_DATA, buf_str(&id));
        return buf_ok(&id, err);
    }
    jw_err(&w, &r->why);
    ipc_put(q->out, VT_ERROR, buf_str(&why));
    return buf_ok(&why, err);
}

static const char *text_or_null(struct vault_req *q, uint8_t tag, bool *bad)
{
    return get_text(q->payload, tag, 0, q->a, bad);
}

enum rc op_unseal(struct vault_req *q, struct err *err)
{
    struct rings *r = vault_rings(q->server);
    bool bad = false;
    const char *passphrase = text_or_null(q, VT_PASSWORD, &bad);
    if (bad)
        return NOMEM(err);
    if (r->ring)
        return RC_OK;
    if (r->file.len == 0) {
        if (err)
            *err = r->why;
        return r->why.rc;
    }
    return keyring_load(buf_str(&r->file), passphrase, &r->ring, err);
}

enum rc op_wrap(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf pass = BUF_SECRET(SECRET_MAX);
    AUTO(buf) struct buf text = BUF_SECRET(KEYRING_FILE_MAX);
    const struct keyring *ring = vault_rings(q->server)->ring;
    TRY(vault_open_sealed(q, VAULT_SETTING, q->place, &pass, err));
    /* every key: the copy of the store may hold values under an older one */
    for (size_t i = 0; i < keyring_count(ring); i++)
        TRY(keyring_wrap(ring, i, buf_cstr(&pass), &text, err));
    TRY(buf_ok(&text, err));
    TRY(vault_grant_write(q, err));
    ipc_put(q->out, VT_DATA, buf_str(&text));
    return RC_OK;
}

/* One candidate: "usage:place". */
static enum rc try_place(struct vault_req *q, const char *candidate, struct err *err)
{
    AUTO(buf) struct buf clear = BUF_SECRET(SECRET_MAX);
    for (int u = VAULT_TLS_KEY; vault_usage_name((enum vault_usage)u); u++) {
        const char *name = vault_usage_name((enum vault_usage)u);
        size_t n = strlen(name);
        if (strncmp(candidate, name, n) != 0 || candidate[n] != ':')
            continue;
        const char *place = candidate + n + 1;
        TRY(vault_open_sealed(q, (enum vault_usage)u, place, &clear, err));
        return vault_seal_again(q, (enum vault_usage)u, place, buf_str(&clear), err);
    }
    return FAIL(err, RC_INPUT, BLAME_US,
                MSG("vault.usage", "unknown usage of a sealed value", "封印の用途が不明です"));
}

enum rc op_reseal(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf blob = BUF(2 * SECRET_MAX);
    size_t n = 0;
    bool bad = false;
    const char *const *all = get_names(q->payload, VT_DNS, q->a, &n, &bad);
    if (bad)
        return NOMEM(err);
    if (q->sealed && base64_decode(str_from(q->sealed), &blob) &&
        keyring_is_current(vault_rings(q->server)->ring, buf_str(&blob))) {
        put_text(q->out, VT_SEALED, q->sealed);
        return RC_OK;
    }
    enum rc rc = RC_CORRUPT;
    for (size_t i = 0; i < n && rc == RC_CORRUPT; i++)
        rc = try_place(q, all[i], err);
    if (n == 0)
        return FAIL(err, RC_CORRUPT, BLAME_US,
                    MSG("vault.no_place", "nothing says where a sealed value belongs",
                        "封印された値の置き場所が分かりません"));
    return rc;
}

/* The pending ring's file, durable in the descriptor the caller sent; rc: of what made it. */
static enum rc write_pending(struct vault_req *q, enum rc rc, struct err *err)
{
    AUTO(buf) struct buf text = BUF_SECRET(KEYRING_FILE_MAX);
    struct rings *r = vault_rings(q->server);
    if (rc == RC_OK) {
        keyring_text(r->pending, &text);
        rc = buf_ok(&text, err);
    }
    if (rc == RC_OK && q->fd < 0)
        rc = FAIL(err, RC_INPUT, BLAME_US,
                  MSG("vault.no_fd", "no file came with the request",
                      "要求にファイルが添えられていません"));
    if (rc == RC_OK)
        rc = fd_write_all(q->fd, text.p, text.len, err);
    if (rc == RC_OK && fsync(q->fd) != 0)
        rc = file_fail(err, "master.key", errno);
    if (rc != RC_OK) {
        keyring_destroy(r->pending);
        r->pending = NULL;
    }
    return rc;
}

static enum rc begin(struct vault_req *q, struct err *err)
{
    struct rings *r = vault_rings(q->server);
    keyring_destroy(r->pending);
    r->pending = NULL;
    return keyring_copy(r->ring, &r->pending, err);
}

enum rc op_ring_add(struct vault_req *q, struct err *err)
{
    bool bad = false;
    const char *now = text_or_null(q, VT_PASSWORD, &bad);
    if (bad)
        return NOMEM(err);
    TRY(begin(q, err));
    return write_pending(q, keyring_add(vault_rings(q->server)->pending, now, err), err);
}

enum rc op_ring_drop(struct vault_req *q, struct err *err)
{
    TRY(begin(q, err));
    keyring_drop_old(vault_rings(q->server)->pending);
    return write_pending(q, RC_OK, err);
}

enum rc op_ring_passphrase(struct vault_req *q, struct err *err)
{
    bool bad = false;
    const char *now = text_or_null(q, VT_PASSWORD, &bad);
    const char *next = text_or_null(q, VT_WHO, &bad);
    if (bad)
        return NOMEM(err);
    TRY(begin(q, err));
    return write_pending(q, keyring_passphrase(vault_rings(q->server)->pending, now, next, err),
                         err);
}

enum rc op_ring_commit(struct vault_req *q, struct err *err)
{
    struct rings *r = vault_rings(q->server);
    CHECK(r->pending, err, RC_CONFLICT, BLAME_US,
          MSG("vault.no_pending", "there is no change of the master key under way",
              "マスター鍵の変更は行われていません"));
    keyring_destroy(r->ring);
    r->ring = r->pending;
    r->pending = NULL;
    buf_clear(&r->file);
    keyring_text(r->ring, &r->file);
    return buf_ok(&r->file, err);
}
