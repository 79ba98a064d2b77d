/* The list of certificates: filters, order, and pages continued by key. */
#include <string.h>

#include "api/priv.h"

route_fn cert_list;

/* "valid,expiring" -> bits; "attention" = all that a person should look at. */
static enum rc read_states(struct request *r, int64_t *ret, struct err *err)
{
    struct str rest = str_from(r_query(r, "state")), part;
    *ret = 0;
    while (rest.n > 0 && str_split(&rest, ',', &part)) { /* empty: no filter */
        int64_t bit = 0;
        for (int h = HEALTH_NEW; h < HEALTH_CLOCK_WRONG; h++)
            if (str_eqs(part, cert_health_name((enum cert_health)h)))
                bit = (int64_t)1 << h;
        if (str_eqs(part, "attention"))
            bit = 1 << HEALTH_EXPIRED | 1 << HEALTH_DEPLOY_FAILED | 1 << HEALTH_DRIFT |
                  1 << HEALTH_REVOKED | 1 << HEALTH_FAILED;
        if (!bit) {
            enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                              MSG("api.state", "there is no certificate state {0}",
                                  "証明書の状態 {0} はありません"),
                              arena_str(r->a, part));
            err_field(err, "state");
            return rc;
        }
        *ret |= bit;
    }
    return RC_OK;
}

static enum rc cursor_bad(struct err *err)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.cursor", "after is what the last page said as next",
                          "after には前のページの next を指定してください"));
    err_field(err, "after");
    return rc;
}

/* What row after_id is sorted by. */
static enum rc read_row(struct request *r, struct cert_query *q, struct err *err)
{
    struct cert c;
    struct cert_version v = {0};
    TRY(db_cert_get(r->db, q->after_id, r->a, &c, err));
    if (q->sort == CERT_BY_EXPIRY && c.current_id)
        TRY(db_version_get(r->db, c.current_id, r->a, &v, err));
    q->after_name = c.name;
    q->after_value = q->sort == CERT_BY_EXPIRY    ? v.not_after
                     : q->sort == CERT_BY_RENEWAL ? c.renew_at
                                                  : c.created;
    return RC_OK;
}

/* A cursor is "id:value of the sort column": the last row seen; its id alone will do. */
static enum rc read_cursor(struct request *r, struct cert_query *q, struct err *err)
{
    struct str rest = str_from(r_query(r, "after")), id;
    if (rest.n == 0 || str_eq(rest, STR("0")))
        return RC_OK;
    q->more = true;
    if (text_is_id(rest.p, &q->after_id))
        return read_row(r, q, err);
    if (!str_split(&rest, ':', &id) || !str_to_i64(id, 1, INT64_MAX, &q->after_id))
        return cursor_bad(err);
    q->after_name = arena_str(r->a, rest);
    if (q->sort != CERT_BY_NAME && !str_to_i64(rest, 0, INT64_MAX, &q->after_value))
        return cursor_bad(err);
    return q->after_name ? RC_OK : NOMEM(err);
}

static const char *const sort_names[CERT_SORTS] = {"name", "expires", "renewal", "created"};

static enum rc read_sort(struct request *r, struct cert_query *q, struct err *err)
{
    const char *v = r_query(r, "sort");
    if (!v)
        v = "created";
    q->down = v[0] == '-';
    for (int i = 0; i < CERT_SORTS; i++) {
        if (strcmp(v + q->down, sort_names[i]) == 0) {
            q->sort = (enum cert_sort)i;
            return RC_OK;
        }
    }
    enum rc rc = FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("api.sort", "sort is name, expires, renewal or created, with - before it downwards",
            "sort には name、expires、renewal、created（降順は先頭に -）を指定してください"));
    err_field(err, "sort");
    return rc;
}

static enum rc read_list(struct request *r, struct cert_query *q, struct err *err)
{
    struct connector c = {0};
    int64_t limit, from, before;
    q->now = r->now;
    q->text = r_query(r, "q");
    CHECK(!q->text || strlen(q->text) <= 256, err, RC_INPUT, BLAME_INPUT,
          MSG("api.q_long", "the search text is longer than 256 bytes",
              "検索文字列は 256 バイト以下にしてください"));
    TRY(tags_from_query(r, r_query(r, "tag"), &q->tags, err));
    TRY(r_query_int(r, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err));
    TRY(r_query_int(r, "end_from", 0, INT32_MAX, 0, &from, err));
    TRY(r_query_int(r, "end_before", 0, INT32_MAX, 0, &before, err));
    q->limit = (int)limit;
    q->end_from = from * USEC_PER_SEC;
    q->end_before = before * USEC_PER_SEC;
    if (r_query(r, "ca")) {
        TRY(find_connector(r, "ca", r_query(r, "ca"), &c, err));
        q->ca_id = c.id;
    }
    if (r_query(r, "target")) {
        TRY(find_connector(r, "target", r_query(r, "target"), &c, err));
        q->target_id = c.id;
    }
    if (r_query(r, "organisation")) {
        struct organisation o;
        TRY(find_org(r, r_query(r, "organisation"), &o, err));
        q->organisation_id = o.id;
    }
    TRY(read_states(r, &q->healths, err));
    TRY(read_sort(r, q, err));
    return read_cursor(r, q, err);
}

static enum rc view_next(struct request *r, struct cert_query *q, const struct cert *last,
                         struct err *err)
{
    jw_end_array(&r->w);
    jw_key(&r->w, "next");
    if (last) {
        q->after_id = last->id;
        TRY(read_row(r, q, err));
        jw_str(&r->w, q->sort == CERT_BY_NAME
                          ? arena_printf(r->a, "%lld:%s", (long long)last->id, q->after_name)
                          : arena_printf(r->a, "%lld:%lld", (long long)last->id,
                                         (long long)q->after_value));
    } else {
        jw_null(&r->w);
    }
    jw_end_object(&r->w);
    return RC_OK;
}

enum rc cert_list(struct request *r, struct err *err)
{
    struct cert_query q = {0};
    struct cert_page page;
    TRY(read_list(r, &q, err));
    TRY(db_cert_query(r->db, &q, r->a, &page, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < page.n; i++)
        TRY(view_cert(r, &page.v[i], false, err));
    return view_next(r, &q, page.n == (size_t)q.limit ? &page.v[page.n - 1] : NULL, err);
}
