/*
 * Looks handed to the prober: what it saw and what went wrong arrive as they were, whoever answers
 * garbage or nothing is an error and no more, and the asker's deadline holds.
 */
#include "app/probe_ipc.h"
#include "codec/json.h"
#include "unit/net/net_rig.h"

static struct prober prober = PROBER_NONE;
static struct arena *arena;
static struct err last;
static struct tls_seen seen;

/* ---- the prober's side, in a thread ---- */
struct side {
    int fd;
    void (*answer)(const struct ipc_frame *f, int reply_fd); /* owns reply_fd */
    pthread_t thread;
};

static void *side_run(void *arg)
{
    struct side *s = arg;
    for (;;) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
        struct ipc_frame f;
        if (ipc_recv(s->fd, 0, &b, &f, NULL) != RC_OK)
            return NULL;
        if (f.fd >= 0)
            s->answer(&f, f.fd);
    }
}

static void side_start(struct side *s, void (*answer)(const struct ipc_frame *, int))
{
    int pair[2];
    assert_int_equal(ipc_pair(pair, NULL), RC_OK);
    *s = (struct side){.fd = pair[1], .answer = answer};
    prober_replace(&prober, pair[0]);
    assert_int_equal(pthread_create(&s->thread, NULL, side_run, s), 0);
}

static void side_stop(struct side *s)
{
    prober_replace(&prober, -1); /* closes our end: theirs is over */
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
}

static enum rc look(const struct net_addr *at, const char *sni, enum starttls how, int msec)
{
    struct tls_probe q = {.addr = *at,
                          .sni = sni,
                          .starttls = how,
                          .deadline = rig_in(msec),
                          .roots_pem = buf_str(&rig_ca_pem)};
    last = (struct err){0};
    seen = (struct tls_seen){0};
    enum rc rc = prober_do(&prober, &q, arena, &seen, &last);
    assert_true(rc == RC_OK || (last.rc == rc && last.en[0] && last.ja[0]));
    return rc;
}

static void serve(int fd, void *ctx)
{
    char buf[64];
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        (void)SSL_read(ssl, buf, sizeof buf);
    SSL_free(ssl);
}

static void what_was_seen_arrives(void **state)
{
    UNUSED(state);
    struct side s;
    struct peer p;
    struct cert_info c;
    SSL_CTX *tls = rig_tls("good");
    peer_start(&p, "127.0.0.1", serve, tls);
    side_start(&s, prober_answer);
    struct net_addr at = rig_addr(p.port);
    assert_int_equal(look(&at, "localhost", STARTTLS_NONE, 20000), RC_OK);
    assert_int_equal(seen.chain_count, 1);
    assert_int_equal(cert_parse(seen.chain[0], arena, &c, NULL), RC_OK);
    assert_string_equal(c.common_name, "localhost");
    assert_string_equal(seen.protocol, "TLSv1.3");
    assert_true(seen.cipher && seen.cipher[0]);
    assert_true(seen.trusted && !seen.untrusted_why && !seen.client_cert_asked);
    assert_true(seen.tls_usec > 0);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 20000), RC_OK); /* without a name */
    side_stop(&s);
    peer_stop(&p);
    SSL_CTX_free(tls);
    tls = rig_tls("old");
    peer_start(&p, "127.0.0.1", serve, tls);
    side_start(&s, prober_answer);
    at = rig_addr(p.port);
    assert_int_equal(look(&at, "localhost", STARTTLS_NONE, 20000), RC_OK);
    assert_false(seen.trusted);
    assert_non_null(strstr(seen.untrusted_why, "expired"));
    side_stop(&s);
    peer_stop(&p);
    SSL_CTX_free(tls);
}

static void talk(int fd, void *ctx)
{
    peer_say(fd, ctx);
    peer_hold(fd);
}

static void what_went_wrong_arrives(void **state)
{
    UNUSED(state);
    struct side s;
    struct peer p;
    int port = 0, fd = rig_listen("127.0.0.1", &port);
    (void)close(fd); /* nobody listens there now */
    side_start(&s, prober_answer);
    struct net_addr at = rig_addr(port);
    struct tls_probe q = {.addr = at, .deadline = rig_in(20000)};
    struct err direct = {0};
    assert_int_equal(tls_probe_do(&q, arena, &seen, &direct), RC_NET);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 20000), RC_NET);
    assert_string_equal(last.id, direct.id);
    assert_string_equal(last.en, direct.en);
    assert_string_equal(last.ja, direct.ja);
    assert_int_equal(last.blame, direct.blame);
    char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    peer_start(&p, "127.0.0.1", talk, text);
    at = rig_addr(p.port);
    assert_int_not_equal(look(&at, NULL, STARTTLS_NONE, 20000), RC_OK);
    assert_int_not_equal(look(&at, NULL, STARTTLS_SMTP, 20000), RC_OK);
    side_stop(&s);
    peer_stop(&p);
}

/* The deadline travels with the request: the prober itself ends in time. */
static void a_silent_server_ends_in_time(void **state)
{
    UNUSED(state);
    struct side s;
    struct peer p;
    char nothing[] = "";
    side_start(&s, prober_answer);
    peer_start(&p, "127.0.0.1", talk, nothing);
    struct net_addr at = rig_addr(p.port);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 300), RC_TIMEOUT);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, -1000), RC_TIMEOUT); /* late already */
    side_stop(&s);
    peer_stop(&p);
}

static void no_prober_is_busy(void **state)
{
    UNUSED(state);
    struct net_addr at = rig_addr(1);
    prober_replace(&prober, -1);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 1000), RC_BUSY);
    assert_int_equal(last.blame, BLAME_US); /* tried again, nobody's fault outside */
    int pair[2];
    assert_int_equal(ipc_pair(pair, NULL), RC_OK);
    prober_replace(&prober, pair[0]);
    (void)close(pair[1]); /* it died, and is not yet replaced */
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 1000), RC_BUSY);
    prober_replace(&prober, -1);
}

/* ---- a prober that went wrong ---- */
static void hang_up(const struct ipc_frame *f, int fd)
{
    UNUSED(f);
    (void)close(fd);
}
static int turn;
static const struct {
    enum ipc_kind kind;
    const char *payload;
    size_t n;
} nonsense[] = {
    {IPC_ERROR, "", 0},
    {IPC_ERROR, "\x01\x00\x00\x00\x03{x}", 8},
    {IPC_ERROR, "\x01\x00\x00\x00\x02{}", 7},
    {IPC_HELLO, "", 0},
};
static void talk_nonsense(const struct ipc_frame *f, int fd)
{
    UNUSED(f);
    struct str p = {nonsense[turn].payload, nonsense[turn].n};
    if (ipc_send(fd, ipc_soon(), nonsense[turn].kind, 0, p, -1, NULL) != RC_OK)
        abort();
    (void)close(fd);
}
static void say_little(const struct ipc_frame *f, int fd)
{
    UNUSED(f);
    if (ipc_send(fd, ipc_soon(), IPC_REPLY, 0, STR(""), -1, NULL) != RC_OK)
        abort();
    (void)close(fd);
}

static void a_prober_gone_wrong_is_an_error(void **state)
{
    UNUSED(state);
    struct side s;
    struct net_addr at = rig_addr(1);
    side_start(&s, hang_up);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 20000), RC_NET);
    side_stop(&s);
    side_start(&s, talk_nonsense);
    for (turn = 0; turn < (int)COUNT_OF(nonsense); turn++)
        assert_int_equal(look(&at, NULL, STARTTLS_NONE, 20000), RC_INTERNAL);
    side_stop(&s);
    side_start(&s, say_little);
    assert_int_equal(look(&at, NULL, STARTTLS_NONE, 20000), RC_OK);
    assert_int_equal(seen.chain_count, 0);
    assert_false(seen.trusted); /* what is not said is not trusted */
    side_stop(&s);
}

/* What a compromised worker might send: an error comes back, the prober lives on. */
static void a_malformed_request_is_answered(void **state)
{
    UNUSED(state);
    static char big[300];
    AUTO(buf) struct buf far = BUF(4096);
    AUTO(buf) struct buf half = BUF(4096);
    ipc_put(&far, 1, (struct str){big, sizeof big}); /* an address larger than any */
    ipc_put_i64(&far, 4, 0);
    ipc_put_i64(&far, 5, 1000);
    ipc_put(&half, 1, (struct str){big, 2}); /* one cut short */
    ipc_put_i64(&half, 4, 77);
    ipc_put_i64(&half, 5, 1000);
    const struct str rows[] = {STR(""), STR("\xff\xff\xff"), buf_str(&far), buf_str(&half)};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
        AUTO(json) struct json *j = NULL;
        struct ipc_frame f = {.kind = IPC_PROBE, .payload = rows[i], .fd = -1}, back;
        struct str text;
        int pair[2];
        assert_int_equal(ipc_pair(pair, NULL), RC_OK);
        prober_answer(&f, pair[1]);
        assert_int_equal(ipc_recv(pair[0], rig_in(20000), &b, &back, NULL), RC_OK);
        assert_int_equal(back.kind, IPC_ERROR);
        assert_true(ipc_get(back.payload, 1, 0, &text));
        assert_int_equal(json_parse(text, &j, NULL), RC_OK);
        (void)close(pair[0]);
    }
}

static int start(void **state)
{
    json_init();
    arena = arena_create(0);
    return rig_setup(state) || !arena;
}

static int end(void **state)
{
    arena_destroy(arena);
    return rig_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_seen_arrives),
        cmocka_unit_test(what_went_wrong_arrives),
        cmocka_unit_test(a_silent_server_ends_in_time),
        cmocka_unit_test(no_prober_is_busy),
        cmocka_unit_test(a_prober_gone_wrong_is_an_error),
        cmocka_unit_test(a_malformed_request_is_answered),
    };
    return cmocka_run_group_tests(tests, start, end);
}
