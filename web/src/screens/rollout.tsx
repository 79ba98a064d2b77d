// Questions about a roll-out: to undo it, to go on with the rest; each says what happens to what.
import type { JSX } from "preact";
import { call, type Binding, type CertDetail, type Deployment, type DeploymentDetail, type Job, type Page } from "../lib/api";
import { date, relative, t } from "../lib/i18n";
import { useGet } from "../lib/hooks";
import { display } from "../lib/idn";
import { Fault, Loading } from "../ui/basic";
import { ask } from "../ui/dialog";

/** Which version an undo puts back: as the daemon chooses it. */
const former = (list: Deployment[]): number => list.find((d) => d.previous > 0 && d.previous !== d.version && d.state !== "running" && d.state !== "stopping")?.previous ?? 0;

/** Target by target what an undo would do. */
function UndoList({ cert }: { cert: number }): JSX.Element {
  const deployments = useGet<Page<Deployment>>(`/deployments?cert=${cert}&limit=50`, []);
  const bindings = useGet<Page<Binding>>(`/bindings?cert=${cert}`, []);
  const detail = useGet<CertDetail>(`/certs/${cert}`, []);
  const error = deployments.error ?? bindings.error ?? detail.error;
  if (!deployments.value || !bindings.value || !detail.value) return error ? <Fault error={error} /> : <Loading />;
  const to = former(deployments.value.items);
  if (!to) return <p class="muted">{t("undo_what")}</p>;
  const version = detail.value.versions.find((v) => v.id === to);
  const ended = version?.not_after && Date.parse(version.not_after) < Date.now();
  return (
    <>
      <p>{t("undo_list")}</p>
      <ol class="lines">
        {bindings.value.items.map((b) => (
          <li key={b.id} class="spread">
            <b>{b.target}</b>
            <span class={b.version === to ? "muted" : ""}>{b.version === to ? t("undo_stays", to) : b.version ? t("undo_changes", b.version, to) : t("undo_puts", to)}</span>
          </li>
        ))}
      </ol>
      {version?.not_after && <p class={ended ? "note warn" : ""}>{t(ended ? "undo_ended" : "undo_until", to, date(version.not_after), relative(version.not_after))}</p>}
      <p class="muted small">{t("undo_proof")}</p>
    </>
  );
}

export const askUndo = (cert: number, name: string, run: () => Promise<unknown>): void => ask({ title: t("undo_ask", display(name)), body: <UndoList cert={cert} />, action: t("undo"), danger: true, run });

export const askResume = (d: DeploymentDetail, started: (job: number) => void): void =>
  ask({
    title: t("resume_ask", display(d.cert_name ?? "")),
    body: (
      <>
        <p>{t("resume_what")}</p>
        <ul class="lines">
          {d.items.filter((i) => !inService(i.state)).map((i) => (
            <li key={i.id}>{i.target}</li>
          ))}
        </ul>
      </>
    ),
    action: t("resume"),
    run: async () => started((await call<{ job: Job }>("POST", `/certs/${d.cert}/deploy`, {})).job.id),
  });

export const inService = (state: string): boolean => state === "verified" || state === "applied";
