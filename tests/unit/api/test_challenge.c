/*
 * A certificate's challenge through the API: its secrets go to places of their own in the vault,
 * are kept, replaced and dropped as asked, are not sent elsewhere, and never come out again.
 */
#include "unit/api/api_rig.h"

#define CLEAR "cLeArTeXt9"

struct desk {
    struct api_rig r;
    struct who local;
    char vault[64]; /* once it is known */
};

static struct answer ask(struct desk *d, int status, const char *method, const char *path,
                         const char *body)
{
    struct answer x = rig_want(&d->r, &d->local, status, method, path, body);
    assert_null(strstr(x.text, CLEAR));
    assert_null(strstr(x.text, "sealed\":"));
    if (d->vault[0])
        assert_null(strstr(x.text, d->vault));
    return x;
}

static const char *web(struct desk *d, const char *host, const char *key)
{
    return arena_printf(d->r.a,
                        "{\"type\":\"http-01-webroot\",\"via\":\"ssh\",\"host\":\"%s\",\"user\":"
                        "\"deploy\",\"directory\":\"/w\"%s%s}",
                        host, key ? ",\"private_key\":" : "", key ? key : "");
}

static struct answer change(struct desk *d, int status, const char *challenge)
{
    return ask(d, status, "PATCH", "/certs/a.example",
               arena_printf(d->r.a, "{\"challenge\":%s}", challenge));
}

static const char *row(struct desk *d, const char *name)
{
    AUTO(db) struct db *db = NULL;
    struct cert c;
    OK(store_read(d->r.store, &db, err));
    OK(db_cert_find(db, name, d->r.a, &c, err));
    return c.challenge;
}

static const struct json *kept(struct desk *d)
{
    struct json *j = NULL;
    OK(json_parse(str_from(row(d, "a.example")), &j, err));
    assert_true(d->r.kept_count < COUNT_OF(d->r.kept));
    return d->r.kept[d->r.kept_count++] = j;
}

static const char *sealed(struct desk *d, const char *field)
{
    return json_str_or(json_get(kept(d), field), "sealed", "");
}

/* As the worker, and only the worker, may. */
static void opens_as(struct desk *d, const char *place, const char *field, const char *clear)
{
    struct vault *v = NULL;
    struct vault_grant g = {1, "issue.present", "challenge of a.example"};
    AUTO(buf) struct buf out = BUF_SECRET(4096);
    OK(vault_local(d->r.vault_server, true, &v, err));
    enum rc rc = vault_release(v, VAULT_SETTING, place, sealed(d, field), &g, &out, NULL);
    vault_close(v);
    if (clear)
        assert_int_equal(rc, RC_OK);
    else
        assert_int_not_equal(rc, RC_OK);
    if (clear)
        assert_string_equal(buf_cstr(&out), clear);
}

static const char *place(struct desk *d, const char *field)
{
    return arena_printf(d->r.a, "challenge/%s/%s", json_str_or(kept(d), "vault", "?"), field);
}

static void desk_open(struct desk *d)
{
    d->vault[0] = '\0';
    api_rig_start(&d->r);
    d->local = rig_local();
    (void)ask(d, 201, "POST", "/cas",
              "{\"name\":\"le\",\"type\":\"acme\",\"settings\":{\"directory\":"
              "\"https://ca.example/dir\"}}");
    (void)ask(d, 201, "POST", "/certs",
              arena_printf(d->r.a,
                           "{\"names\":[\"a.example\"],\"ca\":\"le\",\"request\":false,"
                           "\"challenge\":%s}",
                           web(d, "web.example", "\"" CLEAR "\"")));
    (void)snprintf(d->vault, sizeof d->vault, "%s", json_str_or(kept(d), "vault", ""));
    assert_int_equal(strlen(d->vault), 32);
}

static void a_secret_is_kept_at_its_own_place(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = ask(&d, 200, "GET", "/certs/a.example", NULL);
    assert_string_equal(json_str_or(x.json, "challenge.type", ""), "http-01-webroot");
    assert_true(json_bool_or(x.json, "challenge.private_key.set", false));
    assert_string_equal(json_str_or(x.json, "challenge.host", ""), "web.example");
    assert_int_equal(json_i64_or(x.json, "challenge.port", 0), 22);
    assert_null(json_get(x.json, "challenge.vault"));
    opens_as(&d, place(&d, "private_key"), "private_key", CLEAR);
    opens_as(&d, "connector/0/private_key", "private_key", NULL);
    opens_as(&d, place(&d, "password"), "private_key", NULL);
    /* a second certificate has places of its own */
    (void)ask(&d, 201, "POST", "/certs",
              arena_printf(d.r.a,
                           "{\"names\":[\"b.example\"],\"ca\":\"le\",\"request\":false,"
                           "\"challenge\":%s}",
                           web(&d, "web.example", "\"" CLEAR "\"")));
    assert_null(strstr(row(&d, "b.example"), d.vault));
    (void)ask(&d, 200, "GET", "/audit?limit=200", NULL);
    (void)ask(&d, 200, "GET", "/audit/export", NULL);
    api_rig_end(&d.r);
}

static void absent_keeps_given_replaces(void **state)
{
    static const char *const keeps[] = {NULL, "{\"set\":true}"};
    struct desk d;
    (void)state;
    desk_open(&d);
    const char *first = sealed(&d, "private_key");
    assert_true(first[0]);
    for (size_t i = 0; i < COUNT_OF(keeps); i++) {
        (void)change(&d, 200, web(&d, "web.example", keeps[i]));
        assert_string_equal(sealed(&d, "private_key"), first);
        assert_string_equal(json_str_or(kept(&d), "vault", ""), d.vault);
    }
    (void)ask(&d, 200, "PATCH", "/certs/a.example", "{\"key\":\"ec384\"}");
    (void)ask(&d, 200, "PATCH", "/certs/a.example", "{\"challenge\":null}");
    assert_string_equal(sealed(&d, "private_key"), first);
    (void)change(&d, 200, web(&d, "web.example", "\"" CLEAR "-2\""));
    assert_string_not_equal(sealed(&d, "private_key"), first);
    opens_as(&d, place(&d, "private_key"), "private_key", CLEAR "-2");
    /* what changed is told by fingerprint only */
    struct answer x = ask(&d, 200, "GET", "/audit?limit=200", NULL);
    assert_non_null(strstr(x.text, "fingerprint"));
    assert_null(strstr(x.text, first));
    api_rig_end(&d.r);
}

static void refused_and_nothing_changed(void **state)
{
    static const struct {
        const char *challenge, *field;
    } rows[] = {
        {"{\"type\":\"http-01-webroot\",\"via\":\"ssh\",\"host\":\"web.example\",\"user\":\"u\","
         "\"directory\":\"/w\",\"private_key\":{\"sealed\":\"" CLEAR "\"}}",
         "challenge.private_key"},
        {"{\"type\":\"http-01-webroot\",\"via\":\"ssh\",\"host\":\"web.example\",\"user\":\"u\","
         "\"directory\":\"/w\",\"private_key\":\"\"}",
         "challenge.private_key"},
        {"{\"type\":\"http-01-webroot\",\"directory\":\"/w\",\"vault\":\"0011\"}", "challenge"},
        {"{\"type\":\"http-01\",\"directory\":\"/w\"}", "challenge.directory"},
        {"{\"type\":\"none\"}", "challenge"},
        /* another machine, or another listener on the same one, does not get what is kept */
        {"{\"type\":\"http-01-webroot\",\"via\":\"ssh\",\"host\":\"evil.example\",\"user\":\"u\","
         "\"directory\":\"/w\"}",
         "challenge.private_key"},
        {"{\"type\":\"http-01-webroot\",\"via\":\"ssh\",\"host\":\"web.example\",\"port\":2222,"
         "\"user\":\"u\",\"directory\":\"/w\",\"private_key\":{\"set\":true}}",
         "challenge.private_key"},
    };
    struct desk d;
    (void)state;
    desk_open(&d);
    const char *first = sealed(&d, "private_key");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = change(&d, 400, rows[i].challenge);
        assert_string_equal(json_str_or(x.json, "error.field", ""), rows[i].field);
        assert_string_equal(sealed(&d, "private_key"), first);
        assert_string_equal(json_str_or(kept(&d), "host", ""), "web.example");
    }
    (void)change(&d, 200, web(&d, "other.example", "\"" CLEAR "-3\""));
    assert_string_equal(json_str_or(kept(&d), "host", ""), "other.example");
    api_rig_end(&d.r);
}

static void what_is_not_used_is_gone(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = change(&d, 200, "{\"type\":\"http-01-webroot\",\"directory\":\"/w\"}");
    assert_null(json_get(kept(&d), "vault"));
    assert_string_equal(sealed(&d, "private_key"), "");
    assert_false(json_bool_or(x.json, "challenge.private_key.set", false));
    (void)change(&d, 200, web(&d, "web.example", "\"" CLEAR "\""));
    assert_string_not_equal(json_str_or(kept(&d), "vault", ""), d.vault); /* a new place */
    (void)change(&d, 200, "{\"type\":\"http-01\"}");
    assert_int_equal(json_len(kept(&d)), 1);
    /* and what is gone is not found again by asking for the old type */
    x = change(&d, 400, web(&d, "web.example", NULL));
    assert_string_equal(json_str_or(x.json, "error.field", ""), "challenge.private_key");
    (void)ask(&d, 200, "DELETE", "/certs/a.example", NULL);
    (void)ask(&d, 200, "GET", "/audit?limit=200", NULL);
    api_rig_end(&d.r);
}

/* A change of names or CA is judged by the challenge it has, not by the default one. */
static void checked_against_what_is_stored(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    AUTO(db) struct db *db = NULL;
    struct cert c;
    OK(store_begin(d.r.store, &db, err));
    OK(db_cert_find(db, "a.example", d.r.a, &c, err));
    c.challenge = "{\"type\":\"dns-01-gone\",\"zone\":\"a.example\"}"; /* of a build that had it */
    OK(db_cert_update(db, &c, err));
    OK(db_commit(&db, err));
    struct answer x = ask(&d, 400, "PATCH", "/certs/a.example", "{\"names\":[\"b.example\"]}");
    assert_string_equal(rig_error(&x), "api.no_challenge");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "challenge");
    x = ask(&d, 200, "GET", "/certs/a.example", NULL);
    assert_string_equal(json_str_or(x.json, "challenge.type", ""), "dns-01-gone");
    assert_int_equal(json_len(json_get(x.json, "challenge")), 1);
    (void)ask(&d, 200, "PATCH", "/certs/a.example", /* one that there is mends it */
              "{\"names\":[\"b.example\"],\"challenge\":{\"type\":\"http-01\"}}");
    x = ask(&d, 400, "PATCH", "/certs/a.example", "{\"names\":[\"*.b.example\"]}");
    assert_string_equal(rig_error(&x), "api.wildcard_dns");
    (void)change(&d, 200, web(&d, "web.example", "\"" CLEAR "\""));
    (void)ask(&d, 200, "PATCH", "/certs/a.example", "{\"names\":[\"c.example\"]}");
    assert_string_equal(json_str_or(kept(&d), "type", ""), "http-01-webroot");
    x = change(&d, 200, "{\"via\":\"local\",\"directory\":\"/v\"}"); /* no type: the one it has */
    assert_string_equal(json_str_or(x.json, "challenge.type", ""), "http-01-webroot");
    assert_string_equal(json_str_or(x.json, "challenge.directory", ""), "/v");
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_kept_at_its_own_place),
        cmocka_unit_test(absent_keeps_given_replaces),
        cmocka_unit_test(refused_and_nothing_changed),
        cmocka_unit_test(what_is_not_used_is_gone),
        cmocka_unit_test(checked_against_what_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
