/*
 * The vendor's calendar: Japanese holidays, business days, fiscal years and the terms of licences.
 * Pure functions over civil days in Japan (days since 1970-01-01, JST = UTC+9, no summer time).
 *
 * Holidays follow the Act on National Holidays as it stands since 2020, with the days that were
 * moved in 2020 and 2021; equinoxes are computed (good until 2099). Earlier years had other rules.
 */
#ifndef INRO_MODEL_CALENDAR_H
#define INRO_MODEL_CALENDAR_H

#include "base/clock.h"

/* ---- days ---- */
int64_t jst_day(int64_t usec);                /* the civil day in Japan at that instant */
int64_t jst_midnight(int64_t day);            /* the instant the day begins there */
bool day_parse(const char *s, int64_t *ret);  /* "2026-11-24", a real date */
void day_text(int64_t day, char ret[16]);     /* "2026-11-24" */
void day_text_ja(int64_t day, char ret[32]);  /* "2026年11月24日" */
int day_of_week(int64_t day);                 /* 0 = Sunday */
int64_t month_first(int64_t day, int months); /* first day of the month that many months on */
int64_t month_last(int64_t day);

/* ---- holidays and business days ---- */
const char *holiday_name(int64_t day);             /* in Japanese; NULL when it is none */
bool is_business_day(int64_t day);                 /* Monday to Friday and no holiday */
int64_t next_business_day(int64_t day);            /* the first one after the day */
int64_t add_business_days(int64_t day, int count); /* the count-th one after the day */
int business_days_left(int64_t day);               /* in its month, its own included */

/* ---- terms ---- */
int64_t fiscal_year(int64_t day); /* April to March, named by its April */
/* 31 March at the end of the fiscal year after the order's: more than one year, at most two. */
int64_t first_licence_end(int64_t ordered);
/* 31 March of the year after next; offered 1-30 April. */
int64_t renewal_end(int64_t april_day);
bool renewal_offered(int64_t day);
/* An order is accepted on the next business day; its share link is due five business days on. */
int64_t order_accepted(int64_t ordered);
int64_t share_due(int64_t accepted);
/* First day of the month the order starts in: its own, or the next one when five or fewer business
 * days are left. */
int64_t order_start_month(int64_t ordered);
/* From when on the licence holds: the order's day, or the first of the following month. */
int64_t order_begins(int64_t ordered);
/* Last day of use: end of the month when accepted on the 1st-20th, else of the following month. */
int64_t cancellation_end(int64_t accepted);

#endif
