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
void log_set_level(enum log_level level);
bool log_level_from_name(const char *name, enum log_level *ret);
void log_line(enum log_level level, const char *room, const char *fmt, ...) FORMAT(3, 4);
/* An error value with its frames, remote and place. `what` names the operation. */
void log_err(enum log_level level, const char *room, const char *what, const struct err *err);

#endif
