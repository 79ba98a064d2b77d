/* user, group, token, session: who may do what. Secrets come from files or standard input. */
#include <stdio.h>
#include <string.h>

#include "app/cli_priv.h"
#include "base/os/file.h"

static enum rc change(struct cli *c, const char *method, const char *path, const struct buf *body,
                      struct json **ret, struct err *err)
{
    TRY(buf_ok(body, err));
    return cli_call(c, method, path, buf_str(body), ret, err);
}

static void put_text(struct cli *c, struct json_writer *w, const char *option, const char *member)
{
    if (cli_opt(c, option))
        jw_kstr(w, member, cli_opt(c, option));
}

/* "a,b" -> ["a","b"]; "" -> []: takes all away. */
static void put_list(struct cli *c, struct json_writer *w, const char *option, const char *member)
{
    const char *text = cli_opt(c, option);
    struct str rest = str_from(text), part;
    if (!text)
        return;
    jw_key(w, member);
    jw_array(w);
    while (rest.n > 0 && str_split(&rest, ',', &part))
        jw_strn(w, str_trim(part));
    jw_end_array(w);
}

/* ---- user ---- */
static int user_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"login", {"LOGIN", "ログイン名"}},
                                             {"name", {"NAME", "氏名"}},
                                             {"role", {"ROLE", "権限"}},
                                             {"groups", {"GROUPS", "グループ"}},
                                             {"totp", {"2FA", "二要素"}},
                                             {"disabled", {"DISABLED", "無効"}}};
    return cli_list(c, "/users", "", "after", cols, COUNT_OF(cols), err);
}

static int user_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/users/", c->args[0], NULL), STR_NONE, &j, err));
    return cli_show(c, j);
}

static enum rc user_body(struct cli *c, struct buf *b, const char *login, struct err *err)
{
    struct json_writer w = JSON_WRITER(b);
    const char *password = cli_opt(c, "password-file");
    jw_object(&w);
    if (login)
        jw_kstr(&w, "login", login);
    put_text(c, &w, "name", "name");
    put_text(c, &w, "role", "role");
    put_text(c, &w, "user-lang", "lang");
    put_list(c, &w, "groups", "groups");
    if (cli_opt(c, "disable") || cli_opt(c, "enable"))
        jw_kbool(&w, "disabled", cli_opt(c, "disable") != NULL);
    if (password) {
        struct str text;
        TRY(cli_file(c, password, true, &text, err));
        jw_key(&w, "password");
        jw_strn(&w, text);
    }
    jw_end_object(&w);
    return buf_ok(b, err);
}

static int user_add(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF_SECRET(65536);
    CLI_TRY(user_body(c, &b, c->args[0], err));
    CLI_TRY(change(c, "POST", "/users", &b, &j, err));
    return cli_show(c, j);
}

static int user_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF_SECRET(65536);
    CLI_TRY(user_body(c, &b, NULL, err));
    CLI_TRY(change(c, "PATCH", cli_path(c, "/users/", c->args[0], NULL), &b, &j, err));
    return cli_show(c, j);
}

static int user_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/users/", c->args[0], NULL), err);
}

static int user_totp_off(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/users/", c->args[0], "/totp"), err);
}

/* ---- group ---- */
static int group_list(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"NAME", "グループ名"}},
                                             {"notify.recipients", {"TELLS", "通知先"}},
                                             {"about", {"ABOUT", "説明"}}};
    CLI_TRY(cli_call(c, "GET", "/groups", STR_NONE, &j, err));
    return cli_items(c, j, cols, COUNT_OF(cols));
}

static int group_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/groups/", c->args[0], NULL), STR_NONE, &j, err));
    return cli_show(c, j);
}

/* What is given changes; the rest of the notification settings stays as `before` has it. */
static void put_notify(struct cli *c, struct json_writer *w, const struct json *before)
{
    static const char *const lists[] = {"recipients", "days", "events"};
    bool any = cli_opt(c, "notify-lang") != NULL;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        any = any || cli_opt(c, lists[i]);
    if (!any)
        return;
    jw_key(w, "notify");
    jw_object(w);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (cli_opt(c, lists[i])) {
            put_list(c, w, lists[i], lists[i]);
        } else if (json_get(before, lists[i])) {
            jw_key(w, lists[i]);
            jw_json(w, json_get(before, lists[i]));
        }
    }
    jw_kstr(w, "lang",
            cli_opt(c, "notify-lang") ? cli_opt(c, "notify-lang")
                                      : json_str_or(before, "lang", NULL));
    jw_end_object(w);
}

static int group_put(struct cli *c, const char *method, const char *path, const char *name,
                     const struct json *before, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    if (name)
        jw_kstr(&w, "name", name);
    put_text(c, &w, "about", "about");
    put_notify(c, &w, before);
    jw_end_object(&w);
    CLI_TRY(change(c, method, path, &b, &j, err));
    return cli_show(c, j);
}

static int group_add(struct cli *c, struct err *err)
{
    return group_put(c, "POST", "/groups", c->args[0], NULL, err);
}

static int group_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    const char *path = cli_path(c, "/groups/", c->args[0], NULL);
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    return group_put(c, "PATCH", path, cli_opt(c, "name"), json_get(j, "notify"), err);
}

static int group_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/groups/", c->args[0], NULL), err);
}

static int group_join(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "user", c->args[1]);
    jw_end_object(&w);
    CLI_TRY(change(c, "POST", cli_path(c, "/groups/", c->args[0], "/members"), &b, &j, err));
    return cli_show(c, j);
}

static int group_leave(struct cli *c, struct err *err)
{
    const char *base = cli_path(c, "/groups/", c->args[0], "/members/");
    return cli_remove(c, base ? cli_path(c, base, c->args[1], NULL) : NULL, err);
}

/* group give GROUP KIND NAME; "-" as the group takes it away again. */
static int group_give(struct cli *c, struct err *err)
{
    static const struct {
        const char *kind, *base;
    } kinds[] = {{"cert", "/certs/"},
                 {"target", "/targets/"},
                 {"watch", "/endpoints/"},
                 {"ca", "/cas/"},
                 {"notify", "/notifiers/"}};
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    const char *base = NULL;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].kind, c->args[1]) == 0)
            base = kinds[i].base;
    if (!base && FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("cli.kind", "{0} is none of cert, target, watch, ca, notify",
                          "{0} は cert、target、watch、ca、notify のいずれでもありません"),
                      c->args[1]) != RC_OK)
        return -1;
    jw_object(&w);
    jw_kstr(&w, "group", strcmp(c->args[0], "-") == 0 ? NULL : c->args[0]);
    jw_end_object(&w);
    CLI_TRY(change(c, "PATCH", cli_path(c, base, c->args[2], NULL), &b, &j, err));
    return cli_show(c, j);
}

/* ---- token ---- */
static int token_list(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"NAME", "名前"}},
                                             {"user", {"USER", "利用者"}},
                                             {"role", {"ROLE", "権限"}},
                                             {"groups", {"GROUPS", "グループ"}},
                                             {"expires", {"EXPIRES", "有効期限"}},
                                             {"last_used", {"LAST USED", "最終使用"}},
                                             {"last_address", {"FROM", "接続元"}}};
    CLI_TRY(cli_call(c, "GET", "/tokens", STR_NONE, &j, err));
    return cli_items(c, j, cols, COUNT_OF(cols));
}

static int token_add(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "name", c->args[0]);
    put_text(c, &w, "user", "user");
    put_text(c, &w, "role", "role");
    put_text(c, &w, "expires", "expires");
    put_list(c, &w, "groups", "groups");
    jw_end_object(&w);
    CLI_TRY(change(c, "POST", "/tokens", &b, &j, err));
    return cli_show(c, j);
}

static int token_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/tokens/", c->args[0], NULL), err);
}

/* ---- session ---- */
static int session_list(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"user", {"USER", "利用者"}},
                                             {"address", {"FROM", "接続元"}},
                                             {"created", {"SINCE", "開始"}},
                                             {"last_seen", {"SEEN", "最終操作"}},
                                             {"agent", {"BROWSER", "ブラウザ"}}};
    CLI_TRY(cli_call(c, "GET", "/sessions", STR_NONE, &j, err));
    return cli_items(c, j, cols, COUNT_OF(cols));
}

static int session_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/sessions/", c->args[0], NULL), err);
}

/* ---- audit ---- */
/* The last id of an export: its lines begin with it, in either format. */
static int64_t last_id(struct str body, bool csv)
{
    struct str rest = str_trim(body), line = STR(""), part;
    int64_t id = 0;
    AUTO(json) struct json *j = NULL;
    const char *nl = rest.n > 0 ? memrchr(rest.p, '\n', rest.n) : NULL;
    line = nl ? (struct str){nl + 1, rest.n - (size_t)(nl + 1 - rest.p)} : rest;
    if (!csv)
        return json_parse(line, &j, NULL) == RC_OK ? json_i64_or(j, "id", 0) : 0;
    return str_split(&line, ',', &part) && str_to_i64(part, 1, INT64_MAX, &id) ? id : 0;
}

static int audit_export(struct cli *c, struct err *err)
{
    const char *format = cli_opt(c, "format"), *from = cli_opt(c, "from"), *to = cli_opt(c, "to");
    bool csv = format && strcmp(format, "csv") == 0;
    const char *base = cli_path(c, "/audit/export?format=", format ? format : "jsonl", "&from=");
    base = base ? cli_path(c, base, from ? from : "", "&to=") : NULL;
    base = base ? cli_path(c, base, to ? to : "", "&after=") : NULL;
    for (int64_t after = 0;;) {
        struct str body;
        const char *path = base ? arena_printf(c->a, "%s%lld", base, (long long)after) : NULL;
        CLI_TRY(cli_raw(c, "GET", path, STR_NONE, NULL, &body, err));
        (void)fwrite(body.p, 1, body.n, stdout);
        int64_t id = last_id(body, csv);
        if (id <= after) /* the next part is empty: nothing is left */
            return 0;
        after = id;
    }
}

static int audit_forward(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    const char *host = cli_opt(c, "host"), *ca = cli_opt(c, "ca-pem-file");
    int64_t port = 0;
    if (cli_opt(c, "off"))
        return cli_remove(c, "/settings/syslog", err);
    if (!host) {
        CLI_TRY(cli_call(c, "GET", "/settings/syslog", STR_NONE, &j, err));
        return cli_show(c, j);
    }
    jw_object(&w);
    jw_kstr(&w, "host", host);
    if (cli_opt(c, "port") && str_to_i64(str_from(cli_opt(c, "port")), INT32_MIN, INT32_MAX, &port))
        jw_ki64(&w, "port", port);
    put_text(c, &w, "security", "security");
    if (ca) {
        struct str text;
        CLI_TRY(cli_file(c, ca, false, &text, err));
        jw_key(&w, "ca_pem");
        jw_strn(&w, text);
    }
    jw_end_object(&w);
    CLI_TRY(change(c, "PUT", "/settings/syslog", &b, &j, err));
    return cli_show(c, j);
}

/* ---- logs, support ---- */
static const char *with_range(struct cli *c, const char *base)
{
    const char *from = cli_opt(c, "from"), *to = cli_opt(c, "to");
    const char *path = cli_path(c, base, from ? from : "", "&to=");
    return path ? cli_path(c, path, to ? to : "", NULL) : NULL;
}

/* 0600: what is inside is nobody else's. */
static int write_archive(struct cli *c, struct str body, struct err *err)
{
    CLI_TRY(file_write_atomic(c->args[0], body, 0600, (uid_t)-1, (gid_t)-1, err));
    if (!c->json)
        (void)printf("%s\n", c->args[0]);
    return 0;
}

static int log_export(struct cli *c, struct err *err)
{
    struct str body;
    CLI_TRY(cli_raw(c, "GET", with_range(c, "/logs?from="), STR_NONE, NULL, &body, err));
    return write_archive(c, body, err);
}

static int log_level(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    if (c->arg_count == 0) {
        CLI_TRY(cli_call(c, "GET", "/settings/log", STR_NONE, &j, err));
        return cli_show(c, j);
    }
    jw_object(&w);
    jw_kstr(&w, "level", c->args[0]);
    if (c->arg_count > 1)
        jw_kstr(&w, "room", c->args[1]);
    jw_end_object(&w);
    CLI_TRY(change(c, "PUT", "/settings/log", &b, &j, err));
    return cli_show(c, j);
}

static int support_bundle(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    struct str body;
    jw_object(&w);
    put_text(c, &w, "event", "event");
    put_text(c, &w, "reproduce", "reproduce");
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(
        cli_raw(c, "POST", with_range(c, "/support-bundle?from="), buf_str(&b), NULL, &body, err));
    return write_archive(c, body, err);
}

#define CMD(group_, verb_, args_, min_, max_, en, ja, fn, opts)                                    \
    {                                                                                              \
        .group = group_, .verb = verb_, .args = args_, .min = min_, .max = max_, .help = {en, ja}, \
        .run = fn, .options = opts                                                                 \
    }
#define ROLE                                                                                       \
    {                                                                                              \
        "role", "R",                                                                               \
        {                                                                                          \
            "admin operator viewer", "権限"                                                      \
        }                                                                                          \
    }
#define GROUPS                                                                                     \
    {                                                                                              \
        "groups", "G,G",                                                                           \
        {                                                                                          \
            "groups, comma-separated", "ユーザーグループ"                                  \
        }                                                                                          \
    }
#define NOTIFY                                                                                     \
    {"about", "TEXT", {"what the group is for", "説明"}},                                          \
        {"recipients", "MAIL,...", {"who is told", "通知先"}},                                     \
        {"days", "60,30,7", {"days before expiry", "期限の何日前に通知するか"}},                   \
        {"events", "E,E", {"cert deploy.failed ...; empty: all", "通知する出来事"}},               \
    {                                                                                              \
        "notify-lang", "L",                                                                        \
        {                                                                                          \
            "ja or en", "通知の言語"                                                          \
        }                                                                                          \
    }

static const struct cli_option add_user[] = {
    ROLE,
    {"name", "N", {"name", "氏名"}},
    {"password-file", "F", {"first password", "初期パスワード"}},
    {"user-lang", "L", {"ja or en", "言語"}},
    GROUPS,
    {NULL, NULL, {NULL, NULL}}};
static const struct cli_option change_user[] = {
    ROLE,
    {"name", "N", {"name", "氏名"}},
    {"password-file", "F", {"new password", "新しいパスワード"}},
    {"user-lang", "L", {"ja or en", "言語"}},
    GROUPS,
    {"disable", NULL, {"may not sign in", "無効にする"}},
    {"enable", NULL, {"may sign in again", "有効に戻す"}},
    {NULL, NULL, {NULL, NULL}}};
static const struct cli_option add_group[] = {NOTIFY, {NULL, NULL, {NULL, NULL}}};
static const struct cli_option change_group[] = {
    {"name", "N", {"new name", "新しいグループ名"}}, NOTIFY, {NULL, NULL, {NULL, NULL}}};
static const struct cli_option add_token[] = {
    {"user", "LOGIN", {"user it acts for", "対象の利用者"}},
    ROLE,
    GROUPS,
    {"expires", "TIME", {"30d 12h ... [90d]", "有効期間"}},
    {NULL, NULL, {NULL, NULL}}};

static const struct cli_option export_audit[] = {
    {"format", "F", {"jsonl or csv", "jsonl か csv"}},
    {"from", "TIME", {"2026-11-01T00:00:00+09:00", "開始日時"}},
    {"to", "TIME", {"up to, not including", "終了日時（含まない）"}},
    {NULL, NULL, {NULL, NULL}}};

static const struct cli_option forward_audit[] = {
    {"host", "H", {"syslog server (RFC 5424)", "syslog サーバー"}},
    {"port", "P", {"[6514]", "ポート"}},
    {"security", "S", {"tls or plain [tls]", "tls か plain"}},
    {"ca-pem-file", "F", {"roots of the server", "サーバーの信頼ルート"}},
    {"off", NULL, {"stop forwarding", "転送をやめる"}},
    {NULL, NULL, {NULL, NULL}}};

#define RANGE                                                                                      \
    {"from", "TIME", {"2026-11-01T00:00:00+09:00", "開始日時"}},                                   \
    {                                                                                              \
        "to", "TIME",                                                                              \
        {                                                                                          \
            "up to, not including", "終了日時（含まない）"                               \
        }                                                                                          \
    }
static const struct cli_option export_log[] = {RANGE, {NULL, NULL, {NULL, NULL}}};
static const struct cli_option bundle[] = {
    {"event", "TEXT", {"what happened", "事象"}},
    {"reproduce", "TEXT", {"how to make it happen again", "再現手順"}},
    RANGE,
    {NULL, NULL, {NULL, NULL}}};

static const struct cli_command commands[] = {
    CMD("user", "list", "", 0, 0, "list the users", "利用者の一覧", user_list, NULL),
    CMD("user", "show", "LOGIN", 1, 1, "show a user", "利用者を表示", user_show, NULL),
    CMD("user", "add", "MAIL --password-file F", 1, 1, "add a user", "利用者を追加", user_add,
        add_user),
    CMD("user", "change", "LOGIN", 1, 1, "change a user", "利用者を変更", user_change, change_user),
    CMD("user", "remove", "LOGIN", 1, 1, "disable a user for good", "利用者を無効化", user_remove,
        NULL),
    CMD("user", "totp-off", "LOGIN", 1, 1, "take the second factor away", "二要素認証を解除",
        user_totp_off, NULL),
    CMD("group", "list", "", 0, 0, "list the groups", "ユーザーグループの一覧", group_list, NULL),
    CMD("group", "show", "GROUP", 1, 1, "show a group", "グループを表示", group_show, NULL),
    CMD("group", "add", "NAME", 1, 1, "add a group", "グループを追加", group_add, add_group),
    CMD("group", "change", "GROUP", 1, 1, "change a group", "グループを変更", group_change,
        change_group),
    CMD("group", "remove", "GROUP", 1, 1, "remove a group", "グループを削除", group_remove, NULL),
    CMD("group", "join", "GROUP LOGIN", 2, 2, "add a user to a group", "グループに利用者を追加",
        group_join, NULL),
    CMD("group", "leave", "GROUP LOGIN", 2, 2, "take a user out", "グループから利用者を外す",
        group_leave, NULL),
    CMD("group", "give", "GROUP KIND NAME", 3, 3,
        "hand over a cert, target, watch, ca, notify (GROUP -: to none)",
        "証明書などをグループに移す（- でグループなし）", group_give, NULL),
    CMD("token", "list", "", 0, 0, "list the API tokens", "API トークンの一覧", token_list, NULL),
    CMD("token", "add", "NAME --user LOGIN", 1, 1, "make an API token (shown once)",
        "API トークンを作成（一度だけ表示）", token_add, add_token),
    CMD("token", "remove", "ID", 1, 1, "remove an API token", "API トークンを削除", token_remove,
        NULL),
    CMD("session", "list", "", 0, 0, "who is signed in", "セッションの一覧", session_list, NULL),
    CMD("audit", "export", "", 0, 0, "write the audit log to standard output",
        "監査ログを標準出力に書き出す", audit_export, export_audit),
    CMD("audit", "forward", "[--host H]", 0, 0, "forward to syslog; alone: how it stands",
        "syslog への転送（指定なしは状態表示）", audit_forward, forward_audit),
    CMD("log", "export", "FILE", 1, 1, "log lines of a time range as tar.gz",
        "ログ出力（期間を指定して tar.gz に書き出す）", log_export, export_log),
    CMD("log", "level", "[LEVEL [ROOM]]", 0, 2, "show or change log levels while running",
        "ログレベルの表示・変更", log_level, NULL),
    CMD("support-bundle", NULL, "FILE", 1, 1, "what support asks for, without secrets",
        "サポートに送る情報（秘密は含まない）", support_bundle, bundle),
    CMD("session", "remove", "ID", 1, 1, "end a session", "セッションを終了", session_remove, NULL),
};
const struct cli_command_set cli_set_people = {commands, COUNT_OF(commands)};
