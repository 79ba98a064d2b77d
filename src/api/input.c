/*
 * What handlers read from a request. Invariant: a body is seen by a handler only after its field
 * table accepted it; members that are objects are named by the route, anything else is refused.
 */
#include <string.h>

#include "api/priv.h"

enum rc r_read(struct request *r, struct db **ret, struct err *err)
{
    TRY(store_read(r->api->o.store, ret, err));
    db_scope(*ret, r->scope);
    return RC_OK;
}

enum rc r_begin(struct request *r, struct db **ret, struct err *err)
{
    TRY(store_begin(r->api->o.store, ret, err));
    db_scope(*ret, r->scope);
    return RC_OK;
}

const char *r_header(const struct request *r, const char *name)
{
    return r->call->header ? r->call->header(r->call->ctx, name) : NULL;
}

/* What the route's row does not declare is not there. */
const char *r_query(const struct request *r, const char *name)
{
    if (!query_declared(r->route->query, name))
        return NULL;
    const char *v = r->call->query ? r->call->query(r->call->ctx, name) : NULL;
    return v && v[0] ? v : NULL;
}

enum rc r_query_int(const struct request *r, const char *name, int64_t min, int64_t max,
                    int64_t dflt, int64_t *ret, struct err *err)
{
    const char *v = r_query(r, name);
    *ret = dflt;
    if (!v || str_to_i64(str_from(v), min, max, ret))
        return RC_OK;
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.query_int", "{0} must be a number from {1} to {2}",
                          "{0} には {1}～{2} の数値を指定してください"),
                      name, NUM(min), NUM(max));
    err_field(err, name);
    return rc;
}

enum rc r_query_text(const struct request *r, const char **ret, struct err *err)
{
    const char *v = r_query(r, "q");
    *ret = v && *v ? v : NULL;
    CHECK(!v || strlen(v) <= 256, err, RC_INPUT, BLAME_INPUT,
          MSG("api.q_long", "the search text is longer than 256 bytes",
              "検索文字列は 256 バイト以下にしてください"));
    return RC_OK;
}

enum rc r_query_state(struct request *r, const char *(*name)(int state), int n, int64_t *ret,
                      struct err *err)
{
    const char *v = r_query(r, "state");
    *ret = 0;
    for (int s = 0; v && s < n; s++)
        if (strcmp(name(s), v) == 0)
            *ret = s + 1;
    if (!v || !*v || *ret)
        return RC_OK;
    enum rc rc = FAIL(
        err, RC_INPUT, BLAME_INPUT,
        MSG("api.state_unknown", "there is no state {0} here", "{0} という状態はありません"), v);
    err_field(err, "state");
    return rc;
}

static bool listed(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* The body without the members that are objects, for the field table. */
static enum rc flat_part(struct request *r, const struct json *body, struct json **ret,
                         struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)8 << 20);
    struct json_writer w = JSON_WRITER(&b);
    void *iter = NULL;
    const char *key;
    const struct json *value;
    jw_object(&w);
    while (json_next(body, &iter, &key, &value)) {
        bool object = listed(r->route->objects, key);
        if (object && json_type_of(value) != JSON_OBJECT && json_type_of(value) != JSON_NULL) {
            enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                              MSG("api.not_object", "{0} must be a JSON object",
                                  "{0} は JSON オブジェクトで指定してください"),
                              key);
            err_field(err, key);
            return rc;
        }
        if (object)
            continue;
        jw_key(&w, key);
        jw_json(&w, value);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    return json_parse(buf_str(&b), ret, err);
}

enum { BODY_MAX = 4 << 20 }; /* the largest is a file to import, as base64 */

enum rc r_page(struct request *r, int64_t *ret_after, int64_t *ret_limit, struct err *err)
{
    TRY(r_query_int(r, "after", 0, INT64_MAX, 0, ret_after, err));
    return r_query_int(r, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, ret_limit, err);
}

enum rc r_body(struct request *r, struct err *err)
{
    const struct route *t = r->route;
    if (!t->body) {
        struct str body = str_trim(r->call->body);
        CHECK(body.n == 0 || str_eq(body, STR("{}")), err, RC_INPUT, BLAME_INPUT,
              MSG("api.no_body", "this request takes no body", "この要求に本文は指定できません"));
        return RC_OK;
    }
    struct json *body = NULL;
    CHECK(r->call->body.n <= BODY_MAX, err, RC_INPUT, BLAME_INPUT,
          MSG("api.body_big", "the body is larger than {0} bytes",
              "本文が上限 {0} バイトを超えています"),
          NUM(BODY_MAX));
    if (str_trim(r->call->body).n > 0)
        TRY(json_parse(r->call->body, &body, err));
    AUTO(json) struct json *root = body;
    AUTO(json) struct json *flat = NULL;
    CHECK(!body || json_type_of(body) == JSON_OBJECT, err, RC_INPUT, BLAME_INPUT,
          MSG("api.body_object", "the body must be a JSON object",
              "本文は JSON オブジェクトで指定してください"));
    if (body)
        TRY(flat_part(r, body, &flat, err));
    r->in = arena_alloc(r->a, t->body_size);
    if (!r->in)
        return NOMEM(err);
    TRY(schema_decode(t->body, flat, NULL, NULL, r->a, r->in, err));
    r->body = TAKE(root);
    return RC_OK;
}

bool text_is_id(const char *text, int64_t *ret)
{
    return text && str_to_i64(str_from(text), 1, INT64_MAX, ret);
}

const char *r_person(struct request *r)
{
    return r->user.id ? arena_printf(r->a, "user/%lld", (long long)r->user.id) : "local";
}

enum rc r_id(const char *text, int64_t *ret, struct err *err)
{
    CHECK(text_is_id(text, ret), err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_id", "there is no record with that number", "その番号の記録はありません"));
    return RC_OK;
}

/* A name is for people and for addresses: no control characters, slashes or numbers only. */
enum rc name_check(const char *name, struct err *err)
{
    struct str s = str_from(name);
    bool good = s.n > 0 && s.n <= 128 && str_is_utf8(s) && str_trim(s).n == s.n;
    bool digits = true;
    for (size_t i = 0; good && i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        good = c >= 0x20 && c != 0x7f && c != '/' && c != '\\';
        digits = digits && c >= '0' && c <= '9';
    }
    if (good && !digits && s.p[0] != '-' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return RC_OK;
    enum rc rc =
        FAIL(err, RC_INPUT, BLAME_INPUT,
             MSG("api.name_bad",
                 "a name has 1 to 128 bytes, not digits alone, without slashes, control "
                 "characters, spaces around it or a leading hyphen",
                 "名前は 1～128 バイトで、数字だけの名前、スラッシュ、制御文字、前後の空白、"
                 "先頭のハイフンは使えません"));
    err_field(err, "name");
    return rc;
}

enum rc find_connector(struct request *r, const char *kind, const char *ref, struct connector *ret,
                       struct err *err)
{
    int64_t id;
    enum rc rc;
    struct connector c;
    if (text_is_id(ref, &id))
        rc = db_connector_get(r->db, id, r->a, &c, err);
    else
        rc = db_connector_find(r->db, kind, ref, r->a, &c, err);
    if (rc == RC_OK && strcmp(c.kind, kind) != 0)
        rc = RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_connector", "there is no {0} called {1}",
                        "{1} という {0} 設定はありません"),
                    kind, ref);
    TRY(rc);
    *ret = c;
    return RC_OK;
}

enum rc find_cert(struct request *r, const char *ref, struct cert *ret, struct err *err)
{
    int64_t id;
    enum rc rc = text_is_id(ref, &id) ? db_cert_get(r->db, id, r->a, ret, err)
                                      : db_cert_find(r->db, ref, r->a, ret, err);
    if (rc == RC_NOT_FOUND)
        return FAIL(err, RC_NOT_FOUND, BLAME_INPUT,
                    MSG("api.no_cert", "there is no certificate called {0}",
                        "{0} という証明書はありません"),
                    ref);
    return rc;
}

enum rc check_revision(struct request *r, int64_t wanted, int64_t have, struct err *err)
{
    const char *match = r_header(r, "If-Match");
    if (match && wanted == 0) {
        struct str s = str_from(match);
        if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
            s = (struct str){s.p + 1, s.n - 2};
        if (!str_eqs(s, "*") && !str_to_i64(s, 0, INT64_MAX, &wanted))
            wanted = -1;
    }
    CHECK(wanted == 0 || wanted == have, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.stale", "it was changed by somebody else meanwhile; look again and repeat",
              "他の利用者が先に変更しました。表示し直してからやり直してください"));
    return RC_OK;
}

void r_subject(struct request *r, const char *kind, int64_t id)
{
    r->subject = arena_printf(r->a, "%s/%lld", kind, (long long)id);
}

void r_event(struct request *r, const char *kind, int64_t id)
{
    AUTO(buf) struct buf b = BUF(1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "event", kind);
    jw_ki64(&w, "id", id);
    jw_end_object(&w);
    r->event = arena_strdup(r->a, buf_cstr(&b));
}

enum rc r_seal(struct request *r, const char *place, struct str clear, const char **ret,
               struct err *err)
{
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = vault_seal(r->api->o.vault, place, clear, r->a, ret, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    return rc;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool says_where(const struct field *f)
{
    return f->type == FIELD_T_HOST || f->type == FIELD_T_PORT || f->type == FIELD_T_URL;
}

enum rc r_secrets_stay(const struct field *fields, const struct json *before,
                       const struct json *after, struct err *err)
{
    bool moved = false;
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        if (says_where(f) && json_get(after, f->name))
            moved |=
                !same_text(json_str_or(before, f->name, NULL), json_str_or(after, f->name, NULL)) ||
                json_i64_or(before, f->name, 0) != json_i64_or(after, f->name, 0);
    for (const struct field *f = fields; moved && f->type != FIELD_T_END; f++) {
        const char *old = NULL, *new = NULL;
        if (!json_get_str(json_get(before, f->name), "sealed", &old) ||
            !json_get_str(json_get(after, f->name), "sealed", &new) || strcmp(old, new) != 0)
            continue;
        enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                          MSG("api.secret_moved",
                              "the machine to connect to has changed: enter {0} again, it is not "
                              "sent to another machine than it was entered for",
                              "接続先が変わりました。登録済みの {1} は別の接続先には送信しません。"
                              "{1} を入力し直してください"),
                          f->label.en, f->label.ja);
        err_field(err, f->name);
        return rc;
    }
    return RC_OK;
}

enum rc stored_json(const char *text, struct json **ret, struct err *err)
{
    *ret = NULL;
    return text && text[0] ? json_parse(str_from(text), ret, err) : RC_OK;
}

enum conn_kind kind_of_name(const char *kind)
{
    for (enum conn_kind k = CONN_CA; k < CONN_KINDS; k++)
        if (kind && strcmp(conn_kind_name(k), kind) == 0)
            return k;
    return CONN_KINDS;
}

enum rc encode_text(struct request *r, const struct field *fields, const void *in,
                    enum schema_secrets how, const char **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)8 << 20);
    struct json_writer w = JSON_WRITER(&b);
    schema_encode(fields, in, how, &w);
    TRY(buf_ok(&b, err));
    *ret = arena_str(r->a, buf_str(&b));
    return *ret ? RC_OK : NOMEM(err);
}
