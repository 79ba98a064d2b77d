/*
 * Moving everything sealed to the present master key: move (a page of one column at a time) ->
 * drop. Invariants: a value is replaced only while it is still the one that was read; the older
 * keys go only after no text of any table begins with them; killed at any moment, both keys open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/os/file.h"
#include "connect/connect.h"
#include "job/job_priv.h"
#include "store/ops.h"

enum { PAGE = 200, CANDIDATES = 16, TEXT_LIMIT = 4 << 20 };

/* Where a sealed value of a row may belong: tried in turn, only one can fit. */
struct guess {
    const char *v[CANDIDATES];
    size_t n;
};

static void add_guess(struct run *r, struct guess *g, const char *usage, const char *what,
                      const char *key, const char *field)
{
    if (g->n < CANDIDATES)
        g->v[g->n] = arena_printf(r->a, "%s:%s/%s/%s", usage, what, key, field);
    if (g->n < CANDIDATES && g->v[g->n])
        g->n++;
}

static void guess_places(struct run *r, const struct sealed_column *c, const char *key,
                         const char *field, const char *parent, struct guess *g)
{
    static const char *const known[] = {"account_key", "root_key", "intermediate_key"};
    if (strcmp(c->table, "cert_version") == 0) {
        add_guess(r, g, "tls-key", "version", key, "key");
    } else if (strcmp(c->table, "connector") == 0) {
        add_guess(r, g, "setting", "connector", key, field);
        add_guess(r, g, "setting", "connector", key, parent);
        add_guess(r, g, "ca-key", "connector", key, parent);
        add_guess(r, g, "acme-key", "connector", key, field);
        for (size_t i = 0; i < COUNT_OF(known); i++) {
            add_guess(r, g, "acme-key", "connector", key, known[i]);
            add_guess(r, g, "ca-key", "connector", key, known[i]);
        }
    } else if (strcmp(c->table, "app_user") == 0) {
        add_guess(r, g, "setting", "user", key, "totp");
    } else if (strcmp(c->table, "vendor_key") == 0) {
        add_guess(r, g, "vendor-key", "vendor", key, "key");
    } else if (strcmp(c->table, "meta") == 0) {
        static const char *const places[] = {"setting:audit/key", "setting:audit/head"};
        for (size_t i = 0; i < COUNT_OF(places); i++)
            g->v[g->n++] = places[i];
    }
}

struct walk {
    struct run *r;
    const struct sealed_column *c;
    const char *key;
    const char *challenge; /* CHALLENGE_VAULT of the text being walked, or NULL */
    struct buf out;        /* the new text */
    bool changed;
};

static enum rc one_value(struct walk *w, const char *sealed, const char *field, const char *parent,
                         const char *place, const char **ret, struct err *err)
{
    struct guess g = {.n = 0};
    if (place)
        g.v[g.n++] = arena_printf(w->r->a, "setting:%s", place);
    if (w->challenge && parent)
        add_guess(w->r, &g, "setting", "challenge", w->challenge, parent);
    guess_places(w->r, w->c, w->key, field ? field : "", parent ? parent : "", &g);
    enum rc rc = vault_reseal(w->r->w->vault, sealed, g.v, g.n, w->r->a, ret, err);
    if (rc != RC_OK)
        return WHILE(err, rc,
                     MSG("reseal.while", "moving {0}.{1} of {2}", "{0}.{1}（{2}）の移行中"),
                     w->c->table, w->c->column, w->key);
    w->changed |= strcmp(sealed, *ret) != 0;
    return RC_OK;
}

/* Every string that is a sealed text, wherever it is in the value; depth is the parser's limit. */
static enum rc copy_json(struct walk *w, struct json_writer *jw, const struct json *j,
                         const char *field, const char *parent, const struct json *in,
                         struct err *err)
{
    const char *text = json_as_str(j), *moved = NULL, *k;
    const struct json *v;
    void *iter = NULL;
    if (text && strncmp(text, SEALED_PREFIX, sizeof SEALED_PREFIX - 1) == 0) {
        const char *place = json_str_or(in, "place", NULL);
        TRY(one_value(w, text, field, parent, place, &moved, err));
        jw_str(jw, moved);
    } else if (json_type_of(j) == JSON_OBJECT) {
        jw_object(jw);
        while (json_next(j, &iter, &k, &v)) {
            jw_key(jw, k);
            TRY(copy_json(w, jw, v, k, field, j, err));
        }
        jw_end_object(jw);
    } else if (json_type_of(j) == JSON_ARRAY) {
        jw_array(jw);
        for (size_t i = 0; i < json_len(j); i++)
            TRY(copy_json(w, jw, json_at(j, i), field, parent, j, err));
        jw_end_array(jw);
    } else {
        jw_json(jw, j);
    }
    return RC_OK;
}

static enum rc move_text(struct walk *w, const char *text, const char **ret, struct err *err)
{
    AUTO(json) struct json *j = NULL;
    if (strncmp(text, SEALED_PREFIX, sizeof SEALED_PREFIX - 1) == 0)
        return one_value(w, text, w->c->column, NULL, NULL, ret, err);
    *ret = text;
    if (text[0] != '{' || json_parse(str_from(text), &j, NULL) != RC_OK)
        return RC_OK; /* it only looks like one */
    struct json_writer jw = JSON_WRITER(&w->out);
    w->challenge =
        json_str_or(j, CHALLENGE_VAULT, json_str_or(j, "challenge." CHALLENGE_VAULT, NULL));
    buf_clear(&w->out);
    TRY(copy_json(w, &jw, j, NULL, NULL, NULL, err));
    TRY(buf_ok(&w->out, err));
    *ret = arena_strdup(w->r->a, buf_cstr(&w->out));
    return *ret ? RC_OK : NOMEM(err);
}

static enum rc move_page(struct run *r, const struct sealed_column *c, struct sealed_text_list *l,
                         int64_t *ret_moved, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        struct walk w = {.r = r, .c = c, .key = l->v[i].key, .out = BUF(TEXT_LIMIT)};
        const char *to = NULL;
        AUTO(db) struct db *db = NULL;
        enum rc rc = move_text(&w, l->v[i].text, &to, err);
        buf_free(&w.out);
        TRY(rc);
        if (!w.changed)
            continue;
        TRY(store_begin(r->e->o.store, &db, err));
        TRY(run_fence(db, r, err));
        TRY(db_sealed_swap(db, c, w.key, l->v[i].text, to, err));
        TRY(run_commit(r, &db, false, err));
        ++*ret_moved;
    }
    return RC_OK;
}

static enum rc columns_of(struct run *r, struct sealed_column_list *l, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    return db_sealed_columns(db, r->a, l, err);
}

static enum rc page_of(struct run *r, const struct sealed_column *c, const char *prefix,
                       const char *after, struct sealed_text_list *l, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    TRY(store_read(r->e->o.store, &db, err));
    return db_sealed_page(db, c, prefix, after, PAGE, r->a, l, err);
}

static enum rc put_progress(struct run *r, struct step_out *out, int64_t column, const char *after,
                            int64_t moved, int64_t since, struct err *err)
{
    AUTO(buf) struct buf b = BUF(8192);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_ki64(&w, "column", column);
    jw_kstr(&w, "after", after);
    jw_ki64(&w, "moved", moved);
    jw_ki64(&w, "again", json_i64_or(r->progress, "again", 0));
    jw_ki64(&w, "since", since);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    out->progress = arena_strdup(r->a, buf_cstr(&b));
    return out->progress ? RC_OK : NOMEM(err);
}

static enum rc step_move(struct run *r, struct step_out *out, struct err *err)
{
    struct sealed_column_list columns;
    struct sealed_text_list l;
    int64_t at = json_i64_or(r->progress, "column", 0),
            moved = json_i64_or(r->progress, "moved", 0);
    const char *after = json_str_or(r->progress, "after", "");
    TRY(columns_of(r, &columns, err));
    if (at >= (int64_t)columns.n) {
        out->next = "drop";
        return put_progress(r, out, 0, "", moved, run_now(r), err);
    }
    const struct sealed_column *c = &columns.v[at];
    TRY(page_of(r, c, SEALED_PREFIX, after, &l, err));
    TRY(move_page(r, c, &l, &moved, err));
    bool more = l.n == PAGE;
    return put_progress(r, out, more ? at : at + 1, more ? l.v[l.n - 1].key : "", moved, 0, err);
}

/* What a text under the present key begins with: base64 of "IE1" and the first 6 bytes of the id.
 */
static enum rc find_left(struct run *r, const char *current, struct err *err)
{
    struct sealed_column_list columns;
    TRY(columns_of(r, &columns, err));
    for (size_t i = 0; i < columns.n; i++) {
        const char *after = "";
        struct sealed_text_list l;
        do {
            TRY(page_of(r, &columns.v[i], SEALED_PREFIX, after, &l, err));
            for (size_t k = 0; k < l.n; k++)
                for (const char *p = l.v[k].text; (p = strstr(p, SEALED_PREFIX)); p++)
                    CHECK(strncmp(p, current, strlen(current)) == 0, err, RC_CORRUPT, BLAME_US,
                          MSG("reseal.left",
                              "{0}.{1} of {2} is still under an older master key, which stays",
                              "{0}.{1}（{2}）が古いマスター鍵のままです。古い鍵は残します"),
                          columns.v[i].table, columns.v[i].column, l.v[k].key);
            after = l.n == PAGE ? l.v[l.n - 1].key : NULL;
        } while (after);
    }
    return RC_OK;
}

static enum rc current_prefix(struct run *r, const char **ret, struct err *err)
{
    struct vault_status st;
    AUTO(buf) struct buf raw = BUF(64), text = BUF(128);
    TRY(vault_status_get(r->w->vault, &st, err));
    buf_adds(&raw, "IE1");
    if (!hex_decode(str_from(st.key_id), &raw) || raw.len < 9)
        return NOMEM(err);
    base64_add(&text, raw.p, 9);
    *ret = arena_strdup(r->a, buf_cstr(&text));
    return *ret ? RC_OK : NOMEM(err);
}

/* A step that has run since before everything was moved may yet write what it had read. */
static enum rc old_step_runs(struct run *r, bool *ret, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    struct job_filter f = {.in_state = 1 + JOB_RUNNING, .limit = 500};
    struct job_list l;
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_job_list(db, &f, r->a, &l, err));
    *ret = false;
    for (size_t i = 0; i < l.n; i++)
        *ret |= l.v[i].id != r->job.id && l.v[i].updated < json_i64_or(r->progress, "since", 0);
    return RC_OK;
}

static enum rc step_drop(struct run *r, struct step_out *out, struct err *err)
{
    const char *prefix = NULL;
    bool wait = false;
    TRY(old_step_runs(r, &wait, err));
    if (wait) {
        out->at = run_now(r) + USEC_PER_SEC;
        return RC_OK;
    }
    out->audit = "key.moved";
    TRY(current_prefix(r, &prefix, err));
    enum rc rc = find_left(r, prefix, err);
    if (rc == RC_CORRUPT && json_i64_or(r->progress, "again", 0) == 0) {
        out->next = "move"; /* written by a step that had read the old text before: once more */
        out->progress = "{\"again\":1}";
        return RC_OK;
    }
    TRY(rc);
    TRY(ring_change_file(r->w->vault, r->e->o.data, RING_DROP_OLD, NULL, NULL, r->a, err));
    out->done = true;
    return RC_OK;
}

static const struct step steps[] = {
    {"move",
     {"Moving secrets to the new master key", "秘密情報を新しいマスター鍵へ移しています"},
     step_move,
     0,
     false},
    {"drop",
     {"Removing the old master key", "古いマスター鍵を取り除いています"},
     step_drop,
     0,
     true},
};
const struct flow flow_reseal = {"reseal", steps, COUNT_OF(steps), NULL, NULL};

enum rc ring_change_file(struct vault *v, const char *data, enum ring_change what, const char *now,
                         const char *next, struct arena *a, struct err *err)
{
    const char *path = arena_printf(a, "%s/master.key", data);
    const char *tmp = arena_printf(a, "%s/master.key.new", data);
    if (!path || !tmp)
        return NOMEM(err);
    if (unlink(tmp) != 0 && errno != ENOENT)
        return file_fail(err, tmp, errno);
    AUTO(fd) int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, tmp, errno);
    enum rc rc = vault_ring_change(v, what, now, next, fd, err);
    if (rc == RC_OK && rename(tmp, path) != 0)
        rc = file_fail(err, path, errno);
    if (rc != RC_OK) {
        (void)unlink(tmp);
        return rc;
    }
    TRY(dir_sync(data, err));
    return vault_ring_commit(v, err);
}
