/*
 * vendor ...: the desk. Invariant: the vendor's private key is never on the command line; it is
 * made in the vault, or comes from a file that only its owner can read.
 */
#include <stdio.h>
#include <string.h>

#include "app/cli_priv.h"
#include "base/os/file.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include "crypto/licence.h"

/* An option or argument that goes into the body. */
struct part {
    const char *name, *value; /* value NULL: left out */
    bool number;
};

static enum rc put_part(struct json_writer *w, const struct part *p, struct err *err)
{
    int64_t n;
    if (!p->value)
        return RC_OK;
    if (!p->number) {
        jw_kstr(w, p->name, p->value);
        return RC_OK;
    }
    CHECK(str_to_i64(str_from(p->value), 0, INT64_MAX, &n), err, RC_INPUT, BLAME_INPUT,
          MSG("cli.number", "{0} must be a number, not \"{1}\"",
              "{0} には数値を指定してください（「{1}」は不可）"),
          p->name, p->value);
    jw_ki64(w, p->name, n);
    return RC_OK;
}

static enum rc send_parts(struct cli *c, const char *method, const char *path,
                          const struct part *parts, size_t n, struct json **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    for (size_t i = 0; i < n; i++)
        TRY(put_part(&w, &parts[i], err));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return cli_call(c, method, path, n > 0 ? buf_str(&b) : STR_NONE, ret, err);
}

#define SEND(c, method, path, ret, err, ...)                                                       \
    send_parts((c), (method), (path), (const struct part[]){__VA_ARGS__},                          \
               COUNT_OF(((const struct part[]){__VA_ARGS__})), (ret), (err))

static int get_show(struct cli *c, const char *path, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    return cli_show(c, j);
}

/* To --out FILE, or to standard output. */
static int write_out(struct cli *c, struct str text, mode_t mode, struct err *err)
{
    const char *out = cli_opt(c, "out");
    if (!out) {
        (void)fwrite(text.p, 1, text.n, stdout);
        return 0;
    }
    CLI_TRY(file_write_atomic(out, text, mode, (uid_t)-1, (gid_t)-1, err));
    return 0;
}

/* ---- the desk and its key ---- */

/* Offline: a key pair in FILE (0600) and FILE.pub, for inro vendor init --key-file here and
 * inro init --vendor-key at the customers'. */
static int key_file(struct cli *c, struct err *err)
{
    AUTO(key) struct key *key = NULL;
    AUTO(buf) struct buf spki = BUF(256), pem = BUF_SECRET(4096), text = BUF(512);
    struct licence_key pub;
    const char *path = c->args[0], *pub_path = arena_printf(c->a, "%s.pub", path);
    FILE *there = fopen(path, "re");
    if (there)
        (void)fclose(there);
    if (there)
        return FAIL(err, RC_EXISTS, BLAME_INPUT,
                    MSG("cli.key_there", "{0} is there already; a vendor's key is never replaced",
                        "{0} は既に存在します。ベンダーの鍵は上書きしません"),
                    path) == RC_OK
                   ? 0
                   : -1;
    crypto_init();
    CLI_TRY(key_generate(KEY_ED25519, &key, err));
    CLI_TRY(key_spki(key, &spki, err));
    CLI_TRY(licence_key_from_spki(buf_str(&spki), &pub, err));
    CLI_TRY(key_to_pem(key, &pem, err));
    licence_key_text(&pub, &text);
    CLI_TRY(buf_ok(&text, err));
    if (!pub_path && NOMEM(err) != RC_OK)
        return -1;
    CLI_TRY(file_write_atomic(path, buf_str(&pem), 0600, (uid_t)-1, (gid_t)-1, err));
    CLI_TRY(file_write_atomic(pub_path, buf_str(&text), 0644, (uid_t)-1, (gid_t)-1, err));
    (void)fwrite(buf_cstr(&text), 1, text.len, stdout);
    return 0;
}

/* What --key-file names; NULL without it. */
static enum rc key_pem(struct cli *c, struct buf *pem, const char **ret, struct err *err)
{
    const char *file = cli_opt(c, "key-file");
    *ret = NULL;
    if (file)
        TRY(file_read_private(file, pem, err));
    *ret = file ? buf_cstr(pem) : NULL;
    return RC_OK;
}

static int desk_init(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf pem = BUF_SECRET(16384);
    const char *text, *name = cli_opt(c, "name");
    CLI_TRY(key_pem(c, &pem, &text, err));
    CLI_TRY(SEND(c, "POST", "/vendor", &j, err, {"name", name ? name : "Inro", false},
                 {"url", cli_opt(c, "url"), false}, {"key_pem", text, false}));
    return cli_show(c, j);
}

static int desk_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "PATCH", "/vendor", &j, err, {"name", cli_opt(c, "name"), false},
                 {"url", cli_opt(c, "url"), false}));
    return cli_show(c, j);
}

static int desk_show(struct cli *c, struct err *err)
{
    return get_show(c, "/vendor", err);
}

static int desk_key(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", "/vendor", STR_NONE, &j, err));
    const char *text = json_str_or(j, "public_key", NULL);
    if (!text &&
        FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
             MSG("vendor.closed", "the vendor's desk is not open yet; see inro vendor init",
                 "ベンダー機能はまだ初期化されていません。inro vendor init を実行して"
                 "ください")) != RC_OK)
        return -1;
    return c->json && !cli_opt(c, "out") ? cli_show(c, j) : write_out(c, str_from(text), 0644, err);
}

static int key_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"key_id", {"KEY ID", "鍵ID"}},
                                             {"state", {"STATE", "状態"}},
                                             {"licences", {"LICENCES", "有効ライセンス"}},
                                             {"created", {"MADE", "作成"}},
                                             {"changed", {"SINCE", "状態変更"}},
                                             {"fingerprint", {"SHA-256", "SHA-256"}}};
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", "/vendor/keys", STR_NONE, &j, err));
    if (c->json)
        return cli_show(c, j);
    cli_table(c, json_get(j, "items"), cols, COUNT_OF(cols));
    return 0;
}

static int key_new(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf pem = BUF_SECRET(16384);
    const char *text;
    CLI_TRY(key_pem(c, &pem, &text, err));
    CLI_TRY(SEND(c, "POST", "/vendor/keys", &j, err, {"key_pem", text, false}));
    return cli_show(c, j);
}

static int key_rotate(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", "/vendor/keys/rotate", STR_NONE, &j, err));
    return cli_show(c, j);
}

static int key_retire(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    bool revoke = cli_opt(c, "revoke") != NULL;
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/vendor/keys/", c->args[0], "/retire"),
                     revoke ? STR("{\"revoke\":true}") : STR("{}"), &j, err));
    return cli_show(c, j);
}

/* ---- customers ---- */

#define CUSTOMER_PARTS(c)                                                                          \
    {"mail", cli_opt((c), "mail"), false}, {"lang", cli_opt((c), "customer-lang"), false},         \
    {                                                                                              \
        "installation", cli_opt((c), "installation"), false                                        \
    }

static int customer_add(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/customers", &j, err, {"name", c->args[0], false},
                 CUSTOMER_PARTS(c)));
    return cli_show(c, j);
}

static int customer_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "PATCH", cli_path(c, "/vendor/customers/", c->args[0], ""), &j, err,
                 {"name", cli_opt(c, "name"), false}, CUSTOMER_PARTS(c)));
    return cli_show(c, j);
}

static int customer_show(struct cli *c, struct err *err)
{
    return get_show(c, cli_path(c, "/vendor/customers/", c->args[0], ""), err);
}

static int customer_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {
        {"id", {"ID", "番号"}},       {"service_code", {"SERVICE CODE", "サービスコード"}},
        {"name", {"NAME", "顧客名"}}, {"mail", {"MAIL", "メール"}},
        {"state", {"STATE", "状態"}}, {"ends_on", {"ENDS ON", "終了日"}}};
    return cli_list(c, "/vendor/customers", "", "after", cols, COUNT_OF(cols), err);
}

/* ---- orders ---- */

static int add_order(struct cli *c, const char *kind, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/orders", &j, err, {"customer", c->args[0], false},
                 {"kind", kind, false}, {"basics", cli_opt(c, "count"), true},
                 {"servers", cli_opt(c, "servers"), true}, {"on", cli_opt(c, "on"), false}));
    return cli_show(c, j);
}

static int order_add(struct cli *c, struct err *err)
{
    const char *plan = cli_opt(c, "plan");
    return add_order(c, plan ? plan : "basic", err);
}

static int option_add(struct cli *c, struct err *err)
{
    return add_order(c, "option", err);
}

static int convert(struct cli *c, struct err *err)
{
    return add_order(c, "convert", err);
}

static int order_accept(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/vendor/orders/", c->args[0], "/accept"), STR_NONE, &j,
                     err));
    return cli_show(c, j);
}

static const char *of_customer(struct cli *c)
{
    const char *customer = cli_opt(c, "customer");
    return customer ? cli_path(c, "&customer=", customer, "") : "";
}

static int order_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"customer", {"CUSTOMER", "顧客"}},
                                             {"kind", {"KIND", "種類"}},
                                             {"basics", {"BASICS", "ベーシック"}},
                                             {"servers", {"SERVERS", "追加"}},
                                             {"ordered_on", {"ORDERED", "注文日"}},
                                             {"accept_on", {"ACCEPT", "受付日"}},
                                             {"share_due", {"SHARE BY", "案内期限"}},
                                             {"begins_on", {"BEGINS", "開始日"}},
                                             {"ends_on", {"ENDS", "終了日"}},
                                             {"state", {"STATE", "状態"}}};
    return cli_list(c, "/vendor/orders", of_customer(c), "after", cols, COUNT_OF(cols), err);
}

/* The service calls back until nothing is left; a hundred at a time. */
static int renew_run(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"customer", {"CUSTOMER", "顧客"}},
                                             {"name", {"NAME", "顧客名"}},
                                             {"file_name", {"FILE", "ファイル"}},
                                             {"ends_on", {"ENDS", "終了日"}},
                                             {"mailed", {"MAILED", "メール"}}};
    for (bool more = true; more;) {
        AUTO(json) struct json *j = NULL;
        CLI_TRY(cli_call(c, "POST", "/vendor/renewals", STR_NONE, &j, err));
        more = json_bool_or(j, "more", false);
        if (c->json)
            cli_json(j);
        else
            cli_table(c, json_get(j, "items"), cols, COUNT_OF(cols));
    }
    return 0;
}

static int cancel(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/cancellations", &j, err,
                 {"service_code", cli_opt(c, "service-code"), false},
                 {"file_name", cli_opt(c, "file-name"), false}, {"on", cli_opt(c, "on"), false}));
    return cli_show(c, j);
}

/* ---- licences and links ---- */

static int give_licence(struct cli *c, const struct json *j, const char *path, struct err *err)
{
    const char *text = json_str_or(json_get(j, path), "file", "");
    if (cli_opt(c, "out"))
        CLI_TRY(
            file_write_atomic(cli_opt(c, "out"), str_from(text), 0644, (uid_t)-1, (gid_t)-1, err));
    return cli_show(c, j);
}

static int licence_issue(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/licences", &j, err, {"order", c->args[0], true}));
    return give_licence(c, j, "licence", err);
}

static int licence_reissue(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/licences", &j, err, {"customer", c->args[0], false}));
    return give_licence(c, j, "licence", err);
}

static int licence_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {
        {"serial", {"SERIAL", "シリアル"}}, {"customer", {"CUSTOMER", "顧客"}},
        {"plan", {"PLAN", "プラン"}},       {"certificates", {"CERTS", "証明書"}},
        {"targets", {"TARGETS", "適用先"}}, {"begins_on", {"BEGINS", "開始日"}},
        {"ends_on", {"ENDS", "終了日"}},    {"file_name", {"FILE", "ファイル"}}};
    return cli_list(c, "/vendor/licences", of_customer(c), "after", cols, COUNT_OF(cols), err);
}

static int licence_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(
        cli_call(c, "GET", cli_path(c, "/vendor/licences/", c->args[0], ""), STR_NONE, &j, err));
    return give_licence(c, j, "", err);
}

static int share_add(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/shares", &j, err, {"customer", c->args[0], false},
                 {"days", cli_opt(c, "days"), true}));
    return cli_show(c, j);
}

static int share_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"customer", {"CUSTOMER", "顧客"}},
                                             {"expires", {"EXPIRES", "期限"}},
                                             {"hits", {"FETCHED", "取得回数"}},
                                             {"last_hit", {"LAST", "最終取得"}}};
    return cli_list(c, "/vendor/shares", of_customer(c), "after", cols, COUNT_OF(cols), err);
}

static int share_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/vendor/shares/", c->args[0], NULL), err);
}

/* ---- money and the ledger ---- */

static int csv(struct cli *c, const char *path, struct err *err)
{
    struct str text;
    const char *full =
        arena_printf(c->a, "%s?format=csv&lang=%s", path ? path : "", cli_ja(c) ? "ja" : "en");
    CLI_TRY(cli_raw(c, "GET", full, STR_NONE, NULL, &text, err));
    return write_out(c, text, 0600, err);
}

static int fee_set(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(SEND(c, "POST", "/vendor/fees", &j, err, {"item", c->args[0], false},
                 {"yen", c->args[1], true}, {"from", cli_opt(c, "from"), false}));
    return cli_show(c, j);
}

static int fee_list(struct cli *c, struct err *err)
{
    return c->json ? get_show(c, "/vendor/fees", err) : csv(c, "/vendor/fees", err);
}

static int statement(struct cli *c, struct err *err)
{
    const char *path = cli_path(c, "/vendor/statements/", c->args[0], "");
    return c->json ? get_show(c, path, err) : csv(c, path, err);
}

static int ledger_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"at", {"AT", "日時"}},
                                             {"actor", {"WHO", "操作者"}},
                                             {"event", {"EVENT", "内容"}},
                                             {"customer", {"CUSTOMER", "顧客"}},
                                             {"order", {"ORDER", "注文"}}};
    return cli_list(c, "/vendor/ledger", "", "before", cols, COUNT_OF(cols), err);
}

static int ledger_verify(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", "/vendor/ledger/verify", STR_NONE, &j, err));
    return cli_show(c, j);
}

/* verb, arguments, how many of them, help, function, options */
#define ROW(verb, args, n, en, ja, fn, options)                                                    \
    {                                                                                              \
        "vendor", verb, args, n, n, {en, ja}, fn, options, NULL, false                             \
    }
#define PAGE                                                                                       \
    {"limit", "N", {"at most N rows", "最大件数"}},                                                \
    {                                                                                              \
        "after", "ID",                                                                             \
        {                                                                                          \
            "go on after", "続き"                                                                \
        }                                                                                          \
    }
#define OF_CUSTOMER                                                                                \
    {                                                                                              \
        "customer", "C",                                                                           \
        {                                                                                          \
            "of one customer", "顧客で絞り込む"                                             \
        }                                                                                          \
    }
#define COUNTS                                                                                     \
    {"count", "N", {"basics: 1 certificate + 1 target each", "ベーシックの数"}},                   \
        {"servers", "N", {"targets added", "サーバー追加の数"}},                                   \
    {                                                                                              \
        "on", "DATE",                                                                              \
        {                                                                                          \
            "day it was ordered on (Japan)", "注文日"                                           \
        }                                                                                          \
    }
#define OUT                                                                                        \
    {                                                                                              \
        "out", "FILE",                                                                             \
        {                                                                                          \
            "write it there", "出力先ファイル"                                              \
        }                                                                                          \
    }
#define CUSTOMER                                                                                   \
    {"mail", "M", {"mail address", "メールアドレス"}},                                             \
        {"installation", "ID", {"as inro licence show prints", "インストールID"}},                 \
    {                                                                                              \
        "customer-lang", "L",                                                                      \
        {                                                                                          \
            "ja or en", "言語"                                                                   \
        }                                                                                          \
    }

static const struct cli_command commands[] = {
    ROW("init", "", 0, "open the vendor's desk", "ベンダー機能を初期化", desk_init,
        OPTIONS({"name", "N", {"name of the vendor", "ベンダー名"}},
                {"url", "URL", {"where customers reach this server", "公開URL"}},
                {"key-file", "F", {"take this key instead of a new one", "既存の鍵を使う"}})),
    ROW("show", "", 0, "the desk", "ベンダー機能の状態", desk_show, NULL),
    ROW("change", "", 0, "change name or address", "名称・公開URLを変更", desk_change,
        OPTIONS({"name", "N", {"name of the vendor", "ベンダー名"}},
                {"url", "URL", {"where customers reach this server", "公開URL"}})),
    ROW("key list", "", 0, "the keys that sign licences", "ライセンス署名鍵の一覧", key_list, NULL),
    ROW("key new", "", 0, "make the key that will follow", "次の署名鍵を作成", key_new,
        OPTIONS({"key-file", "F", {"take this key instead of a new one", "既存の鍵を使う"}})),
    ROW("key rotate", "", 0, "sign with the next key from now on", "次の署名鍵に切り替え",
        key_rotate, NULL),
    ROW("key retire", "KEY-ID", 1, "end a key that signed before", "以前の署名鍵を廃止", key_retire,
        OPTIONS(
            {"revoke", NULL, {"somebody else may have it: at once", "漏えい時：ただちに失効"}})),
    ROW("key", "", 0, "the public key for customers", "公開鍵を表示", desk_key, OPTIONS(OUT)),
    ROW("key-file", "FILE", 1, "make a key in FILE and FILE.pub (no server)",
        "鍵ファイルを作成（サーバー不要）", key_file, NULL),
    ROW("customer add", "NAME --mail M", 1, "register a customer", "顧客を登録", customer_add,
        OPTIONS(CUSTOMER)),
    ROW("customer list", "", 0, "list the customers", "顧客の一覧", customer_list, OPTIONS(PAGE)),
    ROW("customer show", "CUSTOMER", 1, "show a customer", "顧客を表示", customer_show, NULL),
    ROW("customer change", "CUSTOMER", 1, "change a customer", "顧客情報を変更", customer_change,
        OPTIONS({"name", "N", {"new name", "新しい名称"}}, CUSTOMER)),
    ROW("order add", "CUSTOMER --plan P", 1, "take an order", "注文を登録", order_add,
        OPTIONS({"plan", "P", {"basic meets option convert", "種類"}}, COUNTS)),
    ROW("order list", "", 0, "list the orders", "注文の一覧", order_list,
        OPTIONS(OF_CUSTOMER, PAGE)),
    ROW("order accept", "ORDER", 1, "accept an order", "注文を受付", order_accept, NULL),
    ROW("option add", "CUSTOMER", 1, "order more of a plan", "オプションの注文を登録", option_add,
        OPTIONS(COUNTS)),
    ROW("convert", "CUSTOMER", 1, "order ベーシック instead of ミーツ",
        "ミーツからベーシックへの変更を登録", convert, OPTIONS(COUNTS)),
    ROW("licence issue", "ORDER", 1, "issue the licence of an order", "ライセンスを発行",
        licence_issue, OPTIONS(OUT)),
    ROW("licence reissue", "CUSTOMER", 1, "issue the newest again", "ライセンスを再発行",
        licence_reissue, OPTIONS(OUT)),
    ROW("licence list", "", 0, "list the licences issued", "発行済みライセンスの一覧", licence_list,
        OPTIONS(OF_CUSTOMER, PAGE)),
    ROW("licence show", "SERIAL", 1, "show a licence", "ライセンスを表示", licence_show,
        OPTIONS(OUT)),
    ROW("share add", "CUSTOMER", 1, "make a share link", "共有リンクを作成", share_add,
        OPTIONS({"days", "N", {"valid for (14)", "有効日数（14）"}})),
    ROW("share list", "", 0, "list the share links", "共有リンクの一覧", share_list,
        OPTIONS(OF_CUSTOMER, PAGE)),
    ROW("share remove", "ID", 1, "end a share link", "共有リンクを無効化", share_remove, NULL),
    ROW("renew-run", "", 0, "the April renewal run", "4月の更新ライセンス発行", renew_run, NULL),
    ROW("cancel", "--service-code C --file-name F", 0, "accept a cancellation", "解約を受付",
        cancel,
        OPTIONS({"service-code", "C", {"12 digits", "サービスコード（12桁）"}},
                {"file-name", "F", {"name of the licence file", "ライセンスファイル名"}},
                {"on", "DATE", {"day it was accepted on", "受付日"}})),
    ROW("fee set", "ITEM YEN --from MONTH", 2, "set a monthly fee (basic, server)", "月額を設定",
        fee_set, OPTIONS({"from", "MONTH", {"2026-12", "適用開始月"}})),
    ROW("fee list", "", 0, "the table of fees (CSV)", "料金表（CSV）", fee_list, OPTIONS(OUT)),
    ROW("statement", "MONTH", 1, "what is charged in a month (CSV)", "月次の請求明細（CSV）",
        statement, OPTIONS(OUT)),
    ROW("ledger list", "", 0, "the ledger, newest first", "台帳の一覧", ledger_list, OPTIONS(PAGE)),
    ROW("ledger verify", "", 0, "prove that it is whole", "台帳の完全性を検証", ledger_verify,
        NULL),
};
const struct cli_command_set cli_set_vendor = {commands, COUNT_OF(commands)};
