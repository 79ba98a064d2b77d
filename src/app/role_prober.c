/*
 * The prober role: parses what strangers send, holds no key and no store. One thread per probe,
 * bounded; the parent notices a crash and starts it again, and the asker repeats its look. Probes
 * under way end with the process; nothing of theirs is saved here.
 */
#include "app/probe_ipc.h"
#include "app/role.h"
#include "app/sandbox.h"
#include "app/serving.h"
#include "base/log.h"

enum { PROBES_MAX = 256 };

int role_prober(struct role_env *env)
{
    struct serving s = {.role = ROLE_PROBER,
                        .kind = IPC_PROBE,
                        .most = PROBES_MAX,
                        .answer = prober_answer,
                        .end = WAITER};
    struct err err;
    if (sandbox_enter(roles[ROLE_PROBER].keeps, &err) != RC_OK)
        log_err(LOG_WARN, "prober", "confining", &err);
    return serving_run(env, &s);
}
