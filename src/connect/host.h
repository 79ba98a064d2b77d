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
    /* A local file of any size to a new file there, synced. Optional. */
    enum rc (*put)(struct host *h, const char *file, const char *path, uint32_t mode,
                   struct err *err);
};

struct host { /* first member of every implementation */
    const struct host_ops *ops;
    struct ctx *ctx;
    int64_t exec_max; /* microseconds a command may take; 0 = two minutes */
};

/* Settings every connector that changes files has; embed as the first member. */
struct host_settings {
    const char *via; /* "local" or "ssh" */
    const char *host;
    int64_t port;
    const char *user;
    const char *auth; /* "key" or "password" */
    struct secret_ref private_key, password;
    const char *host_key; /* "SHA256:..." */
};

extern const struct field_choice host_via_choices[], host_auth_choices[];

/* First lines of the field table. */
#define HOST_FIELDS                                                                                \
    FIELD_ENUM(struct host_settings, via, .dflt = "local", .choices = host_via_choices,            \
               .label = {"Reached by", "接続方法"},                                                \
               .help = {"This machine itself, or another one over SSH.",                           \
                        "本サーバー自身か、SSHで接続する別のサーバーかを選びます。"}),             \
        FIELD_HOST(struct host_settings, host, .flags = FIELD_REQUIRED, .only_if = "via=ssh",      \
                   .label = {"Host", "ホスト"},                                                    \
                   .help = {"Name or address of the SSH server.",                                  \
                            "SSHサーバーのホスト名またはアドレスです。"},                          \
                   .example = "web1.example.jp"),                                                  \
        FIELD_PORT(struct host_settings, port, .dflt = "22", .only_if = "via=ssh",                 \
                   .label = {"SSH port", "SSHポート"}, .help = {"Usually 22.", "通常は22です。"}), \
        FIELD_STR(struct host_settings, user, .flags = FIELD_REQUIRED, .only_if = "via=ssh",       \
                  .max = 64, .label = {"SSH user", "SSHユーザー"},                                 \
                  .help = {"Must be allowed to write the files and to reload.",                    \
                           "ファイルの書き込みと再読み込みの権限が必要です。"},                    \
                  .example = "deploy"),                                                            \
        FIELD_ENUM(struct host_settings, auth, .dflt = "key", .only_if = "via=ssh",                \
                   .choices = host_auth_choices, .label = {"Log in with", "認証方法"},             \
                   .help = {"A private key is recommended.", "秘密鍵を推奨します。"}),             \
        FIELD_SECRET(struct host_settings, private_key, .flags = FIELD_REQUIRED | FIELD_MULTILINE, \
                     .only_if = "auth=key", .max = 16384,                                          \
                     .label = {"SSH private key", "SSH秘密鍵"},                                    \
                     .help = {"PEM or OpenSSH format, without a passphrase.",                      \
                              "パスフレーズなしのPEMまたはOpenSSH形式です。"}),                    \
        FIELD_SECRET(struct host_settings, password, .flags = FIELD_REQUIRED,                      \
                     .only_if = "auth=password", .max = 1024,                                      \
                     .label = {"SSH password", "SSHパスワード"},                                   \
                     .help = {"Kept sealed.", "暗号化して保管します。"}),                          \
        FIELD_STR(struct host_settings, host_key, .only_if = "via=ssh", .max = 500,                \
                  .label = {"Host key", "ホスト鍵"},                                               \
                  .help = {"SHA256 fingerprint of the server; the connection test shows it.",      \
                           "サーバーのSHA256フィンガープリントです。接続テストで確認できます。"},  \
                  .example = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")

/* Through ctx->host_open when that is set. */
MUST enum rc host_open(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                       struct err *err);
/* When a command that starts now must have ended, on the monotonic clock. */
int64_t host_exec_until(const struct host *h);
void host_close(struct host *h); /* NULL-safe */
void host_cleanup(struct host **h);

/* The two implementations, opened by host_open(). */
MUST enum rc host_local_open(struct ctx *ctx, struct host **ret, struct err *err);
MUST enum rc host_ssh_open(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                           struct err *err);

#endif
