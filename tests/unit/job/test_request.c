/*
 * Asking for work: one open job per need, a roll-out at work is never disturbed, one that waits
 * after a failure gives way to another wish, and nothing is asked for that cannot be done.
 */
#include "job_rig.h"

#define NOW (INT64_C(1800000000) * USEC_PER_SEC)

struct asked {
    enum rc rc;
    int64_t job;
    bool existing;
    struct err err;
};

static struct asked ask_deploy(struct rig *r, int64_t version, int64_t binding, const char *reason)
{
    struct asked q = {.job = -1};
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    q.rc = job_request_deploy(db, r->cert, version, binding, reason, NULL, NOW, &q.job, &q.existing,
                              &q.err);
    if (q.rc == RC_OK)
        OK(db_commit(&db, err));
    return q;
}

struct stand { /* how a roll-out stands */
    const char *what, *step;
    enum job_state state;
    int64_t attempts;
    bool settled;
};
static const struct stand stands[] = {
    {"new", "begin", JOB_READY, 0, false},
    {"at work", "begin", JOB_RUNNING, 0, false},
    {"at work again", "begin", JOB_RUNNING, 3, false},
    {"waits before the first target", "begin", JOB_READY, 2, true},
    {"waits for a person", "begin", JOB_BLOCKED, 1, true},
    {"waits between targets", "item", JOB_READY, 2, false},
    {"blocked at a target", "item", JOB_BLOCKED, 2, false},
    {"about to stop", "stop", JOB_READY, 1, false},
};

/* The only job is put where the row says. */
static void put(struct rig *r, int64_t id, const struct stand *s)
{
    struct job j;
    int64_t next = 0;
    AUTO(db) struct db *db = NULL;
    if (s->state == JOB_READY && s->attempts == 0)
        return;
    OK(db_job_claim(r->store, "worker", NOW, 3600 * USEC_PER_SEC, 1, r->a, &j, &next, err));
    assert_int_equal(j.id, id);
    j.step = s->step;
    j.attempts = s->attempts;
    j.state = s->state;
    j.run_at = NOW + 3600 * USEC_PER_SEC;
    OK(store_begin(r->store, &db, err));
    OK(db_job_save(db, &j, err));
    OK(db_commit(&db, err));
    struct job now = rig_job(r, id);
    assert_int_equal(now.state, s->state);
    assert_int_equal(now.attempts, s->attempts);
    assert_string_equal(now.step, s->step);
}

static bool same_job(const struct job *a, const struct job *b)
{
    return a->state == b->state && a->attempts == b->attempts && a->run_at == b->run_at &&
           a->lease_no == b->lease_no && strcmp(a->step, b->step) == 0 &&
           strcmp(a->payload, b->payload) == 0;
}

static void check_same(struct rig *r, const struct stand *s, int64_t first)
{
    struct job before = rig_job(r, first);
    struct asked q = ask_deploy(r, 7, 0, "manual");
    struct job after = rig_job(r, first);
    assert_int_equal(q.rc, RC_OK);
    assert_true(q.existing);
    assert_int_equal(q.job, first);
    if (!s->settled) {
        assert_true(same_job(&before, &after));
        return;
    }
    assert_int_equal(after.state, JOB_READY); /* taken up now */
    assert_int_equal(after.run_at, NOW);
    assert_int_equal(after.attempts, 0);
}

static void check_other(struct rig *r, const struct stand *s, int64_t first, int64_t version,
                        int64_t binding, const char *reason, bool asked)
{
    struct job before = rig_job(r, first);
    struct asked q = ask_deploy(r, version, binding, reason);
    struct job after = rig_job(r, first);
    if (s->settled) {
        assert_int_equal(q.rc, RC_OK);
        assert_false(q.existing);
        assert_int_not_equal(q.job, first);
        assert_int_equal(after.state, JOB_CANCELLED);
        struct job new_one = rig_job(r, q.job);
        assert_int_equal(new_one.state, JOB_READY);
        assert_string_equal(new_one.step, "begin");
        assert_string_not_equal(new_one.payload, after.payload);
        return;
    }
    assert_true(same_job(&before, &after));
    if (!asked) {
        assert_int_equal(q.rc, RC_OK);
        assert_int_equal(q.job, first);
        assert_true(q.existing);
        return;
    }
    if (q.rc != RC_CONFLICT || strcmp(q.err.id, "job.deploying") != 0)
        fail_msg("%s, asked for another: %s", s->what, rc_name(q.rc));
    assert_int_equal(q.job, -1); /* untouched on failure */
}

static void test_joining_a_roll_out(void **state)
{
    static const struct {
        int64_t version, binding;
        const char *reason;
        bool asked;
    } wishes[] = {{7, 0, "manual", true}, /* the same */
                  {8, 0, "manual", true}, {7, 3, "manual", true}, {8, 0, "undo", true},
                  {8, 0, "issue", false}, {0, 0, "renew", false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stands); i++)
        for (size_t k = 0; k < COUNT_OF(wishes); k++) {
            struct rig r;
            rig_begin(&r, 1);
            struct asked first = ask_deploy(&r, 7, 0, "manual");
            assert_int_equal(first.rc, RC_OK);
            assert_false(first.existing);
            put(&r, first.job, &stands[i]);
            if (k == 0)
                check_same(&r, &stands[i], first.job);
            else
                check_other(&r, &stands[i], first.job, wishes[k].version, wishes[k].binding,
                            wishes[k].reason, wishes[k].asked);
            rig_end(&r);
        }
}

/* Two certificates have nothing to do with each other; an ended roll-out with a new one neither. */
static void test_only_the_same_certificate_joins(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1);
    struct asked one = ask_deploy(&r, 7, 0, "manual");
    int64_t mine = r.cert;
    static const char *const names[] = {"other.example.jp"};
    struct cert c = {.name = "other", .names = {names, 1}, .ca_id = r.ca, .key_alg = "ec256"};
    {
        AUTO(db) struct db *db = NULL;
        OK(store_begin(r.store, &db, err));
        OK(db_cert_add(db, &c, err));
        OK(db_commit(&db, err));
    }
    r.cert = c.id;
    struct asked two = ask_deploy(&r, 8, 0, "manual");
    assert_int_equal(two.rc, RC_OK);
    assert_int_not_equal(two.job, one.job);
    r.cert = mine;
    {
        AUTO(db) struct db *db = NULL;
        OK(store_begin(r.store, &db, err));
        OK(db_job_cancel(db, one.job, NOW, err));
        OK(db_commit(&db, err));
    }
    struct asked three = ask_deploy(&r, 9, 0, "manual");
    assert_int_equal(three.rc, RC_OK);
    assert_false(three.existing);
    assert_int_not_equal(three.job, one.job);
    rig_end(&r);
}

static void add_deployment(struct rig *r, int64_t version, int64_t previous,
                           enum deployment_state state)
{
    AUTO(db) struct db *db = NULL;
    struct deployment d = {.cert_id = r->cert,
                           .version_id = version,
                           .previous_id = previous,
                           .state = state,
                           .reason = "manual",
                           .created = NOW};
    OK(store_begin(r->store, &db, err));
    OK(db_deployment_add(db, &d, err));
    OK(db_commit(&db, err));
}

static struct asked ask_undo(struct rig *r)
{
    struct asked q = {.job = -1};
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    q.rc = job_request_undo(db, r->cert, NOW, &q.job, &q.existing, &q.err);
    if (q.rc == RC_OK)
        OK(db_commit(&db, err));
    return q;
}

static void test_undo_finds_what_was_before(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1);
    struct asked q = ask_undo(&r);
    assert_int_equal(q.rc, RC_CONFLICT);
    add_deployment(&r, 5, 0, DEPLOYMENT_DONE); /* the first ever */
    add_deployment(&r, 5, 5, DEPLOYMENT_DONE); /* the same again */
    assert_int_equal(ask_undo(&r).rc, RC_CONFLICT);
    add_deployment(&r, 6, 5, DEPLOYMENT_DONE);
    add_deployment(&r, 7, 6, DEPLOYMENT_RUNNING); /* not there yet */
    q = ask_undo(&r);
    assert_int_equal(q.rc, RC_OK);
    struct job j = rig_job(&r, q.job);
    AUTO(json) struct json *p = NULL;
    OK(json_parse(str_from(j.payload), &p, err));
    assert_int_equal(json_i64_or(p, "version", 0), 5);
    assert_string_equal(json_str_or(p, "reason", ""), "undo");
    assert_int_equal(ask_undo(&r).job, q.job); /* twice is once */
    assert_int_equal(ask_deploy(&r, 7, 0, "manual").rc, RC_CONFLICT);
    rig_end(&r);
}

static void test_one_open_issue_per_certificate(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    int64_t first = rig_issue(&r, "request");
    assert_int_equal(rig_issue(&r, "renew"), first);
    struct job j = rig_job(&r, first);
    assert_non_null(strstr(j.payload, "\"request\"")); /* as it was asked for first */
    assert_string_equal(j.subject, arena_printf(r.a, "cert/%lld", (long long)r.cert));
    assert_string_equal(j.cap_key, arena_printf(r.a, "ca:%lld", (long long)r.ca));
    AUTO(db) struct db *db = NULL;
    struct cert c = rig_cert(&r);
    int64_t job = -1;
    bool existing = false;
    struct err why = {0};
    c.ca_id = 0;
    OK(store_begin(r.store, &db, err));
    OK(db_cert_update(db, &c, err));
    assert_int_equal(job_request_issue(db, r.cert, "renew", NOW, &job, &existing, &why), RC_INPUT);
    assert_string_equal(why.id, "job.no_ca");
    assert_int_equal(job_request_issue(db, 999, "renew", NOW, &job, &existing, &why), RC_NOT_FOUND);
    assert_int_equal(job, -1);
    db_rollback(&db);
    rig_end(&r);
}

static void test_asking_again_wakes_only_what_is_blocked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stands); i++) {
        struct rig r;
        rig_begin(&r, 1);
        int64_t id = ask_deploy(&r, 7, 0, "manual").job;
        put(&r, id, &stands[i]);
        struct job before = rig_job(&r, id);
        AUTO(db) struct db *db = NULL;
        OK(store_begin(r.store, &db, err));
        OK(job_ask_again(db, id, NOW, err));
        OK(db_commit(&db, err));
        struct job after = rig_job(&r, id);
        if (stands[i].state == JOB_BLOCKED) {
            assert_int_equal(after.state, JOB_READY);
            assert_int_equal(after.run_at, NOW);
        } else {
            assert_true(same_job(&before, &after));
        }
        rig_end(&r);
    }
}

static void test_what_is_done_once_and_what_anew(void **state)
{
    struct rig r;
    int64_t id[2];
    bool existing = false;
    (void)state;
    rig_begin(&r, 1);
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r.store, &db, err));
    for (int i = 0; i < 2; i++)
        OK(job_request_plan(db, r.cert, 0, NOW, &id[i], err));
    assert_int_not_equal(id[0], id[1]);
    for (int i = 0; i < 2; i++)
        OK(job_request_check(db, r.ca, NOW, &id[i], err));
    assert_int_not_equal(id[0], id[1]);
    for (int i = 0; i < 2; i++)
        OK(job_request_watch(db, 3, NOW, &id[i], err));
    assert_int_equal(id[0], id[1]);
    for (int i = 0; i < 2; i++)
        OK(job_request_revoke(db, 5, i, NOW, &id[i], &existing, err));
    assert_int_equal(id[0], id[1]);
    assert_true(existing);
    for (int i = 0; i < 2; i++)
        OK(job_request_backup(db, 4, NULL, NULL, NOW, &id[i], &existing, err));
    assert_int_equal(id[0], id[1]);
    for (int i = 0; i < 2; i++) /* each under a passphrase of its own */
        OK(job_request_backup(db, 0, "backup/x", "sealed", NOW, &id[i], &existing, err));
    assert_int_not_equal(id[0], id[1]);
    OK(db_commit(&db, err));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joining_a_roll_out),
        cmocka_unit_test(test_only_the_same_certificate_joins),
        cmocka_unit_test(test_undo_finds_what_was_before),
        cmocka_unit_test(test_one_open_issue_per_certificate),
        cmocka_unit_test(test_asking_again_wakes_only_what_is_blocked),
        cmocka_unit_test(test_what_is_done_once_and_what_anew),
    };
    (void)rig_engine_of, (void)rig_quiet;
    crypto_init();
    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
