/* Issue, the dialogue with the CA: the order and the proofs. */
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "job/flow_issue.h"

#define SOON_USEC     (250 * USEC_PER_MSEC)
#define PATIENCE_USEC (1 * USEC_PER_SEC)

static enum rc solver_ctx(struct run *r, const struct issue *is, struct ctx *ret, struct err *err)
{
    TRY(run_ctx(r, NULL, ret, err));
    ret->place_base = is->solver_place;
    ret->grant.subject = arena_printf(r->a, "challenge of %s", is->cert.name);
    return ret->grant.subject ? RC_OK : NOMEM(err);
}

static enum rc one_proof(struct run *r, const struct issue *is, struct presented *p,
                         int64_t *ret_at, struct err *err)
{
    struct ctx ctx;
    *ret_at = 0;
    TRY(solver_ctx(r, is, &ctx, err));
    CHECK(strcmp(p->p.type, is->solver->proof_type) == 0, err, RC_UNSUPPORTED, BLAME_INPUT,
          MSG("job.proof_type", "{0}: the CA asks for {1}, but {2} is set up; change the challenge",
              "{0}: 認証局は {1} を求めていますが、設定は {2} です。チャレンジを変更してください"),
          p->p.identifier, p->p.type, is->solver->proof_type);
    if (!p->state) {
        const char *state = NULL;
        TRY(is->solver->present(&ctx, is->solver_settings, &p->p, &state, err));
        p->state = state ? state : "{}";
    }
    if (is->solver->ready)
        TRY(is->solver->ready(&ctx, is->solver_settings, &p->p, p->state, ret_at, err));
    return RC_OK;
}

/* Every proof; *ret_again: when to look at those that are not visible yet, 0 = all are. */
static enum rc present_all(struct run *r, struct issue *is, int64_t *ret_again, struct err *err)
{
    *ret_again = 0;
    for (size_t i = 0; i < is->proof_count; i++) {
        int64_t at = 0;
        enum rc rc = one_proof(r, is, &is->proofs[i], &at, err);
        if (rc != RC_OK)
            return WHILE(err, rc,
                         MSG("job.while_proof", "proving control of {0}", "{0} の管理権限の証明中"),
                         is->proofs[i].p.identifier);
        if (at > *ret_again)
            *ret_again = at;
    }
    return RC_OK;
}

enum rc issue_present_step(struct run *r, struct step_out *out, struct err *err)
{
    struct issue *is = NULL;
    int64_t again = 0, limit = 3600 * USEC_PER_SEC;
    TRY(issue_load(r, &is, err));
    CHECK(is->solver || is->proof_count == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("job.need_solver", "{0}: the CA wants a proof, but no challenge is set up",
              "{0}: 認証局が証明を求めていますが、チャレンジが設定されていません"),
          is->cert.name);
    enum rc rc = present_all(r, is, &again, err);
    if (rc != RC_OK) {
        TRY(issue_progress(r, is, out, NULL));
        return rc;
    }
    CHECK(again == 0 || run_now(r) - is->proofs_at < limit, err, RC_TIMEOUT, BLAME_NETWORK,
          MSG("job.not_visible", "{0}: the proof did not become visible within an hour",
              "{0}: 証明用の情報が 1 時間以内に公開されませんでした"),
          is->cert.name);
    is->proofs_ready = again == 0;
    out->at = again;
    if (again == 0)
        out->next = "order";
    return issue_progress(r, is, out, err);
}

/* Whether it was shown may not have been saved yet, so nothing is left out: to take away what is
 * not there is success. */
enum rc issue_take_away(struct run *r, struct issue *is, struct err *err)
{
    enum rc first = RC_OK;
    for (size_t i = 0; is->solver && i < is->proof_count; i++) {
        struct presented *p = &is->proofs[i];
        struct err why = {0};
        struct ctx ctx;
        enum rc rc = solver_ctx(r, is, &ctx, &why);
        if (rc == RC_OK)
            rc = is->solver->cleanup(&ctx, is->solver_settings, &p->p, p->state ? p->state : "{}",
                                     &why);
        if (rc != RC_OK && first == RC_OK) {
            first = rc;
            if (err)
                *err = why;
        }
        p->state = NULL;
    }
    is->proofs_ready = false;
    return first;
}

void issue_clean(struct run *r, struct issue *is)
{
    struct err err = {0};
    if (issue_take_away(r, is, &err) == RC_OK)
        return;
    log_err(LOG_WARN, "job", "removing a challenge", &err);
    r->left = is->cert.challenge;
}

static enum rc save_dialogue(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct issue *is = arg;
    int64_t now = run_now(r);
    is->order.updated = now;
    is->order.error = NULL;
    TRY(is->is_new ? issue_add_rows(db, r, is, err) : db_order_update(db, &is->order, err));
    if (is->ordered_now)
        TRY(db_ledger_add(db, is->cert.ca_id, "order", is->cert.name, now, err));
    if (is->human.en[0]) {
        struct notice_facts f = {.event = "order.human",
                                 .subject = r->job.subject,
                                 .dedup = arena_printf(r->a, "human:%lld", (long long)r->job.id),
                                 .name = is->cert.name,
                                 .why = &is->human};
        r->made_work = true;
        TRY(notice_facts(db, &f, now, err));
    }
    TRY(issue_save_gate(db, r, is, err));
    return is->ended ? issue_save_end(db, r, is, err) : RC_OK;
}

/* One DER element at *p: its whole extent, and *p moves behind it or, to go in, to its content. */
static bool der_next(struct str *p, bool into, struct str *ret)
{
    const unsigned char *b = (const unsigned char *)p->p;
    size_t head = 2, len = 0;
    if (p->n < 2)
        return false;
    len = b[1];
    if (len & 0x80) {
        size_t k = len & 0x7f;
        if (k == 0 || k > 4 || p->n < 2 + k)
            return false;
        for (len = 0; head < 2 + k; head++)
            len = len << 8 | b[head];
    }
    if (len > p->n - head)
        return false;
    *ret = (struct str){p->p, head + len};
    *p = into ? (struct str){p->p + head, len} : (struct str){p->p + head + len, p->n - head - len};
    return true;
}

/* RFC 2986 4.1: CertificationRequestInfo is version, subject, subjectPKInfo, attributes. The CSR is
 * our own, made by the vault. */
static enum rc spki_of(struct str csr, struct str *ret, struct err *err)
{
    struct str part;
    CHECK(der_next(&csr, true, &part) && der_next(&csr, true, &part) &&
              der_next(&csr, false, &part) && der_next(&csr, false, &part) &&
              der_next(&csr, false, ret),
          err, RC_CORRUPT, BLAME_US,
          MSG("job.csr_shape", "the stored CSR is damaged", "保存された CSR が壊れています"));
    return RC_OK;
}

static enum rc damaged_csr(const struct issue *is, struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_US,
                MSG("job.bad_csr", "the stored CSR of version {0} is damaged",
                    "バージョン {0} の保存された CSR が壊れています"),
                NUM(is->version.id));
}

enum rc issue_csr_der(const struct issue *is, const char *b64, struct buf *out, struct err *err)
{
    return base64_decode(str_from(b64), out) ? RC_OK : damaged_csr(is, err);
}

static enum rc fill_csr(struct run *r, const struct issue *is, struct ca_order *o, struct err *err)
{
    AUTO(buf) struct buf der = BUF(1024 * 1024);
    TRY(issue_csr_der(is, is->csr, &der, err));
    o->csr_der = (struct str){arena_dup(r->a, der.p, der.len), der.len};
    if (!o->csr_der.p)
        return NOMEM(err);
    return spki_of(o->csr_der, &o->spki, err);
}

static enum rc fill_order(struct run *r, const struct issue *is, struct ca_order *ret,
                          struct err *err)
{
    int64_t validity = json_i64_or(is->policy, "validity", 0);
    int64_t begun = is->is_new ? run_now(r) : is->order.created;
    const char **types = ARENA_NEW(r->a, const char *);
    if (!types)
        return NOMEM(err);
    types[0] = is->solver ? is->solver->proof_type : NULL;
    *ret = (struct ca_order){
        .id = is->order.id,
        .names = is->cert.names.v,
        .name_count = is->cert.names.n,
        .not_after = validity > 0 ? begun + validity * USEC_PER_SEC : 0,
        .profile = json_str_or(is->policy, "profile", NULL),
        .proof_types = types,
        .proof_type_count = is->solver ? 1 : 0,
        .proofs_ready = is->proofs_ready,
        .attempt = r->job.attempts,
    };
    if (is->csr)
        TRY(fill_csr(r, is, ret, err));
    if (!(is->ca.head->caps & CA_CAP_NOT_AFTER))
        ret->not_after = 0;
    return run_json(r, is->order.data, &ret->data, err);
}

/* What is known of the orders at this CA; the certificate's own are over. */
static enum rc fill_others(struct run *r, const struct issue *is, struct ca_order *ret,
                           struct err *err)
{
    enum { PAGE = 500 };
    AUTO(db) struct db *db = NULL;
    struct order_list l = {NULL, PAGE};
    const struct json **v = NULL;
    size_t n = 0;
    TRY(store_read(r->e->o.store, &db, err));
    for (int64_t after = 0; l.n == PAGE; after = l.v[l.n - 1].id) {
        TRY(db_order_list(db, 0, true, after, PAGE, r->a, &l, err));
        const struct json **more = arena_array(r->a, n + l.n + 1, sizeof *more);
        if (!more)
            return NOMEM(err);
        for (size_t i = 0; i < n; i++)
            more[i] = v[i];
        v = more;
        for (size_t i = 0; i < l.n; i++)
            if (l.v[i].ca_id == is->cert.ca_id && l.v[i].data)
                TRY(run_json(r, l.v[i].data, &v[n++], err));
        if (l.n == 0)
            break;
    }
    ret->others = v;
    ret->other_count = n;
    ret->maybe_placed = true;
    return RC_OK;
}

static enum rc take_proofs(struct run *r, struct issue *is, const struct ca_step *s,
                           struct err *err)
{
    CHECK(s->proof_count > 0 && s->proof_count <= PROOFS_MAX, err, RC_REMOTE, BLAME_REMOTE,
          MSG("job.proofs", "the CA asked for {0} proofs; at most {1} are handled",
              "認証局が {0} 件の証明を求めました。処理できるのは {1} 件までです"),
          NUM(s->proof_count), NUM(PROOFS_MAX));
    is->proofs = arena_array(r->a, s->proof_count, sizeof *is->proofs);
    if (!is->proofs)
        return NOMEM(err);
    for (size_t i = 0; i < s->proof_count; i++)
        is->proofs[i].p = s->proofs[i];
    is->proof_count = s->proof_count;
    is->proofs_ready = false;
    is->proofs_at = run_now(r);
    return RC_OK;
}

/* Next is the step that presents them, unless that is nothing but rows saved with this one. */
static enum rc proofs_asked(struct run *r, struct issue *is, const struct ca_step *s,
                            struct step_out *out, struct err *err)
{
    int64_t again;
    TRY(take_proofs(r, is, s, err));
    out->next = "present";
    if (!is->solver || !is->solver->in_store)
        return RC_OK;
    TRY(present_all(r, is, &again, err));
    is->proofs_ready = true;
    out->next = "order";
    return RC_OK;
}

static enum rc set_human(struct run *r, struct issue *is, const struct ca_step *s, struct err *err)
{
    const char *en = s->human.en ? s->human.en : "", *ja = s->human.ja ? s->human.ja : en;
    struct msg m = {"job.human", "{0}", "{0}"};
    (void)!FAIL(&is->human, RC_CONFLICT, BLAME_INPUT, &m, en);
    struct err j = {0};
    (void)!FAIL(&j, RC_CONFLICT, BLAME_INPUT, &m, ja);
    memcpy(is->human.ja, j.ja, sizeof j.ja);
    r->job.activity_en = arena_strdup(r->keep, en);
    r->job.activity_ja = arena_strdup(r->keep, ja);
    return r->job.activity_en && r->job.activity_ja ? RC_OK : NOMEM(err);
}

static enum rc by_verdict(struct run *r, struct issue *is, const struct ca_step *s,
                          struct step_out *out, struct err *err)
{
    int64_t soon = run_now(r) + USEC_PER_SEC;
    switch (s->verdict) {
    case CA_DONE:
        TRY(issue_gate(r, is, s->chain_pem, err));
        is->version_changed = true;
        if (is->proof_count == 0 || (is->solver && is->solver->in_store)) {
            issue_end(r, is, out);
            break;
        }
        out->next = "finish";
        out->soon = true; /* can be fetched again, and nobody sees it before the next step's save */
        break;
    case CA_PROOF:
        TRY(proofs_asked(r, is, s, out, err));
        break;
    case CA_HUMAN:
        TRY(set_human(r, is, s, err));
        out->at = s->until > soon ? s->until : soon;
        break;
    case CA_WAIT:
        out->at = s->until ? s->until : soon;
        break;
    default:
        return FAIL(err, RC_INTERNAL, BLAME_US,
                    MSG("job.verdict", "{0}: the CA connector gave no verdict",
                        "{0}: 認証局コネクタが結果を返しませんでした"),
                    is->ca.rec.name);
    }
    return issue_progress(r, is, out, err);
}

static enum rc ask_ca(struct run *r, struct issue *is, const struct ca_order *o, struct ca_step *s,
                      struct err *err)
{
    struct ctx ctx;
    TRY(run_ctx(r, &is->ca, &ctx, err));

    TRY(run_setup_ca(r, &ctx, &is->ca, false, err));
    enum rc rc = is->ca.ca->step(&ctx, is->ca.settings, is->ca.state, o, s, err);
    if (rc != RC_AUTH || !is->ca.ca->setup || s->data)
        return rc;
    /* The account is not accepted any more: made again once, then the error stands. */
    TRY(run_setup_ca(r, &ctx, &is->ca, true, err));
    *s = (struct ca_step){0};
    return is->ca.ca->step(&ctx, is->ca.settings, is->ca.state, o, s, err);
}

/* True: the CA will be ready in a moment, which is passed here rather than in the store. */
static bool wait_here(struct run *r, const struct ca_step *s, int64_t until_mono)
{
    int64_t wait = s->until - run_now(r);
    if (s->verdict != CA_WAIT || s->ordered_now || s->wants_csr || wait > SOON_USEC ||
        clock_mono(r->e->o.clock) + wait > until_mono)
        return false;
    return wait <= 0 || run_pause(r, wait);
}

/*
 * Goes on with a CA that is quick. A new order is saved before anything is done with it; all that
 * follows can be asked again from there, so what a look told need not be saved before the next.
 */
static enum rc talk(struct run *r, struct issue *is, struct ca_order *o, struct ca_step *s,
                    struct err *err)
{
    int64_t until = clock_mono(r->e->o.clock) + PATIENCE_USEC;
    enum rc rc = ask_ca(r, is, o, s, err);
    while (rc == RC_OK && wait_here(r, s, until)) {
        const char *told = s->data;
        if (told)
            TRY(run_json(r, told, &o->data, err));
        *s = (struct ca_step){0};
        rc = ask_ca(r, is, o, s, err);
        if (!s->data)
            s->data = told;
    }
    return rc;
}

enum rc issue_dialogue(struct run *r, struct issue *is, struct step_out *out, struct err *err)
{
    struct ca_order o = {0};
    struct ca_step s = {0};
    out->save = save_dialogue;
    out->arg = is;
    out->save_on_failure = true;
    out->soon = false;
    if (!is->order.data) { /* a new order has proofs of its own */
        is->proof_count = 0;
        is->proofs_ready = false;
    }
    TRY(fill_order(r, is, &o, err));
    if (!o.data && r->job.lease_no > 1) /* not the first time that somebody is at it */
        TRY(fill_others(r, is, &o, err));
    enum rc rc = talk(r, is, &o, &s, err);
    if (s.data) {
        is->order.data = *s.data ? s.data : NULL;
        if (!*s.data) {
            issue_clean(r, is);
            is->proof_count = 0;
            is->given_up++;
        }
    }
    is->ordered_now = s.ordered_now;
    out->failures = is->given_up;
    out->audit = s.ordered_now ? "issue.order" : s.verdict == CA_DONE ? "issue.issued" : NULL;
    if (rc == RC_OK)
        rc = by_verdict(r, is, &s, out, err);
    if (rc != RC_OK) {
        if (s.data && issue_progress(r, is, out, NULL) != RC_OK)
            out->progress = NULL;
        return WHILE(err, rc,
                     MSG("job.while_order", "ordering {0} from {1}", "{1} への {0} の申請中"),
                     is->cert.name, is->ca.rec.name);
    }
    return RC_OK;
}

enum rc issue_order_step(struct run *r, struct step_out *out, struct err *err)
{
    struct issue *is = NULL;
    TRY(issue_load(r, &is, err));
    if (!is->csr)
        return damaged_csr(is, err);
    if (!is->order.data && is->given_up > 0) /* the first one was asked for in prepare */
        TRY(issue_may_order(r, is, err));
    return issue_dialogue(r, is, out, err);
}
