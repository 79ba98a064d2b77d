/* The pre-flight against a DNS server and a web server of our own: what each name is told. */
#include <arpa/inet.h>

#include "job_rig.h"
#include "rig/dns_server.h"
#include "store/store_priv.h"

/* flags, length of the tag, tag, value */
#define CAA(tag_len, rest) "\0" tag_len rest
static const char ours[] = CAA("\x05", "issueca1.example");
static const char other[] = CAA("\x05", "issueother.example");
static const char wild_only[] = CAA("\x09", "issuewild;");
#define ADDR(name, data)                                                                           \
    {                                                                                              \
        name, 1, data, 4                                                                           \
    }
static const struct dns_row rows[] = {ADDR("www.ok.example", "\x7f\0\0\x01"),
                                      {"ok.example", 257, ours, sizeof ours - 1},
                                      {"ok.example", 257, wild_only, sizeof wild_only - 1},
                                      ADDR("other.example", "\x7f\0\0\x01"),
                                      {"other.example", 257, other, sizeof other - 1},
                                      ADDR("moved.example", "\x7f\0\0\x01"),
                                      ADDR("closed.example", "\x7f\0\0\x09"),
                                      ADDR("special.example", "\xa9\xfe\x01\x01"),
                                      {"empty.example", 1, NULL, 0},
                                      {NULL, 0, NULL, 0}};

/* Answers as our front does, for the host it is asked for. */
struct web {
    int fd, port;
    pthread_t thread;
    struct store *store;
    char host[8][64]; /* as asked */
    atomic_int asked;
};

static void put_answer(struct web *w, int fd, const char *ask)
{
    static const char path[] = "GET /.well-known/acme-challenge/";
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *db = NULL;
    char token[64] = "", out[512];
    const char *value = NULL;
    if (strncmp(ask, path, strlen(path)) == 0)
        (void)sscanf(ask + strlen(path), "%63[0-9a-f]", token);
    if (strstr(ask, "Host: www.ok.example\r\n") && store_read(w->store, &db, NULL) == RC_OK)
        (void)!db_challenge_get(db, token, clock_now(clock_real()), a, &value, NULL);
    int n = value ? snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                             strlen(value), value)
            : strstr(ask, "Host: moved.example\r\n")
                ? snprintf(out, sizeof out,
                           "HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\n\r\n")
                : snprintf(out, sizeof out, "HTTP/1.1 404 Not Found\r\n\r\n");
    assert_int_equal(send(fd, out, (size_t)n, MSG_NOSIGNAL), n);
}

static void *web_run(void *arg)
{
    struct web *w = arg;
    for (;;) {
        char ask[4096];
        int fd = accept(w->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        ssize_t n = recv(fd, ask, sizeof ask - 1, 0);
        if (n > 0) {
            ask[n] = '\0';
            atomic_fetch_add(&w->asked, 1);
            put_answer(w, fd, ask);
        }
        close(fd);
    }
}

static void web_start(struct web *w, struct store *store)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    memset(w, 0, sizeof *w);
    w->store = store;
    w->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(w->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(w->fd, 16), 0);
    assert_int_equal(getsockname(w->fd, (struct sockaddr *)&a, &len), 0);
    w->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&w->thread, NULL, web_run, w), 0);
}

static void web_stop(struct web *w)
{
    shutdown(w->fd, SHUT_RDWR);
    pthread_join(w->thread, NULL);
    close(w->fd);
}

static bool ca_has_name;
static enum rc identities_fake(struct ctx *ctx, const void *settings, const struct json *state,
                               struct names *ret, struct err *err)
{
    static const char *const us[] = {"ca1.example"};
    (void)ctx, (void)settings, (void)state, (void)err;
    *ret = (struct names){us, ca_has_name};
    return RC_OK;
}
static struct ca_ops named_ca;
static const struct ca_ops *find_named(const char *id)
{
    (void)id;
    return &named_ca;
}

struct flight {
    struct rig r;
    struct dns_server dns;
    struct web web;
    struct engine *e;
    struct json *seen;
};

static void flight_start(struct flight *f, bool named)
{
    static const char *const allow[] = {"127.0.0.0/8"};
    rig_begin(&f->r, 0);
    dns_server_start(&f->dns, rows);
    web_start(&f->web, f->r.store);
    named_ca = fake_ca;
    named_ca.identities = identities_fake;
    ca_has_name = named;
    world.in_store = true;
    struct engine_options o = {.store = f->r.store,
                               .vault = &the_vault,
                               .clock = clock_real(),
                               .egress = {.allow = allow, .allow_count = 1},
                               .threads = 2,
                               .owner = "test",
                               .http01_port = f->web.port,
                               .lookup = {find_named, find_solver, find_target, find_notifier},
                               .no_schedule = true};
    o.dns.n = 1;
    o.dns.v[0] = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)f->dns.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    OK(engine_create(&o, &f->e, err));
}

static void flight_end(struct flight *f)
{
    engine_stop(f->e);
    engine_destroy(f->e);
    json_free(f->seen);
    web_stop(&f->web);
    dns_server_stop(&f->dns);
    rig_end(&f->r);
}

static void fly(struct flight *f, const char *challenge, const char *const *names, size_t n)
{
    struct db *db = NULL;
    int64_t id = 0;
    OK(store_begin(f->r.store, &db, err));
    OK(job_request_preflight(db, f->r.ca, challenge, &(struct names){names, n}, "user/1",
                             clock_now(clock_real()), &id, err));
    OK(db_commit(&db, err));
    engine_wake(f->e);
    struct job j = rig_job(&f->r, id);
    for (int i = 0; i < 3000 && (j.state == JOB_READY || j.state == JOB_RUNNING); i++) {
        usleep(20000);
        j = rig_job(&f->r, id);
    }
    if (j.state != JOB_DONE)
        fail_msg("the job is %d: %s", (int)j.state, j.error ? j.error : "");
    json_free(f->seen);
    f->seen = NULL;
    OK(json_parse(str_from(j.progress), &f->seen, err));
    assert_int_equal(json_len(json_get(f->seen, "names")), n);
}

/* The level of the finding of this name, "" when there is none. */
static const char *level(struct flight *f, size_t name, const char *finding)
{
    const struct json *list = json_get(json_at(json_get(f->seen, "names"), name), "findings");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *x = json_at(list, i);
        if (strcmp(json_str_or(x, "id", ""), finding) != 0)
            continue;
        const char *l = json_str_or(x, "level", "");
        assert_true(json_str_or(x, "text.ja", "")[0] && json_str_or(x, "text.en", "")[0]);
        /* what is not good says what to do */
        assert_int_equal(strcmp(l, "good") != 0, json_str_or(x, "todo.ja", "")[0] != 0);
        return l;
    }
    return "";
}

static void each_name_is_told(void **state)
{
    static const char *const names[] = {"www.ok.example", "other.example",   "moved.example",
                                        "closed.example", "special.example", "empty.example",
                                        "none.example",   "broken.example"};
    struct flight f = {0};
    (void)state;
    flight_start(&f, true);
    fly(&f, "http-01", names, COUNT_OF(names));
    assert_string_equal(level(&f, 0, "preflight.resolves"), "good");
    assert_string_equal(level(&f, 0, "preflight.answers"), "good");
    assert_string_equal(level(&f, 0, "preflight.caa_allows"), "good");
    assert_string_equal(level(&f, 1, "preflight.not_us"), "bad");
    assert_string_equal(level(&f, 1, "preflight.caa_forbids"), "bad");
    assert_string_equal(level(&f, 2, "preflight.redirect"), "warn");
    assert_string_equal(level(&f, 2, "preflight.caa_none"), "good");
    assert_string_equal(level(&f, 3, "preflight.answers"), "");
    assert_string_equal(level(&f, 3, "net.connect"), "bad");
    assert_string_equal(level(&f, 4, "preflight.special"), "warn");
    assert_string_equal(level(&f, 5, "preflight.no_address"), "bad");
    assert_string_equal(level(&f, 6, "preflight.no_name"), "bad");
    assert_string_equal(level(&f, 7, "net.dns_none"), "warn");
    /* nothing is left for strangers to ask for */
    AUTO(db) struct db *db = NULL;
    OK(store_begin(f.r.store, &db, err));
    int64_t n = 0;
    OK(db_query(db, "SELECT 1 FROM challenge", NULL, 0, NULL, NULL, &n, err));
    db_rollback(&db);
    assert_int_equal(n, 0);
    flight_end(&f);
}

static void caa_of_wildcards_and_unnamed_cas(void **state)
{
    static const char *const names[] = {"*.ok.example", "www.ok.example"};
    struct flight f = {0};
    (void)state;
    flight_start(&f, false);
    fly(&f, "http-01", names, 2);
    assert_string_equal(level(&f, 0, "preflight.caa_nobody"), "bad"); /* issuewild ";" */
    assert_string_equal(level(&f, 1, "preflight.caa_names"), "info");
    flight_end(&f);
}

static void a_ca_without_proof_asks_nothing(void **state)
{
    static const char *const names[] = {"none.example"};
    struct flight f = {0};
    (void)state;
    flight_start(&f, true);
    named_ca.head.caps |= CA_CAP_NO_PROOF;
    fly(&f, "http-01", names, 1);
    assert_string_equal(level(&f, 0, "preflight.no_proof"), "good");
    assert_int_equal(atomic_load(&f.dns.asked), 0);
    flight_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_is_told),
        cmocka_unit_test(caa_of_wildcards_and_unnamed_cas),
        cmocka_unit_test(a_ca_without_proof_asks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
