/*
 * The front role: one event loop for the GUI and the API (TLS), the command line (unix socket) and
 * HTTP-01 answers (plain), with a small pool for handlers that block. It seals what people type and
 * never opens it: its vault channel cannot release.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "app/role.h"
#include "app/sandbox.h"
#include "app/waiter.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "codec/json.h"
#include "connect/connect.h"

enum { POOL_THREADS = 6, POOL_QUEUE = 512, TICK_SEC = 15, TLS_LOOK_SEC = 60 };

struct front_role {
    const struct config *config;
    struct arena *a;
    struct waiter have_vault;
    pthread_mutex_t lock; /* vault, worker_fd */
    struct vault *vault;
    int worker_fd; /* -1 = none now */
    struct store *store;
    struct loop *loop;
    struct pool *pool;
    struct http_server *server;
    struct api *api;
    _Atomic(struct api *) live; /* api, once it may be told of events */
    int64_t tls_changed;        /* st_mtim of the pair in use */
};

struct worker_channel {
    struct front_role *role;
    int fd;
};

/* Live events from the worker, until it goes away. */
static void *worker_run(void *arg)
{
    struct worker_channel *c = arg;
    AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
    for (;;) {
        struct ipc_frame f;
        struct str json;
        if (ipc_recv(c->fd, 0, &b, &f, NULL) != RC_OK)
            break;
        if (f.fd >= 0)
            close(f.fd);
        struct api *api = atomic_load(&c->role->live);
        if (f.kind != IPC_EVENT || !api || !ipc_get(f.payload, 1, 0, &json))
            continue;
        char *text = mem_dup(json.p, json.n);
        if (text)
            api_event(api, text);
        mem_free(text);
    }
    pthread_mutex_lock(&c->role->lock);
    if (c->role->worker_fd == c->fd)
        c->role->worker_fd = -1;
    close(c->fd);
    pthread_mutex_unlock(&c->role->lock);
    mem_free(c);
    return NULL;
}

static void take_worker(struct front_role *r, int fd)
{
    pthread_t th;
    struct worker_channel *c = mem_alloc(sizeof *c);
    if (c) {
        c->role = r;
        c->fd = fd;
    }
    if (!c || pthread_create(&th, NULL, worker_run, c) != 0) {
        close(fd);
        mem_free(c);
        return;
    }
    (void)pthread_detach(th);
    pthread_mutex_lock(&r->lock);
    r->worker_fd = fd;
    pthread_mutex_unlock(&r->lock);
}

static void take_vault(struct front_role *r, int fd)
{
    struct err err;
    pthread_mutex_lock(&r->lock);
    enum rc rc =
        r->vault ? vault_reconnect(r->vault, fd, &err) : vault_connect(fd, &r->vault, &err);
    pthread_mutex_unlock(&r->lock);
    if (rc != RC_OK)
        log_err(LOG_ERROR, "front", "joining the vault", &err);
    else
        waiter_tell(&r->have_vault);
}

static void on_peer(void *ctx, enum role_id peer, int fd)
{
    struct front_role *r = ctx;
    if (peer == ROLE_VAULT)
        take_vault(r, fd);
    else if (peer == ROLE_WORKER)
        take_worker(r, fd);
    else
        close(fd);
}

static void stop_loop(void *ctx)
{
    loop_stop(ctx);
}

static void on_stop(void *ctx)
{
    struct front_role *r = ctx;
    waiter_tell(&r->have_vault);
    if (!loop_post(r->loop, stop_loop, r->loop))
        _exit(0);
}

static void wake(void *ctx)
{
    struct front_role *r = ctx;
    pthread_mutex_lock(&r->lock);
    if (r->worker_fd >= 0)
        /* never waits: a full channel has wake-ups enough in it, and the engine looks by itself too
         */
        (void)(ipc_send(r->worker_fd, IPC_NOW, IPC_WAKE, 0, STR(""), -1, NULL) == RC_OK);
    pthread_mutex_unlock(&r->lock);
}

/* What the supervisor wrote about its children. */
static size_t list_roles(void *ctx, struct api_role *ret, size_t max)
{
    struct front_role *r = ctx;
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf text = BUF(8192);
    AUTO(json) struct json *all = NULL;
    const char *path = a ? config_path(r->config, a, "run/roles.json") : NULL;
    if (!path || file_read(path, &text, NULL) != RC_OK ||
        json_parse(buf_str(&text), &all, NULL) != RC_OK)
        return 0;
    size_t n = 0;
    for (size_t i = 0; i < json_len(all) && n < max; i++) {
        const struct json *j = json_at(all, i);
        const char *name = json_str_or(j, "name", "");
        for (int id = 0; id < ROLE_COUNT; id++)
            if (strcmp(name, roles[id].name) == 0)
                ret[n++] = (struct api_role){.name = roles[id].name,
                                             .pid = json_i64_or(j, "pid", 0),
                                             .restarts = json_i64_or(j, "restarts", 0)};
    }
    return n;
}

static void tick_work(void *ctx)
{
    struct front_role *r = ctx;
    api_tick(r->api);
}

static void on_tick(void *ctx)
{
    struct front_role *r = ctx;
    (void)pool_submit(r->pool, tick_work, r);
}

static int64_t tls_changed_at(const struct front_role *r)
{
    struct stat st;
    AUTO(arena) struct arena *a = arena_create(0);
    const char *path = a ? config_path(r->config, a, "tls/gui.crt") : NULL;
    if (!path || stat(path, &st) != 0)
        return r->tls_changed;
    return st.st_mtim.tv_sec * USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
}

/* A new pair in DATA/tls is taken into use; a bad one leaves the old one in place. */
static void on_tls_look(void *ctx)
{
    struct front_role *r = ctx;
    struct err err;
    int64_t changed = tls_changed_at(r);
    if (changed == r->tls_changed)
        return;
    r->tls_changed = changed;
    if (http_server_reload_tls(r->server, &err) != RC_OK)
        log_err(LOG_ERROR, "front", "taking a new TLS pair into use", &err);
    else
        log_line(LOG_INFO, "front", "a new TLS pair is in use");
}

static enum rc listen_all(struct front_role *r, struct err *err)
{
    const struct config *c = r->config;
    struct http_listen gui = {.address = r->config->listen,
                              .cert_pem = config_path(c, r->a, "tls/gui.crt"),
                              .key_pem = config_path(c, r->a, "tls/gui.key"),
                              .handler = api_handle,
                              .ctx = r->api};
    const char *path = config_path(c, r->a, "run/inro.sock");
    struct http_listen local = {
        .address = path ? arena_printf(r->a, "unix:%s", path) : NULL,
        .handler = api_handle,
        .ctx = r->api,
    };
    struct http_listen http01 = {
        .address = r->config->http01, .handler = api_handle_http01, .ctx = r->api};
    if (!gui.cert_pem || !gui.key_pem || !local.address)
        return NOMEM(err);
    r->tls_changed = tls_changed_at(r);
    TRY(http_server_listen(r->server, &local, NULL, err));
    TRY(http_server_listen(r->server, &gui, NULL, err));
    if (!*c->http01)
        return RC_OK;
    enum rc rc = http_server_listen(r->server, &http01, NULL, err);
    if (rc != RC_OK && !c->http01_explicit) {
        log_err(LOG_WARN, "front", "HTTP-01 answers are off (set --http01)", err);
        rc = RC_OK;
    }
    return rc;
}

static enum rc open_api(struct front_role *r, struct err *err)
{
    struct api_options o = {.store = r->store,
                            .vault = r->vault,
                            .clock = clock_real(),
                            .data = r->config->data,
                            .version = INRO_VERSION,
                            .listen = r->config->listen,
                            .http01 = r->config->http01,
                            .store_url = r->config->database,
                            .wake = wake,
                            .roles = list_roles,
                            .ctx = r,
                            .max_waiters = POOL_THREADS / 2};
    struct http_limits limits = {.max_body = (size_t)32 << 20};
    TRY(api_create(&o, &r->api, err));
    TRY(http_server_create(r->loop, r->pool, &limits, &r->server, err));
    return listen_all(r, err);
}

static enum rc run(struct front_role *r, struct role_env *env, struct err *err)
{
    struct loop_watch *tick = NULL, *look = NULL;
    TRY(open_api(r, err));
    TRY(loop_every(r->loop, TICK_SEC * USEC_PER_SEC, on_tick, r, &tick, err));
    TRY(loop_every(r->loop, TLS_LOOK_SEC * USEC_PER_SEC, on_tls_look, r, &look, err));
    atomic_store(&r->live, r->api);
    if (sandbox_enter(roles[ROLE_FRONT].keeps, err) != RC_OK)
        log_err(LOG_WARN, "front", "confining", err);
    TRY(role_ready(env, err));
    return loop_run(r->loop, err);
}

int role_front(struct role_env *env)
{
    struct front_role r = {.config = env->config,
                           .a = arena_create(0),
                           .have_vault = WAITER,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .worker_fd = -1};
    struct role_control control = {on_peer, on_stop, &r};
    struct err err;

    enum rc rc = r.a ? RC_OK : NOMEM(&err);
    if (rc == RC_OK)
        rc = registry_check(&err);
    if (rc == RC_OK)
        rc = store_open(env->config->database, &r.store, &err);
    if (rc == RC_OK)
        rc = loop_create(&r.loop, &err);
    if (rc == RC_OK)
        rc = pool_create(POOL_THREADS, POOL_QUEUE, &r.pool, &err);
    if (rc == RC_OK)
        rc = role_control_start(env, &control, &err);
    if (rc == RC_OK) {
        waiter_wait(&r.have_vault);
        if (!r.vault || atomic_load(&env->stopping))
            return 0; /* stopped before it began */
        rc = run(&r, env, &err);
    }
    if (rc != RC_OK) {
        log_err(LOG_ERROR, "front", "starting", &err);
        return 1;
    }
    pool_destroy(r.pool); /* answers under way are finished and saved */
    store_close(r.store);
    _exit(0); /* detached channel threads still hold parts of r */
}
