/*
 * `inro restore FILE`: puts a backup into a data directory, all of it or nothing.
 *
 * Everything is unpacked into DATA/restore.staging and judged there; one rename to
 * DATA/restore.ready decides; then each file takes its place and what was there before goes to
 * DATA/previous-<time>. Whoever opens the data directory next (restore or serve) finishes a
 * restore that was cut short after the decision, and sweeps one that was cut short before it.
 */
#ifndef INRO_APP_RESTORE_H
#define INRO_APP_RESTORE_H

#include "app/config.h"

int restore_main(int argc, char *const argv[]);
/* Under the lock of the data directory. */
MUST enum rc restore_finish(const struct config *c, struct arena *a, struct err *err);

#endif
