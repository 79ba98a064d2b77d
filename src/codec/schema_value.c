/*
 * Single values of field tables: the types' own limits, text -> value, and the words of refusal.
 *
 * Invariant: one place decides what a valid value of a type is (decode, defaults, examples and the
 * CLI all come through here), and a refused value never appears in an error if it is a secret.
 */
#include <arpa/inet.h>
#include <string.h>

#include "codec/schema_priv.h"

static const struct {
    const char *name;
    enum kind kind;
    int64_t min, max; /* as field.min and field.max */
} types[] = {
    [FIELD_T_STR] = {"string", KIND_STRING, 0, 1024},
    [FIELD_T_TEXT] = {"text", KIND_STRING, 0, 65536},
    [FIELD_T_SECRET] = {"secret", KIND_SECRET, 0, 65536},
    [FIELD_T_INT] = {"int", KIND_INT, INT64_MIN, INT64_MAX},
    [FIELD_T_BOOL] = {"bool", KIND_BOOL, 0, 1},
    [FIELD_T_ENUM] = {"enum", KIND_STRING, 0, 255},
    [FIELD_T_SECS] = {"seconds", KIND_INT, 0, (int64_t)36500 * 86400},
    [FIELD_T_BYTES] = {"bytes", KIND_INT, 0, (int64_t)1 << 50},
    [FIELD_T_HOST] = {"host", KIND_STRING, 0, 253},
    [FIELD_T_PORT] = {"port", KIND_INT, 1, 65535},
    [FIELD_T_URL] = {"url", KIND_STRING, 0, 2048},
    [FIELD_T_PATH] = {"path", KIND_STRING, 0, 4095},
    [FIELD_T_LIST] = {"list", KIND_LIST, 0, 1000},
    [FIELD_T_REF] = {"reference", KIND_STRING, 0, 255},
};

enum { ITEM_MAX = 1024 };

const char *field_type_name(enum field_type type)
{
    return types[type].name;
}

enum kind kind_of(const struct field *f)
{
    return types[f->type].kind;
}

size_t kind_size(enum kind kind)
{
    switch (kind) {
    case KIND_INT:
        return sizeof(int64_t);
    case KIND_BOOL:
        return sizeof(bool);
    case KIND_LIST:
        return sizeof(struct str_list);
    case KIND_SECRET:
        return sizeof(struct secret_ref);
    case KIND_STRING:
        break;
    }
    return sizeof(const char *);
}

void field_limits(const struct field *f, int64_t *ret_min, int64_t *ret_max)
{
    *ret_min = f->min;
    *ret_max = f->max;
    if (f->min == 0 && f->max == 0)
        *ret_min = types[f->type].min;
    if (f->min >= 0 && f->max == 0)
        *ret_max = types[f->type].max;
}

const char *l10n_pick(struct l10n t, const char *lang)
{
    const char *s = lang && strcmp(lang, "ja") == 0 ? t.ja : t.en;
    return s ? s : t.en;
}

enum rc field_refuse(struct err *err, const struct field *f, const struct msg *m, const char *x,
                     const char *y)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT, m, f->label.en ? f->label.en : f->name,
                      f->label.ja ? f->label.ja : f->name, x ? x : "", y ? y : "");
    err_field(err, f->name);
    return rc;
}

#define MUST_BE(id_, en_, ja_)                                                                     \
    {                                                                                              \
        "codec.field_" id_, "{0} must be " en_, "{1} には" ja_ "を指定してください"       \
    }

static const struct msg wrong[] = {
    [FIELD_T_STR] = MUST_BE("string", "one line of text without control characters",
                            "制御文字を含まない一行の文字列"),
    [FIELD_T_TEXT] = MUST_BE("text", "text without control characters", "制御文字を含まない文字列"),
    [FIELD_T_SECRET] = MUST_BE("secret", "one line of text given as a string", "一行の文字列"),
    [FIELD_T_INT] = MUST_BE("int", "a whole number", "整数"),
    [FIELD_T_BOOL] = MUST_BE("bool", "true or false", " true または false "),
    [FIELD_T_ENUM] = MUST_BE("enum", "one of: {2}", "次のいずれか ({2}) "),
    [FIELD_T_SECS] = MUST_BE("seconds", "a duration such as 90, 90s, 15m, 12h or 30d",
                             " 90、90s、15m、12h、30d のような時間"),
    [FIELD_T_BYTES] = MUST_BE("bytes", "a size such as 4096, 64k, 10m or 1g",
                              " 4096、64k、10m、1g のような大きさ"),
    [FIELD_T_HOST] = MUST_BE("host", "a host name or an IP address, without scheme or port",
                             "ホスト名または IP アドレス (スキームとポートなし) "),
    [FIELD_T_PORT] =
        MUST_BE("port", "a port number from 1 to 65535", " 1 から 65535 までのポート番号"),
    [FIELD_T_URL] = MUST_BE("url", "an https:// URL without user name, fragment or spaces",
                            " https:// で始まる URL (ユーザー名、#、空白なし) "),
    [FIELD_T_PATH] = MUST_BE("path", "an absolute path without \".\" or \"..\" parts",
                             " \".\" や \"..\" を含まない絶対パス"),
    [FIELD_T_LIST] = MUST_BE("list", "a list of texts, each one line and not empty",
                             "空でない一行の文字列のリスト"),
    [FIELD_T_REF] =
        MUST_BE("reference", "the name of an existing object of kind {2}", "登録済みの {2} の名前"),
};

static const struct msg wrong_multiline = MUST_BE("secret", "text given as a string", "文字列");
static const struct msg wrong_http =
    MUST_BE("url", "an http:// or https:// URL without user name, fragment or spaces",
            " http:// または https:// で始まる URL (ユーザー名、#、空白なし) ");

/* "a, b, c", cut where the error's argument would be. */
static void list_choices(const struct field *f, struct buf *out)
{
    for (const struct field_choice *c = f->choices; c && c->value; c++) {
        if (c != f->choices)
            buf_adds(out, ", ");
        buf_adds(out, c->value);
    }
}

enum rc field_wrong(struct err *err, const struct field *f)
{
    const struct msg *m = &wrong[f->type];
    AUTO(buf) struct buf list = BUF(4096);
    if (f->type == FIELD_T_SECRET && (f->flags & FIELD_MULTILINE))
        m = &wrong_multiline;
    if (f->type == FIELD_T_URL && (f->flags & FIELD_HTTP))
        m = &wrong_http;
    if (f->choices) {
        m = &wrong[FIELD_T_ENUM];
        list_choices(f, &list);
    } else if (f->ref_kind) {
        buf_adds(&list, f->ref_kind);
    }
    return field_refuse(err, f, m, buf_cstr(&list), NULL);
}

static const struct msg range_plain = MUST_BE("range", "from {2} to {3}", " {2} から {3} まで");
static const struct msg range_secs =
    MUST_BE("range", "from {2} to {3} seconds", " {2} 秒から {3} 秒まで");
static const struct msg range_bytes =
    MUST_BE("range", "from {2} to {3} bytes", " {2} バイトから {3} バイトまで");
static const struct msg range_length =
    MUST_BE("length", "{2} to {3} bytes long", " {2} から {3} バイトまでの長さの値");
static const struct msg range_count =
    MUST_BE("count", "a list of {2} to {3} entries", " {2} から {3} 個までの項目");

static enum rc check_range(const struct field *f, int64_t v, const struct msg *m, struct err *err)
{
    int64_t min, max;
    field_limits(f, &min, &max);
    if (v < min || v > max)
        return field_refuse(err, f, m, NUM(min), NUM(max));
    return RC_OK;
}

enum rc field_set_int(const struct field *f, int64_t v, void *member, struct err *err)
{
    TRY(check_range(f, v,
                    f->type == FIELD_T_SECS    ? &range_secs
                    : f->type == FIELD_T_BYTES ? &range_bytes
                                               : &range_plain,
                    err));
    *(int64_t *)member = v;
    return RC_OK;
}

/* UTF-8 without control characters (C0, DEL, C1), but for those in `allowed`. */
static bool is_clean(struct str s, const char *allowed)
{
    if (!str_is_utf8(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 || c == 0x7f) && !strchr(allowed, c))
            return false;
        if (c == 0xC2 && (unsigned char)s.p[i + 1] < 0xA0)
            return false;
    }
    return true;
}

static bool is_path(struct str s)
{
    struct str part;
    if (s.n == 0 || s.p[0] != '/' || !is_clean(s, ""))
        return false;
    while (str_split(&s, '/', &part))
        if (str_eqs(part, ".") || str_eqs(part, ".."))
            return false;
    return true;
}

static bool host_view_valid(struct str s)
{
    char host[256];
    if (s.n == 0 || s.n >= sizeof host || memchr(s.p, '\0', s.n))
        return false;
    memcpy(host, s.p, s.n);
    host[s.n] = '\0';
    return host_is_valid(host);
}

/* "host", "host:port", "[v6]", "[v6]:port"; RFC 3986 section 3.2 without userinfo. */
static bool is_authority(struct str s)
{
    struct str host = s, port = STR_NONE;
    bool bracket = s.n > 0 && s.p[0] == '[';
    const char *end = s.n == 0 ? NULL : memchr(s.p, bracket ? ']' : ':', s.n);
    if (bracket) {
        if (!end)
            return false;
        host = (struct str){s.p + 1, (size_t)(end - s.p) - 1};
        end = end + 1 < s.p + s.n ? end + 1 : NULL;
        if (end && *end != ':')
            return false;
        if (!memchr(host.p, ':', host.n))
            return false;
    } else if (end) {
        host.n = (size_t)(end - s.p);
    }
    if (end)
        port = (struct str){end + 1, s.n - (size_t)(end - s.p) - 1};
    int64_t n;
    return host_view_valid(host) && (!end || str_to_i64(port, 1, 65535, &n));
}

static bool is_url(struct str s, bool http_allowed)
{
    size_t skip = str_starts(s, "https://") ? 8 : http_allowed && str_starts(s, "http://") ? 7 : 0;
    if (skip == 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || strchr("\"<>\\^`{|}#", s.p[i]))
            return false;
    size_t n = skip;
    while (n < s.n && s.p[n] != '/' && s.p[n] != '?')
        n++;
    return is_authority((struct str){s.p + skip, n - skip});
}

bool field_has_choice(const struct field *f, struct str value)
{
    for (const struct field_choice *c = f->choices; c && c->value; c++)
        if (str_eqs(value, c->value))
            return true;
    return false;
}

static bool string_fits(const struct field *f, struct str s)
{
    switch (f->type) {
    case FIELD_T_TEXT:
        return is_clean(s, "\t\n\r");
    case FIELD_T_ENUM:
        return field_has_choice(f, s);
    case FIELD_T_HOST:
        return host_view_valid(s);
    case FIELD_T_URL:
        return is_url(s, (f->flags & FIELD_HTTP) != 0);
    case FIELD_T_PATH:
        return is_path(s);
    default:
        return is_clean(s, "");
    }
}

static enum rc set_string(const struct field *f, struct str s, struct arena *a, void *member,
                          struct err *err)
{
    if (!string_fits(f, s))
        return field_wrong(err, f);
    TRY(check_range(f, (int64_t)s.n, &range_length, err));
    const char *copy = arena_str(a, s);
    if (!copy)
        return NOMEM(err);
    memcpy(member, &copy, sizeof copy);
    return RC_OK;
}

enum rc field_check_item(const struct field *f, struct str item, struct err *err)
{
    if (item.n == 0 || item.n > ITEM_MAX || !is_clean(item, "") ||
        (f->choices && !field_has_choice(f, item)))
        return field_wrong(err, f);
    return RC_OK;
}

enum rc field_check_count(const struct field *f, size_t n, struct err *err)
{
    return check_range(f, (int64_t)n, &range_count, err);
}

enum rc field_check_secret(const struct field *f, struct str clear, struct err *err)
{
    bool lines = (f->flags & FIELD_MULTILINE) != 0;
    if (!is_clean(clear, lines ? "\t\n\r" : ""))
        return field_wrong(err, f);
    return check_range(f, (int64_t)clear.n, &range_length, err);
}

static enum rc list_from_text(const struct field *f, struct str text, struct arena *a,
                              struct str_list *ret, struct err *err)
{
    size_t n = 0, most = 1;
    for (size_t i = 0; i < text.n; i++)
        most += text.p[i] == ',';
    const char **v = arena_array(a, most, sizeof *v);
    if (!v)
        return NOMEM(err);
    struct str item;
    while (text.n > 0 && str_split(&text, ',', &item)) {
        item = str_trim(item);
        TRY(field_check_item(f, item, err));
        v[n] = arena_str(a, item);
        if (!v[n++])
            return NOMEM(err);
    }
    TRY(field_check_count(f, n, err));
    *ret = (struct str_list){v, n};
    return RC_OK;
}

static bool int_from_text(enum field_type type, struct str text, int64_t *ret)
{
    if (type == FIELD_T_SECS)
        return parse_secs(text, ret);
    if (type == FIELD_T_BYTES)
        return parse_bytes(text, ret);
    return str_to_i64(text, INT64_MIN, INT64_MAX, ret);
}

enum rc field_from_text(const struct field *f, struct str text, struct arena *a, void *member,
                        struct err *err)
{
    int64_t v;
    switch (kind_of(f)) {
    case KIND_INT:
        if (!int_from_text(f->type, text, &v))
            return field_wrong(err, f);
        return field_set_int(f, v, member, err);
    case KIND_BOOL:
        if (!str_eqs(text, "true") && !str_eqs(text, "false"))
            return field_wrong(err, f);
        *(bool *)member = str_eqs(text, "true");
        return RC_OK;
    case KIND_LIST:
        return list_from_text(f, text, a, member, err);
    case KIND_STRING:
        return set_string(f, text, a, member, err);
    case KIND_SECRET:
        break;
    }
    return field_wrong(err, f);
}

/* Digits and at most one unit letter of `units`, whose factors are given in the same order. */
static bool parse_scaled(struct str s, const char *units, const int64_t *factors, int64_t *ret)
{
    int64_t v, factor = 1;
    const char *unit = s.n > 0 && s.p[s.n - 1] ? strchr(units, s.p[s.n - 1]) : NULL;
    if (unit) {
        factor = factors[unit - units];
        s.n--;
    }
    if (!str_to_i64(s, 0, INT64_MAX / factor, &v) || s.p[0] == '-')
        return false;
    *ret = v * factor;
    return true;
}

bool parse_secs(struct str s, int64_t *ret)
{
    static const int64_t factors[] = {1, 60, 3600, 86400};
    return parse_scaled(s, "smhd", factors, ret);
}

bool parse_bytes(struct str s, int64_t *ret)
{
    static const int64_t factors[] = {1 << 10, 1 << 20, 1 << 30, 1 << 10, 1 << 20, 1 << 30};
    return parse_scaled(s, "kmgKMG", factors, ret);
}

bool host_is_ip(const char *host, bool *ret_v6)
{
    unsigned char addr[16];
    bool v4 = inet_pton(AF_INET, host, addr) == 1;
    bool v6 = !v4 && inet_pton(AF_INET6, host, addr) == 1;
    if (ret_v6 && (v4 || v6))
        *ret_v6 = v6;
    return v4 || v6;
}

static bool is_ldh(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_label(struct str l)
{
    if (l.n == 0 || l.n > 63 || l.p[0] == '-' || l.p[l.n - 1] == '-')
        return false;
    for (size_t i = 0; i < l.n; i++)
        if (!is_ldh(l.p[i]))
            return false;
    return true;
}

/* A last label of digits only would be read as a broken IPv4 address (RFC 3986, WHATWG URL). */
bool host_is_valid(const char *host)
{
    struct str rest = str_from(host), label = STR_NONE;
    if (host_is_ip(host, NULL))
        return true;
    if (rest.n == 0 || rest.n > 253)
        return false;
    while (str_split(&rest, '.', &label))
        if (!is_label(label))
            return false;
    return strspn(label.p, "0123456789") != label.n;
}

bool mail_is_valid(const char *text)
{
    const char *at = text ? strrchr(text, '@') : NULL;
    if (!at || at == text || strlen(text) > 254 || at - text > 64 || !host_is_valid(at + 1))
        return false;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127 || strchr("<>()[]\\,;:\"", *p) ||
            (*p == '@' && p != at))
            return false;
    return true;
}
