/* The vendor's desk at the API: orders by the calendar, the April run, cancelling, links, money. */
#include "api_rig.h"

#include "api/share.h"
#include "model/calendar.h"

static struct who local;

static struct answer want(struct api_rig *r, int status, const char *method, const char *path,
                          const char *body)
{
    return rig_want(r, &local, status, method, path, body);
}

static void at(struct api_rig *r, const char *day)
{
    int64_t d = 0;
    assert_true(day_parse(day, &d));
    r->clock.offset = jst_midnight(d) + 10 * 3600 * USEC_PER_SEC; /* ten in the morning */
}

static void start(struct api_rig *r)
{
    local = rig_local();
    api_rig_bare(r);
    rig_desk(r);
}

static void customer(struct api_rig *r, const char *name, const char *installation)
{
    (void)want(r, 201, "POST", "/vendor/customers",
               arena_printf(r->a,
                            "{\"name\":\"%s\",\"mail\":\"%s@a.example\",\"installation\":"
                            "\"%s\"}",
                            name, name, installation));
}

static int64_t order(struct api_rig *r, const char *name, const char *kind, int basics, int servers)
{
    struct answer x = want(r, 201, "POST", "/vendor/orders",
                           arena_printf(r->a,
                                        "{\"customer\":\"%s\",\"kind\":\"%s\",\"basics\":%d,"
                                        "\"servers\":%d}",
                                        name, kind, basics, servers));
    return json_i64_or(x.json, "id", 0);
}

static struct answer accept_order(struct api_rig *r, int status, int64_t id)
{
    return want(r, status, "POST", arena_printf(r->a, "/vendor/orders/%lld/accept", (long long)id),
                NULL);
}

static struct answer issue(struct api_rig *r, int status, int64_t id)
{
    return want(r, status, "POST", "/vendor/licences",
                arena_printf(r->a, "{\"order\":%lld}", (long long)id));
}

static void is(const struct answer *x, const char *path, const char *text)
{
    const char *got = json_str_or(x->json, path, "(none)");
    if (strcmp(got, text) != 0)
        fail_msg("%s is %s, not %s: %s", path, got, text, x->text);
}

static void from_order_to_licence_by_the_calendar(void **state)
{
    struct api_rig r;
    (void)state;
    start(&r);
    at(&r, "2023-11-22");
    int64_t id = order(&r, "Self", "basic", 2, 1);
    struct answer x = accept_order(&r, 409, id);
    assert_string_equal(rig_error(&x), "vendor.too_early");
    (void)issue(&r, 409, id); /* not accepted */
    at(&r, "2023-11-23");     /* a holiday */
    (void)accept_order(&r, 409, id);
    at(&r, "2023-11-24");
    x = accept_order(&r, 200, id);
    is(&x, "share_due", "2023-12-01");
    is(&x, "starts_on", "2023-11-01");
    is(&x, "ends_on", "2025-03-31");
    (void)accept_order(&r, 409, id); /* once */
    x = issue(&r, 201, id);
    is(&x, "licence.plan", "basic-server");
    is(&x, "licence.begins_on", "2023-11-22");
    assert_int_equal(json_i64_or(x.json, "licence.certificates", 0), 2);
    assert_int_equal(json_i64_or(x.json, "licence.targets", 0), 3);
    (void)issue(&r, 409, id); /* once */
    /* what was issued is what the customer's side takes */
    AUTO(buf) struct buf b = BUF(32768);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "file", json_str_or(x.json, "licence.file", ""));
    jw_end_object(&w);
    x = want(&r, 200, "POST", "/licence", arena_str(r.a, buf_str(&b)));
    is(&x, "last_day", "2025-03-31");
    is(&x, "licensee", "Self");
    /* an option late in the month begins with the next one, under the first-licence rule */
    at(&r, "2024-03-27");
    id = order(&r, "Self", "option", 0, 4);
    at(&r, "2024-03-28");
    (void)accept_order(&r, 200, id);
    x = issue(&r, 201, id);
    is(&x, "licence.begins_on", "2024-04-01");
    is(&x, "licence.ends_on", "2025-03-31");
    assert_int_equal(json_i64_or(x.json, "licence.targets", 0), 7);
    api_rig_end(&r);
}

static void meets_is_changed_not_extended(void **state)
{
    struct api_rig r;
    (void)state;
    start(&r);
    at(&r, "2026-06-01");
    int64_t id = order(&r, "Self", "meets", 0, 0);
    at(&r, "2026-06-02");
    (void)accept_order(&r, 200, id);
    struct answer x = issue(&r, 201, id);
    is(&x, "licence.plan", "meets");
    x = want(&r, 409, "POST", "/vendor/orders",
             "{\"customer\":\"Self\",\"kind\":\"option\",\"servers\":1}");
    assert_string_equal(rig_error(&x), "vendor.not_extendable");
    x = want(&r, 409, "POST", "/vendor/orders", "{\"customer\":\"Self\",\"kind\":\"meets\"}");
    x = want(&r, 409, "POST", "/vendor/orders", "{\"customer\":\"Self\",\"kind\":\"basic\"}");
    assert_string_equal(rig_error(&x), "vendor.convert_first");
    id = order(&r, "Self", "convert", 1, 2);
    at(&r, "2026-06-03");
    (void)accept_order(&r, 200, id);
    x = issue(&r, 201, id);
    is(&x, "licence.plan", "basic-server");
    assert_int_equal(json_i64_or(x.json, "licence.targets", 0), 3);
    api_rig_end(&r);
}

static void paid(struct api_rig *r, const char *name)
{
    at(r, "2025-06-02");
    int64_t id = order(r, name, "basic", 1, 0);
    at(r, "2025-06-03");
    (void)accept_order(r, 200, id);
    (void)issue(r, 201, id);
}

static void renewals_in_april_only_and_once(void **state)
{
    struct api_rig r;
    (void)state;
    start(&r);
    customer(&r, "beta", "22222222222222222222222222222222");
    customer(&r, "gamma", "33333333333333333333333333333333");
    paid(&r, "Self");
    paid(&r, "beta");
    at(&r, "2026-03-31");
    struct answer x = want(&r, 409, "POST", "/vendor/renewals", NULL);
    assert_string_equal(rig_error(&x), "vendor.not_april");
    at(&r, "2026-04-01");
    x = want(&r, 200, "POST", "/vendor/renewals", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2); /* gamma has ordered nothing */
    is(&x, "items.0.ends_on", "2028-03-31");
    assert_false(json_bool_or(x.json, "more", true));
    x = want(&r, 200, "POST", "/vendor/renewals", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    at(&r, "2026-04-30");
    x = want(&r, 200, "POST", "/vendor/renewals", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    at(&r, "2026-05-01");
    (void)want(&r, 409, "POST", "/vendor/renewals", NULL);
    at(&r, "2027-04-15");
    x = want(&r, 200, "POST", "/vendor/renewals", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    is(&x, "items.0.ends_on", "2029-03-31");
    api_rig_end(&r);
}

static void cancelling(void **state)
{
    struct api_rig r;
    (void)state;
    start(&r);
    paid(&r, "Self");
    at(&r, "2026-11-20");
    struct answer x = want(&r, 200, "GET", "/vendor/customers/Self", NULL);
    const char *code = json_str_or(x.json, "service_code", "");
    x = want(&r, 200, "GET", "/vendor/licences", NULL);
    const char *file = json_str_or(x.json, "items.0.file_name", "");
    static const char *const bad[] = {"{}", "{\"service_code\":\"%s\"}",
                                      "{\"service_code\":\"%s\",\"file_name\":\"inro-x.lic\"}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(buf) struct buf b = BUF(512);
        const char *p = strstr(bad[i], "%s");
        buf_add(&b, bad[i], p ? (size_t)(p - bad[i]) : strlen(bad[i]));
        buf_adds(&b, p ? code : "");
        buf_adds(&b, p ? p + 2 : "");
        x = want(&r, 400, "POST", "/vendor/cancellations", arena_str(r.a, buf_str(&b)));
        assert_string_equal(rig_error(&x), "vendor.proof");
    }
    x = want(&r, 400, "POST", "/vendor/cancellations",
             arena_printf(r.a, "{\"service_code\":\"000000000000\",\"file_name\":\"%s\"}", file));
    x = want(&r, 200, "POST", "/vendor/cancellations",
             arena_printf(r.a, "{\"service_code\":\"%s\",\"file_name\":\"%s\"}", code, file));
    is(&x, "ends_on", "2026-11-30"); /* accepted on the 20th */
    at(&r, "2027-04-01");
    x = want(&r, 200, "POST", "/vendor/renewals", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    api_rig_end(&r);
}

static void money(void **state)
{
    struct api_rig r;
    (void)state;
    start(&r);
    customer(&r, "=cmd", "22222222222222222222222222222222");
    paid(&r, "=cmd");
    (void)want(&r, 201, "POST", "/vendor/fees",
               "{\"item\":\"basic\",\"yen\":12000,\"from\":\"2025-01\"}");
    (void)want(&r, 201, "POST", "/vendor/fees",
               "{\"item\":\"basic\",\"yen\":13000,\"from\":\"2026-01\"}");
    (void)want(&r, 400, "POST", "/vendor/fees", "{\"item\":\"basic\",\"yen\":1,\"from\":\"2026\"}");
    struct answer x = want(&r, 200, "GET", "/vendor/statements/2025-05", NULL);
    assert_int_equal(json_i64_or(x.json, "total", -1), 0);
    x = want(&r, 200, "GET", "/vendor/statements/2025-06", NULL);
    assert_int_equal(json_i64_or(x.json, "total", -1), 12000);
    x = want(&r, 200, "GET", "/vendor/statements/2026-01?format=csv&lang=ja", NULL);
    assert_string_equal(x.type, "text/csv; charset=utf-8");
    assert_non_null(strstr(x.text, "\"'=cmd\",\"ベーシック\",1,13000,13000\r\n")); /* no formula */
    assert_non_null(strstr(x.text, "\"合計\",,,13000\r\n"));
    x = want(&r, 200, "GET", "/vendor/fees?format=csv&lang=en", NULL);
    assert_non_null(strstr(x.text, "\"Basic\",\"2026-01\",13000\r\n"));
    x = want(&r, 200, "POST", "/vendor/ledger/verify", NULL);
    assert_true(json_i64_or(x.json, "entries", 0) > 5);
    api_rig_end(&r);
}

static enum rc share(struct api_rig *r, const char *path, struct share_answer *ret)
{
    return share_find(r->store, path, "192.0.2.9", clock_now(&r->clock), r->a, ret, NULL);
}

/* A link is all one needs, opens one customer's folder, ends by itself, and leads nowhere else. */
static void share_links(void **state)
{
    struct api_rig r;
    struct share_answer s;
    (void)state;
    start(&r);
    customer(&r, "beta", "22222222222222222222222222222222");
    paid(&r, "Self");
    paid(&r, "beta");
    struct answer x = want(&r, 201, "POST", "/vendor/shares", "{\"customer\":\"Self\",\"days\":5}");
    const char *path = json_str_or(x.json, "path", "");
    x = want(&r, 200, "GET", "/vendor/licences", NULL);
    const char *own = json_str_or(x.json, "items.0.file_name", ""),
               *other = json_str_or(x.json, "items.1.file_name", "");
    assert_int_equal(share(&r, path, &s), RC_OK);
    assert_non_null(strstr(s.body.p, own));
    assert_null(strstr(s.body.p, other));
    assert_int_equal(share(&r, arena_printf(r.a, "%s%s", path, own), &s), RC_OK);
    assert_true(str_starts(s.body, "inro-licence 1\n"));
    assert_int_equal(share(&r, arena_printf(r.a, "%svendor-key.txt", path), &s), RC_OK);
    assert_true(str_starts(s.body, "inro-vendor-key 1 "));
    const char *const no[] = {"../master.key",   "..%2fmaster.key", "/etc/passwd", ".", "..", "//",
                              "vendor-key.txt/", "inro.db",         other};
    for (size_t i = 0; i < COUNT_OF(no); i++)
        assert_int_equal(share(&r, arena_printf(r.a, "%s%s", path, no[i]), &s), RC_NOT_FOUND);
    assert_int_equal(share(&r, "/share/", &s), RC_NOT_FOUND);
    assert_int_equal(share(&r, "/share/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/", &s),
                     RC_NOT_FOUND);
    assert_int_equal(share(&r, arena_printf(r.a, "%.*s", (int)strlen(path) - 1, path), &s),
                     RC_NOT_FOUND);
    /* the token is nowhere in the store, what was fetched is in the audit log */
    x = want(&r, 200, "GET", "/vendor/shares", NULL);
    assert_int_equal(json_i64_or(x.json, "items.0.hits", 0), 2);
    assert_null(strstr(x.text, path));
    x = want(&r, 200, "GET", "/audit", NULL);
    assert_non_null(strstr(x.text, "share.fetch"));
    assert_null(strstr(x.text, path));
    rig_pass(&r, 5 * USEC_PER_DAY);
    assert_int_equal(share(&r, path, &s), RC_NOT_FOUND);
    x = want(&r, 201, "POST", "/vendor/shares", "{\"customer\":\"Self\"}");
    path = json_str_or(x.json, "path", "");
    assert_int_equal(share(&r, path, &s), RC_OK);
    (void)want(&r, 200, "DELETE", "/vendor/shares/2", NULL);
    assert_int_equal(share(&r, path, &s), RC_NOT_FOUND);
    api_rig_end(&r);
}

/* Another installation of the same customer: issued again for it, and for it only. */
static void a_new_installation_is_issued_for_again(void **state)
{
    struct api_rig r;
    (void)state;
    start(&r);
    (void)want(&r, 201, "POST", "/vendor/customers",
               "{\"name\":\"late\",\"mail\":\"l@a.example\"}");
    at(&r, "2025-06-02");
    int64_t id = order(&r, "late", "basic", 1, 0);
    at(&r, "2025-06-03");
    (void)accept_order(&r, 200, id);
    struct answer x = issue(&r, 409, id);
    assert_string_equal(rig_error(&x), "vendor.no_installation");
    (void)want(&r, 200, "PATCH", "/vendor/customers/late",
               "{\"installation\":\"44444444444444444444444444444444\"}");
    (void)issue(&r, 201, id);
    (void)want(&r, 400, "PATCH", "/vendor/customers/late", "{\"installation\":\"x\"}");
    (void)want(&r, 200, "PATCH", "/vendor/customers/late",
               "{\"installation\":\"55555555555555555555555555555555\"}");
    x = want(&r, 201, "POST", "/vendor/licences", "{\"customer\":\"late\"}");
    is(&x, "licence.installation", "55555555555555555555555555555555");
    is(&x, "licence.ends_on", "2027-03-31");
    api_rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_order_to_licence_by_the_calendar),
        cmocka_unit_test(meets_is_changed_not_extended),
        cmocka_unit_test(renewals_in_april_only_and_once),
        cmocka_unit_test(cancelling),
        cmocka_unit_test(money),
        cmocka_unit_test(share_links),
        cmocka_unit_test(a_new_installation_is_issued_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
