/* Forwarding the audit log to a syslog server: its settings, and the job that does it. */
#ifndef INRO_JOB_SYSLOG_H
#define INRO_JOB_SYSLOG_H

#include "codec/schema.h"
#include "store/repo.h"

struct syslog_settings {
    const char *host, *security, *ca_pem;
    int64_t port;
};
extern const struct field syslog_fields[];
#define SYSLOG_META "syslog" /* the settings as JSON; absent or "" = off */

/* Makes the persistent job when the settings are there; it ends by itself when they are gone. */
MUST enum rc job_request_syslog(struct db *db, int64_t now, int64_t *ret_job, struct err *err);
/* At the start of a worker: the job, if forwarding is on. */
MUST enum rc job_keep_syslog(struct db *db, int64_t now, struct err *err);

#endif
