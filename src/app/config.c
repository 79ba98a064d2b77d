/*
 * One row per setting: name, default, check-and-store function, help. The file and the flags go
 * through the same rows, so a value is refused in both or in neither.
 */
#include "app/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"
#include "codec/schema.h"
#include "net/dns.h"

struct loader {
    struct arena *a;
    struct config *c;
    struct buf *problems;
    const char *lang;
    unsigned seen_file; /* bit per row */
    unsigned seen_flag;
    size_t faults;
};

struct row {
    const char *name;
    const char *dflt;
    /* NULL when fine, else what is wrong */
    const struct msg *(*set)(struct loader *l, const char *value);
    const char *help_en, *help_ja;
};

static const struct msg bad_memory = {"app.config.memory", "out of memory", "メモリ不足です"};
static const struct msg bad_path = {"app.config.path", "must be an absolute path",
                                    "絶対パスで指定してください"};
static const struct msg bad_data = {
    "app.config.data", "must be a shorter path: the local socket below it has at most 107 bytes",
    "もっと短いパスにしてください（ローカルソケットのパスは 107 バイトまでです）"};
static const struct msg bad_listen = {
    "app.config.listen", "must be ADDRESS:PORT with a port from 1 to 65535, such as 127.0.0.1:8443",
    "ADDRESS:PORT の形で、ポートは 1〜65535 です(例 127.0.0.1:8443)"};
static const struct msg bad_database = {"app.config.database",
                                        "must be sqlite:/PATH or postgresql://...",
                                        "sqlite:/PATH または postgresql://... で指定してください"};
static const struct msg bad_number = {"app.config.number", "must be a whole number from 1 to 256",
                                      "1〜256 の整数で指定してください"};
static const struct msg bad_level = {"app.config.level", "must be error, warn, info or debug",
                                     "error、warn、info、debug のいずれかです"};
static const struct msg bad_dns = {
    "app.config.dns", "must be up to three IPv4 addresses, each with :PORT where it is not 53",
    "IPv4 アドレスを 3 個まで（53 以外は :ポート 付き）で指定してください"};
static const struct msg bad_port = {"app.config.port", "must be a port from 1 to 65535",
                                    "1 から 65535 のポート番号で指定してください"};
static const struct msg bad_bool = {"app.config.bool", "must be yes or no",
                                    "yes または no で指定してください"};
static const struct msg bad_unknown = {"app.config.unknown", "unknown setting", "不明な設定です"};
static const struct msg bad_twice = {"app.config.twice", "given twice", "二重に指定されています"};
static const struct msg bad_line = {"app.config.line", "not of the form: name = value",
                                    "「名前 = 値」の形ではありません"};
static const struct msg bad_secret = {
    "app.config.secret",
    "a password on the command line can be read by others; put the line database = ... into "
    "inro.conf in the data directory",
    "コマンドラインのパスワードは他の利用者に見えます。データディレクトリの inro.conf に "
    "database = ... の行を書いてください"};
static const struct msg bad_mode = {"app.config.mode",
                                    "others may read or change it; run chmod 600 on it",
                                    "他の利用者が読み書きできます。chmod 600 を実行してください"};
static const struct msg bad_file = {"app.config.file", "is a directory, not a file",
                                    "ファイルではなくディレクトリです"};
static const struct msg bad_value = {"app.config.value", "a value is missing", "値がありません"};

static const struct msg *keep(struct loader *l, const char *value, const char **to)
{
    *to = arena_strdup(l->a, value);
    return *to ? NULL : &bad_memory;
}

static bool listen_ok(const char *v)
{
    const char *colon = strrchr(v, ':');
    int64_t port;
    return colon && colon != v && str_to_i64(str_from(colon + 1), 1, 65535, &port);
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* postgresql://user:password@host or ...?password= */
static bool has_password(const char *url)
{
    const char *from = strstr(url, "://");
    if (!from)
        return false;
    from += 3;
    size_t user = strcspn(from, "/?");
    const char *at = memchr(from, '@', user), *colon = memchr(from, ':', user);
    return (at && colon && colon < at) || strstr(from, "password=");
}

/* The path of the local socket below it is limited by the system (sun_path, 108 bytes). */
enum { DATA_MAX = 107 - sizeof "/run/inro.sock" + 1 };

static const struct msg *set_data(struct loader *l, const char *v)
{
    AUTO(mem) char *cwd = v[0] == '/' ? NULL : getcwd(NULL, 0);
    const char *path = cwd ? arena_printf(l->a, "%s/%s", cwd, v) : arena_strdup(l->a, v);
    if (!path || (v[0] != '/' && !cwd))
        return &bad_memory;
    l->c->data = path;
    return strlen(path) <= DATA_MAX ? NULL : &bad_data;
}

static const struct msg *set_database(struct loader *l, const char *v)
{
    struct str s = str_from(v);
    if (v[0] == '\0') { /* derived from data afterwards */
        l->c->database = NULL;
        return NULL;
    }
    if (!str_starts(s, "sqlite:/") && !str_starts(s, "postgresql://"))
        return &bad_database;
    if (str_starts(s, "sqlite:/") && is_directory(v + strlen("sqlite:")))
        return &bad_file;
    return keep(l, v, &l->c->database);
}

static const struct msg *set_listen(struct loader *l, const char *v)
{
    return listen_ok(v) ? keep(l, v, &l->c->listen) : &bad_listen;
}

static const struct msg *set_http01(struct loader *l, const char *v)
{
    if (v[0] && strcmp(v, "off") != 0 && !listen_ok(v))
        return &bad_listen;
    return keep(l, strcmp(v, "off") == 0 ? "" : v, &l->c->http01);
}

static const struct msg *set_egress(struct loader *l, const char *v)
{
    return keep(l, v, &l->c->egress_allow);
}

static const struct msg *set_dns(struct loader *l, const char *v)
{
    struct dns_servers s;
    return dns_servers_parse(v, &s, NULL) == RC_OK ? keep(l, v, &l->c->dns_servers) : &bad_dns;
}

static const struct msg *set_http01_port(struct loader *l, const char *v)
{
    return str_to_i64(str_from(v), 1, 65535, &l->c->http01_port) ? NULL : &bad_port;
}

static const struct msg *set_passphrase(struct loader *l, const char *v)
{
    if (v[0] == '\0') {
        l->c->passphrase_file = NULL;
        return NULL;
    }
    if (v[0] != '/')
        return &bad_path;
    return is_directory(v) ? &bad_file : keep(l, v, &l->c->passphrase_file);
}

static const struct msg *set_threads(struct loader *l, const char *v)
{
    return str_to_i64(str_from(v), 1, 256, &l->c->threads) ? NULL : &bad_number;
}

static const struct msg *set_level(struct loader *l, const char *v)
{
    return log_level_from_name(v, &l->c->log_level) ? NULL : &bad_level;
}

static const struct msg *set_json(struct loader *l, const char *v)
{
    bool yes = strcmp(v, "yes") == 0;
    if (!yes && strcmp(v, "no") != 0)
        return &bad_bool;
    l->c->log_json = yes;
    return NULL;
}

static const struct msg bad_bytes = {"app.config.bytes",
                                     "must be a size from 64k to 1t, such as 10m",
                                     "64k〜1t のサイズで指定してください(例 10m)"};
static const struct msg bad_days = {"app.config.days", "must be a number of days from 1 to 36500",
                                    "1〜36500 の日数で指定してください"};

static bool bytes_ok(const char *v, int64_t *ret)
{
    return parse_bytes(str_from(v), ret) && *ret >= 65536 && *ret <= (int64_t)1 << 40;
}

static const struct msg *set_log_size(struct loader *l, const char *v)
{
    return bytes_ok(v, &l->c->log_size) ? NULL : &bad_bytes;
}

static const struct msg *set_log_total(struct loader *l, const char *v)
{
    return bytes_ok(v, &l->c->log_total) ? NULL : &bad_bytes;
}

static const struct msg *set_log_days(struct loader *l, const char *v)
{
    return str_to_i64(str_from(v), 1, 36500, &l->c->log_days) ? NULL : &bad_days;
}

static const struct row rows[] = {
    {"data", "/var/lib/inro", set_data, "data directory", "データディレクトリ"},
    {"database", "", set_database, "store (default sqlite:DATA/inro.db)",
     "データベース(既定 sqlite:DATA/inro.db)"},
    {"listen", "127.0.0.1:8443", set_listen, "GUI and API (HTTPS)", "画面と API(HTTPS)"},
    {"http01", "0.0.0.0:80", set_http01, "HTTP-01 answers (plain HTTP), or off",
     "HTTP-01 の応答(HTTP)、または off"},
    {"egress-allow", "", set_egress,
     "address ranges opened for outgoing connections (loopback is closed by default)",
     "外向き接続を許すアドレス範囲(既定でループバックは不可)"},
    {"dns-servers", "", set_dns,
     "DNS servers asked before an application, IPv4[:PORT] (default those of this machine)",
     "申請前の確認に使う DNS サーバー IPv4[:ポート](既定は本サーバーの設定)"},
    {"http01-port", "80", set_http01_port, "port at which the CA asks for HTTP-01 answers",
     "認証局が HTTP-01 で接続するポート"},
    {"passphrase-file", "", set_passphrase, "file with the passphrase of the master key",
     "マスター鍵のパスフレーズを入れたファイル"},
    {"threads", "16", set_threads, "worker threads", "ワーカーのスレッド数"},
    {"log-level", "info", set_level, "error, warn, info or debug", "error、warn、info、debug"},
    {"log-json", "no", set_json, "log lines as JSON: yes or no", "ログを JSON にする: yes、no"},
    {"log-size", "10m", set_log_size, "size of one log file", "ログファイル 1 つの大きさ"},
    {"log-total", "200m", set_log_total, "size of all log files", "ログファイル全体の上限"},
    {"log-days", "90", set_log_days, "days log files are kept", "ログファイルの保存日数"},
};

static const struct row *row_find(struct str name, unsigned *ret_bit)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (str_eqs(name, rows[i].name)) {
            *ret_bit = 1u << i;
            return &rows[i];
        }
    }
    return NULL;
}

static void fault(struct loader *l, const char *place, struct str name, const struct msg *m)
{
    char text[256];
    msg_render(m, l->lang, NULL, text, sizeof text);
    buf_addf(l->problems, "%s: %.*s: %s\n", place, (int)name.n, name.p, text);
    l->faults++;
}

/* shown: the name as it was typed. */
static void set_row(struct loader *l, const char *place, struct str shown, const char *value,
                    unsigned *seen)
{
    unsigned bit = 0;
    struct str name = shown;
    if (str_starts(name, "--"))
        name = (struct str){name.p + 2, name.n - 2};
    const struct row *r = row_find(name, &bit);
    const struct msg *m = !r ? &bad_unknown : (*seen & bit) ? &bad_twice : r->set(l, value);
    bool database = r && strcmp(r->name, "database") == 0;
    if (!m && database && seen == &l->seen_flag && has_password(value))
        m = &bad_secret;
    if (database)
        l->c->database_in_file = seen == &l->seen_file;
    if (m)
        fault(l, place, shown, m);
    *seen |= bit;
    if (r && strcmp(r->name, "http01") == 0)
        l->c->http01_explicit = true;
}

static void load_flags(struct loader *l, int argc, char *const argv[])
{
    for (int i = 0; i < argc; i++) {
        struct str word = str_from(argv[i]);
        if (!str_starts(word, "--")) {
            fault(l, "inro", word, &bad_unknown);
            continue;
        }
        const char *eq = memchr(word.p, '=', word.n);
        bool next = i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0;
        const char *value = eq ? eq + 1 : next ? argv[++i] : NULL;
        if (eq)
            word.n = (size_t)(eq - word.p);
        if (str_eqs(word, "--lang"))
            continue;
        if (!value)
            fault(l, "inro", word, &bad_value);
        else
            set_row(l, "inro", word, value, &l->seen_flag);
    }
}

/* Flags win: a row seen as a flag is checked here, but its value is set again afterwards. */
static enum rc load_file(struct loader *l, const char *path, struct err *err)
{
    AUTO(buf) struct buf text = BUF(65536);
    struct stat st;
    if (stat(path, &st) != 0)
        return RC_OK;
    if ((st.st_mode & (S_IWGRP | S_IROTH | S_IWOTH)) != 0)
        fault(l, "inro", str_from(path), &bad_mode);
    TRY(file_read(path, &text, err));
    struct str rest = buf_str(&text), line;
    for (int n = 1; str_split(&rest, '\n', &line); n++) {
        char place[4200];
        (void)snprintf(place, sizeof place, "%s:%d", path, n);
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        const char *eq = memchr(line.p, '=', line.n);
        if (!eq) {
            fault(l, place, line, &bad_line);
            continue;
        }
        struct str name = str_trim((struct str){line.p, (size_t)(eq - line.p)});
        struct str v = str_trim((struct str){eq + 1, (size_t)(line.p + line.n - eq - 1)});
        char *value = arena_str(l->a, v);
        if (!value)
            return NOMEM(err);
        set_row(l, place, name, value, &l->seen_file);
    }
    return RC_OK;
}

enum rc config_load(int argc, char *const argv[], const char *lang, struct arena *a,
                    struct config *ret, struct buf *ret_problems, struct err *err)
{
    struct config c = {0};
    struct loader l = {.a = a, .c = &c, .problems = ret_problems, .lang = lang};
    unsigned none = 0;

    const char *env = getenv("INRO_DATA"); /* as for every other command */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool by_env = env && env[0] && strcmp(rows[i].name, "data") == 0;
        set_row(&l, by_env ? "INRO_DATA" : "default", str_from(rows[i].name),
                by_env ? env : rows[i].dflt, &none);
    }
    c.http01_explicit = false;
    load_flags(&l, argc, argv);
    const char *path = config_path(&c, a, "inro.conf");
    if (!path)
        return NOMEM(err);
    TRY(load_file(&l, path, err));
    struct loader again = {.a = a, .c = &c, .problems = ret_problems, .lang = lang};
    if (l.faults == 0)
        load_flags(&again, argc, argv);
    if (!c.database)
        c.database = arena_printf(a, "sqlite:%s/inro.db", c.data);
    if (!c.database)
        return NOMEM(err);
    TRY(buf_ok(ret_problems, err));
    CHECK(l.faults + again.faults == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("app.config", "the configuration has {0} faults; nothing was started",
              "設定に誤りが {0} 件あります。起動していません"),
          NUM(l.faults + again.faults));
    *ret = c;
    return RC_OK;
}

enum rc config_argv(const struct config *c, struct arena *a, const char *const **ret,
                    struct err *err)
{
    static const char *const level_names[] = {"error", "warn", "info", "debug"};
    enum { MAX = 2 * COUNT_OF(rows) + 1 };
    const char **v = arena_array(a, MAX, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    const char *threads = arena_printf(a, "%lld", (long long)c->threads);
    const char *const pairs[][2] = {
        {"--data", c->data},
        {"--database", c->database_in_file ? NULL : c->database},
        {"--listen", c->listen},
        {"--http01",
         c->http01_explicit || !c->http01[0] ? (c->http01[0] ? c->http01 : "off") : NULL},
        {"--egress-allow", c->egress_allow}, /* said also when empty: flags win over the file */
        {"--dns-servers", c->dns_servers},
        {"--http01-port", arena_printf(a, "%lld", (long long)c->http01_port)},
        {"--passphrase-file", c->passphrase_file ? c->passphrase_file : ""},
        {"--threads", threads},
        {"--log-level", level_names[c->log_level]},
        {"--log-json", c->log_json ? "yes" : "no"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (!pairs[i][1])
            continue;
        v[n++] = pairs[i][0];
        v[n++] = pairs[i][1];
    }
    *ret = v;
    return RC_OK;
}

bool config_on_server(const struct config *c)
{
    return str_starts(str_from(c->database), "postgresql:");
}

const char *config_path(const struct config *c, struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", c->data, name);
}

void config_help(const char *lang, struct buf *out)
{
    bool ja = strcmp(lang, "ja") == 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        buf_addf(out, "  --%-16s %s%s%s%s\n", rows[i].name, ja ? rows[i].help_ja : rows[i].help_en,
                 rows[i].dflt[0] ? " [" : "", rows[i].dflt, rows[i].dflt[0] ? "]" : "");
}

const char *config_lang(int argc, char *const argv[])
{
    static const char *const vars[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--lang=ja") == 0)
            return "ja";
        if (strcmp(argv[i], "--lang=en") == 0)
            return "en";
        if (strcmp(argv[i], "--lang") == 0 && i + 1 < argc)
            return strcmp(argv[i + 1], "ja") == 0 ? "ja" : "en";
    }
    for (size_t i = 0; i < COUNT_OF(vars); i++) {
        const char *v = getenv(vars[i]);
        if (v && *v)
            return strncmp(v, "ja", 2) == 0 ? "ja" : "en";
    }
    return "en";
}
