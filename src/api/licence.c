/*
 * The installed licence: what it covers, what is used, and importing another. Invariant: a file
 * that is refused changes nothing; looking and importing work whatever the licence says.
 */
#include <string.h>

#include "api/priv.h"
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
    size_t n;
    TRY(licence_trusted(r->db, r->a, &keys, &n, err));
    jw_key(&r->w, "vendor_keys");
    jw_array(&r->w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&r->w);
        jw_kstr(&r->w, "key_id", keys[i].id);
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
    TRY(note_import(r, &l, err));
    TRY(licence_load(r->db, r->now, r->a, &n, err));
    r->wake = true; /* what had been stopped goes on at once */
    r->event = "{\"event\":\"licence\",\"id\":0}";
    return view_licence(r, &n, err);
}

static const struct route rows[] = {
    {"licence.show", "GET", "/licence", PERM(PERM_VIEW), ROUTE_READ, run_show, .answer = "Licence",
     .summary = {"What the licence covers and what is used", "ライセンスの内容と利用数を表示する"}},
    {"licence.import", "POST", "/licence", PERM(PERM_ADMIN), ROUTE_WRITE, run_import,
     .answer = "Licence", .summary = {"Import a licence file", "ライセンスファイルを取り込む"},
     .body = import_fields, .body_size = sizeof(struct licence_in)},
};
ROUTE_SET(routes_licence, rows);
