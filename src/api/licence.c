/*
 * The installed licence: what it covers, what is used, and importing another. Invariant: a file
 * that is refused changes nothing; looking and importing work whatever the licence says.
 */
#include <string.h>

#include "api/priv.h"
#include "crypto/digest.h"
#include "job/licence.h"
#include "model/calendar.h"

static void view_count(struct json_writer *w, const char *key, int64_t used, int64_t limit)
{
    jw_key(w, key);
    jw_object(w);
    jw_ki64(w, "used", used);
    jw_ki64(w, "limit", limit);
    jw_end_object(w);
}

static void view_plan(struct json_writer *w, const char *plan)
{
    struct l10n label = plan_label(plan);
    jw_kstr(w, "plan", plan);
    jw_key(w, "plan_label");
    jw_object(w);
    jw_kstr(w, "en", label.en);
    jw_kstr(w, "ja", label.ja);
    jw_end_object(w);
}

/* The service code cancels the contract: for administrators only. */
static void view_file(struct request *r, const struct licence_now *n)
{
    struct json_writer *w = &r->w;
    const struct licence *l = &n->licence;
    bool admin = r->role && strcmp(r->role, "admin") == 0;
    char last[16];
    day_text(jst_day(l->ends - 1), last);
    jw_ki64(w, "serial", l->serial);
    jw_kstr(w, "licensee", l->licensee);
    jw_kstr(w, "service_code", admin ? l->service_code : NULL);
    jw_ktime(w, "begins", l->begins);
    jw_ktime(w, "ends", l->ends);
    jw_kstr(w, "last_day", last);
    jw_ktime(w, "issued", l->issued);
    jw_kstr(w, "key_id", l->key_id);
    jw_ktime(w, "imported", n->imported);
}

static enum rc view_trusted(struct request *r, struct err *err)
{
    const struct licence_key *keys;
    char sum[65];
    size_t n;
    TRY(licence_trusted(r->db, r->a, &keys, &n, err));
    jw_key(&r->w, "vendor_keys");
    jw_array(&r->w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&r->w);
        jw_kstr(&r->w, "key_id", keys[i].id);
        sha256_hex((struct str){(const char *)keys[i].pub, sizeof keys[i].pub}, sum);
        jw_kstr(&r->w, "fingerprint", keys[i].revoked ? NULL : sum);
        jw_kbool(&r->w, "revoked", keys[i].revoked);
        jw_end_object(&r->w);
    }
    jw_end_array(&r->w);
    return RC_OK;
}

static enum rc view_licence(struct request *r, const struct licence_now *n, struct err *err)
{
    struct json_writer *w = &r->w;
    const struct licence_status *s = &n->status;
    jw_object(w);
    jw_kstr(w, "state", licence_state_name(s->state));
    view_plan(w, s->plan);
    view_count(w, "certificates", n->certificates, s->certificates);
    view_count(w, "targets", n->targets, s->targets);
    jw_key(w, "days_left");
    if (s->days_left < 0)
        jw_null(w);
    else
        jw_i64(w, s->days_left);
    jw_ki64(w, "warning", s->warning);
    jw_kbool(w, "clock_back", s->clock_back);
    jw_kstr(w, "installation", n->installation);
    jw_kbool(w, "installed", n->installed);
    if (n->installed)
        view_file(r, n);
    jw_key(w, "fault");
    if (n->broken)
        jw_err(w, &n->fault);
    else
        jw_null(w);
    TRY(view_trusted(r, err));
    jw_end_object(w);
    return RC_OK;
}

static enum rc run_show(struct request *r, struct err *err)
{
    struct licence_now n;
    TRY(licence_load(r->db, r->now, r->a, &n, err));
    return view_licence(r, &n, err);
}

struct licence_in {
    const char *file;
};
/* The format's own limit is lower: it gives the better message. */
static const struct field import_fields[] = {
    FIELD_TEXT(struct licence_in, file, .flags = FIELD_REQUIRED, .max = (int64_t)4 << 20,
               .label = {"Licence file", "ライセンスファイル"}),
    FIELD_END};

/* What the audit line says about the change. */
static enum rc note_import(struct request *r, const struct licence *l, struct err *err)
{
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_ki64(&w, "serial", l->serial);
    jw_kstr(&w, "plan", l->plan);
    jw_ki64(&w, "certificates", l->certificates);
    jw_ki64(&w, "targets", l->targets);
    jw_ktime(&w, "ends", l->ends);
    jw_kstr(&w, "key_id", l->key_id);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    r->detail = arena_str(r->a, buf_str(&b));
    return r->detail ? RC_OK : NOMEM(err);
}

static enum rc run_import(struct request *r, struct err *err)
{
    const struct licence_in *in = r->in;
    struct licence l;
    struct licence_now n;
    r->subject = "licence";
    TRY(licence_import(r->db, str_from(in->file), r->actor, r->now, r->a, &l, err));
    if (l.serial > 0)
        TRY(note_import(r, &l, err));
    else
        r->detail = "{\"what\":\"vendor key change\"}";
    TRY(licence_load(r->db, r->now, r->a, &n, err));
    r->wake = true; /* what had been stopped goes on at once */
    r->event = "{\"event\":\"licence\",\"id\":0}";
    return view_licence(r, &n, err);
}

/* ---- whose licences are taken ---- */

struct trust_in {
    const char *key;
};
static const struct field trust_fields[] = {
    FIELD_TEXT(struct trust_in, key, .flags = FIELD_REQUIRED, .max = 256,
               .label = {"Public key of the vendor", "ベンダーの公開鍵"},
               .help = {"As inro vendor key prints it.", "inro vendor key の出力です。"}),
    FIELD_END};

static enum rc note_key(struct request *r, const char *id, struct err *err)
{
    r->subject = "licence";
    r->detail = arena_printf(r->a, "{\"key_id\":\"%s\"}", id);
    return r->detail ? RC_OK : NOMEM(err);
}

static enum rc run_trust(struct request *r, struct err *err)
{
    const struct trust_in *in = r->in;
    struct licence_key k;
    TRY(licence_key_read(str_from(in->key), &k, err));
    TRY(note_key(r, k.id, err));
    TRY(licence_trust(r->db, &k, "trust", r->now, err));
    r->status = 201;
    return run_show(r, err);
}

static enum rc run_distrust(struct request *r, struct err *err)
{
    const char *id = r->params[0];
    CHECK(strlen(id) == 16 && strspn(id, "0123456789abcdef") == 16, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("licence.no_key", "no vendor with the key {0} is trusted here",
              "鍵 {0} のベンダーは登録されていません"),
          id);
    TRY(note_key(r, id, err));
    TRY(licence_distrust(r->db, id, r->now, r->a, err));
    return run_show(r, err);
}

static const struct route rows[] = {
    {"licence.show", "GET", "/licence", PERM(PERM_VIEW), ROUTE_READ, run_show, .answer = "Licence",
     .summary = {"What the licence covers and what is used", "ライセンスの内容と利用数を表示する"}},
    {"licence.import", "POST", "/licence", PERM(PERM_ADMIN), ROUTE_WRITE, run_import,
     .answer = "Licence", .summary = {"Import a licence file", "ライセンスファイルを取り込む"},
     .body = import_fields, .body_size = sizeof(struct licence_in)},
    {"licence.trust", "POST", "/licence/keys", PERM(PERM_ADMIN), ROUTE_WRITE | ROUTE_LOCAL,
     run_trust, .answer = "201 Licence",
     .summary = {"Take licences of one more vendor key", "ベンダーの公開鍵を登録する"},
     .body = trust_fields, .body_size = sizeof(struct trust_in)},
    {"licence.distrust", "DELETE", "/licence/keys/{id}", PERM(PERM_ADMIN),
     ROUTE_WRITE | ROUTE_LOCAL, run_distrust, .answer = "Licence",
     .summary = {"Take no more licences of a vendor key", "ベンダーの公開鍵を削除する"}},
};
ROUTE_SET(routes_licence, rows);
