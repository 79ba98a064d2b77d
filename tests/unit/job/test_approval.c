/* A roll-out that waits: for somebody's word, and for the time it may disturb a server. */
#include "job_rig.h"

#define NOW() clock_now(clock_real())
#define HOUR  (3600 * USEC_PER_SEC)

static size_t told(struct rig *r, const char *event)
{
    struct notice_list l;
    size_t n = 0;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->store, &db, err));
    OK(db_notice_list(db, 0, 100, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        bool is = strcmp(l.v[i].event, event) == 0;
        n += is;
        if (is) /* people know it by its name */
            assert_null(strstr(l.v[i].data, "\"name\":\"cert/"));
    }
    return n;
}

static enum rc approve(struct rig *r, const char *by, bool now, struct err *why)
{
    AUTO(db) struct db *db = NULL;
    struct job j = rig_deploy_job(r);
    OK(store_begin(r->store, &db, err));
    *why = (struct err){0};
    enum rc rc = job_approve(db, j.id, by, "somebody@x.example", now, NOW(), why);
    if (rc == RC_OK)
        OK(db_commit(&db, err));
    return rc;
}

static int64_t ask(struct rig *r, const char *by)
{
    int64_t job = 0;
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    OK(job_request_deploy(db, r->cert, 0, 0, "manual", by, NOW(), &job, NULL, err));
    OK(db_commit(&db, err));
    return job;
}

static bool blames_approval(const struct job *j)
{
    return j->state == JOB_BLOCKED && j->error && strstr(j->error, "job.needs_approval");
}

static void test_nothing_is_touched_before_somebody_approves(void **state)
{
    struct rig r;
    struct err e1;
    (void)state;
    rig_begin(&r, 2);
    rig_policy(&r, "{\"approval\":true}");
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    struct job j = rig_deploy_job(&r);
    assert_true(blames_approval(&j));
    assert_int_equal(world.applied, 0);
    assert_int_equal(told(&r, "deploy.approval"), 1);
    assert_int_equal(told(&r, "deploy.failed"), 0);
    assert_int_equal(approve(&r, "user/1", false, &e1), RC_OK);
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    check_deployed(&r, 2);
    assert_int_equal(approve(&r, "user/1", false, &e1), RC_CONFLICT);
    assert_string_equal(e1.id, "job.not_waiting");
    /* Who asks does not approve what they asked for. */
    int64_t job = ask(&r, "user/1");
    assert_int_not_equal(job, j.id);
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    j = rig_deploy_job(&r);
    assert_true(blames_approval(&j));
    assert_int_equal(approve(&r, "user/1", false, &e1), RC_DENIED);
    assert_string_equal(e1.id, "job.own_wish");
    assert_int_equal(approve(&r, "user/2", false, &e1), RC_OK);
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    assert_int_equal(rig_deploy_job(&r).state, JOB_DONE);
    engine_destroy(e);
    rig_end(&r);
}

/* Opens in two hours, for one. */
static const char *later(struct rig *r, int64_t *ret_opens)
{
    int64_t minute = NOW() / (60 * USEC_PER_SEC) + 120;
    int from = (int)(minute % 1440), to = (from + 60) % 1440;
    *ret_opens = minute * 60 * USEC_PER_SEC;
    return arena_printf(r->a, "{\"window\":\"%02d:%02d-%02d:%02d +00:00\"}", from / 60, from % 60,
                        to / 60, to % 60);
}

static struct engine *waiting(struct rig *r)
{
    int64_t opens;
    rig_begin(r, 1);
    rig_policy(r, later(r, &opens));
    rig_issue(r, "request");
    struct engine *e = rig_engine(r, 0, false);
    assert_true(rig_quiet(r, 15));
    struct job j = rig_deploy_job(r);
    assert_int_equal(j.state, JOB_READY);
    assert_string_equal(j.step, "begin");
    assert_int_equal(j.run_at, opens);
    assert_non_null(strstr(j.activity_en, "Waits for its time"));
    assert_int_equal(world.applied, 0);
    return e;
}

static void test_it_waits_for_its_time(void **state)
{
    struct rig r;
    struct err e1;
    (void)state;
    struct engine *e = waiting(&r);
    /* Nobody's word is waited for, only the time. */
    assert_int_equal(approve(&r, "user/1", false, &e1), RC_CONFLICT);
    assert_int_equal(approve(&r, "user/1", true, &e1), RC_OK);
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    check_deployed(&r, 1);
    engine_destroy(e);
    rig_end(&r);
}

static void test_a_person_decides_about_the_time(void **state)
{
    struct rig r;
    (void)state;
    struct engine *e = waiting(&r);
    int64_t job = rig_deploy_job(&r).id;
    assert_int_equal(ask(&r, "user/1"), job);
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    check_deployed(&r, 1);
    /* Another one by hand is not held either, and going back is not. */
    int64_t served = world.applied;
    (void)ask(&r, "user/1");
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    assert_int_equal(rig_deploy_job(&r).state, JOB_DONE);
    assert_true(world.applied >= served);
    engine_destroy(e);
    rig_end(&r);
}

/* What serves now would end before the time comes. */
static void test_nothing_ends_while_it_waits(void **state)
{
    struct rig r;
    int64_t opens;
    (void)state;
    rig_begin(&r, 1);
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    int64_t first = rig_cert(&r).current_id;
    struct db *db = NULL;
    struct cert_version v;
    OK(store_begin(r.store, &db, err));
    OK(db_version_get(db, first, r.a, &v, err));
    v.not_after = NOW() + HOUR;
    OK(db_version_update(db, &v, err));
    OK(db_commit(&db, err));
    rig_policy(&r, later(&r, &opens));
    rig_issue(&r, "renew");
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    assert_int_not_equal(rig_cert(&r).current_id, first);
    check_deployed(&r, 1);
    engine_destroy(e);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_touched_before_somebody_approves),
        cmocka_unit_test(test_it_waits_for_its_time),
        cmocka_unit_test(test_a_person_decides_about_the_time),
        cmocka_unit_test(test_nothing_ends_while_it_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
