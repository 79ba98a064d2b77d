/* Chains in any order, loops and lengths, verification, and the gate before deployment. */
#include "unit/crypto/crypto_rig.h"

static struct rig_cert root, mid, leaf, other; /* other: a second server certificate */
static struct arena *arena;
static struct str root_pem;
static struct buf root_text;

static int setup(void **state)
{
    if (rig_setup(state) != 0)
        return 1;
    arena = arena_create(0);
    rig_ca(&root, NULL, "Root");
    rig_ca(&mid, &root, "Intermediate");
    rig_leaf(&leaf, &mid, "www.example.jp");
    rig_leaf(&other, &mid, "other.example.jp");
    root_text = BUF(8192);
    cert_to_pem(rig_der(&root), &root_text);
    root_pem = buf_str(&root_text);
    return 0;
}

static int teardown(void **state)
{
    rig_cert_free(&root);
    rig_cert_free(&mid);
    rig_cert_free(&leaf);
    rig_cert_free(&other);
    buf_free(&root_text);
    arena_destroy(arena);
    return rig_teardown(state);
}

static struct cert_list list_of(const struct rig_cert *const *certs, size_t n)
{
    struct cert_list l = {arena_array(arena, n + 1, sizeof(struct cert_info)), n};
    for (size_t i = 0; i < n; i++)
        rig_parse(certs[i], arena, &l.v[i]);
    return l;
}
#define LIST(...)                                                                                  \
    list_of((const struct rig_cert *const[]){__VA_ARGS__},                                         \
            sizeof((const struct rig_cert *const[]){__VA_ARGS__}) / sizeof(void *))

static void is(const struct cert_list *l, size_t i, const struct rig_cert *c)
{
    assert_true(i < l->n);
    assert_true(str_eq(l->v[i].der, rig_der(c)));
}

static void any_order_is_repaired(void **state)
{
    UNUSED(state);
    const struct rig_cert *const three[] = {&leaf, &mid, &root};
    for (int p = 0; p < 6; p++) {
        int a = p % 3, b = (a + 1 + p / 3) % 3, c = 3 - a - b;
        struct cert_list in = LIST(three[a], three[b], three[c]), out;
        size_t dropped;
        EXPECT(chain_order(&in, arena, &out, &dropped, &err), RC_OK, NULL);
        assert_int_equal(out.n, 2);
        assert_int_equal(dropped, 1); /* the root */
        is(&out, 0, &leaf);
        is(&out, 1, &mid);
    }
}

static void duplicates_and_strangers_are_dropped(void **state)
{
    UNUSED(state);
    struct rig_cert stranger = {0};
    rig_ca(&stranger, NULL, "Stranger");
    struct cert_list in = LIST(&mid, &leaf, &leaf, &stranger, &mid, &root), out;
    size_t dropped;
    EXPECT(chain_order(&in, arena, &out, &dropped, &err), RC_OK, NULL);
    assert_int_equal(out.n, 2);
    assert_int_equal(dropped, 4);
    EXPECT(chain_order(&in, arena, &out, NULL, &err), RC_OK, NULL);
    rig_cert_free(&stranger);
}

static void one_server_certificate_must_be_told(void **state)
{
    UNUSED(state);
    struct cert_list in = LIST(&leaf, &mid, &other), out = {0};
    EXPECT(chain_order(&in, arena, &out, NULL, &err), RC_INPUT, "crypto.chain.leaf");
    struct cert_list none = {NULL, 0};
    EXPECT(chain_order(&none, arena, &out, NULL, &err), RC_INPUT, "crypto.chain.leaf");
    assert_int_equal(out.n, 0);
    struct cert_list alone = LIST(&leaf);
    EXPECT(chain_order(&alone, arena, &out, NULL, &err), RC_OK, NULL);
    assert_int_equal(out.n, 1);
    struct cert_list ca_only = LIST(&root);
    EXPECT(chain_order(&ca_only, arena, &out, NULL, &err), RC_OK, NULL);
    assert_int_equal(out.n, 1);
}

static void a_missing_intermediate_ends_the_chain(void **state)
{
    UNUSED(state);
    struct cert_list in = LIST(&root, &leaf), out;
    size_t dropped;
    EXPECT(chain_order(&in, arena, &out, &dropped, &err), RC_OK, NULL);
    assert_int_equal(out.n, 1);
    assert_int_equal(dropped, 1);
    EXPECT(chain_verify(&out, root_pem, false, RIG_NOW, &err), RC_TLS, "crypto.chain.verify");
}

/* A signs B and B signs A: each has two certificates. */
static void a_loop_ends(void **state)
{
    UNUSED(state);
    struct rig_cert a = {0}, b = {0}, a_by_b = {0}, b_by_a = {0}, end = {0};
    rig_ca(&a, NULL, "A");
    rig_ca(&b, NULL, "B");
    a_by_b.key = a.key;
    b_by_a.key = b.key;
    rig_ca(&a_by_b, &b, "A");
    rig_ca(&b_by_a, &a, "B");
    rig_leaf(&end, &a, "loop.example");
    struct cert_list in = LIST(&b_by_a, &end, &a_by_b), out;
    size_t dropped;
    EXPECT(chain_order(&in, arena, &out, &dropped, &err), RC_OK, NULL);
    assert_int_equal(out.n, 3);
    assert_int_equal(dropped, 0);
    is(&out, 0, &end);
    is(&out, 1, &a_by_b);
    is(&out, 2, &b_by_a);
    EXPECT(chain_verify(&out, root_pem, false, RIG_NOW, &err), RC_TLS, "crypto.chain.verify");
    struct cert_list only = LIST(&a_by_b, &b_by_a);
    EXPECT(chain_order(&only, arena, &out, NULL, &err), RC_INPUT, "crypto.chain.leaf");
    a_by_b.key = b_by_a.key = NULL;
    rig_cert_free(&a);
    rig_cert_free(&b);
    rig_cert_free(&a_by_b);
    rig_cert_free(&b_by_a);
    rig_cert_free(&end);
}

static void a_cross_signed_pair_gives_one_path(void **state)
{
    UNUSED(state);
    struct rig_cert second = {0}, cross = {.key = mid.key};
    rig_ca(&second, NULL, "Second Root");
    rig_ca(&cross, &second, "Intermediate");
    struct cert_list in = LIST(&leaf, &cross, &mid), out;
    size_t dropped;
    EXPECT(chain_order(&in, arena, &out, &dropped, &err), RC_OK, NULL);
    assert_int_equal(out.n, 2);
    assert_int_equal(dropped, 1);
    is(&out, 0, &leaf);
    cross.key = NULL;
    rig_cert_free(&second);
    rig_cert_free(&cross);
}

/* steps certificates under a root, leaf last; keys are shared to be quick. */
static void tower(struct rig_cert *v, size_t steps)
{
    char cn[48];
    for (size_t i = 0; i < steps; i++) {
        (void)snprintf(cn, sizeof cn, "step%zu.example", i);
        if (i + 1 < steps)
            rig_ca(&v[i], i ? &v[i - 1] : &root, cn);
        else
            rig_leaf(&v[i], &v[i - 1], cn);
    }
}

static void ten_steps_are_a_chain_and_thirty_are_not(void **state)
{
    UNUSED(state);
    static const size_t steps[] = {CERT_MAX_CHAIN - 1, CERT_MAX_CHAIN, CERT_MAX_CHAIN + 1, 30};
    for (size_t k = 0; k < COUNT_OF(steps); k++) {
        struct rig_cert v[30] = {0};
        const struct rig_cert *p[31];
        tower(v, steps[k]);
        for (size_t i = 0; i < steps[k]; i++)
            p[i] = &v[i];
        p[steps[k]] = &root;
        struct cert_list in = list_of(p, steps[k] + 1), out = {0};
        bool fits = steps[k] <= CERT_MAX_CHAIN;
        EXPECT(chain_order(&in, arena, &out, NULL, &err), fits ? RC_OK : RC_INPUT,
               fits ? NULL : "crypto.chain.long");
        assert_int_equal(out.n, fits ? steps[k] : 0);
        if (fits)
            EXPECT(chain_verify(&out, root_pem, false, RIG_NOW, &err), RC_OK, NULL);
        for (size_t i = 0; i < steps[k]; i++)
            rig_cert_free(&v[i]);
    }
}

/* A hundred certificates that all claim to have issued each other must not cost minutes. */
static void a_crowd_of_namesakes_is_bounded(void **state)
{
    UNUSED(state);
    struct rig_cert v[CERT_MAX_PEM_BLOCKS] = {0};
    const struct rig_cert *p[CERT_MAX_PEM_BLOCKS];
    struct key *k = rig_key(KEY_EC384);
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        v[i].key = k;
        rig_ca(&v[i], NULL, "Same");
        p[i] = &v[i];
    }
    struct cert_list in = list_of(p, COUNT_OF(v)), out = {0};
    int64_t t0 = clock_mono(clock_real());
    EXPECT(chain_order(&in, arena, &out, NULL, &err), RC_INPUT, "crypto.chain.leaf");
    assert_true(clock_mono(clock_real()) - t0 < 3 * USEC_PER_SEC);
    for (size_t i = 0; i < COUNT_OF(v); i++)
        buf_free(&v[i].der);
    key_destroy(k);
}

static void verification_says_why(void **state)
{
    UNUSED(state);
    struct cert_list good = LIST(&leaf, &mid), bare = LIST(&leaf), none = {NULL, 0};
    struct rig_cert stranger = {0};
    AUTO(buf) struct buf wrong = BUF(8192);
    rig_ca(&stranger, NULL, "Root"); /* the same name, another key */
    cert_to_pem(rig_der(&stranger), &wrong);
    EXPECT(chain_verify(&good, root_pem, false, RIG_NOW, &err), RC_OK, NULL);
    EXPECT(chain_verify(&good, buf_str(&wrong), false, RIG_NOW, &err), RC_TLS, NULL);
    EXPECT(chain_verify(&good, STR_NONE, false, RIG_NOW, &err), RC_TLS, NULL);
    EXPECT(chain_verify(&good, STR_NONE, true, RIG_NOW, &err), RC_TLS, NULL);
    EXPECT(chain_verify(&bare, root_pem, false, RIG_NOW, &err), RC_TLS, NULL);
    EXPECT(chain_verify(&none, root_pem, false, RIG_NOW, &err), RC_TLS, NULL);
    EXPECT(chain_verify(&good, STR("junk"), false, RIG_NOW, &err), RC_INPUT, "crypto.pem.none");
    struct err e = {0};
    assert_int_equal(chain_verify(&good, root_pem, false, RIG_NOW + 2 * RIG_YEAR, &e), RC_TLS);
    assert_non_null(strstr(e.en, "expired"));
    assert_int_equal(chain_verify(&good, root_pem, false, RIG_NOW - RIG_YEAR, &e), RC_TLS);
    assert_non_null(strstr(e.en, "not yet valid"));
    rig_cert_free(&stranger);
}

static unsigned char leaf_spki[32];
static const char *const leaf_names[] = {"WWW.example.jp"};

static struct cert_expect wanted(void)
{
    assert_int_equal(key_spki_sha256(leaf.key, leaf_spki, NULL), RC_OK);
    return (struct cert_expect){.spki_sha256 = leaf_spki,
                                .names = leaf_names,
                                .name_count = 1,
                                .now = RIG_NOW,
                                .min_lifetime = 30 * USEC_PER_DAY,
                                .roots_pem = root_pem};
}

static void the_right_certificate_is_accepted(void **state)
{
    UNUSED(state);
    struct cert_list c = LIST(&leaf, &mid);
    struct cert_expect w = wanted();
    EXPECT(cert_accept(&c, &w, &err), RC_OK, NULL);
    w.min_lifetime = RIG_YEAR - USEC_PER_SEC;
    EXPECT(cert_accept(&c, &w, &err), RC_OK, NULL);
    w.min_lifetime = RIG_YEAR;
    EXPECT(cert_accept(&c, &w, &err), RC_REMOTE, "crypto.accept.time");
    w = wanted();
    w.now = RIG_NOW - USEC_PER_DAY - 300 * USEC_PER_SEC; /* skew just allowed by the gate ... */
    EXPECT(cert_accept(&c, &w, &err), RC_TLS, NULL);     /* ... the chain is not valid yet */
    w.now -= USEC_PER_SEC;
    EXPECT(cert_accept(&c, &w, &err), RC_REMOTE, "crypto.accept.time");
}

static void a_wrong_certificate_is_refused_and_says_what(void **state)
{
    UNUSED(state);
    struct cert_list c = LIST(&leaf, &mid), empty = {NULL, 0}, ca = LIST(&mid);
    struct cert_list foreign = LIST(&other, &mid), unlinked = LIST(&leaf, &root);
    struct cert_expect w = wanted();
    unsigned char spki[32];
    EXPECT(cert_accept(&empty, &w, &err), RC_REMOTE, "crypto.accept.none");
    EXPECT(cert_accept(&ca, &w, &err), RC_REMOTE, "crypto.accept.kind");
    EXPECT(cert_accept(&foreign, &w, &err), RC_REMOTE, "crypto.accept.key");
    EXPECT(cert_accept(&unlinked, &w, &err), RC_REMOTE, "crypto.accept.link");
    assert_int_equal(key_spki_sha256(other.key, spki, NULL), RC_OK);
    w.spki_sha256 = spki;
    EXPECT(cert_accept(&foreign, &w, &err), RC_REMOTE, "crypto.accept.missing");
    static const char *const both[] = {"www.example.jp", "b.example.jp"};
    w = wanted();
    w.names = both;
    w.name_count = 2;
    EXPECT(cert_accept(&c, &w, &err), RC_REMOTE, "crypto.accept.missing");
    w.name_count = 0;
    EXPECT(cert_accept(&c, &w, &err), RC_REMOTE, "crypto.accept.extra");
    w = wanted();
    w.roots_pem = STR_NONE;
    EXPECT(cert_accept(&c, &w, &err), RC_TLS, "crypto.chain.verify");
    static const unsigned odd[] = {CERT_ODD_SERIAL, CERT_ODD_SIGNATURE, CERT_ODD_KEY,
                                   CERT_ODD_VALIDITY, CERT_ODD_ENCODING};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        w = wanted();
        c.v[0].unusual = odd[i];
        EXPECT(cert_accept(&c, &w, &err), RC_REMOTE, "crypto.accept.odd");
    }
    c.v[0].unusual = CERT_PRECERT_POISON;
    EXPECT(cert_accept(&c, &w, &err), RC_REMOTE, "crypto.accept.kind");
}

/* Where the CA's root is not known, everything below the chain's top still counts. */
static void an_unknown_root_is_no_free_pass(void **state)
{
    UNUSED(state);
    struct cert_list c = LIST(&leaf, &mid), bare = LIST(&leaf);
    struct cert_expect w = wanted();
    w.roots_pem = STR_NONE;
    w.allow_any_root = true;
    EXPECT(cert_accept(&c, &w, &err), RC_OK, NULL);
    EXPECT(cert_accept(&bare, &w, &err), RC_REMOTE, "crypto.accept.chain");
    /* issued by a server certificate: it links, and is no CA */
    struct rig_cert forged = {.key = leaf.key};
    rig_leaf(&forged, &other, "www.example.jp");
    struct cert_list f = LIST(&forged, &other, &mid);
    EXPECT(cert_accept(&f, &w, &err), RC_TLS, "crypto.chain.verify");
    struct cert_list top = LIST(&forged, &other);
    EXPECT(cert_accept(&top, &w, &err), RC_TLS, "crypto.chain.verify");
    /* an intermediate that has expired */
    struct rig_cert stale = {.key = mid.key}, upper = {0};
    struct issue_spec s = rig_spec("Intermediate", true);
    s.not_after = RIG_NOW - USEC_PER_SEC;
    rig_ca(&upper, &root, "Upper");
    rig_issue(&stale, &upper, &s);
    struct cert_list e = LIST(&leaf, &stale, &upper);
    EXPECT(cert_accept(&e, &w, &err), RC_TLS, "crypto.chain.verify");
    forged.key = stale.key = NULL;
    rig_cert_free(&forged);
    rig_cert_free(&stale);
    rig_cert_free(&upper);
}

static void failing_memory_leaks_nothing(void **state)
{
    UNUSED(state);
    struct cert_list in = LIST(&root, &mid, &leaf);
    struct cert_expect w = wanted();
    bool done = false, more = true;
    for (long n = 1; more; n++) {
        struct cert_list out = {0};
        struct err e = {0};
        rig_fail(n);
        AUTO(arena) struct arena *a = arena_create(0);
        done =
            a && chain_order(&in, a, &out, NULL, &e) == RC_OK && cert_accept(&out, &w, &e) == RC_OK;
        more = rig_failed(n);
        /* no memory is our fault, never the certificate's */
        if (!done && a)
            assert_int_equal(e.rc, RC_NOMEM);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_is_repaired),
        cmocka_unit_test(duplicates_and_strangers_are_dropped),
        cmocka_unit_test(one_server_certificate_must_be_told),
        cmocka_unit_test(a_missing_intermediate_ends_the_chain),
        cmocka_unit_test(a_loop_ends),
        cmocka_unit_test(a_cross_signed_pair_gives_one_path),
        cmocka_unit_test(ten_steps_are_a_chain_and_thirty_are_not),
        cmocka_unit_test(a_crowd_of_namesakes_is_bounded),
        cmocka_unit_test(verification_says_why),
        cmocka_unit_test(the_right_certificate_is_accepted),
        cmocka_unit_test(a_wrong_certificate_is_refused_and_says_what),
        cmocka_unit_test(an_unknown_root_is_no_free_pass),
        cmocka_unit_test(failing_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("crypto.chain", tests, setup, teardown);
}
