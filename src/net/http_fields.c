/* Reading URLs and response fields: Link (RFC 8288), Retry-After (RFC 9110 10.2.3). */
#include <string.h>
#include <strings.h>

#include "codec/schema.h"
#include "net/http_client.h"

enum { URL_MAX = 4096 };

static bool plain_text(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f || *s == '\\')
            return false;
    return true;
}

static enum rc bad_url(const char *text, struct err *err)
{
    return FAIL(err, RC_INPUT, BLAME_INPUT,
                MSG("net.url", "\"{0}\" is not a URL of the form https://host/path",
                    "「{0}」は https://host/path の形の URL ではありません"),
                text);
}

static bool split_port(char *authority, struct url *u)
{
    char *colon = strrchr(authority, ':');
    char *bracket = strrchr(authority, ']');
    int64_t port;
    u->port = strcmp(u->scheme, "https") == 0 ? 443 : 80;
    if (!colon || (bracket && colon < bracket))
        return true;
    if (!str_to_i64(str_from(colon + 1), 1, 65535, &port))
        return false;
    u->port = (int)port;
    *colon = '\0';
    return true;
}

enum rc url_parse(const char *text, struct arena *a, struct url *ret, struct err *err)
{
    struct url u = {0};
    size_t n = strlen(text);
    if (n == 0 || n > URL_MAX || !plain_text(text))
        return bad_url(n > 200 ? "..." : text, err);
    u.scheme = strncasecmp(text, "https://", 8) == 0  ? "https"
               : strncasecmp(text, "http://", 7) == 0 ? "http"
                                                      : NULL;
    if (!u.scheme)
        return bad_url(text, err);
    const char *from = text + strlen(u.scheme) + 3;
    size_t len = strcspn(from, "/?#");
    char *authority = arena_str(a, (struct str){from, len});
    if (!authority)
        return NOMEM(err);
    if (strchr(authority, '@') || strchr(from + len, '#') || !split_port(authority, &u))
        return bad_url(text, err);
    size_t an = strlen(authority);
    if (authority[0] == '[' && an > 2 && authority[an - 1] == ']') {
        authority[an - 1] = '\0';
        authority++;
    }
    if (!host_is_valid(authority))
        return bad_url(text, err);
    u.host = authority;
    u.path = from[len] == '/' ? arena_strdup(a, from + len) : arena_printf(a, "/%s", from + len);
    if (!u.path)
        return NOMEM(err);
    *ret = u;
    return RC_OK;
}

const char *http_header_get(const struct http_response *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

/* One "<url>; rel=..." off the front of *p; commas inside <> and "" do not split. */
static bool next_link(const char **p, struct str *ret_url, struct str *ret_params)
{
    const char *s = *p;
    s += strspn(s, " \t,");
    if (*s != '<')
        return false;
    const char *close = strchr(s, '>');
    if (!close)
        return false;
    *ret_url = (struct str){s + 1, (size_t)(close - s - 1)};
    const char *q = close + 1;
    bool quoted = false;
    for (; *q && (quoted || *q != ','); q++)
        if (*q == '"')
            quoted = !quoted;
    *ret_params = (struct str){close + 1, (size_t)(q - close - 1)};
    *p = q;
    return true;
}

static bool has_rel(struct str params, const char *rel)
{
    struct str part;
    while (str_split(&params, ';', &part)) {
        part = str_trim(part);
        if (part.n < 4 || strncasecmp(part.p, "rel=", 4) != 0)
            continue;
        struct str value = {part.p + 4, part.n - 4}, word;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = (struct str){value.p + 1, value.n - 2};
        while (str_split(&value, ' ', &word))
            if (str_ieq(word, str_from(rel)))
                return true;
    }
    return false;
}

const char *http_link(const struct http_response *r, const char *rel, size_t n, struct arena *a)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (strcasecmp(r->headers[i].name, "link") != 0)
            continue;
        const char *p = r->headers[i].value;
        struct str url, params;
        while (next_link(&p, &url, &params))
            if (has_rel(params, rel) && n-- == 0)
                return arena_str(a, url);
    }
    return NULL;
}

int64_t http_retry_after(const struct http_response *r, int64_t now)
{
    const char *v = http_header_get(r, "retry-after");
    int64_t at, secs;
    if (!v)
        return 0;
    if (str_to_i64(str_trim(str_from(v)), INT64_MIN / USEC_PER_SEC / 2,
                   INT64_MAX / USEC_PER_SEC / 2, &secs))
        at = now + (secs > 86400 ? 86400 : secs) * USEC_PER_SEC;
    else if (!time_parse_http(v, &at))
        return 0;
    if (at < now + USEC_PER_SEC)
        return now + USEC_PER_SEC;
    return at > now + USEC_PER_DAY ? now + USEC_PER_DAY : at;
}

bool http_handshake_broke(const char *why)
{
    return !strstr(why, "error:") || strstr(why, "unexpected eof");
}
