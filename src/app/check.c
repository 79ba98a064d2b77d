/*
 * The walk of `inro check`: the store's own integrity, the audit chain, every sealed key and
 * secret, every certificate against its key, and what is open against the job that works on it.
 * Invariant: a finding is told and the walk goes on; only what prevents judging ends it.
 */
#include "app/check.h"

#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "app/init.h"
#include "app/role.h"
#include "base/mem.h"
#include "codec/json.h"
#include "connect/connect.h"
#include "crypto/digest.h"
#include "store/repo.h"
#include "vault/vault.h"

enum { PAGE = 200, FINDINGS_MAX = 1000 };

struct check {
    struct config config;
    struct arena *a; /* as long as the walk */
    struct store *store;
    struct vault_server *server;
    struct vault *vault;
    const char *lang;
    const char *passphrase; /* of the key file; NULL = as configured */
    bool json;
    struct buf text;       /* findings */
    struct json_writer jw; /* over text */
    int64_t findings, audit, versions, keys, secrets, orders, jobs, deployments;
};

static void tell(struct check *c, const char *what, int64_t id, const struct err *why)
{
    char line[1600];
    if (c->findings++ >= FINDINGS_MAX)
        return;
    err_text(why, c->lang, line, sizeof line);
    if (!c->json) {
        buf_addf(&c->text, "%s %lld: %s\n", what, (long long)id, line);
        return;
    }
    jw_object(&c->jw);
    jw_kstr(&c->jw, "what", what);
    jw_ki64(&c->jw, "id", id);
    jw_kstr(&c->jw, "finding", why->id);
    jw_kstr(&c->jw, "text", line);
    jw_end_object(&c->jw);
}

/* A finding that is no failure of a call. */
#define FINDING(c, what, id, m, ...)                                                               \
    do {                                                                                           \
        struct err finding_;                                                                       \
        if (FAIL(&finding_, RC_CORRUPT, BLAME_US, (m)__VA_OPT__(, ) __VA_ARGS__) != RC_OK)         \
            tell((c), (what), (id), &finding_);                                                    \
    } while (0)

static void check_store(struct check *c)
{
    struct err err = {0};
    AUTO(db) struct db *db = NULL;
    if (store_check(c->store, &err) != RC_OK)
        tell(c, "store", 0, &err);
    if (store_read(c->store, &db, &err) != RC_OK || db_audit_verify(db, &c->audit, &err) != RC_OK)
        tell(c, "audit", 0, &err);
}

static void check_key(struct check *c, const struct cert_version *v, struct arena *a)
{
    unsigned char spki[32];
    char hex[65];
    struct err err = {0};
    const char *place = arena_printf(a, "version/%lld/key", (long long)v->id);
    c->keys++;
    if (!place || vault_check(c->vault, VAULT_TLS_KEY, place, v->key_sealed, spki, &err) != RC_OK) {
        tell(c, "key", v->id, &err);
        return;
    }
    for (int i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", spki[i]);
    if (!v->spki_sha256 || strcmp(hex, v->spki_sha256) != 0)
        FINDING(c, "key", v->id,
                MSG("check.key", "the key is another than the one recorded",
                    "鍵が記録されているものと異なります"));
}

static void check_chain(struct check *c, const struct cert_version *v, struct arena *a)
{
    struct cert_list l;
    struct err err = {0};
    char hex[65] = "";
    if (cert_parse_pem(str_from(v->chain), true, a, &l, &err) != RC_OK) {
        tell(c, "version", v->id, &err);
        return;
    }
    for (int i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", l.v[0].spki_sha256[i]);
    if (v->key_sealed && (!v->spki_sha256 || strcmp(hex, v->spki_sha256) != 0))
        FINDING(c, "version", v->id,
                MSG("check.pair", "certificate and key do not belong together",
                    "証明書と鍵が対応していません"));
    sha256_hex(l.v[0].der, hex);
    if (!v->sha256 || strcmp(hex, v->sha256) != 0)
        FINDING(c, "version", v->id,
                MSG("check.sha256", "the certificate is another than the one recorded",
                    "証明書が記録されているものと異なります"));
}

static void check_version(struct check *c, const struct cert_version *v, struct arena *a)
{
    bool complete = v->state == VERSION_STAGING || v->state == VERSION_CURRENT ||
                    v->state == VERSION_ARCHIVED || v->state == VERSION_REVOKED;
    c->versions++;
    if (v->key_sealed)
        check_key(c, v, a);
    if (v->chain)
        check_chain(c, v, a);
    else if (complete)
        FINDING(c, "version", v->id,
                MSG("check.no_chain", "it counts as issued but has no certificate",
                    "発行済みとされていますが、証明書がありません"));
}

static enum rc check_versions(struct check *c, struct err *err)
{
    for (int64_t after = 0;;) {
        AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
        AUTO(db) struct db *db = NULL;
        struct cert_version_list l;
        if (!a)
            return NOMEM(err);
        TRY(store_read(c->store, &db, err));
        TRY(db_version_page(db, after, PAGE, a, &l, err));
        db_rollback(&db);
        for (size_t i = 0; i < l.n; i++)
            check_version(c, &l.v[i], a);
        if (l.n < PAGE)
            return RC_OK;
        after = l.v[l.n - 1].id;
    }
}

/* Keys that connectors keep in their state. */
static const struct state_key {
    const char *type, *path, *field;
    enum vault_usage usage;
} state_keys[] = {
    {"acme", "key", "account_key", VAULT_ACME_KEY},
    {"private", "intermediate.key", "intermediate_key", VAULT_CA_KEY},
    {"private", "root.key", "root_key", VAULT_CA_KEY},
};

static void check_sealed(struct check *c, const struct connector *k, const char *field,
                         enum vault_usage usage, const char *sealed, struct arena *a)
{
    unsigned char spki[32];
    struct err err = {0};
    const char *place = arena_printf(a, "connector/%lld/%s", (long long)k->id, field);
    c->secrets++;
    if (!place || vault_check(c->vault, usage, place, sealed, spki, &err) != RC_OK) {
        if (WHILE(&err, RC_CORRUPT, MSG("check.while_field", "opening {0}", "{0} の確認中"),
                  field) != RC_OK)
            tell(c, "connector", k->id, &err);
    }
}

static enum conn_kind kind_of(const char *name)
{
    enum conn_kind k = CONN_CA;
    while (k < CONN_KINDS && strcmp(conn_kind_name(k), name) != 0)
        k++;
    return k;
}

static void check_connector(struct check *c, const struct connector *k, struct arena *a)
{
    AUTO(json) struct json *settings = NULL, *state = NULL;
    struct err err = {0};
    const struct conn_head *h = registry_head(kind_of(k->kind), k->type);
    if ((k->settings && json_parse(str_from(k->settings), &settings, &err) != RC_OK) ||
        (k->state && json_parse(str_from(k->state), &state, &err) != RC_OK)) {
        tell(c, "connector", k->id, &err);
        return;
    }
    for (const struct field *f = h ? h->fields : NULL; f && f->type != FIELD_T_END; f++) {
        const char *path = arena_printf(a, "%s.sealed", f->name);
        const char *sealed = json_str_or(settings, path ? path : "", NULL);
        if (f->type == FIELD_T_SECRET && sealed)
            check_sealed(c, k, f->name, VAULT_SETTING, sealed, a);
    }
    for (size_t i = 0; i < COUNT_OF(state_keys); i++) {
        const char *sealed = json_str_or(state, state_keys[i].path, NULL);
        if (sealed && strcmp(state_keys[i].type, k->type) == 0)
            check_sealed(c, k, state_keys[i].field, state_keys[i].usage, sealed, a);
    }
}

static enum rc check_connectors(struct check *c, struct err *err)
{
    for (int64_t after = 0;;) {
        AUTO(arena) struct arena *a = arena_create((size_t)64 << 20);
        AUTO(db) struct db *db = NULL;
        struct connector_list l;
        if (!a)
            return NOMEM(err);
        TRY(store_read(c->store, &db, err));
        TRY(db_connector_list(db, NULL, after, PAGE, a, &l, err));
        db_rollback(&db);
        for (size_t i = 0; i < l.n; i++)
            check_connector(c, &l.v[i], a);
        if (l.n < PAGE)
            return RC_OK;
        after = l.v[l.n - 1].id;
    }
}

static bool job_is_open(struct db *db, int64_t id, struct arena *a)
{
    struct job j;
    return id && db_job_get(db, id, a, &j, NULL) == RC_OK &&
           (j.state == JOB_READY || j.state == JOB_RUNNING || j.state == JOB_BLOCKED);
}

/* One snapshot: what is open must have a job that is open. */
static enum rc check_orders(struct check *c, struct db *db, struct err *err)
{
    for (int64_t after = 0;;) {
        AUTO(arena) struct arena *a = arena_create((size_t)64 << 20);
        struct order_list l;
        if (!a)
            return NOMEM(err);
        TRY(db_order_list(db, 0, true, after, PAGE, a, &l, err));
        for (size_t i = 0; i < l.n; i++) {
            c->orders++;
            if (!job_is_open(db, l.v[i].job_id, a))
                FINDING(c, "order", l.v[i].id,
                        MSG("check.order", "the order is open, but no job works on it",
                            "申請が未完了ですが、処理するジョブがありません"));
        }
        if (l.n < PAGE)
            return RC_OK;
        after = l.v[l.n - 1].id;
    }
}

static enum rc check_deployments(struct check *c, struct db *db, struct err *err)
{
    for (int64_t before = 0;;) {
        AUTO(arena) struct arena *a = arena_create((size_t)64 << 20);
        struct deployment_list l;
        if (!a)
            return NOMEM(err);
        TRY(db_deployment_list(db, 0, before, PAGE, a, &l, err));
        for (size_t i = 0; i < l.n; i++) {
            c->deployments++;
            bool at_work =
                l.v[i].state == DEPLOYMENT_RUNNING || l.v[i].state == DEPLOYMENT_STOPPING;
            if (at_work && !job_is_open(db, l.v[i].job_id, a))
                FINDING(c, "deployment", l.v[i].id,
                        MSG("check.deployment", "the roll-out is under way, but no job works on it",
                            "適用が未完了ですが、処理するジョブがありません"));
        }
        if (l.n < PAGE)
            return RC_OK;
        before = l.v[l.n - 1].id;
    }
}

/* A lease is two minutes; one that ended ten minutes ago should have been taken up. */
static enum rc check_jobs(struct check *c, struct db *db, struct err *err)
{
    int64_t old = clock_now(clock_real()) - 600 * USEC_PER_SEC;
    for (int64_t before = 0;;) {
        AUTO(arena) struct arena *a = arena_create((size_t)64 << 20);
        struct job_filter f = {.only_open = true, .before = before, .limit = PAGE};
        struct job_list l;
        if (!a)
            return NOMEM(err);
        TRY(db_job_list(db, &f, a, &l, err));
        for (size_t i = 0; i < l.n; i++) {
            c->jobs++;
            if (l.v[i].state == JOB_RUNNING && l.v[i].lease_until < old)
                FINDING(c, "job", l.v[i].id,
                        MSG("check.job", "the job was dropped by its worker and not taken up again",
                            "処理が中断されたまま再開されていないジョブです"));
        }
        if (l.n < PAGE)
            return RC_OK;
        before = l.v[l.n - 1].id;
    }
}

static enum rc check_open_work(struct check *c, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(c->store, &db, err));
    TRY(check_orders(c, db, err));
    TRY(check_deployments(c, db, err));
    return check_jobs(c, db, err);
}

static enum rc open_all(struct check *c, struct err *err)
{
    AUTO(buf) struct buf text = BUF_SECRET(4096);
    AUTO(buf) struct buf pass = BUF_SECRET(4096);
    struct err why = {0};
    struct vault_server_options o = {.grant_log_fd = -1, .why = &why};
    TRY(init_verify(&c->config, c->a, err));
    TRY(store_open(c->config.database, &c->store, err));
    role_key_file(&c->config, c->a, &text, &pass, &why);
    o.key_file = buf_str(&text);
    o.passphrase = c->passphrase ? c->passphrase : pass.len ? buf_cstr(&pass) : NULL;
    TRY(vault_server_create(&o, &c->server, err));
    const struct err *sealed = vault_server_why(c->server);
    if (sealed) {
        *err = *sealed;
        return sealed->rc;
    }
    return vault_local(c->server, false, &c->vault, err);
}

static enum rc walk(struct check *c, struct err *err)
{
    TRY(open_all(c, err));
    check_store(c);
    TRY(check_versions(c, err));
    TRY(check_connectors(c, err));
    return check_open_work(c, err);
}

static void report(struct check *c)
{
    const struct {
        const char *name;
        int64_t n;
    } counts[] = {{"findings", c->findings},       {"audit_records", c->audit},
                  {"versions", c->versions},       {"keys", c->keys},
                  {"secrets", c->secrets},         {"open_orders", c->orders},
                  {"deployments", c->deployments}, {"open_jobs", c->jobs}};
    if (c->json) {
        jw_end_array(&c->jw);
        for (size_t i = 0; i < COUNT_OF(counts); i++)
            jw_ki64(&c->jw, counts[i].name, counts[i].n);
        jw_end_object(&c->jw);
        buf_addc(&c->text, '\n');
    } else {
        for (size_t i = 0; i < COUNT_OF(counts); i++)
            buf_addf(&c->text, "%s%s %lld", i ? ", " : "", counts[i].name, (long long)counts[i].n);
        buf_addc(&c->text, '\n');
    }
    (void)fwrite(buf_cstr(&c->text), 1, c->text.len, stdout);
}

static enum rc begin(struct check *c, int argc, char *const argv[], struct buf *problems,
                     struct err *err)
{
    char **rest = c->a ? arena_array(c->a, (size_t)argc + 1, sizeof *rest) : NULL;
    int n = 0;
    if (!rest)
        return NOMEM(err);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            c->json = true;
        else
            rest[n++] = argv[i];
    }
    c->jw = (struct json_writer)JSON_WRITER(&c->text);
    if (c->json) {
        jw_object(&c->jw);
        jw_key(&c->jw, "problems");
        jw_array(&c->jw);
    }
    return config_load(n, rest, c->lang, c->a, &c->config, problems, err);
}

static void end(struct check *c)
{
    vault_close(c->vault);
    vault_server_destroy(c->server);
    store_close(c->store);
    buf_free(&c->text);
}

enum rc check_directory(const char *dir, const char *passphrase, const char *lang, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct check c = {.a = a, .lang = lang, .passphrase = passphrase, .text = BUF((size_t)4 << 20)};
    if (!a)
        return NOMEM(err);
    c.config.data = dir;
    c.config.database = arena_printf(a, "sqlite:%s/inro.db", dir);
    enum rc rc = c.config.database ? walk(&c, err) : NOMEM(err);
    if (rc == RC_OK && c.findings > 0) {
        struct str all = buf_str(&c.text), first = STR("");
        (void)str_split(&all, '\n', &first);
        const char *line = arena_str(a, first);
        rc = FAIL(err, RC_CORRUPT, BLAME_INPUT,
                  MSG("check.findings", "its content does not hold together ({0} findings): {1}",
                      "内容に不整合があります（{0} 件）: {1}"),
                  NUM(c.findings), line ? line : "");
    }
    end(&c);
    return rc;
}

int check_main(int argc, char *const argv[])
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf problems = BUF(65536);
    struct check c = {.a = a, .lang = config_lang(argc, argv), .text = BUF((size_t)4 << 20)};
    struct err err = {0};

    json_init();
    crypto_init();
    enum rc rc = begin(&c, argc, argv, &problems, &err);
    if (rc == RC_OK)
        rc = walk(&c, &err);
    if (rc == RC_OK) {
        report(&c);
    } else {
        char text[1600];
        err_text(&err, c.lang, text, sizeof text);
        (void)fprintf(stderr, "%sinro: %s\n", buf_cstr(&problems), text);
    }
    end(&c);
    return rc != RC_OK ? 1 : c.findings ? 4 : 0;
}
