/*
 * Certificates and their versions.
 * Invariants: cert_name holds the names of cert.names in lower case, for searching; at most one
 * version of a certificate is CURRENT, and it is cert.current_id (a unique index holds it so).
 */
#include "store/store_priv.h"

#include <ctype.h>

#include "store/repo.h"

MAP(cert, "certificate", "証明書", CI(cert, id), CT(cert, name), CN(cert, names), CR(cert, ca_id),
    CT(cert, key_alg), CT(cert, challenge), CT(cert, policy), CI(cert, current_id),
    CI(cert, renew_at), CI(cert, group_id), CI(cert, created), CI(cert, updated),
    CI(cert, revision), CR(cert, organisation_id));

MAP(cert_version, "certificate version", "証明書の版", CI(cert_version, id),
    CI(cert_version, cert_id), CE(cert_version, state), CT(cert_version, key_alg),
    CT(cert_version, key_sealed), CT(cert_version, csr), CT(cert_version, chain),
    CT(cert_version, serial), CT(cert_version, issuer), CT(cert_version, sha256),
    CT(cert_version, spki_sha256), CI(cert_version, not_before), CI(cert_version, not_after),
    CI(cert_version, created), CI(cert_version, activated));

static void add_lower(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_addc(b, (char)((unsigned char)*s < 128 ? tolower((unsigned char)*s) : *s));
}

static enum rc names_add(struct db *db, int64_t cert_id, const struct names *names, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 16);
    for (size_t i = 0; i < names->n; i++) {
        buf_clear(&b);
        add_lower(&b, names->v[i]);
        TRY(buf_ok(&b, err));
        TRY(db_do(db, STMT_CERT_NAME_ADD, ARGS(I(cert_id), T(buf_cstr(&b))), NULL, err));
    }
    return RC_OK;
}

enum rc db_cert_add(struct db *db, struct cert *c, struct err *err)
{
    TRY(may_put(db, c->group_id, err));
    TRY(db_insert(db, STMT_CERT_ADD, &cert_map, c, NULL, err));
    return names_add(db, c->id, &c->names, err);
}

enum rc db_cert_get(struct db *db, int64_t id, struct arena *a, struct cert *ret, struct err *err)
{
    return db_one_seen(db, STMT_CERT_GET, ARGS(I(id)), &cert_map, BY_GROUP,
                       offsetof(struct cert, group_id), a, ret, err);
}

enum rc db_cert_find(struct db *db, const char *name, struct arena *a, struct cert *ret,
                     struct err *err)
{
    return db_one_seen(db, STMT_CERT_FIND, ARGS(T(name)), &cert_map, BY_GROUP,
                       offsetof(struct cert, group_id), a, ret, err);
}

enum rc like_text(const char *text, struct buf *out, struct err *err)
{
    AUTO(buf) struct buf low = BUF(4096);
    add_lower(&low, text);
    TRY(buf_ok(&low, err));
    buf_addc(out, '%');
    for (const char *p = buf_cstr(&low); *p; p++) {
        if (*p == '%' || *p == '_' || *p == '!')
            buf_addc(out, '!');
        buf_addc(out, *p);
    }
    buf_addc(out, '%');
    return buf_ok(out, err);
}

enum rc db_cert_list(struct db *db, const struct cert_filter *f, struct arena *a,
                     struct cert_page *ret, struct err *err)
{
    TRY(limit_ok(f->limit, err));
    if (!f->text || !*f->text) {
        if (db->scope)
            MANY(db, STMT_CERT_LIST_IN, &cert_map, a, ret, err, I(f->after), I(f->limit),
                 T(db->scope));
        else
            MANY(db, STMT_CERT_LIST, &cert_map, a, ret, err, I(f->after), I(f->limit));
        return RC_OK;
    }
    AUTO(buf) struct buf like = BUF(8192);
    TRY(like_text(f->text, &like, err));
    if (db->scope)
        MANY(db, STMT_CERT_SEARCH_IN, &cert_map, a, ret, err, I(f->after), I(f->limit),
             T(buf_cstr(&like)), T(db->scope));
    else
        MANY(db, STMT_CERT_SEARCH, &cert_map, a, ret, err, I(f->after), I(f->limit),
             T(buf_cstr(&like)));
    return RC_OK;
}

/* "1A:2b 3c..." -> "1a2b3c%": the start of a serial number or fingerprint; "" when it is none. */
static void hex_like(const char *text, char ret[80])
{
    size_t n = 0;
    for (const char *p = text; *p && n < 64; p++) {
        if (*p == ':' || *p == ' ')
            continue;
        if (!isxdigit((unsigned char)*p)) {
            n = 0;
            break;
        }
        ret[n++] = (char)tolower((unsigned char)*p);
    }
    if (n >= 4)
        ret[n++] = '%';
    else
        n = 0;
    ret[n] = '\0';
}

enum rc db_cert_query(struct db *db, const struct cert_query *q, struct arena *a,
                      struct cert_page *ret, struct err *err)
{
    static const enum stmt_id by[CERT_SORTS][2] = {
        {STMT_CERT_PAGE_NAME, STMT_CERT_PAGE_NAME_DOWN},
        {STMT_CERT_PAGE_EXPIRY, STMT_CERT_PAGE_EXPIRY_DOWN},
        {STMT_CERT_PAGE_RENEWAL, STMT_CERT_PAGE_RENEWAL_DOWN},
        {STMT_CERT_PAGE_AGE, STMT_CERT_PAGE_AGE_DOWN}};
    static const char last_name[] = "\xf4\x8f\xbf\xbf"; /* U+10FFFF: after every name */
    AUTO(buf) struct buf like = BUF(8192);
    char hex[80] = "";
    TRY(limit_ok(q->limit, err));
    bool text = q->text && *q->text;
    if (text) {
        TRY(like_text(q->text, &like, err));
        hex_like(q->text, hex);
    }
    /* In the order of the ends, the first page begins where the range does. */
    int64_t from = q->sort == CERT_BY_EXPIRY && q->end_from > 0 ? q->end_from : INT64_MIN;
    struct val key = I(q->more ? q->after_value : q->down ? INT64_MAX : from);
    if (q->sort == CERT_BY_NAME)
        key = T(q->more ? q->after_name : q->down ? last_name : "");
    MANY(db, by[q->sort][q->down], &cert_map, a, ret, err, I(q->limit),
         T(text ? buf_cstr(&like) : NULL), T(hex[0] ? hex : NULL), I(q->healths), I(q->ca_id),
         I(q->target_id), I(q->end_from), I(q->end_before ? q->end_before : INT64_MAX), I(q->now),
         key,
         I(q->more   ? q->after_id
           : q->down ? INT64_MAX
                     : 0),
         T(db->scope));
    return RC_OK;
}

enum rc db_cert_count(struct db *db, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_CERT_COUNT, NULL, 0, ret, err);
}

enum rc db_cert_update(struct db *db, const struct cert *c, struct err *err)
{
    AUTO(buf) struct buf names = BUF((size_t)1 << 20);
    TRY(may_put(db, c->group_id, err));
    TRY(map_names_text(&c->names, &names, err));
    TRY(db_change(db, STMT_CERT_UPDATE,
                  ARGS(I(c->id), I(c->revision), T(c->name), T(buf_cstr(&names)), REF(c->ca_id),
                       T(c->key_alg), T(c->challenge), T(c->policy), I(c->renew_at), I(c->group_id),
                       I(c->updated), REF(c->organisation_id)),
                  STMT_CERT_GET, &cert_map, err));
    TRY(db_do(db, STMT_CERT_NAME_CLEAR, ARGS(I(c->id)), NULL, err));
    return names_add(db, c->id, &c->names, err);
}

enum rc db_cert_remove(struct db *db, int64_t id, struct err *err)
{
    return db_change(db, STMT_CERT_REMOVE, ARGS(I(id)), STMT_CERT_GET, &cert_map, err);
}

enum rc db_cert_set_renew_at(struct db *db, int64_t id, int64_t at, struct err *err)
{
    return db_change(db, STMT_CERT_SET_RENEW_AT, ARGS(I(id), I(at)), STMT_CERT_GET, &cert_map, err);
}

enum rc db_cert_due(struct db *db, int64_t now, int limit, struct arena *a, struct cert_page *ret,
                    struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_CERT_DUE, &cert_map, a, ret, err, I(now), I(limit));
    return RC_OK;
}

enum rc db_version_add(struct db *db, struct cert_version *v, struct err *err)
{
    return db_insert(db, STMT_VERSION_ADD, &cert_version_map, v, NULL, err);
}

enum rc db_version_get(struct db *db, int64_t id, struct arena *a, struct cert_version *ret,
                       struct err *err)
{
    return db_one_seen(db, STMT_VERSION_GET, ARGS(I(id)), &cert_version_map, BY_CERT,
                       offsetof(struct cert_version, cert_id), a, ret, err);
}

enum rc db_version_list(struct db *db, int64_t cert_id, struct arena *a,
                        struct cert_version_list *ret, struct err *err)
{
    bool seen = false;
    TRY(sees_cert(db, cert_id, &seen, err));
    *ret = (struct cert_version_list){NULL, 0};
    if (seen)
        MANY(db, STMT_VERSION_LIST, &cert_version_map, a, ret, err, I(cert_id));
    return RC_OK;
}

enum rc db_version_update(struct db *db, const struct cert_version *v, struct err *err)
{
    return db_change(db, STMT_VERSION_UPDATE,
                     ARGS(I(v->id), I(v->state), T(v->key_alg), T(v->key_sealed), T(v->csr),
                          T(v->chain), T(v->serial), T(v->issuer), T(v->sha256), T(v->spki_sha256),
                          I(v->not_before), I(v->not_after), I(v->activated)),
                     STMT_VERSION_GET, &cert_version_map, err);
}

enum rc db_version_activate(struct db *db, int64_t version_id, int64_t renew_at, int64_t now,
                            struct err *err)
{
    struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    struct cert_version v;
    enum rc rc = db_version_get(db, version_id, a, &v, err);
    arena_destroy(a);
    TRY(rc);
    TRY(db_do(db, STMT_VERSION_RETIRE, ARGS(I(v.cert_id), I(version_id)), NULL, err));
    /* Refuses a version without a chain, failed or revoked: the caller rolls back. */
    rc = db_change(db, STMT_VERSION_CURRENT, ARGS(I(version_id), I(now)), STMT_VERSION_GET,
                   &cert_version_map, err);
    if (rc != RC_OK)
        db->failed = true;
    TRY(rc);
    return db_do(db, STMT_CERT_SET_CURRENT, ARGS(I(v.cert_id), I(version_id), I(renew_at), I(now)),
                 NULL, err);
}

enum rc db_version_find_sha256(struct db *db, const char *sha256, struct arena *a,
                               struct cert_version *ret, struct err *err)
{
    return db_one_seen(db, STMT_VERSION_FIND_SHA256, ARGS(T(sha256)), &cert_version_map, BY_CERT,
                       offsetof(struct cert_version, cert_id), a, ret, err);
}

enum rc db_version_page(struct db *db, int64_t after, int limit, struct arena *a,
                        struct cert_version_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_VERSION_PAGE, &cert_version_map, a, ret, err, I(after), I(limit));
    return RC_OK;
}
