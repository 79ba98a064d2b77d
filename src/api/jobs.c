/*
 * Jobs, orders and deliveries. Invariant of the long poll: no transaction is open
 * while it waits.
 */
#include <string.h>

#include "api/priv.h"

enum { WAIT_MAX = 30 };

static bool query_true(const struct request *r, const char *name)
{
    const char *v = r_query(r, name);
    return v && (strcmp(v, "1") == 0 || strcmp(v, "true") == 0);
}

static const char *job_state_at(int state)
{
    return job_state_name((enum job_state)state);
}

static const char *order_state_at(int state)
{
    return order_state_name((enum order_state)state);
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct job_list list;
    const char *text;
    int64_t before, limit;
    TRY(r_page(r, &before, &limit, err));
    TRY(r_query_text(r, &text, err));
    struct job_filter f = {.kind = r_query(r, "kind"),
                           .subject = r_query(r, "subject"),
                           .only_open = query_true(r, "open"),
                           .before = before,
                           .limit = (int)limit,
                           .no_routine = query_true(r, "work")};
    TRY(r_query_state(r, job_state_at, JOB_CANCELLED + 1, &f.in_state, err));
    if (text && !f.subject)
        TRY(db_job_named(r->db, &f, text, r->a, &list, err));
    else
        TRY(db_job_list(r->db, &f, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_job(r, &list.v[i]);
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static enum rc look(struct request *r, int64_t id, struct job *ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(r_read(r, &db, err));
    return db_job_get(db, id, r->a, ret, err);
}

static bool ended(const struct job *j)
{
    return j->state != JOB_READY && j->state != JOB_RUNNING;
}

/* What a person following the job would see change. */
static bool news(const struct job *a, const struct job *b)
{
    const char *x = a->activity_en ? a->activity_en : "", *y = b->activity_en ? b->activity_en : "";
    return a->state != b->state || a->attempts != b->attempts || strcmp(x, y) != 0;
}

/* Until there is news, the job is over, or the time (of clock_mono()) has come. */
static enum rc follow(struct request *r, const struct job_view *v, struct job_waiter *w,
                      int64_t until, struct job *j, struct err *err)
{
    const struct clock *c = r->api->o.clock;
    const struct job first = *j;
    while (!ended(j) && !v->news(&first, j)) {
        int64_t left = until - clock_mono(c);
        if (left <= 0)
            break;
        /* Events come from this machine's workers; other nodes' work is seen by looking. */
        events_wait(r->api, w, left < USEC_PER_SEC / 2 ? left : USEC_PER_SEC / 2);
        TRY(v->look(r, w->job, j, err));
    }
    return RC_OK;
}

enum rc job_await(struct request *r, const struct job_view *v, struct job *ret, struct err *err)
{
    int64_t id, wait;
    struct job_waiter w;
    TRY(r_id(r->params[0], &id, err));
    TRY(r_query_int(r, "wait", 0, WAIT_MAX, 0, &wait, err));
    /* Before anybody is counted as waiting: the time of the wait is that of the question. */
    int64_t until = clock_mono(r->api->o.clock) + wait * USEC_PER_SEC;
    bool watching = wait > 0 && events_watch(r->api, &w, id);
    enum rc rc = v->look(r, id, ret, err);
    if (rc == RC_OK && watching)
        rc = follow(r, v, &w, until, ret, err);
    if (watching)
        events_unwatch(r->api, &w);
    return rc;
}

static enum rc run_get(struct request *r, struct err *err)
{
    static const struct job_view view = {look, news};
    struct job j;
    TRY(job_await(r, &view, &j, err));
    view_job(r, &j);
    return RC_OK;
}

static enum rc changed(struct request *r, int64_t id, struct err *err)
{
    struct job j;
    TRY(db_job_get(r->db, id, r->a, &j, err));
    r_event(r, "job", id);
    r->wake = true;
    view_job(r, &j);
    return RC_OK;
}

static enum rc run_retry(struct request *r, struct err *err)
{
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "job", id);
    TRY(db_job_retry_now(r->db, id, r->now, err));
    return changed(r, id, err);
}

static enum rc run_cancel(struct request *r, struct err *err)
{
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "job", id);
    struct job j;
    TRY(db_job_get(r->db, id, r->a, &j, err));
    TRY(job_stop(r->db, id, r->now, err));
    /* its worker, if there is one, hears of it within a lease */
    int64_t at = r->now + (j.state == JOB_RUNNING ? JOB_LEASE_SECONDS * USEC_PER_SEC : 0);
    TRY(job_request_tidy_after(r->db, id, NULL, at, err));
    return changed(r, id, err);
}

/* As they came, or newest first when the query says before, a state or a text. */
static enum rc orders_up(struct request *r, int64_t after, int64_t limit,
                         struct order_row_list *ret, struct err *err)
{
    struct order_list list;
    TRY(db_order_list(r->db, 0, query_true(r, "open"), after, (int)limit, r->a, &list, err));
    struct order_row *rows = arena_alloc(r->a, list.n ? list.n * sizeof *rows : 1);
    if (!rows)
        return NOMEM(err);
    for (size_t i = 0; i < list.n; i++) {
        struct cert c = {0};
        struct err none;
        rows[i] = (struct order_row){list.v[i], NULL};
        if (db_cert_get(r->db, list.v[i].cert_id, r->a, &c, &none) == RC_OK)
            rows[i].cert_name = c.name;
    }
    *ret = (struct order_row_list){rows, list.n};
    return RC_OK;
}

struct approve_in {
    bool now;
};
static const struct field approve_fields[] = {
    FIELD_BOOL(struct approve_in, now,
               .label = {"Do not wait for its time", "時間帯を待たずに開始する"}),
    FIELD_END};

static enum rc run_approve(struct request *r, struct err *err)
{
    const struct approve_in *in = r->in;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "job", id);
    TRY(job_approve(r->db, id, r_person(r), r->actor, in && in->now, r->now, err));
    return changed(r, id, err);
}

static enum rc run_orders(struct request *r, struct err *err)
{
    struct order_row_list list;
    struct order_query q = {0};
    int64_t after, limit;
    TRY(r_page(r, &after, &limit, err));
    TRY(r_query_text(r, &q.text, err));
    TRY(r_query_state(r, order_state_at, ORDER_CANCELLED + 1, &q.in_state, err));
    TRY(r_query_int(r, "before", 0, INT64_MAX, 0, &q.before, err));
    q.limit = (int)limit;
    if (r_query(r, "before") || q.text || q.in_state) {
        if (query_true(r, "open"))
            q.in_state = 1 + ORDER_OPEN;
        TRY(db_order_query(r->db, &q, r->a, &list, err));
    } else {
        TRY(orders_up(r, after, limit, &list, err));
    }
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_order(r, &list.v[i]);
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].o.id : 0);
    return RC_OK;
}

static enum rc run_order(struct request *r, struct err *err)
{
    int64_t id;
    struct order_row row = {.cert_name = NULL};
    struct cert c = {0};
    struct err none;
    TRY(r_id(r->params[0], &id, err));
    TRY(db_order_get(r->db, id, r->a, &row.o, err));
    if (db_cert_get(r->db, row.o.cert_id, r->a, &c, &none) == RC_OK)
        row.cert_name = c.name;
    view_order(r, &row);
    return RC_OK;
}

static void view_delivery(struct request *r, const struct delivery *d, const struct notice *n)
{
    struct json_writer *w = &r->w;
    jw_object(w);
    jw_ki64(w, "id", d->id);
    jw_ki64(w, "notice", d->notice_id);
    jw_kstr(w, "event", n->event);
    jw_kstr(w, "subject", n->subject);
    view_subject_name(r, n->subject);
    jw_ki64(w, "notifier", d->notifier_id);
    jw_kstr(w, "lang", d->lang);
    jw_kstr(w, "state", d->state);
    jw_kstr(w, "reply", d->reply);
    view_error(w, "error", d->error);
    jw_ki64(w, "attempts", d->attempts);
    jw_ktime(w, "created", n->created);
    jw_ktime(w, "updated", d->updated);
    jw_end_object(w);
}

static enum rc run_deliveries(struct request *r, struct err *err)
{
    struct delivery_list list;
    int64_t before, limit;
    TRY(r_page(r, &before, &limit, err));
    TRY(db_delivery_list(r->db, before, (int)limit, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++) {
        struct notice n = {0};
        TRY(db_notice_get(r->db, list.v[i].notice_id, r->a, &n, err));
        view_delivery(r, &list.v[i], &n);
    }
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static enum rc view_notice(struct request *r, const struct notice *n, struct err *err)
{
    int64_t group = 0;
    TRY(db_subject_group(r->db, n->subject, &group, err));
    jw_object(&r->w);
    jw_ki64(&r->w, "id", n->id);
    jw_kstr(&r->w, "event", n->event);
    jw_kstr(&r->w, "subject", n->subject);
    view_subject_name(r, n->subject);
    view_group_of(r, group);
    view_raw(&r->w, "data", n->data);
    jw_ktime(&r->w, "created", n->created);
    jw_end_object(&r->w);
    return RC_OK;
}

/* All that happened, whether or not somebody wanted to be told: a rule is tried out on it. */
static enum rc run_notices(struct request *r, struct err *err)
{
    struct notice_list list;
    int64_t before, limit;
    TRY(r_page(r, &before, &limit, err));
    TRY(db_notice_list(r->db, before, (int)limit, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_notice(r, &list.v[i], err));
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static const struct route rows[] = {
    {"job.list", "GET", "/jobs", PERM(PERM_VIEW), ROUTE_READ, run_list, .answer = "page Job",
     .query = "kind@job subject state@job q@job open work after limit",
     .summary = {"List the jobs, newest first", "ジョブを一覧する"}},
    {"job.get", "GET", "/jobs/{id}", PERM(PERM_VIEW), 0, run_get, .answer = "Job", .query = "wait",
     .summary = {"One job; wait=SECONDS waits for news",
                 "ジョブを表示する（wait=秒で変化を待つ）"}},
    {"job.retry", "POST", "/jobs/{id}/retry", PERM(PERM_OPERATE), ROUTE_WRITE, run_retry,
     .answer = "Job", .summary = {"Try now", "今すぐ再試行する"}},
    {"job.approve", "POST", "/jobs/{id}/approve", PERM(PERM_OPERATE), ROUTE_WRITE, run_approve,
     .answer = "Job",
     .summary = {"Let a roll-out begin that waits for approval or for its time",
                 "承認または適用時間帯を待つ適用を開始させる"},
     .body = approve_fields, .body_size = sizeof(struct approve_in)},
    {"job.cancel", "POST", "/jobs/{id}/cancel", PERM(PERM_OPERATE), ROUTE_WRITE, run_cancel,
     .answer = "Job", .summary = {"Cancel a job", "ジョブを取り消す"}},
    {"order.list", "GET", "/orders", PERM(PERM_VIEW), ROUTE_READ, run_orders,
     .answer = "page Order", .query = "state@order q@order open after before limit",
     .summary = {"List the applications", "申請を一覧する"}},
    {"order.get", "GET", "/orders/{id}", PERM(PERM_VIEW), ROUTE_READ, run_order, .answer = "Order",
     .summary = {"One application", "申請を表示する"}},
    {"notice.list", "GET", "/notices", PERM(PERM_VIEW), ROUTE_READ, run_notices,
     .answer = "page Notice", .query = "after limit",
     .summary = {"What people were told of, or could be", "出来事を一覧する"}},
    {"delivery.list", "GET", "/deliveries", PERM(PERM_VIEW), ROUTE_READ, run_deliveries,
     .answer = "page Delivery", .query = "after limit",
     .summary = {"Each message and its fate", "通知の送信履歴を一覧する"}},
};
ROUTE_SET(routes_job, rows);
