/*
 * Every route x every role x own, other group's and nobody's things, from the route table itself. A
 * new route that takes a body, or whose path names a new kind of thing, must be given one here.
 */
#include "model/discover.h"
#include "store/repo_discover.h"
#include "unit/api/api_rig.h"

#define OTHER "zz-other" /* is in every name of the other group's things */

enum { IDS = 2 };
enum side { OWN = 0, THEIRS };

struct world {
    struct api_rig r;
    int64_t group[IDS], cert[IDS], target[IDS], endpoint[IDS], binding[IDS], deployment[IDS],
        job[IDS], order[IDS], user[IDS], token[IDS], version[IDS], org[IDS], contact[IDS],
        view[IDS], preflight[IDS], discovery[IDS], found[IDS];
    const char *session[IDS];
    int64_t ca, notifier, backup;
    struct who admin, operator, viewer, loner, must_change, op_token, view_token, nobody;
};

/* ---- the world ---- */
static int64_t add_connector(struct db *db, const char *kind, const char *type, const char *name,
                             const char *settings, int64_t group)
{
    struct connector c = {.kind = kind,
                          .type = type,
                          .name = name,
                          .settings = settings,
                          .group_id = group,
                          .created = 1,
                          .updated = 1,
                          .revision = 1};
    OK(db_connector_add(db, &c, err));
    return c.id;
}

static void add_cert(struct world *w, struct db *db, int side, const char *host)
{
    const char *names[] = {host};
    struct cert c = {.name = host,
                     .names = {names, 1},
                     .ca_id = w->ca,
                     .key_alg = "ec256",
                     .challenge = "{\"type\":\"http-01\"}",
                     .policy = "{}",
                     .group_id = w->group[side],
                     .created = 1,
                     .updated = 1,
                     .revision = 1};
    OK(db_cert_add(db, &c, err));
    w->cert[side] = c.id;
    struct cert_version v = {.cert_id = c.id,
                             .state = VERSION_STAGING,
                             .key_alg = "ec256",
                             .chain = "-----BEGIN CERTIFICATE-----\n" OTHER "\n",
                             .csr = "MAA=",
                             .sha256 = host,
                             .not_before = RIG_NOW - USEC_PER_DAY,
                             .not_after = RIG_NOW + 60 * USEC_PER_DAY,
                             .created = 1};
    OK(db_version_add(db, &v, err));
    OK(db_version_activate(db, v.id, 0, RIG_NOW, err));
    w->version[side] = v.id;
}

static void add_side(struct world *w, struct db *db, int side, const char *host, const char *name)
{
    bool existing = false;
    add_cert(w, db, side, host);
    w->target[side] = add_connector(db, "target", "files", name, "{}", w->group[side]);
    struct endpoint e = {.host = host,
                         .port = 443,
                         .starttls = "none",
                         .every = 3600,
                         .state = "drift",
                         .group_id = w->group[side],
                         .created = 1,
                         .updated = 1};
    OK(db_endpoint_add(db, &e, err));
    w->endpoint[side] = e.id;
    struct binding b = {.cert_id = w->cert[side],
                        .target_id = w->target[side],
                        .place = "{}",
                        .seq = 1,
                        .state = "new",
                        .created = 1,
                        .updated = 1,
                        .revision = 1};
    OK(db_binding_add(db, &b, err));
    w->binding[side] = b.id;
    struct deployment d = {.cert_id = w->cert[side],
                           .version_id = w->version[side],
                           .state = DEPLOYMENT_DONE,
                           .reason = "manual",
                           .created = 1,
                           .updated = 1};
    OK(db_deployment_add(db, &d, err));
    w->deployment[side] = d.id;
    struct organisation g = {.name = name,
                             .legal_name = name,
                             .country = "JP",
                             .locality = "Osaka",
                             .group_id = w->group[side],
                             .created = 1,
                             .updated = 1,
                             .revision = 1};
    OK(db_organisation_add(db, &g, err));
    w->org[side] = g.id;
    struct contact p = {.organisation_id = g.id, .role = "technical", .name = name, .mail = "a@b"};
    OK(db_contact_add(db, &p, RIG_NOW, err));
    w->contact[side] = p.id;
    struct order o = {.cert_id = w->cert[side],
                      .state = ORDER_FAILED,
                      .reason = "request",
                      .created = 1,
                      .updated = 1};
    OK(db_order_add(db, &o, err));
    w->order[side] = o.id;
    OK(job_request_deploy(db, w->cert[side], 0, 0, "manual", NULL, RIG_NOW, &w->job[side],
                          &existing, err));
    const char *subject = arena_printf(w->r.a, "cert/%lld", (long long)w->cert[side]);
    const char *data = arena_printf(w->r.a, "{\"name\":\"%s\"}", host);
    OK(notice_raise(db, "cert.issued", subject, host, data, RIG_NOW, err));
}

/* A discovery that has found one address, as its job leaves it. */
static void add_discovery(struct world *w, struct db *db, int side, const char *host)
{
    struct discover_pair place = {host, 8443};
    struct discovery d = {.name = host, .group_id = w->group[side]};
    struct discovery_item_list l;
    OK(job_request_discover(db, &d, &(struct discover_list){&place, 1, 0}, RIG_NOW, err));
    w->discovery[side] = d.id;
    OK(db_discovery_waiting(db, d.id, 10, w->r.a, &l, err));
    l.v[0].kind = "cert";
    l.v[0].sha256 = "ab";
    l.v[0].name = host;
    l.v[0].seen_at = RIG_NOW;
    OK(db_discovery_item_seen(db, &l.v[0], err));
    OK(db_discovery_count(db, d.id, RIG_NOW, err));
    w->found[side] = l.v[0].id;
}

/* The person's own token and session, or another's. */
static void add_personal(struct world *w, struct db *db, int side, int64_t user, const char *name)
{
    struct token t = {.user_id = user, .name = name, .hash = name, .role = "viewer", .created = 1};
    OK(db_token_add(db, &t, err));
    w->token[side] = t.id;
    struct saved_view v = {
        .user_id = user, .screen = "certs", .name = name, .created = 1, .updated = 1};
    OK(db_view_put(db, &v, err));
    w->view[side] = v.id;
    const char *const names[] = {side == OWN ? "own.example" : OTHER};
    const char *by = arena_printf(w->r.a, "user/%lld", (long long)user);
    OK(job_request_preflight(db, w->ca, "http-01", &(struct names){names, 1}, by, RIG_NOW,
                             &w->preflight[side], err));
}

static struct who with_token(struct world *w, const struct who *of, const char *name,
                             const char *role)
{
    char hash[65];
    AUTO(db) struct db *db = NULL;
    const char *clear = arena_printf(w->r.a, "inro_%s", name);
    session_hash(clear, hash);
    struct token t = {
        .user_id = of->user_id, .name = name, .hash = hash, .role = role, .created = 1};
    OK(store_begin(w->r.store, &db, err));
    OK(db_token_add(db, &t, err));
    OK(db_commit(&db, err));
    return (struct who){.bearer = clear, .user_id = of->user_id};
}

static const char *session_name(struct world *w, const struct who *who)
{
    char hash[65];
    session_hash(who->cookie, hash);
    hash[16] = '\0';
    return arena_strdup(w->r.a, hash);
}

static void must_change(struct world *w)
{
    AUTO(db) struct db *db = NULL;
    struct user u;
    w->must_change = rig_person(&w->r, "new@a.example", "admin", 0);
    OK(store_begin(w->r.store, &db, err));
    OK(db_user_get(db, w->must_change.user_id, w->r.a, &u, err));
    u.must_change = true;
    OK(db_user_update(db, &u, err));
    OK(db_commit(&db, err));
}

static void world_start(struct world *w)
{
    struct api_rig *r = &w->r;
    AUTO(db) struct db *db = NULL;
    api_rig_start(r);
    struct who local = rig_local();
    (void)rig_want(r, &local, 201, "POST", "/vendor/shares", "{\"customer\":\"Self\"}");
    w->group[OWN] = rig_group(r, "web");
    w->group[THEIRS] = rig_group(r, OTHER);
    w->admin = rig_person(r, "admin@a.example", "admin", 0);
    w->operator= rig_person(r, "op@a.example", "operator", w->group[OWN]);
    w->viewer = rig_person(r, "view@a.example", "viewer", w->group[OWN]);
    w->loner = rig_person(r, "loner@a.example", "operator", 0);
    struct who other = rig_person(r, "op@" OTHER ".example", "operator", w->group[THEIRS]);
    w->op_token = with_token(w, &w->operator, "t-op", "operator");
    w->view_token = with_token(w, &w->operator, "t-view", "viewer");
    must_change(w);
    struct who more = rig_session(r, w->operator.user_id);
    w->user[OWN] = w->viewer.user_id;
    w->user[THEIRS] = other.user_id;
    w->session[OWN] = session_name(w, &more);
    w->session[THEIRS] = session_name(w, &other);
    OK(store_begin(r->store, &db, err));
    w->ca = add_connector(db, "ca", "private", "ca1", "{}", 0);
    w->backup = add_connector(
        db, "backup", "folder", "disk",
        "{\"via\":\"local\",\"folder\":\"/nowhere\",\"passphrase\":{\"sealed\":\"x\"}}", 0);
    w->notifier = add_connector(
        db, "notifier", "smtp", "mail",
        "{\"host\":\"m.example\",\"from\":\"a@a.example\",\"to\":[\"b@a.example\"]}", 0);
    add_side(w, db, OWN, "www.a.example", "web1");
    add_side(w, db, THEIRS, "www." OTHER ".example", OTHER "1");
    add_discovery(w, db, OWN, "found.a.example");
    add_discovery(w, db, THEIRS, "found." OTHER ".example");
    add_personal(w, db, OWN, w->operator.user_id, "own");
    add_personal(w, db, THEIRS, other.user_id, OTHER);
    OK(db_commit(&db, err));
}

static void world_end(struct world *w)
{
    api_rig_end(&w->r);
}

/* ---- what the routes are given ---- */
#define HOST_KEY "{\"fingerprint\":\"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\"}"

struct body_row {
    const char *id, *body; /* one for each route that takes a body */
};
static const struct body_row bodies[] = {
    {"backup.create", "{\"passphrase\":\"violet tandem kettle\"}"},
    {"backup_store.create", "{\"name\":\"n\",\"type\":\"folder\"}"},
    {"backup_store.host_key", HOST_KEY},
    {"backup_store.update", "{\"name\":\"n\"}"},
    {"binding.create", "{\"cert\":\"%cert%\",\"target\":\"%target%\",\"seq\":9,"
                       "\"place\":{\"cert_path\":\"/tmp/x.crt\",\"key_path\":\"/tmp/x.key\"}}"},
    {"binding.update", "{\"seq\":5}"},
    {"ca.create", "{\"name\":\"n\",\"type\":\"private\"}"},
    {"ca.update", "{\"name\":\"n\"}"},
    {"cert.batch", "{\"lines\":[\"new.a.example\"],\"ca\":\"ca1\",\"group\":\"%group%\"}"},
    {"cert.check", "{\"names\":[\"new.a.example\"],\"ca\":\"ca1\",\"group\":\"%group%\"}"},
    {"cert.create", "{\"names\":[\"new.a.example\"],\"ca\":\"ca1\",\"group\":\"%group%\"}"},
    {"cert.deploy", "{}"},
    {"cert.export_key", "{\"format\":\"pem\",\"password\":\"violet tandem kettle\"}"},
    {"cert.import", "{\"pem\":\"x\"}"},
    {"cert.inspect", "{\"pem\":\"x\"}"},
    {"cert.renew", "{}"},
    {"cert.request", "{}"},
    {"cert.revoke", "{\"reason\":\"superseded\"}"},
    {"cert.update", "{\"name\":\"renamed\"}"},
    {"discovery.adopt", "{\"items\":[\"%item%\"],\"action\":\"watch\"}"},
    {"discovery.create", "{\"targets\":\"192.0.2.7\",\"group\":\"%group%\"}"},
    {"discovery.plan", "{\"items\":[\"%item%\"]}"},
    {"endpoint.adopt", "{}"},
    {"endpoint.adopt_many", "{\"items\":[\"%endpoint%\"]}"},
    {"endpoint.create", "{\"host\":\"new.a.example\",\"group\":\"%group%\"}"},
    {"endpoint.plan", "{\"items\":[\"%endpoint%\"]}"},
    {"endpoint.update", "{\"every\":\"2h\"}"},
    {"group.create", "{\"name\":\"n\"}"},
    {"group.join", "{\"user\":\"loner@a.example\"}"},
    {"job.approve", "{\"now\":true}"},
    {"group.preview", "{\"notify\":{\"days\":[\"60\"]}}"},
    {"group.update", "{\"about\":\"n\"}"},
    {"key.passphrase", "{\"passphrase\":\"violet tandem kettle\"}"},
    {"key.rotate", "{}"},
    {"key.unseal", "{\"passphrase\":\"violet tandem kettle\"}"},
    {"licence.import", "{\"file\":\"x\"}"},
    {"licence.trust", "{\"key\":\"x\"}"},
    {"log.set", "{\"level\":\"info\"}"},
    {"notifier.create", "{\"name\":\"n\",\"type\":\"smtp\"}"},
    {"notifier.update", "{\"name\":\"n\"}"},
    {"org.contact_add", "{\"details\":{\"name\":\"N\",\"mail\":\"n@a.example\"}}"},
    {"org.contact_update", "{\"details\":{\"phone\":\"03-0000-0000\"}}"},
    {"org.create", "{\"name\":\"n\",\"group\":\"%group%\",\"details\":"
                   "{\"legal_name\":\"N Ltd.\",\"locality\":\"Osaka\"}}"},
    {"org.update", "{\"details\":{\"duns\":\"690123456\"}}"},
    {"preflight.start", "{\"names\":[\"new.a.example\"],\"ca\":\"ca1\",\"group\":\"%group%\"}"},
    {"session.create", "{\"login\":\"nobody@a.example\",\"password\":\"wrong wrong wrong\"}"},
    {"session.password", "{\"old\":\"a\",\"new\":\"b\"}"},
    {"session.prove", "{\"password\":\"a\"}"},
    {"session.totp_confirm", "{\"code\":\"000000\"}"},
    {"support.bundle", "{}"},
    {"syslog.set", "{\"host\":\"log.example\"}"},
    {"tag.put", "{\"add\":[\"new\"]}"},
    {"target.create", "{\"name\":\"n\",\"type\":\"files\"}"},
    {"target.host_key", HOST_KEY},
    {"target.update", "{\"name\":\"n\"}"},
    {"token.create", "{\"name\":\"n\"}"},
    {"user.create", "{\"login\":\"x@a.example\",\"password\":\"violet tandem kettle 77\"}"},
    {"user.update", "{\"name\":\"n\"}"},
    {"view.put", "{\"name\":\"n\"}"},
    {"vendor.cancel", "{\"service_code\":\"123456789012\",\"file_name\":\"x\"}"},
    {"vendor.change", "{\"name\":\"n\"}"},
    {"vendor.customer.add", "{\"name\":\"n\",\"mail\":\"n@a.example\"}"},
    {"vendor.customer.change", "{\"mail\":\"n@a.example\"}"},
    {"vendor.fee.set", "{\"item\":\"basic\",\"yen\":1,\"from\":\"2026-12\"}"},
    {"vendor.init", "{\"name\":\"n\"}"},
    {"vendor.key.new", "{}"},
    {"vendor.key.retire", "{}"},
    {"vendor.licence.issue", "{\"customer\":\"Self\"}"},
    {"vendor.order.add", "{\"customer\":\"Self\",\"kind\":\"option\",\"servers\":1}"},
    {"vendor.share.add", "{\"customer\":\"Self\"}"},
};

static const char *put_in(struct world *w, const char *text, enum side side)
{
    AUTO(buf) struct buf b = BUF(65536);
    for (const char *p = text; *p;) {
        const char *name = NULL;
        int64_t id = 0;
        if (strncmp(p, "%cert%", 6) == 0) {
            name = "%cert%";
            id = w->cert[side];
        } else if (strncmp(p, "%target%", 8) == 0) {
            name = "%target%";
            id = w->target[side];
        } else if (strncmp(p, "%group%", 7) == 0) {
            name = "%group%";
            id = w->group[side];
        } else if (strncmp(p, "%endpoint%", 10) == 0) {
            name = "%endpoint%";
            id = w->endpoint[side];
        } else if (strncmp(p, "%item%", 6) == 0) {
            name = "%item%";
            id = w->found[side];
        }
        if (name)
            buf_addf(&b, "%lld", (long long)id);
        else
            buf_addc(&b, *p);
        p += name ? strlen(name) : 1;
    }
    return arena_str(w->r.a, buf_str(&b));
}

static const char *body_of(struct world *w, const struct route *t, enum side side)
{
    if (!t->body)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        if (strcmp(bodies[i].id, t->id) == 0)
            return put_in(w, bodies[i].body, side);
    fail_msg("route %s takes a body: give it one in tests/unit/api/test_routes.c", t->id);
    return NULL;
}

/* What a path's parameter stands for, by the word before it. owned: it belongs to a group or to a
 * person; else it is the installation's and the role alone decides. */
struct thing {
    const char *word;
    bool owned, person;
    const char *(*name)(struct world *w, enum side side);
};
#define NUMBER(what)                                                                               \
    static const char *name_##what(struct world *w, enum side side)                                \
    {                                                                                              \
        return arena_printf(w->r.a, "%lld", (long long)w->what[side]);                             \
    }
NUMBER(cert)
NUMBER(target)
NUMBER(endpoint)
NUMBER(binding)
NUMBER(deployment)
NUMBER(job)
NUMBER(order)
NUMBER(user)
NUMBER(token)
NUMBER(group)
NUMBER(org)
NUMBER(contact)
NUMBER(view)
NUMBER(preflight)
NUMBER(discovery)
static const char *name_session(struct world *w, enum side side)
{
    return w->session[side];
}
static const char *name_ca(struct world *w, enum side side)
{
    (void)side;
    return arena_printf(w->r.a, "%lld", (long long)w->ca);
}
static const char *name_notifier(struct world *w, enum side side)
{
    (void)side;
    return arena_printf(w->r.a, "%lld", (long long)w->notifier);
}
static const char *name_backup(struct world *w, enum side side)
{
    (void)side;
    return arena_printf(w->r.a, "%lld", (long long)w->backup);
}
static const char *name_schema(struct world *w, enum side side)
{
    (void)w, (void)side;
    return "ca";
}
/* The desk's first of each. */
static const char *name_first(struct world *w, enum side side)
{
    (void)w, (void)side;
    return "1";
}
static const char *name_month(struct world *w, enum side side)
{
    (void)w, (void)side;
    return "2026-11";
}
static const struct thing things[] = {
    {"customers", false, false, name_first},
    {"vendor orders", false, false, name_first},
    {"licences", false, false, name_first},
    {"shares", false, false, name_first},
    {"statements", false, false, name_month},
    {"keys", false, false, name_first}, /* the vendor's */
    {"certs", true, false, name_cert},
    {"cas", false, false, name_ca},
    {"targets", true, false, name_target},
    {"notifiers", false, false, name_notifier},
    {"backup-stores", false, false, name_backup},
    {"endpoints", true, false, name_endpoint},
    {"discoveries", true, false, name_discovery},
    {"bindings", true, false, name_binding},
    {"deployments", true, false, name_deployment},
    {"jobs", true, false, name_job},
    {"orders", true, false, name_order},
    {"orgs", true, false, name_org},
    {"contacts", true, false, name_contact},
    {"users", false, false, name_user},
    {"members", false, false, name_user},
    {"groups", true, false, name_group},
    {"tokens", true, true, name_token},
    {"views", true, true, name_view},
    {"preflights", true, true, name_preflight},
    {"sessions", true, true, name_session},
    {"schema", false, false, name_schema},
};

static const struct thing *thing_of(struct str word, const char *route)
{
    for (size_t i = 0; i < COUNT_OF(things); i++)
        if (str_eqs(word, things[i].word))
            return &things[i];
    fail_msg("route %s: what does the part after \"%.*s\" name? Say so in test_routes.c", route,
             (int)word.n, word.p);
    return NULL;
}

/* The path with its parameters filled in; *ret is what the first of them names. */
static const char *path_of(struct world *w, const struct route *t, enum side side,
                           const struct thing **ret)
{
    AUTO(buf) struct buf b = BUF(1024);
    struct str rest = str_from(t->path + 1), part, word = STR("");
    *ret = NULL;
    while (str_split(&rest, '/', &part)) {
        buf_addc(&b, '/');
        bool second = str_eq(part, STR("{id}")) && strncmp(t->path, "/schema/{kind}/", 15) == 0;
        if (part.n > 0 && part.p[0] == '{' && !second) {
            const struct thing *g = thing_of(word, t->id);
            *ret = *ret ? *ret : g;
            buf_adds(&b, g->name(w, side));
        } else if (second) {
            buf_adds(&b, "private");
        } else {
            buf_addstr(&b, part);
        }
        word = part;
        if (str_eqs(part, "orders") && strncmp(t->path, "/vendor/", 8) == 0)
            word = STR("vendor orders");
    }
    return arena_str(w->r.a, buf_str(&b));
}

static size_t route_count(void)
{
    return api_route_count();
}

static const struct route *route_at(size_t i)
{
    size_t n;
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t s = 0; s < n; s++) {
        if (i < sets[s]->n)
            return &sets[s]->v[i];
        i -= sets[s]->n;
    }
    return NULL;
}

static struct answer try(struct world *w, const struct who *who, const struct route *t,
                         enum side side, const struct thing **ret)
{
    const char *path = path_of(w, t, side, ret);
    return rig_call(&w->r, who, t->method, path, body_of(w, t, side));
}

static void want(const struct route *t, const char *whose, bool good, const struct answer *x)
{
    if (!good)
        fail_msg("%s (%s %s) as %s: %d %s", t->id, t->method, t->path, whose, x->status,
                 x->text ? x->text : "");
}

/* ---- the walk ---- */
static void strangers(void **state)
{
    struct world w = {0};
    (void)state;
    world_start(&w);
    struct who planted = {.cookie = "0000000000000000000000000000000000000000000000000000000000000"
                                    "000"};
    struct who forged = {.bearer = "inro_0000"};
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *t = route_at(i);
        const struct thing *g;
        struct answer x = try(&w, &w.nobody, t, OWN, &g);
        bool open = t->perm == PERM_PUBLIC;
        want(t, "nobody", open || x.status == 401, &x);
        x = try(&w, &planted, t, OWN, &g);
        want(t, "a planted cookie", open || x.status == 401, &x);
        x = try(&w, &forged, t, OWN, &g);
        want(t, "a forged token", open || x.status == 401, &x);
        struct who fresh = rig_session(&w.r, w.must_change.user_id);
        x = try(&w, &fresh, t, OWN, &g);
        want(t, "one who must change the password",
             open || t->perm == PERM_SESSION || x.status == 403, &x);
    }
    world_end(&w);
}

/* Only these are open to everybody: a new one must be put here by hand. */
static void few_are_public(void **state)
{
    static const char *const open[] = {"session.create", "health"};
    (void)state;
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *t = route_at(i);
        bool listed = false;
        for (size_t k = 0; k < COUNT_OF(open); k++)
            listed = listed || strcmp(open[k], t->id) == 0;
        assert_int_equal(t->perm == PERM_PUBLIC, listed);
    }
}

static enum perm most(const char *role)
{
    return strcmp(role, "admin") == 0      ? PERM_ADMIN
           : strcmp(role, "operator") == 0 ? PERM_OPERATE
                                           : PERM_VIEW;
}

/* What is refused is refused before anything happens: one world serves all. */
static void refusals_of(struct world *w, const struct who *who, const char *whose, const char *role,
                        bool in_group)
{
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *t = route_at(i);
        const struct thing *g;
        if (t->perm <= PERM_SESSION)
            continue;
        if (t->perm > most(role)) {
            for (int side = OWN; side <= THEIRS; side++) {
                struct answer x = try(w, who, t, (enum side)side, &g);
                want(t, whose, x.status == 403, &x);
            }
            continue;
        }
        (void)path_of(w, t, THEIRS, &g);
        if (!g || !g->owned || (t->flags & ROUTE_PERSON))
            continue;
        struct answer x = try(w, who, t, THEIRS, &g);
        bool token_cannot = who->bearer && (t->flags & ROUTE_PROVE);
        want(t, whose, x.status == (token_cannot ? 403 : 404), &x);
        assert_null(strstr(x.text, OTHER));
        if (in_group || g->person)
            continue;
        x = try(w, who, t, OWN, &g);
        want(t, whose, x.status == 404, &x);
    }
}

static const char *everything(struct world *w)
{
    static const char *const lists[] = {"/certs",    "/targets",  "/endpoints", "/bindings",
                                        "/jobs",     "/orders",   "/users",     "/groups",
                                        "/sessions", "/notifiers"};
    AUTO(buf) struct buf b = BUF((size_t)4 << 20);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        buf_adds(&b, rig_want(&w->r, &w->admin, 200, "GET", lists[i], NULL).text);
    return arena_str(w->r.a, buf_str(&b));
}

static void refusals(void **state)
{
    struct world w = {0};
    (void)state;
    world_start(&w);
    const char *before = everything(&w);
    refusals_of(&w, &w.viewer, "viewer", "viewer", true);
    refusals_of(&w, &w.operator, "operator", "operator", true);
    refusals_of(&w, &w.loner, "operator of no group", "operator", false);
    refusals_of(&w, &w.op_token, "operator's token", "operator", true);
    refusals_of(&w, &w.view_token, "operator's viewer token", "viewer", true);
    assert_string_equal(before, everything(&w));
    world_end(&w);
}

/* What the role allows on one's own things gets past permission and ownership. */
static void allowed_one(const struct route *t, const char *role, enum side side)
{
    struct world w = {0};
    const struct thing *g;
    world_start(&w);
    const struct who *who = strcmp(role, "admin") == 0 ? &w.admin
                                                       : strcmp(role, "operator") == 0
                                ? &w.operator: & w.viewer;
    (void)path_of(&w, t, side, &g);
    bool others = g && g->person && strcmp(role, "viewer") == 0; /* the things are the operator's */
    struct answer x = try(&w, who, t, side, &g);
    bool refused = x.status == 401 || x.status == 403 || x.status == 404;
    if (t->flags & ROUTE_LOCAL) { /* whoever it is: not over the network */
        want(t, role, x.status == 403, &x);
        struct who local = rig_local();
        x = try(&w, &local, t, side, &g);
        refused = x.status == 401 || x.status == 403;
    }
    bool no_password = strcmp(rig_error(&x), "api.sign_in_failed") == 0;
    if (!others && !x.stream)
        want(t, role, !refused || no_password, &x);
    want(t, role, x.status != 500, &x);
    world_end(&w);
}

static void allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *t = route_at(i);
        if (t->perm <= PERM_PUBLIC)
            continue;
        allowed_one(t, "admin", OWN);
        allowed_one(t, "admin", THEIRS);
        if (t->perm <= PERM_OPERATE)
            allowed_one(t, "operator", OWN);
        if (t->perm <= PERM_VIEW)
            allowed_one(t, "viewer", OWN);
    }
}

/* No list, count or search tells of the other group's things. */
static void lists_are_blind(void **state)
{
    static const char *const asks[] = {
        "",        ("?q=" OTHER),  "?cert=%cert%", "?target=%target%", "?ca=ca1",
        "?open=1", "?state=drift", "?limit=500",   "?sort=name",       "?q=zz&limit=1"};
    struct world w = {0};
    (void)state;
    world_start(&w);
    const struct who *people[] = {&w.operator, & w.viewer, &w.loner, &w.op_token};
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *t = route_at(i);
        if (strcmp(t->method, "GET") != 0 || strchr(t->path, '{') || t->perm > PERM_VIEW)
            continue;
        for (size_t k = 0; k < COUNT_OF(asks); k++)
            for (size_t p = 0; p < COUNT_OF(people); p++) {
                const char *path =
                    arena_printf(w.r.a, "%s%s", t->path, put_in(&w, asks[k], THEIRS));
                struct answer x = rig_call(&w.r, people[p], "GET", path, NULL);
                want(t, "somebody else", x.status < 500 && !strstr(x.text, OTHER), &x);
            }
    }
    struct answer x = rig_want(&w.r, &w.operator, 200, "GET", "/certs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 1);
    x = rig_want(&w.r, &w.loner, 200, "GET", "/certs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    x = rig_want(&w.r, &w.operator, 200, "GET", "/summary", NULL);
    assert_int_equal(json_i64_or(x.json, "health.valid", -1), 1);
    assert_int_equal(json_i64_or(x.json, "connectors.target", -1), 1);
    x = rig_want(&w.r, &w.admin, 200, "GET", "/summary", NULL);
    assert_int_equal(json_i64_or(x.json, "health.valid", -1), 2);
    world_end(&w);
}

/* What a body names is held to the same: nothing is made of, or put into, another group. */
static void bodies_are_blind(void **state)
{
    struct world w = {0};
    (void)state;
    world_start(&w);
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        {"POST", "/bindings", "{\"cert\":\"www.a.example\",\"target\":\"" OTHER "1\"}", 404},
        {"POST", "/bindings", "{\"cert\":\"www." OTHER ".example\",\"target\":\"web1\"}", 404},
        {"POST", "/certs", "{\"names\":[\"n.example\"],\"ca\":\"ca1\",\"group\":\"" OTHER "\"}",
         400},
        {"POST", "/certs", "{\"names\":[\"n.example\"],\"ca\":\"ca1\",\"group\":\"%group%\"}", 400},
        {"PATCH", "/certs/www.a.example", "{\"group\":\"" OTHER "\"}", 400},
        {"POST", "/certs/www.a.example/deploy", "{\"target\":\"" OTHER "1\"}", 404},
        {"POST", "/endpoints", "{\"host\":\"n.example\",\"cert\":\"www." OTHER ".example\"}", 404},
        {"POST", "/endpoints", "{\"host\":\"n.example\",\"group\":\"" OTHER "\"}", 400},
        {"POST", "/tokens", "{\"name\":\"t\",\"role\":\"admin\"}", 400},
        {"POST", "/tokens", "{\"name\":\"t\",\"groups\":[\"" OTHER "\"]}", 400},
        {"POST", "/tokens", "{\"name\":\"t\",\"user\":\"admin@a.example\"}", 400},
        /* mass assignment */
        {"POST", "/certs", "{\"names\":[\"n.example\"],\"ca\":\"ca1\",\"group_id\":2}", 400},
        {"PATCH", "/certs/www.a.example", "{\"id\":7}", 400},
        {"PATCH", "/certs/www.a.example", "{\"owner\":\"x\"}", 400},
        {"POST", "/session/prove", "{\"password\":\"x\",\"role\":\"admin\"}", 400},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        (void)rig_want(&w.r, &w.operator, rows[i].status, rows[i].method, rows[i].path,
                       put_in(&w, rows[i].body, THEIRS));
    /* an own one is of the only group without saying so */
    struct answer x = rig_want(&w.r, &w.operator, 201, "POST", "/certs",
                               "{\"names\":[\"mine.example\"],\"ca\":\"ca1\",\"request\":false}");
    assert_string_equal(json_str_or(x.json, "cert.group", ""), "web");
    x = rig_want(&w.r, &w.admin, 201, "POST", "/certs",
                 "{\"names\":[\"free.example\"],\"ca\":\"ca1\",\"request\":false}");
    assert_int_equal(json_type_of(json_get(x.json, "cert.group")), JSON_NULL);
    (void)rig_want(&w.r, &w.operator, 404, "GET", "/certs/free.example", NULL);
    world_end(&w);
}

/* Ids that are none: never more than "there is no such thing". */
static void odd_ids(void **state)
{
    static const char *const ids[] = {"-1",
                                      "0",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "1'",
                                      "1 OR 1=1",
                                      "%2e%2e%2f",
                                      "..",
                                      "\xc0\xae\xc0\xae",
                                      "f47ac10b-58cc-4372-a567-0e02b2c3d479",
                                      "%"};
    struct world w = {0};
    (void)state;
    world_start(&w);
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *t = route_at(i);
        const char *at = strchr(t->path, '{');
        if (!at || strncmp(t->path, "/schema", 7) == 0 || !strstr(t->path, "{id}"))
            continue;
        for (size_t k = 0; k < COUNT_OF(ids); k++) {
            const char *end = strchr(at, '}') + 1;
            const char *path = arena_printf(w.r.a, "%.*s%s%s", (int)(at - t->path), t->path, ids[k],
                                            strchr(end, '{') ? "/members/1" : end);
            struct who local = rig_local();
            const struct who *who = t->flags & ROUTE_LOCAL ? &local : &w.admin;
            struct answer x = rig_call(&w.r, who, t->method, path, body_of(&w, t, OWN));
            want(t, ids[k], x.status == 404 || x.status == 400, &x);
        }
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_public),  cmocka_unit_test(strangers),
        cmocka_unit_test(refusals),        cmocka_unit_test(allowed),
        cmocka_unit_test(lists_are_blind), cmocka_unit_test(bodies_are_blind),
        cmocka_unit_test(odd_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
