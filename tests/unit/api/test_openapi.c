/*
 * The OpenAPI document against the route table and the registry it is made from: every route, every
 * parameter of every path, every body field and every type's settings are in it, and nothing twice.
 */
#include "unit/api/api_rig.h"

static const struct json *document(struct api_rig *r)
{
    struct who local = rig_local();
    struct answer x = rig_want(r, &local, 200, "GET", "/openapi.json", NULL);
    assert_non_null(x.json); /* a key written twice is no JSON to our parser */
    return x.json;
}

/* A member by its exact name: paths and ids have dots. */
static const struct json *member(const struct json *object, const char *name)
{
    const char *key;
    const struct json *value;
    for (void *it = NULL; json_next(object, &it, &key, &value);)
        if (strcmp(key, name) == 0)
            return value;
    return NULL;
}

static const struct json *operation_of(const struct json *doc, const struct route *t)
{
    char method[16] = {0};
    for (size_t i = 0; t->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(t->method[i] | 0x20);
    const struct json *op = member(member(json_get(doc, "paths"), t->path), method);
    if (!op)
        fail_msg("%s (%s %s) is not in the document", t->id, t->method, t->path);
    return op;
}

/* Names in braces, in order, then what the row reads of the query: just these. */
static void check_parameters(const struct route *t, const struct json *op)
{
    const struct json *list = json_get(op, "parameters");
    size_t n = 0;
    for (const char *p = t->path; (p = strchr(p, '{')) != NULL; p++, n++) {
        const struct json *d = json_at(list, n);
        struct str name = {p + 1, strcspn(p + 1, "}")};
        if (!str_eqs(name, json_str_or(d, "name", "")))
            fail_msg("%s: parameter %.*s is not declared", t->id, (int)name.n, name.p);
        assert_string_equal(json_str_or(d, "in", ""), "path");
        assert_true(json_bool_or(d, "required", false));
        assert_non_null(json_get(d, "schema.type"));
        for (size_t k = 0; k < n; k++)
            assert_string_not_equal(json_str_or(json_at(list, k), "name", ""),
                                    json_str_or(d, "name", ""));
    }
    const struct param *q;
    for (struct str rest = str_from(t->query); param_next(&rest, &q); n++) {
        const struct json *d = json_at(list, n);
        if (!str_eqs(param_name(q), json_str_or(d, "name", "")))
            fail_msg("%s: parameter %s is not declared", t->id, q->id);
        assert_string_equal(json_str_or(d, "in", ""), "query");
    }
    assert_int_equal(json_len(list), n);
}

static void check_body(const struct route *t, const struct json *op)
{
    const struct json *schema =
        json_get(member(json_get(op, "requestBody.content"), "application/json"), "schema");
    assert_int_equal(schema != NULL, t->body != NULL);
    if (!t->body)
        return;
    const struct json *props = json_get(schema, "properties");
    size_t n = 0;
    for (const struct field *f = t->body; f->type != FIELD_T_END; f++, n++)
        if (!member(props, f->name))
            fail_msg("%s: body field %s is missing", t->id, f->name);
    for (const char *const *o = t->objects; o && *o; o++, n++)
        assert_string_equal(json_str_or(member(props, *o), "type", ""), "object");
    assert_int_equal(json_len(props), n);
    assert_false(json_bool_or(schema, "additionalProperties", true));
}

static void every_route_is_told(void **state)
{
    struct api_rig r;
    size_t n, routes = 0, told = 0;
    (void)state;
    api_rig_bare(&r);
    const struct json *doc = document(&r);
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sets[s]->n; i++, routes++) {
            const struct route *t = &sets[s]->v[i];
            const struct json *op = operation_of(doc, t);
            assert_string_equal(json_str_or(op, "operationId", ""), t->id);
            assert_true(json_str_or(op, "summary", "")[0]);
            assert_true(json_str_or(op, "x-summary-ja", "")[0]);
            assert_true(json_len(json_get(op, "responses")) > 0);
            check_parameters(t, op);
            check_body(t, op);
        }
    const char *key;
    const struct json *path;
    for (void *it = NULL; json_next(json_get(doc, "paths"), &it, &key, &path);)
        told += json_len(path);
    assert_int_equal(told, routes); /* and nothing else */
    assert_int_equal(routes, api_route_count());
    api_rig_end(&r);
}

static void ids_are_one_each(void **state)
{
    size_t n;
    (void)state;
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t a = 0; a < api_route_count(); a++)
        for (size_t b = 0; b < a; b++) {
            const char *id[2], *method[2], *path[2];
            enum perm p;
            api_route_at(a, &id[0], &method[0], &path[0], &p);
            api_route_at(b, &id[1], &method[1], &path[1], &p);
            assert_string_not_equal(id[0], id[1]);
            assert_false(strcmp(method[0], method[1]) == 0 && strcmp(path[0], path[1]) == 0);
        }
    assert_non_null(sets);
}

static void every_type_is_told(void **state)
{
    struct api_rig r;
    size_t types = 0;
    (void)state;
    api_rig_bare(&r);
    const struct json *doc = document(&r), *schemas = json_get(doc, "components.schemas");
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++)
        for (size_t i = 0; i < registry_count(k); i++, types++) {
            const struct conn_head *h = registry_at(k, i);
            const char *name = arena_printf(r.a, "%s.%s", conn_kind_name(k), h->id);
            const struct json *s = member(schemas, name);
            if (!s)
                fail_msg("%s is not in the document", name);
            for (const struct field *f = h->fields; f->type != FIELD_T_END; f++)
                assert_non_null(member(json_get(s, "properties"), f->name));
        }
    assert_true(json_len(schemas) >= types);
    assert_int_equal(strncmp(json_str_or(doc, "openapi", ""), "3.1.", 4), 0);
    assert_string_equal(json_str_or(doc, "info.version", ""), "test");
    api_rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_told),
        cmocka_unit_test(ids_are_one_each),
        cmocka_unit_test(every_type_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
