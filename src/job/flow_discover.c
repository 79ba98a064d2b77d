/*
 * Discovery: one look at each of many addresses. Invariants: an address is looked at by the prober,
 * once, no more than AT_ONCE at a time and one every PACE; what was seen is saved after each BATCH,
 * and what is not saved is still waiting, so that a crash repeats a batch at most; where no
 * connection may go none goes; what stands there is a finding, never a failure of the job.
 */
#include <string.h>

#include "base/log.h"
#include "job/job_priv.h"
#include "model/discover.h"
#include "store/repo_discover.h"

enum { AT_ONCE = 16, BATCH = 64, OPEN_MAX = 3, KEPT = 20, NAMES_MAX = 50, CHAIN_MAX = 32768 };
#define PACE     (40 * USEC_PER_MSEC)
#define PATIENCE (4 * USEC_PER_SEC)
#define REST     (100 * USEC_PER_MSEC)
#define AGAIN    (2 * USEC_PER_SEC)

/* ---- making one ---- */
static enum rc add_places(struct db *db, struct discovery *d, const struct discover_list *places,
                          struct err *err)
{
    for (size_t i = 0; i < places->n; i++) {
        struct discovery_item it = {.discovery_id = d->id,
                                    .host = places->v[i].host,
                                    .port = places->v[i].port,
                                    .kind = "waiting"};
        TRY(db_discovery_item_add(db, &it, err));
    }
    return RC_OK;
}

enum rc job_request_discover(struct db *db, struct discovery *d, const struct discover_list *places,
                             int64_t now, struct err *err)
{
    AUTO(buf) struct buf p = BUF(64), subject = BUF(64);
    struct json_writer w = JSON_WRITER(&p);
    int64_t open = 0;
    TRY(db_discovery_open(db, d->group_id, &open, err));
    CHECK(open < OPEN_MAX, err, RC_CONFLICT, BLAME_INPUT,
          MSG("discover.open", "{0} discoveries are under way; wait for one to end, or cancel one",
              "{0} 件の探索が実行中です。終わるのを待つか、取り消してください"),
          NUM(open));
    TRY(db_discovery_prune(db, d->group_id, KEPT - 1, err));
    d->total = (int64_t)places->n;
    d->created = d->updated = now;
    TRY(db_discovery_add(db, d, err));
    TRY(add_places(db, d, places, err));
    jw_object(&w);
    jw_ki64(&w, "id", d->id);
    jw_end_object(&w);
    TRY(buf_ok(&p, err));
    buf_addf(&subject, "discovery/%lld", (long long)d->id);
    TRY(buf_ok(&subject, err));
    TRY(add_job(db, "discover", subject.p, "look", NULL, "discover", p.p, now, &d->job_id, NULL,
                err));
    return db_discovery_set_job(db, d->id, d->job_id, err);
}

/* ---- looking ---- */
struct spot {
    const struct discovery_item *place;
    struct arena *a; /* of its thread, until what was seen is kept */
    struct looked *v;
    size_t n;
    struct err why; /* when there is no address to look at */
    bool done;
};

struct sweep {
    struct run *r;
    pthread_mutex_t lock; /* next, at */
    size_t next;
    int64_t at; /* mono: not before then */
    struct spot *v;
    size_t n;
    /* what is saved */
    int64_t id;
    struct discovery_item *seen;
    size_t seen_count;
};

/* The next one, when its time has come. NULL: none, or cut short. */
static struct spot *take(struct sweep *s)
{
    const struct clock *c = s->r->e->o.clock;
    pthread_mutex_lock(&s->lock);
    struct spot *spot = s->next < s->n ? &s->v[s->next++] : NULL;
    int64_t now = clock_mono(c), at = s->at > now ? s->at : now;
    s->at = at + PACE;
    pthread_mutex_unlock(&s->lock);
    if (!spot || atomic_load(&s->r->e->stop))
        return NULL;
    return at <= now || run_pause(s->r, at - now) ? spot : NULL;
}

/* The prober is being restarted: nobody has looked. */
static bool not_looked(const struct spot *spot)
{
    for (size_t i = 0; i < spot->n; i++)
        if (!spot->v[i].reached && spot->v[i].err.rc == RC_BUSY)
            return true;
    return false;
}

static void *sweep_run(void *arg)
{
    struct sweep *s = arg;
    struct spot *spot;
    while ((spot = take(s)) != NULL) {
        struct run mine = *s->r; /* a look allocates */
        mine.a = spot->a = arena_create(0);
        if (!spot->a)
            return NULL;
        struct look l = {.host = spot->place->host,
                         .sni = sni_for(spot->a, spot->place->host),
                         .port = spot->place->port,
                         .patience = PATIENCE};
        enum rc rc = look_all(&mine, &l, &spot->v, &spot->n, &spot->why);
        spot->done = rc == RC_OK ? !not_looked(spot) : rc != RC_NOMEM;
    }
    return NULL;
}

static void sweep_all(struct sweep *s)
{
    pthread_t th[AT_ONCE];
    size_t n = 0;
    for (; n < AT_ONCE - 1 && n + 1 < s->n; n++)
        if (pthread_create(&th[n], NULL, sweep_run, s) != 0)
            break;
    (void)sweep_run(s);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(th[i], NULL);
}

/* ---- what was seen, into the step's arena ---- */
/* Text of a stranger's that a line of the list can show; NULL: it cannot. */
static const char *clean(struct arena *a, const char *s)
{
    if (!s || !*s || !str_is_utf8(str_from(s)))
        return NULL;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return NULL;
    return arena_strdup(a, s);
}

static enum rc keep_names(struct run *r, const struct cert_info *leaf, struct discovery_item *it,
                          struct err *err)
{
    const char **v = arena_array(r->a, NAMES_MAX, sizeof *v);
    if (!v)
        return NOMEM(err);
    it->names = (struct names){v, 0};
    for (size_t i = 0; i < leaf->name_count && it->names.n < NAMES_MAX; i++)
        if ((v[it->names.n] = clean(r->a, leaf->names[i])) != NULL)
            it->names.n++;
    it->name = it->names.n > 0 ? v[0] : clean(r->a, leaf->common_name);
    return RC_OK;
}

static enum rc keep_chain(struct run *r, const struct tls_seen *seen, struct discovery_item *it,
                          struct err *err)
{
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    for (size_t k = 0; k < seen->chain_count && k < CERT_MAX_CHAIN; k++) {
        cert_to_pem(seen->chain[k], &pem);
        if (k > 0 && pem.len > CHAIN_MAX)
            break;
        it->chain = pem.bad == RC_OK ? arena_str(r->a, buf_str(&pem)) : it->chain;
    }
    return pem.bad == RC_OK && !it->chain ? NOMEM(err) : RC_OK;
}

/* No TLS, or nobody there? */
static const char *kind_of(const struct looked *l)
{
    bool connected = strncmp(l->err.id, "net.connect", 11) != 0;
    return l->reached && l->parsed ? "cert" : l->reached || connected ? "no_tls" : "nothing";
}

static enum rc keep_look(struct run *r, const struct looked *l, struct discovery_item *it,
                         struct err *err)
{
    it->kind = kind_of(l);
    it->addr = arena_strdup(r->a, l->addr);
    if (strcmp(it->kind, "cert") != 0) {
        it->error = err_json(r->a, &l->err);
        return RC_OK;
    }
    const struct cert_info *leaf = &l->leaf;
    it->protocol = clean(r->a, l->seen.protocol);
    it->sha256 = hex_of(r->a, leaf->sha256, 32);
    it->subject = clean(r->a, leaf->subject);
    it->issuer = clean(r->a, leaf->issuer);
    it->serial = clean(r->a, leaf->serial);
    it->key_alg = clean(r->a, leaf->key_name);
    it->not_before = leaf->not_before;
    it->not_after = leaf->not_after;
    it->trusted = l->trusted;
    TRY(keep_names(r, leaf, it, err));
    return keep_chain(r, &l->seen, it, err);
}

/* Does another address of the name show the same? Then it is told once. */
static bool told(const struct discovery_item *v, size_t n, const struct discovery_item *it)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].kind, it->kind) == 0 &&
            (!it->sha256 || (v[i].sha256 && strcmp(v[i].sha256, it->sha256) == 0)))
            return true;
    return false;
}

static enum rc keep_spot(struct run *r, struct sweep *s, const struct spot *spot, struct err *err)
{
    struct discovery_item *first = &s->seen[s->seen_count];
    size_t n = 0;
    if (spot->n == 0) {
        *first = *spot->place;
        first->kind = spot->why.rc == RC_DENIED ? "refused" : "nothing";
        first->error = err_json(r->a, &spot->why);
        n = 1;
    }
    for (size_t i = 0; i < spot->n; i++) {
        struct discovery_item it = *spot->place;
        TRY(keep_look(r, &spot->v[i], &it, err));
        if (told(first, n, &it))
            continue;
        it.id = n == 0 ? it.id : 0; /* one more row */
        first[n++] = it;
    }
    for (size_t i = 0; i < n; i++) {
        first[i].discovery_id = s->id;
        first[i].seen_at = run_now(r);
    }
    s->seen_count += n;
    return RC_OK;
}

static enum rc keep_all(struct run *r, struct sweep *s, struct err *err)
{
    size_t most = 0;
    for (size_t i = 0; i < s->n; i++)
        most += s->v[i].n + 1;
    s->seen = arena_array(r->a, most, sizeof *s->seen);
    enum rc rc = s->seen ? RC_OK : NOMEM(err);
    for (size_t i = 0; i < s->n; i++) {
        if (rc == RC_OK && s->v[i].done)
            rc = keep_spot(r, s, &s->v[i], err);
        arena_destroy(s->v[i].a);
        s->v[i].a = NULL;
    }
    return rc;
}

static enum rc save_seen(struct db *db, struct run *r, void *arg, struct err *err)
{
    const struct sweep *s = arg;
    for (size_t i = 0; i < s->seen_count; i++) {
        if (s->seen[i].id)
            TRY(db_discovery_item_seen(db, &s->seen[i], err));
        else
            TRY(db_discovery_item_add(db, &s->seen[i], err));
    }
    return db_discovery_count(db, s->id, run_now(r), err);
}

static enum rc load(struct run *r, struct discovery *d, struct discovery_item_list *ret,
                    struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_discovery_get(db, json_i64_or(r->payload, "id", 0), r->a, d, err));
    return db_discovery_waiting(db, d->id, BATCH, r->a, ret, err);
}

static void tell_progress(struct run *r, const struct discovery *d)
{
    const char *en = arena_printf(r->keep, "Looked at %lld of %lld addresses", (long long)d->looked,
                                  (long long)d->total);
    const char *ja = arena_printf(r->keep, "%lld 件中 %lld 件を確認しました", (long long)d->total,
                                  (long long)d->looked);
    if (!en || !ja)
        return;
    r->job.activity_en = en;
    r->job.activity_ja = ja;
    news_job(r);
}

static enum rc look_step(struct run *r, struct step_out *out, struct err *err)
{
    struct sweep *s = ARENA_NEW(r->a, struct sweep);
    struct discovery_item_list left = {NULL, 0};
    struct discovery d = {0};
    if (!s)
        return NOMEM(err);
    enum rc rc = load(r, &d, &left, err);
    out->done = rc == RC_NOT_FOUND || left.n == 0;
    if (rc == RC_NOT_FOUND) /* removed meanwhile */
        return RC_OK;
    TRY(rc);
    *s = (struct sweep){.r = r, .lock = PTHREAD_MUTEX_INITIALIZER, .n = left.n, .id = d.id};
    s->v = arena_array(r->a, left.n ? left.n : 1, sizeof *s->v);
    if (!s->v)
        return NOMEM(err);
    for (size_t i = 0; i < left.n; i++)
        s->v[i] = (struct spot){.place = &left.v[i]};
    tell_progress(r, &d);
    sweep_all(s);
    TRY(keep_all(r, s, err));
    d.looked += (int64_t)s->seen_count;
    tell_progress(r, &d);
    run_event(r, "discovery", d.id, "running");
    out->save = save_seen;
    out->arg = s;
    out->soon = true;
    /* Given back between batches, so that others have their turn. */
    out->at = out->done ? 0 : run_now(r) + (s->seen_count > 0 ? REST : AGAIN);
    return RC_OK;
}

static const struct step steps[] = {
    {"look",
     {"Looking at the addresses", "アドレスを確認しています"},
     look_step,
     120 * USEC_PER_SEC,
     false},
};
const struct flow flow_discover = {"discover", steps, COUNT_OF(steps), NULL, NULL};
