/*
 * What the crypto tests share: keys, certificates made by the room itself, certificates crafted
 * with OpenSSL to be odd, and the openssl command as a second opinion.
 */
#ifndef INRO_TEST_CRYPTO_RIG_H
#define INRO_TEST_CRYPTO_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/os/proc.h"
#include "crypto/cert.h"
#include "crypto/csr.h"
#include "crypto/digest.h"
#include "crypto/issue.h"
#include "crypto/key.h"

#define RIG_NOW   ((int64_t)1764115200 * USEC_PER_SEC) /* 2025-11-26 */
#define RIG_YEAR  (365 * USEC_PER_DAY)
#define UNUSED(x) ((void)(x))

static inline struct key *rig_key(enum key_alg alg)
{
    struct key *k = NULL;
    assert_int_equal(key_generate(alg, &k, NULL), RC_OK);
    return k;
}

/* One certificate with its key. */
struct rig_cert {
    struct key *key;
    struct buf der;
};

static inline void rig_cert_free(struct rig_cert *c)
{
    key_destroy(c->key);
    buf_free(&c->der);
}

static inline struct str rig_der(const struct rig_cert *c)
{
    return buf_str(&c->der);
}

static inline struct issue_spec rig_spec(const char *cn, bool ca)
{
    return (struct issue_spec){.subject = {.common_name = cn},
                               .not_before = RIG_NOW - USEC_PER_DAY,
                               .not_after = RIG_NOW + RIG_YEAR,
                               .ca = ca,
                               .path_len = -1,
                               .server_auth = !ca};
}

/* issuer NULL: self-signed. A key already in *c is kept. */
static inline void rig_issue(struct rig_cert *c, const struct rig_cert *issuer,
                             const struct issue_spec *spec)
{
    AUTO(buf) struct buf spki = BUF(8192);
    struct err err = {0};
    if (!c->key)
        c->key = rig_key(KEY_EC256);
    c->der = BUF(CERT_MAX_BYTES);
    assert_int_equal(key_spki(c->key, &spki, NULL), RC_OK);
    assert_int_equal(cert_issue(issuer ? issuer->key : c->key, issuer ? rig_der(issuer) : STR_NONE,
                                buf_str(&spki), spec, &c->der, &err),
                     RC_OK);
}

static inline void rig_ca(struct rig_cert *c, const struct rig_cert *issuer, const char *cn)
{
    struct issue_spec s = rig_spec(cn, true);
    rig_issue(c, issuer, &s);
}

static inline void rig_leaf(struct rig_cert *c, const struct rig_cert *issuer, const char *name)
{
    struct issue_spec s = rig_spec(name, false);
    const char *const names[] = {name};
    s.dns = names;
    s.dns_count = 1;
    rig_issue(c, issuer, &s);
}

static inline void rig_parse(const struct rig_cert *c, struct arena *a, struct cert_info *ret)
{
    assert_int_equal(cert_parse(rig_der(c), a, ret, NULL), RC_OK);
}

/* ---- the openssl command ---- */

static char rig_dir[64];

static inline int rig_setup(void **state)
{
    UNUSED(state);
    crypto_init();
    (void)snprintf(rig_dir, sizeof rig_dir, "/tmp/inro-crypto-XXXXXX");
    return mkdtemp(rig_dir) ? 0 : 1;
}

static inline int rig_teardown(void **state)
{
    const char *const argv[] = {"rm", "-rf", rig_dir, NULL};
    struct proc_result r;
    AUTO(buf) struct buf out = BUF(4096);
    UNUSED(state);
    return proc_run(argv, NULL, 10 * USEC_PER_SEC, NULL, &out, &r, NULL) == RC_OK ? 0 : 1;
}

/* A file of the test's folder; the name lives until the eighth call after. */
static inline const char *rig_path(const char *name)
{
    static char ring[8][128];
    static unsigned next;
    char *p = ring[next++ % 8];
    (void)snprintf(p, sizeof ring[0], "%s/%s", rig_dir, name);
    return p;
}

static inline const char *rig_write(const char *name, struct str data)
{
    const char *p = rig_path(name);
    assert_int_equal(file_write_atomic(p, data, 0600, (uid_t)-1, (gid_t)-1, NULL), RC_OK);
    return p;
}

static inline void rig_read(const char *name, struct buf *out)
{
    struct err err = {0};
    if (file_read(rig_path(name), out, &err) != RC_OK)
        fail_msg("%s", err.en);
}

/* Runs openssl with these arguments (NULL-terminated); gives its exit status. */
static inline int rig_openssl(struct buf *out, const char *const *args)
{
    const char *argv[40] = {"openssl"};
    struct proc_result r = {0};
    size_t n = 1;
    for (; args[n - 1] && n < COUNT_OF(argv) - 1; n++)
        argv[n] = args[n - 1];
    assert_int_equal(proc_run(argv, NULL, 30 * USEC_PER_SEC, NULL, out, &r, NULL), RC_OK);
    return r.status;
}
#define OPENSSL(out, ...) rig_openssl((out), (const char *const[]){__VA_ARGS__, NULL})

static inline void rig_must_openssl(const char *const *args)
{
    AUTO(buf) struct buf out = BUF(65536);
    if (rig_openssl(&out, args) != 0)
        fail_msg("openssl: %s", buf_cstr(&out));
}
#define MUST_OPENSSL(...) rig_must_openssl((const char *const[]){__VA_ARGS__, NULL})

/* The n-th allocation fails; then: was there an n-th? A loop over n ends when there was none. */
static long rig_from;

static inline void rig_fail(long n)
{
    rig_from = mem_count();
    mem_fail_after(n, false);
}

static inline bool rig_failed(long n)
{
    mem_fail_after(0, false);
    return mem_count() - rig_from >= n;
}

/* Fails with the error's text when it is not this code with this message. */
static inline void rig_expect_(enum rc got, enum rc rc, const char *id, const struct err *err,
                               int line)
{
    if (got != rc || (id && strcmp(err->id, id) != 0))
        fail_msg("line %d: %s/%s where %s/%s was expected: %s", line, rc_name(got), err->id,
                 rc_name(rc), id ? id : "", err->en);
    if (rc != RC_OK)
        assert_true(err->en[0] && err->ja[0]);
}
#define EXPECT(call, code, id)                                                                     \
    do {                                                                                           \
        struct err err = {0};                                                                      \
        enum rc got_ = (call);                                                                     \
        rig_expect_(got_, (code), (id), &err, __LINE__);                                           \
    } while (0)

#endif
