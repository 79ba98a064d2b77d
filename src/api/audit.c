/*
 * The audit log as it is read: list, export, proof. Invariants: nothing here changes a record; a
 * CSV cell never begins a formula; the head of the log is proven apart from the log (a MAC by the
 * vault, kept in the store and in a file), so that a cut end is found also when the store was
 * rewritten to match.
 */
#include <string.h>

#include "api/priv.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "base/rand.h"

enum { EXPORT_PAGE = 500, EXPORT_BYTES = 16 << 20, MAC_HEX = 64 };

#define KEY_PLACE "audit/key"

/* The members of a record; the caller begins and ends the object. */
static void view_audit(struct json_writer *w, const struct audit *a, bool chain)
{
    jw_ki64(w, "id", a->id);
    jw_ktime(w, "at", a->at);
    jw_kstr(w, "actor", a->actor);
    jw_kstr(w, "origin", a->origin);
    jw_kstr(w, "action", a->action);
    jw_kstr(w, "subject", a->subject);
    view_raw(w, "detail", a->detail);
    jw_kstr(w, "result", a->result);
    if (chain)
        jw_kstr(w, "prev_hash", a->prev_hash);
    jw_kstr(w, "hash", a->hash);
}

/* subject=, q= and actions= of the query. */
static enum rc read_filter(struct request *r, struct audit_filter *ret, struct err *err)
{
    const char *actions = r_query(r, "actions");
    *ret = (struct audit_filter){.subject = r_query(r, "subject"), .text = r_query(r, "q")};
    if (actions && !(ret->actions = arena_printf(r->a, ",%s,", actions)))
        return NOMEM(err);
    return RC_OK;
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct audit_list list;
    struct audit_filter f;
    int64_t before, limit;
    TRY(r_query_int(r, "before", 0, INT64_MAX, 0, &before, err));
    TRY(r_query_int(r, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err));
    TRY(read_filter(r, &f, err));
    f.before = before;
    f.limit = (int)limit;
    TRY(db_audit_list(r->db, &f, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++) {
        jw_object(&r->w);
        view_audit(&r->w, &list.v[i], false);
        view_subject_name(r, list.v[i].subject);
        jw_end_object(&r->w);
    }
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

/* ---- export ---- */
/* RFC 4180; what a spreadsheet would take for a formula gets an apostrophe before it. */
void csv_cell(struct buf *out, const char *s)
{
    buf_addc(out, '"');
    if (s && s[0] && strchr("=+-@\t\r|%", s[0]))
        buf_addc(out, '\'');
    for (; s && *s; s++) {
        if (*s == '"')
            buf_addc(out, '"');
        buf_addc(out, *s);
    }
    buf_addc(out, '"');
}

static void csv_row(struct buf *out, const struct audit *a)
{
    const char *const cells[] = {a->actor,  a->origin, a->action,    a->subject,
                                 a->result, a->detail, a->prev_hash, a->hash};
    char at[32];
    time_rfc3339(a->at, at);
    buf_addf(out, "%lld,", (long long)a->id);
    csv_cell(out, at);
    for (size_t i = 0; i < COUNT_OF(cells); i++) {
        buf_addc(out, ',');
        csv_cell(out, cells[i]);
    }
    buf_adds(out, "\r\n");
}

static enum rc query_time(const struct request *r, const char *name, int64_t dflt, int64_t *ret,
                          struct err *err)
{
    const char *text = r_query(r, name);
    *ret = dflt;
    if (!text || time_parse_rfc3339(text, ret))
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.time", "{0} must be a time like 2026-11-24T09:00:00+09:00",
                          "{0} は 2026-11-24T09:00:00+09:00 の形式で指定してください"),
                      name);
    err_field(err, name);
    return rc;
}

enum rc r_query_range(const struct request *r, int64_t *ret_from, int64_t *ret_to, struct err *err)
{
    TRY(query_time(r, "from", 0, ret_from, err));
    return query_time(r, "to", INT64_MAX, ret_to, err);
}

struct export
{
    bool csv;
    int64_t from, to, after;
    struct audit_filter filter;
    bool full; /* the answer has had enough: the rest by after= */
};

static enum rc export_page(struct request *r, struct export *x, bool *ret_more, struct err *err)
{
    struct audit_list page;
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    if (!a)
        return NOMEM(err);
    TRY(db_audit_find(r->db, &x->filter, x->after, a, &page, err));
    for (size_t i = 0; i < page.n && !x->full; i++) {
        const struct audit *rec = &page.v[i];
        x->after = rec->id;
        if (rec->at < x->from || rec->at >= x->to)
            continue;
        if (x->csv) {
            csv_row(&r->out, rec);
        } else {
            struct json_writer w = JSON_WRITER(&r->out);
            jw_object(&w);
            view_audit(&w, rec, true);
            jw_end_object(&w);
            buf_addc(&r->out, '\n');
        }
        x->full = r->out.len > EXPORT_BYTES;
    }
    *ret_more = page.n == EXPORT_PAGE && !x->full;
    return buf_ok(&r->out, err);
}

static enum rc run_export(struct request *r, struct err *err)
{
    const char *format = r_query(r, "format");
    struct export x = {.csv = format && strcmp(format, "csv") == 0};
    CHECK(!format || x.csv || strcmp(format, "jsonl") == 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.audit_format", "format is jsonl or csv", "形式は jsonl か csv です"));
    TRY(read_filter(r, &x.filter, err));
    x.filter.limit = EXPORT_PAGE;
    TRY(r_query_range(r, &x.from, &x.to, err));
    TRY(r_query_int(r, "after", 0, INT64_MAX, 0, &x.after, err));
    r->type = x.csv ? "text/csv; charset=utf-8" : "application/jsonl";
    if (x.csv && x.after == 0)
        buf_adds(&r->out, "id,at,actor,origin,action,subject,result,detail,prev_hash,hash\r\n");
    for (bool more = true; more;)
        TRY(export_page(r, &x, &more, err));
    return RC_OK;
}

/* ---- the head, proven apart ---- */
struct anchor {
    int64_t id;
    struct str hash, mac, signed_text; /* hex; "id:hash" */
};

static bool anchor_read(const char *text, struct anchor *ret)
{
    struct str rest = str_trim(str_from(text)), id;
    struct str all = rest;
    if (!text || !str_split(&rest, ':', &id) || !str_to_i64(id, 0, INT64_MAX, &ret->id) ||
        !str_split(&rest, ':', &ret->hash) || rest.n != MAC_HEX)
        return false;
    ret->mac = rest;
    ret->signed_text = (struct str){all.p, all.n - MAC_HEX - 1};
    return true;
}

static enum rc mac_hex(struct api *api, const char *key, struct str text, struct buf *out,
                       struct err *err)
{
    unsigned char mac[32];
    (void)pthread_mutex_lock(&api->vault_lock);
    enum rc rc = vault_mac(api->o.vault, KEY_PLACE, key, text, mac, err);
    (void)pthread_mutex_unlock(&api->vault_lock);
    TRY(rc);
    hex_add(out, mac, sizeof mac);
    return buf_ok(out, err);
}

static enum rc forged(const char *where, struct err *err)
{
    return FAIL(
        err, RC_CORRUPT, BLAME_US,
        MSG("api.audit_anchor",
            "the audit log does not agree with its proven head in {0}: records are missing "
            "or were rewritten; compare it with a backup",
            "監査ログが {0} にある証明済みの先頭情報と一致しません。記録の欠落または改変があ"
            "ります。バックアップと比較してください"),
        where);
}

/* text NULL: none was made yet. */
static enum rc anchor_check(struct request *r, const char *key, const char *text, const char *where,
                            struct err *err)
{
    AUTO(buf) struct buf right = BUF(256);
    struct anchor a;
    struct audit rec;
    struct err none;
    if (!text)
        return RC_OK;
    if (!key || !anchor_read(text, &a))
        return forged(where, err);
    TRY(mac_hex(r->api, key, a.signed_text, &right, err));
    if (!str_eq_secret(a.mac, buf_str(&right)))
        return forged(where, err);
    if (a.id == 0)
        return RC_OK;
    enum rc rc = db_audit_get(r->db, a.id, r->a, &rec, &none);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && (!rec.hash || !str_eqs(a.hash, rec.hash))))
        return forged(where, err);
    if (rc != RC_OK)
        *err = none;
    return rc;
}

static const char *anchor_path(struct api *api, struct arena *a)
{
    return api->o.data ? arena_printf(a, "%s/audit.head", api->o.data) : NULL;
}

static enum rc verify_all(struct request *r, int64_t *ret, struct err *err)
{
    AUTO(buf) struct buf file = BUF(1024);
    const char *key, *kept, *path = anchor_path(r->api, r->a);
    TRY(db_audit_verify(r->db, ret, err));
    TRY(db_meta_get(r->db, "audit_key", r->a, &key, err));
    TRY(db_meta_get(r->db, "audit_anchor", r->a, &kept, err));
    TRY(anchor_check(r, key, kept, r->api->o.store_url ? "the store" : "-", err));
    if (path && file_read(path, &file, NULL) == RC_OK)
        TRY(anchor_check(r, key, buf_cstr(&file), path, err));
    return RC_OK;
}

static enum rc run_verify(struct request *r, struct err *err)
{
    int64_t n = 0;
    TRY(verify_all(r, &n, err));
    jw_object(&r->w);
    jw_kbool(&r->w, "whole", true);
    jw_ki64(&r->w, "records", n);
    jw_end_object(&r->w);
    return RC_OK;
}

/* The key of the MAC, sealed; made once. */
static enum rc anchor_key(struct api *api, struct arena *a, const char **ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    AUTO(buf) struct buf text = BUF_SECRET(128);
    unsigned char raw[32];
    const char *sealed = NULL;
    TRY(store_read(api->o.store, &db, err));
    TRY(db_meta_get(db, "audit_key", a, ret, err));
    db_rollback(&db);
    if (*ret)
        return RC_OK;
    rand_bytes(raw, sizeof raw);
    base64url_add(&text, raw, sizeof raw);
    mem_wipe(raw, sizeof raw);
    (void)pthread_mutex_lock(&api->vault_lock);
    enum rc rc = vault_seal(api->o.vault, KEY_PLACE, buf_str(&text), a, &sealed, err);
    (void)pthread_mutex_unlock(&api->vault_lock);
    TRY(rc);
    TRY(store_begin(api->o.store, &db, err));
    TRY(db_meta_get(db, "audit_key", a, ret, err)); /* another node was first */
    if (!*ret)
        TRY(db_meta_set(db, "audit_key", sealed, err));
    TRY(db_commit(&db, err));
    *ret = *ret ? *ret : sealed;
    return RC_OK;
}

static enum rc anchor_write(struct api *api, struct arena *a, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    AUTO(buf) struct buf text = BUF(512);
    char hash[65];
    int64_t id = 0;
    const char *key = NULL, *path = anchor_path(api, a);
    TRY(store_read(api->o.store, &db, err));
    TRY(db_audit_head(db, &id, hash, err));
    db_rollback(&db);
    if (id == 0 || id == api->anchored)
        return RC_OK;
    TRY(anchor_key(api, a, &key, err));
    buf_addf(&text, "%lld:%s", (long long)id, hash);
    const char *head = arena_str(a, buf_str(&text));
    buf_addc(&text, ':');
    TRY(mac_hex(api, key, str_from(head), &text, err));
    TRY(store_begin(api->o.store, &db, err));
    TRY(db_meta_set(db, "audit_anchor", buf_cstr(&text), err));
    TRY(db_commit(&db, err));
    if (path)
        TRY(file_write_atomic(path, buf_str(&text), 0600, (uid_t)-1, (gid_t)-1, err));
    api->anchored = id;
    return RC_OK;
}

/* Once after the start: what happened while nobody looked is said. */
static void look_once(struct api *api, struct arena *a)
{
    struct request r = {.api = api, .a = a, .now = clock_now(api->o.clock)};
    AUTO(db) struct db *db = NULL;
    struct err err;
    int64_t n = 0;
    api->audit_looked = true;
    enum rc rc = store_read(api->o.store, &db, &err);
    r.db = db;
    if (rc == RC_OK)
        rc = verify_all(&r, &n, &err);
    if (rc != RC_OK)
        log_err(LOG_ERROR, "api", "verifying the audit log", &err);
}

void audit_tick(struct api *api)
{
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    struct err err;
    if (!a)
        return;
    if (!api->audit_looked)
        look_once(api, a);
    if (anchor_write(api, a, &err) != RC_OK)
        log_err(LOG_WARN, "api", "proving the head of the audit log", &err);
}

static const struct route rows[] = {
    {"audit.list", "GET", "/audit", PERM(PERM_ADMIN), ROUTE_READ, run_list, .answer = "page Audit",
     .query = "before limit subject q actions",
     .summary = {"The audit log, newest first", "監査ログを一覧する"}},
    {"audit.export", "GET", "/audit/export", PERM(PERM_ADMIN), ROUTE_READ, run_export,
     .answer = "file application/jsonl, file text/csv",
     .query = "format@audit from to after@export subject q actions",
     .summary = {"The audit log as JSON lines or CSV",
                 "監査ログを書き出す（JSON Lines または CSV）"}},
    {"audit.verify", "POST", "/audit/verify", PERM(PERM_ADMIN), ROUTE_READ, run_verify,
     .answer = "AuditProof",
     .summary = {"Prove that the audit log is whole", "監査ログの完全性を検証する"}},
};
ROUTE_SET(routes_audit, rows);
