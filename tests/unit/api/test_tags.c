/* Tags: kept in one form, changed by whoever may change the certificate, found by the list. */
#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local, op, other, viewer;
    int64_t group, cert;
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
    (void)rig_want(&d->r, &d->local, 201, "POST", "/cas",
                   "{\"name\":\"ca1\",\"type\":\"private\"}");
    d->group = add_group(d, "web");
    d->op = rig_person(&d->r, "op@a.example", "operator", d->group);
    d->other = rig_person(&d->r, "other@a.example", "operator", add_group(d, "db"));
    d->viewer = rig_person(&d->r, "see@a.example", "viewer", d->group);
    struct answer x = rig_want(
        &d->r, &d->local, 201, "POST", "/certs",
        "{\"names\":[\"www.a.example\"],\"ca\":\"ca1\",\"request\":false,\"group\":\"web\","
        "\"tags\":[\"Web\",\" production \",\"WEB\",\"受注\"]}");
    d->cert = json_i64_or(x.json, "cert.id", 0);
    assert_int_equal(json_len(json_get(x.json, "cert.tags")), 3);
    assert_string_equal(json_str_or(x.json, "cert.tags.0", ""), "production");
    assert_string_equal(json_str_or(x.json, "cert.tags.1", ""), "web");
    assert_string_equal(json_str_or(x.json, "cert.tags.2", ""), "受注");
}

static const char *path(struct desk *d, const char *tail)
{
    return arena_printf(d->r.a, "/certs/%lld%s", (long long)d->cert, tail);
}

static size_t count(struct desk *d, const char *list)
{
    struct answer x = rig_want(&d->r, &d->local, 200, "GET", list, NULL);
    return json_len(json_get(x.json, "items"));
}

static void found_by_tag(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    assert_int_equal(count(&d, "/certs?tag=web"), 1);
    assert_int_equal(count(&d, "/certs?tag=WEB,production"), 1);
    assert_int_equal(count(&d, "/certs?tag=web,staging"), 0);
    assert_int_equal(count(&d, "/certs?tag=we"), 0);
    assert_int_equal(count(&d, "/certs?q=#prod"), 1);
    assert_int_equal(count(&d, "/certs?tag=受注"), 1);
    struct answer x = rig_want(&d.r, &d.local, 400, "GET", "/certs?tag=a b", NULL);
    assert_string_equal(json_str_or(x.json, "error.id", ""), "api.tag");
    x = rig_want(&d.r, &d.local, 400, "GET", "/certs?tag=a,b,c,d,e", NULL);
    assert_string_equal(json_str_or(x.json, "error.id", ""), "store.words");
    api_rig_end(&d.r);
}

static void added_and_removed(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = rig_want(&d.r, &d.op, 200, "POST", path(&d, "/tags"),
                               "{\"add\":[\"New\",\"web\"],\"remove\":[\"PRODUCTION\",\"none\"]}");
    assert_int_equal(json_len(json_get(x.json, "tags")), 3);
    assert_string_equal(json_str_or(x.json, "tags.0", ""), "new");
    assert_int_equal(count(&d, "/certs?tag=production"), 0);
    assert_int_equal(count(&d, "/certs?tag=new"), 1);
    x = rig_want(&d.r, &d.local, 200, "GET", "/audit?limit=1", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.action", ""), "tag.put");
    assert_string_equal(json_str_or(x.json, "items.0.detail.before.tags.0", ""), "production");
    assert_string_equal(json_str_or(x.json, "items.0.detail.after.tags.0", ""), "new");
    /* PATCH sets them all, leaves them when they are not named, and takes all away */
    x = rig_want(&d.r, &d.op, 200, "PATCH", path(&d, ""), "{\"tags\":[\"only\"]}");
    assert_int_equal(json_len(json_get(x.json, "tags")), 1);
    x = rig_want(&d.r, &d.op, 200, "PATCH", path(&d, ""), "{\"name\":\"renamed\"}");
    assert_string_equal(json_str_or(x.json, "tags.0", ""), "only");
    x = rig_want(&d.r, &d.op, 200, "PATCH", path(&d, ""), "{\"tags\":[]}");
    assert_int_equal(json_len(json_get(x.json, "tags")), 0);
    api_rig_end(&d.r);
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "a b", "a,b", "#a", "", "\\\"", "a\\u3000b", "12345678901234567890123456789012345678901"};
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *body = arena_printf(d.r.a, "{\"add\":[\"%s\"]}", bad[i]);
        struct answer x = rig_want(&d.r, &d.op, 400, "POST", path(&d, "/tags"), body);
        assert_true(json_str_or(x.json, "error.message.ja", "")[0]);
    }
    AUTO(buf) struct buf many = BUF(4096);
    for (int i = 0; i < 18; i++)
        buf_addf(&many, "%s\"t%d\"", i ? "," : "", i);
    const char *body = arena_printf(d.r.a, "{\"add\":[%s]}", buf_cstr(&many));
    struct answer x = rig_want(&d.r, &d.op, 400, "POST", path(&d, "/tags"), body);
    assert_string_equal(json_str_or(x.json, "error.id", ""), "api.tags_many");
    x = rig_want(&d.r, &d.local, 200, "GET", path(&d, ""), NULL);
    assert_int_equal(json_len(json_get(x.json, "tags")), 3); /* nothing came of all that */
    api_rig_end(&d.r);
}

static void seen_and_changed_within_the_group(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)rig_want(&d.r, &d.viewer, 403, "POST", path(&d, "/tags"), "{\"add\":[\"x\"]}");
    (void)rig_want(&d.r, &d.other, 404, "POST", path(&d, "/tags"), "{\"add\":[\"x\"]}");
    struct answer x = rig_want(&d.r, &d.viewer, 200, "GET", "/tags", NULL);
    assert_int_equal(json_len(json_get(x.json, "tags")), 3);
    x = rig_want(&d.r, &d.other, 200, "GET", "/tags", NULL);
    assert_int_equal(json_len(json_get(x.json, "tags")), 0);
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_tag),
        cmocka_unit_test(added_and_removed),
        cmocka_unit_test(refused),
        cmocka_unit_test(seen_and_changed_within_the_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
