/* The command line: every command but serve, init, role and scan is a client of the API. */
#ifndef INRO_APP_CLI_H
#define INRO_APP_CLI_H

#include "base/err.h"

/* argv as main() got it. Exit status: 0, 2 usage, 3 refused input, 4 not found, 5 remote failed,
 * 6 not permitted, 7 licence, 1 anything else. */
int cli_main(int argc, char **argv);
int cli_exit(enum rc rc);

#endif
