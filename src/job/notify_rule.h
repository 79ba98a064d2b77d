/*
 * How the people of a group are told: the notification settings of a user group, as a field table.
 * Empty recipients: the group has none of its own, the installation's channels tell theirs.
 */
#ifndef INRO_JOB_NOTIFY_RULE_H
#define INRO_JOB_NOTIFY_RULE_H

#include "codec/schema.h"
#include "store/repo.h"

enum { NOTIFY_DAYS_MAX = 16 };

struct notify_rule {
    struct str_list recipients; /* mail addresses */
    struct str_list days;       /* before the end of a certificate: "30", "14" ... */
    struct str_list events;     /* "deploy.failed", or "deploy" for all of them; none = all */
    const char *lang;           /* "ja", "en" */
};
extern const struct field notify_rule_fields[];

/* What the table cannot say: addresses, known events, days as numbers. */
MUST enum rc notify_rule_check(const struct notify_rule *rule, struct err *err);
bool notify_rule_wants(const struct notify_rule *rule, const char *event);
/* Ascending; the installation's 1, 7, 14, 30 when the rule has none. */
size_t notify_rule_days(const struct notify_rule *rule, int64_t ret[NOTIFY_DAYS_MAX]);
/* A version in service; renew_at 0: nothing renews it. */
struct expiry {
    int64_t not_before, not_after, renew_at;
};
/* The level it is told at, at that moment: the least that is not below what is left; 0 = none. One
 * that renews itself in time says nothing before a quarter of its life is left. levels ascend. */
int64_t notify_level(const int64_t *levels, size_t n, const struct expiry *e, int64_t at);

struct preview_item {
    int64_t at;
    const char *event, *subject;
    int64_t days, not_after; /* of cert.expiring; else 0 */
};
struct preview_list {
    struct preview_item *v; /* newest first */
    size_t n;
    bool more; /* there was too much to look at all of it */
};
/* What the rule would have sent between the two moments about what the group owns. */
MUST enum rc notify_preview(struct db *db, int64_t group, const struct notify_rule *rule,
                            int64_t since, int64_t now, struct arena *a, struct preview_list *ret,
                            struct err *err);
/* The text of a group's settings -> rule; NULL or damaged text is a rule without anything. */
void notify_rule_read(const char *text, struct arena *a, struct notify_rule *ret);
/* The events people can be told of, in order; NULL after the last. */
const char *notice_event_at(size_t i);

#endif
