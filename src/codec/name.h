/* DNS names as certificates carry them: A-labels, lower case, optional leftmost "*.". */
#ifndef INRO_CODEC_NAME_H
#define INRO_CODEC_NAME_H

#include "base/arena.h"

/*
 * Normalises what a person typed into what is ordered: trims, lower-cases, IDNA2008 (UTS 46) to
 * A-labels, drops one trailing dot, IP literals to RFC 5952 text. Refuses bad syntax, embedded
 * wildcards, "*." before a single label, control characters, lengths over 63/253.
 */
MUST enum rc name_normalise(struct arena *a, const char *typed, const char **ret_name,
                            bool *ret_is_ip, struct err *err);
/* A-labels -> U-labels for display; the name itself when it does not convert or would confuse. */
const char *name_display(struct arena *a, const char *name);
/* RFC 6125: does the presented identifier (maybe "*.x") cover the host name? */
bool name_covers(const char *presented, const char *host);

#endif
