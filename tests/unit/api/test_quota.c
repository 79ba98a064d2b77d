/* 60: what one person may change in a minute; nobody else is held up, and the audit log says it
 * once. */
#include "unit/api/api_rig.h"

enum { A_MINUTE = 1200 };

static struct answer change(struct api_rig *r, const struct who *w)
{
    return rig_call(r, w, "POST", "/endpoints", "{\"host\":\"a..b\"}"); /* refused, and counted */
}

static int64_t refusals(struct api_rig *r, const struct who *admin)
{
    struct answer x = rig_call(r, admin, "GET", "/audit?limit=500&q=api.changes", NULL);
    assert_int_equal(x.status, 200);
    return (int64_t)json_len(json_get(x.json, "items"));
}

static void a_flood_stops_its_sender_alone(void **state)
{
    struct api_rig r;
    (void)state;
    api_rig_start(&r);
    struct who local = rig_local();
    struct who flood = rig_person(&r, "flood@a.example", "operator", 0);
    struct who other = rig_person(&r, "other@a.example", "operator", 0);
    rig_pass(&r, 60 * USEC_PER_SEC - clock_mono(&r.clock) % (60 * USEC_PER_SEC));
    for (int i = 0; i < A_MINUTE; i++)
        assert_int_equal(change(&r, &flood).status, 400);
    for (int i = 0; i < 5; i++) {
        struct answer x = change(&r, &flood);
        assert_int_equal(x.status, 429);
        assert_string_equal(json_str_or(x.json, "error.id", ""), "api.changes");
        assert_string_equal(json_str_or(x.json, "error.code", ""), "rate");
        assert_non_null(json_str_or(x.json, "error.retry_at", NULL));
        assert_non_null(strstr(json_str_or(x.json, "error.message.ja", ""), "1 分間"));
    }
    assert_int_equal(rig_call(&r, &flood, "GET", "/endpoints", NULL).status, 200);
    assert_int_equal(change(&r, &other).status, 400);
    assert_int_equal(change(&r, &local).status, 400);
    assert_int_equal(refusals(&r, &local), 1);
    rig_pass(&r, 60 * USEC_PER_SEC);
    assert_int_equal(change(&r, &flood).status, 400);
    api_rig_end(&r);
}

static void a_batch_counts_each_of_its_certificates(void **state)
{
    struct api_rig r;
    (void)state;
    api_rig_start(&r);
    struct who local = rig_local();
    struct who admin = rig_person(&r, "admin@a.example", "admin", 0);
    assert_int_equal(
        rig_call(&r, &local, "POST", "/cas", "{\"name\":\"own\",\"type\":\"private\"}").status,
        201);
    rig_pass(&r, 60 * USEC_PER_SEC - clock_mono(&r.clock) % (60 * USEC_PER_SEC));
    for (int i = 0; i < A_MINUTE - 1; i++)
        assert_int_equal(change(&r, &admin).status, 400);
    struct answer x = rig_call(&r, &admin, "POST", "/certs/batch",
                               "{\"ca\":\"own\",\"lines\":[\"a.example\",\"b.example\"]}");
    assert_int_equal(x.status, 429);
    x = rig_call(&r, &local, "GET", "/certs", NULL);
    assert_int_equal(json_len(json_get(x.json, "items")), 0);
    api_rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_stops_its_sender_alone),
        cmocka_unit_test(a_batch_counts_each_of_its_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
