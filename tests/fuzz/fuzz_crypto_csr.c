/* Requests: what is accepted is proven, re-encodes to itself, and holds inert text only. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csr_info c, again;
    struct err err = {0};
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    AUTO(buf) struct buf der = BUF(1 << 20);
    AUTO(buf) struct buf same = BUF(1 << 20);
    check(a != NULL);
    if (csr_parse((struct str){(const char *)data, size}, a, &c, &der, &err) != RC_OK) {
        check(err.en[0] && err.ja[0] && der.len == 0);
        return 0;
    }
    check(csr_parse(buf_str(&der), a, &again, &same, NULL) == RC_OK);
    check(str_eq(buf_str(&der), buf_str(&same)) && again.name_count == c.name_count);
    for (size_t i = 0; i < c.name_count; i++) {
        check(str_is_utf8(str_from(c.names[i])));
        for (const char *p = c.names[i]; *p; p++)
            check((unsigned char)*p >= 0x20 && *p != 0x7f);
    }
    return 0;
}
