/*
 * What certificates are found by: cert_term has, of each name, tag and name in Inro, the text from
 * every word on ("web.shop.example.jp", "shop.example.jp", "example.jp"), and the serial numbers
 * and fingerprints of all versions. A search is a range of one index, on both engines alike.
 * Invariants: terms are lower case; those of hex begin with '=', those of whole tags with '#', and
 * no word does; what is made here and what repo_search.c asks for are cut in the same places.
 */
#include <ctype.h>
#include <string.h>

#include "codec/name.h"
#include "store/repo.h"
#include "store/store_priv.h"

enum { WORDS_MAX = 24, TERM_MAX = 256, FILL_PAGE = 500 };

void add_lower(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_addc(b, (char)((unsigned char)*s < 128 ? tolower((unsigned char)*s) : *s));
}

static enum rc term_add(struct db *db, int64_t cert_id, const char *term, struct err *err)
{
    char cut[TERM_MAX + 1];
    size_t n = strlen(term);
    if (n > TERM_MAX) { /* not within a character */
        for (n = TERM_MAX; n > 0 && ((unsigned char)term[n] & 0xC0) == 0x80; n--)
            ;
        memcpy(cut, term, n);
        cut[n] = '\0';
        term = cut;
    }
    return db_do(db, STMT_TERM_ADD, ARGS(I(cert_id), T(term)), NULL, err);
}

static bool is_word(char c)
{
    return (unsigned char)c >= 0x80 || isalnum((unsigned char)c);
}

/* Scripts without spaces have no words to see: each of their characters begins one. */
static bool begins_word(const char *text, const char *p)
{
    bool inside = ((unsigned char)*p & 0xC0) == 0x80;
    if (p == text)
        return true;
    return !inside && is_word(*p) &&
           ((unsigned char)*p >= 0x80 || !is_word(p[-1]) || (unsigned char)p[-1] >= 0x80);
}

/* The last label alone ("jp") would be a term of nearly everything. */
static bool is_top_label(const char *text, const char *p)
{
    return p > text && p[-1] == '.' && !strpbrk(p, ".-_ ");
}

static enum rc add_words(struct db *db, int64_t cert_id, const char *text, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 16);
    int n = 0;
    add_lower(&b, text);
    TRY(buf_ok(&b, err));
    const char *low = buf_cstr(&b);
    for (const char *p = low; *p && n < WORDS_MAX; p++) {
        if (!begins_word(low, p) || is_top_label(low, p))
            continue;
        TRY(term_add(db, cert_id, p, err));
        n++;
    }
    return RC_OK;
}

/* A name as the certificate has it, and as people read it (xn--... and 日本語). */
static enum rc add_name(struct db *db, int64_t cert_id, const char *name, struct err *err)
{
    TRY(add_words(db, cert_id, name, err));
    if (!strstr(name, "xn--"))
        return RC_OK;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    return add_words(db, cert_id, name_display(a, name), err);
}

static enum rc add_tag(struct db *db, int64_t cert_id, const char *tag, struct err *err)
{
    AUTO(buf) struct buf b = BUF(4096);
    buf_addc(&b, '#');
    add_lower(&b, tag);
    TRY(buf_ok(&b, err));
    TRY(term_add(db, cert_id, buf_cstr(&b), err));
    return add_words(db, cert_id, tag, err);
}

static enum rc add_hex(struct db *db, int64_t cert_id, const char *hex, struct err *err)
{
    AUTO(buf) struct buf b = BUF(4096);
    if (!hex || !*hex)
        return RC_OK;
    buf_addc(&b, '=');
    add_lower(&b, hex);
    TRY(buf_ok(&b, err));
    return term_add(db, cert_id, buf_cstr(&b), err);
}

enum rc terms_mark(struct db *db, const struct cert_version *v, struct err *err)
{
    TRY(add_hex(db, v->cert_id, v->serial, err));
    return add_hex(db, v->cert_id, v->sha256, err);
}

static enum rc add_texts(struct db *db, int64_t id, const char *name, const struct names *names,
                         const struct names *tags, struct err *err)
{
    TRY(add_name(db, id, name, err));
    for (size_t i = 0; i < names->n; i++)
        TRY(add_name(db, id, names->v[i], err));
    for (size_t i = 0; i < tags->n; i++)
        TRY(add_tag(db, id, tags->v[i], err));
    return RC_OK;
}

struct mark {
    const char *serial, *sha256;
};
static const struct col mark_cols[] = {CT(mark, serial), CT(mark, sha256)};
static const struct map mark_map = {sizeof(struct mark), mark_cols, COUNT_OF(mark_cols), "version",
                                    "版"};

enum rc terms_renew(struct db *db, const struct cert *c, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct rows rows = {NULL, 0};
    if (!a)
        return NOMEM(err);
    TRY(db_do(db, STMT_TERM_CLEAR, ARGS(I(c->id)), NULL, err));
    TRY(add_texts(db, c->id, c->name, &c->names, &c->tags, err));
    TRY(db_many(db, STMT_VERSION_MARKS, ARGS(I(c->id)), &mark_map, a, &rows, err));
    const struct mark *m = rows.v;
    for (size_t i = 0; i < rows.n; i++) {
        TRY(add_hex(db, c->id, m[i].serial, err));
        TRY(add_hex(db, c->id, m[i].sha256, err));
    }
    return RC_OK;
}

/*
 * The migration's part: the terms of what is there already. Its SQL is its own, for the tables as
 * they were at that version.
 */
struct fill {
    struct db *db;
    struct arena *a;
    int64_t last;
    size_t n;
    struct {
        int64_t id; /* of the certificate */
        const char *one, *two;
    } v[FILL_PAGE];
};

static enum rc take_texts(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct fill *f = ctx;
    if (n != 4 || f->n == FILL_PAGE)
        return RC_OK;
    f->last = cols[0].i;
    f->v[f->n].id = cols[1].i;
    f->v[f->n].one = cols[2].null ? "" : arena_strdup(f->a, cols[2].s);
    f->v[f->n].two = cols[3].null ? "" : arena_strdup(f->a, cols[3].s);
    return f->v[f->n].one && f->v[f->n++].two ? RC_OK : NOMEM(err);
}

/* one: the name in Inro; two: the names, one per line. */
static enum rc fill_names(struct fill *f, size_t i, struct err *err)
{
    struct str rest = str_from(f->v[i].two), part;
    TRY(add_name(f->db, f->v[i].id, f->v[i].one, err));
    while (rest.n > 0 && str_split(&rest, '\n', &part)) {
        const char *name = arena_str(f->a, part);
        if (!name)
            return NOMEM(err);
        TRY(add_name(f->db, f->v[i].id, name, err));
    }
    return RC_OK;
}

static enum rc fill_marks(struct fill *f, size_t i, struct err *err)
{
    const struct cert_version v = {
        .cert_id = f->v[i].id, .serial = f->v[i].one, .sha256 = f->v[i].two};
    return terms_mark(f->db, &v, err);
}

static enum rc fill_all(struct db *db, const char *sql,
                        enum rc (*each)(struct fill *f, size_t i, struct err *err), struct err *err)
{
    int64_t after = 0;
    for (;;) {
        AUTO(arena) struct arena *a = arena_create(0);
        struct fill *f = a ? arena_alloc(a, sizeof *f) : NULL;
        if (!f)
            return NOMEM(err);
        *f = (struct fill){.db = db, .a = a};
        TRY(db_query(db, sql, ARGS(I(after), I(FILL_PAGE)), take_texts, f, NULL, err));
        for (size_t i = 0; i < f->n; i++)
            TRY(each(f, i, err));
        if (f->n < FILL_PAGE)
            return RC_OK;
        after = f->last;
    }
}

enum rc terms_fill(struct db *db, struct err *err)
{
    TRY(fill_all(db, "SELECT id, id, name, names FROM cert WHERE id > ?1 ORDER BY id LIMIT ?2",
                 fill_names, err));
    return fill_all(db,
                    "SELECT id, cert_id, serial, sha256 FROM cert_version WHERE id > ?1 "
                    "ORDER BY id LIMIT ?2",
                    fill_marks, err);
}
