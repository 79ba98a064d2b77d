/* Files: private or refused, old or new content, nothing left behind; bounded reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os/file.h"

static char dir[] = "/tmp/inro-test-file-XXXXXX";

static const char *in_dir(char out[256], const char *name)
{
    (void)snprintf(out, 256, "%s/%s", dir, name);
    return out;
}

static int entries(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(dir);
}

static void put(const char *name, const char *text, mode_t mode)
{
    char p[256];
    assert_int_equal(
        file_write_atomic(in_dir(p, name), str_from(text), mode, (uid_t)-1, (gid_t)-1, NULL),
        RC_OK);
}

static void content_and_mode_are_as_asked(void **state)
{
    (void)state;
    char p[256];
    struct stat st;
    mode_t old = umask(077); /* the mode is exact whatever the umask says */
    put("a", "first", 0644);
    put("a", "second", 0640);
    (void)umask(old);
    AUTO(buf) struct buf b = BUF(100);
    assert_int_equal(file_read(in_dir(p, "a"), &b, NULL), RC_OK);
    assert_string_equal(buf_cstr(&b), "second");
    assert_int_equal(stat(p, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(entries(), 1);
    put("empty", "", 0600);
    buf_clear(&b);
    assert_int_equal(file_read(in_dir(p, "empty"), &b, NULL), RC_OK);
    assert_int_equal(b.len, 0);
    (void)unlink(p);
}

static void a_symlink_is_replaced_not_followed(void **state)
{
    (void)state;
    char p[256], q[256];
    put("victim", "old", 0600);
    assert_int_equal(symlink(in_dir(q, "victim"), in_dir(p, "link")), 0);
    put("link", "new", 0600);
    AUTO(buf) struct buf b = BUF(100);
    assert_int_equal(file_read(q, &b, NULL), RC_OK);
    assert_string_equal(buf_cstr(&b), "old");
    (void)unlink(p);
    (void)unlink(q);
}

static void a_failed_write_leaves_the_old_file_alone(void **state)
{
    (void)state;
    char p[256];
    put("keep", "old", 0600);
    int before = entries();
    /* the file size limit stands in for a full disk */
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 2;
    struct sigaction ign = {.sa_handler = SIG_IGN}, was;
    (void)sigaction(SIGXFSZ, &ign, &was);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    struct err err = {0};
    enum rc rc =
        file_write_atomic(in_dir(p, "keep"), STR("much longer"), 0600, (uid_t)-1, (gid_t)-1, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)sigaction(SIGXFSZ, &was, NULL);
    assert_int_equal(rc, RC_INTERNAL);
    assert_int_equal(err.blame, BLAME_US);
    AUTO(buf) struct buf b = BUF(100);
    assert_int_equal(file_read(p, &b, NULL), RC_OK);
    assert_string_equal(buf_cstr(&b), "old");
    assert_int_equal(entries(), before);
    /* the target is a directory: the rename fails, the temporary file goes */
    assert_int_equal(mkdir(in_dir(p, "sub"), 0700), 0);
    assert_int_not_equal(file_write_atomic(p, STR("x"), 0600, (uid_t)-1, (gid_t)-1, NULL), RC_OK);
    assert_int_equal(entries(), before + 1);
    assert_int_equal(rmdir(p), 0);
    assert_int_equal(
        file_write_atomic(in_dir(p, "no/such"), STR("x"), 0600, (uid_t)-1, (gid_t)-1, NULL),
        RC_NOT_FOUND);
}

static void a_private_file_must_be_private(void **state)
{
    (void)state;
    char p[256];
    static const mode_t open_modes[] = {0640, 0604, 0660, 0601, 0620, 0644};
    put("key", "secret", 0600);
    in_dir(p, "key");
    AUTO(buf) struct buf b = BUF_SECRET(100);
    assert_int_equal(file_read_private(p, &b, NULL), RC_OK);
    assert_string_equal(buf_cstr(&b), "secret");
    buf_clear(&b);
    for (size_t i = 0; i < COUNT_OF(open_modes); i++) {
        struct err err = {0};
        assert_int_equal(chmod(p, open_modes[i]), 0);
        assert_int_equal(file_read_private(p, &b, &err), RC_DENIED);
        assert_int_equal(b.len, 0);
        assert_non_null(strstr(err.en, "chmod 600"));
        assert_non_null(strstr(err.ja, p));
    }
    assert_int_equal(chmod(p, 0400), 0);
    assert_int_equal(file_read_private(p, &b, NULL), RC_OK);
}

static void reading_is_bounded_and_names_the_file(void **state)
{
    (void)state;
    char p[256];
    struct err err = {0};
    put("ten", "0123456789", 0600);
    in_dir(p, "ten");
    AUTO(buf) struct buf fits = BUF(10);
    assert_int_equal(file_read(p, &fits, NULL), RC_OK);
    AUTO(buf) struct buf small = BUF(9);
    assert_int_equal(file_read(p, &small, &err), RC_INPUT);
    assert_non_null(strstr(err.en, p));
    assert_int_equal(file_read(in_dir(p, "absent"), &small, &err), RC_NOT_FOUND);
    assert_non_null(strstr(err.en, "absent"));
    assert_int_not_equal(file_read(dir, &small, &err), RC_OK);
}

static void directories_are_made_once(void **state)
{
    (void)state;
    char p[256], q[256];
    struct stat st;
    assert_int_equal(dir_make(in_dir(p, "x/y"), 0700, NULL), RC_OK);
    assert_int_equal(stat(p, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(dir_make(p, 0755, NULL), RC_OK);
    assert_int_equal(stat(p, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(dir_sync(p, NULL), RC_OK);
    put("file", "x", 0600);
    assert_int_not_equal(dir_make(in_dir(q, "file"), 0700, NULL), RC_OK);
    assert_int_not_equal(dir_make(in_dir(q, "file/sub"), 0700, NULL), RC_OK);
    assert_int_equal(dir_sync(in_dir(q, "absent"), NULL), RC_NOT_FOUND);
    (void)rmdir(p);
    (void)rmdir(in_dir(p, "x"));
}

static void a_sweep_takes_half_written_files_only(void **state)
{
    (void)state;
    static const char *const stay[] = {"x.tmp", "x.0123456789abcde.tmp", "x.0123456789abcdeg.tmp",
                                       "x.0123456789abcdef", "x.0123456789abcdef.tmp.bak"};
    char path[256];
    int before = entries();
    for (size_t i = 0; i < COUNT_OF(stay); i++)
        put(stay[i], "stays", 0600);
    put("master.key.0123456789abcdef.tmp", "goes", 0600);
    put("x.ffffffffffffffff.tmp", "goes", 0600);
    assert_int_equal(dir_sweep(dir, NULL), RC_OK);
    assert_int_equal(entries(), before + (int)COUNT_OF(stay));
    for (size_t i = 0; i < COUNT_OF(stay); i++)
        assert_int_equal(unlink(in_dir(path, stay[i])), 0);
    assert_int_equal(dir_sweep(in_dir(path, "absent"), NULL), RC_NOT_FOUND);
}

static void each_failing_allocation_leaves_no_file(void **state)
{
    (void)state;
    char p[256];
    in_dir(p, "torture");
    int before = entries();
    bool passed = false;
    for (long n = 1; n < 20 && !passed; n++) {
        mem_fail_after(n, false);
        enum rc rc = file_write_atomic(p, STR("x"), 0600, (uid_t)-1, (gid_t)-1, NULL);
        mem_fail_after(0, false);
        passed = rc == RC_OK;
        if (!passed)
            assert_int_equal(rc, RC_NOMEM);
        assert_in_range(entries(), before, before + 1);
    }
    assert_true(passed);
    (void)unlink(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_and_mode_are_as_asked),
        cmocka_unit_test(a_symlink_is_replaced_not_followed),
        cmocka_unit_test(a_failed_write_leaves_the_old_file_alone),
        cmocka_unit_test(a_private_file_must_be_private),
        cmocka_unit_test(reading_is_bounded_and_names_the_file),
        cmocka_unit_test(directories_are_made_once),
        cmocka_unit_test(a_sweep_takes_half_written_files_only),
        cmocka_unit_test(each_failing_allocation_leaves_no_file),
    };
    return cmocka_run_group_tests_name("base.file", tests, make_dir, remove_dir);
}
