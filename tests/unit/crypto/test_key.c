/* Keys: made here and read by openssl, made by openssl and read here, and what is refused. */
#include "unit/crypto/crypto_rig.h"

static const enum key_alg all[] = {KEY_EC256,   KEY_EC384,   KEY_RSA2048,
                                   KEY_RSA3072, KEY_RSA4096, KEY_ED25519};

static void names_go_both_ways(void **state)
{
    UNUSED(state);
    enum key_alg alg;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_true(key_alg_from_name(key_alg_name(all[i]), &alg));
        assert_int_equal(alg, all[i]);
    }
    assert_false(key_alg_from_name("rsa1024", &alg));
    assert_false(key_alg_from_name("", &alg));
    assert_false(key_alg_from_name("EC256", &alg));
    struct key *k = NULL;
    EXPECT(key_generate((enum key_alg)99, &k, &err), RC_INPUT, "crypto.key.alg");
    assert_null(k);
}

static void what_openssl_says(const char *pem_file, const char *expect)
{
    AUTO(buf) struct buf out = BUF(65536);
    assert_int_equal(OPENSSL(&out, "pkey", "-in", pem_file, "-noout", "-text"), 0);
    if (!strstr(buf_cstr(&out), expect))
        fail_msg("\"%s\" is not in: %.200s", expect, buf_cstr(&out));
}

static void keys_we_make_are_read_by_openssl(void **state)
{
    UNUSED(state);
    static const struct {
        enum key_alg alg;
        const char *says;
    } v[] = {{KEY_EC256, "P-256"},
             {KEY_EC384, "P-384"},
             {KEY_RSA2048, "(2048 bit"},
             {KEY_RSA3072, "(3072 bit"},
             {KEY_ED25519, "ED25519"}};
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        AUTO(key) struct key *k = rig_key(v[i].alg);
        AUTO(buf) struct buf pem = BUF_SECRET(16384);
        AUTO(buf) struct buf spki = BUF(8192);
        AUTO(buf) struct buf theirs = BUF(8192);
        enum key_alg alg;
        assert_true(key_alg_of(k, &alg) && alg == v[i].alg);
        EXPECT(key_to_pem(k, &pem, &err), RC_OK, NULL);
        assert_true(str_starts(buf_str(&pem), "-----BEGIN PRIVATE KEY-----\n"));
        rig_write("made.pem", buf_str(&pem));
        what_openssl_says(rig_path("made.pem"), v[i].says);
        MUST_OPENSSL("pkey", "-in", rig_path("made.pem"), "-check", "-noout");
        MUST_OPENSSL("pkey", "-in", rig_path("made.pem"), "-pubout", "-outform", "DER", "-out",
                     rig_path("spki"));
        rig_read("spki", &theirs);
        EXPECT(key_spki(k, &spki, &err), RC_OK, NULL);
        assert_true(str_eq(buf_str(&spki), buf_str(&theirs)));
        AUTO(buf) struct buf der = BUF_SECRET(16384);
        AUTO(buf) struct buf their_der = BUF_SECRET(16384);
        MUST_OPENSSL("pkcs8", "-in", rig_path("made.pem"), "-topk8", "-nocrypt", "-outform", "DER",
                     "-out", rig_path("p8"));
        rig_read("p8", &their_der);
        EXPECT(key_to_der(k, &der, &err), RC_OK, NULL);
        assert_true(str_eq(buf_str(&der), buf_str(&their_der)));
        unsigned char d[32], same[32];
        EXPECT(key_spki_sha256(k, d, &err), RC_OK, NULL);
        sha256(buf_str(&theirs), same);
        assert_memory_equal(d, same, 32);
    }
}

static void read_from(const char *name, const char *password, enum rc want, const char *id,
                      const char *spki_of)
{
    AUTO(buf) struct buf pem = BUF_SECRET(1 << 16);
    AUTO(key) struct key *k = NULL;
    rig_read(name, &pem);
    EXPECT(key_from_pem(buf_str(&pem), password, &k, &err), want, id);
    if (want != RC_OK) {
        assert_null(k);
        return;
    }
    AUTO(buf) struct buf spki = BUF(8192);
    AUTO(buf) struct buf theirs = BUF(8192);
    MUST_OPENSSL("pkey", "-in", rig_path(spki_of), "-pubout", "-outform", "DER", "-out",
                 rig_path("spki"));
    rig_read("spki", &theirs);
    assert_int_equal(key_spki(k, &spki, NULL), RC_OK);
    assert_true(str_eq(buf_str(&spki), buf_str(&theirs)));
}

static void keys_openssl_makes_are_read_in_every_form(void **state)
{
    UNUSED(state);
    MUST_OPENSSL("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", rig_path("sec1"));
    read_from("sec1", NULL, RC_OK, NULL, "sec1");
    MUST_OPENSSL("ecparam", "-name", "secp384r1", "-genkey", "-out", rig_path("params"));
    read_from("params", NULL, RC_OK, NULL, "params"); /* EC PARAMETERS block before the key */
    MUST_OPENSSL("genrsa", "-traditional", "-out", rig_path("pkcs1"), "2048");
    read_from("pkcs1", NULL, RC_OK, NULL, "pkcs1");
    MUST_OPENSSL("genpkey", "-algorithm", "ed25519", "-out", rig_path("ed"));
    read_from("ed", NULL, RC_OK, NULL, "ed");
    MUST_OPENSSL("genrsa", "-out", rig_path("rsa2432"), "2432"); /* not one we make, but sound */
    read_from("rsa2432", NULL, RC_OK, NULL, "rsa2432");
}

static void an_encrypted_key_needs_its_password(void **state)
{
    UNUSED(state);
    MUST_OPENSSL("genrsa", "-traditional", "-out", rig_path("plain"), "2048");
    MUST_OPENSSL("pkcs8", "-topk8", "-in", rig_path("plain"), "-out", rig_path("p8"), "-passout",
                 "pass:s3cret", "-v2", "aes-256-cbc");
    MUST_OPENSSL("rsa", "-traditional", "-aes128", "-in", rig_path("plain"), "-out",
                 rig_path("old"), "-passout", "pass:s3cret");
    static const char *const files[] = {"p8", "old"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        read_from(files[i], NULL, RC_INPUT, "crypto.key.password_needed", NULL);
        read_from(files[i], "S3cret", RC_INPUT, "crypto.key.password_wrong", NULL);
        read_from(files[i], "", RC_INPUT, "crypto.key.password_wrong", NULL);
        read_from(files[i], "s3cret", RC_OK, NULL, "plain");
    }
    /* longer than OpenSSL's buffer: refused, not cut */
    static char longest[3000];
    memset(longest, 'x', sizeof longest - 1);
    read_from("p8", longest, RC_INPUT, "crypto.key.password_wrong", NULL);
    /* a password for a key that needs none does no harm */
    read_from("plain", "unused", RC_OK, NULL, "plain");
}

static void weak_and_strange_kinds_are_refused(void **state)
{
    UNUSED(state);
    MUST_OPENSSL("genrsa", "-out", rig_path("weak"), "1024");
    MUST_OPENSSL("genrsa", "-out", rig_path("below"), "2047");
    MUST_OPENSSL("ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", rig_path("coin"));
    MUST_OPENSSL("ecparam", "-name", "brainpoolP256r1", "-genkey", "-noout", "-out",
                 rig_path("brain"));
    MUST_OPENSSL("genpkey", "-algorithm", "x25519", "-out", rig_path("x25519"));
    static const char *const files[] = {"weak", "below", "coin", "brain", "x25519"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(buf) struct buf der = BUF_SECRET(8192);
        struct key *k = NULL;
        read_from(files[i], NULL, RC_INPUT, "crypto.key.kind", NULL);
        MUST_OPENSSL("pkcs8", "-topk8", "-nocrypt", "-in", rig_path(files[i]), "-outform", "DER",
                     "-out", rig_path("der"));
        rig_read("der", &der);
        EXPECT(key_from_der(buf_str(&der), &k, &err), RC_INPUT, "crypto.key.kind");
        assert_null(k);
    }
}

static void garbage_is_refused_in_plain_words(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(buf) struct buf pem = BUF_SECRET(4096);
    struct key *none = NULL;
    assert_int_equal(key_to_pem(k, &pem, NULL), RC_OK);
    for (size_t n = 0; n + 5 < pem.len; n += 3) /* every cut */
        EXPECT(key_from_pem((struct str){pem.p, n}, NULL, &none, &err), RC_INPUT, "crypto.key.pem");
    static const char *const bad[] = {
        "", "hello", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        EXPECT(key_from_pem(str_from(bad[i]), "p", &none, &err), RC_INPUT, "crypto.key.pem");
    AUTO(mem) char *big = mem_alloc((1 << 20) + 1);
    memset(big, '\n', (1 << 20) + 1);
    memcpy(big, pem.p, pem.len);
    EXPECT(key_from_pem((struct str){big, (1 << 20) + 1}, NULL, &none, &err), RC_INPUT,
           "crypto.key.pem");
    EXPECT(key_from_pem((struct str){big, 1 << 20}, NULL, &none, &err), RC_OK, NULL);
    key_destroy(none);
}

static void der_round_trips_and_stray_bytes_are_refused(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (all[i] == KEY_RSA4096)
            continue; /* slow, and the same code as the smaller ones */
        AUTO(key) struct key *k = rig_key(all[i]);
        AUTO(key) struct key *back = NULL;
        AUTO(buf) struct buf der = BUF_SECRET(8192);
        unsigned char a[32], b[32];
        struct key *none = NULL;
        EXPECT(key_to_der(k, &der, &err), RC_OK, NULL);
        EXPECT(key_from_der(buf_str(&der), &back, &err), RC_OK, NULL);
        assert_int_equal(key_spki_sha256(k, a, NULL), RC_OK);
        assert_int_equal(key_spki_sha256(back, b, NULL), RC_OK);
        assert_memory_equal(a, b, 32);
        for (size_t n = 0; n < der.len; n += 7)
            EXPECT(key_from_der((struct str){der.p, n}, &none, &err), RC_INPUT, NULL);
        buf_addc(&der, 0);
        EXPECT(key_from_der(buf_str(&der), &none, &err), RC_INPUT, "crypto.key.der");
        assert_null(none);
    }
}

/* A private number with somebody else's public point would be deployed and fail at the server. */
static void halves_that_do_not_belong_together_are_refused(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *a = rig_key(KEY_EC256);
    AUTO(key) struct key *b = rig_key(KEY_EC256);
    AUTO(buf) struct buf der = BUF_SECRET(4096);
    AUTO(buf) struct buf other = BUF(4096);
    AUTO(buf) struct buf pem = BUF_SECRET(4096);
    struct key *none = NULL;
    assert_int_equal(key_to_der(a, &der, NULL), RC_OK);
    assert_int_equal(key_spki(b, &other, NULL), RC_OK);
    memcpy(der.p + der.len - 64, other.p + other.len - 64, 64);
    EXPECT(key_from_der(buf_str(&der), &none, &err), RC_INPUT, "crypto.key.pair");
    buf_adds(&pem, "-----BEGIN PRIVATE KEY-----\n");
    base64_add(&pem, der.p, der.len);
    buf_adds(&pem, "\n-----END PRIVATE KEY-----\n");
    EXPECT(key_from_pem(buf_str(&pem), NULL, &none, &err), RC_INPUT, NULL);
    assert_null(none);
}

static void signatures_verify_with_openssl(void **state)
{
    UNUSED(state);
    static const enum key_alg algs[] = {KEY_EC256, KEY_EC384, KEY_RSA2048};
    rig_write("data", STR("what is signed"));
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        AUTO(key) struct key *k = rig_key(algs[i]);
        AUTO(buf) struct buf pem = BUF_SECRET(8192);
        AUTO(buf) struct buf sig = BUF(1024);
        assert_int_equal(key_to_pem(k, &pem, NULL), RC_OK);
        rig_write("k", buf_str(&pem));
        EXPECT(key_sign(k, STR("what is signed"), &sig, &err), RC_OK, NULL);
        rig_write("sig", buf_str(&sig));
        MUST_OPENSSL("dgst", algs[i] == KEY_EC384 ? "-sha384" : "-sha256", "-prverify",
                     rig_path("k"), "-signature", rig_path("sig"), rig_path("data"));
    }
    AUTO(key) struct key *ed = rig_key(KEY_ED25519);
    AUTO(buf) struct buf sig = BUF(64);
    EXPECT(key_sign(ed, STR("what is signed"), &sig, &err), RC_OK, NULL);
    assert_int_equal(sig.len, 64);
    AUTO(buf) struct buf small = BUF(63);
    EXPECT(key_sign(ed, STR("what is signed"), &small, &err), RC_NOMEM, NULL);
}

static void outputs_have_room_or_fail(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    AUTO(buf) struct buf a = BUF_SECRET(50);
    AUTO(buf) struct buf b = BUF_SECRET(50);
    AUTO(buf) struct buf c = BUF(50);
    EXPECT(key_to_der(k, &a, &err), RC_NOMEM, NULL);
    EXPECT(key_to_pem(k, &b, &err), RC_NOMEM, NULL);
    EXPECT(key_spki(k, &c, &err), RC_NOMEM, NULL);
}

static void failing_memory_leaks_nothing(void **state)
{
    UNUSED(state);
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        struct key *k = NULL, *back = NULL;
        AUTO(buf) struct buf der = BUF_SECRET(4096);
        rig_fail(n);
        done = key_generate(KEY_EC256, &k, NULL) == RC_OK && key_to_der(k, &der, NULL) == RC_OK &&
               key_from_der(buf_str(&der), &back, NULL) == RC_OK;
        more = rig_failed(n);
        assert_int_equal(done, back != NULL);
        key_destroy(k);
        key_destroy(back);
    }
    assert_true(done);
    key_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(keys_we_make_are_read_by_openssl),
        cmocka_unit_test(keys_openssl_makes_are_read_in_every_form),
        cmocka_unit_test(an_encrypted_key_needs_its_password),
        cmocka_unit_test(weak_and_strange_kinds_are_refused),
        cmocka_unit_test(garbage_is_refused_in_plain_words),
        cmocka_unit_test(der_round_trips_and_stray_bytes_are_refused),
        cmocka_unit_test(halves_that_do_not_belong_together_are_refused),
        cmocka_unit_test(signatures_verify_with_openssl),
        cmocka_unit_test(outputs_have_room_or_fail),
        cmocka_unit_test(failing_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("crypto.key", tests, rig_setup, rig_teardown);
}
