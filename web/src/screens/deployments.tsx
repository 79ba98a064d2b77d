// 適用: roll-outs, newest first, and one of them target by target.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, query, type DeployItem, type Deployment, type DeploymentDetail, type Job, type Page } from "../lib/api";
import { relative, stateText, t, word } from "../lib/i18n";
import { useGet, useTitle, useJob } from "../lib/hooks";
import { display } from "../lib/idn";
import { canOperate } from "../lib/role";
import { remedyOf } from "../lib/remedy";
import { A, go, type Place } from "../lib/router";
import { Chip, Facts, Fault, Head, Loading, Panel, State, When, faultText } from "../ui/basic";
import { exportCsv } from "../ui/csv";
import { JobView, askStop } from "../ui/job";
import { Listing } from "../ui/list";
import { usePages, type Column } from "../ui/table";
import { PlanLines } from "../ui/plan";
import { askResume, askUndo, inService } from "./rollout";
import { ViewBar } from "./views";

/** Was another version there? */
const before = (d: Deployment): boolean => d.previous > 0 && d.previous !== d.version;

export function deploymentColumns(): Column<Deployment>[] {
  return [
    { id: "state", label: t("state"), width: "9.5rem", show: (d) => <State of={d.state} /> },
    {
      id: "what",
      label: t("certificate"),
      head: true,
      show: (d) => (
        <div class="two">
          <A href={`/deployments/${d.id}`}>{d.cert_name ? display(d.cert_name) : `#${d.cert}`}</A>
          <span class="muted small">
            {word("reason." + (d.reason ?? ""))} · {t("version")} #{d.version}
            {before(d) ? ` ← #${d.previous}` : ""}
          </span>
        </div>
      ),
    },
    {
      id: "reached",
      label: t("targets"),
      level: 2,
      width: "8rem",
      show: (d) => (
        <span title={t("story_ok", d.targets.deployed, d.targets.total)}>
          {d.targets.deployed} / {d.targets.total}
          {d.targets.failed > 0 && <span class="bad-text small"> {t("n_failed", d.targets.failed)}</span>}
        </span>
      ),
    },
    { id: "at", label: t("started_at"), width: "13rem", show: (d) => <When at={d.created} stack time /> },
  ];
}

const states = ["running", "done", "failed", "stopped", "undone"] as const;

export function DeploymentsScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("deployments"));
  const at = place.query;
  const params = { q: at.get("q") ?? "", state: at.get("state") ?? "", target: at.get("target") ?? "" };
  const list = usePages<Deployment>("/deployments", params, ["deployment", "job"]);
  const set = (change: Record<string, string>): void => go("/deployments" + query({ ...params, ...change }), true);
  const filtered = !!(params.q || params.state || params.target);
  return (
    <Listing
      title={t("deployments")}
      lead={t("deployments_lead")}
      search={{ hint: t("deployments_search"), q: params.q, set: (v) => set({ q: v }) }}
      filters={
        <>
          <div class="chips" role="group" aria-label={t("state")}>
            {states.map((s) => (
              <Chip key={s} on={params.state === s} toggle={() => set({ state: params.state === s ? "" : s })}>
                {stateText(s).text}
              </Chip>
            ))}
          </div>
          {params.target && (
            <Chip on toggle={() => set({ target: "" })}>
              {t("target")}: {params.target}
            </Chip>
          )}
        </>
      }
      bar={<ViewBar screen="deployments" filtered={filtered} csv={() => deploymentsCsv(params)} />}
      clear={filtered && (() => go("/deployments", true))}
      none={t("deployments_none")}
      noneText={t("deployments_none_text")}
      list={list}
      columns={deploymentColumns()}
      link={(d) => `/deployments/${d.id}`}
    />
  );
}

const deploymentsCsv = (params: Record<string, string>): Promise<void> =>
  exportCsv<Deployment>({
    path: "/deployments",
    params,
    name: "deployments",
    head: [t("state"), t("certificate"), t("cause"), t("version"), t("previous_version"), t("targets"), t("failures"), t("started_at"), t("changed")],
    row: (d) => [stateText(d.state).text, d.cert_name, word("reason." + (d.reason ?? "")), d.version, d.previous || "", `${d.targets.deployed}/${d.targets.total}`, d.targets.failed, d.created, d.updated],
  });

export function DeploymentScreen({ id }: { id: string }): JSX.Element {
  const d = useGet<DeploymentDetail>(`/deployments/${encodeURIComponent(id)}`, ["deployment", "job"]);
  const newest = useGet<Page<Deployment>>(d.value ? `/deployments?cert=${d.value.cert}&limit=1` : null, ["deployment", "job"]);
  const [begun, setBegun] = useState<number | null>(null);
  const own = d.value && ["running", "stopping", "failed"].includes(d.value.state) ? d.value.job : null;
  const [job] = useJob(begun ?? own, () => void d.reload());
  // What is begun here is a roll-out of its own.
  const next = begun === null ? 0 : ((job?.progress as { deployment?: number } | null)?.deployment ?? 0);
  useEffect(() => {
    if (!next) return;
    setBegun(null);
    go(`/deployments/${next}`);
  }, [next]);
  useTitle(t("deployment_n", id));
  if (!d.value) return d.error ? <Fault error={d.error} retry={() => void d.reload()} /> : <Loading />;
  const v = d.value;
  const last = newest.value?.items[0]?.id === v.id && begun === null;
  const working = v.state === "running" || v.state === "stopping";
  return (
    <>
      <Head
        up={["/deployments", t("deployments")]}
        title={
          <>
            {t("deployment_n", v.id)} <State of={v.state} />
          </>
        }
        lead={<Story d={v} />}
      >
        {canOperate() && last && v.state === "stopped" && (
          <button class="primary" onClick={() => askResume(v, setBegun)}>
            {t("resume")}
          </button>
        )}
        {canOperate() && last && !working && before(v) && v.items.some((i) => inService(i.state)) && (
          <button onClick={() => askUndo(v.cert, v.cert_name ?? "", async () => setBegun((await call<{ job: Job }>("POST", `/certs/${v.cert}/undo`)).job.id))}>{t("undo")}</button>
        )}
        {canOperate() && v.state === "running" && (
          <button onClick={() => askStop(v.job, v.cert_name ?? "", () => void d.reload())}>{t("stop")}</button>
        )}
        <A href={`/certs/${v.cert}`} class="button">
          {t("open_cert")}
        </A>
      </Head>
      {v.state === "stopping" && <Stopping d={v} />}
      {job && (begun !== null || !["done", "cancelled"].includes(job.state)) && (
        <Panel title={word("job." + job.kind)} id="job">
          <JobView job={job} quiet={working && begun === null} onChange={() => void d.reload()} />
        </Panel>
      )}
      <Panel title={t("by_target")} id="items">
        {v.items.length === 0 && <p class="muted">{t("items_none")}</p>}
        <ol class="rollout">
          {v.items.map((i) => (
            <li key={i.id} class={"item-" + i.state}>
              <p class="item-head">
                <b>{i.target ?? t("target_gone")}</b> <State of={i.state === "skipped" ? "not_begun" : i.state} /> <span class="small">{holds(v, i)}</span> <span class="muted small">{relative(i.updated)}</span>
              </p>
              {i.error && <p class="bad-text">{faultText(i.error)}</p>}
              <ItemHelp d={v} i={i} />
              {i.plan && i.plan.lines.length > 0 && (
                <details>
                  <summary>{t("what_changed", i.plan.lines.length)}</summary>
                  <PlanLines plan={i.plan} />
                </details>
              )}
              {i.plan?.unchanged && <p class="muted small">{t("plan_nothing")}</p>}
            </li>
          ))}
        </ol>
      </Panel>
      <Panel title={t("facts")} id="facts">
        <Facts
          rows={[
            [t("certificate"), <A href={`/certs/${v.cert}`}>{v.cert_name ? display(v.cert_name) : `#${v.cert}`}</A>],
            [t("version"), `#${v.version}${before(v) ? t("in_brackets", `${t("previous_version")} #${v.previous}`) : ""}`],
            [t("cause"), word("reason." + (v.reason ?? ""))],
            [t("started_at"), <When at={v.created} time />],
            [t("changed"), <When at={v.updated ?? null} time />],
          ]}
        />
      </Panel>
    </>
  );
}

/** Which version a target has, as this roll-out left it. */
function holds(d: DeploymentDetail, i: DeployItem): string {
  if (inService(i.state)) return t("has_new", d.version);
  if (i.state === "applying" || i.state === "undoing") return t("has_unknown");
  if (i.state === "waiting" && d.state === "running") return "";
  return before(d) ? t("has_old", d.previous) : t("has_before");
}

function Stopping({ d }: { d: DeploymentDetail }): JSX.Element {
  const at = d.items.find((i) => i.state === "applying") ?? d.items.find((i) => i.state === "waiting");
  return (
    <p class="note warn" role="status">
      {at?.target ? t("stop_waits", at.target) : t("stop_waits_end")}
    </p>
  );
}

/** The way to what stopped it there; trying again is for the roll-out as a whole. */
function ItemHelp({ d, i }: { d: DeploymentDetail; i: DeployItem }): JSX.Element | null {
  const job = { kind: "deploy", subject: `cert/${d.cert}`, progress: { target: i.target_id } };
  const remedy = canOperate() ? remedyOf(i.error, { job }) : null;
  return remedy?.to ? (
    <div class="actions">
      <A href={remedy.to} class="button">
        {t(remedy.label)}
      </A>
    </div>
  ) : null;
}

/** The roll-out in one sentence. */
function Story({ d }: { d: DeploymentDetail }): JSX.Element {
  const n = (...s: string[]): number => d.items.filter((i) => s.includes(i.state)).length;
  const bits = [t("story_ok", n("verified", "applied"), d.items.length)];
  if (n("undone")) bits.push(t("story_undone", n("undone")));
  if (n("failed")) bits.push(t("story_failed", n("failed")));
  if (n("skipped")) bits.push(t(d.state === "stopped" ? "story_not_begun" : "story_skipped", n("skipped")));
  if (n("undone", "failed") > 0) bits.push(t("story_old_serves"));
  return <>{bits.join(" ")}</>;
}
