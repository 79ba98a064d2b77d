/*
 * What a CA answers: "STATUS\nname: value\n...\n\nbody". It is read as a directory, as a problem
 * and as a saved order. No URL outside the CA's host may come out of it, and every refusal has
 * words in both languages.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "connect/ca/acme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_response answer;

static void check(bool good)
{
    if (!good)
        abort();
}

static enum rc give(struct ctx *ctx, struct str roots_pem, const struct http_request *req,
                    struct http_response *ret, struct err *err)
{
    (void)ctx, (void)roots_pem, (void)req, (void)err;
    *ret = answer;
    return RC_OK;
}

static void read_answer(struct str in, struct arena *a)
{
    struct str line;
    int64_t status = 200;
    answer = (struct http_response){.headers = arena_array(a, 16, sizeof(struct http_header))};
    check(answer.headers != NULL);
    if (str_split(&in, '\n', &line))
        (void)str_to_i64(line, 100, 599, &status);
    answer.status = (int)status;
    while (answer.header_count < 16 && str_split(&in, '\n', &line) && line.n > 0) {
        const char *colon = memchr(line.p, ':', line.n);
        if (!colon)
            continue;
        struct http_header *h = &answer.headers[answer.header_count++];
        h->name = arena_str(a, (struct str){line.p, (size_t)(colon - line.p)});
        h->value =
            arena_str(a, str_trim((struct str){colon + 1, (size_t)(line.p + line.n - colon - 1)}));
        check(h->name && h->value);
    }
    answer.body = (struct str){in.n ? arena_str(a, in) : "", in.n};
}

static void inside(struct acme *ca, const char *url)
{
    check(!url || acme_url_check(ca, url, NULL) == RC_OK);
}

static void as_directory(struct acme *ca)
{
    struct err err = {0};
    if (acme_directory(ca, true, &err) != RC_OK) {
        check(err.en[0] && err.ja[0] && !strpbrk(err.en, "\r\n\x1b"));
        return;
    }
    inside(ca, ca->dir.new_nonce);
    inside(ca, ca->dir.new_account);
    inside(ca, ca->dir.new_order);
    check(acme_directory(ca, false, NULL) == RC_OK);
}

static void as_problem(struct acme *ca)
{
    struct err err = {0};
    int64_t now = clock_now(ca->ctx->clock);
    check(acme_refused(ca, &answer, &err) != RC_OK);
    check(err.en[0] && err.ja[0] && err.remote[0] && !strpbrk(err.en, "\r\n\x1b"));
    check(err.retry_at == 0 || (err.retry_at > now && err.retry_at <= now + USEC_PER_DAY));
}

static void as_order(struct acme *ca)
{
    AUTO(json) struct json *j = NULL;
    struct acme_order o;
    if (acme_json(&answer, &j, NULL) != RC_OK || acme_order_load(ca, j, &o, NULL) != RC_OK)
        return;
    check(acme_order_save(ca, &o) != NULL);
    for (size_t i = 0; i < o.count; i++)
        (void)acme_token_ok(o.authz[i].token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clock clock;
    struct conn_shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER};
    AUTO(arena) struct arena *a = arena_create(0);
    check(a != NULL);
    clock_fake_init(&clock, 1764115200 * USEC_PER_SEC);
    struct ctx ctx = {.arena = a,
                      .clock = &clock,
                      .deadline = clock_mono(&clock) + 60 * USEC_PER_SEC,
                      .shared = &shared,
                      .http = give};
    struct acme_settings set = {.directory = "https://ca.example/dir", .host_pin = true};
    struct acme ca;
    read_answer((struct str){(const char *)data, size}, a);
    check(acme_begin(&ctx, &set, NULL, &ca, NULL) == RC_OK);
    as_directory(&ca);
    as_problem(&ca);
    as_order(&ca);
    if (shared.destroy)
        shared.destroy(shared.data);
    return 0;
}
