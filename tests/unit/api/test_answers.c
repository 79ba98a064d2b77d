/* The tables behind the OpenAPI document, the document, and the check that holds answers to them.
 */
#include "unit/api/api_rig.h"

#include "crypto/cert.h"
#include "crypto/issue.h"

static struct json *document(void)
{
    AUTO(buf) struct buf b = BUF((size_t)4 << 20);
    struct json *j = NULL;
    json_init();
    api_openapi("test", &b);
    OK(json_parse(buf_str(&b), &j, err));
    return j;
}

/* json_get() takes dotted paths; names with dots in them are looked for one by one. */
static const struct json *member(const struct json *j, const char *name)
{
    void *iter = NULL;
    const char *key;
    const struct json *value;
    while (json_next(j, &iter, &key, &value))
        if (strcmp(key, name) == 0)
            return value;
    return NULL;
}

static void every_route_is_in_it(void **state)
{
    (void)state;
    AUTO(json) struct json *doc = document();
    size_t operations = 0;
    const struct json *paths = member(doc, "paths"), *path;
    void *iter = NULL;
    const char *key;
    while (json_next(paths, &iter, &key, &path))
        operations += json_len(path);
    assert_int_equal(operations, api_route_count());
    for (size_t i = 0; i < api_route_count(); i++) {
        const struct route *t = api_route(i);
        char method[8] = {0};
        for (size_t k = 0; t->method[k] && k + 1 < sizeof method; k++)
            method[k] = (char)(t->method[k] | 0x20);
        const struct json *op = member(member(paths, t->path), method);
        assert_string_equal(json_str_or(op, "operationId", ""), t->id);
        assert_string_equal(json_str_or(op, "summary", ""), t->summary.en);
        assert_string_equal(json_str_or(op, "x-summary-ja", ""), t->summary.ja);
        if (json_len(json_get(op, "tags")) != 1)
            fail_msg("%s: give %s a tag in src/api/openapi.c", t->id, t->path);
        assert_int_equal(json_get(op, "requestBody") != NULL, t->body != NULL);
        assert_true(json_len(json_get(op, "responses")) >= 3);
        assert_non_null(json_get(op, "responses.4XX"));
        assert_int_equal(json_len(json_get(op, "security")) == 0, t->perm == PERM_PUBLIC);
    }
}

static void refs_lead_somewhere(const struct json *doc, const struct json *j, size_t *count)
{
    static const char start[] = "#/components/";
    const char *ref = NULL, *key;
    void *iter = NULL;
    const struct json *value;
    if (json_type_of(j) == JSON_ARRAY)
        for (size_t i = 0; i < json_len(j); i++)
            refs_lead_somewhere(doc, json_at(j, i), count);
    if (json_type_of(j) != JSON_OBJECT)
        return;
    if (json_get_str(j, "$ref", &ref)) {
        const char *slash = strchr(ref + sizeof start - 1, '/');
        char section[32];
        assert_memory_equal(ref, start, sizeof start - 1);
        assert_non_null(slash);
        snprintf(section, sizeof section, "%.*s", (int)(slash - ref) - (int)(sizeof start - 1),
                 ref + sizeof start - 1);
        if (!member(member(member(doc, "components"), section), slash + 1))
            fail_msg("%s leads nowhere", ref);
        ++*count;
    }
    while (json_next(j, &iter, &key, &value))
        refs_lead_somewhere(doc, value, count);
}

static void references(void **state)
{
    (void)state;
    AUTO(json) struct json *doc = document();
    size_t count = 0;
    refs_lead_somewhere(doc, doc, &count);
    assert_true(count > api_route_count());
}

/* Parameters of path and query, limits and words. */
static void parameters(void **state)
{
    (void)state;
    AUTO(json) struct json *doc = document();
    const struct json *op =
        member(member(member(doc, "paths"), "/groups/{id}/members/{user}"), "delete");
    assert_int_equal(json_len(json_get(op, "parameters")), 2);
    assert_string_equal(json_str_or(op, "parameters.0.name", ""), "id");
    assert_string_equal(json_str_or(op, "parameters.1.name", ""), "user");
    assert_string_equal(json_str_or(op, "parameters.1.in", ""), "path");
    op = member(member(member(doc, "paths"), "/deployments"), "get");
    assert_int_equal(json_len(json_get(op, "parameters")), 6);
    assert_string_equal(json_str_or(op, "parameters.5.name", ""), "limit");
    assert_int_equal(json_i64_or(op, "parameters.5.schema.minimum", 0), 1);
    assert_int_equal(json_i64_or(op, "parameters.5.schema.maximum", 0), LIMIT_MAX);
    assert_int_equal(json_i64_or(op, "parameters.5.schema.default", 0), LIMIT_DEFAULT);
}

static void columns(void **state)
{
    static const char *const good[] = {"Cert",      "201 Cert",      "200/201 Cert",
                                       "page Cert", "202 page Cert", "list Cert, file a/b",
                                       "stream",    "file text/csv", "cursor Cert"};
    static const char *const bad[] = {
        "", "Nothing", "page", "page Nothing", "404 Cert", "200/ Cert", "201", "Cert Cert", "file"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!answer_good(good[i], "limit after"))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (answer_good(bad[i], NULL))
            fail_msg("\"%s\" is taken", bad[i]);
    assert_false(answer_good(NULL, NULL));
    assert_false(answer_good("Cert", "limit nothing"));
    assert_true(query_declared("after@cursor limit", "after"));
    assert_false(query_declared("after@cursor limit", "aft"));
    assert_false(query_declared(NULL, "after"));
}

/* The check of answers says no when it should. */
static void conformity(void **state)
{
    static const struct {
        const char *json;
        bool good;
    } rows[] = {
        {"{\"status\":\"ok\",\"version\":\"1\"}", true},
        {"{\"status\":\"fine\",\"version\":\"1\"}", false},             /* another word */
        {"{\"status\":\"ok\"}", false},                                 /* missing */
        {"{\"status\":\"ok\",\"version\":null}", false},                /* null */
        {"{\"status\":\"ok\",\"version\":1}", false},                   /* type */
        {"{\"status\":\"ok\",\"version\":\"1\",\"more\":true}", false}, /* undeclared */
        {"[]", false},
    };
    const struct route *t = conform_route("GET", "/health");
    (void)state;
    json_init();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(json) struct json *j = NULL;
        AUTO(buf) struct buf why = BUF(4096);
        OK(json_parse(str_from(rows[i].json), &j, err));
        if (conform_answer(t, 200, "application/json", false, j, &why) != rows[i].good)
            fail_msg("%s: wrongly judged", rows[i].json);
        assert_false(conform_answer(t, 201, "application/json", false, j, &why));
        assert_false(conform_answer(t, 200, "text/csv", false, j, &why));
        assert_false(conform_answer(t, 404, "application/json", false, j, &why));
    }
    t = conform_route("GET", "/certs/7/chain");
    assert_string_equal(t->id, "cert.chain");
    assert_null(conform_route("GET", "/certs/7/nothing"));
}

static const char *always_seven(const void *ctx, const char *name)
{
    (void)ctx, (void)name;
    return "7";
}

/* A parameter that the row does not declare is not there for the handler. */
static void undeclared(void **state)
{
    const struct route row = {.query = "limit after@cursor"};
    const struct api_call call = {.query = always_seven};
    const struct request r = {.route = &row, .call = &call};
    (void)state;
    assert_string_equal(r_query(&r, "limit"), "7");
    assert_string_equal(r_query(&r, "after"), "7");
    assert_null(r_query(&r, "before"));
    assert_null(r_query(&r, "after@cursor"));
}

/* {"pem": a certificate of www.a.example made just now} */
static const char *certificate(struct api_rig *r)
{
    AUTO(buf) struct buf spki = BUF(4096), der = BUF(65536), pem = BUF(65536), body = BUF(65536);
    const char *const names[] = {"www.a.example"};
    struct issue_spec spec = {.subject = {.common_name = names[0]},
                              .dns = names,
                              .dns_count = 1,
                              .not_before = RIG_NOW - USEC_PER_DAY,
                              .not_after = RIG_NOW + 60 * USEC_PER_DAY,
                              .server_auth = true};
    struct json_writer w = JSON_WRITER(&body);
    struct key *key = NULL;
    OK(key_generate(KEY_EC256, &key, err));
    OK(key_spki(key, &spki, err));
    OK(cert_issue(key, STR_NONE, buf_str(&spki), &spec, &der, err));
    key_destroy(key);
    cert_to_pem(buf_str(&der), &pem);
    jw_object(&w);
    jw_kstr(&w, "pem", buf_cstr(&pem));
    jw_end_object(&w);
    return arena_str(r->a, buf_str(&body));
}

/* One deployment that is over, of a second version; the first can be put back. */
static void deployed_twice(struct api_rig *r, int64_t cert, int64_t first)
{
    AUTO(db) struct db *db = NULL;
    struct cert_version v = {.cert_id = cert, .state = VERSION_STAGING, .created = 1};
    OK(store_begin(r->store, &db, err));
    OK(db_version_add(db, &v, err));
    struct deployment d = {.cert_id = cert,
                           .version_id = v.id,
                           .previous_id = first,
                           .state = DEPLOYMENT_DONE,
                           .created = 1,
                           .updated = 1};
    OK(db_deployment_add(db, &d, err));
    OK(db_commit(&db, err));
}

/* Good answers that no other test asks for; the rig holds them to what is declared. */
static void seldom_asked(void **state)
{
    struct api_rig r;
    (void)state;
    api_rig_start(&r);
    struct who local = rig_local();
    const char *body = certificate(&r);
    struct answer x = rig_want(&r, &local, 200, "POST", "/certs/inspect", body);
    assert_string_equal(json_str_or(x.json, "chain.0.names.0", ""), "www.a.example");
    assert_int_equal(json_type_of(json_get(x.json, "known")), JSON_NULL);
    x = rig_want(&r, &local, 201, "POST", "/certs/import", body);
    int64_t cert = json_i64_or(x.json, "cert.id", 0);
    x = rig_want(&r, &local, 200, "POST", "/certs/inspect", body);
    assert_int_equal(json_i64_or(x.json, "known", 0), cert);
    x = rig_want(&r, &local, 200, "GET", arena_printf(r.a, "/certs/%lld/chain", (long long)cert),
                 NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    deployed_twice(&r, cert, json_i64_or(x.json, "version", 0));
    x = rig_want(&r, &local, 202, "POST", arena_printf(r.a, "/certs/%lld/undo", (long long)cert),
                 NULL);
    assert_string_equal(json_str_or(x.json, "job.state", ""), "ready");
    x = rig_want(&r, &local, 201, "POST", "/backup-stores",
                 "{\"name\":\"disk\",\"type\":\"folder\",\"settings\":{\"folder\":\"/nowhere\","
                 "\"passphrase\":\"violet tandem kettle\"}}");
    assert_string_equal(json_str_or(x.json, "type", ""), "folder");
    assert_true(json_bool_or(x.json, "settings.passphrase.set", false));
    api_rig_end(&r);
}

static bool has_member(const char *owner, struct str name)
{
    const struct component *c;
    for (size_t i = 0; (c = component_at(i)) != NULL; i++) {
        struct member_walk walk = members_of(c);
        struct member m;
        bool ours = !owner || strcmp(owner, c->name) == 0;
        while (ours && c->members && member_next(&walk, &m))
            if (str_eq(m.name, name))
                return true;
    }
    return false;
}

/* Each member is described in both languages, and nothing is described that is not there. */
static void every_member_is_described(void **state)
{
    const struct component *c;
    const char *row;
    (void)state;
    for (size_t i = 0; (c = component_at(i)) != NULL; i++) {
        struct member_walk walk = members_of(c);
        struct member m;
        while (c->members && member_next(&walk, &m)) {
            const struct l10n *about = member_about(c, m.name);
            if (!about || !about->en[0] || !about->ja[0])
                fail_msg("%s.%.*s: say in src/api/members.c what it is", c->name, (int)m.name.n,
                         m.name.p);
        }
    }
    for (size_t i = 0; (row = member_row(i)) != NULL; i++) {
        struct str name = str_from(row), first = STR_NONE;
        char owner[64] = "";
        if (strchr(row, '.') && str_split(&name, '.', &first))
            snprintf(owner, sizeof owner, "%.*s", (int)first.n, first.p);
        if (!has_member(owner[0] ? owner : NULL, name))
            fail_msg("src/api/members.c describes %s, which is nowhere", row);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(row, member_row(k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_described),
        cmocka_unit_test(every_route_is_in_it),
        cmocka_unit_test(references),
        cmocka_unit_test(parameters),
        cmocka_unit_test(columns),
        cmocka_unit_test(conformity),
        cmocka_unit_test(undeclared),
        cmocka_unit_test(seldom_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
