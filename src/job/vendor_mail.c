/*
 * One mail to a customer. Invariant: a link's token is made when the mail is sent and is never
 * stored: only its hash is. A repeated try makes another token and the former one is void.
 */
#include "job/vendor_mail.h"

#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/digest.h"
#include "job/job_priv.h"
#include "model/calendar.h"
#include "model/licence.h"
#include "store/repo_vendor.h"

enum { TOKEN_BYTES = 32 };

enum rc job_request_vendor_mail(struct db *db, const struct vendor_mail *m, int64_t now,
                                int64_t *ret_job, struct err *err)
{
    AUTO(buf) struct buf p = BUF(512), subject = BUF(64), cap = BUF(64);
    struct json_writer w = JSON_WRITER(&p);
    jw_object(&w);
    jw_ki64(&w, "notifier", m->notifier);
    jw_ki64(&w, "customer", m->customer);
    jw_ki64(&w, "order", m->order);
    jw_ki64(&w, "share", m->share);
    jw_kstr(&w, "what", m->what);
    jw_end_object(&w);
    buf_addf(&subject, "customer/%lld", (long long)m->customer);
    buf_addf(&cap, "notifier:%lld", (long long)m->notifier);
    TRY(buf_ok(&p, err));
    return add_job(db, "vendor_mail", buf_cstr(&subject), "send", NULL, buf_cstr(&cap),
                   buf_cstr(&p), now, ret_job, NULL, err);
}

struct letter {
    struct vendor_customer c;
    struct vendor_order o;
    struct vendor_licence l;
    struct vendor_share s;
    struct conn notifier;
    const char *vendor, *url, *what;
};

static enum rc load(struct run *r, struct letter *t, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    int64_t order = json_i64_or(r->payload, "order", 0);
    int64_t share = json_i64_or(r->payload, "share", 0);
    t->what = json_str_or(r->payload, "what", "");
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_meta_get(db, "vendor_name", r->a, &t->vendor, err));
    TRY(db_meta_get(db, "vendor_url", r->a, &t->url, err));
    TRY(db_customer_get(db, json_i64_or(r->payload, "customer", 0), r->a, &t->c, err));
    if (order)
        TRY(db_vorder_get(db, order, r->a, &t->o, err));
    if (share) {
        TRY(db_share_get(db, share, r->a, &t->s, err));
        TRY(db_vlicence_newest(db, t->c.id, r->a, &t->l, err));
    }
    return run_connector(r, db, json_i64_or(r->payload, "notifier", 0), "notifier", &t->notifier,
                         err);
}

/* The link, usable as soon as this returns. */
static enum rc make_link(struct run *r, struct letter *t, struct buf *out, struct err *err)
{
    unsigned char raw[TOKEN_BYTES];
    char hash[65];
    AUTO(buf) struct buf token = BUF_SECRET(128);
    AUTO(db) struct db *db = NULL;
    struct str base = str_from(t->url);
    if (!t->s.id)
        return RC_OK;
    rand_bytes(raw, sizeof raw);
    base64url_add(&token, raw, sizeof raw);
    mem_wipe(raw, sizeof raw);
    TRY(buf_ok(&token, err));
    sha256_hex(buf_str(&token), hash);
    TRY(store_begin(r->e->o.store, &db, err));
    TRY(db_share_set_token(db, t->s.id, hash, err));
    TRY(run_commit(r, &db, false, err));
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    buf_addstr(out, base);
    buf_adds(out, "/share/");
    buf_addstr(out, buf_str(&token));
    buf_addc(out, '/');
    return buf_ok(out, err);
}

/* Each line is whole; {0}.. are replaced by what is named beside it. */
static void line(struct buf *b, bool ja, const struct msg *m, const char *x)
{
    char text[600];
    msg_render(m, ja ? "ja" : "en", (const char *const[]){x, NULL}, text, sizeof text);
    buf_adds(b, text);
    buf_addc(b, '\n');
}

static const char *day_of(struct run *r, int64_t day, bool ja)
{
    char out[32];
    if (ja)
        day_text_ja(day, out);
    else
        day_text(day, out);
    return arena_strdup(r->a, out);
}

static void licence_lines(struct run *r, const struct letter *t, bool ja, const char *link,
                          struct buf *b)
{
    struct l10n plan = plan_label(t->l.plan);
    line(b, ja, MSG("mail.plan", "Plan: {0}", "プラン: {0}"), ja ? plan.ja : plan.en);
    line(b, ja, MSG("mail.certs", "Certificates: {0}", "証明書数: {0}"), NUM(t->l.certificates));
    line(b, ja, MSG("mail.targets", "Targets: {0}", "適用先数: {0}"), NUM(t->l.targets));
    line(b, ja, MSG("mail.begins", "Valid from: {0}", "利用開始日: {0}"),
         day_of(r, jst_day(t->l.begins), ja));
    line(b, ja, MSG("mail.ends", "Valid to: {0}", "利用終了日: {0}"),
         day_of(r, jst_day(t->l.ends - 1), ja));
    line(b, ja, MSG("mail.file", "Licence file: {0}", "ライセンスファイル: {0}"), t->l.file_name);
    buf_addc(b, '\n');
    line(b, ja, MSG("mail.link", "Fetch it here: {0}", "取得用リンク: {0}"), "");
    buf_adds(b, link); /* whole: it is longer than a message's argument may be */
    buf_addc(b, '\n');
    line(b, ja, MSG("mail.until", "The link works until {0}.", "リンクの有効期限は {0} です。"),
         day_of(r, jst_day(t->s.expires), ja));
    line(b, ja,
         MSG("mail.import", "Import it in Inro: Settings > Licence, or inro licence import FILE.",
             "Inro の「設定」＞「ライセンス」、または inro licence import FILE で取り込んで"
             "ください。"),
         "");
}

struct opening {
    const char *what;
    struct msg subject, first;
};
#define OPEN(what_, se, sj, fe, fj)                                                                \
    {                                                                                              \
        what_, {"mail.subject", se, sj},                                                           \
        {                                                                                          \
            "mail.first", fe, fj                                                                   \
        }                                                                                          \
    }
static const struct opening openings[] = {
    OPEN("accepted", "Your order was accepted ({0})", "ご注文を受け付けました（{0}）",
         "Thank you for your order. The licence file is sent by {0}.",
         "ご注文ありがとうございます。ライセンスファイルは {0} までにご案内します。"),
    OPEN("issued", "Your licence file ({0})", "ライセンスファイルのご案内（{0}）",
         "Your licence file was issued.", "ライセンスファイルを発行しました。"),
    OPEN("renewal", "Renewal of your licence ({0})", "更新ライセンスのご案内（{0}）",
         "This is the renewal of your licence. Please import it by 30 April.",
         "更新ライセンスを発行しました。4 月 30 日までに取り込んでください。"),
    OPEN("cancelled", "Your cancellation was accepted ({0})", "解約を受け付けました（{0}）",
         "Your contract ends on {0}. Inro can be used until the end of that day.",
         "ご契約は {0} に終了します。当日まで引き続きご利用いただけます。"),
};

static enum rc write_letter(struct run *r, const struct letter *t, bool ja, const char *link,
                            struct buf *subject, struct buf *body, struct err *err)
{
    const struct opening *o = &openings[0];
    char text[600];
    for (size_t i = 0; i < COUNT_OF(openings); i++)
        if (strcmp(openings[i].what, t->what) == 0)
            o = &openings[i];
    int64_t day = strcmp(t->what, "cancelled") == 0 ? t->c.ends_on : t->o.share_due;
    msg_render(&o->subject, ja ? "ja" : "en", (const char *const[]){t->c.service_code, NULL}, text,
               sizeof text);
    buf_adds(subject, text);
    line(body, ja, MSG("mail.dear", "To {0},", "{0} 御中"), t->c.name);
    buf_addc(body, '\n');
    line(body, ja, &o->first, day_of(r, day, ja));
    buf_addc(body, '\n');
    line(body, ja, MSG("mail.code", "Service code: {0}", "サービスコード: {0}"), t->c.service_code);
    if (t->s.id)
        licence_lines(r, t, ja, link, body);
    buf_adds(body, "\n-- \n");
    buf_adds(body, t->vendor ? t->vendor : "Inro");
    buf_addc(body, '\n');
    TRY(buf_ok(subject, err));
    return buf_ok(body, err);
}

static enum rc send_letter(struct run *r, struct step_out *out, struct err *err)
{
    struct letter *t = ARENA_NEW(r->a, struct letter);
    AUTO(buf) struct buf link = BUF_SECRET(2048), subject = BUF(4096), body = BUF_SECRET(65536);
    struct ctx ctx;
    const char *reply = NULL;
    if (!t)
        return NOMEM(err);
    TRY(load(r, t, err));
    bool ja = !t->c.lang || strcmp(t->c.lang, "en") != 0;
    TRY(make_link(r, t, &link, err));
    TRY(write_letter(r, t, ja, buf_cstr(&link), &subject, &body, err));
    TRY(run_ctx(r, &t->notifier, &ctx, err));
    struct notice_text n = {.event = "vendor.mail",
                            .lang = ja ? "ja" : "en",
                            .subject = buf_cstr(&subject),
                            .body = buf_cstr(&body),
                            .at = run_now(r),
                            .to = {&t->c.mail, 1}};
    TRY(t->notifier.notifier->send(&ctx, t->notifier.settings, &n, &reply, err));
    out->done = true;
    out->audit = "vendor.mail";
    return RC_OK;
}

static const struct step steps[] = {
    {"send",
     {"Writing to a customer", "顧客にメールを送信しています"},
     send_letter,
     120 * USEC_PER_SEC,
     false},
};
const struct flow flow_vendor_mail = {"vendor_mail", steps, COUNT_OF(steps), NULL, NULL};
