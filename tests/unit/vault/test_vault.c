/* The vault: who may have what, where a blob opens, and what survives a restart of the process. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "crypto/container.h"
#include "crypto/digest.h"
#include "crypto/envelope.h"
#include "net/ipc.h"
#include "vault/vault.h"

#define OK(e) assert_int_equal((e), RC_OK)

static char log_path[] = "/tmp/inro-vault-XXXXXX";
static struct arena *a;
static struct buf master_text = {.max = 4096, .secret = true};

static struct vault_server *serve(int log_fd)
{
    struct vault_server_options o = {.grant_log_fd = log_fd};
    struct vault_server *s = NULL;
    OK(master_key_load(buf_str(&master_text), NULL, &o.master, NULL));
    OK(vault_server_create(&o, &s, NULL));
    return s;
}

static int open_log(void)
{
    int fd = open(log_path, O_RDWR | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static size_t log_lines(void)
{
    size_t n = 0;
    int c;
    FILE *f = fopen(log_path, "r");
    assert_non_null(f);
    while ((c = fgetc(f)) != EOF)
        n += c == '\n';
    (void)fclose(f);
    return n;
}

static int setup(void **state)
{
    struct master_key *mk = NULL;
    (void)state;
    crypto_init();
    json_init();
    a = arena_create(0);
    int fd = mkstemp(log_path);
    OK(master_key_create(&mk, NULL));
    OK(master_key_save(mk, NULL, &master_text, NULL));
    master_key_destroy(mk);
    return fd >= 0 ? close(fd) : -1;
}

static int teardown(void **state)
{
    (void)state;
    arena_destroy(a);
    buf_free(&master_text);
    return unlink(log_path);
}

static const struct vault_grant grant = {.job_id = 7, .step = "item", .subject = "target web1"};

static void a_key_opens_for_its_use_and_place_only(void **state)
{
    struct vault_server *s = serve(open_log());
    struct vault *v = NULL;
    const char *sealed = NULL;
    AUTO(buf) struct buf spki = BUF(4096), out = BUF_SECRET(65536);
    unsigned char id[32], want[32];
    (void)state;
    OK(vault_local(s, true, &v, NULL));
    OK(vault_generate(v, VAULT_TLS_KEY, "version/1/key", KEY_EC256, a, &sealed, &spki, NULL));
    sha256(buf_str(&spki), want);
    OK(vault_check(v, VAULT_TLS_KEY, "version/1/key", sealed, id, NULL));
    assert_memory_equal(id, want, 32);
    assert_int_equal(vault_check(v, VAULT_TLS_KEY, "version/2/key", sealed, id, NULL), RC_CORRUPT);
    assert_int_equal(vault_check(v, VAULT_ACME_KEY, "version/1/key", sealed, id, NULL), RC_CORRUPT);
    assert_int_equal(vault_jws(v, "version/1/key", sealed, STR("x"), &out, NULL), RC_CORRUPT);
    assert_int_equal(vault_release(v, VAULT_SETTING, "version/1/key", sealed, &grant, &out, NULL),
                     RC_CORRUPT);
    assert_int_equal(out.len, 0);
    vault_close(v);
    vault_server_destroy(s);
}

/* Key and CSR of one call belong together, and a later CSR is of the same key. */
static void a_key_comes_with_its_csr(void **state)
{
    static const char *const dns[] = {"www.example.jp"};
    const struct csr_spec spec = {.dns = dns, .dns_count = 1};
    struct vault_server *s = serve(open_log());
    struct vault *v = NULL;
    struct csr_info info, later;
    const char *sealed = NULL;
    unsigned char want[32];
    AUTO(buf) struct buf spki = BUF(4096), der = BUF(65536), again = BUF(65536), same = BUF(65536);
    (void)state;
    OK(vault_local(s, true, &v, NULL));
    OK(vault_generate_csr(v, "version/1/key", KEY_EC256, &spec, a, &sealed, &spki, &der, NULL));
    OK(csr_parse(buf_str(&der), a, &info, &same, NULL));
    sha256(buf_str(&spki), want);
    assert_memory_equal(info.spki_sha256, want, 32);
    assert_int_equal(info.name_count, 1);
    assert_string_equal(info.names[0], "www.example.jp");
    OK(vault_csr(v, "version/1/key", sealed, &spec, &again, NULL));
    buf_clear(&same);
    OK(csr_parse(buf_str(&again), a, &later, &same, NULL));
    assert_memory_equal(later.spki_sha256, want, 32);
    assert_int_equal(vault_csr(v, "version/2/key", sealed, &spec, &again, NULL), RC_CORRUPT);
    vault_close(v);
    vault_server_destroy(s);
}

static void nothing_clear_leaves_without_its_grant_line(void **state)
{
    struct vault_server *s = serve(open_log());
    struct vault *v = NULL;
    const char *sealed = NULL;
    size_t before = log_lines();
    AUTO(buf) struct buf out = BUF_SECRET(65536);
    (void)state;
    OK(vault_local(s, true, &v, NULL));
    OK(vault_seal(v, "connector/3/password", STR("hunter2"), a, &sealed, NULL));
    assert_null(strstr(sealed, "hunter2"));
    OK(vault_release(v, VAULT_SETTING, "connector/3/password", sealed, &grant, &out, NULL));
    assert_string_equal(buf_cstr(&out), "hunter2");
    assert_int_equal(log_lines(), before + 1);
    vault_close(v);
    vault_server_destroy(s);

    /* The log's disk is full: /dev/full takes no byte. */
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    s = serve(full);
    struct err err;
    buf_clear(&out);
    OK(vault_local(s, true, &v, NULL));
    assert_int_equal(
        vault_release(v, VAULT_SETTING, "connector/3/password", sealed, &grant, &out, &err),
        RC_INTERNAL);
    assert_string_equal(err.id, "vault.grant_log");
    assert_int_equal(out.len, 0);
    vault_close(v);
    vault_server_destroy(s);
}

static void a_channel_that_may_not_release_cannot(void **state)
{
    struct vault_server *s = serve(open_log());
    struct vault *front = NULL, *clone = NULL;
    const char *sealed = NULL;
    AUTO(buf) struct buf out = BUF_SECRET(65536), spki = BUF(4096);
    struct csr_spec spec = {0};
    struct err err;
    (void)state;
    OK(vault_local(s, false, &front, NULL));
    OK(vault_seal(front, "connector/3/password", STR("hunter2"), a, &sealed, NULL));
    assert_int_equal(
        vault_release(front, VAULT_SETTING, "connector/3/password", sealed, &grant, &out, &err),
        RC_DENIED);
    assert_int_equal(vault_generate(front, VAULT_CA_KEY, "x", KEY_EC256, a, &sealed, &spki, &err),
                     RC_DENIED);
    assert_int_equal(vault_csr(front, "x", sealed, &spec, &out, &err), RC_DENIED);
    assert_int_equal(vault_jws(front, "x", sealed, STR("x"), &out, &err), RC_DENIED);
    assert_int_equal(vault_hs256(front, "x", sealed, STR("x"), &out, &err), RC_DENIED);
    /* nor can one it has the vault open for it */
    OK(vault_clone(front, &clone, NULL));
    assert_int_equal(
        vault_release(clone, VAULT_SETTING, "connector/3/password", sealed, &grant, &out, &err),
        RC_DENIED);
    assert_int_equal(out.len, 0);
    vault_close(clone);
    vault_close(front);
    vault_server_destroy(s);
}

static void a_key_is_exported_only_sealed(void **state)
{
    struct vault_server *s = serve(open_log());
    struct vault *v = NULL;
    const char *sealed = NULL;
    AUTO(buf) struct buf spki = BUF(4096), cert = BUF(65536), pem = BUF(65536), out = BUF(65536);
    AUTO(buf) struct buf opened = BUF_SECRET(65536);
    AUTO(key) struct key *issuer = NULL;
    const char *names[] = {"a.test"};
    struct issue_spec spec = {.subject = {.common_name = "a.test"},
                              .dns = names,
                              .dns_count = 1,
                              .not_after = 4102444800000000,
                              .path_len = -1,
                              .server_auth = true};
    struct container c;
    struct err err;
    (void)state;
    OK(vault_local(s, false, &v, NULL));
    OK(key_generate(KEY_EC256, &issuer, NULL));
    AUTO(buf) struct buf key_pem = BUF_SECRET(65536);
    OK(key_to_pem(issuer, &key_pem, NULL));
    OK(vault_import_key(v, VAULT_TLS_KEY, "version/9/key", buf_str(&key_pem), NULL, a, &sealed,
                        &spki, NULL));
    OK(cert_issue(issuer, STR(""), buf_str(&spki), &spec, &cert, NULL));
    cert_to_pem(buf_str(&cert), &pem);
    size_t before = log_lines();
    OK(vault_export(v, "version/9/key", sealed, VAULT_EXPORT_PKCS12, buf_str(&pem), "a.test",
                    "correct horse", &grant, &out, NULL));
    assert_int_equal(log_lines(), before + 1);
    assert_null(memmem(out.p, out.len, "PRIVATE KEY", 11));
    OK(container_read(buf_str(&out), "correct horse", &opened, &c, NULL));
    assert_int_equal(c.keys, 1);
    buf_clear(&out);
    assert_int_equal(vault_export(v, "version/9/key", sealed, VAULT_EXPORT_PKCS12, buf_str(&pem),
                                  "a.test", "short", &grant, &out, &err),
                     RC_INPUT);
    assert_string_equal(err.id, "crypto.container.short");
    assert_int_equal(out.len, 0);
    vault_close(v);
    vault_server_destroy(s);
}

static void handles_survive_a_restart_of_the_vault(void **state)
{
    struct vault_server *s = serve(open_log());
    struct vault *root = NULL, *clone = NULL;
    const char *sealed = NULL;
    int pair[2];
    unsigned char id[32];
    (void)state;
    OK(ipc_pair(pair, NULL));
    OK(vault_server_add(s, pair[1], true, NULL));
    OK(vault_connect(pair[0], &root, NULL));
    OK(vault_clone(root, &clone, NULL));
    OK(vault_seal(clone, "p", STR("text"), a, &sealed, NULL));
    vault_server_destroy(s); /* as a death: every channel closes */

    s = serve(open_log());
    OK(ipc_pair(pair, NULL));
    OK(vault_server_add(s, pair[1], true, NULL));
    OK(vault_reconnect(root, pair[0], NULL));
    OK(vault_check(clone, VAULT_SETTING, "p", sealed, id, NULL));
    OK(vault_ping(root, NULL));
    vault_close(clone);
    vault_close(root);
    vault_server_destroy(s);
}

static void malformed_requests_are_refused_and_harm_nobody(void **state)
{
    static const char *const bodies[] = {"", "\2\0\0\0\1x", "\3\0\0\0\3a\0b", "\x03\0\0\0\0"};
    static const size_t sizes[] = {0, 6, 8, 5};
    struct vault_server *s = serve(open_log());
    AUTO(buf) struct buf in = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    int pair[2];
    (void)state;
    OK(ipc_pair(pair, NULL));
    OK(vault_server_add(s, pair[1], true, NULL));
    for (int kind = 0; kind < 256; kind += 3) {
        for (size_t i = 0; i < COUNT_OF(bodies); i++) {
            OK(ipc_send(pair[0], ipc_soon(), (enum ipc_kind)kind, 5,
                        (struct str){bodies[i], sizes[i]}, -1, NULL));
            OK(ipc_recv(pair[0], 0, &in, &f, NULL));
            /* Calls that need nothing (ping) are answered whatever they carry. */
            if (kind < IPC_VAULT_FIRST || kind > IPC_VAULT_LAST)
                assert_int_equal(f.kind, IPC_ERROR);
            assert_int_equal(f.id, 5);
        }
    }
    OK(ipc_send(pair[0], ipc_soon(), (enum ipc_kind)IPC_VAULT_FIRST, 6, STR(""), -1, NULL));
    OK(ipc_recv(pair[0], 0, &in, &f, NULL));
    assert_int_equal(f.kind, IPC_REPLY);
    close(pair[0]);
    vault_server_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_opens_for_its_use_and_place_only),
        cmocka_unit_test(a_key_comes_with_its_csr),
        cmocka_unit_test(nothing_clear_leaves_without_its_grant_line),
        cmocka_unit_test(a_channel_that_may_not_release_cannot),
        cmocka_unit_test(a_key_is_exported_only_sealed),
        cmocka_unit_test(handles_survive_a_restart_of_the_vault),
        cmocka_unit_test(malformed_requests_are_refused_and_harm_nobody),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
