/*
 * How a certificate proves control of its names: {"type": ..., settings of the type}. Invariants:
 * what is kept was accepted by the type's field table; its secrets are sealed at places of its own
 * (CHALLENGE_VAULT) and never come out again; one kept from before is not sent to another machine.
 */
#include <stdio.h>
#include <string.h>

#include "api/priv.h"
#include "base/rand.h"

enum { VAULT_BYTES = 16 };

static enum rc refuse(struct err *err, const char *field, enum rc rc)
{
    err_field(err, field);
    return rc;
}

/* A stored challenge taken apart. All empty when there is none, or of a type this build lacks. */
struct kept {
    const char *type, *vault;
    const struct challenge_ops *ops;
    struct json *settings;
};

static void kept_free(struct kept *k)
{
    json_free(k->settings);
}

static enum rc kept_read(struct request *r, const char *text, struct kept *ret, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    const char *settings, *place;
    TRY(stored_json(text, &j, err));
    const char *type = json_str_or(j, "type", NULL), *vault = json_str_or(j, CHALLENGE_VAULT, NULL);
    if (!type)
        return RC_OK;
    TRY(challenge_kept(j, r->a, &settings, &place, err));
    ret->type = arena_strdup(r->a, type);
    ret->vault = vault ? arena_strdup(r->a, vault) : NULL;
    ret->ops = challenge_find(type);
    if (!ret->type || (vault && !ret->vault))
        return NOMEM(err);
    return json_parse(str_from(settings), &ret->settings, err);
}

struct sealer {
    struct request *r;
    char vault[2 * VAULT_BYTES + 1]; /* "" until the first secret */
};

static enum rc seal(void *ctx, const char *field, struct str clear, struct arena *a,
                    const char **ret, struct err *err)
{
    struct sealer *s = ctx;
    if (!s->vault[0])
        rand_hex(s->vault, VAULT_BYTES);
    const char *place = arena_printf(a, "challenge/%s/%s", s->vault, field);
    return place ? r_seal(s->r, place, clear, ret, err) : NOMEM(err);
}

/* Without its type; NULL: nothing was given. */
static enum rc given_settings(const struct json *given, struct arena *a, struct json **ret,
                              struct err *err)
{
    const char *text, *place;
    CHECK(
        !json_get(given, CHALLENGE_VAULT), err, RC_INPUT, BLAME_INPUT,
        MSG("api.challenge_vault", "there is no setting called {0}", "{0} という設定はありません"),
        CHALLENGE_VAULT);
    TRY(challenge_kept(given, a, &text, &place, err));
    return json_parse(str_from(text), ret, err);
}

static enum rc write_kept(struct request *r, const char *type, const char *vault,
                          const struct json *settings, const char **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    const struct json *value;
    const char *key;
    void *iter = NULL;
    jw_object(&w);
    jw_kstr(&w, "type", type);
    if (vault)
        jw_kstr(&w, CHALLENGE_VAULT, vault);
    while (json_next(settings, &iter, &key, &value)) {
        jw_key(&w, key);
        jw_json(&w, value);
    }
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    *ret = arena_str(r->a, buf_str(&b));
    return *ret ? RC_OK : NOMEM(err);
}

static bool has_secret(const struct field *fields, const struct json *settings)
{
    const char *sealed;
    for (const struct field *f = fields; f->type != FIELD_T_END; f++)
        if (f->type == FIELD_T_SECRET &&
            json_get_str(json_get(settings, f->name), "sealed", &sealed))
            return true;
    return false;
}

/* Settings as given over those kept for the same type -> as stored. */
static enum rc settings_text(struct request *r, const struct challenge_ops *ops,
                             const struct json *given, const struct kept *was, const char **ret,
                             struct err *err)
{
    const struct field *fields = ops->head.fields;
    AUTO(json) struct json *settings = NULL, *clean = NULL;
    const struct json *before = was->ops == ops ? was->settings : NULL;
    struct sealer s = {.r = r};
    const char *text;
    if (before && was->vault)
        (void)snprintf(s.vault, sizeof s.vault, "%s", was->vault);
    TRY(given_settings(given, r->a, &settings, err));
    void *v = arena_alloc(r->a, ops->head.settings_size);
    if (!v)
        return NOMEM(err);
    TRY(schema_decode(fields, settings, before, &(struct secret_sink){seal, &s}, r->a, v, err));
    if (ops->head.fit)
        TRY(ops->head.fit(v, err));
    TRY(encode_text(r, fields, v, SCHEMA_STORED, &text, err));
    TRY(json_parse(str_from(text), &clean, err));
    TRY(r_secrets_stay(fields, before, clean, err));
    return write_kept(r, ops->head.id, has_secret(fields, clean) ? s.vault : NULL, clean, ret, err);
}

static enum rc fits(const struct conn_head *ca, const struct challenge_ops *ops, bool wildcard,
                    struct err *err)
{
    CHECK(!wildcard || (ca->caps & CA_CAP_NO_PROOF) || strcmp(ops->proof_type, "dns-01") == 0, err,
          RC_INPUT, BLAME_INPUT,
          MSG("api.wildcard_dns",
              "a wildcard name is proven by DNS only; choose a dns-01 challenge",
              "ワイルドカードの検証は DNS だけで行えます。dns-01 を選んでください"));
    return RC_OK;
}

static enum rc read_over(struct request *r, const struct conn_head *ca, bool wildcard,
                         const struct kept *was, const char *stored, const char **ret,
                         struct err *err)
{
    const struct json *given = json_get(r->body, "challenge");
    if (json_type_of(given) == JSON_NULL)
        given = NULL;
    bool keep = !given && was->type;
    const char *type = json_str_or(given, "type", was->type ? was->type : "http-01");
    const struct challenge_ops *ops = challenge_find(type);
    CHECK(ops, err, RC_INPUT, BLAME_INPUT,
          MSG("api.no_challenge", "there is no challenge type {0}",
              "チャレンジの種類 {0} はありません"),
          type);
    TRY(fits(ca, ops, wildcard, err));
    *ret = stored;
    return keep ? RC_OK : settings_text(r, ops, given, was, ret, err);
}

enum rc challenge_from_input(struct request *r, const struct conn_head *ca, bool wildcard,
                             const char *stored, const char **ret, struct err *err)
{
    struct kept was = {0};
    enum rc rc = kept_read(r, stored, &was, err);
    if (rc == RC_OK)
        rc = read_over(r, ca, wildcard, &was, stored, ret, err);
    kept_free(&was);
    return rc == RC_OK ? RC_OK : refuse(err, "challenge", rc);
}

static enum rc view(struct request *r, const struct kept *k, struct err *err)
{
    struct json_writer *w = &r->w;
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer masked = JSON_WRITER(&b);
    AUTO(json) struct json *out = NULL;
    const struct json *value;
    const char *key;
    void *iter = NULL;
    if (k->ops) {
        void *v = arena_alloc(r->a, k->ops->head.settings_size);
        if (!v)
            return NOMEM(err);
        TRY(schema_decode(k->ops->head.fields, k->settings, NULL, NULL, r->a, v, err));
        if (r->for_audit)
            view_fingerprints(&masked, k->settings);
        else
            schema_encode(k->ops->head.fields, v, SCHEMA_MASKED, &masked);
        TRY(buf_ok(&b, err));
        TRY(json_parse(buf_str(&b), &out, err));
    }
    jw_object(w);
    if (k->type)
        jw_kstr(w, "type", k->type);
    while (json_next(out, &iter, &key, &value)) {
        jw_key(w, key);
        jw_json(w, value);
    }
    jw_end_object(w);
    return RC_OK;
}

enum rc view_challenge(struct request *r, const char *stored, struct err *err)
{
    struct kept k = {0};
    jw_key(&r->w, "challenge");
    enum rc rc = kept_read(r, stored, &k, err);
    if (rc == RC_OK)
        rc = view(r, &k, err);
    kept_free(&k);
    return rc;
}
