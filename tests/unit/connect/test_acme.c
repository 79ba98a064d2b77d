/* The ACME dialogue against a scripted, strict CA; what is sent is asserted there. */
#include "unit/connect/fake_ca.h"

extern const struct ca_ops ca_acme;

struct run {
    struct arena *a;
    struct ctx ctx;
    const void *set;
    struct json *account, *data;
    struct ca_order order;
    struct ca_step step;
    struct err err;
    const char *names[2];
};
static const char *const http_only[] = {"http-01"};
static const char *const dns_only[] = {"dns-01"};

static void begin_with(struct run *r, const char *settings)
{
    *r = (struct run){.a = arena_create(0), .names = {"www.test"}};
    ca_reset();
    r->ctx = rig_ctx(r->a);
    r->ctx.http = ca_http;
    r->set = RIG_SETTINGS(r->a, ca_acme, settings);
    r->order = (struct ca_order){.id = 1,
                                 .names = r->names,
                                 .name_count = 1,
                                 .csr_der = STR("\x30\x01\xff"),
                                 .proof_types = http_only,
                                 .proof_type_count = 1};
}

static enum rc account(struct run *r)
{
    TRY(ca_acme.setup(&r->ctx, r->set, r->account, &r->err));
    json_free(r->account);
    r->account = NULL;
    return json_parse(str_from(rig_state), &r->account, &r->err);
}

static void begin(struct run *r)
{
    begin_with(r, "{\"directory\":\"" CA_HOST "/dir\"}");
    assert_int_equal(account(r), RC_OK);
}

static enum rc step(struct run *r)
{
    r->step = (struct ca_step){0};
    r->err = (struct err){0};
    r->order.data = r->data;
    enum rc rc = ca_acme.step(&r->ctx, r->set, r->account, &r->order, &r->step, &r->err);
    if (r->step.data) {
        json_free(r->data);
        r->data = NULL;
        if (*r->step.data)
            assert_int_equal(json_parse(str_from(r->step.data), &r->data, NULL), RC_OK);
    }
    r->order.proofs_ready = rc == RC_OK && r->step.verdict == CA_PROOF;
    if (rc == RC_OK && r->step.verdict == CA_WAIT && r->step.until > clock_now(&rig_clock))
        rig_clock.offset += r->step.until - clock_now(&rig_clock);
    return rc;
}

/* Steps until done or failed; returns the last code. */
static enum rc all(struct run *r)
{
    for (int i = 0; i < 60; i++) {
        enum rc rc = step(r);
        if (rc != RC_OK || r->step.verdict == CA_DONE)
            return rc;
    }
    fail_msg("no end: %s", ca.log);
    return RC_OK;
}

static void end(struct run *r)
{
    json_free(r->account);
    json_free(r->data);
    arena_destroy(r->a);
    rig_forget();
}

static void test_fewest_requests(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    assert_string_equal(ca.payload, "{\"termsOfServiceAgreed\":true}");
    assert_int_equal(ca.jwk_requests, 1);
    ca.log[0] = 0;
    assert_int_equal(step(&r), RC_OK);
    assert_true(r.step.ordered_now);
    assert_int_equal(r.step.verdict, CA_WAIT); /* saved before it is used */
    assert_string_equal(ca.log, "POST /order\n");
    assert_string_equal(ca.payload,
                        "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"www.test\"}]}");
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(r.step.verdict, CA_PROOF);
    assert_int_equal(r.step.proof_count, 1);
    assert_string_equal(r.step.proofs[0].token, "tok-EN_1");
    assert_int_equal(ca.answered, 0);
    char *auth = arena_printf(r.a, "tok-EN_1.%s", json_str_or(r.account, "thumbprint", ""));
    assert_string_equal(r.step.proofs[0].value, auth);
    assert_int_equal(all(&r), RC_OK);
    assert_string_equal(ca.log, "POST /order\nPOST /authz/1\nPOST /chall/1\nPOST /order/1\n"
                                "POST /finalize\nPOST /order/1\nPOST /cert\n");
    assert_true(str_eqs(r.step.chain_pem, ca.pem));
    assert_int_equal(ca.jwk_requests, 1);
    end(&r);
}

static void test_no_answer_before_the_proof_stands(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    assert_int_equal(step(&r), RC_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(step(&r), RC_OK);
        assert_int_equal(r.step.verdict, CA_PROOF);
        assert_int_equal(r.step.proof_count, 1);
        r.order.proofs_ready = false;
    }
    assert_int_equal(ca.answered, 0);
    end(&r);
}

static void test_valid_authorization_is_not_answered(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.authz_valid = true;
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.answered, 0);
    end(&r);
    begin(&r);
    ca.ready_at_once = true;
    assert_int_equal(all(&r), RC_OK);
    assert_null(strstr(ca.log, "/authz/"));
    end(&r);
}

static void test_every_nonce_try_is_signed_anew(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.bad_nonces = 4; /* the fake asserts that no nonce comes twice */
    assert_int_equal(all(&r), RC_OK);
    end(&r);
    begin(&r);
    int before = ca.requests;
    ca.bad_nonces = 1000;
    assert_int_equal(step(&r), RC_REMOTE);
    assert_int_equal(ca.requests - before, 10);
    assert_non_null(strstr(r.err.remote, "badNonce"));
    end(&r);
}

static void test_slow_order(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.pending = 3;
    ca.not_ready = 2;
    ca.processing = 6;
    int64_t at = clock_now(&rig_clock);
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.finalized, 1);
    assert_true(clock_now(&rig_clock) - at > USEC_PER_SEC); /* waits double */
    end(&r);
}

static void test_retry_after_is_obeyed_and_clamped(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.pending = 1;
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(step(&r), RC_OK);
    ca.retry_after = "90";
    int64_t now = clock_now(&rig_clock);
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(r.step.until - now, 90 * USEC_PER_SEC);
    ca.pending = 1;
    ca.retry_after = "99999999";
    now = clock_now(&rig_clock);
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(r.step.until - now, USEC_PER_DAY);
    end(&r);
}

/* A CA that says "at once" for ever is asked ever more seldom; after a day people are told, and the
 * order is still the same one. */
static void test_processing_for_days(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.processing = 1000000;
    ca.retry_after = "0";
    enum rc rc = RC_OK;
    int steps = 0;
    int64_t begun = clock_now(&rig_clock);
    while (rc == RC_OK && steps++ < 2000)
        rc = step(&r);
    assert_int_equal(rc, RC_TIMEOUT);
    assert_int_equal(r.err.blame, BLAME_REMOTE);
    assert_true(clock_now(&rig_clock) - begun >= USEC_PER_DAY);
    assert_true(steps < 600); /* one a second would be 86,400 */
    assert_non_null(r.data);
    ca.processing = 0;
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.orders, 1);
    end(&r);
}

static void test_validation_has_an_end(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.pending = 100000;
    assert_int_equal(all(&r), RC_TIMEOUT);
    assert_null(r.data); /* the next try orders anew */
    ca.pending = 0;
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.orders, 2);
    end(&r);
}

static void test_failed_proof_tells_why_and_orders_anew(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.authz_invalid = true;
    assert_int_equal(all(&r), RC_DENIED);
    assert_int_equal(r.err.blame, BLAME_INPUT);
    assert_non_null(strstr(r.err.en, "www.test: got 404"));
    assert_non_null(strstr(r.err.ja, "got 404"));
    assert_non_null(strstr(r.err.remote, "unauthorized"));
    assert_string_equal(r.step.data, "");
    end(&r);
}

static void test_ca_that_validates_when_asked_again(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.sync_retry = true;
    ca.pending = 6;
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.answered, 2);
    end(&r);
}

static void test_apex_and_wildcard(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    r.names[0] = "www.test";
    r.names[1] = "*.www.test";
    r.order.name_count = 2;
    r.order.proof_types = dns_only;
    ca.authz_wild_too = true;
    ca.order_names = "{\"type\":\"dns\",\"value\":\"*.www.test\"},{\"type\":\"dns\",\"value\":"
                     "\"www.test\"}";
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(r.step.proof_count, 1); /* the same token twice: presented once */
    assert_int_equal(strlen(r.step.proofs[0].value), 43);
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.answered, 2);
    end(&r);
}

static void test_answered_before_a_crash(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    assert_int_equal(step(&r), RC_OK);
    assert_int_equal(step(&r), RC_OK);
    ca.answered = 1;
    ca.override_path = "/chall/1";
    ca.override_status = 400;
    ca.override_body = "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"not "
                       "pending\"}";
    assert_int_equal(all(&r), RC_OK);
    end(&r);
}

static void test_urls_elsewhere_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"https://evil.test/finalize",   "http://ca.test/finalize",
                               "https://ca.test:444/finalize", "https://ca.test@evil.test/f",
                               "file:///etc/passwd",           ""};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct run r;
        begin(&r);
        ca.finalize_url = bad[i];
        assert_int_equal(step(&r), RC_REMOTE);
        assert_non_null(strstr(r.err.en, "outside its host"));
        end(&r);
    }
    struct run r;
    begin(&r);
    ca.order_host = "https://ca.test.evil.test";
    assert_int_equal(step(&r), RC_REMOTE);
    assert_true(r.step.ordered_now); /* it counts in the ledger, whatever the answer is worth */
    end(&r);
}

static void test_tokens_and_names_are_checked(void **state)
{
    (void)state;
    char longest[258];
    memset(longest, 'a', 256);
    longest[256] = 0;
    assert_true(acme_token_ok(longest));
    longest[256] = 'a';
    longest[257] = 0;
    assert_false(acme_token_ok(longest));
    const char *const bad[] = {"../../etc", "a.b", "", "a b", "a/b", "a%2f", longest};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct run r;
        begin(&r);
        ca.token = bad[i];
        assert_int_equal(all(&r), RC_REMOTE);
        assert_int_equal(ca.answered, 0);
        end(&r);
    }
    struct run r;
    begin(&r);
    ca.authz_name = "other.test";
    assert_int_equal(all(&r), RC_REMOTE);
    assert_non_null(strstr(r.err.en, "other.test"));
    end(&r);
    begin(&r);
    ca.order_names = "{\"type\":\"dns\",\"value\":\"other.test\"}";
    assert_int_equal(step(&r), RC_REMOTE);
    end(&r);
}

static void test_garbage_instead_of_answers(void **state)
{
    (void)state;
    const char *const body[] = {"<html>Bad gateway</html>", "", "[]",
                                "{\"status\":", "{\"status\":\"strange\"}"};
    const char *const at[] = {"/order", "/authz/1", "/order/1", "/finalize"};
    for (size_t k = 0; k < COUNT_OF(at); k++)
        for (size_t i = 0; i < COUNT_OF(body); i++) {
            struct run r;
            begin(&r);
            ca.override_path = at[k];
            ca.override_status = 200;
            ca.override_body = body[i];
            assert_int_equal(all(&r), RC_REMOTE);
            assert_null(strchr(r.err.en, '\n'));
            assert_true(k > 0 || r.step.ordered_now);
            end(&r);
        }
}

static void test_certificate_garbage(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    ca.pem = "";
    assert_int_equal(all(&r), RC_REMOTE);
    end(&r);
    begin(&r);
    AUTO(buf) struct buf many = BUF(1 << 20);
    for (int i = 0; i < 100; i++)
        buf_adds(&many, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    ca.pem = buf_cstr(&many);
    assert_int_equal(all(&r), RC_REMOTE);
    assert_non_null(strstr(r.err.en, "100"));
    assert_non_null(r.data); /* the order is kept: downloading can be repeated */
    end(&r);
}

static void test_problems_and_their_blame(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type, *retry_after;
        enum rc rc;
        enum blame blame;
    } v[] = {
        {429, "rateLimited", "3600", RC_RATE, BLAME_REMOTE},
        {500, "serverInternal", NULL, RC_REMOTE, BLAME_REMOTE},
        {400, "accountDoesNotExist", NULL, RC_AUTH, BLAME_REMOTE},
        {400, "rejectedIdentifier", NULL, RC_INPUT, BLAME_INPUT},
        {400, "invalidProfile", NULL, RC_INPUT, BLAME_INPUT},
        {403, "userActionRequired", NULL, RC_DENIED, BLAME_INPUT},
        {403, "externalAccountRequired", NULL, RC_INPUT, BLAME_INPUT},
        {418, "neverHeardOf", NULL, RC_REMOTE, BLAME_REMOTE},
        {429, NULL, "60", RC_RATE, BLAME_REMOTE},
        {503, NULL, "60", RC_REMOTE, BLAME_REMOTE},
        {502, NULL, NULL, RC_REMOTE, BLAME_REMOTE},
    };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        struct run r;
        begin(&r);
        ca.override_path = "/order";
        ca.override_status = v[i].status;
        ca.retry_after = v[i].retry_after;
        ca.override_body = v[i].type ? arena_printf(r.a,
                                                    "{\"type\":\"urn:ietf:params:acme:error:%s\","
                                                    "\"detail\":\"why\\nforged\"}",
                                                    v[i].type)
                                     : "<html>";
        assert_int_equal(step(&r), v[i].rc);
        assert_int_equal(r.err.blame, v[i].blame);
        assert_true(r.err.en[0] && r.err.ja[0] && !strchr(r.err.en, '\n'));
        assert_int_equal(r.err.retry_at != 0, v[i].retry_after != NULL);
        end(&r);
    }
}

static void test_lost_order(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    assert_int_equal(step(&r), RC_OK);
    ca.override_path = "/authz/1";
    ca.override_status = 404;
    ca.override_body = "";
    assert_int_equal(step(&r), RC_NOT_FOUND);
    assert_string_equal(r.step.data, "");
    ca.override_path = NULL;
    assert_int_equal(all(&r), RC_OK);
    assert_int_equal(ca.orders, 2);
    end(&r);
}

static void test_account_key_is_kept_and_needed(void **state)
{
    (void)state;
    struct run r;
    begin_with(&r, "{\"directory\":\"" CA_HOST "/dir\"}");
    assert_int_equal(step(&r), RC_AUTH);
    ca.override_path = "/account";
    ca.override_status = 503;
    ca.override_body = "";
    assert_int_equal(account(&r), RC_REMOTE);
    assert_int_equal(json_parse(str_from(rig_state), &r.account, NULL), RC_OK);
    assert_string_equal(json_str_or(r.account, "key", ""), "k0");
    assert_int_equal(step(&r), RC_AUTH);
    ca.override_path = NULL;
    assert_int_equal(account(&r), RC_OK);
    assert_int_equal(rig_key_count, 1); /* the same key, not a second account */
    assert_string_equal(json_str_or(r.account, "kid", ""), CA_HOST "/acct/1");
    end(&r);
}

static void test_external_account_binding(void **state)
{
    (void)state;
    struct run r;
    begin_with(&r,
               "{\"directory\":\"" CA_HOST "/dir\",\"email\":\"a@b.test\",\"eab_kid\":\"kid-9\","
               "\"eab_hmac\":{\"sealed\":\"s\"}}");
    assert_int_equal(account(&r), RC_OK);
    AUTO(json) struct json *p = NULL;
    AUTO(json) struct json *h = NULL;
    char head[4096], jwk[4096];
    assert_int_equal(json_parse(str_from(ca.payload), &p, NULL), RC_OK);
    assert_string_equal(json_str_or(p, "contact.0", ""), "mailto:a@b.test");
    ca_decode(json_as_view(json_get(p, "externalAccountBinding.protected")), head, sizeof head);
    ca_decode(json_as_view(json_get(p, "externalAccountBinding.payload")), jwk, sizeof jwk);
    assert_string_equal(head,
                        "{\"alg\":\"HS256\",\"kid\":\"kid-9\",\"url\":\"" CA_HOST "/account\"}");
    assert_int_equal(json_parse(str_from(ca.head), &h, NULL), RC_OK);
    AUTO(json) struct json *key = NULL;
    assert_int_equal(json_parse(str_from(jwk), &key, NULL), RC_OK);
    assert_string_equal(json_str_or(key, "x", "none"), json_str_or(h, "jwk.x", "other"));
    assert_string_equal(json_str_or(key, "y", "none"), json_str_or(h, "jwk.y", "other"));
    end(&r);
    begin_with(&r, "{\"directory\":\"" CA_HOST "/dir\",\"eab_kid\":\"kid-9\"}");
    assert_int_equal(account(&r), RC_INPUT);
    assert_string_equal(r.err.field, "eab_hmac");
    end(&r);
}

static void test_renewal_info(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    static const unsigned char aki[] = {0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3,
                                        0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4};
    struct cert_info cert = {.aki_raw = {(const char *)aki, sizeof aki},
                             .serial_der = {"\x00\x87\x65\x43\x21", 5}};
    int64_t start, end_at, again;
    assert_int_equal(
        ca_acme.renewal_info(&r.ctx, r.set, r.account, &cert, &start, &end_at, &again, &r.err),
        RC_OK);
    assert_non_null(strstr(ca.log, "GET /ari/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\n"));
    assert_true(end_at > start && again - clock_now(&rig_clock) == 6 * 3600 * USEC_PER_SEC);
    ca.override_path = "/ari/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    ca.override_status = 200;
    ca.override_body = "{\"suggestedWindow\":{\"start\":\"2027-01-02T00:00:00Z\",\"end\":"
                       "\"2027-01-02T00:00:00Z\"}}";
    assert_int_equal(
        ca_acme.renewal_info(&r.ctx, r.set, r.account, &cert, &start, &end_at, &again, &r.err),
        RC_REMOTE);
    end(&r);
}

static void test_revoke_twice_and_check(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    assert_int_equal(ca_acme.revoke(&r.ctx, r.set, r.account, STR("\x30\x00"), 4, &r.err), RC_OK);
    assert_string_equal(ca.payload, "{\"certificate\":\"MAA\",\"reason\":4}");
    struct l10n seen = {NULL, NULL};
    assert_int_equal(ca_acme.head.check(&r.ctx, r.set, &seen, &r.err), RC_OK);
    assert_non_null(strstr(seen.en, "ca.test"));
    assert_non_null(strstr(seen.ja, "ca.test"));
    ca.override_path = "/dir";
    ca.override_status = 200;
    ca.override_body = "{\"hello\":1}";
    assert_int_equal(ca_acme.head.check(&r.ctx, r.set, &seen, &r.err), RC_REMOTE);
    assert_non_null(strstr(r.err.en, "newNonce"));
    end(&r);
}

static void test_late_and_cancelled(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    int before = ca.requests;
    rig_cancel = true;
    assert_int_equal(step(&r), RC_CANCELLED);
    rig_cancel = false;
    r.ctx.deadline = clock_mono(&rig_clock);
    assert_int_equal(step(&r), RC_TIMEOUT);
    assert_int_equal(ca.requests, before);
    end(&r);
}

static void test_out_of_memory_anywhere(void **state)
{
    (void)state;
    struct run r;
    begin(&r);
    long failures = 0;
    for (int done = 0, guard = 0; !done && guard < 60; guard++) {
        /* each step fails at its n-th allocation for every n, then runs undisturbed */
        for (long n = 1; n < 400; n++) {
            AUTO(arena) struct arena *a = arena_create(0);
            struct arena *keep = r.ctx.arena;
            r.ctx.arena = a;
            ca_fail(n);
            struct ca_step out = {0};
            r.order.data = r.data;
            struct ca_order order = r.order;
            enum rc rc = ca_acme.step(&r.ctx, r.set, r.account, &order, &out, &r.err);
            bool reached = ca_fail_end();
            r.ctx.arena = keep;
            if (!reached)
                break;
            failures++;
            assert_true(rc == RC_NOMEM || rc == RC_OK || rc == RC_REMOTE || rc == RC_INTERNAL);
            assert_true(!out.data || *out.data); /* the order is never dropped for it */
        }
        assert_int_equal(step(&r), RC_OK);
        done = r.step.verdict == CA_DONE;
    }
    assert_int_equal(r.step.verdict, CA_DONE);
    assert_true(failures > 30);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewest_requests),
        cmocka_unit_test(test_no_answer_before_the_proof_stands),
        cmocka_unit_test(test_valid_authorization_is_not_answered),
        cmocka_unit_test(test_every_nonce_try_is_signed_anew),
        cmocka_unit_test(test_slow_order),
        cmocka_unit_test(test_retry_after_is_obeyed_and_clamped),
        cmocka_unit_test(test_processing_for_days),
        cmocka_unit_test(test_validation_has_an_end),
        cmocka_unit_test(test_failed_proof_tells_why_and_orders_anew),
        cmocka_unit_test(test_ca_that_validates_when_asked_again),
        cmocka_unit_test(test_apex_and_wildcard),
        cmocka_unit_test(test_answered_before_a_crash),
        cmocka_unit_test(test_urls_elsewhere_are_refused),
        cmocka_unit_test(test_tokens_and_names_are_checked),
        cmocka_unit_test(test_garbage_instead_of_answers),
        cmocka_unit_test(test_certificate_garbage),
        cmocka_unit_test(test_problems_and_their_blame),
        cmocka_unit_test(test_lost_order),
        cmocka_unit_test(test_account_key_is_kept_and_needed),
        cmocka_unit_test(test_external_account_binding),
        cmocka_unit_test(test_renewal_info),
        cmocka_unit_test(test_revoke_twice_and_check),
        cmocka_unit_test(test_late_and_cancelled),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
