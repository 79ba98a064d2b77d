/* libcurl's SMTP with STARTTLS demanded: CURLUSESSL_TRY would send the password in clear. */
#include "net/smtp.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "net/http_client.h"

struct mail {
    struct str rest;
    char reply[512];   /* the last line */
    char refusal[512]; /* the last one that was a no; QUIT's answer comes after it */
    const struct smtp_mail *m;
};

static size_t give(char *to, size_t size, size_t n, void *arg)
{
    struct mail *m = arg;
    size_t take = size * n < m->rest.n ? size * n : m->rest.n;
    memcpy(to, m->rest.p, take);
    m->rest.p += take;
    m->rest.n -= take;
    return take;
}

static size_t on_reply(char *p, size_t size, size_t n, void *arg)
{
    struct mail *m = arg;
    struct str line = str_trim((struct str){p, size * n});
    bool no = line.n && (line.p[0] == '4' || line.p[0] == '5');
    (void)snprintf(no ? m->refusal : m->reply, sizeof m->reply, "%.*s",
                   (int)(line.n > 400 ? 400 : line.n), line.p);
    return size * n;
}

static int on_progress(void *arg, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    const struct mail *m = arg;
    (void)dt, (void)dn, (void)ut, (void)un;
    return m->m->cancel && atomic_load(m->m->cancel);
}

static bool address_ok(const char *s)
{
    const char *at = strchr(s, '@');
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || strchr("<>,;:\"()[]\\", *p))
            return false;
    return at && at != s && at[1] && strlen(s) <= 254;
}

static enum rc check_addresses(const struct smtp_mail *m, struct err *err)
{
    const struct msg *bad = MSG("net.smtp.address", "\"{0}\" is not a mail address",
                                "「{0}」はメールアドレスではありません");
    CHECK(address_ok(m->from), err, RC_INPUT, BLAME_INPUT, bad, m->from);
    CHECK(m->to_count > 0 && m->to_count <= 100, err, RC_INPUT, BLAME_INPUT,
          MSG("net.smtp.count", "a mail has 1 to 100 recipients, not {0}",
              "宛先は 1〜100 件です({0} 件あります)"),
          NUM(m->to_count));
    for (size_t i = 0; i < m->to_count; i++)
        CHECK(address_ok(m->to[i]), err, RC_INPUT, BLAME_INPUT, bad, m->to[i]);
    CHECK(m->security != SMTP_PLAIN || !m->user, err, RC_INPUT, BLAME_INPUT,
          MSG("net.smtp.plain", "a password is never sent without TLS",
              "TLS なしではパスワードを送信しません"));
    return RC_OK;
}

static enum rc smtp_failed(CURLcode code, const char *text, const struct mail *mail,
                           struct err *err)
{
    const struct smtp_mail *m = mail->m;
    const char *said = mail->refusal[0] ? mail->refusal : text;
    enum rc rc;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        rc = FAIL(err, RC_CANCELLED, BLAME_US,
                  MSG("net.smtp.cancelled", "the mail to {0} was stopped",
                      "{0} へのメール送信は中止されました"),
                  m->host);
    else if (code == CURLE_USE_SSL_FAILED)
        rc = FAIL(err, RC_TLS, BLAME_REMOTE,
                  MSG("net.smtp.tls", "{0} offers no STARTTLS; nothing was sent in clear",
                      "{0} は STARTTLS を提供していません。平文では送信しません"),
                  m->host);
    else if (code == CURLE_SSL_CONNECT_ERROR && http_handshake_broke(text))
        rc = FAIL(err, RC_NET, BLAME_NETWORK,
                  MSG("net.smtp.handshake", "the TLS handshake with {0} broke off: {1}",
                      "{0} との TLS ハンドシェイクが中断されました: {1}"),
                  m->host, text);
    else if (code == CURLE_SSL_CONNECT_ERROR)
        rc = FAIL(err, RC_TLS, BLAME_REMOTE,
                  MSG("net.smtp.no_tls", "no TLS connection with {0}: {1}",
                      "{0} と TLS で接続できません: {1}"),
                  m->host, text);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        rc = FAIL(err, RC_TLS, BLAME_REMOTE,
                  MSG("net.smtp.trust", "the TLS certificate of {0} is not trusted: {1}",
                      "{0} の TLS 証明書を信頼できません: {1}"),
                  m->host, text);
    else if (code == CURLE_LOGIN_DENIED)
        rc = FAIL(err, RC_AUTH, BLAME_INPUT,
                  MSG("net.smtp.login", "{0} refuses the user or password: {1}",
                      "{0} がユーザーまたはパスワードを拒否しました: {1}"),
                  m->host, said);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        rc = FAIL(
            err, RC_TIMEOUT, BLAME_NETWORK,
            MSG("net.smtp.timeout", "{0} did not answer in time", "{0} が時間内に応答しません"),
            m->host);
    else if (!mail->refusal[0])
        rc =
            FAIL(err, RC_NET, BLAME_NETWORK,
                 MSG("net.smtp.connect", "{0} cannot be reached: {1}", "{0} に接続できません: {1}"),
                 m->host, text);
    else
        rc = FAIL(err, RC_REMOTE, mail->refusal[0] == '5' ? BLAME_INPUT : BLAME_REMOTE,
                  MSG("net.smtp.refused", "{0} does not take the mail: {1}",
                      "{0} がメールを受け付けません: {1}"),
                  m->host, said);
    err_remote(err, said);
    return rc;
}

static bool set_mail(CURL *h, const struct mail *mail, const char *url, struct curl_slist *to,
                     struct curl_slist *resolve, char *error)
{
    const struct smtp_mail *m = mail->m;
    int64_t left = (m->deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
    unsigned bad = 0;
    bad |= curl_easy_setopt(h, CURLOPT_URL, url);
    bad |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
    bad |= curl_easy_setopt(h, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(h, CURLOPT_RESOLVE, resolve);
    bad |= curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    bad |=
        curl_easy_setopt(h, CURLOPT_USE_SSL,
                         m->security == SMTP_PLAIN ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
    bad |= curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, left > 1 ? (long)left : 1L);
    bad |= curl_easy_setopt(h, CURLOPT_MAIL_FROM, m->from);
    bad |= curl_easy_setopt(h, CURLOPT_MAIL_RCPT, to);
    bad |= curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    bad |= curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->message.n);
    bad |= curl_easy_setopt(h, CURLOPT_READFUNCTION, give);
    bad |= curl_easy_setopt(h, CURLOPT_READDATA, mail);
    bad |= curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_reply);
    bad |= curl_easy_setopt(h, CURLOPT_HEADERDATA, mail);
    bad |= curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    bad |= curl_easy_setopt(h, CURLOPT_XFERINFODATA, mail);
    bad |= curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    if (m->ca_pem.n) {
        struct curl_blob blob = {(void *)(uintptr_t)m->ca_pem.p, m->ca_pem.n, CURL_BLOB_COPY};
        bad |= curl_easy_setopt(h, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (m->user)
        bad |= curl_easy_setopt(h, CURLOPT_USERNAME, m->user);
    if (m->user && m->password.n)
        bad |= curl_easy_setopt(h, CURLOPT_PASSWORD, m->password.p);
    return bad == 0;
}

static enum rc make_lists(const struct smtp_mail *m, struct arena *a, struct curl_slist **ret_to,
                          struct curl_slist **ret_resolve, struct err *err)
{
    struct net_addr *addrs;
    size_t n;
    TRY(egress_resolve(m->policy, m->host, m->port, m->deadline, a, &addrs, &n, err));
    AUTO(buf) struct buf pin = BUF(8192);
    buf_addf(&pin, "%s:%d:", m->host, m->port);
    for (size_t i = 0; i < n; i++) {
        bool v6 = strchr(addrs[i].text, ':') != NULL;
        buf_addf(&pin, "%s%s%s%s", i ? "," : "", v6 ? "[" : "", addrs[i].text, v6 ? "]" : "");
    }
    TRY(buf_ok(&pin, err));
    /* libcurl takes no entry for an IPv6 literal, and dials it as it is. */
    if (!strchr(m->host, ':')) {
        *ret_resolve = curl_slist_append(NULL, buf_cstr(&pin));
        if (!*ret_resolve)
            return NOMEM(err);
    }
    for (size_t i = 0; i < m->to_count; i++) {
        struct curl_slist *more = curl_slist_append(*ret_to, m->to[i]);
        if (!more)
            return NOMEM(err);
        *ret_to = more;
    }
    return RC_OK;
}

enum rc smtp_send(const struct smtp_mail *m, struct arena *a, const char **ret_reply,
                  struct err *err)
{
    struct mail mail = {.rest = m->message, .m = m};
    struct curl_slist *to = NULL, *resolve = NULL;
    char error[CURL_ERROR_SIZE] = "";
    TRY(check_addresses(m, err));
    enum rc rc = make_lists(m, a, &to, &resolve, err);
    CURL *h = rc == RC_OK ? curl_easy_init() : NULL;
    bool literal = strchr(m->host, ':') != NULL;
    const char *url = arena_printf(
        a, "%s://%s%s%s:%d/%s", m->security == SMTP_TLS ? "smtps" : "smtp", literal ? "[" : "",
        m->host, literal ? "]" : "", m->port, m->helo ? m->helo : "localhost");
    if (rc == RC_OK && (!h || !url || !set_mail(h, &mail, url, to, resolve, error)))
        rc = NOMEM(err);
    if (rc == RC_OK) {
        CURLcode code = curl_easy_perform(h);
        if (code != CURLE_OK)
            rc = smtp_failed(code, error[0] ? error : curl_easy_strerror(code), &mail, err);
    }
    char *reply = rc == RC_OK ? arena_strdup(a, mail.reply) : NULL;
    if (h)
        curl_easy_cleanup(h);
    curl_slist_free_all(to);
    curl_slist_free_all(resolve);
    if (rc == RC_OK)
        *ret_reply = reply;
    return rc;
}
