/* OK(call(..., err)): the call succeeds, or the test fails with its words. Include cmocka first. */
#ifndef INRO_TESTS_OK_H
#define INRO_TESTS_OK_H

#include "base/err.h"

#define OK(expr)                                                                                   \
    do {                                                                                           \
        struct err err_ = {0};                                                                     \
        struct err *err = &err_;                                                                   \
        enum rc rc_ = (expr);                                                                      \
        if (rc_ != RC_OK)                                                                          \
            fail_msg("%s: %s (%s)", #expr, err_.en, rc_name(rc_));                                 \
    } while (0)

#endif
