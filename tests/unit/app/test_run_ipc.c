/* Commands by way of the runner: how they end, what they say, and that none outlives its asker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/run_ipc.h"
#include "base/clock.h"
#include "base/os/file.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        struct err err_ = {0};                                                                     \
        struct err *err = &err_;                                                                   \
        if ((expr) != RC_OK)                                                                       \
            fail_msg("%s: %s", #expr, err_.en);                                                    \
    } while (0)
#define LONG (60 * USEC_PER_SEC)

static struct runner client = RUNNER_NONE;
static char dir[64], pid_file[96];
static pthread_t server;

/* The runner's loop, one command at a time; dies with the command when told to. */
static void *serve(void *arg)
{
    int fd = *(int *)arg;
    for (;;) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
        struct ipc_frame f;
        if (ipc_recv(fd, 0, &b, &f, NULL) != RC_OK)
            break;
        struct str word;
        if (ipc_get(f.payload, 1, 0, &word) && str_eqs(word, "die"))
            close(f.fd);
        else
            runner_answer(&f, f.fd);
    }
    close(fd);
    return NULL;
}

static int start(void **state)
{
    static int fd;
    int pair[2];
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/inro-run-XXXXXX");
    if (!mkdtemp(dir) || ipc_pair(pair, NULL) != RC_OK)
        return 1;
    snprintf(pid_file, sizeof pid_file, "%s/pid", dir);
    fd = pair[1];
    runner_replace(&client, pair[0]);
    return pthread_create(&server, NULL, serve, &fd);
}

static int end(void **state)
{
    (void)state;
    runner_replace(&client, -1);
    pthread_join(server, NULL);
    (void)unlink(pid_file);
    return rmdir(dir);
}

static void the_end_and_the_words(void **state)
{
    AUTO(buf) struct buf out = BUF(1000);
    struct proc_result r = {0};
    (void)state;
    const char *const argv[] = {"sh", "-c", "echo \"$1|$2\"; echo $PATH >&2; exit 7", "x", "a b",
                                "",   NULL};
    OK(runner_do(&client, argv, LONG, NULL, &out, &r, err));
    assert_int_equal(r.status, 7);
    assert_false(r.timed_out || r.cancelled);
    assert_true(strncmp(buf_cstr(&out), "a b|\n/usr/local/sbin:", 21) == 0);
    const char *const much[] = {"head", "-c", "5000000", "/dev/zero", NULL};
    buf_clear(&out);
    OK(runner_do(&client, much, LONG, NULL, &out, &r, err));
    assert_int_equal(r.status, 0);
    assert_int_equal(out.len, 1000);
    const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL};
    OK(runner_do(&client, killed, LONG, NULL, &out, &r, err));
    assert_int_equal(r.status, 128 + 9);
}

static void what_cannot_start_says_why(void **state)
{
    AUTO(buf) struct buf out = BUF(1000);
    struct proc_result r = {0};
    struct err e = {0};
    (void)state;
    const char *const argv[] = {"/nonexistent/program", NULL};
    assert_int_equal(runner_do(&client, argv, LONG, NULL, &out, &r, &e), RC_NOT_FOUND);
    assert_non_null(strstr(e.en, "/nonexistent/program"));
    const char *const none[] = {NULL};
    assert_int_equal(runner_do(&client, none, LONG, NULL, &out, &r, &e), RC_INPUT);
    const char *many[80] = {"echo"};
    for (int i = 1; i < 79; i++)
        many[i] = "x";
    assert_int_equal(runner_do(&client, many, LONG, NULL, &out, &r, &e), RC_INPUT);
    OK(runner_do(&client, (const char *const[]){"true", NULL}, LONG, NULL, &out, &r, err));
}

static const char *const sleeper[] = {"sh", "-c",     "echo $$ >\"$1\"; exec sleep 300",
                                      "x",  pid_file, NULL};

static pid_t started(void)
{
    for (int i = 0; i < 600; i++) {
        AUTO(buf) struct buf text = BUF(64);
        if (file_read(pid_file, &text, NULL) == RC_OK && text.len > 1)
            return (pid_t)strtol(buf_cstr(&text), NULL, 10);
        usleep(50000);
    }
    fail_msg("the command did not start");
    return 0;
}

static void ended(pid_t pid)
{
    for (int i = 0; i < 600 && kill(pid, 0) == 0; i++)
        usleep(50000);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    (void)unlink(pid_file);
}

static void the_deadline_ends_it(void **state)
{
    AUTO(buf) struct buf out = BUF(1000);
    struct proc_result r = {0};
    (void)state;
    OK(runner_do(&client, sleeper, USEC_PER_SEC, NULL, &out, &r, err));
    assert_true(r.timed_out);
    ended(started());
}

static atomic_bool cancel;

static void *cancel_soon(void *arg)
{
    (void)arg;
    (void)started();
    atomic_store(&cancel, true);
    return NULL;
}

static void on_request_it_is_over_when_the_call_returns(void **state)
{
    AUTO(buf) struct buf out = BUF(1000);
    struct proc_result r = {0};
    pthread_t t;
    (void)state;
    assert_int_equal(pthread_create(&t, NULL, cancel_soon, NULL), 0);
    OK(runner_do(&client, sleeper, LONG, &cancel, &out, &r, err));
    assert_true(r.cancelled);
    pid_t pid = started();
    assert_int_equal(kill(pid, 0), -1); /* reaped, not only told */
    pthread_join(t, NULL);
    ended(pid);
}

/* A worker that was killed: nobody is there to hear of the end. */
static void nothing_runs_for_an_asker_that_is_gone(void **state)
{
    AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
    int pair[2];
    (void)state;
    for (size_t i = 0; sleeper[i]; i++)
        ipc_put(&b, 1, str_from(sleeper[i]));
    ipc_put_i64(&b, 2, LONG);
    ipc_put_i64(&b, 3, 100);
    OK(ipc_pair(pair, err));
    OK(ipc_send(client.fd, ipc_soon(), IPC_RUN, 0, buf_str(&b), pair[1], err));
    close(pair[1]);
    pid_t pid = started();
    assert_int_equal(kill(pid, 0), 0);
    close(pair[0]);
    ended(pid);
}

static void a_runner_that_died_is_told_apart(void **state)
{
    AUTO(buf) struct buf out = BUF(1000);
    struct proc_result r = {0};
    struct runner none = RUNNER_NONE;
    (void)state;
    const char *const die[] = {"die", NULL};
    assert_int_equal(runner_do(&client, die, LONG, NULL, &out, &r, NULL), RC_BUSY);
    assert_int_equal(runner_do(&none, die, LONG, NULL, &out, &r, NULL), RC_BUSY);
}

/* Frames nobody of ours sends are answered with an error, and run nothing. */
static void malformed_requests_run_nothing(void **state)
{
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME), in = BUF(IPC_MAX_FRAME);
        struct ipc_frame f;
        int pair[2];
        if (turn > 0)
            ipc_put(&b, 1, turn == 1 ? (struct str){"to\0uch", 6} : STR("touch"));
        ipc_put(&b, 1, str_from(pid_file));
        if (turn != 2)
            ipc_put_i64(&b, 2, LONG);
        ipc_put_i64(&b, 3, turn == 3 ? -1 : 100);
        if (turn == 0)
            b.len = 0;
        OK(ipc_pair(pair, err));
        OK(ipc_send(client.fd, ipc_soon(), IPC_RUN, 0, buf_str(&b), pair[1], err));
        close(pair[1]);
        OK(ipc_recv(pair[0], clock_mono(clock_real()) + LONG, &in, &f, err));
        assert_int_equal(f.kind, IPC_ERROR);
        close(pair[0]);
        assert_int_not_equal(access(pid_file, F_OK), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_and_the_words),
        cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test(the_deadline_ends_it),
        cmocka_unit_test(on_request_it_is_over_when_the_call_returns),
        cmocka_unit_test(nothing_runs_for_an_asker_that_is_gone),
        cmocka_unit_test(a_runner_that_died_is_told_apart),
        cmocka_unit_test(malformed_requests_run_nothing),
    };
    return cmocka_run_group_tests(tests, start, end);
}
