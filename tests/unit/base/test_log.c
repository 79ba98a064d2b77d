/* Log lines: one line whatever the text, levels, JSON form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_stays_a_line),
        cmocka_unit_test(levels_decide),
        cmocka_unit_test(json_lines_are_escaped),
        cmocka_unit_test(an_overlong_line_is_cut_and_ended),
        cmocka_unit_test(an_error_value_is_told_whole),
        /* last: from here on the table is shared */
        cmocka_unit_test(levels_are_per_room_and_shared),
    };
    return cmocka_run_group_tests_name("base.log", tests, open_pipe, NULL);
}
