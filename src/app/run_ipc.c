#include "app/run_ipc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/os/file.h"
#include "codec/json.h"

enum tag { /* request */
           R_WORD = 1,
           R_TIMEOUT,
           R_ROOM,
           /* answer */
           R_STATUS = 1,
           R_LATE,
           R_STOPPED,
           R_OUTPUT
};

enum { WORDS_MAX = 64, OUTPUT_MAX = IPC_MAX_FRAME - 1024, GRACE_SEC = 10, LOOK_MSEC = 200 };

void runner_replace(struct runner *r, int fd)
{
    pthread_mutex_lock(&r->lock);
    if (r->fd >= 0)
        close(r->fd);
    r->fd = fd;
    pthread_mutex_unlock(&r->lock);
}

/* ---- the worker's side ---- */

static enum rc gone(struct err *err)
{
    return FAIL(err, RC_BUSY, BLAME_US,
                MSG("app.runner",
                    "the process that starts commands is being restarted; the step "
                    "is repeated",
                    "コマンドを実行するプロセスを再起動中です。処理はやり直されます"));
}

static enum rc send_request(struct runner *r, struct str payload, int pass_fd, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    AUTO(fd) int fd = r->fd >= 0 ? fcntl(r->fd, F_DUPFD_CLOEXEC, 0) : -1;
    pthread_mutex_unlock(&r->lock);
    if (fd < 0 || ipc_send(fd, ipc_soon(), IPC_RUN, 0, payload, pass_fd, NULL) != RC_OK)
        return gone(err);
    return RC_OK;
}

/* Asked to stop: the other side sees the end of what it could still be told, and answers. */
static enum rc await(int fd, int64_t deadline, const atomic_bool *cancel, struct buf *b,
                     struct ipc_frame *f, struct err *err)
{
    bool told = false;
    for (;;) {
        int64_t now = clock_mono(clock_real());
        if (now > deadline)
            return gone(err);
        enum rc rc = ipc_recv(fd, now + LOOK_MSEC * USEC_PER_MSEC, b, f, NULL);
        if (rc == RC_OK)
            return RC_OK;
        if (rc != RC_TIMEOUT)
            return gone(err);
        if (!told && cancel && atomic_load(cancel))
            told = shutdown(fd, SHUT_WR) == 0;
    }
}

static enum rc read_answer(const struct ipc_frame *f, struct buf *out, struct proc_result *ret,
                           struct err *err)
{
    AUTO(json) struct json *j = NULL;
    struct str text = STR("");
    struct err told = {0};
    int64_t status = 0, late = 0, stopped = 0;
    if (f->kind == IPC_ERROR && ipc_get(f->payload, 1, 0, &text) &&
        json_parse(text, &j, NULL) == RC_OK)
        json_to_err(j, &told);
    if (told.rc != RC_OK && told.en[0]) {
        if (err)
            *err = told;
        return told.rc;
    }
    if (f->kind != IPC_REPLY || !ipc_get_i64(f->payload, R_STATUS, &status) ||
        !ipc_get_i64(f->payload, R_LATE, &late) || !ipc_get_i64(f->payload, R_STOPPED, &stopped) ||
        !ipc_get(f->payload, R_OUTPUT, 0, &text))
        return gone(err);
    buf_addstr(out, text);
    *ret = (struct proc_result){(int)status, late != 0, stopped != 0};
    return RC_OK;
}

static enum rc put_request(struct buf *b, const char *const argv[], int64_t timeout_usec,
                           const struct buf *out, struct err *err)
{
    size_t n = 0, room = out->max > out->len ? out->max - out->len : 0;
    for (; argv[n]; n++)
        ipc_put(b, R_WORD, str_from(argv[n]));
    ipc_put_i64(b, R_TIMEOUT, timeout_usec);
    ipc_put_i64(b, R_ROOM, room < OUTPUT_MAX ? (int64_t)room : OUTPUT_MAX);
    CHECK(n > 0 && n <= WORDS_MAX && buf_ok(b, NULL) == RC_OK, err, RC_INPUT, BLAME_INPUT,
          MSG("app.runner.long", "the command is too long: {0}", "コマンドが長すぎます: {0}"),
          n > 0 ? argv[0] : "");
    return RC_OK;
}

enum rc runner_do(struct runner *r, const char *const argv[], int64_t timeout_usec,
                  const atomic_bool *cancel, struct buf *out, struct proc_result *ret,
                  struct err *err)
{
    AUTO(buf) struct buf b = BUF(IPC_MAX_FRAME);
    struct ipc_frame f;
    int pair[2];
    TRY(put_request(&b, argv, timeout_usec, out, err));
    TRY(ipc_pair(pair, err));
    AUTO(fd) int mine = pair[0];
    enum rc rc = send_request(r, buf_str(&b), pair[1], err);
    close(pair[1]);
    TRY(rc);
    int64_t deadline = clock_mono(clock_real()) + timeout_usec + GRACE_SEC * USEC_PER_SEC;
    TRY(await(mine, deadline, cancel, &b, &f, err));
    if (f.fd >= 0)
        close(f.fd);
    return read_answer(&f, out, ret, err);
}

/* ---- the runner's side ---- */

static enum rc read_request(struct str payload, struct arena *a, const char *argv[WORDS_MAX + 1],
                            int64_t *ret_timeout, int64_t *ret_room, struct err *err)
{
    struct str word;
    size_t n = 0;
    bool good = ipc_get_i64(payload, R_TIMEOUT, ret_timeout) &&
                ipc_get_i64(payload, R_ROOM, ret_room) && *ret_room >= 0 &&
                *ret_room <= OUTPUT_MAX && *ret_timeout >= 0;
    for (; good && n < WORDS_MAX && ipc_get(payload, R_WORD, n, &word); n++) {
        argv[n] = arena_str(a, word);
        if (!argv[n])
            return NOMEM(err);
        good = strlen(argv[n]) == word.n;
    }
    argv[n] = NULL;
    CHECK(good && n > 0, err, RC_INTERNAL, BLAME_US,
          MSG("app.runner.request", "a request to run a command is malformed",
              "コマンド実行要求の形式が不正です"));
    return RC_OK;
}

static enum rc run(struct str payload, int reply_fd, struct arena *a, struct buf *answer,
                   struct err *err)
{
    const char *argv[WORDS_MAX + 1];
    int64_t timeout = 0, room = 0;
    struct proc_result r;
    TRY(read_request(payload, a, argv, &timeout, &room, err));
    AUTO(buf) struct buf out = BUF((size_t)room + 1);
    TRY(proc_run_for(argv, timeout, reply_fd, &out, &r, err));
    ipc_put_i64(answer, R_STATUS, r.status);
    ipc_put_i64(answer, R_LATE, r.timed_out);
    ipc_put_i64(answer, R_STOPPED, r.cancelled);
    ipc_put(answer, R_OUTPUT, (struct str){out.p, out.len < (size_t)room ? out.len : (size_t)room});
    return buf_ok(answer, err);
}

void runner_answer(const struct ipc_frame *request, int reply_fd)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf out = BUF(IPC_MAX_FRAME - IPC_HEADER);
    struct err err;
    enum rc rc = a ? run(request->payload, reply_fd, a, &out, &err) : NOMEM(&err);
    if (rc != RC_OK) {
        AUTO(buf) struct buf text = BUF(16384);
        struct json_writer w = JSON_WRITER(&text);
        buf_clear(&out);
        jw_err(&w, &err);
        ipc_put(&out, 1, buf_str(&text));
    }
    enum ipc_kind kind = rc == RC_OK ? IPC_REPLY : IPC_ERROR;
    if (ipc_send(reply_fd, ipc_soon(), kind, 0, buf_str(&out), -1, NULL) != RC_OK)
        log_line(LOG_DEBUG, "runner", "the asker is gone");
    close(reply_fd);
}
