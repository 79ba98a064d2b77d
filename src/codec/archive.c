/* tar (POSIX ustar) through zlib. Invariant: a file has exactly the bytes its header says, or the
 * archive fails as a whole. */
#include "codec/archive.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/mem.h"

enum { BLOCK = 512, GZIP_BITS = 15 + 16, CHUNK = 64 << 10 };

struct archive {
    struct buf *out;
    z_stream z;
    bool open, bad;
    uint64_t left, padding; /* of the file being written */
};

struct archive *archive_begin(struct buf *out)
{
    struct archive *x = mem_alloc(sizeof *x);
    if (!x)
        return NULL;
    x->out = out;
    if (deflateInit2(&x->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        mem_free(x);
        return NULL;
    }
    x->open = true;
    return x;
}

static void squeeze(struct archive *x, const void *p, size_t n, int flush)
{
    unsigned char chunk[4096];
    int rc;
    x->z.next_in = (Bytef *)(uintptr_t)p;
    x->z.avail_in = (uInt)n;
    do {
        x->z.next_out = chunk;
        x->z.avail_out = sizeof chunk;
        rc = deflate(&x->z, flush);
        if (rc == Z_STREAM_ERROR) {
            x->bad = true;
            return;
        }
        buf_add(x->out, chunk, sizeof chunk - x->z.avail_out);
    } while (x->z.avail_out == 0);
}

static void put(struct archive *x, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0 && !x->bad) {
        size_t take = n < CHUNK ? n : CHUNK;
        squeeze(x, at, take, Z_NO_FLUSH);
        at += take;
        n -= take;
    }
}

static void end_file(struct archive *x)
{
    static const char zero[BLOCK];
    x->bad = x->bad || x->left != 0;
    put(x, zero, x->padding);
    x->padding = 0;
}

void archive_file(struct archive *x, const char *name, uint64_t size, int64_t at)
{
    char h[BLOCK] = {0};
    unsigned sum = 0;
    end_file(x);
    if (strlen(name) > 99 || name[0] == '/' || strstr(name, "..") || size >> 33) {
        x->bad = true;
        return;
    }
    memcpy(h, name, strlen(name));
    (void)snprintf(h + 100, 8, "%07o", 0600u);
    (void)snprintf(h + 108, 8, "%07o", 0u);
    (void)snprintf(h + 116, 8, "%07o", 0u);
    (void)snprintf(h + 124, 12, "%011llo", (unsigned long long)size);
    (void)snprintf(h + 136, 12, "%011llo", (unsigned long long)(at / USEC_PER_SEC));
    memset(h + 148, ' ', 8);
    h[156] = '0';
    memcpy(h + 257, "ustar", 6);
    memcpy(h + 263, "00", 2);
    for (size_t i = 0; i < sizeof h; i++)
        sum += (unsigned char)h[i];
    (void)snprintf(h + 148, 8, "%06o", sum & 0777777u);
    put(x, h, sizeof h);
    x->left = size;
    x->padding = (BLOCK - size % BLOCK) % BLOCK;
}

void archive_data(struct archive *x, const void *p, size_t n)
{
    if (n > x->left) {
        x->bad = true;
        return;
    }
    x->left -= n;
    put(x, p, n);
}

void archive_text(struct archive *x, const char *name, struct str text, int64_t at)
{
    archive_file(x, name, text.n, at);
    archive_data(x, text.p, text.n);
}

enum rc archive_end(struct archive **px, struct err *err)
{
    static const char zero[2 * BLOCK];
    struct archive *x = *px;
    struct buf *out = x->out;
    end_file(x);
    put(x, zero, sizeof zero);
    if (!x->bad)
        squeeze(x, NULL, 0, Z_FINISH);
    bool bad = x->bad;
    archive_cleanup(px);
    TRY(buf_ok(out, err));
    CHECK(!bad, err, RC_INTERNAL, BLAME_US,
          MSG("codec.archive", "the archive could not be made; report this",
              "アーカイブを作成できません。この不具合をご報告ください"));
    return RC_OK;
}

void archive_cleanup(struct archive **px)
{
    if (!*px)
        return;
    if ((*px)->open)
        (void)deflateEnd(&(*px)->z);
    mem_free(*px);
    *px = NULL;
}
