/*
 * The audit log. Invariants: ids have no gap but before "system.restore"; hash = SHA-256 (hex) over
 * the former record's hash and all fields, each with its length before it (2^32-1: none), so that
 * no two records have the same bytes; the write lock of the transaction keeps appends of all
 * processes in one row. The head ("audit_head": id and hash of the last record) stands apart and
 * the chain goes on from it, so that a cut tail is a gap for ever.
 */
#include "store/store_priv.h"

#include <string.h>

#include "crypto/digest.h"
#include "store/ops.h"

enum { LOCK_AUDIT = 3, PAGE = 500 };

MAP(audit, "audit record", "監査記録", CI(audit, id), CI(audit, at), CT(audit, actor),
    CT(audit, origin), CT(audit, action), CT(audit, subject), CT(audit, detail), CT(audit, result),
    CT(audit, prev_hash), CT(audit, hash));

static void add_field(struct buf *b, const char *s)
{
    if (!s) {
        buf_add_be32(b, UINT32_MAX);
        return;
    }
    buf_add_be32(b, (uint32_t)strlen(s));
    buf_adds(b, s);
}

static enum rc record_hash(const struct audit *r, const char *prev, char ret[65], struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)4 << 20);
    add_field(&b, prev);
    buf_add_be64(&b, (uint64_t)r->id);
    buf_add_be64(&b, (uint64_t)r->at);
    add_field(&b, r->actor);
    add_field(&b, r->origin);
    add_field(&b, r->action);
    add_field(&b, r->subject);
    add_field(&b, r->detail);
    add_field(&b, r->result);
    TRY(buf_ok(&b, err));
    sha256_hex(buf_str(&b), ret);
    return RC_OK;
}

struct head {
    int64_t id;
    char hash[65];
};

static enum rc take_head(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct head *h = ctx;
    (void)n, (void)err;
    h->id = cols[0].i;
    size_t len = cols[1].null ? 0 : strnlen(cols[1].s, 64);
    if (len > 0)
        memcpy(h->hash, cols[1].s, len);
    return RC_OK;
}

static enum rc take_head_text(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct head *h = ctx;
    struct str rest = str_from(cols[0].s), id;
    (void)n;
    bool good = !cols[0].null && str_split(&rest, ':', &id) && rest.n == 64 &&
                str_to_i64(id, 1, INT64_MAX, &h->id);
    CHECK(good, err, RC_CORRUPT, BLAME_US,
          MSG("store.audit_head", "the head of the audit log is damaged; compare it with a backup",
              "監査ログの先頭情報が壊れています。バックアップと比較してください"));
    memcpy(h->hash, rest.p, 64);
    return RC_OK;
}

/* The head as it was written; of the table only when none was (a log from before it was kept). */
static enum rc read_head(struct db *db, struct head *h, struct err *err)
{
    int64_t rows = 0;
    *h = (struct head){0};
    TRY(db_run(db, STMT_META_GET, ARGS(T("audit_head")), take_head_text, h, &rows, err));
    if (rows == 0)
        TRY(db_run(db, STMT_AUDIT_HEAD, NULL, 0, take_head, h, &rows, err));
    return RC_OK;
}

static enum rc write_head(struct db *db, int64_t id, const char *hash, struct err *err)
{
    AUTO(buf) struct buf b = BUF(128);
    buf_addf(&b, "%lld:", (long long)id);
    buf_adds(&b, hash);
    TRY(buf_ok(&b, err));
    return db_do(db, STMT_META_SET, ARGS(T("audit_head"), T(buf_cstr(&b))), NULL, err);
}

enum rc db_audit_head(struct db *db, int64_t *ret_id, char ret_hash[65], struct err *err)
{
    struct head h;
    TRY(read_head(db, &h, err));
    *ret_id = h.id;
    memcpy(ret_hash, h.hash, sizeof h.hash);
    return RC_OK;
}

enum rc db_audit_page(struct db *db, int64_t after, int limit, struct arena *a,
                      struct audit_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_AUDIT_PAGE, &audit_map, a, ret, err, I(after), I(limit));
    return RC_OK;
}

enum rc db_audit_get(struct db *db, int64_t id, struct arena *a, struct audit *ret, struct err *err)
{
    struct audit_list l = {NULL, 0};
    TRY(db_audit_page(db, id - 1, 1, a, &l, err));
    if (l.n == 0 || l.v[0].id != id)
        return not_found(&audit_map, ARGS(I(id)), err);
    *ret = l.v[0];
    return RC_OK;
}

static enum rc add_after(struct db *db, struct audit *a, int64_t after, struct err *err)
{
    struct head h;
    char hash[65];
    TRY(db_do(db, STMT_LOCK, ARGS(I(LOCK_AUDIT)), NULL, err));
    TRY(read_head(db, &h, err));
    struct audit r = *a;
    r.id = (h.id > after ? h.id : after) + 1;
    TRY(record_hash(&r, h.hash, hash, err));
    TRY(db_do(db, STMT_AUDIT_ADD,
              ARGS(I(r.id), I(r.at), T(r.actor), T(r.origin), T(r.action), T(r.subject),
                   T(r.detail), T(r.result), T(h.hash), T(hash)),
              NULL, err));
    a->id = r.id;
    return write_head(db, r.id, hash, err);
}

enum rc db_audit_add(struct db *db, struct audit *a, struct err *err)
{
    return add_after(db, a, 0, err);
}

enum rc db_audit_add_after(struct db *db, struct audit *a, int64_t after, struct err *err)
{
    return add_after(db, a, after, err);
}

static enum rc search_log(struct db *db, enum stmt_id id, int64_t from,
                          const struct audit_filter *f, struct arena *a, struct audit_list *ret,
                          struct err *err)
{
    AUTO(buf) struct buf like = BUF(8192);
    bool search = f->text && *f->text;
    TRY(limit_ok(f->limit, err));
    if (search)
        TRY(like_text(f->text, &like, err));
    MANY(db, id, &audit_map, a, ret, err, I(from), I(f->limit), T(f->subject),
         T(search ? buf_cstr(&like) : NULL), T(f->actions));
    return RC_OK;
}

enum rc db_audit_list(struct db *db, const struct audit_filter *f, struct arena *a,
                      struct audit_list *ret, struct err *err)
{
    return search_log(db, f->subject ? STMT_AUDIT_LIST_SUBJECT : STMT_AUDIT_LIST,
                      f->before > 0 ? f->before : INT64_MAX, f, a, ret, err);
}

enum rc db_audit_find(struct db *db, const struct audit_filter *f, int64_t after, struct arena *a,
                      struct audit_list *ret, struct err *err)
{
    return search_log(db, STMT_AUDIT_FIND, after, f, a, ret, err);
}

static enum rc verify_one(const struct audit *r, struct head *h, struct err *err)
{
    char hash[65];
    TRY(record_hash(r, h->hash, hash, err));
    /* what a restore lost is a gap that its own record explains */
    bool next = r->id == h->id + 1 ||
                (r->id > h->id && r->action && strcmp(r->action, "system.restore") == 0);
    CHECK(next && r->prev_hash && strcmp(r->prev_hash, h->hash) == 0 && r->hash &&
              strcmp(r->hash, hash) == 0,
          err, RC_CORRUPT, BLAME_US,
          MSG("store.audit_chain",
              "the audit log was changed outside Inro: record {0} does not fit the one before; "
              "compare it with a backup",
              "監査ログがInroの外で変更されています: 記録 {0} "
              "が直前の記録と合いません。バックアップと比較してください"),
          NUM(r->id));
    h->id = r->id;
    memcpy(h->hash, hash, sizeof hash);
    return RC_OK;
}

static enum rc verify_page(struct db *db, struct head *h, struct arena *a, bool *ret_more,
                           struct err *err)
{
    struct audit_list page = {NULL, 0};
    MANY(db, STMT_AUDIT_PAGE, &audit_map, a, &page, err, I(h->id), I(PAGE));
    for (size_t i = 0; i < page.n; i++)
        TRY(verify_one(&page.v[i], h, err));
    *ret_more = page.n == PAGE;
    return RC_OK;
}

enum rc db_audit_verify(struct db *db, int64_t *ret_count, struct err *err)
{
    struct head h = {0};
    for (bool more = true; more;) {
        AUTO(arena) struct arena *a = arena_create((size_t)512 << 20);
        if (!a)
            return NOMEM(err);
        TRY(verify_page(db, &h, a, &more, err));
    }
    struct head kept;
    TRY(read_head(db, &kept, err));
    CHECK(kept.id == h.id && strcmp(kept.hash, h.hash) == 0, err, RC_CORRUPT, BLAME_US,
          MSG("store.audit_cut",
              "the audit log was cut outside Inro: it ends with record {0}, written were {1}; "
              "compare it with a backup",
              "監査ログがInroの外で切り詰められています: 記録 {0} で終わっていますが、{1} "
              "件書き込まれています。バックアップと比較してください"),
          NUM(h.id), NUM(kept.id));
    if (ret_count)
        *ret_count = h.id;
    return RC_OK;
}
