/*
 * The account (RFC 8555 7.3): its key is made and saved before the CA hears of it, so that a lost
 * answer is repaired by asking again with the same key. EAB (7.3.4) binds it once.
 */
#include <string.h>

#include "base/base64.h"
#include "connect/ca/acme.h"

static enum rc save(struct acme *a, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "key", a->key);
    jw_kstr(&w, "alg", a->alg);
    jw_kstr(&w, "thumbprint", a->thumb);
    jw_kstr(&w, "directory", a->set->directory);
    if (a->kid)
        jw_kstr(&w, "kid", a->kid);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return a->ctx->state_save(a->ctx, buf_cstr(&b), err);
}

static enum rc key_ready(struct acme *a, const struct json *state, struct err *err)
{
    struct arena *arena = a->ctx->arena;
    /* A key is used at one CA only. */
    const char *dir = json_str_or(state, "directory", NULL);
    bool ours = a->key && dir && strcmp(dir, a->set->directory) == 0;
    AUTO(buf) struct buf spki = BUF(4096);
    if (!ours)
        TRY(vault_generate(a->ctx->vault, VAULT_ACME_KEY, a->place, KEY_EC256, arena, &a->key,
                           &spki, err));
    AUTO(buf) struct buf jwk = BUF(8192);
    AUTO(buf) struct buf thumb = BUF(256);
    TRY(vault_jwk(a->ctx->vault, a->place, a->key, &jwk, &thumb, &a->alg, err));
    a->jwk = arena_str(arena, buf_str(&jwk));
    a->thumb = arena_str(arena, buf_str(&thumb));
    a->kid = NULL;
    if (!a->jwk || !a->thumb)
        return NOMEM(err);
    return ours ? RC_OK : save(a, err);
}

static enum rc eab_add(struct acme *a, struct json_writer *w, struct err *err)
{
    AUTO(buf) struct buf head = BUF(8192);
    AUTO(buf) struct buf input = BUF(32768);
    AUTO(buf) struct buf sig = BUF(256);
    struct json_writer p = JSON_WRITER(&head);
    jw_object(&p);
    jw_kstr(&p, "alg", "HS256");
    jw_kstr(&p, "kid", a->set->eab_kid);
    jw_kstr(&p, "url", a->dir.new_account);
    jw_end_object(&p);
    TRY(buf_ok(&head, err));
    base64url_add(&input, head.p, head.len);
    size_t dot = input.len;
    buf_addc(&input, '.');
    base64url_add(&input, a->jwk, strlen(a->jwk));
    TRY(buf_ok(&input, err));
    const char *place = ctx_place(a->ctx, "eab_hmac");
    if (!place)
        return NOMEM(err);
    TRY(vault_hs256(a->ctx->vault, place, a->set->eab_hmac.sealed, buf_str(&input), &sig, err));
    jw_key(w, "externalAccountBinding");
    jw_object(w);
    jw_key(w, "protected");
    jw_strn(w, (struct str){input.p, dot});
    jw_key(w, "payload");
    jw_strn(w, (struct str){input.p + dot + 1, input.len - dot - 1});
    jw_key(w, "signature");
    jw_strn(w, buf_str(&sig));
    jw_end_object(w);
    return RC_OK;
}

static enum rc eab_check(const struct acme *a, struct err *err)
{
    bool have = a->set->eab_kid && a->set->eab_hmac.sealed;
    if (have || (!a->dir.eab_required && !a->set->eab_kid))
        return RC_OK;
    const char *field = a->set->eab_kid ? "eab_hmac" : "eab_kid";
    return field_fault(
        err, field,
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("acme.eab_missing",
                 "this CA needs external account binding; set {0} as the CA gave it",
                 "この認証局は外部アカウント連携（EAB）が必要です。認証局から発行された "
                 "{0} を設定してください"),
             field));
}

enum rc acme_account(struct acme *a, const struct json *state, struct err *err)
{
    TRY(acme_directory(a, false, err));
    TRY(eab_check(a, err));
    TRY(key_ready(a, state, err));
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kbool(&w, "termsOfServiceAgreed", true);
    if (a->set->email) {
        const char *mailto = arena_printf(a->ctx->arena, "mailto:%s", a->set->email);
        if (!mailto)
            return NOMEM(err);
        jw_key(&w, "contact");
        jw_array(&w);
        jw_str(&w, mailto);
        jw_end_array(&w);
    }
    if (a->set->eab_kid)
        TRY(eab_add(a, &w, err));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    ACTIVITY(a->ctx, MSG("acme.account", "registering an account at the CA",
                         "認証局にアカウントを登録しています"));
    struct http_response r;
    TRY(acme_post(a, a->dir.new_account, buf_str(&b), &r, err));
    const char *kid = http_header_get(&r, "location");
    TRY(acme_url_check(a, kid, err));
    a->kid = kid;
    return save(a, err);
}
