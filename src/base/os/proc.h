/* Child processes: an argument vector, never a shell. */
#ifndef INRO_BASE_OS_PROC_H
#define INRO_BASE_OS_PROC_H

#include <stdatomic.h>

#include "base/buf.h"

struct proc_result {
    int status;     /* exit status 0..255, or 128 + signal when killed */
    bool timed_out; /* killed by us at the deadline (with its whole process group) */
    bool cancelled;
};

/*
 * Runs argv[0] (absolute path, or found in PATH) with stdin from /dev/null, stdout and stderr
 * joined into `out` up to out->max (the rest is read and dropped). env NULL keeps a minimal
 * environment (PATH, LC_ALL=C). timeout in microseconds. Fails only when it cannot be started.
 */
MUST enum rc proc_run(const char *const argv[], const char *const envp[], int64_t timeout_usec,
                      const atomic_bool *cancel, struct buf *out, struct proc_result *ret,
                      struct err *err);

/* The same with the minimal environment, for somebody at the other end of a socket: the command is
 * stopped when that end is closed, or closed for writing. */
MUST enum rc proc_run_for(const char *const argv[], int64_t timeout_usec, int asker_fd,
                          struct buf *out, struct proc_result *ret, struct err *err);

/*
 * Splits a command line given by an administrator into argv: words by white space, '...' and
 * "..." quoting, backslash escapes; no expansion of any kind. An unclosed quote is an error.
 * The result is in the arena and NULL-terminated.
 */
struct arena;
MUST enum rc proc_split(struct arena *a, const char *command, const char *const **ret_argv,
                        struct err *err);

#endif
