/*
 * List screens on both engines: targets with what is applied there, deployments, applications and
 * jobs by state and text. What a list finds does not depend on the way it is looked for.
 */
#include "store/repo_list.h"
#include "store_rig.h"

enum { TARGETS = 40, CERTS = 8, DEPLOYMENT_STATES = DEPLOYMENT_STOPPED + 1 };

/* Target i: bound to i % 4 certificates, in states that go round; the last has none. */
static const char *const states[] = {"deployed", "new", "drift", "failed"};

static int64_t cert_ids[CERTS], target_ids[TARGETS], groups[2];

static enum target_worst worst_of(int i)
{
    static const enum target_worst rank[] = {TARGET_DEPLOYED, TARGET_NEW, TARGET_DRIFT,
                                             TARGET_FAILED};
    enum target_worst w = TARGET_UNUSED;
    for (int k = 0; k < i % 4; k++)
        if (rank[(i + k) % 4] > w)
            w = rank[(i + k) % 4];
    return w;
}

static void add_seat(struct db *db, int64_t id, const char *address)
{
    OK(db_do(db, STMT_SEAT_PUT, ARGS(I(id), T(address)), NULL, err));
}

static void add_target(struct db *db, int i)
{
    char name[32], address[48];
    snprintf(name, sizeof name, "%s%02d", i % 2 ? "Web" : "edge", i);
    snprintf(address, sizeof address, "10.0.%d.example.jp", i);
    struct connector c = {.kind = "target",
                          .type = i % 3 ? "nginx" : "haproxy",
                          .name = name,
                          .settings = "{}",
                          .group_id = groups[i % 2],
                          .revision = 1};
    OK(db_connector_add(db, &c, err));
    add_seat(db, c.id, address);
    target_ids[i] = c.id;
    for (int k = 0; k < i % 4; k++) {
        struct binding b = {.cert_id = cert_ids[(i + k) % CERTS],
                            .target_id = c.id,
                            .place = "{}",
                            .state = states[(i + k) % 4],
                            .revision = 1};
        OK(db_binding_add(db, &b, err));
    }
}

/* One deployment of each certificate to all its places; the state by the certificate's number. */
static void deploy(struct rig *r, struct db *db, int i)
{
    struct binding_list l;
    struct deployment d = {.cert_id = cert_ids[i],
                           .version_id = 1,
                           .state = (enum deployment_state)(i % DEPLOYMENT_STATES),
                           .reason = "manual",
                           .created = 100 + i};
    OK(db_deployment_add(db, &d, err));
    OK(db_binding_list(db, cert_ids[i], 0, r->a, &l, err));
    for (size_t k = 0; k < l.n; k++) {
        struct deploy_item it = {.deployment_id = d.id,
                                 .binding_id = l.v[k].id,
                                 .state = k == 0 ? ITEM_FAILED : ITEM_VERIFIED,
                                 .updated = 1000 * d.id + (int64_t)k};
        OK(db_item_add(db, &it, err));
    }
}

static void add_work(struct db *db, int i)
{
    char subject[32];
    struct order o = {.cert_id = cert_ids[i % CERTS], .state = (enum order_state)(i % 4)};
    OK(db_order_add(db, &o, err));
    snprintf(subject, sizeof subject, "cert/%lld", (long long)cert_ids[i % CERTS]);
    struct job j = {
        .kind = i % 2 ? "deploy" : "issue", .subject = subject, .state = (enum job_state)(i % 6)};
    int64_t existing = 0;
    OK(db_job_add(db, &j, &existing, err));
}

static void fill(struct rig *r)
{
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    for (int i = 0; i < 2; i++) {
        struct group g = {.name = i ? "right" : "left", .revision = 1};
        OK(db_group_add(db, &g, err));
        groups[i] = g.id;
    }
    for (int i = 0; i < CERTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "shop%d.example.jp", i);
        const char *const names[] = {name};
        struct cert c = {.name = name,
                         .names = {names, 1},
                         .key_alg = "ec256",
                         .group_id = groups[i % 2],
                         .revision = 1};
        OK(db_cert_add(db, &c, err));
        cert_ids[i] = c.id;
    }
    for (int i = 0; i < TARGETS; i++)
        add_target(db, i);
    for (int i = 0; i < CERTS; i++)
        deploy(r, db, i);
    for (int i = 0; i < 24; i++)
        add_work(db, i);
    OK(db_commit(&db, err));
}

static size_t found(struct rig *r, struct db *db, struct target_query q)
{
    struct target_row_list l;
    q.limit = 100;
    OK(db_target_query(db, &q, r->a, &l, err));
    return l.n;
}

/* "Web07" -> 7 */
static int number_in(const char *name)
{
    int64_t n = -1;
    assert_true(str_to_i64(str_from(name + strcspn(name, "0123456789")), 0, TARGETS, &n));
    return (int)n;
}

static void targets_say_what_is_applied(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct target_row_list l;
    OK(store_read(r->s, &db, err));
    OK(db_target_query(db, &(struct target_query){.limit = 100}, r->a, &l, err));
    assert_int_equal(l.n, TARGETS);
    for (size_t k = 0; k < l.n; k++) {
        const struct target_row *t = &l.v[k];
        int i = number_in(t->c.name);
        assert_int_equal(t->certs, i % 4);
        assert_int_equal(t->worst, worst_of(i));
        assert_true(k == 0 || strcmp(l.v[k - 1].c.name, t->c.name) < 0);
        assert_true(t->certs > 0 || t->applied_at == 0);
    }
}

/* The last time something was put there: of the newest deployment that did. */
static void targets_say_when(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct target_row_list l;
    int64_t want = 0;
    OK(store_begin(r->s, &db, err));
    for (int n = 0; n < 3; n++) {
        struct deployment d = {.cert_id = cert_ids[0], .version_id = 1, .state = DEPLOYMENT_DONE};
        struct binding b = {.cert_id = cert_ids[0],
                            .target_id = target_ids[0],
                            .place = n ? "{\"n\":1}" : "{}",
                            .state = "deployed",
                            .revision = 1};
        OK(db_deployment_add(db, &d, err));
        if (n < 2)
            OK(db_binding_add(db, &b, err));
        struct binding_list all;
        OK(db_binding_list(db, 0, target_ids[0], r->a, &all, err));
        struct deploy_item it = {.deployment_id = d.id,
                                 .binding_id = all.v[0].id,
                                 .state = n == 2 ? ITEM_FAILED : ITEM_APPLIED,
                                 .updated = 777 + n};
        OK(db_item_add(db, &it, err));
        want = n == 1 ? it.updated : want;
    }
    OK(db_target_query(db, &(struct target_query){.limit = 1, .text = "edge00"}, r->a, &l, err));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0].applied_at, want);
    assert_int_equal(l.v[0].certs, 1); /* two places, one certificate */
    /* what was deployed is known also when the binding is gone */
    struct binding_list all;
    struct deployment_row_list d;
    OK(db_binding_list(db, 0, target_ids[0], r->a, &all, err));
    for (size_t i = 0; i < all.n; i++)
        OK(db_binding_remove(db, all.v[i].id, err));
    OK(db_deployment_query(db, &(struct deployment_query){.target_id = target_ids[0], .limit = 10},
                           r->a, &d, err));
    assert_int_equal(d.n, 3);
}

static void targets_are_found(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    assert_int_equal(found(r, db, (struct target_query){.text = "WEB"}), TARGETS / 2);
    assert_int_equal(found(r, db, (struct target_query){.text = " 0.7.EXAMPLE "}), 1);
    assert_int_equal(found(r, db, (struct target_query){.text = "nowhere"}), 0);
    assert_int_equal(found(r, db, (struct target_query){.text = "w_b"}), 0);
    assert_int_equal(found(r, db, (struct target_query){.text = "zzz", .types = ",haproxy,"}), 14);
    assert_int_equal(found(r, db, (struct target_query){.type = "haproxy"}), 14);
    size_t want[TARGET_WORSTS] = {0};
    for (int i = 0; i < TARGETS; i++)
        want[worst_of(i)]++;
    for (int w = 0; w < TARGET_WORSTS; w++)
        assert_int_equal(found(r, db, (struct target_query){.states = (int64_t)1 << w}), want[w]);
    assert_int_equal(
        found(r, db, (struct target_query){.states = 1 << TARGET_FAILED | 1 << TARGET_DRIFT}),
        want[TARGET_FAILED] + want[TARGET_DRIFT]);
}

static void targets_page_by_name(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    for (int down = 0; down < 2; down++) {
        struct target_query q = {.limit = 7, .down = down};
        struct target_row_list l;
        const char *last = NULL;
        int n = 0;
        do {
            OK(db_target_query(db, &q, r->a, &l, err));
            for (size_t i = 0; i < l.n; i++, n++) {
                const char *name = l.v[i].c.name;
                assert_true(!last || (down ? strcmp(name, last) < 0 : strcmp(name, last) > 0));
                last = name;
                q.after_id = l.v[i].c.id;
            }
            q.after_name = last;
            q.more = true;
        } while (l.n == 7);
        assert_int_equal(n, TARGETS);
    }
}

/* A person of one group sees its targets, and of what is applied there what is theirs. */
static void targets_of_a_group(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct target_row_list l;
    OK(store_read(r->s, &db, err));
    db_scope(db, arena_printf(r->a, "[%lld]", (long long)groups[1]));
    OK(db_target_query(db, &(struct target_query){.limit = 100}, r->a, &l, err));
    assert_int_equal(l.n, TARGETS / 2);
    for (size_t k = 0; k < l.n; k++) {
        int i = number_in(l.v[k].c.name);
        int mine = 0;
        for (int b = 0; b < i % 4; b++)
            mine += ((i + b) % CERTS) % 2;
        assert_int_equal(l.v[k].certs, mine);
    }
    struct deployment_row_list d;
    OK(db_deployment_query(db, &(struct deployment_query){.limit = 100, .text = "shop"}, r->a, &d,
                           err));
    assert_int_equal(d.n, CERTS / 2);
}

static void deployments_are_found(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct deployment_row_list l;
    OK(store_read(r->s, &db, err));
    OK(db_deployment_query(db, &(struct deployment_query){.limit = 100, .text = "SHOP3"}, r->a, &l,
                           err));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0].cert_name, "shop3.example.jp");
    struct binding_list b;
    OK(db_binding_list(db, cert_ids[3], 0, r->a, &b, err));
    assert_int_equal(l.v[0].total, b.n);
    assert_int_equal(l.v[0].failed, 1);
    assert_int_equal(l.v[0].done, b.n - 1);
    for (int k = 0; k < 2 * DEPLOYMENT_STATES; k++) { /* by the index, and by the text */
        int s = k / 2;
        struct deployment_query q = {
            .limit = 100, .in_state = s + 1, .text = k % 2 ? "shop" : NULL};
        OK(db_deployment_query(db, &q, r->a, &l, err));
        assert_int_equal(l.n, s < CERTS - DEPLOYMENT_STATES ? 2 : 1);
        for (size_t i = 0; i < l.n; i++)
            assert_int_equal(l.v[i].d.state, s);
        assert_true(l.n < 2 || l.v[0].d.id > l.v[1].d.id);
    }
    /* by the name of a target: those that went there */
    OK(db_deployment_query(db, &(struct deployment_query){.limit = 100, .text = "eb07"}, r->a, &l,
                           err));
    assert_int_equal(l.n, 3);
    OK(db_deployment_query(db, &(struct deployment_query){.limit = 100, .target_id = target_ids[7]},
                           r->a, &l, err));
    assert_int_equal(l.n, 3);
    OK(db_deployment_query(
        db,
        &(struct deployment_query){.limit = 2, .before = l.v[0].d.id, .target_id = target_ids[7]},
        r->a, &l, err));
    assert_int_equal(l.n, 2);
}

struct ids {
    int64_t v[64];
    size_t n;
};

static enum rc take_id(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct ids *ids = ctx;
    (void)n, (void)err;
    assert_true(ids->n < COUNT_OF(ids->v));
    ids->v[ids->n++] = cols[0].i;
    return RC_OK;
}

static void same(struct db *db, enum stmt_id one, enum stmt_id other, const struct val *args,
                 size_t n, size_t want)
{
    struct ids a = {.n = 0}, b = {.n = 0};
    int64_t rows;
    OK(db_run(db, one, args, n, take_id, &a, &rows, err));
    OK(db_run(db, other, args, n, take_id, &b, &rows, err));
    assert_int_equal(a.n, want);
    assert_int_equal(b.n, want);
    assert_memory_equal(a.v, b.v, want * sizeof a.v[0]);
}

#define BOTH(db, one, other, want, ...) same(db, one, other, ARGS(__VA_ARGS__), want)

static void both_ways_find_the_same(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct sought s;
    OK(store_read(r->s, &db, err));
    OK(sought_read("shop2", r->a, &s, err));
    BOTH(db, STMT_DEPLOYMENT_ROWS, STMT_DEPLOYMENT_ROWS_NAMED, 1, I(INT64_MAX), I(50), I(0), I(0),
         I(0), T(s.from), T(s.to), T(s.like), T(NULL));
    BOTH(db, STMT_ORDER_ROWS, STMT_ORDER_ROWS_NAMED, 3, I(INT64_MAX), I(50), I(0), T(s.from),
         T(s.to), T(NULL));
    BOTH(db, STMT_JOB_NAMED_MANY, STMT_JOB_NAMED, 3, I(INT64_MAX), I(50), T(NULL), I(0), I(0), I(0),
         T(s.from), T(s.to), T(s.like), T(NULL));
    BOTH(db, STMT_JOB_NAMED_LIVE, STMT_JOB_NAMED, 2, I(INT64_MAX), I(50), T(NULL), I(0), I(0), I(1),
         T(s.from), T(s.to), T(s.like), T(NULL));
    BOTH(db, STMT_JOB_NAMED_BAD, STMT_JOB_NAMED, 0, I(INT64_MAX), I(50), T(NULL), I(JOB_FAILED + 1),
         I(0), I(0), T(s.from), T(s.to), T(s.like), T(NULL));
    OK(sought_read("web07", r->a, &s, err));
    BOTH(db, STMT_DEPLOYMENT_ROWS, STMT_DEPLOYMENT_ROWS_NAMED, 3, I(INT64_MAX), I(50), I(0), I(0),
         I(0), T(s.from), T(s.to), T(s.like), T(NULL));
}

static void orders_and_jobs_are_found(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct order_row_list o;
    struct job_list j;
    OK(store_begin(r->s, &db, err));
    for (int s = 0; s <= 4; s++) {
        OK(db_order_query(db, &(struct order_query){.limit = 100, .in_state = s}, r->a, &o, err));
        assert_int_equal(o.n, s ? 6 : 24);
        for (size_t i = 0; i < o.n; i++) {
            assert_true(s == 0 || (int)o.v[i].o.state == s - 1);
            assert_true(i == 0 || o.v[i].o.id < o.v[i - 1].o.id);
        }
    }
    OK(db_order_query(db, &(struct order_query){.limit = 100, .text = "shop5.example"}, r->a, &o,
                      err));
    assert_int_equal(o.n, 3);
    assert_string_equal(o.v[0].cert_name, "shop5.example.jp");
    OK(db_job_named(db, &(struct job_filter){.limit = 100}, "shop5", r->a, &j, err));
    assert_int_equal(j.n, 3);
    OK(db_job_named(db, &(struct job_filter){.limit = 100, .kind = "issue"}, "shop5", r->a, &j,
                    err));
    assert_int_equal(j.n, 0);
    /* work about a connector, by its name */
    char subject[32];
    snprintf(subject, sizeof subject, "connector/%lld", (long long)target_ids[9]);
    struct job check = {.kind = "check", .subject = subject, .state = JOB_READY};
    int64_t existing = 0;
    OK(db_job_add(db, &check, &existing, err));
    OK(db_job_named(db, &(struct job_filter){.limit = 100, .only_open = true}, "Web09", r->a, &j,
                    err));
    assert_int_equal(j.n, 1);
    assert_string_equal(j.v[0].kind, "check");
}

static void endpoints_of_a_target(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct endpoint_list l;
    OK(store_begin(r->s, &db, err));
    struct endpoint host = {.host = "10.0.7.example.jp", .port = 443, .state = "ok"};
    struct endpoint far = {.host = "www.example.jp", .port = 443, .state = "ok"};
    struct endpoint own = {
        .host = "shop.example.jp", .port = 443, .state = "ok", .cert_id = cert_ids[7]};
    OK(db_endpoint_add(db, &host, err));
    OK(db_endpoint_add(db, &far, err));
    OK(db_endpoint_add(db, &own, err));
    OK(db_endpoint_of_target(db, target_ids[7], 0, 10, r->a, &l, err));
    assert_int_equal(l.n, 2);
    assert_string_equal(l.v[0].host, "10.0.7.example.jp");
    assert_string_equal(l.v[1].host, "shop.example.jp");
}

static void bindings_with_their_names(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct binding_row_list l;
    struct binding_row one;
    OK(store_read(r->s, &db, err));
    OK(db_binding_rows(db, 0, target_ids[7], r->a, &l, err));
    assert_int_equal(l.n, 3);
    assert_string_equal(l.v[0].target, "Web07");
    assert_string_equal(l.v[0].cert_name, "shop7.example.jp");
    OK(db_binding_row(db, l.v[1].b.id, r->a, &one, err));
    assert_string_equal(one.cert_name, l.v[1].cert_name);
    int64_t cert = l.v[0].b.cert_id;
    OK(db_binding_rows(db, cert, target_ids[7], r->a, &l, err));
    assert_int_equal(l.n, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_say_what_is_applied), cmocka_unit_test(targets_say_when),
        cmocka_unit_test(targets_are_found),           cmocka_unit_test(targets_page_by_name),
        cmocka_unit_test(targets_of_a_group),          cmocka_unit_test(deployments_are_found),
        cmocka_unit_test(both_ways_find_the_same),     cmocka_unit_test(orders_and_jobs_are_found),
        cmocka_unit_test(endpoints_of_a_target),       cmocka_unit_test(bindings_with_their_names),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", tests, on_pgsql, rig_leave);
}
