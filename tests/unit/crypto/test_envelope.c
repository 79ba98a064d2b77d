/* Sealing: what was sealed opens again in its own place under its own key, and nowhere else. */
#include "crypto/envelope.h"

#include "unit/crypto/crypto_rig.h"

static const struct str aad = STR("cert/42/key");

static void seal(const struct master_key *mk, struct str place, struct str clear, struct buf *out)
{
    EXPECT(envelope_seal(mk, place, clear, out, &err), RC_OK, NULL);
}

static void what_is_sealed_opens_again(void **state)
{
    UNUSED(state);
    struct master_key *mk;
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    static char text[70000];
    memset(text, 'k', sizeof text);
    const size_t sizes[] = {0, 1, 15, 16, 17, 240, 70000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        AUTO(buf) struct buf sealed = BUF(1 << 20), open = BUF_SECRET(1 << 20);
        struct str clear = {sizes[i] ? text : NULL, sizes[i]};
        seal(mk, aad, clear, &sealed);
        assert_int_equal(sealed.len, 3 + 8 + 12 + 48 + sizes[i] + 16);
        assert_memory_equal(sealed.p, "IE1", 3);
        assert_memory_equal(sealed.p + 3, master_key_id(mk), 8);
        if (sizes[i] > 16)
            assert_null(memmem(sealed.p, sealed.len, text, 16));
        EXPECT(envelope_open(mk, aad, buf_str(&sealed), &open, &err), RC_OK, NULL);
        assert_int_equal(open.len, sizes[i]);
        assert_true(str_eq(buf_str(&open), clear) || sizes[i] == 0);
        assert_int_equal(buf_cstr(&open)[open.len], 0);
        buf_free(&open);
    }
    master_key_destroy(mk);
    master_key_destroy(NULL);
}

static void two_seals_of_one_value_differ(void **state)
{
    UNUSED(state);
    struct master_key *mk;
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    AUTO(buf) struct buf a = BUF(256);
    AUTO(buf) struct buf b = BUF(256);
    seal(mk, aad, STR("same"), &a);
    seal(mk, aad, STR("same"), &b);
    assert_memory_equal(a.p, b.p, 11);
    assert_memory_not_equal(a.p + 11, b.p + 11, 12);         /* nonce */
    assert_memory_not_equal(a.p + 71, b.p + 71, a.len - 71); /* data key */
    master_key_destroy(mk);
}

static void expect_corrupt(const struct master_key *mk, struct str place, struct str blob)
{
    AUTO(buf) struct buf open = BUF_SECRET(4096);
    buf_adds(&open, "before");
    EXPECT(envelope_open(mk, place, blob, &open, &err), RC_CORRUPT, "crypto.envelope");
    assert_string_equal(buf_cstr(&open), "before"); /* untouched on failure */
    for (size_t i = open.len; i < open.cap && i < 64; i++)
        assert_int_not_equal(open.p[i], 'S');
}

static void every_changed_byte_is_found(void **state)
{
    UNUSED(state);
    struct master_key *mk;
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    AUTO(buf) struct buf s = BUF(256);
    seal(mk, aad, STR("SSSSSSSSSSSSSSSS"), &s);
    for (size_t i = 0; i < s.len; i++) {
        for (int bit = 0; bit < 8; bit += 7) {
            s.p[i] = (char)(s.p[i] ^ (1 << bit));
            expect_corrupt(mk, aad, buf_str(&s));
            s.p[i] = (char)(s.p[i] ^ (1 << bit));
        }
    }
    for (size_t n = 0; n < s.len; n++)
        expect_corrupt(mk, aad, (struct str){s.p, n});
    buf_addc(&s, 'x');
    expect_corrupt(mk, aad, buf_str(&s));
    master_key_destroy(mk);
}

static void a_blob_belongs_to_its_place_and_key(void **state)
{
    UNUSED(state);
    struct master_key *mk, *other;
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    assert_int_equal(master_key_create(&other, NULL), RC_OK);
    AUTO(buf) struct buf a = BUF(256);
    AUTO(buf) struct buf b = BUF(256);
    seal(mk, STR("target/1/password"), STR("SSSS-one"), &a);
    seal(mk, STR("target/2/password"), STR("SSSS-two"), &b);
    expect_corrupt(mk, STR("target/2/password"), buf_str(&a));
    expect_corrupt(mk, STR("target/1/password"), buf_str(&b));
    expect_corrupt(mk, STR(""), buf_str(&a));
    expect_corrupt(other, STR("target/1/password"), buf_str(&a));
    /* The data part of another blob behind this one's wrapped key. */
    AUTO(buf) struct buf mixed = BUF(256);
    buf_add(&mixed, a.p, 71);
    buf_add(&mixed, b.p + 71, b.len - 71);
    expect_corrupt(mk, STR("target/1/password"), buf_str(&mixed));
    expect_corrupt(mk, STR("target/2/password"), buf_str(&mixed));
    /* The key id of another master key written over ours. */
    memcpy(a.p + 3, master_key_id(other), 8);
    expect_corrupt(other, STR("target/1/password"), buf_str(&a));
    master_key_destroy(mk);
    master_key_destroy(other);
}

static void sizes_have_limits(void **state)
{
    UNUSED(state);
    struct master_key *mk;
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    size_t max = 1 << 20;
    AUTO(mem) char *big = mem_alloc(max + 1);
    AUTO(buf) struct buf s = BUF(4 << 20);
    AUTO(buf) struct buf open = BUF_SECRET(2 << 20);
    seal(mk, (struct str){big, 4096}, (struct str){big, max}, &s);
    EXPECT(envelope_open(mk, (struct str){big, 4096}, buf_str(&s), &open, &err), RC_OK, NULL);
    assert_int_equal(open.len, max);
    EXPECT(envelope_seal(mk, aad, (struct str){big, max + 1}, &s, &err), RC_INPUT,
           "crypto.envelope.size");
    EXPECT(envelope_seal(mk, (struct str){big, 4097}, STR("x"), &s, &err), RC_INPUT,
           "crypto.envelope.size");
    /* An output without room is no corruption. */
    AUTO(buf) struct buf small = BUF_SECRET(10);
    EXPECT(envelope_open(mk, (struct str){big, 4096}, buf_str(&s), &small, &err), RC_NOMEM, NULL);
    AUTO(buf) struct buf narrow = BUF(80);
    EXPECT(envelope_seal(mk, aad, STR("value"), &narrow, &err), RC_NOMEM, NULL);
    master_key_destroy(mk);
}

static void a_key_file_brings_the_same_key_back(void **state)
{
    UNUSED(state);
    struct master_key *mk, *back = NULL;
    AUTO(buf) struct buf file = BUF_SECRET(1024);
    AUTO(buf) struct buf sealed = BUF(256);
    AUTO(buf) struct buf open = BUF_SECRET(256);
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    seal(mk, aad, STR("value"), &sealed);
    EXPECT(master_key_save(mk, NULL, &file, &err), RC_OK, NULL);
    assert_false(master_key_file_needs_passphrase(buf_str(&file)));
    EXPECT(master_key_load(buf_str(&file), NULL, &back, &err), RC_OK, NULL);
    assert_memory_equal(master_key_id(mk), master_key_id(back), 8);
    EXPECT(envelope_open(back, aad, buf_str(&sealed), &open, &err), RC_OK, NULL);
    assert_string_equal(buf_cstr(&open), "value");
    master_key_destroy(mk);
    master_key_destroy(back);
}

static void a_passphrase_guards_the_key_file(void **state)
{
    UNUSED(state);
    struct master_key *mk, *back = NULL;
    AUTO(buf) struct buf file = BUF_SECRET(1024);
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    EXPECT(master_key_save(mk, "open sesame", &file, &err), RC_OK, NULL);
    assert_true(master_key_file_needs_passphrase(buf_str(&file)));
    EXPECT(master_key_load(buf_str(&file), NULL, &back, &err), RC_AUTH, "crypto.master.needed");
    EXPECT(master_key_load(buf_str(&file), "Open sesame", &back, &err), RC_AUTH,
           "crypto.master.passphrase");
    assert_null(back);
    EXPECT(master_key_load(buf_str(&file), "open sesame", &back, &err), RC_OK, NULL);
    assert_memory_equal(master_key_id(mk), master_key_id(back), 8);
    master_key_destroy(back);
    back = NULL;
    /* a changed box: same answer as for a wrong passphrase, never another key */
    char *box = strrchr(file.p, ' ') + 20;
    *box = *box == 'A' ? 'B' : 'A';
    EXPECT(master_key_load(buf_str(&file), "open sesame", &back, &err), RC_AUTH,
           "crypto.master.passphrase");
    assert_null(back);
    master_key_destroy(mk);
}

static void damaged_key_files_are_refused_before_any_work(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {
        "",
        "\n",
        "inro-master-key-1",
        "inro-master-key-1 ",
        "inro-master-key-1 AAAA",
        "inro-master-key-2 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "inro-master-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "inro-master-key-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "-----BEGIN PRIVATE KEY-----",
        "inro-master-key-1p x",
        "inro-master-key-1p argon2id,3,67108864 AAAA AAAA",
        /* cost parameters out of bounds: refused without computing (16 GiB, a billion passes) */
        "inro-master-key-1p argon2id,3,17179869184 AAAAAAAAAAAAAAAAAAAAAA== "
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "inro-master-key-1p argon2id,1000000000,67108864 AAAAAAAAAAAAAAAAAAAAAA== "
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "inro-master-key-1p argon2id,-1,67108864 AAAAAAAAAAAAAAAAAAAAAA== "
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    int64_t t0 = clock_mono(clock_real());
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct master_key *mk = NULL;
        EXPECT(master_key_load(str_from(bad[i]), "p", &mk, &err), RC_CORRUPT, "crypto.master.file");
        assert_null(mk);
    }
    assert_true(clock_mono(clock_real()) - t0 < USEC_PER_SEC);
}

static void failing_memory_is_an_error_and_nothing_else(void **state)
{
    UNUSED(state);
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        struct master_key *mk = NULL;
        AUTO(buf) struct buf sealed = BUF(256), open = BUF_SECRET(256);
        rig_fail(n);
        done = master_key_create(&mk, NULL) == RC_OK &&
               envelope_seal(mk, aad, STR("value"), &sealed, NULL) == RC_OK &&
               envelope_open(mk, aad, buf_str(&sealed), &open, NULL) == RC_OK;
        more = rig_failed(n);
        if (done)
            assert_string_equal(buf_cstr(&open), "value");
        else
            assert_true(n < 30);
        buf_free(&open);
        master_key_destroy(mk);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_again),
        cmocka_unit_test(two_seals_of_one_value_differ),
        cmocka_unit_test(every_changed_byte_is_found),
        cmocka_unit_test(a_blob_belongs_to_its_place_and_key),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(a_key_file_brings_the_same_key_back),
        cmocka_unit_test(a_passphrase_guards_the_key_file),
        cmocka_unit_test(damaged_key_files_are_refused_before_any_work),
        cmocka_unit_test(failing_memory_is_an_error_and_nothing_else),
    };
    return cmocka_run_group_tests_name("crypto.envelope", tests, rig_setup, rig_teardown);
}
