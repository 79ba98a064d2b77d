/*
 * What leaves: certificates and CSRs as they are; a key only sealed under its owner's password by
 * the vault itself, after the person has proven who they are. This process never sees it in clear.
 */
#include <string.h>

#include "api/priv.h"
#include "crypto/container.h"

/* The version asked for (0 = the one in service), which must have been issued. */
static enum rc find_version(struct request *r, int64_t id, struct cert *ret_c,
                            struct cert_version *ret, struct err *err)
{
    TRY(find_cert(r, r->params[0], ret_c, err));
    r_subject(r, "cert", ret_c->id);
    id = id ? id : ret_c->current_id;
    CHECK(id, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_current", "{0} has not been issued yet", "{0} はまだ発行されていません"),
          ret_c->name);
    enum rc rc = db_version_get(r->db, id, r->a, ret, err);
    if (rc == RC_OK && (ret->cert_id != ret_c->id || !ret->chain))
        rc = RC_NOT_FOUND;
    CHECK(
        rc != RC_NOT_FOUND, err, RC_NOT_FOUND, BLAME_INPUT,
        MSG("api.no_version", "the certificate has no such version", "証明書にその版はありません"));
    return rc;
}

static const struct field_choice plain_formats[] = {{"pem", {"PEM", "PEM"}},
                                                    {"der", {"DER", "DER"}},
                                                    {"pkcs7", {"PKCS#7", "PKCS#7"}},
                                                    {NULL, {NULL, NULL}}};

static enum rc run_export(struct request *r, struct err *err)
{
    static const char *const types[] = {"application/x-pem-file", "application/pkix-cert",
                                        "application/x-pkcs7-certificates"};
    const char *format = r_query(r, "format");
    struct cert c;
    struct cert_version v;
    struct cert_list certs;
    size_t at = 0;
    while (format && plain_formats[at].value && strcmp(plain_formats[at].value, format) != 0)
        at++;
    CHECK(
        plain_formats[at].value, err, RC_INPUT, BLAME_INPUT,
        MSG("api.export_format",
            "format is pem, der or pkcs7; pkcs12 and jks hold the key and need a password",
            "形式は pem、der、pkcs7 のいずれかです。pkcs12 と jks は鍵を含むためパスワードが必要で"
            "す"));
    TRY(find_version(r, 0, &c, &v, err));
    r->type = types[at];
    if (at == 0) {
        buf_adds(&r->out, v.chain);
        return RC_OK;
    }
    TRY(cert_parse_pem(str_from(v.chain), true, r->a, &certs, err));
    if (at == 2)
        return pkcs7_write(&certs, &r->out, err);
    buf_addstr(&r->out, certs.v[0].der);
    return RC_OK;
}

struct export_in {
    const char *format, *password;
    int64_t version;
};
static const struct field_choice key_formats[] = {
    {"pkcs12", {"PKCS#12 (.p12, .pfx)", "PKCS#12（.p12、.pfx）"}},
    {"jks", {"Java key store (JKS)", "Java キーストア（JKS）"}},
    {"pem", {"PEM with an encrypted key", "PEM（鍵は暗号化）"}},
    {NULL, {NULL, NULL}}};
static const struct field export_fields[] = {
    FIELD_ENUM(struct export_in, format, .flags = FIELD_REQUIRED, .choices = key_formats,
               .label = {"Format", "形式"}),
    FIELD_STR(struct export_in, password, .flags = FIELD_REQUIRED, .min = CONTAINER_MIN_PASSWORD,
              .max = 256, .label = {"Password of the file", "ファイルのパスワード"},
              .help = {"Whoever opens the file needs it.",
                       "ファイルを開くときに必要になるパスワードです。"}),
    FIELD_INT(struct export_in, version, .min = 1, .max = INT64_MAX, .label = {"Version", "版"}),
    FIELD_END};

static enum rc run_export_key(struct request *r, struct err *err)
{
    static const char *const types[] = {"application/x-pkcs12", "application/octet-stream",
                                        "application/x-pem-file"};
    static const enum vault_export formats[] = {VAULT_EXPORT_PKCS12, VAULT_EXPORT_JKS,
                                                VAULT_EXPORT_PEM};
    const struct export_in *in = r->in;
    struct cert c;
    struct cert_version v;
    size_t at = 0;
    while (key_formats[at].value && strcmp(key_formats[at].value, in->format) != 0)
        at++;
    TRY(find_version(r, in->version, &c, &v, err));
    CHECK(v.key_sealed, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.no_key", "Inro does not hold the key of this version; it was made outside",
              "この版の鍵は Inro にありません。外部で作成された鍵です"));
    r->detail = arena_printf(r->a, "{\"version\":%lld,\"format\":\"%s\"}", (long long)v.id,
                             key_formats[at].value);
    const char *place = arena_printf(r->a, "version/%lld/key", (long long)v.id);
    if (!place || !r->detail)
        return NOMEM(err);
    struct vault_grant g = {.step = "export", .subject = r->actor};
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = vault_export(r->api->o.vault, place, v.key_sealed, formats[at], str_from(v.chain),
                              c.name, in->password, &g, &r->out, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    r->type = types[at];
    return rc;
}

/* base64 -> PEM (RFC 7468). */
static const char *csr_pem(struct arena *a, const char *b64)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    buf_adds(&b, "-----BEGIN CERTIFICATE REQUEST-----\n");
    for (size_t n = strlen(b64), at = 0; at < n; at += 64) {
        buf_add(&b, b64 + at, n - at < 64 ? n - at : 64);
        buf_addc(&b, '\n');
    }
    buf_adds(&b, "-----END CERTIFICATE REQUEST-----\n");
    return b.bad == RC_OK ? arena_strdup(a, buf_cstr(&b)) : NULL;
}

/* The newest CSR made here: of the version that is being ordered, else of the one in service. */
static enum rc run_csr(struct request *r, struct err *err)
{
    struct cert c;
    struct cert_version_list l;
    const struct cert_version *found = NULL;
    TRY(find_cert(r, r->params[0], &c, err));
    r_subject(r, "cert", c.id);
    TRY(db_version_list(r->db, c.id, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].csr && (!found || l.v[i].id > found->id))
            found = &l.v[i];
    CHECK(found, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.no_csr", "{0} has no CSR yet; apply for it first",
              "{0} の CSR はまだありません。先に申請してください"),
          c.name);
    const char *pem = csr_pem(r->a, found->csr);
    if (!pem)
        return NOMEM(err);
    jw_object(&r->w);
    jw_ki64(&r->w, "cert", c.id);
    jw_ki64(&r->w, "version", found->id);
    jw_kstr(&r->w, "csr", pem);
    jw_end_object(&r->w);
    return RC_OK;
}

static const struct route rows[] = {
    {"cert.export", "GET", "/certs/{id}/export", PERM(PERM_VIEW), ROUTE_READ, run_export,
     .answer = "file application/x-pem-file, file application/pkix-cert, file "
               "application/x-pkcs7-certificates",
     .query = "format@cert",
     .summary = {"The certificate and its chain", "証明書とチェーンを書き出す"}},
    {"cert.export_key", "POST", "/certs/{id}/export", PERM(PERM_OPERATE), ROUTE_WRITE | ROUTE_PROVE,
     run_export_key,
     .answer =
         "file application/x-pkcs12, file application/octet-stream, file application/x-pem-file",
     .summary = {"The certificate with its key, sealed under a password",
                 "証明書と鍵をパスワード付きで書き出す"},
     .body = export_fields, .body_size = sizeof(struct export_in)},
    {"cert.csr", "GET", "/certs/{id}/csr", PERM(PERM_VIEW), ROUTE_READ, run_csr,
     .answer = "CertCsr", .summary = {"The newest CSR", "最新の CSR を表示する"}},
};
ROUTE_SET(routes_export, rows);
