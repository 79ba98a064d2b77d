// ダッシュボード: first what needs a person today; then what will happen by itself, and whether it works.
import type { ComponentChildren, JSX } from "preact";
import { type Cert, type Endpoint, type Job, type Page, type Summary } from "../lib/api";
import { date, number, pair, relative, stateText, t, word, type Key } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { canOperate, isAdmin } from "../lib/role";
import { display } from "../lib/idn";
import { A } from "../lib/router";
import { Days, ExpiryTimeline, healthOrder } from "../pic/pics";
import { Empty, Fault, Head, Loading, Panel, State, When, faultText } from "../ui/basic";
import { JobHelp, RemedyButton, begin, subjectLink } from "../ui/job";
import { EngineView, urgent, useEngine, whereHelps, type Engine } from "./engine";
import { LicenceUse, useLicence } from "./licence";

export function Dashboard(): JSX.Element {
  useTitle(t("dashboard"));
  const s = useGet<Summary>("/summary", ["cert", "job", "endpoint", "deployment"]);
  const engine = useEngine();
  if (!s.value) return s.error ? <Fault error={s.error} retry={() => void s.reload()} /> : <Loading />;
  const total = Object.values(s.value.health).reduce((a, b) => a + b, 0);
  if (total === 0 && isAdmin())
    return (
      <>
        <Head title={t("dashboard")} />
        <Empty
          title={t("welcome")}
          action={
            <A href="/guide" class="button primary">
              {t("guide_begin")}
            </A>
          }
        >
          {t("welcome_text")}
        </Empty>
      </>
    );
  return (
    <>
      <Head title={t("dashboard")} lead={date(s.value.now)}>
        {canOperate() && (
          <A href="/certs/new" class="button primary">
            {t("request_cert")}
          </A>
        )}
      </Head>
      <Needs s={s.value} engine={engine.value} />
      <Panel title={t("timeline_title")} id="timeline" side={<A href="/report/expiry">{t("print_report")}</A>}>
        <Health s={s.value} total={total} />
        <ExpiryTimeline s={s.value} />
      </Panel>
      <div class="cols">
        <Panel title={t("renewals_title")} id="renewals" side={<A href="/certs?sort=renewal">{t("show_list")}</A>}>
          <Days s={s.value} />
          <NextRenewals />
        </Panel>
        <Panel title={t("running")} id="running" side={<A href="/orders">{t("show_list")}</A>}>
          <Running />
        </Panel>
        <Panel title={t("watch_health")} id="watching" side={<A href="/watch">{t("show_list")}</A>}>
          <Watching s={s.value} />
        </Panel>
        <Panel title={t("licence_use")} id="licence" side={isAdmin() && <A href="/settings/licence">{t("licence")}</A>}>
          <LicenceUse summary={s.value} />
        </Panel>
        <Panel title={t("engine")} id="engine" class="across" side={<A href="/settings/system">{t("system")}</A>}>
          <EngineView of={engine} />
        </Panel>
      </div>
    </>
  );
}

/** Every number leads to its list. */
function Health({ s, total }: { s: Summary; total: number }): JSX.Element {
  return (
    <ul class="counts">
      <li>
        <A href="/certs">
          <b>{number(total)}</b> <span>{t("all_certs")}</span>
        </A>
      </li>
      {healthOrder
        .filter((h) => (s.health[h] ?? 0) > 0)
        .map((h) => (
          <li key={h}>
            <A href={`/certs?state=${h}`}>
              <b>{number(s.health[h] ?? 0)}</b> <State of={h} />
            </A>
          </li>
        ))}
    </ul>
  );
}

/** What the server calls attention: states that do not mend themselves. */
const attention = ["expired", "failed", "revoked", "deploy_failed", "drift"];

interface Need {
  key: string;
  state: string;
  what: ComponentChildren;
  why: string;
  at: string | null;
  action: ComponentChildren;
}

/** What happened, why, and the one button that helps. */
function Needs({ s, engine }: { s: Summary; engine: Engine | null }): JSX.Element {
  const certs = useGet<Page<Cert>>("/certs?state=attention&sort=expires&limit=20", ["cert", "job", "deployment"]);
  const soon = useGet<Page<Cert>>("/certs?state=expiring&sort=expires&limit=10", ["cert", "job"]);
  const blocked = useGet<Page<Job>>("/jobs?state=blocked&work=1&limit=20", ["job"]);
  const failed = useGet<Page<Job>>("/jobs?state=failed&work=1&limit=20", ["job"]);
  const ends = useGet<Page<Endpoint>>("/endpoints?state=bad&limit=20", ["endpoint"]);
  const licence = useLicence();
  const reload = (): void => {
    void certs.reload();
    void blocked.reload();
    void failed.reload();
    void ends.reload();
  };
  if (!certs.value || !blocked.value || !failed.value || !ends.value) {
    const error = certs.error ?? blocked.error ?? failed.error ?? ends.error;
    return error ? <Fault error={error} retry={reload} /> : <Loading />;
  }
  const list: Need[] = [];
  for (const p of engine?.problems.filter(urgent) ?? [])
    list.push({
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
    });
  if (licence.warning) list.push({ key: "licence", state: "blocked", what: <A href="/settings/licence">{t("licence")}</A>, why: licence.warning, at: null, action: isAdmin() && <A href="/settings/licence" class="button">{t("licence_see")}</A> });
  const byCert = new Map<string, Job>();
  // A job that failed concerns a person only while nothing newer put it right.
  for (const j of [...blocked.value.items, ...failed.value.items]) {
    const before = byCert.get(j.subject);
    if (!before || before.id < j.id) byCert.set(j.subject, j);
  }
  const told = new Set<string>();
  for (const c of certs.value.items) {
    const j = byCert.get(`cert/${c.id}`);
    told.add(`cert/${c.id}`);
    list.push({ key: "c" + c.id, state: c.health, what: <A href={`/certs/${c.id}`}>{display(c.name)}</A>, why: j?.error ? faultText(j.error) : whyOf(c), at: j?.updated ?? (c.health === "expired" ? c.not_after : null), action: <Help c={c} j={j} done={reload} /> });
  }
  for (const j of blocked.value.items)
    if (!told.has(j.subject))
      list.push({
        key: "j" + j.id,
        state: j.state,
        what: <A href={subjectLink(j.subject) ?? "/orders"}>{display(j.subject_name ?? j.subject)}</A>,
        why: j.error ? faultText(j.error) : word("job." + j.kind),
        at: j.updated,
        action: canOperate() && <JobHelp job={j} done={reload} />,
      });
  for (const e of ends.value.items)
    list.push({
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
    });
  for (const c of soon.value?.items ?? [])
    if (!c.renew_at && !c.job)
      list.push({ key: "s" + c.id, state: c.health, what: <A href={`/certs/${c.id}`}>{display(c.name)}</A>, why: t("why_expiring_manual"), at: c.not_after, action: <Help c={c} done={reload} /> });
  const shown = list.slice(0, 12);
  // Of the certificates only the first are read; the summary knows how many there are.
  const more = list.length + attention.reduce((n, h) => n + (s.health[h] ?? 0), 0) - certs.value.items.length - shown.length;
  return (
    <Panel title={t("needs_title")} id="needs" class={list.length ? "needs" : "needs calm"}>
      {list.length === 0 ? (
        <p class="all-well">
          <span aria-hidden="true">✓</span> {t("needs_none")}
        </p>
      ) : (
        <ul class="need-list">
          {shown.map((n) => (
            <li key={n.key}>
              <State of={n.state} />
              <div class="need-what">
                <b>{n.what}</b> {n.at && <span class="muted small">{relative(n.at)}</span>}
                <p class="small">{n.why}</p>
              </div>
              <div class="need-do">{n.action}</div>
            </li>
          ))}
        </ul>
      )}
      {more > 0 && (
        <p>
          <A href={"/certs?state=" + attention.join(",")}>{t("needs_more", number(more))}</A>
        </p>
      )}
    </Panel>
  );
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

function NextRenewals(): JSX.Element {
  const next = useGet<Page<Cert>>("/certs?sort=renewal&limit=5", ["cert"]);
  return (
    <ul class="lines">
      {(next.value?.items ?? []).map((c) => (
        <li key={c.id} class="spread">
          <A href={`/certs/${c.id}`}>{display(c.name)}</A>
          <When at={c.renew_at} />
        </li>
      ))}
      {next.value?.items.length === 0 && <li class="muted">{t("renewals_none")}</li>}
    </ul>
  );
}

function Running(): JSX.Element {
  const jobs = useGet<Page<Job>>("/jobs?open=1&work=1&limit=8", ["job"]);
  const list = (jobs.value?.items ?? []).filter((j) => j.state !== "blocked");
  return (
    <ul class="lines" aria-live="polite">
      {list.map((j) => (
        <li key={j.id}>
          <State of={j.state} /> {word("job." + j.kind)} <A href={subjectLink(j.subject) ?? "/orders"}>{display(j.subject_name ?? j.subject)}</A>
          <p class="muted small">{j.error ? faultText(j.error) : pair(j.activity) || word("step." + j.step)}</p>
        </li>
      ))}
      {jobs.value && list.length === 0 && <li class="muted">{t("running_none")}</li>}
    </ul>
  );
}

function Watching({ s }: { s: Summary }): JSX.Element {
  const rows = Object.entries(s.endpoints).sort();
  if (rows.length === 0)
    return (
      <p class="muted">
        {t("watch_none_text")} {canOperate() && <A href="/watch?add=1">{t("watch_add")}</A>}
      </p>
    );
  return (
    <ul class="counts">
      {rows.map(([k, n]) => (
        <li key={k}>
          <A href={`/watch?state=${k}`}>
            <b>{number(n)}</b> <State of={k === "new" ? "looking" : k} />
          </A>
        </li>
      ))}
    </ul>
  );
}
