/*
 * The command line's table and entry. Invariant: what a command can do, its options and its help
 * are rows here; setting flags come from the connectors' field tables.
 */
#include "app/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli_priv.h"
#include "app/config.h"

#define WAIT                                                                                       \
    {                                                                                              \
        "wait", NULL,                                                                              \
        {                                                                                          \
            "follow until it ends", "終わるまで待つ"                                        \
        }                                                                                          \
    }
#define NO_WAIT                                                                                    \
    {                                                                                              \
        "no-wait", NULL,                                                                           \
        {                                                                                          \
            "do not wait for the result", "結果を待たない"                                  \
        }                                                                                          \
    }
#define TYPE                                                                                       \
    {                                                                                              \
        "type", "TYPE",                                                                            \
        {                                                                                          \
            "see inro docs", "種類（inro docs 参照）"                                        \
        }                                                                                          \
    }
#define TAG                                                                                        \
    {                                                                                              \
        "tag", "TAG",                                                                              \
        {                                                                                          \
            "tag; may be repeated", "タグ（複数指定可）"                                  \
        }                                                                                          \
    }
#define GROUP                                                                                      \
    {                                                                                              \
        "group", "G",                                                                              \
        {                                                                                          \
            "group it belongs to", "所属するユーザーグループ"                          \
        }                                                                                          \
    }
#define LIMIT                                                                                      \
    {"limit", "N", {"at most N rows", "最大件数"}},                                                \
    {                                                                                              \
        "after", "ID",                                                                             \
        {                                                                                          \
            "go on after", "続き"                                                                \
        }                                                                                          \
    }

#define CONNECTOR(group_, kind_, en, many, ja, list_, ...)                                         \
    {group_,                                                                                       \
     "add",                                                                                        \
     "NAME --type TYPE ...",                                                                       \
     1,                                                                                            \
     1,                                                                                            \
     {"add " en, ja "を追加"},                                                                     \
     cli_conn_add,                                                                                 \
     OPTIONS(TYPE, GROUP),                                                                         \
     kind_,                                                                                        \
     true},                                                                                        \
        {group_, "list", "", 0, 0, {"list the " many, ja "の一覧"}, list_, OPTIONS(__VA_ARGS__),   \
         kind_,  false},                                                                           \
        {group_,        "show", "NAME", 1,    1, {"show " en, ja "を表示"},                        \
         cli_conn_show, NULL,   kind_,  false},                                                    \
    {                                                                                              \
        group_, "remove", "NAME", 1, 1, {"remove " en, ja "を削除"}, cli_conn_remove, NULL, kind_, \
            false                                                                                  \
    }

static const struct cli_command commands[] = {
    CONNECTOR("ca", "ca", "a CA account", "CA accounts", "認証局設定", cli_conn_list, LIMIT),
    {"ca",
     "check",
     "NAME",
     1,
     1,
     {"test the connection", "接続テスト"},
     cli_conn_job,
     OPTIONS(NO_WAIT),
     "ca",
     false},
    {"cert",
     "request",
     "[NAME[,NAME...]] --ca CA --FIELD V ...",
     0,
     1,
     {"apply for a certificate", "証明書を申請"},
     cli_cert_request,
     OPTIONS({"ca", "CA", {"CA account", "認証局設定"}},
             {"key", "ALG", {"ec256 ec384 rsa2048 rsa3072 rsa4096", "鍵の種類"}},
             {"challenge", "TYPE", {"http-01 http-01-webroot", "検証方法"}},
             {"validity", "TIME", {"90s 12h 47d", "有効期間"}},
             {"name", "N", {"name in Inro", "管理名"}}, GROUP,
             {"organisation", "O", {"organisation in the subject", "サブジェクトの組織"}},
             {"profile", "P", {"CA profile", "認証局プロファイル"}}, TAG,
             {"check", NULL, {"only look as the CA would", "申請せず、認証局と同じ方法で確認"}},
             {"csr",
              "FILE",
              {"CSR whose key was made elsewhere; names from it",
               "外部で作成した CSR（ドメイン名は CSR から）"}},
             {"batch", "FILE", {"one comma-separated name set per line", "1 行に 1 組の名前"}},
             WAIT),
     "challenge",
     true},
    {"cert",
     "list",
     "",
     0,
     0,
     {"list the certificates", "証明書の一覧"},
     cli_cert_list,
     OPTIONS({"q", "TEXT", {"words of names and tags, starts of serial numbers", "検索"}},
             {"state", "S", {"by state", "状態"}},
             {"tag", "TAG", {"with this tag; may be repeated", "タグ（複数指定可）"}}, LIMIT),
     NULL,
     false},
    {"cert",
     "show",
     "CERT",
     1,
     1,
     {"show a certificate", "証明書を表示"},
     cli_cert_show,
     NULL,
     NULL,
     false},
    {"cert",
     "tag",
     "CERT",
     1,
     1,
     {"add and remove tags", "タグを付け外しする"},
     cli_cert_tag,
     OPTIONS({"add", "TAG", {"may be repeated", "付けるタグ（複数指定可）"}},
             {"remove", "TAG", {"may be repeated", "外すタグ（複数指定可）"}}),
     NULL,
     false},
    {"cert",
     "renew",
     "CERT",
     1,
     1,
     {"renew now", "今すぐ更新"},
     cli_cert_renew,
     OPTIONS(WAIT),
     NULL,
     false},
    {"cert",
     "revoke",
     "CERT --reason R",
     1,
     1,
     {"revoke at the CA", "失効"},
     cli_cert_revoke,
     OPTIONS({"reason", "R", {"unspecified key_compromise superseded ...", "理由"}},
             {"version", "ID", {"another than the current one", "版"}}, WAIT),
     NULL,
     false},
    {"cert",
     "remove",
     "CERT",
     1,
     1,
     {"remove a certificate", "証明書を削除"},
     cli_cert_remove,
     NULL,
     NULL,
     false},
    {"cert",
     "import",
     "FILE...",
     1,
     16,
     {"import PEM, DER, PKCS#7 or PKCS#12", "PEM・DER・PKCS#7・PKCS#12 を取り込む"},
     cli_cert_import,
     OPTIONS({"name", "N", {"name in Inro", "管理名"}}, GROUP, TAG,
             {"pick", "NAME", {"which of several certificates", "複数ある場合の対象"}},
             {"password-file", "F", {"password of the key or file", "鍵・ファイルのパスワード"}}),
     NULL,
     false},
    {"cert",
     "export",
     "CERT",
     1,
     1,
     {"write the certificate and chain", "証明書を書き出す"},
     cli_cert_export,
     OPTIONS(
         {"format", "F", {"pem der pkcs7, with key: pkcs12 jks", "形式"}},
         {"password-file", "F", {"with the key, sealed under it", "鍵を含める場合のパスワード"}},
         {"version", "ID", {"another than the current one", "版"}},
         {"out", "FILE", {"write there (mode 0600)", "出力先"}}),
     NULL,
     false},
    {"cert",
     "csr",
     "CERT",
     1,
     1,
     {"show the newest CSR", "CSR を表示"},
     cli_cert_csr,
     NULL,
     NULL,
     false},
    CONNECTOR("target", "target", "a target", "targets", "適用先", cli_target_list,
              {"q", "TEXT", {"in name, address or type", "検索（名前・アドレス・種類）"}},
              {"type", "TYPE", {"of this type", "種類"}},
              {"state", "S", {"failed drift new deployed unused", "適用の状態"}}, LIMIT),
    {"target",
     "check",
     "NAME",
     1,
     1,
     {"test the connection", "接続テスト"},
     cli_conn_job,
     OPTIONS(NO_WAIT),
     "target",
     false},
    {"bind",
     NULL,
     "CERT TARGET --FIELD V ...",
     2,
     2,
     {"bind a certificate", "適用設定を追加"},
     cli_bind,
     OPTIONS({"seq", "N", {"place in the roll-out", "適用順"}}),
     "target",
     true},
    {"deploy",
     NULL,
     "CERT",
     1,
     1,
     {"deploy to the targets", "適用"},
     cli_deploy,
     OPTIONS({"plan", NULL, {"only say what would change", "計画だけ"}},
             {"target", "T", {"one target only", "適用先を限定"}}, WAIT),
     NULL,
     false},
    {"undo",
     NULL,
     "CERT",
     1,
     1,
     {"put the previous version back", "前の版に戻す"},
     cli_undo,
     OPTIONS(WAIT),
     NULL,
     false},
    {"watch",
     "add",
     "HOST[:PORT]",
     1,
     1,
     {"watch an endpoint", "監視対象を追加"},
     cli_watch_add,
     OPTIONS({"sni", "N", {"server name", "サーバー名"}}, GROUP,
             {"starttls", "P", {"smtp, imap or pop3", "STARTTLS（smtp、imap、pop3）"}},
             {"cert", "CERT", {"certificate expected there", "期待する証明書"}},
             {"every", "TIME", {"look every", "確認間隔"}}),
     NULL,
     false},
    {"watch",
     "list",
     "",
     0,
     0,
     {"list what is watched", "監視対象の一覧"},
     cli_watch_list,
     OPTIONS(LIMIT),
     NULL,
     false},
    {"watch",
     "now",
     "[ID...]",
     0,
     64,
     {"look now", "今すぐ確認"},
     cli_watch_now,
     OPTIONS(WAIT),
     NULL,
     false},
    {"watch",
     "remove",
     "ID",
     1,
     1,
     {"stop watching", "監視をやめる"},
     cli_watch_remove,
     NULL,
     NULL,
     false},
    CONNECTOR("notify", "notifier", "a notifier", "notifiers", "通知先", cli_conn_list, LIMIT),
    {"notify",
     "test",
     "NAME",
     1,
     1,
     {"send a test message", "テスト通知"},
     cli_conn_job,
     OPTIONS(NO_WAIT),
     "notifier",
     false},
    {"job",
     "list",
     "",
     0,
     0,
     {"list the jobs", "ジョブの一覧"},
     cli_job_list,
     OPTIONS({"open", NULL, {"only those not ended", "未完了だけ"}}, LIMIT),
     NULL,
     false},
    {"job",
     "show",
     "ID",
     1,
     1,
     {"show a job", "ジョブを表示"},
     cli_job_show,
     OPTIONS(WAIT),
     NULL,
     false},
    {"job", "retry", "ID", 1, 1, {"try now", "今すぐ再試行"}, cli_job_change, NULL, "retry", false},
    {"job",
     "approve",
     "ID",
     1,
     1,
     {"let a roll-out begin that waits for approval or its time", "待機中の適用を開始させる"},
     cli_job_approve,
     OPTIONS({"now", NULL, {"do not wait for its time", "時間帯を待たない"}}),
     NULL,
     false},
    {"job",
     "cancel",
     "ID",
     1,
     1,
     {"cancel a job", "ジョブを取り消す"},
     cli_job_change,
     NULL,
     "cancel",
     false},
    {"audit",
     "list",
     "",
     0,
     0,
     {"the audit log", "監査ログ"},
     cli_audit_list,
     OPTIONS(LIMIT),
     NULL,
     false},
    {"audit",
     "verify",
     "",
     0,
     0,
     {"prove that it is whole", "完全性の検証"},
     cli_audit_verify,
     NULL,
     NULL,
     false},
    {"system",
     NULL,
     "",
     0,
     0,
     {"about this installation", "システム情報"},
     cli_system,
     NULL,
     NULL,
     false},
    {"docs",
     NULL,
     "",
     0,
     0,
     {"the connector reference", "接続設定リファレンス"},
     cli_docs,
     OPTIONS({"openapi", NULL, {"the API as OpenAPI 3.1", "API の OpenAPI 定義を出力"}}),
     NULL,
     false},
};
const struct cli_command_set cli_set_main = {commands, COUNT_OF(commands)};

const struct cli_command *cli_command_at(size_t i)
{
    static const struct cli_command_set *const sets[] = {
        &cli_set_local,   &cli_set_main, &cli_set_discover, &cli_set_change, &cli_set_keep,
        &cli_set_licence, &cli_set_orgs, &cli_set_people,   &cli_set_vendor};
    for (size_t s = 0; s < COUNT_OF(sets); s++) {
        if (i < sets[s]->n)
            return &sets[s]->v[i];
        i -= sets[s]->n;
    }
    return NULL;
}

bool cli_ja(const struct cli *c)
{
    return strcmp(c->lang, "ja") == 0;
}

const char *cli_text(const struct cli *c, const struct l10n *t)
{
    return cli_ja(c) ? t->ja : t->en;
}

int cli_exit(enum rc rc)
{
    static const signed char of[RC_COUNT] = {
        [RC_INPUT] = EXIT_INPUT,       [RC_EXISTS] = EXIT_INPUT,   [RC_CONFLICT] = EXIT_INPUT,
        [RC_UNSUPPORTED] = EXIT_INPUT, [RC_CORRUPT] = EXIT_ANY,    [RC_NOT_FOUND] = EXIT_NOT_FOUND,
        [RC_TIMEOUT] = EXIT_REMOTE,    [RC_NET] = EXIT_REMOTE,     [RC_TLS] = EXIT_REMOTE,
        [RC_REMOTE] = EXIT_REMOTE,     [RC_RATE] = EXIT_REMOTE,    [RC_AUTH] = EXIT_DENIED,
        [RC_DENIED] = EXIT_DENIED,     [RC_LICENCE] = EXIT_LICENCE};
    if (rc == RC_OK)
        return 0;
    return (unsigned)rc < RC_COUNT && of[rc] ? of[rc] : EXIT_ANY;
}

static void print_usage(const struct cli *c, const char *group, FILE *to)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    if (c->cmd)
        cli_help(c->lang, c->cmd, &b);
    else
        cli_usage(c->lang, group, &b);
    (void)fputs(buf_cstr(&b), to);
}

/* The group that was asked for: no option's value is taken for it. */
static const char *first_word(const struct cli *c)
{
    return c->cmd ? c->cmd->group : c->arg_count ? c->args[0] : NULL;
}

static bool is_group(const char *word)
{
    const struct cli_command *d;
    for (size_t i = 0; word && (d = cli_command_at(i)) != NULL; i++)
        if (strcmp(d->group, word) == 0)
            return true;
    return false;
}

static enum rc prepare(struct cli *c, struct err *err)
{
    const char *data = cli_opt(c, "data"), *token = cli_opt(c, "token-file");
    token = token ? token : cli_opt(c, "token");
    struct str text;
    if (!data)
        data = getenv("INRO_DATA");
    c->data = data && data[0] ? data : "/var/lib/inro";
    c->server = cli_opt(c, "server");
    if (!token)
        return RC_OK;
    CHECK(strncmp(token, "inro_", 5) != 0, err, RC_INPUT, BLAME_INPUT,
          MSG("cli.token",
              "a token on the command line can be read by others; give --token the name of a file "
              "that holds it, or - for standard input",
              "トークンをコマンドラインに書くと他の利用者に見えます。--token にはトークンを書いた"
              "ファイル名、または -（標準入力）を指定してください"));
    TRY(cli_file(c, token, true, &text, err));
    c->token = arena_printf(c->a, "Bearer %.*s", (int)text.n, text.p);
    return c->token ? RC_OK : NOMEM(err);
}

/* What is wrong with the words of the command itself. */
static enum rc not_a_command(const struct cli *c, struct err *err)
{
    const char *word = first_word(c);
    if (c->cmd)
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("cli.count", "inro {0} {1} takes: {2}", "inro {0} {1} の引数: {2}"),
                    c->cmd->group, c->cmd->verb ? c->cmd->verb : "",
                    c->cmd->args[0] ? c->cmd->args : "-");
    CHECK(!is_group(word), err, RC_INPUT, BLAME_INPUT,
          MSG("cli.verb", "inro {0} needs one of these commands:",
              "inro {0} には次のコマンドのいずれかが必要です:"),
          word);
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("cli.command", "there is no such command ({0}); inro --help lists them",
                    "コマンド {0} はありません。inro --help で一覧を確認できます"),
                word ? word : "");
}

static bool wants_help(int argc, char **argv)
{
    bool help = argc < 2 || strcmp(argv[1], "help") == 0;
    for (int i = 1; i < argc; i++)
        help = help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    return help;
}

/* What was typed is no command; a word that is none gets no screenful of those there are. */
static int misused(struct cli *c, struct err *err)
{
    if (err->rc == RC_OK && not_a_command(c, err) == RC_OK)
        return EXIT_USAGE;
    cli_error(c, err);
    if (c->cmd || is_group(first_word(c)))
        print_usage(c, first_word(c), stderr);
    return EXIT_USAGE;
}

static int run(struct cli *c, int argc, char **argv)
{
    struct err err = {0};
    enum rc rc = cli_parse(c, argc, argv, &err);
    if (wants_help(argc, argv)) {
        print_usage(c, first_word(c), argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : 0;
    }
    if (rc != RC_OK || !c->cmd || c->arg_count < c->cmd->min || c->arg_count > c->cmd->max)
        return misused(c, &err);
    rc = prepare(c, &err);
    int status = rc == RC_OK ? c->cmd->run(c, &err) : -1;
    if (status >= 0)
        return status;
    cli_error(c, &err);
    /* a word that no command or table knows is usage, what the server refuses is input */
    if (strncmp(err.id, "cli.", 4) == 0 && err.rc == RC_INPUT)
        return EXIT_USAGE;
    return cli_exit(err.rc);
}

int cli_main(int argc, char **argv)
{
    struct cli *c = NULL;
    json_init();
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    if (a)
        c = ARENA_NEW(a, struct cli);
    if (!c)
        return EXIT_ANY;
    c->a = a;
    c->lang = config_lang(argc, argv);
    int status = run(c, argc, argv);
    http_client_destroy(c->http);
    /* the reader went away: no success, and no noise either */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0)
        status = EXIT_ANY;
    return status;
}
