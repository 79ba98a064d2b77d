// A job as it happens: its steps, what it is doing, why it stopped, and the button that helps.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, jobEnded, type Job, type Postable } from "../lib/api";
import { dateTime, pair, relative, t, word, type Key } from "../lib/i18n";
import { display } from "../lib/idn";
import { remedyOf, type About, type Remedy } from "../lib/remedy";
import { canOperate } from "../lib/role";
import { A } from "../lib/router";
import { Steps } from "../pic/pics";
import { Approve } from "./approve";
import { Code, Fault, State, errorText, faultText, toast } from "./basic";
import { ask } from "./dialog";

const flows: Record<string, [string, Key][]> = {
  issue: [
    ["prepare", "step_prepare"],
    ["key", "step_key"],
    ["order", "step_order"],
    ["present", "step_present"],
    ["finish", "step_finish"],
  ],
  deploy: [
    ["begin", "step_begin"],
    ["item", "step_item"],
    ["finish", "step_done"],
  ],
};

interface Proof {
  type: string;
  identifier: string;
  state: string;
  token?: string;
  value?: string;
}

export function JobView({ job, ca, onChange, quiet = false }: { job: Job; ca?: string | null; onChange?: () => void; quiet?: boolean }): JSX.Element {
  const [error, setError] = useState<unknown>(null);
  const flow = flows[job.kind];
  const stopped = job.state === "failed" || job.state === "blocked" || (job.state === "ready" && !!job.error);
  const asks = job.state === "blocked" && job.error?.id === "job.needs_approval";
  const remedy = stopped && !asks ? remedyOf(job.error, { job, ca }) : null;
  const early = waitsForItsTime(job);
  const [approving, setApproving] = useState(false);
  const proofs = (job.progress as { proofs?: Proof[] } | null)?.proofs ?? [];
  const act = async (what: "retry" | "cancel"): Promise<void> => {
    setError(null);
    try {
      await call("POST", `/jobs/${job.id}/${what}`);
      toast(what === "retry" ? t("retried") : t("cancelled"));
      onChange?.();
    } catch (x) {
      setError(x);
    }
  };
  return (
    <div class="jobview" aria-live="polite">
      {flow && <Steps steps={flow.map(([id, k]): [string, string] => [id, t(k)])} now={job.step === "stop" || job.step === "again" ? "item" : job.step} state={job.state} />}
      <p class="job-line">
        <State of={job.state} />
        <span>{job.state === "done" ? t("done_text") : job.error ? faultText(job.error) : pair(job.activity) || word("step." + job.step)}</span>
      </p>
      {early && (
        <p class="small muted">
          {t("begins_at")} {dateTime(job.run_at)} ({relative(job.run_at)})
        </p>
      )}
      {job.error?.remote && <p class="small mono">{job.error.remote}</p>}
      {job.state === "ready" && job.error && job.run_at && (
        <p class="small muted">
          {t("retry_at")} {dateTime(job.run_at)} ({t("attempts", job.attempts)})
        </p>
      )}
      {proofs.length > 0 && !jobEnded(job) && (
        <ul class="proofs">
          {proofs.map((p) => (
            <li key={p.type + p.identifier}>
              <span class="mono">{p.identifier}</span> <span class="muted small">{p.type}</span> {p.type === "dns-01" && p.value && <Code text={p.value} short={24} />}
            </li>
          ))}
        </ul>
      )}
      <Fault error={error} />
      {!quiet && (
        <div class="actions">
          {asks && canOperate() && (
            <button class="primary" onClick={() => setApproving(true)}>
              {t("approve_see")}
            </button>
          )}
          {early && canOperate() && <button onClick={() => askNow(job.id, job.subject_name ?? "", onChange)}>{t("begin_now")}</button>}
          {remedy && <RemedyButton of={remedy} class="primary" done={onChange} />}
          {stopped && !asks && (
            <button class={remedy ? "" : "primary"} onClick={() => void act("retry")}>
              {t("retry_now")}
            </button>
          )}
          {!["done", "failed", "cancelled"].includes(job.state) && <button onClick={() => (job.kind === "deploy" ? askStop(job.id, job.subject_name ?? "", onChange) : void act("cancel"))}>{t(job.kind === "deploy" ? "stop" : "cancel_job")}</button>}
        </div>
      )}
      {approving && <Approve job={job} close={() => setApproving(false)} done={onChange} />}
    </div>
  );
}

/** A roll-out whose time has not come: nothing failed, and nothing is at work. */
const waitsForItsTime = (j: Job): boolean => j.kind === "deploy" && j.state === "ready" && !j.error && ["begin", "again"].includes(j.step) && !!j.run_at && Date.parse(j.run_at) > Date.now() + 5000;

const askNow = (job: number, name: string, done?: () => void): void =>
  ask({
    title: t("begin_now_ask", display(name)),
    body: <p>{t("begin_now_what")}</p>,
    action: t("begin_now"),
    run: async () => {
      await call("POST", `/jobs/${job}/approve`, { now: true });
      toast(t("started"));
      done?.();
    },
  });

/** Finishes the target at hand and begins no other. */
export const askStop = (job: number, name: string, done?: () => void): void =>
  ask({
    title: t("stop_ask", display(name)),
    body: <p>{t("stop_what")}</p>,
    action: t("stop"),
    danger: true,
    run: async () => {
      await call("POST", `/jobs/${job}/cancel`);
      toast(t("stop_asked"));
      done?.();
    },
  });

/** The one thing that helps. */
export function RemedyButton({ of, done, class: look = "" }: { of: Remedy; done?: () => void; class?: string }): JSX.Element {
  if (of.to)
    return (
      <A href={of.to} class={`button ${look}`}>
        {t(of.label)}
      </A>
    );
  return (
    <button class={look} onClick={() => void begin(`/certs/${of.renew ?? 0}/renew`, t("started"), done)}>
      {t(of.label)}
    </button>
  );
}

/** Begins work and says so, or why not. */
export async function begin(path: Postable, said: string, done?: () => void): Promise<void> {
  try {
    await call("POST", path, {});
    toast(said);
    done?.();
  } catch (x) {
    toast(errorText(x));
  }
}

/** What helps with a job that stopped: where the cause is, or trying again. */
export function JobHelp({ job, ca, done }: About & { job: Job; done: () => void }): JSX.Element {
  const remedy = remedyOf(job.error, { job, ca });
  return remedy ? <RemedyButton of={remedy} done={done} /> : <button onClick={() => void begin(`/jobs/${job.id}/retry`, t("retried"), done)}>{t("retry_now")}</button>;
}

/** Where a subject of a job, notice or audit line is shown. */
export function subjectLink(subject: string | null | undefined): string | null {
  const m = /^([a-z]+)\/(\d+)$/.exec(subject ?? "");
  const base: Record<string, string> = { cert: "/certs/", target: "/targets/", ca: "/cas/", notifier: "/notify/", endpoint: "/watch/", backup: "/backup-stores/", user: "/settings/users/", deployment: "/deployments/", group: "/settings/groups/", org: "/orgs/" };
  const to = m ? base[m[1] ?? ""] : undefined;
  return m && to ? to + (m[2] ?? "") : null;
}

export function Subject({ of, name }: { of: string | null; name?: string | null }): JSX.Element {
  const href = subjectLink(of);
  const text = name ? display(name) : (of ? of.replace(/^([a-z_]+)\/?/, (whole: string, k: string) => (word("kind." + k) === "kind." + k ? whole : word("kind." + k))) : "–");
  return href ? <A href={href}>{text}</A> : <span>{text}</span>;
}
