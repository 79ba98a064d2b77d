/*
 * Certificates through the API: made once whatever is repeated, paged and searched without a row
 * lost or shown twice, changed only by who saw the latest, removed only when nothing hangs on them.
 */
#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local;
};

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    (void)rig_want(&d->r, &d->local, 201, "POST", "/cas",
                   "{\"name\":\"ca1\",\"type\":\"private\"}");
    d->r.wakes = 0;
}

static struct answer ask(struct desk *d, int status, const char *method, const char *path,
                         const char *body)
{
    return rig_want(&d->r, &d->local, status, method, path, body);
}

static int64_t add(struct desk *d, const char *name)
{
    const char *body = arena_printf(d->r.a,
                                    "{\"names\":[\"www.a.example\"],\"ca\":\"ca1\",\"name\":\"%s\","
                                    "\"request\":false}",
                                    name);
    return json_i64_or(ask(d, 201, "POST", "/certs", body).json, "cert.id", 0);
}

static size_t count(struct desk *d, const char *list)
{
    return json_len(json_get(ask(d, 200, "GET", list, NULL).json, "items"));
}

static void create_names_and_job(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = ask(&d, 201, "POST", "/certs",
                          "{\"names\":[\"WWW.A.example.\",\"www.a.example\",\"日本.example\","
                          "\"*.a.example\",\"192.0.2.7\"],\"ca\":\"ca1\"}");
    assert_string_equal(json_str_or(x.json, "cert.name", ""), "www.a.example");
    assert_int_equal(json_len(json_get(x.json, "cert.names")), 4); /* the same one counts once */
    assert_string_equal(json_str_or(x.json, "cert.names.1", ""), "xn--wgv71a.example");
    assert_string_equal(json_str_or(x.json, "job.kind", ""), "issue");
    assert_string_equal(json_str_or(x.json, "job.subject_name", ""), "www.a.example");
    assert_int_equal(json_i64_or(x.json, "cert.job", -1), json_i64_or(x.json, "job.id", 0));
    assert_int_equal(d.r.wakes, 1);
    api_rig_end(&d.r);
}

/* Before anything is made: what covers the names already, also by a wildcard, and whose name it is.
 */
static void checked_against_what_is_there(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/certs",
              "{\"names\":[\"*.a.example\",\"b.example\"],\"ca\":\"ca1\",\"name\":\"wild\","
              "\"request\":false}");
    struct answer x = ask(&d, 200, "POST", "/certs/check",
                          "{\"names\":[\"c.example\",\"x.a.example\",\"y.x.a.example\","
                          "\"b.example\",\"a.example\"],\"ca\":\"ca1\"}");
    const struct json *there = json_get(x.json, "existing");
    assert_int_equal(json_len(there), 2);
    assert_string_equal(json_str_or(there, "0.name", ""), "x.a.example");
    assert_string_equal(json_str_or(there, "0.cert_name", ""), "wild");
    assert_string_equal(json_str_or(there, "1.name", ""), "b.example");
    assert_false(json_bool_or(x.json, "name_taken", true));
    x = ask(&d, 200, "POST", "/certs/check",
            "{\"names\":[\"c.example\"],\"ca\":\"ca1\",\"name\":\"wild\"}");
    assert_true(json_bool_or(x.json, "name_taken", false));
    /* What is wrong with the proof does not keep the names from being looked at. */
    (void)ask(&d, 201, "POST", "/cas",
              "{\"name\":\"acme\",\"type\":\"acme\",\"settings\":{\"directory\":"
              "\"https://a.example/d\"}}");
    x = ask(&d, 200, "POST", "/certs/check",
            "{\"names\":[\"*.D.example\",\"b.example\"],\"ca\":\"acme\"}");
    assert_string_equal(json_str_or(x.json, "fault.id", ""), "api.wildcard_dns");
    assert_string_equal(json_str_or(x.json, "names.0", ""), "*.d.example");
    assert_int_equal(json_len(json_get(x.json, "existing")), 1);
    api_rig_end(&d.r);
}

static void create_refuses(void **state)
{
    static const struct {
        const char *body, *field;
    } rows[] = {
        {"{\"ca\":\"ca1\"}", "names"},
        {"{\"names\":[],\"ca\":\"ca1\"}", "names"},
        {"{\"names\":[\"a b\"],\"ca\":\"ca1\"}", "names"},
        {"{\"names\":[\"a.example\",\"-\"],\"ca\":\"ca1\"}", "names"},
        {"{\"names\":[\"a.*.example\"],\"ca\":\"ca1\"}", "names"},
        {"{\"names\":[\"a.example\"]}", "ca"},
        {"{\"names\":[\"a.example\"],\"ca\":\"none\"}", "ca"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"key\":\"rsa1024\"}", "key"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"name\":\"12\"}", "name"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"name\":\"a/b\"}", "name"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"group\":\"none\"}", "group"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"policy\":7}", "policy"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"policy\":{\"x\":1}}", "policy.x"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"policy\":{\"validity\":\"1d\","
         "\"renew_before\":\"1d\"}}",
         "policy.renew_before"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"challenge\":{\"type\":\"none\"}}",
         "challenge"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"challenge\":{\"directory\":\"/w\"}}",
         "challenge.directory"},
        {"{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"extra\":1}", "extra"},
    };
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, 400, "POST", "/certs", rows[i].body);
        const char *field = json_str_or(x.json, "error.field", "");
        if (strcmp(field, rows[i].field) != 0)
            fail_msg("%s: %s instead of %s", rows[i].body, field, rows[i].field);
        assert_true(json_str_or(x.json, "error.message.ja", "")[0]);
    }
    assert_int_equal(count(&d, "/certs"), 0);
    assert_int_equal(count(&d, "/jobs?kind=issue"), 0);
    assert_int_equal(d.r.wakes, 0);
    api_rig_end(&d.r);
}

static void repeated_is_once(void **state)
{
    static const char *const body =
        "{\"names\":[\"a.example\",\"b.example\"],\"ca\":\"ca1\",\"name\":\"one\"}";
    struct desk d;
    (void)state;
    desk_open(&d);
    struct who keyed = rig_local();
    keyed.extra_name = "Idempotency-Key";
    keyed.extra_value = "k-1";
    struct answer first = rig_want(&d.r, &keyed, 201, "POST", "/certs", body);
    struct answer again =
        rig_want(&d.r, &keyed, 200, "POST", "/certs",
                 "{\"names\":[\"B.example\",\"a.example\"],\"ca\":\"ca1\",\"name\":\"one\"}");
    assert_int_equal(json_i64_or(again.json, "cert.id", -1), json_i64_or(first.json, "cert.id", 0));
    assert_int_equal(json_i64_or(again.json, "job.id", -1), json_i64_or(first.json, "job.id", 0));
    /* the key does not make something else of it, and without it the name is taken */
    struct answer x = rig_want(&d.r, &keyed, 409, "POST", "/certs",
                               "{\"names\":[\"c.example\"],\"ca\":\"ca1\",\"name\":\"one\"}");
    assert_string_equal(rig_error(&x), "api.cert_exists");
    x = ask(&d, 409, "POST", "/certs", body);
    assert_string_equal(rig_error(&x), "api.cert_exists");
    assert_int_equal(count(&d, "/certs"), 1);
    assert_int_equal(count(&d, "/jobs?kind=issue"), 1);
    x = ask(&d, 202, "POST", "/certs/one/renew", "{}"); /* the open job, not a second one */
    assert_int_equal(json_i64_or(x.json, "job.id", -1), json_i64_or(first.json, "job.id", 0));
    api_rig_end(&d.r);
}

/* Several at once are what each alone would be: its job, its line in the audit log. */
static void batch_is_each_of_them(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = ask(&d, 201, "POST", "/certs/batch",
                          "{\"lines\":[\"a.example, b.example\",\"c.example\"],\"ca\":\"ca1\"}");
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    assert_string_equal(json_str_or(x.json, "items.0.cert.name", ""), "a.example");
    assert_string_equal(json_str_or(x.json, "items.0.cert.names.1", ""), "b.example");
    assert_string_equal(json_str_or(x.json, "items.1.cert.name", ""), "c.example");
    assert_true(json_i64_or(x.json, "items.1.job.id", 0) >
                json_i64_or(x.json, "items.0.job.id", 0));
    assert_int_equal(count(&d, "/certs"), 2);
    assert_int_equal(count(&d, "/jobs?kind=issue"), 2);
    assert_int_equal(d.r.wakes, 1);
    x = ask(&d, 200, "GET", "/audit?limit=9&q=cert.create", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    const char *subject = json_str_or(x.json, "items.0.subject", "");
    assert_int_equal(strncmp(subject, "cert/", 5), 0);
    assert_string_equal(json_str_or(x.json, "items.0.detail.after.name", ""), "c.example");
    assert_string_equal(json_str_or(x.json, "items.1.detail.after.name", ""), "a.example");
    api_rig_end(&d.r);
}

static void batch_is_all_or_none(void **state)
{
    static const struct {
        const char *lines, *error;
    } bad[] = {{"\"a.example\",\"bad name\"", NULL},
               {"\"a.example\",\" , \"", "api.batch_empty"},
               {"\"a.example\",\"a.example\"", "api.cert_exists"}};
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *body = arena_printf(d.r.a, "{\"lines\":[%s],\"ca\":\"ca1\"}", bad[i].lines);
        struct answer x = ask(&d, i == 2 ? 409 : 400, "POST", "/certs/batch", body);
        if (bad[i].error)
            assert_string_equal(rig_error(&x), bad[i].error);
        assert_string_equal(json_str_or(x.json, "error.field", ""), i ? "lines" : "lines.names");
    }
    (void)ask(&d, 400, "POST", "/certs/batch", "{\"lines\":[],\"ca\":\"ca1\"}");
    assert_int_equal(count(&d, "/certs"), 0);
    assert_int_equal(count(&d, "/jobs?kind=issue"), 0);
    struct answer x = ask(&d, 200, "GET", "/audit?limit=9&q=cert.create", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    api_rig_end(&d.r);
}

/* Follows `next` to the end: every one of n is met once. */
static void walk(struct desk *d, const char *sort, int limit, size_t n)
{
    const char *after = "";
    bool seen[64] = {0};
    size_t met = 0;
    for (size_t pages = 0; after && pages <= n; pages++) {
        const char *path =
            arena_printf(d->r.a, "/certs?sort=%s&limit=%d&after=%s", sort, limit, after);
        struct answer x = ask(d, 200, "GET", path, NULL);
        const struct json *items = json_get(x.json, "items");
        for (size_t i = 0; i < json_len(items); i++) {
            int64_t id = json_i64_or(json_at(items, i), "id", 0);
            assert_true(id > 0 && id < 64 && !seen[id]);
            seen[id] = true;
            met++;
        }
        after = json_str_or(x.json, "next", NULL);
    }
    if (after || met != n)
        fail_msg("sort=%s limit=%d: %zu of %zu", sort, limit, met, n);
}

static void pages_lose_nothing(void **state)
{
    static const char *const sorts[] = {"name",     "-name",   "created",
                                        "-created", "expires", "-expires"};
    struct desk d;
    (void)state;
    desk_open(&d);
    for (int i = 0; i < 7; i++) {
        (void)add(&d, arena_printf(d.r.a, "n:%d 証明書", i * 5 % 7));
        if (i % 2)
            rig_pass(&d.r, USEC_PER_SEC); /* some share their moment of making */
    }
    for (size_t i = 0; i < COUNT_OF(sorts); i++)
        for (int limit = 1; limit <= 8; limit++)
            walk(&d, sorts[i], limit, 7);
    /* the row a page ended with may be gone when the next one is asked for */
    struct answer x = ask(&d, 200, "GET", "/certs?sort=name&limit=3", NULL);
    const char *next = json_str_or(x.json, "next", "");
    int64_t last = json_i64_or(x.json, "items.2.id", 0);
    (void)ask(&d, 200, "DELETE", arena_printf(d.r.a, "/certs/%lld", (long long)last), NULL);
    x = ask(&d, 200, "GET", arena_printf(d.r.a, "/certs?sort=name&after=%s", next), NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 4);
    assert_string_equal(json_str_or(x.json, "items.0.name", ""), "n:3 証明書");
    api_rig_end(&d.r);
}

static void list_refuses(void **state)
{
    static const struct {
        const char *query, *field;
    } rows[] = {
        {"sort=size", "sort"},       {"sort=--name", "sort"},        {"state=valid,odd", "state"},
        {"limit=0", "limit"},        {"limit=501", "limit"},         {"limit=x", "limit"},
        {"after=x", "after"},        {"after=0:1", "after"},         {"after=1:x", "after"},
        {"end_from=-1", "end_from"}, {"end_before=z", "end_before"},
    };
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x =
            ask(&d, 400, "GET", arena_printf(d.r.a, "/certs?%s", rows[i].query), NULL);
        assert_string_equal(json_str_or(x.json, "error.field", ""), rows[i].field);
    }
    char *far = arena_printf(d.r.a, "/certs?q=%0257d", 0);
    assert_string_equal(json_str_or(ask(&d, 400, "GET", far, NULL).json, "error.id", ""),
                        "api.q_long");
    (void)ask(&d, 404, "GET", "/certs?ca=none", NULL);
    api_rig_end(&d.r);
}

static void search_takes_every_letter_as_it_is(void **state)
{
    static const struct {
        const char *q;
        size_t n;
    } rows[] = {
        {"%", 0},    {"_", 0},      {"!", 0},         {"0%_", 0},
        {"100", 2},  {"1%0", 0},    {"'", 0},         {"\"", 0},
        {"X9", 1},   {"x9", 1},     {"証明", 1},      {"書", 1},
        {"100x", 1}, {"100%_", 1},  {"real!", 1},     {"*0%_", 1},
        {"*'", 1},   {"*_real", 1}, {"*%%", 0},       {"*", 0},
        {"--", 0},   {"% OR ", 0},  {"a.example", 4}, {"WWW.A.EXAMPLE", 4},
    };
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)add(&d, "100%_real!");
    (void)add(&d, "100xreal");
    (void)add(&d, "it's x9");
    (void)add(&d, "証明書");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = count(&d, arena_printf(d.r.a, "/certs?q=%s", rows[i].q));
        if (n != rows[i].n)
            fail_msg("q=%s: %zu instead of %zu", rows[i].q, n, rows[i].n);
    }
    api_rig_end(&d.r);
}

static void changed_by_who_saw_the_latest(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/certs",
              "{\"names\":[\"a.example\"],\"ca\":\"ca1\",\"request\":false,\"policy\":"
              "{\"renew_before\":\"9d\"}}");
    struct answer x = ask(&d, 200, "PATCH", "/certs/a.example", "{\"name\":\"b\",\"revision\":1}");
    assert_int_equal(json_i64_or(x.json, "revision", 0), 2);
    assert_string_equal(json_str_or(x.json, "names.0", ""), "a.example"); /* what is not said */
    assert_int_equal(json_i64_or(x.json, "policy.renew_before", 0), 9 * 86400);
    x = ask(&d, 409, "PATCH", "/certs/b", "{\"name\":\"c\",\"revision\":1}");
    assert_string_equal(rig_error(&x), "api.stale");
    static const struct {
        const char *match;
        int status;
    } rows[] = {{"1", 409}, {"\"1\"", 409}, {"x", 409}, {"\"\"", 409}, {"\"2\"", 200}, {"*", 200}};
    struct who w = rig_local();
    w.extra_name = "If-Match";
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        w.extra_value = rows[i].match;
        (void)rig_want(&d.r, &w, rows[i].status, "PATCH", "/certs/b", "{\"key\":\"ec384\"}");
    }
    w.extra_value = "1";
    (void)rig_want(&d.r, &w, 409, "DELETE", "/certs/b", NULL);
    (void)add(&d, "other");
    x = ask(&d, 409, "PATCH", "/certs/other", "{\"name\":\"b\"}");
    (void)ask(&d, 400, "PATCH", "/certs/b", "{\"names\":[\"a b\"]}");
    (void)ask(&d, 404, "PATCH", "/certs/none", "{\"name\":\"x\"}");
    x = ask(&d, 200, "GET", "/certs/b", NULL);
    assert_int_equal(json_i64_or(x.json, "revision", 0), 4);
    assert_string_equal(json_str_or(x.json, "key", ""), "ec384");
    api_rig_end(&d.r);
}

static void removed_when_nothing_hangs_on_it(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/certs", "{\"names\":[\"a.example\"],\"ca\":\"ca1\"}");
    (void)ask(&d, 201, "POST", "/targets", "{\"name\":\"t\",\"type\":\"nginx\"}");
    struct answer x = ask(&d, 409, "DELETE", "/certs/a.example", NULL);
    assert_string_equal(rig_error(&x), "api.cert_busy");
    x = ask(&d, 200, "GET", "/jobs?open=1&kind=issue", NULL);
    (void)ask(
        &d, 200, "POST",
        arena_printf(d.r.a, "/jobs/%lld/cancel", (long long)json_i64_or(x.json, "items.0.id", 0)),
        NULL);
    x = ask(&d, 201, "POST", "/bindings",
            "{\"cert\":\"a.example\",\"target\":\"t\",\"place\":{\"cert_path\":\"/c\","
            "\"key_path\":\"/k\"}}");
    const char *binding =
        arena_printf(d.r.a, "/bindings/%lld", (long long)json_i64_or(x.json, "id", 0));
    x = ask(&d, 409, "DELETE", "/certs/a.example", NULL);
    assert_true(json_str_or(x.json, "error.message.ja", "")[0]);
    (void)ask(&d, 409, "DELETE", "/targets/t", NULL);
    (void)ask(&d, 409, "DELETE", "/cas/ca1", NULL);
    (void)ask(&d, 200, "DELETE", binding, NULL);
    (void)ask(&d, 200, "DELETE", "/certs/a.example", NULL);
    (void)ask(&d, 404, "GET", "/certs/a.example", NULL);
    (void)ask(&d, 404, "DELETE", "/certs/a.example", NULL);
    (void)ask(&d, 200, "DELETE", "/targets/t", NULL);
    (void)ask(&d, 200, "DELETE", "/cas/ca1", NULL);
    api_rig_end(&d.r);
}

static void without_a_version(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)add(&d, "new");
    static const struct {
        const char *method, *path, *body, *id;
        int status;
    } rows[] = {
        {"GET", "/certs/new/export", NULL, "api.no_current", 404},
        {"GET", "/certs/new/export?format=pkcs12", NULL, "api.export_format", 400},
        {"GET", "/certs/new/export?format=pem", NULL, "api.no_current", 404},
        {"POST", "/certs/new/revoke", "{\"reason\":\"superseded\"}", "api.no_version", 404},
        {"POST", "/certs/new/revoke", "{\"reason\":\"bored\"}", "codec.field_enum", 400},
        {"POST", "/certs/new/deploy", "{}", "api.no_binding", 404},
        {"POST", "/certs/new/undo", NULL, "job.no_previous", 409},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, rows[i].status, rows[i].method, rows[i].path, rows[i].body);
        assert_string_equal(rig_error(&x), rows[i].id);
    }
    assert_int_equal(ask(&d, 409, "GET", "/certs/new/csr", NULL).status, 409);
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_names_and_job),
        cmocka_unit_test(checked_against_what_is_there),
        cmocka_unit_test(create_refuses),
        cmocka_unit_test(repeated_is_once),
        cmocka_unit_test(batch_is_each_of_them),
        cmocka_unit_test(batch_is_all_or_none),
        cmocka_unit_test(pages_lose_nothing),
        cmocka_unit_test(list_refuses),
        cmocka_unit_test(search_takes_every_letter_as_it_is),
        cmocka_unit_test(changed_by_who_saw_the_latest),
        cmocka_unit_test(removed_when_nothing_hangs_on_it),
        cmocka_unit_test(without_a_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
