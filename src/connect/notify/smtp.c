/*
 * Mail (RFC 5321, 5322, 2047). The message is built here whole: UTF-8 text in base64, headers in
 * encoded words, CRLF lines. Invariants: no header value carries a control character; a password is
 * never sent without TLS.
 */
#include "net/smtp.h"

#include <string.h>

#include "base/base64.h"
#include "base/rand.h"
#include "connect/connect.h"

struct smtp_settings {
    const char *host;
    int64_t port;
    const char *security, *user;
    struct secret_ref password;
    const char *from;
    struct str_list to;
    const char *lang, *ca_pem, *helo;
};

/* 39 bytes make a word of 64 characters: "Subject: " and it stay within a line of 76. */
enum { MESSAGE_MAX = 1 << 20, WORD_BYTES = 39, SEND_SEC = 30 };

static const struct field_choice securities[] = {
    {"starttls", {"STARTTLS (usually port 587)", "STARTTLS（通常はポート587）"}},
    {"tls", {"TLS from the start (port 465)", "最初からTLS（ポート465）"}},
    {"plain", {"No encryption", "暗号化なし"}},
    {NULL, {NULL, NULL}}};
static const struct field_choice langs[] = {
    {"ja", {"Japanese", "日本語"}}, {"en", {"English", "英語"}}, {NULL, {NULL, NULL}}};

#define S struct smtp_settings
static const struct field fields[] = {
    FIELD_HOST(S, host, .flags = FIELD_REQUIRED, .label = {"Mail server", "メールサーバー"},
               .help = {"Name or address of the SMTP server.",
                        "SMTPサーバーのホスト名またはアドレスです。"},
               .example = "smtp.example.jp"),
    FIELD_PORT(S, port, .dflt = "587", .label = {"Port", "ポート"},
               .help = {"587 for STARTTLS, 465 for TLS.", "STARTTLSは587、TLSは465です。"}),
    FIELD_ENUM(S, security, .dflt = "starttls", .choices = securities,
               .label = {"Encryption", "暗号化"},
               .help = {"Without encryption no password is sent.",
                        "暗号化なしの場合、パスワードは送信しません。"}),
    FIELD_STR(S, user, .max = 254, .label = {"User", "ユーザー名"},
              .help = {"Empty: no login.", "空欄の場合は認証しません。"}, .example = "inro"),
    FIELD_SECRET(S, password, .max = 1024, .label = {"Password", "パスワード"},
                 .help = {"Kept sealed.", "暗号化して保管します。"}),
    FIELD_STR(S, from, .flags = FIELD_REQUIRED, .max = 254, .label = {"From", "差出人"},
              .help = {"Address the mail comes from.", "送信元のメールアドレスです。"},
              .example = "inro@example.jp"),
    FIELD_LIST(S, to, .flags = FIELD_REQUIRED, .min = 1, .max = 50, .label = {"To", "宛先"},
               .help = {"Addresses of the receivers.", "受信者のメールアドレスです。"},
               .example = "ssl-admin@example.jp"),
    FIELD_ENUM(S, lang, .dflt = "ja", .choices = langs, .label = {"Language", "言語"},
               .help = {"Language of the mails.", "通知の言語です。"}),
    FIELD_TEXT(S, ca_pem, .flags = FIELD_ADVANCED, .max = 262144,
               .label = {"Extra roots (PEM)", "追加の信頼ルート（PEM）"},
               .help = {"For a mail server with a private CA.",
                        "社内認証局の証明書を使うサーバー用です。"}),
    FIELD_HOST(S, helo, .flags = FIELD_ADVANCED, .label = {"EHLO name", "EHLO名"},
               .help = {"Empty: the domain of the sender.", "空欄の場合は差出人のドメインです。"},
               .example = "inro.example.jp"),
    FIELD_END,
};
#undef S

static enum rc address_check(const char *field, const char *s, struct err *err)
{
    if (mail_is_valid(s))
        return RC_OK;
    return field_fault(err, field,
                       FAIL(err, RC_INPUT, BLAME_INPUT,
                            MSG("smtp.address", "\"{0}\" is not a mail address",
                                "「{0}」はメールアドレスとして正しくありません"),
                            s ? s : ""));
}

static enum rc settings_check(const void *settings, struct err *err)
{
    const struct smtp_settings *s = settings;
    TRY(address_check("from", s->from, err));
    for (size_t i = 0; i < s->to.n; i++)
        TRY(address_check("to", s->to.v[i], err));
    const char *field = NULL;
    if (strcmp(s->security, "plain") == 0 && (s->user || s->password.sealed))
        field = "security";
    else if (s->user && !s->password.sealed)
        field = "password";
    else if (!s->user && s->password.sealed)
        field = "user";
    if (!field)
        return RC_OK;
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("smtp.login", "a login needs user, password and encryption together; correct {0}",
                 "認証にはユーザー名・パスワード・暗号化がすべて必要です。{0} を修正して"
                 "ください"),
             field);
    err_field(err, field);
    return rc;
}

/* Bytes of the next piece of at most max bytes, never cutting a UTF-8 character. */
static size_t piece(struct str s, size_t max)
{
    if (s.n <= max)
        return s.n;
    size_t n = max;
    while (n > 1 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void subject_add(const char *subject, struct buf *out)
{
    char clean[512];
    size_t n = 0;
    for (const char *p = subject; *p && n < sizeof clean - 1; p++)
        clean[n++] = (unsigned char)*p < ' ' || *p == 127 ? ' ' : *p;
    struct str rest = {clean, n};
    rest.n = piece(rest, sizeof clean - 5);
    buf_adds(out, "Subject:");
    do {
        size_t take = piece(rest, WORD_BYTES);
        buf_adds(out, " =?UTF-8?B?");
        base64_add(out, rest.p, take);
        rest = (struct str){rest.p + take, rest.n - take};
        buf_adds(out, "?=\r\n");
    } while (rest.n);
}

static void body_add(const char *body, struct buf *out)
{
    AUTO(buf) struct buf text = BUF(MESSAGE_MAX);
    AUTO(buf) struct buf b64 = BUF(MESSAGE_MAX);
    for (const char *p = body; *p; p++) {
        if (*p == '\r')
            continue;
        if (*p == '\n')
            buf_addc(&text, '\r');
        buf_addc(&text, *p);
    }
    base64_add(&b64, text.p ? text.p : "", text.len);
    for (size_t i = 0; i < b64.len; i += 76) {
        buf_add(out, b64.p + i, b64.len - i < 76 ? b64.len - i : 76);
        buf_adds(out, "\r\n");
    }
    if (text.bad || b64.bad)
        out->bad = RC_NOMEM;
}

/* The people of the group the news is about, else the channel's own. */
static struct str_list receivers(const struct smtp_settings *s, const struct notice_text *n)
{
    return n->to.n > 0 ? n->to : s->to;
}

static void message(const struct smtp_settings *s, const struct notice_text *n, struct buf *out)
{
    struct str_list to = receivers(s, n);
    bool ja = strcmp(n->lang, "ja") == 0;
    char date[48], id[33];
    time_rfc5322(n->at, ja ? 9 * 60 : 0, date);
    rand_hex(id, 16);
    buf_addf(out, "Date: %s\r\nFrom: <%s>\r\nTo:", date, s->from);
    for (size_t i = 0; i < to.n; i++)
        buf_addf(out, "%s <%s>", i ? ",\r\n" : "", to.v[i]);
    buf_addf(out, "\r\nMessage-ID: <%s@%s>\r\n", id, strrchr(s->from, '@') + 1);
    subject_add(n->subject, out);
    buf_addf(out,
             "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
             "Content-Language: %s\r\n",
             ja ? "ja" : "en");
    buf_adds(out, "Content-Type: text/plain; charset=UTF-8\r\n"
                  "Content-Transfer-Encoding: base64\r\n\r\n");
    body_add(n->body, out);
}

static enum smtp_security security_of(const struct smtp_settings *s)
{
    if (strcmp(s->security, "tls") == 0)
        return SMTP_TLS;
    return strcmp(s->security, "plain") == 0 ? SMTP_PLAIN : SMTP_STARTTLS;
}

static enum rc mail_send(struct ctx *ctx, const void *settings, const struct notice_text *n,
                         const char **ret_reply, struct err *err)
{
    const struct smtp_settings *s = settings;
    /* a server that says nothing must not hold a worker to the end of the step */
    int64_t soon = clock_mono(ctx->clock) + SEND_SEC * USEC_PER_SEC;
    TRY(ctx_alive(ctx, err));
    TRY(settings_check(s, err));
    struct str_list to = receivers(s, n);
    for (size_t i = 0; i < n->to.n; i++)
        TRY(address_check("to", n->to.v[i], err));
    AUTO(buf) struct buf text = BUF(MESSAGE_MAX);
    AUTO(buf) struct buf password = BUF_SECRET(4096);
    message(s, n, &text);
    TRY(buf_ok(&text, err));
    if (s->user)
        TRY(ctx_secret(ctx, "password", s->password, &password, err));
    struct smtp_mail m = {.policy = ctx->egress,
                          .host = s->host,
                          .port = (int)s->port,
                          .security = security_of(s),
                          .ca_pem = str_from(s->ca_pem),
                          .helo = s->helo ? s->helo : strrchr(s->from, '@') + 1,
                          .user = s->user,
                          .password = buf_str(&password),
                          .from = s->from,
                          .to = to.v,
                          .to_count = to.n,
                          .message = buf_str(&text),
                          .deadline = soon < ctx->deadline || !ctx->deadline ? soon : ctx->deadline,
                          .cancel = ctx->cancel};
    return ctx->smtp ? ctx->smtp(ctx, &m, ret_reply, err)
                     : smtp_send(&m, ctx->arena, ret_reply, err);
}

/* Reaches the server's name and address; a mail is only sent by the test notice. */
static enum rc check(struct ctx *ctx, const void *settings, struct l10n *ret_seen, struct err *err)
{
    const struct smtp_settings *s = settings;
    TRY(ctx_alive(ctx, err));
    TRY(settings_check(s, err));
    if (ctx->smtp)
        return RC_OK;
    struct net_addr *addrs;
    size_t n;
    TRY(egress_resolve(ctx->egress, s->host, (int)s->port, ctx->deadline, ctx->arena, &addrs, &n,
                       err));
    return SEEN(ctx, ret_seen, err,
                MSG("smtp.seen", "{0} resolves to {1}; send a test notice to try the delivery",
                    "{0} のアドレスは {1} です。テスト通知を送信して配信を確認してください"),
                s->host, addrs[0].text);
}

static const char *lang_of(const void *settings)
{
    const struct smtp_settings *s = settings;
    return s->lang;
}

extern const struct notifier_ops notifier_smtp;
const struct notifier_ops notifier_smtp = {
    .head = {.id = "smtp",
             .name = {"Mail (SMTP)", "メール（SMTP）"},
             .about = {"Sends notices by mail.", "通知をメールで送信します。"},
             .fields = fields,
             .settings_size = sizeof(struct smtp_settings),
             .check = check,
             .fit = settings_check},
    .send = mail_send,
    .lang = lang_of,
};
