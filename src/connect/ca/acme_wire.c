/*
 * ACME on the wire: directory, nonces, signed requests (RFC 8555 section 6).
 *
 * Invariants: a nonce is used once; every try is signed anew; every URL the CA names is checked
 * before use; nothing is read without a limit.
 */
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/rand.h"
#include "connect/ca/acme.h"

enum { NONCES = 64, NONCE_MAX = 256, TRIES = 10, BODY_MAX = 1 << 20 };
#define DIRECTORY_AGE (3600 * USEC_PER_SEC)
/* A CA that is silent must not hold workers: other CAs and targets need them. */
#define ANSWER_WITHIN (60 * USEC_PER_SEC)

struct shared {
    char *nonce[NONCES];
    size_t nonces;
    struct json *dir;
    int64_t dir_at; /* monotonic */
};

static void shared_destroy(void *data)
{
    struct shared *s = data;
    if (!s)
        return;
    for (size_t i = 0; i < s->nonces; i++)
        mem_free(s->nonce[i]);
    json_free(s->dir);
    mem_free(s);
}

/* Call under the lock. */
static struct shared *shared_of(struct ctx *ctx)
{
    if (!ctx->shared->data) {
        ctx->shared->data = mem_alloc(sizeof(struct shared));
        ctx->shared->destroy = shared_destroy;
    }
    return ctx->shared->data;
}

bool acme_token_ok(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    return n > 0 && n <= 256 &&
           strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == n;
}

static void nonce_keep(struct acme *a, const struct http_response *r)
{
    const char *nonce = http_header_get(r, "replay-nonce");
    if (!acme_token_ok(nonce))
        return;
    char *copy = mem_strdup(nonce);
    pthread_mutex_lock(&a->ctx->shared->lock);
    struct shared *s = shared_of(a->ctx);
    if (copy && s) {
        if (s->nonces == NONCES) { /* the oldest goes */
            mem_free(s->nonce[0]);
            memmove(&s->nonce[0], &s->nonce[1], (NONCES - 1) * sizeof s->nonce[0]);
            s->nonces--;
        }
        s->nonce[s->nonces++] = TAKE(copy);
    }
    pthread_mutex_unlock(&a->ctx->shared->lock);
    mem_free(copy);
}

static char *nonce_pop(struct acme *a)
{
    char *nonce = NULL;
    pthread_mutex_lock(&a->ctx->shared->lock);
    struct shared *s = shared_of(a->ctx);
    if (s && s->nonces)
        nonce = s->nonce[--s->nonces];
    pthread_mutex_unlock(&a->ctx->shared->lock);
    return nonce;
}

enum rc acme_url_check(struct acme *a, const char *text, struct err *err)
{
    struct url u;
    const struct msg *m =
        MSG("acme.url_host",
            "the CA returned a URL outside its host: {0} (expected {1}); nothing was sent there",
            "認証局が自身のホスト以外のURLを返しました: {0}（想定 {1}）。接続は行っていません");
    CHECK(text && strlen(text) <= 2048 && url_parse(text, a->ctx->arena, &u, NULL) == RC_OK, err,
          RC_REMOTE, BLAME_REMOTE, m, text ? text : "(none)", a->base.host);
    CHECK(strcmp(u.scheme, "https") == 0, err, RC_REMOTE, BLAME_REMOTE, m, text, a->base.host);
    CHECK(!a->set->host_pin ||
              (u.port == a->base.port && str_ieq(str_from(u.host), str_from(a->base.host))),
          err, RC_REMOTE, BLAME_REMOTE, m, text, a->base.host);
    return RC_OK;
}

static enum rc exchange(struct acme *a, const char *method, const char *url, struct str body,
                        struct http_response *ret, struct err *err)
{
    TRY(ctx_alive(a->ctx, err));
    TRY(acme_url_check(a, url, err));
    int64_t until = clock_mono(a->ctx->clock) + ANSWER_WITHIN;
    if (a->ctx->deadline && a->ctx->deadline < until)
        until = a->ctx->deadline;
    struct http_request req = {.method = method,
                               .url = url,
                               .body = body,
                               .content_type = body.p ? "application/jose+json" : NULL,
                               .deadline = until,
                               .max_body = BODY_MAX,
                               .cancel = a->ctx->cancel};
    TRY(a->ctx->http(a->ctx, str_from(a->set->roots), &req, ret, err));
    nonce_keep(a, ret);
    return RC_OK;
}

enum rc acme_get(struct acme *a, const char *url, struct http_response *ret, struct err *err)
{
    TRY(exchange(a, "GET", url, STR_NONE, ret, err));
    if (ret->status != 200)
        return acme_refused(a, ret, err);
    return RC_OK;
}

enum rc acme_json(const struct http_response *r, struct json **ret, struct err *err)
{
    struct json *j = NULL;
    bool good = json_parse(r->body, &j, NULL) == RC_OK && json_type_of(j) == JSON_OBJECT;
    if (!good)
        json_free(j);
    CHECK(good, err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.not_json",
              "the CA answered HTTP {0} with something that is not ACME JSON; a proxy or a wrong "
              "directory URL is likely",
              "認証局の応答（HTTP {0}）がACMEのJSONではありません。プロキシまたはディレクトリURLの"
              "誤りが考えられます"),
          NUM(r->status));
    *ret = j;
    return RC_OK;
}

enum rc acme_begin(struct ctx *ctx, const struct acme_settings *set, const struct json *state,
                   struct acme *ret, struct err *err)
{
    *ret = (struct acme){.ctx = ctx, .set = set};
    TRY(ctx_alive(ctx, err));
    TRY(url_parse(set->directory, ctx->arena, &ret->base, err));
    ret->key = json_str_or(state, "key", NULL);
    ret->kid = json_str_or(state, "kid", NULL);
    ret->alg = json_str_or(state, "alg", NULL);
    ret->thumb = json_str_or(state, "thumbprint", NULL);
    ret->place = ctx_place(ctx, "account_key");
    return ret->place ? RC_OK : NOMEM(err);
}

void acme_directory_forget(struct acme *a)
{
    pthread_mutex_lock(&a->ctx->shared->lock);
    struct shared *s = a->ctx->shared->data;
    if (s)
        s->dir_at = 0;
    pthread_mutex_unlock(&a->ctx->shared->lock);
}

static bool copy_url(struct acme *a, const struct json *dir, const char *key, const char **ret)
{
    const char *v = json_str_or(dir, key, NULL);
    *ret = v ? arena_strdup(a->ctx->arena, v) : NULL;
    return !v || *ret;
}

static bool copy_names(struct acme *a, const struct json *list, struct names *ret)
{
    const char **v = arena_array(a->ctx->arena, json_len(list) + 1, sizeof *v);
    size_t n = 0;
    for (size_t i = 0; v && i < json_len(list); i++) {
        const char *name = json_as_str(json_at(list, i));
        if (name && !(v[n++] = arena_strdup(a->ctx->arena, name)))
            return false;
    }
    *ret = (struct names){v, n};
    return v != NULL;
}

static bool dir_copy(struct acme *a, const struct json *dir)
{
    struct acme_dir *d = &a->dir;
    const struct json *profiles = json_get(dir, "meta.profiles");
    d->eab_required = json_bool_or(dir, "meta.externalAccountRequired", false);
    d->has_profiles = json_len(profiles) > 0;
    d->profile_listed = false;
    void *iter = NULL;
    const char *key;
    const struct json *value;
    while (profiles && json_next(profiles, &iter, &key, &value))
        if (a->set->profile && strcmp(key, a->set->profile) == 0)
            d->profile_listed = true;
    return copy_url(a, dir, "newNonce", &d->new_nonce) &&
           copy_url(a, dir, "newAccount", &d->new_account) &&
           copy_url(a, dir, "newOrder", &d->new_order) &&
           copy_url(a, dir, "revokeCert", &d->revoke) &&
           copy_url(a, dir, "renewalInfo", &d->renewal_info) &&
           copy_url(a, dir, "meta.termsOfService", &d->terms) &&
           copy_names(a, json_get(dir, "meta.caaIdentities"), &d->caa);
}

static enum rc dir_fetch(struct acme *a, struct json **ret, struct err *err)
{
    struct http_response r;
    TRY(acme_get(a, a->set->directory, &r, err));
    AUTO(json) struct json *j = NULL;
    TRY(acme_json(&r, &j, err));
    const char *const need[] = {"newNonce", "newAccount", "newOrder"};
    for (size_t i = 0; i < COUNT_OF(need); i++) {
        const char *url = json_str_or(j, need[i], NULL);
        CHECK(
            url, err, RC_REMOTE, BLAME_INPUT,
            MSG("acme.not_directory",
                "{0} is not an ACME directory ({1} is missing); check the directory URL",
                "{0} はACMEディレクトリではありません（{1} がありません）。URLを確認してください"),
            a->set->directory, need[i]);
        TRY(acme_url_check(a, url, err));
    }
    *ret = TAKE(j);
    return RC_OK;
}

enum rc acme_directory(struct acme *a, bool fresh, struct err *err)
{
    bool have = false, copied = true;
    int64_t now = clock_mono(a->ctx->clock);
    pthread_mutex_lock(&a->ctx->shared->lock);
    struct shared *s = shared_of(a->ctx);
    if (s && s->dir && s->dir_at && !fresh && now - s->dir_at < DIRECTORY_AGE) {
        have = true;
        copied = dir_copy(a, s->dir);
    }
    pthread_mutex_unlock(&a->ctx->shared->lock);
    if (!s || !copied)
        return NOMEM(err);
    if (have)
        return RC_OK;
    AUTO(json) struct json *j = NULL;
    TRY(dir_fetch(a, &j, err));
    if (!dir_copy(a, j))
        return NOMEM(err);
    pthread_mutex_lock(&a->ctx->shared->lock);
    struct json *old = s->dir;
    s->dir = TAKE(j);
    s->dir_at = now ? now : 1;
    pthread_mutex_unlock(&a->ctx->shared->lock);
    json_free(old);
    return RC_OK;
}

static enum rc nonce_get(struct acme *a, char **ret, struct err *err)
{
    char *nonce = nonce_pop(a);
    if (!nonce) {
        struct http_response r;
        TRY(exchange(a, "HEAD", a->dir.new_nonce, STR_NONE, &r, err));
        if (r.status / 100 != 2)
            return acme_refused(a, &r, err);
        nonce = nonce_pop(a);
    }
    CHECK(nonce, err, RC_REMOTE, BLAME_REMOTE,
          MSG("acme.no_nonce", "the CA gave no usable nonce at {0}",
              "認証局 {0} から使用できるnonceが得られませんでした"),
          a->dir.new_nonce);
    *ret = nonce;
    return RC_OK;
}

static void protect(struct acme *a, const char *nonce, const char *url, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    jw_kstr(&w, "alg", a->alg);
    jw_kstr(&w, "nonce", nonce);
    jw_kstr(&w, "url", url);
    if (a->kid) {
        jw_kstr(&w, "kid", a->kid);
    } else {
        jw_key(&w, "jwk");
        jw_raw(&w, str_from(a->jwk));
    }
    jw_end_object(&w);
}

static enum rc sign(struct acme *a, const char *nonce, const char *url, struct str payload,
                    struct buf *out, struct err *err)
{
    AUTO(buf) struct buf head = BUF(16384);
    AUTO(buf) struct buf input = BUF(BODY_MAX);
    AUTO(buf) struct buf sig = BUF(4096);
    protect(a, nonce, url, &head);
    TRY(buf_ok(&head, err));
    base64url_add(&input, head.p, head.len);
    size_t dot = input.len;
    buf_addc(&input, '.');
    if (payload.p)
        base64url_add(&input, payload.p, payload.n);
    TRY(buf_ok(&input, err));
    TRY(vault_jws(a->ctx->vault, a->place, a->key, buf_str(&input), &sig, err));
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    jw_key(&w, "protected");
    jw_strn(&w, (struct str){input.p, dot});
    jw_key(&w, "payload");
    jw_strn(&w, (struct str){input.p + dot + 1, input.len - dot - 1});
    jw_key(&w, "signature");
    jw_strn(&w, buf_str(&sig));
    jw_end_object(&w);
    return buf_ok(out, err);
}

/* Waits a moment between nonce tries; late ones of ten may need it (busy CA clusters). */
static void pause_for(struct acme *a, int try)
{
    if (try < 3)
        return;
    int64_t usec = (int64_t)50000 << (try - 3);
    int64_t left = a->ctx->deadline ? a->ctx->deadline - clock_mono(a->ctx->clock) : usec;
    if (usec > 500000)
        usec = 500000;
    if (usec > left)
        usec = left;
    if (usec <= 0)
        return;
    struct timespec ts = {.tv_sec = usec / USEC_PER_SEC, .tv_nsec = (usec % USEC_PER_SEC) * 1000};
    (void)nanosleep(&ts, NULL);
}

static enum rc post_once(struct acme *a, const char *url, struct str payload,
                         struct http_response *ret, struct err *err)
{
    char *nonce = NULL;
    AUTO(buf) struct buf body = BUF(BODY_MAX);
    TRY(nonce_get(a, &nonce, err));
    enum rc rc = sign(a, nonce, url, payload, &body, err);
    mem_free(nonce);
    TRY(rc);
    return exchange(a, "POST", url, buf_str(&body), ret, err);
}

enum rc acme_post(struct acme *a, const char *url, struct str payload, struct http_response *ret,
                  struct err *err)
{
    for (int try = 0;; try++) {
        TRY(post_once(a, url, payload, ret, err));
        a->status = ret->status;
        a->problem = NULL;
        if (ret->status / 100 == 2)
            return RC_OK;
        enum rc rc = acme_refused(a, ret, err);
        if (!acme_is_problem(a, "badNonce") || try + 1 >= TRIES)
            return rc;
        pause_for(a, try);
    }
}
