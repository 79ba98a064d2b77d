/*
 * Discoveries: a pasted list of places, looked at by a job, and what stands there. Invariants: it
 * belongs to a group like an endpoint does; what a reader may not see is not named to them.
 */
#include <string.h>

#include "api/priv.h"
#include "model/discover.h"
#include "store/repo_discover.h"

enum { TITLE_MAX = 80 };

struct discovery_in {
    const char *targets, *group;
    struct str_list ports;
};
static const struct field fields[] = {
    FIELD_TEXT(struct discovery_in, targets, .flags = FIELD_REQUIRED, .max = DISCOVER_TEXT_MAX,
               .label = {"Hosts, addresses and ranges, a line each",
                         "ホスト名・アドレス・範囲（1 行に 1 件）"}),
    FIELD_LIST(struct discovery_in, ports, .max = DISCOVER_PORTS_MAX,
               .label = {"Ports, where a line names none", "ポート（行に指定がない場合）"}),
    FIELD_STR(struct discovery_in, group, .max = 128, .label = {"Group", "ユーザーグループ"}),
    FIELD_END};

static enum rc view_discovery(struct request *r, const struct discovery *d, bool detail,
                              struct err *err)
{
    struct json_writer *w = &r->w;
    struct tally_list tally = {NULL, 0};
    if (detail)
        TRY(db_discovery_tally(r->db, d->id, r->a, &tally, err));
    jw_object(w);
    jw_ki64(w, "id", d->id);
    jw_kstr(w, "name", d->name);
    jw_kstr(w, "state", job_state_name(d->state));
    jw_ki64(w, "total", d->total);
    jw_ki64(w, "looked", d->looked);
    jw_ki64(w, "found", d->found);
    if (detail) {
        jw_key(w, "relations");
        jw_object(w);
        for (size_t i = 0; i < tally.n; i++)
            jw_ki64(w, tally.v[i].name, tally.v[i].n);
        jw_end_object(w);
    }
    jw_ki64(w, "job", d->job_id);
    jw_kstr(w, "actor", d->actor);
    view_group_of(r, d->group_id);
    jw_ktime(w, "created", d->created);
    jw_ktime(w, "updated", d->updated);
    jw_end_object(w);
    return RC_OK;
}

/* The first line that says something, shortened between characters. */
static const char *title_of(struct request *r, const char *text)
{
    struct str rest = str_from(text), line = STR("");
    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n > 0 && line.p[0] != '#')
            break;
    }
    if (line.n <= TITLE_MAX)
        return arena_str(r->a, line);
    size_t n = TITLE_MAX;
    while (n > 0 && ((unsigned char)line.p[n] & 0xc0) == 0x80)
        n--;
    return arena_printf(r->a, "%.*s…", (int)n, line.p);
}

static enum rc run_create(struct request *r, struct err *err)
{
    const struct discovery_in *in = r->in;
    struct discover_list places;
    struct discovery d = {.name = title_of(r, in->targets), .actor = r->actor};
    if (!d.name)
        return NOMEM(err);
    TRY(discover_read(in->targets, &(struct names){in->ports.v, in->ports.n}, r->a, &places, err));
    TRY(group_from_input(r, in->group, 0, &d.group_id, err));
    TRY(job_request_discover(r->db, &d, &places, r->now, err));
    r_subject(r, "discovery", d.id);
    r_event(r, "discovery", d.id);
    r->wake = true;
    r->status = 201;
    TRY(db_discovery_get(r->db, d.id, r->a, &d, err));
    return view_discovery(r, &d, true, err);
}

static enum rc run_list(struct request *r, struct err *err)
{
    struct discovery_list list;
    int64_t before, limit;
    TRY(r_page(r, &before, &limit, err));
    TRY(db_discovery_list(r->db, before, (int)limit, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        TRY(view_discovery(r, &list.v[i], false, err));
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static enum rc find(struct request *r, struct discovery *ret, struct err *err)
{
    int64_t id;
    TRY(r_id(r->params[0], &id, err));
    r_subject(r, "discovery", id);
    return db_discovery_get(r->db, id, r->a, ret, err);
}

static enum rc run_get(struct request *r, struct err *err)
{
    struct discovery d;
    TRY(find(r, &d, err));
    return view_discovery(r, &d, true, err);
}

static enum rc run_cancel(struct request *r, struct err *err)
{
    struct discovery d;
    TRY(find(r, &d, err));
    TRY(db_job_cancel(r->db, d.job_id, r->now, err));
    TRY(db_discovery_get(r->db, d.id, r->a, &d, err));
    r_event(r, "discovery", d.id);
    r->wake = true;
    return view_discovery(r, &d, true, err);
}

static enum rc run_remove(struct request *r, struct err *err)
{
    struct discovery d;
    TRY(find(r, &d, err));
    TRY(db_discovery_remove(r->db, d.id, err));
    r_event(r, "discovery", d.id);
    jw_object(&r->w);
    jw_end_object(&r->w);
    return RC_OK;
}

static void view_item(struct request *r, const struct discovery_item *i)
{
    struct json_writer *w = &r->w;
    int64_t cert = i->held_id ? i->held_id : i->twin_id;
    jw_object(w);
    jw_ki64(w, "id", i->id);
    jw_kstr(w, "host", i->host);
    jw_ki64(w, "port", i->port);
    jw_kstr(w, "relation", i->relation);
    jw_kstr(w, "addr", i->addr);
    jw_kstr(w, "protocol", i->protocol);
    jw_kstr(w, "sha256", i->sha256);
    jw_kstr(w, "subject", i->subject);
    jw_kstr(w, "issuer", i->issuer);
    jw_kstr(w, "serial", i->serial);
    jw_kstr(w, "key", i->key_alg);
    jw_kstr(w, "name", i->name);
    view_names(w, "names", &i->names);
    jw_ktime(w, "not_before", i->not_before);
    jw_ktime(w, "not_after", i->not_after);
    jw_kbool(w, "trusted", i->trusted);
    jw_id(w, "cert", cert);
    view_cert_name(r, cert);
    jw_id(w, "endpoint", i->endpoint_id);
    view_error(w, "error", i->error);
    jw_ktime(w, "seen_at", i->seen_at);
    jw_end_object(w);
}

static enum rc run_items(struct request *r, struct err *err)
{
    struct discovery d;
    struct discovery_item_list list;
    int64_t after, limit;
    TRY(find(r, &d, err));
    TRY(r_page(r, &after, &limit, err));
    struct discovery_filter f = {.id = d.id,
                                 .relation = r_query(r, "state"),
                                 .text = r_query(r, "q"),
                                 .after = after,
                                 .limit = (int)limit};
    TRY(db_discovery_items(r->db, &f, r->a, &list, err));
    jw_object(&r->w);
    jw_key(&r->w, "items");
    jw_array(&r->w);
    for (size_t i = 0; i < list.n; i++)
        view_item(r, &list.v[i]);
    view_page_end(&r->w, list.n == (size_t)limit ? list.v[list.n - 1].id : 0);
    return RC_OK;
}

static const struct route rows[] = {
    {"discovery.list", "GET", "/discoveries", PERM(PERM_VIEW), ROUTE_READ, run_list,
     .answer = "page Discovery", .query = "after limit",
     .summary = {"List the discoveries, newest first", "探索を一覧する"}},
    {"discovery.create", "POST", "/discoveries", PERM(PERM_OPERATE), ROUTE_WRITE, run_create,
     .answer = "201 DiscoveryDetail",
     .summary = {"Look what stands at many addresses", "多数のアドレスを探索する"}, .body = fields,
     .body_size = sizeof(struct discovery_in)},
    {"discovery.get", "GET", "/discoveries/{id}", PERM(PERM_VIEW), ROUTE_READ, run_get,
     .answer = "DiscoveryDetail", .summary = {"One discovery", "探索を表示する"}},
    {"discovery.items", "GET", "/discoveries/{id}/items", PERM(PERM_VIEW), ROUTE_READ, run_items,
     .answer = "page DiscoveryItem", .query = "state@discovery q after limit",
     .summary = {"What was found at the addresses", "探索の結果を一覧する"}},
    {"discovery.cancel", "POST", "/discoveries/{id}/cancel", PERM(PERM_OPERATE), ROUTE_WRITE,
     run_cancel, .answer = "DiscoveryDetail",
     .summary = {"End a discovery; what was found stays", "探索を取り消す（結果は残る）"}},
    {"discovery.remove", "DELETE", "/discoveries/{id}", PERM(PERM_OPERATE), ROUTE_WRITE, run_remove,
     .answer = "Done", .summary = {"Remove a discovery that has ended", "終了した探索を削除する"}},
};
ROUTE_SET(routes_discover, rows);
