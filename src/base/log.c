/* One write(2) per line, so lines of several threads and processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

static const char *log_role = "inro";
static int log_fd = 2;
static bool log_json, log_journal;

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int priorities[] = {3, 4, 6, 7}; /* syslog(3): err, warning, info, debug */
static const char *const rooms[] = {"api",    "app",    "connect",    "front", "job",   "net",
                                    "prober", "runner", "supervisor", "store", "vault", "worker"};

/* One level per room, and one for words that are no room. */
struct level_table {
    atomic_int of[COUNT_OF(rooms) + 1];
};
static struct level_table own = {{LOG_INFO, LOG_INFO, LOG_INFO, LOG_INFO, LOG_INFO, LOG_INFO,
                                  LOG_INFO, LOG_INFO, LOG_INFO, LOG_INFO, LOG_INFO, LOG_INFO}};
static struct level_table *levels = &own;

static size_t room_index(const char *room)
{
    size_t i = 0;
    while (i < COUNT_OF(rooms) && strcmp(rooms[i], room) != 0)
        i++;
    return i;
}

static bool wanted(enum log_level level, const char *room)
{
    return (int)level <= atomic_load(&levels->of[room_index(room)]);
}

void log_init(const char *role, int fd, enum log_level level, bool json)
{
    log_role = role;
    log_fd = fd;
    log_json = json;
    log_journal = log_is_journal(fd);
    if (levels == &own) /* a shared table has what the supervisor and people set */
        log_set_level(level);
}

void log_set_level(enum log_level level)
{
    for (size_t i = 0; i < COUNT_OF(levels->of); i++)
        atomic_store(&levels->of[i], (int)level);
}

enum rc log_table_create(int *ret_fd, struct err *err)
{
    int fd = memfd_create("inro-log-levels", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)sizeof own) == 0, err, RC_INTERNAL, BLAME_US,
          MSG("base.log_table", "the table of log levels cannot be made",
              "ログレベルの表を作成できません"));
    *ret_fd = fd;
    return RC_OK;
}

bool log_table_map(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size != (off_t)sizeof own)
        return false;
    void *p = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    levels = p;
    return true;
}

size_t log_room_count(void)
{
    return COUNT_OF(rooms);
}

const char *log_room_at(size_t i, enum log_level *ret)
{
    if (i >= COUNT_OF(rooms))
        return NULL;
    *ret = (enum log_level)atomic_load(&levels->of[i]);
    return rooms[i];
}

bool log_set_room(const char *room, enum log_level level)
{
    size_t i = room_index(room);
    if (i == COUNT_OF(rooms))
        return false;
    atomic_store(&levels->of[i], (int)level);
    return true;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Appends text with control characters made visible; JSON-escaped when json. */
static size_t put(char *out, size_t size, size_t o, const char *s, bool json)
{
    for (; *s && o + 8 < size; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            o += (size_t)snprintf(out + o, size - o, json ? "\\u%04x" : "\\x%02x", c);
        else if (json && (c == '"' || c == '\\')) {
            out[o++] = '\\';
            out[o++] = (char)c;
        } else
            out[o++] = (char)c;
    }
    out[o] = '\0';
    return o;
}

size_t log_format(char line[LOG_LINE_MAX], enum log_level level, const char *room, const char *text)
{
    char at[32];
    size_t o;

    time_rfc3339(clock_now(clock_real()), at);
    if (log_json) {
        o = (size_t)snprintf(line, LOG_LINE_MAX,
                             "{\"at\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"pid\":%d,"
                             "\"room\":\"%s\",\"text\":\"",
                             at, level_names[level], log_role, (int)getpid(), room);
        o = put(line, LOG_LINE_MAX - 4, o, text, true);
        line[o++] = '"';
        line[o++] = '}';
    } else {
        o = (size_t)snprintf(line, LOG_LINE_MAX, "%s %s %s[%d] %s: ", at, level_names[level],
                             log_role, (int)getpid(), room);
        o = put(line, LOG_LINE_MAX - 2, o, text, false);
    }
    line[o++] = '\n';
    return o;
}

/* systemd names the stream it reads by device and inode, so a redirected one is not taken for it.
 */
bool log_is_journal(int fd)
{
    const char *named = getenv("JOURNAL_STREAM");
    struct stat st;
    char ours[48];
    if (!named || fstat(fd, &st) != 0)
        return false;
    (void)snprintf(ours, sizeof ours, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(named, ours) == 0;
}

int log_priority_of(const char *line, size_t n)
{
    static const char key[] = "\"level\":\"";
    const char *word = memchr(line, n && line[0] == '{' ? ',' : ' ', n), *end = line + n;
    size_t skip = 1;
    if (word && line[0] == '{') {
        skip += sizeof key - 1;
        word =
            (size_t)(end - word) > skip && memcmp(word + 1, key, sizeof key - 1) == 0 ? word : NULL;
    }
    for (size_t i = 0; word && i < COUNT_OF(level_names); i++) {
        size_t len = strlen(level_names[i]);
        if ((size_t)(end - word) > skip + len && memcmp(word + skip, level_names[i], len) == 0 &&
            strchr(" \"", word[skip + len]))
            return priorities[i];
    }
    return priorities[LOG_WARN];
}

static void emit(enum log_level level, const char *room, const char *text)
{
    char line[4 + LOG_LINE_MAX];
    size_t o = 0;
    if (log_journal)
        o = (size_t)snprintf(line, 4, "<%d>", priorities[level]);
    o += log_format(line + o, level, room, text);
    if (write(log_fd, line, o) < 0)
        return; /* nowhere left to say it */
}

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    if (!wanted(level, room))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    emit(level, room, text);
}

void log_err(enum log_level level, const char *room, const char *what, const struct err *err)
{
    char text[1600];

    if (!wanted(level, room))
        return;
    err_text(err, "en", text, sizeof text);
    log_line(level, room, "%s: %s [%s, %s%s%s%s%s, %s]", what, text, err->id, rc_name(err->rc),
             err->field[0] ? ", field " : "", err->field, err->remote[0] ? ", remote " : "",
             err->remote, err->where);
}
