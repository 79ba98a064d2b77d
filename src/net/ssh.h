/*
 * SSH for worker threads (libssh, client only): host key pinned, no configuration files, no agent,
 * no ProxyCommand; fixed remote commands quoted by one function; SFTP for files. One session per
 * step; blocking with deadlines. Every return code is compared with the one success value.
 */
#ifndef INRO_NET_SSH_H
#define INRO_NET_SSH_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/egress.h"

struct ssh;

struct ssh_options {
    const struct egress_policy *policy;
    const char *host;
    int port;
    const char *user;
    struct str password; /* one of password / private_key_pem */
    struct str private_key_pem;
    /* "SHA256:<base64 without padding>" as OpenSSH prints; several separated by spaces. Empty:
     * refused, and the error's `remote` holds the fingerprint seen, so a person can pin it. */
    const char *host_key;
    int64_t deadline; /* for connect and auth; clock_mono */
    const atomic_bool *cancel;
};

/* RC_TLS "host key changed" before any credential is sent. RC_AUTH when refused. */
MUST enum rc ssh_open(const struct ssh_options *o, struct ssh **ret, struct err *err);
void ssh_close(struct ssh *s);
/* The fingerprint a server shows, without authenticating (for enrolment). */
MUST enum rc ssh_fingerprint(const struct ssh_options *o, char ret[80], struct err *err);

struct ssh_result {
    int status; /* exit status; -1 killed by signal or none given */
    bool timed_out;
};
/* Words are quoted for a POSIX shell by us; output joined (stdout, stderr), cut at out->max. */
MUST enum rc ssh_exec(struct ssh *s, const char *const argv[], int64_t deadline, struct buf *out,
                      struct ssh_result *ret, struct err *err);
/* 'single quoted' word; used by ssh_exec and tested on its own. */
void ssh_quote(struct buf *out, const char *word);

struct ssh_stat {
    bool exists, is_dir, is_link, is_file;
    uint32_t mode, uid, gid;
    uint64_t size;
};
MUST enum rc ssh_lstat(struct ssh *s, const char *path, struct ssh_stat *ret, struct err *err);
MUST enum rc ssh_read_file(struct ssh *s, const char *path, struct buf *out, struct err *err);
/* New file, mode (and owner unless -1) set before content, fsync when the server offers it. O_EXCL.
 */
MUST enum rc ssh_write_new(struct ssh *s, const char *path, struct str data, uint32_t mode,
                           int64_t uid, int64_t gid, struct err *err);
/* A local file of any size to a new file there; its size is compared afterwards. */
MUST enum rc ssh_put_file(struct ssh *s, const char *file, const char *path, uint32_t mode,
                          struct err *err);
/* Replaces to by from in one step where the server allows commands (mv -f), else unlink + rename.
 */
MUST enum rc ssh_replace(struct ssh *s, const char *from, const char *to, struct err *err);
MUST enum rc ssh_unlink(struct ssh *s, const char *path, struct err *err); /* absent is success */
MUST enum rc ssh_make_dir(struct ssh *s, const char *path, uint32_t mode, struct err *err);

#endif
