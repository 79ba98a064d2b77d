/*
 * Where all log lines go through: the roles write to one pipe, and a thread of the supervisor takes
 * it into the log files and hands it on to what was standard error. If that is systemd's journal,
 * each line gets its priority. If nobody reads there, lines are lost there and nowhere else: the
 * roles never wait for a stranger's terminal, pipe or journal.
 */
#ifndef INRO_APP_LOG_KEEPER_H
#define INRO_APP_LOG_KEEPER_H

#include "app/log_file.h"

struct log_keeper;

/* *ret_fd: where the roles and we write (close-on-exec). */
MUST enum rc log_keeper_start(const char *dir, const struct log_limits *limits,
                              struct log_keeper **ret, int *ret_fd, struct err *err);
/* All lines written so far are in the file when it returns; other writers must be gone. */
void log_keeper_stop(struct log_keeper *k, int fd);

#endif
