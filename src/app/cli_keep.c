/*
 * Backups, the master key, and the end of a hold. Invariant: a passphrase comes from a file or from
 * standard input, never from an argument; FILE appears only when it is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "app/init.h"
#include "base/os/file.h"
#include "crypto/digest.h"
#include "crypto/keyring.h"

static enum rc no_passphrase(const char *option, struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("cli.passphrase", "--{0} FILE is needed, or - for standard input",
                    "--{0} FILE または - （標準入力）を指定してください"),
                option);
}

/* {"passphrase": ..., "current": ...} from files. */
static enum rc pass_body(struct cli *c, const char *option, const char *key, bool needed,
                         struct json_writer *w, struct err *err)
{
    const char *path = cli_opt(c, option);
    struct str text;
    if (!path)
        return needed ? no_passphrase(option, err) : RC_OK;
    TRY(cli_file(c, path, true, &text, err));
    jw_key(w, key);
    jw_strn(w, text);
    return RC_OK;
}

static enum rc copy_file(const char *from, const char *to, struct err *err)
{
    char piece[65536];
    ssize_t n;
    AUTO(fd) int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return file_fail(err, from, errno);
    AUTO(fd) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return file_fail(err, to, errno);
    while ((n = read(in, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_fail(err, from, errno);
        TRY(fd_write_all(out, piece, (size_t)n, err));
    }
    return fsync(out) == 0 ? RC_OK : file_fail(err, to, errno);
}

/* Out of the data directory to where the person wants it; an existing file is never replaced. */
static enum rc take_out(struct cli *c, const char *name, const char *to, struct err *err)
{
    const char *from = arena_printf(c->a, "%s/backup/%s", c->data, name);
    const char *part = arena_printf(c->a, "%s.part", to);
    if (!from || !part)
        return NOMEM(err);
    (void)unlink(part);
    enum rc rc = copy_file(from, part, err);
    if (rc == RC_OK && link(part, to) != 0) /* unlike rename, this refuses an existing name */
        rc = file_fail(err, to, errno);
    (void)unlink(part);
    TRY(rc);
    const char *slash = strrchr(to, '/');
    const char *dir =
        slash ? arena_str(c->a, (struct str){to, (size_t)(slash - to) + (slash == to)}) : ".";
    TRY(dir ? dir_sync(dir, err) : NOMEM(err));
    (void)unlink(from);
    return RC_OK;
}

static int backup_make(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET(65536);
    AUTO(json) struct json *j = NULL, *job = NULL;
    struct json_writer w = JSON_WRITER(&b);
    const char *to = c->args[0];
    int status = 0;
    if (c->server && FAIL(err, RC_INPUT, BLAME_INPUT,
                          MSG("cli.local", "run this on the server of Inro itself",
                              "Inro のサーバー上で実行してください")) != RC_OK)
        return -1;
    if (access(to, F_OK) == 0 && file_fail(err, to, EEXIST) != RC_OK)
        return -1;
    jw_object(&w);
    CLI_TRY(pass_body(c, "passphrase-file", "passphrase", true, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/backups", buf_str(&b), &j, err));
    CLI_TRY(cli_follow(c, json_i64_or(j, "job.id", 0), &status, &job, err));
    if (status == 0)
        CLI_TRY(take_out(c, json_str_or(job, "progress.file", ""), to, err));
    if (c->json)
        cli_json(job);
    else if (status == 0)
        (void)printf(cli_ja(c) ? "%s に保存しました（%lld バイト）\n" : "%s: %lld bytes\n", to,
                     (long long)json_i64_or(job, "progress.bytes", 0));
    return status;
}

static int unseal(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET(65536);
    AUTO(json) struct json *j = NULL;
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    CLI_TRY(pass_body(c, "passphrase-file", "passphrase", true, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/system/unseal", buf_str(&b), &j, err));
    return cli_show(c, j);
}

static int key_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", "/system/key", STR_NONE, &j, err));
    return cli_show(c, j);
}

/* The vault has no passphrase-less file written while it runs: done under the directory's lock. */
static enum rc remove_passphrase(struct cli *c, struct err *err)
{
    struct config config = {.data = c->data};
    AUTO(fd) int lock = -1;
    AUTO(buf) struct buf file = BUF_SECRET(KEYRING_FILE_MAX);
    AUTO(buf) struct buf text = BUF_SECRET(KEYRING_FILE_MAX);
    const char *path = arena_printf(c->a, "%s/master.key", c->data);
    const char *pass_file = cli_opt(c, "passphrase-file");
    struct keyring *k = NULL;
    struct str pass;
    if (!path)
        return NOMEM(err);
    if (!pass_file)
        return no_passphrase("passphrase-file", err);
    crypto_init();
    TRY(cli_file(c, pass_file, true, &pass, err));
    const char *now = arena_str(c->a, pass);
    TRY(now ? init_lock(&config, c->a, &lock, err) : NOMEM(err));
    TRY(file_read_private(path, &file, err));
    TRY(keyring_load(buf_str(&file), now, &k, err));
    enum rc rc = keyring_passphrase(k, now, NULL, err);
    keyring_text(k, &text);
    keyring_destroy(k);
    TRY(rc);
    TRY(buf_ok(&text, err));
    return file_write_atomic(path, buf_str(&text), 0600, (uid_t)-1, (gid_t)-1, err);
}

static int key_passphrase(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET(65536);
    AUTO(json) struct json *j = NULL;
    struct json_writer w = JSON_WRITER(&b);
    if (cli_opt(c, "remove")) {
        CLI_TRY(remove_passphrase(c, err));
        return 0;
    }
    jw_object(&w);
    CLI_TRY(pass_body(c, "passphrase-file", "current", false, &w, err));
    CLI_TRY(pass_body(c, "new-passphrase-file", "passphrase", true, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/system/key/passphrase", buf_str(&b), &j, err));
    if (!c->json)
        (void)fprintf(stderr, "%s",
                      cli_ja(c) ? "passphrase-file を設定している場合は、その内容も変更してください"
                                  "。設定がない場合は起動後に inro unseal が必要です。\n"
                                : "change the file named by passphrase-file too; without one, each "
                                  "start needs inro unseal.\n");
    return cli_show(c, j);
}

static int key_rotate(struct cli *c, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET(65536);
    AUTO(json) struct json *j = NULL, *job = NULL;
    struct json_writer w = JSON_WRITER(&b);
    int status = 0;
    bool only_move = cli_opt(c, "continue") != NULL;
    jw_object(&w);
    CLI_TRY(pass_body(c, "passphrase-file", "current", false, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(only_move ? cli_call(c, "POST", "/system/key/move", STR_NONE, &j, err)
                      : cli_call(c, "POST", "/system/key/rotate", buf_str(&b), &j, err));
    if (!cli_opt(c, "no-wait"))
        CLI_TRY(cli_follow(c, json_i64_or(j, "job.id", 0), &status, &job, err));
    if (c->json)
        cli_json(job ? job : j);
    return status;
}

static int confirm(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "POST", "/system/confirm", STR_NONE, &j, err));
    if (c->json)
        cli_json(j);
    else
        (void)printf("%s\n", cli_ja(c) ? "保留を解除しました" : "the hold has ended");
    return 0;
}

#define PASS_FILE(en, ja)                                                                          \
    {                                                                                              \
        "passphrase-file", "F",                                                                    \
        {                                                                                          \
            en, ja                                                                                 \
        }                                                                                          \
    }
#define NO_WAIT                                                                                    \
    {                                                                                              \
        "no-wait", NULL,                                                                           \
        {                                                                                          \
            "do not wait for the result", "結果を待たない"                                  \
        }                                                                                          \
    }
#define STORE(verb_, args_, n, en, ja, fn, ...)                                                    \
    {                                                                                              \
        "backup-store", verb_, args_, n, n, {en, ja}, fn, __VA_ARGS__                              \
    }

static const struct cli_command commands[] = {
    {"backup",
     NULL,
     "FILE --passphrase-file F",
     1,
     1,
     {"one encrypted file that a new machine can be made from", "暗号化したバックアップを作成"},
     backup_make,
     OPTIONS(PASS_FILE("of the backup, at least 8 characters", "バックアップのパスフレーズ")),
     NULL,
     false},
    STORE("add", "NAME --type folder ...", 1, "add a place for scheduled backups",
          "定期バックアップ先を追加", cli_conn_add,
          OPTIONS({"type", "TYPE", {"folder (disk or SFTP)", "種類"}}), "backup", true),
    STORE("list", "", 0, "list the places of backups", "バックアップ先の一覧", cli_conn_list, NULL,
          "backup", false),
    STORE("show", "NAME", 1, "show one, with its last backup", "バックアップ先を表示",
          cli_conn_show, NULL, "backup", false),
    STORE("check", "NAME", 1, "test that it can be written", "接続テスト", cli_conn_job,
          OPTIONS(NO_WAIT), "backup", false),
    STORE("run", "NAME", 1, "make a backup there now", "今すぐバックアップ", cli_conn_job,
          OPTIONS(NO_WAIT), "backup", false),
    STORE("remove", "NAME", 1, "remove a place of backups", "バックアップ先を削除", cli_conn_remove,
          NULL, "backup", false),
    {"confirm-restore",
     NULL,
     "",
     0,
     0,
     {"this installation is the one to run", "復元後の保留を解除"},
     confirm,
     NULL,
     NULL,
     false},
    {"unseal",
     NULL,
     "--passphrase-file F",
     0,
     0,
     {"load the master key", "マスター鍵を読み込む"},
     unseal,
     OPTIONS(PASS_FILE("of the master key", "マスター鍵のパスフレーズ")),
     NULL,
     false},
    {"key",
     "show",
     "",
     0,
     0,
     {"state of the master key", "マスター鍵の状態"},
     key_show,
     NULL,
     NULL,
     false},
    {"key",
     "passphrase",
     "--new-passphrase-file F",
     0,
     0,
     {"set or change the passphrase of the master key", "マスター鍵のパスフレーズを変更"},
     key_passphrase,
     OPTIONS(PASS_FILE("the present one", "現在のパスフレーズ"),
             {"new-passphrase-file", "F", {"the new one", "新しいパスフレーズ"}},
             {"remove", NULL, {"go on without one (Inro stopped)", "取り除く（停止中のみ）"}}),
     NULL,
     false},
    {"key",
     "rotate",
     "",
     0,
     0,
     {"move everything to a new master key", "マスター鍵を交換"},
     key_rotate,
     OPTIONS(PASS_FILE("of the master key, if it has one", "マスター鍵のパスフレーズ"),
             {"continue", NULL, {"only go on with what is left", "残りの移行だけを続ける"}},
             NO_WAIT),
     NULL,
     false},
};
const struct cli_command_set cli_set_keep = {commands, COUNT_OF(commands)};
