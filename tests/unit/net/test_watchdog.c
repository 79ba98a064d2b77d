/* Sockets are shut when their time is over or their owner is asked to stop, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/watchdog.h"

static int64_t in(int64_t msec)
{
    return clock_mono(clock_real()) + msec * USEC_PER_MSEC;
}

/* Milliseconds until the socket reads as ended, at most `most`. */
static int64_t ends(int fd, int most)
{
    int64_t from = clock_mono(clock_real());
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    if (poll(&p, 1, most) == 1)
        assert_int_equal(read(fd, &c, 1), 0);
    return (clock_mono(clock_real()) - from) / USEC_PER_MSEC;
}

static void the_late_are_shut(void **state)
{
    (void)state;
    int a[2], b[2];
    struct watchdog *wa = NULL, *wb = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    assert_int_equal(watchdog_add(a[0], in(300), NULL, &wa, NULL), RC_OK);
    assert_int_equal(watchdog_add(b[0], in(60000), NULL, &wb, NULL), RC_OK);
    int64_t took = ends(a[0], 5000);
    assert_true(took >= 250 && took < 3000);
    assert_true(ends(b[0], 300) >= 300); /* the other one is still open */
    watchdog_until(wb, in(0));
    assert_true(ends(b[0], 5000) < 3000);
    watchdog_remove(wa);
    watchdog_remove(wb);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void who_is_asked_to_stop_is_shut(void **state)
{
    (void)state;
    int a[2];
    atomic_bool cancel = false;
    struct watchdog *w = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(watchdog_add(a[0], in(60000), &cancel, &w, NULL), RC_OK);
    assert_true(ends(a[0], 300) >= 300);
    atomic_store(&cancel, true);
    assert_true(ends(a[0], 5000) < 3000);
    watchdog_remove(w);
    close(a[0]);
    close(a[1]);
}

static void a_removed_one_is_left_alone(void **state)
{
    (void)state;
    int a[2];
    struct watchdog *w[3] = {NULL};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(watchdog_add(a[0], in(400), NULL, &w[i], NULL), RC_OK);
    watchdog_remove(w[1]);
    watchdog_remove(w[0]);
    watchdog_remove(w[2]);
    watchdog_remove(NULL);
    assert_true(ends(a[0], 800) >= 800);
    assert_int_equal(write(a[0], "x", 1), 1);
    close(a[0]);
    close(a[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_late_are_shut),
        cmocka_unit_test(who_is_asked_to_stop_is_shut),
        cmocka_unit_test(a_removed_one_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
