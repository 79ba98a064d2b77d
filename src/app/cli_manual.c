/*
 * What is made from the command table: completion for bash and zsh, and the manual page. Nothing
 * here names a command: a row that is added appears by itself.
 */
#include <stdio.h>
#include <string.h>

#include "app/cli_priv.h"
#include "app/config.h"

/* Groups, each once, in the order of the table. */
static const char *group_at(size_t nth)
{
    const struct cli_command *d, *before;
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && (before = cli_command_at(k)) != NULL; k++)
            seen = seen || strcmp(before->group, d->group) == 0;
        if (!seen && nth-- == 0)
            return d->group;
    }
    return NULL;
}

static void add_groups(struct buf *b)
{
    const char *g;
    for (size_t i = 0; (g = group_at(i)) != NULL; i++)
        buf_addf(b, "%s%s", i ? " " : "", g);
}

static void add_verbs(const char *group, struct buf *b)
{
    const struct cli_command *d;
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++)
        if (d->verb && strcmp(d->group, group) == 0)
            buf_addf(b, " %s", d->verb);
}

static void add_setting(const struct field *f, struct buf *b)
{
    AUTO(buf) struct buf name = BUF(128);
    for (const char *p = f->name; *p; p++)
        buf_addc(&name, *p == '_' ? '-' : *p);
    buf_addf(b, " --%s%s", buf_cstr(&name), f->type == FIELD_T_SECRET ? "-file" : "");
}

/* Options of the row, and the settings of all types it may take. */
static void add_options(const struct cli_command *d, struct buf *b)
{
    for (const struct cli_option *o = d->options; o && o->name; o++)
        buf_addf(b, " --%s", o->name);
    for (enum conn_kind k = CONN_CA; d->fields && d->kind && k < CONN_KINDS; k++)
        for (size_t i = 0; strcmp(conn_kind_name(k), d->kind) == 0 && i < registry_count(k); i++)
            for (const struct field *f = registry_at(k, i)->fields; f->type != FIELD_T_END; f++)
                add_setting(f, b);
    for (const struct field *f = cli_org_fields(d); f && f->type != FIELD_T_END; f++)
        add_setting(f, b);
}

static const char globals[] = "--data --server --token-file --ca-file --lang --json --help";

static void completion(struct buf *b)
{
    const struct cli_command *d;
    const char *g;
    buf_adds(
        b,
        "_inro() {\n"
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} group= verb= i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    case ${COMP_WORDS[i]} in\n"
        "      --data|--server|--token-file|--ca-file|--lang) ((i++)) ;;\n"
        "      -*) ;;\n"
        "      *) if [[ -z $group ]]; then group=${COMP_WORDS[i]}; elif [[ -z $verb ]]; then "
        "verb=${COMP_WORDS[i]}; fi ;;\n"
        "    esac\n"
        "  done\n"
        "  local verbs= options=\n"
        "  case $prev in --*-file|--folder) COMPREPLY=($(compgen -f -- \"$cur\")); return ;; esac\n"
        "  case $group in\n");
    for (size_t i = 0; (g = group_at(i)) != NULL; i++) {
        buf_addf(b, "    %s) verbs='", g);
        add_verbs(g, b);
        buf_adds(b, "' ;;\n");
    }
    buf_adds(b, "  esac\n");
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++) {
        /* a verb may be two words ("customer add"): the first tells enough */
        int first = d->verb ? (int)strcspn(d->verb, " ") : 1;
        buf_addf(b, "  [[ $group/$verb == %s/%.*s ]] && options+='", d->group, first,
                 d->verb ? d->verb : "*");
        add_options(d, b);
        buf_adds(b, "'\n");
    }
    buf_adds(b, "  if [[ -z $group ]]; then\n    COMPREPLY=($(compgen -W '");
    add_groups(b);
    buf_addf(b,
             " %s' -- \"$cur\"))\n"
             "  elif [[ $cur == -* ]]; then\n"
             "    COMPREPLY=($(compgen -W \"$options %s\" -- \"$cur\"))\n"
             "  elif [[ -n $verbs && -z $verb ]]; then\n"
             "    COMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\"))\n"
             "  else\n"
             "    COMPREPLY=($(compgen -f -- \"$cur\"))\n"
             "  fi\n"
             "}\n",
             globals, globals);
}

int cli_completion(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    bool zsh = strcmp(c->args[0], "zsh") == 0;
    if (!zsh && strcmp(c->args[0], "bash") != 0 &&
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("cli.shell", "there is completion for bash and zsh",
                 "補完は bash と zsh に対応しています")) != RC_OK)
        return -1;
    if (zsh)
        buf_adds(&b, "#compdef inro\nautoload -U +X bashcompinit && bashcompinit\n");
    completion(&b);
    buf_adds(&b, zsh ? "complete -o default -F _inro inro\n"
                     : "complete -o filenames -o bashdefault -F _inro inro\n");
    CLI_TRY(buf_ok(&b, err));
    (void)fwrite(b.p, 1, b.len, stdout);
    return 0;
}

/* ---- the manual page ---- */

/* Text of ours for troff: backslashes and hyphens, and no line that begins like a request. */
static void add_roff(struct buf *b, const char *s)
{
    bool start = b->len == 0 || b->p[b->len - 1] == '\n';
    for (; *s; s++) {
        if (start && (*s == '.' || *s == '\''))
            buf_adds(b, "\\&");
        start = *s == '\n';
        if (*s == '\\')
            buf_adds(b, "\\e");
        else if (*s == '-')
            buf_adds(b, "\\-");
        else
            buf_addc(b, *s);
    }
}

static void add_item(struct buf *b, const char *term, const char *value, const char *text)
{
    buf_adds(b, ".TP\n.B ");
    add_roff(b, term);
    if (value && *value) {
        buf_adds(b, " \\fI");
        add_roff(b, value);
        buf_adds(b, "\\fR");
    }
    buf_addc(b, '\n');
    add_roff(b, text);
    buf_addc(b, '\n');
}

static void add_command(struct cli *c, const struct cli_command *d, struct buf *b)
{
    const char *term =
        arena_printf(c->a, "inro %s%s%s", d->group, d->verb ? " " : "", d->verb ? d->verb : "");
    add_item(b, term ? term : "inro", d->args, cli_text(c, &d->help));
    if (!d->options || !d->options->name)
        return;
    buf_adds(b, ".RS\n");
    for (const struct cli_option *o = d->options; o && o->name; o++) {
        const char *name = arena_printf(c->a, "--%s", o->name);
        add_item(b, name ? name : "", o->value, cli_text(c, &o->help));
    }
    buf_adds(b, ".RE\n");
}

struct section {
    struct l10n title, text;
};
static const struct section before = {
    {"NAME", "名前"},
    {"inro - keeps TLS certificates alive: applies, deploys, proves, watches, tells",
     "inro - SSL/TLS 証明書の申請、適用、確認、監視、通知"}};
static const struct section after[] = {
    {{"EXIT STATUS", "終了コード"},
     {"0 done; 1 anything else; 2 usage; 3 refused input; 4 not found; 5 the remote side failed; 6 "
      "not permitted; 7 the licence does not cover it.",
      "0 成功、1 その他、2 使い方の誤り、3 入力の拒否、4 見つからない、5 相手側の失敗、6 "
      "権限なし、7 "
      "ライセンス外。"}},
    {{"FILES", "ファイル"},
     {"/etc/inro/inro.conf, /var/lib/inro (inro.db, master.key, backup, log, tls).",
      "/etc/inro/inro.conf、/var/lib/inro（inro.db、master.key、backup、log、tls）。"}},
    {{"ENVIRONMENT", "環境変数"},
     {"INRO_DATA: the data directory. LC_ALL, LC_MESSAGES, LANG: Japanese or English.",
      "INRO_DATA: データディレクトリ。LC_ALL、LC_MESSAGES、LANG: 日本語または英語。"}},
};

static void add_section(struct cli *c, const struct l10n *title, const char *text, struct buf *b)
{
    buf_addf(b, ".SH %s\n", cli_text(c, title));
    add_roff(b, text);
    buf_addc(b, '\n');
}

int cli_manual(struct cli *c, struct err *err)
{
    static const struct l10n commands = {"COMMANDS", "コマンド"};
    static const struct l10n synopsis = {"SYNOPSIS", "書式"};
    static const struct l10n settings = {"SETTINGS OF inro serve AND inro.conf",
                                         "inro serve と inro.conf の設定"};
    AUTO(buf) struct buf b = BUF((size_t)4 << 20), conf = BUF(65536);
    const struct cli_command *d;
    buf_addf(&b, ".TH INRO 1 \"\" \"Inro %s\"\n", INRO_VERSION);
    add_section(c, &before.title, cli_text(c, &before.text), &b);
    add_section(c, &synopsis, "inro COMMAND [arguments] [options]", &b);
    add_roff(&b, globals);
    buf_adds(&b, "\n");
    buf_addf(&b, ".SH %s\n", cli_text(c, &commands));
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++)
        add_command(c, d, &b);
    config_help(c->lang, &conf);
    buf_addf(&b, ".SH %s\n.nf\n", cli_text(c, &settings));
    add_roff(&b, buf_cstr(&conf));
    buf_adds(&b, ".fi\n");
    for (size_t i = 0; i < COUNT_OF(after); i++)
        add_section(c, &after[i].title, cli_text(c, &after[i].text), &b);
    CLI_TRY(buf_ok(&b, err));
    (void)fwrite(b.p, 1, b.len, stdout);
    return 0;
}

/* Programs with a start of their own (main.c): here for help, completion and the manual. */
static int local(struct cli *c, struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("cli.first", "write the command first: inro {0} ...",
                    "コマンドを先頭に書いてください: inro {0} ..."),
                c->cmd->group) == RC_OK
               ? 0
               : -1;
}

static const struct cli_command rows[] = {
    {"serve",
     NULL,
     "",
     0,
     0,
     {"run the server", "サーバーを起動"},
     local,
     OPTIONS({"listen", "A:P", {"GUI and API", "画面と API"}},
             {"http01", "A:P", {"HTTP-01 answers, or off", "HTTP-01 の応答"}},
             {"database", "URL", {"sqlite:PATH or postgresql://...", "データベース"}},
             {"passphrase-file", "F", {"of the master key", "マスター鍵のパスフレーズ"}}),
     NULL,
     false},
    {"init",
     NULL,
     "",
     0,
     0,
     {"make an installation", "初期化"},
     local,
     OPTIONS({"admin", "LOGIN", {"first administrator", "最初の管理者"}}),
     NULL,
     false},
    {"restore",
     NULL,
     "FILE --passphrase-file F",
     1,
     1,
     {"make or replace an installation from a backup", "バックアップから復元"},
     local,
     OPTIONS({"passphrase-file", "F", {"of the backup", "バックアップのパスフレーズ"}},
             {"check", NULL, {"only say what would be lost", "確認だけ行う"}},
             {"confirm", NULL, {"run without asking again", "保留せずに動かす"}}),
     NULL,
     false},
    {"check", NULL, "", 0, 0, {"judge the data", "データの検査"}, local, NULL, NULL, false},
    {"scan",
     NULL,
     "[FILE]",
     0,
     1,
     {"look at endpoints without a server", "接続先の検査"},
     local,
     NULL,
     NULL,
     false},
    {"doctor",
     NULL,
     "",
     0,
     0,
     {"look at the installation and say what to do", "環境を診断"},
     cli_doctor,
     NULL,
     NULL,
     false},
    {"completion",
     NULL,
     "bash|zsh",
     1,
     1,
     {"completion for a shell", "シェルの補完"},
     cli_completion,
     NULL,
     NULL,
     false},
    {"manual",
     NULL,
     "",
     0,
     0,
     {"this manual as troff", "マニュアルを出力"},
     cli_manual,
     NULL,
     NULL,
     false},
};
const struct cli_command_set cli_set_local = {rows, COUNT_OF(rows)};
