/* Telling the service manager how we are (the datagrams of sd_notify(3)). */
#ifndef INRO_BASE_OS_NOTIFY_H
#define INRO_BASE_OS_NOTIFY_H

#include <stdbool.h>

/* state: lines such as "READY=1\nSTATUS=...". False when nobody asked to be told (NOTIFY_SOCKET)
 * or it did not arrive; either way work goes on. */
bool notify_manager(const char *state);

#endif
