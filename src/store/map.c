/*
 * Records <-> rows by tables of members. Invariants: a result is written only when complete; all
 * text of a record lives in the caller's arena.
 */
#include "store/store_priv.h"

#include <string.h>

static void *at(void *rec, const struct col *c)
{
    return (char *)rec + c->offset;
}

static enum rc text_get(const struct val *v, struct arena *a, const char **ret, struct err *err)
{
    *ret = NULL;
    if (v->null)
        return RC_OK;
    *ret = arena_strdup(a, v->s);
    return *ret ? RC_OK : NOMEM(err);
}

/* Names are kept one per line: no name has a line end, and a person can read it. */
static enum rc names_get(const struct val *v, struct arena *a, struct names *ret, struct err *err)
{
    *ret = (struct names){NULL, 0};
    if (v->null || !*v->s)
        return RC_OK;
    size_t n = 1;
    for (const char *p = v->s; *p; p++)
        n += *p == '\n';
    const char **list = arena_array(a, n, sizeof *list);
    if (!list)
        return NOMEM(err);
    struct str rest = str_from(v->s), part;
    for (size_t i = 0; i < n && str_split(&rest, '\n', &part); i++) {
        list[i] = arena_str(a, part);
        if (!list[i])
            return NOMEM(err);
    }
    *ret = (struct names){list, n};
    return RC_OK;
}

static enum rc col_get(const struct col *c, const struct val *v, struct arena *a, void *rec,
                       struct err *err)
{
    switch (c->type) {
    case COL_I64:
    case COL_REF:
        *(int64_t *)at(rec, c) = v->null ? 0 : v->i;
        return RC_OK;
    case COL_BOOL:
        *(bool *)at(rec, c) = !v->null && v->i != 0;
        return RC_OK;
    case COL_ENUM:
        *(unsigned *)at(rec, c) = v->null ? 0 : (unsigned)v->i;
        return RC_OK;
    case COL_NAMES:
        return names_get(v, a, at(rec, c), err);
    case COL_TEXT:
        break;
    }
    return text_get(v, a, at(rec, c), err);
}

static enum rc row_get(const struct map *m, const struct val *cols, size_t n, struct arena *a,
                       void *rec, struct err *err)
{
    CHECK(n == m->n, err, RC_INTERNAL, BLAME_US,
          MSG("store.columns", "a statement gives {0} columns, {1} expected; report this",
              "SQL文の列数が {0}（想定 {1}）です。この不具合をご報告ください"),
          NUM(n), NUM(m->n));
    for (size_t i = 0; i < n; i++)
        TRY(col_get(&m->cols[i], &cols[i], a, rec, err));
    return RC_OK;
}

enum rc map_names_text(const struct names *names, struct buf *out, struct err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *s = names->v[i];
        CHECK(s && *s && !strchr(s, '\n'), err, RC_INPUT, BLAME_INPUT,
              MSG("store.name_line", "a name of the certificate is empty or has a line end in it",
                  "証明書の名前が空か、改行を含んでいます"));
        if (i > 0)
            buf_addc(out, '\n');
        buf_adds(out, s);
    }
    return buf_ok(out, err);
}

/* A list of names is a place in `names` so far: names_put() makes it a text. */
static enum rc col_put(const struct col *c, void *rec, struct buf *names, struct val *ret,
                       struct err *err)
{
    switch (c->type) {
    case COL_I64:
        *ret = I(*(const int64_t *)at(rec, c));
        return RC_OK;
    case COL_REF:
        *ret = REF(*(const int64_t *)at(rec, c));
        return RC_OK;
    case COL_BOOL:
        *ret = I(*(const bool *)at(rec, c));
        return RC_OK;
    case COL_ENUM:
        *ret = I(*(const unsigned *)at(rec, c));
        return RC_OK;
    case COL_NAMES:
        *ret = (struct val){.type = VAL_TEXT, .i = (int64_t)names->len};
        TRY(map_names_text(at(rec, c), names, err));
        buf_addc(names, '\0');
        return buf_ok(names, err);
    case COL_TEXT:
        break;
    }
    *ret = T(*(const char *const *)at(rec, c));
    return RC_OK;
}

static enum rc take_id(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    (void)n, (void)err;
    *(int64_t *)ctx = cols[0].i;
    return RC_OK;
}

enum rc db_insert(struct db *db, enum stmt_id id, const struct map *m, void *rec, bool *ret_new,
                  struct err *err)
{
    struct val v[MAX_COLS];
    AUTO(buf) struct buf names = BUF((size_t)1 << 20);
    for (size_t i = 1; i < m->n; i++)
        TRY(col_put(&m->cols[i], rec, &names, &v[i - 1], err));
    for (size_t i = 1; i < m->n; i++)
        if (m->cols[i].type == COL_NAMES)
            v[i - 1].s = buf_cstr(&names) + v[i - 1].i;
    int64_t rows = 0, new_id = 0;
    TRY(db_run(db, id, v, m->n - 1, take_id, &new_id, &rows, err));
    if (rows > 0)
        *(int64_t *)at(rec, &m->cols[0]) = new_id;
    if (ret_new)
        *ret_new = rows > 0;
    return RC_OK;
}

struct one {
    const struct map *m;
    struct arena *a;
    void *rec;
};

static enum rc take_one(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    const struct one *o = ctx;
    return row_get(o->m, cols, n, o->a, o->rec, err);
}

enum rc not_found(const struct map *m, const struct val *args, size_t n, struct err *err)
{
    const struct val *key = n > 0 ? &args[n - 1] : NULL;
    const char *name = !key ? "" : key->type == VAL_TEXT ? (key->null ? "" : key->s) : NULL;
    /* A session's key is not shown; all other keys are ids and names. */
    if (strcmp(m->en, "session") == 0)
        name = "";
    return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                MSG("store.not_found", "{0} {2} was not found; check the name, it may be removed",
                    "{1} {2} "
                    "が見つかりません。名前を確認してください（削除された可能性があります）"),
                m->en, m->ja, name ? name : NUM(key->i));
}

enum rc db_one(struct db *db, enum stmt_id id, const struct val *args, size_t n,
               const struct map *m, struct arena *a, void *ret, struct err *err)
{
    void *rec = arena_alloc(a, m->size);
    if (!rec)
        return NOMEM(err);
    struct one o = {m, a, rec};
    int64_t rows = 0;
    TRY(db_run(db, id, args, n, take_one, &o, &rows, err));
    if (rows == 0)
        return not_found(m, args, n, err);
    memcpy(ret, rec, m->size);
    return RC_OK;
}

struct many {
    const struct map *m;
    struct arena *a;
    char *v;
    size_t n, cap;
};

static enum rc take_many(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct many *o = ctx;
    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 16;
        char *v = arena_array(o->a, cap, o->m->size);
        if (!v)
            return NOMEM(err);
        if (o->n > 0)
            memcpy(v, o->v, o->n * o->m->size);
        o->v = v;
        o->cap = cap;
    }
    TRY(row_get(o->m, cols, n, o->a, o->v + o->n * o->m->size, err));
    o->n++;
    return RC_OK;
}

enum rc db_many(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                const struct map *m, struct arena *a, struct rows *ret, struct err *err)
{
    struct many o = {.m = m, .a = a};
    int64_t rows = 0;
    TRY(db_run(db, id, args, n, take_many, &o, &rows, err));
    *ret = (struct rows){o.v, o.n};
    return RC_OK;
}

enum rc db_change(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                  enum stmt_id get, const struct map *m, struct err *err)
{
    int64_t changed = 0, rows = 0;
    TRY(db_do(db, id, args, n, &changed, err));
    if (changed > 0)
        return RC_OK;
    TRY(db_run(db, get, args, 1, NULL, NULL, &rows, err));
    if (rows == 0)
        return not_found(m, args, 1, err);
    return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                MSG("store.conflict",
                    "{0} {2} was changed meanwhile or is in use; look at it again and retry",
                    "{1} {2} "
                    "は他で変更されたか使用中です。内容を確認してからやり直してください"),
                m->en, m->ja, NUM(args[0].i));
}

enum rc db_number(struct db *db, enum stmt_id id, const struct val *args, size_t n, int64_t *ret,
                  struct err *err)
{
    int64_t rows = 0, v = 0;
    TRY(db_run(db, id, args, n, take_id, &v, &rows, err));
    *ret = v;
    return RC_OK;
}

struct text_out {
    struct arena *a;
    const char *text;
};

static enum rc take_text(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct text_out *out = ctx;
    (void)n;
    out->text = cols[0].null ? NULL : arena_strdup(out->a, cols[0].s);
    return out->text || cols[0].null ? RC_OK : NOMEM(err);
}

enum rc db_text(struct db *db, enum stmt_id id, const struct val *args, size_t n, struct arena *a,
                const char **ret, int64_t *ret_rows, struct err *err)
{
    struct text_out out = {a, NULL};
    int64_t rows = 0;
    TRY(db_run(db, id, args, n, take_text, &out, &rows, err));
    *ret = out.text;
    if (ret_rows)
        *ret_rows = rows;
    return RC_OK;
}

enum rc limit_ok(int limit, struct err *err)
{
    CHECK(limit >= 1 && limit <= 1000, err, RC_INPUT, BLAME_INPUT,
          MSG("store.limit", "a list gives 1 to 1000 entries at a time, not {0}",
              "一覧の件数は1から1000の間で指定してください（{0} は不可）"),
          NUM(limit));
    return RC_OK;
}
