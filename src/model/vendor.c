/* The vendor's rules. Invariant: facts in, decision out; what a customer has comes as a fact. */
#include "model/vendor.h"

#include <string.h>

#include "crypto/licence.h"
#include "model/calendar.h"

enum { COUNT_MAX = 1000000 };

void vendor_order_terms(struct vendor_order *o)
{
    bool renewal = strcmp(o->kind, "renewal") == 0;
    o->accept_on = renewal ? o->ordered_on : order_accepted(o->ordered_on);
    o->share_due = share_due(o->accept_on);
    o->starts_on = renewal ? month_first(o->ordered_on, 0) : order_start_month(o->ordered_on);
    o->begins_on = renewal ? o->ordered_on : order_begins(o->ordered_on);
    o->ends_on = renewal ? renewal_end(o->ordered_on) : first_licence_end(o->ordered_on);
}

static bool is(const struct vendor_order *o, const char *kind)
{
    return strcmp(o->kind, kind) == 0;
}

static enum rc check_counts(const struct vendor_order *o, struct err *err)
{
    int64_t least = is(o, "basic") || is(o, "convert") ? 1 : 0;
    bool good =
        o->basics >= least && o->basics <= COUNT_MAX && o->servers >= 0 && o->servers <= COUNT_MAX;
    if (is(o, "meets"))
        good = o->basics == 0 && o->servers == 0;
    if (is(o, "option"))
        good = good && o->basics + o->servers > 0;
    CHECK(good, err, RC_INPUT, BLAME_INPUT,
          MSG("vendor.count",
              "this order needs another number of basics or servers: ベーシック at least 1, an "
              "option at least one of either, ミーツ none",
              "数量が正しくありません。ベーシックは 1 以上、オプションはいずれか 1 以上、ミーツは"
              "数量なしです"));
    return RC_OK;
}

enum rc vendor_order_check(const struct vendor_order *o, const struct vendor_customer *c,
                           const struct vendor_has *has, struct err *err)
{
    CHECK(strcmp(c->state, "active") == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.cancelled", "{0} has cancelled; register a new customer",
              "{0} は解約済みです。新しい顧客として登録してください"),
          c->name);
    TRY(check_counts(o, err));
    CHECK(!is(o, "meets") || (has->basics == 0 && !has->meets), err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.meets_once", "ミーツ is a trial: once, and before any other plan",
              "ミーツはお試し用です。他のプランの前に 1 度だけ申し込めます"));
    CHECK(!is(o, "basic") || has->basics == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.basic_there", "{0} has ベーシック already; order an option to add to it",
              "{0} はベーシックを契約済みです。追加はオプションで注文してください"),
          c->name);
    CHECK(!is(o, "basic") || !has->meets, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.convert_first", "{0} has ミーツ; change it with convert",
              "{0} はミーツを利用中です。プラン変更（convert）で注文してください"),
          c->name);
    CHECK(!is(o, "option") || has->basics > 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.not_extendable",
              "{0} has no ベーシック to add to; ミーツ cannot be extended: order or convert first",
              "{0} にはベーシック契約がありません。ミーツは拡張できないため、先にベーシックの注文か"
              "プラン変更が必要です"),
          c->name);
    CHECK(!is(o, "convert") || has->meets, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.no_meets", "{0} has no ミーツ to change", "{0} はミーツを利用していません"),
          c->name);
    return RC_OK;
}

enum rc vendor_cancel_check(const struct vendor_customer *c, const char *service_code,
                            const struct vendor_licence *named, struct err *err)
{
    /* One message for all: who guesses does not learn which of the two was right. */
    bool good = c && named && service_code_ok(service_code) &&
                strcmp(c->service_code, service_code) == 0 && named->customer_id == c->id;
    CHECK(good, err, RC_INPUT, BLAME_INPUT,
          MSG("vendor.proof",
              "a cancellation needs the 12-digit service code and the name of the licence file; "
              "they do not belong together",
              "解約には 12 桁のサービスコードとライセンスファイル名が必要です。組み合わせが正しく"
              "ありません"));
    CHECK(strcmp(c->state, "active") == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.cancelled_before", "{0} has cancelled already", "{0} は解約済みです"),
          c->name);
    return RC_OK;
}
