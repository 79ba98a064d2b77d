/*
 * change: certificates, connectors, bindings and endpoints that are there. Invariant: what is not
 * named stays; the answer of the API is the base, so that a change from somewhere else meanwhile is
 * refused.
 */
#include <string.h>

#include "app/cli_priv.h"

/* What is set now with the flags of the command over it. Secrets are not in answers: absent means
 * kept. */
static enum rc members_merged(struct cli *c, const struct field *fields, const char *prefix,
                              const struct json *now, struct json_writer *w, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET((size_t)4 << 20);
    AUTO(json) struct json *given = NULL;
    struct json_writer text = JSON_WRITER(&b);
    TRY(cli_settings(c, fields, prefix, &text, err));
    TRY(buf_ok(&b, err));
    TRY(json_parse(buf_str(&b), &given, err));
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        const struct json *v = json_get(given, f->name);
        if (!v && f->type != FIELD_T_SECRET)
            v = json_get(now, f->name);
        if (!v || json_type_of(v) == JSON_NULL)
            continue;
        jw_key(w, f->name);
        jw_json(w, v);
    }
    return RC_OK;
}

static enum rc put_merged(struct cli *c, const struct field *fields, const char *prefix,
                          const struct json *now, struct json_writer *w, struct err *err)
{
    jw_object(w);
    TRY(members_merged(c, fields, prefix, now, w, err));
    jw_end_object(w);
    return RC_OK;
}

static void put_common(struct cli *c, const struct json *now, struct json_writer *w)
{
    const char *group = cli_opt(c, "group"), *name = cli_opt(c, "name");
    jw_ki64(w, "revision", json_i64_or(now, "revision", 0));
    if (name)
        jw_kstr(w, "name", name);
    if (group) /* "-" takes it out of its group */
        jw_kstr(w, "group", strcmp(group, "-") == 0 ? NULL : group);
}

static int patch(struct cli *c, const char *path, struct buf *body, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(buf_ok(body, err));
    CLI_TRY(cli_call(c, "PATCH", path, buf_str(body), &j, err));
    return cli_show(c, j);
}

int cli_conn_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *now = NULL;
    AUTO(buf) struct buf b = BUF_SECRET((size_t)4 << 20);
    struct json_writer w = JSON_WRITER(&b);
    const char *path = cli_path(c, cli_conn_base(c), c->args[0], NULL);
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &now, err));
    const struct conn_head *h;
    CLI_TRY(cli_conn_head(c, json_str_or(now, "type", ""), &h, err));
    jw_object(&w);
    put_common(c, now, &w);
    jw_key(&w, "settings");
    CLI_TRY(put_merged(c, h->fields, NULL, json_get(now, "settings"), &w, err));
    jw_end_object(&w);
    return patch(c, path, &b, err);
}

static int binding_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"cert_name", {"CERT", "証明書"}},
                                             {"target", {"TARGET", "適用先"}},
                                             {"seq", {"ORDER", "適用順"}},
                                             {"state", {"STATE", "状態"}}};
    const char *path = "/bindings";
    if (c->arg_count > 0)
        path = cli_path(c, "/bindings?cert=", c->args[0], NULL);
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &j, err));
    if (c->json)
        return cli_show(c, j);
    cli_table(c, json_get(j, "items"), cols, COUNT_OF(cols));
    return 0;
}

static int binding_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/bindings/", c->args[0], NULL), STR_NONE, &j, err));
    return cli_show(c, j);
}

static int binding_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *now = NULL, *target = NULL;
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    const char *path = cli_path(c, "/bindings/", c->args[0], NULL);
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &now, err));
    const char *name = json_str_or(now, "target", "");
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/targets/", name, NULL), STR_NONE, &target, err));
    const struct target_ops *ops;
    CLI_TRY(cli_target_ops(json_str_or(target, "type", ""), &ops, err));
    jw_object(&w);
    jw_ki64(&w, "revision", json_i64_or(now, "revision", 0));
    cli_put_number(&w, "seq", cli_opt(c, "seq"));
    jw_key(&w, "place");
    CLI_TRY(put_merged(c, ops->place_fields, "place-", json_get(now, "place"), &w, err));
    jw_end_object(&w);
    return patch(c, path, &b, err);
}

static int binding_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/bindings/", c->args[0], NULL), err);
}

static int watch_change(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    const char *cert = cli_opt(c, "cert"), *group = cli_opt(c, "group");
    jw_object(&w);
    if (cert) /* "-" expects none any more */
        jw_kstr(&w, "cert", strcmp(cert, "-") == 0 ? NULL : cert);
    if (group)
        jw_kstr(&w, "group", strcmp(group, "-") == 0 ? NULL : group);
    if (cli_opt(c, "every"))
        jw_kstr(&w, "every", cli_opt(c, "every"));
    jw_end_object(&w);
    return patch(c, cli_path(c, "/endpoints/", c->args[0], NULL), &b, err);
}

/* Of another type than now, nothing is taken over. */
static enum rc put_challenge(struct cli *c, const struct json *now, struct json_writer *w,
                             struct err *err)
{
    const char *was = json_str_or(now, "type", "http-01"), *type = cli_opt(c, "challenge");
    const struct challenge_ops *ops = challenge_find(type ? type : was);
    jw_key(w, "challenge");
    jw_object(w);
    jw_kstr(w, "type", type ? type : was);
    if (ops) /* else the server says that there is none */
        TRY(members_merged(c, ops->head.fields, "challenge-",
                           strcmp(ops->head.id, was) == 0 ? now : NULL, w, err));
    jw_end_object(w);
    return RC_OK;
}

static enum rc put_yes_no(const char *option, const char *key, const char *value,
                          struct json_writer *w, struct err *err)
{
    bool yes = strcmp(value, "yes") == 0;
    CHECK(yes || strcmp(value, "no") == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("cli.yes_no", "--{0} takes yes or no", "--{0} には yes または no を指定してください"),
          option);
    jw_kbool(w, key, yes);
    return RC_OK;
}

static enum rc put_policy(struct cli *c, const struct json *now, struct json_writer *w,
                          struct err *err)
{
    static const struct {
        const char *option, *key;
        bool yes_no;
    } all[] = {{"validity", "validity", false},     {"renew-before", "renew_before", false},
               {"on-failure", "on_failure", false}, {"profile", "profile", false},
               {"allow-loss", "allow_loss", true},  {"auto-renew", "auto_renew", true},
               {"window", "window", false},         {"approval", "approval", true}};
    jw_key(w, "policy");
    jw_object(w);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        const char *given = cli_opt(c, all[i].option);
        const struct json *v = json_get(now, all[i].key);
        if (given && all[i].yes_no) {
            TRY(put_yes_no(all[i].option, all[i].key, given, w, err));
        } else if (given) {
            if (strcmp(given, "-") != 0)
                jw_kstr(w, all[i].key, given);
        } else if (v && json_type_of(v) != JSON_NULL) {
            jw_key(w, all[i].key);
            jw_json(w, v);
        }
    }
    jw_end_object(w);
    return RC_OK;
}

static int cert_change(struct cli *c, struct err *err)
{
    AUTO(json) struct json *now = NULL;
    AUTO(buf) struct buf b = BUF_SECRET((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    const char *path = cli_path(c, "/certs/", c->args[0], NULL);
    const char *organisation = cli_opt(c, "organisation"), *names = cli_opt(c, "names");
    CLI_TRY(cli_call(c, "GET", path, STR_NONE, &now, err));
    jw_object(&w);
    put_common(c, now, &w);
    if (names)
        cli_put_names(&w, str_from(names));
    if (cli_opt(c, "no-csr")) {
        jw_key(&w, "csr");
        jw_null(&w);
    } else {
        CLI_TRY(cli_put_csr(c, &w, err));
    }
    if (cli_opt(c, "ca"))
        jw_kstr(&w, "ca", cli_opt(c, "ca"));
    if (cli_opt(c, "key"))
        jw_kstr(&w, "key", cli_opt(c, "key"));
    if (organisation)
        jw_kstr(&w, "organisation", strcmp(organisation, "-") == 0 ? NULL : organisation);
    CLI_TRY(put_challenge(c, json_get(now, "challenge"), &w, err));
    CLI_TRY(put_policy(c, json_get(now, "policy"), &w, err));
    jw_end_object(&w);
    return patch(c, path, &b, err);
}

#define NAME_GROUP                                                                                 \
    OPTIONS({"name", "N", {"its new name", "新しい名前"}},                                         \
            {"group", "G", {"group it belongs to, - for none", "所属グループ（- でなし）"}})
#define CONNECTOR(group_, kind_, en, ja)                                                           \
    {                                                                                              \
        group_, "change", "NAME --FIELD V ...", 1, 1, {en, ja}, cli_conn_change, NAME_GROUP,       \
            kind_, true                                                                            \
    }

static const struct cli_command commands[] = {
    CONNECTOR("ca", "ca", "change a CA account", "認証局設定を変更"),
    CONNECTOR("target", "target", "change a target", "適用先を変更"),
    CONNECTOR("notify", "notifier", "change a notifier", "通知先を変更"),
    CONNECTOR("backup-store", "backup", "change a place of backups", "バックアップ先を変更"),
    {"cert",
     "change",
     "CERT --FIELD V ...",
     1,
     1,
     {"change what the next version will be", "証明書の設定を変更（次の版から）"},
     cert_change,
     OPTIONS({"name", "N", {"its new name in Inro", "新しい管理名"}},
             {"names", "NAME,...", {"all its domain names", "ドメイン名（すべて）"}},
             {"ca", "CA", {"CA account", "認証局設定"}},
             {"key", "ALG", {"ec256 ec384 rsa2048 rsa3072 rsa4096", "鍵の種類"}},
             {"group", "G", {"group it belongs to, - for none", "所属グループ（- でなし）"}},
             {"organisation",
              "O",
              {"organisation in the subject, - for none", "サブジェクトの組織（- でなし）"}},
             {"validity",
              "TIME",
              {"validity asked for, - for the CA's", "有効期間（- で認証局の既定）"}},
             {"renew-before",
              "TIME",
              {"renew this long before the end, - by itself", "更新時期（- で自動）"}},
             {"csr", "FILE", {"CSR whose key was made elsewhere", "外部で作成した CSR"}},
             {"no-csr", NULL, {"make key and CSR here again", "鍵と CSR を Inro で作成"}},
             {"auto-renew", "yes|no", {"renew by itself", "自動更新"}},
             {"on-failure", "HOW", {"stop, continue or undo_all", "適用先が失敗したとき"}},
             {"window",
              "WHEN",
              {"when roll-outs may begin, - for always: \"mon-fri 02:00-05:00\"",
               "自動適用の時間帯（- で常時）。例：\"mon-fri 02:00-05:00\""}},
             {"approval", "yes|no", {"roll-outs wait for approval", "適用前の承認"}},
             {"allow-loss", "yes|no", {"may drop what the old one had", "減る項目を許可"}},
             {"profile", "P", {"CA profile, - for none", "認証局プロファイル（- でなし）"}},
             {"challenge", "TYPE", {"http-01 http-01-webroot", "検証方法"}}),
     "challenge",
     true},
    {"binding",
     "list",
     "[CERT]",
     0,
     1,
     {"list the bindings", "適用設定の一覧"},
     binding_list,
     NULL,
     NULL,
     false},
    {"binding",
     "show",
     "ID",
     1,
     1,
     {"show a binding", "適用設定を表示"},
     binding_show,
     NULL,
     NULL,
     false},
    {"binding",
     "change",
     "ID --FIELD V ...",
     1,
     1,
     {"change a binding", "適用設定を変更"},
     binding_change,
     OPTIONS({"seq", "N", {"place in the roll-out", "適用順"}}),
     "target",
     true},
    {"binding",
     "remove",
     "ID",
     1,
     1,
     {"remove a binding", "適用設定を削除"},
     binding_remove,
     NULL,
     NULL,
     false},
    {"watch",
     "change",
     "ID",
     1,
     1,
     {"change what is watched", "監視対象を変更"},
     watch_change,
     OPTIONS(
         {"cert", "CERT", {"certificate expected there, - for none", "期待する証明書（- でなし）"}},
         {"group", "G", {"group it belongs to, - for none", "所属グループ（- でなし）"}},
         {"every", "TIME", {"look every", "確認間隔"}}),
     NULL,
     false},
};
const struct cli_command_set cli_set_change = {commands, COUNT_OF(commands)};
