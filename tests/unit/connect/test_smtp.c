/* The mail as it is sent: headers, encoded words, dates, and what is refused. */
#include "unit/connect/connect_rig.h"

static char sent[65536], envelope[512], used_password[256];
static int mails;
static enum smtp_security how;

static enum rc catch_mail(struct ctx *ctx, const struct smtp_mail *m, const char **ret_reply,
                          struct err *err)
{
    (void)ctx, (void)err;
    mails++;
    how = m->security;
    snprintf(sent, sizeof sent, "%.*s", (int)m->message.n, m->message.p);
    snprintf(envelope, sizeof envelope, "%s>%s+%zu %s", m->from, m->to[0], m->to_count, m->helo);
    snprintf(used_password, sizeof used_password, "%.*s", (int)m->password.n,
             m->password.p ? m->password.p : "");
    *ret_reply = "250 ok";
    return RC_OK;
}

static struct str_list instead; /* the group's people */

static enum rc mail(const char *settings, const char *lang, const char *subject, const char *body,
                    struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct ctx ctx = rig_ctx(a);
    ctx.smtp = catch_mail;
    const struct notifier_ops *o = notifier_find("smtp");
    const void *set = RIG_SETTINGS(a, *o, settings);
    struct notice_text n = {.event = "cert.expiring",
                            .lang = lang,
                            .subject = subject,
                            .body = body,
                            .at = (int64_t)1767323045 * USEC_PER_SEC,
                            .to = instead};
    const char *reply = NULL;
    *err = (struct err){0};
    return o->send(&ctx, set, &n, &reply, err);
}

#define BASE                                                                                       \
    "\"host\":\"mail.test\",\"from\":\"inro@example.jp\",\"to\":[\"a@b.test\",\"c@d.test\"]"

static void assert_lines(void)
{
    size_t run = 0;
    for (const char *p = sent; *p; p++) {
        if (*p == '\n')
            assert_true(p > sent && p[-1] == '\r');
        run = *p == '\n' ? 0 : run + 1;
        assert_true(run <= 78 && (unsigned char)*p < 128);
    }
}

static void test_japanese_mail(void **state)
{
    (void)state;
    struct err err;
    const char *subject =
        "【Inro】証明書 www.example.jp の有効期限まで残り7日です。更新に失敗しています";
    assert_int_equal(mail("{" BASE "}", "ja", subject, "本文\n二行目\n", &err), RC_OK);
    assert_int_equal(how, SMTP_STARTTLS);
    assert_string_equal(envelope, "inro@example.jp>a@b.test+2 example.jp");
    assert_lines();
    assert_non_null(strstr(sent, "Date: Fri, 02 Jan 2026 12:04:05 +0900\r\n"));
    assert_non_null(strstr(sent, "To: <a@b.test>,\r\n <c@d.test>\r\n"));
    assert_non_null(strstr(sent, "Auto-Submitted: auto-generated\r\n"));
    /* decode the encoded words: each at most 75, each whole UTF-8 */
    char got[1024] = "";
    const char *p = strstr(sent, "Subject:");
    int words = 0;
    while ((p = strstr(p, "=?UTF-8?B?")) && p < strstr(sent, "Auto-Submitted")) {
        const char *e = strstr(p + 10, "?=");
        assert_true(e - p + 2 <= 75);
        AUTO(buf) struct buf b = BUF(200);
        assert_true(base64_decode((struct str){p + 10, (size_t)(e - p - 10)}, &b));
        assert_true(str_is_utf8(buf_str(&b)));
        strncat(got, buf_cstr(&b), sizeof got - strlen(got) - 1);
        p = e;
        words++;
    }
    assert_true(words > 1);
    assert_string_equal(got, subject);
    const char *body = strstr(sent, "\r\n\r\n") + 4;
    AUTO(buf) struct buf text = BUF(1000);
    assert_true(base64_decode((struct str){body, strlen(body) - 2}, &text));
    assert_string_equal(buf_cstr(&text), "本文\r\n二行目\r\n");
}

static void test_english_mail_with_login(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(mail("{" BASE ",\"security\":\"tls\",\"port\":465,\"user\":\"u\","
                          "\"password\":{\"sealed\":\"s\"},\"lang\":\"en\",\"helo\":\"me.test\"}",
                          "en", "short", "", &err),
                     RC_OK);
    assert_int_equal(how, SMTP_TLS);
    assert_string_equal(used_password, rig_secret);
    assert_null(strstr(sent, rig_secret));
    assert_non_null(strstr(sent, "Subject: =?UTF-8?B?c2hvcnQ=?=\r\n"));
    assert_non_null(strstr(sent, "+0000\r\n"));
    assert_non_null(strstr(envelope, " me.test"));
}

static void test_header_injection(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(mail("{" BASE "}", "en", "a\r\nBcc: x@evil.test", "b\r\n.\r\nQUIT", &err),
                     RC_OK);
    assert_null(strstr(sent, "\r\nBcc"));
    assert_null(strstr(sent, "\r\n.\r\n"));
    static const char *const bad[] = {"a\\r\\nBcc: <x@evil.test>",
                                      "a b@c.test",
                                      "a@b@c.test",
                                      "<a@b.test>",
                                      "nobody",
                                      "@b.test",
                                      "a@",
                                      "a@b test"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char json[400];
        int before = mails;
        snprintf(json, sizeof json,
                 "{\"host\":\"mail.test\",\"from\":\"inro@example.jp\",\"to\":[\"%s\"]}", bad[i]);
        AUTO(arena) struct arena *a = arena_create(0);
        AUTO(json) struct json *j = NULL;
        const struct notifier_ops *o = notifier_find("smtp");
        void *set = arena_alloc(a, o->head.settings_size);
        assert_int_equal(json_parse(str_from(json), &j, NULL), RC_OK);
        if (schema_decode(o->head.fields, j, NULL, NULL, a, set, NULL) != RC_OK)
            continue; /* refused one floor below */
        assert_int_equal(mail(json, "en", "s", "b", &err), RC_INPUT);
        assert_string_equal(err.field, "to");
        assert_int_equal(mails, before);
    }
}

static void test_no_password_without_encryption(void **state)
{
    (void)state;
    struct err err;
    int before = mails;
    assert_int_equal(mail("{" BASE
                          ",\"security\":\"plain\",\"user\":\"u\",\"password\":{\"sealed\":"
                          "\"s\"}}",
                          "en", "s", "b", &err),
                     RC_INPUT);
    assert_string_equal(err.field, "security");
    assert_int_equal(mail("{" BASE ",\"user\":\"u\"}", "en", "s", "b", &err), RC_INPUT);
    assert_string_equal(err.field, "password");
    assert_int_equal(mails, before);
    assert_int_equal(mail("{" BASE ",\"security\":\"plain\"}", "en", "s", "b", &err), RC_OK);
    assert_int_equal(how, SMTP_PLAIN);
}

static void test_the_groups_people_instead(void **state)
{
    static const char *const people[] = {"web@x.example"},
                             *const evil[] = {"web@x.example\r\nBcc: all@x.example"};
    struct err err;
    (void)state;
    instead = (struct str_list){people, 1};
    assert_int_equal(mail("{" BASE "}", "en", "s", "b", &err), RC_OK);
    assert_string_equal(envelope, "inro@example.jp>web@x.example+1 example.jp");
    assert_non_null(strstr(sent, "To: <web@x.example>\r\n"));
    assert_null(strstr(sent, "a@b.test"));
    instead = (struct str_list){evil, 1};
    assert_int_equal(mail("{" BASE "}", "en", "s", "b", &err), RC_INPUT);
    instead = (struct str_list){NULL, 0};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_groups_people_instead),
        cmocka_unit_test(test_japanese_mail),
        cmocka_unit_test(test_english_mail_with_login),
        cmocka_unit_test(test_header_injection),
        cmocka_unit_test(test_no_password_without_encryption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
