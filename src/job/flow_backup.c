/*
 * Backup: write (a copy of the store and the keys, encrypted) -> ship -> prune. Invariants: a name
 * that ends in .backup is a complete file; the master key leaves the vault only under the backup's
 * passphrase; what a killed backup left behind is removed by the next one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/os/file.h"
#include "job/backup_file.h"
#include "job/job_priv.h"

#define WRITE_LIMIT (4 * 3600 * USEC_PER_SEC)

struct source {       /* of the passphrase, and where the file goes */
    int64_t store_id; /* 0: it stays in DATA/backup */
    const char *place, *sealed;
    struct conn store;
    const struct backup_settings *set;
};

static enum rc source_of(struct run *r, struct source *s, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    s->store_id = json_i64_or(r->payload, "store", 0);
    if (s->store_id == 0) {
        s->place = json_str_or(r->payload, "place", "");
        s->sealed = json_str_or(r->payload, "passphrase.sealed", "");
        return RC_OK;
    }
    TRY(store_read(r->e->o.store, &db, err));
    TRY(run_connector(r, db, s->store_id, "backup", &s->store, err));
    s->set = s->store.settings;
    s->place = arena_printf(r->a, "connector/%lld/passphrase", (long long)s->store_id);
    s->sealed = s->set->passphrase.sealed;
    CHECK(s->place && s->sealed, err, RC_INPUT, BLAME_INPUT,
          MSG("backup.no_passphrase", "{0} has no passphrase", "{0} にパスフレーズがありません"),
          s->store.rec.name);
    return RC_OK;
}

struct facts {
    const char *installation, *dir, *name, *part, *snapshot;
    int64_t generation, schema;
    char created[32];
};

static const char *plain_stamp(struct run *r, const char *rfc3339)
{
    char *s = arena_strdup(r->a, rfc3339);
    size_t o = 0;
    for (size_t i = 0; s && rfc3339[i]; i++)
        if (strchr("-:", rfc3339[i]) == NULL)
            s[o++] = rfc3339[i];
    if (s)
        s[o] = '\0';
    return s;
}

static enum rc facts_of(struct run *r, struct facts *f, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    const char *generation = NULL;
    int64_t found = 0;
    CHECK(r->e->o.data, err, RC_UNSUPPORTED, BLAME_US,
          MSG("backup.no_data", "this process has no data directory",
              "このプロセスにはデータディレクトリがありません"));
    TRY(store_version(r->e->o.store, &found, &f->schema, err));
    TRY(store_read(r->e->o.store, &db, err));
    TRY(db_meta_get(db, "installation_id", r->a, &f->installation, err));
    TRY(db_meta_get(db, "generation", r->a, &generation, err));
    f->generation = 1;
    if (generation && !str_to_i64(str_from(generation), 1, INT64_MAX, &f->generation))
        f->generation = 1;
    time_rfc3339(run_now(r), f->created);
    const char *stamp = plain_stamp(r, f->created);
    f->dir = arena_printf(r->a, "%s/backup", r->e->o.data);
    f->name = arena_printf(r->a, "inro-%s-%lld.backup", stamp ? stamp : "", (long long)r->job.id);
    f->part = arena_printf(r->a, "%s/%s.part", f->dir, f->name);
    f->snapshot = arena_printf(r->a, "%s/snapshot-%lld.part", f->dir, (long long)r->job.id);
    if (!stamp || !f->installation || !f->dir || !f->name || !f->part || !f->snapshot)
        return NOMEM(err);
    return dir_make(f->dir, 0700, err);
}

/* One backup at a time writes here; the lock goes with the process. */
static enum rc lock_folder(struct run *r, const struct facts *f, int *ret_fd, struct err *err)
{
    const char *path = arena_printf(r->a, "%s/lock", f->dir);
    if (!path)
        return NOMEM(err);
    AUTO(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_fail(err, path, errno);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        CHECK(errno == EWOULDBLOCK && run_pause(r, USEC_PER_SEC), err, RC_CANCELLED, BLAME_US,
              MSG("backup.cancelled", "asked to stop while another backup is written",
                  "他のバックアップの完了待ちの間に中断されました"));
    *ret_fd = fd_take(&fd);
    return RC_OK;
}

/* Under the lock, so every .part is of one that was cut short. */
static void sweep(const char *dir, struct arena *a)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        struct str name = str_from(e->d_name);
        bool left =
            str_ends(name, ".part") || str_ends(name, ".part-wal") || str_ends(name, ".part-shm");
        const char *path = left ? arena_printf(a, "%s/%s", dir, e->d_name) : NULL;
        if (path)
            (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
}

static enum rc put_members(struct run *r, struct seal_writer *w, const struct facts *f,
                           struct str key_file, struct json_writer *m, struct err *err)
{
    TRY(backup_put(w, "master.key", NULL, key_file, m, err));
    TRY(backup_put(w, "inro.db", f->snapshot, STR_NONE, m, err));
    for (size_t i = 0; i < backup_member_count; i++) {
        const char *name = backup_members[i].name;
        const char *path = arena_printf(r->a, "%s/%s", r->e->o.data, name);
        if (!path)
            return NOMEM(err);
        if (!backup_members[i].needed && access(path, R_OK) == 0)
            TRY(backup_put(w, name, path, STR_NONE, m, err));
    }
    return RC_OK;
}

static enum rc put_all(struct run *r, struct seal_writer *w, const struct facts *f,
                       struct str key_file, bool key_has_passphrase, struct err *err)
{
    AUTO(buf) struct buf b = BUF(MANIFEST_MAX);
    struct json_writer m = JSON_WRITER(&b);
    jw_object(&m);
    jw_ki64(&m, "format", 1);
    jw_kstr(&m, "version", INRO_VERSION);
    jw_ki64(&m, "schema", f->schema);
    jw_kstr(&m, "installation", f->installation);
    jw_ki64(&m, "generation", f->generation);
    jw_kstr(&m, "created", f->created);
    jw_kbool(&m, "key_passphrase", key_has_passphrase);
    jw_key(&m, "members");
    jw_array(&m);
    TRY(put_members(r, w, f, key_file, &m, err));
    jw_end_array(&m);
    jw_end_object(&m);
    TRY(buf_ok(&b, err));
    TRY(backup_put_manifest(w, buf_str(&b), err));
    return seal_writer_end(w, err);
}

static enum rc write_part(struct run *r, const struct source *s, const struct facts *f, int fd,
                          int64_t *ret_bytes, struct err *err)
{
    AUTO(buf) struct buf pass = BUF_SECRET(4096);
    AUTO(buf) struct buf key_file = BUF_SECRET(65536);
    AUTO(buf) struct buf head = BUF(4096);
    struct vault_status st;
    struct vault_grant grant = {r->job.id, "backup.write", f->name};
    struct seal_writer *w = NULL;
    TRY(vault_status_get(r->w->vault, &st, err));
    TRY(vault_release(r->w->vault, VAULT_SETTING, s->place, s->sealed, &grant, &pass, err));
    TRY(vault_wrap(r->w->vault, s->place, s->sealed, &grant, &key_file, err));
    buf_addf(&head, "version: %s\nschema: %lld\ninstallation: %s\ngeneration: %lld\ncreated: %s\n",
             INRO_VERSION, (long long)f->schema, f->installation, (long long)f->generation,
             f->created);
    TRY(buf_ok(&head, err));
    TRY(seal_writer_open(fd, buf_cstr(&pass), buf_str(&head), &w, err));
    enum rc rc = put_all(r, w, f, buf_str(&key_file), st.has_passphrase, err);
    *ret_bytes = seal_writer_bytes(w);
    seal_writer_close(w);
    if (rc == RC_OK && fsync(fd) != 0)
        rc = file_fail(err, f->part, errno);
    return rc;
}

static enum rc make_file(struct run *r, const struct source *s, const struct facts *f,
                         int64_t *ret_bytes, struct err *err)
{
    const char *path = arena_printf(r->a, "%s/%s", f->dir, f->name);
    AUTO(fd) int lock = -1;
    if (!path)
        return NOMEM(err);
    TRY(lock_folder(r, f, &lock, err));
    sweep(f->dir, r->a);
    TRY(store_snapshot(r->e->o.store, f->snapshot, err));
    AUTO(fd) int fd = open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum rc rc = fd < 0 ? file_fail(err, f->part, errno) : write_part(r, s, f, fd, ret_bytes, err);
    if (rc == RC_OK && rename(f->part, path) != 0)
        rc = file_fail(err, path, errno);
    sweep(f->dir, r->a);
    return rc == RC_OK ? dir_sync(f->dir, err) : rc;
}

/* The passphrase of a single backup is not kept longer than it is needed. */
static enum rc forget_passphrase(struct db *db, struct run *r, void *arg, struct err *err)
{
    (void)arg;
    return db_job_forget_payload(db, r->job.id, err);
}

static enum rc step_write(struct run *r, struct step_out *out, struct err *err)
{
    struct source s = {0};
    struct facts f = {0};
    int64_t bytes = 0;
    TRY(source_of(r, &s, err));
    out->done = s.store_id == 0; /* a person waits for it: it is not tried again */
    if (out->done) {
        out->save = forget_passphrase;
        out->save_on_failure = true;
    }
    out->audit = "backup.write";
    TRY(facts_of(r, &f, err));
    TRY(make_file(r, &s, &f, &bytes, err));
    AUTO(buf) struct buf b = BUF(4096);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "file", f.name);
    jw_ki64(&w, "bytes", bytes);
    jw_kstr(&w, "created", f.created);
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    out->progress = out->detail = arena_strdup(r->a, buf_cstr(&b));
    out->next = "ship";
    return out->progress ? RC_OK : NOMEM(err);
}

static enum rc step_ship(struct run *r, struct step_out *out, struct err *err)
{
    struct source s = {0};
    struct ctx ctx;
    const char *name = json_str_or(r->progress, "file", "");
    const char *path = arena_printf(r->a, "%s/backup/%s", r->e->o.data, name);
    TRY(source_of(r, &s, err));
    TRY(run_ctx(r, &s.store, &ctx, err));
    const struct backup_ops *ops = backup_find(s.store.rec.type);
    if (!path)
        return NOMEM(err);
    if (access(path, R_OK) != 0) { /* it was taken away: made anew */
        out->next = "write";
        return RC_OK;
    }
    TRY(ops->put(&ctx, s.set, path, name, err));
    (void)unlink(path);
    out->next = "prune";
    out->audit = "backup.ship";
    return RC_OK;
}

struct pruned {
    int64_t id;
    const char *state;
    bool superseded;
    const char *name;
};

static enum rc save_pruned(struct db *db, struct run *r, void *arg, struct err *err)
{
    struct pruned *p = arg;
    TRY(db_connector_set_state(db, p->id, p->state, err));
    if (!p->superseded)
        return RC_OK;
    TRY(db_meta_set(db, "hold", "superseded", err));
    struct notice_facts f = {.event = "system.superseded",
                             .subject = "system",
                             .dedup = arena_printf(r->a, "superseded:%lld", (long long)r->job.id),
                             .name = p->name};
    r->made_work = true;
    return notice_facts(db, &f, run_now(r), err);
}

/* The files that stay, oldest first, and the new one; those over the number are removed. */
static enum rc prune_files(struct run *r, const struct source *s, struct ctx *ctx,
                           struct json_writer *w, struct err *err)
{
    const struct backup_ops *ops = backup_find(s->store.rec.type);
    const struct json *old = json_get(s->store.state, "files");
    const char *name = json_str_or(r->progress, "file", "");
    size_t n = json_len(old),
           drop = n + 1 > (size_t)s->set->keep ? n + 1 - (size_t)s->set->keep : 0;
    jw_key(w, "files");
    jw_array(w);
    for (size_t i = 0; i < n; i++) {
        const char *file = json_str_or(json_at(old, i), "name", "");
        if (strcmp(file, name) == 0)
            continue;
        if (i < drop)
            TRY(ops->remove(ctx, s->set, file, err));
        else
            jw_json(w, json_at(old, i));
    }
    jw_object(w);
    jw_kstr(w, "name", name);
    jw_ki64(w, "bytes", json_i64_or(r->progress, "bytes", 0));
    jw_kstr(w, "created", json_str_or(r->progress, "created", ""));
    jw_end_object(w);
    jw_end_array(w);
    return RC_OK;
}

static enum rc step_prune(struct run *r, struct step_out *out, struct err *err)
{
    struct source s = {0};
    struct facts f = {0};
    struct ctx ctx;
    struct pruned *p = ARENA_NEW(r->a, struct pruned);
    AUTO(buf) struct buf b = BUF((size_t)1 << 20);
    struct json_writer w = JSON_WRITER(&b);
    char next[32];
    int64_t seen = 0;
    if (!p)
        return NOMEM(err);
    TRY(source_of(r, &s, err));
    TRY(facts_of(r, &f, err));
    TRY(run_ctx(r, &s.store, &ctx, err));
    TRY(backup_find(s.store.rec.type)->mark(&ctx, s.set, f.installation, f.generation, &seen, err));
    int64_t at = run_now(r) + s.set->every * USEC_PER_SEC;
    time_rfc3339(at, next);
    jw_object(&w);
    jw_kstr(&w, "last_at", f.created);
    jw_kstr(&w, "last_file", json_str_or(r->progress, "file", ""));
    jw_kstr(&w, "next_at", next);
    jw_ki64(&w, "next", at);
    TRY(prune_files(r, &s, &ctx, &w, err));
    jw_end_object(&w);
    TRY(buf_ok(&b, err));
    *p = (struct pruned){s.store_id, arena_strdup(r->a, buf_cstr(&b)), seen > f.generation,
                         s.store.rec.name};
    out->save = save_pruned;
    out->arg = p;
    out->done = true;
    out->audit = "backup.done";
    return p->state ? RC_OK : NOMEM(err);
}

static enum rc failed(struct db *db, struct run *r, const struct err *why, bool blocked,
                      struct err *err)
{
    if (!blocked && r->job.attempts < 3)
        return RC_OK;
    struct notice_facts f = {.event = "backup.failed",
                             .subject = r->job.subject,
                             .dedup = arena_printf(r->a, "backup:%lld:%lld", (long long)r->job.id,
                                                   (long long)(run_now(r) / USEC_PER_DAY)),
                             .name = r->job.subject,
                             .why = why};
    r->made_work = true;
    return notice_facts(db, &f, run_now(r), err);
}

static const struct step steps[] = {
    {"write",
     {"Writing the backup", "バックアップを作成しています"},
     step_write,
     WRITE_LIMIT,
     false},
    {"ship", {"Storing the backup", "バックアップを保存しています"}, step_ship, WRITE_LIMIT, false},
    {"prune", {"Removing old backups", "古いバックアップを削除しています"}, step_prune, 0, false},
};
const struct flow flow_backup = {"backup", steps, COUNT_OF(steps), failed, NULL};

/* A store whose time has come, or whose clock went wrong. */
enum rc backups_due(struct db *db, struct run *r, int64_t now, struct err *err)
{
    struct connector_list l;
    TRY(db_connector_list(db, "backup", 0, 100, r->a, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        const struct json *state = NULL, *set = NULL;
        int64_t job = 0;
        bool existing = false;
        TRY(run_json(r, l.v[i].state, &state, err));
        TRY(run_json(r, l.v[i].settings, &set, err));
        int64_t next = json_i64_or(state, "next", 0);
        int64_t every = json_i64_or(set, "every", 86400) * USEC_PER_SEC;
        if (next > now && next <= now + every)
            continue;
        TRY(job_request_backup(db, l.v[i].id, NULL, NULL, now, &job, &existing, err));
        r->made_work |= !existing;
    }
    return RC_OK;
}
