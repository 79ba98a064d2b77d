/*
 * evhttp with a strict gate. Invariants: an exchange is touched by one thread at a time (loop, then
 * a pool thread, then the loop again); a reply is sent once; after a refusal the connection closes.
 */
#include "net/http_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"
#include "net/http_conn.h"
#include "net/http_gate.h"

enum { LISTENERS_MAX = 8, REPLY_HEADERS = 24 };

struct listener {
    struct http_server *server;
    struct evhttp *http;
    struct http_listen how;
    char *cert_path, *key_path, *unix_path;
    SSL_CTX *tls;
};

struct http_server {
    struct loop *loop;
    struct pool *pool;
    struct http_guard guard;
    struct listener listeners[LISTENERS_MAX];
    int listener_count;
};

struct http_exchange {
    struct listener *listener;
    struct evhttp_request *req; /* loop thread only after the copy below */
    struct arena *arena;
    struct http_peer peer;
    const char *method, *path;
    struct evkeyvalq query;
    struct str body;
    struct http_header_copy {
        const char *name, *value;
    } * headers;
    size_t header_count;
    struct {
        const char *name, *value;
    } out[REPLY_HEADERS];
    size_t out_count;
    int status;
    const char *content_type;
    struct str reply;
    struct http_stream *stream;
};

struct http_stream {
    struct loop *loop;
    struct http_exchange *x;
    atomic_bool closed;
    atomic_int references; /* the connection, and the sender until http_stream_end() */
    atomic_long pending;   /* bytes not yet on the wire */
    void (*on_close)(void *ctx);
    void *ctx;
};

static void exchange_free(struct http_exchange *x)
{
    evhttp_clear_headers(&x->query);
    arena_destroy(x->arena);
    mem_free(x);
}

/* ---- replies (loop thread) ---- */

static void add_common(struct evkeyvalq *h)
{
    (void)evhttp_add_header(h, "X-Content-Type-Options", "nosniff");
    (void)evhttp_add_header(h, "Referrer-Policy", "no-referrer");
}

static void refuse(struct evhttp_request *req, int status, const char *reason)
{
    struct evkeyvalq *h = evhttp_request_get_output_headers(req);
    add_common(h);
    (void)evhttp_add_header(h, "Connection", "close");
    (void)evhttp_add_header(h, "Content-Type", "text/plain");
    struct evbuffer *b = evbuffer_new();
    if (b)
        (void)evbuffer_add_printf(b, "%s\n", reason);
    evhttp_send_reply(req, status, reason, b);
    if (b)
        evbuffer_free(b);
}

static void set_headers(struct http_exchange *x)
{
    struct evkeyvalq *h = evhttp_request_get_output_headers(x->req);
    add_common(h);
    for (size_t i = 0; i < x->out_count; i++)
        (void)evhttp_add_header(h, x->out[i].name, x->out[i].value);
    if (x->content_type)
        (void)evhttp_add_header(h, "Content-Type", x->content_type);
    if (x->status >= 400) /* no keep-alive after an error */
        (void)evhttp_add_header(h, "Connection", "close");
}

static void send_reply(void *arg)
{
    struct http_exchange *x = arg;
    struct evbuffer *b = evbuffer_new();
    struct http_conn *c = http_conn_of(&x->listener->server->guard, x->req);
    if (c)
        http_conn_replying(c);
    set_headers(x);
    if (b && x->reply.n)
        (void)evbuffer_add(b, x->reply.p, x->reply.n);
    evhttp_send_reply(x->req, x->status, NULL, b);
    if (b)
        evbuffer_free(b);
    exchange_free(x);
}

void http_reply(struct http_exchange *x, int status, const char *content_type, struct str body)
{
    x->status = status;
    x->content_type = content_type ? arena_strdup(x->arena, content_type) : NULL;
    x->reply = (struct str){arena_str(x->arena, body), body.n};
    if (body.n && !x->reply.p) {
        x->status = 500;
        x->reply = STR_NONE;
    }
    (void)loop_post(x->listener->server->loop, send_reply, x);
}

void http_reply_header(struct http_exchange *x, const char *name, const char *value)
{
    if (x->out_count == REPLY_HEADERS || strpbrk(name, "\r\n:") || strpbrk(value, "\r\n"))
        return;
    x->out[x->out_count].name = arena_strdup(x->arena, name);
    x->out[x->out_count].value = arena_strdup(x->arena, value);
    if (x->out[x->out_count].name && x->out[x->out_count].value)
        x->out_count++;
}

/* ---- streams ---- */

enum { STREAM_PENDING_MAX = 256 * 1024 };

static void stream_unref(struct http_stream *st)
{
    if (atomic_fetch_sub(&st->references, 1) == 1)
        mem_free(st);
}

static void stream_closed(void *arg)
{
    struct http_stream *st = arg;
    if (atomic_exchange(&st->closed, true))
        return;
    st->on_close(st->ctx);
    /* evhttp has let go of a request whose client went away: ending it frees it. */
    if (!evhttp_request_get_connection(st->x->req))
        evhttp_send_reply_end(st->x->req);
    exchange_free(st->x);
    stream_unref(st);
}

static void stream_start(void *arg)
{
    struct http_stream *st = arg;
    struct http_exchange *x = st->x;
    struct http_conn *c = http_conn_of(&x->listener->server->guard, x->req);
    x->status = 200;
    set_headers(x);
    evhttp_send_reply_start(x->req, 200, NULL);
    if (c)
        http_conn_on_close(c, stream_closed, st);
    else
        stream_closed(st);
}

struct http_stream *http_stream_begin(struct http_exchange *x, const char *content_type,
                                      void (*on_close)(void *ctx), void *ctx)
{
    struct http_stream *st = mem_alloc(sizeof *st);
    if (!st) {
        http_reply(x, 503, NULL, STR(""));
        return NULL;
    }
    st->loop = x->listener->server->loop;
    st->x = x;
    st->on_close = on_close;
    st->ctx = ctx;
    atomic_store(&st->references, 2);
    x->content_type = arena_strdup(x->arena, content_type);
    x->stream = st;
    (void)loop_post(st->loop, stream_start, st);
    return st;
}

struct piece {
    struct http_stream *st;
    size_t n;
    char bytes[];
};

static void stream_write(void *arg)
{
    struct piece *p = arg;
    struct evbuffer *b = evbuffer_new();
    if (!atomic_load(&p->st->closed) && b) {
        (void)evbuffer_add(b, p->bytes, p->n);
        evhttp_send_reply_chunk(p->st->x->req, b);
        struct http_conn *c = http_conn_of(&p->st->x->listener->server->guard, p->st->x->req);
        struct bufferevent *be =
            c ? evhttp_connection_get_bufferevent(evhttp_request_get_connection(p->st->x->req))
              : NULL;
        if (be && evbuffer_get_length(bufferevent_get_output(be)) > STREAM_PENDING_MAX)
            http_conn_drop(c); /* too slow to follow */
    }
    if (b)
        evbuffer_free(b);
    atomic_fetch_sub(&p->st->pending, (long)p->n);
    stream_unref(p->st);
    mem_free(p);
}

bool http_stream_send(struct http_stream *st, struct str bytes)
{
    if (atomic_load(&st->closed) || atomic_load(&st->pending) > STREAM_PENDING_MAX)
        return false;
    struct piece *p = mem_alloc(sizeof *p + bytes.n);
    if (!p)
        return false;
    p->st = st;
    p->n = bytes.n;
    memcpy(p->bytes, bytes.p, bytes.n);
    atomic_fetch_add(&st->pending, (long)bytes.n);
    atomic_fetch_add(&st->references, 1);
    if (!loop_post(st->loop, stream_write, p)) {
        atomic_fetch_sub(&st->pending, (long)bytes.n);
        stream_unref(st);
        mem_free(p);
        return false;
    }
    return true;
}

static void stream_finish(void *arg)
{
    struct http_stream *st = arg;
    if (!atomic_load(&st->closed)) {
        struct evhttp_request *req = st->x->req;
        struct http_conn *c = http_conn_of(&st->x->listener->server->guard, req);
        if (c) {
            http_conn_on_close(c, NULL, NULL);
            http_conn_replying(c);
        }
        stream_closed(st);
        if (c)
            evhttp_send_reply_end(req);
    }
    stream_unref(st);
}

void http_stream_end(struct http_stream *st)
{
    if (st && !loop_post(st->loop, stream_finish, st))
        stream_unref(st);
}

/* ---- requests (loop thread) ---- */

static void read_peer(struct evhttp_request *req, struct http_peer *p, bool tls)
{
    struct evhttp_connection *c = evhttp_request_get_connection(req);
    struct bufferevent *be = c ? evhttp_connection_get_bufferevent(c) : NULL;
    int fd = be ? bufferevent_getfd(be) : -1;
    struct sockaddr_storage sa;
    struct ucred cred;
    socklen_t n = sizeof sa, cn = sizeof cred;
    *p = (struct http_peer){.uid = -1, .pid = -1, .tls = tls};
    if (fd < 0 || getpeername(fd, (struct sockaddr *)&sa, &n) != 0)
        return;
    p->is_unix = sa.ss_family == AF_UNIX;
    if (!p->is_unix) {
        (void)getnameinfo((struct sockaddr *)&sa, n, p->addr, sizeof p->addr, NULL, 0,
                          NI_NUMERICHOST);
        return;
    }
    (void)snprintf(p->addr, sizeof p->addr, "unix");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cn) == 0) {
        p->uid = cred.uid;
        p->pid = cred.pid;
    }
}

static bool copy_headers(struct http_exchange *x)
{
    struct evkeyvalq *h = evhttp_request_get_input_headers(x->req);
    size_t n = 0;
    struct evkeyval *kv;
    for (kv = h->tqh_first; kv; kv = kv->next.tqe_next)
        n++;
    x->headers = arena_array(x->arena, n, sizeof *x->headers);
    for (kv = h->tqh_first; x->headers && kv; kv = kv->next.tqe_next) {
        x->headers[x->header_count].name = arena_strdup(x->arena, kv->key);
        x->headers[x->header_count].value = arena_strdup(x->arena, kv->value);
        x->header_count++;
    }
    return x->headers != NULL;
}

static bool copy_request(struct http_exchange *x, const char *method)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(x->req);
    size_t n = evbuffer_get_length(in);
    char *body = arena_alloc(x->arena, n + 1);
    if (!body || evbuffer_copyout(in, body, n) != (ev_ssize_t)n)
        return false;
    x->body = (struct str){body, n};
    x->method = method;
    return copy_headers(x);
}

static void run_handler(void *arg)
{
    struct http_exchange *x = arg;
    x->listener->how.handler(x, x->listener->how.ctx);
}

static const char *method_name(struct evhttp_request *req)
{
    switch (evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    case EVHTTP_REQ_OPTIONS:
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT:
        break;
    }
    return NULL;
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct listener *l = arg;
    bool busy = true;
    struct http_conn *c = http_conn_of(&l->server->guard, req);
    const char *method = method_name(req);
    const char *why = c ? http_conn_begin(c, req, &busy) : "Service Unavailable";
    if (!why)
        why = http_gate(req);
    if (why || !method) {
        if (c)
            http_conn_replying(c);
        refuse(req, busy ? 503 : why ? 400 : 405, why ? why : "Method Not Allowed");
        return;
    }
    struct http_exchange *x = mem_alloc(sizeof *x);
    if (x) {
        x->arena = arena_create((size_t)64 << 20);
        x->listener = l;
        x->req = req;
        x->query.tqh_last = &x->query.tqh_first;
    }
    if (!x || !x->arena || !copy_request(x, method)) {
        if (x)
            exchange_free(x);
        refuse(req, 503, "Service Unavailable");
        return;
    }
    x->path = http_gate_path(evhttp_request_get_uri(req), x->arena, &x->query);
    read_peer(req, &x->peer, l->tls != NULL);
    if (!x->path) {
        exchange_free(x);
        refuse(req, 400, "Bad Request");
    } else if (!pool_submit(l->server->pool, run_handler, x)) {
        exchange_free(x);
        refuse(req, 503, "Service Unavailable");
    }
}

/* ---- listening ---- */

static struct bufferevent *new_plain(struct event_base *base, void *arg)
{
    struct listener *l = arg;
    return http_conn_watch(&l->server->guard, base,
                           bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
}

/* Returning NULL would make evhttp go on without TLS: such a connection has no http_conn, and
 * on_request() refuses it. */
static struct bufferevent *new_tls(struct event_base *base, void *arg)
{
    struct listener *l = arg;
    SSL *ssl = SSL_new(l->tls);
    struct bufferevent *be =
        ssl ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE)
            : NULL;
    if (be)
        bufferevent_openssl_set_allow_dirty_shutdown(be, 1);
    else
        SSL_free(ssl);
    return http_conn_watch(&l->server->guard, base, be);
}

/* A daemon has no terminal to ask on. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

static enum rc load_tls(struct listener *l, struct err *err)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c)
        SSL_CTX_set_default_passwd_cb(c, no_password);
    bool ok = c && SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
              SSL_CTX_use_certificate_chain_file(c, l->cert_path) == 1 &&
              SSL_CTX_use_PrivateKey_file(c, l->key_path, SSL_FILETYPE_PEM) == 1 &&
              SSL_CTX_check_private_key(c) == 1;
    if (!ok) {
        SSL_CTX_free(c);
        ERR_clear_error();
        return FAIL(err, RC_INPUT, BLAME_INPUT,
                    MSG("net.http.pair", "{0} and {1} cannot be used for TLS",
                        "{0} と {1} を TLS に使えません"),
                    l->cert_path, l->key_path);
    }
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_free(l->tls);
    l->tls = c;
    return RC_OK;
}

static enum rc listen_fd(const struct http_listen *how, struct listener *l, int *ret_fd,
                         struct err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *path = how->address + 5;
    if (strncmp(how->address, "unix:", 5) == 0) {
        AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || strlen(path) >= sizeof un.sun_path)
            return file_fail(err, path, fd < 0 ? errno : ENAMETOOLONG);
        memcpy(un.sun_path, path, strlen(path) + 1);
        (void)unlink(path);
        if (bind(fd, (struct sockaddr *)&un, sizeof un) != 0 || chmod(path, 0600) != 0 ||
            listen(fd, 128) != 0)
            return file_fail(err, path, errno);
        l->unix_path = mem_strdup(path);
        *ret_fd = fd_take(&fd);
        return RC_OK;
    }
    return http_listen_tcp(how->address, ret_fd, err);
}

static int port_of(int fd)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    char service[16];
    int64_t port = 0;
    if (getsockname(fd, (struct sockaddr *)&sa, &n) == 0 && sa.ss_family != AF_UNIX &&
        getnameinfo((struct sockaddr *)&sa, n, NULL, 0, service, sizeof service, NI_NUMERICSERV) ==
            0)
        (void)str_to_i64(str_from(service), 0, 65535, &port);
    return (int)port;
}

static enum rc setup_http(struct listener *l, struct err *err)
{
    const struct http_limits *m = &l->server->guard.limits;
    l->http = evhttp_new(loop_base(l->server->loop));
    if (!l->http)
        return NOMEM(err);
    struct timeval idle = {m->idle_timeout / 1000000, m->idle_timeout % 1000000};
    evhttp_set_timeout_tv(l->http, &idle);
    evhttp_set_max_headers_size(l->http, (ev_ssize_t)m->max_header);
    evhttp_set_max_body_size(l->http, (ev_ssize_t)m->max_body);
    evhttp_set_allowed_methods(l->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(l->http, NULL);
    evhttp_set_gencb(l->http, on_request, l);
    evhttp_set_bevcb(l->http, l->how.cert_pem ? new_tls : new_plain, l);
    if (l->how.cert_pem) {
        l->cert_path = mem_strdup(l->how.cert_pem);
        l->key_path = mem_strdup(l->how.key_pem);
        if (!l->cert_path || !l->key_path)
            return NOMEM(err);
        TRY(load_tls(l, err));
    }
    return RC_OK;
}

enum rc http_server_create(struct loop *l, struct pool *pool, const struct http_limits *limits,
                           struct http_server **ret, struct err *err)
{
    static const struct http_limits standard = {1024, 256, 16384, 1 << 20, 10000000, 60000000};
    struct http_server *s = mem_alloc(sizeof *s);
    if (!s)
        return NOMEM(err);
    s->loop = l;
    s->pool = pool;
    struct http_limits *m = &s->guard.limits;
    *m = limits ? *limits : standard;
    if (!m->max_connections)
        m->max_connections = standard.max_connections;
    if (!m->max_per_address)
        m->max_per_address = standard.max_per_address;
    if (!m->max_header)
        m->max_header = standard.max_header;
    if (!m->max_body)
        m->max_body = standard.max_body;
    if (!m->header_timeout)
        m->header_timeout = standard.header_timeout;
    if (!m->idle_timeout)
        m->idle_timeout = standard.idle_timeout;
    *ret = s;
    return RC_OK;
}

enum rc http_server_listen(struct http_server *s, const struct http_listen *how, int *ret_port,
                           struct err *err)
{
    if (s->listener_count == LISTENERS_MAX)
        return NOMEM(err);
    struct listener *l = &s->listeners[s->listener_count];
    AUTO(fd) int fd = -1;
    l->server = s;
    l->how = *how;
    TRY(listen_fd(how, l, &fd, err));
    s->listener_count++;
    TRY(setup_http(l, err));
    if (ret_port)
        *ret_port = port_of(fd);
    if (evhttp_accept_socket(l->http, fd) != 0)
        return NOMEM(err);
    (void)fd_take(&fd);
    return RC_OK;
}

enum rc http_server_reload_tls(struct http_server *s, struct err *err)
{
    for (int i = 0; i < s->listener_count; i++)
        if (s->listeners[i].tls)
            TRY(load_tls(&s->listeners[i], err));
    return RC_OK;
}

void http_server_destroy(struct http_server *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];
        if (l->http)
            evhttp_free(l->http);
        SSL_CTX_free(l->tls);
        if (l->unix_path)
            (void)unlink(l->unix_path);
        mem_free(l->unix_path);
        mem_free(l->cert_path);
        mem_free(l->key_path);
    }
    http_guard_clear(&s->guard);
    mem_free(s);
}

/* ---- what handlers read ---- */

const char *http_method(const struct http_exchange *x)
{
    return x->method;
}

const char *http_path(const struct http_exchange *x)
{
    return x->path;
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    return evhttp_find_header(&x->query, name);
}

const char *http_request_header(const struct http_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->header_count; i++)
        if (strcasecmp(x->headers[i].name, name) == 0)
            return x->headers[i].value;
    return NULL;
}

struct str http_request_body(const struct http_exchange *x)
{
    return x->body;
}

const struct http_peer *http_peer_of(const struct http_exchange *x)
{
    return &x->peer;
}

struct arena *http_arena(struct http_exchange *x)
{
    return x->arena;
}
