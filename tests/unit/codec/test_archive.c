/* Archives, judged by tar itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os/file.h"
#include "base/os/proc.h"
#include "codec/archive.h"

static void tar_says(const struct buf *archive, const char *option, const char *member,
                     struct buf *out)
{
    char path[] = "/tmp/inro-tar-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, archive->p, archive->len, NULL), RC_OK);
    close(fd);
    const char *const argv[] = {"tar", option, path, member, NULL};
    struct proc_result r;
    enum rc rc = proc_run(argv, NULL, 10 * USEC_PER_SEC, NULL, out, &r, NULL);
    unlink(path);
    assert_int_equal(rc, RC_OK);
}

static void files_come_out_as_they_went_in(void **state)
{
    AUTO(buf)
    struct buf out = BUF(1 << 20), big = BUF(1 << 20), list = BUF(65536), got = BUF(1 << 20);
    (void)state;
    for (int i = 0; i < 20000; i++)
        buf_addf(&big, "line %d\n", i);
    AUTO(archive) struct archive *x = archive_begin(&out);
    assert_non_null(x);
    archive_text(x, "a.txt", STR("hello\n"), INT64_C(1795000000) * USEC_PER_SEC);
    archive_text(x, "empty", STR(""), 0);
    archive_file(x, "log/big.log", big.len, 0);
    archive_data(x, big.p, 1000);
    archive_data(x, big.p + 1000, big.len - 1000);
    archive_text(x, "block", (struct str){big.p, 512}, 0);
    assert_int_equal(archive_end(&x, NULL), RC_OK);
    assert_null(x);
    tar_says(&out, "tzf", NULL, &list);
    assert_string_equal(buf_cstr(&list), "a.txt\nempty\nlog/big.log\nblock\n");
    tar_says(&out, "xzOf", "log/big.log", &got);
    assert_int_equal(got.len, big.len);
    assert_memory_equal(got.p, big.p, big.len);
}

static enum rc with(void (*fill)(struct archive *x))
{
    AUTO(buf) struct buf out = BUF(1 << 20);
    AUTO(archive) struct archive *x = archive_begin(&out);
    assert_non_null(x);
    fill(x);
    return archive_end(&x, NULL);
}

static void too_little(struct archive *x)
{
    archive_file(x, "a", 10, 0);
    archive_data(x, "abc", 3);
}
static void too_much(struct archive *x)
{
    archive_file(x, "a", 2, 0);
    archive_data(x, "abc", 3);
}
static void outside(struct archive *x)
{
    archive_text(x, "../a", STR("x"), 0);
}
static void absolute(struct archive *x)
{
    archive_text(x, "/a", STR("x"), 0);
}

static void what_does_not_fit_fails(void **state)
{
    (void)state;
    assert_int_equal(with(too_little), RC_INTERNAL);
    assert_int_equal(with(too_much), RC_INTERNAL);
    assert_int_equal(with(outside), RC_INTERNAL);
    assert_int_equal(with(absolute), RC_INTERNAL);
    AUTO(buf) struct buf small = BUF(10);
    AUTO(archive) struct archive *x = archive_begin(&small);
    archive_text(x, "a", STR("hello"), 0);
    assert_int_not_equal(archive_end(&x, NULL), RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_come_out_as_they_went_in),
                                       cmocka_unit_test(what_does_not_fit_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
