/* Child processes: output cut, whole group killed, nothing expanded; splitting command lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/os/proc.h"

static struct proc_result run(const char *script, int64_t timeout, struct buf *out)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct proc_result r = {0};
    struct err err = {0};
    if (proc_run(argv, NULL, timeout, NULL, out, &r, &err) != RC_OK)
        fail_msg("%s", err.en);
    return r;
}

static void status_and_output_come_back(void **state)
{
    (void)state;
    AUTO(buf) struct buf out = BUF(4096);
    struct proc_result r = run("echo out; echo err >&2; exit 7", 10 * USEC_PER_SEC, &out);
    assert_int_equal(r.status, 7);
    assert_false(r.timed_out || r.cancelled);
    assert_string_equal(buf_cstr(&out), "out\nerr\n");
    r = run("kill -9 $$", 10 * USEC_PER_SEC, NULL);
    assert_int_equal(r.status, 128 + SIGKILL);
}

static void the_environment_is_minimal_and_stdin_empty(void **state)
{
    (void)state;
    AUTO(buf) struct buf out = BUF(4096);
    (void)setenv("SECRET_OF_THE_PARENT", "hunter2", 1);
    const char *const argv[] = {"env", NULL};
    struct proc_result r;
    assert_int_equal(proc_run(argv, NULL, 10 * USEC_PER_SEC, NULL, &out, &r, NULL), RC_OK);
    assert_null(strstr(buf_cstr(&out), "hunter2"));
    assert_non_null(strstr(buf_cstr(&out), "LC_ALL=C"));
    buf_clear(&out);
    const char *const own[] = {"ONLY=this", NULL};
    const char *const argv2[] = {"/usr/bin/env", NULL};
    assert_int_equal(proc_run(argv2, own, 10 * USEC_PER_SEC, NULL, &out, &r, NULL), RC_OK);
    assert_string_equal(buf_cstr(&out), "ONLY=this\n");
    buf_clear(&out);
    r = run("wc -c", 10 * USEC_PER_SEC, &out);
    assert_non_null(strchr(buf_cstr(&out), '0'));
}

static void long_output_is_cut_and_the_child_not_blocked(void **state)
{
    (void)state;
    AUTO(buf) struct buf out = BUF(1000);
    struct proc_result r =
        run("head -c 1000000 /dev/zero | tr '\\0' x; exit 3", 20 * USEC_PER_SEC, &out);
    assert_int_equal(r.status, 3);
    assert_int_equal(out.len, 1000);
    assert_int_equal(buf_ok(&out, NULL), RC_OK);
}

/* Gone, or a zombie that whoever inherited it has not collected yet. */
static bool is_dead(int pid)
{
    for (int i = 0; i < 200; i++) {
        char path[64], line[256] = "";
        (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        if (!f)
            return true;
        char *got = fgets(line, sizeof line, f);
        (void)fclose(f);
        const char *end = got ? strrchr(line, ')') : NULL;
        if (end && end[2] == 'Z')
            return true;
        (void)usleep(10000);
    }
    return false;
}

static void a_timeout_kills_the_whole_group(void **state)
{
    (void)state;
    AUTO(buf) struct buf out = BUF(4096);
    int64_t start = clock_mono(clock_real());
    struct proc_result r =
        run("sleep 300 & echo $!; trap '' TERM; sleep 300", 300 * USEC_PER_MSEC, &out);
    int64_t took = clock_mono(clock_real()) - start;
    assert_true(r.timed_out);
    assert_int_equal(r.status, 128 + SIGKILL);
    assert_true(took >= 300 * USEC_PER_MSEC && took < 5 * USEC_PER_SEC);
    int grandchild = (int)strtol(buf_cstr(&out), NULL, 10);
    assert_true(grandchild > 1);
    assert_true(is_dead(grandchild));
}

static void a_child_that_closes_its_output_is_still_timed(void **state)
{
    (void)state;
    struct proc_result r = run("exec >&- 2>&-; sleep 300", 300 * USEC_PER_MSEC, NULL);
    assert_true(r.timed_out);
    assert_int_equal(r.status, 128 + SIGKILL);
}

static void a_cancelled_run_ends_at_once(void **state)
{
    (void)state;
    atomic_bool cancel = true;
    const char *const argv[] = {"sleep", "300", NULL};
    struct proc_result r;
    assert_int_equal(proc_run(argv, NULL, 300 * USEC_PER_SEC, &cancel, NULL, &r, NULL), RC_OK);
    assert_true(r.cancelled);
    assert_false(r.timed_out);
    assert_int_equal(r.status, 128 + SIGKILL);
}

static void what_cannot_start_is_an_error(void **state)
{
    (void)state;
    const char *const argv[] = {"/no/such/program", NULL};
    struct proc_result r;
    struct err err = {0};
    assert_int_equal(proc_run(argv, NULL, USEC_PER_SEC, NULL, NULL, &r, &err), RC_NOT_FOUND);
    assert_non_null(strstr(err.en, "/no/such/program"));
    const char *const dir_argv[] = {"/tmp", NULL};
    assert_int_equal(proc_run(dir_argv, NULL, USEC_PER_SEC, NULL, NULL, &r, &err), RC_DENIED);
}

static void splits(const char *command, size_t n, const char *const *want)
{
    AUTO(arena) struct arena *a = arena_create(0);
    const char *const *argv = NULL;
    struct err err = {0};
    if (proc_split(a, command, &argv, &err) != RC_OK)
        fail_msg("%s: %s", command, err.en);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(argv[i], want[i]);
    assert_null(argv[n]);
}

#define SPLITS(command, ...)                                                                       \
    splits(command, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                        \
           (const char *const[]){__VA_ARGS__})

static void command_lines_are_split_without_expansion(void **state)
{
    (void)state;
    SPLITS("nginx -t", "nginx", "-t");
    SPLITS("  a\t b \n", "a", "b");
    SPLITS("a 'b c' \"d e\"", "a", "b c", "d e");
    SPLITS("a'b'\"c\"\\ d", "abc d");
    SPLITS("a '' \"\"", "a", "", "");
    SPLITS("a \"q\\\"x\\\\\" 'n\\o'", "a", "q\"x\\", "n\\o");
    SPLITS("echo $HOME `id` $(id) *.c ~ ; rm -rf / | x > y", "echo", "$HOME", "`id`", "$(id)",
           "*.c", "~", ";", "rm", "-rf", "/", "|", "x", ">", "y");
    SPLITS("a\\", "a\\");
}

static void broken_command_lines_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "  ", "a 'b", "a \"b", "a \"b\\\"", "'"};
    AUTO(arena) struct arena *a = arena_create(0);
    const char *const *argv = NULL;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (proc_split(a, bad[i], &argv, NULL) != RC_INPUT)
            fail_msg("accepted: %s", bad[i]);
    assert_null(argv);
    char many[300] = "";
    for (int i = 0; i < 65; i++)
        memcpy(many + 2 * i, "x ", 3);
    assert_int_equal(proc_split(a, many, &argv, NULL), RC_INPUT);
    many[128] = '\0';
    assert_int_equal(proc_split(a, many, &argv, NULL), RC_OK);
    assert_non_null(argv[63]);
    assert_null(argv[64]);
}

static void splitting_survives_each_failing_allocation(void **state)
{
    (void)state;
    bool passed = false;
    for (long n = 1; n < 50 && !passed; n++) {
        AUTO(arena) struct arena *a = arena_create(0);
        const char *const *argv = NULL;
        mem_fail_after(n, false);
        enum rc rc = proc_split(a, "nginx -t '-c x'", &argv, NULL);
        mem_fail_after(0, false);
        passed = rc == RC_OK;
        if (!passed)
            assert_int_equal(rc, RC_NOMEM);
    }
    assert_true(passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_and_output_come_back),
        cmocka_unit_test(the_environment_is_minimal_and_stdin_empty),
        cmocka_unit_test(long_output_is_cut_and_the_child_not_blocked),
        cmocka_unit_test(a_timeout_kills_the_whole_group),
        cmocka_unit_test(a_child_that_closes_its_output_is_still_timed),
        cmocka_unit_test(a_cancelled_run_ends_at_once),
        cmocka_unit_test(what_cannot_start_is_an_error),
        cmocka_unit_test(command_lines_are_split_without_expansion),
        cmocka_unit_test(broken_command_lines_are_refused),
        cmocka_unit_test(splitting_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests_name("base.proc", tests, NULL, NULL);
}
