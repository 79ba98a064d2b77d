/* Every repository on both engines, and every named statement prepared on both. */
#include <pthread.h>

#include "store_rig.h"

static struct connector add_ca(struct rig *r, const char *kind, const char *name)
{
    AUTO(db) struct db *db = NULL;
    struct connector c = {
        .kind = kind, .type = "acme", .name = name, .settings = "{}", .created = 1, .updated = 1};
    OK(store_begin(r->s, &db, err));
    OK(db_connector_add(db, &c, err));
    OK(db_commit(&db, err));
    assert_true(c.id > 0);
    return c;
}

static struct cert add_cert(struct rig *r, int64_t ca, const char *name)
{
    AUTO(db) struct db *db = NULL;
    const char *names[] = {name, "日本語.Example.JP"};
    struct cert c = {.name = name, .names = {names, 2}, .ca_id = ca, .key_alg = "ec256"};
    OK(store_begin(r->s, &db, err));
    OK(db_cert_add(db, &c, err));
    OK(db_commit(&db, err));
    return c;
}

static void statements_are_prepared(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    OK(db_prepare_all(db, err));
}

static void connector_unique_conflict_and_remove(void **state)
{
    struct rig *r = *state;
    struct connector ca = add_ca(r, "ca", "le");
    AUTO(db) struct db *db = NULL;
    struct connector got, twin = ca;
    OK(store_begin(r->s, &db, err));
    assert_int_equal(db_connector_add(db, &twin, NULL), RC_EXISTS);
    /* a failed statement ends the transaction on both engines */
    assert_int_equal(db_connector_get(db, ca.id, r->a, &got, NULL), RC_CONFLICT);
    assert_int_equal(db_commit(&db, NULL), RC_CONFLICT);
    OK(store_begin(r->s, &db, err));
    OK(db_connector_find(db, "ca", "le", r->a, &got, err));
    assert_string_equal(got.settings, "{}");
    assert_null(got.state);
    got.settings = "{\"a\":1}";
    OK(db_connector_update(db, &got, err));
    assert_int_equal(db_connector_update(db, &got, NULL), RC_CONFLICT); /* old revision */
    OK(db_commit(&db, err));
    struct cert c = add_cert(r, ca.id, "used.example");
    OK(store_begin(r->s, &db, err));
    assert_int_equal(db_connector_remove(db, ca.id, NULL), RC_CONFLICT);
    db_rollback(&db);
    OK(store_begin(r->s, &db, err));
    OK(db_cert_remove(db, c.id, err));
    OK(db_connector_remove(db, ca.id, err));
    assert_int_equal(db_connector_remove(db, ca.id, NULL), RC_NOT_FOUND);
    OK(db_commit(&db, err));
}

static void cert_search_and_switch(void **state)
{
    struct rig *r = *state;
    struct connector ca = add_ca(r, "ca", "search");
    struct cert c = add_cert(r, ca.id, "www.search.example"), got;
    AUTO(db) struct db *db = NULL;
    struct cert_page page;
    OK(store_begin(r->s, &db, err));
    OK(db_cert_named(db, "www.search.example", 10, r->a, &page, err));
    assert_int_equal(page.n, 1);
    assert_int_equal(page.v[0].names.n, 2);
    assert_string_equal(page.v[0].names.v[1], "日本語.Example.JP");
    OK(db_cert_named(db, "search.example", 10, r->a, &page, err));
    assert_int_equal(page.n, 0);
    assert_int_equal(db_cert_list(db, 0, 1001, r->a, &page, NULL), RC_INPUT);
    struct cert_version v1 = {.cert_id = c.id, .state = VERSION_STAGING, .chain = "PEM"}, v2 = v1;
    OK(db_version_add(db, &v1, err));
    OK(db_version_add(db, &v2, err));
    OK(db_version_activate(db, v1.id, 77, 5, err));
    OK(db_version_activate(db, v2.id, 78, 6, err));
    OK(db_version_get(db, v1.id, r->a, &v1, err));
    assert_int_equal(v1.state, VERSION_ARCHIVED);
    OK(db_cert_get(db, c.id, r->a, &got, err));
    assert_int_equal(got.current_id, v2.id);
    OK(db_cert_due(db, 77, 10, r->a, &page, err));
    assert_int_equal(page.n, 0);
    OK(db_cert_due(db, 78, 10, r->a, &page, err));
    assert_int_equal(page.n, 1);
    struct cert_version bare = {.cert_id = c.id, .state = VERSION_KEYED};
    OK(db_version_add(db, &bare, err));
    assert_int_equal(db_version_activate(db, bare.id, 1, 1, NULL), RC_CONFLICT);
    assert_int_equal(db_commit(&db, NULL), RC_CONFLICT); /* and nothing of it is kept */
    OK(store_read(r->s, &db, err));
    OK(db_cert_get(db, c.id, r->a, &got, err));
    assert_int_equal(got.current_id, 0);
}

static void job_claim_cap_lease_and_fence(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct job j[3], got, late;
    int64_t existing = 0, next = 0;
    OK(store_begin(r->s, &db, err));
    for (int i = 0; i < 3; i++) {
        j[i] = (struct job){.kind = "issue",
                            .run_at = 100 + i,
                            .cap_key = "ca:1",
                            .dedup_key = i == 0 ? "k" : NULL};
        OK(db_job_add(db, &j[i], &existing, err));
        assert_int_equal(existing, 0);
    }
    struct job twin = {.kind = "issue", .dedup_key = "k"};
    OK(db_job_add(db, &twin, &existing, err));
    assert_int_equal(existing, j[0].id);
    OK(db_commit(&db, err));
    assert_int_equal(db_job_claim(r->s, "w", 99, 50, 2, r->a, &got, &next, NULL), RC_NOT_FOUND);
    assert_int_equal(next, 100);
    OK(db_job_claim(r->s, "w", 200, 50, 2, r->a, &got, &next, err));
    assert_int_equal(got.id, j[0].id);
    assert_int_equal(got.state, JOB_RUNNING);
    OK(db_job_claim(r->s, "w", 201, 50, 2, r->a, &late, &next, err));
    assert_int_equal(db_job_claim(r->s, "w", 202, 50, 2, r->a, &late, &next, NULL), RC_NOT_FOUND);
    assert_int_equal(next, 250); /* the end of the first lease */
    OK(db_job_claim(r->s, "x", 250, 50, 2, r->a, &late, &next, err));
    OK(store_begin(r->s, &db, err));
    struct job lost = late;
    lost.lease_no--;
    assert_int_equal(db_job_save(db, &lost, NULL), RC_CONFLICT);
    assert_int_equal(db_commit(&db, NULL), RC_CONFLICT);
    OK(store_begin(r->s, &db, err));
    OK(db_job_extend(db, late.id, late.lease_no, 999, err));
    OK(db_job_activity(db, late.id, late.lease_no, "asking", "問い合わせ中", err));
    late.state = JOB_DONE;
    OK(db_job_save(db, &late, err));
    OK(db_job_release(db, "w", 1, err));
    for (int i = 0; i < 3; i++)
        if (j[i].id != late.id)
            OK(db_job_cancel(db, j[i].id, 1, err));
    OK(db_commit(&db, err));
}

enum { CLAIMERS = 6, CLAIM_JOBS = 60 };

struct claimer {
    struct rig *r;
    int got[CLAIM_JOBS * 2], n;
};

static void *claim_all(void *arg)
{
    struct claimer *c = arg;
    struct arena *a = arena_create(0);
    struct job j;
    int64_t next;
    while (c->n < CLAIM_JOBS * 2 &&
           db_job_claim(c->r->s, "t", 1000, 1000, 1000, a, &j, &next, NULL) == RC_OK)
        c->got[c->n++] = (int)j.id;
    arena_destroy(a);
    return NULL;
}

/* Several threads at once: each job is taken by exactly one. */
static void jobs_are_claimed_once(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    static struct claimer c[CLAIMERS];
    pthread_t id[CLAIMERS];
    int64_t first = 0, total = 0;
    memset(c, 0, sizeof c);
    OK(store_begin(r->s, &db, err));
    for (int i = 0; i < CLAIM_JOBS; i++) {
        struct job j = {.kind = "once", .run_at = 1};
        OK(db_job_add(db, &j, NULL, err));
        first = i == 0 ? j.id : first;
    }
    OK(db_commit(&db, err));
    for (int i = 0; i < CLAIMERS; i++) {
        c[i].r = r;
        assert_int_equal(pthread_create(&id[i], NULL, claim_all, &c[i]), 0);
    }
    bool seen[CLAIM_JOBS] = {false};
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(id[i], NULL);
        for (int k = 0; k < c[i].n; k++) {
            int64_t at = c[i].got[k] - first;
            assert_true(at >= 0 && at < CLAIM_JOBS && !seen[at]);
            seen[at] = true;
            total++;
        }
    }
    assert_int_equal(total, CLAIM_JOBS);
}

static void script(struct rig *r, const char *sql)
{
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    db->kind = STMT_WRITE;
    OK(strncmp(r->url, "sqlite:", 7) == 0 ? driver_sqlite.script(db->c, sql, err)
                                          : driver_pgsql.script(db->c, sql, err));
    OK(db_commit(&db, err));
}

static void audit_lines(struct rig *r, int n)
{
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    for (int i = 0; i < n; i++) {
        struct audit a = {.at = i, .actor = "admin", .action = "cert.add", .result = "ok"};
        OK(db_audit_add(db, &a, err));
    }
    OK(db_commit(&db, err));
}

static enum rc audit_verdict(struct rig *r, int64_t *n, struct err *e)
{
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    return db_audit_verify(db, n, e);
}

/* Each kind of change is found, also after the log went on; what was whole stays whole. */
static void audit_chain_shows_a_change(void **state)
{
    static const char *const hurt[] = {
        "UPDATE audit SET actor = 'x' WHERE id = 2;",
        "UPDATE audit SET at = at + 1 WHERE id = 3;",
        "UPDATE audit SET result = NULL WHERE id = 4;",
        "DELETE FROM audit WHERE id = 3;",
        "DELETE FROM audit WHERE id = 1;",
        "DELETE FROM audit WHERE id > 3;",
        "DELETE FROM audit;",
        "UPDATE audit SET id = 99 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 3;"
        " UPDATE audit SET id = 3 WHERE id = 99;",
        "INSERT INTO audit SELECT 6, at, actor, origin, action, subject, detail, result, hash, hash"
        " FROM audit WHERE id = 5;"};
    struct rig *r = *state;
    int64_t n = 0;
    script(r, "CREATE TABLE audit_copy AS SELECT * FROM audit;");
    audit_lines(r, 5);
    OK(audit_verdict(r, &n, err));
    assert_int_equal(n, 5);
    for (size_t i = 0; i < COUNT_OF(hurt); i++) {
        struct err e = {0};
        script(r, "DELETE FROM audit_copy; INSERT INTO audit_copy SELECT * FROM audit;");
        script(r, hurt[i]);
        if (audit_verdict(r, &n, &e) != RC_CORRUPT)
            fail_msg("not found: %s", hurt[i]);
        script(r, "DELETE FROM audit; INSERT INTO audit SELECT * FROM audit_copy;");
        OK(audit_verdict(r, &n, err));
    }
    /* a cut tail is not covered up by what is written later */
    script(r, "DELETE FROM audit WHERE id > 3;");
    audit_lines(r, 3);
    assert_int_equal(audit_verdict(r, &n, NULL), RC_CORRUPT);
}

static void the_rest_round_trips(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct connector ca = add_ca(r, "ca", "rest"), tg = add_ca(r, "target", "rest");
    struct cert c = add_cert(r, ca.id, "rest.example");
    const char *answer = NULL;
    bool is_new = false;
    int64_t n = 0, oldest = 0;
    OK(store_begin(r->s, &db, err));
    struct order o = {.cert_id = c.id, .ca_id = ca.id};
    struct order_list ol;
    OK(db_order_add(db, &o, err));
    o.state = ORDER_DONE;
    OK(db_order_update(db, &o, err));
    OK(db_order_list(db, c.id, true, 0, 10, r->a, &ol, err));
    assert_int_equal(ol.n, 0);
    struct binding b = {.cert_id = c.id, .target_id = tg.id, .place = "{}"};
    struct binding_list bl;
    OK(db_binding_add(db, &b, err));
    OK(db_binding_list(db, 0, tg.id, r->a, &bl, err));
    assert_int_equal(bl.n, 1);
    struct deployment d = {.cert_id = c.id};
    struct deploy_item item = {.binding_id = b.id};
    struct deploy_item_list il;
    OK(db_deployment_add(db, &d, err));
    item.deployment_id = d.id;
    OK(db_item_add(db, &item, err));
    item.state = ITEM_VERIFIED;
    OK(db_item_update(db, &item, err));
    OK(db_item_list(db, d.id, r->a, &il, err));
    assert_int_equal(il.v[0].state, ITEM_VERIFIED);
    struct endpoint e = {.host = "h", .port = 443, .every = 60, .next_at = 5};
    struct endpoint_list el;
    OK(db_endpoint_add(db, &e, err));
    OK(db_endpoint_due(db, 4, 10, r->a, &el, err));
    assert_int_equal(el.n, 0);
    OK(db_endpoint_due(db, 5, 10, r->a, &el, err));
    assert_int_equal(el.n, 1);
    struct observation ob = {.endpoint_id = e.id, .addr = "127.0.0.1", .trusted = true};
    struct observation_list obl;
    OK(db_observation_add(db, &ob, err));
    OK(db_observation_list(db, e.id, 0, 10, r->a, &obl, err));
    assert_true(obl.v[0].trusted);
    OK(db_challenge_put(db, "tok", "auth", 10, err));
    OK(db_challenge_get(db, "tok", 9, r->a, &answer, err));
    assert_string_equal(answer, "auth");
    assert_int_equal(db_challenge_get(db, "tok", 10, r->a, &answer, NULL), RC_NOT_FOUND);
    OK(db_ledger_add(db, ca.id, "order", "rest.example", 7, err));
    OK(db_ledger_count(db, ca.id, "order", "rest.example", 7, &n, &oldest, err));
    assert_int_equal(n, 1);
    assert_int_equal(oldest, 7);
    struct user u = {.login = "admin", .role = "admin", .must_change = true};
    struct user_list ul;
    OK(db_user_add(db, &u, err));
    OK(db_user_list(db, r->a, &ul, err));
    assert_true(ul.v[0].must_change);
    struct session s = {.id_hash = "ab", .user_id = u.id, .expires = 10}, sg;
    OK(db_session_add(db, &s, err));
    OK(db_session_touch(db, "ab", 3, err));
    OK(db_session_get(db, "ab", r->a, &sg, err));
    assert_int_equal(sg.last_seen, 3);
    OK(db_session_expire(db, 10, err));
    assert_int_equal(db_session_get(db, "ab", r->a, &sg, NULL), RC_NOT_FOUND);
    struct notice nt = {.event = "x", .dedup_key = "d"}, twin = nt;
    OK(db_notice_add(db, &nt, &is_new, err));
    assert_true(is_new);
    OK(db_notice_add(db, &twin, &is_new, err));
    assert_false(is_new);
    assert_int_equal(twin.id, nt.id);
    struct delivery dl = {.notice_id = nt.id, .state = "waiting"}, dg;
    OK(db_delivery_add(db, &dl, err));
    dl.state = "sent";
    OK(db_delivery_update(db, &dl, err));
    OK(db_delivery_get(db, dl.id, r->a, &dg, err));
    assert_string_equal(dg.state, "sent");
    OK(db_commit(&db, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_are_prepared),
        cmocka_unit_test(connector_unique_conflict_and_remove),
        cmocka_unit_test(cert_search_and_switch),
        cmocka_unit_test(job_claim_cap_lease_and_fence),
        cmocka_unit_test(jobs_are_claimed_once),
        cmocka_unit_test(audit_chain_shows_a_change),
        cmocka_unit_test(the_rest_round_trips),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, rig_on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", tests, rig_on_pgsql, rig_leave);
}
