/*
 * Tags: words by which people sort their certificates. Invariants: stored in lower case, each once
 * and sorted; none holds a space, a comma or '#', so that lists of them stand in a query.
 */
#include <ctype.h>
#include <string.h>

#include "api/priv.h"

enum { TAGS_MAX = 20, TAG_CHARS = 40, TAGS_SHOWN = 500 };

static enum rc wrong(struct err *err, const char *tag)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.tag",
                          "\"{0}\" is no tag; a tag has at most {1} characters, without spaces, "
                          "commas, quotes and #",
                          "「{0}」はタグにできません。空白・コンマ・引用符・# を含まない {1} "
                          "文字以内で指定してください"),
                      tag, NUM(TAG_CHARS));
    err_field(err, "tags");
    return rc;
}

static bool is_good(const char *tag)
{
    static const char wide[] = "\xE3\x80\x80";
    size_t chars = 0;
    for (const char *p = tag; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= ' ' || c == 0x7f || strchr(",#\"'`*", c) || strncmp(p, wide, 3) == 0)
            return false;
        chars += (c & 0xC0) != 0x80;
    }
    return chars >= 1 && chars <= TAG_CHARS && str_is_utf8(str_from(tag));
}

/* " Web" -> "web". */
static enum rc tag_read(struct request *r, const char *typed, const char **ret, struct err *err)
{
    char *tag = arena_str(r->a, str_trim(str_from(typed)));
    if (!tag)
        return NOMEM(err);
    for (char *p = tag; *p; p++)
        if ((unsigned char)*p < 128)
            *p = (char)tolower((unsigned char)*p);
    if (!is_good(tag))
        return wrong(err, tag);
    *ret = tag;
    return RC_OK;
}

/* Puts the tag in its place; false when it was there. */
static bool tag_put(const char **v, size_t n, const char *tag)
{
    size_t at = 0;
    while (at < n && strcmp(v[at], tag) < 0)
        at++;
    if (at < n && strcmp(v[at], tag) == 0)
        return false;
    memmove(&v[at + 1], &v[at], (n - at) * sizeof *v);
    v[at] = tag;
    return true;
}

static enum rc tags_add(struct request *r, const struct str_list *in, struct names *tags,
                        struct err *err)
{
    const char **v = arena_array(r->a, tags->n + in->n + 1, sizeof *v), *tag;
    size_t n = tags->n;
    if (!v)
        return NOMEM(err);
    if (n > 0)
        memcpy(v, tags->v, n * sizeof *v);
    for (size_t i = 0; i < in->n; i++) {
        TRY(tag_read(r, in->v[i], &tag, err));
        n += tag_put(v, n, tag);
    }
    if (n > TAGS_MAX) {
        enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                          MSG("api.tags_many", "a certificate has at most {0} tags, not {1}",
                              "タグは証明書 1 件につき {0} 個までです（{1} 個は不可）"),
                          NUM(TAGS_MAX), NUM(n));
        err_field(err, "tags");
        return rc;
    }
    *tags = (struct names){v, n};
    return RC_OK;
}

enum rc tags_from_input(struct request *r, const struct str_list *in, struct names *ret,
                        struct err *err)
{
    struct names none = {NULL, 0};
    TRY(tags_add(r, in, &none, err));
    *ret = none;
    return RC_OK;
}

static enum rc tags_remove(struct request *r, const struct str_list *in, struct names *tags,
                           struct err *err)
{
    const char **v = arena_array(r->a, tags->n + 1, sizeof *v), *tag;
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < tags->n; i++) {
        bool gone = false;
        for (size_t k = 0; k < in->n; k++) {
            TRY(tag_read(r, in->v[k], &tag, err));
            gone = gone || strcmp(tag, tags->v[i]) == 0;
        }
        if (!gone)
            v[n++] = tags->v[i];
    }
    *tags = (struct names){v, n};
    return RC_OK;
}

enum rc tags_from_query(struct request *r, const char *text, struct names *ret, struct err *err)
{
    struct str rest = str_from(text), part;
    const char **v = arena_array(r->a, rest.n + 1, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    while (rest.n > 0 && str_split(&rest, ',', &part)) {
        const char *typed = arena_str(r->a, part);
        if (!typed)
            return NOMEM(err);
        if (part.n > 0)
            TRY(tag_read(r, typed, &v[n++], err));
    }
    *ret = (struct names){v, n};
    return RC_OK;
}

/* For the audit line, as of a change by PATCH. */
static enum rc note_change(struct request *r, const struct names *before, const struct names *after,
                           struct err *err)
{
    AUTO(buf) struct buf b = BUF(65536);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_key(&w, "before");
    jw_object(&w);
    view_names(&w, "tags", before);
    jw_end_object(&w);
    jw_key(&w, "after");
    jw_object(&w);
    view_names(&w, "tags", after);
    jw_end_object(&w);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    r->detail = arena_str(r->a, buf_str(&b));
    return r->detail ? RC_OK : NOMEM(err);
}

struct tag_in {
    struct str_list add, remove;
};
static const struct field tag_fields[] = {
    FIELD_LIST(struct tag_in, add, .max = TAGS_MAX, .label = {"Tags to add", "付けるタグ"}),
    FIELD_LIST(struct tag_in, remove, .max = TAGS_MAX, .label = {"Tags to remove", "外すタグ"}),
    FIELD_END};

/* Of one certificate; whoever changed it meanwhile, the tags asked for are added and removed. */
static enum rc run_tag(struct request *r, struct err *err)
{
    const struct tag_in *in = r->in;
    struct cert c;
    TRY(find_cert(r, r->params[0], &c, err));
    struct names before = c.tags;
    r_subject(r, "cert", c.id);
    TRY(tags_remove(r, &in->remove, &c.tags, err));
    TRY(tags_add(r, &in->add, &c.tags, err));
    c.updated = r->now;
    TRY(db_cert_update(r->db, &c, err));
    TRY(db_cert_get(r->db, c.id, r->a, &c, err));
    r_event(r, "cert", c.id);
    TRY(note_change(r, &before, &c.tags, err));
    return view_cert(r, &c, false, err);
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct names tags;
    TRY(db_tag_list(r->db, TAGS_SHOWN, r->a, &tags, err));
    jw_object(&r->w);
    view_names(&r->w, "tags", &tags);
    jw_end_object(&r->w);
    return RC_OK;
}

static const struct route rows[] = {
    {"tag.list", "GET", "/tags", PERM(PERM_VIEW), ROUTE_READ, run_list, .answer = "Tags",
     .summary = {"The tags in use", "使われているタグを一覧する"}},
    {"tag.put", "POST", "/certs/{id}/tags", PERM(PERM_OPERATE), ROUTE_WRITE, run_tag,
     .answer = "Cert", .summary = {"Add and remove tags", "タグを付け外しする"}, .body = tag_fields,
     .body_size = sizeof(struct tag_in)},
};
ROUTE_SET(routes_tag, rows);
