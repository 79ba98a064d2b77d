/* Any service that reads PEM files: the files are replaced, then a command reloads it. */
#include "connect/target/filedeploy.h"

static const struct field fields[] = {
    HOST_FIELDS,
    FIELD_STR(
        struct file_settings, test_command, .max = 1000, .label = {"Test command", "検査コマンド"},
        .help = {"Run before the reload; a status other than 0 puts the old files back. No "
                 "shell.",
                 "再読み込みの前に実行し、失敗時は元のファイルに戻します。シェルは介しません。"},
        .example = "apachectl configtest"),
    FIELD_STR(struct file_settings, reload_command, .max = 1000,
              .label = {"Reload command", "再読み込みコマンド"},
              .help = {"Makes the service read the files again. No shell.",
                       "サービスにファイルを読み直させます。シェルは介しません。"},
              .example = "systemctl reload apache2"),
    FILE_TIMEOUT_FIELD,
    FIELD_END,
};

static const struct field place_fields[] = {
    FIELD_PATH(
        struct file_place, cert_path, .label = {"Certificate file", "証明書ファイル"},
        .help = {"The whole chain; the certificate alone when a chain file is given.",
                 "チェーン全体を書き込みます。中間証明書ファイルを指定した場合は証明書のみです。"},
        .example = "/etc/ssl/www/fullchain.pem"),
    FIELD_PATH(struct file_place, chain_path, .label = {"Intermediates file", "中間証明書ファイル"},
               .help = {"Only for services that want it apart.",
                        "中間証明書を別ファイルで読むサービス用です。"},
               .example = "/etc/ssl/www/chain.pem"),
    FIELD_PATH(struct file_place, key_path, .label = {"Key file", "秘密鍵ファイル"},
               .help = {"Private key in PKCS#8 PEM.", "PKCS#8 PEM形式の秘密鍵です。"},
               .example = "/etc/ssl/www/key.pem"),
    FIELD_PATH(struct file_place, combined_path, .label = {"Combined file", "結合ファイル"},
               .help = {"Chain and key in one PEM file, as HAProxy reads it.",
                        "チェーンと秘密鍵を1つにまとめたPEMです（HAProxyなど）。"},
               .example = "/etc/haproxy/certs/www.pem"),
    FILE_PLACE_FIELDS,
    FIELD_END,
};

extern const struct target_ops target_files;
const struct target_ops target_files = {
    .head = {.id = "files",
             .name = {"Files and a reload", "ファイルと再読み込み"},
             .about =
                 {"Writes PEM files on this machine or over SSH, then runs a reload command.",
                  "本サーバーまたはSSH先にPEMファイルを書き込み、再読み込みコマンドを実行します。"},
             .fields = fields,
             .settings_size = sizeof(struct file_settings),
             .check = filedeploy_check},
    .place_fields = place_fields,
    .place_size = sizeof(struct file_place),
    .plan = filedeploy_plan,
    .apply = filedeploy_apply,
    .undo = filedeploy_undo,
    .forget = filedeploy_forget,
    .endpoints = filedeploy_endpoints,
};
