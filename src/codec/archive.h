/*
 * A gzip'ed tar (ustar) written into a buffer, file by file: what is handed to people who help.
 *
 *     AUTO(archive) struct archive *x = archive_begin(&out);
 *     archive_file(x, "logs/inro.log", size, at);  archive_data(x, p, n) ... size bytes in all
 *     TRY(archive_end(&x, err));
 *
 * Failures are sticky and said by archive_end().
 */
#ifndef INRO_CODEC_ARCHIVE_H
#define INRO_CODEC_ARCHIVE_H

#include "base/buf.h"

struct archive;

MUST struct archive *archive_begin(struct buf *out); /* NULL when out of memory */
/* name: relative, at most 99 bytes; at: UTC microseconds. */
void archive_file(struct archive *x, const char *name, uint64_t size, int64_t at);
void archive_data(struct archive *x, const void *p, size_t n);
/* A whole small file. */
void archive_text(struct archive *x, const char *name, struct str text, int64_t at);
MUST enum rc archive_end(struct archive **x, struct err *err);
void archive_cleanup(struct archive **x);

#endif
