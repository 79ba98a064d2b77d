/*
 * Repositories: one block per entity. *_add sets the id in the record; *_get is RC_NOT_FOUND when
 * absent; *_update with a revision is RC_CONFLICT when someone else was first. Lists page by key:
 * `after` is the last id seen (0 = from the start), `limit` 1..1000. Results live in the arena.
 */
#ifndef INRO_STORE_REPO_H
#define INRO_STORE_REPO_H

#include "model/types.h"
#include "store/store.h"

#define LIST_OF(type)                                                                              \
    struct type##_list {                                                                           \
        struct type *v;                                                                            \
        size_t n;                                                                                  \
    }
LIST_OF(connector);
struct cert_page {
    struct cert *v;
    size_t n;
};
LIST_OF(cert_version);
LIST_OF(order);
LIST_OF(binding);
LIST_OF(deployment);
LIST_OF(deploy_item);
LIST_OF(endpoint);
LIST_OF(observation);
LIST_OF(job);
LIST_OF(user);
LIST_OF(session);
LIST_OF(group);
LIST_OF(token);
LIST_OF(organisation);
LIST_OF(saved_view);
LIST_OF(contact);
LIST_OF(audit);
LIST_OF(notice);
LIST_OF(delivery);

/* connectors */
MUST enum rc db_connector_add(struct db *db, struct connector *c, struct err *err);
MUST enum rc db_connector_get(struct db *db, int64_t id, struct arena *a, struct connector *ret,
                              struct err *err);
MUST enum rc db_connector_find(struct db *db, const char *kind, const char *name, struct arena *a,
                               struct connector *ret, struct err *err);
MUST enum rc db_connector_list(struct db *db, const char *kind, int64_t after, int limit,
                               struct arena *a, struct connector_list *ret, struct err *err);
MUST enum rc db_connector_update(struct db *db, const struct connector *c, struct err *err);
MUST enum rc db_connector_set_state(struct db *db, int64_t id, const char *state, struct err *err);
/* RC_CONFLICT when certificates, bindings or open work refer to it. */
MUST enum rc db_connector_remove(struct db *db, int64_t id, struct err *err);

/* certificates and versions */
MUST enum rc db_cert_add(struct db *db, struct cert *c, struct err *err);
MUST enum rc db_cert_get(struct db *db, int64_t id, struct arena *a, struct cert *ret,
                         struct err *err);
MUST enum rc db_cert_find(struct db *db, const char *name, struct arena *a, struct cert *ret,
                          struct err *err);
MUST enum rc db_cert_list(struct db *db, int64_t after, int limit, struct arena *a,
                          struct cert_page *ret, struct err *err);
/* Those that hold exactly this name. */
MUST enum rc db_cert_named(struct db *db, const char *name, int limit, struct arena *a,
                           struct cert_page *ret, struct err *err);
/* All tags in use, in order. */
MUST enum rc db_tag_list(struct db *db, int limit, struct arena *a, struct names *ret,
                         struct err *err);
MUST enum rc db_cert_count(struct db *db, int64_t *ret, struct err *err);
MUST enum rc db_cert_update(struct db *db, const struct cert *c, struct err *err);
MUST enum rc db_cert_remove(struct db *db, int64_t id, struct err *err);
MUST enum rc db_cert_set_renew_at(struct db *db, int64_t id, int64_t at, struct err *err);
/* Certificates whose renew_at has come and that have no open issue job. */
MUST enum rc db_cert_due(struct db *db, int64_t now, int limit, struct arena *a,
                         struct cert_page *ret, struct err *err);

/* A page of the certificate screen: sorted, filtered, continued after the last row seen. */
enum cert_sort { CERT_BY_NAME = 0, CERT_BY_EXPIRY, CERT_BY_RENEWAL, CERT_BY_AGE, CERT_SORTS };
struct cert_query {
    /*
     * Words, each of which must be found: at the start of a word of a name, a SAN or a tag ("shop",
     * "example.jp"), or at the start of a serial number or fingerprint. "#tag" a tag from its
     * start; "*text" anywhere inside a name, by looking at all of them. NULL = all.
     */
    const char *text;
    struct names tags;                         /* all of them; words and tags are four at most */
    int64_t healths;                           /* bits 1 << enum cert_health; 0 = any */
    int64_t ca_id, target_id, organisation_id; /* 0 = any */
    int64_t end_from, end_before;              /* of validity; 0 = open */
    int64_t now;
    enum cert_sort sort; /* CERT_BY_RENEWAL shows only those with a renewal planned */
    bool down;
    bool more; /* continue after (after_name or after_value, after_id) */
    const char *after_name;
    int64_t after_value, after_id;
    int limit;
    int few; /* so many rows are sorted rather than looked for in order; 0 = the store's own idea */
};
MUST enum rc db_cert_query(struct db *db, const struct cert_query *q, struct arena *a,
                           struct cert_page *ret, struct err *err);

/* Counts for the first page. */
struct tally { /* name or (a, b) -> n */
    const char *name;
    int64_t a, b, n;
};
LIST_OF(tally);
/* a = enum cert_health, b = week of the end, from the beginning of this day in UTC (-1 = outside of
 * the weeks, or ended), n certificates */
MUST enum rc db_cert_tally(struct db *db, int64_t now, int weeks, struct arena *a,
                           struct tally_list *ret, struct err *err);
/* Adds up what changed since: now and then, so that the counts stay few. They are right without. */
MUST enum rc db_cert_tally_fold(struct db *db, struct err *err);
/* Counts anew when they do not add up to the certificates there are (a store somebody worked on by
 * other ways); *ret_mended says so. */
MUST enum rc db_cert_tally_mend(struct db *db, bool *ret_mended, struct err *err);
/* b = day of the planned renewal from now (-1 = overdue) */
MUST enum rc db_renewal_tally(struct db *db, int64_t now, int days, struct arena *a,
                              struct tally_list *ret, struct err *err);
/* open jobs: a = enum job_state, b = 0 issue, 1 deploy, 2 other */
MUST enum rc db_job_tally(struct db *db, struct arena *a, struct tally_list *ret, struct err *err);
MUST enum rc db_endpoint_tally(struct db *db, struct arena *a, struct tally_list *ret,
                               struct err *err);
MUST enum rc db_connector_tally(struct db *db, struct arena *a, struct tally_list *ret,
                                struct err *err);
MUST enum rc db_delivery_tally(struct db *db, int64_t since, struct arena *a,
                               struct tally_list *ret, struct err *err);

/* Of the whole installation, whoever asks. Times 0 = none. */
struct engine_counts {
    int64_t due, oldest;               /* ready and its time has come; since when */
    int64_t running, waiting, blocked; /* open work without the tick itself */
    int64_t tick_at, tick_next;        /* the tick ran, and runs or should have run again */
    int64_t look_next, renewal_next;   /* the earliest that is planned */
    bool clock_wrong;
};
MUST enum rc db_engine_counts(struct db *db, int64_t now, struct arena *a,
                              struct engine_counts *ret, struct err *err);

MUST enum rc db_version_add(struct db *db, struct cert_version *v, struct err *err);
MUST enum rc db_version_get(struct db *db, int64_t id, struct arena *a, struct cert_version *ret,
                            struct err *err);
MUST enum rc db_version_list(struct db *db, int64_t cert_id, struct arena *a,
                             struct cert_version_list *ret, struct err *err);
/* Versions in service at some time, of the certificates of a group, that end in (after, before). */
struct served_version {
    int64_t cert_id, renew_at, not_before, not_after, activated;
    int64_t replaced; /* when the next one took its place; 0 = it is in service */
};
LIST_OF(served_version);
MUST enum rc db_version_served(struct db *db, int64_t group_id, int64_t after, int64_t before,
                               int limit, struct arena *a, struct served_version_list *ret,
                               struct err *err);
MUST enum rc db_version_update(struct db *db, const struct cert_version *v, struct err *err);
/* The switch: version becomes CURRENT, the former one ARCHIVED, cert.current_id and renew_at set.
 */
MUST enum rc db_version_activate(struct db *db, int64_t version_id, int64_t renew_at, int64_t now,
                                 struct err *err);
/* It was refused and is now accepted: the refused row goes. */
MUST enum rc db_version_forgive(struct db *db, int64_t cert_id, const char *sha256,
                                struct err *err);
MUST enum rc db_version_find_sha256(struct db *db, const char *sha256, struct arena *a,
                                    struct cert_version *ret, struct err *err);
/* Walks all versions with keys (integrity check). */
MUST enum rc db_version_page(struct db *db, int64_t after, int limit, struct arena *a,
                             struct cert_version_list *ret, struct err *err);

/* orders */
MUST enum rc db_order_add(struct db *db, struct order *o, struct err *err);
MUST enum rc db_order_get(struct db *db, int64_t id, struct arena *a, struct order *ret,
                          struct err *err);
MUST enum rc db_order_list(struct db *db, int64_t cert_id /* 0 = all */, bool only_open,
                           int64_t after, int limit, struct arena *a, struct order_list *ret,
                           struct err *err);
MUST enum rc db_order_update(struct db *db, const struct order *o, struct err *err);

/* bindings, deployments */
MUST enum rc db_binding_add(struct db *db, struct binding *b, struct err *err);
MUST enum rc db_binding_get(struct db *db, int64_t id, struct arena *a, struct binding *ret,
                            struct err *err);
MUST enum rc db_binding_list(struct db *db, int64_t cert_id, int64_t target_id, struct arena *a,
                             struct binding_list *ret, struct err *err); /* 0 = any */
MUST enum rc db_binding_update(struct db *db, const struct binding *b, struct err *err);
MUST enum rc db_binding_remove(struct db *db, int64_t id, struct err *err);
MUST enum rc db_deployment_add(struct db *db, struct deployment *d, struct err *err);
MUST enum rc db_deployment_get(struct db *db, int64_t id, struct arena *a, struct deployment *ret,
                               struct err *err);
MUST enum rc db_deployment_list(struct db *db, int64_t cert_id, int64_t before, int limit,
                                struct arena *a, struct deployment_list *ret, struct err *err);
MUST enum rc db_deployment_set_state(struct db *db, int64_t id, enum deployment_state s,
                                     int64_t now, struct err *err);
MUST enum rc db_item_add(struct db *db, struct deploy_item *i, struct err *err);
MUST enum rc db_item_list(struct db *db, int64_t deployment_id, struct arena *a,
                          struct deploy_item_list *ret, struct err *err); /* roll-out order */
MUST enum rc db_item_update(struct db *db, const struct deploy_item *i, struct err *err);

/* endpoints, observations */
MUST enum rc db_endpoint_add(struct db *db, struct endpoint *e, struct err *err);
MUST enum rc db_endpoint_get(struct db *db, int64_t id, struct arena *a, struct endpoint *ret,
                             struct err *err);
MUST enum rc db_endpoint_list(struct db *db, int64_t cert_id, int64_t after, int limit,
                              struct arena *a, struct endpoint_list *ret, struct err *err);
/* state NULL = any, "bad" = neither ok nor new; text in host or SNI, NULL = any. */
MUST enum rc db_endpoint_search(struct db *db, const char *state, const char *text, int64_t after,
                                int limit, struct arena *a, struct endpoint_list *ret,
                                struct err *err);
MUST enum rc db_endpoint_due(struct db *db, int64_t now, int limit, struct arena *a,
                             struct endpoint_list *ret, struct err *err);
/* What a look found: no change of a person's, the revision stays. */
MUST enum rc db_endpoint_seen(struct db *db, const struct endpoint *e, struct err *err);
MUST enum rc db_endpoint_update(struct db *db, const struct endpoint *e, struct err *err);
MUST enum rc db_endpoint_remove(struct db *db, int64_t id, struct err *err);
MUST enum rc db_observation_add(struct db *db, struct observation *o, struct err *err);
MUST enum rc db_observation_list(struct db *db, int64_t endpoint_id, int64_t before, int limit,
                                 struct arena *a, struct observation_list *ret, struct err *err);

/* jobs */
/* With a dedup_key that an open job has: nothing is added, *ret_existing says which. */
MUST enum rc db_job_add(struct db *db, struct job *j, int64_t *ret_existing, struct err *err);
MUST enum rc db_job_get(struct db *db, int64_t id, struct arena *a, struct job *ret,
                        struct err *err);
struct job_filter {
    const char *kind, *subject; /* NULL = any */
    bool only_open;
    int64_t before; /* id; 0 = newest first from the top */
    int limit;
    int64_t in_state; /* 1 + enum job_state, without subject and only_open; 0 = any */
    bool no_routine;  /* without subject: neither watch, notify nor schedule */
};
MUST enum rc db_job_list(struct db *db, const struct job_filter *f, struct arena *a,
                         struct job_list *ret, struct err *err);
/*
 * Takes the next job that is due and whose cap_key has fewer than cap_max jobs running under a
 * live lease. Expired leases are claimable. RC_NOT_FOUND when there is none; then *ret_next is when
 * the next one is due (0 = none known). In its own transaction, fenced by lease_no.
 */
MUST enum rc db_job_claim(struct store *s, const char *owner, int64_t now, int64_t lease_usec,
                          int cap_max, struct arena *a, struct job *ret, int64_t *ret_next,
                          struct err *err);
/* RC_CONFLICT when the lease was lost (lease_no differs): the caller must drop what it did. */
MUST enum rc db_job_save(struct db *db, const struct job *j, struct err *err);
MUST enum rc db_job_extend(struct db *db, int64_t id, int64_t lease_no, int64_t until,
                           struct err *err);
MUST enum rc db_job_activity(struct db *db, int64_t id, int64_t lease_no, const char *en,
                             const char *ja, struct err *err);
/* What the job was told at its creation is gone, with the secrets in it. */
MUST enum rc db_job_forget_payload(struct db *db, int64_t id, struct err *err);
MUST enum rc db_job_cancel(struct db *db, int64_t id, int64_t now, struct err *err);
MUST enum rc db_job_retry_now(struct db *db, int64_t id, int64_t now, struct err *err);
/* What was given before is not taken back by a later one. Zeros when nobody gave any. */
MUST enum rc db_approval_put(struct db *db, const struct approval *p, struct err *err);
MUST enum rc db_approval_get(struct db *db, int64_t job_id, struct arena *a, struct approval *ret,
                             struct err *err);
/* After the clock was set back: what was planned by the clock that was ahead is due now. */
MUST enum rc db_jobs_ahead(struct db *db, int64_t now, int64_t *ret_changed, struct err *err);
/* Releases all leases of this owner (start-up after a crash of the same worker). */
MUST enum rc db_job_release(struct db *db, const char *owner, int64_t now, struct err *err);

/* HTTP-01 answers */
MUST enum rc db_challenge_put(struct db *db, const char *token, const char *key_auth,
                              int64_t expires, struct err *err);
MUST enum rc db_challenge_get(struct db *db, const char *token, int64_t now, struct arena *a,
                              const char **ret_key_auth, struct err *err);
MUST enum rc db_challenge_remove(struct db *db, const char *token, struct err *err);
MUST enum rc db_challenge_expire(struct db *db, int64_t now, struct err *err);

/* CA rate ledger: what we asked, so that a limit is known before it is met. */
MUST enum rc db_ledger_add(struct db *db, int64_t ca_id, const char *what, const char *key,
                           int64_t at, struct err *err);
MUST enum rc db_ledger_count(struct db *db, int64_t ca_id, const char *what, const char *key,
                             int64_t since, int64_t *ret, int64_t *ret_oldest, struct err *err);

/* organisations and their contacts: of one's groups, and the installation's to look at and use */
MUST enum rc db_organisation_add(struct db *db, struct organisation *o, struct err *err);
MUST enum rc db_organisation_get(struct db *db, int64_t id, struct arena *a,
                                 struct organisation *ret, struct err *err);
MUST enum rc db_organisation_find(struct db *db, const char *name, struct arena *a,
                                  struct organisation *ret, struct err *err);
MUST enum rc db_organisation_list(struct db *db, int64_t after, int limit, struct arena *a,
                                  struct organisation_list *ret, struct err *err);
/* RC_DENIED when it is not of a group of the transaction's. */
MUST enum rc db_organisation_update(struct db *db, const struct organisation *o, struct err *err);
/* RC_CONFLICT while a certificate names it; RC_DENIED as above. */
MUST enum rc db_organisation_remove(struct db *db, int64_t id, struct err *err);
/* How many certificates name it, whoever owns them. */
MUST enum rc db_organisation_certs(struct db *db, int64_t id, int64_t *ret, struct err *err);
/* A change of a contact is a change of its organisation (revision). RC_DENIED as above. */
MUST enum rc db_contact_add(struct db *db, struct contact *c, int64_t now, struct err *err);
MUST enum rc db_contact_get(struct db *db, int64_t id, struct arena *a, struct contact *ret,
                            struct err *err);
MUST enum rc db_contact_list(struct db *db, int64_t organisation_id, struct arena *a,
                             struct contact_list *ret, struct err *err);
MUST enum rc db_contact_update(struct db *db, const struct contact *c, int64_t now,
                               struct err *err);
MUST enum rc db_contact_remove(struct db *db, const struct contact *c, int64_t now,
                               struct err *err);

/* users and sessions */
MUST enum rc db_user_add(struct db *db, struct user *u, struct err *err);
MUST enum rc db_user_get(struct db *db, int64_t id, struct arena *a, struct user *ret,
                         struct err *err);
MUST enum rc db_user_find(struct db *db, const char *login, struct arena *a, struct user *ret,
                          struct err *err);
MUST enum rc db_user_list(struct db *db, struct arena *a, struct user_list *ret, struct err *err);
MUST enum rc db_user_update(struct db *db, const struct user *u, struct err *err);
MUST enum rc db_user_list_group(struct db *db, int64_t group_id, struct arena *a,
                                struct user_list *ret, struct err *err);
MUST enum rc db_user_totp(struct db *db, int64_t id, const char *totp, const char *totp_new,
                          int64_t step, struct err *err);
/* *ret_new false: the step, or a later one, was used before. */
MUST enum rc db_user_totp_step(struct db *db, int64_t id, int64_t step, bool *ret_new,
                               struct err *err);
MUST enum rc db_user_signed_in(struct db *db, int64_t id, int64_t now, struct err *err);
/* Hashes of recovery codes: set replaces all; take removes one, *ret_taken says whether it was. */
MUST enum rc db_recovery_set(struct db *db, int64_t user_id, const char *const *hashes, size_t n,
                             struct err *err);
MUST enum rc db_recovery_take(struct db *db, int64_t user_id, const char *hash, bool *ret_taken,
                              struct err *err);
MUST enum rc db_recovery_count(struct db *db, int64_t user_id, int64_t *ret, struct err *err);
MUST enum rc db_session_list(struct db *db, int64_t user_id /* 0 = all */, int64_t now,
                             struct arena *a, struct session_list *ret, struct err *err);
MUST enum rc db_session_prove(struct db *db, const char *id_hash, int64_t now, struct err *err);
MUST enum rc db_session_add(struct db *db, const struct session *s, struct err *err);
MUST enum rc db_session_get(struct db *db, const char *id_hash, struct arena *a,
                            struct session *ret, struct err *err);
MUST enum rc db_session_touch(struct db *db, const char *id_hash, int64_t now, struct err *err);
MUST enum rc db_session_remove(struct db *db, const char *id_hash, struct err *err);
MUST enum rc db_session_remove_user(struct db *db, int64_t user_id, struct err *err);
MUST enum rc db_session_expire(struct db *db, int64_t now, struct err *err);

/* groups: seen like what they own */
MUST enum rc db_group_add(struct db *db, struct group *g, struct err *err);
MUST enum rc db_group_get(struct db *db, int64_t id, struct arena *a, struct group *ret,
                          struct err *err);
MUST enum rc db_group_find(struct db *db, const char *name, struct arena *a, struct group *ret,
                           struct err *err);
MUST enum rc db_group_list(struct db *db, struct arena *a, struct group_list *ret, struct err *err);
MUST enum rc db_group_update(struct db *db, const struct group *g, struct err *err);
/* RC_CONFLICT while it owns anything. */
MUST enum rc db_group_remove(struct db *db, int64_t id, struct err *err);
MUST enum rc db_group_join(struct db *db, int64_t group_id, int64_t user_id, struct err *err);
MUST enum rc db_group_leave(struct db *db, int64_t group_id, int64_t user_id, struct err *err);
/* The groups of a user, whatever the transaction sees. */
MUST enum rc db_group_list_user(struct db *db, int64_t user_id, struct arena *a,
                                struct group_list *ret, struct err *err);
/* The group "cert/12", "endpoint/3" ... belongs to; 0 = none. */
MUST enum rc db_subject_group(struct db *db, const char *subject, int64_t *ret, struct err *err);
/* Does the transaction see it? (db_scope()) */
MUST enum rc db_sees_subject(struct db *db, const char *subject, bool *ret, struct err *err);

/* API tokens */
MUST enum rc db_token_add(struct db *db, struct token *t, struct err *err);
MUST enum rc db_token_get(struct db *db, int64_t id, struct arena *a, struct token *ret,
                          struct err *err);
MUST enum rc db_token_find(struct db *db, const char *hash, struct arena *a, struct token *ret,
                           struct err *err);
MUST enum rc db_token_list(struct db *db, int64_t user_id /* 0 = all */, struct arena *a,
                           struct token_list *ret, struct err *err);
MUST enum rc db_token_touch(struct db *db, int64_t id, int64_t now, const char *address,
                            struct err *err);
MUST enum rc db_token_remove(struct db *db, int64_t id, struct err *err);
MUST enum rc db_token_remove_user(struct db *db, int64_t user_id, struct err *err);

/* saved views; put replaces the person's view of the same name, and sets the id either way */
MUST enum rc db_view_put(struct db *db, struct saved_view *v, struct err *err);
MUST enum rc db_view_get(struct db *db, int64_t id, struct arena *a, struct saved_view *ret,
                         struct err *err);
/* The person's, and those shown to groups the transaction sees. screen NULL = all. */
MUST enum rc db_view_list(struct db *db, const char *screen, int64_t user_id, int limit,
                          struct arena *a, struct saved_view_list *ret, struct err *err);
MUST enum rc db_view_count(struct db *db, int64_t user_id, int64_t *ret, struct err *err);
MUST enum rc db_view_remove(struct db *db, int64_t id, struct err *err);

/* audit: appended in the transaction of what it records; hash = SHA-256 over prev_hash and fields
 */
MUST enum rc db_audit_add(struct db *db, struct audit *a, struct err *err);
/* Newest first. NULL: any. text: in who, from where, what, on what, result; actions: ",a,b," are
 * found as well, whatever text says. */
struct audit_filter {
    int64_t before;
    int limit;
    const char *subject, *text, *actions;
};
MUST enum rc db_audit_list(struct db *db, const struct audit_filter *f, struct arena *a,
                           struct audit_list *ret, struct err *err);
/* As db_audit_list(), oldest first; `before` is not looked at. */
MUST enum rc db_audit_find(struct db *db, const struct audit_filter *f, int64_t after,
                           struct arena *a, struct audit_list *ret, struct err *err);
MUST enum rc db_audit_page(struct db *db, int64_t after, int limit, struct arena *a,
                           struct audit_list *ret, struct err *err); /* oldest first */
MUST enum rc db_audit_get(struct db *db, int64_t id, struct arena *a, struct audit *ret,
                          struct err *err);
/* The last record written, as kept apart from the log; id 0 = none. */
MUST enum rc db_audit_head(struct db *db, int64_t *ret_id, char ret_hash[65], struct err *err);
/* RC_CORRUPT names the first record that does not fit, or says that the end is missing. */
MUST enum rc db_audit_verify(struct db *db, int64_t *ret_count, struct err *err);

/* notices */
MUST enum rc db_notice_add(struct db *db, struct notice *n, bool *ret_new, struct err *err);
MUST enum rc db_notice_get(struct db *db, int64_t id, struct arena *a, struct notice *ret,
                           struct err *err);
/* Newest first, of what the transaction sees. */
MUST enum rc db_notice_list(struct db *db, int64_t before, int limit, struct arena *a,
                            struct notice_list *ret, struct err *err);
MUST enum rc db_delivery_add(struct db *db, struct delivery *d, struct err *err);
MUST enum rc db_delivery_get(struct db *db, int64_t id, struct arena *a, struct delivery *ret,
                             struct err *err);
MUST enum rc db_delivery_list(struct db *db, int64_t before, int limit, struct arena *a,
                              struct delivery_list *ret, struct err *err);
MUST enum rc db_delivery_update(struct db *db, const struct delivery *d, struct err *err);

#endif
