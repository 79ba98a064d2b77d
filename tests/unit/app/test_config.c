/*
 * The installation's settings: flags and file through the same rows, flags win, and every fault is
 * told at once with where it stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config.h"
#include "base/mem.h"
#include "base/os/file.h"

static char dir[64], file[80];
static struct arena *a;
static struct config c;
static struct err err;
static char problems[8192];

static int start(void **state)
{
    (void)state;
    unsetenv("INRO_DATA");
    snprintf(dir, sizeof dir, "/tmp/inro-conf-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(file, sizeof file, "%s/inro.conf", dir);
    a = arena_create(0);
    return a ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    arena_destroy(a);
    (void)unlink(file);
    return rmdir(dir);
}

static void write_file(const char *text)
{
    assert_int_equal(file_write_atomic(file, str_from(text), 0600, (uid_t)-1, (gid_t)-1, NULL),
                     RC_OK);
}

/* Flags as one text, a space between them; --data comes by itself. */
static enum rc load_in(const char *lang, const char *flags)
{
    char *argv[64];
    int argc = 0;
    struct str rest = str_from(flags), word;
    AUTO(buf) struct buf b = BUF(sizeof problems - 1);
    argv[argc++] = arena_printf(a, "--data=%s", dir);
    while (rest.n > 0 && str_split(&rest, ' ', &word))
        argv[argc++] = arena_str(a, word);
    c = (struct config){.data = "untouched"};
    err = (struct err){0};
    enum rc rc = config_load(argc, argv, lang, a, &c, &b, &err);
    snprintf(problems, sizeof problems, "%s", buf_cstr(&b));
    return rc;
}

static void load(const char *flags)
{
    if (load_in("en", flags) != RC_OK)
        fail_msg("%s: %s", err.en, problems);
    assert_string_equal(problems, "");
}

static void defaults(void **state)
{
    (void)state;
    write_file("");
    load("");
    assert_string_equal(c.data, dir);
    assert_string_equal(c.database, arena_printf(a, "sqlite:%s/inro.db", dir));
    assert_string_equal(c.listen, "127.0.0.1:8443");
    assert_false(c.http01_explicit);
    assert_int_equal(c.threads, 16);
    assert_int_equal(c.log_size, 10 << 20);
    assert_null(c.passphrase_file);
    (void)unlink(file); /* needs not be there */
    load("");
}

static void the_file_speaks_and_flags_win(void **state)
{
    (void)state;
    write_file("# comment\n\n  threads = 4  \nlisten=[::1]:9443\nlog-json = yes\r\n"
               "log-size = 64k\negress-allow = 10.0.0.0/8\npassphrase-file = /p\nhttp01 = off\n"
               "database = sqlite:/other.db");
    load("");
    assert_int_equal(c.threads, 4);
    assert_string_equal(c.listen, "[::1]:9443");
    assert_true(c.log_json && c.http01_explicit);
    assert_string_equal(c.http01, "");
    assert_string_equal(c.database, "sqlite:/other.db");
    load("--threads 8 --log-json=no --listen 127.0.0.1:1 --http01=0.0.0.0:8080");
    assert_int_equal(c.threads, 8);
    assert_false(c.log_json);
    assert_string_equal(c.listen, "127.0.0.1:1");
    assert_string_equal(c.http01, "0.0.0.0:8080");
    assert_int_equal(c.log_size, 65536);                    /* the file's, where no flag is */
    load("--egress-allow= --passphrase-file= --database="); /* nothing, said aloud */
    assert_string_equal(c.egress_allow, "");
    assert_null(c.passphrase_file);
    assert_string_equal(c.database, arena_printf(a, "sqlite:%s/inro.db", dir));
}

static void all_faults_at_once_and_where(void **state)
{
    static const char *const file_faults[][2] = {
        {"2", "threads: must be a whole number"},
        {"3", "no-such: unknown setting"},
        {"5", "just words: not of the form"},
        {"7", "listen: given twice"},
        {"8", "log-level: must be error, warn, info or debug"},
        {"9", "log-json: must be yes or no"},
        {"10", "database: must be sqlite:/PATH"},
        {"11", "passphrase-file: must be an absolute path"},
        {"12", "log-size: must be a size"},
        {"13", "log-days: must be a number of days"},
    };
    static const char *const flag_faults[] = {
        "inro: --threads: must be a whole number", "inro: --what: unknown setting",
        "inro: words: unknown setting", "inro: --http01: must be ADDRESS:PORT",
        "inro: --log-level: a value is missing"};
    (void)state;
    write_file("# first\nthreads = 0\nno-such = 1\n\njust words\nlisten = 127.0.0.1:1\n"
               "listen = 127.0.0.1:2\nlog-level = loud\nlog-json = true\ndatabase = mysql://x\n"
               "passphrase-file = here\nlog-size = 63k\nlog-days = 0\n");
    assert_int_equal(load_in("en", "--threads=257 --what=1 words --http01 x --log-level"),
                     RC_INPUT);
    for (size_t i = 0; i < COUNT_OF(file_faults); i++) {
        char *line = arena_printf(a, "%s:%s: %s", file, file_faults[i][0], file_faults[i][1]);
        if (!strstr(problems, line))
            fail_msg("not told: %s\n%s", line, problems);
    }
    for (size_t i = 0; i < COUNT_OF(flag_faults); i++)
        if (!strstr(problems, flag_faults[i]))
            fail_msg("not told: %s\n%s", flag_faults[i], problems);
    size_t lines = 0;
    for (const char *p = problems; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, COUNT_OF(file_faults) + COUNT_OF(flag_faults));
    assert_non_null(strstr(err.en, arena_printf(a, "%zu", lines)));
    assert_string_equal(c.data, "untouched");
    assert_int_equal(load_in("ja", "--threads=257"), RC_INPUT);
    assert_non_null(strstr(problems, "不明な設定です"));
    assert_null(strstr(problems, "unknown setting"));
}

/* What others could have written, or can read, is not believed. */
static void a_file_open_to_others_is_refused(void **state)
{
    static const mode_t modes[] = {0604, 0602, 0620};
    (void)state;
    write_file("database = postgresql://u:"
               "s3cret"
               "@h/d\n");
    load(""); /* a password may stand in a private file */
    assert_true(c.database_in_file);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        assert_int_equal(chmod(file, modes[i]), 0);
        assert_int_equal(load_in("en", ""), RC_INPUT);
        assert_null(strstr(problems, "s3cret"));
    }
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(load_in("en", "--database=postgresql://u:s3cret@h/d"), RC_INPUT);
    assert_null(strstr(problems, "s3cret")); /* nor is it told again */
    const char *const *v;
    load("");
    assert_int_equal(config_argv(&c, a, &v, &err), RC_OK);
    for (; *v; v++)
        assert_null(strstr(*v, "s3cret"));
}

static void values_at_the_edge(void **state)
{
    static const struct {
        const char *flag;
        bool good;
    } rows[] = {
        {"--threads=1", true},
        {"--threads=256", true},
        {"--threads=0", false},
        {"--threads=257", false},
        {"--threads=1x", false},
        {"--listen=a:65535", true},
        {"--listen=a:65536", false},
        {"--listen=a:0", false},
        {"--listen=:80", false},
        {"--listen=a", false},
        {"--http01=off", true},
        {"--http01=", true},
        {"--http01=a:", false},
        {"--log-size=64k", true},
        {"--log-size=65535", false},
        {"--log-total=1024g", true},
        {"--log-total=1025g", false},
        {"--log-days=36500", true},
        {"--log-days=36501", false},
        {"--log-level=debug", true},
        {"--log-level=DEBUG", false},
        {"--database=postgresql://h/d", true},
        {"--database=sqlite:x", false},
        {"--passphrase-file=/x", true},
        {"--passphrase-file=x", false},
        {"--lang=ja", true},
        {"--threads 2 --threads 3", false},
    };
    (void)state;
    write_file("");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum rc rc = load_in("en", rows[i].flag);
        if (rc != (rows[i].good ? RC_OK : RC_INPUT))
            fail_msg("%s: %s: %s", rows[i].flag, rc_name(rc), problems);
        assert_int_equal(problems[0] != 0, !rows[i].good);
    }
}

/* A role is started with what the supervisor decided, whatever the file says by then. */
static void roles_get_the_same(void **state)
{
    static const char *const flags[] = {
        "", "--threads 3 --http01 off --egress-allow 10.0.0.0/8 --passphrase-file /p",
        "--egress-allow= --passphrase-file= --http01=127.0.0.1:81 --log-json yes"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        const char *const *v;
        AUTO(buf) struct buf b = BUF(4096);
        struct config role;
        int n = 0;
        write_file(i ? "egress-allow = 192.0.2.0/24\npassphrase-file = /q\n" : "");
        load(flags[i]);
        assert_int_equal(config_argv(&c, a, &v, &err), RC_OK);
        write_file("egress-allow = 0.0.0.0/0\nthreads = 99\npassphrase-file = /evil\n");
        while (v[n])
            n++;
        char **argv = arena_array(a, (size_t)n + 1, sizeof *argv);
        for (int k = 0; k < n; k++)
            argv[k] = arena_strdup(a, v[k]);
        assert_int_equal(config_load(n, argv, "en", a, &role, &b, &err), RC_OK);
        assert_string_equal(role.data, c.data);
        assert_string_equal(role.database, c.database);
        assert_string_equal(role.listen, c.listen);
        assert_string_equal(role.http01, c.http01);
        assert_int_equal(role.http01_explicit, c.http01_explicit);
        assert_string_equal(role.egress_allow, c.egress_allow);
        assert_int_equal(role.threads, c.threads);
        assert_int_equal(role.log_level, c.log_level);
        assert_int_equal(role.log_json, c.log_json);
        assert_int_equal(!role.passphrase_file, !c.passphrase_file);
        if (c.passphrase_file)
            assert_string_equal(role.passphrase_file, c.passphrase_file);
    }
}

static void the_language(void **state)
{
    char *ja[] = {"--lang=ja"}, *en[] = {"--lang", "en"}, *other[] = {"--lang", "fr"};
    (void)state;
    assert_string_equal(config_lang(1, ja), "ja");
    assert_string_equal(config_lang(2, en), "en");
    assert_string_equal(config_lang(2, other), "en");
    unsetenv("LC_ALL");
    unsetenv("LC_MESSAGES");
    setenv("LANG", "ja_JP.UTF-8", 1);
    assert_string_equal(config_lang(0, NULL), "ja");
    setenv("LC_ALL", "C", 1); /* is asked first */
    assert_string_equal(config_lang(0, NULL), "en");
    unsetenv("LC_ALL");
    unsetenv("LANG");
    assert_string_equal(config_lang(0, NULL), "en");
}

static void out_of_memory_anywhere(void **state)
{
    (void)state;
    write_file("threads = 4\nlisten = 127.0.0.1:9\n");
    char *argv[] = {arena_printf(a, "--data=%s", dir), "--http01=off"};
    enum rc rc = RC_NOMEM;
    for (long i = 1; rc != RC_OK; i++) {
        AUTO(arena) struct arena *mine = arena_create(0);
        AUTO(buf) struct buf b = BUF(4096);
        err = (struct err){0};
        mem_fail_after(i, false);
        rc = config_load(2, argv, "en", mine, &c, &b, &err);
        mem_fail_after(0, false);
        assert_int_equal(err.rc, rc);
        assert_true(i < 1000);
    }
    assert_int_equal(c.threads, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(the_file_speaks_and_flags_win),
        cmocka_unit_test(all_faults_at_once_and_where),
        cmocka_unit_test(a_file_open_to_others_is_refused),
        cmocka_unit_test(values_at_the_edge),
        cmocka_unit_test(roles_get_the_same),
        cmocka_unit_test(the_language),
        cmocka_unit_test(out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, start, end);
}
