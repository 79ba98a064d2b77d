/* CAA records: who may issue (RFC 8659, its own examples among them). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "model/caa.h"

/* "0 issue ca.example" as the wire has it. */
static struct str record(char *space, unsigned flags, const char *tag, const char *value)
{
    size_t n = strlen(tag), m = strlen(value);
    space[0] = (char)flags;
    space[1] = (char)n;
    memcpy(space + 2, tag, n);
    memcpy(space + 2 + n, value, m);
    return (struct str){space, 2 + n + m};
}

struct row {
    struct {
        unsigned flags;
        const char *tag, *value;
    } v[4];
    bool wildcard;
    enum caa_verdict want;
};

static enum caa_verdict judge(const struct row *row, const char *const *ids, size_t n)
{
    char space[4][256];
    struct str list[4];
    size_t k = 0;
    for (; k < 4 && row->v[k].tag; k++)
        list[k] = record(space[k], row->v[k].flags, row->v[k].tag, row->v[k].value);
    struct caa_set s = caa_read(list, k, row->wildcard);
    return caa_judge(&s, &(struct names){ids, n});
}

static void who_may_issue(void **state)
{
    static const struct row rows[] = {
        {{{0, "issue", "ca1.example"}}, false, CAA_ALLOWED},
        {{{0, "ISSUE", " CA1.example ; account=230123"}}, false, CAA_ALLOWED},
        {{{0, "issue", "other.example"}}, false, CAA_FORBIDDEN},
        {{{0, "issue", "other.example"}, {0, "issue", "ca1.example"}}, false, CAA_ALLOWED},
        {{{0, "issue", ";"}}, false, CAA_FORBIDDEN},
        {{{0, "issue", ""}}, false, CAA_FORBIDDEN},
        {{{0, "issue", "%%%%%"}}, false, CAA_FORBIDDEN},
        {{{0, "iodef", "mailto:a@example.jp"}}, false, CAA_ALLOWED},
        {{{0, "tbs", "Unknown"}}, false, CAA_ALLOWED},
        {{{128, "tbs", "Unknown"}}, false, CAA_FORBIDDEN},
        {{{128, "issue", "ca1.example"}}, false, CAA_ALLOWED},
        /* issuewild counts for wildcards only, and then alone */
        {{{0, "issuewild", "other.example"}}, false, CAA_ALLOWED},
        {{{0, "issuewild", "other.example"}}, true, CAA_FORBIDDEN},
        {{{0, "issue", "other.example"}, {0, "issuewild", "ca1.example"}}, true, CAA_ALLOWED},
        {{{0, "issue", "ca1.example"}, {0, "issuewild", ";"}}, true, CAA_FORBIDDEN},
        {{{0, "issue", "ca1.example"}}, true, CAA_ALLOWED},
    };
    static const char *const us[] = {"ca1.example", "ca1-alias.example"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (judge(&rows[i], us, 2) != rows[i].want)
            fail_msg("row %zu", i);
}

static void not_knowing_our_name(void **state)
{
    static const struct row some = {{{0, "issue", "ca1.example"}}, false, CAA_UNKNOWN};
    static const struct row nobody = {{{0, "issue", ";"}}, false, CAA_FORBIDDEN};
    (void)state;
    assert_int_equal(judge(&some, NULL, 0), CAA_UNKNOWN);
    assert_int_equal(judge(&nobody, NULL, 0), CAA_FORBIDDEN);
}

static void malformed_is_passed_over(void **state)
{
    static const struct str bad[] = {{"", 0}, {"\0", 1}, {"\0\0x", 3}, {"\0\x20issue", 7}};
    (void)state;
    struct caa_set s = caa_read(bad, COUNT_OF(bad), false);
    assert_false(s.restricts);
    assert_false(s.critical);
}

static void climbing(void **state)
{
    (void)state;
    assert_string_equal(caa_parent("a.b.example.jp"), "b.example.jp");
    assert_string_equal(caa_parent("example.jp"), "jp");
    assert_null(caa_parent("jp"));
    assert_null(caa_parent("jp."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_issue),
        cmocka_unit_test(not_knowing_our_name),
        cmocka_unit_test(malformed_is_passed_over),
        cmocka_unit_test(climbing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
