/* What the end of a licence stops, what it lets finish, and what people are told of it. */
#include "job_rig.h"

#include "job/licence.h"
#include "model/calendar.h"

#define DAY USEC_PER_DAY

static struct key *vendor;

static const char *file_of(struct rig *r, int64_t serial, int64_t ends)
{
    AUTO(buf) struct buf spki = BUF(256), body = BUF(16384), sig = BUF(128), file = BUF(16384);
    struct licence_key pub;
    int64_t now = clock_now(clock_real()) / USEC_PER_SEC * USEC_PER_SEC;
    OK(key_spki(vendor, &spki, err));
    OK(licence_key_from_spki(buf_str(&spki), &pub, err));
    struct licence l = {.serial = serial,
                        .service_code = "123456789012",
                        .licensee = "株式会社サンプル",
                        .plan = "basic",
                        .certificates = 5,
                        .targets = 5,
                        .begins = now - 400 * DAY,
                        .ends = ends / USEC_PER_SEC * USEC_PER_SEC,
                        .installation = "00112233445566778899aabbccddeeff",
                        .issued = now - 300 * DAY,
                        .key_id = pub.id};
    OK(licence_body(&l, &body, err));
    OK(key_sign(vendor, buf_str(&body), &sig, err));
    licence_file(buf_str(&body), (const unsigned char *)sig.p, &file);
    return arena_str(r->a, buf_str(&file));
}

/* As if it had been imported when it still held. */
static void install(struct rig *r, int64_t serial, int64_t ends)
{
    AUTO(buf) struct buf spki = BUF(256);
    AUTO(db) struct db *db = NULL;
    struct licence_key pub;
    struct trusted_key_list keys;
    OK(key_spki(vendor, &spki, err));
    OK(licence_key_from_spki(buf_str(&spki), &pub, err));
    OK(store_begin(r->store, &db, err));
    OK(db_meta_set(db, "installation_id", "00112233445566778899aabbccddeeff", err));
    OK(db_trusted_key_list(db, r->a, &keys, err));
    if (keys.n == 0)
        OK(licence_trust(db, &pub, "init", 1, err));
    struct licence_row row = {
        .serial = serial, .key_id = pub.id, .file = file_of(r, serial, ends), .imported = 1};
    OK(db_licence_add(db, &row, err));
    OK(db_commit(&db, err));
}

static int64_t soon(int64_t usec)
{
    return clock_now(clock_real()) + usec;
}

static void import(struct rig *r, int64_t serial)
{
    AUTO(db) struct db *db = NULL;
    struct licence l;
    OK(store_begin(r->store, &db, err));
    OK(licence_import(db, str_from(file_of(r, serial, soon(300 * DAY))), "test", soon(0), r->a, &l,
                      err));
    OK(db_commit(&db, err));
}

/* The newest notice of the event, as text of its data; NULL when there is none. */
static const char *notice_of(struct rig *r, const char *event)
{
    AUTO(db) struct db *db = NULL;
    struct delivery_list l;
    OK(store_read(r->store, &db, err));
    OK(db_delivery_list(db, 0, 500, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        struct notice n;
        OK(db_notice_get(db, l.v[i].notice_id, r->a, &n, err));
        if (strcmp(n.event, event) == 0)
            return n.data;
    }
    return NULL;
}

static void wait_notice(struct rig *r, const char *event)
{
    for (int i = 0; i < 1000 && !notice_of(r, event); i++)
        usleep(10000);
    if (!notice_of(r, event))
        fail_msg("nobody was told: %s", event);
}

static void nothing_begins_after_the_end_and_all_after_the_import(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 2);
    install(&r, 1, soon(-USEC_PER_SEC));
    int64_t id = rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    struct job j = rig_job(&r, id);
    assert_int_equal(j.state, JOB_BLOCKED);
    assert_non_null(strstr(j.error, "licence.ended"));
    assert_int_equal(world.orders, 0); /* the CA was not asked */
    const char *data = notice_of(&r, "cert.failed");
    assert_non_null(data);
    assert_non_null(strstr(data, "\"licence_ended\":true"));
    /* imported late: taken up at once, without a restart in between */
    e = rig_engine(&r, 0, false);
    import(&r, 2);
    engine_wake(e);
    for (int i = 0; i < 1000 && rig_job(&r, id).state != JOB_DONE; i++)
        usleep(10000);
    assert_true(rig_quiet(&r, 15));
    engine_destroy(e);
    check_deployed(&r, 2);
    rig_end(&r);
}

/* The end comes while the order is open: it is finished, and rolled out. */
static void what_is_under_way_is_finished(void **state)
{
    struct rig r;
    (void)state;
    for (int saves = 2; saves <= 6; saves += 2) {
        rig_begin(&r, 1);
        install(&r, 1, soon(10 * DAY));
        rig_issue(&r, "request");
        struct engine *e = rig_engine(&r, saves, false);
        for (int i = 0; i < 500 && !atomic_load(&e->dead); i++)
            usleep(10000);
        engine_destroy(e);
        assert_int_equal(rig_cert(&r).current_id, 0);
        install(&r, 2, soon(-USEC_PER_SEC)); /* midnight of 31 March */
        e = rig_engine(&r, 0, false);
        if (!rig_quiet(&r, 15))
            fail_msg("not finished after save %d", saves);
        engine_destroy(e);
        assert_int_equal(world.orders, 1);
        check_deployed(&r, 1);
        rig_end(&r);
    }
}

static void due_renewals_are_held_and_told(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    rig_issue(&r, "request");
    struct engine *e = rig_engine(&r, 0, false);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    int64_t first = rig_cert(&r).current_id;
    AUTO(db) struct db *db = NULL;
    OK(store_begin(r.store, &db, err));
    OK(db_cert_set_renew_at(db, r.cert, soon(-USEC_PER_SEC), err));
    OK(db_commit(&db, err));
    install(&r, 1, soon(-3 * DAY));
    e = rig_engine(&r, 0, true);
    wait_notice(&r, "licence.held");
    wait_notice(&r, "licence.ended");
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    assert_int_equal(rig_cert(&r).current_id, first);
    assert_int_equal(world.orders, 1);
    import(&r, 2);
    e = rig_engine(&r, 0, true);
    for (int i = 0; i < 1500 && rig_cert(&r).current_id == first; i++)
        usleep(10000);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    assert_int_equal(world.orders, 2);
    rig_end(&r);
}

static void the_end_is_told_before_it_comes(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    install(&r, 1, jst_midnight(jst_day(soon(0)) + 21)); /* 20 days after today */
    struct engine *e = rig_engine(&r, 0, true);
    wait_notice(&r, "licence.ending");
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    assert_non_null(strstr(notice_of(&r, "licence.ending"), "\"days\":30"));
    assert_null(notice_of(&r, "licence.ended"));
    assert_non_null(strstr(world.subject, "ライセンスの終了まで 30 日以内"));
    assert_non_null(strstr(world.body, "株式会社サンプル"));
    int sent = world.sent;
    e = rig_engine(&r, 0, true); /* said once */
    usleep(300000);
    assert_true(rig_quiet(&r, 10));
    engine_destroy(e);
    assert_int_equal(world.sent, sent);
    rig_end(&r);
}

static void a_damaged_file_is_told(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 0);
    install(&r, 1, soon(100 * DAY));
    AUTO(db) struct db *db = NULL;
    struct licence_row row;
    OK(store_begin(r.store, &db, err));
    OK(db_licence_current(db, r.a, &row, err));
    char *file = arena_strdup(r.a, row.file);
    memcpy(strstr(file, "targets: 5"), "targets: 9", 10);
    row.file = file;
    OK(db_licence_add(db, &row, err));
    OK(db_commit(&db, err));
    struct engine *e = rig_engine(&r, 0, true);
    wait_notice(&r, "licence.broken");
    engine_destroy(e);
    OK(store_read(r.store, &db, err));
    struct licence_now n;
    OK(licence_load(db, soon(0), r.a, &n, err));
    db_rollback(&db);
    assert_true(n.broken && !n.installed);
    assert_string_equal(n.fault.id, "licence.forged");
    assert_int_equal(n.status.targets, 1); /* as ミーツ, and not as edited */
    rig_end(&r);
}

int main(void)
{
    json_init();
    crypto_init();
    OK(key_generate(KEY_ED25519, &vendor, err));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_begins_after_the_end_and_all_after_the_import),
        cmocka_unit_test(what_is_under_way_is_finished),
        cmocka_unit_test(due_renewals_are_held_and_told),
        cmocka_unit_test(the_end_is_told_before_it_comes),
        cmocka_unit_test(a_damaged_file_is_told),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    key_destroy(vendor);
    return bad;
}
