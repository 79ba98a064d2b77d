/* Making an installation: data directory, master key, store, first administrator. */
#ifndef INRO_APP_INIT_H
#define INRO_APP_INIT_H

#include "app/config.h"

/* `inro init ...`: exit status. The one-time password of the administrator is printed once. */
int init_main(int argc, char *const argv[]);
/* Refuses with what to do when the data directory is not an installation, or others can read it. */
MUST enum rc init_verify(const struct config *c, struct arena *a, struct err *err);
/* One process at a time works on a data directory; the lock goes with the descriptor. */
MUST enum rc init_lock(const struct config *c, struct arena *a, int *ret_fd, struct err *err);
/* Half-written files of a killed process; only under the data directory's lock. */
MUST enum rc init_sweep(const struct config *c, struct arena *a, struct err *err);

#endif
