/* org: organisations and their contacts; the flags are the fields of their tables. */
#include <string.h>

#include "app/cli_priv.h"
#include "model/organisation.h"

const struct field *cli_org_fields(const struct cli_command *d)
{
    if (strcmp(d->group, "org") != 0 || !d->fields)
        return NULL;
    return strncmp(d->verb, "contact", 7) == 0 ? contact_fields : organisation_fields;
}

/* {"name":..,"group":..,"details":{flags}} */
static int put(struct cli *c, const char *method, const char *path, const char *name,
               struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    const char *group = cli_opt(c, "group");
    jw_object(&w);
    if (name)
        jw_kstr(&w, "name", name);
    if (group)
        jw_kstr(&w, "group", strcmp(group, "-") == 0 ? NULL : group);
    jw_key(&w, "details");
    CLI_TRY(cli_settings(c, cli_org_fields(c->cmd), NULL, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, method, path, buf_str(&b), &j, err));
    return cli_show(c, j);
}

static int org_list(struct cli *c, struct err *err)
{
    static const struct cli_column cols[] = {{"id", {"ID", "番号"}},
                                             {"name", {"NAME", "名前"}},
                                             {"details.legal_name", {"LEGAL NAME", "組織名"}},
                                             {"details.country", {"COUNTRY", "国"}},
                                             {"certs", {"CERTS", "証明書"}},
                                             {"group", {"GROUP", "グループ"}}};
    return cli_list(c, "/orgs", "", "after", cols, COUNT_OF(cols), err);
}

static int org_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/orgs/", c->args[0], NULL), STR_NONE, &j, err));
    return cli_show(c, j);
}

static int org_add(struct cli *c, struct err *err)
{
    return put(c, "POST", "/orgs", c->args[0], err);
}

static int org_change(struct cli *c, struct err *err)
{
    return put(c, "PATCH", cli_path(c, "/orgs/", c->args[0], NULL), cli_opt(c, "name"), err);
}

static int org_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, cli_path(c, "/orgs/", c->args[0], NULL), err);
}

/* org use ORG CERT; "-" as the organisation takes it away again. */
static int org_use(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "organisation", strcmp(c->args[0], "-") == 0 ? NULL : c->args[0]);
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "PATCH", cli_path(c, "/certs/", c->args[1], NULL), buf_str(&b), &j, err));
    return cli_show(c, j);
}

static const char *contact_path(struct cli *c)
{
    const char *base = cli_path(c, "/orgs/", c->args[0], "/contacts/");
    return base ? cli_path(c, base, c->args[1], NULL) : NULL;
}

static int contact_add(struct cli *c, struct err *err)
{
    return put(c, "POST", cli_path(c, "/orgs/", c->args[0], "/contacts"), NULL, err);
}

static int contact_change(struct cli *c, struct err *err)
{
    return put(c, "PATCH", contact_path(c), NULL, err);
}

static int contact_remove(struct cli *c, struct err *err)
{
    return cli_remove(c, contact_path(c), err);
}

static const struct cli_option add_org[] = {
    {"group", "G", {"group it belongs to", "所属するユーザーグループ"}},
    {NULL, NULL, {NULL, NULL}}};
static const struct cli_option change_org[] = {
    {"name", "N", {"new name in Inro", "新しい管理名"}},
    {"group", "G", {"group it belongs to; - for none", "所属するユーザーグループ（- でなし）"}},
    {NULL, NULL, {NULL, NULL}}};
static const struct cli_option page[] = {{"limit", "N", {"at most N rows", "最大件数"}},
                                         {"after", "ID", {"go on after", "続き"}},
                                         {NULL, NULL, {NULL, NULL}}};

static const struct cli_command commands[] = {
    {.group = "org",
     .verb = "list",
     .args = "",
     .help = {"list the organisations", "組織の一覧"},
     .run = org_list,
     .options = page},
    {.group = "org",
     .verb = "show",
     .args = "ORG",
     .min = 1,
     .max = 1,
     .help = {"show an organisation and its contacts", "組織と担当者を表示"},
     .run = org_show},
    {.group = "org",
     .verb = "add",
     .args = "NAME --legal-name N --locality L",
     .min = 1,
     .max = 1,
     .help = {"add an organisation", "組織を追加"},
     .run = org_add,
     .options = add_org,
     .fields = true},
    {.group = "org",
     .verb = "change",
     .args = "ORG",
     .min = 1,
     .max = 1,
     .help = {"change an organisation", "組織を変更"},
     .run = org_change,
     .options = change_org,
     .fields = true},
    {.group = "org",
     .verb = "remove",
     .args = "ORG",
     .min = 1,
     .max = 1,
     .help = {"remove an organisation no certificate names", "使われていない組織を削除"},
     .run = org_remove},
    {.group = "org",
     .verb = "use",
     .args = "ORG CERT",
     .min = 2,
     .max = 2,
     .help = {"put it into the subject of a certificate's next versions (-: none)",
              "証明書の次の版のサブジェクトに入れる（- で入れない）"},
     .run = org_use},
    {.group = "org",
     .verb = "contact add",
     .args = "ORG --name N --mail M",
     .min = 1,
     .max = 1,
     .help = {"add a contact", "担当者を追加"},
     .run = contact_add,
     .fields = true},
    {.group = "org",
     .verb = "contact change",
     .args = "ORG ID",
     .min = 2,
     .max = 2,
     .help = {"change a contact", "担当者を変更"},
     .run = contact_change,
     .fields = true},
    {.group = "org",
     .verb = "contact remove",
     .args = "ORG ID",
     .min = 2,
     .max = 2,
     .help = {"remove a contact", "担当者を削除"},
     .run = contact_remove},
};
const struct cli_command_set cli_set_orgs = {commands, COUNT_OF(commands)};
