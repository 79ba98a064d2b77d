/* What tests of what a vendor signs have in common. Include after cmocka.h. */
#ifndef INRO_TESTS_LICENCE_RIG_H
#define INRO_TESTS_LICENCE_RIG_H

#include "base/err.h"
#include "crypto/key.h"
#include "crypto/licence.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        struct err err_ = {0};                                                                     \
        struct err *err = &err_;                                                                   \
        if ((expr) != RC_OK)                                                                       \
            fail_msg("%s: %s", #expr, err_.en);                                                    \
    } while (0)

static struct licence_key public_of(const struct key *k)
{
    AUTO(buf) struct buf spki = BUF(256);
    struct licence_key r;
    OK(key_spki(k, &spki, err));
    OK(licence_key_from_spki(buf_str(&spki), &r, err));
    return r;
}

#endif
