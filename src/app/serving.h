/*
 * A role that answers requests of one kind and does nothing else: a thread for each, bounded. The
 * answer goes to the descriptor that came with the request; a request that is not taken has it
 * closed, which tells the asker that nothing will come.
 */
#ifndef INRO_APP_SERVING_H
#define INRO_APP_SERVING_H

#include <stdatomic.h>

#include "app/role.h"
#include "app/waiter.h"
#include "net/ipc.h"

struct serving {
    enum role_id role; /* which one this is: those joined to it are served */
    enum ipc_kind kind;
    int most;                                                      /* requests at once */
    void (*answer)(const struct ipc_frame *request, int reply_fd); /* on a thread of its own */
    struct waiter end;                                             /* WAITER */
    atomic_int running;                                            /* 0 */
};

/* Serves until the supervisor says stop, and ends the process; what is under way ends with it.
 * Returns an exit status only when it could not start (logged). */
int serving_run(struct role_env *env, struct serving *s);

#endif
