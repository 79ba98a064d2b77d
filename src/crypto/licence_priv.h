/* Inside of the signed texts of a vendor: what licences and successions of keys share. */
#ifndef INRO_CRYPTO_LICENCE_PRIV_H
#define INRO_CRYPTO_LICENCE_PRIV_H

#include "crypto/licence.h"

/* The canonical form of a whole file (licence.h). */
void licence_canonical(struct str file, struct buf *out);
/* "name: value" */
bool licence_value(struct str line, const char *name, struct str *ret);
/* "name: value\n" */
void licence_line(struct buf *b, const char *name, const char *value);
/* Japan's time with its offset, and the end of the line. */
void licence_time(struct buf *b, int64_t usec);

#endif
