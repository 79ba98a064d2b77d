/* Discoveries with a prober of our own: what each address is found to be, a crash on the way, what
 * may not be looked at, and an end that a person asks for. */
#include "job_rig.h"
#include "model/discover.h"
#include "store/repo_discover.h"

enum { PORT_TWO = 7001 };

/* What stands where, by the last byte of the address. */
static struct {
    pthread_mutex_t lock;
    int looks, most, now;
    int looked_at[256];
    atomic_int busy; /* so many looks find no prober */
} there = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void count_in(int last)
{
    pthread_mutex_lock(&there.lock);
    there.looks++;
    there.looked_at[last]++;
    there.now++;
    there.most = there.now > there.most ? there.now : there.most;
    pthread_mutex_unlock(&there.lock);
    (void)usleep(20000);
    pthread_mutex_lock(&there.lock);
    there.now--;
    pthread_mutex_unlock(&there.lock);
}

static void leaf(const char *name, const char *sans, struct buf *der)
{
    AUTO(buf) struct buf spki = BUF(1024);
    OK(key_spki(world.ca_key, &spki, err));
    const char *names[] = {sans ? sans : name};
    struct issue_spec s = {.subject = {.common_name = name},
                           .dns = names,
                           .dns_count = 1,
                           .not_before = clock_now(clock_real()) - USEC_PER_DAY,
                           .not_after = clock_now(clock_real()) + 30 * USEC_PER_DAY,
                           .path_len = -1,
                           .server_auth = true};
    OK(cert_issue(world.ca_key, (struct str){world.ca_der, world.ca_der_len}, buf_str(&spki), &s,
                  der, err));
}

static char made[2][4096];
static size_t made_len[2];

static enum rc probe(void *ctx, const struct tls_probe *p, struct arena *a, struct tls_seen *ret,
                     struct err *err)
{
    const unsigned char *sa = (const unsigned char *)&p->addr.sa;
    int last = sa[7];
    (void)ctx;
    assert_null(p->sni); /* an address has no name to ask for */
    if (atomic_load(&there.busy) > 0 && atomic_fetch_sub(&there.busy, 1) > 0)
        return FAIL(err, RC_BUSY, BLAME_US, MSG("app.prober", "restarting", "再起動中"));
    count_in(last);
    if (last == 3)
        return FAIL(err, RC_TLS, BLAME_REMOTE, MSG("net.probe.handshake", "no TLS", "TLSなし"));
    if (last != 1 && last != 2)
        return FAIL(err, RC_NET, BLAME_NETWORK, MSG("net.connect", "refused", "接続拒否"));
    ret->chain = ARENA_NEW(a, struct str);
    *ret->chain =
        (struct str){arena_dup(a, made[last - 1], made_len[last - 1]), made_len[last - 1]};
    ret->chain_count = 1;
    ret->protocol = "TLSv1.3";
    return RC_OK;
}

struct sky {
    struct rig r;
    struct engine *e;
    struct discovery d;
};

static void engine_begin(struct sky *s, int64_t die_after)
{
    static const char *const allow[] = {"127.0.0.0/8"};
    struct engine_options o = {.store = s->r.store,
                               .vault = &the_vault,
                               .clock = clock_real(),
                               .egress = {.allow = allow, .allow_count = 1},
                               .threads = 2,
                               .owner = "test",
                               .before = "test",
                               .probe = probe,
                               .lookup = {find_ca, find_solver, find_target, find_notifier},
                               .die_after_saves = die_after,
                               .no_schedule = true};
    OK(engine_create(&o, &s->e, err));
}

static void sky_begin(struct sky *s, const char *targets)
{
    AUTO(db) struct db *db = NULL;
    struct discover_list l;
    AUTO(buf) struct buf der = BUF(4096);
    rig_begin(&s->r, 0);
    memset(&there.looked_at, 0, sizeof there.looked_at);
    there.looks = there.most = there.now = 0;
    for (int i = 0; i < 2; i++) {
        buf_clear(&der);
        leaf(i ? "<b>hostile</b>\n" : "one.example", i ? "x\n<i>\xff.example" : NULL, &der);
        memcpy(made[i], der.p, der.len);
        made_len[i] = der.len;
    }
    s->d = (struct discovery){.name = "x", .actor = "test"};
    OK(discover_read(targets, &(struct names){NULL, 0}, s->r.a, &l, err));
    OK(store_begin(s->r.store, &db, err));
    OK(job_request_discover(db, &s->d, &l, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
}

static void sky_end(struct sky *s)
{
    engine_stop(s->e);
    engine_destroy(s->e);
    rig_end(&s->r);
}

static struct job wait_for(struct sky *s, enum job_state want)
{
    struct job j = {0};
    for (int i = 0; i < 600; i++) {
        j = rig_job(&s->r, s->d.job_id);
        if (j.state == want)
            return j;
        (void)usleep(50000);
    }
    fail_msg("job is %d: %s", (int)j.state, j.error ? j.error : "");
    return j;
}

static struct discovery_item_list found(struct sky *s, const char *relation)
{
    AUTO(db) struct db *db = NULL;
    struct discovery_item_list l;
    struct discovery_filter f = {.id = s->d.id, .relation = relation, .limit = 1000};
    OK(store_read(s->r.store, &db, err));
    OK(db_discovery_items(db, &f, s->r.a, &l, err));
    OK(db_discovery_get(db, s->d.id, s->r.a, &s->d, err));
    return l;
}

static void each_is_found(void **state)
{
    struct sky s;
    (void)state;
    sky_begin(&s, "127.0.0.1-4\n169.254.1.1\nnothing.invalid");
    engine_begin(&s, 0);
    (void)wait_for(&s, JOB_DONE);
    struct discovery_item_list l = found(&s, NULL);
    assert_int_equal(l.n, 6);
    assert_string_equal(l.v[0].relation, "unknown");
    assert_string_equal(l.v[0].name, "one.example");
    assert_string_equal(l.v[0].names.v[0], "one.example");
    assert_string_equal(l.v[0].key_alg, "ec256");
    assert_int_equal(strlen(l.v[0].sha256), 64);
    assert_true(l.v[0].seen_at > 0 && l.v[0].not_after > l.v[0].not_before);
    assert_string_equal(l.v[1].relation, "unknown");
    assert_string_equal(l.v[2].relation, "no_tls");
    assert_non_null(strstr(l.v[2].error, "net.probe.handshake"));
    assert_string_equal(l.v[3].relation, "nothing");
    assert_string_equal(l.v[4].relation, "refused"); /* link-local: nobody opened it */
    assert_non_null(strstr(l.v[4].error, "net.egress.denied"));
    assert_string_equal(l.v[5].relation, "nothing"); /* no such name */
    assert_int_equal(there.looks, 4);
    assert_int_equal(s.d.total, 6);
    assert_int_equal(s.d.looked, 6);
    assert_int_equal(s.d.found, 2);
    assert_int_equal(found(&s, "no_tls").n, 1);
    assert_int_equal(found(&s, "waiting").n, 0);
    sky_end(&s);
}

/* What a stranger calls himself: kept as text, in one line. */
static void hostile_names(void **state)
{
    struct sky s;
    (void)state;
    sky_begin(&s, "127.0.0.2");
    engine_begin(&s, 0);
    (void)wait_for(&s, JOB_DONE);
    struct discovery_item_list l = found(&s, NULL);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0].relation, "unknown");
    const char *texts[] = {l.v[0].name, l.v[0].subject, l.v[0].names.n ? l.v[0].names.v[0] : NULL};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (const char *p = texts[i]; p && *p; p++)
            assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
    assert_non_null(strstr(l.v[0].subject, "hostile"));
    sky_end(&s);
}

/* Killed after the first batch: the second engine looks at the rest, and at nothing twice but for
 * what the first had not saved. */
static void goes_on_after_a_crash(void **state)
{
    struct sky s;
    (void)state;
    sky_begin(&s, "127.0.0.1-100");
    engine_begin(&s, 1);
    for (int i = 0; i < 600 && !atomic_load(&s.e->dead); i++)
        (void)usleep(50000);
    assert_true(atomic_load(&s.e->dead));
    engine_stop(s.e);
    engine_destroy(s.e);
    (void)found(&s, NULL);
    assert_int_equal(s.d.looked, 64);
    assert_int_equal(there.looks, 64);
    engine_begin(&s, 0);
    (void)wait_for(&s, JOB_DONE);
    (void)found(&s, NULL);
    assert_int_equal(s.d.looked, 100);
    assert_int_equal(there.looks, 100);
    for (int i = 1; i <= 100; i++)
        assert_int_equal(there.looked_at[i], 1);
    assert_true(there.most <= 16);
    sky_end(&s);
}

/* Nobody has looked while there was no prober. */
static void prober_restarts(void **state)
{
    struct sky s;
    (void)state;
    sky_begin(&s, "127.0.0.1-4");
    atomic_store(&there.busy, 3);
    engine_begin(&s, 0);
    (void)wait_for(&s, JOB_DONE);
    struct discovery_item_list l = found(&s, NULL);
    assert_int_equal(s.d.looked, 4);
    assert_string_equal(l.v[0].relation, "unknown");
    assert_string_equal(l.v[3].relation, "nothing");
    assert_int_equal(there.looks, 4);
    sky_end(&s);
}

static void ended_by_a_person(void **state)
{
    struct sky s;
    (void)state;
    sky_begin(&s, "127.0.0.1-250");
    engine_begin(&s, 0);
    for (int i = 0; i < 600; i++) {
        (void)found(&s, NULL);
        if (s.d.looked > 0)
            break;
        (void)usleep(20000);
    }
    AUTO(db) struct db *db = NULL;
    OK(store_begin(s.r.store, &db, err));
    OK(db_job_cancel(db, s.d.job_id, clock_now(clock_real()), err));
    OK(db_commit(&db, err));
    (void)usleep(500000);
    (void)found(&s, NULL);
    assert_int_equal(s.d.state, JOB_CANCELLED);
    assert_true(s.d.looked > 0 && s.d.looked < 250);
    sky_end(&s);
}

static enum rc one_more(struct sky *s, int64_t group, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct discover_pair place = {"127.0.0.9", PORT_TWO};
    struct discovery d = {.name = "more", .group_id = group};
    TRY(store_begin(s->r.store, &db, err));
    TRY(job_request_discover(db, &d, &(struct discover_list){&place, 1, 0}, clock_now(clock_real()),
                             err));
    return db_commit(&db, err);
}

/* So many at once per group, and so many are kept. */
static void bounded(void **state)
{
    struct sky s;
    struct err why = {0};
    (void)state;
    sky_begin(&s, "127.0.0.9");
    assert_int_equal(one_more(&s, 0, &why), RC_OK);
    assert_int_equal(one_more(&s, 0, &why), RC_OK);
    assert_int_equal(one_more(&s, 0, &why), RC_CONFLICT);
    assert_string_equal(why.id, "discover.open");
    assert_int_equal(one_more(&s, 5, &why), RC_OK); /* another group's */
    engine_begin(&s, 0);
    for (int i = 0; i < 30; i++) {
        enum rc rc = RC_CONFLICT;
        for (int k = 0; k < 600 && rc == RC_CONFLICT; k++) {
            rc = one_more(&s, 0, &why);
            if (rc == RC_CONFLICT)
                (void)usleep(20000);
        }
        assert_int_equal(rc, RC_OK);
    }
    AUTO(db) struct db *db = NULL;
    struct discovery_list l;
    OK(store_read(s.r.store, &db, err));
    OK(db_discovery_list(db, 0, 100, s.r.a, &l, err));
    assert_true(l.n <= 21 + 2); /* those at work are not counted out */
    bool other = false;
    for (size_t i = 0; i < l.n; i++)
        other = other || l.v[i].group_id == 5;
    assert_true(other);
    db_rollback(&db);
    OK(store_begin(s.r.store, &db, err));
    OK(db_discovery_expire(db, INT64_MAX, err));
    OK(db_discovery_list(db, 0, 100, s.r.a, &l, err));
    assert_true(l.n <= 3); /* open ones stay */
    db_rollback(&db);
    sky_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_found),         cmocka_unit_test(hostile_names),
        cmocka_unit_test(goes_on_after_a_crash), cmocka_unit_test(prober_restarts),
        cmocka_unit_test(ended_by_a_person),     cmocka_unit_test(bounded),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
