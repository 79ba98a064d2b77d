/* What is inside a backup: only what Inro writes is unpacked, and only below the staging folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "job/backup_file.h"

static const char pass[] = "correct horse";

struct entry { /* as it is put into the file */
    const char *name;
    size_t name_len; /* 0: of the text */
    const char *bytes;
    int64_t claimed;  /* size said; -1: the true one */
    const char *told; /* content the manifest tells of; NULL: the true one */
};

static void put_u(struct seal_writer *w, uint64_t v, int bytes)
{
    unsigned char b[8];
    for (int i = 0; i < bytes; i++)
        b[i] = (unsigned char)(v >> (8 * (bytes - 1 - i)));
    assert_int_equal(seal_writer_add(w, b, (size_t)bytes, NULL), RC_OK);
}

static int pack(const struct entry *v, size_t n, bool manifest)
{
    int fd = memfd_create("backup", 0);
    struct seal_writer *w = NULL;
    AUTO(buf) struct buf json = BUF(MANIFEST_MAX);
    struct json_writer m = JSON_WRITER(&json);
    assert_int_equal(seal_writer_open(fd, pass, STR("schema: 1\n"), &w, NULL), RC_OK);
    jw_object(&m);
    jw_key(&m, "members");
    jw_array(&m);
    for (size_t i = 0; i < n; i++) {
        size_t len = v[i].name_len ? v[i].name_len : strlen(v[i].name);
        char hex[65];
        put_u(w, len, 4);
        assert_int_equal(seal_writer_add(w, v[i].name, len, NULL), RC_OK);
        put_u(w, v[i].claimed >= 0 ? (uint64_t)v[i].claimed : strlen(v[i].bytes), 8);
        assert_int_equal(seal_writer_add(w, v[i].bytes, strlen(v[i].bytes), NULL), RC_OK);
        const char *told = v[i].told ? v[i].told : v[i].bytes;
        sha256_hex(str_from(told), hex);
        jw_object(&m);
        jw_kstr(&m, "name", v[i].name);
        jw_ki64(&m, "size", (int64_t)strlen(told));
        jw_kstr(&m, "sha256", hex);
        jw_end_object(&m);
    }
    jw_end_array(&m);
    jw_end_object(&m);
    if (manifest)
        assert_int_equal(backup_put_manifest(w, buf_str(&json), NULL), RC_OK);
    else
        put_u(w, 0, 4);
    assert_int_equal(seal_writer_end(w, NULL), RC_OK);
    seal_writer_close(w);
    return fd;
}

struct place {
    char top[64], dir[96];
};

static void make_place(struct place *p)
{
    snprintf(p->top, sizeof p->top, "/tmp/inro-unpack-XXXXXX");
    assert_non_null(mkdtemp(p->top));
    snprintf(p->dir, sizeof p->dir, "%s/staging", p->top);
    assert_int_equal(mkdir(p->dir, 0700), 0);
}

static void end_place(struct place *p)
{
    static const char *const names[] = {"master.key",  "inro.db", "tls/gui.crt",
                                        "tls/gui.key", "tls",     "inro.conf"};
    char path[256];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof path, "%s/%s", p->dir, names[i]);
        (void)remove(path);
    }
    assert_int_equal(rmdir(p->dir), 0); /* nothing else was written there */
    assert_int_equal(rmdir(p->top), 0); /* and nothing beside it */
}

static enum rc unpack(const struct entry *v, size_t n, bool manifest, struct err *err)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct json *m = NULL;
    struct place p;
    int fd = pack(v, n, manifest);
    make_place(&p);
    enum rc rc = backup_unpack(fd, pass, p.dir, a, &m, err);
    json_free(m);
    close(fd);
    end_place(&p);
    return rc;
}

#define KEY                                                                                        \
    {                                                                                              \
        "master.key", 0, "the key", -1, NULL                                                       \
    }
#define DB                                                                                         \
    {                                                                                              \
        "inro.db", 0, "the store", -1, NULL                                                        \
    }

static void whole_one_is_unpacked(void **state)
{
    const struct entry v[] = {KEY, DB, {"tls/gui.crt", 0, "a certificate", -1, NULL}};
    struct err err = {0};
    (void)state;
    assert_int_equal(unpack(v, COUNT_OF(v), true, &err), RC_OK);
}

static void refused(const struct entry *v, size_t n, bool manifest, const char *id)
{
    struct err err = {0};
    if (unpack(v, n, manifest, &err) == RC_OK || strcmp(err.id, id) != 0)
        fail_msg("%s instead of %s", err.id, id);
}

static void names_of_others_are_refused(void **state)
{
    static const char *const names[] = {"../../etc/cron.d/x", "/etc/cron.d/x", "tls/../x", "x",
                                        "inro.db/",           "./inro.db",     "tls"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct entry v[] = {KEY, DB, {names[i], 0, "x", -1, NULL}};
        refused(v, COUNT_OF(v), true, "backup.odd");
    }
    const struct entry nul[] = {KEY, DB, {"inro.conf\0x", 11, "x", -1, NULL}};
    refused(nul, COUNT_OF(nul), true, "backup.odd");
    const struct entry twice[] = {KEY, DB, DB};
    refused(twice, COUNT_OF(twice), true, "backup.odd");
}

static void sizes_that_lie_are_refused(void **state)
{
    (void)state;
    const struct entry huge[] = {{"master.key", 0, "k", INT64_C(1) << 40, NULL}, DB};
    refused(huge, COUNT_OF(huge), true, "backup.odd");
    const struct entry more[] = {KEY, {"inro.db", 0, "the store", 5000, NULL}};
    struct err err = {0};
    assert_int_equal(unpack(more, COUNT_OF(more), true, &err), RC_CORRUPT);
}

static void changed_and_packed_again_is_refused(void **state)
{
    const struct entry v[] = {KEY, {"inro.db", 0, "another store", -1, "the store"}};
    (void)state;
    refused(v, COUNT_OF(v), true, "backup.changed");
}

static void missing_parts_are_refused(void **state)
{
    const struct entry only_key[] = {KEY}, both[] = {KEY, DB};
    (void)state;
    refused(only_key, 1, true, "backup.odd");
    refused(both, 2, false, "backup.odd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_one_is_unpacked),
        cmocka_unit_test(names_of_others_are_refused),
        cmocka_unit_test(sizes_that_lie_are_refused),
        cmocka_unit_test(changed_and_packed_again_is_refused),
        cmocka_unit_test(missing_parts_are_refused),
    };
    json_init();
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
