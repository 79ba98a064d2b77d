/* Reading certificates, the odd ones included, and what the gate before a target refuses. */
#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include "crypto/key_priv.h"
#include "unit/crypto/crypto_rig.h"

/* What rig_issue() would never make. */
struct craft {
    const char *serial; /* hex; NULL = 1 */
    bool negative;
    const char *from, *to; /* UTCTime (13 characters) or GeneralizedTime; raw, unchecked */
    const char *cn;        /* bytes, UTF8String */
    const char *const *dns;
    size_t dns_count, dns_len; /* dns_len: of each, 0 = strlen */
    const EVP_MD *md;
    const struct key *key; /* NULL: an RSA key */
    int poison_nid;        /* one more extension with a NULL in it */
};

static struct key *crafting_key;

static void set_time_raw(ASN1_TIME *t, const char *text)
{
    ASN1_STRING_set(t, text, -1);
    t->type = strlen(text) == 13 ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME;
}

static void add_dns(X509 *x, const struct craft *c)
{
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    for (size_t i = 0; i < c->dns_count; i++) {
        GENERAL_NAME *g = GENERAL_NAME_new();
        ASN1_IA5STRING *s = ASN1_IA5STRING_new();
        ASN1_STRING_set(s, c->dns[i], c->dns_len ? (int)c->dns_len : -1);
        GENERAL_NAME_set0_value(g, GEN_DNS, s);
        sk_GENERAL_NAME_push(list, g);
    }
    if (c->dns_count)
        assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, 0), 1);
    GENERAL_NAMES_free(list);
}

static void craft(const struct craft *c, struct buf *out)
{
    X509 *x = X509_new();
    BIGNUM *bn = NULL;
    unsigned char *der = NULL;
    if (!crafting_key)
        crafting_key = rig_key(KEY_RSA2048);
    X509_set_version(x, X509_VERSION_3);
    BN_hex2bn(&bn, c->serial ? c->serial : "1");
    BN_set_negative(bn, c->negative);
    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    set_time_raw(X509_getm_notBefore(x), c->from ? c->from : "250101000000Z");
    set_time_raw(X509_getm_notAfter(x), c->to ? c->to : "261231235959Z");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)(c->cn ? c->cn : "odd.example"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    EVP_PKEY *pkey = c->key ? c->key->pkey : crafting_key->pkey;
    X509_set_pubkey(x, pkey);
    add_dns(x, c);
    if (c->poison_nid) {
        ASN1_OCTET_STRING *null = ASN1_OCTET_STRING_new();
        ASN1_OCTET_STRING_set(null, (const unsigned char *)"\x05", 2);
        X509_EXTENSION *e = X509_EXTENSION_create_by_NID(NULL, c->poison_nid, 1, null);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
        ASN1_OCTET_STRING_free(null);
    }
    assert_true(X509_sign(x, pkey, c->md ? c->md : EVP_sha256()) > 0);
    int n = i2d_X509(x, &der);
    buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    X509_free(x);
}

static struct arena *arena;

static void read_crafted(const struct craft *c, struct cert_info *info)
{
    AUTO(buf) struct buf der = BUF(1 << 18);
    craft(c, &der);
    EXPECT(cert_parse(buf_str(&der), arena, info, &err), RC_OK, NULL);
}

static int setup(void **state)
{
    arena = arena_create(0);
    return rig_setup(state);
}

static int teardown(void **state)
{
    arena_destroy(arena);
    key_destroy(crafting_key);
    return rig_teardown(state);
}

static void every_field_is_what_openssl_says(void **state)
{
    UNUSED(state);
    struct rig_cert ca = {0}, leaf = {0};
    struct cert_info c, up;
    const char *const names[] = {"WWW.Example.JP", "*.example.jp"};
    const char *const ips[] = {"2001:db8::1"};
    struct issue_spec s = rig_spec("www.example.jp", false);
    s.subject.organization = "株式会社テスト";
    s.dns = names;
    s.dns_count = 2;
    s.ips = ips;
    s.ip_count = 1;
    s.client_auth = true;
    s.crl_url = "http://pki.example/crl";
    s.issuer_url = "http://pki.example/ca";
    rig_ca(&ca, NULL, "The CA");
    rig_issue(&leaf, &ca, &s);
    rig_parse(&leaf, arena, &c);
    rig_parse(&ca, arena, &up);
    rig_write("c.der", rig_der(&leaf));
    AUTO(buf) struct buf out = BUF(65536);
    assert_int_equal(OPENSSL(&out, "x509", "-inform", "DER", "-in", rig_path("c.der"), "-noout",
                             "-serial", "-fingerprint", "-sha256", "-subject", "-nameopt",
                             "rfc2253,utf8,-esc_msb"),
                     0);
    for (char *p = out.p; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    char line[200];
    (void)snprintf(line, sizeof line, "serial=%s\n", c.serial);
    assert_non_null(strstr(buf_cstr(&out), line));
    char *at = line + snprintf(line, sizeof line, "sha256 fingerprint=");
    for (int i = 0; i < 32; i++)
        at += snprintf(at, 4, "%02x%s", c.sha256[i], i < 31 ? ":" : "");
    assert_non_null(strstr(buf_cstr(&out), line));
    assert_non_null(strstr(buf_cstr(&out), "subject=cn=www.example.jp,o=株式会社テスト"));
    assert_string_equal(c.subject, "CN=www.example.jp,O=株式会社テスト");
    assert_string_equal(c.issuer, "CN=The CA");
    assert_string_equal(c.common_name, "www.example.jp");
    assert_int_equal(c.name_count, 3);
    assert_string_equal(c.names[0], "www.example.jp");
    assert_string_equal(c.names[2], "2001:db8::1");
    assert_int_equal(c.eku_count, 2);
    assert_string_equal(c.eku[0], "serverAuth");
    assert_string_equal(c.eku[1], "clientAuth");
    assert_string_equal(c.key_name, "ec256");
    assert_int_equal(c.key_bits, 256);
    assert_string_equal(c.sig_alg, "ecdsa-with-SHA256");
    assert_string_equal(c.aki, up.ski);
    assert_int_equal(c.aki_raw.n, 20);
    assert_string_equal(c.issuer_url, "http://pki.example/ca");
    assert_string_equal(c.crl_url, "http://pki.example/crl");
    assert_null(c.ocsp_url);
    assert_true(up.is_ca && up.self_issued && !c.is_ca && !c.self_issued && !c.must_staple);
    assert_int_equal(c.unusual | up.unusual, 0);
    assert_true(str_eq(c.der, rig_der(&leaf)));
    rig_cert_free(&ca);
    rig_cert_free(&leaf);
}

static void stray_bytes_and_cuts_are_refused_with_the_place(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf der = BUF(8192);
    struct cert_info c;
    struct err e = {0};
    craft(&(struct craft){0}, &der);
    size_t n = der.len;
    for (size_t i = 0; i < n; i += 3)
        EXPECT(cert_parse((struct str){der.p, i}, arena, &c, &err), RC_INPUT, "crypto.cert");
    buf_adds(&der, "xy");
    assert_int_equal(cert_parse(buf_str(&der), arena, &c, &e), RC_INPUT);
    assert_string_equal(e.id, "crypto.cert.trailing");
    char where[32];
    (void)snprintf(where, sizeof where, "offset %zu", n);
    assert_non_null(strstr(e.en, where));
    assert_non_null(strstr(e.en, "2 stray"));
}

static void odd_serials_are_shown_and_flagged(void **state)
{
    UNUSED(state);
    static const struct {
        const char *serial;
        bool negative;
        const char *text;
        size_t octets;
        unsigned odd;
    } v[] = {
        {"0", false, "0", 1, CERT_ODD_SERIAL},
        {"1", true, "-1", 1, CERT_ODD_SERIAL},
        {"80", true, "-80", 1, CERT_ODD_SERIAL},
        {"0A", false, "a", 1, 0},
        {"80", false, "80", 2, 0},
        {"7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", false,
         "7fffffffffffffffffffffffffffffffffffffff", 20, 0},
        {"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", false,
         "ffffffffffffffffffffffffffffffffffffffff", 21, CERT_ODD_SERIAL},
        {"11111111111111111111111111111111111111111111111111111111111111111111111111", false,
         "11111111111111111111111111111111111111111111111111111111111111111111111111", 37,
         CERT_ODD_SERIAL},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct cert_info c;
        read_crafted(&(struct craft){.serial = v[i].serial, .negative = v[i].negative}, &c);
        assert_string_equal(c.serial, v[i].text);
        assert_int_equal(c.serial_der.n, v[i].octets);
        assert_int_equal(c.unusual & CERT_ODD_SERIAL, v[i].odd);
    }
    static char longest[602];
    memset(longest, '7', 600); /* 300 octets: the length itself takes three bytes */
    struct cert_info c;
    read_crafted(&(struct craft){.serial = longest}, &c);
    assert_string_equal(c.serial, longest);
    assert_int_equal(c.serial_der.n, 300);
}

static void dates_are_64_bit_and_exact(void **state)
{
    UNUSED(state);
    static const struct {
        const char *from, *to;
        int64_t not_before, not_after; /* seconds */
        unsigned odd;
    } v[] = {
        {"250101000000Z", "491231235959Z", 1735689600, 2524607999, 0},
        {"500101000000Z", "501231235959Z", -631152000, -599616001, 0}, /* UTCTime 50: 1950 */
        {"19500101000000Z", "20500101000000Z", -631152000, 2524608000, CERT_ODD_VALIDITY},
        {"250101000000Z", "99991231235959Z", 1735689600, 253402300799, CERT_ODD_VALIDITY},
        {"250101000000Z", "20520519000000Z", 1735689600, 2599689600, 0},
        {"250101000000Z", "20520519000001Z", 1735689600, 2599689601, CERT_ODD_VALIDITY},
        {"250101000000Z", "380119031408Z", 1735689600, 2147483648, 0},
        {"20240229000000Z", "20280229000000Z", 1709164800, 1835395200, 0},
        {"261231235959Z", "250101000000Z", 1798761599, 1735689600, CERT_ODD_VALIDITY},
        {"00000101000000Z", "250101000000Z", -62167219200, 1735689600, CERT_ODD_VALIDITY},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct cert_info c;
        read_crafted(&(struct craft){.from = v[i].from, .to = v[i].to}, &c);
        assert_int_equal(c.not_before / USEC_PER_SEC, v[i].not_before);
        assert_int_equal(c.not_after / USEC_PER_SEC, v[i].not_after);
        assert_int_equal(c.unusual & CERT_ODD_VALIDITY, v[i].odd);
    }
}

static void a_date_that_is_none_is_flagged_not_believed(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {"20259901000000Z", "20250230000000Z", "hello, world!!!",
                                      "2025010100000", "991301000000Z"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct cert_info c = {0};
        AUTO(buf) struct buf der = BUF(8192);
        craft(&(struct craft){.to = bad[i], .from = bad[i]}, &der);
        if (cert_parse(buf_str(&der), arena, &c, NULL) != RC_OK)
            continue;
        assert_int_equal(c.not_after, 0);
        assert_true(c.unusual & CERT_ODD_VALIDITY);
    }
}

static void ten_thousand_names_and_one_more(void **state)
{
    UNUSED(state);
    static const char *names[CERT_MAX_NAMES + 1];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        names[i] = "a.jp";
    struct craft k = {.dns = names, .dns_count = CERT_MAX_NAMES};
    struct cert_info c = {0};
    int64_t t0 = clock_mono(clock_real());
    read_crafted(&k, &c);
    assert_int_equal(c.name_count, CERT_MAX_NAMES);
    k.dns_count++;
    AUTO(buf) struct buf der = BUF(1 << 17);
    craft(&k, &der);
    assert_true(der.len <= CERT_MAX_BYTES);
    EXPECT(cert_parse(buf_str(&der), arena, &c, &err), RC_INPUT, "crypto.cert.names");
    assert_true(clock_mono(clock_real()) - t0 < 2 * USEC_PER_SEC);
}

static void sixty_four_kilobytes_and_one_byte_more(void **state)
{
    UNUSED(state);
    static char name[65536];
    const char *const names[] = {name};
    struct cert_info c;
    for (size_t len = 64000, step = 0; step < 2; step++) {
        AUTO(buf) struct buf der = BUF(1 << 17);
        memset(name, 'a', sizeof name);
        craft(&(struct craft){.dns = names, .dns_count = 1, .dns_len = len}, &der);
        len += CERT_MAX_BYTES - der.len; /* now it fits to the byte */
        AUTO(buf) struct buf exact = BUF(1 << 17);
        craft(&(struct craft){.dns = names, .dns_count = 1, .dns_len = len}, &exact);
        assert_int_equal(exact.len, CERT_MAX_BYTES);
        EXPECT(cert_parse(buf_str(&exact), arena, &c, &err), RC_OK, NULL);
        assert_true(c.unusual & CERT_ODD_NAME);
        AUTO(buf) struct buf over = BUF(1 << 17);
        craft(&(struct craft){.dns = names, .dns_count = 1, .dns_len = len + 1}, &over);
        EXPECT(cert_parse(buf_str(&over), arena, &c, &err), RC_INPUT, "crypto.cert");
        break;
    }
}

static void names_no_ca_may_issue_are_flagged(void **state)
{
    UNUSED(state);
    static const char *const odd[] = {
        "a.*.example.jp", "*.com",     "*",        "192.0.2.1",   "日本.jp",      "a..jp",
        ".a.jp",          "a.jp.",     "-a.jp",    "a-.jp",       "a b.jp",       "",
        "x*.example.jp",  "localhost", "a_b/c.jp", "<script>.jp", "\"; rm -rf.jp"};
    static const char *const fine[] = {"a.jp", "*.example.jp", "xn--wgv71a.jp", "_acme.a.jp",
                                       "1.a.jp"};
    struct cert_info c;
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        read_crafted(&(struct craft){.dns = &odd[i], .dns_count = 1}, &c);
        if (!(c.unusual & CERT_ODD_NAME))
            fail_msg("\"%s\" is not flagged", odd[i]);
    }
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        read_crafted(&(struct craft){.dns = &fine[i], .dns_count = 1}, &c);
        assert_int_equal(c.unusual, 0);
    }
    const char *label[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.jp",
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.jp"};
    read_crafted(&(struct craft){.dns = &label[0], .dns_count = 1}, &c);
    assert_int_equal(c.unusual, 0);
    read_crafted(&(struct craft){.dns = &label[1], .dns_count = 1}, &c);
    assert_true(c.unusual & CERT_ODD_NAME);
}

/* What a stranger wrote is shown on one line, and a NUL does not end it. */
static void hostile_text_comes_out_inert(void **state)
{
    UNUSED(state);
    struct cert_info c;
    const char *nul = "www.example.jp\0.evil.example";
    read_crafted(&(struct craft){.dns = &nul, .dns_count = 1, .dns_len = 28}, &c);
    assert_string_equal(c.names[0], "www.example.jp\\x00.evil.example");
    assert_false(cert_covers(&c, "www.example.jp"));
    assert_true(c.unusual & CERT_ODD_NAME);
    read_crafted(&(struct craft){.cn = "a\nb\x1b[31m\x7f"}, &c);
    assert_string_equal(c.common_name, "a\\x0ab\\x1b[31m\\x7f");
    assert_null(strpbrk(c.subject, "\n\x1b"));
    read_crafted(&(struct craft){.cn = "\xe2\x80\xaeten.live\xe2\x81\xa6"}, &c);
    assert_string_equal(c.common_name, "\\xe2\\x80\\xaeten.live\\xe2\\x81\\xa6");
    assert_null(strstr(c.subject, "\xe2\x80\xae"));
    const char *bytes = "\xff\xfe.jp";
    read_crafted(&(struct craft){.dns = &bytes, .dns_count = 1}, &c);
    assert_string_equal(c.names[0], "\\xff\\xfe.jp");
}

static void weak_signatures_and_poison_are_flagged(void **state)
{
    UNUSED(state);
    struct cert_info c;
    read_crafted(&(struct craft){.md = EVP_sha1()}, &c);
    assert_int_equal(c.unusual, CERT_ODD_SIGNATURE);
    read_crafted(&(struct craft){.md = EVP_md5()}, &c);
    assert_int_equal(c.unusual, CERT_ODD_SIGNATURE);
    read_crafted(&(struct craft){.poison_nid = NID_ct_precert_poison}, &c);
    assert_int_equal(c.unusual, CERT_PRECERT_POISON);
    read_crafted(&(struct craft){.poison_nid = NID_tlsfeature}, &c);
    assert_true(c.must_staple);
    read_crafted(&(struct craft){.poison_nid = NID_subject_alt_name}, &c);
    assert_true(c.unusual & CERT_ODD_NAME); /* a SAN that cannot be read is not "no names" */
    assert_int_equal(c.name_count, 0);
}

/* Case 32: a key on a curve, or of an algorithm, that nobody knows is a remark and not a failure.
 */
static void keys_nobody_knows_are_flagged(void **state)
{
    UNUSED(state);
    static const unsigned char curve[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    static const unsigned char algorithm[] = {6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1};
    const struct {
        const unsigned char *oid;
        size_t n;
    } rows[] = {{curve, sizeof curve}, {algorithm, sizeof algorithm}};
    struct key *key = rig_key(KEY_EC256);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf der = BUF(1 << 18);
        struct cert_info c;
        craft(&(struct craft){.cn = "curve", .key = key}, &der);
        char *at = memmem(der.p, der.len, rows[i].oid, rows[i].n);
        assert_non_null(at);
        at[rows[i].n - 1] ^= 0x78;
        EXPECT(cert_parse(buf_str(&der), arena, &c, &err), RC_OK, NULL);
        assert_true(c.unusual & CERT_ODD_KEY);
        assert_string_equal(c.key_name, "unknown");
        assert_string_equal(c.common_name, "curve");
        EXPECT(cert_servable(&c, c.not_before, &err), RC_INPUT, "crypto.servable.odd");
    }
    key_destroy(key);
}

static void hosts_are_covered_by_the_rules_of_rfc9525(void **state)
{
    UNUSED(state);
    const char *const names[] = {"www.example.jp", "*.example.jp", "192.0.2.1", "*.0.2.9"};
    struct cert_info c = {.names = names, .name_count = 4};
    assert_true(cert_covers(&c, "www.example.jp"));
    assert_true(cert_covers(&c, "WWW.Example.jp"));
    assert_true(cert_covers(&c, "a.example.jp"));
    assert_true(cert_covers(&c, "192.0.2.1"));
    assert_false(cert_covers(&c, "example.jp"));
    assert_false(cert_covers(&c, ".example.jp"));
    assert_false(cert_covers(&c, "a.b.example.jp"));
    assert_false(cert_covers(&c, "example.jp.evil.test"));
    assert_false(cert_covers(&c, "192.0.2.2"));
    assert_false(cert_covers(&c, "192.0.2.9")); /* a wildcard never stands for part of an address */
    assert_false(cert_covers(&c, ""));
}

static void what_is_lost_is_listed(void **state)
{
    UNUSED(state);
    const char *const two[] = {"a.jp", "B.jp"}, *const one[] = {"b.jp"};
    const char *const eku2[] = {"serverAuth", "clientAuth"}, *const eku1[] = {"serverAuth"};
    struct cert_info old_cert = {.names = two,
                                 .name_count = 2,
                                 .eku = eku2,
                                 .eku_count = 2,
                                 .key_name = "rsa2048",
                                 .must_staple = true};
    struct cert_info new_cert = {
        .names = one, .name_count = 1, .eku = eku1, .eku_count = 1, .key_name = "ec256"};
    struct cert_loss *v;
    size_t n;
    EXPECT(cert_compare(&old_cert, &new_cert, arena, &v, &n, &err), RC_OK, NULL);
    assert_int_equal(n, 4);
    assert_string_equal(v[0].value, "a.jp");
    assert_string_equal(v[1].value, "clientAuth");
    assert_string_equal(v[2].value, "rsa2048 -> ec256");
    assert_string_equal(v[3].what, "must_staple");
    EXPECT(cert_compare(&old_cert, &old_cert, arena, &v, &n, &err), RC_OK, NULL);
    assert_int_equal(n, 0);
}

static void failing_memory_is_all_or_nothing(void **state)
{
    UNUSED(state);
    struct rig_cert ca = {0}, leaf = {0};
    struct issue_spec s = rig_spec("www.example.jp", false);
    const char *const names[] = {"www.example.jp", "b.example.jp"};
    s.dns = names;
    s.dns_count = 2;
    s.client_auth = true;
    s.crl_url = "http://pki.example/c";
    s.issuer_url = "http://pki.example/i";
    rig_ca(&ca, NULL, "CA");
    rig_issue(&leaf, &ca, &s);
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        struct cert_info c = {0};
        rig_fail(n);
        AUTO(arena) struct arena *a = arena_create(0);
        done = a && cert_parse(rig_der(&leaf), a, &c, NULL) == RC_OK;
        more = rig_failed(n);
        if (!done)
            continue;
        assert_true(c.name_count == 2 && c.eku_count == 2 && c.common_name && c.aki);
        assert_true(c.crl_url && c.issuer_url);
    }
    assert_true(done);
    rig_cert_free(&ca);
    rig_cert_free(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_what_openssl_says),
        cmocka_unit_test(stray_bytes_and_cuts_are_refused_with_the_place),
        cmocka_unit_test(odd_serials_are_shown_and_flagged),
        cmocka_unit_test(dates_are_64_bit_and_exact),
        cmocka_unit_test(a_date_that_is_none_is_flagged_not_believed),
        cmocka_unit_test(ten_thousand_names_and_one_more),
        cmocka_unit_test(sixty_four_kilobytes_and_one_byte_more),
        cmocka_unit_test(names_no_ca_may_issue_are_flagged),
        cmocka_unit_test(hostile_text_comes_out_inert),
        cmocka_unit_test(weak_signatures_and_poison_are_flagged),
        cmocka_unit_test(keys_nobody_knows_are_flagged),
        cmocka_unit_test(hosts_are_covered_by_the_rules_of_rfc9525),
        cmocka_unit_test(what_is_lost_is_listed),
        cmocka_unit_test(failing_memory_is_all_or_nothing),
    };
    return cmocka_run_group_tests_name("crypto.cert", tests, setup, teardown);
}
