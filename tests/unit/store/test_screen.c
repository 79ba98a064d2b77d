/* The certificate screen's pages and counts, on both engines; the SQL's idea of health is C's. */
#include "base/clock.h"
#include "model/policy.h"
#include "store/repo_list.h"
#include "store/store_priv.h"
#include "store_rig.h"

enum { MANY_CERTS = 60 };
static const int64_t day = 86400 * USEC_PER_SEC;
static const int64_t now = (int64_t)1800000000 * USEC_PER_SEC;

/* Facts of the i-th certificate, many combinations. */
struct facts {
    bool has_current, revoked, failed, drift;
    int64_t from, until;
    int job; /* -1 none, else enum job_state */
};

static struct facts facts_of(int i)
{
    static const int64_t ends[] = {-3, 0, 1, 14, 16, 30, 400};
    static const int jobs[] = {-1, JOB_READY, JOB_RUNNING, JOB_FAILED, JOB_BLOCKED, JOB_CANCELLED};
    struct facts f = {.has_current = i % 5 != 0,
                      .revoked = i % 11 == 3,
                      .failed = i % 7 == 2,
                      .drift = i % 7 == 4,
                      .until = now + ends[i % 7] * day,
                      .job = jobs[i % 6]};
    f.from = f.until - (i % 2 ? 90 : 398) * day;
    return f;
}

static enum cert_health expected(const struct facts *f)
{
    struct health_facts h = {.has_current = f->has_current,
                             .ordering = f->job == JOB_READY || f->job == JOB_RUNNING,
                             .order_failed = f->job == JOB_FAILED || f->job == JOB_BLOCKED,
                             .revoked = f->revoked,
                             .deploy_failed = f->failed,
                             .drift = f->drift,
                             .not_before = f->from,
                             .not_after = f->until,
                             .now = now};
    return cert_health(&h);
}

static void add_version(struct rig *r, struct db *db, int64_t cert, int i, const struct facts *f)
{
    char serial[32];
    snprintf(serial, sizeof serial, "00ab%04d", i);
    struct cert_version v = {.cert_id = cert,
                             .state = VERSION_STAGING,
                             .chain = "PEM",
                             .serial = serial,
                             .sha256 = "ffee",
                             .not_before = f->from,
                             .not_after = f->until};
    OK(db_version_add(db, &v, err));
    OK(db_version_activate(db, v.id, f->until - 10 * day, now, err));
    OK(db_version_get(db, v.id, r->a, &v, err));
    if (f->revoked) {
        v.state = VERSION_REVOKED;
        OK(db_version_update(db, &v, err));
    }
}

static void add_one(struct rig *r, struct db *db, int i, int64_t ca, int64_t target, int64_t org)
{
    struct facts f = facts_of(i);
    char name[64], subject[64];
    snprintf(name, sizeof name, "host%02d.example.jp", (i * 37) % MANY_CERTS);
    const char *const names[] = {name};
    struct cert c = {.name = name,
                     .names = {names, 1},
                     .ca_id = i % 2 ? ca : 0,
                     .key_alg = "ec256",
                     .organisation_id = i % 4 ? 0 : org,
                     .created = 1000 - i};
    OK(db_cert_add(db, &c, err));
    if (f.has_current)
        add_version(r, db, c.id, i, &f);
    if (f.failed || f.drift) {
        struct binding b = {.cert_id = c.id,
                            .target_id = target,
                            .place = "{}",
                            .state = f.failed ? "failed" : "drift"};
        OK(db_binding_add(db, &b, err));
    }
    snprintf(subject, sizeof subject, "cert/%lld", (long long)c.id);
    struct job j = {.kind = "issue", .subject = subject, .state = (enum job_state)f.job};
    int64_t existing = 0;
    if (f.job >= 0)
        OK(db_job_add(db, &j, &existing, err));
}

static void fill(struct rig *r)
{
    AUTO(db) struct db *db = NULL;
    struct connector ca = {.kind = "ca", .type = "acme", .name = "le", .settings = "{}"};
    struct connector target = {.kind = "target", .type = "nginx", .name = "w", .settings = "{}"};
    OK(store_begin(r->s, &db, err));
    OK(db_connector_add(db, &ca, err));
    OK(db_connector_add(db, &target, err));
    struct organisation org = {.name = "hq",
                               .legal_name = "Example",
                               .country = "JP",
                               .state = "Tokyo",
                               .locality = "Chiyoda-ku",
                               .revision = 1};
    OK(db_organisation_add(db, &org, err));
    for (int i = 0; i < MANY_CERTS; i++)
        add_one(r, db, i, ca.id, target.id, org.id);
    OK(db_commit(&db, err));
}

static void counts_are_what_the_rule_says(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct tally_list t;
    int64_t want[HEALTH_CLOCK_WRONG] = {0}, got[HEALTH_CLOCK_WRONG] = {0}, weeks = 0;
    for (int i = 0; i < MANY_CERTS; i++) {
        struct facts f = facts_of(i);
        want[expected(&f)]++;
    }
    OK(store_read(r->s, &db, err));
    OK(db_cert_tally(db, now, 57, r->a, &t, err));
    for (size_t i = 0; i < t.n; i++) {
        got[t.v[i].a] += t.v[i].n;
        weeks += t.v[i].b >= 0 ? t.v[i].n : 0;
    }
    for (int h = 0; h < HEALTH_CLOCK_WRONG; h++) {
        struct cert_page page;
        assert_int_equal(got[h], want[h]);
        OK(db_cert_query(
            db, &(struct cert_query){.healths = (int64_t)1 << h, .now = now, .limit = 1000}, r->a,
            &page, err));
        assert_int_equal(page.n, want[h]);
        OK(db_cert_query(
            db,
            &(struct cert_query){.healths = (int64_t)1 << h, .now = now, .limit = 1000, .few = 1},
            r->a, &page, err));
        assert_int_equal(page.n, want[h]);
    }
    assert_true(want[HEALTH_EXPIRING] > 0 && want[HEALTH_ORDERING] > 0 && want[HEALTH_DRIFT] > 0);
    assert_true(weeks > 0 && weeks < MANY_CERTS);
    OK(db_renewal_tally(db, now, 14, r->a, &t, err));
    assert_true(t.n > 1);
    OK(db_job_tally(db, r->a, &t, err));
    assert_true(t.n == 3); /* ready, running, blocked */
    OK(db_connector_tally(db, r->a, &t, err));
    assert_int_equal(t.n, 2);
    assert_string_equal(t.v[0].name, "ca");
    OK(db_endpoint_tally(db, r->a, &t, err));
    assert_int_equal(t.n, 0);
    OK(db_delivery_tally(db, 0, r->a, &t, err));
    assert_int_equal(t.n, 0);
}

static int64_t value_of(struct rig *r, struct db *db, enum cert_sort sort, const struct cert *c)
{
    struct cert_version v = {0};
    if (sort == CERT_BY_RENEWAL)
        return c->renew_at;
    if (sort == CERT_BY_AGE)
        return c->created;
    if (c->current_id)
        OK(db_version_get(db, c->current_id, r->a, &v, err));
    return v.not_after;
}

static void walk(struct rig *r, struct db *db, enum cert_sort sort, bool down, size_t want)
{
    struct cert_query q = {.sort = sort, .down = down, .limit = 7, .now = now};
    struct cert last = {0};
    size_t seen = 0;
    for (;;) {
        struct cert_page page;
        OK(db_cert_query(db, &q, r->a, &page, err));
        for (size_t i = 0; i < page.n; i++, seen++) {
            const struct cert *c = &page.v[i];
            int64_t order = !last.id ? 0
                            : sort == CERT_BY_NAME
                                ? strcmp(c->name, last.name)
                                : value_of(r, db, sort, c) - value_of(r, db, sort, &last);
            if (order == 0 && last.id)
                order = c->id - last.id;
            if (last.id)
                assert_true(down ? order < 0 : order > 0);
            last = *c;
        }
        if (page.n < 7)
            break;
        q.more = true;
        q.after_id = last.id;
        q.after_name = last.name;
        q.after_value = sort == CERT_BY_NAME ? 0 : value_of(r, db, sort, &last);
    }
    assert_int_equal(seen, want);
}

static void pages_are_whole_and_sorted(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    size_t planned = 0;
    for (int i = 0; i < MANY_CERTS; i++)
        planned += facts_of(i).has_current;
    OK(store_read(r->s, &db, err));
    for (int down = 0; down < 2; down++) {
        walk(r, db, CERT_BY_NAME, down, MANY_CERTS);
        walk(r, db, CERT_BY_EXPIRY, down, MANY_CERTS);
        walk(r, db, CERT_BY_AGE, down, MANY_CERTS);
        walk(r, db, CERT_BY_RENEWAL, down, planned);
    }
}

/* However few rows are sorted at once, however soon a walk turns back: the same rows. */
static void both_ways_agree(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    for (int i = 0; i < CERT_SORTS * 2 * HEALTH_CLOCK_WRONG; i++) {
        struct cert_query q = {.healths = (int64_t)1 << i % HEALTH_CLOCK_WRONG,
                               .sort = (enum cert_sort)(i / HEALTH_CLOCK_WRONG / 2),
                               .down = i / HEALTH_CLOCK_WRONG % 2,
                               .text = i % 2 ? "host" : NULL,
                               .now = now,
                               .limit = 3};
        struct cert_page sorted, walked;
        OK(db_cert_query(db, &q, r->a, &sorted, err));
        for (q.few = 1; q.few < 12; q.few += 5) {
            OK(db_cert_query(db, &q, r->a, &walked, err));
            assert_int_equal(walked.n, sorted.n);
            for (size_t k = 0; k < sorted.n; k++)
                assert_int_equal(walked.v[k].id, sorted.v[k].id);
        }
    }
}

/* What the counts should be, by looking at every certificate. */
static void count_all(struct rig *r, struct db *db, int64_t at,
                      int64_t want[HEALTH_CLOCK_WRONG][60])
{
    memset(want, 0, sizeof(int64_t) * HEALTH_CLOCK_WRONG * 60);
    for (int h = 0; h < HEALTH_CLOCK_WRONG; h++) {
        struct cert_query q = {.healths = (int64_t)1 << h, .now = at, .limit = 1000};
        struct cert_page page;
        OK(db_cert_query(db, &q, r->a, &page, err));
        for (size_t i = 0; i < page.n; i++) {
            int64_t end = value_of(r, db, CERT_BY_EXPIRY, &page.v[i]);
            int64_t week = end > at ? (end / day - at / day) / 7 : -1;
            want[h][week >= 57 ? 0 : week + 1]++;
        }
    }
}

/* A walk of the ends begins where the first can be: none is left out. */
static void ends_are_whole(struct rig *r, struct db *db, int64_t at)
{
    static const int64_t masks[] = {1 << HEALTH_VALID, 1 << HEALTH_EXPIRING,
                                    1 << HEALTH_VALID | 1 << HEALTH_EXPIRING};
    for (size_t i = 0; i < COUNT_OF(masks); i++) {
        struct cert_query q = {.healths = masks[i], .now = at, .limit = 1000};
        struct cert_page by_name, by_end;
        OK(db_cert_query(db, &q, r->a, &by_name, err));
        q.sort = CERT_BY_EXPIRY;
        for (int way = 0; way < 4; way++) {
            q.down = way % 2;
            q.few = way / 2;
            OK(db_cert_query(db, &q, r->a, &by_end, err));
            assert_int_equal(by_end.n, by_name.n);
        }
    }
}

static void counts_are_right(struct rig *r, struct db *db, int64_t at)
{
    static int64_t want[HEALTH_CLOCK_WRONG][60];
    struct tally_list t;
    count_all(r, db, at, want);
    ends_are_whole(r, db, at);
    OK(db_cert_tally(db, at, 57, r->a, &t, err));
    for (size_t i = 0; i < t.n; i++)
        want[t.v[i].a][t.v[i].b + 1] -= t.v[i].n;
    for (int h = 0; h < HEALTH_CLOCK_WRONG; h++)
        for (int w = 0; w < 60; w++)
            if (want[h][w] != 0)
                fail_msg("%s in week %d: %lld too few", cert_health_name((enum cert_health)h),
                         w - 1, (long long)want[h][w]);
}

static void renew(struct rig *r, struct db *db, const struct cert *c, int64_t until)
{
    struct cert_version v = {.cert_id = c->id,
                             .state = VERSION_STAGING,
                             .chain = "PEM",
                             .not_before = until - 90 * day,
                             .not_after = until};
    (void)r;
    OK(db_version_add(db, &v, err));
    OK(db_version_activate(db, v.id, until - 30 * day, now, err));
}

/* After each kind of change, at any time of a day, added up or not, of all groups and of some. */
static void counts_follow_what_changes(void **state)
{
    static const char *const added[] = {"new.example.jp", "newer.example.jp"};
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct cert_page page;
    OK(store_begin(r->s, &db, err)); /* is never committed */
    for (size_t round = 0; round < COUNT_OF(added); round++) {
        struct cert extra = {.name = added[round]};
        OK(db_cert_list(db, 0, 1000, r->a, &page, err));
        for (size_t i = 1; i < page.n; i += 4) {
            page.v[i].group_id = (int64_t)(i % 3);
            OK(db_cert_update(db, &page.v[i], err));
            renew(r, db, &page.v[i], now + ((int64_t)i * 3 - 20) * day + (int64_t)round * day / 3);
        }
        OK(db_cert_add(db, &extra, err));
        counts_are_right(r, db, now);
        OK(db_cert_remove(db, page.v[0].id, err)); /* the first ones have no binding */
        for (int hour = 0; hour < 72; hour += 5)
            counts_are_right(r, db, now + hour * day / 24);
        OK(db_cert_tally_fold(db, err));
        counts_are_right(r, db, now);
    }
    db_scope(db, "[1,2]");
    counts_are_right(r, db, now);
}

static size_t found(struct rig *r, struct db *db, struct cert_query q)
{
    struct cert_page page;
    q.now = now;
    q.limit = 1000;
    OK(db_cert_query(db, &q, r->a, &page, err));
    return page.n;
}

/* Somebody worked on the store by other ways. */
static void counts_that_do_not_add_up_are_mended(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct cert_page page;
    bool mended = true;
    OK(store_begin(r->s, &db, err)); /* is never committed */
    OK(db_cert_tally_mend(db, &mended, err));
    assert_false(mended);
    OK(db_cert_list(db, 0, 2, r->a, &page, err));
    OK(db_do(db, STMT_COUNT_NOTE, ARGS(I(page.v[0].id), I(5)), NULL, err));
    OK(db_do(db, STMT_COUNT_NOTE, ARGS(I(page.v[1].id), I(-2)), NULL, err));
    OK(db_cert_tally_mend(db, &mended, err));
    assert_true(mended);
    counts_are_right(r, db, now);
    OK(db_cert_tally_fold(db, err));
    counts_are_right(r, db, now);
    OK(db_cert_tally_mend(db, &mended, err));
    assert_false(mended);
}

static void filters_narrow(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct connector ca, target;
    struct organisation org;
    size_t bound = 0, ends = 0;
    for (int i = 0; i < MANY_CERTS; i++) {
        struct facts f = facts_of(i);
        bound += f.failed || f.drift;
        ends += f.has_current && f.until >= now && f.until < now + 15 * day;
    }
    OK(store_read(r->s, &db, err));
    OK(db_connector_find(db, "ca", "le", r->a, &ca, err));
    OK(db_connector_find(db, "target", "w", r->a, &target, err));
    OK(db_organisation_find(db, "hq", r->a, &org, err));
    assert_int_equal(found(r, db, (struct cert_query){.text = "HOST07."}), 1);
    assert_int_equal(found(r, db, (struct cert_query){.text = "host0%"}), 0);
    assert_int_equal(found(r, db, (struct cert_query){.text = "00:AB:00:01"}), 1);
    assert_int_equal(found(r, db, (struct cert_query){.text = "ffee"}), MANY_CERTS * 4 / 5);
    assert_int_equal(found(r, db, (struct cert_query){.text = "eeff"}), 0);
    assert_int_equal(found(r, db, (struct cert_query){.ca_id = ca.id}), MANY_CERTS / 2);
    assert_int_equal(found(r, db, (struct cert_query){.organisation_id = org.id}), MANY_CERTS / 4);
    assert_int_equal(found(r, db, (struct cert_query){.organisation_id = org.id, .few = 1}),
                     MANY_CERTS / 4);
    assert_int_equal(found(r, db, (struct cert_query){.organisation_id = org.id + 999}), 0);
    assert_int_equal(found(r, db, (struct cert_query){.target_id = target.id}), bound);
    assert_int_equal(
        found(r, db, (struct cert_query){.end_from = now, .end_before = now + 15 * day}), ends);
}

static void lists_newest_first(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct order_row_list orders;
    struct job_list jobs;
    struct endpoint_list ends;
    struct cert_page page;
    OK(store_begin(r->s, &db, err));
    OK(db_cert_list(db, 0, 1, r->a, &page, err));
    for (int i = 0; i < 3; i++) {
        struct order o = {.cert_id = page.v[0].id, .state = i ? ORDER_OPEN : ORDER_DONE};
        OK(db_order_add(db, &o, err));
    }
    OK(db_order_query(db, &(struct order_query){.limit = 10}, r->a, &orders, err));
    assert_int_equal(orders.n, 3);
    assert_true(orders.v[0].o.id > orders.v[2].o.id);
    OK(db_order_query(
        db,
        &(struct order_query){.in_state = 1 + ORDER_OPEN, .before = orders.v[0].o.id, .limit = 10},
        r->a, &orders, err));
    assert_int_equal(orders.n, 1);
    struct job routine = {.kind = "watch", .subject = "endpoint/1", .state = JOB_FAILED};
    int64_t existing = 0;
    OK(db_job_add(db, &routine, &existing, err));
    OK(db_job_list(db, &(struct job_filter){.limit = 100, .in_state = 1 + JOB_FAILED}, r->a, &jobs,
                   err));
    assert_string_equal(jobs.v[0].kind, "watch");
    size_t all = jobs.n;
    OK(db_job_list(
        db, &(struct job_filter){.limit = 100, .in_state = 1 + JOB_FAILED, .no_routine = true},
        r->a, &jobs, err));
    assert_int_equal(jobs.n, all - 1);
    struct endpoint good = {.host = "a.example.jp", .port = 443, .state = "ok"};
    struct endpoint bad = {.host = "b.example.jp", .port = 443, .sni = "Web", .state = "drift"};
    OK(db_endpoint_add(db, &good, err));
    OK(db_endpoint_add(db, &bad, err));
    OK(db_endpoint_search(db, "bad", NULL, 0, 10, r->a, &ends, err));
    assert_int_equal(ends.n, 1);
    OK(db_endpoint_search(db, NULL, "wEB", 0, 10, r->a, &ends, err));
    assert_int_equal(ends.n, 1);
    OK(db_endpoint_search(db, "ok", "example", 0, 10, r->a, &ends, err));
    assert_int_equal(ends.n, 1);
    assert_string_equal(ends.v[0].host, "a.example.jp");
}

static int on_sqlite(void **state)
{
    static struct rig r;
    rig_sqlite(&r);
    fill(&r);
    *state = &r;
    return 0;
}

static int on_pgsql(void **state)
{
    static struct rig r;
    rig_pgsql(&r);
    fill(&r);
    *state = &r;
    return 0;
}

static int end(void **state)
{
    rig_end(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_what_the_rule_says),
        cmocka_unit_test(pages_are_whole_and_sorted),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(filters_narrow),
        cmocka_unit_test(lists_newest_first),
        cmocka_unit_test(counts_follow_what_changes),
        cmocka_unit_test(counts_that_do_not_add_up_are_mended),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, on_sqlite, end);
    return bad + cmocka_run_group_tests_name("pgsql", tests, on_pgsql, end);
}
