/*
 * Certificates and keys that come and go as files: every format in, every format out again, the
 * key only sealed under a password, and nothing stored of what does not fit together.
 */
#include "unit/api/api_rig.h"

#include "crypto/cert.h"
#include "crypto/container.h"
#include "crypto/issue.h"

#define PASSWORD "violet tandem kettle"

struct files {
    struct api_rig r;
    struct who admin;
    struct key *key, *other;
    struct cert_list chain;
    const char *cert_pem, *key_pem;
    char mark[41]; /* a piece of the key as it would be seen in clear */
};

static const char *text(struct files *f, const struct buf *b)
{
    assert_int_equal(b->bad, RC_OK);
    return arena_str(f->r.a, buf_str(b));
}

static void make_pair(struct files *f, const char *name)
{
    AUTO(buf) struct buf spki = BUF(4096), der = BUF(65536), pem = BUF(65536);
    AUTO(buf) struct buf secret = BUF(65536);
    const char *const names[] = {name, "alt.a.example"};
    struct issue_spec spec = {.subject = {.common_name = name},
                              .dns = names,
                              .dns_count = 2,
                              .not_before = RIG_NOW - USEC_PER_DAY,
                              .not_after = RIG_NOW + 60 * USEC_PER_DAY,
                              .server_auth = true};
    key_destroy(f->key);
    f->key = NULL;
    OK(key_generate(KEY_EC256, &f->key, err));
    OK(key_spki(f->key, &spki, err));
    OK(cert_issue(f->key, STR_NONE, buf_str(&spki), &spec, &der, err));
    cert_to_pem(buf_str(&der), &pem);
    OK(key_to_pem(f->key, &secret, err));
    f->cert_pem = text(f, &pem);
    f->key_pem = text(f, &secret);
    memcpy(f->mark, f->key_pem + 60, 40);
    OK(cert_parse_pem(str_from(f->cert_pem), true, f->r.a, &f->chain, err));
}

static void files_open(struct files *f)
{
    memset(f, 0, sizeof *f);
    api_rig_start(&f->r);
    f->admin = rig_person(&f->r, "admin@a.example", "admin", 0);
    OK(key_generate(KEY_EC256, &f->other, err));
    make_pair(f, "www.a.example");
}

static void files_close(struct files *f)
{
    key_destroy(f->key);
    key_destroy(f->other);
    api_rig_end(&f->r);
}

/* {"pem" or "data": ..., "password": ...} */
static struct answer send_file(struct files *f, const char *path, int status, const char *pem,
                               struct str data, const char *password)
{
    AUTO(buf) struct buf b = BUF((size_t)4 << 20), b64 = BUF((size_t)4 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    if (pem)
        jw_kstr(&w, "pem", pem);
    if (data.p) {
        base64_add(&b64, data.p, data.n);
        jw_kstr(&w, "data", buf_cstr(&b64));
    }
    if (password)
        jw_kstr(&w, "password", password);
    jw_end_object(&w);
    struct answer x = rig_want(&f->r, &f->admin, status, "POST", path, text(f, &b));
    assert_null(strstr(x.text, f->mark));
    assert_null(strstr(x.text, PASSWORD));
    return x;
}

static struct answer take_in(struct files *f, int status, const char *pem, struct str data,
                             const char *password)
{
    return send_file(f, "/certs/import", status, pem, data, password);
}

static struct answer look_at(struct files *f, int status, struct str data, const char *password)
{
    return send_file(f, "/certs/inspect", status, NULL, data, password);
}

static void assert_taken(struct files *f, const struct answer *x, const char *format, bool key)
{
    assert_string_equal(json_str_or(x->json, "format", ""), format);
    assert_int_equal(json_bool_or(x->json, "key", !key), key);
    assert_string_equal(json_str_or(x->json, "cert.name", ""), f->chain.v[0].names[0]);
    assert_string_equal(json_str_or(x->json, "cert.health", ""), "valid");
}

static void forget(struct files *f)
{
    (void)rig_want(&f->r, &f->admin, 200, "DELETE",
                   arena_printf(f->r.a, "/certs/%s", f->chain.v[0].names[0]), NULL);
}

/* Before anything is kept a person hears whether the key is the certificate's. */
static void a_key_is_looked_at(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    AUTO(buf) struct buf locked = BUF(1 << 20), other = BUF(1 << 20);
    OK(key_to_encrypted_pem(f.key, PASSWORD, &locked, err));
    OK(key_to_pem(f.other, &other, err));
    const char *sealed = arena_printf(f.r.a, "%s%s", f.cert_pem, text(&f, &locked));
    const char *cut = arena_printf(f.r.a,
                                   "%s-----BEGIN PRIVATE KEY-----\nAAAA\n"
                                   "-----END PRIVATE KEY-----\n",
                                   f.cert_pem);
    const struct {
        const char *pem, *password, *state;
    } rows[] = {
        {f.cert_pem, NULL, "none"},
        {arena_printf(f.r.a, "%s%s", f.cert_pem, f.key_pem), NULL, "fits"},
        {arena_printf(f.r.a, "%s%s", f.cert_pem, text(&f, &other)), NULL, "other"},
        {arena_printf(f.r.a, "%s%s%s", text(&f, &other), f.cert_pem, f.key_pem), NULL, "fits"},
        {sealed, NULL, "locked"},
        {sealed, PASSWORD, "fits"},
        {cut, NULL, "unread"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x =
            send_file(&f, "/certs/inspect", 200, rows[i].pem, STR_NONE, rows[i].password);
        assert_string_equal(json_str_or(x.json, "key_state", ""), rows[i].state);
        assert_int_equal(json_bool_or(x.json, "key", i == 0), i != 0);
    }
    struct answer x = send_file(&f, "/certs/inspect", 400, sealed, STR_NONE, "wrong wrong wrong");
    assert_string_equal(json_str_or(x.json, "error.id", ""), "crypto.key.password_wrong");
    x = rig_want(&f.r, &f.admin, 200, "GET", "/certs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    files_close(&f);
}

static void every_format_comes_in(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    AUTO(buf) struct buf p12 = BUF(1 << 20), p7 = BUF(1 << 20), locked = BUF(1 << 20);
    OK(pkcs12_write(f.key, &f.chain, "x", PASSWORD, &p12, err));
    OK(pkcs7_write(&f.chain, &p7, err));
    OK(key_to_encrypted_pem(f.key, PASSWORD, &locked, err));
    const struct {
        const char *pem;
        struct str data;
        const char *password, *format;
        bool key;
    } rows[] = {
        {f.cert_pem, STR_NONE, NULL, "PEM", false},
        {arena_printf(f.r.a, "%s%s", f.key_pem, f.cert_pem), STR_NONE, NULL, "PEM", true},
        {arena_printf(f.r.a, "%s%s", f.cert_pem, text(&f, &locked)), STR_NONE, PASSWORD, "PEM",
         true},
        {NULL, f.chain.v[0].der, NULL, "DER", false},
        {NULL, buf_str(&p7), NULL, "PKCS#7", false},
        {NULL, buf_str(&p12), PASSWORD, "PKCS#12", true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = take_in(&f, 201, rows[i].pem, rows[i].data, rows[i].password);
        assert_taken(&f, &x, rows[i].format, rows[i].key);
        x = take_in(&f, 409, rows[i].pem, rows[i].data, rows[i].password);
        assert_string_equal(rig_error(&x), "api.imported");
        forget(&f);
    }
    files_close(&f);
}

/* Its owner, name, tags and policy need no CA; names and keys do. */
static void what_came_in_is_changed_without_a_ca(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    (void)rig_group(&f.r, "web");
    struct answer x = take_in(&f, 201, f.cert_pem, STR_NONE, NULL);
    int64_t id = json_i64_or(x.json, "cert.id", 0),
            revision = json_i64_or(x.json, "cert.revision", 0);
    const char *path = arena_printf(f.r.a, "/certs/%lld", (long long)id);
    x = rig_want(&f.r, &f.admin, 200, "PATCH", path,
                 arena_printf(f.r.a,
                              "{\"name\":\"the old one\",\"group\":\"web\",\"tags\":[\"legacy\"],"
                              "\"policy\":{\"on_failure\":\"continue\"},\"revision\":%lld}",
                              (long long)revision));
    assert_string_equal(json_str_or(x.json, "name", ""), "the old one");
    assert_string_equal(json_str_or(x.json, "group", ""), "web");
    assert_string_equal(json_str_or(x.json, "tags.0", ""), "legacy");
    assert_string_equal(json_str_or(x.json, "policy.on_failure", ""), "continue");
    assert_null(json_str_or(x.json, "ca", NULL));
    static const char *const needs_a_ca[] = {"{\"names\":[\"other.example\"]}",
                                             "{\"key\":\"ec384\"}",
                                             "{\"challenge\":{\"type\":\"http-01\"}}"};
    for (size_t i = 0; i < COUNT_OF(needs_a_ca); i++) {
        x = rig_want(&f.r, &f.admin, 400, "PATCH", path, needs_a_ca[i]);
        assert_string_equal(rig_error(&x), "api.cert_no_ca");
        assert_string_equal(json_str_or(x.json, "error.field", ""), "ca");
    }
    files_close(&f);
}

static void what_does_not_fit_is_not_kept(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    AUTO(buf) struct buf p12 = BUF(1 << 20), other = BUF(1 << 20), locked = BUF(1 << 20);
    OK(pkcs12_write(f.key, &f.chain, "x", PASSWORD, &p12, err));
    OK(key_to_pem(f.other, &other, err));
    OK(key_to_encrypted_pem(f.key, PASSWORD, &locked, err));
    const char *sealed = arena_printf(f.r.a, "%s%s", f.cert_pem, text(&f, &locked));
    const struct {
        const char *pem;
        struct str data;
        const char *password, *id;
    } rows[] = {
        {NULL, STR_NONE, NULL, "api.import_what"},
        {f.cert_pem, f.chain.v[0].der, NULL, "api.import_what"},
        {arena_printf(f.r.a, "%s%s", f.cert_pem, text(&f, &other)), STR_NONE, NULL,
         "api.key_mismatch"},
        {f.key_pem, STR_NONE, NULL, NULL},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", STR_NONE, NULL, NULL},
        {"not a file of ours", STR_NONE, NULL, NULL},
        {sealed, STR_NONE, NULL, NULL},
        {sealed, STR_NONE, "wrong wrong wrong", NULL},
        {NULL, STR("garbage"), NULL, NULL},
        {NULL, {p12.p, p12.len / 2}, PASSWORD, NULL},
        {NULL, buf_str(&p12), NULL, NULL},
        {NULL, buf_str(&p12), "wrong wrong wrong", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = take_in(&f, 400, rows[i].pem, rows[i].data, rows[i].password);
        if (rows[i].id)
            assert_string_equal(rig_error(&x), rows[i].id);
        assert_true(json_str_or(x.json, "error.message.ja", "")[0]);
    }
    struct answer x = rig_want(&f.r, &f.admin, 400, "POST", "/certs/import", "{\"data\":\"?\"}");
    assert_string_equal(rig_error(&x), "api.import_base64");
    x = rig_want(&f.r, &f.admin, 200, "GET", "/certs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    files_close(&f);
}

static struct answer take_out(struct files *f, int status, const char *body)
{
    return rig_want(&f->r, &f->admin, status, "POST", "/certs/www.a.example/export", body);
}

static struct container read_back(struct files *f, const struct answer *x, struct buf *out)
{
    struct container c = {0};
    struct cert_list got;
    OK(container_read((struct str){x->text, x->len}, PASSWORD, out, &c, err));
    OK(cert_parse_pem(buf_str(out), false, f->r.a, &got, err));
    assert_memory_equal(got.v[0].sha256, f->chain.v[0].sha256, 32);
    return c;
}

static void every_format_goes_out(void **state)
{
    static const struct {
        const char *format, *type, *kind;
    } plain[] = {{"pem", "application/x-pem-file", "PEM"},
                 {"der", "application/pkix-cert", "DER"},
                 {"pkcs7", "application/x-pkcs7-certificates", "PKCS#7"}};
    static const char *const sealed[] = {"pkcs12", "pem"};
    struct files f;
    (void)state;
    files_open(&f);
    (void)take_in(&f, 201, arena_printf(f.r.a, "%s%s", f.cert_pem, f.key_pem), STR_NONE, NULL);
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        AUTO(buf) struct buf out = BUF(1 << 20);
        struct answer x = rig_want(
            &f.r, &f.admin, 200, "GET",
            arena_printf(f.r.a, "/certs/www.a.example/export?format=%s", plain[i].format), NULL);
        assert_string_equal(x.type, plain[i].type);
        assert_string_equal(read_back(&f, &x, &out).kind, plain[i].kind);
    }
    for (size_t i = 0; i < COUNT_OF(sealed); i++) {
        AUTO(buf) struct buf out = BUF_SECRET(1 << 20);
        AUTO(key) struct key *k = NULL;
        unsigned char a[32], b[32];
        struct answer x = take_out(
            &f, 200,
            arena_printf(f.r.a, "{\"format\":\"%s\",\"password\":\"" PASSWORD "\"}", sealed[i]));
        assert_null(memmem(x.text, x.len, f.mark, 40));
        (void)read_back(&f, &x, &out);
        OK(key_from_pem(pem_find_key(buf_str(&out)), PASSWORD, &k, err));
        OK(key_spki_sha256(k, a, err));
        OK(key_spki_sha256(f.key, b, err));
        assert_memory_equal(a, b, 32);
    }
    struct answer x = take_out(&f, 200, "{\"format\":\"jks\",\"password\":\"" PASSWORD "\"}");
    assert_memory_equal(x.text, "\xfe\xed\xfe\xed", 4); /* what opens it: unit/crypto */
    files_close(&f);
}

static void keys_go_out_only_to_who_is_proven(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    static const char *const good = "{\"format\":\"pkcs12\",\"password\":\"" PASSWORD "\"}";
    (void)take_in(&f, 201, f.cert_pem, STR_NONE, NULL);
    struct answer x = take_out(&f, 409, good);
    assert_string_equal(rig_error(&x), "api.no_key");
    make_pair(&f, "www2.a.example");
    (void)take_in(&f, 201, arena_printf(f.r.a, "%s%s", f.cert_pem, f.key_pem), STR_NONE, NULL);
    static const char *const path = "/certs/www2.a.example/export";
    static const struct {
        const char *body, *field;
    } rows[] = {{"{\"format\":\"pkcs12\"}", "password"},
                {"{\"format\":\"pkcs12\",\"password\":\"short\"}", "password"},
                {"{\"format\":\"der\",\"password\":\"" PASSWORD "\"}", "format"},
                {"{\"password\":\"" PASSWORD "\"}", "format"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        x = rig_want(&f.r, &f.admin, 400, "POST", path, rows[i].body);
        assert_string_equal(json_str_or(x.json, "error.field", ""), rows[i].field);
    }
    x = rig_want(&f.r, &f.admin, 404, "POST", path,
                 "{\"format\":\"pkcs12\",\"password\":\"" PASSWORD "\",\"version\":1}");
    assert_string_equal(rig_error(&x), "api.no_version"); /* of another certificate */
    rig_pass(&f.r, 20 * 60 * USEC_PER_SEC);
    x = rig_want(&f.r, &f.admin, 403, "POST", path, good);
    assert_null(strstr(x.text, PASSWORD));
    struct who again = rig_session(&f.r, f.admin.user_id);
    (void)rig_want(&f.r, &again, 200, "POST", path, good);
    struct who local = rig_local();
    x = rig_want(&f.r, &local, 200, "GET", "/audit?limit=50", NULL);
    assert_non_null(strstr(x.text, "cert.export_key"));
    assert_null(strstr(x.text, PASSWORD));
    files_close(&f);
}

static void the_csr_is_the_newest(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    (void)take_in(&f, 201, f.cert_pem, STR_NONE, NULL);
    struct who local = rig_local();
    int64_t cert =
        json_i64_or(rig_want(&f.r, &local, 200, "GET", "/certs/www.a.example", NULL).json, "id", 0);
    for (int i = 0; i < 2; i++) {
        AUTO(db) struct db *db = NULL;
        struct cert_version v = {.cert_id = cert,
                                 .state = VERSION_STAGING,
                                 .key_alg = "ec256",
                                 .csr = i ? "TkVX" : "T0xE"};
        OK(store_begin(f.r.store, &db, err));
        OK(db_version_add(db, &v, err));
        OK(db_commit(&db, err));
    }
    struct answer x = rig_want(&f.r, &f.admin, 200, "GET", "/certs/www.a.example/csr", NULL);
    assert_string_equal(json_str_or(x.json, "csr", ""),
                        "-----BEGIN CERTIFICATE REQUEST-----\nTkVX\n"
                        "-----END CERTIFICATE REQUEST-----\n");
    files_close(&f);
}

/* A few wrong passwords are told as such; after them even the right one has to wait. */
static void guessing_a_password_is_slowed(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    AUTO(buf) struct buf p12 = BUF(65536);
    OK(pkcs12_write(f.key, &f.chain, "a", PASSWORD, &p12, err));
    for (int i = 0; i < 4; i++) {
        struct answer x = take_in(&f, 400, NULL, buf_str(&p12), "wrong wrong wrong");
        assert_string_equal(json_str_or(x.json, "error.id", ""), "crypto.container.wrong");
    }
    struct answer x = take_in(&f, 503, NULL, buf_str(&p12), PASSWORD);
    assert_string_equal(json_str_or(x.json, "error.id", ""), "api.import_wait");
    files_close(&f);
}

/* Looking into a file opens it as importing does, keeps nothing, and is no way around the wait. */
static void a_file_is_looked_into_first(void **state)
{
    struct files f;
    (void)state;
    files_open(&f);
    AUTO(buf) struct buf p12 = BUF(65536), p7 = BUF(65536);
    OK(pkcs12_write(f.key, &f.chain, "a", PASSWORD, &p12, err));
    OK(pkcs7_write(&f.chain, &p7, err));
    struct answer x = look_at(&f, 400, buf_str(&p12), NULL);
    assert_string_equal(rig_error(&x), "crypto.container.password");
    x = look_at(&f, 200, buf_str(&p12), PASSWORD);
    assert_string_equal(json_str_or(x.json, "format", ""), "PKCS#12");
    assert_true(json_bool_or(x.json, "key", false));
    assert_int_equal(json_len(json_get(x.json, "servers")), 1);
    assert_int_equal(json_len(json_get(x.json, "chain")), f.chain.n);
    x = look_at(&f, 200, buf_str(&p7), NULL);
    assert_string_equal(json_str_or(x.json, "format", ""), "PKCS#7");
    assert_false(json_bool_or(x.json, "key", true));
    x = rig_want(&f.r, &f.admin, 200, "GET", "/certs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    for (int i = 0; i < 4; i++) {
        x = look_at(&f, 400, buf_str(&p12), "wrong wrong wrong");
        assert_string_equal(rig_error(&x), "crypto.container.wrong");
    }
    x = look_at(&f, 503, buf_str(&p12), PASSWORD);
    assert_string_equal(rig_error(&x), "api.import_wait");
    x = take_in(&f, 503, NULL, buf_str(&p12), PASSWORD);
    assert_string_equal(rig_error(&x), "api.import_wait");
    files_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_looked_at),
        cmocka_unit_test(every_format_comes_in),
        cmocka_unit_test(what_does_not_fit_is_not_kept),
        cmocka_unit_test(what_came_in_is_changed_without_a_ca),
        cmocka_unit_test(every_format_goes_out),
        cmocka_unit_test(keys_go_out_only_to_who_is_proven),
        cmocka_unit_test(the_csr_is_the_newest),
        cmocka_unit_test(a_file_is_looked_into_first),
        cmocka_unit_test(guessing_a_password_is_slowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
