/*
 * `inro doctor`: looks at an installation as its administrator would and says what to do. Every
 * finding is a row's; a check that cannot be made says why and is no success. Nothing is changed.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "app/cli_priv.h"
#include "app/config.h"
#include "base/clock.h"
#include "store/store.h"

enum level { GOOD, WARN, BAD };
enum { LOW_MIB = 500, FULL_MIB = 50, LOW_INODES = 1000 };

struct doctor {
    struct cli *c;
    struct config config;
    bool running;
    struct buf out;
    struct json_writer w;
    int bad, warned;
};

static void tell(struct doctor *d, enum level level, const char *what, const struct msg *m,
                 const char *const *args)
{
    static const char *const names[] = {"ok", "warning", "error"};
    static const struct l10n shown[] = {{"ok", "正常"}, {"warning", "注意"}, {"ERROR", "異常"}};
    char text[1200];
    msg_render(m, d->c->lang, args, text, sizeof text);
    d->bad += level == BAD;
    d->warned += level == WARN;
    if (!d->c->json) {
        buf_addf(&d->out, "%-8s %-12s %s\n", cli_text(d->c, &shown[level]), what, text);
        return;
    }
    jw_object(&d->w);
    jw_kstr(&d->w, "what", what);
    jw_kstr(&d->w, "state", names[level]);
    jw_kstr(&d->w, "id", m->id);
    jw_kstr(&d->w, "text", text);
    jw_end_object(&d->w);
}
#define TELL(d, level, what, m, ...)                                                               \
    tell((d), (level), (what), (m), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void tell_err(struct doctor *d, enum level level, const char *what, const struct err *err)
{
    char text[1200];
    err_text(err, d->c->lang, text, sizeof text);
    TELL(d, level, what, MSG("doctor.error", "{0}", "{0}"), text);
}

static void look_files(struct doctor *d)
{
    struct stat st;
    const char *data = d->config.data, *key = arena_printf(d->c->a, "%s/master.key", data);
    if (!key || stat(data, &st) != 0) {
        TELL(d, BAD, "data",
             MSG("doctor.no_data", "{0} is not there; run: inro init --data {0}",
                 "{0} がありません。inro init --data {0} を実行してください"),
             data);
        return;
    }
    if ((st.st_mode & 077) != 0)
        TELL(d, BAD, "data",
             MSG("doctor.data_open", "{0} can be entered by others; run: chmod 700 {0}",
                 "{0} は他の利用者が入れます。chmod 700 {0} を実行してください"),
             data);
    else
        TELL(d, GOOD, "data", MSG("doctor.data", "{0} is private", "{0} は保護されています"), data);
    if (stat(key, &st) != 0)
        TELL(d, BAD, "key",
             MSG("doctor.no_key",
                 "{0} is missing: put your copy of it back, or restore a backup; until then Inro "
                 "starts sealed",
                 "{0} がありません。控えを戻すか、バックアップから復元してください。それまでは封印"
                 "された状態で起動します"),
             key);
    else if ((st.st_mode & 077) != 0)
        TELL(d, BAD, "key",
             MSG("doctor.key_open", "{0} can be read by others; run: chmod 600 {0}",
                 "{0} は他の利用者が読めます。chmod 600 {0} を実行してください"),
             key);
    else
        TELL(d, GOOD, "key", MSG("doctor.key", "{0} is private", "{0} は保護されています"), key);
}

static void look_disk(struct doctor *d)
{
    struct statvfs v;
    if (statvfs(d->config.data, &v) != 0)
        return; /* told by look_files */
    int64_t mib = (int64_t)(v.f_bavail * (v.f_frsize ? v.f_frsize : v.f_bsize) >> 20);
    bool read_only = v.f_flag & ST_RDONLY;
    bool few = v.f_files > 0 && v.f_favail < LOW_INODES;
    if (read_only)
        TELL(d, BAD, "disk",
             MSG("doctor.read_only", "{0} is on a disk that is mounted read-only: look at the disk",
                 "{0} のディスクが読み取り専用です。ディスクを確認してください"),
             d->config.data);
    else if (mib < LOW_MIB || few)
        TELL(d, mib < FULL_MIB || (few && v.f_favail < 10) ? BAD : WARN, "disk",
             MSG("doctor.disk",
                 "{0} MiB and {1} files are left for {2}; free space, or changes will be refused",
                 "{2} の空きは {0} MiB、ファイル数 {1} "
                 "です。空きを増やさないと変更できなくなります"),
             NUM(mib), NUM(v.f_favail), d->config.data);
    else
        TELL(d, GOOD, "disk", MSG("doctor.disk_ok", "{0} MiB are free", "空き {0} MiB"), NUM(mib));
}

static void look_clock(struct doctor *d)
{
    struct timex t = {0};
    char now[32];
    int64_t at = clock_now(clock_real());
    time_rfc3339(at, now);
    int state = adjtimex(&t);
    if (at < BUILT_AT)
        TELL(d, BAD, "clock",
             MSG("doctor.clock",
                 "the clock says {0}, which is before this program was made: set it",
                 "時計が {0} を示しています。時刻を合わせてください"),
             now);
    else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
        TELL(d, WARN, "clock",
             MSG("doctor.ntp", "{0}, but it is not synchronised: set up NTP (chrony or timesyncd)",
                 "{0} ですが、時刻同期されていません。NTP（chrony または timesyncd）を設定してくだ"
                 "さい"),
             now);
    else
        TELL(d, GOOD, "clock", MSG("doctor.clock_ok", "{0}, synchronised", "{0}（同期済み）"), now);
}

static void look_store(struct doctor *d)
{
    struct store *s = NULL;
    struct err err = {0};
    int64_t found = 0, ours = 0;
    enum rc rc = store_open(d->config.database, &s, &err);
    if (rc == RC_OK)
        rc = store_version(s, &found, &ours, &err);
    if (rc == RC_OK)
        rc = store_check(s, &err);
    store_close(s);
    if (rc != RC_OK)
        tell_err(d, BAD, "store", &err);
    else if (found > ours)
        TELL(d, BAD, "store",
             MSG("doctor.newer", "schema {0} is of a newer Inro; this one knows {1}",
                 "スキーマ {0} はより新しい版のものです（この版は {1}）"),
             NUM(found), NUM(ours));
    else
        TELL(d, GOOD, "store", MSG("doctor.store", "whole, schema {0}", "正常（スキーマ {0}）"),
             NUM(found));
    const char *marker = arena_printf(d->c->a, "%s/upgrade.json", d->config.data);
    if (marker && access(marker, F_OK) == 0)
        TELL(d, BAD, "upgrade",
             MSG("doctor.upgrade", "an upgrade failed: see {0}, then remove it to try again",
                 "更新に失敗しています。{0} を確認し、再試行する場合は削除してください"),
             marker);
}

static void look_server(struct doctor *d)
{
    struct err err = {0};
    AUTO(json) struct json *health = NULL, *system = NULL;
    d->running = cli_call(d->c, "GET", "/health", STR_NONE, &health, &err) == RC_OK;
    if (!d->running) {
        TELL(d, WARN, "server",
             MSG("doctor.stopped",
                 "Inro does not run on {0}; what only it can tell is left out. Start it with: "
                 "systemctl start inro, or inro serve",
                 "{0} で Inro が動いていないため、一部の確認を省きます。systemctl start inro また"
                 "は inro serve で起動してください"),
             d->config.data);
        return;
    }
    if (strcmp(json_str_or(health, "status", ""), "ok") != 0)
        TELL(d, BAD, "vault",
             MSG("doctor.sealed", "sealed: what needs a key waits; run: inro unseal",
                 "封印されています。inro unseal を実行してください"));
    else
        TELL(d, GOOD, "server", MSG("doctor.running", "runs, version {0}", "稼働中（版 {0}）"),
             json_str_or(health, "version", "?"));
    if (cli_call(d->c, "GET", "/system", STR_NONE, &system, &err) != RC_OK) {
        tell_err(d, BAD, "server", &err);
        return;
    }
    /* what runs may have been started with other addresses than inro.conf says */
    const char *listen = arena_printf(d->c->a, "%s", json_str_or(system, "listen", ""));
    const char *http01 = arena_printf(d->c->a, "%s", json_str_or(system, "http01", ""));
    d->config.listen = listen ? listen : "";
    d->config.http01 = http01 ? http01 : "";
    if (json_str_or(system, "hold", NULL))
        TELL(d, BAD, "hold",
             MSG("doctor.hold",
                 "nothing is changed ({0}): make sure that no other copy runs, then: inro "
                 "confirm-restore",
                 "変更を保留しています（{0}）。他の複製が動いていないことを確認し、inro "
                 "confirm-restore を実行してください"),
             json_str_or(system, "hold", ""));
}

static int try_port(const char *address, bool running)
{
    const char *colon = strrchr(address, ':');
    char host[256];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *ai = NULL;
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool brackets = n > 1 && address[0] == '[';
    (void)snprintf(host, sizeof host, "%.*s", (int)(brackets ? n - 2 : n), address + brackets);
    if (!colon || getaddrinfo(host, colon + 1, &hints, &ai) != 0)
        return EINVAL;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, e = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || (running ? connect(fd, ai->ai_addr, ai->ai_addrlen)
                           : bind(fd, ai->ai_addr, ai->ai_addrlen)) != 0)
        e = errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(ai);
    return e;
}

static void look_port(struct doctor *d, const char *what, const char *address)
{
    if (!*address)
        return;
    int e = try_port(address, d->running);
    if (e == 0)
        TELL(d, GOOD, what, MSG("doctor.port", "{0} can be used", "{0} は使用できます"), address);
    else
        TELL(d, strcmp(what, "http01") == 0 ? WARN : BAD, what,
             MSG("doctor.port_bad",
                 "{0}: {1}; choose another in inro.conf ({2}), or free it (ss -ltnp)",
                 "{0}: {1}。inro.conf の {2} で別のポートを指定するか、使用中のプログラムを確認して"
                 "ください（ss -ltnp）"),
             address, strerrordesc_np(e), what);
}

static void look_name(struct doctor *d, const char *url)
{
    struct str rest = str_from(url);
    const char *from = strstr(url, "://");
    struct addrinfo *ai = NULL;
    if (!from)
        return;
    rest.p = from + 3;
    rest.n = strcspn(rest.p, "/:");
    const char *host = arena_str(d->c->a, rest);
    int e = host ? getaddrinfo(host, NULL, NULL, &ai) : EAI_MEMORY;
    if (e != 0)
        TELL(d, BAD, "dns",
             MSG("doctor.dns", "{0} does not resolve ({1}): check /etc/resolv.conf",
                 "{0} の名前解決ができません（{1}）。/etc/resolv.conf を確認してください"),
             host ? host : "?", gai_strerror(e));
    else
        TELL(d, GOOD, "dns", MSG("doctor.dns_ok", "{0} resolves", "{0} を名前解決できます"), host);
    if (ai)
        freeaddrinfo(ai);
}

static void look_cas(struct doctor *d)
{
    AUTO(json) struct json *list = NULL;
    struct err err = {0};
    if (cli_call(d->c, "GET", "/cas?limit=100", STR_NONE, &list, &err) != RC_OK) {
        tell_err(d, BAD, "ca", &err);
        return;
    }
    const struct json *items = json_get(list, "items");
    for (size_t i = 0; i < json_len(items); i++) {
        AUTO(json) struct json *j = NULL, *job = NULL;
        const char *name = json_str_or(json_at(items, i), "name", "");
        const char *url = json_str_or(json_at(items, i), "settings.directory", NULL);
        int status = 0;
        if (url)
            look_name(d, url);
        enum rc rc =
            cli_call(d->c, "POST", cli_path(d->c, "/cas/", name, "/check"), STR_NONE, &j, &err);
        if (rc == RC_OK)
            rc = cli_follow(d->c, json_i64_or(j, "job.id", 0), &status, &job, &err);
        if (rc == RC_OK && status != 0) {
            json_to_err(json_get(job, "error"), &err);
            rc = err.rc;
        }
        if (rc == RC_OK)
            TELL(d, GOOD, "ca", MSG("doctor.ca", "{0} answers", "{0} は応答します"), name);
        else
            tell_err(d, BAD, "ca", &err);
    }
    if (json_len(items) == 0)
        TELL(d, WARN, "ca",
             MSG("doctor.no_ca", "no CA is set up; see: inro ca add --help",
                 "認証局が設定されていません。inro ca add --help を参照してください"));
}

static void look_licence(struct doctor *d)
{
    AUTO(json) struct json *j = NULL;
    struct err err = {0};
    if (cli_call(d->c, "GET", "/licence", STR_NONE, &j, &err) != RC_OK) {
        tell_err(d, BAD, "licence", &err);
        return;
    }
    const char *state = json_str_or(j, "state", "?");
    int64_t days = json_i64_or(j, "days_left", -1);
    bool fine = strcmp(state, "valid") == 0 || strcmp(state, "active") == 0;
    if (json_get(j, "fault") && json_type_of(json_get(j, "fault")) == JSON_OBJECT) {
        json_to_err(json_get(j, "fault"), &err);
        tell_err(d, BAD, "licence", &err);
    } else if (days >= 0 && days < 60) {
        TELL(d, WARN, "licence",
             MSG("doctor.licence", "{1} days are left: ask the vendor, then inro licence import",
                 "残り {1} 日です。ベンダーに依頼し、inro licence import を実行してください"),
             state, NUM(days));
    } else {
        TELL(d, fine || days >= 0 ? GOOD : WARN, "licence",
             MSG("doctor.licence_state", "{0} (inro licence show)", "{0}（inro licence show）"),
             state);
    }
}

static void look_backup(struct doctor *d, const struct json *store)
{
    const char *name = json_str_or(store, "name", ""),
               *last = json_str_or(store, "state.last_at", NULL);
    int64_t at = 0, every = json_i64_or(store, "settings.every", 86400);
    int64_t now = clock_now(clock_real());
    if (!last || !time_parse_rfc3339(last, &at))
        TELL(d, WARN, "backup",
             MSG("doctor.backup_none", "{0} has no backup yet: inro backup-store run {0}",
                 "{0} にはまだバックアップがありません。inro backup-store run {0} を実行してくださ"
                 "い"),
             name);
    else if (now - at > 2 * every * USEC_PER_SEC)
        TELL(d, BAD, "backup",
             MSG("doctor.backup_old", "the last backup at {0} is of {1}: see inro job list --open",
                 "{0} の最後のバックアップは {1} です。inro job list --open を確認してください"),
             name, last);
    else
        TELL(d, GOOD, "backup", MSG("doctor.backup", "{0}: {1}", "{0}: {1}"), name, last);
}

static void look_backups(struct doctor *d)
{
    AUTO(json) struct json *list = NULL;
    struct err err = {0};
    if (cli_call(d->c, "GET", "/backup-stores?limit=100", STR_NONE, &list, &err) != RC_OK) {
        tell_err(d, BAD, "backup", &err);
        return;
    }
    const struct json *items = json_get(list, "items");
    for (size_t i = 0; i < json_len(items); i++)
        look_backup(d, json_at(items, i));
    if (json_len(items) == 0)
        TELL(d, WARN, "backup",
             MSG("doctor.no_backup", "no scheduled backup; see: inro backup-store add --help",
                 "定期バックアップが設定されていません。inro backup-store add --help を参照してくだ"
                 "さい"));
}

static enum rc load_config(struct doctor *d, struct err *err)
{
    AUTO(buf) struct buf problems = BUF(65536);
    const char *argv[] = {"--data", d->c->data};
    enum rc rc = config_load(2, (char *const *)(uintptr_t)argv, d->c->lang, d->c->a, &d->config,
                             &problems, err);
    if (rc == RC_INPUT) {
        TELL(d, BAD, "config", MSG("doctor.config", "{0}", "{0}"), buf_cstr(&problems));
        d->config = (struct config){.data = d->c->data, .listen = "", .http01 = ""};
        d->config.database = arena_printf(d->c->a, "sqlite:%s/inro.db", d->c->data);
        return d->config.database ? RC_OK : NOMEM(err);
    }
    return rc;
}

int cli_doctor(struct cli *c, struct err *err)
{
    struct doctor d = {.c = c, .out = BUF((size_t)1 << 20)};
    d.w = (struct json_writer)JSON_WRITER(&d.out);
    if (c->json) {
        jw_object(&d.w);
        jw_key(&d.w, "findings");
        jw_array(&d.w);
    }
    if (load_config(&d, err) != RC_OK) {
        buf_free(&d.out);
        return -1;
    }
    look_files(&d);
    look_disk(&d);
    look_clock(&d);
    look_store(&d);
    look_server(&d);
    look_port(&d, "listen", d.config.listen);
    look_port(&d, "http01", d.config.http01);
    if (d.running) {
        look_cas(&d);
        look_licence(&d);
        look_backups(&d);
    }
    if (c->json) {
        jw_end_array(&d.w);
        jw_ki64(&d.w, "errors", d.bad);
        jw_ki64(&d.w, "warnings", d.warned);
        jw_end_object(&d.w);
        buf_addc(&d.out, '\n');
    }
    (void)fwrite(buf_cstr(&d.out), 1, d.out.len, stdout);
    buf_free(&d.out);
    return d.bad ? EXIT_ANY : 0;
}
