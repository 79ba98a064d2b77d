/* licence show, licence import, licence trust. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "base/os/file.h"
#include "crypto/digest.h"
#include "crypto/licence.h"

static int licence_show(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", "/licence", STR_NONE, &j, err));
    return cli_show(c, j);
}

/* A file far too large is not read to its end, and never sent. */
static enum rc read_file(const char *path, struct buf *ret, struct err *err)
{
    enum rc rc = file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, ret, err);
    if (rc == RC_INPUT)
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("licence.too_large",
                        "the file is larger than any licence ({0} bytes at most)",
                        "ファイルが大きすぎます（ライセンスファイルは最大 {0} バイトです）"),
                    NUM(LICENCE_MAX_BYTES));
    return rc;
}

/* {"name": text} */
static enum rc send_text(struct cli *c, const char *path, const char *name, struct str text,
                         struct json **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_key(&w, name);
    jw_strn(&w, text.n > 0 ? text : STR(" "));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return cli_call(c, "POST", path, buf_str(&b), ret, err);
}

/* In the order given: the vendor's change of key, then the licence of the new key. */
static int licence_import(struct cli *c, struct err *err)
{
    AUTO(json) struct json *last = NULL;
    for (size_t i = 0; i < c->arg_count; i++) {
        AUTO(buf) struct buf text = BUF(LICENCE_MAX_BYTES);
        AUTO(json) struct json *j = NULL;
        CLI_TRY(read_file(c->args[i], &text, err));
        CLI_TRY(send_text(c, "/licence", "file", buf_str(&text), &j, err));
        json_free(last);
        last = TAKE(j);
    }
    return cli_show(c, last);
}

/* A person compares the fingerprint with what the vendor says; only a terminal can be asked. */
static enum rc ask_trust(struct cli *c, const struct licence_key *k, struct err *err)
{
    char sum[65], answer[8] = "";
    bool ja = cli_ja(c);
    sha256_hex((struct str){(const char *)k->pub, sizeof k->pub}, sum);
    (void)fprintf(stderr, ja ? "鍵 ID:  %s\nSHA-256: %s\n" : "key id:  %s\nSHA-256: %s\n", k->id,
                  sum);
    if (cli_opt(c, "yes"))
        return RC_OK;
    CHECK(isatty(STDIN_FILENO), err, RC_INPUT, BLAME_INPUT,
          MSG("cli.ask",
              "nobody can be asked here; compare the fingerprint with the vendor's, then use --yes",
              "確認を入力できません。ベンダーの公開鍵と照合したうえで --yes を指定してください"));
    (void)fputs(ja ? "このベンダーのライセンスを受け入れますか？ [y/N] "
                   : "take licences of this vendor? [y/N] ",
                stderr);
    bool yes = fgets(answer, sizeof answer, stdin) != NULL && (answer[0] | 0x20) == 'y';
    CHECK(yes, err, RC_CANCELLED, BLAME_INPUT,
          MSG("cli.not_trusted", "nothing was changed", "変更しませんでした"));
    return RC_OK;
}

static int licence_trust(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf text = BUF(LICENCE_MAX_BYTES);
    struct licence_key k;
    const char *remove = cli_opt(c, "remove");
    if ((remove != NULL) == (c->arg_count > 0)) {
        if (FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("cli.trust_what", "name a file with a public key, or --remove KEY-ID",
                     "公開鍵ファイル、または --remove 鍵ID を指定してください")) != RC_OK)
            return -1;
    }
    if (remove) {
        CLI_TRY(
            cli_call(c, "DELETE", cli_path(c, "/licence/keys/", remove, ""), STR_NONE, &j, err));
        return cli_show(c, j);
    }
    CLI_TRY(read_file(c->args[0], &text, err));
    CLI_TRY(licence_key_read(buf_str(&text), &k, err));
    CLI_TRY(ask_trust(c, &k, err));
    CLI_TRY(send_text(c, "/licence/keys", "key", str_trim(buf_str(&text)), &j, err));
    return cli_show(c, j);
}

static const struct cli_command commands[] = {
    {"licence",
     "show",
     "",
     0,
     0,
     {"what the licence covers and what is used", "ライセンスの内容と利用数"},
     licence_show,
     NULL,
     NULL,
     false},
    {"licence",
     "import",
     "FILE...",
     1,
     ARGS_MAX,
     {"import a licence file, or the vendor's change of key",
      "ライセンスファイル・鍵変更ファイルを取り込む"},
     licence_import,
     NULL,
     NULL,
     false},
    {"licence",
     "trust",
     "FILE | --remove KEY-ID",
     0,
     1,
     {"take licences of one more vendor key (on the server itself)",
      "ベンダーの公開鍵を登録・削除（サーバー上でのみ）"},
     licence_trust,
     OPTIONS({"yes", NULL, {"the fingerprint was compared", "フィンガープリントを確認済み"}},
             {"remove", "KEY-ID", {"take no more of this key", "この鍵を削除"}}),
     NULL,
     false},
};
const struct cli_command_set cli_set_licence = {commands, COUNT_OF(commands)};
