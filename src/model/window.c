/* Invariant: what window_parse() takes opens at least on one day of the week. */
#include "model/window.h"

#include <string.h>

#include "base/str.h"
#include "model/calendar.h"

enum { DAY_MINUTES = 24 * 60, ALL_DAYS = 0x7f, WEEKDAYS = 0x3e, AHEAD = 366 };
#define MINUTE (60 * USEC_PER_SEC)
#define JAPAN  (9 * 60 * MINUTE)

static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static enum rc bad(struct err *err, const char *text)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("model.window",
                    "\"{0}\" is no time for roll-outs; write for example mon-fri 02:00-05:00 "
                    "+09:00, or business 22:00-05:00",
                    "「{0}」は適用時間帯として正しくありません。例：mon-fri 02:00-05:00 +09:00、"
                    "business 22:00-05:00"),
                text);
}

/* "HH:MM"; 24:00 is the end of the day. */
static bool minutes(struct str s, int *ret)
{
    int64_t h, m;
    if (s.n != 5 || s.p[2] != ':' || !str_to_i64((struct str){s.p, 2}, 0, 24, &h) ||
        !str_to_i64((struct str){s.p + 3, 2}, 0, 59, &m) || (h == 24 && m > 0))
        return false;
    *ret = (int)(h * 60 + m);
    return true;
}

static int day_of(struct str s)
{
    for (int i = 0; i < (int)COUNT_OF(names); i++)
        if (s.n == 3 && strncasecmp(s.p, names[i], 3) == 0)
            return i;
    return -1;
}

static bool add_days(struct str part, unsigned *days)
{
    struct str from, to = part;
    (void)str_split(&to, '-', &from);
    int a = day_of(from), b = part.n > from.n ? day_of(to) : a;
    if (a < 0 || b < 0)
        return false;
    for (int d = a;; d = (d + 1) % 7) {
        *days |= 1U << d;
        if (d == b)
            return true;
    }
}

static bool read_days(struct str s, struct window *w)
{
    struct str part;
    if (s.n == 8 && strncasecmp(s.p, "business", 8) == 0) {
        w->business = true;
        w->days = WEEKDAYS;
        return true;
    }
    w->days = 0;
    while (str_split(&s, ',', &part))
        if (!add_days(part, &w->days))
            return false;
    return w->days != 0;
}

static bool read_hours(struct str s, struct window *w)
{
    return s.n == 11 && s.p[5] == '-' && minutes((struct str){s.p, 5}, &w->from) &&
           minutes((struct str){s.p + 6, 5}, &w->to) && w->from < DAY_MINUTES && w->from != w->to;
}

static bool read_offset(struct str s, struct window *w)
{
    int m;
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || !minutes((struct str){s.p + 1, 5}, &m) ||
        m > 14 * 60)
        return false;
    w->offset = (s.p[0] == '-' ? -m : m) * MINUTE;
    return true;
}

enum rc window_parse(const char *text, struct window *ret, struct err *err)
{
    struct str rest = str_from(text), word[3];
    size_t n = 0;
    struct str part;
    while (str_split(&rest, ' ', &part))
        if (part.n > 0) {
            if (n == COUNT_OF(word))
                return bad(err, text);
            word[n++] = part;
        }
    *ret = (struct window){.days = ALL_DAYS, .offset = JAPAN};
    size_t at = 0;
    if (n > 0 && !read_hours(word[0], ret) && !read_days(word[at++], ret))
        return bad(err, text);
    if (at >= n || !read_hours(word[at++], ret) || (at < n && !read_offset(word[at++], ret)) ||
        at != n)
        return bad(err, text);
    return RC_OK;
}

static bool opens_on(const struct window *w, int64_t day)
{
    return (w->days & 1U << day_of_week(day)) && (!w->business || is_business_day(day));
}

int64_t window_next(const struct window *w, int64_t at)
{
    int64_t local = at + w->offset, today = local / USEC_PER_DAY - (local % USEC_PER_DAY < 0);
    int64_t length = (w->to > w->from ? w->to - w->from : w->to + DAY_MINUTES - w->from) * MINUTE;
    /* Yesterday's may still be open. */
    for (int64_t day = today - 1; day < today + AHEAD; day++) {
        int64_t opens = day * USEC_PER_DAY + w->from * MINUTE - w->offset;
        if (opens_on(w, day) && at < opens + length)
            return at > opens ? at : opens;
    }
    return INT64_MAX;
}
