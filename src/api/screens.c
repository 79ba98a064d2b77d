/*
 * What only screens ask: counts for the first page, a certificate's chain, and looks before
 * something is made. Invariant: nothing here changes anything.
 */
#include <string.h>

#include "api/priv.h"
#include "base/base64.h"

enum { WEEKS = 57, DAYS = 14 }; /* 13 months; two weeks */

static const char *const health_words[] = {"new",      "ordering", "valid",
                                           "expiring", "expired",  "deploy_failed",
                                           "drift",    "revoked",  "failed"};

static void view_healths(struct json_writer *w, const struct tally_list *t)
{
    jw_key(w, "health");
    jw_object(w);
    for (size_t h = 0; h < COUNT_OF(health_words); h++) {
        int64_t n = 0;
        for (size_t i = 0; i < t->n; i++)
            n += t->v[i].a == (int64_t)h ? t->v[i].n : 0;
        jw_ki64(w, health_words[h], n);
    }
    jw_end_object(w);
    jw_key(w, "weeks");
    jw_array(w);
    for (size_t i = 0; i < t->n; i++) {
        if (t->v[i].b < 0 || t->v[i].a < 0 || t->v[i].a >= (int64_t)COUNT_OF(health_words))
            continue;
        jw_object(w);
        jw_ki64(w, "week", t->v[i].b);
        jw_kstr(w, "health", health_words[t->v[i].a]);
        jw_ki64(w, "count", t->v[i].n);
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void view_named(struct json_writer *w, const char *key, const struct tally_list *t)
{
    jw_key(w, key);
    jw_object(w);
    for (size_t i = 0; i < t->n; i++)
        jw_ki64(w, t->v[i].name, t->v[i].n);
    jw_end_object(w);
}

static void view_days(struct json_writer *w, const struct tally_list *t)
{
    jw_key(w, "renewals");
    jw_array(w);
    for (size_t i = 0; i < t->n; i++) {
        jw_object(w);
        jw_ki64(w, "day", t->v[i].b);
        jw_ki64(w, "count", t->v[i].n);
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void view_jobs(struct json_writer *w, const struct tally_list *t)
{
    static const char *const kinds[] = {"issue", "deploy", "other"};
    jw_key(w, "jobs");
    jw_array(w);
    for (size_t i = 0; i < t->n; i++) {
        jw_object(w);
        jw_kstr(w, "state", job_state_name((enum job_state)t->v[i].a));
        jw_kstr(w, "kind", t->v[i].b >= 0 && t->v[i].b < 3 ? kinds[t->v[i].b] : "other");
        jw_ki64(w, "count", t->v[i].n);
        jw_end_object(w);
    }
    jw_end_array(w);
}

static enum rc run_summary(struct request *r, struct err *err)
{
    struct tally_list certs, renewals, jobs, endpoints, connectors, deliveries;
    TRY(db_cert_tally(r->db, r->now, WEEKS, r->a, &certs, err));
    TRY(db_renewal_tally(r->db, r->now, DAYS, r->a, &renewals, err));
    TRY(db_job_tally(r->db, r->a, &jobs, err));
    TRY(db_endpoint_tally(r->db, r->a, &endpoints, err));
    TRY(db_connector_tally(r->db, r->a, &connectors, err));
    TRY(db_delivery_tally(r->db, r->now - 7 * USEC_PER_DAY, r->a, &deliveries, err));
    jw_object(&r->w);
    jw_ktime(&r->w, "now", r->now);
    view_healths(&r->w, &certs);
    view_days(&r->w, &renewals);
    view_jobs(&r->w, &jobs);
    view_named(&r->w, "endpoints", &endpoints);
    view_named(&r->w, "connectors", &connectors);
    view_named(&r->w, "deliveries", &deliveries);
    jw_end_object(&r->w);
    return RC_OK;
}

static void view_info(struct json_writer *w, const struct cert_info *c)
{
    AUTO(buf) struct buf hex = BUF(128);
    hex_add(&hex, c->sha256, sizeof c->sha256);
    jw_object(w);
    jw_kstr(w, "subject", c->subject);
    jw_kstr(w, "issuer", c->issuer);
    jw_kstr(w, "serial", c->serial);
    jw_ktime(w, "not_before", c->not_before);
    jw_ktime(w, "not_after", c->not_after);
    jw_kstr(w, "key", c->key_name);
    jw_kstr(w, "signature", c->sig_alg);
    jw_kbool(w, "ca", c->is_ca);
    jw_kbool(w, "self_issued", c->self_issued);
    jw_kstr(w, "sha256", buf_cstr(&hex));
    jw_key(w, "names");
    jw_array(w);
    for (size_t i = 0; i < c->name_count && i < 200; i++)
        jw_str(w, c->names[i]);
    jw_end_array(w);
    jw_end_object(w);
}

static enum rc run_chain(struct request *r, struct err *err)
{
    struct cert c;
    struct cert_version v = {0};
    struct cert_list list;
    int64_t id;
    TRY(find_cert(r, r->params[0], &c, err));
    TRY(r_query_int(r, "version", 1, INT64_MAX, c.current_id, &id, err));
    if (id)
        TRY(db_version_get(r->db, id, r->a, &v, err));
    CHECK(id && v.cert_id == c.id && v.chain, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_current", "{0} has not been issued yet", "{0} はまだ発行されていません"),
          c.name);
    TRY(cert_parse_pem(str_from(v.chain), true, r->a, &list, err));
    jw_object(&r->w);
    jw_ki64(&r->w, "version", id);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_info(&r->w, &list.v[i]);
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

/* Certificates that hold `held`, which is the name or the wildcard that covers it. */
static enum rc view_twin(struct request *r, const char *name, const char *held, struct err *err)
{
    enum { AT_MOST = 5 };
    struct cert_page page;
    TRY(db_cert_named(r->db, held, AT_MOST, r->a, &page, err));
    for (size_t k = 0; k < page.n; k++) {
        bool same = false;
        for (size_t n = 0; n < page.v[k].names.n; n++)
            same = same || strcmp(page.v[k].names.v[n], held) == 0;
        if (!same)
            continue;
        jw_object(&r->w);
        jw_kstr(&r->w, "name", name);
        jw_ki64(&r->w, "cert", page.v[k].id);
        jw_kstr(&r->w, "cert_name", page.v[k].name);
        jw_end_object(&r->w);
    }
    return RC_OK;
}

/* Which certificates cover one of the names already? */
static enum rc view_twins(struct request *r, const struct names *names, struct err *err)
{
    jw_key(&r->w, "existing");
    jw_array(&r->w);
    for (size_t i = 0; i < names->n; i++) {
        const char *name = names->v[i], *dot = strchr(name, '.');
        TRY(view_twin(r, name, name, err));
        if (!dot || name[0] == '*')
            continue;
        const char *wild = arena_printf(r->a, "*%s", dot);
        if (!wild)
            return NOMEM(err);
        TRY(view_twin(r, name, wild, err));
    }
    jw_end_array(&r->w);
    return RC_OK;
}

static enum rc view_taken(struct request *r, const char *name, struct err *err)
{
    struct cert old;
    struct err none;
    enum rc rc = db_cert_find(r->db, name, r->a, &old, &none);
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        *err = none;
        return rc;
    }
    jw_kbool(&r->w, "name_taken", rc == RC_OK);
    return RC_OK;
}

/*
 * Everything cert.create would refuse, without creating anything. What is wrong with the proof of
 * control comes beside what the names are: it is chosen in a later step.
 */
static enum rc run_check(struct request *r, struct err *err)
{
    const struct cert_in *in = r->in;
    struct cert c = {0};
    struct err why = {0};
    enum rc rc = cert_from_input(r, in, &c, &why);
    if (rc != RC_OK && (strncmp(why.field, "challenge", 9) != 0 || !c.name || c.names.n == 0)) {
        *err = why;
        return rc;
    }
    jw_object(&r->w);
    jw_key(&r->w, "fault");
    if (rc != RC_OK)
        jw_err(&r->w, &why);
    else
        jw_null(&r->w);
    jw_kstr(&r->w, "name", c.name);
    view_names(&r->w, "names", &c.names);
    TRY(view_twins(r, &c.names, err));
    TRY(view_taken(r, c.name, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc view_known(struct request *r, const struct cert_info *leaf, struct err *err)
{
    AUTO(buf) struct buf hex = BUF(128);
    struct cert_version v;
    struct err none;
    hex_add(&hex, leaf->sha256, sizeof leaf->sha256);
    enum rc rc = db_version_find_sha256(r->db, buf_cstr(&hex), r->a, &v, &none);
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        *err = none;
        return rc;
    }
    jw_key(&r->w, "known");
    if (rc == RC_OK)
        jw_i64(&r->w, v.cert_id);
    else
        jw_null(&r->w);
    return RC_OK;
}

/* What a dropped file holds: for a person to see before it is imported. */
static enum rc inspect(struct request *r, struct err *err)
{
    struct import_seen seen;
    TRY(import_look(r, r->in, &seen, err));
    const struct cert_list *chain = &seen.chain;
    jw_object(&r->w);
    jw_key(&r->w, "chain");
    jw_array(&r->w);
    for (size_t i = 0; i < chain->n; i++)
        view_info(&r->w, &chain->v[i]);
    jw_end_array(&r->w);
    jw_key(&r->w, "servers");
    jw_array(&r->w);
    for (size_t i = 0; i < seen.servers.n; i++)
        jw_str(&r->w, seen.servers.v[i]);
    jw_end_array(&r->w);
    jw_ki64(&r->w, "unrelated", (int64_t)seen.dropped);
    jw_kbool(&r->w, "key", strcmp(seen.key, "none") != 0);
    jw_kstr(&r->w, "key_state", seen.key);
    jw_kbool(&r->w, "intermediates", chain->n > 1 || chain->v[chain->n - 1].self_issued);
    jw_kstr(&r->w, "format", seen.format);
    jw_kbool(&r->w, "weak_container", seen.weak);
    view_unusual(&r->w, chain->v[0].unusual);
    TRY(view_known(r, &chain->v[0], err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_inspect(struct request *r, struct err *err)
{
    return import_slowed(r, inspect, err);
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const char *const objects[] = {"challenge", "policy", NULL};
static const struct route rows[] = {
    {"summary", "GET", "/summary", PERM(PERM_VIEW), ROUTE_READ, run_summary, .answer = "Summary",
     .summary = {"Counts for the first page", "ダッシュボードの集計を返す"}},
    {"cert.check", "POST", "/certs/check", PERM(PERM_OPERATE), ROUTE_READ, run_check,
     .answer = "CertChecked",
     .summary = {"Check an application without making it", "申請内容を登録せずに確認する"},
     BODY(cert_fields, struct cert_in), .objects = objects},
    {"cert.inspect", "POST", "/certs/inspect", PERM(PERM_OPERATE), ROUTE_READ, run_inspect,
     .answer = "CertInspected",
     .summary = {"What a file holds, without importing it", "取り込まずにファイルの内容を確認する"},
     BODY(cert_import_fields, struct import_in)},
    {"cert.chain", "GET", "/certs/{id}/chain", PERM(PERM_VIEW), ROUTE_READ, run_chain,
     .answer = "CertChain", .query = "version",
     .summary = {"The chain of a version, certificate by certificate",
                 "証明書チェーンの内容を表示する"}},
};
ROUTE_SET(routes_screen, rows);
