/*
 * The schema as numbered, forward-only migrations. Invariant: a published migration is never
 * changed; each runs in one transaction together with the new schema version.
 */
#include "store/store_priv.h"

/*
 * What is history (orders, deployments, deliveries) keeps plain ids and outlives what it names;
 * what is live (certificate -> CA, binding -> target) is a foreign key that refuses removal.
 */
static const char v1[] =
    "CREATE TABLE connector (id {id}, kind TEXT NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL,"
    " settings TEXT, state TEXT, group_id BIGINT NOT NULL, created BIGINT NOT NULL,"
    " updated BIGINT NOT NULL, revision BIGINT NOT NULL, UNIQUE (kind, name));"
    "CREATE TABLE cert (id {id}, name TEXT NOT NULL UNIQUE, names TEXT,"
    " ca_id BIGINT REFERENCES connector (id), key_alg TEXT, challenge TEXT, policy TEXT,"
    " current_id BIGINT NOT NULL, renew_at BIGINT NOT NULL, group_id BIGINT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, revision BIGINT NOT NULL);"
    "CREATE INDEX cert_renew ON cert (renew_at, id) WHERE renew_at > 0;"
    "CREATE INDEX cert_ca ON cert (ca_id);"
    "CREATE TABLE cert_name (cert_id BIGINT NOT NULL REFERENCES cert (id) ON DELETE CASCADE,"
    " name TEXT NOT NULL, PRIMARY KEY (cert_id, name));"
    "CREATE INDEX cert_name_name ON cert_name (name);"
    "CREATE TABLE cert_version (id {id},"
    " cert_id BIGINT NOT NULL REFERENCES cert (id) ON DELETE CASCADE, state BIGINT NOT NULL,"
    " key_alg TEXT, key_sealed TEXT, csr TEXT, chain TEXT, serial TEXT, issuer TEXT, sha256 TEXT,"
    " spki_sha256 TEXT, not_before BIGINT NOT NULL, not_after BIGINT NOT NULL,"
    " created BIGINT NOT NULL, activated BIGINT NOT NULL);"
    "CREATE INDEX version_cert ON cert_version (cert_id, id);"
    "CREATE INDEX version_sha256 ON cert_version (sha256);"
    "CREATE UNIQUE INDEX version_current ON cert_version (cert_id) WHERE state = 2;"
    "CREATE TABLE cert_order (id {id},"
    " cert_id BIGINT NOT NULL REFERENCES cert (id) ON DELETE CASCADE, version_id BIGINT NOT NULL,"
    " ca_id BIGINT NOT NULL, job_id BIGINT NOT NULL, state BIGINT NOT NULL, reason TEXT, data TEXT,"
    " error TEXT, created BIGINT NOT NULL, updated BIGINT NOT NULL);"
    "CREATE INDEX order_cert ON cert_order (cert_id, id);"
    "CREATE INDEX order_open ON cert_order (id) WHERE state = 0;"
    "CREATE TABLE binding (id {id}, cert_id BIGINT NOT NULL REFERENCES cert (id),"
    " target_id BIGINT NOT NULL REFERENCES connector (id), place TEXT, seq BIGINT NOT NULL,"
    " version_id BIGINT NOT NULL, state TEXT, error TEXT, created BIGINT NOT NULL,"
    " updated BIGINT NOT NULL, revision BIGINT NOT NULL, UNIQUE (cert_id, target_id, place));"
    "CREATE INDEX binding_target ON binding (target_id);"
    "CREATE TABLE deployment (id {id},"
    " cert_id BIGINT NOT NULL REFERENCES cert (id) ON DELETE CASCADE, version_id BIGINT NOT NULL,"
    " previous_id BIGINT NOT NULL, job_id BIGINT NOT NULL, state BIGINT NOT NULL, reason TEXT,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL);"
    "CREATE INDEX deployment_cert ON deployment (cert_id, id);"
    "CREATE TABLE deploy_item (id {id},"
    " deployment_id BIGINT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,"
    " binding_id BIGINT NOT NULL, state BIGINT NOT NULL, plan TEXT, receipt TEXT, error TEXT,"
    " updated BIGINT NOT NULL);"
    "CREATE INDEX item_deployment ON deploy_item (deployment_id, id);"
    "CREATE TABLE endpoint (id {id}, host TEXT NOT NULL, port BIGINT NOT NULL, sni TEXT,"
    " starttls TEXT, cert_id BIGINT REFERENCES cert (id) ON DELETE SET NULL, every BIGINT NOT NULL,"
    " next_at BIGINT NOT NULL, state TEXT, seen TEXT, seen_at BIGINT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL);"
    "CREATE UNIQUE INDEX endpoint_place ON endpoint (host, port, coalesce(sni, ''),"
    " coalesce(starttls, 'none'));"
    "CREATE INDEX endpoint_next ON endpoint (next_at, id);"
    "CREATE INDEX endpoint_cert ON endpoint (cert_id);"
    "CREATE TABLE observation (id {id},"
    " endpoint_id BIGINT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE, addr TEXT,"
    " at BIGINT NOT NULL, sha256 TEXT, subject TEXT, issuer TEXT, protocol TEXT,"
    " not_after BIGINT NOT NULL, trusted BIGINT NOT NULL, chain TEXT, error TEXT);"
    "CREATE INDEX observation_endpoint ON observation (endpoint_id, id);"
    "CREATE INDEX observation_at ON observation (endpoint_id, at);"
    "CREATE TABLE job (id {id}, kind TEXT NOT NULL, subject TEXT, step TEXT, state BIGINT NOT NULL,"
    " run_at BIGINT NOT NULL, lease_owner TEXT, lease_until BIGINT NOT NULL,"
    " lease_no BIGINT NOT NULL, attempts BIGINT NOT NULL, dedup_key TEXT, cap_key TEXT,"
    " payload TEXT, progress TEXT, activity_en TEXT, activity_ja TEXT, error TEXT,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, finished BIGINT NOT NULL,"
    " next_at BIGINT GENERATED ALWAYS AS"
    " (CASE state WHEN 0 THEN run_at WHEN 1 THEN lease_until END) STORED);"
    "CREATE INDEX job_next ON job (next_at, id, cap_key) WHERE next_at IS NOT NULL;"
    "CREATE INDEX job_running ON job (cap_key, lease_until) WHERE state = 1;"
    "CREATE INDEX job_open ON job (id) WHERE state IN (0, 1, 4);"
    "CREATE UNIQUE INDEX job_dedup ON job (dedup_key) WHERE state IN (0, 1, 4);"
    "CREATE INDEX job_subject ON job (subject, id);"
    "CREATE TABLE challenge (token TEXT PRIMARY KEY, key_auth TEXT NOT NULL,"
    " expires BIGINT NOT NULL);"
    "CREATE INDEX challenge_expires ON challenge (expires);"
    "CREATE TABLE ledger (id {id}, ca_id BIGINT NOT NULL REFERENCES connector (id)"
    " ON DELETE CASCADE, what TEXT NOT NULL, item TEXT NOT NULL, at BIGINT NOT NULL);"
    "CREATE INDEX ledger_item ON ledger (ca_id, what, item, at);"
    "CREATE TABLE app_user (id {id}, login TEXT NOT NULL UNIQUE, name TEXT, role TEXT NOT NULL,"
    " lang TEXT, password TEXT, must_change BIGINT NOT NULL, disabled BIGINT NOT NULL,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, revision BIGINT NOT NULL);"
    "CREATE TABLE app_session (id_hash TEXT PRIMARY KEY,"
    " user_id BIGINT NOT NULL REFERENCES app_user (id) ON DELETE CASCADE, created BIGINT NOT NULL,"
    " last_seen BIGINT NOT NULL, expires BIGINT NOT NULL, csrf TEXT, address TEXT, agent TEXT);"
    "CREATE INDEX session_user_id ON app_session (user_id);"
    "CREATE INDEX session_expires ON app_session (expires);"
    "CREATE TABLE audit (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT, origin TEXT,"
    " action TEXT, subject TEXT, detail TEXT, result TEXT, prev_hash TEXT, hash TEXT NOT NULL);"
    "CREATE TABLE notice (id {id}, event TEXT NOT NULL, subject TEXT, dedup_key TEXT UNIQUE,"
    " data TEXT, created BIGINT NOT NULL);"
    "CREATE TABLE delivery (id {id},"
    " notice_id BIGINT NOT NULL REFERENCES notice (id) ON DELETE CASCADE,"
    " notifier_id BIGINT NOT NULL, lang TEXT, state TEXT NOT NULL, reply TEXT, error TEXT,"
    " attempts BIGINT NOT NULL, updated BIGINT NOT NULL);"
    "CREATE INDEX delivery_notice ON delivery (notice_id);"
    "CREATE INDEX delivery_waiting ON delivery (notifier_id) WHERE state = 'waiting';";

/* The end of the version in service beside the certificate: lists are sorted by it. */
static const char v2[] =
    "ALTER TABLE cert ADD COLUMN not_after BIGINT NOT NULL DEFAULT 0;"
    "UPDATE cert SET not_after = coalesce((SELECT v.not_after FROM cert_version v"
    " WHERE v.id = cert.current_id), 0);"
    "CREATE INDEX cert_not_after ON cert (not_after, id);"
    "CREATE INDEX cert_created ON cert (created, id);";

/* The installed licence, whom it may come from, what counts as a target; and the vendor's desk. */
static const char v3[] =
    "CREATE TABLE licence (id {id}, serial BIGINT NOT NULL, key_id TEXT NOT NULL,"
    " file TEXT NOT NULL, imported BIGINT NOT NULL, actor TEXT);"
    "CREATE TABLE licence_key (id {id}, key_id TEXT NOT NULL UNIQUE, pub TEXT NOT NULL,"
    " revoked BIGINT NOT NULL, source TEXT, added BIGINT NOT NULL);"
    "CREATE TABLE licence_seat (connector_id BIGINT PRIMARY KEY"
    " REFERENCES connector (id) ON DELETE CASCADE, address TEXT NOT NULL);"
    "CREATE INDEX licence_seat_address ON licence_seat (address);"
    "INSERT INTO licence_seat (connector_id, address)"
    " SELECT id, lower(name) FROM connector WHERE kind = 'target';"
    "CREATE TABLE vendor_key (id {id}, key_id TEXT, pub TEXT, sealed TEXT, place TEXT,"
    " state TEXT NOT NULL, created BIGINT NOT NULL);"
    "CREATE TABLE vendor_customer (id {id}, service_code TEXT NOT NULL UNIQUE,"
    " name TEXT NOT NULL UNIQUE, mail TEXT, lang TEXT, installation TEXT, state TEXT NOT NULL,"
    " ends_on BIGINT NOT NULL, created BIGINT NOT NULL, updated BIGINT NOT NULL,"
    " revision BIGINT NOT NULL);"
    "CREATE TABLE vendor_order (id {id},"
    " customer_id BIGINT NOT NULL REFERENCES vendor_customer (id), kind TEXT NOT NULL,"
    " basics BIGINT NOT NULL, servers BIGINT NOT NULL, ordered_on BIGINT NOT NULL,"
    " accept_on BIGINT NOT NULL, share_due BIGINT NOT NULL, starts_on BIGINT NOT NULL,"
    " begins_on BIGINT NOT NULL, ends_on BIGINT NOT NULL, accepted_at BIGINT NOT NULL,"
    " state TEXT NOT NULL, licence_id BIGINT NOT NULL, created BIGINT NOT NULL,"
    " updated BIGINT NOT NULL);"
    "CREATE INDEX vendor_order_customer ON vendor_order (customer_id, id);"
    "CREATE TABLE vendor_licence (id {id},"
    " customer_id BIGINT NOT NULL REFERENCES vendor_customer (id), order_id BIGINT NOT NULL,"
    " plan TEXT NOT NULL, certificates BIGINT NOT NULL, targets BIGINT NOT NULL,"
    " begins BIGINT NOT NULL, ends BIGINT NOT NULL, installation TEXT NOT NULL,"
    " key_id TEXT NOT NULL, file_name TEXT UNIQUE, file TEXT, created BIGINT NOT NULL);"
    "CREATE INDEX vendor_licence_customer ON vendor_licence (customer_id, id);"
    "CREATE TABLE vendor_share (id {id},"
    " customer_id BIGINT NOT NULL REFERENCES vendor_customer (id),"
    " token_hash TEXT NOT NULL UNIQUE, expires BIGINT NOT NULL, created BIGINT NOT NULL,"
    " hits BIGINT NOT NULL, last_hit BIGINT NOT NULL);"
    "CREATE INDEX vendor_share_customer ON vendor_share (customer_id, id);"
    "CREATE TABLE vendor_fee (id {id}, item TEXT NOT NULL, from_month BIGINT NOT NULL,"
    " yen BIGINT NOT NULL, UNIQUE (item, from_month));"
    "CREATE TABLE vendor_ledger (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor TEXT,"
    " event TEXT NOT NULL, customer_id BIGINT NOT NULL, order_id BIGINT NOT NULL, detail TEXT,"
    " prev_hash TEXT, hash TEXT NOT NULL);";

/* People: groups that own things, second factors, tokens. */
static const char v4[] =
    "CREATE TABLE user_group (id {id}, name TEXT NOT NULL UNIQUE, about TEXT, notify TEXT,"
    " created BIGINT NOT NULL, updated BIGINT NOT NULL, revision BIGINT NOT NULL);"
    "CREATE TABLE group_member (group_id BIGINT NOT NULL REFERENCES user_group (id)"
    " ON DELETE CASCADE, user_id BIGINT NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,"
    " PRIMARY KEY (group_id, user_id));"
    "CREATE INDEX group_member_user ON group_member (user_id);"
    "ALTER TABLE endpoint ADD COLUMN group_id BIGINT NOT NULL DEFAULT 0;"
    "CREATE INDEX cert_group ON cert (group_id, id);"
    "CREATE INDEX connector_group ON connector (group_id, id);"
    "CREATE INDEX endpoint_group ON endpoint (group_id, id);"
    "ALTER TABLE app_user ADD COLUMN totp TEXT;"
    "ALTER TABLE app_user ADD COLUMN totp_new TEXT;"
    "ALTER TABLE app_user ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE app_user ADD COLUMN signed_in BIGINT NOT NULL DEFAULT 0;"
    "CREATE TABLE recovery_code (user_id BIGINT NOT NULL REFERENCES app_user (id)"
    " ON DELETE CASCADE, hash TEXT NOT NULL, PRIMARY KEY (user_id, hash));"
    "ALTER TABLE app_session ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;"
    "CREATE TABLE api_token (id {id}, user_id BIGINT NOT NULL REFERENCES app_user (id)"
    " ON DELETE CASCADE, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, role TEXT NOT NULL,"
    " group_ids TEXT, created BIGINT NOT NULL, expires BIGINT NOT NULL,"
    " last_used BIGINT NOT NULL, last_address TEXT);"
    "CREATE INDEX token_user ON api_token (user_id);"
    "ALTER TABLE delivery ADD COLUMN recipients TEXT;";

/* Applicants: what OV and EV applications ask, and which certificates carry whose subject. */
static const char v5[] =
    "CREATE TABLE organisation (id {id}, name TEXT NOT NULL UNIQUE, legal_name TEXT NOT NULL,"
    " legal_name_ja TEXT, duns TEXT, registration TEXT, category TEXT, country TEXT NOT NULL,"
    " state TEXT, state_ja TEXT, locality TEXT, locality_ja TEXT, street TEXT, street_ja TEXT,"
    " postal_code TEXT, phone TEXT, group_id BIGINT NOT NULL, created BIGINT NOT NULL,"
    " updated BIGINT NOT NULL, revision BIGINT NOT NULL);"
    "CREATE INDEX organisation_group ON organisation (group_id, id);"
    "CREATE TABLE contact (id {id}, organisation_id BIGINT NOT NULL REFERENCES organisation (id)"
    " ON DELETE CASCADE, role TEXT NOT NULL, name TEXT NOT NULL, name_ja TEXT, title TEXT,"
    " title_ja TEXT, mail TEXT, phone TEXT);"
    "CREATE INDEX contact_organisation ON contact (organisation_id, id);"
    "ALTER TABLE cert ADD COLUMN organisation_id BIGINT REFERENCES organisation (id);"
    "CREATE INDEX cert_organisation ON cert (organisation_id) WHERE organisation_id IS NOT NULL;";

/* What certificates are searched by, and tags. {bytes}: in the order of the bytes, whatever the
 * language of the database; repo_term.c fills the rows. */
static const char v6[] =
    "ALTER TABLE cert ADD COLUMN tags TEXT;"
    "CREATE TABLE cert_term (cert_id BIGINT NOT NULL REFERENCES cert (id) ON DELETE CASCADE,"
    " term TEXT{bytes} NOT NULL, PRIMARY KEY (cert_id, term)){clustered};"
    "CREATE INDEX cert_term_term ON cert_term (term, cert_id);"
    "CREATE INDEX cert_unissued ON cert (id) WHERE current_id = 0;"
    "CREATE INDEX binding_trouble ON binding (cert_id) WHERE state IN ('failed', 'drift');"
    "CREATE INDEX version_revoked ON cert_version (cert_id) WHERE state = 4;";

/* The life of a vendor's key: who said that it follows which, and since when it is what it is. */
static const char v7[] = "ALTER TABLE vendor_key ADD COLUMN statement TEXT;"
                         "ALTER TABLE vendor_key ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;";

/* List screens as people left them. */
static const char v8[] =
    "CREATE TABLE saved_view (id {id}, user_id BIGINT NOT NULL REFERENCES app_user (id)"
    " ON DELETE CASCADE, group_id BIGINT NOT NULL, screen TEXT NOT NULL, name TEXT NOT NULL,"
    " query TEXT, created BIGINT NOT NULL, updated BIGINT NOT NULL,"
    " UNIQUE (user_id, screen, name));"
    "CREATE INDEX saved_view_group ON saved_view (group_id) WHERE group_id > 0;";

/* Why a certificate that a CA sent was not taken. */
static const char v9[] = "ALTER TABLE cert_version ADD COLUMN refused TEXT;";

/* What people filter by, in tables that only grow. */
static const char v10[] = "CREATE INDEX audit_subject ON audit (subject, id);"
                          "CREATE INDEX job_kind ON job (kind, id);"
                          "CREATE INDEX job_bad ON job (id) WHERE state IN (3, 5);"
                          "CREATE INDEX delivery_updated ON delivery (updated);";

/* Endpoints say whether somebody changed them, as everything else does. */
static const char v11[] = "ALTER TABLE endpoint ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;";

/* A CSR whose key was made elsewhere. */
static const char v12[] = "ALTER TABLE cert ADD COLUMN csr TEXT;";

/* The history of a target, which outlives its bindings; what list screens filter by. */
static const char v13[] =
    "ALTER TABLE deploy_item ADD COLUMN target_id BIGINT NOT NULL DEFAULT 0;"
    "UPDATE deploy_item SET target_id = coalesce((SELECT b.target_id FROM binding b"
    " WHERE b.id = deploy_item.binding_id), 0);"
    "CREATE INDEX item_target ON deploy_item (target_id, deployment_id);"
    "CREATE INDEX deployment_rare ON deployment (id) WHERE state IN (0, 2, 3);"
    "CREATE INDEX order_rare ON cert_order (id) WHERE state IN (2, 3);";

/* All that is not done: deployments can be stopped too. */
static const char v14[] = "DROP INDEX deployment_rare;"
                          "CREATE INDEX deployment_rare ON deployment (id) WHERE state <> 1;";

/* When a certificate begins to be "expiring", and how many end and begin so on which day. */
static const char v15[] =
    "ALTER TABLE cert ADD COLUMN warn_at BIGINT NOT NULL DEFAULT 0;"
    "UPDATE cert SET warn_at = coalesce((SELECT v.not_after - (v.not_after - v.not_before) / 6"
    " FROM cert_version v WHERE v.id = cert.current_id), 0);"
    "CREATE INDEX cert_warn ON cert (warn_at, not_after);"
    "CREATE TABLE cert_count (end_day BIGINT NOT NULL, warn_day BIGINT NOT NULL,"
    " group_id BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (end_day, warn_day, group_id));"
    "CREATE TABLE cert_count_news (end_day BIGINT NOT NULL, warn_day BIGINT NOT NULL,"
    " group_id BIGINT NOT NULL, n BIGINT NOT NULL, taken BIGINT NOT NULL);"
    "INSERT INTO cert_count (end_day, warn_day, group_id, n) SELECT not_after / 86400000000,"
    " warn_at / 86400000000, group_id, count(*) FROM cert GROUP BY 1, 2, 3;"
    "CREATE INDEX endpoint_state ON endpoint (state, id, group_id);"
    "CREATE INDEX endpoint_bad ON endpoint (id) WHERE state NOT IN ('ok', 'new');";

/* What stands at many addresses, looked at once. */
static const char v16[] =
    "CREATE TABLE discovery (id {id}, name TEXT NOT NULL, total BIGINT NOT NULL,"
    " looked BIGINT NOT NULL, found BIGINT NOT NULL, group_id BIGINT NOT NULL,"
    " job_id BIGINT NOT NULL, actor TEXT, created BIGINT NOT NULL, updated BIGINT NOT NULL);"
    "CREATE INDEX discovery_group ON discovery (group_id, id);"
    "CREATE TABLE discovery_item (id {id}, discovery_id BIGINT NOT NULL"
    " REFERENCES discovery (id) ON DELETE CASCADE, host TEXT NOT NULL, port BIGINT NOT NULL,"
    " kind TEXT NOT NULL, addr TEXT, protocol TEXT, sha256 TEXT, subject TEXT, issuer TEXT,"
    " serial TEXT, key_alg TEXT, name TEXT, names TEXT, not_before BIGINT NOT NULL,"
    " not_after BIGINT NOT NULL, trusted BIGINT NOT NULL, chain TEXT, error TEXT,"
    " seen_at BIGINT NOT NULL);"
    "CREATE INDEX discovery_item_of ON discovery_item (discovery_id, id);"
    "CREATE INDEX discovery_item_left ON discovery_item (discovery_id, id)"
    " WHERE kind = 'waiting';"
    "CREATE INDEX observation_sha256 ON observation (endpoint_id, sha256, id);";

/* Leave to begin a roll-out that waits for somebody or for its time. */
static const char v17[] =
    "CREATE TABLE approval (job_id BIGINT PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,"
    " approved BIGINT NOT NULL, begin_now BIGINT NOT NULL, actor TEXT, at BIGINT NOT NULL);";

const struct migration store_migrations[] = {
    {1, v1, NULL},
    {2, v2, NULL},
    {3, v3, NULL},
    {4, v4, NULL},
    {5, v5, NULL},
    {6, v6, terms_fill},
    {7, v7, NULL},
    {8, v8, NULL},
    {9, v9, NULL},
    {10, v10, NULL},
    {11, v11, NULL},
    {12, v12, NULL},
    {13, v13, NULL},
    {14, v14, NULL},
    {15, v15, NULL},
    {16, v16, NULL},
    {17, v17, NULL},
#ifdef INRO_EXTRA_MIGRATION /* tests of upgrades build a program of the future */
    {
        1000,
#include INRO_EXTRA_MIGRATION
        ,
        NULL,
    },
#endif
};
const size_t store_migration_count = COUNT_OF(store_migrations);
