/*
 * An order that the CA took and whose URL was lost: the answer did not arrive, or a crash came
 * before it was saved. A CA that keeps the account's list of orders (RFC 8555 7.1.2.1; many do
 * not) is asked for it rather than for a second order. Invariants: only an order that nobody has
 * begun to finalize, for exactly what is wanted, and that no other certificate knows, is taken.
 */
#include <string.h>

#include "connect/ca/acme.h"

enum { PAGES_MAX = 20, ORDERS_MAX = 1000, LOOKS_MAX = 30 };

struct urls {
    const char **v;
    size_t n;
};

/* NULL: it is not offered, or not now; nothing that is wrong here keeps from ordering. */
static struct json *ask(struct acme *a, const char *url, struct http_response *r)
{
    struct json *j = NULL;
    if (!url || acme_url_check(a, url, NULL) != RC_OK ||
        acme_post(a, url, STR_NONE, r, NULL) != RC_OK || acme_json(r, &j, NULL) != RC_OK)
        return NULL;
    return j;
}

static bool known(const struct ca_order *want, const char *url)
{
    for (size_t i = 0; i < want->other_count; i++)
        if (strcmp(json_str_or(want->others[i], "order", ""), url) == 0)
            return true;
    return false;
}

static void take_page(struct acme *a, const struct ca_order *want, const struct json *list,
                      struct urls *u)
{
    for (size_t i = 0; i < json_len(list) && u->n < ORDERS_MAX; i++) {
        const char *url = json_as_str(json_at(list, i));
        if (!url || known(want, url) || !(url = arena_strdup(a->ctx->arena, url)))
            continue;
        u->v[u->n++] = url;
    }
}

static void list_orders(struct acme *a, const struct ca_order *want, struct urls *u)
{
    struct http_response r;
    AUTO(json) struct json *account = ask(a, a->kid, &r);
    const char *page = json_str_or(account, "orders", NULL);
    for (int i = 0; page && i < PAGES_MAX; i++) {
        AUTO(json) struct json *j = ask(a, page, &r);
        take_page(a, want, json_get(j, "orders"), u);
        page = j ? http_link(&r, "next", 0, a->ctx->arena) : NULL;
    }
}

static bool end_fits(const struct ca_order *want, const struct json *j)
{
    const char *text = json_str_or(j, "notAfter", NULL);
    int64_t at = 0;
    if (!want->not_after)
        return text == NULL;
    return text && time_parse_rfc3339(text, &at) &&
           at / USEC_PER_SEC == want->not_after / USEC_PER_SEC;
}

static bool fits(const struct acme *a, const struct ca_order *want, const struct json *j)
{
    const char *status = json_str_or(j, "status", ""), *profile = json_str_or(j, "profile", NULL);
    const char *asked = want->profile ? want->profile : a->set->profile;
    return (strcmp(status, "pending") == 0 || strcmp(status, "ready") == 0) && end_fits(want, j) &&
           (!asked || (profile && strcmp(asked, profile) == 0)) &&
           acme_identifiers_same(want, json_get(j, "identifiers"));
}

struct json *acme_lost_order(struct acme *a, const struct ca_order *want, const char **ret_url)
{
    struct urls u = {arena_array(a->ctx->arena, ORDERS_MAX, sizeof *u.v), 0};
    if (!u.v || !a->kid)
        return NULL;
    list_orders(a, want, &u);
    /* the newest are usually last */
    for (size_t i = 0; i < u.n && i < LOOKS_MAX; i++) {
        struct http_response r;
        const char *url = u.v[u.n - 1 - i];
        struct json *j = ask(a, url, &r);
        if (j && fits(a, want, j)) {
            *ret_url = url;
            return j;
        }
        json_free(j);
    }
    return NULL;
}
