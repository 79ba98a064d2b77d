/* What people are told: one row per event; {0} name, {1} end of validity, {2} why, {3} days. */
#include <string.h>

#include "job/job_priv.h"
#include "job/notify_rule.h"

struct row {
    const char *event;
    struct msg subject, body;
};

#define ROW(event, se, sj, be, bj)                                                                 \
    {                                                                                              \
        event, {"notice.subject", se, sj},                                                         \
        {                                                                                          \
            "notice.body", be, bj                                                                  \
        }                                                                                          \
    }

static const struct row rows[] = {
    ROW("cert.issued", "Certificate issued: {0}", "証明書が発行されました: {0}",
        "The certificate for {0} was issued. It is valid until {1}.",
        "{0} の証明書が発行されました。有効期限は {1} です。"),
    ROW("cert.renewed", "Certificate renewed: {0}", "証明書が更新されました: {0}",
        "The certificate for {0} was renewed. It is valid until {1}.",
        "{0} の証明書が更新されました。有効期限は {1} です。"),
    ROW("cert.failed", "Action needed, order failed: {0}",
        "要対応: 証明書の申請に失敗しました: {0}",
        "The order for {0} has stopped: {2} Correct the cause, then retry the job.",
        "{0} の申請が停止しました。理由: {2} 原因を取り除いてからジョブを再実行してください。"),
    ROW("cert.delayed", "Order delayed: {0}", "証明書の申請が遅れています: {0}",
        "The order for {0} has failed several times and goes on being retried: {2}",
        "{0} の申請が繰り返し失敗しています。自動で再試行を続けます。理由: {2}"),
    ROW("cert.expiring", "Expires in {3} days or less: {0}", "有効期限まで {3} 日以内です: {0}",
        "The certificate for {0} ends on {1}. See why it was not renewed, and renew it now.",
        "{0} の証明書の有効期限は {1} です。更新されていない理由を確認し、更新してください。"),
    ROW("cert.expired", "EXPIRED: {0}", "有効期限切れ: {0}",
        "The certificate for {0} ended on {1}. Renew and deploy it at once.",
        "{0} の証明書は {1} に有効期限が切れました。直ちに更新と適用を行ってください。"),
    ROW("cert.revoked", "Certificate revoked: {0}", "証明書を失効しました: {0}",
        "A certificate for {0} was revoked. Issue and deploy a new one if it is still in use.",
        "{0} の証明書を失効しました。使用中の場合は新しい証明書を発行し、適用してください。"),
    ROW("renewal.missed", "Renewal did not happen: {0}", "証明書が更新されていません: {0}",
        "{0} should have been renewed already; the present certificate ends on {1}. Look at its "
        "jobs.",
        "{0} は更新予定日を過ぎています。現在の証明書の有効期限は {1} です。ジョブを確認してくださ"
        "い。"),
    ROW("order.human", "The CA waits for you: {0}", "認証局での手続きが必要です: {0}",
        "The order for {0} goes on after this is done: {2}",
        "{0} の申請を進めるには次の対応が必要です: {2}"),
    ROW("deploy.done", "Deployed and verified: {0}", "証明書を適用しました: {0}",
        "The new certificate for {0} is served by all its targets. It is valid until {1}.",
        "{0} の新しい証明書がすべての適用先で有効になりました。有効期限は {1} です。"),
    ROW("deploy.failed", "Action needed, deploy failed: {0}",
        "要対応: 証明書の適用に失敗しました: {0}",
        "{0} could not be deployed everywhere: {2} See the roll-out for each target.",
        "{0} を一部の適用先に適用できませんでした。理由: {2} 適用の画面で各適用先の状態を確認してく"
        "ださい。"),
    ROW("deploy.approval", "Approval needed: {0}", "適用の承認が必要です: {0}",
        "A roll-out waits to be approved: {2} Look at its plan, then approve it.",
        "適用の承認を待っています。{2} 変更内容を確認し、承認してください。"),
    ROW("endpoint.expiring", "Served certificate expires soon: {0}",
        "提示中の証明書の期限が近づいています: {0}",
        "{0} serves a certificate that ends on {1}. Renew it.",
        "{0} が提示している証明書の有効期限は {1} です。更新してください。"),
    ROW("endpoint.expired", "EXPIRED certificate is served: {0}",
        "有効期限切れの証明書が提示されています: {0}",
        "{0} serves a certificate that ended on {1}. Replace it at once.",
        "{0} が提示している証明書は {1} に有効期限が切れています。直ちに交換してください。"),
    ROW("endpoint.drift", "Another certificate is served: {0}",
        "管理中のものと異なる証明書が提示されています: {0}",
        "{0} does not serve the certificate Inro holds for it. Deploy again, or see who changed "
        "it.",
        "{0} は Inro が管理する証明書とは異なる証明書を提示しています。再適用するか、変更者を確認し"
        "てください。"),
    ROW("endpoint.untrusted", "Untrusted certificate is served: {0}",
        "信頼されない証明書が提示されています: {0}",
        "{0} serves a chain that does not lead to a trusted root. Check its intermediate "
        "certificates.",
        "{0} の証明書チェーンは信頼されたルートに到達しません。中間証明書を確認してください。"),
    ROW("endpoint.unreachable", "Cannot be reached: {0}", "接続できません: {0}",
        "{0} could not be looked at: {2} Check the server and the network.",
        "{0} を確認できませんでした。理由: {2} サーバーとネットワークを確認してください。"),
    ROW("clock.wrong", "The clock of the Inro server is wrong",
        "Inro サーバーの時計が正しくありません",
        "The clock went back or is before this program was made. Nothing is judged or renewed "
        "until "
        "it is right; check NTP.",
        "時計が過去に戻ったか、正しくない日時を示しています。修正されるまで期限の判定と更新を停止し"
        "ます。NTP を確認してください。"),
    ROW("licence.ending", "The licence ends in {3} days or less",
        "ライセンスの終了まで {3} 日以内です",
        "The licence of {0} ends on {1}. After that nothing is applied for, renewed, deployed or "
        "added; watching and alarms go on. Ask the vendor for the renewal file and import it.",
        "{0} のライセンスは {1} "
        "に終了します。終了後は申請・更新・適用・追加が停止します（監視と通知"
        "は続きます）。ベンダーから更新ファイルを入手して取り込んでください。"),
    ROW("licence.ended", "THE LICENCE HAS ENDED", "ライセンスが終了しました",
        "The licence of {0} ended on {1}. Nothing is applied for, renewed, deployed or added until "
        "a new licence file is imported; watching and alarms go on.",
        "{0} のライセンスは {1} "
        "に終了しました。新しいライセンスファイルを取り込むまで、申請・更新・"
        "適用・追加は停止します（監視と通知は続きます）。"),
    ROW("licence.held", "Renewal not started, the licence has ended: {0}",
        "ライセンス終了のため更新を開始していません: {0}",
        "{0} is due for renewal and was not renewed, because the licence has ended; the present "
        "certificate ends on {1}. Import a new licence file.",
        "{0} は更新時期ですが、ライセンスが終了しているため更新していません。現在の証明書の有効期限"
        "は {1} です。新しいライセンスファイルを取り込んでください。"),
    ROW("licence.broken", "The licence file cannot be used: {0}",
        "ライセンスファイルが使用できません: {0}",
        "The installed licence is damaged or not this installation's: {2} Until a good file is "
        "imported, the trial plan applies.",
        "取り込み済みのライセンスが破損しているか、この環境のものではありません。理由: {2} 正しい"
        "ファイルを取り込むまで、ミーツとして動作します。"),
    ROW("backup.failed", "Backup failed: {0}", "バックアップに失敗しました: {0}",
        "A backup could not be made or stored: {2} Correct the cause; it is tried again daily.",
        "バックアップの作成または保存に失敗しました。理由: {2} "
        "原因を取り除いてください。毎日再試行し"
        "ます。"),
    ROW("system.superseded", "This installation was replaced by a restored copy",
        "復元された複製がこの環境を引き継いでいます",
        "At {0} there are backups of a younger generation: a restored copy has taken over, and "
        "this one changes nothing any more. If this is the one to run, stop the other and "
        "confirm: inro confirm-restore.",
        "{0} に、より新しい世代のバックアップがあります。復元された複製が引き継いだため、この環境は"
        "変更を停止しました。こちらを動かす場合は他方を停止し、inro confirm-restore "
        "で確認してくださ"
        "い。"),
    ROW("test", "Test message", "テスト通知", "This is a test message of Inro. It has arrived.",
        "これは Inro のテスト通知です。正しく届いています。"),
};

const char *notice_event_at(size_t i)
{
    return i < COUNT_OF(rows) ? rows[i].event : NULL;
}

/* Japan's date for Japanese readers, UTC for others. */
static void date_text(const char *rfc3339, const char *lang, char out[64])
{
    int64_t at = 0, y = 0;
    int m = 0, d = 0;
    struct buf b = BUF(64);
    memcpy(out, "-", 2);
    if (!rfc3339 || !time_parse_rfc3339(rfc3339, &at))
        return;
    bool ja = strcmp(lang, "ja") == 0;
    int64_t local = at + (ja ? 9 * 3600 * USEC_PER_SEC : 0);
    civil_from_days(local / USEC_PER_DAY - (local % USEC_PER_DAY < 0), &y, &m, &d);
    if (ja)
        buf_addf(&b, "%lld年%d月%d日", (long long)y, m, d);
    else
        buf_addf(&b, "%04lld-%02d-%02d (UTC)", (long long)y, m, d);
    if (b.bad == RC_OK && b.len < 64)
        memcpy(out, buf_cstr(&b), b.len + 1);
    buf_free(&b);
}

enum rc notice_render(const char *event, const char *lang, const struct json *data,
                      struct buf *subject, struct buf *body, struct err *err)
{
    const struct row *row = NULL;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].event, event) == 0)
            row = &rows[i];
    CHECK(row, err, RC_UNSUPPORTED, BLAME_US,
          MSG("job.no_notice", "this program has no text for the event {0}",
              "イベント {0} の通知文がありません"),
          event);
    char date[64], why[1400] = "", text[2400];
    struct err e;
    const struct json *j = json_get(data, "error");
    if (json_type_of(j) == JSON_OBJECT) {
        json_to_err(j, &e);
        err_text(&e, lang, why, sizeof why);
    }
    date_text(json_str_or(data, "not_after", NULL), lang, date);
    /* The reason is put in whole: it may be longer than a message's argument. */
    const char *const args[] = {json_str_or(data, "name", "-"), date, "%WHY%",
                                NUM(json_i64_or(data, "days", 0)), NULL};
    msg_render(&row->subject, lang, args, text, sizeof text);
    buf_adds(subject, text);
    msg_render(&row->body, lang, args, text, sizeof text);
    char *at = strstr(text, "%WHY%");
    if (at) {
        buf_add(body, text, (size_t)(at - text));
        buf_adds(body, why[0] ? why : "-");
        buf_adds(body, at + strlen("%WHY%"));
    } else {
        buf_adds(body, text);
    }
    buf_addc(body, '\n');
    if (json_bool_or(data, "licence_ended", false) && strncmp(event, "licence.", 8) != 0)
        buf_adds(body, strcmp(lang, "ja") == 0
                           ? "※ライセンスが終了しているため、申請・更新・適用は停止しています。\n"
                           : "Note: the licence has ended; applying, renewing and deploying are "
                             "stopped.\n");
    TRY(buf_ok(subject, err));
    return buf_ok(body, err);
}
