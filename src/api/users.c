/*
 * Users. Invariants: every password is hashed here and was accepted by the policy; a change of
 * role, state, groups or password ends all sessions, tokens and streams of the user; one
 * administrator always remains; the login is a mail address in one spelling.
 */
#include <string.h>

#include "api/priv.h"
#include "crypto/digest.h"

struct user_in {
    const char *login, *name, *role, *lang, *password;
    struct str_list groups;
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
    FIELD_STR(struct user_in, login, .flags = FIELD_REQUIRED, .max = 254,
              .label = {"Login name (mail address)", "ログイン名（メールアドレス）"}),
    FIELD_STR(struct user_in, name, .max = 128, .label = {"Name", "氏名"}),
    FIELD_ENUM(struct user_in, role, .dflt = "viewer", .choices = roles, .label = {"Role", "権限"}),
    FIELD_ENUM(struct user_in, lang, .dflt = "ja", .choices = langs, .label = {"Language", "言語"}),
    FIELD_STR(struct user_in, password, .flags = FIELD_REQUIRED, .max = 1025,
              .label = {"First password", "初期パスワード"}),
    FIELD_LIST(struct user_in, groups, .max = 100, .label = {"Groups", "ユーザーグループ"}),
    FIELD_END};
static const struct field update_fields[] = {
    FIELD_STR(struct user_in, name, .max = 128, .label = {"Name", "氏名"}),
    FIELD_ENUM(struct user_in, role, .choices = roles, .label = {"Role", "権限"}),
    FIELD_ENUM(struct user_in, lang, .choices = langs, .label = {"Language", "言語"}),
    FIELD_STR(struct user_in, password, .max = 1025, .label = {"New password", "新しいパスワード"}),
    FIELD_LIST(struct user_in, groups, .max = 100, .label = {"Groups", "ユーザーグループ"}),
    FIELD_BOOL(struct user_in, disabled, .label = {"Disabled", "無効"}),
    FIELD_INT(struct user_in, revision, .min = 1, .max = INT64_MAX, .label = {"Revision", "版数"}),
    FIELD_END};

static enum rc view_user(struct request *r, int64_t id, struct err *err)
{
    struct json_writer *w = &r->w;
    struct user u;
    struct group_list groups;
    TRY(db_user_get(r->db, id, r->a, &u, err));
    TRY(db_group_list_user(r->db, id, r->a, &groups, err));
    jw_object(w);
    jw_ki64(w, "id", u.id);
    jw_kstr(w, "login", u.login);
    jw_kstr(w, "name", u.name);
    jw_kstr(w, "role", u.role);
    jw_kstr(w, "lang", u.lang);
    jw_key(w, "groups");
    jw_array(w);
    for (size_t i = 0; i < groups.n; i++)
        jw_str(w, groups.v[i].name);
    jw_end_array(w);
    if (r->for_audit) {
        char sum[65];
        sha256_hex(str_from(u.password), sum);
        sum[16] = '\0';
        jw_kstr(w, "password_fingerprint", sum);
    }
    jw_kbool(w, "must_change", u.must_change);
    jw_kbool(w, "disabled", u.disabled);
    jw_kbool(w, "totp", u.totp != NULL);
    jw_ktime(w, "signed_in", u.signed_in);
    jw_ktime(w, "created", u.created);
    jw_ktime(w, "updated", u.updated);
    jw_ki64(w, "revision", u.revision);
    jw_end_object(w);
    return RC_OK;
}

static enum rc login_check(const char *login, struct err *err)
{
    if (mail_is_valid(login))
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.login_bad", "a login name is a mail address, like name@example.jp",
                          "ログイン名にはメールアドレス（例: name@example.jp）を指定してください"));
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
        TRY(view_user(r, list.v[i].id, err));
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct user u;
    TRY(find_user(r, r->params[0], &u, err));
    return view_user(r, u.id, err);
}

static enum rc set_groups(struct request *r, int64_t user, const struct str_list *names,
                          struct err *err)
{
    struct group_list before;
    TRY(db_group_list_user(r->db, user, r->a, &before, err));
    for (size_t i = 0; i < before.n; i++)
        TRY(db_group_leave(r->db, before.v[i].id, user, err));
    for (size_t i = 0; i < names->n; i++) {
        struct group g;
        enum rc rc = find_group(r, names->v[i], &g, err);
        if (rc == RC_NOT_FOUND) {
            err->rc = RC_INPUT;
            rc = RC_INPUT;
        }
        if (rc != RC_OK) {
            err_field(err, "groups");
            return rc;
        }
        TRY(db_group_join(r->db, g.id, user, err));
    }
    return RC_OK;
}

/* Slow: before the transaction. */
static enum rc hash_password(struct request *r, const char *login, const char *password,
                             struct err *err)
{
    char *hash = arena_alloc(r->a, 128);
    r->prepared = hash;
    if (!hash)
        return NOMEM(err);
    enum rc rc = password_policy(login, password, err);
    if (rc != RC_OK)
        err_field(err, "password");
    TRY(rc);
    return password_hash(password, hash, err);
}

static enum rc prepare_create(struct request *r, struct err *err)
{
    struct user_in *in = r->in;
    in->login = login_normal(r->a, in->login);
    if (!in->login)
        return NOMEM(err);
    TRY(login_check(in->login, err));
    return hash_password(r, in->login, in->password, err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct user_in *in = r->in;
    struct user u = {.login = in->login,
                     .name = in->name ? in->name : in->login,
                     .role = in->role,
                     .lang = in->lang,
                     .password = r->prepared,
                     .must_change = true,
                     .created = r->now,
                     .updated = r->now,
                     .revision = 1};
    TRY(db_user_add(r->db, &u, err));
    TRY(set_groups(r, u.id, &in->groups, err));
    r_subject(r, "user", u.id);
    r->status = 201;
    return view_user(r, u.id, err);
}

static enum rc keep_an_admin(struct request *r, const struct user *changed, struct err *err)
{
    struct user_list list;
    bool left = strcmp(changed->role, "admin") == 0 && !changed->disabled, was = false;
    TRY(db_user_list(r->db, r->a, &list, err));
    for (size_t i = 0; i < list.n; i++) {
        bool admin = strcmp(list.v[i].role, "admin") == 0 && !list.v[i].disabled;
        left = left || (admin && list.v[i].id != changed->id);
        was = was || (admin && list.v[i].id == changed->id);
    }
    CHECK(left || !was, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.last_admin", "this is the last administrator; make another one first",
              "最後の管理者です。先に別の管理者を作成してください"));
    return RC_OK;
}

static enum rc save(struct request *r, struct user *u, bool ends, struct err *err)
{
    TRY(keep_an_admin(r, u, err));
    u->updated = r->now;
    TRY(db_user_update(r->db, u, err));
    return ends ? people_end(r, r->db, u->id, err) : RC_OK;
}

static enum rc prepare_update(struct request *r, struct err *err)
{
    const struct user_in *in = r->in;
    struct user u;
    if (!in->password)
        return RC_OK;
    AUTO(db) struct db *db = NULL;
    TRY(r_read(r, &db, err));
    r->db = db;
    enum rc rc = find_user(r, r->params[0], &u, err);
    r->db = NULL;
    TRY(rc);
    db_rollback(&db);
    return hash_password(r, u.login, in->password, err);
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct user_in *in = r->in;
    struct user u;
    TRY(find_user(r, r->params[0], &u, err));
    r_subject(r, "user", u.id);
    TRY(check_revision(r, in->revision, u.revision, err));
    bool groups = json_get(r->body, "groups") != NULL;
    bool ends = in->role || in->password || groups || json_get(r->body, "disabled");
    u.name = in->name ? in->name : u.name;
    u.role = in->role ? in->role : u.role;
    u.lang = in->lang ? in->lang : u.lang;
    if (json_get(r->body, "disabled"))
        u.disabled = in->disabled;
    if (in->password) {
        u.password = r->prepared;
        u.must_change = true;
    }
    if (groups)
        TRY(set_groups(r, u.id, &in->groups, err));
    TRY(save(r, &u, ends, err));
    return view_user(r, u.id, err);
}

/* A user is kept for the audit log's sake; removed means unable to sign in for good. */
static enum rc run_remove(struct request *r, struct err *err)
{
    struct user u;
    TRY(find_user(r, r->params[0], &u, err));
    r_subject(r, "user", u.id);
    u.disabled = true;
    u.password = "";
    TRY(save(r, &u, true, err));
    TRY(factor_clear(r->db, u.id, err));
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

/* For somebody who lost the device and the recovery codes. */
static enum rc run_totp_off(struct request *r, struct err *err)
{
    struct user u;
    TRY(find_user(r, r->params[0], &u, err));
    r_subject(r, "user", u.id);
    TRY(factor_clear(r->db, u.id, err));
    TRY(people_end(r, r->db, u.id, err));
    return view_user(r, u.id, err);
}

#define BODY(f) .body = (f), .body_size = sizeof(struct user_in)
enum { CHANGE = ROUTE_WRITE | ROUTE_PROVE };
static const struct route rows[] = {
    {"user.list", "GET", "/users", PERM(PERM_ADMIN), ROUTE_READ, run_list, .answer = "page User",
     .summary = {"List the users", "利用者を一覧する"}},
    {"user.create", "POST", "/users", PERM(PERM_ADMIN), CHANGE, run_create, .answer = "201 User",
     .summary = {"Add a user", "利用者を追加する"}, BODY(create_fields), .prepare = prepare_create},
    {"user.get", "GET", "/users/{id}", PERM(PERM_ADMIN), ROUTE_READ, run_get, .answer = "User",
     .summary = {"One user", "利用者を表示する"}},
    {"user.update", "PATCH", "/users/{id}", PERM(PERM_ADMIN), CHANGE, run_update, .answer = "User",
     .summary = {"Change a user", "利用者を変更する"}, BODY(update_fields),
     .prepare = prepare_update},
    {"user.remove", "DELETE", "/users/{id}", PERM(PERM_ADMIN), CHANGE, run_remove, .answer = "Done",
     .summary = {"Disable a user for good", "利用者を無効にする"}},
    {"user.totp_off", "DELETE", "/users/{id}/totp", PERM(PERM_ADMIN), CHANGE, run_totp_off,
     .answer = "User",
     .summary = {"Take a user's second factor away", "利用者の二要素認証を解除する"}},
};
ROUTE_SET(routes_user, rows);
