/* Endpoints, what they served, notices and their deliveries, and HTTP-01 answers. */
#include <string.h>

#include "store/store_priv.h"

#include "store/repo_list.h"

MAP(endpoint, "endpoint", "監視対象", CI(endpoint, id), CT(endpoint, host), CI(endpoint, port),
    CT(endpoint, sni), CT(endpoint, starttls), CR(endpoint, cert_id), CI(endpoint, every),
    CI(endpoint, next_at), CT(endpoint, state), CT(endpoint, seen), CI(endpoint, seen_at),
    CI(endpoint, created), CI(endpoint, updated), CI(endpoint, group_id), CI(endpoint, revision));

MAP(observation, "observation", "検出結果", CI(observation, id), CI(observation, endpoint_id),
    CT(observation, addr), CI(observation, at), CT(observation, sha256), CT(observation, subject),
    CT(observation, issuer), CT(observation, protocol), CI(observation, not_after),
    CB(observation, trusted), CT(observation, chain), CT(observation, error));

MAP(notice, "notice", "通知", CI(notice, id), CT(notice, event), CT(notice, subject),
    CT(notice, dedup_key), CT(notice, data), CI(notice, created));

MAP(delivery, "delivery", "通知の送信", CI(delivery, id), CI(delivery, notice_id),
    CI(delivery, notifier_id), CT(delivery, lang), CT(delivery, state), CT(delivery, reply),
    CT(delivery, error), CI(delivery, attempts), CI(delivery, updated), CT(delivery, recipients));

static int64_t before_or_top(int64_t before)
{
    return before > 0 ? before : INT64_MAX;
}

enum rc db_endpoint_add(struct db *db, struct endpoint *e, struct err *err)
{
    TRY(may_put(db, e->group_id, err));
    return db_insert(db, STMT_ENDPOINT_ADD, &endpoint_map, e, NULL, err);
}

enum rc db_endpoint_get(struct db *db, int64_t id, struct arena *a, struct endpoint *ret,
                        struct err *err)
{
    return db_one_seen(db, STMT_ENDPOINT_GET, ARGS(I(id)), &endpoint_map, BY_GROUP,
                       offsetof(struct endpoint, group_id), a, ret, err);
}

enum rc db_endpoint_list(struct db *db, int64_t cert_id, int64_t after, int limit, struct arena *a,
                         struct endpoint_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    if (cert_id != 0)
        MANY(db, STMT_ENDPOINT_LIST_CERT, &endpoint_map, a, ret, err, I(after), I(limit),
             I(cert_id), T(db->scope));
    else
        MANY(db, STMT_ENDPOINT_LIST, &endpoint_map, a, ret, err, I(after), I(limit), T(db->scope));
    return RC_OK;
}

enum rc db_endpoint_search(struct db *db, const char *state, const char *text, int64_t after,
                           int limit, struct arena *a, struct endpoint_list *ret, struct err *err)
{
    AUTO(buf) struct buf like = BUF(8192);
    TRY(limit_ok(limit, err));
    if (text)
        TRY(like_text(text, &like, err));
    enum stmt_id by = !state                      ? STMT_ENDPOINT_LIST_TEXT
                      : strcmp(state, "bad") == 0 ? STMT_ENDPOINT_LIST_BAD
                                                  : STMT_ENDPOINT_LIST_STATE;
    MANY(db, by, &endpoint_map, a, ret, err, I(after), I(limit), T(state),
         T(text ? buf_cstr(&like) : NULL), T(db->scope));
    return RC_OK;
}

enum rc db_endpoint_of_target(struct db *db, int64_t target_id, int64_t after, int limit,
                              struct arena *a, struct endpoint_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_ENDPOINT_LIST_TARGET, &endpoint_map, a, ret, err, I(after), I(limit),
         I(target_id), T(db->scope));
    return RC_OK;
}

enum rc db_endpoint_due(struct db *db, int64_t now, int limit, struct arena *a,
                        struct endpoint_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_ENDPOINT_DUE, &endpoint_map, a, ret, err, I(now), I(limit));
    return RC_OK;
}

static enum rc endpoint_put(struct db *db, const struct endpoint *e, int64_t revision,
                            struct err *err)
{
    TRY(may_put(db, e->group_id, err));
    return db_change(db, STMT_ENDPOINT_UPDATE,
                     ARGS(I(e->id), T(e->host), I(e->port), T(e->sni), T(e->starttls),
                          REF(e->cert_id), I(e->every), I(e->next_at), T(e->state), T(e->seen),
                          I(e->seen_at), I(e->updated), I(e->group_id), I(revision)),
                     STMT_ENDPOINT_GET, &endpoint_map, err);
}

enum rc db_endpoint_seen(struct db *db, const struct endpoint *e, struct err *err)
{
    return endpoint_put(db, e, 0, err);
}

enum rc db_endpoint_update(struct db *db, const struct endpoint *e, struct err *err)
{
    return endpoint_put(db, e, e->revision, err);
}

enum rc db_endpoint_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_ENDPOINT_REMOVE, ARGS(I(id)), STMT_ENDPOINT_GET, &endpoint_map, err);
}

enum rc db_observation_add(struct db *db, struct observation *o, struct err *err)
{
    return db_insert(db, STMT_OBSERVATION_ADD, &observation_map, o, NULL, err);
}

enum rc db_observation_list(struct db *db, int64_t endpoint_id, int64_t before, int limit,
                            struct arena *a, struct observation_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_OBSERVATION_LIST, &observation_map, a, ret, err, I(before_or_top(before)),
         I(limit), I(endpoint_id));
    return RC_OK;
}

enum rc db_challenge_put(struct db *db, const char *token, const char *key_auth, int64_t expires,
                         struct err *err)
{
    return db_do(db, STMT_CHALLENGE_PUT, ARGS(T(token), T(key_auth), I(expires)), NULL, err);
}

enum rc db_challenge_get(struct db *db, const char *token, int64_t now, struct arena *a,
                         const char **ret_key_auth, struct err *err)
{
    int64_t rows = 0;
    TRY(db_text(db, STMT_CHALLENGE_GET, ARGS(T(token), I(now)), a, ret_key_auth, &rows, err));
    CHECK(rows > 0, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("store.no_challenge", "no answer is kept for this HTTP-01 token",
              "このHTTP-01トークンの応答はありません"));
    return RC_OK;
}

/* Removing what is not there is no error: clean-up runs again after a crash. */
enum rc db_challenge_remove(struct db *db, const char *token, struct err *err)
{
    return db_do(db, STMT_CHALLENGE_REMOVE, ARGS(T(token)), NULL, err);
}

enum rc db_challenge_expire(struct db *db, int64_t now, struct err *err)
{
    return db_do(db, STMT_CHALLENGE_EXPIRE, ARGS(I(now)), NULL, err);
}

enum rc db_notice_add(struct db *db, struct notice *n, bool *ret_new, struct err *err)
{
    bool is_new = false;
    TRY(db_insert(db, STMT_NOTICE_ADD, &notice_map, n, &is_new, err));
    if (!is_new)
        TRY(db_number(db, STMT_NOTICE_ID, ARGS(T(n->dedup_key)), &n->id, err));
    if (ret_new)
        *ret_new = is_new;
    return RC_OK;
}

enum rc db_notice_get(struct db *db, int64_t id, struct arena *a, struct notice *ret,
                      struct err *err)
{
    struct notice n;
    bool seen = false;
    TRY(db_one(db, STMT_NOTICE_GET, ARGS(I(id)), &notice_map, a, &n, err));
    TRY(sees_subject(db, n.subject, &seen, err));
    if (!seen)
        return not_found(&notice_map, ARGS(I(id)), err);
    *ret = n;
    return RC_OK;
}

enum rc db_notice_list(struct db *db, int64_t before, int limit, struct arena *a,
                       struct notice_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_NOTICE_LIST, &notice_map, a, ret, err, I(before_or_top(before)), I(limit),
         T(db->scope));
    return RC_OK;
}

enum rc db_delivery_add(struct db *db, struct delivery *d, struct err *err)
{
    return db_insert(db, STMT_DELIVERY_ADD, &delivery_map, d, NULL, err);
}

enum rc db_delivery_get(struct db *db, int64_t id, struct arena *a, struct delivery *ret,
                        struct err *err)
{
    return db_one(db, STMT_DELIVERY_GET, ARGS(I(id)), &delivery_map, a, ret, err);
}

enum rc db_delivery_list(struct db *db, int64_t before, int limit, struct arena *a,
                         struct delivery_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_DELIVERY_LIST, &delivery_map, a, ret, err, I(before_or_top(before)), I(limit),
         T(db->scope));
    return RC_OK;
}

enum rc db_delivery_update(struct db *db, const struct delivery *d, struct err *err)
{
    return db_change(
        db, STMT_DELIVERY_UPDATE,
        ARGS(I(d->id), T(d->state), T(d->reply), T(d->error), I(d->attempts), I(d->updated)),
        STMT_DELIVERY_GET, &delivery_map, err);
}
