/*
 * Signing in and out, and one's sessions. Invariants: every failure to sign in has the same text
 * and costs one password check; only the right password tells that a code is wanted; a new password
 * ends all other sessions of the user, his tokens and streams.
 */
#include <stdio.h>
#include <string.h>

#include "api/priv.h"
#include "base/log.h"
#include "base/rand.h"
#include "crypto/digest.h"

enum { SHOWN_ID = 16 };

static const int64_t session_max = 12 * 3600 * USEC_PER_SEC;

struct sign_in {
    const char *login, *password, *code;
};
static const struct field sign_in_fields[] = {
    FIELD_STR(struct sign_in, login, .flags = FIELD_REQUIRED, .max = 254,
              .label = {"Login name", "ログイン名"}),
    FIELD_STR(struct sign_in, password, .flags = FIELD_REQUIRED, .max = 1024,
              .label = {"Password", "パスワード"}),
    FIELD_STR(struct sign_in, code, .max = 64, .label = {"One-time code", "ワンタイムコード"}),
    FIELD_END};

static enum rc wrong(struct err *err)
{
    return FAIL(err, RC_AUTH, BLAME_INPUT,
                MSG("api.sign_in_failed",
                    "the login name or the password is wrong, or it is too "
                    "soon to try again",
                    "ログイン名またはパスワードが違うか、再試行までの待ち時間中です"));
}

static enum rc view_session(struct request *r, struct db *db, const char *csrf, struct err *err)
{
    const struct user *u = &r->user;
    struct group_list groups = {NULL, 0};
    if (u->id)
        TRY(db_group_list_user(db, u->id, r->a, &groups, err));
    jw_object(&r->w);
    jw_key(&r->w, "user");
    jw_object(&r->w);
    jw_id(&r->w, "id", u->id);
    jw_kstr(&r->w, "login", u->login ? u->login : "local");
    jw_kstr(&r->w, "name", u->name ? u->name : u->login ? u->login : "local");
    jw_kstr(&r->w, "role", r->role);
    jw_kstr(&r->w, "lang", u->lang ? u->lang : "ja");
    jw_kbool(&r->w, "totp", u->totp != NULL);
    jw_key(&r->w, "groups");
    jw_array(&r->w);
    for (size_t i = 0; i < groups.n; i++) {
        jw_object(&r->w);
        jw_ki64(&r->w, "id", groups.v[i].id);
        jw_kstr(&r->w, "name", groups.v[i].name);
        jw_end_object(&r->w);
    }
    jw_end_array(&r->w);
    jw_end_object(&r->w);
    jw_kstr(&r->w, "csrf", csrf);
    jw_kbool(&r->w, "must_change", u->must_change);
    jw_ktime(&r->w, "expires", r->session.expires);
    jw_ktime(&r->w, "proven", r->session.proven);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc new_session(struct request *r, struct db *db, struct err *err)
{
    char cookie[65], csrf[65], hash[65];
    rand_hex(cookie, 32);
    rand_hex(csrf, 32);
    session_hash(cookie, hash);
    const char *agent = r_header(r, "User-Agent");
    struct session s = {.id_hash = arena_strdup(r->a, hash),
                        .user_id = r->user.id,
                        .created = r->now,
                        .last_seen = r->now,
                        .expires = r->now + session_max,
                        .csrf = arena_strdup(r->a, csrf),
                        .address = r->origin,
                        .agent = agent && strlen(agent) <= 256 ? agent : NULL,
                        .proven = r->now};
    r->set_cookie = arena_printf(
        r->a, "__Host-inro=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200", cookie);
    if (!s.id_hash || !s.csrf || !r->set_cookie)
        return NOMEM(err);
    TRY(db_session_expire(db, r->now, err));
    /* the former cookie of this browser ends: no fixation */
    if (r->session.id_hash)
        TRY(db_session_remove(db, r->session.id_hash, err));
    TRY(db_session_add(db, &s, err));
    r->session = s;
    return RC_OK;
}

static enum rc look_up(struct request *r, const char *login, bool *ret_known, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct user u;
    struct err none;
    TRY(store_read(r->api->o.store, &db, err));
    enum rc rc = db_user_find(db, login, r->a, &u, &none);
    *ret_known = rc == RC_OK && !u.disabled && u.password && u.password[0];
    if (*ret_known)
        r->user = u;
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        *err = none;
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* What is told about a failure outside: nothing. Inside: the name when we know it, and from where.
 * A name we do not know may be a password typed in the wrong place. */
static enum rc refused(struct request *r, bool known, struct err *err)
{
    r->subject = known ? arena_printf(r->a, "user/%lld", (long long)r->user.id) : "user/unknown";
    r->audit_failure = delay_audit_room(r);
    log_line(LOG_WARN, "api", "sign-in refused from %s", r->origin);
    return wrong(err);
}

static enum rc second_factor(struct request *r, const struct sign_in *in, const char *login,
                             struct err *err)
{
    bool good = false;
    if (!r->user.totp)
        return RC_OK;
    /* the right password alone neither counts as a failure nor forgives earlier ones */
    CHECK(in->code, err, RC_AUTH, BLAME_INPUT,
          MSG("api.code_needed", "type the one-time code of your device as well",
              "認証アプリのワンタイムコードも入力してください"));
    TRY(factor_check(r, in->code, &good, err));
    if (good)
        return RC_OK;
    delay_note(r, login, false);
    return refused(r, true, err);
}

static enum rc signed_in(struct request *r, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    r->role = r->user.role;
    r->actor = arena_printf(r->a, "%s@%s", r->user.login, r->origin);
    if (!r->actor)
        return NOMEM(err);
    TRY(store_begin(r->api->o.store, &db, err));
    TRY(new_session(r, db, err));
    TRY(db_user_signed_in(db, r->user.id, r->now, err));
    TRY(view_session(r, db, r->session.csrf, err));
    r_subject(r, "user", r->user.id);
    return db_commit(&db, err);
}

static enum rc run_sign_in(struct request *r, struct err *err)
{
    const struct sign_in *in = r->in;
    bool known = false, good = false;
    const char *login = login_normal(r->a, in->login);
    if (!login)
        return NOMEM(err);
    r->user = (struct user){0};
    r->role = NULL;
    r->scope = NULL;
    if (delay_active(r, login))
        return wrong(err);
    TRY(look_up(r, login, &known, err));
    TRY(password_check(r, known ? r->user.password : "", in->password, &good, err));
    if (!good || !known) {
        delay_note(r, login, false);
        return refused(r, known, err);
    }
    TRY(second_factor(r, in, login, err));
    delay_note(r, login, true);
    return signed_in(r, err);
}

static enum rc run_session(struct request *r, struct err *err)
{
    return view_session(r, r->db, r->session.csrf, err);
}

static const char expired_cookie[] =
    "__Host-inro=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";

static enum rc run_sign_out(struct request *r, struct err *err)
{
    if (r->session.id_hash) {
        TRY(db_session_remove(r->db, r->session.id_hash, err));
        r->ended_session = r->session.id_hash;
    }
    r->set_cookie = expired_cookie;
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

struct new_password {
    const char *old, *new;
};
static const struct field new_password_fields[] = {
    FIELD_STR(struct new_password, old, .flags = FIELD_REQUIRED, .max = 1024,
              .label = {"Present password", "現在のパスワード"}),
    FIELD_STR(struct new_password, new, .flags = FIELD_REQUIRED, .max = 1025,
              .label = {"New password", "新しいパスワード"}),
    FIELD_END};

/* The present password again, with the delays of signing in. */
static enum rc show_password(struct request *r, const char *password, struct err *err)
{
    bool good = false;
    if (delay_active(r, r->user.login))
        return wrong(err);
    TRY(password_check(r, r->user.password, password, &good, err));
    delay_note(r, r->user.login, good);
    return good ? RC_OK : wrong(err);
}

static enum rc prepare_password(struct request *r, struct err *err)
{
    const struct new_password *in = r->in;
    char *hash = arena_alloc(r->a, 128);
    r->prepared = hash;
    if (!hash)
        return NOMEM(err);
    TRY(show_password(r, in->old, err));
    enum rc rc = password_policy(r->user.login, in->new, err);
    if (rc != RC_OK)
        err_field(err, "new");
    TRY(rc);
    CHECK(strcmp(in->old, in->new) != 0, err, RC_INPUT, BLAME_INPUT,
          MSG("api.password_same", "the new password is the old one",
              "新しいパスワードが現在のものと同じです"));
    return password_hash(in->new, hash, err);
}

static enum rc run_password(struct request *r, struct err *err)
{
    struct user u;
    TRY(db_user_get(r->db, r->user.id, r->a, &u, err));
    u.password = r->prepared;
    u.must_change = false;
    u.updated = r->now;
    TRY(db_user_update(r->db, &u, err));
    TRY(people_end(r, r->db, u.id, err));
    r->session.id_hash = NULL;
    TRY(new_session(r, r->db, err));
    r->user.must_change = false;
    r_subject(r, "user", u.id);
    return view_session(r, r->db, r->session.csrf, err);
}

struct prove_in {
    const char *password, *code;
};
static const struct field prove_fields[] = {
    FIELD_STR(struct prove_in, password, .max = 1024, .label = {"Password", "パスワード"}),
    FIELD_STR(struct prove_in, code, .max = 64, .label = {"One-time code", "ワンタイムコード"}),
    FIELD_END};

/* One of the two is enough: the session itself was opened with all that is asked for. */
static enum rc prepare_prove(struct request *r, struct err *err)
{
    const struct prove_in *in = r->in;
    bool good = false;
    if (in->password)
        return show_password(r, in->password, err);
    CHECK(in->code, err, RC_INPUT, BLAME_INPUT,
          MSG("api.prove_what", "give the password or the one-time code",
              "パスワードまたはワンタイムコードを入力してください"));
    if (delay_active(r, r->user.login))
        return wrong(err);
    TRY(factor_check(r, in->code, &good, err));
    delay_note(r, r->user.login, good);
    return good ? RC_OK : wrong(err);
}

static enum rc run_prove(struct request *r, struct err *err)
{
    TRY(db_session_prove(r->db, r->session.id_hash, r->now, err));
    r->session.proven = r->now;
    r_subject(r, "user", r->user.id);
    return view_session(r, r->db, r->session.csrf, err);
}

static enum rc my_sessions(struct request *r, struct session_list *ret, struct err *err)
{
    bool admin = role_allows(r->role, PERM_ADMIN);
    return db_session_list(r->db, admin ? 0 : r->user.id, r->now, r->a, ret, err);
}

/* Enough of the hash to name it; nobody can make a cookie of it. */
static const char *shown_id(struct request *r, const struct session *s)
{
    return arena_printf(r->a, "%.*s", SHOWN_ID, s->id_hash);
}

static enum rc run_sessions(struct request *r, struct err *err)
{
    struct session_list list;
    TRY(my_sessions(r, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++) {
        const struct session *s = &list.v[i];
        struct user u = {0};
        if (session_over(s, r->now))
            continue;
        TRY(db_user_get(r->db, s->user_id, r->a, &u, err));
        jw_object(&r->w);
        jw_kstr(&r->w, "id", shown_id(r, s));
        jw_kstr(&r->w, "user", u.login);
        jw_ki64(&r->w, "user_id", u.id);
        jw_kstr(&r->w, "address", s->address);
        jw_kstr(&r->w, "agent", s->agent);
        jw_ktime(&r->w, "created", s->created);
        jw_ktime(&r->w, "last_seen", s->last_seen);
        jw_ktime(&r->w, "expires", s->expires);
        jw_kbool(&r->w, "current",
                 r->session.id_hash && strcmp(s->id_hash, r->session.id_hash) == 0);
        jw_end_object(&r->w);
    }
    view_page_end(&r->w, 0);
    return RC_OK;
}

static enum rc run_end(struct request *r, struct err *err)
{
    struct session_list list;
    const struct session *found = NULL;
    TRY(my_sessions(r, &list, err));
    for (size_t i = 0; i < list.n && strlen(r->params[0]) == SHOWN_ID; i++)
        if (strncmp(list.v[i].id_hash, r->params[0], SHOWN_ID) == 0)
            found = &list.v[i];
    CHECK(found, err, RC_NOT_FOUND, BLAME_INPUT,
          MSG("api.no_session", "there is no such session", "そのセッションはありません"));
    r_subject(r, "user", found->user_id);
    TRY(db_session_remove(r->db, found->id_hash, err));
    r->ended_session = found->id_hash;
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static enum rc run_end_others(struct request *r, struct err *err)
{
    TRY(db_session_remove_user(r->db, r->user.id, err));
    TRY(db_session_add(r->db, &r->session, err));
    r->ended_user = r->user.id;
    r_subject(r, "user", r->user.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

#define BODY(f, S) .body = (f), .body_size = sizeof(S)
static const struct route rows[] = {
    {"session.create", "POST", "/session", PERM(PERM_PUBLIC), ROUTE_AUDIT, run_sign_in,
     .answer = "Session", .summary = {"Sign in", "サインインする"},
     BODY(sign_in_fields, struct sign_in)},
    {"session.get", "GET", "/session", PERM(PERM_SESSION), ROUTE_READ, run_session,
     .answer = "Session", .summary = {"Who is signed in", "サインイン中の利用者を返す"}},
    {"session.remove", "DELETE", "/session", PERM(PERM_SESSION), ROUTE_WRITE, run_sign_out,
     .answer = "Done", .summary = {"Sign out", "サインアウトする"}},
    {"session.password", "POST", "/session/password", PERM(PERM_SESSION),
     ROUTE_WRITE | ROUTE_PERSON, run_password, .answer = "Session",
     .summary = {"Change one's own password", "自分のパスワードを変更する"},
     BODY(new_password_fields, struct new_password), .prepare = prepare_password},
    {"session.prove", "POST", "/session/prove", PERM(PERM_SESSION), ROUTE_WRITE | ROUTE_PERSON,
     run_prove, .answer = "Session",
     .summary = {"Show the password or a code once more", "パスワードまたはコードを再入力する"},
     BODY(prove_fields, struct prove_in), .prepare = prepare_prove},
    {"session.list", "GET", "/sessions", PERM(PERM_VIEW), ROUTE_READ, run_sessions,
     .answer = "page SessionItem",
     .summary = {"One's sessions; an administrator sees all", "セッションを一覧する"}},
    {"session.end", "DELETE", "/sessions/{session}", PERM(PERM_VIEW), ROUTE_WRITE, run_end,
     .answer = "Done", .summary = {"End a session", "セッションを終了する"}},
    {"session.end_others", "DELETE", "/sessions", PERM(PERM_VIEW), ROUTE_WRITE | ROUTE_PERSON,
     run_end_others, .answer = "Done",
     .summary = {"End one's other sessions", "自分の他のセッションを終了する"}},
};
ROUTE_SET(routes_session, rows);
