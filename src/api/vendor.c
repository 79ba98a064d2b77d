/*
 * The vendor's desk: opening it, its key, its customers. Invariants: the vendor's private key is in
 * the vault only; everything the desk does is in its ledger, in the same transaction.
 */
#include <string.h>

#include "api/vendor_priv.h"
#include "base/rand.h"

enum rc desk_key(struct request *r, struct vendor_key *ret, struct err *err)
{
    enum rc rc = db_vendor_key_current(r->db, r->a, ret, err);
    if (rc != RC_NOT_FOUND)
        return rc;
    return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                MSG("vendor.closed", "the vendor's desk is not open yet; see inro vendor init",
                    "ベンダー機能はまだ初期化されていません。inro vendor init を実行してください"));
}

enum rc desk_customer(struct request *r, const char *ref, struct vendor_customer *ret,
                      struct err *err)
{
    int64_t id;
    /* a service code is digits as well, and longer than any number of ours */
    bool number = text_is_id(ref, &id) && strlen(ref) < 12;
    enum rc rc = number ? db_customer_get(r->db, id, r->a, ret, err)
                        : db_customer_find(r->db, ref, r->a, ret, err);
    if (rc == RC_OK)
        r_subject(r, "customer", ret->id);
    if (rc != RC_NOT_FOUND)
        return rc;
    return FAIL(
        err, RC_NOT_FOUND, BLAME_INPUT,
        MSG("vendor.no_customer", "there is no customer {0}", "{0} という顧客は登録されていません"),
        ref);
}

enum rc desk_page(struct request *r, struct vendor_customer *ret, int64_t *ret_after,
                  int64_t *ret_limit, struct err *err)
{
    const char *customer = r_query(r, "customer");
    if (customer)
        TRY(desk_customer(r, customer, ret, err));
    return r_page(r, ret_after, ret_limit, err);
}

enum rc desk_day(struct request *r, const char *text, const char *field, int64_t *ret,
                 struct err *err)
{
    *ret = jst_day(r->now);
    if (!text || day_parse(text, ret))
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("vendor.day", "\"{0}\" is not a date; write it as 2026-11-24",
                          "「{0}」は日付ではありません。2026-11-24 の形で指定してください"),
                      text);
    err_field(err, field);
    return rc;
}

void view_day(struct json_writer *w, const char *key, int64_t day)
{
    char text[16];
    day_text(day, text);
    jw_kstr(w, key, day ? text : NULL);
}

enum rc desk_note(struct request *r, const char *event, int64_t customer, int64_t order,
                  const struct desk_fact *facts, size_t n, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    for (size_t i = 0; i < n; i++) {
        if (facts[i].text)
            jw_kstr(&w, facts[i].name, facts[i].text);
        else
            jw_ki64(&w, facts[i].name, facts[i].number);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    struct vendor_entry e = {.at = r->now,
                             .actor = r->actor,
                             .event = event,
                             .customer_id = customer,
                             .order_id = order,
                             .detail = arena_str(r->a, buf_str(&b))};
    if (!e.detail)
        return NOMEM(err);
    r->detail = e.detail;
    return db_entry_add(r->db, &e, err);
}

/* ---- opening the desk ---- */

struct init_in {
    const char *name, *url, *key_pem;
};
static const struct field init_fields[] = {
    FIELD_STR(struct init_in, name, .flags = FIELD_REQUIRED, .max = 128,
              .label = {"Vendor", "ベンダー名"}),
    FIELD_URL(
        struct init_in, url, .max = 256, .label = {"Address of the desk", "公開URL"},
        .help = {"Where customers reach this server; without it no mails with links are sent.",
                 "顧客がこのサーバーに接続するURLです。未設定の場合、リンク付きメールは送信"
                 "しません。"},
        .example = "https://desk.example.jp"),
    FIELD_TEXT(struct init_in, key_pem, .max = 16384,
               .label = {"Existing Ed25519 key (PEM)", "既存のEd25519鍵（PEM）"}),
    FIELD_END};

/* An installation that nobody sells to is its own customer: it trusts its own desk. */
static enum rc trust_own(struct request *r, const struct licence_key *k, bool *ret, struct err *err)
{
    const struct licence_key *keys;
    size_t n;
    TRY(licence_trusted(r->db, r->a, &keys, &n, err));
    *ret = n == 0;
    for (size_t i = 0; i < n; i++)
        *ret = *ret || strcmp(keys[i].id, k->id) == 0;
    return n == 0 ? licence_trust(r->db, k, "desk", r->now, err) : RC_OK;
}

static enum rc view_desk(struct request *r, struct err *err)
{
    struct vendor_key k = {0};
    struct err none;
    const char *name, *url;
    struct json_writer *w = &r->w;
    enum rc rc = db_vendor_key_current(r->db, r->a, &k, &none);
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        *err = none;
        return rc;
    }
    TRY(db_meta_get(r->db, "vendor_name", r->a, &name, err));
    TRY(db_meta_get(r->db, "vendor_url", r->a, &url, err));
    jw_object(w);
    jw_kbool(w, "open", rc == RC_OK);
    jw_kstr(w, "name", name);
    jw_kstr(w, "url", url);
    jw_kstr(w, "key_id", k.key_id);
    jw_kstr(w, "public_key", k.pub);
    view_day(w, "today", jst_day(r->now));
    jw_kbool(w, "renewal_offered", renewal_offered(jst_day(r->now)));
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_desk(struct request *r, struct err *err)
{
    return view_desk(r, err);
}

static enum rc run_init(struct request *r, struct err *err)
{
    const struct init_in *in = r->in;
    struct vendor_key k = {.state = "current", .created = r->now};
    struct licence_key pub;
    struct err none;
    bool own = false;
    r->subject = "vendor";
    CHECK(db_vendor_key_current(r->db, r->a, &k, &none) == RC_NOT_FOUND, err, RC_EXISTS,
          BLAME_INPUT,
          MSG("vendor.open", "the vendor's desk is open already, with the key {0}",
              "ベンダー機能は初期化済みです（鍵 {0}）"),
          k.key_id);
    TRY(desk_make_key(r, in->key_pem, &k, &pub, err));
    TRY(db_meta_set(r->db, "vendor_name", in->name, err));
    if (in->url)
        TRY(db_meta_set(r->db, "vendor_url", in->url, err));
    TRY(trust_own(r, &pub, &own, err));
    TRY(NOTE(r, "desk.opened", 0, 0, err, {"name", in->name, 0}, {"key_id", pub.id, 0},
             {"own_customer", NULL, own}));
    r->status = 201;
    return view_desk(r, err);
}

struct change_in {
    const char *name, *url;
};
static const struct field change_fields[] = {
    FIELD_STR(struct change_in, name, .max = 128, .label = {"Vendor", "ベンダー名"}),
    FIELD_URL(struct change_in, url, .max = 256, .label = {"Address of the desk", "公開URL"}),
    FIELD_END};

static enum rc run_change(struct request *r, struct err *err)
{
    const struct change_in *in = r->in;
    struct vendor_key k;
    r->subject = "vendor";
    TRY(desk_key(r, &k, err));
    if (in->name)
        TRY(db_meta_set(r->db, "vendor_name", in->name, err));
    if (in->url)
        TRY(db_meta_set(r->db, "vendor_url", in->url, err));
    TRY(NOTE(r, "desk.changed", 0, 0, err, {"name", in->name ? in->name : "", 0},
             {"url", in->url ? in->url : "", 0}));
    return view_desk(r, err);
}

/* ---- customers ---- */

struct customer_in {
    const char *name, *mail, *lang, *installation;
    int64_t revision;
};
static const struct field_choice langs[] = {
    {"ja", {"Japanese", "日本語"}}, {"en", {"English", "英語"}}, {NULL, {NULL, NULL}}};
#define CUSTOMER_FIELDS(flags_)                                                                    \
    FIELD_STR(struct customer_in, name, .flags = (flags_), .max = 200,                             \
              .label = {"Customer (licensee)", "顧客名（使用許諾先）"}),                           \
        FIELD_STR(struct customer_in, mail, .flags = (flags_), .max = 254,                         \
                  .label = {"Mail address", "メールアドレス"}),                                    \
        FIELD_ENUM(struct customer_in, lang, .choices = langs, .label = {"Language", "言語"}),     \
        FIELD_STR(struct customer_in, installation, .max = 64,                                     \
                  .label = {"Installation ID", "インストールID"},                                  \
                  .help = {"Shown by inro licence show at the customer's.",                        \
                           "顧客側の inro licence show で確認できます。"}),                        \
        FIELD_INT(struct customer_in, revision, .min = 1, .max = INT64_MAX,                        \
                  .label = {"Revision", "版数"})
static const struct field customer_fields[] = {CUSTOMER_FIELDS(FIELD_REQUIRED), FIELD_END};
static const struct field customer_patch[] = {CUSTOMER_FIELDS(0), FIELD_END};

static enum rc fault(struct err *err, const char *field, const char *text)
{
    enum rc rc = FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("vendor.value", "\"{0}\" cannot stand for {1}", "「{0}」は {1} として正しくありません"),
        text, field);
    err_field(err, field);
    return rc;
}

static bool line_ok(const char *s)
{
    struct str t = str_from(s);
    bool good = t.n > 0 && str_is_utf8(t) && str_trim(t).n == t.n;
    for (size_t i = 0; i < t.n; i++)
        good = good && (unsigned char)t.p[i] >= 0x20 && t.p[i] != 0x7f;
    return good;
}

static bool mail_ok(const char *s)
{
    const char *at = strchr(s, '@');
    return at && at != s && host_is_valid(at + 1) && strpbrk(s, " \t\r\n<>,;:\"\\()[]") == NULL &&
           line_ok(s);
}

static enum rc customer_check(const struct customer_in *in, struct err *err)
{
    if (in->name)
        TRY(name_check(in->name, err));
    if (in->mail && !mail_ok(in->mail))
        return fault(err, "mail", in->mail);
    if (in->installation &&
        (strlen(in->installation) != 32 || strspn(in->installation, "0123456789abcdef") != 32))
        return fault(err, "installation", in->installation);
    return RC_OK;
}

static void view_customer(struct request *r, const struct vendor_customer *c)
{
    struct json_writer *w = &r->w;
    jw_object(w);
    jw_ki64(w, "id", c->id);
    jw_kstr(w, "service_code", c->service_code);
    jw_kstr(w, "name", c->name);
    jw_kstr(w, "mail", c->mail);
    jw_kstr(w, "lang", c->lang);
    jw_kstr(w, "installation", c->installation);
    jw_kstr(w, "state", c->state);
    view_day(w, "ends_on", c->ends_on);
    jw_ktime(w, "created", c->created);
    jw_ktime(w, "updated", c->updated);
    jw_ki64(w, "revision", c->revision);
    jw_end_object(w);
}

/* Twelve digits that say nothing about how many customers there are. */
static enum rc new_service_code(struct request *r, const char **ret, struct err *err)
{
    for (int tries = 0; tries < 16; tries++) {
        struct vendor_customer other;
        struct err none;
        const char *code = arena_printf(
            r->a, "%012llu", (unsigned long long)(100000000000 + rand_below(900000000000)));
        if (!code)
            return NOMEM(err);
        if (db_customer_find(r->db, code, r->a, &other, &none) == RC_NOT_FOUND) {
            *ret = code;
            return RC_OK;
        }
    }
    return FAIL(err, RC_BUSY, BLAME_US,
                MSG("vendor.codes", "no free service code was found; try again",
                    "空いているサービスコードが見つかりません。もう一度お試しください"));
}

static enum rc run_customer_add(struct request *r, struct err *err)
{
    const struct customer_in *in = r->in;
    struct vendor_key k;
    struct vendor_customer c = {.name = in->name,
                                .mail = in->mail,
                                .lang = in->lang ? in->lang : "ja",
                                .installation = in->installation,
                                .state = "active",
                                .created = r->now,
                                .updated = r->now,
                                .revision = 1};
    TRY(desk_key(r, &k, err));
    TRY(customer_check(in, err));
    TRY(new_service_code(r, &c.service_code, err));
    TRY(db_customer_add(r->db, &c, err));
    r_subject(r, "customer", c.id);
    TRY(NOTE(r, "customer.added", c.id, 0, err, {"name", c.name, 0},
             {"service_code", c.service_code, 0},
             {"installation", c.installation ? c.installation : "", 0}));
    r->status = 201;
    view_customer(r, &c);
    return RC_OK;
}

static enum rc run_customer_change(struct request *r, struct err *err)
{
    const struct customer_in *in = r->in;
    struct vendor_customer c;
    TRY(desk_customer(r, r->params[0], &c, err));
    TRY(check_revision(r, in->revision, c.revision, err));
    TRY(customer_check(in, err));
    c.name = in->name ? in->name : c.name;
    c.mail = in->mail ? in->mail : c.mail;
    c.lang = in->lang ? in->lang : c.lang;
    c.installation = in->installation ? in->installation : c.installation;
    c.updated = r->now;
    TRY(db_customer_update(r->db, &c, err));
    TRY(NOTE(r, "customer.changed", c.id, 0, err, {"name", c.name, 0},
             {"installation", c.installation ? c.installation : "", 0}));
    TRY(db_customer_get(r->db, c.id, r->a, &c, err));
    view_customer(r, &c);
    return RC_OK;
}

static enum rc run_customer_list(struct request *r, struct err *err)
{
    struct vendor_customer_list l;
    int64_t after, limit;
    TRY(r_page(r, &after, &limit, err));
    TRY(db_customer_list(r->db, after, (int)limit, r->a, &l, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++)
        view_customer(r, &l.v[i]);
    view_page_end(&r->w, l.n == (size_t)limit ? l.v[l.n - 1].id : 0);
    return RC_OK;
}

static enum rc run_customer(struct request *r, struct err *err)
{
    struct vendor_customer c;
    TRY(desk_customer(r, r->params[0], &c, err));
    view_customer(r, &c);
    return RC_OK;
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"vendor.show", "GET", "/vendor", PERM(PERM_ADMIN), ROUTE_READ, run_desk, .answer = "Desk",
     .summary = {"The vendor's desk", "ベンダー機能の状態を表示する"}},
    {"vendor.init", "POST", "/vendor", PERM(PERM_ADMIN), ROUTE_WRITE, run_init,
     .answer = "201 Desk",
     .summary = {"Open the vendor's desk: make or take its key", "ベンダー機能を初期化する"},
     BODY(init_fields, struct init_in)},
    {"vendor.change", "PATCH", "/vendor", PERM(PERM_ADMIN), ROUTE_WRITE, run_change,
     .answer = "Desk",
     .summary = {"Change the desk's name or address", "ベンダー名や公開URLを変更する"},
     BODY(change_fields, struct change_in)},
    {"vendor.customer.list", "GET", "/vendor/customers", PERM(PERM_ADMIN), ROUTE_READ,
     run_customer_list, .answer = "page DeskCustomer", .query = "after limit",
     .summary = {"List the customers", "顧客を一覧する"}},
    {"vendor.customer.add", "POST", "/vendor/customers", PERM(PERM_ADMIN), ROUTE_WRITE,
     run_customer_add, .answer = "201 DeskCustomer",
     .summary = {"Register a customer", "顧客を登録する"},
     BODY(customer_fields, struct customer_in)},
    {"vendor.customer.show", "GET", "/vendor/customers/{id}", PERM(PERM_ADMIN), ROUTE_READ,
     run_customer, .answer = "DeskCustomer", .summary = {"One customer", "顧客を表示する"}},
    {"vendor.customer.change", "PATCH", "/vendor/customers/{id}", PERM(PERM_ADMIN), ROUTE_WRITE,
     run_customer_change, .answer = "DeskCustomer",
     .summary = {"Change a customer", "顧客情報を変更する"},
     BODY(customer_patch, struct customer_in)},
};
ROUTE_SET(routes_vendor, rows);
