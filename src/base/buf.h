/*
 * A growing byte buffer with a mandatory maximum and a sticky failure: a chain of appends is
 * checked once at the end with buf_ok(). The content is always NUL-terminated (not counted).
 *
 *     AUTO(buf) struct buf b = BUF(64 * 1024);
 *     buf_adds(&b, "...");  buf_addc(&b, '\n');
 *     TRY(buf_ok(&b, err));
 */
#ifndef INRO_BASE_BUF_H
#define INRO_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *p; /* NULL while empty; use buf_str() for a safe view */
    size_t len, cap, max;
    enum rc bad; /* first failure; later appends do nothing */
    bool secret; /* content is wiped when it moves or is freed */
};

#define BUF(max_)        ((struct buf){.max = (max_)})
#define BUF_SECRET(max_) ((struct buf){.max = (max_), .secret = true})

void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addstr(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
/* For texts and logs; never to build JSON, SQL, shell or HTTP from data. */
void buf_addf(struct buf *b, const char *fmt, ...) FORMAT(2, 3);
void buf_add_be32(struct buf *b, uint32_t v);
void buf_add_be64(struct buf *b, uint64_t v);
/* Room for n more bytes at b->p + b->len, or NULL (sticky); then set b->len yourself. */
char *buf_reserve(struct buf *b, size_t n);
void buf_clear(struct buf *b); /* keeps the memory, forgets content and failure */
void buf_truncate(struct buf *b, size_t len);
void buf_free(struct buf *b);
void buf_cleanup(struct buf *b);           /* for AUTO(buf) */
struct str buf_str(const struct buf *b);   /* valid until the next append */
const char *buf_cstr(const struct buf *b); /* "" while empty */
MUST enum rc buf_ok(const struct buf *b, struct err *err);
/* The content as malloc'ed memory, the buffer is emptied; NULL if it failed. mem_free() it. */
MUST char *buf_take(struct buf *b, size_t *ret_len);

#endif
