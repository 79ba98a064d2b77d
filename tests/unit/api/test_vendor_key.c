/* The life of a vendor's key, at the desk and at a customer's, who are two installations here. */
#include "api_rig.h"

#include "api/share.h"
#include "job/licence.h"
#include "store/repo_vendor.h"

static struct who local;

struct trade {
    struct api_rig desk, customer;
};

static struct answer at_desk(struct trade *t, int status, const char *method, const char *path,
                             const char *body)
{
    return rig_want(&t->desk, &local, status, method, path, body);
}

static struct answer at_customer(struct trade *t, int status, const char *method, const char *path,
                                 const char *body)
{
    return rig_want(&t->customer, &local, status, method, path, body);
}

/* {"name": text} */
static const char *one(struct api_rig *r, const char *name, const char *text)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, name, text);
    jw_end_object(&w);
    return arena_str(r->a, buf_str(&b));
}

static struct answer import(struct trade *t, int status, const char *file)
{
    return at_customer(t, status, "POST", "/licence", one(&t->customer, "file", file));
}

static void refused(struct trade *t, const char *file, const char *id)
{
    struct answer x = import(t, 400, file);
    assert_string_equal(rig_error(&x), id);
}

/* A new licence of the present key; its file as the share folder gives it. */
static const char *reissued(struct trade *t, const char **ret_key, const char **ret_pure)
{
    struct share_answer s = {0};
    struct answer x = at_desk(t, 201, "POST", "/vendor/licences", "{\"customer\":\"Self\"}");
    *ret_key = json_str_or(x.json, "licence.key_id", "");
    *ret_pure = json_str_or(x.json, "licence.file", "");
    const char *name = json_str_or(x.json, "licence.file_name", "");
    x = at_desk(t, 201, "POST", "/vendor/shares", "{\"customer\":\"Self\"}");
    const char *path = arena_printf(t->desk.a, "%s%s", json_str_or(x.json, "path", ""), name);
    OK(share_find(t->desk.store, path, "192.0.2.9", clock_now(&t->desk.clock), t->desk.a, &s, err));
    return arena_str(t->desk.a, s.body);
}

static void trust(struct trade *t, const char *public_key)
{
    struct licence_key k;
    AUTO(db) struct db *db = NULL;
    OK(licence_key_read(str_from(public_key), &k, err));
    OK(store_begin(t->customer.store, &db, err));
    OK(licence_trust(db, &k, "init", RIG_NOW, err));
    OK(db_commit(&db, err));
}

/* The customer trusts the desk and has a licence of it. */
static void start(struct trade *t)
{
    const char *key, *pure;
    local = rig_local();
    api_rig_bare(&t->desk);
    api_rig_bare(&t->customer);
    rig_desk(&t->desk);
    rig_licence(&t->desk, 1, 0);
    trust(t, json_str_or(at_desk(t, 200, "GET", "/vendor", NULL).json, "public_key", ""));
    t->customer.clock.offset = t->desk.clock.offset;
    const char *file = reissued(t, &key, &pure);
    assert_string_equal(file, pure); /* no change of key: the licence and nothing else */
    (void)import(t, 200, file);
    rig_pass(&t->desk, 3600 * USEC_PER_SEC);
    t->customer.clock.offset = t->desk.clock.offset;
}

static void end(struct trade *t)
{
    api_rig_end(&t->customer);
    api_rig_end(&t->desk);
}

static const char *key_text(struct trade *t, int i, const char *what)
{
    struct answer x = at_desk(t, 200, "GET", "/vendor/keys", NULL);
    return json_str_or(x.json, arena_printf(t->desk.a, "items.%d.%s", i, what), "(none)");
}

static const char *sealed_of(struct trade *t, size_t i)
{
    AUTO(db) struct db *db = NULL;
    struct vendor_key_list l;
    OK(store_read(t->desk.store, &db, err));
    OK(db_vendor_key_list(db, t->desk.a, &l, err));
    assert_true(i < l.n);
    return l.v[i].sealed;
}

static void a_customer_follows_by_one_file(void **state)
{
    struct trade t;
    const char *key, *pure, *file;
    (void)state;
    start(&t);
    struct answer x = at_desk(&t, 201, "POST", "/vendor/keys", "{}");
    assert_string_equal(json_str_or(x.json, "state", ""), "next");
    const char *next = json_str_or(x.json, "key_id", "");
    x = at_desk(&t, 409, "POST", "/vendor/keys", "{}");
    assert_string_equal(rig_error(&x), "vendor.key_waits");
    file = reissued(&t, &key, &pure);
    assert_string_equal(key, key_text(&t, 0, "key_id")); /* the next one does not sign yet */
    assert_string_equal(file, pure);
    const char *late = pure; /* a licence of the old key that was not imported */

    x = at_desk(&t, 200, "POST", "/vendor/keys/rotate", NULL);
    assert_string_equal(json_str_or(x.json, "key_id", ""), next);
    assert_string_equal(key_text(&t, 0, "state"), "old");
    assert_string_equal(key_text(&t, 1, "state"), "current");
    file = reissued(&t, &key, &pure);
    assert_string_equal(key, next);
    refused(&t, pure, "licence.foreign");
    x = import(&t, 200, file);
    assert_string_equal(json_str_or(x.json, "key_id", ""), next);
    /* the same again is known, and a statement alone is enough */
    refused(&t, "inro-vendor-succession 1\nsignature: x\n", "licence.succession");
    x = import(&t, 200, arena_printf(t.desk.a, "%.*s", (int)(strlen(file) - strlen(pure)), file));
    assert_string_equal(json_str_or(x.json, "key_id", ""), next);

    /* retired: the private key is gone, and what it signed is refused from the next licence on */
    assert_non_null(sealed_of(&t, 0));
    x = at_desk(&t, 409, "POST", arena_printf(t.desk.a, "/vendor/keys/%s/retire", next), "{}");
    assert_string_equal(rig_error(&x), "vendor.key_current");
    (void)at_desk(&t, 200, "POST", "/vendor/keys/1/retire", "{}");
    assert_null(sealed_of(&t, 0));
    x = at_desk(&t, 409, "POST", "/vendor/keys/1/retire", "{}");
    assert_string_equal(rig_error(&x), "vendor.key_over");
    (void)import(&t, 200, reissued(&t, &key, &pure));
    refused(&t, late, "licence.revoked");
    /* the desk's own installation followed too, and refuses the old key as well */
    x = rig_call(&t.desk, &local, "POST", "/licence", one(&t.desk, "file", pure));
    assert_int_equal(x.status, 200);
    x = rig_call(&t.desk, &local, "POST", "/licence", one(&t.desk, "file", late));
    assert_string_equal(rig_error(&x), "licence.revoked");
    (void)at_desk(&t, 200, "POST", "/vendor/ledger/verify", NULL);
    x = at_desk(&t, 200, "GET", "/vendor/ledger", NULL);
    assert_non_null(strstr(x.text, "key.made"));
    assert_non_null(strstr(x.text, "key.rotated"));
    assert_non_null(strstr(x.text, "key.retired"));
    end(&t);
}

/* Two changes, of which the customer saw none: one file still leads to the present key. */
static void a_customer_who_missed_changes_follows_too(void **state)
{
    struct trade t;
    const char *key, *pure;
    (void)state;
    start(&t);
    for (int i = 0; i < 2; i++) {
        (void)at_desk(&t, 200, "POST", "/vendor/keys/rotate", NULL); /* makes one by itself */
        rig_pass(&t.desk, 3600 * USEC_PER_SEC);
    }
    t.customer.clock.offset = t.desk.clock.offset;
    struct answer x = import(&t, 200, reissued(&t, &key, &pure));
    assert_string_equal(json_str_or(x.json, "key_id", ""), key_text(&t, 2, "key_id"));
    assert_int_equal(json_len(json_get(x.json, "vendor_keys")), 3);
    end(&t);
}

/* Nobody is to believe what a stolen key signs, statements included: people compare and trust. */
static void a_stolen_key_is_left_by_hand(void **state)
{
    struct trade t;
    const char *key, *pure;
    (void)state;
    start(&t);
    const char *stolen = key_text(&t, 0, "public_key");
    (void)at_desk(&t, 200, "POST", "/vendor/keys/rotate", NULL);
    struct answer x = at_desk(&t, 409, "POST", "/vendor/keys/1/retire", "{}");
    assert_string_equal(rig_error(&x), "vendor.key_used"); /* Self still has a licence of it */
    (void)at_desk(&t, 200, "POST", "/vendor/keys/1/retire", "{\"revoke\":true}");
    const char *file = reissued(&t, &key, &pure);
    assert_string_equal(file, pure); /* no statement of it is given any more */
    refused(&t, pure, "licence.foreign");
    const char *body = one(&t.customer, "key", key_text(&t, 1, "public_key"));
    struct who admin = rig_person(&t.customer, "admin@a.example", "admin", 0);
    x = rig_call(&t.customer, &admin, "POST", "/licence/keys", body);
    assert_int_equal(x.status, 403);
    assert_string_equal(rig_error(&x), "api.local");
    (void)at_customer(&t, 201, "POST", "/licence/keys", body);
    x = at_customer(&t, 409, "POST", "/licence/keys", body);
    assert_string_equal(rig_error(&x), "licence.key_known");
    x = import(&t, 200, pure);
    assert_true(json_bool_or(x.json, "vendor_keys.0.revoked", false));
    assert_false(json_bool_or(x.json, "vendor_keys.1.revoked", true));
    x = at_customer(&t, 409, "POST", "/licence/keys", one(&t.customer, "key", stolen));
    assert_string_equal(rig_error(&x), "licence.key_revoked");
    x = at_customer(&t, 200, "GET", "/audit", NULL);
    assert_non_null(strstr(x.text, "licence.trust"));
    end(&t);
}

static void trust_is_taken_back(void **state)
{
    struct trade t;
    const char *key, *pure;
    (void)state;
    start(&t);
    const char *first = key_text(&t, 0, "key_id");
    struct answer x =
        at_customer(&t, 409, "DELETE", arena_printf(t.desk.a, "/licence/keys/%s", first), NULL);
    assert_string_equal(rig_error(&x), "licence.key_used");
    (void)at_customer(&t, 404, "DELETE", "/licence/keys/0011223344556677", NULL);
    (void)at_desk(&t, 200, "POST", "/vendor/keys/rotate", NULL);
    (void)import(&t, 200, reissued(&t, &key, &pure));
    struct who admin = rig_person(&t.customer, "admin@a.example", "admin", 0);
    x = rig_call(&t.customer, &admin, "DELETE", arena_printf(t.desk.a, "/licence/keys/%s", first),
                 NULL);
    assert_int_equal(x.status, 403);
    x = at_customer(&t, 200, "DELETE", arena_printf(t.desk.a, "/licence/keys/%s", first), NULL);
    assert_int_equal(json_len(json_get(x.json, "vendor_keys")), 1);
    assert_string_equal(json_str_or(x.json, "state", ""), "valid");
    x = at_customer(&t, 200, "GET", "/audit", NULL);
    assert_non_null(strstr(x.text, "licence.distrust"));
    end(&t);
}

/* A signature by the vendor's key is for licences and changes of the key only. */
static void the_vault_signs_nothing_else(void **state)
{
    struct trade t;
    (void)state;
    start(&t);
    AUTO(buf) struct buf sig = BUF(256);
    const char *sealed = sealed_of(&t, 0);
    assert_int_equal(
        vault_licence(t.desk.vault, "vendor/1/key", sealed, STR("GET / HTTP/1.1\n"), &sig, NULL),
        RC_DENIED);
    assert_int_equal(vault_licence(t.desk.vault, "vendor/1/key", sealed,
                                   STR("inro-vendor-succession 2\n"), &sig, NULL),
                     RC_DENIED);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_customer_follows_by_one_file),
        cmocka_unit_test(a_customer_who_missed_changes_follows_too),
        cmocka_unit_test(a_stolen_key_is_left_by_hand),
        cmocka_unit_test(trust_is_taken_back),
        cmocka_unit_test(the_vault_signs_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
