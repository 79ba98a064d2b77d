/*
 * What somebody pasted to be looked at -> addresses and ports. One or more places per line, with
 * white space or commas between; text after # is a remark:
 *   www.example.jp   192.0.2.7:8443   [2001:db8::7]:443   192.0.2.0/24   192.0.2.1-40
 *   2001:db8::/120   https://www.example.jp/
 * A place without a port is looked at on every port of `ports`.
 */
#ifndef INRO_MODEL_DISCOVER_H
#define INRO_MODEL_DISCOVER_H

#include "base/arena.h"
#include "model/types.h"

enum {
    DISCOVER_PAIRS_MAX = 4096,
    DISCOVER_PORTS_MAX = 16,
    DISCOVER_TEXT_MAX = 65536,
    DISCOVER_V4_BITS = 24, /* the widest range: 256 addresses */
    DISCOVER_V6_BITS = 120
};

struct discover_pair {
    const char *host; /* lower case, A-labels, IP literals as RFC 5952 has them */
    int64_t port;
};
struct discover_list {
    struct discover_pair *v; /* each once, in the order of the text */
    size_t n;
    size_t folded; /* how many were there before */
};

/* RC_INPUT names the line and what is wrong with it, or that they are too many; nothing at all is
 * an error too. `ports` empty: 443. */
MUST enum rc discover_read(const char *text, const struct names *ports, struct arena *a,
                           struct discover_list *ret, struct err *err);

#endif
