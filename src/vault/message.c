/* What both ends of a vault channel write and read: names, subjects, texts. */
#include <string.h>

#include "vault/vault_priv.h"

enum { NAMES_MAX = 10000 };

void put_text(struct buf *b, uint8_t tag, const char *s)
{
    if (s)
        ipc_put(b, tag, str_from(s));
}

void put_names(struct buf *b, uint8_t tag, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_text(b, tag, v[i]);
}

void put_subject(struct buf *b, const struct subject *s)
{
    const char *const all[] = {s->common_name, s->organization, s->organizational_unit,
                               s->locality,    s->state,        s->country};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        put_text(b, (uint8_t)(VT_SUBJECT + i), all[i]);
}

static const char *text_of(struct str v, struct arena *a, bool *bad)
{
    const char *s = memchr(v.p, '\0', v.n) ? NULL : arena_str(a, v);
    *bad = *bad || !s;
    return s;
}

const char *get_text(struct str payload, uint8_t tag, size_t nth, struct arena *a, bool *bad)
{
    struct str v;
    return ipc_get(payload, tag, nth, &v) ? text_of(v, a, bad) : NULL;
}

void get_subject(struct str payload, struct arena *a, struct subject *ret, bool *bad)
{
    const char **const all[] = {&ret->common_name, &ret->organization, &ret->organizational_unit,
                                &ret->locality,    &ret->state,        &ret->country};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        *all[i] = get_text(payload, (uint8_t)(VT_SUBJECT + i), 0, a, bad);
}

const char *const *get_names(struct str payload, uint8_t tag, struct arena *a, size_t *ret_n,
                             bool *bad)
{
    struct ipc_walk w = {payload};
    struct str v;
    uint8_t t;
    size_t n = 0;
    while (ipc_next(&w, &t, &v))
        n += t == tag;
    const char **all = n <= NAMES_MAX ? arena_array(a, n + 1, sizeof *all) : NULL;
    *ret_n = 0;
    if (!all) {
        *bad = true;
        return NULL;
    }
    w = (struct ipc_walk){payload};
    while (ipc_next(&w, &t, &v))
        if (t == tag)
            all[(*ret_n)++] = text_of(v, a, bad);
    return all;
}
