/* What people see: tables, details, errors and help, in their language. */
#include <stdio.h>
#include <string.h>

#include "app/cli_priv.h"
#include "codec/name.h"

static void put(const struct buf *b)
{
    if (b->len > 0)
        (void)fwrite(b->p, 1, b->len, stdout);
}

void cli_json(const struct json *j)
{
    AUTO(buf) struct buf b = BUF((size_t)64 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_json(&w, j);
    buf_addc(&b, '\n');
    put(&b);
}

/* Control characters of remote texts must not reach a terminal. */
static void add_clean(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_addc(b, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

static void add_value(struct buf *b, const struct json *v)
{
    struct json_writer w = JSON_WRITER(b);
    switch (json_type_of(v)) {
    case JSON_NULL:
        buf_adds(b, "-");
        break;
    case JSON_STRING:
        add_clean(b, json_as_str(v) ? json_as_str(v) : "?");
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < json_len(v); i++) {
            if (i > 0)
                buf_adds(b, ", ");
            add_value(b, json_at(v, i));
        }
        break;
    default:
        jw_json(&w, v);
    }
}

/* Columns on a terminal: Japanese characters take two. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if ((ch & 0xC0) != 0x80)
            n += ch >= 0xE3 ? 2 : 1;
    }
    return n;
}

static void add_padded(struct buf *b, const char *s, size_t to)
{
    buf_adds(b, s);
    for (size_t n = width(s); n < to; n++)
        buf_addc(b, ' ');
}

enum { COLS_MAX = 10 };

void cli_table(struct cli *c, const struct json *items, const struct cli_column *cols, size_t n)
{
    size_t w[COLS_MAX] = {0};
    AUTO(buf) struct buf cell = BUF(65536), out = BUF((size_t)64 << 20);
    for (size_t k = 0; k < n && k < COLS_MAX; k++)
        w[k] = width(cli_text(c, &cols[k].title));
    for (size_t i = 0; i < json_len(items); i++)
        for (size_t k = 0; k < n && k < COLS_MAX; k++) {
            buf_clear(&cell);
            add_value(&cell, json_get(json_at(items, i), cols[k].path));
            size_t have = width(buf_cstr(&cell));
            w[k] = have > w[k] ? have : w[k];
        }
    for (size_t k = 0; k < n && k < COLS_MAX; k++)
        add_padded(&out, cli_text(c, &cols[k].title), k + 1 < n ? w[k] + 2 : 0);
    buf_addc(&out, '\n');
    for (size_t i = 0; i < json_len(items); i++) {
        for (size_t k = 0; k < n && k < COLS_MAX; k++) {
            buf_clear(&cell);
            add_value(&cell, json_get(json_at(items, i), cols[k].path));
            add_padded(&out, buf_cstr(&cell), k + 1 < n ? w[k] + 2 : 0);
        }
        buf_addc(&out, '\n');
    }
    put(&out);
}

int cli_items(struct cli *c, const struct json *answer, const struct cli_column *cols, size_t n)
{
    if (c->json)
        cli_json(answer);
    else
        cli_table(c, json_get(answer, "items"), cols, n);
    return 0;
}

static void add_details(struct buf *b, const struct json *j, int depth)
{
    void *iter = NULL;
    const char *key;
    const struct json *v;
    while (json_next(j, &iter, &key, &v)) {
        bool list = json_type_of(v) == JSON_ARRAY && json_len(v) > 0 &&
                    json_type_of(json_at(v, 0)) == JSON_OBJECT;
        for (int i = 0; i < depth; i++)
            buf_adds(b, "  ");
        add_padded(b, key, 14);
        buf_addc(b, ' ');
        if (json_type_of(v) == JSON_OBJECT && depth < 3) {
            buf_addc(b, '\n');
            add_details(b, v, depth + 1);
        } else if (list && depth < 3) {
            buf_addc(b, '\n');
            for (size_t i = 0; i < json_len(v); i++) {
                add_details(b, json_at(v, i), depth + 1);
                if (i + 1 < json_len(v))
                    buf_addc(b, '\n');
            }
        } else {
            add_value(b, v);
            buf_addc(b, '\n');
        }
    }
}

void cli_details(struct cli *c, const struct json *j)
{
    AUTO(buf) struct buf b = BUF((size_t)16 << 20);
    (void)c;
    add_details(&b, j, 0);
    put(&b);
}

void cli_error(struct cli *c, const struct err *err)
{
    char text[2048];
    err_text(err, c->lang, text, sizeof text);
    (void)fprintf(stderr, "inro: %s%s%s%s%s%s\n", text, err->field[0] ? " [" : "", err->field,
                  err->field[0] ? "]" : "", err->remote[0] ? " - " : "", err->remote);
}

void cli_print_error(struct cli *c, const struct json *error)
{
    struct err e;
    json_to_err(error, &e);
    cli_error(c, &e);
}

static void add_line(const char *lang, const struct cli_command *d, struct buf *out)
{
    AUTO(buf) struct buf head = BUF(512);
    bool ja = strcmp(lang, "ja") == 0;
    buf_adds(&head, "  inro ");
    buf_adds(&head, d->group);
    if (d->verb) {
        buf_addc(&head, ' ');
        buf_adds(&head, d->verb);
    }
    if (d->args[0]) {
        buf_addc(&head, ' ');
        buf_adds(&head, d->args);
    }
    add_padded(out, buf_cstr(&head), 52);
    buf_addc(out, ' ');
    buf_adds(out, ja ? d->help.ja : d->help.en);
    buf_addc(out, '\n');
}

void cli_usage(const char *lang, const char *group, struct buf *out)
{
    bool ja = strcmp(lang, "ja") == 0, any = false;
    buf_adds(out, ja ? "使い方: inro コマンド [引数] [オプション]\n\n"
                     : "usage: inro COMMAND [arguments] [options]\n\n");
    const struct cli_command *d;
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++)
        any = any || (group && strcmp(d->group, group) == 0);
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++)
        if (!any || strcmp(d->group, group) == 0)
            add_line(lang, d, out);
    buf_adds(out, ja ? "\n共通: --data DIR（INRO_DATA） --server URL --token FILE --ca-file F "
                       "--lang ja|en --json --help\n"
                     : "\neverywhere: --data DIR (INRO_DATA) --server URL --token FILE --ca-file F "
                       "--lang ja|en --json --help\n");
}

static void add_flag(const struct field *f, bool ja, struct buf *out)
{
    AUTO(buf) struct buf head = BUF(512);
    buf_adds(&head, "    --");
    for (const char *p = f->name; *p; p++)
        buf_addc(&head, *p == '_' ? '-' : *p);
    buf_adds(&head, f->type == FIELD_T_SECRET ? "-file F" : " V");
    add_padded(out, buf_cstr(&head), 30);
    buf_addc(out, ' ');
    buf_adds(out, ja ? f->label.ja : f->label.en);
    if (f->flags & FIELD_REQUIRED)
        buf_adds(out, " *");
    if (f->dflt) {
        buf_adds(out, " [");
        buf_adds(out, f->dflt);
        buf_adds(out, "]");
    }
    if (f->only_if) {
        buf_adds(out, " (");
        buf_adds(out, f->only_if);
        buf_adds(out, ")");
    }
    buf_addc(out, '\n');
}

static void add_types(const struct cli_command *d, bool ja, struct buf *out)
{
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++) {
        if (strcmp(conn_kind_name(k), d->kind) != 0)
            continue;
        for (size_t i = 0; i < registry_count(k); i++) {
            const struct conn_head *h = registry_at(k, i);
            const struct target_ops *t = k == CONN_TARGET ? target_find(h->id) : NULL;
            bool place = strncmp(d->group, "bind", 4) == 0;
            buf_adds(out, k == CONN_CHALLENGE ? "\n  --challenge " : "\n  --type ");
            buf_adds(out, h->id);
            buf_adds(out, "  ");
            buf_adds(out, ja ? h->name.ja : h->name.en);
            buf_addc(out, '\n');
            for (const struct field *f = place && t ? t->place_fields : h->fields;
                 f->type != FIELD_T_END; f++)
                add_flag(f, ja, out);
        }
    }
}

void cli_help(const char *lang, const struct cli_command *d, struct buf *out)
{
    bool ja = strcmp(lang, "ja") == 0;
    add_line(lang, d, out);
    for (const struct cli_option *o = d->options; o && o->name; o++) {
        AUTO(buf) struct buf head = BUF(512);
        buf_adds(&head, "    --");
        buf_adds(&head, o->name);
        if (o->value) {
            buf_addc(&head, ' ');
            buf_adds(&head, o->value);
        }
        add_padded(out, buf_cstr(&head), 30);
        buf_addc(out, ' ');
        buf_adds(out, ja ? o->help.ja : o->help.en);
        buf_addc(out, '\n');
    }
    if (d->fields && d->kind)
        add_types(d, ja, out);
    for (const struct field *f = cli_org_fields(d); f && f->type != FIELD_T_END; f++)
        add_flag(f, ja, out);
}
