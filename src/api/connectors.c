/*
 * CA accounts, targets and notifiers: one set of handlers for the three kinds. Invariants: what
 * is stored was accepted by the type's field table, for create and update alike; secrets go to
 * the vault, bound to connector/<id>/<field>, and come back as {"set":true} only.
 */
#include <string.h>

#include "api/priv.h"
#include "codec/name.h"
#include "job/licence.h"
#include "model/organisation.h"

route_fn target_list; /* targets.c */

struct connector_in {
    const char *name, *type, *group;
    int64_t revision;
};
static const struct field connector_fields[] = {
    FIELD_STR(struct connector_in, name, .flags = FIELD_REQUIRED, .max = 128,
              .label = {"Name", "名前"}),
    FIELD_STR(struct connector_in, type, .flags = FIELD_REQUIRED, .max = 64,
              .label = {"Type", "種類"}),
    FIELD_STR(struct connector_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_END};
static const struct field patch_fields[] = {
    FIELD_STR(struct connector_in, name, .max = 128, .label = {"Name", "名前"}),
    FIELD_STR(struct connector_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_INT(struct connector_in, revision, .min = 1, .max = INT64_MAX,
              .label = {"Revision", "版数"}),
    FIELD_END};
static const char *const objects[] = {"settings", NULL};

struct sealer {
    struct request *r;
    int64_t id;
};

static enum rc seal_secret(void *ctx, const char *field, struct str clear, struct arena *a,
                           const char **ret, struct err *err)
{
    struct sealer *s = ctx;
    const char *place = arena_printf(a, "connector/%lld/%s", (long long)s->id, field);
    return place ? r_seal(s->r, place, clear, ret, err) : NOMEM(err);
}

static enum rc head_of(const char *kind, const char *type, const struct conn_head **ret,
                       struct err *err)
{
    *ret = registry_head(kind_of_name(kind), type);
    if (*ret)
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.no_type", "there is no {0} type {1}; see inro docs",
                          "{0} に {1} という種類はありません。inro docs を参照してください"),
                      kind, type);
    err_field(err, "type");
    return rc;
}

/* Settings as given -> as stored; `before` is what is stored now, or NULL. */
static enum rc settings_text(struct request *r, const struct conn_head *head,
                             const struct json *given, const struct json *before, int64_t id,
                             const char **ret, struct err *err)
{
    struct sealer s = {r, id};
    struct secret_sink sink = {seal_secret, &s};
    void *settings = arena_alloc(r->a, head->settings_size);
    if (!settings)
        return NOMEM(err);
    enum rc rc = schema_decode(head->fields, given, before, &sink, r->a, settings, err);
    if (rc == RC_OK && head->fit)
        rc = head->fit(settings, err);
    if (rc == RC_OK)
        rc = encode_text(r, head->fields, settings, SCHEMA_STORED, ret, err);
    AUTO(json) struct json *after = NULL;
    if (rc == RC_OK && before)
        rc = json_parse(str_from(*ret), &after, err);
    if (rc == RC_OK && before)
        rc = r_secrets_stay(head->fields, before, after, err);
    if (rc != RC_OK)
        err_field(err, "settings");
    return rc;
}

static enum rc view_settings(struct request *r, const struct connector *c, struct err *err)
{
    const struct conn_head *head = registry_head(kind_of_name(c->kind), c->type);
    AUTO(json) struct json *stored = NULL;
    jw_key(&r->w, "settings");
    if (!head) { /* a type this build does not have */
        jw_null(&r->w);
        return RC_OK;
    }
    TRY(stored_json(c->settings, &stored, err));
    void *settings = arena_alloc(r->a, head->settings_size);
    if (!settings)
        return NOMEM(err);
    TRY(schema_decode(head->fields, stored, NULL, NULL, r->a, settings, err));
    if (r->for_audit)
        view_fingerprints(&r->w, stored);
    else
        schema_encode(head->fields, settings, SCHEMA_MASKED, &r->w);
    return RC_OK;
}

/* Of a connector's own state only what is known to be public is shown. */
static enum rc view_state(struct request *r, const struct connector *c, struct err *err)
{
    static const char *const public[] = {"account", "kid",         "status",
                                         "terms",   "root_sha256", "root_pem",
                                         "last_at", "last_file",   "next_at"};
    AUTO(json) struct json *state = NULL;
    const char *text;
    TRY(stored_json(c->state, &state, err));
    jw_key(&r->w, "state");
    jw_object(&r->w);
    jw_kbool(&r->w, "ready", state != NULL);
    for (size_t i = 0; i < COUNT_OF(public); i++)
        if (json_get_str(state, public[i], &text))
            jw_kstr(&r->w, public[i], text);
    if (json_get(state, "files")) {
        jw_key(&r->w, "files");
        jw_json(&r->w, json_get(state, "files"));
    }
    jw_end_object(&r->w);
    return RC_OK;
}

enum rc view_connector_members(struct request *r, const struct connector *c, struct err *err)
{
    jw_ki64(&r->w, "id", c->id);
    jw_kstr(&r->w, "name", c->name);
    jw_kstr(&r->w, "type", c->type);
    view_group_of(r, c->group_id);
    TRY(view_settings(r, c, err));
    TRY(view_state(r, c, err));
    jw_ktime(&r->w, "created", c->created);
    jw_ktime(&r->w, "updated", c->updated);
    jw_ki64(&r->w, "revision", c->revision);
    return RC_OK;
}

static enum rc view_connector(struct request *r, const struct connector *c, struct err *err)
{
    jw_object(&r->w);
    TRY(view_connector_members(r, c, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct connector_list list;
    int64_t after, limit;
    TRY(r_page(r, &after, &limit, err));
    TRY(db_connector_list(r->db, r->route->arg, after, (int)limit, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_connector(r, &list.v[i], err));
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct connector c;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    return view_connector(r, &c, err);
}

/* "https://host:port/..." -> host */
static const char *host_of_url(struct request *r, const char *url)
{
    const char *p = strstr(url, "://");
    p = p ? p + 3 : url;
    size_t n = *p == '[' ? strcspn(++p, "]") : strcspn(p, ":/?#");
    return arena_str(r->a, (struct str){p, n});
}

/*
 * Where a target is, for the licence: its first setting that is a host or an address on the web;
 * one without is on this machine. Two targets on one machine count once.
 */
static enum rc target_address(struct request *r, const struct conn_head *head, const char *settings,
                              const char **ret, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    const char *at = NULL;
    bool is_ip;
    TRY(stored_json(settings, &j, err));
    for (const struct field *f = head->fields; f->type != FIELD_T_END && !at; f++) {
        const char *value = f->type == FIELD_T_HOST || f->type == FIELD_T_URL
                                ? json_str_or(j, f->name, NULL)
                                : NULL;
        if (value)
            at = f->type == FIELD_T_URL ? host_of_url(r, value) : value;
    }
    if (!at)
        at = "localhost";
    if (name_normalise(r->a, at, ret, &is_ip, NULL) != RC_OK)
        *ret = at;
    return RC_OK;
}

static enum rc count_target(struct request *r, const struct conn_head *head,
                            const struct connector *c, struct err *err)
{
    const char *address;
    if (strcmp(c->kind, "target") != 0)
        return RC_OK;
    TRY(target_address(r, head, c->settings, &address, err));
    return licence_target_at(r->db, c->id, address, r->now, err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct connector_in *in = r->in;
    const struct conn_head *head;
    struct connector c = {.kind = r->route->arg,
                          .type = in->type,
                          .name = in->name,
                          .settings = "{}",
                          .created = r->now,
                          .updated = r->now,
                          .revision = 1};
    TRY(name_check(in->name, err));
    TRY(head_of(c.kind, in->type, &head, err));
    TRY(group_from_input(r, in->group, 0, &c.group_id, err));
    TRY(db_connector_add(r->db, &c, err));
    TRY(settings_text(r, head, json_get(r->body, "settings"), NULL, c.id, &c.settings, err));
    TRY(count_target(r, head, &c, err));
    TRY(db_connector_update(r->db, &c, err));
    TRY(db_connector_get(r->db, c.id, r->a, &c, err));
    r_subject(r, c.kind, c.id);
    r_event(r, c.kind, c.id);
    r->status = 201;
    return view_connector(r, &c, err);
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct connector_in *in = r->in;
    const struct conn_head *head;
    struct connector c;
    const struct json *given = json_get(r->body, "settings");
    AUTO(json) struct json *before = NULL;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    r_subject(r, c.kind, c.id);
    TRY(check_revision(r, in->revision, c.revision, err));
    TRY(head_of(c.kind, c.type, &head, err));
    if (in->name) {
        TRY(name_check(in->name, err));
        c.name = in->name;
    }
    TRY(group_from_input(r, in->group, c.group_id, &c.group_id, err));
    if (given) {
        TRY(stored_json(c.settings, &before, err));
        TRY(settings_text(r, head, given, before, c.id, &c.settings, err));
        TRY(count_target(r, head, &c, err));
    }
    c.updated = r->now;
    TRY(db_connector_update(r->db, &c, err));
    TRY(db_connector_get(r->db, c.id, r->a, &c, err));
    r_event(r, c.kind, c.id);
    return view_connector(r, &c, err);
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct connector c;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    r_subject(r, c.kind, c.id);
    TRY(check_revision(r, 0, c.revision, err));
    TRY(db_connector_remove(r->db, c.id, err));
    r_event(r, c.kind, c.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc answer_job(struct request *r, int64_t job, struct err *err)
{
    r->wake = true;
    r->status = 202;
    r_event(r, "job", job);
    jw_object(&r->w);
    TRY(view_job_answer(r, job, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_check(struct request *r, struct err *err)
{
    struct connector c;
    int64_t job = 0;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    r_subject(r, c.kind, c.id);
    TRY(job_request_check(r->db, c.id, r->now, &job, err));
    return answer_job(r, job, err);
}

static enum rc run_test(struct request *r, struct err *err)
{
    struct connector c;
    int64_t job = 0;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    r_subject(r, c.kind, c.id);
    TRY(job_request_notify_test(r->db, c.id, r->now, &job, err));
    return answer_job(r, job, err);
}

static enum rc run_backup_now(struct request *r, struct err *err)
{
    struct connector c;
    int64_t job = 0;
    bool existing = false;
    TRY(find_connector(r, r->route->arg, r->params[0], &c, err));
    r_subject(r, c.kind, c.id);
    TRY(job_request_backup(r->db, c.id, NULL, NULL, r->now, &job, &existing, err));
    if (existing)
        TRY(job_ask_again(r->db, job, r->now, err));
    return answer_job(r, job, err);
}

static void view_type(struct request *r, enum conn_kind kind, const struct conn_head *h)
{
    const char *lang = r_query(r, "lang");
    bool ja = lang ? strcmp(lang, "ja") == 0 : r->lang && strcmp(r->lang, "ja") == 0;
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&r->w);
    jw_kstr(&r->w, "id", h->id);
    jw_kstr(&r->w, "name", ja ? h->name.ja : h->name.en);
    jw_kstr(&r->w, "about", ja ? h->about.ja : h->about.en);
    for (int place = 0; place < 2; place++) {
        const struct target_ops *t = kind == CONN_TARGET ? target_find(h->id) : NULL;
        const struct field *fields = place ? (t ? t->place_fields : NULL) : h->fields;
        struct json *j = NULL;
        struct err none;
        if (!fields)
            continue;
        buf_clear(&b);
        w = JSON_WRITER(&b);
        schema_describe(fields, ja ? "ja" : "en", &w);
        if (json_parse(buf_str(&b), &j, &none) != RC_OK)
            continue;
        jw_key(&r->w, place ? "place_fields" : "fields");
        jw_json(&r->w, json_get(j, "fields"));
        json_free(j);
    }
    jw_end_object(&r->w);
}

/* Forms that are no connector's. */
static const struct conn_head org_forms[] = {
    {.id = "organisation",
     .name = {"Organisation", "組織"},
     .about = {"What OV and EV applications ask of the applicant",
               "OV・EV 申請で求められる組織情報"},
     .fields = organisation_fields},
    {.id = "contact",
     .name = {"Contact", "担当者"},
     .about = {"A person who answers for the organisation", "組織の担当者"},
     .fields = contact_fields},
};

static enum rc schema_kind(struct request *r, enum conn_kind *ret, struct err *err)
{
    *ret = kind_of_name(r->params[0]);
    CHECK(*ret < CONN_KINDS, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_kind",
              "there is no such kind; one of ca, challenge, dns, target, notifier, backup",
              "その区分はありません。ca、challenge、dns、target、notifier、backup のいずれかです"));
    return RC_OK;
}

static enum rc run_schema(struct request *r, struct err *err)
{
    enum conn_kind kind;
    bool org = strcmp(r->params[0], "org") == 0;
    if (org)
        kind = CONN_KINDS;
    else
        TRY(schema_kind(r, &kind, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; org && i < COUNT_OF(org_forms); i++)
        view_type(r, kind, &org_forms[i]);
    for (size_t i = 0; !org && i < registry_count(kind); i++)
        view_type(r, kind, registry_at(kind, i));
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_schema_one(struct request *r, struct err *err)
{
    enum conn_kind kind;
    TRY(schema_kind(r, &kind, err));
    const struct conn_head *h = registry_head(kind, r->params[1]);
    CHECK(h, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_type", "there is no {0} type {1}; see inro docs",
              "{0} に {1} という種類はありません。inro docs を参照してください"),
          r->params[0], r->params[1]);
    view_type(r, kind, h);
    return RC_OK;
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
#define LISTED(kind_, id_, path_, en, ja)                                                          \
    {                                                                                              \
        id_ ".list", "GET", path_, PERM(PERM_VIEW), ROUTE_READ, run_list,                          \
            .answer = "page Connector", .query = "after limit",                                    \
            .summary = {"List " en, ja "を一覧する"}, .arg = kind_                                 \
    }
#define CONNECTOR(kind_, id_, path_, en, ja, adds_)                                                \
    {id_ ".create",                                                                                \
     "POST",                                                                                       \
     path_,                                                                                        \
     PERM(PERM_ADMIN),                                                                             \
     ROUTE_WRITE | (adds_),                                                                        \
     run_create,                                                                                   \
     .answer = "201 Connector",                                                                    \
     .summary = {"Add to " en, ja "を追加する"},                                                   \
     BODY(connector_fields, struct connector_in),                                                  \
     .objects = objects,                                                                           \
     .arg = kind_},                                                                                \
        {id_ ".get",  "GET",   path_ "/{id}",         PERM(PERM_VIEW),                             \
         ROUTE_READ,  run_get, .answer = "Connector", .summary = {"One of " en, ja "を表示する"},  \
         .arg = kind_},                                                                            \
        {id_ ".update",                                                                            \
         "PATCH",                                                                                  \
         path_ "/{id}",                                                                            \
         PERM(PERM_ADMIN),                                                                         \
         ROUTE_WRITE,                                                                              \
         run_update,                                                                               \
         .answer = "Connector",                                                                    \
         .summary = {"Change one of " en, ja "を変更する"},                                        \
         BODY(patch_fields, struct connector_in),                                                  \
         .objects = objects,                                                                       \
         .arg = kind_},                                                                            \
    {                                                                                              \
        id_ ".remove", "DELETE", path_ "/{id}", PERM(PERM_ADMIN), ROUTE_WRITE, run_remove,         \
            .answer = "Done", .summary = {"Remove one of " en, ja "を削除する"}, .arg = kind_      \
    }

static const struct route rows[] = {
    LISTED("ca", "ca", "/cas", "the CA accounts", "認証局設定"),
    CONNECTOR("ca", "ca", "/cas", "the CA accounts", "認証局設定", ROUTE_LICENCE),
    {"ca.check", "POST", "/cas/{id}/check", PERM(PERM_OPERATE), ROUTE_WRITE, run_check,
     .answer = "202 JobStarted", .summary = {"Check the connection", "接続テスト"}, .arg = "ca"},
    {"target.list", "GET", "/targets", PERM(PERM_VIEW), ROUTE_READ, target_list,
     .answer = "cursor Target",
     .query = "q@target type state@target sort@target after@cursor limit",
     .summary = {"List the targets by name, with what is applied there",
                 "適用先を名前順に、適用の状態とともに一覧する"}},
    CONNECTOR("target", "target", "/targets", "the targets", "適用先", ROUTE_LICENCE),
    {"target.check", "POST", "/targets/{id}/check", PERM(PERM_OPERATE), ROUTE_WRITE, run_check,
     .answer = "202 JobStarted", .summary = {"Check the connection", "接続テスト"},
     .arg = "target"},
    LISTED("notifier", "notifier", "/notifiers", "the notifiers", "通知先"),
    CONNECTOR("notifier", "notifier", "/notifiers", "the notifiers", "通知先", 0),
    {"notifier.check", "POST", "/notifiers/{id}/check", PERM(PERM_OPERATE), ROUTE_WRITE, run_check,
     .answer = "202 JobStarted", .summary = {"Check the connection", "接続テスト"},
     .arg = "notifier"},
    {"notifier.test", "POST", "/notifiers/{id}/test", PERM(PERM_OPERATE), ROUTE_WRITE, run_test,
     .answer = "202 JobStarted", .summary = {"Send a test message", "テスト通知を送る"},
     .arg = "notifier"},
    LISTED("backup", "backup_store", "/backup-stores", "the places of backups", "バックアップ先"),
    CONNECTOR("backup", "backup_store", "/backup-stores", "the places of backups", "バックアップ先",
              0),
    {"backup_store.check", "POST", "/backup-stores/{id}/check", PERM(PERM_ADMIN), ROUTE_WRITE,
     run_check, .answer = "202 JobStarted", .summary = {"Check the connection", "接続テスト"},
     .arg = "backup"},
    {"backup_store.run", "POST", "/backup-stores/{id}/run", PERM(PERM_ADMIN), ROUTE_WRITE,
     run_backup_now, .answer = "202 JobStarted",
     .summary = {"Make a backup there now", "今すぐバックアップする"}, .arg = "backup"},
    {"schema.list", "GET", "/schema/{kind}", PERM(PERM_VIEW), 0, run_schema,
     .answer = "list ConnectorType", .query = "lang",
     .summary = {"Types of a kind with their settings", "種類と設定項目を一覧する"}},
    {"schema.get", "GET", "/schema/{kind}/{id}", PERM(PERM_VIEW), 0, run_schema_one,
     .answer = "ConnectorType", .query = "lang",
     .summary = {"One type with its settings", "種類と設定項目を表示する"}},
};
ROUTE_SET(routes_connector, rows);
