/* What the service manager is told, and that its absence or a wrong address does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os/notify.h"

/* A socket at this address; '@' for an abstract one. */
static int manager(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    memcpy(at.sun_path, path, n);
    if (path[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    return fd;
}

static void the_manager_gets_the_state(void **state)
{
    char paths[2][100], got[128];
    (void)state;
    snprintf(paths[0], sizeof paths[0], "/tmp/inro-notify-%d", (int)getpid());
    snprintf(paths[1], sizeof paths[1], "@inro-notify-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        int fd = manager(paths[i]);
        setenv("NOTIFY_SOCKET", paths[i], 1);
        assert_true(notify_manager("READY=1\nSTATUS=here"));
        ssize_t n = recv(fd, got, sizeof got - 1, 0);
        assert_int_equal(n, strlen("READY=1\nSTATUS=here"));
        assert_memory_equal(got, "READY=1\nSTATUS=here", (size_t)n);
        close(fd);
        if (i == 0)
            assert_int_equal(unlink(paths[i]), 0);
    }
}

static void nobody_there_is_no_harm(void **state)
{
    char longest[300];
    (void)state;
    memset(longest, 'a', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    const char *const wrong[] = {"", "/", "@", "relative", "/nonexistent/socket", longest};
    unsetenv("NOTIFY_SOCKET");
    assert_false(notify_manager("READY=1"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        assert_false(notify_manager("READY=1"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_manager_gets_the_state),
                                       cmocka_unit_test(nobody_there_is_no_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
