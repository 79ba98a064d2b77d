/*
 * Authorizations and challenges (RFC 8555 7.5, 8), and the order's persistent form.
 *
 * Invariants: names are matched by value, never by position; an authorization that is valid is
 * never answered; a token that is not base64url never leaves this file.
 */
#include <string.h>

#include "base/base64.h"
#include "connect/ca/acme.h"
#include "crypto/digest.h"

static enum rc authz_load(struct acme *a, const struct json *list, struct acme_order *ret,
                          struct err *err)
{
    ret->count = json_len(list);
    ret->authz = arena_array(a->ctx->arena, ret->count + 1, sizeof *ret->authz);
    if (!ret->authz)
        return NOMEM(err);
    for (size_t i = 0; i < ret->count; i++) {
        const struct json *j = json_at(list, i);
        struct acme_authz *z = &ret->authz[i];
        z->url = json_str_or(j, "url", NULL);
        z->name = json_str_or(j, "name", NULL);
        z->challenge = json_str_or(j, "challenge", NULL);
        z->type = json_str_or(j, "type", NULL);
        z->token = json_str_or(j, "token", NULL);
        z->wildcard = json_bool_or(j, "wildcard", false);
        z->valid = json_bool_or(j, "valid", false);
    }
    return RC_OK;
}

enum rc acme_order_load(struct acme *a, const struct json *data, struct acme_order *ret,
                        struct err *err)
{
    *ret = (struct acme_order){.url = json_str_or(data, "order", NULL),
                               .finalize = json_str_or(data, "finalize", NULL),
                               .certificate = json_str_or(data, "certificate", NULL),
                               .polls = json_i64_or(data, "polls", 0),
                               .since = json_i64_or(data, "since", 0)};
    int64_t stage = json_i64_or(data, "stage", ACME_AUTHZ);
    ret->stage = stage >= ACME_AUTHZ && stage <= ACME_FETCH ? (enum acme_stage)stage : ACME_AUTHZ;
    return authz_load(a, json_get(data, "authz"), ret, err);
}

static void kstr_if(struct json_writer *w, const char *key, const char *s)
{
    if (s)
        jw_kstr(w, key, s);
}

const char *acme_order_save(struct acme *a, const struct acme_order *o)
{
    AUTO(buf) struct buf b = BUF(4 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    kstr_if(&w, "order", o->url);
    kstr_if(&w, "finalize", o->finalize);
    kstr_if(&w, "certificate", o->certificate);
    jw_ki64(&w, "stage", o->stage);
    jw_ki64(&w, "polls", o->polls);
    jw_ki64(&w, "since", o->since);
    jw_key(&w, "authz");
    jw_array(&w);
    for (size_t i = 0; i < o->count; i++) {
        const struct acme_authz *z = &o->authz[i];
        jw_object(&w);
        kstr_if(&w, "url", z->url);
        kstr_if(&w, "name", z->name);
        kstr_if(&w, "challenge", z->challenge);
        kstr_if(&w, "type", z->type);
        kstr_if(&w, "token", z->token);
        jw_kbool(&w, "wildcard", z->wildcard);
        jw_kbool(&w, "valid", z->valid);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
    return b.bad ? NULL : arena_str(a->ctx->arena, buf_str(&b));
}

static bool name_wanted(const struct ca_order *want, const char *name, bool wildcard)
{
    for (size_t i = 0; i < want->name_count; i++) {
        const char *n = want->names[i];
        bool wild = strncmp(n, "*.", 2) == 0;
        if (wild == wildcard && str_ieq(str_from(wild ? n + 2 : n), str_from(name)))
            return true;
    }
    return false;
}

static enum rc challenge_pick(struct acme *a, const struct ca_order *want, const struct json *list,
                              struct acme_authz *z, struct err *err)
{
    for (size_t t = 0; t < want->proof_type_count; t++) {
        for (size_t i = 0; i < json_len(list) && i < 32; i++) {
            const struct json *c = json_at(list, i);
            const char *type = json_str_or(c, "type", "");
            if (strcmp(type, want->proof_types[t]) != 0)
                continue;
            const char *token = json_str_or(c, "token", NULL);
            const char *url = json_str_or(c, "url", NULL);
            CHECK(acme_token_ok(token), err, RC_REMOTE, BLAME_REMOTE,
                  MSG("acme.token", "the CA sent a challenge token with forbidden characters",
                      "認証局が不正な文字を含むトークンを送信しました"));
            TRY(acme_url_check(a, url, err));
            z->type = want->proof_types[t];
            z->token = arena_strdup(a->ctx->arena, token);
            z->challenge = arena_strdup(a->ctx->arena, url);
            return z->token && z->challenge ? RC_OK : NOMEM(err);
        }
    }
    return FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("acme.no_challenge",
            "the CA offers no way to prove control of {0} that is configured here; set up "
            "another challenge method",
            "{0} の所有証明に使える方式が設定されていません。別の検証方式を設定してください"),
        z->name);
}

static enum rc authz_failed(struct acme *a, struct acme_order *o, const struct json *j,
                            const struct acme_authz *z, struct err *err)
{
    o->dead = true;
    const struct json *list = json_get(j, "challenges");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *problem = json_get(json_at(list, i), "error");
        if (!problem)
            continue;
        a->status = (int)json_i64_or(problem, "status", 0) & 0xfff;
        enum rc rc = acme_problem_fail(a, problem, z->name, 0, err);
        /* What the CA saw at the name is for its owner to mend, whatever the type. */
        if (err && err->blame == BLAME_US)
            err->blame = BLAME_INPUT;
        return rc;
    }
    return FAIL(err, RC_REMOTE, BLAME_INPUT,
                MSG("acme.authz", "the CA did not accept the proof for {0} (authorization is {1})",
                    "認証局が {0} の所有証明を認めませんでした（認可の状態: {1}）"),
                z->name, json_str_or(j, "status", "?"));
}

/* pending with an error: such CAs (step-ca) validate only when asked again. */
static bool asked_again(const struct json *j, const struct acme_authz *z)
{
    const struct json *list = json_get(j, "challenges");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *c = json_at(list, i);
        if (z->challenge && strcmp(json_str_or(c, "url", ""), z->challenge) == 0)
            return json_get(c, "error") && strcmp(json_str_or(c, "status", ""), "pending") == 0;
    }
    return false;
}

enum rc acme_authz_look(struct acme *a, const struct ca_order *want, struct acme_order *o, size_t i,
                        struct err *err)
{
    struct acme_authz *z = &o->authz[i];
    struct http_response r;
    TRY(acme_post(a, z->url, STR_NONE, &r, err));
    AUTO(json) struct json *j = NULL;
    TRY(acme_json(&r, &j, err));
    const char *name = json_str_or(j, "identifier.value", "");
    bool wildcard = json_bool_or(j, "wildcard", false);
    CHECK(name_wanted(want, name, wildcard), err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.strange_name", "the CA asks for proof of {0}, which was not ordered",
              "認証局が注文していない名前 {0} の証明を要求しました"),
          name);
    z->name = arena_strdup(a->ctx->arena, name);
    z->wildcard = wildcard;
    if (!z->name)
        return NOMEM(err);
    const char *status = json_str_or(j, "status", "");
    z->valid = strcmp(status, "valid") == 0;
    if (z->valid)
        return RC_OK;
    if (strcmp(status, "pending") != 0 && strcmp(status, "processing") != 0)
        return authz_failed(a, o, j, z, err);
    if (o->stage == ACME_POLL && asked_again(j, z))
        return acme_answer(a, o, i, err);
    if (o->stage == ACME_AUTHZ)
        return challenge_pick(a, want, json_get(j, "challenges"), z, err);
    return RC_OK;
}

static bool proof_is_new(const struct proof *v, size_t n, const struct acme_authz *z)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].token, z->token) == 0 && strcmp(v[i].identifier, z->name) == 0 &&
            strcmp(v[i].type, z->type) == 0)
            return false;
    return true;
}

static const char *proof_value(struct acme *a, const struct acme_authz *z)
{
    char *auth = arena_printf(a->ctx->arena, "%s.%s", z->token, a->thumb);
    if (!auth || strcmp(z->type, "dns-01") != 0)
        return auth;
    unsigned char digest[32];
    sha256(str_from(auth), digest);
    AUTO(buf) struct buf b = BUF(64);
    base64url_add(&b, digest, sizeof digest);
    return b.bad ? NULL : arena_str(a->ctx->arena, buf_str(&b));
}

enum rc acme_proofs(struct acme *a, const struct acme_order *o, struct ca_step *ret,
                    struct err *err)
{
    struct proof *v = arena_array(a->ctx->arena, o->count + 1, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < o->count; i++) {
        const struct acme_authz *z = &o->authz[i];
        if (z->valid || !z->token || !z->type || !z->name || !proof_is_new(v, n, z))
            continue;
        v[n] = (struct proof){.type = z->type,
                              .identifier = z->name,
                              .wildcard = z->wildcard,
                              .token = z->token,
                              .value = proof_value(a, z)};
        if (!v[n++].value)
            return NOMEM(err);
    }
    ret->proofs = v;
    ret->proof_count = n;
    ret->verdict = CA_PROOF;
    return RC_OK;
}

enum rc acme_answer(struct acme *a, struct acme_order *o, size_t i, struct err *err)
{
    struct http_response r;
    enum rc rc = acme_post(a, o->authz[i].challenge, STR("{}"), &r, err);
    /* Answered before a crash: the CA no longer has it pending; polling tells the rest. */
    if (rc != RC_OK && a->status == 400 && acme_is_problem(a, "malformed")) {
        if (err)
            *err = (struct err){0};
        return RC_OK;
    }
    return rc;
}
