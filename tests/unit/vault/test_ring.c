/* The vault's master keys: sealed start, unsealing, changing the passphrase, moving to a new key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/json.h"
#include "crypto/digest.h"
#include "crypto/keyring.h"
#include "vault/vault.h"

struct rig {
    struct arena *a;
    struct vault_server *s;
    struct vault *worker, *front;
    int log;
};

static void start(struct rig *r, const char *file, const char *passphrase)
{
    r->a = arena_create(0);
    r->log = memfd_create("grants", 0);
    struct vault_server_options o = {
        .key_file = str_from(file), .passphrase = passphrase, .grant_log_fd = r->log};
    assert_int_equal(vault_server_create(&o, &r->s, NULL), RC_OK);
    assert_int_equal(vault_local(r->s, true, &r->worker, NULL), RC_OK);
    assert_int_equal(vault_local(r->s, false, &r->front, NULL), RC_OK);
}

static void stop(struct rig *r)
{
    vault_close(r->worker);
    vault_close(r->front);
    vault_server_destroy(r->s);
    arena_destroy(r->a);
}

static const char *key_file(struct arena *a, const char *passphrase)
{
    struct master_key *mk = NULL;
    AUTO(buf) struct buf b = BUF_SECRET(4096);
    assert_int_equal(master_key_create(&mk, NULL), RC_OK);
    assert_int_equal(master_key_save(mk, passphrase, &b, NULL), RC_OK);
    master_key_destroy(mk);
    return arena_str(a, buf_str(&b));
}

static const char *text_of(int fd, struct arena *a)
{
    char text[KEYRING_FILE_MAX + 1] = {0};
    assert_true(pread(fd, text, KEYRING_FILE_MAX, 0) > 0);
    return arena_strdup(a, text);
}

static void sealed_until_the_right_passphrase(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct rig r;
    struct vault_status st;
    struct err err = {0};
    const char *sealed = NULL;
    start(&r, key_file(a, "good passphrase"), NULL);
    assert_non_null(vault_server_why(r.s));
    assert_int_equal(vault_ping(r.front, NULL), RC_OK);
    assert_int_equal(vault_seal(r.front, "connector/1/x", STR("v"), a, &sealed, &err), RC_BUSY);
    assert_string_equal(err.id, "vault.sealed");
    assert_true(err.retry_at > clock_now(clock_real()));
    assert_int_equal(vault_status_get(r.front, &st, NULL), RC_OK);
    assert_true(st.sealed && st.has_passphrase);
    assert_string_equal(st.why.id, "crypto.master.needed");
    assert_int_equal(vault_unseal(r.front, STR("bad passphrase"), &err), RC_AUTH);
    assert_int_equal(vault_status_get(r.front, &st, NULL), RC_OK);
    assert_true(st.sealed);
    assert_int_equal(vault_unseal(r.front, STR("good passphrase"), NULL), RC_OK);
    assert_int_equal(vault_seal(r.front, "connector/1/x", STR("v"), a, &sealed, &err), RC_OK);
    assert_int_equal(vault_status_get(r.front, &st, NULL), RC_OK);
    assert_true(!st.sealed && st.keys == 1 && strlen(st.key_id) == 16);
    assert_null(vault_server_why(r.s));
    stop(&r);
}

static void damaged_or_missing_key_file_says_why(void **state)
{
    (void)state;
    struct rig r = {.a = arena_create(0), .log = -1};
    struct vault_status st;
    struct err why = {0}, err = {0};
    assert_int_equal(FAIL(&why, RC_NOT_FOUND, BLAME_INPUT, MSG("t.gone", "gone", "なし")),
                     RC_NOT_FOUND);
    struct vault_server_options o = {.why = &why, .grant_log_fd = -1};
    assert_int_equal(vault_server_create(&o, &r.s, NULL), RC_OK);
    assert_int_equal(vault_local(r.s, false, &r.front, NULL), RC_OK);
    assert_int_equal(vault_status_get(r.front, &st, NULL), RC_OK);
    assert_string_equal(st.why.id, "t.gone");
    assert_int_equal(vault_unseal(r.front, STR("any passphrase"), &err), RC_NOT_FOUND);
    r.worker = NULL;
    stop(&r);
    start(&r, "inro-master-key-1 AAAA\n", NULL);
    assert_int_equal(vault_status_get(r.front, &st, NULL), RC_OK);
    assert_true(st.sealed);
    assert_string_equal(st.why.id, "crypto.master.file");
    stop(&r);
}

static void passphrase_is_changed_by_who_knows_it(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct rig r;
    struct err err = {0};
    struct keyring *k = NULL;
    start(&r, key_file(a, "first passphrase"), "first passphrase");
    int fd = memfd_create("key", 0);
    assert_int_equal(vault_ring_change(r.front, RING_PASSPHRASE, "wrong passphrase", "x", fd, &err),
                     RC_AUTH);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    assert_int_equal(vault_ring_commit(r.front, &err), RC_CONFLICT);
    assert_int_equal(vault_ring_change(r.front, RING_PASSPHRASE, "first passphrase",
                                       "second passphrase", fd, &err),
                     RC_OK);
    assert_int_equal(vault_ring_commit(r.front, &err), RC_OK);
    const char *file = text_of(fd, a);
    assert_int_equal(keyring_load(str_from(file), "first passphrase", &k, NULL), RC_AUTH);
    assert_int_equal(keyring_load(str_from(file), "second passphrase", &k, NULL), RC_OK);
    keyring_destroy(k);
    close(fd);
    stop(&r);
}

static void values_move_to_a_new_key(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct rig r;
    struct vault_status before, st;
    struct err err = {0};
    struct vault_grant grant = {1, "deploy.apply", "t"};
    AUTO(buf) struct buf clear = BUF_SECRET(100);
    const char *old = NULL, *now = NULL, *again = NULL;
    const char *const places[] = {"acme-key:connector/3/password", "setting:connector/3/password"};
    start(&r, key_file(a, NULL), NULL);
    assert_int_equal(vault_status_get(r.front, &before, NULL), RC_OK);
    assert_int_equal(vault_seal(r.front, "connector/3/password", STR("secret"), a, &old, NULL),
                     RC_OK);
    int fd = memfd_create("key", 0);
    assert_int_equal(vault_ring_change(r.front, RING_ADD_KEY, NULL, NULL, fd, NULL), RC_OK);
    assert_int_equal(vault_ring_commit(r.front, NULL), RC_OK);
    assert_int_equal(vault_status_get(r.front, &st, NULL), RC_OK);
    assert_int_equal(st.keys, 2);
    assert_string_not_equal(st.key_id, before.key_id);
    assert_int_equal(vault_reseal(r.front, old, places, 2, a, &now, &err), RC_DENIED);
    assert_int_equal(vault_reseal(r.worker, old, places, 1, a, &now, &err), RC_CORRUPT);
    assert_int_equal(vault_reseal(r.worker, old, places, 2, a, &now, &err), RC_OK);
    assert_string_not_equal(old, now);
    assert_int_equal(vault_reseal(r.worker, now, places, 2, a, &again, &err), RC_OK);
    assert_string_equal(now, again);
    /* killed here, the file opens both; when the old key is gone, only what has moved */
    stop(&r);
    start(&r, text_of(fd, a), NULL);
    close(fd);
    assert_int_equal(
        vault_release(r.worker, VAULT_SETTING, "connector/3/password", old, &grant, &clear, NULL),
        RC_OK);
    fd = memfd_create("key", 0);
    assert_int_equal(vault_ring_change(r.front, RING_DROP_OLD, NULL, NULL, fd, NULL), RC_DENIED);
    assert_int_equal(vault_ring_change(r.worker, RING_DROP_OLD, NULL, NULL, fd, NULL), RC_OK);
    assert_int_equal(vault_ring_commit(r.worker, NULL), RC_OK);
    assert_int_equal(
        vault_release(r.worker, VAULT_SETTING, "connector/3/password", old, &grant, &clear, NULL),
        RC_CORRUPT);
    buf_clear(&clear);
    assert_int_equal(
        vault_release(r.worker, VAULT_SETTING, "connector/3/password", now, &grant, &clear, NULL),
        RC_OK);
    assert_string_equal(buf_cstr(&clear), "secret");
    close(fd);
    stop(&r);
}

static void backup_gets_the_key_under_its_own_passphrase(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf file = BUF_SECRET(4096);
    struct rig r;
    struct keyring *k = NULL;
    struct vault_grant grant = {9, "backup.write", "backup"};
    const char *sealed = NULL;
    start(&r, key_file(a, NULL), NULL);
    assert_int_equal(
        vault_seal(r.front, "backup/1/passphrase", STR("of the backup"), a, &sealed, NULL), RC_OK);
    assert_int_equal(vault_wrap(r.front, "backup/1/passphrase", sealed, &grant, &file, NULL),
                     RC_DENIED);
    assert_int_equal(vault_wrap(r.worker, "backup/1/passphrase", sealed, &grant, &file, NULL),
                     RC_OK);
    assert_int_equal(keyring_load(buf_str(&file), "something", &k, NULL), RC_AUTH);
    assert_int_equal(keyring_load(buf_str(&file), "of the backup", &k, NULL), RC_OK);
    keyring_destroy(k);
    assert_non_null(strstr(text_of(r.log, a), "backup.write"));
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_until_the_right_passphrase),
        cmocka_unit_test(damaged_or_missing_key_file_says_why),
        cmocka_unit_test(passphrase_is_changed_by_who_knows_it),
        cmocka_unit_test(values_move_to_a_new_key),
        cmocka_unit_test(backup_gets_the_key_under_its_own_passphrase),
    };
    json_init();
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
