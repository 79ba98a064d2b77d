/* base64 and base64url (RFC 4648). Decoders are strict: alphabet, padding and stray bits. */
#ifndef INRO_BASE_BASE64_H
#define INRO_BASE_BASE64_H

#include "base/buf.h"

void base64_add(struct buf *out, const void *p, size_t n);    /* padded, one line */
void base64url_add(struct buf *out, const void *p, size_t n); /* no padding */
bool base64_decode(struct str in, struct buf *out);           /* padded; white space refused */
bool base64url_decode(struct str in, struct buf *out);        /* unpadded */
void hex_add(struct buf *out, const void *p, size_t n);       /* lower case */
bool hex_decode(struct str in, struct buf *out);

#endif
