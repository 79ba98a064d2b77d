import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, follow, type Binding, type CertDetail, type Job, type Message } from "./api";
import { date, dateTime, pair, relative, t } from "./i18n";
import { Fault, Panel, State, faultText } from "./ui";

interface PlanLine {
  what: Message;
  object: string | null;
  before: string | null;
  after: string | null;
}
interface Plan {
  target: string;
  unchanged: boolean;
  lines: PlanLine[];
  error?: { message: Message } | null;
}

export function Detail({ id, tick, onBack }: { id: number; tick: number; onBack: () => void }): JSX.Element {
  const [cert, setCert] = useState<CertDetail | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [job, setJob] = useState<Job | null>(null);
  const [plans, setPlans] = useState<Plan[] | null>(null);
  const [busy, setBusy] = useState(false);
  const load = useCallback(async (): Promise<void> => {
    try {
      setCert(await call<CertDetail>("GET", `/certs/${id}`));
    } catch (x) {
      setError(x);
    }
  }, [id]);
  useEffect(() => void load(), [load, tick]);

  const act = async (path: string, body: unknown, isPlan: boolean): Promise<void> => {
    setBusy(true);
    setError(null);
    setPlans(null);
    setJob(null);
    try {
      const answer = await call<{ job: { id: number } | number }>("POST", `/certs/${id}/${path}`, body);
      const j = await follow(typeof answer.job === "number" ? answer.job : answer.job.id, setJob);
      if (isPlan && j.state === "done") {
        setPlans((j.progress as { plans?: Plan[] } | null)?.plans ?? []);
        setJob(null);
      }
      await load();
    } catch (x) {
      setError(x);
    } finally {
      setBusy(false);
    }
  };

  if (!cert) return <main>{error ? <Fault error={error} /> : <p class="muted">{t("loading")}</p>}</main>;
  return (
    <main>
      <p>
        <button class="link" onClick={onBack}>
          ← {t("back")}
        </button>
      </p>
      <h1>
        {cert.name} <State of={cert.health} />
      </h1>
      <Facts cert={cert} />
      <p class="actions">
        <button disabled={busy || cert.bindings.length === 0} onClick={() => void act("deploy", { plan: true }, true)}>
          {t("showPlan")}
        </button>
        <button class="primary" disabled={busy || cert.bindings.length === 0} onClick={() => void act("deploy", {}, false)}>
          {t("deploy")}
        </button>
        <button disabled={busy} onClick={() => void act("renew", {}, false)}>
          {t("renew")}
        </button>
      </p>
      <Fault error={error} />
      {job && <Result job={job} />}
      {plans && <PlanView plans={plans} />}
      <Bindings list={cert.bindings} />
      <Panel title={t("versions")} id="versions">
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">{t("version")}</th>
                <th scope="col">{t("state")}</th>
                <th scope="col">{t("serial")}</th>
                <th scope="col">{t("since")}</th>
                <th scope="col">{t("expires")}</th>
              </tr>
            </thead>
            <tbody>
              {cert.versions.map((v) => (
                <tr key={v.id}>
                  <th scope="row">{v.id}</th>
                  <td>
                    <State of={v.state} />
                  </td>
                  <td class="mono clip">{v.serial ?? "–"}</td>
                  <td>{dateTime(v.not_before)}</td>
                  <td>{dateTime(v.not_after)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Panel>
    </main>
  );
}

function Facts({ cert }: { cert: CertDetail }): JSX.Element {
  const rows: [string, string][] = [
    [t("names"), cert.names.join(", ")],
    [t("expires"), `${date(cert.not_after)} ${relative(cert.not_after)}`],
    [t("renewal"), `${date(cert.renew_at)} ${relative(cert.renew_at)}`],
    [t("issuer"), cert.issuer ?? "–"],
    [t("key"), cert.key],
  ];
  return (
    <dl class="facts">
      {rows.map(([k, v]) => (
        <div key={k}>
          <dt>{k}</dt>
          <dd>{v}</dd>
        </div>
      ))}
    </dl>
  );
}

function Result({ job }: { job: Job }): JSX.Element {
  return (
    <Panel title={t("result")} id="result">
      <p aria-live="polite">
        <State of={job.state} /> {job.error ? faultText(job.error) : pair(job.activity) || job.step}
      </p>
    </Panel>
  );
}

function PlanView({ plans }: { plans: Plan[] }): JSX.Element {
  if (plans.every((p) => p.unchanged && !p.error))
    return (
      <Panel title={t("planTitle")} id="plan">
        <p>{t("planNothing")}</p>
      </Panel>
    );
  return (
    <Panel title={t("planTitle")} id="plan">
      {plans.map((p) => (
        <div key={p.target}>
          <h3>{p.target}</h3>
          {p.error && <p class="fault">{pair(p.error.message)}</p>}
          {p.unchanged && <p class="muted">{t("planNothing")}</p>}
          {p.lines.length > 0 && (
            <div class="scroll">
              <table class="plan">
                <thead>
                  <tr>
                    <th scope="col">{t("planWhat")}</th>
                    <th scope="col">{t("planObject")}</th>
                    <th scope="col">{t("planBefore")}</th>
                    <th scope="col">{t("planAfter")}</th>
                  </tr>
                </thead>
                <tbody>
                  {p.lines.map((l, i) => (
                    <tr key={i}>
                      <td>{pair(l.what)}</td>
                      <td class="mono">{l.object}</td>
                      <td class="mono before">{l.before ?? "–"}</td>
                      <td class="mono after">{l.after ?? "–"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </div>
      ))}
    </Panel>
  );
}

function Bindings({ list }: { list: Binding[] }): JSX.Element {
  return (
    <Panel title={t("bindings")} id="bindings">
      {list.length === 0 ? (
        <p class="muted">{t("bindingsNone")}</p>
      ) : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">{t("target")}</th>
                <th scope="col">{t("state")}</th>
                <th scope="col">{t("served")}</th>
                <th scope="col">{t("result")}</th>
              </tr>
            </thead>
            <tbody>
              {list.map((b) => (
                <tr key={b.id}>
                  <th scope="row">{b.target}</th>
                  <td>
                    <State of={b.state} />
                  </td>
                  <td>{b.version ?? "–"}</td>
                  <td>{b.error ? faultText(b.error) : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
