/*
 * http-01 answered by our own front (RFC 8555 8.3): the answer is a row the front serves at
 * /.well-known/acme-challenge/<token>. Nothing is kept here.
 */
#include "connect/connect.h"

struct http01 {
    bool unused;
};

static const struct field fields[] = {FIELD_END};

static enum rc check(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err)
{
    (void)settings;
    TRY(ctx_alive(ctx, err));
    return SEEN(ctx, ret_seen, err,
                MSG("http01.seen", "answers are served by this server's HTTP listener",
                    "本サーバーの HTTP リスナーが応答します"));
}

static enum rc present(struct ctx *ctx, const void *settings, const struct proof *p,
                       const char **ret_state, struct err *err)
{
    (void)settings;
    TRY(ctx_alive(ctx, err));
    TRY(ctx->answer_put(ctx, p->token, p->value, err));
    *ret_state = "{}";
    return RC_OK;
}

static enum rc cleanup(struct ctx *ctx, const void *settings, const struct proof *p,
                       const char *state, struct err *err)
{
    (void)settings;
    (void)state;
    enum rc rc = ctx->answer_remove(ctx, p->token, err);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

extern const struct challenge_ops challenge_http01;
const struct challenge_ops challenge_http01 = {
    .head = {.id = "http-01",
             .name = {"HTTP-01 (built in)", "HTTP-01（内蔵）"},
             .about = {"This server answers the CA's HTTP request itself; forward "
                       "/.well-known/acme-challenge/ to it.",
                       "本サーバーが認証局のHTTP要求に応答します。"
                       "/.well-known/acme-challenge/ を転送してください。"},
             .fields = fields,
             .settings_size = sizeof(struct http01),
             .check = check},
    .proof_type = "http-01",
    .in_store = true,
    .present = present,
    .cleanup = cleanup,
};
