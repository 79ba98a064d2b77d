/*
 * The contract of every settings table in the registry: what is missing, unknown, out of limits or
 * of the wrong kind is refused by name; conditions hold; defaults, words and documents are there in
 * both languages; a secret is in no output; no allocation's failure does harm.
 */
#include "contract/rows.h"

#define MARK "M4RK-plainly-visible-secret"

static void test_registry_stands(void **state)
{
    (void)state;
    struct err err = {0};
    if (registry_check(&err) != RC_OK)
        fail_msg("%s", err.en);
    assert_true(row_table_count >= 8);
}

static void test_empty_names_the_first_missing(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        AUTO(row_case) struct row_case c = row_begin(t);
        size_t first = t->n;
        EACH_FIELD(t, i)
        {
            c.given[i] = "";
            bool needed = (t->fields[i].flags & FIELD_REQUIRED) && !t->fields[i].dflt;
            if (first == t->n && needed && row_active(&c, i))
                first = i;
        }
        if (first == t->n)
            row_accepted(&c, first, "nothing is required, nothing was given");
        else
            row_refused(&c, first, "nothing was given");
    }
}

static void test_each_missing_one_is_named(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        AUTO(row_case) struct row_case c = row_begin(t);
        row_want(&c, i);
        row_accepted(&c, i, "what is required, and the choices it needs");
        if (!(t->fields[i].flags & FIELD_REQUIRED) || t->fields[i].dflt)
            continue;
        c.given[i] = "";
        row_refused(&c, i, "left out");
        c.given[i] = "null";
        row_refused(&c, i, "null");
    }
}

static void test_unknown_key_is_refused(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        AUTO(row_case) struct row_case c = row_begin(t);
        c.more = "no_such_setting";
        assert_int_equal(row_decode(&c), RC_INPUT);
        assert_string_equal(c.err.field, "no_such_setting");
        assert_non_null(strstr(c.err.en, "no_such_setting"));
        assert_non_null(strstr(c.err.ja, "no_such_setting"));
    }
}

/* The limits the form shows are the ones that hold. */
static struct json *described(const struct table *t, const char *lang)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    struct json *j = NULL;
    schema_describe(t->fields, lang, &w);
    assert_int_equal(json_parse(buf_str(&b), &j, NULL), RC_OK);
    assert_int_equal(json_len(json_get(j, "fields")), t->n);
    return j;
}

static bool is_number(const struct field *f)
{
    return f->type == FIELD_T_INT || f->type == FIELD_T_SECS || f->type == FIELD_T_BYTES ||
           f->type == FIELD_T_PORT;
}

static const char *value_of_size(const struct field *f, struct arena *a, int64_t n)
{
    if (is_number(f))
        return arena_printf(a, "%lld", (long long)n);
    if (f->type == FIELD_T_LIST)
        return entries(f, a, (size_t)n);
    char *s = text_of(f, a, (size_t)n);
    return s ? quoted(a, s) : NULL;
}

static void try_size(struct row_case *c, size_t i, int64_t n, bool good)
{
    char why[64];
    c->given[i] = value_of_size(&c->t->fields[i], c->a, n);
    if (!c->given[i])
        return;
    snprintf(why, sizeof why, "size or value %lld", (long long)n);
    if (good)
        row_accepted(c, i, why);
    else
        row_refused(c, i, why);
}

static void test_limits_hold_at_the_edge(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        AUTO(json) struct json *doc = described(t, "en");
        EACH_FIELD(t, i)
        {
            int64_t min, max;
            const struct json *d = json_at(json_get(doc, "fields"), i);
            AUTO(row_case) struct row_case c = row_begin(t);
            row_want(&c, i);
            if (json_get_i64(d, "max", &max)) {
                try_size(&c, i, max, true);
                try_size(&c, i, max + 1, false);
            }
            if (!json_get_i64(d, "min", &min))
                continue;
            bool number = is_number(&t->fields[i]);
            if (number || min > 0)
                try_size(&c, i, min, true);
            if (number || min > 1) /* an empty text counts as absent */
                try_size(&c, i, min - 1, false);
        }
    }
}

/* Each kind of value with what it must not take. */
static const char *const wrong_values[][8] = {
    [FIELD_T_STR] = {"1", "true", "[]", "{}", "\"a\\nb\"", "\"a\\u0000b\"", "\"\\u0085\""},
    [FIELD_T_TEXT] = {"1", "true", "[\"a\"]", "{\"a\":1}", "\"\\u001b[31m\"", "\"\\u0000\""},
    [FIELD_T_SECRET] = {"1", "true", "[\"a\"]", "{\"sealed\":\"c2VhbGVk\"}", "{\"set\":1}",
                        "\"a\\u0007b-aaaaaaaaaaaaaaaaa\""},
    [FIELD_T_INT] = {"\"1\"", "1.5", "true", "[1]", "{}"},
    [FIELD_T_BOOL] = {"\"true\"", "1", "0", "[true]", "{}"},
    [FIELD_T_ENUM] = {"1", "true", "\"no-such-choice\"", "[]", "{}"},
    [FIELD_T_SECS] = {"\"5x\"", "\"-1s\"", "1.5", "true", "\"s\"", "\"1d1h\"", "-1"},
    [FIELD_T_BYTES] = {"\"5x\"", "\"-1k\"", "1.5", "true", "\"k\"", "-1"},
    [FIELD_T_HOST] = {"1", "\"https://a.test\"", "\"a.test:443\"", "\"a b\"", "\"-a.test\"",
                      "\"a..b\"", "\"a/b\""},
    [FIELD_T_PORT] = {"\"443\"", "0", "-1", "1.5", "true"},
    [FIELD_T_URL] = {"1", "\"a.test\"", "\"ftp://a.test/\"", "\"https://u:p@a.test/\"",
                     "\"https://a.test/ b\"", "\"https://a.test/#f\"", "\"https://\""},
    [FIELD_T_PATH] = {"1", "\"a/b\"", "\"/a/../b\"", "\"/a/./b\"", "\"/a\\nb\"", "\"~/a\""},
    [FIELD_T_LIST] = {"\"a\"", "1", "{}", "[1]", "[\"\"]", "[\"a\\nb\"]", "[[\"a\"]]"},
    [FIELD_T_REF] = {"1", "true", "[]", "\"a\\nb\""},
};

static void test_wrong_kinds_are_refused(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        AUTO(row_case) struct row_case c = row_begin(t);
        row_want(&c, i);
        const char *const *v = wrong_values[t->fields[i].type];
        assert_non_null(v[0]); /* a new type of field needs a line above */
        for (; *v; v++) {
            c.given[i] = *v;
            row_refused(&c, i, *v);
        }
    }
}

static void test_every_choice_is_taken(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        const struct field *f = &t->fields[i];
        for (const struct field_choice *ch = f->choices; ch && ch->value; ch++) {
            AUTO(row_case) struct row_case c = row_begin(t);
            row_want(&c, i);
            c.pick[i] = ch->value;
            if (f->type == FIELD_T_LIST)
                c.given[i] = arena_printf(c.a, "[%s]", quoted(c.a, ch->value));
            row_accepted(&c, i, ch->value);
            c.given[i] = f->type == FIELD_T_LIST ? "[\"no-such-choice\"]" : "\"no-such-choice\"";
            row_refused(&c, i, "another value");
            assert_non_null(strstr(c.err.en, f->choices[0].value)); /* says what there is */
        }
    }
}

/* Values of the condition's field under which field i does not apply. */
static size_t unfitting(const struct table *t, size_t on, const struct field *f, const char *ret[8])
{
    size_t n = 0;
    const struct field *cond = &t->fields[on];
    static const char *const bools[] = {"true", "false"};
    for (size_t b = 0; cond->type == FIELD_T_BOOL && b < 2; b++)
        if (!condition_has(f, bools[b]))
            ret[n++] = bools[b];
    for (const struct field_choice *ch = cond->choices; ch && ch->value && n < 8; ch++)
        if (!condition_has(f, ch->value))
            ret[n++] = ch->value;
    return n;
}

static void test_conditions_hold(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        const struct field *f = &t->fields[i];
        char value[64];
        const char *other[8];
        if (!f->only_if)
            continue;
        size_t on = condition_of(t, f, value), n = unfitting(t, on, f, other);
        assert_true(n > 0); /* else it is no condition */
        for (size_t k = 0; k < n; k++) {
            AUTO(row_case) struct row_case c = row_begin(t);
            row_want(&c, on);
            c.pick[on] = other[k];
            row_accepted(&c, i, "left out where it does not apply");
            c.given[i] = sample_of_field(f, c.a);
            row_refused(&c, i, "given where it does not apply");
        }
    }
}

static bool japanese(const char *s)
{
    while (*s && !((unsigned char)*s & 0x80))
        s++;
    return *s != 0;
}

static void test_words_in_both_languages(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        assert_true(t->head->name.en[0] && t->head->name.ja[0]);
        assert_false(japanese(t->head->about.en));
        assert_true(japanese(t->head->about.ja));
        EACH_FIELD(t, i)
        {
            const struct field *f = &t->fields[i];
            struct row_case c = {.t = t};
            if (!f->label.en || !f->label.ja || !f->help.en || !f->help.ja)
                ROW_FAIL(&c, i, "label or help is missing");
            if (japanese(f->label.en) || japanese(f->help.en) || !japanese(f->help.ja))
                ROW_FAIL(&c, i, "a text is in the other language");
            for (const struct field_choice *ch = f->choices; ch && ch->value; ch++)
                assert_true(ch->label.en && ch->label.ja);
        }
    }
}

static char *stored(struct row_case *c)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    schema_encode(c->t->fields, c->settings, SCHEMA_STORED, &w);
    assert_int_equal(b.bad, RC_OK);
    return arena_strdup(c->a, buf_cstr(&b));
}

static void test_defaults_are_what_is_meant(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        const struct field *f = &t->fields[i];
        AUTO(buf) struct buf b = BUF(4096);
        struct json_writer w = JSON_WRITER(&b);
        AUTO(row_case) struct row_case c = row_begin(t);
        if (!f->dflt)
            continue;
        row_want(&c, i);
        row_accepted(&c, i, "left to the default");
        const char *left = stored(&c);
        assert_int_equal(schema_text(f, str_from(f->dflt), &w, NULL), RC_OK);
        c.given[i] = buf_cstr(&b);
        row_accepted(&c, i, "the default, said");
        assert_string_equal(stored(&c), left);
    }
}

/* Everything that applies beside field i is given. */
static void give_all(struct row_case *c, size_t i)
{
    row_want(c, i);
    EACH_FIELD(c->t, k)
    if (!c->pick[k] && row_active(c, k))
        c->given[k] = sample_of_field(&c->t->fields[k], c->a);
}

static void test_what_is_stored_comes_back(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        AUTO(row_case) struct row_case c = row_begin(t);
        AUTO(json) struct json *j = NULL;
        give_all(&c, i);
        row_accepted(&c, i, "everything that applies");
        const char *once = stored(&c);
        assert_int_equal(json_parse(str_from(once), &j, NULL), RC_OK);
        assert_int_equal(schema_decode(t->fields, j, NULL, NULL, c.a, c.settings, &c.err), RC_OK);
        assert_string_equal(stored(&c), once);
    }
}

static void assert_absent(const struct row_case *c, size_t i, const char *text, const char *where)
{
    if (strstr(text, "M4RK"))
        ROW_FAIL(c, i, "the secret is in the %s", where);
}

static void assert_err_clean(const struct row_case *c, size_t i)
{
    char text[4096];
    for (int ja = 0; ja < 2; ja++) {
        err_text(&c->err, ja ? "ja" : "en", text, sizeof text);
        assert_absent(c, i, text, "error");
    }
    AUTO(buf) struct buf b = BUF(1 << 16);
    struct json_writer w = JSON_WRITER(&b);
    jw_err(&w, &c->err);
    assert_absent(c, i, buf_cstr(&b), "error's JSON");
}

static void seen_by_nobody(struct row_case *c, size_t i)
{
    const char *name = c->t->fields[i].name, *kept = stored(c);
    AUTO(buf) struct buf b = BUF(1 << 20);
    AUTO(json) struct json *j = NULL;
    struct json_writer w = JSON_WRITER(&b);
    assert_absent(c, i, kept, "stored form");
    assert_non_null(strstr(kept, "c2VhbGVk"));
    schema_encode(c->t->fields, c->settings, SCHEMA_MASKED, &w);
    assert_absent(c, i, buf_cstr(&b), "view");
    assert_null(strstr(buf_cstr(&b), "c2VhbGVk")); /* nor the sealed text */
    assert_int_equal(json_parse(buf_str(&b), &j, NULL), RC_OK);
    assert_true(json_bool_or(json_get(j, name), "set", false));
}

static void test_secrets_are_seen_by_nobody(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        const struct field *f = &t->fields[i];
        if (f->type != FIELD_T_SECRET)
            continue;
        AUTO(row_case) struct row_case c = row_begin(t);
        give_all(&c, i);
        c.given[i] = quoted(c.a, MARK);
        c.sealed = 0;
        row_accepted(&c, i, "a secret");
        assert_true(c.sealed >= 1);
        seen_by_nobody(&c, i);

        AUTO(json) struct json *doc = described(t, "en");
        int64_t max = json_i64_or(json_at(json_get(doc, "fields"), i), "max", 0);
        char *far = arena_printf(c.a, "\"%0*d" MARK "\"", (int)max, 0);
        const char *const bad[] = {far, "\"\\u0007" MARK "\"", "[\"" MARK "\"]",
                                   "{\"clear\":\"" MARK "\"}", "{\"sealed\":\"" MARK "\"}"};
        for (size_t k = 0; k < COUNT_OF(bad); k++) {
            c.given[i] = bad[k];
            row_refused(&c, i, "a secret of the wrong form");
            assert_err_clean(&c, i);
        }
        c.given[i] = quoted(c.a, MARK);
        c.more = "no_such_setting";
        assert_int_equal(row_decode(&c), RC_INPUT);
        assert_err_clean(&c, i);
    }
}

/* Without a vault beside it a clear secret is refused, and a change keeps what is not said. */
static void test_secrets_are_kept_and_cleared(void **state)
{
    (void)state;
    EACH_TABLE(t)
    EACH_FIELD(t, i)
    {
        const struct field *f = &t->fields[i];
        if (f->type != FIELD_T_SECRET)
            continue;
        AUTO(row_case) struct row_case c = row_begin(t);
        AUTO(buf) struct buf b = BUF(1 << 20);
        AUTO(json) struct json *before = NULL, *now = NULL, *clear = NULL;
        struct secret_sink sink = {row_seal, &c};
        row_want(&c, i);
        c.given[i] = quoted(c.a, MARK);
        row_write(&c, &b);
        assert_int_equal(json_parse(buf_str(&b), &clear, NULL), RC_OK);
        assert_int_equal(schema_decode(t->fields, clear, NULL, NULL, c.a, c.settings, &c.err),
                         RC_INPUT);
        assert_err_clean(&c, i);
        row_accepted(&c, i, "a secret");
        const char *kept = stored(&c);
        assert_int_equal(json_parse(str_from(kept), &before, NULL), RC_OK);

        c.given[i] = "";
        buf_clear(&b);
        row_write(&c, &b);
        assert_int_equal(json_parse(buf_str(&b), &now, NULL), RC_OK);
        assert_int_equal(schema_decode(t->fields, now, before, &sink, c.a, c.settings, &c.err),
                         RC_OK);
        assert_string_equal(stored(&c), kept);
    }
}

static void test_documents_name_every_field(void **state)
{
    (void)state;
    static const char *const langs[] = {"en", "ja"};
    EACH_TABLE(t)
    for (size_t l = 0; l < 2; l++) {
        AUTO(buf) struct buf schema = BUF(1 << 20);
        AUTO(buf) struct buf manual = BUF(1 << 20);
        AUTO(json) struct json *doc = described(t, langs[l]), *j = NULL;
        struct json_writer w = JSON_WRITER(&schema);
        schema_json_schema(t->fields, &w);
        assert_int_equal(json_parse(buf_str(&schema), &j, NULL), RC_OK);
        assert_int_equal(json_len(json_get(j, "properties")), t->n);
        schema_markdown(t->fields, langs[l], &manual);
        assert_int_equal(manual.bad, RC_OK);
        EACH_FIELD(t, i)
        {
            const struct field *f = &t->fields[i];
            const struct json *d = json_at(json_get(doc, "fields"), i);
            char row[64];
            assert_string_equal(json_str_or(d, "label", ""), l ? f->label.ja : f->label.en);
            assert_non_null(json_get(json_get(j, "properties"), f->name));
            snprintf(row, sizeof row, "| `%s` |", f->name);
            assert_non_null(strstr(buf_cstr(&manual), row));
        }
    }
}

/* One round of everything a table is used for; nothing in it may allocate without asking. */
static enum rc whole_round(const struct table *t, const struct json *in, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct row_case sealer = {.t = t};
    struct secret_sink sink = {row_seal, &sealer};
    struct json_writer w = JSON_WRITER(&b);
    void *s = a ? arena_alloc(a, t->size) : NULL;
    if (!s)
        return NOMEM(err);
    TRY(schema_decode(t->fields, in, NULL, &sink, a, s, err));
    jw_array(&w);
    schema_encode(t->fields, s, SCHEMA_STORED, &w);
    schema_encode(t->fields, s, SCHEMA_MASKED, &w);
    jw_end_array(&w);
    TRY(buf_ok(&b, err));
    schema_markdown(t->fields, "ja", &b);
    return buf_ok(&b, err);
}

static void test_out_of_memory_anywhere(void **state)
{
    (void)state;
    EACH_TABLE(t)
    {
        AUTO(row_case) struct row_case c = row_begin(t);
        AUTO(buf) struct buf b = BUF(1 << 20);
        AUTO(json) struct json *j = NULL;
        if (t->n)
            give_all(&c, t->n - 1);
        row_write(&c, &b);
        assert_int_equal(json_parse(buf_str(&b), &j, NULL), RC_OK);
        long before = mem_count();
        assert_int_equal(whole_round(t, j, &c.err), RC_OK);
        long n = mem_count() - before;
        assert_true(n > 1);
        for (long i = 1; i <= n; i++)
            for (int ever = 0; ever < 2; ever++) {
                c.err = (struct err){0};
                mem_fail_after(i, ever);
                enum rc rc = whole_round(t, j, &c.err);
                mem_fail_after(0, false);
                if (rc != RC_NOMEM)
                    fail_msg("%s: allocation %ld of %ld: %s", t->head->id, i, n, rc_name(rc));
                assert_int_equal(c.err.rc, RC_NOMEM);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_stands),
        cmocka_unit_test(test_empty_names_the_first_missing),
        cmocka_unit_test(test_each_missing_one_is_named),
        cmocka_unit_test(test_unknown_key_is_refused),
        cmocka_unit_test(test_limits_hold_at_the_edge),
        cmocka_unit_test(test_wrong_kinds_are_refused),
        cmocka_unit_test(test_every_choice_is_taken),
        cmocka_unit_test(test_conditions_hold),
        cmocka_unit_test(test_words_in_both_languages),
        cmocka_unit_test(test_defaults_are_what_is_meant),
        cmocka_unit_test(test_what_is_stored_comes_back),
        cmocka_unit_test(test_secrets_are_seen_by_nobody),
        cmocka_unit_test(test_secrets_are_kept_and_cleared),
        cmocka_unit_test(test_documents_name_every_field),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, rows_load, NULL);
}
