/*
 * The log files: DATA/log/inro.log and the older ones beside it. All roles write to one pipe; a
 * thread of the supervisor takes it into the file (and hands it on to what was standard error, for
 * journald), turns the file over by size and by day, and removes the oldest when they are too many
 * bytes or too old. A full disk loses log lines and nothing else.
 */
#ifndef INRO_APP_LOG_KEEPER_H
#define INRO_APP_LOG_KEEPER_H

#include "app/config.h"

struct log_keeper;

struct log_limits {
    int64_t file_bytes, total_bytes, days;
};

/* *ret_fd: where the roles and we write (close-on-exec). */
MUST enum rc log_keeper_start(const char *dir, const struct log_limits *limits,
                              struct log_keeper **ret, int *ret_fd, struct err *err);
/* All lines written so far are in the file when it returns; other writers must be gone. */
void log_keeper_stop(struct log_keeper *k, int fd);

/* The parts the thread is made of, for tests. */
MUST enum rc log_file_open(const char *dir, const struct log_limits *limits,
                           struct log_keeper **ret, struct err *err);
void log_file_put(struct log_keeper *k, const char *p, size_t n, int64_t now);
void log_file_close(struct log_keeper *k);

#endif
