/*
 * Ends connections of libraries that wait without an end of their own (libssh in SFTP): one thread
 * shuts a registered socket down when its time is over or its owner was asked to stop; the library
 * then sees a broken connection and returns.
 */
#ifndef INRO_NET_WATCHDOG_H
#define INRO_NET_WATCHDOG_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

struct watchdog; /* one registered socket */

/* until: monotonic. The socket stays the caller's: remove before closing it. */
MUST enum rc watchdog_add(int fd, int64_t until, const atomic_bool *cancel, struct watchdog **ret,
                          struct err *err);
void watchdog_until(struct watchdog *w, int64_t until);
void watchdog_remove(struct watchdog *w); /* NULL-safe */

#endif
