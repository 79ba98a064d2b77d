/* The engine under faults: two engines on one store, a lease that ran out, memory that runs out. */
#include "job_rig.h"

#include "base/mem.h"
#include "model/policy.h"

static int64_t job_of(struct rig *r, const char *kind)
{
    struct db *db = NULL;
    struct job_filter f = {.kind = kind, .only_open = true, .limit = 10};
    struct job_list l = {0};
    OK(store_read(r->store, &db, err));
    OK(db_job_list(db, &f, r->a, &l, err));
    db_rollback(&db);
    return l.n ? l.v[0].id : 0;
}

static void test_two_engines_place_one_order(void **state)
{
    struct rig r;
    struct store *second = NULL;
    (void)state;
    for (int round = 0; round < 8; round++) {
        rig_begin(&r, 3);
        OK(store_open(r.url, &second, err));
        struct engine *a = rig_engine_of(r.store, "one", NULL, 4, 0, true);
        struct engine *b = rig_engine_of(second, "two", NULL, 4, 0, true);
        rig_issue(&r, "request");
        engine_wake(a);
        engine_wake(b);
        assert_true(rig_quiet(&r, 20));
        engine_destroy(a);
        engine_destroy(b);
        store_close(second);
        check_deployed(&r, 3);
        assert_int_equal(world.orders, 1);
        assert_int_equal(world.issued, 1);
        assert_int_equal(world.applied, 3);
        rig_end(&r);
    }
}

/* As the clock does it, without the two minutes. */
static void lease_runs_out(struct rig *r, int64_t job)
{
    struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    OK(db_job_extend(db, job, rig_job(r, job).lease_no, 1, err));
    OK(db_commit(&db, err));
}

/* The first engine sleeps in the middle of a step (a stopped process); the second takes over. */
static void test_a_late_engine_is_fenced(void **state)
{
    struct rig r;
    struct store *second = NULL;
    (void)state;
    rig_begin(&r, 2);
    OK(store_open(r.url, &second, err));
    atomic_store(&world.hold, true);
    rig_issue(&r, "request");
    /* One thread: another of the same engine would see that the job still runs. */
    struct engine *late = rig_engine_of(r.store, "late", NULL, 1, 0, false);
    for (int i = 0; i < 2000 && atomic_load(&world.held) == 0; i++)
        usleep(5000);
    assert_int_equal(atomic_load(&world.held), 1);
    int64_t job = job_of(&r, "deploy"), lease = rig_job(&r, job).lease_no;
    lease_runs_out(&r, job);
    struct engine *next = rig_engine_of(second, "next", NULL, 4, 0, false);
    for (int i = 0; i < 2000 && atomic_load(&world.held) < 2; i++)
        usleep(5000);
    assert_int_equal(atomic_load(&world.held), 2);
    assert_true(rig_job(&r, job).lease_no > lease);
    atomic_store(&world.hold, false);
    assert_true(rig_quiet(&r, 20));
    engine_destroy(late);
    engine_destroy(next);
    store_close(second);
    check_deployed(&r, 2);
    assert_int_equal(rig_job(&r, job).state, JOB_DONE);
    assert_int_equal(world.orders, 1);
    rig_end(&r);
}

static void retry_all(struct rig *r, struct engine *e)
{
    struct db *db = NULL;
    struct job_filter f = {.only_open = true, .limit = 100};
    struct job_list l = {0};
    OK(store_begin(r->store, &db, err));
    OK(db_job_list(db, &f, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].state != JOB_RUNNING)
            OK(db_job_retry_now(db, l.v[i].id, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
    engine_wake(e);
}

static void tell_jobs(struct rig *r, long n)
{
    struct db *db = NULL;
    struct job_filter f = {.limit = 20};
    struct job_list l = {0};
    OK(store_read(r->store, &db, err));
    OK(db_job_list(db, &f, r->a, &l, err));
    db_rollback(&db);
    for (size_t i = 0; i < l.n; i++)
        print_error("n %ld: job %lld %s, step %s: %s, %lld attempts, %s\n", n, (long long)l.v[i].id,
                    l.v[i].kind, l.v[i].step, job_state_name(l.v[i].state),
                    (long long)l.v[i].attempts, l.v[i].error ? l.v[i].error : "no error");
}

#define NEVER (1L << 40)

/* One run with the n-th allocation failing (and for a while all after it); how many there were. */
static long run_short_of_memory(long n, bool ever)
{
    struct rig r;
    rig_begin(&r, 2);
    struct engine *e = rig_engine(&r, 0, false);
    rig_issue(&r, "request");
    long before = mem_count();
    mem_fail_after(n, ever);
    engine_wake(e);
    /* The rig allocates as well, so it waits without looking. */
    for (int i = 0; n < NEVER && i < 1000 && mem_count() - before < n; i++)
        usleep(1000);
    usleep(ever ? 30000 : 0);
    mem_fail_after(0, false);
    assert_true(rig_quiet(&r, 15));
    long calls = mem_count() - before;
    for (int i = 0; i < 20 && rig_cert(&r).current_id == 0; i++) {
        retry_all(&r, e);
        assert_true(rig_quiet(&r, 15));
    }
    retry_all(&r, e);
    assert_true(rig_quiet(&r, 15));
    if (rig_cert(&r).current_id == 0)
        tell_jobs(&r, n);
    check_deployed(&r, 2);
    /* Once more at most: when the failure hit between the CA's answer and the save. */
    assert_in_range(world.orders, 1, 2);
    assert_in_range(world.issued, 1, 2);
    engine_destroy(e);
    rig_end(&r);
    return calls;
}

static void test_each_allocation_may_fail(void **state)
{
    (void)state;
    bool whole = getenv("INRO_LONG") != NULL;
    long total = run_short_of_memory(NEVER, false);
    assert_true(total > 200);
    long step = whole ? 1 : total / 24 + 1;
    for (long n = 1; n <= total; n += step)
        (void)run_short_of_memory(n, (n / step) % 2 == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_engines_place_one_order),
        cmocka_unit_test(test_a_late_engine_is_fenced),
        cmocka_unit_test(test_each_allocation_may_fail),
    };
    crypto_init();
    json_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
