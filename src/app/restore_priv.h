/* Inside of `inro restore`: one struct per run; restore_judge.c says what would be lost. */
#ifndef INRO_APP_RESTORE_PRIV_H
#define INRO_APP_RESTORE_PRIV_H

#include "app/config.h"
#include "codec/json.h"
#include "store/ops.h"

enum { LOST_NAMES = 20 };

struct restore {
    struct arena *a;
    struct config config;
    const char *lang, *file, *passphrase_file;
    bool json, confirm, check;
    int fd;
    struct buf passphrase;
    /* of the backup */
    const char *facts, *installation, *created;
    int64_t created_at, schema, generation;
    bool key_passphrase;
    struct json *manifest;
    const char *staging, *previous;
    struct store_tally in_backup;
    /* of what is there now */
    bool have_now; /* a store was found and could be read */
    const char *now_installation;
    struct store_tally now;
    int64_t now_generation;
    struct id_floor_list floors;
    int64_t changed; /* certificates with newer versions now than in the backup */
    struct names changed_names;
};

/* Before the passphrase is asked for: made by a newer Inro? */
MUST enum rc restore_newer(struct restore *r, struct err *err);
/* What is in the data directory now; RC_CONFLICT when it is another installation. */
MUST enum rc restore_look(struct restore *r, struct err *err);
/* The staged state: whole, ours to open, the audit chain unbroken, every key fits. */
MUST enum rc restore_judge(struct restore *r, struct err *err);
/* Makes the staged state safe to run: generation, hold, ids, sessions, audit record. */
MUST enum rc restore_prepare(struct restore *r, struct err *err);
void restore_report(const struct restore *r);

#endif
