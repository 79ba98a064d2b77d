/* Log files: turned over by size and by day, with a ceiling on the total, whatever others do to
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/log_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/os/file.h"
#include "log_rig.h"

static const int64_t now = INT64_C(1795000000) * USEC_PER_SEC;

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
    struct log_file *k = NULL;
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
    struct log_file *k = NULL;
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

static char name_buf[128];
static const char *in_dir(const char *name)
{
    snprintf(name_buf, sizeof name_buf, "%s/%s", dir, name);
    return name_buf;
}

/* What inro.log holds is exactly this. */
static void holds(const char *want)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    OK(file_read(in_dir("inro.log"), &b, err));
    assert_string_equal(buf_cstr(&b), want);
}

static void put(struct log_file *f, const char *line)
{
    log_file_put(f, line, strlen(line), clock_now(clock_real()));
}

/* F41: logrotate and people with rm and mv. */
static void others_remove_move_cut_and_replace_it(void **state)
{
    struct log_limits limits = {1 << 20, 1 << 24, 90};
    struct log_file *f = NULL;
    char to[128];
    int64_t bytes;
    (void)state;
    OK(log_file_open(dir, &limits, &f, err));
    put(f, "one\n");
    assert_int_equal(unlink(in_dir("inro.log")), 0);
    put(f, "two\n");
    holds("two\n");
    snprintf(to, sizeof to, "%s/inro.log.1", dir);
    assert_int_equal(rename(in_dir("inro.log"), to), 0);
    put(f, "three\n");
    holds("three\n");
    assert_int_equal(truncate(in_dir("inro.log"), 0), 0); /* copytruncate */
    put(f, "four\n");
    holds("four\n");
    FILE *other = fopen(to, "w");
    assert_non_null(other);
    fputs("theirs\n", other);
    fclose(other);
    chmod(to, 0600);
    assert_int_equal(rename(to, in_dir("inro.log")), 0);
    put(f, "five\n");
    holds("theirs\nfive\n");
    assert_int_equal(count(&bytes), 1);
    log_file_close(f);
}

static void what_cannot_be_written_is_put_aside(void **state)
{
    struct log_limits limits = {1 << 20, 1 << 24, 90};
    struct log_file *f = NULL;
    char victim[128], text[16] = "";
    (void)state;
    snprintf(victim, sizeof victim, "%s/victim", dir);
    FILE *v = fopen(victim, "w");
    fputs("mine", v);
    fclose(v);
    OK(log_file_open(dir, &limits, &f, err));
    put(f, "one\n");
    assert_int_equal(unlink(in_dir("inro.log")), 0);
    assert_int_equal(symlink(victim, in_dir("inro.log")), 0); /* never followed */
    put(f, "two\n");
    holds("two\n");
    assert_int_equal(unlink(in_dir("inro.log")), 0);
    assert_int_equal(mkdir(in_dir("inro.log"), 0700), 0);
    put(f, "three\n");
    holds("three\n");
    v = fopen(victim, "r");
    assert_non_null(fgets(text, sizeof text, v));
    fclose(v);
    assert_string_equal(text, "mine");
    log_file_close(f);
}

static void the_folder_goes_and_comes_back(void **state)
{
    struct log_limits limits = {1 << 20, 1 << 24, 90};
    struct log_file *f = NULL;
    struct stat st;
    char moved[80];
    (void)state;
    OK(log_file_open(dir, &limits, &f, err));
    put(f, "one\n");
    snprintf(moved, sizeof moved, "%s.moved", dir);
    assert_int_equal(rename(dir, moved), 0);
    put(f, "two\n");
    holds("two\n");
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    log_file_close(f);
    assert_int_equal(nftw(moved, drop, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A limit of the process stands for the disk: a write stops in the middle of a line. */
static void without_room_whole_lines_are_lost_and_counted(void **state)
{
    struct log_limits limits = {1 << 20, 1 << 24, 90};
    struct log_file *f = NULL;
    struct rlimit old, small;
    (void)state;
    log_init("supervisor", 2, LOG_INFO, false);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    OK(log_file_open(dir, &limits, &f, err));
    put(f, "0123456789\n");
    small = (struct rlimit){25, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put(f, "abcdefghij\nABCDEFGHIJ\n");
    put(f, "lost\nlost\n");
    holds("0123456789\nabcdefghij\n");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    put(f, "back\n");
    log_file_close(f);
    AUTO(buf) struct buf b = BUF(1 << 20);
    OK(file_read(in_dir("inro.log"), &b, err));
    const char *said = buf_cstr(&b);
    assert_true(strncmp(said, "0123456789\nabcdefghij\n", 22) == 0);
    assert_non_null(strstr(said, " warn supervisor["));
    assert_non_null(strstr(said, "app: 3 log lines could not be written to the log file\nback\n"));
}

/* A flood of lines, a total that leaves room for two files and a file larger than the total. */
static void the_ceiling_holds_in_a_flood(void **state)
{
    static const struct log_limits limits[] = {{65536, 200000, 90}, {1 << 20, 100000, 90}};
    char line[1001];
    (void)state;
    memset(line, 'x', 1000);
    line[999] = '\n';
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct log_file *f = NULL;
        int64_t bytes;
        OK(log_file_open(dir, &limits[i], &f, err));
        for (int n = 0; n < 5000; n++) {
            log_file_put(f, line, 1000, now);
            if (n % 250 == 0) {
                (void)count(&bytes);
                assert_true(bytes <= limits[i].total_bytes);
            }
        }
        log_file_close(f);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {T(by_size_with_a_ceiling),
                                       T(by_day_and_age),
                                       T(others_remove_move_cut_and_replace_it),
                                       T(what_cannot_be_written_is_put_aside),
                                       T(the_folder_goes_and_comes_back),
                                       T(without_room_whole_lines_are_lost_and_counted),
                                       T(the_ceiling_holds_in_a_flood)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
