/*
 * The OpenAPI 3.1 document, made from the route tables, the field tables and answers.c: what stands
 * in it is what the daemon does. Japanese texts stand beside the English ones as x-...-ja.
 */
#include <string.h>

#include "api/answers.h"
#include "api/priv.h"

struct tag {
    const char *name;
    struct l10n about;
    const char *first; /* first parts of paths */
};
static const struct tag tags[] = {
    {"certificates",
     {"Certificates, and organisations that apply", "証明書と申請する組織"},
     "certs tags orgs"},
    {"issuance", {"Applications and jobs", "申請とジョブ"}, "orders jobs preflights"},
    {"deployment", {"Targets and deployments", "適用先と適用"}, "targets bindings deployments"},
    {"watching", {"What is watched, and what is found", "監視と探索"}, "endpoints discoveries"},
    {"settings",
     {"CA accounts, notifiers, places of backups and their types",
      "認証局設定、通知先、バックアップ先とその種類"},
     "cas notifiers backup-stores schema"},
    {"people",
     {"Users, groups, sessions, API tokens and saved views",
      "利用者、グループ、セッション、API トークン、保存した表示"},
     "users groups session sessions tokens views"},
    {"notices", {"Notices and their fate", "通知"}, "notices deliveries"},
    {"installation",
     {"The installation, its logs, backups and audit log",
      "システム、ログ、バックアップ、監査ログ"},
     "health system engine summary settings logs support-bundle events openapi.json backups audit"},
    {"licence", {"The licence", "ライセンス"}, "licence"},
    {"vendor", {"The vendor's desk", "ベンダー機能"}, "vendor"},
};

static const struct {
    const char *name;
    struct l10n about;
} path_params[] = {
    {"id", {"Number or name", "番号か名前"}},
    {"kind",
     {"ca, challenge, dns, target, notifier, backup or org",
      "ca、challenge、dns、target、notifier、backup、org のいずれか"}},
    {"contact", {"A contact's number", "担当者の番号"}},
    {"month", {"A month like 2026-04", "2026-04 の形式の月"}},
    {"session", {"A session's id as the list shows it", "一覧に表示されるセッションの ID"}},
    {"user", {"Number or login of a user", "利用者の番号かログイン名"}},
};

static void two(struct json_writer *w, const char *key, const char *key_ja, const struct l10n *text)
{
    jw_kstr(w, key, text->en);
    jw_kstr(w, key_ja, text->ja);
}

static void described(struct json_writer *w, const struct l10n *about)
{
    two(w, "description", "x-description-ja", about);
}

static void open_key(struct json_writer *w, const char *key)
{
    jw_key(w, key);
    jw_object(w);
}

static void jw_kstrn(struct json_writer *w, const char *key, struct str s)
{
    jw_key(w, key);
    jw_strn(w, s);
}

/* ---- answers ---- */
static void ref(struct json_writer *w, const char *section, struct str name)
{
    AUTO(buf) struct buf b = BUF(256);
    buf_adds(&b, "#/components/");
    buf_adds(&b, section);
    buf_addc(&b, '/');
    buf_addstr(&b, name);
    jw_kstr(w, "$ref", buf_cstr(&b));
}

static void type_or_null(struct json_writer *w, const char *type, bool nullable)
{
    jw_key(w, "type");
    if (!nullable) {
        jw_str(w, type);
        return;
    }
    jw_array(w);
    jw_str(w, type);
    jw_str(w, "null");
    jw_end_array(w);
}

static void choices(struct json_writer *w, struct str words, bool nullable)
{
    struct str one;
    jw_key(w, "enum");
    jw_array(w);
    while (str_split(&words, '|', &one))
        jw_strn(w, one);
    if (nullable)
        jw_null(w);
    jw_end_array(w);
}

static void component_ref(struct json_writer *w, struct str name, bool nullable)
{
    if (!nullable) {
        ref(w, "schemas", name);
        return;
    }
    jw_key(w, "anyOf");
    jw_array(w);
    jw_object(w);
    ref(w, "schemas", name);
    jw_end_object(w);
    jw_object(w);
    jw_kstr(w, "type", "null");
    jw_end_object(w);
    jw_end_array(w);
}

static void map_of(struct json_writer *w, const char *type, bool nullable)
{
    type_or_null(w, "object", nullable);
    open_key(w, "additionalProperties");
    jw_kstr(w, "type", type);
    jw_end_object(w);
}

/* The members of a schema object of the type. */
static void typed(struct json_writer *w, const struct member *m, bool nullable)
{
    switch (m->type) {
    case MEMBER_INT:
        type_or_null(w, "integer", nullable);
        jw_kstr(w, "format", "int64");
        break;
    case MEMBER_BOOL:
        type_or_null(w, "boolean", nullable);
        break;
    case MEMBER_OBJECT:
        type_or_null(w, "object", nullable);
        jw_kbool(w, "additionalProperties", true);
        break;
    case MEMBER_COUNTS:
        map_of(w, "integer", nullable);
        break;
    case MEMBER_TEXTS:
        map_of(w, "string", nullable);
        break;
    case MEMBER_COMPONENT:
        component_ref(w, m->word, nullable);
        break;
    case MEMBER_ANY:
        break;
    case MEMBER_STR:
    case MEMBER_TIME:
    case MEMBER_DAY:
    case MEMBER_CHOICE:
        type_or_null(w, "string", nullable);
        if (m->type == MEMBER_CHOICE)
            choices(w, m->word, nullable);
        else if (m->type != MEMBER_STR)
            jw_kstr(w, "format", m->type == MEMBER_TIME ? "date-time" : "date");
        break;
    }
}

static void member_schema(struct json_writer *w, const struct component *c, const struct member *m)
{
    const struct l10n *about = member_about(c, m->name);
    jw_object(w);
    if (about)
        described(w, about);
    if (m->list) {
        type_or_null(w, "array", m->nullable);
        open_key(w, "items");
        typed(w, m, false);
        jw_end_object(w);
    } else {
        typed(w, m, m->nullable);
    }
    jw_end_object(w);
}

static void component(struct json_writer *w, const struct component *c)
{
    struct member_walk walk = members_of(c);
    struct member m;
    open_key(w, c->name);
    jw_kstr(w, "type", "object");
    described(w, &c->about);
    if (!c->members)
        jw_kbool(w, "additionalProperties", true);
    open_key(w, "properties");
    while (member_next(&walk, &m)) {
        AUTO(buf) struct buf name = BUF(128);
        buf_addstr(&name, m.name);
        jw_key(w, buf_cstr(&name));
        member_schema(w, c, &m);
    }
    jw_end_object(w);
    jw_key(w, "required");
    jw_array(w);
    for (walk = members_of(c); member_next(&walk, &m);)
        if (!m.optional)
            jw_strn(w, m.name);
    jw_end_array(w);
    jw_end_object(w);
}

static void list_schema(struct json_writer *w, const struct way *way)
{
    bool paged = way->shape != WAY_LIST;
    jw_kstr(w, "type", "object");
    open_key(w, "properties");
    open_key(w, "items");
    jw_kstr(w, "type", "array");
    open_key(w, "items");
    ref(w, "schemas", way->word);
    jw_end_object(w);
    jw_end_object(w);
    if (paged) {
        open_key(w, "next");
        type_or_null(w, way->shape == WAY_CURSOR ? "string" : "integer", true);
        jw_kstr(w, "description", "Goes into after (or before) of the next call; null: the end");
        jw_end_object(w);
    }
    jw_end_object(w);
    jw_key(w, "required");
    jw_array(w);
    jw_str(w, "items");
    if (paged)
        jw_str(w, "next");
    jw_end_array(w);
}

static void content(struct json_writer *w, const struct way *way)
{
    AUTO(buf) struct buf type = BUF(256);
    bool json = way->shape != WAY_FILE && way->shape != WAY_STREAM;
    if (way->shape == WAY_FILE)
        buf_addstr(&type, way->word);
    else
        buf_adds(&type, json ? "application/json" : "text/event-stream");
    open_key(w, buf_cstr(&type));
    open_key(w, "schema");
    if (!json)
        jw_kstr(w, "type", "string");
    else if (way->shape == WAY_ONE)
        ref(w, "schemas", way->word);
    else
        list_schema(w, way);
    jw_end_object(w);
    jw_end_object(w);
}

static bool has_status(const struct way *way, int status)
{
    return way->status[0] == status || way->status[1] == status;
}

static void response(struct json_writer *w, const struct route *t, int status)
{
    struct str rest = str_from(t->answer);
    const struct l10n *about = &t->summary;
    struct way way;
    while (way_next(&rest, &way))
        if (has_status(&way, status) && component_find(way.word))
            about = &component_find(way.word)->about;
    open_key(w, NUM(status));
    described(w, about);
    open_key(w, "content");
    for (rest = str_from(t->answer); way_next(&rest, &way);)
        if (has_status(&way, status))
            content(w, &way);
    jw_end_object(w);
    jw_end_object(w);
}

static void responses(struct json_writer *w, const struct route *t)
{
    static const int statuses[] = {200, 201, 202};
    static const char *const errors[] = {"4XX", "5XX"};
    open_key(w, "responses");
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct str rest = str_from(t->answer);
        struct way way;
        bool used = false;
        while (way_next(&rest, &way))
            used = used || has_status(&way, statuses[i]);
        if (used)
            response(w, t, statuses[i]);
    }
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        open_key(w, errors[i]);
        ref(w, "responses", STR("Error"));
        jw_end_object(w);
    }
    jw_end_object(w);
}

/* ---- requests ---- */
static void object_members(struct json_writer *w, const struct json *properties,
                           const char *const *objects)
{
    void *iter = NULL;
    const char *name;
    const struct json *p;
    jw_object(w);
    while (json_next(properties, &iter, &name, &p)) {
        jw_key(w, name);
        jw_json(w, p);
    }
    for (; objects && *objects; objects++) {
        open_key(w, *objects);
        jw_kstr(w, "type", "object");
        jw_kbool(w, "additionalProperties", true);
        jw_end_object(w);
    }
    jw_end_object(w);
}

/* The field table's schema and the members that are objects. */
static void body_schema(struct json_writer *w, const struct route *t)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    AUTO(json) struct json *j = NULL;
    struct json_writer s = JSON_WRITER(&b);
    struct err none;
    void *iter = NULL;
    const char *key;
    const struct json *v;
    schema_json_schema(t->body, &s);
    jw_object(w);
    if (json_parse(buf_str(&b), &j, &none) == RC_OK) {
        while (json_next(j, &iter, &key, &v)) {
            jw_key(w, key);
            if (strcmp(key, "properties") == 0)
                object_members(w, v, t->objects);
            else
                jw_json(w, v);
        }
    }
    jw_end_object(w);
}

static void request_body(struct json_writer *w, const struct route *t)
{
    bool required = false;
    for (const struct field *f = t->body; f && f->type != FIELD_T_END; f++)
        required = required || ((f->flags & FIELD_REQUIRED) && !f->dflt && !f->only_if);
    if (!t->body)
        return;
    open_key(w, "requestBody");
    jw_kbool(w, "required", required);
    open_key(w, "content");
    open_key(w, "application/json");
    jw_key(w, "schema");
    body_schema(w, t);
    jw_end_object(w);
    jw_end_object(w);
    jw_end_object(w);
}

static void path_parameter(struct json_writer *w, struct str name)
{
    jw_object(w);
    jw_kstrn(w, "name", name);
    jw_kstr(w, "in", "path");
    jw_kbool(w, "required", true);
    for (size_t i = 0; i < COUNT_OF(path_params); i++)
        if (str_eqs(name, path_params[i].name))
            described(w, &path_params[i].about);
    open_key(w, "schema");
    jw_kstr(w, "type", "string");
    jw_end_object(w);
    jw_end_object(w);
}

static void query_schema(struct json_writer *w, const struct param *p)
{
    bool is_int = strcmp(p->type, "int") == 0;
    int64_t n = 0;
    jw_kstr(w, "type", is_int ? "integer" : "string");
    if (strchr(p->type, '|'))
        choices(w, str_from(p->type), false);
    if (strcmp(p->type, "time") == 0)
        jw_kstr(w, "format", "date-time");
    if (p->max != 0)
        jw_ki64(w, "minimum", p->min);
    if (p->max != 0 && p->max != INT64_MAX)
        jw_ki64(w, "maximum", p->max);
    if (p->dflt && is_int && str_to_i64(str_from(p->dflt), 0, INT64_MAX, &n))
        jw_ki64(w, "default", n);
    else if (p->dflt)
        jw_kstr(w, "default", p->dflt);
}

static void parameters(struct json_writer *w, const struct route *t)
{
    struct str rest = str_from(t->path), part;
    const struct param *p;
    jw_key(w, "parameters");
    jw_array(w);
    while (str_split(&rest, '/', &part))
        if (part.n > 2 && part.p[0] == '{')
            path_parameter(w, (struct str){part.p + 1, part.n - 2});
    for (rest = str_from(t->query); param_next(&rest, &p);) {
        jw_object(w);
        jw_kstrn(w, "name", param_name(p));
        jw_kstr(w, "in", "query");
        described(w, &p->about);
        open_key(w, "schema");
        query_schema(w, p);
        jw_end_object(w);
        jw_end_object(w);
    }
    jw_end_array(w);
}

/* ---- operations ---- */
static void need(struct json_writer *w, const char *a, const char *b)
{
    jw_object(w);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? b : a;
        if (!name)
            continue;
        jw_key(w, name);
        jw_array(w);
        jw_end_array(w);
    }
    jw_end_object(w);
}

static void security(struct json_writer *w, const struct route *t)
{
    bool reads = strcmp(t->method, "GET") == 0;
    jw_key(w, "security");
    jw_array(w);
    if (t->perm != PERM_PUBLIC) {
        need(w, "session", reads ? NULL : "csrf");
        if (!(t->flags & (ROUTE_PERSON | ROUTE_PROVE | ROUTE_LOCAL)))
            need(w, "token", NULL);
    }
    jw_end_array(w);
}

static void tag_of(struct json_writer *w, const struct route *t)
{
    struct str path = {t->path + 1, strlen(t->path) - 1}, first, rest, one;
    jw_key(w, "tags");
    jw_array(w);
    if (str_split(&path, '/', &first))
        for (size_t i = 0; i < COUNT_OF(tags); i++)
            for (rest = str_from(tags[i].first); str_split(&rest, ' ', &one);)
                if (str_eq(one, first))
                    jw_str(w, tags[i].name);
    jw_end_array(w);
}

static void operation(struct json_writer *w, const struct route *t)
{
    static const char *const perms[] = {"", "public", "session", "viewer", "operator", "admin"};
    char method[8] = {0};
    for (size_t i = 0; t->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(t->method[i] | 0x20);
    open_key(w, method);
    jw_kstr(w, "operationId", t->id);
    two(w, "summary", "x-summary-ja", &t->summary);
    tag_of(w, t);
    jw_kstr(w, "x-permission", perms[t->perm]);
    jw_kbool(w, "x-step-up", (t->flags & ROUTE_PROVE) != 0);
    jw_kbool(w, "x-local-socket-only", (t->flags & ROUTE_LOCAL) != 0);
    security(w, t);
    parameters(w, t);
    request_body(w, t);
    responses(w, t);
    jw_end_object(w);
}

/* Several methods of one path stand together; the path's first row writes them all. */
static void paths(struct json_writer *w)
{
    size_t n = api_route_count();
    open_key(w, "paths");
    for (size_t i = 0; i < n; i++) {
        const char *path = api_route(i)->path;
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && strcmp(api_route(k)->path, path) != 0;
        if (!first)
            continue;
        open_key(w, path);
        for (size_t k = i; k < n; k++)
            if (strcmp(api_route(k)->path, path) == 0)
                operation(w, api_route(k));
        jw_end_object(w);
    }
    jw_end_object(w);
}

/* ---- the rest ---- */
static void connector_schemas(struct json_writer *w)
{
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++) {
        for (size_t i = 0; i < registry_count(k); i++) {
            const struct conn_head *h = registry_at(k, i);
            AUTO(buf) struct buf name = BUF(256);
            buf_adds(&name, conn_kind_name(k));
            buf_addc(&name, '.');
            buf_adds(&name, h->id);
            jw_key(w, buf_cstr(&name));
            schema_json_schema(h->fields, w);
        }
    }
}

static void security_schemes(struct json_writer *w)
{
    static const struct {
        const char *id, *type, *in, *name, *scheme;
        struct l10n about;
    } rows[] = {
        {"session",
         "apiKey",
         "cookie",
         "__Host-inro",
         NULL,
         {"The session of POST /session", "POST /session で得るセッション"}},
        {"csrf",
         "apiKey",
         "header",
         "X-Inro-CSRF",
         NULL,
         {"csrf of the session, with every call that is not GET",
          "セッションの csrf（GET 以外で必要）"}},
        {"token",
         "http",
         NULL,
         NULL,
         "bearer",
         {"An API token of POST /tokens", "POST /tokens で作成した API トークン"}},
    };
    open_key(w, "securitySchemes");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_key(w, rows[i].id);
        jw_kstr(w, "type", rows[i].type);
        if (rows[i].in) {
            jw_kstr(w, "in", rows[i].in);
            jw_kstr(w, "name", rows[i].name);
        } else {
            jw_kstr(w, "scheme", rows[i].scheme);
        }
        described(w, &rows[i].about);
        jw_end_object(w);
    }
    jw_end_object(w);
}

static void components(struct json_writer *w)
{
    const struct component *c, *error = component_find(STR("Error"));
    struct way way = {.shape = WAY_ONE, .word = STR("Error")};
    open_key(w, "components");
    security_schemes(w);
    open_key(w, "responses");
    open_key(w, "Error");
    described(w, &error->about);
    open_key(w, "content");
    content(w, &way);
    jw_end_object(w);
    jw_end_object(w);
    jw_end_object(w);
    open_key(w, "schemas");
    for (size_t i = 0; (c = component_at(i)) != NULL; i++)
        component(w, c);
    connector_schemas(w);
    jw_end_object(w);
    jw_end_object(w);
}

static void head(struct json_writer *w, const char *version)
{
    static const struct l10n about = {
        "The certificate life-cycle of one installation. Everything the GUI and the command line "
        "do "
        "goes through these routes.",
        "1 つの環境の証明書ライフサイクルを扱う API。GUI とコマンドラインの操作はすべてこの API "
        "を通ります。"};
    jw_kstr(w, "openapi", "3.1.0");
    open_key(w, "info");
    jw_kstr(w, "title", "Inro");
    jw_kstr(w, "version", version);
    described(w, &about);
    open_key(w, "license");
    jw_kstr(w, "name", "Apache-2.0");
    jw_kstr(w, "identifier", "Apache-2.0");
    jw_end_object(w);
    jw_end_object(w);
    jw_key(w, "servers");
    jw_array(w);
    jw_object(w);
    jw_kstr(w, "url", "/api/v1");
    jw_end_object(w);
    jw_end_array(w);
    jw_key(w, "tags");
    jw_array(w);
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        jw_object(w);
        jw_kstr(w, "name", tags[i].name);
        described(w, &tags[i].about);
        jw_end_object(w);
    }
    jw_end_array(w);
}

void api_openapi(const char *version, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    head(&w, version);
    paths(&w);
    components(&w);
    jw_end_object(&w);
}
