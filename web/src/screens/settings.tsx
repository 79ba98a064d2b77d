// 設定: people, groups, licence, backups, logs, tokens, the system.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, download, type Page } from "../lib/api";
import { dateTime, duration, t, word, type Key } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { isAdmin } from "../lib/role";
import { A } from "../lib/router";
import { Empty, Facts, Fault, Field, Head, Loading, Panel, State, When } from "../ui/basic";
import { GroupScreen, GroupsPanel } from "./groups";
import { LicencePanel } from "./licence";
import { TokensPanel } from "./tokens";
import { UserScreen, UsersPanel } from "./users";

type Part = { id: string; key: Key; may?: () => boolean };
const parts: Part[] = [
  { id: "users", key: "users", may: isAdmin },
  { id: "groups", key: "groups" },
  { id: "licence", key: "licence" },
  { id: "backup", key: "backup", may: isAdmin },
  { id: "logs", key: "logs", may: isAdmin },
  { id: "tokens", key: "tokens" },
  { id: "system", key: "system" },
];

export function SettingsScreen({ path }: { path: string[] }): JSX.Element {
  const list = parts.filter((p) => !p.may || p.may());
  const now = list.find((p) => p.id === path[0]) ?? (isAdmin() ? list[0] : list.find((p) => p.id === "system"));
  useTitle(now ? t(now.key) : t("settings"));
  const views: Record<string, () => JSX.Element> = {
    users: () => (path[1] ? <UserScreen key={path[1]} id={path[1]} /> : <UsersPanel />),
    groups: () => (path[1] ? <GroupScreen key={path[1]} id={path[1]} /> : <GroupsPanel />),
    licence: () => <LicencePanel />,
    backup: () => <BackupPanel />,
    logs: () => <LogsPanel />,
    tokens: () => <TokensPanel />,
    system: () => <SystemPanel />,
  };
  return (
    <>
      <Head title={t("settings")} />
      <div class="settings">
        <nav class="subnav" aria-label={t("settings")}>
          <ul>
            {list.map((p) => (
              <li key={p.id}>
                <A href={`/settings/${p.id}`} aria-current={p === now ? "page" : undefined}>
                  {t(p.key)}
                </A>
              </li>
            ))}
          </ul>
        </nav>
        <div class="settings-main">{now && views[now.id]?.()}</div>
      </div>
    </>
  );
}

interface System {
  version: string;
  uptime: number;
  clock: string;
  store: { kind: string; path: string | null; schema: string | null };
  roles: { name: string; pid: number; restarts: number }[];
}

function SystemPanel(): JSX.Element {
  const s = useGet<System>("/system", []);
  if (!s.value) return s.error ? <Fault error={s.error} retry={() => void s.reload()} /> : <Loading />;
  const v = s.value;
  const off = Math.abs(new Date(v.clock).getTime() - Date.now()) / 1000;
  return (
    <>
      <Panel title={t("system")} id="system">
        <Facts
          rows={[
            [t("version_of"), v.version],
            [t("uptime"), duration(v.uptime)],
            [
              t("server_clock"),
              <>
                {dateTime(v.clock)} {off > 120 && <span class="warn-text">{t("clock_off", Math.round(off))}</span>}
              </>,
            ],
            [t("store"), `${v.store.kind} ${v.store.path ?? ""}`],
            [t("schema_version"), v.store.schema],
          ]}
        />
      </Panel>
      <Panel title={t("roles_running")} id="roles">
        <div class="table-wrap">
          <table aria-label={t("roles_running")}>
            <thead>
              <tr>
                <th scope="col">{t("role_process")}</th>
                <th scope="col">{t("does")}</th>
                <th scope="col">PID</th>
                <th scope="col">{t("restarts")}</th>
              </tr>
            </thead>
            <tbody>
              {v.roles.map((r) => (
                <tr key={r.name}>
                  <th scope="row">{r.name}</th>
                  <td>{word("process." + r.name)}</td>
                  <td>{r.pid || "–"}</td>
                  <td>{r.restarts}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {v.roles.length === 0 && <p class="muted">{t("roles_unknown")}</p>}
      </Panel>
    </>
  );
}

/** A part whose routes this server does not have says how it is done instead. */
function Missing({ title, command, children }: { title: string; command: string; children: ComponentChildren }): JSX.Element {
  return (
    <Panel title={title} id="part">
      <p>{children}</p>
      <p>
        <code class="command">{command}</code>
      </p>
    </Panel>
  );
}
const absent = (x: unknown): boolean => x instanceof ApiError && x.status === 404;

interface Backup {
  id: number;
  at?: string;
  created?: string;
  name?: string;
  path?: string;
  size?: number;
  state?: string;
}

function BackupPanel(): JSX.Element {
  const list = useGet<Page<Backup>>("/backups", ["backup", "job"]);
  if (absent(list.error))
    return (
      <Missing title={t("backup")} command="inro backup FILE">
        {t("backup_by_command")}
      </Missing>
    );
  if (!list.value) return list.error ? <Fault error={list.error} /> : <Loading />;
  return (
    <Panel title={t("backup")} id="backup">
      {list.value.items.length === 0 && <Empty title={t("backup_none")}>{t("backup_by_command")}</Empty>}
      <ul class="lines">
        {list.value.items.map((b) => (
          <li key={b.id}>
            {b.state && <State of={b.state} />} <When at={b.at ?? b.created ?? null} time /> <span class="mono small">{b.path ?? b.name}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** ログ出力: a time range as one archive. */
function LogsPanel(): JSX.Element {
  const local = (ms: number): string => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const [from, setFrom] = useState(local(Date.now() - 86400000));
  const [to, setTo] = useState(local(Date.now()));
  const [error, setError] = useState<unknown>(null);
  if (absent(error))
    return (
      <Missing title={t("logs")} command="inro support-bundle FILE">
        {t("logs_by_command")}
      </Missing>
    );
  const run = (e: Event): void => {
    e.preventDefault();
    setError(null);
    const q = `from=${encodeURIComponent(new Date(from).toISOString())}&to=${encodeURIComponent(new Date(to).toISOString())}`;
    download(`/logs?${q}`, `inro-logs-${from.slice(0, 10)}.tar.gz`).catch(setError);
  };
  return (
    <Panel title={t("logs")} id="logs">
      <p class="lead">{t("logs_text")}</p>
      <form onSubmit={run} class="range">
        <Field label={t("from")} value={from} onValue={setFrom} type="datetime-local" required />
        <Field label={t("to")} value={to} onValue={setTo} type="datetime-local" required />
        <Fault error={error} />
        <div class="actions">
          <button class="primary">{t("download")}</button>
        </div>
      </form>
    </Panel>
  );
}
