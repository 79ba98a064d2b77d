/*
 * A probe reads what strangers send and judges nothing but what OpenSSL says of the chain. Bytes
 * and time are bounded: one deadline over connect, prelude and handshake, at most PROBE_BYTES read.
 */
#include "net/tls_probe.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/os/file.h"
#include "net/starttls.h"

enum { PROBE_BYTES = 1 << 20, CHAIN_SHOWN = 20, CERT_BYTES = 65536 };

/* OpenSSL's own, then those that it can and does not offer: a server that has a key on no other
 * curve shows its certificate to who names its curve. */
#define PROBE_GROUPS                                                                               \
    "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192:secp256k1:"   \
    "brainpoolP256r1:brainpoolP384r1:brainpoolP512r1:P-224:P-192"

static int verify_all(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1; /* an observation goes on; SSL_get_verify_result() tells the verdict */
}

static int note_client_cert(SSL *ssl, void *arg)
{
    (void)ssl;
    *(bool *)arg = true;
    return 1; /* goes on without one */
}

static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1; /* never a prompt on a terminal */
}

static SSL_CTX *make_ctx(const struct tls_probe *p, bool *asked)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (!c)
        return NULL;
    SSL_CTX_set_verify(c, SSL_VERIFY_NONE, verify_all);
    SSL_CTX_set_client_cert_cb(c, NULL);
    SSL_CTX_set_cert_cb(c, note_client_cert, asked);
    /* What is old must still be seen. */
    (void)SSL_CTX_set_cipher_list(c, "ALL:+aNULL:@SECLEVEL=0");
    (void)SSL_CTX_set1_groups_list(c, PROBE_GROUPS);
    (void)SSL_CTX_set_min_proto_version(c, TLS1_VERSION);
    SSL_CTX_set_options(c, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_default_verify_paths(c);
    BIO *bio = p->roots_pem.n ? BIO_new_mem_buf(p->roots_pem.p, (int)p->roots_pem.n) : NULL;
    for (X509 *x; bio && (x = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL;
         X509_free(x))
        (void)X509_STORE_add_cert(SSL_CTX_get_cert_store(c), x);
    BIO_free(bio);
    ERR_clear_error();
    return c;
}

static enum rc probe_failed(const struct tls_probe *p, bool late, const char *why, struct err *err)
{
    if (late)
        return FAIL(err, RC_TIMEOUT, BLAME_NETWORK,
                    MSG("net.probe.timeout", "{0}: the TLS handshake did not end in time",
                        "{0}: TLS ハンドシェイクが時間内に終わりません"),
                    p->addr.text);
    return FAIL(err, RC_TLS, BLAME_REMOTE,
                MSG("net.probe.handshake", "{0}: the TLS handshake failed: {1}",
                    "{0}: TLS ハンドシェイクに失敗しました: {1}"),
                p->addr.text, why);
}

/* Waits for what OpenSSL wants; false at the deadline. */
static bool wait_for(SSL *ssl, int fd, int want, int64_t deadline)
{
    int64_t left = (deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
    struct pollfd pf = {.fd = fd, .events = want == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN};
    (void)ssl;
    return left > 0 && poll(&pf, 1, (int)left) > 0;
}

/* TLS's own word for it, else the first there is: below "unable to find public key parameters" lies
 * "decode error", which tells nobody anything. Left alone when there is none. */
static void why_of(char *why, size_t n)
{
    unsigned long code, first = ERR_peek_error();
    while ((code = ERR_get_error()) != 0 && ERR_GET_LIB(code) != ERR_LIB_SSL)
        ;
    const char *reason = ERR_reason_error_string(code ? code : first);
    if (first)
        (void)snprintf(why, n, "%s", reason ? reason : "?");
    ERR_clear_error();
}

static enum rc handshake(SSL *ssl, int fd, const struct tls_probe *p, struct err *err)
{
    for (;;) {
        ERR_clear_error();
        int n = SSL_connect(ssl);
        if (n == 1)
            return RC_OK;
        int e = SSL_get_error(ssl, n);
        char why[160] = "the connection was closed";
        if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
            if (BIO_number_read(SSL_get_rbio(ssl)) > PROBE_BYTES)
                return probe_failed(p, false, "it sent too much", err);
            if (!wait_for(ssl, fd, e, p->deadline))
                return probe_failed(p, true, "", err);
            continue;
        }
        why_of(why, sizeof why);
        /* A server that only wants a client certificate has shown its own by now. */
        if (SSL_get0_peer_certificate(ssl))
            return RC_OK;
        return probe_failed(p, false, why, err);
    }
}

static enum rc read_chain(SSL *ssl, struct arena *a, struct tls_seen *s, struct err *err)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    int n = chain ? sk_X509_num(chain) : 0;
    n = n > CHAIN_SHOWN ? CHAIN_SHOWN : n;
    s->chain = arena_array(a, (size_t)n, sizeof *s->chain);
    if (!s->chain)
        return NOMEM(err);
    for (int i = 0; i < n; i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(chain, i), &der);
        if (len > 0 && len <= CERT_BYTES) {
            char *copy = arena_dup(a, der, (size_t)len);
            if (copy)
                s->chain[s->chain_count++] = (struct str){copy, (size_t)len};
        }
        OPENSSL_free(der);
    }
    return RC_OK;
}

static enum rc read_seen(SSL *ssl, struct arena *a, struct tls_seen *s, struct err *err)
{
    long verdict = SSL_get_verify_result(ssl);
    s->protocol = arena_strdup(a, SSL_get_version(ssl));
    s->cipher = arena_strdup(a, SSL_get_cipher_name(ssl));
    s->trusted = verdict == X509_V_OK && SSL_get0_peer_certificate(ssl);
    if (!s->trusted)
        s->untrusted_why = arena_strdup(a, X509_verify_cert_error_string(verdict));
    return s->protocol && s->cipher ? read_chain(ssl, a, s, err) : NOMEM(err);
}

static enum rc probe_fd(const struct tls_probe *p, int fd, struct arena *a, struct tls_seen *s,
                        struct err *err)
{
    SSL_CTX *ctx = make_ctx(p, &s->client_cert_asked);
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    enum rc rc = ssl && SSL_set_fd(ssl, fd) == 1 ? RC_OK : NOMEM(err);
    if (rc == RC_OK && p->sni && SSL_set_tlsext_host_name(ssl, p->sni) != 1)
        rc = NOMEM(err);
    if (rc == RC_OK)
        rc = handshake(ssl, fd, p, err);
    if (rc == RC_OK)
        rc = read_seen(ssl, a, s, err);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return rc;
}

enum rc tls_probe_do(const struct tls_probe *p, struct arena *a, struct tls_seen *ret,
                     struct err *err)
{
    struct tls_seen s = {0};
    int64_t begin = clock_mono(clock_real());
    AUTO(fd) int fd = -1;
    TRY(egress_connect(&p->addr, 1, p->deadline, p->addr.text, &fd, err));
    s.tcp_usec = clock_mono(clock_real()) - begin;
    TRY(starttls_begin(p->starttls, fd, p->deadline, p->addr.text, err));
    TRY(fd_nonblocking(fd, err));
    TRY(probe_fd(p, fd, a, &s, err));
    s.tls_usec = clock_mono(clock_real()) - begin - s.tcp_usec;
    CHECK(s.chain_count > 0, err, RC_TLS, BLAME_REMOTE,
          MSG("net.probe.none", "{0} showed no certificate", "{0} は証明書を提示しませんでした"),
          p->addr.text);
    *ret = s;
    return RC_OK;
}
