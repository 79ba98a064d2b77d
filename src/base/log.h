/*
 * Logging: one line per event to standard error (the supervisor or journald collects it) or to a
 * file descriptor. Takes only text; secrets have a type of their own that cannot be passed here.
 * Floors 0-4 log at LOG_DEBUG at most; job and api log each event once.
 */
#ifndef INRO_BASE_LOG_H
#define INRO_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Once per process, before threads. role: "front", "vault" ... (kept, not copied). */
void log_init(const char *role, int fd, enum log_level level, bool json);
void log_set_level(enum log_level level); /* of all rooms */
/*
 * Levels per room, changeable while running. The supervisor makes the table (a memory file) and
 * every role maps it, so that a change in one is seen by all at once. Without it each process has
 * its own.
 */
MUST enum rc log_table_create(int *ret_fd, struct err *err);
bool log_table_map(int fd); /* before threads */
size_t log_room_count(void);
const char *log_room_at(size_t i, enum log_level *ret); /* NULL past the last */
bool log_set_room(const char *room, enum log_level level);
const char *log_level_name(enum log_level level);
bool log_level_from_name(const char *name, enum log_level *ret);
void log_line(enum log_level level, const char *room, const char *fmt, ...) FORMAT(3, 4);
enum { LOG_LINE_MAX = 3072 };
/* The line log_line() would write, with its end of line; for who writes the file itself. */
size_t log_format(char out[LOG_LINE_MAX], enum log_level level, const char *room, const char *text);
/* True when the journal of systemd reads this descriptor: there a line begins with "<N>", N being
 * the priority of syslog(3). log_init() looks, so log_line() does it by itself. */
bool log_is_journal(int fd);
/* The priority of a line that log_line() made; of any other, as our libraries print, warning. */
int log_priority_of(const char *line, size_t n);
/* An error value with its frames, remote and place. `what` names the operation. */
void log_err(enum log_level level, const char *room, const char *what, const struct err *err);

#endif
