/*
 * Shared by the targets that are files and a reload. Call order: as the slots of target_ops.
 *
 * A receipt names every file, whether it was there, its mode, owner, old and new hash, and where
 * its backup lies; it is saved before the first change, so that any later moment can be undone or
 * repeated: the content of a file is always the old or the new one, and its hash tells which.
 */
#ifndef INRO_CONNECT_TARGET_FILEDEPLOY_H
#define INRO_CONNECT_TARGET_FILEDEPLOY_H

#include "connect/connect.h"
#include "connect/host.h"

struct file_settings {
    struct host_settings host;
    const char *test_command, *reload_command;
    int64_t command_timeout; /* seconds, of either command */
    const char *config;      /* nginx: appended to both commands as -c */
};

struct file_place {
    const char *cert_path, *chain_path, *key_path, *combined_path;
    const char *cert_mode, *key_mode, *owner, *group;
    struct str_list verify;
    const char *sni;
};

extern const struct field_choice file_cert_modes[], file_key_modes[];

/* Last lines of a place's field table. */
#define FILE_TIMEOUT_FIELD                                                                         \
    FIELD_SECS(struct file_settings, command_timeout, .flags = FIELD_ADVANCED, .dflt = "120",      \
               .min = 1, .max = 540, .label = {"Command timeout", "コマンドの制限時間"},           \
               .help = {"A test or reload that takes longer is stopped, and the files go back.",   \
                        "検査や再読み込みがこれより長い場合は停止し、ファイルを元に戻します。"})

#define FILE_PLACE_FIELDS                                                                          \
    FIELD_ENUM(struct file_place, cert_mode, .flags = FIELD_ADVANCED, .choices = file_cert_modes,  \
               .label = {"Certificate file mode", "証明書ファイルの権限"},                         \
               .help = {"Empty: as the old file, or 0644.",                                        \
                        "空欄の場合は既存ファイルと同じ、なければ0644です。"}),                    \
        FIELD_ENUM(struct file_place, key_mode, .flags = FIELD_ADVANCED,                           \
                   .choices = file_key_modes, .label = {"Key file mode", "秘密鍵ファイルの権限"},  \
                   .help = {"Empty: as the old file, or 0600.",                                    \
                            "空欄の場合は既存ファイルと同じ、なければ0600です。"}),                \
        FIELD_STR(struct file_place, owner, .flags = FIELD_ADVANCED, .max = 64,                    \
                  .label = {"Owner", "所有者"},                                                    \
                  .help = {"Name or number; empty: as the old file.",                              \
                           "名前または番号です。空欄の場合は既存ファイルと同じです。"},            \
                  .example = "root"),                                                              \
        FIELD_STR(struct file_place, group, .flags = FIELD_ADVANCED, .max = 64,                    \
                  .label = {"Group", "グループ"},                                                  \
                  .help = {"Name or number; empty: as the old file.",                              \
                           "名前または番号です。空欄の場合は既存ファイルと同じです。"},            \
                  .example = "ssl-cert"),                                                          \
        FIELD_LIST(struct file_place, verify, .max = 32, .label = {"Verify at", "確認先"},         \
                   .help = {"host:port entries where the certificate must be seen afterwards.",    \
                            "配布後に証明書を確認する「ホスト:ポート」の一覧です。"},              \
                   .example = "www.example.jp:443"),                                               \
        FIELD_HOST(struct file_place, sni, .label = {"Server name (SNI)", "サーバー名（SNI）"},    \
                   .help = {"Empty: the certificate's first name.",                                \
                            "空欄の場合は証明書の最初の名前です。"},                               \
                   .example = "www.example.jp")

MUST enum rc filedeploy_check(struct ctx *ctx, const void *settings, struct l10n *ret_seen,
                              struct err *err);
MUST enum rc filedeploy_plan(struct ctx *ctx, const void *settings, const void *place,
                             const struct bundle *b, struct plan *ret, struct err *err);
MUST enum rc filedeploy_apply(struct ctx *ctx, const void *settings, const void *place,
                              const struct bundle *b, const struct json *receipt, struct err *err);
MUST enum rc filedeploy_undo(struct ctx *ctx, const void *settings, const void *place,
                             const struct json *receipt, struct err *err);
MUST enum rc filedeploy_forget(struct ctx *ctx, const void *settings, const void *place,
                               const struct json *receipt, const struct json *before,
                               struct err *err);
MUST enum rc filedeploy_endpoints(const void *settings, const void *place, struct arena *a,
                                  const struct verify_at **ret, size_t *ret_n, struct err *err);

#endif
