/* The licence at the API: counters to the piece, each refusal by its name, and the end. */
#include "api_rig.h"

#include <pthread.h>

#include "crypto/key.h"
#include "job/licence.h"
#include "model/calendar.h"

#define DAY USEC_PER_DAY

/* A vendor outside, whose key the installation trusts; licences as the test wants them. */
static struct key *vendor, *stranger;

static struct licence_key public_of(const struct key *k)
{
    AUTO(buf) struct buf spki = BUF(256);
    struct licence_key r;
    OK(key_spki(k, &spki, err));
    OK(licence_key_from_spki(buf_str(&spki), &r, err));
    return r;
}

static void start(struct api_rig *r)
{
    struct licence_key k = public_of(vendor);
    AUTO(db) struct db *db = NULL;
    api_rig_bare(r);
    OK(store_begin(r->store, &db, err));
    OK(licence_trust(db, &k, "init", RIG_NOW, err));
    OK(db_commit(&db, err));
}

static struct licence plain(int64_t serial, int64_t certs, int64_t targets)
{
    return (struct licence){.serial = serial,
                            .service_code = "123456789012",
                            .licensee = "株式会社サンプル",
                            .plan = "basic",
                            .certificates = certs,
                            .targets = targets,
                            .begins = jst_midnight(jst_day(RIG_NOW) - 10),
                            .ends = jst_midnight(jst_day(RIG_NOW) + 100),
                            .installation = RIG_INSTALLATION,
                            .issued = RIG_NOW};
}

static const char *file_of(struct api_rig *r, struct licence l, const struct key *k)
{
    AUTO(buf) struct buf body = BUF(16384), sig = BUF(128), file = BUF(16384);
    struct licence_key pub = public_of(k);
    if (!l.key_id)
        l.key_id = pub.id;
    OK(licence_body(&l, &body, err));
    OK(key_sign(k, buf_str(&body), &sig, err));
    licence_file(buf_str(&body), (const unsigned char *)sig.p, &file);
    return arena_str(r->a, buf_str(&file));
}

static struct answer import(struct api_rig *r, const char *file)
{
    struct who local = rig_local();
    AUTO(buf) struct buf b = BUF((size_t)8 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "file", file);
    jw_end_object(&w);
    return rig_bytes(r, &local, "POST", "/licence", buf_str(&b));
}

static void installed(struct api_rig *r, struct licence l)
{
    struct answer x = import(r, file_of(r, l, vendor));
    if (x.status != 200)
        fail_msg("import: %s", x.text);
}

static struct answer add_cert(struct api_rig *r, const char *name)
{
    struct who local = rig_local();
    return rig_call(
        r, &local, "POST", "/certs",
        arena_printf(r->a, "{\"names\":[\"%s\"],\"ca\":\"ca1\",\"request\":false}", name));
}

static struct answer add_target(struct api_rig *r, const char *name, const char *host)
{
    struct who local = rig_local();
    const char *settings =
        host ? arena_printf(r->a,
                            "{\"via\":\"ssh\",\"host\":\"%s\",\"user\":\"u\",\"auth\":\"key\","
                            "\"private_key\":\"k\",\"host_key\":\"SHA256:"
                            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
                            host)
             : "{\"via\":\"local\"}";
    return rig_call(
        r, &local, "POST", "/targets",
        arena_printf(r->a, "{\"name\":\"%s\",\"type\":\"files\",\"settings\":%s}", name, settings));
}

static void add_ca(struct api_rig *r)
{
    struct who local = rig_local();
    (void)rig_want(r, &local, 201, "POST", "/cas",
                   "{\"name\":\"ca1\",\"type\":\"private\",\"settings\":{\"common_name\":\"x\"}}");
}

static void said(const struct answer *x, int status, const char *id)
{
    if (x->status != status || strcmp(rig_error(x), id) != 0)
        fail_msg("%d %s expected: %d %s", status, id, x->status, x->text);
    const char *en = json_str_or(x->json, "error.message.en", ""),
               *ja = json_str_or(x->json, "error.message.ja", "");
    assert_true(en[0] && ja[0] && strcmp(en, ja) != 0);
}

static void meets_without_a_file(void **state)
{
    struct api_rig r;
    struct who local = rig_local();
    (void)state;
    start(&r);
    add_ca(&r);
    assert_int_equal(add_cert(&r, "a.example").status, 201);
    struct answer x = add_cert(&r, "b.example");
    said(&x, 403, "licence.certificates");
    assert_int_equal(add_target(&r, "t1", NULL).status, 201);
    x = add_target(&r, "t2", "web2.example");
    said(&x, 403, "licence.targets");
    /* nothing of what was refused is left */
    x = rig_want(&r, &local, 200, "GET", "/targets", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    x = rig_want(&r, &local, 200, "GET", "/licence", NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "none");
    assert_string_equal(json_str_or(x.json, "plan_label.ja", ""), "ミーツ");
    assert_int_equal(json_i64_or(x.json, "certificates.used", -1), 1);
    assert_int_equal(json_i64_or(x.json, "targets.used", -1), 1);
    /* removed is free again */
    (void)rig_want(&r, &local, 200, "DELETE", "/certs/a.example", NULL);
    assert_int_equal(add_cert(&r, "b.example").status, 201);
    (void)rig_want(&r, &local, 200, "DELETE", "/targets/t1", NULL);
    assert_int_equal(add_target(&r, "t2", "web2.example").status, 201);
    api_rig_end(&r);
}

static void targets_count_by_address(void **state)
{
    struct api_rig r;
    struct who local = rig_local();
    (void)state;
    start(&r);
    installed(&r, plain(1, 5, 2));
    assert_int_equal(add_target(&r, "a", "Web1.Example").status, 201);
    assert_int_equal(add_target(&r, "b", "web1.example").status, 201); /* the same machine */
    assert_int_equal(add_target(&r, "c", "192.0.2.7").status, 201);
    struct answer x = add_target(&r, "d", "192.0.2.8");
    said(&x, 403, "licence.targets");
    assert_int_equal(add_target(&r, "e", "192.0.2.7").status, 201);
    /* moving one of two on a machine is one more address, moving the last one is not */
    static const char move[] = "{\"settings\":{\"via\":\"ssh\",\"host\":\"new.example\",\"user\":"
                               "\"u\",\"auth\":\"key\",\"private_key\":\"k\",\"host_key\":\"SHA256:"
                               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}";
    x = rig_call(&r, &local, "PATCH", "/targets/a", move);
    said(&x, 403, "licence.targets");
    (void)rig_want(&r, &local, 200, "DELETE", "/targets/b", NULL);
    (void)rig_want(&r, &local, 200, "PATCH", "/targets/a", move);
    x = rig_want(&r, &local, 200, "GET", "/licence", NULL);
    assert_int_equal(json_i64_or(x.json, "targets.used", -1), 2);
    api_rig_end(&r);
}

static void imports_count_and_renewals_do_not(void **state)
{
    struct api_rig r;
    struct who local = rig_local();
    (void)state;
    start(&r);
    installed(&r, plain(1, 1, 1));
    add_ca(&r);
    assert_int_equal(add_cert(&r, "a.example").status, 201);
    for (int i = 0; i < 3; i++)
        (void)rig_want(&r, &local, 202, "POST", "/certs/a.example/renew", "{}");
    struct key *k = NULL;
    AUTO(buf) struct buf spki = BUF(1024), der = BUF(4096), pem = BUF(16384), body = BUF(65536);
    struct issue_spec s = {.subject = {.common_name = "b.example"},
                           .not_before = RIG_NOW - DAY,
                           .not_after = RIG_NOW + 30 * DAY,
                           .path_len = -1,
                           .server_auth = true};
    const char *names[] = {"b.example"};
    s.dns = names;
    s.dns_count = 1;
    OK(key_generate(KEY_EC256, &k, err));
    OK(key_spki(k, &spki, err));
    OK(cert_issue(k, STR(""), buf_str(&spki), &s, &der, err));
    cert_to_pem(buf_str(&der), &pem);
    key_destroy(k);
    struct json_writer w = JSON_WRITER(&body);
    jw_object(&w);
    jw_kstr(&w, "pem", buf_cstr(&pem));
    jw_end_object(&w);
    struct answer x = rig_bytes(&r, &local, "POST", "/certs/import", buf_str(&body));
    said(&x, 403, "licence.certificates");
    (void)rig_want(&r, &local, 200, "GET", "/certs/a.example", NULL);
    (void)rig_want(&r, &local, 404, "GET", "/certs/b.example", NULL);
    api_rig_end(&r);
}

struct racer {
    struct api_rig *r;
    int n, made;
    pthread_t th;
};

/* Own memory each: the rig's arena is not for threads. */
static void *race(void *arg)
{
    struct racer *c = arg;
    for (int i = 0; i < 6; i++) {
        AUTO(arena) struct arena *a = arena_create(0);
        struct api_answer got;
        char body[128];
        snprintf(body, sizeof body,
                 "{\"names\":[\"n%d-%d.example\"],\"ca\":\"ca1\",\"request\":false}", c->n, i);
        struct api_call call = {.method = "POST", .path = "/api/v1/certs", .body = str_from(body)};
        call.peer.is_unix = true;
        call.peer.uid = (int64_t)geteuid();
        api_dispatch(c->r->api, &call, a, &got);
        c->made += got.status == 201;
    }
    return NULL;
}

static void parallel_requests_never_exceed(void **state)
{
    struct api_rig r;
    struct racer racers[8];
    int made = 0;
    (void)state;
    start(&r);
    installed(&r, plain(1, 10, 1));
    add_ca(&r);
    for (int i = 0; i < 8; i++) {
        racers[i] = (struct racer){.r = &r, .n = i};
        assert_int_equal(pthread_create(&racers[i].th, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(racers[i].th, NULL);
        made += racers[i].made;
    }
    assert_int_equal(made, 10);
    struct who local = rig_local();
    struct answer x = rig_want(&r, &local, 200, "GET", "/licence", NULL);
    assert_int_equal(json_i64_or(x.json, "certificates.used", -1), 10);
    api_rig_end(&r);
}

static void refused(struct api_rig *r, const char *file, const char *id)
{
    struct who local = rig_local();
    struct answer x = import(r, file);
    said(&x, strcmp(id, "licence.same") == 0 ? 409 : 400, id);
    x = rig_want(r, &local, 200, "GET", "/licence", NULL);
    assert_int_equal(json_i64_or(x.json, "serial", 0), 5); /* the current one stays */
    assert_int_equal(json_i64_or(x.json, "certificates.limit", 0), 3);
}

/* Each reason has its own message; the licence in force stays. */
static void every_refusal_by_its_name(void **state)
{
    struct api_rig r;
    struct licence l = plain(6, 9, 9);
    (void)state;
    start(&r);
    installed(&r, plain(5, 3, 3));
    const char *good = file_of(&r, l, vendor);
    char *edited = arena_strdup(r.a, good), *cut = arena_strdup(r.a, good);
    memcpy(strstr(edited, "targets: 9"), "targets: 8", 10);
    *strstr(cut, "signature:") = '\0';
    refused(&r, edited, "licence.forged");
    refused(&r, cut, "licence.truncated");
    refused(&r, "hello", "licence.not_one");
    refused(&r, arena_printf(r.a, "inro-licence 2%s", good + 14), "licence.version");
    refused(&r, file_of(&r, l, stranger), "licence.foreign");
    char *big = arena_alloc(r.a, 200001);
    memset(big, 'x', 200000);
    refused(&r, big, "licence.too_large");
    refused(&r, file_of(&r, plain(5, 3, 3), vendor), "licence.same");
    refused(&r, file_of(&r, plain(4, 9, 9), vendor), "licence.older");
    l.installation = "ffffffffffffffffffffffffffffffff";
    refused(&r, file_of(&r, l, vendor), "licence.installation");
    l = plain(6, 9, 9);
    l.begins = jst_midnight(jst_day(RIG_NOW) + 1);
    refused(&r, file_of(&r, l, vendor), "licence.not_yet");
    l = plain(6, 9, 9);
    l.ends = jst_midnight(jst_day(RIG_NOW));
    refused(&r, file_of(&r, l, vendor), "licence.expired");
    /* a later licence revokes its vendor's stolen key: it is installed, and the last of that key */
    AUTO(db) struct db *db = NULL;
    struct licence_key second = public_of(stranger), first = public_of(vendor);
    OK(store_begin(r.store, &db, err));
    OK(licence_trust(db, &second, "init", RIG_NOW, err));
    OK(db_commit(&db, err));
    l = plain(1, 3, 3);
    l.issued = RIG_NOW + USEC_PER_SEC;
    l.revokes[0] = first.id;
    l.revoke_count = 1;
    assert_int_equal(import(&r, file_of(&r, l, stranger)).status, 200);
    struct answer x = import(&r, good);
    said(&x, 400, "licence.revoked");
    api_rig_end(&r);
}

static void nobody_s_installation(void **state)
{
    struct api_rig r;
    (void)state;
    api_rig_bare(&r);
    struct answer x = import(&r, "hello");
    said(&x, 400, "licence.no_vendor");
    api_rig_end(&r);
}

struct ask {
    const char *method, *path, *body;
    int status;
};

static void all(struct api_rig *r, const struct ask *rows, size_t n)
{
    struct who local = rig_local();
    for (size_t i = 0; i < n; i++) {
        struct answer x = rig_call(r, &local, rows[i].method, rows[i].path, rows[i].body);
        if (x.status != rows[i].status)
            fail_msg("%s %s: %d %s", rows[i].method, rows[i].path, x.status, x.text);
        if (rows[i].status == 403)
            said(&x, 403, "licence.ended");
    }
}

/* Past the end: what changes something is refused, all else goes on; a new file re-enables it. */
static void the_end_and_after(void **state)
{
    static const struct ask before[] = {
        {"POST", "/targets",
         "{\"name\":\"t1\",\"type\":\"files\",\"settings\":{\"via\":\"local\"}}", 201},
        {"POST", "/certs", "{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"request\":false}", 201},
        {"POST", "/bindings",
         "{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":{\"cert_path\":\"/tmp/x.crt\","
         "\"key_path\":\"/tmp/x.key\"}}",
         201},
    };
    static const struct ask refused_rows[] = {
        {"POST", "/certs", "{\"names\":[\"b.example\"],\"ca\":\"ca1\"}", 403},
        {"POST", "/certs/import", "{\"pem\":\"x\"}", 403},
        {"POST", "/certs/a.example/request", "{}", 403},
        {"POST", "/certs/a.example/renew", "{}", 403},
        {"POST", "/certs/a.example/deploy", "{}", 403},
        {"POST", "/certs/a.example/undo", NULL, 403},
        {"POST", "/bindings", "{\"cert\":\"a.example\",\"target\":\"t1\",\"seq\":2}", 403},
        {"POST", "/targets", "{\"name\":\"t2\",\"type\":\"files\"}", 403},
        {"POST", "/cas", "{\"name\":\"c2\",\"type\":\"private\"}", 403},
    };
    static const struct ask going_on[] = {
        {"GET", "/certs", NULL, 200},
        {"GET", "/certs/a.example", NULL, 200},
        {"POST", "/certs/a.example/deploy", "{\"plan\":true}", 202},
        {"POST", "/endpoints", "{\"host\":\"a.example\"}", 201},
        {"POST", "/notifiers",
         "{\"name\":\"m\",\"type\":\"smtp\",\"settings\":{\"host\":\"m.example\",\"from\":"
         "\"a@a.example\",\"to\":[\"b@a.example\"]}}",
         201},
        {"POST", "/targets/t1/check", NULL, 202},
        {"PATCH", "/certs/a.example", "{\"name\":\"renamed\"}", 200},
        {"PATCH", "/certs/renamed", "{\"name\":\"a.example\"}", 200},
        {"GET", "/audit", NULL, 200},
        {"GET", "/licence", NULL, 200},
    };
    struct api_rig r;
    struct who local = rig_local();
    struct licence l = plain(1, 2, 2);
    (void)state;
    start(&r);
    installed(&r, l);
    add_ca(&r);
    all(&r, before, COUNT_OF(before));
    rig_pass(&r, l.ends - RIG_NOW - 1); /* the last microsecond of the last day in Japan */
    (void)rig_want(&r, &local, 202, "POST", "/certs/a.example/renew", "{}");
    rig_pass(&r, 1);
    all(&r, refused_rows, COUNT_OF(refused_rows));
    all(&r, going_on, COUNT_OF(going_on));
    struct answer x = rig_want(&r, &local, 200, "GET", "/licence", NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "ended");
    /* the clock is set back: what was seen counts */
    AUTO(db) struct db *db = NULL;
    int64_t since = 0;
    OK(store_begin(r.store, &db, err));
    OK(db_meta_set(db, "licence_high", NUM(l.ends - DAY), err));
    OK(licence_seen(db, clock_now(&r.clock), 1, &since, err));
    OK(db_commit(&db, err));
    rig_pass(&r, -50 * DAY);
    all(&r, refused_rows, COUNT_OF(refused_rows));
    x = rig_want(&r, &local, 200, "GET", "/licence", NULL);
    assert_true(json_bool_or(x.json, "clock_back", false));
    rig_pass(&r, 50 * DAY);
    /* a new file: at once */
    l.serial = 2;
    l.ends = l.ends + 365 * DAY;
    l.issued = clock_now(&r.clock);
    installed(&r, l);
    (void)rig_want(&r, &local, 201, "POST", "/certs",
                   "{\"names\":[\"b.example\"],\"ca\":\"ca1\",\"request\":false}");
    api_rig_end(&r);
}

/* Each route that makes or adds something is asked: a new one cannot be forgotten. */
static void every_changing_route_asks(void **state)
{
    static const char *const free_of_it[] = {
        /* looking, watching, telling, people, keys of one's own, security, the
           desk, the licence */
        "session.",   "user.",           "group.",       "token.",   "notifier.",   "endpoint.",
        "job.",       "audit.",          "vendor.",      "licence.", "cert.revoke", "cert.inspect",
        "cert.check", "cert.export",     "support.",     "log.",     "backup",      "key.",
        "system.",    "ca.check",        "target.check", "org.",     "tag.",        "view.",
        "preflight.", "target.host_key", "cert.deploy", /* the handler asks: a plan only looks */
        "discovery." /* watching; a certificate that is adopted is counted like an import */};
    size_t sets;
    const struct route_set *const *all_sets = api_route_sets(&sets);
    (void)state;
    for (size_t s = 0; s < sets; s++)
        for (size_t i = 0; i < all_sets[s]->n; i++) {
            const struct route *t = &all_sets[s]->v[i];
            bool listed = strcmp(t->method, "POST") != 0 || t->perm == PERM_PUBLIC;
            for (size_t k = 0; k < COUNT_OF(free_of_it); k++)
                listed = listed || strncmp(t->id, free_of_it[k], strlen(free_of_it[k])) == 0;
            if (!listed && !(t->flags & ROUTE_LICENCE))
                fail_msg("route %s neither asks the licence nor is listed as free of it", t->id);
        }
}

int main(void)
{
    crypto_init();
    OK(key_generate(KEY_ED25519, &vendor, err));
    OK(key_generate(KEY_ED25519, &stranger, err));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meets_without_a_file),
        cmocka_unit_test(targets_count_by_address),
        cmocka_unit_test(imports_count_and_renewals_do_not),
        cmocka_unit_test(parallel_requests_never_exceed),
        cmocka_unit_test(every_refusal_by_its_name),
        cmocka_unit_test(nobody_s_installation),
        cmocka_unit_test(the_end_and_after),
        cmocka_unit_test(every_changing_route_asks),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    key_destroy(vendor);
    key_destroy(stranger);
    return bad;
}
