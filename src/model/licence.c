/* Invariant: no decision depends on a clock that was turned back. */
#include "model/licence.h"

#include <string.h>

#include "model/calendar.h"

#define HOUR (3600 * USEC_PER_SEC)

struct l10n plan_label(const char *plan)
{
    static const struct {
        const char *word;
        struct l10n label;
    } rows[] = {{PLAN_MEETS, {"Meets (trial)", "ミーツ"}},
                {PLAN_BASIC, {"Basic", "ベーシック"}},
                {PLAN_BASIC_SERVER, {"Basic + servers", "ベーシック サーバー追加"}}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].word, plan) == 0)
            return rows[i].label;
    return (struct l10n){plan, plan};
}

void plan_of(int64_t basics, int64_t servers, const char **ret_plan, int64_t *ret_certificates,
             int64_t *ret_targets)
{
    *ret_plan = servers > 0 ? PLAN_BASIC_SERVER : PLAN_BASIC;
    *ret_certificates = basics;
    *ret_targets = basics + servers;
}

const char *licence_state_name(enum licence_state s)
{
    static const char *const names[] = {"none", "valid", "ending", "ended"};
    return names[s];
}

int64_t licence_warning(int64_t days_left)
{
    static const int64_t levels[] = {1, 7, 14, 30, 60};
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (days_left <= levels[i])
            return levels[i];
    return 0;
}

void licence_judge(const struct licence_facts *f, struct licence_status *ret)
{
    const struct licence *l = f->licence;
    *ret = (struct licence_status){.state = LICENCE_NONE,
                                   .plan = PLAN_MEETS,
                                   .certificates = MEETS_CERTIFICATES,
                                   .targets = MEETS_TARGETS,
                                   .at = f->now > f->high ? f->now : f->high,
                                   .days_left = -1,
                                   .clock_back = f->now < f->high - USEC_PER_DAY};
    if (!l)
        return;
    ret->plan = l->plan;
    ret->certificates = l->certificates;
    ret->targets = l->targets;
    ret->ends = l->ends;
    if (ret->at >= l->ends) {
        ret->state = LICENCE_ENDED;
        ret->days_left = 0;
        return;
    }
    ret->days_left = jst_day(l->ends - 1) - jst_day(ret->at);
    ret->warning = licence_warning(ret->days_left);
    ret->state = ret->warning ? LICENCE_ENDING : LICENCE_VALID;
}

enum rc licence_may_change(const struct licence_status *s, struct err *err)
{
    char en[16], ja[32];
    if (s->state != LICENCE_ENDED)
        return RC_OK;
    day_text(jst_day(s->ends - 1), en);
    day_text_ja(jst_day(s->ends - 1), ja);
    return FAIL(err, RC_LICENCE, BLAME_INPUT,
                MSG("licence.ended",
                    "the licence ended on {0}; applying, renewing, deploying, undoing and adding "
                    "are stopped until a new licence file is imported; looking, watching and "
                    "exporting go on",
                    "ライセンスは {1} に終了しました。新しいライセンスファイルを取り込むまで、"
                    "申請・更新・適用・復元・追加は停止します。閲覧・監視・エクスポートは引き続き"
                    "利用できます"),
                en, ja);
}

enum rc licence_may_add_certificate(const struct licence_status *s, int64_t used, struct err *err)
{
    TRY(licence_may_change(s, err));
    struct l10n plan = plan_label(s->plan);
    CHECK(used < s->certificates, err, RC_LICENCE, BLAME_INPUT,
          MSG("licence.certificates",
              "the licence ({0}) covers {2} certificates and {3} are registered; remove one, or "
              "order more",
              "ライセンス（{1}）の証明書数は {2} で、{3} 件登録済みです。不要な証明書を削除するか、"
              "追加をご注文ください"),
          plan.en, plan.ja, NUM(s->certificates), NUM(used));
    return RC_OK;
}

enum rc licence_may_add_target(const struct licence_status *s, int64_t used, struct err *err)
{
    TRY(licence_may_change(s, err));
    struct l10n plan = plan_label(s->plan);
    CHECK(used < s->targets, err, RC_LICENCE, BLAME_INPUT,
          MSG("licence.targets",
              "the licence ({0}) covers {2} targets (names or addresses) and {3} are set up; "
              "remove one, or order more",
              "ライセンス（{1}）の適用先数は {2} で、{3} 件設定済みです。不要な適用先を削除するか、"
              "サーバー追加をご注文ください"),
          plan.en, plan.ja, NUM(s->targets), NUM(used));
    return RC_OK;
}

static enum rc check_dates(const struct licence *l, int64_t now, struct err *err)
{
    char en[16], ja[32];
    day_text(jst_day(l->begins), en);
    day_text_ja(jst_day(l->begins), ja);
    CHECK(now >= l->begins, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.not_yet",
              "the licence begins on {0} (Japan); import it then; what is installed stays",
              "このライセンスの開始日は {1} です。開始日以降に取り込んでください（現在の"
              "ライセンスはそのままです）"),
          en, ja);
    day_text(jst_day(l->ends - 1), en);
    day_text_ja(jst_day(l->ends - 1), ja);
    CHECK(now < l->ends, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.expired", "the licence ended on {0} (Japan); ask for the renewal file",
              "このライセンスは {1} に終了しています。更新ファイルを入手してください"),
          en, ja);
    return RC_OK;
}

/* Of one issuer the serial decides; of two, the time of issue. */
static bool is_older(const struct licence *l, const struct licence *installed)
{
    if (strcmp(l->key_id, installed->key_id) == 0)
        return l->serial < installed->serial;
    return l->issued < installed->issued;
}

enum rc licence_accept(const struct licence *l, const struct licence *installed,
                       const char *installation, int64_t now, struct err *err)
{
    CHECK(installation && strcmp(l->installation, installation) == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.installation",
              "the licence is for the installation {0}, this one is {1}; one account has one "
              "installation: ask the vendor to issue it for this one",
              "このライセンスはインストールID {0} 用です（この環境は {1}）。1 アカウントにつき 1 "
              "環境です。この環境用の発行をベンダーに依頼してください"),
          l->installation, installation ? installation : "-");
    TRY(check_dates(l, now, err));
    if (!installed)
        return RC_OK;
    CHECK(l->serial != installed->serial || strcmp(l->key_id, installed->key_id) != 0, err,
          RC_EXISTS, BLAME_INPUT,
          MSG("licence.same", "this licence (serial {0}) is installed already; nothing was changed",
              "このライセンス（シリアル {0}）は取り込み済みです。変更はありません"),
          NUM(l->serial));
    CHECK(!is_older(l, installed), err, RC_INPUT, BLAME_INPUT,
          MSG("licence.older",
              "the licence (serial {0}) is older than the installed one (serial {1}), which stays",
              "このライセンス（シリアル {0}）は現在のもの（シリアル {1}）より古いため、取り込み"
              "ません"),
          NUM(l->serial), NUM(installed->serial));
    return RC_OK;
}

int64_t licence_high_next(int64_t high, int64_t now, int64_t mono, int64_t *since)
{
    if (now <= high) {
        *since = 0;
        return high;
    }
    if (high == 0 || now - high <= USEC_PER_DAY) {
        *since = 0;
        return now;
    }
    if (*since == 0 || *since > mono) /* first seen, or the machine was started anew */
        *since = mono ? mono : 1;
    if (mono - *since < HOUR)
        return high;
    *since = 0;
    return now;
}
