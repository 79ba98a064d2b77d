/* Saved views: a person's own, shown to a group when shared, removed only by who made them. */
#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local, one, two, far;
};

static int64_t add_group(struct desk *d, const char *name)
{
    const char *body = arena_printf(d->r.a, "{\"name\":\"%s\"}", name);
    struct answer x = rig_want(&d->r, &d->local, 201, "POST", "/groups", body);
    return json_i64_or(x.json, "id", 0);
}

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    int64_t web = add_group(d, "web");
    d->one = rig_person(&d->r, "one@a.example", "viewer", web);
    d->two = rig_person(&d->r, "two@a.example", "operator", web);
    d->far = rig_person(&d->r, "far@a.example", "operator", add_group(d, "db"));
}

static struct answer views(struct desk *d, const struct who *who)
{
    return rig_want(&d->r, who, 200, "GET", "/views?screen=certs", NULL);
}

static size_t count(struct desk *d, const struct who *who)
{
    return json_len(json_get(views(d, who).json, "items"));
}

static void of_oneself(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = rig_want(&d.r, &d.one, 201, "POST", "/views",
                               "{\"name\":\"期限切れ\",\"query\":\"state=expired&sort=name\"}");
    int64_t id = json_i64_or(x.json, "id", 0);
    assert_true(json_bool_or(x.json, "mine", false));
    assert_int_equal(count(&d, &d.one), 1);
    assert_int_equal(count(&d, &d.two), 0);
    /* the same name is the same view */
    x = rig_want(&d.r, &d.one, 201, "POST", "/views",
                 "{\"name\":\"期限切れ\",\"query\":\"state=drift\"}");
    assert_int_equal(json_i64_or(x.json, "id", 0), id);
    x = views(&d, &d.one);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    assert_string_equal(json_str_or(x.json, "items.0.query", ""), "state=drift");
    const char *path = arena_printf(d.r.a, "/views/%lld", (long long)id);
    (void)rig_want(&d.r, &d.two, 404, "DELETE", path, NULL);
    (void)rig_want(&d.r, &d.one, 200, "DELETE", path, NULL);
    (void)rig_want(&d.r, &d.one, 404, "DELETE", path, NULL);
    assert_int_equal(count(&d, &d.one), 0);
    api_rig_end(&d.r);
}

static void shared_with_a_group(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = rig_want(&d.r, &d.one, 201, "POST", "/views",
                               "{\"name\":\"ours\",\"query\":\"tag=web\",\"group\":\"web\"}");
    const char *path = arena_printf(d.r.a, "/views/%lld", (long long)json_i64_or(x.json, "id", 0));
    assert_string_equal(json_str_or(x.json, "group", ""), "web");
    x = views(&d, &d.two);
    assert_string_equal(json_str_or(x.json, "items.0.name", ""), "ours");
    assert_false(json_bool_or(x.json, "items.0.mine", true));
    assert_int_equal(count(&d, &d.far), 0);
    (void)rig_want(&d.r, &d.two, 404, "DELETE", path, NULL);
    x = rig_want(&d.r, &d.one, 400, "POST", "/views", "{\"name\":\"x\",\"group\":\"db\"}");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "group");
    api_rig_end(&d.r);
}

static void limits(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    for (int i = 0; i < 100; i++)
        (void)rig_want(&d.r, &d.one, 201, "POST", "/views",
                       arena_printf(d.r.a, "{\"name\":\"v%d\"}", i));
    struct answer x = rig_want(&d.r, &d.one, 409, "POST", "/views", "{\"name\":\"more\"}");
    assert_string_equal(json_str_or(x.json, "error.id", ""), "api.views_full");
    (void)rig_want(&d.r, &d.one, 201, "POST", "/views", "{\"name\":\"v7\",\"query\":\"q=x\"}");
    assert_int_equal(count(&d, &d.one), 100);
    (void)rig_want(&d.r, &d.two, 201, "POST", "/views", "{\"name\":\"more\"}");
    (void)rig_want(&d.r, &d.two, 400, "POST", "/views", "{\"name\":\"\"}");
    (void)rig_want(&d.r, &d.two, 400, "POST", "/views", "{\"name\":\"x\",\"screen\":\"none\"}");
    (void)rig_want(&d.r, &d.local, 403, "GET", "/views", NULL); /* nobody's */
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_oneself),
        cmocka_unit_test(shared_with_a_group),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
