/*
 * A bounded number of threads take lines in turn. Loopback and private addresses are allowed here:
 * whoever types the command reaches them anyway.
 */
#include "app/scan.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "base/clock.h"
#include "base/os/file.h"
#include "codec/json.h"
#include "codec/schema.h"
#include "crypto/cert.h"
#include "crypto/digest.h"
#include "net/tls_probe.h"

enum { SCAN_THREADS = 32, LINE_MAX_BYTES = 600 };

struct scan {
    FILE *in;
    int64_t timeout;
    const char *lang;
    pthread_mutex_t lock; /* in, status, standard output */
    int status;
};

static const char *const everywhere[] = {"0.0.0.0/0", "::/0"};
static const struct egress_policy open_policy = {everywhere, 2, false};

static void set_status(struct scan *s, int status)
{
    pthread_mutex_lock(&s->lock);
    if (s->status != 3)
        s->status = status;
    pthread_mutex_unlock(&s->lock);
}

static void print_line(struct scan *s, const struct buf *line)
{
    pthread_mutex_lock(&s->lock);
    (void)fwrite(buf_cstr(line), 1, line->len, stdout);
    (void)fflush(stdout);
    pthread_mutex_unlock(&s->lock);
}

static void put_cert(struct json_writer *w, const struct tls_seen *seen, const char *host,
                     struct arena *a)
{
    struct cert_info c;
    char hex[65];
    jw_kstr(w, "protocol", seen->protocol);
    jw_kstr(w, "cipher", seen->cipher);
    jw_ki64(w, "chain", (int64_t)seen->chain_count);
    jw_kbool(w, "trusted", seen->trusted);
    jw_kstr(w, "untrusted_why", seen->untrusted_why);
    if (seen->chain_count == 0 || cert_parse(seen->chain[0], a, &c, NULL) != RC_OK)
        return;
    sha256_hex(seen->chain[0], hex);
    jw_kstr(w, "sha256", hex);
    jw_kstr(w, "subject", c.subject);
    jw_kstr(w, "issuer", c.issuer);
    jw_kstr(w, "serial", c.serial);
    jw_kstr(w, "key", c.key_name);
    jw_ktime(w, "not_before", c.not_before);
    jw_ktime(w, "not_after", c.not_after);
    jw_kbool(w, "name_matches", cert_covers(&c, host));
    jw_key(w, "unusual");
    jw_array(w);
    const char *remark;
    for (size_t i = 0; (remark = cert_remark(c.unusual, i)) != NULL; i++)
        jw_str(w, remark);
    jw_end_array(w);
    jw_key(w, "names");
    jw_array(w);
    for (size_t i = 0; i < c.name_count && i < 100; i++)
        jw_str(w, c.names[i]);
    jw_end_array(w);
}

struct look {
    const char *host;
    int64_t port;
    enum starttls starttls;
};

static void report(struct scan *s, const struct look *l, const char *addr,
                   const struct tls_seen *seen, const struct err *err, struct arena *a)
{
    AUTO(buf) struct buf out = BUF(256 * 1024);
    struct json_writer w = JSON_WRITER(&out);
    jw_object(&w);
    jw_kstr(&w, "host", l->host);
    jw_ki64(&w, "port", l->port);
    jw_kstr(&w, "address", addr);
    if (l->starttls != STARTTLS_NONE)
        jw_kstr(&w, "starttls", starttls_name(l->starttls));
    if (seen)
        put_cert(&w, seen, l->host, a);
    if (err) {
        jw_key(&w, "error");
        jw_err(&w, err);
    }
    jw_end_object(&w);
    buf_addc(&out, '\n');
    if (out.bad == RC_OK)
        print_line(s, &out);
}

static void look_at(struct scan *s, const struct look *l, struct arena *a)
{
    struct net_addr *addrs;
    size_t n;
    struct err err;
    bool ip = host_is_ip(l->host, &(bool){false});
    int64_t deadline = clock_mono(clock_real()) + s->timeout;
    if (egress_resolve(&open_policy, l->host, (int)l->port, deadline, a, &addrs, &n, &err) !=
        RC_OK) {
        report(s, l, NULL, NULL, &err, a);
        set_status(s, 5);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct tls_seen seen;
        struct tls_probe p = {.addr = addrs[i],
                              .sni = ip ? NULL : l->host,
                              .starttls = l->starttls,
                              .deadline = clock_mono(clock_real()) + s->timeout};
        bool ok = tls_probe_do(&p, a, &seen, &err) == RC_OK;
        report(s, l, addrs[i].text, ok ? &seen : NULL, ok ? NULL : &err, a);
        if (!ok)
            set_status(s, 5);
    }
}

/* "[v6]:port/starttls" and its shorter forms. */
static bool parse_line(struct str line, struct arena *a, struct look *ret)
{
    struct str part;
    struct look l = {.port = 443};
    const char *slash = memchr(line.p, '/', line.n);
    if (slash) {
        part = (struct str){slash + 1, (size_t)(line.p + line.n - slash - 1)};
        const char *name = arena_str(a, part);
        if (!name || !starttls_from_name(name, &l.starttls))
            return false;
        line.n = (size_t)(slash - line.p);
    }
    const char *colon = memrchr(line.p, ':', line.n);
    bool bracket = line.n > 0 && line.p[0] == '[';
    if (colon && (!bracket || (colon > line.p && colon[-1] == ']'))) {
        part = (struct str){colon + 1, (size_t)(line.p + line.n - colon - 1)};
        if (!str_to_i64(part, 1, 65535, &l.port))
            return false;
        line.n = (size_t)(colon - line.p);
    }
    if (bracket && line.n >= 2 && line.p[line.n - 1] == ']')
        line = (struct str){line.p + 1, line.n - 2};
    l.host = arena_str(a, line);
    if (!l.host || !host_is_valid(l.host))
        return false;
    *ret = l;
    return true;
}

static bool next_line(struct scan *s, char line[LINE_MAX_BYTES])
{
    pthread_mutex_lock(&s->lock);
    bool got = fgets(line, LINE_MAX_BYTES, s->in) != NULL;
    pthread_mutex_unlock(&s->lock);
    return got;
}

static void bad_line(struct scan *s, struct str line)
{
    bool ja = strcmp(s->lang, "ja") == 0;
    (void)fprintf(stderr,
                  ja ? "inro scan: 「%.*s」は host:port[/starttls] の形ではありません\n"
                     : "inro scan: \"%.*s\" is not of the form host:port[/starttls]\n",
                  (int)(line.n > 200 ? 200 : line.n), line.p);
    set_status(s, 3);
}

static void *scan_run(void *arg)
{
    struct scan *s = arg;
    char line[LINE_MAX_BYTES];
    while (next_line(s, line)) {
        AUTO(arena) struct arena *a = arena_create((size_t)4 << 20);
        struct str text = str_trim(str_from(line));
        struct look l;
        if (!a || text.n == 0 || text.p[0] == '#')
            continue;
        if (parse_line(text, a, &l))
            look_at(s, &l, a);
        else
            bad_line(s, text);
    }
    return NULL;
}

static int usage(const char *lang)
{
    bool ja = strcmp(lang, "ja") == 0;
    (void)fprintf(stderr, "%s",
                  ja ? "使い方: inro scan [--timeout 秒] [FILE]\n"
                     : "usage: inro scan [--timeout SECONDS] [FILE]\n");
    return 2;
}

int scan_main(int argc, char *const argv[])
{
    struct scan s = {.in = stdin, .timeout = 10 * USEC_PER_SEC, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t th[SCAN_THREADS];
    const char *file = NULL;
    int64_t secs;
    int n = 0;

    s.lang = config_lang(argc, argv);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            continue; /* it is never anything else */
        } else if (strcmp(argv[i], "--lang") == 0) {
            i++;
        } else if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc &&
                   str_to_i64(str_from(argv[i + 1]), 1, 600, &secs)) {
            s.timeout = secs * USEC_PER_SEC;
            i++;
        } else if (argv[i][0] == '-' || file) {
            return usage(s.lang);
        } else {
            file = argv[i];
        }
    }
    if (file && !(s.in = fopen(file, "re"))) {
        perror(file);
        return 3;
    }
    json_init();
    crypto_init();
    for (; n < SCAN_THREADS; n++)
        if (pthread_create(&th[n], NULL, scan_run, &s) != 0)
            break;
    if (n == 0)
        (void)scan_run(&s);
    for (int i = 0; i < n; i++)
        (void)pthread_join(th[i], NULL);
    if (file)
        (void)fclose(s.in);
    return s.status;
}
