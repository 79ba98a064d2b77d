/*
 * Invariants: no file here is overwritten or removed that a person may have put there: what makes
 * room is renamed, to a name that is free. Both halves are looked at alone, so that a start which
 * was cut short between two renames is finished by the next.
 */
#include "app/gui_pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/os/file.h"
#include "crypto/issue.h"
#include "model/policy.h"

enum { GUI_DAYS = 825, NAMES_TRIED = 1000 };
enum half { CERT, KEY, HALVES };
enum place { PRESENT, OLD, PLACES };

struct gui {
    const char *path[PLACES][HALVES];
    int64_t now;
    struct arena *a;
};

enum use {
    NO_PAIR, /* missing, broken, or halves of two pairs */
    ENDED,   /* within a day */
    NOT_YET,
    GOOD
};

struct look {
    enum use use;
    bool ours; /* made by make_pair() below */
};

static bool read_cert(const struct gui *g, enum place p, struct cert_info *ret)
{
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    struct cert_list list;
    if (file_read(g->path[p][CERT], &pem, NULL) != RC_OK ||
        cert_parse_pem(buf_str(&pem), true, g->a, &list, NULL) != RC_OK)
        return false;
    *ret = list.v[0];
    return true;
}

static bool key_fits(const struct gui *g, enum place p, const struct cert_info *cert)
{
    AUTO(buf) struct buf pem = BUF_SECRET(16384);
    AUTO(key) struct key *key = NULL;
    unsigned char spki[32];
    return file_read(g->path[p][KEY], &pem, NULL) == RC_OK &&
           key_from_pem(buf_str(&pem), NULL, &key, NULL) == RC_OK &&
           key_spki_sha256(key, spki, NULL) == RC_OK &&
           memcmp(spki, cert->spki_sha256, sizeof spki) == 0;
}

/* A clock that stands before this program was made says nothing about validity. */
static struct look look_at(const struct gui *g, enum place cert_at, enum place key_at)
{
    struct cert_info c;
    struct look l = {.use = NO_PAIR};
    if (!read_cert(g, cert_at, &c) || !key_fits(g, key_at, &c))
        return l;
    l.ours = c.self_issued && strcmp(c.subject, "CN=Inro") == 0 &&
             c.not_after - c.not_before == GUI_DAYS * USEC_PER_DAY + 3600 * USEC_PER_SEC;
    if (g->now < BUILT_AT)
        l.use = GOOD;
    else if (c.not_after <= g->now + USEC_PER_DAY)
        l.use = ENDED;
    else
        l.use = c.not_before > g->now ? NOT_YET : GOOD;
    return l;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The number of the first of .old, .old.2, .old.3 ... that neither half has. */
static enum rc free_name(const struct gui *g, int *ret, struct err *err)
{
    for (int n = 2; n < NAMES_TRIED; n++) {
        const char *cert = arena_printf(g->a, "%s.%d", g->path[OLD][CERT], n);
        const char *key = arena_printf(g->a, "%s.%d", g->path[OLD][KEY], n);
        if (!cert || !key)
            return NOMEM(err);
        if (!is_there(cert) && !is_there(key)) {
            *ret = n;
            return RC_OK;
        }
    }
    return file_fail(err, g->path[OLD][CERT], EEXIST);
}

static enum rc move(const char *from, const char *to, struct err *err)
{
    return rename(from, to) == 0 || errno == ENOENT ? RC_OK : file_fail(err, to, errno);
}

/* Both places change their half; by way of a free name, not of one that is taken. */
static enum rc exchange(const struct gui *g, enum half h, int n, struct err *err)
{
    const char *present = g->path[PRESENT][h], *old = g->path[OLD][h];
    const char *aside = arena_printf(g->a, "%s.%d", old, n);
    if (!aside)
        return NOMEM(err);
    TRY(move(present, aside, err));
    TRY(move(old, present, err));
    return move(aside, old, err);
}

/* Halves that are a good pair, where only one or none of them is in its place. */
static enum rc take_back(const struct gui *g, bool *ret, struct err *err)
{
    static const enum place ways[][HALVES] = {{OLD, OLD}, {OLD, PRESENT}, {PRESENT, OLD}};
    int n = 0;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        if (look_at(g, ways[i][CERT], ways[i][KEY]).use != GOOD)
            continue;
        TRY(free_name(g, &n, err));
        for (enum half h = CERT; h < HALVES; h++)
            if (ways[i][h] == OLD)
                TRY(exchange(g, h, n, err));
        log_line(LOG_WARN, "supervisor",
                 "the pair %s cannot be used (ended, not valid yet, broken or not a pair); the one "
                 "kept as .old can, and changes places with it",
                 g->path[PRESENT][CERT]);
        *ret = true;
        return RC_OK;
    }
    *ret = false;
    return RC_OK;
}

static enum rc move_all(const struct gui *g, enum place from, int n, struct err *err)
{
    for (enum half h = CERT; h < HALVES; h++) {
        const char *old = g->path[OLD][h];
        const char *to = n ? arena_printf(g->a, "%s.%d", old, n) : old;
        if (!to)
            return NOMEM(err);
        TRY(move(g->path[from][h], to, err));
    }
    return RC_OK;
}

/* What cannot be used is kept as .old; what was kept there goes on to a number, unless we made it.
 */
static enum rc put_aside(const struct gui *g, bool ours, struct err *err)
{
    int n = 0;
    if (!is_there(g->path[PRESENT][CERT]) && !is_there(g->path[PRESENT][KEY]))
        return RC_OK;
    if ((is_there(g->path[OLD][CERT]) || is_there(g->path[OLD][KEY])) &&
        !look_at(g, OLD, OLD).ours) {
        if (ours)
            return RC_OK; /* the next is as good as this one */
        TRY(free_name(g, &n, err));
        TRY(move_all(g, OLD, n, err));
    }
    TRY(move_all(g, PRESENT, 0, err));
    log_line(LOG_WARN, "supervisor",
             "the pair %s cannot be used (ended, not valid yet, broken or not a pair); a "
             "self-signed one takes its place, the former is kept as .old",
             g->path[PRESENT][CERT]);
    return RC_OK;
}

static enum rc write_pair(const struct gui *g, const struct key *key, struct str der,
                          struct err *err)
{
    AUTO(buf) struct buf key_pem = BUF_SECRET(16384);
    AUTO(buf) struct buf cert_pem = BUF(CERT_MAX_PEM_BYTES);
    TRY(key_to_pem(key, &key_pem, err));
    cert_to_pem(der, &cert_pem);
    TRY(buf_ok(&cert_pem, err));
    TRY(file_write_atomic(g->path[PRESENT][KEY], buf_str(&key_pem), 0600, (uid_t)-1, (gid_t)-1,
                          err));
    return file_write_atomic(g->path[PRESENT][CERT], buf_str(&cert_pem), 0644, (uid_t)-1, (gid_t)-1,
                             err);
}

static enum rc make_pair(const struct gui *g, struct err *err)
{
    char host[256] = "localhost";
    AUTO(key) struct key *key = NULL;
    AUTO(buf) struct buf spki = BUF(4096);
    AUTO(buf) struct buf der = BUF(CERT_MAX_BYTES);
    (void)gethostname(host, sizeof host - 1);
    const char *dns[] = {"localhost", host};
    const char *ips[] = {"127.0.0.1", "::1"};
    struct issue_spec spec = {
        .subject = {.common_name = "Inro"},
        .dns = dns,
        .dns_count = strcmp(host, "localhost") == 0 ? 1 : 2,
        .ips = ips,
        .ip_count = 2,
        .not_before = g->now - 3600 * USEC_PER_SEC,
        .not_after = g->now + GUI_DAYS * USEC_PER_DAY,
        .path_len = -1,
        .server_auth = true,
    };
    TRY(key_generate(KEY_EC256, &key, err));
    TRY(key_spki(key, &spki, err));
    TRY(cert_issue(key, STR(""), buf_str(&spki), &spec, &der, err));
    return write_pair(g, key, buf_str(&der), err);
}

enum rc gui_pair_ready(const struct config *c, const struct clock *clock, struct arena *a,
                       struct err *err)
{
    const char *dir = config_path(c, a, "tls");
    struct gui g = {
        .path = {{config_path(c, a, "tls/gui.crt"), config_path(c, a, "tls/gui.key")},
                 {config_path(c, a, "tls/gui.crt.old"), config_path(c, a, "tls/gui.key.old")}},
        .now = clock_now(clock),
        .a = a};
    bool back = false;
    if (!dir || !g.path[PRESENT][CERT] || !g.path[PRESENT][KEY] || !g.path[OLD][CERT] ||
        !g.path[OLD][KEY])
        return NOMEM(err);
    TRY(dir_make(dir, 0700, err));
    struct look now = look_at(&g, PRESENT, PRESENT);
    if (now.use == GOOD)
        return RC_OK;
    TRY(take_back(&g, &back, err));
    if (back)
        return RC_OK;
    if (now.use == NOT_YET && !now.ours) {
        log_line(LOG_WARN, "supervisor",
                 "the pair %s is not valid yet; it is used as it is: look at the clock, or wait",
                 g.path[PRESENT][CERT]);
        return RC_OK;
    }
    TRY(put_aside(&g, now.ours, err));
    return make_pair(&g, err);
}
