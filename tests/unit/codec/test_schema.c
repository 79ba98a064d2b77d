/* Field tables: decoding with its refusals and limits at the edge, secrets, encoding, checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/schema.h"

struct demo {
    const char *host, *auth, *user, *note, *url, *path, *ca;
    int64_t port, wait, size, count;
    bool fast;
    struct str_list tags;
    struct secret_ref password, key;
};

static const struct field_choice auths[] = {{"none", {"None", "なし"}},
                                            {"password", {"Password", "パスワード"}},
                                            {"key", {"Key", "鍵"}},
                                            {NULL, {NULL, NULL}}};

static const struct field demo_fields[] = {
    FIELD_HOST(struct demo, host, .flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
               .label = {"Server", "サーバー"}, .help = {"Where to | go", "接続先"},
               .example = "mail.example.jp"),
    FIELD_PORT(struct demo, port, .dflt = "587", .label = {"Port", "ポート"}),
    FIELD_ENUM(struct demo, auth, .dflt = "none", .choices = auths, .label = {"Login", "認証"}),
    FIELD_STR(struct demo, user, .flags = FIELD_REQUIRED, .only_if = "auth=password|key", .min = 2,
              .max = 8, .label = {"User", "ユーザー"}),
    FIELD_SECRET(struct demo, password, .flags = FIELD_REQUIRED, .only_if = "auth=password",
                 .min = 4, .max = 16, .label = {"Password", "パスワード"}),
    FIELD_SECRET(struct demo, key, .flags = FIELD_MULTILINE, .only_if = "auth=key",
                 .label = {"Key", "秘密鍵"}),
    FIELD_TEXT(struct demo, note, .flags = FIELD_ADVANCED, .label = {"Note", "メモ"}),
    FIELD_URL(struct demo, url, .label = {"Link", "リンク"}),
    FIELD_PATH(struct demo, path, .label = {"Path", "パス"}),
    FIELD_REF(struct demo, ca, .ref_kind = "ca", .label = {"CA", "認証局"}),
    FIELD_SECS(struct demo, wait, .dflt = "90s", .min = 10, .max = 3600, .label = {"Wait", "待機"}),
    FIELD_BYTES(struct demo, size, .dflt = "64k", .label = {"Size", "大きさ"}),
    FIELD_INT(struct demo, count, .min = 1, .max = 5, .label = {"Count", "個数"}),
    FIELD_BOOL(struct demo, fast, .label = {"Fast", "高速"}),
    FIELD_LIST(struct demo, tags, .dflt = "a, b", .max = 3, .label = {"Tags", "タグ"}),
    FIELD_END,
};

static enum rc seal(void *ctx, const char *field, struct str clear, struct arena *a,
                    const char **ret_sealed, struct err *err)
{
    int *calls = ctx;
    if (str_eqs(clear, "vault-down"))
        return FAIL(err, RC_BUSY, BLAME_US, MSG("t.down", "vault down", "停止中"));
    (*calls)++;
    *ret_sealed = arena_printf(a, "sealed-%s-%zu", field, clear.n);
    return *ret_sealed ? RC_OK : NOMEM(err);
}

struct ctx {
    struct arena *a;
    int sealed;
    struct secret_sink sink;
    struct json *in, *before;
    struct demo d;
    struct err err;
};

static void ctx_cleanup(struct ctx *c)
{
    arena_destroy(c->a);
    json_free(c->in);
    json_free(c->before);
}

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    if (text && json_parse(str_from(text), &j, NULL) != RC_OK)
        fail_msg("bad test JSON: %s", text);
    return j;
}

static enum rc decode2(struct ctx *c, const char *in, const char *before, bool sink)
{
    ctx_cleanup(c);
    *c = (struct ctx){.a = arena_create(0), .in = parse(in), .before = parse(before)};
    c->sink = (struct secret_sink){seal, &c->sealed};
    return schema_decode(demo_fields, c->in, c->before, sink ? &c->sink : NULL, c->a, &c->d,
                         &c->err);
}

static enum rc decode(struct ctx *c, const char *in)
{
    return decode2(c, in, NULL, true);
}

static void refused(const char *in, const char *field, const char *id)
{
    AUTO(ctx) struct ctx c = {0};
    if (decode(&c, in) != RC_INPUT)
        fail_msg("accepted: %s", in);
    assert_string_equal(c.err.field, field);
    assert_string_equal(c.err.id, id);
    assert_int_equal(c.err.blame, BLAME_INPUT);
    assert_true(c.err.en[0] && strcmp(c.err.en, c.err.ja) != 0);
    assert_null(strchr(c.err.en, '{'));
    assert_null(strchr(c.err.ja, '{'));
}

static void accepted(const char *in)
{
    AUTO(ctx) struct ctx c = {0};
    if (decode(&c, in) != RC_OK)
        fail_msg("refused: %s: %s", in, c.err.en);
}

static void the_demo_table_is_sound(void **state)
{
    (void)state;
    struct err err = {0};
    if (schema_check("demo", demo_fields, &err) != RC_OK)
        fail_msg("%s", err.en);
}

static void defaults_fill_what_is_absent(void **state)
{
    (void)state;
    AUTO(ctx) struct ctx c = {0};
    assert_int_equal(decode(&c, "{\"host\":\"h.example\",\"url\":null,\"note\":\"\"}"), RC_OK);
    assert_string_equal(c.d.host, "h.example");
    assert_int_equal(c.d.port, 587);
    assert_string_equal(c.d.auth, "none");
    assert_null(c.d.user);
    assert_null(c.d.url);
    assert_null(c.d.note);
    assert_null(c.d.password.sealed);
    assert_int_equal(c.d.wait, 90);
    assert_int_equal(c.d.size, 65536);
    assert_int_equal(c.d.count, 0);
    assert_false(c.d.fast);
    assert_int_equal(c.d.tags.n, 2);
    assert_string_equal(c.d.tags.v[1], "b");
}

static void every_type_is_read(void **state)
{
    (void)state;
    AUTO(ctx) struct ctx c = {0};
    assert_int_equal(decode(&c, "{\"host\":\"2001:db8::1\",\"port\":25,\"auth\":\"password\","
                                "\"user\":\"利用\",\"password\":\"hunter2\",\"note\":\"a\\nb\","
                                "\"url\":\"https://a.example:8443/x?y=z\",\"path\":\"/etc/ssl\","
                                "\"ca\":\"letsencrypt\",\"wait\":\"15m\",\"size\":10,\"count\":5,"
                                "\"fast\":true,\"tags\":[]}"),
                     RC_OK);
    assert_string_equal(c.d.user, "利用");
    assert_string_equal(c.d.password.sealed, "sealed-password-7");
    assert_int_equal(c.sealed, 1);
    assert_string_equal(c.d.note, "a\nb");
    assert_int_equal(c.d.wait, 900);
    assert_int_equal(c.d.size, 10);
    assert_true(c.d.fast);
    assert_int_equal(c.d.tags.n, 0);
}

static void missing_unknown_and_wrong_types_are_named(void **state)
{
    (void)state;
    refused(NULL, "host", "codec.field_missing");
    refused("{}", "host", "codec.field_missing");
    refused("{\"host\":\"\"}", "host", "codec.field_missing");
    refused("{\"host\":\"h.example\",\"prot\":25}", "prot", "codec.field_unknown");
    refused("{\"host\":7}", "host", "codec.field_host");
    refused("{\"host\":\"h.example\",\"port\":\"25\"}", "port", "codec.field_port");
    refused("{\"host\":\"h.example\",\"port\":25.0}", "port", "codec.field_port");
    refused("{\"host\":\"h.example\",\"fast\":1}", "fast", "codec.field_bool");
    refused("{\"host\":\"h.example\",\"fast\":\"true\"}", "fast", "codec.field_bool");
    refused("{\"host\":\"h.example\",\"tags\":\"a\"}", "tags", "codec.field_list");
    refused("{\"host\":\"h.example\",\"tags\":[\"a\",1]}", "tags", "codec.field_list");
    refused("{\"host\":\"h.example\",\"tags\":[\"\"]}", "tags", "codec.field_list");
    refused("{\"host\":\"h.example\",\"auth\":\"kerberos\"}", "auth", "codec.field_enum");
    refused("{\"host\":\"h.example\",\"note\":\"a\\u0000b\"}", "note", "codec.field_text");
    refused("{\"host\":\"h.example\",\"note\":\"a\\u001bb\"}", "note", "codec.field_text");
    refused("{\"host\":\"h.example\",\"ca\":\"a\\nb\"}", "ca", "codec.field_reference");
    refused("{\"host\":\"h.example\",\"ca\":\"a\\u0085b\"}", "ca", "codec.field_reference");
    refused("[]", "", "codec.settings_object");
}

static void limits_hold_at_their_edges(void **state)
{
    (void)state;
    refused("{\"host\":\"h.example\",\"port\":0}", "port", "codec.field_range");
    accepted("{\"host\":\"h.example\",\"port\":1}");
    accepted("{\"host\":\"h.example\",\"port\":65535}");
    refused("{\"host\":\"h.example\",\"port\":65536}", "port", "codec.field_range");
    refused("{\"host\":\"h.example\",\"wait\":9}", "wait", "codec.field_range");
    accepted("{\"host\":\"h.example\",\"wait\":10}");
    accepted("{\"host\":\"h.example\",\"wait\":\"1h\"}");
    refused("{\"host\":\"h.example\",\"wait\":\"3601s\"}", "wait", "codec.field_range");
    refused("{\"host\":\"h.example\",\"count\":0}", "count", "codec.field_range");
    accepted("{\"host\":\"h.example\",\"count\":5}");
    refused("{\"host\":\"h.example\",\"count\":6}", "count", "codec.field_range");
    accepted("{\"host\":\"h.example\",\"tags\":[\"1\",\"2\",\"3\"]}");
    refused("{\"host\":\"h.example\",\"tags\":[\"1\",\"2\",\"3\",\"4\"]}", "tags",
            "codec.field_count");
    refused("{\"host\":\"h.example\",\"auth\":\"key\",\"user\":\"a\"}", "user",
            "codec.field_length");
    accepted("{\"host\":\"h.example\",\"auth\":\"key\",\"user\":\"ab\"}");
    accepted("{\"host\":\"h.example\",\"auth\":\"key\",\"user\":\"abcdefgh\"}");
    refused("{\"host\":\"h.example\",\"auth\":\"key\",\"user\":\"abcdefghi\"}", "user",
            "codec.field_length");
}

static void urls_and_paths_are_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"https://a", "https://a.example/",
                                       "https://[2001:db8::1]:8/x", "https://192.0.2.1?q",
                                       "https://a.example:65535/a/../b"};
    static const char *const bad[] = {"http://a.example",
                                      "ftp://a.example",
                                      "https://",
                                      "https:///x",
                                      "https://u:p@a.example",
                                      "https://u@a.example",
                                      "https://a:0",
                                      "https://a:65536",
                                      "https://a:",
                                      "https://a b",
                                      "https://a/#frag",
                                      "https://[::1",
                                      "https://[::1]x",
                                      "https://[a.example]/",
                                      "https://a_b.example",
                                      "https://a.example/\\\\x",
                                      "HTTPS://a.example",
                                      "https://印籠.example",
                                      " https://a",
                                      "https://::1/"};
    char text[200];
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        (void)snprintf(text, sizeof text, "{\"host\":\"h\",\"url\":\"%s\"}", good[i]);
        accepted(text);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(text, sizeof text, "{\"host\":\"h\",\"url\":\"%s\"}", bad[i]);
        refused(text, "url", "codec.field_url");
    }
    static const char *const bad_path[] = {"etc", "./etc", "/etc/../x", "/etc/.", "/..", "/a\\nb"};
    for (size_t i = 0; i < COUNT_OF(bad_path); i++) {
        (void)snprintf(text, sizeof text, "{\"host\":\"h\",\"path\":\"%s\"}", bad_path[i]);
        refused(text, "path", "codec.field_path");
    }
    accepted("{\"host\":\"h\",\"path\":\"/etc/.hidden/..x\"}");
}

static void conditions_decide_what_applies(void **state)
{
    (void)state;
    refused("{\"host\":\"h\",\"user\":\"abc\"}", "user", "codec.field_inactive");
    refused("{\"host\":\"h\",\"auth\":\"key\",\"user\":\"abc\",\"password\":\"hunter2\"}",
            "password", "codec.field_inactive");
    refused("{\"host\":\"h\",\"auth\":\"password\"}", "user", "codec.field_missing");
    refused("{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\"}", "password",
            "codec.field_missing");
    accepted("{\"host\":\"h\",\"user\":null,\"password\":{\"set\":true}}");
}

static void a_secret_is_never_in_the_error(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\",\"password\":\"TOPsecret\\nX\"}",
        "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"ab\",\"password\":\"TOPsecret12345678\"}",
        "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\",\"password\":[\"TOPsecret\"]}",
        "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\",\"password\":\"TOPsecret\\u0000\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(ctx) struct ctx c = {0};
        assert_int_equal(decode(&c, bad[i]), RC_INPUT);
        assert_string_equal(c.err.field, "password");
        assert_null(strstr(c.err.en, "TOPsecret"));
        assert_null(strstr(c.err.ja, "TOPsecret"));
        assert_int_equal(c.sealed, 0);
    }
    accepted("{\"host\":\"h\",\"auth\":\"key\",\"user\":\"abc\",\"key\":\"-----\\nline\\n\"}");
}

#define WITH_PW(value)                                                                             \
    "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\",\"password\":" value "}"
#define WITHOUT_PW "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\"}"

static void secrets_are_sealed_kept_or_cleared(void **state)
{
    (void)state;
    AUTO(ctx) struct ctx c = {0};
    const char *old = WITH_PW("{\"sealed\":\"c2VhbGVk\"}");
    /* stored form: without a sink only */
    assert_int_equal(decode2(&c, old, NULL, false), RC_OK);
    assert_string_equal(c.d.password.sealed, "c2VhbGVk");
    assert_int_equal(decode2(&c, old, NULL, true), RC_INPUT);
    assert_string_equal(c.err.field, "password");
    /* clear text: with a sink only */
    assert_int_equal(decode2(&c, WITH_PW("\"hunter2\""), NULL, false), RC_INPUT);
    assert_string_equal(c.err.id, "codec.secret_clear");
    /* kept */
    assert_int_equal(decode2(&c, WITHOUT_PW, old, true), RC_OK);
    assert_string_equal(c.d.password.sealed, "c2VhbGVk");
    assert_int_equal(decode2(&c, WITH_PW("{\"set\":true}"), old, true), RC_OK);
    assert_string_equal(c.d.password.sealed, "c2VhbGVk");
    /* replaced */
    assert_int_equal(decode2(&c, WITH_PW("\"hunter3\""), old, true), RC_OK);
    assert_string_equal(c.d.password.sealed, "sealed-password-7");
    /* cleared: and it is required */
    assert_int_equal(decode2(&c, WITH_PW("null"), old, true), RC_INPUT);
    assert_string_equal(c.err.id, "codec.field_missing");
    assert_int_equal(decode2(&c, WITH_PW("{\"set\":false}"), old, true), RC_INPUT);
    assert_int_equal(decode2(&c, WITH_PW("\"\""), old, true), RC_INPUT);
    assert_int_equal(decode2(&c, WITH_PW("{\"set\":true}"), NULL, true), RC_INPUT);
    assert_int_equal(decode2(&c, WITH_PW("{\"set\":true,\"sealed\":\"x\"}"), old, true), RC_INPUT);
    /* the sink's failure is handed on, with the field */
    assert_int_equal(decode2(&c, WITH_PW("\"vault-down\""), NULL, true), RC_BUSY);
    assert_string_equal(c.err.field, "password");
}

static void immutable_fields_stay(void **state)
{
    (void)state;
    AUTO(ctx) struct ctx c = {0};
    assert_int_equal(decode2(&c, "{\"host\":\"other\"}", "{\"host\":\"h\"}", true), RC_INPUT);
    assert_string_equal(c.err.id, "codec.field_immutable");
    assert_string_equal(c.err.field, "host");
    assert_int_equal(decode2(&c, "{\"host\":\"h\",\"port\":1}", "{\"host\":\"h\"}", true), RC_OK);
    assert_int_equal(decode2(&c, "{\"port\":1}", "{\"host\":\"h\",\"port\":2}", true), RC_OK);
    assert_string_equal(c.d.host, "h");
    assert_int_equal(c.d.port, 1);
}

static void a_refusal_leaves_the_struct(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct demo d, same;
    memset(&d, 0x5a, sizeof d);
    memset(&same, 0x5a, sizeof same);
    AUTO(json) struct json *j = parse("{\"host\":\"h\",\"port\":1,\"tags\":[\"\"]}");
    assert_int_equal(schema_decode(demo_fields, j, NULL, NULL, a, &d, NULL), RC_INPUT);
    assert_memory_equal(&d, &same, sizeof d);
}

static void encoding_and_decoding_give_the_same(void **state)
{
    (void)state;
    AUTO(ctx) struct ctx c = {0};
    assert_int_equal(decode(&c, "{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\","
                                "\"password\":\"hunter2\",\"tags\":[],\"wait\":10}"),
                     RC_OK);
    AUTO(buf) struct buf stored = BUF(4096);
    struct json_writer w = JSON_WRITER(&stored);
    schema_encode(demo_fields, &c.d, SCHEMA_STORED, &w);
    assert_string_equal(buf_cstr(&stored),
                        "{\"host\":\"h\",\"port\":587,\"auth\":\"password\",\"user\":\"abc\","
                        "\"password\":{\"sealed\":\"sealed-password-7\"},\"wait\":10,"
                        "\"size\":65536,\"fast\":false,\"tags\":[]}");
    AUTO(ctx) struct ctx c2 = {0};
    assert_int_equal(decode2(&c2, buf_cstr(&stored), NULL, false), RC_OK);
    AUTO(buf) struct buf again = BUF(4096);
    w = (struct json_writer)JSON_WRITER(&again);
    schema_encode(demo_fields, &c2.d, SCHEMA_STORED, &w);
    assert_string_equal(buf_cstr(&again), buf_cstr(&stored));

    AUTO(buf) struct buf masked = BUF(4096);
    w = (struct json_writer)JSON_WRITER(&masked);
    schema_encode(demo_fields, &c.d, SCHEMA_MASKED, &w);
    assert_non_null(strstr(buf_cstr(&masked), "\"password\":{\"set\":true}"));
    assert_null(strstr(buf_cstr(&masked), "sealed"));
    /* what a form got may be sent back */
    assert_int_equal(decode2(&c2, buf_cstr(&masked), buf_cstr(&stored), true), RC_OK);
    assert_string_equal(c2.d.password.sealed, "sealed-password-7");
}

static void allocation_failure_is_clean(void **state)
{
    (void)state;
    AUTO(json)
    struct json *j = parse("{\"host\":\"h\",\"auth\":\"password\",\"user\":\"abc\","
                           "\"password\":\"hunter2\",\"tags\":[\"a\"],\"url\":\"https://a\"}");
    bool passed = false;
    for (long n = 1; n < 100 && !passed; n++) {
        int calls = 0;
        struct secret_sink sink = {seal, &calls};
        struct demo d = {0};
        AUTO(arena) struct arena *a = arena_create(0);
        /* leaves little room in the block, so that many steps allocate */
        assert_non_null(arena_alloc(a, 4000));
        mem_fail_after(n, true);
        enum rc rc = schema_decode(demo_fields, j, NULL, &sink, a, &d, NULL);
        mem_fail_after(0, false);
        passed = rc == RC_OK;
        if (!passed)
            assert_null(d.host);
    }
    assert_true(passed);
}

/* A table of one row, made wrong in one way. */
static void fault(struct field f, const char *id)
{
    struct field table[] = {
        {.name = "mode", .type = FIELD_T_ENUM, .offset = 0, .choices = auths, .label = {"M", "モ"}},
        f,
        FIELD_END,
    };
    struct err err = {0};
    if (schema_check("owner", table, &err) != RC_INTERNAL)
        fail_msg("not found: %s", id);
    assert_string_equal(err.id, id);
    assert_non_null(strstr(err.en, "owner"));
    assert_null(strchr(err.ja, '{'));
}

#define ROW(...)                                                                                   \
    ((struct field){                                                                               \
        .name = "x", .type = FIELD_T_STR, .offset = 8, .label = {"X", "エ"}, __VA_ARGS__})

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#endif
static void the_check_finds_each_mistake(void **state)
{
    (void)state;
    static const struct field_choice no_ja[] = {{"a", {"A", NULL}}, {NULL, {NULL, NULL}}};
    static const struct field_choice twice[] = {
        {"a", {"A", "あ"}}, {"a", {"B", "い"}}, {NULL, {NULL, NULL}}};
    static const struct field_choice bar[] = {{"a|b", {"A", "あ"}}, {NULL, {NULL, NULL}}};
    static const struct field_choice none[] = {{NULL, {NULL, NULL}}};
    fault(ROW(.name = "Upper"), "codec.table_name");
    fault(ROW(.name = "has-dash"), "codec.table_name");
    fault(ROW(.name = ""), "codec.table_name");
    fault(ROW(.name = NULL), "codec.table_name");
    fault(ROW(.name = "mode"), "codec.table_twice");
    fault(ROW(.offset = 0), "codec.table_twice");
    fault(ROW(.label = {"X", NULL}), "codec.table_label");
    fault(ROW(.label = {"", "エ"}), "codec.table_label");
    fault(ROW(.help = {"only English", NULL}), "codec.table_help");
    fault(ROW(.choices = auths), "codec.table_choices");
    fault(ROW(.type = FIELD_T_ENUM), "codec.table_choices");
    fault(ROW(.type = FIELD_T_ENUM, .choices = none), "codec.table_choices");
    fault(ROW(.type = FIELD_T_ENUM, .choices = no_ja), "codec.table_choice");
    fault(ROW(.type = FIELD_T_ENUM, .choices = twice), "codec.table_choice");
    fault(ROW(.type = FIELD_T_ENUM, .choices = bar), "codec.table_choice");
    fault(ROW(.type = FIELD_T_ENUM, .choices = auths, .dflt = "ldap"), "codec.table_default");
    fault(ROW(.type = FIELD_T_INT, .min = 5, .max = 4), "codec.table_limits");
    fault(ROW(.min = -1, .max = 4), "codec.table_limits");
    fault(ROW(.flags = FIELD_HTTP), "codec.table_flags");
    fault(ROW(.flags = FIELD_MULTILINE), "codec.table_flags");
    fault(ROW(.ref_kind = "ca"), "codec.table_ref");
    fault(ROW(.type = FIELD_T_REF), "codec.table_ref");
    fault(ROW(.type = FIELD_T_REF, .ref_kind = "user"), "codec.table_ref");
    fault(ROW(.type = FIELD_T_PORT, .dflt = "65536"), "codec.table_default");
    fault(ROW(.type = FIELD_T_SECS, .dflt = "5w"), "codec.table_default");
    fault(ROW(.type = FIELD_T_BOOL, .dflt = "yes"), "codec.table_default");
    fault(ROW(.type = FIELD_T_SECRET, .dflt = "x"), "codec.table_default");
    fault(ROW(.min = 4, .max = 5, .example = "abc"), "codec.table_example");
    fault(ROW(.only_if = "mode"), "codec.table_only_if");
    fault(ROW(.only_if = "mode="), "codec.table_only_if");
    fault(ROW(.only_if = "mode=ldap"), "codec.table_only_if");
    fault(ROW(.only_if = "mode=key|"), "codec.table_only_if");
    fault(ROW(.only_if = "x=key"), "codec.table_only_if");
    fault(ROW(.only_if = "later=key"), "codec.table_only_if");
    fault(ROW(.type = (enum field_type)99), "codec.table_type");
}
#pragma GCC diagnostic pop

static const struct json *described(const struct json *j, const char *name)
{
    const struct json *fields = json_get(j, "fields");
    for (size_t i = 0; i < json_len(fields); i++)
        if (strcmp(json_str_or(json_at(fields, i), "name", ""), name) == 0)
            return json_at(fields, i);
    fail_msg("no field %s", name);
    return NULL;
}

static void a_table_describes_itself(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    schema_describe(demo_fields, "ja", &w);
    AUTO(json) struct json *j = parse(buf_cstr(&b));
    assert_int_equal(json_len(json_get(j, "fields")), COUNT_OF(demo_fields) - 1);
    const struct json *f = described(j, "host");
    assert_string_equal(json_str_or(f, "type", ""), "host");
    assert_string_equal(json_str_or(f, "label", ""), "サーバー");
    assert_string_equal(json_str_or(f, "example", ""), "mail.example.jp");
    assert_true(json_bool_or(f, "required", false));
    assert_true(json_bool_or(f, "immutable", false));
    f = described(j, "port");
    assert_int_equal(json_i64_or(f, "default", 0), 587);
    assert_int_equal(json_i64_or(f, "max", 0), 65535);
    f = described(j, "password");
    assert_string_equal(json_str_or(f, "only_if.field", ""), "auth");
    assert_string_equal(json_str_or(f, "only_if.values.0", ""), "password");
    assert_string_equal(json_str_or(described(j, "auth"), "choices.2.label", ""), "鍵");
    assert_int_equal(json_i64_or(described(j, "wait"), "default", 0), 90);
    assert_string_equal(json_str_or(described(j, "tags"), "default.0", ""), "a");
    assert_true(json_bool_or(described(j, "note"), "advanced", false));
    assert_string_equal(json_str_or(described(j, "ca"), "ref_kind", ""), "ca");
    buf_clear(&b);
    w = (struct json_writer)JSON_WRITER(&b);
    schema_describe(demo_fields, "en", &w);
    assert_non_null(strstr(buf_cstr(&b), "\"label\":\"Server\""));
}

static void a_json_schema_says_the_same(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    schema_json_schema(demo_fields, &w);
    AUTO(json) struct json *j = parse(buf_cstr(&b));
    assert_false(json_bool_or(j, "additionalProperties", true));
    assert_int_equal(json_len(json_get(j, "required")), 1);
    assert_string_equal(json_str_or(j, "required.0", ""), "host");
    assert_int_equal(json_i64_or(j, "properties.port.maximum", 0), 65535);
    assert_int_equal(json_i64_or(j, "properties.tags.maxItems", 0), 3);
    assert_string_equal(json_str_or(j, "properties.wait.type.1", ""), "string");
    assert_string_equal(json_str_or(j, "properties.auth.enum.1", ""), "password");
    assert_string_equal(json_str_or(j, "allOf.0.then.required.0", ""), "user");
    assert_string_equal(json_str_or(j, "allOf.1.if.properties.auth.enum.0", ""), "password");
    /* the default is "none": an absent auth must not demand a user */
    assert_string_equal(json_str_or(j, "allOf.0.if.required.0", ""), "auth");
}

static void the_manual_is_a_table(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF(65536);
    schema_markdown(demo_fields, "en", &b);
    const char *t = buf_cstr(&b);
    assert_non_null(strstr(t, "| `host` | host | required | **Server** Where to \\| go Example: "
                              "`mail.example.jp`. Cannot be changed after creation. |\n"));
    assert_non_null(strstr(t, "| `wait` | seconds | `90s` | **Wait**  Range: 10 - 3600. |\n"));
    assert_non_null(strstr(t, "Only if `auth=password\\|key`."));
    size_t lines = 0;
    for (const char *p = t; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, COUNT_OF(demo_fields) - 1 + 2);
    buf_clear(&b);
    schema_markdown(demo_fields, "ja", &b);
    assert_non_null(strstr(buf_cstr(&b), "| `port` | port | `587` | **ポート**  |\n"));
}

static void texts_of_the_command_line_become_json(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *text, *json;
    } rows[] = {
        {"port", "25", "25"},
        {"fast", "true", "true"},
        {"tags", "a,b", "[\"a\",\"b\"]"},
        {"wait", "1m", "60"},
        {"size", "1k", "1024"},
        {"host", "a.example", "\"a.example\""},
        {"password", "hunter2", "\"hunter2\""},
        {"tags", "", "[]"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(buf) struct buf b = BUF(256);
        struct json_writer w = JSON_WRITER(&b);
        const struct field *f = schema_field(demo_fields, str_from(rows[i].flag));
        assert_non_null(f);
        assert_int_equal(schema_text(f, str_from(rows[i].text), &w, NULL), RC_OK);
        assert_string_equal(buf_cstr(&b), rows[i].json);
    }
    AUTO(buf) struct buf b = BUF(256);
    struct json_writer w = JSON_WRITER(&b);
    struct err err = {0};
    assert_int_equal(schema_text(schema_field(demo_fields, STR("port")), STR("x"), &w, &err),
                     RC_INPUT);
    assert_string_equal(err.field, "port");
    assert_int_equal(b.len, 0);
    assert_null(schema_field(demo_fields, STR("hos")));
    assert_null(schema_field(demo_fields, STR("hostt")));
    assert_null(schema_field(demo_fields, STR("")));
    static const struct field kebab[] = {
        {.name = "eab_kid", .type = FIELD_T_STR, .label = {"E", "イ"}}, FIELD_END};
    assert_ptr_equal(schema_field(kebab, STR("eab-kid")), kebab);
    assert_ptr_equal(schema_field(kebab, STR("eab_kid")), kebab);
}

static void durations_and_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t secs, bytes; /* -1 = refused */
    } rows[] = {
        {"0", 0, 0},
        {"90", 90, 90},
        {"90s", 90, -1},
        {"15m", 900, 15 << 20},
        {"12h", 43200, -1},
        {"30d", 2592000, -1},
        {"64k", -1, 65536},
        {"1G", -1, 1 << 30},
        {"", -1, -1},
        {"m", -1, -1},
        {"-1", -1, -1},
        {"-0", -1, -1},
        {"+1", -1, -1},
        {"1 m", -1, -1},
        {"1.5h", -1, -1},
        {"1mm", -1, -1},
        {"1M", -1, 1 << 20},
        {"0x10", -1, -1},
        {"106751991167300d", 106751991167300 * 86400, -1},
        {"106751991167301d", -1, -1},
        {"9223372036854775808", -1, -1},
        {"8589934592g", -1, -1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t v = -1;
        assert_int_equal(parse_secs(str_from(rows[i].text), &v), rows[i].secs >= 0);
        assert_true(v == rows[i].secs);
        v = -1;
        assert_int_equal(parse_bytes(str_from(rows[i].text), &v), rows[i].bytes >= 0);
        assert_true(v == rows[i].bytes);
    }
    int64_t v = -1;
    assert_false(parse_secs((struct str){"1\0", 2}, &v));
    assert_false(parse_secs(STR_NONE, &v));
}

static void hosts(void **state)
{
    (void)state;
    char label63[80] = {0}, label64[80] = {0}, name253[300] = {0}, name254[300] = {0};
    memset(label63, 'a', 63);
    memset(label64, 'a', 64);
    for (size_t i = 0; i < 254; i++)
        name254[i] = i % 50 == 49 ? '.' : 'a';
    memcpy(name253, name254, 253);
    const char *good[] = {"a",           "a.example",    "A-1.Example", "xn--wgv71a.jp",
                          "1.2.3.a",     "3com.example", "127.0.0.1",   "::1",
                          "2001:DB8::1", label63,        name253};
    const char *bad[] = {"",      ".",    "a.",  ".a",      "a..b",  "-a",        "a-",
                         "a_b",   "a b",  "*.a", "日本.jp", "1.2.3", "1.2.3.4.5", "256.1.1.1",
                         "[::1]", "a:80", "a/b", "::1%lo",  "a.123", label64,     name254};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!host_is_valid(good[i]))
            fail_msg("refused %s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (host_is_valid(bad[i]))
            fail_msg("accepted %s", bad[i]);
    bool v6 = true;
    assert_true(host_is_ip("192.0.2.1", &v6));
    assert_false(v6);
    assert_true(host_is_ip("::ffff:192.0.2.1", &v6));
    assert_true(v6);
    assert_false(host_is_ip("a.example", &v6));
    assert_true(host_is_ip("::", NULL));
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_table_is_sound),
        cmocka_unit_test(defaults_fill_what_is_absent),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(missing_unknown_and_wrong_types_are_named),
        cmocka_unit_test(limits_hold_at_their_edges),
        cmocka_unit_test(urls_and_paths_are_strict),
        cmocka_unit_test(conditions_decide_what_applies),
        cmocka_unit_test(a_secret_is_never_in_the_error),
        cmocka_unit_test(secrets_are_sealed_kept_or_cleared),
        cmocka_unit_test(immutable_fields_stay),
        cmocka_unit_test(a_refusal_leaves_the_struct),
        cmocka_unit_test(encoding_and_decoding_give_the_same),
        cmocka_unit_test(allocation_failure_is_clean),
        cmocka_unit_test(the_check_finds_each_mistake),
        cmocka_unit_test(a_table_describes_itself),
        cmocka_unit_test(a_json_schema_says_the_same),
        cmocka_unit_test(the_manual_is_a_table),
        cmocka_unit_test(texts_of_the_command_line_become_json),
        cmocka_unit_test(durations_and_sizes),
        cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests_name("codec.schema", tests, NULL, NULL);
}
