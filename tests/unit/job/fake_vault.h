/*
 * All of vault.h in this process: keys in a table instead of sealed. "sealed" is the table index.
 * Every function is here, so that nothing of the real vault is linked beside it.
 */
#ifndef INRO_TEST_FAKE_VAULT_H
#define INRO_TEST_FAKE_VAULT_H

#include <stdio.h>
#include <stdlib.h>

#include "vault/vault.h"

struct vault {
    int unused;
};
static struct vault the_vault;
static pthread_mutex_t fake_keys_lock = PTHREAD_MUTEX_INITIALIZER;
static struct key *fake_keys[4096];
static int fake_key_count;

enum rc vault_clone(struct vault *v, struct vault **ret, struct err *err)
{
    (void)err;
    *ret = v;
    return RC_OK;
}
void vault_close(struct vault *v)
{
    (void)v;
}
enum rc vault_generate(struct vault *v, enum vault_usage usage, const char *place, enum key_alg alg,
                       struct arena *a, const char **ret_sealed, struct buf *ret_spki,
                       struct err *err)
{
    struct key *k = NULL;
    (void)v, (void)usage, (void)place;
    TRY(key_generate(alg, &k, err));
    TRY(key_spki(k, ret_spki, err));
    pthread_mutex_lock(&fake_keys_lock);
    int i = fake_key_count++;
    fake_keys[i] = k;
    pthread_mutex_unlock(&fake_keys_lock);
    *ret_sealed = arena_printf(a, "%d", i);
    return *ret_sealed ? RC_OK : NOMEM(err);
}
enum rc vault_generate_csr(struct vault *v, const char *place, enum key_alg alg,
                           const struct csr_spec *spec, struct arena *a, const char **ret_sealed,
                           struct buf *ret_spki, struct buf *ret_der, struct err *err)
{
    TRY(vault_generate(v, VAULT_TLS_KEY, place, alg, a, ret_sealed, ret_spki, err));
    return csr_build(fake_keys[strtol(*ret_sealed, NULL, 10)], spec, ret_der, err);
}
enum rc vault_csr(struct vault *v, const char *place, const char *sealed,
                  const struct csr_spec *spec, struct buf *ret_der, struct err *err)
{
    (void)v, (void)place;
    return csr_build(fake_keys[strtol(sealed, NULL, 10)], spec, ret_der, err);
}
static enum rc not_here(struct err *err)
{
    return FAIL(err, RC_UNSUPPORTED, BLAME_US, MSG("test.vault", "not in tests", "テスト対象外"));
}
enum rc vault_connect(int fd, struct vault **ret, struct err *err)
{
    (void)fd, (void)ret;
    return not_here(err);
}
enum rc vault_reconnect(struct vault *root, int fd, struct err *err)
{
    (void)root, (void)fd;
    return not_here(err);
}
enum rc vault_import_key(struct vault *v, enum vault_usage usage, const char *place, struct str pem,
                         const char *password, struct arena *a, const char **ret_sealed,
                         struct buf *ret_spki, struct err *err)
{
    (void)v, (void)usage, (void)place, (void)pem, (void)password, (void)a, (void)ret_sealed,
        (void)ret_spki;
    return not_here(err);
}
enum rc vault_seal(struct vault *v, const char *place, struct str clear, struct arena *a,
                   const char **ret_sealed, struct err *err)
{
    (void)v, (void)place, (void)clear, (void)a, (void)ret_sealed;
    return not_here(err);
}
enum rc vault_jwk(struct vault *v, const char *place, const char *sealed, struct buf *ret_jwk,
                  struct buf *ret_thumbprint, const char **ret_alg, struct err *err)
{
    (void)v, (void)place, (void)sealed, (void)ret_jwk, (void)ret_thumbprint, (void)ret_alg;
    return not_here(err);
}
enum rc vault_jws(struct vault *v, const char *place, const char *sealed, struct str signing_input,
                  struct buf *ret_signature, struct err *err)
{
    (void)v, (void)place, (void)sealed, (void)signing_input, (void)ret_signature;
    return not_here(err);
}
enum rc vault_hs256(struct vault *v, const char *place, const char *sealed,
                    struct str signing_input, struct buf *ret_signature, struct err *err)
{
    return vault_jws(v, place, sealed, signing_input, ret_signature, err);
}
enum rc vault_issue(struct vault *v, const char *place, const char *sealed,
                    struct str issuer_cert_der, struct str subject_spki,
                    const struct issue_spec *spec, struct buf *ret_der, struct err *err)
{
    (void)v, (void)place, (void)sealed, (void)issuer_cert_der, (void)subject_spki, (void)spec,
        (void)ret_der;
    return not_here(err);
}
enum rc vault_release(struct vault *v, enum vault_usage usage, const char *place,
                      const char *sealed, const struct vault_grant *grant, struct buf *out_secret,
                      struct err *err)
{
    (void)v, (void)usage, (void)place, (void)sealed, (void)grant, (void)out_secret;
    return not_here(err);
}
enum rc vault_check(struct vault *v, enum vault_usage usage, const char *place, const char *sealed,
                    unsigned char ret_spki_sha256[32], struct err *err)
{
    (void)v, (void)usage, (void)place, (void)sealed, (void)ret_spki_sha256;
    return not_here(err);
}
enum rc vault_status_get(struct vault *v, struct vault_status *ret, struct err *err)
{
    (void)v, (void)err;
    *ret = (struct vault_status){.keys = 1};
    return RC_OK;
}
enum rc vault_wrap(struct vault *v, const char *place, const char *sealed,
                   const struct vault_grant *grant, struct buf *ret_file, struct err *err)
{
    (void)v, (void)place, (void)sealed, (void)grant, (void)ret_file;
    return not_here(err);
}
enum rc vault_ring_change(struct vault *v, enum ring_change what, const char *now, const char *next,
                          int fd, struct err *err)
{
    (void)v, (void)what, (void)now, (void)next, (void)fd;
    return not_here(err);
}
enum rc vault_ring_commit(struct vault *v, struct err *err)
{
    (void)v;
    return not_here(err);
}
enum rc vault_reseal(struct vault *v, const char *sealed, const char *const *candidates, size_t n,
                     struct arena *a, const char **ret, struct err *err)
{
    (void)v, (void)sealed, (void)candidates, (void)n, (void)a, (void)ret;
    return not_here(err);
}
enum rc vault_ping(struct vault *v, struct err *err)
{
    (void)v, (void)err;
    return RC_OK;
}

#endif
