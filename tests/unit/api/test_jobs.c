/*
 * Jobs, and waiting for their news: who waits is told as soon as something changes, not before, and
 * not for ever; more than a few never wait at once.
 */
#include <poll.h>
#include <pthread.h>

#include "unit/api/api_rig.h"

struct desk {
    struct api_rig r;
    struct who local;
    int64_t job;
};

static struct answer ask(struct desk *d, int status, const char *method, const char *path,
                         const char *body)
{
    return rig_want(&d->r, &d->local, status, method, path, body);
}

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    (void)ask(d, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    struct answer x = ask(d, 202, "POST", "/cas/own/check", NULL);
    d->job = json_i64_or(x.json, "job.id", 0);
}

static const char *job_path(struct desk *d, const char *tail)
{
    return arena_printf(d->r.a, "/jobs/%lld%s", (long long)d->job, tail);
}

/* ---- somebody beside the one who waits ---- */
struct helper {
    struct desk *d;
    enum { PASS_TIME, SAY_SOMETHING, CHANGE_IT, UNRELATED } what;
    bool met; /* somebody was waiting when it acted */
};

static bool someone_waits(struct api *api)
{
    for (int i = 0; i < 1000; i++) {
        (void)pthread_mutex_lock(&api->event_lock);
        int n = api->waiters;
        (void)pthread_mutex_unlock(&api->event_lock);
        if (n > 0)
            return true;
        (void)poll(NULL, 0, 10);
    }
    return false;
}

static void change(struct desk *d, bool cancel)
{
    AUTO(db) struct db *db = NULL;
    AUTO(arena) struct arena *a = arena_create(0);
    struct job j;
    int64_t next = 0;
    if (cancel) {
        OK(store_begin(d->r.store, &db, err));
        OK(db_job_cancel(db, d->job, RIG_NOW, err));
        OK(db_commit(&db, err));
        return;
    }
    OK(db_job_claim(d->r.store, "w", RIG_NOW, USEC_PER_DAY, 1, a, &j, &next, err));
    OK(store_begin(d->r.store, &db, err));
    OK(db_job_activity(db, j.id, j.lease_no, "half way", "半分", err));
    OK(db_commit(&db, err));
}

static void *helper_run(void *arg)
{
    struct helper *h = arg;
    struct api *api = h->d->r.api;
    h->met = someone_waits(api);
    if (h->what == CHANGE_IT || h->what == SAY_SOMETHING) {
        change(h->d, h->what == CHANGE_IT);
        char event[64];
        (void)snprintf(event, sizeof event, "{\"event\":\"job\",\"id\":%lld}",
                       (long long)h->d->job);
        api_event(api, event);
    } else {
        if (h->what == UNRELATED) /* looked at again, and waited on */
            api_event(api, "{\"event\":\"cert\"}");
        h->met = h->met && someone_waits(api);
        rig_pass(&h->d->r, 31 * USEC_PER_SEC);
        api_event(api, "{\"event\":\"cert\"}");
    }
    return NULL;
}

static struct answer wait_with(struct desk *d, int what)
{
    struct helper h = {.d = d, .what = (__typeof__(h.what))what};
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, helper_run, &h), 0);
    struct answer x = ask(d, 200, "GET", job_path(d, "?wait=30"), NULL);
    (void)pthread_join(t, NULL);
    assert_true(h.met);
    return x;
}

static void waiting_ends_with_news(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = wait_with(&d, SAY_SOMETHING);
    assert_string_equal(json_str_or(x.json, "activity.ja", ""), "半分");
    assert_string_equal(json_str_or(x.json, "state", ""), "running");
    x = wait_with(&d, CHANGE_IT);
    assert_string_equal(json_str_or(x.json, "state", ""), "cancelled");
    x = ask(&d, 200, "GET", job_path(&d, "?wait=30"), NULL); /* what has ended has no news */
    assert_string_equal(json_str_or(x.json, "subject_name", ""), "own");
    api_rig_end(&d.r);
}

static void waiting_ends_with_its_time(void **state)
{
    static const char *const refused[] = {"?wait=31", "?wait=-1", "?wait=x"};
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = wait_with(&d, PASS_TIME);
    assert_string_equal(json_str_or(x.json, "state", ""), "ready");
    (void)wait_with(&d, UNRELATED);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        x = ask(&d, 400, "GET", job_path(&d, refused[i]), NULL);
        assert_string_equal(json_str_or(x.json, "error.field", ""), "wait");
    }
    x = ask(&d, 200, "GET", job_path(&d, "?wait=0"), NULL);
    (void)ask(&d, 404, "GET", "/jobs/999?wait=30", NULL);
    (void)ask(&d, 404, "GET", "/jobs/x?wait=30", NULL);
    api_rig_end(&d.r);
}

static void more_than_a_few_do_not_wait(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    d.r.api->waiters = d.r.api->o.max_waiters; /* all places are taken */
    struct answer x = ask(&d, 200, "GET", job_path(&d, "?wait=30"), NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "ready");
    assert_int_equal(d.r.api->waiters, d.r.api->o.max_waiters);
    d.r.api->waiters = 0;
    api_rig_end(&d.r);
}

static void cancelled_and_tried_again(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    d.r.wakes = 0;
    struct answer x = ask(&d, 200, "POST", job_path(&d, "/retry"), NULL);
    assert_int_equal(d.r.wakes, 1);
    x = ask(&d, 200, "POST", job_path(&d, "/cancel"), NULL);
    assert_string_equal(json_str_or(x.json, "state", ""), "cancelled");
    (void)ask(&d, 409, "POST", job_path(&d, "/cancel"), NULL);
    (void)ask(&d, 409, "POST", job_path(&d, "/retry"), NULL);
    (void)ask(&d, 404, "POST", "/jobs/999/cancel", NULL);
    (void)ask(&d, 404, "POST", "/jobs/999/retry", NULL);
    api_rig_end(&d.r);
}

/* Named by what each is about; what has no name of its own borrows none. */
static void jobs_are_called_by_their_subject(void **state)
{
    static const struct {
        const char *subject, *name;
    } rows[] = {{"cert/1", "a.example"}, {"version/1", "a.example"}, {"connector/1", "own"},
                {"delivery/1", NULL},    {"user/1", NULL},           {"system", NULL},
                {"cert/999", NULL},      {"connector/x", NULL}};
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/certs",
              "{\"names\":[\"a.example\"],\"ca\":\"own\",\"request\":false}");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(db) struct db *db = NULL;
        struct job j = {.kind = "watch",
                        .subject = rows[i].subject,
                        .step = "x",
                        .run_at = 1,
                        .created = 1,
                        .updated = 1};
        struct cert_version v = {.cert_id = 1, .state = VERSION_STAGING, .key_alg = "ec256"};
        int64_t existing = 0;
        OK(store_begin(d.r.store, &db, err));
        if (i == 0)
            OK(db_version_add(db, &v, err));
        OK(db_job_add(db, &j, &existing, err));
        OK(db_commit(&db, err));
        struct answer x =
            ask(&d, 200, "GET", arena_printf(d.r.a, "/jobs/%lld", (long long)j.id), NULL);
        const char *name = json_str_or(x.json, "subject_name", NULL);
        if (!rows[i].name != !name || (name && strcmp(name, rows[i].name) != 0))
            fail_msg("%s is called %s", rows[i].subject, name ? name : "-");
    }
    api_rig_end(&d.r);
}

static void lists_filter_and_page(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    for (int i = 0; i < 4; i++)
        (void)ask(&d, 202, "POST", "/cas/own/check", NULL);
    (void)ask(&d, 200, "POST", job_path(&d, "/cancel"), NULL);
    static const struct {
        const char *query;
        size_t n;
    } rows[] = {{"kind=check", 5},         {"kind=issue", 0}, {"kind=check&open=1", 4},
                {"state=cancelled", 1},    {"state=done", 0}, {"subject=connector/1", 5},
                {"subject=connector/", 0}, {"kind=%", 0},     {"kind=check&limit=2", 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, 200, "GET", arena_printf(d.r.a, "/jobs?%s", rows[i].query), NULL);
        if (json_len(json_get(x.json, "items")) != rows[i].n)
            fail_msg("%s: %s", rows[i].query, x.text);
    }
    size_t met = 0;
    for (int64_t after = 0;;) {
        struct answer x =
            ask(&d, 200, "GET",
                arena_printf(d.r.a, "/jobs?kind=check&limit=2&after=%lld", (long long)after), NULL);
        met += json_len(json_get(x.json, "items"));
        after = json_i64_or(x.json, "next", 0);
        if (!after)
            break;
    }
    assert_int_equal(met, 5);
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_ends_with_news),
        cmocka_unit_test(waiting_ends_with_its_time),
        cmocka_unit_test(more_than_a_few_do_not_wait),
        cmocka_unit_test(cancelled_and_tried_again),
        cmocka_unit_test(jobs_are_called_by_their_subject),
        cmocka_unit_test(lists_filter_and_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
