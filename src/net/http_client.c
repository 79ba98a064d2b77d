/*
 * libcurl easy handles, one per client, kept for connection and TLS session reuse. Invariants: only
 * addresses the egress policy let through are dialled (CURLOPT_RESOLVE pins them); no redirects, no
 * proxy from the environment, no netrc; every size has a limit.
 */
#include "net/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { HEADER_MAX = 64 * 1024, BODY_DEFAULT = 1 << 20, DEADLINE_SEC = 30, PINS = 8 };

/* An answer that has begun arrives within this time and a second more per so many bytes. */
enum { ANSWER_SEC = 30, ANSWER_BYTES_SEC = 1000 };

struct pin { /* a resolved host; looked up again after a minute */
    char host[256];
    int port;
    int64_t until;
};

struct http_client {
    CURL *curl;
    const struct egress_policy *policy;
    char *unix_socket;
    struct curl_slist *resolve;
    struct pin pins[PINS];
    char error[CURL_ERROR_SIZE];
    char *ca_pem;
};

struct transfer {
    struct arena *arena;
    const struct http_request *req;
    struct buf headers, body;
    size_t too_big; /* the limit that was passed */
    bool too_slow;
    int64_t deadline;
    int64_t begun; /* when the answer's first byte came */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void curl_start(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    n *= size;
    if (!t->begun)
        t->begun = clock_mono(clock_real());
    if (t->headers.len + n > HEADER_MAX) {
        t->too_big = HEADER_MAX;
        return 0;
    }
    buf_add(&t->headers, p, n);
    return t->headers.bad == RC_OK ? n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    n *= size;
    if (t->req->on_data)
        return t->req->on_data(t->req->on_data_ctx, (struct str){p, n}) ? n : 0;
    if (t->body.len + n > t->body.max) {
        t->too_big = t->body.max;
        return 0;
    }
    buf_add(&t->body, p, n);
    return t->body.bad == RC_OK ? n : 0;
}

/* A byte now and then must not hold a worker to the end of its step. Event streams may be slow. */
static bool drips(const struct transfer *t, curl_off_t got)
{
    int64_t allowed = (ANSWER_SEC + got / ANSWER_BYTES_SEC) * USEC_PER_SEC;
    return t->begun && !t->req->on_data && clock_mono(clock_real()) - t->begun > allowed;
}

static int on_progress(void *arg, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    struct transfer *t = arg;
    (void)dt, (void)ut, (void)un;
    t->too_slow = drips(t, dn);
    return t->too_slow || (t->req->cancel && atomic_load(t->req->cancel));
}

static bool set_trust(struct http_client *c, struct str ca_pem)
{
    if (ca_pem.n == 0)
        return true;
    c->ca_pem = mem_dup(ca_pem.p, ca_pem.n);
    struct curl_blob blob = {c->ca_pem, ca_pem.n, CURL_BLOB_NOCOPY};
    return c->ca_pem && curl_easy_setopt(c->curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK &&
           curl_easy_setopt(c->curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
}

/* What stays for the client's life. */
static bool set_fixed(struct http_client *c, const struct http_client_options *o)
{
    CURL *h = c->curl;
    unsigned bad = 0;
    bad |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->error);
    bad |= curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(h, CURLOPT_PROXY, o->proxy ? o->proxy : "");
    bad |= curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    bad |= curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    bad |= curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= curl_easy_setopt(h, CURLOPT_USERAGENT,
                            o->user_agent ? o->user_agent : "Inro/" INRO_VERSION);
    bad |= curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    bad |= curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    bad |= curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    bad |= curl_easy_setopt(h, CURLOPT_MAXCONNECTS, 4L);
    if (o->unix_socket)
        bad |= curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->unix_socket);
    return bad == 0 && set_trust(c, o->ca_pem);
}

enum rc http_client_create(const struct http_client_options *o, struct http_client **ret,
                           struct err *err)
{
    (void)pthread_once(&curl_once, curl_start);
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    CHECK(v->ssl_version && strncmp(v->ssl_version, "OpenSSL/", 8) == 0, err, RC_UNSUPPORTED,
          BLAME_US,
          MSG("net.curl.tls", "libcurl here uses {0}, not OpenSSL; install libcurl4",
              "この libcurl は OpenSSL ではなく {0} を使っています。libcurl4 を導入してください"),
          v->ssl_version ? v->ssl_version : "no TLS");
    struct http_client *c = mem_alloc(sizeof *c);
    if (!c)
        return NOMEM(err);
    c->policy = o->policy;
    c->curl = curl_easy_init();
    if (o->unix_socket)
        c->unix_socket = mem_strdup(o->unix_socket);
    if (!c->curl || (o->unix_socket && !c->unix_socket) || !set_fixed(c, o)) {
        http_client_destroy(c);
        return NOMEM(err);
    }
    *ret = c;
    return RC_OK;
}

void http_client_destroy(struct http_client *c)
{
    if (!c)
        return;
    if (c->curl)
        curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->resolve);
    mem_free(c->unix_socket);
    mem_free(c->ca_pem);
    mem_free(c);
}

static struct pin *pin_find(struct http_client *c, const char *host, int port)
{
    struct pin *oldest = &c->pins[0];
    for (size_t i = 0; i < PINS; i++) {
        if (strcmp(c->pins[i].host, host) == 0 && c->pins[i].port == port)
            return &c->pins[i];
        if (c->pins[i].until < oldest->until)
            oldest = &c->pins[i];
    }
    *oldest = (struct pin){.port = port};
    (void)snprintf(oldest->host, sizeof oldest->host, "%s", host);
    return oldest;
}

/* Checks every address and tells libcurl to use these and no others: "host:port:a,b". */
static enum rc pin_addresses(struct http_client *c, const struct url *u, int64_t deadline,
                             struct arena *a, struct err *err)
{
    int64_t now = clock_mono(clock_real());
    struct pin *pin = pin_find(c, u->host, u->port);
    struct net_addr *addrs;
    size_t n;
    if (pin->until > now)
        return RC_OK;
    TRY(egress_resolve(c->policy, u->host, u->port, deadline, a, &addrs, &n, err));
    if (strchr(u->host, ':')) /* libcurl takes no such entry, and dials the literal as it is */
        return RC_OK;
    AUTO(buf) struct buf entry = BUF(8192);
    buf_addf(&entry, "%s:%d:", u->host, u->port);
    for (size_t i = 0; i < n; i++) {
        bool v6 = strchr(addrs[i].text, ':') != NULL;
        buf_addf(&entry, "%s%s%s%s", i ? "," : "", v6 ? "[" : "", addrs[i].text, v6 ? "]" : "");
    }
    TRY(buf_ok(&entry, err));
    struct curl_slist *list = curl_slist_append(NULL, buf_cstr(&entry));
    if (!list || curl_easy_setopt(c->curl, CURLOPT_RESOLVE, list) != CURLE_OK) {
        curl_slist_free_all(list);
        return NOMEM(err);
    }
    curl_slist_free_all(c->resolve);
    c->resolve = list;
    pin->until = now + 60 * USEC_PER_SEC;
    return RC_OK;
}

static bool header_ok(const char *s)
{
    return s && !strpbrk(s, "\r\n");
}

static struct curl_slist *request_headers(const struct http_request *r, bool *ok)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    *ok = list != NULL;
    for (size_t i = 0; *ok && i <= r->header_count; i++) {
        AUTO(buf) struct buf line = BUF(16384);
        bool type = i == r->header_count;
        const char *name = type ? "Content-Type" : r->headers[i].name;
        const char *value = type ? r->content_type : r->headers[i].value;
        if (type && !value)
            break;
        buf_adds(&line, name);
        buf_adds(&line, ": ");
        buf_adds(&line, value);
        struct curl_slist *more = header_ok(name) && header_ok(value) && line.bad == RC_OK
                                      ? curl_slist_append(list, buf_cstr(&line))
                                      : NULL;
        *ok = more != NULL;
        list = more ? more : list;
    }
    return list;
}

static bool set_method(CURL *h, const struct http_request *r)
{
    unsigned bad = 0;
    bool head = strcmp(r->method, "HEAD") == 0;
    bool get = strcmp(r->method, "GET") == 0;
    if (head) {
        bad |= curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (get && r->body.n == 0) {
        bad |= curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
    } else {
        bad |= curl_easy_setopt(h, CURLOPT_POST, 1L);
        bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body.p ? r->body.p : "");
        bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
    }
    bad |= curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, get || head ? NULL : r->method);
    return bad == 0;
}

static bool set_request(struct http_client *c, struct transfer *t, struct curl_slist *headers)
{
    CURL *h = c->curl;
    int64_t left = (t->deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
    unsigned bad = 0;
    bad |= curl_easy_setopt(h, CURLOPT_URL, t->req->url);
    bad |= curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR,
                            t->req->allow_http || c->unix_socket ? "https,http" : "https");
    bad |= curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    bad |= curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, left > 1 ? (long)left : 1L);
    bad |= curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    bad |= curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    bad |= curl_easy_setopt(h, CURLOPT_XFERINFODATA, t);
    return bad == 0 && set_method(h, t->req);
}

static enum rc transfer_failed(const struct http_client *c, CURLcode code, const struct transfer *t,
                               const char *host, struct err *err)
{
    const char *why = c->error[0] ? c->error : curl_easy_strerror(code);
    if (t->too_big)
        return FAIL(err, RC_REMOTE, BLAME_REMOTE,
                    MSG("net.http.big", "{0} sent more than {1} bytes; the answer was cut off",
                        "{0} の応答が {1} バイトを超えたため打ち切りました"),
                    host, NUM(t->too_big));
    if (t->too_slow)
        return FAIL(err, RC_TIMEOUT, BLAME_REMOTE,
                    MSG("net.http.drip", "{0} sends its answer too slowly; it was cut off",
                        "{0} の応答の送信が遅すぎるため打ち切りました"),
                    host);
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return FAIL(err, RC_CANCELLED, BLAME_US,
                    MSG("net.http.cancelled", "the request to {0} was stopped",
                        "{0} への要求は中止されました"),
                    host);
    case CURLE_OPERATION_TIMEDOUT:
        return FAIL(
            err, RC_TIMEOUT, BLAME_NETWORK,
            MSG("net.http.timeout", "{0} did not answer in time", "{0} が時間内に応答しません"),
            host);
    case CURLE_SSL_CONNECT_ERROR:
        if (http_handshake_broke(why))
            return FAIL(err, RC_NET, BLAME_NETWORK,
                        MSG("net.http.handshake", "the TLS handshake with {0} broke off: {1}",
                            "{0} との TLS ハンドシェイクが中断されました: {1}"),
                        host, why);
        return FAIL(err, RC_TLS, BLAME_REMOTE,
                    MSG("net.http.no_tls", "no TLS connection with {0}: {1}",
                        "{0} と TLS で接続できません: {1}"),
                    host, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return FAIL(err, RC_TLS, BLAME_REMOTE,
                    MSG("net.http.tls", "the TLS certificate of {0} is not trusted: {1}",
                        "{0} の TLS 証明書を信頼できません: {1}"),
                    host, why);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: the scheme was checked before */
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_BAD_CONTENT_ENCODING:
        return FAIL(err, RC_REMOTE, BLAME_REMOTE,
                    MSG("net.http.broken", "{0} answered with broken HTTP: {1}",
                        "{0} の HTTP 応答が不正です: {1}"),
                    host, why);
    default:
        return FAIL(
            err, RC_NET, BLAME_NETWORK,
            MSG("net.http.connect", "{0} cannot be reached: {1}", "{0} に接続できません: {1}"),
            host, why);
    }
}

/* Header lines of the last response (1xx and earlier ones are dropped). */
static enum rc parse_headers(struct str text, struct arena *a, struct http_response *r,
                             struct err *err)
{
    struct str rest = text, line;
    size_t max = 1;
    for (size_t i = 0; i < text.n; i++)
        max += text.p[i] == '\n';
    r->headers = arena_array(a, max, sizeof *r->headers);
    if (!r->headers)
        return NOMEM(err);
    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (str_starts(line, "HTTP/")) {
            r->header_count = 0;
            continue;
        }
        const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
        if (!colon)
            continue;
        char *name = arena_str(a, (struct str){line.p, (size_t)(colon - line.p)});
        char *value =
            arena_str(a, str_trim((struct str){colon + 1, (size_t)(line.p + line.n - colon - 1)}));
        if (!name || !value)
            return NOMEM(err);
        for (char *p = name; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
        r->headers[r->header_count++] = (struct http_header){name, value};
    }
    return RC_OK;
}

static enum rc perform(struct http_client *c, struct transfer *t, const char *host, int *ret_status,
                       struct err *err)
{
    bool ok;
    struct curl_slist *headers = request_headers(t->req, &ok);
    c->error[0] = '\0';
    ok = ok && set_request(c, t, headers);
    CURLcode code = ok ? curl_easy_perform(c->curl) : CURLE_FAILED_INIT;
    (void)curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    bool stopped = t->req->on_data && code == CURLE_WRITE_ERROR && !t->too_big;
    if (code != CURLE_OK && !stopped)
        return transfer_failed(c, code, t, host, err);
    long status = 0;
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    *ret_status = (int)status;
    return RC_OK;
}

static enum rc check_headers(const struct http_request *r, struct err *err)
{
    bool ok = !r->content_type || header_ok(r->content_type);
    for (size_t i = 0; i < r->header_count; i++)
        ok = ok && header_ok(r->headers[i].name) && header_ok(r->headers[i].value);
    CHECK(ok, err, RC_INPUT, BLAME_INPUT,
          MSG("net.http.header", "a header for {0} is missing or holds a line break",
              "{0} へのヘッダーが欠けているか、改行を含んでいます"),
          r->url);
    return RC_OK;
}

enum rc http_do(struct http_client *c, const struct http_request *req, struct arena *a,
                struct http_response *ret, struct err *err)
{
    struct url u;
    struct http_response r = {0};
    struct transfer t = {.arena = a,
                         .req = req,
                         .headers = BUF(HEADER_MAX),
                         .body = BUF(req->max_body ? req->max_body : BODY_DEFAULT)};
    t.deadline =
        req->deadline ? req->deadline : clock_mono(clock_real()) + DEADLINE_SEC * USEC_PER_SEC;
    TRY(url_parse(req->url, a, &u, err));
    CHECK(strcmp(u.scheme, "https") == 0 || req->allow_http || c->unix_socket, err, RC_INPUT,
          BLAME_INPUT,
          MSG("net.http.scheme", "only https is allowed, not {0}", "https 以外({0})は使えません"),
          req->url);
    TRY(check_headers(req, err));
    if (!c->unix_socket)
        TRY(pin_addresses(c, &u, t.deadline, a, err));
    enum rc rc = perform(c, &t, u.host, &r.status, err);
    if (rc == RC_OK)
        rc = parse_headers(buf_str(&t.headers), a, &r, err);
    if (rc == RC_OK) {
        r.body = (struct str){arena_str(a, buf_str(&t.body)), t.body.len};
        if (!r.body.p)
            rc = NOMEM(err);
    }
    buf_free(&t.headers);
    buf_free(&t.body);
    TRY(rc);
    *ret = r;
    return RC_OK;
}
