/* Stores to test on: a SQLite file in a new directory, and a private PostgreSQL on a socket. */
#ifndef INRO_TEST_STORE_RIG_H
#define INRO_TEST_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/repo.h"
#include "store/store_priv.h"
#include "unit/ok.h"

#define PG_BIN "/usr/lib/postgresql/15/bin"

struct rig {
    char dir[64], url[256];
    pid_t server;
    struct store *s;
    struct arena *a;
};

static int rig_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void rig_dir(struct rig *r)
{
    snprintf(r->dir, sizeof r->dir, "/tmp/inro-store-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
}

static inline void rig_end(struct rig *r)
{
    store_close(r->s);
    arena_destroy(r->a);
    if (r->server > 0) {
        kill(r->server, SIGINT);
        waitpid(r->server, NULL, 0);
    }
    nftw(r->dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void rig_sqlite(struct rig *r)
{
    rig_dir(r);
    snprintf(r->url, sizeof r->url, "sqlite:%s/inro.db", r->dir);
    r->a = arena_create(0);
    OK(store_open(r->url, &r->s, err));
    OK(store_migrate(r->s, NULL, NULL, err));
}

/* A child as the user postgres when we are root: the server refuses to run as root. */
static inline pid_t rig_spawn(const struct rig *r, char *const argv[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw && (setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
        _exit(126);
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0 || chdir(r->dir) != 0)
        _exit(126);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(argv[0], argv);
    _exit(127);
}

static inline void rig_pgsql(struct rig *r)
{
    if (access(PG_BIN "/initdb", X_OK) != 0)
        fail_msg("PostgreSQL 15 is missing: apt-get install postgresql-15");
    rig_dir(r);
    struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw)
        assert_int_equal(chown(r->dir, pw->pw_uid, pw->pw_gid), 0);
    char data[96];
    snprintf(data, sizeof data, "%s/data", r->dir);
    char *initdb[] = {PG_BIN "/initdb", "-D", data,   "-U",        "inro",       "-A",
                      "trust",          "-E", "UTF8", "--no-sync", "--locale=C", NULL};
    int st = -1;
    assert_int_equal(waitpid(rig_spawn(r, initdb), &st, 0) > 0, 1);
    assert_int_equal(st, 0);
    char *server[] = {
        PG_BIN "/postgres",    "-D", data, "-k", r->dir, "-c", "listen_addresses=", "-c",
        "shared_buffers=16MB", NULL};
    r->server = rig_spawn(r, server);
    snprintf(r->url, sizeof r->url, "postgresql:///postgres?host=%s&user=inro", r->dir);
    r->a = arena_create(0);
    struct err e = {0};
    enum rc rc = RC_NET;
    for (int i = 0; i < 100 && rc != RC_OK; i++) {
        usleep(100000);
        rc = store_open(r->url, &r->s, &e);
    }
    if (rc != RC_OK)
        fail_msg("PostgreSQL did not start: %s", e.en);
    OK(store_migrate(r->s, NULL, NULL, err));
}

/* Group fixtures: the same tests on both engines. */
static inline int rig_on_sqlite(void **state)
{
    static struct rig r;
    rig_sqlite(&r);
    *state = &r;
    return 0;
}

static inline int rig_on_pgsql(void **state)
{
    static struct rig r;
    rig_pgsql(&r);
    *state = &r;
    return 0;
}

static inline int rig_leave(void **state)
{
    rig_end(*state);
    return 0;
}

#endif
