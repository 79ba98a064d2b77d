/*
 * Commands on this machine are started by the runner: the worker, which has secrets in its memory
 * and talks to strangers, starts no program at all. It sends the words of the command, and gets
 * how it ended and what it said. Each command has a socket pair of its own: closing it stops the
 * command, so nothing runs for a worker that is gone.
 */
#ifndef INRO_APP_RUN_IPC_H
#define INRO_APP_RUN_IPC_H

#include <pthread.h>

#include "base/os/proc.h"
#include "net/ipc.h"

struct runner { /* client side; replaced when the runner was restarted */
    pthread_mutex_t lock;
    int fd; /* -1 = none now */
};

#define RUNNER_NONE ((struct runner){PTHREAD_MUTEX_INITIALIZER, -1})

void runner_replace(struct runner *r, int fd);
/* As proc_run() with the minimal environment, in the runner process. Thread-safe, blocks. RC_BUSY
 * while it restarts, also when it died with the command. */
MUST enum rc runner_do(struct runner *r, const char *const argv[], int64_t timeout_usec,
                       const atomic_bool *cancel, struct buf *out, struct proc_result *ret,
                       struct err *err);
/* Server side: answers one request frame on its own descriptor (closed afterwards). */
void runner_answer(const struct ipc_frame *request, int reply_fd);

#endif
