/*
 * The installation's settings: flags of `inro serve`, or lines `name = value` of DATA/inro.conf
 * (flags win). One table for both. All faults are reported together, with file and line.
 */
#ifndef INRO_APP_CONFIG_H
#define INRO_APP_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"

struct config {
    const char *data;            /* data directory, absolute */
    const char *database;        /* "sqlite:..." or "postgresql://..." */
    const char *listen;          /* GUI and API, TLS */
    const char *http01;          /* HTTP-01 answers, plain; "" = off */
    bool database_in_file;       /* roles read it there too; their arguments are for all to see */
    bool http01_explicit;        /* a default port that cannot be bound is only a warning */
    const char *egress_allow;    /* CIDRs */
    const char *dns_servers;     /* for CAA and addresses as a CA sees them; "" = resolv.conf's */
    int64_t http01_port;         /* at which the CA asks */
    const char *passphrase_file; /* for the master key, NULL = none */
    int64_t threads;             /* worker threads */
    enum log_level log_level;
    bool log_json;
    int64_t log_size, log_total, log_days; /* bytes of one file and of all; age. Supervisor only */
};

/*
 * argv without the program and command names. *ret_problems collects every fault, one per line;
 * RC_INPUT when there is any. `lang` for the texts. Nothing is created.
 */
MUST enum rc config_load(int argc, char *const argv[], const char *lang, struct arena *a,
                         struct config *ret, struct buf *ret_problems, struct err *err);
/* The same settings as an argument vector for a role process (NULL-terminated, arena). */
MUST enum rc config_argv(const struct config *c, struct arena *a, const char *const **ret,
                         struct err *err);
/* DATA "/" name in the arena; NULL when out of memory. */
MUST const char *config_path(const struct config *c, struct arena *a, const char *name);
void config_help(const char *lang, struct buf *out);
/* "ja" or "en": --lang, else LC_ALL, LC_MESSAGES, LANG. */
const char *config_lang(int argc, char *const argv[]);

/* The store is on a PostgreSQL server, not a file. */
bool config_on_server(const struct config *c);

#endif
