/*
 * Users. Invariants: every password is hashed here and was accepted by the policy; a change of
 * role or state or password ends all sessions of the user; one administrator always remains.
 */
#include <string.h>

#include "api/priv.h"
#include "crypto/digest.h"

struct user_in {
    const char *login, *name, *role, *lang, *password;
    bool disabled;
    int64_t revision;
};
static const struct field_choice roles[] = {{"admin", {"Administrator", "管理者"}},
                                            {"operator", {"Operator", "オペレーター"}},
                                            {"viewer", {"General user", "一般ユーザ"}},
                                            {NULL, {NULL, NULL}}};
static const struct field_choice langs[] = {
    {"ja", {"Japanese", "日本語"}}, {"en", {"English", "英語"}}, {NULL, {NULL, NULL}}};
static const struct field create_fields[] = {
    FIELD_STR(struct user_in, login, .flags = FIELD_REQUIRED, .max = 64,
              .label = {"Login name", "ログイン名"}),
    FIELD_STR(struct user_in, name, .max = 128, .label = {"Name", "氏名"}),
    FIELD_ENUM(struct user_in, role, .dflt = "viewer", .choices = roles, .label = {"Role", "権限"}),
    FIELD_ENUM(struct user_in, lang, .dflt = "ja", .choices = langs, .label = {"Language", "言語"}),
    FIELD_STR(struct user_in, password, .flags = FIELD_REQUIRED, .max = 1025,
              .label = {"First password", "初期パスワード"}),
    FIELD_END};
static const struct field update_fields[] = {
    FIELD_STR(struct user_in, name, .max = 128, .label = {"Name", "氏名"}),
    FIELD_ENUM(struct user_in, role, .choices = roles, .label = {"Role", "権限"}),
    FIELD_ENUM(struct user_in, lang, .choices = langs, .label = {"Language", "言語"}),
    FIELD_STR(struct user_in, password, .max = 1025, .label = {"New password", "新しいパスワード"}),
    FIELD_BOOL(struct user_in, disabled, .label = {"Disabled", "無効"}),
    FIELD_INT(struct user_in, revision, .min = 1, .max = INT64_MAX, .label = {"Revision", "版数"}),
    FIELD_END};

static void view_user(struct json_writer *w, const struct user *u)
{
    jw_object(w);
    jw_ki64(w, "id", u->id);
    jw_kstr(w, "login", u->login);
    jw_kstr(w, "name", u->name);
    jw_kstr(w, "role", u->role);
    jw_kstr(w, "lang", u->lang);
    jw_kbool(w, "must_change", u->must_change);
    jw_kbool(w, "disabled", u->disabled);
    jw_ktime(w, "created", u->created);
    jw_ktime(w, "updated", u->updated);
    jw_ki64(w, "revision", u->revision);
    jw_end_object(w);
}

/* Lower-case ASCII: "Admin" and "admin " must not be two people. */
static enum rc login_check(const char *login, struct err *err)
{
    size_t n = strspn(login, "abcdefghijklmnopqrstuvwxyz0123456789._-@");
    bool letter = strpbrk(login, "abcdefghijklmnopqrstuvwxyz") != NULL;
    if (n > 0 && login[n] == '\0' && letter)
        return RC_OK;
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("api.login_bad", "a login name is of lower-case letters, digits, and . _ - @",
                 "ログイン名に使えるのは英小文字、数字、. _ - @ です"));
    err_field(err, "login");
    return rc;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct user_list list;
    TRY(db_user_list(r->db, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_user(&r->w, &list.v[i]);
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc find(struct request *r, struct db *db, struct user *ret, struct err *err)
{
    int64_t id;
    if (text_is_id(r->params[0], &id))
        return db_user_get(db, id, r->a, ret, err);
    return db_user_find(db, r->params[0], r->a, ret, err);
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct user u;
    TRY(find(r, r->db, &u, err));
    view_user(&r->w, &u);
    return RC_OK;
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct user_in *in = r->in;
    char hash[128];
    TRY(login_check(in->login, err));
    TRY(password_policy(in->login, in->password, err));
    TRY(password_hash(in->password, hash, err)); /* slow: before the transaction */
    AUTO(db) struct db *db = NULL;
    struct user u = {.login = in->login,
                     .name = in->name ? in->name : in->login,
                     .role = in->role,
                     .lang = in->lang,
                     .password = hash,
                     .must_change = true,
                     .created = r->now,
                     .updated = r->now,
                     .revision = 1};
    TRY(store_begin(r->api->o.store, &db, err));
    TRY(db_user_add(db, &u, err));
    TRY(db_commit(&db, err));
    r_subject(r, "user", u.id);
    r->status = 201;
    view_user(&r->w, &u);
    return RC_OK;
}

static enum rc keep_an_admin(struct request *r, struct db *db, const struct user *changed,
                             struct err *err)
{
    struct user_list list;
    bool left = strcmp(changed->role, "admin") == 0 && !changed->disabled;
    TRY(db_user_list(db, r->a, &list, err));
    for (size_t i = 0; i < list.n; i++)
        left = left || (list.v[i].id != changed->id && strcmp(list.v[i].role, "admin") == 0 &&
                        !list.v[i].disabled);
    CHECK(left, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.last_admin", "this is the last administrator; make another one first",
              "最後の管理者です。先に別の管理者を作成してください"));
    return RC_OK;
}

static enum rc save(struct request *r, struct db **db, struct user *u, struct err *err)
{
    TRY(keep_an_admin(r, *db, u, err));
    u->updated = r->now;
    TRY(db_user_update(*db, u, err));
    TRY(db_session_remove_user(*db, u->id, err));
    return db_commit(db, err);
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct user_in *in = r->in;
    char hash[128];
    struct user u;
    if (in->password) {
        AUTO(db) struct db *db = NULL;
        TRY(store_read(r->api->o.store, &db, err));
        TRY(find(r, db, &u, err));
        TRY(password_policy(u.login, in->password, err));
    }
    if (in->password)
        TRY(password_hash(in->password, hash, err));
    struct db *db = NULL;
    TRY(store_begin(r->api->o.store, &db, err));
    enum rc rc = find(r, db, &u, err);
    if (rc == RC_OK) {
        r_subject(r, "user", u.id);
        rc = check_revision(r, in->revision, u.revision, err);
    }
    if (rc == RC_OK) {
        u.name = in->name ? in->name : u.name;
        u.role = in->role ? in->role : u.role;
        u.lang = in->lang ? in->lang : u.lang;
        if (json_get(r->body, "disabled"))
            u.disabled = in->disabled;
        if (in->password) {
            u.password = hash;
            u.must_change = true;
        }
        rc = save(r, &db, &u, err);
    }
    if (rc != RC_OK) {
        db_rollback(&db);
        return rc;
    }
    u.revision++;
    view_user(&r->w, &u);
    return RC_OK;
}

/* A user is kept for the audit log's sake; removed means unable to sign in for good. */
static enum rc run_remove(struct request *r, struct err *err)
{
    struct user u;
    TRY(find(r, r->db, &u, err));
    r_subject(r, "user", u.id);
    u.disabled = true;
    u.password = "";
    TRY(keep_an_admin(r, r->db, &u, err));
    u.updated = r->now;
    TRY(db_user_update(r->db, &u, err));
    TRY(db_session_remove_user(r->db, u.id, err));
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

#define BODY(f) .body = (f), .body_size = sizeof(struct user_in)
static const struct route rows[] = {
    {"user.list", "GET", "/users", PERM(PERM_ADMIN), ROUTE_READ, run_list,
     .summary = {"List the users", "利用者を一覧する"}},
    {"user.create", "POST", "/users", PERM(PERM_ADMIN), ROUTE_AUDIT, run_create,
     .summary = {"Add a user", "利用者を追加する"}, BODY(create_fields)},
    {"user.get", "GET", "/users/{id}", PERM(PERM_ADMIN), ROUTE_READ, run_get,
     .summary = {"One user", "利用者を表示する"}},
    {"user.update", "PATCH", "/users/{id}", PERM(PERM_ADMIN), ROUTE_AUDIT, run_update,
     .summary = {"Change a user", "利用者を変更する"}, BODY(update_fields)},
    {"user.remove", "DELETE", "/users/{id}", PERM(PERM_ADMIN), ROUTE_WRITE, run_remove,
     .summary = {"Disable a user for good", "利用者を無効にする"}},
};
ROUTE_SET(routes_user, rows);
