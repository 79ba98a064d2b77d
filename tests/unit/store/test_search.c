/* Searching certificates, on both engines: what is found, and that both ways to a page agree. */
#include "store_rig.h"

static const struct {
    const char *name, *san, *tags[3], *serial, *sha256;
} fleet[] = {
    {"www.shop.example.jp", "www.shop.example.jp", {"production", "web"}, "00ab12", "ffee01"},
    {"my-shop.example.com", "*.my-shop.example.com", {"staging"}, "1a2b3c4d", "0badcafe"},
    {"受注システム（本番）", "order.example.jp", {"production", "受注"}, "77", "beef0001"},
    {"xn--wgv71a119e.jp", "xn--wgv71a119e.jp", {NULL}, "deadbeef", "c0ffee"},
    {"cafe.example.net", "workshop.example.net", {"web"}, "5511", "12345678"},
    {"100%_off.example.jp", "a_b.example.jp", {NULL}, NULL, NULL},
};
enum { FLEET = COUNT_OF(fleet) };

static void add(struct rig *r, struct db *db, size_t i)
{
    const char *names[] = {fleet[i].san};
    size_t tags = 0;
    while (tags < 3 && fleet[i].tags[tags])
        tags++;
    struct cert c = {.name = fleet[i].name,
                     .names = {names, 1},
                     .tags = {fleet[i].tags, tags},
                     .created = (int64_t)i};
    (void)r;
    OK(db_cert_add(db, &c, err));
    struct cert_version v = {.cert_id = c.id, .serial = fleet[i].serial, .sha256 = fleet[i].sha256};
    OK(db_version_add(db, &v, err));
}

static void fill(struct rig *r)
{
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->s, &db, err));
    for (size_t i = 0; i < FLEET; i++)
        add(r, db, i);
    OK(db_commit(&db, err));
}

/* The fleet's rows found, as bits; the same whichever way the store goes. */
static unsigned found(struct rig *r, const char *text, const char *tag)
{
    AUTO(db) struct db *db = NULL;
    const char *const tags[] = {tag};
    unsigned bits[2] = {0, 0};
    OK(store_read(r->s, &db, err));
    for (int way = 0; way < 2; way++) {
        struct cert_query q = {.text = text,
                               .tags = {tags, tag ? 1 : 0},
                               .sort = CERT_BY_AGE,
                               .limit = 1000,
                               .few = way ? 1 : 1000};
        struct cert_page page;
        OK(db_cert_query(db, &q, r->a, &page, err));
        for (size_t i = 0; i < page.n; i++)
            bits[way] |= 1U << page.v[i].created;
    }
    assert_int_equal(bits[0], bits[1]);
    return bits[0];
}

static void words_are_found_from_their_start(void **state)
{
    struct rig *r = *state;
    assert_int_equal(found(r, "WWW.shop", NULL), 1);
    assert_int_equal(found(r, "shop", NULL), 1 | 2);
    assert_int_equal(found(r, "hop", NULL), 0);
    assert_int_equal(found(r, "example.jp", NULL), 1 | 4 | 32);
    assert_int_equal(found(r, "example", NULL), 1 | 2 | 4 | 16 | 32);
    assert_int_equal(found(r, "*.my", NULL), 2);
    assert_int_equal(found(r, "shop example.com", NULL), 2);
    assert_int_equal(found(r, " shop\xE3\x80\x80www ", NULL), 1);
    assert_int_equal(found(r, "", NULL), 63);
    assert_int_equal(found(r, "%", NULL), 0); /* a wildcard is a letter here */
    assert_int_equal(found(r, "100%_", NULL), 32);
    assert_int_equal(found(r, "jp", NULL), 0); /* all of them end so */
}

static void japanese_is_found_anywhere(void **state)
{
    struct rig *r = *state;
    assert_int_equal(found(r, "システム", NULL), 4);
    assert_int_equal(found(r, "本番", NULL), 4);
    assert_int_equal(found(r, "日本語", NULL), 8);
    assert_int_equal(found(r, "語.jp", NULL), 8);
    assert_int_equal(found(r, "xn--wgv", NULL), 8);
}

static void serials_and_fingerprints(void **state)
{
    struct rig *r = *state;
    assert_int_equal(found(r, "00AB", NULL), 1);
    assert_int_equal(found(r, "00:ab:12", NULL), 1);
    assert_int_equal(found(r, "1a 2b 3C", NULL), 2);
    assert_int_equal(found(r, "FFEE", NULL), 1);
    assert_int_equal(found(r, "eeff", NULL), 0);
    assert_int_equal(found(r, "cafe", NULL), 16); /* the end of a fingerprint is not its start */
    assert_int_equal(found(r, "beef", NULL), 4);
    assert_int_equal(found(r, "77", NULL), 0); /* too short to mean a serial number */
}

static void anywhere_inside(void **state)
{
    struct rig *r = *state;
    assert_int_equal(found(r, "*hop", NULL), 1 | 2 | 16);
    assert_int_equal(found(r, "*0%_o", NULL), 32);
    assert_int_equal(found(r, "*受注シ", NULL), 4);
    assert_int_equal(found(r, "*", NULL), 2); /* the wildcard names */
}

static void tags_narrow(void **state)
{
    struct rig *r = *state;
    assert_int_equal(found(r, NULL, "production"), 1 | 4);
    assert_int_equal(found(r, NULL, "Production"), 1 | 4);
    assert_int_equal(found(r, NULL, "produc"), 0);
    assert_int_equal(found(r, "#produc", NULL), 1 | 4);
    assert_int_equal(found(r, "production", NULL), 1 | 4);
    assert_int_equal(found(r, "#shop", NULL), 0);
    assert_int_equal(found(r, "www", "web"), 1);
    assert_int_equal(found(r, "#web", "production"), 1);
    assert_int_equal(found(r, NULL, "受注"), 4);
}

static void too_many_words(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct cert_page page;
    struct cert_query q = {.text = "a b c d e", .limit = 10};
    struct err e = {0};
    OK(store_read(r->s, &db, err));
    assert_int_equal(db_cert_query(db, &q, r->a, &page, &e), RC_INPUT);
    assert_string_equal(e.field, "q");
    q.text = "a b  c d ";
    OK(db_cert_query(db, &q, r->a, &page, err));
}

static void tags_are_listed(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct names tags;
    OK(store_read(r->s, &db, err));
    OK(db_tag_list(db, 100, r->a, &tags, err));
    assert_int_equal(tags.n, 4);
    assert_string_equal(tags.v[0], "production");
    assert_string_equal(tags.v[2], "web");
    assert_string_equal(tags.v[3], "受注");
    OK(db_tag_list(db, 2, r->a, &tags, err));
    assert_int_equal(tags.n, 2);
    db_scope(db, "[99]"); /* another group's tags are not told */
    OK(db_tag_list(db, 100, r->a, &tags, err));
    assert_int_equal(tags.n, 0);
}

/* What is found changes with what the certificate is called; its versions stay found. */
static void changes_are_followed(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct cert c;
    const char *const names[] = {"renamed.example.org"}, *const tags[] = {"moved"};
    OK(store_begin(r->s, &db, err));
    OK(db_cert_find(db, "cafe.example.net", r->a, &c, err));
    assert_int_equal(c.tags.n, 1);
    assert_string_equal(c.tags.v[0], "web");
    c.name = "renamed";
    c.names = (struct names){names, 1};
    c.tags = (struct names){tags, 1};
    OK(db_cert_update(db, &c, err));
    OK(db_commit(&db, err));
    assert_int_equal(found(r, "workshop", NULL), 0);
    assert_int_equal(found(r, "renamed.example", "moved"), 16);
    assert_int_equal(found(r, NULL, "web"), 1);
    assert_int_equal(found(r, "12345678", NULL), 16);
    OK(store_begin(r->s, &db, err));
    OK(db_cert_remove(db, c.id, err));
    OK(db_commit(&db, err));
    assert_int_equal(found(r, "renamed", NULL), 0);
    assert_int_equal(found(r, "5511", NULL), 0);
}

/* A few at a time, either way, gives what all at once gives. */
static void pages_continue(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    OK(store_read(r->s, &db, err));
    for (int way = 0; way < 2; way++) {
        struct cert_query q = {.text = "example", .sort = CERT_BY_NAME, .limit = 1};
        struct cert_page page;
        const char *last = "";
        size_t n = 0;
        q.few = way ? 1 : 1000;
        for (;; n++) {
            OK(db_cert_query(db, &q, r->a, &page, err));
            if (page.n == 0)
                break;
            assert_true(strcmp(page.v[0].name, last) > 0);
            last = page.v[0].name;
            q.more = true;
            q.after_name = last;
            q.after_id = page.v[0].id;
        }
        assert_int_equal(n, 5);
    }
}

static int on_sqlite(void **state)
{
    rig_on_sqlite(state);
    fill(*state);
    return 0;
}

static int on_pgsql(void **state)
{
    rig_on_pgsql(state);
    fill(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_from_their_start),
        cmocka_unit_test(japanese_is_found_anywhere),
        cmocka_unit_test(serials_and_fingerprints),
        cmocka_unit_test(anywhere_inside),
        cmocka_unit_test(tags_narrow),
        cmocka_unit_test(too_many_words),
        cmocka_unit_test(tags_are_listed),
        cmocka_unit_test(pages_continue),
        cmocka_unit_test(changes_are_followed),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", tests, on_pgsql, rig_leave);
}
