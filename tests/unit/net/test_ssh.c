/* SSH without a server: quoting by a real shell, and peers that are no SSH servers. The dialogue
 * with a real sshd is the target contract tests'. */
#include "net/ssh.h"

#include <fcntl.h>

#include "unit/net/net_rig.h"

static void words_arrive_in_a_shell_as_they_were(void **state)
{
    UNUSED(state);
    static const char *const words[] = {"plain", "",     "a b",   "it's",    "''",   "'\\''",
                                        "$HOME", "`id`", "$(id)", "a;b|c&d", "a\nb", "*",
                                        "~",     "\\",   "\"",    "!x",      "-n",   "日本",
                                        "a\tb",  "#c",   "{a,b}", "x=y",     ">f",   "'"};
    AUTO(buf) struct buf line = BUF(4096);
    AUTO(buf) struct buf want = BUF(4096);
    AUTO(buf) struct buf out = BUF(4096);
    buf_adds(&line, "printf '%s\\001'");
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        buf_addc(&line, ' ');
        ssh_quote(&line, words[i]);
        buf_adds(&want, words[i]);
        buf_addc(&want, '\001');
    }
    const char *const argv[] = {"/bin/sh", "-c", buf_cstr(&line), NULL};
    struct proc_result r;
    assert_int_equal(proc_run(argv, NULL, 5 * USEC_PER_SEC, NULL, &out, &r, NULL), RC_OK);
    assert_int_equal(r.status, 0);
    assert_string_equal(buf_cstr(&out), buf_cstr(&want));
}

/* Open descriptors of this process. */
static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

struct play {
    const char *say;
    bool flood, leave;
};

static void act(int fd, void *ctx)
{
    const struct play *p = ctx;
    if (p->say)
        peer_say(fd, p->say);
    while (p->flood && send(fd, p->say, strlen(p->say), MSG_NOSIGNAL) > 0)
        ;
    if (!p->leave)
        peer_hold(fd);
}

static void peers_that_are_no_ssh_servers_end_in_time(void **state)
{
    UNUSED(state);
    struct play plays[] = {{NULL, false, false},
                           {NULL, false, true},
                           {"HTTP/1.1 400 Bad Request\r\n\r\n", false, true},
                           {"SSH-2.0-x\r\n", false, true},
                           {"SSH-2.0-x\r\n", false, false},
                           {"SSH-1.5-old\r\n", false, false},
                           {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", true, false},
                           {"line of a banner\r\n", true, false},
                           {"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", false, false}};
    for (size_t i = 0; i < COUNT_OF(plays); i++) {
        struct peer p;
        struct ssh *s = NULL;
        char fingerprint[80] = "";
        struct err err = {0};
        int before = open_fds();
        peer_start(&p, "127.0.0.1", act, &plays[i]);
        struct ssh_options o = {.policy = &rig_policy,
                                .host = "localhost",
                                .port = p.port,
                                .user = "root",
                                .password = STR("hunter2"),
                                .host_key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                .deadline = rig_in(700)};
        int64_t t0 = clock_mono(clock_real());
        enum rc rc = ssh_open(&o, &s, &err);
        int64_t took = (clock_mono(clock_real()) - t0) / USEC_PER_MSEC;
        if (rc != RC_NET && rc != RC_TIMEOUT)
            fail_msg("play %zu: %s: %s", i, rc_name(rc), err.en);
        assert_null(s);
        assert_null(strstr(err.en, "hunter2"));
        if (took > 2500)
            fail_msg("play %zu took %lld ms", i, (long long)took);
        o.deadline = rig_in(-5);
        assert_int_equal(ssh_fingerprint(&o, fingerprint, &err), RC_TIMEOUT);
        assert_string_equal(fingerprint, "");
        peer_stop(&p);
        assert_int_equal(open_fds(), before); /* a failed session leaves no descriptor behind */
    }
}

static void where_no_connection_may_go_none_goes(void **state)
{
    UNUSED(state);
    static const struct egress_policy standard = {0};
    struct peer p;
    struct play play = {"SSH-2.0-x\r\n", false, true};
    struct ssh *s = NULL;
    peer_start(&p, "127.0.0.1", act, &play);
    struct ssh_options o = {.policy = &standard,
                            .host = "localhost",
                            .port = p.port,
                            .user = "root",
                            .deadline = rig_in(1000)};
    EXPECT(ssh_open(&o, &s, &err), RC_DENIED, "net.egress.denied");
    static const char *const bad[] = {"", "-oProxyCommand=id", "a b", "host;id", "$(id)"};
    o.policy = &rig_policy;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        o.host = bad[i];
        EXPECT(ssh_open(&o, &s, &err), RC_INPUT, "net.egress.host");
    }
    assert_null(s);
    assert_int_equal(atomic_load(&p.accepted), 0);
    peer_stop(&p);
    ssh_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_arrive_in_a_shell_as_they_were),
        cmocka_unit_test(peers_that_are_no_ssh_servers_end_in_time),
        cmocka_unit_test(where_no_connection_may_go_none_goes),
    };
    return cmocka_run_group_tests_name("net.ssh", tests, rig_setup, rig_teardown);
}
