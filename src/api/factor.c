/*
 * The second factor: time-based codes (RFC 6238) and recovery codes. Invariants: the secret is
 * sealed by the vault and compared there; a code, like a recovery code, is good once; spaces are
 * taken away before anything is looked at.
 */
#include <string.h>

#include "api/priv.h"
#include "base/base64.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/digest.h"

enum {
    SECRET_BYTES = 20,
    STEP_SEC = 30,
    CODE_DIGITS = 6,
    RECOVERY_CODES = 10,
    RECOVERY_CHARS = 16
};

/* Without spaces and hyphens, lower case; "" when it is too long. */
static void code_normal(const char *text, char ret[32])
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p == ' ' || *p == '-' || *p == '\t' || *p == '\n' || *p == '\r')
            continue;
        if (n == 31) {
            n = 0;
            break;
        }
        ret[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
    }
    ret[n] = '\0';
}

static bool all_digits(const char *code)
{
    return strlen(code) == CODE_DIGITS && strspn(code, "0123456789") == CODE_DIGITS;
}

static const char *place_of(struct request *r)
{
    return arena_printf(r->a, "user/%lld/totp", (long long)r->user.id);
}

/* The time step a code belongs to, one step of drift allowed; -1 = none. */
static enum rc step_of(struct request *r, const char *sealed, const char *code, int64_t *ret,
                       struct err *err)
{
    const char *place = place_of(r);
    int64_t now = r->now / (STEP_SEC * USEC_PER_SEC);
    if (!place)
        return NOMEM(err);
    (void)pthread_mutex_lock(&r->api->vault_lock);
    enum rc rc =
        vault_totp(r->api->o.vault, place, sealed, str_from(code), now - 1, now + 1, ret, err);
    (void)pthread_mutex_unlock(&r->api->vault_lock);
    return rc;
}

static void recovery_hash(int64_t user_id, const char *code, char ret[65])
{
    AUTO(buf) struct buf b = BUF_SECRET(128);
    buf_addf(&b, "%lld:", (long long)user_id);
    buf_adds(&b, code);
    sha256_hex(buf_str(&b), ret);
}

/* In one transaction of its own: what was used stays used whatever comes after. */
static enum rc use_up(struct request *r, const char *code, int64_t step, bool *ret_good,
                      struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_begin(r->api->o.store, &db, err));
    if (step >= 0) {
        TRY(db_user_totp_step(db, r->user.id, step, ret_good, err));
    } else {
        char hash[65];
        recovery_hash(r->user.id, code, hash);
        TRY(db_recovery_take(db, r->user.id, hash, ret_good, err));
    }
    return db_commit(&db, err);
}

enum rc factor_check(struct request *r, const char *text, bool *ret_good, struct err *err)
{
    char code[32];
    int64_t step = -1;
    bool good = false;
    *ret_good = false;
    code_normal(text, code);
    if (!r->user.totp)
        return RC_OK;
    if (all_digits(code))
        TRY(step_of(r, r->user.totp, code, &step, err));
    if (step >= 0 || strlen(code) == RECOVERY_CHARS)
        TRY(use_up(r, code, step, &good, err));
    mem_wipe(code, sizeof code);
    *ret_good = good;
    return RC_OK;
}

enum rc factor_clear(struct db *db, int64_t user_id, struct err *err)
{
    TRY(db_user_totp(db, user_id, NULL, NULL, 0, err));
    return db_recovery_set(db, user_id, NULL, 0, err);
}

/* RFC 4648 base32 without padding, as authenticator apps read it. */
static void base32(const unsigned char *p, size_t n, struct buf *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        have += 8;
        while (have >= 5) {
            buf_addc(out, alphabet[bits >> (have - 5) & 31]);
            have -= 5;
        }
    }
    if (have > 0)
        buf_addc(out, alphabet[bits << (5 - have) & 31]);
}

struct fresh {
    const char *sealed, *shown;
};

static enum rc prepare_begin(struct request *r, struct err *err)
{
    unsigned char secret[SECRET_BYTES];
    AUTO(buf) struct buf text = BUF_SECRET(128), shown = BUF_SECRET(128);
    struct fresh *f = ARENA_NEW(r->a, struct fresh);
    const char *place = place_of(r);
    if (!f || !place)
        return NOMEM(err);
    rand_bytes(secret, sizeof secret);
    base64url_add(&text, secret, sizeof secret);
    base32(secret, sizeof secret, &shown);
    mem_wipe(secret, sizeof secret);
    f->shown = arena_str(r->a, buf_str(&shown));
    r->prepared = f;
    TRY(r_seal(r, place, buf_str(&text), &f->sealed, err));
    return f->shown ? RC_OK : NOMEM(err);
}

static enum rc run_begin(struct request *r, struct err *err)
{
    const struct fresh *f = r->prepared;
    TRY(db_user_totp(r->db, r->user.id, r->user.totp, f->sealed, r->user.totp_step, err));
    r_subject(r, "user", r->user.id);
    jw_object(&r->w);
    jw_kstr(&r->w, "secret", f->shown);
    jw_kstr(&r->w, "uri",
            arena_printf(r->a, "otpauth://totp/Inro:%s?secret=%s&issuer=Inro&digits=6&period=30",
                         r->user.login, f->shown));
    jw_end_object(&r->w);
    return RC_OK;
}

struct code_in {
    const char *code;
};
static const struct field code_fields[] = {
    FIELD_STR(struct code_in, code, .flags = FIELD_REQUIRED, .max = 64,
              .label = {"One-time code", "ワンタイムコード"}),
    FIELD_END};

static enum rc wrong_code(struct err *err)
{
    enum rc rc = FAIL(err, RC_INPUT, BLAME_INPUT,
                      MSG("api.code_wrong",
                          "the code is wrong; check the clock of the device and try the next one",
                          "コードが違います。端末の時計を確認し、次のコードを入力してください"));
    err_field(err, "code");
    return rc;
}

static enum rc prepare_confirm(struct request *r, struct err *err)
{
    const struct code_in *in = r->in;
    char code[32];
    int64_t *step = ARENA_NEW(r->a, int64_t);
    if (!step)
        return NOMEM(err);
    *step = -1;
    r->prepared = step;
    code_normal(in->code, code);
    CHECK(r->user.totp_new, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.totp_begin", "begin the set-up first", "先に設定を開始してください"));
    if (delay_active(r, r->user.login))
        return wrong_code(err);
    if (all_digits(code))
        TRY(step_of(r, r->user.totp_new, code, step, err));
    delay_note(r, r->user.login, *step >= 0);
    return *step >= 0 ? RC_OK : wrong_code(err);
}

/* Shown once; the store has the hashes. */
static enum rc new_codes(struct request *r, struct err *err)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32, no look-alikes */
    const char *hashes[RECOVERY_CODES];
    jw_key(&r->w, "recovery_codes");
    jw_array(&r->w);
    for (int i = 0; i < RECOVERY_CODES; i++) {
        char code[RECOVERY_CHARS + 1], hash[65], shown[RECOVERY_CHARS + 4];
        size_t n = 0;
        for (int k = 0; k < RECOVERY_CHARS; k++) {
            code[k] = alphabet[rand_below(sizeof alphabet - 1)];
            if (k > 0 && k % 4 == 0)
                shown[n++] = '-';
            shown[n++] = code[k];
        }
        code[RECOVERY_CHARS] = shown[n] = '\0';
        recovery_hash(r->user.id, code, hash);
        hashes[i] = arena_strdup(r->a, hash);
        jw_str(&r->w, shown);
        if (!hashes[i])
            return NOMEM(err);
    }
    jw_end_array(&r->w);
    return db_recovery_set(r->db, r->user.id, hashes, RECOVERY_CODES, err);
}

/* Whoever is signed in elsewhere did not show this factor. */
static enum rc others_end(struct request *r, struct err *err)
{
    TRY(people_end(r, r->db, r->user.id, err));
    return db_session_add(r->db, &r->session, err);
}

static enum rc run_confirm(struct request *r, struct err *err)
{
    const int64_t *step = r->prepared;
    TRY(db_user_totp(r->db, r->user.id, r->user.totp_new, NULL, *step, err));
    TRY(others_end(r, err));
    r_subject(r, "user", r->user.id);
    jw_object(&r->w);
    jw_kbool(&r->w, "totp", true);
    TRY(new_codes(r, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_codes(struct request *r, struct err *err)
{
    CHECK(r->user.totp, err, RC_CONFLICT, BLAME_INPUT,
          MSG("api.totp_off", "the second factor is not set up", "二要素認証は設定されていません"));
    r_subject(r, "user", r->user.id);
    jw_object(&r->w);
    TRY(new_codes(r, err));
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_off(struct request *r, struct err *err)
{
    TRY(factor_clear(r->db, r->user.id, err));
    TRY(others_end(r, err));
    r_subject(r, "user", r->user.id);
    jw_object(&r->w);
    jw_kbool(&r->w, "totp", false);
    jw_end_object(&r->w);
    return RC_OK;
}

enum { MINE = ROUTE_WRITE | ROUTE_PROVE | ROUTE_PERSON };
static const struct route rows[] = {
    {"session.totp_begin", "POST", "/session/totp", PERM(PERM_VIEW), MINE, run_begin,
     .answer = "TotpBegin", .summary = {"Set up one's second factor", "二要素認証の設定を始める"},
     .prepare = prepare_begin},
    {"session.totp_confirm", "POST", "/session/totp/confirm", PERM(PERM_VIEW), MINE, run_confirm,
     .answer = "TotpConfirmed",
     .summary = {"Prove the second factor and turn it on",
                 "コードを確認して二要素認証を有効にする"},
     .body = code_fields, .body_size = sizeof(struct code_in), .prepare = prepare_confirm},
    {"session.totp_codes", "POST", "/session/totp/codes", PERM(PERM_VIEW), MINE, run_codes,
     .answer = "RecoveryCodes", .summary = {"New recovery codes", "リカバリーコードを再発行する"}},
    {"session.totp_off", "DELETE", "/session/totp", PERM(PERM_VIEW), MINE, run_off,
     .answer = "TotpState", .summary = {"Turn one's second factor off", "二要素認証を無効にする"}},
};
ROUTE_SET(routes_factor, rows);
