/* discover, watch adopt: what stands at many addresses, and taking it under watch or management. */
#include <stdio.h>
#include <string.h>

#include "app/cli_priv.h"

static const struct cli_column item_cols[] = {{"id", {"ID", "番号"}},
                                              {"host", {"HOST", "ホスト"}},
                                              {"port", {"PORT", "ポート"}},
                                              {"relation", {"STATE", "状態"}},
                                              {"name", {"NAME", "名前"}},
                                              {"not_after", {"UNTIL", "有効期限"}},
                                              {"cert_name", {"CERTIFICATE", "証明書"}},
                                              {"endpoint", {"WATCHED", "監視"}}};

static const char *base(struct cli *c, const char *tail)
{
    return cli_path(c, "/discoveries/", c->args[0], tail);
}

/* Places as arguments, each a line; else a file, else standard input. */
static enum rc put_targets(struct cli *c, struct json_writer *w, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    const char *file = cli_opt(c, "file");
    struct str text;
    for (size_t i = 0; i < c->arg_count; i++)
        buf_addf(&b, "%s\n", c->args[i]);
    TRY(buf_ok(&b, err));
    if (c->arg_count == 0)
        TRY(cli_file(c, file ? file : "-", false, &text, err));
    else
        text = buf_str(&b);
    jw_key(w, "targets");
    jw_strn(w, text);
    return RC_OK;
}

static int follow(struct cli *c, const struct json *made, struct err *err)
{
    AUTO(json) struct json *job = NULL, *j = NULL;
    int status = 0;
    const char *path =
        arena_printf(c->a, "/discoveries/%lld", (long long)json_i64_or(made, "id", 0));
    CLI_TRY(cli_follow(c, json_i64_or(made, "job", 0), &status, &job, err));
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    (void)cli_show(c, j);
    return status;
}

static int discover_add(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF((size_t)4 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    CLI_TRY(put_targets(c, &w, err));
    cli_put_list(c, "ports", "ports", &w);
    if (cli_opt(c, "group"))
        jw_kstr(&w, "group", cli_opt(c, "group"));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/discoveries", buf_str(&b), &j, err));
    return cli_opt(c, "wait") ? follow(c, j, err) : cli_show(c, j);
}

static int discover_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"WHAT", "対象"}},
                                             {"state", {"STATE", "状態"}},
                                             {"looked", {"LOOKED", "確認済み"}},
                                             {"total", {"OF", "対象数"}},
                                             {"found", {"CERTIFICATES", "証明書"}},
                                             {"created", {"BEGUN", "開始日時"}}};
    return cli_list(c, "/discoveries", "", "after", cols, COUNT_OF(cols), err);
}

static int discover_show(struct cli *c, struct err *err)
{
    const char *state = cli_opt(c, "state");
    const char *more = state ? arena_printf(c->a, "&state=%s", state) : "";
    return cli_list(c, base(c, "/items"), more, "after", item_cols, COUNT_OF(item_cols), err);
}

static int discover_cancel(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", base(c, "/cancel"), STR_NONE, &j, err));
    return cli_show(c, j);
}

static int discover_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, base(c, NULL), err);
}

static void say_next(struct cli *c, int64_t certs)
{
    if (c->json || certs == 0)
        return;
    (void)printf("%s", cli_ja(c)
                           ? "次に: 認証局を選ぶと Inro が更新します（inro cert change 証明書 --ca "
                             "認証局）。適用先への設定は inro bind。\n"
                           : "Next: choose a CA so that Inro renews it (inro cert change CERT --ca "
                             "CA), and bind it to a target (inro bind).\n");
}

/* A plan, or what was done. */
static int send_adoption(struct cli *c, const char *path, const struct buf *body, struct err *err)
{
    const struct cli_column cols[] = {
        {"host", {"HOST", "ホスト"}},
        {"port", {"PORT", "ポート"}},
        {"what", {"WHAT", "操作"}},
        {"cert_name", {"CERTIFICATE", "証明書"}},
        {"name", {"NAME", "名前"}},
        {cli_ja(c) ? "why.ja" : "why.en", {"WHY NOT", "対象外の理由"}}};
    bool plan = cli_opt(c, "plan") != NULL;
    AUTO(json) struct json *j = NULL;
    CLI_TRY(buf_ok(body, err));
    CLI_TRY(cli_call(c, "POST", path, buf_str(body), &j, err));
    if (c->json)
        cli_json(j);
    else
        cli_table(c, json_get(j, "items"), cols, COUNT_OF(cols));
    if (!plan)
        say_next(c, json_i64_or(j, "certs", 0));
    if (!plan || json_type_of(json_get(j, "refused")) != JSON_OBJECT)
        return 0;
    cli_print_error(c, json_get(j, "refused"));
    return EXIT_LICENCE;
}

static void put_items(struct cli *c, size_t from, struct json_writer *w)
{
    jw_key(w, "items");
    jw_array(w);
    for (size_t i = from; i < c->arg_count; i++)
        jw_str(w, c->args[i]);
    jw_end_array(w);
}

static int discover_adopt(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "action", cli_opt(c, "watch") ? "watch" : "adopt");
    if (cli_opt(c, "state"))
        jw_kstr(&w, "state", cli_opt(c, "state"));
    if (cli_opt(c, "group"))
        jw_kstr(&w, "group", cli_opt(c, "group"));
    put_items(c, 1, &w);
    jw_end_object(&w);
    return send_adoption(c, base(c, cli_opt(c, "plan") ? "/plan" : "/adopt"), &b, err);
}

/* Several, or a look at what would be done. */
static int adopt_several(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    if (cli_opt(c, "group"))
        jw_kstr(&w, "group", cli_opt(c, "group"));
    put_items(c, 0, &w);
    jw_end_object(&w);
    return send_adoption(c, cli_opt(c, "plan") ? "/endpoints/plan" : "/endpoints/adopt", &b, err);
}

static int watch_adopt(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    if (c->arg_count > 1 || cli_opt(c, "plan"))
        return adopt_several(c, err);
    jw_object(&w);
    if (cli_opt(c, "sha256"))
        jw_kstr(&w, "sha256", cli_opt(c, "sha256"));
    if (cli_opt(c, "group"))
        jw_kstr(&w, "group", cli_opt(c, "group"));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", cli_path(c, "/endpoints/", c->args[0], "/adopt"), buf_str(&b), &j,
                     err));
    (void)cli_show(c, j);
    say_next(c, json_bool_or(j, "new", false));
    return 0;
}

#define GROUP_OPTION                                                                               \
    {                                                                                              \
        "group", "G",                                                                              \
        {                                                                                          \
            "group it belongs to", "所属グループ"                                            \
        }                                                                                          \
    }
static const struct cli_command commands[] = {
    {.group = "discover",
     .verb = "add",
     .args = "[PLACE...]",
     .max = 200,
     .help = {"look what stands at hosts, addresses, ranges (192.0.2.0/24, 192.0.2.1-40)",
              "ホスト・アドレス・範囲（192.0.2.0/24、192.0.2.1-40）を探索"},
     .run = discover_add,
     .options = OPTIONS({"file", "F", {"places from a file, - for stdin", "対象のファイル"}},
                        {"ports", "N,N", {"ports, where none is named (443)", "ポート"}},
                        GROUP_OPTION, {"wait", NULL, {"until it has ended", "完了まで待つ"}})},
    {.group = "discover",
     .verb = "list",
     .args = "",
     .help = {"list the discoveries", "探索の一覧"},
     .run = discover_list,
     .options = OPTIONS({"limit", "N", {"at most so many", "最大件数"}},
                        {"after", "ID", {"continue after", "続きから"}})},
    {.group = "discover",
     .verb = "show",
     .args = "ID",
     .min = 1,
     .max = 1,
     .help = {"what was found", "探索の結果を表示"},
     .run = discover_show,
     .options = OPTIONS(
         {"state", "S", {"unknown held other no_tls nothing refused waiting watched", "状態"}},
         {"limit", "N", {"at most so many", "最大件数"}},
         {"after", "ID", {"continue after", "続きから"}})},
    {.group = "discover",
     .verb = "cancel",
     .args = "ID",
     .min = 1,
     .max = 1,
     .help = {"end it; what was found stays", "探索を取り消す"},
     .run = discover_cancel},
    {.group = "discover",
     .verb = "remove",
     .args = "ID",
     .min = 1,
     .max = 1,
     .help = {"remove one that has ended", "終了した探索を削除"},
     .run = discover_remove},
    {.group = "discover",
     .verb = "adopt",
     .args = "ID [ITEM...]",
     .min = 1,
     .max = 200,
     .help = {"manage what was found: register its certificates and watch them",
              "見つけた証明書を管理に加え、監視する"},
     .run = discover_adopt,
     .options = OPTIONS({"state", "S", {"instead of ITEMs: all in that state", "この状態のもの"}},
                        {"watch", NULL, {"only watch", "監視だけ"}},
                        {"plan", NULL, {"only say what would be done", "計画だけ"}}, GROUP_OPTION)},
    {.group = "watch",
     .verb = "adopt",
     .args = "ID...",
     .min = 1,
     .max = 200,
     .help = {"manage the certificate that is served there", "提示中の証明書を管理に加える"},
     .run = watch_adopt,
     .options = OPTIONS({"sha256", "F", {"which, where addresses differ", "フィンガープリント"}},
                        {"plan", NULL, {"only say what would be done", "計画だけ"}}, GROUP_OPTION)},
};
const struct cli_command_set cli_set_discover = {commands, COUNT_OF(commands)};
