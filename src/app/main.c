/* inro: the daemon's roles and the command line in one binary. */
#include <stdio.h>
#include <string.h>

#include "app/check.h"
#include "app/cli.h"
#include "app/init.h"
#include "app/restore.h"
#include "app/role.h"
#include "app/sandbox.h"
#include "app/scan.h"
#include "app/upgrade.h"

struct entry {
    const char *name;
    int (*main)(int argc, char *const argv[]); /* without the two first words */
};

static const struct entry entries[] = {
    {"check", check_main},          {"init", init_main},
    {"restore", restore_main},      {"role", role_main},
    {"self-check", selfcheck_main}, {"scan", scan_main},
    {"serve", supervisor_main},
};

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        (void)printf("inro %s\n", INRO_VERSION);
        return 0;
    }
    if (!signal_ignore_pipe())
        return 1;
    for (int i = 2; i < argc; i++) /* help is the command line's, for every command */
        if (strcmp(argv[i], "--help") == 0)
            return cli_main(argc, argv);
    for (size_t i = 0; argc >= 2 && i < COUNT_OF(entries); i++)
        if (strcmp(argv[1], entries[i].name) == 0)
            return entries[i].main(argc - 2, argv + 2);
    return cli_main(argc, argv);
}
