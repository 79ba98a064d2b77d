/*
 * The runner: starts the commands of local deploy steps (tests and reloads of web servers), and
 * nothing else. It has no key, no store, no channel but the worker's, and no filter: what it starts
 * may be sudo, and a filter would go with it. When it ends the worker went before: nobody waits for
 * a command any more.
 */
#include <errno.h>
#include <fcntl.h>

#include "app/role.h"
#include "app/run_ipc.h"
#include "app/serving.h"
#include "base/log.h"
#include "base/os/file.h"

enum { COMMANDS_MAX = 300 };

int role_runner(struct role_env *env)
{
    struct serving s = {.role = ROLE_RUNNER,
                        .kind = IPC_RUN,
                        .most = COMMANDS_MAX,
                        .answer = runner_answer,
                        .end = WAITER};
    struct err err;
    /* What is started gets none of our descriptors. */
    bool shut = fcntl(ROLE_CONTROL_FD, F_SETFD, FD_CLOEXEC) == 0 &&
                fcntl(ROLE_LEVELS_FD, F_SETFD, FD_CLOEXEC) == 0;
    enum rc rc = shut ? RC_OK : file_fail(&err, "descriptors", EBADF);
    if (rc == RC_OK)
        return serving_run(env, &s);
    log_err(LOG_ERROR, "runner", "starting", &err);
    return 1;
}
