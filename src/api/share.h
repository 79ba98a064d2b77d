/* The share folder of the vendor's desk: public, by unguessable links. */
#ifndef INRO_API_SHARE_H
#define INRO_API_SHARE_H

#include "net/http_server.h"
#include "store/store.h"

struct api;

struct share_answer {
    const char *type, *name; /* name: of the file to save; NULL for the page */
    struct str body;
};
/* RC_NOT_FOUND for whatever is not there, without a word on why. */
MUST enum rc share_find(struct store *store, const char *path, const char *addr, int64_t now,
                        struct arena *a, struct share_answer *ret, struct err *err);
void share_reply(struct api *api, struct http_exchange *x);

#endif
