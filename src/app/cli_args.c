/*
 * Reading the command line. Invariant: no secret is ever taken from an argument, where every user
 * of the machine could read it; it comes from a file or from standard input.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "base/os/file.h"

static const struct cli_option global[] = {
    {"data", "DIR", {NULL, NULL}},     {"server", "URL", {NULL, NULL}},
    {"token-file", "F", {NULL, NULL}}, {"ca-file", "F", {NULL, NULL}},
    {"token", "F", {NULL, NULL}},      {"lang", "ja|en", {NULL, NULL}},
    {"json", NULL, {NULL, NULL}},      {"help", NULL, {NULL, NULL}},
    {NULL, NULL, {NULL, NULL}}};

static const struct cli_option *known(const struct cli_option *list, const char *name)
{
    for (; list && list->name; list++)
        if (strcmp(list->name, name) == 0)
            return list;
    return NULL;
}

void cli_put_list(const struct cli *c, const char *name, const char *key, struct json_writer *w)
{
    if (!cli_opt(c, name))
        return;
    jw_key(w, key);
    jw_array(w);
    for (size_t i = 0; i < c->opt_count; i++) {
        struct str rest = str_from(c->opts[i].value), part;
        if (strcmp(c->opts[i].name, name) != 0)
            continue;
        while (rest.n > 0 && str_split(&rest, ',', &part))
            if (str_trim(part).n > 0)
                jw_strn(w, str_trim(part));
    }
    jw_end_array(w);
}

const char *cli_opt(const struct cli *c, const char *name)
{
    for (size_t i = c->opt_count; i > 0; i--)
        if (strcmp(c->opts[i - 1].name, name) == 0)
            return c->opts[i - 1].value ? c->opts[i - 1].value : "";
    return NULL;
}

static enum rc unknown(const char *name, struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("cli.option", "unknown option --{0}", "--{0} というオプションはありません"),
                name);
}

static enum rc too_many(struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("cli.many", "too many arguments", "引数が多すぎます"));
}

static enum rc take_option(struct cli *c, int argc, char **argv, int *i, struct err *err)
{
    const char *text = argv[*i] + 2, *eq = strchr(text, '=');
    const char *name = eq ? arena_str(c->a, (struct str){text, (size_t)(eq - text)}) : text;
    const char *value = eq ? eq + 1 : NULL;
    if (!name)
        return NOMEM(err);
    if (c->opt_count >= ARGS_MAX)
        return too_many(err);
    const struct cli_option *o = known(global, name);
    if (!o && c->cmd)
        o = known(c->cmd->options, name);
    if (!o && !(c->cmd && c->cmd->fields))
        return unknown(name, err);
    bool wants = o ? o->value != NULL : true;
    CHECK(wants || !value, err, RC_INPUT, BLAME_INPUT,
          MSG("cli.no_value", "--{0} takes no value", "--{0} に値は指定できません"), name);
    if (wants && !value) {
        bool next = *i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0;
        if (next)
            value = argv[++*i];
        CHECK(next || !o, err, RC_INPUT, BLAME_INPUT,
              MSG("cli.value", "--{0} needs a value", "--{0} には値が必要です"), name);
    }
    c->opts[c->opt_count++] = (struct cli_opt){name, value};
    return RC_OK;
}

/* The last of the words the verb takes ("add", "customer add"; none: 0); -1 when it does not fit.
 */
static int verb_words(const char *verb, const char *const words[3])
{
    struct str rest = str_from(verb), part;
    int i = 0;
    while (verb && str_split(&rest, ' ', &part))
        if (++i > 2 || !words[i] || !str_eqs(part, words[i]))
            return -1;
    return i;
}

/* The command is known first: its options decide how the rest reads. */
static int find_command(struct cli *c, int argc, char **argv)
{
    const char *words[3] = {NULL, NULL, NULL};
    int at[3] = {0, 0, 0}, n = 0;
    for (int i = 1; i < argc && n < 3; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            const struct cli_option *o = known(global, argv[i] + 2);
            i += o && o->value;
            continue;
        }
        words[n] = argv[i];
        at[n++] = i;
    }
    const struct cli_command *d;
    for (size_t k = 0; (d = cli_command_at(k)) != NULL; k++) {
        int last = words[0] && strcmp(d->group, words[0]) == 0 ? verb_words(d->verb, words) : -1;
        if (last < 0)
            continue;
        c->cmd = d;
        return at[last];
    }
    return 0;
}

enum rc cli_parse(struct cli *c, int argc, char **argv, struct err *err)
{
    int last = find_command(c, argc, argv);
    bool plain = false;
    for (int i = 1; i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = true;
        } else if (!plain && strncmp(argv[i], "--", 2) == 0) {
            TRY(take_option(c, argc, argv, &i, err));
        } else if (i > last) {
            if (c->arg_count >= ARGS_MAX)
                return too_many(err);
            c->args[c->arg_count++] = argv[i];
        }
    }
    c->json = cli_opt(c, "json") != NULL;
    return RC_OK;
}

enum rc cli_file(struct cli *c, const char *path, bool secret, struct str *ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET((size_t)1 << 20);
    if (strcmp(path, "-") == 0)
        path = "/dev/stdin";
    TRY(file_read(path, &b, err));
    /* an editor's last line end is no part of a password; a PEM text keeps its lines */
    bool one_line = b.len > 0 && memchr(b.p, '\n', b.len) == b.p + b.len - 1;
    if (secret && one_line)
        buf_truncate(&b, b.len - 1);
    const char *p = arena_dup(c->a, buf_cstr(&b), b.len);
    if (!p)
        return NOMEM(err);
    *ret = (struct str){p, b.len};
    return RC_OK;
}

struct flag {
    const struct field *field;
    bool from_file;
};

static struct flag flag_of(const struct field *fields, const char *prefix, const char *name)
{
    struct str s = str_from(name);
    struct flag f = {schema_field(fields, s), false};
    if (!f.field && prefix && str_starts(s, prefix)) {
        s = (struct str){s.p + strlen(prefix), s.n - strlen(prefix)};
        f.field = schema_field(fields, s);
    }
    if (!f.field && str_ends(s, "-file")) {
        f.field = schema_field(fields, (struct str){s.p, s.n - 5});
        f.from_file = f.field != NULL;
    }
    return f;
}

static enum rc set_list(struct cli *c, const struct field *fields, const char *prefix,
                        const struct field *f, struct json_writer *w, struct err *err)
{
    AUTO(buf) struct buf all = BUF(65536);
    for (size_t i = 0; i < c->opt_count; i++) {
        struct flag g = flag_of(fields, prefix, c->opts[i].name);
        if (g.field != f || !c->opts[i].value || known(c->cmd->options, c->opts[i].name))
            continue;
        if (all.len > 0)
            buf_addc(&all, ',');
        buf_adds(&all, c->opts[i].value);
    }
    TRY(buf_ok(&all, err));
    jw_key(w, f->name);
    return schema_text(f, buf_str(&all), w, err);
}

static enum rc set_one(struct cli *c, const struct cli_opt *o, struct flag g, struct json_writer *w,
                       struct err *err)
{
    struct str text = str_from(o->value);
    if (g.field->type == FIELD_T_SECRET && !g.from_file)
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("cli.secret",
                        "a secret is not given on the command line, where others can read it; use "
                        "--{0}-file FILE, or - for standard input",
                        "秘密の値をコマンドラインに書くと他の利用者に見えます。--{0}-file FILE "
                        "または - （標準入力）を使ってください"),
                    o->name);
    CHECK(o->value || g.field->type == FIELD_T_BOOL, err, RC_INPUT, BLAME_INPUT,
          MSG("cli.value", "--{0} needs a value", "--{0} には値が必要です"), o->name);
    if (!o->value)
        text = STR("true");
    if (g.from_file)
        TRY(cli_file(c, o->value, g.field->type == FIELD_T_SECRET, &text, err));
    jw_key(w, g.field->name);
    return schema_text(g.field, text, w, err); /* names the field itself */
}

/* Which option speaks for the field: the last one given; lists gather all of them. */
static bool is_last(const struct cli *c, size_t i, const struct field *fields, const char *prefix,
                    const struct field *f)
{
    for (size_t k = i + 1; k < c->opt_count; k++)
        if (flag_of(fields, prefix, c->opts[k].name).field == f &&
            !known(c->cmd->options, c->opts[k].name))
            return false;
    return true;
}

enum rc cli_members(struct cli *c, const struct field *fields, const char *prefix,
                    struct json_writer *w, struct err *err)
{
    for (size_t i = 0; i < c->opt_count; i++) {
        const struct cli_opt *o = &c->opts[i];
        if ((known(global, o->name) && strcmp(o->name, "lang") != 0) ||
            known(c->cmd->options, o->name))
            continue;
        struct flag g = flag_of(fields, prefix, o->name);
        if (!g.field && strcmp(o->name, "lang") == 0)
            continue;
        if (!g.field)
            return unknown(o->name, err);
        if (g.field->type == FIELD_T_LIST && !g.from_file) {
            if (is_last(c, i, fields, prefix, g.field))
                TRY(set_list(c, fields, prefix, g.field, w, err));
        } else if (is_last(c, i, fields, prefix, g.field)) {
            TRY(set_one(c, o, g, w, err));
        }
    }
    return RC_OK;
}

enum rc cli_settings(struct cli *c, const struct field *fields, const char *prefix,
                     struct json_writer *w, struct err *err)
{
    jw_object(w);
    TRY(cli_members(c, fields, prefix, w, err));
    jw_end_object(w);
    return RC_OK;
}
