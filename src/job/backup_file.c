/*
 * Invariants: what is unpacked is written with names of our own table only, below a directory that
 * holds nothing else; a member that is unknown, twice there, too large or other than the manifest
 * says refuses the whole.
 */
#include "job/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"
#include "crypto/digest.h"

const struct backup_member backup_members[] = {
    {"master.key", 65536, true},     {"inro.db", INT64_C(1) << 40, true},
    {"tls/gui.crt", 1 << 20, false}, {"tls/gui.key", 1 << 20, false},
    {"inro.conf", 1 << 20, false},
};
const size_t backup_member_count = COUNT_OF(backup_members);

enum { NAME_MAX_BYTES = 64, PIECE = 65536 };

static enum rc put_u32(struct seal_writer *w, uint32_t v, struct err *err)
{
    AUTO(buf) struct buf b = BUF(8);
    buf_add_be32(&b, v);
    TRY(buf_ok(&b, err));
    return seal_writer_add(w, b.p, b.len, err);
}

static enum rc put_bytes(struct seal_writer *w, const char *name, struct str bytes, struct err *err)
{
    AUTO(buf) struct buf b = BUF(16);
    size_t n = strlen(name);
    TRY(put_u32(w, (uint32_t)n, err));
    TRY(seal_writer_add(w, name, n, err));
    buf_add_be64(&b, bytes.n);
    TRY(buf_ok(&b, err));
    TRY(seal_writer_add(w, b.p, b.len, err));
    return seal_writer_add(w, bytes.p, bytes.n, err);
}

static void note(struct json_writer *manifest, const char *name, struct str bytes)
{
    char hex[65];
    sha256_hex(bytes, hex);
    jw_object(manifest);
    jw_kstr(manifest, "name", name);
    jw_ki64(manifest, "size", (int64_t)bytes.n);
    jw_kstr(manifest, "sha256", hex);
    jw_end_object(manifest);
}

/* A file as bytes in memory, without reading it all. */
static enum rc map_file(const char *path, struct str *ret, struct err *err)
{
    struct stat st;
    AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC); /* inro.conf may be a link to /etc */
    if (fd < 0 || fstat(fd, &st) != 0)
        return file_fail(err, path, errno);
    *ret = (struct str){"", 0};
    if (st.st_size == 0)
        return RC_OK;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return file_fail(err, path, errno);
    *ret = (struct str){p, (size_t)st.st_size};
    return RC_OK;
}

static void unmap(struct str s)
{
    if (s.n > 0)
        (void)munmap((void *)(uintptr_t)s.p, s.n);
}

enum rc backup_put(struct seal_writer *w, const char *name, const char *path, struct str text,
                   struct json_writer *manifest, struct err *err)
{
    struct str bytes = text;
    if (path)
        TRY(map_file(path, &bytes, err));
    note(manifest, name, bytes);
    enum rc rc = put_bytes(w, name, bytes, err);
    if (path)
        unmap(bytes);
    return rc;
}

enum rc backup_put_manifest(struct seal_writer *w, struct str json, struct err *err)
{
    TRY(put_bytes(w, BACKUP_MANIFEST, json, err));
    return put_u32(w, 0, err);
}

/* ---- reading ---- */

static enum rc odd(const char *what, struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_INPUT,
                MSG("backup.odd", "the backup has a content that no Inro writes: {0}",
                    "バックアップに Inro が書かない内容が含まれています: {0}"),
                what);
}

static enum rc get_number(struct seal_reader *r, size_t bytes, uint64_t *ret, struct err *err)
{
    unsigned char b[8];
    uint64_t v = 0;
    TRY(seal_reader_get(r, b, bytes, err));
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | b[i];
    *ret = v;
    return RC_OK;
}

struct unpack {
    struct seal_reader *r;
    const char *dir;
    struct arena *a;
    unsigned seen; /* bit per member */
    struct json *manifest;
};

static enum rc copy_out(struct unpack *u, int fd, const char *path, uint64_t size, struct err *err)
{
    AUTO(mem) char *piece = mem_alloc(PIECE);
    if (!piece)
        return NOMEM(err);
    enum rc rc = RC_OK;
    while (rc == RC_OK && size > 0) {
        size_t n = size < PIECE ? (size_t)size : PIECE;
        rc = seal_reader_get(u->r, piece, n, err);
        if (rc == RC_OK)
            rc = fd_write_all(fd, piece, n, err);
        size -= n;
    }
    mem_wipe(piece, PIECE);
    if (rc == RC_OK && fsync(fd) != 0)
        rc = file_fail(err, path, errno);
    return rc;
}

static enum rc take_file(struct unpack *u, const struct backup_member *m, uint64_t size,
                         struct err *err)
{
    const char *path = arena_printf(u->a, "%s/%s", u->dir, m->name);
    const char *sub =
        strchr(m->name, '/')
            ? arena_printf(u->a, "%s/%.*s", u->dir, (int)(strchr(m->name, '/') - m->name), m->name)
            : u->dir;
    if (!path || !sub)
        return NOMEM(err);
    TRY(dir_make(sub, 0700, err));
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, path, errno);
    TRY(copy_out(u, fd, path, size, err));
    return dir_sync(sub, err);
}

static enum rc take_manifest(struct unpack *u, uint64_t size, struct err *err)
{
    AUTO(mem) char *text = size <= MANIFEST_MAX ? mem_alloc(size + 1) : NULL;
    if (!text || u->manifest)
        return odd(BACKUP_MANIFEST, err);
    TRY(seal_reader_get(u->r, text, (size_t)size, err));
    return json_parse((struct str){text, (size_t)size}, &u->manifest, err) == RC_OK
               ? RC_OK
               : odd(BACKUP_MANIFEST, err);
}

static enum rc take_member(struct unpack *u, const char *name, uint64_t size, struct err *err)
{
    if (strcmp(name, BACKUP_MANIFEST) == 0)
        return take_manifest(u, size, err);
    for (size_t i = 0; i < backup_member_count; i++) {
        const struct backup_member *m = &backup_members[i];
        if (strcmp(name, m->name) != 0)
            continue;
        if (u->seen & 1u << i || size > (uint64_t)m->max || u->manifest)
            break;
        u->seen |= 1u << i;
        return take_file(u, m, size, err);
    }
    return odd(name, err);
}

static enum rc take_all(struct unpack *u, struct err *err)
{
    for (;;) {
        char name[NAME_MAX_BYTES + 1] = "";
        uint64_t n = 0, size = 0;
        TRY(get_number(u->r, 4, &n, err));
        if (n == 0)
            return seal_reader_end(u->r, err);
        if (n > NAME_MAX_BYTES)
            return odd("a long name", err);
        TRY(seal_reader_get(u->r, name, (size_t)n, err));
        if (strlen(name) != n)
            return odd("a name with a NUL byte", err);
        TRY(get_number(u->r, 8, &size, err));
        TRY(take_member(u, name, size, err));
    }
}

static enum rc differs(const char *name, struct err *err)
{
    return FAIL(err, RC_CORRUPT, BLAME_INPUT,
                MSG("backup.changed",
                    "{0} in the backup is not what was backed up: it was changed and packed again",
                    "バックアップ内の {0} が作成時の内容と異なります。改変されています"),
                name);
}

static enum rc compare(struct unpack *u, size_t i, const struct json *members, struct err *err)
{
    const char *name = backup_members[i].name;
    const char *path = arena_printf(u->a, "%s/%s", u->dir, name);
    struct str bytes;
    char hex[65];
    if (!path)
        return NOMEM(err);
    for (size_t k = 0; k < json_len(members); k++) {
        const struct json *m = json_at(members, k);
        if (strcmp(json_str_or(m, "name", ""), name) != 0)
            continue;
        TRY(map_file(path, &bytes, err));
        sha256_hex(bytes, hex);
        bool same = json_i64_or(m, "size", -1) == (int64_t)bytes.n &&
                    strcmp(json_str_or(m, "sha256", ""), hex) == 0;
        unmap(bytes);
        return same ? RC_OK : differs(name, err);
    }
    return differs(name, err);
}

static enum rc check_all(struct unpack *u, struct err *err)
{
    if (!u->manifest)
        return odd("no manifest", err);
    for (size_t i = 0; i < backup_member_count; i++) {
        bool have = u->seen & 1u << i;
        if (!have && backup_members[i].needed)
            return odd(backup_members[i].name, err);
        if (have)
            TRY(compare(u, i, json_get(u->manifest, "members"), err));
    }
    return RC_OK;
}

enum rc backup_unpack(int fd, const char *passphrase, const char *dir, struct arena *a,
                      struct json **ret_manifest, struct err *err)
{
    struct unpack u = {.dir = dir, .a = a};
    TRY(seal_reader_open(fd, passphrase, &u.r, err));
    enum rc rc = take_all(&u, err);
    if (rc == RC_OK)
        rc = check_all(&u, err);
    seal_reader_close(u.r);
    if (rc != RC_OK) {
        json_free(u.manifest);
        return rc;
    }
    *ret_manifest = u.manifest;
    return RC_OK;
}
