/*
 * Adoption: what was found, or is watched, comes under management. The certificate that is served
 * is registered without its key, and the endpoint expects it; one that is held already is joined.
 * Invariants: a plan and what is done come from the same decisions; either everything that was
 * decided happens or, when something is refused (the licence), nothing does.
 */
#include <string.h>

#include "api/priv.h"
#include "job/licence.h"
#include "store/repo_discover.h"

enum { ITEMS_MAX = 500, EVERY = 3600 };

struct adopt_in {
    struct str_list items;
    const char *state, *action, *group, *sha256;
};
static const struct field_choice actions[] = {{"watch", {"Watch", "監視に追加"}},
                                              {"adopt", {"Manage", "管理に加える"}},
                                              {NULL, {NULL, NULL}}};
static const struct field many_fields[] = {
    FIELD_LIST(struct adopt_in, items, .max = ITEMS_MAX,
               .label = {"Numbers of addresses found", "対象（結果の番号）"}),
    FIELD_STR(struct adopt_in, state, .max = 20,
              .label = {"Instead: all in this state, 500 at a time",
                        "番号の代わりに、この状態のもの（500 件ずつ）"}),
    FIELD_ENUM(struct adopt_in, action, .dflt = "adopt", .choices = actions,
               .label = {"What to do", "操作"}),
    FIELD_STR(struct adopt_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_END};
static const struct field endpoints_fields[] = {
    FIELD_LIST(struct adopt_in, items, .flags = FIELD_REQUIRED, .max = ITEMS_MAX,
               .label = {"Numbers of endpoints", "監視対象の番号"}),
    FIELD_STR(struct adopt_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_END};
static const struct field one_fields[] = {
    FIELD_STR(struct adopt_in, sha256, .max = 64,
              .label = {"Fingerprint, where the addresses differ",
                        "フィンガープリント（アドレスごとに異なる場合）"}),
    FIELD_STR(struct adopt_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_END};

/* What happens with one address. */
enum deed { DEED_SKIP = 0, DEED_WATCH, DEED_JOIN, DEED_ADOPT };
static const char *const deeds[] = {"skip", "watch", "join", "adopt"};

struct choice {
    struct discovery_item it;
    enum deed deed;
    struct err why; /* of DEED_SKIP */
    bool watched;   /* chosen among the endpoints, not in a discovery */
    int64_t cert_id, endpoint_id;
    int64_t group; /* of a certificate that is registered */
    const char *cert_name;
};
struct batch {
    struct choice *v;
    size_t n;
    bool adopt, more;
    int64_t group;
    size_t endpoints, certs, joined, left_out;
};

#define SKIP(c, ...)                                                                               \
    do {                                                                                           \
        (c)->deed = DEED_SKIP;                                                                     \
        (c)->why.rc = FAIL(&(c)->why, RC_CONFLICT, BLAME_INPUT, __VA_ARGS__);                      \
    } while (0)

/* ---- registering what is served ---- */
static enum rc name_taken(struct request *r, const char *name, bool *ret, struct err *err)
{
    struct cert c;
    struct err why = {0};
    db_scope(r->db, NULL); /* names are unique in the installation */
    enum rc rc = db_cert_find(r->db, name, r->a, &c, &why);
    db_scope(r->db, r->scope);
    *ret = rc == RC_OK;
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        *err = why;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* Its first name where that can be one here and is free, else with the start of the fingerprint. */
static enum rc free_name(struct request *r, const struct cert_info *leaf, const char *sha256,
                         const char **ret, struct err *err)
{
    const char *name = leaf->name_count > 0 ? leaf->names[0] : leaf->common_name;
    struct err none;
    bool taken = false;
    if (!name || strlen(name) > 100 || name_check(name, &none) != RC_OK)
        name = arena_printf(r->a, "serial %.100s", leaf->serial);
    if (!name)
        return NOMEM(err);
    TRY(name_taken(r, name, &taken, err));
    *ret = taken ? arena_printf(r->a, "%s (%.12s)", name, sha256) : name;
    return *ret ? RC_OK : NOMEM(err);
}

/* The chain as it is to be kept: in order, or the certificate alone where it is in none. */
static enum rc order_chain(struct request *r, const char *pem, struct cert_info *ret_leaf,
                           const char **ret_pem, struct err *err)
{
    AUTO(buf) struct buf out = BUF(CERT_MAX_PEM_BYTES);
    struct cert_list all, chain;
    struct err none;
    size_t dropped = 0;
    TRY(cert_parse_pem(str_from(pem), true, r->a, &all, err));
    bool ordered = chain_order(&all, r->a, &chain, &dropped, &none) == RC_OK && chain.n > 0 &&
                   memcmp(chain.v[0].sha256, all.v[0].sha256, 32) == 0;
    if (!ordered)
        chain = (struct cert_list){all.v, 1};
    for (size_t i = 0; i < chain.n; i++)
        cert_to_pem(chain.v[i].der, &out);
    TRY(buf_ok(&out, err));
    *ret_leaf = chain.v[0];
    *ret_pem = arena_str(r->a, buf_str(&out));
    return *ret_pem ? RC_OK : NOMEM(err);
}

static enum rc adopt_chain(struct request *r, const char *served, const char *sha256, int64_t group,
                           struct cert *ret, struct err *err)
{
    struct cert_info leaf;
    struct cert_version v;
    const char *pem;
    struct cert c = {.group_id = group};
    TRY(order_chain(r, served, &leaf, &pem, err));
    TRY(free_name(r, &leaf, sha256, &c.name, err));
    TRY(cert_register(r, &leaf, pem, &c, &v, err));
    TRY(db_version_activate(r->db, v.id, 0, r->now, err));
    r_subject(r, "cert", c.id);
    r_event(r, "cert", c.id);
    return db_cert_get(r->db, c.id, r->a, ret, err);
}

static enum rc expect_there(struct request *r, int64_t endpoint, const struct cert *c,
                            struct err *err)
{
    struct endpoint e;
    int64_t job = 0;
    TRY(db_endpoint_get(r->db, endpoint, r->a, &e, err));
    e.cert_id = c->id;
    e.next_at = e.updated = r->now;
    TRY(db_endpoint_update(r->db, &e, err));
    TRY(job_request_watch(r->db, e.id, r->now, &job, err));
    r_subject(r, "endpoint", e.id);
    r_event(r, "endpoint", e.id);
    r->wake = true;
    return RC_OK;
}

/* ---- deciding ---- */
/* As it was served: at a watched endpoint, or when it was discovered. */
static enum rc chain_of(struct request *r, const struct choice *c, const char **ret,
                        struct err *err)
{
    if (c->watched)
        return db_observation_chain(r->db, c->endpoint_id, c->it.sha256, r->a, ret, err);
    return db_discovery_chain(r->db, c->it.id, r->a, ret, err);
}

/* Nothing stands there that could be taken. */
static bool nothing_there(struct choice *c)
{
    const char *kind = c->it.kind;
    if (strcmp(kind, "cert") == 0)
        return false;
    if (strcmp(kind, "waiting") == 0)
        SKIP(c, MSG("adopt.waiting", "it was not looked at yet", "まだ確認していません"));
    else
        SKIP(c,
             MSG("adopt.nothing", "no certificate is served there", "証明書が提示されていません"));
    return true;
}

static enum rc decide_watched(struct request *r, const struct batch *b, struct choice *c,
                              struct err *err)
{
    struct endpoint e;
    TRY(db_endpoint_get(r->db, c->it.endpoint_id, r->a, &e, err));
    c->endpoint_id = e.id;
    if (e.cert_id)
        SKIP(c, MSG("adopt.expected", "it is watched, and a certificate is expected there",
                    "監視中で、期待する証明書も設定されています"));
    else if (!b->adopt && c->deed == DEED_WATCH)
        SKIP(c, MSG("adopt.watched", "it is watched already", "すでに監視しています"));
    return RC_OK;
}

static enum rc decide_new(struct request *r, struct choice *c, struct err *err)
{
    bool taken = false;
    TRY(db_endpoint_taken(r->db, c->it.host, c->it.port, &taken, err));
    if (taken)
        SKIP(c, MSG("adopt.taken", "another group watches it", "他のグループが監視しています"));
    return RC_OK;
}

static bool same_place(const struct choice *a, const struct choice *b)
{
    if (a->endpoint_id || b->endpoint_id)
        return a->endpoint_id == b->endpoint_id;
    return a->it.port == b->it.port && strcmp(a->it.host, b->it.host) == 0;
}

/* The same place or the same certificate earlier among those chosen. */
static void decide_again(const struct batch *b, size_t at, struct choice *c)
{
    for (size_t i = 0; i < at && c->deed != DEED_SKIP; i++) {
        const struct choice *o = &b->v[i];
        if (o->deed == DEED_SKIP)
            continue;
        if (same_place(o, c))
            SKIP(c, MSG("adopt.twice", "the place is among those chosen already",
                        "同じ対象がすでに選ばれています"));
        else if (c->deed == DEED_ADOPT && o->deed == DEED_ADOPT &&
                 strcmp(o->it.sha256, c->it.sha256) == 0)
            c->deed = DEED_JOIN;
    }
}

static enum rc decide(struct request *r, struct batch *b, size_t at, struct err *err)
{
    struct choice *c = &b->v[at];
    const char *chain = NULL;
    struct cert held;
    if (nothing_there(c))
        return RC_OK;
    c->deed = c->it.held_id ? DEED_JOIN : b->adopt ? DEED_ADOPT : DEED_WATCH;
    if (c->it.held_id) {
        TRY(db_cert_get(r->db, c->it.held_id, r->a, &held, err));
        c->cert_id = held.id;
        c->cert_name = held.name;
    }
    TRY(c->it.endpoint_id ? decide_watched(r, b, c, err) : decide_new(r, c, err));
    if (c->deed == DEED_ADOPT) {
        TRY(chain_of(r, c, &chain, err));
        if (!chain)
            SKIP(c, MSG("adopt.chain", "what is served there is too large to be kept",
                        "提示された証明書が大きすぎます"));
    }
    decide_again(b, at, c);
    return RC_OK;
}

static void count(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct choice *c = &b->v[i];
        b->left_out += c->deed == DEED_SKIP;
        b->certs += c->deed == DEED_ADOPT;
        b->joined += c->deed == DEED_JOIN;
        b->endpoints += c->deed != DEED_SKIP && !c->endpoint_id;
    }
}

static enum rc read_items(struct request *r, int64_t discovery, struct batch *b, struct err *err)
{
    const struct adopt_in *in = r->in;
    struct discovery_item_list l = {NULL, 0};
    CHECK(
        (in->items.n > 0) != (in->state != NULL), err, RC_INPUT, BLAME_INPUT,
        MSG("adopt.which", "say which: items or state", "items か state で対象を指定してください"));
    if (in->state) {
        struct discovery_filter f = {.id = discovery, .relation = in->state, .limit = ITEMS_MAX};
        TRY(db_discovery_items(r->db, &f, r->a, &l, err));
        b->more = l.n == ITEMS_MAX;
    }
    b->n = in->state ? l.n : in->items.n;
    b->v = arena_array(r->a, b->n ? b->n : 1, sizeof *b->v);
    if (!b->v)
        return NOMEM(err);
    for (size_t i = 0; i < b->n; i++) {
        int64_t id;
        b->v[i] = (struct choice){.deed = DEED_SKIP};
        if (in->state) {
            b->v[i].it = l.v[i];
            continue;
        }
        TRY(r_id(in->items.v[i], &id, err));
        TRY(db_discovery_item_get(r->db, discovery, id, r->a, &b->v[i].it, err));
    }
    return RC_OK;
}

static enum rc decide_all(struct request *r, struct batch *b, struct err *err)
{
    const struct adopt_in *in = r->in;
    struct discovery d;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "discovery", id);
    TRY(db_discovery_get(r->db, id, r->a, &d, err));
    TRY(group_from_input(r, in->group, d.group_id, &b->group, err));
    b->adopt = strcmp(in->action, "adopt") == 0;
    TRY(read_items(r, id, b, err));
    for (size_t i = 0; i < b->n; i++)
        TRY(decide(r, b, i, err));
    count(b);
    return RC_OK;
}

/* ---- doing it ---- */
static enum rc registered(struct request *r, const struct batch *b, size_t at, struct cert *ret,
                          struct err *err)
{
    const struct choice *c = &b->v[at];
    for (size_t i = 0; i < at && !c->cert_id; i++)
        if (b->v[i].deed == DEED_ADOPT && strcmp(b->v[i].it.sha256, c->it.sha256) == 0)
            return db_cert_get(r->db, b->v[i].cert_id, r->a, ret, err);
    return db_cert_get(r->db, c->cert_id, r->a, ret, err);
}

static enum rc cert_for(struct request *r, const struct batch *b, size_t at, struct cert *ret,
                        struct err *err)
{
    const struct choice *c = &b->v[at];
    const char *chain = NULL;
    if (c->deed != DEED_ADOPT)
        return registered(r, b, at, ret, err);
    TRY(chain_of(r, c, &chain, err));
    TRY(adopt_chain(r, chain, c->it.sha256, c->watched ? c->group : b->group, ret, err));
    return r_audit_as(r, "cert.import", err);
}

static enum rc act(struct request *r, struct batch *b, size_t at, struct err *err)
{
    struct choice *c = &b->v[at];
    struct cert cert = {0};
    r->subject = r->detail = NULL;
    if (c->deed == DEED_SKIP)
        return RC_OK;
    if (c->deed != DEED_WATCH)
        TRY(cert_for(r, b, at, &cert, err));
    c->cert_id = cert.id;
    c->cert_name = cert.name;
    if (c->endpoint_id) {
        TRY(expect_there(r, c->endpoint_id, &cert, err));
        return r_audit_as(r, "endpoint.update", err);
    }
    struct endpoint e = {.host = c->it.host,
                         .port = c->it.port,
                         .starttls = "none",
                         .cert_id = cert.id,
                         .every = EVERY,
                         .group_id = b->group};
    TRY(endpoint_begin(r, &e, err));
    c->endpoint_id = e.id;
    return r_audit_as(r, "endpoint.create", err);
}

/* ---- what is answered ---- */
static void view_choice(struct request *r, const struct choice *c)
{
    struct json_writer *w = &r->w;
    jw_object(w);
    jw_ki64(w, "id", c->it.id);
    jw_kstr(w, "host", c->it.host);
    jw_ki64(w, "port", c->it.port);
    jw_kstr(w, "name", c->it.name);
    jw_kstr(w, "what", deeds[c->deed]);
    jw_key(w, "why");
    if (c->deed == DEED_SKIP) {
        jw_object(w);
        jw_kstr(w, "en", c->why.en);
        jw_kstr(w, "ja", c->why.ja);
        jw_end_object(w);
    } else {
        jw_null(w);
    }
    jw_id(w, "endpoint", c->endpoint_id);
    jw_id(w, "cert", c->cert_id);
    jw_kstr(w, "cert_name", c->cert_name);
    jw_end_object(w);
}

static enum rc view_batch(struct request *r, const struct batch *b, struct err *err)
{
    struct json_writer *w = &r->w;
    struct licence_now n;
    struct err refused = {0};
    bool plan = r->route->arg != NULL;
    TRY(licence_load(r->db, r->now, r->a, &n, err));
    enum rc rc = plan && b->certs > 0
                     ? licence_may_add_certificate(&n.status,
                                                   n.certificates + (int64_t)b->certs - 1, &refused)
                     : RC_OK;
    jw_object(w);
    jw_ki64(w, "endpoints", (int64_t)b->endpoints);
    jw_ki64(w, "certs", (int64_t)b->certs);
    jw_ki64(w, "joined", (int64_t)b->joined);
    jw_ki64(w, "left_out", (int64_t)b->left_out);
    jw_kbool(w, "more", b->more);
    jw_key(w, "certificates");
    jw_object(w);
    jw_ki64(w, "used", n.certificates);
    jw_ki64(w, "limit", n.status.certificates);
    jw_end_object(w);
    jw_key(w, "refused");
    if (rc != RC_OK)
        jw_err(w, &refused);
    else
        jw_null(w);
    jw_key(w, "items");
    jw_array(w);
    for (size_t i = 0; i < b->n; i++)
        view_choice(r, &b->v[i]);
    jw_end_array(w);
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_plan(struct request *r, struct err *err)
{
    struct batch b = {0};
    TRY(decide_all(r, &b, err));
    return view_batch(r, &b, err);
}

static enum rc act_all(struct request *r, struct batch *b, struct err *err)
{
    bool first;
    size_t n = b->n - b->left_out;
    if (n > 1)
        TRY(delay_changes(r, (int64_t)n - 1, &first, err)); /* the request counted as one */
    for (size_t i = 0; i < b->n; i++)
        TRY(act(r, b, i, err));
    r->detail = NULL;
    return RC_OK;
}

static enum rc run_many(struct request *r, struct err *err)
{
    struct batch b = {0};
    TRY(decide_all(r, &b, err));
    TRY(act_all(r, &b, err));
    r->subject = arena_printf(r->a, "discovery/%s", r->params[0]);
    return view_batch(r, &b, err);
}

/* ---- one endpoint ---- */
/* The fingerprint all its addresses serve, or the one that was asked for, if it is served. */
static enum rc served_there(struct request *r, const struct endpoint *e, const char *wanted,
                            const char **ret, struct err *err)
{
    AUTO(json) struct json *seen = NULL;
    const char *found = NULL;
    TRY(stored_json(e->seen, &seen, err));
    const struct json *addrs = json_get(seen, "addresses");
    for (size_t i = 0; i < json_len(addrs); i++) {
        const char *sha = json_str_or(json_at(addrs, i), "sha256", "");
        if (!*sha || (wanted && strcmp(wanted, sha) != 0))
            continue;
        CHECK(!found || strcmp(found, sha) == 0, err, RC_CONFLICT, BLAME_INPUT,
              MSG("adopt.differ",
                  "its addresses serve different certificates; say which by its fingerprint",
                  "アドレスごとに異なる証明書が提示されています。フィンガープリントで指定してくださ"
                  "い"));
        found = sha;
    }
    CHECK(found, err, RC_CONFLICT, BLAME_INPUT,
          MSG("adopt.not_seen", "no such certificate was seen there at the last look",
              "前回の確認では、該当する証明書は提示されていません"));
    *ret = arena_strdup(r->a, found);
    return *ret ? RC_OK : NOMEM(err);
}

static enum rc held_or_adopted(struct request *r, const struct endpoint *e, const char *sha256,
                               struct cert *ret, bool *ret_new, struct err *err)
{
    const struct adopt_in *in = r->in;
    struct cert_version v;
    struct err why = {0};
    const char *chain = NULL;
    int64_t group = 0;
    enum rc rc = db_version_find_sha256(r->db, sha256, r->a, &v, &why);
    if (rc == RC_OK)
        return db_cert_get(r->db, v.cert_id, r->a, ret, err);
    if (rc != RC_NOT_FOUND) {
        *err = why;
        return rc;
    }
    TRY(db_observation_chain(r->db, e->id, sha256, r->a, &chain, err));
    CHECK(chain, err, RC_CONFLICT, BLAME_INPUT,
          MSG("adopt.no_chain", "what is served there was not kept; look again first",
              "提示された証明書が保存されていません。もう一度確認してください"));
    TRY(group_from_input(r, in->group, e->group_id, &group, err));
    TRY(adopt_chain(r, chain, sha256, group, ret, err));
    *ret_new = true;
    return r_audit_as(r, "cert.import", err);
}

static enum rc run_one(struct request *r, struct err *err)
{
    const struct adopt_in *in = r->in;
    struct endpoint e;
    struct cert c;
    const char *sha256 = NULL;
    bool is_new = false;
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "endpoint", id);
    TRY(db_endpoint_get(r->db, id, r->a, &e, err));
    CHECK(!e.cert_id, err, RC_CONFLICT, BLAME_INPUT,
          MSG("adopt.expects", "a certificate is expected there already; change it if it is wrong",
              "期待する証明書が設定済みです。誤りがあれば変更してください"));
    TRY(served_there(r, &e, in->sha256, &sha256, err));
    TRY(held_or_adopted(r, &e, sha256, &c, &is_new, err));
    r->detail = NULL;
    TRY(expect_there(r, e.id, &c, err));
    TRY(db_endpoint_get(r->db, e.id, r->a, &e, err));
    TRY(db_cert_get(r->db, c.id, r->a, &c, err));
    jw_object(&r->w);
    jw_kbool(&r->w, "new", is_new);
    jw_key(&r->w, "cert");
    TRY(view_cert(r, &c, false, err));
    jw_key(&r->w, "endpoint");
    view_endpoint(r, &e);
    jw_end_object(&r->w);
    return RC_OK;
}

/* ---- many endpoints ---- */
static enum rc read_endpoint(struct request *r, const char *text, struct choice *c, struct err *err)
{
    struct endpoint e;
    struct cert_version v;
    int64_t id;
    TRY(r_id(text, &id, err));
    TRY(db_endpoint_get(r->db, id, r->a, &e, err));
    *c = (struct choice){.watched = true, .endpoint_id = id};
    TRY(group_from_input(r, ((const struct adopt_in *)r->in)->group, e.group_id, &c->group, err));
    c->it = (struct discovery_item){
        .id = id, .host = e.host, .port = e.port, .endpoint_id = id, .kind = "cert"};
    if (served_there(r, &e, NULL, &c->it.sha256, &c->why) != RC_OK) {
        c->it.kind = "unclear";
        return RC_OK;
    }
    enum rc rc = db_version_find_sha256(r->db, c->it.sha256, r->a, &v, err);
    c->it.held_id = rc == RC_OK ? v.cert_id : 0;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc decide_endpoints(struct request *r, struct batch *b, struct err *err)
{
    const struct adopt_in *in = r->in;
    b->adopt = true;
    b->n = in->items.n;
    b->v = arena_array(r->a, b->n ? b->n : 1, sizeof *b->v);
    if (!b->v)
        return NOMEM(err);
    for (size_t i = 0; i < b->n; i++) {
        TRY(read_endpoint(r, in->items.v[i], &b->v[i], err));
        if (strcmp(b->v[i].it.kind, "cert") == 0) /* else read_endpoint() has said why not */
            TRY(decide(r, b, i, err));
    }
    count(b);
    return RC_OK;
}

static enum rc run_endpoints_plan(struct request *r, struct err *err)
{
    struct batch b = {0};
    TRY(decide_endpoints(r, &b, err));
    return view_batch(r, &b, err);
}

static enum rc run_endpoints(struct request *r, struct err *err)
{
    struct batch b = {0};
    TRY(decide_endpoints(r, &b, err));
    TRY(act_all(r, &b, err));
    r->subject = NULL;
    return view_batch(r, &b, err);
}

static const struct route rows[] = {
    {"endpoint.plan", "POST", "/endpoints/plan", PERM(PERM_OPERATE), ROUTE_READ, run_endpoints_plan,
     .answer = "Adoption",
     .summary = {"What managing what watched endpoints serve would do",
                 "監視対象の証明書を管理に加えた場合の内容を確認する"},
     .body = endpoints_fields, .body_size = sizeof(struct adopt_in), .arg = "plan"},
    {"endpoint.adopt_many", "POST", "/endpoints/adopt", PERM(PERM_OPERATE), ROUTE_WRITE,
     run_endpoints, .answer = "Adoption",
     .summary = {"Manage what watched endpoints serve", "監視対象の証明書をまとめて管理に加える"},
     .body = endpoints_fields, .body_size = sizeof(struct adopt_in)},
    {"discovery.plan", "POST", "/discoveries/{id}/plan", PERM(PERM_OPERATE), ROUTE_READ, run_plan,
     .answer = "Adoption",
     .summary = {"What watching or managing the addresses found would do",
                 "監視や管理に加えた場合の内容を確認する"},
     .body = many_fields, .body_size = sizeof(struct adopt_in), .arg = "plan"},
    {"discovery.adopt", "POST", "/discoveries/{id}/adopt", PERM(PERM_OPERATE), ROUTE_WRITE,
     run_many, .answer = "Adoption",
     .summary = {"Watch or manage addresses found", "探索で見つけた対象を監視・管理に加える"},
     .body = many_fields, .body_size = sizeof(struct adopt_in)},
    {"endpoint.adopt", "POST", "/endpoints/{id}/adopt", PERM(PERM_OPERATE), ROUTE_WRITE, run_one,
     .answer = "Adopted",
     .summary = {"Manage the certificate that is served there",
                 "提示されている証明書を管理に加える"},
     .body = one_fields, .body_size = sizeof(struct adopt_in)},
};
ROUTE_SET(routes_adopt, rows);
