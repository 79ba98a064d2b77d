/*
 * Every text that holds something sealed, whatever table it is in: found by what sealed texts begin
 * with, so that no table can be forgotten when the master key changes.
 */
#include <string.h>

#include "store/ops.h"
#include "store/store_priv.h"

struct columns {
    struct arena *a;
    struct sealed_column *v;
    size_t n, max;
};

enum { COLUMNS_MAX = 512 };

static enum rc take_column(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct columns *c = ctx;
    if (n != 3 || cols[0].null || cols[1].null || cols[2].null)
        return RC_OK; /* a table without a primary key has nothing sealed */
    if (c->n == c->max)
        return NOMEM(err);
    struct sealed_column *s = &c->v[c->n++];
    s->table = arena_strdup(c->a, cols[0].s);
    s->column = arena_strdup(c->a, cols[1].s);
    s->key = arena_strdup(c->a, cols[2].s);
    return s->table && s->column && s->key ? RC_OK : NOMEM(err);
}

enum rc db_sealed_columns(struct db *db, struct arena *a, struct sealed_column_list *ret,
                          struct err *err)
{
    struct columns c = {.a = a, .max = COLUMNS_MAX};
    c.v = arena_array(a, c.max, sizeof *c.v);
    if (!c.v)
        return NOMEM(err);
    TRY(db_query(db, "{text_columns}", NULL, 0, take_column, &c, NULL, err));
    ret->v = c.v;
    ret->n = c.n;
    return RC_OK;
}

struct page {
    struct arena *a;
    struct sealed_text_list *l;
    size_t max;
};

static enum rc take_text(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct page *p = ctx;
    if (n != 2 || p->l->n == p->max)
        return RC_OK;
    struct sealed_text *t = &p->l->v[p->l->n++];
    /* a number may come as text from one engine and as a number from the other */
    t->key = cols[0].type == VAL_INT ? arena_printf(p->a, "%lld", (long long)cols[0].i)
                                     : arena_strdup(p->a, cols[0].s);
    t->text = arena_strdup(p->a, cols[1].s ? cols[1].s : "");
    return t->key && t->text ? RC_OK : NOMEM(err);
}

/* Names come from the schema, never from data. */
enum rc db_sealed_page(struct db *db, const struct sealed_column *c, const char *prefix,
                       const char *after, int limit, struct arena *a, struct sealed_text_list *ret,
                       struct err *err)
{
    AUTO(buf) struct buf sql = BUF(4096);
    AUTO(buf) struct buf like = BUF(256);
    struct page p = {a, ret, (size_t)limit};
    ret->n = 0;
    ret->v = arena_array(a, (size_t)limit, sizeof *ret->v);
    if (!ret->v)
        return NOMEM(err);
    buf_addf(&sql,
             "SELECT CAST(%s AS TEXT), %s FROM %s WHERE %s LIKE ?1 AND CAST(%s AS TEXT) > ?2 "
             "ORDER BY CAST(%s AS TEXT) LIMIT ?3",
             c->key, c->column, c->table, c->column, c->key, c->key);
    buf_addf(&like, "%%%s%%", prefix);
    TRY(buf_ok(&sql, err));
    TRY(buf_ok(&like, err));
    return db_query(db, buf_cstr(&sql), ARGS(T(buf_cstr(&like)), T(after), I(limit)), take_text, &p,
                    NULL, err);
}

enum rc db_sealed_swap(struct db *db, const struct sealed_column *c, const char *key,
                       const char *from, const char *to, struct err *err)
{
    AUTO(buf) struct buf sql = BUF(4096);
    buf_addf(&sql, "UPDATE %s SET %s = ?1 WHERE CAST(%s AS TEXT) = ?2 AND %s = ?3", c->table,
             c->column, c->key, c->column);
    TRY(buf_ok(&sql, err));
    return db_query(db, buf_cstr(&sql), ARGS(T(to), T(key), T(from)), NULL, NULL, NULL, err);
}
