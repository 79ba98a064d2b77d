/*
 * The command line as typed: the command is found wherever options stand, each value is where it
 * belongs, and no secret is ever taken from an argument or told in an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "base/os/file.h"

#define CLEAR "M4RK-clear-secret"

static struct cli c;
static struct err err;
static char dir[64], path[96];

static int start(void **state)
{
    (void)state;
    json_init();
    snprintf(dir, sizeof dir, "/tmp/inro-args-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/secret", dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static int begin(void **state)
{
    (void)state;
    c = (struct cli){.a = arena_create(0), .lang = "en"};
    return c.a ? 0 : 1;
}

static int finish(void **state)
{
    (void)state;
    arena_destroy(c.a);
    return 0;
}

/* Words of a line; "inro" comes before them. */
static enum rc parse(const char *line)
{
    static char *argv[1024];
    int argc = 0;
    struct str rest = str_from(line), word;
    struct arena *a = c.a;
    c = (struct cli){.a = a, .lang = "en"};
    err = (struct err){0};
    argv[argc++] = "inro";
    while (rest.n > 0 && argc < 1023 && str_split(&rest, ' ', &word))
        argv[argc++] = arena_str(a, word);
    argv[argc] = NULL;
    return cli_parse(&c, argc, argv, &err);
}

static void good(const char *line)
{
    if (parse(line) != RC_OK)
        fail_msg("%s: %s", line, err.en);
}

static void commands_are_found(void **state)
{
    static const struct {
        const char *line, *group, *verb;
        size_t args;
    } rows[] = {
        {"cert list", "cert", "list", 0},
        {"--json cert list", "cert", "list", 0},
        {"--data /d cert --lang ja list", "cert", "list", 0},
        {"cert show www.a.example", "cert", "show", 1},
        {"cert --json show -- --odd", "cert", "show", 1},
        {"deploy www.a.example --plan", "deploy", NULL, 1},
        {"vendor customer add N M", "vendor", "customer add", 2},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        good(rows[i].line);
        if (!c.cmd)
            fail_msg("%s: no command", rows[i].line);
        assert_string_equal(c.cmd->group, rows[i].group);
        assert_int_equal(!c.cmd->verb, !rows[i].verb);
        if (rows[i].verb)
            assert_string_equal(c.cmd->verb, rows[i].verb);
        assert_int_equal(c.arg_count, rows[i].args);
    }
    good("cert show -- --json");
    assert_string_equal(c.args[0], "--json"); /* behind -- it is a name */
    assert_false(c.json);
    good("no such");
    assert_null(c.cmd);
    good("");
    assert_null(c.cmd);
}

/* Every row can be reached by its own words, and by no other row's. */
static void every_command_has_its_words(void **state)
{
    const struct cli_command *d;
    (void)state;
    for (size_t i = 0; (d = cli_command_at(i)) != NULL; i++) {
        good(arena_printf(c.a, "%s%s%s", d->group, d->verb ? " " : "", d->verb ? d->verb : ""));
        if (c.cmd != d)
            fail_msg("inro %s %s is another command", d->group, d->verb ? d->verb : "");
        assert_true(d->help.en && d->help.ja && d->run && d->min <= d->max);
    }
}

static void options_are_read(void **state)
{
    (void)state;
    good("cert list --data=/a --data /b --json");
    assert_string_equal(cli_opt(&c, "data"), "/b"); /* the last one counts */
    assert_string_equal(cli_opt(&c, "json"), "");
    assert_null(cli_opt(&c, "lang"));
    assert_true(c.json);
    good("cert list --data=");
    assert_string_equal(cli_opt(&c, "data"), "");
    static const struct {
        const char *line, *id;
    } rows[] = {
        {"cert list --no-such", "cli.option"},    {"cert list --no-such=1", "cli.option"},
        {"cert list --json=1", "cli.no_value"},   {"cert list --data", "cli.value"},
        {"cert list --data --json", "cli.value"}, {"deploy x --plan=yes", "cli.no_value"},
        {"deploy x --target", "cli.value"},       {"cert list --=x", "cli.option"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (parse(rows[i].line) != RC_INPUT || strcmp(err.id, rows[i].id) != 0)
            fail_msg("%s: %s", rows[i].line, err.id);
        assert_true(err.ja[0]);
    }
}

static void there_is_an_end_to_arguments(void **state)
{
    (void)state;
    for (int n = ARGS_MAX; n <= ARGS_MAX + 1; n++) {
        AUTO(buf) struct buf args = BUF(65536), opts = BUF(65536);
        buf_adds(&args, "cert show");
        buf_adds(&opts, "cert list");
        for (int i = 0; i < n; i++) {
            buf_adds(&args, " x");
            buf_adds(&opts, " --json");
        }
        assert_int_equal(parse(buf_cstr(&args)), n > ARGS_MAX ? RC_INPUT : RC_OK);
        assert_int_equal(parse(buf_cstr(&opts)), n > ARGS_MAX ? RC_INPUT : RC_OK);
    }
}

/* The settings of `type` as the line gives them. */
static enum rc settings(const char *line, const char *kind, const char *type, struct json **ret)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    enum conn_kind k = CONN_CA;
    while (strcmp(conn_kind_name(k), kind) != 0)
        k++;
    good(line);
    assert_non_null(c.cmd);
    TRY(cli_settings(&c, registry_head(k, type)->fields, NULL, &w, &err));
    assert_int_equal(json_parse(buf_str(&b), ret, NULL), RC_OK);
    return RC_OK;
}

static void settings_follow_the_table(void **state)
{
    AUTO(json) struct json *j = NULL;
    (void)state;
    assert_int_equal(
        settings("notify add m --type smtp --host a.example --host b.example --port 25 "
                 "--to x@a.example --to y@a.example,z@a.example --ca-pem x --lang en",
                 "notifier", "smtp", &j),
        RC_OK);
    assert_string_equal(json_str_or(j, "host", ""), "b.example");
    assert_int_equal(json_i64_or(j, "port", 0), 25);
    assert_int_equal(json_len(json_get(j, "to")), 3);
    assert_string_equal(json_str_or(j, "to.2", ""), "z@a.example");
    assert_string_equal(json_str_or(j, "ca_pem", ""), "x");
    assert_string_equal(json_str_or(j, "lang", ""), "en"); /* here a setting, too */
    assert_null(json_get(j, "type"));
    json_free(TAKE(j));
    assert_int_equal(
        settings("ca add x --type acme --host-pin --poll-timeout 5m", "ca", "acme", &j), RC_OK);
    assert_true(json_bool_or(j, "host_pin", false)); /* a switch without a value is yes */
    assert_int_equal(json_i64_or(j, "poll_timeout", 0), 300);
    static const struct {
        const char *line, *id, *field;
    } rows[] = {
        {"notify add m --type smtp --port 0", "codec.field_range", "port"},
        {"notify add m --type smtp --host", "cli.value", ""},
        {"notify add m --type smtp --hosts x", "cli.option", ""},
        {"notify add m --type smtp --security ssl", "codec.field_enum", "security"},
        {"notify add m --type smtp --host-file /nonexistent/x", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json *none = NULL;
        assert_int_not_equal(settings(rows[i].line, "notifier", "smtp", &none), RC_OK);
        if ((rows[i].id[0] && strcmp(err.id, rows[i].id) != 0) ||
            (rows[i].field[0] && strcmp(err.field, rows[i].field) != 0))
            fail_msg("%s: %s, %s", rows[i].line, err.id, err.field);
    }
}

static void write_secret(const char *text)
{
    assert_int_equal(file_write_atomic(path, str_from(text), 0600, (uid_t)-1, (gid_t)-1, NULL),
                     RC_OK);
}

static void secrets_come_from_files_only(void **state)
{
    char text[2048];
    struct json *j = NULL;
    (void)state;
    const char *const lines[] = {"notify add m --type smtp --password " CLEAR,
                                 "notify add m --type smtp --password=" CLEAR};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_equal(settings(lines[i], "notifier", "smtp", &j), RC_INPUT);
        assert_string_equal(err.id, "cli.secret");
        for (int ja = 0; ja < 2; ja++) {
            err_text(&err, ja ? "ja" : "en", text, sizeof text);
            assert_null(strstr(text, CLEAR));
            assert_non_null(strstr(text, "--password-file"));
        }
    }
    char *line = arena_printf(c.a, "notify add m --type smtp --password-file %s", path);
    static const struct {
        const char *in, *out;
    } rows[] = {{CLEAR, CLEAR}, {CLEAR "\n", CLEAR}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        write_secret(rows[i].in);
        assert_int_equal(settings(line, "notifier", "smtp", &j), RC_OK);
        assert_string_equal(json_str_or(j, "password", ""), rows[i].out);
        json_free(TAKE(j));
    }
    static const char *const wrong[] = {"M4RK-clear-secret\nsecond line\n", "M4RK-clear-secret\r\n",
                                        "\x01M4RK-clear-secret"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) { /* what is no password is not sent as one */
        write_secret(wrong[i]);
        assert_int_equal(settings(line, "notifier", "smtp", &j), RC_INPUT);
        err_text(&err, "en", text, sizeof text);
        assert_null(strstr(text, CLEAR));
    }
    static const char *const key = "-----BEGIN X-----\nAA\n-----END X-----\n";
    write_secret(key);
    line = arena_printf(c.a, "target add t --type files --private-key-file %s", path);
    assert_int_equal(settings(line, "target", "files", &j), RC_OK);
    assert_string_equal(json_str_or(j, "private_key", ""), key); /* keeps its lines */
    json_free(TAKE(j));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commands_are_found, begin, finish),
        cmocka_unit_test_setup_teardown(every_command_has_its_words, begin, finish),
        cmocka_unit_test_setup_teardown(options_are_read, begin, finish),
        cmocka_unit_test_setup_teardown(there_is_an_end_to_arguments, begin, finish),
        cmocka_unit_test_setup_teardown(settings_follow_the_table, begin, finish),
        cmocka_unit_test_setup_teardown(secrets_come_from_files_only, begin, finish),
    };
    return cmocka_run_group_tests(tests, start, end);
}
