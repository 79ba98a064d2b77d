/* The asking side of the operations on the master keys. */
#include <stdio.h>

#include "codec/json.h"
#include "vault/vault_priv.h"

#define REQUEST(name)                                                                              \
    AUTO(buf) struct buf name = BUF_SECRET(IPC_MAX_FRAME - IPC_HEADER);                            \
    AUTO(buf) struct buf in = BUF_SECRET(IPC_MAX_FRAME);                                           \
    struct str got

static enum rc incomplete(struct err *err)
{
    return FAIL(err, RC_INTERNAL, BLAME_US,
                MSG("vault.answer", "the vault's answer is incomplete",
                    "鍵保管プロセスの応答が不完全です"));
}

enum rc vault_status_get(struct vault *v, struct vault_status *ret, struct err *err)
{
    REQUEST(out);
    AUTO(json) struct json *why = NULL;
    struct vault_status st = {0};
    struct str text;
    int64_t flags = 0;
    TRY(vault_call(v, VC_STATUS, &out, -1, &in, &got, err));
    if (!ipc_get_i64(got, VT_FLAGS, &flags) || !ipc_get_i64(got, VT_ALG, &st.keys))
        return incomplete(err);
    st.sealed = flags & VF_SEALED;
    st.has_passphrase = flags & VF_PASSPHRASE;
    if (ipc_get(got, VT_DATA, 0, &text))
        (void)snprintf(st.key_id, sizeof st.key_id, "%.*s", (int)text.n, text.p);
    if (ipc_get(got, VT_ERROR, 0, &text) && json_parse(text, &why, NULL) == RC_OK)
        json_to_err(why, &st.why);
    *ret = st;
    return RC_OK;
}

enum rc vault_unseal(struct vault *v, struct str passphrase, struct err *err)
{
    REQUEST(out);
    ipc_put(&out, VT_PASSWORD, passphrase);
    return vault_call(v, VC_UNSEAL, &out, -1, &in, &got, err);
}

enum rc vault_wrap(struct vault *v, const char *place, const char *sealed,
                   const struct vault_grant *grant, struct buf *ret_file, struct err *err)
{
    REQUEST(out);
    struct str text;
    put_text(&out, VT_PLACE, place);
    put_text(&out, VT_SEALED, sealed);
    ipc_put_i64(&out, VT_JOB, grant->job_id);
    put_text(&out, VT_STEP, grant->step);
    put_text(&out, VT_WHO, grant->subject);
    TRY(vault_call(v, VC_WRAP, &out, -1, &in, &got, err));
    if (!ipc_get(got, VT_DATA, 0, &text))
        return incomplete(err);
    buf_addstr(ret_file, text);
    return buf_ok(ret_file, err);
}

enum rc vault_ring_change(struct vault *v, enum ring_change what, const char *now, const char *next,
                          int fd, struct err *err)
{
    static const int kinds[] = {VC_RING_ADD, VC_RING_DROP, VC_RING_PASSPHRASE};
    REQUEST(out);
    put_text(&out, VT_PASSWORD, now);
    put_text(&out, VT_WHO, next);
    return vault_call(v, kinds[what], &out, fd, &in, &got, err);
}

enum rc vault_ring_commit(struct vault *v, struct err *err)
{
    REQUEST(out);
    return vault_call(v, VC_RING_COMMIT, &out, -1, &in, &got, err);
}

enum rc vault_reseal(struct vault *v, const char *sealed, const char *const *candidates, size_t n,
                     struct arena *a, const char **ret, struct err *err)
{
    REQUEST(out);
    struct str text;
    put_text(&out, VT_SEALED, sealed);
    put_names(&out, VT_DNS, candidates, n);
    TRY(vault_call(v, VC_RESEAL, &out, -1, &in, &got, err));
    if (!ipc_get(got, VT_SEALED, 0, &text))
        return incomplete(err);
    const char *copy = arena_str(a, text);
    if (!copy)
        return NOMEM(err);
    *ret = copy;
    return RC_OK;
}
