/* Opening a machine: the fake of a test, this machine, or one behind SSH. */
#include "connect/host.h"

#include <string.h>

const struct field_choice host_via_choices[] = {
    {"local", {"This machine", "本サーバー"}}, {"ssh", {"SSH", "SSH"}}, {NULL, {NULL, NULL}}};
const struct field_choice host_auth_choices[] = {{"key", {"Private key", "秘密鍵"}},
                                                 {"password", {"Password", "パスワード"}},
                                                 {NULL, {NULL, NULL}}};

enum rc host_open(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                  struct err *err)
{
    TRY(ctx_alive(ctx, err));
    if (ctx->host_open)
        return ctx->host_open(ctx, s, ret, err);
    if (s->via && strcmp(s->via, "ssh") == 0)
        return host_ssh_open(ctx, s, ret, err);
    return host_local_open(ctx, ret, err);
}

void host_close(struct host *h)
{
    if (h)
        h->ops->close(h);
}

void host_cleanup(struct host **h)
{
    host_close(*h);
}

int64_t host_exec_until(const struct host *h)
{
    int64_t most = h->exec_max > 0 ? h->exec_max : 120 * USEC_PER_SEC;
    int64_t until = clock_mono(h->ctx->clock) + most;
    return h->ctx->deadline && h->ctx->deadline < until ? h->ctx->deadline : until;
}
