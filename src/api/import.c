/*
 * Importing what was issued elsewhere. Invariant: a key that comes along matches the certificate,
 * or nothing is stored; the same certificate is imported once.
 */
#include <string.h>

#include "api/priv.h"
#include "base/base64.h"
#include "crypto/container.h"
#include "crypto/digest.h"
#include "job/licence.h"

enum { KEYS_MAX = 16 };

const struct field cert_import_fields[] = {
    FIELD_TEXT(struct import_in, pem, .max = CONTAINER_MAX_BYTES,
               .label = {"Certificate (and key) as PEM", "証明書（と鍵）の PEM"}),
    FIELD_TEXT(struct import_in, data, .max = CONTAINER_MAX_BYTES / 3 * 4 + 4,
               .label = {"DER, PKCS#7 or PKCS#12 file as base64",
                         "DER、PKCS#7、PKCS#12 ファイル（base64）"}),
    FIELD_STR(struct import_in, name, .max = 128, .label = {"Name in Inro", "管理名"}),
    FIELD_STR(struct import_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_TAGS(struct import_in),
    FIELD_STR(struct import_in, password, .max = 1024,
              .label = {"Password of the key or file", "鍵またはファイルのパスワード"}),
    FIELD_STR(struct import_in, pick, .max = 253,
              .label = {"Which certificate, where the file holds several",
                        "複数の証明書がある場合に取り込む証明書の名前"}),
    FIELD_END};
route_fn cert_import;

static const char *hex(struct request *r, const unsigned char *p, size_t n)
{
    AUTO(buf) struct buf b = BUF(256);
    hex_add(&b, p, n);
    return arena_str(r->a, buf_str(&b));
}

static enum rc mismatch(struct request *r, const unsigned char ours[32],
                        const struct cert_info *leaf, struct err *err)
{
    return FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("api.key_mismatch",
            "the key does not belong to the certificate: the key's public half has SHA-256 "
            "{0}, the certificate ({2}) wants {1}",
            "鍵が証明書と一致しません。鍵の公開鍵 SHA-256 は {0}、証明書（{2}）は {1} です"),
        hex(r, ours, 32), hex(r, leaf->spki_sha256, 32), hex(r, leaf->sha256, 32));
}

/* The key of the leaf among those the file holds: *ret NULL and the sum of the last when none is.
 */
static enum rc find_key(struct request *r, struct str text, const char *password,
                        const struct cert_info *leaf, const char *place, const char **ret,
                        unsigned char sum[32], struct err *err)
{
    struct str key = pem_find_key(text);
    *ret = NULL;
    for (int i = 0; key.p && i < KEYS_MAX; i++) {
        AUTO(buf) struct buf spki = BUF(16384);
        const char *sealed = NULL;
        (void)pthread_mutex_lock(&r->api->vault_lock);
        enum rc rc = vault_import_key(r->api->o.vault, VAULT_TLS_KEY, place, key, password, r->a,
                                      &sealed, &spki, err);
        (void)pthread_mutex_unlock(&r->api->vault_lock);
        TRY(rc);
        sha256(buf_str(&spki), sum);
        if (memcmp(sum, leaf->spki_sha256, 32) == 0) {
            *ret = sealed;
            return RC_OK;
        }
        const char *end = key.p + key.n;
        key = pem_find_key((struct str){end, (size_t)(text.p + text.n - end)});
    }
    return RC_OK;
}

/* None at all is fine too. */
static enum rc import_key(struct request *r, struct str text, const char *password,
                          const struct cert_info *leaf, struct cert_version *v, struct err *err)
{
    unsigned char sum[32];
    const char *place = arena_printf(r->a, "version/%lld/key", (long long)v->id);
    if (!place)
        return NOMEM(err);
    if (!pem_find_key(text).p)
        return RC_OK;
    TRY(find_key(r, text, password, leaf, place, &v->key_sealed, sum, err));
    return v->key_sealed ? RC_OK : mismatch(r, sum, leaf, err);
}

/*
 * What an import would find of the key, without keeping anything. A wrong password is an error, as
 * it is for a whole file; a vault that cannot answer now keeps nobody from looking.
 */
static enum rc look_key(struct request *r, struct str text, const char *password,
                        const struct cert_info *leaf, const char **ret, struct err *err)
{
    unsigned char sum[32];
    const char *sealed = NULL;
    struct err why = {0};
    *ret = "none";
    if (!pem_find_key(text).p)
        return RC_OK;
    enum rc rc = find_key(r, text, password, leaf, "version/0/key", &sealed, sum, &why);
    if (rc != RC_OK && strcmp(why.id, "crypto.key.password_wrong") == 0) {
        if (err)
            *err = why;
        return rc;
    }
    *ret = rc == RC_OK                                         ? (sealed ? "fits" : "other")
           : strcmp(why.id, "crypto.key.password_needed") == 0 ? "locked"
           : rc == RC_INPUT                                    ? "unread"
                                                               : "unknown";
    return RC_OK;
}

/* The certificates but the servers' that were not picked. */
static enum rc pick_leaf(const char *pick, struct cert_list *all, struct err *err)
{
    AUTO(buf) struct buf names = BUF(400);
    size_t servers = 0, n = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct cert_info *c = &all->v[i];
        const char *cn = c->common_name ? c->common_name : c->serial;
        bool wanted = !pick || c->is_ca || cert_covers(c, pick) || strcmp(cn, pick) == 0;
        servers += !c->is_ca;
        if (!c->is_ca && names.len + strlen(cn) < 300)
            buf_addf(&names, "%s%s", names.len ? ", " : "", cn);
        if (wanted)
            all->v[n++] = *c;
    }
    CHECK(pick || servers <= 1 || all->n != servers, err, RC_INPUT, BLAME_INPUT,
          MSG("api.import_many", "the file holds several certificates ({0}); pick one by its name",
              "ファイルに複数の証明書（{0}）があります。名前で 1 つ指定してください"),
          buf_cstr(&names));
    CHECK(n > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.import_pick", "the file holds no certificate named {0}; it holds: {1}",
              "ファイルに {0} という名前の証明書はありません。含まれる証明書: {1}"),
          pick, buf_cstr(&names));
    all->n = n;
    return RC_OK;
}

/* The file as PEM text in out_secret. */
static enum rc read_file(const struct import_in *in, struct buf *out_secret, struct container *ret,
                         struct err *err)
{
    AUTO(buf) struct buf bytes = BUF_SECRET(CONTAINER_MAX_BYTES);
    CHECK(!in->pem != !in->data, err, RC_INPUT, BLAME_INPUT,
          MSG("api.import_what", "give either pem or data",
              "pem か data のどちらかを指定してください"));
    if (in->pem)
        return container_read(str_from(in->pem), in->password, out_secret, ret, err);
    CHECK(base64_decode(str_from(in->data), &bytes) && bytes.bad == RC_OK, err, RC_INPUT,
          BLAME_INPUT,
          MSG("api.import_base64", "data is not base64, or too large",
              "data が base64 ではないか、大きすぎます"));
    return container_read(buf_str(&bytes), in->password, out_secret, ret, err);
}

static enum rc read_chain(struct request *r, const struct import_in *in, struct str text,
                          struct cert_list *ret, const char **ret_pem, struct err *err)
{
    struct cert_list all;
    size_t dropped = 0;
    AUTO(buf) struct buf pem = BUF((size_t)2 << 20);
    TRY(cert_parse_pem(text, false, r->a, &all, err));
    if (all.n > 1)
        TRY(pick_leaf(in->pick, &all, err));
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

enum rc cert_register(struct request *r, const struct cert_info *leaf, const char *pem,
                      struct cert *c, struct cert_version *ret, struct err *err)
{
    c->created = c->updated = r->now;
    c->revision = 1;
    c->names = (struct names){leaf->names, leaf->name_count};
    c->key_alg = leaf->key_name;
    c->challenge = "{}";
    c->policy = "{\"auto_renew\":false}";
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
    TRY(licence_cert_add(r->db, c, r->now, err));
    v.cert_id = c->id;
    TRY(db_version_add(r->db, &v, err));
    *ret = v;
    return RC_OK;
}

static enum rc import_file(struct request *r, struct err *err)
{
    const struct import_in *in = r->in;
    AUTO(buf) struct buf text = BUF_SECRET((size_t)2 << 20);
    struct container file;
    struct cert_list chain;
    struct cert_version v;
    const char *pem;
    TRY(read_file(in, &text, &file, err));
    TRY(read_chain(r, in, buf_str(&text), &chain, &pem, err));
    const struct cert_info *leaf = &chain.v[0];
    struct cert c = {.name = in->name            ? in->name
                             : leaf->name_count  ? leaf->names[0]
                             : leaf->common_name ? leaf->common_name
                                                 : leaf->serial};
    TRY(name_check(c.name, err));
    TRY(refuse_known(r, hex(r, leaf->sha256, 32), err));
    TRY(group_from_input(r, in->group, 0, &c.group_id, err));
    TRY(tags_from_input(r, &in->tags, &c.tags, err));
    TRY(cert_register(r, leaf, pem, &c, &v, err));
    r_subject(r, "cert", c.id);
    /* A PKCS#12's own password has been spent on reading it. */
    const char *password = file.keys ? NULL : in->password;
    TRY(import_key(r, buf_str(&text), password, leaf, &v, err));
    if (v.key_sealed)
        TRY(db_version_update(r->db, &v, err));
    TRY(db_version_activate(r->db, v.id, 0, r->now, err));
    TRY(db_cert_get(r->db, c.id, r->a, &c, err));
    r->status = 201;
    r_event(r, "cert", c.id);
    jw_object(&r->w);
    jw_key(&r->w, "cert");
    TRY(view_cert(r, &c, false, err));
    jw_kstr(&r->w, "format", file.kind);
    jw_kbool(&r->w, "weak_container", file.weak);
    view_unusual(&r->w, leaf->unusual);
    jw_kbool(&r->w, "key", v.key_sealed != NULL);
    jw_end_object(&r->w);
    return RC_OK;
}

/* The names of the certificates that are not of CAs. */
static enum rc list_servers(struct request *r, const struct cert_list *all, struct names *ret,
                            struct err *err)
{
    const char **v = arena_array(r->a, all->n, sizeof *v);
    if (!v)
        return NOMEM(err);
    *ret = (struct names){v, 0};
    for (size_t i = 0; i < all->n; i++)
        if (!all->v[i].is_ca)
            v[ret->n++] = all->v[i].common_name ? all->v[i].common_name : all->v[i].serial;
    return RC_OK;
}

enum rc import_look(struct request *r, const struct import_in *in, struct import_seen *ret,
                    struct err *err)
{
    AUTO(buf) struct buf text = BUF_SECRET((size_t)2 << 20);
    struct container file;
    struct cert_list all;
    TRY(read_file(in, &text, &file, err));
    TRY(cert_parse_pem(buf_str(&text), false, r->a, &all, err));
    TRY(list_servers(r, &all, &ret->servers, err));
    const char *pick = in->pick || ret->servers.n < 2 ? in->pick : ret->servers.v[0];
    if (all.n > 1)
        TRY(pick_leaf(pick, &all, err));
    TRY(chain_order(&all, r->a, &ret->chain, &ret->dropped, err));
    TRY(look_key(r, buf_str(&text), file.keys ? NULL : in->password, &ret->chain.v[0], &ret->key,
                 err));
    ret->weak = file.weak;
    ret->format = file.kind;
    return RC_OK;
}

/* A few tries, then ever longer; only an import ends the waiting, for looking may need no password.
 */
enum rc import_slowed(struct request *r, route_fn *run, struct err *err)
{
    const struct import_in *in = r->in;
    const char *who = arena_printf(r->a, "import\n%s", r->user.login ? r->user.login : "");
    struct err why = {0};
    if (!who)
        return NOMEM(err);
    CHECK(!in->password || !delay_active(r, who), err, RC_RATE, BLAME_INPUT,
          MSG("api.import_wait", "too many wrong passwords; wait a while and try again",
              "パスワードの誤りが続いています。しばらく待ってからやり直してください"));
    enum rc rc = run(r, &why);
    bool wrong = rc != RC_OK && (strcmp(why.id, "crypto.container.wrong") == 0 ||
                                 strcmp(why.id, "crypto.key.password_wrong") == 0);
    if (in->password && (wrong || (rc == RC_OK && run == import_file)))
        delay_note(r, who, rc == RC_OK);
    if (rc != RC_OK && err)
        *err = why;
    return rc;
}

enum rc cert_import(struct request *r, struct err *err)
{
    return import_slowed(r, import_file, err);
}
