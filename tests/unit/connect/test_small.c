/* The private CA, the two http-01 solvers, and this machine as a host. */
#include <sys/stat.h>
#include <unistd.h>

#include "unit/connect/connect_rig.h"

static enum rc private_issue(struct ctx *ctx, const void *set, const struct json *state,
                             int64_t not_after, struct ca_step *ret, struct err *err)
{
    static const char *const names[] = {"www.inside.test", "*.inside.test", "192.0.2.7"};
    static char spki_mem[4096];
    AUTO(buf) struct buf spki = BUF(4096);
    const char *sealed;
    TRY(vault_generate(NULL, VAULT_TLS_KEY, "", KEY_EC256, ctx->arena, &sealed, &spki, err));
    memcpy(spki_mem, spki.p, spki.len);
    struct ca_order o = {
        .names = names, .name_count = 3, .spki = {spki_mem, spki.len}, .not_after = not_after};
    return ca_find("private")->step(ctx, set, state, &o, ret, err);
}

static void test_private_ca(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct ctx ctx = rig_ctx(a);
    struct err err = {0};
    struct ca_step st = {0};
    const struct ca_ops *ca = ca_find("private");
    const void *set = RIG_SETTINGS(a, *ca, "{\"organization\":\"Example KK\"}");
    assert_int_equal(private_issue(&ctx, set, NULL, 0, &st, &err), RC_AUTH);
    assert_int_equal(ca->setup(&ctx, set, NULL, &err), RC_OK);
    AUTO(json) struct json *acc = NULL;
    assert_int_equal(json_parse(str_from(rig_state), &acc, NULL), RC_OK);
    int saves = rig_saves;
    assert_int_equal(ca->setup(&ctx, set, acc, &err), RC_OK);
    assert_int_equal(rig_saves, saves); /* never a second root */
    assert_int_equal(private_issue(&ctx, set, acc, 0, &st, &err), RC_OK);
    assert_int_equal(st.verdict, CA_DONE);

    struct str root;
    bool any;
    assert_int_equal(ca->roots(&ctx, set, acc, &root, &any, &err), RC_OK);
    assert_false(any);
    struct cert_list chain;
    assert_int_equal(cert_parse_pem(st.chain_pem, true, a, &chain, &err), RC_OK);
    assert_int_equal(chain.n, 2);
    int64_t now = clock_now(&rig_clock);
    if (chain_verify(&chain, root, false, now, &err) != RC_OK)
        fail_msg("%s", err.en);
    assert_true(cert_covers(&chain.v[0], "a.inside.test"));
    assert_true(cert_covers(&chain.v[0], "192.0.2.7"));
    assert_false(chain.v[0].is_ca);
    assert_int_equal(chain.v[0].not_after - now, 90 * USEC_PER_DAY);

    assert_int_equal(private_issue(&ctx, set, acc, now + 3 * USEC_PER_DAY, &st, &err), RC_OK);
    assert_int_equal(cert_parse_pem(st.chain_pem, true, a, &chain, &err), RC_OK);
    assert_int_equal(chain.v[0].not_after - now, 3 * USEC_PER_DAY);
    assert_int_equal(private_issue(&ctx, set, acc, now, &st, &err), RC_INPUT);
    assert_int_equal(private_issue(&ctx, set, acc, now + 4000 * USEC_PER_DAY, &st, &err), RC_OK);
    assert_int_equal(cert_parse_pem(st.chain_pem, true, a, &chain, &err), RC_OK);
    assert_int_equal(chain.v[0].not_after - now, 825 * USEC_PER_DAY);
    rig_clock.offset += 6 * 366 * USEC_PER_DAY; /* the intermediate is over */
    assert_int_equal(private_issue(&ctx, set, acc, 0, &st, &err), RC_CONFLICT);
    rig_clock.offset -= 6 * 366 * USEC_PER_DAY;
    rig_forget();
}

static void test_webroot(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct ctx ctx = rig_ctx(a);
    ctx.host_open = rig_host_open;
    struct err err = {0};
    const char *kept = NULL, *file = "/w/.well-known/acme-challenge/tok";
    const struct challenge_ops *c = challenge_find("http-01-webroot");
    const void *set = RIG_SETTINGS(a, *c, "{\"directory\":\"/w\"}");
    struct proof p = {"http-01", "www.test", false, "tok", "tok.thumb"};
    memset(rig_files, 0, sizeof rig_files);
    rig_fail_op = 0;
    assert_int_equal(c->present(&ctx, set, &p, &kept, &err), RC_INPUT);
    assert_string_equal(err.field, "directory");
    rig_dir("/w");
    assert_int_equal(c->cleanup(&ctx, set, &p, "{}", &err), RC_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(c->present(&ctx, set, &p, &kept, &err), RC_OK);
        assert_string_equal(rig_find(file)->data, "tok.thumb");
        assert_int_equal(rig_find(file)->mode, 0644);
    }
    rig_find(file)->link = true; /* replaced, not followed */
    assert_int_equal(c->present(&ctx, set, &p, &kept, &err), RC_OK);
    assert_false(rig_find(file)->link);
    assert_int_equal(c->cleanup(&ctx, set, &p, kept, &err), RC_OK);
    assert_null(rig_find(file));
    rig_put(file, "not ours", 0644, 0);
    assert_int_equal(c->cleanup(&ctx, set, &p, kept, &err), RC_OK);
    assert_non_null(rig_find(file));
    p.token = "../../x";
    assert_int_equal(c->present(&ctx, set, &p, &kept, &err), RC_REMOTE);
    p.token = "tok";
    rig_find("/w/.well-known")->link = true;
    rig_find("/w/.well-known")->dir = false;
    assert_int_equal(c->present(&ctx, set, &p, &kept, &err), RC_INPUT);
    assert_int_equal(rig_open_hosts, 0);
}

/* A challenge's settings, and where its secrets are, from what a certificate keeps of it. */
static void test_kept(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(json) struct json *with = NULL, *without = NULL;
    struct ctx ctx = rig_ctx(a);
    const char *settings = NULL;
    assert_int_equal(json_parse(STR("{\"type\":\"x\",\"vault\":\"0a\",\"host\":\"h\",\"port\":22}"),
                                &with, NULL),
                     RC_OK);
    assert_int_equal(json_parse(STR("{\"type\":\"x\",\"host\":\"h\"}"), &without, NULL), RC_OK);
    assert_int_equal(challenge_kept(with, a, &settings, &ctx.place_base, NULL), RC_OK);
    assert_string_equal(settings, "{\"host\":\"h\",\"port\":22}");
    assert_string_equal(ctx.place_base, "challenge/0a");
    assert_string_equal(ctx_place(&ctx, "private_key"), "challenge/0a/private_key");
    assert_int_equal(challenge_kept(without, a, &settings, &ctx.place_base, NULL), RC_OK);
    assert_string_equal(settings, "{\"host\":\"h\"}");
    assert_null(ctx.place_base);
    ctx.connector_id = 7;
    assert_string_equal(ctx_place(&ctx, "private_key"), "connector/7/private_key");
}

static char put_token[64];
static enum rc put(struct ctx *ctx, const char *token, const char *key_auth, struct err *err)
{
    (void)ctx, (void)err;
    snprintf(put_token, sizeof put_token, "%s=%s", token, key_auth);
    return RC_OK;
}
static enum rc take(struct ctx *ctx, const char *token, struct err *err)
{
    (void)ctx, (void)token;
    if (!put_token[0])
        return FAIL(err, RC_NOT_FOUND, BLAME_US, MSG("test.none", "none", "なし"));
    put_token[0] = 0;
    return RC_OK;
}

static void test_http01(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct ctx ctx = rig_ctx(a);
    ctx.answer_put = put;
    ctx.answer_remove = take;
    const struct challenge_ops *c = challenge_find("http-01");
    struct proof p = {"http-01", "www.test", false, "tok", "tok.thumb"};
    const char *kept = NULL;
    assert_int_equal(c->present(&ctx, NULL, &p, &kept, NULL), RC_OK);
    assert_string_equal(put_token, "tok=tok.thumb");
    assert_int_equal(c->cleanup(&ctx, NULL, &p, kept, NULL), RC_OK);
    assert_int_equal(c->cleanup(&ctx, NULL, &p, kept, NULL), RC_OK); /* absent is success */
}

static void test_this_machine(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct ctx ctx = rig_ctx(a);
    ctx.clock = clock_real();
    struct err err = {0};
    char dir[] = "/tmp/inro-host-XXXXXX";
    assert_non_null(mkdtemp(dir));
    AUTO(host) struct host *h = NULL;
    struct host_settings s = {.via = "local"};
    assert_int_equal(host_open(&ctx, &s, &h, &err), RC_OK);
    const char *f = arena_printf(a, "%s/f", dir), *g = arena_printf(a, "%s/g", dir);
    struct host_stat st;
    AUTO(buf) struct buf b = BUF(100);
    assert_int_equal(h->ops->lstat(h, f, &st, &err), RC_OK);
    assert_false(st.exists);
    assert_int_equal(h->ops->write_new(h, f, STR("one"), 0640, -1, -1, &err), RC_OK);
    assert_int_not_equal(h->ops->write_new(h, f, STR("two"), 0640, -1, -1, &err), RC_OK);
    assert_int_equal(h->ops->lstat(h, f, &st, &err), RC_OK);
    assert_true(st.is_file && !st.is_link && st.mode == 0640 && st.size == 3);
    assert_int_equal(h->ops->replace(h, f, g, &err), RC_OK);
    assert_int_equal(h->ops->read(h, g, &b, &err), RC_OK);
    assert_string_equal(buf_cstr(&b), "one");
    assert_int_equal(symlink(g, f), 0);
    assert_int_equal(h->ops->lstat(h, f, &st, &err), RC_OK);
    assert_true(st.is_link && !st.is_file);
    assert_int_not_equal(h->ops->read(h, f, &b, &err), RC_OK);
    assert_int_not_equal(h->ops->write_new(h, f, STR("x"), 0644, -1, -1, &err), RC_OK);
    AUTO(buf) struct buf small = BUF(2);
    assert_int_equal(h->ops->read(h, g, &small, &err), RC_NOMEM);
    int status = -1;
    const char *const argv[] = {"printf", "%s", "$HOME;`id`", NULL};
    AUTO(buf) struct buf out = BUF(100);
    assert_int_equal(h->ops->exec(h, argv, &out, &status, &err), RC_OK);
    assert_string_equal(buf_cstr(&out), "$HOME;`id`"); /* no shell */
    const char *const slow[] = {"sleep", "30", NULL};
    ctx.deadline = clock_mono(ctx.clock) + 200 * USEC_PER_MSEC;
    assert_int_equal(h->ops->exec(h, slow, &out, &status, &err), RC_TIMEOUT);
    assert_int_equal(h->ops->unlink(h, f, &err), RC_OK);
    assert_int_equal(h->ops->unlink(h, f, &err), RC_OK);
    assert_int_equal(h->ops->unlink(h, g, &err), RC_OK);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_ca),   cmocka_unit_test(test_webroot),
        cmocka_unit_test(test_kept),         cmocka_unit_test(test_http01),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
