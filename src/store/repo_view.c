/*
 * Saved views of list screens. Invariants: a person's views of a screen have different names; a
 * view belongs to a person and may be shown to one group.
 */
#include "store/repo.h"
#include "store/store_priv.h"

MAP(saved_view, "view", "表示", CI(saved_view, id), CI(saved_view, user_id),
    CI(saved_view, group_id), CT(saved_view, screen), CT(saved_view, name), CT(saved_view, query),
    CI(saved_view, created), CI(saved_view, updated));

enum rc db_view_put(struct db *db, struct saved_view *v, struct err *err)
{
    return db_insert(db, STMT_VIEW_PUT, &saved_view_map, v, NULL, err);
}

enum rc db_view_get(struct db *db, int64_t id, struct arena *a, struct saved_view *ret,
                    struct err *err)
{
    return db_one(db, STMT_VIEW_GET, ARGS(I(id)), &saved_view_map, a, ret, err);
}

enum rc db_view_list(struct db *db, const char *screen, int64_t user_id, int limit, struct arena *a,
                     struct saved_view_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_VIEW_LIST, &saved_view_map, a, ret, err, T(screen), I(user_id), T(db->scope),
         I(limit));
    return RC_OK;
}

enum rc db_view_count(struct db *db, int64_t user_id, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_VIEW_COUNT, ARGS(I(user_id)), ret, err);
}

enum rc db_view_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_VIEW_REMOVE, ARGS(I(id)), STMT_VIEW_GET, &saved_view_map, err);
}
