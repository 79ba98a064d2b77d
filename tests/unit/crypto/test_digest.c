/* Digests and MACs by their published vectors; passwords by what they must refuse. */
#include "unit/crypto/crypto_rig.h"

static void unhex(const char *hex, struct buf *out)
{
    assert_true(hex_decode(str_from(hex), out));
}

static void sha256_gives_the_fips_vectors(void **state)
{
    UNUSED(state);
    char hex[65];
    sha256_hex(STR(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex(STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex(STR_NONE, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, all cases that have a full-length SHA-256 result. */
static void hmac_gives_the_rfc4231_vectors(void **state)
{
    UNUSED(state);
    static char key131[263], data50[101], cd50[101];
    for (int i = 0; i < 131; i++)
        memcpy(key131 + 2 * i, "aa", 3);
    for (int i = 0; i < 50; i++) {
        memcpy(data50 + 2 * i, "dd", 3);
        memcpy(cd50 + 2 * i, "cd", 3);
    }
    const struct {
        const char *key, *data, *mac;
    } v[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", data50,
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"0102030405060708090a0b0c0d0e0f10111213141516171819", cd50,
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {key131,
         "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368"
         "204b6579204669727374",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {key131,
         "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a"
         "65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865"
         "206b6579206e6565647320746f20626520686173686564206265666f7265206265696e672075736564206279"
         "2074686520484d414320616c676f726974686d2e",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        AUTO(buf) struct buf key = BUF(256), data = BUF(256), mac = BUF(64);
        unsigned char got[32];
        unhex(v[i].key, &key);
        unhex(v[i].data, &data);
        unhex(v[i].mac, &mac);
        hmac_sha256(buf_str(&key), buf_str(&data), got);
        assert_memory_equal(got, mac.p, 32);
        buf_free(&data);
        buf_free(&mac);
    }
}

static void hmac_of_an_empty_key_is_no_crash(void **state)
{
    UNUSED(state);
    unsigned char a[32], b[32];
    hmac_sha256(STR_NONE, STR_NONE, a);
    hmac_sha256(STR(""), STR(""), b);
    assert_memory_equal(a, b, 32);
    AUTO(buf) struct buf hex = BUF(65);
    hex_add(&hex, a, 32);
    assert_string_equal(buf_cstr(&hex),
                        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void a_password_hash_opens_to_its_password_only(void **state)
{
    UNUSED(state);
    char hash[128], again[128];
    EXPECT(password_hash("正しい馬 battery", hash, &err), RC_OK, NULL);
    EXPECT(password_hash("正しい馬 battery", again, &err), RC_OK, NULL);
    assert_string_not_equal(hash, again); /* salted */
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=65536,t=3,p=1$", 31), 0);
    assert_true(password_verify(hash, "正しい馬 battery"));
    assert_false(password_verify(hash, "正しい馬 batterz"));
    assert_false(password_verify(hash, "正しい馬 battery "));
    assert_false(password_verify(hash, ""));
}

static void nobody_has_no_password(void **state)
{
    UNUSED(state);
    int64_t t0 = clock_mono(clock_real());
    assert_false(password_verify("", "x"));
    int64_t unknown = clock_mono(clock_real()) - t0;
    assert_false(password_verify(NULL, "x"));
    assert_false(password_verify("$argon2id$garbage", "x"));
    char hash[128];
    assert_int_equal(password_hash("y", hash, NULL), RC_OK);
    t0 = clock_mono(clock_real());
    assert_false(password_verify(hash, "x"));
    int64_t known = clock_mono(clock_real()) - t0;
    /* equal work: an unknown user must not be told by an early answer */
    assert_true(unknown > known / 4);
}

static void passwords_have_a_maximum(void **state)
{
    UNUSED(state);
    static char longest[1026], hash[128];
    memset(longest, 'p', 1025);
    int64_t t0 = clock_mono(clock_real());
    EXPECT(password_hash(longest, hash, &err), RC_INPUT, "crypto.password.length");
    assert_false(password_verify("", longest));
    assert_true(clock_mono(clock_real()) - t0 < 50 * USEC_PER_MSEC); /* refused before hashing */
    EXPECT(password_hash("", hash, &err), RC_INPUT, "crypto.password.length");
    longest[1024] = '\0';
    EXPECT(password_hash(longest, hash, &err), RC_OK, NULL);
    assert_true(password_verify(hash, longest));
    longest[1023] = '\0';
    assert_false(password_verify(hash, longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_fips_vectors),
        cmocka_unit_test(hmac_gives_the_rfc4231_vectors),
        cmocka_unit_test(hmac_of_an_empty_key_is_no_crash),
        cmocka_unit_test(a_password_hash_opens_to_its_password_only),
        cmocka_unit_test(nobody_has_no_password),
        cmocka_unit_test(passwords_have_a_maximum),
    };
    return cmocka_run_group_tests_name("crypto.digest", tests, rig_setup, rig_teardown);
}
