/*
 * Keys that sign many times in a row (ACME accounts), kept open in the vault's own memory for a
 * short while: opening and parsing costs ten times the signature. Found by the hash of usage, place
 * and sealed text, so a changed blob is never answered with an old key. Thread-safe.
 */
#ifndef INRO_VAULT_KEYCACHE_H
#define INRO_VAULT_KEYCACHE_H

#include "crypto/key.h"

struct key_cache;
struct cached_key;

struct key_cache *key_cache_create(void);
void key_cache_destroy(struct key_cache *c);
/* A reference, to be given back with key_cache_release(); NULL when it is not there. */
struct cached_key *key_cache_find(struct key_cache *c, const unsigned char id[32]);
/* Takes key over and returns a reference; NULL when out of memory (key is destroyed). */
struct cached_key *key_cache_put(struct key_cache *c, const unsigned char id[32], struct key *key);
const struct key *cached_key_of(const struct cached_key *k);
void key_cache_release(struct key_cache *c, struct cached_key *k); /* NULL-safe */

#endif
