/*
 * Orders: taking, accepting, the April renewal run, cancelling. Invariants: the days of an order
 * follow from the day it was ordered on and are fixed then; what a customer has is what was
 * accepted; a renewal is made once a year for each customer, however often the run is repeated.
 */
#include <string.h>

#include "api/vendor_priv.h"

enum { RENEW_BATCH = 100 };

void view_vorder(struct request *r, const struct vendor_order *o)
{
    struct json_writer *w = &r->w;
    bool waiting = strcmp(o->state, "issued") != 0;
    jw_object(w);
    jw_ki64(w, "id", o->id);
    jw_ki64(w, "customer", o->customer_id);
    jw_kstr(w, "kind", o->kind);
    jw_ki64(w, "basics", o->basics);
    jw_ki64(w, "servers", o->servers);
    view_day(w, "ordered_on", o->ordered_on);
    view_day(w, "accept_on", o->accept_on);
    view_day(w, "share_due", o->share_due);
    jw_kbool(w, "share_overdue", waiting && jst_day(r->now) > o->share_due);
    view_day(w, "starts_on", o->starts_on);
    view_day(w, "begins_on", o->begins_on);
    view_day(w, "ends_on", o->ends_on);
    jw_ktime(w, "accepted", o->accepted_at);
    jw_kstr(w, "state", o->state);
    jw_ki64(w, "licence", o->licence_id);
    jw_ktime(w, "created", o->created);
    jw_end_object(w);
}

struct order_in {
    const char *customer, *kind, *on;
    int64_t basics, servers;
};
static const struct field_choice kinds[] = {
    {"basic", {"Basic", "ベーシック"}},
    {"option", {"Option (more)", "オプション（追加）"}},
    {"meets", {"Meets (trial)", "ミーツ"}},
    {"convert", {"Meets to Basic", "ミーツからベーシックへ変更"}},
    {NULL, {NULL, NULL}}};
static const struct field order_fields[] = {
    FIELD_STR(struct order_in, customer, .flags = FIELD_REQUIRED, .max = 200,
              .label = {"Customer", "顧客"}),
    FIELD_ENUM(struct order_in, kind, .flags = FIELD_REQUIRED, .choices = kinds,
               .label = {"What is ordered", "注文の種類"}),
    FIELD_INT(struct order_in, basics, .min = 0, .max = 1000000,
              .label = {"Basics (1 certificate + 1 target each)", "ベーシックの数"}),
    FIELD_INT(struct order_in, servers, .min = 0, .max = 1000000,
              .label = {"Servers added", "サーバー追加の数"}),
    FIELD_STR(struct order_in, on, .max = 10, .label = {"Ordered on", "注文日"},
              .help = {"Today in Japan when left out.", "省略時は本日（日本時間）です。"},
              .example = "2026-11-24"),
    FIELD_END};

static enum rc check_order(struct request *r, const struct vendor_order *o,
                           const struct vendor_customer *c, struct err *err)
{
    struct vendor_has has;
    TRY(db_vorder_totals(r->db, c->id, 0, &has, err));
    return vendor_order_check(o, c, &has, err);
}

static enum rc run_add(struct request *r, struct err *err)
{
    const struct order_in *in = r->in;
    struct vendor_key k;
    struct vendor_customer c;
    struct vendor_order o = {.kind = in->kind,
                             .basics = in->basics,
                             .servers = in->servers,
                             .state = "received",
                             .created = r->now,
                             .updated = r->now};
    bool counted = strcmp(in->kind, "basic") == 0 || strcmp(in->kind, "convert") == 0;
    if (counted && !json_get(r->body, "basics"))
        o.basics = 1;
    TRY(desk_key(r, &k, err));
    TRY(desk_customer(r, in->customer, &c, err));
    TRY(desk_day(r, in->on, "on", &o.ordered_on, err));
    CHECK(o.ordered_on <= jst_day(r->now), err, RC_INPUT, BLAME_INPUT,
          MSG("vendor.future", "an order is not dated in the future",
              "注文日に未来の日付は指定できません"));
    o.customer_id = c.id;
    TRY(check_order(r, &o, &c, err));
    vendor_order_terms(&o);
    TRY(db_vorder_add(r->db, &o, err));
    r_subject(r, "vendor_order", o.id);
    TRY(NOTE(r, "order.received", c.id, o.id, err, {"kind", o.kind, 0}, {"basics", NULL, o.basics},
             {"servers", NULL, o.servers}, {"ordered_day", NULL, o.ordered_on}));
    r->status = 201;
    view_vorder(r, &o);
    return RC_OK;
}

static enum rc find_order(struct request *r, struct vendor_order *ret, struct err *err)
{
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "vendor_order", id);
    return db_vorder_get(r->db, id, r->a, ret, err);
}

static enum rc run_show(struct request *r, struct err *err)
{
    struct vendor_order o;
    TRY(find_order(r, &o, err));
    view_vorder(r, &o);
    return RC_OK;
}

static enum rc accept_day(struct request *r, const struct vendor_order *o, struct err *err)
{
    char en[16], ja[32];
    day_text(o->accept_on, en);
    day_text_ja(o->accept_on, ja);
    CHECK(strcmp(o->state, "received") == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.accepted", "order {0} was accepted before", "注文 {0} は受付済みです"),
          NUM(o->id));
    CHECK(jst_day(r->now) >= o->accept_on, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.too_early",
              "the order is accepted on the next business day, {0}; nothing was changed",
              "この注文の受付日は翌営業日の {1} です。変更はありません"),
          en, ja);
    return RC_OK;
}

static enum rc run_accept(struct request *r, struct err *err)
{
    struct vendor_order o;
    struct vendor_customer c;
    int64_t mail = 0;
    TRY(find_order(r, &o, err));
    TRY(accept_day(r, &o, err));
    TRY(db_customer_get(r->db, o.customer_id, r->a, &c, err));
    TRY(check_order(r, &o, &c, err));
    o.accepted_at = r->now;
    o.state = "accepted";
    /* Accepted late, the five days run from then. */
    if (jst_day(r->now) > o.accept_on)
        o.share_due = share_due(jst_day(r->now));
    o.updated = r->now;
    TRY(db_vorder_update(r->db, &o, err));
    TRY(NOTE(r, "order.accepted", c.id, o.id, err, {"share_due_day", NULL, o.share_due}));
    TRY(desk_mail(r, &c, "accepted", o.id, &mail, err));
    view_vorder(r, &o);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct vendor_order_list l;
    struct vendor_customer c = {0};
    int64_t after, limit;
    TRY(desk_page(r, &c, &after, &limit, err));
    TRY(db_vorder_list(r->db, c.id, after, (int)limit, r->a, &l, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++)
        view_vorder(r, &l.v[i]);
    view_page_end(&r->w, l.n == (size_t)limit ? l.v[l.n - 1].id : 0);
    return RC_OK;
}

/* ---- the April run ---- */

static enum rc renew_one(struct request *r, const struct vendor_customer *c, int64_t today,
                         struct err *err)
{
    struct vendor_licence l;
    struct vendor_order o = {.customer_id = c->id,
                             .kind = "renewal",
                             .ordered_on = today,
                             .accepted_at = r->now,
                             .state = "issued",
                             .created = r->now,
                             .updated = r->now};
    int64_t job = 0;
    vendor_order_terms(&o);
    TRY(db_vorder_add(r->db, &o, err));
    TRY(desk_issue(r, c, o.id, o.begins_on, o.ends_on, &l, err));
    o.licence_id = l.id;
    TRY(db_vorder_update(r->db, &o, err));
    TRY(NOTE(r, "renewal.issued", c->id, o.id, err, {"serial", NULL, l.id},
             {"file_name", l.file_name, 0}));
    TRY(desk_mail(r, c, "renewal", o.id, &job, err));
    jw_object(&r->w);
    jw_ki64(&r->w, "customer", c->id);
    jw_kstr(&r->w, "name", c->name);
    jw_ki64(&r->w, "order", o.id);
    jw_kstr(&r->w, "file_name", l.file_name);
    view_day(&r->w, "ends_on", o.ends_on);
    jw_kbool(&r->w, "mailed", job != 0);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_renew(struct request *r, struct err *err)
{
    struct vendor_key k;
    struct vendor_customer_list l;
    int64_t today = jst_day(r->now), first = month_first(today, 0);
    r->subject = "vendor";
    TRY(desk_key(r, &k, err));
    CHECK(renewal_offered(today), err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.not_april",
              "renewals are offered from 1 to 30 April (Japan); nothing was changed",
              "更新の案内期間は 4 月 1 日～30 日です。変更はありません"));
    TRY(db_customer_to_renew(r->db, first, month_last(today), jst_midnight(renewal_end(today) + 1),
                             RENEW_BATCH, r->a, &l, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++)
        TRY(renew_one(r, &l.v[i], today, err));
    jw_end_array(&r->w);
    jw_kbool(&r->w, "more", l.n == RENEW_BATCH);
    jw_end_object(&r->w);
    return RC_OK;
}

/* ---- cancelling ---- */

struct cancel_in {
    const char *service_code, *file_name, *on;
};
static const struct field cancel_fields[] = {
    FIELD_STR(struct cancel_in, service_code, .max = 64,
              .label = {"Service code (12 digits)", "サービスコード（12桁）"}),
    FIELD_STR(struct cancel_in, file_name, .max = 128,
              .label = {"Name of the licence file", "ライセンスファイル名"}),
    FIELD_STR(struct cancel_in, on, .max = 10, .label = {"Accepted on", "受付日"},
              .example = "2026-11-24"),
    FIELD_END};

static enum rc cancel_proof(struct request *r, const struct cancel_in *in,
                            struct vendor_customer *c, struct err *err)
{
    struct vendor_licence l;
    const char *code = in->service_code ? in->service_code : "-";
    const char *name = in->file_name ? in->file_name : "-";
    enum rc rc = db_customer_find(r->db, code, r->a, c, err);
    if (rc == RC_OK)
        rc = db_vlicence_find(r->db, name, r->a, &l, err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    return vendor_cancel_check(rc == RC_OK ? c : NULL, code, rc == RC_OK ? &l : NULL, err);
}

static enum rc run_cancel(struct request *r, struct err *err)
{
    const struct cancel_in *in = r->in;
    struct vendor_customer c;
    int64_t on, job = 0;
    TRY(desk_day(r, in->on, "on", &on, err));
    TRY(cancel_proof(r, in, &c, err));
    r_subject(r, "customer", c.id);
    CHECK(on <= jst_day(r->now), err, RC_INPUT, BLAME_INPUT,
          MSG("vendor.future_cancel", "a cancellation is not accepted in the future",
              "受付日に未来の日付は指定できません"));
    c.state = "cancelled";
    c.ends_on = cancellation_end(on);
    c.updated = r->now;
    TRY(db_customer_update(r->db, &c, err));
    TRY(NOTE(r, "customer.cancelled", c.id, 0, err, {"accepted_day", NULL, on},
             {"last_day", NULL, c.ends_on}, {"file_name", in->file_name, 0}));
    TRY(desk_mail(r, &c, "cancelled", 0, &job, err));
    jw_object(&r->w);
    jw_ki64(&r->w, "customer", c.id);
    jw_kstr(&r->w, "name", c.name);
    view_day(&r->w, "accepted_on", on);
    view_day(&r->w, "ends_on", c.ends_on);
    jw_kbool(&r->w, "mailed", job != 0);
    jw_end_object(&r->w);
    return RC_OK;
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"vendor.order.list", "GET", "/vendor/orders", PERM(PERM_ADMIN), ROUTE_READ, run_list,
     .answer = "page DeskOrder", .query = "customer after limit",
     .summary = {"List the orders", "注文を一覧する"}},
    {"vendor.order.add", "POST", "/vendor/orders", PERM(PERM_ADMIN), ROUTE_WRITE, run_add,
     .answer = "201 DeskOrder", .summary = {"Take an order", "注文を登録する"},
     BODY(order_fields, struct order_in)},
    {"vendor.order.show", "GET", "/vendor/orders/{id}", PERM(PERM_ADMIN), ROUTE_READ, run_show,
     .answer = "DeskOrder", .summary = {"One order", "注文を表示する"}},
    {"vendor.order.accept", "POST", "/vendor/orders/{id}/accept", PERM(PERM_ADMIN), ROUTE_WRITE,
     run_accept, .answer = "DeskOrder", .summary = {"Accept an order", "注文を受け付ける"}},
    {"vendor.renew", "POST", "/vendor/renewals", PERM(PERM_ADMIN), ROUTE_WRITE, run_renew,
     .answer = "DeskRenewals",
     .summary = {"The April renewal run, a hundred at a time", "4月の更新ライセンスを発行する"}},
    {"vendor.cancel", "POST", "/vendor/cancellations", PERM(PERM_ADMIN), ROUTE_WRITE, run_cancel,
     .answer = "DeskCancelled", .summary = {"Accept a cancellation", "解約を受け付ける"},
     BODY(cancel_fields, struct cancel_in)},
};
ROUTE_SET(routes_vendor_order, rows);
