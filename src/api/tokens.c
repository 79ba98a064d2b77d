/*
 * API tokens. Invariants: a token is shown once and kept as its SHA-256; it may do less than its
 * user or the same, never more, now and later; it ends with its user's rights.
 */
#include <string.h>

#include "api/priv.h"
#include "base/rand.h"
#include "crypto/digest.h"

struct token_in {
    const char *name, *role, *user;
    struct str_list groups;
    int64_t expires;
};
static const struct field_choice roles[] = {{"viewer", {"General user", "一般ユーザ"}},
                                            {"operator", {"Operator", "オペレーター"}},
                                            {"admin", {"Administrator", "管理者"}},
                                            {NULL, {NULL, NULL}}};
static const struct field create_fields[] = {
    FIELD_STR(struct token_in, name, .flags = FIELD_REQUIRED, .max = 64, .label = {"Name", "名前"}),
    FIELD_ENUM(struct token_in, role, .dflt = "viewer", .choices = roles,
               .label = {"What it may do at most", "許可する権限"}),
    FIELD_LIST(
        struct token_in, groups, .max = 100,
        .label = {"Groups (empty: all of the user's)", "グループ（空欄は利用者の全グループ）"}),
    FIELD_SECS(struct token_in, expires, .dflt = "90d", .min = 60, .max = (int64_t)1100 * 86400,
               .label = {"Ends after", "有効期間"}),
    FIELD_STR(struct token_in, user, .max = 254, .label = {"User it acts for", "対象の利用者"}),
    FIELD_END};

static enum rc view_token(struct request *r, const struct token *t, const char *clear,
                          struct err *err)
{
    struct json_writer *w = &r->w;
    AUTO(json) struct json *ids = NULL;
    struct user u = {0};
    struct err none;
    TRY(stored_json(t->group_ids, &ids, err));
    enum rc rc = db_user_get(r->db, t->user_id, r->a, &u, &none);
    jw_object(w);
    jw_ki64(w, "id", t->id);
    jw_kstr(w, "name", t->name);
    jw_kstr(w, "user", rc == RC_OK ? u.login : NULL);
    jw_ki64(w, "user_id", t->user_id);
    jw_kstr(w, "role", t->role);
    jw_key(w, "groups");
    jw_array(w);
    for (size_t i = 0; i < json_len(ids); i++) {
        struct group g;
        int64_t id = 0;
        if (json_get_i64(json_at(ids, i), NULL, &id) &&
            db_group_get(r->db, id, r->a, &g, &none) == RC_OK)
            jw_str(w, g.name);
    }
    jw_end_array(w);
    jw_ktime(w, "created", t->created);
    jw_ktime(w, "expires", t->expires);
    jw_ktime(w, "last_used", t->last_used);
    jw_kstr(w, "last_address", t->last_address);
    if (clear)
        jw_kstr(w, "token", clear);
    jw_end_object(w);
    return RC_OK;
}

static enum rc refuse(struct err *err, const char *field, const struct msg *m)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT, m);
    err_field(err, field);
    return rc;
}

/* Whom the token acts for: oneself, or as an administrator anybody. */
static enum rc owner(struct request *r, const struct token_in *in, struct user *ret,
                     struct err *err)
{
    bool admin = role_allows(r->role, PERM_ADMIN);
    if (!in->user && r->user.id) {
        *ret = r->user;
        return RC_OK;
    }
    if (!in->user)
        return refuse(err, "user",
                      MSG("api.token_user", "name the user the token is to act for",
                          "トークンの対象となる利用者を指定してください"));
    const char *login = login_normal(r->a, in->user);
    if (!login)
        return NOMEM(err);
    if (!admin && strcmp(login, r->user.login) != 0)
        return refuse(err, "user",
                      MSG("api.token_other", "only an administrator makes tokens for others",
                          "他の利用者のトークンは管理者だけが作成できます"));
    enum rc rc = find_user(r, in->user, ret, err);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && ret->disabled))
        return refuse(err, "user",
                      MSG("api.token_no_user", "there is no such user, or he is disabled",
                          "その利用者はいないか、無効になっています"));
    return rc;
}

static enum rc group_ids(struct request *r, const struct token_in *in, const struct user *u,
                         const char **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF(8192);
    struct json_writer w = JSON_WRITER(&b);
    struct group_list mine;
    bool all = strcmp(u->role, "admin") == 0;
    *ret = NULL;
    if (in->groups.n == 0)
        return RC_OK;
    if (strcmp(in->role, "admin") == 0)
        return refuse(
            err, "groups",
            MSG("api.token_admin_groups",
                "an administrator's token cannot be held to groups; choose a lower role",
                "管理者権限のトークンはグループに限定できません。下位の権限を選んでください"));
    TRY(db_group_list_user(r->db, u->id, r->a, &mine, err));
    jw_array(&w);
    for (size_t i = 0; i < in->groups.n; i++) {
        struct group g;
        bool good = db_group_find(r->db, in->groups.v[i], r->a, &g, err) == RC_OK, member = all;
        for (size_t k = 0; good && k < mine.n; k++)
            member = member || mine.v[k].id == g.id;
        if (!good || !member)
            return refuse(err, "groups",
                          MSG("api.token_group", "the user is in no such group",
                              "利用者はそのグループに所属していません"));
        jw_i64(&w, g.id);
    }
    jw_end_array(&w);
    TRY(buf_ok(&b, err));
    *ret = arena_str(r->a, buf_str(&b));
    return *ret ? RC_OK : NOMEM(err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct token_in *in = r->in;
    struct user u;
    char text[65], hash[65];
    TRY(name_check(in->name, err));
    TRY(owner(r, in, &u, err));
    if (role_weaker(in->role, u.role) != in->role && strcmp(in->role, u.role) != 0)
        return refuse(err, "role",
                      MSG("api.token_role", "the token cannot do more than its user",
                          "利用者より強い権限のトークンは作成できません"));
    rand_hex(text, 32);
    const char *clear = arena_printf(r->a, "inro_%s", text);
    if (!clear)
        return NOMEM(err);
    session_hash(clear, hash);
    struct token t = {.user_id = u.id,
                      .name = in->name,
                      .hash = hash,
                      .role = in->role,
                      .created = r->now,
                      .expires = r->now + in->expires * USEC_PER_SEC};
    TRY(group_ids(r, in, &u, &t.group_ids, err));
    TRY(db_token_add(r->db, &t, err));
    r_subject(r, "token", t.id);
    r->status = 201;
    return view_token(r, &t, clear, err);
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct token_list list;
    bool admin = role_allows(r->role, PERM_ADMIN);
    TRY(db_token_list(r->db, admin ? 0 : r->user.id, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_token(r, &list.v[i], NULL, err));
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct token t;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    enum rc rc = db_token_get(r->db, id, r->a, &t, err);
    if (rc == RC_OK && t.user_id != r->user.id && !role_allows(r->role, PERM_ADMIN))
        rc = RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return FAIL(
            err, RC_NOT_FOUND, BLAME_INPUT,
            MSG("api.no_token_id", "there is no such API token", "その API トークンはありません"));
    TRY(rc);
    r_subject(r, "token", id);
    TRY(db_token_remove(r->db, id, err));
    r->ended_user = t.user_id;
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static const struct route rows[] = {
    {"token.list", "GET", "/tokens", PERM(PERM_VIEW), ROUTE_READ, run_list, .answer = "page Token",
     .summary = {"List the API tokens", "API トークンを一覧する"}},
    {"token.create", "POST", "/tokens", PERM(PERM_VIEW), ROUTE_WRITE | ROUTE_PROVE, run_create,
     .answer = "201 TokenCreated",
     .summary = {"Make an API token, shown once", "API トークンを作成する（一度だけ表示）"},
     .body = create_fields, .body_size = sizeof(struct token_in)},
    {"token.remove", "DELETE", "/tokens/{id}", PERM(PERM_VIEW), ROUTE_WRITE, run_remove,
     .answer = "Done", .summary = {"Remove an API token", "API トークンを削除する"}},
};
ROUTE_SET(routes_token, rows);
