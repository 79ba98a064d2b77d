/*
 * libssh, client only. Invariants: the host key is checked before any credential is sent; every
 * return code is compared with the one success value; no configuration file, agent or proxy command
 * is ever consulted; remote commands are words quoted by ssh_quote().
 */
#include "net/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"
#include "net/watchdog.h"

/* Until we are let in, and for each thing asked afterwards: a machine that hangs holds a worker no
 * longer. */
enum { ANSWER_SEC = 60, LOGIN_SEC = 30 };

struct ssh {
    ssh_session session;
    sftp_session sftp; /* opened when first needed */
    int fd;            /* libssh leaves a socket it was given open, but for some errors */
    ino_t inode;
    char *host;
    int64_t deadline;
    const atomic_bool *cancel;
    struct watchdog *dog;
    int64_t until; /* when the dog bites */
};

enum { CHUNK = 16384, FILE_MAX = 8 << 20 };

/* The next `seconds` are for what is asked now. */
static void give_time(struct ssh *s, int64_t until)
{
    s->until = until < s->deadline ? until : s->deadline;
    watchdog_until(s->dog, s->until);
}

static void give_seconds(struct ssh *s, int64_t seconds)
{
    give_time(s, clock_mono(clock_real()) + seconds * USEC_PER_SEC);
}

static bool is_late(const struct ssh *s)
{
    return s->until && clock_mono(clock_real()) >= s->until;
}

static enum rc late(const struct ssh *s, struct err *err)
{
    return FAIL(err, RC_TIMEOUT, BLAME_NETWORK,
                MSG("net.ssh.late", "{0} did not answer in time (SSH)",
                    "{0} が時間内に応答しません（SSH）"),
                s->host);
}

static enum rc ssh_fail(struct ssh *s, const char *what, struct err *err)
{
    if (is_late(s))
        return late(s, err);
    return FAIL(err, RC_REMOTE, BLAME_REMOTE,
                MSG("net.ssh", "{0}: {1} failed: {2}", "{0}: {1} に失敗しました: {2}"), s->host,
                what, ssh_get_error(s->session));
}

/* Why SFTP refused: protocol 3 knows few reasons, and a full disk is none of them. */
static const struct sftp_row {
    int code;
    enum rc rc;
    enum blame blame;
    struct msg m;
} sftp_rows[] = {
    {SSH_FX_NO_SUCH_FILE,
     RC_NOT_FOUND,
     BLAME_INPUT,
     {"net.sftp.none", "{0}: {1} {2}: no such file", "{0}: {2} がありません（{1}）"}},
    {SSH_FX_PERMISSION_DENIED,
     RC_DENIED,
     BLAME_INPUT,
     {"net.sftp.denied", "{0}: {1} {2}: permission denied", "{0}: {2} の権限がありません（{1}）"}},
    {SSH_FX_WRITE_PROTECT,
     RC_DENIED,
     BLAME_INPUT,
     {"net.sftp.ro", "{0}: {1} {2}: read-only", "{0}: {2} は読み取り専用です（{1}）"}},
    {SSH_FX_FILE_ALREADY_EXISTS,
     RC_REMOTE,
     BLAME_REMOTE,
     {"net.sftp.exists", "{0}: {1} {2}: already exists", "{0}: {2} は既に存在します（{1}）"}},
    {-1,
     RC_REMOTE,
     BLAME_REMOTE,
     {"net.sftp", "{0}: {1} {2}: refused by the server (disk full, or read-only?)",
      "{0}: {2} "
      "の操作（{1}）をサーバーが拒否しました（ディスクの空き、読み取り専用を確認してください"
      "）"}}};

static enum rc sftp_fail(struct ssh *s, const char *path, const char *what, struct err *err)
{
    if (is_late(s))
        return late(s, err);
    int code = s->sftp ? sftp_get_error(s->sftp) : -1;
    const struct sftp_row *r = sftp_rows;
    while (r->code != code && r->code != -1)
        r++;
    return FAIL(err, r->rc, r->blame, &r->m, s->host, what, path);
}

void ssh_quote(struct buf *out, const char *word)
{
    buf_addc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buf_adds(out, "'\\''");
        else
            buf_addc(out, *word);
    }
    buf_addc(out, '\'');
}

static bool set_options(ssh_session s, const struct ssh_options *o, int fd)
{
    int port = o->port, no = 0, level = SSH_LOG_NOLOG;
    long secs = (long)((o->deadline - clock_mono(clock_real())) / USEC_PER_SEC) + 1;
    secs = secs > LOGIN_SEC ? LOGIN_SEC : secs;
    return ssh_options_set(s, SSH_OPTIONS_HOST, o->host) == SSH_OK &&
           ssh_options_set(s, SSH_OPTIONS_PORT, &port) == SSH_OK &&
           ssh_options_set(s, SSH_OPTIONS_USER, o->user) == SSH_OK &&
           ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) == SSH_OK &&
           ssh_options_set(s, SSH_OPTIONS_LOG_VERBOSITY, &level) == SSH_OK &&
           ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &secs) == SSH_OK &&
           ssh_options_set(s, SSH_OPTIONS_FD, &fd) == SSH_OK;
}

/* "SHA256:..." of the key the server showed, as OpenSSH prints it. */
static enum rc read_fingerprint(struct ssh *s, char ret[80], struct err *err)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t n = 0;
    bool ok = ssh_get_server_publickey(s->session, &key) == SSH_OK &&
              ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &n) == SSH_OK;
    char *text = ok ? ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, n) : NULL;
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    if (!text)
        return ssh_fail(s, "reading the host key", err);
    size_t len = strlen(text) < 79 ? strlen(text) : 79;
    memcpy(ret, text, len);
    ret[len] = '\0';
    ssh_string_free_char(text);
    return RC_OK;
}

static bool pinned(const char *pins, const char *fingerprint)
{
    struct str rest = str_from(pins), word;
    while (str_split(&rest, ' ', &word))
        if (str_eqs(word, fingerprint))
            return true;
    return false;
}

static enum rc check_host_key(struct ssh *s, const char *pins, struct err *err)
{
    char seen[80];
    enum rc rc;
    TRY(read_fingerprint(s, seen, err));
    if (pins && *pins && pinned(pins, seen))
        return RC_OK;
    if (!pins || !*pins)
        rc = FAIL(err, RC_TLS, BLAME_INPUT,
                  MSG("net.ssh.unpinned",
                      "the host key of {0} is not pinned; it shows {1}: compare it on the machine "
                      "itself, then register it (host_key)",
                      "{0} のホスト鍵が未登録です。提示された {1} "
                      "を対象機で確認し、ホスト鍵（host_key）として登録してください"),
                  s->host, seen);
    else
        rc = FAIL(err, RC_TLS, BLAME_INPUT,
                  MSG("net.ssh.changed",
                      "the host key of {0} changed to {1}: nothing was sent; if the machine was "
                      "reinstalled, verify and pin the new key",
                      "{0} のホスト鍵が {1} "
                      "に変わっています。何も送信していません。再構築した場合は確認のうえ登録し直し"
                      "てください"),
                  s->host, seen);
    err_remote(err, seen);
    return rc;
}

static enum rc auth_failed(struct ssh *s, const char *user, struct err *err)
{
    if (is_late(s))
        return late(s, err);
    return FAIL(err, RC_AUTH, BLAME_INPUT,
                MSG("net.ssh.auth", "{0} does not let {1} in with the key or password given",
                    "{0} が {1} の鍵またはパスワードを受け付けません"),
                s->host, user);
}

static enum rc authenticate(struct ssh *s, const struct ssh_options *o, struct err *err)
{
    if (o->private_key_pem.n) {
        ssh_key key = NULL;
        CHECK(
            ssh_pki_import_privkey_base64(o->private_key_pem.p, NULL, NULL, NULL, &key) == SSH_OK,
            err, RC_INPUT, BLAME_INPUT,
            MSG("net.ssh.key",
                "the SSH private key cannot be read (an unencrypted OpenSSH or PEM key is needed)",
                "SSH 秘密鍵を読み取れません(暗号化されていない OpenSSH または PEM "
                "形式が必要です)"));
        int e = ssh_userauth_publickey(s->session, NULL, key);
        ssh_key_free(key);
        return e == SSH_AUTH_SUCCESS ? RC_OK : auth_failed(s, o->user, err);
    }
    if (o->password.n && ssh_userauth_password(s->session, NULL, o->password.p) == SSH_AUTH_SUCCESS)
        return RC_OK;
    return auth_failed(s, o->user, err);
}

static enum rc connect_session(const struct ssh_options *o, struct ssh **ret, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct net_addr *addrs;
    size_t n;
    if (!a)
        return NOMEM(err);
    TRY(egress_resolve(o->policy, o->host, o->port, o->deadline, a, &addrs, &n, err));
    AUTO(fd) int fd = -1;
    TRY(egress_connect(addrs, n, o->deadline, o->host, &fd, err));
    struct ssh *s = mem_alloc(sizeof *s);
    if (!s)
        return NOMEM(err);
    s->fd = -1;
    s->deadline = o->deadline;
    s->cancel = o->cancel;
    s->host = mem_strdup(o->host);
    s->session = ssh_new();
    if (!s->host || !s->session || !set_options(s->session, o, fd)) {
        ssh_close(s);
        return NOMEM(err);
    }
    struct stat st;
    s->inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
    s->fd = fd_take(&fd);
    enum rc rc = watchdog_add(s->fd, o->deadline, o->cancel, &s->dog, err);
    if (rc != RC_OK) {
        ssh_close(s);
        return rc;
    }
    give_seconds(s, LOGIN_SEC);
    if (ssh_connect(s->session) != SSH_OK) {
        rc = is_late(s) ? late(s, err)
                        : FAIL(err, RC_NET, BLAME_NETWORK,
                               MSG("net.ssh.connect", "no SSH session with {0}: {1}",
                                   "{0} と SSH 接続できません: {1}"),
                               o->host, ssh_get_error(s->session));
        ssh_close(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

enum rc ssh_open(const struct ssh_options *o, struct ssh **ret, struct err *err)
{
    struct ssh *s = NULL;
    TRY(connect_session(o, &s, err));
    enum rc rc = check_host_key(s, o->host_key, err);
    if (rc == RC_OK)
        rc = authenticate(s, o, err);
    if (rc != RC_OK) {
        ssh_close(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

enum rc ssh_fingerprint(const struct ssh_options *o, char ret[80], struct err *err)
{
    struct ssh *s = NULL;
    TRY(connect_session(o, &s, err));
    enum rc rc = read_fingerprint(s, ret, err);
    ssh_close(s);
    return rc;
}

/* The number may be another file's by now; the inode tells. */
static void close_socket(const struct ssh *s)
{
    struct stat st;
    if (s->fd >= 0 && fstat(s->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == s->inode)
        close(s->fd);
}

void ssh_close(struct ssh *s)
{
    if (!s)
        return;
    if (s->dog)
        give_seconds(s, 5); /* saying good-bye */
    if (s->sftp)
        sftp_free(s->sftp);
    if (s->session) {
        ssh_disconnect(s->session);
        ssh_free(s->session);
    }
    watchdog_remove(s->dog);
    close_socket(s);
    mem_free(s->host);
    mem_free(s);
}

static int64_t left_msec(int64_t deadline)
{
    return (deadline - clock_mono(clock_real())) / USEC_PER_MSEC;
}

/* Both streams until the end, the deadline, or a request to stop. */
static void read_output(struct ssh *s, ssh_channel ch, int64_t deadline, struct buf *out,
                        bool *ret_late)
{
    char chunk[4096];
    while (!ssh_channel_is_eof(ch) && ssh_channel_is_open(ch)) {
        int64_t left = left_msec(deadline);
        if (left <= 0 || (s->cancel && atomic_load(s->cancel))) {
            *ret_late = true;
            return;
        }
        for (int is_err = 0; is_err < 2; is_err++) {
            int wait = is_err ? 0 : (int)(left > 100 ? 100 : left);
            int n = ssh_channel_read_timeout(ch, chunk, sizeof chunk, is_err, wait);
            if (n == SSH_ERROR)
                return;
            if (n > 0 && out->len < out->max) {
                size_t room = out->max - out->len;
                buf_add(out, chunk, (size_t)n < room ? (size_t)n : room);
            }
        }
    }
}

enum rc ssh_exec(struct ssh *s, const char *const argv[], int64_t deadline, struct buf *out,
                 struct ssh_result *ret, struct err *err)
{
    AUTO(buf) struct buf line = BUF(65536);
    struct ssh_result r = {.status = -1};
    buf_adds(&line, "LC_ALL=C exec");
    for (size_t i = 0; argv[i]; i++) {
        buf_addc(&line, ' ');
        ssh_quote(&line, argv[i]);
    }
    TRY(buf_ok(&line, err));
    give_time(s, deadline + 10 * USEC_PER_SEC); /* read_output keeps the deadline itself */
    ssh_channel ch = ssh_channel_new(s->session);
    if (!ch || ssh_channel_open_session(ch) != SSH_OK ||
        ssh_channel_request_exec(ch, buf_cstr(&line)) != SSH_OK) {
        enum rc rc = ssh_fail(s, argv[0], err);
        ssh_channel_free(ch);
        return rc;
    }
    (void)ssh_channel_send_eof(ch);
    read_output(s, ch, deadline, out, &r.timed_out);
    if (!r.timed_out)
        r.status = ssh_channel_get_exit_status(ch);
    (void)ssh_channel_close(ch);
    ssh_channel_free(ch);
    *ret = r;
    return RC_OK;
}

static enum rc need_sftp(struct ssh *s, struct err *err)
{
    give_seconds(s, ANSWER_SEC);
    if (s->sftp)
        return RC_OK;
    sftp_session f = sftp_new(s->session);
    if (!f || sftp_init(f) != SSH_OK) {
        if (f)
            sftp_free(f);
        return ssh_fail(s, "SFTP", err);
    }
    s->sftp = f;
    return RC_OK;
}

enum rc ssh_lstat(struct ssh *s, const char *path, struct ssh_stat *ret, struct err *err)
{
    TRY(need_sftp(s, err));
    sftp_attributes at = sftp_lstat(s->sftp, path);
    if (!at) {
        if (sftp_get_error(s->sftp) != SSH_FX_NO_SUCH_FILE)
            return sftp_fail(s, path, "lstat", err);
        *ret = (struct ssh_stat){0};
        return RC_OK;
    }
    uint32_t kind = at->permissions & 0170000;
    *ret = (struct ssh_stat){.exists = true,
                             .is_dir = kind == 0040000,
                             .is_link = kind == 0120000,
                             .is_file = kind == 0100000,
                             .mode = at->permissions & 07777,
                             .uid = at->uid,
                             .gid = at->gid,
                             .size = at->size};
    sftp_attributes_free(at);
    return RC_OK;
}

enum rc ssh_read_file(struct ssh *s, const char *path, struct buf *out, struct err *err)
{
    char chunk[CHUNK];
    TRY(need_sftp(s, err));
    sftp_file f = sftp_open(s->sftp, path, O_RDONLY, 0);
    if (!f)
        return sftp_fail(s, path, "open", err);
    ssize_t n;
    while ((n = sftp_read(f, chunk, sizeof chunk)) > 0 && out->bad == RC_OK)
        buf_add(out, chunk, (size_t)n);
    mem_wipe(chunk, sizeof chunk);
    bool closed = sftp_close(f) == SSH_OK;
    if (n < 0 || !closed)
        return sftp_fail(s, path, "read", err);
    return buf_ok(out, err);
}

static bool set_attributes(struct ssh *s, const char *path, uint32_t mode, int64_t uid, int64_t gid)
{
    if (sftp_chmod(s->sftp, path, (mode_t)mode) != SSH_OK)
        return false;
    return (uid < 0 && gid < 0) || sftp_chown(s->sftp, path, (uid_t)(uid < 0 ? 0 : uid),
                                              (gid_t)(gid < 0 ? 0 : gid)) == SSH_OK;
}

static bool write_all(sftp_file f, struct str data)
{
    for (size_t o = 0; o < data.n;) {
        size_t n = data.n - o < CHUNK ? data.n - o : CHUNK;
        ssize_t w = sftp_write(f, data.p + o, n);
        if (w <= 0)
            return false;
        o += (size_t)w;
    }
    return true;
}

enum rc ssh_write_new(struct ssh *s, const char *path, struct str data, uint32_t mode, int64_t uid,
                      int64_t gid, struct err *err)
{
    TRY(need_sftp(s, err));
    sftp_file f = sftp_open(s->sftp, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!f)
        return sftp_fail(s, path, "create", err);
    bool ok = set_attributes(s, path, mode, uid, gid) && write_all(f, data);
    /* Without fsync@openssh.com the content is only as durable as the server makes it. */
    if (ok && sftp_extension_supported(s->sftp, "fsync@openssh.com", "1"))
        ok = sftp_fsync(f) == SSH_OK;
    int code = sftp_get_error(s->sftp);
    ok = (sftp_close(f) == SSH_OK) && ok;
    if (!ok) {
        (void)code;
        enum rc rc = sftp_fail(s, path, "write", err);
        (void)sftp_unlink(s->sftp, path);
        return rc;
    }
    return RC_OK;
}

static enum rc put_all(struct ssh *s, sftp_file f, int fd, const char *file, const char *path,
                       uint64_t *ret_size, struct err *err)
{
    char piece[CHUNK];
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_fail(err, file, errno);
        CHECK(!s->cancel || !atomic_load(s->cancel), err, RC_CANCELLED, BLAME_US,
              MSG("net.ssh.cancelled", "{0}: asked to stop", "{0}: 中断を要求されました"), s->host);
        if (!write_all(f, (struct str){piece, (size_t)n}))
            return sftp_fail(s, path, "write", err);
        *ret_size += (uint64_t)n;
    }
    if (sftp_extension_supported(s->sftp, "fsync@openssh.com", "1") && sftp_fsync(f) != SSH_OK)
        return sftp_fail(s, path, "sync", err);
    return RC_OK;
}

enum rc ssh_put_file(struct ssh *s, const char *file, const char *path, uint32_t mode,
                     struct err *err)
{
    struct ssh_stat st;
    uint64_t size = 0;
    AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return file_fail(err, file, errno);
    TRY(need_sftp(s, err));
    sftp_file f = sftp_open(s->sftp, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!f)
        return sftp_fail(s, path, "create", err);
    enum rc rc = set_attributes(s, path, mode, -1, -1) ? put_all(s, f, fd, file, path, &size, err)
                                                       : sftp_fail(s, path, "set the mode of", err);
    if (sftp_close(f) != SSH_OK && rc == RC_OK)
        rc = sftp_fail(s, path, "close", err);
    if (rc == RC_OK)
        rc = ssh_lstat(s, path, &st, err);
    if (rc == RC_OK && st.size != size)
        rc = sftp_fail(s, path, "complete", err);
    if (rc != RC_OK)
        (void)sftp_unlink(s->sftp, path);
    return rc;
}

enum rc ssh_replace(struct ssh *s, const char *from, const char *to, struct err *err)
{
    const char *argv[] = {"mv", "-f", "--", from, to, NULL};
    AUTO(buf) struct buf out = BUF(4096);
    struct ssh_result r;
    TRY(need_sftp(s, err));
    /* libssh 0.10 has no posix-rename, and protocol 3's rename fails when the target exists. */
    if (ssh_exec(s, argv, s->deadline, &out, &r, NULL) == RC_OK && r.status == 0)
        return RC_OK;
    if (sftp_unlink(s->sftp, to) != SSH_OK && sftp_get_error(s->sftp) != SSH_FX_NO_SUCH_FILE)
        return sftp_fail(s, to, "replace", err);
    return sftp_rename(s->sftp, from, to) == SSH_OK ? RC_OK : sftp_fail(s, to, "rename", err);
}

enum rc ssh_unlink(struct ssh *s, const char *path, struct err *err)
{
    struct ssh_stat st;
    TRY(need_sftp(s, err));
    if (sftp_unlink(s->sftp, path) == SSH_OK || sftp_get_error(s->sftp) == SSH_FX_NO_SUCH_FILE)
        return RC_OK;
    enum rc rc = sftp_fail(s, path, "unlink", err);
    /* A read-only file system says that first, even of what is not there. */
    if (ssh_lstat(s, path, &st, NULL) != RC_OK || st.exists)
        return rc;
    if (err)
        *err = (struct err){0};
    return RC_OK;
}

enum rc ssh_make_dir(struct ssh *s, const char *path, uint32_t mode, struct err *err)
{
    struct ssh_stat st;
    TRY(ssh_lstat(s, path, &st, err));
    if (st.exists && st.is_dir)
        return RC_OK;
    return sftp_mkdir(s->sftp, path, (mode_t)mode) == SSH_OK ? RC_OK
                                                             : sftp_fail(s, path, "mkdir", err);
}
