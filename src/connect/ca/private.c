/*
 * Inro's own certificate authority: a root and an intermediate whose keys stay in the vault. The
 * state holds the sealed keys and the certificates; issuing is one signature, no dialogue.
 */
#include <string.h>

#include "connect/connect.h"

struct private_settings {
    const char *common_name, *organization, *key_alg;
    int64_t validity; /* seconds */
};

#define YEAR     (366 * USEC_PER_DAY)
#define BACKDATE (300 * USEC_PER_SEC) /* for clocks that run late */

static const struct field_choice algs[] = {
    {"ec384", {"EC P-384", "EC P-384"}},
    {"ec256", {"EC P-256", "EC P-256"}},
    {"rsa3072", {"RSA 3072", "RSA 3072"}},
    {"rsa4096", {"RSA 4096", "RSA 4096"}},
    {NULL, {NULL, NULL}},
};

#define S struct private_settings
static const struct field fields[] = {
    FIELD_STR(S, common_name, .flags = FIELD_IMMUTABLE, .dflt = "Inro Private CA", .min = 1,
              .max = 50, .label = {"Name of the CA", "認証局の名称"},
              .help = {"Common name of the root; the intermediate adds a word to it.",
                       "ルート証明書のCNです。中間証明書にも使われます。"}),
    FIELD_STR(S, organization, .flags = FIELD_IMMUTABLE, .max = 64,
              .label = {"Organization", "組織名"},
              .help = {"Shown in the certificates; may be empty.",
                       "証明書に記載されます。省略できます。"},
              .example = "Example KK"),
    FIELD_ENUM(S, key_alg, .flags = FIELD_IMMUTABLE | FIELD_ADVANCED, .dflt = "ec384",
               .choices = algs, .label = {"Key type of the CA", "認証局の鍵の種類"},
               .help = {"Of root and intermediate.", "ルートと中間証明書の鍵の種類です。"}),
    FIELD_SECS(S, validity, .dflt = "90d", .min = 3600, .max = 825 * 86400,
               .label = {"Validity of certificates", "証明書の有効期間"},
               .help = {"When an order does not say; at most 825 days.",
                        "注文で指定がない場合の期間です。最長825日です。"}),
    FIELD_END,
};
#undef S

struct authority { /* root or intermediate */
    const char *place, *sealed;
    struct buf spki, der;
};

static void authority_cleanup(struct authority *x)
{
    buf_free(&x->spki);
    buf_free(&x->der);
}

static enum rc check(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err)
{
    (void)settings;
    TRY(ctx_alive(ctx, err));
    TRY(vault_ping(ctx->vault, err));
    return SEEN(
        ctx, ret_seen, err,
        MSG("private.seen", "the vault answers; root and intermediate are made at the first order",
            "鍵保管プロセスは動作しています。ルートと中間証明書は最初の申請時に作成されます"));
}

static enum rc make_key(struct ctx *ctx, const struct private_settings *s, const char *field,
                        struct authority *x, struct err *err)
{
    enum key_alg alg = KEY_EC384;
    (void)key_alg_from_name(s->key_alg, &alg);
    x->spki = BUF(8192);
    x->der = BUF(CERT_MAX_BYTES);
    x->place = ctx_place(ctx, field);
    if (!x->place)
        return NOMEM(err);
    return vault_generate(ctx->vault, VAULT_CA_KEY, x->place, alg, ctx->arena, &x->sealed, &x->spki,
                          err);
}

static enum rc sign_authority(struct ctx *ctx, const struct private_settings *s,
                              const struct authority *issuer, bool root, struct authority *x,
                              struct err *err)
{
    int64_t now = clock_now(ctx->clock);
    const char *cn =
        root ? s->common_name : arena_printf(ctx->arena, "%s Intermediate", s->common_name);
    if (!cn)
        return NOMEM(err);
    struct issue_spec spec = {.subject = {.common_name = cn, .organization = s->organization},
                              .not_before = now - BACKDATE,
                              .not_after = now + (root ? 10 : 5) * YEAR,
                              .ca = true,
                              .path_len = root ? 1 : 0};
    return vault_issue(ctx->vault, issuer->place, issuer->sealed,
                       root ? STR_NONE : buf_str(&issuer->der), buf_str(&x->spki), &spec, &x->der,
                       err);
}

static void authority_write(struct json_writer *w, const char *key, const struct authority *x)
{
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    cert_to_pem(buf_str(&x->der), &pem);
    jw_key(w, key);
    jw_object(w);
    jw_kstr(w, "key", x->sealed);
    jw_kstr(w, "cert", buf_cstr(&pem));
    jw_end_object(w);
}

static bool complete(const struct json *state)
{
    return json_str_or(state, "root.cert", NULL) && json_str_or(state, "intermediate.key", NULL) &&
           json_str_or(state, "intermediate.cert", NULL);
}

static enum rc setup(struct ctx *ctx, const void *settings, const struct json *state,
                     struct err *err)
{
    const struct private_settings *s = settings;
    if (complete(state)) /* never a second root under one name */
        return RC_OK;
    TRY(ctx_alive(ctx, err));
    AUTO(authority) struct authority root = {0};
    AUTO(authority) struct authority mid = {0};
    TRY(make_key(ctx, s, "root_key", &root, err));
    TRY(sign_authority(ctx, s, &root, true, &root, err));
    TRY(make_key(ctx, s, "intermediate_key", &mid, err));
    TRY(sign_authority(ctx, s, &root, false, &mid, err));
    AUTO(buf) struct buf b = BUF(4 * CERT_MAX_BYTES);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    authority_write(&w, "root", &root);
    authority_write(&w, "intermediate", &mid);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return ctx->state_save(ctx, buf_cstr(&b), err);
}

/* order->names as the spec's two lists */
static enum rc names_split(struct ctx *ctx, const struct ca_order *order, struct issue_spec *spec,
                           struct err *err)
{
    const char **dns = arena_array(ctx->arena, order->name_count + 1, sizeof *dns);
    const char **ips = arena_array(ctx->arena, order->name_count + 1, sizeof *ips);
    if (!dns || !ips)
        return NOMEM(err);
    for (size_t i = 0; i < order->name_count; i++) {
        bool v6;
        if (host_is_ip(order->names[i], &v6))
            ips[spec->ip_count++] = order->names[i];
        else
            dns[spec->dns_count++] = order->names[i];
    }
    spec->dns = dns;
    spec->ips = ips;
    return RC_OK;
}

static enum rc validity_set(struct ctx *ctx, const struct private_settings *s,
                            const struct ca_order *order, const struct cert_info *issuer,
                            struct issue_spec *spec, struct err *err)
{
    int64_t now = clock_now(ctx->clock);
    int64_t longest = now + 825 * USEC_PER_DAY;
    spec->not_before = now - BACKDATE;
    spec->not_after = order->not_after ? order->not_after : now + s->validity * USEC_PER_SEC;
    CHECK(spec->not_after > now, err, RC_INPUT, BLAME_INPUT,
          MSG("private.past", "the wanted end of validity lies in the past",
              "指定された有効期限が過去の日時です"));
    if (spec->not_after > longest)
        spec->not_after = longest;
    if (spec->not_after > issuer->not_after)
        spec->not_after = issuer->not_after;
    CHECK(spec->not_after > now, err, RC_CONFLICT, BLAME_INPUT,
          MSG("private.expired", "the private CA's intermediate has expired; make a new private CA",
              "プライベート認証局の中間証明書が期限切れです。新しい認証局を作成してください"));
    return RC_OK;
}

static enum rc step(struct ctx *ctx, const void *settings, const struct json *state,
                    const struct ca_order *order, struct ca_step *ret, struct err *err)
{
    TRY(ctx_alive(ctx, err));
    CHECK(complete(state), err, RC_AUTH, BLAME_US,
          MSG("private.unmade", "the private CA has no root yet; it is made first",
              "プライベート認証局のルートが未作成です。先に作成します"));
    struct cert_list mid;
    struct issue_spec spec = {.server_auth = true, .client_auth = false};
    const char *mid_pem = json_str_or(state, "intermediate.cert", "");
    TRY(cert_parse_pem(str_from(mid_pem), true, ctx->arena, &mid, err));
    TRY(names_split(ctx, order, &spec, err));
    TRY(validity_set(ctx, settings, order, &mid.v[0], &spec, err));
    const char *place = ctx_place(ctx, "intermediate_key");
    if (!place)
        return NOMEM(err);
    AUTO(buf) struct buf der = BUF(CERT_MAX_BYTES);
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    TRY(vault_issue(ctx->vault, place, json_str_or(state, "intermediate.key", ""), mid.v[0].der,
                    order->spki, &spec, &der, err));
    cert_to_pem(buf_str(&der), &pem);
    buf_adds(&pem, mid_pem);
    TRY(buf_ok(&pem, err));
    const char *chain = arena_str(ctx->arena, buf_str(&pem));
    if (!chain)
        return NOMEM(err);
    ret->chain_pem = str_from(chain);
    ret->ordered_now = true;
    ret->verdict = CA_DONE;
    return RC_OK;
}

static enum rc roots(struct ctx *ctx, const void *settings, const struct json *state,
                     struct str *ret_pem, bool *ret_any_root, struct err *err)
{
    (void)ctx;
    (void)settings;
    CHECK(complete(state), err, RC_AUTH, BLAME_US,
          MSG("private.unmade", "the private CA has no root yet; it is made first",
              "プライベート認証局のルートが未作成です。先に作成します"));
    *ret_pem = str_from(json_str_or(state, "root.cert", ""));
    *ret_any_root = false;
    return RC_OK;
}

extern const struct ca_ops ca_private;
const struct ca_ops ca_private = {
    .head =
        {.id = "private",
         .name = {"Private CA (built in)", "プライベート認証局（内蔵）"},
         .about = {"Issues at once from Inro's own root; for servers inside. Distribute the root "
                   "to the clients.",
                   "内蔵のルートから即時に発行します。社内サーバー向けです。ルート証明書を"
                   "クライアントに配布してください。"},
         .caps = CA_CAP_WILDCARD | CA_CAP_IP | CA_CAP_NO_PROOF | CA_CAP_NOT_AFTER,
         .fields = fields,
         .settings_size = sizeof(struct private_settings),
         .check = check},
    .setup = setup,
    .step = step,
    .roots = roots,
};
