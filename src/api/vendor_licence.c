/*
 * Issuing licences and sharing them. Invariants: a licence is what the customer's accepted orders
 * add up to, signed by the vault; a share link's token is given once and kept as a hash.
 */
#include <string.h>

#include "api/vendor_priv.h"
#include "base/base64.h"
#include "base/rand.h"
#include "crypto/digest.h"
#include "job/vendor_mail.h"

void view_vlicence(struct json_writer *w, const struct vendor_licence *l, bool with_file)
{
    jw_object(w);
    jw_ki64(w, "id", l->id);
    jw_ki64(w, "serial", l->id);
    jw_ki64(w, "customer", l->customer_id);
    jw_ki64(w, "order", l->order_id);
    jw_kstr(w, "plan", l->plan);
    jw_ki64(w, "certificates", l->certificates);
    jw_ki64(w, "targets", l->targets);
    view_day(w, "begins_on", jst_day(l->begins));
    view_day(w, "ends_on", jst_day(l->ends - 1));
    jw_kstr(w, "installation", l->installation);
    jw_kstr(w, "key_id", l->key_id);
    jw_kstr(w, "file_name", l->file_name);
    if (with_file)
        jw_kstr(w, "file", l->file);
    jw_ktime(w, "created", l->created);
    jw_end_object(w);
}

static enum rc counters(struct request *r, int64_t customer, int64_t first_day,
                        struct vendor_licence *l, struct err *err)
{
    struct vendor_has has;
    TRY(db_vorder_totals(r->db, customer, first_day, &has, err));
    CHECK(has.basics > 0 || has.meets, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.nothing", "nothing the customer ordered was accepted yet",
              "この顧客の受付済みの注文がありません"));
    if (has.basics > 0)
        plan_of(has.basics, has.servers, &l->plan, &l->certificates, &l->targets);
    else {
        l->plan = PLAN_MEETS;
        l->certificates = MEETS_CERTIFICATES;
        l->targets = MEETS_TARGETS;
    }
    return RC_OK;
}

static enum rc sign(struct request *r, const struct vendor_key *k, const struct vendor_customer *c,
                    struct vendor_licence *l, struct err *err)
{
    AUTO(buf) struct buf body = BUF(LICENCE_MAX_BYTES);
    struct licence says = {.serial = l->id,
                           .service_code = c->service_code,
                           .licensee = c->name,
                           .plan = l->plan,
                           .certificates = l->certificates,
                           .targets = l->targets,
                           .begins = l->begins,
                           .ends = l->ends,
                           .installation = l->installation,
                           .issued = r->now / USEC_PER_SEC * USEC_PER_SEC,
                           .key_id = k->key_id};
    TRY(desk_revokes(r, &says, err));
    TRY(licence_body(&says, &body, err));
    TRY(desk_sign(r, k, buf_str(&body), &l->file, err));
    l->file_name = arena_printf(r->a, "inro-%s-%06lld.lic", c->service_code, (long long)l->id);
    return l->file_name ? RC_OK : NOMEM(err);
}

enum rc desk_issue(struct request *r, const struct vendor_customer *c, int64_t order,
                   int64_t first_day, int64_t last_day, struct vendor_licence *ret, struct err *err)
{
    struct vendor_key k;
    TRY(desk_key(r, &k, err));
    CHECK(c->installation, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.no_installation",
              "the installation ID of {0} is not known: ask for what inro licence show prints "
              "there, and register it",
              "{0} のインストールIDが未登録です。顧客側の inro licence show で確認してもらい、登録"
              "してください"),
          c->name);
    struct vendor_licence l = {.customer_id = c->id,
                               .order_id = order,
                               .begins = jst_midnight(first_day),
                               .ends = jst_midnight(last_day + 1),
                               .installation = c->installation,
                               .key_id = k.key_id,
                               .created = r->now};
    TRY(counters(r, c->id, first_day, &l, err));
    TRY(db_vlicence_add(r->db, &l, err)); /* its number is the serial that is signed */
    TRY(sign(r, &k, c, &l, err));
    TRY(db_vlicence_set_file(r->db, &l, err));
    *ret = l;
    return RC_OK;
}

/* ---- routes ---- */

struct issue_in {
    int64_t order;
    const char *customer;
};
static const struct field issue_fields[] = {
    FIELD_INT(struct issue_in, order, .min = 1, .max = INT64_MAX, .label = {"Order", "注文"}),
    FIELD_STR(struct issue_in, customer, .max = 200,
              .label = {"Customer (issue again)", "顧客（再発行）"},
              .help = {"The newest licence again, for the installation registered now.",
                       "現在登録されているインストールID用に、最新のライセンスを再発行します。"}),
    FIELD_END};

static enum rc issue_order(struct request *r, int64_t id, struct vendor_customer *c,
                           struct vendor_licence *l, struct err *err)
{
    struct vendor_order o;
    int64_t first;
    TRY(db_vorder_get(r->db, id, r->a, &o, err));
    TRY(db_customer_get(r->db, o.customer_id, r->a, c, err));
    TRY(db_vorder_first(r->db, c->id, &first, err));
    CHECK(strcmp(o.state, "accepted") == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.state",
              "order {0} is {1}; a licence is issued once, for an order that was accepted",
              "注文 {0} の状態は {1} です。ライセンスは受付済みの注文に対して 1 度だけ発行します"),
          NUM(o.id), o.state);
    CHECK(first == o.id, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.in_order",
              "issue order {0} first: the newest licence of a customer replaces the others",
              "先に注文 {0} "
              "のライセンスを発行してください。後から発行したものが有効になるため、順番に"
              "発行します"),
          NUM(first));
    TRY(desk_issue(r, c, o.id, o.begins_on, o.ends_on, l, err));
    o.state = "issued";
    o.licence_id = l->id;
    o.updated = r->now;
    TRY(db_vorder_update(r->db, &o, err));
    return NOTE(r, "licence.issued", c->id, o.id, err, {"serial", NULL, l->id},
                {"file_name", l->file_name, 0}, {"plan", l->plan, 0},
                {"certificates", NULL, l->certificates}, {"targets", NULL, l->targets},
                {"last_day", NULL, o.ends_on});
}

static enum rc issue_again(struct request *r, const char *ref, struct vendor_customer *c,
                           struct vendor_licence *l, struct err *err)
{
    struct vendor_licence before;
    TRY(desk_customer(r, ref, c, err));
    TRY(db_vlicence_newest(r->db, c->id, r->a, &before, err));
    CHECK(strcmp(c->state, "active") == 0 && before.ends > r->now, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.over", "the licence of {0} is over; nothing is issued again",
              "{0} のライセンスは終了しているため、再発行できません"),
          c->name);
    TRY(desk_issue(r, c, before.order_id, jst_day(before.begins), jst_day(before.ends - 1), l,
                   err));
    return NOTE(r, "licence.reissued", c->id, before.order_id, err, {"serial", NULL, l->id},
                {"file_name", l->file_name, 0}, {"replaces", NULL, before.id},
                {"installation", l->installation, 0});
}

static enum rc run_issue(struct request *r, struct err *err)
{
    const struct issue_in *in = r->in;
    struct vendor_customer c;
    struct vendor_licence l;
    int64_t job = 0;
    CHECK((in->order != 0) != (in->customer != NULL), err, RC_INPUT, BLAME_INPUT,
          MSG("vendor.issue_what", "name an order, or a customer to issue again for",
              "注文、または再発行する顧客のどちらかを指定してください"));
    TRY(in->order ? issue_order(r, in->order, &c, &l, err)
                  : issue_again(r, in->customer, &c, &l, err));
    r_subject(r, "vendor_licence", l.id);
    TRY(desk_mail(r, &c, "issued", l.order_id, &job, err));
    r->status = 201;
    jw_object(&r->w);
    jw_key(&r->w, "licence");
    view_vlicence(&r->w, &l, true);
    jw_kbool(&r->w, "mailed", job != 0);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct vendor_licence_list l;
    struct vendor_customer c = {0};
    int64_t after, limit;
    TRY(desk_page(r, &c, &after, &limit, err));
    TRY(db_vlicence_list(r->db, c.id, after, (int)limit, r->a, &l, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++)
        view_vlicence(&r->w, &l.v[i], false);
    view_page_end(&r->w, l.n == (size_t)limit ? l.v[l.n - 1].id : 0);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct vendor_licence l;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    TRY(db_vlicence_get(r->db, id, r->a, &l, err));
    view_vlicence(&r->w, &l, true);
    return RC_OK;
}

/* ---- share links ---- */

enum rc desk_share(struct request *r, int64_t customer, int64_t days, int64_t *ret_id,
                   const char **ret_path, struct err *err)
{
    unsigned char raw[TOKEN_BYTES];
    char hash[65];
    AUTO(buf) struct buf token = BUF_SECRET(128);
    rand_bytes(raw, sizeof raw);
    base64url_add(&token, raw, sizeof raw);
    TRY(buf_ok(&token, err));
    sha256_hex(buf_str(&token), hash);
    struct vendor_share s = {.customer_id = customer,
                             .token_hash = hash,
                             .expires = r->now + days * USEC_PER_DAY,
                             .created = r->now};
    TRY(db_share_add(r->db, &s, err));
    *ret_id = s.id;
    *ret_path = arena_printf(r->a, "/share/%s/", buf_cstr(&token));
    return *ret_path ? RC_OK : NOMEM(err);
}

enum rc desk_mail(struct request *r, const struct vendor_customer *c, const char *what,
                  int64_t order, int64_t *ret_job, struct err *err)
{
    struct connector_list l;
    const char *url;
    *ret_job = 0;
    TRY(db_meta_get(r->db, "vendor_url", r->a, &url, err));
    TRY(db_connector_list(r->db, "notifier", 0, 1000, r->a, &l, err));
    for (size_t i = 0; i < l.n && url && *ret_job == 0; i++) {
        struct vendor_mail m = {l.v[i].id, c->id, order, 0, what};
        const char *path;
        if (strcmp(l.v[i].type, "smtp") != 0)
            continue;
        if (strcmp(what, "issued") == 0 || strcmp(what, "renewal") == 0)
            TRY(desk_share(r, c->id, SHARE_DAYS, &m.share, &path, err));
        TRY(job_request_vendor_mail(r->db, &m, r->now, ret_job, err));
        r->wake = true;
    }
    return RC_OK;
}

struct share_in {
    const char *customer;
    int64_t days;
};
static const struct field share_fields[] = {
    FIELD_STR(struct share_in, customer, .flags = FIELD_REQUIRED, .max = 200,
              .label = {"Customer", "顧客"}),
    FIELD_INT(struct share_in, days, .min = 1, .max = 90, .dflt = "14",
              .label = {"Valid for days", "有効日数"}),
    FIELD_END};

static void view_share(struct request *r, const struct vendor_share *s)
{
    struct json_writer *w = &r->w;
    jw_ki64(w, "id", s->id);
    jw_ki64(w, "customer", s->customer_id);
    jw_ktime(w, "expires", s->expires);
    jw_kbool(w, "expired", s->expires <= r->now);
    jw_ktime(w, "created", s->created);
    jw_ki64(w, "hits", s->hits);
    jw_ktime(w, "last_hit", s->last_hit);
}

static enum rc run_share(struct request *r, struct err *err)
{
    const struct share_in *in = r->in;
    struct vendor_customer c;
    struct vendor_licence l;
    struct vendor_share s;
    const char *path, *url;
    int64_t id;
    TRY(desk_customer(r, in->customer, &c, err));
    TRY(db_vlicence_newest(r->db, c.id, r->a, &l, err));
    TRY(db_meta_get(r->db, "vendor_url", r->a, &url, err));
    TRY(desk_share(r, c.id, in->days, &id, &path, err));
    TRY(db_share_get(r->db, id, r->a, &s, err));
    TRY(NOTE(r, "share.made", c.id, 0, err, {"share", NULL, id}, {"days", NULL, in->days}));
    struct str base = str_from(url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    r->status = 201;
    jw_object(&r->w);
    view_share(r, &s);
    jw_kstr(&r->w, "path", path);
    jw_kstr(&r->w, "link", url ? arena_printf(r->a, "%.*s%s", (int)base.n, base.p, path) : NULL);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_share_list(struct request *r, struct err *err)
{
    struct vendor_share_list l;
    struct vendor_customer c = {0};
    int64_t after, limit;
    TRY(desk_page(r, &c, &after, &limit, err));
    TRY(db_share_list(r->db, c.id, after, (int)limit, r->a, &l, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++) {
        jw_object(&r->w);
        view_share(r, &l.v[i]);
        jw_end_object(&r->w);
    }
    view_page_end(&r->w, l.n == (size_t)limit ? l.v[l.n - 1].id : 0);
    return RC_OK;
}

static enum rc run_share_remove(struct request *r, struct err *err)
{
    struct vendor_share s;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "share", id);
    TRY(db_share_get(r->db, id, r->a, &s, err));
    TRY(db_share_remove(r->db, id, err));
    TRY(NOTE(r, "share.removed", s.customer_id, 0, err, {"share", NULL, id}));
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"vendor.licence.list", "GET", "/vendor/licences", PERM(PERM_ADMIN), ROUTE_READ, run_list,
     .answer = "page DeskLicence", .query = "customer after limit",
     .summary = {"List the licences issued", "発行済みライセンスを一覧する"}},
    {"vendor.licence.issue", "POST", "/vendor/licences", PERM(PERM_ADMIN), ROUTE_WRITE, run_issue,
     .answer = "201 DeskIssued",
     .summary = {"Issue a licence for an accepted order, or again for a customer",
                 "ライセンスを発行・再発行する"},
     BODY(issue_fields, struct issue_in)},
    {"vendor.licence.show", "GET", "/vendor/licences/{id}", PERM(PERM_ADMIN), ROUTE_READ, run_get,
     .answer = "DeskLicenceFile",
     .summary = {"One licence with its file", "ライセンスとファイルを表示する"}},
    {"vendor.share.list", "GET", "/vendor/shares", PERM(PERM_ADMIN), ROUTE_READ, run_share_list,
     .answer = "page DeskShare", .query = "customer after limit",
     .summary = {"List the share links", "共有リンクを一覧する"}},
    {"vendor.share.add", "POST", "/vendor/shares", PERM(PERM_ADMIN), ROUTE_WRITE, run_share,
     .answer = "201 DeskShareLink",
     .summary = {"Make a share link; it is shown once", "共有リンクを作成する（一度だけ表示）"},
     BODY(share_fields, struct share_in)},
    {"vendor.share.remove", "DELETE", "/vendor/shares/{id}", PERM(PERM_ADMIN), ROUTE_WRITE,
     run_share_remove, .answer = "Done", .summary = {"End a share link", "共有リンクを無効にする"}},
};
ROUTE_SET(routes_vendor_licence, rows);
