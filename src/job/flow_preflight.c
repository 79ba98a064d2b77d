/*
 * Before applying: would the CA's proof of control succeed? One step per name, each saved, so that
 * results are seen as they come: does DNS have the name, do its addresses answer at the CA's port,
 * is it us who answers, may this CA issue (CAA). Invariants: what a name does is a finding, never a
 * failure of the job; all waiting is bounded; nothing is asked of the CA but its directory.
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/rand.h"
#include "job/job_priv.h"
#include "model/caa.h"
#include "net/http_look.h"

enum { ADDRESSES_MAX = 4, DNS_SECONDS = 2, LOOK_SECONDS = 5, TOKEN_LIVES = 300 };

struct flight {
    struct run *r;
    struct json_writer *w;
    const char *ca;
    struct names identities; /* what CAA records call the CA */
    const char *name;        /* without "*." */
    bool wildcard, by_http, by_us, no_proof;
    const char *token, *value; /* what our own front answers */
};

static const char good[] = "good", info[] = "info", warn[] = "warn", bad[] = "bad";

static const struct l10n nothing = {NULL, NULL};
static const struct l10n make_record = {
    "Make an A or AAAA record for it, or correct the name. A new record may take minutes to be "
    "seen.",
    "A または AAAA "
    "レコードを作成するか、名前を訂正してください。反映には数分かかることがあります。"};
static const struct l10n mend_dns = {
    "Ask those who keep the domain's DNS servers: the CA would not get an answer either.",
    "ドメインの DNS サーバーの管理者に確認してください。認証局も応答を得られません。"};
static const struct l10n open_port = {
    "Let TCP port 80 through to this address, and forward /.well-known/acme-challenge/ to Inro's "
    "HTTP "
    "listener.",
    "このアドレスへの TCP 80 番を許可し、/.well-known/acme-challenge/ を Inro の HTTP "
    "リスナーへ転送し"
    "てください。"};
static const struct l10n forward_us = {
    "Forward /.well-known/acme-challenge/ on this server to Inro's HTTP listener.",
    "このサーバーで /.well-known/acme-challenge/ を Inro の HTTP リスナーへ転送してください。"};
static const struct l10n use_dns = {
    "Right for a CA inside your network. A public CA cannot reach it: prove control by DNS.",
    "社内の認証局なら問題ありません。公的な認証局からは届かないため、DNS で検証してください。"};
static const struct l10n change_caa = {
    "Add this CA to the domain's CAA records, or choose a CA that is named there.",
    "ドメインの CAA レコードにこの認証局を追加するか、記載された認証局を選んでください。"};
static const struct l10n compare_caa = {
    "Compare with what the CA's documentation says its CAA name is.",
    "認証局の資料にある CAA の名称と比べてください。"};

/* f: FAIL()'s texts in both languages, used as a sentence. */
static void found(struct flight *l, const char *level, const struct err *f, const struct l10n *todo)
{
    struct json_writer *w = l->w;
    jw_object(w);
    jw_kstr(w, "id", f->id);
    jw_kstr(w, "level", level);
    jw_key(w, "text");
    jw_object(w);
    jw_kstr(w, "en", f->en);
    jw_kstr(w, "ja", f->ja);
    jw_end_object(w);
    jw_key(w, "todo");
    if (todo->en) {
        jw_object(w);
        jw_kstr(w, "en", todo->en);
        jw_kstr(w, "ja", todo->ja);
        jw_end_object(w);
    } else {
        jw_null(w);
    }
    jw_end_object(w);
}

#define FOUND(l, level, todo, ...)                                                                 \
    do {                                                                                           \
        struct err found_ = {0};                                                                   \
        found_.rc = FAIL(&found_, RC_REMOTE, BLAME_REMOTE, __VA_ARGS__);                           \
        found((l), (level), &found_, &(todo));                                                     \
    } while (0)

struct addrs {
    struct net_addr v[ADDRESSES_MAX];
    size_t n, all;
};

static void addr_add(struct addrs *l, int family, const void *data, int port)
{
    struct net_addr a = {.len = 0};
    l->all++;
    if (l->n == ADDRESSES_MAX)
        return;
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)&a.sa;
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        memcpy(&in->sin_addr, data, sizeof in->sin_addr);
        a.len = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&a.sa;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons((uint16_t)port);
        memcpy(&in->sin6_addr, data, sizeof in->sin6_addr);
        a.len = sizeof *in;
    }
    if (inet_ntop(family, data, a.text, sizeof a.text))
        l->v[l->n++] = a;
}

static int port_of(const struct flight *l)
{
    return l->r->e->o.http01_port ? l->r->e->o.http01_port : 80;
}

static void told_by_dns(struct flight *l, const struct addrs *addrs)
{
    AUTO(buf) struct buf b = BUF(1024);
    for (size_t i = 0; i < addrs->n; i++)
        buf_addf(&b, "%s%s", i ? ", " : "", addrs->v[i].text);
    if (addrs->all > addrs->n)
        buf_adds(&b, ", ...");
    FOUND(l, good, nothing, MSG("preflight.resolves", "{0} is at {1}", "{0} のアドレスは {1} です"),
          l->name, buf_cstr(&b));
}

static void no_address(struct flight *l, bool exists)
{
    if (exists)
        FOUND(l, bad, make_record,
              MSG("preflight.no_address", "{0} has no address in DNS",
                  "DNS に {0} のアドレスがありません"),
              l->name);
    else
        FOUND(l, bad, make_record,
              MSG("preflight.no_name", "there is no {0} in DNS", "DNS に {0} がありません"),
              l->name);
}

/* False: DNS has none, or gave no answer; said either way. */
static bool look_up(struct flight *l, struct addrs *ret, struct err *err)
{
    static const struct {
        enum dns_type type;
        int family;
        size_t size;
    } kinds[] = {{DNS_A, AF_INET, 4}, {DNS_AAAA, AF_INET6, 16}};
    unsigned char ip[16];
    bool exists = false;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        if (inet_pton(kinds[k].family, l->name, ip) == 1)
            addr_add(ret, kinds[k].family, ip, port_of(l));
    if (ret->n > 0)
        return true;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct dns_answer *got = ARENA_NEW(l->r->a, struct dns_answer);
        if (!got)
            return false;
        if (dns_query(&l->r->e->o.dns, l->name, kinds[k].type, DNS_SECONDS, l->r->a, got, err) !=
            RC_OK) {
            if (ret->n > 0) /* the one kind of address is enough to go on */
                break;
            found(l, warn, err, &mend_dns);
            return false;
        }
        exists = exists || got->exists;
        for (size_t i = 0; i < got->n; i++)
            if (got->v[i].n == kinds[k].size)
                addr_add(ret, kinds[k].family, got->v[i].p, port_of(l));
    }
    if (ret->n == 0)
        no_address(l, exists);
    else
        told_by_dns(l, ret);
    return ret->n > 0;
}

static void judge_answer(struct flight *l, const struct net_addr *addr,
                         const struct http_looked *got)
{
    bool ours = l->value && got->status == 200 &&
                memmem(got->body.p, got->body.n, l->value, strlen(l->value)) != NULL;
    if (ours)
        FOUND(l, good, nothing,
              MSG("preflight.answers", "{0} answers for the CA as it should",
                  "{0} は検証に正しく応答します"),
              addr->text);
    else if (!l->by_us)
        FOUND(l, good, nothing,
              MSG("preflight.reached", "{0} can be reached by HTTP (status {1})",
                  "{0} に HTTP で届きます（ステータス {1}）"),
              addr->text, NUM(got->status));
    else if (got->location)
        FOUND(l, warn, forward_us,
              MSG("preflight.redirect",
                  "{0} sends the CA on to {1}; it follows, and must find Inro's answer there",
                  "{0} は {1} へ転送します。認証局は転送先で Inro の応答を確認します"),
              addr->text, got->location);
    else
        FOUND(l, bad, forward_us,
              MSG("preflight.not_us", "{0} answers, but it is not Inro (status {1})",
                  "{0} は応答しますが、Inro の応答ではありません（ステータス {1}）"),
              addr->text, NUM(got->status));
}

static void look_at(struct flight *l, const struct net_addr *addr)
{
    const struct egress_policy *policy = &l->r->e->o.egress;
    struct egress_policy strict = *policy;
    struct http_looked got;
    struct err e = {0};
    strict.deny_private = true;
    if (!egress_allows(policy, addr)) {
        FOUND(l, warn, use_dns,
              MSG("preflight.special", "{0} is an address of this machine or its own network only",
                  "{0} は本サーバーまたはリンク内だけのアドレスです"),
              addr->text);
        return;
    }
    if (!egress_allows(&strict, addr))
        FOUND(l, info, use_dns,
              MSG("preflight.private", "{0} is an address of a private network",
                  "{0} はプライベートアドレスです"),
              addr->text);
    struct http_look h = {.addr = addr,
                          .host = l->name,
                          .path = arena_printf(l->r->a, "/.well-known/acme-challenge/%s",
                                               l->token ? l->token : "inro"),
                          .deadline = clock_mono(l->r->e->o.clock) + LOOK_SECONDS * USEC_PER_SEC};
    if (h.path && http_look(&h, l->r->a, &got, &e) == RC_OK)
        judge_answer(l, addr, &got);
    else
        found(l, bad, &e, &open_port);
}

static const char *issuers(struct flight *l, const struct caa_set *s)
{
    AUTO(buf) struct buf b = BUF(2048);
    for (size_t i = 0; i < s->n; i++) {
        buf_adds(&b, i ? ", " : "");
        buf_addstr(&b, s->issuers[i]);
    }
    const char *text = s->n > 0 ? arena_str(l->r->a, buf_str(&b)) : NULL;
    return text ? text : "-";
}

static void judge_caa(struct flight *l, const char *at, const struct caa_set *s)
{
    switch (caa_judge(s, &l->identities)) {
    case CAA_ALLOWED:
        FOUND(l, good, nothing,
              MSG("preflight.caa_allows", "the CAA records of {0} allow {1} to issue",
                  "{0} の CAA レコードは {1} の発行を許可しています"),
              at, l->ca);
        return;
    case CAA_UNKNOWN:
        FOUND(l, info, compare_caa,
              MSG("preflight.caa_names",
                  "the CAA records of {0} allow {1}; this CA does not tell its own name",
                  "{0} の CAA レコードは {1} を許可しています。この認証局の名称は不明です"),
              at, issuers(l, s));
        return;
    case CAA_FORBIDDEN:
        break;
    }
    if (s->n == 0) {
        FOUND(l, bad, change_caa,
              MSG("preflight.caa_nobody", "the CAA records of {0} let no CA issue",
                  "{0} の CAA レコードはどの認証局にも発行を許可していません"),
              at);
        return;
    }
    FOUND(l, bad, change_caa,
          MSG("preflight.caa_forbids", "the CAA records of {0} allow {1}, not {2}",
              "{0} の CAA レコードが許可しているのは {1} で、{2} ではありません"),
          at, issuers(l, s), l->ca);
}

/* RFC 8659 3: the first set of records on the way up counts. */
static void look_caa(struct flight *l, struct err *err)
{
    unsigned char ip[16];
    if (inet_pton(AF_INET, l->name, ip) == 1 || inet_pton(AF_INET6, l->name, ip) == 1)
        return;
    for (const char *at = l->name; at; at = caa_parent(at)) {
        struct dns_answer *got = ARENA_NEW(l->r->a, struct dns_answer);
        if (!got ||
            dns_query(&l->r->e->o.dns, at, DNS_CAA, DNS_SECONDS, l->r->a, got, err) != RC_OK) {
            if (got)
                found(l, warn, err, &mend_dns);
            return;
        }
        if (got->n == 0)
            continue;
        struct caa_set s = caa_read(got->v, got->n, l->wildcard);
        judge_caa(l, at, &s);
        return;
    }
    FOUND(l, good, nothing,
          MSG("preflight.caa_none", "no CAA record restricts who may issue for {0}",
              "{0} の発行を制限する CAA レコードはありません"),
          l->name);
}

/* A row our front answers from, for the time of this step. */
static enum rc token_put(struct flight *l, bool put, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(l->r->e->o.store, &db, err));
    if (put)
        TRY(db_challenge_put(db, l->token, l->value, run_now(l->r) + TOKEN_LIVES * USEC_PER_SEC,
                             err));
    else
        TRY(db_challenge_remove(db, l->token, err));
    return db_commit_soon(&db, err);
}

static enum rc look_by_http(struct flight *l, struct err *err)
{
    struct addrs addrs = {.n = 0};
    struct err e = {0};
    char token[33], value[33];
    rand_hex(token, 16);
    rand_hex(value, 16);
    if (!look_up(l, &addrs, &e))
        return RC_OK;
    if (l->by_us) {
        l->token = token;
        l->value = value;
        TRY(token_put(l, true, err));
    }
    for (size_t i = 0; i < addrs.n; i++)
        look_at(l, &addrs.v[i]);
    enum rc rc = l->by_us ? token_put(l, false, err) : RC_OK;
    l->token = l->value = NULL;
    return rc;
}

static enum rc look_at_name(struct flight *l, const char *name, struct err *err)
{
    struct err e = {0};
    l->wildcard = strncmp(name, "*.", 2) == 0;
    l->name = l->wildcard ? name + 2 : name;
    jw_object(l->w);
    jw_kstr(l->w, "name", name);
    jw_key(l->w, "findings");
    jw_array(l->w);
    if (l->no_proof) {
        FOUND(l, good, nothing,
              MSG("preflight.no_proof", "{0} asks for no proof of control",
                  "{0} はドメインの検証を行いません"),
              l->ca);
    } else {
        if (l->by_http)
            TRY(look_by_http(l, err));
        look_caa(l, &e);
    }
    jw_end_array(l->w);
    jw_end_object(l->w);
    return RC_OK;
}

static enum rc read_identities(struct run *r, struct names *ret, struct err *err)
{
    const struct json *list = json_get(r->progress, "identities");
    const char **v = arena_array(r->a, json_len(list) + 1, sizeof *v);
    if (!v)
        return NOMEM(err);
    *ret = (struct names){v, json_len(list)};
    for (size_t i = 0; i < ret->n; i++)
        v[i] = json_as_str(json_at(list, i));
    return RC_OK;
}

static enum rc give_progress(struct run *r, struct buf *b, struct step_out *out, struct err *err)
{
    TRY(buf_ok(b, err));
    out->progress = arena_strdup(r->a, buf_cstr(b));
    return out->progress ? RC_OK : NOMEM(err);
}

static enum rc look_step(struct run *r, struct step_out *out, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    const struct json *names = json_get(r->payload, "names"),
                      *done = json_get(r->progress, "names");
    const char *type = json_str_or(r->payload, "challenge", "http-01");
    const struct challenge_ops *solver = r->e->o.lookup.challenge(type);
    size_t at = json_len(done);
    struct flight l = {.r = r, .w = &w, .ca = json_str_or(r->progress, "ca", "?")};
    l.by_http = solver && strcmp(solver->proof_type, "http-01") == 0;
    l.by_us = l.by_http && solver->in_store;
    l.no_proof = json_bool_or(r->progress, "no_proof", false);
    TRY(read_identities(r, &l.identities, err));
    jw_object(&w);
    jw_kstr(&w, "ca", l.ca);
    jw_kbool(&w, "no_proof", l.no_proof);
    jw_key(&w, "identities");
    jw_json(&w, json_get(r->progress, "identities"));
    jw_key(&w, "names");
    jw_array(&w);
    for (size_t i = 0; i < at; i++)
        jw_json(&w, json_at(done, i));
    if (at < json_len(names))
        TRY(look_at_name(&l, json_as_str(json_at(names, at)), err));
    jw_end_array(&w);
    jw_end_object(&w);
    out->done = at + 1 >= json_len(names);
    return give_progress(r, &b, out, err);
}

/* What the CA calls itself in CAA records; a CA that does not answer is no reason to stop. */
static enum rc begin_step(struct run *r, struct step_out *out, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    struct names names = {NULL, 0};
    struct conn c;
    struct ctx ctx;
    struct err none = {0};
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(run_connector(r, db, json_i64_or(r->payload, "ca", 0), "ca", &c, err));
    db_rollback(&db);
    TRY(run_ctx(r, &c, &ctx, err));
    if (c.ca->identities && c.ca->identities(&ctx, c.settings, c.state, &names, &none) != RC_OK)
        names.n = 0;
    jw_object(&w);
    jw_kstr(&w, "ca", c.rec.name);
    jw_kbool(&w, "no_proof", (c.head->caps & CA_CAP_NO_PROOF) != 0);
    jw_key(&w, "identities");
    jw_array(&w);
    for (size_t i = 0; i < names.n; i++)
        jw_str(&w, names.v[i]);
    jw_end_array(&w);
    jw_key(&w, "names");
    jw_array(&w);
    jw_end_array(&w);
    jw_end_object(&w);
    out->next = "look";
    return give_progress(r, &b, out, err);
}

static const struct step steps[] = {
    {"begin",
     {"Asking what the CA is called", "認証局の名称を確認しています"},
     begin_step,
     15 * USEC_PER_SEC,
     false},
    {"look",
     {"Looking at the names as the CA would", "認証局と同じ方法で名前を確認しています"},
     look_step,
     60 * USEC_PER_SEC,
     false},
};
const struct flow flow_preflight = {"preflight", steps, COUNT_OF(steps), NULL, NULL};
