/* The way of a log line: into the file without a loss, and on to whoever reads standard error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/log_keeper.h"
#include "base/log.h"
#include "base/os/file.h"
#include "log_rig.h"

static int real_stderr = -1;

/* Standard error for the while; -1: as it was. */
static void stderr_is(int fd)
{
    if (real_stderr < 0)
        real_stderr = dup(2);
    assert_int_equal(dup2(fd < 0 ? real_stderr : fd, 2), 2);
}

static void lines_of_many_arrive_whole(void **state)
{
    enum { CHILDREN = 4, LINES = 500 };
    struct log_limits limits = {1 << 20, 1 << 24, 10};
    struct log_keeper *k = NULL;
    int fd = -1, null = open("/dev/null", O_WRONLY);
    (void)state;
    stderr_is(null);
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
    stderr_is(-1);
    close(null);
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

/* A socket stands for the journal's stream. */
static void the_journal_gets_priorities(void **state)
{
    struct log_limits limits = {1 << 20, 1 << 24, 10};
    (void)state;
    for (int json = 0; json < 2; json++) {
        struct log_keeper *k = NULL;
        struct stat st;
        int fd = -1, pair[2];
        char named[64], got[4096] = "";
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(fstat(pair[0], &st), 0);
        snprintf(named, sizeof named, "%llu:%llu", (unsigned long long)st.st_dev,
                 (unsigned long long)st.st_ino);
        setenv("JOURNAL_STREAM", named, 1);
        stderr_is(pair[0]);
        OK(log_keeper_start(dir, &limits, &k, &fd, err));
        log_init("front", fd, LOG_DEBUG, json);
        log_line(LOG_ERROR, "api", "e");
        log_line(LOG_WARN, "api", "w");
        log_line(LOG_INFO, "api", "i");
        log_line(LOG_DEBUG, "api", "d");
        assert_int_equal(write(fd, "a library\n", 10), 10);
        log_keeper_stop(k, fd);
        log_init("front", 2, LOG_DEBUG, json); /* without the keeper, as before it starts */
        log_line(LOG_WARN, "api", "direct");
        stderr_is(-1);
        unsetenv("JOURNAL_STREAM");
        close(pair[0]);
        for (ssize_t n, o = 0; (n = read(pair[1], got + o, sizeof got - 1 - (size_t)o)) > 0;)
            o += n;
        close(pair[1]);
        static const char *const heads[] = {"<3>", "<4>", "<6>", "<7>", "<4>a library", "<4>"};
        struct str rest = str_from(got), line;
        for (size_t i = 0; i < COUNT_OF(heads); i++) {
            assert_true(str_split(&rest, '\n', &line));
            assert_true(str_starts(line, heads[i]));
            assert_int_equal(line.p[3], i == 4 ? 'a' : json ? '{' : '2');
        }
        assert_int_equal(rest.n, 0);
    }
    AUTO(buf) struct buf all = BUF(1 << 20);
    char path[128];
    snprintf(path, sizeof path, "%s/inro.log", dir);
    OK(file_read(path, &all, err));
    assert_null(strchr(buf_cstr(&all), '<')); /* the file has no heads */
}

/* Nobody reads: nobody waits, the file has every line, and the loss is told where it was. */
static void a_reader_that_stands_still_holds_nobody_up(void **state)
{
    enum { LINES = 3000 };
    struct log_limits limits = {1 << 22, 1 << 24, 10};
    struct log_keeper *k = NULL;
    int fd = -1, out[2];
    char path[128], got[1 << 17];
    (void)state;
    assert_int_equal(pipe(out), 0);
    stderr_is(out[1]);
    OK(log_keeper_start(dir, &limits, &k, &fd, err));
    log_init("front", fd, LOG_INFO, false);
    for (int i = 0; i < LINES; i++)
        log_line(LOG_INFO, "api", "line %d %0200d", i, i);
    AUTO(buf) struct buf all = BUF(1 << 22);
    char last[32];
    snprintf(last, sizeof last, "line %d ", LINES - 1);
    snprintf(path, sizeof path, "%s/inro.log", dir);
    for (int tries = 0; tries < 3000; tries++) {
        buf_clear(&all);
        OK(file_read(path, &all, err));
        if (strstr(buf_cstr(&all), last))
            break;
        poll(NULL, 0, 10);
    }
    for (int i = 0; i < LINES; i++) {
        snprintf(last, sizeof last, "line %d ", i);
        assert_non_null(strstr(buf_cstr(&all), last));
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n = 1; n > 0;)
        n = read(out[0], got, sizeof got);
    log_line(LOG_INFO, "api", "after");
    log_keeper_stop(k, fd);
    stderr_is(-1);
    close(out[1]);
    ssize_t n = read(out[0], got, sizeof got - 1);
    assert_true(n > 0);
    got[n] = '\0';
    assert_non_null(strstr(got, " log lines were not taken here; the log file has them\n"));
    assert_non_null(strstr(got, "] api: after\n"));
    close(out[0]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {T(lines_of_many_arrive_whole),
                                       T(the_journal_gets_priorities),
                                       T(a_reader_that_stands_still_holds_nobody_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
