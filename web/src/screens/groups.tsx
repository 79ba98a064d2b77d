// ユーザーグループ: people, and how they are told about what the group owns.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, type Group, type Page, type User } from "../lib/api";
import { t, word } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { isAdmin } from "../lib/role";
import { A, go } from "../lib/router";
import { Empty, Facts, Fault, Field, Loading, Panel, Select, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { Listing, rowsOf } from "../ui/list";
import { SaveEnd, useSave } from "../ui/save";
import { type Column } from "../ui/table";
import { RulePreview } from "./preview";

const events = ["cert", "renewal", "order", "deploy", "endpoint", "licence", "clock"];
/** Before the end of a certificate, where a rule names none. */
export const usualDays = [30, 14, 7, 1];
export const list = (v: unknown): string[] => (Array.isArray(v) ? v.map(String) : []);

/** A rule in words: who, how long before the end, of what. */
export const ruleWords = (rule: Group["notify"]): { to: string; days: string; events: string; lang: string } => ({
  to: list(rule?.["recipients"]).join(", "),
  days: (list(rule?.["days"]).length ? list(rule?.["days"]).map(Number).sort((a, b) => b - a) : usualDays).join(", "),
  events: list(rule?.["events"]).map((e) => word("events." + e)).join(", ") || t("all_events"),
  lang: word("lang." + String(rule?.["lang"] ?? "ja")),
});

export function GroupsPanel(): JSX.Element {
  const groups = useGet<Page<Group>>("/groups", ["group"]);
  const [adding, setAdding] = useState(false);
  if (groups.error instanceof ApiError && groups.error.status === 404) return <Empty title={t("groups")}>{t("groups_absent")}</Empty>;
  const columns: Column<Group>[] = [
    {
      id: "name",
      label: t("name"),
      head: true,
      show: (g) => (
        <div class="two">
          <A href={`/settings/groups/${g.id}`}>{g.name}</A>
          <span class="muted small">{g.about}</span>
        </div>
      ),
    },
    { id: "members", label: t("members"), width: "8rem", num: true, show: (g) => g.members.length },
    { id: "to", label: t("recipients"), level: 2, show: (g) => list(g.notify?.["recipients"]).join(", ") || "–" },
  ];
  return (
    <Listing
      panel="groups"
      title={t("groups")}
      lead={t("groups_lead")}
      add={isAdmin() && { text: t("group_add"), to: () => setAdding(true) }}
      search={{ hint: t("groups_search"), of: (g) => [g.name, g.about ?? "", ...g.members.map((m) => m.name || m.login), ...list(g.notify?.["recipients"])] }}
      none={t("groups_none")}
      noneText={t("groups_none_text")}
      list={rowsOf(groups)}
      columns={columns}
      link={(g) => `/settings/groups/${g.id}`}
    >
      {adding && <GroupDialog close={() => setAdding(false)} done={(g) => go(`/settings/groups/${g.id}`)} />}
    </Listing>
  );
}

export function GroupScreen({ id }: { id: string }): JSX.Element {
  const g = useGet<Group>(`/groups/${encodeURIComponent(id)}`, ["group", "user"]);
  const [edit, setEdit] = useState(false);
  const [joining, setJoining] = useState(false);
  if (!g.value) return g.error ? <Fault error={g.error} retry={() => void g.reload()} /> : <Loading />;
  const v = g.value;
  const rule = ruleWords(v.notify);
  return (
    <>
      <p class="up">
        <A href="/settings/groups">← {t("groups")}</A>
      </p>
      <Panel
        title={v.name}
        id="group"
        side={
          isAdmin() && (
            <>
              <button onClick={() => setEdit(true)}>{t("edit")}</button>
              <button
                class="danger-text"
                onClick={() =>
                  ask({
                    title: t("remove_ask", v.name),
                    body: <p>{t("group_remove_what", v.members.length)}</p>,
                    action: t("remove"),
                    danger: true,
                    run: async () => {
                      await call("DELETE", `/groups/${v.id}`);
                      toast(t("removed"));
                      go("/settings/groups");
                    },
                  })
                }
              >
                {t("remove")}
              </button>
            </>
          )
        }
      >
        <p>{v.about}</p>
        <Facts
          rows={[
            [t("recipients"), list(v.notify?.["recipients"]).map((x) => <div key={x}>{x}</div>)],
            [t("days_before"), rule.days],
            [t("events"), rule.events],
            [t("language"), rule.lang],
          ]}
        />
      </Panel>
      <Panel title={t("members")} id="members" side={isAdmin() && <button onClick={() => setJoining(true)}>{t("member_add")}</button>}>
        {v.members.length === 0 && <p class="muted">{t("members_none")}</p>}
        <ul class="lines">
          {v.members.map((m) => (
            <li key={m.id} class="spread">
              <span>
                {isAdmin() ? <A href={`/settings/users/${m.id}`}>{m.name || m.login}</A> : m.name || m.login} <span class="muted small">{word("role." + m.role)}</span>
              </span>
              {isAdmin() && (
                <button
                  class="quiet danger-text"
                  onClick={() =>
                    void call("DELETE", `/groups/${v.id}/members/${m.id}`).then(
                      () => void g.reload(),
                      (x: unknown) => toast(x instanceof Error ? x.message : String(x)),
                    )
                  }
                >
                  {t("member_leave")}
                </button>
              )}
            </li>
          ))}
        </ul>
      </Panel>
      <Panel title={t("preview")} id="preview">
        <RulePreview key={v.revision} group={v} />
      </Panel>
      {edit && (
        <GroupDialog
          old={v}
          close={() => setEdit(false)}
          done={() => {
            setEdit(false);
            void g.reload();
          }}
        />
      )}
      {joining && <Join g={v} close={() => setJoining(false)} done={() => void g.reload()} />}
    </>
  );
}

function GroupDialog({ old, close, done }: { old?: Group; close: () => void; done: (g: Group) => void }): JSX.Element {
  const rule = old?.notify ?? {};
  const [name, setName] = useState(old?.name ?? "");
  const [about, setAbout] = useState(old?.about ?? "");
  const [to, setTo] = useState(list(rule["recipients"]).join("\n"));
  const [days, setDays] = useState(list(rule["days"]).join(", "));
  const [on, setOn] = useState(new Set(list(rule["events"])));
  const [lang, setLang] = useState(String(rule["lang"] ?? "ja"));
  const split = (s: string): string[] => s.split(/[\s,、，]+/).filter(Boolean);
  const rulesOf = (): object => ({ ...(split(to).length ? { recipients: split(to) } : {}), ...(split(days).length ? { days: split(days) } : {}), ...(on.size ? { events: [...on] } : {}), lang });
  const save = useSave<Group>({
    of: old && { path: `/groups/${old.id}`, revision: old.revision },
    send: (revision) => {
      const body = { name: name.trim(), about: about.trim(), notify: rulesOf() };
      return old ? call("PATCH", `/groups/${old.id}`, { ...body, revision }) : call("POST", "/groups", body);
    },
    done,
  });
  return (
    <Dialog title={old ? t("edit_title", old.name) : t("group_add")} onClose={close}>
      <form onSubmit={save.submit}>
        <Field label={t("name")} value={name} onValue={setName} required focus={!old} />
        <Field label={t("about_group")} value={about} onValue={setAbout} />
        <Field label={t("recipients")} value={to} onValue={setTo} rows={3} help={t("recipients_help")} />
        <Field label={t("days_before")} value={days} onValue={setDays} placeholder={usualDays.join(", ")} help={t("days_help")} />
        <fieldset class="field">
          <legend>{t("events")}</legend>
          {[...new Set([...events, ...on])].map((ev) => (
            <label key={ev} class="check">
              <input
                type="checkbox"
                checked={on.has(ev)}
                onChange={(e) => {
                  const n = new Set(on);
                  if (e.currentTarget.checked) n.add(ev);
                  else n.delete(ev);
                  setOn(n);
                }}
              />
              <span>{word("events." + ev)}</span>
            </label>
          ))}
          <p class="help">{t("events_help")}</p>
        </fieldset>
        <Select label={t("language")} value={lang} of={["ja", "en"].map((l) => [l, word("lang." + l)])} onValue={setLang} />
        {old && <RulePreview group={old} rule={rulesOf} />}
        <SaveEnd of={save} cancel={close} />
      </form>
    </Dialog>
  );
}

function Join({ g, close, done }: { g: Group; close: () => void; done: () => void }): JSX.Element {
  const users = useGet<Page<User>>("/users", []).value?.items ?? [];
  const [user, setUser] = useState("");
  const [error, setError] = useState<unknown>(null);
  const others = users.filter((u) => !u.disabled && !g.members.some((m) => m.id === u.id));
  return (
    <Dialog title={t("member_add")} onClose={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          call("POST", `/groups/${g.id}/members`, { user }).then(() => {
            done();
            close();
          }, setError);
        }}
      >
        <Select label={t("users")} value={user} of={[["", t("choose")], ...others.map((u): [string, string] => [u.login, `${u.name} (${u.login})`])]} onValue={setUser} required />
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={!user}>
            {t("member_add")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
