/*
 * The licence in force, and the only place where certificates and targets come to be: what counts
 * is counted and inserted under one lock in the caller's transaction, so that requests at the same
 * time never exceed it, and what is removed is free again at once. Renewals never count.
 *
 * Past its end functions that change something are refused by licence_gate(); looking, watching,
 * alarms, export, backup and importing a licence never ask.
 */
#ifndef INRO_JOB_LICENCE_H
#define INRO_JOB_LICENCE_H

#include "model/licence.h"
#include "store/repo_licence.h"

struct licence_now {
    const char *installation;
    bool installed; /* a file is, and it is good: `licence` is what it says */
    struct licence licence;
    int64_t imported;
    bool broken; /* a file is, and cannot be read any more: runs as ミーツ; why in `fault` */
    struct err fault;
    struct licence_status status;
    int64_t certificates, targets; /* in use */
};
MUST enum rc licence_load(struct db *db, int64_t now, struct arena *a, struct licence_now *ret,
                          struct err *err);

/* RC_LICENCE when functions that change something have ended. */
MUST enum rc licence_gate(struct db *db, int64_t now, struct err *err);
/* db_cert_add(), when one more is covered. */
MUST enum rc licence_cert_add(struct db *db, struct cert *c, int64_t now, struct err *err);
/* The target is at that address from now on (add, or change of address), when it is covered. */
MUST enum rc licence_target_at(struct db *db, int64_t connector_id, const char *address,
                               int64_t now, struct err *err);

/* Installs a file, or says why not (crypto/licence.h, model/licence.h); jobs that the end of the
 * former licence had stopped are taken up again. The file may begin with changes of the vendor's
 * key (crypto/succession.h); *ret has no serial when it holds nothing else. */
MUST enum rc licence_import(struct db *db, struct str file, const char *actor, int64_t now,
                            struct arena *a, struct licence *ret, struct err *err);
/* Keys a licence may be issued with: those of the build, else those set at init or by the desk. */
MUST enum rc licence_trusted(struct db *db, struct arena *a, const struct licence_key **ret,
                             size_t *ret_n, struct err *err);
/* One more vendor key; RC_CONFLICT for a build that belongs to another vendor, or a key that its
 * vendor has revoked; RC_EXISTS when it is trusted already. */
MUST enum rc licence_trust(struct db *db, const struct licence_key *k, const char *source,
                           int64_t now, struct err *err);
/* No more licences of that key; RC_CONFLICT while the installed one is of it, and for a key of the
 * build or a revoked one (its record must stay, or it could be trusted again). */
MUST enum rc licence_distrust(struct db *db, const char *key_id, int64_t now, struct arena *a,
                              struct err *err);

/* What a vendor's change of key says is done; *ret_added is NULL when that was known already. */
MUST enum rc licence_succeed(struct db *db, struct str statement, int64_t now, struct arena *a,
                             const char **ret_added, struct err *err);

/* Remembers the time; *since is the caller's to keep between calls. */
MUST enum rc licence_seen(struct db *db, int64_t now, int64_t mono, int64_t *since,
                          struct err *err);

#endif
