// What helps at one endpoint: taking over what it serves, or putting there again what Inro holds.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, type Adopted, type CertDetail, type Endpoint, type Job } from "../lib/api";
import { date, t } from "../lib/i18n";
import { display } from "../lib/idn";
import { A } from "../lib/router";
import { cn } from "../pic/pics";
import { Fault, Select, toast } from "../ui/basic";
import { Dialog, ask } from "../ui/dialog";

/** A certificate without a key and without a CA: what a person does with it next. */
export function AdoptNext({ certs }: { certs: { id: number; name: string }[] }): JSX.Element {
  return (
    <section class="note" aria-label={t("adopt_next")}>
      <b>{t("adopt_next")}</b>
      <p>{t("adopt_next_text")}</p>
      <ul class="lines">
        {certs.slice(0, 50).map((c) => (
          <li key={c.id} class="spread">
            <A href={`/certs/${c.id}`}>{display(c.name)}</A>
            <A href={`/certs/${c.id}?edit=1`} class="button">
              {t("choose_ca")}
            </A>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Served {
  sha256: string;
  text: string;
}

/** What its addresses serve, each once. */
export function servedBy(e: Endpoint): Served[] {
  const seen = new Map<string, Served>();
  for (const a of e.seen?.addresses ?? [])
    if (a.sha256 && !seen.has(a.sha256)) seen.set(a.sha256, { sha256: a.sha256, text: `${cn(a.subject) || a.serial || a.sha256.slice(0, 12)}  ${date(a.not_after)}  ${a.addr}` });
  return [...seen.values()];
}

export function AdoptEndpoint({ e, close, done }: { e: Endpoint; close: () => void; done: (a: Adopted) => void }): JSX.Element {
  const all = servedBy(e);
  const [which, setWhich] = useState(all[0]?.sha256 ?? "");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (x: Event): Promise<void> => {
    x.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const a = await call<Adopted>("POST", `/endpoints/${e.id}/adopt`, { sha256: which });
      toast(t(a.new ? "adopted_one" : "joined_one", display(a.cert.name)));
      done(a);
    } catch (y) {
      setError(y);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("adopt_one_ask", `${e.host}:${e.port}`)} onClose={close}>
      <form onSubmit={(x) => void run(x)}>
        <p>{t("adopt_one_what")}</p>
        {all.length > 1 ? <Select label={t("adopt_which")} value={which} of={all.map((s) => [s.sha256, s.text])} onValue={setWhich} /> : <p class="mono small">{all[0]?.text}</p>}
        <Fault error={error} />
        <div class="actions end">
          <button type="button" onClick={close}>
            {t("cancel")}
          </button>
          <button class="primary" disabled={busy}>
            {busy ? t("working") : t("to_manage")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function askDeployAgain(e: Endpoint, cert: CertDetail, started: (job: number) => void): void {
  const other = (e.seen?.addresses ?? []).find((a) => a.sha256 && a.sha256 !== cert.sha256);
  ask({
    title: t("deploy_ask", display(cert.name)),
    body: (
      <>
        <p>{t("deploy_held_what", cn(other?.subject) || "?", date(other?.not_after), display(cert.name), date(cert.not_after))}</p>
        <p>{t("deploy_what", cert.bindings.map((b) => b.target ?? "?").join(", "))}</p>
      </>
    ),
    action: t("deploy"),
    run: async () => started((await call<{ job: Job }>("POST", `/certs/${cert.id}/deploy`, {})).job.id),
  });
}

/** Another certificate is served than the one Inro holds: the one thing that helps. */
export function DriftHelp({ e, cert, started }: { e: Endpoint; cert: CertDetail; started: (job: number) => void }): JSX.Element | null {
  const current = cert.versions.find((v) => v.state === "current");
  if (e.state !== "drift" || !current) return null;
  if (!current.has_key)
    return (
      <p class="note warn">
        {t("drift_no_key")} <A href={`/certs/${cert.id}`}>{t("open_cert")}</A>
      </p>
    );
  if (cert.bindings.length === 0)
    return (
      <p class="note warn">
        {t("drift_no_place")} <A href={`/certs/${cert.id}?bind=1`}>{t("bind_add")}</A>
      </p>
    );
  return (
    <div class="actions">
      <button class="primary" onClick={() => askDeployAgain(e, cert, started)}>
        {t("deploy_held")}
      </button>
    </div>
  );
}
