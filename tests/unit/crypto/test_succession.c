/* A vendor's change of key: what is written is read, everything else is refused for its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include "crypto/succession.h"
#include "licence_rig.h"

static struct {
    struct key *old, *next;
    struct licence_key old_pub, next_pub;
    struct arena *a;
} t;

static int setup(void **state)
{
    (void)state;
    crypto_init();
    t.a = arena_create(0);
    OK(key_generate(KEY_ED25519, &t.old, err));
    OK(key_generate(KEY_ED25519, &t.next, err));
    t.old_pub = public_of(t.old);
    t.next_pub = public_of(t.next);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    key_destroy(t.old);
    key_destroy(t.next);
    arena_destroy(t.a);
    return 0;
}

static const char *statement(const struct key *by, const char *key_id)
{
    AUTO(buf) struct buf body = BUF(4096), sig = BUF(128), file = BUF(8192);
    struct succession s = {
        .issued = 1800000000 * USEC_PER_SEC, .key_id = key_id, .next = t.next_pub};
    OK(succession_body(&s, &body, err));
    OK(key_sign(by, buf_str(&body), &sig, err));
    licence_file(buf_str(&body), (const unsigned char *)sig.p, &file);
    return arena_str(t.a, buf_str(&file));
}

static const char *refusal(const char *file, const struct licence_key *keys, size_t n)
{
    struct err err = {0};
    struct succession s = {.issued = 77};
    assert_int_equal(succession_read(str_from(file), keys, n, t.a, &s, &err), RC_INPUT);
    assert_int_equal(s.issued, 77); /* untouched */
    return arena_strdup(t.a, err.id);
}

static void what_is_signed_is_read(void **state)
{
    const char *file = statement(t.old, t.old_pub.id);
    struct succession s;
    (void)state;
    assert_true(succession_is(str_from(file)));
    OK(succession_read(str_from(file), &t.old_pub, 1, t.a, &s, err));
    assert_string_equal(s.key_id, t.old_pub.id);
    assert_string_equal(s.next.id, t.next_pub.id);
    assert_memory_equal(s.next.pub, t.next_pub.pub, LICENCE_KEY_BYTES);
    assert_int_equal(s.issued, 1800000000 * USEC_PER_SEC);
    /* through an editor and a mail */
    AUTO(buf) struct buf b = BUF(8192);
    buf_adds(&b, "\xef\xbb\xbf\r\n");
    for (const char *p = file; *p; p++) {
        if (*p == '\n')
            buf_adds(&b, " \r");
        buf_addc(&b, *p);
    }
    assert_true(succession_is(buf_str(&b)));
    OK(succession_read(buf_str(&b), &t.old_pub, 1, t.a, &s, err));
}

static void every_changed_byte_is_refused(void **state)
{
    const char *file = statement(t.old, t.old_pub.id);
    size_t n = strlen(file);
    (void)state;
    for (size_t i = 0; i + 1 < n; i++) { /* the last line end is not part of the form */
        AUTO(arena) struct arena *a = arena_create(0);
        char *bad = arena_strdup(a, file);
        struct succession s;
        bad[i] = (char)(bad[i] ^ 1);
        if (succession_read(str_from(bad), &t.old_pub, 1, a, &s, NULL) == RC_OK)
            fail_msg("byte %zu may be changed", i);
    }
}

static void each_refusal_has_its_name(void **state)
{
    struct licence_key revoked = t.old_pub;
    (void)state;
    const char *good = statement(t.old, t.old_pub.id);
    revoked.revoked = true;
    assert_string_equal(refusal(good, &t.next_pub, 1), "licence.foreign_succession");
    assert_string_equal(refusal(good, &revoked, 1), "licence.revoked_succession");
    assert_string_equal(refusal(statement(t.next, t.old_pub.id), &t.old_pub, 1),
                        "licence.forged_succession");
    assert_string_equal(refusal("inro-vendor-succession 2\n", &t.old_pub, 1), "licence.succession");
    AUTO(buf) struct buf more = BUF(8192);
    buf_adds(&more, good);
    buf_adds(&more, "note: x\n");
    assert_string_equal(refusal(buf_cstr(&more), &t.old_pub, 1), "licence.succession");
}

static void several_and_a_licence_are_taken_apart(void **state)
{
    AUTO(buf) struct buf b = BUF(16384);
    struct str rest, one;
    struct succession s;
    (void)state;
    for (int i = 0; i < 3; i++)
        buf_adds(&b, statement(t.old, t.old_pub.id));
    buf_adds(&b, "inro-licence 1\nkey: x\nsignature: y\n");
    rest = buf_str(&b);
    for (int i = 0; i < 3; i++) {
        assert_true(succession_is(rest));
        OK(succession_take(&rest, &one, err));
        OK(succession_read(one, &t.old_pub, 1, t.a, &s, err));
    }
    assert_false(succession_is(rest));
    assert_true(str_starts(str_trim(rest), "inro-licence 1\n"));
    struct err err = {0};
    rest = STR("inro-vendor-succession 1\nproduct: inro\n");
    assert_int_equal(succession_take(&rest, &one, &err), RC_INPUT);
    assert_string_equal(err.id, "licence.truncated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_is_read),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(each_refusal_has_its_name),
        cmocka_unit_test(several_and_a_licence_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
