/*
 * The order (RFC 8555 7.4) as a persistent state machine: AUTHZ -> PROOFS -> POLL -> FINALIZE ->
 * ISSUING -> FETCH. Every call does one bounded part and hands back what must be saved.
 *
 * Invariants: a new order is saved before anything is done with it; no challenge is answered before
 * its proofs are in place; the order's own status decides the way, so that a repeated step after a
 * crash goes on from where the CA is.
 */
#include <string.h>

#include "base/base64.h"
#include "connect/ca/acme.h"

enum { CHAIN_MAX = CERT_MAX_CHAIN, ALTERNATES_MAX = 8, AUTHZ_MAX = 1000 };

/* Looked at every ten minutes after this, and told to people after that. */
#define PROCESSING_LONG  (3600 * USEC_PER_SEC)
#define PROCESSING_ALARM (24 * PROCESSING_LONG)

static void stage_set(struct acme *a, struct acme_order *o, enum acme_stage stage)
{
    if (o->stage != stage || o->since == 0) {
        o->polls = 0;
        o->since = clock_now(a->ctx->clock);
    }
    o->stage = stage;
}

/* Next look: doubling from poll_min to 10 s (10 min after an hour), later when the CA asks for it.
 */
static void wait_for(struct acme *a, struct acme_order *o, const struct http_response *r,
                     struct ca_step *ret)
{
    int64_t now = clock_now(a->ctx->clock);
    int64_t at = r ? http_retry_after(r, now) : 0;
    int64_t cap = now - o->since > PROCESSING_LONG ? 600 * USEC_PER_SEC : 10 * USEC_PER_SEC;
    int64_t shift = o->polls < 20 ? o->polls : 20;
    int64_t usec = (a->set->poll_min * USEC_PER_MSEC) << shift;
    o->polls++;
    ret->verdict = CA_WAIT;
    usec = usec < cap ? usec : cap;
    ret->until = at > now + usec ? at : now + usec;
}

static void go_on(struct acme *a, struct ca_step *ret)
{
    ret->verdict = CA_WAIT;
    ret->until = clock_now(a->ctx->clock);
}

static void identifiers(const struct ca_order *want, struct json_writer *w)
{
    jw_key(w, "identifiers");
    jw_array(w);
    for (size_t i = 0; i < want->name_count; i++) {
        bool v6;
        jw_object(w);
        jw_kstr(w, "type", host_is_ip(want->names[i], &v6) ? "ip" : "dns");
        jw_kstr(w, "value", want->names[i]);
        jw_end_object(w);
    }
    jw_end_array(w);
}

bool acme_identifiers_same(const struct ca_order *want, const struct json *list)
{
    if (json_len(list) != want->name_count)
        return false;
    for (size_t i = 0; i < want->name_count; i++) {
        bool found = false;
        for (size_t k = 0; k < json_len(list) && !found; k++)
            found = str_ieq(str_from(json_str_or(json_at(list, k), "value", "")),
                            str_from(want->names[i]));
        if (!found)
            return false;
    }
    return true;
}

static enum rc order_read(struct acme *a, const struct ca_order *want, const struct json *j,
                          struct acme_order *o, struct err *err)
{
    const struct json *list = json_get(j, "authorizations");
    size_t n = json_len(list);
    CHECK(acme_identifiers_same(want, json_get(j, "identifiers")), err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.names", "the CA's order is for other names than were ordered",
              "認証局の注文内容が、依頼した名前と一致しません"));
    CHECK(n <= AUTHZ_MAX, err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.many", "the CA asks for {0} authorizations, which cannot be right",
              "認証局が {0} 件の認可を要求しました。異常な値です"),
          NUM(n));
    o->authz = arena_array(a->ctx->arena, n + 1, sizeof *o->authz);
    if (!o->authz)
        return NOMEM(err);
    o->count = n;
    for (size_t i = 0; i < n; i++) {
        const char *url = json_as_str(json_at(list, i));
        TRY(acme_url_check(a, url, err));
        if (!(o->authz[i].url = arena_strdup(a->ctx->arena, url)))
            return NOMEM(err);
    }
    const char *fin = json_str_or(j, "finalize", NULL);
    TRY(acme_url_check(a, fin, err));
    o->finalize = arena_strdup(a->ctx->arena, fin);
    return o->finalize ? RC_OK : NOMEM(err);
}

static const char *profile_of(const struct acme *a, const struct ca_order *want)
{
    return want->profile ? want->profile : a->set->profile;
}

static enum rc order_new(struct acme *a, const struct ca_order *want, struct acme_order *o,
                         struct ca_step *ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF(1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    identifiers(want, &w);
    if (want->not_after)
        jw_ktime(&w, "notAfter", want->not_after);
    if (profile_of(a, want))
        jw_kstr(&w, "profile", profile_of(a, want));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    ACTIVITY(a->ctx,
             MSG("acme.ordering", "placing the order at the CA", "認証局に証明書を注文しています"));
    struct http_response r;
    AUTO(json) struct json *j = NULL;
    const char *url = NULL;
    if (want->maybe_placed)
        j = acme_lost_order(a, want, &url);
    ret->ordered_now = j != NULL;
    if (!j) {
        TRY(acme_post(a, a->dir.new_order, buf_str(&b), &r, err));
        ret->ordered_now = true; /* it counts, whatever the answer is worth */
        TRY(acme_json(&r, &j, err));
        url = http_header_get(&r, "location");
        TRY(acme_url_check(a, url, err));
    }
    o->url = url;
    TRY(order_read(a, want, j, o, err));
    /* ready: every name is proven already, no authorization need be read */
    stage_set(a, o,
              strcmp(json_str_or(j, "status", ""), "ready") == 0 ? ACME_FINALIZE : ACME_AUTHZ);
    go_on(a, ret);
    return RC_OK;
}

static enum rc authz_all(struct acme *a, const struct ca_order *want, struct acme_order *o,
                         bool *ret_pending, struct err *err)
{
    bool pending = false;
    for (size_t i = 0; i < o->count; i++) {
        if (!o->authz[i].name || (o->stage == ACME_POLL && !o->authz[i].valid))
            TRY(acme_authz_look(a, want, o, i, err));
        pending = pending || !o->authz[i].valid;
    }
    *ret_pending = pending;
    return RC_OK;
}

static enum rc answer_all(struct acme *a, struct acme_order *o, struct ca_step *ret,
                          struct err *err)
{
    ACTIVITY(a->ctx, MSG("acme.validating", "the CA is validating control of the names",
                         "認証局が名前の所有を検証しています"));
    for (size_t i = 0; i < o->count; i++)
        if (!o->authz[i].valid)
            TRY(acme_answer(a, o, i, err));
    stage_set(a, o, ACME_POLL);
    wait_for(a, o, NULL, ret);
    return RC_OK;
}

static enum rc finalize(struct acme *a, const struct ca_order *want, struct acme_order *o,
                        struct http_response *ret, struct err *err)
{
    AUTO(buf) struct buf csr = BUF(1 << 20);
    AUTO(buf) struct buf b = BUF(1 << 20);
    base64url_add(&csr, want->csr_der.p, want->csr_der.n);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "csr", buf_cstr(&csr));
    jw_end_object(&w);
    TRY(buf_ok(&csr, err));
    TRY(buf_ok(&b, err));
    ACTIVITY(a->ctx, MSG("acme.finalizing", "sending the certificate request to the CA",
                         "認証局にCSRを送信しています"));
    return acme_post(a, o->finalize, buf_str(&b), ret, err);
}

static enum rc order_failed(struct acme *a, const struct ca_order *want, struct acme_order *o,
                            const struct json *j, const char *status, struct err *err)
{
    o->dead = true;
    const struct json *problem = json_get(j, "error");
    /* The reason is best told by the authorization that failed. */
    bool pending;
    enum acme_stage stage = o->stage;
    o->stage = ACME_POLL;
    struct err why = {0};
    enum rc rc = authz_all(a, want, o, &pending, &why);
    o->stage = stage;
    if (rc == RC_REMOTE || rc == RC_DENIED || rc == RC_INPUT) {
        if (err)
            *err = why;
        return rc;
    }
    if (problem) {
        a->status = (int)json_i64_or(problem, "status", 0) & 0xfff;
        return acme_problem_fail(a, problem, NULL, 0, err);
    }
    return FAIL(err, RC_REMOTE, BLAME_REMOTE,
                MSG("acme.order_dead",
                    "the CA has given the order up (status {0}); a new order "
                    "follows at the next try",
                    "認証局で注文が無効になりました（状態 {0}）。次回は新しい注文を行います"),
                status);
}

/* Follows the order's status; *ret_again when the next stage can be done at once. */
static enum rc follow(struct acme *a, const struct ca_order *want, struct acme_order *o,
                      const struct http_response *r, bool *ret_again, struct ca_step *ret,
                      struct err *err)
{
    AUTO(json) struct json *j = NULL;
    TRY(acme_json(r, &j, err));
    const char *status = json_str_or(j, "status", "");
    *ret_again = false;
    if (strcmp(status, "valid") == 0) {
        const char *url = json_str_or(j, "certificate", NULL);
        TRY(acme_url_check(a, url, err));
        if (!(o->certificate = arena_strdup(a->ctx->arena, url)))
            return NOMEM(err);
        stage_set(a, o, ACME_FETCH);
        *ret_again = true;
        return RC_OK;
    }
    if (strcmp(status, "ready") == 0) {
        *ret_again = o->stage != ACME_FINALIZE;
        stage_set(a, o, ACME_FINALIZE);
        if (!*ret_again)
            wait_for(a, o, r, ret);
        return RC_OK;
    }
    if (strcmp(status, "processing") == 0) {
        stage_set(a, o, ACME_ISSUING);
        CHECK(clock_now(a->ctx->clock) - o->since < PROCESSING_ALARM, err, RC_TIMEOUT, BLAME_REMOTE,
              MSG("acme.processing",
                  "the CA has had the order in work for over a day; ask the CA. The order is kept",
                  "認証局での処理が1日以上終わりません。認証局に問い合わせてください。注文は"
                  "維持されます"));
        wait_for(a, o, r, ret);
        return RC_OK;
    }
    if (strcmp(status, "pending") != 0)
        return order_failed(a, want, o, j, status, err);
    stage_set(a, o, ACME_POLL);
    bool pending;
    if (o->polls % 4 == 3) /* a CA that waits to be asked again, or a failure it is slow to tell */
        TRY(authz_all(a, want, o, &pending, err));
    CHECK(clock_now(a->ctx->clock) - o->since < a->set->poll_timeout * USEC_PER_SEC, err,
          (o->dead = true, RC_TIMEOUT), BLAME_REMOTE,
          MSG("acme.slow", "the CA did not finish validating within {0} seconds",
              "認証局の検証が {0} 秒以内に完了しませんでした"),
          NUM(a->set->poll_timeout));
    wait_for(a, o, r, ret);
    return RC_OK;
}

static enum rc poll_order(struct acme *a, const struct ca_order *want, struct acme_order *o,
                          bool *ret_again, struct ca_step *ret, struct err *err)
{
    struct http_response r;
    TRY(acme_post(a, o->url, STR_NONE, &r, err));
    return follow(a, want, o, &r, ret_again, ret, err);
}

static enum rc finalize_step(struct acme *a, const struct ca_order *want, struct acme_order *o,
                             struct ca_step *ret, struct err *err)
{
    struct http_response r;
    bool again;
    enum rc rc = finalize(a, want, o, &r, err);
    /* Sent before a crash, or a replica lags behind: the order itself knows. */
    if (rc != RC_OK && acme_is_problem(a, "orderNotReady")) {
        if (err)
            *err = (struct err){0};
        rc = poll_order(a, want, o, &again, ret, err);
    } else if (rc == RC_OK) {
        rc = follow(a, want, o, &r, &again, ret, err);
    }
    TRY(rc);
    if (ret->verdict == 0)
        go_on(a, ret);
    return RC_OK;
}

static size_t pem_count(struct str pem)
{
    static const char mark[] = "-----BEGIN CERTIFICATE-----";
    size_t n = 0;
    const char *p = pem.p, *end = pem.p + pem.n;
    while (p && p < end && (p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1))) {
        n++;
        p += sizeof mark - 1;
    }
    return n;
}

/* RFC 8555 7.4.2; some CAs name the content in an older way, and none may send a web page. */
static bool chain_type_ok(const char *type)
{
    static const char *const known[] = {"application/pem-certificate-chain",
                                        "application/x-pem-file", "application/octet-stream"};
    struct str rest = str_from(type), media;
    if (!type || !str_split(&rest, ';', &media))
        return true;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (str_ieq(str_trim(media), str_from(known[i])))
            return true;
    return false;
}

static enum rc chain_get(struct acme *a, const char *url, struct http_response *ret,
                         struct err *err)
{
    TRY(acme_post(a, url, STR_NONE, ret, err));
    size_t n = pem_count(ret->body);
    const char *type = http_header_get(ret, "content-type");
    CHECK(chain_type_ok(type), err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.chain_type", "the CA sent {0} where a certificate chain was promised",
              "認証局が証明書チェーンの代わりに {0} を送信しました"),
          type);
    CHECK(n > 0, err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.no_pem", "the CA answered without a certificate where one was promised",
              "認証局の応答に証明書が含まれていません"));
    CHECK(n <= CHAIN_MAX, err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.long_chain", "the CA sent a chain of {0} certificates (at most {1})",
              "認証局が {0} 枚の証明書チェーンを送信しました（上限 {1}）"),
          NUM(n), NUM(CHAIN_MAX));
    CHECK(
        pem_pure_certs(ret->body) == n, err, RC_REMOTE, BLAME_REMOTE,
        MSG("acme.chain_damaged",
            "the CA sent a damaged chain: something else among the certificates, or one cut short",
            "認証局が壊れた証明書チェーンを送信しました（余分な内容、または途中で切れた証明書）"));
    return RC_OK;
}

/* Does the last certificate's issuer carry this common name? */
static bool chain_is(struct acme *a, struct str pem, const char *cn)
{
    struct cert_list list;
    if (cert_parse_pem(pem, true, a->ctx->arena, &list, NULL) != RC_OK || list.n == 0)
        return false;
    const char *want = arena_printf(a->ctx->arena, "CN=%s", cn);
    const char *issuer = list.v[list.n - 1].issuer;
    const char *at = want && issuer ? strstr(issuer, want) : NULL;
    char after = at ? at[strlen(want)] : 'x';
    return at && (at == issuer || at[-1] == ',' || at[-1] == ' ') && (after == 0 || after == ',');
}

enum rc acme_fetch(struct acme *a, const char *url, struct str *ret_pem, struct err *err)
{
    struct http_response r, other;
    TRY(chain_get(a, url, &r, err));
    *ret_pem = r.body;
    const char *cn = a->set->preferred_chain;
    if (!cn || chain_is(a, r.body, cn))
        return RC_OK;
    const char *link;
    for (size_t i = 0; i < ALTERNATES_MAX && (link = http_link(&r, "alternate", i, a->ctx->arena));
         i++) {
        if (chain_get(a, link, &other, NULL) != RC_OK || !chain_is(a, other.body, cn))
            continue;
        *ret_pem = other.body;
        return RC_OK;
    }
    ACTIVITY(a->ctx,
             MSG("acme.chain", "no chain to \"{0}\" is offered; the CA's default is used",
                 "\"{0}\" へのチェーンがないため、認証局の既定のチェーンを使用します"),
             cn);
    return RC_OK;
}

static enum rc fetch_step(struct acme *a, struct acme_order *o, struct ca_step *ret,
                          struct err *err)
{
    ACTIVITY(a->ctx, MSG("acme.fetching", "fetching the certificate", "証明書を取得しています"));
    TRY(acme_fetch(a, o->certificate, &ret->chain_pem, err));
    ret->verdict = CA_DONE;
    return RC_OK;
}

static enum rc advance(struct acme *a, const struct ca_order *want, struct acme_order *o,
                       struct ca_step *ret, struct err *err)
{
    bool pending, again;
    if (!o->url)
        return order_new(a, want, o, ret, err);
    if (o->stage == ACME_AUTHZ) {
        TRY(authz_all(a, want, o, &pending, err));
        stage_set(a, o, pending ? ACME_PROOFS : ACME_FINALIZE);
    }
    if (o->stage == ACME_PROOFS)
        return want->proofs_ready ? answer_all(a, o, ret, err) : acme_proofs(a, o, ret, err);
    if (o->stage == ACME_POLL || o->stage == ACME_ISSUING) {
        TRY(poll_order(a, want, o, &again, ret, err));
        if (!again)
            return RC_OK;
    }
    if (o->stage == ACME_FINALIZE && want->csr_der.n == 0) {
        ret->wants_csr = true;
        go_on(a, ret);
        return RC_OK;
    }
    if (o->stage == ACME_FINALIZE)
        return finalize_step(a, want, o, ret, err);
    return fetch_step(a, o, ret, err);
}

enum rc acme_step(struct ctx *ctx, const void *settings, const struct json *state,
                  const struct ca_order *order, struct ca_step *ret, struct err *err)
{
    struct acme a;
    struct acme_order o;
    TRY(acme_begin(ctx, settings, state, &a, err));
    CHECK(a.kid && a.key && a.alg && a.thumb, err, RC_AUTH, BLAME_US,
          MSG("acme.unregistered", "no account at the CA yet; it is registered first",
              "認証局のアカウントが未登録です。先に登録を行います"));
    TRY(acme_directory(&a, false, err));
    TRY(acme_order_load(&a, order->data, &o, err));
    enum rc rc = advance(&a, order, &o, ret, err);
    bool gone = rc != RC_OK && o.url &&
                (a.status == 404 || a.status == 410 || acme_is_problem(&a, "unauthorized"));
    if (rc != RC_OK && (o.dead || gone))
        ret->data = "";
    else if (o.finalize && !(ret->data = acme_order_save(&a, &o)) && rc == RC_OK)
        return NOMEM(err);
    return rc;
}

enum rc acme_abandon(struct ctx *ctx, const void *settings, const struct json *state,
                     const struct ca_order *order, struct err *err)
{
    struct acme a;
    struct acme_order o;
    TRY(acme_begin(ctx, settings, state, &a, err));
    if (!a.kid || !order->data)
        return RC_OK;
    TRY(acme_directory(&a, false, err));
    TRY(acme_order_load(&a, order->data, &o, err));
    for (size_t i = 0; i < o.count; i++) {
        struct http_response r;
        if (o.authz[i].valid || !o.authz[i].url)
            continue;
        enum rc rc = acme_post(&a, o.authz[i].url, STR("{\"status\":\"deactivated\"}"), &r, err);
        if (rc == RC_CANCELLED || rc == RC_TIMEOUT || rc == RC_NOMEM)
            return rc;
    }
    if (err)
        *err = (struct err){0};
    return RC_OK;
}
