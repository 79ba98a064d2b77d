/*
 * ACME (RFC 8555): settings, connection test, revocation (7.6) and renewal information (RFC 9773).
 */
#include "connect/ca/acme.h"

#include <string.h>

#include "base/base64.h"

#define S struct acme_settings
static const struct field fields[] = {
    FIELD_URL(S, directory, .flags = FIELD_REQUIRED, .label = {"Directory URL", "ディレクトリURL"},
              .help = {"The ACME directory of the CA.", "認証局のACMEディレクトリのURLです。"},
              .example = "https://acme-v02.api.letsencrypt.org/directory"),
    FIELD_STR(S, email, .max = 254, .label = {"Contact e-mail", "連絡先メールアドレス"},
              .help = {"Given to the CA for notices; may be empty.",
                       "認証局からの連絡に使われます。省略できます。"},
              .example = "ssl-admin@example.jp"),
    FIELD_STR(S, eab_kid, .max = 1024, .label = {"EAB key ID", "EABキーID"},
              .help = {"External account binding, as the CA gave it.",
                       "認証局から発行された外部アカウント連携（EAB）のキーIDです。"},
              .example = "kid-1"),
    FIELD_SECRET(S, eab_hmac, .max = 1024, .label = {"EAB HMAC key", "EAB HMAC鍵"},
                 .help = {"base64url text, as the CA gave it.",
                          "認証局から発行されたbase64url形式の鍵です。"}),
    FIELD_TEXT(S, roots, .flags = FIELD_ADVANCED, .max = 262144,
               .label = {"Trust for the CA's API (PEM)", "認証局APIの信頼ルート（PEM）"},
               .help = {"Empty: the system's roots.", "空欄の場合はシステムのルートを使います。"}),
    FIELD_TEXT(S, issue_roots, .flags = FIELD_ADVANCED, .max = 262144,
               .label = {"Roots of issued certificates (PEM)", "発行証明書のルート（PEM）"},
               .help = {"Issued chains must end here; empty: any root.",
                        "発行されたチェーンの検証に使います。空欄なら任意のルートを認めます。"}),
    FIELD_STR(S, preferred_chain, .flags = FIELD_ADVANCED, .max = 200,
              .label = {"Preferred chain", "優先するチェーン"},
              .help = {"Common name of the topmost issuer, when the CA offers several chains.",
                       "複数のチェーンがある場合に選ぶ最上位発行者のCNです。"},
              .example = "ISRG Root X1"),
    FIELD_STR(S, profile, .flags = FIELD_ADVANCED, .max = 100, .label = {"Profile", "プロファイル"},
              .help = {"A certificate profile the CA lists.",
                       "認証局が提供する証明書プロファイル名です。"},
              .example = "tlsserver"),
    FIELD_INT(S, poll_min, .flags = FIELD_ADVANCED, .dflt = "10", .min = 10, .max = 60000,
              .label = {"First poll after (ms)", "最初の確認間隔（ミリ秒）"},
              .help = {"Doubles with each poll, when the CA names no time.",
                       "認証局が時間を指定しない場合、確認のたびに倍になります。"}),
    FIELD_SECS(S, poll_timeout, .flags = FIELD_ADVANCED, .dflt = "300", .min = 10, .max = 86400,
               .label = {"Validation timeout", "検証の制限時間"},
               .help = {"A new order is placed when validation takes longer.",
                        "検証がこれより長い場合は注文をやり直します。"}),
    FIELD_BOOL(S, host_pin, .flags = FIELD_ADVANCED, .dflt = "true",
               .label = {"Stay on the directory's host", "ディレクトリのホストに限定"},
               .help = {"Refuse URLs of the CA that point to another host or port.",
                        "別のホストやポートを指すURLを拒否します。"}),
    FIELD_END,
};
#undef S

static enum rc check(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err)
{
    const struct acme_settings *s = settings;
    struct acme a;
    TRY(acme_begin(ctx, s, NULL, &a, err));
    TRY(acme_directory(&a, true, err));
    if (a.dir.eab_required && !s->eab_kid) {
        return field_fault(
            err, "eab_kid",
            FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("acme.eab_needed",
                     "this CA needs external account binding; set eab_kid and eab_hmac",
                     "この認証局は外部アカウント連携が必要です。eab_kid と eab_hmac を"
                     "設定してください")));
    }
    if (s->profile && !a.dir.profile_listed) {
        return field_fault(err, "profile",
                           FAIL(err, RC_INPUT, BLAME_INPUT,
                                MSG("acme.profile_unknown", "the CA does not list the profile {0}",
                                    "認証局にプロファイル {0} がありません"),
                                s->profile));
    }
    bool ari = a.dir.renewal_info, profiles = a.dir.has_profiles;
    return SEEN(ctx, ret_seen, err,
                ari && profiles
                    ? MSG("acme.seen_all",
                          "ACME directory at {0}, with renewal information and profiles",
                          "{0} の ACME ディレクトリ（更新情報とプロファイルに対応）")
                : ari      ? MSG("acme.seen_ari", "ACME directory at {0}, with renewal information",
                                 "{0} の ACME ディレクトリ（更新情報に対応）")
                : profiles ? MSG("acme.seen_profiles", "ACME directory at {0}, with profiles",
                                 "{0} の ACME ディレクトリ（プロファイルに対応）")
                           : MSG("acme.seen", "ACME directory at {0}", "{0} の ACME ディレクトリ"),
                a.base.host);
}

static enum rc setup(struct ctx *ctx, const void *settings, const struct json *state,
                     struct err *err)
{
    struct acme a;
    TRY(acme_begin(ctx, settings, state, &a, err));
    return acme_account(&a, state, err);
}

enum rc acme_revoke(struct ctx *ctx, const void *settings, const struct json *state,
                    struct str cert_der, int reason, struct err *err)
{
    struct acme a;
    TRY(acme_begin(ctx, settings, state, &a, err));
    TRY(acme_directory(&a, false, err));
    CHECK(a.kid && a.dir.revoke, err, RC_UNSUPPORTED, BLAME_REMOTE,
          MSG("acme.no_revoke", "this CA offers no revocation, or the account is missing",
              "この認証局では失効できないか、アカウントがありません"));
    AUTO(buf) struct buf der = BUF(1 << 20);
    AUTO(buf) struct buf b = BUF(1 << 20);
    base64url_add(&der, cert_der.p, cert_der.n);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "certificate", buf_cstr(&der));
    jw_ki64(&w, "reason", reason);
    jw_end_object(&w);
    TRY(buf_ok(&der, err));
    TRY(buf_ok(&b, err));
    struct http_response r;
    enum rc rc = acme_post(&a, a.dir.revoke, buf_str(&b), &r, err);
    if (rc == RC_OK || !acme_is_problem(&a, "alreadyRevoked"))
        return rc;
    if (err)
        *err = (struct err){0};
    return RC_OK;
}

static enum rc ari_url(struct acme *a, const struct cert_info *cert, const char **ret,
                       struct err *err)
{
    AUTO(buf) struct buf id = BUF(1024);
    base64url_add(&id, cert->aki_raw.p, cert->aki_raw.n);
    buf_addc(&id, '.');
    base64url_add(&id, cert->serial_der.p, cert->serial_der.n);
    TRY(buf_ok(&id, err));
    size_t n = strlen(a->dir.renewal_info);
    const char *slash = n && a->dir.renewal_info[n - 1] == '/' ? "" : "/";
    *ret = arena_printf(a->ctx->arena, "%s%s%s", a->dir.renewal_info, slash, buf_cstr(&id));
    return *ret ? RC_OK : NOMEM(err);
}

enum rc acme_renewal_info(struct ctx *ctx, const void *settings, const struct json *state,
                          const struct cert_info *cert, int64_t *ret_start, int64_t *ret_end,
                          int64_t *ret_again, struct err *err)
{
    struct acme a;
    TRY(acme_begin(ctx, settings, state, &a, err));
    TRY(acme_directory(&a, false, err));
    CHECK(a.dir.renewal_info && cert->aki_raw.n && cert->serial_der.n, err, RC_UNSUPPORTED,
          BLAME_REMOTE,
          MSG("acme.no_ari", "this CA gives no renewal information",
              "この認証局は更新時期の情報（ARI）を提供していません"));
    const char *url;
    TRY(ari_url(&a, cert, &url, err));
    struct http_response r;
    TRY(acme_get(&a, url, &r, err));
    AUTO(json) struct json *j = NULL;
    TRY(acme_json(&r, &j, err));
    int64_t start, end, now = clock_now(ctx->clock), again = http_retry_after(&r, now);
    bool good = time_parse_rfc3339(json_str_or(j, "suggestedWindow.start", ""), &start) &&
                time_parse_rfc3339(json_str_or(j, "suggestedWindow.end", ""), &end) && end > start;
    CHECK(good, err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.bad_ari", "the CA's renewal window makes no sense; it is ignored",
              "認証局の更新期間の情報が不正なため無視します"));
    *ret_start = start;
    *ret_end = end;
    int64_t least = now + 60 * USEC_PER_SEC;
    *ret_again = again == 0 ? now + 6 * 3600 * USEC_PER_SEC : again < least ? least : again;
    return RC_OK;
}

static enum rc identities(struct ctx *ctx, const void *settings, const struct json *state,
                          struct names *ret, struct err *err)
{
    struct acme a;
    TRY(acme_begin(ctx, settings, state, &a, err));
    TRY(acme_directory(&a, false, err));
    *ret = a.dir.caa;
    return RC_OK;
}

static enum rc roots(struct ctx *ctx, const void *settings, const struct json *state,
                     struct str *ret_pem, bool *ret_any_root, struct err *err)
{
    const struct acme_settings *s = settings;
    (void)ctx;
    (void)state;
    (void)err;
    *ret_pem = str_from(s->issue_roots);
    *ret_any_root = !s->issue_roots;
    return RC_OK;
}

extern const struct ca_ops ca_acme;
const struct ca_ops ca_acme = {
    .head = {.id = "acme",
             .name = {"ACME", "ACME"},
             .about = {"Any CA that speaks ACME: Let's Encrypt and many others.",
                       "Let's EncryptなどACMEに対応した認証局です。"},
             .caps =
                 CA_CAP_REVOKE | CA_CAP_WILDCARD | CA_CAP_IP | CA_CAP_NOT_AFTER | CA_CAP_LATE_CSR,
             .fields = fields,
             .settings_size = sizeof(struct acme_settings),
             .check = check},
    .setup = setup,
    .step = acme_step,
    .abandon = acme_abandon,
    .revoke = acme_revoke,
    .renewal_info = acme_renewal_info,
    .identities = identities,
    .roots = roots,
};
