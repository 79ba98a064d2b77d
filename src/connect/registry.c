/*
 * Every connector of this build, from the sorted .def files beside the connectors: each is read
 * twice, for the declarations and for the arrays. Nothing is registered at run time.
 */
#include <string.h>

#include "connect/connect.h"

#define CA(id)        extern const struct ca_ops ca_##id;
#define CHALLENGE(id) extern const struct challenge_ops challenge_##id;
#define DNS(id)       extern const struct dns_ops dns_##id;
#define TARGET(id)    extern const struct target_ops target_##id;
#define NOTIFIER(id)  extern const struct notifier_ops notifier_##id;
#define BACKUP(id)    extern const struct backup_ops backup_##id;
#include "connect/backup/backups.def"
#include "connect/ca/cas.def"
#include "connect/challenge/challenges.def"
#include "connect/dns/dns.def"
#include "connect/notify/notifiers.def"
#include "connect/target/targets.def"
#undef CA
#undef CHALLENGE
#undef DNS
#undef TARGET
#undef NOTIFIER
#undef BACKUP

#define CA(id)        &ca_##id.head,
#define CHALLENGE(id) &challenge_##id.head,
#define DNS(id)       &dns_##id.head,
#define TARGET(id)    &target_##id.head,
#define NOTIFIER(id)  &notifier_##id.head,
#define BACKUP(id)    &backup_##id.head,
static const struct conn_head *const cas[] = {
#include "connect/ca/cas.def"
    NULL};
static const struct conn_head *const challenges[] = {
#include "connect/challenge/challenges.def"
    NULL};
static const struct conn_head *const dns[] = {
#include "connect/dns/dns.def"
    NULL};
static const struct conn_head *const targets[] = {
#include "connect/target/targets.def"
    NULL};
static const struct conn_head *const notifiers[] = {
#include "connect/notify/notifiers.def"
    NULL};

static const struct conn_head *const backups[] = {
#include "connect/backup/backups.def"
    NULL};

struct kind_row {
    const char *name;
    const struct conn_head *const *v;
    size_t n;
    struct l10n title;
};

static const struct kind_row kinds[CONN_KINDS] = {
    [CONN_CA] = {"ca", cas, COUNT_OF(cas) - 1, {"Certificate authorities", "認証局"}},
    [CONN_CHALLENGE] = {"challenge",
                        challenges,
                        COUNT_OF(challenges) - 1,
                        {"Proof of control", "ドメイン所有の証明"}},
    [CONN_DNS] = {"dns", dns, COUNT_OF(dns) - 1, {"DNS providers", "DNSプロバイダー"}},
    [CONN_TARGET] = {"target", targets, COUNT_OF(targets) - 1, {"Deploy targets", "配布先"}},
    [CONN_NOTIFIER] = {"notifier", notifiers, COUNT_OF(notifiers) - 1, {"Notifiers", "通知先"}},
    [CONN_BACKUP] = {"backup", backups, COUNT_OF(backups) - 1, {"Backups", "バックアップ先"}},
};

const char *conn_kind_name(enum conn_kind k)
{
    return k < CONN_KINDS ? kinds[k].name : "unknown";
}

size_t registry_count(enum conn_kind kind)
{
    return kind < CONN_KINDS ? kinds[kind].n : 0;
}

const struct conn_head *registry_at(enum conn_kind kind, size_t i)
{
    return i < registry_count(kind) ? kinds[kind].v[i] : NULL;
}

const struct conn_head *registry_head(enum conn_kind kind, const char *id)
{
    for (size_t i = 0; id && i < registry_count(kind); i++)
        if (strcmp(kinds[kind].v[i]->id, id) == 0)
            return kinds[kind].v[i];
    return NULL;
}

/* The head is the first member of every ops struct. */
const struct ca_ops *ca_find(const char *id)
{
    return (const struct ca_ops *)(const void *)registry_head(CONN_CA, id);
}

const struct challenge_ops *challenge_find(const char *id)
{
    return (const struct challenge_ops *)(const void *)registry_head(CONN_CHALLENGE, id);
}

const struct dns_ops *dns_find(const char *id)
{
    return (const struct dns_ops *)(const void *)registry_head(CONN_DNS, id);
}

const struct target_ops *target_find(const char *id)
{
    return (const struct target_ops *)(const void *)registry_head(CONN_TARGET, id);
}

const struct notifier_ops *notifier_find(const char *id)
{
    return (const struct notifier_ops *)(const void *)registry_head(CONN_NOTIFIER, id);
}

const struct backup_ops *backup_find(const char *id)
{
    return (const struct backup_ops *)(const void *)registry_head(CONN_BACKUP, id);
}

static bool backup_complete(const struct backup_ops *o)
{
    return o->put && o->remove && o->mark;
}

static bool slots_complete(enum conn_kind kind, const struct conn_head *h)
{
    switch (kind) {
    case CONN_CA: {
        const struct ca_ops *o = ca_find(h->id);
        return o->step && (o->revoke || !(h->caps & CA_CAP_REVOKE));
    }
    case CONN_CHALLENGE: {
        const struct challenge_ops *o = challenge_find(h->id);
        return o->proof_type && o->present && o->cleanup;
    }
    case CONN_DNS: {
        const struct dns_ops *o = dns_find(h->id);
        return o->zone_of && o->txt_set && o->txt_clear;
    }
    case CONN_TARGET: {
        const struct target_ops *o = target_find(h->id);
        return o->place_fields && o->place_size && o->plan && o->apply && o->undo && o->endpoints;
    }
    case CONN_NOTIFIER: {
        const struct notifier_ops *o = notifier_find(h->id);
        return o->send && o->lang;
    }
    case CONN_BACKUP:
        return backup_complete(backup_find(h->id));
    default:
        return false;
    }
}

static bool head_complete(const struct conn_head *h)
{
    return h->id && *h->id && h->name.en && h->name.ja && h->about.en && h->about.ja && h->fields &&
           h->settings_size && h->check;
}

static enum rc check_row(enum conn_kind kind, size_t i, struct err *err)
{
    const struct conn_head *h = kinds[kind].v[i];
    const struct msg *m =
        MSG("connect.registry", "connector {0} of kind {1} is declared wrongly: {2}",
            "コネクター {0}（種別 {1}）の宣言に誤りがあります: {2}");
    CHECK(h->id, err, RC_INTERNAL, BLAME_US, m, "?", kinds[kind].name, "id");
    CHECK(head_complete(h), err, RC_INTERNAL, BLAME_US, m, h->id, kinds[kind].name, "head");
    CHECK(i == 0 || strcmp(kinds[kind].v[i - 1]->id, h->id) < 0, err, RC_INTERNAL, BLAME_US, m,
          h->id, kinds[kind].name, "order");
    CHECK(slots_complete(kind, h), err, RC_INTERNAL, BLAME_US, m, h->id, kinds[kind].name, "slots");
    TRY(schema_check(h->id, h->fields, err));
    /* beside a challenge's settings are two members of our own */
    bool own = kind == CONN_CHALLENGE && (schema_field(h->fields, STR("type")) ||
                                          schema_field(h->fields, STR(CHALLENGE_VAULT)));
    CHECK(!own, err, RC_INTERNAL, BLAME_US, m, h->id, kinds[kind].name, "fields");
    if (kind == CONN_TARGET)
        TRY(schema_check(h->id, target_find(h->id)->place_fields, err));
    return RC_OK;
}

enum rc registry_check(struct err *err)
{
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++)
        for (size_t i = 0; i < kinds[k].n; i++)
            TRY(check_row(k, i, err));
    return RC_OK;
}

void registry_markdown(const char *lang, struct buf *out)
{
    bool ja = lang && strcmp(lang, "ja") == 0;
    buf_adds(out, ja ? "# コネクター一覧\n" : "# Connectors\n");
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++) {
        if (kinds[k].n == 0)
            continue;
        buf_addf(out, "\n## %s\n", ja ? kinds[k].title.ja : kinds[k].title.en);
        for (size_t i = 0; i < kinds[k].n; i++) {
            const struct conn_head *h = kinds[k].v[i];
            buf_addf(out, "\n### %s (`%s`)\n\n%s\n\n", ja ? h->name.ja : h->name.en, h->id,
                     ja ? h->about.ja : h->about.en);
            schema_markdown(h->fields, lang, out);
            if (k != CONN_TARGET)
                continue;
            buf_addf(out, "\n%s\n\n", ja ? "配置ごとの設定:" : "Settings of each placement:");
            schema_markdown(target_find(h->id)->place_fields, lang, out);
        }
    }
}
