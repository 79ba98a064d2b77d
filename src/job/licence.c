/*
 * Invariants: counting and inserting happen under the licence lock of one transaction; the file is
 * proven again each time it is asked, so that a row changed in the store gives nothing; time is the
 * highest ever seen.
 */
#include "job/licence.h"

#include <string.h>

#include "codec/json.h"
#include "job/job.h"

#define HIGH_EVERY (600 * USEC_PER_SEC)

enum rc licence_trusted(struct db *db, struct arena *a, const struct licence_key **ret,
                        size_t *ret_n, struct err *err)
{
    struct trusted_key_list rows;
    struct licence_key builtin[LICENCE_BUILTIN_MAX];
    size_t n = licence_builtin_keys(builtin);
    TRY(db_trusted_key_list(db, a, &rows, err));
    struct licence_key *all = arena_array(a, n + rows.n + 1, sizeof *all);
    if (!all)
        return NOMEM(err);
    for (size_t i = 0; i < n; i++)
        all[i] = builtin[i];
    for (size_t i = 0; i < rows.n; i++) {
        struct licence_key k;
        if (licence_key_read(str_from(rows.v[i].pub), &k, NULL) != RC_OK)
            continue;
        k.revoked = rows.v[i].revoked;
        all[n++] = k;
    }
    /* A revocation in the store is the last word on a key of the build as well. */
    for (size_t i = 0; i < rows.n; i++)
        for (size_t k = 0; k < n; k++)
            if (rows.v[i].revoked && strcmp(all[k].id, rows.v[i].key_id) == 0)
                all[k].revoked = true;
    *ret = all;
    *ret_n = n;
    return RC_OK;
}

enum rc licence_trust(struct db *db, const struct licence_key *k, const char *source, int64_t now,
                      struct err *err)
{
    struct licence_key builtin[LICENCE_BUILTIN_MAX];
    AUTO(buf) struct buf text = BUF(512);
    size_t n = licence_builtin_keys(builtin);
    for (size_t i = 0; i < n; i++)
        if (strcmp(builtin[i].id, k->id) == 0)
            return RC_OK;
    CHECK(n == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("licence.built_in",
              "this program was built for the vendor with the key {0}; no other can be set",
              "このプログラムは鍵 {0} のベンダー用にビルドされています。他のベンダー鍵は設定"
              "できません"),
          builtin[0].id);
    licence_key_text(k, &text);
    TRY(buf_ok(&text, err));
    struct trusted_key row = {
        .key_id = k->id, .pub = buf_cstr(&text), .source = source, .added = now};
    return db_trusted_key_add(db, &row, err);
}

static enum rc read_high(struct db *db, struct arena *a, int64_t *ret, struct err *err)
{
    const char *text = NULL;
    *ret = 0;
    TRY(db_meta_get(db, "licence_high", a, &text, err));
    if (text && !str_to_i64(str_from(text), 0, INT64_MAX, ret))
        *ret = 0;
    return RC_OK;
}

enum rc licence_seen(struct db *db, int64_t now, int64_t mono, int64_t *since, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    int64_t high;
    if (!a)
        return NOMEM(err);
    TRY(read_high(db, a, &high, err));
    int64_t next = licence_high_next(high, now, mono, since);
    if (next - high < HIGH_EVERY)
        return RC_OK;
    return db_meta_set(db, "licence_high", NUM(next), err);
}

/* What is installed, as far as it is still good. */
static enum rc read_installed(struct db *db, struct arena *a, struct licence_now *n,
                              struct err *err)
{
    const struct licence_key *keys;
    size_t key_count;
    struct licence_row row;
    enum rc rc = db_licence_current(db, a, &row, err);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    TRY(rc);
    TRY(licence_trusted(db, a, &keys, &key_count, err));
    n->imported = row.imported;
    rc = licence_read(str_from(row.file), keys, key_count, a, &n->licence, &n->fault);
    if (rc == RC_OK && (!n->installation || strcmp(n->licence.installation, n->installation) != 0))
        rc = FAIL(&n->fault, RC_INPUT, BLAME_US,
                  MSG("licence.moved",
                      "the installed licence is another installation's; import this one's",
                      "取り込み済みのライセンスは別の環境のものです。この環境用のライセンスを"
                      "取り込んでください"));
    n->installed = rc == RC_OK;
    n->broken = rc != RC_OK;
    return RC_OK;
}

static enum rc judge(struct db *db, int64_t now, struct arena *a, struct licence_now *ret,
                     struct err *err)
{
    struct licence_now n = {.installed = false};
    int64_t high;
    TRY(db_meta_get(db, "installation_id", a, &n.installation, err));
    TRY(read_high(db, a, &high, err));
    TRY(read_installed(db, a, &n, err));
    licence_judge(&(struct licence_facts){n.installed ? &n.licence : NULL, now, high}, &n.status);
    *ret = n;
    return RC_OK;
}

enum rc licence_load(struct db *db, int64_t now, struct arena *a, struct licence_now *ret,
                     struct err *err)
{
    struct licence_now n;
    TRY(judge(db, now, a, &n, err));
    TRY(db_cert_count(db, &n.certificates, err));
    TRY(db_seat_count(db, "", 0, &n.targets, NULL, err));
    *ret = n;
    return RC_OK;
}

enum rc licence_gate(struct db *db, int64_t now, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct licence_now n;
    if (!a)
        return NOMEM(err);
    TRY(judge(db, now, a, &n, err));
    return licence_may_change(&n.status, err);
}

enum rc licence_cert_add(struct db *db, struct cert *c, int64_t now, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct licence_now n;
    int64_t used;
    if (!a)
        return NOMEM(err);
    TRY(db_licence_lock(db, err));
    TRY(judge(db, now, a, &n, err));
    TRY(db_cert_count(db, &used, err));
    TRY(licence_may_add_certificate(&n.status, used, err));
    return db_cert_add(db, c, err);
}

enum rc licence_target_at(struct db *db, int64_t connector_id, const char *address, int64_t now,
                          struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct licence_now n;
    int64_t others;
    bool there;
    if (!a)
        return NOMEM(err);
    TRY(db_licence_lock(db, err));
    TRY(db_seat_count(db, address, connector_id, &others, &there, err));
    if (!there) {
        TRY(judge(db, now, a, &n, err));
        TRY(licence_may_add_target(&n.status, others, err));
    }
    return db_seat_put(db, connector_id, address, err);
}

/* Jobs the end had stopped. */
static enum rc take_up(struct db *db, int64_t now, struct arena *a, struct err *err)
{
    struct job_list l;
    for (int64_t before = 0;;) {
        struct job_filter f = {.only_open = true, .before = before, .limit = 500};
        TRY(db_job_list(db, &f, a, &l, err));
        for (size_t i = 0; i < l.n; i++) {
            const struct job *j = &l.v[i];
            AUTO(json) struct json *why = NULL;
            before = j->id;
            if (j->state != JOB_BLOCKED || !j->error ||
                json_parse(str_from(j->error), &why, NULL) != RC_OK)
                continue;
            if (strcmp(json_str_or(why, "id", ""), "licence.ended") == 0)
                TRY(db_job_retry_now(db, j->id, now, err));
        }
        if (l.n < 500)
            return RC_OK;
    }
}

enum rc licence_import(struct db *db, struct str file, const char *actor, int64_t now,
                       struct arena *a, struct licence *ret, struct err *err)
{
    const struct licence_key *keys;
    size_t key_count;
    struct licence_now n;
    struct licence l;
    TRY(db_licence_lock(db, err));
    TRY(judge(db, now, a, &n, err));
    TRY(licence_trusted(db, a, &keys, &key_count, err));
    CHECK(key_count > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.no_vendor",
              "this installation has no vendor yet: start it with inro init --vendor-key FILE, or "
              "be your own with inro vendor init",
              "この環境にはベンダーが設定されていません。inro init --vendor-key FILE で設定するか、"
              "inro vendor init でご自身をベンダーにしてください"));
    TRY(licence_read(file, keys, key_count, a, &l, err));
    TRY(licence_accept(&l, n.installed ? &n.licence : NULL, n.installation, now, err));
    const char *text = arena_str(a, file);
    if (!text)
        return NOMEM(err);
    struct licence_row row = {
        .serial = l.serial, .key_id = l.key_id, .file = text, .imported = now, .actor = actor};
    TRY(db_licence_add(db, &row, err));
    for (size_t i = 0; i < l.revoke_count; i++)
        TRY(db_trusted_key_revoke(db, l.revokes[i], err));
    /* The vendor's word on the time is better than a clock that once stood in the future. */
    TRY(db_meta_set(db, "licence_high", NUM(l.issued < now ? now : l.issued), err));
    TRY(take_up(db, now, a, err));
    *ret = l;
    return RC_OK;
}
