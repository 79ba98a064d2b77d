/*
 * The log files: DATA/log/inro.log and the older ones beside it, turned over by size and by day;
 * the oldest are removed when they are too many bytes or too old. Somebody else may remove, move,
 * cut or replace inro.log, or the whole folder, at any time: the next lines go to a new inro.log. A
 * full disk loses lines, whole ones, and says how many once there is room again. One thread.
 */
#ifndef INRO_APP_LOG_FILE_H
#define INRO_APP_LOG_FILE_H

#include "app/config.h"

struct log_file;

struct log_limits {
    int64_t file_bytes, total_bytes, days;
};

MUST enum rc log_file_open(const char *dir, const struct log_limits *limits, struct log_file **ret,
                           struct err *err);
/* Whole lines. */
void log_file_put(struct log_file *f, const char *p, size_t n, int64_t now);
void log_file_close(struct log_file *f);

#endif
