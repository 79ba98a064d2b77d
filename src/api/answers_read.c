/* The words of the tables in answers.c and of the routes' columns. */
#include <string.h>

#include "api/answers.h"

struct member_walk members_of(const struct component *c)
{
    return (struct member_walk){.rest = str_from(c->members)};
}

static bool take_end(struct str *s, char end)
{
    bool has = s->n > 0 && s->p[s->n - 1] == end;
    s->n -= has;
    return has;
}

static bool type_read(struct str word, struct member *ret)
{
    static const struct {
        const char *word;
        enum member_type type;
    } simple[] = {{"int", MEMBER_INT},       {"str", MEMBER_STR},       {"bool", MEMBER_BOOL},
                  {"time", MEMBER_TIME},     {"day", MEMBER_DAY},       {"any", MEMBER_ANY},
                  {"object", MEMBER_OBJECT}, {"counts", MEMBER_COUNTS}, {"texts", MEMBER_TEXTS}};
    ret->nullable = take_end(&word, '?');
    ret->list = word.n > 2 && word.p[0] == '[' && take_end(&word, ']');
    if (ret->list)
        word = (struct str){word.p + 1, word.n - 1};
    ret->word = word;
    for (size_t i = 0; i < COUNT_OF(simple); i++) {
        if (str_eqs(word, simple[i].word)) {
            ret->type = simple[i].type;
            return true;
        }
    }
    bool choice = word.n > 0 && memchr(word.p, '|', word.n) != NULL;
    ret->type = choice ? MEMBER_CHOICE : MEMBER_COMPONENT;
    return choice || component_find(word) != NULL;
}

bool member_next(struct member_walk *w, struct member *ret)
{
    struct str whole = w->rest, word;
    *ret = (struct member){0};
    if (w->rest.n == 0 && w->outer.n > 0) {
        w->rest = w->outer;
        w->outer = STR_NONE;
        whole = w->rest;
    }
    if (w->rest.n == 0 || !str_split(&w->rest, ' ', &word))
        return false;
    if (word.n > 1 && word.p[0] == '+') {
        const struct component *c = component_find((struct str){word.p + 1, word.n - 1});
        if (c && w->outer.n == 0) {
            w->outer = w->rest;
            w->rest = str_from(c->members);
            return member_next(w, ret);
        }
    } else if (str_split(&word, ':', &ret->name) && word.n > 0) {
        ret->optional = take_end(&ret->name, '?');
        if (ret->name.n > 0 && type_read(word, ret))
            return true;
    }
    w->rest = whole;
    return false;
}

static bool status_read(struct str *word, struct way *ret)
{
    struct str part;
    int64_t one;
    for (int i = 0; i < 2; i++) {
        if (!str_split(word, '/', &part))
            return i > 0;
        if (!str_to_i64(part, 200, 299, &one))
            return false;
        ret->status[i] = (int)one;
    }
    return word->n == 0;
}

bool way_next(struct str *rest, struct way *ret)
{
    static const struct {
        const char *word;
        enum way_shape shape;
    } shapes[] = {
        {"page", WAY_PAGE}, {"cursor", WAY_CURSOR}, {"list", WAY_LIST}, {"file", WAY_FILE}};
    struct str whole = *rest, way, word;
    *ret = (struct way){.status = {200, 0}};
    if (rest->n == 0 || !str_split(rest, ',', &way))
        return false;
    way = str_trim(way);
    struct str numbers = way;
    bool good = str_split(&way, ' ', &word);
    if (good && word.n > 0 && word.p[0] >= '0' && word.p[0] <= '9') {
        numbers = word;
        good = status_read(&numbers, ret) && str_split(&way, ' ', &word);
    }
    for (size_t i = 0; good && i < COUNT_OF(shapes); i++) {
        if (str_eqs(word, shapes[i].word)) {
            ret->shape = shapes[i].shape;
            word = way;
            way = STR_NONE;
        }
    }
    ret->word = word;
    if (good && ret->shape == WAY_ONE && str_eqs(word, "stream"))
        ret->shape = WAY_STREAM;
    bool free_word = ret->shape == WAY_FILE || ret->shape == WAY_STREAM;
    good = good && way.n == 0 && word.n > 0 && (free_word || component_find(word));
    if (!good)
        *rest = whole;
    return good;
}

struct str param_name(const struct param *p)
{
    struct str rest = str_from(p->id), name;
    (void)str_split(&rest, '@', &name);
    return name;
}

bool param_next(struct str *rest, const struct param **ret)
{
    struct str whole = *rest, word;
    if (rest->n == 0 || !str_split(rest, ' ', &word))
        return false;
    *ret = param_find(word);
    if (!*ret)
        *rest = whole;
    return *ret != NULL;
}

bool query_declared(const char *query, const char *name)
{
    struct str rest = str_from(query);
    const struct param *p;
    while (param_next(&rest, &p))
        if (str_eqs(param_name(p), name))
            return true;
    return false;
}

bool answer_good(const char *answer, const char *query)
{
    struct str rest = str_from(answer);
    const struct param *p;
    struct way way;
    size_t n = 0;
    while (way_next(&rest, &way))
        n++;
    bool good = n > 0 && rest.n == 0;
    rest = str_from(query);
    while (param_next(&rest, &p))
        n++;
    return good && rest.n == 0;
}

enum rc answers_check(struct err *err)
{
    const struct component *c;
    for (size_t i = 0; (c = component_at(i)) != NULL; i++) {
        struct member_walk w = members_of(c);
        struct member m;
        while (member_next(&w, &m))
            continue;
        CHECK(w.rest.n == 0 && w.outer.n == 0 && c->about.en && c->about.ja &&
                  component_find(str_from(c->name)) == c,
              err, RC_INTERNAL, BLAME_US,
              MSG("api.component_bad", "component {0} of the API is not well-formed",
                  "API の要素 {0} の定義が正しくありません"),
              c->name);
    }
    return RC_OK;
}
