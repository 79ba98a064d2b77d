#include "net/http_gate.h"

#include <errno.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os/file.h"

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return true;
}

static bool is_digits(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < 19 && strspn(s, "0123456789") == n;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            return true;
    return false;
}

struct counts {
    int host, length, encoding;
    bool bad;
};

static void look_at(const struct evkeyval *kv, struct counts *c)
{
    if (!is_token(kv->key) || has_control(kv->value))
        c->bad = true;
    if (strcasecmp(kv->key, "Host") == 0) {
        c->host++;
    } else if (strcasecmp(kv->key, "Content-Length") == 0) {
        c->length++;
        c->bad = c->bad || !is_digits(kv->value);
    } else if (strcasecmp(kv->key, "Transfer-Encoding") == 0) {
        c->encoding++;
        c->bad = c->bad || strcasecmp(kv->value, "chunked") != 0;
    }
}

const char *http_gate(struct evhttp_request *req)
{
    struct evkeyvalq *h = evhttp_request_get_input_headers(req);
    struct counts c = {0};
    for (struct evkeyval *kv = h->tqh_first; kv; kv = kv->next.tqe_next)
        look_at(kv, &c);
    if (c.bad)
        return "Bad Request: a header is malformed";
    if (c.host != 1)
        return "Bad Request: exactly one Host header is required";
    if (c.length + c.encoding > 1)
        return "Bad Request: the length of the body is ambiguous";
    return NULL;
}

static bool segments_ok(const char *path)
{
    while (*path) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        if ((n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        path += n;
    }
    return true;
}

static bool hex2(const char *s, unsigned char *ret)
{
    unsigned v = 0;
    for (int i = 0; i < 2; i++) {
        char c = s[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 99;
        if (d == 99)
            return false;
        v = v * 16 + d;
    }
    *ret = (unsigned char)v;
    return true;
}

/* Percent-decoding, once. */
static char *decode(const char *p, size_t n, struct arena *a)
{
    char *out = arena_alloc(a, n + 1);
    size_t o = 0;
    for (size_t i = 0; out && i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '%') {
            if (n - i < 3)
                return NULL;
            if (!hex2(p + i + 1, &c))
                return NULL;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || c == '\\')
            return NULL;
        out[o++] = (char)c;
    }
    return out && str_is_utf8((struct str){out, o}) ? out : NULL;
}

/* evhttp decodes into C strings: a NUL would cut a value short. */
static bool read_query(const char *text, struct evkeyvalq *ret)
{
    if (strstr(text, "%00") || evhttp_parse_query_str(text, ret) != 0)
        return false;
    for (struct evkeyval *kv = ret->tqh_first; kv; kv = kv->next.tqe_next)
        if (!str_is_utf8(str_from(kv->key)) || !str_is_utf8(str_from(kv->value)))
            return false;
    return true;
}

const char *http_gate_path(const char *uri, struct arena *a, struct evkeyvalq *ret_query)
{
    if (!uri || uri[0] != '/')
        return NULL;
    size_t n = strcspn(uri, "?#");
    char *path = decode(uri, n, a);
    if (!path || !segments_ok(path))
        return NULL;
    if (uri[n] == '?' && !read_query(uri + n + 1, ret_query))
        return NULL;
    return path;
}

static int listen_on(const struct addrinfo *i)
{
    int one = 1;
    AUTO(fd) int fd = socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* Inherited by what is accepted: an answer in two writes must not wait for an ACK. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, i->ai_addr, i->ai_addrlen) != 0 || listen(fd, 512) != 0)
        return -1;
    return fd_take(&fd);
}

enum rc http_listen_tcp(const char *address, int *ret_fd, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *list = NULL;
    AUTO(arena) struct arena *a = arena_create(0);
    char *host = a ? arena_strdup(a, address) : NULL;
    char *colon = host ? strrchr(host, ':') : NULL;
    if (!colon)
        return file_fail(err, address, EINVAL);
    *colon = '\0';
    if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') {
        colon[-1] = '\0';
        host++;
    }
    int e = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &list);
    CHECK(e == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("net.listen.address", "{0} is not an address to listen on: {1}",
              "{0} は待ち受けアドレスではありません: {1}"),
          address, gai_strerror(e));
    int fd = listen_on(list);
    int error = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return file_fail(err, address, error);
    *ret_fd = fd;
    return RC_OK;
}
