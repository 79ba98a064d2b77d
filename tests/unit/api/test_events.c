/*
 * Event streams over a real server: a stream lives exactly as long as what opened it, tells who
 * does not see every group only what kind of thing changed, and there are never more than so many.
 */
#include "unit/api/api_rig.h"

#include "unit/net/server_rig.h"

struct desk {
    struct api_rig r;
    struct rig_server s;
    struct who local, admin, op;
};

static void desk_open(struct desk *d)
{
    api_rig_start(&d->r);
    d->local = rig_local();
    d->admin = rig_person(&d->r, "admin@a.example", "admin", 0);
    d->op = rig_person(&d->r, "op@a.example", "operator", rig_group(&d->r, "web"));
    struct http_listen how = {.address = "127.0.0.1:0", .handler = api_handle, .ctx = d->r.api};
    rig_server_start(&d->s, NULL, &how);
}

static void desk_close(struct desk *d)
{
    rig_server_stop(&d->s);
    api_rig_end(&d->r);
}

enum { PATIENCE = 20000 }; /* milliseconds; only a failure waits so long */

/* Asks for the stream; *ret is what came at first. */
static int listen_as(struct desk *d, const struct who *w, struct raw_reply *ret)
{
    int fd = rig_connect(d->s.port);
    const char *text =
        arena_printf(d->r.a, "GET /api/v1/events HTTP/1.1\r\nHost: " RIG_HOST "\r\n%s%s%s\r\n",
                     w->bearer   ? "Authorization: Bearer "
                     : w->cookie ? "Cookie: __Host-inro="
                                 : "",
                     w->bearer   ? w->bearer
                     : w->cookie ? w->cookie
                                 : "",
                     w->bearer || w->cookie ? "\r\n" : "");
    raw_send(fd, text, strlen(text));
    raw_read(fd, PATIENCE, "\n\n", ret);
    return fd;
}

static int open_stream(struct desk *d, const struct who *w)
{
    struct raw_reply x;
    int fd = listen_as(d, w, &x);
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(x.text, "text/event-stream"));
    if (!strstr(x.text, ": inro"))
        raw_read(fd, PATIENCE, ": inro", &x);
    return fd;
}

/* The last chunk: the answer is over, whatever becomes of the connection. */
static void assert_ended(int fd)
{
    struct raw_reply x;
    raw_read(fd, PATIENCE, "0\r\n\r\n", &x);
    assert_true(x.closed || strstr(x.text, "0\r\n\r\n"));
    (void)close(fd);
}

static void assert_alive(struct desk *d, int fd)
{
    struct raw_reply x;
    api_event(d->r.api, "{\"event\":\"still\"}");
    raw_read(fd, PATIENCE, "event: still", &x);
    assert_non_null(strstr(x.text, "event: still"));
    assert_false(x.closed);
}

static void a_stranger_gets_none(void **state)
{
    struct desk d;
    struct raw_reply x;
    struct who nobody = {0}, planted = {.cookie = "00"}, forged = {.bearer = "inro_00"};
    const struct who *all[] = {&nobody, &planted, &forged};
    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        int fd = listen_as(&d, all[i], &x);
        assert_int_equal(x.status, 401);
        (void)close(fd);
    }
    assert_int_equal(d.r.api->stream_count, 0);
    desk_close(&d);
}

static void each_is_told_what_it_may_see(void **state)
{
    struct desk d;
    struct raw_reply x;
    (void)state;
    desk_open(&d);
    int admin = open_stream(&d, &d.admin), op = open_stream(&d, &d.op);
    api_event(d.r.api, "{\"event\":\"cert\",\"id\":4711,\"name\":\"www\"}");
    raw_read(admin, PATIENCE, "\n\n", &x);
    assert_non_null(strstr(x.text, "event: cert\ndata: {\"event\":\"cert\",\"id\":4711,"));
    raw_read(op, PATIENCE, "\n\n", &x);
    assert_non_null(strstr(x.text, "event: cert\ndata: {\"event\":\"cert\"}"));
    assert_null(strstr(x.text, "4711"));
    static const char *const odd[] = {"{\"event\":\"a\\nid: 7\",\"x\":\"\\n\\nevent: forged\"}",
                                      "{\"event\":\"\"}", "{\"id\":1}", "{\"event\":7}"};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        api_event(d.r.api, odd[i]);
        raw_read(admin, PATIENCE, "\n\n", &x);
        assert_non_null(strstr(x.text, "event: message\ndata: {"));
        assert_null(strstr(x.text, "\nid: 7"));
        assert_null(strstr(x.text, "\nevent: forged"));
    }
    api_event(d.r.api, "not JSON"); /* says nothing, and harms nobody */
    assert_alive(&d, admin);
    assert_alive(&d, op);
    (void)close(admin);
    (void)close(op);
    desk_close(&d);
}

/* What a request changed is told to who listens. */
static void a_change_is_an_event(void **state)
{
    struct desk d;
    struct raw_reply x;
    (void)state;
    desk_open(&d);
    int fd = open_stream(&d, &d.admin);
    struct answer c =
        rig_want(&d.r, &d.local, 201, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}");
    raw_read(fd, PATIENCE, "\n\n", &x);
    assert_non_null(strstr(x.text, arena_printf(d.r.a, "{\"event\":\"ca\",\"id\":%lld}",
                                                (long long)json_i64_or(c.json, "id", 0))));
    (void)rig_want(&d.r, &d.local, 409, "POST", "/cas",
                   "{\"name\":\"own\",\"type\":\"private\"}"); /* a refusal is none */
    api_event(d.r.api, "{\"event\":\"next\"}");
    raw_read(fd, PATIENCE, "\n\n", &x);
    assert_int_equal(strncmp(strstr(x.text, "event: "), "event: next", 11), 0);
    (void)close(fd);
    desk_close(&d);
}

static struct who token_of(struct desk *d, const char *name, int64_t *ret_id)
{
    char hash[65];
    AUTO(db) struct db *db = NULL;
    const char *clear = arena_printf(d->r.a, "inro_%s", name);
    session_hash(clear, hash);
    struct token t = {.user_id = d->admin.user_id, .name = name, .hash = hash, .role = "admin"};
    OK(store_begin(d->r.store, &db, err));
    OK(db_token_add(db, &t, err));
    OK(db_commit(&db, err));
    *ret_id = t.id;
    return (struct who){.bearer = clear};
}

static void a_stream_ends_with_its_session(void **state)
{
    struct desk d;
    int64_t token = 0;
    (void)state;
    desk_open(&d);
    struct who second = rig_session(&d.r, d.admin.user_id), t = token_of(&d, "t", &token);
    int one = open_stream(&d, &d.admin), two = open_stream(&d, &second);
    (void)rig_want(&d.r, &d.admin, 200, "DELETE", "/session", NULL); /* signs out */
    assert_ended(one);
    assert_alive(&d, two);
    int three = open_stream(&d, &t);
    (void)rig_want(&d.r, &d.local, 200, "DELETE",
                   arena_printf(d.r.a, "/tokens/%lld", (long long)token), NULL);
    assert_ended(three);
    /* disabled, or of another role: nothing of before goes on */
    int op = open_stream(&d, &d.op);
    const char *user = arena_printf(d.r.a, "/users/%lld", (long long)d.op.user_id);
    (void)rig_want(&d.r, &d.local, 200, "PATCH", user, "{\"role\":\"viewer\"}");
    assert_ended(op);
    struct who again = rig_session(&d.r, d.op.user_id);
    op = open_stream(&d, &again);
    (void)rig_want(&d.r, &d.local, 200, "PATCH", user, "{\"disabled\":true}");
    assert_ended(op);
    desk_close(&d);
}

/* Without a request that ends it: the tick finds out. */
static void the_tick_ends_what_is_over(void **state)
{
    struct desk d;
    struct raw_reply x;
    (void)state;
    desk_open(&d);
    int fd = open_stream(&d, &d.admin);
    api_tick(d.r.api);
    raw_read(fd, PATIENCE, ": alive", &x);
    assert_non_null(strstr(x.text, ": alive"));
    assert_alive(&d, fd);
    rig_pass(&d.r, 31 * 60 * USEC_PER_SEC); /* unused for longer than a session may be */
    api_tick(d.r.api);
    assert_ended(fd);
    struct who late = rig_session(&d.r, d.admin.user_id);
    fd = open_stream(&d, &late);
    {
        char hash[65];
        AUTO(db) struct db *db = NULL;
        session_hash(late.cookie, hash);
        OK(store_begin(d.r.store, &db, err));
        OK(db_session_remove(db, hash, err));
        OK(db_commit(&db, err));
    }
    api_tick(d.r.api);
    assert_ended(fd);
    desk_close(&d);
}

static void there_are_only_so_many(void **state)
{
    struct desk d;
    struct raw_reply x;
    (void)state;
    desk_open(&d);
    d.r.api->o.max_streams = 2;
    int one = open_stream(&d, &d.admin), two = open_stream(&d, &d.admin);
    int three = listen_as(&d, &d.admin, &x);
    assert_int_equal(x.status, 503);
    (void)close(three);
    assert_alive(&d, one);
    (void)close(two); /* its place is free once the server has seen it */
    for (int i = 0; i < 500; i++) {
        api_event(d.r.api, "{\"event\":\"x\"}");
        (void)pthread_mutex_lock(&d.r.api->event_lock);
        int n = d.r.api->stream_count;
        (void)pthread_mutex_unlock(&d.r.api->event_lock);
        if (n < 2)
            break;
        (void)poll(NULL, 0, 20);
    }
    int four = open_stream(&d, &d.admin);
    (void)close(one);
    (void)close(four);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_gets_none),
        cmocka_unit_test(each_is_told_what_it_may_see),
        cmocka_unit_test(a_change_is_an_event),
        cmocka_unit_test(a_stream_ends_with_its_session),
        cmocka_unit_test(the_tick_ends_what_is_over),
        cmocka_unit_test(there_are_only_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
