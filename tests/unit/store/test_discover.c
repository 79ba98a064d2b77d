/* Discoveries on both engines: every column comes back, what an address is to whom, and what goes.
 */
#include "store_rig.h"

#include "store/repo_discover.h"

static int64_t add(struct db *db, int64_t group, enum job_state state, size_t places)
{
    char host[32];
    struct job j = {.kind = "discover", .subject = "discovery/0", .step = "look", .state = state};
    struct discovery d = {.name = "探索", .group_id = group, .actor = "a", .created = 7};
    OK(db_discovery_add(db, &d, err));
    OK(db_job_add(db, &j, NULL, err));
    OK(db_discovery_set_job(db, d.id, j.id, err));
    for (size_t i = 0; i < places; i++) {
        snprintf(host, sizeof host, "192.0.2.%zu", i);
        struct discovery_item it = {
            .discovery_id = d.id, .host = host, .port = 443, .kind = "waiting"};
        OK(db_discovery_item_add(db, &it, err));
    }
    return d.id;
}

static struct discovery_item_list items(struct rig *r, struct db *db, int64_t id,
                                        const char *relation, int64_t after, int limit)
{
    struct discovery_item_list l;
    struct discovery_filter f = {id, relation, NULL, after, limit};
    OK(db_discovery_items(db, &f, r->a, &l, err));
    return l;
}

static struct discovery_item seen(struct rig *r, struct db *db, int64_t id, const char *sha256,
                                  const char *name)
{
    static const char *names[] = {"www.example.jp", "日本語.example"};
    struct discovery_item_list l;
    OK(db_discovery_waiting(db, id, 1, r->a, &l, err));
    struct discovery_item it = l.v[0];
    it.kind = "cert";
    it.addr = it.host;
    it.protocol = "TLSv1.3";
    it.sha256 = sha256;
    it.subject = "CN=x";
    it.issuer = "CN=y";
    it.serial = "0a";
    it.key_alg = "ec256";
    it.name = name;
    it.names = (struct names){names, 2};
    it.not_before = 5;
    it.not_after = 6;
    it.trusted = true;
    it.chain = "PEM";
    it.seen_at = 8;
    OK(db_discovery_item_seen(db, &it, err));
    return it;
}

static void every_column_comes_back(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct discovery d;
    struct discovery_item got;
    const char *chain = NULL;
    OK(store_begin(r->s, &db, err));
    int64_t id = add(db, 0, JOB_RUNNING, 5);
    struct discovery_item it = seen(r, db, id, "aa", "www.example.jp");
    OK(db_discovery_count(db, id, 9, err));
    OK(db_discovery_get(db, id, r->a, &d, err));
    assert_int_equal(d.state, JOB_RUNNING);
    assert_string_equal(d.name, "探索");
    assert_int_equal(d.total, 5);
    assert_int_equal(d.looked, 1);
    assert_int_equal(d.found, 1);
    assert_int_equal(d.updated, 9);
    OK(db_discovery_item_get(db, id, it.id, r->a, &got, err));
    assert_string_equal(got.host, "192.0.2.0");
    assert_string_equal(got.relation, "unknown");
    assert_string_equal(got.names.v[1], "日本語.example");
    assert_string_equal(got.serial, "0a");
    assert_true(got.trusted && got.not_after == 6 && got.seen_at == 8 && !got.chain);
    OK(db_discovery_chain(db, it.id, r->a, &chain, err));
    assert_string_equal(chain, "PEM");
    assert_int_equal(db_discovery_item_get(db, id + 1, it.id, r->a, &got, NULL), RC_NOT_FOUND);
    struct discovery_item_list l = items(r, db, id, "waiting", 0, 3);
    assert_int_equal(l.n, 3);
    l = items(r, db, id, "waiting", l.v[2].id, 3);
    assert_int_equal(l.n, 1);
    struct discovery_filter f = {.id = id, .text = "日本", .limit = 10};
    OK(db_discovery_items(db, &f, r->a, &l, err));
    assert_int_equal(l.n, 1);
}

static int64_t add_cert(struct db *db, int64_t group, const char *name, const char *sha256)
{
    struct cert c = {.name = name, .names = {&name, 1}, .group_id = group, .revision = 1};
    OK(db_cert_add(db, &c, err));
    struct cert_version v = {
        .cert_id = c.id, .state = VERSION_STAGING, .chain = "x", .sha256 = sha256};
    OK(db_version_add(db, &v, err));
    return c.id;
}

static void each_sees_their_own(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct group mine = {.name = "mine", .revision = 1}, theirs = {.name = "theirs", .revision = 1};
    struct tally_list t;
    struct discovery d;
    bool taken = false;
    OK(store_begin(r->s, &db, err));
    OK(db_group_add(db, &mine, err));
    OK(db_group_add(db, &theirs, err));
    int64_t ours = add_cert(db, mine.id, "www.example.jp", "aa");
    int64_t hidden = add_cert(db, theirs.id, "secret.example", "bb");
    struct endpoint e = {.host = "192.0.2.1", .port = 443, .group_id = theirs.id, .state = "ok"};
    OK(db_endpoint_add(db, &e, err));
    int64_t id = add(db, mine.id, JOB_DONE, 4);
    (void)seen(r, db, id, "aa", "www.example.jp");
    (void)seen(r, db, id, "bb", "secret.example");
    (void)seen(r, db, id, "cc", "www.example.jp");
    struct discovery_item_list l = items(r, db, id, NULL, 0, 10);
    assert_int_equal(l.v[0].held_id, ours);
    assert_int_equal(l.v[1].held_id, hidden);
    assert_int_equal(l.v[1].endpoint_id, e.id);
    assert_string_equal(l.v[2].relation, "other");
    assert_int_equal(l.v[2].twin_id, ours);
    assert_int_equal(items(r, db, id, "watched", 0, 10).n, 1);
    const char *scope = arena_printf(r->a, "[%lld]", (long long)mine.id);
    db_scope(db, scope);
    l = items(r, db, id, NULL, 0, 10);
    assert_string_equal(l.v[0].relation, "held");
    assert_string_equal(l.v[1].relation, "unknown");
    assert_int_equal(l.v[1].held_id + l.v[1].twin_id + l.v[1].endpoint_id, 0);
    OK(db_discovery_tally(db, id, r->a, &t, err));
    assert_int_equal(t.n, 4); /* held, other, unknown, waiting */
    OK(db_endpoint_taken(db, "192.0.2.1", 443, &taken, err));
    assert_true(taken);
    db_scope(db, arena_printf(r->a, "[%lld]", (long long)theirs.id));
    assert_int_equal(db_discovery_get(db, id, r->a, &d, NULL), RC_NOT_FOUND);
    bool sees = true;
    OK(db_sees_subject(db, arena_printf(r->a, "discovery/%lld", (long long)id), &sees, err));
    assert_false(sees);
    struct discovery stolen = {.name = "x", .group_id = mine.id};
    assert_int_equal(db_discovery_add(db, &stolen, NULL), RC_DENIED);
}

static void old_ones_go(void **state)
{
    struct rig *r = *state;
    AUTO(db) struct db *db = NULL;
    struct discovery_list l;
    int64_t open = 0;
    OK(store_begin(r->s, &db, err));
    int64_t working = add(db, 77, JOB_RUNNING, 1);
    for (int i = 0; i < 4; i++)
        (void)add(db, 77, i % 2 ? JOB_DONE : JOB_CANCELLED, 1);
    int64_t other = add(db, 78, JOB_DONE, 1);
    OK(db_discovery_open(db, 77, &open, err));
    assert_int_equal(open, 1);
    OK(db_discovery_prune(db, 77, 2, err));
    db_scope(db, "[77,78]");
    OK(db_discovery_list(db, 0, 10, r->a, &l, err));
    assert_int_equal(l.n, 4);
    assert_int_equal(l.v[0].id, other);
    assert_int_equal(l.v[3].id, working);
    assert_int_equal(items(r, db, l.v[1].id, NULL, 0, 10).n, 1);
    assert_int_equal(db_discovery_remove(db, working, NULL), RC_CONFLICT);
    OK(db_discovery_remove(db, other, err));
    assert_int_equal(items(r, db, other, NULL, 0, 10).n, 0); /* and its places with it */
    OK(db_discovery_expire(db, 8, err));
    OK(db_discovery_list(db, 0, 10, r->a, &l, err));
    assert_int_equal(l.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_comes_back),
        cmocka_unit_test(each_sees_their_own),
        cmocka_unit_test(old_ones_go),
    };
    int bad = cmocka_run_group_tests_name("sqlite", tests, rig_on_sqlite, rig_leave);
    return bad + cmocka_run_group_tests_name("pgsql", tests, rig_on_pgsql, rig_leave);
}
