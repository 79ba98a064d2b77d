/*
 * What a licence covers, as pure decisions. The struct itself is crypto/licence.h's; times come in
 * as facts: `now` of this machine and `high`, the highest time ever seen, so that turning the clock
 * back gives nothing.
 *
 * Without a licence file Inro runs as ミーツ: one certificate, one target, no end.
 */
#ifndef INRO_MODEL_LICENCE_H
#define INRO_MODEL_LICENCE_H

#include "codec/schema.h"
#include "crypto/licence.h"

/* Plans by the word in the file. */
#define PLAN_MEETS        "meets"
#define PLAN_BASIC        "basic"
#define PLAN_BASIC_SERVER "basic-server"
enum { MEETS_CERTIFICATES = 1, MEETS_TARGETS = 1 };

/* What a person calls it; unknown plans of later versions are called by their word. */
struct l10n plan_label(const char *plan);
/* Plan and counters of `basics` x ベーシック (1 + 1 each) and `servers` x サーバー追加 (+1 target).
 */
void plan_of(int64_t basics, int64_t servers, const char **ret_plan, int64_t *ret_certificates,
             int64_t *ret_targets);

enum licence_state {
    LICENCE_NONE = 0, /* no file: ミーツ */
    LICENCE_VALID,
    LICENCE_ENDING, /* 60 days or less are left */
    LICENCE_ENDED
};
const char *licence_state_name(enum licence_state s); /* "none", "valid", "ending", "ended" */

struct licence_facts {
    const struct licence *licence; /* NULL: none */
    int64_t now, high;
};

struct licence_status {
    enum licence_state state;
    const char *plan;
    int64_t certificates, targets; /* at most so many */
    int64_t ends;                  /* 0 = no end */
    int64_t at;                    /* the time it was judged by: the later of now and high */
    int64_t days_left;             /* civil days in Japan to the last day; -1 = no end */
    int64_t warning;               /* 60, 30, 14, 7, 1; 0 = none */
    bool clock_back;               /* now is more than a day before what was seen */
};
void licence_judge(const struct licence_facts *f, struct licence_status *ret);

/* 60, 30, 14, 7, 1: the least one that is not below days_left; 0 when more are left. */
int64_t licence_warning(int64_t days_left);

/* May functions that change something begin? RC_LICENCE says since when not, and what goes on. */
MUST enum rc licence_may_change(const struct licence_status *s, struct err *err);
/* One more, when `used` are there. */
MUST enum rc licence_may_add_certificate(const struct licence_status *s, int64_t used,
                                         struct err *err);
MUST enum rc licence_may_add_target(const struct licence_status *s, int64_t used, struct err *err);

/*
 * Is a file that was proven to be the vendor's to replace `installed` (NULL = none) here and now?
 * RC_INPUT: licence.installation (for another one), licence.not_yet, licence.expired,
 * licence.older (than what is installed). RC_EXISTS: licence.same (this very one is installed).
 */
MUST enum rc licence_accept(const struct licence *l, const struct licence *installed,
                            const char *installation, int64_t now, struct err *err);

/*
 * The highest time seen, from one look to the next. A leap of more than a day (a wrong clock, or a
 * machine that was off) is believed only when the clock stayed there for an hour of monotonic
 * time; until then *since holds when it was first seen.
 */
int64_t licence_high_next(int64_t high, int64_t now, int64_t mono, int64_t *since);

#endif
