// ダッシュボード: first what needs a person today; then what will happen by itself, and whether it works.
import type { JSX } from "preact";
import { type Cert, type Job, type Page, type Summary } from "../lib/api";
import { date, number, pair, t, word } from "../lib/i18n";
import { useGet, useTitle } from "../lib/hooks";
import { canOperate, isAdmin } from "../lib/role";
import { display } from "../lib/idn";
import { A } from "../lib/router";
import { Days, ExpiryTimeline, healthOrder } from "../pic/pics";
import { Empty, Fault, Head, Loading, Panel, State, When, faultText } from "../ui/basic";
import { subjectLink } from "../ui/job";
import { EngineView, useEngine } from "./engine";
import { LicenceUse } from "./licence";
import { Needs } from "./needs";

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
