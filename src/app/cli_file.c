/* Files in and out: importing certificates, writing them, with their keys or without. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "base/base64.h"
#include "base/os/file.h"

enum { BODY_MAX = 4 << 20 };

static bool is_pem(struct str s)
{
    return memmem(s.p, s.n, "-----BEGIN ", 11) != NULL;
}

/* PEM files are joined; one binary file goes alone. */
static enum rc put_files(struct cli *c, struct json_writer *w, struct err *err)
{
    AUTO(buf) struct buf pem = BUF_SECRET(BODY_MAX), b64 = BUF_SECRET(BODY_MAX);
    struct str text = STR("");
    bool all_pem = true;
    for (size_t i = 0; i < c->arg_count; i++) {
        TRY(cli_file(c, c->args[i], false, &text, err));
        all_pem = all_pem && is_pem(text);
        buf_addstr(&pem, text);
        buf_addc(&pem, '\n');
    }
    CHECK(all_pem || c->arg_count == 1, err, RC_INPUT, BLAME_INPUT,
          MSG("cli.import_mixed", "give a DER, PKCS#7 or PKCS#12 file alone",
              "DER、PKCS#7、PKCS#12 のファイルは 1 つだけ指定してください"));
    if (!all_pem)
        base64_add(&b64, text.p, text.n);
    TRY(buf_ok(&pem, err));
    TRY(buf_ok(&b64, err));
    jw_key(w, all_pem ? "pem" : "data");
    jw_strn(w, all_pem ? buf_str(&pem) : buf_str(&b64));
    return RC_OK;
}

static enum rc put_password(struct cli *c, struct json_writer *w, struct err *err)
{
    const char *file = cli_opt(c, "password-file");
    struct str text;
    if (!file)
        return RC_OK;
    TRY(cli_file(c, file, true, &text, err));
    jw_key(w, "password");
    jw_strn(w, text);
    return RC_OK;
}

int cli_cert_import(struct cli *c, struct err *err)
{
    static const char *const same[] = {"name", "pick", "group"};
    AUTO(json) struct json *j = NULL;
    AUTO(buf) struct buf b = BUF_SECRET(BODY_MAX);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    CLI_TRY(put_files(c, &w, err));
    for (size_t i = 0; i < COUNT_OF(same); i++)
        if (cli_opt(c, same[i]))
            jw_kstr(&w, same[i], cli_opt(c, same[i]));
    cli_put_list(c, "tag", "tags", &w);
    CLI_TRY(put_password(c, &w, err));
    jw_end_object(&w);
    CLI_TRY(buf_ok(&b, err));
    CLI_TRY(cli_call(c, "POST", "/certs/import", buf_str(&b), &j, err));
    if (json_bool_or(j, "weak_container", false))
        (void)fprintf(stderr, "%s\n",
                      cli_ja(c) ? "警告: このファイルは弱い暗号（RC2 など）で保護されています。"
                                : "warning: the file is protected by a weak cipher (RC2 or such)");
    if (json_len(json_get(j, "unusual")) > 0) {
        AUTO(buf) struct buf list = BUF(4096);
        for (size_t i = 0; i < json_len(json_get(j, "unusual")); i++)
            buf_addf(&list, "%s%s", i ? ", " : "", json_as_str(json_at(json_get(j, "unusual"), i)));
        (void)fprintf(stderr,
                      cli_ja(c) ? "警告: この証明書には異常な点があります: %s\n"
                                : "warning: this certificate is unusual: %s\n",
                      buf_cstr(&list));
    }
    return cli_show(c, j);
}

static enum rc fetch_with_key(struct cli *c, const char *format, struct str *ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF_SECRET(BODY_MAX);
    struct json_writer w = JSON_WRITER(&b);
    const char *version = cli_opt(c, "version");
    int64_t id = 0;
    CHECK(!version || str_to_i64(str_from(version), 1, INT64_MAX, &id), err, RC_INPUT, BLAME_INPUT,
          MSG("cli.version", "--version takes a number", "--version には番号を指定してください"));
    jw_object(&w);
    jw_kstr(&w, "format", format);
    TRY(put_password(c, &w, err));
    if (id)
        jw_ki64(&w, "version", id);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return cli_raw(c, "POST", cli_path(c, "/certs/", c->args[0], "/export"), buf_str(&b), NULL, ret,
                   err);
}

/* A file of 0600, or standard output unless bytes would land on a terminal. */
static enum rc write_out(struct cli *c, const char *format, struct str body, struct err *err)
{
    const char *out = cli_opt(c, "out");
    if (out)
        return file_write_atomic(out, body, 0600, (uid_t)-1, (gid_t)-1, err);
    CHECK(strcmp(format, "pem") == 0 || !isatty(1), err, RC_INPUT, BLAME_INPUT,
          MSG("cli.binary", "{0} is binary: add --out FILE",
              "{0} はバイナリです。--out でファイルを指定してください"),
          format);
    (void)fwrite(body.p, 1, body.n, stdout);
    return RC_OK;
}

int cli_cert_export(struct cli *c, struct err *err)
{
    const char *format = cli_opt(c, "format") ? cli_opt(c, "format") : "pem";
    bool sealed = strcmp(format, "pkcs12") == 0 || strcmp(format, "jks") == 0;
    struct str body;
    if (sealed && !cli_opt(c, "password-file")) {
        (void)(FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("cli.export_password",
                        "{0} holds the key: name the file's password with --password-file",
                        "{0} には鍵が含まれます。--password-file でパスワードを指定してください"),
                    format) == RC_OK);
        return -1;
    }
    if (cli_opt(c, "password-file")) {
        CLI_TRY(fetch_with_key(c, format, &body, err));
    } else {
        const char *path = cli_path(c, "/certs/", c->args[0], "/export?format=");
        path = path ? cli_path(c, path, format, NULL) : NULL;
        CLI_TRY(cli_raw(c, "GET", path, STR_NONE, NULL, &body, err));
    }
    if (c->json && !cli_opt(c, "out") && strcmp(format, "pem") == 0) {
        AUTO(buf) struct buf b = BUF(BODY_MAX);
        struct json_writer w = JSON_WRITER(&b);
        jw_object(&w);
        jw_key(&w, "pem");
        jw_strn(&w, body);
        jw_end_object(&w);
        (void)printf("%s\n", buf_cstr(&b));
        return 0;
    }
    CLI_TRY(write_out(c, format, body, err));
    return 0;
}

int cli_cert_csr(struct cli *c, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    CLI_TRY(cli_call(c, "GET", cli_path(c, "/certs/", c->args[0], "/csr"), STR_NONE, &j, err));
    if (c->json)
        cli_json(j);
    else
        (void)fputs(json_str_or(j, "csr", ""), stdout);
    return 0;
}
