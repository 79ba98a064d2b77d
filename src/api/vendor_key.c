/*
 * The life of the vendor's key. Invariants: the private key is made in the vault, or goes into it,
 * and its sealed form is destroyed when the key ends; a new key is named in a statement that the
 * former one signed, so installations follow without their people; a key that ended is named in
 * every later licence, so installations refuse what it signs.
 */
#include <string.h>

#include "api/vendor_priv.h"
#include "crypto/digest.h"
#include "crypto/succession.h"

enum { STATEMENT_MAX = 2048, STATEMENTS_MAX = 32 };

/* ---- what others of the desk ask ---- */

bool desk_key_ended(const struct vendor_key *k)
{
    return strcmp(k->state, "retired") == 0 || strcmp(k->state, "revoked") == 0;
}

enum rc desk_revokes(struct request *r, struct licence *l, struct err *err)
{
    struct vendor_key_list keys;
    TRY(db_vendor_key_list(r->db, r->a, &keys, err));
    for (size_t i = keys.n; i > 0 && l->revoke_count < LICENCE_REVOKES_MAX; i--)
        if (desk_key_ended(&keys.v[i - 1]))
            l->revokes[l->revoke_count++] = keys.v[i - 1].key_id;
    return RC_OK;
}

/* Who signed that k follows; NULL for the first key, and for one nobody is to believe: whoever has
 * a revoked key could sign a statement as well. */
static const struct vendor_key *signer_of(const struct vendor_key_list *keys,
                                          const struct vendor_key *k, struct arena *a)
{
    struct succession s;
    if (!k->statement || succession_look(str_from(k->statement), a, &s, NULL) != RC_OK)
        return NULL;
    for (size_t i = 0; i < keys->n; i++)
        if (strcmp(keys->v[i].key_id, s.key_id) == 0)
            return strcmp(keys->v[i].state, "revoked") != 0 ? &keys->v[i] : NULL;
    return NULL;
}

enum rc desk_statements(struct db *db, struct arena *a, const char **ret, int64_t *ret_since,
                        struct err *err)
{
    struct vendor_key_list keys;
    const char *chain[STATEMENTS_MAX];
    const struct vendor_key *k = NULL, *signer;
    AUTO(buf) struct buf b = BUF(LICENCE_MAX_BYTES);
    size_t n = 0;
    *ret = NULL;
    TRY(db_vendor_key_list(db, a, &keys, err));
    for (size_t i = 0; i < keys.n; i++)
        if (strcmp(keys.v[i].state, "current") == 0)
            k = &keys.v[i];
    *ret_since = k ? k->changed : 0;
    for (; k && n < STATEMENTS_MAX && (signer = signer_of(&keys, k, a)) != NULL; k = signer)
        chain[n++] = k->statement;
    while (n > 0)
        buf_adds(&b, chain[--n]);
    TRY(buf_ok(&b, err));
    if (b.len == 0)
        return RC_OK;
    *ret = arena_str(a, buf_str(&b));
    return *ret ? RC_OK : NOMEM(err);
}

enum rc desk_make_key(struct request *r, const char *pem, struct vendor_key *k,
                      struct licence_key *ret_pub, struct err *err)
{
    struct vault *v = r->api->o.vault;
    AUTO(buf) struct buf spki = BUF(4096), text = BUF(512);
    TRY(db_vendor_key_add(r->db, k, err));
    k->place = arena_printf(r->a, "vendor/%lld/key", (long long)k->id);
    if (!k->place)
        return NOMEM(err);
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = pem ? vault_import_key(v, VAULT_VENDOR_KEY, k->place, str_from(pem), NULL, r->a,
                                        &k->sealed, &spki, err)
                     : vault_vendor_key(v, k->place, r->a, &k->sealed, &spki, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    TRY(rc);
    TRY(licence_key_from_spki(buf_str(&spki), ret_pub, err));
    licence_key_text(ret_pub, &text);
    TRY(buf_ok(&text, err));
    k->key_id = arena_strdup(r->a, ret_pub->id);
    k->pub = arena_str(r->a, buf_str(&text));
    if (!k->key_id || !k->pub)
        return NOMEM(err);
    return db_vendor_key_set(r->db, k, err);
}

enum rc desk_sign(struct request *r, const struct vendor_key *k, struct str body,
                  const char **ret_file, struct err *err)
{
    AUTO(buf) struct buf sig = BUF(256), file = BUF(65536);
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = vault_licence(r->api->o.vault, k->place, k->sealed, body, &sig, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    TRY(rc);
    CHECK(sig.len == LICENCE_SIGNATURE_BYTES, err, RC_INTERNAL, BLAME_US,
          MSG("vendor.signature", "the vault gave no signature", "署名を取得できませんでした"));
    licence_file(body, (const unsigned char *)sig.p, &file);
    TRY(buf_ok(&file, err));
    *ret_file = arena_str(r->a, buf_str(&file));
    return *ret_file ? RC_OK : NOMEM(err);
}

/* ---- the routes ---- */

static enum rc view_key(struct request *r, const struct vendor_key *k, struct err *err)
{
    struct json_writer *w = &r->w;
    struct licence_key pub;
    char sum[65];
    int64_t in_force;
    TRY(licence_key_read(str_from(k->pub), &pub, err));
    sha256_hex((struct str){(const char *)pub.pub, sizeof pub.pub}, sum);
    TRY(db_vlicence_in_force(r->db, k->key_id, r->now, &in_force, err));
    jw_object(w);
    jw_ki64(w, "id", k->id);
    jw_kstr(w, "key_id", k->key_id);
    jw_kstr(w, "fingerprint", sum);
    jw_kstr(w, "state", k->state);
    jw_kstr(w, "public_key", k->pub);
    jw_ki64(w, "licences", in_force);
    jw_ktime(w, "created", k->created);
    jw_ktime(w, "changed", k->changed);
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct vendor_key_list l;
    TRY(db_vendor_key_list(r->db, r->a, &l, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < l.n; i++)
        TRY(view_key(r, &l.v[i], err));
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

/* The key that waits to follow; *ret->id is 0 when there is none. */
static enum rc find_next(struct request *r, struct vendor_key *ret, struct err *err)
{
    struct vendor_key_list l;
    *ret = (struct vendor_key){.id = 0};
    TRY(db_vendor_key_list(r->db, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        if (strcmp(l.v[i].state, "next") == 0)
            *ret = l.v[i];
    return RC_OK;
}

static enum rc not_twice(struct request *r, const struct licence_key *pub, struct err *err)
{
    struct vendor_key_list l;
    size_t n = 0;
    TRY(db_vendor_key_list(r->db, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        n += strcmp(l.v[i].key_id, pub->id) == 0;
    CHECK(n == 1, err, RC_EXISTS, BLAME_INPUT,
          MSG("vendor.key_twice", "the key {0} is or was a key of this desk; make another",
              "鍵 {0} は既にこのベンダーの鍵として使われています。別の鍵を作成してください"),
          pub->id);
    return RC_OK;
}

/* A key that waits, named by the present one. */
static enum rc make_next(struct request *r, const struct vendor_key *now, const char *pem,
                         struct vendor_key *ret, struct err *err)
{
    AUTO(buf) struct buf body = BUF(STATEMENT_MAX);
    struct vendor_key k = {.state = "next", .created = r->now};
    struct succession s = {.issued = r->now / USEC_PER_SEC * USEC_PER_SEC, .key_id = now->key_id};
    TRY(desk_make_key(r, pem, &k, &s.next, err));
    TRY(not_twice(r, &s.next, err));
    TRY(succession_body(&s, &body, err));
    TRY(desk_sign(r, now, buf_str(&body), &k.statement, err));
    TRY(db_vendor_key_set(r->db, &k, err));
    *ret = k;
    return NOTE(r, "key.made", 0, 0, err, {"key_id", k.key_id, 0}, {"follows", now->key_id, 0});
}

struct key_in {
    const char *key_pem;
};
static const struct field key_fields[] = {
    FIELD_TEXT(struct key_in, key_pem, .max = 16384,
               .label = {"Existing Ed25519 key (PEM)", "既存のEd25519鍵（PEM）"}),
    FIELD_END};

static enum rc run_new(struct request *r, struct err *err)
{
    const struct key_in *in = r->in;
    struct vendor_key now, next;
    TRY(desk_key(r, &now, err));
    TRY(find_next(r, &next, err));
    CHECK(next.id == 0, err, RC_EXISTS, BLAME_INPUT,
          MSG("vendor.key_waits",
              "the key {0} is waiting already; rotate to it, or retire it first",
              "鍵 {0} が既に待機中です。先に切り替えるか廃止してください"),
          next.key_id);
    TRY(make_next(r, &now, in->key_pem, &next, err));
    r_subject(r, "vendor_key", next.id);
    r->status = 201;
    return view_key(r, &next, err);
}

/* The installation of the desk itself follows as a customer's does, when it trusts the desk. */
static enum rc follow(struct request *r, const struct vendor_key *from, const struct vendor_key *to,
                      struct err *err)
{
    const struct licence_key *keys;
    const char *added;
    size_t n;
    TRY(licence_trusted(r->db, r->a, &keys, &n, err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].id, from->key_id) == 0 && !keys[i].revoked)
            return licence_succeed(r->db, str_from(to->statement), r->now, r->a, &added, err);
    return RC_OK;
}

static enum rc run_rotate(struct request *r, struct err *err)
{
    struct vendor_key now, next;
    r->subject = "vendor";
    TRY(desk_key(r, &now, err));
    TRY(find_next(r, &next, err));
    if (next.id == 0)
        TRY(make_next(r, &now, NULL, &next, err));
    now.state = "old";
    next.state = "current";
    now.changed = next.changed = r->now;
    TRY(db_vendor_key_set(r->db, &now, err));
    TRY(db_vendor_key_set(r->db, &next, err));
    TRY(follow(r, &now, &next, err));
    r_subject(r, "vendor_key", next.id);
    TRY(NOTE(r, "key.rotated", 0, 0, err, {"from", now.key_id, 0}, {"to", next.key_id, 0}));
    return view_key(r, &next, err);
}

struct retire_in {
    bool revoke;
};
static const struct field retire_fields[] = {
    FIELD_BOOL(struct retire_in, revoke,
               .label = {"Somebody else may have it", "漏えいした可能性がある"},
               .help = {"At once, although customers still have licences of it: they need new ones "
                        "and, by hand, the new public key.",
                        "この鍵で発行したライセンスを使用中の顧客がいても、ただちに失効させます。"
                        "顧客には新しいライセンスと公開鍵を別途渡す必要があります。"}),
    FIELD_END};

static enum rc find_key(struct request *r, const char *ref, struct vendor_key *ret, struct err *err)
{
    struct vendor_key_list l;
    int64_t id = 0;
    (void)str_to_i64(str_from(ref), 1, INT64_MAX, &id);
    TRY(db_vendor_key_list(r->db, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].id == id || strcmp(l.v[i].key_id, ref) == 0) {
            *ret = l.v[i];
            return RC_OK;
        }
    return FAIL(
        err, RC_NOT_FOUND, BLAME_INPUT,
        MSG("vendor.no_key", "the desk has no key \"{0}\"", "鍵「{0}」はこのベンダーにありません"),
        ref);
}

static enum rc may_end(struct request *r, const struct vendor_key *k, bool revoke, struct err *err)
{
    int64_t in_force;
    CHECK(strcmp(k->state, "current") != 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.key_current", "the key {0} signs now; rotate to another first",
              "鍵 {0} は現在使用中です。先に別の鍵に切り替えてください"),
          k->key_id);
    CHECK(!desk_key_ended(k) || (revoke && strcmp(k->state, "retired") == 0), err, RC_CONFLICT,
          BLAME_INPUT,
          MSG("vendor.key_over", "the key {0} has ended already", "鍵 {0} は既に終了しています"),
          k->key_id);
    TRY(db_vlicence_in_force(r->db, k->key_id, r->now, &in_force, err));
    CHECK(revoke || in_force == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("vendor.key_used",
              "{1} customers have a licence of the key {0}; issue theirs again first (or revoke "
              "the key, if somebody else may have it)",
              "鍵 {0} のライセンスを使用中の顧客が {1} 件あります。先に再発行してください（漏えいの"
              "おそれがある場合は失効させてください）"),
          k->key_id, NUM(in_force));
    return RC_OK;
}

/* Here at once; at the customers' with their next licence. */
static enum rc end_here(struct request *r, const struct vendor_key *k, struct err *err)
{
    struct licence_now n;
    TRY(licence_load(r->db, r->now, r->a, &n, err));
    if (n.installed && strcmp(n.licence.key_id, k->key_id) == 0)
        return RC_OK; /* the licence that is issued anew says it */
    return db_trusted_key_revoke(r->db, k->key_id, r->now, err);
}

static enum rc run_retire(struct request *r, struct err *err)
{
    const struct retire_in *in = r->in;
    struct vendor_key k;
    TRY(find_key(r, r->params[0], &k, err));
    r_subject(r, "vendor_key", k.id);
    TRY(may_end(r, &k, in->revoke, err));
    k.state = in->revoke ? "revoked" : "retired";
    k.sealed = NULL;
    k.changed = r->now;
    TRY(db_vendor_key_set(r->db, &k, err));
    TRY(end_here(r, &k, err));
    TRY(NOTE(r, in->revoke ? "key.revoked" : "key.retired", 0, 0, err, {"key_id", k.key_id, 0}));
    return view_key(r, &k, err);
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"vendor.key.list", "GET", "/vendor/keys", PERM(PERM_ADMIN), ROUTE_READ, run_list,
     .answer = "list DeskKey",
     .summary = {"List the keys that sign licences", "ライセンス署名鍵を一覧する"}},
    {"vendor.key.new", "POST", "/vendor/keys", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE, run_new,
     .answer = "201 DeskKey",
     .summary = {"Make the key that will follow", "次のライセンス署名鍵を作成する"},
     BODY(key_fields, struct key_in)},
    {"vendor.key.rotate", "POST", "/vendor/keys/rotate", PERM(PERM_ADMIN),
     ROUTE_WRITE | ROUTE_PROVE, run_rotate, .answer = "DeskKey",
     .summary = {"Sign with the next key from now on", "次のライセンス署名鍵に切り替える"}},
    {"vendor.key.retire", "POST", "/vendor/keys/{id}/retire", PERM(PERM_ADMIN),
     ROUTE_WRITE | ROUTE_PROVE, run_retire, .answer = "DeskKey",
     .summary = {"End a key; what it signed is refused from the next licence on",
                 "ライセンス署名鍵を廃止・失効する"},
     BODY(retire_fields, struct retire_in)},
};
ROUTE_SET(routes_vendor_key, rows);
