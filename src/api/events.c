/*
 * Live events and long polls. Invariants: a stream belongs to one session or token and is closed
 * when that is no longer good; who does not see every group is told what kind of thing changed, not
 * which; a slow client is dropped by the server below, never waited for;
 * at most max_waiters threads wait at once, so that waiting cannot stop the server.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/priv.h"
#include "base/mem.h"

struct stream_client {
    struct stream_client *next;
    struct http_stream *stream;
    struct api *api;
    char session[65]; /* "" with a token or the local socket */
    int64_t user_id, token_id;
    bool sees_all, closed, ended; /* ended: we gave our hold of the stream back */
};

static void unlink_client(struct api *api, struct stream_client *c)
{
    for (struct stream_client **p = &api->streams; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            api->stream_count--;
            return;
        }
    }
}

/* Loop thread, last use of the client. */
static void on_close(void *ctx)
{
    struct stream_client *c = ctx;
    struct api *api = c->api;
    (void)pthread_mutex_lock(&api->event_lock);
    unlink_client(api, c);
    bool ended = c->ended;
    (void)pthread_mutex_unlock(&api->event_lock);
    if (!ended)
        http_stream_end(c->stream);
    mem_free(c);
}

void events_open(struct api *api, struct http_exchange *x, const struct api_answer *who)
{
    struct stream_client *c = mem_alloc(sizeof *c);
    if (!c) {
        http_reply(x, 503, "text/plain", STR(""));
        return;
    }
    c->api = api;
    (void)snprintf(c->session, sizeof c->session, "%s", who->session);
    c->user_id = who->user_id;
    c->token_id = who->token_id;
    c->sees_all = who->sees_all;
    (void)pthread_mutex_lock(&api->event_lock);
    bool room = api->stream_count < api->o.max_streams;
    if (room) {
        c->stream = http_stream_begin(x, "text/event-stream", on_close, c);
        c->next = api->streams;
        api->streams = c;
        api->stream_count++;
        (void)http_stream_send(c->stream, STR(": inro\n\n"));
    }
    (void)pthread_mutex_unlock(&api->event_lock);
    if (!room) {
        mem_free(c);
        http_reply(x, 503, "text/plain", STR("too many event streams\n"));
    }
}

/* The first string after "event": the kind; what is no word is "message". */
static void event_text(const struct json *j, bool whole, struct buf *out)
{
    const char *kind = json_str_or(j, "event", "message");
    bool word = kind[0] && strspn(kind, "abcdefghijklmnopqrstuvwxyz_.") == strlen(kind);
    buf_adds(out, "event: ");
    buf_adds(out, word ? kind : "message");
    buf_adds(out, "\ndata: ");
    struct json_writer w = JSON_WRITER(out);
    if (whole) {
        jw_json(&w, j);
    } else {
        jw_object(&w);
        jw_kstr(&w, "event", word ? kind : "message");
        jw_end_object(&w);
    }
    buf_adds(out, "\n\n");
}

/* With the lock held. */
static void tell_waiters(struct api *api, const struct json *j)
{
    bool hit = false, job = strcmp(json_str_or(j, "event", ""), "job") == 0;
    int64_t id = json_i64_or(j, "id", 0);
    for (struct job_waiter *w = api->job_waiters; job && w; w = w->next)
        if (w->job == id)
            w->hit = hit = true;
    if (hit)
        (void)pthread_cond_broadcast(&api->event_cond);
}

/* With the lock held. */
static void tell_streams(struct api *api, const struct json *j)
{
    AUTO(buf) struct buf b = BUF((size_t)256 << 10), kind = BUF(4096);
    if (!api->streams)
        return;
    event_text(j, true, &b);
    event_text(j, false, &kind);
    if (b.bad == RC_OK && kind.bad == RC_OK)
        for (struct stream_client *c = api->streams; c; c = c->next)
            if (!c->closed)
                c->closed = !http_stream_send(c->stream, buf_str(c->sees_all ? &b : &kind));
}

void api_event(struct api *api, const char *json)
{
    AUTO(json) struct json *j = NULL;
    (void)pthread_mutex_lock(&api->event_lock);
    if ((api->streams || api->job_waiters) && json_parse(str_from(json), &j, NULL) == RC_OK) {
        tell_waiters(api, j);
        tell_streams(api, j);
    }
    (void)pthread_mutex_unlock(&api->event_lock);
}

static void end_where(struct api *api, int64_t user_id, const char *session)
{
    (void)pthread_mutex_lock(&api->event_lock);
    for (struct stream_client *c = api->streams; c; c = c->next) {
        bool hit = user_id ? c->user_id == user_id : strcmp(c->session, session) == 0;
        if (!hit || c->ended)
            continue;
        c->closed = c->ended = true;
        http_stream_end(c->stream);
    }
    (void)pthread_mutex_unlock(&api->event_lock);
}

void events_end_user(struct api *api, int64_t user_id)
{
    end_where(api, user_id, "");
}

void events_end_session(struct api *api, const char *hash)
{
    end_where(api, 0, hash);
}

/* What lets a stream be open; the local socket (no user) always is. */
struct held {
    char session[65];
    int64_t user_id, token_id;
};

static enum rc still_held(struct db *db, const struct held *h, int64_t now, struct arena *a,
                          struct err *err)
{
    struct session s;
    struct token t;
    struct user u;
    if (h->token_id) {
        TRY(db_token_get(db, h->token_id, a, &t, err));
        if (t.expires && t.expires <= now)
            return auth_denied(err);
    } else {
        TRY(db_session_get(db, h->session, a, &s, err));
        if (session_over(&s, now))
            return auth_denied(err);
    }
    TRY(db_user_get(db, h->user_id, a, &u, err));
    return u.disabled ? auth_denied(err) : RC_OK;
}

static bool held_good(struct api *api, const struct held *h)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(db) struct db *db = NULL;
    struct err err;
    if (!h->user_id || !a)
        return true;
    enum rc rc = store_read(api->o.store, &db, &err);
    if (rc == RC_OK)
        rc = still_held(db, h, clock_now(api->o.clock), a, &err);
    return rc != RC_NOT_FOUND && rc != RC_AUTH;
}

void api_tick(struct api *api)
{
    audit_tick(api);
    struct held *held = mem_alloc(sizeof *held * (size_t)api->o.max_streams);
    size_t n = 0;
    if (!held)
        return;
    (void)pthread_mutex_lock(&api->event_lock);
    for (struct stream_client *c = api->streams; c; c = c->next) {
        if (!c->closed)
            c->closed = !http_stream_send(c->stream, STR(": alive\n\n"));
        if (c->closed || n >= (size_t)api->o.max_streams)
            continue;
        (void)snprintf(held[n].session, sizeof held[n].session, "%s", c->session);
        held[n].user_id = c->user_id;
        held[n++].token_id = c->token_id;
    }
    (void)pthread_mutex_unlock(&api->event_lock);
    for (size_t i = 0; i < n; i++) {
        if (held_good(api, &held[i]))
            continue;
        /* a token that ended takes the user's other streams along: they come back by themselves */
        end_where(api, held[i].token_id ? held[i].user_id : 0, held[i].session);
    }
    mem_free(held);
}

void events_close_all(struct api *api)
{
    (void)pthread_mutex_lock(&api->event_lock);
    while (api->streams) {
        struct stream_client *c = api->streams;
        api->streams = c->next;
        mem_free(c);
    }
    api->stream_count = 0;
    (void)pthread_mutex_unlock(&api->event_lock);
}

bool events_watch(struct api *api, struct job_waiter *w, int64_t job)
{
    *w = (struct job_waiter){.job = job};
    (void)pthread_mutex_lock(&api->event_lock);
    bool room = api->waiters < api->o.max_waiters;
    if (room) {
        api->waiters++;
        w->next = api->job_waiters;
        api->job_waiters = w;
    }
    (void)pthread_mutex_unlock(&api->event_lock);
    return room;
}

void events_wait(struct api *api, struct job_waiter *w, int64_t usec)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + usec % USEC_PER_SEC * 1000;
    until.tv_sec += (time_t)(usec / USEC_PER_SEC + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_mutex_lock(&api->event_lock);
    for (int rc = 0; !w->hit && rc == 0;)
        rc = pthread_cond_timedwait(&api->event_cond, &api->event_lock, &until);
    w->hit = false;
    (void)pthread_mutex_unlock(&api->event_lock);
}

void events_unwatch(struct api *api, struct job_waiter *w)
{
    (void)pthread_mutex_lock(&api->event_lock);
    for (struct job_waiter **p = &api->job_waiters; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            api->waiters--;
            break;
        }
    (void)pthread_mutex_unlock(&api->event_lock);
}
