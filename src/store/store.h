/*
 * The store: SQLite by default, PostgreSQL when one machine is not enough. Every SQL text is a
 * named statement; nothing above this floor sees SQL. All calls block: never on a loop thread.
 *
 *     AUTO(db) struct db *db = NULL;
 *     TRY(store_begin(store, &db, err));          // or store_read() for looking only
 *     TRY(db_cert_add(db, &cert, err));
 *     TRY(db_commit(&db, err));                    // durable when it returns RC_OK
 *
 * Without db_commit() everything is rolled back at the end of the scope. Keep transactions short:
 * no network, no vault inside. A statement that fails (RC_EXISTS ...; not RC_NOT_FOUND) ends the
 * transaction: what follows in it is RC_CONFLICT. Begin and end in the same thread. Group commit:
 * several threads' commits share one fsync.
 */
#ifndef INRO_STORE_STORE_H
#define INRO_STORE_STORE_H

#include "base/arena.h"
#include "base/clock.h"

struct store;
struct db; /* an open transaction */

/* url: "sqlite:/path/inro.db" or "postgresql://...". Does not migrate. */
MUST enum rc store_open(const char *url, struct store **ret, struct err *err);
void store_close(struct store *s);
/* Brings the schema to this program's version: a copy first (store_snapshot(), named
 * PREFIX.backup-v<version>-<time>), then forward only. A newer schema is refused. ret_from/ret_to
 * may be NULL. */
MUST enum rc store_migrate(struct store *s, int *ret_from, int *ret_to, struct err *err);
/* Where the copy of the last store_migrate() is; NULL when none was made. */
const char *store_migration_copy(const struct store *s);
int64_t store_schema_version(void); /* this program's */
/* The schema version found and the one this program has; 0 = no schema yet. Changes nothing. */
MUST enum rc store_version(struct store *s, int64_t *ret_found, int64_t *ret_ours, struct err *err);
/* Where those copies go when the store is no file itself (PostgreSQL): a prefix of paths; without
 * it none is made. Borrowed. An SQLite store's are beside it. */
void store_copies(struct store *s, const char *prefix);
/* A complete, consistent copy while others read and write: a new file, 0600, synced. It is an
 * SQLite store, whatever engine this one is on. */
MUST enum rc store_snapshot(struct store *s, const char *path, struct err *err);
/* Everything in the store is replaced by what such a file holds, in one transaction. With a mark it
 * is done once: called again with the same one it does nothing. For PostgreSQL; an SQLite store is
 * replaced by the file itself. */
MUST enum rc store_load(struct store *s, const char *path, const char *mark, struct err *err);
MUST enum rc store_loaded(struct store *s, const char *mark, bool *ret, struct err *err);
MUST enum rc store_check(struct store *s, struct err *err); /* integrity; RC_CORRUPT */
MUST enum rc store_begin(struct store *s, struct db **ret, struct err *err);
MUST enum rc store_read(struct store *s, struct db **ret, struct err *err);
MUST enum rc db_commit(struct db **db, struct err *err);
/*
 * What follows in this transaction sees only what belongs to these groups: a JSON list of ids
 * ("[3,7]", "[]" = nothing), NULL = everything. What is not seen is RC_NOT_FOUND and in no list;
 * nothing can be put into another group. The text is borrowed until the end of the transaction.
 */
void db_scope(struct db *db, const char *groups);
/* Seen by everybody at once, but not waited for: a power cut may take it until any later
 * db_commit() has returned. For what can be done again, and must not outlive what follows it. */
MUST enum rc db_commit_soon(struct db **db, struct err *err);
/* So far this transaction has made a job, or one due. */
bool db_made_work(const struct db *db);
void db_rollback(struct db **db);
void db_cleanup(struct db **db);

MUST enum rc db_prepare_all(struct db *db, struct err *err); /* every named statement */

/* Small settings of the installation: "installation_id", "generation" ... NULL when absent. */
MUST enum rc db_meta_get(struct db *db, const char *key, struct arena *a, const char **ret,
                         struct err *err);
MUST enum rc db_meta_set(struct db *db, const char *key, const char *value, struct err *err);

#endif
