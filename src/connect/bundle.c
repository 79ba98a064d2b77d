/* The private key of what is being deployed: leaves the vault here, for one granted step. */
#include <string.h>

#include "connect/connect.h"

enum rc bundle_key(struct ctx *ctx, const struct bundle *b, struct buf *out_secret, struct err *err)
{
    char *place = arena_printf(ctx->arena, "version/%lld/key", (long long)b->version_id);
    if (!place)
        return NOMEM(err);
    TRY(vault_release(ctx->vault, VAULT_TLS_KEY, place, b->key_sealed, &ctx->grant, out_secret,
                      err));
    AUTO(key) struct key *key = NULL;
    unsigned char spki[32];
    TRY(key_from_pem(buf_str(out_secret), NULL, &key, err));
    TRY(key_spki_sha256(key, spki, err));
    CHECK(memcmp(spki, b->leaf->spki_sha256, sizeof spki) == 0, err, RC_CORRUPT, BLAME_US,
          MSG("connect.key_mismatch",
              "the stored private key does not belong to certificate {0}; nothing was changed",
              "保管中の秘密鍵が証明書 {0} と一致しません。何も変更していません"),
          b->cert_name);
    return RC_OK;
}
