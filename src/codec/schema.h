/*
 * Field tables: settings declared once, from which decoding, validation, forms, CLI flags, the
 * reference manual, OpenAPI and secret handling follow.
 *
 *     struct smtp_settings { const char *host; int64_t port; struct secret_ref password; ... };
 *     static const struct field smtp_fields[] = {
 *         FIELD_HOST(struct smtp_settings, host, .flags = FIELD_REQUIRED,
 *                    .label = {"Server", "サーバー"}, .help = {...}, .example = "mail.example.jp"),
 *         FIELD_PORT(struct smtp_settings, port, .dflt = "587", ...),
 *         FIELD_SECRET(struct smtp_settings, password, .only_if = "auth=password", ...),
 *         FIELD_END,
 *     };
 *
 * The entry macros compute name and offset, and do not compile when the member has another C type:
 * STR TEXT ENUM HOST URL PATH REF -> const char *; INT SECS BYTES PORT -> int64_t; BOOL -> bool;
 * LIST -> struct str_list; SECRET -> struct secret_ref. What is absent and has no default is NULL,
 * 0, false or an empty list.
 */
#ifndef INRO_CODEC_SCHEMA_H
#define INRO_CODEC_SCHEMA_H

#include "base/arena.h"
#include "codec/json.h"

enum field_type {
    FIELD_T_END = 0,
    FIELD_T_STR,
    FIELD_T_TEXT, /* several lines */
    FIELD_T_SECRET,
    FIELD_T_INT,
    FIELD_T_BOOL,
    FIELD_T_ENUM,
    FIELD_T_SECS,  /* stored as seconds; input 90, "90s", "15m", "12h", "30d" */
    FIELD_T_BYTES, /* input 4096, "64k", "10m", "1g" */
    FIELD_T_HOST,  /* DNS name or IP literal */
    FIELD_T_PORT,  /* 1..65535 */
    FIELD_T_URL,   /* https only unless FIELD_HTTP; no user:password */
    FIELD_T_PATH,  /* absolute, no "." or ".." component */
    FIELD_T_LIST,  /* list of strings */
    FIELD_T_REF    /* name of another object, kind in ref_kind */
};

enum {
    FIELD_REQUIRED = 1,
    FIELD_ADVANCED = 2,  /* folded away in forms */
    FIELD_IMMUTABLE = 4, /* cannot be changed after creation */
    FIELD_HTTP = 8,      /* URL may be http */
    FIELD_MULTILINE = 16 /* secret may hold several lines (a PEM key) */
};

struct l10n {
    const char *en, *ja;
};

struct field_choice {
    const char *value; /* NULL ends the list */
    struct l10n label;
};

struct str_list {
    const char *const *v;
    size_t n;
};

/*
 * A secret member holds the sealed form (base64 text made by the vault), never the clear text.
 * sealed NULL = not set.
 */
struct secret_ref {
    const char *sealed;
};

struct field {
    const char *name; /* snake_case; CLI flag is --kebab-case */
    enum field_type type;
    unsigned flags;
    size_t offset;
    const char *dflt; /* as text, lists comma-separated; NULL = none */
    int64_t min,
        max; /* INT/SECS/BYTES: value; STR/TEXT/SECRET: length; LIST: count. Both 0 = type's own */
    const struct field_choice *choices; /* ENUM; LIST: what its entries may be */
    const char *ref_kind;               /* REF: "ca", "target", "notifier", "cert", "dns" */
    /* "auth=password" or "auth=password|key" (an ENUM or BOOL earlier in the table): else absent */
    const char *only_if;
    struct l10n label, help;
    const char *example; /* a valid value as text */
};

#define FIELD_ENTRY_(S, m, T, t, ...)                                                              \
    {                                                                                              \
        .name = #m, .type = (t),                                                                   \
        .offset = offsetof(S, m) + 0 * sizeof(char[_Generic(&((S *)0)->m, T * : 1, default         \
                                                            : -1)]),                               \
        __VA_ARGS__                                                                                \
    }
#define FIELD_STR(S, m, ...)    FIELD_ENTRY_(S, m, const char *, FIELD_T_STR, __VA_ARGS__)
#define FIELD_TEXT(S, m, ...)   FIELD_ENTRY_(S, m, const char *, FIELD_T_TEXT, __VA_ARGS__)
#define FIELD_ENUM(S, m, ...)   FIELD_ENTRY_(S, m, const char *, FIELD_T_ENUM, __VA_ARGS__)
#define FIELD_HOST(S, m, ...)   FIELD_ENTRY_(S, m, const char *, FIELD_T_HOST, __VA_ARGS__)
#define FIELD_URL(S, m, ...)    FIELD_ENTRY_(S, m, const char *, FIELD_T_URL, __VA_ARGS__)
#define FIELD_PATH(S, m, ...)   FIELD_ENTRY_(S, m, const char *, FIELD_T_PATH, __VA_ARGS__)
#define FIELD_REF(S, m, ...)    FIELD_ENTRY_(S, m, const char *, FIELD_T_REF, __VA_ARGS__)
#define FIELD_INT(S, m, ...)    FIELD_ENTRY_(S, m, int64_t, FIELD_T_INT, __VA_ARGS__)
#define FIELD_SECS(S, m, ...)   FIELD_ENTRY_(S, m, int64_t, FIELD_T_SECS, __VA_ARGS__)
#define FIELD_BYTES(S, m, ...)  FIELD_ENTRY_(S, m, int64_t, FIELD_T_BYTES, __VA_ARGS__)
#define FIELD_PORT(S, m, ...)   FIELD_ENTRY_(S, m, int64_t, FIELD_T_PORT, __VA_ARGS__)
#define FIELD_BOOL(S, m, ...)   FIELD_ENTRY_(S, m, bool, FIELD_T_BOOL, __VA_ARGS__)
#define FIELD_LIST(S, m, ...)   FIELD_ENTRY_(S, m, struct str_list, FIELD_T_LIST, __VA_ARGS__)
#define FIELD_SECRET(S, m, ...) FIELD_ENTRY_(S, m, struct secret_ref, FIELD_T_SECRET, __VA_ARGS__)
#define FIELD_END                                                                                  \
    {                                                                                              \
        .type = FIELD_T_END                                                                        \
    }

/* Where clear secrets go while decoding: in production the vault seals them. */
struct secret_sink {
    enum rc (*put)(void *ctx, const char *field, struct str clear, struct arena *a,
                   const char **ret_sealed, struct err *err);
    void *ctx;
};

/*
 * JSON object -> struct. Unknown keys are refused, limits and choices checked, defaults applied;
 * err->field names the member, the first fault wins (RC_INPUT). null and "" count as absent. SECS
 * and BYTES may be numbers or text. A field whose only_if does not hold must be absent.
 * Secrets: a string is clear text and goes to the sink (NULL sink refuses it); {"sealed": "..."} is
 * taken as stored, only without a sink: nobody may hand in a sealed text through the API; absent or
 * {"set": true} keeps `before`'s value (the SCHEMA_STORED form; may be NULL); null, "" and
 * {"set": false} clear it. With `before`, an IMMUTABLE field that differs is refused, absent keeps.
 * `in` NULL is an empty object. All memory from the arena; ret_struct is untouched on failure.
 */
MUST enum rc schema_decode(const struct field *fields, const struct json *in,
                           const struct json *before, const struct secret_sink *sink,
                           struct arena *a, void *ret_struct, struct err *err);

enum schema_secrets { SCHEMA_STORED, SCHEMA_MASKED }; /* {"sealed": ..} or {"set": bool} */
/* struct -> JSON object; decoding it again gives the same struct. */
void schema_encode(const struct field *fields, const void *in, enum schema_secrets how,
                   struct json_writer *w);

/*
 * Start-up check: labels in both languages, names and members unique, choices and limits sound,
 * defaults and examples valid, only_if well-formed. RC_INTERNAL names the owner and the field.
 */
MUST enum rc schema_check(const char *owner, const struct field *fields, struct err *err);

/*
 * {"fields":[{name,type,required,advanced,immutable,multiline,http,default,min,max,
 * choices:[{value,label}],ref_kind,only_if:{field,values:[..]},label,help,example}]}; what does not
 * apply is null. default has the JSON type of the value.
 */
void schema_describe(const struct field *fields, const char *lang, struct json_writer *w);
/* JSON Schema (2020-12) object for OpenAPI. */
void schema_json_schema(const struct field *fields, struct json_writer *w);
/* Markdown table for the reference manual. */
void schema_markdown(const struct field *fields, const char *lang, struct buf *out);

/*
 * One value as typed on a command line -> JSON value (lists comma-separated, secrets as they are),
 * checked like schema_decode() does.
 */
MUST enum rc schema_text(const struct field *f, struct str text, struct json_writer *w,
                         struct err *err);
/* The field called `name`, also in kebab-case as a CLI flag ("eab-kid"); NULL when there is none.
 */
const struct field *schema_field(const struct field *fields, struct str name);

bool parse_secs(struct str s, int64_t *ret);
bool parse_bytes(struct str s, int64_t *ret);
bool host_is_ip(const char *host, bool *ret_v6);
bool host_is_valid(const char *host); /* LDH name or IP literal */
/* local@domain without quotes, spaces or control characters: may stand in a header as it is */
bool mail_is_valid(const char *text);

#endif
