/* JWS and JWK by the vectors of RFC 7515, 7638 and 8037, and by the openssl command. */
#include "crypto/jws.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto/key_priv.h"
#include "unit/crypto/crypto_rig.h"

static BIGNUM *number(const char *b64)
{
    AUTO(buf) struct buf b = BUF(1024);
    assert_true(base64url_decode(str_from(b64), &b));
    BIGNUM *n = BN_bin2bn((unsigned char *)b.p, (int)b.len, NULL);
    assert_non_null(n);
    return n;
}

static struct key from_params(const char *type, OSSL_PARAM_BLD *bld, int selection)
{
    EVP_PKEY *p = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &p, selection, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(ctx);
    return (struct key){p};
}

/* RFC 7515 A.3.1: the key of the ES256 example. */
static struct key rfc7515_ec(void)
{
    AUTO(buf) struct buf pub = BUF(80);
    buf_addc(&pub, 4);
    assert_true(base64url_decode(STR("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), &pub));
    AUTO(buf) struct buf y = BUF(40);
    assert_true(base64url_decode(STR("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), &y));
    buf_addstr(&pub, buf_str(&y));
    BIGNUM *d = number("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, pub.p, pub.len);
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d);
    struct key k = from_params("EC", b, EVP_PKEY_KEYPAIR);
    BN_free(d);
    return k;
}

static struct key public_rsa(const char *n_b64, const char *e_b64)
{
    BIGNUM *n = number(n_b64), *e = number(e_b64);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e);
    struct key k = from_params("RSA", b, EVP_PKEY_PUBLIC_KEY);
    BN_free(n);
    BN_free(e);
    return k;
}

static const char rsa7638_n[] =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQ"
    "Fh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

static void hs256_gives_the_rfc7515_a1_signature(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf key = BUF(128);
    AUTO(buf) struct buf out = BUF(128);
    assert_true(base64url_decode(STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
                                     "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                                 &key));
    EXPECT(jws_hs256(buf_str(&key),
                     STR("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEz"
                         "MDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"),
                     &out, &err),
           RC_OK, NULL);
    assert_string_equal(buf_cstr(&out), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

static const char a3_input[] =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
    "S9pc19yb290Ijp0cnVlfQ";
static const char a3_signature[] =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static void es256_verifies_the_rfc7515_a3_signature(void **state)
{
    UNUSED(state);
    struct key k = rfc7515_ec();
    assert_true(jws_verify(&k, str_from(a3_input), str_from(a3_signature)));
    assert_false(jws_verify(&k, STR("eyJhbGciOiJFUzI1NiJ9.e30"), str_from(a3_signature)));
    char bad[sizeof a3_signature];
    for (size_t i = 0; i < sizeof bad - 1; i += 5) {
        memcpy(bad, a3_signature, sizeof bad);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        assert_false(jws_verify(&k, str_from(a3_input), str_from(bad)));
    }
    assert_false(jws_verify(&k, str_from(a3_input), STR("")));
    assert_false(jws_verify(&k, str_from(a3_input), STR("AAAA")));
    assert_false(jws_verify(&k, str_from(a3_input), STR("not base64 !")));
    EVP_PKEY_free(k.pkey);
}

static void a_jwk_has_the_rfc_members_in_order(void **state)
{
    UNUSED(state);
    struct key k = rfc7515_ec();
    AUTO(buf) struct buf jwk = BUF(1024);
    EXPECT(jwk_public(&k, &jwk, &err), RC_OK, NULL);
    assert_string_equal(buf_cstr(&jwk), "{\"crv\":\"P-256\",\"kty\":\"EC\","
                                        "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
    EVP_PKEY_free(k.pkey);
}

static void the_thumbprint_is_that_of_rfc7638(void **state)
{
    UNUSED(state);
    struct key k = public_rsa(rsa7638_n, "AQAB");
    AUTO(buf) struct buf t = BUF(64);
    EXPECT(jwk_thumbprint(&k, &t, &err), RC_OK, NULL);
    assert_string_equal(buf_cstr(&t), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    EVP_PKEY_free(k.pkey);
}

static void ed25519_gives_the_rfc8037_values(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf d = BUF(64);
    assert_true(base64url_decode(STR("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), &d));
    struct key k = {EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (unsigned char *)d.p, 32)};
    AUTO(buf) struct buf jwk = BUF(256);
    AUTO(buf) struct buf thumb = BUF(64);
    AUTO(buf) struct buf sig = BUF(128);
    EXPECT(jwk_public(&k, &jwk, &err), RC_OK, NULL);
    assert_string_equal(buf_cstr(&jwk), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\","
                                        "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    EXPECT(jwk_thumbprint(&k, &thumb, &err), RC_OK, NULL);
    assert_string_equal(buf_cstr(&thumb), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    EXPECT(
        jws_sign(&k, STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"), &sig, &err),
        RC_OK, NULL);
    assert_string_equal(
        buf_cstr(&sig),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
    assert_string_equal(jws_alg(KEY_ED25519), "EdDSA");
    EVP_PKEY_free(k.pkey);
}

/* R||S as openssl wants it: DER. */
static void to_der(struct str raw, struct buf *out)
{
    AUTO(buf) struct buf body = BUF(256);
    for (int half = 0; half < 2; half++) {
        const char *p = raw.p + (size_t)half * raw.n / 2;
        size_t n = raw.n / 2;
        while (n > 1 && p[0] == 0 && (unsigned char)p[1] < 0x80) {
            p++;
            n--;
        }
        bool pad = (unsigned char)p[0] >= 0x80;
        buf_addc(&body, 2);
        buf_addc(&body, (char)(n + pad));
        if (pad)
            buf_addc(&body, 0);
        buf_add(&body, p, n);
    }
    buf_addc(out, 0x30);
    buf_addc(out, (char)body.len);
    buf_addstr(out, buf_str(&body));
}

static void signatures_are_judged_by_openssl(void **state)
{
    UNUSED(state);
    static const enum key_alg algs[] = {KEY_EC256, KEY_EC384, KEY_RSA2048};
    static const char input[] = "eyJhbGciOiJYIn0.eyJub25jZSI6IjEifQ";
    for (size_t i = 0; i < COUNT_OF(algs); i++) {
        AUTO(key) struct key *k = rig_key(algs[i]);
        AUTO(buf)
        struct buf pem = BUF_SECRET(8192), sig = BUF(1024), raw = BUF(1024), der = BUF(1024);
        assert_int_equal(key_to_pem(k, &pem, NULL), RC_OK);
        EXPECT(jws_sign(k, str_from(input), &sig, &err), RC_OK, NULL);
        assert_true(jws_verify(k, str_from(input), buf_str(&sig)));
        assert_true(base64url_decode(buf_str(&sig), &raw));
        if (algs[i] == KEY_RSA2048)
            buf_addstr(&der, buf_str(&raw));
        else
            to_der(buf_str(&raw), &der);
        rig_write("k.pem", buf_str(&pem));
        rig_write("sig", buf_str(&der));
        rig_write("input", str_from(input));
        MUST_OPENSSL("pkey", "-in", rig_path("k.pem"), "-pubout", "-out", rig_path("p.pem"));
        MUST_OPENSSL("dgst", algs[i] == KEY_EC384 ? "-sha384" : "-sha256", "-verify",
                     rig_path("p.pem"), "-signature", rig_path("sig"), rig_path("input"));
        buf_free(&sig);
        buf_free(&raw);
        buf_free(&der);
    }
}

/* One signature in 128 has a number with a leading zero byte: the padding must hold. */
static void es256_signatures_are_always_64_bytes(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    int short_ones = 0;
    for (int i = 0; i < 20000 && (i < 300 || short_ones == 0); i++) {
        char input[32];
        (void)snprintf(input, sizeof input, "a.%d", i);
        AUTO(buf) struct buf sig = BUF(256);
        AUTO(buf) struct buf raw = BUF(256);
        assert_int_equal(jws_sign(k, str_from(input), &sig, NULL), RC_OK);
        assert_int_equal(sig.len, 86);
        assert_true(base64url_decode(buf_str(&sig), &raw));
        short_ones += raw.p[0] == 0 || raw.p[32] == 0;
        assert_true(jws_verify(k, str_from(input), buf_str(&sig)));
    }
    assert_true(short_ones > 0);
}

static void a_signature_is_bound_to_key_and_kind(void **state)
{
    UNUSED(state);
    static const enum key_alg algs[] = {KEY_EC256, KEY_EC384, KEY_RSA2048, KEY_ED25519};
    static const char *const names[] = {"ES256", "ES384", "RS256", "EdDSA"};
    struct key *keys[4];
    char sigs[4][700];
    for (size_t i = 0; i < 4; i++) {
        AUTO(buf) struct buf sig = BUF(1024);
        keys[i] = rig_key(algs[i]);
        assert_string_equal(jws_alg(algs[i]), names[i]);
        assert_int_equal(jws_sign(keys[i], STR("a.b"), &sig, NULL), RC_OK);
        (void)snprintf(sigs[i], sizeof sigs[i], "%s", buf_cstr(&sig));
    }
    AUTO(key) struct key *stranger = rig_key(KEY_EC256);
    for (size_t k = 0; k < 4; k++)
        for (size_t s = 0; s < 4; s++)
            assert_int_equal(jws_verify(keys[k], STR("a.b"), str_from(sigs[s])), k == s);
    assert_false(jws_verify(stranger, STR("a.b"), str_from(sigs[0])));
    for (size_t i = 0; i < 4; i++)
        key_destroy(keys[i]);
}

static void an_output_without_room_is_an_error(void **state)
{
    UNUSED(state);
    AUTO(key) struct key *k = rig_key(KEY_EC256);
    for (size_t max = 0; max < 86; max += 17) {
        AUTO(buf) struct buf out = BUF(max);
        assert_int_equal(jws_sign(k, STR("a.b"), &out, NULL), RC_NOMEM);
        AUTO(buf) struct buf jwk = BUF(max);
        assert_int_equal(jwk_public(k, &jwk, NULL), RC_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hs256_gives_the_rfc7515_a1_signature),
        cmocka_unit_test(es256_verifies_the_rfc7515_a3_signature),
        cmocka_unit_test(a_jwk_has_the_rfc_members_in_order),
        cmocka_unit_test(the_thumbprint_is_that_of_rfc7638),
        cmocka_unit_test(ed25519_gives_the_rfc8037_values),
        cmocka_unit_test(signatures_are_judged_by_openssl),
        cmocka_unit_test(es256_signatures_are_always_64_bytes),
        cmocka_unit_test(a_signature_is_bound_to_key_and_kind),
        cmocka_unit_test(an_output_without_room_is_an_error),
    };
    return cmocka_run_group_tests_name("crypto.jws", tests, rig_setup, rig_teardown);
}
