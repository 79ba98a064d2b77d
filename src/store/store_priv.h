/*
 * Inside the store: values, named statements, the driver vtable and the record maps. Nothing here
 * is seen above this floor.
 */
#ifndef INRO_STORE_STORE_PRIV_H
#define INRO_STORE_STORE_PRIV_H

#include "base/buf.h"
#include "model/types.h"
#include "store/store.h"

/* A bound argument or a result column. Text is borrowed. */
enum val_type { VAL_INT = 0, VAL_TEXT };
struct val {
    enum val_type type;
    bool null;
    int64_t i;
    const char *s;
};
#define I(x)      ((struct val){.type = VAL_INT, .i = (int64_t)(x)})
#define REF(x)    ((struct val){.type = VAL_INT, .i = (x), .null = (x) == 0}) /* 0 is "none" */
#define T(x)      ((struct val){.type = VAL_TEXT, .s = (x), .null = (x) == NULL})
#define ARGS(...) (const struct val[]){__VA_ARGS__}, COUNT_OF(((const struct val[]){__VA_ARGS__}))

enum { MAX_COLS = 32 };

/* Statements: statements.def has the rows. */
enum stmt_id {
#define STMT(id, kind, name, sql) STMT_##id,
#include "store/statements.def"
#undef STMT
    STMT_COUNT
};
/* What a commit owes a transaction that ran the statement. */
enum stmt_kind {
    STMT_READ = 0, /* nothing */
    STMT_SOFT,     /* visible, not durable: its loss in a power cut is harmless */
    STMT_WRITE     /* durable */
};
struct stmt {
    enum stmt_kind kind;
    const char *name;
    const char *sql; /* ?1.. placeholders, {token} where engines differ */
};
const struct stmt *stmt_get(enum stmt_id id);

/* One difference between engines: {token} -> text. */
struct dialect {
    const char *token, *text;
};
/* sql with its tokens replaced; an unknown token is RC_INTERNAL. */
MUST enum rc stmt_expand(const char *sql, const struct dialect *d, struct buf *out,
                         struct err *err);

struct migration {
    int version;
    const char *sql;
    enum rc (*fill)(struct db *db, struct err *err); /* what SQL cannot do; may be NULL */
};
extern const struct migration store_migrations[];
extern const size_t store_migration_count;
/* For tests of upgrades: as store_migrate() with another list. */
MUST enum rc store_migrate_with(struct store *s, const struct migration *m, size_t n, int *ret_from,
                                int *ret_to, struct err *err);

/* copy.c: store_snapshot() for engines that have none of their own. */
MUST enum rc copy_out(struct store *s, const char *path, struct err *err);
/* An empty schema of that version, where none is. */
MUST enum rc schema_make(struct db *db, int64_t version, struct err *err);
/* The names of all tables of all versions. */
MUST enum rc schema_tables(struct arena *a, struct names *ret, struct err *err);
MUST enum rc store_version_in(struct db *db, int64_t *ret, struct err *err);

/* Called for each row; cols are valid during the call. */
typedef enum rc (*row_fn)(void *ctx, const struct val *cols, size_t n, struct err *err);

struct conn; /* the driver's */

/* All slots are mandatory, but for `snapshot` and `copies`: without them store/copy.c does it. */
struct driver {
    const char *scheme; /* "sqlite:" */
    enum rc (*open)(const char *rest, void **ret, struct err *err);
    void (*close)(void *engine);
    /* Takes a connection and opens a transaction on it. */
    enum rc (*begin)(void *engine, bool write, struct conn **ret, struct err *err);
    /* Ends it and gives the connection back, whatever the result. */
    enum rc (*commit)(void *engine, struct conn *c, bool write, enum stmt_kind kind,
                      struct err *err);
    void (*rollback)(void *engine, struct conn *c, bool write);
    /* ret_n: rows given, or rows changed when the statement returns none. fn may be NULL. */
    enum rc (*run)(struct conn *c, enum stmt_id id, const struct val *args, size_t n, row_fn fn,
                   void *ctx, int64_t *ret_n, struct err *err);
    enum rc (*script)(struct conn *c, const char *sql, struct err *err); /* several statements */
    enum rc (*prepare)(struct conn *c, enum stmt_id id, struct err *err);
    /* A text of the store room itself, without a name: {tokens} and ?n as in statements. */
    enum rc (*query)(struct conn *c, const char *sql, const struct val *args, size_t n, row_fn fn,
                     void *ctx, int64_t *ret_n, struct err *err);
    /* All rows of a SELECT of the store room itself, never many of them in memory. */
    enum rc (*scan)(struct conn *c, const char *sql, row_fn fn, void *ctx, struct err *err);
    /* Where copies before a migration go, as the start of their names; NULL: as store_copies()
     * says. */
    const char *(*copies)(void *engine);
    enum rc (*snapshot)(void *engine, const char *path, struct err *err); /* see store.h */
    enum rc (*check)(void *engine, struct err *err);
};
extern const struct driver driver_sqlite, driver_pgsql;

struct store {
    const struct driver *drv;
    void *engine;
    const char *copies; /* store_copies() */
    struct buf copy;    /* path of the copy before the last migration */
};

struct db {
    struct store *s;
    struct conn *c;
    bool write, failed;
    const char *scope;   /* db_scope() */
    enum stmt_kind kind; /* the most a statement so far asks of the commit */
    bool made_work;      /* a job was added or is to be tried now */
};

MUST enum rc db_run(struct db *db, enum stmt_id id, const struct val *args, size_t n, row_fn fn,
                    void *ctx, int64_t *ret_n, struct err *err);
/* Without result rows. ret_n may be NULL. */
MUST enum rc db_do(struct db *db, enum stmt_id id, const struct val *args, size_t n, int64_t *ret_n,
                   struct err *err);
MUST enum rc db_query(struct db *db, const char *sql, const struct val *args, size_t n, row_fn fn,
                      void *ctx, int64_t *ret_n, struct err *err);

/* Record maps: a struct's members in the order of the statement's columns. */
enum col_type { COL_I64 = 0, COL_REF, COL_TEXT, COL_BOOL, COL_ENUM, COL_NAMES };
struct col {
    enum col_type type;
    size_t offset;
};
#define COL_(t, m, ctype, kind)                                                                    \
    {                                                                                              \
        (kind), offsetof(struct t, m) + 0 * sizeof(_Generic(((struct t *)0)->m, ctype : 0))        \
    }
#define CI(t, m) COL_(t, m, int64_t, COL_I64)
#define CR(t, m) COL_(t, m, int64_t, COL_REF)
#define CT(t, m) COL_(t, m, const char *, COL_TEXT)
#define CB(t, m) COL_(t, m, bool, COL_BOOL)
#define CE(t, m) COL_(t, m, unsigned int, COL_ENUM)
#define CN(t, m) COL_(t, m, struct names, COL_NAMES)

struct map {
    size_t size;
    const struct col *cols;
    size_t n;
    const char *en, *ja; /* what a person calls it */
};
#define MAP(t, en_, ja_, ...)                                                                      \
    static const struct col t##_cols[] = {__VA_ARGS__};                                            \
    static const struct map t##_map = {sizeof(struct t), t##_cols, COUNT_OF(t##_cols), en_, ja_}

extern const struct map cert_map;

struct rows {
    void *v;
    size_t n;
};
/* Binds all columns but the first, which is the id the statement returns. */
MUST enum rc db_insert(struct db *db, enum stmt_id id, const struct map *m, void *rec,
                       bool *ret_new, struct err *err);
MUST enum rc db_one(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                    const struct map *m, struct arena *a, void *ret, struct err *err);
MUST enum rc db_many(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                     const struct map *m, struct arena *a, struct rows *ret, struct err *err);
/* A change that must meet its row: RC_NOT_FOUND when `get` finds none, RC_CONFLICT when it does. */
MUST enum rc db_change(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                       enum stmt_id get, const struct map *m, struct err *err);
MUST enum rc not_found(const struct map *m, const struct val *args, size_t n, struct err *err);
/* scope.c: does the transaction see what belongs to the group, the certificate, the subject? */
bool sees_group(const struct db *db, int64_t group_id);
MUST enum rc sees_cert(struct db *db, int64_t cert_id, bool *ret, struct err *err);
MUST enum rc sees_subject(struct db *db, const char *subject, bool *ret, struct err *err);
/* Writes: RC_DENIED when the group is not among those of the transaction. */
MUST enum rc may_put(const struct db *db, int64_t group_id, struct err *err);
/* As db_one(), and RC_NOT_FOUND for what is not seen. cert: offset of the member with its
 * certificate's id, or of its group when owned. */
enum owned_by { BY_GROUP, BY_CERT };
MUST enum rc db_one_seen(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                         const struct map *m, enum owned_by by, size_t offset, struct arena *a,
                         void *ret, struct err *err);
/* A statement that gives one text: NULL for no row and for NULL. *ret_rows may be NULL. */
MUST enum rc db_text(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                     struct arena *a, const char **ret, int64_t *ret_rows, struct err *err);
MUST enum rc db_number(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                       int64_t *ret, struct err *err);
MUST enum rc map_names_text(const struct names *names, struct buf *out, struct err *err);
MUST enum rc limit_ok(int limit, struct err *err);
/* repo_term.c: the words a certificate is found by. terms_renew() after its names or tags changed;
 * terms_mark() for a version's serial number and fingerprint. */
MUST enum rc terms_renew(struct db *db, const struct cert *c, struct err *err);
MUST enum rc terms_mark(struct db *db, const struct cert_version *v, struct err *err);
MUST enum rc terms_fill(struct db *db, struct err *err);
void add_lower(struct buf *b, const char *s); /* ASCII */
/* "text" -> "%text%" in lower case for LIKE ... ESCAPE '!'. */
MUST enum rc like_text(const char *text, struct buf *out, struct err *err);

/* repo_list.c: what was typed into a list screen, as its statements take it: a range of terms and a
 * pattern for names; all NULL = any. A text that names fewer rows is found by an index. */
enum { SOUGHT_FEW = 5000 };
struct sought {
    const char *from, *to, *like;
};
MUST enum rc sought_read(const char *text, struct arena *a, struct sought *ret, struct err *err);

#define MANY(db, stmt, map, a, ret, err, ...)                                                      \
    do {                                                                                           \
        struct rows rows_ = {NULL, 0};                                                             \
        TRY(db_many((db), (stmt), ARGS(__VA_ARGS__), (map), (a), &rows_, (err)));                  \
        (ret)->v = rows_.v;                                                                        \
        (ret)->n = rows_.n;                                                                        \
    } while (0)

#endif
