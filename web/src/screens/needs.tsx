// What needs a person today: what happened, why, and the one button that helps; kind by kind, so that
// many of one kind do not hide the others.
import type { ComponentChildren, JSX } from "preact";
import type { Cert, Endpoint, Job, Page, Summary } from "../lib/api";
import { number, pair, relative, stateText, t, word, type Key } from "../lib/i18n";
import { useGet, type Loaded } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate, isAdmin } from "../lib/role";
import { A } from "../lib/router";
import { Fault, Loading, Panel, State, faultText } from "../ui/basic";
import { JobHelp, RemedyButton, begin, subjectLink } from "../ui/job";
import { urgent, whereHelps, type Engine } from "./engine";
import { useLicence } from "./licence";

/** States that do not mend themselves, the worst first. */
const attention = ["expired", "revoked", "failed", "deploy_failed", "drift"] as const;
/** So many of one kind are shown when there are many; all while there are few. */
const SOME = 3;
const ALL = 10;

interface Need {
  key: string;
  state: string;
  what: ComponentChildren;
  why: string;
  at: string | null;
  action: ComponentChildren;
}
/** Needs of one kind: those to show, how many there are, and where the rest is. */
interface Kind {
  id: string;
  list: Need[];
  total: number;
  rest: string;
}

/** The certificates in each of the states; asked for only where there are any. */
function useTroubled(s: Summary, few: boolean): Loaded<Page<Cert>>[] {
  return attention.map((h) => useGet<Page<Cert>>(s.health[h] ? `/certs?state=${h}&sort=expires&limit=${few ? ALL : SOME}` : null, ["cert", "job", "deployment"]));
}

export function Needs({ s, engine }: { s: Summary; engine: Engine | null }): JSX.Element {
  const few = attention.reduce((n, h) => n + (s.health[h] ?? 0), 0) <= ALL;
  const troubled = useTroubled(s, few);
  const soon = useGet<Page<Cert>>(`/certs?state=expiring&sort=expires&limit=${ALL}`, ["cert", "job"]);
  const blocked = useGet<Page<Job>>("/jobs?state=blocked&work=1&limit=20", ["job"]);
  const failed = useGet<Page<Job>>("/jobs?state=failed&work=1&limit=20", ["job"]);
  const ends = useGet<Page<Endpoint>>(`/endpoints?state=bad&limit=${ALL}`, ["endpoint"]);
  const licence = useLicence();
  const asked = [...troubled, blocked, failed, ends];
  const reload = (): void => asked.forEach((x) => void x.reload());
  const error = asked.find((x) => x.error)?.error;
  if (!blocked.value || !failed.value || !ends.value) return error ? <Fault error={error} retry={reload} /> : <Loading />;
  const jobs = newestJobs([...blocked.value.items, ...failed.value.items]);
  const certs = attention.map((h, i) => certKind(h, troubled[i]?.value?.items ?? [], s.health[h] ?? 0, jobs, reload));
  const told = new Set(troubled.flatMap((x) => x.value?.items ?? []).map((c) => `cert/${c.id}`));
  const badEnds = Object.entries(s.endpoints).reduce((n, [k, v]) => n + (k === "ok" || k === "new" ? 0 : v), 0);
  const kinds: Kind[] = [
    engineKind(engine),
    licenceKind(licence.warning),
    ...certs,
    jobKind(blocked.value.items.filter((j) => !told.has(j.subject)), reload),
    endKind(ends.value.items, badEnds),
    soonKind((soon.value?.items ?? []).filter((c) => !c.renew_at && !c.job), s.health["expiring"] ?? 0, reload),
  ].filter((k) => k.list.length > 0);
  return (
    <Panel title={t("needs_title")} id="needs" class={kinds.length ? "needs" : "needs calm"}>
      <Fault error={error} retry={reload} />
      {kinds.length === 0 ? (
        <p class="all-well">
          <span aria-hidden="true">✓</span> {t("needs_none")}
        </p>
      ) : (
        <ul class="need-list">{kinds.map((k) => [...k.list.map((n) => <Row key={n.key} n={n} />), k.total > k.list.length && <Rest key={k.id} k={k} />])}</ul>
      )}
    </Panel>
  );
}

function Row({ n }: { n: Need }): JSX.Element {
  return (
    <li>
      <State of={n.state} />
      <div class="need-what">
        <b>{n.what}</b> {n.at && <span class="muted small">{relative(n.at)}</span>}
        <p class="small">{n.why}</p>
      </div>
      <div class="need-do">{n.action}</div>
    </li>
  );
}

function Rest({ k }: { k: Kind }): JSX.Element {
  return (
    <li class="need-rest">
      <A href={k.rest}>
        {k.list[0] && stateText(k.list[0].state).text} {t("needs_more", number(k.total - k.list.length))}
      </A>
    </li>
  );
}

/** A job that failed concerns a person only while nothing newer put it right. */
function newestJobs(all: Job[]): Map<string, Job> {
  const newest = new Map<string, Job>();
  for (const j of all) if ((newest.get(j.subject)?.id ?? 0) < j.id) newest.set(j.subject, j);
  return newest;
}

const kind = (id: string, list: Need[], total = list.length, rest = ""): Kind => ({ id, list, total, rest });

const engineKind = (engine: Engine | null): Kind =>
  kind(
    "engine",
    (engine?.problems ?? []).filter(urgent).map((p) => ({
      key: p.id,
      state: "blocked",
      what: <A href={whereHelps(p)}>{t("engine")}</A>,
      why: pair(p.message),
      at: p.since,
      action: (
        <A href={whereHelps(p)} class="button">
          {t(whereHelps(p) === "/settings/backup" ? "engine_see_backup" : "engine_see")}
        </A>
      ),
    })),
  );

const licenceKind = (warning: string | null): Kind =>
  kind("licence", warning ? [{ key: "licence", state: "blocked", what: <A href="/settings/licence">{t("licence")}</A>, why: warning, at: null, action: isAdmin() && <A href="/settings/licence" class="button">{t("licence_see")}</A> }] : []);

const certNeed = (c: Cert, why: string, at: string | null, action: ComponentChildren): Need => ({ key: "c" + c.id, state: c.health, what: <A href={`/certs/${c.id}`}>{display(c.name)}</A>, why, at, action });

function certKind(h: string, list: Cert[], total: number, jobs: Map<string, Job>, done: () => void): Kind {
  const needs = list
    .filter((c) => c.health === h) // the count and the list may be of two moments
    .map((c) => {
      const j = jobs.get(`cert/${c.id}`);
      return certNeed(c, j?.error ? faultText(j.error) : whyOf(c), j?.updated ?? (h === "expired" ? c.not_after : null), <Help c={c} j={j} done={done} />);
    });
  return kind(h, needs, total, "/certs?state=" + h);
}

const jobKind = (list: Job[], done: () => void): Kind =>
  kind(
    "jobs",
    list.slice(0, ALL).map((j) => ({
      key: "j" + j.id,
      state: j.state,
      what: <A href={subjectLink(j.subject) ?? "/orders"}>{display(j.subject_name ?? j.subject)}</A>,
      why: j.error ? faultText(j.error) : word("job." + j.kind),
      at: j.updated,
      action: canOperate() && <JobHelp job={j} done={done} />,
    })),
    list.length,
    "/orders",
  );

const endKind = (list: Endpoint[], total: number): Kind =>
  kind(
    "ends",
    list.slice(0, total > ALL ? SOME : ALL).map((e) => ({
      key: "e" + e.id,
      state: e.state,
      what: (
        <A href={`/watch/${e.id}`}>
          {e.host}:{e.port}
        </A>
      ),
      why: e.seen?.error ? faultText(e.seen.error) : word("why." + e.state),
      at: e.seen_at,
      action: (
        <A href={`/watch/${e.id}`} class="button">
          {t("see_finding")}
        </A>
      ),
    })),
    total,
    "/watch?state=bad",
  );

/** Of those that end soon, the ones that nothing renews. */
function soonKind(list: Cert[], expiring: number, done: () => void): Kind {
  const many = list.length >= ALL;
  const needs = list.slice(0, many ? SOME : ALL).map((c) => certNeed(c, t("why_expiring_manual"), c.not_after, <Help c={c} done={done} />));
  return kind("soon", needs, many ? expiring : list.length, "/certs?state=expiring");
}

function whyOf(c: Cert): string {
  const keys: Record<string, Key> = { expired: "why_expired", deploy_failed: "why_deploy_failed", drift: "why_drift", revoked: "why_revoked", failed: "why_failed" };
  const k = keys[c.health];
  return k ? t(k) : stateText(c.health).text;
}

function Help({ c, j, done }: { c: Cert; j?: Job; done: () => void }): JSX.Element | null {
  if (!canOperate()) return null;
  if (j) return <JobHelp job={j} ca={c.ca} done={done} />;
  if (c.health === "deploy_failed" || c.health === "drift") return <button onClick={() => void begin(`/certs/${c.id}/deploy`, t("started"), done)}>{t("deploy_again")}</button>;
  if (c.ca) return <RemedyButton of={{ label: "renew_now", renew: c.id }} done={done} />;
  return <RemedyButton of={{ label: "open_cert", to: `/certs/${c.id}` }} />;
}
