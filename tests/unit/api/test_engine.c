/* Does Inro itself work: told what is late, to whom it concerns, and nothing when all is well. */
#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local;
};

static struct answer ask(struct desk *d, const struct who *who)
{
    return rig_want(&d->r, who, 200, "GET", "/engine", NULL);
}

static bool tells(const struct answer *x, const char *id)
{
    const struct json *list = json_get(x->json, "problems");
    for (size_t i = 0; i < json_len(list); i++)
        if (strcmp(json_str_or(json_at(list, i), "id", ""), id) == 0)
            return true;
    return false;
}

/* What the worker does: the tick is there, and is due again soon. */
static int64_t add_tick(struct desk *d, const char *progress)
{
    AUTO(db) struct db *db = NULL;
    struct job j = {.kind = "schedule",
                    .subject = "system",
                    .step = "tick",
                    .state = JOB_READY,
                    .run_at = clock_now(&d->r.clock) + 10 * USEC_PER_SEC,
                    .dedup_key = "schedule",
                    .progress = progress,
                    .created = clock_now(&d->r.clock),
                    .updated = clock_now(&d->r.clock)};
    int64_t existing = 0;
    OK(store_begin(d->r.store, &db, err));
    OK(db_job_add(db, &j, &existing, err));
    OK(db_commit(&db, err));
    return j.id;
}

static void test_late(void **state)
{
    struct desk d;
    (void)state;
    api_rig_start(&d.r);
    d.local = rig_local();
    struct answer x = ask(&d, &d.local);
    assert_true(tells(&x, "engine.stopped")); /* never ran */
    assert_null(json_str_or(x.json, "tick_at", NULL));
    (void)add_tick(&d, NULL);
    x = ask(&d, &d.local);
    assert_false(tells(&x, "engine.stopped"));
    assert_non_null(json_str_or(x.json, "tick_at", NULL));
    assert_true(tells(&x, "backup.none"));
    assert_int_equal(1, json_len(json_get(x.json, "problems")));
    rig_pass(&d.r, 100 * USEC_PER_SEC);
    x = ask(&d, &d.local);
    assert_false(tells(&x, "engine.stopped"));
    rig_pass(&d.r, 60 * USEC_PER_SEC);
    x = ask(&d, &d.local);
    assert_true(tells(&x, "engine.stopped"));
    api_rig_end(&d.r);
}

static void test_queue(void **state)
{
    struct desk d;
    (void)state;
    api_rig_start(&d.r);
    d.local = rig_local();
    (void)rig_want(&d.r, &d.local, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    struct answer x = ask(&d, &d.local);
    int64_t before = json_i64_or(x.json, "queue.due", -1);
    (void)rig_want(&d.r, &d.local, 202, "POST", "/cas/own/check", NULL);
    x = ask(&d, &d.local);
    assert_int_equal(before + 1, json_i64_or(x.json, "queue.due", -1));
    assert_non_null(json_str_or(x.json, "queue.oldest", NULL));
    rig_pass(&d.r, 700 * USEC_PER_SEC);
    (void)add_tick(&d, "{\"clock_wrong\":true}");
    x = ask(&d, &d.local);
    assert_true(tells(&x, "engine.behind"));
    assert_true(tells(&x, "engine.clock"));
    api_rig_end(&d.r);
}

static void test_backups(void **state)
{
    struct desk d;
    (void)state;
    api_rig_start(&d.r);
    d.local = rig_local();
    (void)add_tick(&d, NULL);
    struct answer x =
        rig_want(&d.r, &d.local, 201, "POST", "/backup-stores",
                 "{\"name\":\"disk\",\"type\":\"folder\",\"settings\":{\"via\":\"local\","
                 "\"folder\":\"/srv/backup\",\"passphrase\":\"correct horse 1\"}}");
    x = ask(&d, &d.local);
    assert_false(tells(&x, "backup.none"));
    assert_false(tells(&x, "backup.late"));
    assert_int_equal(1, json_i64_or(x.json, "backup_places", -1));
    rig_pass(&d.r, 3 * USEC_PER_DAY);
    x = ask(&d, &d.local);
    assert_true(tells(&x, "backup.late"));
    /* Who owns none of it is not told of backups, and still sees whether Inro works. */
    struct who op = rig_person(&d.r, "op@example.jp", "operator", rig_group(&d.r, "web"));
    x = ask(&d, &op);
    assert_false(tells(&x, "backup.late"));
    assert_int_equal(0, json_i64_or(x.json, "backup_places", -1));
    assert_true(tells(&x, "engine.stopped"));
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_late), cmocka_unit_test(test_queue),
                                       cmocka_unit_test(test_backups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
