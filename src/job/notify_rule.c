/* A group's notification settings. Invariant: what is stored passed notify_rule_check(). */
#include "job/notify_rule.h"

#include <string.h>

static const struct field_choice langs[] = {
    {"ja", {"Japanese", "日本語"}}, {"en", {"English", "英語"}}, {NULL, {NULL, NULL}}};

#define S struct notify_rule
const struct field notify_rule_fields[] = {
    FIELD_LIST(S, recipients, .max = 50, .label = {"Recipients", "通知先"},
               .help = {"Mail addresses. Empty: the recipients of the notifiers themselves.",
                        "メールアドレス。空欄の場合は通知先設定の宛先に送ります。"},
               .example = "web-team@example.jp"),
    FIELD_LIST(S, days, .max = NOTIFY_DAYS_MAX,
               .label = {"Days before expiry", "期限の何日前に通知するか"},
               .help = {"Numbers from 1 to 398. Empty: 30, 14, 7 and 1.",
                        "1～398 の数値。空欄の場合は 30、14、7、1 日前です。"},
               .example = "60,30,14,7,1"),
    FIELD_LIST(S, events, .max = 50, .label = {"Events", "通知する出来事"},
               .help = {"Empty: all. A name like deploy.failed, or deploy for all of its kind.",
                        "空欄はすべて。deploy.failed のような名前、または deploy のような種類名。"},
               .example = "cert,deploy.failed"),
    FIELD_ENUM(S, lang, .dflt = "ja", .choices = langs, .label = {"Language", "言語"}), FIELD_END};
#undef S

static enum rc fault(struct err *err, const char *field, const struct msg *m, const char *what)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT, m, what);
    err_field(err, field);
    return rc;
}

/* "deploy" covers "deploy.failed". */
static bool covers(const char *item, const char *event)
{
    size_t n = strlen(item);
    return strncmp(item, event, n) == 0 && (event[n] == '\0' || event[n] == '.');
}

static bool event_known(const char *item)
{
    for (size_t i = 0; notice_event_at(i); i++)
        if (covers(item, notice_event_at(i)))
            return true;
    return false;
}

enum rc notify_rule_check(const struct notify_rule *rule, struct err *err)
{
    int64_t n;
    for (size_t i = 0; i < rule->recipients.n; i++)
        if (!mail_is_valid(rule->recipients.v[i]))
            return fault(err, "recipients",
                         MSG("job.recipient", "\"{0}\" is not a mail address",
                             "「{0}」はメールアドレスとして正しくありません"),
                         rule->recipients.v[i]);
    for (size_t i = 0; i < rule->days.n; i++)
        if (!str_to_i64(str_from(rule->days.v[i]), 1, 398, &n))
            return fault(err, "days",
                         MSG("job.days", "\"{0}\" is not a number of days from 1 to 398",
                             "「{0}」は 1～398 の日数ではありません"),
                         rule->days.v[i]);
    for (size_t i = 0; i < rule->events.n; i++)
        if (!event_known(rule->events.v[i]))
            return fault(err, "events",
                         MSG("job.event", "there is no event called \"{0}\"",
                             "「{0}」という出来事はありません"),
                         rule->events.v[i]);
    return RC_OK;
}

bool notify_rule_wants(const struct notify_rule *rule, const char *event)
{
    bool wants = rule->events.n == 0;
    for (size_t i = 0; i < rule->events.n; i++)
        wants = wants || covers(rule->events.v[i], event);
    return wants;
}

size_t notify_rule_days(const struct notify_rule *rule, int64_t ret[NOTIFY_DAYS_MAX])
{
    static const int64_t usual[] = {1, 7, 14, 30};
    size_t n = 0;
    for (size_t i = 0; i < rule->days.n && n < NOTIFY_DAYS_MAX; i++) {
        int64_t d = 0;
        if (!str_to_i64(str_from(rule->days.v[i]), 1, 398, &d))
            continue;
        size_t at = n++;
        for (; at > 0 && ret[at - 1] > d; at--)
            ret[at] = ret[at - 1];
        ret[at] = d;
    }
    if (n == 0) {
        memcpy(ret, usual, sizeof usual);
        n = COUNT_OF(usual);
    }
    return n;
}

int64_t notify_level(const int64_t *levels, size_t n, const struct expiry *e, int64_t at)
{
    int64_t life = e->not_after - e->not_before, most = e->renew_at > at ? life / 4 : life - 1;
    for (size_t i = 0; i < n; i++) {
        int64_t before = levels[i] * USEC_PER_DAY;
        if (e->not_after - at <= before && before <= most)
            return levels[i];
    }
    return 0;
}

void notify_rule_read(const char *text, struct arena *a, struct notify_rule *ret)
{
    struct json *j = NULL;
    struct err none;
    *ret = (struct notify_rule){0};
    if (text && json_parse(str_from(text), &j, &none) == RC_OK &&
        schema_decode(notify_rule_fields, j, NULL, NULL, a, ret, &none) != RC_OK)
        *ret = (struct notify_rule){0};
    json_free(j);
}
