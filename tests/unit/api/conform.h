/*
 * Holds what a route answered to what its row says: status, media type, and in JSON no member that
 * is not declared, none missing, each of its type. api_rig.h asks for every answer of every test.
 */
#ifndef INRO_TEST_CONFORM_H
#define INRO_TEST_CONFORM_H

#include "api/priv.h"

/* False: *why says what is wrong and where. */
static inline bool conform_component(const struct json *j, const struct component *c,
                                     struct buf *why);

static inline bool conform_choice(const char *text, struct str words)
{
    struct str one;
    while (text && str_split(&words, '|', &one))
        if (str_eqs(one, text))
            return true;
    return false;
}

static inline bool conform_map(const struct json *j, enum json_type type)
{
    void *iter = NULL;
    const char *key;
    const struct json *value;
    bool good = json_type_of(j) == JSON_OBJECT;
    while (good && json_next(j, &iter, &key, &value))
        good = json_type_of(value) == type;
    return good;
}

static inline bool conform_day(const char *text)
{
    size_t digits = text ? strspn(text, "0123456789-") : 0;
    return digits == 10 && text[10] == '\0' && text[4] == '-' && text[7] == '-';
}

static inline bool conform_value(const struct json *j, const struct member *m, struct buf *why)
{
    const char *text = json_as_str(j);
    int64_t at;
    switch (m->type) {
    case MEMBER_INT:
        return json_type_of(j) == JSON_INT;
    case MEMBER_BOOL:
        return json_type_of(j) == JSON_BOOL;
    case MEMBER_STR:
        return json_type_of(j) == JSON_STRING;
    case MEMBER_TIME:
        return text && time_parse_rfc3339(text, &at);
    case MEMBER_DAY:
        return conform_day(text);
    case MEMBER_OBJECT:
        return json_type_of(j) == JSON_OBJECT;
    case MEMBER_COUNTS:
        return conform_map(j, JSON_INT);
    case MEMBER_TEXTS:
        return conform_map(j, JSON_STRING);
    case MEMBER_CHOICE:
        return conform_choice(text, m->word);
    case MEMBER_COMPONENT:
        return conform_component(j, component_find(m->word), why);
    case MEMBER_ANY:
        return true;
    }
    return false;
}

static inline bool conform_member(const struct json *j, const struct member *m, struct buf *why)
{
    bool good = true;
    if (m->nullable && json_type_of(j) == JSON_NULL)
        return true;
    if (!m->list) {
        good = conform_value(j, m, why);
    } else {
        good = json_type_of(j) == JSON_ARRAY;
        for (size_t i = 0; good && i < json_len(j); i++)
            good = conform_value(json_at(j, i), m, why);
    }
    if (!good) {
        buf_adds(why, " <- ");
        buf_addstr(why, m->name);
    }
    return good;
}

static inline bool conform_declared(const struct component *c, const char *key)
{
    struct member_walk w = members_of(c);
    struct member m;
    while (member_next(&w, &m))
        if (str_eqs(m.name, key))
            return true;
    return false;
}

static inline bool conform_component(const struct json *j, const struct component *c,
                                     struct buf *why)
{
    struct member_walk w = members_of(c);
    struct member m;
    void *iter = NULL;
    const char *key;
    const struct json *value;
    if (json_type_of(j) != JSON_OBJECT)
        return false;
    if (!c->members)
        return true;
    bool good = true;
    while (good && member_next(&w, &m)) {
        AUTO(buf) struct buf name = BUF(128);
        buf_addstr(&name, m.name);
        const struct json *have = json_get(j, buf_cstr(&name));
        if (have) {
            good = conform_member(have, &m, why);
        } else if (!m.optional) {
            buf_addf(why, "%s is missing", buf_cstr(&name));
            good = false;
        }
    }
    while (good && json_next(j, &iter, &key, &value)) {
        good = conform_declared(c, key);
        if (!good)
            buf_addf(why, "%s is not declared", key);
    }
    if (!good)
        buf_addf(why, " <- %s", c->name);
    return good;
}

static inline bool conform_list(const struct json *j, const struct way *way, struct buf *why)
{
    const struct json *items = json_get(j, "items"), *next = json_get(j, "next");
    enum json_type type = way->shape == WAY_CURSOR ? JSON_STRING : JSON_INT;
    bool good = json_type_of(items) == JSON_ARRAY;
    if (way->shape == WAY_LIST)
        good = good && json_len(j) == 1;
    else
        good = good && json_len(j) == 2 && next &&
               (json_type_of(next) == JSON_NULL || json_type_of(next) == type);
    for (size_t i = 0; good && i < json_len(items); i++)
        good = conform_component(json_at(items, i), component_find(way->word), why);
    return good;
}

static inline bool conform_way(const struct way *way, const char *type, bool stream,
                               const struct json *j, struct buf *why)
{
    struct str rest = str_from(type), media;
    switch (way->shape) {
    case WAY_STREAM:
        return stream;
    case WAY_FILE:
        return str_split(&rest, ';', &media) && str_eq(media, way->word);
    case WAY_ONE:
        return strcmp(type, "application/json") == 0 &&
               conform_component(j, component_find(way->word), why);
    case WAY_PAGE:
    case WAY_CURSOR:
    case WAY_LIST:
        return strcmp(type, "application/json") == 0 && conform_list(j, way, why);
    }
    return false;
}

/* t NULL: no such route; an error then. */
static inline bool conform_answer(const struct route *t, int status, const char *type, bool stream,
                                  const struct json *j, struct buf *why)
{
    struct str rest = str_from(t ? t->answer : NULL);
    struct way way;
    if (status >= 400)
        return conform_component(j, component_find(STR("Error")), why);
    while (way_next(&rest, &way))
        if ((way.status[0] == status || way.status[1] == status) &&
            conform_way(&way, type, stream, j, why))
            return true;
    return false;
}

/* The route of a call, as the dispatcher finds it. */
static inline bool conform_path(const char *template, const char *path)
{
    struct str t = str_from(template), p = str_from(path), tp, pp;
    for (;;) {
        bool more_t = str_split(&t, '/', &tp), more_p = str_split(&p, '/', &pp);
        if (!more_t || !more_p)
            return more_t == more_p;
        if (!(tp.n > 0 && tp.p[0] == '{' && pp.n > 0) && !str_eq(tp, pp))
            return false;
    }
}

static inline const struct route *conform_route(const char *method, const char *path)
{
    for (size_t i = 0; i < api_route_count(); i++)
        if (strcmp(api_route(i)->method, method) == 0 && conform_path(api_route(i)->path, path))
            return api_route(i);
    return NULL;
}

#endif
