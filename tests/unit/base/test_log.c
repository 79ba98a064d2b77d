/* Log lines: one line whatever the text, levels, JSON form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static int pipe_fd[2];

static const char *logged(void)
{
    static char line[8192];
    ssize_t n = read(pipe_fd[0], line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    return line;
}

static int open_pipe(void **state)
{
    (void)state;
    return pipe2(pipe_fd, O_NONBLOCK);
}

static void a_line_stays_a_line(void **state)
{
    (void)state;
    log_init("worker", pipe_fd[1], LOG_INFO, false);
    log_line(LOG_INFO, "job", "%s", "one\ntwo\r\x1b[31m\x7f");
    const char *line = logged();
    assert_non_null(strstr(line, " info worker["));
    assert_non_null(strstr(line, "] job: one\\x0atwo\\x0d\\x1b[31m\\x7f\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void levels_decide(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    log_init("worker", pipe_fd[1], LOG_WARN, false);
    log_line(LOG_INFO, "job", "quiet");
    assert_string_equal(logged(), "");
    log_set_level(LOG_DEBUG);
    log_line(LOG_DEBUG, "job", "loud");
    assert_non_null(strstr(logged(), "loud"));
    assert_true(log_level_from_name("debug", &level) && level == LOG_DEBUG);
    assert_false(log_level_from_name("verbose", &level));
    assert_int_equal(level, LOG_DEBUG);
}

static void json_lines_are_escaped(void **state)
{
    (void)state;
    log_init("front", pipe_fd[1], LOG_INFO, true);
    log_line(LOG_WARN, "api", "say \"x\" \\ \n");
    const char *line = logged();
    assert_int_equal(line[0], '{');
    assert_non_null(strstr(line, "\"text\":\"say \\\"x\\\" \\\\ \\u000a\"}\n"));
    assert_non_null(strstr(line, "\"level\":\"warn\""));
}

static void an_overlong_line_is_cut_and_ended(void **state)
{
    (void)state;
    char text[6000];
    memset(text, '\x01', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int json = 0; json < 2; json++) {
        log_init("front", pipe_fd[1], LOG_INFO, json);
        log_line(LOG_INFO, "api", "%s", text);
        const char *line = logged();
        size_t n = strlen(line);
        assert_true(n > 1000 && n < 3072);
        assert_int_equal(line[n - 1], '\n');
        if (json)
            assert_memory_equal(line + n - 3, "\"}\n", 3);
    }
}

static void an_error_value_is_told_whole(void **state)
{
    (void)state;
    struct err err = {0};
    enum rc rc = FAIL(&err, RC_RATE, BLAME_REMOTE, MSG("ca.rate", "slow down", "待て"));
    rc = WHILE(&err, rc, MSG("w", "ordering", "申請中"));
    assert_int_equal(rc, RC_RATE);
    err_field(&err, "names");
    err_remote(&err, "HTTP 429");
    log_init("worker", pipe_fd[1], LOG_INFO, false);
    log_err(LOG_ERROR, "job", "issue", &err);
    const char *line = logged();
    assert_non_null(strstr(line, "issue: slow down (ordering) [ca.rate, rate, field names, "
                                 "remote HTTP 429, test_log.c:"));
}

static void levels_are_per_room_and_shared(void **state)
{
    int fd = -1;
    enum log_level level;
    (void)state;
    assert_int_equal(log_table_create(&fd, NULL), RC_OK);
    assert_true(log_table_map(fd));
    log_set_level(LOG_WARN);
    assert_false(log_set_room("kitchen", LOG_DEBUG));
    /* another process changes it */
    pid_t child = fork();
    if (child == 0)
        _exit(log_table_map(fd) && log_set_room("net", LOG_DEBUG) ? 0 : 1);
    int st = 1;
    assert_int_equal(waitpid(child, &st, 0), child);
    assert_int_equal(st, 0);
    for (size_t i = 0; i < log_room_count(); i++) {
        const char *room = log_room_at(i, &level);
        assert_int_equal(level, strcmp(room, "net") == 0 ? LOG_DEBUG : LOG_WARN);
    }
    assert_null(log_room_at(log_room_count(), &level));
    log_set_level(LOG_INFO);
    close(fd);
}

static void a_line_tells_its_priority(void **state)
{
    (void)state;
    static const int want[] = {3, 4, 6, 7};
    for (int json = 0; json < 2; json++) {
        log_init("front", pipe_fd[1], LOG_DEBUG, json);
        for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            log_line((enum log_level)level, "api", "error warn info debug");
            const char *line = logged();
            assert_int_equal(log_priority_of(line, strlen(line)), want[level]);
        }
    }
    static const char *const others[] = {"",
                                         "\n",
                                         " ",
                                         "{",
                                         "{,",
                                         "{}",
                                         "free(): invalid pointer\n",
                                         "{\"at\":\"x\",\"level\":\"inf",
                                         "a inf",
                                         "a information"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(log_priority_of(others[i], strlen(others[i])), 4);
}

static void only_the_journals_own_stream_is_one(void **state)
{
    (void)state;
    struct stat st;
    char named[64];
    assert_int_equal(fstat(pipe_fd[1], &st), 0);
    unsetenv("JOURNAL_STREAM");
    assert_false(log_is_journal(pipe_fd[1]));
    snprintf(named, sizeof named, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", named, 1);
    assert_false(log_is_journal(pipe_fd[1])); /* redirected elsewhere */
    snprintf(named, sizeof named, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", named, 1);
    assert_true(log_is_journal(pipe_fd[1]));
    assert_false(log_is_journal(-1));
    log_init("front", pipe_fd[1], LOG_INFO, false);
    log_line(LOG_ERROR, "api", "x");
    assert_int_equal(strncmp(logged(), "<3>2", 4), 0);
    unsetenv("JOURNAL_STREAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_stays_a_line),
        cmocka_unit_test(levels_decide),
        cmocka_unit_test(json_lines_are_escaped),
        cmocka_unit_test(an_overlong_line_is_cut_and_ended),
        cmocka_unit_test(an_error_value_is_told_whole),
        cmocka_unit_test(a_line_tells_its_priority),
        cmocka_unit_test(only_the_journals_own_stream_is_one),
        /* last: from here on the table is shared */
        cmocka_unit_test(levels_are_per_room_and_shared),
    };
    return cmocka_run_group_tests_name("base.log", tests, open_pipe, NULL);
}
