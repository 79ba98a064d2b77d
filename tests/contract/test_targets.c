/*
 * The contract of every target, over all rows of the registry: a plan changes nothing; applying
 * twice equals once; a failure at any operation of the host leaves, after undo, the old pair; a
 * crash at any operation is repaired by applying again; no secret in any output.
 */
#include "unit/connect/connect_rig.h"

#include "crypto/issue.h"

/* What each row is given; a new row needs a line here, or the tests fail. */
struct sample {
    const char *id, *settings, *place, *files[4];
};
static const struct sample samples[] = {
    {"files",
     "{\"test_command\":\"check it\",\"reload_command\":\"reload it\"}",
     "{\"cert_path\":\"/t/cert.pem\",\"chain_path\":\"/t/chain.pem\",\"key_path\":\"/t/key.pem\","
     "\"combined_path\":\"/t/all.pem\",\"group\":\"ssl-cert\",\"verify\":[\"www.test:443\"]}",
     {"/t/key.pem", "/t/all.pem", "/t/chain.pem", "/t/cert.pem"}},
    {"nginx",
     "{\"config\":\"/t/nginx.conf\"}",
     "{\"cert_path\":\"/t/cert.pem\",\"key_path\":\"/t/key.pem\",\"verify\":[\"[::1]:8443\"],"
     "\"sni\":\"www.test\"}",
     {"/t/key.pem", "/t/cert.pem"}},
};

struct rig {
    struct arena *a;
    struct ctx ctx;
    const struct target_ops *t;
    const struct sample *s;
    const void *settings, *place;
    struct bundle b;
    struct cert_info *leaf;
    char *key_pem;
};

static const struct sample *sample_of(const char *id)
{
    for (size_t i = 0; i < COUNT_OF(samples); i++)
        if (strcmp(samples[i].id, id) == 0)
            return &samples[i];
    fail_msg("no sample for target %s", id);
    return NULL;
}

static void bundle_make(struct rig *r)
{
    AUTO(buf) struct buf spki = BUF(4096);
    AUTO(buf) struct buf der = BUF(65536);
    AUTO(buf) struct buf pem = BUF(65536);
    AUTO(buf) struct buf key = BUF(65536);
    const char *const names[] = {"www.test"};
    struct issue_spec spec = {.dns = names,
                              .dns_count = 1,
                              .not_before = clock_now(&rig_clock),
                              .not_after = clock_now(&rig_clock) + 90 * USEC_PER_DAY,
                              .server_auth = true};
    const char *sealed;
    r->leaf = ARENA_NEW(r->a, struct cert_info);
    assert_int_equal(vault_generate(NULL, VAULT_TLS_KEY, "", KEY_EC256, r->a, &sealed, &spki, NULL),
                     RC_OK);
    assert_int_equal(cert_issue(rig_key(sealed), STR_NONE, buf_str(&spki), &spec, &der, NULL),
                     RC_OK);
    assert_int_equal(cert_parse(buf_str(&der), r->a, r->leaf, NULL), RC_OK);
    cert_to_pem(buf_str(&der), &pem);
    assert_int_equal(key_to_pem(rig_key(sealed), &key, NULL), RC_OK);
    r->key_pem = arena_str(r->a, buf_str(&key));
    char *leaf = arena_str(r->a, buf_str(&pem));
    r->b = (struct bundle){.cert_name = "www",
                           .version_id = 12,
                           .key_sealed = sealed,
                           .leaf_pem = str_from(leaf),
                           .chain_pem = str_from("CHAIN\n"),
                           .full_pem = str_from(arena_printf(r->a, "%sCHAIN\n", leaf)),
                           .leaf = r->leaf};
}

static void host_reset(const struct sample *s, bool existing)
{
    memset(rig_files, 0, sizeof rig_files);
    rig_dir("/t");
    for (int i = 0; existing && i < 4 && s->files[i]; i++)
        rig_put(s->files[i], s->files[i], i == 0 ? 0640 : 0644, 33);
    rig_ops = rig_fail_op = rig_test_status = rig_reloads = rig_tests = 0;
    rig_die = false;
    rig_tool_words[0] = 0;
    mem_free(rig_receipt);
    rig_receipt = NULL;
}

static struct rig rig_begin(const char *id)
{
    struct rig r = {.a = arena_create(0), .t = target_find(id), .s = sample_of(id)};
    r.ctx = rig_ctx(r.a);
    r.ctx.host_open = rig_host_open;
    r.settings = RIG_SETTINGS(r.a, *r.t, r.s->settings);
    r.place = RIG_PLACE(r.a, *r.t, r.s->place);
    bundle_make(&r);
    host_reset(r.s, true);
    return r;
}

static void rig_end(struct rig *r)
{
    assert_int_equal(rig_open_hosts, 0);
    arena_destroy(r->a);
    rig_forget();
}

static size_t file_count(void)
{
    size_t n = 0;
    for (int i = 0; i < RIG_FILES; i++)
        n += rig_files[i].used;
    return n;
}

static void assert_old(const struct sample *s)
{
    for (int i = 0; i < 4 && s->files[i]; i++) {
        struct rig_file *f = rig_find(s->files[i]);
        assert_non_null(f);
        assert_string_equal(f->data, s->files[i]);
        assert_int_equal(f->mode, i == 0 ? 0640 : 0644);
        assert_int_equal(f->uid, 33);
    }
}

static bool has(const char *path, const char *what)
{
    struct rig_file *f = rig_find(path);
    return f && strstr(f->data, what);
}

static void assert_new(struct rig *r)
{
    assert_true(has("/t/key.pem", r->key_pem));
    assert_true(has("/t/cert.pem", r->b.leaf_pem.p));
    assert_int_equal(rig_find("/t/key.pem")->mode, 0640); /* as the old file */
    assert_int_equal(rig_find("/t/key.pem")->uid, 33);
}

static enum rc apply(struct rig *r, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    if (rig_receipt)
        assert_int_equal(json_parse(str_from(rig_receipt), &j, NULL), RC_OK);
    return r->t->apply(&r->ctx, r->settings, r->place, &r->b, j, err);
}

static enum rc undo(struct rig *r, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    assert_int_equal(json_parse(str_from(rig_receipt), &j, NULL), RC_OK);
    return r->t->undo(&r->ctx, r->settings, r->place, j, err);
}

#define EACH_TARGET(r)                                                                             \
    for (size_t row_ = 0; row_ < registry_count(CONN_TARGET); row_++)                              \
        for (struct rig r = rig_begin(registry_at(CONN_TARGET, row_)->id); r.a;                    \
             rig_end(&r), r.a = NULL)

static void test_plan_changes_nothing(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct plan p;
        struct err err = {0};
        size_t n = file_count();
        assert_int_equal(r.t->plan(&r.ctx, r.settings, r.place, &r.b, &p, &err), RC_OK);
        assert_false(p.unchanged);
        assert_true(p.n >= 3);
        for (size_t i = 0; i < p.n; i++)
            assert_true(p.v[i].what.en && p.v[i].what.ja && p.v[i].object);
        assert_old(r.s);
        assert_int_equal(file_count(), n);
        assert_int_equal(rig_reloads + rig_tests + rig_releases, 0);
        assert_null(rig_receipt);
    }
}

static void test_apply_twice_is_once(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        struct plan p;
        assert_int_equal(apply(&r, &err), RC_OK);
        assert_new(&r);
        assert_int_equal(rig_tests, 1);
        assert_int_equal(rig_reloads, 1);
        assert_int_equal(r.t->plan(&r.ctx, r.settings, r.place, &r.b, &p, &err), RC_OK);
        assert_true(p.unchanged);
        mem_free(rig_receipt);
        rig_receipt = NULL;
        int releases = rig_releases;
        assert_int_equal(apply(&r, &err), RC_OK);
        assert_int_equal(rig_reloads, 1); /* untouched */
        assert_int_equal(rig_releases, releases);
        assert_null(rig_receipt);
    }
}

/* The receipt of a deployment that put there what this one found: its "new" is this one's "old". */
static struct json *receipt_before(const char *receipt)
{
    struct json *j = NULL;
    char *text = strdup(receipt);
    assert_non_null(text);
    for (char *p = text; (p = strstr(p, "\"old\":"));) {
        char *q = strstr(p, "\"new\":");
        assert_non_null(q);
        memcpy(p + 1, "new", 3);
        memcpy(q + 1, "old", 3);
        p = q + 5;
    }
    assert_int_equal(json_parse(str_from(text), &j, NULL), RC_OK);
    free(text);
    return j;
}

static void test_undo_restores_and_forget_cleans(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        size_t n = file_count();
        assert_int_equal(apply(&r, &err), RC_OK);
        assert_true(file_count() > n); /* backups */
        assert_int_equal(undo(&r, &err), RC_OK);
        assert_old(r.s);
        assert_int_equal(file_count(), n);
        assert_int_equal(undo(&r, &err), RC_OK);
        assert_old(r.s);
        assert_int_equal(rig_reloads, 3);
        mem_free(rig_receipt);
        rig_receipt = NULL;
        assert_int_equal(apply(&r, &err), RC_OK);
        AUTO(json) struct json *j = NULL;
        assert_int_equal(json_parse(str_from(rig_receipt), &j, NULL), RC_OK);
        size_t with = file_count();
        /* Nothing says that what was there came from here: its only copy stays. */
        assert_int_equal(r.t->forget(&r.ctx, r.settings, r.place, j, NULL, &err), RC_OK);
        assert_int_equal(r.t->forget(&r.ctx, r.settings, r.place, j, j, &err), RC_OK);
        assert_int_equal(file_count(), with);
        AUTO(json) struct json *before = receipt_before(rig_receipt);
        assert_int_equal(r.t->forget(&r.ctx, r.settings, r.place, j, before, &err), RC_OK);
        assert_int_equal(file_count(), n);
        assert_new(&r);
    }
}

static void test_undo_removes_what_was_not_there(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        host_reset(r.s, false);
        assert_int_equal(apply(&r, &err), RC_OK);
        assert_int_equal(rig_find("/t/key.pem")->mode, 0600);
        assert_int_equal(rig_find("/t/cert.pem")->mode, 0644);
        assert_int_equal(undo(&r, &err), RC_OK);
        assert_int_equal(file_count(), 1); /* the directory */
    }
}

/* Counts the operations of one undisturbed apply. */
static int operations(struct rig *r)
{
    struct err err = {0};
    host_reset(r->s, true);
    assert_int_equal(apply(r, &err), RC_OK);
    return rig_ops;
}

static void test_failure_anywhere_then_undo(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        int n = operations(&r);
        assert_true(n > 10);
        for (int i = 1; i <= n; i++) {
            struct err err = {0};
            host_reset(r.s, true);
            rig_fail_op = i;
            assert_int_not_equal(apply(&r, &err), RC_OK);
            rig_fail_op = 0;
            if (rig_receipt)
                assert_int_equal(undo(&r, &err), RC_OK);
            assert_old(r.s);
            assert_int_equal(rig_open_hosts, 0);
        }
    }
}

static void test_crash_anywhere_then_again(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        int n = operations(&r);
        for (int i = 1; i <= n; i++) {
            struct err err = {0};
            host_reset(r.s, true);
            rig_fail_op = i;
            rig_die = true;
            assert_int_not_equal(apply(&r, &err), RC_OK);
            rig_fail_op = 0;
            rig_die = false;
            if (apply(&r, &err) != RC_OK)
                fail_msg("%s, operation %d: %s", r.t->head.id, i, err.en);
            assert_new(&r);
            assert_true(rig_reloads >= 1);
            assert_int_equal(undo(&r, &err), RC_OK); /* the first run's old files */
            assert_old(r.s);
        }
    }
}

static void test_crash_inside_undo(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        (void)operations(&r);
        int before = rig_ops;
        assert_int_equal(undo(&r, &err), RC_OK);
        int n = rig_ops - before;
        for (int i = 1; i <= n; i++) {
            host_reset(r.s, true);
            assert_int_equal(apply(&r, &err), RC_OK);
            rig_fail_op = rig_ops + i;
            rig_die = true;
            assert_int_not_equal(undo(&r, &err), RC_OK);
            rig_fail_op = 0;
            rig_die = false;
            assert_int_equal(undo(&r, &err), RC_OK);
            assert_old(r.s);
        }
    }
}

static void test_failing_test_puts_back(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        rig_test_status = 1;
        snprintf(rig_tool_words, sizeof rig_tool_words, "syntax\x1b[31m error\nline 3");
        assert_int_equal(apply(&r, &err), RC_REMOTE);
        assert_old(r.s);
        assert_int_equal(rig_reloads, 0);
        assert_non_null(strstr(err.en, "line 3"));
        assert_null(strchr(err.en, '\x1b'));
        assert_null(strchr(err.en, '\n'));
        rig_test_status = 0;
        assert_int_equal(undo(&r, &err), RC_OK); /* the engine's own, harmless */
        assert_old(r.s);
    }
}

static void test_links_and_directories_are_refused(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        rig_find("/t/key.pem")->link = true;
        assert_int_equal(apply(&r, &err), RC_INPUT);
        assert_null(rig_receipt);
        rig_find("/t/key.pem")->link = false;
        rig_find("/t/cert.pem")->dir = true;
        assert_int_equal(apply(&r, &err), RC_INPUT);
        assert_non_null(strstr(err.en, "/t/cert.pem"));
        host_reset(r.s, false);
        rig_find("/t")->used = false;
        assert_int_equal(apply(&r, &err), RC_INPUT);
    }
}

static void test_a_foreign_change_is_left_alone(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        assert_int_equal(apply(&r, &err), RC_OK);
        rig_put("/t/cert.pem", "someone else", 0644, 5);
        assert_int_equal(undo(&r, &err), RC_CONFLICT);
        assert_string_equal(rig_find("/t/cert.pem")->data, "someone else");
        assert_string_equal(rig_find("/t/key.pem")->data, "/t/key.pem");
    }
}

static void test_wrong_key_changes_nothing(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        AUTO(buf) struct buf spki = BUF(4096);
        assert_int_equal(
            vault_generate(NULL, VAULT_TLS_KEY, "", KEY_EC256, r.a, &r.b.key_sealed, &spki, NULL),
            RC_OK);
        assert_int_equal(apply(&r, &err), RC_CORRUPT);
        assert_old(r.s);
        assert_null(rig_receipt);
    }
}

static void test_no_receipt_no_change(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        size_t n = file_count();
        rig_fail_save = 1;
        assert_int_equal(apply(&r, &err), RC_BUSY);
        assert_old(r.s);
        assert_int_equal(file_count(), n);
    }
}

/* plan, apply, undo and forget of a deployment that stands. */
static enum rc act(struct rig *r, int which, const struct json *receipt, struct err *err)
{
    struct plan p;
    switch (which) {
    case 0:
        return r->t->plan(&r->ctx, r->settings, r->place, &r->b, &p, err);
    case 1:
        return r->t->apply(&r->ctx, r->settings, r->place, &r->b, receipt, err);
    case 2:
        return r->t->undo(&r->ctx, r->settings, r->place, receipt, err);
    default:
        return r->t->forget ? r->t->forget(&r->ctx, r->settings, r->place, receipt, receipt, err)
                            : ctx_alive(&r->ctx, err);
    }
}

static void test_late_or_cancelled(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        rig_cancel = true;
        assert_int_equal(apply(&r, &err), RC_CANCELLED);
        rig_cancel = false;
        r.ctx.deadline = clock_mono(r.ctx.clock);
        assert_int_equal(apply(&r, &err), RC_TIMEOUT);
        assert_old(r.s);
        r.ctx.deadline = 0;
        assert_int_equal(apply(&r, &err), RC_OK);
        AUTO(json) struct json *j = NULL;
        assert_int_equal(json_parse(str_from(rig_receipt), &j, NULL), RC_OK);
        size_t n = file_count();
        int ops = rig_ops;
        for (int which = 0; which < 4; which++) {
            r.ctx.deadline = 0;
            rig_cancel = true;
            assert_int_equal(act(&r, which, j, &err), RC_CANCELLED);
            rig_cancel = false;
            r.ctx.deadline = clock_mono(r.ctx.clock);
            assert_int_equal(act(&r, which, j, &err), RC_TIMEOUT);
        }
        assert_int_equal(rig_ops, ops); /* nothing was even looked at */
        assert_int_equal(file_count(), n);
        assert_new(&r);
    }
}

static void test_secrets_stay_out_of_texts(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        struct err err = {0};
        struct plan p;
        char secret[41] = {0}, text[2048];
        memcpy(secret, r.key_pem + 60, 40); /* inside the base64 */
        assert_int_equal(r.t->plan(&r.ctx, r.settings, r.place, &r.b, &p, &err), RC_OK);
        for (size_t i = 0; i < p.n; i++)
            assert_true(!p.v[i].before || !strstr(p.v[i].before, secret));
        rig_test_status = 3;
        assert_int_not_equal(apply(&r, &err), RC_OK);
        err_text(&err, "en", text, sizeof text);
        assert_null(strstr(text, secret));
        assert_null(strstr(rig_receipt, secret));
        assert_null(strstr(rig_activity, secret));
    }
}

static void test_out_of_memory_anywhere(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        for (long i = 1;; i++) {
            struct err err = {0};
            host_reset(r.s, true);
            AUTO(arena) struct arena *a = arena_create(0);
            r.ctx.arena = a;
            mem_fail_after(i, false);
            enum rc rc = r.t->apply(&r.ctx, r.settings, r.place, &r.b, NULL, &err);
            mem_fail_after(0, false);
            assert_int_equal(rig_open_hosts, 0);
            if (rc == RC_OK && i > 200)
                break;
            if (rig_receipt)
                assert_int_equal(undo(&r, &err), RC_OK);
            if (rc != RC_OK)
                assert_old(r.s);
        }
    }
}

/* The other acts: whatever is missed for want of memory, doing it again makes it good. */
static void test_out_of_memory_besides_apply(void **state)
{
    (void)state;
    EACH_TARGET(r)
    for (int which = 0; which < 4; which++) {
        enum rc rc = RC_NOMEM;
        if (which == 1)
            continue;
        for (long i = 1; rc != RC_OK; i++) {
            struct err err = {0};
            AUTO(json) struct json *j = NULL;
            AUTO(arena) struct arena *a = arena_create(0);
            host_reset(r.s, true);
            assert_int_equal(apply(&r, &err), RC_OK);
            assert_int_equal(json_parse(str_from(rig_receipt), &j, NULL), RC_OK);
            struct arena *kept = r.ctx.arena;
            r.ctx.arena = a;
            mem_fail_after(i, false);
            rc = act(&r, which, j, &err);
            mem_fail_after(0, false);
            assert_int_equal(rig_open_hosts, 0);
            if (rc != RC_OK)
                assert_int_equal(act(&r, which, j, &err), RC_OK);
            r.ctx.arena = kept;
            if (which == 2)
                assert_old(r.s);
            else
                assert_new(&r);
        }
    }
}

static void test_endpoints(void **state)
{
    (void)state;
    EACH_TARGET(r)
    {
        const struct verify_at *at;
        size_t n;
        struct err err = {0};
        assert_int_equal(r.t->endpoints(r.settings, r.place, r.a, &at, &n, &err), RC_OK);
        assert_int_equal(n, 1);
        bool nginx = strcmp(r.t->head.id, "nginx") == 0;
        assert_string_equal(at[0].host, nginx ? "::1" : "www.test");
        assert_int_equal(at[0].port, nginx ? 8443 : 443);
    }
    struct rig r = rig_begin("files");
    const struct verify_at *at;
    size_t n;
    const char *const bad[] = {"www.test", "www.test:", "www.test:0", "www.test:65536",
                               ":443",     "a b:443",   "[::1:443"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        char *json =
            arena_printf(r.a, "{\"combined_path\":\"/t/all.pem\",\"verify\":[\"%s\"]}", bad[i]);
        const void *place = RIG_PLACE(r.a, *r.t, json);
        assert_int_equal(r.t->endpoints(r.settings, place, r.a, &at, &n, &err), RC_INPUT);
        assert_string_equal(err.field, "verify");
    }
    rig_end(&r);
}

static void test_place_must_name_files(void **state)
{
    (void)state;
    struct rig r = rig_begin("files");
    struct plan p;
    const char *const place[] = {"{}", "{\"cert_path\":\"/t/c\"}", "{\"key_path\":\"/t/k\"}",
                                 "{\"cert_path\":\"/t/c\",\"key_path\":\"/t/c\"}"};
    const char *const field[] = {"cert_path", "key_path", "cert_path", "key_path"};
    for (size_t i = 0; i < COUNT_OF(place); i++) {
        struct err err = {0};
        assert_int_equal(
            r.t->plan(&r.ctx, r.settings, RIG_PLACE(r.a, *r.t, place[i]), &r.b, &p, &err),
            RC_INPUT);
        assert_string_equal(err.field, field[i]);
    }
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_changes_nothing),
        cmocka_unit_test(test_apply_twice_is_once),
        cmocka_unit_test(test_undo_restores_and_forget_cleans),
        cmocka_unit_test(test_undo_removes_what_was_not_there),
        cmocka_unit_test(test_failure_anywhere_then_undo),
        cmocka_unit_test(test_crash_anywhere_then_again),
        cmocka_unit_test(test_crash_inside_undo),
        cmocka_unit_test(test_failing_test_puts_back),
        cmocka_unit_test(test_links_and_directories_are_refused),
        cmocka_unit_test(test_a_foreign_change_is_left_alone),
        cmocka_unit_test(test_wrong_key_changes_nothing),
        cmocka_unit_test(test_no_receipt_no_change),
        cmocka_unit_test(test_late_or_cancelled),
        cmocka_unit_test(test_secrets_stay_out_of_texts),
        cmocka_unit_test(test_out_of_memory_anywhere),
        cmocka_unit_test(test_out_of_memory_besides_apply),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_place_must_name_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
