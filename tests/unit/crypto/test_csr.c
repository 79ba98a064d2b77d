/* Requests: ours read by openssl, openssl's read by us, and the ones that must be refused. */
#include "unit/crypto/crypto_rig.h"

static const char *const two[] = {"www.example.jp", "*.example.jp"};
static const char *const ips[] = {"192.0.2.1", "2001:db8::1"};

static void build(const struct key *k, const struct csr_spec *spec, struct buf *der)
{
    EXPECT(csr_build(k, spec, der, &err), RC_OK, NULL);
}

static void says(struct str der, const char *const *texts)
{
    AUTO(buf) struct buf out = BUF(65536);
    rig_write("r.der", der);
    assert_int_equal(OPENSSL(&out, "req", "-inform", "DER", "-in", rig_path("r.der"), "-noout",
                             "-text", "-verify", "-nameopt", "utf8"),
                     0);
    for (; *texts; texts++)
        if (!strstr(buf_cstr(&out), *texts))
            fail_msg("\"%s\" is not in %s", *texts, buf_cstr(&out));
}
#define SAYS(der, ...) says((der), (const char *const[]){__VA_ARGS__, NULL})

static void openssl_reads_what_we_ask_for(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    static const enum key_alg algs[] = {KEY_EC256, KEY_EC384, KEY_RSA2048, KEY_ED25519};
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        AUTO(key) struct key *k = rig_key(algs[i]);
        AUTO(buf) struct buf der = BUF(8192);
        AUTO(buf) struct buf again = BUF(8192);
        struct csr_spec s = {.subject = {.common_name = "www.example.jp",
                                         .organization = "株式会社テスト",
                                         .locality = "千代田区",
                                         .state = "東京都",
                                         .country = "JP"},
                             .dns = two,
                             .dns_count = 2,
                             .ips = ips,
                             .ip_count = 2,
                             .must_staple = true};
        build(k, &s, &der);
        SAYS(buf_str(&der), "株式会社テスト", "C=JP", "DNS:www.example.jp", "DNS:*.example.jp",
             "IP Address:192.0.2.1", "IP Address:2001:DB8:0:0:0:0:0:1", "status_request",
             "verify OK");
        struct csr_info c;
        unsigned char spki[32];
        EXPECT(csr_parse(buf_str(&der), a, &c, &again, &err), RC_OK, NULL);
        assert_true(str_eq(buf_str(&der), buf_str(&again)));
        assert_string_equal(c.subject.organization, "株式会社テスト");
        assert_string_equal(c.subject.common_name, "www.example.jp");
        assert_null(c.subject.organizational_unit);
        assert_int_equal(c.name_count, 4);
        assert_string_equal(c.names[1], "*.example.jp");
        assert_string_equal(c.names[3], "2001:db8::1");
        assert_string_equal(c.key_name, key_alg_name(algs[i]));
        assert_int_equal(key_spki_sha256(k, spki, NULL), RC_OK);
        assert_memory_equal(spki, c.spki_sha256, 32);
        assert_false(c.wants_ca || c.has_challenge_password);
    }
}

static void an_empty_subject_makes_the_names_critical(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(buf) struct buf der = BUF(8192);
    struct csr_spec s = {.dns = two, .dns_count = 1};
    build(k, &s, &der);
    SAYS(buf_str(&der), "Subject Alternative Name: critical");
    s.subject.common_name = "www.example.jp";
    AUTO(buf) struct buf named = BUF(8192);
    AUTO(buf) struct buf out = BUF(65536);
    build(k, &s, &named);
    rig_write("r.der", buf_str(&named));
    assert_int_equal(
        OPENSSL(&out, "req", "-inform", "DER", "-in", rig_path("r.der"), "-noout", "-text"), 0);
    assert_null(strstr(buf_cstr(&out), "critical"));
}

static void a_request_that_cannot_be_is_refused(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(buf) struct buf der = BUF(8192);
    struct csr_spec s = {0};
    EXPECT(csr_build(k, &s, &der, &err), RC_INPUT, "crypto.csr.names");
    char cn[66];
    memset(cn, 'c', 65);
    cn[65] = '\0';
    s = (struct csr_spec){.subject = {.common_name = cn}, .dns = two, .dns_count = 1};
    EXPECT(csr_build(k, &s, &der, &err), RC_INPUT, "crypto.subject");
    s.subject = (struct subject){.country = "JPN"};
    EXPECT(csr_build(k, &s, &der, &err), RC_INPUT, "crypto.subject");
    s.subject = (struct subject){.organization = "\xff\xfe"};
    EXPECT(csr_build(k, &s, &der, &err), RC_INPUT, "crypto.subject");
    assert_int_equal(der.len, 0);
    cn[64] = '\0'; /* RFC 5280 ub-common-name: 64 */
    s.subject = (struct subject){.common_name = cn};
    build(k, &s, &der);
    AUTO(buf) struct buf small = BUF(100);
    EXPECT(csr_build(k, &s, &small, &err), RC_NOMEM, NULL);
}

static void openssl_req(const char *const *more)
{
    const char *args[32] = {"req",         "-new", "-nodes",     "-keyout",
                            rig_path("k"), "-out", rig_path("r")};
    size_t n = 7;
    while (*more)
        args[n++] = *more++;
    rig_must_openssl(args);
}
#define REQ(...) openssl_req((const char *const[]){__VA_ARGS__, NULL})

static void parse(const char *name, struct arena *a, struct csr_info *c, enum rc rc, const char *id)
{
    AUTO(buf) struct buf in = BUF(1 << 17);
    AUTO(buf) struct buf der = BUF(1 << 17);
    rig_read(name, &in);
    EXPECT(csr_parse(buf_str(&in), a, c, &der, &err), rc, id);
    assert_int_equal(rc == RC_OK, der.len > 0); /* nothing comes out of a refused one */
}

static void requests_from_outside_are_read(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct csr_info c;
    rig_write("cnf",
              STR("[req]\ndistinguished_name=dn\nreq_extensions=x\nattributes=at\nprompt=no\n"
                  "[dn]\nCN=WWW.Example.JP\n[at]\nchallengePassword=hunter2\n"
                  "[x]\nsubjectAltName=DNS:WWW.Example.JP,IP:192.0.2.7,email:a@b.jp\n"
                  "basicConstraints=CA:TRUE\nnsComment=hello\n"));
    REQ("-newkey", "rsa:2048", "-config", rig_path("cnf"));
    parse("r", a, &c, RC_OK, NULL);
    assert_string_equal(c.names[0], "www.example.jp");
    assert_string_equal(c.names[1], "192.0.2.7");
    assert_int_equal(c.name_count, 2);
    assert_true(c.wants_ca && c.has_challenge_password && c.has_other_extensions);
    assert_string_equal(c.key_name, "rsa2048");
    REQ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-subj", "/CN=plain.example");
    parse("r", a, &c, RC_OK, NULL);
    assert_int_equal(c.name_count, 0);
    assert_int_equal(c.key_bits, 384);
    assert_false(c.wants_ca || c.has_challenge_password || c.has_other_extensions);
}

static void weak_keys_are_refused(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct csr_info c;
    REQ("-newkey", "rsa:1024", "-subj", "/CN=weak.example");
    parse("r", a, &c, RC_INPUT, "crypto.csr.key");
    REQ("-newkey", "rsa:512", "-subj", "/CN=weak.example");
    parse("r", a, &c, RC_INPUT, "crypto.csr.key");
    REQ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1", "-subj", "/CN=odd.example");
    parse("r", a, &c, RC_INPUT, "crypto.csr.key");
}

static void a_changed_request_is_refused(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(buf) struct buf der = BUF(8192);
    struct csr_spec s = {.subject = {.common_name = "www.example.jp"}, .dns = two, .dns_count = 2};
    build(k, &s, &der);
    struct csr_info c;
    for (size_t i = 0; i < der.len; i++) {
        AUTO(buf) struct buf out = BUF(8192);
        der.p[i] = (char)(der.p[i] ^ 4);
        EXPECT(csr_parse(buf_str(&der), a, &c, &out, &err), RC_INPUT, NULL);
        assert_int_equal(out.len, 0);
        der.p[i] = (char)(der.p[i] ^ 4);
    }
    AUTO(buf) struct buf out = BUF(8192);
    for (size_t n = 0; n < der.len; n += 11)
        EXPECT(csr_parse((struct str){der.p, n}, a, &c, &out, &err), RC_INPUT, "crypto.csr");
    buf_addc(&der, 'x');
    EXPECT(csr_parse(buf_str(&der), a, &c, &out, &err), RC_INPUT, "crypto.csr");
}

static void garbage_never_asks_a_terminal(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct csr_info c;
    AUTO(buf) struct buf out = BUF(8192);
    static const char *const bad[] = {
        "", "hello",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB",
        /* would have OpenSSL ask for a passphrase */
        "-----BEGIN CERTIFICATE REQUEST-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        "AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE REQUEST-----\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT(csr_parse(str_from(bad[i]), a, &c, &out, &err), RC_INPUT, "crypto.csr");
    AUTO(mem) char *big = mem_alloc(65537);
    memset(big, '-', 65537);
    EXPECT(csr_parse((struct str){big, 65537}, a, &c, &out, &err), RC_INPUT, "crypto.csr");
}

static void text_around_a_request_up_to_the_limit_is_read(void **state)
{
    UNUSED(state);
    AUTO(arena) struct arena *a = arena_create(0);
    struct csr_info c;
    AUTO(buf) struct buf pem = BUF(8192);
    AUTO(buf) struct buf out = BUF(8192);
    REQ("-newkey", "rsa:2048", "-subj", "/CN=plain.example");
    rig_read("r", &pem);
    for (int over = 0; over < 2; over++) {
        AUTO(buf) struct buf text = BUF(1 << 17);
        while (text.len + pem.len < 65536 + (size_t)over)
            buf_addc(&text, '\n');
        buf_addstr(&text, buf_str(&pem));
        EXPECT(csr_parse(buf_str(&text), a, &c, &out, &err), over ? RC_INPUT : RC_OK, NULL);
    }
}

static void many_names_and_one_too_many(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(arena) struct arena *a = arena_create(0);
    static const char *names[CERT_MAX_NAMES + 1];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        names[i] = "a.jp";
    for (size_t over = 0; over < 2; over++) {
        AUTO(buf) struct buf der = BUF(1 << 17);
        AUTO(buf) struct buf again = BUF(1 << 17);
        struct csr_spec s = {.dns = names, .dns_count = CERT_MAX_NAMES + over};
        struct csr_info c = {0};
        build(k, &s, &der);
        EXPECT(csr_parse(buf_str(&der), a, &c, &again, &err), over ? RC_INPUT : RC_OK, NULL);
        assert_int_equal(c.name_count, over ? 0 : CERT_MAX_NAMES);
    }
}

static void failing_memory_leaks_nothing(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    struct csr_spec s = {.subject = {.common_name = "www.example.jp", .organization = "O"},
                         .dns = two,
                         .dns_count = 2,
                         .ips = ips,
                         .ip_count = 2};
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        AUTO(arena) struct arena *a = arena_create(0);
        AUTO(buf) struct buf der = BUF(8192);
        AUTO(buf) struct buf again = BUF(8192);
        struct csr_info c = {0};
        rig_fail(n);
        done = csr_build(k, &s, &der, NULL) == RC_OK &&
               csr_parse(buf_str(&der), a, &c, &again, NULL) == RC_OK;
        more = rig_failed(n);
        if (!done)
            continue;
        assert_int_equal(c.name_count, 4); /* all or nothing */
        assert_string_equal(c.subject.organization, "O");
        assert_string_equal(c.subject.common_name, "www.example.jp");
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_reads_what_we_ask_for),
        cmocka_unit_test(an_empty_subject_makes_the_names_critical),
        cmocka_unit_test(a_request_that_cannot_be_is_refused),
        cmocka_unit_test(requests_from_outside_are_read),
        cmocka_unit_test(weak_keys_are_refused),
        cmocka_unit_test(a_changed_request_is_refused),
        cmocka_unit_test(garbage_never_asks_a_terminal),
        cmocka_unit_test(text_around_a_request_up_to_the_limit_is_read),
        cmocka_unit_test(many_names_and_one_too_many),
        cmocka_unit_test(failing_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("crypto.csr", tests, rig_setup, rig_teardown);
}
