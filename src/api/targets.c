/*
 * The list of targets: found by name, machine and type, with what is applied there. Invariant: one
 * statement for a page, however many targets and bindings there are.
 */
#include <string.h>

#include "api/priv.h"

route_fn target_list;

static const char *const worst_names[TARGET_WORSTS] = {"unused", "deployed", "new", "drift",
                                                       "failed"};

/* "failed,drift" -> bits */
static enum rc read_states(struct request *r, int64_t *ret, struct err *err)
{
    struct str rest = str_from(r_query(r, "state")), part;
    *ret = 0;
    while (rest.n > 0 && str_split(&rest, ',', &part)) {
        int64_t bit = 0;
        for (int i = 0; i < TARGET_WORSTS; i++)
            if (str_eqs(part, worst_names[i]))
                bit = (int64_t)1 << i;
        if (!bit) {
            enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                              MSG("api.state_unknown", "there is no state {0} here",
                                  "{0} という状態はありません"),
                              arena_str(r->a, part));
            err_field(err, "state");
            return rc;
        }
        *ret |= bit;
    }
    return RC_OK;
}

static enum rc read_sort(struct request *r, bool *ret_down, struct err *err)
{
    const char *v = r_query(r, "sort");
    *ret_down = v && v[0] == '-';
    if (!v || strcmp(v + *ret_down, "name") == 0)
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.sort_name", "sort is name or -name",
                          "sort には name か -name を指定してください"));
    err_field(err, "sort");
    return rc;
}

/* "id:name" of the last row seen; its id alone will do while it is there. */
static enum rc read_cursor(struct request *r, struct target_query *q, struct err *err)
{
    struct str rest = str_from(r_query(r, "after")), id;
    struct connector c;
    if (rest.n == 0 || str_eq(rest, STR("0")))
        return RC_OK;
    q->more = true;
    if (text_is_id(rest.p, &q->after_id)) {
        TRY(find_connector(r, "target", rest.p, &c, err));
        q->after_name = c.name;
        return RC_OK;
    }
    if (!str_split(&rest, ':', &id) || !str_to_i64(id, 1, INT64_MAX, &q->after_id)) {
        enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                          MSG("api.cursor", "after is what the last page said as next",
                              "after には前のページの next を指定してください"));
        err_field(err, "after");
        return rc;
    }
    q->after_name = arena_str(r->a, rest);
    return q->after_name ? RC_OK : NOMEM(err);
}

static bool holds(struct arena *a, const char *text, const char *low)
{
    char *own = arena_strdup(a, text);
    for (char *p = own; p && *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    return own && strstr(own, low) != NULL;
}

/* The types whose id or name, in either language, has the text: ",nginx,iis,". */
static enum rc types_named(struct request *r, const char *text, const char **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF(8192);
    char *low = arena_strdup(r->a, text);
    if (!low)
        return NOMEM(err);
    for (char *p = low; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    buf_addc(&b, ',');
    for (size_t i = 0; i < registry_count(CONN_TARGET); i++) {
        const struct conn_head *h = registry_at(CONN_TARGET, i);
        if (holds(r->a, h->id, low) || holds(r->a, h->name.en, low) || holds(r->a, h->name.ja, low))
            buf_addf(&b, "%s,", h->id);
    }
    TRY(buf_ok(&b, err));
    *ret = arena_str(r->a, buf_str(&b));
    return *ret ? RC_OK : NOMEM(err);
}

static enum rc view_target(struct request *r, const struct target_row *t, struct err *err)
{
    jw_object(&r->w);
    TRY(view_connector_members(r, &t->c, err));
    jw_kstr(&r->w, "address", t->address);
    jw_ki64(&r->w, "certs", t->certs);
    jw_kstr(&r->w, "applied", worst_names[t->worst]);
    jw_ktime(&r->w, "applied_at", t->applied_at);
    jw_end_object(&r->w);
    return RC_OK;
}

enum rc target_list(struct request *r, struct err *err)
{
    struct target_query q = {.type = r_query(r, "type")};
    struct target_row_list list;
    int64_t limit;
    TRY(r_query_text(r, &q.text, err));
    TRY(read_states(r, &q.states, err));
    TRY(read_sort(r, &q.down, err));
    TRY(read_cursor(r, &q, err));
    TRY(r_query_int(r, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err));
    if (q.text)
        TRY(types_named(r, q.text, &q.types, err));
    q.limit = (int)limit;
    TRY(db_target_query(r->db, &q, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_target(r, &list.v[i], err));
    jw_end_array(&r->w);
    jw_key(&r->w, "next");
    const struct connector *last = list.n == (size_t)limit ? &list.v[list.n - 1].c : NULL;
    if (last)
        jw_str(&r->w, arena_printf(r->a, "%lld:%s", (long long)last->id, last->name));
    else
        jw_null(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}
