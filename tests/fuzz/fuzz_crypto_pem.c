/* PEM: what is read can be written and read again as the same; keys are found and never crash. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void read_certs(struct str in, struct arena *a)
{
    struct cert_list first, again, chain;
    struct err err = {0};
    size_t dropped;
    AUTO(buf) struct buf pem = BUF(2 * CERT_MAX_PEM_BYTES);
    if (cert_parse_pem(in, false, a, &first, &err) != RC_OK) {
        check(err.en[0] && err.ja[0]);
        return;
    }
    check(first.n > 0 && first.n <= CERT_MAX_PEM_BLOCKS);
    for (size_t i = 0; i < first.n; i++)
        cert_to_pem(first.v[i].der, &pem);
    if (pem.len > CERT_MAX_PEM_BYTES)
        return;
    check(cert_parse_pem(buf_str(&pem), true, a, &again, NULL) == RC_OK && again.n == first.n);
    for (size_t i = 0; i < first.n; i++)
        check(memcmp(first.v[i].sha256, again.v[i].sha256, 32) == 0);
    if (first.n <= 8 && chain_order(&first, a, &chain, &dropped, NULL) == RC_OK)
        check(chain.n > 0 && chain.n + dropped == first.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    AUTO(key) struct key *k = NULL;
    AUTO(key) struct key *back = NULL;
    AUTO(buf) struct buf pem = BUF_SECRET(1 << 20);
    check(a != NULL);
    read_certs(in, a);
    struct str found = pem_find_key(in);
    check(found.n <= size);
    if (found.n && key_from_pem(found, "password", &k, NULL) == RC_OK) {
        check(key_to_pem(k, &pem, NULL) == RC_OK);
        check(key_from_pem(buf_str(&pem), NULL, &back, NULL) == RC_OK);
    }
    return 0;
}
