/*
 * The vendor's ledger. Invariants: ids have no gap; hash = SHA-256 (hex) over the former entry's
 * hash and all fields, each with its length before it (2^32-1: none); the lock keeps appends of
 * all processes in one row; the last hash stands in meta as well, so that a cut end shows.
 */
#include <string.h>

#include "crypto/digest.h"
#include "store/repo_vendor.h"
#include "store/store_priv.h"

enum { LOCK_LEDGER = 5, PAGE = 500 };

MAP(vendor_entry, "ledger entry", "台帳の記録", CI(vendor_entry, id), CI(vendor_entry, at),
    CT(vendor_entry, actor), CT(vendor_entry, event), CI(vendor_entry, customer_id),
    CI(vendor_entry, order_id), CT(vendor_entry, detail), CT(vendor_entry, prev_hash),
    CT(vendor_entry, hash));

static void add_field(struct buf *b, const char *s)
{
    buf_add_be32(b, s ? (uint32_t)strlen(s) : UINT32_MAX);
    if (s)
        buf_adds(b, s);
}

static enum rc entry_hash(const struct vendor_entry *e, const char *prev, char ret[65],
                          struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    add_field(&b, prev);
    buf_add_be64(&b, (uint64_t)e->id);
    buf_add_be64(&b, (uint64_t)e->at);
    add_field(&b, e->actor);
    add_field(&b, e->event);
    buf_add_be64(&b, (uint64_t)e->customer_id);
    buf_add_be64(&b, (uint64_t)e->order_id);
    add_field(&b, e->detail);
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
    if (!cols[1].null)
        memcpy(h->hash, cols[1].s, strnlen(cols[1].s, 64));
    return RC_OK;
}

enum rc db_entry_add(struct db *db, struct vendor_entry *e, struct err *err)
{
    struct head h = {0};
    char hash[65];
    int64_t rows = 0;
    TRY(db_do(db, STMT_LOCK, ARGS(I(LOCK_LEDGER)), NULL, err));
    TRY(db_run(db, STMT_ENTRY_HEAD, NULL, 0, take_head, &h, &rows, err));
    e->id = h.id + 1;
    TRY(entry_hash(e, h.hash, hash, err));
    TRY(db_do(db, STMT_ENTRY_ADD,
              ARGS(I(e->id), I(e->at), T(e->actor), T(e->event), I(e->customer_id), I(e->order_id),
                   T(e->detail), T(h.hash), T(hash)),
              NULL, err));
    return db_meta_set(db, "ledger_head", hash, err);
}

enum rc db_entry_list(struct db *db, int64_t before, int limit, struct arena *a,
                      struct vendor_entry_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_ENTRY_LIST, &vendor_entry_map, a, ret, err, I(before > 0 ? before : INT64_MAX),
         I(limit));
    return RC_OK;
}

static enum rc verify_one(const struct vendor_entry *e, struct head *h, struct err *err)
{
    char hash[65];
    TRY(entry_hash(e, h->hash, hash, err));
    CHECK(e->id == h->id + 1 && e->prev_hash && strcmp(e->prev_hash, h->hash) == 0 && e->hash &&
              strcmp(e->hash, hash) == 0,
          err, RC_CORRUPT, BLAME_US,
          MSG("store.ledger_chain",
              "the ledger was changed outside Inro: entry {0} does not fit the one before; compare "
              "it with a backup",
              "台帳がInroの外で変更されています: 記録 {0} が直前の記録と合いません。バックアップと"
              "比較してください"),
          NUM(e->id));
    h->id = e->id;
    memcpy(h->hash, hash, sizeof hash);
    return RC_OK;
}

/* The chain alone does not show that its end was cut off. */
static enum rc verify_head(struct db *db, const struct head *h, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    const char *head = NULL;
    if (!a)
        return NOMEM(err);
    TRY(db_meta_get(db, "ledger_head", a, &head, err));
    CHECK(strcmp(head ? head : "", h->hash) == 0, err, RC_CORRUPT, BLAME_US,
          MSG("store.ledger_cut",
              "the end of the ledger is missing after entry {0}; compare it with a backup",
              "台帳の記録 {0} より後が失われています。バックアップと比較してください"),
          NUM(h->id));
    return RC_OK;
}

enum rc db_entry_verify(struct db *db, int64_t *ret_count, struct err *err)
{
    struct head h = {0};
    for (bool more = true; more;) {
        AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
        struct vendor_entry_list page = {NULL, 0};
        if (!a)
            return NOMEM(err);
        MANY(db, STMT_ENTRY_PAGE, &vendor_entry_map, a, &page, err, I(h.id), I(PAGE));
        for (size_t i = 0; i < page.n; i++)
            TRY(verify_one(&page.v[i], &h, err));
        more = page.n == PAGE;
    }
    TRY(verify_head(db, &h, err));
    *ret_count = h.id;
    return RC_OK;
}
