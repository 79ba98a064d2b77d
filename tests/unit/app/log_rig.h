/* A folder for the logs of one test. Include after cmocka.h. */
#ifndef INRO_TESTS_LOG_RIG_H
#define INRO_TESTS_LOG_RIG_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "unit/ok.h"

static char dir[64];

static int start(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/inro-log-XXXXXX");
    return mkdtemp(dir) ? 0 : 1;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
