/*
 * The contract of what connectors do, over every row of the registry and every act of its kind: a
 * step that is late or called off touches nothing; whatever the world answers, the outcome is a
 * success or an error a person can read; no secret in any of it; doing it twice equals once; no
 * allocation's failure does harm. Targets have more: test_targets.c.
 */
#include "contract/rows.h"

/* ---- the world: counts who touches it, and is as kind or rotten as the test says ---- */
enum weather { FAIR, HTML, GARBAGE, CUT, EMPTY, UNREACHED, WEATHERS };
static enum weather weather;
static int touched;
static struct {
    char token[64], value[64];
    int n;
} answers[4];

static enum rc w_http(struct ctx *ctx, struct str roots, const struct http_request *req,
                      struct http_response *ret, struct err *err)
{
    static const char *const bodies[] = {[HTML] = "<html>proxy</html>",
                                         [GARBAGE] = "\xff\x00{",
                                         [CUT] = "{\"newNonce\":",
                                         [EMPTY] = ""};
    struct url u;
    (void)roots;
    touched++;
    assert_true(str_starts(str_from(req->url), "https://"));
    assert_null(strstr(req->url, rig_secret));
    if (weather == UNREACHED)
        return FAIL(err, RC_NET, BLAME_NETWORK, MSG("test.net", "unreachable", "接続不能"));
    TRY(url_parse(req->url, ctx->arena, &u, err));
    const char *body = weather == FAIR
                           ? arena_printf(ctx->arena,
                                          "{\"newNonce\":\"https://%s/n\",\"newAccount\":"
                                          "\"https://%s/a\",\"newOrder\":\"https://%s/o\"}",
                                          u.host, u.host, u.host)
                           : bodies[weather];
    if (!body)
        return NOMEM(err);
    *ret = (struct http_response){.status = weather == HTML ? 502 : 200, .body = str_from(body)};
    return RC_OK;
}

static enum rc w_host(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                      struct err *err)
{
    touched++;
    return rig_host_open(ctx, s, ret, err);
}

static enum rc w_smtp(struct ctx *ctx, const struct smtp_mail *m, const char **ret_reply,
                      struct err *err)
{
    (void)ctx;
    touched++;
    AUTO(buf) struct buf text = BUF(1 << 20);
    buf_addstr(&text, m->message);
    TRY(buf_ok(&text, err));
    assert_null(strstr(buf_cstr(&text), rig_secret));
    if (weather != FAIR)
        return FAIL(err, RC_REMOTE, BLAME_REMOTE, MSG("test.smtp", "no", "拒否"));
    *ret_reply = "250 kept";
    return RC_OK;
}

static enum rc w_answer_put(struct ctx *ctx, const char *token, const char *value, struct err *err)
{
    (void)ctx, (void)err;
    touched++;
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (!answers[i].n || strcmp(answers[i].token, token) == 0) {
            snprintf(answers[i].token, sizeof answers[i].token, "%s", token);
            snprintf(answers[i].value, sizeof answers[i].value, "%s", value);
            answers[i].n = 1;
            return RC_OK;
        }
    fail_msg("more answers than were asked for");
    return RC_INTERNAL;
}

static enum rc w_answer_remove(struct ctx *ctx, const char *token, struct err *err)
{
    (void)ctx;
    touched++;
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (answers[i].n && strcmp(answers[i].token, token) == 0) {
            memset(&answers[i], 0, sizeof answers[i]);
            return RC_OK;
        }
    return FAIL(err, RC_NOT_FOUND, BLAME_US, MSG("test.none", "none", "なし"));
}

/* ---- the acts ---- */
struct scene {
    const struct conn_head *head;
    enum conn_kind kind;
    struct ctx ctx;
    const void *settings;
    const char *said; /* what the act told about itself */
};

static enum rc act_check(struct scene *s, struct err *err)
{
    struct l10n seen = {NULL, NULL};
    enum rc rc = s->head->check(&s->ctx, s->settings, &seen, err);
    if (seen.en)
        s->said = arena_printf(s->ctx.arena, "%s %s", seen.en, seen.ja);
    return rc;
}

static enum rc act_setup(struct scene *s, struct err *err)
{
    const struct ca_ops *o = ca_find(s->head->id);
    return o->setup ? o->setup(&s->ctx, s->settings, NULL, err) : ctx_alive(&s->ctx, err);
}

static enum rc act_step(struct scene *s, struct err *err)
{
    static const char *const names[] = {"www.test"}, *const types[] = {"http-01"};
    struct ca_order order = {.id = 3,
                             .names = names,
                             .name_count = 1,
                             .csr_der = STR("not read before the order is made"),
                             .spki = STR("nor this"),
                             .proof_types = types,
                             .proof_type_count = 1};
    struct ca_step ret = {0};
    return ca_find(s->head->id)->step(&s->ctx, s->settings, NULL, &order, &ret, err);
}

static const struct proof proof = {"http-01", "www.test", false, "tok-EN_1", "tok-EN_1.thumb"};

static enum rc act_present(struct scene *s, struct err *err)
{
    return challenge_find(s->head->id)->present(&s->ctx, s->settings, &proof, &s->said, err);
}

static enum rc act_cleanup(struct scene *s, struct err *err)
{
    return challenge_find(s->head->id)->cleanup(&s->ctx, s->settings, &proof, "{}", err);
}

static enum rc act_zone(struct scene *s, struct err *err)
{
    return dns_find(s->head->id)->zone_of(&s->ctx, s->settings, "www.test", &s->said, err);
}

static enum rc act_txt_set(struct scene *s, struct err *err)
{
    return dns_find(s->head->id)
        ->txt_set(&s->ctx, s->settings, "test", "_acme-challenge.www.test", "value", 60, err);
}

static enum rc act_txt_clear(struct scene *s, struct err *err)
{
    return dns_find(s->head->id)
        ->txt_clear(&s->ctx, s->settings, "test", "_acme-challenge.www.test", "value", err);
}

static enum rc act_send(struct scene *s, struct err *err)
{
    const struct notice_text n = {.event = "cert.expires",
                                  .lang = notifier_find(s->head->id)->lang(s->settings),
                                  .subject = "証明書の期限 \r\nBcc: <x@y.test>",
                                  .body = "one\ntwo\n.\n",
                                  .dedup_key = "k",
                                  .at = clock_now(s->ctx.clock)};
    assert_true(strcmp(n.lang, "ja") == 0 || strcmp(n.lang, "en") == 0);
    return notifier_find(s->head->id)->send(&s->ctx, s->settings, &n, &s->said, err);
}

static enum rc act_mark(struct scene *s, struct err *err)
{
    int64_t seen = -1;
    enum rc rc = backup_find(s->head->id)->mark(&s->ctx, s->settings, "inst", 5, &seen, err);
    assert_true(rc != RC_OK || seen == 0 || seen == 5);
    return rc;
}

static enum rc act_remove(struct scene *s, struct err *err)
{
    return backup_find(s->head->id)->remove(&s->ctx, s->settings, "gone.inrobak", err);
}

/* Every field of the place given; made beforehand, so that no injected failure meets the test. */
static struct row_case places[ROW_TABLES];

static enum rc act_plan(struct scene *s, struct err *err)
{
    static const struct cert_info leaf;
    const struct bundle b = {.cert_name = "www", .version_id = 1, .leaf = &leaf};
    struct plan p = {0};
    size_t i = 0;
    while (row_tables[i].head != s->head || !places[i].settings)
        i++;
    return target_find(s->head->id)->plan(&s->ctx, s->settings, places[i].settings, &b, &p, err);
}

static const struct act {
    const char *name;
    enum conn_kind kind; /* CONN_KINDS: all */
    enum rc (*run)(struct scene *s, struct err *err);
    bool looks_only;   /* leaves everything as it was */
    bool even_if_late; /* takes away what is ours, which a step that is called off may still do */
} acts[] = {
    {"check", CONN_KINDS, act_check, true, false},
    {"setup", CONN_CA, act_setup, false, false},
    {"step", CONN_CA, act_step, false, false},
    {"present", CONN_CHALLENGE, act_present, false, false},
    {"cleanup", CONN_CHALLENGE, act_cleanup, false, true},
    {"zone_of", CONN_DNS, act_zone, true, false},
    {"txt_set", CONN_DNS, act_txt_set, false, false},
    {"txt_clear", CONN_DNS, act_txt_clear, false, false},
    {"plan", CONN_TARGET, act_plan, true, false},
    {"send", CONN_NOTIFIER, act_send, false, false},
    {"mark", CONN_BACKUP, act_mark, false, false},
    {"remove", CONN_BACKUP, act_remove, false, false},
};

/* ---- one act of one row ---- */
static void world_reset(const struct row_case *c)
{
    weather = FAIR;
    touched = 0;
    rig_forget();
    memset(rig_files, 0, sizeof rig_files);
    memset(answers, 0, sizeof answers);
    rig_ops = rig_fail_op = rig_test_status = 0;
    EACH_FIELD(c->t, i)
    {
        const struct field *f = &c->t->fields[i];
        if (f->type == FIELD_T_PATH && (f->flags & FIELD_REQUIRED))
            rig_dir(*(const char *const *)((const char *)c->settings + f->offset));
    }
}

static struct ctx world_ctx(struct arena *a)
{
    struct ctx ctx = rig_ctx(a);
    ctx.http = w_http;
    ctx.host_open = w_host;
    ctx.smtp = w_smtp;
    ctx.answer_put = w_answer_put;
    ctx.answer_remove = w_answer_remove;
    return ctx;
}

/* Settings of a row: what is required, with mail addresses where they are meant. */
static struct row_case settings_of(const struct table *t)
{
    struct row_case c = row_begin(t);
    EACH_FIELD(t, i)
    if (t->fields[i].type == FIELD_T_SECRET) /* so that there is one to leak */
        row_want(&c, i);
    row_accepted(&c, 0, "what is required");
    return c;
}

static void assert_readable(const struct scene *s, const char *act, enum rc rc,
                            const struct err *err)
{
    char text[2][4096];
    if (rc == RC_OK)
        return;
    err_text(err, "en", text[0], sizeof text[0]);
    err_text(err, "ja", text[1], sizeof text[1]);
    if (err->rc != rc || !err->en[0] || !err->ja[0] || !err->id[0])
        fail_msg("%s of %s: no words for %s", act, s->head->id, rc_name(rc));
    for (int i = 0; i < 2; i++) {
        assert_null(strstr(text[i], rig_secret));
        assert_null(strpbrk(text[i], "\n\r\x1b"));
    }
}

static void assert_tidy(const struct scene *s, const char *act)
{
    if (rig_open_hosts != 0)
        fail_msg("%s of %s left %d hosts open", act, s->head->id, rig_open_hosts);
    const char *const texts[] = {s->said, rig_state, rig_receipt, rig_activity};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_true(!texts[i] || !strstr(texts[i], rig_secret));
}

static enum rc play(const struct row_case *c, const struct act *act, int64_t deadline, bool cancel,
                    struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct scene s = {.head = c->t->head, .kind = c->t->kind, .settings = c->settings};
    *err = (struct err){0};
    if (!a)
        return NOMEM(err);
    s.ctx = world_ctx(a);
    s.ctx.deadline = deadline;
    rig_cancel = cancel;
    enum rc rc = act->run(&s, err);
    rig_cancel = false;
    assert_readable(&s, act->name, rc, err);
    assert_tidy(&s, act->name);
    return rc;
}

#define EACH_ACT(t, act)                                                                           \
    EACH_TABLE(t)                                                                                  \
    for (const struct act *act = acts; act < acts + COUNT_OF(acts); act++)                         \
        if (strcmp((t)->what, "settings") == 0 &&                                                  \
            (act->kind == CONN_KINDS || act->kind == (t)->kind))

static void test_late_or_called_off_touches_nothing(void **state)
{
    (void)state;
    EACH_ACT(t, act)
    {
        struct err err;
        AUTO(row_case) struct row_case c = settings_of(t);
        if (act->even_if_late)
            continue;
        for (int cancel = 0; cancel < 2; cancel++) {
            world_reset(&c);
            int saves = rig_saves;
            enum rc want = cancel ? RC_CANCELLED : RC_TIMEOUT;
            enum rc rc = play(&c, act, cancel ? 0 : clock_mono(&rig_clock), cancel, &err);
            if (rc != want)
                fail_msg("%s of %s %s: %s instead of %s", act->name, conn_kind_name(t->kind),
                         t->head->id, rc_name(rc), rc_name(want));
            assert_int_equal(touched + rig_ops + rig_releases + rig_key_count, 0);
            assert_int_equal(rig_saves, saves);
        }
    }
}

static void test_looking_changes_nothing(void **state)
{
    (void)state;
    static struct rig_file before[RIG_FILES];
    EACH_ACT(t, act)
    {
        struct err err;
        AUTO(row_case) struct row_case c = settings_of(t);
        if (!act->looks_only)
            continue;
        world_reset(&c);
        memcpy(before, rig_files, sizeof before);
        int saves = rig_saves;
        for (int i = 0; i < 2; i++)
            (void)play(&c, act, 0, false, &err);
        for (int i = 0; i < RIG_FILES; i++) {
            assert_int_equal(rig_files[i].used, before[i].used);
            assert_true(!before[i].used ||
                        memcmp(&rig_files[i], &before[i], sizeof before[i]) == 0);
        }
        assert_int_equal(rig_saves, saves);
        assert_int_equal(rig_reloads, 0);
        assert_int_equal(answers[0].n, 0);
    }
}

static void test_twice_is_once(void **state)
{
    (void)state;
    static struct rig_file once[RIG_FILES];
    EACH_ACT(t, act)
    {
        struct err err;
        AUTO(row_case) struct row_case c = settings_of(t);
        if (act->kind != CONN_CHALLENGE && act->kind != CONN_BACKUP)
            continue;
        world_reset(&c);
        if (play(&c, act, 0, false, &err) != RC_OK)
            fail_msg("%s of %s: %s", act->name, t->head->id, err.en);
        memcpy(once, rig_files, sizeof once);
        int first = answers[0].n;
        assert_int_equal(play(&c, act, 0, false, &err), RC_OK);
        assert_memory_equal(rig_files, once, sizeof once);
        assert_int_equal(answers[0].n, first);
        assert_int_equal(answers[1].n, 0);
    }
}

static void test_any_weather_gives_readable_errors(void **state)
{
    (void)state;
    EACH_ACT(t, act)
    for (int w = 0; w < WEATHERS; w++) {
        struct err err;
        AUTO(row_case) struct row_case c = settings_of(t);
        world_reset(&c);
        weather = (enum weather)w;
        enum rc rc = play(&c, act, 0, false, &err);
        if (w != FAIR && act->run == act_check && t->kind == CONN_CA && touched)
            assert_int_not_equal(rc, RC_OK); /* garbage is not taken for an answer */
    }
}

static void test_a_failing_host_is_left_tidy(void **state)
{
    (void)state;
    EACH_ACT(t, act)
    {
        struct err err;
        AUTO(row_case) struct row_case c = settings_of(t);
        world_reset(&c);
        enum rc fair = play(&c, act, 0, false, &err);
        int n = rig_ops;
        for (int i = 1; i <= n; i++) {
            world_reset(&c);
            rig_fail_op = i;
            enum rc rc = play(&c, act, 0, false, &err);
            if (fair == RC_OK && rc == RC_OK)
                fail_msg("%s of %s: operation %d of %d failed unnoticed", act->name, t->head->id, i,
                         n);
            rig_fail_op = 0;
            assert_int_equal(play(&c, act, 0, false, &err), fair); /* nothing is in the way */
        }
    }
}

static void fits_or_names_it(const struct row_case *c)
{
    struct scene s = {.head = c->t->head};
    struct err err = {0};
    int before = touched + rig_releases;
    enum rc rc = c->t->head->fit(c->settings, &err);
    assert_int_equal(touched + rig_releases, before);
    assert_readable(&s, "fit", rc, &err);
    if (rc == RC_OK)
        return;
    assert_int_equal(rc, RC_INPUT);
    EACH_FIELD(c->t, i)
    if (strcmp(c->t->fields[i].name, err.field) == 0)
        return;
    fail_msg("fit of %s: %s is no setting: %s", c->t->head->id, err.field, err.en);
}

/* What the table cannot say names a field of the table, and asks nobody. */
static void test_settings_that_do_not_fit_are_named(void **state)
{
    (void)state;
    EACH_TABLE(t)
    for (size_t i = 0; i < t->n && strcmp(t->what, "settings") == 0 && t->head->fit; i++) {
        AUTO(row_case) struct row_case c = row_begin(t);
        row_want(&c, i);
        row_accepted(&c, i, "what is required");
        fits_or_names_it(&c);
        c.given[i] = sample_of_field(&t->fields[i], c.a);
        row_accepted(&c, i, "and this one");
        fits_or_names_it(&c);
    }
}

static void test_out_of_memory_anywhere(void **state)
{
    (void)state;
    EACH_ACT(t, act)
    {
        struct err err;
        AUTO(row_case) struct row_case c = settings_of(t);
        world_reset(&c);
        long before = mem_count();
        enum rc fair = play(&c, act, 0, false, &err);
        long n = mem_count() - before;
        for (long i = 1; i <= n; i++) {
            world_reset(&c);
            mem_fail_after(i, false);
            enum rc rc = play(&c, act, 0, false, &err);
            mem_fail_after(0, false);
            assert_int_equal(play(&c, act, 0, false, &err), fair);
            if (rc == RC_OK && fair != RC_OK)
                fail_msg("%s of %s: success without memory", act->name, t->head->id);
        }
    }
    rig_forget();
}

static int begin(void **state)
{
    AUTO(arena) struct arena *a = arena_create(0);
    (void)rows_load(state);
    (void)rig_ctx(a);
    for (size_t t = 0; t < row_table_count; t++) {
        struct row_case *c = &places[t];
        if (strcmp(row_tables[t].what, "place") != 0)
            continue;
        *c = row_begin(&row_tables[t]);
        EACH_FIELD(c->t, i)
        if (!c->t->fields[i].only_if)
            c->given[i] = sample_of_field(&c->t->fields[i], c->a);
        row_accepted(c, 0, "every field of the place");
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t t = 0; t < row_table_count; t++)
        row_case_cleanup(&places[t]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_or_called_off_touches_nothing),
        cmocka_unit_test(test_looking_changes_nothing),
        cmocka_unit_test(test_twice_is_once),
        cmocka_unit_test(test_any_weather_gives_readable_errors),
        cmocka_unit_test(test_a_failing_host_is_left_tidy),
        cmocka_unit_test(test_settings_that_do_not_fit_are_named),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
