/*
 * What an audit line says of the change itself: the object before and after, of which only what
 * differs is kept. Both are what the object's own GET route answers, so that no handler has to
 * remember it; secrets are fingerprints of their sealed form (views with r->for_audit).
 */
#include <string.h>

#include "api/priv.h"

enum { DETAIL_MAX = 16 << 10 };

/* The GET route of "cert.update" is "cert.get"; its path is the same, or the collection's + id. */
static const struct route *get_route(const struct request *r, bool created)
{
    size_t n, len = strcspn(r->route->id, ".");
    const struct route_set *const *sets = api_route_sets(&n);
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 0; i < sets[s]->n; i++) {
            const struct route *t = &sets[s]->v[i];
            size_t base = strlen(r->route->path);
            bool same = strncmp(t->id, r->route->id, len) == 0 && strcmp(t->id + len, ".get") == 0;
            if (!same || !(t->flags & ROUTE_READ) || !strstr(t->path, "/{id}"))
                continue;
            if (!created && strcmp(t->path, r->route->path) == 0)
                return t;
            if (created && strncmp(t->path, r->route->path, base) == 0 &&
                strcmp(t->path + base, "/{id}") == 0)
                return t;
        }
    }
    return NULL;
}

static const char *look(const struct request *r, const struct route *get, const char *id,
                        struct db *db)
{
    struct request copy = *r;
    struct err none;
    copy.route = get;
    copy.params[0] = id;
    copy.db = db;
    copy.out = BUF((size_t)4 << 20);
    copy.w = JSON_WRITER(&copy.out);
    copy.for_audit = true;
    enum rc rc = get->run(&copy, &none);
    const char *text = rc == RC_OK ? arena_str(r->a, buf_str(&copy.out)) : NULL;
    buf_free(&copy.out);
    return text;
}

void trail_before(struct request *r, struct db *db)
{
    bool change = strcmp(r->route->method, "PATCH") == 0 || strcmp(r->route->method, "DELETE") == 0;
    const struct route *get = change && r->params[0] ? get_route(r, false) : NULL;
    r->before = get ? look(r, get, r->params[0], db) : NULL;
}

/* The object after it; the id is that of the subject, for the name may have changed. */
static const char *look_after(struct request *r, struct db *db)
{
    bool created = strcmp(r->route->method, "POST") == 0;
    const char *id = r->subject ? strchr(r->subject, '/') : NULL;
    if (strcmp(r->route->method, "DELETE") == 0 || !id || (!created && !r->before))
        return NULL;
    const struct route *get = get_route(r, created);
    return get ? look(r, get, id + 1, db) : NULL;
}

static bool noise(const char *key)
{
    static const char *const keys[] = {"id",     "created",     "updated",  "revision", "versions",
                                       "orders", "deployments", "bindings", "members"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static bool equal(const struct json *a, const struct json *b)
{
    AUTO(buf) struct buf x = BUF((size_t)4 << 20), y = BUF((size_t)4 << 20);
    struct json_writer wx = JSON_WRITER(&x), wy = JSON_WRITER(&y);
    if (!a || !b)
        return a == b;
    jw_json(&wx, a);
    jw_json(&wy, b);
    return str_eq(buf_str(&x), buf_str(&y));
}

/* The members of `of` that `other` has differently; all that say something when there is no other.
 */
static void put_side(struct json_writer *w, const char *key, const struct json *of,
                     const struct json *other)
{
    void *iter = NULL;
    const char *name;
    const struct json *value;
    jw_key(w, key);
    if (!of) {
        jw_null(w);
        return;
    }
    jw_object(w);
    while (json_next(of, &iter, &name, &value)) {
        if (noise(name) || (!other && json_type_of(value) == JSON_NULL) ||
            (other && equal(value, json_get(other, name))))
            continue;
        jw_key(w, name);
        jw_json(w, value);
    }
    jw_end_object(w);
}

static void put_more(struct json_writer *w, const char *detail)
{
    struct json *j = NULL;
    struct err none;
    void *iter = NULL;
    const char *name;
    const struct json *value;
    if (!detail || json_parse(str_from(detail), &j, &none) != RC_OK)
        return;
    while (json_next(j, &iter, &name, &value)) {
        if (strcmp(name, "before") == 0 || strcmp(name, "after") == 0)
            continue;
        jw_key(w, name);
        jw_json(w, value);
    }
    json_free(j);
}

void trail_after(struct request *r, struct db *db)
{
    AUTO(json) struct json *before = NULL, *after = NULL;
    AUTO(buf) struct buf b = BUF((size_t)8 << 20);
    struct json_writer w = JSON_WRITER(&b);
    struct err none;
    const char *text = look_after(r, db);
    if ((!r->before && !text) ||
        (r->before && json_parse(str_from(r->before), &before, &none) != RC_OK) ||
        (text && json_parse(str_from(text), &after, &none) != RC_OK))
        return;
    jw_object(&w);
    put_more(&w, r->detail);
    put_side(&w, "before", before, after);
    put_side(&w, "after", after, before);
    jw_end_object(&w);
    if (b.bad != RC_OK || b.len > DETAIL_MAX) { /* too large to keep: which object is in the line */
        buf_clear(&b);
        w = JSON_WRITER(&b);
        jw_object(&w);
        put_more(&w, r->detail);
        jw_kbool(&w, "too_large", true);
        jw_end_object(&w);
    }
    const char *detail = arena_str(r->a, buf_str(&b));
    r->detail = detail ? detail : r->detail;
}
