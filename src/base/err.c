/* Errors as values: no globals, no allocation, text always terminated and on one line. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const char *const rc_names[RC_COUNT] = {
    [RC_OK] = "ok",
    [RC_NOMEM] = "nomem",
    [RC_INPUT] = "input",
    [RC_NOT_FOUND] = "not_found",
    [RC_EXISTS] = "exists",
    [RC_CONFLICT] = "conflict",
    [RC_AUTH] = "auth",
    [RC_DENIED] = "denied",
    [RC_TIMEOUT] = "timeout",
    [RC_CANCELLED] = "cancelled",
    [RC_NET] = "net",
    [RC_TLS] = "tls",
    [RC_REMOTE] = "remote",
    [RC_RATE] = "rate",
    [RC_BUSY] = "busy",
    [RC_CORRUPT] = "corrupt",
    [RC_UNSUPPORTED] = "unsupported",
    [RC_LICENCE] = "licence",
    [RC_FULL] = "full",
    [RC_INTERNAL] = "internal",
};

static const char *const blame_names[] = {"unknown", "input", "remote", "network", "us"};

const char *rc_name(enum rc rc)
{
    return (unsigned)rc < RC_COUNT ? rc_names[rc] : "internal";
}

enum rc rc_from_name(const char *name)
{
    for (int i = 0; name && i < RC_COUNT; i++)
        if (strcmp(rc_names[i], name) == 0)
            return (enum rc)i;
    return RC_INTERNAL;
}

const char *blame_name(enum blame blame)
{
    return (unsigned)blame < COUNT_OF(blame_names) ? blame_names[blame] : "unknown";
}

enum blame blame_from_name(const char *name)
{
    for (unsigned i = 0; name && i < COUNT_OF(blame_names); i++)
        if (strcmp(blame_names[i], name) == 0)
            return (enum blame)i;
    return BLAME_UNKNOWN;
}

const char *err_num(char buf[24], int64_t v)
{
    (void)snprintf(buf, 24, "%lld", (long long)v);
    return buf;
}

/* Length of s cut to at most max bytes without splitting a UTF-8 sequence. */
static size_t utf8_cut(const char *s, size_t n, size_t max)
{
    if (n <= max)
        return n;
    n = max;
    while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* Copies with control characters (DEL and C1's lead included) replaced by '?'. */
static void copy_clean(char *out, size_t out_size, const char *s)
{
    size_t n = utf8_cut(s, strlen(s), out_size - 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        out[i] = (c < 0x20 || c == 0x7f) ? '?' : s[i];
    }
    out[n] = '\0';
}

static const char *nth_arg(const char *const *args, int n)
{
    for (int i = 0; args && args[i] && i < ERR_ARGS; i++)
        if (i == n)
            return args[i];
    return "";
}

void msg_render(const struct msg *m, const char *lang, const char *const *args, char *out,
                size_t out_size)
{
    const char *t = (lang && strcmp(lang, "ja") == 0) ? m->ja : m->en;
    size_t o = 0;

    while (*t && o + 1 < out_size) {
        if (t[0] == '{' && t[1] >= '0' && t[1] < '0' + ERR_ARGS && t[2] == '}') {
            char arg[256];
            copy_clean(arg, sizeof arg, nth_arg(args, t[1] - '0'));
            size_t n = utf8_cut(arg, strlen(arg), out_size - 1 - o);
            memcpy(out + o, arg, n);
            o += n;
            t += 3;
        } else {
            out[o++] = *t++;
        }
    }
    while (*t && o > 0 && ((unsigned char)out[o - 1] & 0xC0) == 0x80)
        o--;
    if (*t && o > 0 && (unsigned char)out[o - 1] >= 0xC0)
        o--;
    out[o] = '\0';
}

enum rc err_set(struct err *err, enum rc rc, enum blame blame, const struct msg *m,
                const char *file, int line, const char *const *args)
{
    if (!err)
        return rc;
    memset(err, 0, sizeof *err);
    err->rc = rc;
    err->blame = blame;
    copy_clean(err->id, sizeof err->id, m->id);
    msg_render(m, "en", args, err->en, sizeof err->en);
    msg_render(m, "ja", args, err->ja, sizeof err->ja);
    const char *slash = strrchr(file, '/');
    (void)snprintf(err->where, sizeof err->where, "%.36s:%d", slash ? slash + 1 : file, line);
    return rc;
}

enum rc err_while_(struct err *err, enum rc rc, const struct msg *m, const char *const *args)
{
    if (err && err->frames < ERR_FRAMES) {
        struct err_frame *f = &err->up[err->frames++];
        msg_render(m, "en", args, f->en, sizeof f->en);
        msg_render(m, "ja", args, f->ja, sizeof f->ja);
    }
    return rc;
}

void err_remote(struct err *err, const char *remote)
{
    if (err)
        copy_clean(err->remote, sizeof err->remote, remote);
}

static void append(char *out, size_t out_size, size_t *o, const char *s)
{
    size_t n = utf8_cut(s, strlen(s), out_size - 1 - *o);
    memcpy(out + *o, s, n);
    *o += n;
    out[*o] = '\0';
}

void err_field(struct err *err, const char *field)
{
    if (!err)
        return;
    char old[sizeof err->field];
    size_t o = 0;
    memcpy(old, err->field, sizeof old);
    append(err->field, sizeof err->field, &o, field);
    append(err->field, sizeof err->field, &o, old[0] ? "." : "");
    append(err->field, sizeof err->field, &o, old);
}

void err_text(const struct err *err, const char *lang, char *out, size_t out_size)
{
    bool ja = lang && strcmp(lang, "ja") == 0;
    size_t o = 0;

    append(out, out_size, &o, ja ? err->ja : err->en);
    for (int i = 0; i < err->frames; i++) {
        append(out, out_size, &o, i == 0 ? (ja ? "(" : " (") : (ja ? "、" : "; "));
        append(out, out_size, &o, ja ? err->up[i].ja : err->up[i].en);
    }
    if (err->frames > 0)
        append(out, out_size, &o, ja ? ")" : ")");
}
