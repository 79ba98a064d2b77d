/* The words before TLS, as servers say them and as they should not. */
#include "net/starttls.h"
#include "unit/net/net_rig.h"

struct line {
    const char *expect; /* what the client says; NULL = the server speaks first */
    const char *say;
};

struct play {
    const struct line *lines;
    size_t n;
    bool flood; /* then sends for ever */
    int pause;  /* msec between bytes */
};

static void act(int fd, void *ctx)
{
    const struct play *p = ctx;
    char buf[1024];
    for (size_t i = 0; i < p->n; i++) {
        if (p->lines[i].expect && !peer_wait(fd, p->lines[i].expect, buf, sizeof buf))
            return;
        for (const char *c = p->lines[i].say; p->pause && *c; c++) {
            (void)!send(fd, c, 1, MSG_NOSIGNAL);
            (void)poll(NULL, 0, p->pause);
        }
        if (!p->pause)
            peer_say(fd, p->lines[i].say);
    }
    while (p->flood && send(fd, "250-more\r\n", 10, MSG_NOSIGNAL) > 0)
        ;
    peer_hold(fd);
}

static struct err last;

static enum rc run(enum starttls how, struct play *play, int msec)
{
    struct peer p;
    peer_start(&p, "127.0.0.1", act, play);
    int fd = rig_connect(p.port);
    last = (struct err){0};
    enum rc rc = starttls_begin(how, fd, rig_in(msec), "mx.example", &last);
    (void)close(fd);
    peer_stop(&p);
    if (rc != RC_OK)
        assert_true(strstr(last.en, "mx.example") && strstr(last.ja, "mx.example"));
    return rc;
}

static enum rc say(enum starttls how, const struct line *lines, size_t n)
{
    struct play p = {.lines = lines, .n = n};
    return run(how, &p, 3000);
}
#define SAY(how, ...)                                                                              \
    say((how), (const struct line[]){__VA_ARGS__},                                                 \
        sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))

static void names_go_both_ways(void **state)
{
    UNUSED(state);
    static const char *const names[] = {"none", "smtp", "imap", "pop3"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        enum starttls s;
        assert_true(starttls_from_name(names[i], &s));
        assert_string_equal(starttls_name(s), names[i]);
    }
    enum starttls s;
    assert_false(starttls_from_name("ldap", &s));
    assert_string_equal(starttls_name((enum starttls)99), "none");
}

static void good_servers_are_followed(void **state)
{
    UNUSED(state);
    assert_int_equal(
        SAY(STARTTLS_SMTP, {NULL, "220-mx.example\r\n220 ESMTP\r\n"},
            {"EHLO inro.invalid\r\n", "250-mx\r\n250-SIZE 1\r\n250-STARTTLS\r\n250 X\r\n"},
            {"STARTTLS\r\n", "220 go\r\n"}),
        RC_OK);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "220 x\n"}, {"EHLO", "250-mx\n250 starttls\n"},
                         {"STARTTLS\r\n", "220\r\n"}),
                     RC_OK);
    assert_int_equal(SAY(STARTTLS_IMAP, {NULL, "* OK ready\r\n"},
                         {"a1 STARTTLS\r\n", "* CAPABILITY x\r\na1 OK begin\r\n"}),
                     RC_OK);
    assert_int_equal(SAY(STARTTLS_POP3, {NULL, "+OK ready\r\n"}, {"STLS\r\n", "+OK begin\r\n"}),
                     RC_OK);
    struct play silent = {.n = 0};
    assert_int_equal(run(STARTTLS_NONE, &silent, 100), RC_OK);
}

/* Case 33: RFC 3207 6, text after the go-ahead. */
static void injected_text_is_found(void **state)
{
    UNUSED(state);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "220 x\r\n"}, {"EHLO", "250-mx\r\n250 STARTTLS\r\n"},
                         {"STARTTLS\r\n", "220 go\r\n250 injected\r\n"}),
                     RC_REMOTE);
    assert_string_equal(last.id, "net.starttls");
    assert_non_null(strstr(last.en, "injected"));
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "220 x\r\n"}, {"EHLO", "250-mx\r\n250 STARTTLS\r\n"},
                         {"STARTTLS\r\n", "220 go\r\n2"}),
                     RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_IMAP, {NULL, "* OK ready\r\n"},
                         {"a1 STARTTLS\r\n", "a1 OK begin\r\n* injected\r\n"}),
                     RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_POP3, {NULL, "+OK\r\n"}, {"STLS\r\n", "+OK go\r\n+OK more\r\n"}),
                     RC_REMOTE);
}

static void refusals_and_other_protocols_are_named(void **state)
{
    UNUSED(state);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "220 x\r\n"}, {"EHLO", "250-mx\r\n250 SIZE 1\r\n"}),
                     RC_REMOTE);
    assert_non_null(strstr(last.en, "no STARTTLS"));
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "220 x\r\n"}, {"EHLO", "250 XSTARTTLS\r\n"}),
                     RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "554 go away\r\n"}), RC_REMOTE);
    assert_string_equal(last.remote, "554 go away");
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "220 x\r\n"}, {"EHLO", "250-mx\r\n250 STARTTLS\r\n"},
                         {"STARTTLS\r\n", "454 TLS not available\r\n"}),
                     RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "SSH-2.0-OpenSSH_9.2\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "HTTP/1.1 400 Bad Request\r\n\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "2200 x\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_IMAP, {NULL, "* BYE\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_IMAP, {NULL, "* OK\r\n"}, {"a1", "a1 NO\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_POP3, {NULL, "-ERR\r\n"}), RC_REMOTE);
    assert_int_equal(SAY(STARTTLS_POP3, {NULL, "+OK\r\n"}, {"STLS", "-ERR\r\n"}), RC_REMOTE);
    /* control characters of a stranger do not reach a log line */
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, "554 \x1b[31mred\x07\r\n"}), RC_REMOTE);
    assert_null(strpbrk(last.en, "\x1b\x07"));
    assert_null(strpbrk(last.remote, "\x1b\x07"));
}

static void endless_and_enormous_answers_end(void **state)
{
    UNUSED(state);
    static const struct line greet[] = {{NULL, "220 x\r\n"}, {"EHLO", "250-mx\r\n"}};
    struct play flood = {.lines = greet, .n = 2, .flood = true};
    int64_t t0 = clock_mono(clock_real());
    assert_int_equal(run(STARTTLS_SMTP, &flood, 5000), RC_REMOTE);
    assert_true(clock_mono(clock_real()) - t0 < 2 * USEC_PER_SEC);
    static char line[40000];
    memset(line, 'x', sizeof line - 1);
    memcpy(line, "220 ", 4);
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, line}), RC_REMOTE);
    line[3000] = '\0'; /* longer than a line is kept, still a line */
    AUTO(buf) struct buf b = BUF(8192);
    buf_adds(&b, line);
    buf_adds(&b, "\r\n");
    assert_int_equal(SAY(STARTTLS_SMTP, {NULL, buf_cstr(&b)}, {"EHLO", "250 STARTTLS\r\n"},
                         {"STARTTLS\r\n", "220 go\r\n"}),
                     RC_OK);
}

static void one_deadline_covers_the_whole_talk(void **state)
{
    UNUSED(state);
    static const struct line slow[] = {{NULL, "220 x\r\n"},
                                       {"EHLO", "250 STARTTLS\r\n"},
                                       {"STARTTLS", "220 go and on and on and on\r\n"}};
    struct play plays[] = {{.n = 0}, {.lines = slow, .n = 1}, {.lines = slow, .n = 3, .pause = 40}};
    for (size_t i = 0; i < COUNT_OF(plays); i++) {
        int64_t t0 = clock_mono(clock_real());
        assert_int_equal(run(STARTTLS_SMTP, &plays[i], 300), RC_TIMEOUT);
        assert_string_equal(last.id, "net.starttls.timeout");
        int64_t took = (clock_mono(clock_real()) - t0) / USEC_PER_MSEC;
        assert_true(took >= 200 && took < 3000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(good_servers_are_followed),
        cmocka_unit_test(injected_text_is_found),
        cmocka_unit_test(refusals_and_other_protocols_are_named),
        cmocka_unit_test(endless_and_enormous_answers_end),
        cmocka_unit_test(one_deadline_covers_the_whole_talk),
    };
    return cmocka_run_group_tests_name("net.starttls", tests, rig_setup, rig_teardown);
}
