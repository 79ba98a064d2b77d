/* Randomness from the kernel. Fails only when getrandom(2) does, which ends the process. */
#ifndef INRO_BASE_RAND_H
#define INRO_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void rand_bytes(void *p, size_t n);
uint64_t rand_below(uint64_t n); /* uniform in [0, n); n > 0 */
/* n random bytes as lower-case hex and NUL; out holds 2n + 1. */
void rand_hex(char *out, size_t n);

#endif
