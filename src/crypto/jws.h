/* JSON Web Signature pieces ACME needs (RFC 7515, 7517, 7638, 8037); flattened serialisation. */
#ifndef INRO_CRYPTO_JWS_H
#define INRO_CRYPTO_JWS_H

#include "crypto/key.h"

const char *jws_alg(enum key_alg alg); /* "ES256", "ES384", "RS256", "EdDSA" */
/* Public JWK with only the required members in RFC 7638 order, no white space. */
MUST enum rc jwk_public(const struct key *key, struct buf *out, struct err *err);
/* base64url(SHA-256(jwk)). */
MUST enum rc jwk_thumbprint(const struct key *key, struct buf *out, struct err *err);
/* Signature over "b64protected.b64payload": raw R||S for ES*, base64url-encoded into out. */
MUST enum rc jws_sign(const struct key *key, struct str signing_input, struct buf *out,
                      struct err *err);
/* HMAC-SHA-256 (EAB), base64url into out. */
MUST enum rc jws_hs256(struct str secret, struct str signing_input, struct buf *out,
                       struct err *err);
/* Checks a signature made by jws_sign (tests, and a second look before sending). */
bool jws_verify(const struct key *key, struct str signing_input, struct str b64_signature);

#endif
