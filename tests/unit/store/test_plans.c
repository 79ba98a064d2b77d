/* No list reads a table that grows from end to end: what SQLite means to do with each statement,
 * and PostgreSQL with those it would judge wrongly. */
#include "model/policy.h"
#include "store_rig.h"

/* Tables of which an installation has few rows; "json_each", "q", ... are no tables of ours. */
static const char *const big[] = {"audit",      "binding",      "cert",        "cert_name",
                                  "cert_order", "cert_version", "delivery",    "deploy_item",
                                  "deployment", "endpoint",     "job",         "ledger",
                                  "notice",     "observation",  "vendor_order"};

struct plan {
    const char *name, *text; /* text: lines of the plan */
    struct arena *a;
};

static enum rc take_line(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct plan *p = ctx;
    (void)n;
    p->text = arena_printf(p->a, "%s%s\n", p->text, cols[3].s);
    return p->text ? RC_OK : NOMEM(err);
}

static struct plan plan_of(struct rig *r, struct db *db, enum stmt_id id)
{
    struct plan p = {.name = stmt_get(id)->name, .text = "", .a = r->a};
    const char *sql = arena_printf(r->a, "EXPLAIN QUERY PLAN %s", stmt_get(id)->sql);
    OK(db_query(db, sql, NULL, 0, take_line, &p, NULL, err));
    assert_true(p.text[0] != '\0');
    return p;
}

/* "SCAN job", but not "SCAN job USING INDEX job_open", which has open jobs only. */
static bool scans(const char *plan, const char *table)
{
    char word[64];
    snprintf(word, sizeof word, "SCAN %s\n", table);
    return strstr(plan, word) != NULL;
}

static void lists_do_not_scan(void **state)
{
    /* named by the id of the table's key, a page at a time, or by an index */
    static const enum stmt_id lists[] = {STMT_AUDIT_LIST,
                                         STMT_AUDIT_LIST_SUBJECT,
                                         STMT_AUDIT_PAGE,
                                         STMT_JOB_LIST,
                                         STMT_JOB_LIST_KIND,
                                         STMT_JOB_LIST_BAD,
                                         STMT_JOB_LIST_LIVE,
                                         STMT_JOB_LIST_OPEN,
                                         STMT_JOB_LIST_SUBJECT,
                                         STMT_JOB_TALLY,
                                         STMT_JOB_AHEAD,
                                         STMT_JOB_CLAIM,
                                         STMT_JOB_NEXT,
                                         STMT_ORDER_LIST,
                                         STMT_ORDER_LIST_OPEN,
                                         STMT_ORDER_LIST_CERT,
                                         STMT_ORDER_ROWS,
                                         STMT_ORDER_ROWS_OPEN,
                                         STMT_ORDER_ROWS_RARE,
                                         STMT_ORDER_ROWS_NAMED,
                                         STMT_ORDER_NAMED_COUNT,
                                         STMT_DEPLOYMENT_ROWS,
                                         STMT_DEPLOYMENT_ROWS_RARE,
                                         STMT_DEPLOYMENT_ROWS_CERT,
                                         STMT_DEPLOYMENT_ROWS_TARGET,
                                         STMT_DEPLOYMENT_ROWS_NAMED,
                                         STMT_DEPLOYMENT_NAMED_COUNT,
                                         STMT_JOB_NAMED,
                                         STMT_JOB_NAMED_MANY,
                                         STMT_JOB_NAMED_COUNT,
                                         STMT_TARGET_PAGE,
                                         STMT_TARGET_PAGE_DOWN,
                                         STMT_ENDPOINT_LIST_TARGET,
                                         STMT_BINDING_ROWS_CERT,
                                         STMT_BINDING_ROWS_TARGET,
                                         STMT_DELIVERY_LIST,
                                         STMT_DELIVERY_TALLY,
                                         STMT_DEPLOYMENT_LIST,
                                         STMT_OBSERVATION_LIST,
                                         STMT_BINDING_LIST_CERT,
                                         STMT_BINDING_LIST_TARGET,
                                         STMT_ENDPOINT_LIST,
                                         STMT_VERSION_LIST,
                                         STMT_NOTICE_ID,
                                         STMT_ENDPOINT_LIST_STATE,
                                         STMT_ENDPOINT_LIST_BAD,
                                         STMT_CERT_TALLY,
                                         STMT_CERT_PAGE_NAME,
                                         STMT_CERT_PAGE_EXPIRY,
                                         STMT_CERT_PAGE_RENEWAL,
                                         STMT_CERT_PAGE_AGE,
                                         STMT_CERT_PAGE_NAME_DOWN,
                                         STMT_CERT_PAGE_EXPIRY_DOWN,
                                         STMT_CERT_PAGE_RENEWAL_DOWN,
                                         STMT_CERT_PAGE_AGE_DOWN,
                                         STMT_STATE_CERT_COUNT};
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct plan p = plan_of(r, db, lists[i]);
        for (size_t k = 0; k < COUNT_OF(big); k++)
            if (scans(p.text, big[k]))
                fail_msg("%s reads all of %s:\n%s", p.name, big[k], p.text);
        if ((strstr(p.name, "list") || strstr(p.name, "page")) &&
            strstr(p.text, "TEMP B-TREE FOR ORDER BY") &&
            strncmp(p.name, "binding", 7) != 0) /* of one certificate or target: a few rows */
            fail_msg("%s sorts what it finds:\n%s", p.name, p.text);
    }
}

static void filters_have_their_index(void **state)
{
    static const struct {
        enum stmt_id id;
        const char *by;
    } rows[] = {
        {STMT_AUDIT_LIST_SUBJECT, "SEARCH audit USING INDEX audit_subject (subject=? AND id<?)"},
        {STMT_JOB_LIST_KIND, "SEARCH job USING INDEX job_kind (kind=? AND id<?)"},
        {STMT_JOB_LIST_BAD, "SEARCH job USING INDEX job_bad (id<?)"},
        {STMT_JOB_LIST_LIVE, "SEARCH job USING INDEX job_open (id<?)"},
        {STMT_JOB_LIST_OPEN, "SEARCH job USING INDEX job_open (id<?)"},
        {STMT_JOB_LIST_SUBJECT, "SEARCH job USING INDEX job_subject (subject=? AND id<?)"},
        {STMT_JOB_AHEAD, "SCAN job USING INDEX job_open"},
        {STMT_ORDER_ROWS_OPEN, "SEARCH o USING INDEX order_open (id<?)"},
        {STMT_ORDER_ROWS_RARE, "SEARCH o USING INDEX order_rare (id<?)"},
        {STMT_ORDER_ROWS_NAMED, "SEARCH t USING COVERING INDEX cert_term_term"},
        {STMT_DEPLOYMENT_ROWS, "SEARCH d USING INTEGER PRIMARY KEY (rowid<?)"},
        {STMT_DEPLOYMENT_ROWS_RARE, "SEARCH d USING INDEX deployment_rare (id<?)"},
        {STMT_DEPLOYMENT_ROWS_CERT, "SEARCH d USING INDEX deployment_cert (cert_id=? AND id<?)"},
        {STMT_DEPLOYMENT_ROWS_TARGET, "SEARCH i USING COVERING INDEX item_target (target_id=?)"},
        {STMT_DEPLOYMENT_ROWS_NAMED, "SEARCH t USING COVERING INDEX cert_term_term"},
        {STMT_DEPLOYMENT_NAMED_COUNT, "SEARCH t USING COVERING INDEX cert_term_term"},
        {STMT_JOB_NAMED_LIVE, "SEARCH job USING INDEX job_open (id<?)"},
        {STMT_JOB_NAMED_BAD, "SEARCH job USING INDEX job_bad (id<?)"},
        {STMT_JOB_NAMED, "SEARCH t USING COVERING INDEX cert_term_term"},
        {STMT_TARGET_PAGE, "SEARCH k USING INDEX sqlite_autoindex_connector_1 (kind=? AND"},
        {STMT_TARGET_PAGE, "SEARCH b USING INDEX binding_target (target_id=?)"},
        {STMT_TARGET_PAGE, "SEARCH i USING INDEX item_target (target_id=?)"},
        {STMT_CERT_PAGE_NAME,
         "SEARCH cert USING INDEX sqlite_autoindex_cert_1 (name>? AND name<?)"},
        {STMT_CERT_PAGE_EXPIRY, "SEARCH cert USING INDEX cert_not_after "},
        {STMT_CERT_EDGE_NAME, "SEARCH cert USING COVERING INDEX sqlite_autoindex_cert_1"},
        {STMT_CERT_EDGE_EXPIRY, "SEARCH cert USING COVERING INDEX cert_not_after"},
        {STMT_STATE_CERT_COUNT,
         "SEARCH c USING COVERING INDEX cert_warn (warn_at>? AND warn_at<?)"},
        {STMT_CERT_TALLY, "SEARCH cert USING COVERING INDEX cert_warn (warn_at>? AND warn_at<?)"},
        {STMT_CERT_TALLY, "SCAN cert USING INDEX cert_unissued"},
        {STMT_ENDPOINT_TALLY, "SCAN endpoint USING COVERING INDEX endpoint_state"},
        {STMT_ENDPOINT_LIST_STATE, "SEARCH endpoint USING INDEX endpoint_state (state=? AND id>?)"},
        {STMT_ENDPOINT_LIST_BAD, "SEARCH endpoint USING INDEX endpoint_bad (id>?)"},
        {STMT_DELIVERY_TALLY, "SEARCH delivery USING INDEX delivery_updated (updated>?)"},
    };
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan p = plan_of(r, db, rows[i].id);
        if (!strstr(p.text, rows[i].by))
            fail_msg("%s does not \"%s\":\n%s", p.name, rows[i].by, p.text);
    }
}

/* A statement by another index finds the same. */
static void the_same_is_found(void **state)
{
    static const struct job_filter filters[] = {{.kind = "issue"},
                                                {.in_state = JOB_FAILED + 1},
                                                {.in_state = JOB_READY + 1},
                                                {.kind = "issue", .in_state = JOB_FAILED + 1},
                                                {.kind = "issue", .in_state = JOB_DONE + 1},
                                                {.in_state = JOB_CANCELLED + 1},
                                                {.no_routine = true, .kind = "watch"}};
    static const size_t found[] = {4, 4, 5, 1, 1, 4, 0};
    static const char *const kinds[] = {"issue", "watch", "deploy", "deploy"};
    static const unsigned states[] = {JOB_FAILED, JOB_READY, JOB_DONE, JOB_CANCELLED};
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    for (size_t i = 0; i < 16; i++) {
        struct job j = {.kind = kinds[i % 4],
                        .subject = "cert/1",
                        .step = "x",
                        .state = states[i / 4],
                        .created = 1,
                        .updated = 1};
        int64_t existing = 0;
        if (i == 9) /* not all columns alike */
            j.state = JOB_READY;
        OK(db_job_add(db, &j, &existing, err));
    }
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct job_filter f = filters[i];
        struct job_list l;
        f.limit = 100;
        OK(db_job_list(db, &f, r->a, &l, err));
        if (l.n != found[i])
            fail_msg("filter %zu found %zu", i, l.n);
        for (size_t k = 0; k < l.n; k++) {
            assert_true(!f.kind || strcmp(l.v[k].kind, f.kind) == 0);
            assert_true(!f.in_state || l.v[k].state == (unsigned)f.in_state - 1);
            assert_true(k == 0 || l.v[k].id < l.v[k - 1].id);
        }
    }
}

static enum rc take_pg_line(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct plan *p = ctx;
    (void)n;
    p->text = arena_printf(p->a, "%s%s\n", p->text, cols[0].s);
    return p->text ? RC_OK : NOMEM(err);
}

/* With few rows as with many: by the index of the order, and no further than the page. */
static void pages_walk_on_pgsql(void **state)
{
    static const struct {
        enum stmt_id id;
        const char *by;
        bool text;
    } rows[] = {
        {STMT_CERT_PAGE_NAME, "Index Scan using cert_name_key on cert", true},
        {STMT_CERT_PAGE_NAME_DOWN, "Index Scan Backward using cert_name_key on cert", true},
        {STMT_CERT_PAGE_EXPIRY, "Index Scan using cert_not_after on cert", false},
        {STMT_CERT_PAGE_EXPIRY_DOWN, "Index Scan Backward using cert_not_after on cert", false},
        {STMT_CERT_PAGE_RENEWAL, "Index Scan using cert_renew on cert", false},
        {STMT_CERT_PAGE_AGE, "Index Scan using cert_created on cert", false},
    };
    struct rig *r = *state;
    struct val args[30];
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    OK(db_do(db, STMT_BY_WALKS, NULL, 0, NULL, err));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan p = {.name = stmt_get(rows[i].id)->name, .text = "", .a = r->a};
        for (size_t k = 0; k < COUNT_OF(args); k++) /* ?10 to ?27 are texts */
            args[k] = k >= 9 && k < 27 ? T(NULL) : I(0);
        args[0] = I(60);
        args[1] = I(1 << HEALTH_EXPIRING);
        args[5] = I(INT64_MAX);
        args[7] = args[28] = rows[i].text ? T("m") : I(1000);
        OK(db_query(db, arena_printf(r->a, "EXPLAIN %s", stmt_get(rows[i].id)->sql), args,
                    COUNT_OF(args), take_pg_line, &p, NULL, err));
        if (!strstr(p.text, rows[i].by) || strstr(p.text, "Seq Scan on cert\n"))
            fail_msg("%s does not walk by \"%s\":\n%s", p.name, rows[i].by, p.text);
    }
}

int main(void)
{
    const struct CMUnitTest on_pgsql[] = {cmocka_unit_test(pages_walk_on_pgsql)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_do_not_scan),
        cmocka_unit_test(filters_have_their_index),
        cmocka_unit_test(the_same_is_found),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, rig_on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", on_pgsql, rig_on_pgsql, rig_leave);
}
