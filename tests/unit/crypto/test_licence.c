/* The licence file: what is written is read, and everything else is refused for its own reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include "crypto/licence.h"
#include "licence_rig.h"

#define INSTALLATION "00112233445566778899aabbccddeeff"

static struct {
    struct key *key, *other;
    struct licence_key pub, other_pub;
    struct arena *a;
} t;

static int setup(void **state)
{
    (void)state;
    crypto_init();
    t.a = arena_create(0);
    OK(key_generate(KEY_ED25519, &t.key, err));
    OK(key_generate(KEY_ED25519, &t.other, err));
    t.pub = public_of(t.key);
    t.other_pub = public_of(t.other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    key_destroy(t.key);
    key_destroy(t.other);
    arena_destroy(t.a);
    return 0;
}

static int64_t at(const char *s)
{
    int64_t v = 0;
    assert_true(time_parse_rfc3339(s, &v));
    return v;
}

static struct licence sample(void)
{
    return (struct licence){.serial = 42,
                            .service_code = "123456789012",
                            .licensee = "株式会社サンプル",
                            .plan = "basic",
                            .certificates = 2,
                            .targets = 3,
                            .begins = at("2026-12-01T00:00:00+09:00"),
                            .ends = at("2028-04-01T00:00:00+09:00"),
                            .installation = INSTALLATION,
                            .issued = at("2026-11-24T12:34:56+09:00"),
                            .key_id = t.pub.id};
}

static const char *sign(struct str body, const struct key *k)
{
    AUTO(buf) struct buf sig = BUF(128), file = BUF(32768);
    OK(key_sign(k, body, &sig, err));
    assert_int_equal(sig.len, LICENCE_SIGNATURE_BYTES);
    licence_file(body, (const unsigned char *)sig.p, &file);
    return arena_str(t.a, buf_str(&file));
}

static const char *make(const struct licence *l, const struct key *k)
{
    AUTO(buf) struct buf body = BUF(32768);
    OK(licence_body(l, &body, err));
    return sign(buf_str(&body), k);
}

/* s with the first `from` replaced. */
static const char *swap(const char *s, const char *from, const char *to)
{
    const char *p = strstr(s, from);
    assert_non_null(p);
    return arena_printf(t.a, "%.*s%s%s", (int)(p - s), s, to, p + strlen(from));
}

static enum rc read_it(const char *file, struct licence *ret, struct err *err)
{
    return licence_read(str_from(file), &t.pub, 1, t.a, ret, err);
}

static void refused(const char *file, const char *id)
{
    struct licence l = {.serial = -7};
    struct err why = {0};
    enum rc rc = read_it(file, &l, &why);
    if (rc != RC_INPUT || strcmp(why.id, id) != 0)
        fail_msg("%s expected, got %s %s", id, rc_name(rc), why.id);
    assert_int_equal(l.serial, -7); /* untouched */
    assert_true(why.en[0] && why.ja[0] && strcmp(why.en, why.ja) != 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct licence l = sample(), r;
    l.revokes[0] = t.other_pub.id;
    l.revoke_count = 1;
    const char *file = make(&l, t.key);
    OK(read_it(file, &r, err));
    assert_int_equal(r.serial, 42);
    assert_string_equal(r.service_code, l.service_code);
    assert_string_equal(r.licensee, l.licensee);
    assert_string_equal(r.plan, "basic");
    assert_int_equal(r.certificates, 2);
    assert_int_equal(r.targets, 3);
    assert_int_equal(r.begins, l.begins);
    assert_int_equal(r.ends, l.ends);
    assert_string_equal(r.installation, INSTALLATION);
    assert_int_equal(r.issued, l.issued);
    assert_string_equal(r.key_id, t.pub.id);
    assert_int_equal(r.revoke_count, 1);
    assert_string_equal(r.revokes[0], t.other_pub.id);
    assert_non_null(strstr(file, "begins: 2026-12-01T00:00:00+09:00\n"));
    assert_non_null(strstr(file, "ends: 2028-03-31T23:59:59+09:00\n"));
}

static void survives_mail_and_editors(void **state)
{
    (void)state;
    struct licence l = sample(), r;
    const char *file = make(&l, t.key);
    AUTO(buf) struct buf crlf = BUF(32768);
    buf_adds(&crlf, "\xef\xbb\xbf\r\n");
    for (const char *p = file; *p; p++) {
        if (*p == '\n')
            buf_adds(&crlf, " \t\r");
        buf_addc(&crlf, *p);
    }
    buf_adds(&crlf, "\n\n  \n");
    OK(licence_read(buf_str(&crlf), &t.pub, 1, t.a, &r, err));
    assert_int_equal(r.serial, 42);
}

/* Every bit of the file matters: no change of one byte is read as the same or another licence. */
static void no_byte_can_be_changed(void **state)
{
    (void)state;
    struct licence l = sample(), r;
    AUTO(buf) struct buf b = BUF(32768);
    const char *file = make(&l, t.key);
    size_t n = strlen(file);
    for (size_t i = 0; i + 1 < n; i++) { /* the last one is the line's end */
        for (int bit = 0; bit < 8; bit++) {
            struct err why = {0};
            buf_clear(&b);
            buf_adds(&b, file);
            b.p[i] = (char)(b.p[i] ^ (1 << bit));
            if (licence_read(buf_str(&b), &t.pub, 1, t.a, &r, &why) == RC_OK)
                fail_msg("byte %zu, bit %d can be changed", i, bit);
        }
    }
}

static void forged_foreign_and_revoked(void **state)
{
    (void)state;
    struct licence l = sample();
    const char *file = make(&l, t.key);
    refused(swap(file, "targets: 3", "targets: 9"), "licence.forged");
    refused(swap(file, "ends: 2028", "ends: 2038"), "licence.forged");
    refused(swap(file, "plan: basic\n", "plan: basic\nplan: basic\n"), "licence.forged");
    refused(make(&l, t.other), "licence.forged"); /* names our key, signed with another */
    l.key_id = t.other_pub.id;
    refused(make(&l, t.other), "licence.foreign");
    refused(swap(file, t.pub.id, "0000000000000000"), "licence.foreign");

    struct licence_key revoked = t.pub;
    struct licence r;
    struct err why = {0};
    revoked.revoked = true;
    assert_int_equal(licence_read(str_from(file), &revoked, 1, t.a, &r, &why), RC_INPUT);
    assert_string_equal(why.id, "licence.revoked");
    assert_int_equal(licence_read(str_from(file), NULL, 0, t.a, &r, &why), RC_INPUT);
    assert_string_equal(why.id, "licence.foreign");
}

static void truncated_anywhere(void **state)
{
    (void)state;
    struct licence l = sample(), r;
    const char *file = make(&l, t.key);
    size_t n = strlen(file);
    for (size_t i = 0; i + 1 < n; i++) {
        struct err why = {0};
        assert_int_equal(licence_read((struct str){file, i}, &t.pub, 1, t.a, &r, &why), RC_INPUT);
        const char *want = i < strlen("inro-licence ")      ? "licence.not_one"
                           : i < strlen("inro-licence 1\n") ? NULL
                                                            : "licence.truncated";
        if (want && strcmp(why.id, want) != 0)
            fail_msg("cut at %zu: %s", i, why.id);
    }
    OK(licence_read((struct str){file, n - 1}, &t.pub, 1, t.a, &r, err)); /* no last line end */
}

static void other_things_than_licences(void **state)
{
    (void)state;
    struct licence l = sample();
    const char *file = make(&l, t.key);
    refused("", "licence.not_one");
    refused("\n\n\n", "licence.not_one");
    refused("-----BEGIN CERTIFICATE-----\nAAAA\n", "licence.not_one");
    refused("{\"licence\":1}", "licence.not_one");
    refused(swap(file, "inro-licence 1", "inro-licence 2"), "licence.version");
    refused(swap(file, "inro-licence 1", "inro-licence 10"), "licence.version");

    AUTO(buf) struct buf big = BUF((size_t)2 << 20);
    buf_adds(&big, file);
    while (big.len <= LICENCE_MAX_BYTES)
        buf_adds(&big, "\n                                                            ");
    refused(buf_cstr(&big), "licence.too_large");
}

/* Signed by the right key and still not what format 1 allows. */
static void signed_nonsense(void **state)
{
    (void)state;
    struct licence l = sample();
    AUTO(buf) struct buf body = BUF(32768);
    OK(licence_body(&l, &body, err));
    static const struct {
        const char *from, *to, *id;
    } rows[] = {
        {"product: inro", "product: other", "licence.product"},
        {"serial: 42", "serial: 042", "licence.malformed"},
        {"serial: 42", "serial: -1", "licence.malformed"},
        {"serial: 42\n", "", "licence.malformed"},
        {"service-code: 123456789012", "service-code: 12345678901", "licence.malformed"},
        {"targets: 3", "targets: 99999999999999999999", "licence.malformed"},
        {"targets: 3", "targets:  3", "licence.malformed"},
        {"begins: 2026-12-01T00:00:00+09:00", "begins: 2026-11-30T15:00:00Z", "licence.malformed"},
        {"begins: 2026-12-01", "begins: 2026-13-01", "licence.malformed"},
        {"begins: 2026-12-01", "begins: 2029-12-01", "licence.malformed"},
        {INSTALLATION, "any", "licence.malformed"},
        {"plan: basic\n", "plan: basic\nunknown: 1\n", "licence.malformed"},
        {"plan: basic\ncertificates: 2\n", "certificates: 2\nplan: basic\n", "licence.malformed"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *text = swap(buf_cstr(&body), rows[i].from, rows[i].to);
        refused(sign(str_from(text), t.key), rows[i].id);
    }
}

static void values_are_checked_when_written(void **state)
{
    (void)state;
    static const char *const names[] = {"", " x", "x ", "a\nserial: 1", "\xff\xfe", "a\x7f"};
    AUTO(buf) struct buf out = BUF(32768);
    struct err why = {0};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct licence l = sample();
        l.licensee = names[i];
        assert_int_equal(licence_body(&l, &out, &why), RC_INPUT);
        assert_string_equal(why.field, "licensee");
        why.field[0] = '\0';
    }
    struct licence l = sample();
    l.service_code = "12345678901x";
    assert_int_equal(licence_body(&l, &out, &why), RC_INPUT);
    l = sample();
    l.ends = l.begins;
    assert_int_equal(licence_body(&l, &out, &why), RC_INPUT);
    assert_int_equal(out.len, 0);
}

static void keys_are_written_and_read(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(1024);
    struct licence_key k;
    struct err why = {0};
    licence_key_text(&t.pub, &b);
    OK(licence_key_read(buf_str(&b), &k, err));
    assert_memory_equal(k.pub, t.pub.pub, sizeof k.pub);
    assert_string_equal(k.id, t.pub.id);
    b.p[b.len - 5] = b.p[b.len - 5] == 'A' ? 'B' : 'A';
    assert_int_equal(licence_key_read(buf_str(&b), &k, &why), RC_INPUT);
    assert_int_equal(licence_key_read(STR("ssh-ed25519 AAAA"), &k, &why), RC_INPUT);

    struct key *ec = NULL;
    AUTO(buf) struct buf spki = BUF(256);
    OK(key_generate(KEY_EC256, &ec, err));
    OK(key_spki(ec, &spki, err));
    assert_int_equal(licence_key_from_spki(buf_str(&spki), &k, &why), RC_INPUT);
    key_destroy(ec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(survives_mail_and_editors),
        cmocka_unit_test(no_byte_can_be_changed),
        cmocka_unit_test(forged_foreign_and_revoked),
        cmocka_unit_test(truncated_anywhere),
        cmocka_unit_test(other_things_than_licences),
        cmocka_unit_test(signed_nonsense),
        cmocka_unit_test(values_are_checked_when_written),
        cmocka_unit_test(keys_are_written_and_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
