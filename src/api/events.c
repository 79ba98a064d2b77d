/*
 * Live events and long polls. Invariants: a stream belongs to one session and is closed when the
 * session is no longer good; a slow client is dropped by the server below, never waited for;
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
    char session[65];
    bool closed;
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
    (void)pthread_mutex_unlock(&api->event_lock);
    mem_free(c);
}

void events_open(struct api *api, struct http_exchange *x, const char *session)
{
    struct stream_client *c = mem_alloc(sizeof *c);
    if (!c) {
        http_reply(x, 503, "text/plain", STR(""));
        return;
    }
    c->api = api;
    (void)snprintf(c->session, sizeof c->session, "%s", session);
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
static void event_text(const char *json, struct buf *out)
{
    struct json *j = NULL;
    struct err err;
    if (json_parse(str_from(json), &j, &err) != RC_OK)
        return;
    const char *kind = json_str_or(j, "event", "message");
    bool word = kind[0] && strspn(kind, "abcdefghijklmnopqrstuvwxyz_.") == strlen(kind);
    buf_adds(out, "event: ");
    buf_adds(out, word ? kind : "message");
    buf_adds(out, "\ndata: ");
    struct json_writer w = JSON_WRITER(out);
    jw_json(&w, j);
    buf_adds(out, "\n\n");
    json_free(j);
}

void api_event(struct api *api, const char *json)
{
    AUTO(buf) struct buf b = BUF((size_t)256 << 10);
    struct err err;
    event_text(json, &b);
    (void)pthread_mutex_lock(&api->event_lock);
    api->events++;
    (void)pthread_cond_broadcast(&api->event_cond);
    if (b.len > 0 && buf_ok(&b, &err) == RC_OK)
        for (struct stream_client *c = api->streams; c; c = c->next)
            if (!c->closed)
                c->closed = !http_stream_send(c->stream, buf_str(&b));
    (void)pthread_mutex_unlock(&api->event_lock);
}

/* Is the session behind a stream still good? The unix socket ("") always is. */
static bool session_good(struct api *api, const char *hash)
{
    struct arena *a = arena_create(0);
    struct db *db = NULL;
    struct session s;
    struct user u;
    struct err err;
    int64_t now = clock_now(api->o.clock);
    if (hash[0] == '\0' || !a) {
        arena_destroy(a);
        return true;
    }
    enum rc rc = store_read(api->o.store, &db, &err);
    if (rc == RC_OK)
        rc = db_session_get(db, hash, a, &s, &err);
    if (rc == RC_OK)
        rc = s.expires <= now ? RC_AUTH : db_user_get(db, s.user_id, a, &u, &err);
    bool good = rc != RC_NOT_FOUND && rc != RC_AUTH && (rc != RC_OK || !u.disabled);
    db_cleanup(&db);
    arena_destroy(a);
    return good;
}

void api_tick(struct api *api)
{
    char ended[64][65];
    size_t n = 0, all = 0;
    char hashes[64][65];
    (void)pthread_mutex_lock(&api->event_lock);
    for (struct stream_client *c = api->streams; c; c = c->next) {
        if (!c->closed)
            c->closed = !http_stream_send(c->stream, STR(": alive\n\n"));
        if (all < COUNT_OF(hashes))
            (void)snprintf(hashes[all++], sizeof hashes[0], "%s", c->session);
    }
    (void)pthread_mutex_unlock(&api->event_lock);
    for (size_t i = 0; i < all; i++)
        if (!session_good(api, hashes[i]))
            memcpy(ended[n++], hashes[i], sizeof ended[0]);
    (void)pthread_mutex_lock(&api->event_lock);
    for (size_t i = 0; i < n; i++)
        for (struct stream_client *c = api->streams; c; c = c->next)
            if (!c->closed && strcmp(c->session, ended[i]) == 0) {
                c->closed = true;
                http_stream_end(c->stream);
            }
    (void)pthread_mutex_unlock(&api->event_lock);
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

uint64_t events_seen(struct api *api)
{
    (void)pthread_mutex_lock(&api->event_lock);
    uint64_t n = api->events;
    (void)pthread_mutex_unlock(&api->event_lock);
    return n;
}

bool events_wait(struct api *api, uint64_t seen, int64_t usec)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    (void)pthread_mutex_lock(&api->event_lock);
    bool room = api->waiters < api->o.max_waiters;
    int64_t ns = until.tv_nsec + usec % USEC_PER_SEC * 1000;
    until.tv_sec += (time_t)(usec / USEC_PER_SEC + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    if (room) {
        api->waiters++;
        int rc = 0;
        while (api->events == seen && rc == 0)
            rc = pthread_cond_timedwait(&api->event_cond, &api->event_lock, &until);
        api->waiters--;
    }
    (void)pthread_mutex_unlock(&api->event_lock);
    return room;
}
