/*
 * JSON: a parsed tree with limits (read side) and a streaming writer (write side).
 *
 * Reading: json_parse() (RFC 8259, any value at the root) refuses input over 16 MiB or over a
 * million values, depth above 32, duplicate keys, invalid UTF-8, numbers out of range and trailing
 * bytes: RC_INPUT, naming line and column and never quoting the text, which may hold a secret.
 * Getters borrow from the root and take dotted paths ("error.detail", "list.0.name"; NULL or "" is
 * the value itself); they return false when absent or of another type.
 * Writing: struct json_writer escapes everything and fails sticky, through its buffer.
 */
#ifndef INRO_CODEC_JSON_H
#define INRO_CODEC_JSON_H

#include "base/buf.h"

struct json; /* opaque value; borrowed unless it came from json_parse() */

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Call once per process before threads (seeds the hash). */
void json_init(void);
MUST enum rc json_parse(struct str text, struct json **ret, struct err *err);
void json_free(struct json *root);     /* only what json_parse() gave; NULL-safe */
void json_cleanup(struct json **root); /* AUTO(json) struct json *j = NULL; */

enum json_type json_type_of(const struct json *j);                   /* JSON_NULL for NULL */
const struct json *json_get(const struct json *j, const char *path); /* NULL when absent */
bool json_get_str(const struct json *j, const char *path, const char **ret); /* no NUL inside */
bool json_get_i64(const struct json *j, const char *path, int64_t *ret);
bool json_get_bool(const struct json *j, const char *path, bool *ret);
bool json_get_real(const struct json *j, const char *path, double *ret); /* integers too */
const char *json_str_or(const struct json *j, const char *path, const char *otherwise);
int64_t json_i64_or(const struct json *j, const char *path, int64_t otherwise);
bool json_bool_or(const struct json *j, const char *path, bool otherwise);
size_t json_len(const struct json *j);                          /* array or object size, else 0 */
const struct json *json_at(const struct json *array, size_t i); /* NULL when out of range */
const char *json_as_str(const struct json *j); /* NULL when not a string, or with a NUL inside */
struct str json_as_view(const struct json *j); /* NUL bytes allowed; .p NULL when not a string */
/* Iterates an object: start with iter = NULL; false at the end. */
bool json_next(const struct json *object, void **iter, const char **ret_key,
               const struct json **ret_value);

/* Writer. Commas are its own affair. Nesting at most 32. */
struct json_writer {
    struct buf *out;
    unsigned depth;
    bool comma[33];
};

#define JSON_WRITER(out_) ((struct json_writer){.out = (out_)})

void jw_object(struct json_writer *w);
void jw_array(struct json_writer *w);
void jw_end_object(struct json_writer *w);
void jw_end_array(struct json_writer *w);
void jw_key(struct json_writer *w, const char *key);
void jw_str(struct json_writer *w, const char *s); /* NULL writes null; bad UTF-8 -> U+FFFD */
void jw_strn(struct json_writer *w, struct str s);
void jw_i64(struct json_writer *w, int64_t v);
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
void jw_json(struct json_writer *w, const struct json *j); /* copies a parsed value */
void jw_raw(struct json_writer *w, struct str json);       /* JSON text made by us; "" -> null */
/* key + value in one */
void jw_kstr(struct json_writer *w, const char *key, const char *s);
void jw_ki64(struct json_writer *w, const char *key, int64_t v);
void jw_kbool(struct json_writer *w, const char *key, bool v);
/* Time as RFC 3339 (0 writes null). */
void jw_ktime(struct json_writer *w, const char *key, int64_t usec);

/* An error value <-> JSON {code,blame,id,message:{en,ja},field,remote,retry_at,while:[..]}. */
void jw_err(struct json_writer *w, const struct err *err);
void json_to_err(const struct json *j, struct err *ret);

#endif
