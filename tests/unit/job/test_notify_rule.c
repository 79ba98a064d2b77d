/* Whom news reaches: the group's people through the right notifiers, in its language; else all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/job.h"
#include "job/notify_rule.h"
#include "unit/ok.h"

struct rig {
    char dir[64];
    struct store *store;
    struct arena *a;
    struct db *db;
};

static int start(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    json_init();
    snprintf(r->dir, sizeof r->dir, "/dev/shm/inro-rule-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->a = arena_create(0);
    OK(store_open(arena_printf(r->a, "sqlite:%s/inro.db", r->dir), &r->store, err));
    OK(store_migrate(r->store, NULL, NULL, err));
    OK(store_begin(r->store, &r->db, err));
    *state = r;
    return 0;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    struct rig *r = *state;
    db_rollback(&r->db);
    store_close(r->store);
    arena_destroy(r->a);
    nftw(r->dir, drop, 16, FTW_DEPTH | FTW_PHYS);
    free(r);
    return 0;
}

static int64_t notifier(struct rig *r, const char *name, int64_t group)
{
    struct connector c = {.kind = "notifier", .type = "smtp", .name = name, .group_id = group};
    OK(db_connector_add(r->db, &c, err));
    return c.id;
}

static int64_t group(struct rig *r, const char *name, const char *notify)
{
    struct group g = {.name = name, .notify = notify, .revision = 1};
    OK(db_group_add(r->db, &g, err));
    return g.id;
}

static const char *cert_of(struct rig *r, const char *name, int64_t group_id)
{
    struct cert c = {.name = name, .names = {&name, 1}, .group_id = group_id};
    OK(db_cert_add(r->db, &c, err));
    return arena_printf(r->a, "cert/%lld", (long long)c.id);
}

static struct delivery_list raise_event(struct rig *r, const char *event, const char *subject)
{
    struct delivery_list l;
    static int n;
    struct delivery_list before;
    OK(db_delivery_list(r->db, 0, 1000, r->a, &before, err));
    OK(notice_raise(r->db, event, subject, arena_printf(r->a, "k%d", n++), "{}", 1, err));
    OK(db_delivery_list(r->db, 0, 1000, r->a, &l, err));
    l.n -= before.n; /* newest first */
    return l;
}

#define RULE                                                                                       \
    "{\"recipients\":[\"web@x.example\",\"ops@x.example\"],\"days\":[],\"events\":"                \
    "[\"deploy\",\"cert.failed\"],\"lang\":\"en\"}"

static void the_groups_people_are_told(void **state)
{
    struct rig *r = *state;
    int64_t mail = notifier(r, "mail", 0), g = group(r, "web", RULE);
    (void)notifier(r, "foreign", group(r, "other", NULL));
    const char *subject = cert_of(r, "a.example", g);
    struct delivery_list l = raise_event(r, "deploy.failed", subject);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0].notifier_id, mail);
    assert_string_equal(l.v[0].lang, "en");
    assert_string_equal(l.v[0].recipients, "[\"web@x.example\",\"ops@x.example\"]");
    assert_int_equal(raise_event(r, "cert.issued", subject).n, 0); /* not wanted */
    assert_int_equal(raise_event(r, "cert.failed", subject).n, 1);
}

static void own_notifiers_come_first(void **state)
{
    struct rig *r = *state;
    (void)notifier(r, "mail", 0);
    int64_t g = group(r, "web", RULE), own = notifier(r, "web-mail", g);
    struct delivery_list l = raise_event(r, "deploy.done", cert_of(r, "a.example", g));
    assert_int_equal(l.n, 1);
    assert_int_equal(l.v[0].notifier_id, own);
}

static void the_installation_is_the_default(void **state)
{
    struct rig *r = *state;
    (void)notifier(r, "mail", 0);
    (void)notifier(r, "chat", 0);
    const char *subjects[] = {cert_of(r, "a.example", 0),
                              cert_of(r, "b.example", group(r, "silent", NULL)), "system"};
    for (size_t i = 0; i < COUNT_OF(subjects); i++) {
        struct delivery_list l = raise_event(r, "cert.issued", subjects[i]);
        assert_int_equal(l.n, 2);
        assert_null(l.v[0].recipients);
        assert_null(l.v[0].lang);
    }
}

static void endpoints_have_their_group(void **state)
{
    struct rig *r = *state;
    (void)notifier(r, "mail", 0);
    struct endpoint e = {.host = "a.example",
                         .port = 443,
                         .every = 60,
                         .group_id = group(r, "web", "{\"recipients\":[\"w@x.example\"]}")};
    OK(db_endpoint_add(r->db, &e, err));
    const char *subject = arena_printf(r->a, "endpoint/%lld", (long long)e.id);
    struct delivery_list l = raise_event(r, "endpoint.drift", subject);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0].recipients, "[\"w@x.example\"]");
}

static void days_are_sorted_and_default(void **state)
{
    struct rig *r = *state;
    struct notify_rule rule;
    int64_t days[NOTIFY_DAYS_MAX];
    notify_rule_read("{\"days\":[\"60\",\"7\",\"30\"]}", r->a, &rule);
    assert_int_equal(notify_rule_days(&rule, days), 3);
    assert_int_equal(days[0], 7);
    assert_int_equal(days[2], 60);
    notify_rule_read("damaged", r->a, &rule);
    assert_int_equal(notify_rule_days(&rule, days), 4);
    assert_int_equal(days[3], 30);
    assert_true(notify_rule_wants(&rule, "cert.failed"));
}

static void names_of_events(void **state)
{
    struct rig *r = *state;
    struct notify_rule rule;
    notify_rule_read("{\"events\":[\"cert\"]}", r->a, &rule);
    assert_true(notify_rule_wants(&rule, "cert.failed"));
    assert_false(notify_rule_wants(&rule, "certificate.x"));
    assert_false(notify_rule_wants(&rule, "deploy.done"));
    OK(notify_rule_check(&rule, err));
    for (size_t i = 0; notice_event_at(i); i++)
        assert_non_null(notice_event_at(i));
}

#define DAY USEC_PER_DAY
#define NOW (1000 * DAY)

/* In service for 90 days, of which `left` are left; what renews it, and when. */
static int64_t version_of(struct rig *r, const char *subject, enum version_state state,
                          int64_t left, int64_t activated)
{
    int64_t end = NOW + left * DAY;
    struct cert_version v = {.cert_id = strtoll(subject + 5, NULL, 10),
                             .state = state,
                             .not_before = end - 90 * DAY,
                             .not_after = end,
                             .created = activated,
                             .activated = activated};
    OK(db_version_add(r->db, &v, err));
    return v.id;
}

static struct preview_list preview(struct rig *r, int64_t g, const char *rule_text)
{
    struct notify_rule rule;
    struct preview_list l;
    notify_rule_read(rule_text, r->a, &rule);
    OK(notify_preview(r->db, g, &rule, NOW - 31 * DAY, NOW, r->a, &l, err));
    return l;
}

/* Days that nobody was told at yet are worked out; what really happened is taken as it was. */
static void a_preview_follows_the_rule_not_what_was_sent(void **state)
{
    struct rig *r = *state;
    int64_t g = group(r, "web", NULL), other = group(r, "other", NULL);
    const char *a = cert_of(r, "a.example", g), *b = cert_of(r, "b.example", other);
    (void)version_of(r, a, VERSION_CURRENT, 20, NOW - 70 * DAY);
    (void)version_of(r, b, VERSION_CURRENT, 20, NOW - 70 * DAY);
    OK(notice_raise(r->db, "deploy.failed", a, "d1", "{}", NOW - 2 * DAY, err));
    OK(notice_raise(r->db, "deploy.failed", b, "d2", "{}", NOW - 2 * DAY, err));
    OK(notice_raise(r->db, "deploy.failed", a, "d3", "{}", NOW - 40 * DAY, err));
    OK(notice_raise(r->db, "cert.expiring", a, "d4", "{}", NOW - 3 * DAY, err));
    struct preview_list l = preview(r, g, "{\"days\":[\"45\",\"25\",\"7\"]}");
    assert_int_equal(3, l.n);
    assert_false(l.more);
    assert_string_equal("deploy.failed", l.v[0].event);
    assert_int_equal(NOW - 2 * DAY, l.v[0].at);
    assert_string_equal("cert.expiring", l.v[1].event);
    assert_int_equal(25, l.v[1].days);
    assert_int_equal(NOW - 5 * DAY, l.v[1].at);
    assert_string_equal(a, l.v[1].subject);
    assert_int_equal(45, l.v[2].days);
    assert_int_equal(NOW - 25 * DAY, l.v[2].at);
    l = preview(r, g, "{\"events\":[\"deploy\"]}");
    assert_int_equal(1, l.n);
    l = preview(r, g, "{\"events\":[\"cert\"],\"days\":[\"60\"]}");
    assert_int_equal(0, l.n); /* that was 40 days ago */
}

static void a_preview_knows_what_was_renewed_and_what_began_late(void **state)
{
    struct rig *r = *state;
    int64_t g = group(r, "web", NULL);
    /* Renewed with 15 days left: it was told at 30, not at 7; 22 = a quarter of its life. */
    const char *a = cert_of(r, "a.example", g);
    (void)version_of(r, a, VERSION_ARCHIVED, 5, NOW - 85 * DAY);
    (void)version_of(r, a, VERSION_CURRENT, 80, NOW - 10 * DAY);
    struct preview_list l = preview(r, g, "{\"days\":[\"30\",\"20\",\"7\"]}");
    assert_int_equal(1, l.n);
    assert_int_equal(20, l.v[0].days); /* 30 is before a quarter of its life was left */
    assert_int_equal(NOW - 15 * DAY, l.v[0].at);
    /* Imported with 12 days left: told at once, by the least level that fits, and once. */
    int64_t late = group(r, "late", NULL);
    (void)version_of(r, cert_of(r, "b.example", late), VERSION_CURRENT, 10, NOW - 2 * DAY);
    l = preview(r, late, "{\"days\":[\"60\",\"30\",\"14\",\"7\"]}");
    assert_int_equal(1, l.n);
    assert_int_equal(14, l.v[0].days);
    assert_int_equal(NOW - 2 * DAY, l.v[0].at);
    /* Had ended when it came in: that is another event. */
    int64_t ended = group(r, "ended", NULL);
    (void)version_of(r, cert_of(r, "c.example", ended), VERSION_CURRENT, -3, NOW - 2 * DAY);
    assert_int_equal(0, preview(r, ended, "{\"days\":[\"14\",\"7\"]}").n);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        T(the_groups_people_are_told),
        T(own_notifiers_come_first),
        T(the_installation_is_the_default),
        T(endpoints_have_their_group),
        T(days_are_sorted_and_default),
        T(names_of_events),
        T(a_preview_follows_the_rule_not_what_was_sent),
        T(a_preview_knows_what_was_renewed_and_what_began_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
