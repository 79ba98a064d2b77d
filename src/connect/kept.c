/* A challenge as a certificate keeps it, taken apart: its settings, and where its secrets are. */
#include <string.h>

#include "connect/connect.h"

enum { KEPT_MAX = 256 * 1024 };

enum rc challenge_kept(const struct json *kept, struct arena *a, const char **ret_settings,
                       const char **ret_place, struct err *err)
{
    AUTO(buf) struct buf b = BUF(KEPT_MAX);
    struct json_writer w = JSON_WRITER(&b);
    const char *vault = json_str_or(kept, CHALLENGE_VAULT, NULL), *place = NULL, *key = NULL;
    const struct json *v = NULL;
    void *iter = NULL;
    jw_object(&w);
    while (json_next(kept, &iter, &key, &v))
        if (strcmp(key, "type") != 0 && strcmp(key, CHALLENGE_VAULT) != 0) {
            jw_key(&w, key);
            jw_json(&w, v);
        }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    if (vault && !(place = arena_printf(a, "challenge/%s", vault)))
        return NOMEM(err);
    const char *settings = arena_str(a, buf_str(&b));
    if (!settings)
        return NOMEM(err);
    *ret_settings = settings;
    *ret_place = place;
    return RC_OK;
}
