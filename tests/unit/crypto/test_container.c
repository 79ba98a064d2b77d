/* Containers: what we write opens with openssl and keytool's rules; what is hostile is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/os/proc.h"
#include "crypto/container.h"
#include "crypto/digest.h"
#include "crypto/issue.h"

#define OK(e) assert_int_equal((e), RC_OK)

static char dir[] = "/tmp/inro-container-XXXXXX";
static struct key *key;
static struct buf der = {.max = CERT_MAX_BYTES};
static struct arena *a;
static struct cert_list chain;

static int setup(void **state)
{
    AUTO(buf) struct buf spki = BUF(4096), pem = BUF(65536);
    const char *names[] = {"a.test"};
    struct issue_spec s = {.subject = {.common_name = "a.test"},
                           .dns = names,
                           .dns_count = 1,
                           .not_before = 0,
                           .not_after = 4000 * USEC_PER_DAY * 6,
                           .path_len = -1,
                           .server_auth = true};
    (void)state;
    crypto_init();
    a = arena_create(0);
    OK(key_generate(KEY_EC256, &key, NULL));
    OK(key_spki(key, &spki, NULL));
    OK(cert_issue(key, STR(""), buf_str(&spki), &s, &der, NULL));
    cert_to_pem(buf_str(&der), &pem);
    OK(cert_parse_pem(buf_str(&pem), true, a, &chain, NULL));
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    const char *const rm[] = {"/bin/rm", "-rf", dir, NULL};
    struct proc_result r;
    AUTO(buf) struct buf out = BUF(1024);
    (void)state;
    OK(proc_run(rm, NULL, 5 * USEC_PER_SEC, NULL, &out, &r, NULL));
    key_destroy(key);
    buf_free(&der);
    arena_destroy(a);
    return 0;
}

/* A command in dir; its output, and whether it ended well. */
static bool run(const char *const *argv, struct buf *out)
{
    struct proc_result r = {0};
    enum rc rc = proc_run(argv, NULL, 60 * USEC_PER_SEC, NULL, out, &r, NULL);
    if (rc != RC_OK || r.status != 0)
        print_message("%s: %s\n", argv[0], buf_cstr(out));
    return rc == RC_OK && r.status == 0;
}

static const char *path(const char *name)
{
    char *p = arena_printf(a, "%s/%s", dir, name);
    assert_non_null(p);
    return p;
}

static void put(const char *name, struct str bytes)
{
    OK(file_write_atomic(path(name), bytes, 0600, (uid_t)-1, (gid_t)-1, NULL));
}

static void same_key(struct str pem, const char *password)
{
    AUTO(key) struct key *got = NULL;
    unsigned char one[32], two[32];
    OK(key_from_pem(pem, password, &got, NULL));
    OK(key_spki_sha256(got, one, NULL));
    OK(key_spki_sha256(key, two, NULL));
    assert_memory_equal(one, two, 32);
}

static void pkcs12_round_trip(void **state)
{
    AUTO(buf) struct buf p12 = BUF(65536), pem = BUF_SECRET(65536), out = BUF(65536);
    struct container c;
    struct err err;
    (void)state;
    OK(pkcs12_write(key, &chain, "a.test", "correct horse", &p12, NULL));
    put("a.p12", buf_str(&p12));
    const char *const look[] = {"/usr/bin/openssl",   "pkcs12", "-in", path("a.p12"), "-passin",
                                "pass:correct horse", "-nodes", NULL};
    assert_true(run(look, &out));
    same_key(pem_find_key(buf_str(&out)), NULL);
    OK(container_read(buf_str(&p12), "correct horse", &pem, &c, NULL));
    assert_string_equal(c.kind, "PKCS#12");
    assert_false(c.weak);
    assert_int_equal(c.keys, 1);
    same_key(pem_find_key(buf_str(&pem)), NULL);
    buf_clear(&pem);
    assert_int_equal(container_read(buf_str(&p12), "wrong", &pem, &c, &err), RC_INPUT);
    assert_string_equal(err.id, "crypto.container.wrong");
    assert_int_equal(container_read(buf_str(&p12), NULL, &pem, &c, &err), RC_INPUT);
    assert_string_equal(err.id, "crypto.container.password");
    assert_int_equal(pkcs12_write(key, &chain, "a", "short", &p12, &err), RC_INPUT);
    assert_int_equal(pem.len, 0);
}

static void pkcs12_changed_anywhere_is_refused(void **state)
{
    AUTO(buf) struct buf p12 = BUF(65536);
    struct container c;
    (void)state;
    OK(pkcs12_write(key, &chain, "a.test", "correct horse", &p12, NULL));
    for (size_t i = 0; i < p12.len; i += 29) {
        AUTO(buf) struct buf pem = BUF_SECRET(65536);
        p12.p[i] = (char)(p12.p[i] ^ 0x10);
        if (container_read(buf_str(&p12), "correct horse", &pem, &c, NULL) == RC_OK)
            fail_msg("octet %zu of %zu: read as %s", i, p12.len, c.kind);
        p12.p[i] = (char)(p12.p[i] ^ 0x10);
    }
}

static void pkcs12_weak_is_read_and_said(void **state)
{
    AUTO(buf) struct buf key_pem = BUF_SECRET(65536), cert_pem = BUF(65536), out = BUF(65536);
    AUTO(buf) struct buf file = BUF(65536), pem = BUF_SECRET(65536);
    struct container c;
    (void)state;
    OK(key_to_pem(key, &key_pem, NULL));
    cert_to_pem(buf_str(&der), &cert_pem);
    put("k.pem", buf_str(&key_pem));
    put("c.pem", buf_str(&cert_pem));
    const char *const make[] = {"/usr/bin/openssl",
                                "pkcs12",
                                "-export",
                                "-legacy",
                                "-inkey",
                                path("k.pem"),
                                "-in",
                                path("c.pem"),
                                "-out",
                                path("weak.p12"),
                                "-passout",
                                "pass:correct horse",
                                NULL};
    assert_true(run(make, &out));
    OK(file_read(path("weak.p12"), &file, NULL));
    OK(container_read(buf_str(&file), "correct horse", &pem, &c, NULL));
    assert_true(c.weak);
    same_key(pem_find_key(buf_str(&pem)), NULL);
}

/* The MAC's rounds, the last INTEGER of the file, are made 2^31 - 1 by growing it in place: the
 * outer lengths are mended by hand, as an attacker would. */
static void pkcs12_costly_is_refused_at_once(void **state)
{
    AUTO(buf) struct buf out = BUF(65536), pem = BUF_SECRET(65536);
    AUTO(buf) struct buf file = BUF(65536), big = BUF(65536);
    struct container c;
    struct err err;
    (void)state;
    const char *const make[] = {"/usr/bin/openssl",
                                "pkcs12",
                                "-export",
                                "-inkey",
                                path("k.pem"),
                                "-in",
                                path("c.pem"),
                                "-out",
                                path("iter.p12"),
                                "-passout",
                                "pass:correct horse",
                                "-iter",
                                "2048",
                                NULL};
    assert_true(run(make, &out));
    OK(file_read(path("iter.p12"), &file, NULL));
    assert_memory_equal(file.p + file.len - 4, "\x02\x02\x08\x00", 4);
    buf_add(&big, file.p, file.len - 4);
    buf_add(&big, "\x02\x04\x7f\xff\xff\xff", 6);
    /* SEQUENCE of the whole file, and of the MAC: two octets more each. */
    unsigned n = (unsigned)((unsigned char)big.p[2] << 8 | (unsigned char)big.p[3]) + 2;
    big.p[2] = (char)(n >> 8);
    big.p[3] = (char)n;
    size_t mac = file.len - 2;
    while (mac > 0 &&
           (file.p[mac] != 0x30 || (size_t)(unsigned char)file.p[mac + 1] + mac + 2 != file.len))
        mac--;
    assert_true(mac > 0);
    size_t outer = mac;
    big.p[outer + 1] = (char)(big.p[outer + 1] + 2);
    int64_t begin = clock_mono(clock_real());
    assert_int_equal(container_read(buf_str(&big), "correct horse", &pem, &c, &err), RC_INPUT);
    assert_string_equal(err.id, "crypto.container.costly");
    assert_true(clock_mono(clock_real()) - begin < USEC_PER_SEC);
}

static void pkcs7_and_der_round_trip(void **state)
{
    AUTO(buf) struct buf p7 = BUF(65536), pem = BUF_SECRET(65536), empty = BUF(65536);
    struct container c;
    struct cert_list none = {0};
    struct err err;
    (void)state;
    OK(pkcs7_write(&chain, &p7, NULL));
    OK(container_read(buf_str(&p7), NULL, &pem, &c, NULL));
    assert_string_equal(c.kind, "PKCS#7");
    struct cert_list got;
    OK(cert_parse_pem(buf_str(&pem), true, a, &got, NULL));
    assert_int_equal(got.n, 1);
    assert_memory_equal(got.v[0].sha256, chain.v[0].sha256, 32);
    buf_clear(&pem);
    OK(container_read(buf_str(&der), NULL, &pem, &c, NULL));
    assert_string_equal(c.kind, "DER");
    OK(pkcs7_write(&none, &empty, NULL));
    assert_int_equal(container_read(buf_str(&empty), NULL, &pem, &c, &err), RC_INPUT);
    assert_string_equal(err.id, "crypto.pkcs7.empty");
    buf_addc(&der, 0);
    assert_int_equal(container_read(buf_str(&der), NULL, &pem, &c, &err), RC_INPUT);
    buf_truncate(&der, der.len - 1);
    assert_int_equal(container_read(STR("0\x82\xff"), NULL, &pem, &c, &err), RC_INPUT);
    assert_string_equal(err.id, "crypto.container.unknown");
}

static void encrypted_pem_opens_with_its_password_only(void **state)
{
    AUTO(buf) struct buf pem = BUF(65536);
    AUTO(key) struct key *got = NULL;
    (void)state;
    OK(key_to_encrypted_pem(key, "correct horse", &pem, NULL));
    assert_non_null(strstr(buf_cstr(&pem), "BEGIN ENCRYPTED PRIVATE KEY"));
    same_key(buf_str(&pem), "correct horse");
    assert_int_equal(key_from_pem(buf_str(&pem), "wrong", &got, NULL), RC_INPUT);
}

/* Java's own keytool is the judge. */
static void jks_opens_with_keytool(void **state)
{
    AUTO(buf) struct buf jks = BUF(65536), out = BUF(65536);
    struct err err;
    (void)state;
    OK(jks_write(key, &chain, "a.test", "correct horse", 1700000000 * USEC_PER_SEC, &jks, NULL));
    assert_memory_equal(jks.p, "\xfe\xed\xfe\xed\0\0\0\2", 8);
    put("a.jks", buf_str(&jks));
    const char *const look[] = {"/usr/bin/keytool", "-importkeystore",
                                "-noprompt",        "-srckeystore",
                                path("a.jks"),      "-srcstorepass",
                                "correct horse",    "-destkeystore",
                                path("b.p12"),      "-deststoretype",
                                "PKCS12",           "-deststorepass",
                                "correct horse",    NULL};
    assert_true(run(look, &out));
    AUTO(buf) struct buf p12 = BUF(65536), pem = BUF_SECRET(65536);
    struct container c;
    OK(file_read(path("b.p12"), &p12, NULL));
    OK(container_read(buf_str(&p12), "correct horse", &pem, &c, NULL));
    same_key(pem_find_key(buf_str(&pem)), NULL);
    assert_int_equal(jks_write(key, &chain, "a", "p\xc3\xa4ssword", 0, &jks, &err), RC_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pkcs12_round_trip),
        cmocka_unit_test(pkcs12_changed_anywhere_is_refused),
        cmocka_unit_test(pkcs12_weak_is_read_and_said),
        cmocka_unit_test(pkcs12_costly_is_refused_at_once),
        cmocka_unit_test(pkcs7_and_der_round_trip),
        cmocka_unit_test(encrypted_pem_opens_with_its_password_only),
        cmocka_unit_test(jks_opens_with_keytool),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
