/*
 * The vault role: reads the master key, opens the grant log, gives up everything else, and answers
 * on the channels the supervisor hands it. The front's channels may seal, never release.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/role.h"
#include "app/sandbox.h"
#include "app/waiter.h"
#include "base/os/file.h"
#include "crypto/envelope.h"
#include "vault/vault.h"

struct vault_role {
    struct vault_server *server;
    struct waiter end;
};

static void on_peer(void *ctx, enum role_id peer, int fd)
{
    struct vault_role *r = ctx;
    struct err err;
    if (vault_server_add(r->server, fd, peer == ROLE_WORKER, &err) != RC_OK)
        log_err(LOG_ERROR, "vault", "taking a channel", &err);
}

static void on_stop(void *ctx)
{
    struct vault_role *r = ctx;
    waiter_tell(&r->end);
}

/* What can be read of the key file; a fault leaves the vault sealed, it does not end it. */
void role_key_file(const struct config *c, struct arena *a, struct buf *text, struct buf *pass,
                   struct err *why)
{
    struct err no_pass;
    const char *path = config_path(c, a, "master.key");
    if ((path ? file_read_private(path, text, why) : NOMEM(why)) != RC_OK) {
        buf_clear(text);
        return;
    }
    if (!c->passphrase_file)
        return;
    if (file_read_private(c->passphrase_file, pass, &no_pass) != RC_OK)
        log_err(LOG_ERROR, "vault", "reading the passphrase of the master key", &no_pass);
    while (pass->len && (pass->p[pass->len - 1] == '\n' || pass->p[pass->len - 1] == '\r'))
        buf_truncate(pass, pass->len - 1);
}

static enum rc open_server(const struct config *c, struct vault_server **ret, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    AUTO(buf) struct buf text = BUF_SECRET(4096);
    AUTO(buf) struct buf pass = BUF_SECRET(4096);
    struct err why = {0};
    struct vault_server_options o = {.grant_log_fd = -1, .why = &why};
    const char *log = a ? config_path(c, a, "grants.log") : NULL;
    if (!log)
        return NOMEM(err);
    role_key_file(c, a, &text, &pass, &why);
    o.key_file = buf_str(&text);
    o.passphrase = c->passphrase_file && pass.len ? buf_cstr(&pass) : NULL;
    o.grant_log_fd = open(log, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (o.grant_log_fd < 0) /* no secret is released; all else goes on */
        log_line(LOG_ERROR, "vault", "%s: %s", log, strerrordesc_np(errno));
    TRY(vault_server_create(&o, ret, err));
    if (vault_server_why(*ret))
        log_err(LOG_ERROR, "vault", "the master key is not loaded; Inro starts sealed",
                vault_server_why(*ret));
    return RC_OK;
}

int role_vault(struct role_env *env)
{
    struct vault_role r = {.end = WAITER};
    struct role_control control = {on_peer, on_stop, &r};
    struct err err;

    enum rc rc = open_server(env->config, &r.server, &err);
    if (rc == RC_OK)
        rc = role_control_start(env, &control, &err);
    if (rc == RC_OK)
        rc = sandbox_enter(roles[ROLE_VAULT].keeps, &err);
    if (rc == RC_OK)
        rc = role_ready(env, &err);
    if (rc != RC_OK) {
        log_err(LOG_ERROR, "vault", "starting", &err);
        return 1;
    }
    waiter_wait(&r.end);
    vault_server_destroy(r.server);
    return 0;
}
