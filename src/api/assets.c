/*
 * The GUI's files, from the table the build made. Invariant: nothing but that table is served;
 * a path that is no asset and no file name is the application's own address (its first page).
 */
#include <string.h>

#include "api/priv.h"

static const char not_built[] =
    "Inro is running, but its GUI was not built into this binary. Use the command line (inro "
    "--help).\n"
    "Inro は動作していますが、このバイナリに画面は含まれていません。コマンドライン（inro "
    "--help）をお使いください。\n";

/* nosniff and no-referrer are on every answer of the server already */
void security_headers(struct http_exchange *x, bool is_api)
{
    static const char *const all[][2] = {
        {"Content-Security-Policy",
         "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
         "object-src 'none'; require-trusted-types-for 'script'"},
        {"Strict-Transport-Security", "max-age=31536000"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        http_reply_header(x, all[i][0], all[i][1]);
    if (is_api)
        http_reply_header(x, "Cache-Control", "no-store");
}

static const struct asset *find(const struct api *api, const char *path)
{
    for (const struct asset *t = api->o.assets; t->path; t++)
        if (strcmp(t->path, path) == 0)
            return t;
    return NULL;
}

static const struct asset *asset_for(const struct api *api, const char *path)
{
    const struct asset *t = find(api, strcmp(path, "/") == 0 ? "/index.html" : path);
    const char *last = strrchr(path, '/');
    if (t || (last && strchr(last, '.')))
        return t;
    return find(api, "/index.html");
}

static bool takes_gzip(struct http_exchange *x)
{
    struct str rest = str_from(http_request_header(x, "Accept-Encoding")), part, name;
    while (rest.p && str_split(&rest, ',', &part))
        if (str_split(&part, ';', &name) && str_ieq(str_trim(name), STR("gzip")))
            return part.n == 0 || !str_eq(str_trim(part), STR("q=0"));
    return false;
}

void assets_reply(struct api *api, struct http_exchange *x)
{
    const char *method = http_method(x);
    security_headers(x, false);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        http_reply(x, 405, "text/plain", STR("method not allowed\n"));
        return;
    }
    const struct asset *t = asset_for(api, http_path(x));
    if (!t && !api->o.assets[0].path) {
        http_reply(x, 200, "text/plain; charset=utf-8", str_from(not_built));
        return;
    }
    if (!t) {
        http_reply(x, 404, "text/plain", STR("not found\n"));
        return;
    }
    const char *known = http_request_header(x, "If-None-Match");
    bool gz = t->gz && takes_gzip(x);
    http_reply_header(x, "ETag", t->etag);
    http_reply_header(x, "Vary", "Accept-Encoding");
    http_reply_header(x, "Cache-Control",
                      t->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    if (known && strcmp(known, t->etag) == 0) {
        http_reply(x, 304, t->type, STR_NONE);
        return;
    }
    if (gz)
        http_reply_header(x, "Content-Encoding", "gzip");
    http_reply(x, 200, t->type,
               gz ? (struct str){(const char *)t->gz, t->gz_size}
                  : (struct str){(const char *)t->bytes, t->size});
}
