/*
 * `inro check`: judges an installation from its data directory alone, with or without a server
 * running. It changes nothing and shows no secret.
 */
#ifndef INRO_APP_CHECK_H
#define INRO_APP_CHECK_H

/* Exit status 0: everything fits; 1: it could not be judged; 4: something is wrong (each a line).
 */
int check_main(int argc, char *const argv[]);

#endif
