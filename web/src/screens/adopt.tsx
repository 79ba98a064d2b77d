// Taking over with a plan first; and what helps at one endpoint: taking over what it serves, or putting there again what Inro holds.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, type Adopted, type Adoption, type CertDetail, type Endpoint, type Job } from "../lib/api";
import { date, pair, t } from "../lib/i18n";
import { display } from "../lib/idn";
import { A } from "../lib/router";
import { cn } from "../pic/pics";
import { Fault, Loading, Select, faultText, toast } from "../ui/basic";
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

/** So many are taken at once. */
const AT_ONCE = 500;

/** What would be done, address by address; then what was, and what is next. */
export function AdoptPlan({ base, items, action, close, done }: { base: `/discoveries/${string}` | "/endpoints"; items: number[]; action: "watch" | "adopt"; close: () => void; done: () => void }): JSX.Element {
  const [plan, setPlan] = useState<Adoption | null>(null);
  const [made, setMade] = useState<Adoption | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const body = { ...(base === "/endpoints" ? {} : { action }), items: items.slice(0, AT_ONCE).map(String) };
  useEffect(() => {
    call<Adoption>("POST", `${base}/plan`, body).then(setPlan, setError);
  }, []);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      setMade(await call<Adoption>("POST", `${base}/adopt`, body));
      done();
    } catch (x) {
      setError(x);
    }
    setBusy(false);
  };
  const n = plan ? plan.items.length - plan.left_out : items.length;
  if (made) return <Made of={made} close={close} />;
  return (
    <Dialog title={t(action === "watch" ? "plan_watch" : "plan_manage", n)} onClose={close} wide>
      <p class="lead">{t(action === "watch" ? "plan_watch_text" : "plan_manage_text")}</p>
      {items.length > AT_ONCE && <p class="note warn">{t("too_many_selected")}</p>}
      {!plan && !error && <Loading />}
      {plan && <PlanLines of={plan} />}
      <Fault error={error} />
      <div class="actions end">
        <button onClick={close}>{t("cancel")}</button>
        <button class="primary" disabled={busy || !plan || n === 0 || !!plan.refused} onClick={() => void run()}>
          {busy ? t("working") : t(action === "watch" ? "to_watch" : "to_manage")}
        </button>
      </div>
    </Dialog>
  );
}

function PlanLines({ of: p }: { of: Adoption }): JSX.Element {
  return (
    <>
      <p>{t("plan_counts", p.endpoints, p.certs, p.joined, p.left_out)}</p>
      {p.certs > 0 && <p>{t("plan_licence", p.certificates.used, p.certificates.limit, p.certificates.used + p.certs)}</p>}
      {p.refused && <p class="fault">{faultText(p.refused)}</p>}
      {p.items.length === p.left_out && <p class="note">{t("plan_nothing_to_do")}</p>}
      <div class="scroll" tabIndex={0} role="region" aria-label={t("plan_list")}>
        <ul class="lines">
          {p.items.map((i) => (
            <li key={i.id} class="spread">
              <span>
                <span class="mono">
                  {i.host}:{i.port}
                </span>{" "}
                {i.name && <b>{display(i.name)}</b>}
              </span>
              <span class={i.what === "skip" ? "muted" : ""}>{deed(i)}</span>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

function deed(i: Adoption["items"][number]): string {
  switch (i.what) {
    case "skip":
      return t("deed_skip", pair(i.why));
    case "join":
      return t("deed_join", display(i.cert_name ?? i.name ?? ""));
    case "adopt":
      return t("deed_adopt");
    default:
      return t("deed_watch");
  }
}

function Made({ of: m, close }: { of: Adoption; close: () => void }): JSX.Element {
  const certs = m.items.filter((i) => i.what === "adopt" && i.cert);
  return (
    <Dialog title={t("adopted_done", m.endpoints, m.certs)} onClose={close} wide>
      {certs.length > 0 && <AdoptNext certs={certs.map((i) => ({ id: i.cert as number, name: i.cert_name ?? "" }))} />}
      <div class="actions end">
        <button class="primary" onClick={close}>
          {t("close")}
        </button>
      </div>
    </Dialog>
  );
}
