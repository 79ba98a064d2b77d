/*
 * A scripted ACME server behind ctx->http. It checks every signed request as a strict CA would
 * (nonce fresh, url exact, kid or jwk, signature) and can be told to misbehave.
 */
#ifndef INRO_TEST_FAKE_CA_H
#define INRO_TEST_FAKE_CA_H

#include "connect/ca/acme.h"
#include "unit/connect/connect_rig.h"

#define CA_HOST "https://ca.test"

static struct {
    /* told by the test */
    const char *order_host; /* host of the Location of a new order */
    const char *token, *finalize_url, *authz_name, *order_names, *content_type;
    const char *pem;
    int bad_nonces; /* refuse this many */
    int not_ready;  /* refuse finalize this often */
    int pending;    /* the order stays pending this often */
    int processing; /* ... and processing this often */
    bool authz_valid, authz_invalid, ready_at_once, authz_wild_too, sync_retry;
    int override_status; /* answer `override_path` with this */
    const char *override_path, *override_body, *retry_after;
    /* kept by the server */
    char nonce[32];
    int nonces, requests, answered, finalized, orders, accounts, jwk_requests;
    char log[16384];
    char payload[65536], head[16384]; /* of the last request */
    char nonces_used[64][32];
    int used;
} ca;

static void ca_reset(void)
{
    memset(&ca, 0, sizeof ca);
    ca.order_host = CA_HOST;
    ca.token = "tok-EN_1";
    ca.finalize_url = CA_HOST "/finalize";
    ca.authz_name = "www.test";
    ca.order_names = "{\"type\":\"dns\",\"value\":\"WWW.test\"}";
    ca.pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
}

static struct http_header *ca_header(struct http_response *r, struct arena *a, const char *name,
                                     const char *value)
{
    struct http_header *h = arena_array(a, r->header_count + 1, sizeof *h);
    if (r->header_count)
        memcpy(h, r->headers, r->header_count * sizeof *h);
    h[r->header_count++] = (struct http_header){name, arena_strdup(a, value)};
    r->headers = h;
    return h;
}

static void ca_answer(struct http_response *r, struct arena *a, int status, const char *body)
{
    r->status = status;
    r->body = str_from(arena_strdup(a, body));
}

static void ca_problem(struct http_response *r, struct arena *a, int status, const char *type,
                       const char *detail)
{
    ca_answer(r, a, status,
              arena_printf(a,
                           "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"%s\","
                           "\"status\":%d}",
                           type, detail, status));
}

static void ca_nonce(struct http_response *r, struct arena *a)
{
    snprintf(ca.nonce, sizeof ca.nonce, "nonce-%d", ++ca.nonces);
    ca_header(r, a, "replay-nonce", ca.nonce);
}

static void ca_decode(struct str b64, char *out, size_t size)
{
    AUTO(buf) struct buf b = BUF(65536);
    assert_true(base64url_decode(b64, &b));
    assert_true(b.len < size);
    memcpy(out, buf_cstr(&b), b.len + 1);
}

/* True when the signed request is sound; else the problem is answered. */
static bool ca_jws(const struct http_request *req, struct http_response *r, struct arena *a)
{
    AUTO(json) struct json *j = NULL;
    AUTO(json) struct json *head = NULL;
    assert_string_equal(req->content_type, "application/jose+json");
    assert_int_equal(json_parse(req->body, &j, NULL), RC_OK);
    assert_int_equal(json_len(j), 3);
    struct str p = json_as_view(json_get(j, "protected"));
    struct str payload = json_as_view(json_get(j, "payload"));
    ca_decode(p, ca.head, sizeof ca.head);
    ca_decode(payload, ca.payload, sizeof ca.payload);
    assert_int_equal(json_parse(str_from(ca.head), &head, NULL), RC_OK);
    assert_string_equal(json_str_or(head, "url", ""), req->url);
    assert_string_equal(json_str_or(head, "alg", ""), "ES256");
    assert_true(!json_get(head, "kid") != !json_get(head, "jwk"));
    assert_int_equal(json_len(head), 4);
    ca.jwk_requests += json_get(head, "jwk") != NULL;
    AUTO(buf) struct buf input = BUF(1 << 20);
    buf_addstr(&input, p);
    buf_addc(&input, '.');
    buf_addstr(&input, payload);
    assert_true(jws_verify(rig_keys[0], buf_str(&input), json_as_view(json_get(j, "signature"))));
    const char *nonce = json_str_or(head, "nonce", "");
    for (int i = 0; i < ca.used; i++)
        assert_string_not_equal(nonce, ca.nonces_used[i]); /* never twice */
    snprintf(ca.nonces_used[ca.used++ % 64], 32, "%s", nonce);
    if (ca.used >= 64)
        ca.used = 0;
    if (ca.bad_nonces-- > 0) {
        ca_problem(r, a, 400, "badNonce", "stale");
        return false;
    }
    return true;
}

static void ca_order(struct http_response *r, struct arena *a, int status, const char *state)
{
    ca_answer(
        r, a, status,
        arena_printf(a,
                     "{\"status\":\"%s\",\"identifiers\":[%s],\"authorizations\":[\"" CA_HOST
                     "/authz/1\"%s],\"finalize\":\"%s\"%s}",
                     state, ca.order_names, ca.authz_wild_too ? ",\"" CA_HOST "/authz/2\"" : "",
                     ca.finalize_url,
                     strcmp(state, "valid") == 0 ? ",\"certificate\":\"" CA_HOST "/cert\"" : ""));
}

static const char *ca_order_state(void)
{
    if (ca.authz_invalid && ca.answered)
        return "invalid";
    if (ca.finalized)
        return ca.processing-- > 0 ? "processing" : "valid";
    if (!ca.answered && !ca.ready_at_once && !ca.authz_valid)
        return "pending";
    return ca.pending-- > 0 ? "pending" : "ready";
}

static void ca_authz(struct http_response *r, struct arena *a, bool wild)
{
    const char *status = ca.authz_valid                    ? "valid"
                         : ca.authz_invalid && ca.answered ? "invalid"
                         : ca.answered && !ca.sync_retry   ? "valid"
                                                           : "pending";
    const char *error =
        (ca.authz_invalid && ca.answered) || (ca.sync_retry && ca.answered == 1)
            ? ",\"error\":{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"got "
              "404\",\"status\":403}"
            : "";
    ca_answer(r, a, 200,
              arena_printf(
                  a,
                  "{\"status\":\"%s\",\"identifier\":{\"type\":\"dns\",\"value\":\"%s\"}%s"
                  ",\"challenges\":[{\"type\":\"odd-01\",\"url\":\"x\"},{\"type\":\"%s\","
                  "\"url\":\"" CA_HOST "/chall/%d\",\"status\":\"%s\",\"token\":\"%s\"%s}]}",
                  status, ca.authz_name, wild ? ",\"wildcard\":true" : "",
                  ca.authz_wild_too ? "dns-01" : "http-01", wild ? 2 : 1, status, ca.token, error));
}

static void ca_post(const char *path, struct http_response *r, struct arena *a)
{
    if (strcmp(path, "/account") == 0) {
        ca.accounts++;
        ca_header(r, a, "location", CA_HOST "/acct/1");
        ca_answer(r, a, ca.accounts == 1 ? 201 : 200, "{\"status\":\"valid\"}");
    } else if (strcmp(path, "/order") == 0) {
        ca.orders++;
        ca_header(r, a, "location", arena_printf(a, "%s/order/%d", ca.order_host, ca.orders));
        ca_order(r, a, 201, ca.ready_at_once ? "ready" : "pending");
    } else if (strncmp(path, "/order/", 7) == 0) {
        assert_string_equal(ca.payload, "");
        ca_order(r, a, 200, ca_order_state());
    } else if (strncmp(path, "/authz/", 7) == 0) {
        ca_authz(r, a, path[7] == '2');
    } else if (strncmp(path, "/chall/", 7) == 0) {
        assert_string_equal(ca.payload, "{}");
        ca.answered++;
        ca_answer(r, a, 200, "{\"status\":\"pending\"}");
    } else if (strcmp(path, "/finalize") == 0) {
        if (ca.not_ready-- > 0) {
            ca_problem(r, a, 403, "orderNotReady", "wait");
            return;
        }
        ca.finalized++;
        ca_order(r, a, 200, "processing");
    } else if (strcmp(path, "/cert") == 0) {
        assert_string_equal(ca.payload, "");
        ca_answer(r, a, 200, ca.pem);
    } else if (strcmp(path, "/revoke") == 0) {
        ca_problem(r, a, 400, "alreadyRevoked", "was");
    } else {
        ca_answer(r, a, 404, "");
    }
}

static enum rc ca_serve(struct ctx *ctx, struct str roots, const struct http_request *req,
                        struct http_response *ret, struct err *err)
{
    (void)roots, (void)err;
    assert_true(str_starts(str_from(req->url), CA_HOST "/")); /* nothing goes elsewhere */
    const char *path = req->url + strlen(CA_HOST);
    size_t n = strlen(ca.log);
    snprintf(ca.log + n, sizeof ca.log - n, "%s %s\n", req->method, path);
    ca.requests++;
    *ret = (struct http_response){0};
    if (ca.retry_after)
        ca_header(ret, ctx->arena, "retry-after", ca.retry_after);
    if (ca.override_path && strcmp(ca.override_path, path) == 0) {
        if (strcmp(req->method, "POST") == 0)
            ca_nonce(ret, ctx->arena);
        ca_answer(ret, ctx->arena, ca.override_status, ca.override_body);
        return RC_OK;
    }
    if (strcmp(req->method, "POST") == 0) {
        bool good = ca_jws(req, ret, ctx->arena);
        ca_nonce(ret, ctx->arena);
        if (good)
            ca_post(path, ret, ctx->arena);
        return RC_OK;
    }
    if (strcmp(path, "/dir") == 0) {
        ca_answer(ret, ctx->arena, 200,
                  "{\"newNonce\":\"" CA_HOST "/nonce\",\"newAccount\":\"" CA_HOST
                  "/account\",\"newOrder\":\"" CA_HOST "/order\",\"revokeCert\":\"" CA_HOST
                  "/revoke\",\"renewalInfo\":\"" CA_HOST
                  "/ari\",\"x\":7,\"meta\":{\"profiles\":{\"tls\":\"TLS\"}}}");
    } else if (strcmp(path, "/nonce") == 0) {
        assert_string_equal(req->method, "HEAD");
        ca_nonce(ret, ctx->arena);
        ca_answer(ret, ctx->arena, 200, "");
    } else if (strncmp(path, "/ari/", 5) == 0) {
        ca_answer(ret, ctx->arena, 200,
                  "{\"suggestedWindow\":{\"start\":\"2027-01-01T00:00:00.5Z\",\"end\":"
                  "\"2027-01-02T00:00:00Z\"}}");
    } else {
        ca_answer(ret, ctx->arena, 404, "");
    }
    return RC_OK;
}

/* Allocation failures hit the connector, not this fake. */
static long ca_fail_at, ca_fail_base;

static void ca_fail(long n)
{
    ca_fail_at = n;
    ca_fail_base = mem_count();
    mem_fail_after(n, false);
}
/* Was the n-th allocation reached? */
static bool ca_fail_end(void)
{
    bool reached = mem_count() - ca_fail_base >= ca_fail_at;
    mem_fail_after(0, false);
    ca_fail_at = 0;
    return reached;
}

static enum rc ca_http(struct ctx *ctx, struct str roots, const struct http_request *req,
                       struct http_response *ret, struct err *err)
{
    long left = ca_fail_at - (mem_count() - ca_fail_base), before = mem_count();
    mem_fail_after(0, false);
    enum rc rc = ca_serve(ctx, roots, req, ret, err);
    ca_fail_base += mem_count() - before;
    if (ca_fail_at && left > 0)
        mem_fail_after(left, false);
    return rc;
}

static inline void ca_unused(void)
{
    (void)ca_fail, (void)ca_fail_end;
}

#endif
