/* The audit log: before and after, export, and what verify finds. */
#include "base/os/file.h"
#include "unit/api/api_rig.h"

static int start(void **state)
{
    struct api_rig *r = calloc(1, sizeof *r);
    api_rig_bare(r);
    *state = r;
    return 0;
}

static int end(void **state)
{
    api_rig_end(*state);
    free(*state);
    return 0;
}

static const struct json *last(struct api_rig *r)
{
    struct who local = rig_local();
    struct answer x = rig_want(r, &local, 200, "GET", "/audit?limit=1", NULL);
    return json_get(x.json, "items.0");
}

#define SMTP                                                                                       \
    "{\"host\":\"m.example\",\"from\":\"a@a.example\",\"to\":[\"b@a.example\"],\"user\":\"u\","    \
    "\"password\":\"%s\"}"

static void before_and_after(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_want(r, &local, 201, "POST", "/notifiers",
                   arena_printf(r->a, "{\"name\":\"mail\",\"type\":\"smtp\",\"settings\":" SMTP "}",
                                "first-secret"));
    const struct json *a = last(r);
    assert_string_equal(json_str_or(a, "action", ""), "notifier.create");
    assert_string_equal(json_str_or(a, "subject_name", ""), "mail");
    assert_int_equal(json_type_of(json_get(a, "detail.before")), JSON_NULL);
    assert_string_equal(json_str_or(a, "detail.after.settings.host", ""), "m.example");
    const char *print = json_str_or(a, "detail.after.settings.password.fingerprint", "");
    assert_int_equal(strlen(print), 16);
    (void)rig_want(
        r, &local, 200, "PATCH", "/notifiers/mail",
        arena_printf(r->a, "{\"name\":\"post\",\"settings\":" SMTP "}", "second-secret"));
    a = last(r);
    assert_string_equal(json_str_or(a, "detail.before.name", ""), "mail");
    assert_string_equal(json_str_or(a, "detail.after.name", ""), "post");
    assert_null(json_get(a, "detail.after.type")); /* only what differs */
    assert_string_equal(json_str_or(a, "detail.before.settings.password.fingerprint", ""), print);
    assert_string_not_equal(json_str_or(a, "detail.after.settings.password.fingerprint", ""),
                            print);
    (void)rig_want(r, &local, 200, "DELETE", "/notifiers/post", NULL);
    a = last(r);
    assert_string_equal(json_str_or(a, "detail.before.name", ""), "post");
    assert_int_equal(json_type_of(json_get(a, "detail.after")), JSON_NULL);
    struct answer x = rig_want(r, &local, 200, "GET", "/audit/export", NULL);
    assert_null(strstr(x.text, "-secret"));
}

static void refusals_have_no_after(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_group(r, "web");
    (void)rig_want(r, &local, 409, "PATCH", "/groups/web", "{\"about\":\"x\",\"revision\":9}");
    const struct json *a = last(r);
    assert_string_equal(json_str_or(a, "result", ""), "api.stale");
    assert_int_equal(json_type_of(json_get(a, "detail")), JSON_NULL);
}

static int64_t found(struct api_rig *r, const char *query)
{
    struct who local = rig_local();
    struct answer x =
        rig_want(r, &local, 200, "GET", arena_printf(r->a, "/audit?limit=9&%s", query), NULL);
    return (int64_t)json_len(json_get(x.json, "items"));
}

static void the_list_is_searched(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_group(r, "web");
    (void)rig_group(r, "mail");
    (void)rig_want(r, &local, 200, "PATCH", "/groups/mail", "{\"about\":\"x\"}");
    (void)rig_want(r, &local, 409, "PATCH", "/groups/mail", "{\"about\":\"y\",\"revision\":99}");
    assert_int_equal(found(r, "x=1"), 4);
    const struct json *a = last(r);
    const char *subject = json_str_or(a, "subject", "");
    assert_string_equal(subject, "group/2");
    assert_int_equal(found(r, "subject=group/2"), 3);
    assert_int_equal(found(r, "subject=group"), 0); /* the whole, not a part */
    assert_int_equal(found(r, "q=GROUP.update"), 2);
    assert_int_equal(found(r, "q=api.stale"), 1);
    assert_int_equal(found(r, "q=%25"), 0); /* no wildcard of the asker's */
    assert_int_equal(found(r, "q=nothing&actions=group.create,cert.create"), 2);
    assert_int_equal(found(r, "q=nothing&actions=group.creat"), 0);
    /* what is exported is what the search shows, oldest first */
    struct answer x = rig_want(r, &local, 200, "GET", "/audit/export?q=GROUP.update", NULL);
    assert_true(strstr(x.text, "api.stale") && !strstr(x.text, "group.create"));
    x = rig_want(r, &local, 200, "GET", "/audit/export?format=csv&actions=group.create&q=nothing",
                 NULL);
    assert_true(strstr(x.text, "group.create") && !strstr(x.text, "group.update"));
    x = rig_want(r, &local, 200, "GET", "/audit/export?subject=group/2", NULL);
    assert_false(strstr(x.text, "group/1"));
    assert_int_equal(found(r, "q=group.update&subject=group/1"), 0);
}

static void export_lines_and_ranges(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    for (int i = 0; i < 5; i++) {
        (void)rig_group(r, arena_printf(r->a, "g%d", i));
        rig_pass(r, 3600 * USEC_PER_SEC);
    }
    struct answer x = rig_want(r, &local, 200, "GET", "/audit/export", NULL);
    assert_string_equal(x.type, "application/jsonl");
    struct str rest = str_from(x.text), line;
    int n = 0;
    while (rest.n > 0 && str_split(&rest, '\n', &line)) {
        struct json *j = NULL;
        OK(json_parse(line, &j, err));
        assert_int_equal(json_i64_or(j, "id", 0), ++n);
        json_free(j);
    }
    assert_int_equal(n, 5);
    char from[32], to[32];
    time_rfc3339(RIG_NOW + 3600 * USEC_PER_SEC, from);
    time_rfc3339(RIG_NOW + 3 * 3600 * USEC_PER_SEC, to);
    x = rig_want(r, &local, 200, "GET",
                 arena_printf(r->a, "/audit/export?format=csv&from=%s&to=%s", from, to), NULL);
    assert_null(strstr(x.text, "\"g0\""));
    n = 0;
    for (const char *p = x.text; (p = strstr(p, "\r\n")); p += 2)
        n++;
    assert_int_equal(n, 3); /* the header and two */
    (void)rig_want(r, &local, 400, "GET", "/audit/export?from=yesterday", NULL);
    (void)rig_want(r, &local, 400, "GET", "/audit/export?format=xls", NULL);
}

static void csv_is_no_formula(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {{"=1+1", "\"'=1+1\""},
                {"+x", "\"'+x\""},
                {"-x", "\"'-x\""},
                {"@x", "\"'@x\""},
                {"\tx", "\"'\tx\""},
                {"a\"b", "\"a\"\"b\""},
                {"a,b\nc", "\"a,b\nc\""},
                {NULL, "\"\""},
                {"=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf b = BUF(256);
        csv_cell(&b, rows[i].in);
        assert_string_equal(buf_cstr(&b), rows[i].out);
    }
}

static void meta(struct api_rig *r, const char *key, const char *value)
{
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    OK(db_meta_set(db, key, value, err));
    OK(db_commit(&db, err));
}

static const char *meta_of(struct api_rig *r, const char *key)
{
    AUTO(db) struct db *db = NULL;
    const char *v = NULL;
    OK(store_read(r->store, &db, err));
    OK(db_meta_get(db, key, r->a, &v, err));
    return v;
}

/* Somebody who can write the store, but not the vault, rewrites the head to match a cut log. */
static void the_proven_head_shows_a_cut(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_group(r, "a");
    (void)rig_group(r, "b");
    api_tick(r->api);
    struct answer x = rig_want(r, &local, 200, "POST", "/audit/verify", NULL);
    assert_int_equal(json_i64_or(x.json, "records", 0), 2);
    const char *head = meta_of(r, "audit_head"), *anchor = meta_of(r, "audit_anchor");
    assert_memory_equal(head, anchor, strlen(head));
    (void)rig_group(r, "c");
    api_tick(r->api);
    (void)rig_want(r, &local, 200, "POST", "/audit/verify", NULL);
    /* the log goes on from a head that says less was written */
    meta(r, "audit_head", head);
    x = rig_want(r, &local, 500, "POST", "/audit/verify", NULL);
    assert_string_equal(rig_error(&x), "store.audit_cut");
    /* a forged proof */
    char *forged = arena_strdup(r->a, meta_of(r, "audit_anchor"));
    forged[strlen(forged) - 1] = forged[strlen(forged) - 1] == '0' ? '1' : '0';
    meta(r, "audit_head", arena_str(r->a, (struct str){forged, strlen(forged) - 65}));
    meta(r, "audit_anchor", forged);
    x = rig_want(r, &local, 500, "POST", "/audit/verify", NULL);
    assert_string_equal(rig_error(&x), "api.audit_anchor");
}

/* The whole store is put back to yesterday: the file beside it knows better. */
static void the_file_shows_a_rolled_back_store(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_group(r, "a");
    api_tick(r->api);
    const char *path = arena_printf(r->a, "%s/audit.head", r->dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    AUTO(buf) struct buf later = BUF(1024);
    OK(file_read(path, &later, err));
    char *text = arena_str(r->a, buf_str(&later));
    text[0] = '7'; /* a record that is not there */
    OK(file_write_atomic(path, str_from(text), 0600, (uid_t)-1, (gid_t)-1, err));
    struct answer x = rig_want(r, &local, 500, "POST", "/audit/verify", NULL);
    assert_string_equal(rig_error(&x), "api.audit_anchor");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        T(before_and_after),
        T(refusals_have_no_after),
        T(the_list_is_searched),
        T(export_lines_and_ranges),
        cmocka_unit_test(csv_is_no_formula),
        T(the_proven_head_shows_a_cut),
        T(the_file_shows_a_rolled_back_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
