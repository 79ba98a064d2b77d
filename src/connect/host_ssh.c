/*
 * A machine behind SSH: each call is one of net/ssh.h. The session lives as long as the host; the
 * clear key or password only while it is opened.
 */
#include <string.h>

#include "base/mem.h"
#include "connect/host.h"

struct ssh_host {
    struct host h;
    struct ssh *ssh;
};

static struct ssh *ssh_of(struct host *h)
{
    return ((struct ssh_host *)(void *)h)->ssh;
}

static enum rc remote_lstat(struct host *h, const char *path, struct host_stat *ret,
                            struct err *err)
{
    struct ssh_stat st;
    TRY(ctx_alive(h->ctx, err));
    TRY(ssh_lstat(ssh_of(h), path, &st, err));
    *ret = (struct host_stat){.exists = st.exists,
                              .is_dir = st.is_dir,
                              .is_link = st.is_link,
                              .is_file = st.is_file,
                              .mode = st.mode & 07777,
                              .uid = st.uid,
                              .gid = st.gid,
                              .size = st.size};
    return RC_OK;
}

static enum rc remote_read(struct host *h, const char *path, struct buf *out, struct err *err)
{
    TRY(ctx_alive(h->ctx, err));
    return ssh_read_file(ssh_of(h), path, out, err);
}

static enum rc remote_write_new(struct host *h, const char *path, struct str data, uint32_t mode,
                                int64_t uid, int64_t gid, struct err *err)
{
    TRY(ctx_alive(h->ctx, err));
    return ssh_write_new(ssh_of(h), path, data, mode, uid, gid, err);
}

static enum rc remote_put(struct host *h, const char *file, const char *path, uint32_t mode,
                          struct err *err)
{
    TRY(ctx_alive(h->ctx, err));
    return ssh_put_file(ssh_of(h), file, path, mode, err);
}

static enum rc remote_replace(struct host *h, const char *from, const char *to, struct err *err)
{
    return ssh_replace(ssh_of(h), from, to, err);
}

static enum rc remote_unlink(struct host *h, const char *path, struct err *err)
{
    return ssh_unlink(ssh_of(h), path, err);
}

static enum rc remote_mkdir(struct host *h, const char *path, uint32_t mode, struct err *err)
{
    return ssh_make_dir(ssh_of(h), path, mode, err);
}

static enum rc remote_exec(struct host *h, const char *const argv[], struct buf *out,
                           int *ret_status, struct err *err)
{
    struct ssh_result r;
    TRY(ctx_alive(h->ctx, err));
    TRY(ssh_exec(ssh_of(h), argv, host_exec_until(h), out, &r, err));
    CHECK(!r.timed_out, err, RC_TIMEOUT, BLAME_REMOTE,
          MSG("host.remote_slow", "{0} did not end in time on the remote host",
              "リモートホストで {0} が時間内に終了しませんでした"),
          argv[0]);
    *ret_status = r.status;
    return RC_OK;
}

static void remote_close(struct host *h)
{
    ssh_close(ssh_of(h));
    mem_free(h);
}

static const struct host_ops ssh_ops = {
    .lstat = remote_lstat,
    .read = remote_read,
    .write_new = remote_write_new,
    .replace = remote_replace,
    .unlink = remote_unlink,
    .mkdir = remote_mkdir,
    .exec = remote_exec,
    .close = remote_close,
    .put = remote_put,
};

enum rc host_ssh_open(struct ctx *ctx, const struct host_settings *s, struct host **ret,
                      struct err *err)
{
    bool by_key = !s->auth || strcmp(s->auth, "key") == 0;
    AUTO(buf) struct buf secret = BUF_SECRET(65536);
    if (by_key)
        TRY(ctx_secret(ctx, "private_key", s->private_key, &secret, err));
    else
        TRY(ctx_secret(ctx, "password", s->password, &secret, err));
    struct ssh_options o = {.policy = ctx->egress,
                            .host = s->host,
                            .port = (int)s->port,
                            .user = s->user,
                            .password = by_key ? STR_NONE : buf_str(&secret),
                            .private_key_pem = by_key ? buf_str(&secret) : STR_NONE,
                            .host_key = s->host_key,
                            .deadline = ctx->deadline,
                            .cancel = ctx->cancel};
    struct ssh_host *h = mem_alloc(sizeof *h);
    if (!h)
        return NOMEM(err);
    h->h = (struct host){.ops = &ssh_ops, .ctx = ctx};
    enum rc rc = ssh_open(&o, &h->ssh, err);
    if (rc != RC_OK) {
        mem_free(h);
        return rc;
    }
    *ret = &h->h;
    return RC_OK;
}
