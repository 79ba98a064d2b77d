// 設定: people, groups, licence, backups, logs, tokens, the system.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call, type Schemas } from "../lib/api";
import { dateTime, duration, t, word, type Key } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { isAdmin } from "../lib/role";
import { A } from "../lib/router";
import { Facts, Fault, Field, Head, Loading, Panel, Select, State, faultText, toast } from "../ui/basic";
import { BackupPanel, LevelsPanel, LogsPanel } from "./keeping";
import { EngineView, useEngine } from "./engine";
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
    logs: () => (
      <>
        <LogsPanel />
        <LevelsPanel />
        <SyslogPanel />
      </>
    ),
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

type System = Schemas["System"];

function SystemPanel(): JSX.Element {
  const s = useGet<System>("/system", []);
  const engine = useEngine();
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
      <Panel title={t("engine")} id="engine">
        <EngineView of={engine} />
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

const absent = (x: unknown): boolean => x instanceof ApiError && x.status === 404;

type Syslog = Schemas["Syslog"] & { settings: { host?: string; port?: number; security?: string } | null };

function SyslogPanel(): JSX.Element | null {
  const s = useGet<Syslog>("/settings/syslog", []);
  const [host, setHost] = useState<string | null>(null);
  const [port, setPort] = useState<string | null>(null);
  const [security, setSecurity] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  if (!s.value) return absent(s.error) ? null : s.error ? <Fault error={s.error} /> : <Loading />;
  const v = s.value;
  const sec = security ?? v.settings?.security ?? "tls";
  const run = (work: Promise<unknown>): void => {
    setError(null);
    work.then(() => {
      toast(t("saved"));
      void s.reload();
    }, setError);
  };
  return (
    <Panel title={t("syslog")} id="syslog" side={v.on && <button onClick={() => run(call("DELETE", "/settings/syslog"))}>{t("syslog_off")}</button>}>
      <p class="lead">{t("syslog_text")}</p>
      {v.on && (
        <p>
          <State of={v.error ? "failed" : "active"} /> {t("syslog_now", v.sent, v.behind)} {v.error && <span class="bad-text">{faultText(v.error)}</span>}
        </p>
      )}
      <form
        class="form-row"
        onSubmit={(e) => {
          e.preventDefault();
          run(call("PUT", "/settings/syslog", { host: (host ?? v.settings?.host ?? "").trim(), port: Number(port ?? v.settings?.port ?? 6514), security: sec }));
        }}
      >
        <Field label={t("syslog_host")} value={host ?? v.settings?.host ?? ""} onValue={setHost} required />
        <Field label={t("syslog_port")} value={port ?? String(v.settings?.port ?? 6514)} onValue={setPort} type="number" required />
        <Select label={t("syslog_security")} value={sec} of={[["tls", "TLS"], ["plain", t("no_encryption")]]} onValue={setSecurity} />
        <div class="actions">
          <button>{t("save")}</button>
        </div>
      </form>
      <Fault error={error} />
    </Panel>
  );
}
