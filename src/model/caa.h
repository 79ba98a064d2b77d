/*
 * CAA records (RFC 8659): who may issue for a name. Pure; the look-ups are the caller's, who climbs
 * from the name towards the root and judges the first set of records found.
 */
#ifndef INRO_MODEL_CAA_H
#define INRO_MODEL_CAA_H

#include "base/str.h"
#include "model/types.h"

enum caa_verdict {
    CAA_ALLOWED = 0, /* nothing restricts, or our CA is named */
    CAA_FORBIDDEN,   /* others are named, or nobody */
    CAA_UNKNOWN      /* some are named and we do not know what our CA is called */
};

enum { CAA_NAMES_MAX = 16 };
struct caa_set {
    struct str issuers[CAA_NAMES_MAX]; /* of the property that counts; borrowed from the records */
    size_t n;
    bool restricts; /* the property that counts is there, though perhaps with no name (";") */
    bool critical;  /* a property nobody here knows is marked critical */
};

/* Over all records of one set. */
struct caa_set caa_read(const struct str *records, size_t n, bool wildcard);
/* names: what CAA records call our CA; empty = not known. */
enum caa_verdict caa_judge(const struct caa_set *s, const struct names *names);
/* The name one label up, NULL at the top: "a.example.jp" -> "example.jp" -> "jp" -> NULL. */
const char *caa_parent(const char *name);

#endif
