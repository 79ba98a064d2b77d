/*
 * The share folder: /share/<token>/ lists a customer's licence file and the vendor's public key,
 * /share/<token>/<name> gives one. Invariants: nothing is read from a disk, a name is compared with
 * those of the customer's own files, so no path leads anywhere else; an unknown and an expired
 * token answer alike; the token is compared by its hash.
 */
#include <string.h>

#include "api/priv.h"
#include "api/share.h"
#include "api/vendor_priv.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "store/repo_vendor.h"

enum { TOKEN_LENGTH = 43 }; /* 32 bytes as base64url */
#define KEY_FILE    "vendor-key.txt"
#define CHANGE_FILE "vendor-key-change.txt"

static void html(struct buf *b, const char *s)
{
    for (; *s; s++) {
        const char *as = *s == '&'   ? "&amp;"
                         : *s == '<' ? "&lt;"
                         : *s == '>' ? "&gt;"
                         : *s == '"' ? "&quot;"
                                     : NULL;
        if (as)
            buf_adds(b, as);
        else
            buf_addc(b, *s);
    }
}

static void item(struct buf *b, const char *name, const char *what)
{
    buf_adds(b, "<li><a href=\"");
    html(b, name);
    buf_adds(b, "\">");
    html(b, name);
    buf_adds(b, "</a> - ");
    html(b, what);
    buf_adds(b, "</li>\n");
}

static void page(const struct vendor_customer *c, const struct vendor_licence *l,
                 const char *vendor, bool changed, struct buf *b)
{
    bool ja = !c->lang || strcmp(c->lang, "en") != 0;
    buf_adds(b, "<!doctype html>\n<html lang=\"");
    buf_adds(b, ja ? "ja" : "en");
    buf_adds(b, "\"><head><meta charset=\"utf-8\"><title>");
    buf_adds(b, ja ? "共有フォルダ" : "Shared files");
    buf_adds(b, "</title><meta name=\"robots\" content=\"noindex\"></head><body>\n<h1>");
    html(b, vendor ? vendor : "Inro");
    buf_adds(b, "</h1>\n<p>");
    html(b, c->name);
    buf_adds(b, ja ? " 御中</p>\n<ul>\n" : "</p>\n<ul>\n");
    if (l->file)
        item(b, l->file_name, ja ? "ライセンスファイル" : "licence file");
    if (changed)
        item(b, CHANGE_FILE,
             ja ? "ベンダーの鍵変更（ライセンスより先に取り込み）"
                : "the vendor's change of key (to import before the licence)");
    item(b, KEY_FILE, ja ? "ベンダーの公開鍵" : "public key of the vendor");
    buf_adds(b, "</ul>\n</body></html>\n");
}

/* "/share/<token>/<name>" */
static bool parts(const char *path, struct str *ret_token, struct str *ret_name)
{
    static const char prefix[] = "/share/";
    if (strncmp(path, prefix, sizeof prefix - 1) != 0)
        return false;
    struct str rest = str_from(path + sizeof prefix - 1);
    if (!str_split(&rest, '/', ret_token) || !rest.p || ret_token->n != TOKEN_LENGTH)
        return false;
    *ret_name = rest;
    return true;
}

static enum rc note_fetch(struct db *db, const struct vendor_share *s, const char *name,
                          const char *addr, int64_t now, struct arena *a, struct err *err)
{
    struct audit au = {.at = now,
                       .actor = arena_printf(a, "share/%lld", (long long)s->id),
                       .origin = addr,
                       .action = "share.fetch",
                       .subject = arena_printf(a, "customer/%lld", (long long)s->customer_id),
                       .result = "ok"};
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "file", name);
    jw_end_object(&w);
    au.detail = arena_str(a, buf_str(&b));
    TRY(db_share_hit(db, s->id, now, err));
    return db_audit_add(db, &au, err);
}

/* Who was a customer before the key changed gets the change in front of the licence: one file to
 * import. Others know the present key. */
static enum rc with_change(const struct vendor_customer *c, const char *file, const char *change,
                           int64_t since, struct arena *a, struct str *ret, struct err *err)
{
    const char *text = file;
    if (change && c->created < since)
        text = arena_printf(a, "%s%s", change, file);
    *ret = str_from(text);
    return text ? RC_OK : NOMEM(err);
}

static enum rc give(struct db *db, const struct vendor_share *s, struct str name, const char *addr,
                    int64_t now, struct arena *a, struct share_answer *ret, struct err *err)
{
    struct vendor_customer c;
    struct vendor_licence l = {0};
    struct vendor_key k;
    const char *vendor, *change;
    int64_t since;
    TRY(db_customer_get(db, s->customer_id, a, &c, err));
    TRY(db_vendor_key_current(db, a, &k, err));
    TRY(db_meta_get(db, "vendor_name", a, &vendor, err));
    TRY(desk_statements(db, a, &change, &since, err));
    enum rc rc = db_vlicence_newest(db, c.id, a, &l, err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    ret->type = "text/plain; charset=utf-8";
    if (name.n == 0) {
        AUTO(buf) struct buf b = BUF(65536);
        page(&c, &l, vendor, change != NULL, &b);
        TRY(buf_ok(&b, err));
        ret->type = "text/html; charset=utf-8";
        ret->body = str_from(arena_str(a, buf_str(&b)));
    } else if (l.file && str_eqs(name, l.file_name)) {
        TRY(with_change(&c, l.file, change, since, a, &ret->body, err));
        ret->name = l.file_name;
    } else if (change && str_eqs(name, CHANGE_FILE)) {
        ret->body = str_from(change);
        ret->name = CHANGE_FILE;
    } else if (str_eqs(name, KEY_FILE)) {
        ret->body = str_from(k.pub);
        ret->name = KEY_FILE;
    } else {
        return RC_NOT_FOUND;
    }
    return ret->name ? note_fetch(db, s, ret->name, addr, now, a, err) : RC_OK;
}

enum rc share_find(struct store *store, const char *path, const char *addr, int64_t now,
                   struct arena *a, struct share_answer *ret, struct err *err)
{
    struct str token, name;
    struct vendor_share s;
    struct share_answer answer = {0};
    char hash[65];
    AUTO(db) struct db *db = NULL;
    if (!parts(path, &token, &name))
        return RC_NOT_FOUND;
    sha256_hex(token, hash);
    /* Strangers guess here: nothing is locked before the token is known to be good. */
    TRY(store_read(store, &db, err));
    TRY(db_share_find(db, hash, now, a, &s, err));
    db_rollback(&db);
    TRY(store_begin(store, &db, err));
    TRY(give(db, &s, name, addr, now, a, &answer, err));
    TRY(db_commit(&db, err));
    *ret = answer;
    return RC_OK;
}

void share_reply(struct api *api, struct http_exchange *x)
{
    struct share_answer answer;
    struct err err = {0};
    const char *method = http_method(x);
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    security_headers(x, true);
    http_reply_header(x, "X-Robots-Tag", "noindex");
    enum rc rc = get ? share_find(api->o.store, http_path(x), http_peer_of(x)->addr,
                                  clock_now(api->o.clock), http_arena(x), &answer, &err)
                     : RC_NOT_FOUND;
    if (rc != RC_OK) {
        if (rc != RC_NOT_FOUND)
            log_err(LOG_ERROR, "api", "share folder", &err);
        http_reply(x, rc == RC_BUSY ? 503 : 404, "text/plain; charset=utf-8",
                   STR("このリンクは無効か、有効期限が切れています。\n"
                       "This link is unknown or has expired.\n"));
        return;
    }
    if (answer.name)
        http_reply_header(x, "Content-Disposition",
                          arena_printf(http_arena(x), "attachment; filename=\"%s\"", answer.name));
    http_reply(x, 200, answer.type, answer.body);
}
