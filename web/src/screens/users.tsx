// ユーザ情報: who may sign in and what they may do.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Group, type Page, type User } from "../lib/api";
import { t, word } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { A, go } from "../lib/router";
import { Check, Facts, Fault, Field, Loading, Panel, Select, State, When, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";
import { Listing, rowsOf } from "../ui/list";
import { SaveEnd, useSave } from "../ui/save";
import { type Column } from "../ui/table";

const roles = ["admin", "operator", "viewer"];
export const groupNames = (g?: User["groups"]): string[] => g ?? [];

export function UsersPanel(): JSX.Element {
  const list = useGet<Page<User>>("/users", ["user", "group"]);
  const [adding, setAdding] = useState(false);
  const columns: Column<User>[] = [
    {
      id: "name",
      label: t("name"),
      head: true,
      show: (u) => (
        <div class="two">
          <A href={`/settings/users/${u.id}`}>{u.name || u.login}</A>
          <span class="muted small">{u.login}</span>
        </div>
      ),
    },
    { id: "role", label: t("role"), width: "9rem", show: (u) => word("role." + u.role) },
    { id: "groups", label: t("groups"), level: 2, show: (u) => groupNames(u.groups).join(", ") || "–" },
    { id: "state", label: t("state"), width: "9rem", show: (u) => <State of={u.disabled ? "disabled" : u.must_change ? "first_password" : "active"} /> },
    { id: "seen", label: t("signed_in_at"), level: 3, width: "11rem", show: (u) => <When at={u.signed_in ?? null} stack /> },
  ];
  return (
    <Listing
      panel="users"
      title={t("users")}
      lead={t("users_lead")}
      add={{ text: t("user_add"), to: () => setAdding(true) }}
      search={{ hint: t("users_search"), of: (u) => [u.name ?? "", u.login, ...groupNames(u.groups)] }}
      none={t("users_none")}
      list={rowsOf(list)}
      columns={columns}
      link={(u) => `/settings/users/${u.id}`}
    >
      {adding && <UserDialog close={() => setAdding(false)} done={() => void list.reload()} />}
    </Listing>
  );
}

export function UserScreen({ id }: { id: string }): JSX.Element {
  const u = useGet<User>(`/users/${encodeURIComponent(id)}`, ["user"]);
  const [edit, setEdit] = useState(false);
  if (!u.value) return u.error ? <Fault error={u.error} retry={() => void u.reload()} /> : <Loading />;
  const v = u.value;
  return (
    <>
      <p class="up">
        <A href="/settings/users">← {t("users")}</A>
      </p>
      <Panel
        title={v.name || v.login}
        id="user"
        side={
          <>
            <button onClick={() => setEdit(true)}>{t("edit")}</button>
            {v.totp && (
              <button
                onClick={() =>
                  ask({
                    title: t("totp_off_ask", v.login),
                    body: <p>{t("totp_off_what")}</p>,
                    action: t("totp_off"),
                    danger: true,
                    run: async () => {
                      await call("DELETE", `/users/${v.id}/totp`);
                      await u.reload();
                    },
                  })
                }
              >
                {t("totp_off")}
              </button>
            )}
            <button
              class="danger-text"
              disabled={v.disabled}
              onClick={() =>
                ask({
                  title: t("user_remove_ask", v.login),
                  body: <p>{t("user_remove_what")}</p>,
                  action: t("remove"),
                  danger: true,
                  type: v.login,
                  run: async () => {
                    await call("DELETE", `/users/${v.id}`);
                    toast(t("removed"));
                    go("/settings/users");
                  },
                })
              }
            >
              {t("remove")}
            </button>
          </>
        }
      >
        <Facts
          rows={[
            [t("login"), v.login],
            [t("role"), word("role." + v.role)],
            [t("groups"), groupNames(v.groups).join(", ")],
            [t("language"), word("lang." + v.lang)],
            [t("state"), <State of={v.disabled ? "disabled" : v.must_change ? "first_password" : "active"} />],
            [t("totp"), v.totp ? t("yes") : t("no")],
            [t("signed_in_at"), <When at={v.signed_in ?? null} time />],
            [t("created_at"), <When at={v.created} />],
          ]}
        />
      </Panel>
      {edit && <UserDialog old={v} close={() => setEdit(false)} done={() => void u.reload()} />}
    </>
  );
}

function UserDialog({ old, close, done }: { old?: User; close: () => void; done: () => void }): JSX.Element {
  const groups = useGet<Page<Group>>("/groups", []).value?.items ?? [];
  const [login, setLogin] = useState(old?.login ?? "");
  const [name, setName] = useState(old?.name ?? "");
  const [role, setRole] = useState<string>(old?.role ?? "operator");
  const [lang, setLang] = useState(old?.lang ?? "ja");
  const [password, setPassword] = useState("");
  const [disabled, setDisabled] = useState(old?.disabled ?? false);
  const [mine, setMine] = useState(new Set(groupNames(old?.groups)));
  const save = useSave({
    of: old && { path: `/users/${old.id}`, revision: old.revision },
    send: (revision) => {
      const shared = { name: name.trim() || login, role, lang, ...(groups.length ? { groups: [...mine] } : {}) };
      return old ? call("PATCH", `/users/${old.id}`, { ...shared, disabled, revision, ...(password ? { password } : {}) }) : call("POST", "/users", { ...shared, login: login.trim(), password });
    },
    done: () => {
      done();
      close();
    },
  });
  return (
    <Dialog title={old ? t("edit_title", old.login) : t("user_add")} onClose={close}>
      <form onSubmit={save.submit}>
        {!old && <Field label={t("login")} value={login} onValue={setLogin} type="email" required focus />}
        <Field label={t("person_name")} value={name} onValue={setName} />
        <Select label={t("role")} value={role} of={roles.map((r) => [r, word("role." + r)])} onValue={setRole} help={word("role_help." + role)} />
        {groups.length > 0 && (
          <fieldset class="field">
            <legend>{t("groups")}</legend>
            {groups.map((g) => (
              <label key={g.id} class="check">
                <input
                  type="checkbox"
                  checked={mine.has(g.name)}
                  onChange={(e) => {
                    const n = new Set(mine);
                    if (e.currentTarget.checked) n.add(g.name);
                    else n.delete(g.name);
                    setMine(n);
                  }}
                />
                <span>{g.name}</span>
              </label>
            ))}
          </fieldset>
        )}
        <Select label={t("language")} value={lang} of={["ja", "en"].map((l) => [l, word("lang." + l)])} onValue={setLang} />
        <Field label={old ? t("new_password_optional") : t("first_password")} value={password} onValue={setPassword} type="password" auto="new-password" help={t("first_password_help")} required={!old} />
        {old && <Check label={t("user_disabled")} on={disabled} set={setDisabled} help={t("user_disabled_help")} />}
        <SaveEnd of={save} cancel={close} />
      </form>
    </Dialog>
  );
}
