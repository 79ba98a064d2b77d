/*
 * How the people of a group are told: the notification settings of a user group, as a field table.
 * Empty recipients: the group has none of its own, the installation's channels tell theirs.
 */
#ifndef INRO_JOB_NOTIFY_RULE_H
#define INRO_JOB_NOTIFY_RULE_H

#include "codec/schema.h"

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
/* The text of a group's settings -> rule; NULL or damaged text is a rule without anything. */
void notify_rule_read(const char *text, struct arena *a, struct notify_rule *ret);
/* The events people can be told of, in order; NULL after the last. */
const char *notice_event_at(size_t i);

#endif
