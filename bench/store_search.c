/*
 * The certificate list and the dashboard of a large store: store_search URL [CERTIFICATES]. Fills
 * an empty store first (CERTIFICATES, by default a million; URL as for inro serve), then asks as
 * the screens do and prints the time of each: the first, the median and the slowest of some. After
 * a build of build-test, with L=build-test/src/libinro:
 *
 *     gcc -O2 -std=gnu17 -D_GNU_SOURCE -Isrc bench/store_search.c -o store_search \
 *       ${L}_{store,model,codec,crypto,base}.a -lsqlite3 -lpq -ljansson -lidn2 -lz -lcrypto
 * -lsodium
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/policy.h"
#include "store/repo.h"

enum { BATCH = 2000, ROUNDS = 9, PAGE = 60, CHAIN = 1500 };
static const int64_t day = 86400 * USEC_PER_SEC;
static const int64_t now = (int64_t)1800000000 * USEC_PER_SEC;
static char chain[CHAIN + 1];

static double msec(void)
{
    return (double)clock_mono(clock_real()) / 1000.0;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static enum rc add_cert(struct db *db, int64_t i, const int64_t ca[2], struct err *err)
{
    static const char *const kinds[] = {"www", "api", "mail", "shop", "vpn", "intra", "img"};
    const char *tags[2] = {mix((uint64_t)i) % 10 == 0 ? "production" : "test", "rare"};
    char name[96], other[96], serial[40], sha[72];
    uint64_t h = mix((uint64_t)i + 1000003);
    snprintf(name, sizeof name, "%s%lld.dept-%d.company%d.example.jp", kinds[h % 7], (long long)i,
             (int)(h % 40), (int)(h % 9973));
    snprintf(other, sizeof other, "alt%lld.company%d.example.jp", (long long)i, (int)(h % 9973));
    snprintf(serial, sizeof serial, "%016llx%016llx", (unsigned long long)mix(h),
             (unsigned long long)mix(h + 1));
    snprintf(sha, sizeof sha, "%016llx%016llx%016llx%016llx", (unsigned long long)mix(h + 2),
             (unsigned long long)mix(h + 3), (unsigned long long)mix(h + 4),
             (unsigned long long)mix(h + 5));
    const char *const names[] = {name, other};
    struct cert c = {.name = name,
                     .names = {names, 1 + (i % 2 == 0)},
                     .tags = {tags, i % 20011 == 0 ? 2 : 1},
                     .ca_id = ca[h % 1000 == 0],
                     .key_alg = "ec256",
                     .created = now - 400 * day + i * 1000};
    TRY(db_cert_add(db, &c, err));
    struct cert_version v = {.cert_id = c.id,
                             .state = VERSION_STAGING,
                             .chain = chain,
                             .serial = serial,
                             .sha256 = sha,
                             .not_after =
                                 now + (int64_t)(mix(h + 6) % 400) * day + (int64_t)h % day};
    v.not_before = v.not_after - 400 * day;
    TRY(db_version_add(db, &v, err));
    return db_version_activate(db, v.id, v.not_after - 30 * day, now, err);
}

static enum rc add_cas(struct store *s, int64_t ca[2], struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct connector common = {.kind = "ca", .type = "acme", .name = "common", .settings = "{}"};
    struct connector rare = {.kind = "ca", .type = "acme", .name = "rare", .settings = "{}"};
    TRY(store_begin(s, &db, err));
    TRY(db_connector_add(db, &common, err));
    TRY(db_connector_add(db, &rare, err));
    ca[0] = common.id;
    ca[1] = rare.id;
    return db_commit(&db, err);
}

static enum rc fill(struct store *s, int64_t n, struct err *err)
{
    int64_t ca[2];
    double start = msec();
    TRY(add_cas(s, ca, err));
    for (int64_t i = 0; i < n;) {
        AUTO(db) struct db *db = NULL;
        TRY(store_begin(s, &db, err));
        for (int k = 0; k < BATCH && i < n; k++, i++)
            TRY(add_cert(db, i, ca, err));
        TRY(db_commit(&db, err));
    }
    printf("filled with %lld certificates in %.0f s\n", (long long)n, (msec() - start) / 1000);
    return RC_OK;
}

/* What else a store of that size has: a tenth as many bindings, watched endpoints and old jobs, and
 * few of them in trouble. */
static enum rc add_other(struct db *db, int64_t i, int64_t target, struct err *err)
{
    char host[64], subject[32];
    int64_t existing = 0;
    bool bad = i % 1000 == 0;
    snprintf(host, sizeof host, "host%lld.example.jp", (long long)i);
    snprintf(subject, sizeof subject, "cert/%lld", (long long)(i * 10 + 1));
    struct binding b = {.cert_id = i * 10 + 1,
                        .target_id = target,
                        .place = "{}",
                        .state = bad ? "failed" : "deployed"};
    struct endpoint e = {.host = host, .port = 443, .state = bad ? "drift" : "ok"};
    struct job j = {.kind = i % 2 ? "issue" : "deploy",
                    .subject = subject,
                    .step = "x",
                    .state = bad             ? JOB_FAILED
                             : i % 5000 == 1 ? JOB_BLOCKED
                                             : JOB_DONE};
    TRY(db_binding_add(db, &b, err));
    TRY(db_endpoint_add(db, &e, err));
    return db_job_add(db, &j, &existing, err);
}

static enum rc fill_others(struct store *s, int64_t n, struct err *err)
{
    struct connector target = {.kind = "target", .type = "nginx", .name = "web", .settings = "{}"};
    for (int64_t i = 0; i < n;) {
        AUTO(db) struct db *db = NULL;
        TRY(store_begin(s, &db, err));
        if (i == 0)
            TRY(db_connector_add(db, &target, err));
        for (int k = 0; k < BATCH && i < n; k++, i++)
            TRY(add_other(db, i, target.id, err));
        TRY(db_commit(&db, err));
    }
    return RC_OK;
}

/* As the schedule does now and then. */
static enum rc fold(struct store *s, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    double start = msec();
    TRY(store_begin(s, &db, err));
    TRY(db_cert_tally_fold(db, err));
    TRY(db_commit(&db, err));
    printf("counts added up in %.0f ms\n", msec() - start);
    return RC_OK;
}

/* One question; ret_n is how many rows answer it. */
struct ask {
    const char *what;
    enum rc (*ask)(struct db *db, struct arena *a, const void *arg, size_t *ret_n, struct err *err);
    const void *arg;
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum rc once(struct store *s, const struct ask *k, size_t *ret_n, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    TRY(store_read(s, &db, err));
    return k->ask(db, a, k->arg, ret_n, err);
}

static enum rc measure(struct store *s, const struct ask *k, struct err *err)
{
    double t[ROUNDS], first = 0;
    size_t n = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double start = msec();
        TRY(once(s, k, &n, err));
        t[i] = msec() - start;
        if (i == 0)
            first = t[0];
    }
    qsort(t, ROUNDS, sizeof t[0], by_size);
    printf("%-46s %4zu rows %9.1f ms %9.1f ms %9.1f ms\n", k->what, n, first, t[ROUNDS / 2],
           t[ROUNDS - 1]);
    return RC_OK;
}

static enum rc ask_page(struct db *db, struct arena *a, const void *arg, size_t *ret_n,
                        struct err *err)
{
    struct cert_query q = *(const struct cert_query *)arg;
    struct cert_page p;
    q.now = now;
    if (!q.limit)
        q.limit = PAGE;
    TRY(db_cert_query(db, &q, a, &p, err));
    *ret_n = p.n;
    return RC_OK;
}

static enum rc measure_page(struct store *s, const char *what, struct cert_query q, struct err *err)
{
    return measure(s, &(struct ask){what, ask_page, &q}, err);
}

enum tally_of { CERTS, RENEWALS, JOBS, ENDPOINTS, CONNECTORS, DELIVERIES };

static enum rc ask_tally(struct db *db, struct arena *a, const void *arg, size_t *ret_n,
                         struct err *err)
{
    struct tally_list t = {NULL, 0};
    switch (*(const enum tally_of *)arg) {
    case CERTS:
        TRY(db_cert_tally(db, now, 57, a, &t, err));
        break;
    case RENEWALS:
        TRY(db_renewal_tally(db, now, 14, a, &t, err));
        break;
    case JOBS:
        TRY(db_job_tally(db, a, &t, err));
        break;
    case ENDPOINTS:
        TRY(db_endpoint_tally(db, a, &t, err));
        break;
    case CONNECTORS:
        TRY(db_connector_tally(db, a, &t, err));
        break;
    case DELIVERIES:
        TRY(db_delivery_tally(db, now - 7 * day, a, &t, err));
        break;
    }
    *ret_n = t.n;
    return RC_OK;
}

static enum rc ask_jobs(struct db *db, struct arena *a, const void *arg, size_t *ret_n,
                        struct err *err)
{
    struct job_list l;
    TRY(db_job_list(db, arg, a, &l, err));
    *ret_n = l.n;
    return RC_OK;
}

static enum rc ask_bad_ends(struct db *db, struct arena *a, const void *arg, size_t *ret_n,
                            struct err *err)
{
    struct endpoint_list l;
    TRY(db_endpoint_search(db, "bad", arg, 0, 20, a, &l, err));
    *ret_n = l.n;
    return RC_OK;
}

static enum rc ask_tags(struct db *db, struct arena *a, const void *arg, size_t *ret_n,
                        struct err *err)
{
    struct names names;
    (void)arg;
    TRY(db_tag_list(db, 500, a, &names, err));
    *ret_n = names.n;
    return RC_OK;
}

/* All that the first page of the GUI asks for, and what the list asks for beside its rows. */
static enum rc measure_dashboard(struct store *s, struct err *err)
{
    static const enum tally_of of[] = {CERTS, RENEWALS, JOBS, ENDPOINTS, CONNECTORS, DELIVERIES};
    static const struct cert_query attention = {.healths = 1 << HEALTH_EXPIRED |
                                                           1 << HEALTH_DEPLOY_FAILED |
                                                           1 << HEALTH_DRIFT | 1 << HEALTH_REVOKED |
                                                           1 << HEALTH_FAILED,
                                                .sort = CERT_BY_EXPIRY,
                                                .limit = 20},
                                   expiring = {.healths = 1 << HEALTH_EXPIRING,
                                               .sort = CERT_BY_EXPIRY,
                                               .limit = 10},
                                   renewals = {.sort = CERT_BY_RENEWAL, .limit = 5};
    static const struct job_filter blocked = {.in_state = 1 + JOB_BLOCKED,
                                              .no_routine = true,
                                              .limit = 20},
                                   failed = {.in_state = 1 + JOB_FAILED,
                                             .no_routine = true,
                                             .limit = 20},
                                   open = {.only_open = true, .no_routine = true, .limit = 8};
    const struct ask rows[] = {
        {"summary: certificates", ask_tally, &of[CERTS]},
        {"summary: renewals", ask_tally, &of[RENEWALS]},
        {"summary: jobs", ask_tally, &of[JOBS]},
        {"summary: endpoints", ask_tally, &of[ENDPOINTS]},
        {"summary: connectors", ask_tally, &of[CONNECTORS]},
        {"summary: deliveries", ask_tally, &of[DELIVERIES]},
        {"certificates that need attention", ask_page, &attention},
        {"certificates that are expiring", ask_page, &expiring},
        {"next renewals", ask_page, &renewals},
        {"jobs that are blocked", ask_jobs, &blocked},
        {"jobs that failed", ask_jobs, &failed},
        {"jobs that are open", ask_jobs, &open},
        {"endpoints that are bad", ask_bad_ends, NULL},
        {"endpoints that are bad, with a text", ask_bad_ends, "nosuchhost"},
        {"tags in use", ask_tags, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        TRY(measure(s, &rows[i], err));
    return RC_OK;
}

static enum rc measure_sorts(struct store *s, struct err *err)
{
    static const char *const sorts[] = {"name", "expires", "renewal", "created"};
    static const char *const texts[] = {NULL,         "www5", "www",       "company77",
                                        "example.jp", "rare", "nosuchname"};
    char what[96];
    for (size_t t = 0; t < COUNT_OF(texts); t++) {
        for (int sort = 0; sort < CERT_SORTS * 2; sort++) {
            snprintf(what, sizeof what, "%s by %s%s", texts[t] ? texts[t] : "(all)",
                     sort % 2 ? "-" : "", sorts[sort / 2]);
            TRY(measure_page(s, what,
                             (struct cert_query){.text = texts[t],
                                                 .sort = (enum cert_sort)(sort / 2),
                                                 .down = sort % 2},
                             err));
        }
    }
    return RC_OK;
}

static enum rc measure_all(struct store *s, int64_t n, struct err *err)
{
    static const char *const production[] = {"production"}, *const rare[] = {"rare"};
    char serial[80], name[32];
    uint64_t h = mix((uint64_t)(n / 2) + 1000003);
    snprintf(serial, sizeof serial, "%016llx%016llx", (unsigned long long)mix(h),
             (unsigned long long)mix(h + 1));
    snprintf(name, sizeof name, "alt%lld", (long long)(n / 2));
    const struct {
        const char *what;
        struct cert_query q;
    } rows[] = {
        {"a whole serial number", {.text = serial, .sort = CERT_BY_EXPIRY}},
        {"start of a serial number (1234)", {.text = "1234", .sort = CERT_BY_EXPIRY}},
        {"one SAN", {.text = name, .sort = CERT_BY_EXPIRY}},
        {"two words (www company77)", {.text = "www company77", .sort = CERT_BY_EXPIRY}},
        {"tag on a tenth", {.tags = {production, 1}, .sort = CERT_BY_EXPIRY}},
        {"rare tag", {.tags = {rare, 1}, .sort = CERT_BY_EXPIRY}},
        {"rare tag and a common word", {.text = "www", .tags = {rare, 1}, .sort = CERT_BY_NAME}},
        {"inside names (*pany77)", {.text = "*pany77", .sort = CERT_BY_EXPIRY}},
        {"inside names (*ompany)", {.text = "*ompany", .sort = CERT_BY_EXPIRY}},
        {"inside names, nothing (*zzzz)", {.text = "*zzzz", .sort = CERT_BY_EXPIRY}},
        {"one CA of few", {.ca_id = 2, .sort = CERT_BY_NAME}},
        {"ends within a day, by name",
         {.end_from = now + 30 * day, .end_before = now + 31 * day, .sort = CERT_BY_NAME}},
        {"expiring, by end", {.healths = 1 << HEALTH_EXPIRING, .sort = CERT_BY_EXPIRY}},
        {"expiring, by end downwards",
         {.healths = 1 << HEALTH_EXPIRING, .sort = CERT_BY_EXPIRY, .down = true}},
        {"valid, by end", {.healths = 1 << HEALTH_VALID, .sort = CERT_BY_EXPIRY}},
        {"valid, by name", {.healths = 1 << HEALTH_VALID, .sort = CERT_BY_NAME}},
        {"deploy failed: none", {.healths = 1 << HEALTH_DEPLOY_FAILED, .sort = CERT_BY_EXPIRY}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        TRY(measure_page(s, rows[i].what, rows[i].q, err));
    return measure_sorts(s, err);
}

static enum rc run(const char *url, int64_t n, struct err *err)
{
    struct store *s = NULL;
    int64_t have = 0;
    bool others = false;
    TRY(store_open(url, &s, err));
    TRY(store_migrate(s, NULL, NULL, err));
    {
        AUTO(db) struct db *db = NULL;
        TRY(store_read(s, &db, err));
        AUTO(arena) struct arena *a = arena_create(0);
        struct tally_list t;
        TRY(db_cert_count(db, &have, err));
        TRY(db_endpoint_tally(db, a, &t, err));
        others = t.n > 0;
    }
    if (have == 0)
        TRY(fill(s, n, err));
    if (!others)
        TRY(fill_others(s, (have ? have : n) / 10, err));
    TRY(fold(s, err));
    printf("%-46s %9s %12s %12s %12s\n", "", "", "first", "median", "slowest");
    TRY(measure_dashboard(s, err));
    TRY(measure_all(s, have ? have : n, err));
    store_close(s);
    return RC_OK;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL [CERTIFICATES]\n", argv[0]);
        return 2;
    }
    memset(chain, 'A', CHAIN);
    if (run(argv[1], argc > 2 ? strtol(argv[2], NULL, 10) : 1000000, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.en);
        return 1;
    }
    return 0;
}
