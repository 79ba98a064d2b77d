/* The loop and its pool: order, threads, the bounded queue, and an end without leaks. */
#include "net/loop.h"

#include <signal.h>

#include "unit/net/net_rig.h"

static struct loop *loop;
static int ran[64];
static int ran_count;
static bool on_loop;

static int setup(void **state)
{
    UNUSED(state);
    ran_count = 0;
    return loop_create(&loop, NULL) == RC_OK ? 0 : 1;
}

static int teardown(void **state)
{
    UNUSED(state);
    loop_destroy(loop);
    return 0;
}

static void note(void *ctx)
{
    ran[ran_count++] = *(int *)ctx;
    on_loop = on_loop_thread();
}

static void stop(void *ctx)
{
    UNUSED(ctx);
    loop_stop(loop);
}

static void posts_run_in_order_on_the_loop_thread(void **state)
{
    UNUSED(state);
    int v[40];
    for (int i = 0; i < 40; i++) {
        v[i] = i;
        assert_true(loop_post(loop, note, &v[i]));
    }
    assert_true(loop_post(loop, stop, NULL));
    assert_false(on_loop_thread());
    EXPECT(loop_run(loop, &err), RC_OK, NULL);
    assert_int_equal(ran_count, 40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(ran[i], i);
    assert_true(on_loop && !on_loop_thread());
}

static void *poster(void *arg)
{
    static int one = 1;
    for (int i = 0; i < 10; i++)
        (void)loop_post(loop, note, &one);
    (void)arg;
    return NULL;
}

static void *poster_then_stop(void *arg)
{
    pthread_t th[4];
    for (int i = 0; i < 4; i++)
        (void)pthread_create(&th[i], NULL, poster, NULL);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(th[i], NULL);
    loop_stop(loop);
    return arg;
}

static void threads_may_post_at_once(void **state)
{
    UNUSED(state);
    pthread_t th;
    assert_int_equal(pthread_create(&th, NULL, poster_then_stop, NULL), 0);
    EXPECT(loop_run(loop, &err), RC_OK, NULL);
    (void)pthread_join(th, NULL);
    assert_int_equal(ran_count, 40);
}

static void a_stop_before_the_run_is_not_lost(void **state)
{
    UNUSED(state);
    loop_stop(loop);
    EXPECT(loop_run(loop, &err), RC_OK, NULL);
}

static void posts_that_never_ran_are_freed(void **state)
{
    UNUSED(state);
    static int one = 1;
    assert_true(
        loop_post(loop, note, &one)); /* the leak check of the sanitizer build is the judge */
    assert_int_equal(ran_count, 0);
}

static int ticks;
static struct loop_watch *ticker;

static void tick(void *ctx)
{
    UNUSED(ctx);
    if (++ticks == 3)
        loop_stop(loop);
}

static void readable(void *ctx)
{
    char c;
    assert_int_equal(read(*(int *)ctx, &c, 1), 1);
    loop_stop(loop);
}

static void timers_descriptors_and_signals_fire(void **state)
{
    UNUSED(state);
    struct loop_watch *w;
    int fds[2];
    int64_t t0 = clock_mono(clock_real());
    ticks = 0;
    EXPECT(loop_every(loop, 10000, tick, NULL, &ticker, &err), RC_OK, NULL);
    EXPECT(loop_run(loop, &err), RC_OK, NULL);
    assert_int_equal(ticks, 3);
    assert_true(clock_mono(clock_real()) - t0 >= 25 * USEC_PER_MSEC);
    loop_unwatch(ticker);
    loop_unwatch(NULL);

    assert_int_equal(pipe(fds), 0);
    EXPECT(loop_read(loop, fds[0], readable, &fds[0], &w, &err), RC_OK, NULL);
    assert_int_equal(write(fds[1], "x", 1), 1);
    EXPECT(loop_run(loop, &err), RC_OK, NULL);
    loop_unwatch(w);
    (void)close(fds[0]);
    (void)close(fds[1]);

    EXPECT(loop_signal(loop, SIGUSR1, stop, NULL, &w, &err), RC_OK, NULL);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    EXPECT(loop_run(loop, &err), RC_OK, NULL);
    loop_unwatch(w);
}

static atomic_int done;
static atomic_bool gate;

static void work(void *ctx)
{
    UNUSED(ctx);
    while (!atomic_load(&gate))
        (void)poll(NULL, 0, 1);
    atomic_fetch_add(&done, 1);
}

static void a_full_pool_refuses_and_its_end_waits(void **state)
{
    UNUSED(state);
    struct pool *p = NULL;
    atomic_store(&done, 0);
    atomic_store(&gate, false);
    EXPECT(pool_create(2, 5, &p, &err), RC_OK, NULL);
    int taken = 0;
    for (int i = 0; i < 50; i++) { /* two run, five wait */
        taken += pool_submit(p, work, NULL);
        if (i < 2)
            (void)poll(NULL, 0, 30);
    }
    assert_int_equal(taken, 7);
    atomic_store(&gate, true);
    pool_destroy(p);
    assert_int_equal(atomic_load(&done), 7); /* what was taken is done */
    pool_destroy(NULL);
}

static void failing_memory_is_told(void **state)
{
    UNUSED(state);
    static int one = 1;
    struct pool *p = NULL;
    struct loop *l = NULL;
    struct loop_watch *w = NULL;
    mem_fail_after(1, true);
    assert_false(loop_post(loop, note, &one));
    assert_int_equal(loop_create(&l, NULL), RC_NOMEM);
    assert_int_equal(pool_create(1, 1, &p, NULL), RC_NOMEM);
    assert_int_equal(loop_every(loop, 1000, tick, NULL, &w, NULL), RC_NOMEM);
    mem_fail_after(0, false);
    assert_true(!p && !l && !w);
    loop_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_run_in_order_on_the_loop_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_may_post_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stop_before_the_run_is_not_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(posts_that_never_ran_are_freed, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_descriptors_and_signals_fire, setup, teardown),
        cmocka_unit_test(a_full_pool_refuses_and_its_end_waits),
        cmocka_unit_test_setup_teardown(failing_memory_is_told, setup, teardown),
    };
    return cmocka_run_group_tests_name("net.loop", tests, NULL, NULL);
}
