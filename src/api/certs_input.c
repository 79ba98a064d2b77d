/* What a certificate may be asked to be: names, CA, key, challenge and policy, checked together. */
#include <string.h>

#include "api/priv.h"
#include "base/base64.h"
#include "codec/name.h"
#include "crypto/csr.h"
#include "model/window.h"

enum { NAMES_MAX = 100, BATCH_MAX = 100, CSR_MAX = 65536 };

const struct field policy_fields[] = {
    FIELD_SECS(struct policy_in, validity, .min = 1, .max = (int64_t)10 * 366 * 86400,
               .label = {"Validity asked for", "希望する有効期間"}),
    FIELD_SECS(struct policy_in, renew_before, .min = 1, .max = (int64_t)366 * 86400,
               .label = {"Renew this long before the end", "期限のどれだけ前に更新するか"}),
    FIELD_ENUM(struct policy_in, on_failure, .dflt = "stop",
               .choices = (const struct field_choice[]){{"stop", {"Stop", "止める"}},
                                                        {"continue", {"Go on", "続ける"}},
                                                        {"undo_all", {"Undo all", "すべて戻す"}},
                                                        {NULL, {NULL, NULL}}},
               .label = {"When a target fails", "適用先が失敗したとき"}),
    FIELD_STR(struct policy_in, profile, .max = 64, .label = {"CA profile", "認証局プロファイル"}),
    FIELD_BOOL(struct policy_in, allow_loss,
               .label = {"Allow dropping what the old one had", "旧証明書より減る項目を許可する"}),
    FIELD_BOOL(struct policy_in, auto_renew, .dflt = "true",
               .label = {"Renew by itself", "自動更新"}),
    FIELD_BOOL(struct policy_in, approval,
               .label = {"Roll-outs wait for approval", "適用の前に承認を求める"}),
    FIELD_STR(struct policy_in, window, .max = 64,
              .label = {"When roll-outs may begin by themselves", "自動適用の時間帯"},
              .example = "mon-fri 02:00-05:00 +09:00"),
    FIELD_END};

static const struct field_choice keys[] = {
    {"ec256", {"EC P-256", "EC P-256"}},   {"ec384", {"EC P-384", "EC P-384"}},
    {"rsa2048", {"RSA 2048", "RSA 2048"}}, {"rsa3072", {"RSA 3072", "RSA 3072"}},
    {"rsa4096", {"RSA 4096", "RSA 4096"}}, {NULL, {NULL, NULL}}};

/* What one certificate is asked to be, or each of several. */
#define FIELDS_OF_EACH                                                                             \
    FIELD_STR(struct cert_in, ca, .flags = FIELD_REQUIRED, .max = 128,                             \
              .label = {"CA account", "認証局設定"}),                                              \
        FIELD_ENUM(struct cert_in, key, .dflt = "ec256", .choices = keys, .label = {"Key", "鍵"}), \
        FIELD_STR(struct cert_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),      \
        FIELD_STR(struct cert_in, organisation, .max = 128,                                        \
                  .label = {"Organisation in the subject", "サブジェクトの組織"}),                 \
        FIELD_TAGS(struct cert_in),                                                                \
        FIELD_BOOL(struct cert_in, request, .dflt = "true",                                        \
                   .label = {"Apply at once", "すぐに申請する"}),                                  \
        FIELD_END

const struct field cert_fields[] = {
    FIELD_LIST(struct cert_in, names, .min = 1, .max = NAMES_MAX,
               .label = {"Names (without: those of the CSR)", "ドメイン名（省略すると CSR の値）"}),
    FIELD_TEXT(struct cert_in, csr, .max = CSR_MAX,
               .label = {"CSR whose key was made elsewhere (PEM)",
                         "外部で作成した CSR（PEM、鍵は預けない）"}),
    FIELD_STR(struct cert_in, name, .max = 128, .label = {"Name in Inro", "管理名"}),
    FIELDS_OF_EACH};

const struct field cert_batch_fields[] = {
    FIELD_LIST(struct cert_in, lines, .flags = FIELD_REQUIRED, .min = 1, .max = BATCH_MAX,
               .label = {"The names of each certificate, with commas between them",
                         "証明書ごとのドメイン名（コンマ区切り）"}),
    FIELDS_OF_EACH};

static enum rc refuse(struct err *err, const char *field, enum rc rc)
{
    err_field(err, field);
    return rc;
}

static bool holds(const char *const *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i], name) == 0)
            return true;
    return false;
}

struct needs {
    bool wildcard, ip;
};

static enum rc read_names(struct request *r, const struct str_list *in, struct names *ret,
                          struct needs *needs, struct err *err)
{
    const char **v = arena_array(r->a, in->n, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < in->n; i++) {
        const char *name;
        bool ip = false;
        enum rc rc = name_normalise(r->a, in->v[i], &name, &ip, err);
        if (rc != RC_OK)
            return refuse(err, "names", rc);
        needs->ip = needs->ip || ip;
        needs->wildcard = needs->wildcard || name[0] == '*';
        if (!holds(v, n, name))
            v[n++] = name;
    }
    *ret = (struct names){v, n};
    return RC_OK;
}

static enum rc ca_can(const struct conn_head *ca, const struct needs *needs, struct err *err)
{
    const struct msg *m = NULL;
    if (needs->wildcard && !(ca->caps & CA_CAP_WILDCARD))
        m = MSG("api.ca_wildcard", "this CA issues no wildcard certificates",
                "この認証局はワイルドカード証明書を発行しません");
    else if (needs->ip && !(ca->caps & CA_CAP_IP))
        m = MSG("api.ca_ip", "this CA issues no certificates for IP addresses",
                "この認証局は IP アドレスの証明書を発行しません");
    return m ? refuse(err, "names", FAIL(err, RC_INPUT, BLAME_INPUT, m)) : RC_OK;
}

static enum rc read_policy(struct request *r, const char **ret, struct err *err)
{
    struct policy_in p = {0};
    enum rc rc =
        schema_decode(policy_fields, json_get(r->body, "policy"), NULL, NULL, r->a, &p, err);
    if (rc != RC_OK)
        return refuse(err, "policy", rc);
    if (p.validity > 0 && p.renew_before >= p.validity)
        return refuse(err, "policy.renew_before",
                      FAIL(err, RC_INPUT, BLAME_INPUT,
                           MSG("api.renew_before",
                               "renewal would begin before the certificate does; make "
                               "renew_before shorter than validity",
                               "更新開始が発行より前になります。renew_before を validity より"
                               "短くしてください")));
    struct window w;
    if (p.window && *p.window && (rc = window_parse(p.window, &w, err)) != RC_OK)
        return refuse(err, "policy.window", rc);
    return encode_text(r, policy_fields, &p, SCHEMA_STORED, ret, err);
}

/* "organisation": its name or number; null takes it away, absent keeps what is there. */
static enum rc read_organisation(struct request *r, const char *ref, struct cert *c,
                                 struct err *err)
{
    struct organisation o;
    if (!ref) {
        c->organisation_id = json_get(r->body, "organisation") ? 0 : c->organisation_id;
        return RC_OK;
    }
    enum rc rc = find_org(r, ref, &o, err);
    if (rc == RC_NOT_FOUND) {
        err->rc = RC_INPUT;
        rc = RC_INPUT;
    }
    if (rc != RC_OK)
        return refuse(err, "organisation", rc);
    c->organisation_id = o.id;
    return RC_OK;
}

/* The names of a certificate whose CSR is brought are the CSR's. */
static enum rc fit_csr(const struct csr_info *i, struct names *names, struct err *err)
{
    bool same = names->n == i->name_count;
    for (size_t k = 0; k < i->name_count; k++)
        same = same && holds(names->v, names->n, i->names[k]);
    if (same)
        return RC_OK;
    return refuse(err, "names",
                  FAIL(err, RC_INPUT, BLAME_INPUT,
                       MSG("api.csr_names",
                           "the CSR is for {0} names ({1} ...), not for these; leave the names "
                           "out, or make a new CSR",
                           "CSR のドメイン名は {0} 件（{1} など）で、指定と一致しません。"
                           "ドメイン名を省略するか、CSR を作り直してください"),
                       NUM(i->name_count), i->name_count > 0 ? i->names[0] : "-"));
}

/* What no CA should be asked in somebody else's name. */
static enum rc check_csr(const struct csr_info *i, struct err *err)
{
    CHECK(!i->wants_ca, err, RC_INPUT, BLAME_INPUT,
          MSG("api.csr_ca", "the CSR asks for a CA's certificate (CA:TRUE)",
              "CSR が認証局の証明書（CA:TRUE）を要求しています"));
    CHECK(!i->has_challenge_password, err, RC_INPUT, BLAME_INPUT,
          MSG("api.csr_password",
              "the CSR carries a challengePassword, which everybody who sees it can read; make it "
              "without one",
              "CSR に challengePassword が含まれており、第三者に読まれます。除いて作り直して"
              "ください"));
    CHECK(!i->has_other_extensions, err, RC_INPUT, BLAME_INPUT,
          MSG("api.csr_extensions",
              "the CSR asks for more than names and uses of the key; make it without other "
              "extensions",
              "CSR にドメイン名と鍵用途以外の拡張が含まれています。除いて作り直してください"));
    CHECK(i->name_count > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.csr_no_names", "the CSR has no domain names (subjectAltName)",
              "CSR にドメイン名（subjectAltName）がありません"));
    return RC_OK;
}

/* "csr": absent keeps what is there, null or "" has the key made here again. */
static enum rc read_csr(struct request *r, const struct cert_in *in, struct cert *c,
                        struct csr_info *ret, struct err *err)
{
    AUTO(buf) struct buf der = BUF(CSR_MAX), b64 = BUF(2 * CSR_MAX);
    if (!in->csr) {
        c->csr = json_get(r->body, "csr") ? NULL : c->csr;
        if (!c->csr)
            return RC_OK;
        CHECK(base64_decode(str_from(c->csr), &der), err, RC_CORRUPT, BLAME_US,
              MSG("api.csr_damaged", "the stored CSR is damaged", "保存された CSR が壊れています"));
        AUTO(buf) struct buf again = BUF(CSR_MAX);
        return csr_parse(buf_str(&der), r->a, ret, &again, err);
    }
    enum rc rc = csr_parse(str_from(in->csr), r->a, ret, &der, err);
    if (rc == RC_OK)
        rc = check_csr(ret, err);
    if (rc != RC_OK)
        return refuse(err, "csr", rc);
    base64_add(&b64, der.p, der.len);
    TRY(buf_ok(&b64, err));
    c->csr = arena_strdup(r->a, buf_cstr(&b64));
    return c->csr ? RC_OK : NOMEM(err);
}

static enum rc read_identity(struct request *r, const struct cert_in *in, struct cert *c,
                             struct needs *needs, struct err *err)
{
    struct csr_info csr = {0};
    TRY(read_csr(r, in, c, &csr, err));
    struct str_list names = in->names;
    if (names.n == 0 && c->csr)
        names = (struct str_list){csr.names, csr.name_count};
    if (names.n == 0)
        return refuse(err, "names",
                      FAIL(err, RC_INPUT, BLAME_INPUT,
                           MSG("codec.field_missing", "{0} is required", "{1} を入力してください"),
                           "Names", "ドメイン名"));
    TRY(read_names(r, &names, &c->names, needs, err));
    c->key_alg = c->csr ? csr.key_name : in->key;
    return c->csr ? fit_csr(&csr, &c->names, err) : RC_OK;
}

static enum rc read_name(const struct cert_in *in, struct cert *c, struct err *err)
{
    c->name = in->name ? in->name : c->name ? c->name : c->names.v[0];
    return name_check(c->name, err);
}

/* What no CA is asked for: owner and tags. */
static enum rc read_keeping(struct request *r, const struct cert_in *in, struct cert *c,
                            struct err *err)
{
    TRY(group_from_input(r, in->group, c->group_id, &c->group_id, err));
    return json_get(r->body, "tags") ? tags_from_input(r, &in->tags, &c->tags, err) : RC_OK;
}

enum rc cert_from_input(struct request *r, const struct cert_in *in, struct cert *c,
                        struct err *err)
{
    struct connector ca;
    struct needs needs = {false, false};
    TRY(read_identity(r, in, c, &needs, err));
    TRY(read_name(in, c, err));
    enum rc rc = find_connector(r, "ca", in->ca, &ca, err);
    if (rc == RC_NOT_FOUND) {
        err->rc = RC_INPUT;
        rc = RC_INPUT;
    }
    if (rc != RC_OK)
        return refuse(err, "ca", rc);
    const struct conn_head *head = registry_head(CONN_CA, ca.type);
    CHECK(head, err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("api.no_type", "there is no {0} type {1}; see inro docs",
              "{0} に {1} という種類はありません。inro docs を参照してください"),
          "ca", ca.type);
    TRY(ca_can(head, &needs, err));
    TRY(challenge_from_input(r, head, needs.wildcard, c->challenge, &c->challenge, err));
    TRY(read_policy(r, &c->policy, err));
    TRY(read_organisation(r, in->organisation, c, err));
    c->ca_id = ca.id;
    return read_keeping(r, in, c, err);
}

enum rc cert_kept_from_input(struct request *r, const struct cert_in *in, struct cert *c,
                             struct err *err)
{
    static const char *const asked[] = {"names", "key", "csr", "organisation", "challenge"};
    for (size_t i = 0; i < COUNT_OF(asked); i++)
        if (json_get(r->body, asked[i]))
            return refuse(
                err, "ca",
                FAIL(err, RC_INPUT, BLAME_INPUT,
                     MSG("api.cert_no_ca", "this certificate was imported and has no CA; name one",
                         "この証明書は取り込んだもので認証局がありません。"
                         "認証局を指定してください")));
    TRY(read_name(in, c, err));
    if (json_get(r->body, "policy"))
        TRY(read_policy(r, &c->policy, err));
    return read_keeping(r, in, c, err);
}
