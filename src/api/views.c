/*
 * Saved views: the filters of a list screen under a name. A person's own, perhaps shown to one
 * group. Invariants: only the owner changes a view (an administrator may remove it); a view goes
 * with its owner.
 */
#include <string.h>

#include "api/priv.h"

enum { VIEWS_MAX = 100, VIEWS_SHOWN = 500, QUERY_MAX = 2000 };

struct view_in {
    const char *screen, *name, *query, *group;
};
static const struct field_choice screens[] = {{"audit", {"Audit log", "監査ログ"}},
                                              {"certs", {"Certificates", "証明書"}},
                                              {"deployments", {"Deployments", "適用"}},
                                              {"orders", {"Applications", "申請"}},
                                              {"targets", {"Targets", "適用先"}},
                                              {"watch", {"Watching", "監視"}},
                                              {NULL, {NULL, NULL}}};
static const struct field view_fields[] = {
    FIELD_ENUM(struct view_in, screen, .dflt = "certs", .choices = screens,
               .label = {"Screen", "画面"}),
    FIELD_STR(struct view_in, name, .flags = FIELD_REQUIRED, .min = 1, .max = 60,
              .label = {"Name", "名前"}),
    FIELD_STR(struct view_in, query, .max = QUERY_MAX,
              .label = {"Filters as the address of the screen has them", "画面の URL の絞り込み"}),
    FIELD_STR(struct view_in, group, .max = 128,
              .label = {"Group it is shown to", "共有するユーザーグループ"}),
    FIELD_END};

static void view_one(struct request *r, const struct saved_view *v)
{
    struct json_writer *w = &r->w;
    jw_object(w);
    jw_ki64(w, "id", v->id);
    jw_kstr(w, "screen", v->screen);
    jw_kstr(w, "name", v->name);
    jw_kstr(w, "query", v->query ? v->query : "");
    jw_kbool(w, "mine", v->user_id == r->user.id);
    view_group_of(r, v->group_id);
    jw_ktime(w, "created", v->created);
    jw_ktime(w, "updated", v->updated);
    jw_end_object(w);
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct saved_view_list list;
    TRY(db_view_list(r->db, r_query(r, "screen"), r->user.id, VIEWS_SHOWN, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_one(r, &list.v[i]);
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc check_room(struct request *r, struct err *err)
{
    int64_t n = 0;
    TRY(db_view_count(r->db, r->user.id, &n, err));
    CHECK(n <= VIEWS_MAX, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.views_full", "you have {0} saved views, as many as there can be; remove some",
              "保存できる表示は {0} 件までです。不要なものを削除してください"),
          NUM(VIEWS_MAX));
    return RC_OK;
}

/* A group of one's own; nobody is shown views who would not see their owner's certificates. */
static enum rc read_group(struct request *r, const char *ref, int64_t *ret, struct err *err)
{
    struct group g;
    *ret = 0;
    if (!ref || !*ref)
        return RC_OK;
    enum rc rc = find_group(r, ref, &g, err);
    if (rc == RC_NOT_FOUND) {
        err->rc = RC_INPUT;
        rc = RC_INPUT;
    }
    if (rc != RC_OK) {
        err_field(err, "group");
        return rc;
    }
    *ret = g.id;
    return RC_OK;
}

/* The same name on the same screen is the same view: saved anew. */
static enum rc run_put(struct request *r, struct err *err)
{
    const struct view_in *in = r->in;
    struct saved_view v = {.user_id = r->user.id,
                           .screen = in->screen,
                           .name = in->name,
                           .query = in->query ? in->query : "",
                           .created = r->now,
                           .updated = r->now};
    TRY(read_group(r, in->group, &v.group_id, err));
    TRY(db_view_put(r->db, &v, err));
    TRY(check_room(r, err)); /* else nothing is kept */
    TRY(db_view_get(r->db, v.id, r->a, &v, err));
    r_subject(r, "view", v.id);
    r_event(r, "view", v.id);
    r->status = 201;
    view_one(r, &v);
    return RC_OK;
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct saved_view v;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    enum rc rc = db_view_get(r->db, id, r->a, &v, err);
    if (rc == RC_OK && v.user_id != r->user.id && !role_allows(r->role, PERM_ADMIN))
        rc = RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_view",
                        "you have no such view; a shared one is its owner's to remove",
                        "その表示はありません。共有された表示を削除できるのは作成者だけです"));
    TRY(rc);
    r_subject(r, "view", id);
    TRY(db_view_remove(r->db, id, err));
    r_event(r, "view", id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static const struct route rows[] = {
    {"view.list", "GET", "/views", PERM(PERM_VIEW), ROUTE_READ | ROUTE_PERSON, run_list,
     .answer = "page SavedView", .query = "screen",
     .summary = {"One's saved views and those shared with one's groups",
                 "自分の表示と、グループで共有された表示を一覧する"}},
    {"view.put", "POST", "/views", PERM(PERM_VIEW), ROUTE_WRITE | ROUTE_PERSON, run_put,
     .answer = "201 SavedView",
     .summary = {"Save a view; one of the same name is replaced",
                 "表示を保存する（同じ名前のものは置き換える）"},
     .body = view_fields, .body_size = sizeof(struct view_in)},
    {"view.remove", "DELETE", "/views/{id}", PERM(PERM_VIEW), ROUTE_WRITE | ROUTE_PERSON,
     run_remove, .answer = "Done", .summary = {"Forget a view", "表示を削除する"}},
};
ROUTE_SET(routes_view, rows);
