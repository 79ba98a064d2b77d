/*
 * Pasted lists of places. Invariants: every pair is there once; no text makes more than
 * DISCOVER_PAIRS_MAX pairs, whatever ranges stand in it.
 */
#include "model/discover.h"

#include <arpa/inet.h>
#include <string.h>

#include "codec/name.h"

enum { SLOTS = DISCOVER_PAIRS_MAX * 2, SHOWN_MAX = 80 };

struct reader {
    struct arena *a;
    struct discover_list list;
    int64_t ports[DISCOVER_PORTS_MAX];
    size_t port_count;
    uint16_t *slots; /* place in the list + 1 */
    size_t line;
    struct str place; /* as typed */
};

static enum rc bad_place(const struct reader *rd, struct err *err)
{
    size_t n = rd->place.n > SHOWN_MAX ? SHOWN_MAX : rd->place.n;
    const char *shown = arena_str(rd->a, (struct str){rd->place.p, n});
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("discover.place",
                 "line {0}: \"{1}\" is no host, address, range (192.0.2.0/24, 192.0.2.1-40) or one "
                 "of these with a port",
                 "{0} 行目: 「{1}」はホスト名、アドレス、範囲（192.0.2.0/24、192.0.2.1-40）、"
                 "またはそれらにポートを付けたものではありません"),
             NUM(rd->line), shown && str_is_utf8(str_from(shown)) ? shown : "?");
    err_field(err, "targets");
    return rc;
}

static enum rc too_wide(const struct reader *rd, struct err *err)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("discover.wide",
                          "line {0}: a range has at most 256 addresses (IPv4 /{1}, IPv6 /{2})",
                          "{0} 行目: 範囲は 256 アドレスまでです（IPv4 は /{1}、IPv6 は /{2}）"),
                      NUM(rd->line), NUM(DISCOVER_V4_BITS), NUM(DISCOVER_V6_BITS));
    err_field(err, "targets");
    return rc;
}

static size_t hash_of(const char *host, int64_t port)
{
    uint32_t h = 2166136261U ^ (uint32_t)port;
    for (const char *p = host; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619U;
    return h % SLOTS;
}

static enum rc add(struct reader *rd, const char *host, int64_t port, struct err *err)
{
    size_t at = hash_of(host, port);
    for (; rd->slots[at]; at = (at + 1) % SLOTS) {
        const struct discover_pair *p = &rd->list.v[rd->slots[at] - 1];
        if (p->port == port && strcmp(p->host, host) == 0) {
            rd->list.folded++;
            return RC_OK;
        }
    }
    if (rd->list.n == DISCOVER_PAIRS_MAX) {
        enum rc rc =
            FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("discover.many",
                     "line {0}: with it there would be more than {1} addresses and ports; make "
                     "several discoveries of them",
                     "{0} 行目: アドレスとポートの組が {1} 件を超えます。分けて探索してください"),
                 NUM(rd->line), NUM(DISCOVER_PAIRS_MAX));
        err_field(err, "targets");
        return rc;
    }
    host = arena_strdup(rd->a, host);
    if (!host)
        return NOMEM(err);
    rd->list.v[rd->list.n++] = (struct discover_pair){host, port};
    rd->slots[at] = (uint16_t)rd->list.n;
    return RC_OK;
}

/* port 0: none was typed. */
static enum rc add_host(struct reader *rd, const char *host, int64_t port, struct err *err)
{
    if (port)
        return add(rd, host, port, err);
    for (size_t i = 0; i < rd->port_count; i++)
        TRY(add(rd, host, rd->ports[i], err));
    return RC_OK;
}

/* count addresses from ip on; only the last byte moves. */
static enum rc add_range(struct reader *rd, int family, unsigned char *ip, int count, int64_t port,
                         struct err *err)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char *last = &ip[family == AF_INET ? 3 : 15];
    for (int i = 0; i < count; i++, (*last)++) {
        if (!inet_ntop(family, ip, text, sizeof text))
            return bad_place(rd, err);
        TRY(add_host(rd, text, port, err));
    }
    return RC_OK;
}

static bool ip_of(struct str s, unsigned char out[16], int *ret_family)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *ret_family = memchr(s.p, ':', s.n) ? AF_INET6 : AF_INET;
    return inet_pton(*ret_family, text, out) == 1;
}

/* "192.0.2.0/28": without the addresses of the network itself and of its broadcast. */
static enum rc add_net(struct reader *rd, struct str net, struct str bits_text, int64_t port,
                       struct err *err)
{
    unsigned char ip[16];
    int family = AF_INET;
    int64_t bits;
    if (!ip_of(net, ip, &family) || !str_to_i64(bits_text, 0, family == AF_INET ? 32 : 128, &bits))
        return bad_place(rd, err);
    int host_bits = (family == AF_INET ? 32 : 128) - (int)bits;
    if (host_bits > 8)
        return too_wide(rd, err);
    int count = 1 << host_bits;
    unsigned char *last = &ip[family == AF_INET ? 3 : 15];
    *last = (unsigned char)(*last & ~(count - 1));
    if (family == AF_INET && count > 2) {
        (*last)++;
        count -= 2;
    }
    return add_range(rd, family, ip, count, port, err);
}

/* "192.0.2.1-40", "192.0.2.1-192.0.2.40" */
static enum rc add_span(struct reader *rd, unsigned char first[16], struct str end, int64_t port,
                        struct err *err)
{
    unsigned char ip[16];
    int family;
    int64_t last;
    if (ip_of(end, ip, &family)) {
        if (family != AF_INET || memcmp(ip, first, 3) != 0)
            return too_wide(rd, err);
        last = ip[3];
    } else if (!str_to_i64(end, 0, 255, &last)) {
        return bad_place(rd, err);
    }
    if (last < first[3])
        return bad_place(rd, err);
    return add_range(rd, AF_INET, first, (int)last - first[3] + 1, port, err);
}

static enum rc add_name(struct reader *rd, struct str s, int64_t port, struct err *err)
{
    const char *text = arena_str(rd->a, s), *name;
    struct err none;
    bool ip = false;
    if (!text)
        return NOMEM(err);
    if (memchr(s.p, '*', s.n) || name_normalise(rd->a, text, &name, &ip, &none) != RC_OK)
        return bad_place(rd, err);
    /* "192.0.2.300" and "2130706433" are mistyped addresses, no names. */
    const char *last = strrchr(name, '.');
    last = last ? last + 1 : name;
    if (!ip && *last >= '0' && *last <= '9')
        return bad_place(rd, err);
    return add_host(rd, name, port, err);
}

static enum rc add_where(struct reader *rd, struct str s, int64_t port, struct err *err)
{
    unsigned char ip[16];
    int family;
    const char *slash = memchr(s.p, '/', s.n), *dash = memchr(s.p, '-', s.n);
    if (slash) {
        size_t n = (size_t)(slash - s.p);
        return add_net(rd, (struct str){s.p, n}, (struct str){slash + 1, s.n - n - 1}, port, err);
    }
    if (dash && ip_of((struct str){s.p, (size_t)(dash - s.p)}, ip, &family) && family == AF_INET)
        return add_span(rd, ip, (struct str){dash + 1, (size_t)(s.p + s.n - dash) - 1}, port, err);
    return add_name(rd, s, port, err);
}

/* An address copied from a browser. */
static struct str without_scheme(struct str s)
{
    if (!str_starts(s, "https://"))
        return s;
    s = (struct str){s.p + 8, s.n - 8};
    size_t n = 0;
    while (n < s.n && !strchr("/?#", s.p[n]))
        n++;
    return (struct str){s.p, n};
}

static enum rc add_place(struct reader *rd, struct str s, struct err *err)
{
    int64_t port = 0;
    struct str port_text = STR_NONE;
    rd->place = s;
    s = without_scheme(s);
    const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    if (s.n > 1 && s.p[0] == '[') {
        const char *end = memchr(s.p, ']', s.n);
        if (!end || (colon > end && colon != end + 1) || (colon < end && end != s.p + s.n - 1))
            return bad_place(rd, err);
        if (colon > end)
            port_text = (struct str){colon + 1, (size_t)(s.p + s.n - colon) - 1};
        s = (struct str){s.p + 1, (size_t)(end - s.p) - 1};
    } else if (colon && memchr(s.p, ':', s.n) == colon) {
        port_text = (struct str){colon + 1, (size_t)(s.p + s.n - colon) - 1};
        s.n = (size_t)(colon - s.p);
    }
    if (s.n == 0 || (port_text.p && !str_to_i64(port_text, 1, 65535, &port)))
        return bad_place(rd, err);
    return add_where(rd, s, port, err);
}

static enum rc read_line(struct reader *rd, struct str line, struct err *err)
{
    const char *remark = line.n ? memchr(line.p, '#', line.n) : NULL;
    if (remark)
        line.n = (size_t)(remark - line.p);
    while (line.n > 0) {
        size_t n = 0;
        while (n < line.n && !strchr(" \t\r,;", line.p[n]))
            n++;
        if (n > 0)
            TRY(add_place(rd, (struct str){line.p, n}, err));
        n += n < line.n;
        line = (struct str){line.p + n, line.n - n};
    }
    return RC_OK;
}

static enum rc read_ports(struct reader *rd, const struct names *ports, struct err *err)
{
    for (size_t i = 0; i < ports->n; i++) {
        int64_t port;
        if (rd->port_count == DISCOVER_PORTS_MAX ||
            !str_to_i64(str_trim(str_from(ports->v[i])), 1, 65535, &port)) {
            enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                              MSG("discover.ports",
                                  "ports are numbers from 1 to 65535, {0} of them "
                                  "at most",
                                  "ポートは 1～65535 の数値で、{0} 個までです"),
                              NUM(DISCOVER_PORTS_MAX));
            err_field(err, "ports");
            return rc;
        }
        rd->ports[rd->port_count++] = port;
    }
    if (rd->port_count == 0)
        rd->ports[rd->port_count++] = 443;
    return RC_OK;
}

enum rc discover_read(const char *text, const struct names *ports, struct arena *a,
                      struct discover_list *ret, struct err *err)
{
    struct reader rd = {.a = a};
    struct str rest = str_from(text), line;
    rd.list.v = arena_array(a, DISCOVER_PAIRS_MAX, sizeof *rd.list.v);
    rd.slots = arena_array(a, SLOTS, sizeof *rd.slots);
    if (!rd.list.v || !rd.slots)
        return NOMEM(err);
    memset(rd.slots, 0, SLOTS * sizeof *rd.slots);
    TRY(read_ports(&rd, ports, err));
    while (str_split(&rest, '\n', &line)) {
        rd.line++;
        TRY(read_line(&rd, line, err));
    }
    if (rd.list.n == 0) {
        enum rc rc =
            FAIL(err, RC_INPUT, BLAME_INPUT,
                 MSG("discover.empty", "there is nothing to look at; paste hosts or addresses",
                     "探索する対象がありません。ホスト名やアドレスを入力してください"));
        err_field(err, "targets");
        return rc;
    }
    *ret = rd.list;
    return RC_OK;
}
