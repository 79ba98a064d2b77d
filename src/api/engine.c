/*
 * Whether Inro itself works: the tick, the queue, the looks, the backups and the vault, and what is
 * wrong with them in words. Numbers are of the whole installation: they name nothing of anybody's.
 */
#include <stdio.h>

#include "api/priv.h"
#include "base/clock.h"

/* After these a thing is late: many times what it takes on a busy machine. */
#define TICK_LATE (120 * USEC_PER_SEC)
#define WORK_LATE (600 * USEC_PER_SEC)
#define LOOK_LATE (1800 * USEC_PER_SEC)

struct backups {
    int64_t places, last_at;
    const char *late; /* the place that is, and its last one (0 = none yet) */
    int64_t late_at;
};

/* One thing that is wrong: since when (0 = never was right, or unknown), and words without times,
 * which whoever shows them writes in the reader's own way. */
static void problem(struct request *r, int64_t since, const struct msg *m, const char *arg)
{
    char text[640];
    const char *const args[] = {arg, NULL};
    jw_object(&r->w);
    jw_kstr(&r->w, "id", m->id);
    jw_key(&r->w, "message");
    jw_object(&r->w);
    msg_render(m, "en", args, text, sizeof text);
    jw_kstr(&r->w, "en", text);
    msg_render(m, "ja", args, text, sizeof text);
    jw_kstr(&r->w, "ja", text);
    jw_end_object(&r->w);
    jw_ktime(&r->w, "since", since);
    jw_end_object(&r->w);
}

static void tell_engine(struct request *r, const struct engine_counts *c)
{
    char n[24];
    (void)snprintf(n, sizeof n, "%lld", (long long)c->due);
    if (c->tick_next < r->now - TICK_LATE)
        problem(r, c->tick_at,
                MSG("engine.stopped",
                    "Nothing is renewed, watched or told: the worker does not run. Look at the "
                    "processes and the log.",
                    "更新・監視・通知が行われていません。処理プロセスが停止しています。"
                    "プロセスの状態とログを確認してください。"),
                NULL);
    else if (c->oldest && c->oldest < r->now - WORK_LATE)
        problem(r, c->oldest,
                MSG("engine.behind", "{0} pieces of work wait for their turn.",
                    "{0} 件の処理が順番を待っています。"),
                n);
    else if (c->look_next && c->look_next < r->now - LOOK_LATE)
        problem(r, c->look_next,
                MSG("engine.looks", "Endpoints are looked at later than planned.",
                    "監視が予定より遅れています。"),
                NULL);
    if (c->clock_wrong)
        problem(r, 0,
                MSG("engine.clock",
                    "The clock of the server is wrong: nothing is judged until it is right.",
                    "サーバーの時計が正しくありません。正しくなるまで期限の判定を行いません。"),
                NULL);
}

static enum rc look_at_backups(struct request *r, struct backups *ret, struct err *err)
{
    struct connector_list l;
    *ret = (struct backups){0};
    TRY(db_connector_list(r->db, "backup", 0, 100, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        AUTO(json) struct json *state = NULL, *set = NULL;
        int64_t at = 0;
        if (l.v[i].state)
            TRY(json_parse(str_from(l.v[i].state), &state, err));
        TRY(json_parse(str_from(l.v[i].settings), &set, err));
        const char *last = json_str_or(state, "last_at", NULL);
        if (last && !time_parse_rfc3339(last, &at))
            at = 0;
        int64_t since = at ? at : l.v[i].created;
        if (since < r->now - 2 * json_i64_or(set, "every", 86400) * USEC_PER_SEC) {
            ret->late = l.v[i].name;
            ret->late_at = at;
        }
        if (at > ret->last_at)
            ret->last_at = at;
    }
    ret->places = (int64_t)l.n;
    return RC_OK;
}

static void tell_backups(struct request *r, const struct backups *b)
{
    if (b->places == 0)
        problem(r, 0,
                MSG("backup.none",
                    "There is no scheduled backup. Add a place, best on another machine.",
                    "定期バックアップが設定されていません。保存先（別のマシンを推奨）を追加して"
                    "ください。"),
                NULL);
    else if (b->late)
        problem(r, b->late_at,
                MSG("backup.late", "The backup to {0} is overdue.",
                    "「{0}」へのバックアップが予定どおりに行われていません。"),
                b->late);
}

static void tell_vault(struct request *r)
{
    struct api *api = r->api;
    struct vault_status st = {0};
    if (pthread_mutex_trylock(&api->vault_lock) != 0)
        return; /* somebody talks to it: it lives */
    enum rc rc = vault_status_get(api->o.vault, &st, NULL);
    (void)pthread_mutex_unlock(&api->vault_lock);
    if (rc != RC_OK && rc != RC_BUSY)
        problem(r, 0,
                MSG("vault.lost", "The process that keeps the keys does not answer.",
                    "秘密鍵を保管するプロセスが応答しません。"),
                NULL);
    else if (rc == RC_OK && st.sealed)
        problem(r, 0,
                MSG("vault.locked",
                    "The master key is locked: what needs a key waits until somebody unlocks it.",
                    "マスター鍵が封印されています。解除されるまで鍵を使う処理は待機します。"),
                NULL);
}

static void view_queue(struct request *r, const struct engine_counts *c)
{
    jw_key(&r->w, "queue");
    jw_object(&r->w);
    jw_ki64(&r->w, "due", c->due);
    jw_ktime(&r->w, "oldest", c->oldest);
    jw_ki64(&r->w, "running", c->running);
    jw_ki64(&r->w, "waiting", c->waiting);
    jw_ki64(&r->w, "blocked", c->blocked);
    jw_end_object(&r->w);
}

static enum rc run_engine(struct request *r, struct err *err)
{
    struct engine_counts c;
    struct backups b = {0};
    bool all = r->scope == NULL; /* backups are the administrators' */
    TRY(db_engine_counts(r->db, r->now, r->a, &c, err));
    if (all)
        TRY(look_at_backups(r, &b, err));
    jw_object(&r->w);
    jw_ktime(&r->w, "now", r->now);
    jw_ktime(&r->w, "tick_at", c.tick_at);
    view_queue(r, &c);
    jw_ktime(&r->w, "look_next", c.look_next);
    jw_ktime(&r->w, "renewal_next", c.renewal_next);
    jw_ki64(&r->w, "backup_places", b.places);
    jw_ktime(&r->w, "backup_at", b.last_at);
    jw_key(&r->w, "problems");
    jw_array(&r->w);
    tell_vault(r);
    tell_engine(r, &c);
    if (all)
        tell_backups(r, &b);
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static const struct route rows[] = {
    {"engine", "GET", "/engine", PERM(PERM_VIEW), ROUTE_READ, run_engine, .answer = "Engine",
     .summary = {"Does Inro itself work?", "Inro 自体の稼働状況を返す"}},
};
ROUTE_SET(routes_engine, rows);
