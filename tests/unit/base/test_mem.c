/* Allocation, buffers and arenas: limits, sticky failure, and every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

static void allocations_are_zeroed_and_counted(void **state)
{
    (void)state;
    long before = mem_count();
    AUTO(mem) char *p = mem_alloc(64);
    AUTO(mem) char *none = mem_alloc(0);
    AUTO(mem) char *s = mem_strdup("印籠");
    AUTO(mem) char *d = mem_dup("a\0b", 3);
    for (int i = 0; i < 64; i++)
        assert_int_equal(p[i], 0);
    assert_non_null(none);
    assert_string_equal(s, "印籠");
    assert_memory_equal(d, "a\0b", 4);
    assert_int_equal(mem_count() - before, 4);
    mem_free(NULL);
    mem_wipe(NULL, 0);
    mem_wipe_free(NULL, 8);
}

static void the_nth_allocation_fails_once_or_for_ever(void **state)
{
    (void)state;
    mem_fail_after(2, false);
    AUTO(mem) char *a = mem_alloc(1);
    AUTO(mem) char *b = mem_alloc(1);
    AUTO(mem) char *c = mem_alloc(1);
    assert_true(a && !b && c);
    mem_fail_after(1, true);
    AUTO(mem) char *d = mem_alloc(1);
    char *same = mem_realloc(a, 100);
    mem_fail_after(0, false);
    assert_true(!d && !same);
    a[0] = 'x'; /* still ours after a failed realloc */
    AUTO(mem) char *e = mem_alloc(1);
    assert_non_null(e);
}

static void a_wipe_leaves_nothing(void **state)
{
    (void)state;
    char secret[16] = "hunter2hunter2!";
    mem_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        assert_int_equal(secret[i], 0);
}

static void a_buffer_grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(100);
    for (int i = 0; i < 100; i++)
        buf_addc(&b, 'x');
    assert_int_equal(buf_ok(&b, NULL), RC_OK);
    assert_int_equal(b.len, 100);
    assert_int_equal(buf_cstr(&b)[100], 0);
    buf_addc(&b, 'y');
    assert_int_equal(buf_ok(&b, NULL), RC_NOMEM);
    assert_int_equal(b.len, 100);
    buf_truncate(&b, 5);
    buf_adds(&b, "more"); /* sticky */
    assert_string_equal(buf_cstr(&b), "xxxxx");
    buf_clear(&b);
    buf_addf(&b, "%d-%s", 42, "ok");
    assert_string_equal(buf_cstr(&b), "42-ok");
    assert_int_equal(buf_ok(&b, NULL), RC_OK);
    assert_null(buf_reserve(&b, 96));
    assert_int_equal(buf_ok(&b, NULL), RC_NOMEM);
    buf_clear(&b);
    assert_null(buf_reserve(&b, SIZE_MAX));
}

static void a_buffer_of_maximum_zero_holds_nothing(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = {0};
    buf_adds(&b, "");
    assert_int_equal(buf_ok(&b, NULL), RC_OK);
    assert_string_equal(buf_cstr(&b), "");
    buf_addc(&b, 'x');
    assert_int_equal(buf_ok(&b, NULL), RC_NOMEM);
}

static void buffers_write_big_endian_and_hand_over(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(64);
    buf_add_be32(&b, 0x01020304);
    buf_add_be64(&b, 0x05060708090a0b0c);
    assert_memory_equal(buf_cstr(&b), "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c", 12);
    size_t n = 0;
    AUTO(mem) char *p = buf_take(&b, &n);
    assert_int_equal(n, 12);
    assert_int_equal(p[12], 0);
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_cstr(&b), "");
    AUTO(mem) char *empty = buf_take(&b, NULL);
    assert_string_equal(empty, "");
    b.bad = RC_NOMEM;
    assert_null(buf_take(&b, &n));
}

static void a_secret_buffer_is_wiped_as_it_shrinks(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_SECRET(4096);
    for (int i = 0; i < 40; i++)
        buf_adds(&b, "hunter2");
    assert_int_equal(b.len, 280);
    buf_truncate(&b, 7);
    assert_string_equal(buf_cstr(&b), "hunter2");
    for (size_t i = 7; i < 280; i++)
        assert_int_equal(b.p[i], 0);
}

static void each_failing_allocation_of_a_buffer_is_sticky(void **state)
{
    (void)state;
    for (int secret = 0; secret < 2; secret++) {
        bool passed = false;
        for (long n = 1; n < 20 && !passed; n++) {
            AUTO(buf) struct buf b = BUF(4096);
            b.secret = secret;
            mem_fail_after(n, false);
            for (int i = 0; i < 100; i++)
                buf_adds(&b, "0123456789");
            mem_fail_after(0, false);
            passed = buf_ok(&b, NULL) == RC_OK;
            assert_int_equal(passed, b.len == 1000);
            assert_int_equal(b.len % 10, 0);
        }
        assert_true(passed);
    }
}

static void an_arena_is_aligned_zeroed_and_bounded(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(64 * 1024);
    for (size_t i = 0; i < 300; i++) {
        unsigned char *p = arena_alloc(a, i % 40);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < i % 40; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, i % 40);
    }
    assert_non_null(arena_alloc(a, 30000));
    assert_null(arena_alloc(a, 40000));
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_array(a, SIZE_MAX / 2, 4));
    assert_null(arena_dup(a, "x", SIZE_MAX));
    assert_non_null(arena_alloc(a, 1000)); /* a refusal does not spoil it */
    arena_destroy(NULL);
}

static void an_arena_copies_texts(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    assert_string_equal(arena_strdup(a, "abc"), "abc");
    assert_string_equal(arena_str(a, (struct str){"abcdef", 3}), "abc");
    assert_string_equal(arena_str(a, STR_NONE), "");
    assert_string_equal(arena_printf(a, "%s-%d", "x", 7), "x-7");
    char big[9001];
    memset(big, 'b', 9000);
    big[9000] = 0;
    assert_string_equal(arena_printf(a, "%s", big), big);
    assert_memory_equal(arena_dup(a, "a\0b", 3), "a\0b", 4);
}

static void each_failing_allocation_of_an_arena_is_a_null(void **state)
{
    (void)state;
    mem_fail_after(1, true);
    struct arena *none = arena_create(0);
    mem_fail_after(0, false);
    assert_null(none);
    AUTO(arena) struct arena *a = arena_create(0);
    assert_non_null(a);
    mem_fail_after(1, true);
    assert_null(arena_strdup(a, "x"));
    assert_null(arena_printf(a, "%d", 1));
    assert_null(arena_array(a, 1000, 8));
    mem_fail_after(0, false);
    assert_non_null(arena_strdup(a, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_and_counted),
        cmocka_unit_test(the_nth_allocation_fails_once_or_for_ever),
        cmocka_unit_test(a_wipe_leaves_nothing),
        cmocka_unit_test(a_buffer_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(a_buffer_of_maximum_zero_holds_nothing),
        cmocka_unit_test(buffers_write_big_endian_and_hand_over),
        cmocka_unit_test(a_secret_buffer_is_wiped_as_it_shrinks),
        cmocka_unit_test(each_failing_allocation_of_a_buffer_is_sticky),
        cmocka_unit_test(an_arena_is_aligned_zeroed_and_bounded),
        cmocka_unit_test(an_arena_copies_texts),
        cmocka_unit_test(each_failing_allocation_of_an_arena_is_a_null),
    };
    return cmocka_run_group_tests_name("base.mem", tests, NULL, NULL);
}
