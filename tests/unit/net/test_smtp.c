/* Mail against servers that keep the rules and servers that do not; secrets never go in clear. */
#include "net/smtp.h"
#include "unit/net/net_rig.h"

struct play {
    SSL_CTX *tls;
    bool implicit, no_starttls, starttls_fails, leave_after_greeting, silent, endless;
    const char *auth, *mail, *rcpt, *data; /* replies; NULL = success */
    char log[32768];                       /* all the client said; TLS part after "<TLS>" */
};

struct conn {
    int fd;
    SSL *ssl;
    struct play *p;
};

static void reply(struct conn *c, const char *text)
{
    if (c->ssl)
        (void)SSL_write(c->ssl, text, (int)strlen(text));
    else
        peer_say(c->fd, text);
}

static bool line(struct conn *c, char *buf, size_t size)
{
    size_t n = 0;
    while (n + 1 < size) {
        int got = c->ssl ? SSL_read(c->ssl, buf + n, 1) : (int)recv(c->fd, buf + n, 1, 0);
        if (got <= 0)
            return false;
        if (buf[n++] == '\n')
            break;
    }
    buf[n] = '\0';
    size_t len = strlen(c->p->log);
    (void)snprintf(c->p->log + len, sizeof c->p->log - len, "%s", buf);
    return true;
}

static bool upgrade(struct conn *c)
{
    c->ssl = SSL_new(c->p->tls);
    SSL_set_fd(c->ssl, c->fd);
    size_t len = strlen(c->p->log);
    (void)snprintf(c->p->log + len, sizeof c->p->log - len, "<TLS>");
    return SSL_accept(c->ssl) == 1;
}

static void on_data(struct conn *c)
{
    char buf[2048];
    reply(c, "354 go\r\n");
    while (line(c, buf, sizeof buf) && strcmp(buf, ".\r\n") != 0)
        ;
    reply(c, c->p->data ? c->p->data : "250 2.0.0 queued as ABC123\r\n");
}

static bool command(struct conn *c, const char *buf)
{
    const struct play *p = c->p;
    if (strncmp(buf, "EHLO", 4) == 0)
        reply(c, c->ssl || p->no_starttls ? "250-mx\r\n250 AUTH PLAIN LOGIN\r\n"
                                          : "250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n");
    else if (strncmp(buf, "STARTTLS", 8) == 0) {
        reply(c, p->starttls_fails ? "454 no\r\n" : "220 go\r\n");
        return p->starttls_fails || upgrade(c);
    } else if (strncmp(buf, "AUTH", 4) == 0) {
        char credentials[512];
        reply(c, "334 \r\n");
        (void)line(c, credentials, sizeof credentials);
        reply(c, p->auth ? p->auth : "235 in\r\n");
    } else if (strncmp(buf, "MAIL", 4) == 0)
        reply(c, p->mail ? p->mail : "250 ok\r\n");
    else if (strncmp(buf, "RCPT", 4) == 0)
        reply(c, p->rcpt ? p->rcpt : "250 ok\r\n");
    else if (strncmp(buf, "DATA", 4) == 0)
        on_data(c);
    else if (strncmp(buf, "QUIT", 4) == 0)
        reply(c, "221 bye\r\n");
    else
        reply(c, "500 what\r\n");
    return strncmp(buf, "QUIT", 4) != 0;
}

static void act(int fd, void *ctx)
{
    struct conn c = {.fd = fd, .p = ctx};
    char buf[2048];
    if (c.p->silent) {
        peer_hold(fd);
        return;
    }
    bool open = !c.p->implicit || upgrade(&c);
    if (open)
        reply(&c, "220 mx ESMTP\r\n");
    while (c.p->endless && send(fd, "220-more\r\n", 10, MSG_NOSIGNAL) > 0)
        ;
    while (open && !c.p->leave_after_greeting && line(&c, buf, sizeof buf) && command(&c, buf))
        ;
    SSL_free(c.ssl);
}

static struct arena *arena;
static struct err last;
static const char *got_reply;

static const char *const to[] = {"a@example.jp", "b@example.jp"};
static const char message[] = "Subject: x\r\n\r\nhello\r\n.\r\n..dots\r\n";

static struct smtp_mail mail_base(void)
{
    return (struct smtp_mail){.policy = &rig_policy,
                              .host = "localhost",
                              .ca_pem = buf_str(&rig_ca_pem),
                              .helo = "inro.example.jp",
                              .from = "inro@example.jp",
                              .to = to,
                              .to_count = 2,
                              .message = str_from(message)};
}

static enum rc send_to(struct play *play, struct smtp_mail *m)
{
    struct peer p;
    play->log[0] = '\0';
    peer_start(&p, "127.0.0.1", act, play);
    m->port = p.port;
    if (!m->deadline)
        m->deadline = rig_in(4000);
    last = (struct err){0};
    got_reply = NULL;
    enum rc rc = smtp_send(m, arena, &got_reply, &last);
    peer_stop(&p);
    if (rc != RC_OK)
        assert_true(last.en[0] && last.ja[0] && !strstr(last.en, "hunter2"));
    return rc;
}

static SSL_CTX *good;

static void a_mail_goes_out_whole(void **state)
{
    UNUSED(state);
    struct smtp_mail m = mail_base();
    m.user = "login";
    m.password = STR("hunter2");
    static const enum smtp_security how[] = {SMTP_STARTTLS, SMTP_TLS};
    for (size_t i = 0; i < COUNT_OF(how); i++) {
        struct play p = {.tls = good, .implicit = how[i] == SMTP_TLS};
        m.security = how[i];
        m.deadline = 0;
        assert_int_equal(send_to(&p, &m), RC_OK);
        assert_non_null(got_reply);
        assert_non_null(strstr(p.log, "EHLO inro.example.jp\r\n"));
        assert_non_null(strstr(p.log, "MAIL FROM:<inro@example.jp>"));
        assert_non_null(strstr(p.log, "RCPT TO:<a@example.jp>\r\n"));
        assert_non_null(strstr(p.log, "RCPT TO:<b@example.jp>\r\n"));
        assert_non_null(strstr(p.log, "\r\nhello\r\n..\r\n...dots\r\n.\r\n")); /* stuffed */
        const char *tls = strstr(p.log, "<TLS>"), *auth = strstr(p.log, "AUTH ");
        assert_true(tls && auth && tls < auth && tls < strstr(p.log, "MAIL"));
    }
}

static void the_queue_id_comes_back(void **state)
{
    UNUSED(state);
    struct smtp_mail m = mail_base();
    struct play p = {.tls = good};
    assert_int_equal(send_to(&p, &m), RC_OK);
    assert_string_equal(got_reply, "250 2.0.0 queued as ABC123");
}

/* Case 42: a server, or one between, that takes STARTTLS away. */
static void nothing_goes_in_clear_without_starttls(void **state)
{
    UNUSED(state);
    struct play plays[] = {{.no_starttls = true}, {.starttls_fails = true, .tls = good}};
    for (size_t i = 0; i < COUNT_OF(plays); i++) {
        struct smtp_mail m = mail_base();
        m.user = "login";
        m.password = STR("hunter2");
        assert_int_equal(send_to(&plays[i], &m), RC_TLS);
        assert_string_equal(last.id, "net.smtp.tls");
        assert_null(strstr(plays[i].log, "AUTH"));
        assert_null(strstr(plays[i].log, "MAIL"));
    }
    struct play plain = {.no_starttls = true};
    struct smtp_mail m = mail_base();
    m.security = SMTP_PLAIN; /* on purpose, and then without a password */
    assert_int_equal(send_to(&plain, &m), RC_OK);
    m.user = "login";
    m.password = STR("hunter2");
    m.deadline = 0;
    assert_int_equal(send_to(&plain, &m), RC_INPUT);
    assert_string_equal(last.id, "net.smtp.plain");
    assert_int_equal(plain.log[0], '\0');
}

static void a_server_must_be_who_it_says(void **state)
{
    UNUSED(state);
    static const char *const pairs[] = {"other", "old"};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct play p = {.tls = rig_tls(pairs[i])};
        struct smtp_mail m = mail_base();
        assert_int_equal(send_to(&p, &m), RC_TLS);
        assert_string_equal(last.id, "net.smtp.trust");
        assert_null(strstr(p.log, "MAIL"));
        SSL_CTX_free(p.tls);
    }
}

static void refusals_tell_whose_fault_it_is(void **state)
{
    UNUSED(state);
    struct play auth = {.tls = good, .auth = "535 5.7.8 bad\r\n"};
    struct smtp_mail m = mail_base();
    m.user = "login";
    m.password = STR("hunter2");
    assert_int_equal(send_to(&auth, &m), RC_AUTH);
    assert_int_equal(last.blame, BLAME_INPUT);
    const struct {
        struct play play;
        enum blame blame;
        const char *said;
    } v[] = {
        {{.tls = good, .rcpt = "550 5.1.1 no such user\r\n"}, BLAME_INPUT, "550 5.1.1"},
        {{.tls = good, .rcpt = "450 4.2.0 greylisted\r\n"}, BLAME_REMOTE, "450 4.2.0"},
        {{.tls = good, .mail = "553 5.7.1 not you\r\n"}, BLAME_INPUT, "553 5.7.1"},
        {{.tls = good, .data = "452 4.3.1 disk full\r\n"}, BLAME_REMOTE, "452 4.3.1"},
        {{.tls = good, .data = "554 5.7.1 spam\r\n"}, BLAME_INPUT, "554 5.7.1"},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        static struct play p;
        p = v[i].play;
        m = mail_base();
        assert_int_equal(send_to(&p, &m), RC_REMOTE);
        assert_int_equal(last.blame, v[i].blame);
        if (!strstr(last.remote, v[i].said))
            fail_msg("%s is not in %s", v[i].said, last.remote);
    }
}

static void absent_and_slow_servers_end_in_time(void **state)
{
    UNUSED(state);
    struct smtp_mail m = mail_base();
    struct play silent = {.silent = true};
    m.deadline = rig_in(400);
    int64_t t0 = clock_mono(clock_real());
    assert_int_equal(send_to(&silent, &m), RC_TIMEOUT);
    assert_true(clock_mono(clock_real()) - t0 < 2 * USEC_PER_SEC);
    struct play endless = {.endless = true};
    m.deadline = rig_in(600);
    t0 = clock_mono(clock_real());
    enum rc rc = send_to(&endless, &m);
    assert_true(rc == RC_TIMEOUT || rc == RC_REMOTE || rc == RC_NET);
    assert_int_not_equal(last.blame, BLAME_INPUT);
    assert_true(clock_mono(clock_real()) - t0 < 3 * USEC_PER_SEC);
    struct play leaves = {.leave_after_greeting = true};
    m.deadline = rig_in(2000);
    rc = send_to(&leaves, &m);
    assert_true(rc == RC_NET || rc == RC_REMOTE);
    assert_int_not_equal(last.blame, BLAME_INPUT);
    int fd = rig_listen("127.0.0.1", &m.port);
    (void)close(fd);
    m.deadline = rig_in(2000);
    EXPECT(smtp_send(&m, arena, &got_reply, &err), RC_NET, "net.smtp.connect");
    m.policy = &(const struct egress_policy){0};
    EXPECT(smtp_send(&m, arena, &got_reply, &err), RC_DENIED, "net.egress.denied");
}

static atomic_bool cancel;

static void a_mail_can_be_stopped(void **state)
{
    UNUSED(state);
    struct smtp_mail m = mail_base();
    struct play silent = {.silent = true};
    atomic_store(&cancel, true);
    m.cancel = &cancel;
    int64_t t0 = clock_mono(clock_real());
    assert_int_equal(send_to(&silent, &m), RC_CANCELLED);
    assert_true(clock_mono(clock_real()) - t0 < 3 * USEC_PER_SEC);
}

static void addresses_that_could_carry_more_are_refused(void **state)
{
    UNUSED(state);
    static const char *const bad[] = {"",
                                      "nobody",
                                      "@example.jp",
                                      "a@",
                                      "a b@example.jp",
                                      "a@example.jp\r\nRCPT TO:<x@y.z>",
                                      "<a@example.jp>",
                                      "a@example.jp,b@example.jp",
                                      "a@example.jp>",
                                      "a\x01@b.jp",
                                      "\"a\"@b.jp"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct smtp_mail m = mail_base();
        m.port = 1;
        m.deadline = rig_in(500);
        m.from = bad[i];
        EXPECT(smtp_send(&m, arena, &got_reply, &err), RC_INPUT, "net.smtp.address");
        m = mail_base();
        m.port = 1;
        m.to = &bad[i];
        m.to_count = 1;
        EXPECT(smtp_send(&m, arena, &got_reply, &err), RC_INPUT, "net.smtp.address");
    }
    static const char *many[101];
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = "a@example.jp";
    struct smtp_mail m = mail_base();
    struct play p = {.tls = good};
    m.to = many;
    m.to_count = 100;
    assert_int_equal(send_to(&p, &m), RC_OK);
    m.to_count = 101;
    EXPECT(smtp_send(&m, arena, &got_reply, &err), RC_INPUT, "net.smtp.count");
    m.to_count = 0;
    EXPECT(smtp_send(&m, arena, &got_reply, &err), RC_INPUT, "net.smtp.count");
}

static int setup(void **state)
{
    arena = arena_create(0);
    if (rig_setup(state) != 0)
        return 1;
    good = rig_tls("good");
    return 0;
}

static int teardown(void **state)
{
    SSL_CTX_free(good);
    arena_destroy(arena);
    return rig_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_goes_out_whole),
        cmocka_unit_test(the_queue_id_comes_back),
        cmocka_unit_test(nothing_goes_in_clear_without_starttls),
        cmocka_unit_test(a_server_must_be_who_it_says),
        cmocka_unit_test(refusals_tell_whose_fault_it_is),
        cmocka_unit_test(absent_and_slow_servers_end_in_time),
        cmocka_unit_test(a_mail_can_be_stopped),
        cmocka_unit_test(addresses_that_could_carry_more_are_refused),
    };
    return cmocka_run_group_tests_name("net.smtp", tests, setup, teardown);
}
