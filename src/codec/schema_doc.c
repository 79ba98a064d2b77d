/*
 * What people and programs read about a field table: forms (JSON in one language), JSON Schema for
 * OpenAPI, and the reference manual. All from the same rows that decode, so they cannot differ.
 */
#include <string.h>

#include "codec/schema_priv.h"

static void write_text_value(const struct field *f, const char *text, struct json_writer *w)
{
    if (!text || schema_text(f, str_from(text), w, NULL) != RC_OK)
        jw_null(w);
}

static void write_values(struct str values, struct json_writer *w)
{
    struct str one;
    jw_array(w);
    while (str_split(&values, '|', &one))
        jw_strn(w, one);
    jw_end_array(w);
}

static void describe_condition(const struct field *fields, const struct field *f,
                               struct json_writer *w)
{
    struct str values = STR_NONE;
    const struct field *c = f->only_if ? field_condition(fields, f, &values) : NULL;
    jw_key(w, "only_if");
    if (!c) {
        jw_null(w);
        return;
    }
    jw_object(w);
    jw_kstr(w, "field", c->name);
    jw_key(w, "values");
    write_values(values, w);
    jw_end_object(w);
}

static void describe_limits(const struct field *f, struct json_writer *w)
{
    int64_t min, max;
    field_limits(f, &min, &max);
    bool none = kind_of(f) == KIND_BOOL || f->type == FIELD_T_ENUM;
    jw_key(w, "min");
    if (none || min == INT64_MIN)
        jw_null(w);
    else
        jw_i64(w, min);
    jw_key(w, "max");
    if (none || max == INT64_MAX)
        jw_null(w);
    else
        jw_i64(w, max);
}

static void describe_choices(const struct field *f, const char *lang, struct json_writer *w)
{
    jw_key(w, "choices");
    if (!f->choices) {
        jw_null(w);
        return;
    }
    jw_array(w);
    for (const struct field_choice *c = f->choices; c->value; c++) {
        jw_object(w);
        jw_kstr(w, "value", c->value);
        jw_kstr(w, "label", l10n_pick(c->label, lang));
        jw_end_object(w);
    }
    jw_end_array(w);
}

void schema_describe(const struct field *fields, const char *lang, struct json_writer *w)
{
    jw_object(w);
    jw_key(w, "fields");
    jw_array(w);
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        jw_object(w);
        jw_kstr(w, "name", f->name);
        jw_kstr(w, "type", field_type_name(f->type));
        jw_kbool(w, "required", (f->flags & FIELD_REQUIRED) != 0);
        jw_kbool(w, "advanced", (f->flags & FIELD_ADVANCED) != 0);
        jw_kbool(w, "immutable", (f->flags & FIELD_IMMUTABLE) != 0);
        jw_kbool(w, "multiline", (f->flags & FIELD_MULTILINE) || f->type == FIELD_T_TEXT);
        jw_kbool(w, "http", (f->flags & FIELD_HTTP) != 0);
        jw_key(w, "default");
        write_text_value(f, f->dflt, w);
        describe_limits(f, w);
        describe_choices(f, lang, w);
        jw_kstr(w, "ref_kind", f->ref_kind);
        describe_condition(fields, f, w);
        jw_kstr(w, "label", l10n_pick(f->label, lang));
        jw_kstr(w, "help", l10n_pick(f->help, lang));
        jw_kstr(w, "example", f->example);
        jw_end_object(w);
    }
    jw_end_array(w);
    jw_end_object(w);
}

static void json_limits(const struct field *f, const char *min_key, const char *max_key,
                        struct json_writer *w)
{
    int64_t min, max;
    field_limits(f, &min, &max);
    if (min != INT64_MIN && (min != 0 || kind_of(f) == KIND_INT))
        jw_ki64(w, min_key, min);
    if (max != INT64_MAX)
        jw_ki64(w, max_key, max);
}

static void json_enum(const struct field *f, struct json_writer *w)
{
    if (!f->choices)
        return;
    jw_key(w, "enum");
    jw_array(w);
    for (const struct field_choice *c = f->choices; c->value; c++)
        jw_str(w, c->value);
    jw_end_array(w);
}

/* {"type": [a, b]}; b may be NULL. */
static void json_type(const char *a, const char *b, struct json_writer *w)
{
    jw_key(w, "type");
    if (!b) {
        jw_str(w, a);
        return;
    }
    jw_array(w);
    jw_str(w, a);
    jw_str(w, b);
    jw_end_array(w);
}

static void json_int(const struct field *f, struct json_writer *w)
{
    bool secs = f->type == FIELD_T_SECS, text = secs || f->type == FIELD_T_BYTES;
    json_type("integer", text ? "string" : NULL, w);
    if (text)
        jw_kstr(w, "pattern", secs ? "^[0-9]+[smhd]?$" : "^[0-9]+[kmgKMG]?$");
    json_limits(f, "minimum", "maximum", w);
}

static void json_list(const struct field *f, struct json_writer *w)
{
    json_type("array", NULL, w);
    json_limits(f, "minItems", "maxItems", w);
    jw_key(w, "items");
    jw_object(w);
    json_type("string", NULL, w);
    json_enum(f, w);
    jw_end_object(w);
}

static void json_property(const struct field *f, struct json_writer *w)
{
    jw_key(w, f->name);
    jw_object(w);
    switch (kind_of(f)) {
    case KIND_BOOL:
        json_type("boolean", NULL, w);
        break;
    case KIND_INT:
        json_int(f, w);
        break;
    case KIND_LIST:
        json_list(f, w);
        break;
    case KIND_SECRET: /* given as text, shown as {"set": bool} */
        json_type("string", "object", w);
        break;
    case KIND_STRING:
        json_type("string", NULL, w);
        json_enum(f, w);
        if (!f->choices)
            json_limits(f, "minLength", "maxLength", w);
        if (f->type == FIELD_T_URL)
            jw_kstr(w, "format", "uri");
        break;
    }
    jw_kstr(w, "title", f->label.en);
    jw_kstr(w, "x-title-ja", f->label.ja);
    if (f->help.en)
        jw_kstr(w, "description", f->help.en);
    if (f->help.ja)
        jw_kstr(w, "x-description-ja", f->help.ja);
    if (f->dflt) {
        jw_key(w, "default");
        write_text_value(f, f->dflt, w);
    }
    jw_end_object(w);
}

static bool is_demanded(const struct field *f, bool conditional)
{
    return (f->flags & FIELD_REQUIRED) && !f->dflt && (f->only_if != NULL) == conditional;
}

static void json_names(const char *key, const char *name, struct json_writer *w)
{
    jw_key(w, key);
    jw_array(w);
    jw_str(w, name);
    jw_end_array(w);
}

/* {"if": condition, "then": {"required": [f]}}. An absent condition field has its default. */
static void json_when(const struct field *fields, const struct field *f, struct json_writer *w)
{
    struct str values;
    const struct field *c = field_condition(fields, f, &values);
    if (!c)
        return;
    jw_object(w);
    jw_key(w, "if");
    jw_object(w);
    jw_key(w, "properties");
    jw_object(w);
    jw_key(w, c->name);
    jw_object(w);
    jw_key(w, "enum");
    if (c->type == FIELD_T_BOOL) {
        jw_array(w);
        if (values_have(values, STR("true")))
            jw_bool(w, true);
        if (values_have(values, STR("false")))
            jw_bool(w, false);
        jw_end_array(w);
    } else {
        write_values(values, w);
    }
    jw_end_object(w);
    jw_end_object(w);
    if (!c->dflt || !values_have(values, str_from(c->dflt)))
        json_names("required", c->name, w);
    jw_end_object(w);
    jw_key(w, "then");
    jw_object(w);
    json_names("required", f->name, w);
    jw_end_object(w);
    jw_end_object(w);
}

void schema_json_schema(const struct field *fields, struct json_writer *w)
{
    bool conditional = false;
    jw_object(w);
    json_type("object", NULL, w);
    jw_kbool(w, "additionalProperties", false);
    jw_key(w, "properties");
    jw_object(w);
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        json_property(f, w);
        conditional = conditional || is_demanded(f, true);
    }
    jw_end_object(w);
    jw_key(w, "required");
    jw_array(w);
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        if (is_demanded(f, false))
            jw_str(w, f->name);
    jw_end_array(w);
    if (conditional) {
        jw_key(w, "allOf");
        jw_array(w);
        for (const struct field *f = fields; f->type != FIELD_T_END; f++)
            if (is_demanded(f, true))
                json_when(fields, f, w);
        jw_end_array(w);
    }
    jw_end_object(w);
}

/* A table cell: what would end the cell or start markup is escaped, lines are joined. */
static void cell(struct buf *out, const char *s)
{
    for (; s && *s; s++) {
        if (strchr("|\\<`*_[", *s))
            buf_addc(out, '\\');
        buf_addc(out, *s == '\n' || *s == '\r' ? ' ' : *s);
    }
}

/* Text that is typed as it stands; a backtick would end it. */
static void code(struct buf *out, const char *s)
{
    buf_addc(out, '`');
    for (; *s; s++) {
        if (*s == '|')
            buf_addc(out, '\\');
        buf_addc(out, *s == '\n' || *s == '`' ? ' ' : *s);
    }
    buf_addc(out, '`');
}

static void markdown_range(const struct field *f, bool ja, struct buf *out)
{
    if (f->min == 0 && f->max == 0)
        return;
    int64_t min, max;
    field_limits(f, &min, &max);
    const char *what = kind_of(f) == KIND_INT    ? (ja ? "範囲" : "Range")
                       : kind_of(f) == KIND_LIST ? (ja ? "個数" : "Entries")
                                                 : (ja ? "長さ" : "Length");
    buf_adds(out, " ");
    buf_adds(out, what);
    buf_adds(out, ": ");
    buf_adds(out, NUM(min));
    buf_adds(out, " - ");
    buf_adds(out, NUM(max));
    buf_adds(out, ja ? "。" : ".");
}

static void markdown_choices(const struct field *f, const char *lang, struct buf *out)
{
    for (const struct field_choice *c = f->choices; c && c->value; c++) {
        buf_adds(out, c == f->choices ? " " : ", ");
        code(out, c->value);
        buf_adds(out, " ");
        cell(out, l10n_pick(c->label, lang));
    }
    if (f->choices)
        buf_adds(out, lang && strcmp(lang, "ja") == 0 ? "。" : ".");
}

static void markdown_note(struct buf *out, const char *before, const char *value, const char *after)
{
    if (!value)
        return;
    buf_adds(out, before);
    code(out, value);
    buf_adds(out, after);
}

static void markdown_row(const struct field *f, const char *lang, struct buf *out)
{
    bool ja = lang && strcmp(lang, "ja") == 0;
    const char *dot = ja ? "。" : ".";
    buf_adds(out, "| ");
    code(out, f->name);
    buf_adds(out, " | ");
    buf_adds(out, field_type_name(f->type));
    buf_adds(out, " | ");
    if (f->dflt)
        code(out, f->dflt);
    else if (f->flags & FIELD_REQUIRED)
        buf_adds(out, ja ? "必須" : "required");
    buf_adds(out, " | **");
    cell(out, l10n_pick(f->label, lang));
    buf_adds(out, "** ");
    cell(out, l10n_pick(f->help, lang));
    markdown_choices(f, lang, out);
    markdown_range(f, ja, out);
    markdown_note(out, ja ? " 条件: " : " Only if ", f->only_if, dot);
    markdown_note(out, ja ? " 例: " : " Example: ", f->type == FIELD_T_SECRET ? NULL : f->example,
                  dot);
    if (f->flags & FIELD_IMMUTABLE)
        buf_adds(out, ja ? " 作成後は変更できません。" : " Cannot be changed after creation.");
    buf_adds(out, " |\n");
}

void schema_markdown(const struct field *fields, const char *lang, struct buf *out)
{
    bool ja = lang && strcmp(lang, "ja") == 0;
    buf_adds(out, ja ? "| 設定 | 型 | 必須・既定値 | 説明 |\n"
                     : "| Setting | Type | Required or default | Meaning |\n");
    buf_adds(out, "|---|---|---|---|\n");
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        markdown_row(f, lang, out);
}
