/*
 * CA accounts, targets and notifiers through the API: a secret goes in and is never seen again, is
 * kept when not mentioned, and everything else is replaced by what is given.
 */
#include "unit/api/api_rig.h"

#define CLEAR "M4RK-clear-secret"

struct desk {
    struct api_rig r;
    struct who local, admin;
};

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    d->admin = rig_person(&d->r, "admin@a.example", "admin", 0);
}

static struct answer ask(struct desk *d, int status, const char *method, const char *path,
                         const char *body)
{
    struct answer x = rig_want(&d->r, &d->local, status, method, path, body);
    if (strstr(x.text, "M4RK") || strstr(x.text, "\"sealed\""))
        fail_msg("%s %s shows what nobody may see", method, path);
    return x;
}

static const char *mail_of(struct desk *d, bool user, const char *password)
{
    return arena_printf(d->r.a,
                        "{\"host\":\"m.example\",\"from\":\"a@a.example\",\"to\":[\"b@a.example\"]"
                        "%s%s%s}",
                        user ? ",\"user\":\"u\"" : "", password ? ",\"password\":" : "",
                        password ? password : "");
}

static const char *mail(struct desk *d, const char *password)
{
    return mail_of(d, true, password);
}

/* The sealed form as the store has it; "" when none is set. */
static const char *sealed_of(struct desk *d, const char *kind, const char *name, const char *field)
{
    AUTO(db) struct db *db = NULL;
    AUTO(json) struct json *j = NULL;
    struct connector c;
    OK(store_read(d->r.store, &db, err));
    OK(db_connector_find(db, kind, name, d->r.a, &c, err));
    assert_null(strstr(c.settings, "M4RK"));
    OK(json_parse(str_from(c.settings), &j, err));
    return arena_strdup(d->r.a, json_str_or(json_get(j, field), "sealed", ""));
}

static struct answer change(struct desk *d, int status, const char *settings)
{
    return ask(d, status, "PATCH", "/notifiers/mail",
               arena_printf(d->r.a, "{\"settings\":%s}", settings));
}

static void a_secret_is_kept_and_never_shown(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x =
        ask(&d, 201, "POST", "/notifiers",
            arena_printf(d.r.a, "{\"name\":\"mail\",\"type\":\"smtp\",\"settings\":%s}",
                         mail(&d, "\"" CLEAR "\"")));
    assert_true(json_bool_or(x.json, "settings.password.set", false));
    const char *first = sealed_of(&d, "notifier", "mail", "password");
    assert_true(first[0]);
    static const char *const keeps[] = {NULL, "{\"set\":true}"};
    for (size_t i = 0; i < COUNT_OF(keeps); i++) {
        x = change(&d, 200, mail(&d, keeps[i]));
        assert_true(json_bool_or(x.json, "settings.password.set", false));
        assert_string_equal(sealed_of(&d, "notifier", "mail", "password"), first);
    }
    (void)ask(&d, 200, "PATCH", "/notifiers/mail", "{\"name\":\"mail\"}");
    assert_string_equal(sealed_of(&d, "notifier", "mail", "password"), first);
    static const char *const wrong[] = {"{\"sealed\":\"" CLEAR "\"}", "7", "[\"" CLEAR "\"]",
                                        "{\"set\":\"" CLEAR "\"}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        x = change(&d, 400, mail(&d, wrong[i]));
        assert_string_equal(json_str_or(x.json, "error.field", ""), "settings.password");
    }
    assert_string_equal(sealed_of(&d, "notifier", "mail", "password"), first);
    (void)change(&d, 200, mail(&d, "\"" CLEAR "-2\""));
    assert_string_not_equal(sealed_of(&d, "notifier", "mail", "password"), first);
    static const char *const clears[] = {"null", "\"\"", "{\"set\":false}"};
    for (size_t i = 0; i < COUNT_OF(clears); i++) {
        (void)change(&d, 200, mail(&d, "\"" CLEAR "\""));
        x = change(&d, 400, mail(&d, clears[i])); /* a user without one cannot sign in */
        assert_string_equal(json_str_or(x.json, "error.field", ""), "settings.password");
        x = change(&d, 200, mail_of(&d, false, clears[i]));
        assert_false(json_bool_or(x.json, "settings.password.set", true));
        assert_string_equal(sealed_of(&d, "notifier", "mail", "password"), "");
    }
    (void)ask(&d, 200, "GET", "/notifiers", NULL);
    (void)ask(&d, 200, "GET", "/audit?limit=200", NULL);
    (void)ask(&d, 200, "DELETE", "/notifiers/mail", NULL);
    (void)ask(&d, 200, "GET", "/audit?limit=200", NULL);
    api_rig_end(&d.r);
}

/* Who may change a connector does not thereby send its password to a machine of their own. */
static void a_secret_stays_with_its_machine(void **state)
{
    static const char *const away[] = {"\"host\":\"evil.example\"",
                                       "\"host\":\"m.example\",\"port\":2525"};
    static const char *const kept[] = {"", ",\"password\":{\"set\":true}"};
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/notifiers",
              arena_printf(d.r.a, "{\"name\":\"mail\",\"type\":\"smtp\",\"settings\":%s}",
                           mail(&d, "\"" CLEAR "\"")));
    const char *first = sealed_of(&d, "notifier", "mail", "password");
    for (size_t i = 0; i < COUNT_OF(away) * COUNT_OF(kept); i++) {
        struct answer x =
            change(&d, 400,
                   arena_printf(d.r.a,
                                "{%s,\"from\":\"a@a.example\",\"to\":[\"b@a.example\"],"
                                "\"user\":\"u\"%s}",
                                away[i / 2], kept[i % 2]));
        assert_string_equal(json_str_or(x.json, "error.id", ""), "api.secret_moved");
        assert_string_equal(json_str_or(x.json, "error.field", ""), "settings.password");
        assert_string_equal(sealed_of(&d, "notifier", "mail", "password"), first);
    }
    (void)change(&d, 200,
                 "{\"host\":\"other.example\",\"from\":\"a@a.example\",\"to\":[\"b@a.example\"],"
                 "\"user\":\"u\",\"password\":\"" CLEAR "-2\"}");
    assert_string_not_equal(sealed_of(&d, "notifier", "mail", "password"), first);
    api_rig_end(&d.r);
}

static void the_audit_log_tells_a_change_by_fingerprint(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/notifiers",
              arena_printf(d.r.a, "{\"name\":\"mail\",\"type\":\"smtp\",\"settings\":%s}",
                           mail(&d, "\"" CLEAR "\"")));
    const char *sealed = sealed_of(&d, "notifier", "mail", "password");
    (void)change(&d, 200, mail(&d, "\"" CLEAR "-2\""));
    struct answer x = ask(&d, 200, "GET", "/audit?limit=200", NULL);
    assert_non_null(strstr(x.text, "fingerprint"));
    assert_null(strstr(x.text, sealed));
    api_rig_end(&d.r);
}

static void what_is_given_replaces_what_was(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/targets",
              "{\"name\":\"t\",\"type\":\"files\",\"settings\":{\"test_command\":\"a\","
              "\"reload_command\":\"b\"}}");
    struct answer x = ask(&d, 200, "PATCH", "/targets/t",
                          "{\"settings\":{\"reload_command\":\"c\"},\"revision\":2}");
    assert_null(json_get(x.json, "settings.test_command"));
    assert_string_equal(json_str_or(x.json, "settings.reload_command", ""), "c");
    assert_string_equal(json_str_or(x.json, "settings.via", ""), "local");
    int64_t now = json_i64_or(x.json, "revision", 0);
    x = ask(&d, 409, "PATCH", "/targets/t", "{\"settings\":{},\"revision\":2}");
    assert_string_equal(rig_error(&x), "api.stale");
    (void)ask(&d, 400, "PATCH", "/targets/t", "{\"settings\":{\"reload_command\":7}}");
    (void)ask(&d, 400, "PATCH", "/targets/t", "{\"settings\":[]}");
    (void)ask(&d, 400, "PATCH", "/targets/t", "{\"type\":\"nginx\"}");
    x = ask(&d, 200, "GET", "/targets/t", NULL);
    assert_int_equal(json_i64_or(x.json, "revision", 0), now);
    x = ask(&d, 200, "PATCH", "/targets/t", "{\"name\":\"t2\"}"); /* settings stay */
    assert_string_equal(json_str_or(x.json, "settings.reload_command", ""), "c");
    (void)ask(&d, 404, "GET", "/targets/t", NULL);
    api_rig_end(&d.r);
}

static void what_cannot_change_does_not(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    (void)ask(&d, 201, "POST", "/cas",
              "{\"name\":\"own\",\"type\":\"private\",\"settings\":{\"common_name\":\"One\"}}");
    struct answer x = ask(&d, 400, "PATCH", "/cas/own", "{\"settings\":{\"common_name\":\"Two\"}}");
    assert_string_equal(json_str_or(x.json, "error.field", ""), "settings.common_name");
    x = ask(&d, 200, "PATCH", "/cas/own", "{\"settings\":{\"validity\":\"30d\"}}");
    assert_string_equal(json_str_or(x.json, "settings.common_name", ""), "One");
    assert_int_equal(json_i64_or(x.json, "settings.validity", 0), 30 * 86400);
    assert_false(json_bool_or(x.json, "state.ready", true));
    api_rig_end(&d.r);
}

static void what_is_refused_leaves_nothing(void **state)
{
    static const struct {
        const char *path, *body, *field;
        int status;
    } rows[] = {
        {"/cas", "{\"type\":\"private\"}", "name", 400},
        {"/cas", "{\"name\":\"n\"}", "type", 400},
        {"/cas", "{\"name\":\"n\",\"type\":\"nginx\"}", "type", 400},
        {"/cas", "{\"name\":\"n/m\",\"type\":\"private\"}", "name", 400},
        {"/cas", "{\"name\":\"7\",\"type\":\"private\"}", "name", 400},
        {"/cas", "{\"name\":\"n\",\"type\":\"acme\"}", "settings.directory", 400},
        {"/cas", "{\"name\":\"n\",\"type\":\"private\",\"settings\":{\"x\":1}}", "settings.x", 400},
        {"/cas", "{\"name\":\"n\",\"type\":\"private\",\"settings\":7}", "settings", 400},
        {"/cas", "{\"name\":\"n\",\"type\":\"private\",\"id\":7}", "id", 400},
        {"/targets",
         "{\"name\":\"n\",\"type\":\"files\",\"settings\":{\"via\":\"ssh\",\"host\":\"h\","
         "\"user\":\"u\"}}",
         "settings.private_key", 400},
        {"/targets", "{\"name\":\"n\",\"type\":\"files\",\"settings\":{\"host\":\"h\"}}",
         "settings.host", 400},
        {"/notifiers", "{\"name\":\"n\",\"type\":\"smtp\",\"group\":\"none\"}", "group", 400},
        {"/backup-stores", "{\"name\":\"n\",\"type\":\"folder\"}", "settings.folder", 400},
    };
    static const char *const lists[] = {"/cas", "/targets", "/notifiers", "/backup-stores"};
    struct desk d;
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct answer x = ask(&d, rows[i].status, "POST", rows[i].path, rows[i].body);
        const char *field = json_str_or(x.json, "error.field", "");
        if (strcmp(field, rows[i].field) != 0)
            fail_msg("%s: %s instead of %s", rows[i].body, field, rows[i].field);
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct answer x = ask(&d, 200, "GET", lists[i], NULL);
        assert_int_equal(json_len(json_get(x.json, "items")), 0);
    }
    (void)ask(&d, 201, "POST", "/cas", "{\"name\":\"n\",\"type\":\"private\"}");
    (void)ask(&d, 409, "POST", "/cas", "{\"name\":\"n\",\"type\":\"private\"}");
    api_rig_end(&d.r);
}

static void kinds_do_not_mix(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    struct answer x = ask(&d, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    long long id = (long long)json_i64_or(x.json, "id", 0);
    static const char *const kinds[] = {"targets", "notifiers", "backup-stores"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const char *path = arena_printf(d.r.a, "/%s/%lld", kinds[i], id);
        (void)ask(&d, 404, "GET", path, NULL);
        (void)ask(&d, 404, "PATCH", path, "{\"name\":\"x\"}");
        (void)ask(&d, 404, "DELETE", path, NULL);
    }
    (void)ask(&d, 404, "POST", arena_printf(d.r.a, "/notifiers/%lld/test", id), NULL);
    x = ask(&d, 202, "POST", arena_printf(d.r.a, "/cas/%lld/check", id), NULL);
    assert_string_equal(json_str_or(x.json, "job.kind", ""), "check");
    assert_string_equal(json_str_or(x.json, "job.subject_name", ""), "own");
    (void)ask(&d, 200, "GET", arena_printf(d.r.a, "/cas/%lld", id), NULL);
    api_rig_end(&d.r);
}

/* The form of every type, as the page draws it. */
static void every_type_shows_its_form(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++) {
        struct answer all =
            ask(&d, 200, "GET", arena_printf(d.r.a, "/schema/%s?lang=ja", conn_kind_name(k)), NULL);
        assert_int_equal(json_len(json_get(all.json, "items")), registry_count(k));
        for (size_t i = 0; i < registry_count(k); i++) {
            const struct conn_head *h = registry_at(k, i);
            struct answer x =
                ask(&d, 200, "GET",
                    arena_printf(d.r.a, "/schema/%s/%s?lang=ja", conn_kind_name(k), h->id), NULL);
            size_t n = 0;
            while (h->fields[n].type != FIELD_T_END)
                n++;
            assert_int_equal(json_len(json_get(x.json, "fields")), n);
            assert_string_equal(json_str_or(x.json, "name", ""), h->name.ja);
            assert_int_equal(json_get(x.json, "place_fields") != NULL, k == CONN_TARGET);
        }
    }
    (void)ask(&d, 404, "GET", "/schema/none", NULL);
    (void)ask(&d, 404, "GET", "/schema/ca/none", NULL);
    api_rig_end(&d.r);
}

#define OLD_KEY "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
#define NEW_KEY "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"

/* A job that stopped, and why. */
static int64_t stopped(struct desk *d, const char *kind, const char *subject, const char *why)
{
    AUTO(db) struct db *db = NULL;
    int64_t existing = 0, next = 0;
    struct job made = {.kind = kind,
                       .subject = subject,
                       .step = "again",
                       .state = JOB_READY,
                       .run_at = RIG_NOW,
                       .created = RIG_NOW,
                       .updated = RIG_NOW};
    struct job j;
    OK(store_begin(d->r.store, &db, err));
    OK(db_job_add(db, &made, &existing, err));
    OK(db_commit(&db, err));
    OK(db_job_claim(d->r.store, "test", RIG_NOW, USEC_PER_SEC, 8, d->r.a, &j, &next, err));
    assert_int_equal(j.id, made.id);
    j.state = JOB_BLOCKED;
    j.run_at = RIG_NOW + USEC_PER_DAY;
    struct err e = {.rc = RC_TLS, .blame = BLAME_INPUT, .en = "e", .ja = "j", .remote = NEW_KEY};
    (void)stpcpy(e.id, why);
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_err(&w, &e);
    j.error = arena_strdup(d->r.a, buf_cstr(&b));
    OK(store_begin(d->r.store, &db, err));
    OK(db_job_save(db, &j, err));
    OK(db_commit(&db, err));
    return j.id;
}

static const char *state_of_job(struct desk *d, int64_t id)
{
    struct answer x = ask(d, 200, "GET", arena_printf(d->r.a, "/jobs/%lld", (long long)id), NULL);
    return arena_strdup(d->r.a, json_str_or(x.json, "state", ""));
}

static void ssh_machine(struct desk *d)
{
    (void)ask(d, 201, "POST", "/targets",
              "{\"name\":\"far\",\"type\":\"nginx\",\"settings\":{\"via\":\"ssh\",\"host\":"
              "\"h.example\",\"user\":\"u\",\"auth\":\"key\",\"private_key\":\"" CLEAR
              "\",\"host_key\":\"" OLD_KEY "\",\"command_timeout\":77}}");
    (void)ask(d, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    static const char *const names[] = {"a.example", "b.example"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)ask(d, 201, "POST", "/certs",
                  arena_printf(d->r.a, "{\"names\":[\"%s\"],\"ca\":\"own\",\"request\":false}",
                               names[i]));
        if (i == 0)
            (void)ask(d, 201, "POST", "/bindings",
                      "{\"cert\":\"a.example\",\"target\":\"far\",\"place\":"
                      "{\"cert_path\":\"/c\",\"key_path\":\"/k\"}}");
    }
}

static int64_t cert_id(struct desk *d, const char *name)
{
    return json_i64_or(ask(d, 200, "GET", arena_printf(d->r.a, "/certs/%s", name), NULL).json, "id",
                       0);
}

/* Another host key is taken only when a person says which, and what waited for it goes on. */
static void a_host_key_is_accepted(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    ssh_machine(&d);
    const char *sealed = sealed_of(&d, "target", "far", "private_key");
    const char *a = arena_printf(d.r.a, "cert/%lld", (long long)cert_id(&d, "a.example"));
    const char *b = arena_printf(d.r.a, "cert/%lld", (long long)cert_id(&d, "b.example"));
    int64_t waits = stopped(&d, "deploy", a, "net.ssh.changed");
    int64_t elsewhere = stopped(&d, "deploy", b, "net.ssh.changed");
    static const char *const wrong[] = {
        "{\"fingerprint\":\"\"}", "{\"fingerprint\":\"SHA256:short\"}",
        "{\"fingerprint\":\"MD5:47:DE:42\"}", "{\"fingerprint\":\"" NEW_KEY "=\"}",
        "{\"fingerprint\":\"" OLD_KEY " " NEW_KEY "\"}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct answer x = ask(&d, 400, "POST", "/targets/far/host-key", wrong[i]);
        assert_string_equal(json_str_or(x.json, "error.field", ""), "fingerprint");
    }
    (void)ask(&d, 409, "POST", "/targets/far/host-key",
              "{\"fingerprint\":\"" NEW_KEY "\",\"revision\":9}");
    struct answer t = ask(&d, 200, "GET", "/targets/far", NULL);
    assert_string_equal(json_str_or(t.json, "settings.host_key", ""), OLD_KEY);
    assert_string_equal(state_of_job(&d, waits), "blocked");

    struct answer x = ask(&d, 202, "POST", "/targets/far/host-key",
                          arena_printf(d.r.a, "{\"fingerprint\":\"" NEW_KEY "\",\"revision\":%lld}",
                                       (long long)json_i64_or(t.json, "revision", 0)));
    assert_string_equal(json_str_or(x.json, "job.kind", ""), "check");
    assert_int_equal(json_len(json_get(x.json, "resumed")), 1);
    assert_int_equal(json_i64_or(x.json, "resumed.0", 0), waits);
    assert_string_equal(state_of_job(&d, waits), "ready");
    assert_string_equal(state_of_job(&d, elsewhere), "blocked");
    t = ask(&d, 200, "GET", "/targets/far", NULL);
    assert_string_equal(json_str_or(t.json, "settings.host_key", ""), NEW_KEY);
    assert_int_equal(json_i64_or(t.json, "settings.command_timeout", 0), 77);
    assert_string_equal(sealed_of(&d, "target", "far", "private_key"), sealed);
    x = ask(&d, 200, "GET", "/audit?limit=1", NULL);
    assert_string_equal(json_str_or(x.json, "items.0.action", ""), "target.host_key");
    assert_string_equal(json_str_or(x.json, "items.0.detail.before.host_key", ""), OLD_KEY);
    assert_string_equal(json_str_or(x.json, "items.0.detail.after.host_key", ""), NEW_KEY);
    api_rig_end(&d.r);
}

static void a_host_key_is_no_bodys_else(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d);
    ssh_machine(&d);
    const char *body = "{\"fingerprint\":\"" NEW_KEY "\"}";
    struct who op = rig_person(&d.r, "op@a.example", "operator", 0);
    (void)rig_want(&d.r, &op, 403, "POST", "/targets/far/host-key", body);
    (void)ask(&d, 404, "POST", "/backup-stores/far/host-key", body);
    (void)ask(&d, 201, "POST", "/targets", "{\"name\":\"here\",\"type\":\"nginx\"}");
    (void)ask(&d, 409, "POST", "/targets/here/host-key", body);
    (void)ask(&d, 201, "POST", "/backup-stores",
              "{\"name\":\"s\",\"type\":\"folder\",\"settings\":{\"via\":\"ssh\",\"host\":"
              "\"h.example\",\"user\":\"u\",\"auth\":\"key\",\"private_key\":\"" CLEAR
              "\",\"folder\":\"/b\",\"passphrase\":\"M4RK-long-enough-one\"}}");
    int64_t id = json_i64_or(ask(&d, 200, "GET", "/backup-stores/s", NULL).json, "id", 0);
    int64_t waits = stopped(&d, "backup", arena_printf(d.r.a, "backup/%lld", (long long)id),
                            "net.ssh.unpinned");
    struct answer x = ask(&d, 202, "POST", "/backup-stores/s/host-key", body);
    assert_int_equal(json_i64_or(x.json, "resumed.0", 0), waits);
    assert_string_equal(state_of_job(&d, waits), "ready");
    api_rig_end(&d.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_kept_and_never_shown),
        cmocka_unit_test(a_secret_stays_with_its_machine),
        cmocka_unit_test(the_audit_log_tells_a_change_by_fingerprint),
        cmocka_unit_test(what_is_given_replaces_what_was),
        cmocka_unit_test(what_cannot_change_does_not),
        cmocka_unit_test(what_is_refused_leaves_nothing),
        cmocka_unit_test(kinds_do_not_mix),
        cmocka_unit_test(every_type_shows_its_form),
        cmocka_unit_test(a_host_key_is_accepted),
        cmocka_unit_test(a_host_key_is_no_bodys_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
