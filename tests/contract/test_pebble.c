/*
 * The ACME connector against a real server (pebble, half of all nonces refused), over our own HTTP
 * client: account, order, http-01 answered by a listener here, certificate, revocation. Skipped
 * where pebble is not installed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/connect/connect_rig.h"

#include "base/os/file.h"
#include "connect/ca/acme.h"

#define PEBBLE "/usr/bin/pebble"
#define CHALL  "/usr/bin/pebble-challtestsrv"
enum { API = 14000, MANAGE = 14001, HTTP01 = 14002, DNS01 = 14003, CHALL_MANAGE = 14004 };

extern char **environ;
extern const struct ca_ops ca_acme;

static char dir[] = "/tmp/inro-pebble-XXXXXX";
static pid_t children[2];
static char *listener_pem;
static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;
static char answers[16][2][512];
static int answer_count, answered;
static int listen_fd = -1;
static pthread_t listener;
static struct http_client *client;
static struct egress_policy policy;

static const char *path_in(const char *name)
{
    static char path[4][128];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, 128, "%s/%s", dir, name);
    return p;
}

static void *listen_run(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept(listen_fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        char req[4096] = {0}, token[512] = {0}, reply[1024] = "HTTP/1.1 404 No\r\n\r\n";
        ssize_t n = read(fd, req, sizeof req - 1);
        if (n > 0 && sscanf(req, "GET /.well-known/acme-challenge/%511[A-Za-z0-9_-]", token) == 1) {
            pthread_mutex_lock(&answers_lock);
            for (int i = 0; i < answer_count; i++)
                if (strcmp(answers[i][0], token) == 0) {
                    snprintf(
                        reply, sizeof reply,
                        "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                        strlen(answers[i][1]), answers[i][1]);
                    answered++;
                }
            pthread_mutex_unlock(&answers_lock);
        }
        (void)!write(fd, reply, strlen(reply));
        close(fd);
    }
}

static bool port_open(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool open = connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
    close(fd);
    return open;
}

static void nap(long msec)
{
    struct timespec ts = {msec / 1000, (msec % 1000) * 1000000};
    nanosleep(&ts, NULL);
}

static void start(int slot, char *const argv[])
{
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, path_in(slot ? "pebble.log" : "chall.log"),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&fa, 1, 2);
    assert_int_equal(posix_spawn(&children[slot], argv[0], &fa, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&fa);
}

static void write_text(const char *name, const char *text)
{
    assert_int_equal(
        file_write_atomic(path_in(name), str_from(text), 0600, (uid_t)-1, (gid_t)-1, NULL), RC_OK);
}

static void write_pair(void)
{
    struct key *key = NULL;
    AUTO(buf) struct buf spki = BUF(4096);
    AUTO(buf) struct buf der = BUF(65536);
    AUTO(buf) struct buf pem = BUF(65536);
    AUTO(buf) struct buf kpem = BUF(65536);
    const char *const ips[] = {"127.0.0.1"};
    int64_t now = clock_now(clock_real());
    struct issue_spec spec = {.ips = ips,
                              .ip_count = 1,
                              .subject = {.common_name = "127.0.0.1"},
                              .not_before = now - USEC_PER_DAY,
                              .not_after = now + USEC_PER_DAY,
                              .server_auth = true};
    assert_int_equal(key_generate(KEY_EC256, &key, NULL), RC_OK);
    assert_int_equal(key_spki(key, &spki, NULL), RC_OK);
    assert_int_equal(cert_issue(key, STR_NONE, buf_str(&spki), &spec, &der, NULL), RC_OK);
    assert_int_equal(key_to_pem(key, &kpem, NULL), RC_OK);
    cert_to_pem(buf_str(&der), &pem);
    write_text("cert.pem", buf_cstr(&pem));
    write_text("key.pem", buf_cstr(&kpem));
    listener_pem = mem_strdup(buf_cstr(&pem));
    key_destroy(key);
}

static int begin(void **state)
{
    (void)state;
    if (access(PEBBLE, X_OK) != 0 || access(CHALL, X_OK) != 0)
        return 0;
    assert_non_null(mkdtemp(dir));
    crypto_init();
    json_init();
    write_pair();
    char config[1024];
    snprintf(config, sizeof config,
             "{\"pebble\":{\"listenAddress\":\"127.0.0.1:%d\",\"managementListenAddress\":"
             "\"127.0.0.1:%d\",\"certificate\":\"%s\",\"privateKey\":\"%s\",\"httpPort\":%d,"
             "\"tlsPort\":1,\"certificateValidityPeriod\":7776000}}",
             API, MANAGE, path_in("cert.pem"), path_in("key.pem"), HTTP01);
    write_text("pebble.json", config);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(HTTP01)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listen_fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(listen_fd, 16), 0);
    assert_int_equal(pthread_create(&listener, NULL, listen_run, NULL), 0);
    setenv("PEBBLE_WFE_NONCEREJECT", "50", 1);
    setenv("PEBBLE_VA_NOSLEEP", "1", 1);
    setenv("PEBBLE_AUTHZREUSE", "0", 1);
    char dns[32], manage[32], dnsaddr[64];
    snprintf(dns, sizeof dns, "127.0.0.1:%d", DNS01);
    snprintf(manage, sizeof manage, "127.0.0.1:%d", CHALL_MANAGE);
    snprintf(dnsaddr, sizeof dnsaddr, "127.0.0.1:%d", DNS01);
    start(0,
          (char *[]){CHALL, "-http01", "", "-https01", "", "-tlsalpn01", "", "-dns01", dns,
                     "-management", manage, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", NULL});
    start(1, (char *[]){PEBBLE, "-strict", "-config", (char *)path_in("pebble.json"), "-dnsserver",
                        dnsaddr, NULL});
    for (int i = 0; i < 100 && !(port_open(API) && port_open(CHALL_MANAGE)); i++)
        nap(100);
    static const char *const allow[] = {"127.0.0.0/8"};
    policy = (struct egress_policy){.allow = allow, .allow_count = 1};
    struct http_client_options o = {.policy = &policy, .ca_pem = str_from(listener_pem)};
    assert_int_equal(http_client_create(&o, &client, NULL), RC_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (children[i] > 0) {
            kill(children[i], SIGTERM);
            waitpid(children[i], NULL, 0);
        }
    if (listen_fd >= 0) {
        shutdown(listen_fd, SHUT_RDWR);
        pthread_join(listener, NULL);
        close(listen_fd);
    }
    http_client_destroy(client);
    mem_free(listener_pem);
    static const char *const names[] = {"cert.pem", "key.pem", "pebble.json", "pebble.log",
                                        "chall.log"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)unlink(path_in(names[i]));
    (void)rmdir(dir);
    return 0;
}

static enum rc real_http(struct ctx *ctx, struct str roots, const struct http_request *req,
                         struct http_response *ret, struct err *err)
{
    assert_true(str_eqs(roots, listener_pem));
    return http_do(client, req, ctx->arena, ret, err);
}
static enum rc put(struct ctx *ctx, const char *token, const char *key_auth, struct err *err)
{
    (void)ctx, (void)err;
    pthread_mutex_lock(&answers_lock);
    snprintf(answers[answer_count][0], 512, "%s", token);
    snprintf(answers[answer_count++][1], 512, "%s", key_auth);
    pthread_mutex_unlock(&answers_lock);
    return RC_OK;
}

static void *settings_make(struct arena *a)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/dir", API);
    jw_object(&w);
    jw_kstr(&w, "directory", url);
    jw_kstr(&w, "email", "admin@example.org");
    jw_kstr(&w, "roots", listener_pem);
    jw_end_object(&w);
    return RIG_SETTINGS(a, ca_acme, buf_cstr(&b));
}

/* As the engine does: steps until done, saving and reading back the data between them. */
static struct str drive(struct ctx *ctx, const void *set, const struct json *account,
                        struct ca_order *order, int *ret_steps)
{
    struct err err = {0};
    struct json *data = NULL;
    for (*ret_steps = 1; *ret_steps < 200; ++*ret_steps) {
        struct ca_step step = {0};
        order->data = data;
        if (ca_acme.step(ctx, set, account, order, &step, &err) != RC_OK)
            fail_msg("step %d: %s (%s)", *ret_steps, err.en, err.remote);
        if (step.verdict == CA_DONE) {
            json_free(data);
            return step.chain_pem;
        }
        order->proofs_ready = step.verdict == CA_PROOF;
        for (size_t i = 0; step.verdict == CA_PROOF && i < step.proof_count; i++) {
            const char *s;
            assert_int_equal(
                challenge_find("http-01")->present(ctx, NULL, &step.proofs[i], &s, &err), RC_OK);
        }
        if (step.data) {
            struct json *next = NULL;
            assert_int_equal(json_parse(str_from(step.data), &next, &err), RC_OK);
            json_free(data);
            data = next;
        }
        int64_t wait = step.verdict == CA_WAIT ? step.until - clock_now(ctx->clock) : 0;
        if (wait > 0)
            nap((long)(wait / 1000) + 1);
    }
    fail_msg("no end");
    return STR_NONE;
}

/* One step that orders; what is to be saved of it. */
static struct json *order_once(struct ctx *ctx, const void *set, const struct json *account,
                               const struct ca_order *order)
{
    struct err err = {0};
    struct ca_step step = {0};
    struct json *data = NULL;
    if (ca_acme.step(ctx, set, account, order, &step, &err) != RC_OK)
        fail_msg("%s (%s)", err.en, err.remote);
    assert_true(step.ordered_now);
    assert_int_equal(json_parse(str_from(step.data), &data, &err), RC_OK);
    return data;
}

static const char *url_of(const struct json *data)
{
    return json_str_or(data, "order", "");
}

/* An order whose answer was lost is found in the account's list; one that is known, or for other
 * names, is not taken for it. */
static void lost_order(struct ctx *ctx, const void *set, const struct json *account,
                       struct ca_order *order)
{
    static const char *const one[] = {"lost.inro.test"}, *const two[] = {"found.inro.test"};
    order->data = NULL;
    order->proofs_ready = false;
    order->names = one;
    order->name_count = 1;
    AUTO(json) struct json *lost = order_once(ctx, set, account, order);
    order->maybe_placed = true;
    AUTO(json) struct json *found = order_once(ctx, set, account, order);
    assert_string_equal(url_of(found), url_of(lost));
    const struct json *known = lost;
    order->others = &known;
    order->other_count = 1;
    AUTO(json) struct json *second = order_once(ctx, set, account, order);
    assert_string_not_equal(url_of(second), url_of(lost));
    order->other_count = 0;
    order->names = two;
    AUTO(json) struct json *other = order_once(ctx, set, account, order);
    assert_string_not_equal(url_of(other), url_of(lost));
    assert_string_not_equal(url_of(other), url_of(second));
}

static void test_issue_and_revoke(void **state)
{
    (void)state;
    if (!client)
        skip();
    AUTO(arena) struct arena *a = arena_create(0);
    struct err err = {0};
    struct ctx ctx = rig_ctx(a);
    ctx.clock = clock_real();
    ctx.deadline = clock_mono(ctx.clock) + 60 * USEC_PER_SEC;
    ctx.http = real_http;
    ctx.answer_put = put;
    ctx.egress = &policy;
    const void *set = settings_make(a);
    struct l10n seen = {NULL, NULL};
    if (ca_acme.head.check(&ctx, set, &seen, &err) != RC_OK)
        fail_msg("%s", err.en);
    if (ca_acme.setup(&ctx, set, NULL, &err) != RC_OK)
        fail_msg("%s (%s)", err.en, err.remote);
    AUTO(json) struct json *account = NULL;
    assert_int_equal(json_parse(str_from(rig_state), &account, &err), RC_OK);

    AUTO(buf) struct buf spki = BUF(4096);
    AUTO(buf) struct buf csr = BUF(65536);
    const char *sealed;
    const char *const names[] = {"www.inro.test", "inro.test", "api.inro.test"};
    struct csr_spec spec = {.dns = names, .dns_count = 3};
    assert_int_equal(vault_generate(NULL, VAULT_TLS_KEY, "", KEY_EC256, a, &sealed, &spki, NULL),
                     RC_OK);
    assert_int_equal(csr_build(rig_key(sealed), &spec, &csr, &err), RC_OK);
    const char *const types[] = {"http-01"};
    struct ca_order order = {.id = 1,
                             .names = names,
                             .name_count = 3,
                             .csr_der = buf_str(&csr),
                             .proof_types = types,
                             .proof_type_count = 1};
    int steps;
    struct str pem = drive(&ctx, set, account, &order, &steps);
    struct cert_list chain;
    assert_int_equal(cert_parse_pem(pem, true, a, &chain, &err), RC_OK);
    assert_int_equal(chain.n, 2);
    unsigned char ours[32];
    assert_int_equal(key_spki_sha256(rig_key(sealed), ours, &err), RC_OK);
    assert_memory_equal(chain.v[0].spki_sha256, ours, 32);
    assert_int_equal(chain.v[0].name_count, 3);
    assert_true(answered >= 3);
    assert_true(steps < 40);

    assert_int_equal(ca_acme.revoke(&ctx, set, account, chain.v[0].der, 1, &err), RC_OK);
    assert_int_equal(ca_acme.revoke(&ctx, set, account, chain.v[0].der, 1, &err), RC_OK);
    /* the same key again is the same account */
    assert_int_equal(ca_acme.setup(&ctx, set, account, &err), RC_OK);
    AUTO(json) struct json *again = NULL;
    assert_int_equal(json_parse(str_from(rig_state), &again, &err), RC_OK);
    assert_string_equal(json_str_or(again, "kid", ""), json_str_or(account, "kid", "?"));
    lost_order(&ctx, set, account, &order);
    rig_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_issue_and_revoke)};
    return cmocka_run_group_tests(tests, begin, end);
}
