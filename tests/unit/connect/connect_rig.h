/*
 * What a connector test needs around it: a vault in this process, a context with fake ports, and a
 * host made of a table in memory whose n-th operation can be made to fail.
 */
#ifndef INRO_TEST_CONNECT_RIG_H
#define INRO_TEST_CONNECT_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/mem.h"
#include "connect/connect.h"
#include "connect/host.h"
#include "crypto/digest.h"
#include "crypto/jws.h"

/* ---- vault: every function of vault.h, so that the real one is never linked beside it ---- */
struct vault {
    int unused;
};
static struct vault the_vault;
static struct key *rig_keys[256];
static int rig_key_count, rig_releases;
static const char *rig_secret = "clear-s3cret-text"; /* what every setting opens to */

static struct key *rig_key(const char *sealed)
{
    assert_true(sealed && sealed[0] == 'k');
    return rig_keys[strtol(sealed + 1, NULL, 10)];
}

enum rc vault_generate(struct vault *v, enum vault_usage usage, const char *place, enum key_alg alg,
                       struct arena *a, const char **ret_sealed, struct buf *ret_spki,
                       struct err *err)
{
    struct key *k = NULL;
    (void)v, (void)usage, (void)place;
    TRY(key_generate(alg, &k, err));
    assert_true(rig_key_count < (int)COUNT_OF(rig_keys));
    rig_keys[rig_key_count] = k;
    *ret_sealed = arena_printf(a, "k%d", rig_key_count++);
    TRY(key_spki(k, ret_spki, err));
    return *ret_sealed ? RC_OK : NOMEM(err);
}
enum rc vault_jwk(struct vault *v, const char *place, const char *sealed, struct buf *ret_jwk,
                  struct buf *ret_thumbprint, const char **ret_alg, struct err *err)
{
    enum key_alg alg;
    (void)v, (void)place;
    assert_true(key_alg_of(rig_key(sealed), &alg));
    *ret_alg = jws_alg(alg);
    TRY(jwk_public(rig_key(sealed), ret_jwk, err));
    return jwk_thumbprint(rig_key(sealed), ret_thumbprint, err);
}
enum rc vault_jws(struct vault *v, const char *place, const char *sealed, struct str signing_input,
                  struct buf *ret_signature, struct err *err)
{
    (void)v, (void)place;
    return jws_sign(rig_key(sealed), signing_input, ret_signature, err);
}
enum rc vault_hs256(struct vault *v, const char *place, const char *sealed,
                    struct str signing_input, struct buf *ret_signature, struct err *err)
{
    (void)v, (void)place, (void)sealed;
    return jws_hs256(str_from(rig_secret), signing_input, ret_signature, err);
}
enum rc vault_issue(struct vault *v, const char *place, const char *sealed,
                    struct str issuer_cert_der, struct str subject_spki,
                    const struct issue_spec *spec, struct buf *ret_der, struct err *err)
{
    (void)v, (void)place;
    return cert_issue(rig_key(sealed), issuer_cert_der, subject_spki, spec, ret_der, err);
}
enum rc vault_release(struct vault *v, enum vault_usage usage, const char *place,
                      const char *sealed, const struct vault_grant *grant, struct buf *out_secret,
                      struct err *err)
{
    (void)v, (void)place;
    assert_non_null(grant);
    rig_releases++;
    if (usage == VAULT_TLS_KEY)
        return key_to_pem(rig_key(sealed), out_secret, err);
    buf_adds(out_secret, rig_secret);
    return buf_ok(out_secret, err);
}
enum rc vault_ping(struct vault *v, struct err *err)
{
    (void)v, (void)err;
    return RC_OK;
}

/* ---- context ---- */
static atomic_bool rig_cancel;
static struct conn_shared rig_shared = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct clock rig_clock;
static char *rig_state, *rig_receipt; /* last saved */
static char rig_activity[8192];
static int rig_saves;
static long rig_fail_save; /* 1 = the next receipt cannot be saved */

static enum rc rig_keep(char **slot, const char *text, struct err *err)
{
    char *copy = mem_strdup(text);
    if (!copy)
        return NOMEM(err);
    mem_free(*slot);
    *slot = copy;
    rig_saves++;
    return RC_OK;
}
static enum rc rig_state_save(struct ctx *ctx, const char *json, struct err *err)
{
    (void)ctx;
    return rig_keep(&rig_state, json, err);
}
static enum rc rig_receipt_save(struct ctx *ctx, const char *json, struct err *err)
{
    (void)ctx;
    if (rig_fail_save && --rig_fail_save == 0)
        return FAIL(err, RC_BUSY, BLAME_US, MSG("test.busy", "busy", "使用中"));
    return rig_keep(&rig_receipt, json, err);
}
static void rig_on_activity(struct ctx *ctx, const struct msg *m, const char *const *args)
{
    (void)ctx;
    size_t n = strlen(rig_activity);
    if (n < sizeof rig_activity - 600)
        msg_render(m, "en", args, rig_activity + n, sizeof rig_activity - n);
}

static struct ctx rig_ctx(struct arena *a)
{
    static bool once;
    if (!once) {
        crypto_init();
        json_init();
        clock_fake_init(&rig_clock, (int64_t)1800000000 * USEC_PER_SEC);
        once = true;
    }
    rig_cancel = false;
    return (struct ctx){.arena = a,
                        .clock = &rig_clock,
                        .cancel = &rig_cancel,
                        .connector_id = 7,
                        .connector_name = "test",
                        .shared = &rig_shared,
                        .vault = &the_vault,
                        .grant = {1, "test", "test"},
                        .state_save = rig_state_save,
                        .receipt_save = rig_receipt_save,
                        .activity = rig_on_activity};
}

static void rig_forget(void)
{
    mem_free(rig_state);
    mem_free(rig_receipt);
    rig_state = rig_receipt = NULL;
    rig_activity[0] = 0;
    if (rig_shared.destroy)
        rig_shared.destroy(rig_shared.data);
    rig_shared.data = NULL;
    rig_shared.destroy = NULL;
    for (int i = 0; i < rig_key_count; i++)
        key_destroy(rig_keys[i]);
    rig_key_count = rig_releases = 0;
}

/* JSON text -> settings struct; the test fails when the table refuses it. */
static void *rig_decode(struct arena *a, const struct field *fields, size_t size, const char *json)
{
    AUTO(json) struct json *j = NULL;
    struct err err = {0};
    void *s = arena_alloc(a, size);
    assert_non_null(s);
    assert_int_equal(json_parse(str_from(json), &j, &err), RC_OK);
    enum rc rc = schema_decode(fields, j, NULL, NULL, a, s, &err);
    if (rc != RC_OK)
        fail_msg("%s: %s", err.field, err.en);
    return s;
}
#define RIG_SETTINGS(a, ops, json)                                                                 \
    rig_decode((a), (ops).head.fields, (ops).head.settings_size, (json))
#define RIG_PLACE(a, ops, json) rig_decode((a), (ops).place_fields, (ops).place_size, (json))

/* ---- host ---- */
enum { RIG_FILES = 32, RIG_FILE_MAX = 16384 };
struct rig_file {
    char path[128];
    char data[RIG_FILE_MAX];
    size_t n;
    uint32_t mode, uid, gid;
    bool used, dir, link;
};
static struct rig_file rig_files[RIG_FILES];
static int rig_ops;     /* operations so far */
static int rig_fail_op; /* this one fails; 0 = none */
static bool rig_die;    /* ... and every later one too, as after kill -9 */
static int rig_test_status, rig_reloads, rig_tests, rig_open_hosts;
static char rig_tool_words[512];

static struct rig_file *rig_find(const char *path)
{
    for (int i = 0; i < RIG_FILES; i++)
        if (rig_files[i].used && strcmp(rig_files[i].path, path) == 0)
            return &rig_files[i];
    return NULL;
}
static struct rig_file *rig_put(const char *path, const char *data, uint32_t mode, uint32_t uid)
{
    struct rig_file *f = rig_find(path);
    for (int i = 0; !f && i < RIG_FILES; i++)
        if (!rig_files[i].used)
            f = &rig_files[i];
    assert_non_null(f);
    memset(f, 0, sizeof *f);
    f->used = true;
    snprintf(f->path, sizeof f->path, "%s", path);
    f->n = strlen(data);
    assert_true(f->n < sizeof f->data);
    memcpy(f->data, data, f->n + 1);
    f->mode = mode;
    f->uid = f->gid = uid;
    return f;
}
static struct rig_file *rig_dir(const char *path)
{
    struct rig_file *f = rig_put(path, "", 0755, 0);
    f->dir = true;
    return f;
}
static enum rc rig_op(struct err *err)
{
    rig_ops++;
    if (rig_fail_op && (rig_ops == rig_fail_op || (rig_die && rig_ops > rig_fail_op)))
        return FAIL(err, RC_NET, BLAME_NETWORK, MSG("test.op", "injected", "注入された失敗"));
    return RC_OK;
}
static enum rc h_lstat(struct host *h, const char *path, struct host_stat *ret, struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    struct rig_file *f = rig_find(path);
    *ret = (struct host_stat){0};
    if (f)
        *ret = (struct host_stat){.exists = true,
                                  .is_dir = f->dir,
                                  .is_link = f->link,
                                  .is_file = !f->dir && !f->link,
                                  .mode = f->mode,
                                  .uid = f->uid,
                                  .gid = f->gid,
                                  .size = f->n};
    return RC_OK;
}
static enum rc h_read(struct host *h, const char *path, struct buf *out, struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    struct rig_file *f = rig_find(path);
    if (!f || f->dir || f->link)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT, MSG("test.none", "no file", "なし"));
    buf_add(out, f->data, f->n);
    return buf_ok(out, err);
}
static enum rc h_write_new(struct host *h, const char *path, struct str data, uint32_t mode,
                           int64_t uid, int64_t gid, struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    if (rig_find(path))
        return FAIL(err, RC_EXISTS, BLAME_US, MSG("test.exists", "exists", "既存"));
    assert_true(data.n < RIG_FILE_MAX);
    struct rig_file *f = rig_put(path, "", mode, uid < 0 ? 1000 : (uint32_t)uid);
    f->gid = gid < 0 ? 1000 : (uint32_t)gid;
    memcpy(f->data, data.p, data.n);
    f->data[data.n] = 0;
    f->n = data.n;
    return RC_OK;
}
static enum rc h_replace(struct host *h, const char *from, const char *to, struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    struct rig_file *f = rig_find(from), *t = rig_find(to);
    if (!f)
        return FAIL(err, RC_NOT_FOUND, BLAME_US, MSG("test.none", "no file", "なし"));
    if (t)
        t->used = false;
    snprintf(f->path, sizeof f->path, "%s", to);
    return RC_OK;
}
static enum rc h_unlink(struct host *h, const char *path, struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    struct rig_file *f = rig_find(path);
    if (f)
        f->used = false;
    return RC_OK;
}
static enum rc h_mkdir(struct host *h, const char *path, uint32_t mode, struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    rig_dir(path)->mode = mode;
    return RC_OK;
}
static enum rc h_exec(struct host *h, const char *const argv[], struct buf *out, int *ret_status,
                      struct err *err)
{
    (void)h;
    TRY(rig_op(err));
    *ret_status = 0;
    if (strcmp(argv[0], "reload") == 0 || (argv[1] && strcmp(argv[1], "-s") == 0)) {
        rig_reloads++;
    } else if (strcmp(argv[0], "getent") == 0) {
        buf_adds(out, "ssl-cert:x:117:\n");
    } else {
        rig_tests++;
        *ret_status = rig_test_status;
        buf_adds(out, rig_tool_words);
    }
    return RC_OK;
}
static void h_close(struct host *h)
{
    rig_open_hosts--;
    mem_free(h);
}
static const struct host_ops rig_host_ops = {h_lstat, h_read, h_write_new, h_replace, h_unlink,
                                             h_mkdir, h_exec, h_close,     NULL};
static enum rc rig_host_open(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                             struct err *err)
{
    (void)s;
    struct host *h = mem_alloc(sizeof *h);
    if (!h)
        return NOMEM(err);
    *h = (struct host){.ops = &rig_host_ops, .ctx = ctx};
    rig_open_hosts++;
    *ret = h;
    return RC_OK;
}

/* Not every test needs every part. */
static inline void rig_unused(void)
{
    (void)rig_ctx, (void)rig_forget, (void)rig_decode, (void)rig_host_open, (void)rig_put;
    (void)rig_dir, (void)rig_tests, (void)rig_saves, (void)rig_fail_save, (void)rig_reloads;
}

#endif
