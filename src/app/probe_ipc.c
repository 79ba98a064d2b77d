#include "app/probe_ipc.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/os/file.h"
#include "codec/json.h"

enum tag { /* request */
           Q_ADDR = 1,
           Q_TEXT,
           Q_SNI,
           Q_STARTTLS,
           Q_TIMEOUT,
           Q_ROOTS
};

enum seen_tag { /* answer */
                A_CERT = 1,
                A_PROTOCOL,
                A_CIPHER,
                A_TRUSTED,
                A_WHY,
                A_ASKED,
                A_TCP,
                A_TLS
};

enum { ANSWER_GRACE_SEC = 5, ROOTS_MAX = 64 * 1024 };

void prober_replace(struct prober *p, int fd)
{
    pthread_mutex_lock(&p->lock);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = fd;
    pthread_mutex_unlock(&p->lock);
}

static void put_request(struct buf *b, const struct tls_probe *q)
{
    int64_t left = q->deadline - clock_mono(clock_real());
    ipc_put(b, Q_ADDR, (struct str){(const char *)&q->addr.sa, q->addr.len});
    ipc_put(b, Q_TEXT, str_from(q->addr.text));
    if (q->sni)
        ipc_put(b, Q_SNI, str_from(q->sni));
    ipc_put_i64(b, Q_STARTTLS, q->starttls);
    ipc_put_i64(b, Q_TIMEOUT, left > 0 ? left : 0);
    if (q->roots_pem.n && q->roots_pem.n <= ROOTS_MAX)
        ipc_put(b, Q_ROOTS, q->roots_pem);
}

static const char *text_of(struct str payload, uint8_t tag, struct arena *a)
{
    struct str s;
    return ipc_get(payload, tag, 0, &s) ? arena_str(a, s) : NULL;
}

static enum rc read_seen(struct str payload, struct arena *a, struct tls_seen *ret, struct err *err)
{
    struct tls_seen s = {0};
    struct str der;
    int64_t n = 0;
    while (ipc_get(payload, A_CERT, s.chain_count, &der))
        s.chain_count++;
    s.chain = arena_array(a, s.chain_count, sizeof *s.chain);
    if (!s.chain)
        return NOMEM(err);
    for (size_t i = 0; i < s.chain_count && ipc_get(payload, A_CERT, i, &der); i++) {
        s.chain[i] = (struct str){arena_dup(a, der.p, der.n), der.n};
        if (!s.chain[i].p)
            return NOMEM(err);
    }
    s.protocol = text_of(payload, A_PROTOCOL, a);
    s.cipher = text_of(payload, A_CIPHER, a);
    s.untrusted_why = text_of(payload, A_WHY, a);
    s.trusted = ipc_get_i64(payload, A_TRUSTED, &n) && n != 0;
    s.client_cert_asked = ipc_get_i64(payload, A_ASKED, &n) && n != 0;
    (void)ipc_get_i64(payload, A_TCP, &s.tcp_usec);
    (void)ipc_get_i64(payload, A_TLS, &s.tls_usec);
    *ret = s;
    return RC_OK;
}

static enum rc read_error(const struct ipc_frame *f, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    struct str text = STR("");
    struct err told = {0};
    if (f->kind == IPC_ERROR && ipc_get(f->payload, 1, 0, &text) &&
        json_parse(text, &j, NULL) == RC_OK)
        json_to_err(j, &told);
    CHECK(told.rc != RC_OK && told.en[0], err, RC_INTERNAL, BLAME_US,
          MSG("app.prober.answer", "the prober's answer is not understood",
              "プローバーの応答を解釈できません"));
    if (err)
        *err = told;
    return told.rc;
}

static enum rc send_request(struct prober *p, struct str payload, int64_t deadline, int pass_fd,
                            struct err *err)
{
    /* One of our own, so that nobody else waits for a prober that does not read. */
    pthread_mutex_lock(&p->lock);
    AUTO(fd) int fd = p->fd >= 0 ? fcntl(p->fd, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&p->lock);
    enum rc rc = fd < 0 ? RC_NET : ipc_send(fd, deadline, IPC_PROBE, 0, payload, pass_fd, NULL);
    CHECK(rc == RC_OK, err, RC_BUSY, BLAME_US,
          MSG("app.prober", "the prober is being restarted; the look is repeated",
              "プローバーを再起動中です。確認はやり直されます"));
    return RC_OK;
}

enum rc prober_do(struct prober *p, const struct tls_probe *probe, struct arena *a,
                  struct tls_seen *ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    int pair[2];
    put_request(&b, probe);
    TRY(buf_ok(&b, err));
    TRY(ipc_pair(pair, err));
    AUTO(fd) int mine = pair[0];
    enum rc rc = send_request(p, buf_str(&b), probe->deadline, pair[1], err);
    close(pair[1]);
    TRY(rc);
    buf_clear(&b);
    TRY(ipc_recv(mine, probe->deadline + ANSWER_GRACE_SEC * USEC_PER_SEC, &b, &f, err));
    if (f.fd >= 0)
        close(f.fd);
    return f.kind == IPC_REPLY ? read_seen(f.payload, a, ret, err) : read_error(&f, err);
}

static enum rc read_request(struct str payload, struct arena *a, struct tls_probe *ret,
                            struct err *err)
{
    struct str addr, text = STR("");
    int64_t starttls = 0, timeout = 0;
    struct tls_probe q = {0};
    CHECK(ipc_get(payload, Q_ADDR, 0, &addr) && addr.n <= sizeof q.addr.sa &&
              ipc_get_i64(payload, Q_STARTTLS, &starttls) &&
              ipc_get_i64(payload, Q_TIMEOUT, &timeout),
          err, RC_INTERNAL, BLAME_US,
          MSG("app.prober.request", "a probe request is malformed", "確認要求の形式が不正です"));
    memcpy(&q.addr.sa, addr.p, addr.n);
    q.addr.len = (socklen_t)addr.n;
    (void)ipc_get(payload, Q_TEXT, 0, &text);
    memcpy(q.addr.text, text.p, text.n < sizeof q.addr.text ? text.n : sizeof q.addr.text - 1);
    q.sni = text_of(payload, Q_SNI, a);
    q.starttls = (enum starttls)starttls;
    q.deadline = clock_mono(clock_real()) + timeout;
    (void)ipc_get(payload, Q_ROOTS, 0, &q.roots_pem);
    *ret = q;
    return RC_OK;
}

static void put_seen(struct buf *b, const struct tls_seen *s)
{
    for (size_t i = 0; i < s->chain_count; i++)
        ipc_put(b, A_CERT, s->chain[i]);
    ipc_put(b, A_PROTOCOL, str_from(s->protocol));
    ipc_put(b, A_CIPHER, str_from(s->cipher));
    if (s->untrusted_why)
        ipc_put(b, A_WHY, str_from(s->untrusted_why));
    ipc_put_i64(b, A_TRUSTED, s->trusted);
    ipc_put_i64(b, A_ASKED, s->client_cert_asked);
    ipc_put_i64(b, A_TCP, s->tcp_usec);
    ipc_put_i64(b, A_TLS, s->tls_usec);
}

void prober_answer(const struct ipc_frame *request, int reply_fd)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf out = BUF(IPC_MAX_FRAME - IPC_HEADER);
    struct tls_probe q;
    struct tls_seen seen;
    struct err err;
    enum rc rc = a ? read_request(request->payload, a, &q, &err) : NOMEM(&err);
    if (rc == RC_OK)
        rc = tls_probe_do(&q, a, &seen, &err);
    if (rc == RC_OK) {
        put_seen(&out, &seen);
        rc = buf_ok(&out, &err); /* a chain larger than a frame */
    }
    if (rc != RC_OK) {
        AUTO(buf) struct buf text = BUF(16384);
        struct json_writer w = JSON_WRITER(&text);
        buf_clear(&out);
        jw_err(&w, &err);
        ipc_put(&out, 1, buf_str(&text));
    }
    enum ipc_kind kind = rc == RC_OK ? IPC_REPLY : IPC_ERROR;
    if (ipc_send(reply_fd, ipc_soon(), kind, 0, buf_str(&out), -1, &err) != RC_OK)
        log_line(LOG_DEBUG, "prober", "the asker is gone");
    close(reply_fd);
}
