/*
 * When roll-outs may begin: a weekly time in a fixed distance from UTC, as one text.
 *
 *     [DAYS] HH:MM-HH:MM [+HH:MM]
 *
 * DAYS: mon tue wed thu fri sat sun, with commas and ranges (mon-fri), or "business": Monday to
 * Friday and no Japanese holiday; every day without. An end that is not after the beginning is on
 * the next day. Without a distance it is +09:00. Pure: no clock, no store.
 */
#ifndef INRO_MODEL_WINDOW_H
#define INRO_MODEL_WINDOW_H

#include "base/err.h"

struct window {
    unsigned days;  /* bit 0 = Sunday; of the day it opens */
    bool business;  /* and that day is no Japanese holiday */
    int from, to;   /* minutes of the day */
    int64_t offset; /* microseconds east of UTC */
};

MUST enum rc window_parse(const char *text, struct window *ret, struct err *err);
/* `at` when it is open then, else when it opens next; INT64_MAX when not within a year. */
int64_t window_next(const struct window *w, int64_t at);

#endif
