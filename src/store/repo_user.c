/* Users and their sessions. Invariant: a session is known by the hash of its cookie only. */
#include "store/store_priv.h"

#include "store/repo.h"

MAP(user, "user", "ユーザ", CI(user, id), CT(user, login), CT(user, name), CT(user, role),
    CT(user, lang), CT(user, password), CB(user, must_change), CB(user, disabled),
    CI(user, created), CI(user, updated), CI(user, revision), CT(user, totp), CT(user, totp_new),
    CI(user, totp_step), CI(user, signed_in));

MAP(session, "session", "セッション", CT(session, id_hash), CI(session, user_id),
    CI(session, created), CI(session, last_seen), CI(session, expires), CT(session, csrf),
    CT(session, address), CT(session, agent), CI(session, proven));

enum rc db_user_add(struct db *db, struct user *u, struct err *err)
{
    return db_insert(db, STMT_USER_ADD, &user_map, u, NULL, err);
}

enum rc db_user_get(struct db *db, int64_t id, struct arena *a, struct user *ret, struct err *err)
{
    return db_one(db, STMT_USER_GET, ARGS(I(id)), &user_map, a, ret, err);
}

enum rc db_user_find(struct db *db, const char *login, struct arena *a, struct user *ret,
                     struct err *err)
{
    return db_one(db, STMT_USER_FIND, ARGS(T(login)), &user_map, a, ret, err);
}

enum rc db_user_list(struct db *db, struct arena *a, struct user_list *ret, struct err *err)
{
    struct rows rows = {NULL, 0};
    TRY(db_many(db, STMT_USER_LIST, NULL, 0, &user_map, a, &rows, err));
    ret->v = rows.v;
    ret->n = rows.n;
    return RC_OK;
}

enum rc db_user_update(struct db *db, const struct user *u, struct err *err)
{
    return db_change(db, STMT_USER_UPDATE,
                     ARGS(I(u->id), I(u->revision), T(u->name), T(u->role), T(u->lang),
                          T(u->password), I(u->must_change), I(u->disabled), I(u->updated)),
                     STMT_USER_GET, &user_map, err);
}

enum rc db_session_add(struct db *db, const struct session *s, struct err *err)
{
    return db_do(db, STMT_SESSION_ADD,
                 ARGS(T(s->id_hash), I(s->user_id), I(s->created), I(s->last_seen), I(s->expires),
                      T(s->csrf), T(s->address), T(s->agent), I(s->proven)),
                 NULL, err);
}

enum rc db_session_get(struct db *db, const char *id_hash, struct arena *a, struct session *ret,
                       struct err *err)
{
    return db_one(db, STMT_SESSION_GET, ARGS(T(id_hash)), &session_map, a, ret, err);
}

enum rc db_session_list(struct db *db, int64_t user_id, int64_t now, struct arena *a,
                        struct session_list *ret, struct err *err)
{
    MANY(db, STMT_SESSION_LIST, &session_map, a, ret, err, I(user_id), I(now));
    return RC_OK;
}

enum rc db_session_prove(struct db *db, const char *id_hash, int64_t now, struct err *err)
{
    return db_do(db, STMT_SESSION_PROVE, ARGS(T(id_hash), I(now)), NULL, err);
}

enum rc db_user_totp(struct db *db, int64_t id, const char *totp, const char *totp_new,
                     int64_t step, struct err *err)
{
    return db_do(db, STMT_USER_TOTP, ARGS(I(id), T(totp), T(totp_new), I(step)), NULL, err);
}

enum rc db_user_totp_step(struct db *db, int64_t id, int64_t step, bool *ret_new, struct err *err)
{
    int64_t changed = 0;
    TRY(db_do(db, STMT_USER_TOTP_STEP, ARGS(I(id), I(step)), &changed, err));
    *ret_new = changed > 0;
    return RC_OK;
}

enum rc db_user_signed_in(struct db *db, int64_t id, int64_t now, struct err *err)
{
    return db_do(db, STMT_USER_SIGNED_IN, ARGS(I(id), I(now)), NULL, err);
}

enum rc db_user_list_group(struct db *db, int64_t group_id, struct arena *a, struct user_list *ret,
                           struct err *err)
{
    MANY(db, STMT_USER_LIST_GROUP, &user_map, a, ret, err, I(group_id));
    return RC_OK;
}

enum rc db_session_touch(struct db *db, const char *id_hash, int64_t now, struct err *err)
{
    return db_do(db, STMT_SESSION_TOUCH, ARGS(T(id_hash), I(now)), NULL, err);
}

enum rc db_session_remove(struct db *db, const char *id_hash, struct err *err)
{
    return db_do(db, STMT_SESSION_REMOVE, ARGS(T(id_hash)), NULL, err);
}

enum rc db_session_remove_user(struct db *db, int64_t user_id, struct err *err)
{
    return db_do(db, STMT_SESSION_REMOVE_USER, ARGS(I(user_id)), NULL, err);
}

enum rc db_session_expire(struct db *db, int64_t now, struct err *err)
{
    return db_do(db, STMT_SESSION_EXPIRE, ARGS(I(now)), NULL, err);
}
