/*
 * Pages of the certificate screen. What is asked for is counted first, up to FEW: where something
 * names few certificates those are taken and sorted; where all of it is common the order asked for
 * is walked, and a page is full soon.
 * Invariant: both ways give the same rows in the same order; a page goes on after any row.
 */
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "model/policy.h"
#include "store/repo.h"
#include "store/store_priv.h"

enum { WORDS = 4, FEW = 20000, TEXT_MAX_BYTES = 256 };

/* What the rows are taken from: numbers of the statements cert.find_*. */
enum narrow {
    ALL_ROWS = 0,
    BY_TERM,
    BY_INSIDE,
    BY_OWNER,
    BY_CA,
    BY_TARGET,
    BY_END,
    BY_STATE,
    BY_ORGANISATION
};

/* One word or tag as ranges of terms; from NULL = none. hex: of '=' terms. */
struct word {
    const char *from, *to, *hex_from, *hex_to;
};

struct search {
    struct word words[WORDS];
    size_t n;
    const char *inside; /* LIKE pattern; NULL = none */
    enum narrow by;
    enum narrow large;           /* a way in that has more rows than it is worth to sort at once */
    int64_t few;                 /* rows the best way in has so far */
    int64_t end_from, end_until; /* a walk of the ends need not look outside */
};

static const char after_all[] = "\xf4\x8f\xbf\xbf"; /* U+10FFFF: after every character */

static enum rc too_many(struct err *err)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("store.words", "search for at most {0} words and tags at a time",
                          "検索できる語とタグは合わせて {0} 個までです"),
                      NUM(WORDS));
    err_field(err, "q");
    return rc;
}

static enum rc word_put(struct search *s, const char *from, const char *to, struct err *err)
{
    if (!from || !to)
        return NOMEM(err);
    if (s->n == WORDS)
        return too_many(err);
    s->words[s->n++] = (struct word){.from = from, .to = to};
    return RC_OK;
}

/* "1A:2b:3c" -> "1a2b3c"; NULL when it is no hex or shorter than four digits. */
static const char *hex_of(struct arena *a, const char *word)
{
    AUTO(buf) struct buf hex = BUF(TEXT_MAX_BYTES + 1);
    for (const char *p = word; *p; p++) {
        if (*p == ':')
            continue;
        if (!isxdigit((unsigned char)*p))
            return NULL;
        buf_addc(&hex, *p);
    }
    return hex.len >= 4 && buf_ok(&hex, NULL) == RC_OK ? arena_str(a, buf_str(&hex)) : NULL;
}

static enum rc word_add(struct search *s, struct arena *a, const char *word, struct err *err)
{
    const char *hex = hex_of(a, word);
    TRY(word_put(s, word, arena_printf(a, "%s%s", word, after_all), err));
    if (!hex)
        return RC_OK;
    struct word *w = &s->words[s->n - 1];
    w->hex_from = arena_printf(a, "=%s", hex);
    w->hex_to = arena_printf(a, "=%s%s", hex, after_all);
    return w->hex_from && w->hex_to ? RC_OK : NOMEM(err);
}

/* "1a 2b 3c", as some programs print serial numbers: one word, not three. */
static bool is_spaced_hex(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (i % 3 == 2 ? text[i] != ' ' : !isxdigit((unsigned char)text[i]))
            return false;
    return n >= 5 && n % 3 == 2;
}

/* Lower case, every space (the ideographic one too) a ' ', none at the ends. */
static const char *plain_text(struct arena *a, const char *text)
{
    AUTO(buf) struct buf b = BUF(4096), low = BUF(4096);
    static const char wide[] = "\xE3\x80\x80";
    for (const char *p = text; *p; p++) {
        if (strncmp(p, wide, 3) == 0)
            p += 2;
        else if (!isspace((unsigned char)*p)) {
            buf_addc(&b, *p);
            continue;
        }
        buf_addc(&b, ' ');
    }
    add_lower(&low, buf_cstr(&b));
    return buf_ok(&low, NULL) == RC_OK ? arena_str(a, str_trim(buf_str(&low))) : NULL;
}

static enum rc inside_put(struct search *s, struct arena *a, const char *text, struct err *err)
{
    AUTO(buf) struct buf like = BUF(8192);
    TRY(like_text(text, &like, err));
    s->inside = arena_str(a, buf_str(&like));
    return s->inside ? RC_OK : NOMEM(err);
}

/* "*text": anywhere inside a name; but "*.example.jp" is the start of a name. */
static bool wants_inside(const char *text)
{
    return text[0] == '*' && text[1] && text[1] != '.';
}

static enum rc read_text(struct search *s, const char *given, struct arena *a, struct err *err)
{
    struct str rest, part;
    const char *text = plain_text(a, given);
    if (!text)
        return NOMEM(err);
    if (wants_inside(text))
        return inside_put(s, a, text + 1, err);
    if (is_spaced_hex(text)) {
        char *joined = arena_strdup(a, text);
        for (char *p = joined; p && *p; p++)
            *p = *p == ' ' ? ':' : *p;
        return joined ? word_add(s, a, joined, err) : NOMEM(err);
    }
    for (rest = str_from(text); rest.n > 0 && str_split(&rest, ' ', &part);) {
        if (part.n == 0)
            continue;
        const char *word = arena_str(a, part);
        TRY(word ? word_add(s, a, word, err) : NOMEM(err));
    }
    return RC_OK;
}

static enum rc read_tags(struct search *s, const struct names *tags, struct arena *a,
                         struct err *err)
{
    for (size_t i = 0; i < tags->n; i++) {
        AUTO(buf) struct buf b = BUF(4096);
        buf_addc(&b, '#');
        add_lower(&b, tags->v[i]);
        TRY(buf_ok(&b, err));
        const char *term = arena_str(a, buf_str(&b));
        TRY(word_put(s, term, term, err));
    }
    return RC_OK;
}

static enum rc consider(struct db *db, struct search *s, enum narrow by, enum stmt_id count,
                        const struct val *args, size_t n, struct err *err)
{
    int64_t rows = 0;
    TRY(db_number(db, count, args, n, &rows, err));
    if (rows < s->few) {
        s->few = rows;
        s->by = by;
    } else if (s->large == ALL_ROWS)
        s->large = by;
    return RC_OK;
}

/* The rarest word first: the way in begins there. */
static enum rc consider_words(struct db *db, struct search *s, struct err *err)
{
    size_t rarest = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct word *w = &s->words[i];
        int64_t n = 0, hex = 0;
        TRY(db_number(db, STMT_TERM_COUNT, ARGS(T(w->from), T(w->to), I(s->few)), &n, err));
        if (w->hex_from)
            TRY(db_number(db, STMT_TERM_COUNT, ARGS(T(w->hex_from), T(w->hex_to), I(s->few)), &hex,
                          err));
        if (n + hex < s->few) {
            s->few = n + hex;
            s->by = BY_TERM;
            rarest = i;
        }
    }
    if (s->n > 0)
        s->large = BY_TERM;
    struct word first = s->words[0];
    s->words[0] = s->words[rarest];
    s->words[rarest] = first;
    return RC_OK;
}

static enum rc choose(struct db *db, const struct cert_query *q, struct search *s, struct err *err)
{
    int64_t until = q->end_before ? q->end_before : INT64_MAX;
    s->few = q->few ? q->few : FEW;
    TRY(consider_words(db, s, err));
    if (s->inside)
        TRY(consider(db, s, BY_INSIDE, STMT_NAME_COUNT, ARGS(T(s->inside), I(s->few)), err));
    if (db->scope)
        TRY(consider(db, s, BY_OWNER, STMT_GROUP_CERT_COUNT, ARGS(T(db->scope), I(s->few)), err));
    if (q->ca_id)
        TRY(consider(db, s, BY_CA, STMT_CA_CERT_COUNT, ARGS(I(q->ca_id), I(s->few)), err));
    if (q->organisation_id)
        TRY(consider(db, s, BY_ORGANISATION, STMT_ORGANISATION_CERT_COUNT,
                     ARGS(I(q->organisation_id), I(s->few)), err));
    if (q->target_id)
        TRY(consider(db, s, BY_TARGET, STMT_TARGET_CERT_COUNT, ARGS(I(q->target_id), I(s->few)),
                     err));
    if (q->end_from > 0 || q->end_before > 0)
        TRY(consider(db, s, BY_END, STMT_END_CERT_COUNT, ARGS(I(q->end_from), I(until), I(s->few)),
                     err));
    if (q->healths && !(q->healths & 1 << HEALTH_VALID))
        TRY(consider(db, s, BY_STATE, STMT_STATE_CERT_COUNT,
                     ARGS(I(q->healths), I(q->now), I(s->few)), err));
    return RC_OK;
}

/* All that is valid or expiring ends within a range of days: the walk of the ends begins there. */
static enum rc bound(struct db *db, const struct cert_query *q, struct search *s, struct err *err)
{
    int64_t today = q->now / USEC_PER_DAY, first = 0, last = 0;
    bool valid = q->healths & 1 << HEALTH_VALID;
    bool expiring = q->healths & 1 << HEALTH_EXPIRING;
    s->end_from = q->end_from > 0 ? q->end_from : INT64_MIN;
    s->end_until = q->end_before > 0 ? q->end_before : INT64_MAX;
    if (q->sort != CERT_BY_EXPIRY || q->healths == 0 ||
        q->healths & ~(1 << HEALTH_VALID | 1 << HEALTH_EXPIRING))
        return RC_OK;
    const struct val args[] = {I(today), I(expiring ? 0 : today), I(valid ? INT64_MAX : today)};
    TRY(db_number(db, STMT_COUNT_FIRST_END, args, COUNT_OF(args), &first, err));
    TRY(db_number(db, STMT_COUNT_LAST_END, args, COUNT_OF(args), &last, err));
    if (s->end_from < first * USEC_PER_DAY)
        s->end_from = first * USEC_PER_DAY;
    if (s->end_until > (last + 1) * USEC_PER_DAY)
        s->end_until = (last + 1) * USEC_PER_DAY;
    return RC_OK;
}

static struct val page_key(const struct cert_query *q, const struct search *s)
{
    bool ends = q->sort == CERT_BY_EXPIRY;
    if (q->sort == CERT_BY_NAME)
        return T(q->more ? q->after_name : q->down ? after_all : "");
    if (q->more)
        return I(q->after_value);
    return I(q->down ? (ends ? s->end_until : INT64_MAX) : (ends ? s->end_from : INT64_MIN));
}

static struct val page_id(const struct cert_query *q)
{
    return I(q->more ? q->after_id : q->down ? INT64_MAX : 0);
}

/* Where a walk turns back. */
struct edge {
    struct val value;
    int64_t id;
    bool inside; /* there is more behind it */
    struct arena *a;
};

static enum rc take_edge(void *ctx, const struct val *cols, size_t n, struct err *err)
{
    struct edge *e = ctx;
    e->value = cols[0];
    e->inside = true;
    if (n > 1) /* a name needs no id beside it */
        e->id = cols[1].i;
    else
        e->value.s = arena_strdup(e->a, cols[0].s);
    return n == 1 && !e->value.s ? NOMEM(err) : RC_OK;
}

static enum rc find_edge(struct db *db, const struct cert_query *q, const struct search *s,
                         int64_t rows, struct edge *ret, struct err *err)
{
    static const enum stmt_id edges[CERT_SORTS][2] = {
        {STMT_CERT_EDGE_NAME, STMT_CERT_EDGE_NAME_DOWN},
        {STMT_CERT_EDGE_EXPIRY, STMT_CERT_EDGE_EXPIRY_DOWN},
        {STMT_CERT_EDGE_RENEWAL, STMT_CERT_EDGE_RENEWAL_DOWN},
        {STMT_CERT_EDGE_AGE, STMT_CERT_EDGE_AGE_DOWN}};
    ret->inside = false;
    ret->value =
        q->sort == CERT_BY_NAME ? T(q->down ? "" : after_all) : I(q->down ? INT64_MIN : INT64_MAX);
    ret->id = q->down ? INT64_MIN : INT64_MAX;
    int64_t n = 0;
    if (rows == 0)
        return RC_OK;
    return db_run(db, edges[q->sort][q->down], ARGS(page_key(q, s), page_id(q), I(rows)), take_edge,
                  ret, &n, err);
}

#define WORD(w) T((w).from), T((w).to), T((w).hex_from), T((w).hex_to)

/* A page by one way in, or by a walk of the order up to an edge. */
static enum rc page_by(struct db *db, const struct cert_query *q, const struct search *s,
                       enum narrow by, const struct edge *e, struct arena *a, struct rows *ret,
                       struct err *err)
{
    static const enum stmt_id ways[2][CERT_SORTS][2] = {
        {{STMT_CERT_PAGE_NAME, STMT_CERT_PAGE_NAME_DOWN},
         {STMT_CERT_PAGE_EXPIRY, STMT_CERT_PAGE_EXPIRY_DOWN},
         {STMT_CERT_PAGE_RENEWAL, STMT_CERT_PAGE_RENEWAL_DOWN},
         {STMT_CERT_PAGE_AGE, STMT_CERT_PAGE_AGE_DOWN}},
        {{STMT_CERT_FIND_NAME, STMT_CERT_FIND_NAME_DOWN},
         {STMT_CERT_FIND_EXPIRY, STMT_CERT_FIND_EXPIRY_DOWN},
         {STMT_CERT_FIND_RENEWAL, STMT_CERT_FIND_RENEWAL_DOWN},
         {STMT_CERT_FIND_AGE, STMT_CERT_FIND_AGE_DOWN}}};
    const struct word *w = s->words;
    bool find = by != ALL_ROWS;
    TRY(db_do(db, find ? STMT_BY_FINDS : STMT_BY_WALKS, NULL, 0, NULL, err));
    const struct val args[] = {I(q->limit),
                               I(q->healths),
                               I(q->ca_id),
                               I(q->target_id),
                               I(q->end_from),
                               I(q->end_before ? q->end_before : INT64_MAX),
                               I(q->now),
                               page_key(q, s),
                               page_id(q),
                               T(db->scope),
                               WORD(w[0]),
                               WORD(w[1]),
                               WORD(w[2]),
                               WORD(w[3]),
                               T(s->inside),
                               I(q->organisation_id),
                               find ? I(by) : e->value,
                               I(find ? 0 : e->id)};
    return db_many(db, ways[find][q->sort][q->down], args, COUNT_OF(args) - find, &cert_map, a, ret,
                   err);
}

/*
 * Everything asked for is common. A walk is full soon, but where all that is asked for lies far
 * behind in the order: then so many rows are left alone, and the way in is taken that names the
 * fewest; with none of them, longer walks.
 */
static enum rc walk(struct db *db, const struct cert_query *q, const struct search *s,
                    struct arena *a, struct rows *ret, struct err *err)
{
    bool any = s->large == ALL_ROWS && !q->healths; /* every row will do */
    for (int64_t rows = any ? 0 : q->few ? q->few : FEW;; rows *= 8) {
        struct edge e = {.a = a};
        TRY(find_edge(db, q, s, rows, &e, err));
        TRY(page_by(db, q, s, ALL_ROWS, &e, a, ret, err));
        if (ret->n == (size_t)q->limit || !e.inside)
            return RC_OK;
        if (s->large != ALL_ROWS)
            return page_by(db, q, s, s->large, NULL, a, ret, err);
    }
}

enum rc db_cert_query(struct db *db, const struct cert_query *q, struct arena *a,
                      struct cert_page *ret, struct err *err)
{
    struct search s = {.n = 0};
    struct rows rows = {NULL, 0};
    TRY(limit_ok(q->limit, err));
    if (q->text && *q->text)
        TRY(read_text(&s, q->text, a, err));
    TRY(read_tags(&s, &q->tags, a, err));
    TRY(choose(db, q, &s, err));
    TRY(bound(db, q, &s, err));
    if (s.by != ALL_ROWS)
        TRY(page_by(db, q, &s, s.by, NULL, a, &rows, err));
    else
        TRY(walk(db, q, &s, a, &rows, err));
    *ret = (struct cert_page){rows.v, rows.n};
    return RC_OK;
}
