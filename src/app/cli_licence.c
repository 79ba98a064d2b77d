/* licence show, licence import. */
#include <string.h>

#include "app/cli_priv.h"
#include "base/os/file.h"
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

static int licence_import(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf text = BUF(LICENCE_MAX_BYTES), b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    CLI_TRY(read_file(c->args[0], &text, err));
    jw_object(&w);
    jw_key(&w, "file");
    jw_strn(&w, text.len > 0 ? buf_str(&text) : STR(" "));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/licence", buf_str(&b), &j, err));
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
     "FILE",
     1,
     1,
     {"import a licence file", "ライセンスファイルを取り込む"},
     licence_import,
     NULL,
     NULL,
     false},
};
const struct cli_command_set cli_set_licence = {commands, COUNT_OF(commands)};
