/* Groups and their members, API tokens, recovery codes: secrets are known by their hashes only. */
#include "store/store_priv.h"

#include "store/repo.h"

MAP(group, "group", "ユーザーグループ", CI(group, id), CT(group, name), CT(group, about),
    CT(group, notify), CI(group, created), CI(group, updated), CI(group, revision));

MAP(token, "API token", "APIトークン", CI(token, id), CI(token, user_id), CT(token, name),
    CT(token, hash), CT(token, role), CT(token, group_ids), CI(token, created), CI(token, expires),
    CI(token, last_used), CT(token, last_address));

enum rc db_group_add(struct db *db, struct group *g, struct err *err)
{
    return db_insert(db, STMT_GROUP_ADD, &group_map, g, NULL, err);
}

enum rc db_group_get(struct db *db, int64_t id, struct arena *a, struct group *ret, struct err *err)
{
    return db_one_seen(db, STMT_GROUP_GET, ARGS(I(id)), &group_map, BY_GROUP,
                       offsetof(struct group, id), a, ret, err);
}

enum rc db_group_find(struct db *db, const char *name, struct arena *a, struct group *ret,
                      struct err *err)
{
    return db_one_seen(db, STMT_GROUP_FIND, ARGS(T(name)), &group_map, BY_GROUP,
                       offsetof(struct group, id), a, ret, err);
}

enum rc db_group_list(struct db *db, struct arena *a, struct group_list *ret, struct err *err)
{
    MANY(db, STMT_GROUP_LIST, &group_map, a, ret, err, T(db->scope));
    return RC_OK;
}

enum rc db_group_list_user(struct db *db, int64_t user_id, struct arena *a, struct group_list *ret,
                           struct err *err)
{
    MANY(db, STMT_GROUP_LIST_USER, &group_map, a, ret, err, I(user_id));
    return RC_OK;
}

enum rc db_group_update(struct db *db, const struct group *g, struct err *err)
{
    return db_change(
        db, STMT_GROUP_UPDATE,
        ARGS(I(g->id), I(g->revision), T(g->name), T(g->about), T(g->notify), I(g->updated)),
        STMT_GROUP_GET, &group_map, err);
}

enum rc db_group_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_GROUP_REMOVE, ARGS(I(id)), STMT_GROUP_GET, &group_map, err);
}

enum rc db_group_join(struct db *db, int64_t group_id, int64_t user_id, struct err *err)
{
    return db_do(db, STMT_GROUP_JOIN, ARGS(I(group_id), I(user_id)), NULL, err);
}

enum rc db_group_leave(struct db *db, int64_t group_id, int64_t user_id, struct err *err)
{
    return db_do(db, STMT_GROUP_LEAVE, ARGS(I(group_id), I(user_id)), NULL, err);
}

enum rc db_token_add(struct db *db, struct token *t, struct err *err)
{
    return db_insert(db, STMT_TOKEN_ADD, &token_map, t, NULL, err);
}

enum rc db_token_get(struct db *db, int64_t id, struct arena *a, struct token *ret, struct err *err)
{
    return db_one(db, STMT_TOKEN_GET, ARGS(I(id)), &token_map, a, ret, err);
}

enum rc db_token_find(struct db *db, const char *hash, struct arena *a, struct token *ret,
                      struct err *err)
{
    return db_one(db, STMT_TOKEN_FIND, ARGS(T(hash)), &token_map, a, ret, err);
}

enum rc db_token_list(struct db *db, int64_t user_id, struct arena *a, struct token_list *ret,
                      struct err *err)
{
    MANY(db, STMT_TOKEN_LIST, &token_map, a, ret, err, I(user_id));
    return RC_OK;
}

enum rc db_token_touch(struct db *db, int64_t id, int64_t now, const char *address, struct err *err)
{
    return db_do(db, STMT_TOKEN_TOUCH, ARGS(I(id), I(now), T(address)), NULL, err);
}

enum rc db_token_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_TOKEN_REMOVE, ARGS(I(id)), STMT_TOKEN_GET, &token_map, err);
}

enum rc db_token_remove_user(struct db *db, int64_t user_id, struct err *err)
{
    return db_do(db, STMT_TOKEN_REMOVE_USER, ARGS(I(user_id)), NULL, err);
}

enum rc db_recovery_set(struct db *db, int64_t user_id, const char *const *hashes, size_t n,
                        struct err *err)
{
    TRY(db_do(db, STMT_RECOVERY_CLEAR, ARGS(I(user_id)), NULL, err));
    for (size_t i = 0; i < n; i++)
        TRY(db_do(db, STMT_RECOVERY_ADD, ARGS(I(user_id), T(hashes[i])), NULL, err));
    return RC_OK;
}

enum rc db_recovery_take(struct db *db, int64_t user_id, const char *hash, bool *ret_taken,
                         struct err *err)
{
    int64_t changed = 0;
    TRY(db_do(db, STMT_RECOVERY_TAKE, ARGS(I(user_id), T(hash)), &changed, err));
    *ret_taken = changed > 0;
    return RC_OK;
}

enum rc db_recovery_count(struct db *db, int64_t user_id, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_RECOVERY_COUNT, ARGS(I(user_id)), ret, err);
}
