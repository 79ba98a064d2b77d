// バックアップ, the master key, ログ出力: what keeps an installation alive and what support asks for.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, download, type Audit, type Job, type Page, type Schemas } from "../lib/api";
import { dateTime, size, t, word, type Key as TextKey } from "../lib/i18n";
import { isAdmin } from "../lib/role";
import { A } from "../lib/router";
import { useGet, useMinute, type Loaded, useJob } from "../lib/hooks";
import { say } from "../lib/live";
import { Code, Facts, Fault, Field, Panel, Select, State, When, faultText, toast } from "../ui/basic";
import { ask } from "../ui/dialog";
import { JobView } from "../ui/job";
import { ConnectorTable } from "./connectors";

export function BackupPanel(): JSX.Element {
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [id, setId] = useState<number | null>(null);
  const [job] = useJob(id);
  const differ = second !== "" && first !== second;
  const run = (e: Event): void => {
    e.preventDefault();
    setError(null);
    call<{ job: Job }>("POST", "/backups", { passphrase: first }).then((a) => {
      setFirst("");
      setSecond("");
      setId(a.job.id);
    }, setError);
  };
  return (
    <>
      <HoldPanel />
      <Panel
        title={t("backup_stores")}
        id="stores"
        side={
          <A href="/backup-stores/new" class="button">
            {t("backup_store_add")}
          </A>
        }
      >
        <p class="lead">{t("backup_stores_lead")}</p>
        <ConnectorTable kind="backup" />
      </Panel>
      <Panel title={t("backup")} id="backup">
        <p class="lead">{t("backup_text")}</p>
        <form class="stack" onSubmit={run}>
          <Field label={t("passphrase")} value={first} onValue={setFirst} type="password" auto="new-password" help={t("passphrase_help")} required />
          <Field label={t("passphrase_again")} value={second} onValue={setSecond} type="password" auto="new-password" fault={differ ? t("not_same_passphrase") : null} required />
          <Fault error={error} />
          <div class="actions">
            <button class="primary" disabled={!first || differ || !second}>
              {t("backup_now")}
            </button>
          </div>
        </form>
        {job && <JobView job={job} />}
        <LastBackups ended={job?.state === "done" ? job.id : 0} />
        <p class="muted small">
          {t("backup_by_command")} <code>inro backup FILE</code> <code>inro restore FILE</code>
        </p>
      </Panel>
      <KeyPanel />
    </>
  );
}

const holds: Record<string, TextKey> = { restored: "hold_restored", beside: "hold_beside", superseded: "hold_superseded" };

/** Another copy that starts is told by no event: it is asked for now and then. */
function useHold(): Loaded<Schemas["System"]> {
  const s = useGet<Schemas["System"]>("/system", ["system", "notice", "backup"]);
  const minute = useMinute();
  useEffect(() => void s.reload(), [minute]);
  return s;
}

/** Above every screen while nothing may be changed; the way to the question for who may answer it. */
export function HoldBanner(): JSX.Element | null {
  const s = useHold();
  const hold = s.value?.hold;
  if (!hold) return null;
  return (
    <p class="note warn" role="status">
      {t(holds[hold] ?? "hold_restored")} {isAdmin() && <A href="/settings/backup">{t("hold_see")}</A>}
    </p>
  );
}

interface Restored {
  backup?: string;
  lost_last_record?: number;
  lost?: Record<string, number>;
  renewed_since?: number;
}

/** After a restore nothing runs until a person has read what is lost and says that this copy is the one. */
function HoldPanel(): JSX.Element | null {
  const s = useHold();
  const hold = s.value?.hold;
  const told = useGet<Page<Audit>>(hold ? "/audit?limit=1&q=system.restore" : null, []);
  if (!hold) return null;
  const last = told.value?.items[0];
  const d = (last?.detail ?? {}) as Restored;
  const lost = Object.entries(d.lost ?? {});
  return (
    <Panel title={hold === "restored" ? t("hold_title") : t("hold_title_other")} id="hold">
      <p class="note warn">{t(holds[hold] ?? "hold_restored")}</p>
      {last && hold !== "superseded" && (
        <>
          <Facts
            rows={[
              [t("hold_backup_of"), d.backup ? dateTime(d.backup) : ""],
              [t("hold_when"), <When at={last.at} time />],
            ]}
          />
          {d.lost ? (
            lost.length > 0 || d.renewed_since ? (
              <>
                <p>{t("hold_lost")}</p>
                <ul class="checks">
                  {lost.map(([k, n]) => (
                    <li key={k} class="missing">
                      {word("lost." + k)} <b>{n}</b>
                    </li>
                  ))}
                  {!!d.renewed_since && <li class="missing">{t("hold_renewed", d.renewed_since)}</li>}
                </ul>
              </>
            ) : (
              <p>{t("hold_nothing_lost")}</p>
            )
          ) : (
            <p>{t("hold_unknown")}</p>
          )}
        </>
      )}
      {hold !== "beside" && (
        <div class="actions">
          <button
            class="primary"
            onClick={() =>
              ask({
                title: t("hold_confirm_ask"),
                body: <p>{t("hold_confirm_what")}</p>,
                action: t("hold_confirm"),
                danger: true,
                run: async () => {
                  await call("POST", "/system/confirm");
                  toast(t("saved"));
                  say("system");
                },
              })
            }
          >
            {t("hold_confirm")}
          </button>
        </div>
      )}
    </Panel>
  );
}

/** The backups of the last jobs, single ones and scheduled ones. */
function LastBackups({ ended }: { ended: number }): JSX.Element | null {
  const list = useGet<Page<Job>>(`/jobs?kind=backup&limit=20&state=done${ended ? `&x=${ended}` : ""}`, ["job"]);
  const files = (list.value?.items ?? []).map((j) => ({ id: j.id, ...(j.progress as { file?: string; bytes?: number; created?: string } | null) })).filter((f) => f.file);
  if (files.length === 0) return null;
  return (
    <>
      <h3>{t("backups_made")}</h3>
      <ul class="lines">
        {files.map((f) => (
          <li key={f.id} class="spread">
            <span>
              <When at={f.created} time /> <span class="mono small">{f.file}</span>
            </span>
            <span>{size(f.bytes ?? 0)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

type Key = Schemas["KeyState"];

function KeyPanel(): JSX.Element {
  const k = useGet<Key>("/system/key", ["system", "job"]);
  const [now, setNow] = useState("");
  const [next, setNext] = useState("");
  const [error, setError] = useState<unknown>(null);
  const v = k.value;
  const done = (): void => {
    setNow("");
    setNext("");
    toast(t("saved"));
    void k.reload();
  };
  return (
    <Panel
      title={t("master_key")}
      id="key"
      side={
        v &&
        !v.sealed && (
          <button
            onClick={() =>
              ask({
                title: t("key_rotate_ask"),
                body: <p>{t("key_rotate_text")}</p>,
                action: t("key_rotate"),
                run: async () => {
                  await call("POST", "/system/key/rotate", now ? { current: now } : {});
                  done();
                },
              })
            }
          >
            {t("key_rotate")}
          </button>
        )
      }
    >
      <Fault error={k.error} />
      {v && (
        <Facts
          rows={[
            [t("state"), <State of={v.sealed ? "sealed" : "active"} />],
            [t("key_passphrase"), v.passphrase ? t("secret_set") : t("key_file_only")],
            [t("key_id"), <Code text={v.key_id} short={24} />],
            [t("key_count"), String(v.keys)],
          ]}
        />
      )}
      {v?.reason && <p class="bad-text">{faultText(v.reason)}</p>}
      {v?.sealed ? (
        <form
          class="stack"
          onSubmit={(e) => {
            e.preventDefault();
            setError(null);
            call("POST", "/system/unseal", { passphrase: now }).then(done, setError);
          }}
        >
          <Field label={t("key_passphrase")} value={now} onValue={setNow} type="password" auto="current-password" required />
          <Fault error={error} />
          <button class="primary">{t("unseal")}</button>
        </form>
      ) : (
        <details class="fold">
          <summary>{t("key_change")}</summary>
          <form
            class="stack"
            onSubmit={(e) => {
              e.preventDefault();
              setError(null);
              call("POST", "/system/key/passphrase", { ...(now ? { current: now } : {}), passphrase: next }).then(done, setError);
            }}
          >
            {v?.passphrase && <Field label={t("key_now")} value={now} onValue={setNow} type="password" auto="current-password" required />}
            <Field label={t("key_next")} value={next} onValue={setNext} type="password" auto="new-password" help={t("passphrase_help")} required />
            <Fault error={error} />
            <button>{t("key_change")}</button>
          </form>
        </details>
      )}
    </Panel>
  );
}

/** ログ出力: a time range as one archive, and all that support asks for. */
export function LogsPanel(): JSX.Element {
  const local = (ms: number): string => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  const [from, setFrom] = useState(local(Date.now() - 86400000));
  const [to, setTo] = useState(local(Date.now()));
  const [event, setEvent] = useState("");
  const [reproduce, setReproduce] = useState("");
  const [error, setError] = useState<unknown>(null);
  const range = (): string => `from=${encodeURIComponent(new Date(from).toISOString().replace(/\.\d+/, ""))}&to=${encodeURIComponent(new Date(to).toISOString().replace(/\.\d+/, ""))}`;
  return (
    <>
      <Panel title={t("logs")} id="logs">
        <p class="lead">{t("logs_text")}</p>
        <form
          class="range"
          onSubmit={(e) => {
            e.preventDefault();
            setError(null);
            download(`/logs?${range()}`, `inro-logs-${from.slice(0, 10)}.tar.gz`).catch(setError);
          }}
        >
          <Field label={t("from")} value={from} onValue={setFrom} type="datetime-local" required />
          <Field label={t("to")} value={to} onValue={setTo} type="datetime-local" required />
          <div class="actions">
            <button class="primary">{t("download")}</button>
          </div>
        </form>
        <Fault error={error} />
      </Panel>
      <Panel title={t("support")} id="support">
        <p class="lead">{t("support_text")}</p>
        <form
          class="stack"
          onSubmit={(e) => {
            e.preventDefault();
            setError(null);
            download(`/support-bundle?${range()}`, `inro-support-${to.slice(0, 10)}.tar.gz`, "POST", { ...(event.trim() ? { event } : {}), ...(reproduce.trim() ? { reproduce } : {}) }).catch(setError);
          }}
        >
          <Field label={t("support_event")} value={event} onValue={setEvent} rows={3} />
          <Field label={t("support_reproduce")} value={reproduce} onValue={setReproduce} rows={3} />
          <button>{t("support_make")}</button>
        </form>
      </Panel>
    </>
  );
}

export function LevelsPanel(): JSX.Element {
  const l = useGet<{ levels: Record<string, string> }>("/settings/log", []);
  const [error, setError] = useState<unknown>(null);
  return (
    <Panel title={t("log_levels")} id="levels">
      <p class="lead">{t("log_levels_text")}</p>
      <Fault error={l.error ?? error} />
      <div class="form-row">
        {Object.entries(l.value?.levels ?? {}).map(([room, level]) => (
          <Select
            key={room}
            label={word("part." + room)}
            value={level}
            of={["error", "warn", "info", "debug"].map((x) => [x, word("level." + x)])}
            onValue={(v) => void call("PUT", "/settings/log", { room, level: v }).then(() => void l.reload(), setError)}
          />
        ))}
      </div>
    </Panel>
  );
}
