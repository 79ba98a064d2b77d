/*
 * Field tables: JSON object <-> struct.
 *
 * Invariants: the caller's struct changes only when everything was accepted; a clear-text secret
 * goes to the sink and nowhere else; a field whose only_if does not hold is never set.
 */
#include "codec/schema.h"

#include <string.h>

#include "codec/schema_priv.h"

struct decoder {
    const struct field *fields;
    const struct json *in, *before;
    const struct secret_sink *sink;
    struct arena *a;
    char *base; /* scratch with the layout of the caller's struct */
};

const struct field *field_condition(const struct field *fields, const struct field *f,
                                    struct str *ret_values)
{
    struct str rest = str_from(f->only_if), name;
    if (!str_split(&rest, '=', &name))
        return NULL;
    *ret_values = rest;
    for (const struct field *c = fields; c != f; c++)
        if (str_eqs(name, c->name))
            return c;
    return NULL;
}

bool values_have(struct str values, struct str value)
{
    struct str one;
    while (str_split(&values, '|', &one))
        if (str_eq(one, value))
            return true;
    return false;
}

/* Terminates: a condition looks at earlier fields only. */
static bool is_active(const struct field *fields, const struct field *f, const char *base)
{
    struct str values;
    if (!f->only_if)
        return true;
    const struct field *c = field_condition(fields, f, &values);
    if (!c || !is_active(fields, c, base))
        return false;
    if (c->type == FIELD_T_BOOL)
        return values_have(values, *(const bool *)(base + c->offset) ? STR("true") : STR("false"));
    const char *now = *(const char *const *)(base + c->offset);
    return kind_of(c) == KIND_STRING && now && values_have(values, str_from(now));
}

static size_t span(const struct field *fields)
{
    size_t n = 0;
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        if (f->offset + kind_size(kind_of(f)) > n)
            n = f->offset + kind_size(kind_of(f));
    return n;
}

static enum rc refuse_unknown(const struct decoder *d, struct err *err)
{
    const char *key;
    const struct json *value;
    for (void *it = NULL; json_next(d->in, &it, &key, &value);) {
        const struct field *f = d->fields;
        while (f->type != FIELD_T_END && strcmp(f->name, key) != 0)
            f++;
        if (f->type != FIELD_T_END)
            continue;
        enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                          MSG("codec.field_unknown",
                              "there is no setting named \"{0}\" here; check the spelling",
                              "「{0}」という設定項目はありません。綴りを確認してください"),
                          key);
        err_field(err, key);
        return rc;
    }
    return RC_OK;
}

static enum rc list_from_json(const struct decoder *d, const struct field *f, const struct json *v,
                              struct str_list *ret, struct err *err)
{
    if (json_type_of(v) != JSON_ARRAY)
        return field_wrong(err, f);
    size_t n = json_len(v);
    TRY(field_check_count(f, n, err));
    const char **items = arena_array(d->a, n, sizeof *items);
    if (!items)
        return NOMEM(err);
    for (size_t i = 0; i < n; i++) {
        const char *s = json_as_str(json_at(v, i));
        TRY(field_check_item(f, str_from(s), err));
        items[i] = arena_strdup(d->a, s);
        if (!items[i])
            return NOMEM(err);
    }
    *ret = (struct str_list){items, n};
    return RC_OK;
}

static enum rc value_from_json(const struct decoder *d, const struct field *f, const struct json *v,
                               void *member, struct err *err)
{
    int64_t i;
    const char *s = json_as_str(v);
    switch (kind_of(f)) {
    case KIND_BOOL:
        return json_get_bool(v, NULL, member) ? RC_OK : field_wrong(err, f);
    case KIND_LIST:
        return list_from_json(d, f, v, member, err);
    case KIND_INT:
        if (json_get_i64(v, NULL, &i))
            return field_set_int(f, i, member, err);
        if (s && (f->type == FIELD_T_SECS || f->type == FIELD_T_BYTES))
            return field_from_text(f, str_from(s), d->a, member, err);
        break;
    case KIND_STRING:
        if (s)
            return field_from_text(f, str_from(s), d->a, member, err);
        break;
    case KIND_SECRET:
        break;
    }
    return field_wrong(err, f);
}

static enum rc copy_sealed(const struct decoder *d, const char *sealed, struct secret_ref *ret,
                           struct err *err)
{
    if (!sealed)
        return RC_OK;
    ret->sealed = arena_strdup(d->a, sealed);
    return ret->sealed ? RC_OK : NOMEM(err);
}

static enum rc seal_clear(const struct decoder *d, const struct field *f, struct str clear,
                          struct secret_ref *ret, struct err *err)
{
    if (clear.n == 0)
        return RC_OK;
    TRY(field_check_secret(f, clear, err));
    if (!d->sink)
        return field_refuse(err, f,
                            MSG("codec.secret_clear",
                                "{0} must not be given in clear text here; set it through the API",
                                "{1} をここに平文で書くことはできません。API から設定してください"),
                            NULL, NULL);
    enum rc rc = d->sink->put(d->sink->ctx, f->name, clear, d->a, &ret->sealed, err);
    if (rc != RC_OK)
        err_field(err, f->name);
    return rc;
}

static enum rc secret_from_json(const struct decoder *d, const struct field *f,
                                const struct json *v, struct secret_ref *ret, struct err *err)
{
    const char *sealed;
    bool set = v == NULL;
    const struct json *old = json_get(d->before, f->name);

    if (json_type_of(v) == JSON_STRING)
        return seal_clear(d, f, json_as_view(v), ret, err);
    if (json_type_of(v) == JSON_OBJECT && json_len(v) == 1) {
        if (json_get_str(v, "sealed", &sealed) && sealed[0] && !d->sink)
            return copy_sealed(d, sealed, ret, err);
        if (!json_get_bool(v, "set", &set))
            return field_wrong(err, f);
    } else if (json_type_of(v) != JSON_NULL) {
        return field_wrong(err, f);
    }
    return set ? copy_sealed(d, json_str_or(old, "sealed", NULL), ret, err) : RC_OK;
}

/* null and "" mean "not given"; so does an absent key. */
static bool is_given(const struct json *v)
{
    if (json_type_of(v) == JSON_STRING)
        return json_as_view(v).n > 0;
    return json_type_of(v) != JSON_NULL;
}

static bool is_empty(const struct field *f, const void *member)
{
    switch (kind_of(f)) {
    case KIND_STRING:
        return *(const char *const *)member == NULL;
    case KIND_SECRET:
        return ((const struct secret_ref *)member)->sealed == NULL;
    case KIND_LIST:
        return ((const struct str_list *)member)->n == 0;
    case KIND_INT:
    case KIND_BOOL:
        break;
    }
    return false;
}

static enum rc refuse_missing(const struct field *f, struct err *err)
{
    return field_refuse(err, f,
                        MSG("codec.field_missing", "{0} is required", "{1} を入力してください"),
                        NULL, NULL);
}

static bool same_lists(const struct str_list *a, const struct str_list *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->v[i], b->v[i]) == 0;
    return same;
}

static bool same_values(const struct field *f, const void *a, const void *b)
{
    switch (kind_of(f)) {
    case KIND_INT:
        return *(const int64_t *)a == *(const int64_t *)b;
    case KIND_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case KIND_LIST:
        return same_lists(a, b);
    case KIND_STRING:
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    case KIND_SECRET:
        break;
    }
    return true;
}

/* A secret is exempt: that it may be renewed is the point of having it apart. */
static enum rc refuse_change(const struct decoder *d, const struct field *f, const void *member,
                             struct err *err)
{
    struct str_list room = {NULL, 0}; /* the largest kind */
    const struct json *old = json_get(d->before, f->name);

    if (!(f->flags & FIELD_IMMUTABLE) || kind_of(f) == KIND_SECRET || !is_given(old))
        return RC_OK;
    TRY(value_from_json(d, f, old, &room, err));
    if (!same_values(f, member, &room))
        return field_refuse(err, f,
                            MSG("codec.field_immutable",
                                "{0} cannot be changed after creation; make a new one",
                                "{1} は作成後に変更できません。新しく作成してください"),
                            NULL, NULL);
    return RC_OK;
}

static enum rc decode_active(const struct decoder *d, const struct field *f, struct err *err)
{
    void *member = d->base + f->offset;
    const struct json *v = json_get(d->in, f->name);
    const struct json *old = json_get(d->before, f->name);

    if (kind_of(f) == KIND_SECRET) {
        TRY(secret_from_json(d, f, v, member, err));
    } else if (is_given(v)) {
        TRY(value_from_json(d, f, v, member, err));
        TRY(refuse_change(d, f, member, err));
    } else if ((f->flags & FIELD_IMMUTABLE) && is_given(old)) {
        TRY(value_from_json(d, f, old, member, err));
    } else if (f->dflt) {
        TRY(field_from_text(f, str_from(f->dflt), d->a, member, err));
    } else if (f->flags & FIELD_REQUIRED) {
        return refuse_missing(f, err);
    }
    if ((f->flags & FIELD_REQUIRED) && is_empty(f, member))
        return refuse_missing(f, err);
    return RC_OK;
}

/* What may be left in a form for a field that does not apply: nothing, or a masked secret. */
static enum rc refuse_inactive(const struct decoder *d, const struct field *f, struct err *err)
{
    const struct json *v = json_get(d->in, f->name);
    bool masked = kind_of(f) == KIND_SECRET && json_type_of(json_get(v, "set")) == JSON_BOOL;
    if (!is_given(v) || masked || (json_type_of(v) == JSON_ARRAY && json_len(v) == 0))
        return RC_OK;
    return field_refuse(err, f,
                        MSG("codec.field_inactive", "{0} applies only if {2}; leave it out",
                            "{1} は {2} の場合だけ指定できます。外してください"),
                        f->only_if, NULL);
}

enum rc schema_decode(const struct field *fields, const struct json *in, const struct json *before,
                      const struct secret_sink *sink, struct arena *a, void *ret_struct,
                      struct err *err)
{
    struct decoder d = {fields, in, before, sink, a, NULL};

    CHECK(!in || json_type_of(in) == JSON_OBJECT, err, RC_INPUT, BLAME_INPUT,
          MSG("codec.settings_object", "settings must be a JSON object",
              "設定は JSON オブジェクトで指定してください"));
    TRY(refuse_unknown(&d, err));
    d.base = arena_alloc(a, span(fields));
    if (!d.base)
        return NOMEM(err);
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        if (is_active(fields, f, d.base))
            TRY(decode_active(&d, f, err));
        else
            TRY(refuse_inactive(&d, f, err));
    }
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        memcpy((char *)ret_struct + f->offset, d.base + f->offset, kind_size(kind_of(f)));
    return RC_OK;
}

static void encode_list(const struct str_list *l, struct json_writer *w)
{
    jw_array(w);
    for (size_t i = 0; i < l->n; i++)
        jw_str(w, l->v[i]);
    jw_end_array(w);
}

static void encode_secret(const struct secret_ref *s, enum schema_secrets how,
                          struct json_writer *w)
{
    jw_object(w);
    if (how == SCHEMA_STORED)
        jw_kstr(w, "sealed", s->sealed);
    else
        jw_kbool(w, "set", s->sealed != NULL);
    jw_end_object(w);
}

static void encode_field(const struct field *f, const void *member, enum schema_secrets how,
                         struct json_writer *w)
{
    bool masked = kind_of(f) == KIND_SECRET && how == SCHEMA_MASKED;
    if (is_empty(f, member) && kind_of(f) != KIND_LIST && !masked)
        return;
    /* an absent number is 0 in the struct, which its limits may not allow to be given */
    if (kind_of(f) == KIND_INT && *(const int64_t *)member == 0 && !f->dflt &&
        !(f->flags & FIELD_REQUIRED))
        return;
    jw_key(w, f->name);
    switch (kind_of(f)) {
    case KIND_STRING:
        jw_str(w, *(const char *const *)member);
        break;
    case KIND_INT:
        jw_i64(w, *(const int64_t *)member);
        break;
    case KIND_BOOL:
        jw_bool(w, *(const bool *)member);
        break;
    case KIND_LIST:
        encode_list(member, w);
        break;
    case KIND_SECRET:
        encode_secret(member, how, w);
        break;
    }
}

void schema_encode(const struct field *fields, const void *in, enum schema_secrets how,
                   struct json_writer *w)
{
    jw_object(w);
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        if (is_active(fields, f, in))
            encode_field(f, (const char *)in + f->offset, how, w);
    jw_end_object(w);
}

static void encode_text_value(const struct field *f, const void *value, struct json_writer *w)
{
    switch (kind_of(f)) {
    case KIND_LIST:
        encode_list(value, w);
        break;
    case KIND_INT:
        jw_i64(w, *(const int64_t *)value);
        break;
    case KIND_BOOL:
        jw_bool(w, *(const bool *)value);
        break;
    case KIND_STRING:
        jw_str(w, *(const char *const *)value);
        break;
    case KIND_SECRET:
        break;
    }
}

enum rc schema_text(const struct field *f, struct str text, struct json_writer *w, struct err *err)
{
    struct str_list value = {NULL, 0}; /* the largest kind */

    if (kind_of(f) == KIND_SECRET) {
        TRY(field_check_secret(f, text, err));
        jw_strn(w, text);
        return RC_OK;
    }
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    TRY(field_from_text(f, text, a, &value, err));
    encode_text_value(f, &value, w);
    return RC_OK;
}

const struct field *schema_field(const struct field *fields, struct str name)
{
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        size_t i = 0;
        while (i < name.n && f->name[i] &&
               (f->name[i] == name.p[i] || (f->name[i] == '_' && name.p[i] == '-')))
            i++;
        if (i == name.n && f->name[i] == '\0')
            return f;
    }
    return NULL;
}
