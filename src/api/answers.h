/*
 * What the routes answer and which query parameters they read, as one table each: OpenAPI, the
 * reference manual and the GUI's types come from here, and the tests hold every answer to it.
 *
 * A component's members are words "name:type". "name?" may be absent, "type?" may be null,
 * "[type]" is a list, a type of several words "a|b" is one of them; "+Name" stands for the members
 * of another component. Types: int str bool time (RFC 3339) day (2026-04-01) any object counts
 * (names to numbers) texts (names to texts) or the name of a component.
 *
 * The column `answer` of a route is "Name", "page Name" (next is a number), "cursor Name" (next is
 * text), "list Name", "file media/type" or "stream", with the status before it when it is not 200
 * ("201 Name", "200/201 Name"); several with commas between. The column `query` names rows of the
 * parameter table; what follows @ there tells parameters of one name apart.
 */
#ifndef INRO_API_ANSWERS_H
#define INRO_API_ANSWERS_H

#include "codec/schema.h"

struct component {
    const char *name, *members; /* members NULL: any object; "": none */
    struct l10n about;
};
const struct component *component_at(size_t i); /* NULL past the last */
const struct component *component_find(struct str name);

enum member_type {
    MEMBER_INT,
    MEMBER_STR,
    MEMBER_BOOL,
    MEMBER_TIME,
    MEMBER_DAY,
    MEMBER_ANY,
    MEMBER_OBJECT,
    MEMBER_COUNTS,
    MEMBER_TEXTS,
    MEMBER_CHOICE,   /* of the words in `word` */
    MEMBER_COMPONENT /* called `word` */
};
struct member {
    struct str name, word;
    enum member_type type;
    bool optional, nullable, list;
};
/* Walks the members: start with zeros. False at the end, or at a word that is none (rest.n > 0). */
struct member_walk {
    struct str rest, outer;
};
struct member_walk members_of(const struct component *c);
bool member_next(struct member_walk *w, struct member *ret);

/* members.c: what the member means; NULL when nobody wrote it down. */
const struct l10n *member_about(const struct component *c, struct str name);
const char *member_row(size_t i); /* "name" or "Component.name"; NULL past the last */

enum way_shape { WAY_ONE, WAY_PAGE, WAY_CURSOR, WAY_LIST, WAY_FILE, WAY_STREAM };
struct way {
    int status[2]; /* the second 0 when there is one */
    enum way_shape shape;
    struct str word; /* component or media type */
};
/* Takes the first way from *rest; false at the end, or when it is none (rest->n > 0). */
bool way_next(struct str *rest, struct way *ret);

struct param {
    const char *id;   /* "limit", "after@cursor" */
    const char *type; /* "int", "str", "time" or words "a|b" */
    int64_t min, max; /* both 0: no limits */
    const char *dflt; /* as text */
    struct l10n about;
};
struct str param_name(const struct param *p);
const struct param *param_find(struct str id);
/* Takes the next parameter of a route's column; false at the end or at an unknown one. */
bool param_next(struct str *rest, const struct param **ret);

/* Start-up: every word of the tables is known. */
MUST enum rc answers_check(struct err *err);
/* Of one route's columns. */
bool answer_good(const char *answer, const char *query);
bool query_declared(const char *query, const char *name);

#endif
