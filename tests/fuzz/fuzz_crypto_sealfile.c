/* The head of an encrypted file, which anybody can write: refused or read, never more. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os/file.h"
#include "crypto/sealfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) struct arena *a = arena_create((size_t)1 << 20);
    AUTO(fd) int fd = memfd_create("sealfile", MFD_CLOEXEC);
    const char *facts = NULL;
    if (!a || fd < 0 || fd_write_all(fd, data, size, NULL) != RC_OK)
        abort();
    if (seal_head_read(fd, a, &facts, NULL) == RC_OK) {
        (void)seal_fact(facts, "schema", a);
        (void)seal_fact(facts, "", a);
    }
    return 0;
}
