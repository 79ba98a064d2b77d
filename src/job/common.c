/* Small things several flows need. */
#include <string.h>

#include "base/base64.h"
#include "job/job_priv.h"
#include "job/licence.h"
#include "model/policy.h"

const char *hex_of(struct arena *a, const void *p, size_t n)
{
    AUTO(buf) struct buf b = BUF(1024);
    hex_add(&b, p, n);
    return b.bad == RC_OK ? arena_strdup(a, buf_cstr(&b)) : NULL;
}

enum rc leaf_of(struct run *r, const struct cert_version *v, struct cert_list *ret_chain,
                struct err *err)
{
    CHECK(v->chain, err, RC_CONFLICT, BLAME_INPUT,
          MSG("job.no_chain", "version {0} has no certificate yet",
              "バージョン {0} にはまだ証明書がありません"),
          NUM(v->id));
    return cert_parse_pem(str_from(v->chain), false, r->a, ret_chain, err);
}

int64_t plan_renewal(const struct cert_info *leaf, const struct json *policy, int64_t start,
                     int64_t end)
{
    if (!json_bool_or(policy, "auto_renew", true))
        return 0;
    uint64_t seed = 0;
    memcpy(&seed, leaf->sha256, sizeof seed);
    struct renew_facts f = {.not_before = leaf->not_before,
                            .not_after = leaf->not_after,
                            .window_start = start,
                            .window_end = end,
                            .before = json_i64_or(policy, "renew_before", 0) * USEC_PER_SEC,
                            .seed = seed};
    return renew_time(&f);
}

enum rc notice_facts(struct db *db, const struct notice_facts *f, int64_t now, struct err *err)
{
    AUTO(buf) struct buf b = BUF(64 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    enum rc ended = licence_gate(db, now, NULL); /* each alarm says so */
    if (ended != RC_OK && ended != RC_LICENCE)
        return licence_gate(db, now, err);
    jw_object(&w);
    jw_kstr(&w, "name", f->name);
    jw_kbool(&w, "licence_ended", ended == RC_LICENCE);
    jw_kstr(&w, "target", f->target);
    jw_ktime(&w, "not_after", f->expiry);
    jw_ki64(&w, "days", f->days);
    jw_key(&w, "error");
    if (f->why)
        jw_err(&w, f->why);
    else
        jw_null(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return notice_raise(db, f->event, f->subject, f->dedup, buf_cstr(&b), now, err);
}
