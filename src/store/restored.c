/*
 * Comparing two states of an installation, and making a restored one safe to run: its ids go on
 * after those the lost state gave out, its sessions and leases are gone.
 */
#include <string.h>

#include "store/ops.h"
#include "store/store_priv.h"

static enum rc take_int(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    int64_t *ret = ctx;
    (void)n, (void)err;
    *ret = cols[0].null ? 0 : cols[0].i;
    return RC_OK;
}

struct text_out {
    struct arena *a;
    const char *text;
};

static enum rc take_hash(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct text_out *t = ctx;
    (void)n;
    t->text = cols[0].null ? NULL : arena_strdup(t->a, cols[0].s);
    return t->text || cols[0].null ? RC_OK : NOMEM(err);
}

enum rc db_store_tally(struct db *db, struct arena *a, struct store_tally *ret, struct err *err)
{
    struct store_tally t = {0};
    struct text_out hash = {a, NULL};
    const struct {
        const char *sql;
        int64_t *to;
    } rows[] = {
        {"SELECT count(*) FROM cert", &t.certs},
        {"SELECT count(*) FROM cert_version", &t.versions},
        {"SELECT count(*) FROM cert_order", &t.orders},
        {"SELECT count(*) FROM app_user", &t.users},
        {"SELECT count(*) FROM connector", &t.connectors},
        {"SELECT max(id) FROM audit", &t.audit},
        {"SELECT max(id) FROM cert_version", &t.last_version},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        TRY(db_query(db, rows[i].sql, NULL, 0, take_int, rows[i].to, NULL, err));
    TRY(db_query(db, "SELECT hash FROM audit ORDER BY id DESC LIMIT 1", NULL, 0, take_hash, &hash,
                 NULL, err));
    t.audit_hash = hash.text;
    *ret = t;
    return RC_OK;
}

struct names_out {
    struct arena *a;
    const char **v;
    size_t n, max;
};

static enum rc take_name(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct names_out *o = ctx;
    (void)n;
    if (o->n == o->max || cols[0].null)
        return RC_OK;
    o->v[o->n] = arena_strdup(o->a, cols[0].s);
    return o->v[o->n++] ? RC_OK : NOMEM(err);
}

enum rc db_certs_changed(struct db *db, int64_t last_version, int limit, struct arena *a,
                         struct names *ret, int64_t *ret_count, struct err *err)
{
    struct names_out o = {.a = a, .max = (size_t)limit};
    o.v = arena_array(a, o.max + 1, sizeof *o.v);
    if (!o.v)
        return NOMEM(err);
    TRY(db_query(db,
                 "SELECT count(*) FROM cert c WHERE EXISTS (SELECT 1 FROM cert_version v "
                 "WHERE v.cert_id = c.id AND v.id > ?1)",
                 ARGS(I(last_version)), take_int, ret_count, NULL, err));
    TRY(db_query(db,
                 "SELECT c.name FROM cert c WHERE EXISTS (SELECT 1 FROM cert_version v "
                 "WHERE v.cert_id = c.id AND v.id > ?1) ORDER BY c.id LIMIT ?2",
                 ARGS(I(last_version), I(limit)), take_name, &o, NULL, err));
    *ret = (struct names){o.v, o.n};
    return RC_OK;
}

struct floors_out {
    struct arena *a;
    struct id_floor *v;
    size_t n, max;
};

enum { TABLES_MAX = 512 };

static enum rc take_floor(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct floors_out *o = ctx;
    (void)n;
    if (o->n == o->max || cols[0].null)
        return RC_OK;
    o->v[o->n] = (struct id_floor){arena_strdup(o->a, cols[0].s), cols[1].i};
    return o->v[o->n++].table ? RC_OK : NOMEM(err);
}

enum rc db_id_floors(struct db *db, struct arena *a, struct id_floor_list *ret, struct err *err)
{
    struct floors_out o = {.a = a, .max = TABLES_MAX};
    o.v = arena_array(a, o.max, sizeof *o.v);
    if (!o.v)
        return NOMEM(err);
    TRY(db_query(db, "{id_floors}", NULL, 0, take_floor, &o, NULL, err));
    ret->v = o.v;
    ret->n = o.n;
    return RC_OK;
}

enum rc db_ids_raise(struct db *db, const struct id_floor_list *floors, int64_t gap,
                     struct err *err)
{
    /* a table without rows has no entry yet */
    TRY(db_query(db,
                 "INSERT INTO sqlite_sequence (name, seq) SELECT m.name, 0 FROM sqlite_schema m "
                 "WHERE m.type = 'table' AND m.sql LIKE '%AUTOINCREMENT%' "
                 "AND NOT EXISTS (SELECT 1 FROM sqlite_sequence s WHERE s.name = m.name)",
                 NULL, 0, NULL, NULL, NULL, err));
    if (!floors)
        return db_query(db, "UPDATE sqlite_sequence SET seq = seq + ?1", ARGS(I(gap)), NULL, NULL,
                        NULL, err);
    for (size_t i = 0; i < floors->n; i++)
        TRY(db_query(db, "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
                     ARGS(T(floors->v[i].table), I(floors->v[i].last)), NULL, NULL, NULL, err));
    return RC_OK;
}

enum rc db_quiesce(struct db *db, int64_t now, struct err *err)
{
    TRY(db_query(db, "DELETE FROM app_session", NULL, 0, NULL, NULL, NULL, err));
    TRY(db_query(db, "DELETE FROM challenge", NULL, 0, NULL, NULL, NULL, err));
    TRY(db_query(db,
                 "UPDATE job SET state = 5, finished = ?1, updated = ?1, lease_owner = NULL, "
                 "lease_until = 0, lease_no = lease_no + 1 "
                 "WHERE kind IN ('deploy', 'revoke') AND state IN (0, 1, 4)",
                 ARGS(I(now)), NULL, NULL, NULL, err));
    TRY(db_query(db, "UPDATE deployment SET state = 2, updated = ?1 WHERE state = 0", ARGS(I(now)),
                 NULL, NULL, NULL, err));
    TRY(db_query(db,
                 "UPDATE job SET state = 0, lease_owner = NULL, lease_until = 0, "
                 "lease_no = lease_no + 1, run_at = ?1 WHERE state = 1",
                 ARGS(I(now)), NULL, NULL, NULL, err));
    return db_query(db, "UPDATE endpoint SET next_at = ?1", ARGS(I(now)), NULL, NULL, NULL, err);
}
