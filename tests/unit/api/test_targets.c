/*
 * The list of targets, and deployments, applications and jobs as their screens ask for them: what
 * is typed finds, states narrow, pages go on where they ended, and nonsense is named.
 */
#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local;
};

static struct answer ask(struct desk *d, int status, const char *method, const char *path,
                         const char *body)
{
    return rig_want(&d->r, &d->local, status, method, path, body);
}

static size_t count(struct desk *d, const char *path)
{
    return json_len(json_get(ask(d, 200, "GET", path, NULL).json, "items"));
}

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    (void)ask(d, 201, "POST", "/targets",
              "{\"name\":\"Web-2\",\"type\":\"nginx\",\"settings\":{\"via\":\"ssh\","
              "\"host\":\"b.example\",\"user\":\"u\",\"private_key\":\"KEYTEXT\",\"host_key\":"
              "\"ssh-ed25519 AAAA\"}}");
    (void)ask(d, 201, "POST", "/targets", "{\"name\":\"edge\",\"type\":\"nginx\"}");
    (void)ask(d, 201, "POST", "/targets", "{\"name\":\"files\",\"type\":\"files\"}");
    (void)ask(d, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    (void)ask(d, 201, "POST", "/certs",
              "{\"names\":[\"www.a.example\"],\"ca\":\"own\",\"request\":false}");
    (void)ask(d, 201, "POST", "/bindings",
              "{\"cert\":\"www.a.example\",\"target\":\"edge\",\"place\":{\"cert_path\":\"/"
              "c\",\"key_path\":\"/k\"}}");
}

static void targets(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = ask(&d, 200, "GET", "/targets", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 3);
    assert_string_equal(json_str_or(x.json, "items.0.name", ""), "Web-2");
    assert_string_equal(json_str_or(x.json, "items.0.applied", ""), "unused");
    assert_string_equal(json_str_or(x.json, "items.0.address", ""), "b.example");
    assert_string_equal(json_str_or(x.json, "items.1.applied", ""), "new");
    assert_int_equal(json_i64_or(x.json, "items.1.certs", -1), 1);
    assert_null(json_str_or(x.json, "items.1.applied_at", NULL));
    assert_null(strstr(x.text, "KEYTEXT")); /* masked in this list as well */
    assert_int_equal(count(&d, "/targets?q=B.EXAMPLE"), 1);
    assert_int_equal(count(&d, "/targets?q=NginX"), 2); /* by its type */
    assert_int_equal(count(&d, "/targets?q=none"), 0);
    assert_int_equal(count(&d, "/targets?type=files"), 1);
    assert_int_equal(count(&d, "/targets?state=new"), 1);
    assert_int_equal(count(&d, "/targets?state=new,unused"), 3);
    assert_int_equal(count(&d, "/targets?state=failed"), 0);
    x = ask(&d, 200, "GET", "/targets?sort=-name&limit=2", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.name", ""), "files");
    const char *next = json_str_or(x.json, "next", "");
    x = ask(&d, 200, "GET", arena_printf(d.r.a, "/targets?sort=-name&limit=2&after=%s", next),
            NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    assert_string_equal(json_str_or(x.json, "items.0.name", ""), "Web-2");
    assert_null(json_str_or(x.json, "next", NULL));
    api_rig_end(&d.r);
}

static void nonsense_is_named(void **state)
{
    static const struct {
        const char *path, *field;
    } rows[] = {{"/targets?state=good", "state"},   {"/targets?sort=type", "sort"},
                {"/targets?after=x:y", "after"},    {"/deployments?state=new", "state"},
                {"/orders?state=running", "state"}, {"/jobs?state=open", "state"}};
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, 400, "GET", rows[i].path, NULL);
        assert_string_equal(json_str_or(x.json, "error.field", ""), rows[i].field);
    }
    api_rig_end(&d.r);
}

/* As long as it may be, in characters that stand for themselves only with an escape. */
static void texts_have_an_end(void **state)
{
    static const char *const lists[] = {"/targets", "/deployments", "/orders", "/jobs"};
    char text[258];
    struct desk d;
    (void)state;
    desk_open(&d);
    memset(text, '!', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct answer x = ask(&d, 400, "GET", arena_printf(d.r.a, "%s?q=%s", lists[i], text), NULL);
        assert_string_equal(json_str_or(x.json, "error.id", ""), "api.q_long");
        assert_int_equal(count(&d, arena_printf(d.r.a, "%s?q=%s", lists[i], text + 1)), 0);
    }
    api_rig_end(&d.r);
}

static void work_is_found(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 202, "POST", "/certs/www.a.example/renew", "{}");
    (void)ask(&d, 202, "POST", "/targets/edge/check", "{}");
    assert_int_equal(count(&d, "/jobs?q=a.exam&work=1"), 1);
    assert_int_equal(count(&d, "/jobs?q=EDGE"), 1);
    assert_int_equal(count(&d, "/jobs?q=a.exam&state=failed"), 0);
    assert_int_equal(count(&d, "/jobs?q=nothing"), 0);
    AUTO(db) struct db *db = NULL;
    struct cert c;
    OK(store_begin(d.r.store, &db, err));
    OK(db_cert_find(db, "www.a.example", d.r.a, &c, err));
    struct order o = {
        .cert_id = c.id, .state = ORDER_FAILED, .created = RIG_NOW, .updated = RIG_NOW};
    struct deployment dep = {.cert_id = c.id,
                             .version_id = 1,
                             .state = DEPLOYMENT_UNDONE,
                             .created = RIG_NOW,
                             .updated = RIG_NOW};
    OK(db_order_add(db, &o, err));
    OK(db_deployment_add(db, &dep, err));
    struct binding_list b;
    OK(db_binding_list(db, c.id, 0, d.r.a, &b, err));
    struct deploy_item it = {
        .deployment_id = dep.id, .binding_id = b.v[0].id, .state = ITEM_UNDONE};
    OK(db_item_add(db, &it, err));
    OK(db_commit(&db, err));
    assert_int_equal(count(&d, "/orders?q=www&state=failed"), 1);
    assert_int_equal(count(&d, "/orders?state=done"), 0);
    assert_int_equal(count(&d, "/orders?q=ww.a"), 0); /* not the start of a word */
    struct answer x = ask(&d, 200, "GET", "/deployments?q=edge&state=undone", NULL);
    assert_int_equal(json_i64_or(x.json, "items.0.targets.total", -1), 1);
    assert_int_equal(json_i64_or(x.json, "items.0.targets.deployed", -1), 0);
    assert_int_equal(count(&d, "/deployments?target=edge"), 1);
    assert_int_equal(count(&d, "/deployments?target=files"), 0);
    assert_int_equal(count(&d, "/deployments?state=done"), 0);
    api_rig_end(&d.r);
}

static void endpoints_of_a_target(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/endpoints", "{\"host\":\"b.example\",\"port\":443}");
    (void)ask(&d, 201, "POST", "/endpoints",
              "{\"host\":\"www.a.example\",\"port\":443,\"cert\":\"www.a.example\"}");
    struct answer x = ask(&d, 200, "GET", "/endpoints?target=Web-2", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    assert_string_equal(json_str_or(x.json, "items.0.host", ""), "b.example");
    x = ask(&d, 200, "GET", "/endpoints?target=edge", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.host", ""), "www.a.example");
    assert_int_equal(count(&d, "/endpoints?target=files"), 0);
    api_rig_end(&d.r);
}

static void views_of_every_list(void **state)
{
    static const char *const screens[] = {"audit",  "certs",   "deployments",
                                          "orders", "targets", "watch"};
    struct desk d;
    (void)state;
    desk_open(&d);
    struct who one = rig_person(&d.r, "one@a.example", "viewer", 0);
    for (size_t i = 0; i < COUNT_OF(screens); i++) {
        const char *body = arena_printf(
            d.r.a, "{\"screen\":\"%s\",\"name\":\"mine\",\"query\":\"q=%zu\"}", screens[i], i);
        (void)rig_want(&d.r, &one, 201, "POST", "/views", body);
    }
    for (size_t i = 0; i < COUNT_OF(screens); i++) {
        struct answer x = rig_want(&d.r, &one, 200, "GET",
                                   arena_printf(d.r.a, "/views?screen=%s", screens[i]), NULL);
        assert_int_equal(json_len(json_get(x.json, "items")), 1);
        assert_string_equal(json_str_or(x.json, "items.0.query", ""),
                            arena_printf(d.r.a, "q=%zu", i));
    }
    (void)rig_want(&d.r, &one, 400, "POST", "/views", "{\"screen\":\"other\",\"name\":\"x\"}");
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(work_is_found),
        cmocka_unit_test(texts_have_an_end),
        cmocka_unit_test(endpoints_of_a_target),
        cmocka_unit_test(views_of_every_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
