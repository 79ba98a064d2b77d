/*
 * Fees, the monthly statement, the ledger. Invariants: amounts are whole yen without tax; a month
 * is charged from the one an order starts in to the last one of a cancelled contract.
 */
#include <string.h>

#include "api/vendor_priv.h"

static bool asked_ja(const struct request *r)
{
    const char *lang = r_query(r, "lang");
    if (!lang)
        lang = r->lang;
    return !lang || strcmp(lang, "en") != 0;
}

/* "2026-11" -> its first day. */
static enum rc read_month(const char *text, int64_t *ret, struct err *err)
{
    char day[11] = "0000-00-01";
    if (text && strlen(text) == 7) {
        memcpy(day, text, 7);
        if (day_parse(day, ret))
            return RC_OK;
    }
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("vendor.month", "a month is written as 2026-11",
                          "月は 2026-11 の形で指定してください"));
    err_field(err, "month");
    return rc;
}

static const char *month_text(struct request *r, int64_t day)
{
    char text[16];
    day_text(day, text);
    text[7] = '\0';
    return arena_strdup(r->a, text);
}

/* RFC 4180; what a spreadsheet would take for a formula is kept a text. */
static void cell(struct buf *b, const char *s, char end)
{
    buf_addc(b, '"');
    if (s[0] && strchr("=+-@\t", s[0]))
        buf_addc(b, '\'');
    for (; *s; s++) {
        if (*s == '"')
            buf_addc(b, '"');
        buf_addc(b, *s);
    }
    buf_adds(b, end == '\n' ? "\"\r\n" : "\",");
}

static void number(struct buf *b, int64_t v, char end)
{
    buf_addf(b, "%lld%s", (long long)v, end == '\n' ? "\r\n" : ",");
}

static void csv_begin(struct request *r)
{
    r->type = "text/csv; charset=utf-8";
    buf_adds(&r->out, "\xef\xbb\xbf"); /* spreadsheets read UTF-8 by this mark */
}

/* ---- the table of fees ---- */

struct fee_in {
    const char *item, *from;
    int64_t yen;
};
static const struct field_choice items[] = {{"basic", {"Basic", "ベーシック"}},
                                            {"server", {"Server added", "サーバー追加"}},
                                            {NULL, {NULL, NULL}}};
static const struct field fee_fields[] = {
    FIELD_ENUM(struct fee_in, item, .flags = FIELD_REQUIRED, .choices = items,
               .label = {"Item", "項目"}),
    FIELD_STR(struct fee_in, from, .flags = FIELD_REQUIRED, .max = 7,
              .label = {"From the month", "適用開始月"}, .example = "2026-12"),
    FIELD_INT(struct fee_in, yen, .min = 0, .max = 1000000000,
              .label = {"Yen a month, without tax", "月額（税抜・円）"}),
    FIELD_END};

static const char *item_label(const char *item, bool ja)
{
    for (size_t i = 0; items[i].value; i++)
        if (strcmp(items[i].value, item) == 0)
            return ja ? items[i].label.ja : items[i].label.en;
    return item;
}

static enum rc run_fee_set(struct request *r, struct err *err)
{
    const struct fee_in *in = r->in;
    struct vendor_fee f = {.item = in->item, .yen = in->yen};
    r->subject = "vendor";
    CHECK(json_get(r->body, "yen"), err, RC_INPUT, BLAME_INPUT,
          MSG("vendor.yen", "say how many yen a month", "月額を指定してください"));
    TRY(read_month(in->from, &f.from_month, err));
    TRY(db_fee_set(r->db, &f, err));
    TRY(NOTE(r, "fee.set", 0, 0, err, {"item", f.item, 0}, {"from", in->from, 0},
             {"yen", NULL, f.yen}));
    r->status = 201;
    jw_object(&r->w);
    jw_kstr(&r->w, "item", f.item);
    jw_kstr(&r->w, "from", in->from);
    jw_ki64(&r->w, "yen", f.yen);
    jw_end_object(&r->w);
    return RC_OK;
}

static void fees_csv(struct request *r, const struct vendor_fee_list *l)
{
    bool ja = asked_ja(r);
    csv_begin(r);
    cell(&r->out, ja ? "項目" : "item", ',');
    cell(&r->out, ja ? "適用開始月" : "from", ',');
    cell(&r->out, ja ? "月額（税抜・円）" : "yen a month (without tax)", '\n');
    for (size_t i = 0; i < l->n; i++) {
        cell(&r->out, item_label(l->v[i].item, ja), ',');
        cell(&r->out, month_text(r, l->v[i].from_month), ',');
        number(&r->out, l->v[i].yen, '\n');
    }
}

static enum rc run_fees(struct request *r, struct err *err)
{
    struct vendor_fee_list l;
    const char *format = r_query(r, "format");
    TRY(db_fee_list(r->db, r->a, &l, err));
    if (format && strcmp(format, "csv") == 0) {
        fees_csv(r, &l);
        return RC_OK;
    }
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++) {
        jw_object(&r->w);
        jw_kstr(&r->w, "item", l.v[i].item);
        jw_kstr(&r->w, "from", month_text(r, l.v[i].from_month));
        jw_ki64(&r->w, "yen", l.v[i].yen);
        jw_end_object(&r->w);
    }
    view_page_end(&r->w, 0);
    return RC_OK;
}

/* ---- the statement of a month ---- */

struct statement {
    const char *month;
    int64_t yen[2]; /* of a basic, of a server */
    int64_t total;
    bool ja, csv;
};

static void charge(struct request *r, struct statement *s, const struct vendor_sum *c, int item,
                   int64_t count)
{
    const char *word = items[item].value;
    int64_t amount = count * s->yen[item];
    if (count == 0)
        return;
    s->total += amount;
    if (s->csv) {
        cell(&r->out, s->month, ',');
        cell(&r->out, c->service_code, ',');
        cell(&r->out, c->name, ',');
        cell(&r->out, item_label(word, s->ja), ',');
        number(&r->out, count, ',');
        number(&r->out, s->yen[item], ',');
        number(&r->out, amount, '\n');
        return;
    }
    jw_object(&r->w);
    jw_kstr(&r->w, "service_code", c->service_code);
    jw_kstr(&r->w, "name", c->name);
    jw_kstr(&r->w, "item", word);
    jw_ki64(&r->w, "count", count);
    jw_ki64(&r->w, "yen", s->yen[item]);
    jw_ki64(&r->w, "amount", amount);
    jw_end_object(&r->w);
}

static enum rc charges(struct request *r, struct statement *s, int64_t month, struct err *err)
{
    struct vendor_sum_list l;
    int64_t after = 0;
    do {
        TRY(db_vorder_sums(r->db, month, after, 500, r->a, &l, err));
        for (size_t i = 0; i < l.n; i++) {
            charge(r, s, &l.v[i], 0, l.v[i].basics);
            charge(r, s, &l.v[i], 1, l.v[i].servers);
            after = l.v[i].id;
        }
    } while (l.n == 500);
    return RC_OK;
}

static void csv_head(struct request *r, bool ja)
{
    static const struct l10n heads[] = {{"month", "対象月"},
                                        {"service code", "サービスコード"},
                                        {"customer", "顧客名"},
                                        {"item", "項目"},
                                        {"count", "数量"},
                                        {"unit price (yen, without tax)", "単価（税抜・円）"},
                                        {"amount (yen, without tax)", "金額（税抜・円）"}};
    csv_begin(r);
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        cell(&r->out, ja ? heads[i].ja : heads[i].en, i + 1 < COUNT_OF(heads) ? ',' : '\n');
}

static enum rc run_statement(struct request *r, struct err *err)
{
    const char *format = r_query(r, "format");
    struct statement s = {.ja = asked_ja(r), .csv = format && strcmp(format, "csv") == 0};
    int64_t month;
    TRY(read_month(r->params[0], &month, err));
    s.month = r->params[0];
    for (int i = 0; i < 2; i++)
        TRY(db_fee_at(r->db, items[i].value, month, &s.yen[i], err));
    if (s.csv) {
        csv_head(r, s.ja);
        TRY(charges(r, &s, month, err));
        cell(&r->out, s.month, ',');
        buf_adds(&r->out, ",,");
        cell(&r->out, s.ja ? "合計" : "total", ',');
        buf_adds(&r->out, ",,");
        number(&r->out, s.total, '\n');
        return RC_OK;
    }
    jw_object(&r->w);
    jw_kstr(&r->w, "month", s.month);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    TRY(charges(r, &s, month, err));
    jw_end_array(&r->w);
    jw_ki64(&r->w, "total", s.total);
    jw_end_object(&r->w);
    return RC_OK;
}

/* ---- the ledger ---- */

static enum rc run_ledger(struct request *r, struct err *err)
{
    struct vendor_entry_list l;
    struct json_writer *w = &r->w;
    int64_t before, limit;
    TRY(r_query_int(r, "before", 0, INT64_MAX, 0, &before, err));
    TRY(r_query_int(r, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err));
    TRY(db_entry_list(r->db, before, (int)limit, r->a, &l, err));
    jw_object(w);
    jw_key(w, "items");
    jw_array(w);
    for (size_t i = 0; i < l.n; i++) {
        const struct vendor_entry *e = &l.v[i];
        jw_object(w);
        jw_ki64(w, "id", e->id);
        jw_ktime(w, "at", e->at);
        jw_kstr(w, "actor", e->actor);
        jw_kstr(w, "event", e->event);
        jw_ki64(w, "customer", e->customer_id);
        jw_ki64(w, "order", e->order_id);
        view_raw(w, "detail", e->detail);
        jw_kstr(w, "hash", e->hash);
        jw_end_object(w);
    }
    view_page_end(w, l.n == (size_t)limit ? l.v[l.n - 1].id : 0);
    return RC_OK;
}

static enum rc run_verify(struct request *r, struct err *err)
{
    int64_t n = 0;
    TRY(db_entry_verify(r->db, &n, err));
    jw_object(&r->w);
    jw_kbool(&r->w, "whole", true);
    jw_ki64(&r->w, "entries", n);
    jw_end_object(&r->w);
    return RC_OK;
}

static const struct route rows[] = {
    {"vendor.fee.list", "GET", "/vendor/fees", PERM(PERM_ADMIN), ROUTE_READ, run_fees,
     .answer = "page DeskFee, file text/csv", .query = "format@desk lang",
     .summary = {"The table of fees; format=csv", "料金表を表示する（format=csv も可）"}},
    {"vendor.fee.set", "POST", "/vendor/fees", PERM(PERM_ADMIN), ROUTE_WRITE, run_fee_set,
     .answer = "201 DeskFee", .summary = {"Set a fee from a month on", "料金を設定する"},
     .body = fee_fields, .body_size = sizeof(struct fee_in)},
    {"vendor.statement", "GET", "/vendor/statements/{month}", PERM(PERM_ADMIN), ROUTE_READ,
     run_statement, .answer = "DeskStatement, file text/csv", .query = "format@desk lang",
     .summary = {"What is charged in a month; format=csv", "月次の請求明細を作成する"}},
    {"vendor.ledger", "GET", "/vendor/ledger", PERM(PERM_ADMIN), ROUTE_READ, run_ledger,
     .answer = "page DeskEntry", .query = "before limit",
     .summary = {"The ledger, newest first", "台帳を一覧する"}},
    {"vendor.ledger.verify", "POST", "/vendor/ledger/verify", PERM(PERM_ADMIN), ROUTE_READ,
     run_verify, .answer = "DeskProof",
     .summary = {"Prove that the ledger is whole", "台帳の完全性を検証する"}},
};
ROUTE_SET(routes_vendor_money, rows);
