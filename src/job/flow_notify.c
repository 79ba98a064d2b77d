/*
 * Notify: one delivery to one channel. Invariants: its own failure makes no notice; a delivery is
 * sent at most once per notice and channel, and given up when its news is three days old.
 */
#include <string.h>

#include "job/job_priv.h"

#define STALE (3 * USEC_PER_DAY)

struct send {
    struct delivery d;
    struct notice n;
    struct conn c;
};

static enum rc save_delivery(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct send *s = arg;
    s->d.updated = run_now(r);
    return db_delivery_update(db, &s->d, err);
}

static enum rc load_send(struct run *r, struct send *s, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_delivery_get(db, json_i64_or(r->payload, "id", 0), r->a, &s->d, err));
    TRY(db_notice_get(db, s->d.notice_id, r->a, &s->n, err));
    return run_connector(r, db, s->d.notifier_id, "notifier", &s->c, err);
}

/* A list of addresses as stored; none when the channel tells its own. */
static enum rc read_recipients(struct run *r, const char *text, struct str_list *ret,
                               struct err *err)
{
    const struct json *list = NULL;
    if (!text)
        return RC_OK;
    TRY(run_json(r, text, &list, err));
    const char **v = arena_array(r->a, json_len(list) + 1, sizeof *v);
    size_t n = 0;
    if (!v)
        return NOMEM(err);
    for (size_t i = 0; i < json_len(list); i++)
        if (json_as_str(json_at(list, i)))
            v[n++] = json_as_str(json_at(list, i));
    *ret = (struct str_list){v, n};
    return RC_OK;
}

static enum rc render_and_send(struct run *r, struct send *s, const char **ret_reply,
                               struct err *err)
{
    struct ctx ctx;
    const struct json *data = NULL;
    const char *lang = s->d.lang ? s->d.lang : s->c.notifier->lang(s->c.settings);
    AUTO(buf) struct buf subject = BUF(4096), body = BUF(64 * 1024);
    TRY(run_json(r, s->n.data, &data, err));
    TRY(notice_render(s->n.event, lang ? lang : "ja", data, &subject, &body, err));
    TRY(run_ctx(r, &s->c, &ctx, err));
    struct notice_text t = {.event = s->n.event,
                            .lang = lang ? lang : "ja",
                            .subject = buf_cstr(&subject),
                            .body = buf_cstr(&body),
                            .dedup_key = s->n.dedup_key,
                            .data = data,
                            .at = s->n.created};
    TRY(read_recipients(r, s->d.recipients, &t.to, err));
    return s->c.notifier->send(&ctx, s->c.settings, &t, ret_reply, err);
}

static enum rc send_one(struct run *r, struct step_out *out, struct err *err)
{
    struct send *s = ARENA_NEW(r->a, struct send);
    const char *reply = NULL;
    if (!s)
        return NOMEM(err);
    enum rc rc = load_send(r, s, err);
    out->done = rc == RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND)
        return RC_OK; /* the channel was removed */
    TRY(rc);
    if (strcmp(s->d.state, "sent") == 0) {
        out->done = true;
        return RC_OK;
    }
    rc = render_and_send(r, s, &reply, err);
    bool stale = run_now(r) - s->n.created > STALE;
    s->d.attempts++;
    s->d.state = rc == RC_OK ? "sent" : stale ? "failed" : "waiting";
    s->d.reply = reply;
    s->d.error = rc == RC_OK || !err ? NULL : err_json(r->a, err);
    out->save = save_delivery;
    out->arg = s;
    out->save_on_failure = true;
    out->done = rc == RC_OK || stale;
    return rc;
}

static const struct step steps[] = {
    {"send", {"Sending a message", "通知を送信しています"}, send_one, 120 * USEC_PER_SEC, false},
};
const struct flow flow_notify = {"notify", steps, COUNT_OF(steps), NULL, NULL};

static enum rc send_test(struct run *r, struct step_out *out, struct err *err)
{
    struct send *s = ARENA_NEW(r->a, struct send);
    const char *reply = NULL;
    if (!s)
        return NOMEM(err);
    s->n = (struct notice){.event = "test", .subject = r->job.subject, .created = run_now(r)};
    s->n.dedup_key = arena_printf(r->a, "test:%lld", (long long)r->job.id);
    out->done = true;
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(run_connector(r, db, json_i64_or(r->payload, "id", 0), "notifier", &s->c, err));
    db_rollback(&db);
    TRY(render_and_send(r, s, &reply, err));
    AUTO(buf) struct buf b = BUF(64 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "reply", reply);
    jw_end_object(&w);
    out->progress = arena_strdup(r->a, buf_cstr(&b));
    return out->progress ? RC_OK : NOMEM(err);
}

static const struct step test_steps[] = {
    {"send",
     {"Sending a test message", "テスト通知を送信しています"},
     send_test,
     120 * USEC_PER_SEC,
     false},
};
const struct flow flow_notify_test = {"notify_test", test_steps, COUNT_OF(test_steps), NULL, NULL};
