#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

static int64_t real_now(const struct clock *c)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000 + c->offset;
}

static int64_t real_mono(const struct clock *c)
{
    struct timespec ts;
    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

static int64_t fake_now(const struct clock *c)
{
    return c->offset;
}

const struct clock *clock_real(void)
{
    static struct clock real; /* filled to the same value by whoever comes first */
    if (!__atomic_load_n(&real.now, __ATOMIC_ACQUIRE)) {
        const char *env = getenv("INRO_CLOCK_OFFSET");
        int64_t off = 0;
        if (env && str_to_i64(str_from(env), -100000000000, 100000000000, &off))
            off *= USEC_PER_SEC;
        else
            off = 0;
        __atomic_store_n(&real.mono, real_mono, __ATOMIC_RELAXED);
        __atomic_store_n(&real.offset, off, __ATOMIC_RELAXED);
        __atomic_store_n(&real.now, real_now, __ATOMIC_RELEASE);
    }
    return &real;
}

void clock_fake_init(struct clock *c, int64_t at)
{
    *c = (struct clock){.now = fake_now, .mono = fake_now, .offset = at};
}

int64_t clock_now(const struct clock *c)
{
    return c->now(c);
}

int64_t clock_mono(const struct clock *c)
{
    return c->mono(c);
}

/* Days algorithm after H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

void civil_from_days(int64_t z, int64_t *ret_y, int *ret_m, int *ret_d)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *ret_y = yoe + era * 400 + (*ret_m <= 2);
}

struct civil {
    int64_t y;
    int m, d, h, min, s, wday;
};

static struct civil civil_of(int64_t usec)
{
    struct civil c;
    int64_t secs = usec / USEC_PER_SEC - (usec % USEC_PER_SEC < 0);
    int64_t days = secs / 86400 - (secs % 86400 < 0);
    int rest = (int)(secs - days * 86400);
    civil_from_days(days, &c.y, &c.m, &c.d);
    c.h = rest / 3600;
    c.min = rest / 60 % 60;
    c.s = rest % 60;
    c.wday = (int)(((days % 7) + 11) % 7); /* 1970-01-01 was a Thursday (4) */
    return c;
}

void time_rfc3339(int64_t usec, char out[32])
{
    struct civil c = civil_of(usec);
    (void)snprintf(out, 32, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)c.y, c.m, c.d, c.h,
                   c.min, c.s);
}

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void time_rfc5322(int64_t usec, int offset_min, char out[48])
{
    struct civil c = civil_of(usec + (int64_t)offset_min * 60 * USEC_PER_SEC);
    int off = abs(offset_min) % (24 * 60);
    (void)snprintf(out, 48, "%s, %02d %s %04lld %02d:%02d:%02d %c%02d%02d", day_names[c.wday], c.d,
                   month_names[c.m - 1], (long long)c.y, c.h, c.min, c.s,
                   offset_min < 0 ? '-' : '+', off / 60, off % 60);
}

/* Exactly `digits` decimal digits at *p; moves on. */
static bool take_num(const char **p, int digits, int *ret)
{
    int v = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool take_clock(const char **p, int *h, int *min, int *s)
{
    return take_num(p, 2, h) && take_char(p, ':') && take_num(p, 2, min) && take_char(p, ':') &&
           take_num(p, 2, s) && *h < 24 && *min < 60 && *s <= 60;
}

static bool date_ok(int y, int m, int d)
{
    static const int len[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m >= 1 && m <= 12 && d >= 1 && d <= len[m - 1] + (m == 2 && leap);
}

static int64_t usec_of(int y, int m, int d, int h, int min, int s)
{
    return (days_from_civil(y, m, d) * 86400 + h * 3600 + min * 60 + s) * USEC_PER_SEC;
}

static bool take_zone(const char **p, int *ret_min)
{
    int h, m;
    char sign = **p;
    if (sign == 'Z' || sign == 'z') {
        (*p)++;
        *ret_min = 0;
        return true;
    }
    if (sign != '+' && sign != '-')
        return false;
    (*p)++;
    if (!take_num(p, 2, &h) || !take_char(p, ':') || !take_num(p, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_min = (sign == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

bool time_parse_rfc3339(const char *s, int64_t *ret_usec)
{
    int y, m, d, h, min, sec, zone;
    int64_t frac = 0, unit = 100000;
    if (!take_num(&s, 4, &y) || !take_char(&s, '-') || !take_num(&s, 2, &m) ||
        !take_char(&s, '-') || !take_num(&s, 2, &d) || !date_ok(y, m, d))
        return false;
    if (*s != 'T' && *s != 't' && *s != ' ')
        return false;
    s++;
    if (!take_clock(&s, &h, &min, &sec))
        return false;
    if (*s == '.') {
        if (*++s < '0' || *s > '9')
            return false;
        for (; *s >= '0' && *s <= '9'; s++, unit /= 10)
            frac += (*s - '0') * unit;
    }
    if (!take_zone(&s, &zone) || *s)
        return false;
    *ret_usec = usec_of(y, m, d, h, min, sec) + frac - (int64_t)zone * 60 * USEC_PER_SEC;
    return true;
}

bool time_parse_http(const char *s, int64_t *ret_usec)
{
    int y, m, d, h, min, sec;
    if (strlen(s) != 29 || s[3] != ',' || s[4] != ' ')
        return false;
    s += 5;
    if (!take_num(&s, 2, &d) || !take_char(&s, ' '))
        return false;
    for (m = 0; m < 12 && strncmp(s, month_names[m], 3) != 0; m++)
        ;
    s += 3;
    if (m == 12 || !take_char(&s, ' ') || !take_num(&s, 4, &y) || !take_char(&s, ' ') ||
        !take_clock(&s, &h, &min, &sec) || strcmp(s, " GMT") != 0 || !date_ok(y, m + 1, d))
        return false;
    *ret_usec = usec_of(y, m + 1, d, h, min, sec);
    return true;
}
