/* Certificates: every text that comes out is one line of UTF-8, and reading is repeatable. */
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

static void text(const char *s)
{
    if (!s)
        return;
    check(str_is_utf8(str_from(s)));
    for (; *s; s++)
        check((unsigned char)*s >= 0x20 && *s != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str der = {(const char *)data, size};
    struct cert_info c, again;
    struct err err = {0};
    AUTO(arena) struct arena *a = arena_create((size_t)256 << 20);
    check(a != NULL);
    if (cert_parse(der, a, &c, &err) != RC_OK) {
        check(err.en[0] && err.ja[0]);
        return 0;
    }
    check(size <= CERT_MAX_BYTES && c.name_count <= CERT_MAX_NAMES && str_eq(c.der, der));
    const char *const all[] = {c.subject,    c.issuer,   c.common_name, c.serial,
                               c.key_name,   c.sig_alg,  c.aki,         c.ski,
                               c.issuer_url, c.ocsp_url, c.crl_url};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        text(all[i]);
    for (size_t i = 0; i < c.name_count; i++) {
        check(c.names[i] != NULL);
        text(c.names[i]);
        (void)cert_covers(&c, c.names[i]);
    }
    for (size_t i = 0; i < c.eku_count; i++)
        text(c.eku[i]);
    check(c.subject && c.issuer && c.serial && c.key_name && c.sig_alg);
    check(cert_parse(der, a, &again, NULL) == RC_OK && again.unusual == c.unusual);
    struct cert_loss *lost;
    size_t n;
    check(cert_compare(&c, &again, a, &lost, &n, NULL) == RC_OK && n == 0);
    struct cert_list one = {&c, 1};
    struct cert_expect want = {.spki_sha256 = c.spki_sha256,
                               .names = c.names,
                               .name_count = c.name_count,
                               .now = c.not_before};
    check(cert_accept(&one, &want, &err) != RC_OK); /* no root is given: nothing may pass */
    return 0;
}
