/* Health, the system page, the event stream and the OpenAPI document. */
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
    jw_kstr(&r->w, "listen", api->o.listen);
    jw_kstr(&r->w, "http01", api->o.http01 && *api->o.http01 ? api->o.http01 : NULL);
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

static enum rc run_openapi(struct request *r, struct err *err)
{
    (void)err;
    api_openapi(r->api->o.version, &r->out);
    return RC_OK;
}

static const struct route rows[] = {
    {"health", "GET", "/health", PERM(PERM_PUBLIC), 0, run_health, .answer = "Health",
     .summary = {"Is it up?", "稼働状態を返す"}},
    {"system", "GET", "/system", PERM(PERM_VIEW), ROUTE_READ, run_system, .answer = "System",
     .summary = {"About this installation", "システム情報を返す"}},
    {"events", "GET", "/events", PERM(PERM_VIEW), 0, run_events, .answer = "stream",
     .summary = {"Live events (text/event-stream)", "変化を逐次受け取る"}},
    {"openapi", "GET", "/openapi.json", PERM(PERM_VIEW), 0, run_openapi, .answer = "Document",
     .summary = {"This API as OpenAPI 3.1", "この API の OpenAPI 定義"}},
};
ROUTE_SET(routes_system, rows);
