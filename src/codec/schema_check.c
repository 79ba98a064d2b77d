/*
 * The start-up check of field tables: a mistake in a table stops the program before it does harm,
 * naming the owner and the field. Whoever writes a connector meets this first.
 */
#include <string.h>

#include "codec/schema_priv.h"

enum { NAME_MAX_ = 40 };

#define TABLE_FAULT(id_, en_, ja_)                                                                 \
    MSG("codec.table_" id_, "field table {0}, field {1}: " en_, "設定表 {0} の項目 {1}: " ja_)

static enum rc fault(struct err *err, const char *owner, const struct field *f, const struct msg *m)
{
    const char *name = f->name ? f->name : "?";
    enum rc rc = FAIL(err, RC_INTERNAL, BLAME_US, m, owner, name);
    err_field(err, name);
    return rc;
}

static bool is_snake(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    return n > 0 && n <= NAME_MAX_ && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static bool has_both(struct l10n t)
{
    return t.en && t.en[0] && t.ja && t.ja[0];
}

static bool has_neither(struct l10n t)
{
    return !t.en && !t.ja;
}

static enum rc check_words(const char *owner, const struct field *f, struct err *err)
{
    if (!is_snake(f->name))
        return fault(err, owner, f,
                     TABLE_FAULT("name", "the name is not snake_case of at most 40 characters",
                                 "名前が 40 文字以内の snake_case ではありません"));
    if ((unsigned)f->type > FIELD_T_REF)
        return fault(err, owner, f, TABLE_FAULT("type", "unknown type", "型が不明です"));
    if (!has_both(f->label))
        return fault(err, owner, f,
                     TABLE_FAULT("label", "the label is missing in English or Japanese",
                                 "ラベルが英語または日本語で欠けています"));
    if (!has_both(f->help) && !has_neither(f->help))
        return fault(err, owner, f,
                     TABLE_FAULT("help", "the help text is missing in one language",
                                 "説明が片方の言語で欠けています"));
    return RC_OK;
}

static enum rc check_unique(const char *owner, const struct field *fields, const struct field *f,
                            struct err *err)
{
    for (const struct field *g = fields; g != f; g++)
        if (strcmp(f->name, g->name) == 0 || f->offset == g->offset)
            return fault(err, owner, f,
                         TABLE_FAULT("twice", "the name or the member is used twice",
                                     "名前またはメンバーが二度使われています"));
    return RC_OK;
}

static enum rc check_choices(const char *owner, const struct field *f, struct err *err)
{
    size_t n = 0;
    for (const struct field_choice *c = f->choices; c && c->value; c++, n++) {
        bool fits = c->value[0] && !strpbrk(c->value, "|,=") && has_both(c->label);
        for (const struct field_choice *b = f->choices; b != c; b++)
            fits = fits && strcmp(b->value, c->value) != 0;
        if (!fits)
            return fault(
                err, owner, f,
                TABLE_FAULT("choice", "a choice is empty, double, holds \"|,=\" or lacks a label",
                            "選択肢が空か重複しているか「|,=」を含むかラベルがありません"));
    }
    bool wanted = f->type == FIELD_T_ENUM, allowed = wanted || f->type == FIELD_T_LIST;
    if ((wanted && n == 0) || (!allowed && f->choices))
        return fault(err, owner, f,
                     TABLE_FAULT("choices", "choices belong to an enum (at least one) or a list",
                                 "選択肢は enum (一つ以上) または list だけに付けられます"));
    return RC_OK;
}

static enum rc check_limits(const char *owner, const struct field *f, struct err *err)
{
    int64_t min, max;
    field_limits(f, &min, &max);
    bool length = kind_of(f) == KIND_STRING || kind_of(f) == KIND_SECRET || kind_of(f) == KIND_LIST;
    if (min > max || (length && min < 0))
        return fault(err, owner, f,
                     TABLE_FAULT("limits", "the limits contradict each other",
                                 "上限と下限が矛盾しています"));
    if (((f->flags & FIELD_HTTP) && f->type != FIELD_T_URL) ||
        ((f->flags & FIELD_MULTILINE) && f->type != FIELD_T_SECRET))
        return fault(err, owner, f,
                     TABLE_FAULT("flags", "a flag does not belong to the type",
                                 "型に合わないフラグがあります"));
    static const char *const kinds[] = {"ca", "target", "notifier", "cert", "dns"};
    bool known = false;
    for (size_t i = 0; f->ref_kind && i < COUNT_OF(kinds); i++)
        known = known || strcmp(f->ref_kind, kinds[i]) == 0;
    if ((f->type == FIELD_T_REF) != known)
        return fault(err, owner, f,
                     TABLE_FAULT("ref", "ref_kind must be set for a reference, and only there",
                                 "ref_kind は reference だけに必要です"));
    return RC_OK;
}

static enum rc check_text(const char *owner, const struct field *f, const char *text,
                          const struct msg *m, struct err *err)
{
    struct str_list value = {NULL, 0};
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    enum rc rc = text ? field_from_text(f, str_from(text), a, &value, NULL) : RC_OK;
    return rc == RC_INPUT ? fault(err, owner, f, m) : rc == RC_OK ? RC_OK : NOMEM(err);
}

static enum rc check_texts(const char *owner, const struct field *f, struct err *err)
{
    const struct msg *bad_default =
        TABLE_FAULT("default", "the default is not a valid value (a secret has none)",
                    "既定値が正しい値ではありません (secret に既定値はありません)");
    const struct msg *bad_example =
        TABLE_FAULT("example", "the example is not a valid value", "例が正しい値ではありません");
    TRY(check_text(owner, f, f->dflt, bad_default, err));
    if (f->type == FIELD_T_SECRET)
        return RC_OK;
    return check_text(owner, f, f->example, bad_example, err);
}

static enum rc check_condition(const char *owner, const struct field *fields, const struct field *f,
                               struct err *err)
{
    const struct msg *m = TABLE_FAULT(
        "only_if", "only_if must be \"name=value|value\" of an enum or bool earlier in the table",
        "only_if は前にある enum か bool の「name=value|value」でなければなりません");
    struct str values, one;
    if (!f->only_if)
        return RC_OK;
    const struct field *c = field_condition(fields, f, &values);
    if (!c || !values.p || values.n == 0 || (c->type != FIELD_T_ENUM && c->type != FIELD_T_BOOL))
        return fault(err, owner, f, m);
    while (str_split(&values, '|', &one)) {
        bool known = c->type == FIELD_T_BOOL ? str_eqs(one, "true") || str_eqs(one, "false")
                                             : field_has_choice(c, one);
        if (!known)
            return fault(err, owner, f, m);
    }
    return RC_OK;
}

enum rc schema_check(const char *owner, const struct field *fields, struct err *err)
{
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        TRY(check_words(owner, f, err));
        TRY(check_unique(owner, fields, f, err));
        TRY(check_choices(owner, f, err));
        TRY(check_limits(owner, f, err));
        TRY(check_texts(owner, f, err));
        TRY(check_condition(owner, fields, f, err));
    }
    return RC_OK;
}
