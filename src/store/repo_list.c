/*
 * List screens. A text is looked for where it names few rows, found by an index and sorted; where
 * it names many, the list is walked in its order and a page is full soon. Invariant: both give the
 * same.
 */
#include "store/repo_list.h"

#include <string.h>

#include "store/store_priv.h"

enum { TEXT_MAX_BYTES = 256 };

#define CONNECTOR_COLS(t)                                                                          \
    CI(t, c.id), CT(t, c.kind), CT(t, c.type), CT(t, c.name), CT(t, c.settings), CT(t, c.state),   \
        CI(t, c.group_id), CI(t, c.created), CI(t, c.updated), CI(t, c.revision)

MAP(target_row, "target", "適用先", CONNECTOR_COLS(target_row), CT(target_row, address),
    CI(target_row, certs), CI(target_row, worst), CI(target_row, applied_at));

MAP(binding_row, "binding", "適用設定", CI(binding_row, b.id), CI(binding_row, b.cert_id),
    CI(binding_row, b.target_id), CT(binding_row, b.place), CI(binding_row, b.seq),
    CI(binding_row, b.version_id), CT(binding_row, b.state), CT(binding_row, b.error),
    CI(binding_row, b.created), CI(binding_row, b.updated), CI(binding_row, b.revision),
    CT(binding_row, cert_name), CI(binding_row, cert_version), CT(binding_row, target),
    CI(binding_row, not_after));

MAP(deployment_row, "deployment", "適用", CI(deployment_row, d.id), CI(deployment_row, d.cert_id),
    CI(deployment_row, d.version_id), CI(deployment_row, d.previous_id),
    CI(deployment_row, d.job_id), CE(deployment_row, d.state), CT(deployment_row, d.reason),
    CI(deployment_row, d.created), CI(deployment_row, d.updated), CT(deployment_row, cert_name),
    CI(deployment_row, total), CI(deployment_row, done), CI(deployment_row, failed));

MAP(order_row, "order", "申請", CI(order_row, o.id), CI(order_row, o.cert_id),
    CI(order_row, o.version_id), CI(order_row, o.ca_id), CI(order_row, o.job_id),
    CE(order_row, o.state), CT(order_row, o.reason), CT(order_row, o.data), CT(order_row, o.error),
    CI(order_row, o.created), CI(order_row, o.updated), CT(order_row, cert_name));

static const char after_all[] = "\xf4\x8f\xbf\xbf"; /* U+10FFFF: after every character */

enum rc sought_read(const char *text, struct arena *a, struct sought *ret, struct err *err)
{
    AUTO(buf) struct buf low = BUF(TEXT_MAX_BYTES + 1), like = BUF(4 * TEXT_MAX_BYTES);
    struct str trimmed = str_trim(str_from(text));
    *ret = (struct sought){NULL, NULL, NULL};
    if (trimmed.n == 0)
        return RC_OK;
    const char *own = arena_str(a, trimmed);
    if (!own)
        return NOMEM(err);
    add_lower(&low, own);
    TRY(buf_ok(&low, err));
    TRY(like_text(own, &like, err));
    ret->from = arena_str(a, buf_str(&low));
    ret->to = arena_printf(a, "%s%s", buf_cstr(&low), after_all);
    ret->like = arena_str(a, buf_str(&like));
    return ret->from && ret->to && ret->like ? RC_OK : NOMEM(err);
}

static int64_t before_or_top(int64_t before)
{
    return before > 0 ? before : INT64_MAX;
}

enum rc db_target_query(struct db *db, const struct target_query *q, struct arena *a,
                        struct target_row_list *ret, struct err *err)
{
    struct sought s;
    TRY(limit_ok(q->limit, err));
    TRY(sought_read(q->text, a, &s, err));
    MANY(db, q->down ? STMT_TARGET_PAGE_DOWN : STMT_TARGET_PAGE, &target_row_map, a, ret, err,
         I(q->limit),
         T(q->more   ? q->after_name
           : q->down ? after_all
                     : ""),
         I(q->more   ? q->after_id
           : q->down ? INT64_MAX
                     : 0),
         T(q->type), T(s.like), T(q->types ? q->types : ""), I(q->states), T(db->scope));
    return RC_OK;
}

enum rc db_binding_row(struct db *db, int64_t id, struct arena *a, struct binding_row *ret,
                       struct err *err)
{
    return db_one(db, STMT_BINDING_ROW, ARGS(I(id), T(db->scope), I(0)), &binding_row_map, a, ret,
                  err);
}

enum rc db_binding_rows(struct db *db, int64_t cert_id, int64_t target_id, struct arena *a,
                        struct binding_row_list *ret, struct err *err)
{
    enum stmt_id way = cert_id     ? STMT_BINDING_ROWS_CERT
                       : target_id ? STMT_BINDING_ROWS_TARGET
                                   : STMT_BINDING_ROWS;
    MANY(db, way, &binding_row_map, a, ret, err, I(cert_id ? cert_id : target_id), T(db->scope),
         I(target_id));
    return RC_OK;
}

enum rc db_deployment_row(struct db *db, int64_t id, struct arena *a, struct deployment_row *ret,
                          struct err *err)
{
    return db_one_seen(db, STMT_DEPLOYMENT_ROW, ARGS(I(id)), &deployment_row_map, BY_CERT,
                       offsetof(struct deployment_row, d.cert_id), a, ret, err);
}

static enum rc deployment_way(struct db *db, const struct deployment_query *q,
                              const struct sought *s, enum stmt_id *ret, struct err *err)
{
    int64_t n = SOUGHT_FEW;
    *ret = q->in_state && q->in_state != 1 + DEPLOYMENT_DONE ? STMT_DEPLOYMENT_ROWS_RARE
                                                             : STMT_DEPLOYMENT_ROWS;
    if (q->cert_id || q->target_id) {
        *ret = q->cert_id ? STMT_DEPLOYMENT_ROWS_CERT : STMT_DEPLOYMENT_ROWS_TARGET;
        return RC_OK;
    }
    if (s->from)
        TRY(db_number(db, STMT_DEPLOYMENT_NAMED_COUNT,
                      ARGS(T(s->from), T(s->to), T(s->like), I(SOUGHT_FEW)), &n, err));
    if (n < SOUGHT_FEW)
        *ret = STMT_DEPLOYMENT_ROWS_NAMED;
    return RC_OK;
}

enum rc db_deployment_query(struct db *db, const struct deployment_query *q, struct arena *a,
                            struct deployment_row_list *ret, struct err *err)
{
    struct sought s;
    enum stmt_id way;
    TRY(limit_ok(q->limit, err));
    TRY(sought_read(q->text, a, &s, err));
    TRY(deployment_way(db, q, &s, &way, err));
    MANY(db, way, &deployment_row_map, a, ret, err, I(before_or_top(q->before)), I(q->limit),
         I(q->cert_id), I(q->target_id), I(q->in_state), T(s.from), T(s.to), T(s.like),
         T(db->scope));
    return RC_OK;
}

static enum rc order_way(struct db *db, const struct order_query *q, const struct sought *s,
                         enum stmt_id *ret, struct err *err)
{
    int64_t n = SOUGHT_FEW;
    *ret = q->in_state == 0 || q->in_state == 1 + ORDER_DONE ? STMT_ORDER_ROWS
           : q->in_state == 1 + ORDER_OPEN                   ? STMT_ORDER_ROWS_OPEN
                                                             : STMT_ORDER_ROWS_RARE;
    if (s->from)
        TRY(db_number(db, STMT_ORDER_NAMED_COUNT, ARGS(T(s->from), T(s->to), I(SOUGHT_FEW)), &n,
                      err));
    if (n < SOUGHT_FEW)
        *ret = STMT_ORDER_ROWS_NAMED;
    return RC_OK;
}

enum rc db_order_query(struct db *db, const struct order_query *q, struct arena *a,
                       struct order_row_list *ret, struct err *err)
{
    struct sought s;
    enum stmt_id way;
    TRY(limit_ok(q->limit, err));
    TRY(sought_read(q->text, a, &s, err));
    TRY(order_way(db, q, &s, &way, err));
    MANY(db, way, &order_row_map, a, ret, err, I(before_or_top(q->before)), I(q->limit),
         I(q->in_state), T(s.from), T(s.to), T(db->scope));
    return RC_OK;
}
