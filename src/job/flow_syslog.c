/*
 * The audit log, record by record, to a syslog server (RFC 5424). Invariants: `sent` moves only
 * after the peer took the whole batch, so that nothing is lost over a broken connection, a restart
 * or a week without a network (a record may come twice; its id tells); a server that is down stops
 * nothing else.
 */
#include "job/syslog.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "job/job_priv.h"
#include "net/syslog.h"

enum { BATCH = 200, IDLE_SEC = 5, FIRST_WAIT_SEC = 5, MOST_WAIT_SEC = 300, SEND_SEC = 30 };

static const struct field_choice securities[] = {
    {"tls", {"TLS", "TLS"}}, {"plain", {"No encryption", "暗号化なし"}}, {NULL, {NULL, NULL}}};
#define S struct syslog_settings
const struct field syslog_fields[] = {
    FIELD_HOST(S, host, .flags = FIELD_REQUIRED, .label = {"Syslog server", "syslog サーバー"},
               .example = "log.example.jp"),
    FIELD_PORT(S, port, .dflt = "6514", .label = {"Port", "ポート"}),
    FIELD_ENUM(S, security, .dflt = "tls", .choices = securities,
               .label = {"Encryption", "暗号化"}),
    FIELD_TEXT(
        S, ca_pem, .flags = FIELD_ADVANCED, .max = 262144,
        .label = {"Roots (PEM)", "信頼ルート（PEM）"},
        .help = {"For a server with a private CA.", "社内認証局の証明書を使うサーバー用です。"}),
    FIELD_END};
#undef S

enum rc job_request_syslog(struct db *db, int64_t now, int64_t *ret_job, struct err *err)
{
    return add_job(db, "syslog", "system", "send", "syslog", NULL, NULL, now, ret_job, NULL, err);
}

enum rc job_keep_syslog(struct db *db, int64_t now, struct err *err)
{
    const char *text = NULL;
    AUTO(arena) struct arena *a = arena_create(0);
    if (!a)
        return NOMEM(err);
    TRY(db_meta_get(db, SYSLOG_META, a, &text, err));
    return text && *text ? job_request_syslog(db, now, NULL, err) : RC_OK;
}

static void put_record(const struct audit *a, const char *hostname, struct buf *out)
{
    static const char *const names[] = {"id", "actor", "origin", "subject", "result", "hash", NULL};
    char id[24];
    const char *const values[] = {err_num(id, a->id), a->actor,  a->origin,
                                  a->subject,         a->result, a->hash};
    bool good = a->result && strcmp(a->result, "ok") == 0;
    struct syslog_record r = {.severity = good ? 6 : 4,
                              .at = a->at,
                              .hostname = hostname,
                              .app = "inro",
                              .msgid = a->action,
                              .names = names,
                              .values = values,
                              .text = a->detail};
    syslog_frame(&r, out);
}

struct batch {
    struct syslog_settings *set; /* NULL = forwarding is off */
    struct audit_list records;
    int64_t sent, failures;
};

static enum rc load(struct run *r, struct batch *b, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    const char *text = NULL;
    const void *set = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_meta_get(db, SYSLOG_META, r->a, &text, err));
    if (!text || !*text)
        return RC_OK;
    TRY(decode_settings(r, syslog_fields, sizeof *b->set, text, &set, err));
    b->set = arena_dup(r->a, set, sizeof *b->set);
    if (!b->set)
        return NOMEM(err);
    return db_audit_page(db, b->sent, BATCH, r->a, &b->records, err);
}

static enum rc send_batch(struct run *r, const struct batch *b, struct err *err)
{
    AUTO(buf) struct buf frames = BUF((size_t)32 << 20);
    char hostname[256] = "";
    (void)gethostname(hostname, sizeof hostname - 1);
    for (size_t i = 0; i < b->records.n; i++)
        put_record(&b->records.v[i], hostname, &frames);
    TRY(buf_ok(&frames, err));
    struct syslog_dest d = {.policy = &r->e->o.egress,
                            .host = b->set->host,
                            .port = (int)b->set->port,
                            .tls = strcmp(b->set->security, "tls") == 0,
                            .ca_pem = str_from(b->set->ca_pem),
                            .deadline = clock_mono(clock_real()) + SEND_SEC * USEC_PER_SEC};
    return syslog_send(&d, buf_str(&frames), r->a, err);
}

static const char *progress(struct run *r, const struct batch *b, const struct err *why)
{
    AUTO(buf) struct buf out = BUF(16384);
    struct json_writer w = JSON_WRITER(&out);
    jw_object(&w);
    jw_ki64(&w, "sent", b->sent);
    jw_ki64(&w, "failures", b->failures);
    jw_ktime(&w, "at", run_now(r));
    jw_key(&w, "error");
    if (why)
        jw_err(&w, why);
    else
        jw_null(&w);
    jw_end_object(&w);
    return arena_strdup(r->a, buf_cstr(&out));
}

static int64_t wait_after(int64_t failures)
{
    int64_t sec = FIRST_WAIT_SEC;
    for (int64_t i = 1; i < failures && sec < MOST_WAIT_SEC; i++)
        sec *= 2;
    return (sec > MOST_WAIT_SEC ? MOST_WAIT_SEC : sec) * USEC_PER_SEC;
}

static enum rc send_step(struct run *r, struct step_out *out, struct err *err)
{
    struct batch b = {.sent = json_i64_or(r->progress, "sent", 0),
                      .failures = json_i64_or(r->progress, "failures", 0)};
    struct err why = {0};
    TRY(load(r, &b, err));
    out->done = b.set == NULL;
    out->at = run_now(r) + IDLE_SEC * USEC_PER_SEC;
    if (!b.set || b.records.n == 0)
        return RC_OK;
    enum rc rc = send_batch(r, &b, &why);
    if (rc == RC_OK) {
        b.sent = b.records.v[b.records.n - 1].id;
        b.failures = 0;
        if (b.records.n == BATCH)
            out->at = run_now(r);
    } else {
        if (b.failures++ == 0)
            log_err(LOG_WARN, "job", "forwarding the audit log; it goes on by itself", &why);
        out->at = run_now(r) + wait_after(b.failures);
    }
    out->progress = progress(r, &b, rc == RC_OK ? NULL : &why);
    return out->progress ? RC_OK : NOMEM(err);
}

static const struct step steps[] = {
    {"send",
     {"Forwarding the audit log", "監査ログを転送しています"},
     send_step,
     60 * USEC_PER_SEC,
     false},
};
const struct flow flow_syslog = {"syslog", steps, COUNT_OF(steps), NULL, NULL};
