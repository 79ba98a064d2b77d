/*
 * Discoveries and adoption through the API: what is refused with its line, what each address is to
 * whoever reads, the plan, what a full licence leaves untouched, and whom nobody names.
 */
#include "unit/api/api_rig.h"

#include "crypto/cert.h"
#include "crypto/issue.h"
#include "model/discover.h"
#include "store/repo_discover.h"

struct desk {
    struct api_rig r;
    struct who local, op, other, viewer;
    int64_t web, dns;
    struct key *key;
    int64_t id; /* of the discovery */
    struct discovery_item_list found;
};

/* A certificate as somebody serves it. */
struct served {
    const char *pem, *sha256;
    struct cert_info info;
};
static struct served serve(struct desk *d, const char *cn, const char *san)
{
    AUTO(buf) struct buf spki = BUF(4096), der = BUF(65536), pem = BUF(65536), hex = BUF(128);
    struct served s;
    struct issue_spec spec = {.subject = {.common_name = cn},
                              .dns = &san,
                              .dns_count = san != NULL,
                              .not_before = RIG_NOW - USEC_PER_DAY,
                              .not_after = RIG_NOW + 60 * USEC_PER_DAY,
                              .server_auth = true};
    OK(key_spki(d->key, &spki, err));
    OK(cert_issue(d->key, STR_NONE, buf_str(&spki), &spec, &der, err));
    OK(cert_parse(buf_str(&der), d->r.a, &s.info, err));
    cert_to_pem(buf_str(&der), &pem);
    for (int i = 0; i < 32; i++)
        buf_addf(&hex, "%02x", s.info.sha256[i]);
    s.pem = arena_str(d->r.a, buf_str(&pem));
    s.sha256 = arena_str(d->r.a, buf_str(&hex));
    return s;
}

static void desk_open(struct desk *d, bool licensed)
{
    memset(d, 0, sizeof *d);
    if (licensed) {
        api_rig_start(&d->r);
    } else {
        api_rig_bare(&d->r);
    }
    d->local = rig_local();
    d->web = rig_group(&d->r, "web");
    d->dns = rig_group(&d->r, "dns");
    d->op = rig_person(&d->r, "op@a.example", "operator", d->web);
    d->viewer = rig_person(&d->r, "view@a.example", "viewer", d->web);
    d->other = rig_person(&d->r, "other@a.example", "operator", d->dns);
    OK(key_generate(KEY_EC256, &d->key, err));
}

static void desk_close(struct desk *d)
{
    key_destroy(d->key);
    api_rig_end(&d->r);
}

static const char *path(struct desk *d, const char *format, int64_t id)
{
    const char *at = strchr(format, '#');
    return arena_printf(d->r.a, "%.*s%lld%s", (int)(at - format), format, (long long)id, at + 1);
}

static void begin(struct desk *d, const char *targets)
{
    struct answer x =
        rig_want(&d->r, &d->op, 201, "POST", "/discoveries",
                 arena_printf(d->r.a, "{\"targets\":\"%s\",\"ports\":[\"8443\"]}", targets));
    d->id = json_i64_or(x.json, "id", 0);
    AUTO(db) struct db *db = NULL;
    OK(store_read(d->r.store, &db, err));
    OK(db_discovery_waiting(db, d->id, 100, d->r.a, &d->found, err));
}

/* As the job leaves it. */
static void see(struct desk *d, size_t at, const struct served *s)
{
    AUTO(db) struct db *db = NULL;
    struct discovery_item i = d->found.v[at];
    i.kind = s ? "cert" : "no_tls";
    i.seen_at = RIG_NOW;
    i.addr = i.host;
    if (s) {
        i.sha256 = s->sha256;
        i.subject = s->info.subject;
        i.issuer = s->info.issuer;
        i.serial = s->info.serial;
        i.key_alg = s->info.key_name;
        i.names = (struct names){s->info.names, s->info.name_count};
        i.name = s->info.name_count ? s->info.names[0] : s->info.common_name;
        i.not_before = s->info.not_before;
        i.not_after = s->info.not_after;
        i.chain = s->pem;
    }
    OK(store_begin(d->r.store, &db, err));
    OK(db_discovery_item_seen(db, &i, err));
    OK(db_discovery_count(db, d->id, RIG_NOW, err));
    OK(db_commit(&db, err));
}

static void import(struct desk *d, const struct who *who, const struct served *s, const char *name)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "pem", s->pem);
    jw_kstr(&w, "name", name);
    jw_end_object(&w);
    (void)rig_want(&d->r, who, 201, "POST", "/certs/import", arena_str(d->r.a, buf_str(&b)));
}

static const char *chosen(struct desk *d, const char *action, size_t n)
{
    AUTO(buf) struct buf b = BUF(4096);
    buf_addf(&b, "{\"action\":\"%s\",\"items\":[", action);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s\"%lld\"", i ? "," : "", (long long)d->found.v[i].id);
    buf_adds(&b, "]}");
    return arena_str(d->r.a, buf_str(&b));
}

static int64_t counted(struct desk *d, const char *list)
{
    struct answer x = rig_want(&d->r, &d->local, 200, "GET", list, NULL);
    return (int64_t)json_len(json_get(x.json, "items"));
}

static void refuses_with_the_line(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    struct answer x = rig_want(&d.r, &d.op, 400, "POST", "/discoveries",
                               "{\"targets\":\"a.example\\n10.0.0.0/8\"}");
    assert_string_equal(rig_error(&x), "discover.wide");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "targets");
    assert_non_null(strstr(json_str_or(x.json, "error.message.ja", ""), "2 行目"));
    x = rig_want(&d.r, &d.op, 400, "POST", "/discoveries", "{\"targets\":\"\\n\"}");
    assert_string_equal(rig_error(&x), "discover.empty");
    x = rig_want(&d.r, &d.op, 400, "POST", "/discoveries",
                 "{\"targets\":\"a.example\",\"ports\":[\"x\"]}");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "ports");
    (void)rig_want(&d.r, &d.viewer, 403, "POST", "/discoveries", "{\"targets\":\"a.example\"}");
    (void)rig_want(&d.r, &d.op, 400, "POST", "/discoveries",
                   "{\"targets\":\"a.example\",\"group\":\"dns\"}");
    assert_int_equal(counted(&d, "/discoveries"), 0);
    desk_close(&d);
}

static void begun_shown_ended(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    begin(&d, "# ours\\nwww.a.example\\n192.0.2.1-3\\n192.0.2.2");
    struct answer x = rig_want(&d.r, &d.op, 200, "GET", path(&d, "/discoveries/#", d.id), NULL);
    assert_string_equal(json_str_or(x.json, "name", ""), "www.a.example");
    assert_string_equal(json_str_or(x.json, "state", ""), "ready");
    assert_string_equal(json_str_or(x.json, "group", ""), "web");
    assert_int_equal(json_i64_or(x.json, "total", 0), 4);
    assert_int_equal(json_i64_or(x.json, "relations.waiting", 0), 4);
    see(&d, 0, NULL);
    x = rig_want(&d.r, &d.viewer, 200, "GET",
                 path(&d, "/discoveries/#/items?state=waiting&limit=2", d.id), NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    x = rig_want(&d.r, &d.viewer, 200, "GET",
                 path(&d, "/discoveries/#/items?state=no_tls&q=WWW", d.id), NULL);
    assert_int_equal(json_i64_or(x.json, "items.0.port", 0), 8443);
    (void)rig_want(&d.r, &d.op, 409, "DELETE", path(&d, "/discoveries/#", d.id), NULL);
    (void)rig_want(&d.r, &d.viewer, 403, "POST", path(&d, "/discoveries/#/cancel", d.id), NULL);
    x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/discoveries/#/cancel", d.id), NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "cancelled");
    assert_int_equal(json_i64_or(x.json, "looked", 0), 1);
    (void)rig_want(&d.r, &d.op, 200, "DELETE", path(&d, "/discoveries/#", d.id), NULL);
    x = rig_want(&d.r, &d.local, 200, "GET", "/audit", NULL);
    assert_non_null(strstr(x.text, "discovery.create"));
    assert_non_null(strstr(x.text, "discovery.cancel"));
    desk_close(&d);
}

/* The same address is something else to whoever owns its certificate. */
static void named_to_their_owner_only(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    struct served theirs = serve(&d, "secret.a.example", "secret.a.example");
    struct served ours = serve(&d, "www.a.example", "www.a.example");
    struct served renewed = serve(&d, "www.a.example", "www.a.example");
    import(&d, &d.other, &theirs, "theirs-only");
    import(&d, &d.op, &ours, "ours");
    (void)rig_want(&d.r, &d.other, 201, "POST", "/endpoints",
                   "{\"host\":\"192.0.2.4\",\"port\":8443}");
    begin(&d, "192.0.2.1-4");
    see(&d, 0, &theirs);
    see(&d, 1, &ours);
    see(&d, 2, &renewed);
    see(&d, 3, &theirs);
    const char *items = path(&d, "/discoveries/#/items", d.id);
    struct answer x = rig_want(&d.r, &d.op, 200, "GET", items, NULL);
    assert_string_equal(json_str_or(x.json, "items.0.relation", ""), "unknown");
    assert_int_equal(json_i64_or(x.json, "items.0.cert", 0), 0);
    assert_string_equal(json_str_or(x.json, "items.1.relation", ""), "held");
    assert_string_equal(json_str_or(x.json, "items.1.cert_name", ""), "ours");
    assert_string_equal(json_str_or(x.json, "items.2.relation", ""), "other");
    assert_string_equal(json_str_or(x.json, "items.2.cert_name", ""), "ours");
    assert_int_equal(json_i64_or(x.json, "items.3.endpoint", 0), 0);
    assert_null(strstr(x.text, "theirs-only"));
    x = rig_want(&d.r, &d.local, 200, "GET", items, NULL);
    assert_string_equal(json_str_or(x.json, "items.0.cert_name", ""), "theirs-only");
    assert_true(json_i64_or(x.json, "items.3.endpoint", 0) > 0);
    (void)rig_want(&d.r, &d.other, 404, "GET", items, NULL);
    (void)rig_want(&d.r, &d.other, 404, "POST", path(&d, "/discoveries/#/adopt", d.id),
                   chosen(&d, "adopt", 1));
    /* nor does the plan name them; a place that is taken is left out, and they are not told whose
     */
    x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/discoveries/#/plan", d.id),
                 chosen(&d, "watch", 4));
    assert_null(strstr(x.text, "theirs-only"));
    assert_string_equal(json_str_or(x.json, "items.0.what", ""), "watch");
    assert_string_equal(json_str_or(x.json, "items.1.what", ""), "join");
    assert_string_equal(json_str_or(x.json, "items.2.what", ""), "watch");
    assert_string_equal(json_str_or(x.json, "items.3.what", ""), "skip");
    assert_int_equal(json_i64_or(x.json, "left_out", 0), 1);
    assert_int_equal(counted(&d, "/endpoints"), 1); /* a plan does nothing */
    desk_close(&d);
}

static void adopted_as_planned(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    struct served a = serve(&d, "www.a.example", "www.a.example");
    struct served held = serve(&d, "held.a.example", "held.a.example");
    struct served odd = serve(&d, "../<b>", NULL);
    import(&d, &d.op, &held, "held");
    begin(&d, "192.0.2.1-6");
    see(&d, 0, &a);
    see(&d, 1, &a); /* a second machine with the same */
    see(&d, 2, &held);
    see(&d, 3, NULL);
    see(&d, 4, &odd);
    const char *plan_path = path(&d, "/discoveries/#/plan", d.id);
    const char *adopt_path = path(&d, "/discoveries/#/adopt", d.id);
    struct answer x = rig_want(&d.r, &d.op, 200, "POST", plan_path, chosen(&d, "adopt", 6));
    assert_int_equal(json_i64_or(x.json, "certs", 0), 2);
    assert_int_equal(json_i64_or(x.json, "joined", 0), 2);
    assert_int_equal(json_i64_or(x.json, "endpoints", 0), 4);
    assert_int_equal(json_i64_or(x.json, "left_out", 0), 2);
    assert_int_equal(json_i64_or(x.json, "certificates.used", 0), 1);
    assert_int_equal(json_type_of(json_get(x.json, "refused")), JSON_NULL);
    assert_non_null(strstr(json_str_or(x.json, "items.3.why.en", ""), "no certificate"));
    assert_non_null(strstr(json_str_or(x.json, "items.5.why.en", ""), "not looked"));
    assert_int_equal(counted(&d, "/endpoints"), 0);
    x = rig_want(&d.r, &d.op, 200, "POST", adopt_path, chosen(&d, "adopt", 6));
    assert_int_equal(json_i64_or(x.json, "certs", 0), 2);
    assert_string_equal(json_str_or(x.json, "items.0.cert_name", ""), "www.a.example");
    assert_int_equal(json_i64_or(x.json, "items.1.cert", -1),
                     json_i64_or(x.json, "items.0.cert", 0));
    assert_string_equal(json_str_or(x.json, "items.2.cert_name", ""), "held");
    assert_int_equal(counted(&d, "/endpoints"), 4);
    assert_int_equal(counted(&d, "/certs"), 3);
    x = rig_want(&d.r, &d.op, 200, "GET", "/certs/www.a.example", NULL);
    assert_string_equal(json_str_or(x.json, "versions.0.sha256", ""), a.sha256);
    assert_string_equal(json_str_or(x.json, "versions.0.state", ""), "current");
    assert_false(json_bool_or(x.json, "versions.0.has_key", true));
    assert_string_equal(json_str_or(x.json, "group", ""), "web");
    assert_int_equal(json_type_of(json_get(x.json, "ca")), JSON_NULL);
    x = rig_want(&d.r, &d.op, 200, "GET", "/endpoints", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.cert_name", ""), "www.a.example");
    /* again: nothing is there twice */
    x = rig_want(&d.r, &d.op, 200, "POST", adopt_path, chosen(&d, "adopt", 6));
    assert_int_equal(json_i64_or(x.json, "left_out", 0), 6);
    assert_int_equal(counted(&d, "/endpoints"), 4);
    x = rig_want(&d.r, &d.op, 200, "GET", path(&d, "/discoveries/#/items?state=held", d.id), NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 4);
    x = rig_want(&d.r, &d.local, 200, "GET", "/audit", NULL);
    assert_non_null(strstr(x.text, "cert.import"));
    assert_non_null(strstr(x.text, "endpoint.create"));
    assert_non_null(strstr(x.text, "discovery.adopt"));
    desk_close(&d);
}

/* By state, and a name that is taken already. */
static void all_of_a_state(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    struct served a = serve(&d, "www.a.example", "www.a.example");
    struct served old = serve(&d, "www.a.example", "www.a.example");
    import(&d, &d.other, &old, "www.a.example"); /* another group has the name */
    begin(&d, "192.0.2.1-2");
    see(&d, 0, &a);
    see(&d, 1, NULL);
    const char *adopt_path = path(&d, "/discoveries/#/adopt", d.id);
    (void)rig_want(&d.r, &d.op, 400, "POST", adopt_path, "{}");
    (void)rig_want(&d.r, &d.op, 400, "POST", adopt_path,
                   "{\"items\":[\"1\"],\"state\":\"unknown\"}");
    (void)rig_want(&d.r, &d.op, 404, "POST", adopt_path, "{\"items\":[\"99999\"]}");
    struct answer x = rig_want(&d.r, &d.op, 200, "POST", adopt_path, "{\"state\":\"unknown\"}");
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    const char *name = json_str_or(x.json, "items.0.cert_name", "");
    assert_true(strncmp(name, "www.a.example (", 15) == 0);
    desk_close(&d);
}

static void full_licence_touches_nothing(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, false); /* ミーツ: one certificate */
    struct served a = serve(&d, "a.example", "a.a.example"),
                  b = serve(&d, "b.example", "b.a.example");
    begin(&d, "192.0.2.1-2");
    see(&d, 0, &a);
    see(&d, 1, &b);
    struct answer x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/discoveries/#/plan", d.id),
                               chosen(&d, "adopt", 2));
    assert_string_equal(json_str_or(x.json, "refused.code", ""), "licence");
    x = rig_call(&d.r, &d.op, "POST", path(&d, "/discoveries/#/adopt", d.id),
                 chosen(&d, "adopt", 2));
    assert_string_equal(json_str_or(x.json, "error.code", ""), "licence");
    assert_int_equal(counted(&d, "/endpoints"), 0);
    assert_int_equal(counted(&d, "/certs"), 0);
    /* watching is free, and one is covered */
    (void)rig_want(&d.r, &d.op, 200, "POST", path(&d, "/discoveries/#/adopt", d.id),
                   chosen(&d, "watch", 2));
    assert_int_equal(counted(&d, "/endpoints"), 2);
    x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/discoveries/#/adopt", d.id),
                 chosen(&d, "adopt", 1));
    assert_int_equal(json_i64_or(x.json, "certs", 0), 1);
    assert_int_equal(counted(&d, "/endpoints"), 2); /* the one that was watched expects it */
    desk_close(&d);
}

/* What the look left at the endpoint: state, and an observation with the chain. */
static int64_t endpoint_seen(struct desk *d, const struct served *const *s, size_t n)
{
    AUTO(db) struct db *db = NULL;
    AUTO(buf) struct buf seen = BUF(4096);
    struct endpoint e;
    struct answer x = rig_want(&d->r, &d->op, 201, "POST", "/endpoints",
                               arena_printf(d->r.a, "{\"host\":\"h%zu.a.example\"}", n));
    OK(store_begin(d->r.store, &db, err));
    OK(db_endpoint_get(db, json_i64_or(x.json, "id", 0), d->r.a, &e, err));
    buf_adds(&seen, "{\"addresses\":[");
    for (size_t i = 0; i < n; i++) {
        struct observation o = {.endpoint_id = e.id,
                                .addr = "192.0.2.1",
                                .at = RIG_NOW,
                                .sha256 = s[i]->sha256,
                                .chain = s[i]->pem};
        OK(db_observation_add(db, &o, err));
        buf_addf(&seen,
                 "%s{\"addr\":\"192.0.2.%zu\",\"state\":\"untrusted\",\"sha256\":\"%s\","
                 "\"subject\":\"x\",\"issuer\":\"x\",\"serial\":\"1\",\"protocol\":\"TLSv1.3\","
                 "\"not_after\":null,\"trusted\":false}",
                 i ? "," : "", i + 1, s[i]->sha256);
    }
    buf_adds(&seen, "],\"error\":null}");
    e.seen = buf_cstr(&seen);
    e.seen_at = RIG_NOW;
    e.state = "untrusted";
    OK(db_endpoint_seen(db, &e, err));
    OK(db_commit(&db, err));
    return e.id;
}

static void endpoint_taken_over(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    struct served a = serve(&d, "a.a.example", "a.a.example"),
                  b = serve(&d, "b.a.example", "b.a.example");
    const struct served *const both[] = {&a, &b};
    int64_t one = endpoint_seen(&d, both, 1), two = endpoint_seen(&d, both, 2),
            none = endpoint_seen(&d, both, 0);
    (void)rig_want(&d.r, &d.other, 404, "POST", path(&d, "/endpoints/#/adopt", one), "{}");
    (void)rig_want(&d.r, &d.viewer, 403, "POST", path(&d, "/endpoints/#/adopt", one), "{}");
    struct answer x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/endpoints/#/adopt", one), "{}");
    assert_true(json_bool_or(x.json, "new", false));
    assert_string_equal(json_str_or(x.json, "cert.name", ""), "a.a.example");
    assert_string_equal(json_str_or(x.json, "endpoint.cert_name", ""), "a.a.example");
    x = rig_want(&d.r, &d.op, 409, "POST", path(&d, "/endpoints/#/adopt", one), "{}");
    assert_string_equal(rig_error(&x), "adopt.expects");
    x = rig_want(&d.r, &d.op, 409, "POST", path(&d, "/endpoints/#/adopt", two), "{}");
    assert_string_equal(rig_error(&x), "adopt.differ");
    x = rig_want(&d.r, &d.op, 409, "POST", path(&d, "/endpoints/#/adopt", none), "{}");
    assert_string_equal(rig_error(&x), "adopt.not_seen");
    /* what people are told is next: with a CA it is renewed by itself, unless they say otherwise */
    x = rig_want(&d.r, &d.op, 200, "GET", "/certs/a.a.example", NULL);
    assert_int_equal(json_type_of(json_get(x.json, "renew_at")), JSON_NULL);
    (void)rig_want(&d.r, &d.local, 201, "POST", "/cas", "{\"name\":\"ca1\",\"type\":\"private\"}");
    x = rig_want(&d.r, &d.op, 200, "PATCH", "/certs/a.a.example", "{\"ca\":\"ca1\"}");
    assert_int_equal(json_type_of(json_get(x.json, "renew_at")), JSON_STRING);
    assert_true(json_bool_or(x.json, "policy.auto_renew", true));
    /* held already: joined, not registered again */
    x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/endpoints/#/adopt", two),
                 arena_printf(d.r.a, "{\"sha256\":\"%s\"}", a.sha256));
    assert_false(json_bool_or(x.json, "new", true));
    assert_int_equal(counted(&d, "/certs"), 1);
    desk_close(&d);
}

/* With a plan first; what is unclear, expected already or somebody else's is left out or unknown.
 */
static void many_endpoints_taken_over(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, true);
    struct served a = serve(&d, "a.a.example", "a.a.example"),
                  b = serve(&d, "b.a.example", "b.a.example");
    const struct served *const both[] = {&a, &b};
    int64_t one = endpoint_seen(&d, both, 1), two = endpoint_seen(&d, both, 2);
    (void)rig_want(&d.r, &d.op, 200, "PATCH", path(&d, "/endpoints/#", one), "{\"every\":\"2h\"}");
    const char *body = arena_printf(d.r.a, "{\"items\":[\"%lld\",\"%lld\",\"%lld\"]}",
                                    (long long)one, (long long)two, (long long)one);
    struct answer x = rig_want(&d.r, &d.op, 200, "POST", "/endpoints/plan", body);
    assert_int_equal(json_i64_or(x.json, "certs", 0), 1);
    assert_int_equal(json_i64_or(x.json, "endpoints", -1), 0);
    assert_int_equal(json_i64_or(x.json, "left_out", 0), 2);
    assert_string_equal(json_str_or(x.json, "items.0.what", ""), "adopt");
    assert_non_null(strstr(json_str_or(x.json, "items.1.why.en", ""), "different certificates"));
    assert_non_null(strstr(json_str_or(x.json, "items.2.why.en", ""), "already"));
    assert_int_equal(counted(&d, "/certs"), 0);
    (void)rig_want(&d.r, &d.other, 404, "POST", "/endpoints/adopt", body);
    (void)rig_want(&d.r, &d.viewer, 403, "POST", "/endpoints/adopt", body);
    x = rig_want(&d.r, &d.local, 200, "POST", "/endpoints/adopt", body);
    assert_string_equal(json_str_or(x.json, "items.0.cert_name", ""), "a.a.example");
    x = rig_want(&d.r, &d.op, 200, "GET", path(&d, "/endpoints/#", one), NULL);
    assert_string_equal(json_str_or(x.json, "cert_name", ""), "a.a.example");
    x = rig_want(&d.r, &d.op, 200, "GET", "/certs/a.a.example", NULL);
    assert_string_equal(json_str_or(x.json, "group", ""), "web"); /* as the endpoint's */
    x = rig_want(&d.r, &d.op, 200, "POST", "/endpoints/plan", body);
    assert_int_equal(json_i64_or(x.json, "left_out", 0), 3);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_with_the_line),
        cmocka_unit_test(begun_shown_ended),
        cmocka_unit_test(named_to_their_owner_only),
        cmocka_unit_test(adopted_as_planned),
        cmocka_unit_test(all_of_a_state),
        cmocka_unit_test(full_licence_touches_nothing),
        cmocka_unit_test(endpoint_taken_over),
        cmocka_unit_test(many_endpoints_taken_over),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
