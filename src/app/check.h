/*
 * `inro check`: judges an installation from its data directory alone, with or without a server
 * running. It changes nothing and shows no secret.
 */
#ifndef INRO_APP_CHECK_H
#define INRO_APP_CHECK_H

#include "base/err.h"

/* Exit status 0: everything fits; 1: it could not be judged; 4: something is wrong (each a line).
 */
int check_main(int argc, char *const argv[]);
/* The same walk over a directory with inro.db and master.key; RC_CORRUPT tells the first finding.
 */
MUST enum rc check_directory(const char *dir, const char *passphrase, const char *lang,
                             struct err *err);

#endif
