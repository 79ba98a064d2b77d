/* The pre-flight through the API: who may ask, who sees what was found, and what is shown of it. */
#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local, op, other;
    int64_t id;
};

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    (void)rig_want(&d->r, &d->local, 201, "POST", "/cas",
                   "{\"name\":\"ca1\",\"type\":\"private\"}");
    struct answer x = rig_want(&d->r, &d->local, 201, "POST", "/groups", "{\"name\":\"web\"}");
    int64_t group = json_i64_or(x.json, "id", 0);
    d->op = rig_person(&d->r, "op@a.example", "operator", group);
    d->other = rig_person(&d->r, "other@a.example", "operator", group);
    x = rig_want(&d->r, &d->op, 202, "POST", "/preflights",
                 "{\"names\":[\"B.example\",\"*.a.example\"],\"ca\":\"ca1\"}");
    d->id = json_i64_or(x.json, "id", 0);
}

static const char *path(struct desk *d, const char *base)
{
    return arena_printf(d->r.a, "%s%lld", base, (long long)d->id);
}

/* As the worker does it. */
static void finish(struct desk *d, const char *progress)
{
    AUTO(db) struct db *db = NULL;
    struct job j;
    int64_t next = 0;
    OK(db_job_claim(d->r.store, "test", RIG_NOW, USEC_PER_SEC, 8, d->r.a, &j, &next, err));
    assert_string_equal(j.kind, "preflight");
    j.progress = progress;
    j.state = JOB_DONE;
    OK(store_begin(d->r.store, &db, err));
    OK(db_job_save(db, &j, err));
    OK(db_commit(&db, err));
}

static void shown_as_it_comes(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = rig_want(&d.r, &d.op, 200, "GET", path(&d, "/preflights/"), NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "ready");
    assert_string_equal(json_str_or(x.json, "names.0.name", ""), "b.example");
    assert_false(json_bool_or(x.json, "names.0.done", true));
    finish(&d, "{\"names\":[{\"name\":\"b.example\",\"findings\":[{\"id\":\"preflight.x\","
               "\"level\":\"bad\",\"text\":{\"en\":\"e\",\"ja\":\"j\"},\"todo\":null}]}]}");
    x = rig_want(&d.r, &d.op, 200, "GET", path(&d, "/preflights/"), NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "done");
    assert_true(json_bool_or(x.json, "names.0.done", false));
    assert_string_equal(json_str_or(x.json, "names.0.findings.0.level", ""), "bad");
    assert_false(json_bool_or(x.json, "names.1.done", true));
    api_rig_end(&d.r);
}

static void of_who_asked_only(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)rig_want(&d.r, &d.other, 404, "GET", path(&d, "/preflights/"), NULL);
    (void)rig_want(&d.r, &d.other, 404, "GET", path(&d, "/jobs/"), NULL);
    struct answer x = rig_want(&d.r, &d.other, 200, "GET", "/jobs", NULL);
    assert_null(strstr(x.text, "a.example"));
    (void)rig_want(&d.r, &d.local, 200, "GET", path(&d, "/preflights/"), NULL);
    x = rig_want(&d.r, &d.local, 202, "POST", "/cas/ca1/check", NULL);
    d.id = json_i64_or(x.json, "job.id", 0); /* another kind of job is none */
    (void)rig_want(&d.r, &d.local, 404, "GET", path(&d, "/preflights/"), NULL);
    api_rig_end(&d.r);
}

static void refuses_what_an_application_would(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x =
        rig_want(&d.r, &d.op, 400, "POST", "/preflights", "{\"names\":[\"a b\"],\"ca\":\"ca1\"}");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "names");
    x = rig_want(&d.r, &d.op, 400, "POST", "/preflights", "{\"names\":[\"a.b\"],\"ca\":\"none\"}");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "ca");
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shown_as_it_comes),
        cmocka_unit_test(of_who_asked_only),
        cmocka_unit_test(refuses_what_an_application_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
