/*
 * Organisations and the persons who answer for them. Invariants: what is kept was accepted by the
 * field table and settled (model/organisation.h); a change of a contact is one of its organisation
 * and checked against the same revision; one that a certificate names is not removed.
 */
#include <string.h>

#include "api/priv.h"
#include "model/organisation.h"

struct org_in {
    const char *name, *group;
    int64_t revision;
};
static const struct field create_fields[] = {
    FIELD_STR(struct org_in, name, .flags = FIELD_REQUIRED, .max = 128, .label = {"Name", "名前"}),
    FIELD_STR(struct org_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}), FIELD_END};
static const struct field update_fields[] = {
    FIELD_STR(struct org_in, name, .max = 128, .label = {"Name", "名前"}),
    FIELD_STR(struct org_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_INT(struct org_in, revision, .min = 1, .max = INT64_MAX, .label = {"Revision", "版数"}),
    FIELD_END};
struct contact_in {
    int64_t revision; /* of the organisation */
};
static const struct field contact_body[] = {FIELD_INT(struct contact_in, revision, .min = 1,
                                                      .max = INT64_MAX,
                                                      .label = {"Revision", "版数"}),
                                            FIELD_END};
static const char *const objects[] = {"details", NULL};

enum rc find_org(struct request *r, const char *ref, struct organisation *ret, struct err *err)
{
    int64_t id;
    enum rc rc = text_is_id(ref, &id) ? db_organisation_get(r->db, id, r->a, ret, err)
                                      : db_organisation_find(r->db, ref, r->a, ret, err);
    if (rc == RC_NOT_FOUND)
        return FAIL(
            err, RC_NOT_FOUND, BLAME_INPUT,
            MSG("api.no_org", "there is no organisation called {0}", "{0} という組織はありません"),
            ref);
    return rc;
}

void view_org_of(struct request *r, int64_t id)
{
    struct organisation o = {0};
    struct err none;
    enum rc rc = id ? db_organisation_get(r->db, id, r->a, &o, &none) : RC_NOT_FOUND;
    jw_kstr(&r->w, "organisation", rc == RC_OK ? o.name : NULL);
    jw_id(&r->w, "organisation_id", rc == RC_OK ? o.id : 0);
}

static void view_contact(struct json_writer *w, const struct contact *c)
{
    jw_object(w);
    jw_ki64(w, "id", c->id);
    jw_key(w, "details");
    schema_encode(contact_fields, c, SCHEMA_MASKED, w);
    jw_end_object(w);
}

static enum rc view_org(struct request *r, const struct organisation *o, struct err *err)
{
    struct json_writer *w = &r->w;
    struct contact_list contacts = {NULL, 0};
    int64_t certs = 0;
    TRY(db_contact_list(r->db, o->id, r->a, &contacts, err));
    TRY(db_organisation_certs(r->db, o->id, &certs, err));
    jw_object(w);
    jw_ki64(w, "id", o->id);
    jw_kstr(w, "name", o->name);
    view_group_of(r, o->group_id);
    jw_key(w, "details");
    schema_encode(organisation_fields, o, SCHEMA_MASKED, w);
    jw_key(w, "contacts");
    jw_array(w);
    for (size_t i = 0; i < contacts.n; i++)
        view_contact(w, &contacts.v[i]);
    jw_end_array(w);
    jw_ki64(w, "certs", certs);
    jw_ktime(w, "created", o->created);
    jw_ktime(w, "updated", o->updated);
    jw_ki64(w, "revision", o->revision);
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct organisation_list list;
    int64_t after, limit;
    TRY(r_page(r, &after, &limit, err));
    TRY(db_organisation_list(r->db, after, (int)limit, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_org(r, &list.v[i], err));
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct organisation o;
    TRY(find_org(r, r->params[0], &o, err));
    return view_org(r, &o, err);
}

/* What is given over what is there; null takes a member away. */
static enum rc overlay(const struct json *before, const struct json *given, struct json **ret,
                       struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    const char *key;
    const struct json *value;
    void *iter = NULL;
    jw_object(&w);
    while (json_next(before, &iter, &key, &value)) {
        if (json_get(given, key))
            continue;
        jw_key(&w, key);
        jw_json(&w, value);
    }
    iter = NULL;
    while (given && json_next(given, &iter, &key, &value)) {
        jw_key(&w, key);
        jw_json(&w, value);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return json_parse(buf_str(&b), ret, err);
}

/* "details" of the body over what `rec` holds. */
static enum rc read_details(struct request *r, const struct field *fields, bool fresh, void *rec,
                            struct err *err)
{
    AUTO(json) struct json *before = NULL, *all = NULL;
    const struct json *given = json_get(r->body, "details");
    const char *text;
    if (given && json_type_of(given) == JSON_NULL)
        given = NULL;
    if (fresh)
        return schema_decode(fields, given, NULL, NULL, r->a, rec, err);
    TRY(encode_text(r, fields, rec, SCHEMA_STORED, &text, err));
    TRY(json_parse(str_from(text), &before, err));
    TRY(overlay(before, given, &all, err));
    return schema_decode(fields, all, NULL, NULL, r->a, rec, err);
}

static enum rc read_org(struct request *r, bool fresh, struct organisation *o, struct err *err)
{
    enum rc rc = read_details(r, organisation_fields, fresh, o, err);
    if (rc == RC_OK)
        rc = organisation_settle(o, r->a, err);
    if (rc != RC_OK)
        err_field(err, "details");
    return rc;
}

static enum rc answer(struct request *r, int64_t id, struct err *err)
{
    struct organisation o;
    r_subject(r, "org", id);
    r_event(r, "org", id);
    TRY(db_organisation_get(r->db, id, r->a, &o, err));
    return view_org(r, &o, err);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct org_in *in = r->in;
    struct organisation o = {.name = in->name, .created = r->now, .updated = r->now, .revision = 1};
    TRY(name_check(in->name, err));
    TRY(group_from_input(r, in->group, 0, &o.group_id, err));
    TRY(read_org(r, true, &o, err));
    TRY(db_organisation_add(r->db, &o, err));
    r->status = 201;
    return answer(r, o.id, err);
}

static enum rc run_update(struct request *r, struct err *err)
{
    const struct org_in *in = r->in;
    struct organisation o;
    TRY(find_org(r, r->params[0], &o, err));
    r_subject(r, "org", o.id);
    TRY(check_revision(r, in->revision, o.revision, err));
    if (in->name) {
        TRY(name_check(in->name, err));
        o.name = in->name;
    }
    TRY(read_org(r, false, &o, err));
    if (json_get(r->body, "group"))
        TRY(group_from_input(r, in->group, o.group_id, &o.group_id, err));
    o.updated = r->now;
    TRY(db_organisation_update(r->db, &o, err));
    return answer(r, o.id, err);
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct organisation o;
    int64_t certs = 0;
    TRY(find_org(r, r->params[0], &o, err));
    r_subject(r, "org", o.id);
    TRY(check_revision(r, 0, o.revision, err));
    TRY(db_organisation_certs(r->db, o.id, &certs, err));
    CHECK(certs == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.org_used", "{1} certificates name {0}; give them another organisation first",
              "{0} は {1} 件の証明書で使われています。先に証明書の組織を変更してください"),
          o.name, NUM(certs));
    TRY(db_organisation_remove(r->db, o.id, err));
    r_event(r, "org", o.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

/* ---- contacts ---- */
static enum rc find_contact(struct request *r, const struct organisation *o, struct contact *ret,
                            struct err *err)
{
    int64_t id = 0;
    TRY(r_id(r->params[1], &id, err));
    TRY(db_contact_get(r->db, id, r->a, ret, err));
    CHECK(ret->organisation_id == o->id, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_contact", "{0} has no contact with that number",
              "{0} にその番号の担当者はいません"),
          o->name);
    return RC_OK;
}

/* What changed, for the audit line: the organisation's own GET does not tell it apart. */
static enum rc note_change(struct request *r, const struct contact *before,
                           const struct contact *after, struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    for (int i = 0; i < 2; i++) {
        const struct contact *c = i ? after : before;
        jw_key(&w, i ? "after" : "before");
        if (c)
            view_contact(&w, c);
        else
            jw_null(&w);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    r->detail = arena_str(r->a, buf_str(&b));
    return r->detail ? RC_OK : NOMEM(err);
}

static enum rc read_contact(struct request *r, bool fresh, struct contact *c, struct err *err)
{
    enum rc rc = read_details(r, contact_fields, fresh, c, err);
    if (rc == RC_OK)
        rc = contact_settle(c, r->a, err);
    if (rc != RC_OK)
        err_field(err, "details");
    return rc;
}

static enum rc open_org(struct request *r, int64_t revision, struct organisation *ret,
                        struct err *err)
{
    TRY(find_org(r, r->params[0], ret, err));
    r_subject(r, "org", ret->id);
    return check_revision(r, revision, ret->revision, err);
}

enum { CONTACTS_MAX = 50 };

static enum rc run_contact_add(struct request *r, struct err *err)
{
    const struct contact_in *in = r->in;
    struct organisation o;
    struct contact_list all;
    TRY(open_org(r, in->revision, &o, err));
    struct contact c = {.organisation_id = o.id};
    TRY(db_contact_list(r->db, o.id, r->a, &all, err));
    CHECK(all.n < CONTACTS_MAX, err, RC_INPUT, BLAME_INPUT,
          MSG("api.contacts_max", "an organisation has at most {0} contacts",
              "担当者は 1 組織につき {0} 人までです"),
          NUM(CONTACTS_MAX));
    TRY(read_contact(r, true, &c, err));
    TRY(db_contact_add(r->db, &c, r->now, err));
    TRY(note_change(r, NULL, &c, err));
    r->status = 201;
    return answer(r, o.id, err);
}

static enum rc run_contact_update(struct request *r, struct err *err)
{
    const struct contact_in *in = r->in;
    struct organisation o;
    struct contact old;
    TRY(open_org(r, in->revision, &o, err));
    TRY(find_contact(r, &o, &old, err));
    struct contact c = old;
    TRY(read_contact(r, false, &c, err));
    TRY(db_contact_update(r->db, &c, r->now, err));
    TRY(note_change(r, &old, &c, err));
    return answer(r, o.id, err);
}

static enum rc run_contact_remove(struct request *r, struct err *err)
{
    struct organisation o;
    struct contact c;
    TRY(open_org(r, 0, &o, err));
    TRY(find_contact(r, &o, &c, err));
    TRY(db_contact_remove(r->db, &c, r->now, err));
    TRY(note_change(r, &c, NULL, err));
    return answer(r, o.id, err);
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"org.list", "GET", "/orgs", PERM(PERM_VIEW), ROUTE_READ, run_list,
     .answer = "page Organisation", .query = "after limit",
     .summary = {"List the organisations", "組織を一覧する"}},
    {"org.create", "POST", "/orgs", PERM(PERM_OPERATE), ROUTE_WRITE, run_create,
     .answer = "201 Organisation", .summary = {"Add an organisation", "組織を追加する"},
     BODY(create_fields, struct org_in), .objects = objects},
    {"org.get", "GET", "/orgs/{id}", PERM(PERM_VIEW), ROUTE_READ, run_get, .answer = "Organisation",
     .summary = {"One organisation with its contacts", "組織と担当者を表示する"}},
    {"org.update", "PATCH", "/orgs/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_update,
     .answer = "Organisation", .summary = {"Change an organisation", "組織を変更する"},
     BODY(update_fields, struct org_in), .objects = objects},
    {"org.remove", "DELETE", "/orgs/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_remove,
     .answer = "Done",
     .summary = {"Remove an organisation no certificate names", "使われていない組織を削除する"}},
    {"org.contact_add", "POST", "/orgs/{id}/contacts", PERM(PERM_OPERATE), ROUTE_WRITE,
     run_contact_add, .answer = "201 Organisation",
     .summary = {"Add a contact", "担当者を追加する"}, BODY(contact_body, struct contact_in),
     .objects = objects},
    {"org.contact_update", "PATCH", "/orgs/{id}/contacts/{contact}", PERM(PERM_OPERATE),
     ROUTE_WRITE, run_contact_update, .answer = "Organisation",
     .summary = {"Change a contact", "担当者を変更する"}, BODY(contact_body, struct contact_in),
     .objects = objects},
    {"org.contact_remove", "DELETE", "/orgs/{id}/contacts/{contact}", PERM(PERM_OPERATE),
     ROUTE_WRITE, run_contact_remove, .answer = "Organisation",
     .summary = {"Remove a contact", "担当者を削除する"}},
};
ROUTE_SET(routes_org, rows);
