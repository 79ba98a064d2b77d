/* Organisations and contacts: the field tables are sound, what is refused names its field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "model/organisation.h"

static const struct organisation good = {
    .legal_name = " Example Trading Co., Ltd. ",
    .legal_name_ja = "株式会社例示商事",
    .duns = "69-012-3456",
    .registration = "1-2345-6789-0123",
    .category = "private",
    .country = "jp",
    .state = "Tokyo",
    .state_ja = "東京都",
    .locality = "Chiyoda-ku",
    .street_ja = "例示 1-1-1",
    .postal_code = "1000001",
    .phone = "+81-3-0000-0000",
};

static void settle_good(struct organisation *o, struct arena *a)
{
    struct err err = {0};
    if (organisation_settle(o, a, &err) != RC_OK)
        fail_msg("%s: %s", err.field, err.en);
}

static void the_tables_are_sound(void **state)
{
    struct err err = {0};
    (void)state;
    if (schema_check("organisation", organisation_fields, &err) != RC_OK)
        fail_msg("%s", err.en);
    if (schema_check("contact", contact_fields, &err) != RC_OK)
        fail_msg("%s", err.en);
}

static void what_is_kept(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    struct organisation o = good;
    settle_good(&o, a);
    assert_string_equal(o.legal_name, "Example Trading Co., Ltd.");
    assert_string_equal(o.country, "JP");
    assert_string_equal(o.duns, "690123456");
    assert_string_equal(o.registration, "1234567890123");
    assert_string_equal(o.postal_code, "100-0001");
    assert_string_equal(o.legal_name_ja, "株式会社例示商事");
    struct organisation again = o;
    settle_good(&again, a);
    assert_string_equal(again.postal_code, o.postal_code);
    assert_string_equal(again.duns, o.duns);
    /* spaces alone are nothing */
    o = good;
    o.state = "  ";
    settle_good(&o, a);
    assert_null(o.state);
    /* abroad: their own forms */
    o = (struct organisation){.legal_name = "Société Générale d'Exemples",
                              .country = "GB",
                              .locality = "London",
                              .registration = "OC 301234",
                              .postal_code = "SW1A 1AA",
                              .phone = "(020) 7946 0000"};
    settle_good(&o, a);
    assert_string_equal(o.postal_code, "SW1A 1AA");
    assert_string_equal(o.registration, "OC 301234");
}

static void refused(const struct organisation *o, const char *field)
{
    AUTO(arena) struct arena *a = arena_create(0);
    struct organisation x = *o;
    struct err err = {0};
    assert_int_equal(organisation_settle(&x, a, &err), RC_INPUT);
    assert_string_equal(err.field, field);
    assert_true(err.en[0] && err.ja[0]);
}

#define REFUSED(member, value, field)                                                              \
    do {                                                                                           \
        struct organisation o_ = good;                                                             \
        o_.member = (value);                                                                       \
        refused(&o_, field);                                                                       \
    } while (0)

static void what_is_refused(void **state)
{
    static char long_name[66], long_ja[129 * 3 + 1];
    (void)state;
    memset(long_name, 'x', 65);
    for (size_t i = 0; i < 129; i++)
        memcpy(long_ja + 3 * i, "あ", 3);
    REFUSED(legal_name, NULL, "legal_name");
    REFUSED(legal_name, "  ", "legal_name");
    REFUSED(legal_name, long_name, "legal_name");
    REFUSED(legal_name, "株式会社例示商事", "legal_name");
    REFUSED(legal_name, "Ｅｘａｍｐｌｅ", "legal_name"); /* full width */
    REFUSED(legal_name, "Two\nlines", "legal_name");
    REFUSED(legal_name, "Bidi \xe2\x80\xae trick", "legal_name");
    REFUSED(legal_name, "bad \xff", "legal_name");
    REFUSED(legal_name_ja, long_ja, "legal_name_ja");
    REFUSED(country, NULL, "country");
    REFUSED(country, "UK", "country");
    REFUSED(country, "J", "country");
    REFUSED(country, "JPN", "country");
    REFUSED(country, "A ", "country");
    REFUSED(country, "日", "country");
    REFUSED(duns, "12345678", "duns");
    REFUSED(duns, "1234567890", "duns");
    REFUSED(duns, "12345678x", "duns");
    REFUSED(registration, "123456789012", "registration");
    REFUSED(postal_code, "100-000", "postal_code");
    REFUSED(postal_code, "SW1A 1AA", "postal_code");
    REFUSED(phone, "03", "phone");
    REFUSED(phone, "03-0000-0000 ext. 5", "phone");
    REFUSED(phone, "0123456789012345", "phone");
    struct organisation o = good;
    o.state = o.locality = NULL;
    refused(&o, "locality");
    o = good;
    o.country = "GB";
    o.registration = NULL;
    o.postal_code = "SW1A_1AA";
    refused(&o, "postal_code");
    /* just long enough */
    AUTO(arena) struct arena *a = arena_create(0);
    long_name[64] = '\0';
    long_ja[128 * 3] = '\0';
    o = good;
    o.legal_name = long_name;
    o.legal_name_ja = long_ja;
    settle_good(&o, a);
}

static void countries(void **state)
{
    (void)state;
    assert_true(country_is_known("JP"));
    assert_true(country_is_known("AD"));
    assert_true(country_is_known("ZW"));
    assert_false(country_is_known("jp"));
    assert_false(country_is_known("EU"));
    assert_false(country_is_known("P "));
    assert_false(country_is_known("JPN"));
    assert_false(country_is_known(""));
    int n = 0;
    char code[3] = "";
    for (code[0] = 'A'; code[0] <= 'Z'; code[0]++)
        for (code[1] = 'A'; code[1] <= 'Z'; code[1]++)
            n += country_is_known(code);
    assert_int_equal(n, 249);
}

static void contacts(void **state)
{
    (void)state;
    AUTO(arena) struct arena *a = arena_create(0);
    const struct contact person = {.role = "technical",
                                   .name = "Hanako Yamada",
                                   .name_ja = "山田 花子",
                                   .mail = "h@a.example"};
    struct err err = {0};
    struct contact c = person;
    assert_int_equal(contact_settle(&c, a, &err), RC_OK);
    c.mail = "nobody";
    assert_int_equal(contact_settle(&c, a, &err), RC_INPUT);
    assert_string_equal(err.field, "mail");
    c = person;
    c.mail = NULL;
    assert_int_equal(contact_settle(&c, a, &err), RC_INPUT);
    c = person;
    c.name = "山田";
    err = (struct err){0};
    assert_int_equal(contact_settle(&c, a, &err), RC_INPUT);
    assert_string_equal(err.field, "name");
    c = person;
    c.phone = "call me";
    err = (struct err){0};
    assert_int_equal(contact_settle(&c, a, &err), RC_INPUT);
    assert_string_equal(err.field, "phone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_are_sound),
        cmocka_unit_test(what_is_kept),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(countries),
        cmocka_unit_test(contacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
