/* DNS questions through the C library's resolver, one state per question. */
#include "net/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>

enum { ANSWER_MAX = 16384 };

static enum rc bad_server(const char *text, struct err *err)
{
    return FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("net.dns_servers",
            "\"{0}\" is no list of DNS servers; give up to three IPv4 addresses, with :PORT "
            "if it is not 53",
            "「{0}」は DNS サーバーの一覧ではありません。IPv4 アドレスを 3 個まで（53 "
            "以外のポートは :ポート を付けて）指定してください"),
        text);
}

static bool read_server(struct str part, struct sockaddr_in *ret)
{
    char text[64];
    struct str host = STR_NONE;
    int64_t port = 53;
    struct str rest = part;
    if (!str_split(&rest, ':', &host) || host.n == 0 || host.n >= sizeof text)
        return false;
    if (rest.p && rest.n > 0 && !str_to_i64(rest, 1, 65535, &port))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, text, &ret->sin_addr) == 1;
}

enum rc dns_servers_parse(const char *text, struct dns_servers *ret, struct err *err)
{
    struct str rest = str_from(text), part;
    struct dns_servers s = {.n = 0};
    while (rest.n > 0 && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.n == 0)
            continue;
        if (s.n == DNS_SERVERS_MAX || !read_server(part, &s.v[s.n]))
            return bad_server(text, err);
        s.n++;
    }
    *ret = s;
    return RC_OK;
}

static enum rc no_answer(const char *name, struct err *err)
{
    return FAIL(err, RC_NET, BLAME_NETWORK,
                MSG("net.dns_none",
                    "no DNS server answered for {0}; check the DNS servers of this machine, and "
                    "those of the domain",
                    "{0} について DNS サーバーから応答がありません。本サーバーの DNS 設定と、"
                    "ドメインの DNS サーバーを確認してください"),
                name);
}

static enum rc take_records(const unsigned char *wire, int n, enum dns_type type, struct arena *a,
                            struct dns_answer *ret, const char *name, struct err *err)
{
    ns_msg m;
    ns_rr rr;
    if (ns_initparse(wire, n, &m) != 0)
        return no_answer(name, err);
    for (int i = 0; i < ns_msg_count(m, ns_s_an) && ret->n < DNS_RECORDS_MAX; i++) {
        if (ns_parserr(&m, ns_s_an, i, &rr) != 0)
            return no_answer(name, err);
        if (ns_rr_class(rr) != ns_c_in || (int)ns_rr_type(rr) != (int)type)
            continue; /* the aliases on the way */
        const char *data = arena_dup(a, ns_rr_rdata(rr), ns_rr_rdlen(rr));
        if (!data)
            return NOMEM(err);
        ret->v[ret->n++] = (struct str){data, ns_rr_rdlen(rr)};
    }
    return RC_OK;
}

static void set_up(res_state st, const struct dns_servers *servers, int seconds)
{
    st->retrans = seconds;
    st->retry = 1;
    st->options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
    if (servers->n == 0)
        return;
    st->nscount = (int)servers->n;
    for (size_t i = 0; i < servers->n; i++)
        st->nsaddr_list[i] = servers->v[i];
}

enum rc dns_query(const struct dns_servers *servers, const char *name, enum dns_type type,
                  int seconds, struct arena *a, struct dns_answer *ret, struct err *err)
{
    struct __res_state st;
    unsigned char *wire = arena_alloc(a, ANSWER_MAX);
    *ret = (struct dns_answer){.exists = true};
    if (!wire)
        return NOMEM(err);
    memset(&st, 0, sizeof st);
    if (res_ninit(&st) != 0)
        return no_answer(name, err);
    set_up(&st, servers, seconds);
    int n = res_nquery(&st, name, ns_c_in, (int)type, wire, ANSWER_MAX);
    int why = st.res_h_errno;
    res_nclose(&st);
    if (n > 0)
        return take_records(wire, n < ANSWER_MAX ? n : ANSWER_MAX, type, a, ret, name, err);
    ret->exists = why != HOST_NOT_FOUND;
    return why == NO_DATA || why == HOST_NOT_FOUND ? RC_OK : no_answer(name, err);
}
