/*
 * What keeps an installation alive: single backups, the master key, and the confirmation that a
 * restored copy is the one to run. Invariant: no passphrase is stored or logged in clear; it goes
 * to the vault, sealed for the one job that needs it or used there at once.
 */
#include <string.h>

#include "api/priv.h"
#include "base/rand.h"

enum { PASS_MIN = 8, PASS_MAX = 1024 };

struct pass_in {
    const char *passphrase, *current;
};
static const struct field pass_fields[] = {
    FIELD_STR(struct pass_in, passphrase, .flags = FIELD_REQUIRED, .min = PASS_MIN, .max = PASS_MAX,
              .label = {"Passphrase", "パスフレーズ"}),
    FIELD_END};
static const struct field unseal_fields[] = {
    FIELD_STR(struct pass_in, passphrase, .flags = FIELD_REQUIRED, .max = PASS_MAX,
              .label = {"Passphrase of the master key", "マスター鍵のパスフレーズ"}),
    FIELD_END};
static const struct field change_fields[] = {
    FIELD_STR(struct pass_in, current, .max = PASS_MAX,
              .label = {"Present passphrase", "現在のパスフレーズ"},
              .help = {"Needed when the master key has one.",
                       "マスター鍵にパスフレーズがある場合に必要です。"}),
    FIELD_STR(struct pass_in, passphrase, .flags = FIELD_REQUIRED, .min = PASS_MIN, .max = PASS_MAX,
              .label = {"New passphrase", "新しいパスフレーズ"}),
    FIELD_END};
static const struct field rotate_fields[] = {
    FIELD_STR(struct pass_in, current, .max = PASS_MAX,
              .label = {"Passphrase of the master key", "マスター鍵のパスフレーズ"},
              .help = {"Needed when the master key has one.",
                       "マスター鍵にパスフレーズがある場合に必要です。"}),
    FIELD_END};

static enum rc answer_job(struct request *r, int64_t job, struct err *err)
{
    r->wake = true;
    r->status = 202;
    r_event(r, "job", job);
    jw_object(&r->w);
    TRY(view_job_answer(r, job, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_backup(struct request *r, struct err *err)
{
    const struct pass_in *in = r->in;
    char nonce[17];
    int64_t job = 0;
    bool existing = false;
    const char *sealed = NULL;
    rand_hex(nonce, 8);
    const char *place = arena_printf(r->a, "backup/%s/passphrase", nonce);
    if (!place)
        return NOMEM(err);
    TRY(r_seal(r, place, str_from(in->passphrase), &sealed, err));
    r->subject = "backup";
    TRY(job_request_backup(r->db, 0, place, sealed, r->now, &job, &existing, err));
    return answer_job(r, job, err);
}

static enum rc run_key(struct request *r, struct err *err)
{
    struct vault_status st;
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = vault_status_get(r->api->o.vault, &st, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    TRY(rc);
    jw_object(&r->w);
    jw_kbool(&r->w, "sealed", st.sealed);
    jw_kbool(&r->w, "passphrase", st.has_passphrase);
    jw_kstr(&r->w, "key_id", st.sealed ? NULL : st.key_id);
    jw_ki64(&r->w, "keys", st.keys);
    jw_key(&r->w, "reason");
    if (st.sealed)
        jw_err(&r->w, &st.why);
    else
        jw_null(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_unseal(struct request *r, struct err *err)
{
    const struct pass_in *in = r->in;
    r->subject = "system/key";
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = vault_unseal(r->api->o.vault, str_from(in->passphrase), err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    TRY(rc);
    r->wake = true;
    r->event = "{\"event\":\"system\"}";
    return run_key(r, err);
}

static enum rc change(struct request *r, enum ring_change what, struct err *err)
{
    const struct pass_in *in = r->in;
    CHECK(r->api->o.data, err, RC_UNSUPPORTED, BLAME_US,
          MSG("api.no_data", "this process has no data directory",
              "このプロセスにはデータディレクトリがありません"));
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc = ring_change_file(r->api->o.vault, r->api->o.data, what, in->current,
                                  what == RING_PASSPHRASE ? in->passphrase : NULL, r->a, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    r->subject = "system/key";
    return rc;
}

static enum rc run_passphrase(struct request *r, struct err *err)
{
    TRY(change(r, RING_PASSPHRASE, err));
    return run_key(r, err);
}

/* A new key seals from now on; the job moves what there is, and takes a former one up again. */
static enum rc prepare_rotate(struct request *r, struct err *err)
{
    return change(r, RING_ADD_KEY, err);
}

static enum rc run_rotate(struct request *r, struct err *err)
{
    int64_t job = 0;
    bool existing = false;
    TRY(job_request_reseal(r->db, r->now, &job, &existing, err));
    return answer_job(r, job, err);
}

/* Only the moving, for a rotation whose job was lost or cancelled. */
static enum rc run_move(struct request *r, struct err *err)
{
    r->subject = "system/key";
    return run_rotate(r, err);
}

static enum rc run_confirm(struct request *r, struct err *err)
{
    const char *hold = NULL;
    TRY(job_hold_get(r->db, r->a, &hold, err));
    CHECK(!hold || strcmp(hold, "beside") != 0, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.beside",
              "another copy of this installation is running on this machine; stop it first",
              "このマシンで同じ環境の複製が動いています。先に停止してください"));
    TRY(job_hold_clear(r->db, err));
    r->subject = "system";
    r->detail = hold ? arena_printf(r->a, "{\"hold\":\"%s\"}", hold) : NULL;
    r->wake = true;
    r->event = "{\"event\":\"system\"}";
    jw_object(&r->w);
    jw_kstr(&r->w, "was", hold);
    jw_end_object(&r->w);
    return RC_OK;
}

#define BODY(f) .body = (f), .body_size = sizeof(struct pass_in)
static const struct route rows[] = {
    {"backup.create", "POST", "/backups", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE, run_backup,
     .answer = "202 JobStarted",
     .summary = {"Make one backup in the data directory",
                 "データディレクトリにバックアップを作成する"},
     BODY(pass_fields)},
    {"key.get", "GET", "/system/key", PERM(PERM_ADMIN), 0, run_key, .answer = "KeyState",
     .summary = {"Is the master key loaded?", "マスター鍵の状態を表示する"}},
    {"key.unseal", "POST", "/system/unseal", PERM(PERM_ADMIN), ROUTE_AUDIT, run_unseal,
     .answer = "KeyState",
     .summary = {"Load the master key with its passphrase", "マスター鍵を読み込む"},
     BODY(unseal_fields)},
    {"key.passphrase", "POST", "/system/key/passphrase", PERM(PERM_ADMIN),
     ROUTE_AUDIT | ROUTE_PROVE, run_passphrase, .answer = "KeyState",
     .summary = {"Change the passphrase of the master key", "マスター鍵のパスフレーズを変更する"},
     BODY(change_fields)},
    {"key.rotate", "POST", "/system/key/rotate", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE,
     run_rotate, .answer = "202 JobStarted",
     .summary = {"Move to a new master key", "マスター鍵を交換する"}, BODY(rotate_fields),
     .prepare = prepare_rotate},
    {"key.move", "POST", "/system/key/move", PERM(PERM_ADMIN), ROUTE_WRITE, run_move,
     .answer = "202 JobStarted",
     .summary = {"Go on moving secrets to the present master key",
                 "秘密情報のマスター鍵への移行を続ける"}},
    {"system.confirm", "POST", "/system/confirm", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_PROVE,
     run_confirm, .answer = "Confirmed",
     .summary = {"This installation is the one to run: end the hold after a restore",
                 "復元後の保留を解除し、この環境を動かす"}},
};
ROUTE_SET(routes_keep, rows);
