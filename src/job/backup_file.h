/*
 * What is inside a backup (crypto/sealfile.h): members in a row, each
 *
 *     be32 length of the name | name | be64 size | bytes
 *
 * and a name of length 0 at the end. The names are a fixed table: nothing in a backup can name
 * another place. The last member is the manifest, which has the size and SHA-256 of all others.
 */
#ifndef INRO_JOB_BACKUP_FILE_H
#define INRO_JOB_BACKUP_FILE_H

#include "codec/json.h"
#include "crypto/sealfile.h"

enum { MANIFEST_MAX = 65536 };

struct backup_member {
    const char *name; /* below the data directory */
    int64_t max;
    bool needed;
};
extern const struct backup_member backup_members[];
extern const size_t backup_member_count;
#define BACKUP_MANIFEST "manifest.json"

/* The content of a file, or of text when path is NULL; its line goes into the manifest's array. */
MUST enum rc backup_put(struct seal_writer *w, const char *name, const char *path, struct str text,
                        struct json_writer *manifest, struct err *err);
MUST enum rc backup_put_manifest(struct seal_writer *w, struct str json, struct err *err);
/* Everything into the empty directory `dir`, checked against the manifest (arena). */
MUST enum rc backup_unpack(int fd, const char *passphrase, const char *dir, struct arena *a,
                           struct json **ret_manifest, struct err *err);

#endif
