/*
 * Settings for any field table, made from the table itself: what a test over every row of the
 * registry needs, so that a connector added later is covered with no further hand.
 *
 * A case is one table with a value per field: picked (a choice a condition needs), given (JSON text
 * of the test), or left to the table: required fields without a default get a valid sample.
 */
#ifndef INRO_TEST_CONTRACT_ROWS_H
#define INRO_TEST_CONTRACT_ROWS_H

#include "unit/connect/connect_rig.h"

enum { ROW_FIELDS = 64, ROW_TABLES = 256 };

struct table {
    enum conn_kind kind;
    const struct conn_head *head;
    const char *what; /* "settings" or "place" */
    const struct field *fields;
    size_t size, n;
};

static struct table row_tables[ROW_TABLES];
static size_t row_table_count;

static void table_add(enum conn_kind kind, const struct conn_head *h, const char *what,
                      const struct field *fields, size_t size)
{
    assert_true(row_table_count < ROW_TABLES);
    struct table *t = &row_tables[row_table_count++];
    *t = (struct table){kind, h, what, fields, size, 0};
    while (fields[t->n].type != FIELD_T_END)
        t->n++;
    assert_true(t->n < ROW_FIELDS);
}

/* Every table of the registry. */
static int rows_load(void **state)
{
    (void)state;
    crypto_init();
    json_init();
    row_table_count = 0;
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++)
        for (size_t i = 0; i < registry_count(k); i++) {
            const struct conn_head *h = registry_at(k, i);
            table_add(k, h, "settings", h->fields, h->settings_size);
            if (k == CONN_TARGET)
                table_add(k, h, "place", target_find(h->id)->place_fields,
                          target_find(h->id)->place_size);
        }
    return 0;
}

struct row_case {
    const struct table *t;
    struct arena *a;
    const char *pick[ROW_FIELDS];
    const char *given[ROW_FIELDS]; /* "" leaves the field out */
    const char *more;              /* a further key */
    void *settings;                /* after row_decode() */
    struct err err;
    int sealed; /* how often the sink was asked */
};

static void row_case_cleanup(struct row_case *c)
{
    arena_destroy(c->a);
}

static struct row_case row_begin(const struct table *t)
{
    return (struct row_case){.t = t, .a = arena_create(0)};
}

#define EACH_TABLE(t)                                                                              \
    for (const struct table *t = row_tables; t < row_tables + row_table_count; t++)
#define EACH_FIELD(t, i) for (size_t i = 0; i < (t)->n; i++)

/* Says which row it was. */
#define ROW_FAIL(c, i, ...)                                                                        \
    fail_msg("%s %s %s, field %s: " __VA_ARGS__, conn_kind_name((c)->t->kind), (c)->t->head->id,   \
             (c)->t->what, (c)->t->fields[i].name ? (c)->t->fields[i].name : "-")

/* "name=a|b" taken apart: the index of the field named, and the first value. */
static size_t condition_of(const struct table *t, const struct field *f, char ret_value[64])
{
    char name[64];
    assert_int_equal(sscanf(f->only_if, "%63[^=]=%63[^|]", name, ret_value), 2);
    EACH_FIELD(t, i)
    if (strcmp(t->fields[i].name, name) == 0)
        return i;
    fail_msg("%s: only_if names no field: %s", t->head->id, f->only_if);
    return 0;
}

static bool condition_has(const struct field *f, const char *value)
{
    struct str rest = str_from(strchr(f->only_if, '=') + 1), one;
    while (str_split(&rest, '|', &one))
        if (str_eqs(one, value))
            return true;
    return false;
}

/* Picks what makes field i apply, and so on upward. */
static void row_want(struct row_case *c, size_t i)
{
    char value[64];
    const struct field *f = &c->t->fields[i];
    if (!f->only_if)
        return;
    size_t on = condition_of(c->t, f, value);
    c->pick[on] = arena_strdup(c->a, value);
    row_want(c, on);
}

static bool row_active(const struct row_case *c, size_t i)
{
    char value[64];
    const struct field *f = &c->t->fields[i];
    if (!f->only_if)
        return true;
    size_t on = condition_of(c->t, f, value);
    const struct field *cond = &c->t->fields[on];
    const char *now = c->pick[on]                  ? c->pick[on]
                      : cond->dflt                 ? cond->dflt
                      : cond->type == FIELD_T_BOOL ? "false"
                                                   : NULL;
    return row_active(c, on) && now && condition_has(f, now);
}

static const char *quoted(struct arena *a, const char *text)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_str(&w, text);
    assert_int_equal(b.bad, RC_OK);
    return arena_strdup(a, buf_cstr(&b));
}

/* A valid text of exactly n bytes for a field of the type, or NULL when there is none so short. */
static char *text_of(const struct field *f, struct arena *a, size_t n)
{
    const char *start = f->type == FIELD_T_URL    ? "https://a.test/"
                        : f->type == FIELD_T_PATH ? "/"
                                                  : "";
    if (n < strlen(start) || n == 0)
        return NULL;
    char *s = arena_alloc(a, n + 1);
    assert_non_null(s);
    memset(s, 'a', n);
    memcpy(s, start, strlen(start));
    for (size_t i = 60; f->type == FIELD_T_HOST && i + 1 < n; i += 61)
        s[i] = '.';
    return s;
}

/* n entries as JSON. */
static const char *entries(const struct field *f, struct arena *a, size_t n)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_array(&w);
    for (size_t i = 0; i < n; i++)
        jw_str(&w, f->choices ? f->choices[0].value : "entry");
    jw_end_array(&w);
    assert_int_equal(b.bad, RC_OK);
    return arena_strdup(a, buf_cstr(&b));
}

/* A valid value of the field as JSON. */
static const char *sample_of_field(const struct field *f, struct arena *a)
{
    AUTO(buf) struct buf b = BUF(1 << 16);
    struct json_writer w = JSON_WRITER(&b);
    size_t least = f->min > 0 ? (size_t)f->min : 0;
    if (f->type == FIELD_T_ENUM)
        return quoted(a, f->choices[0].value);
    if (f->type != FIELD_T_SECRET && (f->example || f->dflt)) {
        assert_int_equal(schema_text(f, str_from(f->example ? f->example : f->dflt), &w, NULL),
                         RC_OK);
        return arena_strdup(a, buf_cstr(&b));
    }
    switch (f->type) {
    case FIELD_T_BOOL:
        return "true";
    case FIELD_T_INT:
    case FIELD_T_SECS:
    case FIELD_T_BYTES:
    case FIELD_T_PORT:
        return arena_printf(a, "%lld", f->min > 0 ? (long long)f->min : 1LL);
    case FIELD_T_LIST:
        return entries(f, a, least ? least : 1);
    default:
        return quoted(a, text_of(f, a, least > 20 ? least : 20));
    }
}

static void row_write(const struct row_case *c, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    EACH_FIELD(c->t, i)
    {
        const struct field *f = &c->t->fields[i];
        const char *v = c->given[i];
        if (!v && c->pick[i])
            v = f->type == FIELD_T_BOOL ? c->pick[i] : quoted(c->a, c->pick[i]);
        if (!v && (f->flags & FIELD_REQUIRED) && !f->dflt && row_active(c, i))
            v = sample_of_field(f, c->a);
        if (!v || !*v)
            continue;
        jw_key(&w, f->name);
        jw_raw(&w, str_from(v));
    }
    if (c->more)
        jw_kstr(&w, c->more, "x");
    jw_end_object(&w);
    assert_int_equal(out->bad, RC_OK);
}

/* In the vault's place: what comes back says nothing about what went in. */
static enum rc row_seal(void *ctx, const char *field, struct str clear, struct arena *a,
                        const char **ret_sealed, struct err *err)
{
    struct row_case *c = ctx;
    assert_true(clear.n > 0);
    c->sealed++;
    *ret_sealed = arena_printf(a, "c2VhbGVk%s", field);
    return *ret_sealed ? RC_OK : NOMEM(err);
}

static enum rc row_decode(struct row_case *c)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    AUTO(json) struct json *j = NULL;
    struct secret_sink sink = {row_seal, c};
    row_write(c, &b);
    c->err = (struct err){0};
    c->settings = arena_alloc(c->a, c->t->size);
    assert_non_null(c->settings);
    assert_int_equal(json_parse(buf_str(&b), &j, NULL), RC_OK);
    return schema_decode(c->t->fields, j, NULL, &sink, c->a, c->settings, &c->err);
}

static void row_accepted(struct row_case *c, size_t i, const char *why)
{
    if (row_decode(c) != RC_OK)
        ROW_FAIL(c, i, "%s: refused %s: %s", why, c->err.field, c->err.en);
}

/* Refused in both languages, by the name of field i, in the words a person knows it by. */
static void row_refused(struct row_case *c, size_t i, const char *why)
{
    const struct field *f = &c->t->fields[i];
    if (row_decode(c) == RC_OK)
        ROW_FAIL(c, i, "%s: accepted", why);
    if (c->err.rc != RC_INPUT || c->err.blame != BLAME_INPUT || strcmp(c->err.field, f->name) != 0)
        ROW_FAIL(c, i, "%s: refused for %s: %s", why, c->err.field, c->err.en);
    if (!strstr(c->err.en, f->label.en) || !strstr(c->err.ja, f->label.ja))
        ROW_FAIL(c, i, "%s: the label is not in: %s / %s", why, c->err.en, c->err.ja);
}

/* Not every test needs every part. */
static inline void rows_unused(void)
{
    (void)rows_load, (void)row_case_cleanup, (void)row_begin, (void)row_want, (void)row_accepted;
    (void)row_refused, (void)entries, (void)rig_unused;
}

#endif
