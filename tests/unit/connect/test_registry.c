/* The registry: complete, sorted, and the same set as the files beside the .def lines. */
#include <dirent.h>

#include "unit/connect/connect_rig.h"

#include "base/os/file.h"

static void test_registry_is_sound(void **state)
{
    (void)state;
    struct err err = {0};
    json_init();
    if (registry_check(&err) != RC_OK)
        fail_msg("%s", err.en);
    assert_true(registry_count(CONN_CA) >= 2);
    assert_ptr_equal(registry_at(CONN_CA, 0), &ca_find("acme")->head);
    assert_null(registry_at(CONN_CA, registry_count(CONN_CA)));
    assert_null(ca_find("nothing"));
    assert_null(ca_find(NULL));
    assert_null(target_find("acme")); /* kinds do not mix */
    assert_string_equal(challenge_find("http-01")->proof_type, "http-01");
    assert_non_null(notifier_find("smtp"));
}

/* Counts "const struct <type> <prefix>x = {" definitions and checks that each has its line. */
static size_t definitions(const char *dir, const char *type, const char *prefix, const char *def)
{
    char path[512], mark[128];
    size_t count = 0;
    AUTO(buf) struct buf lines = BUF(65536);
    snprintf(path, sizeof path, "%s/%s", dir, def);
    assert_int_equal(file_read(path, &lines, NULL), RC_OK);
    snprintf(mark, sizeof mark, "\nconst struct %s %s", type, prefix);
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (!str_ends(str_from(e->d_name), ".c"))
            continue;
        AUTO(buf) struct buf text = BUF(1 << 20);
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        assert_int_equal(file_read(path, &text, NULL), RC_OK);
        const char *at = strstr(buf_cstr(&text), mark);
        if (!at)
            continue;
        char name[64], line[80];
        assert_int_equal(sscanf(at + strlen(mark), "%63[a-z0-9_]", name), 1);
        snprintf(line, sizeof line, "(%s)\n", name);
        if (!strstr(buf_cstr(&lines), line))
            fail_msg("%s has no line in %s", e->d_name, def);
        count++;
    }
    closedir(d);
    return count;
}

static void test_every_file_has_its_line(void **state)
{
    (void)state;
    char root[256] = INRO_TEST_DATA; /* <source>/tests/data */
    root[strlen(root) - strlen("tests/data")] = 0;
    char dir[5][512];
    const char *const folder[] = {"ca", "challenge", "dns", "target", "notify"};
    for (int i = 0; i < 5; i++)
        snprintf(dir[i], sizeof dir[i], "%ssrc/connect/%s", root, folder[i]);
    assert_int_equal(definitions(dir[0], "ca_ops", "ca_", "cas.def"), registry_count(CONN_CA));
    assert_int_equal(definitions(dir[1], "challenge_ops", "challenge_", "challenges.def"),
                     registry_count(CONN_CHALLENGE));
    assert_int_equal(definitions(dir[2], "dns_ops", "dns_", "dns.def"), registry_count(CONN_DNS));
    assert_int_equal(definitions(dir[3], "target_ops", "target_", "targets.def"),
                     registry_count(CONN_TARGET));
    assert_int_equal(definitions(dir[4], "notifier_ops", "notifier_", "notifiers.def"),
                     registry_count(CONN_NOTIFIER));
}

static void test_manual_in_both_languages(void **state)
{
    (void)state;
    AUTO(buf) struct buf en = BUF(1 << 20);
    AUTO(buf) struct buf ja = BUF(1 << 20);
    registry_markdown("en", &en);
    registry_markdown("ja", &ja);
    assert_int_equal(en.bad, RC_OK);
    assert_non_null(strstr(buf_cstr(&en), "### nginx (`nginx`)"));
    assert_non_null(strstr(buf_cstr(&en), "key_path"));
    assert_non_null(strstr(buf_cstr(&ja), "## 認証局"));
    assert_null(strstr(buf_cstr(&ja), "## Certificate authorities"));
}

static void test_alive(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct ctx ctx = rig_ctx(a);
    struct err err = {0};
    assert_int_equal(ctx_alive(&ctx, &err), RC_OK);
    ctx.deadline = clock_mono(ctx.clock) + 1;
    assert_int_equal(ctx_alive(&ctx, &err), RC_OK);
    ctx.deadline = clock_mono(ctx.clock);
    assert_int_equal(ctx_alive(&ctx, &err), RC_TIMEOUT);
    rig_cancel = true;
    assert_int_equal(ctx_alive(&ctx, &err), RC_CANCELLED);
    assert_string_equal(ctx_place(&ctx, "password"), "connector/7/password");
    AUTO(buf) struct buf out = BUF_SECRET(100);
    assert_int_equal(ctx_secret(&ctx, "password", (struct secret_ref){NULL}, &out, &err), RC_INPUT);
    assert_string_equal(err.field, "password");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_is_sound),
        cmocka_unit_test(test_every_file_has_its_line),
        cmocka_unit_test(test_manual_in_both_languages),
        cmocka_unit_test(test_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
