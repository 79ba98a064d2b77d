/* Health, the system page, the event stream and OpenAPI, which is made from the route tables. */
#include <string.h>

#include "api/priv.h"

enum { ROLES_MAX = 16 };

static enum rc run_health(struct request *r, struct err *err)
{
    struct api *api = r->api;
    struct vault_status st = {0};
    (void)err;
    enum rc rc = RC_BUSY;
    if (pthread_mutex_trylock(&api->vault_lock) == 0) {
        rc = vault_status_get(api->o.vault, &st, NULL);
        (void)pthread_mutex_unlock(&api->vault_lock);
    }
    jw_object(&r->w);
    jw_kstr(&r->w, "status", (rc == RC_OK || rc == RC_BUSY) && !st.sealed ? "ok" : "sealed");
    jw_kstr(&r->w, "version", api->o.version);
    jw_end_object(&r->w);
    return RC_OK;
}

static void view_store(struct request *r, const char *schema)
{
    const char *url = r->api->o.store_url ? r->api->o.store_url : "";
    bool sqlite = strncmp(url, "sqlite:", 7) == 0;
    jw_key(&r->w, "store");
    jw_object(&r->w);
    jw_kstr(&r->w, "kind", sqlite ? "sqlite" : "postgresql");
    /* a PostgreSQL address may hold a password: shown for SQLite only */
    jw_kstr(&r->w, "path", sqlite ? url + 7 : NULL);
    jw_kstr(&r->w, "schema", schema);
    jw_end_object(&r->w);
}

static enum rc run_system(struct request *r, struct err *err)
{
    struct api_role roles[ROLES_MAX];
    const char *schema = NULL, *hold = NULL, *installation = NULL, *generation = NULL;
    struct api *api = r->api;
    size_t n = api->o.roles ? api->o.roles(api->o.ctx, roles, ROLES_MAX) : 0;
    TRY(db_meta_get(r->db, "schema_version", r->a, &schema, err));
    TRY(db_meta_get(r->db, "installation_id", r->a, &installation, err));
    TRY(db_meta_get(r->db, "generation", r->a, &generation, err));
    TRY(job_hold_get(r->db, r->a, &hold, err));
    jw_object(&r->w);
    jw_kstr(&r->w, "version", api->o.version);
    jw_ki64(&r->w, "uptime", (r->now - api->started) / USEC_PER_SEC);
    jw_ktime(&r->w, "clock", r->now);
    view_store(r, schema);
    jw_kstr(&r->w, "installation", installation);
    jw_kstr(&r->w, "generation", generation ? generation : "1");
    jw_kstr(&r->w, "hold", hold);
    jw_key(&r->w, "roles");
    jw_array(&r->w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&r->w);
        jw_kstr(&r->w, "name", roles[i].name);
        jw_ki64(&r->w, "pid", roles[i].pid);
        jw_ki64(&r->w, "restarts", roles[i].restarts);
        jw_end_object(&r->w);
    }
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_events(struct request *r, struct err *err)
{
    (void)err;
    r->stream = true;
    return RC_OK;
}

static void body_schema(struct json_writer *w, const struct route *t)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer s = JSON_WRITER(&b);
    struct json *j = NULL;
    struct err none;
    void *iter = NULL;
    const char *key;
    const struct json *v;
    schema_json_schema(t->body, &s);
    if (json_parse(buf_str(&b), &j, &none) != RC_OK)
        return;
    jw_object(w);
    while (json_next(j, &iter, &key, &v)) {
        jw_key(w, key);
        if (strcmp(key, "properties") != 0) {
            jw_json(w, v);
            continue;
        }
        void *inner = NULL;
        const char *name;
        const struct json *p;
        jw_object(w);
        while (json_next(v, &inner, &name, &p)) {
            jw_key(w, name);
            jw_json(w, p);
        }
        for (const char *const *o = t->objects; o && *o; o++) {
            jw_key(w, *o);
            jw_object(w);
            jw_kstr(w, "type", "object");
            jw_end_object(w);
        }
        jw_end_object(w);
    }
    jw_end_object(w);
    json_free(j);
}

static void path_parameters(struct json_writer *w, const char *path)
{
    struct str rest = str_from(path), part;
    jw_key(w, "parameters");
    jw_array(w);
    while (str_split(&rest, '/', &part)) {
        if (part.n < 3 || part.p[0] != '{')
            continue;
        jw_object(w);
        jw_key(w, "name");
        jw_strn(w, (struct str){part.p + 1, part.n - 2});
        jw_kstr(w, "in", "path");
        jw_kbool(w, "required", true);
        jw_key(w, "schema");
        jw_object(w);
        jw_kstr(w, "type", "string");
        jw_end_object(w);
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void operation(struct json_writer *w, const struct route *t)
{
    static const char *const perms[] = {"", "public", "session", "viewer", "operator", "admin"};
    char method[8] = {0};
    for (size_t i = 0; t->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)(t->method[i] | 0x20);
    jw_key(w, method);
    jw_object(w);
    jw_kstr(w, "operationId", t->id);
    jw_kstr(w, "summary", t->summary.en);
    jw_kstr(w, "x-summary-ja", t->summary.ja);
    jw_kstr(w, "x-permission", perms[t->perm]);
    path_parameters(w, t->path);
    if (t->body) {
        jw_key(w, "requestBody");
        jw_object(w);
        jw_key(w, "content");
        jw_object(w);
        jw_key(w, "application/json");
        jw_object(w);
        jw_key(w, "schema");
        body_schema(w, t);
        jw_end_object(w);
        jw_end_object(w);
        jw_end_object(w);
    }
    jw_key(w, "responses");
    jw_object(w);
    jw_key(w, "default");
    jw_object(w);
    jw_kstr(w, "description", "2xx: the answer; else {\"error\":{code,id,message,...}}");
    jw_end_object(w);
    jw_end_object(w);
    jw_end_object(w);
}

/* Several methods of one path stand together; the path's first row writes them all. */
static void openapi_paths(struct json_writer *w)
{
    size_t n;
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const char *path = sets[s]->v[i].path;
            bool first = true;
            for (size_t k = 0; k < i; k++)
                first = first && strcmp(sets[s]->v[k].path, path) != 0;
            if (!first)
                continue;
            jw_key(w, path);
            jw_object(w);
            for (size_t k = i; k < sets[s]->n; k++)
                if (strcmp(sets[s]->v[k].path, path) == 0)
                    operation(w, &sets[s]->v[k]);
            jw_end_object(w);
        }
    }
}

static void openapi_settings(struct json_writer *w)
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

void api_openapi(const char *version, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    jw_kstr(&w, "openapi", "3.1.0");
    jw_key(&w, "info");
    jw_object(&w);
    jw_kstr(&w, "title", "Inro");
    jw_kstr(&w, "version", version);
    jw_end_object(&w);
    jw_key(&w, "servers");
    jw_array(&w);
    jw_object(&w);
    jw_kstr(&w, "url", "/api/v1");
    jw_end_object(&w);
    jw_end_array(&w);
    jw_key(&w, "paths");
    jw_object(&w);
    openapi_paths(&w);
    jw_end_object(&w);
    jw_key(&w, "components");
    jw_object(&w);
    jw_key(&w, "schemas");
    jw_object(&w);
    openapi_settings(&w);
    jw_end_object(&w);
    jw_end_object(&w);
    jw_end_object(&w);
}

static enum rc run_openapi(struct request *r, struct err *err)
{
    (void)err;
    api_openapi(r->api->o.version, &r->out);
    return RC_OK;
}

static const struct route rows[] = {
    {"health", "GET", "/health", PERM(PERM_PUBLIC), 0, run_health,
     .summary = {"Is it up?", "稼働状態を返す"}},
    {"system", "GET", "/system", PERM(PERM_VIEW), ROUTE_READ, run_system,
     .summary = {"About this installation", "システム情報を返す"}},
    {"events", "GET", "/events", PERM(PERM_VIEW), 0, run_events,
     .summary = {"Live events (text/event-stream)", "変化を逐次受け取る"}},
    {"openapi", "GET", "/openapi.json", PERM(PERM_VIEW), 0, run_openapi,
     .summary = {"This API as OpenAPI 3.1", "この API の OpenAPI 定義"}},
};
ROUTE_SET(routes_system, rows);
