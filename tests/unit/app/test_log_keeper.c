/* Log files: turned over by size and by day, with a ceiling on the total, and no line lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/log_keeper.h"
#include "base/clock.h"
#include "base/os/file.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        struct err err_ = {0};                                                                     \
        struct err *err = &err_;                                                                   \
        enum rc rc_ = (expr);                                                                      \
        if (rc_ != RC_OK)                                                                          \
            fail_msg("%s: %s (%s)", #expr, err_.en, rc_name(rc_));                                 \
    } while (0)

static char dir[64];
static const int64_t now = INT64_C(1795000000) * USEC_PER_SEC;

static int start(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/inro-log-XXXXXX");
    return mkdtemp(dir) ? 0 : 1;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* Number and bytes of the files; every one is private. */
static int count(int64_t *bytes)
{
    int n = 0;
    DIR *d = opendir(dir);
    *bytes = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
        if (!S_ISREG(st.st_mode))
            continue;
        assert_int_equal(st.st_mode & 0777, 0600);
        *bytes += st.st_size;
        n++;
    }
    closedir(d);
    return n;
}

static void by_size_with_a_ceiling(void **state)
{
    struct log_limits limits = {1000, 5000, 90};
    struct log_keeper *k = NULL;
    char line[101];
    int64_t bytes;
    (void)state;
    memset(line, 'x', 100);
    line[99] = '\n';
    OK(log_file_open(dir, &limits, &k, err));
    for (int i = 0; i < 25; i++)
        log_file_put(k, line, 100, now);
    assert_int_equal(count(&bytes), 3); /* 10 + 10 + 5 lines */
    assert_int_equal(bytes, 2500);
    for (int i = 0; i < 500; i++)
        log_file_put(k, line, 100, now + i);
    assert_true(count(&bytes) <= 6);
    assert_true(bytes <= 5000);
    log_file_close(k);
}

static void by_day_and_age(void **state)
{
    struct log_limits limits = {1 << 20, 1 << 30, 10};
    struct log_keeper *k = NULL;
    int64_t bytes, real = clock_now(clock_real());
    (void)state;
    OK(log_file_open(dir, &limits, &k, err));
    log_file_put(k, "a\n", 2, real);
    log_file_put(k, "b\n", 2, real);
    assert_int_equal(count(&bytes), 1);
    log_file_put(k, "c\n", 2, real + USEC_PER_DAY);
    assert_int_equal(count(&bytes), 2);
    log_file_put(k, "d\n", 2, real + 20 * USEC_PER_DAY); /* the first two days are too old */
    assert_int_equal(count(&bytes), 1);
    log_file_close(k);
    /* going on after a restart */
    OK(log_file_open(dir, &limits, &k, err));
    log_file_close(k);
    assert_int_equal(count(&bytes), 1);
}

static void lines_of_many_arrive_whole(void **state)
{
    enum { CHILDREN = 4, LINES = 500 };
    struct log_limits limits = {1 << 20, 1 << 24, 10};
    struct log_keeper *k = NULL;
    int fd = -1, out[2];
    (void)state;
    /* standard error goes nowhere for the while */
    int keep = dup(2);
    assert_int_equal(pipe(out), 0);
    FILE *null = fopen("/dev/null", "w");
    assert_non_null(null);
    assert_int_equal(dup2(fileno(null), 2), 2);
    OK(log_keeper_start(dir, &limits, &k, &fd, err));
    for (int c = 0; c < CHILDREN; c++) {
        if (fork() != 0)
            continue;
        for (int i = 0; i < LINES; i++) {
            char line[64];
            int n = snprintf(line, sizeof line, "child %d line %d end\n", c, i);
            if (write(fd, line, (size_t)n) != n)
                _exit(1);
        }
        _exit(0);
    }
    for (int c = 0; c < CHILDREN; c++)
        assert_true(wait(NULL) > 0);
    log_keeper_stop(k, fd);
    assert_int_equal(dup2(keep, 2), 2);
    fclose(null);
    close(keep);
    close(out[0]);
    close(out[1]);
    AUTO(buf) struct buf all = BUF(1 << 20);
    char path[128];
    snprintf(path, sizeof path, "%s/inro.log", dir);
    OK(file_read(path, &all, err));
    struct str rest = buf_str(&all), line;
    int n = 0;
    while (rest.n > 0 && str_split(&rest, '\n', &line)) {
        assert_true(str_starts(line, "child ") && str_ends(line, " end"));
        n++;
    }
    assert_int_equal(n, CHILDREN * LINES);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {T(by_size_with_a_ceiling), T(by_day_and_age),
                                       T(lines_of_many_arrive_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
