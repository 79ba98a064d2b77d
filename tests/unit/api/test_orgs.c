/* Organisations over the API: refusals name the field, revisions, who may what, certificates. */
#include "unit/api/api_rig.h"

#define DETAILS                                                                                    \
    "\"details\":{\"legal_name\":\"Example Ltd.\",\"legal_name_ja\":\"例示株式会社\","       \
    "\"state\":\"Tokyo\",\"duns\":\"69-012-3456\"}"

struct org_rig {
    struct api_rig r;
    int64_t group, ca;
    struct who admin, operator, other;
};

static void start(struct org_rig *o)
{
    AUTO(db) struct db *db = NULL;
    struct connector ca = {.kind = "ca",
                           .type = "private",
                           .name = "ca1",
                           .settings = "{}",
                           .created = 1,
                           .updated = 1,
                           .revision = 1};
    api_rig_start(&o->r);
    o->group = rig_group(&o->r, "web");
    o->admin = rig_person(&o->r, "admin@a.example", "admin", 0);
    o->operator= rig_person(&o->r, "op@a.example", "operator", o->group);
    o->other = rig_person(&o->r, "no@a.example", "operator", rig_group(&o->r, "other"));
    OK(store_begin(o->r.store, &db, err));
    OK(db_connector_add(db, &ca, err));
    OK(db_commit(&db, err));
}

static void refused(struct org_rig *o, const char *path, const char *method, const char *body,
                    const char *field)
{
    struct answer x = rig_want(&o->r, &o->admin, 400, method, path, body);
    assert_string_equal(json_str_or(x.json, "error.field", ""), field);
    assert_true(json_str_or(x.json, "error.message.ja", "")[0] != '\0');
}

static void fields_are_checked(void **state)
{
    struct org_rig o = {0};
    (void)state;
    start(&o);
    refused(&o, "/orgs", "POST", "{\"name\":\"a\"}", "details.legal_name");
    refused(&o, "/orgs", "POST", "{\"name\":\"7\"," DETAILS "}", "name");
    refused(
        &o, "/orgs", "POST",
        "{\"name\":\"a\",\"details\":{\"legal_name\":\"A\",\"state\":\"T\",\"country\":\"UK\"}}",
        "details.country");
    refused(&o, "/orgs", "POST",
            "{\"name\":\"a\",\"details\":{\"legal_name\":\"A\",\"state\":\"T\",\"group_id\":1}}",
            "details.group_id");
    struct answer x =
        rig_want(&o.r, &o.admin, 201, "POST", "/orgs", "{\"name\":\"acme\"," DETAILS "}");
    assert_string_equal(json_str_or(x.json, "details.duns", ""), "690123456");
    assert_string_equal(json_str_or(x.json, "details.country", ""), "JP");
    refused(&o, "/orgs/acme/contacts", "POST", "{}", "details.name");
    refused(&o, "/orgs/acme/contacts", "POST", "{\"details\":{\"name\":\"N\",\"mail\":\"x\"}}",
            "details.mail");
    refused(&o, "/orgs/acme/contacts", "POST",
            "{\"details\":{\"name\":\"N\",\"mail\":\"n@a.example\",\"role\":\"boss\"}}",
            "details.role");
    x = rig_want(&o.r, &o.admin, 409, "POST", "/orgs", "{\"name\":\"acme\"," DETAILS "}");
    api_rig_end(&o.r);
}

static void changes_and_revisions(void **state)
{
    struct org_rig o = {0};
    (void)state;
    start(&o);
    (void)rig_want(&o.r, &o.admin, 201, "POST", "/orgs", "{\"name\":\"acme\"," DETAILS "}");
    struct answer x = rig_want(&o.r, &o.admin, 200, "PATCH", "/orgs/acme",
                               "{\"revision\":1,\"details\":{\"phone\":\"03-0000-0000\","
                               "\"duns\":null}}");
    assert_string_equal(json_str_or(x.json, "details.legal_name_ja", ""), "例示株式会社");
    assert_string_equal(json_str_or(x.json, "details.phone", ""), "03-0000-0000");
    assert_null(json_get(x.json, "details.duns"));
    (void)rig_want(&o.r, &o.admin, 409, "PATCH", "/orgs/acme", "{\"revision\":1}");
    x = rig_want(&o.r, &o.admin, 201, "POST", "/orgs/acme/contacts",
                 "{\"revision\":2,\"details\":{\"name\":\"Hanako\",\"mail\":\"h@a.example\"}}");
    assert_int_equal(json_i64_or(x.json, "revision", 0), 3);
    int64_t id = json_i64_or(x.json, "contacts.0.id", 0);
    assert_string_equal(json_str_or(x.json, "contacts.0.details.role", ""), "organisation");
    const char *path = arena_printf(o.r.a, "/orgs/acme/contacts/%lld", (long long)id);
    (void)rig_want(&o.r, &o.admin, 409, "PATCH", path, "{\"revision\":2,\"details\":{}}");
    x = rig_want(&o.r, &o.admin, 200, "PATCH", path, "{\"details\":{\"title_ja\":\"課長\"}}");
    assert_string_equal(json_str_or(x.json, "contacts.0.details.mail", ""), "h@a.example");
    assert_string_equal(json_str_or(x.json, "contacts.0.details.title_ja", ""), "課長");
    /* the audit line of a contact says what changed */
    x = rig_want(&o.r, &o.admin, 200, "GET", "/audit", NULL);
    assert_non_null(strstr(x.text, "org.contact_update"));
    assert_non_null(strstr(x.text, "課長"));
    /* another organisation's contact is not this one's */
    (void)rig_want(&o.r, &o.admin, 201, "POST", "/orgs", "{\"name\":\"second\"," DETAILS "}");
    const char *wrong = arena_printf(o.r.a, "/orgs/second/contacts/%lld", (long long)id);
    (void)rig_want(&o.r, &o.admin, 404, "DELETE", wrong, NULL);
    x = rig_want(&o.r, &o.admin, 200, "DELETE", path, NULL);
    assert_int_equal(json_len(json_get(x.json, "contacts")), 0);
    (void)rig_want(&o.r, &o.admin, 200, "DELETE", "/orgs/acme", NULL);
    (void)rig_want(&o.r, &o.admin, 404, "GET", "/orgs/acme", NULL);
    api_rig_end(&o.r);
}

static void certificates_name_it(void **state)
{
    struct org_rig o = {0};
    (void)state;
    start(&o);
    (void)rig_want(&o.r, &o.admin, 201, "POST", "/orgs", "{\"name\":\"acme\"," DETAILS "}");
    struct answer x = rig_want(&o.r, &o.operator, 400, "POST", "/certs/check",
                               "{\"names\":[\"w.a.example\"],\"ca\":\"ca1\","
                               "\"organisation\":\"nobody\"}");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "organisation");
    x = rig_want(&o.r, &o.operator, 201, "POST", "/certs",
                 "{\"names\":[\"w.a.example\"],\"ca\":\"ca1\",\"organisation\":\"acme\","
                 "\"request\":false}");
    assert_string_equal(json_str_or(x.json, "cert.organisation", ""), "acme");
    x = rig_want(&o.r, &o.operator, 200, "GET", "/certs?organisation=acme", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    x = rig_want(&o.r, &o.operator, 404, "GET", "/certs?organisation=nobody", NULL);
    /* what is not named stays */
    x = rig_want(&o.r, &o.operator, 200, "PATCH", "/certs/w.a.example", "{\"name\":\"w\"}");
    assert_string_equal(json_str_or(x.json, "organisation", ""), "acme");
    x = rig_want(&o.r, &o.admin, 409, "DELETE", "/orgs/acme", NULL);
    assert_string_equal(rig_error(&x), "api.org_used");
    x = rig_want(&o.r, &o.admin, 200, "GET", "/orgs/acme", NULL);
    assert_int_equal(json_i64_or(x.json, "certs", -1), 1);
    x = rig_want(&o.r, &o.operator, 200, "PATCH", "/certs/w", "{\"organisation\":null}");
    assert_int_equal(json_type_of(json_get(x.json, "organisation")), JSON_NULL);
    (void)rig_want(&o.r, &o.admin, 200, "DELETE", "/orgs/acme", NULL);
    api_rig_end(&o.r);
}

static void who_may_what(void **state)
{
    struct org_rig o = {0};
    (void)state;
    start(&o);
    (void)rig_want(&o.r, &o.admin, 201, "POST", "/orgs", "{\"name\":\"shared\"," DETAILS "}");
    struct answer x =
        rig_want(&o.r, &o.operator, 201, "POST", "/orgs", "{\"name\":\"own\"," DETAILS "}");
    assert_string_equal(json_str_or(x.json, "group", ""), "web");
    x = rig_want(&o.r, &o.operator, 200, "GET", "/orgs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    x = rig_want(&o.r, &o.other, 200, "GET", "/orgs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    (void)rig_want(&o.r, &o.other, 404, "PATCH", "/orgs/own", "{\"details\":{}}");
    (void)rig_want(&o.r, &o.operator, 403, "PATCH", "/orgs/shared", "{\"details\":{}}");
    (void)rig_want(&o.r, &o.operator, 403, "PATCH", "/orgs/shared", "{\"group\":\"web\"}");
    (void)rig_want(&o.r, &o.operator, 403, "DELETE", "/orgs/shared", NULL);
    (void)rig_want(&o.r, &o.operator, 403, "POST", "/orgs/shared/contacts",
                   "{\"details\":{\"name\":\"N\",\"mail\":\"n@a.example\"}}");
    (void)rig_want(&o.r, &o.other, 400, "POST", "/certs",
                   "{\"names\":[\"x.example\"],\"ca\":\"ca1\",\"organisation\":\"own\"}");
    (void)rig_want(&o.r, &o.operator, 200, "PATCH", "/orgs/own", "{\"name\":\"ours\"}");
    (void)rig_want(&o.r, &o.operator, 200, "DELETE", "/orgs/ours", NULL);
    api_rig_end(&o.r);
}

static void the_forms(void **state)
{
    struct org_rig o = {0};
    (void)state;
    start(&o);
    struct answer x = rig_want(&o.r, &o.operator, 200, "GET", "/schema/org?lang=ja", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.id", ""), "organisation");
    assert_string_equal(json_str_or(x.json, "items.0.fields.0.label", ""), "組織名（英語）");
    assert_string_equal(json_str_or(x.json, "items.1.id", ""), "contact");
    assert_string_equal(json_str_or(x.json, "items.1.fields.0.name", ""), "role");
    api_rig_end(&o.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_checked),
        cmocka_unit_test(changes_and_revisions),
        cmocka_unit_test(certificates_name_it),
        cmocka_unit_test(who_may_what),
        cmocka_unit_test(the_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
