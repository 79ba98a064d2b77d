/*
 * The answering side: one thread per channel. Invariants: a channel that may not release can only
 * ask for what its row allows; nothing clear leaves before its grant line is on the disk; every
 * buffer that held clear text is wiped before the next request.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/os/file.h"
#include "codec/json.h"
#include "vault/keycache.h"
#include "vault/vault_priv.h"

enum { CHANNELS_MAX = 256, REQUEST_ARENA = 4 << 20, STACK_BYTES = 256 * 1024 };
#define SEALED_RETRY (20 * USEC_PER_SEC)

struct channel {
    struct channel *next;
    struct vault_server *server;
    int fd;
    bool may_release;
    pthread_t thread;
};

struct vault_server {
    pthread_rwlock_t ring_lock; /* rings: RING_WRITE operations are alone */
    struct rings rings;
    struct key_cache *keys;
    pthread_mutex_t log_lock;
    int log_fd;
    bool log_torn;        /* the last line may be half written: the next begins on a new one */
    pthread_mutex_t lock; /* the members below */
    struct channel *open, *ended;
    int count;
    bool stopping;
    pthread_cond_t gone; /* a channel ended */
};

struct rings *vault_rings(struct vault_server *s)
{
    return &s->rings;
}

enum rc vault_sealed(const struct rings *r, struct err *err)
{
    char why[600];
    err_text(&r->why, "en", why, sizeof why);
    char why_ja[700];
    err_text(&r->why, "ja", why_ja, sizeof why_ja);
    enum rc rc =
        FAIL(err, RC_BUSY, BLAME_US,
             MSG("vault.sealed",
                 "Inro is sealed: the master key is not loaded, so what needs a key waits; run: "
                 "inro unseal ({0})",
                 "Inro は封印されています。マスター鍵が読み込まれていないため、鍵を使う処理は"
                 "待機します。inro unseal を実行してください（{1}）"),
             why, why_ja);
    if (err)
        err->retry_at = clock_now(clock_real()) + SEALED_RETRY;
    return rc;
}

struct key_cache *vault_key_cache(struct vault_server *s)
{
    return s->keys;
}

enum rc vault_grant_write(struct vault_req *q, struct err *err)
{
    AUTO(buf) struct buf line = BUF(8192);
    struct json_writer w = JSON_WRITER(&line);
    char at[32];
    int64_t job = 0;
    bool bad = false;
    const char *step = get_text(q->payload, VT_STEP, 0, q->a, &bad);
    const char *who = get_text(q->payload, VT_WHO, 0, q->a, &bad);
    CHECK(!bad && step && who && ipc_get_i64(q->payload, VT_JOB, &job), err, RC_DENIED, BLAME_US,
          MSG("vault.no_grant", "a secret is released only for a named step",
              "秘密情報は、手順を明示した場合にのみ取り出せます"));
    time_rfc3339(clock_now(clock_real()), at);
    jw_object(&w);
    jw_kstr(&w, "at", at);
    jw_ki64(&w, "job", job);
    jw_kstr(&w, "step", step);
    jw_kstr(&w, "subject", who);
    jw_kstr(&w, "place", q->place);
    jw_end_object(&w);
    buf_addc(&line, '\n');
    TRY(buf_ok(&line, err));
    struct vault_server *s = q->server;
    pthread_mutex_lock(&s->log_lock);
    enum rc rc = RC_INTERNAL;
    if (s->log_fd >= 0)
        rc = s->log_torn ? fd_write_all(s->log_fd, "\n", 1, NULL) : RC_OK;
    if (rc == RC_OK)
        rc = fd_write_all(s->log_fd, line.p, line.len, NULL);
    s->log_torn = rc != RC_OK;
    if (rc == RC_OK && fdatasync(s->log_fd) != 0)
        rc = RC_INTERNAL;
    pthread_mutex_unlock(&s->log_lock);
    CHECK(rc == RC_OK, err, RC_INTERNAL, BLAME_US,
          MSG("vault.grant_log",
              "the grant log cannot be written, so no secret is released; check the disk",
              "取り出しの記録を書き込めないため、秘密情報は取り出せません。"
              "ディスクを確認してください"));
    return RC_OK;
}

static enum rc refuse(struct err *err)
{
    return FAIL(err, RC_DENIED, BLAME_US,
                MSG("vault.denied", "this process may not ask that of the vault",
                    "このプロセスには許可されていない操作です"));
}

static enum rc prepare(struct vault_req *q, const struct vault_op *op, bool may_release,
                       struct err *err)
{
    int64_t usage = 0;
    bool bad = false;
    if (!op || (!op->sealing_too && !may_release))
        return refuse(err);
    (void)ipc_get_i64(q->payload, VT_USAGE, &usage);
    q->usage = (enum vault_usage)usage;
    q->place = get_text(q->payload, VT_PLACE, 0, q->a, &bad);
    q->sealed = get_text(q->payload, VT_SEALED, 0, q->a, &bad);
    if (bad)
        return NOMEM(err);
    if (op->needs_place && (!q->place || !*q->place))
        return refuse(err);
    if (op->usages && (usage < 1 || usage > VAULT_VENDOR_KEY || !(op->usages & 1u << usage)))
        return refuse(err);
    return RC_OK;
}

static enum rc run_op(struct vault_req *q, const struct vault_op *op, struct err *err)
{
    struct vault_server *s = q->server;
    if (op->ring & RING_WRITE)
        (void)pthread_rwlock_wrlock(&s->ring_lock);
    else
        (void)pthread_rwlock_rdlock(&s->ring_lock);
    enum rc rc =
        s->rings.ring || (op->ring & RING_ANY) ? op->run(q, err) : vault_sealed(&s->rings, err);
    (void)pthread_rwlock_unlock(&s->ring_lock);
    return rc;
}

static enum rc answer(struct channel *c, const struct ipc_frame *f, struct buf *out)
{
    AUTO(arena) struct arena *a = arena_create(REQUEST_ARENA);
    struct vault_req q = {
        .server = c->server, .payload = f->payload, .a = a, .out = out, .fd = f->fd};
    const struct vault_op *op = vault_op_find((int)f->kind);
    struct err err;
    enum rc rc = a ? prepare(&q, op, c->may_release, &err) : NOMEM(&err);
    if (rc == RC_OK)
        rc = run_op(&q, op, &err);
    if (rc == RC_OK)
        rc = buf_ok(out, &err);
    if (rc == RC_OK)
        return ipc_send(c->fd, ipc_soon(), IPC_REPLY, f->id, buf_str(out), -1, NULL);
    AUTO(buf) struct buf text = BUF(8192);
    struct json_writer w = JSON_WRITER(&text);
    buf_clear(out);
    jw_err(&w, &err);
    ipc_put(out, VT_ERROR, buf_str(&text));
    return ipc_send(c->fd, ipc_soon(), IPC_ERROR, f->id, buf_str(out), -1, NULL);
}

static enum rc take_channel(struct channel *c, const struct ipc_frame *f)
{
    enum rc rc = vault_server_add(c->server, f->fd, c->may_release, NULL);
    return ipc_send(c->fd, ipc_soon(), rc == RC_OK ? IPC_REPLY : IPC_ERROR, f->id, STR(""), -1,
                    NULL);
}

static void *channel_run(void *arg)
{
    struct channel *c = arg;
    struct vault_server *s = c->server;
    AUTO(buf) struct buf in = BUF_SECRET(IPC_MAX_FRAME);
    AUTO(buf) struct buf out = BUF_SECRET(IPC_MAX_FRAME - IPC_HEADER);
    struct ipc_frame f;
    while (ipc_recv(c->fd, 0, &in, &f, NULL) == RC_OK) {
        enum rc rc = RC_OK;
        if (f.kind == IPC_CHANNEL && f.fd >= 0) {
            rc = take_channel(c, &f);
        } else {
            rc = answer(c, &f, &out);
            if (f.fd >= 0)
                close(f.fd);
        }
        if (in.p)
            mem_wipe(in.p, in.cap);
        if (out.p)
            mem_wipe(out.p, out.cap);
        buf_clear(&out);
        if (rc != RC_OK)
            break;
    }
    pthread_mutex_lock(&s->lock);
    for (struct channel **p = &s->open; *p; p = &(*p)->next)
        if (*p == c) {
            *p = c->next;
            s->count--;
            break;
        }
    c->next = s->ended;
    s->ended = c;
    close(c->fd);
    c->fd = -1;
    (void)pthread_cond_broadcast(&s->gone);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Threads that have ended are joined by whoever comes next; called without the lock. */
static void join_ended(struct vault_server *s)
{
    pthread_mutex_lock(&s->lock);
    struct channel *list = s->ended;
    s->ended = NULL;
    pthread_mutex_unlock(&s->lock);
    while (list) {
        struct channel *c = list;
        list = c->next;
        (void)pthread_join(c->thread, NULL);
        mem_free(c);
    }
}

static int start_thread(struct channel *c)
{
    pthread_attr_t at;
    if (pthread_attr_init(&at) != 0)
        return -1;
    (void)pthread_attr_setstacksize(&at, STACK_BYTES);
    int e = pthread_create(&c->thread, &at, channel_run, c);
    pthread_attr_destroy(&at);
    return e;
}

enum rc vault_server_add(struct vault_server *s, int fd, bool may_release, struct err *err)
{
    struct channel *c = mem_alloc(sizeof *c);
    bool added = false;
    join_ended(s);
    if (c) {
        c->server = s;
        c->fd = fd;
        c->may_release = may_release;
        pthread_mutex_lock(&s->lock);
        if (!s->stopping && s->count < CHANNELS_MAX && start_thread(c) == 0) {
            c->next = s->open;
            s->open = c;
            s->count++;
            added = true;
        }
        pthread_mutex_unlock(&s->lock);
    }
    if (added)
        return RC_OK;
    mem_free(c);
    close(fd);
    return NOMEM(err);
}

/* The key file opens the ring, or the server starts sealed and says why. */
static enum rc load_rings(struct rings *r, const struct vault_server_options *o, struct err *err)
{
    r->file = BUF_SECRET(KEYRING_FILE_MAX);
    if (o->master)
        return keyring_of(o->master, &r->ring, err);
    buf_addstr(&r->file, o->key_file);
    TRY(buf_ok(&r->file, err));
    if (!o->key_file.n && o->why) {
        r->why = *o->why;
        return RC_OK;
    }
    if (keyring_load(o->key_file, o->passphrase, &r->ring, &r->why) != RC_OK)
        r->ring = NULL;
    return RC_OK;
}

/* A vault that was killed, or a disk that was full, may have left half a line. */
static bool ends_torn(int fd)
{
    char last = '\n';
    off_t end = lseek(fd, 0, SEEK_END);
    return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

enum rc vault_server_create(const struct vault_server_options *o, struct vault_server **ret,
                            struct err *err)
{
    struct vault_server *s = mem_alloc(sizeof *s);
    struct key_cache *keys = s ? key_cache_create() : NULL;
    if (!keys) {
        mem_free(s);
        return NOMEM(err);
    }
    enum rc rc = load_rings(&s->rings, o, err);
    if (rc != RC_OK) {
        key_cache_destroy(keys);
        buf_free(&s->rings.file);
        mem_free(s);
        return rc;
    }
    (void)pthread_rwlock_init(&s->ring_lock, NULL);
    s->keys = keys;
    s->log_fd = o->grant_log_fd;
    s->log_torn = s->log_fd >= 0 && ends_torn(s->log_fd);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->gone, NULL);
    (void)pthread_mutex_init(&s->log_lock, NULL);
    *ret = s;
    return RC_OK;
}

const struct err *vault_server_why(const struct vault_server *s)
{
    return s->rings.ring ? NULL : &s->rings.why;
}

void vault_server_destroy(struct vault_server *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    for (struct channel *c = s->open; c; c = c->next)
        (void)shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_lock(&s->lock);
    while (s->open)
        (void)pthread_cond_wait(&s->gone, &s->lock);
    pthread_mutex_unlock(&s->lock);
    join_ended(s);
    key_cache_destroy(s->keys);
    if (s->log_fd >= 0)
        close(s->log_fd);
    keyring_destroy(s->rings.ring);
    keyring_destroy(s->rings.pending);
    buf_free(&s->rings.file);
    (void)pthread_rwlock_destroy(&s->ring_lock);
    (void)pthread_cond_destroy(&s->gone);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_mutex_destroy(&s->log_lock);
    mem_free(s);
}

enum rc vault_local(struct vault_server *s, bool may_release, struct vault **ret, struct err *err)
{
    int pair[2];
    TRY(ipc_pair(pair, err));
    enum rc rc = vault_server_add(s, pair[1], may_release, err);
    if (rc != RC_OK) {
        close(pair[0]);
        return rc;
    }
    return vault_connect(pair[0], ret, err);
}
