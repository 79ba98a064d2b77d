/*
 * The few things every connector asks of its context. Holds no state: what is asked is read from
 * the context each time.
 */
#include "connect/ctx.h"

enum rc ctx_alive(const struct ctx *ctx, struct err *err)
{
    CHECK(!ctx->cancel || !atomic_load(ctx->cancel), err, RC_CANCELLED, BLAME_US,
          MSG("connect.cancelled", "stopped on request; the step will be continued later",
              "要求により中断しました。この手順は後で再開されます"));
    CHECK(ctx->deadline == 0 || clock_mono(ctx->clock) < ctx->deadline, err, RC_TIMEOUT,
          BLAME_NETWORK,
          MSG("connect.late", "the time allowed for this step is over; it will be tried again",
              "この手順の制限時間を超えました。後で再試行されます"));
    return RC_OK;
}

enum rc field_fault(struct err *err, const char *field, enum rc rc)
{
    err_field(err, field);
    return rc;
}

char *ctx_place(const struct ctx *ctx, const char *field)
{
    if (ctx->place_base)
        return arena_printf(ctx->arena, "%s/%s", ctx->place_base, field);
    return arena_printf(ctx->arena, "connector/%lld/%s", (long long)ctx->connector_id, field);
}

enum rc ctx_secret(struct ctx *ctx, const char *field, struct secret_ref ref,
                   struct buf *out_secret, struct err *err)
{
    if (!ref.sealed)
        return field_fault(err, field,
                           FAIL(err, RC_INPUT, BLAME_INPUT,
                                MSG("connect.no_secret", "{0} is not set; enter it in the settings",
                                    "{0} が設定されていません。設定画面で入力してください"),
                                field));
    const char *place = ctx_place(ctx, field);
    if (!place)
        return NOMEM(err);
    return vault_release(ctx->vault, VAULT_SETTING, place, ref.sealed, &ctx->grant, out_secret,
                         err);
}

enum rc ctx_seen(const struct ctx *ctx, struct l10n *ret, const struct msg *m,
                 const char *const *args, struct err *err)
{
    char en[1024], ja[1024];
    msg_render(m, "en", args, en, sizeof en);
    msg_render(m, "ja", args, ja, sizeof ja);
    struct l10n l = {arena_strdup(ctx->arena, en), arena_strdup(ctx->arena, ja)};
    if (!l.en || !l.ja)
        return NOMEM(err);
    *ret = l;
    return RC_OK;
}
