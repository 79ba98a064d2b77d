/* What users, groups, sessions and tokens share. */
#include <string.h>

#include "api/priv.h"

const char *login_normal(struct arena *a, const char *text)
{
    char *s = arena_str(a, str_trim(str_from(text)));
    for (char *p = s; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    return s;
}

enum rc people_end(struct request *r, struct db *db, int64_t user_id, struct err *err)
{
    TRY(db_session_remove_user(db, user_id, err));
    TRY(db_token_remove_user(db, user_id, err));
    r->ended_user = user_id;
    return RC_OK;
}

enum rc find_group(struct request *r, const char *ref, struct group *ret, struct err *err)
{
    int64_t id;
    enum rc rc = text_is_id(ref, &id) ? db_group_get(r->db, id, r->a, ret, err)
                                      : db_group_find(r->db, ref, r->a, ret, err);
    if (rc == RC_NOT_FOUND)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_group", "there is no group called {0}",
                        "{0} というユーザーグループはありません"),
                    ref);
    return rc;
}

enum rc find_user(struct request *r, const char *ref, struct user *ret, struct err *err)
{
    int64_t id;
    const char *login = login_normal(r->a, ref);
    if (!login)
        return NOMEM(err);
    enum rc rc = text_is_id(ref, &id) ? db_user_get(r->db, id, r->a, ret, err)
                                      : db_user_find(r->db, login, r->a, ret, err);
    if (rc == RC_NOT_FOUND)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_user", "there is no user called {0}", "{0} という利用者はいません"),
                    ref);
    return rc;
}

static enum rc only_group(struct request *r, int64_t *ret, struct err *err)
{
    struct group_list list;
    TRY(db_group_list(r->db, r->a, &list, err));
    if (list.n == 1) {
        *ret = list.v[0].id;
        return RC_OK;
    }
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("api.which_group", "name the group it belongs to; you are in {0}",
                 "所属するユーザーグループを指定してください（あなたは {0} グループに所属）"),
             NUM(list.n));
    err_field(err, "group");
    return rc;
}

enum rc group_from_input(struct request *r, const char *ref, int64_t dflt, int64_t *ret,
                         struct err *err)
{
    struct group g;
    if (!ref) { /* null takes it out of its group: to the administrators */
        *ret = json_get(r->body, "group") ? 0 : dflt;
        return r->scope && *ret == 0 ? only_group(r, ret, err) : RC_OK;
    }
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

void jw_id(struct json_writer *w, const char *key, int64_t id)
{
    jw_key(w, key);
    if (id)
        jw_i64(w, id);
    else
        jw_null(w);
}

void view_group_of(struct request *r, int64_t group_id)
{
    struct group g = {0};
    struct err none;
    enum rc rc = RC_NOT_FOUND;
    if (group_id)
        rc = db_group_get(r->db, group_id, r->a, &g, &none);
    jw_kstr(&r->w, "group", rc == RC_OK ? g.name : NULL);
    jw_id(&r->w, "group_id", rc == RC_OK ? g.id : 0);
}
