/* Syslog frames and their way out. Invariant: a certificate that does not prove the host's name
 * ends the connection before a byte of a record is sent. */
#include "net/syslog.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os/file.h"
#include "codec/schema.h"
#include "net/starttls.h"

enum { FACILITY = 13, FRAME_MAX = 64 << 10, NAME_MAX_ = 48, CLOSE_SEC = 3 };

/* HOSTNAME, MSGID ...: printable ASCII without spaces, at most max; "-" for none. */
static void add_word(struct buf *b, const char *s, size_t max)
{
    size_t n = 0;
    for (; s && *s && n < max; s++, n++)
        buf_addc(b, *s > ' ' && *s < 127 ? *s : '_');
    if (n == 0)
        buf_addc(b, '-');
}

/* PARAM-VALUE, RFC 5424 6.3.3: these three are escaped; a line end would end a record elsewhere. */
static void add_value(struct buf *b, const char *s)
{
    for (; s && *s; s++) {
        if (*s == '"' || *s == '\\' || *s == ']')
            buf_addc(b, '\\');
        buf_addc(b, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
    }
}

void syslog_frame(const struct syslog_record *r, struct buf *out)
{
    AUTO(buf) struct buf m = BUF(FRAME_MAX);
    char at[32];
    time_rfc3339(r->at, at);
    buf_addf(&m, "<%d>1 %s ", FACILITY * 8 + r->severity, at);
    add_word(&m, r->hostname, 255);
    buf_addc(&m, ' ');
    add_word(&m, r->app, NAME_MAX_);
    buf_adds(&m, " - ");
    add_word(&m, r->msgid, 32);
    buf_adds(&m, " [inro@32473");
    for (size_t i = 0; r->names[i]; i++) {
        buf_addf(&m, " %s=\"", r->names[i]);
        add_value(&m, r->values[i]);
        buf_addc(&m, '"');
    }
    buf_addc(&m, ']');
    if (r->text) {
        buf_adds(&m, " \xef\xbb\xbf"); /* UTF-8 */
        for (const char *p = r->text; *p; p++)
            buf_addc(&m, (unsigned char)*p < 0x20 ? ' ' : *p);
    }
    if (m.bad != RC_OK) { /* longer than a receiver must take: the record without its text */
        struct syslog_record bare = *r;
        bare.text = NULL;
        if (r->text)
            syslog_frame(&bare, out);
        return;
    }
    buf_addf(out, "%zu ", m.len);
    buf_addstr(out, buf_str(&m));
}

static enum rc lost(const struct syslog_dest *d, const char *why, struct err *err)
{
    return FAIL(err, RC_NET, BLAME_NETWORK,
                MSG("net.syslog.lost", "{0}: the connection to the syslog server was lost: {1}",
                    "{0}: syslog サーバーとの接続が切れました: {1}"),
                d->host, why);
}

static enum rc late(const struct syslog_dest *d, struct err *err)
{
    return FAIL(err, RC_TIMEOUT, BLAME_NETWORK,
                MSG("net.syslog.late", "{0}: the syslog server does not answer in time",
                    "{0}: syslog サーバーの応答が時間内にありません"),
                d->host);
}

static bool wait_fd(int fd, short events, int64_t deadline)
{
    int64_t left = (deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
    struct pollfd pf = {.fd = fd, .events = events};
    return left > 0 && poll(&pf, 1, left > 60000 ? 60000 : (int)left) > 0;
}

struct line { /* a connection; ssl NULL = plain */
    const struct syslog_dest *d;
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static void line_end(struct line *l)
{
    SSL_free(l->ssl);
    SSL_CTX_free(l->ctx);
    ERR_clear_error();
}

static SSL_CTX *make_ctx(const struct syslog_dest *d)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c)
        return NULL;
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_mode(c, SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (d->ca_pem.n == 0) {
        (void)SSL_CTX_set_default_verify_paths(c);
        return c;
    }
    BIO *bio = BIO_new_mem_buf(d->ca_pem.p, (int)d->ca_pem.n);
    for (X509 *x; bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; X509_free(x))
        (void)X509_STORE_add_cert(SSL_CTX_get_cert_store(c), x);
    BIO_free(bio);
    ERR_clear_error();
    return c;
}

static bool expect_host(SSL *ssl, const char *host)
{
    bool v6 = false;
    if (host_is_ip(host, &v6))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* What OpenSSL wants is waited for; false when it wants nothing more or the time is over. */
static bool want(struct line *l, int n)
{
    int e = SSL_get_error(l->ssl, n);
    short events = e == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
    return (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) &&
           wait_fd(l->fd, events, l->d->deadline);
}

static enum rc begin_tls(struct line *l, struct err *err)
{
    int n;
    l->ctx = make_ctx(l->d);
    l->ssl = l->ctx ? SSL_new(l->ctx) : NULL;
    if (!l->ssl || SSL_set_fd(l->ssl, l->fd) != 1 || !expect_host(l->ssl, l->d->host))
        return NOMEM(err);
    do {
        ERR_clear_error();
        n = SSL_connect(l->ssl);
    } while (n != 1 && want(l, n));
    if (n == 1)
        return RC_OK;
    long verdict = SSL_get_verify_result(l->ssl);
    CHECK(verdict == X509_V_OK, err, RC_TLS, BLAME_INPUT,
          MSG("net.syslog.trust",
              "{0}: the certificate of the syslog server is not trusted: {1}; give its CA",
              "{0}: syslog サーバーの証明書を信頼できません: {1}。認証局を指定してください"),
          l->d->host, X509_verify_cert_error_string(verdict));
    return lost(l->d, "the TLS handshake failed", err);
}

static enum rc put_all(struct line *l, struct str s, struct err *err)
{
    while (s.n > 0) {
        ssize_t n;
        if (l->ssl) {
            ERR_clear_error();
            n = SSL_write(l->ssl, s.p, s.n > 16384 ? 16384 : (int)s.n);
            if (n <= 0 && want(l, (int)n))
                continue;
        } else {
            n = send(l->fd, s.p, s.n, MSG_NOSIGNAL);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                if (!wait_fd(l->fd, POLLOUT, l->d->deadline))
                    return late(l->d, err);
                continue;
            }
        }
        if (n <= 0)
            return lost(l->d, "it was closed while records were sent", err);
        s = (struct str){s.p + n, s.n - (size_t)n};
    }
    return RC_OK;
}

/* Our end closes; the peer's close says that it has read to the end. */
static enum rc close_gently(struct line *l, struct err *err)
{
    char drop[512];
    int64_t until = clock_mono(clock_real()) + CLOSE_SEC * USEC_PER_SEC;
    if (l->ssl)
        (void)SSL_shutdown(l->ssl);
    ERR_clear_error();
    if (shutdown(l->fd, SHUT_WR) != 0)
        return lost(l->d, "it was closed before the end", err);
    for (;;) {
        ssize_t n = recv(l->fd, drop, sizeof drop, 0);
        if (n == 0)
            return RC_OK;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return lost(l->d, "it was reset", err);
        /* receivers that keep their end open have at least not refused */
        if (n < 0 && !wait_fd(l->fd, POLLIN, until < l->d->deadline ? until : l->d->deadline))
            return RC_OK;
    }
}

enum rc syslog_send(const struct syslog_dest *d, struct str frames, struct arena *a,
                    struct err *err)
{
    struct net_addr *addrs;
    size_t n = 0;
    AUTO(fd) int fd = -1;
    TRY(egress_resolve(d->policy, d->host, d->port, d->deadline, a, &addrs, &n, err));
    TRY(egress_connect(addrs, n, d->deadline, d->host, &fd, err));
    TRY(fd_nonblocking(fd, err));
    struct line l = {.d = d, .fd = fd};
    enum rc rc = d->tls ? begin_tls(&l, err) : RC_OK;
    if (rc == RC_OK)
        rc = put_all(&l, frames, err);
    if (rc == RC_OK)
        rc = close_gently(&l, err);
    line_end(&l);
    return rc;
}
