/*
 * Handshakes with strangers happen in the prober: the worker sends what to look at and gets what
 * was seen. Each probe has a socket pair of its own, so that many run at once.
 */
#ifndef INRO_APP_PROBE_IPC_H
#define INRO_APP_PROBE_IPC_H

#include <pthread.h>

#include "net/ipc.h"
#include "net/tls_probe.h"

struct prober { /* client side; replaced when the prober was restarted */
    pthread_mutex_t lock;
    int fd; /* -1 = none now */
};

#define PROBER_NONE ((struct prober){PTHREAD_MUTEX_INITIALIZER, -1})

void prober_replace(struct prober *p, int fd);
/* As tls_probe_do(), in the prober process. Thread-safe, blocks. RC_BUSY while it restarts. */
MUST enum rc prober_do(struct prober *p, const struct tls_probe *probe, struct arena *a,
                       struct tls_seen *ret, struct err *err);
/* Server side: answers one request frame on its own descriptor (closed afterwards). */
void prober_answer(const struct ipc_frame *request, int reply_fd);

#endif
