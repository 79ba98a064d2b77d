/*
 * The certificate list of a large store: store_search URL [CERTIFICATES]. Fills an empty store
 * first (CERTIFICATES, by default a million; URL as for inro serve), then asks for pages as the
 * screen does and prints the time of each: the median and the slowest of some. After a build of
 * build-test, with L=build-test/src/libinro:
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

static enum rc page(struct store *s, const struct cert_query *q, size_t *ret_n, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    AUTO(arena) struct arena *a = arena_create(0);
    struct cert_page p;
    if (!a)
        return NOMEM(err);
    TRY(store_read(s, &db, err));
    TRY(db_cert_query(db, q, a, &p, err));
    *ret_n = p.n;
    return RC_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum rc measure(struct store *s, const char *what, struct cert_query q, struct err *err)
{
    double t[ROUNDS];
    size_t n = 0;
    q.now = now;
    q.limit = PAGE;
    for (int i = 0; i < ROUNDS; i++) {
        double start = msec();
        TRY(page(s, &q, &n, err));
        t[i] = msec() - start;
    }
    qsort(t, ROUNDS, sizeof t[0], by_size);
    printf("%-46s %3zu rows %9.1f ms %9.1f ms\n", what, n, t[ROUNDS / 2], t[ROUNDS - 1]);
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
            TRY(measure(s, what,
                        (struct cert_query){
                            .text = texts[t], .sort = (enum cert_sort)(sort / 2), .down = sort % 2},
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
        {"deploy failed: none", {.healths = 1 << HEALTH_DEPLOY_FAILED, .sort = CERT_BY_EXPIRY}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        TRY(measure(s, rows[i].what, rows[i].q, err));
    return measure_sorts(s, err);
}

static enum rc run(const char *url, int64_t n, struct err *err)
{
    struct store *s = NULL;
    int64_t have = 0;
    TRY(store_open(url, &s, err));
    TRY(store_migrate(s, NULL, NULL, err));
    {
        AUTO(db) struct db *db = NULL;
        TRY(store_read(s, &db, err));
        TRY(db_cert_count(db, &have, err));
    }
    if (have == 0)
        TRY(fill(s, n, err));
    printf("%-46s %8s %12s %12s\n", "page of 60", "", "median", "slowest");
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
