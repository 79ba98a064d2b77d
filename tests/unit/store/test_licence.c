/* Licence and desk on both engines: what counts, what goes with what, and the ledger. */
#include "store_rig.h"

#include "store/repo_licence.h"
#include "store/repo_vendor.h"

static int64_t target(struct db *db, const char *name)
{
    struct connector c = {.kind = "target", .type = "files", .name = name, .settings = "{}"};
    OK(db_connector_add(db, &c, err));
    return c.id;
}

static void addresses_count_once_and_go_with_their_target(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    int64_t n = 0;
    bool there = false;
    OK(store_begin(r->s, &db, err));
    OK(db_licence_lock(db, err));
    int64_t a = target(db, "a"), b = target(db, "b"), c = target(db, "c");
    OK(db_seat_put(db, a, "web1.example", err));
    OK(db_seat_put(db, b, "web1.example", err));
    OK(db_seat_put(db, c, "192.0.2.1", err));
    OK(db_seat_count(db, "192.0.2.1", 0, &n, &there, err));
    assert_int_equal(n, 2);
    assert_true(there);
    OK(db_seat_count(db, "new.example", c, &n, &there, err));
    assert_int_equal(n, 1);
    assert_false(there);
    OK(db_seat_put(db, a, "web2.example", err)); /* moved */
    OK(db_seat_count(db, "", 0, &n, NULL, err));
    assert_int_equal(n, 3);
    OK(db_connector_remove(db, a, err));
    OK(db_connector_remove(db, c, err));
    OK(db_seat_count(db, "web2.example", 0, &n, &there, err));
    assert_int_equal(n, 1);
    assert_false(there);
    OK(db_commit(&db, err));
}

static void the_newest_licence_is_in_force(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct licence_row got, one = {.serial = 1, .key_id = "k", .file = "one", .imported = 5};
    struct licence_row two = {
        .serial = 2, .key_id = "k", .file = "二", .imported = 6, .actor = "x"};
    OK(store_begin(r->s, &db, err));
    assert_int_equal(db_licence_current(db, r->a, &got, NULL), RC_NOT_FOUND);
    OK(db_licence_add(db, &one, err));
    OK(db_licence_add(db, &two, err));
    OK(db_licence_current(db, r->a, &got, err));
    assert_int_equal(got.serial, 2);
    assert_string_equal(got.file, "二");
    struct trusted_key k = {.key_id = "0011", .pub = "p", .source = "init", .added = 1};
    struct trusted_key_list keys;
    OK(db_trusted_key_add(db, &k, err));
    OK(db_trusted_key_revoke(db, "0011", 5, err));
    OK(db_trusted_key_revoke(db, "unknown", 6, err));
    OK(db_trusted_key_revoke(db, "unknown", 7, err));
    OK(db_trusted_key_list(db, r->a, &keys, err));
    assert_int_equal(keys.n, 2);
    assert_true(keys.v[0].revoked);
    assert_string_equal(keys.v[0].pub, "p");
    assert_string_equal(keys.v[1].key_id, "unknown"); /* nobody can make it trusted later */
    assert_true(keys.v[1].revoked);
    int64_t removed = -1;
    OK(db_trusted_key_remove(db, "0011", &removed, err)); /* the record of a revocation stays */
    assert_int_equal(removed, 0);
    struct trusted_key other = {.key_id = "0022", .pub = "p", .source = "trust", .added = 1};
    OK(db_trusted_key_add(db, &other, err));
    OK(db_trusted_key_remove(db, "0022", &removed, err));
    assert_int_equal(removed, 1);
    OK(db_commit(&db, err));
}

static struct vendor_customer customer(struct db *db, const char *name, const char *code,
                                       const char *installation)
{
    struct vendor_customer c = {.service_code = code,
                                .name = name,
                                .mail = "a@a.example",
                                .lang = "ja",
                                .installation = installation,
                                .state = "active",
                                .revision = 1};
    OK(db_customer_add(db, &c, err));
    return c;
}

static struct vendor_order ordered(struct db *db, int64_t customer_id, const char *kind,
                                   int64_t basics, int64_t servers, int64_t day, const char *st)
{
    struct vendor_order o = {.customer_id = customer_id,
                             .kind = kind,
                             .basics = basics,
                             .servers = servers,
                             .ordered_on = day,
                             .starts_on = day,
                             .begins_on = day,
                             .ends_on = day + 400,
                             .state = st};
    OK(db_vorder_add(db, &o, err));
    return o;
}

static struct vendor_licence issued(struct db *db, int64_t customer_id, const char *name,
                                    int64_t ends)
{
    struct vendor_licence l = {.customer_id = customer_id,
                               .plan = "basic",
                               .certificates = 1,
                               .targets = 1,
                               .begins = 1,
                               .ends = ends,
                               .installation = "i",
                               .key_id = "k"};
    OK(db_vlicence_add(db, &l, err));
    l.file_name = name;
    l.file = "file";
    OK(db_vlicence_set_file(db, &l, err));
    return l;
}

static void totals_sums_and_renewals(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct vendor_has has;
    struct vendor_sum_list sums;
    struct vendor_customer_list due;
    int64_t first = 0;
    OK(store_begin(r->s, &db, err));
    struct vendor_customer a = customer(db, "甲", "111111111111", "x");
    struct vendor_customer b = customer(db, "乙", "222222222222", "y");
    struct vendor_customer c = customer(db, "丙", "333333333333", NULL);
    struct vendor_order o1 = ordered(db, a.id, "basic", 2, 1, 100, "issued");
    struct vendor_order o2 = ordered(db, a.id, "option", 0, 3, 200, "accepted");
    (void)ordered(db, a.id, "option", 0, 50, 210, "received"); /* not accepted: nothing yet */
    (void)ordered(db, b.id, "meets", 0, 0, 100, "issued");
    (void)ordered(db, c.id, "basic", 1, 0, 100, "issued");
    OK(db_vorder_totals(db, a.id, 0, &has, err));
    assert_true(has.basics == 2 && has.servers == 4 && !has.meets);
    OK(db_vorder_totals(db, a.id, 150, &has, err)); /* by that day */
    assert_true(has.basics == 2 && has.servers == 1);
    OK(db_vorder_totals(db, b.id, 0, &has, err));
    assert_true(has.basics == 0 && has.meets);
    (void)ordered(db, b.id, "convert", 1, 0, 300, "accepted");
    OK(db_vorder_totals(db, b.id, 0, &has, err));
    assert_true(has.basics == 1 && !has.meets);
    OK(db_vorder_first(db, a.id, &first, err));
    assert_int_equal(first, o2.id);
    assert_true(o1.id < o2.id);
    /* fees: from the month an order starts in */
    OK(db_vorder_sums(db, 150, 0, 10, r->a, &sums, err));
    assert_int_equal(sums.n, 2);
    assert_true(sums.v[0].id == a.id && sums.v[0].basics == 2 && sums.v[0].servers == 1);
    OK(db_vorder_sums(db, 250, 0, 10, r->a, &sums, err));
    assert_int_equal(sums.v[0].servers, 4);
    OK(db_vorder_sums(db, 99, 0, 10, r->a, &sums, err));
    assert_int_equal(sums.n, 0);
    /* to the last month of a cancelled contract */
    a.state = "cancelled";
    a.ends_on = 260;
    OK(db_customer_update(db, &a, err));
    OK(db_vorder_sums(db, 250, 0, 10, r->a, &sums, err));
    assert_int_equal(sums.n, 2);
    OK(db_vorder_sums(db, 261, 0, 10, r->a, &sums, err));
    assert_int_equal(sums.n, 1);
    /* renewed are the active, paid, known by their installation, and not yet renewed */
    a.state = "active";
    a.revision = 2;
    OK(db_customer_update(db, &a, err));
    (void)issued(db, a.id, "a1", 1000);
    OK(db_customer_to_renew(db, 400, 430, 2000, 10, r->a, &due, err));
    assert_int_equal(due.n, 1); /* 乙 has ミーツ issued only, 丙 no installation */
    assert_int_equal(due.v[0].id, a.id);
    OK(db_customer_to_renew(db, 400, 430, 1000, 10, r->a, &due, err));
    assert_int_equal(due.n, 0); /* has that term already */
    (void)ordered(db, a.id, "renewal", 0, 0, 430, "issued");
    OK(db_customer_to_renew(db, 400, 430, 2000, 10, r->a, &due, err));
    assert_int_equal(due.n, 0); /* once a year */
    OK(db_customer_to_renew(db, 431, 460, 2000, 10, r->a, &due, err));
    assert_int_equal(due.n, 1);
    OK(db_commit(&db, err));
}

static void licences_shares_and_fees(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct vendor_customer c, found;
    struct vendor_licence l;
    OK(store_begin(r->s, &db, err));
    c = customer(db, "丁", "444444444444", "z");
    struct vendor_licence one = issued(db, c.id, "inro-1.lic", 10);
    struct vendor_licence two = issued(db, c.id, "inro-2.lic", 20);
    assert_true(two.id > one.id); /* serials grow */
    OK(db_vlicence_newest(db, c.id, r->a, &l, err));
    assert_int_equal(l.id, two.id);
    OK(db_vlicence_find(db, "inro-1.lic", r->a, &l, err));
    assert_int_equal(l.id, one.id);
    OK(db_customer_find(db, "444444444444", r->a, &found, err));
    assert_int_equal(found.id, c.id);

    struct vendor_share s = {.customer_id = c.id, .token_hash = "h1", .expires = 100}, got;
    OK(db_share_add(db, &s, err));
    OK(db_share_find(db, "h1", 99, r->a, &got, err));
    assert_int_equal(db_share_find(db, "h1", 100, r->a, &got, NULL), RC_NOT_FOUND);
    OK(db_share_set_token(db, s.id, "h2", err));
    assert_int_equal(db_share_find(db, "h1", 50, r->a, &got, NULL), RC_NOT_FOUND);
    OK(db_share_hit(db, s.id, 60, err));
    OK(db_share_find(db, "h2", 50, r->a, &got, err));
    assert_true(got.hits == 1 && got.last_hit == 60);
    OK(db_share_remove(db, s.id, err));
    assert_int_equal(db_share_find(db, "h2", 50, r->a, &got, NULL), RC_NOT_FOUND);

    int64_t yen = -1;
    OK(db_fee_at(db, "basic", 100, &yen, err));
    assert_int_equal(yen, 0);
    struct vendor_fee f = {.item = "basic", .from_month = 100, .yen = 5};
    OK(db_fee_set(db, &f, err));
    f = (struct vendor_fee){.item = "basic", .from_month = 130, .yen = 7};
    OK(db_fee_set(db, &f, err));
    f.yen = 8;
    OK(db_fee_set(db, &f, err)); /* corrected */
    OK(db_fee_at(db, "basic", 129, &yen, err));
    assert_int_equal(yen, 5);
    OK(db_fee_at(db, "basic", 130, &yen, err));
    assert_int_equal(yen, 8);
    OK(db_commit(&db, err));
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

static void entry(struct rig *r, const char *event)
{
    AUTO(db) struct db *db = NULL;
    struct vendor_entry e = {.at = 1, .actor = "a", .event = event, .detail = "{}"};
    OK(store_begin(r->s, &db, err));
    OK(db_entry_add(db, &e, err));
    OK(db_commit(&db, err));
}

static enum rc verified(struct rig *r, int64_t *n)
{
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    return db_entry_verify(db, n, NULL);
}

/* What somebody does to the store behind our back; then it is undone. */
static void tampered(struct rig *r, const char *sql, const char *back)
{
    int64_t n;
    script(r, sql);
    if (verified(r, &n) != RC_CORRUPT)
        fail_msg("not noticed: %s", sql);
    script(r, back);
    assert_int_equal(verified(r, &n), RC_OK);
}

static void the_ledger_shows_change_cut_and_order(void **state)
{
    struct rig *r = *state;
    int64_t n = -1;
    assert_int_equal(verified(r, &n), RC_OK);
    assert_int_equal(n, 0);
    for (int i = 0; i < 4; i++)
        entry(r, i % 2 ? "order.accepted" : "order.received");
    assert_int_equal(verified(r, &n), RC_OK);
    assert_int_equal(n, 4);
    tampered(r, "UPDATE vendor_ledger SET event = 'x' WHERE id = 2;",
             "UPDATE vendor_ledger SET event = 'order.accepted' WHERE id = 2;");
    tampered(r, "UPDATE vendor_ledger SET at = 2 WHERE id = 3;",
             "UPDATE vendor_ledger SET at = 1 WHERE id = 3;");
    tampered(r, "UPDATE vendor_ledger SET id = 99 WHERE id = 2;",
             "UPDATE vendor_ledger SET id = 2 WHERE id = 99;");
    script(r, "DELETE FROM vendor_ledger WHERE id = 4;");
    assert_int_equal(verified(r, &n), RC_CORRUPT); /* the end was cut off */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_count_once_and_go_with_their_target),
        cmocka_unit_test(the_newest_licence_is_in_force),
        cmocka_unit_test(totals_sums_and_renewals),
        cmocka_unit_test(licences_shares_and_fees),
        cmocka_unit_test(the_ledger_shows_change_cut_and_order),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, rig_on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", tests, rig_on_pgsql, rig_leave);
}
