/*
 * The catalogue of named statements and the expansion of {tokens}.
 * Invariant: no SQL text is built from data; all texts are constants of this program.
 */
#include "store/store_priv.h"

#include <string.h>

static const struct stmt stmts[STMT_COUNT] = {
#define STMT(id, kind, name, sql) [STMT_##id] = {(kind), (name), (sql)},
#include "store/statements.def"
#undef STMT
};

const struct stmt *stmt_get(enum stmt_id id)
{
    return &stmts[id];
}

static const char *token_text(const struct dialect *d, const char *p, size_t n)
{
    for (; d->token; d++)
        if (strlen(d->token) == n && memcmp(d->token, p, n) == 0)
            return d->text;
    return NULL;
}

enum rc stmt_expand(const char *sql, const struct dialect *d, struct buf *out, struct err *err)
{
    for (const char *p = sql; *p;) {
        size_t n = strcspn(p, "{");
        buf_add(out, p, n);
        p += n;
        if (!*p)
            break;
        n = strcspn(++p, "}");
        const char *text = token_text(d, p, n);
        CHECK(text && p[n], err, RC_INTERNAL, BLAME_US,
              MSG("store.token", "a statement of this program has an unknown token; report this",
                  "プログラム内のSQL文に未知の記号があります。この不具合をご報告ください"));
        buf_adds(out, text);
        p += n + 1;
    }
    return buf_ok(out, err);
}
