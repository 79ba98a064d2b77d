/* Reading and judging CAA records. */
#include "model/caa.h"

#include <string.h>

struct property {
    bool critical;
    struct str tag, value;
};

/* flags, length of the tag, tag, value (RFC 8659 4.1). */
static bool property_of(struct str r, struct property *ret)
{
    if (r.n < 2)
        return false;
    size_t tag = (unsigned char)r.p[1];
    if (tag == 0 || r.n < 2 + tag)
        return false;
    *ret = (struct property){.critical = ((unsigned char)r.p[0] & 0x80) != 0,
                             .tag = {r.p + 2, tag},
                             .value = {r.p + 2 + tag, r.n - 2 - tag}};
    return true;
}

static bool has_tag(const struct str *records, size_t n, struct str tag)
{
    struct property p;
    for (size_t i = 0; i < n; i++)
        if (property_of(records[i], &p) && str_ieq(p.tag, tag))
            return true;
    return false;
}

/* "ca.example; account=7" -> "ca.example". */
static struct str issuer_of(struct str value)
{
    struct str part = STR_NONE;
    (void)str_split(&value, ';', &part);
    return str_trim(part);
}

static bool is_known(struct str tag)
{
    static const char *const known[] = {"issue",        "issuewild",    "iodef",   "issuemail",
                                        "contactemail", "contactphone", "issuevmc"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_ieq(tag, str_from(known[i])))
            return true;
    return false;
}

struct caa_set caa_read(const struct str *records, size_t n, bool wildcard)
{
    struct caa_set s = {.n = 0};
    struct property p;
    bool wild = wildcard && has_tag(records, n, STR("issuewild"));
    struct str counts = wild ? STR("issuewild") : STR("issue");
    for (size_t i = 0; i < n; i++) {
        if (!property_of(records[i], &p))
            continue;
        s.critical = s.critical || (p.critical && !is_known(p.tag));
        if (!str_ieq(p.tag, counts))
            continue;
        s.restricts = true;
        struct str who = issuer_of(p.value);
        if (who.n > 0 && s.n < CAA_NAMES_MAX)
            s.issuers[s.n++] = who;
    }
    return s;
}

enum caa_verdict caa_judge(const struct caa_set *s, const struct names *names)
{
    if (s->critical)
        return CAA_FORBIDDEN;
    if (!s->restricts)
        return CAA_ALLOWED;
    if (s->n == 0)
        return CAA_FORBIDDEN;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < names->n; k++)
            if (str_ieq(s->issuers[i], str_from(names->v[k])))
                return CAA_ALLOWED;
    return names->n > 0 ? CAA_FORBIDDEN : CAA_UNKNOWN;
}

const char *caa_parent(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot && dot[1] ? dot + 1 : NULL;
}
