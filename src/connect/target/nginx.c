/* nginx: certificate and key files, "nginx -t" before and "nginx -s reload" after. */
#include "connect/target/filedeploy.h"

static const struct field fields[] = {
    HOST_FIELDS,
    FIELD_STR(struct file_settings, test_command, .flags = FIELD_ADVANCED, .dflt = "nginx -t",
              .max = 1000, .label = {"Test command", "検査コマンド"},
              .help = {"Run before the reload; a failure puts the old files back.",
                       "再読み込みの前に実行し、失敗時は元のファイルに戻します。"}),
    FIELD_STR(struct file_settings, reload_command, .flags = FIELD_ADVANCED,
              .dflt = "nginx -s reload", .max = 1000,
              .label = {"Reload command", "再読み込みコマンド"},
              .help = {"Makes nginx read the files again.", "nginxにファイルを読み直させます。"}),
    FIELD_PATH(struct file_settings, config, .flags = FIELD_ADVANCED,
               .label = {"Configuration file", "設定ファイル"},
               .help = {"Given to both commands as -c, when it is not nginx's default.",
                        "既定以外の設定ファイルを使う場合に、両コマンドへ -c として渡します。"},
               .example = "/etc/nginx/nginx.conf"),
    FILE_TIMEOUT_FIELD,
    FIELD_END,
};

static const struct field place_fields[] = {
    FIELD_PATH(struct file_place, cert_path, .flags = FIELD_REQUIRED,
               .label = {"ssl_certificate file", "ssl_certificate のファイル"},
               .help = {"Certificate and intermediates.", "証明書と中間証明書を書き込みます。"},
               .example = "/etc/nginx/ssl/www.crt"),
    FIELD_PATH(struct file_place, key_path, .flags = FIELD_REQUIRED,
               .label = {"ssl_certificate_key file", "ssl_certificate_key のファイル"},
               .help = {"Private key in PKCS#8 PEM.", "PKCS#8 PEM形式の秘密鍵です。"},
               .example = "/etc/nginx/ssl/www.key"),
    FILE_PLACE_FIELDS,
    FIELD_END,
};

extern const struct target_ops target_nginx;
const struct target_ops target_nginx = {
    .head = {.id = "nginx",
             .name = {"nginx", "nginx"},
             .about = {"Replaces nginx's certificate and key, tests and reloads it.",
                       "nginxの証明書と秘密鍵を置き換え、検査のうえ再読み込みします。"},
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
