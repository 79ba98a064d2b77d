/*
 * Writing JSON. Invariants: whatever the data, the output is valid JSON in valid UTF-8; a misuse
 * (nesting over 32, an end without a beginning) spoils the buffer instead of the document.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json.h"

enum { DEPTH_MAX = 32 };

static void spoil(struct json_writer *w)
{
    if (w->out->bad == RC_OK)
        w->out->bad = RC_NOMEM;
}

static void before_value(struct json_writer *w)
{
    if (w->comma[w->depth])
        buf_addc(w->out, ',');
    w->comma[w->depth] = true;
}

static void begin(struct json_writer *w, char bracket)
{
    before_value(w);
    buf_addc(w->out, bracket);
    if (w->depth == DEPTH_MAX) {
        spoil(w);
        return;
    }
    w->depth++;
    w->comma[w->depth] = false;
}

static void end(struct json_writer *w, char bracket)
{
    if (w->depth == 0) {
        spoil(w);
        return;
    }
    w->depth--;
    buf_addc(w->out, bracket);
}

void jw_object(struct json_writer *w)
{
    begin(w, '{');
}

void jw_array(struct json_writer *w)
{
    begin(w, '[');
}

void jw_end_object(struct json_writer *w)
{
    end(w, '}');
}

void jw_end_array(struct json_writer *w)
{
    end(w, ']');
}

/* Length of the well-formed UTF-8 sequence at the start of s, or 0. */
static size_t sequence(struct str s)
{
    for (size_t n = 1; n <= 4 && n <= s.n; n++)
        if (str_is_utf8((struct str){s.p, n}))
            return n;
    return 0;
}

static void add_control(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char from[] = "\b\f\n\r\t", to[] = "bfnrt";
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        buf_addc(out, '\\');
        buf_addc(out, to[at - from]);
        return;
    }
    char u[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    buf_add(out, u, sizeof u);
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_addc(out, '"');
    while (s.n > 0) {
        unsigned char c = (unsigned char)s.p[0];
        size_t n = 0;
        while (n < s.n && (unsigned char)s.p[n] >= 0x20 && (unsigned char)s.p[n] < 0x80 &&
               s.p[n] != '"' && s.p[n] != '\\')
            n++;
        if (n > 0 || (c >= 0x80 && (n = sequence(s)) > 0)) {
            buf_add(out, s.p, n);
        } else {
            n = 1;
            if (c == '"' || c == '\\') {
                buf_addc(out, '\\');
                buf_addc(out, (char)c);
            } else if (c < 0x20) {
                add_control(out, c);
            } else {
                buf_adds(out, "\xEF\xBF\xBD");
            }
        }
        s.p += n;
        s.n -= n;
    }
    buf_addc(out, '"');
}

void jw_key(struct json_writer *w, const char *key)
{
    if (w->comma[w->depth])
        buf_addc(w->out, ',');
    add_quoted(w->out, str_from(key));
    buf_addc(w->out, ':');
    w->comma[w->depth] = false;
}

void jw_strn(struct json_writer *w, struct str s)
{
    before_value(w);
    add_quoted(w->out, s);
}

void jw_str(struct json_writer *w, const char *s)
{
    if (s)
        jw_strn(w, str_from(s));
    else
        jw_null(w);
}

void jw_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_adds(w->out, NUM(v));
}

void jw_bool(struct json_writer *w, bool v)
{
    before_value(w);
    buf_adds(w->out, v ? "true" : "false");
}

void jw_null(struct json_writer *w)
{
    before_value(w);
    buf_adds(w->out, "null");
}

/* The shortest form is not needed, only one that reads back as the same value. */
static void jw_real(struct json_writer *w, double v)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.17g", v);
    const char *point = localeconv()->decimal_point;
    char *at = strcmp(point, ".") != 0 ? strstr(text, point) : NULL;
    if (at)
        *at = '.';
    before_value(w);
    buf_adds(w->out, text);
    if (!strpbrk(text, ".e"))
        buf_adds(w->out, ".0");
}

static void jw_members(struct json_writer *w, const struct json *object)
{
    const char *key;
    const struct json *value;
    jw_object(w);
    for (void *it = NULL; json_next(object, &it, &key, &value);) {
        jw_key(w, key);
        jw_json(w, value);
    }
    jw_end_object(w);
}

static void jw_items(struct json_writer *w, const struct json *array)
{
    jw_array(w);
    for (size_t i = 0; i < json_len(array); i++)
        jw_json(w, json_at(array, i));
    jw_end_array(w);
}

void jw_json(struct json_writer *w, const struct json *j)
{
    double real = 0;
    switch (json_type_of(j)) {
    case JSON_NULL:
        jw_null(w);
        break;
    case JSON_BOOL:
        jw_bool(w, json_bool_or(j, NULL, false));
        break;
    case JSON_INT:
        jw_i64(w, json_i64_or(j, NULL, 0));
        break;
    case JSON_REAL:
        (void)json_get_real(j, NULL, &real);
        jw_real(w, real);
        break;
    case JSON_STRING:
        jw_strn(w, json_as_view(j));
        break;
    case JSON_ARRAY:
        jw_items(w, j);
        break;
    case JSON_OBJECT:
        jw_members(w, j);
        break;
    }
}

void jw_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_addstr(w->out, json.n ? json : STR("null"));
}

void jw_kstr(struct json_writer *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void jw_ki64(struct json_writer *w, const char *key, int64_t v)
{
    jw_key(w, key);
    jw_i64(w, v);
}

void jw_kbool(struct json_writer *w, const char *key, bool v)
{
    jw_key(w, key);
    jw_bool(w, v);
}

void jw_ktime(struct json_writer *w, const char *key, int64_t usec)
{
    char text[32];
    jw_key(w, key);
    if (usec == 0) {
        jw_null(w);
        return;
    }
    time_rfc3339(usec, text);
    jw_str(w, text);
}

static void jw_two(struct json_writer *w, const char *en, const char *ja)
{
    jw_object(w);
    jw_kstr(w, "en", en);
    jw_kstr(w, "ja", ja);
    jw_end_object(w);
}

static const char *text_or_null(const char *s)
{
    return s[0] ? s : NULL;
}

void jw_err(struct json_writer *w, const struct err *err)
{
    if (!err) {
        jw_null(w);
        return;
    }
    jw_object(w);
    jw_kstr(w, "code", rc_name(err->rc));
    jw_kstr(w, "blame", blame_name(err->blame));
    jw_kstr(w, "id", err->id);
    jw_key(w, "message");
    jw_two(w, err->en, err->ja);
    jw_kstr(w, "field", text_or_null(err->field));
    jw_kstr(w, "remote", text_or_null(err->remote));
    jw_ktime(w, "retry_at", err->retry_at);
    jw_key(w, "while");
    jw_array(w);
    for (int i = 0; i < err->frames && i < ERR_FRAMES; i++)
        jw_two(w, err->up[i].en, err->up[i].ja);
    jw_end_array(w);
    jw_end_object(w);
}

/* Cut to the field's size between characters; the stored text may come from another version. */
static void copy_text(char *out, size_t size, const char *s)
{
    size_t n = strlen(s);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
            n--;
    }
    memcpy(out, s, n);
    out[n] = '\0';
}

#define COPY(member, path) copy_text(member, sizeof(member), json_str_or(j, path, ""))

void json_to_err(const struct json *j, struct err *ret)
{
    *ret = (struct err){.rc = rc_from_name(json_str_or(j, "code", NULL)),
                        .blame = blame_from_name(json_str_or(j, "blame", NULL))};
    COPY(ret->id, "id");
    COPY(ret->en, "message.en");
    COPY(ret->ja, "message.ja");
    COPY(ret->field, "field");
    COPY(ret->remote, "remote");
    const char *at;
    if (json_get_str(j, "retry_at", &at) && !time_parse_rfc3339(at, &ret->retry_at))
        ret->retry_at = 0;
    const struct json *frames = json_get(j, "while");
    for (size_t i = 0; i < json_len(frames) && ret->frames < ERR_FRAMES; i++) {
        const struct json *f = json_at(frames, i);
        struct err_frame *to = &ret->up[ret->frames++];
        copy_text(to->en, sizeof to->en, json_str_or(f, "en", ""));
        copy_text(to->ja, sizeof to->ja, json_str_or(f, "ja", ""));
    }
}
