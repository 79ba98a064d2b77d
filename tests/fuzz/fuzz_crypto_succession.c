/*
 * Changes of a vendor's key: whatever comes, it is taken apart without an end that is not there,
 * and read with one reason, or to something whose written form is the same. The second run signs
 * what it is given, so that the parser behind the signature is reached too.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/succession.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void read_it(struct str file, const struct licence_key *k)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf again = BUF((size_t)1 << 20);
    struct succession s;
    struct err err = {0};
    check(a != NULL);
    if (succession_read(file, k, 1, a, &s, &err) != RC_OK) {
        check(err.en[0] && err.ja[0]);
        return;
    }
    check(strcmp(s.key_id, k->id) == 0);
    check(succession_body(&s, &again, NULL) == RC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char seed[crypto_sign_SEEDBYTES] = {1};
    unsigned char pub[32], secret[64], sig[64];
    struct licence_key k;
    struct str text = {(const char *)data, size}, rest = text, one;
    crypto_init();
    check(crypto_sign_seed_keypair(pub, secret, seed) == 0);
    licence_key_of(pub, &k);
    while (succession_is(rest) && succession_take(&rest, &one, NULL) == RC_OK) {
        check(one.n > 0 && one.p >= text.p && rest.p + rest.n == text.p + text.n);
        read_it(one, &k);
    }
    AUTO(buf) struct buf body = BUF((size_t)1 << 20), file = BUF((size_t)1 << 20);
    buf_addstr(&body, text);
    if (size > 0 && data[size - 1] != '\n')
        buf_addc(&body, '\n');
    buf_adds(&body, "key: ");
    buf_adds(&body, k.id);
    buf_addc(&body, '\n');
    check(crypto_sign_detached(sig, NULL, (const unsigned char *)body.p, body.len, secret) == 0);
    licence_file(buf_str(&body), sig, &file);
    if (file.bad == RC_OK)
        read_it(buf_str(&file), &k);
    return 0;
}
