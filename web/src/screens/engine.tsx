// Whether Inro itself works: on the first page in short, on the system page, and as what needs a person.
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Schemas } from "../lib/api";
import { number, pair, relative, t } from "../lib/i18n";
import { useGet, useMinute, type Loaded } from "../lib/hooks";
import { isAdmin } from "../lib/role";
import { A } from "../lib/router";
import { Facts, Fault, State } from "../ui/basic";

export type Engine = Schemas["Engine"];
export type EngineProblem = Schemas["EngineProblem"];

/** An engine that stands still sends no news: it is asked every half minute as well. */
export function useEngine(): Loaded<Engine> {
  const e = useGet<Engine>("/engine", ["job", "endpoint"]);
  useEffect(() => {
    const timer = setInterval(() => void e.reload(), 30000);
    return () => clearInterval(timer);
  }, [e.reload]);
  return e;
}

/** What cannot wait: a plan for backups that is not made yet can. */
export const urgent = (p: EngineProblem): boolean => p.id !== "backup.none";
export const whereHelps = (p: EngineProblem): string => (/^(backup|vault\.locked)/.test(p.id) ? "/settings/backup" : "/settings/system");

export function EngineView({ of }: { of: Loaded<Engine> }): JSX.Element {
  const now = useMinute();
  const e = of.value;
  if (!e) return of.error ? <Fault error={of.error} retry={() => void of.reload()} /> : <p class="muted">{t("loading")}</p>;
  const ago = (at: string | null | undefined): ComponentChildren => (at ? relative(at, now) : null);
  const rows: [string, ComponentChildren][] = [
    [t("engine_tick"), ago(e.tick_at)],
    [t("engine_queue"), <A href="/orders">{t("engine_queue_n", number(e.queue.due), number(e.queue.running), number(e.queue.blocked))}</A>],
    [t("engine_look"), <A href="/watch">{ago(e.look_next) ?? t("engine_none")}</A>],
    [t("engine_renewal"), <A href="/certs?sort=renewal">{ago(e.renewal_next) ?? t("engine_none")}</A>],
  ];
  if (isAdmin()) rows.push([t("engine_backup"), <A href="/settings/backup">{ago(e.backup_at) ?? t(e.backup_places ? "engine_backup_first" : "engine_backup_none")}</A>]);
  return (
    <>
      {e.problems.length === 0 && (
        <p>
          <State of="ok" />
        </p>
      )}
      <ul class="lines problems">
        {e.problems.map((p) => (
          <li key={p.id}>
            <State of={urgent(p) ? "blocked" : "advice"} /> {pair(p.message)} {p.since && <span class="muted small">{relative(p.since, now)}</span>}
          </li>
        ))}
      </ul>
      <Facts rows={rows} />
    </>
  );
}
