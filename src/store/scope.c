/*
 * Who sees what. Invariants: without a scope everything is seen; with one, only what belongs to a
 * group it names (and the CAs and notifiers of the installation); what is not seen looks absent.
 */
#include "store/store_priv.h"

#include <string.h>

#include "store/repo_discover.h"

void db_scope(struct db *db, const char *groups)
{
    db->scope = groups;
}

/* "[3,7]": made by us, digits and commas only. */
static bool listed(const char *list, int64_t id)
{
    struct str rest = str_from(list), part;
    int64_t n;
    if (rest.n < 2)
        return false;
    rest = (struct str){rest.p + 1, rest.n - 2};
    while (rest.n > 0 && str_split(&rest, ',', &part))
        if (str_to_i64(part, 1, INT64_MAX, &n) && n == id)
            return true;
    return false;
}

bool sees_group(const struct db *db, int64_t group_id)
{
    return !db->scope || (group_id > 0 && listed(db->scope, group_id));
}

enum rc may_put(const struct db *db, int64_t group_id, struct err *err)
{
    CHECK(sees_group(db, group_id), err, RC_DENIED, BLAME_INPUT,
          MSG("store.other_group",
              "this would not belong to a group of yours; name one of your groups",
              "自分のグループに属さないものは登録できません。自分のグループを指定してください"));
    return RC_OK;
}

static enum rc group_of_cert(struct db *db, int64_t cert_id, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_CERT_GROUP, ARGS(I(cert_id)), ret, err);
}

enum rc sees_cert(struct db *db, int64_t cert_id, bool *ret, struct err *err)
{
    int64_t group = 0;
    *ret = true;
    if (!db->scope)
        return RC_OK;
    TRY(group_of_cert(db, cert_id, &group, err));
    *ret = sees_group(db, group);
    return RC_OK;
}

/* "cert/12" -> kind and id. */
static bool subject_parts(const char *subject, struct str *ret_kind, int64_t *ret_id)
{
    struct str rest = str_from(subject);
    return subject && str_split(&rest, '/', ret_kind) && rest.p &&
           str_to_i64(rest, 1, INT64_MAX, ret_id);
}

/* An endpoint's or a discovery's. */
static enum rc group_of_watched(struct db *db, struct str kind, int64_t id, struct arena *a,
                                int64_t *ret, struct err *err)
{
    struct endpoint e;
    struct discovery d;
    if (str_eqs(kind, "endpoint")) {
        TRY(db_endpoint_get(db, id, a, &e, err));
        *ret = e.group_id;
        return RC_OK;
    }
    TRY(db_discovery_get(db, id, a, &d, err));
    *ret = d.group_id;
    return RC_OK;
}

enum owner_kind { OWNER_NONE, OWNER_GROUP, OWNER_SHARED };

static enum rc owner_of(struct db *db, const char *subject, struct arena *a,
                        enum owner_kind *ret_kind, int64_t *ret_group, struct err *err)
{
    const char *scope = db->scope;
    struct str kind;
    int64_t id = 0;
    struct cert_version v;
    struct connector c;
    struct organisation o;
    struct err none = {0};
    enum rc rc = RC_OK;
    *ret_kind = OWNER_NONE;
    *ret_group = 0;
    if (!subject_parts(subject, &kind, &id))
        return RC_OK;
    db->scope = NULL;
    *ret_kind = OWNER_GROUP;
    if (str_eqs(kind, "cert")) {
        rc = group_of_cert(db, id, ret_group, &none);
    } else if (str_eqs(kind, "endpoint") || str_eqs(kind, "discovery")) {
        rc = group_of_watched(db, kind, id, a, ret_group, &none);
    } else if (str_eqs(kind, "version")) {
        rc = db_version_get(db, id, a, &v, &none);
        if (rc == RC_OK)
            rc = group_of_cert(db, v.cert_id, ret_group, &none);
    } else if (str_eqs(kind, "org")) {
        rc = db_organisation_get(db, id, a, &o, &none);
        *ret_group = rc == RC_OK ? o.group_id : 0;
        if (rc == RC_OK && o.group_id == 0)
            *ret_kind = OWNER_SHARED;
    } else if (str_eqs(kind, "connector")) {
        rc = db_connector_get(db, id, a, &c, &none);
        *ret_group = rc == RC_OK ? c.group_id : 0;
        if (rc == RC_OK && c.group_id == 0 && strcmp(c.kind, "target") != 0)
            *ret_kind = OWNER_SHARED;
    } else {
        *ret_kind = OWNER_NONE;
    }
    db->scope = scope;
    if (rc != RC_OK && rc != RC_NOT_FOUND && err)
        *err = none;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc sees_subject(struct db *db, const char *subject, bool *ret, struct err *err)
{
    enum owner_kind kind;
    int64_t group = 0;
    *ret = true;
    if (!db->scope)
        return RC_OK;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    TRY(owner_of(db, subject, a, &kind, &group, err));
    *ret = kind == OWNER_SHARED || (kind == OWNER_GROUP && sees_group(db, group));
    return RC_OK;
}

enum rc db_sees_subject(struct db *db, const char *subject, bool *ret, struct err *err)
{
    return sees_subject(db, subject, ret, err);
}

enum rc db_subject_group(struct db *db, const char *subject, int64_t *ret, struct err *err)
{
    enum owner_kind kind;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    return owner_of(db, subject, a, &kind, ret, err);
}

enum rc db_one_seen(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                    const struct map *m, enum owned_by by, size_t offset, struct arena *a,
                    void *ret, struct err *err)
{
    void *rec = arena_alloc(a, m->size);
    bool seen = true;
    if (!rec)
        return NOMEM(err);
    TRY(db_one(db, id, args, n, m, a, rec, err));
    int64_t owner = *(const int64_t *)(const void *)((const char *)rec + offset);
    if (by == BY_CERT)
        TRY(sees_cert(db, owner, &seen, err));
    else
        seen = sees_group(db, owner);
    if (!seen)
        return not_found(m, args, n, err);
    memcpy(ret, rec, m->size);
    return RC_OK;
}
