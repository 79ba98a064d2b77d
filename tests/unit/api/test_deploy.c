/*
 * Bindings, plans, roll-outs and what is watched, through the API: a place is taken only as the
 * target's table allows, a plan is no deployment, and a roll-out at work is not disturbed.
 */
#include "unit/api/api_rig.h"

#define PLACE "{\"cert_path\":\"/c\",\"key_path\":\"/k\"}"

struct desk {
    struct api_rig r;
    struct who local;
    int64_t cert, version;
};

static struct answer ask(struct desk *d, int status, const char *method, const char *path,
                         const char *body)
{
    return rig_want(&d->r, &d->local, status, method, path, body);
}

/* One certificate with a version in service, and two targets. */
static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    (void)ask(d, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    (void)ask(d, 201, "POST", "/targets", "{\"name\":\"t1\",\"type\":\"nginx\"}");
    (void)ask(d, 201, "POST", "/targets", "{\"name\":\"t2\",\"type\":\"files\"}");
    struct answer x = ask(d, 201, "POST", "/certs",
                          "{\"names\":[\"a.example\"],\"ca\":\"own\",\"request\":false}");
    d->cert = json_i64_or(x.json, "cert.id", 0);
    AUTO(db) struct db *db = NULL;
    struct cert_version v = {.cert_id = d->cert,
                             .state = VERSION_STAGING,
                             .key_alg = "ec256",
                             .chain = "x",
                             .sha256 = "00",
                             .not_before = RIG_NOW,
                             .not_after = RIG_NOW + 60 * USEC_PER_DAY};
    OK(store_begin(d->r.store, &db, err));
    OK(db_version_add(db, &v, err));
    OK(db_version_activate(db, v.id, 0, RIG_NOW, err));
    OK(db_commit(&db, err));
    d->version = v.id;
}

static int64_t bind_to(struct desk *d, const char *target)
{
    const char *body = arena_printf(
        d->r.a, "{\"cert\":\"a.example\",\"target\":\"%s\",\"place\":" PLACE "}", target);
    return json_i64_or(ask(d, 201, "POST", "/bindings", body).json, "id", 0);
}

static void places_as_the_table_allows(void **state)
{
    static const struct {
        const char *body, *field;
        int status;
    } rows[] = {
        {"{\"target\":\"t1\",\"place\":" PLACE "}", "cert", 400},
        {"{\"cert\":\"a.example\",\"place\":" PLACE "}", "target", 400},
        {"{\"cert\":\"none\",\"target\":\"t1\",\"place\":" PLACE "}", "", 404},
        {"{\"cert\":\"a.example\",\"target\":\"none\",\"place\":" PLACE "}", "", 404},
        {"{\"cert\":\"a.example\",\"target\":\"own\",\"place\":" PLACE "}", "", 404},
        {"{\"cert\":\"a.example\",\"target\":\"t1\"}", "place.cert_path", 400},
        {"{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":{\"cert_path\":\"/c\"}}",
         "place.key_path", 400},
        {"{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":{\"cert_path\":\"/a/../c\"}}",
         "place.cert_path", 400},
        {"{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":{\"x\":1}}", "place.x", 400},
        {"{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":\"/c\"}", "place", 400},
        {"{\"cert\":\"a.example\",\"target\":\"t1\",\"seq\":-1,\"place\":" PLACE "}", "seq", 400},
    };
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, rows[i].status, "POST", "/bindings", rows[i].body);
        const char *field = json_str_or(x.json, "error.field", "");
        if (strcmp(field, rows[i].field) != 0)
            fail_msg("%s: %s instead of %s", rows[i].body, field, rows[i].field);
    }
    struct answer x = ask(&d, 200, "GET", "/bindings", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    api_rig_end(&d.r);
}

static void bindings_change_and_go(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    int64_t one = bind_to(&d, "t1"), two = bind_to(&d, "t2");
    const char *path = arena_printf(d.r.a, "/bindings/%lld", (long long)two);
    struct answer x = ask(&d, 200, "GET", path, NULL);
    assert_int_equal(json_i64_or(x.json, "seq", 0), 2); /* after the first */
    {
        AUTO(db) struct db *db = NULL;
        struct binding b;
        OK(store_begin(d.r.store, &db, err));
        OK(db_binding_get(db, two, d.r.a, &b, err));
        b.state = "ok";
        b.version_id = d.version;
        OK(db_binding_update(db, &b, err));
        OK(db_commit(&db, err));
    }
    x = ask(&d, 409, "PATCH", path, "{\"seq\":7,\"revision\":1}");
    assert_string_equal(rig_error(&x), "api.stale");
    x = ask(&d, 200, "PATCH", path, "{\"seq\":7,\"revision\":2}");
    assert_string_equal(json_str_or(x.json, "state", ""), "ok"); /* only the order changed */
    x = ask(&d, 200, "PATCH", path, "{\"place\":{\"combined_path\":\"/all\"}}");
    assert_string_equal(json_str_or(x.json, "state", ""), "new"); /* nothing is there yet */
    assert_null(json_get(x.json, "place.cert_path"));
    (void)ask(&d, 400, "PATCH", path, "{\"place\":{\"combined_path\":\"all\"}}");
    x = ask(&d, 200, "GET", "/bindings?cert=a.example&target=t1", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    assert_int_equal(json_i64_or(x.json, "items.0.id", 0), one);
    (void)ask(&d, 404, "GET", "/bindings?target=none", NULL);
    (void)ask(&d, 200, "DELETE", path, NULL);
    (void)ask(&d, 404, "GET", path, NULL);
    (void)ask(&d, 404, "DELETE", path, NULL);
    api_rig_end(&d.r);
}

static int64_t deploy(struct desk *d, const char *body)
{
    struct answer x = ask(d, 202, "POST", "/certs/a.example/deploy", body);
    return json_i64_or(x.json, "job.id", 0);
}

static void a_plan_is_no_deployment(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)bind_to(&d, "t1");
    int64_t plan = deploy(&d, "{\"plan\":true}"), other = deploy(&d, "{\"plan\":true}");
    assert_int_not_equal(plan, other); /* each is looked at anew */
    struct answer x = ask(&d, 200, "GET", "/jobs?kind=plan", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    x = ask(&d, 200, "GET", "/jobs?kind=deploy", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    int64_t job = deploy(&d, "{}");
    assert_int_not_equal(job, plan);
    assert_int_equal(deploy(&d, "{}"), job); /* the same wish again is the same roll-out */
    x = ask(&d, 200, "GET", "/jobs?kind=deploy", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    api_rig_end(&d.r);
}

static void a_roll_out_at_work_is_not_disturbed(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    int64_t one = bind_to(&d, "t1");
    (void)bind_to(&d, "t2");
    int64_t job = deploy(&d, "{}");
    const char *other = arena_printf(d.r.a, "{\"binding\":%lld}", (long long)one);
    struct answer x = ask(&d, 409, "POST", "/certs/a.example/deploy", other);
    assert_string_equal(rig_error(&x), "job.deploying");
    x = ask(&d, 409, "POST", "/certs/a.example/deploy", "{\"target\":\"t2\"}");
    assert_string_equal(rig_error(&x), "job.deploying");
    (void)deploy(&d, "{\"plan\":true,\"target\":\"t2\"}"); /* looking disturbs nobody */
    (void)ask(&d, 200, "POST", arena_printf(d.r.a, "/jobs/%lld/cancel", (long long)job), NULL);
    assert_int_not_equal(deploy(&d, other), job);
    api_rig_end(&d.r);
}

static void what_is_deployed_where(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = ask(&d, 404, "POST", "/certs/a.example/deploy", "{}");
    assert_string_equal(rig_error(&x), "api.no_binding");
    (void)bind_to(&d, "t1");
    (void)ask(&d, 409, "POST", "/bindings",
              "{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":" PLACE "}");
    (void)ask(&d, 201, "POST", "/bindings",
              "{\"cert\":\"a.example\",\"target\":\"t1\",\"place\":{\"cert_path\":\"/c2\","
              "\"key_path\":\"/k2\"}}");
    x = ask(&d, 400, "POST", "/certs/a.example/deploy", "{\"target\":\"t1\"}");
    assert_string_equal(rig_error(&x), "api.bindings_many");
    x = ask(&d, 404, "POST", "/certs/a.example/deploy", "{\"target\":\"t2\"}");
    (void)ask(&d, 404, "POST", "/certs/a.example/deploy", "{\"binding\":999}");
    (void)ask(&d, 400, "POST", "/certs/a.example/deploy", "{\"plan\":\"yes\"}");
    (void)ask(&d, 404, "GET", "/deployments/1", NULL);
    x = ask(&d, 200, "GET", "/deployments", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    api_rig_end(&d.r);
}

static void endpoints_are_watched(void **state)
{
    static const struct {
        const char *body, *field;
    } rows[] = {
        {"{}", "host"},
        {"{\"host\":\"https://a.example\"}", "host"},
        {"{\"host\":\"a.example\",\"port\":0}", "port"},
        {"{\"host\":\"a.example\",\"port\":65536}", "port"},
        {"{\"host\":\"a.example\",\"sni\":\"a b\"}", "sni"},
        {"{\"host\":\"a.example\",\"starttls\":\"ftp\"}", "starttls"},
        {"{\"host\":\"a.example\",\"every\":\"59s\"}", "every"},
        {"{\"host\":\"a.example\",\"every\":\"31d\"}", "every"},
        {"{\"host\":\"a.example\",\"group\":\"none\"}", "group"},
        {"{\"host\":\"a.example\",\"state\":\"ok\"}", "state"},
    };
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, 400, "POST", "/endpoints", rows[i].body);
        assert_string_equal(json_str_or(x.json, "error.field", ""), rows[i].field);
    }
    (void)ask(&d, 404, "POST", "/endpoints", "{\"host\":\"a.example\",\"cert\":\"none\"}");
    static const char *const hows[] = {"none", "smtp", "imap", "pop3", "ldap", "postgres"};
    for (size_t i = 0; i < COUNT_OF(hows); i++) { /* what cannot be looked at is not taken */
        enum starttls how;
        const char *body =
            arena_printf(d.r.a, "{\"host\":\"b%zu.example\",\"starttls\":\"%s\"}", i, hows[i]);
        struct answer y =
            ask(&d, starttls_from_name(hows[i], &how) ? 201 : 400, "POST", "/endpoints", body);
        if (y.status == 201)
            (void)ask(
                &d, 200, "DELETE",
                arena_printf(d.r.a, "/endpoints/%lld", (long long)json_i64_or(y.json, "id", 0)),
                NULL);
    }
    struct answer x = ask(&d, 201, "POST", "/endpoints",
                          "{\"host\":\"a.example\",\"cert\":\"a.example\",\"every\":\"2h\"}");
    const char *path =
        arena_printf(d.r.a, "/endpoints/%lld", (long long)json_i64_or(x.json, "id", 0));
    assert_int_equal(json_i64_or(x.json, "port", 0), 443);
    assert_string_equal(json_str_or(x.json, "state", ""), "new");
    size_t jobs = json_len(json_get(ask(&d, 200, "GET", "/jobs?kind=watch", NULL).json, "items"));
    x = ask(&d, 200, "GET", "/jobs?kind=watch&limit=1", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.subject_name", ""), "a.example:443");
    (void)ask(&d, 202, "POST", arena_printf(d.r.a, "%s/look", path), NULL);
    x = ask(&d, 200, "GET", "/jobs?kind=watch", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), jobs); /* the one that waits will do */
    x = ask(&d, 200, "PATCH", path, "{\"every\":\"5m\"}");
    assert_int_equal(json_i64_or(x.json, "cert", 0), d.cert); /* what is not said stays */
    x = ask(&d, 200, "PATCH", path, "{\"cert\":null}");
    assert_int_equal(json_type_of(json_get(x.json, "cert")), JSON_NULL);
    assert_int_equal(json_i64_or(x.json, "every", 0), 300);
    (void)ask(&d, 400, "PATCH", path, "{\"host\":\"b.example\"}");
    int64_t seen = json_i64_or(x.json, "revision", 0);
    const char *mine =
        arena_printf(d.r.a, "{\"every\":\"10m\",\"revision\":%lld}", (long long)seen);
    x = ask(&d, 200, "PATCH", path, mine);
    assert_int_equal(json_i64_or(x.json, "revision", 0), seen + 1);
    x = ask(&d, 409, "PATCH", path, mine); /* somebody was first */
    assert_string_equal(rig_error(&x), "api.stale");
    x = ask(&d, 200, "GET", "/endpoints?q=%", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    x = ask(&d, 200, "GET", "/endpoints?q=A.EX", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    x = ask(&d, 200, "GET", arena_printf(d.r.a, "%s/observations", path), NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    (void)ask(&d, 200, "DELETE", path, NULL);
    (void)ask(&d, 404, "GET", path, NULL);
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_as_the_table_allows),
        cmocka_unit_test(bindings_change_and_go),
        cmocka_unit_test(a_plan_is_no_deployment),
        cmocka_unit_test(a_roll_out_at_work_is_not_disturbed),
        cmocka_unit_test(what_is_deployed_where),
        cmocka_unit_test(endpoints_are_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
