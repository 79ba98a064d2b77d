/* Files: bounded reading, and writing that is either the old or the new content after a crash. */
#ifndef INRO_BASE_OS_FILE_H
#define INRO_BASE_OS_FILE_H

#include <sys/types.h>

#include "base/buf.h"

/* Appends the whole file to b; over b->max is an input error that names the file. */
MUST enum rc file_read(const char *path, struct buf *b, struct err *err);
/* As file_read, and the file must not be readable or writable by group or others. */
MUST enum rc file_read_private(const char *path, struct buf *b, struct err *err);
/*
 * Temporary file in the same directory (O_EXCL, mode and owner set before content), write, fsync,
 * rename, fsync of the directory. uid/gid -1 keeps the process's own.
 */
MUST enum rc file_write_atomic(const char *path, struct str data, mode_t mode, uid_t uid, gid_t gid,
                               struct err *err);
/* Removes what file_write_atomic() left in the directory when the process was killed in it. Only
 * while nobody else writes there. */
MUST enum rc dir_sweep(const char *path, struct err *err);
/* mkdir -p with the mode for what it makes; an existing directory is left as it is. */
MUST enum rc dir_make(const char *path, mode_t mode, struct err *err);
MUST enum rc dir_sync(const char *path, struct err *err); /* fsync of the directory itself */
MUST enum rc fd_write_all(int fd, const void *p, size_t n, struct err *err);
/* errno as an error naming path; what: "read", "write" ... */
MUST enum rc file_fail(struct err *err, const char *path, int errnum);
void fd_cleanup(int *fd); /* AUTO(fd) int fd = -1; */
int fd_take(int *fd);     /* hands the descriptor on, leaves -1 */

#endif
