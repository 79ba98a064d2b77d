/*
 * A marker in every secret field of every connector, in passwords, tokens and codes; then every
 * output the program can make is searched for them: all answers, errors, the audit log, log files,
 * log output, the support bundle, the database.
 */
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/proc.h"
#include "unit/api/api_rig.h"

#define MARK "MaRk7Q" /* in every secret */

struct place {
    struct api_rig r;
    size_t planted, looked;
    const char *extra[8]; /* secrets the program made itself */
    size_t extra_count;
};

static void search(struct place *p, const char *what, const char *bytes, size_t n)
{
    p->looked++;
    if (n > 0 && memmem(bytes, n, MARK, strlen(MARK)))
        fail_msg("%s holds a secret", what);
    for (size_t i = 0; i < p->extra_count; i++)
        if (n > 0 && memmem(bytes, n, p->extra[i], strlen(p->extra[i])))
            fail_msg("%s holds a token, cookie or code", what);
}

static struct answer ask(struct place *p, const struct who *who, const char *method,
                         const char *path, const char *body)
{
    struct answer x = rig_call(&p->r, who, method, path, body);
    search(p, arena_printf(p->r.a, "%s %s", method, path), x.text, x.len);
    return x;
}

/* ---- planting ---- */
static const char *usual(const struct field *f)
{
    if (f->example)
        return f->example;
    if (f->dflt)
        return f->dflt;
    switch (f->type) {
    case FIELD_T_HOST:
        return "h.example";
    case FIELD_T_URL:
        return "https://h.example/";
    case FIELD_T_PATH:
        return "/tmp/x";
    case FIELD_T_ENUM:
        return f->choices[0].value;
    case FIELD_T_BOOL:
        return "true";
    case FIELD_T_INT:
    case FIELD_T_PORT:
    case FIELD_T_SECS:
    case FIELD_T_BYTES:
        return f->min > 0 ? "100" : "1";
    default:
        return "x";
    }
}

struct choice {
    const struct field *field;
    const char *value;
};

/* "auth=password|key" -> that field with the first of the values; then what that one needs. */
static size_t needs(const struct field *fields, const struct field *of, struct choice *v, size_t n,
                    struct arena *a)
{
    struct str rest = str_from(of->only_if), name, value;
    if (!of->only_if || !str_split(&rest, '=', &name) || !str_split(&rest, '|', &value))
        return n;
    const struct field *f = schema_field(fields, name);
    assert_non_null(f);
    v[n++] = (struct choice){f, arena_str(a, value)};
    return needs(fields, f, v, n, a);
}

static bool chosen(const struct choice *v, size_t n, const struct field *f)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].field == f)
            return true;
    return false;
}

/* Does "auth=password|key" hold for what was chosen, or for the defaults? */
static bool holds(const struct field *fields, const struct choice *v, size_t n, const char *cond)
{
    struct str rest = str_from(cond), name, value;
    if (!cond || !str_split(&rest, '=', &name))
        return true;
    const struct field *f = schema_field(fields, name);
    const char *have = f->dflt ? f->dflt : "";
    for (size_t i = 0; i < n; i++)
        have = v[i].field == f ? v[i].value : have;
    bool found = false;
    while (rest.n > 0 && str_split(&rest, '|', &value))
        found = found || str_eqs(value, have);
    return found && holds(fields, v, n, f->only_if);
}

static const char *settings_with(struct place *p, const struct field *fields,
                                 const struct field *secret, const char *mark)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    struct choice v[8];
    size_t n = needs(fields, secret, v, 0, p->r.a);
    jw_object(&w);
    for (size_t i = 0; i < n; i++) {
        jw_key(&w, v[i].field->name);
        OK(schema_text(v[i].field, str_from(v[i].value), &w, err));
    }
    for (const struct field *f = fields; f->type != FIELD_T_END; f++) {
        bool fits = holds(fields, v, n, f->only_if);
        if (f == secret || (!(f->flags & FIELD_REQUIRED) && !f->example) || chosen(v, n, f) ||
            !fits || f->type == FIELD_T_SECRET)
            continue;
        jw_key(&w, f->name);
        OK(schema_text(f, str_from(usual(f)), &w, err));
    }
    jw_kstr(&w, secret->name, mark);
    jw_end_object(&w);
    return arena_str(p->r.a, buf_str(&b));
}

static void plant(struct place *p, enum conn_kind kind, const char *path)
{
    struct who local = rig_local();
    for (size_t i = 0; i < registry_count(kind); i++) {
        const struct conn_head *h = registry_at(kind, i);
        for (const struct field *f = h->fields; f->type != FIELD_T_END; f++) {
            if (f->type != FIELD_T_SECRET)
                continue;
            const char *mark = arena_printf(p->r.a, MARK "%s%s%zu", h->id, f->name, p->planted);
            const char *name = arena_printf(p->r.a, "%s-%s", h->id, f->name);
            const char *good = settings_with(p, h->fields, f, mark);
            const char *body = arena_printf(
                p->r.a, "{\"name\":\"%s\",\"type\":\"%s\",\"settings\":%s}", name, h->id, good);
            struct answer x = ask(p, &local, "POST", path, body);
            if (x.status != 201)
                fail_msg("planting %s.%s: %s", h->id, f->name, x.text);
            p->planted++;
            const char *one = arena_printf(p->r.a, "%s/%s", path, name);
            (void)ask(
                p, &local, "PATCH", one,
                arena_printf(p->r.a, "{\"settings\":%s}",
                             settings_with(p, h->fields, f, arena_printf(p->r.a, "%s2", mark))));
            /* what is refused must not be repeated in the refusal */
            (void)ask(p, &local, "POST", path,
                      arena_printf(p->r.a,
                                   "{\"name\":\"n\",\"type\":\"%s\",\"settings\":{\"%s\":"
                                   "\"%s\",\"nonsense\":\"" MARK "\"}}",
                                   h->id, f->name, mark));
            (void)ask(
                p, &local, "PATCH", one,
                arena_printf(p->r.a, "{\"settings\":{\"%s\":{\"sealed\":\"%s\"}}}", f->name, mark));
            (void)ask(p, &local, "PATCH", one,
                      arena_printf(p->r.a, "{\"settings\":{\"%s\":[\"%s\"]}}", f->name, mark));
        }
    }
}

/* In the challenges of certificates. */
static void plant_proofs(struct place *p)
{
    struct who local = rig_local();
    (void)ask(p, &local, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    for (size_t i = 0; i < registry_count(CONN_CHALLENGE); i++) {
        const struct conn_head *h = registry_at(CONN_CHALLENGE, i);
        for (const struct field *f = h->fields; f->type != FIELD_T_END; f++) {
            if (f->type != FIELD_T_SECRET)
                continue;
            const char *mark = arena_printf(p->r.a, MARK "%s%zu", f->name, p->planted++);
            const char *good = settings_with(p, h->fields, f, mark);
            const char *body =
                arena_printf(p->r.a,
                             "{\"names\":[\"p%zu.example\"],\"ca\":\"own\",\"challenge\":{"
                             "\"type\":\"%s\",%s}",
                             p->planted, h->id, good + 1);
            struct answer x = ask(p, &local, "POST", "/certs", body);
            if (x.status != 201)
                fail_msg("planting %s.%s: %s", h->id, f->name, x.text);
            const char *one = arena_printf(p->r.a, "/certs/p%zu.example", p->planted);
            (void)ask(p, &local, "GET", one, NULL);
            (void)ask(p, &local, "PATCH", one,
                      arena_printf(p->r.a, "{\"challenge\":{\"%s\":\"%s\",\"nonsense\":1}}",
                                   f->name, mark));
        }
    }
}

static void plant_people(struct place *p)
{
    struct who local = rig_local(), nobody = {0};
    (void)ask(p, &local, "POST", "/users",
              "{\"login\":\"u@x.example\",\"password\":\"" MARK " kettle tandem\"}");
    (void)ask(p, &local, "POST", "/users",
              "{\"login\":\"v@x.example\",\"password\":\"" MARK "\"}"); /* too short */
    (void)ask(p, &local, "PATCH", "/users/u@x.example", "{\"password\":\"" MARK " ladder onion\"}");
    (void)ask(p, &nobody, "POST", "/session",
              "{\"login\":\"u@x.example\",\"password\":\"" MARK " wrong\"}");
    (void)ask(p, &nobody, "POST", "/session",
              "{\"login\":\"" MARK "\",\"password\":\"in the wrong field\"}");
    (void)ask(p, &nobody, "POST", "/session", "{\"login\":\"u@x.example\",\"password\":\"" MARK);
    struct who u = rig_person(&p->r, "w@x.example", "admin", 0);
    struct answer x = rig_call(&p->r, &u, "POST", "/tokens", "{\"name\":\"t\"}");
    assert_int_equal(x.status, 201);
    p->extra[p->extra_count++] = json_str_or(x.json, "token", NULL);
    x = rig_call(&p->r, &u, "POST", "/session/totp", NULL);
    assert_int_equal(x.status, 200);
    p->extra[p->extra_count++] = json_str_or(x.json, "secret", NULL);
    p->extra[p->extra_count++] = u.cookie;
    struct who token = {.bearer = p->extra[0]};
    (void)ask(p, &token, "GET", "/certs", NULL);
}

/* A private key of a certificate: nothing of it may be seen. */
static void plant_key(struct place *p)
{
    struct who local = rig_local();
    (void)ask(p, &local, "POST", "/certs/import",
              "{\"pem\":\"-----BEGIN PRIVATE KEY-----\\n" MARK "\\n-----END PRIVATE KEY-----\","
              "\"password\":\"" MARK "\"}");
}

/* ---- searching ---- */
static void search_file(struct place *p, const char *path)
{
    AUTO(buf) struct buf b = BUF((size_t)256 << 20);
    OK(file_read(path, &b, err));
    search(p, path, b.p, b.len);
}

static void search_archive(struct place *p, const char *what, const struct answer *x)
{
    const char *path = arena_printf(p->r.a, "%s/out.tgz", p->r.dir);
    AUTO(buf) struct buf out = BUF((size_t)64 << 20);
    struct proc_result r;
    OK(file_write_atomic(path, (struct str){x->text, x->len}, 0600, (uid_t)-1, (gid_t)-1, err));
    const char *const argv[] = {"tar", "xzOf", path, NULL};
    OK(proc_run(argv, NULL, 20 * USEC_PER_SEC, NULL, &out, &r, err));
    assert_true(out.len > 100);
    search(p, what, out.p, out.len);
}

static void search_routes(struct place *p)
{
    struct who local = rig_local();
    size_t n;
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct route *t = &sets[s]->v[i];
            const char *at = strchr(t->path, '{');
            if (strcmp(t->method, "GET") != 0)
                continue;
            if (!at) {
                (void)ask(p, &local, "GET", t->path, NULL);
                continue;
            }
            for (int id = 1; id < 40; id++) /* every object there is, whatever its kind */
                (void)ask(p, &local, "GET",
                          arena_printf(p->r.a, "%.*s%d%s", (int)(at - t->path), t->path, id,
                                       strchr(at, '}') + 1),
                          NULL);
        }
    }
}

static void no_secret_comes_out(void **state)
{
    struct place p = {0};
    struct who local = rig_local();
    (void)state;
    api_rig_start(&p.r);
    const char *dir = arena_printf(p.r.a, "%s/log", p.r.dir);
    const char *log = arena_printf(p.r.a, "%s/inro.log", dir);
    OK(dir_make(dir, 0700, err));
    int fd = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    assert_true(fd >= 0);
    log_init("test", fd, LOG_DEBUG, false);
    plant(&p, CONN_CA, "/cas");
    plant(&p, CONN_TARGET, "/targets");
    plant(&p, CONN_NOTIFIER, "/notifiers");
    assert_true(p.planted >= 4);
    plant_proofs(&p);
    plant_people(&p);
    plant_key(&p);
    api_tick(p.r.api);
    search_routes(&p);
    for (int i = 0; i < 2; i++)
        (void)ask(&p, &local, "GET", i ? "/audit/export" : "/audit/export?format=csv", NULL);
    struct answer x = rig_want(&p.r, &local, 200, "GET", "/logs", NULL);
    search_archive(&p, "log output", &x);
    x = rig_want(&p.r, &local, 200, "POST", "/support-bundle", "{\"event\":\"it broke\"}");
    search_archive(&p, "the support bundle", &x);
    search_file(&p, log);
    search_file(&p, arena_printf(p.r.a, "%s/inro.db", p.r.dir));
    search_file(&p, arena_printf(p.r.a, "%s/inro.db-wal", p.r.dir));
    search_file(&p, arena_printf(p.r.a, "%s/audit.head", p.r.dir));
    assert_true(p.looked > 300);
    log_init("test", 2, LOG_INFO, false);
    close(fd);
    api_rig_end(&p.r);
}

/* The search itself finds what is there. */
static void the_search_can_fail(void **state)
{
    struct api_rig r;
    struct who local = rig_local();
    (void)state;
    api_rig_start(&r);
    struct answer x = rig_want(&r, &local, 201, "POST", "/groups", "{\"name\":\"" MARK "\"}");
    assert_non_null(memmem(x.text, x.len, MARK, strlen(MARK)));
    AUTO(buf) struct buf b = BUF((size_t)64 << 20);
    OK(file_read(arena_printf(r.a, "%s/inro.db-wal", r.dir), &b, err));
    assert_non_null(memmem(b.p, b.len, MARK, strlen(MARK)));
    api_rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_secret_comes_out),
                                       cmocka_unit_test(the_search_can_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
