/*
 * Invariants: counting and inserting happen under the licence lock of one transaction; the file is
 * proven again each time it is asked, so that a row changed in the store gives nothing; time is the
 * highest ever seen.
 */
#include "job/licence.h"

#include <string.h>

#include "codec/json.h"
#include "crypto/succession.h"
#include "job/job.h"

#define HIGH_EVERY (600 * USEC_PER_SEC)

/* A revoked one needs no key: what it would prove is refused before. */
static bool row_key(const struct trusted_key *row, struct licence_key *ret)
{
    *ret = (struct licence_key){.revoked = row->revoked};
    if (licence_key_read(str_from(row->pub), ret, NULL) != RC_OK) {
        if (!row->revoked || strlen(row->key_id) >= sizeof ret->id)
            return false;
        memcpy(ret->id, row->key_id, strlen(row->key_id) + 1);
    }
    ret->revoked = row->revoked;
    return true;
}

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
        if (!row_key(&rows.v[i], &k))
            continue;
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

static enum rc key_add(struct db *db, const struct licence_key *k, const char *source, int64_t now,
                       struct err *err)
{
    AUTO(buf) struct buf text = BUF(512);
    licence_key_text(k, &text);
    TRY(buf_ok(&text, err));
    struct trusted_key row = {
        .key_id = k->id, .pub = buf_cstr(&text), .source = source, .added = now};
    return db_trusted_key_add(db, &row, err);
}

static const struct licence_key *key_of(const struct licence_key *keys, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].id, id) == 0)
            return &keys[i];
    return NULL;
}

static enum rc revoked_once(const char *key_id, struct err *err)
{
    return FAIL(err, RC_CONFLICT, BLAME_INPUT,
                MSG("licence.key_revoked",
                    "the key {0} was revoked by its vendor and cannot be trusted again",
                    "鍵 {0} はベンダーが失効させたため、信頼し直すことはできません"),
                key_id);
}

enum rc licence_trust(struct db *db, const struct licence_key *k, const char *source, int64_t now,
                      struct err *err)
{
    struct licence_key builtin[LICENCE_BUILTIN_MAX];
    AUTO(arena) struct arena *a = arena_create(0);
    const struct licence_key *keys, *known;
    size_t key_count, n = licence_builtin_keys(builtin);
    if (!a)
        return NOMEM(err);
    if (key_of(builtin, n, k->id))
        return RC_OK;
    CHECK(n == 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("licence.built_in",
              "this program was built for the vendor with the key {0}; no other can be set",
              "このプログラムは鍵 {0} のベンダー用にビルドされています。他のベンダー鍵は設定"
              "できません"),
          builtin[0].id);
    TRY(licence_trusted(db, a, &keys, &key_count, err));
    known = key_of(keys, key_count, k->id);
    if (known && known->revoked)
        return revoked_once(k->id, err);
    CHECK(!known, err, RC_EXISTS, BLAME_INPUT,
          MSG("licence.key_known", "the key {0} is trusted already", "鍵 {0} は登録済みです"),
          k->id);
    return key_add(db, k, source, now, err);
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

enum rc licence_distrust(struct db *db, const char *key_id, int64_t now, struct arena *a,
                         struct err *err)
{
    struct licence_key builtin[LICENCE_BUILTIN_MAX];
    const struct licence_key *keys, *known;
    struct licence_now n;
    size_t key_count;
    int64_t removed = 0;
    TRY(db_licence_lock(db, err));
    TRY(licence_trusted(db, a, &keys, &key_count, err));
    known = key_of(keys, key_count, key_id);
    CHECK(known, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("licence.no_key", "no vendor with the key {0} is trusted here",
              "鍵 {0} のベンダーは登録されていません"),
          key_id);
    if (known->revoked)
        return revoked_once(key_id, err);
    CHECK(!key_of(builtin, licence_builtin_keys(builtin), key_id), err, RC_CONFLICT, BLAME_INPUT,
          MSG("licence.key_built_in", "this program was built for the vendor with the key {0}",
              "このプログラムは鍵 {0} のベンダー用にビルドされています"),
          key_id);
    TRY(judge(db, now, a, &n, err));
    CHECK(!n.installed || strcmp(n.licence.key_id, key_id) != 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("licence.key_used",
              "the installed licence was issued with the key {0}; import one of another key first",
              "取り込み済みのライセンスは鍵 {0} "
              "で発行されています。先に別の鍵のライセンスを取り込んで"
              "ください"),
          key_id);
    TRY(db_trusted_key_remove(db, key_id, &removed, err));
    return removed == 1 ? RC_OK : revoked_once(key_id, err);
}

enum rc licence_succeed(struct db *db, struct str statement, int64_t now, struct arena *a,
                        const char **ret_added, struct err *err)
{
    const struct licence_key *keys, *known;
    size_t key_count;
    struct succession s;
    TRY(licence_trusted(db, a, &keys, &key_count, err));
    TRY(succession_look(statement, a, &s, err));
    known = key_of(keys, key_count, s.next.id);
    if (known && known->revoked)
        return revoked_once(s.next.id, err);
    *ret_added = NULL;
    if (known) /* one that came earlier, by whatever way */
        return RC_OK;
    TRY(succession_read(statement, keys, key_count, a, &s, err));
    TRY(key_add(db, &s.next, "succession", now, err));
    *ret_added = arena_strdup(a, s.next.id);
    return *ret_added ? RC_OK : NOMEM(err);
}

/* Changes of the vendor's key before the licence, oldest first; *file is what follows them. */
static enum rc take_successions(struct db *db, struct str *file, int64_t now, struct arena *a,
                                bool *ret_any, struct err *err)
{
    struct str one;
    const char *added;
    *ret_any = false;
    while (succession_is(*file)) {
        TRY(succession_take(file, &one, err));
        TRY(licence_succeed(db, one, now, a, &added, err));
        *ret_any = true;
    }
    return RC_OK;
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
    struct licence l = {0};
    bool changes;
    TRY(db_licence_lock(db, err));
    TRY(take_successions(db, &file, now, a, &changes, err));
    if (changes && str_trim(file).n == 0) {
        *ret = l;
        return RC_OK;
    }
    TRY(judge(db, now, a, &n, err));
    TRY(licence_trusted(db, a, &keys, &key_count, err));
    CHECK(key_count > 0, err, RC_INPUT, BLAME_INPUT,
          MSG("licence.no_vendor",
              "this installation has no vendor yet: give it a vendor's public key with inro "
              "licence trust FILE, or be your own with inro vendor init",
              "この環境にはベンダーが設定されていません。inro licence trust FILE で公開鍵を登録"
              "するか、inro vendor init でご自身をベンダーにしてください"));
    TRY(licence_read(file, keys, key_count, a, &l, err));
    TRY(licence_accept(&l, n.installed ? &n.licence : NULL, n.installation, now, err));
    const char *text = arena_str(a, file);
    if (!text)
        return NOMEM(err);
    struct licence_row row = {
        .serial = l.serial, .key_id = l.key_id, .file = text, .imported = now, .actor = actor};
    TRY(db_licence_add(db, &row, err));
    for (size_t i = 0; i < l.revoke_count; i++)
        TRY(db_trusted_key_revoke(db, l.revokes[i], now, err));
    /* The vendor's word on the time is better than a clock that once stood in the future. */
    TRY(db_meta_set(db, "licence_high", NUM(l.issued < now ? now : l.issued), err));
    TRY(take_up(db, now, a, err));
    *ret = l;
    return RC_OK;
}
