/*
 * A machine whose files we change: this one, or one behind SSH. File targets are written once
 * against this table; tests put an in-memory host behind it that refuses and fails where told.
 * Paths are absolute. Links are never followed for what is written.
 */
#ifndef INRO_CONNECT_HOST_H
#define INRO_CONNECT_HOST_H

#include "connect/ctx.h"

struct host;

struct host_stat {
    bool exists, is_dir, is_link, is_file;
    uint32_t mode, uid, gid;
    uint64_t size;
};

struct host_ops {
    enum rc (*lstat)(struct host *h, const char *path, struct host_stat *ret, struct err *err);
    enum rc (*read)(struct host *h, const char *path, struct buf *out, struct err *err);
    /* New file (fails when it exists); mode and owner (-1 = own) before content; synced. */
    enum rc (*write_new)(struct host *h, const char *path, struct str data, uint32_t mode,
                         int64_t uid, int64_t gid, struct err *err);
    enum rc (*replace)(struct host *h, const char *from, const char *to, struct err *err);
    enum rc (*unlink)(struct host *h, const char *path, struct err *err); /* absent is success */
    enum rc (*mkdir)(struct host *h, const char *path, uint32_t mode, struct err *err);
    /* argv without a shell; output joined and cut; RC_OK whatever the status. */
    enum rc (*exec)(struct host *h, const char *const argv[], struct buf *out, int *ret_status,
                    struct err *err);
    void (*close)(struct host *h);
};

struct host { /* first member of every implementation */
    const struct host_ops *ops;
    struct ctx *ctx;
};

/* Settings every SSH-reached connector shares; embed as first fields with HOST_FIELDS(S). */
struct host_settings {
    const char *via; /* "local" or "ssh" */
    const char *host;
    int64_t port;
    const char *user;
    const char *auth; /* "key" or "password" */
    struct secret_ref private_key, password;
    const char *host_key; /* "SHA256:..." */
};

/* field_prefix: secrets' field names are "private_key" and "password". Test hook: ctx->engine may
 * provide another opener, see host_open_override in the contract tests. */
MUST enum rc host_open(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                       struct err *err);
void host_close(struct host *h); /* NULL-safe */
void host_cleanup(struct host **h);

#endif
