/* Names: normalising is idempotent, its result is a host name, and its display leads back to it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/name.h"
#include "codec/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *name = NULL, *again = NULL, *back = NULL;
    bool is_ip, is_ip_again;
    AUTO(mem) char *typed = mem_dup(data, size);
    AUTO(arena) struct arena *a = arena_create(0);
    check(typed && a);

    check(name_display(a, typed) != NULL);
    (void)name_covers(typed, "a.example");
    (void)name_covers("*.a.example", typed);
    if (name_normalise(a, typed, &name, &is_ip, NULL) != RC_OK)
        return 0;
    check(name_normalise(a, name, &again, &is_ip_again, NULL) == RC_OK);
    check(strcmp(name, again) == 0 && is_ip == is_ip_again);
    check(name_covers(name, name));
    check(host_is_valid(strncmp(name, "*.", 2) == 0 ? name + 2 : name));
    check(name_normalise(a, name_display(a, name), &back, &is_ip_again, NULL) == RC_OK);
    check(strcmp(name, back) == 0);
    return 0;
}
