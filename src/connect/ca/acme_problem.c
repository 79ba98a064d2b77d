/*
 * What a CA's refusal means: one table row per problem type says whose fault it is and what a
 * person can do. Types not in the table are judged by their HTTP status.
 */
#include <string.h>

#include "connect/ca/acme.h"

#define URN "urn:ietf:params:acme:error:"

struct row {
    const char *type;
    enum rc rc;
    enum blame blame;
    struct msg m;
};

/* {0}: the CA's own words */
static const struct row rows[] = {
    {"badNonce",
     RC_REMOTE,
     BLAME_REMOTE,
     {"acme.bad_nonce", "the CA keeps refusing fresh nonces: {0}",
      "認証局が新しいnonceを拒否し続けています: {0}"}},
    {"rateLimited",
     RC_RATE,
     BLAME_REMOTE,
     {"acme.rate", "the CA's rate limit is reached: {0}", "認証局の発行回数制限に達しました: {0}"}},
    {"serverInternal",
     RC_REMOTE,
     BLAME_REMOTE,
     {"acme.internal", "the CA has an internal error: {0}", "認証局の内部エラーです: {0}"}},
    {"orderNotReady",
     RC_CONFLICT,
     BLAME_REMOTE,
     {"acme.not_ready", "the order is not ready at the CA yet: {0}",
      "認証局側で注文がまだ準備できていません: {0}"}},
    {"accountDoesNotExist",
     RC_AUTH,
     BLAME_REMOTE,
     {"acme.no_account", "the CA does not know our account; it will be registered again: {0}",
      "認証局にアカウントがありません。再登録を行います: {0}"}},
    {"unauthorized",
     RC_DENIED,
     BLAME_INPUT,
     {"acme.unauthorized", "the CA refused for lack of authorization: {0}",
      "認証局が権限不足として拒否しました: {0}"}},
    {"malformed",
     RC_REMOTE,
     BLAME_US,
     {"acme.malformed", "the CA could not accept the request: {0}",
      "認証局が要求を受け付けませんでした: {0}"}},
    {"invalidProfile",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.profile", "the CA does not offer this profile; change the profile setting: {0}",
      "認証局にこのプロファイルはありません。設定を変更してください: {0}"}},
    {"userActionRequired",
     RC_DENIED,
     BLAME_INPUT,
     {"acme.user_action", "the CA wants a person to act (new terms, for instance): {0}",
      "認証局で担当者の操作が必要です（規約の改定など）: {0}"}},
    {"agreementRequired",
     RC_DENIED,
     BLAME_INPUT,
     {"acme.agreement", "the CA's terms must be agreed to: {0}",
      "認証局の規約への同意が必要です: {0}"}},
    {"externalAccountRequired",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.eab", "the CA needs external account binding; set its key ID and HMAC key: {0}",
      "認証局が外部アカウント連携（EAB）を要求しています。キーIDとHMAC鍵を設定してください: {0}"}},
    {"badCSR",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.csr", "the CA refused the certificate request: {0}", "認証局がCSRを拒否しました: {0}"}},
    {"badPublicKey",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.key", "the CA refused the public key: {0}", "認証局が公開鍵を拒否しました: {0}"}},
    {"badSignatureAlgorithm",
     RC_UNSUPPORTED,
     BLAME_US,
     {"acme.alg", "the CA does not accept our signature algorithm: {0}",
      "認証局が署名アルゴリズムに対応していません: {0}"}},
    {"badRevocationReason",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.reason", "the CA does not accept this revocation reason: {0}",
      "認証局がこの失効理由を受け付けません: {0}"}},
    {"alreadyRevoked",
     RC_EXISTS,
     BLAME_INPUT,
     {"acme.revoked", "the certificate is revoked already: {0}",
      "証明書はすでに失効しています: {0}"}},
    {"caa",
     RC_REMOTE,
     BLAME_INPUT,
     {"acme.caa", "a CAA record forbids this CA; correct the DNS: {0}",
      "CAAレコードがこの認証局を許可していません。DNSを修正してください: {0}"}},
    {"connection",
     RC_REMOTE,
     BLAME_INPUT,
     {"acme.connection", "the CA could not reach the server to validate: {0}",
      "認証局が検証のためサーバーに接続できませんでした: {0}"}},
    {"dns",
     RC_REMOTE,
     BLAME_INPUT,
     {"acme.dns", "the CA could not look the name up: {0}",
      "認証局がDNSを参照できませんでした: {0}"}},
    {"tls",
     RC_REMOTE,
     BLAME_INPUT,
     {"acme.tls", "the CA met a TLS error while validating: {0}",
      "認証局の検証中にTLSエラーが発生しました: {0}"}},
    {"incorrectResponse",
     RC_REMOTE,
     BLAME_INPUT,
     {"acme.response", "the CA got another answer than the expected proof: {0}",
      "認証局が期待と異なる応答を受け取りました: {0}"}},
    {"rejectedIdentifier",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.rejected", "the CA does not issue for this name: {0}",
      "認証局はこの名前に発行しません: {0}"}},
    {"unsupportedIdentifier",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.unsupported", "the CA does not issue for this kind of name: {0}",
      "認証局はこの種類の名前に対応していません: {0}"}},
    {"invalidContact",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.contact", "the CA refused the contact address; correct the e-mail setting: {0}",
      "認証局が連絡先を拒否しました。メールアドレスの設定を修正してください: {0}"}},
    {"unsupportedContact",
     RC_INPUT,
     BLAME_INPUT,
     {"acme.contact_kind", "the CA does not support this contact address: {0}",
      "認証局がこの連絡先の形式に対応していません: {0}"}},
    {"compound",
     RC_REMOTE,
     BLAME_INPUT,
     {"acme.compound", "the CA refused for several reasons: {0}",
      "認証局が複数の理由で拒否しました: {0}"}},
};

static const struct msg other = {"acme.refused", "the CA refused the request: {0}",
                                 "認証局が要求を拒否しました: {0}"};

static const char *short_type(const char *type)
{
    return type && strncmp(type, URN, sizeof URN - 1) == 0 ? type + sizeof URN - 1 : type;
}

bool acme_is_problem(const struct acme *a, const char *type)
{
    return a->problem && strcmp(a->problem, type) == 0;
}

static const struct row *row_find(const char *type)
{
    for (size_t i = 0; type && i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].type, type) == 0)
            return &rows[i];
    return NULL;
}

/* The CA's words: detail, then what it says of each name; cut, since it is remote text. */
static void words(const struct json *p, const char *identifier, struct buf *out)
{
    if (identifier)
        buf_addf(out, "%.100s: ", identifier);
    buf_addf(out, "%.300s", json_str_or(p, "detail", json_str_or(p, "type", "(no detail)")));
    const struct json *subs = json_get(p, "subproblems");
    for (size_t i = 0; i < json_len(subs) && i < 3; i++) {
        const struct json *s = json_at(subs, i);
        buf_addf(out, "; %.80s: %.120s", json_str_or(s, "identifier.value", "?"),
                 json_str_or(s, "detail", "?"));
    }
}

static void judge_status(int status, enum rc *rc, enum blame *blame)
{
    *rc = RC_REMOTE;
    *blame = BLAME_REMOTE;
    if (status == 429)
        *rc = RC_RATE;
    else if (status == 404 || status == 410)
        *rc = RC_NOT_FOUND;
    else if (status == 401 || status == 403) {
        *rc = RC_DENIED;
        *blame = BLAME_INPUT;
    }
}

static const char *note_type(struct acme *a, const struct json *problem)
{
    const char *type = short_type(json_str_or(problem, "type", NULL));
    const char *detail = json_str_or(problem, "detail", "");
    /* Some CAs have no URN for it. */
    if (a->status == 400 && (strstr(detail, "invalid anti-replay nonce") ||
                             strstr(detail, "Replay Nonce is not recognized")))
        type = "badNonce";
    a->problem = type ? arena_strdup(a->ctx->arena, type) : NULL;
    return a->problem;
}

static enum rc fail_with(struct acme *a, const struct json *problem, const char *identifier,
                         int64_t retry_at, struct err *err)
{
    enum rc rc;
    enum blame blame;
    const struct row *row = row_find(note_type(a, problem));
    judge_status(a->status, &rc, &blame);
    const struct msg *m = &other;
    if (row) {
        m = &row->m;
        rc = row->rc;
        blame = row->blame;
    }
    AUTO(buf) struct buf text = BUF(1024);
    AUTO(buf) struct buf remote = BUF(256);
    words(problem, identifier, &text);
    buf_addf(&remote, "%.80s (HTTP %d)", a->problem ? a->problem : "no problem type", a->status);
    rc = FAIL(err, rc, blame, m, buf_cstr(&text));
    err_remote(err, buf_cstr(&remote));
    if (err)
        err->retry_at = retry_at;
    return rc;
}

enum rc acme_problem_fail(struct acme *a, const struct json *problem, const char *identifier,
                          int64_t retry_at, struct err *err)
{
    return fail_with(a, problem, identifier, retry_at, err);
}

enum rc acme_refused(struct acme *a, const struct http_response *r, struct err *err)
{
    int64_t retry_at = http_retry_after(r, clock_now(a->ctx->clock));
    a->status = r->status;
    a->problem = NULL;
    if (r->status >= 500 || r->status == 404)
        acme_directory_forget(a);
    AUTO(json) struct json *j = NULL;
    if (json_parse(r->body, &j, NULL) == RC_OK && json_type_of(j) == JSON_OBJECT &&
        json_get(j, "type"))
        return fail_with(a, j, json_str_or(j, "identifier.value", NULL), retry_at, err);
    enum rc rc;
    enum blame blame;
    judge_status(r->status, &rc, &blame);
    rc = FAIL(err, rc, blame,
              MSG("acme.http", "the CA answered HTTP {0} without saying why",
                  "認証局が理由なしに HTTP {0} を返しました"),
              NUM(r->status));
    AUTO(buf) struct buf remote = BUF(64);
    buf_addf(&remote, "HTTP %d", r->status);
    err_remote(err, buf_cstr(&remote));
    if (err)
        err->retry_at = retry_at;
    return rc;
}
