/* Signing in, the second factor, sessions, tokens, and what ends them. */
#include "base/os/file.h"
#include "job/job.h"
#include "unit/api/api_rig.h"

#define PASSWORD "violet tandem kettle 77"
#define OTHER_PW "brisk onion ladder 31!"

static int start(void **state)
{
    struct api_rig *r = calloc(1, sizeof *r);
    api_rig_start(r);
    *state = r;
    return 0;
}

static int end(void **state)
{
    api_rig_end(*state);
    free(*state);
    return 0;
}

static int64_t add_user(struct api_rig *r, const char *login, const char *role)
{
    struct who local = rig_local();
    const char *body = arena_printf(
        r->a, "{\"login\":\"%s\",\"role\":\"%s\",\"password\":\"" PASSWORD "\"}", login, role);
    struct answer x = rig_want(r, &local, 201, "POST", "/users", body);
    return json_i64_or(x.json, "id", 0);
}

static struct answer sign_in(struct api_rig *r, const struct who *from, const char *login,
                             const char *password, const char *code)
{
    const char *body =
        code ? arena_printf(r->a, "{\"login\":\"%s\",\"password\":\"%s\",\"code\":\"%s\"}", login,
                            password, code)
             : arena_printf(r->a, "{\"login\":\"%s\",\"password\":\"%s\"}", login, password);
    return rig_call(r, from, "POST", "/session", body);
}

/* What the browser keeps of an answer. */
static struct who browser(struct api_rig *r, const struct answer *x)
{
    static const char head[] = "__Host-inro=";
    assert_non_null(x->set_cookie);
    assert_memory_equal(x->set_cookie, head, strlen(head));
    struct str rest = str_from(x->set_cookie + strlen(head)), value;
    (void)str_split(&rest, ';', &value);
    return (struct who){.cookie = arena_str(r->a, value),
                        .csrf = json_str_or(x->json, "csrf", NULL)};
}

/* Signed in with the first password changed: a person at work. */
static struct who at_work(struct api_rig *r, const char *login)
{
    struct who nobody = {0};
    struct answer x = sign_in(r, &nobody, login, PASSWORD, NULL);
    assert_int_equal(x.status, 200);
    struct who who = browser(r, &x);
    (void)rig_want(r, &who, 403, "GET", "/certs", NULL); /* the first password must be changed */
    x = rig_want(r, &who, 200, "POST", "/session/password",
                 "{\"old\":\"" PASSWORD "\",\"new\":\"" OTHER_PW "\"}");
    struct who next = browser(r, &x);
    assert_string_not_equal(who.cookie, next.cookie);
    (void)rig_want(r, &who, 401, "GET", "/session", NULL); /* the cookie from before */
    return next;
}

static void sign_in_and_out(void **state)
{
    struct api_rig *r = *state;
    struct who nobody = {0};
    (void)add_user(r, "a@x.example", "viewer");
    struct answer x = sign_in(r, &nobody, " A@X.Example ", PASSWORD, NULL); /* one spelling */
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(x.set_cookie, "; Secure; HttpOnly; SameSite=Strict"));
    assert_non_null(strstr(x.set_cookie, "Path=/;"));
    struct who who = browser(r, &x);
    (void)rig_want(r, &who, 200, "GET", "/session", NULL);
    (void)rig_want(r, &who, 200, "DELETE", "/session", NULL);
    (void)rig_want(r, &who, 401, "GET", "/session", NULL); /* replay after sign-out */
}

static void a_planted_cookie_is_not_taken_up(void **state)
{
    struct api_rig *r = *state;
    (void)add_user(r, "a@x.example", "viewer");
    struct who planted = {.cookie = "1111111111111111111111111111111111111111111111111111111111111"
                                    "111"};
    struct answer x = sign_in(r, &planted, "a@x.example", PASSWORD, NULL);
    struct who who = browser(r, &x);
    assert_string_not_equal(who.cookie, planted.cookie);
    (void)rig_want(r, &planted, 401, "GET", "/session", NULL);
    /* signing in again ends what the browser had */
    x = sign_in(r, &who, "a@x.example", PASSWORD, NULL);
    struct who again = browser(r, &x);
    (void)rig_want(r, &who, 401, "GET", "/session", NULL);
    (void)rig_want(r, &again, 200, "GET", "/session", NULL);
}

static void cross_site_is_refused(void **state)
{
    struct api_rig *r = *state;
    (void)add_user(r, "a@x.example", "operator");
    struct who who = at_work(r, "a@x.example");
    struct who bad[] = {who, who, who, who, who};
    bad[0].csrf = NULL;
    bad[1].csrf = "0000000000000000000000000000000000000000000000000000000000000000";
    bad[2].origin = "https://evil.example";
    bad[3].origin = "";
    bad[4].extra_name = "Sec-Fetch-Site";
    bad[4].extra_value = "cross-site";
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct answer x = rig_want(r, &bad[i], 403, "DELETE", "/session", NULL);
        assert_string_equal(rig_error(&x), "api.csrf");
    }
    struct who evil = {.origin = "https://evil.example"};
    assert_int_equal(sign_in(r, &evil, "a@x.example", OTHER_PW, NULL).status, 403);
    (void)rig_want(r, &who, 200, "DELETE", "/session", NULL);
}

static void idle_and_absolute_limits(void **state)
{
    struct api_rig *r = *state;
    struct who a = rig_person(r, "a@x.example", "viewer", 0);
    rig_pass(r, 29 * 60 * USEC_PER_SEC);
    (void)rig_want(r, &a, 200, "GET", "/session", NULL);
    rig_pass(r, 31 * 60 * USEC_PER_SEC);
    (void)rig_want(r, &a, 401, "GET", "/session", NULL);
    struct who b = rig_session(r, a.user_id);
    for (int i = 0; i < 35; i++) { /* busy all the time: still at most 12 hours */
        (void)rig_want(r, &b, 200, "GET", "/session", NULL);
        rig_pass(r, 20 * 60 * USEC_PER_SEC);
    }
    rig_pass(r, 20 * 60 * USEC_PER_SEC);
    (void)rig_want(r, &b, 401, "GET", "/session", NULL);
}

static void failures_wait_and_lock_nobody_else_out(void **state)
{
    struct api_rig *r = *state;
    struct who attacker = {.addr = "198.51.100.7"}, owner = {0};
    (void)add_user(r, "a@x.example", "viewer");
    struct answer known = sign_in(r, &attacker, "a@x.example", "wrong wrong wrong", NULL);
    struct answer unknown = sign_in(r, &attacker, "b@x.example", "wrong wrong wrong", NULL);
    assert_int_equal(known.status, 401);
    assert_string_equal(known.text, unknown.text); /* nothing tells which exist */
    for (int i = 0; i < 4; i++)
        (void)sign_in(r, &attacker, "A@x.example ", "wrong wrong wrong", NULL);
    /* the right password does not help him now, and the text is the same */
    struct answer x = sign_in(r, &attacker, "a@x.example", PASSWORD, NULL);
    assert_int_equal(x.status, 401);
    assert_string_equal(x.text, known.text);
    /* its owner elsewhere is not disturbed */
    assert_int_equal(sign_in(r, &owner, "a@x.example", PASSWORD, NULL).status, 200);
    rig_pass(r, 20 * 60 * USEC_PER_SEC);
    assert_int_equal(sign_in(r, &attacker, "a@x.example", PASSWORD, NULL).status, 200);
}

static void failures_are_recorded(void **state)
{
    struct api_rig *r = *state;
    struct who nobody = {.addr = "198.51.100.7"}, local = rig_local();
    (void)add_user(r, "a@x.example", "viewer");
    (void)sign_in(r, &nobody, "a@x.example", "wrong wrong wrong", NULL);
    (void)sign_in(r, &nobody, "my secret typed here", "wrong wrong wrong", NULL);
    struct answer x = rig_want(r, &local, 200, "GET", "/audit", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.subject", ""), "user/unknown");
    assert_string_equal(json_str_or(x.json, "items.1.subject", ""), "user/1");
    assert_string_equal(json_str_or(x.json, "items.1.result", ""), "api.sign_in_failed");
    assert_string_equal(json_str_or(x.json, "items.1.origin", ""), "198.51.100.7");
    assert_null(strstr(x.text, "typed here"));
    assert_null(strstr(x.text, "wrong"));
}

static void big_passwords_are_refused_unhashed(void **state)
{
    struct api_rig *r = *state;
    struct who nobody = {0};
    char *big = arena_alloc(r->a, (1 << 20) + 1);
    memset(big, 'x', 1 << 20);
    struct answer x = sign_in(r, &nobody, "a@x.example", big, NULL);
    assert_int_equal(x.status, 400);
    assert_string_equal(json_str_or(x.json, "error.field", ""), "password");
}

static void weak_passwords(void **state)
{
    static const struct {
        const char *password;
        enum rc rc;
    } rows[] = {
        {"short1!", RC_INPUT},
        {"passwordpassword", RC_INPUT},
        {"Password12345!", RC_INPUT},
        {"P@ssw0rd2024!!", RC_INPUT},
        {"qwertyuiop12", RC_INPUT},
        {"123456789012", RC_INPUT},
        {"210987654321", RC_INPUT},
        {"aaaaaaaaaaaa", RC_INPUT},
        {"abcabcabcabcabc", RC_INPUT},
        {"sakura-tokyo-2026", RC_INPUT},
        {"Administrator1", RC_INPUT},
        {"correcthorsebatterystaple", RC_INPUT},
        {"xx hanako.y xx", RC_INPUT}, /* the login's own word */
        {"1q2w3e4r5t6y", RC_INPUT},
        {PASSWORD, RC_OK},
        {OTHER_PW, RC_OK},
        {"dk3-Zu8w.pQ2v", RC_OK},
        {"planet guitar sunday river stone", RC_OK}, /* a pass phrase */
        {"さくらのはなが咲くころ", RC_OK},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err;
        enum rc rc = password_policy("hanako.y@x.example", rows[i].password, &err);
        if (rc != rows[i].rc)
            fail_msg("%s: %s", rows[i].password, rc_name(rc));
    }
    char longest[1026];
    memset(longest, 'x', sizeof longest);
    for (size_t i = 0; i < 1025; i++)
        longest[i] = (char)('a' + (i * 7 + i / 5) % 26);
    longest[1024] = '\0';
    assert_int_equal(password_policy("a@x.example", longest, NULL), RC_OK);
    longest[1024] = 'q';
    longest[1025] = '\0';
    assert_int_equal(password_policy("a@x.example", longest, NULL), RC_INPUT);
}

static void logins_are_mail_addresses(void **state)
{
    static const char *const bad[] = {"admin", "a b@x.example",          "@x.example",   "a@",
                                      "a@x_y", "a@x.example\\nBcc: b@x", "<a@x.example>"};
    struct api_rig *r = *state;
    struct who local = rig_local();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *body =
            arena_printf(r->a, "{\"login\":\"%s\",\"password\":\"" PASSWORD "\"}", bad[i]);
        struct answer x = rig_want(r, &local, 400, "POST", "/users", body);
        assert_string_equal(json_str_or(x.json, "error.field", ""), "login");
    }
    (void)add_user(r, "a@x.example", "viewer");
    (void)rig_want(r, &local, 409, "POST", "/users",
                   "{\"login\":\"A@X.EXAMPLE\",\"password\":\"" PASSWORD "\"}");
}

/* ---- step-up ---- */
static void user_changes_want_a_fresh_proof(void **state)
{
    struct api_rig *r = *state;
    (void)add_user(r, "root@x.example", "admin");
    struct who admin = at_work(r, "root@x.example");
    const char *body = "{\"login\":\"n@x.example\",\"password\":\"" PASSWORD "\"}";
    rig_pass(r, 11 * 60 * USEC_PER_SEC);
    struct answer x = rig_want(r, &admin, 403, "POST", "/users", body);
    assert_string_equal(rig_error(&x), "api.prove");
    (void)rig_want(r, &admin, 200, "GET", "/users", NULL); /* looking is free */
    x = rig_want(r, &admin, 401, "POST", "/session/prove", "{\"password\":\"not this one\"}");
    (void)rig_want(r, &admin, 403, "POST", "/users", body);
    (void)rig_want(r, &admin, 200, "POST", "/session/prove", "{\"password\":\"" OTHER_PW "\"}");
    (void)rig_want(r, &admin, 201, "POST", "/users", body);
}

/* ---- what ends ---- */
static void changes_end_what_lets_in(void **state)
{
    static const char *const changes[] = {"{\"role\":\"viewer\"}", "{\"disabled\":true}",
                                          "{\"password\":\"" OTHER_PW "\"}", "{\"groups\":[]}"};
    struct api_rig *r = *state;
    struct who local = rig_local();
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        const char *login = arena_printf(r->a, "u%zu@x.example", i);
        struct who u = rig_person(r, login, "operator", 0);
        struct answer x = rig_want(r, &u, 201, "POST", "/tokens", "{\"name\":\"t\"}");
        struct who token = {.bearer = json_str_or(x.json, "token", NULL)};
        (void)rig_want(r, &token, 200, "GET", "/certs", NULL);
        const char *path = arena_printf(r->a, "/users/%s", login);
        (void)rig_want(r, &local, 200, "PATCH", path, changes[i]);
        (void)rig_want(r, &u, 401, "GET", "/session", NULL);
        (void)rig_want(r, &token, 401, "GET", "/certs", NULL);
    }
    /* a new name does not */
    struct who u = rig_person(r, "calm@x.example", "operator", 0);
    (void)rig_want(r, &local, 200, "PATCH", "/users/calm@x.example", "{\"name\":\"Calm\"}");
    (void)rig_want(r, &u, 200, "GET", "/session", NULL);
    (void)rig_want(r, &local, 200, "DELETE", "/users/calm@x.example", NULL);
    (void)rig_want(r, &u, 401, "GET", "/session", NULL);
}

static void groups_count_from_the_next_request(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local(), u = rig_person(r, "u@x.example", "operator", 0);
    (void)rig_group(r, "web");
    (void)rig_want(r, &u, 404, "GET", "/groups/web", NULL);
    (void)rig_want(r, &local, 200, "POST", "/groups/web/members", "{\"user\":\"u@x.example\"}");
    (void)rig_want(r, &u, 200, "GET", "/groups/web", NULL);
    (void)rig_want(r, &local, 200, "DELETE", "/groups/web/members/u@x.example", NULL);
    (void)rig_want(r, &u, 404, "GET", "/groups/web", NULL);
}

static void the_last_administrator_stays(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)add_user(r, "root@x.example", "admin");
    (void)rig_want(r, &local, 409, "DELETE", "/users/root@x.example", NULL);
    (void)rig_want(r, &local, 409, "PATCH", "/users/root@x.example", "{\"role\":\"viewer\"}");
    (void)rig_want(r, &local, 409, "PATCH", "/users/root@x.example", "{\"disabled\":true}");
}

static void two_people_edit_one_user(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)add_user(r, "u@x.example", "viewer");
    (void)rig_want(r, &local, 200, "PATCH", "/users/u@x.example",
                   "{\"name\":\"a\",\"revision\":1}");
    (void)rig_want(r, &local, 409, "PATCH", "/users/u@x.example",
                   "{\"name\":\"b\",\"revision\":1}");
}

static void sessions_are_listed_and_ended(void **state)
{
    struct api_rig *r = *state;
    struct who a = rig_person(r, "a@x.example", "viewer", 0);
    struct who b = rig_session(r, a.user_id), other = rig_person(r, "o@x.example", "viewer", 0);
    struct answer x = rig_want(r, &a, 200, "GET", "/sessions", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 2);
    assert_null(strstr(x.text, "o@x.example"));
    for (size_t i = 0; i < 2; i++) {
        const struct json *s = json_at(json_get(x.json, "items"), i);
        if (json_bool_or(s, "current", true))
            continue;
        const char *path = arena_printf(r->a, "/sessions/%s", json_str_or(s, "id", ""));
        (void)rig_want(r, &other, 404, "DELETE", path, NULL);
        (void)rig_want(r, &a, 200, "DELETE", path, NULL);
    }
    (void)rig_want(r, &b, 401, "GET", "/session", NULL);
    struct who c = rig_session(r, a.user_id);
    (void)rig_want(r, &a, 200, "DELETE", "/sessions", NULL);
    (void)rig_want(r, &c, 401, "GET", "/session", NULL);
    (void)rig_want(r, &a, 200, "GET", "/session", NULL);
    (void)rig_want(r, &other, 200, "GET", "/session", NULL);
}

/* ---- tokens ---- */
static void tokens_are_held_to_role_and_groups(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    int64_t web = rig_group(r, "web");
    (void)rig_group(r, "mail");
    struct who u = rig_person(r, "u@x.example", "operator", web);
    (void)rig_want(r, &local, 200, "POST", "/groups/mail/members", "{\"user\":\"u@x.example\"}");
    u = rig_session(r, u.user_id);
    struct answer x = rig_want(r, &u, 201, "POST", "/tokens",
                               "{\"name\":\"ci\",\"role\":\"viewer\",\"groups\":[\"web\"],"
                               "\"expires\":\"1d\"}");
    const char *clear = json_str_or(x.json, "token", "");
    assert_int_equal(strlen(clear), 69);
    struct who token = {.bearer = clear};
    x = rig_want(r, &token, 200, "GET", "/groups", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    (void)rig_want(r, &token, 404, "GET", "/groups/mail", NULL);
    (void)rig_want(r, &token, 403, "POST", "/certs", "{\"names\":[\"a.example\"],\"ca\":\"x\"}");
    (void)rig_want(r, &token, 403, "POST", "/tokens", "{\"name\":\"more\"}"); /* makes no other */
    (void)rig_want(r, &token, 403, "POST", "/session/password", "{\"old\":\"a\",\"new\":\"b\"}");
    x = rig_want(r, &u, 200, "GET", "/tokens", NULL);
    assert_null(strstr(x.text, clear)); /* shown once */
    assert_string_equal(json_str_or(x.json, "items.0.last_address", ""), "192.0.2.1");
    /* the group left: the token does not see it either */
    (void)rig_want(r, &local, 200, "DELETE", "/groups/web/members/u@x.example", NULL);
    x = rig_want(r, &token, 200, "GET", "/groups", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    rig_pass(r, USEC_PER_DAY + 1);
    (void)rig_want(r, &token, 401, "GET", "/groups", NULL);
}

static void the_store_has_no_token_and_no_code(void **state)
{
    struct api_rig *r = *state;
    struct who u = rig_person(r, "u@x.example", "operator", 0);
    struct answer x = rig_want(r, &u, 201, "POST", "/tokens", "{\"name\":\"ci\"}");
    const char *clear = json_str_or(x.json, "token", "");
    x = rig_want(r, &u, 200, "POST", "/session/totp", NULL);
    const char *secret = json_str_or(x.json, "secret", "");
    assert_int_equal(strlen(secret), 32);
    const char *files[] = {"inro.db", "inro.db-wal"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(buf) struct buf b = BUF((size_t)64 << 20);
        OK(file_read(arena_printf(r->a, "%s/%s", r->dir, files[i]), &b, err));
        assert_null(memmem(b.p, b.len, clear, strlen(clear)));
        assert_null(memmem(b.p, b.len, u.cookie, strlen(u.cookie)));
        assert_null(memmem(b.p, b.len, secret, strlen(secret)));
    }
}

/* ---- the second factor ---- */
/* What the device shows: base32 secret and the clock -> code. */
static void code_of(struct api_rig *r, const char *secret, int64_t step, char ret[7])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    char key[20];
    uint32_t bits = 0;
    int have = 0;
    size_t n = 0;
    for (const char *p = secret; *p && n < sizeof key; p++) {
        bits = bits << 5 | (uint32_t)(strchr(alphabet, *p) - alphabet);
        have += 5;
        if (have >= 8) {
            key[n++] = (char)(bits >> (have - 8) & 255);
            have -= 8;
        }
    }
    assert_int_equal(n, 20);
    hotp((struct str){key, n}, (uint64_t)(clock_now(&r->clock) / (30 * USEC_PER_SEC) + step), 6,
         ret);
}

static void rfc_vectors(void **state)
{
    static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
                                        "254676", "287922", "162583", "399871", "520489"};
    char code[9];
    (void)state;
    for (uint64_t i = 0; i < COUNT_OF(codes); i++) { /* RFC 4226 appendix D */
        hotp(STR("12345678901234567890"), i, 6, code);
        assert_string_equal(code, codes[i]);
    }
    hotp(STR("12345678901234567890"), 1111111109 / 30, 8, code); /* RFC 6238 appendix B */
    assert_string_equal(code, "07081804");
    hotp(STR("12345678901234567890"), 20000000000 / 30, 8, code);
    assert_string_equal(code, "65353130");
}

struct factor {
    struct who who;
    const char *secret;
    const struct json *codes;
};

static struct factor with_factor(struct api_rig *r, const char *login)
{
    char code[7];
    struct factor f = {0};
    (void)add_user(r, login, "admin");
    f.who = at_work(r, login);
    struct answer x = rig_want(r, &f.who, 200, "POST", "/session/totp", NULL);
    f.secret = json_str_or(x.json, "secret", "");
    assert_non_null(strstr(json_str_or(x.json, "uri", ""), f.secret));
    (void)rig_want(r, &f.who, 400, "POST", "/session/totp/confirm", "{\"code\":\"12345\"}");
    code_of(r, f.secret, 0, code);
    const char *body = arena_printf(r->a, "{\"code\":\" %.3s %s \"}", code, code + 3);
    x = rig_want(r, &f.who, 200, "POST", "/session/totp/confirm", body);
    f.codes = json_get(x.json, "recovery_codes");
    assert_int_equal(json_len(f.codes), 10);
    return f;
}

static void codes_are_good_once(void **state)
{
    struct api_rig *r = *state;
    struct who nobody = {0};
    char code[7], spaced[9];
    struct factor f = with_factor(r, "a@x.example");
    /* the code that turned it on is used up */
    code_of(r, f.secret, 0, code);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, code).status, 401);
    struct answer x = sign_in(r, &nobody, "a@x.example", OTHER_PW, NULL);
    assert_int_equal(x.status, 401);
    assert_string_equal(rig_error(&x), "api.code_needed");
    /* with a wrong password nobody learns that there is a second factor */
    x = sign_in(r, &nobody, "a@x.example", "wrong wrong wrong", NULL);
    assert_string_equal(rig_error(&x), "api.sign_in_failed");
    rig_pass(r, 10 * 60 * USEC_PER_SEC);
    code_of(r, f.secret, -1, code); /* a device that is half a minute late */
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, code).status, 200);
    snprintf(spaced, sizeof spaced, " %.3s %s", code, code + 3);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, code).status, 401);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, spaced).status, 401);
    rig_pass(r, 10 * 60 * USEC_PER_SEC);
    code_of(r, f.secret, 5, code); /* too far ahead */
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, code).status, 401);
}

static void the_password_forgives_no_wrong_codes(void **state)
{
    struct api_rig *r = *state;
    struct who thief = {.addr = "198.51.100.9"};
    char code[7];
    struct factor f = with_factor(r, "a@x.example");
    for (int i = 0; i < 5; i++) {
        (void)sign_in(r, &thief, "a@x.example", OTHER_PW, "000000");
        (void)sign_in(r, &thief, "a@x.example", OTHER_PW, NULL);
    }
    code_of(r, f.secret, 1, code);
    assert_int_equal(sign_in(r, &thief, "a@x.example", OTHER_PW, code).status, 401);
}

static void recovery_codes_are_good_once(void **state)
{
    struct api_rig *r = *state;
    struct who nobody = {0}, local = rig_local();
    struct factor f = with_factor(r, "a@x.example");
    const char *first = json_as_str(json_at(f.codes, 0)),
               *second = json_as_str(json_at(f.codes, 1));
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, first).status, 200);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, first).status, 401);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, second).status, 200);
    /* new ones replace the old */
    struct answer x = rig_want(r, &f.who, 200, "POST", "/session/totp/codes", NULL);
    const char *fresh = json_str_or(x.json, "recovery_codes.0", "");
    rig_pass(r, 20 * 60 * USEC_PER_SEC);
    const char *third = json_as_str(json_at(f.codes, 2));
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, third).status, 401);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, fresh).status, 200);
    /* an administrator takes the factor away from who lost everything */
    (void)rig_want(r, &local, 200, "DELETE", "/users/a@x.example/totp", NULL);
    assert_int_equal(sign_in(r, &nobody, "a@x.example", OTHER_PW, NULL).status, 200);
}

static void the_factor_ends_other_sessions(void **state)
{
    struct api_rig *r = *state;
    char code[7];
    (void)add_user(r, "a@x.example", "viewer");
    struct who who = at_work(r, "a@x.example");
    struct answer x = rig_want(r, &who, 200, "GET", "/session", NULL);
    struct who elsewhere = rig_session(r, json_i64_or(x.json, "user.id", 0));
    x = rig_want(r, &who, 200, "POST", "/session/totp", NULL);
    code_of(r, json_str_or(x.json, "secret", ""), 0, code);
    (void)rig_want(r, &elsewhere, 200, "GET", "/session", NULL);
    (void)rig_want(r, &who, 200, "POST", "/session/totp/confirm",
                   arena_printf(r->a, "{\"code\":\"%s\"}", code));
    (void)rig_want(r, &elsewhere, 401, "GET", "/session", NULL);
    (void)rig_want(r, &who, 200, "GET", "/session", NULL);
}

static void group_settings_are_checked(void **state)
{
    static const char *const bad[] = {"{\"recipients\":[\"a@x.example\\r\\nBcc: b@x.example\"]}",
                                      "{\"recipients\":[\"nobody\"]}",
                                      "{\"days\":[\"0\"]}",
                                      "{\"days\":[\"399\"]}",
                                      "{\"events\":[\"cert.nonsense\"]}",
                                      "{\"lang\":\"fr\"}",
                                      "{\"colour\":\"red\"}"};
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_group(r, "web");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct answer x = rig_want(r, &local, 400, "PATCH", "/groups/web",
                                   arena_printf(r->a, "{\"notify\":%s}", bad[i]));
        assert_memory_equal(json_str_or(x.json, "error.field", ""), "notify", 6);
    }
    struct answer x =
        rig_want(r, &local, 200, "PATCH", "/groups/web",
                 "{\"notify\":{\"recipients\":[\"web@x.example\"],\"days\":[\"60\",\"7\"],"
                 "\"events\":[\"cert\",\"deploy.failed\"],\"lang\":\"en\"}}");
    assert_string_equal(json_str_or(x.json, "notify.recipients.0", ""), "web@x.example");
    (void)rig_want(r, &local, 409, "POST", "/groups", "{\"name\":\"web\"}");
}

static void a_group_that_owns_is_not_removed(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    (void)rig_group(r, "web");
    (void)rig_want(r, &local, 201, "POST", "/endpoints",
                   "{\"host\":\"a.example\",\"group\":\"web\"}");
    struct answer x = rig_want(r, &local, 409, "DELETE", "/groups/web", NULL);
    assert_string_equal(rig_error(&x), "api.group_owns");
    (void)rig_want(r, &local, 200, "PATCH", "/endpoints/1", "{\"group\":null}");
    (void)rig_want(r, &local, 200, "DELETE", "/groups/web", NULL);
}

/* A rule is tried out on what happened: also on what nobody was told, and only on its own. */
static void notices_are_kept_untold(void **state)
{
    struct api_rig *r = *state;
    struct who local = rig_local();
    int64_t web = rig_group(r, "web"), mail = rig_group(r, "mail");
    struct who own = rig_person(r, "w@x.example", "viewer", web);
    struct who other = rig_person(r, "m@x.example", "viewer", mail);
    (void)rig_want(r, &local, 200, "PATCH", "/groups/web",
                   "{\"notify\":{\"events\":[\"deploy\"]}}");
    (void)rig_want(r, &local, 201, "POST", "/endpoints",
                   "{\"host\":\"a.example\",\"group\":\"web\"}");
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r->store, &db, err));
    OK(notice_raise(db, "endpoint.drift", "endpoint/1", "d1", NULL, RIG_NOW, err));
    OK(db_commit(&db, err));
    struct answer x = rig_want(r, &own, 200, "GET", "/notices", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.event", ""), "endpoint.drift");
    assert_string_equal(json_str_or(x.json, "items.0.group", ""), "web");
    assert_int_equal(json_i64_or(x.json, "items.0.group_id", 0), web);
    x = rig_want(r, &own, 200, "GET", "/deliveries", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    x = rig_want(r, &other, 200, "GET", "/notices", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, end)
    const struct CMUnitTest tests[] = {
        T(sign_in_and_out),
        T(a_planted_cookie_is_not_taken_up),
        T(cross_site_is_refused),
        T(idle_and_absolute_limits),
        T(failures_wait_and_lock_nobody_else_out),
        T(failures_are_recorded),
        T(big_passwords_are_refused_unhashed),
        cmocka_unit_test(weak_passwords),
        T(logins_are_mail_addresses),
        T(user_changes_want_a_fresh_proof),
        T(changes_end_what_lets_in),
        T(groups_count_from_the_next_request),
        T(the_last_administrator_stays),
        T(two_people_edit_one_user),
        T(sessions_are_listed_and_ended),
        T(tokens_are_held_to_role_and_groups),
        T(the_store_has_no_token_and_no_code),
        cmocka_unit_test(rfc_vectors),
        T(codes_are_good_once),
        T(the_password_forgives_no_wrong_codes),
        T(recovery_codes_are_good_once),
        T(the_factor_ends_other_sessions),
        T(group_settings_are_checked),
        T(a_group_that_owns_is_not_removed),
        T(notices_are_kept_untold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
