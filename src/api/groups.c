/*
 * User groups: they own certificates, targets and endpoints, and hold how their people are told.
 * Invariant: who joins or leaves a group may do other things from the next request on, and the
 * streams that were open by the old rights end.
 */
#include <string.h>

#include "api/priv.h"
#include "job/notify_rule.h"

struct group_in {
    const char *name, *about;
    int64_t revision;
};
static const struct field create_fields[] = {
    FIELD_STR(struct group_in, name, .flags = FIELD_REQUIRED, .max = 128,
              .label = {"Name", "グループ名"}),
    FIELD_STR(struct group_in, about, .max = 500, .label = {"About", "説明"}), FIELD_END};
static const struct field update_fields[] = {
    FIELD_STR(struct group_in, name, .max = 128, .label = {"Name", "グループ名"}),
    FIELD_STR(struct group_in, about, .max = 500, .label = {"About", "説明"}),
    FIELD_INT(struct group_in, revision, .min = 1, .max = INT64_MAX, .label = {"Revision", "版数"}),
    FIELD_END};
static const char *const objects[] = {"notify", NULL};
static const struct field preview_fields[] = {FIELD_END}; /* "notify" alone */

static enum rc view_group(struct request *r, const struct group *g, struct err *err)
{
    struct json_writer *w = &r->w;
    struct user_list members = {NULL, 0};
    jw_object(w);
    jw_ki64(w, "id", g->id);
    jw_kstr(w, "name", g->name);
    jw_kstr(w, "about", g->about);
    view_raw(w, "notify", g->notify);
    TRY(db_user_list_group(r->db, g->id, r->a, &members, err));
    jw_key(w, "members");
    jw_array(w);
    for (size_t i = 0; i < members.n; i++) {
        jw_object(w);
        jw_ki64(w, "id", members.v[i].id);
        jw_kstr(w, "login", members.v[i].login);
        jw_kstr(w, "name", members.v[i].name);
        jw_kstr(w, "role", members.v[i].role);
        jw_kbool(w, "disabled", members.v[i].disabled);
        jw_end_object(w);
    }
    jw_end_array(w);
    jw_ktime(w, "created", g->created);
    jw_ktime(w, "updated", g->updated);
    jw_ki64(w, "revision", g->revision);
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct group_list list;
    TRY(db_group_list(r->db, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_group(r, &list.v[i], err));
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct group g;
    TRY(find_group(r, r->params[0], &g, err));
    return view_group(r, &g, err);
}

/* "notify" of the body as stored; null takes the settings away. */
static enum rc notify_text(struct request *r, const char **ret, struct err *err)
{
    const struct json *given = json_get(r->body, "notify");
    struct notify_rule rule = {0};
    *ret = NULL;
    if (!given || json_type_of(given) == JSON_NULL)
        return RC_OK;
    enum rc rc = schema_decode(notify_rule_fields, given, NULL, NULL, r->a, &rule, err);
    if (rc == RC_OK)
        rc = notify_rule_check(&rule, err);
    if (rc != RC_OK) {
        err_field(err, "notify");
        return rc;
    }
    return encode_text(r, notify_rule_fields, &rule, SCHEMA_STORED, ret, err);
}

static enum rc answer(struct request *r, int64_t id, struct err *err)
{
    struct group g;
    r_subject(r, "group", id);
    r_event(r, "group", id);
    TRY(db_group_get(r->db, id, r->a, &g, err));
    return view_group(r, &g, err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct group_in *in = r->in;
    struct group g = {
        .name = in->name, .about = in->about, .created = r->now, .updated = r->now, .revision = 1};
    TRY(name_check(in->name, err));
    TRY(notify_text(r, &g.notify, err));
    TRY(db_group_add(r->db, &g, err));
    r->status = 201;
    return answer(r, g.id, err);
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct group_in *in = r->in;
    struct group g;
    TRY(find_group(r, r->params[0], &g, err));
    r_subject(r, "group", g.id);
    TRY(check_revision(r, in->revision, g.revision, err));
    if (in->name) {
        TRY(name_check(in->name, err));
        g.name = in->name;
    }
    if (json_get(r->body, "about"))
        g.about = in->about;
    if (json_get(r->body, "notify"))
        TRY(notify_text(r, &g.notify, err));
    g.updated = r->now;
    TRY(db_group_update(r->db, &g, err));
    return answer(r, g.id, err);
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct group g;
    TRY(find_group(r, r->params[0], &g, err));
    r_subject(r, "group", g.id);
    TRY(check_revision(r, 0, g.revision, err));
    enum rc rc = db_group_remove(r->db, g.id, err);
    if (rc == RC_CONFLICT)
        return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                    MSG("api.group_owns",
                        "{0} still owns certificates, targets or endpoints; hand them over first",
                        "{0} はまだ証明書、適用先、監視対象を所有しています。先に移してください"),
                    g.name);
    TRY(rc);
    r_event(r, "group", g.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

/* Through the group's own channels when it has any, else the installation's (job_request). */
static enum rc view_channels(struct request *r, int64_t group, struct err *err)
{
    struct connector_list l;
    bool own = false;
    TRY(db_connector_list(r->db, "notifier", 0, 1000, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        own = own || l.v[i].group_id == group;
    jw_key(&r->w, "channels");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].group_id == (own ? group : 0))
            jw_str(&r->w, l.v[i].name);
    jw_end_array(&r->w);
    return RC_OK;
}

static void view_preview_item(struct request *r, const struct preview_item *x)
{
    jw_object(&r->w);
    jw_ktime(&r->w, "at", x->at);
    jw_kstr(&r->w, "event", x->event);
    jw_kstr(&r->w, "subject", x->subject);
    view_subject_name(r, x->subject);
    jw_key(&r->w, "days");
    if (x->days)
        jw_i64(&r->w, x->days);
    else
        jw_null(&r->w);
    jw_ktime(&r->w, "not_after", x->not_after);
    jw_end_object(&r->w);
}

/* With the settings of the body, which need not be kept; without them, with the group's own. */
static enum rc run_preview(struct request *r, struct err *err)
{
    enum { SHOWN = 200 };
    struct group g;
    struct notify_rule rule;
    struct preview_list l;
    int64_t since = r->now - 31 * USEC_PER_DAY;
    TRY(find_group(r, r->params[0], &g, err));
    if (json_get(r->body, "notify"))
        TRY(notify_text(r, &g.notify, err));
    notify_rule_read(g.notify, r->a, &rule);
    TRY(notify_preview(r->db, g.id, &rule, since, r->now, r->a, &l, err));
    jw_object(&r->w);
    jw_ktime(&r->w, "since", since);
    jw_ki64(&r->w, "count", (int64_t)l.n);
    jw_kbool(&r->w, "more", l.more);
    TRY(view_channels(r, g.id, err));
    jw_key(&r->w, "recipients");
    jw_array(&r->w);
    for (size_t i = 0; i < rule.recipients.n; i++)
        jw_str(&r->w, rule.recipients.v[i]);
    jw_end_array(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n && i < SHOWN; i++)
        view_preview_item(r, &l.v[i]);
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

struct member_in {
    const char *user;
};
static const struct field member_fields[] = {FIELD_STR(struct member_in, user,
                                                       .flags = FIELD_REQUIRED, .max = 254,
                                                       .label = {"User", "利用者"}),
                                             FIELD_END};

static enum rc run_join(struct request *r, struct err *err)
{
    const struct member_in *in = r->in;
    struct group g;
    struct user u;
    TRY(find_group(r, r->params[0], &g, err));
    enum rc rc = find_user(r, in->user, &u, err);
    if (rc == RC_NOT_FOUND) {
        err->rc = RC_INPUT;
        err_field(err, "user");
        return RC_INPUT;
    }
    TRY(rc);
    TRY(db_group_join(r->db, g.id, u.id, err));
    r->ended_user = u.id;
    return answer(r, g.id, err);
}

static enum rc run_leave(struct request *r, struct err *err)
{
    struct group g;
    struct user u;
    TRY(find_group(r, r->params[0], &g, err));
    TRY(find_user(r, r->params[1], &u, err));
    TRY(db_group_leave(r->db, g.id, u.id, err));
    r->ended_user = u.id;
    return answer(r, g.id, err);
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"group.list", "GET", "/groups", PERM(PERM_VIEW), ROUTE_READ, run_list, .answer = "page Group",
     .summary = {"List the groups", "ユーザーグループを一覧する"}},
    {"group.create", "POST", "/groups", PERM(PERM_ADMIN), ROUTE_WRITE, run_create,
     .answer = "201 Group", .summary = {"Add a group", "ユーザーグループを追加する"},
     BODY(create_fields, struct group_in), .objects = objects},
    {"group.get", "GET", "/groups/{id}", PERM(PERM_VIEW), ROUTE_READ, run_get, .answer = "Group",
     .summary = {"One group", "ユーザーグループを表示する"}},
    {"group.update", "PATCH", "/groups/{id}", PERM(PERM_ADMIN), ROUTE_WRITE, run_update,
     .answer = "Group", .summary = {"Change a group", "ユーザーグループを変更する"},
     BODY(update_fields, struct group_in), .objects = objects},
    {"group.remove", "DELETE", "/groups/{id}", PERM(PERM_ADMIN), ROUTE_WRITE, run_remove,
     .answer = "Done", .summary = {"Remove a group", "ユーザーグループを削除する"}},
    {"group.preview", "POST", "/groups/{id}/preview", PERM(PERM_VIEW), ROUTE_READ, run_preview,
     .answer = "NotifyPreview",
     .summary = {"What notification settings would have sent in the last 31 days",
                 "通知設定により直近 31 日間に送られるはずの通知"},
     .body = preview_fields, .body_size = 1, .objects = objects},
    {"group.join", "POST", "/groups/{id}/members", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE,
     run_join, .answer = "Group", .summary = {"Add a user to a group", "グループに利用者を加える"},
     BODY(member_fields, struct member_in)},
    {"group.leave", "DELETE", "/groups/{id}/members/{user}", PERM(PERM_ADMIN),
     ROUTE_WRITE | ROUTE_PROVE, run_leave, .answer = "Group",
     .summary = {"Take a user out of a group", "グループから利用者を外す"}},
};
ROUTE_SET(routes_group, rows);
