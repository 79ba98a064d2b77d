/*
 * Processes: one binary, re-executed with a role. Roles are rows in one table; the supervisor
 * starts them, joins them by socket pairs and restarts the one that dies without touching others.
 */
#ifndef INRO_APP_ROLE_H
#define INRO_APP_ROLE_H

#include <stdatomic.h>

#include "app/config.h"
#include "net/ipc.h"

/* The first two serve the others to the end: they are stopped last. */
enum role_id { ROLE_VAULT = 0, ROLE_RUNNER, ROLE_PROBER, ROLE_WORKER, ROLE_FRONT, ROLE_COUNT };

enum { ROLE_CONTROL_FD = 3, ROLE_LEVELS_FD = 4 }; /* descriptors a role is started with */

enum {                    /* what a role keeps when it confines itself, see sandbox.h */
       KEEP_NET = 1,      /* may open sockets */
       KEEP_EXEC = 2,     /* may start programs */
       KEEP_WRITE = 4,    /* may open files for writing */
       KEEP_READ = 8,     /* may open files for reading */
       HOLDS_SECRETS = 16 /* undumpable, memory locked */
};

struct role_env {
    const struct config *config;
    int control;          /* channel to the supervisor */
    atomic_bool stopping; /* set by the control thread on IPC_STOP or when the supervisor is gone */
};

struct role {
    const char *name;
    int (*main)(struct role_env *env); /* exit status */
    unsigned keeps;
    unsigned peers; /* bit per role it has a channel to */
};

extern const struct role roles[ROLE_COUNT];

/*
 * Messages from the supervisor, received on a thread of its own: on_peer gets each new channel
 * (also after the peer was restarted), on_stop is called once. Both run on that thread.
 */
struct role_control {
    void (*on_peer)(void *ctx, enum role_id peer, int fd);
    void (*on_stop)(void *ctx);
    void *ctx;
};
MUST enum rc role_control_start(struct role_env *env, const struct role_control *c,
                                struct err *err);
/* Tells the supervisor that the role is at work. */
MUST enum rc role_ready(struct role_env *env, struct err *err);

/* What the vault opens its ring from: DATA/master.key and the passphrase file. text stays empty
 * when the key file cannot be read, and *why says so. */
void role_key_file(const struct config *c, struct arena *a, struct buf *text, struct buf *pass,
                   struct err *why);

int role_vault(struct role_env *env);
int role_runner(struct role_env *env);
int role_prober(struct role_env *env);
int role_worker(struct role_env *env);
int role_front(struct role_env *env);

/* `inro role NAME ...`, started by the supervisor with the control channel as descriptor 3. */
int role_main(int argc, char *const argv[]);
/* `inro serve ...`: returns when told to stop. */
int supervisor_main(int argc, char *const argv[]);

#endif
