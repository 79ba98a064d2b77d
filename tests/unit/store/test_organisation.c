/* Organisations and contacts on both engines: who sees them, who may change them, what holds them.
 */
#include "store_rig.h"

static struct organisation add_org(struct db *db, const char *name, int64_t group)
{
    struct organisation o = {.name = name,
                             .legal_name = "Example Ltd.",
                             .legal_name_ja = "例示株式会社",
                             .duns = "690123456",
                             .registration = "1234567890123",
                             .category = "private",
                             .country = "JP",
                             .state = "Tokyo",
                             .state_ja = "東京都",
                             .locality = "Chiyoda-ku",
                             .locality_ja = "千代田区",
                             .street = "1-1-1",
                             .street_ja = "例示 1-1-1",
                             .postal_code = "100-0001",
                             .phone = "03-0000-0000",
                             .group_id = group,
                             .created = 1,
                             .updated = 2,
                             .revision = 1};
    OK(db_organisation_add(db, &o, err));
    return o;
}

static int64_t add_group(struct db *db, const char *name)
{
    struct group g = {.name = name, .revision = 1};
    OK(db_group_add(db, &g, err));
    return g.id;
}

static void every_column_comes_back(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct organisation got, twin;
    struct organisation_list list;
    OK(store_begin(r->s, &db, err));
    struct organisation o = add_org(db, "all", 0);
    OK(db_organisation_find(db, "all", r->a, &got, err));
#define SAME(m) assert_string_equal(got.m, o.m)
    SAME(legal_name), SAME(legal_name_ja), SAME(duns), SAME(registration), SAME(category);
    SAME(country), SAME(state), SAME(state_ja), SAME(locality), SAME(locality_ja);
    SAME(street), SAME(street_ja), SAME(postal_code), SAME(phone);
    got.phone = NULL;
    got.name = "all of it";
    OK(db_organisation_update(db, &got, err));
    assert_int_equal(db_organisation_update(db, &got, NULL), RC_CONFLICT); /* old revision */
    OK(db_organisation_get(db, o.id, r->a, &twin, err));
    assert_int_equal(twin.revision, 2);
    assert_null(twin.phone);
    SAME(street_ja);
#undef SAME
    (void)add_org(db, "second", 0);
    OK(db_organisation_list(db, 0, 1, r->a, &list, err));
    assert_int_equal(list.n, 1);
    OK(db_organisation_list(db, list.v[0].id, 10, r->a, &list, err));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.v[0].name, "second");
    twin.name = "second";
    assert_int_equal(db_organisation_add(db, &twin, NULL), RC_EXISTS);
}

static void contacts_go_with_it(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct contact_list list;
    struct contact got;
    struct organisation now;
    OK(store_begin(r->s, &db, err));
    struct organisation o = add_org(db, "people", 0);
    struct contact c = {.organisation_id = o.id,
                        .role = "technical",
                        .name = "Hanako",
                        .name_ja = "花子",
                        .title = "Manager",
                        .title_ja = "課長",
                        .mail = "h@a.example",
                        .phone = "03-1"};
    OK(db_contact_add(db, &c, 5, err));
    OK(db_organisation_get(db, o.id, r->a, &now, err));
    assert_int_equal(now.revision, 2); /* its people are a part of it */
    assert_int_equal(now.updated, 5);
    c.title_ja = "部長";
    OK(db_contact_update(db, &c, 6, err));
    OK(db_contact_get(db, c.id, r->a, &got, err));
    assert_string_equal(got.title_ja, "部長");
    assert_string_equal(got.mail, "h@a.example");
    struct contact second = {.organisation_id = o.id, .role = "billing", .name = "Taro"};
    OK(db_contact_add(db, &second, 7, err));
    OK(db_contact_list(db, o.id, r->a, &list, err));
    assert_int_equal(list.n, 2);
    OK(db_contact_remove(db, &second, 8, err));
    assert_int_equal(db_contact_get(db, second.id, r->a, &got, NULL), RC_NOT_FOUND);
    OK(db_organisation_remove(db, o.id, err));
    assert_int_equal(db_contact_get(db, c.id, r->a, &got, NULL), RC_NOT_FOUND);
}

static void a_certificate_holds_it(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    const char *names[] = {"held.example"};
    struct cert c = {.name = "held.example", .names = {names, 1}, .revision = 1}, got;
    struct cert_page page;
    int64_t n = -1;
    OK(store_begin(r->s, &db, err));
    struct organisation o = add_org(db, "held", 0);
    c.organisation_id = o.id;
    OK(db_cert_add(db, &c, err));
    OK(db_cert_get(db, c.id, r->a, &got, err));
    assert_int_equal(got.organisation_id, o.id);
    OK(db_cert_query(db, &(struct cert_query){.limit = 10}, r->a, &page, err));
    assert_int_equal(page.v[page.n - 1].organisation_id, o.id);
    OK(db_organisation_certs(db, o.id, &n, err));
    assert_int_equal(n, 1);
    assert_int_equal(db_organisation_remove(db, o.id, NULL), RC_CONFLICT);
    got.organisation_id = 0;
    OK(db_cert_update(db, &got, err));
    OK(db_cert_get(db, c.id, r->a, &got, err));
    assert_int_equal(got.organisation_id, 0);
    OK(db_organisation_remove(db, o.id, err));
    /* what is not there cannot be named */
    got.organisation_id = o.id;
    assert_int_not_equal(db_cert_update(db, &got, NULL), RC_OK);
}

static void groups_see_their_own(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    char scope[32];
    struct organisation_list list;
    struct organisation got;
    struct contact_list people;
    struct contact p;
    OK(store_begin(r->s, &db, err));
    int64_t mine = add_group(db, "mine"), theirs = add_group(db, "theirs");
    struct organisation a = add_org(db, "of mine", mine), b = add_org(db, "of theirs", theirs),
                        s = add_org(db, "shared", 0);
    struct contact c = {.organisation_id = b.id, .role = "technical", .name = "Theirs"},
                   sc = {.organisation_id = s.id, .role = "technical", .name = "Shared"};
    OK(db_contact_add(db, &c, 1, err));
    OK(db_contact_add(db, &sc, 1, err));
    assert_int_equal(db_group_remove(db, theirs, NULL), RC_CONFLICT);
    OK(db_commit(&db, err));
    OK(store_begin(r->s, &db, err));
    snprintf(scope, sizeof scope, "[%lld]", (long long)mine);
    db_scope(db, scope);
    OK(db_organisation_list(db, 0, 100, r->a, &list, err));
    for (size_t i = 0; i < list.n; i++)
        assert_true(list.v[i].group_id == mine || list.v[i].group_id == 0);
    assert_true(list.n >= 2);
    assert_int_equal(db_organisation_get(db, b.id, r->a, &got, NULL), RC_NOT_FOUND);
    assert_int_equal(db_organisation_find(db, "of theirs", r->a, &got, NULL), RC_NOT_FOUND);
    assert_int_equal(db_contact_list(db, b.id, r->a, &people, NULL), RC_NOT_FOUND);
    assert_int_equal(db_contact_get(db, c.id, r->a, &p, NULL), RC_NOT_FOUND);
    assert_int_equal(db_organisation_remove(db, b.id, NULL), RC_DENIED);
    assert_int_equal(db_contact_remove(db, &c, 1, NULL), RC_DENIED);
    /* the installation's: to use, not to change, and not to take over */
    OK(db_organisation_get(db, s.id, r->a, &got, err));
    OK(db_contact_get(db, sc.id, r->a, &p, err));
    got.group_id = mine;
    assert_int_equal(db_organisation_update(db, &got, NULL), RC_DENIED);
    assert_int_equal(db_organisation_remove(db, s.id, NULL), RC_DENIED);
    assert_int_equal(db_contact_update(db, &sc, 1, NULL), RC_DENIED);
    assert_int_equal(db_contact_add(db, &sc, 1, NULL), RC_DENIED);
    /* nor is one's own given away */
    OK(db_organisation_get(db, a.id, r->a, &got, err));
    got.group_id = theirs;
    assert_int_equal(db_organisation_update(db, &got, NULL), RC_DENIED);
    got.group_id = mine;
    OK(db_organisation_update(db, &got, err));
    OK(db_organisation_remove(db, a.id, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_comes_back),
        cmocka_unit_test(contacts_go_with_it),
        cmocka_unit_test(a_certificate_holds_it),
        cmocka_unit_test(groups_see_their_own),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, rig_on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", tests, rig_on_pgsql, rig_leave);
}
