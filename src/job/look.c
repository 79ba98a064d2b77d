/* What is really served: handshakes with every address of a host. Never sends application data. */
#include <string.h>

#include "job/job_priv.h"

#define PROBE_USEC      (8 * USEC_PER_SEC)
#define VERIFY_USEC     (15 * USEC_PER_SEC)
#define GOOD_PAUSE_USEC (150 * USEC_PER_MSEC)

enum { GOOD_LOOKS = 3 };

const char *sni_for(struct arena *a, const char *name)
{
    if (!name || host_is_ip(name, NULL))
        return NULL;
    return strncmp(name, "*.", 2) == 0 ? arena_printf(a, "www.%s", name + 2) : name;
}

static void look_one(struct run *r, const struct look *l, const struct net_addr *addr,
                     struct looked *ret)
{
    int64_t until = clock_mono(r->e->o.clock) + (l->patience ? l->patience : PROBE_USEC);
    struct tls_probe p = {.addr = *addr,
                          .sni = l->sni,
                          .starttls = l->starttls,
                          .deadline = until < r->deadline ? until : r->deadline};
    enum rc rc = r->e->o.probe ? r->e->o.probe(r->e->o.probe_ctx, &p, r->a, &ret->seen, &ret->err)
                               : tls_probe_do(&p, r->a, &ret->seen, &ret->err);
    ret->reached = rc == RC_OK && ret->seen.chain_count > 0;
    if (!ret->reached)
        return;
    ret->trusted = ret->seen.trusted;
    ret->parsed = cert_parse(ret->seen.chain[0], r->a, &ret->leaf, &ret->err) == RC_OK;
}

enum rc look_all(struct run *r, const struct look *l, struct looked **ret, size_t *ret_n,
                 struct err *err)
{
    struct net_addr *addrs = NULL;
    size_t n = 0;
    int64_t until = clock_mono(r->e->o.clock) + (l->patience ? l->patience : PROBE_USEC);
    TRY(egress_resolve(&r->e->o.egress, l->host, (int)l->port, until, r->a, &addrs, &n, err));
    struct looked *v = arena_array(r->a, n, sizeof *v);
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < n; i++) {
        v[i].addr = arena_strdup(r->a, addrs[i].text);
        look_one(r, l, &addrs[i], &v[i]);
    }
    *ret = v;
    *ret_n = n;
    return RC_OK;
}

static enum rc wrong(const struct look *l, const struct looked *v, struct err *err)
{
    if (!v->reached) {
        if (err)
            *err = v->err;
        return WHILE(err, v->err.rc != RC_OK ? v->err.rc : RC_NET,
                     MSG("job.while_verify", "looking at what {0} ({1}) serves",
                         "{0}（{1}）が提示する証明書の確認中"),
                     l->host, v->addr);
    }
    return FAIL(err, RC_REMOTE, BLAME_REMOTE,
                MSG("job.not_served",
                    "{0} ({1}) port {2} still serves another certificate (serial {3})",
                    "{0}（{1}）ポート {2} は別の証明書（シリアル番号 {3}）を提示しています"),
                l->host, v->addr, NUM(l->port), v->parsed ? v->leaf.serial : "?");
}

static enum rc look_round(struct run *r, const struct look *l, const unsigned char sha256[32],
                          struct err *err)
{
    struct looked *v = NULL;
    size_t n = 0;
    TRY(look_all(r, l, &v, &n, err));
    for (size_t i = 0; i < n; i++)
        if (!v[i].reached || !v[i].parsed || memcmp(v[i].leaf.sha256, sha256, 32) != 0)
            return wrong(l, &v[i], err);
    return RC_OK;
}

/*
 * Good looks in a row, over a while: a server that is being reloaded may answer with its old half
 * once more (nginx's old workers accept until they hear of it).
 */
static enum rc look_place(struct run *r, const struct look *l, const unsigned char sha256[32],
                          int64_t until, struct err *err)
{
    int64_t wait = 100 * USEC_PER_MSEC;
    for (int good = 0;;) {
        enum rc rc = look_round(r, l, sha256, err);
        if (rc == RC_OK && ++good == GOOD_LOOKS)
            return RC_OK;
        if (rc == RC_OK && run_pause(r, GOOD_PAUSE_USEC))
            continue;
        good = 0;
        if (clock_mono(r->e->o.clock) + wait > until || !run_pause(r, wait))
            return rc;
        wait = wait < USEC_PER_SEC ? wait * 2 : wait;
    }
}

enum rc look_until(struct run *r, const struct verify_at *v, size_t n, const char *first_name,
                   const unsigned char sha256[32], struct err *err)
{
    int64_t until = clock_mono(r->e->o.clock) + VERIFY_USEC;
    for (size_t i = 0; i < n; i++) {
        struct look l = {.host = v[i].host, .port = v[i].port};
        l.sni = sni_for(r->a, v[i].sni ? v[i].sni : first_name);
        if (v[i].starttls && !starttls_from_name(v[i].starttls, &l.starttls))
            return FAIL(err, RC_INPUT, BLAME_INPUT,
                        MSG("job.starttls", "STARTTLS kind {0} is not known",
                            "STARTTLS の種類 {0} は不明です"),
                        v[i].starttls);
        TRY(look_place(r, &l, sha256, until, err));
    }
    return RC_OK;
}
