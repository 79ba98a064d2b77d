/*
 * Organisations and their contacts. Invariants: what belongs to no group is the installation's,
 * which everybody sees and only who sees everything may change; contacts go with their
 * organisation, for seeing and for changing.
 */
#include "store/store_priv.h"

#include "store/repo.h"

MAP(organisation, "organisation", "組織", CI(organisation, id), CT(organisation, name),
    CT(organisation, legal_name), CT(organisation, legal_name_ja), CT(organisation, duns),
    CT(organisation, registration), CT(organisation, category), CT(organisation, country),
    CT(organisation, state), CT(organisation, state_ja), CT(organisation, locality),
    CT(organisation, locality_ja), CT(organisation, street), CT(organisation, street_ja),
    CT(organisation, postal_code), CT(organisation, phone), CI(organisation, group_id),
    CI(organisation, created), CI(organisation, updated), CI(organisation, revision));

MAP(contact, "contact", "担当者", CI(contact, id), CI(contact, organisation_id), CT(contact, role),
    CT(contact, name), CT(contact, name_ja), CT(contact, title), CT(contact, title_ja),
    CT(contact, mail), CT(contact, phone));

enum rc db_organisation_add(struct db *db, struct organisation *o, struct err *err)
{
    TRY(may_put(db, o->group_id, err));
    return db_insert(db, STMT_ORGANISATION_ADD, &organisation_map, o, NULL, err);
}

static enum rc one_seen(struct db *db, enum stmt_id id, const struct val *args, size_t n,
                        struct arena *a, struct organisation *ret, struct err *err)
{
    struct organisation o;
    TRY(db_one(db, id, args, n, &organisation_map, a, &o, err));
    if (o.group_id != 0 && !sees_group(db, o.group_id))
        return not_found(&organisation_map, args, n, err);
    *ret = o;
    return RC_OK;
}

enum rc db_organisation_get(struct db *db, int64_t id, struct arena *a, struct organisation *ret,
                            struct err *err)
{
    return one_seen(db, STMT_ORGANISATION_GET, ARGS(I(id)), a, ret, err);
}

enum rc db_organisation_find(struct db *db, const char *name, struct arena *a,
                             struct organisation *ret, struct err *err)
{
    return one_seen(db, STMT_ORGANISATION_FIND, ARGS(T(name)), a, ret, err);
}

enum rc db_organisation_list(struct db *db, int64_t after, int limit, struct arena *a,
                             struct organisation_list *ret, struct err *err)
{
    TRY(limit_ok(limit, err));
    MANY(db, STMT_ORGANISATION_LIST, &organisation_map, a, ret, err, I(after), I(limit),
         T(db->scope));
    return RC_OK;
}

/* As it is now: who sees the installation's may not change it, nor take it into a group. */
static enum rc may_change(struct db *db, int64_t id, struct err *err)
{
    int64_t group = 0;
    if (!db->scope)
        return RC_OK;
    TRY(db_number(db, STMT_ORGANISATION_GROUP, ARGS(I(id)), &group, err));
    CHECK(sees_group(db, group), err, RC_DENIED, BLAME_INPUT,
          MSG("store.org_shared",
              "this organisation does not belong to a group of yours; ask an administrator",
              "この組織は自分のグループのものではありません。管理者に依頼してください"));
    return RC_OK;
}

enum rc db_organisation_update(struct db *db, const struct organisation *o, struct err *err)
{
    TRY(may_change(db, o->id, err));
    TRY(may_put(db, o->group_id, err));
    return db_change(db, STMT_ORGANISATION_UPDATE,
                     ARGS(I(o->id), I(o->revision), T(o->name), T(o->legal_name),
                          T(o->legal_name_ja), T(o->duns), T(o->registration), T(o->category),
                          T(o->country), T(o->state), T(o->state_ja), T(o->locality),
                          T(o->locality_ja), T(o->street), T(o->street_ja), T(o->postal_code),
                          T(o->phone), I(o->group_id), I(o->updated)),
                     STMT_ORGANISATION_GET, &organisation_map, err);
}

enum rc db_organisation_remove(struct db *db, int64_t id, struct err *err)
{
    TRY(may_change(db, id, err));
    return db_change(db, STMT_ORGANISATION_REMOVE, ARGS(I(id)), STMT_ORGANISATION_GET,
                     &organisation_map, err);
}

enum rc db_organisation_certs(struct db *db, int64_t id, int64_t *ret, struct err *err)
{
    return db_number(db, STMT_ORGANISATION_CERTS, ARGS(I(id)), ret, err);
}

static enum rc touch(struct db *db, int64_t id, int64_t now, struct err *err)
{
    TRY(may_change(db, id, err));
    return db_change(db, STMT_ORGANISATION_TOUCH, ARGS(I(id), I(now)), STMT_ORGANISATION_GET,
                     &organisation_map, err);
}

enum rc db_contact_add(struct db *db, struct contact *c, int64_t now, struct err *err)
{
    TRY(touch(db, c->organisation_id, now, err));
    return db_insert(db, STMT_CONTACT_ADD, &contact_map, c, NULL, err);
}

enum rc db_contact_get(struct db *db, int64_t id, struct arena *a, struct contact *ret,
                       struct err *err)
{
    struct contact c;
    struct organisation o;
    TRY(db_one(db, STMT_CONTACT_GET, ARGS(I(id)), &contact_map, a, &c, err));
    TRY(db_organisation_get(db, c.organisation_id, a, &o, err));
    *ret = c;
    return RC_OK;
}

enum rc db_contact_list(struct db *db, int64_t organisation_id, struct arena *a,
                        struct contact_list *ret, struct err *err)
{
    struct organisation o;
    struct contact_list list;
    TRY(db_organisation_get(db, organisation_id, a, &o, err));
    MANY(db, STMT_CONTACT_LIST, &contact_map, a, &list, err, I(organisation_id));
    *ret = list;
    return RC_OK;
}

enum rc db_contact_update(struct db *db, const struct contact *c, int64_t now, struct err *err)
{
    TRY(touch(db, c->organisation_id, now, err));
    return db_change(db, STMT_CONTACT_UPDATE,
                     ARGS(I(c->id), T(c->role), T(c->name), T(c->name_ja), T(c->title),
                          T(c->title_ja), T(c->mail), T(c->phone)),
                     STMT_CONTACT_GET, &contact_map, err);
}

enum rc db_contact_remove(struct db *db, const struct contact *c, int64_t now, struct err *err)
{
    TRY(touch(db, c->organisation_id, now, err));
    return db_change(db, STMT_CONTACT_REMOVE, ARGS(I(c->id)), STMT_CONTACT_GET, &contact_map, err);
}
