/* Encrypted files: each kind of damage has its own message, and nothing unproven comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/sealfile.h"

static const char pass[] = "correct horse";
enum { SIZE = 200001 };

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + (i >> 8));
}

static int make(size_t size)
{
    struct seal_writer *w = NULL;
    int fd = memfd_create("sealfile", 0);
    unsigned char *all = mem_alloc(size + 1);
    assert_non_null(all);
    for (size_t i = 0; i < size; i++)
        all[i] = byte_at(i);
    assert_int_equal(seal_writer_open(fd, pass, STR("name: value\nschema: 3\n"), &w, NULL), RC_OK);
    for (size_t i = 0; i < size; i += 1000)
        assert_int_equal(seal_writer_add(w, all + i, size - i < 1000 ? size - i : 1000, NULL),
                         RC_OK);
    assert_int_equal(seal_writer_end(w, NULL), RC_OK);
    assert_int_equal(seal_writer_bytes(w), lseek(fd, 0, SEEK_END));
    seal_writer_close(w);
    mem_free(all);
    return fd;
}

static enum rc read_all(int fd, const char *passphrase, size_t size, struct err *err)
{
    struct seal_reader *r = NULL;
    unsigned char *got = mem_alloc(size + 1);
    assert_non_null(got);
    enum rc rc = seal_reader_open(fd, passphrase, &r, err);
    if (rc == RC_OK)
        rc = seal_reader_get(r, got, size, err);
    if (rc == RC_OK)
        rc = seal_reader_end(r, err);
    for (size_t i = 0; rc == RC_OK && i < size; i++)
        assert_int_equal(got[i], byte_at(i));
    seal_reader_close(r);
    mem_free(got);
    return rc;
}

static void round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, SEALFILE_CHUNK, SEALFILE_CHUNK + 1, SIZE};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int fd = make(sizes[i]);
        assert_int_equal(read_all(fd, pass, sizes[i], NULL), RC_OK);
        close(fd);
    }
}

static void head_is_readable_without_the_passphrase(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    const char *facts = NULL;
    int fd = make(10);
    assert_int_equal(seal_head_read(fd, a, &facts, NULL), RC_OK);
    assert_string_equal(seal_fact(facts, "name", a), "value");
    assert_string_equal(seal_fact(facts, "schema", a), "3");
    assert_null(seal_fact(facts, "nam", a));
    close(fd);
}

static void wrong_passphrase(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = make(10);
    assert_int_equal(read_all(fd, "correct horsf", 10, &err), RC_AUTH);
    assert_string_equal(err.id, "sealfile.passphrase");
    close(fd);
}

static void short_passphrase_is_refused(void **state)
{
    (void)state;
    struct seal_writer *w = NULL;
    struct err err = {0};
    int fd = memfd_create("sealfile", 0);
    assert_int_equal(seal_writer_open(fd, "1234567", STR(""), &w, &err), RC_INPUT);
    assert_string_equal(err.id, "sealfile.short");
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    close(fd);
}

static void not_one_of_ours(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = memfd_create("sealfile", 0);
    assert_int_equal(write(fd, "PK\3\4 a zip file, say", 20), 20);
    assert_int_equal(read_all(fd, pass, 1, &err), RC_INPUT);
    assert_string_equal(err.id, "sealfile.foreign");
    close(fd);
}

static void newer_format(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = make(10);
    assert_int_equal(pwrite(fd, "2", 1, 12), 1);
    assert_int_equal(read_all(fd, pass, 10, &err), RC_UNSUPPORTED);
    assert_string_equal(err.id, "sealfile.newer");
    close(fd);
}

static void every_cut_is_told(void **state)
{
    (void)state;
    int fd = make(SIZE);
    off_t end = lseek(fd, 0, SEEK_END);
    for (off_t at = end - 1; at > 13; at = at > 1000 ? at - 40009 : at - 97) {
        struct err err = {0};
        assert_int_equal(ftruncate(fd, at), 0);
        assert_int_equal(read_all(fd, pass, SIZE, &err), RC_CORRUPT);
        assert_string_equal(err.id, "sealfile.truncated");
    }
    close(fd);
}

static void every_flipped_byte_is_told(void **state)
{
    (void)state;
    int fd = make(70000);
    off_t end = lseek(fd, 0, SEEK_END);
    for (off_t at = 18; at < end; at += at < 600 ? 61 : 9973) {
        struct err err = {0};
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 1;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        enum rc rc = read_all(fd, pass, 70000, &err);
        if (rc != RC_CORRUPT || strcmp(err.id, "sealfile.damaged") != 0)
            fail_msg("byte %lld: %s", (long long)at, err.id);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_int_equal(read_all(fd, pass, 70000, NULL), RC_OK);
    close(fd);
}

static void bytes_after_the_end(void **state)
{
    (void)state;
    struct err err = {0};
    int fd = make(10);
    assert_true(lseek(fd, 0, SEEK_END) > 0);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read_all(fd, pass, 10, &err), RC_CORRUPT);
    assert_string_equal(err.id, "sealfile.damaged");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(head_is_readable_without_the_passphrase),
        cmocka_unit_test(wrong_passphrase),
        cmocka_unit_test(short_passphrase_is_refused),
        cmocka_unit_test(not_one_of_ours),
        cmocka_unit_test(newer_format),
        cmocka_unit_test(every_cut_is_told),
        cmocka_unit_test(every_flipped_byte_is_told),
        cmocka_unit_test(bytes_after_the_end),
    };
    crypto_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
