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

#define OK(expr)                                                                                   \
    do {                                                                                           \
        struct err err_ = {0};                                                                     \
        struct err *err = &err_;                                                                   \
        enum rc rc_ = (expr);                                                                      \
        if (rc_ != RC_OK)                                                                          \
            fail_msg("%s: %s (%s)", #expr, err_.en, rc_name(rc_));                                 \
    } while (0)

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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        T(the_groups_people_are_told),      T(own_notifiers_come_first),
        T(the_installation_is_the_default), T(endpoints_have_their_group),
        T(days_are_sorted_and_default),     T(names_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
