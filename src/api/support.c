/*
 * Log output and the support bundle. Invariants: what is handed out is what the program would show
 * an administrator anyway (answers of GET routes, log lines), so that a secret has no way in; the
 * log directory is read, never a path somebody gave.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "codec/archive.h"
#include "crypto/digest.h"

enum { LOG_FILES = 1024, LINE_BYTES = 64 << 10, ERRORS_SHOWN = 50 };

struct log_file {
    char name[64];
    int64_t at; /* last written, seconds */
};

static const char *log_dir(struct request *r)
{
    return r->api->o.data ? arena_printf(r->a, "%s/log", r->api->o.data) : NULL;
}

static size_t list_logs(const char *dir, struct log_file *v, size_t max)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && n < max && (e = readdir(d)) != NULL;) {
        struct stat st;
        size_t len = strlen(e->d_name);
        if (strncmp(e->d_name, "inro", 4) != 0 || len >= sizeof v->name || len < 8 ||
            strcmp(e->d_name + len - 4, ".log") != 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        memcpy(v[n].name, e->d_name, len + 1);
        v[n++].at = st.st_mtim.tv_sec;
    }
    if (d)
        (void)closedir(d);
    return n;
}

/* When a line was written: its first word, or "at" of a JSON line. A line without belongs to the
 * one before. */
static bool line_time(struct str line, int64_t *ret)
{
    static const char at[] = "{\"at\":\"";
    char text[40] = "";
    if (str_starts(line, at))
        line = (struct str){line.p + sizeof at - 1, line.n - (sizeof at - 1)};
    size_t n = 0;
    while (n < line.n && n < sizeof text - 1 && line.p[n] != ' ' && line.p[n] != '"')
        n++;
    memcpy(text, line.p, n);
    text[n] = '\0';
    return time_parse_rfc3339(text, ret);
}

struct range {
    int64_t from, to, at; /* at: of the line before */
    struct archive *x;    /* NULL: only count */
    uint64_t bytes, left;
};

static void take_line(struct range *g, struct str line)
{
    (void)line_time(line, &g->at);
    if (g->at < g->from || g->at >= g->to)
        return;
    if (!g->x) {
        g->bytes += line.n;
        return;
    }
    /* the file may have grown meanwhile: what was announced is what is written */
    size_t n = line.n < g->left ? line.n : (size_t)g->left;
    archive_data(g->x, line.p, n);
    g->left -= n;
}

static bool walk_lines(const char *path, struct range *g)
{
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO(mem) char *buf = mem_alloc(LINE_BYTES);
    size_t have = 0;
    if (fd < 0 || !buf)
        return false;
    g->at = 0;
    for (ssize_t n; (n = read(fd, buf + have, LINE_BYTES - have)) > 0 || have > 0;) {
        have += n > 0 ? (size_t)n : 0;
        size_t at = 0;
        for (char *nl; (nl = memchr(buf + at, '\n', have - at)) != NULL;) {
            size_t len = (size_t)(nl + 1 - (buf + at));
            take_line(g, (struct str){buf + at, len});
            at += len;
        }
        if (n <= 0 || (at == 0 && have == LINE_BYTES)) { /* the end, or one endless line */
            take_line(g, (struct str){buf + at, have - at});
            at = have;
        }
        memmove(buf, buf + at, have - at);
        have -= at;
    }
    return true;
}

static enum rc add_logs(struct request *r, struct archive *x, int64_t from, int64_t to,
                        struct err *err)
{
    const char *dir = log_dir(r);
    struct log_file *v = arena_array(r->a, LOG_FILES, sizeof *v);
    if (!v)
        return NOMEM(err);
    size_t n = dir ? list_logs(dir, v, LOG_FILES) : 0;
    for (size_t i = 0; i < n; i++) {
        struct range g = {.from = from, .to = to};
        const char *path = arena_printf(r->a, "%s/%s", dir, v[i].name);
        if (!path)
            return NOMEM(err);
        if (v[i].at < from / USEC_PER_SEC || !walk_lines(path, &g) || g.bytes == 0)
            continue;
        archive_file(x, arena_printf(r->a, "log/%s", v[i].name), g.bytes, v[i].at * USEC_PER_SEC);
        g.x = x;
        g.left = g.bytes;
        (void)walk_lines(path, &g);
    }
    return RC_OK;
}

static enum rc run_logs(struct request *r, struct err *err)
{
    int64_t from, to;
    TRY(r_query_range(r, &from, &to, err));
    AUTO(archive) struct archive *x = archive_begin(&r->out);
    if (!x)
        return NOMEM(err);
    TRY(add_logs(r, x, from, to, err));
    r->type = "application/gzip";
    r->subject = "logs";
    return archive_end(&x, err);
}

/* ---- the bundle ---- */
struct bundle_in {
    const char *event, *reproduce;
};
static const struct field bundle_fields[] = {
    FIELD_TEXT(struct bundle_in, event, .max = 4000, .label = {"What happened", "事象"}),
    FIELD_TEXT(struct bundle_in, reproduce, .max = 4000,
               .label = {"How to make it happen again", "再現手順"}),
    FIELD_END};

/* PRETTY_NAME of os-release, and the kernel. */
static void os_text(struct buf *out)
{
    AUTO(buf) struct buf text = BUF(16384);
    struct utsname u;
    if (file_read("/etc/os-release", &text, NULL) == RC_OK) {
        struct str rest = buf_str(&text), line;
        while (rest.n > 0 && str_split(&rest, '\n', &line))
            if (str_starts(line, "PRETTY_NAME=")) {
                buf_addstr(out, (struct str){line.p + 12, line.n - 12});
                buf_addc(out, ' ');
            }
    }
    if (uname(&u) == 0)
        buf_addf(out, "(%s %s %s)", u.sysname, u.release, u.machine);
}

/* The four answers support asks for, in both languages. */
static void answers(struct request *r, struct buf *out)
{
    const struct bundle_in *in = r->in;
    char at[32];
    time_rfc3339(r->now, at);
    buf_adds(out, "1. OS / version (OS とバージョン)\n   ");
    os_text(out);
    buf_adds(out, "\n   Inro ");
    buf_adds(out, r->api->o.version);
    buf_adds(out, ", ");
    buf_adds(out, crypto_version());
    buf_adds(out, "\n\n2. Time (発生日時)\n   ");
    buf_adds(out, r_query(r, "from") ? r_query(r, "from") : "-");
    buf_adds(out, " .. ");
    buf_adds(out, r_query(r, "to") ? r_query(r, "to") : at);
    buf_adds(out, "\n\n3. Event (事象)\n   ");
    buf_adds(out, in->event ? in->event : "-");
    buf_adds(out, "\n\n4. How to reproduce (再現手順)\n   ");
    buf_adds(out, in->reproduce ? in->reproduce : "-");
    buf_addc(out, '\n');
}

/* What the route answers an administrator, into a file of its own. */
static enum rc add_route(struct request *r, struct archive *x, const struct route *t,
                         struct err *err)
{
    struct request copy = *r;
    struct err why = {0};
    copy.route = t;
    copy.in = NULL;
    copy.body = NULL;
    copy.subject = NULL;
    copy.out = BUF((size_t)8 << 20);
    copy.w = JSON_WRITER(&copy.out);
    enum rc rc = t->run(&copy, &why);
    if (rc != RC_OK) {
        buf_clear(&copy.out);
        copy.w = JSON_WRITER(&copy.out);
        jw_err(&copy.w, &why);
    }
    const char *name = arena_printf(r->a, "state/%s.json", t->id);
    if (name)
        archive_text(x, name, buf_str(&copy.out), r->now);
    buf_free(&copy.out);
    return name ? RC_OK : NOMEM(err);
}

static const struct route *route_named(const char *id)
{
    size_t n;
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sets[s]->n; i++)
            if (strcmp(sets[s]->v[i].id, id) == 0)
                return &sets[s]->v[i];
    return NULL;
}

static enum rc add_errors(struct request *r, struct archive *x, struct err *err)
{
    static const enum job_state states[] = {JOB_FAILED, JOB_BLOCKED};
    AUTO(buf) struct buf b = BUF((size_t)8 << 20);
    struct request copy = *r;
    copy.out = b;
    copy.w = JSON_WRITER(&copy.out);
    jw_array(&copy.w);
    for (size_t s = 0; s < COUNT_OF(states); s++) {
        struct job_list list;
        struct job_filter f = {.in_state = (int)states[s] + 1, .limit = ERRORS_SHOWN};
        enum rc rc = db_job_list(r->db, &f, r->a, &list, err);
        if (rc != RC_OK) {
            buf_free(&copy.out);
            return rc;
        }
        for (size_t i = 0; i < list.n; i++)
            view_job(&copy, &list.v[i]);
    }
    jw_end_array(&copy.w);
    archive_text(x, "state/errors.json", buf_str(&copy.out), r->now);
    buf_free(&copy.out);
    return RC_OK;
}

static enum rc run_bundle(struct request *r, struct err *err)
{
    /* configuration, schema, counters; no people */
    static const char *const routes[] = {"system",       "summary",       "licence.show",
                                         "ca.list",      "target.list",   "notifier.list",
                                         "binding.list", "endpoint.list", "deployment.list",
                                         "syslog.get",   "log.get"};
    AUTO(buf) struct buf text = BUF(65536);
    AUTO(db) struct db *db = NULL;
    int64_t from, to;
    TRY(r_query_range(r, &from, &to, err));
    AUTO(archive) struct archive *x = archive_begin(&r->out);
    if (!x)
        return NOMEM(err);
    answers(r, &text);
    archive_text(x, "support.txt", buf_str(&text), r->now);
    TRY(r_read(r, &db, err));
    r->db = db;
    enum rc rc = add_errors(r, x, err);
    for (size_t i = 0; rc == RC_OK && i < COUNT_OF(routes); i++) {
        const struct route *t = route_named(routes[i]);
        if (t && (t->flags & ROUTE_READ))
            rc = add_route(r, x, t, err);
    }
    r->db = NULL;
    TRY(rc);
    TRY(add_logs(r, x, from, to, err));
    r->type = "application/gzip";
    r->subject = "support-bundle";
    return archive_end(&x, err);
}

/* ---- levels ---- */
#define LEVELS_META "log_levels"

struct level_in {
    const char *room, *level;
};
static const struct field_choice level_names[] = {{"error", {"Errors", "エラー"}},
                                                  {"warn", {"Warnings", "警告"}},
                                                  {"info", {"Usual", "通常"}},
                                                  {"debug", {"Everything", "詳細"}},
                                                  {NULL, {NULL, NULL}}};
static const struct field level_fields[] = {
    FIELD_STR(struct level_in, room, .max = 32,
              .label = {"Room (empty: all)", "部門（空欄は全部）"}),
    FIELD_ENUM(struct level_in, level, .flags = FIELD_REQUIRED, .choices = level_names,
               .label = {"Level", "レベル"}),
    FIELD_END};

static void put_levels(struct json_writer *w)
{
    const char *room;
    enum log_level level;
    jw_object(w);
    for (size_t i = 0; (room = log_room_at(i, &level)) != NULL; i++)
        jw_kstr(w, room, log_level_name(level));
    jw_end_object(w);
}

static enum rc run_levels(struct request *r, struct err *err)
{
    (void)err;
    jw_object(&r->w);
    jw_key(&r->w, "levels");
    put_levels(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_set_level(struct request *r, struct err *err)
{
    const struct level_in *in = r->in;
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    enum log_level level = LOG_INFO;
    (void)log_level_from_name(in->level, &level);
    bool known = true;
    if (in->room)
        known = log_set_room(in->room, level);
    else
        log_set_level(level);
    if (!known) {
        enum rc rc =
            FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("api.log_room", "there is no room called {0}", "{0} という部門はありません"),
                 in->room);
        err_field(err, "room");
        return rc;
    }
    put_levels(&w);
    TRY(buf_ok(&b, err));
    TRY(db_meta_set(r->db, LEVELS_META, buf_cstr(&b), err));
    r->subject = "settings/log";
    r->detail = arena_printf(r->a, "{\"level\":\"%s\"}", in->level);
    return run_levels(r, err);
}

void levels_restore(struct api *api)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *db = NULL;
    AUTO(json) struct json *j = NULL;
    const char *text = NULL, *key;
    const struct json *value;
    void *iter = NULL;
    enum log_level level;
    if (!a || store_read(api->o.store, &db, NULL) != RC_OK ||
        db_meta_get(db, LEVELS_META, a, &text, NULL) != RC_OK || !text ||
        json_parse(str_from(text), &j, NULL) != RC_OK)
        return;
    while (json_next(j, &iter, &key, &value))
        if (json_as_str(value) && log_level_from_name(json_as_str(value), &level))
            (void)log_set_room(key, level);
}

static const struct route rows[] = {
    {"log.export", "GET", "/logs", PERM(PERM_ADMIN), ROUTE_AUDIT, run_logs,
     .answer = "file application/gzip", .query = "from to",
     .summary = {"Log lines of a time range as one archive", "ログ出力（期間を指定して取得する）"}},
    {"log.get", "GET", "/settings/log", PERM(PERM_ADMIN), ROUTE_READ, run_levels,
     .answer = "LogLevels", .summary = {"Log levels by room", "ログレベルを表示する"}},
    {"log.set", "PUT", "/settings/log", PERM(PERM_ADMIN), ROUTE_WRITE, run_set_level,
     .answer = "LogLevels", .summary = {"Change a log level while running", "ログレベルを変更する"},
     .body = level_fields, .body_size = sizeof(struct level_in)},
    {"support.bundle", "POST", "/support-bundle", PERM(PERM_ADMIN), ROUTE_AUDIT, run_bundle,
     .answer = "file application/gzip", .query = "from to",
     .summary = {"What support asks for, as one archive", "サポートに送る情報をまとめる"},
     .body = bundle_fields, .body_size = sizeof(struct bundle_in)},
};
ROUTE_SET(routes_support, rows);
