/*
 * A new binary on an older store: copy, migrate in one transaction, self-check, and only then
 * start. When that fails the copy is put back and the previous binary goes on, on untouched data.
 *
 * DATA/upgrade.json tells what was tried; it stays after a failure, so that a restart does not try
 * the same again: remove it to have another try. The previous binary is $INRO_PREVIOUS, or
 * ../lib/inro/previous/inro beside this one; the Debian package puts it there.
 */
#ifndef INRO_APP_UPGRADE_H
#define INRO_APP_UPGRADE_H

#include "app/config.h"

/* Under the lock of the data directory, before any role runs. argv: of `serve`, for the previous
 * binary. Does not return when that one takes over. */
MUST enum rc upgrade_store(const struct config *c, struct arena *a, int argc, char *const argv[],
                           struct err *err);
/* `inro self-check ...`: everything a start needs, without starting anything. */
int selfcheck_main(int argc, char *const argv[]);

#endif
