/*
 * Certificates and their versions.
 * Invariants: cert_name holds the names of cert.names in lower case, cert_term (repo_term.c) what a
 * certificate is found by, both changed with it; what changes its end or its group is counted
 * (cert_count_news); at most one version of a certificate is CURRENT, and it is cert.current_id (a
 * unique index holds it so).
 */
#include "store/store_priv.h"

#include "store/repo.h"

static const struct col cert_cols[] = {CI(cert, id),       CT(cert, name),
                                       CN(cert, names),    CR(cert, ca_id),
                                       CT(cert, key_alg),  CT(cert, challenge),
                                       CT(cert, policy),   CI(cert, current_id),
                                       CI(cert, renew_at), CI(cert, group_id),
                                       CI(cert, created),  CI(cert, updated),
                                       CI(cert, revision), CR(cert, organisation_id),
                                       CN(cert, tags),     CT(cert, csr)};
const struct map cert_map = {sizeof(struct cert), cert_cols, COUNT_OF(cert_cols), "certificate",
                             "証明書"};

/* A row that is one text. */
static const struct col tag_cols[] = {{COL_TEXT, 0}};
static const struct map tag_map = {sizeof(const char *), tag_cols, 1, "tag", "タグ"};

MAP(cert_version, "certificate version", "証明書の版", CI(cert_version, id),
    CI(cert_version, cert_id), CE(cert_version, state), CT(cert_version, key_alg),
    CT(cert_version, key_sealed), CT(cert_version, csr), CT(cert_version, chain),
    CT(cert_version, serial), CT(cert_version, issuer), CT(cert_version, sha256),
    CT(cert_version, spki_sha256), CI(cert_version, not_before), CI(cert_version, not_after),
    CI(cert_version, created), CI(cert_version, activated), CT(cert_version, refused));

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

/* Before a change to its end or its group: n = -1; after it: 1. */
static enum rc count_note(struct db *db, int64_t cert_id, int n, struct err *err)
{
    return db_do(db, STMT_COUNT_NOTE, ARGS(I(cert_id), I(n)), NULL, err);
}

enum rc db_cert_add(struct db *db, struct cert *c, struct err *err)
{
    TRY(may_put(db, c->group_id, err));
    TRY(db_insert(db, STMT_CERT_ADD, &cert_map, c, NULL, err));
    TRY(count_note(db, c->id, 1, err));
    TRY(names_add(db, c->id, &c->names, err));
    return terms_renew(db, c, err);
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

enum rc db_cert_list(struct db *db, int64_t after, int limit, struct arena *a,
                     struct cert_page *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    if (db->scope)
        MANY(db, STMT_CERT_LIST_IN, &cert_map, a, ret, err, I(after), I(limit), T(db->scope));
    else
        MANY(db, STMT_CERT_LIST, &cert_map, a, ret, err, I(after), I(limit));
    return RC_OK;
}

enum rc db_cert_named(struct db *db, const char *name, int limit, struct arena *a,
                      struct cert_page *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_CERT_NAMED, &cert_map, a, ret, err, T(name), I(limit), T(db->scope));
    return RC_OK;
}

enum rc db_cert_count(struct db *db, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_CERT_COUNT, NULL, 0, ret, err);
}

enum rc db_cert_update(struct db *db, const struct cert *c, struct err *err)
{
    AUTO(buf) struct buf names = BUF((size_t)1 << 20), tags = BUF(65536);
    TRY(may_put(db, c->group_id, err));
    TRY(map_names_text(&c->names, &names, err));
    TRY(map_names_text(&c->tags, &tags, err));
    TRY(count_note(db, c->id, -1, err));
    TRY(db_change(db, STMT_CERT_UPDATE,
                  ARGS(I(c->id), I(c->revision), T(c->name), T(buf_cstr(&names)), REF(c->ca_id),
                       T(c->key_alg), T(c->challenge), T(c->policy), I(c->renew_at), I(c->group_id),
                       I(c->updated), REF(c->organisation_id), T(buf_cstr(&tags)), T(c->csr)),
                  STMT_CERT_GET, &cert_map, err));
    TRY(count_note(db, c->id, 1, err));
    TRY(db_do(db, STMT_CERT_NAME_CLEAR, ARGS(I(c->id)), NULL, err));
    TRY(names_add(db, c->id, &c->names, err));
    return terms_renew(db, c, err);
}

enum rc db_cert_remove(struct db *db, int64_t id, struct err *err)
{
    TRY(count_note(db, id, -1, err));
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

/* Tags that certificates carry, in order. */
enum rc db_tag_list(struct db *db, int limit, struct arena *a, struct names *ret, struct err *err)
{
    struct rows rows = {NULL, 0};
    TRY(limit_ok(limit, err));
    TRY(db_many(db, STMT_TAG_LIST, ARGS(T(db->scope), I(limit)), &tag_map, a, &rows, err));
    *ret = (struct names){rows.v, rows.n};
    return RC_OK;
}

enum rc db_version_add(struct db *db, struct cert_version *v, struct err *err)
{
    TRY(db_insert(db, STMT_VERSION_ADD, &cert_version_map, v, NULL, err));
    return terms_mark(db, v, err);
}

enum rc db_version_get(struct db *db, int64_t id, struct arena *a, struct cert_version *ret,
                       struct err *err)
{
    return db_one_seen(db, STMT_VERSION_GET, ARGS(I(id)), &cert_version_map, BY_CERT,
                       offsetof(struct cert_version, cert_id), a, ret, err);
}

MAP(served_version, "version", "バージョン", CI(served_version, cert_id),
    CI(served_version, renew_at), CI(served_version, not_before), CI(served_version, not_after),
    CI(served_version, activated), CI(served_version, replaced));

enum rc db_version_served(struct db *db, int64_t group_id, int64_t after, int64_t before, int limit,
                          struct arena *a, struct served_version_list *ret, struct err *err)
{
    *ret = (struct served_version_list){NULL, 0};
    if (sees_group(db, group_id))
        MANY(db, STMT_VERSION_SERVED, &served_version_map, a, ret, err, I(group_id), I(after),
             I(before), I(limit));
    return RC_OK;
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
    TRY(db_change(db, STMT_VERSION_UPDATE,
                  ARGS(I(v->id), I(v->state), T(v->key_alg), T(v->key_sealed), T(v->csr),
                       T(v->chain), T(v->serial), T(v->issuer), T(v->sha256), T(v->spki_sha256),
                       I(v->not_before), I(v->not_after), I(v->activated)),
                  STMT_VERSION_GET, &cert_version_map, err));
    return terms_mark(db, v, err);
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
    TRY(count_note(db, v.cert_id, -1, err));
    TRY(db_do(db, STMT_CERT_SET_CURRENT, ARGS(I(v.cert_id), I(version_id), I(renew_at), I(now)),
              NULL, err));
    return count_note(db, v.cert_id, 1, err);
}

enum rc db_version_forgive(struct db *db, int64_t cert_id, const char *sha256, struct err *err)
{
    return db_do(db, STMT_VERSION_FORGIVE, ARGS(I(cert_id), T(sha256)), NULL, err);
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
