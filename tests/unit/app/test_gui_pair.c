/* The pair of the GUI over clocks that jump and files that people put there: the right one serves,
 * and nobody's is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "app/gui_pair.h"
#include "base/os/file.h"
#include "crypto/issue.h"
#include "log_rig.h"

static const int64_t day = USEC_PER_DAY;
static const int64_t now = BUILT_AT + 300 * USEC_PER_DAY;
static const char *const halves[] = {"crt", "key"};

static const char *place(struct arena *a, const char *half, const char *suffix)
{
    const char *path = arena_printf(a, "%s/tls/gui.%s%s", dir, half, suffix);
    assert_non_null(path);
    return path;
}

/* One half as it lies there; "" when it does not. */
static const char *half_at(struct arena *a, const char *half, const char *suffix)
{
    AUTO(buf) struct buf b = BUF(65536);
    const char *path = place(a, half, suffix);
    if (access(path, F_OK) == 0)
        OK(file_read(path, &b, err));
    return arena_str(a, buf_str(&b));
}

struct pair {
    const char *half[2];
};

static struct pair pair_at(struct arena *a, const char *suffix)
{
    return (struct pair){{half_at(a, "crt", suffix), half_at(a, "key", suffix)}};
}

static bool same(struct pair a, struct pair b)
{
    return strcmp(a.half[0], b.half[0]) == 0 && strcmp(a.half[1], b.half[1]) == 0;
}

static void put_half(struct arena *a, struct pair p, int half, const char *suffix)
{
    OK(file_write_atomic(place(a, halves[half], suffix), str_from(p.half[half]), 0600, (uid_t)-1,
                         (gid_t)-1, err));
}

static void put(struct arena *a, struct pair p, const char *suffix)
{
    put_half(a, p, 0, suffix);
    put_half(a, p, 1, suffix);
}

/* What somebody else made. */
static struct pair theirs(struct arena *a, int64_t from, int64_t until)
{
    AUTO(key) struct key *key = NULL;
    AUTO(buf) struct buf spki = BUF(4096), der = BUF(CERT_MAX_BYTES);
    AUTO(buf) struct buf cert = BUF(65536), secret = BUF_SECRET(16384);
    static const char *const dns[] = {"inro.example.jp"};
    struct issue_spec spec = {.subject = {.common_name = "inro.example.jp"},
                              .dns = dns,
                              .dns_count = 1,
                              .not_before = from,
                              .not_after = until,
                              .path_len = -1,
                              .server_auth = true};
    OK(key_generate(KEY_EC256, &key, err));
    OK(key_spki(key, &spki, err));
    OK(cert_issue(key, STR(""), buf_str(&spki), &spec, &der, err));
    OK(key_to_pem(key, &secret, err));
    cert_to_pem(buf_str(&der), &cert);
    return (struct pair){{arena_str(a, buf_str(&cert)), arena_str(a, buf_str(&secret))}};
}

/* A start at that time; what serves then. */
static struct pair begin(struct arena *a, int64_t at)
{
    struct config c = {.data = dir};
    struct clock clock;
    clock_fake_init(&clock, at);
    OK(gui_pair_ready(&c, &clock, a, err));
    struct pair p = pair_at(a, "");
    assert_true(p.half[0][0] && p.half[1][0]);
    return p;
}

static void our_own_comes_back_after_a_jump(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair first = begin(a, now);
    assert_true(same(begin(a, now + 3600 * USEC_PER_SEC), first));
    struct pair later = begin(a, now + 4500 * day);
    assert_false(same(later, first));
    assert_true(same(pair_at(a, ".old"), first));
    assert_true(same(begin(a, now), first));
    assert_true(same(pair_at(a, ".old"), later));
    /* and forth again, and back: no third one is made */
    assert_true(same(begin(a, now + 4500 * day), later));
    assert_true(same(begin(a, now + day), first));
    /* a clock before Inro itself says nothing */
    assert_true(same(begin(a, BUILT_AT - day), first));
    assert_true(same(begin(a, 0), first));
}

static void a_jump_over_two_lives_leaves_one_that_serves(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair first = begin(a, now);
    (void)begin(a, now + 4500 * day);
    (void)begin(a, now + 9000 * day);
    struct pair back = begin(a, now);
    assert_false(same(back, first)); /* ours may be made anew */
    assert_true(same(begin(a, now + day), back));
}

static void somebody_elses_comes_back_after_a_jump(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    (void)begin(a, now);
    struct pair own = theirs(a, now - day, now + 90 * day);
    put(a, own, "");
    assert_true(same(begin(a, now), own));
    for (int64_t at = 4500; at <= 13500; at += 4500) /* each time over the life of what we made */
        assert_false(same(begin(a, now + at * day), own));
    assert_true(same(begin(a, now), own));
}

static void what_somebody_put_there_is_never_overwritten(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair ended = theirs(a, now - 90 * day, now - day);
    struct pair ended_too = theirs(a, now - 60 * day, now - 2 * day);
    struct pair broken = {{"-----BEGIN CERTIFICATE-----\nnot at all\n", "no key\n"}};
    (void)begin(a, now);
    put(a, ended, "");
    struct pair ours = begin(a, now);
    assert_true(same(pair_at(a, ".old"), ended));
    put(a, ended_too, "");
    (void)begin(a, now);
    assert_true(same(pair_at(a, ".old"), ended_too));
    assert_true(same(pair_at(a, ".old.2"), ended));
    put(a, broken, "");
    struct pair last = begin(a, now);
    assert_false(same(last, ours));
    assert_true(same(pair_at(a, ".old"), broken));
    assert_true(same(pair_at(a, ".old.2"), ended));
    assert_true(same(pair_at(a, ".old.3"), ended_too));
    /* ours ended: theirs stay where they are */
    assert_false(same(begin(a, now + 900 * day), last));
    assert_true(same(pair_at(a, ".old"), broken));
    assert_true(same(pair_at(a, ".old.2"), ended));
}

static void one_that_is_not_valid_yet_stays(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair next = theirs(a, now + 2 * day, now + 90 * day);
    struct pair ours = begin(a, now);
    put(a, next, "");
    assert_true(same(begin(a, now), next));
    /* but a pair that serves today is preferred */
    put(a, ours, ".old");
    assert_true(same(begin(a, now), ours));
    assert_true(same(pair_at(a, ".old"), next));
}

static void a_half_that_comes_later_is_taken(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair own = theirs(a, now - day, now + 90 * day);
    for (int first = 0; first < 2; first++) {
        struct pair before = begin(a, now);
        put_half(a, own, first, "");
        struct pair served = begin(a, now);
        assert_false(same(served, own));
        assert_string_equal(half_at(a, halves[first], ".old"), own.half[first]);
        assert_string_equal(half_at(a, halves[!first], ".old"), before.half[!first]);
        put_half(a, own, !first, "");
        assert_true(same(begin(a, now), own));
        for (int h = 0; h < 2; h++) {
            assert_int_equal(unlink(place(a, halves[h], "")), 0);
            assert_int_equal(unlink(place(a, halves[h], ".old")), 0);
        }
    }
}

static void a_key_alone_is_kept(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair own = theirs(a, now - day, now + 90 * day);
    (void)begin(a, now);
    assert_int_equal(unlink(place(a, "crt", "")), 0);
    put_half(a, own, 1, "");
    (void)begin(a, now);
    assert_string_equal(half_at(a, "key", ".old"), own.half[1]);
    put_half(a, own, 0, "");
    assert_true(same(begin(a, now), own));
}

static void a_start_cut_short_is_finished(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)state;
    struct pair good = theirs(a, now - day, now + 90 * day);
    struct pair early = theirs(a, now + 30 * day, now + 90 * day);
    /* each way that renames can have gone: certificate back, key not; and one on its way */
    (void)begin(a, now);
    put_half(a, good, 0, "");
    put_half(a, early, 1, "");
    put_half(a, early, 0, ".old");
    put_half(a, good, 1, ".old");
    assert_true(same(begin(a, now), good));
    assert_true(same(pair_at(a, ".old"), early));
    assert_int_equal(rename(place(a, "crt", ""), place(a, "crt", ".old")), 0);
    assert_int_equal(rename(place(a, "key", ""), place(a, "key", ".old")), 0);
    assert_true(same(begin(a, now), good));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(our_own_comes_back_after_a_jump),
        CASE(a_jump_over_two_lives_leaves_one_that_serves),
        CASE(somebody_elses_comes_back_after_a_jump),
        CASE(what_somebody_put_there_is_never_overwritten),
        CASE(one_that_is_not_valid_yet_stays),
        CASE(a_half_that_comes_later_is_taken),
        CASE(a_key_alone_is_kept),
        CASE(a_start_cut_short_is_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
