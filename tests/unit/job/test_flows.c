/* The whole flow on fakes: happy path, every crash point, undo, retries, what people are told. */
#include "base/base64.h"
#include "crypto/csr.h"
#include "job_rig.h"

static void test_issue_without_targets(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    int64_t job = rig_issue(&r, "request");
    assert_int_equal(rig_issue(&r, "request"), job); /* one open application */
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    struct job j = rig_job(&r, job);
    assert_int_equal(j.state, JOB_DONE);
    struct cert c = rig_cert(&r);
    assert_true(c.current_id != 0);
    int64_t now = clock_now(clock_real());
    assert_true(c.renew_at > now + 40 * USEC_PER_DAY && c.renew_at < now + 61 * USEC_PER_DAY);
    assert_int_equal(world.orders, 1);
    assert_int_equal(world.issued, 1);
    assert_int_equal(world.cleaned, 1);
    assert_int_equal(world.sent, 1);
    assert_string_equal(world.subject, "証明書が発行されました: www.example.jp");
    rig_end(&r);
}

static void test_issue_and_deploy(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 3);
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    check_deployed(&r, 3);
    assert_int_equal(world.applied, 3);
    /* Renewed: the same targets get the new one. */
    rig_issue(&r, "renew");
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    engine_destroy(e);
    check_deployed(&r, 3);
    assert_int_equal(world.orders, 2);
    assert_int_equal(world.applied, 6);
    struct db *db = NULL;
    int64_t n = 0;
    OK(store_read(r.store, &db, err));
    OK(db_audit_verify(db, &n, err));
    db_rollback(&db);
    assert_true(n >= 10);
    rig_end(&r);
}

static void csr_of(struct rig *r, struct csr_info *ret)
{
    AUTO(db) struct db *db = NULL;
    AUTO(buf) struct buf der = BUF(65536), same = BUF(65536);
    struct cert_version v;
    struct cert c = rig_cert(r);
    OK(store_read(r->store, &db, err));
    OK(db_version_get(db, c.current_id, r->a, &v, err));
    assert_true(base64_decode(str_from(v.csr), &der));
    OK(csr_parse(buf_str(&der), r->a, ret, &same, err));
}

/* The subject is made of the organisation the certificate names, of the time the version is made.
 */
static void test_subject_of_the_organisation(void **state)
{
    struct rig r;
    struct csr_info csr;
    struct db *db = NULL;
    (void)state;
    rig_begin(&r, 0);
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    csr_of(&r, &csr);
    assert_null(csr.subject.organization);
    assert_null(csr.subject.common_name);
    struct organisation o = {.name = "acme",
                             .legal_name = "Example Trading Co., Ltd.",
                             .legal_name_ja = "例示",
                             .country = "JP",
                             .state = "Tokyo",
                             .locality = "Chiyoda-ku",
                             .revision = 1};
    struct cert c = rig_cert(&r);
    OK(store_begin(r.store, &db, err));
    OK(db_organisation_add(db, &o, err));
    c.organisation_id = o.id;
    OK(db_cert_update(db, &c, err));
    OK(db_commit(&db, err));
    rig_issue(&r, "renew");
    engine_wake(e);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    csr_of(&r, &csr);
    assert_string_equal(csr.subject.organization, "Example Trading Co., Ltd.");
    assert_string_equal(csr.subject.country, "JP");
    assert_string_equal(csr.subject.state, "Tokyo");
    assert_string_equal(csr.subject.locality, "Chiyoda-ku");
    assert_string_equal(csr.subject.common_name, "www.example.jp");
    assert_null(csr.subject.organizational_unit);
    assert_int_equal(csr.name_count, 1);
    rig_end(&r);
}

/* Killed after its n-th save; true when it ended before that. */
static bool crash_at(int n, bool late_csr, bool in_store, int targets)
{
    struct rig r;
    rig_begin(&r, targets);
    world.late_csr = late_csr;
    world.in_store = in_store;
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, n, false);
    for (int i = 0; i < 500 && !atomic_load(&e->dead) && rig_busy(&r) > 0; i++)
        usleep(10000);
    bool died = atomic_load(&e->dead);
    engine_destroy(e);
    struct cert c = rig_cert(&r);
    assert_true(c.current_id == 0 || world.issued > 0);
    e = rig_engine(&r, 0, false);
    if (!rig_quiet(&r, 15))
        fail_msg("not finished after a crash at save %d", n);
    engine_destroy(e);
    assert_int_equal(world.orders, 1);
    assert_int_equal(world.unsaved, 0);
    check_deployed(&r, targets);
    rig_end(&r);
    return !died;
}

/* For every n until it needs no more: no second order, no CSR whose key is not saved, and all is
 * deployed in the end. */
static void every_crash_point(bool late_csr, bool in_store, int targets, int least)
{
    for (int n = 1; n <= 30; n++)
        if (crash_at(n, late_csr, in_store, targets)) {
            assert_true(n > least);
            return;
        }
    fail_msg("the flow never ended by itself");
}

static void test_every_crash_point(void **state)
{
    (void)state;
    every_crash_point(false, false, 1, 8);
}

static void test_every_crash_point_late_csr(void **state)
{
    (void)state;
    every_crash_point(true, false, 0, 4);
    every_crash_point(true, true, 1, 6);
    every_crash_point(true, true, 0, 3);
}

/* The CA refuses before there is a key: the order is kept, with the reason, and is gone on with. */
static void test_refused_before_the_key(void **state)
{
    struct rig r;
    struct order_list orders = {0};
    struct db *db = NULL;
    (void)state;
    rig_begin(&r, 0);
    world.late_csr = world.in_store = true;
    world.ca_fail_times = 2;
    world.ca_fails = RC_INPUT;
    world.ca_blame = BLAME_INPUT;
    int64_t job = rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    for (int i = 0; i < 2; i++) {
        assert_true(rig_quiet(&r, 15));
        struct job j = rig_job(&r, job);
        assert_int_equal(j.state, JOB_BLOCKED);
        OK(store_begin(r.store, &db, err));
        OK(db_order_list(db, r.cert, false, 0, 10, r.a, &orders, err));
        assert_int_equal(orders.n, 1);
        assert_non_null(strstr(orders.v[0].error, "test.ca"));
        OK(db_job_retry_now(db, job, clock_now(clock_real()), err));
        OK(db_commit(&db, err));
        engine_wake(e);
    }
    assert_true(rig_quiet(&r, 15));
    engine_destroy(e);
    assert_int_equal(rig_job(&r, job).state, JOB_DONE);
    assert_int_equal(world.orders, 1);
    assert_int_equal(world.unsaved, 0);
    assert_true(rig_cert(&r).current_id != 0);
    rig_end(&r);
}

/* Proofs that were not believed are taken away, and shown again before the CA is asked to look. */
static void proof_again(bool order_dies, bool in_store)
{
    struct rig r;
    struct db *db = NULL;
    rig_begin(&r, 0);
    world.late_csr = true;
    world.in_store = in_store;
    world.order_dies = order_dies;
    world.refusals = 1;
    int64_t job = rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    assert_int_equal(rig_job(&r, job).state, JOB_BLOCKED);
    assert_int_equal(world.presented, 1);
    assert_int_equal(world.cleaned, 1);
    OK(store_begin(r.store, &db, err));
    OK(db_job_retry_now(db, job, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    engine_destroy(e);
    assert_int_equal(rig_job(&r, job).state, JOB_DONE);
    assert_int_equal(world.presented, 2);
    assert_int_equal(world.cleaned, 2);
    assert_int_equal(world.orders, order_dies ? 2 : 1);
    rig_end(&r);
}

static void test_proofs_are_shown_again(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        proof_again(i & 1, i & 2);
}

static struct deployment last_deployment(struct rig *r, struct deploy_item_list *items)
{
    struct db *db = NULL;
    struct deployment_list l;
    OK(store_read(r->store, &db, err));
    OK(db_deployment_list(db, r->cert, 0, 1, r->a, &l, err));
    OK(db_item_list(db, l.v[0].id, r->a, items, err));
    db_rollback(&db);
    return l.v[0];
}

static void test_failed_apply_is_undone_and_stops(void **state)
{
    struct rig r;
    struct deploy_item_list items;
    (void)state;
    rig_begin(&r, 3);
    world.apply_fails_at = 1;
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    struct deployment d = last_deployment(&r, &items);
    assert_int_equal(d.state, DEPLOYMENT_FAILED);
    assert_int_equal(items.v[0].state, ITEM_VERIFIED);
    assert_int_equal(items.v[1].state, ITEM_UNDONE);
    assert_int_equal(items.v[2].state, ITEM_SKIPPED);
    assert_non_null(strstr(items.v[1].error, "line 7"));
    assert_int_equal(world.undone, 1);
    assert_int_equal(world.served_len[2], 0);
    /* A person mends it and retries. */
    struct db *db = NULL;
    struct job_filter f = {.kind = "deploy", .only_open = true, .limit = 10};
    struct job_list l;
    OK(store_begin(r.store, &db, err));
    OK(db_job_list(db, &f, r.a, &l, err));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0].state, JOB_BLOCKED);
    assert_non_null(strstr(l.v[0].error, "line 7"));
    world.apply_fails_at = -1;
    OK(db_job_retry_now(db, l.v[0].id, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    engine_destroy(e);
    check_deployed(&r, 3);
    rig_end(&r);
}

static void stop_job(struct rig *r, int64_t job)
{
    struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    OK(job_stop(db, job, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
}

/* Stopped while the first target is at work: that one is finished, no other is begun, the job ends;
 * a new roll-out takes up the rest, and the one that is there already stays as it is. */
static void test_stopped_by_a_person(void **state)
{
    for (int fails = 0; fails < 2; fails++) {
        struct rig r;
        struct deploy_item_list items;
        (void)state;
        rig_begin(&r, 3);
        rig_policy(&r, "{\"on_failure\":\"continue\"}");
        world.verify_fails_at = fails ? 0 : -1;
        atomic_store(&world.hold, true);
        rig_issue(&r, "request");
        struct engine *e = rig_engine(&r, 0, false);
        for (int i = 0; i < 6000 && atomic_load(&world.held) == 0; i++)
            usleep(5000);
        assert_int_equal(atomic_load(&world.held), 1);
        stop_job(&r, rig_deploy_job(&r).id);
        assert_int_equal(last_deployment(&r, &items).state, DEPLOYMENT_STOPPING);
        stop_job(&r, rig_deploy_job(&r).id); /* twice is once */
        atomic_store(&world.hold, false);
        assert_true(rig_quiet(&r, 15));
        struct deployment d = last_deployment(&r, &items);
        assert_int_equal(d.state, fails ? DEPLOYMENT_FAILED : DEPLOYMENT_STOPPED);
        assert_int_equal(items.v[0].state, fails ? ITEM_UNDONE : ITEM_VERIFIED);
        assert_int_equal(items.v[1].state, ITEM_SKIPPED);
        assert_int_equal(items.v[2].state, ITEM_SKIPPED);
        assert_int_equal(world.applied, 1);
        assert_int_equal(world.served_len[2], 0);
        struct job j = rig_deploy_job(&r);
        assert_int_equal(j.state, fails ? JOB_FAILED : JOB_CANCELLED);
        if (!fails)
            assert_non_null(strstr(j.error, "1 of 3"));
        world.verify_fails_at = -1;
        struct db *db = NULL;
        int64_t job = 0;
        OK(store_begin(r.store, &db, err));
        OK(job_request_deploy(db, r.cert, 0, 0, "manual", NULL, clock_now(clock_real()), &job, NULL,
                              err));
        OK(db_commit(&db, err));
        assert_int_not_equal(job, j.id);
        engine_wake(e);
        assert_true(rig_quiet(&r, 15));
        engine_destroy(e);
        assert_int_equal(last_deployment(&r, &items).state, DEPLOYMENT_DONE);
        check_deployed(&r, 3);
        rig_end(&r);
    }
}

/* A roll-out that waits after a failure is at no target: it is cancelled at once. */
static void test_stopped_while_it_waits(void **state)
{
    struct rig r;
    struct deploy_item_list items;
    (void)state;
    rig_begin(&r, 2);
    world.apply_fails_at = 1;
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    assert_int_equal(rig_deploy_job(&r).state, JOB_BLOCKED);
    stop_job(&r, rig_deploy_job(&r).id);
    assert_int_equal(rig_deploy_job(&r).state, JOB_CANCELLED);
    assert_int_equal(last_deployment(&r, &items).state, DEPLOYMENT_FAILED);
    engine_destroy(e);
    rig_end(&r);
}

static void test_failure_policies(void **state)
{
    static const struct {
        const char *policy;
        enum item_state last, first;
    } cases[] = {
        {"{\"on_failure\":\"continue\"}", ITEM_VERIFIED, ITEM_VERIFIED},
        {"{\"on_failure\":\"undo_all\"}", ITEM_SKIPPED, ITEM_UNDONE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig r;
        struct deploy_item_list items;
        rig_begin(&r, 3);
        rig_policy(&r, cases[i].policy);
        world.apply_fails_at = 1;
        rig_issue(&r, "request");
        struct engine *e = rig_engine(&r, 0, false);
        assert_true(rig_quiet(&r, 15));
        engine_destroy(e);
        assert_int_equal(last_deployment(&r, &items).state, DEPLOYMENT_FAILED);
        assert_int_equal(items.v[0].state, cases[i].first);
        assert_int_equal(items.v[1].state, ITEM_UNDONE);
        assert_int_equal(items.v[2].state, cases[i].last);
        /* In service only where something serves it. */
        assert_int_equal(rig_cert(&r).current_id != 0, i == 0);
        rig_end(&r);
    }
}

static void test_undo_puts_the_previous_one_back(void **state)
{
    struct rig r;
    struct db *db = NULL;
    int64_t job = 0;
    bool existing = false;
    (void)state;
    rig_begin(&r, 2);
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 15));
    int64_t first = rig_cert(&r).current_id;
    rig_issue(&r, "renew");
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    assert_true(rig_cert(&r).current_id > first);
    OK(store_begin(r.store, &db, err));
    OK(job_request_undo(db, r.cert, clock_now(clock_real()), &job, &existing, err));
    OK(db_commit(&db, err));
    engine_wake(e);
    assert_true(rig_quiet(&r, 15));
    engine_destroy(e);
    assert_int_equal(rig_cert(&r).current_id, first);
    check_deployed(&r, 2);
    rig_end(&r);
}

static void test_ca_refusal_blocks_then_goes_on(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    world.ca_fail_times = -1;
    world.ca_fails = RC_REMOTE;
    world.ca_blame = BLAME_INPUT;
    int64_t id = rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    struct job j = rig_job(&r, id);
    assert_int_equal(j.state, JOB_BLOCKED);
    assert_non_null(strstr(j.error, "the CA says no"));
    assert_string_equal(world.subject, "要対応: 証明書の申請に失敗しました: www.example.jp");
    world.ca_fail_times = 0;
    struct db *db = NULL;
    OK(store_begin(r.store, &db, err));
    OK(db_job_retry_now(db, id, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
    engine_wake(e);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    assert_int_equal(rig_job(&r, id).state, JOB_DONE);
    assert_int_equal(world.orders, 1);
    rig_end(&r);
}

/* The end that is asked for counts from now, whether the order has its row yet or not. */
static void test_validity_counts_from_the_order(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct rig r;
        rig_begin(&r, 0);
        world.late_csr = late;
        rig_policy(&r, "{\"validity\":5184000}");
        int64_t before = clock_now(clock_real());
        rig_issue(&r, "request");
        struct engine *e = rig_engine(&r, 0, false);
        assert_true(rig_quiet(&r, 15));
        engine_destroy(e);
        assert_true(world.wanted_end >= before + 60 * USEC_PER_DAY);
        assert_true(world.wanted_end <= clock_now(clock_real()) + 60 * USEC_PER_DAY);
        rig_end(&r);
    }
}

static void test_network_failure_is_retried_later(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    world.ca_fail_times = 1;
    world.ca_fails = RC_NET;
    world.ca_blame = BLAME_NETWORK;
    int64_t id = rig_issue(&r, "request"), now = clock_now(clock_real());
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    struct job j = rig_job(&r, id);
    assert_int_equal(j.state, JOB_READY);
    assert_int_equal(j.attempts, 1);
    assert_true(j.run_at >= now + 14 * USEC_PER_SEC && j.run_at <= now + 45 * USEC_PER_SEC);
    rig_end(&r);
}

static void test_schedule_renews_what_is_due(void **state)
{
    struct rig r;
    struct db *db = NULL;
    (void)state;
    rig_begin(&r, 0);
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    int64_t first = rig_cert(&r).current_id;
    OK(store_begin(r.store, &db, err));
    OK(db_cert_set_renew_at(db, r.cert, clock_now(clock_real()) - USEC_PER_SEC, err));
    OK(db_commit(&db, err));
    e = rig_engine(&r, 0, true);
    for (int i = 0; i < 1000 && rig_cert(&r).current_id == first; i++)
        usleep(10000);
    assert_true(rig_quiet(&r, 5));
    engine_destroy(e);
    assert_true(rig_cert(&r).current_id > first);
    assert_int_equal(world.orders, 2);
    rig_end(&r);
}

static void test_notice_texts(void **state)
{
    struct json *data = NULL;
    AUTO(buf) struct buf s = BUF(4096), b = BUF(65536);
    (void)state;
    OK(json_parse(STR("{\"name\":\"www.example.jp\",\"not_after\":\"2026-11-23T15:00:00Z\","
                      "\"days\":7}"),
                  &data, err));
    OK(notice_render("cert.expiring", "ja", data, &s, &b, err));
    assert_string_equal(buf_cstr(&s), "有効期限まで 7 日以内です: www.example.jp");
    assert_non_null(strstr(buf_cstr(&b), "2026年11月24日")); /* midnight in Japan */
    buf_clear(&s);
    buf_clear(&b);
    OK(notice_render("cert.expiring", "en", data, &s, &b, err));
    assert_string_equal(buf_cstr(&s), "Expires in 7 days or less: www.example.jp");
    assert_non_null(strstr(buf_cstr(&b), "2026-11-23 (UTC)"));
    assert_int_equal(notice_render("no.such", "en", data, &s, &b, NULL), RC_UNSUPPORTED);
    json_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notice_texts),
        cmocka_unit_test(test_issue_without_targets),
        cmocka_unit_test(test_issue_and_deploy),
        cmocka_unit_test(test_failed_apply_is_undone_and_stops),
        cmocka_unit_test(test_failure_policies),
        cmocka_unit_test(test_stopped_by_a_person),
        cmocka_unit_test(test_stopped_while_it_waits),
        cmocka_unit_test(test_undo_puts_the_previous_one_back),
        cmocka_unit_test(test_ca_refusal_blocks_then_goes_on),
        cmocka_unit_test(test_validity_counts_from_the_order),
        cmocka_unit_test(test_network_failure_is_retried_later),
        cmocka_unit_test(test_schedule_renews_what_is_due),
        cmocka_unit_test(test_subject_of_the_organisation),
        cmocka_unit_test(test_every_crash_point),
        cmocka_unit_test(test_every_crash_point_late_csr),
        cmocka_unit_test(test_refused_before_the_key),
        cmocka_unit_test(test_proofs_are_shown_again),
    };
    crypto_init();
    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
