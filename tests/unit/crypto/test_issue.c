/* Certificates made by the room, judged by openssl. */
#include "unit/crypto/crypto_rig.h"

static void text_of(const struct rig_cert *c, struct buf *out)
{
    rig_write("c.der", rig_der(c));
    assert_int_equal(OPENSSL(out, "x509", "-inform", "DER", "-in", rig_path("c.der"), "-noout",
                             "-text", "-nameopt", "utf8"),
                     0);
}

static void has(const struct buf *text, const char *what)
{
    if (!strstr(buf_cstr(text), what))
        fail_msg("\"%s\" is not in %s", what, buf_cstr(text));
}

static void a_private_ca_stands_up_to_openssl(void **state)
{
    UNUSED(state);
    struct rig_cert root = {0}, mid = {0}, leaf = {0};
    struct issue_spec s = rig_spec("Inro Root", true);
    s.subject.organization = "株式会社テスト";
    s.subject.country = "JP";
    s.not_after = RIG_NOW + 20 * RIG_YEAR;
    rig_issue(&root, NULL, &s);
    s = rig_spec("Inro Intermediate", true);
    s.path_len = 0;
    rig_issue(&mid, &root, &s);
    s = rig_spec("www.example.jp", false);
    const char *const dns[] = {"www.example.jp", "*.example.jp"};
    const char *const ips[] = {"192.0.2.1", "2001:db8::1"};
    s.dns = dns;
    s.dns_count = 2;
    s.ips = ips;
    s.ip_count = 2;
    s.client_auth = true;
    s.crl_url = "http://pki.example.jp/mid.crl";
    s.issuer_url = "http://pki.example.jp/mid.cer";
    rig_issue(&leaf, &mid, &s);

    AUTO(buf) struct buf pem = BUF(16384);
    AUTO(buf) struct buf out = BUF(65536);
    cert_to_pem(rig_der(&root), &pem);
    rig_write("root.pem", buf_str(&pem));
    buf_clear(&pem);
    cert_to_pem(rig_der(&mid), &pem);
    rig_write("mid.pem", buf_str(&pem));
    buf_clear(&pem);
    cert_to_pem(rig_der(&leaf), &pem);
    rig_write("leaf.pem", buf_str(&pem));
    MUST_OPENSSL("verify", "-x509_strict", "-attime", "1764115200", "-purpose", "sslserver",
                 "-verify_hostname", "a.example.jp", "-CAfile", rig_path("root.pem"), "-untrusted",
                 rig_path("mid.pem"), rig_path("leaf.pem"));
    MUST_OPENSSL("verify", "-x509_strict", "-attime", "1764115200", "-purpose", "sslclient",
                 "-CAfile", rig_path("root.pem"), "-untrusted", rig_path("mid.pem"),
                 rig_path("leaf.pem"));
    text_of(&leaf, &out);
    has(&out, "Version: 3");
    has(&out, "DNS:www.example.jp, DNS:*.example.jp, IP Address:192.0.2.1");
    has(&out, "URI:http://pki.example.jp/mid.crl");
    has(&out, "CA Issuers - URI:http://pki.example.jp/mid.cer");
    has(&out, "CA:FALSE");
    has(&out, "TLS Web Server Authentication, TLS Web Client Authentication");
    buf_clear(&out);
    text_of(&mid, &out);
    has(&out, "CA:TRUE, pathlen:0");
    has(&out, "Certificate Sign, CRL Sign");
    has(&out, "株式会社テスト"); /* the issuer */
    rig_cert_free(&root);
    rig_cert_free(&mid);
    rig_cert_free(&leaf);
}

static void every_key_kind_signs(void **state)
{
    UNUSED(state);
    static const enum key_alg algs[] = {KEY_EC256, KEY_EC384, KEY_RSA2048, KEY_ED25519};
    AUTO(arena) struct arena *a = arena_create(0);
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        struct rig_cert c = {.key = rig_key(algs[i])};
        struct cert_info info;
        AUTO(buf) struct buf pem = BUF(8192);
        rig_leaf(&c, NULL, "self.example");
        rig_parse(&c, a, &info);
        assert_string_equal(info.key_name, key_alg_name(algs[i]));
        assert_int_equal(info.unusual, 0);
        assert_true(info.self_issued && !info.is_ca);
        cert_to_pem(rig_der(&c), &pem);
        rig_write("self.pem", buf_str(&pem));
        MUST_OPENSSL("verify", "-attime", "1764115200", "-check_ss_sig", "-CAfile",
                     rig_path("self.pem"), rig_path("self.pem"));
        rig_cert_free(&c);
    }
}

static void serials_are_positive_long_and_never_the_same(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct rig_cert ca = {0};
    const char *seen[50];
    rig_ca(&ca, NULL, "Root");
    for (size_t i = 0; i < COUNT_OF(seen); i++) {
        struct rig_cert c = {.key = ca.key};
        struct cert_info info;
        rig_leaf(&c, &ca, "a.example");
        rig_parse(&c, a, &info);
        assert_int_equal(info.serial_der.n, 16);
        assert_int_equal(strlen(info.serial), 32);
        seen[i] = info.serial;
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[k], seen[i]);
        buf_free(&c.der);
    }
    rig_cert_free(&ca);
}

/* RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
static void dates_change_their_form_in_2050(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    static const struct {
        int64_t at;
        const char *form;
    } v[] = {{2524607999, "\x17\x0d"
                          "491231235959Z"},
             {2524608000, "\x18\x0f"
                          "20500101000000Z"},
             {253402300799, "\x18\x0f"
                            "99991231235959Z"},
             {2147483648, "\x17\x0d"
                          "380119031408Z"}};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct rig_cert c = {0};
        struct cert_info info;
        struct issue_spec s = rig_spec("t.example", false);
        s.not_after = v[i].at * USEC_PER_SEC;
        rig_issue(&c, NULL, &s);
        rig_parse(&c, a, &info);
        assert_int_equal(info.not_after, s.not_after);
        assert_int_equal(info.not_before, s.not_before);
        assert_non_null(memmem(c.der.p, c.der.len, v[i].form, strlen(v[i].form)));
        rig_cert_free(&c);
    }
}

static void wrong_input_is_refused_in_words(void **state)
{
    UNUSED(state);
    struct rig_cert ca = {0};
    AUTO(key) struct key *stranger = rig_key(KEY_EC256);
    AUTO(buf) struct buf spki = BUF(4096);
    AUTO(buf) struct buf out = BUF(8192);
    struct issue_spec s = rig_spec("x.example", false);
    rig_ca(&ca, NULL, "Root");
    assert_int_equal(key_spki(stranger, &spki, NULL), RC_OK);
    EXPECT(cert_issue(stranger, rig_der(&ca), buf_str(&spki), &s, &out, &err), RC_INPUT,
           "crypto.issue.key");
    s.subject.country = "Japan";
    EXPECT(cert_issue(ca.key, rig_der(&ca), buf_str(&spki), &s, &out, &err), RC_INPUT,
           "crypto.subject");
    s = rig_spec("x.example", false);
    EXPECT(cert_issue(ca.key, rig_der(&ca), STR("junk"), &s, &out, &err), RC_INTERNAL, NULL);
    EXPECT(cert_issue(ca.key, STR("junk"), buf_str(&spki), &s, &out, &err), RC_INTERNAL, NULL);
    assert_int_equal(out.len, 0);
    rig_cert_free(&ca);
}

/* OpenSSL's own syntax for these extensions splits at commas. */
static void a_comma_in_a_url_stays_in_the_url(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct rig_cert c = {0};
    struct cert_info info;
    struct issue_spec s = rig_spec("x.example", false);
    s.crl_url = "http://pki.example/a,b,URI:http://evil.example/";
    s.issuer_url = "http://pki.example/x;y,URI:http://evil.example/";
    rig_issue(&c, NULL, &s);
    rig_parse(&c, a, &info);
    assert_string_equal(info.crl_url, s.crl_url);
    assert_string_equal(info.issuer_url, s.issuer_url);
    rig_cert_free(&c);
}

static void failing_memory_leaks_nothing(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(buf) struct buf spki = BUF(4096);
    struct issue_spec s = rig_spec("x.example", false);
    s.crl_url = "http://pki.example/c";
    s.issuer_url = "http://pki.example/i";
    assert_int_equal(key_spki(k, &spki, NULL), RC_OK);
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        AUTO(buf) struct buf out = BUF(8192);
        rig_fail(n);
        done = cert_issue(k, STR_NONE, buf_str(&spki), &s, &out, NULL) == RC_OK;
        more = rig_failed(n);
        assert_int_equal(done, out.len > 0);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_ca_stands_up_to_openssl),
        cmocka_unit_test(every_key_kind_signs),
        cmocka_unit_test(serials_are_positive_long_and_never_the_same),
        cmocka_unit_test(dates_change_their_form_in_2050),
        cmocka_unit_test(wrong_input_is_refused_in_words),
        cmocka_unit_test(a_comma_in_a_url_stays_in_the_url),
        cmocka_unit_test(failing_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("crypto.issue", tests, rig_setup, rig_teardown);
}
