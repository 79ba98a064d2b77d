// 申請: names -> CA -> proof of control -> key -> where it goes -> review -> live progress.
// What was typed survives a reload; every step says at once what the server would refuse.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, jobEnded, type Cert, type Connector, type Job, type Page, type Schemas, type TypeSchema } from "../lib/api";
import { getLang, t, type Key } from "../lib/i18n";
import { useDraft, useGet, useJob, useLive, useTitle } from "../lib/hooks";
import { display } from "../lib/idn";
import { A, go, type Place } from "../lib/router";
import { Empty, Facts, Fault, Field, Head, Loading, Panel, Select } from "../ui/basic";
import { Choose } from "../ui/choose";
import { Fields, outgoing, useTypes, withoutSecrets, type Values } from "../ui/form";
import { GroupSelect } from "../ui/group";
import { JobView } from "../ui/job";
import { Preflight } from "../ui/preflight";
import { TagField, splitTags } from "../ui/tags";
import { windowText } from "../ui/window";
import { OrgSelect, useLastOrg } from "./orgs";
import { ChallengeForm, PolicyForm, challengeOut, challengeText, firstPolicy, keyChoices, policyOut, type PolicyValues } from "./policy";

interface Draft {
  names: string;
  name: string;
  ca: string;
  challenge: Values;
  key: string; // "csr": it was made elsewhere
  csr?: string;
  group?: string;
  organisation?: string;
  tags?: string;
  policy: PolicyValues;
  places: { target: string; type: string; place: Values }[];
  idem: string;
  /** Registered already, although what followed did not succeed: of which content, and how many places are set. */
  made?: { cert: number; of: string; bound: number };
}
const first = (): Draft => ({ names: "", name: "", ca: "", challenge: { type: "http-01" }, key: "ec256", policy: firstPolicy, places: [], idem: Math.random().toString(36).slice(2) });
const steps: Key[] = ["w_names", "w_ca", "w_proof", "w_key", "w_targets", "w_review"];

const words = (s: string): string[] => s.split(/[\s,;、，]+/).filter(Boolean);
export const splitNames = (s: string): string[] => [...new Set(words(s))];

type Checked = Schemas["CertChecked"];

/** No answer: nothing is wrong with what was typed. */
const lost = (x: unknown): boolean => x instanceof ApiError && (x.status === 0 || x.status >= 500);

function body(d: Draft, proofs: TypeSchema[] | null): Values {
  return { names: splitNames(d.names), ...(d.name.trim() ? { name: d.name.trim() } : {}), ca: d.ca, ...(d.key === "csr" ? { csr: d.csr ?? "" } : { key: d.key }), challenge: challengeOut(proofs, d.challenge), policy: policyOut(d.policy), ...(d.group ? { group: d.group } : {}), ...(d.organisation && d.key !== "csr" ? { organisation: d.organisation } : {}), ...(d.tags ? { tags: splitTags(d.tags) } : {}) };
}

/** The server's own checks over what is typed, a moment after the last key. */
function useCheck(d: Draft, proofs: TypeSchema[] | null, cas: Connector[] | undefined): [Checked | null, unknown, boolean] {
  const [ok, setOk] = useState<Checked | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [pending, setPending] = useState(false);
  const [again, setAgain] = useState(0);
  const asked = useRef(0);
  useLive(["ca"], () => setAgain(again + 1)); // also when a lost server is back
  const ca = d.ca || cas?.[0]?.name || "";
  const text = JSON.stringify({ ...body(d, proofs), ca });
  useEffect(() => {
    const mine = ++asked.current;
    if (splitNames(d.names).length === 0 || !ca) {
      setOk(null);
      setError(null);
      setPending(false);
      return;
    }
    setPending(true);
    setError(null); // it was said of what was typed before
    const timer = setTimeout(() => {
      call<Checked>("POST", "/certs/check", JSON.parse(text)).then(
        (x) => {
          if (mine !== asked.current) return;
          setOk(x);
          setError(x.fault && new ApiError(400, x.fault));
          setPending(false);
        },
        (x: unknown) => {
          if (mine !== asked.current) return;
          setOk(null);
          setError(x);
          setPending(false);
        },
      );
    }, 350);
    return () => clearTimeout(timer);
  }, [text, again]);
  return [ok, error, pending];
}

/** The step stands in the address: a reload keeps it, and the browser's own way back is one step back. */
const toStep = (n: number): void => go("/certs/new" + (n ? `?step=${n + 1}` : ""));
const stepOf = (place: Place, d: Draft): number => {
  const n = Number(place.query.get("step") ?? 1) - 1;
  return !Number.isInteger(n) || n < 0 || splitNames(d.names).length === 0 ? 0 : Math.min(n, d.ca ? steps.length - 1 : 1);
};

export function RequestScreen({ place }: { place: Place }): JSX.Element {
  useTitle(t("request_cert"));
  const [lastOrg, setLastOrg] = useLastOrg();
  const proofs = useTypes("challenge", getLang());
  const secretless = (x: Draft): Draft => ({ ...x, challenge: withoutSecrets((proofs ?? []).flatMap((p) => p.fields ?? []), x.challenge) });
  const [d, set, clear] = useDraft<Draft>("request", { ...first(), organisation: lastOrg }, secretless);
  const at = stepOf(place, d);
  const [made, setMade] = useState<{ cert: number; job: number | null } | null>(null);
  const cas = useGet<Page<Connector>>("/cas?limit=500", ["ca"]);
  const [checked, fault, pending] = useCheck(d, proofs, cas.value?.items);
  const [error, setError] = useState<unknown>(null);
  const [badPlace, setBadPlace] = useState<{ n: number; error: unknown } | null>(null);
  const [busy, setBusy] = useState(false);
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), [at]);
  if (!cas.value) return cas.error ? <Fault error={cas.error} retry={() => void cas.reload()} /> : <Loading />;
  if (made) return <Progress made={made} />;
  if (cas.value.items.length === 0)
    return (
      <>
        <Head title={t("request_cert")} up={["/certs", t("certificates")]} />
        <Empty title={t("cas_none")} action={<A href="/cas/new" class="button primary">{t("ca_add")}</A>}>
          {t("cas_none_text")}
        </Empty>
      </>
    );
  const names = splitNames(d.names);
  const wildcard = names.some((n) => n.startsWith("*."));
  const field = fault instanceof ApiError ? (fault.body.field ?? "") : "";
  const taken = checked?.name_taken === true && !d.made;
  const faultAt = taken ? 0 : badPlace ? 4 : !fault ? -1 : lost(fault) ? at : field.startsWith("names") || field === "name" ? 0 : field.startsWith("ca") ? 1 : field.startsWith("challenge") || ["directory", "type"].includes(field) ? 2 : field.startsWith("policy") || field === "key" || field === "csr" || field === "organisation" || field.startsWith("tags") ? 3 : 0;
  const can = [names.length > 0 && !pending && faultAt !== 0, !!d.ca && faultAt !== 1, faultAt !== 2, faultAt !== 3 && (d.key !== "csr" || !!d.csr?.trim()), true, !fault && !taken];
  // What was registered before something failed is used, or, when the content is another now, taken back.
  const register = async (what: Values): Promise<NonNullable<Draft["made"]>> => {
    const of = JSON.stringify(what);
    if (d.made?.of === of) return d.made;
    if (d.made) await call("DELETE", `/certs/${d.made.cert}`).catch(() => undefined);
    const a = await call<{ cert: Cert; job?: Job }>("POST", "/certs", { ...what, request: false }, d.idem);
    return { cert: a.cert.id, of, bound: 0 };
  };
  const submit = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    let now = d.made;
    let n = 0;
    try {
      const bind = d.key === "csr" ? [] : d.places.filter((p) => p.target);
      now = await register(body(d, proofs));
      for (n = now.bound; n < bind.length; n++, now = { ...now, bound: n }) await call("POST", "/bindings", { cert: String(now.cert), target: bind[n]?.target, place: bind[n]?.place });
      n = -1;
      const { job } = await call<{ job: Job }>("POST", `/certs/${now.cert}/request`, {});
      clear();
      setMade({ cert: now.cert, job: job.id });
    } catch (x) {
      set({ ...d, made: now });
      setBusy(false);
      if (n < 0 || !now || lost(x)) return setError(x);
      setBadPlace({ n, error: x });
      toStep(4);
    }
  };
  return (
    <>
      <Head title={t("request_cert")} up={["/certs", t("certificates")]} lead={t("request_lead")} />
      <ol class="wizard-steps" aria-label={t("request_cert")}>
        {steps.map((k, i) => (
          <li key={k} class={i === at ? "on" : faultAt === i && names.length ? "bad" : i < at ? "past" : ""}>
            <button disabled={i > at && !can.slice(0, i).every(Boolean)} aria-current={i === at ? "step" : undefined} onClick={() => toStep(i)}>
              <span class="step-mark" aria-hidden="true">
                {i < at && faultAt !== i ? "✓" : faultAt === i && names.length ? "!" : i + 1}
              </span>
              {t(k)}
            </button>
          </li>
        ))}
      </ol>
      <form
        class="panel wizard"
        onSubmit={(e) => {
          e.preventDefault();
          if (at < steps.length - 1 && can[at]) toStep(at + 1);
          else if (at === steps.length - 1) void submit();
        }}
      >
        <h2 ref={head} tabIndex={-1}>
          {at + 1}. {t(steps[at] as Key)}
        </h2>
        {at === 0 && <Names d={d} set={set} checked={checked} taken={taken} fault={faultAt === 0 && !taken ? fault : null} />}
        {at === 1 && <Cas d={d} set={set} cas={cas.value.items} fault={faultAt === 1 ? fault : null} />}
        {at === 2 && <Proof d={d} set={set} wildcard={wildcard} cas={cas.value.items} fault={faultAt === 2 ? fault : null} ready={!!checked && !fault} />}
        {at === 3 && (
          <>
            <Select label={t("key")} value={d.key} of={[...keyChoices, ["csr", t("key_csr")]]} onValue={(v) => set({ ...d, key: v })} help={t("key_help")} />
            {d.key === "csr" && <Field label={t("csr")} value={d.csr ?? ""} onValue={(v) => set({ ...d, csr: v })} rows={8} mono required help={t("csr_help")} placeholder="-----BEGIN CERTIFICATE REQUEST-----" />}
            {d.key !== "csr" && (
              <OrgSelect
                value={d.organisation ?? ""}
                set={(v) => {
                  set({ ...d, organisation: v });
                  setLastOrg(v);
                }}
              />
            )}
            <GroupSelect value={d.group ?? ""} set={(v) => set({ ...d, group: v })} />
            <TagField label={t("tags")} value={d.tags ?? ""} set={(v) => set({ ...d, tags: v })} />
            <PolicyForm p={d.policy} set={(v) => set({ ...d, policy: v })} />
            <Fault error={faultAt === 3 ? fault : null} />
          </>
        )}
        {at === 4 && d.key === "csr" && <p class="note">{t("csr_no_places")}</p>}
        {at === 4 && d.key !== "csr" && (
          <Places
            d={d}
            bad={badPlace}
            set={(x) => {
              setBadPlace(null);
              set(x);
            }}
          />
        )}
        {at === 5 && <Review d={d} checked={checked} />}
        <Fault error={at === 5 ? (error ?? fault) : null} />
        <div class="actions end">
          {at > 0 && (
            <button type="button" onClick={() => toStep(at - 1)}>
              {t("back")}
            </button>
          )}
          <span class="grow" />
          {at < steps.length - 1 ? (
            <button class="primary" disabled={!can[at]}>
              {t("next")}
            </button>
          ) : (
            <button class="primary" disabled={busy || !!fault || taken}>
              {busy ? t("working") : t("request_submit")}
            </button>
          )}
        </div>
      </form>
    </>
  );
}

interface StepProps {
  d: Draft;
  set: (d: Draft) => void;
}

function Names({ d, set, checked, taken, fault }: StepProps & { checked: Checked | null; taken: boolean; fault: unknown }): JSX.Element {
  const names = splitNames(d.names);
  const twice = words(d.names).length - (checked?.names ?? names).length;
  const idn = checked?.names.filter((n) => n.includes("xn--")) ?? [];
  return (
    <>
      <Field
        label={t("names")}
        value={d.names}
        onValue={(v) => set({ ...d, names: v })}
        rows={5}
        mono
        required
        help={t("names_help")}
        placeholder={"www.example.jp\nshop.example.jp"}
        focus
      />
      {names.length > 0 && (
        <p class="chips" aria-live="polite">
          {(checked?.names ?? names).map((n) => (
            <span key={n} class="tag">
              {n}
            </span>
          ))}
        </p>
      )}
      {names.length > 1 && (
        <p class="small muted" role="status">
          {t("names_count", (checked?.names ?? names).length)} {twice > 0 && t("names_twice", twice)}
        </p>
      )}
      {names.some((n) => n.startsWith("*.")) && <p class="note">{t("wildcard_note")}</p>}
      {idn.length > 0 && <p class="note">{t("idn_note", idn.map((n) => `${display(n)} → ${n}`).join(t("between_frames")))}</p>}
      {checked && checked.existing.length > 0 && (
        <div class="note warn">
          <p>{t("existing_note")}</p>
          <ul>
            {checked.existing.map((e) => (
              <li key={e.name + e.cert}>
                {e.name} → <A href={`/certs/${e.cert}`}>{e.cert_name}</A>
              </li>
            ))}
          </ul>
        </div>
      )}
      <Fault error={fault} />
      <Field label={t("cert_name")} value={d.name} onValue={(v) => set({ ...d, name: v })} placeholder={checked?.name ?? names[0] ?? ""} help={t("cert_name_help")} fault={taken ? t("cert_name_taken", checked?.name ?? "") : null} />
    </>
  );
}

function Cas({ d, set, cas, fault }: StepProps & { cas: Connector[]; fault: unknown }): JSX.Element {
  const types = useTypes("ca", getLang());
  return (
    <>
      <div class="choices" role="radiogroup" aria-label={t("ca")}>
        {cas.map((c) => {
          const type = types?.find((x) => x.id === c.type);
          return (
            <label key={c.id} class={c.name === d.ca ? "choice on" : "choice"}>
              <input type="radio" name="ca" checked={c.name === d.ca} onChange={() => set({ ...d, ca: c.name })} />
              <span>
                <b>{c.name}</b>
                <span class="muted small">
                  {type?.name ?? c.type} – {type?.about} {typeof c.settings?.["directory"] === "string" && <span class="mono">{String(c.settings["directory"])}</span>}
                </span>
              </span>
            </label>
          );
        })}
      </div>
      <Fault error={fault} />
      <p>
        <A href="/cas/new">＋ {t("ca_add")}</A>
      </p>
    </>
  );
}

function Proof({ d, set, wildcard, cas, fault, ready }: StepProps & { wildcard: boolean; cas: Connector[]; fault: unknown; ready: boolean }): JSX.Element {
  const ca = cas.find((c) => c.name === d.ca);
  if (ca?.type === "private") return <p class="note">{t("no_proof_needed", ca.name)}</p>;
  // Of a wildcard the form says what there is.
  const wild = fault instanceof ApiError && fault.body.id === "api.wildcard_dns";
  return (
    <>
      <p class="lead">{t("proof_lead")}</p>
      <ChallengeForm values={d.challenge} set={(v) => set({ ...d, challenge: v })} wildcard={wildcard} error={fault} />
      <Fault error={wild ? null : fault} />
      {!wild && <Preflight body={{ names: splitNames(d.names), ca: d.ca, challenge: d.challenge, ...(d.group ? { group: d.group } : {}) }} ready={ready} />}
    </>
  );
}

function Places({ d, set, bad }: StepProps & { bad: { n: number; error: unknown } | null }): JSX.Element {
  const none = useGet<Page<Connector>>("/targets?limit=1", ["target"]).value?.items.length === 0;
  const types = useTypes("target", getLang());
  const put = (i: number, change: Partial<Draft["places"][number]>): void => set({ ...d, places: d.places.map((p, k) => (k === i ? { ...p, ...change } : p)) });
  return (
    <>
      <p class="lead">{t("places_lead")}</p>
      {d.places.map((p, i) => {
        const fields = types?.find((x) => x.id === p.type)?.place_fields ?? [];
        return (
          <fieldset key={i} class="place">
            <legend>{t("place_n", i + 1)}</legend>
            <Choose<Connector> of="/targets" by="name" label={t("target")} value={p.target} none={t("choose")} onValue={(v, row) => put(i, { target: v, type: row?.type ?? "", place: {} })} required />
            {p.target && <Fields fields={fields} values={p.place} set={(v) => put(i, { place: v })} />}
            {bad?.n === d.places.filter((x, k) => k < i && x.target).length && p.target && <Fault error={bad.error} />}
            <button type="button" class="quiet danger-text" onClick={() => set({ ...d, places: d.places.filter((_, k) => k !== i) })}>
              {t("place_remove")}
            </button>
          </fieldset>
        );
      })}
      {none ? (
        <p class="note">
          {t("targets_none")} <A href="/targets/new">{t("target_add")}</A>
        </p>
      ) : (
        <button type="button" onClick={() => set({ ...d, places: [...d.places, { target: "", type: "", place: {} }] })}>
          ＋ {t("place_add")}
        </button>
      )}
      {d.places.length === 0 && <p class="muted">{t("places_later")}</p>}
    </>
  );
}

function Review({ d, checked }: { d: Draft; checked: Checked | null }): JSX.Element {
  const deployed = d.key !== "csr" && d.places.some((p) => p.target);
  const types = useTypes("target", getLang());
  return (
    <>
      <Facts
        rows={[
          [t("cert_name"), checked?.name ?? d.name],
          [t("names"), (checked?.names ?? splitNames(d.names)).map((n) => <div key={n} title={n}>{display(n)}</div>)],
          [t("ca"), d.ca],
          [t("challenge"), challengeText(d.challenge)],
          ...(d.key === "csr" ? [] : [[t("org_subject"), d.organisation || t("org_no")] as [string, string]]),
          [t("key"), d.key === "csr" ? t("key_csr") : (keyChoices.find(([k]) => k === d.key)?.[1] ?? d.key)],
          [t("auto_renew"), d.policy.auto_renew ? t("yes") : t("no")],
        ]}
      />
      <h3>{t("what_will_happen")}</h3>
      <ol class="will">
        <li>{t(d.key === "csr" ? "will_csr" : "will_key")}</li>
        <li>{t("will_apply", d.ca)}</li>
        {deployed && d.policy.approval && <li>{t("will_ask")}</li>}
        {deployed && d.policy.window && <li>{t("will_wait", windowText(d.policy.window))}</li>}
        {(d.key === "csr" ? [] : d.places).map((p, i) => {
          const fields = types?.find((x) => x.id === p.type)?.place_fields ?? [];
          const out = outgoing(fields, p.place);
          return (
            <li key={i}>
              {t("will_put", p.target || "–")} <span class="mono small">{Object.values(out).map(String).join(" ")}</span>
            </li>
          );
        })}
        {(d.key === "csr" || d.places.length === 0) && <li>{t("will_not_deploy")}</li>}
        {d.policy.auto_renew && <li>{t("will_renew_later")}</li>}
      </ol>
    </>
  );
}

/** The application as it happens; when it is done, the deployment that follows it. */
function Progress({ made }: { made: { cert: number; job: number | null } }): JSX.Element {
  const [job, error] = useJob(made.job);
  const after = useGet<Page<Job>>(job?.state === "done" ? `/jobs?subject=cert/${made.cert}&kind=deploy&limit=1` : null, ["job"]);
  const deployId = after.value?.items[0]?.id ?? null;
  const [deploy] = useJob(deployId);
  return (
    <>
      <Head title={job?.state === "done" && (!deployId || (deploy && jobEnded(deploy))) ? t("request_over") : t("request_running")} up={["/certs", t("certificates")]} lead={job && !jobEnded(job) ? t("request_running_lead") : undefined}>
        <A href={`/certs/${made.cert}`} class="button primary">
          {t("open_cert")}
        </A>
      </Head>
      <Fault error={error} />
      {job && (
        <Panel title={t("w_issue")} id="issue">
          <JobView job={job} />
        </Panel>
      )}
      {deploy && (
        <Panel title={t("deploy")} id="deploy">
          <JobView job={deploy} />
        </Panel>
      )}
      {made.job === null && <p class="note">{t("no_job")}</p>}
    </>
  );
}
