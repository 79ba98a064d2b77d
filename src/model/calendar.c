/* Invariant: a result depends on the arguments only; every rule has its test at both ends. */
#include "model/calendar.h"

#include <stdio.h>

#include "base/str.h"

#define JST (9 * 3600 * USEC_PER_SEC)

enum { SUN = 0, MON = 1, SAT = 6 };

struct ymd {
    int64_t y;
    int m, d;
};

static struct ymd ymd_of(int64_t day)
{
    struct ymd r;
    civil_from_days(day, &r.y, &r.m, &r.d);
    return r;
}

int64_t jst_day(int64_t usec)
{
    int64_t local = usec + JST;
    return local / USEC_PER_DAY - (local % USEC_PER_DAY < 0);
}

int64_t jst_midnight(int64_t day)
{
    return day * USEC_PER_DAY - JST;
}

bool day_parse(const char *s, int64_t *ret)
{
    struct str rest = str_from(s), part[3];
    int64_t y, m, d;
    if (rest.n != 10 || s[4] != '-' || s[7] != '-')
        return false;
    for (int i = 0; i < 3; i++)
        if (!str_split(&rest, '-', &part[i]))
            return false;
    if (!str_to_i64(part[0], 1970, 9999, &y) || !str_to_i64(part[1], 1, 12, &m) ||
        !str_to_i64(part[2], 1, 31, &d))
        return false;
    int64_t day = days_from_civil(y, (int)m, (int)d);
    struct ymd back = ymd_of(day);
    if (back.m != m || back.d != d)
        return false;
    *ret = day;
    return true;
}

void day_text(int64_t day, char ret[16])
{
    struct ymd t = ymd_of(day);
    (void)snprintf(ret, 16, "%04lld-%02d-%02d", (long long)t.y, t.m, t.d);
}

void day_text_ja(int64_t day, char ret[32])
{
    struct ymd t = ymd_of(day);
    (void)snprintf(ret, 32, "%lld年%d月%d日", (long long)t.y, t.m, t.d);
}

int day_of_week(int64_t day)
{
    return (int)(((day + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

int64_t month_first(int64_t day, int months)
{
    struct ymd t = ymd_of(day);
    int64_t n = t.y * 12 + (t.m - 1) + months;
    return days_from_civil(n / 12, (int)(n % 12) + 1, 1);
}

int64_t month_last(int64_t day)
{
    return month_first(day, 1) - 1;
}

/* ---- holidays ---- */

/* Day of March or September; the usual approximation of the Sun's place for 1980-2099. */
static int equinox(int64_t y, int64_t at_1980)
{
    return (int)((at_1980 + 242194 * (y - 1980)) / 1000000 - (y - 1980) / 4);
}

struct fixed {
    int m, d;
    const char *name;
};
static const struct fixed fixed_days[] = {
    {1, 1, "元日"},       {2, 11, "建国記念の日"},  {2, 23, "天皇誕生日"}, {4, 29, "昭和の日"},
    {5, 3, "憲法記念日"}, {5, 4, "みどりの日"},     {5, 5, "こどもの日"},  {8, 11, "山の日"},
    {11, 3, "文化の日"},  {11, 23, "勤労感謝の日"},
};

/* The n-th Monday of a month. */
struct monday {
    int m, n;
    const char *name;
};
static const struct monday mondays[] = {
    {1, 2, "成人の日"}, {7, 3, "海の日"}, {9, 3, "敬老の日"}, {10, 2, "スポーツの日"}};

/* Moved for the Olympic and Paralympic games: what is said here replaces the rule in that year. */
static const struct moved {
    int y, m, d;
    const char *name;
} moved_days[] = {
    {2020, 7, 23, "海の日"}, {2020, 7, 24, "スポーツの日"}, {2020, 8, 10, "山の日"},
    {2021, 7, 22, "海の日"}, {2021, 7, 23, "スポーツの日"}, {2021, 8, 8, "山の日"},
};

static bool moved_away(int64_t y, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(moved_days); i++)
        if (moved_days[i].y == y && str_eqs(str_from(moved_days[i].name), name))
            return true;
    return false;
}

/* The days the Act names itself, without those that follow from them. */
static const char *national_holiday(int64_t day)
{
    struct ymd t = ymd_of(day);
    for (size_t i = 0; i < COUNT_OF(moved_days); i++)
        if (moved_days[i].y == t.y && moved_days[i].m == t.m && moved_days[i].d == t.d)
            return moved_days[i].name;
    for (size_t i = 0; i < COUNT_OF(fixed_days); i++)
        if (fixed_days[i].m == t.m && fixed_days[i].d == t.d)
            return moved_away(t.y, fixed_days[i].name) ? NULL : fixed_days[i].name;
    if (day_of_week(day) == MON)
        for (size_t i = 0; i < COUNT_OF(mondays); i++)
            if (mondays[i].m == t.m && (t.d - 1) / 7 + 1 == mondays[i].n)
                return moved_away(t.y, mondays[i].name) ? NULL : mondays[i].name;
    if (t.m == 3 && t.d == equinox(t.y, 20843100))
        return "春分の日";
    if (t.m == 9 && t.d == equinox(t.y, 23248800))
        return "秋分の日";
    return NULL;
}

/* A holiday fell on a Sunday, and all days since were holidays too (article 3, 2). */
static bool is_substitute(int64_t day)
{
    for (int64_t d = day - 1; national_holiday(d); d--)
        if (day_of_week(d) == SUN)
            return true;
    return false;
}

const char *holiday_name(int64_t day)
{
    const char *name = national_holiday(day);
    if (name)
        return name;
    if (is_substitute(day))
        return "休日";
    /* between two holidays (article 3, 3) */
    return national_holiday(day - 1) && national_holiday(day + 1) ? "休日" : NULL;
}

bool is_business_day(int64_t day)
{
    int w = day_of_week(day);
    return w != SUN && w != SAT && !holiday_name(day);
}

int64_t next_business_day(int64_t day)
{
    do {
        day++;
    } while (!is_business_day(day));
    return day;
}

int64_t add_business_days(int64_t day, int count)
{
    while (count-- > 0)
        day = next_business_day(day);
    return day;
}

int business_days_left(int64_t day)
{
    int n = 0;
    for (int64_t last = month_last(day); day <= last; day++)
        n += is_business_day(day);
    return n;
}

/* ---- terms ---- */

int64_t fiscal_year(int64_t day)
{
    struct ymd t = ymd_of(day);
    return t.m >= 4 ? t.y : t.y - 1;
}

int64_t first_licence_end(int64_t ordered)
{
    return days_from_civil(fiscal_year(ordered) + 2, 3, 31);
}

int64_t renewal_end(int64_t april_day)
{
    return days_from_civil(ymd_of(april_day).y + 2, 3, 31);
}

bool renewal_offered(int64_t day)
{
    return ymd_of(day).m == 4;
}

int64_t order_accepted(int64_t ordered)
{
    return next_business_day(ordered);
}

int64_t share_due(int64_t accepted)
{
    return add_business_days(accepted, 5);
}

int64_t order_start_month(int64_t ordered)
{
    return month_first(ordered, business_days_left(ordered) <= 5 ? 1 : 0);
}

int64_t order_begins(int64_t ordered)
{
    int64_t start = order_start_month(ordered);
    return start > ordered ? start : ordered;
}

int64_t cancellation_end(int64_t accepted)
{
    int64_t end_of = ymd_of(accepted).d <= 20 ? accepted : month_first(accepted, 1);
    return month_last(end_of);
}
