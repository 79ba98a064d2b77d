/*
 * Reading JSON: the only file that sees jansson. A `struct json *` is a json_t * under another
 * name.
 *
 * Invariants: before jansson sees a text, its size, nesting and number of values are within our
 * limits (jansson's own depth limit is 2048 and its memory use is many times the text); error texts
 * never quote the input; the tree is never changed after parsing, so borrowed pointers stay valid
 * until json_free() and concurrent readers are safe.
 */

/* jansson's enumerators collide with ours; its macros that use them must not be used here. */
#define JSON_OBJECT  JANSSON_OBJECT
#define JSON_ARRAY   JANSSON_ARRAY
#define JSON_STRING  JANSSON_STRING
#define JSON_INTEGER JANSSON_INTEGER
#define JSON_REAL    JANSSON_REAL
#define JSON_NULL    JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_INTEGER
#undef JSON_REAL
#undef JSON_NULL

#include <string.h>

#include "base/mem.h"
#include "codec/json.h"

enum { DEPTH_MAX = 32, TEXT_MAX = 16 << 20, VALUES_MAX = 1000000 };

struct place {
    size_t line, column; /* from 1; columns in characters */
};

/*
 * jansson's lexer drops a byte when its buffer cannot grow, and then reads past the end of what it
 * kept or stops the program by assert(). A failure is therefore remembered and told when the parse
 * has ended; until then memory is tried for once more. Where there really is none the process ends
 * and is started again.
 */
static _Thread_local bool out_of_memory;

static void *sticky_alloc(size_t n)
{
    void *p = mem_alloc(n);
    if (p)
        return p;
    out_of_memory = true;
    return mem_alloc_real(n);
}

void json_init(void)
{
    json_set_alloc_funcs(sticky_alloc, mem_free);
    json_object_seed(0);
}

static enum rc refuse_at(struct err *err, const struct msg *m, struct place at)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT, m, NUM(at.line), NUM(at.column));
}

/* Nesting and an upper bound of the number of values, without building anything. */
static enum rc check_shape(struct str text, struct err *err)
{
    struct place at = {1, 0};
    size_t depth = 0, values = 1;
    bool in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\n')
            at = (struct place){at.line + 1, 0};
        else if (((unsigned char)c & 0xC0) != 0x80)
            at.column++;
        if (in_string) {
            if (c == '\\')
                i++, at.column++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        in_string = c == '"';
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        if (c == '[' || c == '{' || c == ',')
            values++;
        if (depth > DEPTH_MAX)
            return refuse_at(err,
                             MSG("codec.json_depth",
                                 "JSON is nested deeper than 32 levels at line {0}, column {1}; "
                                 "flatten it",
                                 "JSON の入れ子が {0} 行 {1} 桁で 32 段を超えています。"
                                 "浅い構造にしてください"),
                             at);
        if (values > VALUES_MAX)
            return refuse_at(err,
                             MSG("codec.json_values",
                                 "JSON holds more than 1000000 values at line {0}, column {1}; "
                                 "split it",
                                 "JSON の値が {0} 行 {1} 桁で 1000000 個を超えています。"
                                 "分割してください"),
                             at);
    }
    return RC_OK;
}

static const struct {
    enum json_error_code code;
    struct msg m;
} syntax_errors[] = {
    {json_error_premature_end_of_input,
     {"codec.json_end", "JSON ends too early at line {0}, column {1}; it seems to be cut off",
      "JSON が {0} 行 {1} 桁で途中で終わっています。切れていないか確認してください"}},
    {json_error_end_of_input_expected,
     {"codec.json_trailing",
      "unexpected text after the JSON value at line {0}, column {1}; remove it",
      "{0} 行 {1} 桁で JSON の値の後に余分な文字があります。取り除いてください"}},
    {json_error_duplicate_key,
     {"codec.json_duplicate",
      "a key appears twice in one JSON object near line {0}, column {1}; keep one of them",
      "{0} 行 {1} 桁付近で同じキーが一つの JSON "
      "オブジェクトに二度あります。一つだけ残してください"}},
    {json_error_numeric_overflow,
     {"codec.json_number", "a number in the JSON is too large at line {0}, column {1}",
      "{0} 行 {1} 桁の数値が大きすぎます"}},
    {json_error_invalid_utf8,
     {"codec.json_utf8", "the JSON is not valid UTF-8 at line {0}, column {1}; save it as UTF-8",
      "JSON が {0} 行 {1} 桁で正しい UTF-8 ではありません。UTF-8 で保存してください"}},
    {json_error_null_byte_in_key,
     {"codec.json_nul_key", "a key in the JSON holds a NUL character at line {0}, column {1}",
      "{0} 行 {1} 桁の JSON のキーに NUL 文字が含まれています"}},
};

static const struct msg syntax_other = {
    "codec.json_syntax",
    "not valid JSON at line {0}, column {1}; check quotes, commas and brackets there",
    "{0} 行 {1} 桁が正しい JSON ではありません。引用符、カンマ、括弧を確認してください"};

static enum rc syntax_error(const json_error_t *e, struct err *err)
{
    struct place at = {e->line > 0 ? (size_t)e->line : 1, e->column > 0 ? (size_t)e->column : 0};
    enum json_error_code code = json_error_code(e);

    if (code == json_error_out_of_memory || e->text[0] == '\0')
        return NOMEM(err);
    for (size_t i = 0; i < COUNT_OF(syntax_errors); i++)
        if (syntax_errors[i].code == code)
            return refuse_at(err, &syntax_errors[i].m, at);
    return refuse_at(err, &syntax_other, at);
}

enum rc json_parse(struct str text, struct json **ret, struct err *err)
{
    json_error_t e = {0};

    CHECK(text.n <= TEXT_MAX, err, RC_INPUT, BLAME_INPUT,
          MSG("codec.json_size", "the JSON is {0} bytes long; the limit is 16 MiB",
              "JSON が {0} バイトあり、上限の 16 MiB を超えています"),
          NUM(text.n));
    TRY(check_shape(text, err));
    out_of_memory = false;
    json_t *j = json_loadb(text.p ? text.p : "", text.n,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    bool no_memory = out_of_memory;
    out_of_memory = false;
    if (no_memory) {
        json_decref(j);
        return NOMEM(err);
    }
    if (!j)
        return syntax_error(&e, err);
    *ret = (struct json *)j;
    return RC_OK;
}

void json_free(struct json *root)
{
    json_decref((json_t *)root);
}

void json_cleanup(struct json **root)
{
    json_free(*root);
}

static json_t *inner(const struct json *j)
{
    return (json_t *)(uintptr_t)j;
}

enum json_type json_type_of(const struct json *j)
{
    if (!j)
        return JSON_NULL;
    switch (json_typeof(inner(j))) {
    case JANSSON_OBJECT:
        return JSON_OBJECT;
    case JANSSON_ARRAY:
        return JSON_ARRAY;
    case JANSSON_STRING:
        return JSON_STRING;
    case JANSSON_INTEGER:
        return JSON_INT;
    case JANSSON_REAL:
        return JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_BOOL;
    case JANSSON_NULL:
        break;
    }
    return JSON_NULL;
}

const struct json *json_get(const struct json *j, const char *path)
{
    struct str rest = str_from(path), key;

    if (rest.n == 0)
        return j;
    while (j && str_split(&rest, '.', &key)) {
        int64_t index;
        if (json_type_of(j) == JSON_OBJECT)
            j = (const struct json *)json_object_getn(inner(j), key.p, key.n);
        else if (json_type_of(j) == JSON_ARRAY && str_to_i64(key, 0, VALUES_MAX, &index))
            j = json_at(j, (size_t)index);
        else
            j = NULL;
    }
    return j;
}

struct str json_as_view(const struct json *j)
{
    if (json_type_of(j) != JSON_STRING)
        return STR_NONE;
    return (struct str){json_string_value(inner(j)), json_string_length(inner(j))};
}

const char *json_as_str(const struct json *j)
{
    struct str s = json_as_view(j);
    return s.p && memchr(s.p, '\0', s.n) == NULL ? s.p : NULL;
}

bool json_get_str(const struct json *j, const char *path, const char **ret)
{
    const char *s = json_as_str(json_get(j, path));
    if (s)
        *ret = s;
    return s != NULL;
}

bool json_get_i64(const struct json *j, const char *path, int64_t *ret)
{
    j = json_get(j, path);
    if (json_type_of(j) != JSON_INT)
        return false;
    *ret = (int64_t)json_integer_value(inner(j));
    return true;
}

bool json_get_bool(const struct json *j, const char *path, bool *ret)
{
    j = json_get(j, path);
    if (json_type_of(j) != JSON_BOOL)
        return false;
    *ret = json_typeof(inner(j)) == JSON_TRUE;
    return true;
}

bool json_get_real(const struct json *j, const char *path, double *ret)
{
    j = json_get(j, path);
    if (json_type_of(j) != JSON_REAL && json_type_of(j) != JSON_INT)
        return false;
    *ret = json_number_value(inner(j));
    return true;
}

const char *json_str_or(const struct json *j, const char *path, const char *otherwise)
{
    (void)json_get_str(j, path, &otherwise);
    return otherwise;
}

int64_t json_i64_or(const struct json *j, const char *path, int64_t otherwise)
{
    (void)json_get_i64(j, path, &otherwise);
    return otherwise;
}

bool json_bool_or(const struct json *j, const char *path, bool otherwise)
{
    (void)json_get_bool(j, path, &otherwise);
    return otherwise;
}

size_t json_len(const struct json *j)
{
    if (json_type_of(j) == JSON_ARRAY)
        return json_array_size(inner(j));
    return json_type_of(j) == JSON_OBJECT ? json_object_size(inner(j)) : 0;
}

const struct json *json_at(const struct json *array, size_t i)
{
    if (json_type_of(array) != JSON_ARRAY)
        return NULL;
    return (const struct json *)json_array_get(inner(array), i);
}

bool json_next(const struct json *object, void **iter, const char **ret_key,
               const struct json **ret_value)
{
    if (json_type_of(object) != JSON_OBJECT)
        return false;
    *iter = *iter ? json_object_iter_next(inner(object), *iter) : json_object_iter(inner(object));
    if (!*iter)
        return false;
    *ret_key = json_object_iter_key(*iter);
    *ret_value = (const struct json *)json_object_iter_value(*iter);
    return true;
}
