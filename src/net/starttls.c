#include "net/starttls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/os/file.h"

enum { LINE_BYTES = 2048, LINES_MAX = 100 };

static const char *const names[] = {"none", "smtp", "imap", "pop3"};

bool starttls_from_name(const char *name, enum starttls *ret)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum starttls)i;
            return true;
        }
    }
    return false;
}

const char *starttls_name(enum starttls s)
{
    return (unsigned)s < COUNT_OF(names) ? names[s] : "none";
}

enum rc fd_nonblocking(int fd, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return file_fail(err, "socket", errno);
    return RC_OK;
}

struct talk {
    int fd;
    int64_t deadline;
    const char *host;
    struct buf in; /* read and not yet taken */
};

static enum rc refused(const struct talk *t, const char *line, struct err *err)
{
    enum rc rc = FAIL(err, RC_REMOTE, BLAME_REMOTE,
                      MSG("net.starttls", "{0}: STARTTLS is not offered or was tampered with ({1})",
                          "{0}: STARTTLS が提供されていないか、改ざんされています({1})"),
                      t->host, line);
    err_remote(err, line);
    return rc;
}

static enum rc fill(struct talk *t, struct err *err)
{
    char chunk[512];
    int64_t left = (t->deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    if (left <= 0 || poll(&p, 1, (int)left) <= 0)
        return FAIL(err, RC_TIMEOUT, BLAME_NETWORK,
                    MSG("net.starttls.timeout", "{0}: no answer before TLS in time",
                        "{0}: TLS 開始前に時間内の応答がありません"),
                    t->host);
    ssize_t n = recv(t->fd, chunk, sizeof chunk, 0);
    if (n <= 0)
        return refused(t, "closed", err);
    buf_add(&t->in, chunk, (size_t)n);
    return t->in.bad == RC_OK ? RC_OK : refused(t, "line too long", err);
}

static enum rc read_line(struct talk *t, char line[LINE_BYTES], struct err *err)
{
    const char *nl;
    while (!(nl = t->in.len ? memchr(t->in.p, '\n', t->in.len) : NULL))
        TRY(fill(t, err));
    size_t n = (size_t)(nl - t->in.p), keep = n < LINE_BYTES - 1 ? n : LINE_BYTES - 1;
    memcpy(line, t->in.p, keep);
    line[keep] = '\0';
    if (keep && line[keep - 1] == '\r')
        line[keep - 1] = '\0';
    memmove(t->in.p, nl + 1, t->in.len - n - 1);
    buf_truncate(&t->in, t->in.len - n - 1);
    return RC_OK;
}

static enum rc say(struct talk *t, const char *text, struct err *err)
{
    size_t n = strlen(text);
    return send(t->fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? RC_OK : refused(t, "closed", err);
}

/* Lines "250-..." up to "250 ..."; *ret_seen when one of them is the capability. */
static enum rc smtp_reply(struct talk *t, const char *code, const char *capability, bool *ret_seen,
                          struct err *err)
{
    char line[LINE_BYTES];
    for (int i = 0; i < LINES_MAX; i++) {
        TRY(read_line(t, line, err));
        if (strncmp(line, code, 3) != 0 || (line[3] != '-' && line[3] != ' ' && line[3] != '\0'))
            return refused(t, line, err);
        if (ret_seen && line[3] && strcasecmp(line + 4, capability) == 0)
            *ret_seen = true;
        if (line[3] != '-')
            return RC_OK;
    }
    return refused(t, "too many lines", err);
}

static enum rc smtp(struct talk *t, struct err *err)
{
    bool offered = false;
    TRY(smtp_reply(t, "220", NULL, NULL, err));
    TRY(say(t, "EHLO inro.invalid\r\n", err));
    TRY(smtp_reply(t, "250", "STARTTLS", &offered, err));
    if (!offered)
        return refused(t, "no STARTTLS in EHLO", err);
    TRY(say(t, "STARTTLS\r\n", err));
    return smtp_reply(t, "220", NULL, NULL, err);
}

static enum rc imap(struct talk *t, struct err *err)
{
    char line[LINE_BYTES];
    TRY(read_line(t, line, err));
    if (strncmp(line, "* OK", 4) != 0)
        return refused(t, line, err);
    TRY(say(t, "a1 STARTTLS\r\n", err));
    for (int i = 0; i < LINES_MAX; i++) {
        TRY(read_line(t, line, err));
        if (strncmp(line, "* ", 2) == 0)
            continue;
        return strncasecmp(line, "a1 OK", 5) == 0 ? RC_OK : refused(t, line, err);
    }
    return refused(t, "too many lines", err);
}

static enum rc pop3(struct talk *t, struct err *err)
{
    char line[LINE_BYTES];
    TRY(read_line(t, line, err));
    if (strncmp(line, "+OK", 3) != 0)
        return refused(t, line, err);
    TRY(say(t, "STLS\r\n", err));
    TRY(read_line(t, line, err));
    return strncmp(line, "+OK", 3) == 0 ? RC_OK : refused(t, line, err);
}

enum rc starttls_begin(enum starttls how, int fd, int64_t deadline, const char *host,
                       struct err *err)
{
    struct talk t = {fd, deadline, host, BUF(16384)};
    enum rc rc = RC_OK;
    switch (how) {
    case STARTTLS_NONE:
        break;
    case STARTTLS_SMTP:
        rc = smtp(&t, err);
        break;
    case STARTTLS_IMAP:
        rc = imap(&t, err);
        break;
    case STARTTLS_POP3:
        rc = pop3(&t, err);
        break;
    }
    if (rc == RC_OK && t.in.len > 0)
        rc = refused(&t, "text injected before TLS", err);
    buf_free(&t.in);
    return rc;
}
