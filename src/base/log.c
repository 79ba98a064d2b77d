/* One write(2) per line, so lines of several threads and processes do not mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char *log_role = "inro";
static int log_fd = 2;
static bool log_json;
static atomic_int log_max = LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_init(const char *role, int fd, enum log_level level, bool json)
{
    log_role = role;
    log_fd = fd;
    log_json = json;
    atomic_store(&log_max, (int)level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_max, (int)level);
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

static void emit(enum log_level level, const char *room, const char *text)
{
    char line[3072], at[32];
    size_t o;

    time_rfc3339(clock_now(clock_real()), at);
    if (log_json) {
        o = (size_t)snprintf(line, sizeof line,
                             "{\"at\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"pid\":%d,"
                             "\"room\":\"%s\",\"text\":\"",
                             at, level_names[level], log_role, (int)getpid(), room);
        o = put(line, sizeof line - 4, o, text, true);
        line[o++] = '"';
        line[o++] = '}';
    } else {
        o = (size_t)snprintf(line, sizeof line, "%s %s %s[%d] %s: ", at, level_names[level],
                             log_role, (int)getpid(), room);
        o = put(line, sizeof line - 2, o, text, false);
    }
    line[o++] = '\n';
    if (write(log_fd, line, o) < 0)
        return; /* nowhere left to say it */
}

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    if ((int)level > atomic_load(&log_max))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    emit(level, room, text);
}

void log_err(enum log_level level, const char *room, const char *what, const struct err *err)
{
    char text[1600];

    if ((int)level > atomic_load(&log_max))
        return;
    err_text(err, "en", text, sizeof text);
    log_line(level, room, "%s: %s [%s, %s%s%s%s%s, %s]", what, text, err->id, rc_name(err->rc),
             err->field[0] ? ", field " : "", err->field, err->remote[0] ? ", remote " : "",
             err->remote, err->where);
}
