/* The role table and what all role processes do first. */
#include "app/role.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/sandbox.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "codec/json.h"
#include "crypto/digest.h"

enum { KEEP_FREED = 512 << 10 };

const struct role roles[ROLE_COUNT] = {
    [ROLE_VAULT] = {"vault", role_vault, HOLDS_SECRETS, 1u << ROLE_WORKER | 1u << ROLE_FRONT},
    [ROLE_RUNNER] = {"runner", role_runner, KEEP_NET | KEEP_EXEC | KEEP_READ | KEEP_WRITE,
                     1u << ROLE_WORKER},
    [ROLE_PROBER] = {"prober", role_prober, KEEP_NET | KEEP_READ, 1u << ROLE_WORKER},
    [ROLE_WORKER] = {"worker", role_worker, KEEP_NET | KEEP_READ | KEEP_WRITE | HOLDS_SECRETS,
                     1u << ROLE_VAULT | 1u << ROLE_RUNNER | 1u << ROLE_PROBER | 1u << ROLE_FRONT},
    [ROLE_FRONT] = {"front", role_front, KEEP_NET | KEEP_READ | KEEP_WRITE,
                    1u << ROLE_VAULT | 1u << ROLE_WORKER},
};

struct control_thread {
    struct role_env *env;
    struct role_control c;
};

static enum role_id role_by_name(struct str name)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (str_eqs(name, roles[i].name))
            return (enum role_id)i;
    return ROLE_COUNT;
}

static void *control_run(void *arg)
{
    struct control_thread *t = arg;
    for (;;) {
        AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
        struct ipc_frame f;
        struct str name;
        enum rc rc = ipc_recv(t->env->control, 0, &b, &f, NULL);
        if (rc != RC_OK || f.kind == IPC_STOP)
            break; /* the supervisor asked, or is gone: nobody would restart us */
        if (f.kind == IPC_PEER && f.fd >= 0 && ipc_get(f.payload, 1, 0, &name) &&
            role_by_name(name) != ROLE_COUNT)
            t->c.on_peer(t->c.ctx, role_by_name(name), f.fd);
        else if (f.fd >= 0)
            close(f.fd);
    }
    atomic_store(&t->env->stopping, true);
    t->c.on_stop(t->c.ctx);
    mem_free(t);
    return NULL;
}

enum rc role_control_start(struct role_env *env, const struct role_control *c, struct err *err)
{
    pthread_t th;
    struct control_thread *t = mem_alloc(sizeof *t);
    if (!t)
        return NOMEM(err);
    t->env = env;
    t->c = *c;
    if (pthread_create(&th, NULL, control_run, t) != 0) {
        mem_free(t);
        return NOMEM(err);
    }
    (void)pthread_detach(th);
    return RC_OK;
}

enum rc role_ready(struct role_env *env, struct err *err)
{
    return ipc_send(env->control, ipc_soon(), IPC_HELLO, 0, STR(""), -1, err);
}

int role_main(int argc, char *const argv[])
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf problems = BUF(65536);
    struct config config;
    struct err err;
    enum role_id id = argc > 0 ? role_by_name(str_from(argv[0])) : ROLE_COUNT;

    if (!a || id == ROLE_COUNT)
        return 2;
    if (config_load(argc - 1, argv + 1, "en", a, &config, &problems, &err) != RC_OK) {
        (void)fprintf(stderr, "%s", buf_cstr(&problems));
        return 2;
    }
    struct role_env env = {.config = &config, .control = ROLE_CONTROL_FD};
    mem_keep_freed(KEEP_FREED);
    (void)signal_ignore_all();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)log_table_map(ROLE_LEVELS_FD);
    log_init(roles[id].name, 2, config.log_level, config.log_json);
    json_init();
    crypto_init();
    sandbox_common(roles[id].keeps);
    return roles[id].main(&env);
}
