/* Mails of the vendor's desk to its customers, through a mail notifier of this installation. */
#ifndef INRO_JOB_VENDOR_MAIL_H
#define INRO_JOB_VENDOR_MAIL_H

#include "job/job.h"

struct vendor_mail {
    int64_t notifier, customer, order; /* order 0 = none */
    int64_t share;                     /* the link it carries; 0 = none */
    const char *what;                  /* "accepted", "issued", "renewal", "cancelled" */
};
MUST enum rc job_request_vendor_mail(struct db *db, const struct vendor_mail *m, int64_t now,
                                     int64_t *ret_job, struct err *err);

#endif
