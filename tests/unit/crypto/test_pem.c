/* PEM armour: lax on how people store it, strict on what was cut, hidden or too much. */
#include "unit/crypto/crypto_rig.h"

static struct rig_cert root, leaf;

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return 1;
    rig_ca(&root, NULL, "Root");
    rig_leaf(&leaf, &root, "www.example.jp");
    return 0;
}

static int teardown(void **state)
{
    rig_cert_free(&root);
    rig_cert_free(&leaf);
    return rig_teardown(state);
}

static void expect(struct str pem, bool only, enum rc rc, const char *id, size_t n)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct cert_list list = {0};
    EXPECT(cert_parse_pem(pem, only, a, &list, &err), rc, id);
    assert_int_equal(list.n, n);
    if (n > 0)
        assert_string_equal(list.v[0].common_name, "www.example.jp");
}

static void what_we_write_is_read_here_and_by_openssl(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(8192);
    AUTO(buf) struct buf theirs = BUF(8192);
    cert_to_pem(rig_der(&leaf), &pem);
    rig_write("c.pem", buf_str(&pem));
    MUST_OPENSSL("x509", "-in", rig_path("c.pem"), "-out", rig_path("again.pem"));
    rig_read("again.pem", &theirs);
    assert_string_equal(buf_cstr(&pem), buf_cstr(&theirs));
    expect(buf_str(&pem), true, RC_OK, NULL, 1);
    cert_to_pem(rig_der(&root), &pem);
    expect(buf_str(&pem), true, RC_OK, NULL, 2);
    AUTO(buf) struct buf small = BUF(100);
    cert_to_pem(rig_der(&leaf), &small);
    assert_int_equal(buf_ok(&small, NULL), RC_NOMEM);
}

/* The same text as an editor, a mailer or a Windows box would leave it. */
static void the_ways_people_store_it_are_accepted(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(8192);
    cert_to_pem(rig_der(&leaf), &pem);
    AUTO(buf) struct buf crlf = BUF(16384);
    AUTO(buf) struct buf spaced = BUF(16384);
    AUTO(buf) struct buf one_line = BUF(16384);
    buf_adds(&crlf, "\xef\xbb\xbf\r\nBag Attributes\r\n  subject=CN=x\r\n");
    buf_adds(&spaced, "text before -----\n");
    struct str rest = buf_str(&pem), line;
    while (str_split(&rest, '\n', &line)) {
        buf_addstr(&crlf, line);
        buf_adds(&crlf, "\r\n");
        buf_adds(&spaced, "\t");
        buf_addstr(&spaced, line);
        buf_adds(&spaced, "  \t\n\n");
        buf_addstr(&one_line, line);
        buf_adds(&one_line, str_starts(line, "-----BEGIN") ? "\n" : "");
    }
    buf_adds(&crlf, "text after");
    expect(buf_str(&crlf), true, RC_OK, NULL, 1);
    expect(buf_str(&spaced), true, RC_OK, NULL, 1);
    expect(buf_str(&one_line), true, RC_OK, NULL, 1);
    AUTO(buf) struct buf old = BUF(16384);
    buf_adds(&old, "-----BEGIN X509 CERTIFICATE-----\n");
    base64_add(&old, leaf.der.p, leaf.der.len);
    buf_adds(&old, "\n-----END X509 CERTIFICATE-----");
    expect(buf_str(&old), true, RC_OK, NULL, 1);
}

static void other_blocks_are_skipped_or_refused_by_wish(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(16384);
    AUTO(buf) struct buf key = BUF_SECRET(4096);
    assert_int_equal(key_to_pem(leaf.key, &key, NULL), RC_OK);
    buf_addstr(&pem, buf_str(&key));
    cert_to_pem(rig_der(&leaf), &pem);
    expect(buf_str(&pem), false, RC_OK, NULL, 1);
    expect(buf_str(&pem), true, RC_INPUT, "crypto.pem.other", 0);
    expect(buf_str(&key), false, RC_INPUT, "crypto.pem.none", 0);
    struct str found = pem_find_key(buf_str(&pem));
    assert_true(str_eq(str_trim(found), str_trim(buf_str(&key))));
    AUTO(buf) struct buf only = BUF(8192);
    cert_to_pem(rig_der(&leaf), &only);
    assert_int_equal(pem_find_key(buf_str(&only)).n, 0);
    assert_int_equal(pem_find_key(STR_NONE).n, 0);
}

static void what_was_cut_off_is_not_a_shorter_chain(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(8192);
    cert_to_pem(rig_der(&leaf), &pem);
    size_t one = pem.len;
    cert_to_pem(rig_der(&root), &pem);
    for (size_t n = one + 11; n + 1 < pem.len; n++)
        expect((struct str){pem.p, n}, false, RC_INPUT, "crypto.pem.cut", 0);
    for (size_t n = 11; n + 1 < one; n++)
        expect((struct str){pem.p, n}, false, RC_INPUT, "crypto.pem.cut", 0);
    for (size_t n = 0; n < 11; n++)
        expect((struct str){pem.p, n}, false, RC_INPUT, "crypto.pem.none", 0);
    /* an END of another kind */
    char *end = strstr(pem.p + one, "-----END CERT");
    memcpy(end, "-----END KERT", 13);
    expect(buf_str(&pem), false, RC_INPUT, "crypto.pem.cut", 0);
}

static void bad_content_names_its_block(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(8192);
    cert_to_pem(rig_der(&leaf), &pem);
    size_t one = pem.len;
    cert_to_pem(rig_der(&root), &pem);
    pem.p[one + 100] = '!';
    AUTO(arena) struct arena *a = arena_create(0);
    struct cert_list list = {0};
    struct err err = {0};
    assert_int_equal(cert_parse_pem(buf_str(&pem), false, a, &list, &err), RC_INPUT);
    assert_string_equal(err.id, "crypto.pem.base64");
    assert_non_null(strstr(err.en, "certificate 2"));
    assert_non_null(strstr(err.ja, "2 番目"));
    pem.p[one + 100] = '\0';
    expect(buf_str(&pem), false, RC_INPUT, "crypto.pem.nul", 0);
    expect(STR("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), false, RC_INPUT, NULL,
           0);
    expect(STR("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), false, RC_INPUT,
           "crypto.cert", 0);
    expect(STR_NONE, false, RC_INPUT, "crypto.pem.none", 0);
    expect(STR("<html>not here</html>"), false, RC_INPUT, "crypto.pem.none", 0);
}

static void a_hundred_blocks_and_one_more(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(CERT_MAX_PEM_BYTES);
    for (int i = 0; i < CERT_MAX_PEM_BLOCKS; i++)
        cert_to_pem(rig_der(&leaf), &pem);
    expect(buf_str(&pem), true, RC_OK, NULL, CERT_MAX_PEM_BLOCKS);
    buf_adds(&pem, "-----BEGIN X-----\n-----END X-----\n");
    expect(buf_str(&pem), false, RC_INPUT, "crypto.pem.blocks", 0);
}

static void a_megabyte_and_one_byte_more(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(2 * CERT_MAX_PEM_BYTES);
    cert_to_pem(rig_der(&leaf), &pem);
    while (pem.len < CERT_MAX_PEM_BYTES)
        buf_addc(&pem, ' ');
    expect(buf_str(&pem), true, RC_OK, NULL, 1);
    buf_addc(&pem, ' ');
    expect(buf_str(&pem), true, RC_INPUT, "crypto.pem.big", 0);
}

/* Case 4: one enormous base64 line. */
static void an_enormous_line_is_refused_quickly(void **state)
{
    UNUSED(state);
    size_t n = 50 << 20;
    AUTO(mem) char *p = mem_alloc(n);
    memset(p, 'A', n);
    memcpy(p, "-----BEGIN CERTIFICATE-----\n", 28);
    int64_t t0 = clock_mono(clock_real());
    expect((struct str){p, n}, false, RC_INPUT, "crypto.pem.big", 0);
    memcpy(p + CERT_MAX_PEM_BYTES - 30, "\n-----END CERTIFICATE-----\n", 27);
    expect((struct str){p, CERT_MAX_PEM_BYTES}, false, RC_INPUT, "crypto.pem.base64", 0);
    assert_true(clock_mono(clock_real()) - t0 < USEC_PER_SEC);
}

static void failing_memory_leaks_nothing(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(8192);
    cert_to_pem(rig_der(&leaf), &pem);
    cert_to_pem(rig_der(&root), &pem);
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        struct cert_list list = {0};
        rig_fail(n);
        AUTO(arena) struct arena *a = arena_create(0);
        done = a && cert_parse_pem(buf_str(&pem), true, a, &list, NULL) == RC_OK;
        more = rig_failed(n);
        assert_int_equal(list.n, done ? 2 : 0);
    }
    assert_true(done);
}

static void a_pure_chain_has_nothing_else_in_it(void **state)
{
    UNUSED(state);
    AUTO(buf) struct buf pem = BUF(16384);
    cert_to_pem(rig_der(&leaf), &pem);
    buf_adds(&pem, " \r\n\n");
    cert_to_pem(rig_der(&root), &pem);
    assert_int_equal(pem_pure_certs(buf_str(&pem)), 2);
    assert_int_equal(pem_pure_certs((struct str){pem.p, pem.len - 40}), 0); /* cut */
    assert_int_equal(pem_pure_certs(STR("")), 0);
    assert_int_equal(pem_pure_certs(STR("<html>")), 0);
    const char *const around[][2] = {{"<pre>\n", ""}, {"", "</pre>\n"}, {"Subject: x\n", ""}};
    for (size_t i = 0; i < COUNT_OF(around); i++) {
        AUTO(buf) struct buf b = BUF(16384);
        buf_adds(&b, around[i][0]);
        buf_addstr(&b, buf_str(&pem));
        buf_adds(&b, around[i][1]);
        assert_int_equal(pem_pure_certs(buf_str(&b)), 0);
    }
    AUTO(buf) struct buf other = BUF(16384);
    buf_addstr(&other, buf_str(&pem));
    buf_adds(&other, "-----BEGIN X-----\nAAAA\n-----END X-----\n");
    assert_int_equal(pem_pure_certs(buf_str(&other)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_write_is_read_here_and_by_openssl),
        cmocka_unit_test(the_ways_people_store_it_are_accepted),
        cmocka_unit_test(other_blocks_are_skipped_or_refused_by_wish),
        cmocka_unit_test(what_was_cut_off_is_not_a_shorter_chain),
        cmocka_unit_test(a_pure_chain_has_nothing_else_in_it),
        cmocka_unit_test(bad_content_names_its_block),
        cmocka_unit_test(a_hundred_blocks_and_one_more),
        cmocka_unit_test(a_megabyte_and_one_byte_more),
        cmocka_unit_test(an_enormous_line_is_refused_quickly),
        cmocka_unit_test(failing_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("crypto.pem", tests, setup, teardown);
}
