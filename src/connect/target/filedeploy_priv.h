/* Shared by the filedeploy*.c files only. */
#ifndef INRO_CONNECT_TARGET_FILEDEPLOY_PRIV_H
#define INRO_CONNECT_TARGET_FILEDEPLOY_PRIV_H

#include "connect/target/filedeploy.h"

/* In the order of activation: the key first, certificates right after it. */
enum file_kind { FILE_KEY = 0, FILE_COMBINED, FILE_CHAIN, FILE_CERT, FILE_KINDS };

enum { FILE_MAX = 1 << 20 };

struct fd_file {
    const char *path;
    enum file_kind kind;
    const char *backup, *temp;
    bool existed;
    uint32_t mode; /* of the old file */
    int64_t uid, gid;
    char old_sha[65], new_sha[65]; /* "" = none, unknown */
    bool same;                     /* carries the new certificate and key already */
};

struct filedeploy {
    struct ctx *ctx;
    const struct file_settings *set;
    const struct file_place *place;
    struct host *host;
    struct fd_file f[FILE_KINDS];
    size_t n;
    int64_t version;
};

void filedeploy_cleanup(struct filedeploy *d);
/* Opens the host and names the files of the place. */
MUST enum rc fd_open(struct ctx *ctx, const void *settings, const void *place, int64_t version,
                     struct filedeploy *ret, struct err *err);
/* What lies at the paths now; refuses links and directories. */
MUST enum rc fd_look(struct filedeploy *d, const struct bundle *b, struct err *err);
/* Hash of the file's content, "" when absent. */
MUST enum rc fd_hash(struct filedeploy *d, const char *path, char ret[65], struct err *err);
/* Runs "test" or "reload"; a failing one is an error with the tool's own words. */
MUST enum rc fd_run(struct filedeploy *d, bool reload, struct err *err);

#endif
