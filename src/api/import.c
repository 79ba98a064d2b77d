/*
 * Importing what was issued elsewhere. Invariant: a key that comes along matches the certificate,
 * or nothing is stored; the same certificate is imported once.
 */
#include <string.h>

#include "api/priv.h"
#include "base/base64.h"
#include "crypto/digest.h"

const struct field cert_import_fields[] = {
    FIELD_TEXT(struct import_in, pem, .flags = FIELD_REQUIRED, .max = (int64_t)1 << 20,
               .label = {"Certificate (and key) as PEM", "証明書（と鍵）の PEM"}),
    FIELD_STR(struct import_in, name, .max = 128, .label = {"Name in Inro", "管理名"}),
    FIELD_STR(struct import_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_STR(struct import_in, password, .max = 1024,
              .label = {"Password of the key", "鍵のパスワード"}),
    FIELD_END};
route_fn cert_import;

static const char *hex(struct request *r, const unsigned char *p, size_t n)
{
    AUTO(buf) struct buf b = BUF(256);
    hex_add(&b, p, n);
    return arena_str(r->a, buf_str(&b));
}

static enum rc import_key(struct request *r, const struct import_in *in,
                          const struct cert_info *leaf, struct cert_version *v, struct err *err)
{
    struct str key = pem_find_key(str_from(in->pem));
    AUTO(buf) struct buf spki = BUF(16384);
    unsigned char sum[32];
    if (!key.p)
        return RC_OK;
    const char *place = arena_printf(r->a, "version/%lld/key", (long long)v->id);
    if (!place)
        return NOMEM(err);
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = vault_import_key(r->api->o.vault, VAULT_TLS_KEY, place, key, in->password, r->a,
                                  &v->key_sealed, &spki, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    TRY(rc);
    sha256(buf_str(&spki), sum);
    CHECK(memcmp(sum, leaf->spki_sha256, sizeof sum) == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.key_mismatch",
              "the key does not belong to the certificate: the key's public half has SHA-256 {0}, "
              "the certificate ({2}) wants {1}",
              "鍵が証明書と一致しません。鍵の公開鍵 SHA-256 は {0}、証明書（{2}）は {1} です"),
          hex(r, sum, 32), hex(r, leaf->spki_sha256, 32), hex(r, leaf->sha256, 32));
    return RC_OK;
}

static enum rc read_chain(struct request *r, const struct import_in *in, struct cert_list *ret,
                          const char **ret_pem, struct err *err)
{
    struct cert_list all;
    size_t dropped = 0;
    AUTO(buf) struct buf pem = BUF((size_t)2 << 20);
    TRY(cert_parse_pem(str_from(in->pem), false, r->a, &all, err));
    TRY(chain_order(&all, r->a, ret, &dropped, err));
    for (size_t i = 0; i < ret->n; i++)
        cert_to_pem(ret->v[i].der, &pem);
    TRY(buf_ok(&pem, err));
    *ret_pem = arena_str(r->a, buf_str(&pem));
    return *ret_pem ? RC_OK : NOMEM(err);
}

static enum rc refuse_known(struct request *r, const char *sha256_hex_text, struct err *err)
{
    struct cert_version old;
    struct err none;
    enum rc rc = db_version_find_sha256(r->db, sha256_hex_text, r->a, &old, &none);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc != RC_OK) {
        *err = none;
        return rc;
    }
    return FAIL(err, RC_EXISTS, BLAME_INPUT,
                MSG("api.imported",
                    "this certificate is here already, as version {0} of number {1}",
                    "この証明書は登録済みです（証明書 {1} の版 {0}）"),
                NUM(old.id), NUM(old.cert_id));
}

enum rc cert_import(struct request *r, struct err *err)
{
    const struct import_in *in = r->in;
    struct cert_list chain;
    const char *pem;
    TRY(read_chain(r, in, &chain, &pem, err));
    const struct cert_info *leaf = &chain.v[0];
    struct cert c = {.created = r->now, .updated = r->now, .revision = 1};
    c.names = (struct names){leaf->names, leaf->name_count};
    c.name = in->name            ? in->name
             : leaf->name_count  ? leaf->names[0]
             : leaf->common_name ? leaf->common_name
                                 : leaf->serial;
    TRY(name_check(c.name, err));
    c.key_alg = leaf->key_name;
    c.challenge = "{}";
    c.policy = "{\"auto_renew\":false}";
    struct cert_version v = {.state = VERSION_STAGING,
                             .key_alg = leaf->key_name,
                             .chain = pem,
                             .serial = leaf->serial,
                             .issuer = leaf->issuer,
                             .sha256 = hex(r, leaf->sha256, 32),
                             .spki_sha256 = hex(r, leaf->spki_sha256, 32),
                             .not_before = leaf->not_before,
                             .not_after = leaf->not_after,
                             .created = r->now};
    if (!v.sha256 || !v.spki_sha256)
        return NOMEM(err);
    TRY(refuse_known(r, v.sha256, err));
    TRY(group_from_input(r, in->group, 0, &c.group_id, err));
    TRY(db_cert_add(r->db, &c, err));
    v.cert_id = c.id;
    TRY(db_version_add(r->db, &v, err));
    r_subject(r, "cert", c.id);
    TRY(import_key(r, in, leaf, &v, err));
    if (v.key_sealed)
        TRY(db_version_update(r->db, &v, err));
    TRY(db_version_activate(r->db, v.id, 0, r->now, err));
    TRY(db_cert_get(r->db, c.id, r->a, &c, err));
    r->status = 201;
    r_event(r, "cert", c.id);
    jw_object(&r->w);
    jw_key(&r->w, "cert");
    TRY(view_cert(r, &c, false, err));
    jw_end_object(&r->w);
    return RC_OK;
}
